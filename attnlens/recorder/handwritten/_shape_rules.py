"""The effect of functions that rearrange, index, join or reduce a tensor on its axes; see `_axis_rules`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..._checks import as_integer
from ._axis_operations import Step, common_kind, cut, doubt
from ._provenance import FEATURE, POSITION, UNKNOWN, Axes, Axis, AxisPart, axis_of, kinds, length
from ._tags import with_operand


def view(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    return _reshaped(source, step.shape)


def _reshaped(source: Axes, shape: Sequence[int]) -> tuple[Axis, ...] | None:
    """The parts redistributed, in order, over axes of these sizes; None where they do not fit."""
    left = [part for axis in reversed(source.axes) for part in reversed(axis) if part.size > 1]
    axes = []
    for size in shape:
        axis: list[AxisPart] = []
        while size > 1:
            if not left:
                return None
            part = left.pop()
            if size % part.size == 0:
                size //= part.size
            elif part.size % size == 0:
                part, rest = part.halves(size)
                left.append(rest)
                size = 1
            else:
                return None
            axis.append(part)
        axes.append(tuple(axis))
    return None if left else tuple(axes)


def repeat(source: Axes, step: Step) -> tuple[Axis, ...]:
    return _repeated(source.axes, step.shape, outer=True)


def interleave(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    whole = len(step.shape) == len(source.axes) and all(n % m == 0 for n, m in zip(step.shape, source.shape))
    return _repeated(source.axes, step.shape, outer=False) if whole else None


def _repeated(axes: Sequence[Axis], shape: Sequence[int], outer: bool) -> tuple[Axis, ...]:
    """Axes, aligned at the end, with repeated content: the whole axis repeated, or each entry."""
    axes_out = []
    for axis, size in zip([()] * (len(shape) - len(axes)) + list(axes), shape):
        times = axis_of(size // length(axis), UNKNOWN)
        axes_out.append((*times, *axis) if outer else (*axis, *times))
    return tuple(axes_out)


def permute(source: Axes, step: Step) -> tuple[Axis, ...]:
    """The new place of each axis, from a trial with distinct sizes."""
    probe = torch.empty([2 + i for i in range(len(source.axes))], device="meta")
    args, kwargs = with_operand(step.args, step.kwargs, step.operands("input|self")[0], probe)
    return tuple(source.axes[size - 2] for size in step.func(*args, **kwargs).shape)


def index(source: Axes, step: Step) -> Axes | None:
    """Basic indexing, and one tensor of indices for an axis."""
    index = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
    tensors = [i for i in index if isinstance(i, Tensor) and i.ndim > 0]
    if any(i is True or i is False or isinstance(i, (list, tuple)) for i in index) or len(tensors) > 1:
        return None
    if any(i.dtype in (torch.bool, torch.uint8) and i.ndim > 1 for i in tensors):
        return None
    used = sum(i is not None and i is not Ellipsis for i in index)
    if not any(i is Ellipsis for i in index):
        index = (*index, Ellipsis)
    left, axes, dropped = list(source.axes), [], list(source.dropped)
    for i in index:
        if i is Ellipsis:
            rest = len(source.axes) - used
            axes, left = axes + left[:rest], left[rest:]
        elif i is None:
            axes.append(())
        elif isinstance(i, slice):
            axis = left.pop(0)
            start, _, by = i.indices(length(axis))
            kept, gone = _slice(axis, step.shape[len(axes)], start if by == 1 else None)
            axes.append(kept)
            dropped += gone
        elif isinstance(i, Tensor) and i.ndim > 0:
            axis, at = left.pop(0), len(axes)
            axes += [
                cut(axis, size) for size in step.shape[at : at + (1 if i.dtype == torch.bool else i.ndim)]
            ]
        else:
            dropped += left.pop(0)
    return replace(source, axes=tuple(axes), dropped=tuple(dropped))


def select(source: Axes, step: Step) -> Axes:
    return _without(source, step.dim(0) % len(source.axes))


def unbind(source: Axes, step: Step) -> list[Axes]:
    return [_without(source, step.dim(0) % len(source.axes))] * len(step.result)


def _without(source: Axes, dim: int) -> Axes:
    axes = source.axes
    return replace(source, axes=(*axes[:dim], *axes[dim + 1 :]), dropped=(*source.dropped, *axes[dim]))


def split(source: Axes, step: Step) -> list[Axes]:
    pieces, starts = [], [0] * len(source.axes)
    for piece in step.result:
        cuts = [_slice(axis, size, start) for axis, size, start in zip(source.axes, piece.shape, starts)]
        starts = [start + size for start, size in zip(starts, piece.shape)]
        gone = sum((out for _, out in cuts), source.dropped)
        pieces.append(replace(source, axes=tuple(axis for axis, _ in cuts), dropped=gone))
    return pieces


def _slice(axis: Axis, size: int, start: int | None) -> tuple[Axis, Axis]:
    """(a slice of an axis, the parts removed by indexing): one entry of the outer parts keeps the inner ones whole."""
    if length(axis) == size:
        return axis, ()
    for at in range(1, len(axis)):
        if length(axis[at:]) == size and start is not None and start % size == 0:
            return axis[at:], axis[:at]
    return cut(axis, size, start), axis if size == 1 else ()


def reduce(source: Axes, step: Step) -> Any:
    """Sums, means and the like over one axis or several."""
    dim, rank = step.dim(), len(source.axes)
    if isinstance(dim, Tensor):
        return NotImplemented
    dims = dim if isinstance(dim, (tuple, list)) else [as_integer(dim)]
    if None in dims:
        return None
    gone = {d % rank for d in dims}
    first = step.result if isinstance(step.result, Tensor) else step.result[0]
    kept = first.ndim == rank
    axes = tuple(() if i in gone else axis for i, axis in enumerate(source.axes) if kept or i not in gone)
    left = Axes(axes, source.dropped, source.fixed)
    return left if isinstance(step.result, Tensor) else [left] * len(step.result)


def cat(source: Axes, step: Step) -> Axes | None:
    """Concatenated tensors. Where all have the same parts along that axis, a part that counts them is added outside:
    the axis that they are pieces of, or the one in which they differ.
    """
    dim = step.dim(0) % step.result.ndim
    tags = [
        tag
        for tag in map(step.provenance.axes_or_unknown, step.tensors())
        if len(tag.axes) == step.result.ndim
    ]
    pieces = [tag.axes[dim] for tag in tags]
    same = len(tags) > 1 and all(_equal(axis, pieces[0]) for axis in pieces)
    if same:
        counted, dropped = _counted(tags, dim)
        return _put(tags, dim, (*counted, *pieces[0]), dropped, insert=False)
    return _put(tags, dim, _end_to_end(pieces, step.shape[dim]), source.dropped, insert=False)


def stack(source: Axes, step: Step) -> Axes | None:
    dim = step.dim(0) % step.result.ndim
    tags = [step.provenance.axes_or_unknown(tensor) for tensor in step.tensors()]
    return _put(tags, dim, *_counted(tags, None), insert=True)


def _put(tags: list[Axes], dim: int, axis: Axis, dropped: Axis, insert: bool) -> Axes:
    """The best known axes of several tensors, with one axis replaced or inserted."""
    tags = sorted(tags, key=lambda tag: -prod(tag.shape))
    axes = [min((tag.axes[i] for tag in tags), key=doubt) for i in range(len(tags[0].axes))]
    axes[dim : dim + (not insert)] = [axis]
    fixed = all(tag.fixed for tag in tags)
    return Axes(tuple(axes), dropped, fixed, not fixed and all(tag.fixed or tag.learned for tag in tags))


def _counted(tags: list[Axes], dim: int | None) -> tuple[Axis, Axis]:
    """(the part that counts joined tensors, the parts that are still removed by indexing)"""
    count, first = len(tags), tags[0]
    if count == 1:
        return (), first.dropped
    last = first.dropped[-1:]
    if last and last[0].size == count and all(_equal(tag.dropped[-1:], last) for tag in tags):
        return last, first.dropped[:-1]
    apart = []
    for at, axis in enumerate(first.axes):
        if at == dim or all(_equal(tag.axes[at], axis) for tag in tags):
            continue
        wholes = {id(part.whole) for tag in tags for part in tag.axes[at]}
        if len(axis) == 1 and axis[0].whole is not None and len(wholes) == 1:
            whole = axis[0].whole
            pieces = _are_disjoint([tag.axes[at][0] for tag in tags])  # else they are a sliding window
            return axis_of(count, whole.kind if pieces else UNKNOWN, whole), first.dropped
        apart.append(kinds(axis))
    if apart and all(kind == {FEATURE} for kind in apart):
        return axis_of(count, FEATURE), first.dropped
    # Several views of each input, consecutive in the batch; a new axis may also be heads.
    views = dim is not None and any(POSITION in kind for kind in apart)
    return axis_of(count, POSITION if views else UNKNOWN), first.dropped


def _are_disjoint(slices: list[AxisPart]) -> bool:
    """Whether slices of one part do not overlap, as far as their starts are known."""
    starts = [part.start for part in slices]
    if None in starts:
        return sum(part.size for part in slices) <= slices[0].whole.size
    ordered = sorted(zip(starts, (part.size for part in slices)))
    return all(start + size <= after for (start, size), (after, _) in pairwise(ordered))


def _equal(a: Axis, b: Axis) -> bool:
    return len(a) == len(b) and all(x.same(y) for x, y in zip(a, b))


def _end_to_end(axes: list[Axis], size: int) -> Axis:
    """Consecutive pieces of one part are that part again; otherwise the axis has their common kind."""
    wholes = {id(axis[0].whole): axis[0].whole for axis in axes if len(axis) == 1}
    if len(wholes) == 1 and all(len(axis) == 1 for axis in axes):
        whole = next(iter(wholes.values()))
        if whole is not None and whole.size == size:
            return (whole,)
    return axis_of(size, common_kind(set().union(*map(kinds, axes))))


def slide(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    """Tensor.unfold: windows along one axis, with the positions inside them last."""
    dim = step.operands("self", "dimension")[1] % len(source.axes)
    kind = common_kind(kinds(source.axes[dim]))
    axes = [
        axis_of(n, kind) if i == dim else axis for i, (axis, n) in enumerate(zip(source.axes, step.shape))
    ]
    return (*axes, axis_of(step.shape[-1], UNKNOWN))
