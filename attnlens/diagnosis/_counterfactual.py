"""The smallest set of parts of an input whose removal changes the predicted class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError

MOST = 4000
"""Number of inputs after which the search removes no further parts; enough for all pairs of some 90 parts."""

TIE = 1e-6
"""Two classes are tied if their logits differ by less than this share of the largest logit: float32 rounds such
differences away, and the order of the classes changes with the batch.
"""


@dataclass(frozen=True)
class Counterfactual:
    """Parts whose removal changes the predicted class.

    parts: indices of the parts in `perturbation.parts`; names: their names
    index: the class that is predicted without them
    minimal: whether all smaller sets were tried and none changes the class
    tried: number of inputs that the search ran
    """

    parts: tuple[int, ...]
    names: tuple[str, ...]
    index: int
    minimal: bool
    tried: int


class _Search:
    """Runs the model with sets of parts removed, and counts the runs."""

    def __init__(self, perturbation: Any, index: int):
        self.perturbation, self.index, self.tried = perturbation, index, 0
        self.size, self.tie = len(perturbation.parts), 0.0

    def margins(self, sets: Sequence[Iterable[int]]) -> Tensor:
        """The logit of the class minus the largest other logit, `[set]`, for each set of removed parts."""
        kept = torch.ones(len(sets), self.size, dtype=torch.bool)
        for row, gone in zip(kept, sets):
            row[list(gone)] = False
        self.tried += len(sets)
        logits = self.perturbation.logits(kept).double()
        self.tie = self.tie or TIE * float(logits.abs().amax())
        of_class = logits[:, self.index].clone()
        logits[:, self.index] = -torch.inf
        return of_class - logits.max(-1).values

    def flips(self, margins: Tensor) -> Tensor:
        """bool `[set]`: whether another class leads by more than a tie, which is relative to the first logits."""
        return margins < -self.tie

    def best(self, sets: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
        """The set with the lowest margin, if it changes the class; else None."""
        if not sets:
            return None
        margins = self.margins(sets)
        lowest = int(margins.argmin())
        return tuple(sets[lowest]) if self.flips(margins[lowest]) else None


def smallest_counterfactual(
    perturbation: Any, index: int, scores: Tensor | None = None, *, most: int = MOST
) -> Counterfactual | None:
    """The smallest set of parts whose removal changes the predicted class `index`; None where there is none.

    perturbation: a `TextPerturbation` or `ImagePerturbation`; index: the class that is predicted for the whole input
    scores: `[part]`, scores for the class, in whose order the search removes parts
    most: number of inputs after which the search removes no further parts; after twice as many it restores none

    All single parts are tried, and all pairs if there are at most `most`. Larger sets are searched in two ways:
    greedily, by removing the part with the largest effect until the class changes; and by removing the parts with the
    largest `scores` together. From the smaller of the two sets, parts that are not needed are then restored. None
    means that the class does not change even without all parts. A tie (`TIE`) is not a change of class.
    """
    search = _Search(perturbation, index)
    if not search.size:
        raise InputError("the input has no parts that could be removed; pass an input with ordinary tokens")
    smallest = search.best(
        [(), *((part,) for part in range(search.size))]
    )  # with the whole input, which sets the scale of a tie
    minimal = True
    if smallest is None and search.size * (search.size - 1) // 2 <= most:
        smallest = search.best(list(combinations(range(search.size), 2)))
    elif smallest is None:
        minimal = False
    if smallest is None:
        sets = [_greedy(search, most), _in_order(search, scores)]
        smallest = min((parts for parts in sets if parts is not None), key=len, default=None)
        if smallest is None:
            return None
        smallest = _pruned(search, smallest, 2 * most)
        minimal = len(smallest) == 2 or (minimal and len(smallest) == 3)
    return _verified(search, smallest, minimal)


def _greedy(search: _Search, most: int) -> tuple[int, ...] | None:
    """Removes the part with the largest effect, again and again, until the class changes."""
    gone: tuple[int, ...] = ()
    while len(gone) < search.size and search.tried < most:
        rest = [part for part in range(search.size) if part not in gone]
        margins = search.margins([(*gone, part) for part in rest])
        gone = (*gone, rest[int(margins.argmin())])
        if search.flips(margins.min()):
            return gone
    return None


def _in_order(search: _Search, scores: Tensor | None) -> tuple[int, ...] | None:
    """The shortest prefix of the parts, in descending order of `scores`, whose removal changes the class."""
    order = range(search.size) if scores is None else scores.argsort(descending=True, stable=True).tolist()
    prefixes = [tuple(order[: count + 1]) for count in range(search.size)]
    flipped = search.flips(search.margins(prefixes)).nonzero()
    return prefixes[int(flipped[0])] if len(flipped) else None


def _pruned(search: _Search, gone: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Restores single parts as long as the class stays changed."""
    while len(gone) > 1 and search.tried < most:
        fewer = search.best([tuple(part for part in gone if part != restored) for restored in gone])
        if fewer is None:
            return gone
        gone = fewer
    return gone


def _verified(search: _Search, gone: tuple[int, ...], minimal: bool) -> Counterfactual | None:
    """Verifies the set in a run of its own: in a batch the last bits may differ."""
    kept = torch.ones(1, search.size, dtype=torch.bool)
    kept[0, list(gone)] = False
    index = int(search.perturbation.logits(kept)[0].argmax())
    if index == search.index:
        return None
    names = tuple(str(search.perturbation.parts[part]) for part in sorted(gone))
    return Counterfactual(tuple(sorted(gone)), names, index, minimal, search.tried + 1)
