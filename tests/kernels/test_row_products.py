"""Rows times the attention of a layer, against whole matrices in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from attnlens.errors import InputError

from .made import inputs_of, on, rules

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp2")  # of keys past the end

RULES = {
    name: case
    for name, case in rules().items()
    if name in ("plain", "causal", "window", "cached window", "padded", "visible", "bias of keys", "softcap", "sink",
                "all", "cross", "grouped heads", "dim 80", "float16", "bfloat16", "nothing visible")
}  # fmt: skip

NEAR = {"rtol": 3e-5, "atol": 3e-5}

OURS = ("query", "key", "scale", "band", "visible", "real_keys", "bias", "softcap", "sink")


def through(case, vectors, **more):
    from attnlens.kernels._triton_row_products import rows_through

    return rows_through(vectors, **{name: getattr(case, name) for name in OURS}, **more)


def drawn(case, rows: int, per_head: bool) -> torch.Tensor:
    batch, heads, queries, _ = case.query.shape
    return torch.randn(batch, heads if per_head else 1, rows, queries, device=case.query.device)


def expected(case, vectors, weights=None):
    case = replace(case, real_queries=None)
    return vectors.double() @ (case.weights() if weights is None else weights)


@pytest.mark.parametrize(("rows", "per_head"), [(1, False), (3, True)])
@pytest.mark.parametrize("name", RULES)
def test_rows_are_multiplied_with_the_whole_matrices(name, rows, per_head, device):
    case = on(RULES[name], device)
    vectors = drawn(case, rows, per_head)
    torch.testing.assert_close(through(case, vectors).double(), expected(case, vectors), **NEAR)


@pytest.mark.parametrize("name", ["causal", "window", "sink", "nothing visible"])
def test_a_known_log_sum_exp_changes_nothing(name, device):
    case = on(RULES[name], device)
    vectors = drawn(case, 1, True)
    product = through(case, vectors, lse=case.log_sum().float())
    torch.testing.assert_close(product.double(), expected(case, vectors), **NEAR)


@pytest.mark.parametrize("rows", [[0], [299], [130, 140], []])
def test_rows_without_weight_are_left_out(rows, device):
    case = on(RULES["causal"], device)
    vectors = drawn(case, 2, True)
    kept = torch.zeros(vectors.shape[-1], dtype=torch.bool, device=device)
    kept[rows] = True
    vectors = vectors * kept
    torch.testing.assert_close(through(case, vectors).double(), expected(case, vectors), **NEAR)


@pytest.mark.parametrize("name", ["causal", "sink", "bias of keys"])
def test_columns_are_weighted_and_rows_sum_to_one_again(name, device):
    case = on(RULES[name], device)
    _, heads, _, _ = case.query.shape
    factor = torch.rand(1, heads, case.key.shape[2], device=device)
    factor[..., 5] = 0
    weighted = case.weights() * factor[:, :, None]
    weighted = weighted / weighted.sum(-1, keepdim=True)
    vectors = drawn(case, 1, False)
    product = through(case, vectors, column_factor=factor)
    torch.testing.assert_close(product.double(), expected(case, vectors, weighted), **NEAR)


def test_strides_of_the_factors_do_not_matter(device):
    case = on(RULES["causal"], device)
    moved = replace(
        case, query=case.query.transpose(1, 2).contiguous().transpose(1, 2), key=case.key.mT.contiguous().mT
    )
    vectors = drawn(case, 1, True).mT.contiguous().mT
    torch.testing.assert_close(through(moved, vectors), through(case, vectors))


def test_too_many_rows_and_a_log_sum_exp_of_other_weights(device):
    case = on(RULES["plain"], device)
    with pytest.raises(InputError, match="at most 16 rows, not 17"):
        through(case, drawn(case, 17, False))
    with pytest.raises(InputError, match="one of the two"):
        through(case, drawn(case, 1, False), lse=case.log_sum(), column_factor=torch.ones(1, 1, 150))


@pytest.mark.parametrize("name", ["causal", "sink", "padded", "nothing visible"])
def test_the_log_sum_exp_of_rows(name, device):
    from attnlens.kernels._triton_row_pass import row_lse

    case = on(RULES[name], device)
    lse = row_lse(inputs_of(case), case.sink)
    torch.testing.assert_close(lse.double(), case.log_sum(), **NEAR)
