"""Tiles of scores in Triton: what the passes over them share.

The language of the kernels: scores are in units of log2, so that a weight is `exp2(score - lse)`. A tile is walked in
segments. Whether an element is hidden by the band is asked only in those segments that the band's edges cross; the
diagonal (key and query at one position) has a segment of its own. Segments end at multiples of `GROUP`, so that
the passes agree about them whatever their tiles are.

A hidden score is `HIDDEN`, a maximum over nothing `NOTHING`: finite, so that `weight * log(weight)` is 0 and not NaN.
"""

from __future__ import annotations

import triton
import triton.language as tl

GROUP = tl.constexpr(128)
"""Rows and keys that share a segment; a multiple of each tile's sides."""

HIDDEN = tl.constexpr(-1e34)
NOTHING = tl.constexpr(-1e20)
NOT_COUNTED = tl.constexpr(1e20)
"""The log-sum-exp of a row that does not count; its weights are 0."""

BEFORE = tl.constexpr(1)
AFTER = tl.constexpr(2)
VISIBLE = tl.constexpr(4)
REAL_KEYS = tl.constexpr(8)
BIAS = tl.constexpr(16)
BIAS_OF_ROWS = tl.constexpr(32)
SOFTCAP = tl.constexpr(64)
"""Bits of FLAGS: which parts of the mask rule and of the scores there are."""


@triton.jit
def load_tile(base, start, stride, size, SIDE: tl.constexpr, D: tl.constexpr, DIM: tl.constexpr,
              BOUNDED: tl.constexpr):  # fmt: skip
    """`[SIDE, DIM]` of an array `[size, D]` from row `start`; 0 outside where BOUNDED."""
    side = tl.arange(0, SIDE)
    dim = tl.arange(0, DIM)
    place = base + tl.cast(start, tl.int64) * stride + (side[:, None] * stride + dim[None, :])
    if D != DIM:
        tile = tl.load(place, mask=(start + side < size)[:, None] & (dim < D)[None, :], other=0.0)
    elif BOUNDED:
        tile = tl.load(place, mask=(start + side < size)[:, None], other=0.0)
    else:
        tile = tl.load(place)
    return tile


@triton.jit
def apply_rule(scores, rows, cols, rule, FLAGS: tl.constexpr, EDGES: tl.constexpr):
    """Products `query @ key` as scores: capped, biased, hidden ones `HIDDEN`.

    rows, cols: positions shaped so that they broadcast to the tile, in either orientation. EDGES: whether the band's
    edges or the arrays' ends may cross the tile. Without a cap and a bias the scores are still to be multiplied with
    the scale (`unit`).
    """
    before, after, offset, queries, keys, scale, cap, visible, vq, vk, real_keys, bias, bq, bk = rule
    inside = (rows < queries) & (cols < keys)
    if SOFTCAP & FLAGS:
        scores = cap * (2.0 * tl.sigmoid(scores * (2.0 * scale / cap)) - 1.0)
    elif BIAS & FLAGS:
        scores = scores * scale
    if BIAS & FLAGS:
        place = bias + cols.to(tl.int64) * bk
        if BIAS_OF_ROWS & FLAGS:
            place += rows.to(tl.int64) * bq
            extra = tl.load(place, mask=inside, other=0.0)
        else:
            extra = tl.load(place, mask=cols < keys, other=0.0)
        scores = tl.maximum(scores + extra.to(tl.float32) * 1.4426950408889634, HIDDEN)
    if VISIBLE & FLAGS:
        seen = tl.load(visible + rows.to(tl.int64) * vq + cols.to(tl.int64) * vk, mask=inside, other=0)
        scores = tl.where(seen != 0, scores, HIDDEN)
    if REAL_KEYS & FLAGS:
        real = tl.load(real_keys + cols, mask=cols < keys, other=0)
        scores = tl.where(real != 0, scores, HIDDEN)
    if EDGES:
        distance = cols - rows - offset
        shown = cols < keys
        if BEFORE & FLAGS:
            shown = shown & (distance >= -before)
        if AFTER & FLAGS:
            shown = shown & (distance <= after)
        scores = tl.where(shown, scores, HIDDEN)
    return scores


@triton.jit
def unit(scale, FLAGS: tl.constexpr):
    """What scores are multiplied with to be in log2."""
    if (SOFTCAP | BIAS) & FLAGS:
        factor = 1.0
    else:
        factor = scale
    return factor


@triton.jit
def segments(low, high, clear_from, clear_to, diagonal, past, whole, STEP: tl.constexpr,
             SPLIT: tl.constexpr):  # fmt: skip
    """Ends of the segments along one side, multiples of STEP, ascending.

    low, high: what may be visible at all. clear_from, clear_to: between them the band hides nothing. diagonal, past:
    where the diagonal's segment begins and ends. whole: until where tiles lie inside the array.

    Returns seven bounds, ascending, of six segments: an edge, a clear one, an edge again, the diagonal, a clear one, an
    edge. Without SPLIT there is no diagonal: the first three are everything.
    """
    start = low // STEP * STEP
    end = tl.maximum(tl.cdiv(high, STEP) * STEP, start)
    clear = tl.cdiv(tl.maximum(clear_from, 0), STEP) * STEP
    unclear = tl.minimum(tl.maximum(clear_to, 0) // STEP * STEP, whole)
    if SPLIT:
        before = tl.minimum(tl.maximum(diagonal, start), end)
        after = tl.minimum(tl.maximum(past, before), end)
    else:
        before, after = end, end
    first = tl.minimum(tl.maximum(clear, start), before)
    second = tl.maximum(tl.minimum(unclear, before), first)
    third = tl.maximum(tl.minimum(unclear, end), after)
    return start, first, second, before, after, third, end


@triton.jit
def rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr, visible_strides,
            real_keys_ptr, bias_ptr, bias_strides, FLAGS: tl.constexpr):  # fmt: skip
    """The mask rule of one head: what `apply_rule` takes."""
    visible, real_keys, bias = visible_ptr, real_keys_ptr, bias_ptr
    if VISIBLE & FLAGS:
        visible += batch.to(tl.int64) * visible_strides[0] + head.to(tl.int64) * visible_strides[1]
    if REAL_KEYS & FLAGS:
        real_keys += batch.to(tl.int64) * keys
    if BIAS & FLAGS:
        bias += batch.to(tl.int64) * bias_strides[0] + head.to(tl.int64) * bias_strides[1]
    return (before, after, offset, queries, keys, scale, cap, visible, visible_strides[2], visible_strides[3],
            real_keys, bias, bias_strides[2], bias_strides[3])  # fmt: skip


@triton.jit
def base_of(pointer, batch, head, strides):
    """Where one head of `[batch, head, token, dim]` begins."""
    return pointer + batch.to(tl.int64) * strides[0] + head.to(tl.int64) * strides[1]
