"""Shared by all figures: colours, scales, and the style of titles, labels and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from .. import _palette
from ..data._trace import Token, Trace
from ..errors import InputError
from . import _fonts

Size = tuple[float, float]
"""Width and height of a figure in inches."""


def _colour_map(name: str, stops: Sequence[str]) -> Colormap:
    return LinearSegmentedColormap.from_list(f"attnlens {name}", stops)


LEVELS = _colour_map("levels", _palette.stops("attention")[1:])
"""Light to dark; distinguishable without colour vision."""

WEIGHTS = LEVELS.with_extremes(bad=_palette.stops("attention")[0])
"""The same for weights: white is a weight of exactly zero, as behind a mask."""

SIGNED = _colour_map("signed", _palette.stops("signed"))
"""Red against, blue for."""

UNSIGNED = _colour_map("unsigned", _palette.stops("unsigned"))
"""For scores without a sign: the darker, the more."""

LAYERS = _colour_map("layers", _palette.stops("layers"))
"""Of layers, from the first to the last."""

HEAT = _colour_map("heat", _palette.stops("heat", "dark"))
"""Of attention over a picture, which is light and dark itself: dark to light."""

Colours = str | Colormap | None
"""The option cmap: a colour map of matplotlib, or its name; None for the figure's default."""

INK, QUIET, HAIRLINE = (_palette.colour(role) for role in ("text", "muted", "line"))

TITLE = dict(ha="left", color=INK, fontsize=12, fontweight="bold", parse_math=False)
CAPTION = dict(ha="left", color=QUIET, fontsize=10, parse_math=False)
CAPTION_LETTER = 0.078
"""Approximate width of a character of a caption in inches; captions are legible at half the size of a figure too."""

STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ".15"),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"), 9.6),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.8),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 1.25),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 6),
    "xtick.bottom": False, "ytick.left": False, "axes.axisbelow": True, "lines.solid_capstyle": "round",
    "patch.edgecolor": "w", "patch.force_edgecolor": True,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
}  # fmt: skip
"""seaborn's style "white" in its context "notebook", four fifths as large; importing it would delay a view."""

MOST_LABELS = 66
"""Axes with more positions than this label only every second, third, ... token."""

LONG, FEW_LABELS = 512, 24
"""Positions beyond which labels say no more than where one is, and how many do."""

MOST_NUMBERS = 12
"""Matrices with more positions than this show no numbers in their cells."""

LINEAR = 24
"""Maximum number of keys for which weights are drawn on a linear scale."""

ROBUST = 0.99
"""For a long input the darkest colour is this quantile of the weights that are not zero."""

TIGHT = 0.117
"""Minimum distance of labels in inches."""

EVEN = 4.0
"""In a matrix the darkest colour is at least this many times the weight of uniform attention."""

LETTER = 0.07
"""Approximate width of a character of a label in inches."""


# -- figures --------------------------------------------------------------------------------------------------


def blank(figsize: Size, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """A figure and its Axes `[row, column]`."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    return figure, axes


def panel(ax: Axes | None, figsize: Size | None, size: Size) -> Axes:
    """The Axes to draw into: the one given, or that of a new figure."""
    if ax is None:
        return blank(figsize or size)[1][0, 0]
    if not isinstance(ax, Axes):
        raise InputError(f"ax must be one matplotlib Axes, not {type(ax).__name__}; omit it for a new figure")
    if figsize is not None:
        raise InputError("figsize is the size of a new figure; with ax= set it where you create the figure")
    return ax


def finish(figure: Figure, title: str, caption: str) -> Figure:
    """Adds title and caption, sets fonts for every character, and closes the figure in pyplot."""
    width = figure.get_figwidth()
    figure.suptitle(wrapped(title, width / 0.105), x=0.02, **TITLE)
    line = figure.supxlabel(wrapped(caption, width / CAPTION_LETTER), x=0.02, **CAPTION)
    if _fonts.letter(figure):
        line.set_text(f"{line.get_text()}\n{wrapped(UNDRAWN, width / CAPTION_LETTER)}")
    return closed(figure)


def closed(figure: Figure) -> Figure:
    """Closes a figure in pyplot, since a notebook shows an open figure a second time."""
    plt.close(figure)
    return figure


UNDRAWN = r"\u and digits: characters that no installed font has; install one that does, e.g. Noto Sans CJK"


def done(axes: Axes, title: str, caption: str, new: bool) -> Figure:
    """The figure of a single panel; new: whether it was created here, else it keeps its title and stays open."""
    figure = axes.figure.figure  # also of an Axes within a subfigure
    if new:
        return finish(figure, title, caption)
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold", parse_math=False)
    _fonts.letter(axes)
    return figure


def wrapped(text: str, columns: float) -> str:
    """Lines of at most this many columns, broken at spaces."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _fonts.width(lines[-1]) + 1 + _fonts.width(word) > columns:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\n".join(lines)


def named(trace: Trace, *parts: str) -> str:
    """A caption: the model, then sentences."""
    model = trace.model if len(trace.model) <= 60 else f"…{trace.model[-59:]}"
    return "  ·  ".join(part for part in (model, *parts) if part)


# -- scales ---------------------------------------------------------------------------------------------------


def weight_scale(
    values: Sequence[np.ndarray], keys: int, even: float = EVEN, linear: bool = True
) -> Normalize:
    """One scale for all panels: linear from zero for a short input; for a long one the square root up to a quantile.

    Over hundreds of keys a row that sums to one is mostly tiny weights beside one or two large ones: on a linear scale
    up to the largest everything else is white. Uniform attention is never dark.

    even: the last colour is at least this many times the weight of uniform attention.
    linear: whether the scale of a short input is linear.
    """
    drawn = np.concatenate([np.ravel(v) for v in values])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    linear = linear and keys <= LINEAR
    top = 0.0 if not len(drawn) else float(drawn.max() if linear else np.quantile(drawn, ROBUST))
    top = max(top, min(1.0, even / keys))
    return Normalize(0, top) if linear else PowerNorm(0.5, 0, top)


LOG_FLOOR = 1e-4
"""The smallest weight that a logarithmic scale distinguishes from zero, as in the views."""


def log_scale(values: np.ndarray) -> Normalize:
    """A logarithmic scale up to the largest value; smaller ones than `LOG_FLOOR` are as zero."""
    top = float(np.nanmax(values, initial=0)) or 1.0
    return LogNorm(min(LOG_FLOOR, top / 10), top, clip=True)


def scale(norm: Normalize, values: Sequence[np.ndarray], cmap: Colormap = WEIGHTS) -> ScalarMappable:
    """The mappable of the colour bar of several panels: their common scale, and all values drawn on it."""
    shared = ScalarMappable(norm, cmap)
    shared.set_array(np.concatenate([np.ravel(np.nan_to_num(one)) for one in values]))
    return shared


def colours(cmap: Colours, default: Colormap) -> Colormap:
    """The colour map of cmap=. Raises InputError, with the nearest names, for an unknown one."""
    if cmap is None:
        return default
    if isinstance(cmap, Colormap):
        return cmap
    if not isinstance(cmap, str) or cmap not in plt.colormaps:
        close = get_close_matches(str(cmap), list(plt.colormaps), n=5)
        nearest = f" Nearest: {', '.join(close)}." if close else ""
        raise InputError(
            "cmap must be a colour map of matplotlib or the name of one, such as 'viridis' or 'PuOr', not "
            f"{cmap!r}.{nearest}"
        )
    return plt.colormaps[cmap]


def weight_colours(cmap: Colours) -> Colormap:
    """The colour map for weights: a weight of exactly zero is white in every map."""
    return WEIGHTS if cmap is None else colours(cmap, WEIGHTS).with_extremes(bad="white")


ENDS = {(True, True): "both", (True, False): "max", (False, True): "min", (False, False): "neither"}


def colour_bar(image: ScalarMappable, axes: object, label: str, **more: object) -> None:
    """A colour bar; a pointed end means that values beyond it share the last colour."""
    norm, values = image.norm, np.ma.compressed(image.get_array())
    slack = 1e-4 * (norm.vmax - norm.vmin)
    above, below = bool((values > norm.vmax + slack).any()), bool((values < norm.vmin - slack).any())
    ticks = None
    if isinstance(norm, PowerNorm):
        ticks = sorted({float(f"{norm.vmax * (k / 4) ** 2:.1g}") for k in range(5)})
        label = f"{label} (√ scale)"
    figure = np.ravel(axes)[0].figure
    place = dict(shrink=0.7, aspect=26, pad=0.02, fraction=0.05) | more
    bar = figure.colorbar(image, ax=axes, ticks=ticks, extend=ENDS[above, below], **place)
    if ticks:
        bar.ax.set_yticks([t for t in ticks if t <= norm.vmax], [f"{t:g}" for t in ticks if t <= norm.vmax])
    bar.set_label(label, color=QUIET, fontsize=9.5)
    bar.ax.tick_params(labelsize=8, color=HAIRLINE, labelcolor=INK, length=2.5)
    bar.outline.set_visible(False)


# -- labels and cells -----------------------------------------------------------------------------------------


def label(axis: Axis, tokens: Sequence[Token]) -> None:
    """Labels an axis with tokens; with evenly spaced ones where there are too many for its length."""
    most = min(MOST_LABELS if len(tokens) <= LONG else FEW_LABELS, max(2, int(_length(axis) / TIGHT)))
    step = math.ceil(len(tokens) / most) or 1
    at = list(range(0, len(tokens), step))
    names = [_fonts.readable(str(tokens[i]), _fonts.MOST_CHARACTERS) for i in at]
    upright = dict(rotation=90, ha="center", va="top") if axis.axis_name == "x" else {}
    size = 8 if len(tokens) > MOST_NUMBERS else 9
    axis.set_ticks(at, names, fontsize=size, color=INK, parse_math=False, **upright)
    axis.set_tick_params(length=2.5 if step > 1 else 0, color=QUIET, pad=3)


def _length(axis: Axis) -> float:
    """Length of an axis in inches; for a square matrix of the shorter side, to which the longer one will shrink."""
    area = axis.axes.get_window_extent()
    sides = {"x": area.width, "y": area.height}
    return (min(sides.values()) if axis.axes.get_aspect() == 1 else sides[axis.axis_name]) / axis.figure.dpi


def label_numbers(axis: Axis, count: int, name: str, most: int = 40) -> None:
    """Labels an axis 0, 1, 2, ...: layers or heads."""
    at = list(range(0, count, math.ceil(count / most) or 1))
    axis.set_ticks(at, [str(i) for i in at], fontsize=8.5, color=INK)
    axis.set_tick_params(length=0, pad=3)
    axis.set_label_text(name, color=QUIET, fontsize=9)


def label_room(tokens: Sequence[Token]) -> float:
    """Width of the labels of these tokens in inches."""
    longest = max((len(_fonts.readable(str(t), _fonts.MOST_CHARACTERS)) for t in tokens), default=1)
    return 0.15 + LETTER * longest


def side(count: int, cell: float = 0.46, most: float = 8.4) -> float:
    """Inches for `count` cells: large cells for few, and never more than `most`."""
    return min(max(count * cell, 1.0), max(4.6, min(count * 0.145, most)))


def matrix(
    ax: Axes,
    values: np.ndarray,
    norm: Normalize,
    shape: tuple[int, int],
    cmap: Colormap = WEIGHTS,
    step: tuple[int, int] = (1, 1),
    weights: bool = True,
) -> AxesImage:
    """A matrix `[row, column]` over `shape` positions, each cell covering `step` of them.

    weights: whether zeros are white
    """
    rows, columns = values.shape
    extent = (-0.5, columns * step[1] - 0.5, rows * step[0] - 0.5, -0.5)
    shown = np.ma.masked_invalid(values)
    if weights:
        shown = np.ma.masked_equal(shown, 0)
    image = ax.imshow(shown, cmap=cmap, norm=norm, interpolation="nearest", aspect="auto", extent=extent)
    ax.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))
    if shape[0] == shape[1]:
        ax.set_aspect("equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=HAIRLINE, linewidth=0.8)
    return image


def numbers(ax: Axes, image: AxesImage, size: float = 8, form: str = ".2f") -> None:
    """Writes the value into each cell, in black or white by its colour."""
    values = np.ma.filled(image.get_array().astype(float), np.nan)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if is_dark(image.cmap(image.norm(value))) else INK
            ax.text(column, row, short(value, form), ha="center", va="center", fontsize=size, color=ink)


def short(value: float, form: str = ".2f") -> str:
    """A number without the zero before the decimal point."""
    text = format(float(value), form)
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def is_dark(colour: Sequence[float]) -> bool:
    """Whether white letters are more legible on a colour than black ones."""
    return float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.55
