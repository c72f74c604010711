"""The keys with the largest weights, against whole matrices in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from attnlens.errors import InputError

from .made import inputs_of, on, rules

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp2")  # of keys past the end

RULES = rules()


def top(case, count, **more):
    from attnlens.kernels._triton_top_keys import top_keys

    return top_keys(inputs_of(case), count, **more)


def check(case, count, weights, keys):
    """The weights are the largest ones, and those of their keys."""
    whole = replace(case, real_queries=None).weights()
    largest = whole.topk(count).values
    torch.testing.assert_close(weights.double(), largest, rtol=3e-5, atol=1e-6)
    picked = whole.gather(-1, keys.clamp(min=0)).masked_fill(keys < 0, 0.0)
    torch.testing.assert_close(weights.double(), picked, rtol=3e-5, atol=1e-6)
    real = keys.masked_fill(keys < 0, whole.shape[-1]) + (keys < 0) * torch.arange(count, device=keys.device)
    assert (real.sort(-1).values.diff(dim=-1) > 0).all(), "a key occurs twice"


@pytest.mark.parametrize(("name", "count"), [
    ("plain", 1), ("one tile", 3), ("causal", 16), ("causal window", 4), ("window", 5), ("cached window", 4),
    ("padded", 4), ("visible", 8), ("bias", 4), ("bias hides", 4), ("softcap", 4), ("sink", 4), ("all", 4),
    ("cross", 4), ("grouped heads", 4), ("dim 80", 4), ("float16", 4), ("bfloat16", 4), ("nothing visible", 2),
])  # fmt: skip
def test_the_largest_weights_and_their_keys(name, count, device):
    case = on(RULES[name], device)
    weights, keys = top(case, count, sink=case.sink)
    check(case, count, weights, keys)


@pytest.mark.parametrize("name", ["plain", "causal", "all"])
def test_rows_of_equal_scores_are_computed_whole(name, device):
    case = on(RULES[name], device)
    case = replace(case, query=torch.zeros_like(case.query))
    weights, keys = top(case, 4, sink=case.sink)
    check(case, 4, weights, keys)


def test_the_first_of_equal_keys_comes_first(device):
    case = on(RULES["plain"], device)
    _, keys = top(replace(case, query=torch.zeros_like(case.query)), 3)
    assert (keys == torch.arange(3, device=device)).all()


def test_more_keys_than_there_is_room_for(device):
    with pytest.raises(InputError, match="at most 16 keys of a row, not 17"):
        top(on(RULES["plain"], device), 17)
