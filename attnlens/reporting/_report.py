"""A report: views of one input or several as one HTML file that opens anywhere, without kernel and network.

    al.report(lens, "a gripping , funny film", "report.html")     # runs the model; with an attribution
    al.report(trace, path="report.html")                          # a trace that is there already
    al.report([trace_a, trace_b], path="report.html")             # a section for each

The page holds the bundles of the notebook, the state of each view as JSON, and the bytes of every layer, compressed,
which the browser undoes when a layer is first shown. Its own Content-Security-Policy allows the scripts that are in it,
by their hashes, and no request whatever.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from .._checks import listed, one_of
from ..data._trace import Trace
from ..errors import InputError
from ..io import _safetensors
from ..lens import Lens
from ..widgets._view import temporary
from ._page import Page
from ._sections import VIEWS, ReportInput, compared, section, summary, whole_text

PATH = "report.html"
FOOTER = f"<footer>Made by attnlens {__version__}. Everything is in this file; nothing is fetched.</footer>"


def report(
    source: Lens | Trace | Iterable[Trace],
    input: Any = None,
    path: str | os.PathLike = PATH,
    *,
    title: str | None = None,
    views: str | Iterable[str] | None = None,
    window: int | None = None,
    compress: bool = True,
) -> Path:
    """Writes one HTML file: an input and its prediction, every head, the attention of a chosen one, an attribution.

    source: a lens, which is run on the input; a trace; or several traces, of one model or of many
    input: what the lens reads, as for `lens.trace`; a list makes a section of each
    path: the file, ending in .html; one that is there is replaced, as a whole or not at all
    title: the page's heading, by default the names of the models
    views: which of "heads", "attention", "tokens", "patches" and "compare" to show; by default all that there can be.
        "tokens" is the attribution of a text, of its likeliest classes by the default method, which needs the lens;
        "patches" is the image of a vision model with attention over it, and of a lens with attributions; "compare" is
        two inputs side by side, where there are two
    window: of a lens: texts that are too long for the model are read in overlapping windows of so many tokens; the page
        has the attribution of each whole text first, then a section for each window
    compress: False leaves the bytes as they are, for a browser without DecompressionStream

    The page opens at the head in which the reading position (class token, or last token) looks hardest at one ordinary
    token; what is selected among the heads is what the attention shows, and the other way round. Every layer is in the
    file, in float16. Of a trace that is too long for a browser to compute, heads come as coarse maps of their
    largest weights instead, which takes a pass over every head; the page says so.

    Returns the path. Raises InputError for a wrong source, input, view or ending, FileError where it cannot write.

    >>> al.report(lens, "a gripping , funny film", "report.html")
    """
    path, wanted = _path(path), _views(views)
    _safetensors.check_writable(path, PATH)
    page = Page(compress)
    found = list(_given(source, input, wanted, window))
    if not found:
        raise InputError("there is nothing to report on: the list is empty")
    traces = [given.trace for given in found]
    wholes = []
    with temporary():  # of the views only their state goes into the page
        sections = [
            section(page, number, given, wanted, len(found) > 1) for number, given in enumerate(found)
        ]
        if window is not None and "tokens" in wanted:
            explained = (
                whole_text(page, number, source, one, window) for number, one in enumerate(_inputs(input))
            )
            wholes = [whole for whole in explained if whole is not None]
        if "compare" in wanted and window is None:
            sections.append(compared(page, traces))
    names = list(dict.fromkeys(trace.model or "a model" for trace in traces))
    title = title or f"Attention of {', '.join(names[:3])}{' …' if names[3:] else ''}"
    top = summary(title, traces, [whole.answer for whole in wholes])
    body = "\n".join([top, *(whole.html for whole in wholes), *sections, FOOTER])
    _safetensors.place(path, [page.written(title, body)], PATH)
    return path


def _path(path: Any) -> Path:
    """InputError for a name that does not end as that of a page: it may be that of another file, mistaken."""
    path = _safetensors.named(path)
    if path.suffix.lower() not in (".html", ".htm") and not path.is_dir():
        raise InputError(f"a report is an HTML file: give path= a name that ends in .html, not {str(path)!r}")
    return path


def _views(views: Any) -> tuple[str, ...]:
    if views is None:
        return VIEWS
    chosen = [views] if isinstance(views, str) else list(views)
    for name in chosen:
        one_of("view", name, VIEWS)
    if not chosen:
        raise InputError(f"views is empty; name some of: {', '.join(VIEWS)}")
    return tuple(name for name in VIEWS if name in chosen)


def _inputs(input: Any) -> list[Any]:
    found = listed(input)
    return [input] if found is None else found


def _given(source: Any, input: Any, views: tuple[str, ...], window: int | None) -> Iterator[ReportInput]:
    """Each trace, and where it came from."""
    if isinstance(source, Lens):
        if input is None:
            raise InputError(f"a lens needs an input to report on: report(lens, input, {PATH!r})")
        for one in _inputs(input):
            if window is None:
                yield ReportInput(source.trace(one, store="factors"), source, one)
            else:
                yield from map(ReportInput, source.trace(one, store="factors", window=window))
        return
    if window is not None:
        raise InputError("window= is how a lens reads a text; traces are read already: leave it away")
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "parameters"):
        raise InputError(
            f"a report is of a lens and its input, or of a trace, not of {_kind(source)}; make a lens of a model: "
            "al.load(name), al.Lens(model, tokenizer), al.Lens(model, patches=...)"
        )
    if input is not None:
        named = f": report(trace, path={str(input)!r})" if isinstance(input, (str, os.PathLike)) else ""
        raise InputError(f"a trace has its input in it, so that input= belongs to a lens alone{named}")
    if views == ("tokens",):
        raise InputError("an attribution needs the model: report(lens, input), not the trace alone")
    traces = [source] if isinstance(source, Trace) else source
    if isinstance(traces, (str, bytes, dict)) or not isinstance(traces, Iterable):
        raise InputError(
            f"a report is of a lens and its input, of a trace or of several, not of {_kind(source)}"
        )
    for trace in traces:
        if not isinstance(trace, Trace):
            raise InputError(
                f"a report of several needs traces, one after the other; among them is {_kind(trace)}"
            )
        yield ReportInput(trace)


def _kind(given: object) -> str:
    return f"a {type(given).__name__}"
