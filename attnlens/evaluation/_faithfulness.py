"""Faithfulness: remove parts in the order of their scores, and measure how the prediction changes.

    table = al.faithfulness(lens, [lens.attribute(text, method=name) for name in ("gradient", "shapley")])
    table[["method", "comprehensiveness", "comprehensiveness_random"]]

All five measures are computed from two curves: the probability of the explained class without the first parts
(deletion), and with the first parts alone (insertion). The same curves of random orders of these parts are the
reference: each measure is reported beside its value for random scores.

Parts are ranked by score, the largest first: evidence against the class comes last. Ties keep the order of the text,
or of the patches row by row. The argument `by` chooses how parts are removed. Such inputs are unlike those of
training, so a measure describes the model, the attribution and the perturbation together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._checks import as_number, integer
from ..attribution._result import Attribution, TextAttribution
from ..errors import InputError
from ._perturbation import ScoredParts, input_of, listed, parts_of

if TYPE_CHECKING:
    import pandas as pd

    from ..models._protocols import ModelWithProcessor

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the parts at which comprehensiveness and sufficiency are averaged: the bins of ERASER, section 4.2."""

TOP = 0.2
"""Share of the parts that log-odds removes."""

MOST_POINTS = 65
"""The maximum number of points of a curve, evenly spaced; of more than 64 parts several are removed at once."""

ROWS = 512
"""Rows whose logits are held at once: a language model has one for each token of its vocabulary."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of the explained class while parts are removed, and while they are inserted.

    counts: `[point]`, the number of parts removed, or inserted, from 0 to all
    deletion: `[order, point]`, the probability without the first parts
    insertion: `[order, point]`, the probability with the first parts alone
    method, target: of the attribution
    parts: what the parts are: "tokens", "words", "sentences", "patches"

    The first order is the attribution's; the others are random ones. `attnlens.plots.faithfulness` draws them.
    """

    counts: Tensor
    deletion: Tensor
    insertion: Tensor
    method: str = ""
    target: str = ""
    parts: str = "parts"

    @property
    def fractions(self) -> Tensor:
        """`[point]`, the share of the parts, from 0 to 1."""
        return self.counts.double() / self.counts[-1]

    def at(self, fraction: float) -> int:
        """The point at which that share of the parts, rounded up, is removed.

        Raises InputError where the curves of a long input have no point there.
        """
        count = _count(fraction, int(self.counts[-1]))
        found = (self.counts == count).nonzero()
        if not len(found):
            raise InputError(
                f"the curves have no point at {fraction:g} of {int(self.counts[-1])} parts; pass the fraction when "
                f"they are computed: curves(lens, attribution, fractions=({fraction:g},))"
            )
        return int(found[0])

    def __repr__(self) -> str:
        return (
            f"Curves of {int(self.counts[-1])} {self.parts} at {len(self.counts)} points, in the attribution's order "
            f"and in {len(self.deletion) - 1} random ones\n"
            "  curves.fractions [point], curves.deletion, curves.insertion [order, point]"
        )


# -- measures -------------------------------------------------------------------------------------------------


def comprehensiveness(curves: Curves, fractions: Sequence[float] = FRACTIONS) -> Tensor:
    """The fall of the probability without the strongest parts, `[order]`; the larger, the more faithful.

    p(x) - p(x without the first parts), averaged over shares of the parts. Source: DeYoung et al. 2020, "ERASER: A
    Benchmark to Evaluate Rationalized NLP Models", eq. 1 and section 4.2. The mean is over the bins, as in the
    scorer released with it; the paper's 1 / (bins + 1) also counts the empty bin, and is smaller.

    >>> comprehensiveness(curves(lens, attribution))[0]       # the attribution's; [1:] are those of random orders
    """
    points = [curves.at(fraction) for fraction in checked(fractions)]
    return (curves.deletion[:, :1] - curves.deletion[:, points]).mean(1)


def sufficiency(curves: Curves, fractions: Sequence[float] = FRACTIONS) -> Tensor:
    """The fall of the probability with the strongest parts alone, `[order]`; the smaller, the more faithful.

    p(x) - p(the first parts alone), averaged over shares of the parts. Source: as for `comprehensiveness`, eq. 2.
    """
    points = [curves.at(fraction) for fraction in checked(fractions)]
    return (curves.deletion[:, :1] - curves.insertion[:, points]).mean(1)


def log_odds(curves: Curves) -> Tensor:
    """log p(x without the strongest fifth) - log p(x), `[order]`; the smaller (below 0), the more faithful.

    Source: Shrikumar et al. 2017, "Learning Important Features Through Propagating Activation Differences", section
    4.1, in the form of Sanyal and Ren 2021, "Discretized Integrated Gradients", section 4.2: log of the probability,
    the top 20%. They round 20% down, which removes nothing from texts of four tokens; here it is rounded up.
    """
    logs = curves.deletion.log()
    return logs[:, curves.at(TOP)] - logs[:, 0]


def deletion(curves: Curves) -> Tensor:
    """Area under the deletion curve over the share of parts removed, `[order]`, in 0..1; the smaller, the better.

    Source: Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models", section 4.1.
    """
    return torch.trapezoid(curves.deletion, curves.fractions)


def insertion(curves: Curves) -> Tensor:
    """Area under the insertion curve over the share of parts inserted, `[order]`, in 0..1; the larger, the better.

    Source: as for `deletion`.
    """
    return torch.trapezoid(curves.insertion, curves.fractions)


# -- from attributions ----------------------------------------------------------------------------------------


def faithfulness(
    lens: ModelWithProcessor,
    attributions: Attribution | Iterable[Attribution],
    *,
    by: str | None = None,
    fractions: Sequence[float] = FRACTIONS,
    n_random: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Faithfulness of each attribution beside random orders: a row per attribution, in the given order.

    Columns: input (number of the input, in the order in which inputs first occur), method, baseline, target, parts
    (number of removable parts), and for each of comprehensiveness, sufficiency, log_odds, deletion and insertion its
    value, `_random`, the mean over random orders, and `_random_std`, their standard deviation. For several inputs:
    `table.groupby("method").mean(numeric_only=True)`.

    attributions: of one or several inputs, for any targets, by any methods.
    by: the replacement of a removed part: "pad" (default), "mask" or "delete" in texts; in images a baseline, as
        for `image_baseline`.
    fractions: shares of the parts for comprehensiveness and sufficiency, above 0 and at most 1.
    n_random, seed: random orders, the same for all attributions of an input.

    Words and sentences (`level`) are removed whole. Every probability is that of the target, also where an attribution
    contrasts it with another class.

    Raises InputError for scores that are not finite, an attribution of another lens or of a text in windows, and a
    regression.
    """
    import pandas as pd

    given = listed(attributions)
    found = curves(lens, given, by=by, fractions=fractions, n_random=n_random, seed=seed)
    numbers: dict[Any, int] = {}
    rows = []
    for attribution, one in zip(given, found):
        number = numbers.setdefault(input_of(attribution), len(numbers))
        rows.append({"input": number, **_named(attribution, one), **_measured(one, fractions)})
    return pd.DataFrame(rows)


def curves(
    lens: ModelWithProcessor,
    attributions: Attribution | Iterable[Attribution],
    *,
    by: str | None = None,
    fractions: Sequence[float] = FRACTIONS,
    n_random: int = 10,
    seed: int = 0,
) -> Curves | list[Curves]:
    """The deletion and insertion curves behind `faithfulness`; for several attributions a list.

    All perturbations of one input run together, each once.
    Arguments and errors: as for `faithfulness`.

    >>> found = curves(lens, attribution)
    >>> found.deletion[0], found.deletion[1:].mean(0)         # and the mean of random orders, both [point]
    """
    fractions = checked(fractions, n_random, seed)
    several = listed(attributions)
    parts = parts_of(lens, several, by)
    together: dict[int, list[int]] = {}
    for number, one in enumerate(parts):
        together.setdefault(id(one.perturbation), []).append(number)
    done: dict[int, Curves] = {}
    for numbers in together.values():
        found = follow([parts[number] for number in numbers], fractions, n_random, seed)
        for number, one in zip(numbers, found):
            named = several[number]
            kind = f"{named.level}s" if isinstance(named, TextAttribution) else "patches"
            done[number] = replace(one, method=named.method, target=named.target.name, parts=kind)
    return (
        done[0] if isinstance(attributions, Attribution) else [done[number] for number in range(len(several))]
    )


def follow(
    parts: Sequence[ScoredParts], fractions: Sequence[float], n_random: int, seed: int
) -> list[Curves]:
    """The curves of several attributions of the same parts of one input."""
    size = len(parts[0].scores)
    counts = _counts(size, fractions)
    generator = torch.Generator().manual_seed(seed)
    chance = torch.stack([torch.randperm(size, generator=generator) for _ in range(n_random)])
    orders = torch.cat([torch.stack([one.order for one in parts]), chance])
    gone = orders.argsort(-1)[:, None] < counts[:, None]  # [order, point, part]
    kept = torch.stack([~gone, gone])
    classes = torch.cat([one.scalar.index for one in parts])
    found = _probabilities(parts[0], kept.flatten(0, 2), classes).unflatten(0, kept.shape[:3])
    return [_of_one(number, counts, found[..., number], n_random) for number in range(len(parts))]


def _of_one(number: int, counts: Tensor, probabilities: Tensor, n_random: int) -> Curves:
    """One attribution's order before the random ones, from probabilities `[curve, order, point]` of its class."""
    count = probabilities.shape[1] - n_random
    gone, kept = (torch.cat([curve[number : number + 1], curve[count:]]) for curve in probabilities)
    return Curves(counts, gone, kept)


def _probabilities(parts: ScoredParts, kept: Tensor, classes: Tensor) -> Tensor:
    """`[row, class]` of some classes, in float64; the logits of all are never held for more than `ROWS` rows."""
    different, where = kept.unique(dim=0, return_inverse=True)
    blocks = [
        probabilities(parts.perturbation.logits(rows).double(), parts.scalar.activation)[:, classes]
        for rows in different.split(ROWS)
    ]
    return torch.cat(blocks)[where]


def probabilities(logits: Tensor, activation: str) -> Tensor:
    """`[row, class]` of logits. Raises InputError for a regression."""
    if activation == "none":
        raise InputError(
            "these measures need probabilities, and a regression has none; use agreement, infidelity or "
            "sanity_check"
        )
    return logits.sigmoid() if activation == "sigmoid" else logits.softmax(-1)


def _counts(size: int, fractions: Iterable[float]) -> Tensor:
    """`[point]`: evenly from none to all, and those that the measures need."""
    even = torch.linspace(0, size, min(size + 1, MOST_POINTS)).round().long()
    asked = torch.tensor([_count(fraction, size) for fraction in (*fractions, *FRACTIONS, TOP)])
    return torch.cat([even, asked]).unique()


def _count(fraction: float, size: int) -> int:
    """A share of the parts, rounded up, at least one; 0.07 of 100 is 7, despite floating-point rounding."""
    return max(1, math.ceil(round(fraction * size, 9)))


def checked(fractions: Sequence[float], n_random: int = 2, seed: int = 0) -> tuple[float, ...]:
    """The fractions as a tuple. Raises InputError for an invalid fraction, number of random orders or seed."""
    values = tuple(fractions) if isinstance(fractions, Iterable) else (fractions,)
    shares = [as_number(value) for value in values]
    if not shares or not all(share is not None and 0 < share <= 1 for share in shares):
        raise InputError(f"fractions must be numbers above 0 and at most 1, not {fractions!r}")
    integer("n_random", n_random, least=2)  # so that chance has a spread
    integer("seed", seed, least=0)
    return tuple(shares)


def _named(attribution: Attribution, curves: Curves) -> dict[str, Any]:
    names = {name: getattr(attribution, name) for name in ("method", "baseline")}
    return {**names, "target": attribution.target.name, "parts": int(curves.counts[-1])}


def _measured(curves: Curves, fractions: Sequence[float]) -> dict[str, float]:
    """Each measure of the attribution's order, and mean and deviation of the random ones."""
    found = {
        "comprehensiveness": comprehensiveness(curves, fractions),
        "sufficiency": sufficiency(curves, fractions),
        **{measure.__name__: measure(curves) for measure in (log_odds, deletion, insertion)},
    }
    row: dict[str, float] = {}
    for name, values in found.items():
        row[name] = float(values[0])
        row[f"{name}_random"] = float(values[1:].mean())
        row[f"{name}_random_std"] = float(values[1:].std())
    return row
