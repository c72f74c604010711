"""Static figures. Each function returns a matplotlib Figure that looks finished; save it with `figure.savefig`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from torch import Tensor

from .analysis import rollout as roll
from .attention import Attention
from .errors import InputError
from .trace import Token, Trace

if TYPE_CHECKING:
    from .attribution import Attribution

WEIGHTS = sns.color_palette("mako_r", as_cmap=True)
"""Light to dark; told apart also without colour vision."""

SIGNED = sns.color_palette("RdBu", as_cmap=True)
"""Red against, blue for."""

HEAT = "inferno"
"""Over images, which are light and dark themselves: dark violet to yellow."""

MOST_LABELS = 60
"""Axes with more positions than this label only every second, third, ... token."""


def heads(trace: Trace, layer: int = -1, *, figsize: tuple[float, float] | None = None) -> Figure:
    """Every head of one layer: the query runs down, the key across, dark is much attention.

    All heads share one colour scale, so a pale square is a head that spreads its attention.
    """
    attention = _attention(trace, layer)
    queries, keys = trace.axis_tokens(layer)
    columns = min(4, attention.heads)
    rows = math.ceil(attention.heads / columns)
    many = attention.queries > 40
    side = 3.0 if many else max(2.0, 0.17 * attention.keys + 0.8)
    figure, axes = _figure(rows, columns, figsize or (side * columns, side * rows + 0.5))
    top = max(float(block.max()) for _, block in attention.blocks())
    for head, ax in enumerate(axes.flat):
        if head >= attention.heads:
            ax.axis("off")
            continue
        image = ax.imshow(attention[head].cpu(), cmap=WEIGHTS, vmin=0, vmax=top, interpolation="nearest")
        ax.set_title(f"head {head}", fontsize=9)
        most = 12 if many else MOST_LABELS
        _label(ax.yaxis, queries if head % columns == 0 else (), most)
        _label(ax.xaxis, keys if head // columns == rows - 1 else (), most, rotation=90)
    figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, label="attention weight")
    figure.suptitle(_title(trace, f"layer {layer % len(trace)}, every head"), x=0.02, ha="left", fontsize=11)
    return _done(figure)


def rollout(trace: Trace, row: int = 0, *, figsize: tuple[float, float] | None = None) -> Figure:
    """Attention rollout of one position, the class token by default: which tokens it is made of.

    For an image the shares lie over the picture; for text they are bars. The position's own share, mostly its
    residual path, is left out of the drawing and named in the title.
    """
    shares = roll(trace, row=row)
    own = float(shares[row])
    if trace.patches is not None and trace.patches.image is not None:
        return _over_image(trace, [shares], [f"rollout, {trace.tokens[row]}"], figsize)
    tokens, _ = trace.axis_tokens(-1)
    count = len(tokens)
    figure, axes = _figure(1, 1, figsize or (7, max(1.8, 0.24 * count + 0.9)))
    ax = axes[0, 0]
    values = shares.cpu().numpy().copy()
    values[row] = np.nan
    ax.barh(range(count), values, color=WEIGHTS(0.55), height=0.72)
    ax.invert_yaxis()
    ax.set_ylim(count - 0.4, -0.6)
    _label(ax.yaxis, tokens)
    ax.set_xlabel(f"share in {tokens[row]} after all layers (itself: {own:.0%}, not drawn)")
    sns.despine(ax=ax, left=True)
    ax.tick_params(left=False)
    ax.set_title(_title(trace, f"attention rollout of {tokens[row]}"), loc="left", fontsize=11)
    return _done(figure)


def tokens(attribution: Attribution, *, figsize: tuple[float, float] | None = None) -> Figure:
    """An attribution as coloured text: blue speaks for the target, red against it."""
    scores = attribution.scores.cpu().numpy()
    strongest = float(np.abs(scores).max()) or 1.0
    norm = TwoSlopeNorm(0, -strongest, strongest)
    lines = _wrap(attribution.tokens)
    figure, axes = _figure(1, 1, figsize or (8, 0.55 * len(lines) + 1.25))
    ax = axes[0, 0]
    ax.set_xlim(0, LINE)
    ax.set_ylim(len(lines) + 0.2, -0.8)
    ax.axis("off")
    for number, line in enumerate(lines):
        for index, start in line:
            colour = SIGNED(norm(scores[index]))
            dark = np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5
            ax.text(
                start,
                number,
                attribution.tokens[index].text.strip() or "␣",
                family="DejaVu Sans Mono",
                fontsize=10,
                color="white" if dark else "black",
                va="center",
                bbox=dict(boxstyle="round,pad=0.28", facecolor=colour, edgecolor="none"),
            )
    title = f"why {attribution.target}?   predicted {attribution.prediction}"
    ax.set_title(title, loc="left", fontsize=11)
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, SIGNED), ax=ax, shrink=0.9, aspect=8, pad=0.02)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    method = attribution.method.replace("_", " ")
    ax.text(
        0,
        len(lines) - 0.1,
        f"score: contribution to the logit ({method}, completeness gap {attribution.gap:.1%})",
        fontsize=8,
        color="0.4",
    )
    return _done(figure)


def patches(
    trace: Trace,
    layer: int | Sequence[int] = -1,
    query: int = 0,
    *,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Where one position of a vision model looks, the class token by default: the mean over heads over the image.

    layer: one layer or several, drawn side by side on one shared scale, after the image itself.
    """
    if trace.patches is None or trace.patches.image is None:
        raise InputError(
            "plots.patches needs the trace of an image; for text use plots.heads or plots.rollout"
        )
    chosen = [layer] if isinstance(layer, int) else list(layer)
    rows = [_mean_row(_attention(trace, number), query) for number in chosen]
    titles = [f"layer {number % len(trace)}" for number in chosen]
    return _over_image(trace, rows, titles, figsize)


def _over_image(
    trace: Trace, rows: list[Tensor], titles: list[str], figsize: tuple[float, float] | None
) -> Figure:
    """The image, then each `[key]` as a heat map over it, all on one scale."""
    grid = trace.patches
    figure, axes = _figure(1, len(rows) + 1, figsize or (2.6 * (len(rows) + 1) + 0.8, 3.1))
    image = np.asarray(grid.image)
    height, width = image.shape[:2]
    axes[0, 0].imshow(image, interpolation="nearest")
    axes[0, 0].set_title(str(trace.prediction or "the image"), fontsize=10)
    maps = [row[len(grid.leading) :].reshape(grid.rows, grid.cols).cpu().numpy() for row in rows]
    top = max(float(m.max()) for m in maps) or 1.0
    grey = np.repeat(image.mean(-1, keepdims=True), 3, axis=-1) / 255
    norm = PowerNorm(0.5, 0, top)  # one patch that takes much would leave the others black
    place = dict(interpolation="nearest", extent=(0, width, height, 0))
    for ax, heat, title in zip(axes[0, 1:], maps, titles):
        ax.imshow(0.4 + 0.6 * grey, **place)
        # Where there is little attention the image shows through.
        ax.imshow(heat, cmap=HEAT, norm=norm, alpha=0.15 + 0.7 * norm(heat).filled(0), **place)
        ax.set_title(title, fontsize=10)
    for ax in axes.flat:
        ax.axis("off")
    scale = plt.cm.ScalarMappable(norm, HEAT)
    figure.colorbar(scale, ax=axes[0, 1:], shrink=0.75, pad=0.02, label="share of attention")
    return _done(figure)


def _mean_row(attention: Attention, query: int) -> Tensor:
    return attention[:, query].mean(0)


def _figure(rows: int, columns: int, figsize: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    with sns.axes_style("white"), sns.plotting_context("notebook", font_scale=0.8):
        return plt.subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")


def _done(figure: Figure) -> Figure:
    """A returned figure is shown once by a notebook; one that stays open in pyplot would be shown twice."""
    plt.close(figure)
    return figure


def _title(trace: Trace, what: str) -> str:
    return f"{trace.model}: {what}" if trace.model else what


def _attention(trace: Trace, layer: int) -> Attention:
    if not isinstance(trace, Trace):
        raise InputError(f"this figure needs one trace, not {type(trace).__name__}: lens.trace(input)")
    if isinstance(layer, bool) or not isinstance(layer, int):
        raise InputError(f"layer must be the number of one layer, not {layer!r}")
    return trace[layer]


def _label(axis: object, tokens: Sequence[Token], most: int = MOST_LABELS, rotation: float = 0) -> None:
    step = math.ceil(len(tokens) / most) or 1
    at = range(0, len(tokens), step)
    axis.set_ticks(list(at), [tokens[i].text for i in at], fontsize=8, rotation=rotation)


LINE = 84
"""Characters in a line of coloured text."""


def _wrap(tokens: Sequence[Token]) -> list[list[tuple[int, float]]]:
    """Lines of (token index, start in characters)."""
    lines: list[list[tuple[int, float]]] = [[]]
    at = 0.0
    for index, token in enumerate(tokens):
        wide = len(token.text.strip() or " ") + 1.6
        if at + wide > LINE and lines[-1]:
            lines.append([])
            at = 0.0
        lines[-1].append((index, at))
        at += wide
    return lines
