"""The effect of each function on the axes of its operands: `axes_after`.

A rule takes the axes of its first operand and the call, and returns the axes of the result: as a tuple, as `Axes`, as
a list of them for several results, or None where they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import _shape_rules
from ._axis_operations import Step, broadcast, cut, doubt, featured
from ._functions import BADDBMM, EINSUM, PERMUTE, PRODUCTS, SDPA, spellings
from ._provenance import FEATURE, FIXED, POSITION, UNKNOWN, Axes, Axis, Provenance, axis_of, kinds, length
from ._tags import einsum_terms


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
        if tag.product or not any(doubt(axis) for axis in tag.axes):
            return tag
    source = next(iter(used), tags[0])
    if all(len(tag.axes) <= len(shape) and _stretches(tag.shape, shape) for tag in tags):
        axes = broadcast([(tag.axes, tag.fixed) for tag in tags], shape)
        return Axes(axes, source.dropped, fixed, learned)
    if len(shape) != len(source.axes):
        return None
    return Axes(tuple(map(cut, source.axes, shape)), source.dropped, fixed, learned)


def _stretches(small: Sequence[int], shape: Sequence[int]) -> bool:
    return all(a in (1, b) for a, b in zip(reversed(small), reversed(shape)))


# -- projections, products and attention; `_shape_rules` has the others -----------------------------------------


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
    return (*lead, featured(a.axes[-2], a.fixed > b.fixed), featured(b.axes[-1], b.fixed > a.fixed))


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
        axis, fixed = min(have, key=lambda pair: doubt(pair[0]))
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


Rule = Callable[[Axes, Step], Any]
_WITH_BASE = BADDBMM | frozenset(spellings("addmm"))
_NAMES: dict[Rule, tuple[str, ...]] = {
    _shape_rules.view: (
        *("view", "reshape", "unflatten", "flatten", "squeeze", "unsqueeze", "_unsafe_view", "ravel"),
        *("view_as", "reshape_as", "squeeze_", "unsqueeze_", "contiguous_"),
    ),
    _shape_rules.repeat: ("expand", "expand_as", "broadcast_to", "repeat", "tile"),
    _shape_rules.interleave: ("repeat_interleave",),
    _linear: ("linear",),
    _conv: ("conv1d", "conv2d", "conv3d"),
    _embedding: ("embedding",),
    _product: ("addmm",),
    _shape_rules.index: ("__getitem__",),
    _shape_rules.select: ("select",),
    _shape_rules.unbind: ("unbind",),
    _shape_rules.split: (
        "split",
        "chunk",
        "tensor_split",
        "split_with_sizes",
        "unsafe_split",
        "unsafe_chunk",
    ),
    _shape_rules.reduce: (
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
    _shape_rules.cat: ("cat", "concat", "concatenate"),
    _shape_rules.stack: ("stack",),
}
RULES: dict[Callable, Rule] = {
    **{func: rule for rule, names in _NAMES.items() for func in spellings(*names)},
    **dict.fromkeys(PERMUTE, _shape_rules.permute),
    **dict.fromkeys(PRODUCTS, _product),
    **dict.fromkeys(SDPA, _attend),
    torch.Tensor.unfold: _shape_rules.slide,
}
_OF_THE_FIRST = {
    _shape_rules.view,
    _shape_rules.repeat,
    _shape_rules.interleave,
    _shape_rules.permute,
    _shape_rules.index,
    _shape_rules.select,
    _shape_rules.unbind,
    _shape_rules.split,
    _shape_rules.reduce,
    _shape_rules.slide,
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
            provenance[tensor] = Axes(tuple(map(cut, value.axes, tensor.shape)), value.dropped)


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
