"""The previous calls: whether the present one is another head of the same layer, or the same attention repeated."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from torch import Tensor

from ..data._attention import Band
from ._modules import Frame
from ._value_path import OutputLayout


@dataclass
class InterfaceCall:
    """A call through the attention interface of transformers, and the number of calls recorded inside it."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Any = None
    recorded: int = 0
    inner: tuple[float, Band | None] | None = None
    """Scale and band of the call of scaled_dot_product_attention inside it, on the same query, key and mask."""


@dataclass
class PreviousCall:
    """The inputs of the last call's module, and the number of the first call with the same inputs.

    query: kept alive, so that no other tensor can take its memory
    """

    name: str
    call: tuple
    tensors: list[tuple[weakref.ref, float | Tensor]]
    query: Tensor
    number: int

    def same(self, name: str, tensors: list[Tensor], query: Tensor) -> bool:
        """Whether the next call is another head of the layer: its query is another slice of the same tensor, or its
        module is a sibling, with one different path part, and received the same tensors unchanged.
        """
        if name == self.name:
            batch, _, queries, keys = self.call[-1]
            return queries == keys and _sliced(self.query, query, interleaved=batch > 1)
        pairs = list(zip_longest(self.name.split("."), name.split(".")))
        if sum(one != other for one, other in pairs) != 1 or None in pairs[-1]:
            return False
        if not tensors or len(tensors) != len(self.tensors):
            return False
        held = zip(self.tensors, tensors)
        return all(ref() is tensor and bool(kept == version(tensor)) for (ref, kept), tensor in held)


@dataclass
class LastPair:
    """The last attention call: its query and key, kept alive so that no other tensors can take their memory.

    rule: its mask, or the scale of its scores
    call: its call of the attention interface; None where it is none, or a part of one
    """

    frame: Frame
    query: Tensor
    key: Tensor
    rule: Tensor | float | None
    call: InterfaceCall | None
    output_layout: OutputLayout


def same_rule(a: Tensor | float | None, b: Tensor | float | None) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return same_storage(a, b)
    return a is b or (isinstance(a, float) and isinstance(b, float) and a == b)


def same_storage(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same view of the same memory."""
    if a is b:
        return True
    try:
        laid = (a.untyped_storage()._cdata, a.storage_offset(), a.shape, a.stride(), a.dtype)
        return laid == (
            b.untyped_storage()._cdata,
            b.storage_offset(),
            b.shape,
            b.stride(),
            b.dtype,
        )
    except RuntimeError:  # kinds of tensors without a single storage
        return False


def _sliced(a: Tensor, b: Tensor, interleaved: bool) -> bool:
    """Whether two tensors are different slices of one; interleaved ones overlap in memory, unlike the inputs of a
    batch, which follow each other.
    """
    try:
        held = a.untyped_storage()._cdata == b.untyped_storage()._cdata
        apart = abs(a.storage_offset() - b.storage_offset())
        extent = sum((size - 1) * stride for size, stride in zip(a.shape, a.stride()))
    except RuntimeError:  # kinds of tensors without a single storage
        return False
    return held and apart > 0 and (apart <= extent or not interleaved)


def version(tensor: Tensor) -> float | Tensor:
    """A number that changes when a tensor is changed in place: its version; for inference tensors the sum."""
    try:
        return tensor.sum() if tensor.is_inference() else tensor._version
    except RuntimeError:  # kinds of tensors without a sum: never the same
        return float("nan")
