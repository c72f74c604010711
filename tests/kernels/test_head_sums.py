"""The fused statistics against whole matrices in float64."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest
import torch

from .made import on, rules

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
    sums = asdict(fused(case))
    expected = case.sums()
    assert {name for name, value in sums.items() if value is not None} == set(expected)
    for column, value in expected.items():
        near = FAR if "distance" in column else NEAR
        torch.testing.assert_close(sums[column].double(), value, **near, msg=lambda m, c=column: f"{c}: {m}")
