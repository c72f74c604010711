"""Statistics of every head in two passes over the scores, in Triton: nothing N x N is written.

The first pass walks the keys of each row block: log-sum-exp, entropy, perplexity, the largest weight. The second walks
the rows of each key block with the tile transposed, so that what each key receives stays in registers and nothing is
added atomically. What is linear in positions costs nothing per element: right of the diagonal the expected distance is
`sum_k received_k k - sum_q mass_q q`, left of it the negative. Positions count from the start of the rows' group, so
that neither sum is much larger than their difference.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..data._attention import Band
from ._codes import code_arrays
from ._fused_sums import FusedSums
from ._inputs import ScoreInputs, score_inputs
from ._tiles import KEY_TILES, tile_of
from ._triton_row_pass import RowPass, run_row_pass
from ._triton_scores import (
    AFTER,
    BEFORE,
    GROUP,
    NOT_COUNTED,
    apply_rule,
    base_of,
    load_tile,
    rule_of,
    segments,
    unit,
)

KEY_PARTS = tl.constexpr(7)
"""Sums per key block: duplicates; induction; distance and signed distance, far from the diagonal from the first row of
the group; where positions are read the weight on the query itself, the key before, the key after."""

NONE = tl.constexpr(0)
ANYWHERE = tl.constexpr(1)
RIGHT = tl.constexpr(2)
NEAR = tl.constexpr(3)
LEFT = tl.constexpr(4)
"""Where tiles lie: keys right or left of all their rows' diagonal, near it, or anywhere by positions that are read."""


@triton.jit
def scan_rows(key, query_base, query_stride, cols, rule, low, high, lse_base, share_base, sums, code, code_before,
              query_code_base, position, query_position_base, STEP: tl.constexpr, D: tl.constexpr,
              DIM: tl.constexpr, FLAGS: tl.constexpr, EDGES: tl.constexpr, WHERE: tl.constexpr,
              SINK: tl.constexpr, CODES: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """What a key block receives from the rows from low to high, `[key]` each: raw, normalised, duplicates, induction,
    distance, signed distance, self, previous, next.
    """
    raw, received, duplicate, induction, distance, signed, itself, previous, following = sums
    factor, queries = unit(rule[5], FLAGS), rule[3]
    for start in tl.range(low, high, STEP):
        query = load_tile(query_base, start, query_stride, queries, STEP, D, DIM, EDGES)
        scores = tl.dot(key, tl.trans(query), input_precision=PRECISION)
        rows = start + tl.arange(0, STEP)
        scores = apply_rule(scores, rows[None, :], cols[:, None], rule, FLAGS, EDGES)
        if EDGES:
            lse = tl.load(lse_base + rows, mask=rows < queries, other=NOT_COUNTED)
        else:
            lse = tl.load(lse_base + rows)
        share = tl.exp2(scores * factor - lse[None, :])
        here = tl.sum(share, 1)
        received += here
        if (WHERE == RIGHT) | (WHERE == LEFT):
            moment = here * (cols - start // GROUP * GROUP - rule[2]).to(tl.float32)
            signed += moment
            if WHERE == RIGHT:
                distance += moment
            else:
                distance -= moment
        weight = share
        if SINK:
            weight = share * tl.load(share_base + rows, mask=rows < queries, other=0.0)[None, :]
            raw += tl.sum(weight, 1)
        if WHERE == NEAR:
            apart = cols[:, None] - rows[None, :] - rule[2]
        elif WHERE == ANYWHERE:
            places = tl.load(query_position_base + rows, mask=rows < queries, other=0)
            apart = position[:, None] - places[None, :]
        if CODES:
            codes = tl.load(query_code_base + rows, mask=rows < queries, other=-2)
            same = code[:, None] == codes[None, :]
            if (WHERE == NEAR) | (WHERE == ANYWHERE):
                same = same & (apart != 0)
            duplicate += tl.sum(tl.where(same, weight, 0.0), 1)
            if WHERE != RIGHT:
                follows = code_before[:, None] == codes[None, :]
                if (WHERE == NEAR) | (WHERE == ANYWHERE):
                    follows = follows & (apart <= 0)
                induction += tl.sum(tl.where(follows, weight, 0.0), 1)
        if (WHERE == NEAR) | (WHERE == ANYWHERE):
            steps = apart.to(tl.float32)
            distance += tl.sum(share * tl.abs(steps), 1)
            signed += tl.sum(share * steps, 1)
        if WHERE == ANYWHERE:
            itself += tl.sum(tl.where(apart == 0, weight, 0.0), 1)
            previous += tl.sum(tl.where(apart == -1, weight, 0.0), 1)
            following += tl.sum(tl.where(apart == 1, weight, 0.0), 1)
    return raw, received, duplicate, induction, distance, signed, itself, previous, following


@triton.jit
def key_pass(query_ptr, key_ptr, lse_ptr, share_ptr, received_ptr, part_ptr, code_ptr, code_before_ptr,
             query_code_ptr, position_ptr, query_position_ptr, visible_ptr, real_keys_ptr, bias_ptr,
             query_strides, key_strides, visible_strides, bias_strides, heads, group_size, queries, keys, scale,
             cap, before, after, offset, group_offset, group_rest, D: tl.constexpr, DIM: tl.constexpr,
             ROWS: tl.constexpr, KEYS: tl.constexpr, FLAGS: tl.constexpr, SINK: tl.constexpr,
             CODES: tl.constexpr, ALIGNED: tl.constexpr, POSITIONS: tl.constexpr, ONE_SIDED: tl.constexpr,
             TAIL: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """One key block of one head: what each key receives, and what is summed over keys.

    ALIGNED: query and key are one sequence. POSITIONS: it is not contiguous, and positions are read. ONE_SIDED: nothing
    lies right of the diagonal. TAIL: rows may end right of the diagonal.
    """
    SPLIT: tl.constexpr = ALIGNED and not POSITIONS
    ALL: tl.constexpr = ANYWHERE if ALIGNED else NONE
    block, at = tl.program_id(0), tl.program_id(1).to(tl.int64)
    batch, head = tl.program_id(1) // heads, tl.program_id(1) % heads
    first = block * KEYS
    cols = first + tl.arange(0, KEYS)
    there = cols < keys
    rule = rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr,
                   visible_strides, real_keys_ptr, bias_ptr, bias_strides, FLAGS)  # fmt: skip
    base, stride = base_of(query_ptr, batch, head, query_strides), query_strides[2]
    key = load_tile(base_of(key_ptr, batch, head // group_size, key_strides), first, key_strides[2], keys,
                    KEYS, D, DIM, True)  # fmt: skip
    lse_base, share_base = lse_ptr + at * queries, share_ptr
    query_code, query_position = query_code_ptr, query_position_ptr
    code, code_before, position = cols, cols, cols
    if SINK:
        share_base += at * queries
    if CODES:
        query_code += batch * queries
        code = tl.load(code_ptr + batch * keys + cols, mask=there, other=-1)
        code_before = tl.load(code_before_ptr + batch * keys + cols, mask=there, other=-1)
    if POSITIONS:
        query_position += batch * queries
        position = tl.load(position_ptr + batch * keys + cols, mask=there, other=0)

    low, high = 0, queries
    clear_from, clear_to = 0, queries
    if AFTER & FLAGS:
        low = tl.minimum(tl.maximum(first - offset - after, 0), queries)
        clear_from = first + KEYS - 1 - offset - after
    if BEFORE & FLAGS:
        high = tl.minimum(tl.maximum(first + KEYS - offset + before, 0), queries)
        clear_to = first - offset + before + 1
    diagonal = first // GROUP - group_offset
    start, s1, s2, s3, s4, s5, end = segments(
        low, high, clear_from, clear_to, (diagonal - group_rest) * GROUP, (diagonal + 1) * GROUP,
        queries // ROWS * ROWS, ROWS, SPLIT)  # fmt: skip

    zero = tl.zeros([KEYS], tl.float32)
    sums = zero, zero, zero, zero, zero, zero, zero, zero, zero
    if SPLIT:
        if not ONE_SIDED:
            if AFTER & FLAGS:
                sums = scan_rows(key, base, stride, cols, rule, start, s1, lse_base, share_base, sums, code,
                                 code_before, query_code, position, query_position, ROWS, D, DIM, FLAGS, True, RIGHT,
                                 SINK, CODES, PRECISION)  # fmt: skip
            sums = scan_rows(key, base, stride, cols, rule, s1, s2, lse_base, share_base, sums, code,
                             code_before, query_code, position, query_position, ROWS, D, DIM, FLAGS, False, RIGHT,
                             SINK, CODES, PRECISION)  # fmt: skip
            if TAIL:
                sums = scan_rows(key, base, stride, cols, rule, s2, s3, lse_base, share_base, sums, code,
                                 code_before, query_code, position, query_position, ROWS, D, DIM, FLAGS, True, RIGHT,
                                 SINK, CODES, PRECISION)  # fmt: skip
        sums = scan_rows(key, base, stride, cols, rule, s3, s4, lse_base, share_base,
                         sums, code, code_before, query_code, position, query_position, ROWS,
                         D, DIM, FLAGS, True, NEAR, SINK, CODES, PRECISION)  # fmt: skip
        sums = scan_rows(key, base, stride, cols, rule, s4, s5, lse_base, share_base,
                         sums, code, code_before, query_code, position, query_position, ROWS,
                         D, DIM, FLAGS, False, LEFT, SINK, CODES, PRECISION)  # fmt: skip
        sums = scan_rows(key, base, stride, cols, rule, s5, end, lse_base, share_base, sums, code, code_before,
                         query_code, position, query_position, ROWS, D, DIM, FLAGS, True, LEFT, SINK, CODES,
                         PRECISION)  # fmt: skip
    else:
        if AFTER & FLAGS:
            sums = scan_rows(key, base, stride, cols, rule, start, s1, lse_base, share_base, sums, code,
                             code_before, query_code, position, query_position, ROWS, D, DIM, FLAGS, True, ALL, SINK,
                             CODES, PRECISION)  # fmt: skip
        sums = scan_rows(key, base, stride, cols, rule, s1, s2, lse_base, share_base, sums, code, code_before,
                         query_code, position, query_position, ROWS, D, DIM, FLAGS, False, ALL, SINK, CODES,
                         PRECISION)  # fmt: skip
        sums = scan_rows(key, base, stride, cols, rule, s2, s3, lse_base, share_base, sums, code, code_before,
                         query_code, position, query_position, ROWS, D, DIM, FLAGS, True, ALL, SINK, CODES,
                         PRECISION)  # fmt: skip

    received = sums[1]
    if SINK:
        received = sums[0]
    tl.store(received_ptr + at * keys + cols, received, mask=there)
    if ALIGNED:
        part = part_ptr + (at * tl.num_programs(0) + block) * KEY_PARTS
        tl.store(part, total_of(sums[2], there))
        tl.store(part + 1, total_of(sums[3], there))
        tl.store(part + 2, total_of(sums[4], there))
        tl.store(part + 3, total_of(sums[5], there))
        tl.store(part + 4, total_of(sums[6], there))
        tl.store(part + 5, total_of(sums[7], there))
        tl.store(part + 6, total_of(sums[8], there))


@triton.jit
def total_of(numbers, there):
    """The sum over the keys that exist."""
    return tl.sum(tl.where(there, numbers, 0.0), 0)


def head_sums(
    query: Tensor,
    key: Tensor,
    *,
    scale: float,
    band: Band | None = None,
    visible: Tensor | None = None,
    real_queries: Tensor | None = None,
    real_keys: Tensor | None = None,
    bias: Tensor | None = None,
    softcap: float | None = None,
    sink: Tensor | None = None,
    query_position: Tensor | None = None,
    key_position: Tensor | None = None,
    aligned: bool = True,
    codes: Tensor | None = None,
) -> FusedSums:
    """Sums over the rows of every head's weights, `[batch, head]`, by two kernels.

    query: `[batch, head, query, d_head]`, float32 or half precision; key: `[batch, key_head, key, d_head]`
    scale, band, visible, real_keys, bias, softcap: see `ScoreInputs`
    real_queries: bool `[batch, query]`, the rows that count
    sink: float `[head]`, one more score per head that takes mass
    query_position, key_position: int `[batch, query]` and `[batch, key]`. Leave them out where positions are
        consecutive on the real keys (`band.offset + i` for query i); reading them costs time per element.
    aligned: whether query and key are one sequence; otherwise what needs positions is None
    codes: int `[batch, key]`, equal for equal tokens; without them `duplicate` and `induction` are None
    """
    inputs = score_inputs(
        query, key, scale, band=band, visible=visible, real_keys=real_keys, bias=bias, softcap=softcap
    )
    positions = None
    if aligned and (key_position is not None or not inputs.both_ways):
        positions = _positions(inputs, query_position, key_position)
    coded = code_arrays(inputs, codes, positions) if aligned and codes is not None else None
    split = aligned and positions is None
    rows = run_row_pass(inputs, sink, real_queries=real_queries, sums=True, split=split)
    received, key_sums = _run_key_pass(inputs, rows, aligned, positions, coded)
    names = ("rows", "mass", "entropy", "perplexity", "max_weight")
    sums = dict(zip(names, rows.sums.unbind(-1))) | {"received": received}
    if aligned:
        sums |= _along_positions(rows.sums, key_sums, coded is not None, split)
    return FusedSums(**sums)


def _positions(
    inputs: ScoreInputs, query_position: Tensor | None, key_position: Tensor | None
) -> tuple[Tensor, Tensor]:
    """int32 `[batch, query]` and `[batch, key]`: as they are, or by index."""
    batch, _, queries, keys = inputs.shape
    device = inputs.query.device
    if query_position is None:
        query_position = torch.arange(queries, device=device) + inputs.offset
    if key_position is None:
        key_position = torch.arange(keys, device=device)
    return tuple(
        position.to(torch.int32).expand(batch, size).contiguous()
        for position, size in ((query_position, queries), (key_position, keys))
    )


def _run_key_pass(
    inputs: ScoreInputs,
    rows: RowPass,
    aligned: bool,
    positions: tuple[Tensor, Tensor] | None,
    coded: tuple[Tensor, Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """(what each key receives `[batch, head, key]`, float64 sums `[batch, head, KEY_PARTS]`)"""
    tile = tile_of(KEY_TILES, inputs)
    batch, heads, _, keys = inputs.shape
    blocks = triton.cdiv(keys, tile.keys)
    received = rows.lse.new_empty((batch, heads, keys))
    parts = rows.lse.new_empty((batch, heads, blocks, KEY_PARTS.value))
    query_position, key_position = positions or (None, None)
    key_pass[(blocks, batch * heads)](
        inputs.query, inputs.key, rows.lse, rows.share, received, parts, *(coded or (None, None, None)),
        key_position, query_position, **inputs.pointers, **inputs.numbers, **inputs.layout, **tile.options,
        SINK=rows.share is not None, CODES=coded is not None, ALIGNED=aligned, POSITIONS=positions is not None,
        ONE_SIDED=inputs.causal, TAIL=_has_tail(inputs, tile.rows),
    )  # fmt: skip
    return received, parts.sum(2, dtype=torch.float64)


def _has_tail(inputs: ScoreInputs, step: int) -> bool:
    """Whether a tile right of the diagonal may be crossed by the end of the rows."""
    _, _, queries, keys = inputs.shape
    last = ((keys - 1) // GROUP.value - inputs.offset // GROUP.value) * GROUP.value
    return queries // step * step < min(last, triton.cdiv(queries, step) * step)


def _along_positions(row_sums: Tensor, key_sums: Tensor, coded: bool, split: bool) -> dict[str, Tensor]:
    """What needs positions, `[batch, head]`; split: both passes have a part of the distances."""
    distances, beside = key_sums[..., 2:4], key_sums[..., 4:7]
    if split:
        distances, beside = distances + row_sums[..., 5:7], row_sums[..., 7:10]
    sums = dict(zip(("distance", "signed_distance"), distances.unbind(-1)))
    sums |= dict(zip(("self", "previous", "next"), beside.unbind(-1)))
    return sums | (dict(zip(("duplicate", "induction"), key_sums[..., :2].unbind(-1))) if coded else {})
