"""What views show as matplotlib figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks, _palette, plots
from ..data._trace import Token, Trace
from ..plots import _lines, _matrices, _style
from ._tiles import HeadSelection, Tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTIONS = {"max": "the largest", "mean": "the mean"}

Positions = tuple[list[int], list[Token]]


def attention_figure(
    tiles: Tiles,
    selection: HeadSelection,
    mode: str,
    mean: bool,
    selected: tuple[int | None, int | None],
    threshold: float = 0.0,
    log: bool = False,
) -> Figure:
    """The heads of AttentionView as lines or as a matrix, with what is hidden left out.

    threshold: smaller weights are not drawn; log: strength follows the logarithm of the weight
    """
    trace, heads = tiles.trace, selection.heads
    sides = _sides(tiles, selection)
    merged = mean or mode == "matrix"
    several = selection.layers
    where = f"Mean of {len(several)} layers" if several else f"Layer {selection.layer}"
    title = f"{where}, {_heads_in_words(heads, merged)}"
    if mode == "lines" and max(len(positions) for positions, _ in sides) <= _lines.MOST:
        weights = tiles.weights(selection).float().cpu().numpy()
        names = [f"head {head}" for head in heads]
        colours = [_palette.head_colour(head) for head in heads]
        if merged and len(heads) > 1:
            weights, names, colours = weights.mean(0, keepdims=True), [title], [_palette.colour("accent")]
        words = title, _style.named(trace, _lines.READING, *_drawn_how(threshold, log))
        drawn = dict(marked=selected, threshold=threshold, log=log)
        return _lines.drawn(weights, sides, colours, names, words, **drawn)
    return _matrix_figure(tiles, selection, sides, title, selected, threshold, log)


def _drawn_how(threshold: float, log: bool) -> list[str]:
    """For a caption: what is omitted, and a scale that is not linear."""
    omitted = [f"weights below {threshold:g} are omitted"] if threshold > 0 else []
    return omitted + (["logarithmic scale"] if log else [])


def _sides(tiles: Tiles, selection: HeadSelection) -> tuple[Positions, Positions]:
    """The positions and the tokens that are shown along queries and keys."""
    axes = tiles.trace.axis_tokens(selection.layer)
    return tuple(
        (positions.tolist(), [tokens[i] for i in positions.tolist()])
        for positions, tokens in zip(tiles.positions(selection), axes)
    )


def _heads_in_words(heads: tuple[int, ...], merged: bool) -> str:
    if len(heads) == 1:
        return f"head {heads[0]}"
    return f"mean of {len(heads)} heads" if merged else f"{len(heads)} heads"


def _matrix_figure(
    tiles: Tiles,
    selection: HeadSelection,
    sides: tuple[Positions, Positions],
    title: str,
    selected: tuple[int | None, int | None],
    threshold: float,
    log: bool,
) -> Figure:
    values, size = pooled_selection(tiles, selection, _matrices.SHARPEST)
    tokens = tuple(tokens for _, tokens in sides)
    norm = _style.log_scale(values) if log else _style.weight_scale([values], len(tokens[1]))
    values = np.where(values < threshold, 0, values)
    ax = _style.panel(None, None, _matrices.size_of(*tokens))
    image = _matrices.tokens_matrix(ax, values, (size, size), tokens, norm=norm)
    for (positions, _), at, draw in zip(sides, selected, (ax.axhspan, ax.axvspan)):
        if at in positions:
            place = positions.index(at)
            outline = dict(fill=False, edgecolor=_palette.colour("selection"), linewidth=1.2)
            draw(place - 0.5, place + 0.5, **outline)
    _style.colour_bar(
        image, ax, "attention weight" if len(selection.heads) == 1 and not selection.layers else "mean weight"
    )
    cells = f"a cell is {CAPTIONS[selection.pool]} of {size} × {size} weights" if size > 1 else ""
    caption = _style.named(
        tiles.trace, f"{_matrices.READING}, dark is much attention", cells, *_drawn_how(threshold, log)
    )
    return _style.done(ax, title, caption, True)


def pooled_selection(tiles: Tiles, selection: HeadSelection, most: int) -> tuple[np.ndarray, int]:
    """The mean of the selected heads as a matrix of at most so many rows and columns, and the weights across a cell."""
    rows, cols = tiles.positions(selection)
    level = max(0, math.ceil(math.log2(max(len(rows), len(cols), 1) / most)))
    return tiles.whole(selection, level).numpy(), 1 << level


def patterns_figure(trace: Trace, tiles: list[np.ndarray], of_class_token: bool, some: bool) -> Figure:
    """Every head of HeadsView as its thumbnail.

    tiles: of each layer `[head, row, column]`; of_class_token: rather than of every query; some: of queries far apart
    """
    longest = max(max(_checks.attention(trace, number).shape[1:]) for number in range(len(trace)))
    rows = f"rows are {max(tile.shape[1] for tile in tiles)} queries, evenly spaced" if some else ""
    pooling = _matrices.LARGEST_OF_CELL if longest > max(max(tile.shape[1:]) for tile in tiles) else ""
    words = (f"{_matrices.READING}, dark is much attention", rows, pooling)
    return _matrices.grid_of(trace, tiles, (_matrices.OF_CLASS_TOKEN,) if of_class_token else words)


def statistic_figure(by: str, numbers: list[list[float | None]]) -> Figure:
    """A statistic of every head of HeadsView, `[layer][head]`."""
    import pandas as pd

    rows = [(layer, head, x) for layer, row in enumerate(numbers) for head, x in enumerate(row)]
    return plots.stats(pd.DataFrame(rows, columns=["layer", "head", by]), by)


def framed(figure: Figure, layer: int, heads: list[int]) -> Figure:
    """A figure of every head with some of a layer framed."""
    for head in heads:
        _frame_head(figure.axes[0], layer, head)
    return figure


def _frame_head(ax: Axes, layer: int, head: int) -> None:
    from matplotlib.patches import Rectangle

    colour = _palette.colour("selection")
    ax.add_patch(Rectangle((head - 0.5, layer - 0.5), 1, 1, fill=False, edgecolor=colour, linewidth=1.8))


def compare_figure(sides: dict[str, tuple[Tiles, int, int]], pairs: list[tuple[int, int]]) -> Figure:
    """CompareView's panels: a head of a, one of b and, where tokens stand beside each other, b minus a.

    sides: "a" and "b", each with its layer and head; pairs: positions of a and b, empty where nothing can be subtracted
    """
    shown = {name: _compared_head(*side) for name, side in sides.items()}
    panels = 3 if 0 < len(pairs) <= _matrices.SHARPEST else 2
    side = min(5.2, max(3.2, max(_matrices.size_of(*tokens)[1] for _, _, tokens in shown.values()) - 0.6))
    figure, axes = _style.blank((panels * side + 0.8, side + 0.6), 1, panels)
    norm = _style.weight_scale(
        [values for values, _, _ in shown.values()], max(len(keys) for *_, (_, keys) in shown.values())
    )
    for ax, (name, (values, size, tokens)) in zip(axes.flat, shown.items()):
        image = _matrices.tokens_matrix(ax, values, (size, size), tokens, norm=norm)
        _title(ax, f"{name}: layer {sides[name][1]}, head {sides[name][2]}")
    _style.colour_bar(image, axes.flat[1], "attention weight")
    if panels == 3:
        _draw_difference(axes.flat[2], sides, pairs)
    named = (
        f"{name}: {_style.named(tiles.trace, _text(tiles.trace))}" for name, (tiles, *_) in sides.items()
    )
    return _style.finish(figure, "Two heads side by side", "  ·  ".join(named))


def _compared_head(tiles: Tiles, layer: int, head: int) -> tuple[np.ndarray, int, tuple]:
    values, size = pooled_selection(tiles, HeadSelection(layer, (head,)), _matrices.PANEL)
    return values, size, tiles.trace.axis_tokens(layer)


def _draw_difference(
    ax: Axes, sides: dict[str, tuple[Tiles, int, int]], pairs: list[tuple[int, int]]
) -> None:
    from matplotlib.colors import CenteredNorm

    shared = [list(positions) for positions in zip(*pairs)]
    before, after = (
        tiles.trace[layer][head, at, at].float().cpu().numpy()
        for (tiles, layer, head), at in zip(sides.values(), shared)
    )
    queries, keys = (
        [_beside(a[i], b[j]) for i, j in pairs]
        for a, b in zip(*(tiles.trace.axis_tokens(layer) for tiles, layer, _ in sides.values()))
    )
    norm = CenteredNorm(0, float(np.abs(after - before).max()) or 1.0)
    image = _matrices.tokens_matrix(ax, after - before, (1, 1), (queries, keys), _style.SIGNED, norm)
    _title(ax, "b − a")
    _style.colour_bar(image, ax, "change of the weight")


def _beside(a: Token, b: Token) -> Token:
    """A token of a, with the one of b that replaces it."""
    return a if a.text == b.text else Token(f"{a}→{b}", special=a.special)


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=10, color=_style.INK, fontweight="bold", parse_math=False)


def _text(trace: Trace) -> str:
    text = " / ".join(trace.passages)
    return text if len(text) <= 48 else f"{text[:47]}…"


def patches_figure(
    trace: Trace, layer: int, heads: list[int], query: int | None, maps: dict[str, Any]
) -> Figure:
    """PatchView's pictures: the image, the attention of the query, and each map beside them on its own scale."""
    grid = trace.patches
    at = query if query is not None else 0 if grid.leading else None
    attention, chosen = trace[layer], heads or slice(None)
    row = attention[chosen].mean((0, 1)) if at is None else attention[chosen, at].mean(0)
    words = f"layer {layer}, " + ("mean of the heads" if not heads else _heads_in_words(tuple(heads), True))
    attending = {"title": words, "scores": row[len(grid.leading) :], "kind": "share"}
    return plots._images.panels(trace, [attending, *maps.values()], at)
