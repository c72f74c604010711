"""Figures of all heads together: a statistic of each, a map of them, and changes between two traces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, CenteredNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from .. import _checks, _palette
from ..analysis._pooling import pooled_signed
from ..data._trace import Trace
from ..errors import InputError
from . import _style

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis._compare import Comparison

KEYS = ("layer", "head", "name")
"""Columns of a table of heads that identify the head."""

PANEL = 2.7
"""Width of a map of differences in inches."""

SHARPEST = 300
"""Maximum number of rows and columns of a map of differences; longer ones are pooled."""

ROUGH = 0.2
"""Stress above which a map is rough (Kruskal 1964)."""

METRICS = {"hellinger": "Hellinger distance", "jensen_shannon": "Jensen-Shannon divergence"}
"""What the metrics of distances are called."""

NAMED = 12
"""Maximum number of heads that a map labels."""


MOST_NUMBERED = 16
"""Layers or heads up to which a map has numbers in its cells."""


def stats(
    frame: pd.DataFrame | Trace,
    metric: str = "entropy",
    *,
    cmap: _style.Colours = None,
    figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:
    """One statistic of every head, a row per layer; dark is much of it. A dash is a head for which it is not defined.

    frame: what `head_stats` returned, or a trace, whose statistics are then computed.
    metric: a column of it. cmap: other colours, by the name of a map of matplotlib.

    Raises InputError for a table without that column, and lists its columns.

    >>> attnlens.plots.stats(trace, "previous")
    """
    from ..analysis._head_stats import head_stats

    table = head_stats(frame) if isinstance(frame, Trace) else _table(frame, "stats", "head_stats(trace)")
    columns = [name for name in table.columns if name not in KEYS]
    _checks.one_of("metric", metric, columns)
    new = ax is None
    values = _by_head(table, metric)
    if not np.isfinite(values).any():
        defined = [name for name in columns if table[name].notna().any()]
        raise InputError(
            f"{metric!r} is not defined for any head of this table; defined: {', '.join(defined)}"
        )
    signed = float(np.nanmin(values, initial=0)) < 0
    colours = _style.colours(cmap, _style.SIGNED if signed else _style.LEVELS)
    ax = _style.panel(ax, figsize, _heads_size(values))
    _heads(ax, values, str(metric).replace("_", " "), signed, colours)
    words = filter(None, (_meaning(str(metric)), _ends(ax, values)))
    return _style.done(ax, f"Every head: {str(metric).replace('_', ' ')}", "  ·  ".join(words), new)


def _ends(ax: Axes, values: np.ndarray) -> str:
    """The largest and the smallest value in words, marked where cells have no numbers; "" for a single head."""
    finite = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(finite).any() or np.nanmin(finite) == np.nanmax(finite):
        return ""
    ends = [np.unravel_index(find(finite), finite.shape) for find in (np.nanargmax, np.nanargmin)]
    numbered = max(values.shape) <= MOST_NUMBERED
    named = []
    for mark, word, at in zip("▲▼", ("highest", "lowest"), ends):
        if not numbered:
            ink = "white" if _style.is_dark(ax.images[0].to_rgba(values[at])) else _style.INK
            ax.text(at[1], at[0], mark, ha="center", va="center", fontsize=7, color=ink)
        others = int((finite == values[at]).sum()) - 1
        more = f" and {others} more" if others else ""
        place = f"{word} in layer {at[0]}, head {at[1]}{more} ({values[at]:.3g})"
        named.append(place if numbered else f"{mark} {place}")
    return ", ".join(named)


def head_map(
    distance: pd.DataFrame, *, cmap: _style.Colours = None, figsize: _style.Size | None = None, ax: Axes | None = None
) -> Figure:  # fmt: skip
    """Every head as a point, coloured by its layer: close heads attend to the same tokens.

    distance: what `head_distance` returned. Labels, as 5.3 for head 3 of layer 5, are placed where there is room, the
    most outlying heads first. The axes have no meaning, only distances; the stress in the figure is the map's error, 0
    for none and above 0.2 for a rough map.
    cmap: other colours of the layers, by the name of a map of matplotlib.
    """
    from ..analysis._distance import map_heads

    points = map_heads(distance)
    new, shades = ax is None, _style.colours(cmap, _style.LAYERS)
    ax = _style.panel(ax, figsize, (7.2, 5.8))
    places = points[["x", "y"]].to_numpy()
    _points(ax, places, points.index.get_level_values(0).to_numpy(), shades)
    _name_points(ax, points.index.tolist(), places)
    stress = points.attrs["stress"]
    rough = " (rough)" if stress > ROUGH else ""
    parts = (
        "near heads look alike",
        f"stress of the map {stress:.2f}{rough}",
        METRICS.get(distance.attrs.get("metric"), ""),
    )
    return _style.done(ax, "Which heads look alike", "  ·  ".join(filter(None, parts)), new)


def compare(
    comparison: Comparison, count: int = 4, *, cmap: _style.Colours = None, figsize: _style.Size | None = None
) -> Figure:  # fmt: skip
    """Which heads changed between two traces, and how: left the distance of every head, right the most changed heads.

    In a map of differences blue is more attention in the second trace than in the first, red less, over the tokens that
    the two share; all maps have one scale.

    count: the maximum number of heads that are drawn.
    cmap: other colours of the differences, by the name of a map of matplotlib; a diverging one, as "PuOr".
    """
    if not all(hasattr(comparison, name) for name in ("heads", "most", "difference", "tokens")):
        raise InputError(
            f"plots.compare draws a comparison, not {type(comparison).__name__}: attnlens.compare(trace_a, trace_b)"
        )
    largest = comparison.most(_checks.integer("count", count, least=1))
    chosen = [(int(row.layer), int(row.head)) for row in largest.itertuples()]
    if not chosen:
        raise InputError("plots.compare has nothing to draw: no head of the comparison has a distance")
    changes = [comparison.difference(*one).float().cpu() for one in chosen]
    columns = math.ceil(len(chosen) / 2)
    rows = math.ceil(len(chosen) / columns)
    distances = _by_head(comparison.heads, "distance")
    signed = _style.colours(cmap, _style.SIGNED)
    figure, left, panels = _beside(distances, rows, columns, figsize)
    _heads(left, distances, "distance")
    left.set_title("how far each head moved", fontsize=9.5, color=_style.INK, loc="left")
    _mark(left, chosen)
    _changes(comparison, chosen, changes, panels, signed)
    names = (_model(comparison, "a"), _model(comparison, "b"))
    caption = f"a: {names[0]}  ·  b: {names[1]}  ·  one scale for all differences, over the tokens they share"
    return _style.finish(figure, "What changed from a to b", caption)


# -- layers x heads -------------------------------------------------------------------------------------------


def _table(frame: object, function: str, source: str) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame) or not {"layer", "head"} <= set(frame.columns):
        kind = (
            f"a table of {', '.join(map(str, frame.columns))}"
            if hasattr(frame, "columns")
            else type(frame).__name__
        )
        raise InputError(
            f"plots.{function} takes the table of {source}, with columns layer and head, not {kind}"
        )
    return frame


def _meaning(metric: str) -> str:
    """A column of `head_stats` with its definition; "" for other columns."""
    from ..analysis._head_stats import meaning_of

    meaning = meaning_of(metric)
    return f"{metric}: {meaning}" if meaning else ""


def _by_head(table: pd.DataFrame, column: str) -> np.ndarray:
    """float64 `[layer, head]`, NaN where the table has no row."""
    wide = table.pivot(index="layer", columns="head", values=column)
    return (
        wide.reindex(range(int(wide.index.max()) + 1))
        .reindex(columns=range(int(wide.columns.max()) + 1))
        .to_numpy(float)
    )


def _heads_size(values: np.ndarray) -> _style.Size:
    layers, heads = values.shape
    return max(4.4, min(0.52 * heads, 12) + 1.7), max(2.5, min(0.42 * layers, 10) + 1.5)


def _heads(
    ax: Axes, values: np.ndarray, name: str, signed: bool = False, cmap: Colormap = _style.LEVELS
) -> None:
    """A heat map layers x heads, with its numbers where they fit."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    start = low if low > 0.25 * high else 0.0  # shows the differences of numbers far from zero
    norm = CenteredNorm(0, max(-low, high) or 1.0) if signed else Normalize(start, high or 1.0)
    image = _style.matrix(ax, values, norm, values.shape, cmap, weights=False)
    ax.set_aspect("auto")
    if max(values.shape) <= MOST_NUMBERED:
        _style.numbers(ax, image, 7.5, _number_format(max(abs(low), abs(high))))
    for layer, head in np.argwhere(np.isnan(values)):
        ax.text(head, layer, "–", ha="center", va="center", fontsize=7.5, color=_style.QUIET)
    _style.label_numbers(ax.yaxis, values.shape[0], "layer")
    _style.label_numbers(ax.xaxis, values.shape[1], "head")
    _style.colour_bar(image, ax, name, shrink=0.9)


def _number_format(most: float) -> str:
    """Of the cells of a map whose largest magnitude is `most`: decimals as its scale needs them."""
    if most == 0 or most >= 0.1:
        return ".2f" if most < 10 else ".1f" if most < 100 else ".0f"
    return f".{1 - math.floor(math.log10(most))}f" if most >= 1e-3 else ".0e"


# -- the map --------------------------------------------------------------------------------------------------


def _points(ax: Axes, places: np.ndarray, layers: np.ndarray, shades: Colormap) -> None:
    """A point per head in the colour of its layer, and the bar of layers, the first at the top."""
    numbers = sorted(set(layers.tolist()))
    colours = ListedColormap(shades(np.linspace(0, 1, len(numbers) + 2)[1:-1]))
    norm = BoundaryNorm([*(n - 0.5 for n in numbers), numbers[-1] + 0.5], len(numbers))
    look = dict(cmap=colours, norm=norm, s=46, edgecolor="white", linewidth=0.7)
    points = ax.scatter(places[:, 0], places[:, 1], c=layers, **look)
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)
    for spine in ax.spines.values():
        spine.set_color(_style.HAIRLINE)
    ticks = numbers[:: math.ceil(len(numbers) / 16)]
    bar = ax.figure.colorbar(points, ax=ax, ticks=ticks, shrink=0.8, aspect=26, pad=0.02)
    bar.set_label("layer", color=_style.QUIET, fontsize=9)
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_visible(False)
    bar.ax.invert_yaxis()


def _name_points(ax: Axes, names: list[tuple[int, int]], points: np.ndarray) -> None:
    """Labels outlying heads, each beside its point where it covers neither another point nor another label."""
    ax.figure.draw_without_rendering()
    at = ax.transData.transform(points) * 72 / ax.figure.dpi
    centre = np.median(at, axis=0)
    frame = ax.get_window_extent()
    limits = np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]]) * 72 / ax.figure.dpi
    taken: list[np.ndarray] = []
    for i in np.argsort(-((at - centre) ** 2).sum(1), kind="stable"):
        text = f"{names[i][0]}.{names[i][1]}"
        box = _free_place(at, int(i), 5.2 * len(text) + 2, taken, limits)
        if box is None or len(taken) == NAMED:
            continue
        taken.append(box)
        middle = box.mean(0) - at[i]
        ax.annotate(text, points[i], middle, textcoords="offset points", ha="center", va="center", fontsize=8.5,
                    color=_style.INK, path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip


def _free_place(
    at: np.ndarray, i: int, wide: float, taken: list[np.ndarray], limits: np.ndarray
) -> np.ndarray | None:
    """The corners of a free place for a label beside point i, in points; None where there is none."""
    half = np.array([wide / 2, 5.5])
    for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
        middle = at[i] + np.array([right * (half[0] + 5), up * (half[1] + 5)])
        box = np.array([middle - half, middle + half])
        others = np.delete(at, i, 0)
        covers = ((others > box[0] - 4) & (others < box[1] + 4)).all(1).any()
        meets = any((box[0] < one[1]).all() and (one[0] < box[1]).all() for one in taken)
        inside = (box[0] > limits[0]).all() and (box[1] < limits[1]).all()
        if inside and not covers and not meets:
            return box
    return None


# -- the comparison -------------------------------------------------------------------------------------------


def _beside(
    distances: np.ndarray, rows: int, columns: int, figsize: _style.Size | None
) -> tuple[Figure, Axes, np.ndarray]:
    """A figure, its left panel, and the panels `[row, column]` on its right."""
    wide, high = _heads_size(distances)
    size = figsize or (wide + PANEL * columns + 1.0, max(high, 3.1 * rows + 0.9))
    figure, axes = _style.blank(size)
    axes[0, 0].remove()
    spec = figure.add_gridspec(rows, columns + 1, width_ratios=[wide, *[PANEL] * columns])
    left = figure.add_subplot(spec[:, 0])
    panels = [[figure.add_subplot(spec[r, c + 1]) for c in range(columns)] for r in range(rows)]
    return figure, left, np.array(panels)


def _changes(
    comparison: Comparison, chosen: list[tuple[int, int]], changes: list[Tensor], panels: np.ndarray, signed: Colormap
) -> None:  # fmt: skip
    """The maps of differences on one scale."""
    pooled = [pooled_signed(change, SHARPEST) for change in changes]
    drawn = [values.numpy() for values, _ in pooled]
    norm = CenteredNorm(0, _widest(drawn, len(comparison.tokens)))
    columns = panels.shape[1]
    for number, ax in enumerate(panels.flat):
        if number >= len(chosen):
            ax.axis("off")
            continue
        values, step = pooled[number]
        _style.matrix(ax, values.numpy(), norm, changes[number].shape, signed, step, weights=False)
        ax.set_title(f"layer {chosen[number][0]}, head {chosen[number][1]}", fontsize=9.5, color=_style.INK)
        _style.label(ax.yaxis, comparison.tokens if number % columns == 0 else ())
        _style.label(ax.xaxis, comparison.tokens if number + columns >= len(chosen) else ())
    _style.colour_bar(_style.scale(norm, drawn, signed), panels, "weight in b − weight in a")


def _widest(changes: list[np.ndarray], tokens: int) -> float:
    """The end of the scale: the largest change, or for a long text the quantile that also ends weight scales."""
    sizes = np.abs(np.concatenate([np.ravel(one) for one in changes]))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 1.0
    return float(sizes.max() if tokens <= _style.LINEAR else np.quantile(sizes, _style.ROBUST))


def _mark(ax: Axes, chosen: list[tuple[int, int]]) -> None:
    """Frames around the heads that are drawn on the right."""
    for layer, head in chosen:
        ax.add_patch(
            Rectangle(
                (head - 0.5, layer - 0.5),
                1,
                1,
                fill=False,
                edgecolor=_palette.colour("selection"),
                linewidth=2,
            )
        )


def _model(comparison: Comparison, side: str) -> str:
    trace = getattr(comparison, side, None)
    text = " ".join(trace.text) if trace is not None and trace.text else ""
    name = getattr(trace, "model", "") or side
    return f"{name}, “{text if len(text) <= 48 else text[:47] + '…'}”" if text else name
