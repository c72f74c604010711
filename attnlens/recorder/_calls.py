"""One recorded attention call over a whole batch, and what a reducer made of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._layout import QueryChunk
from ._masks import Mask
from ._value_path import ValuePath
from ._verification import Evidence


@dataclass(frozen=True)
class Reduced:
    """The result of a reducer for one attention call of this shape, (batch, head, query, key)."""

    shape: tuple[int, int, int, int]
    result: Any


@dataclass(frozen=True)
class Call:
    """One recorded attention call over a whole batch.

    module: path of the module that made it; number: 1 for the module's first call in this forward pass, ...
    forward: 1 for the first forward pass under the capture, ...
    kind: "self", "cross", or "channel" (attention between channels, not tokens)
    items: how many inputs the batch axis holds; a multiple of it means windows (Swin)

    weights `[batch, head, query, key]`, or query `[batch, head, query, d_head]` and
    key `[batch, key_head, key, d_head]` with scale, softcap and sink
    """

    module: str
    number: int
    forward: int
    kind: str
    items: int
    mask: Mask | None
    weights: Tensor | None = None
    query: Tensor | None = None
    key: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None
    sink: Tensor | None = None
    part: bool = False
    """Whether it covers only a part of the batch of its module."""
    chunk: QueryChunk | None = None
    """The numbers of these queries, where the module processed them in chunks."""
    appended: int = 0
    """The number of keys at the end that are not tokens (bias_k, add_zero_attn)."""
    value_path: ValuePath | None = None
    """The values and their path to the residual stream, where requested."""
    touched: bool = False
    """Whether the model changed its weights after the softmax, so that rows need not sum to 1."""
    evidence: Evidence | None = None
    """The values and the output, for `verify`, where requested."""
    beside: int | None = None
    """For heads that are recorded one by one, as modules or slices: the number of the first in `Recording.calls`."""
    reduced: Reduced | None = None
    """The result of the reducer, in the place of weights and factors."""

    @property
    def batch(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, head, query, key)"""
        if self.reduced is not None:
            return self.reduced.shape
        if self.weights is not None:
            return tuple(self.weights.shape)
        return (*self.query.shape[:3], self.key.shape[2])

    @property
    def windows(self) -> int:
        return self.batch // self.items

    @property
    def normalized(self) -> bool:
        """Whether rows sum to 1: the weights are those of a softmax without a sink."""
        return not self.touched and self.sink is None

    def hides_all(self, item: int) -> bool:
        """Whether one input is all padding in this call, as the last of its chunks may be."""
        return self.mask is not None and self.mask.hides_all(item)
