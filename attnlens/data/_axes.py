"""The axes of attention tensors, in the order in which they occur together: aliases for shapes, and indexing.

An alias documents a shape in a way that type checkers accept: `Weights = Annotated[Tensor, "head query key"]`.
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
    """The index of all three axes: an ellipsis, or axes missing at the end, are whole axes."""
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
    """int64 positions along one axis; negative numbers count from the end; two lists select the block they span."""
    if isinstance(part, slice):
        forwards = (part.step or 1) > 0
        return torch.arange(size)[part] if forwards else torch.tensor(range(size)[part], dtype=torch.long)
    try:
        picked = torch.as_tensor(list(part) if isinstance(part, range) else part)
    except (TypeError, ValueError, RuntimeError):
        picked = torch.tensor(torch.nan)
    scalar = picked.ndim == 0 and not is_number(part)
    if (picked.is_floating_point() and picked.numel()) or picked.is_complex() or picked.ndim > 1 or scalar:
        raise InputError(
            f"{axis} {part!r} is no index; give an integer, a slice, or a list of integers or of bools"
        )
    if picked.dtype == torch.bool:
        if len(picked.reshape(-1)) != size:
            raise InputError(f"{axis}: a list of bools needs one per position, {size}, not {picked.numel()}")
        picked = picked.nonzero().squeeze(1)
    picked = picked.reshape(-1).long()
    if len(picked) and (int(picked.max()) >= size or int(picked.min()) < -size):
        raise IndexError(f"{axis} {part!r} is out of range: there are {size}, numbered 0 to {size - 1}")
    return picked % size


def take(tensor: Tensor, positions: Tensor, dim: int) -> Tensor:
    """`index_select` that returns a view of a contiguous range, so that nothing is copied."""
    count = len(positions)
    if count and int(positions[-1]) - int(positions[0]) == count - 1:
        if count < 3 or bool((positions.diff() == 1).all()):
            return tensor.narrow(dim, int(positions[0]), count)
    return tensor.index_select(dim, positions.to(tensor.device))


def take_broadcast(tensor: Tensor, heads: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """A block of a tensor whose axes of length 1 are broadcast."""
    for dim, positions in enumerate((heads, rows, cols)):
        if tensor.shape[dim] > 1:
            tensor = take(tensor, positions, dim)
    return tensor
