"""Which rows and columns of a call are padding, for one input and for a whole batch; weights of whole batches."""

from __future__ import annotations

import math
from functools import cached_property

from torch import Tensor

from ..data._attention import BLOCK_ELEMENTS
from ..data._batch import AttentionBatch
from ._calls import Call
from ._masks import Mask


class Padding:
    """The rows and columns of one input without padding, from the masks of its layers.

    The mask of a self-attention shows the padding of its sequence. The mask of a cross-attention covers its keys only;
    its queries are those of the nearest self-attention in the module tree.
    """

    def __init__(self):
        self._seen: list[tuple[str, int, Tensor | None]] = []

    def of(self, call: Call, item: int) -> tuple[Tensor | None, Tensor | None]:
        real = None if call.mask is None else call.mask.real_keys(item)
        _, _, queries, keys = call.shape
        if call.kind != "cross":
            tokens = keys - call.appended
            if real is not None and queries == tokens:
                rows = real[real < tokens]
            else:
                rows = (
                    None
                    if call.mask is None or call.kind == "channel"
                    else call.mask.real_rows(item, _start(call))
                )
            self._seen.append((call.module, queries, rows))
            return rows, real
        return _nearest(self._seen, call.module, queries), real


class BatchPadding:
    """The same for a whole batch: bool `[batch, query]` and `[batch, key]`, None without padding."""

    def __init__(self):
        self._seen: list[tuple[str, int, Tensor | None]] = []

    def of(self, call: Call) -> tuple[Tensor | None, Tensor | None]:
        if call.windows > 1:
            return None, None
        keys = None if call.mask is None else call.mask.batch_keys()
        size = call.shape[2]
        if call.kind == "cross":
            return _nearest(self._seen, call.module, size), keys
        tokens = call.shape[3] - call.appended
        if keys is not None and size == tokens:
            rows = keys[:, :tokens] if call.appended else keys
        elif call.mask is None or call.kind == "channel":
            rows = None
        else:
            rows = call.mask.batch_rows(_start(call))
        self._seen.append((call.module, size, rows))
        return rows, keys


def _nearest(seen: list[tuple[str, int, Tensor | None]], module: str, queries: int) -> Tensor | None:
    """The rows of the nearest self-attention with so many queries in the module tree."""
    near = [(shared_parts(name, module), rows) for name, n, rows in seen if n == queries]
    return max(near, key=lambda pair: pair[0])[1] if near else None


def _start(call: Call) -> int | None:
    return None if call.chunk is None else call.chunk.start


def batch_of(call: Call, real_queries: Tensor | None, real_keys: Tensor | None) -> AttentionBatch:
    """The attention of a call for its whole batch."""
    mask = call.mask or Mask(call.shape)
    return AttentionBatch(
        call.module, call.kind, call.weights, call.query, call.key, call.scale, call.softcap, call.sink, mask.band,
        mask.visible, mask.bias, real_queries, real_keys, call.windows, normalized=call.normalized,
    )  # fmt: skip


class DenseBatches:
    """The weights of the calls of one forward pass, each computed for its whole batch when the first entry needs it."""

    def __init__(self, named: list[tuple[str, Call]]):
        self._named = named
        self._weights: dict[int, Tensor] = {}

    @cached_property
    def _real(self) -> dict[int, tuple[Tensor | None, Tensor | None]]:
        padding = BatchPadding()
        return {id(call): padding.of(call) for _, call in self._named}

    def of(self, call: Call) -> Tensor | None:
        """`[batch, head, query, key]` in the dtype of the query; None where that is larger than a block."""
        if math.prod(call.shape) > BLOCK_ELEMENTS:
            return None
        if id(call) not in self._weights:
            self._weights[id(call)] = batch_of(call, *self._real[id(call)]).block().to(call.query.dtype)
        return self._weights[id(call)]


def shared_parts(a: str, b: str) -> int:
    """The number of leading path parts that two modules have in common."""
    count = 0
    for x, y in zip(a.split("."), b.split(".")):
        if x != y:
            break
        count += 1
    return count
