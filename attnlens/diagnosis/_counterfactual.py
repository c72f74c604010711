"""The smallest part of an input without which the model answers something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError

MOST = 4000
"""Inputs after which a search begins to end; among them every pair of some 90 parts."""

TIE = 1e-6
"""Classes whose logits differ by less than this share of the largest logit are level, and neither is predicted rather
than the other: float32 rounds such differences away, and which class comes first changes with the batch.
"""


@dataclass(frozen=True)
class Counterfactual:
    """Parts whose removal changes the predicted class.

    parts: their numbers in `perturbation.parts`; names: what they are
    index: the class that is predicted without them
    minimal: whether no smaller set does it, since every one was tried
    tried: inputs that the search ran
    """

    parts: tuple[int, ...]
    names: tuple[str, ...]
    index: int
    minimal: bool
    tried: int


class _Search:
    """Asks the model about removed sets and remembers how many it asked about."""

    def __init__(self, perturbation: Any, index: int):
        self.perturbation, self.index, self.tried = perturbation, index, 0
        self.size, self.tie = len(perturbation.parts), 0.0

    def margins(self, sets: Sequence[Iterable[int]]) -> Tensor:
        """Per set of removed parts: the class's logit minus the best other one, `[set]`; see `flips`."""
        kept = torch.ones(len(sets), self.size, dtype=torch.bool)
        for row, gone in zip(kept, sets):
            row[list(gone)] = False
        self.tried += len(sets)
        logits = self.perturbation.logits(kept).double()
        self.tie = self.tie or TIE * float(logits.abs().amax())
        own = logits[:, self.index].clone()
        logits[:, self.index] = -torch.inf
        return own - logits.max(-1).values

    def flips(self, margins: Tensor) -> Tensor:
        """bool `[set]`: whether another class is ahead, by more than a tie; its scale is that of the first margins."""
        return margins < -self.tie

    def best(self, sets: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
        """Of the sets that flip, the one that does so most clearly; None where none does."""
        if not sets:
            return None
        margins = self.margins(sets)
        lowest = int(margins.argmin())
        return tuple(sets[lowest]) if self.flips(margins[lowest]) else None


def smallest_counterfactual(
    perturbation: Any, index: int, scores: Tensor | None = None, *, most: int = MOST
) -> Counterfactual | None:
    """The smallest set of parts without which another class than `index` is predicted; None where there is none.

    perturbation: a `TextPerturbation` or `ImagePerturbation`; index: the class that is predicted for the whole input
    scores: `[part]`, how much each speaks for the class: the order that the search tries first
    most: inputs after which it takes no further part away, and of twice as many puts none back

    Single parts are all tried, pairs as long as there are at most `most`. Larger sets are searched: the part that
    costs the class most is taken away, again and again; the strongest parts by `scores` are taken away together; and
    from the smaller of the two sets what is not needed is put back. None means that the model says the same even
    without all parts. Where the other class only draws level (`TIE`), the class has not changed.
    """
    search = _Search(perturbation, index)
    if not search.size:
        raise InputError("the input has no parts that could be removed")
    smallest = search.best(
        [(), *((part,) for part in range(search.size))]
    )  # with the whole, for the scale of a tie
    minimal = True
    if smallest is None and search.size * (search.size - 1) // 2 <= most:
        smallest = search.best(list(combinations(range(search.size), 2)))
    elif smallest is None:
        minimal = False
    if smallest is None:
        sets = [_greedy(search, most), _in_order(search, scores)]
        smallest = min((one for one in sets if one is not None), key=len, default=None)
        if smallest is None:
            return None
        smallest = _pruned(search, smallest, 2 * most)
        minimal = len(smallest) == 2 or (minimal and len(smallest) == 3)
    return _verified(search, smallest, minimal)


def _greedy(search: _Search, most: int) -> tuple[int, ...] | None:
    """Takes away the part that costs the class most, until it is no longer predicted."""
    gone: tuple[int, ...] = ()
    while len(gone) < search.size and search.tried < most:
        rest = [part for part in range(search.size) if part not in gone]
        margins = search.margins([(*gone, part) for part in rest])
        gone = (*gone, rest[int(margins.argmin())])
        if search.flips(margins.min()):
            return gone
    return None


def _in_order(search: _Search, scores: Tensor | None) -> tuple[int, ...] | None:
    """The fewest of the strongest parts, in their order, that flip the class together."""
    order = range(search.size) if scores is None else scores.argsort(descending=True, stable=True).tolist()
    prefixes = [tuple(order[: count + 1]) for count in range(search.size)]
    flipped = search.flips(search.margins(prefixes)).nonzero()
    return prefixes[int(flipped[0])] if len(flipped) else None


def _pruned(search: _Search, gone: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Without the parts that need not be removed: one is put back as long as the class stays flipped."""
    while len(gone) > 1 and search.tried < most:
        fewer = search.best([tuple(part for part in gone if part != one) for one in gone])
        if fewer is None:
            return gone
        gone = fewer
    return gone


def _verified(search: _Search, gone: tuple[int, ...], minimal: bool) -> Counterfactual | None:
    """The set, run once more alone: in a batch the last bits may differ."""
    kept = torch.ones(1, search.size, dtype=torch.bool)
    kept[0, list(gone)] = False
    index = int(search.perturbation.logits(kept)[0].argmax())
    if index == search.index:
        return None
    names = tuple(str(search.perturbation.parts[part]) for part in sorted(gone))
    return Counterfactual(tuple(sorted(gone)), names, index, minimal, search.tried + 1)
