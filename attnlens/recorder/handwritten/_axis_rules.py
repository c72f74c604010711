"""The effect of each function on the axes of its operands: `axes_after`.

A rule takes the axes of its first operand and the call, and returns the axes of the result: as a tuple, as `Axes`, as
a list of them for several results, or None where they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..._checks import as_integer
from ._functions import BADDBMM, EINSUM, PERMUTE, PRODUCTS, SDPA, spellings
from ._provenance import (
    FEATURE,
    FIXED,
    INPUT,
    POSITION,
    UNKNOWN,
    Axes,
    Axis,
    AxisPart,
    Provenance,
    axis_of,
    kinds,
    length,
)
from ._tags import einsum_terms, operands, with_operand


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


def axes_after(provenance: Provenance, func: Callable, args: tuple, kwargs: dict, result: Any) -> Any:
    """The axes of a call's result: `Axes`, or a list for several tensors; None where they are not known."""
    step = Step(func, args, kwargs, result, provenance)
    tags_or_none = [provenance.of(tensor) for tensor in step.tensors()]
    tags = [tag for tag in tags_or_none if tag is not None]
    if not tags_or_none and isinstance(result, Tensor):
        return Axes(tuple(axis_of(size, FIXED) for size in result.shape), fixed=True)
    if not tags:
        return None
    fixed = all(tag is not None and tag.fixed for tag in tags_or_none)
    rule = RULES.get(func)
    if rule is None:
        return _unfollowed(tags, result, fixed)
    source = (
        tags_or_none[0] if rule in _OF_THE_FIRST else next((tag for tag in tags if not tag.fixed), tags[0])
    )
    if source is None:
        return None
    axes = rule(source, step)
    if axes is NotImplemented:
        return _unfollowed(tags, result, fixed)
    if axes is None or isinstance(axes, (Axes, list)):
        return axes
    if rule is _product and fixed:
        return Axes(axes, source.dropped, learned=True)  # a memory times its projection
    if rule is _product:
        activations = [tag for tag in tags if not tag.fixed]
        learned = bool(activations) and all(tag.learned for tag in activations) and None not in tags_or_none
        return Axes(
            axes, source.dropped, fixed, learned, product=len(activations) > 1 or None in tags_or_none
        )
    learned = all(tag is not None and (tag.fixed or tag.learned) for tag in tags_or_none)
    if rule in (_linear, _conv):
        return Axes(axes, source.dropped, learned=learned)
    return Axes(axes, source.dropped, fixed, learned and not fixed, source.product and rule in _OF_THE_FIRST)


# -- shapes -----------------------------------------------------------------------------------------------------


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


def _cut(axis: Axis, size: int, start: int | None = None) -> Axis:
    """An axis made shorter or longer: an axis of one kind keeps it.

    start: where a slice begins
    """
    if length(axis) == size:
        return axis
    whole = axis[0] if len(axis) == 1 and axis[0].size > size else None
    kind = _common(kinds(axis))
    if size == 1 and start is not None and whole is not None and kind in (POSITION, INPUT):
        return (AxisPart(1, kind, whole, start=start),)  # one of the queries that are processed in chunks
    return axis_of(size, kind, whole, start)


def _common(kinds_joined: set[str]) -> str:
    """The kind of an axis joined from several: positions, unless there are features."""
    kinds_known = kinds_joined - {FIXED, UNKNOWN} or kinds_joined
    if len(kinds_known) == 1:
        return next(iter(kinds_known))
    return UNKNOWN if FEATURE in kinds_known or not kinds_known else POSITION


def _repeated(axes: Sequence[Axis], shape: Sequence[int], outer: bool) -> tuple[Axis, ...]:
    """Axes, aligned at the end, with repeated content: the whole axis repeated, or each entry."""
    axes_out = []
    for axis, size in zip([()] * (len(shape) - len(axes)) + list(axes), shape):
        times = axis_of(size // length(axis), UNKNOWN)
        axes_out.append((*times, *axis) if outer else (*axis, *times))
    return tuple(axes_out)


def broadcast(leads: list[tuple[Sequence[Axis], bool]], shape: Sequence[int]) -> tuple[Axis, ...]:
    """The axes of operands `(axes, fixed)`, aligned at the end: each from the best known operand."""
    mixed = not all(fixed for _, fixed in leads)
    axes_out = []
    for at, size in zip(range(-len(shape), 0), shape):
        full = [
            _featured(axes[at], fixed and mixed)
            for axes, fixed in leads
            if len(axes) >= -at and length(axes[at]) == size
        ]
        axes_out.append(min(full, key=_doubt) if full else axis_of(size, UNKNOWN))
    return tuple(axes_out)


def _doubt(axis: Axis) -> int:
    return len(kinds(axis) & {FIXED, UNKNOWN})


def _featured(axis: Axis, fixed: bool) -> Axis:
    """An axis of a parameter beside activations: features."""
    return tuple(AxisPart(part.size, FEATURE, part) for part in axis) if fixed else axis


def _unfollowed(tags: list[Axes], result: Any, fixed: bool) -> Any:
    """Elementwise functions, and all without a rule: the axes by the shape of the result."""
    if isinstance(result, (tuple, list)):
        return [_unfollowed(tags, r, fixed) if isinstance(r, Tensor) else None for r in result]
    if not isinstance(result, Tensor):
        return None
    shape = result.shape
    used = [tag for tag in tags if not tag.fixed]
    learned = bool(used) and all(tag.learned for tag in used)
    for tag in used:
        if tag.shape != shape or tag.learned != learned:
            continue
        if tag.product or not any(_doubt(axis) for axis in tag.axes):
            return tag
    source = next(iter(used), tags[0])
    if all(len(tag.axes) <= len(shape) and _stretches(tag.shape, shape) for tag in tags):
        axes = broadcast([(tag.axes, tag.fixed) for tag in tags], shape)
        return Axes(axes, source.dropped, fixed, learned)
    if len(shape) != len(source.axes):
        return None
    return Axes(tuple(map(_cut, source.axes, shape)), source.dropped, fixed, learned)


def _stretches(small: Sequence[int], shape: Sequence[int]) -> bool:
    return all(a in (1, b) for a, b in zip(reversed(small), reversed(shape)))


# -- the functions ----------------------------------------------------------------------------------------------


def _view(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    return _reshaped(source, step.shape)


def _repeat(source: Axes, step: Step) -> tuple[Axis, ...]:
    return _repeated(source.axes, step.shape, outer=True)


def _interleave(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    whole = len(step.shape) == len(source.axes) and all(n % m == 0 for n, m in zip(step.shape, source.shape))
    return _repeated(source.axes, step.shape, outer=False) if whole else None


def _permute(source: Axes, step: Step) -> tuple[Axis, ...]:
    """The new place of each axis, from a trial with distinct sizes."""
    probe = torch.empty([2 + i for i in range(len(source.axes))], device="meta")
    args, kwargs = with_operand(step.args, step.kwargs, step.operands("input|self")[0], probe)
    return tuple(source.axes[size - 2] for size in step.func(*args, **kwargs).shape)


def _linear(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    if step.result.ndim != len(source.axes):
        return None
    *rest, axis = source.axes
    return (*rest, axis_of(step.shape[-1], _projected(axis, rest)))


def _projected(axis: Axis, rest: Sequence[Axis]) -> str:
    """The kind of a linear layer's output: features, except positions for positions beside features (MLP-Mixer)."""
    if kinds(axis) != {POSITION}:
        return FEATURE
    return POSITION if any(kinds(other) == {FEATURE} for other in rest) else FEATURE


def _conv(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    if step.result.ndim != len(source.axes):
        return None
    spatial = [
        axis if n == length(axis) and kinds(axis) <= {POSITION} else axis_of(n, POSITION)
        for axis, n in zip(source.axes[2:], step.shape[2:])
    ]
    return (source.axes[0], axis_of(step.shape[1], FEATURE), *spatial)


def _embedding(source: Axes, step: Step) -> tuple[Axis, ...]:
    """A table indexed by integers `[...]`: `[..., d_model]`."""
    return (*source.axes[: step.result.ndim - 1], axis_of(step.shape[-1], FEATURE))


def _product(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    if step.func in EINSUM:
        return _einsum(step)
    names = (
        ("input|self", "batch1|mat1", "batch2|mat2")
        if step.func in _WITH_BASE
        else ("input|self", "other|mat2|tensor2")
    )
    *_, left, right = step.operands(*names)
    a, b = step.provenance.axes_or_unknown(left), step.provenance.axes_or_unknown(right)
    if len(a.axes) < 2 or len(b.axes) < 2:
        return None
    if b.fixed and not a.fixed and len(b.axes) == 2:
        *rest, axis = a.axes
        return (*rest, axis_of(step.shape[-1], _projected(axis, rest)))
    if a.fixed and not b.fixed and len(a.axes) == 2:
        *rest, axis, col = b.axes
        return (*rest, axis_of(step.shape[-2], _projected(axis, [*rest, col])), col)
    lead = broadcast([(a.axes[:-2], a.fixed), (b.axes[:-2], b.fixed)], step.shape[:-2])
    return (*lead, _featured(a.axes[-2], a.fixed > b.fixed), _featured(b.axes[-1], b.fixed > a.fixed))


def _einsum(step: Step) -> tuple[Axis, ...] | None:
    terms = einsum_terms(step.args)
    if terms is None or len(terms[1]) != step.result.ndim:
        return None
    pairs, out = terms
    tags = [(step.provenance.axes_or_unknown(tensor), letters) for tensor, letters in pairs]
    mixed = not all(tag.fixed for tag, _ in tags)
    axes = []
    for letter, size in zip(out, step.shape):
        have = [(tag.axes[letters.index(letter)], tag.fixed) for tag, letters in tags if letter in letters]
        have = [(axis, fixed) for axis, fixed in have if length(axis) == size] or [((), False)]
        axis, fixed = min(have, key=lambda pair: _doubt(pair[0]))
        if mixed and fixed:
            axis = axis_of(size, _mapped(letter, tags, out))
        axes.append(axis if length(axis) == size else axis_of(size, UNKNOWN))
    return tuple(axes)


def _mapped(letter: str, tags: list[tuple[Axes, str]], out: str) -> str:
    """The kind of the axis that a parameter with this letter makes from the summed axis of activations."""
    weight = next(letters for tag, letters in tags if tag.fixed and letter in letters)
    for tag, letters in tags:
        summed = [x for x in letters if x in weight and x not in out]
        if not tag.fixed and summed:
            return _projected(
                tag.axes[letters.index(summed[0])], [tag.axes[letters.index(x)] for x in letters if x in out]
            )
    return FEATURE


def _attend(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    """scaled_dot_product_attention: the queries' axes, and the features of the values."""
    query, key, value = (step.provenance.axes_or_unknown(t) for t in step.operands("query", "key", "value"))
    result = step.result[0] if isinstance(step.result, tuple) else step.result
    if not len(query.axes) == len(value.axes) == result.ndim or length(query.axes[-2]) != result.shape[-2]:
        return None
    lead = broadcast([(t.axes[:-2], t.fixed) for t in (query, key, value)], result.shape[:-2])
    axes = Axes((*lead, query.axes[-2], value.axes[-1]), query.dropped)
    return axes if isinstance(step.result, Tensor) else [axes] + [None] * (len(step.result) - 1)


def _index(source: Axes, step: Step) -> Axes | None:
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
                _cut(axis, size) for size in step.shape[at : at + (1 if i.dtype == torch.bool else i.ndim)]
            ]
        else:
            dropped += left.pop(0)
    return replace(source, axes=tuple(axes), dropped=tuple(dropped))


def _select(source: Axes, step: Step) -> Axes:
    return _without(source, step.dim(0) % len(source.axes))


def _unbind(source: Axes, step: Step) -> list[Axes]:
    return [_without(source, step.dim(0) % len(source.axes))] * len(step.result)


def _without(source: Axes, dim: int) -> Axes:
    axes = source.axes
    return replace(source, axes=(*axes[:dim], *axes[dim + 1 :]), dropped=(*source.dropped, *axes[dim]))


def _split(source: Axes, step: Step) -> list[Axes]:
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
    return _cut(axis, size, start), axis if size == 1 else ()


def _reduce(source: Axes, step: Step) -> Any:
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


def _cat(source: Axes, step: Step) -> Axes | None:
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


def _stack(source: Axes, step: Step) -> Axes | None:
    dim = step.dim(0) % step.result.ndim
    tags = [step.provenance.axes_or_unknown(tensor) for tensor in step.tensors()]
    return _put(tags, dim, *_counted(tags, None), insert=True)


def _put(tags: list[Axes], dim: int, axis: Axis, dropped: Axis, insert: bool) -> Axes:
    """The best known axes of several tensors, with one axis replaced or inserted."""
    tags = sorted(tags, key=lambda tag: -prod(tag.shape))
    axes = [min((tag.axes[i] for tag in tags), key=_doubt) for i in range(len(tags[0].axes))]
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
    return axis_of(size, _common(set().union(*map(kinds, axes))))


def _slide(source: Axes, step: Step) -> tuple[Axis, ...] | None:
    """Tensor.unfold: windows along one axis, with the positions inside them last."""
    dim = step.operands("self", "dimension")[1] % len(source.axes)
    kind = _common(kinds(source.axes[dim]))
    axes = [
        axis_of(n, kind) if i == dim else axis for i, (axis, n) in enumerate(zip(source.axes, step.shape))
    ]
    return (*axes, axis_of(step.shape[-1], UNKNOWN))


Rule = Callable[[Axes, Step], Any]
_WITH_BASE = BADDBMM | frozenset(spellings("addmm"))
_NAMES: dict[Rule, tuple[str, ...]] = {
    _view: (
        *("view", "reshape", "unflatten", "flatten", "squeeze", "unsqueeze", "_unsafe_view", "ravel"),
        *("view_as", "reshape_as", "squeeze_", "unsqueeze_", "contiguous_"),
    ),
    _repeat: ("expand", "expand_as", "broadcast_to", "repeat", "tile"),
    _interleave: ("repeat_interleave",),
    _linear: ("linear",),
    _conv: ("conv1d", "conv2d", "conv3d"),
    _embedding: ("embedding",),
    _product: ("addmm",),
    _index: ("__getitem__",),
    _select: ("select",),
    _unbind: ("unbind",),
    _split: ("split", "chunk", "tensor_split", "split_with_sizes", "unsafe_split", "unsafe_chunk"),
    _reduce: (
        "sum",
        "mean",
        "amax",
        "amin",
        "max",
        "min",
        "logsumexp",
        "norm",
        "std",
        "var",
        "prod",
        "median",
    ),
    _cat: ("cat", "concat", "concatenate"),
    _stack: ("stack",),
}
RULES: dict[Callable, Rule] = {
    **{func: rule for rule, names in _NAMES.items() for func in spellings(*names)},
    **dict.fromkeys(PERMUTE, _permute),
    **dict.fromkeys(PRODUCTS, _product),
    **dict.fromkeys(SDPA, _attend),
    torch.Tensor.unfold: _slide,
}
_OF_THE_FIRST = {
    _view,
    _repeat,
    _interleave,
    _permute,
    _index,
    _select,
    _unbind,
    _split,
    _reduce,
    _slide,
    _linear,
    _conv,
    _embedding,
}


def follow(provenance: Provenance, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
    """Records the axes of a call's result."""
    if isinstance(result, Tensor):
        if func not in RULES:
            # Most functions keep all axes: the common case comes first.
            for value in args:
                tag = provenance.get(value)
                if tag is not None and not tag.fixed and not tag.learned:
                    if value is result or value.shape == result.shape:
                        provenance[result] = tag
                        return
                    break
        elif RULES[func] is _linear and args:
            tag = provenance.get(args[0])
            if tag is not None and not tag.fixed and not tag.learned and len(tag.axes) == result.ndim:
                *rest, axis = tag.axes
                provenance[result] = Axes(
                    (*rest, axis_of(result.shape[-1], _projected(axis, rest))), tag.dropped
                )
                return
        _note(provenance, result, _axes(provenance, func, args, kwargs, result))
    elif isinstance(result, (tuple, list)):
        tags = _axes(provenance, func, args, kwargs, result)
        for tensor, tag in zip(result, tags or ()):
            if isinstance(tensor, Tensor):
                _note(provenance, tensor, tag)


_UNREADABLE = (TypeError, ValueError, IndexError, KeyError, RuntimeError, ZeroDivisionError)
"""What a rule raises for an unsupported form of a call, or for an axis of length 0."""


def _axes(provenance: Provenance, func: Callable, args: tuple, kwargs: dict, result: Any) -> Any:
    try:
        return axes_after(provenance, func, args, kwargs, result)
    except _UNREADABLE:
        return None


def _note(provenance: Provenance, tensor: Tensor, tag: Axes | None) -> None:
    if tag is not None and tag.shape == tuple(tensor.shape):
        provenance[tensor] = tag
    else:
        provenance.drop(tensor)


def written(provenance: Provenance, args: tuple, kwargs: dict) -> None:
    """A constant tensor that was partly overwritten with activations."""
    target, *others = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)] or [None]
    if target is None or not others:
        return
    tag = provenance.get(target)
    source = max((t for t in others if t.is_floating_point()), key=lambda t: t.ndim, default=None)
    value = None if source is None else provenance.of(source)
    if source is None or (value is not None and value.fixed) or (tag is not None and not tag.fixed):
        return
    for tensor in (target, target._base):
        if tensor is None:
            continue
        provenance.drop(tensor)
        if value is not None and source.ndim == tensor.ndim:
            provenance[tensor] = Axes(tuple(map(_cut, value.axes, tensor.shape)), value.dropped)


def contracted(provenance: Provenance, func: Callable, args: tuple, kwargs: dict) -> set[int]:
    """Identities of the parts that a product of two tensors sums over."""
    step, of = Step(func, args, kwargs, None, provenance), provenance.of
    if func in EINSUM:
        pairs, out = einsum_terms(args)
        axes = [of(t).axes[i] for t, letters in pairs if of(t) for i, x in enumerate(letters) if x not in out]
    else:
        names = (
            ("input|self", "batch1|mat1", "batch2|mat2")
            if func in _WITH_BASE
            else ("input|self", "other|mat2|tensor2")
        )
        *_, left, right = step.operands(*names)
        axes = [of(t).axes[at] for t, at in ((left, -1), (right, -2)) if of(t)]
    return {id(part.root) for axis in axes for part in axis}
