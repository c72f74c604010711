"""Faithfulness as curves: the probability of a class while parts are removed, and while they are inserted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .. import _palette
from ..attribution._result import method_title
from ..errors import InputError
from ..evaluation import Curves
from ..evaluation._faithfulness import deletion, insertion
from . import _style

DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D")

CHANCE = "muted"
"""The role of the colour of random orders."""


def faithfulness(curves: Curves | Iterable[Curves], *, figsize: _style.Size | None = None) -> Figure:
    """Left, the probability without the first parts: a faithful attribution falls faster than random orders. Right,
    with the first parts alone: it rises faster.

    Each attribution has a line; the legend has the area under it, and how many of the random orders it is better than.
    Grey is the mean of the random orders with the band in which all of them lie.

    curves: what `attnlens.evaluation.curves` returned, of one attribution or of several of the same input

    Raises InputError for anything else, and for curves of several inputs.

    >>> attnlens.plots.faithfulness(attnlens.evaluation.curves(lens, attributions))
    """
    several = _listed(curves)
    first = several[0]
    figure, axes = _style.blank(figsize or (8.6, 3.6 + 0.18 * (len(several) + 1)), 1, 2)
    for ax, name, area in zip(axes.flat, ("deletion", "insertion"), (deletion, insertion)):
        _draw(ax, several, name, area)
    axes[0, 0].set_ylabel(
        f"probability of {first.target}" if first.target else "probability", color=_style.QUIET
    )
    count = len(first.deletion) - 1
    parts = f"{int(first.counts[-1])} {first.parts}, the strongest first"
    rest = f"with none of them left the model says {float(first.deletion[0, -1]):.2f}"
    chance = f"grey: mean and range of {count} random orders"
    caption = "  ·  ".join((parts, rest, chance, "numbers: area under the curve"))
    return _style.finish(figure, "Do the scores hold? Deletion and insertion", caption)


def _listed(curves: Curves | Iterable[Curves]) -> list[Curves]:
    several = [curves] if isinstance(curves, Curves) else list(curves) if isinstance(curves, Iterable) else []
    if not several or not all(isinstance(one, Curves) for one in several):
        raise InputError("plots.faithfulness draws curves: attnlens.evaluation.curves(lens, attributions)")
    chance = several[0].deletion[1:]
    if any(one.deletion.shape != several[0].deletion.shape or bool((one.counts != several[0].counts).any())
           or not bool((one.deletion[1:, 0] == chance[:, 0]).all()) for one in several):  # fmt: skip
        raise InputError(
            "these curves are of several inputs; draw those of each input in a figure of their own"
        )
    return several


def _draw(ax: Axes, several: list[Curves], name: str, area: object) -> None:
    """One panel: random orders in grey, then each attribution."""
    import seaborn as sns  # here, since a view's picture would wait for it

    share = several[0].fractions.numpy()
    chance = getattr(several[0], name)[1:].numpy()
    grey = _palette.colour(CHANCE)
    ax.fill_between(share, chance.min(0), chance.max(0), color=grey, alpha=0.18, linewidth=0)
    mean = float(area(several[0])[1:].mean())
    ax.plot(
        share, chance.mean(0), color=grey, linewidth=1.4, linestyle="--", label=f"random orders {mean:.2f}"
    )
    for number, one in enumerate(several):
        own, *others = area(one).tolist()
        beaten = sum(own < other if name == "deletion" else own > other for other in others)
        label = f"{_method(one)} {own:.2f}, better than {beaten} of {len(others)} random"
        _line(ax, share, getattr(one, name)[0], number, label)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    ax.set_xlabel(
        f"share of {several[0].parts} {'removed' if name == 'deletion' else 'inserted'}", color=_style.QUIET
    )
    better = "lower is better" if name == "deletion" else "higher is better"
    ax.set_title(f"{name} ({better})", fontsize=9.5, color=_style.INK, loc="left")
    ax.tick_params(labelsize=8, color=_style.HAIRLINE, labelcolor=_style.INK, length=2.5)
    sns.despine(ax=ax)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(_style.HAIRLINE)
    place = dict(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=1)
    ax.legend(frameon=False, fontsize=8, labelcolor=_style.INK, handlelength=2.6, **place)


def _line(ax: Axes, share: np.ndarray, values: Tensor, number: int, label: str) -> None:
    """One attribution, in a colour, dashes and a marker of its own: curves may lie on each other."""
    look = dict(color=_palette.head_colour(number), linestyle=DASHES[number % len(DASHES)], linewidth=2)
    ax.plot(share, values.numpy(), marker=MARKERS[number % len(MARKERS)], markersize=4, label=label, **look)


def _method(curves: Curves) -> str:
    return method_title(curves.method) or "attribution"
