"""The axes of attention tensors in the order in which they occur together: aliases that say a shape, and indexing.

An alias is documentation that type checkers accept: `Weights = Annotated[Tensor, "head query key"]`.
"""

from __future__ import annotations

from types import EllipsisType
from typing import Annotated

import torch
from torch import Tensor

from .._checks import as_integer
from ..errors import InputError

HeadQueryKey = Annotated[Tensor, "head query key"]
HeadQuery = Annotated[Tensor, "head query"]
HeadTokenDim = Annotated[Tensor, "head token d_head"]
PerQuery = Annotated[Tensor, "query"]
PerToken = Annotated[Tensor, "token"]

AXES = ("head", "query", "key")
Index = int | slice | list | range | Tensor | EllipsisType


def expand(parts: tuple[Index, ...]) -> list[Index]:
    """The index of all three axes: an ellipsis or what is missing at the end stands for whole axes."""
    if len([part for part in parts if part is not Ellipsis]) > 3:
        raise IndexError("attention has three axes: [head, query, key]")
    if Ellipsis in [part for part in parts if not isinstance(part, Tensor)]:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    else:
        at, parts = len(parts), (*parts, Ellipsis)
    fill = [slice(None)] * (4 - len(parts))
    return [*parts[:at], *fill, *parts[at + 1 :]]


def is_number(part: Index) -> bool:
    """Whether it names one position: an integer of any type, or a tensor without axes."""
    return as_integer(part) is not None


def positions(part: Index, size: int, axis: str) -> Tensor:
    """int64 positions along one axis, negative ones counted from the end; two lists give the block they span."""
    if isinstance(part, slice):
        forwards = (part.step or 1) > 0
        return torch.arange(size)[part] if forwards else torch.tensor(range(size)[part], dtype=torch.long)
    try:
        found = torch.as_tensor(list(part) if isinstance(part, range) else part)
    except (TypeError, ValueError, RuntimeError):
        found = torch.tensor(torch.nan)
    scalar = found.ndim == 0 and not is_number(part)
    if (found.is_floating_point() and found.numel()) or found.is_complex() or found.ndim > 1 or scalar:
        raise InputError(
            f"{axis} {part!r} is no index; give an integer, a slice, or a list of integers or of bools"
        )
    if found.dtype == torch.bool:
        if len(found.reshape(-1)) != size:
            raise InputError(f"{axis}: a list of bools needs one per position, {size}, not {found.numel()}")
        found = found.nonzero().squeeze(1)
    found = found.reshape(-1).long()
    if len(found) and (int(found.max()) >= size or int(found.min()) < -size):
        raise IndexError(f"{axis} {part!r} is out of range: there are {size}, numbered 0 to {size - 1}")
    return found % size


def take(tensor: Tensor, positions: Tensor, dim: int) -> Tensor:
    """`index_select` that answers a contiguous range with a view, so that nothing is copied."""
    count = len(positions)
    if count and int(positions[-1]) - int(positions[0]) == count - 1:
        if count < 3 or bool((positions.diff() == 1).all()):
            return tensor.narrow(dim, int(positions[0]), count)
    return tensor.index_select(dim, positions.to(tensor.device))


def take_broadcast(tensor: Tensor, heads: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """A block of a tensor whose axes of length 1 stand for all."""
    for dim, positions in enumerate((heads, rows, cols)):
        if tensor.shape[dim] > 1:
            tensor = take(tensor, positions, dim)
    return tensor
