"""The fused statistics against whole matrices in float64."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.data._attention import Band

from .dense import Case
from .made import codes, factors, on, rules

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp2")  # of keys past the end

RULES = rules()

NEAR = {"rtol": 3e-5, "atol": 3e-5}
"""float32 sums of up to 300 rows"""

FAR = {"rtol": 3e-5, "atol": 3e-3}
"""Distances: the same, times positions of up to 300, and signs that cancel"""


def fused(case):
    from attnlens.kernels._triton_head_sums import head_sums

    return head_sums(**{f.name: getattr(case, f.name) for f in fields(case)})


@pytest.mark.parametrize("name", RULES)
def test_sums_are_those_of_the_whole_matrices(name, device):
    case = on(RULES[name], device)
    assert_sums(asdict(fused(case)), case.sums())


def assert_sums(sums, expected):
    """Every column is there and near."""
    assert {name for name, value in sums.items() if value is not None} == set(expected)
    for column, value in expected.items():
        near = FAR if "distance" in column else NEAR
        torch.testing.assert_close(sums[column].double(), value, **near, msg=lambda m, c=column: f"{c}: {m}")


SIDES = st.one_of(st.none(), st.integers(0, 200))


@settings(max_examples=12)
@given(st.integers(1, 200), st.integers(1, 200), SIDES, SIDES, st.integers(0, 150), st.booleans())
def test_any_band_over_any_sizes(queries, keys, before, after, offset, aligned):
    target = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    case = Case(**factors(queries, keys, 16, heads=1), band=Band(before, after, offset), aligned=aligned)
    case = on(replace(case, codes=codes(1, keys) if aligned else None), target)
    assert_sums(asdict(fused(case)), case.sums())
