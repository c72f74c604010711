"""Tags of probabilities: from a softmax to the product with values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._functions import BADDBMM, DROPOUT, EINSUM, MIX, PERMUTE, STEPS, overwrites
from ._provenance import BATCH, FEATURE, INPUT, POSITION, Axes, kinds
from ._tags import (
    BATCHES,
    FACTORS,
    Probabilities,
    Scores,
    SoftmaxOrigin,
    einsum_parts,
    operands,
    with_operand,
)


def softmax_dim(args: tuple, kwargs: dict) -> int:
    """The softmax axis as a negative number."""
    source, dim = operands(args, kwargs, ("input|self", "dim"))
    ndim = source.ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
    return dim if dim < 0 else dim - ndim


_TOUCHING = ("mul", "div", "add", "sub", "masked_fill", "where", "slice", "fix")


def follow_probabilities(
    tag: Probabilities,
    source: Tensor,
    func: Callable,
    args: tuple,
    kwargs: dict,
    output: Tensor,
    before: Tensor | None = None,
    beside: tuple[Tensor, Probabilities] | None = None,
) -> Probabilities | None:
    """The tag after one more function, or None where the result can no longer be attention.

    before: the weights before the function, where it was dropout in place
    beside: another softmax's result among the operands, and its tag: gates and differences combine two
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
    if beside is not None and beside[1].key_dim != tag.key_dim:
        return None
    pairs = [(source, tag.clean), *([] if beside is None else [(beside[0], beside[1].clean)])]
    clean = None
    if any(without is not None for _, without in pairs):
        clean = _again(func, args, kwargs, pairs)
    mixed = func in MIX or func in EINSUM or beside is not None
    return replace(
        tag,
        clean=clean,
        key_dim=key_dim,
        scores=None if mixed else tag.scores,
        origin=tag.origin if beside is None else tag.origin.joined(beside[1].origin),
        touched=tag.touched or mixed or step in _TOUCHING,
        cut=tag.cut or (step == "slice" and output.shape[key_dim] < source.shape[key_dim]),
    )


def _kept_dim(
    tag: Probabilities, step: str | None, args: tuple, source: Tensor, output: Tensor
) -> int | None:
    """The softmax axis after a function that does not move it, else None."""
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
    """The softmax axis after combining heads; None where keys were combined."""
    last = getattr(func, "__name__", "").startswith(("linear", "layer_norm"))
    mixed = -1 if last else 1 - output.ndim
    same = output.ndim == source.ndim and output.shape[tag.key_dim] == source.shape[tag.key_dim]
    mixes = operands(args, kwargs, ("input|self",))[0] is source
    return tag.key_dim if mixes and same and tag.key_dim != mixed else None


def _einsum_kept(tag: Probabilities, args: tuple, source: Tensor) -> int | None:
    """The softmax axis after a product over another axis, as 'bhij,hg->bgij'."""
    parsed = einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (_, b), out = parsed
    mine, other = (a, b) if left is source else (b, a)
    key = mine[tag.key_dim]
    return out.index(key) - len(out) if key in out and key not in other and len(out) == len(mine) else None


def _again(
    func: Callable, args: tuple, kwargs: dict, pairs: list[tuple[Tensor, Tensor | None]]
) -> Tensor | None:
    """The same function on the weights before dropout; on a copy for in-place functions."""
    for source, clean in pairs:
        if clean is not None:
            clean = clean.clone() if overwrites(func) else clean
            args, kwargs = with_operand(args, kwargs, source, clean)
    return func(*args, **kwargs)


def _permuted_dim(func: Callable, args: tuple, kwargs: dict, source: Tensor, key_dim: int) -> int:
    """The softmax axis after a permutation, from a trial on a tensor with distinct sizes."""
    probe = torch.empty([2 + i for i in range(source.ndim)], device="meta")
    args, kwargs = with_operand(args, kwargs, source, probe)
    moved = func(*args, **kwargs)
    return list(moved.shape).index(probe.shape[key_dim]) - source.ndim


@dataclass(frozen=True)
class ValueProduct:
    """A product of weights with values.

    order: the axes of the weights as `[*lead, query, key]`
    values: the other operand; key: its axis that is summed over, inner: its feature axis, None for several
    arranged: the values as `[*lead, key, d_head]`, axes: those of the result as `[*lead, query, d_head]` (None: the
        identity); both None where the result holds more than this product
    """

    order: tuple[int, ...]
    values: Tensor
    key: int
    inner: int | None
    arranged: Tensor | None = None
    axes: tuple[int, ...] | None = None


def value_product(
    tag: Probabilities, func: Callable, args: tuple, kwargs: dict, source: Tensor, axes: Axes | None
) -> ValueProduct | None:
    """The product of the weights with values; None where this function is not one.

    axes: the provenance of the weights' axes
    """
    if func in EINSUM:
        return _einsum_mixing(tag, args, source, axes)
    *base, left, right = operands(args, kwargs, BATCHES if func in BADDBMM else FACTORS)
    rank = source.ndim
    plain = not (base and kwargs.get("beta", 1) != 0 and bool(base[0].any()))
    if left is source and tag.key_dim == -1 and right.ndim > 1:
        return ValueProduct((*range(rank),), right, right.ndim - 2, right.ndim - 1, right if plain else None)
    if right is source and tag.key_dim == -2 and left.ndim > 1:
        turned = (*range(rank - 2), rank - 1, rank - 2)
        top = max(left.ndim, rank)
        out = (*range(top - 2), top - 1, top - 2)
        arranged = left.transpose(-1, -2) if plain else None
        return ValueProduct(turned, left, left.ndim - 1, left.ndim - 2, arranged, out)
    return None


def _einsum_mixing(tag: Probabilities, args: tuple, source: Tensor, axes: Axes | None) -> ValueProduct | None:
    parsed = einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (right, b), out = parsed
    mine, other, values = (a, b, right) if left is source else (b, a, left)
    key = mine[tag.key_dim]
    rest = [letter for letter in mine if letter != key]
    alone = [letter for letter in rest if letter not in other]
    if key in out or key not in other or not alone or not set(rest) <= set(out):
        return None
    query = _query_letter(alone, mine, axes)
    lead = [letter for letter in rest if letter != query]
    order = tuple(mine.index(letter) for letter in (*lead, query, key))
    inner = [letter for letter in out if letter not in mine]
    if len(inner) != 1 or not set(other) <= {*lead, key, *inner}:
        return ValueProduct(order, values, other.index(key), None)
    arranged = values.permute([other.index(letter) for letter in (*lead, key, *inner) if letter in other])
    for at, letter in enumerate(lead):  # heads that share their values
        arranged = arranged if letter in other else arranged.unsqueeze(at)
    last = tuple(out.index(letter) for letter in (*lead, query, *inner))
    return ValueProduct(order, values, other.index(key), other.index(inner[0]), arranged, last)


def _query_letter(alone: list[str], mine: str, axes: Axes | None) -> str:
    """The query axis among the axes that only the weights have: the one that is not a head, or the last one."""
    tokens = [x for x in alone if axes is not None and FEATURE not in kinds(axes.axes[mine.index(x)])]
    return tokens[0] if len(tokens) == 1 else alone[-1]


def is_attention(weights: Axes, values: Axes | None, value_product: ValueProduct) -> bool:
    """Whether the keys are tokens: not branches, experts, channels beside tokens, or a table of constants."""
    if values is not None and values.fixed:
        return False
    rows, keys = (kinds(weights.axes[at]) for at in value_product.order[-2:])
    summed = kinds(values.axes[value_product.key]) if values is not None else set()
    if weights.product:
        return summed != {FEATURE} or rows == {FEATURE}
    return summed != {FEATURE} and bool(summed & {BATCH, POSITION, INPUT} or keys != {FEATURE})


def softmaxed(scores: Scores | None, dim: int, origin: SoftmaxOrigin) -> Probabilities:
    """The tag of a softmax's result; it keeps the scores where the softmax ran over their keys or queries."""
    if scores is not None and dim == -2:
        scores = scores.transposed()
    return Probabilities(dim, scores if dim in (-1, -2) else None, origin)


def overwritten(tag: Probabilities, func: Callable) -> Probabilities | None:
    """The tag of weights that an unsupported function changed in place; None where it moved their axes."""
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
