"""One layer's attention: weights `[head, query, key]` behind one interface, however they are stored.

Two stores and one arrangement:

- `Weights` keeps the weights themselves: H*N*M numbers.
- `Factors` keeps what they are computed from: query, key, scale, mask and log-sum-exp. Any block is
  `exp(query @ key.T * scale + bias - lse)`, so 2*N*d numbers per head replace N*N of them.
- `Windows` places several attentions along the diagonal: models that attend within windows (Swin).

Use attention only through the interface of `Attention`. A row, a column or a block costs as much as it returns;
`blocks()` iterates over the whole in bounded memory. All results are float32 (float64 where stored so).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .._checks import device
from ..errors import InputError
from ._axes import (
    AXES,
    HeadQuery,
    HeadQueryKey,
    HeadTokenDim,
    Index,
    PerQuery,
    expand,
    is_number,
    positions,
    take,
    take_broadcast,
)

BLOCK_ELEMENTS = 1 << 22
"""The number of weights that `blocks()` holds at once (16 MiB in float32)."""


class Attention:
    """One layer's attention weights, `[head, query, key]`.

    >>> attention[3]            # one head: Tensor [query, key]
    >>> attention[3, 0]         # one row of it: Tensor [key]
    >>> attention[:, :, 5]      # the weight of every query on key 5, in each head: Tensor [head, query]
    >>> attention.mean("head")  # Tensor [query, key]
    """

    heads: int
    queries: int
    keys: int

    def block(self, heads: Tensor, rows: Tensor, cols: Tensor) -> HeadQueryKey:
        """Weights `[len(heads), len(rows), len(cols)]` at those positions (int64 tensors in main memory)."""
        raise NotImplementedError

    @property
    def masked_rows(self) -> PerQuery:
        """bool `[query]`: queries that may attend to no key. Their weights are 0 and do not sum to 1."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of this store."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """The device of the store and of all results."""
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of all results: float64 where the weights are stored so, else float32."""
        raise NotImplementedError

    def to(self, target: torch.device | str | torch.dtype) -> Attention:
        """The same attention on another device, or stored in another dtype."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads, queries, keys)"""
        return self.heads, self.queries, self.keys

    def __len__(self) -> int:
        """The number of heads."""
        return self.heads

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        """All weights as a NumPy array `[head, query, key]`."""
        return np.asarray(self[:].cpu().numpy(), dtype=dtype)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Tensor:
        """Weights at `[head, query, key]`; an integer drops its axis, as in any tensor."""
        parts = expand(index if isinstance(index, tuple) else (index,))
        at = [positions(part, size, axis) for part, size, axis in zip(parts, self.shape, AXES)]
        block = self.block(*at)
        return block[tuple(0 if is_number(part) else slice(None) for part in parts)]

    def blocks(self, heads: Index = slice(None)) -> Iterator[tuple[slice, HeadQueryKey]]:
        """Iterates over the queries: (rows, weights `[head, row, key]`), in bounded memory."""
        chosen = positions(heads, self.heads, "head")
        cols = torch.arange(self.keys)
        step = max(1, BLOCK_ELEMENTS // max(1, len(chosen) * self.keys))
        for start in range(0, self.queries, step):
            stop = min(start + step, self.queries)
            yield slice(start, stop), self.block(chosen, torch.arange(start, stop), cols)

    def mean(self, axis: str = "head") -> Tensor:
        """The mean over one axis, without holding all weights at once.

        axis="head" returns `[query, key]`; axis="query" returns `[head, key]`, the attention that each key receives.
        """
        if axis == "head":
            return torch.cat([block.mean(0) for _, block in self.blocks()])
        if axis == "query":
            return sum(block.sum(1) for _, block in self.blocks()) / self.queries
        raise InputError(f"mean over axis {axis!r} is not defined; use 'head' or 'query'")

    def without(self, keys: Tensor) -> Attention:
        """The same attention without some keys (int64 positions); their weights are 0 and rows sum to one again.

        A model's sink logit is removed too. A row without weight on any other key becomes a masked row.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        heads, queries, keys = self.shape
        return f"{type(self).__name__}({heads} heads, {queries} queries, {keys} keys, {_size(self.nbytes)})"


@dataclass(frozen=True, repr=False, eq=False)
class Weights(Attention):
    """Attention stored as its weights. Rows of NaN (a softmax over no key) are stored as zeros."""

    weights: HeadQueryKey

    def __post_init__(self):
        _require(
            self.weights.ndim == 3, f"weights must be [head, query, key], not {list(self.weights.shape)}"
        )
        empty = self.weights.isnan().all(-1, keepdim=True)
        if empty.any():
            object.__setattr__(self, "weights", self.weights.masked_fill(empty, 0.0))

    @classmethod
    def of_softmax(cls, weights: HeadQueryKey) -> Weights:
        """From weights that hold no NaN."""
        attention = object.__new__(cls)
        object.__setattr__(attention, "weights", weights)
        return attention

    @property
    def heads(self) -> int:
        return self.weights.shape[0]

    @property
    def queries(self) -> int:
        return self.weights.shape[1]

    @property
    def keys(self) -> int:
        return self.weights.shape[2]

    @property
    def device(self) -> torch.device:
        return self.weights.device

    @property
    def dtype(self) -> torch.dtype:
        return _compute_dtype(self.weights)

    @property
    def nbytes(self) -> int:
        return self.weights.numel() * self.weights.element_size()

    @property
    def masked_rows(self) -> PerQuery:
        return (self.weights == 0).all(-1).all(0)

    def to(self, target: torch.device | str | torch.dtype) -> Weights:
        return Weights(self.weights.to(destination(target)))

    @cached_property
    def mass(self) -> HeadQuery:
        """The sum of each row, `[head, query]`: 1 except for masked rows and beside sinks; cached."""
        return self.weights.to(self.dtype).sum(-1)

    def without(self, keys: Tensor) -> Weights:
        left = self.weights.to(self.dtype).index_fill(2, keys.to(self.device), 0.0)
        mass = left.sum(-1, keepdim=True)
        return Weights((left / mass.masked_fill(mass == 0, 1.0)).to(self.weights.dtype))

    def block(self, heads: Tensor, rows: Tensor, cols: Tensor) -> HeadQueryKey:
        chosen = take(take(take(self.weights, heads, 0), rows, 1), cols, 2)
        # A copy even where a view would do: changing a result must not change the trace.
        return chosen.to(self.dtype, copy=True)


@dataclass(frozen=True)
class Band:
    """A mask as a rule: query i sees key j when `i + offset - before <= j <= i + offset + after`.

    None leaves a side open: `Band(None, 0)` is causal, `Band(w - 1, 0)` a causal sliding window of w keys,
    `Band(r, r)` a window on both sides. `offset` is the position of the first query among the keys, as with
    a key-value cache.
    """

    before: int | None = None
    after: int | None = None
    offset: int = 0

    def visible(self, rows: Tensor, cols: Tensor) -> Tensor:
        """bool `[row, col]`"""
        distance = cols[None, :] - (rows[:, None] + self.offset)
        seen = torch.ones_like(distance, dtype=torch.bool)
        if self.before is not None:
            seen &= distance >= -self.before
        if self.after is not None:
            seen &= distance <= self.after
        return seen

    def empty_rows(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """bool `[query]`: rows whose band holds no key"""
        position = torch.arange(queries, device=device) + self.offset
        low = position - self.before if self.before is not None else torch.zeros_like(position)
        high = position + self.after if self.after is not None else torch.full_like(position, keys - 1)
        return low.clamp(min=0) > high.clamp(max=keys - 1)


@dataclass(frozen=True, repr=False, eq=False)
class Factors(Attention):
    """Attention stored as what it is computed from; any block of the weights on demand.

    `softmax(cap(query @ key.T * scale) + bias + mask)` with `cap(s) = softcap * tanh(s / softcap)` where given
    (Gemma 2), and `sink` as one more score per head that takes mass and gives no value (GPT-OSS).

    query: `[head, query, d_head]`
    key: `[key_head, key, d_head]`; fewer key heads than heads is grouped-query attention
    mask: a `Band`, or bool `[head | 1, query | 1, key | 1]` (True: visible), or None
    bias: float `[head | 1, query | 1, key | 1]`, added to the scaled scores, or None
    sink: float `[head]`, or None
    """

    query: HeadTokenDim
    key: HeadTokenDim
    scale: float
    mask: Band | Tensor | None = None
    bias: Tensor | None = None
    softcap: float | None = None
    sink: Tensor | None = None
    known_lse: HeadQuery | None = field(default=None)

    def __post_init__(self):
        _require(self.query.ndim == 3 and self.key.ndim == 3, "query and key must be [head, token, d_head]")
        _require(self.query.shape[2] == self.key.shape[2], "query and key differ in d_head")
        _require(self.heads % self.key.shape[0] == 0, "heads must be a multiple of key heads")
        for name in ("mask", "bias"):
            extra = getattr(self, name)
            if isinstance(extra, Tensor):
                fits = extra.ndim == 3 and all(e in (1, s) for e, s in zip(extra.shape, self.shape))
                _require(fits, f"{name} {list(extra.shape)} does not fit {list(self.shape)}")
        _require(self.sink is None or self.sink.shape == (self.heads,), "sink must be [head]")
        _require(
            self.known_lse is None or self.known_lse.shape == self.shape[:2], "lse must be [head, query]"
        )

    @property
    def heads(self) -> int:
        return self.query.shape[0]

    @property
    def queries(self) -> int:
        return self.query.shape[1]

    @property
    def keys(self) -> int:
        return self.key.shape[1]

    @property
    def device(self) -> torch.device:
        return self.query.device

    @property
    def dtype(self) -> torch.dtype:
        return _compute_dtype(self.query)

    @property
    def nbytes(self) -> int:
        held = [self.query, self.key, self.mask, self.bias, self.sink]
        tensors = sum(t.numel() * t.element_size() for t in held if isinstance(t, Tensor))
        return tensors + self.heads * self.queries * 4

    @property
    def lse(self) -> HeadQuery:
        """log-sum-exp of each row's scores, `[head, query]`; inf for a masked row.

        Computed block by block on first use and then cached; a request for whole rows does not need it.
        """
        return self._lse(torch.arange(self.heads), torch.arange(self.queries))

    @property
    def whole_lse(self) -> HeadQuery | None:
        """`lse` where it is known for all rows already; nothing is computed."""
        known = self.known_lse is not None or "_lse_table" in vars(self)
        return None if not known or bool(self._lse_table.isnan().any()) else self._lse_table

    def _lse(self, heads: Tensor, rows: Tensor) -> HeadQuery:
        """The log-sum-exp of these heads and rows only: one column costs one head, a tile its own rows."""
        table = self._lse_table
        unknown = take(take(table, heads, 0), rows, 1).isnan().cpu()
        heads_left, rows_left = heads[unknown.any(1)], rows[unknown.any(0)]
        if len(heads_left):
            step = max(1, BLOCK_ELEMENTS // (len(heads_left) * self.keys))
            for some in rows_left.split(step):
                self._remember(heads_left, some, self._scores(heads_left, some, torch.arange(self.keys)))
        return take(take(table, heads, 0), rows, 1)

    def _remember(self, heads: Tensor, rows: Tensor, scores: HeadQueryKey) -> HeadQuery:
        """The log-sum-exp of whole rows of scores, stored in the table."""
        lse = self._row_lse(scores, heads)
        self._lse_table[heads.unsqueeze(1), rows] = lse
        return lse

    @cached_property
    def _lse_table(self) -> HeadQuery:
        """The log-sum-exp computed so far; NaN elsewhere."""
        if self.known_lse is not None:
            return self.known_lse.to(self.dtype, copy=True)
        return torch.full((self.heads, self.queries), torch.nan, dtype=self.dtype, device=self.device)

    @property
    def masked_rows(self) -> PerQuery:
        if self.sink is not None or (self.mask is None and self.bias is None):
            return torch.zeros(self.queries, dtype=torch.bool, device=self.device)
        if isinstance(self.mask, Band) and self.bias is None:
            return self.mask.empty_rows(self.queries, self.keys, self.device)
        if isinstance(self.mask, Tensor) and self.bias is None:
            return (~self.mask).all(-1).all(0).expand(self.queries)
        return self.lse.isinf().all(0)

    def to(self, target: torch.device | str | torch.dtype) -> Factors:
        """As for any attention; a new dtype rounds query and key, so the log-sum-exp is recomputed."""
        target = destination(target)
        if isinstance(target, torch.dtype):
            return replace(self, query=self.query.to(target), key=self.key.to(target), known_lse=None)
        held = {name: getattr(self, name) for name in ("query", "key", "mask", "bias", "sink", "known_lse")}
        held["known_lse"] = self.whole_lse
        moved = {name: value.to(target) for name, value in held.items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    def without(self, keys: Tensor) -> Factors:
        dropped = torch.zeros(1, 1, self.keys, dtype=self.dtype, device=self.device)
        dropped[..., keys.to(self.device)] = -math.inf
        bias = dropped if self.bias is None else self.bias.to(self.dtype) + dropped
        return replace(self, bias=bias if len(keys) else self.bias, sink=None, known_lse=None)

    def block(self, heads: Tensor, rows: Tensor, cols: Tensor) -> HeadQueryKey:
        # The scores of whole rows give their log-sum-exp.
        whole = len(cols) == self.keys and torch.equal(cols, torch.arange(self.keys))
        cached = take(take(self._lse_table, heads, 0), rows, 1)
        fresh = whole and bool(cached.isnan().any())
        lse = None if fresh else self._lse(heads, rows)
        scores = self._scores(heads, rows, cols)
        if lse is None:
            lse = self._remember(heads, rows, scores)
        return scores.sub_(lse.unsqueeze(-1)).exp_()

    def _scores(self, heads: Tensor, rows: Tensor, cols: Tensor) -> HeadQueryKey:
        dtype = self.dtype
        group = self.heads // self.key.shape[0]
        q = take(take(self.query, heads, 0), rows, 1).to(dtype)
        k = take(take(self.key, heads // group, 0), cols, 1).to(dtype)
        scores = torch.matmul(q, k.transpose(1, 2)).mul_(self.scale)
        if self.softcap is not None:
            scores.div_(self.softcap).tanh_().mul_(self.softcap)
        if self.bias is not None:
            scores += take_broadcast(self.bias, heads, rows, cols).to(dtype)
        if isinstance(self.mask, Band):
            seen = self.mask.visible(rows.to(self.device), cols.to(self.device))
            scores.masked_fill_(~seen, -math.inf)
        elif self.mask is not None:
            scores.masked_fill_(~take_broadcast(self.mask, heads, rows, cols), -math.inf)
        return scores

    def _row_lse(self, scores: HeadQueryKey, heads: Tensor) -> HeadQuery:
        lse = torch.logsumexp(scores, dim=-1)
        if self.sink is not None:
            lse = torch.logaddexp(lse, take(self.sink, heads, 0).to(lse.dtype).unsqueeze(-1))
        return lse.masked_fill(lse == -math.inf, math.inf)


@dataclass(frozen=True, repr=False, eq=False)
class Windows(Attention):
    """Several attentions of equal shape along the diagonal: each window attends only to itself.

    Queries and keys are ordered window by window, as in the model; `parts[w]` is one window.
    """

    parts: tuple[Attention, ...]

    def __post_init__(self):
        _require(bool(self.parts), "windowed attention needs at least one window")
        _require(len({part.shape for part in self.parts}) == 1, "windows must have one shape")

    @property
    def heads(self) -> int:
        return self.parts[0].heads

    @property
    def queries(self) -> int:
        return len(self.parts) * self.parts[0].queries

    @property
    def keys(self) -> int:
        return len(self.parts) * self.parts[0].keys

    @property
    def device(self) -> torch.device:
        return self.parts[0].device

    @property
    def dtype(self) -> torch.dtype:
        return max((part.dtype for part in self.parts), key=lambda dtype: dtype.itemsize)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    @property
    def masked_rows(self) -> PerQuery:
        return torch.cat([part.masked_rows for part in self.parts])

    def to(self, target: torch.device | str | torch.dtype) -> Windows:
        return Windows(tuple(part.to(target) for part in self.parts))

    def without(self, keys: Tensor) -> Windows:
        size = self.parts[0].keys
        return Windows(
            tuple(part.without(keys[keys // size == n] % size) for n, part in enumerate(self.parts))
        )

    def block(self, heads: Tensor, rows: Tensor, cols: Tensor) -> HeadQueryKey:
        out = torch.zeros(len(heads), len(rows), len(cols), dtype=self.dtype, device=self.device)
        for number, part in enumerate(self.parts):
            r = (rows // part.queries == number).nonzero().squeeze(1)
            c = (cols // part.keys == number).nonzero().squeeze(1)
            if len(r) and len(c):
                piece = part.block(heads, rows[r] % part.queries, cols[c] % part.keys)
                out[:, r.unsqueeze(1), c] = piece.to(self.dtype)
        return out


def floating(dtype: torch.dtype | str) -> torch.dtype:
    """A floating-point dtype, also by name ("float16"). Raises InputError for any other type."""
    kind = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise InputError(
            f"dtype must be a floating-point type, e.g. torch.float16 or 'float16', not {dtype!r}"
        )
    return kind


def destination(target: torch.device | str | torch.dtype) -> torch.device | torch.dtype:
    """Where `to` moves tensors: a device, or a dtype, also by name. Raises InputError for anything else."""
    if isinstance(target, torch.dtype) or isinstance(getattr(torch, str(target), None), torch.dtype):
        return floating(target)
    return device(target, f"cannot move attention to {target!r}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _size(nbytes: int) -> str:
    for unit in ("B", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} GB"
