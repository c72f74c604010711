"""Rows times the attention of a layer, in Triton: what a step of rollout or relevance needs, without the weights."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..data._attention import Band
from ..errors import InputError
from ._inputs import ScoreInputs, score_inputs
from ._tiles import PRODUCT_TILES, tile_of
from ._triton_row_pass import run_row_pass
from ._triton_scores import (
    AFTER,
    BEFORE,
    NOT_COUNTED,
    apply_rule,
    base_of,
    load_tile,
    rule_of,
    segments,
    unit,
)

MOST_ROWS = 16
"""Rows that one call multiplies: the width of a matrix product's tile."""


@triton.jit
def scan_products(key, query_base, query_stride, cols, rule, low, high, lse_base, vector_base, vector_stride, product,
                  VECTORS: tl.constexpr, WIDTH: tl.constexpr, STEP: tl.constexpr, D: tl.constexpr,
                  DIM: tl.constexpr, FLAGS: tl.constexpr, EDGES: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """Adds the rows from low to high: `[key]` for one vector, `[key, WIDTH]` for several."""
    factor, queries = unit(rule[5], FLAGS), rule[3]
    for start in tl.range(low, high, STEP):
        query = load_tile(query_base, start, query_stride, queries, STEP, D, DIM, EDGES)
        scores = tl.dot(key, tl.trans(query), input_precision=PRECISION)
        rows = start + tl.arange(0, STEP)
        scores = apply_rule(scores, rows[None, :], cols[:, None], rule, FLAGS, EDGES)
        lse = tl.load(lse_base + rows, mask=rows < queries, other=NOT_COUNTED)
        weight = tl.exp2(scores * factor - lse[None, :])
        if VECTORS == 1:
            vector = tl.load(vector_base + rows, mask=rows < queries, other=0.0)
            product += tl.sum(weight * vector[None, :], 1)
        else:
            which = tl.arange(0, WIDTH)
            vectors = tl.load(vector_base + rows[:, None] + which[None, :] * vector_stride,
                              mask=(rows < queries)[:, None] & (which < VECTORS)[None, :], other=0.0)  # fmt: skip
            product += tl.dot(weight, vectors, input_precision="tf32x3")
    return product


@triton.jit
def product_pass(query_ptr, key_ptr, lse_ptr, vector_ptr, product_ptr, active_ptr, visible_ptr, real_keys_ptr,
                 bias_ptr, query_strides, key_strides, vector_strides, visible_strides, bias_strides, heads,
                 group_size, queries, keys, scale, cap, before, after, offset, group_offset, group_rest,
                 D: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, FLAGS: tl.constexpr,
                 VECTORS: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """One key block of one head: the vectors times its columns, over those rows only where some vector is not 0."""
    block, at = tl.program_id(0), tl.program_id(1).to(tl.int64)
    batch, head = tl.program_id(1) // heads, tl.program_id(1) % heads
    first = block * KEYS
    cols = first + tl.arange(0, KEYS)
    rule = rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr,
                   visible_strides, real_keys_ptr, bias_ptr, bias_strides, FLAGS)  # fmt: skip
    base, stride = base_of(query_ptr, batch, head, query_strides), query_strides[2]
    key = load_tile(base_of(key_ptr, batch, head // group_size, key_strides), first, key_strides[2], keys,
                    KEYS, D, DIM, True)  # fmt: skip
    vector, lse_base = base_of(vector_ptr, batch, head, vector_strides), lse_ptr + at * queries

    low, high = tl.load(active_ptr + 2 * at), tl.load(active_ptr + 2 * at + 1)
    clear_from, clear_to = 0, queries
    if AFTER & FLAGS:
        low = tl.maximum(low, first - offset - after)
        clear_from = first + KEYS - 1 - offset - after
    if BEFORE & FLAGS:
        high = tl.minimum(high, tl.maximum(first + KEYS - offset + before, 0))
        clear_to = first - offset + before + 1
    start, s1, s2, _, _, _, end = segments(
        low, high, clear_from, clear_to, 0, 0, queries // ROWS * ROWS, ROWS, False
    )

    if VECTORS == 1:
        product = tl.zeros([KEYS], tl.float32)
    else:
        product = tl.zeros([KEYS, WIDTH], tl.float32)
    if AFTER & FLAGS:
        product = scan_products(key, base, stride, cols, rule, start, s1, lse_base, vector, vector_strides[2], product,
                                VECTORS, WIDTH, ROWS, D, DIM, FLAGS, True, PRECISION)  # fmt: skip
    product = scan_products(key, base, stride, cols, rule, s1, s2, lse_base, vector, vector_strides[2], product,
                            VECTORS, WIDTH, ROWS, D, DIM, FLAGS, False, PRECISION)  # fmt: skip
    product = scan_products(key, base, stride, cols, rule, s2, end, lse_base, vector, vector_strides[2], product,
                            VECTORS, WIDTH, ROWS, D, DIM, FLAGS, True, PRECISION)  # fmt: skip
    there = cols < keys
    place = product_ptr + at * keys * VECTORS + cols
    if VECTORS == 1:
        tl.store(place, product, mask=there)
    else:
        which = tl.arange(0, WIDTH)
        tl.store(place[:, None] + which[None, :] * keys, product,
                 mask=there[:, None] & (which < VECTORS)[None, :])  # fmt: skip


def rows_through(
    vectors: Tensor,
    query: Tensor,
    key: Tensor,
    *,
    scale: float,
    band: Band | None = None,
    visible: Tensor | None = None,
    real_keys: Tensor | None = None,
    bias: Tensor | None = None,
    softcap: float | None = None,
    sink: Tensor | None = None,
    lse: Tensor | None = None,
    column_factor: Tensor | None = None,
) -> Tensor:
    """`vectors @ weights` of each head, float32 `[batch, head, row, key]`; their mean over heads is a step of rollout.

    vectors: float32 `[batch, head | 1, row, query]`, at most 16 rows. Rows of the attention before the first and after
        the last query where some vector is not 0 are not computed.
    query, key, scale, band, visible, real_keys, bias, softcap, sink: as for `head_sums`
    lse: float32 `[batch, head, query]`, the natural log-sum-exp with the sink, where it is known: one pass fewer
    column_factor: `[batch | 1, head | 1, key]`, not negative; the weights times it, their rows summing to one again

    Raises InputError for more rows than 16, and for `lse` beside `column_factor`, which changes it.
    """
    if vectors.shape[2] > MOST_ROWS:
        raise InputError(f"rows_through takes at most {MOST_ROWS} rows, not {vectors.shape[2]}; split them")
    if column_factor is not None:
        if lse is not None:
            raise InputError("lse is that of the weights without column_factor; give one of the two")
        logs = column_factor.float().log()[:, :, None]
        bias, sink = logs if bias is None else bias + logs, None
    inputs = score_inputs(
        query, key, scale, band=band, visible=visible, real_keys=real_keys, bias=bias, softcap=softcap
    )
    vectors = vectors.float()
    active = _active(vectors).expand(*inputs.shape[:2], 2).contiguous()
    vectors = vectors.expand(*inputs.shape[:2], *vectors.shape[2:])
    if lse is None:
        rows = run_row_pass(inputs, sink, active=active)
        log_sums = rows.lse
        if sink is not None:
            vectors = vectors * rows.share[:, :, None]
    else:
        log_sums = (lse.float() * math.log2(math.e)).masked_fill(lse.isinf(), NOT_COUNTED.value).contiguous()
    return _run_product_pass(inputs, vectors, log_sums, active)


def _active(vectors: Tensor) -> Tensor:
    """int32 `[batch, head | 1, 2]`: the first query where some vector is not 0, the one after the last."""
    there = (vectors != 0).any(2)
    at = torch.arange(there.shape[-1], device=vectors.device, dtype=torch.int32)
    first = torch.where(there, at, there.shape[-1]).amin(-1)
    past = torch.where(there, at + 1, 0).amax(-1)
    return torch.stack([first, past], -1)


def _run_product_pass(inputs: ScoreInputs, vectors: Tensor, lse: Tensor, active: Tensor) -> Tensor:
    tile = tile_of(PRODUCT_TILES, inputs)
    batch, heads, _, keys = inputs.shape
    count = vectors.shape[2]
    vectors = vectors if vectors.stride(-1) == 1 else vectors.contiguous()
    product = lse.new_empty((batch, heads, count, keys))
    product_pass[(triton.cdiv(keys, tile.keys), batch * heads)](
        inputs.query, inputs.key, lse, vectors, product, active, vector_strides=vectors.stride()[:3],
        **inputs.pointers, **inputs.numbers, **inputs.layout, **tile.options, VECTORS=count, WIDTH=16,
    )  # fmt: skip
    return product
