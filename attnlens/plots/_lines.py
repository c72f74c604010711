"""Attention as lines between tokens: queries on the left, keys on the right, the thicker the larger the weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .. import _checks, _palette
from ..data._trace import Token, Trace
from ..errors import InputError
from . import _fonts, _style

MOST = 60
"""Tokens on a side up to which lines can be told apart."""

FAINTEST = 0.01
"""Share of the largest weight below which a line is omitted."""

PER_TOKEN = 2
"""Lines for each token that are drawn in full; further ones fade by their rank."""

THIN, THICK = 0.6, 3.2
"""Points across the weakest and the strongest line."""

ROW, WIDTH, MOST_NAMED = 0.21, 7.0, 12
CURVE = np.linspace(0, 1, 25)


def lines(
    trace: Trace,
    layer: int,
    head: int | Sequence[int] | None = None,
    *,
    figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Heads as lines: each query on the left is joined to the keys on the right that it attends to.

    A line's width and opacity grow with its weight, relative to the largest one drawn; with several heads each has its
    own colour, and beyond two lines a token the weaker ones fade by their rank.

    head: one head, several, or None for all of the layer.
    figsize: inches; ax: draw into this Axes and return its figure.

    Raises InputError for a layer or a head that does not exist, and for more than 60 tokens, which `plots.head` draws
    as a matrix.

    >>> attnlens.plots.lines(trace, 5, 9)
    """
    layer = _checks.position("layer", layer, len(_checks.drawable(trace, "plots.lines")))
    attention = _checks.attention(trace, layer)
    heads = _checks.positions("head", range(attention.heads) if head is None else head, attention.heads)
    queries, keys = trace.axis_tokens(layer)
    if max(len(queries), len(keys)) > MOST:
        raise InputError(
            f"lines of {max(len(queries), len(keys))} tokens are a tangle; plots.lines draws up to {MOST}: "
            f"plots.head(trace, {layer}, {heads[0]}) draws a matrix of any length"
        )
    names = [f"head {number}" for number in heads]
    title = f"Layer {layer}, {names[0] if len(heads) == 1 else f'{len(heads)} heads'}"
    colours = [_palette.head_colour(number) for number in heads]
    weights = attention[heads].float().cpu().numpy()
    sides = [(list(range(len(tokens))), tokens) for tokens in (queries, keys)]
    return drawn(
        weights, sides, colours, names, (title, _style.named(trace, READING)), figsize=figsize, ax=ax
    )


READING = "from each query on the left to its keys on the right; a thicker line is a larger weight"


def drawn(
    weights: np.ndarray,
    sides: Sequence[tuple[Sequence[int], Sequence[Token]]],
    colours: Sequence[str],
    names: Sequence[str],
    words: tuple[str, str],
    *,
    marked: tuple[int | None, int | None] = (None, None),
    threshold: float = 0.0,
    log: bool = False,
    figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Weights `[colour, query, key]` as lines.

    sides: of queries and keys their positions and tokens; names: what each colour stands for; words: title and caption
    marked: positions of a query and a key that are selected; the lines of others are omitted
    threshold: lines of smaller weight are omitted; log: width and opacity follow the logarithm of the weight
    """
    count, new = max(len(tokens) for _, tokens in sides), ax is None
    ax = _style.panel(ax, figsize, (WIDTH, ROW * count + 1.35))
    ax.set(xlim=(-0.62, 1.62), ylim=(count - 0.4, -1.6))
    ax.axis("off")
    top = float(np.nanmax(weights, initial=0)) or 1.0
    norm = _style.log_scale(weights) if log else Normalize(0, top, clip=True)
    least = max(threshold, _style.LOG_FLOOR if log else FAINTEST * top)
    _draw_lines(ax, _selected(weights, sides, marked), norm, least, colours, count)
    for place, (positions, tokens), at in zip((-0.02, 1.02), sides, marked):
        _draw_tokens(ax, place, positions, tokens, at)
    _legend(ax, norm, least, colours, names)
    return _style.done(ax, *words, new)


def _selected(
    weights: np.ndarray,
    sides: Sequence[tuple[Sequence[int], Sequence[Token]]],
    marked: tuple[int | None, int | None],
) -> np.ndarray:
    """The weights of the selected query, or on the selected key; others are zero."""
    (queries, _), (keys, _) = sides
    shown = np.zeros_like(weights)
    query, key = marked
    if query in queries:
        shown[:, list(queries).index(query)] = weights[:, list(queries).index(query)]
    elif key in keys:
        shown[:, :, list(keys).index(key)] = weights[:, :, list(keys).index(key)]
    else:
        return weights
    return shown


def _draw_lines(
    ax: Axes, weights: np.ndarray, norm: Normalize, least: float, colours: Sequence[str], count: int
) -> None:
    """Every visible weight as a curve, the strong ones on top."""
    which, start, end = np.nonzero(weights >= max(least, 1e-12))
    shares = np.asarray(norm(weights[which, start, end]))
    order = np.argsort(shares, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order), 0, -1)
    opacity = shares * np.minimum(1, PER_TOKEN * count / rank)
    rise = CURVE * CURVE * (3 - 2 * CURVE)
    across = 1.5 * CURVE * (1 - CURVE) + CURVE**3
    curves = [np.column_stack([across, start[n] + (end[n] - start[n]) * rise]) for n in order]
    ax.add_collection(
        LineCollection(
            curves,
            colors=[colours[which[n]] for n in order],
            alpha=[float(opacity[n]) for n in order] or None,
            linewidths=[THIN + (THICK - THIN) * float(shares[n]) for n in order],
            capstyle="round",
        )
    )


def _draw_tokens(
    ax: Axes, x: float, positions: Sequence[int], tokens: Sequence[Token], marked: int | None
) -> None:
    """One side's tokens with their positions, below the name of the side."""
    left = x < 0.5
    side, outer = ("right", -0.6) if left else ("left", 1.6)
    ax.text(x, -1.1, "query" if left else "key", ha=side, va="center", fontsize=9, color=_style.QUIET)
    for row, (position, token) in enumerate(zip(positions, tokens)):
        ink = _style.QUIET if token.special else _style.INK
        weight = "bold" if position == marked else "normal"
        words = dict(va="center", parse_math=False)
        ax.text(
            x,
            row,
            _fonts.readable(str(token), 24),
            ha=side,
            fontsize=8.5,
            color=ink,
            fontweight=weight,
            **words,
        )
        ax.text(
            outer,
            row,
            str(position),
            ha="left" if left else "right",
            fontsize=6.5,
            color=_style.QUIET,
            **words,
        )


def _legend(ax: Axes, norm: Normalize, least: float, colours: Sequence[str], names: Sequence[str]) -> None:
    """Weights of some widths; for several heads which colour is which."""
    if len(colours) == 1:
        samples = [
            (share, f"{norm.inverse(share):.2g}", colours[0])
            for share in (0.1, 0.5, 1)
            if norm.inverse(share) >= least
        ]
        handles = [
            Line2D(
                [], [], color=ink, alpha=max(0.2, share), linewidth=THIN + (THICK - THIN) * share, label=text
            )
            for share, text, ink in samples
        ]
    else:
        shown = list(zip(colours, names))[:MOST_NAMED]
        handles = [Line2D([], [], color=ink, linewidth=THICK, label=name) for ink, name in shown]
        if len(colours) > len(shown):
            handles.append(Line2D([], [], color="none", label=f"and {len(colours) - len(shown)} more"))
    above = len(colours) == 1
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1.02 if above else 0), ncols=3 if above else 6,
        frameon=False, fontsize=7.5, labelcolor=_style.QUIET, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
