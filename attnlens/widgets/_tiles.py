"""The deep-zoom picture of a head: tiles of weights, pooled so that a tile of any level has the same size.

Level 0 shows every weight; a cell of level z stands for 2^z x 2^z of them. One walk over a head makes a base from
which every coarser tile is pooled; finer tiles are computed as they are asked for, so no head is ever held whole.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from ..data._attention import BLOCK_ELEMENTS, Attention
from ..data._trace import Token, Trace
from ..errors import InputError

SIDE = 256
"""Rows and columns of a tile."""

BASE = 2048
"""Most rows and columns of the base from which coarser tiles are pooled."""

KEPT = 6
"""Bases that are kept."""

PAIRS = {"all": (None, None), "a-a": (0, 0), "a-b": (0, 1), "b-a": (1, 0), "b-b": (1, 1)}
"""Of a pair of texts: the segments whose queries and keys are shown."""

POOLS = ("max", "mean")
"""What a cell shows of the weights that it stands for."""


class Shown(NamedTuple):
    """What of a layer is shown: which heads, averaged; of which segments; with special tokens or without."""

    layer: int
    heads: tuple[int, ...]
    pair: str = "all"
    hide_special: bool = False
    pool: str = "max"


class Tiles:
    """Tiles of one trace."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self._bases: OrderedDict[Shown, Tensor] = OrderedDict()
        self._attention = lru_cache(maxsize=2)(self._renormalized)

    def tile(self, shown: Shown, level: int, row: int, col: int) -> Tensor:
        """Weights `[at most SIDE, at most SIDE]` of the tile in that row and column of that level, float32."""
        rows, cols = self.positions(shown)
        base = base_level(len(rows), len(cols))
        top, left, size = row * SIDE, col * SIDE, 1 << max(level, 0)
        if min(level, row, col) < 0 or top * size >= len(rows) or left * size >= len(cols):
            raise InputError(f"there is no tile {row}, {col} on level {level}")
        if level >= base:
            step = 1 << (level - base)
            whole = self._base(shown)
            part = whole[top * step : (top + SIDE) * step, left * step : (left + SIDE) * step]
            found = _pool(part, step, shown.pool)
        else:
            down, across = slice(top * size, (top + SIDE) * size), slice(left * size, (left + SIDE) * size)
            found = self._walk(shown, rows[down], cols[across], size)
        if shown.pool == "max":
            return found
        return found / (_sizes(len(rows), top, size)[:, None] * _sizes(len(cols), left, size))

    def line(self, shown: Shown, axis: str, position: int) -> Tensor:
        """One query's row or one key's column among what is shown, `[head, key]` or `[head, query]`."""
        rows, cols = self.positions(shown)
        attention = self._of(shown)
        at = torch.tensor([position])
        if axis == "query":
            return attention.block(torch.tensor(shown.heads), at, cols)[:, 0]
        return attention.block(torch.tensor(shown.heads), rows, at)[:, :, 0]

    def positions(self, shown: Shown) -> tuple[Tensor, Tensor]:
        """The queries and the keys that are shown, int64."""
        queries, keys = self.trace.axis_tokens(shown.layer)
        query_segment, key_segment = PAIRS[shown.pair]
        return (
            chosen(queries, query_segment, shown.hide_special),
            chosen(keys, key_segment, shown.hide_special),
        )

    def _of(self, shown: Shown) -> Attention:
        return self._attention(shown.layer) if shown.hide_special else self.trace[shown.layer]

    def _renormalized(self, layer: int) -> Attention:
        _, keys = self.trace.axis_tokens(layer)
        return self.trace[layer].without(torch.tensor([i for i, key in enumerate(keys) if key.special]))

    def _base(self, shown: Shown) -> Tensor:
        """The whole at the base level; the last few are kept."""
        if shown in self._bases:
            self._bases.move_to_end(shown)
        else:
            rows, cols = self.positions(shown)
            self._bases[shown] = self._walk(shown, rows, cols, 1 << base_level(len(rows), len(cols)))
            if len(self._bases) > KEPT:
                self._bases.popitem(last=False)
        return self._bases[shown]

    def _walk(self, shown: Shown, rows: Tensor, cols: Tensor, size: int) -> Tensor:
        """Those rows and columns as cells of size x size, each their largest weight or sum; some rows at a time."""
        attention, heads = self._of(shown), torch.tensor(shown.heads)
        height = max(1, BLOCK_ELEMENTS // (len(heads) * len(cols)) // size) * size
        strips = [
            _pool(attention.block(heads, some, cols).mean(0), size, shown.pool) for some in rows.split(height)
        ]
        return torch.cat(strips).cpu()


def base_level(rows: int, cols: int) -> int:
    """The first level on which the whole has at most BASE rows and columns."""
    return max(0, math.ceil(math.log2(max(rows, cols, 1) / BASE)))


def chosen(tokens: Sequence[Token], segment: int | None, hide_special: bool) -> Tensor:
    """Positions of one segment's tokens, all where it is None; with or without special ones."""
    return torch.tensor(
        [
            i
            for i, token in enumerate(tokens)
            if segment in (None, token.segment) and not (hide_special and token.special)
        ],
        dtype=torch.long,
    )


def _pool(weights: Tensor, size: int, pool: str) -> Tensor:
    """Each size x size weights as their largest or, for means, their sum: cells at the edge stand for fewer."""
    if size == 1:
        return weights
    if pool == "max":
        return max_pool2d(weights[None, None], size, ceil_mode=True)[0, 0]
    return avg_pool2d(weights[None, None], size, ceil_mode=True, divisor_override=1)[0, 0]


def _sizes(count: int, first: int, size: int) -> Tensor:
    """How many of `count` positions each cell of a tile that begins at cell `first` stands for."""
    starts = torch.arange(first * size, min((first + SIDE) * size, count), size)
    return (count - starts).clamp(max=size)
