"""Deep zoom into a head: tiles of weights, pooled so that tiles of every level have the same size.

Level 0 shows every weight; a cell of level z covers 2^z x 2^z of them. One pass over a head computes a base from
which every coarser tile is pooled; finer tiles are computed on request, here or by the browser from queries and keys,
so that no head is held as a whole.
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

from .. import _checks
from ..data._attention import BLOCK_ELEMENTS, Attention
from ..data._trace import Token, Trace
from ..errors import InputError

SIDE = 256
"""Rows and columns of a tile."""

BASE = 2048
"""Maximum number of rows and columns of the base from which coarser tiles are pooled."""

KEPT = 4
"""Bases that are cached."""

PAIRS = {"all": (None, None), "a-a": (0, 0), "a-b": (0, 1), "b-a": (1, 0), "b-b": (1, 1)}
"""Of a pair of texts: the segments whose queries and keys are shown."""

POOLS = ("max", "mean")
"""How a cell combines the weights that it covers."""


class HeadSelection(NamedTuple):
    """The drawn part of a layer: which heads, averaged; of which segments; with or without special tokens."""

    layer: int
    heads: tuple[int, ...]
    pair: str = "all"
    hide_special: bool = False
    pool: str = "max"
    layers: tuple[int, ...] = ()


class Tiles:
    """Tiles of one trace."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self._bases: OrderedDict[HeadSelection, dict[str, Tensor]] = OrderedDict()
        self._attention = lru_cache(maxsize=64)(self._renormalized)
        self._positions = lru_cache(maxsize=8)(self._chosen)

    def tile(self, selection: HeadSelection, level: int, row: int, col: int) -> Tensor:
        """The tile in that row and column of that level, `[at most SIDE, at most SIDE]` in float32."""
        rows, cols = self.positions(selection)
        base = base_level(len(rows), len(cols))
        top, left, size = row * SIDE, col * SIDE, 1 << max(level, 0)
        if min(level, row, col) < 0 or top * size >= len(rows) or left * size >= len(cols):
            raise InputError(f"there is no tile {row}, {col} on level {level}")
        if level >= base:
            return self.whole(selection, level)[top : top + SIDE, left : left + SIDE]
        down, across = slice(top * size, (top + SIDE) * size), slice(left * size, (left + SIDE) * size)
        cells = self._walk(selection, rows[down], cols[across], size, (selection.pool,))[selection.pool]
        return _averaged(cells, selection, (len(rows) - top * size, len(cols) - left * size), size)

    def whole(self, selection: HeadSelection, level: int) -> Tensor:
        """All cells of a level from the base level on, float32; one pass over the head is cached for all of them."""
        rows, cols = self.positions(selection)
        step = 1 << (level - base_level(len(rows), len(cols)))
        cells = _pool(self._base(selection), step, selection.pool)
        return _averaged(cells, selection, (len(rows), len(cols)), 1 << level)

    def lse(self, selection: HeadSelection) -> Tensor:
        """The log-sum-exp of each query's scores in one head, `[query]`; for a layer of factors."""
        attention = self._of(selection)
        return attention._lse(torch.tensor(selection.heads), torch.arange(attention.queries))[0]

    def line(self, selection: HeadSelection, axis: str, position: int) -> Tensor:
        """One query's row or one key's column of the selection, `[head, key]` or `[head, query]`."""
        rows, cols = self.positions(selection)
        attention = self._of(selection)
        size = attention.queries if axis == "query" else attention.keys
        at = torch.tensor([_checks.position(axis, position, size)])
        if axis == "query":
            return self._block(selection, at, cols)[:, 0]
        return self._block(selection, rows, at)[:, :, 0]

    def weights(self, selection: HeadSelection) -> Tensor:
        """Each head's weights among what is shown, `[head, query, key]`."""
        return self._block(selection, *self.positions(selection))

    def _block(self, selection: HeadSelection, rows: Tensor, cols: Tensor) -> Tensor:
        """Each head's weights at these rows and columns, `[head, row, column]`, the mean over the chosen layers."""
        heads, layers = torch.tensor(selection.heads), selection.layers or (selection.layer,)
        first, *others = (self._of(selection._replace(layer=one)).block(heads, rows, cols) for one in layers)
        return sum(others, first) / len(layers) if others else first

    def positions(self, selection: HeadSelection) -> tuple[Tensor, Tensor]:
        """The queries and the keys of the selection, int64."""
        return self._positions(selection.layer, selection.pair, selection.hide_special)

    def count(self, selection: HeadSelection) -> int:
        """The number of weights of the selection, in all its heads and layers."""
        sides = math.prod(map(len, self.positions(selection)))
        return sides * len(selection.heads) * max(1, len(selection.layers))

    def _of(self, selection: HeadSelection) -> Attention:
        return self._attention(selection.layer) if selection.hide_special else self.trace[selection.layer]

    def _chosen(self, layer: int, pair: str, hide_special: bool) -> tuple[Tensor, Tensor]:
        queries, keys = self.trace.axis_tokens(layer)
        query_segment, key_segment = PAIRS[pair]
        return chosen(queries, query_segment, hide_special), chosen(keys, key_segment, hide_special)

    def _renormalized(self, layer: int) -> Attention:
        _, keys = self.trace.axis_tokens(layer)
        return self.trace[layer].without(torch.tensor([i for i, key in enumerate(keys) if key.special]))

    def _base(self, selection: HeadSelection) -> Tensor:
        """The whole selection at the base level; the last few are cached, under every pooling."""
        name = selection._replace(pool=POOLS[0])
        if name in self._bases:
            self._bases.move_to_end(name)
        else:
            rows, cols = self.positions(selection)
            self._bases[name] = self._walk(
                selection, rows, cols, 1 << base_level(len(rows), len(cols)), POOLS
            )
            if len(self._bases) > KEPT:
                self._bases.popitem(last=False)
        return self._bases[name][selection.pool]

    def _walk(
        self, selection: HeadSelection, rows: Tensor, cols: Tensor, size: int, pools: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """These rows and columns as cells of size x size, each the largest weight or the sum; some rows at a time."""
        height = max(1, BLOCK_ELEMENTS // (len(selection.heads) * len(cols)) // size) * size
        strips: dict[str, list[Tensor]] = {pool: [] for pool in pools}
        for some in rows.split(height):
            weights = self._block(selection, some, cols).mean(0)
            for pool in pools:
                strips[pool].append(_pool(weights, size, pool).cpu())
        return {pool: torch.cat(cells) for pool, cells in strips.items()}


def base_level(rows: int, cols: int) -> int:
    """The first level at which the whole has at most BASE rows and columns."""
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
    """The largest of each size x size weights or, for means, their sum: cells at the edge cover fewer."""
    if size == 1:
        return weights
    if pool == "max":
        return max_pool2d(weights[None, None], size, ceil_mode=True)[0, 0]
    return avg_pool2d(weights[None, None], size, ceil_mode=True, divisor_override=1)[0, 0]


def _averaged(cells: Tensor, selection: HeadSelection, left: tuple[int, int], size: int) -> Tensor:
    """For means, sums divided by the number of weights of each cell, where so many rows and columns are left."""
    if selection.pool == "max":
        return cells
    rows, cols = (
        (count - size * torch.arange(cells.shape[axis])).clamp(max=size) for axis, count in enumerate(left)
    )
    return cells / (rows[:, None] * cols)
