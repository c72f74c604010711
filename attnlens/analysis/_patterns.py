"""Attention patterns of heads: their weights on "the previous token", "an equal token" and the like.

`find_heads` ranks heads by one pattern: a column of `head_stats`, a matrix of the user's, or a function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention
from ..data._trace import Layer, Trace
from ..errors import InputError
from ._head_columns import COLUMNS, layer_columns
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
    "induction": "self-attention over a text in which a token occurs twice, with the token after the first visible to "
    "the second",
}
"""The named patterns, each with the condition under which it is defined in a layer."""


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
            lambda number: layer_columns(trace, number)[:, list(COLUMNS).index(pattern)].tolist(),
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
        lambda number: _share_on(matrix, trace.layers[number].attention),
        f"the pattern is {list(matrix.shape)} but layers are [query, key] {', '.join(map(str, map(list, shapes)))}, "
        "or its ones lie in masked rows; pass a matrix of a layer's shape",
    )


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
            f"weights [query, key]; this {type(pattern).__name__} is none of them. For graded weights pass a function: "
            "lambda weights: (weights * matrix).sum()"
        )
    if not bool(matrix.any()):
        raise InputError("the pattern matrix has no 1; mark the keys that a query should attend to")
    return matrix.bool()


def _share_on(matrix: Tensor, attention: Attention) -> Sequence[float]:
    """The mean weight of each head on the ones of a matrix, over the rows that have one; () for another shape."""
    if matrix.shape != attention.shape[1:]:
        return ()
    matrix, total, count = matrix.to(attention.device), 0.0, 0.0
    for rows, weights in attention.blocks():
        check_shares(weights)
        chosen = matrix[rows]
        counted = (weights.sum(-1) > 0) & chosen.any(-1)
        share = torch.einsum("hrk,rk->hr", weights, chosen.to(weights.dtype))
        total = total + share.double().masked_fill(~counted, 0.0).sum(-1)
        count = count + counted.sum(-1)
    return (total / count).tolist()
