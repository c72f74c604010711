"""Hand-written attention: which softmax is attention, and what its scores were made of.

Tensors on their way through a model carry a tag, kept beside them in a weak dictionary:

- a matrix product may turn out to be the scores: `Scores` remembers its operands and follows the scaling,
  masking and soft-capping that come after;
- the softmax of a tensor is possibly attention: `Probabilities` follows it through dropout, views and masks;
- the softmax is attention once it is multiplied, along the axis it was normalised over, with values.

A softmax that ends in no such product (a classifier's, a router's, a contrastive loss's) is dropped silently.
Every function here is a pure step on tags; `listener.py` decides when to call them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Scores:
    """`outer * tanh(inner * query @ key.T)` (or `inner * query @ key.T`) `+ bias`, hidden where not `visible`."""

    query: Tensor
    key: Tensor
    inner: float = 1.0
    outer: float | None = None
    bias: Tensor | None = None
    visible: Tensor | None = None

    def scaled(self, by: float) -> Scores:
        bias = None if self.bias is None else self.bias * by
        if self.outer is None:
            return replace(self, inner=self.inner * by, bias=bias)
        return replace(self, outer=self.outer * by, bias=bias)

    def plus(self, bias: Tensor) -> Scores:
        return replace(self, bias=bias if self.bias is None else self.bias + bias)

    def showing(self, visible: Tensor) -> Scores:
        return replace(self, visible=visible if self.visible is None else self.visible & visible)


class Sighting:
    """Shared by all tensors that descend from one softmax, so that one attention is reported once."""

    confirmed = False


@dataclass(frozen=True)
class Probabilities:
    """A softmax result, normalised over `key_dim` (negative).

    `clean` is what the tensor would be without dropout, None while that is the tensor itself: a tag that held
    its own tensor would keep it alive.
    """

    key_dim: int
    scores: Scores | None
    sighting: Sighting
    clean: Tensor | None = None


HIDDEN = -1e4
"""Scores at or below this are masked: libraries use -10000, the dtype's minimum or -inf."""


def softmax_dim(args: tuple, kwargs: dict) -> int:
    """The softmax axis as a negative number."""
    ndim = args[0].ndim if args else kwargs["input"].ndim
    dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
    return dim if dim < 0 else dim - ndim


# -- scores: what a product becomes before its softmax ------------------------------------------------------


def product_scores(func: Callable, args: tuple, kwargs: dict, output: Tensor) -> Scores | None:
    """The tag of a matrix product's result, in case it is attention scores."""
    if func in EINSUM:
        return _einsum_scores(args, output)
    if func in BADDBMM:
        base, left, right = args[:3]
        scores = Scores(left, right.transpose(-1, -2), inner=float(kwargs.get("alpha", 1)))
        beta = kwargs.get("beta", 1)
        return scores if beta == 0 else scores.plus(base * beta)
    left, right = _operands(args, kwargs)
    if left.ndim < 2 or right.ndim < 2:
        return None
    return Scores(left, right.transpose(-1, -2))


def _operands(args: tuple, kwargs: dict) -> tuple[Tensor, Tensor]:
    given = [*args, *(kwargs[name] for name in ("input", "other", "mat2", "tensor2") if name in kwargs)]
    return given[0], given[1]


def _einsum_scores(args: tuple, output: Tensor) -> Scores | None:
    parsed = _einsum_parts(args)
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


def _einsum_parts(args: tuple):
    """((left, its letters), (right, its letters), output letters), or None for other forms of einsum."""
    equation = args[0]
    operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
    if not isinstance(equation, str) or len(operands) != 2 or "->" not in equation:
        return None
    inputs, out = equation.replace(" ", "").split("->")
    letters = inputs.split(",")
    if "..." in equation:
        spare = "ABCDEFGHIJ"
        counts = [
            t.ndim - len(part.replace("...", "")) for t, part in zip(operands, letters) if "..." in part
        ]
        dots = spare[: max(counts)]
        if len(set(counts)) > 1 or set(dots) & set(equation):
            return None
        letters = [part.replace("...", dots) for part in letters]
        out = out.replace("...", dots)
    return (operands[0], letters[0]), (operands[1], letters[1]), out


def follow_scores(tag: Scores, func: Callable, args: tuple, kwargs: dict, output: Tensor) -> Scores | None:
    """The tag after one more step, or None when the step is not one that scores go through."""
    step = STEPS.get(func)
    if step is None:
        return None
    if step in ("same", "view"):
        return _reshaped(tag, output) if step == "view" else tag
    if step == "tanh":
        plain = tag.outer is None and tag.bias is None and tag.visible is None
        return replace(tag, outer=1.0) if plain else None
    if step in ("masked_fill", "where"):
        return _hidden(tag, step, func, args, kwargs)
    return _arithmetic(tag, step, args, kwargs)


def _reshaped(tag: Scores, output: Tensor) -> Scores | None:
    lead = tag.query.shape[:-2]
    shape = (*lead, tag.query.shape[-2], tag.key.shape[-2])
    if output.shape[-2:] != shape[-2:]:
        return None
    extras = {
        name: value.expand(shape).reshape(output.shape)
        for name in ("bias", "visible")
        if (value := getattr(tag, name)) is not None
    }
    query = tag.query.reshape(*output.shape[:-1], tag.query.shape[-1])
    key = tag.key.expand(*lead, *tag.key.shape[-2:]).reshape(
        *output.shape[:-2], output.shape[-1], tag.key.shape[-1]
    )
    return replace(tag, query=query, key=key, **extras)


def _arithmetic(tag: Scores, step: str, args: tuple, kwargs: dict) -> Scores | None:
    other = kwargs.get("other", args[1] if len(args) > 1 else None)
    if isinstance(other, Tensor) and isinstance(args[0], Tensor) and step in ("mul", "add"):
        # Either operand may be the scores; the tag belongs to the one with the larger shape.
        other = min(args[0], other, key=lambda t: t.numel()) if args[0].shape != other.shape else other
    number = float(other) if isinstance(other, (int, float)) else None
    if number is None and isinstance(other, Tensor) and other.numel() == 1:
        number = float(other)
    if step in ("mul", "div"):
        return None if not number else tag.scaled(number if step == "mul" else 1.0 / number)
    if "alpha" in kwargs and kwargs["alpha"] != 1:
        return None
    if number is not None:
        return tag
    if not isinstance(other, Tensor) or not other.is_floating_point():
        return None
    return tag.plus(other if step == "add" else -other)


def _hidden(tag: Scores, step: str, func: Callable, args: tuple, kwargs: dict) -> Scores | None:
    if step == "masked_fill":
        mask = kwargs.get("mask", args[1] if len(args) > 1 else None)
        value = kwargs.get("value", args[2] if len(args) > 2 else None)
        visible = ~mask
    elif func is torch.Tensor.where:
        visible, value = args[1], args[2]
    else:
        condition, first, second = args[:3]
        scores_first = isinstance(first, Tensor) and first.numel() > (
            second.numel() if isinstance(second, Tensor) else 1
        )
        visible, value = (condition, second) if scores_first else (~condition, first)
    if isinstance(value, Tensor):
        if value.numel() != 1:
            return None
        value = float(value)
    return tag.showing(visible) if value is not None and value <= HIDDEN else None


# -- probabilities: what a softmax becomes before its product -----------------------------------------------


def follow_probabilities(
    tag: Probabilities, source: Tensor, func: Callable, args: tuple, kwargs: dict, output: Tensor
) -> Probabilities | None:
    """The tag after one more step, or None when the result can no longer be attention."""
    if func in DROPOUT:
        dropped = output is not source and tag.clean is None
        return replace(tag, clean=source) if dropped else tag
    step = STEPS.get(func)
    if func not in PERMUTE and step not in ("same", "view", "mul", "div", "masked_fill", "where", "slice"):
        return None
    clean = None
    if tag.clean is not None:
        clean = _again(func, args, kwargs, source, tag.clean)
        if clean is None:
            return None
    if func in PERMUTE:
        key_dim = _permuted_dim(func, args, kwargs, source, tag.key_dim)
    else:
        key_dim = tag.key_dim
        kept = step == "slice" or output.shape[key_dim:] == source.shape[key_dim:]
        if output.ndim < 2 or not kept:
            return None
    return replace(tag, clean=clean, key_dim=key_dim)


def _again(func: Callable, args: tuple, kwargs: dict, source: Tensor, clean: Tensor) -> Tensor | None:
    """The same step on the weights as they were before dropout; in-place steps would spoil them."""
    if getattr(func, "__name__", "").rstrip("_") != getattr(func, "__name__", ""):
        return None
    return func(*(clean if a is source else a for a in args), **kwargs)


def _permuted_dim(func: Callable, args: tuple, kwargs: dict, source: Tensor, key_dim: int) -> int:
    """Where the softmax axis is after a permutation: tried on an index tensor of the same rank."""
    probe = torch.empty([2 + i for i in range(source.ndim)], device="meta")
    moved = func(*(probe if a is source else a for a in args), **kwargs)
    return list(moved.shape).index(probe.shape[key_dim]) - source.ndim


def attention_of(tag: Probabilities, func: Callable, args: tuple, source: Tensor) -> Tensor | None:
    """The weights `[..., query, key]` if this product multiplies them with values, else None."""
    weights = source if tag.clean is None else tag.clean
    if func in EINSUM:
        return _einsum_attention(tag, weights, args, source)
    operands = args[1:3] if func in BADDBMM else args[:2]
    if operands[0] is source and tag.key_dim == -1:
        return weights
    if len(operands) > 1 and operands[1] is source and tag.key_dim == -2:
        return weights.transpose(-1, -2)
    return None


def _einsum_attention(tag: Probabilities, weights: Tensor, args: tuple, source: Tensor) -> Tensor | None:
    parsed = _einsum_parts(args)
    if parsed is None:
        return None
    (left, a), (_, b), out = parsed
    mine, other = (a, b) if left is source else (b, a)
    key = mine[tag.key_dim]
    queries = [letter for letter in mine if letter in out and letter not in other]
    lead = [letter for letter in mine if letter in out and letter in other]
    if key in out or key not in other or len(queries) != 1 or len(mine) != len(lead) + 2:
        return None
    return weights.permute([mine.index(letter) for letter in (*lead, *queries, key)])


# -- the vocabulary -----------------------------------------------------------------------------------------


def _named(*names: str) -> list[Callable]:
    """Every spelling of a function: torch.f, Tensor.f, Tensor.f_, F.f and the aten operator."""
    found = []
    for name in names:
        for home in (torch, torch.Tensor, F, torch.special):
            found.append(getattr(home, name, None))
        packet = getattr(aten, name, None) if not name.startswith("__") else None
        if packet is not None:
            found += [packet, packet._op, *(getattr(packet, overload) for overload in packet.overloads())]
    return [f for f in found if callable(f)]


SOFTMAX = frozenset(_named("softmax", "_softmax"))
SDPA = frozenset([F.scaled_dot_product_attention, *_named("scaled_dot_product_attention")])
EINSUM = frozenset([torch.einsum, torch.functional.einsum])
BADDBMM = frozenset(_named("baddbmm", "baddbmm_"))
PRODUCTS = frozenset(_named("matmul", "__matmul__", "bmm", "mm")) | EINSUM | BADDBMM
DROPOUT = frozenset(_named("dropout", "dropout_", "feature_dropout"))
PERMUTE = frozenset(
    [
        *_named("transpose", "permute", "swapaxes", "swapdims", "movedim"),
        *(getattr(torch.Tensor, name).__get__ for name in ("mT", "T")),
    ]
)

STEPS: dict[Callable, str] = {
    **dict.fromkeys(_named("mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__"), "mul"),
    **dict.fromkeys(_named("div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__"), "div"),
    **dict.fromkeys(_named("add", "add_", "__add__", "__radd__", "__iadd__"), "add"),
    **dict.fromkeys(_named("sub", "sub_", "subtract", "__sub__", "__isub__"), "sub"),
    **dict.fromkeys(_named("masked_fill", "masked_fill_"), "masked_fill"),
    **dict.fromkeys(_named("where"), "where"),
    **dict.fromkeys(_named("tanh", "tanh_"), "tanh"),
    **dict.fromkeys(
        _named(
            "to",
            "float",
            "half",
            "bfloat16",
            "double",
            "type",
            "type_as",
            "clone",
            "contiguous",
            "nan_to_num",
        ),
        "same",
    ),
    **dict.fromkeys(
        _named("view", "reshape", "unflatten", "flatten", "squeeze", "unsqueeze", "expand", "_unsafe_view"),
        "view",
    ),
    torch.Tensor.__getitem__: "slice",
}
