"""How much the rows of any two heads overlap, in Triton: what Hellinger's distance is made of.

The overlap `sum_k sqrt(p_k q_k)` of all pairs of heads is one matrix product of the roots of their weights. The roots
are written for a few rows at a time, of all heads, and multiplied before the next rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..errors import InputError
from ._inputs import ScoreInputs
from ._triton_row_pass import run_row_pass
from ._triton_scores import NOT_COUNTED, apply_rule, base_of, load_tile, rule_of, unit

MOST_ROOTS = 1 << 26
"""Roots of weights that are held at once, of all heads together (256 MiB)."""

SPAN = 1 << 11
"""Roots per head that one program multiplies. Matrix units round sums down, so that long ones come out too small."""


@triton.jit
def root_pass(query_ptr, key_ptr, lse_ptr, share_ptr, root_ptr, visible_ptr, real_keys_ptr, bias_ptr, query_strides,
              key_strides, visible_strides, bias_strides, root_strides, heads, group_size, queries, keys, scale, cap,
              before, after, offset, group_offset, group_rest, first_row, past_row, D: tl.constexpr,
              DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, FLAGS: tl.constexpr,
              SINK: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    """The square roots of one tile of weights, of the rows from first_row to past_row."""
    at = tl.program_id(2).to(tl.int64)
    batch, head = tl.program_id(2) // heads, tl.program_id(2) % heads
    place_row = tl.program_id(1) * ROWS
    rows, cols = first_row + place_row + tl.arange(0, ROWS), tl.program_id(0) * KEYS + tl.arange(0, KEYS)
    rule = rule_of(batch, head, before, after, offset, queries, keys, scale, cap, visible_ptr,
                   visible_strides, real_keys_ptr, bias_ptr, bias_strides, FLAGS)  # fmt: skip
    query = load_tile(base_of(query_ptr, batch, head, query_strides), first_row + place_row, query_strides[2], queries,
                      ROWS, D, DIM, True)  # fmt: skip
    key = load_tile(base_of(key_ptr, batch, head // group_size, key_strides), tl.program_id(0) * KEYS, key_strides[2],
                    keys, KEYS, D, DIM, True)  # fmt: skip
    scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
    scores = apply_rule(scores, rows[:, None], cols[None, :], rule, FLAGS, True) * unit(scale, FLAGS)
    lse = tl.load(lse_ptr + at * queries + rows, mask=rows < queries, other=NOT_COUNTED)
    root = tl.exp2(0.5 * (scores - lse[:, None]))
    if SINK:
        share = tl.load(share_ptr + at * queries + rows, mask=rows < queries, other=0.0)
        root = root * tl.sqrt(share)[:, None]
    place = root_ptr + batch.to(tl.int64) * root_strides[0] + head.to(tl.int64) * root_strides[1]
    place += (rows - first_row)[:, None].to(tl.int64) * keys + cols[None, :]
    tl.store(place, root, mask=(rows < past_row)[:, None] & (cols < keys)[None, :])


@triton.jit
def overlap_pass(root_ptr, part_ptr, heads, size, stride, SPAN: tl.constexpr, HEADS: tl.constexpr,
                 STEP: tl.constexpr):  # fmt: skip
    """Products of the roots of some heads with those of others, over one span: `[HEADS, HEADS]` of `[heads, heads]`."""
    batch, tiles = tl.program_id(2), tl.cdiv(heads, HEADS)
    ours = tl.program_id(1) // tiles * HEADS + tl.arange(0, HEADS)
    theirs = tl.program_id(1) % tiles * HEADS + tl.arange(0, HEADS)
    base = root_ptr + batch.to(tl.int64) * heads * stride
    product = tl.zeros([HEADS, HEADS], tl.float32)
    for start in tl.range(tl.program_id(0) * SPAN, tl.minimum((tl.program_id(0) + 1) * SPAN, size), STEP):
        at = start + tl.arange(0, STEP)
        there = (at < size)[None, :]
        left = tl.load(base + ours[:, None].to(tl.int64) * stride + at[None, :], mask=(ours < heads)[:, None] & there,
                       other=0.0)  # fmt: skip
        right = tl.load(base + theirs[:, None].to(tl.int64) * stride + at[None, :],
                        mask=(theirs < heads)[:, None] & there, other=0.0)  # fmt: skip
        product += tl.dot(left, tl.trans(right), input_precision="tf32x3")
    place = part_ptr + (batch * tl.num_programs(0) + tl.program_id(0)).to(tl.int64) * heads * heads
    tl.store(place + ours[:, None] * heads + theirs[None, :], product,
             mask=(ours < heads)[:, None] & (theirs < heads)[None, :])  # fmt: skip


def head_overlaps(
    layers: Sequence[ScoreInputs],
    sinks: Sequence[Tensor | None] | None = None,
    real_queries: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Of all pairs of heads of some layers: the sum over rows of `sum_k sqrt(p_k q_k)`, and which rows count.

    Hellinger's distance is the root of `1 - sums / rows`, with rows that count in both heads. A sink's share of a row
    is one more outcome.

    real_queries: bool `[batch, query]`, False for padding

    Returns float64 `[batch, layer*head, layer*head]` and bool `[batch, layer*head, query]`. Raises InputError where
    layers differ in their queries or keys.
    """
    batch, _, queries, keys = layers[0].shape
    if any(layer.shape[::2] != (batch, queries) or layer.shape[3] != keys for layer in layers):
        shapes = ", ".join(str(list(layer.shape)) for layer in layers)
        raise InputError(f"overlaps need layers of the same batch, queries and keys, not {shapes}")
    passes = [run_row_pass(layer, sink) for layer, sink in zip(layers, sinks or [None] * len(layers))]
    if real_queries is not None:
        for rows in passes:
            rows.lse.masked_fill_(~real_queries[:, None], NOT_COUNTED.value)
    heads = sum(layer.shape[1] for layer in layers)
    step = max(16, MOST_ROOTS // (batch * heads * keys) // 16 * 16)
    roots = layers[0].query.new_empty((batch, heads, min(step, queries), keys), dtype=torch.float32)
    sums = roots.new_zeros((batch, heads, heads), dtype=torch.float64)
    for first in range(0, queries, step):
        past = min(first + step, queries)
        _write_roots(layers, passes, roots, first, past)
        sums += _products(roots, (past - first) * keys)
    return sums + _overlaps_of_sinks(passes), torch.cat([rows.lse != NOT_COUNTED.value for rows in passes], 1)


def _write_roots(
    layers: Sequence[ScoreInputs], passes: Sequence, roots: Tensor, first: int, past: int
) -> None:
    """Writes the roots of the rows from first to past, layer after layer."""
    head = 0
    for layer, rows in zip(layers, passes):
        batch, heads, _, keys = layer.shape
        side = 64 if layer.query.element_size() == 2 else 32
        grid = (triton.cdiv(keys, side), triton.cdiv(past - first, side), batch * heads)
        root_pass[grid](
            layer.query, layer.key, rows.lse, rows.share, roots[:, head:], root_strides=roots.stride()[:2],
            **layer.pointers, **layer.numbers, **layer.layout, first_row=first, past_row=past, ROWS=side, KEYS=side,
            SINK=rows.share is not None,
        )  # fmt: skip
        head += heads


def _products(roots: Tensor, size: int) -> Tensor:
    """float64 `[batch, head, head]` over the first `size` roots of each head."""
    batch, heads = roots.shape[:2]
    spans, tiles = triton.cdiv(size, SPAN), triton.cdiv(heads, 64)
    parts = roots.new_empty((batch, spans, heads, heads), dtype=torch.float32)
    overlap_pass[(spans, tiles * tiles, batch)](
        roots, parts, heads, size, roots.stride(1), SPAN=SPAN, HEADS=64, STEP=32
    )
    return parts.double().sum(1)


def _overlaps_of_sinks(passes: Sequence) -> Tensor:
    """The overlap of what sinks take, `[batch, head, head]`; a row without a sink leaves nothing to one."""
    left = [
        torch.zeros_like(rows.lse)
        if rows.share is None
        else (1 - rows.share).sqrt() * (rows.lse != NOT_COUNTED.value)
        for rows in passes
    ]
    left = torch.cat(left, 1).double()
    return left @ left.mT
