"""The first pass over the scores in Triton: each row's log-sum-exp, and what is summed over rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ._inputs import ScoreInputs
from ._tiles import ROW_TILES, tile_of
from ._triton_scores import (
    AFTER,
    BEFORE,
    GROUP,
    NOT_COUNTED,
    NOTHING,
    apply_rule,
    base_of,
    load_tile,
    rule_of,
    segments,
    unit,
)

ROW_PARTS = tl.constexpr(10)
"""Sums per row block: rows, mass, entropy, perplexity, largest weight; what the mass left and right of the diagonal of
the r-th row of a group adds to the distance, `(left - right) r`, and to the signed distance, `-(left + right) r`; the
weight on the query itself, one before, one after."""


@triton.jit
def scan_keys(query, key_base, key_stride, rows, rule, low, high, most, total, spread, STEP: tl.constexpr,
              D: tl.constexpr, DIM: tl.constexpr, FLAGS: tl.constexpr, EDGES: tl.constexpr,
              SPREAD: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """Online softmax over the keys from low to high: the maximum, the sum of `exp2`, the sum of `exp2 * exponent`."""
    factor = unit(rule[5], FLAGS)
    for start in tl.range(low, high, STEP):
        key = load_tile(key_base, start, key_stride, rule[4], STEP, D, DIM, EDGES)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        cols = start + tl.arange(0, STEP)
        scores = apply_rule(scores, rows[:, None], cols[None, :], rule, FLAGS, EDGES)
        larger = tl.maximum(most, tl.max(scores, 1) * factor)
        exponent = scores * factor - larger[:, None]
        weight = tl.exp2(exponent)
        fading = tl.exp2(most - larger)
        if SPREAD:
            spread = (spread + (most - larger) * total) * fading + tl.sum(weight * exponent, 1)
        total = total * fading + tl.sum(weight, 1)
        most = larger
    return most, total, spread


@triton.jit
def weight_beside(query, key_base, key_stride, rows, rule, lse, BY: tl.constexpr, ROWS: tl.constexpr, D: tl.constexpr,
                  DIM: tl.constexpr, FLAGS: tl.constexpr):  # fmt: skip
    """The normalised weight of each row on the key BY positions after it; 0 where there is none."""
    cols, dim = rows + rule[2] + BY, tl.arange(0, DIM)
    there = (cols >= 0) & (cols < rule[4])
    cols = tl.where(there, cols, 0)
    place = key_base + (cols.to(tl.int64) * key_stride)[:, None] + dim[None, :]
    key = tl.load(place, mask=there[:, None] & (dim < D)[None, :], other=0.0)
    scores = tl.sum(query.to(tl.float32) * key.to(tl.float32), 1)
    scores = apply_rule(scores, rows, cols, rule, FLAGS, True) * unit(rule[5], FLAGS)
    return tl.where(there, tl.exp2(scores - lse), 0.0)


@triton.jit
def merged(most, part_most, total, spread):
    """Sums relative to one maximum, relative to a larger one."""
    fading = tl.exp2(part_most - most)
    return total * fading, (spread + (part_most - most) * total) * fading


@triton.jit
def row_pass(query_ptr, key_ptr, lse_ptr, share_ptr, part_ptr, sink_ptr, real_queries_ptr, active_ptr,
             visible_ptr, real_keys_ptr, bias_ptr, query_strides, key_strides, visible_strides, bias_strides,
             heads, group_size, queries, keys, scale, cap, before, after, offset, group_offset, group_rest,
             D: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
             FLAGS: tl.constexpr, SINK: tl.constexpr, REAL_QUERIES: tl.constexpr, ACTIVE: tl.constexpr,
             SUMS: tl.constexpr, SPLIT: tl.constexpr, ONE_SIDED: tl.constexpr, TAIL: tl.constexpr,
             PRECISION: tl.constexpr):  # fmt: skip
    """One row block of one head: its rows' log-sum-exp over the keys, and with SUMS what is summed over rows.

    SPLIT: keep apart what lies left and right of the diagonal. ONE_SIDED: nothing lies right of it. TAIL: keys may end
    left of the diagonal.
    """
    block = tl.num_programs(0) - 1 - tl.program_id(0)
    batch, head = tl.program_id(1) // heads, tl.program_id(1) % heads
    first = block * ROWS
    rows = first + tl.arange(0, ROWS)
    lse_place = lse_ptr + tl.program_id(1).to(tl.int64) * queries + rows
    if ACTIVE:
        active = tl.load(active_ptr + 2 * tl.program_id(1)), tl.load(active_ptr + 2 * tl.program_id(1) + 1)
        if (first + ROWS <= active[0]) | (first >= active[1]):
            return
    rule = rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr,
                   visible_strides, real_keys_ptr, bias_ptr, bias_strides, FLAGS)  # fmt: skip
    key_base = base_of(key_ptr, batch, head // group_size, key_strides)
    query = load_tile(base_of(query_ptr, batch, head, query_strides), first, query_strides[2], queries,
                      ROWS, D, DIM, True)  # fmt: skip

    low, high = 0, keys
    clear_from, clear_to = 0, keys
    if BEFORE & FLAGS:
        low = tl.maximum(first + offset - before, 0)
        clear_from = first + ROWS - 1 + offset - before
    if AFTER & FLAGS:
        high = tl.minimum(tl.maximum(first + ROWS + offset + after, 0), keys)
        clear_to = first + offset + after + 1
    diagonal = (first // GROUP + group_offset) * GROUP
    start, s1, s2, s3, s4, s5, end = segments(
        low, high, clear_from, clear_to, diagonal, diagonal + (1 + group_rest) * GROUP, keys // KEYS * KEYS,
        KEYS, SPLIT)  # fmt: skip

    zero = tl.zeros([ROWS], tl.float32)
    most, total, spread = zero + NOTHING, zero, zero
    stride = key_strides[2]
    if BEFORE & FLAGS:
        most, total, spread = scan_keys(query, key_base, stride, rows, rule, start, s1, most, total, spread, KEYS,
                                        D, DIM, FLAGS, True, SUMS, PRECISION)  # fmt: skip
    most, total, spread = scan_keys(query, key_base, stride, rows, rule, s1, s2, most, total, spread, KEYS,
                                    D, DIM, FLAGS, False, SUMS, PRECISION)  # fmt: skip
    if TAIL:
        most, total, spread = scan_keys(query, key_base, stride, rows, rule, s2, s3, most, total, spread, KEYS,
                                        D, DIM, FLAGS, True, SUMS, PRECISION)  # fmt: skip
    left, right = zero, zero
    if SPLIT:
        left_most, left_total, left_spread = most, total, spread
        most, total, spread = scan_keys(query, key_base, stride, rows, rule, s3, s4, most, zero, zero, KEYS,
                                        D, DIM, FLAGS, True, SUMS, PRECISION)  # fmt: skip
        if not ONE_SIDED:
            near_most, near_total, near_spread = most, total, spread
            most, total, spread = scan_keys(query, key_base, stride, rows, rule, s4, s5, most, zero, zero, KEYS,
                                            D, DIM, FLAGS, False, SUMS, PRECISION)  # fmt: skip
            most, total, spread = scan_keys(query, key_base, stride, rows, rule, s5, end, most, total, spread,
                                            KEYS, D, DIM, FLAGS, True, SUMS, PRECISION)  # fmt: skip
            right = total
            near_total, near_spread = merged(most, near_most, near_total, near_spread)
            total, spread = total + near_total, spread + near_spread
        left, left_spread = merged(most, left_most, left_total, left_spread)
        total, spread = total + left, spread + left_spread

    counted = (total > 0.0) & (rows < queries)
    if REAL_QUERIES:
        counted = counted & (tl.load(real_queries_ptr + batch.to(tl.int64) * queries + rows,
                                     mask=rows < queries, other=0) != 0)  # fmt: skip
    safe = tl.where(counted, total, 1.0)
    lse = most + tl.log2(safe)
    tl.store(lse_place, tl.where(counted, lse, NOT_COUNTED), mask=rows < queries)
    share = zero + 1.0
    if SINK:
        share = 1.0 / (1.0 + tl.exp2(tl.load(sink_ptr + head).to(tl.float32) * 1.4426950408889634 - lse))
        share = tl.where(counted, share, 0.0)
        tl.store(share_ptr + tl.program_id(1).to(tl.int64) * queries + rows, share, mask=rows < queries)
    if SUMS:
        entropy = (tl.log2(safe) - spread / safe) * 0.6931471805599453
        part = part_ptr + (tl.program_id(1) * tl.num_programs(0) + block).to(tl.int64) * ROW_PARTS
        tl.store(part, tl.sum(tl.where(counted, 1.0, 0.0), 0))
        tl.store(part + 1, tl.sum(tl.where(counted, share, 0.0), 0))
        tl.store(part + 2, tl.sum(tl.where(counted, entropy, 0.0), 0))
        tl.store(part + 3, tl.sum(tl.where(counted, tl.exp(entropy), 0.0), 0))
        tl.store(part + 4, tl.sum(tl.where(counted, share / safe, 0.0), 0))
        if SPLIT:
            place = (rows - first // GROUP * GROUP).to(tl.float32)
            left = tl.where(counted, left / safe, 0.0) * place
            right = tl.where(counted, right / safe, 0.0) * place
            tl.store(part + 5, tl.sum(left - right, 0))
            tl.store(part + 6, -tl.sum(left + right, 0))
            lse = tl.where(counted, lse, NOT_COUNTED)
            beside = weight_beside(query, key_base, stride, rows, rule, lse, 0, ROWS, D, DIM, FLAGS)
            tl.store(part + 7, tl.sum(beside * share, 0))
            beside = weight_beside(query, key_base, stride, rows, rule, lse, -1, ROWS, D, DIM, FLAGS)
            tl.store(part + 8, tl.sum(beside * share, 0))
            beside = weight_beside(query, key_base, stride, rows, rule, lse, 1, ROWS, D, DIM, FLAGS)
            tl.store(part + 9, tl.sum(beside * share, 0))


@dataclass(frozen=True)
class RowPass:
    """What the first pass computes.

    lse: log-sum-exp over the keys in log2, `[batch, head, query]`
    share: what the keys have of each row beside a sink, likewise
    sums: float64 `[batch, head, ROW_PARTS]`
    """

    lse: Tensor
    share: Tensor | None
    sums: Tensor | None


def run_row_pass(
    inputs: ScoreInputs,
    sink: Tensor | None = None,
    *,
    real_queries: Tensor | None = None,
    active: Tensor | None = None,
    sums: bool = False,
    split: bool = False,
) -> RowPass:
    """Runs the first pass.

    active: int32 `[batch, head, 2]`, the first row that is needed and the one after the last
    sums: also compute sums over rows; split: with the mass left and right of the diagonal
    """
    tile = tile_of(ROW_TILES, inputs)
    batch, heads, queries, _ = inputs.shape
    blocks = triton.cdiv(queries, tile.rows)
    lse = inputs.query.new_empty((batch, heads, queries), dtype=torch.float32)
    if active is not None:
        lse.fill_(NOT_COUNTED.value)
    share = torch.empty_like(lse) if sink is not None else None
    parts = lse.new_empty((batch, heads, blocks, ROW_PARTS.value)) if sums else None
    row_pass[(blocks, batch * heads)](
        inputs.query, inputs.key, lse, share, parts, sink,
        None if real_queries is None else real_queries.contiguous().view(torch.uint8), active,
        **inputs.pointers, **inputs.numbers, **inputs.layout, **tile.options,
        SINK=sink is not None, REAL_QUERIES=real_queries is not None, ACTIVE=active is not None,
        SUMS=sums, SPLIT=split, ONE_SIDED=inputs.causal, TAIL=_has_tail(inputs, tile.keys, split),
    )  # fmt: skip
    return RowPass(lse, share, None if parts is None else parts.sum(2, dtype=torch.float64))


def _has_tail(inputs: ScoreInputs, step: int, split: bool) -> bool:
    """Whether a tile left of the diagonal may be crossed by an edge."""
    _, _, queries, keys = inputs.shape
    if not split:
        return keys % step > 0 or inputs.band is not None
    last = ((queries - 1) // GROUP.value + inputs.offset // GROUP.value) * GROUP.value
    return keys // step * step < min(last, triton.cdiv(keys, step) * step)


def row_lse(inputs: ScoreInputs, sink: Tensor | None = None) -> Tensor:
    """log-sum-exp of each row's scores, the sink's included, float32 `[batch, head, query]`; inf for a masked row."""
    rows = run_row_pass(inputs, sink)
    lse = rows.lse * math.log(2)
    if sink is not None:
        lse = torch.logaddexp(lse, sink.float()[:, None])
    return lse.masked_fill(rows.lse == NOT_COUNTED.value, math.inf)
