"""BertViz's three views, each as a function of a trace."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence
from typing import Any

from .._checks import among
from ..data._axes import Index
from ..errors import InputError
from . import _page
from ._layers import LayerGroup, TraceLike, ViewContent, factors, view_content

MOST_LINES = {"head_view": 1_000_000, "model_view": 1_500_000, "neuron_view": 100_000}
"""Lines that a browser draws in about ten seconds. BertViz draws one for each weight that is shown: 12 heads of 288
tokens, 12 layers of 12 heads of 102 tokens; in the neuron view seven for each weight of one head, 316 tokens."""

PAIRS = (
    ("Sentence A -> Sentence A", 0, 0),
    ("Sentence B -> Sentence B", 1, 1),
    ("Sentence A -> Sentence B", 0, 1),
    ("Sentence B -> Sentence A", 1, 0),
)
"""BertViz's filters of a pair beside "All": whose queries, whose keys."""


def head_view(
    trace: TraceLike,
    *,
    layers: Index | None = None,
    heads: Index | None = None,
    layer: int | None = None,
    tokens: Sequence[str] | None = None,
    html: bool = False,
    offline: bool = True,
) -> str | None:
    """BertViz's head view: each token on the left is joined to those that it attends to, with a colour for each head.

    The stronger a line, the larger the weight of its query on its key, over all heads that are selected. Point at a
    token to see it alone; click a square to hide a head, double-click to see it alone. Weights show where information
    could flow, not what the model did with it.

    trace: a Trace, or a recording or list of one
    layers, heads: numbers of those in the page, all by default; the squares above the picture are these heads in
        order. In an encoder-decoder layers are counted on each side
    layer: the layer that is shown first
    tokens: names of the positions, where the trace has none
    html: return the page instead of showing it
    offline: put D3 and jQuery into the page; False loads them from cdnjs.cloudflare.com, as BertViz does

    Two texts have BertViz's filters, an encoder-decoder its three parts; patches of an image are p0, p1, ...

    Raises InputError for what BertViz cannot draw: layers of several sizes, and more lines than a browser can draw.

    >>> al.bertviz.head_view(trace, layers=[0, 5], layer=5)
    """
    content = view_content(trace, "head_view", layers, heads, tokens)
    params = {
        "layer": None if layer is None else among("layer", layer, content.layers),
        "heads": None,
        "include_layers": content.layers,
    }
    _bearable("head_view", content, 1)
    data = _data(content, params) | {"fill": len(content.layers)}
    return _show("head_view", content, _control("Layer", "layer") + _filter(content), data, html, offline)


def model_view(
    trace: TraceLike,
    *,
    layers: Index | None = None,
    heads: Index | None = None,
    tokens: Sequence[str] | None = None,
    dark: bool = False,
    html: bool = False,
    offline: bool = True,
) -> str | None:
    """BertViz's model view: all heads at once, a row for each layer; queries are on the left, keys on the right.

    Click a head to see it with its tokens. The other arguments and the errors are those of `head_view`.

    dark: BertViz's dark colours

    >>> al.bertviz.model_view(trace, layers=range(4))
    """
    content = view_content(trace, "model_view", layers, heads, tokens)
    params = {
        "display_mode": "dark" if dark else "light",
        "include_layers": content.layers,
        "include_heads": content.heads,
        "total_heads": len(content.heads),
    }
    _bearable("model_view", content, len(content.layers))
    return _show("model_view", content, _filter(content), _data(content, params), html, offline)


def neuron_view(
    trace: TraceLike,
    *,
    layers: Index | None = None,
    heads: Index | None = None,
    layer: int | None = None,
    head: int | None = None,
    tokens: Sequence[str] | None = None,
    dark: bool = False,
    html: bool = False,
    offline: bool = True,
) -> str | None:
    """BertViz's neuron view: the products of one query with every key, by dimension, and the softmax of their sums.

    Point at a token on the left and click its plus sign. Orange is negative, blue positive, strong far from zero. The
    vectors are those that the model multiplied, after any rotary position embedding; the query includes the model's
    scale, so that the column q · k is the score. A bias, a soft cap or a sink is in the softmax, not in that column.
    Grouped heads share their keys.

    layer, head: what is shown first; the other arguments are those of `model_view`

    Raises InputError as `head_view` does, and where a layer holds weights alone: trace with `store="factors"`.

    >>> al.bertviz.neuron_view(lens.trace("a gripping film", store="factors"), layer=3, head=5)
    """
    content = view_content(trace, "neuron_view", layers, heads, tokens)
    numbers = {part.numbers for part in content.parts}
    if len(numbers) > 1:
        raise InputError(
            f"neuron_view draws equally many layers on every side, but here are {_sides(content)}; choose common "
            "layers by layers=[...], or one side by trace.select(prefix)"
        )

    params: dict[str, Any] = {
        "layer": 0 if layer is None else content.layers.index(among("layer", layer, content.layers)),
        "head": 0 if head is None else content.heads.index(among("head", head, content.heads)),
        "numbers": {"layer": content.layers, "att_head": content.heads},
        "display_mode": "dark" if dark else "light",
    }
    _bearable("neuron_view", content, 1 / len(content.heads))
    params["bidirectional"] = not all(_causal(part) for part in content.parts)
    data = _data(content, params, vectors=True)
    controls = _control("Layer", "layer") + _control("Head", "att_head") + _filter(content)
    return _show("neuron_view", content, controls, data, html, offline)


# -- what is drawn ------------------------------------------------------------------------------------------


def _data(content: ViewContent, params: dict[str, Any], vectors: bool = False) -> dict[str, Any]:
    """The data of the page, from which `params.js` makes BertViz's parameters."""
    return {
        "params": params,
        "parts": [_packed(content, part, vectors) for part in content.parts],
        "pairs": PAIRS if content.segments else [],
        "segments": content.segments,
    }


def _packed(content: ViewContent, part: LayerGroup, vectors: bool) -> dict[str, Any]:
    weights = content.weights(part)
    data = {
        "name": part.name,
        "left": part.left,
        "right": part.right,
        "shape": list(weights.shape),
        "weights": _page.packed(weights, "<f2"),
    }
    if vectors:
        queries, keys = factors(part, content.heads)
        packed = {"queries": _page.packed(queries, "<f4"), "keys": _page.packed(keys, "<f4")}
        data |= packed | {"d_head": queries.shape[-1]}
    return data


def _causal(part: LayerGroup) -> bool:
    """Whether no token of the group attends to a later one."""
    _, queries, keys = part.shape
    return queries == keys and all(not bool(one.attention[:].triu(1).any()) for one in part.layers)


def _bearable(view: str, content: ViewContent, times: float) -> None:
    """Raises InputError for more lines than a browser can draw in reasonable time."""
    part = max(content.parts, key=lambda part: part.shape[1] * part.shape[2])
    _, queries, keys = part.shape
    lines, most = int(times * len(content.heads) * queries * keys), MOST_LINES[view]
    if lines <= most:
        return
    fewer = "" if queries * keys > most else "layers= and heads=" if view == "model_view" else "heads="
    raise InputError(
        f"{view} would draw {lines:,} lines for {queries} x {keys} tokens, more than the {most:,} that a browser "
        f"can draw; {fewer and f'show less by {fewer}, or '}use al.AttentionView(trace) or "
        "al.HeadsView(trace), which are responsive at any length"
    )


def _sides(content: ViewContent) -> str:
    return ", ".join(f"{part.name} {', '.join(map(str, part.numbers))}" for part in content.parts)


# -- showing ------------------------------------------------------------------------------------------------


def _show(
    view: str, content: ViewContent, controls: str, data: dict, html: bool, offline: bool
) -> str | None:
    title = f"BertViz {view.replace('_', ' ')}" + (f" of {content.model}" if content.model else "")
    made = _page.page(view, title, controls, data, offline)
    if html:
        return made
    from IPython.display import HTML, display

    display(HTML(_page.frame(made, title, _height(view, content))))
    return None


def _height(view: str, content: ViewContent) -> int:
    """Height of the picture in pixels, by the measures in BertViz's scripts, with its controls."""
    tokens = max(max(part.shape[1:]) for part in content.parts)
    if view == "head_view":
        return int(22.5 * tokens + 30) + 60
    if view == "neuron_view":
        return 26 * tokens + 100 + 80
    head = tokens * 7 * 12 / len(content.heads) + 10
    return int(max(len(content.layers) * head + 38, 18 * tokens + 55)) + 60


def _control(label: str, name: str) -> str:
    """A drop-down list that BertViz fills or reads."""
    return f'<label class="dropdown-label">{label}: <select id="{name}"></select></label>\n'


def _filter(content: ViewContent) -> str:
    """The choice between the parts, or between the texts of a pair."""
    names = [part.name for part in content.parts]
    if content.segments:
        names = ["All", *(name for name, *_ in PAIRS)]
    if len(names) == 1:
        return ""
    options = "".join(f'<option value="{i}">{markup.escape(name)}</option>' for i, name in enumerate(names))
    return f'<label class="dropdown-label">Attention: <select id="filter">{options}</select></label>\n'
