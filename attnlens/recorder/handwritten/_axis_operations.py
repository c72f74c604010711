"""One call of a function, and operations on the axes of its operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._provenance import (
    FEATURE,
    FIXED,
    INPUT,
    POSITION,
    UNKNOWN,
    Axis,
    AxisPart,
    Provenance,
    axis_of,
    kinds,
    length,
)
from ._tags import operands


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a function, with the provenance of its operands."""

    func: Callable
    args: tuple
    kwargs: dict
    result: Any
    provenance: Provenance

    @property
    def shape(self) -> torch.Size:
        return self.result.shape

    def operands(self, *names: str) -> list[Any]:
        return operands(self.args, self.kwargs, names)

    def dim(self, default: Any = None) -> Any:
        """The axis that the second argument names."""
        axis = (
            self.args[1] if len(self.args) > 1 else self.kwargs.get("dim", self.kwargs.get("axis", default))
        )
        return default if axis is None else axis

    def tensors(self) -> Iterator[Tensor]:
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, (list, tuple)):
                yield from (x for x in value if isinstance(x, Tensor))


def cut(axis: Axis, size: int, start: int | None = None) -> Axis:
    """An axis made shorter or longer: an axis of one kind keeps it.

    start: where a slice begins
    """
    if length(axis) == size:
        return axis
    whole = axis[0] if len(axis) == 1 and axis[0].size > size else None
    kind = common_kind(kinds(axis))
    if size == 1 and start is not None and whole is not None and kind in (POSITION, INPUT):
        return (AxisPart(1, kind, whole, start=start),)  # one of the queries that are processed in chunks
    return axis_of(size, kind, whole, start)


def common_kind(kinds_joined: set[str]) -> str:
    """The kind of an axis joined from several: positions, unless there are features."""
    kinds_known = kinds_joined - {FIXED, UNKNOWN} or kinds_joined
    if len(kinds_known) == 1:
        return next(iter(kinds_known))
    return UNKNOWN if FEATURE in kinds_known or not kinds_known else POSITION


def broadcast(leads: list[tuple[Sequence[Axis], bool]], shape: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of operands `(axes, fixed)`, aligned at the end: each from the best known operand."""
    mixed = not all(fixed for _, fixed in leads)
    axes_out = []
    for at, size in zip(range(-len(shape), 0), shape):
        full = [
            featured(axes[at], fixed and mixed)
            for axes, fixed in leads
            if len(axes) >= -at and length(axes[at]) == size
        ]
        axes_out.append(min(full, key=doubt) if full else axis_of(size, UNKNOWN))
    return tuple(axes_out)


def doubt(axis: Axis) -> int:
    return len(kinds(axis) & {FIXED, UNKNOWN})


def featured(axis: Axis, fixed: bool) -> Axis:
    """An axis of a parameter beside activations: features."""
    return tuple(AxisPart(part.size, FEATURE, part) for part in axis) if fixed else axis
