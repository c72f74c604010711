"""Tags of hand-written attention: which softmax is attention, and from which scores it was computed.

Tensors in a running model have a tag in a table beside them:

- a matrix product may be scores: `Scores` keeps its operands and the scaling, masking and soft-capping that follow;
- a softmax may be attention: `Probabilities` follows it through dropout, views and masks;
- the softmax is attention once it is multiplied with values along the axis of its normalisation.

A softmax without such a product (of a classifier, a router, a contrastive loss) is dropped silently. `_scores.py` and
`_probabilities.py` hold the steps as pure functions of tags; `recorder/_softmax_tracker.py` calls them.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


class Tags:
    """Tags of live tensors, by identity; an entry is removed with its tensor.

    A plain dictionary: WeakIdKeyDictionary costs ten times as much for each of the model's calls.
    """

    def __init__(self):
        self._entries: dict[int, tuple[weakref.ref, Any]] = {}

    def __setitem__(self, tensor: Tensor, tag: Any) -> None:
        at, entries = id(tensor), self._entries
        entries[at] = weakref.ref(tensor, lambda _: entries.pop(at, None)), tag

    def get(self, tensor: object) -> Any:
        entry = self._entries.get(id(tensor))
        return None if entry is None else entry[1]

    def drop(self, tensor: object) -> None:
        self._entries.pop(id(tensor), None)

    def touch(self, args: tuple, kwargs: dict | None) -> bool:
        """Whether one of the arguments is tagged, or one of the tensors in a list."""
        entries = self._entries
        if not entries:
            return False
        for value in args:
            if id(value) in entries:
                return True
            if type(value) in (list, tuple) and any(id(x) in entries for x in value):
                return True
        return bool(kwargs) and any(id(value) in entries for value in kwargs.values())

    def clear(self) -> None:
        self._entries.clear()


@dataclass(frozen=True)
class ScoreTerm:
    """A bias or a mask of scores `[*lead, query, key]`.

    kind: "bias" (added, times `by`), "visible" (bool, True: visible) or "hidden" (bool, True: hidden)
    """

    kind: str
    tensor: Tensor
    lead: tuple[int, ...]
    by: float = 1.0


@dataclass(frozen=True)
class Scores:
    """`softcap * tanh(scale / softcap * query @ key.T)` (or `scale * query @ key.T`) and the terms added to it.

    query: `[*lead, query, d_head]`; key: `[*lead, key, d_head]`, whose leading axes may broadcast
    """

    query: Tensor
    key: Tensor
    scale: float = 1.0
    softcap: float | None = None
    terms: tuple[ScoreTerm, ...] = ()

    @property
    def lead(self) -> tuple[int, ...]:
        return tuple(torch.broadcast_shapes(self.query.shape[:-2], self.key.shape[:-2]))

    def scaled(self, by: float) -> Scores:
        terms = tuple(replace(term, by=term.by * by) for term in self.terms)
        softcap = None if self.softcap is None else self.softcap * by
        return replace(self, scale=self.scale * by, softcap=softcap, terms=terms)

    def with_term(self, kind: str, tensor: Tensor, by: float = 1.0) -> Scores | None:
        # With many terms it is a residual stream, not scores; its tensors must not be kept.
        if len(self.terms) == _MOST_TERMS:
            return None
        return replace(self, terms=(*self.terms, ScoreTerm(kind, tensor, self.lead, by)))

    def transposed(self) -> Scores:
        """The same scores as `[..., key, query]`: for a softmax over the second last axis."""
        terms = tuple(
            replace(e, tensor=e.tensor[(None,) * max(0, 2 - e.tensor.ndim)].transpose(-1, -2))
            for e in self.terms
        )
        return replace(self, query=self.key, key=self.query, terms=terms)


_MOST_TERMS = 5


class SoftmaxOrigin:
    """Shared by all tensors derived from one softmax, so that one attention is recorded once.

    module: path of the module in which it ran
    over_tokens: whether it has an entry for each token
    confirmed: whether it was recorded; in_parts: over a part of its keys only
    missed: the unsupported function that used it; None where there was none
    """

    def __init__(self, module: str, over_tokens: bool, *parents: SoftmaxOrigin):
        self.module, self.over_tokens = module, over_tokens
        self.confirmed = self.in_parts = False
        self.missed: str | None = None
        self._parents = parents

    def joined(self, other: SoftmaxOrigin) -> SoftmaxOrigin:
        """Of a gated sum or difference of two softmaxes."""
        return SoftmaxOrigin(self.module, self.over_tokens, self, other)

    def confirm(self, in_parts: bool = False) -> None:
        self.confirmed, self.in_parts = True, in_parts
        for parent in self._parents:
            parent.confirm()


@dataclass(frozen=True)
class Probabilities:
    """A softmax result, normalised over `key_dim` (negative).

    clean: the tensor without dropout; None while that is the tensor itself: a tag that held its own tensor would
        keep it alive
    touched: whether it was changed after the softmax, so that the scores may not determine it
    cut: whether only some of the keys remain
    """

    key_dim: int
    scores: Scores | None
    origin: SoftmaxOrigin
    clean: Tensor | None = None
    touched: bool = False
    cut: bool = False


@dataclass(frozen=True)
class LostSoftmax:
    """The tag of the result of an unsupported function on a softmax over tokens.

    spread: whether it was multiplied with activations, so that a sum makes it a weighted mean
    """

    origin: SoftmaxOrigin
    spread: bool = False


HIDDEN = -1e4
"""Scores at or below this are masked: libraries use -10000, the dtype's minimum or -inf."""


FACTORS = ("input|self", "other|mat2|tensor2")
BATCHES = ("input|self", "batch1", "batch2")
"""The operands of a matrix product and of baddbmm, as `operands` takes them."""


def operands(args: tuple, kwargs: dict, names: tuple[str, ...]) -> list[Any]:
    """The operands of a call in the order of `names`, passed by position or by name; None for an omitted one.

    names: one for each operand, spellings separated by "|"
    """
    values = list(args[: len(names)])
    for spellings in names[len(values) :]:
        values.append(next((kwargs[name] for name in spellings.split("|") if name in kwargs), None))
    return values


def with_operand(args: tuple, kwargs: dict, old: Tensor, new: Tensor) -> tuple[tuple, dict]:
    """The same call with one tensor replaced."""
    return (
        tuple(new if value is old else value for value in args),
        {name: new if value is old else value for name, value in kwargs.items()},
    )


def is_parameter(tensor: Tensor) -> bool:
    """Whether it is a parameter or a view of one: x @ W is a projection, gates @ W a mixture of experts."""
    return isinstance(tensor, nn.Parameter) or isinstance(tensor._base, nn.Parameter)


def einsum_parts(args: tuple):
    """((left, its letters), (right, its letters), output letters), or None for other forms of einsum."""
    terms = einsum_terms(args)
    if terms is None or len(terms[0]) != 2:
        return None
    (left, right), out = terms
    return left, right, out


def einsum_terms(args: tuple) -> tuple[list[tuple[Tensor, str]], str] | None:
    """([(operand, its letters)], output letters); None where it is not written as one equation."""
    equation = args[0]
    operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
    if not isinstance(equation, str) or not all(isinstance(t, Tensor) for t in operands):
        return None
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    letters = inputs.split(",")
    if not arrow:  # then torch sorts the letters that occur once
        out = "..." * ("..." in inputs) + "".join(
            sorted(x for x in set(inputs) - set(",.") if inputs.count(x) == 1)
        )
    if "..." in equation:
        spare = [x for x in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if x not in equation]
        counts = [
            t.ndim - len(part.replace("...", "")) for t, part in zip(operands, letters) if "..." in part
        ]
        if len(set(counts)) > 1 or counts[0] > len(spare):
            return None
        dots = "".join(spare[: counts[0]])
        letters = [part.replace("...", dots) for part in letters]
        out = out.replace("...", dots)
    return list(zip(operands, letters)), out


def concrete(tensor: Tensor) -> Tensor:
    """The plain tensor inside the wrappers of torch.func; a vmapped axis comes first."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        at = functorch.maybe_get_bdim(tensor) if functorch.is_batchedtensor(tensor) else None
        tensor = functorch.get_unwrapped(tensor)
        if at is not None:
            tensor = tensor.movedim(at, 0)
    return tensor


def vmapped(tensor: Tensor) -> bool:
    """Whether a tensor has an axis that torch.vmap hides."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor):
            return True
        tensor = functorch.get_unwrapped(tensor)
    return False
