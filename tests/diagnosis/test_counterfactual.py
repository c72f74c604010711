"""The smallest set that flips an answer, against trying every set."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.attribution.text._perturbation import TextPerturbation
from attnlens.diagnosis._counterfactual import smallest_counterfactual
from attnlens.errors import InputError


class Additive:
    """A model of two classes whose logit is a sum over the parts that are there, and over some pairs of them."""

    def __init__(self, weights, pairs=None, offset=0.0):
        self.weights, self.offset = torch.tensor(weights, dtype=torch.float64), offset
        self.pairs = pairs or {}
        self.parts = tuple(f"part {i}" for i in range(len(weights)))
        self.asked = 0

    def logits(self, kept):
        self.asked += len(kept)
        found = kept.double() @ self.weights + self.offset
        for (i, j), weight in self.pairs.items():
            found = found + weight * (kept[:, i] & kept[:, j]).double()
        return torch.stack([found, torch.zeros_like(found)], -1)


def every_set(removal, index):
    """The size of the smallest set that flips the answer, from trying all of them; None where none does.

    Weights have two decimals, so that whole numbers of hundredths are exact: a tie is a tie, and flips nothing.
    """
    size, (offset, *weights) = (
        len(removal.parts),
        map(hundredths, (removal.offset, *removal.weights.tolist())),
    )
    pairs = {pair: hundredths(weight) for pair, weight in removal.pairs.items()}
    for count in range(1, size + 1):
        for gone in map(set, combinations(range(size), count)):
            left = offset + sum(weight for i, weight in enumerate(weights) if i not in gone)
            left += sum(weight for pair, weight in pairs.items() if not gone & set(pair))
            if (left < 0) if index == 0 else (left > 0):
                return count
    return None


def hundredths(number):
    return round(100 * number)


weight = st.floats(-2, 2).map(lambda x: round(x, 2))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(weight, min_size=1, max_size=7),
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 6)), weight, max_size=4),
    weight,
)
@example([2.0, 1.13, 0.76, -1.9, 0.01], {}, 0.0)  # without part 0 the sum is 0, but for rounding
def test_finds_what_trying_every_set_finds(weights, pairs, offset):
    pairs = {(i, j): w for (i, j), w in pairs.items() if i < len(weights) and j < len(weights)}
    removal = Additive(weights, pairs, offset)
    whole = removal.logits(torch.ones(1, len(weights), dtype=torch.bool))[0]
    index = int(whole.argmax())
    expected = every_set(removal, index)
    found = smallest_counterfactual(removal, index, torch.tensor(weights) * (1 if index == 0 else -1))
    if expected is None:
        assert found is None
        return
    if found is None:
        pytest.fail("a set that flips the answer was not found")
    kept = torch.ones(1, len(weights), dtype=torch.bool)
    kept[0, list(found.parts)] = False
    assert int(removal.logits(kept)[0].argmax()) == found.index != index
    assert len(found.parts) >= expected
    if found.minimal:
        assert len(found.parts) == expected


def test_an_additive_model_needs_its_strongest_parts():
    removal = Additive([1.0, 5.0, 2.0, 4.0, -1.0, 0.5], offset=-0.6)  # 10.9 in all
    found = smallest_counterfactual(removal, 0, removal.weights)
    assert found.parts == (1, 2, 3)
    assert found.minimal
    assert found.names == ("part 1", "part 2", "part 3")
    assert found.index == 1


def test_pairs_that_only_work_together():
    """Either of two parts is enough for the answer: no single one can be missed, greedy steps see no difference."""
    removal = Additive([2.0, 2.0, 0.1, 0.1], {(0, 1): -2.0}, offset=-1.0)
    found = smallest_counterfactual(removal, 0)
    assert found.parts == (0, 1)
    assert found.minimal


@pytest.mark.parametrize(("behind", "parts"), [(1e-16, (0, 1)), (1e-7, (0, 1)), (1e-5, (0,)), (0.1, (0,))])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_class_that_only_draws_level_has_not_flipped(scale, behind, parts):
    """Without part 0 the other class is ahead by so much: too little where float32 rounds it away, at any scale."""
    removal = Additive([2.0 * scale, 1.0 * scale], offset=-(1.0 + behind) * scale)
    assert smallest_counterfactual(removal, 0).parts == parts


def test_nothing_flips():
    removal = Additive([1.0, 1.0], offset=5.0)
    assert smallest_counterfactual(removal, 0) is None


def test_many_parts_are_searched_within_the_budget():
    weights = torch.rand(150, generator=torch.Generator().manual_seed(1))
    removal = Additive(weights.tolist(), offset=-0.9 * float(weights.sum()))
    found = smallest_counterfactual(removal, 0, weights, most=500)
    taken = weights.sort(descending=True).values.cumsum(0)
    needed = 1 + int((taken <= 0.1 * float(weights.sum())).sum())
    assert len(found.parts) == needed
    assert not found.minimal
    assert found.tried < 2500
    assert removal.asked == found.tried


def test_a_small_budget_ends_the_search_and_still_answers():
    weights = torch.rand(150, generator=torch.Generator().manual_seed(1))
    removal = Additive(weights.tolist(), offset=-0.9 * float(weights.sum()))
    found = smallest_counterfactual(removal, 0, torch.arange(150.0), most=1)
    assert (
        found.tried == 1 + 150 + 150 + 1
    )  # none, each alone, the strongest together, and the answer once more
    assert found.parts == tuple(range(found.parts[0], 150))


def test_without_parts():
    with pytest.raises(InputError, match="no parts that could be removed"):
        smallest_counterfactual(Additive([]), 0)


def test_a_word_of_a_real_text():
    lens = al.load("sentiment")
    removal = TextPerturbation(lens, "not a bad film", by="delete")
    found = smallest_counterfactual(removal, lens.target_index("positive"))
    assert found.names == ("not",)
    assert lens.trace("a bad film").prediction.index == found.index
