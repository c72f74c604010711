"""Pooled block by block is pooled whole: against loops over all weights."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.analysis import _pooling
from attnlens.data import _attention
from attnlens.data._attention import Weights

from ..plots.made import factors, weights


def slow(weights: torch.Tensor, down: int, across: int) -> torch.Tensor:
    """The largest of every `down` by `across` weights, one by one."""
    heads, queries, keys = weights.shape
    out = torch.zeros(heads, math.ceil(queries / down), math.ceil(keys / across), dtype=torch.float64)
    for h in range(heads):
        for i in range(queries):
            for j in range(keys):
                at = (h, i // down, j // across)
                out[at] = max(out[at], weights[h, i, j])
    return out


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 9), st.sampled_from([1, 7, 40, 1 << 22]))
def test_pooled_is_the_largest_of_each_cell(queries, keys, most, block):
    store = weights(2, queries, keys)
    before, _attention.BLOCK_ELEMENTS = _attention.BLOCK_ELEMENTS, block
    try:
        found, (down, across) = _pooling.pooled(store, most)
    finally:
        _attention.BLOCK_ELEMENTS = before
    assert found.shape[1] <= most
    assert found.shape[2] <= most
    torch.testing.assert_close(found.double(), slow(store[:].double(), down, across))


def test_short_inputs_are_returned_as_they_are():
    store = factors(3, 9)
    found, step = _pooling.pooled(store, 9, [2, 0])
    assert step == (1, 1)
    assert torch.equal(found, store[[2, 0]])


@pytest.mark.parametrize("block", [1, 30, 1 << 22])
def test_the_mean_is_taken_before_the_largest(monkeypatch, block):
    monkeypatch.setattr(_pooling, "BLOCK_ELEMENTS", block)
    layers = [weights(2, 7, 5, seed=1), weights(4, 7, 5, seed=2)]
    every = torch.cat([layer[:].double() for layer in layers])
    found, step = _pooling.pooled_mean(layers, 3)
    assert step == (3, 2)
    torch.testing.assert_close(found.double(), slow(every.mean(0, keepdim=True), 3, 2)[0])


def test_a_row_masked_in_one_layer_is_the_mean_of_the_others():
    held = weights(2, 3, 3).weights.clone()
    held[:, 1] = 0
    found, _ = _pooling.pooled_mean([Weights(held), weights(1, 3, 3, seed=5)], 9)
    torch.testing.assert_close(found[1], weights(1, 3, 3, seed=5)[0, 1])
    torch.testing.assert_close(found[0], torch.cat([held[:, 0], weights(1, 3, 3, seed=5)[:, 0]]).mean(0))


def test_signed_numbers_keep_the_largest_magnitude():
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    found, step = _pooling.pooled_signed(values, 3)
    assert step == (3, 2)
    for i in range(3):
        for j in range(3):
            cell = values[3 * i : 3 * i + 3, 2 * j : 2 * j + 2].reshape(-1)
            assert found[i, j] == cell[cell.abs().argmax()]
    assert torch.equal(_pooling.pooled_signed(values, 7)[0], values)
