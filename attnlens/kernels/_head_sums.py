"""Sums of head statistics over the queries of a padded batch, in torch: the weights are read once, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..data._attention import BLOCK_ELEMENTS
from ..data._batch import AttentionBatch
from ._fused import is_fused, rule_of

OFFSETS = {"self": 0, "previous": -1, "next": 1}
"""key - query"""

SUMS = (
    "entropy", "perplexity", "max_weight", "distance", "signed_distance", *OFFSETS, "duplicate", "induction",
)  # fmt: skip
"""The statistics of a row that are summed over the rows in which they are defined."""

NO_TOKEN = -1


@dataclass(frozen=True, eq=False)
class AxisTokens:
    """What the queries and keys of a batch stand for, as far as statistics depend on it.

    query_position, key_position: int64 `[batch | 1, query]`, `[batch | 1, key]`: positions without padding
    defined: bool `[batch, len(SUMS)]`: the statistics that each input has
    size: int64 `[batch]`, the number of keys without padding; None where that is all
    query_code, key_code: int64 `[batch, query]`, `[batch, key]`, equal for equal tokens, negative for none
    before_code: int64 `[batch, key]`: of the token before each key, negative for none
    aligned: whether some input has statistics of positions; consecutive: whether the real keys are a run of indices
    distance: float `[batch | 1, query, key]`, in the place of |key - query|, NaN in rows that do not count
    measured: bool `[key]`: the keys over which the distance is an expectation; None for all
    """

    query_position: Tensor
    key_position: Tensor
    defined: Tensor
    size: Tensor | None = None
    query_code: Tensor | None = None
    key_code: Tensor | None = None
    before_code: Tensor | None = None
    aligned: bool = True
    consecutive: bool = True
    distance: Tensor | None = None
    measured: Tensor | None = None


@dataclass(frozen=True, eq=False)
class HeadSums:
    """Sums over the rows that count, those with a visible key, in float64.

    sums, counts: `[batch, head, len(SUMS)]`: the sum of each statistic, and the number of rows in which it is defined
    received: `[batch, head, key]`: the weight that each key receives
    lost: `[batch, head]`: the weight that a sink logit takes
    rows: `[batch, head]`: the number of rows
    """

    sums: Tensor
    counts: Tensor
    received: Tensor
    lost: Tensor
    rows: Tensor


def head_sums(attention: AttentionBatch, axes: AxisTokens, shared: dict | None = None) -> HeadSums:
    """The statistics of one layer that are sums over its queries.

    shared: of one forward pass; layers with the same mask share what does not depend on the weights
    """
    large = math.prod(attention.shape) > BLOCK_ELEMENTS
    if large and axes.distance is None and is_fused(attention):
        return _fused_head_sums(attention, axes, shared)
    parts = []
    for rows, block in attention.blocks():
        whole = shared is not None and block.shape[2] == attention.shape[2]
        relations = _shared(attention, axes, rows, shared) if whole else _Relations(attention, axes, rows)
        parts.append(_of_block(attention, axes, relations, block))
    sums, counts, received, lost, number = (sum(of_blocks) for of_blocks in zip(*parts))
    undefined = ~axes.defined[:, None]
    return HeadSums(
        sums.masked_fill(undefined, 0.0), counts.masked_fill(undefined, 0.0), received, lost, number
    )


class _Relations:
    """What relates some queries to the keys, whatever the weights are.

    equal: bool `[batch, row, key, 2]`: keys with the query's token, and keys that follow an earlier one; or None
    defined: bool `[batch | 1, row, n]`: the rows in which each statistic after the first three is defined
    """

    def __init__(self, attention: AttentionBatch, axes: AxisTokens, rows: slice):
        self._here, self._axes, self._dtype = axes.query_position[:, rows, None], axes, attention.dtype
        self._away = None if axes.distance is None else axes.distance[:, rows]
        count = attention.shape[3] if axes.size is None else axes.size[:, None, None]
        everywhere = torch.ones_like(self._here, dtype=torch.bool)
        apart = everywhere if self._away is None else ~self._away[..., :1].isnan()
        beside = (self._here + by for by in OFFSETS.values())
        defined = [apart, everywhere, *((at >= 0) & (at < count) for at in beside)]
        self.equal = None
        if axes.key_code is not None:
            code, offset = axes.query_code[:, rows, None], self._offset
            same, follows = code == axes.key_code[:, None], code == axes.before_code[:, None]
            self.equal = torch.stack([same & (offset != 0), follows & (offset <= 0)], -1)
            seen = attention.seen(rows)
            visible = self.equal if seen is None else self.equal & seen[..., None]
            defined += visible.any(2).unsqueeze(2).unbind(-1)
        size = max(len(part) for part in defined)
        self.defined = torch.cat([part.expand(size, -1, -1) for part in defined], -1)

    @property
    def _offset(self) -> Tensor:
        """key - query, int64 `[batch | 1, row, key]`"""
        return self._axes.key_position[:, None] - self._here

    @cached_property
    def near(self) -> Tensor:
        """The numbers whose sums over normalised weights are distances, `[batch | 1, row * key, 2]`."""
        away = self._offset.abs() if self._away is None else self._away.nan_to_num(0.0)
        return _columns([away, self._offset], self._dtype)

    @cached_property
    def far(self) -> Tensor:
        """1 where a key stands at an offset of `OFFSETS`, `[batch | 1, row * key, 3]`."""
        return _columns([self._offset == by for by in OFFSETS.values()], self._dtype)

    @cached_property
    def far_equal(self) -> Tensor:
        """`equal` as numbers, `[batch, row * key, 2]`."""
        return self.equal.to(self._dtype).flatten(1, 2)

    def defined_beside(self, block: Tensor) -> Tensor:
        """`defined`, where the weights show which keys are visible, and not a mask."""
        if self.equal is None:
            return self.defined
        visible = (self.equal & (block > 0).any(1).unsqueeze(-1)).any(2)
        return torch.cat([self.defined[..., :-2].expand(len(block), -1, -1), visible], -1)


def _fused_head_sums(attention: AttentionBatch, axes: AxisTokens, shared: dict | None) -> HeadSums:
    """`head_sums` by the Triton kernels."""
    from ._triton_head_sums import head_sums as fused

    given = (axes.query_position, axes.key_position)
    if axes.consecutive and (attention.band is None or attention.band.offset == 0):
        given = None, None
    found = fused(
        attention.query, attention.key, **rule_of(attention), real_queries=attention.real_queries, aligned=axes.aligned,
        query_position=given[0], key_position=given[1], codes=axes.key_code,
    )  # fmt: skip
    nothing = torch.zeros_like(found.rows)
    sums = [getattr(found, name) for name in SUMS]
    sums = torch.stack([nothing if part is None else part for part in sums], -1)
    counts = torch.cat([found.rows[..., None].expand(-1, -1, 3), _row_counts(attention, axes, shared)], -1)
    undefined = ~axes.defined[:, None]
    lost = nothing if attention.sink is None else found.rows - found.mass
    return HeadSums(
        sums.masked_fill(undefined, 0.0),
        counts.masked_fill(undefined, 0.0),
        found.received.double(),
        lost,
        found.rows,
    )


def _row_counts(attention: AttentionBatch, axes: AxisTokens, shared: dict | None) -> Tensor:
    """`counts` of the statistics after the first three by the mask alone, which all heads share: `[batch, head, n]`."""
    batch, heads, queries, keys = attention.shape
    key = ("counts", id(axes), id(attention.visible), attention.band)
    if shared is not None and key in shared:
        return shared[key][0].expand(-1, heads, -1)
    count, step = 0.0, max(1, 16 * BLOCK_ELEMENTS // (batch * keys))
    for start in range(0, queries, step):
        rows = slice(start, min(start + step, queries))
        defined = _Relations(attention, axes, rows).defined
        count = count + (defined & _alive(attention, rows)[..., None]).expand(batch, -1, -1).sum(1).double()
    count = pad(count, (0, len(SUMS) - 3 - count.shape[-1])).unsqueeze(1)
    if shared is not None:
        shared[key] = count, axes, attention.visible
    return count.expand(-1, heads, -1)


def _alive(attention: AttentionBatch, rows: slice) -> Tensor:
    """bool `[batch | 1, row]`: real queries with a visible key."""
    seen, real = attention.seen(rows), attention.real_queries
    size = len(range(*rows.indices(attention.shape[2])))
    alive = torch.ones(1, size, dtype=torch.bool, device=attention.device) if seen is None else seen.any(-1)
    return alive if real is None else alive & real[:, rows]


def _shared(attention: AttentionBatch, axes: AxisTokens, rows: slice, shared: dict) -> _Relations:
    key = (id(axes), id(attention.visible), attention.band, attention.dtype)
    if key not in shared:  # axes and mask are kept, so that no others get their ids
        shared[key] = (_Relations(attention, axes, rows), axes, attention.visible)
    return shared[key][0]


def _of_block(
    attention: AttentionBatch, axes: AxisTokens, relations: _Relations, block: Tensor
) -> tuple[Tensor, ...]:
    """(sums, counts, received, lost, rows) of some rows, in float64."""
    total = block.sum(-1)
    alive = total > 0
    mass = torch.where(alive, total, 1.0)
    entropy = torch.special.entr(block).sum(-1) / mass + mass.log()
    of_rows = torch.stack([entropy, entropy.exp(), block.amax(-1)], -1).masked_fill(~alive.unsqueeze(-1), 0.0)
    near, near_alive = _normalized(attention, axes, block, mass, alive)
    flat = block.flatten(2)
    linear = [near.flatten(2) @ relations.near, flat @ relations.far]
    if relations.equal is not None:
        linear.append(flat @ relations.far_equal)
    defined = relations.defined if attention.weights is None else relations.defined_beside(block)
    defined, counted = defined.to(block.dtype), alive.to(block.dtype)
    rows = counted.sum(-1, keepdim=True)
    counts = [
        rows.expand(-1, -1, 3),
        near_alive.to(block.dtype) @ defined[..., :2],
        counted @ defined[..., 2:],
    ]
    sums = [of_rows.sum(2, dtype=torch.float64), *linear]
    lost = (1 - total.double()).masked_fill(~alive, 0.0).sum(-1)
    return _filled(sums), _filled(counts), block.sum(2, dtype=torch.float64), lost, rows[..., 0].double()


def _normalized(
    attention: AttentionBatch, axes: AxisTokens, block: Tensor, mass: Tensor, alive: Tensor
) -> tuple[Tensor, Tensor]:
    """(the block with rows normalised to one over the measured keys, bool `[batch, head, row]`: rows with any)"""
    if axes.measured is not None:
        block = block * axes.measured
        mass = block.sum(-1)
        alive = mass > 0
        mass = torch.where(alive, mass, 1.0)
    elif attention.weights is None and attention.sink is None:
        return block, alive
    return block / mass.unsqueeze(-1), alive


def _columns(parts: Iterable[Tensor], dtype: torch.dtype) -> Tensor:
    """`[batch | 1, row * key, n]`"""
    return torch.stack(torch.broadcast_tensors(*(part.to(dtype) for part in parts)), -1).flatten(1, 2)


def _filled(parts: Iterable[Tensor]) -> Tensor:
    """The statistics side by side, with zeros for those that are not there."""
    joined = torch.cat([part.double() for part in parts], -1)
    return pad(joined, (0, len(SUMS) - joined.shape[-1]))
