"""Figures of one number per token: an attribution as coloured text, a rollout as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import CenteredNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from .. import _checks, _palette
from ..analysis import rollout as roll
from ..data._trace import Token, Trace
from ..errors import InputError
from . import _fonts, _style
from ._images import over_image

if TYPE_CHECKING:
    from ..attribution import Attribution

MOST_BARS = 40
"""Maximum number of bars; for a longer text only the strongest tokens have one."""

LETTER, GAP, LINE = 0.0866, 0.2, 0.33
"""Inches: width of a character, gap between tokens, height of a line."""

WIDTH, MARGIN = (8.4, 0.0), 0.22
"""Size and margin of the page in inches; its height follows from the text."""

UNDER = 0.074
"""Inches from the middle of a token to the line under it."""

BAR = 2.6
"""Width of the colour bar with its labels in inches."""


def rollout(
    trace: Trace, row: int | str | None = None, *, cmap: _style.Colours = None, figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """Attention rollout of one position: the share of each token in it.

    For an image the shares are drawn over the picture; for a text they are bars, for one beyond 66 tokens the 40
    longest in the order of the text. The position's own share, mostly its residual path, is not drawn but stated in
    the figure.

    row: the position's number or its text. By default the position that the logits are computed from: the class token
        or, for a text without one, the last token, as in a decoder.
    cmap: other colours, by the name of a map of matplotlib; bars have one of them.
    ax: draw bars into this Axes, also for an image.
    """
    tokens, _ = _checks.drawable(trace, "plots.rollout").axis_tokens(-1)
    at = _checks.token("row", trace.reader if row is None else row, tokens)
    shares = roll(trace, row=at)
    if trace.patches is not None and trace.patches.image is not None and ax is None:
        return _rollout_of_image(trace, shares, at, figsize, cmap)
    name, itself = _fonts.readable(str(tokens[at]), 24), float(shares[at])
    shown = _strongest(shares, at)
    new, shades = ax is None, _style.colours(cmap, _style.WEIGHTS)
    ax = _style.panel(ax, figsize, (7, max(2.2, 0.24 * len(shown) + 1.15)))
    values = [np.nan if i == at else float(shares[i]) for i in shown]
    _bars(ax, values, [tokens[i] for i in shown], shades)
    ax.set_xlabel(f"share in “{name}” after all layers", color=_style.QUIET, fontsize=9, parse_math=False)
    rest = [f"itself: {itself:.0%}, not drawn"]
    if len(shown) < len(tokens):
        rest.append(f"the {len(shown)} strongest of {len(tokens)} tokens, together {np.nansum(values):.0%}")
    title = f"What “{name}” (position {at}) is made of: attention rollout"
    return _style.done(ax, title, _style.named(trace, *rest), new)


def tokens(
    attribution: Attribution,
    *,
    cmap: _style.Colours = None,
    figsize: _style.Size | None = None,
    ax: Axes | None = None,
) -> Figure:
    """An attribution as coloured text: blue supports the target, red and underlined opposes it; the darker, the more.

    Lines run in the direction of the text, for Arabic or Hebrew from right to left. The line below states the method
    and its completeness gap, the error of the scores.

    cmap: other colours, by the name of a map of matplotlib; a diverging one, as "PuOr", where scores have a sign.
    """
    if not hasattr(attribution, "scores") or not hasattr(attribution, "gap"):
        raise InputError(
            f"plots.tokens draws one attribution, not {type(attribution).__name__}: lens.attribute(text)"
        )
    new, scale = ax is None, text_scale(attribution, cmap)
    wide = (figsize or WIDTH)[0] - 2 * MARGIN if new else _inches(_style.panel(ax, figsize, WIDTH))[0]
    names = [_fonts.readable(str(token), 40) for token in attribution.tokens]
    lines = _wrap(names, wide)
    high = LINE * len(lines)
    caption = _caption(attribution, names, wide)
    below = 0.85 + 0.21 * (1 + caption.count("\n"))
    ax = _page(figsize or (WIDTH[0], high + below + 0.17), high) if new else ax
    ax.set(xlim=(0, wide), ylim=(_inches(ax)[1], 0))
    ax.axis("off")
    _text(ax, attribution, names, lines, scale)
    ax.text(0.04, high + 0.2, caption, va="top", linespacing=1.5, **_style.CAPTION)
    question = f"Why {attribution.target}?   Predicted: {attribution.prediction}"
    if not new:
        return _style.done(ax, question, "", new)
    _bar(ax, scale, ("against", "for") if attribution.signed else ("little", "much"))
    wide, tall = ax.figure.get_size_inches()
    ax.figure.text(MARGIN / wide, 1 - 0.3 / tall, question, va="center", **_style.TITLE)
    _fonts.letter(ax.figure)
    return _style.closed(ax.figure)


def _bars(ax: Axes, values: list[float], tokens: list[Token], shades: Colormap) -> None:
    """A bar per token, from the top down."""
    import seaborn as sns  # here, since a view's picture would wait for it

    ax.barh(range(len(values)), values, color=shades(0.6), height=0.74)
    ax.set(ylim=(len(values) - 0.4, -0.6))
    ax.margins(x=0.02)
    _style.label(ax.yaxis, tokens)
    ax.tick_params(axis="x", labelsize=8, color=_style.HAIRLINE, length=2.5)
    sns.despine(ax=ax, left=True)
    ax.spines["bottom"].set_color(_style.HAIRLINE)


def _text(
    ax: Axes, attribution: Attribution, names: list[str], lines: list[list[tuple[int, float]]],
    scale: ScalarMappable,
) -> None:  # fmt: skip
    """Draws every token on the colour of its score."""
    scores = attribution.scores.detach().cpu().numpy()
    leftwards = _fonts.right_to_left("".join(str(token) for token in attribution.tokens))
    wide = ax.get_xlim()[1]
    for number, line in enumerate(lines):
        for index, middle in line:
            at = (wide - middle if leftwards else middle, LINE * (number + 0.5))
            _chip(ax, at, names[index], scale, scores[index])


def text_scale(attribution: Attribution, cmap: _style.Colours) -> ScalarMappable:
    """From scores to colours: centred at zero where they have a sign, else from zero."""
    end = float(np.abs(attribution.scores.detach().cpu().numpy()).max(initial=0)) or 1.0
    if attribution.signed:
        return ScalarMappable(CenteredNorm(0, end), _style.colours(cmap, _style.SIGNED))
    return ScalarMappable(Normalize(0, end), _style.colours(cmap, _style.UNSIGNED))


def _strongest(shares: Tensor, at: int) -> list[int]:
    """All positions of a short text; for a long one those with the largest shares, in order."""
    if len(shares) <= _style.MOST_LABELS:
        return list(range(len(shares)))
    order = [i for i in shares.argsort(descending=True).tolist() if i != at]
    return sorted(order[:MOST_BARS])


def _rollout_of_image(
    trace: Trace, shares: Tensor, at: int, figsize: _style.Size | None, cmap: _style.Colours
) -> Figure:
    itself, shown = float(shares[at]), shares.clone()
    shown[at] = np.nan
    title = f"What {trace.patches.name(at)} is made of: attention rollout"
    caption = _style.named(trace, f"itself: {itself:.0%}, not drawn")
    shades = _style.colours(cmap, _style.HEAT)
    return over_image(trace, [shown], ["all layers"], (title, caption), at, figsize, colours=shades)


def _wrap(names: Sequence[str], wide: float) -> list[list[tuple[int, float]]]:
    """Lines of (token index, its middle in inches)."""
    lines: list[list[tuple[int, float]]] = [[]]
    at = 0.0
    for index, name in enumerate(names):
        room = room_of(name)
        if at + room > wide and lines[-1]:
            lines.append([])
            at = 0.0
        lines[-1].append((index, at + room / 2))
        at += room
    return lines


def room_of(name: str) -> float:
    """Inches of a token across, with the gap beside it."""
    return _fonts.width(name) * LETTER + GAP


def _page(size: _style.Size, high: float) -> Axes:
    """An Axes measured in inches on a new figure, with room for a title above and a caption below."""
    wide, tall = size
    figure = plt.figure(figsize=size)
    return figure.add_axes((MARGIN / wide, 1 - (0.55 + high) / tall, 1 - 2 * MARGIN / wide, high / tall))


def _inches(ax: Axes) -> _style.Size:
    area = ax.get_window_extent()
    return area.width / ax.figure.dpi, area.height / ax.figure.dpi


def _chip(ax: Axes, at: tuple[float, float], name: str, scale: ScalarMappable, score: float) -> None:
    """A token on the colour of its score, underlined where it opposes: a sign besides the hue."""
    colour = scale.to_rgba(score)
    ink = "white" if _style.is_dark(colour) else _style.INK
    box = dict(boxstyle="round,pad=0.26,rounding_size=0.35", facecolor=colour, edgecolor="none")
    ax.text(*at, name, family="DejaVu Sans Mono", fontsize=10, color=ink, ha="center", va="center", bbox=box,
            parse_math=False)  # fmt: skip
    if score < _palette.FAINTEST * scale.norm.vmin:
        half = _fonts.width(name) * LETTER / 2
        ax.plot([at[0] - half, at[0] + half], [at[1] + UNDER] * 2, color=ink, linewidth=1, zorder=4)


def _caption(attribution: Attribution, names: list[str], wide: float) -> str:
    """The method and its error, in lines that leave room for the bar where possible."""
    score = f"contribution to the {attribution.unit}" if attribution.signed else "importance, without a sign"
    words = [f"score: {score} ({attribution.how}; {attribution.verdict})"]
    if any(_fonts.CODE.search(name) for name in names):
        words.append(_style.UNDRAWN)
    columns = (wide - BAR if wide > 2 * BAR else wide) / (0.94 * _style.CAPTION_LETTER)
    return "\n".join(_style.wrapped(line, columns) for line in words)


def _bar(ax: Axes, scale: ScalarMappable, ends: tuple[str, str]) -> None:
    """A small colour bar at the lower right, its ends named."""
    figure = ax.figure
    wide, tall = figure.get_size_inches()
    right, low = wide - MARGIN - 0.45, 0.36
    place = figure.add_axes(((right - 1.5) / wide, low / tall, 1.5 / wide, 0.1 / tall))
    bar = figure.colorbar(scale, cax=place, orientation="horizontal")
    bar.ax.tick_params(labelsize=7.5, color=_style.HAIRLINE, labelcolor=_style.INK, length=2)
    bar.locator = MaxNLocator(4, symmetric=scale.norm.vmin < 0)
    bar.outline.set_visible(False)
    named = [
        figure.text(
            at / wide, (low + 0.05) / tall, name, color=_style.QUIET, fontsize=8, ha=side, va="center"
        )
        for name, at, side in ((ends[0], right - 1.58, "right"), (ends[1], right + 0.08, "left"))
    ]
    if scale.norm.vmin < 0:
        area = named[0].get_window_extent().transformed(figure.transFigure.inverted())
        figure.add_artist(Line2D([area.x0, area.x1], [area.y0] * 2, color=_style.QUIET, linewidth=1))
