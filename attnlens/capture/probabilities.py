"""Probabilities on their way: what a softmax becomes before it is multiplied with values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from .tags import (
    BATCHES,
    FACTORS,
    Probabilities,
    Scores,
    Sighting,
    einsum_parts,
    is_parameter,
    operands,
    with_operand,
)
from .vocabulary import BADDBMM, DROPOUT, EINSUM, MIX, PERMUTE, STEPS, overwrites


def softmax_dim(args: tuple, kwargs: dict) -> int:
    """The softmax axis as a negative number."""
    source, dim = operands(args, kwargs, ("input|self", "dim"))
    ndim = source.ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
    return dim if dim < 0 else dim - ndim


_TOUCHING = ("mul", "div", "masked_fill", "where", "slice", "fix")


def follow_probabilities(
    tag: Probabilities,
    source: Tensor,
    func: Callable,
    args: tuple,
    kwargs: dict,
    output: Tensor,
    before: Tensor | None = None,
) -> Probabilities | None:
    """The tag after one more step, or None when the result can no longer be attention.

    before: the weights as they were, where the step was dropout in place
    """
    if func in DROPOUT:
        clean = source if output is not source else before
        return tag if tag.clean is not None or clean is None else replace(tag, clean=clean)
    step = STEPS.get(func)
    if func in EINSUM:
        key_dim = _einsum_kept(tag, args, source)
    elif func in PERMUTE:
        key_dim = _permuted_dim(func, args, kwargs, source, tag.key_dim)
    elif func in MIX:
        key_dim = _mixed_dim(tag, func, args, kwargs, source, output)
    else:
        key_dim = _kept_dim(tag, step, args, source, output)
    if key_dim is None:
        return None
    clean = None
    if tag.clean is not None:
        clean = _again(func, args, kwargs, source, tag.clean)
        if clean is None:
            return None
    mixed = func in MIX or func in EINSUM
    return replace(
        tag,
        clean=clean,
        key_dim=key_dim,
        scores=None if mixed else tag.scores,
        touched=tag.touched or step in _TOUCHING,
    )


def _kept_dim(
    tag: Probabilities, step: str | None, args: tuple, source: Tensor, output: Tensor
) -> int | None:
    """The softmax axis after a step that leaves it where it was, else None."""
    if step not in ("same", "view", *_TOUCHING) or output.ndim < 2:
        return None
    if step == "slice":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        reaches = len(index) >= source.ndim or any(part is Ellipsis for part in index)
        return None if reaches and not isinstance(index[-1], slice | type(Ellipsis)) else tag.key_dim
    return tag.key_dim if output.shape[tag.key_dim :] == source.shape[tag.key_dim :] else None


def _mixed_dim(
    tag: Probabilities, func: Callable, args: tuple, kwargs: dict, source: Tensor, output: Tensor
) -> int | None:
    """The softmax axis after heads were combined; None if the combination ran over keys."""
    last = getattr(func, "__name__", "").startswith(("linear", "layer_norm"))
    mixed = -1 if last else 1 - output.ndim
    same = output.ndim == source.ndim and output.shape[tag.key_dim] == source.shape[tag.key_dim]
    mixes = operands(args, kwargs, ("input|self",))[0] is source
    return tag.key_dim if mixes and same and tag.key_dim != mixed else None


def _einsum_kept(tag: Probabilities, args: tuple, source: Tensor) -> int | None:
    """The softmax axis after a product over another one, as 'bhij,hg->bgij'."""
    parsed = einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (_, b), out = parsed
    mine, other = (a, b) if left is source else (b, a)
    key = mine[tag.key_dim]
    return out.index(key) - len(out) if key in out and key not in other and len(out) == len(mine) else None


def _again(func: Callable, args: tuple, kwargs: dict, source: Tensor, clean: Tensor) -> Tensor | None:
    """The same step on the weights as they were before dropout; in-place steps would spoil them."""
    if overwrites(func):
        clean = clean.clone()
    args, kwargs = with_operand(args, kwargs, source, clean)
    return func(*args, **kwargs)


def _permuted_dim(func: Callable, args: tuple, kwargs: dict, source: Tensor, key_dim: int) -> int:
    """Where the softmax axis is after a permutation: tried on an index tensor of the same rank."""
    probe = torch.empty([2 + i for i in range(source.ndim)], device="meta")
    args, kwargs = with_operand(args, kwargs, source, probe)
    moved = func(*args, **kwargs)
    return list(moved.shape).index(probe.shape[key_dim]) - source.ndim


def attention_of(
    tag: Probabilities, func: Callable, args: tuple, kwargs: dict, source: Tensor
) -> Tensor | None:
    """The weights `[..., query, key]` if this product multiplies them with values, else None."""
    weights = source if tag.clean is None else tag.clean
    if func in EINSUM:
        return _einsum_attention(tag, weights, args, source)
    *_, left, right = operands(args, kwargs, BATCHES if func in BADDBMM else FACTORS)
    if left is source and tag.key_dim == -1 and not is_parameter(right):
        return weights
    if right is source and tag.key_dim == -2 and not is_parameter(left):
        return weights.transpose(-1, -2)
    return None


def mixing(
    tag: Probabilities, func: Callable, args: tuple, kwargs: dict, source: Tensor
) -> tuple[Tensor, tuple[int, ...] | None] | None:
    """(values `[*lead, key, d_head]`, the axes of the result in the order `[*lead, query, d_head]`) of a product
    that `attention_of` knows; the axes are None where they stand so already. None for another kind of product.
    """
    if func in EINSUM:
        (left, a), (right, b), out = einsum_parts(args)
        mine, other, values = (a, b, right) if left is source else (b, a, left)
        key = mine[tag.key_dim]
        lead = [letter for letter in mine if letter in out and letter in other]
        query = [letter for letter in mine if letter in out and letter not in other]
        inner = [letter for letter in out if letter not in mine]
        if len(inner) != 1:
            return None
        axes = tuple(out.index(letter) for letter in (*lead, *query, *inner))
        return values.permute([other.index(letter) for letter in (*lead, key, *inner)]), axes
    *base, left, right = operands(args, kwargs, BATCHES if func in BADDBMM else FACTORS)
    if base and kwargs.get("beta", 1) != 0 and bool(base[0].any()):
        return None
    if left is source:
        return right, None
    rank = max(left.ndim, right.ndim)
    return left.transpose(-1, -2), (*range(rank - 2), rank - 1, rank - 2)


def _einsum_attention(tag: Probabilities, weights: Tensor, args: tuple, source: Tensor) -> Tensor | None:
    parsed = einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (right, b), out = parsed
    mine, other, values = (a, b, right) if left is source else (b, a, left)
    key = mine[tag.key_dim]
    queries = [letter for letter in mine if letter in out and letter not in other]
    lead = [letter for letter in mine if letter in out and letter in other]
    if key in out or key not in other or len(queries) != 1 or len(mine) != len(lead) + 2:
        return None
    if is_parameter(values):
        return None
    return weights.permute([mine.index(letter) for letter in (*lead, *queries, key)])


def softmaxed(scores: Scores | None, dim: int) -> Probabilities:
    """The tag of a softmax's result; scores are kept where the softmax ran over their keys or queries."""
    if scores is not None and dim == -2:
        scores = scores.transposed()
    return Probabilities(dim, scores if dim in (-1, -2) else None, Sighting())


def overwritten(tag: Probabilities, func: Callable) -> Probabilities | None:
    """The tag of weights that an unknown function changed in place; None if it moved their axes."""
    moved = func in PERMUTE or func in MOVING
    return None if moved else replace(tag, scores=None, clean=None, touched=True)


MOVING = frozenset(
    getattr(torch.Tensor, name)
    for name in (
        "transpose_",
        "t_",
        "swapaxes_",
        "swapdims_",
        "squeeze_",
        "unsqueeze_",
        "resize_",
        "resize_as_",
    )
)
