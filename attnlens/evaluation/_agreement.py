"""Agreement of several attributions of one input: rank correlation, and the overlap of their strongest parts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..attribution._result import Attribution, TextAttribution
from ..errors import InputError
from ._perturbation import input_of, listed

if TYPE_CHECKING:
    import pandas as pd

TOP = 0.2
"""Share of the parts that count as the strongest."""


def agreement(attributions: Iterable[Attribution]) -> pd.DataFrame:
    """Agreement of every pair of attributions of one input, a row per pair, in the given order.

    Columns: first, second (their methods, with the target where targets differ), spearman (rank correlation of the
    scores, from -1 to 1; of their magnitudes where one of the two is unsigned; NaN where one is constant), and
    overlap (Jaccard index of the fifth with the largest magnitudes, from 0 to 1).

    Special tokens are omitted. Ties at the edge of the fifth go to the part that comes first in the input.

    Raises InputError for fewer than two attributions, and for attributions of several inputs or of different tokens.
    Source: Spearman's rank correlation of attributions and the overlap of the top features, as in Krishna et al.
    2022, "The Disagreement Problem in Explainable Machine Learning", section 3.2.

    >>> agreement([lens.attribute(text, method=name) for name in ("gradient", "shapley", "relevance")])
    """
    import pandas as pd

    several = listed(attributions)
    if len(several) < 2:
        raise InputError("agreement compares attributions; pass at least two of the same input")
    for other in several[1:]:
        _check_same(several[0], other)
    names = _names(several)
    rows = []
    for one, other in combinations(range(len(several)), 2):
        pair = [ordinary_scores(several[number]) for number in (one, other)]
        signed = several[one].signed and several[other].signed
        correlation = spearman(*pair) if signed else spearman(*(scores.abs() for scores in pair))
        row = {
            "first": names[one],
            "second": names[other],
            "spearman": correlation,
            "overlap": _overlap(*pair),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def ordinary_scores(attribution: Attribution) -> Tensor:
    """`[part]` in float64: the scores of a text's ordinary tokens, or of all pixels."""
    scores = attribution.scores.detach().double().cpu()
    if isinstance(attribution, TextAttribution):
        return scores[[not token.special for token in attribution.tokens]]
    return scores.flatten()


def spearman(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one is constant or not finite."""
    from scipy.stats import rankdata

    if not bool(torch.isfinite(first).all() and torch.isfinite(second).all()):
        return float("nan")
    ranks = [torch.from_numpy(rankdata(scores.numpy())) for scores in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    size = centred[0].norm() * centred[1].norm()
    return float(centred[0] @ centred[1] / size) if size > 0 else float("nan")


def _overlap(first: Tensor, second: Tensor) -> float:
    count = max(1, math.ceil(round(TOP * len(first), 9)))
    strongest = [
        scores.abs().argsort(descending=True, stable=True)[:count].tolist() for scores in (first, second)
    ]
    shared = set(strongest[0]) & set(strongest[1])
    return len(shared) / (2 * count - len(shared))


def _names(attributions: list[Attribution]) -> list[str]:
    """Methods in words; with their targets where these differ, and numbered where they are still equal."""
    several = len({attribution.target for attribution in attributions}) > 1
    names = [f"{one.how} for {one.target}" if several else one.how for one in attributions]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _check_same(first: Attribution, second: Attribution) -> None:
    if type(first) is not type(second) or input_of(first) != input_of(second):
        raise InputError(
            "agreement compares attributions of one input; for several inputs use pandas.concat of "
            "agreement(attributions) of each"
        )
    for name in ("tokens", "level"):
        if getattr(first, name, None) != getattr(second, name, None):
            raise InputError(
                f"the attributions have different {name}: {first.how} has {len(first)} {first.level}s, {second.how} "
                f"{len(second)} {second.level}s; make them with the same lens and level"
            )
    if first.scores.shape != second.scores.shape:
        raise InputError(
            f"the attributions have scores of {list(first.scores.shape)} and {list(second.scores.shape)} pixels; make "
            "them with the same lens"
        )
