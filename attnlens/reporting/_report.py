"""A report: views of one input or several as one HTML file that opens anywhere, without kernel and network.

    al.report(lens, "a gripping , funny film", "report.html")     # runs the model; with an attribution
    al.report(trace, path="report.html")                          # a trace computed before
    al.report([trace_a, trace_b], path="report.html")             # a section for each
    al.report(audit, path="audit.html")                           # of a classifier on a data set
    al.report(pages, path="heads.html")                           # of every head on a data set

The page holds the bundles of the notebook, the state of each view as JSON, and the compressed bytes of every layer,
which the browser decompresses when a layer is first shown. Its Content-Security-Policy allows the scripts in it, by
their hashes, and no requests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from .._checks import listed, one_of
from ..corpus import Audit, AuditComparison, HeadPages
from ..data._trace import Trace
from ..errors import InputError
from ..io import _safetensors
from ..lens import Lens
from ..widgets._view import bundle, temporary
from ._audit_page import audit_body
from ._comparison_page import comparison_body
from ._head_page import head_page_body
from ._page import Page, document
from ._sections import VIEWS, ReportInput, compared, section, summary, whole_text

PATH = "report.html"
FOOTER = f"<footer>Made by attnlens {__version__}. This page is self-contained; it loads nothing.</footer>"


def report(
    source: Lens | Trace | Iterable[Trace] | Audit | AuditComparison | HeadPages,
    input: Any = None,
    path: str | os.PathLike = PATH,
    *,
    title: str | None = None,
    views: str | Iterable[str] | None = None,
    heads: Iterable[tuple[int, int]] | None = None,
    window: int | None = None,
    compress: bool = True,
) -> Path:
    """Writes one HTML file: an input and its prediction, every head, the attention of a chosen one, an attribution.

    source: a lens, which is run on the input; a trace; several traces, of one model or of many; or an audit, the
        comparison of two, or head pages, whose page takes none of the other options but `title`
    input: what the lens reads, as for `lens.trace`; a list makes a section for each
    path: the file, ending in .html; an existing file is replaced, as a whole or not at all
    title: the page's heading, by default the names of the models
    views: which of "heads", "attention", "tokens", "patches" and "compare" to show; by default all that are available.
        "tokens" is the attribution of a text, for its likeliest classes by the default method, and needs the lens;
        "patches" is the image of a vision model with attention over it and, with a lens, attributions; "compare" is
        two inputs side by side, where there are two
    heads: pairs of a layer and a head. The page opens at the first, and of a long trace it holds all of them in every
        detail; by default those with the largest weights (see below), as many as fit 64 MB
    window: with a lens: texts that are too long for the model are read in overlapping windows of this many tokens; the
        page has the attribution of each whole text first, then a section for each window
    compress: False stores the bytes uncompressed, for a browser without DecompressionStream

    The page opens at the head with the largest weight from the reading position (class token, or last token) on an
    ordinary token; the selection is shared by the views, and kept in the page's address. Notes on it can be added, and
    are saved with the page. Every layer is in the file, in float16. Of a trace that is too long for that the page has
    the queries and keys of some heads, from which the browser computes any weight, and coarse maps of the largest
    weights of all others, which takes a pass over every head; it states what it has.

    Returns the path. Raises InputError for a wrong source, input, view or ending, FileError where it cannot write.

    >>> al.report(lens, "a gripping , funny film", "report.html")
    """
    path, wanted = _path(path), _views(views)
    heads = None if heads is None else _pairs(heads)
    _safetensors.check_writable(path, PATH)
    if isinstance(source, Audit | AuditComparison | HeadPages):
        _safetensors.place(path, [_of_data(source, title)], PATH)
        return path
    page = Page(compress)
    entries = list(_entries(source, input, wanted, window))
    if not entries:
        raise InputError("there is no input to report on: the list is empty; give at least one input")
    traces = [entry.trace for entry in entries]
    wholes = []
    with temporary():  # only the views' state goes into the page
        sections = [
            section(page, number, entry, wanted, len(entries) > 1, heads)
            for number, entry in enumerate(entries)
        ]
        if window is not None and "tokens" in wanted:
            explained = (
                whole_text(page, number, source, one, window) for number, one in enumerate(_inputs(input))
            )
            wholes = [whole for whole in explained if whole is not None]
        if "compare" in wanted and window is None:
            sections.append(compared(page, entries))
    title = title or f"Attention of {_models(list(dict.fromkeys(trace.model for trace in traces)))}"
    top = summary(title, traces, [whole.trace for whole in wholes])
    body = "\n".join([top, *(whole.html for whole in wholes), *sections, FOOTER])
    _safetensors.place(path, [page.written(title, body)], PATH)
    return path


def _models(names: list[str]) -> str:
    """Some models in a title."""
    if names == [""]:
        return "a model"
    named = ", ".join(f"“{name}”" if name else "a model" for name in names[:3])
    return f"the model{'s' if names[1:] else ''} {named}{' …' if names[3:] else ''}"


def _of_data(source: Audit | AuditComparison | HeadPages, title: str | None) -> bytes:
    """The page of an audit, of two, or of heads on a data set."""
    if isinstance(source, HeadPages):
        title = title or f"Heads of {_models([source.lens.name])}"
        body, held = head_page_body(source, title)
        return document(title, f"{body}\n{FOOTER}", [bundle("head_pages")], [held])
    if isinstance(source, Audit):
        title = title or f"Audit of {_models([source.name])}"
        body = audit_body(source, title)
    else:
        title = title or f"{source.before.name} and {source.after.name}"
        body = comparison_body(source, title)
    return document(title, f"{body}\n{FOOTER}", [bundle("audit")])


def _path(path: Any) -> Path:
    """The path. Raises InputError for a name with another ending: it may be another file's name by mistake."""
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


def _pairs(heads: Any) -> list[tuple[int, int]]:
    try:
        pairs = [(layer, head) for layer, head in heads]
    except (TypeError, ValueError):
        raise InputError(
            f"heads are pairs of a layer and a head, such as heads=[(5, 3)], not {heads!r}"
        ) from None
    if not pairs:
        raise InputError("heads is empty; omit it, or name at least one (layer, head)")
    return pairs


def _inputs(input: Any) -> list[Any]:
    found = listed(input)
    return [input] if found is None else found


def _entries(source: Any, input: Any, views: tuple[str, ...], window: int | None) -> Iterator[ReportInput]:
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
        raise InputError("window= is how a lens reads a text; a trace has been read already: omit it")
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "parameters"):
        raise InputError(
            f"a report takes a lens and its input, or a trace, not {_kind(source)}; make a lens of a model: "
            "al.load(name), al.Lens(model, tokenizer), al.Lens(model, patches=...)"
        )
    if input is not None:
        named = f": report(trace, path={str(input)!r})" if isinstance(input, (str, os.PathLike)) else ""
        raise InputError(f"a trace holds its own input, so input= is for a lens; omit it{named}")
    if views == ("tokens",):
        raise InputError("an attribution needs the model: report(lens, input), not the trace alone")
    traces = [source] if isinstance(source, Trace) else source
    if isinstance(traces, (str, bytes, dict)) or not isinstance(traces, Iterable):
        raise InputError(
            f"a report takes a lens and its input, a trace or several traces, not {_kind(source)}"
        )
    for trace in traces:
        if not isinstance(trace, Trace):
            raise InputError(
                f"a report of several takes traces, and among them is {_kind(trace)}; make each by lens.trace(input)"
            )
        yield ReportInput(trace)


def _kind(source: object) -> str:
    return f"a {type(source).__name__}"
