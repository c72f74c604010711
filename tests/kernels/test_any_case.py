"""Any attention: kernels, blocked torch and whole float64 matrices agree, whatever the shapes and masks."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.analysis import COLUMNS, HeadColumns, InputTokens
from attnlens.data import Band, Token
from attnlens.data._batch import AttentionBatch
from attnlens.kernels import _fused, _head_sums

from .dense import Case
from .made import codes, factors, inputs_of, on, padding
from .test_head_sums import assert_sums, fused
from .test_row_products import through
from .test_top_keys import check, top

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp2")  # of keys past the end

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIDES = st.one_of(st.none(), st.integers(0, 50))


@st.composite
def cases(draw):
    """Self-attention with several rules at once: groups of heads, band, mask, padding, bias, cap, sink."""
    size, batch, groups = draw(st.integers(1, 70)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    heads = groups * draw(st.integers(1, 2))
    torch.manual_seed(draw(st.integers(0, 999)))
    dim = draw(st.sampled_from([16, 24, 32]))
    case = factors(size, size, dim, heads=heads, key_heads=groups, batch=batch)
    if draw(st.booleans()):
        case["band"] = Band(draw(SIDES), draw(SIDES))
    if draw(st.booleans()):
        case["visible"] = torch.rand(draw(st.sampled_from([1, batch])), 1, size, size) < 0.7
    if draw(st.booleans()):
        real = padding([draw(st.integers(1, size)) for _ in range(batch)], size, draw(st.booleans()))
        case |= {"real_keys": real, "real_queries": real}
    if draw(st.booleans()):
        case["bias"] = torch.randn(
            1, draw(st.sampled_from([1, heads])), draw(st.sampled_from([1, size])), size
        )
    if draw(st.booleans()):
        case["softcap"] = draw(st.floats(1, 20))
    if draw(st.booleans()):
        case["sink"] = torch.randn(heads)
    return Case(**case, codes=codes(batch, size))


def batch_of(case: Case) -> AttentionBatch:
    names = {f.name for f in fields(AttentionBatch)} & {f.name for f in fields(Case)}
    return AttentionBatch("layer", "self", **{name: getattr(case, name) for name in names})


@settings(max_examples=10)
@given(cases())
def test_sums_and_weights(case):
    case = on(case, DEVICE)
    assert_sums(asdict(fused(case)), case.sums())
    torch.testing.assert_close(batch_of(case).block().double(), case.weights(), rtol=3e-5, atol=1e-6)


@settings(max_examples=10)
@given(cases())
def test_columns_of_kernel_and_twin(case):
    case = on(case, DEVICE)
    attention, real = batch_of(case), case.real_keys
    counts = [case.key.shape[2]] * len(case.key) if real is None else real.sum(-1).tolist()
    texts = [tuple(Token(str(int(c)), int(c)) for c in row[:n]) for row, n in zip(case.codes, counts)]
    columns = []
    for on_gpu in (True, False):
        with (
            patch.object(_fused, "on_gpu", lambda device, on_gpu=on_gpu: on_gpu),
            patch.object(_head_sums, "BLOCK_ELEMENTS", 0 if on_gpu else 1 << 22),
        ):
            columns.append(HeadColumns(InputTokens(texts))(attention))
    for name, ours, expected in zip(COLUMNS, *(found.unbind(-1) for found in columns)):
        atol = 1e-4 if "distance" in name else 1e-5  # up to 70, with signs that cancel
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=atol, equal_nan=True)


@settings(max_examples=10)
@given(cases(), st.integers(1, 3), st.integers(1, 5))
def test_rows_and_top_keys(case, rows, count):
    case = on(case, DEVICE)
    batch, heads, size, _ = case.query.shape
    vectors = torch.randn(batch, heads, rows, size, device=DEVICE)
    real = case.real_queries
    if real is not None:
        vectors = vectors * real[:, None, None]
    torch.testing.assert_close(
        through(case, vectors).double(), vectors.double() @ case.weights(), rtol=3e-5, atol=3e-5
    )
    count = min(count, size)
    check(case, count, *top(case, count, sink=case.sink))


@settings(max_examples=10)
@given(cases())
def test_overlaps(case):
    from attnlens.kernels._triton_overlaps import head_overlaps

    from .test_overlaps import expected

    case = on(case, DEVICE)
    other = replace(case, query=case.query.flip(1), sink=None)
    sums, seen = head_overlaps([inputs_of(case), inputs_of(other)], [case.sink, None], case.real_queries)
    wanted, counted = expected([case, other])
    assert torch.equal(seen, counted)
    torch.testing.assert_close(sums, wanted, rtol=0, atol=1e-6 * seen.shape[-1])
