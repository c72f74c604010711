"""The sections of a report: for each input the input itself, its prediction, and the views of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from .. import _checks
from ..analysis._strongest_heads import heads_by_strength
from ..attribution import TextAttribution
from ..data._thumbnails import data_url
from ..data._trace import Token, Trace
from ..errors import InputError
from ..lens import Lens, TextLens
from ..widgets import AttentionView, CompareView, HeadsView, PatchView, TokensView, _payload
from ..widgets._compare import attributions_for_one_target
from ..widgets._patches import DRAWN
from ..widgets._view import View
from ._long_traces import LongTrace
from ._page import Page, room, shown

VIEWS = ("heads", "attention", "tokens", "patches", "compare")

DETAIL = 16 << 20
"""Bytes of all layers up to which queries and keys are in the page, even where the weights are smaller."""

MOST_STATS = 1 << 28
"""Weights of all layers up to which heads can be coloured by `head_stats`, which reads every weight."""

MOST_CLASSES = 5
MOST_EXPLAINED = 2
"""Classes, the likeliest first, that are listed and that are explained."""

LONG = 200
"""Characters or tokens of an input beyond which it may have to be scrolled, by keyboard too."""

DECIDED = "What made the model decide"


class ReportInput(NamedTuple):
    """A trace, with its lens and input where they are known."""

    trace: Trace
    lens: Lens | None = None
    input: Any = None


Traits = dict[int, dict[str, str]]
"""Of views by their number: what each trait means, and its name there."""


class WholeText(NamedTuple):
    """A text that was read in windows: its trace over all windows, and its part of the page."""

    trace: Trace
    html: str


def section(
    page: Page,
    number: int,
    entry: ReportInput,
    views: tuple[str, ...],
    several: bool,
    heads: list[tuple[int, int]] | None = None,
) -> str:
    """One trace's part of the page, as HTML; its views are placed in the page.

    several: whether there are others, so that the section needs a heading
    heads: as for `report`
    """
    trace = entry.trace
    heading = f"<h2>{number + 1}. {shown(named(trace), 120)}</h2>" if several else ""
    out = [f'<section class="part" id="part-{number}">{heading}', introduced(trace)]
    if any(0 not in layer.attention.shape for layer in trace.layers):
        placed, traits = _placed(page, entry, views, heads, 3 if several else 2)
        out.append(f'<div class="views">{"".join(placed)}</div>')
        _keep(page, f"part-{number}", traits)
    else:
        out.append('<p class="note">There are no attention weights in this trace.</p>')
    return "\n".join([*out, "</section>"])


def compared(page: Page, entries: list[ReportInput]) -> str:
    """Two traces side by side, or why they are not; "" unless there are two with weights."""
    traces = [entry.trace for entry in entries]
    if len(traces) != 2 or any(0 in layer.attention.shape for trace in traces for layer in trace.layers):
        return ""
    heading = '<section class="part" id="compared"><h2>Side by side</h2>'
    if any(_payload.header(trace)["remote"] for trace in traces):
        said = "Too much for a page to compare weight by weight; al.CompareView(a, b) in a notebook does."
        return f'{heading}<p class="note">{said}</p></section>'
    view = CompareView(*traces, attributions=_for_one_target(entries))
    for prefix, trace in zip(("a_", "b_"), traces):
        with_layers(view, trace, prefix)
    number = page.place(view)
    return f"{heading}{room(number, 620)}</section>"


def _for_one_target(entries: list[ReportInput]) -> tuple[TextAttribution, TextAttribution] | None:
    """Both texts' attributions for the class that is predicted for the first; None where there are no classes."""
    if not all(isinstance(entry.lens, TextLens) and entry.trace.prediction for entry in entries):
        return None
    lenses, inputs = [entry.lens for entry in entries], [entry.input for entry in entries]
    return attributions_for_one_target(lenses, inputs, entries[0].trace.prediction.index)


def whole_text(page: Page, number: int, lens: TextLens, text: Any, window: int) -> WholeText | None:
    """The attribution of a text that was read in windows; None for a model without classes."""
    traces = lens.trace(text, window=window)
    if traces[0].logits is None:
        return None
    whole = replace(traces[0], logits=torch.stack([trace.logits for trace in traces]).mean(0))
    view = attributed(ReportInput(whole, lens, text), window=window)
    if view is None:
        return None
    whole = replace(whole, layers=(), tokens=view.attribution.tokens)
    read = "read in 1 window"
    if len(traces) > 1:
        read = f"read in {len(traces)} overlapping windows; the prediction is the mean of their logits"
    out = (
        f'<section class="part" id="whole-{number}"><h2>The whole text</h2>{introduced(whole, read)}',
        f"{_named(DECIDED, 3, room(page.place(view), 320))}</section>",
    )
    return WholeText(whole, "\n".join(out))


def _placed(
    page: Page, entry: ReportInput, views: tuple[str, ...], heads: list[tuple[int, int]] | None, level: int
) -> tuple[list[str], Traits]:
    """The requested views that are available, under headings of that level, and their traits, which are linked."""
    trace, out, traits = entry.trace, [], {}
    beside = {"heads", "attention"} <= set(views)
    order = heads_by_strength(trace) if heads is None else _numbered(heads, trace)
    layer, head = order[0]
    if "heads" in views:
        number = page.place(with_stats(HeadsView(trace, layer=layer, heads=head), trace))
        out.append(_named("Every head", level, room(number, 160 + 60 * len(trace)), half=beside))
        traits[number] = {"layer": "layer", "heads": "heads"}
    if "attention" in views:
        number, html = _attention(page, trace, order, heads is not None)
        out.append(_named("Attention between tokens", level, html, half=beside))
        traits[number] = {"layer": "layer", "heads": "heads", "query": "query", "key": "key"}
    if "patches" in views and (view := patches(entry, layer, head)) is not None:
        number = page.place(with_layers(view, trace))
        out.append(_named("Over the image", level, room(number, 700)))
        if over_the_input(trace):
            traits[number] = {"layer": "layer", "heads": "heads", "query": "query"}
    if "tokens" in views and (view := attributed(entry)) is not None:
        number = page.place(view)
        out.append(_named(DECIDED, level, room(number, 320)))
        if view.attribution.tokens == trace.tokens:
            traits[number] = {"query": "token"}
    _link(page, traits)
    return out, traits


def _named(name: str, level: int, view: str, half: bool = False) -> str:
    """A view, as HTML, below its name: a heading of level 3 below that of an input, else 2; half: of a wide page."""
    return f'<div{" class=half" if half else ""}><h{level} class="name">{name}</h{level}>\n{view}</div>'


def _numbered(heads: list[tuple[int, int]], trace: Trace) -> list[tuple[int, int]]:
    """The heads as numbers that are not negative. Raises InputError for one that is not in the trace."""
    numbered = []
    for layer, head in heads:
        layer = _checks.position("layer", layer, len(trace))
        numbered.append((layer, _checks.position("head", head, trace[layer].heads)))
    return list(dict.fromkeys(numbered))


def _attention(page: Page, trace: Trace, order: list[tuple[int, int]], chosen: bool) -> tuple[int, str]:
    """The attention view's number in the page and its HTML: with all weights, or with maps, some heads, and a note.

    order: the heads that the page should hold first; chosen: whether it should hold all of these
    """
    (layer, head), *_ = order
    view = AttentionView(trace, layer=layer, heads=head)
    if view.trace["remote"]:
        view.mode = "matrix"
        long = LongTrace(trace, order, chosen)
        view.trace = long.header(view.trace)
        number = page.place(view, **long.traits())
        return number, f'<p class="note">{long.note()}</p>\n{room(number, 740)}'
    number = page.place(with_vectors(with_layers(view, trace), trace))
    return number, room(number, 180 + 20 * min(24, max(one.attention.queries for one in trace.layers)))


def _keep(page: Page, section: str, traits: Traits) -> None:
    """Keeps what is selected in the page's address."""
    for number, names in traits.items():
        for meaning, name in names.items():
            page.keep(section, "head" if meaning == "heads" else meaning, number, name)


def _link(page: Page, traits: Traits) -> None:
    """Links each trait with the same trait of the previous view that has one."""
    last: dict[str, tuple[int, str]] = {}
    for number, names in traits.items():
        for meaning, name in names.items():
            if meaning in last:
                page.link(*last[meaning], number, name)
            last[meaning] = number, name


# -- views --------------------------------------------------------------------------------------------------


def with_stats(view: HeadsView, trace: Trace) -> HeadsView:
    """The view with its statistics, which it would otherwise request; none for too many weights."""
    if sum(math.prod(layer.attention.shape) for layer in trace.layers) <= MOST_STATS:
        view.handlers["stats"]()
    else:
        view.columns = []
    return view


def with_layers(view: View, trace: Trace, prefix: str = "") -> View:
    """The view with all layers, which it would otherwise request one by one."""
    for number in range(len(trace)):
        view.handlers[f"{prefix}layer"](layer=number)
    return view


def with_vectors(view: AttentionView, trace: Trace) -> AttentionView:
    """The view with queries and keys, from which a score is computed, even where the weights are smaller."""
    headers = [_payload.layer_header(layer, detail=True) for layer in trace.layers]
    if sum(one["bytes"] for one in headers) <= DETAIL:
        for number, layer in enumerate(trace.layers):
            setattr(view, f"layer_{number}", _payload.layer_bytes(layer.attention, detail=True))
        view.trace = {**view.trace, "layers": headers}
    return view


def patches(entry: ReportInput, layer: int, head: int) -> PatchView | None:
    """The image with attention over it and, with a lens, attributions; None for a text, and for too many patches."""
    trace = entry.trace
    if trace.patches is None:
        return None
    source = (trace,) if entry.lens is None else (entry.lens, entry.input)
    try:
        view = PatchView(*source, **({"layer": layer, "heads": head} if over_the_input(trace) else {}))
    except InputError:
        return None
    if view.trace["remote"]:
        return None
    view.offered = [name for name in view.offered if name in DRAWN or name in view.maps]
    view.labels = [view.target] if view.target else []
    return view


def over_the_input(trace: Trace) -> bool:
    """Whether every layer attends from the input's tokens to themselves, so that each can be shown over the image."""
    return all(layer.query_side == layer.key_side == "input" for layer in trace.layers)


def attributed(entry: ReportInput, **options: Any) -> TokensView | None:
    """The likeliest classes explained by the default method; None without a lens, and for a model without classes."""
    lens, trace = entry.lens, entry.trace
    if not isinstance(lens, TextLens) or trace.prediction is None:
        return None
    classes = [trace.prediction.index]
    if trace.probabilities is not None and len(trace.labels) == len(trace.logits):
        classes = trace.probabilities.topk(min(MOST_EXPLAINED, len(trace.logits))).indices.tolist()
    try:
        return TokensView(lens.attribute(entry.input, classes, **options))
    except InputError:
        return None  # a model whose targets are not classes


# -- what went in and what came out -------------------------------------------------------------------------


def named(trace: Trace) -> str:
    """A trace in a few words: its text, or its size."""
    if trace.text:
        return " / ".join(trace.passages)
    if trace.patches is not None:
        return f"an image of {trace.patches.rows} x {trace.patches.cols} patches"
    return _size(trace)


def summary(title: str, traces: list[Trace], wholes: list[Trace]) -> str:
    """The head of the page: its title, and a table of contents for several traces and texts read in windows."""
    out = [f"<header><h1>{shown(title, 300)}</h1></header>"]
    if wholes or len(traces) > 1:
        whole = f"<ul>{_links('whole', wholes, 'The whole text: ')}</ul>" if wholes else ""
        out.append(f'<nav aria-label="Inputs">{whole}<ol>{_links("part", traces)}</ol></nav>')
    return "\n".join(out)


def _links(place: str, traces: list[Trace], what: str = "") -> str:
    return "".join(
        f'<li><a href="#{place}-{number}">{what}{shown(named(trace), 120)}</a> {_prediction(trace)}</li>'
        for number, trace in enumerate(traces)
    )


def _prediction(trace: Trace) -> str:
    return (
        "" if trace.prediction is None else f'<span class="about">→ {shown(str(trace.prediction), 80)}</span>'
    )


def introduced(trace: Trace, *more: str) -> str:
    """The input beside the likeliest classes, and a line of facts about the model, with `more`."""
    facts = [shown(trace.model or "a model", 200), _size(trace), *more]
    if trace.layers:
        heads = sorted({layer.attention.heads for layer in trace.layers})
        most = _counted(heads[-1], "head")
        facts.append(
            f"{_counted(len(trace), 'layer')} of {most if len(heads) == 1 else f'{heads[0]} to {most}'}"
        )
    about = f'<p class="about">{" · ".join(facts)}</p>'
    long = sum(map(len, trace.passages)) > LONG or len(trace.tokens) > LONG
    scrolled = ' tabindex="0" role="group" aria-label="Input"' if long else ""
    return (
        f'<div class="given"><div class="input"{scrolled}>{_input(trace)}</div>{_classes(trace)}</div>{about}'
    )


def _size(trace: Trace) -> str:
    """The number of tokens, of an encoder-decoder on both sides; of positions where the trace has no tokens."""
    if trace.output_tokens:
        return f"{_counted(len(trace.tokens), 'token')}, {len(trace.output_tokens)} of the decoder"
    if trace.tokens or not trace.layers:
        return _counted(len(trace.tokens), "token")
    return _counted(trace.layers[0].attention.queries, "position")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _input(trace: Trace) -> str:
    if trace.patches is not None and trace.patches.image is not None:
        return f'<img alt="The image as the model saw it" src="{data_url(trace.patches.image)}">'
    if not trace.tokens:
        return '<p class="about">Positions have numbers: recording.traces(tokens=...) gives them names.</p>'
    texts = trace.passages or (" ".join(token.text for token in trace.tokens),)
    return "".join(f"<p>{shown(text)}</p>" for text in texts) + _output(trace)


def _output(trace: Trace) -> str:
    """What the decoder of an encoder-decoder has read, special tokens included; "" for another model."""
    if not trace.output_tokens:
        return ""
    spaced = any(token.text.startswith(" ") for token in trace.output_tokens)
    pieces = [_piece(token, spaced) for token in trace.output_tokens]
    return f'<p><span class="about">decoder: </span>{shown("".join(pieces).strip())}</p>'


def _piece(token: Token, spaced: bool) -> str:
    """A token of a running text; spaced: whether the first piece of a word begins with its space."""
    if token.special:
        return f" {token.text} "
    if token.text.startswith("##"):
        return token.text[2:]
    return token.text if spaced else f" {token.text}"


def _classes(trace: Trace) -> str:
    """The likeliest classes with a bar each; a regression's value; "" for a model without a prediction."""
    if trace.prediction is None:
        return ""
    if trace.probabilities is None:
        value = shown(str(trace.prediction))
        return f'<table class="classes"><tr><th scope="row">prediction</th><td>{value}</td></tr></table>'
    best = torch.topk(trace.probabilities, min(MOST_CLASSES, len(trace.probabilities)))
    rows = "".join(
        f'<tr><th scope="row">{shown(trace.label(index), 60)}</th><td><svg aria-hidden="true" viewBox="0 0 100 10" '
        f'preserveAspectRatio="none"><rect class="all" width="100" height="10"/><rect class="share" '
        f'width="{100 * share:.2f}" height="10"/></svg></td><td>{share:.1%}</td></tr>'
        for share, index in zip(best.values.tolist(), best.indices.tolist())
    )
    return f'<table class="classes" aria-label="The likeliest classes">{rows}</table>'
