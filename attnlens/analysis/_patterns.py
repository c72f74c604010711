"""Attention patterns of heads: their weights on "the previous token", "an equal token" and the like.

A pattern of one layer is a function of a block of rows. It returns the share of each row that falls on the pattern,
and the rows in which it is defined. `find_heads` ranks heads by one pattern; `head_stats` takes the mean of each.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention, Windows
from ..data._axes import HeadQuery, HeadQueryKey
from ..data._trace import Layer, Token, Trace
from ..errors import InputError
from ._rollout import check_shares

if TYPE_CHECKING:
    import pandas as pd

PATTERNS = {
    "self": "self-attention",
    "previous": "self-attention over the tokens of a text, two at least",
    "next": "self-attention over the tokens of a text, two at least",
    "first": "keys that are tokens or patches one to one",
    "class": "keys whose first token is special, as [CLS] is",
    "separator": "keys with a special token that is not the first",
    "punctuation": "keys that are tokens of a text, a punctuation mark among them",
    "duplicate": "self-attention over a text in which a token occurs twice, one visible to the other",
    "induction": "self-attention over a text in which a token occurs twice, with what follows the first visible to "
    "the second",
}
"""The named patterns, each with the condition under which it is defined in a layer."""


@dataclass(frozen=True, eq=False)
class WeightBlock:
    """Some rows of one layer's attention, with the intermediate results that several measures share.

    weights: `[head, row, key]`
    rows: which queries they are, int64 `[row]`
    """

    weights: HeadQueryKey
    rows: Tensor

    @cached_property
    def total(self) -> HeadQuery:
        """The sum of each row, `[head, row]`: less than 1 beside a sink logit, 0 for a masked row."""
        return self.weights.sum(-1)

    @cached_property
    def entropy(self) -> HeadQuery:
        """Of each row normalised to one, in nats, `[head, row]`; 0 log 0 is 0."""
        return torch.special.entr(self.weights).sum(-1) / self.total + self.total.log()

    @cached_property
    def seen(self) -> Tensor:
        """bool `[row, key]`: whether any head gives the key weight; a masked weight is 0."""
        return self.weights.amax(0) > 0


Measure = Callable[[WeightBlock], tuple[HeadQuery, Tensor | bool]]
"""A number per head and row of a block, `[head, row]`, and where it is defined, broadcast to the same shape."""


class MeasureMeans:
    """Means of measures over the rows where each is defined and that are not masked, block by block, in float64."""

    def __init__(self, measures: dict[str, Measure], attention: Attention):
        self.measures = measures
        nothing = torch.zeros(attention.heads, dtype=torch.float64, device=attention.device)
        self.sums = {name: nothing.clone() for name in measures}
        self.counts = {name: nothing.clone() for name in measures}

    def add(self, block: WeightBlock) -> None:
        for name, measure in self.measures.items():
            numbers, defined = measure(block)
            counted = (block.total > 0) & defined
            self.sums[name] += numbers.double().masked_fill(~counted, 0.0).sum(-1)
            self.counts[name] += counted.sum(-1)

    def result(self) -> dict[str, Tensor]:
        """`[head]` per measure; NaN where no row counted."""
        return {name: self.sums[name] / self.counts[name] for name in self.measures}


def blocks(attention: Attention) -> Iterator[WeightBlock]:
    """Walks the queries of one layer with bounded memory."""
    for rows, weights in attention.blocks():
        check_shares(weights)
        yield WeightBlock(weights, torch.arange(rows.start, rows.stop, device=weights.device))


# -- finding heads --------------------------------------------------------------------------------------------


def find_heads(trace: Trace, pattern: str | Tensor | Sequence | Callable[[Tensor], float]) -> pd.DataFrame:
    """The heads that follow a pattern, best first: columns `layer`, `head`, `name` (module path), `score`.

    pattern: one of

    - a name: "self", "previous", "next", "first", "class", "separator", "punctuation", "duplicate" or
      "induction". The score is that column of `head_stats`: the mean share of a query's attention, 0 to 1.
    - a matrix of 0 and 1 (or bool) `[query, key]`: the share on the ones, a mean over the rows that have one.
    - a function from one head's weights `[query, key]` to a number. Only this form computes whole heads, one at a
      time.

    Heads of equal score keep the order of layer and head. Layers where the pattern is undefined (words in an
    image, neighbours in cross attention) or has another shape are left out. Masked rows do not count.

    Raises InputError for an unknown name, a matrix of other numbers, and where no head is left.

    >>> find_heads(trace, "previous").head(3)
    >>> find_heads(trace, lambda weights: weights[:, 4].mean())  # heads that attend to token 4
    """
    import pandas as pd

    _checks.trace(trace, "find_heads")
    score, none_left = _scoring(trace, pattern)
    scores = [
        (number, head, layer.name, float(value))
        for number, layer in enumerate(trace.layers)
        for head, value in enumerate(score(number))
        if not math.isnan(value)
    ]
    if not scores:
        raise InputError(none_left)
    table = pd.DataFrame(scores, columns=["layer", "head", "name", "score"])
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def _scoring(trace: Trace, pattern: object) -> tuple[Callable[[int], Sequence], str]:
    """(from a layer's number to its heads' scores, nothing where undefined; the error for when none is left)"""
    if isinstance(pattern, str):
        _checks.one_of("pattern", pattern, PATTERNS)
        return (
            lambda number: _mean(trace, number, named_patterns(trace, number).get(pattern)),
            f"pattern {pattern!r} is defined in no layer of this trace; it needs {PATTERNS[pattern]}",
        )
    if callable(pattern):
        return (
            lambda number: [_number(pattern, weights) for weights in _each_head(trace.layers[number])],
            "the pattern function returned NaN for every head, or the trace has no layers; return a number",
        )
    matrix = _matrix(pattern)
    shapes = sorted({layer.attention.shape[1:] for layer in trace.layers})
    return (
        lambda number: _mean(trace, number, _of_matrix(matrix, trace.layers[number].attention)),
        f"the pattern is {list(matrix.shape)} but layers are [query, key] {', '.join(map(str, map(list, shapes)))}, "
        "or its ones lie in masked rows; give a matrix of a layer's shape",
    )


def _mean(trace: Trace, number: int, measure: Measure | None) -> Sequence:
    if measure is None:
        return ()
    attention = trace.layers[number].attention
    means = MeasureMeans({"score": measure}, attention)
    for block in blocks(attention):
        means.add(block)
    return means.result()["score"].tolist()


def _each_head(layer: Layer) -> Iterator[Tensor]:
    return (layer.attention[head] for head in range(layer.attention.heads))


def _number(pattern: Callable[[Tensor], float], weights: Tensor) -> float:
    score = pattern(weights)
    try:
        return float(score)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"the pattern function returned {type(score).__name__} for weights {list(weights.shape)}; "
            "it must return one number, e.g. weights[:, 0].mean()"
        ) from None


def _matrix(pattern: object) -> Tensor:
    try:
        matrix = torch.as_tensor(pattern)
    except (TypeError, ValueError, RuntimeError):
        matrix = torch.empty(0)
    if matrix.ndim != 2 or not bool(((matrix == 0) | (matrix == 1)).all()):
        raise InputError(
            f"pattern must be a name ({', '.join(PATTERNS)}), a matrix of 0 and 1 [query, key], or a function of "
            f"weights [query, key]; this {type(pattern).__name__} is none. For graded weights give a function: "
            "lambda weights: (weights * matrix).sum()"
        )
    if not bool(matrix.any()):
        raise InputError("the pattern matrix has no 1; mark the keys that a query should attend to")
    return matrix.bool()


def _of_matrix(matrix: Tensor, attention: Attention) -> Measure | None:
    if matrix.shape != attention.shape[1:]:
        return None
    matrix = matrix.to(attention.device)
    return lambda block: share_on(block, matrix[block.rows])


# -- the named patterns of one layer --------------------------------------------------------------------------


def named_patterns(trace: Trace, number: int) -> dict[str, Measure]:
    """Those of `PATTERNS` that are defined in one layer of the trace, as measures."""
    layer = trace.layers[number]
    tokens = _key_tokens(trace, layer)
    text, square, device = not is_image(trace, layer), is_square(layer), layer.attention.device
    patterns: dict[str, Measure] = {}
    if square:
        patterns["self"] = _offset(0)
    if is_ordered(layer):
        patterns["first"] = _onto([True] + [False] * (layer.attention.keys - 1), device)
        patterns |= {"previous": _offset(-1), "next": _offset(1)} if square and text else {}
    marked = {"class": _classes(tokens), "separator": _separators(tokens)}
    if text:
        marked["punctuation"] = [is_punctuation(token.text) for token in tokens]
    patterns |= {name: _onto(keys, device) for name, keys in marked.items() if any(keys)}
    if square and text and tokens:
        codes = _codes(tokens).to(device)
        patterns |= {"duplicate": _duplicate(codes), "induction": _induction(codes)}
    return patterns


def _key_tokens(trace: Trace, layer: Layer) -> tuple[Token, ...]:
    """The tokens of a layer's keys; () where there are none, or positions are not tokens one to one."""
    sides = {"input": trace.tokens, "output": trace.output_tokens}
    return sides[layer.key_side] if is_ordered(layer) else ()


def is_square(layer: Layer) -> bool:
    """Whether query i and key i are the same token."""
    attention = layer.attention
    return layer.kind == "self" and layer.query_side == layer.key_side and attention.queries == attention.keys


def is_ordered(layer: Layer) -> bool:
    """Whether keys are in the order of their tokens; windows and positions of another kind are not."""
    return layer.key_side != "other" and not isinstance(layer.attention, Windows)


def is_image(trace: Trace, layer: Layer) -> bool:
    """Whether the keys of a layer are the patches of the trace's image."""
    return (
        trace.patches is not None and layer.key_side == "input" and layer.attention.keys == len(trace.patches)
    )


def is_punctuation(text: str) -> bool:
    """Whether a token's text, spaces aside, is Unicode punctuation (categories P*) and nothing else."""
    marks = text.strip()
    return bool(marks) and all(unicodedata.category(mark).startswith("P") for mark in marks)


def _classes(tokens: Sequence[Token]) -> list[bool]:
    return [at == 0 and token.special for at, token in enumerate(tokens)]


def _separators(tokens: Sequence[Token]) -> list[bool]:
    return [at > 0 and token.special for at, token in enumerate(tokens)]


def _codes(tokens: Sequence[Token]) -> Tensor:
    """int64 `[token]`, equal for equal tokens: by id, or by text where an id is missing."""
    names = [token.id for token in tokens]
    if None in names:
        names = [token.text for token in tokens]
    known: dict[object, int] = {}
    return torch.tensor([known.setdefault(name, len(known)) for name in names])


def share_on(block: WeightBlock, chosen: Tensor) -> tuple[HeadQuery, Tensor]:
    """Each row's weight on the chosen keys, bool `[row, key]`; defined in the rows that have such a key."""
    return torch.einsum("hrk,rk->hr", block.weights, chosen.to(block.weights.dtype)), chosen.any(-1)


def _offset(by: int) -> Measure:
    """The weight on the key `by` positions after the query."""

    def measure(block: WeightBlock) -> tuple[HeadQuery, Tensor]:
        keys = block.weights.shape[-1]
        at = block.rows + by
        row = torch.arange(len(at), device=at.device)
        return block.weights[:, row, at.clamp(0, keys - 1)], (at >= 0) & (at < keys)

    return measure


def _onto(keys: Sequence[bool], device: torch.device) -> Measure:
    """The weight on certain keys, the same for every query."""
    chosen = torch.tensor(keys, device=device)
    return lambda block: (block.weights @ chosen.to(block.weights.dtype), True)


def _duplicate(codes: Tensor) -> Measure:
    """The weight on the same token elsewhere."""

    def measure(block: WeightBlock) -> tuple[HeadQuery, Tensor]:
        equal = codes[block.rows].unsqueeze(1) == codes
        equal.scatter_(1, block.rows.unsqueeze(1), False)
        return share_on(block, equal & block.seen)

    return measure


def _induction(codes: Tensor) -> Measure:
    """The weight on the token that follows an earlier occurrence of the query's token."""
    before = torch.cat([codes.new_full((1,), -1), codes[:-1]])
    keys = torch.arange(len(codes), device=codes.device)

    def measure(block: WeightBlock) -> tuple[HeadQuery, Tensor]:
        follows = codes[block.rows].unsqueeze(1) == before
        # The occurrence before key j is earlier than query i when j - 1 < i.
        earlier = keys <= block.rows.unsqueeze(1)
        return share_on(block, follows & earlier & block.seen)

    return measure
