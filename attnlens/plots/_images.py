"""Figures over images: attention as a heat map over the patches of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .. import _checks, _palette
from ..data._attention import Attention
from ..data._trace import PatchGrid, Trace, no_patches
from ..errors import InputError
from . import _style

FAINT, STRONG = 0.05, 0.85
"""Opacity of the smallest and the largest share: where there is little attention the image shows through."""

MOST_ACROSS = 7
"""Panels side by side."""

UNITS = {"share": "share of attention", "rank": "importance, no unit", "signed": "logits against and for"}
"""What the numbers of each kind of map are."""


class PatchMap(TypedDict):
    """A number for each patch."""

    title: str
    scores: Tensor
    kind: str


Query = int | str | tuple[int, int]
"""A position by number or text, or a patch by (row, column)."""


def patches(
    trace: Trace,
    layer: int | Sequence[int] = -1,
    query: Query = 0,
    *,
    head: int | Sequence[int] | None = None,
    cmap: _style.Colours = None,
    figsize: _style.Size | None = None,
) -> Figure:
    """The attention of one position of a vision model, the class token by default, as a heat map over the image.

    The image comes first; all maps share one scale, and the query patch is outlined.

    layer: one layer or several, drawn side by side.
    query: the position's number or text, or a patch as (row, column).
    head: one head or several; None is the mean over the heads.
    cmap: other colours, by the name of a map of matplotlib.

    Raises InputError for the trace of a text, and for a layer whose positions are not the patches.
    """
    grid = _grid(trace, "patches")
    at = _checks.patch("query", query, grid)
    layers = _named("layer", layer, len(trace))
    weights, titles = [], []
    for number in layers:
        attention = _over_patches(trace, number)
        for chosen in [None] if head is None else _named("head", head, attention.heads):
            weights.append(attention[:, at].mean(0) if chosen is None else attention[chosen, at])
            titles.append(f"layer {number}" + ("" if chosen is None else f", head {chosen}"))
    caption = _style.named(
        trace,
        _heads_in_words(trace[layers[0]].heads) if head is None else "",
        _most(grid, weights[0]) if len(weights) == 1 else "",
        f"uniform {1 / trace[layers[0]].keys:.2g}",
        "one scale for all maps" if len(weights) > 1 else "",
    )
    rows = len(layers) if len(layers) > 1 and head is not None else None
    words = f"Attention of {grid.name(at)}", caption
    return over_image(trace, weights, titles, words, at, figsize, rows, _style.colours(cmap, _style.HEAT))


def _heads_in_words(count: int) -> str:
    return "its only head" if count == 1 else f"mean of {count} heads"


def _most(grid: PatchGrid, row: Tensor) -> str:
    """The patch with the largest weight."""
    leading = len(grid.leading)
    best = leading + int(row[leading:].argmax())
    return f"most on {grid.name(best)}, {float(row[best]):.2g}"


def layers(
    trace: Trace, query: Query = 0, *, cmap: _style.Colours = None, figsize: _style.Size | None = None
) -> Figure:
    """The attention of one position of a vision model in every layer: the mean over heads over the image, on one scale.

    The image comes first, then the layers in order. See `patches` for single layers and heads.
    """
    _grid(trace, "layers")
    return patches(trace, range(len(trace)), query, cmap=cmap, figsize=figsize)


def over_image(
    trace: Trace,
    weights: list[Tensor],
    titles: list[str],
    words: tuple[str, str],
    at: int,
    figsize: _style.Size | None = None,
    rows: int | None = None,
    colours: Colormap = _style.HEAT,
) -> Figure:
    """The image, then each `[key]` as a heat map over it, all on one scale.

    words: title and caption; at: the query position, outlined where it is a patch
    rows: number of rows of maps, with the image beside the first; None: wrapped, with the image among them
    """
    grid = trace.patches
    maps = [row[len(grid.leading) :].reshape(grid.rows, grid.cols).cpu().numpy() for row in weights]
    pictured = grid.image is not None
    down, columns = (rows, len(maps) // rows + pictured) if rows else _wrapped(len(maps) + pictured)
    figure, axes = _style.blank(figsize or _size(grid, down, columns), down, columns)
    for ax in axes.flat:
        ax.axis("off")
    if pictured:
        axes[0, 0].imshow(grid.image, interpolation="nearest", extent=_extent(grid))
        _finish(axes[0, 0], grid, at, f"predicted {trace.prediction}" if trace.prediction else "the image")
    norm = _style.weight_scale(maps, len(grid), even=2, linear=False)
    spots = axes[:, pictured:] if rows else axes.flat[pictured:]
    for ax, heat, title in zip(np.ravel(spots), maps, titles):
        _lay(ax, grid, heat, norm, colours)
        _finish(ax, grid, at, title)
    _bar(axes, norm, maps, _as_seen(colours) if pictured else colours)
    return _style.finish(figure, *words)


def panels(trace: Trace, maps: Sequence[PatchMap], at: int | None) -> Figure:
    """The image, then maps of the patches, each on a scale of its own: attention, or scores of an attribution.

    maps: each with its title, scores `[patch]` or `[row, column]`, and kind: "share" of attention, "rank" or "signed"
    at: the position whose attention the first map is, outlined where it is a patch; None for the mean over all
    """
    grid = trace.patches
    pictured = grid.image is not None
    down, columns = _wrapped(len(maps) + pictured)
    figure, axes = _style.blank(_size(grid, down, columns), down, columns)
    for ax in axes.flat:
        ax.axis("off")
    if pictured:
        axes[0, 0].imshow(grid.image, interpolation="nearest", extent=_extent(grid))
        _finish(axes[0, 0], grid, 0 if at is None else at, str(trace.prediction or "the image"))
    for number, (ax, one) in enumerate(zip(axes.flat[int(pictured) :], maps)):
        heat = one["scores"].reshape(grid.rows, grid.cols).float().cpu().numpy()
        norm, colours = _scale_of(heat, one["kind"], len(grid))
        _lay(ax, grid, heat, norm, colours)
        _finish(ax, grid, at if number == 0 and at is not None else 0, one["title"])
        seen = _style.scale(norm, [heat], _as_seen(colours, norm) if pictured else colours)
        _style.colour_bar(seen, ax, UNITS[one["kind"]], shrink=0.8, aspect=18)
    whose = "the mean over positions" if at is None else grid.name(at)
    return _style.finish(figure, f"Attention of {whose}", _style.named(trace, "each map on its own scale"))


def _scale_of(heat: np.ndarray, kind: str, positions: int) -> tuple[Normalize, Colormap]:
    """The scale and the colours of a map."""
    if kind == "share":
        return _style.weight_scale([heat], positions, even=2, linear=False), _style.HEAT
    end = float(np.abs(np.nan_to_num(heat)).max()) or 1.0
    return (Normalize(-end, end), _style.SIGNED) if kind == "signed" else (Normalize(0, end), _style.UNSIGNED)


def _finish(ax: Axes, grid: PatchGrid, at: int, title: str) -> None:
    """The title of a panel and the frame of the query patch."""
    ax.set_title(title, fontsize=9.5, color=_style.INK, parse_math=False)
    _outline(ax, grid, at)


def _bar(axes: np.ndarray, norm: Normalize, maps: list[np.ndarray], colours: Colormap) -> None:
    """The scale of all maps."""
    seen = _style.scale(norm, maps, colours)
    _style.colour_bar(seen, axes, "share of attention", shrink=0.85 if len(axes) == 1 else 0.6, aspect=18)


def _lay(ax: Axes, grid: PatchGrid, heat: np.ndarray, norm: Normalize, colours: Colormap) -> None:
    """A heat map over the image in grey; alone where there is no image."""
    place = dict(interpolation="nearest", extent=_extent(grid))
    opaque = 1.0
    if grid.image is not None:
        grey = np.repeat(np.asarray(grid.image).mean(-1, keepdims=True), 3, axis=-1) / 255
        ax.imshow(0.35 + 0.65 * grey, **place)
        opaque = _opacity(norm(np.nan_to_num(heat)), norm, colours)
    ax.imshow(np.ma.masked_invalid(heat), cmap=colours, norm=norm, alpha=opaque, **place)


def _opacity(share: np.ndarray, norm: Normalize, colours: Colormap) -> np.ndarray:
    """How opaque a place of the scale is: attention by its share; a score, whose colours fade to white, by its root."""
    share = np.clip(share, 0, 1)
    if colours is _style.SIGNED or colours is _style.UNSIGNED:
        return STRONG * np.sqrt(np.abs(2 * share - 1) if norm.vmin < 0 else share)
    return FAINT + (STRONG - FAINT) * share


def _as_seen(colours: Colormap, norm: Normalize | None = None) -> ListedColormap:
    """The colours of the bar as they appear in the maps: over grey."""
    share = np.linspace(0, 1, 256)[:, None]
    opaque = _opacity(share, norm or Normalize(0, 1), colours)
    return ListedColormap(
        opaque * colours(share[:, 0])[:, :3]
        + (1 - opaque) * np.divide(_palette.rgb(_palette.colour("mat")), 255)
    )


def _outline(ax: Axes, grid: PatchGrid, at: int) -> None:
    """A frame around the query patch, in two colours so that it is visible on any background."""
    patch = at - len(grid.leading)
    if patch < 0:
        return
    _, width, height, _ = _extent(grid)
    wide, high = width / grid.cols, height / grid.rows
    corner = (patch % grid.cols * wide, patch // grid.cols * high)
    for colour, line in ((_palette.colour("halo"), 3.2), (_palette.colour("query"), 1.6)):
        ax.add_patch(
            Rectangle(corner, wide, high, fill=False, edgecolor=colour, linewidth=line, clip_on=False)
        )


def _extent(grid: PatchGrid) -> tuple[float, float, float, float]:
    """Left, right, bottom, top in pixels of the image, or in patches where there is none."""
    height, width = (grid.rows, grid.cols) if grid.image is None else np.asarray(grid.image).shape[:2]
    return 0, width, height, 0


def _wrapped(panels: int) -> tuple[int, int]:
    """Rows and columns of panels."""
    rows = math.ceil(panels / MOST_ACROSS)
    return rows, math.ceil(panels / rows)


def _size(grid: PatchGrid, down: int, columns: int) -> _style.Size:
    _, width, height, _ = _extent(grid)
    each = 2.3 if columns <= 5 else 1.8
    return columns * each + 1.0, down * (0.93 * each * height / width + 0.28) + 0.85


def _grid(trace: Trace, function: str) -> PatchGrid:
    """The patches of an image's trace."""
    if _checks.drawable(trace, f"plots.{function}").patches is None:
        raise no_patches(trace, f"plots.{function}", "plots.heads, plots.row or plots.rollout")
    return trace.patches


def _over_patches(trace: Trace, number: int) -> Attention:
    layer = trace.layers[number]
    if not layer.query_side == layer.key_side == "input":
        raise InputError(
            f"layer {number}, {layer.name!r}, is {layer.kind} attention {list(layer.attention.shape)} whose positions "
            "are not the image's patches; draw it as a matrix: plots.heads(trace, layer)"
        )
    return _checks.attention(trace, number)


def _named(what: str, numbers: int | Sequence[int], count: int) -> list[int]:
    """Layers or heads by number. Raises InputError where none is named."""
    chosen = _checks.positions(what, numbers, count)
    if not chosen:
        raise InputError(f"an empty list names no {what}; pass at least one number")
    return chosen
