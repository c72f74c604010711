"""Masks as rules: from the N x N tensor that a model builds to the rule that it encodes.

A model passes a bool or float tensor to its attention; nearly always it means "causal", "a window", "no padding", or a
combination of these. `Mask` keeps the recorded tensor and derives, per input, the padding and the rule; only a mask
without a rule stays a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..data._attention import Band
from .handwritten._tags import HIDDEN


@dataclass
class Mask:
    """`visible` and `bias` broadcast to `[batch, head, query, key]`; `band` is a rule given by the call."""

    shape: tuple[int, int, int, int]
    visible: Tensor | None = None
    bias: Tensor | None = None
    band: Band | None = None
    real: Tensor | None = None
    """bool [batch, key]: tokens without padding, where given outside the mask."""
    _cache: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if self.visible is not None and self.visible.shape[1] > 1:
            first = self.visible[:, :1]
            self.visible = first.clone() if bool((self.visible == first).all()) else self.visible

    @classmethod
    def of(cls, tensor: Tensor | None, shape: tuple[int, ...], band: Band | None = None) -> Mask | None:
        """From an attention mask of four axes: bool (True: visible) or float (added to the scores)."""
        if tensor is None:
            return None if band is None else cls(shape, band=band)
        if tensor.dtype == torch.bool:
            return cls(shape, visible=tensor.clone(), band=band)
        hidden = tensor <= HIDDEN
        bias = tensor.masked_fill(hidden, 0.0)
        return cls(
            shape,
            visible=~hidden if bool(hidden.any()) else None,
            bias=bias if bool((bias != 0).any()) else None,
            band=band,
        )

    def real_keys(self, item: int) -> Tensor | None:
        """Positions of the keys that are visible to some query (int64), or None where all are.

        A key that no query attends to, not even its own, is padding (or an empty slot of a cache), and so is one that
        only its own query attends to where all others have the same visible keys (XLNet); but not where a rule hides
        it, as a strictly causal mask hides the last key.
        """
        return self._once(item, lambda: self._real_keys(item))

    def _once(self, key: object, compute: Callable[[], Any]) -> Any:
        """Caches a result: layers share a mask."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def _real_keys(self, item: int) -> Tensor | None:
        if self.real is not None:
            seen = self.real[item]
        elif self.visible is None:
            return None
        else:
            mine = self._mine(self.visible, item)
            if mine.shape[0] > 1:
                return None  # a mask that differs between heads is not padding
            square = 1 < mine.shape[1] == mine.shape[2]
            if square and _band(mine[0]) is not None:
                return None
            seen = _seen_by_others(mine[0]).expand(self.shape[3])
        if bool(seen.all()) or not bool(seen.any()):
            return None
        return seen.nonzero().squeeze(1)

    def batch_keys(self) -> Tensor | None:
        """`real_keys` of every input, bool `[batch, key]`; None where all are real."""
        return self._once("keys", self._batch_keys)

    def _batch_keys(self) -> Tensor | None:
        if self.real is not None:
            seen = self.real
        elif self.visible is None or self.visible.shape[1] > 1:
            return None
        elif self.visible.shape[2] == 1 or bool((self.visible == self.visible[:, :, :1]).all()):
            seen = self.visible[:, 0, 0].expand(self.shape[0], self.shape[3])
        else:
            items = range(self.shape[0] if len(self.visible) > 1 else 1)
            seen = torch.stack([_marked(self.real_keys(item), self.shape[3], self.visible) for item in items])
            seen = seen.expand(self.shape[0], -1)
        seen = seen | ~seen.any(-1, keepdim=True)
        return None if bool(seen.all()) else seen

    def batch_rows(self, start: int | None = None) -> Tensor | None:
        """`real_rows` of every input, bool `[batch, query]`; None where all are real."""
        return self._once(("rows", start), lambda: self._batch_rows(start))

    def _batch_rows(self, start: int | None) -> Tensor | None:
        keys = self.batch_keys()
        if keys is None:
            return None
        rows = [_marked(self.real_rows(item, start), self.shape[2], keys) for item in range(self.shape[0])]
        return torch.stack(rows)

    def hides_all(self, item: int) -> bool:
        """Whether no query of one input sees any key."""
        return self.visible is not None and not bool(self._mine(self.visible, item).any())

    def real_rows(self, item: int, start: int | None = None) -> Tensor | None:
        """Positions of the queries without padding (int64), or None where that is all of them; for queries that are a
        part of the keys: after a cache, a prefix or memories.

        start: the key of the first query, where known
        """
        real, queries, keys = self.real_keys(item), self.shape[2], self.shape[3]
        if real is None or not 1 < queries <= keys:
            return None
        if start is None:
            start = keys - queries if self.visible is None else self._start(item)
        key_of_query = torch.arange(start, start + queries, device=real.device)
        kept = torch.isin(key_of_query, real)
        return None if bool(kept.all()) or not bool(kept.any()) else kept.nonzero().squeeze(1)

    def _start(self, item: int) -> int:
        """The key of the first query: the last visible to it under a causal mask; else the queries end the keys."""
        mine, (queries, keys) = self._mine(self.visible, item)[0], self.shape[2:]
        seeing = mine[mine.any(1)]
        if len(mine) == 1 or bool((seeing == seeing[:1]).all()):
            return keys - queries
        last = keys - 1 - mine.flip(1).int().argmax(1)
        start = int((last - torch.arange(queries, device=last.device))[mine.any(1)].max())
        return min(max(start, 0), keys - queries)

    def item(
        self, item: int, rows: Tensor | None, cols: Tensor | None
    ) -> tuple[Band | Tensor | None, Tensor | None]:
        """(mask, bias) of one input, restricted to the given rows and columns."""
        return self._once((item, id(rows), id(cols)), lambda: self._item(item, rows, cols))

    def _item(
        self, item: int, rows: Tensor | None, cols: Tensor | None
    ) -> tuple[Band | Tensor | None, Tensor | None]:
        bias = None
        if self.bias is not None:
            bias = _restrict(self._mine(self.bias, item), rows, cols).clone()
        _, _, queries, keys = self.shape
        if self.visible is None and rows is None and cols is None:
            return self.band, bias
        r, c = torch.arange(queries) if rows is None else rows, torch.arange(keys) if cols is None else cols
        visible = None
        if self.visible is not None:
            visible = _restrict(self._mine(self.visible, item), rows, cols)
        if self.band is not None:
            inside = self.band.visible(r, c.to(r.device))[None]
            visible = inside if visible is None else visible & inside.to(visible.device)
        return (None if visible is None else rule(visible, len(r), len(c))), bias

    def _mine(self, tensor: Tensor, item: int) -> Tensor:
        return tensor[item if tensor.shape[0] > 1 else 0]


def rule(visible: Tensor, queries: int, keys: int) -> Band | Tensor | None:
    """The band of a bool mask `[head | 1, query | 1, key | 1]`; None if it hides nothing; else the mask itself."""
    if bool(visible.all()):
        return None
    if visible.shape[0] == 1 and visible.shape[1] == queries and visible.shape[2] == keys:
        band = _band(visible[0])
        if band is not None:
            return band
    return visible.clone()


def _seen_by_others(visible: Tensor) -> Tensor:
    """bool `[key]`: keys that some query sees; its own query does not count where all others see the same keys."""
    queries, keys = visible.shape
    if 2 < queries <= keys:
        diagonal = torch.zeros_like(visible).diagonal_scatter(visible.new_ones(queries), keys - queries)
        shown, hidden = (visible | diagonal).all(0), (~visible | diagonal).all(0)
        if bool((shown | hidden).all()):
            return shown & ~hidden | (visible & ~diagonal).any(0)
    return visible.any(0)


def _marked(positions: Tensor | None, size: int, like: Tensor) -> Tensor:
    """bool `[size]`, True at the positions; None: everywhere."""
    if positions is None:
        return torch.ones(size, dtype=torch.bool, device=like.device)
    return torch.zeros(size, dtype=torch.bool, device=like.device).index_fill(
        0, positions.to(like.device), True
    )


def _band(visible: Tensor) -> Band | None:
    """The rule of a 2-d mask whose every row shows one run of keys that moves with the row."""
    queries, keys = visible.shape
    device = visible.device
    shown = visible.any(1)
    if not bool(shown.any()):
        return None
    first = visible.int().argmax(1)
    last = keys - 1 - visible.flip(1).int().argmax(1)
    row = torch.arange(queries, device=device)
    before = _edge((row - first)[shown & (first > 0)])
    after = _edge((last - row)[shown & (last < keys - 1)])
    if before is False or after is False:
        return None
    # Distances are counted from the row number; a cache shifts both, which is the offset.
    offset = 0
    if after is not None and after != 0 and (before is None or after > before):
        offset = after
    band = Band(
        None if before is None else before + offset, None if after is None else after - offset, offset
    )
    wanted = band.visible(torch.arange(queries, device=device), torch.arange(keys, device=device))
    return band if torch.equal(wanted, visible) else None


def _edge(distances: Tensor) -> int | bool | None:
    """The common value of all distances; None where there are none, False where they differ."""
    if len(distances) == 0:
        return None
    value = int(distances[0])
    return value if bool((distances == value).all()) else False


def _restrict(tensor: Tensor, rows: Tensor | None, cols: Tensor | None) -> Tensor:
    """One input's `[head | 1, query | 1, key | 1]` with only the given rows and columns."""
    if rows is not None and tensor.shape[1] > 1:
        tensor = tensor.index_select(1, rows.to(tensor.device))
    if cols is not None and tensor.shape[2] > 1:
        tensor = tensor.index_select(2, cols.to(tensor.device))
    return tensor
