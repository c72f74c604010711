"""The keys with the largest weights of every row, in Triton, without the weights.

Two walks over the scores. The first divides a row's keys among classes, key j in class `j % KEYS`, and keeps the
largest score of each: at least `count` keys reach the `count`-th largest of these, and rarely many more, since
neighbours are in different classes. The second collects the keys that reach it. Rows where more reach it than there is
room for (many equal scores) are computed whole.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..errors import InputError
from ._inputs import ScoreInputs
from ._triton_row_pass import row_lse
from ._triton_scores import AFTER, BEFORE, HIDDEN, apply_rule, base_of, load_tile, rule_of

MOST_KEYS = 16
"""Keys of a row that can be asked for."""

ROOM = tl.constexpr(64)
"""Keys that are collected per row."""

WHOLE = 1 << 20
"""Keys that are multiplied at once where whole rows are computed."""

SLACK = tl.constexpr(1e-5)
"""By how much the second walk's scores may differ from the first's, relatively."""


@triton.jit
def largest_scores(query, key_base, key_stride, rows, rule, low, high, best, STEP: tl.constexpr, D: tl.constexpr,
                   DIM: tl.constexpr, FLAGS: tl.constexpr, EDGES: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """The largest score of each class of keys, `[row, STEP]`."""
    for start in tl.range(low, high, STEP):
        key = load_tile(key_base, start, key_stride, rule[4], STEP, D, DIM, EDGES)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        cols = start + tl.arange(0, STEP)
        best = tl.maximum(best, apply_rule(scores, rows[:, None], cols[None, :], rule, FLAGS, EDGES))
    return best


@triton.jit
def collect_keys(query, key_base, key_stride, rows, rule, low, high, least, found_base, count_base,
                 STEP: tl.constexpr, D: tl.constexpr, DIM: tl.constexpr, FLAGS: tl.constexpr,
                 EDGES: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """Writes the keys whose score reaches `least`: the score's bits in order above, the key below."""
    for start in tl.range(low, high, STEP):
        key = load_tile(key_base, start, key_stride, rule[4], STEP, D, DIM, EDGES)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        cols = start + tl.arange(0, STEP)
        scores = apply_rule(scores, rows[:, None], cols[None, :], rule, FLAGS, EDGES)
        reached = (scores >= least[:, None]) & (rows < rule[3])[:, None]
        slot = tl.atomic_add(count_base + rows[:, None] + tl.zeros_like(cols)[None, :], 1, mask=reached)
        bits = scores.to(tl.int32, bitcast=True)
        ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(tl.int64) * 4294967296
        packed = ordered + (0x7FFFFFFF - cols)[None, :]
        place = found_base + rows[:, None].to(tl.int64) * ROOM + slot
        tl.store(place, packed, mask=reached & (slot < ROOM))


@triton.jit
def top_pass(query_ptr, key_ptr, found_ptr, count_ptr, visible_ptr, real_keys_ptr, bias_ptr, query_strides,
             key_strides, visible_strides, bias_strides, heads, group_size, queries, keys, scale, cap, before, after,
             offset, group_offset, group_rest, D: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr,
             KEYS: tl.constexpr, FLAGS: tl.constexpr, COUNT: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """Both walks over the keys of one row block."""
    block, at = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1).to(tl.int64)
    batch, head = tl.program_id(1) // heads, tl.program_id(1) % heads
    first = block * ROWS
    rows = first + tl.arange(0, ROWS)
    rule = rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr,
                   visible_strides, real_keys_ptr, bias_ptr, bias_strides, FLAGS)  # fmt: skip
    base, stride = base_of(key_ptr, batch, head // group_size, key_strides), key_strides[2]
    query = load_tile(base_of(query_ptr, batch, head, query_strides), first, query_strides[2], queries,
                      ROWS, D, DIM, True)  # fmt: skip
    low, high, whole = 0, keys, keys // KEYS * KEYS
    if BEFORE & FLAGS:
        low = tl.maximum(first + offset - before, 0) // KEYS * KEYS
        whole = low
    if AFTER & FLAGS:
        high = tl.minimum(tl.maximum(first + ROWS + offset + after, 0), keys)
        whole = tl.minimum(whole, tl.maximum(first + offset + after + 1, 0) // KEYS * KEYS)
    best = tl.full([ROWS, KEYS], HIDDEN, tl.float32)
    best = largest_scores(query, base, stride, rows, rule, low, whole, best, KEYS, D, DIM, FLAGS, False,
                          PRECISION)  # fmt: skip
    best = largest_scores(query, base, stride, rows, rule, whole, high, best, KEYS, D, DIM, FLAGS, True,
                          PRECISION)  # fmt: skip
    for _ in tl.static_range(COUNT - 1):
        best = tl.where(best == tl.max(best, 1)[:, None], HIDDEN, best)
    least = tl.max(best, 1)
    least = tl.maximum(least - SLACK * tl.abs(least), 0.5 * HIDDEN)
    found_base, count_base = found_ptr + at * queries * ROOM, count_ptr + at * queries
    collect_keys(query, base, stride, rows, rule, low, whole, least, found_base, count_base, KEYS, D, DIM, FLAGS,
                 False, PRECISION)  # fmt: skip
    collect_keys(query, base, stride, rows, rule, whole, high, least, found_base, count_base, KEYS, D, DIM, FLAGS,
                 True, PRECISION)  # fmt: skip


def top_keys(
    inputs: ScoreInputs, count: int, *, sink: Tensor | None = None, lse: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The keys with the largest weights of each row, largest first: (weights, keys), `[batch, head, query, count]`.

    weights float32, keys int64; of equal weights the first key comes first. Where fewer keys are visible the rest has
    weight 0 and key -1.

    count: at most 16
    lse: float32 `[batch, head, query]`, the natural log-sum-exp with the sink, where it is known

    Raises InputError for more keys than 16.
    """
    if count > MOST_KEYS:
        raise InputError(f"top_keys returns at most {MOST_KEYS} keys of a row, not {count}")
    batch, heads, queries, _ = inputs.shape
    lse = row_lse(inputs, sink) if lse is None else lse
    found = torch.full((batch, heads, queries, ROOM.value), torch.iinfo(torch.int64).min, device=lse.device)
    reached = torch.zeros((batch, heads, queries), dtype=torch.int32, device=lse.device)
    half = inputs.query.element_size() == 2
    top_pass[(triton.cdiv(queries, 64), batch * heads)](
        inputs.query, inputs.key, found, reached, **inputs.pointers, **inputs.numbers, **inputs.layout,
        ROWS=64, KEYS=64 if half else 32, COUNT=min(count, 16), num_warps=4, num_stages=3 if half else 2,
    )  # fmt: skip
    packed = found.topk(count).values
    scores, which = _unpacked(packed, inputs)
    _compute_whole_rows(inputs, (reached > ROOM.value).nonzero(), scores, which)
    weights = (scores - lse[..., None]).exp().masked_fill(which < 0, 0.0)
    return weights, which


def _unpacked(packed: Tensor, inputs: ScoreInputs) -> tuple[Tensor, Tensor]:
    """(natural scores float32, keys int64; -1 where nothing was collected)"""
    empty = packed == torch.iinfo(torch.int64).min
    ordered = (packed >> 32).to(torch.int32)
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    which = (0x7FFFFFFF - (packed & 0xFFFFFFFF)).masked_fill(empty, -1)
    in_log2 = inputs.softcap is not None or inputs.bias is not None
    return bits.view(torch.float32) * (math.log(2) if in_log2 else inputs.scale), which


def _compute_whole_rows(inputs: ScoreInputs, at: Tensor, scores: Tensor, which: Tensor) -> None:
    """Replaces the results of some rows, int64 `[row, 3]` (batch, head, query), by those of whole rows of scores."""
    for some in at.split(max(1, WHOLE // inputs.shape[3])):
        batch, head, query = some.unbind(1)
        values, keys = inputs.scores(batch, head, query).sort(dim=-1, descending=True, stable=True)
        count = scores.shape[-1]
        scores[batch, head, query] = values[:, :count]
        which[batch, head, query] = keys[:, :count].masked_fill(values[:, :count] == -math.inf, -1)
