"""One layer's attention on a padded batch of inputs, while the model runs: what a reducer receives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ._attention import BLOCK_ELEMENTS, Attention, Band, Factors, Weights, Windows, _compute_dtype


@dataclass(frozen=True, repr=False, eq=False)
class AttentionBatch:
    """The attention of one layer for a whole batch, `[batch, head, query, key]`, as weights or as factors.

    Weights of padded queries, of padded keys and of masked rows are 0. The tensors are the model's own: they are valid
    only until the reducer returns, and must not be changed.

    name: module path; kind: "self", "cross" or "channel"
    weights: `[batch, head, query, key]`, or None for factors
    query, key: `[batch, head, query, d_head]`, `[batch, key_head, key, d_head]`, with scale, softcap and sink as in
        `Factors`
    band: the mask as a rule; visible: bool `[batch | 1, head | 1, query | 1, key | 1]`; bias: float of such a shape,
        added to the scores; None where there is none
    real_queries, real_keys: bool `[batch, query]` and `[batch, key]`, False for padding; None without padding
    windows: each input is so many consecutive entries of the batch axis (Swin)
    key_weights: `[batch, head, key]`, by which the weights are multiplied before rows are normalised to one; or None
    normalized: whether each row of weights is a distribution, as in `Layer`
    """

    name: str
    kind: str
    weights: Tensor | None = None
    query: Tensor | None = None
    key: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None
    sink: Tensor | None = None
    band: Band | None = None
    visible: Tensor | None = None
    bias: Tensor | None = None
    real_queries: Tensor | None = None
    real_keys: Tensor | None = None
    windows: int = 1
    key_weights: Tensor | None = None
    normalized: bool = True

    @classmethod
    def of(
        cls, attention: Attention, name: str = "", kind: str = "self", key_weights: Tensor | None = None
    ) -> AttentionBatch:
        """A batch of one input; key_weights: `[head, key]`."""
        if isinstance(attention, Windows):
            weights = torch.stack([part[:] for part in attention.parts])
            windows = len(attention.parts)
            if key_weights is not None:
                key_weights = key_weights.unflatten(-1, (windows, -1)).transpose(0, 1)
            return cls(name, kind, weights, windows=windows, key_weights=key_weights)
        key_weights = None if key_weights is None else key_weights[None]
        if not isinstance(attention, Factors):
            weights = attention.weights if isinstance(attention, Weights) else attention[:]
            return cls(name, kind, weights[None], key_weights=key_weights)
        band = attention.mask if isinstance(attention.mask, Band) else None
        visible = attention.mask[None] if isinstance(attention.mask, Tensor) else None
        return cls(
            name, kind, None, attention.query[None], attention.key[None], attention.scale, attention.softcap,
            attention.sink, band, visible, None if attention.bias is None else attention.bias[None],
            key_weights=key_weights,
        )  # fmt: skip

    def copy(self) -> AttentionBatch:
        """The same with tensors of its own, which stay valid after the reducer has returned."""
        tensors = {name: value.clone() for name, value in vars(self).items() if isinstance(value, Tensor)}
        for name in ("_keys", "_only_block"):
            tensors.pop(name, None)
        return replace(self, **tensors)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, heads, queries, keys)"""
        if self.weights is not None:
            return tuple(self.weights.shape)
        return (*self.query.shape[:3], self.key.shape[2])

    @property
    def inputs(self) -> int:
        """How many inputs the batch holds."""
        return self.shape[0] // self.windows

    @property
    def device(self) -> torch.device:
        return self._tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights of `block`: float64 where the model computes so, else float32."""
        return _compute_dtype(self._tensor)

    @property
    def _tensor(self) -> Tensor:
        return self.query if self.weights is None else self.weights

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Iterates over the queries: (rows, weights `[batch, head, row, key]`), in bounded memory.

        Several reducers of a layer share the block of a small batch: it must not be changed.
        """
        parts = list(self.row_blocks())
        for rows in parts:
            yield rows, self._only_block if len(parts) == 1 else self.block(rows)

    def row_blocks(self) -> Iterator[slice]:
        """The rows of each block."""
        batch, heads, queries, keys = self.shape
        step = max(1, BLOCK_ELEMENTS // max(1, batch * heads * keys))
        return (slice(start, min(start + step, queries)) for start in range(0, queries, step))

    def block(self, rows: slice = slice(None)) -> Tensor:
        """Weights `[batch, head, row, key]` of some queries, all by default."""
        block = self._of_weights(rows) if self.weights is not None else self._of_factors(rows)
        if self.key_weights is None:
            return block
        block *= self.key_weights.to(block.dtype).unsqueeze(2)
        total = block.sum(-1, keepdim=True)
        return block / total.masked_fill(total == 0, 1.0)

    def seen(self, rows: slice) -> Tensor | None:
        """bool `[batch | 1, row | 1, key]`: whether a key is real and the mask shows it to a query in some head; None:
        every key, or where the weights alone determine it.
        """
        shown = None if self.visible is None else _rows(self.visible, rows).any(1)
        if self.band is not None:
            inside = self._inside(rows)[None]
            shown = inside if shown is None else shown & inside
        if self.real_keys is None:
            return shown
        real = self.real_keys[:, None]
        return real if shown is None else shown & real

    def _of_weights(self, rows: slice) -> Tensor:
        block = self.weights[:, :, rows].to(self.dtype, copy=True)
        hidden = block.isnan().all(-1, keepdim=True)  # a softmax over no key
        if self.real_queries is not None:
            hidden = hidden | ~self.real_queries[:, None, rows, None]
        if self.real_keys is not None:
            hidden = hidden | ~self.real_keys[:, None, None]
        return block.masked_fill_(hidden, 0.0)

    def _of_factors(self, rows: slice) -> Tensor:
        scores = self._scores(rows)
        empty = scores.amax(-1, keepdim=True) == -torch.inf
        if self.real_queries is not None:
            empty = empty | ~self.real_queries[:, None, rows, None]
        if self.sink is None:
            return scores.softmax(-1).masked_fill_(empty, 0.0)
        lse = torch.logaddexp(torch.logsumexp(scores, -1), self.sink.to(scores.dtype)[:, None])
        return scores.sub_(lse.unsqueeze(-1)).exp_().masked_fill_(empty, 0.0)

    def _scores(self, rows: slice) -> Tensor:
        """`[batch, head, row, key]`, -inf where hidden."""
        query, key = self.query[:, :, rows].to(self.dtype), self._keys
        batch, heads, count, width = query.shape
        grouped = query.reshape(batch, key.shape[1], -1, width)
        scores = torch.matmul(grouped, key.transpose(2, 3)).mul_(self.scale)
        scores = scores.view(batch, heads, count, key.shape[2])
        if self.softcap is not None:
            scores.div_(self.softcap).tanh_().mul_(self.softcap)
        if self.bias is not None:
            scores += _rows(self.bias, rows).to(scores.dtype)
        for hidden in self._hidden(rows):
            scores.masked_fill_(hidden, -torch.inf)
        return scores

    @cached_property
    def _only_block(self) -> Tensor:
        return self.block()

    @cached_property
    def _keys(self) -> Tensor:
        return self.key.to(self.dtype)

    def _hidden(self, rows: slice) -> Iterator[Tensor]:
        """Masks of the scores, True where hidden."""
        if self.visible is not None:
            yield ~_rows(self.visible, rows)
        if self.band is not None:
            yield ~self._inside(rows)
        if self.real_keys is not None:
            yield ~self.real_keys[:, None, None]

    def _inside(self, rows: slice) -> Tensor:
        queries, keys = self.shape[2:]
        at = torch.arange(queries, device=self.device)[rows]
        return self.band.visible(at, torch.arange(keys, device=self.device))

    def __repr__(self) -> str:
        batch, heads, queries, keys = self.shape
        return f"AttentionBatch({self.name!r}, {batch} inputs, {heads} heads, {queries} queries, {keys} keys)"


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    """The rows of a mask or bias `[batch | 1, head | 1, query | 1, key | 1]`."""
    return tensor[:, :, rows] if tensor.shape[2] > 1 else tensor
