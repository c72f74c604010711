"""Figures of weights as matrices: the query runs down, the key across, dark is much attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from .. import _checks
from ..analysis._pooling import pooled, pooled_mean, pooled_signed
from ..data._attention import Attention
from ..data._thumbnails import of_class_token, sees_patches
from ..data._trace import Token, Trace
from ..errors import InputError
from . import _style

SHARPEST = 900
"""Maximum number of rows and columns of a matrix that fills a figure; longer inputs are pooled."""

PANEL = 360
"""Maximum number of rows and columns of one among several panels."""

THUMBNAIL = 64
"""Maximum number of rows and columns of one head in the grid of all heads."""

FEWEST_CELLS = 16
"""Rows and columns of one head in the grid where there are so many heads that each is only a few pixels."""

MOST_PICTURES = 512
"""Heads of the grid that are drawn as a picture each; beyond it those of a layer are one, which is faster."""

READING = "query down, key across"
OF_CLASS_TOKEN = "a square: attention of the class token"
LARGEST_OF_CELL = "a cell is the largest weight in it"


def head(
    trace: Trace, layer: int, head: int, *, cmap: _style.Colours = None, figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """One head as a matrix: the query runs down, the key across, dark is much attention.

    For up to a dozen tokens the cells show the weights. White is a weight of zero, as behind a causal mask. Beyond 24
    keys the colours follow the square root up to a quantile of the weights, and beyond 900 tokens a cell is the largest
    of the weights that it covers; the figure states this.

    cmap: other colours, by the name of a map of matplotlib; figsize: inches; ax: draw into this Axes and return its
        figure.

    Raises InputError for a layer or a head that does not exist.

    >>> attnlens.plots.head(trace, 5, 3)
    """
    layer = _checks.position("layer", layer, len(_checks.drawable(trace, "plots.head")))
    attention = _checks.attention(trace, layer)
    number = _checks.position("head", head, attention.heads)
    values, step = pooled(attention, SHARPEST, [number])
    title = f"Layer {layer}, head {number}"
    return _single(trace, layer, values[0].numpy(), step, (title, "attention weight"), cmap, figsize, ax)


def average(
    trace: Trace, layer: int | None = None, *, cmap: _style.Colours = None, figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """The mean over the heads of one layer, or over all heads of all layers by default; drawn as by `head`.

    A mean hides the patterns of single heads: it shows where attention goes overall.

    Raises InputError where layers differ in shape and cannot be averaged (see `trace.select`).
    """
    _checks.drawable(trace, "plots.average")
    if layer is not None:
        layer = _checks.position("layer", layer, len(trace))
        chosen, title = [_checks.attention(trace, layer)], f"Layer {layer}, mean of its heads"
    else:
        chosen, title = same_shape(trace, "average"), f"Mean of all heads in {len(trace)} layers"
    values, step = pooled_mean(chosen, SHARPEST)
    number = -1 if layer is None else layer
    return _single(trace, number, values.numpy(), step, (title, "mean weight"), cmap, figsize, ax)


def row(
    trace: Trace, token: int | str, *, cmap: _style.Colours = None, figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """The attention of one token in every layer, heads averaged: a row per layer, the first at the top; keys across.

    token: its number (negative from the end) or its text; of several with the same text, the first.

    Raises InputError for a token that does not exist, and where layers have different keys (see `trace.select`).
    """
    layers = same_shape(_checks.drawable(trace, "plots.row"), "row")
    queries, keys = trace.axis_tokens(-1)
    at = _checks.token("token", token, queries)
    means = torch.stack([layer[:, at].mean(0).cpu() for layer in layers])
    values, step = pooled_signed(means, SHARPEST)
    across, room = _style.side(len(keys), most=10), _style.label_room(keys)
    new, colours = ax is None, _style.weight_colours(cmap)
    ax = _style.panel(ax, figsize, (max(5.0, across + 1.6), 1.25 + room + 0.32 * max(2, len(trace))))
    norm = _style.weight_scale([values.numpy()], len(keys))
    image = _style.matrix(ax, values.numpy(), norm, tuple(means.shape), colours, step)
    ax.set_aspect("auto")
    if len(keys) <= _style.MOST_NUMBERS and len(trace) <= 2 * _style.MOST_NUMBERS:
        _style.numbers(ax, image)
    _style.label(ax.xaxis, keys)
    _style.label_numbers(ax.yaxis, len(trace), "layer")
    if keys is queries and len(keys) > 1:
        ax.annotate(
            "▼", (at, -0.5), (0, 1), textcoords="offset points", ha="center", fontsize=7, color=_style.INK
        )
    _style.colour_bar(image, ax, "mean weight", shrink=0.95, aspect=16)
    title = f"Attention of “{_style._fonts.readable(str(queries[at]), 24)}” (position {at}), layer by layer"
    return _style.done(ax, title, _style.named(trace, "mean of the heads", _dark(cmap), _cells(step)), new)


def heads(
    trace: Trace, layer: int = -1, *, cmap: _style.Colours = None, figsize: _style.Size | None = None
) -> Figure:
    """Every head of one layer: the query runs down, the key across, dark is much attention.

    All heads share one colour scale, so a pale square is a head that spreads its attention. Beyond 24 keys the
    scale is the square root, up to a quantile of the weights; the colour bar shows it.
    """
    layer = _checks.position("layer", layer, len(_checks.drawable(trace, "plots.heads")))
    attention = _checks.attention(trace, layer)
    values, step = pooled(attention, PANEL)
    queries, keys = trace.axis_tokens(layer)
    columns = _columns(attention.heads)
    wide, high = (_panel_side(len(tokens), attention.heads) for tokens in (keys, queries))
    size = (
        columns * (wide + 0.08) + _style.label_room(queries) + 1.2,
        math.ceil(attention.heads / columns) * (high + 0.28) + _style.label_room(keys) + 0.7,
    )
    colours = _style.weight_colours(cmap)
    figure, axes = _style.blank(figsize or size, math.ceil(attention.heads / columns), columns)
    norm = _style.weight_scale(values.numpy(), len(keys))
    for number, ax in enumerate(axes.flat):
        if number >= attention.heads:
            ax.axis("off")
            continue
        _style.matrix(ax, values[number].numpy(), norm, attention.shape[1:], colours, step)
        ax.set_title(f"head {number}", fontsize=9, color=_style.INK, pad=4)
        _style.label(ax.yaxis, queries if number % columns == 0 else ())
        _style.label(ax.xaxis, keys if number + columns >= attention.heads else ())
    _style.colour_bar(_style.scale(norm, values.numpy(), colours), axes, "attention weight")
    title = f"Layer {layer}, every head"
    words = (_reading(cmap), "one scale for all heads", _cells(step))
    return _style.finish(figure, title, _style.named(trace, *words))


def grid(trace: Trace, *, cmap: _style.Colours = None, figsize: _style.Size | None = None) -> Figure:
    """All heads at a glance: rows are layers, columns heads, and within a square the query runs down, the key across.

    For an image, a square shows the attention of the class token, on the grid of patches. All squares share one scale,
    so a pale one is a head that spreads its attention; a cell of a long input is the largest weight within it.
    """
    _checks.drawable(trace, "plots.grid")
    side = max(len(trace), *(layer.attention.heads for layer in trace.layers))
    cells = min(THUMBNAIL, max(FEWEST_CELLS, 1024 // side))
    tiles = [_tiles(trace, number, cells) for number in range(len(trace))]
    if sees_patches(trace, trace.layers[0]):
        words = (OF_CLASS_TOKEN,)
    else:
        words = (_reading(cmap), LARGEST_OF_CELL if _longest(trace) > cells else "")
    return grid_of(trace, tiles, words, cmap, figsize)


def grid_of(
    trace: Trace, tiles: Sequence[np.ndarray], words: tuple[str, ...],
    cmap: _style.Colours = None, figsize: _style.Size | None = None,
) -> Figure:  # fmt: skip
    """All heads of a trace, drawn; tiles: of each layer `[head, row, column]`; words: for the caption."""
    most = max(map(len, tiles))
    side = max(most, len(tiles))
    norm, colours = _style.weight_scale(tiles, _longest(trace)), _style.weight_colours(cmap)
    each = min(2.2, max(4.5 / side, min(0.78, 13 / side)))
    size = (max(4.6, most * each + 1.3), max(2.4, len(tiles) * each + 1.15))
    ax = _style.blank(figsize or size)[1][0, 0]
    draw = _thumbnails if sum(map(len, tiles)) <= MOST_PICTURES else _strip
    for down, layer in enumerate(tiles):
        draw(ax, layer, down, norm, colours)
    _layers_and_heads(ax, len(tiles), most)
    ax.add_collection(LineCollection(_frames(tiles), colors=_style.HAIRLINE, linewidths=0.8))
    _style.colour_bar(_style.scale(norm, tiles, colours), ax, "attention weight", shrink=0.6)
    caption = _style.named(trace, words[0], "one scale for all", *words[1:])
    return _style.finish(ax.figure, "Every head of every layer", caption)


def _layers_and_heads(ax: Axes, layers: int, heads: int) -> None:
    """Layer numbers on the left and head numbers at the top, without a frame."""
    ax.set(xlim=(-0.5, heads - 0.5), ylim=(layers - 0.5, -0.5), aspect="equal")
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    _style.label_numbers(ax.xaxis, heads, "head")
    _style.label_numbers(ax.yaxis, layers, "layer")
    for spine in ax.spines.values():
        spine.set_visible(False)


def same_shape(trace: Trace, function: str) -> list[Attention]:
    """The layers. Raises InputError unless they have the same queries and keys."""
    first = trace.layers[0]
    for layer in trace.layers:
        alike = (layer.kind, layer.query_side, layer.key_side, layer.attention.shape[1:])
        if alike != (first.kind, first.query_side, first.key_side, first.attention.shape[1:]):
            kinds = ", ".join(dict.fromkeys(x.name.split(".")[0] for x in trace.layers))
            raise InputError(
                f"plots.{function} needs layers over the same tokens; {layer.name!r} is {layer.kind} attention "
                f"{list(layer.attention.shape)} beside {first.name!r} {list(first.attention.shape)}. Choose layers "
                f"of one kind: trace.select(prefix, kind={layer.kind!r}), where paths start with {kinds}."
            )
    return [_checks.attention(trace, number) for number in range(len(trace))]


def _single(
    trace: Trace,
    layer: int,
    values: np.ndarray,
    step: tuple[int, int],
    words: tuple[str, str],
    cmap: _style.Colours,
    figsize: _style.Size | None,
    ax: Axes | None,
) -> Figure:
    """One matrix with its tokens, its scale and, where they fit, its numbers; words: (title, name of the scale)."""
    new, colours = ax is None, _style.weight_colours(cmap)
    ax = _style.panel(ax, figsize, size_of(*trace.axis_tokens(layer)))
    image = tokens_matrix(ax, values, step, trace.axis_tokens(layer), colours)
    _style.colour_bar(image, ax, words[1])
    return _style.done(ax, words[0], _style.named(trace, _reading(cmap), _cells(step)), new)


def tokens_matrix(
    ax: Axes,
    values: np.ndarray,
    step: tuple[int, int],
    sides: tuple[Sequence[Token], Sequence[Token]],
    colours: Colormap = _style.WEIGHTS,
    norm: Normalize | None = None,
) -> AxesImage:
    """A matrix between its tokens, with its numbers where they fit; a cell covers `step` positions."""
    queries, keys = sides
    shape = (len(queries), len(keys))
    norm = norm or _style.weight_scale([values], len(keys))
    image = _style.matrix(ax, values, norm, shape, colours, step)
    if max(shape) <= _style.MOST_NUMBERS:
        _style.numbers(ax, image)
    _style.label(ax.yaxis, queries)
    _style.label(ax.xaxis, keys)
    ax.set_ylabel("query", color=_style.QUIET, fontsize=9)
    ax.set_xlabel("key", color=_style.QUIET, fontsize=9)
    return image


def _dark(cmap: _style.Colours) -> str:
    """The meaning of a dark cell; for other colours the bar shows it."""
    return "dark is much attention" if cmap is None else ""


def _reading(cmap: _style.Colours) -> str:
    return ", ".join(filter(None, (READING, _dark(cmap))))


def size_of(queries: Sequence[Token], keys: Sequence[Token]) -> _style.Size:
    """Inches of a figure of one matrix."""
    width = _style.side(len(keys)) + _style.label_room(queries) + 1.1
    return max(4.2, width), max(2.9, _style.side(len(queries)) + _style.label_room(keys) + 0.9)


def _cells(step: tuple[int, int]) -> str:
    across = f"{step[0]} × {step[1]}" if step[0] > 1 else step[1]
    return "" if step == (1, 1) else f"a cell is the largest of {across} weights"


def _columns(heads: int) -> int:
    """Number of panels side by side, so that the last row is full where possible."""
    widest = 4 if heads <= 16 else 8
    return next((n for n in range(widest, widest // 2, -1) if heads % n == 0), min(widest, heads))


def _panel_side(count: int, heads: int) -> float:
    most = 2.6 if heads <= 16 else 1.9
    return min(max(0.8, 0.19 * count), most)


def _longest(trace: Trace) -> int:
    """The largest number of queries or keys of a layer."""
    return max(max(layer.attention.shape[1:]) for layer in trace.layers)


def _tiles(trace: Trace, number: int, most: int) -> np.ndarray:
    """One layer's heads for the grid, `[head, row, column]`."""
    attention, layer = _checks.attention(trace, number), trace.layers[number]
    if sees_patches(trace, layer):
        return of_class_token(trace, layer).cpu().numpy()
    return pooled(attention, most)[0].numpy()


HALF = 0.46
"""Half a square of the grid; the rest is the gap."""


def _thumbnails(ax: Axes, tiles: np.ndarray, down: int, norm: Normalize, colours: Colormap) -> None:
    """A layer's heads `[head, row, column]`, a picture each."""
    for across, tile in enumerate(tiles):
        place = (across - HALF, across + HALF, down + HALF, down - HALF)
        shown = np.ma.masked_equal(tile, 0)
        ax.imshow(shown, cmap=colours, norm=norm, extent=place, interpolation="nearest")


def _strip(ax: Axes, tiles: np.ndarray, down: int, norm: Normalize, colours: Colormap) -> None:
    """A layer's heads `[head, row, column]` as one picture, with what is between them left empty."""
    wide = tiles.repeat(max(1, round(100 / tiles.shape[2])), axis=2)
    gap = round(wide.shape[2] * (0.5 / HALF - 1) / 2)
    strip = np.pad(wide, ((0, 0), (0, 0), (gap, gap))).transpose(1, 0, 2).reshape(tiles.shape[1], -1)
    place = (-0.5, len(tiles) - 0.5, down + HALF, down - HALF)
    shown = np.ma.masked_equal(strip, 0)
    ax.imshow(shown, cmap=colours, norm=norm, extent=place, interpolation="nearest")


def _frames(tiles: Sequence[np.ndarray]) -> list[list[tuple[float, float]]]:
    corners = ((-HALF, -HALF), (HALF, -HALF), (HALF, HALF), (-HALF, HALF), (-HALF, -HALF))
    return [
        [(across + x, down + y) for x, y in corners]
        for down, tile in enumerate(tiles)
        for across in range(len(tile))
    ]
