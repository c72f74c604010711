"""The provenance of each axis of a tensor: which part of it is the batch, which are positions, which are features.

The inputs of the captured model start as `(batch, position, feature)`. Each function that the model calls propagates
this: a linear layer makes features, `view` splits and joins, `permute` moves, `split` and `cat` separate and join.
So when attention is computed on a tensor `[(head batch), query, d_head]`, its first axis is known to consist of
features of several heads and the batch, whatever the sizes are.

`Axes` of different tensors share their `AxisPart`s: two axes from the same input axis hold the same object.
`_axis_rules` holds the effect of each function on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ._tags import Tags, is_parameter, vmapped

_functorch = torch._C._functorch

BATCH, POSITION, FEATURE, INPUT, FIXED, UNKNOWN = "batch", "position", "feature", "input", "fixed", "unknown"
"""Kinds of parts. FEATURE: made by a projection; INPUT: of an input, last or of four axes, so that only its use shows
what it is; FIXED: of parameters, buffers and constants; UNKNOWN: repeated, or of an unsupported function.
"""


@dataclass(eq=False)
class AxisPart:
    """A part of an axis. Parts of size 1 are left out of axes, but for a slice of positions.

    whole: the part that this is a slice or a factor of, or None
    path: for a factor, how the unsplit part was split: two with the same path are the same
    start: for a slice, its first position in the whole; None where unknown
    """

    size: int
    kind: str
    whole: AxisPart | None = None
    path: tuple[int, ...] = ()
    start: int | None = None

    def halves(self, outer: int) -> tuple[AxisPart, AxisPart]:
        """The part as an axis of `outer` and an axis of the rest."""
        inner = self.size // outer
        return (
            AxisPart(outer, self.kind, self, (*self.path, outer, 0)),
            AxisPart(inner, self.kind, self, (*self.path, outer, 1)),
        )

    def same(self, other: AxisPart) -> bool:
        return self is other or (self.path == other.path != () and self._unsplit is other._unsplit)

    @property
    def _unsplit(self) -> AxisPart:
        return self.whole._unsplit if self.path else self

    @property
    def root(self) -> AxisPart:
        return self if self.whole is None else self.whole.root


Axis = tuple[AxisPart, ...]
"""From the outermost part to the innermost; () for an axis of size 1."""


@dataclass(frozen=True, eq=False)
class Axes:
    """The axes of one tensor.

    dropped: parts that were removed by indexing, in order: `x[i]` is one input of a batch
    fixed: whether it consists of parameters, buffers and constants only
    learned: whether it is a projection of such, as learned queries and memories are
    product: whether it is a matrix product of two activations, as scores are
    """

    axes: tuple[Axis, ...]
    dropped: Axis = ()
    fixed: bool = False
    learned: bool = False
    product: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(length, self.axes))


def kinds(axis: Axis) -> set[str]:
    return {part.kind for part in axis}


def length(axis: Axis) -> int:
    return prod(part.size for part in axis)


def axis_of(size: int, kind: str, whole: AxisPart | None = None, start: int | None = None) -> Axis:
    return (AxisPart(size, kind, whole, start=start),) if size != 1 else ()


def of_input(shape: Sequence[int], floating: bool, batch: AxisPart | None) -> Axes:
    """The axes of a module's input: `[batch, position, feature]`, or `[batch, position]` for token ids.

    batch: the batch of the model's other inputs, shared where the first axis is as long
    """
    first = (batch,) if batch is not None and shape and batch.size == shape[0] != 1 else None
    rest = [
        INPUT if floating and (len(shape) > 3 or at == len(shape) - 1) else POSITION
        for at in range(1, len(shape))
    ]
    axes = [first or axis_of(size, BATCH) for size in shape[:1]]
    return Axes((*axes, *(axis_of(size, kind) for size, kind in zip(shape[1:], rest))))


class Provenance:
    """The axes of live tensors while a model runs, by identity.

    batch: the part that counts the model's inputs; None for a single input, or where it is unknown
    """

    def __init__(self, model: nn.Module):
        self._tags = Tags()
        self._model = model
        self._mapped: dict[int, Axis] = {}
        self.batch: AxisPart | None = None

    @cached_property
    def _constants(self) -> set[int]:
        """The buffers, by identity; looked up only where a pass is followed."""
        return {id(buffer) for buffer in self._model.buffers()}

    def enter(self, values: Iterable[Any], outermost: bool = False) -> None:
        """Records the inputs of a module: those of the whole model, or those of a part with unknown axes."""
        if outermost:
            self.batch = None
        for tensor in _tensors(values):
            try:
                if outermost or (tensor.ndim > 1 and tensor.is_floating_point() and self.of(tensor) is None):
                    self._begin(tensor, outermost)
            except (RuntimeError, NotImplementedError):  # kinds of tensors without a single shape
                continue

    def _begin(self, tensor: Tensor, outermost: bool) -> None:
        shape = tensor.shape
        if outermost and self.batch is None and len(shape) > 1 and shape[0] > 1 and not vmapped(tensor):
            self.batch = AxisPart(shape[0], BATCH)
        self._tags[tensor] = of_input(shape, tensor.is_floating_point(), self.batch)

    def of(self, tensor: Any) -> Axes | None:
        tag = self._tags.get(tensor)
        if tag is not None or not isinstance(tensor, Tensor):
            return tag
        if is_parameter(tensor) or id(tensor) in self._constants:
            return Axes(tuple(axis_of(size, FIXED) for size in tensor.shape), fixed=True)
        return self._inside(tensor) if _functorch.is_batchedtensor(tensor) else None

    def _inside(self, tensor: Tensor) -> Axes | None:
        """The axes of a tensor with an axis that torch.vmap hides, which is stored by the vmap's level."""
        tag = self.of(_functorch.get_unwrapped(tensor))
        if tag is None:
            return None
        at = _functorch.maybe_get_bdim(tensor)
        self._mapped[_functorch.maybe_get_level(tensor)] = tag.axes[at]
        return replace(tag, axes=tag.axes[:at] + tag.axes[at + 1 :])

    def mapped(self, sizes: Sequence[int]) -> tuple[Axis, ...]:
        """The axes that torch.vmap hides; inputs, where the whole model runs under it."""
        hidden_axes = [axis for _, axis in sorted(self._mapped.items())]
        fitting = tuple(map(length, hidden_axes[-len(sizes) :])) == tuple(sizes)
        return tuple(hidden_axes[-len(sizes) :]) if fitting else tuple(axis_of(size, BATCH) for size in sizes)

    def axes_or_unknown(self, tensor: Tensor) -> Axes:
        """As `of`; unknown axes of the same sizes for a tensor without a tag."""
        tag = self.of(tensor)
        return Axes(tuple(axis_of(size, UNKNOWN) for size in tensor.shape)) if tag is None else tag

    def __setitem__(self, tensor: Tensor, tag: Axes) -> None:
        self._tags[tensor] = tag

    def get(self, tensor: Any) -> Axes | None:
        """As `of`, for tensors that the model computed."""
        return self._tags.get(tensor)

    def drop(self, tensor: Tensor) -> None:
        self._tags.drop(tensor)

    def clear(self) -> None:
        self._tags.clear()
        self.batch = None


def _tensors(values: Iterable[Any], depth: int = 2) -> Iterator[Tensor]:
    """Tensors among arguments, also inside lists and dictionaries."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif depth and isinstance(value, (list, tuple)):
            yield from _tensors(value, depth - 1)
        elif depth and isinstance(value, Mapping):
            yield from _tensors(value.values(), depth - 1)
