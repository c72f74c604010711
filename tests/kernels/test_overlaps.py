"""Overlaps of all pairs of heads, against whole matrices in float64."""

from __future__ import annotations

import pytest
import torch

from attnlens.errors import InputError

from .made import inputs_of, on, rules

RULES = rules()


def expected(cases):
    weights = torch.cat([case.weights() for case in cases], 1)
    rest = torch.cat([rest_of(case) for case in cases], 1)
    roots = torch.cat([weights, rest[..., None]], -1).sqrt()
    return torch.einsum("baqk,bcqk->bac", roots, roots), weights.sum(-1) > 0


def rest_of(case):
    """What a sink takes of each row"""
    mass = case.weights().sum(-1)
    return (1 - mass).clamp(min=0) * (mass > 0) * (case.sink is not None)


@pytest.mark.parametrize(
    "names",
    [
        ("plain", "odd band"),
        ("sink", "visible"),
        ("softcap", "bias"),
        ("float16",),
        ("dim 80", "plain"),
        ("padded",),
    ],
)
def test_overlaps_are_those_of_the_whole_matrices(names, device):
    from attnlens.kernels._triton_overlaps import head_overlaps

    cases = [on(RULES[name], device) for name in names]
    real = cases[0].real_queries
    sums, seen = head_overlaps([inputs_of(case) for case in cases], [case.sink for case in cases], real)
    wanted, counted = expected(cases)
    assert torch.equal(seen, counted)
    torch.testing.assert_close(sums, wanted, rtol=0, atol=1e-6 * seen.shape[-1])


def test_rows_are_taken_a_few_at_a_time(device, monkeypatch):
    from attnlens.kernels import _triton_overlaps

    monkeypatch.setattr(_triton_overlaps, "MOST_ROOTS", 150 * 2 * 64)
    test_overlaps_are_those_of_the_whole_matrices(("plain",), device)


def test_layers_of_other_lengths(device):
    from attnlens.kernels._triton_overlaps import head_overlaps

    with pytest.raises(InputError, match="the same batch, queries and keys"):
        head_overlaps([inputs_of(on(RULES["plain"], device)), inputs_of(on(RULES["cross"], device))])
