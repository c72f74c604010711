"""Attention reduced to the size of a picture, block by block, so that no layer is held as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..data._attention import BLOCK_ELEMENTS, Attention
from ..data._axes import HeadQueryKey

Step = tuple[int, int]
"""The numbers of queries and keys that one cell of a pooled matrix covers."""


def pooled(attention: Attention, most: int, heads: Sequence[int] | None = None) -> tuple[HeadQueryKey, Step]:
    """Weights `[head, row, column]` in main memory, with at most `most` rows and columns, and the step of a cell.

    A cell is the largest weight within it, so that a single strong weight is visible at any length. A short input is
    returned unchanged, with steps of 1.
    """
    chosen = slice(None) if heads is None else list(heads)
    return _largest(attention.blocks(chosen), attention.queries, attention.keys, most)


def pooled_mean(layers: Sequence[Attention], most: int) -> tuple[Tensor, Step]:
    """The mean over all heads of these layers, `[row, column]`, pooled likewise after taking the mean.

    Masked rows of a layer do not count in the mean; the layers must have one shape.
    """
    first = layers[0]
    found, step = _largest(_mean_blocks(layers), first.queries, first.keys, most)
    return found[0], step


def pooled_signed(values: Tensor, most: int) -> tuple[Tensor, Step]:
    """A matrix `[query, key]` of signed numbers, pooled likewise: a cell is the number of largest magnitude in it."""
    step = tuple(math.ceil(size / most) or 1 for size in values.shape)
    up, down = (torch.nn.functional.max_pool2d(v[None], step, ceil_mode=True)[0] for v in (values, -values))
    return torch.where(up >= down, up, -down), step


def _mean_blocks(layers: Sequence[Attention]) -> Iterator[tuple[slice, HeadQueryKey]]:
    queries, keys = layers[0].queries, layers[0].keys
    masked = [layer.masked_rows.cpu() for layer in layers]
    height = max(1, BLOCK_ELEMENTS // (max(layer.heads for layer in layers) * keys))
    for start in range(0, queries, height):
        rows = slice(start, min(start + height, queries))
        total = sum(layer[:, rows].sum(0).cpu() for layer in layers)
        count = sum(layer.heads * (~gone[rows]) for layer, gone in zip(layers, masked))
        yield rows, (total / count.clamp(min=1).unsqueeze(-1)).unsqueeze(0)


def _largest(
    blocks: Iterator[tuple[slice, HeadQueryKey]], queries: int, keys: int, most: int
) -> tuple[HeadQueryKey, Step]:
    down, across = math.ceil(queries / most), math.ceil(keys / most)
    out = None
    for rows, block in blocks:
        if across > 1:
            block = torch.nn.functional.max_pool1d(block, across, ceil_mode=True)
        if out is None:
            out = block.new_zeros(len(block), math.ceil(queries / down), block.shape[-1])
        at = torch.arange(rows.start, rows.stop, device=block.device) // down
        out.scatter_reduce_(1, at.view(1, -1, 1).expand_as(block), block, "amax")
    return out.cpu(), (down, across)
