"""Tags of scores: from a matrix product to its softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ._functions import BADDBMM, EINSUM, STEPS
from ._tags import BATCHES, FACTORS, HIDDEN, Scores, einsum_parts, is_parameter, operands


def product_scores(func: Callable, args: tuple, kwargs: dict) -> Scores | None:
    """The tag of a matrix product's result, which may be attention scores."""
    if func in EINSUM:
        return _einsum_scores(args)
    if func in BADDBMM:
        base, left, right = operands(args, kwargs, BATCHES)
        scores = Scores(left, right.transpose(-1, -2), float(kwargs.get("alpha", 1)))
        beta = kwargs.get("beta", 1)
        return scores if beta == 0 else scores.with_term("bias", base, float(beta))
    left, right = operands(args, kwargs, FACTORS)
    if left.ndim < 2 or right.ndim < 2 or is_parameter(right) or is_parameter(left):
        return None
    return Scores(left, right.transpose(-1, -2))


def _einsum_scores(args: tuple) -> Scores | None:
    parsed = einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (right, b), out = parsed
    if len(out) < 2 or len(set(a)) < len(a) or len(set(b)) < len(b):
        return None
    if out[-2] in b and out[-2] not in a:
        (left, a), (right, b) = (right, b), (left, a)
    row, col, lead = out[-2], out[-1], out[:-2]
    summed = [letter for letter in a if letter in b and letter not in out]
    if len(summed) != 1 or set(a) != {*lead, row, *summed} or not set(b) <= {*lead, col, *summed}:
        return None
    key = right.permute([b.index(x) for x in (*lead, col, *summed) if x in b])
    for position, letter in enumerate(lead):
        if letter not in b:
            key = key.unsqueeze(position)
    return Scores(left.permute([a.index(x) for x in (*lead, row, *summed)]), key)


def follow_scores(
    tag: Scores, source: Tensor, func: Callable, args: tuple, kwargs: dict, output: Tensor
) -> Scores | None:
    """The tag after one more function, or None for a function that is not applied to scores."""
    step = STEPS.get(func)
    if step in ("same", "fix"):
        return tag
    if step == "view":
        return _reshaped(tag, output)
    if step == "tanh":
        return replace(tag, softcap=1.0) if tag.softcap is None and not tag.terms else None
    if step in ("masked_fill", "where"):
        return _hidden(tag, source, step, func, args, kwargs)
    return None if step in (None, "slice") else _arithmetic(tag, source, step, args, kwargs)


def _reshaped(tag: Scores, output: Tensor) -> Scores | None:
    """Scores whose leading axes were split, joined, added or dropped."""
    lead, shape = tag.lead, output.shape
    if (
        shape[-2:] != (tag.query.shape[-2], tag.key.shape[-2])
        or shape[:-2].numel() != torch.Size(lead).numel()
    ):
        return None
    if tuple(shape[:-2]) == lead:
        return tag
    query, key = (
        t.expand(*lead, *t.shape[-2:]).reshape(*shape[:-2], *t.shape[-2:]) for t in (tag.query, tag.key)
    )
    return replace(tag, query=query, key=key)


def _arithmetic(tag: Scores, source: Tensor, step: str, args: tuple, kwargs: dict) -> Scores | None:
    left, right = operands(args, kwargs, ("input|self", "other"))
    first = left is source
    other = right if first else left
    if kwargs.get("alpha", 1) != 1 or kwargs.get("rounding_mode") is not None:
        return None
    number = other if isinstance(other, (int, float)) else None
    if isinstance(other, Tensor) and other.numel() == 1:
        number = float(other)
    if step in ("mul", "div"):
        if not number and isinstance(other, Tensor) and (first or step == "mul"):
            return _tempered(tag, other if step == "mul" else 1 / other)
        if not number or not (first or step == "mul"):
            return None
        return tag.scaled(float(number) if step == "mul" else 1.0 / number)
    if not first and step == "sub":
        return None
    if number is not None:
        return tag  # a constant on all scores changes no softmax
    if not isinstance(other, Tensor) or not other.is_floating_point() or other.ndim > len(tag.lead) + 2:
        return None
    return tag.with_term("bias", other, 1.0 if step == "add" else -1.0)


def _hidden(
    tag: Scores, source: Tensor, step: str, func: Callable, args: tuple, kwargs: dict
) -> Scores | None:
    if step == "masked_fill":
        _, mask, value = operands(args, kwargs, ("input|self", "mask", "value"))
        kind = "hidden"
    else:
        names = ("condition", "input|self", "other")
        if func is torch.Tensor.where:
            chosen, mask, other = operands(args, kwargs, (names[1], names[0], names[2]))
        else:
            mask, chosen, other = operands(args, kwargs, names)
        if not isinstance(mask, Tensor):
            return None
        kind, value = ("visible", other) if chosen is source else ("hidden", chosen)
    if isinstance(value, Tensor):
        value = float(value.max())
    fits = mask.dtype == torch.bool and mask.ndim <= len(tag.lead) + 2
    return tag.with_term(kind, mask) if fits and value is not None and value <= HIDDEN else None


def _tempered(tag: Scores, by: Tensor) -> Scores | None:
    """Scores times a number for each head or query (a learnt temperature), which is multiplied into the query."""
    alone = tag.softcap is None and not tag.terms and by.is_floating_point()
    if not alone or by.ndim > len(tag.lead) + 2 or (by.ndim and by.shape[-1] != 1):
        return None
    return replace(tag, query=tag.query * by.detach())
