"""Checks that the numbers of a trace are possible: finite, distributions, spans within their text, an existing class.

`io` checks what it writes and reads by it; shapes and types are checked there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InputError
from ._attention import Attention, Factors, Weights, Windows
from ._trace import Layer, Token, Trace

TOLERANCE = 0.01
"""The largest difference of a row's sum from one: rounding to three or four digits."""

MOST_CHECKED = 256
"""Maximum number of heads of a layer whose log-sum-exp is checked."""

CHECKED = 2**22
"""Weights of a layer up to which this check computes all rows; of more it takes at least three, evenly spaced."""

CHECKED_TOGETHER = 2**18
"""Weights that are computed at once for this check."""

MASKING = ("bias", "logits", "sink")
"""Tensors in which minus infinity masks an entry: a key, a class, the sink."""


def check_trace(trace: Trace, complete: bool = True) -> None:
    """Raises InputError for numbers that no model computes, with their place and what was expected.

    complete: False for a file that does not state which layers are normalized: rows may sum to less than one
    """
    _check_tensors("", {"logits": trace.logits})
    _check_target(trace)
    for number, token in enumerate(trace.tokens):
        _check_span(token, f"tokens[{number}]", trace.text)
    for number, token in enumerate(trace.output_tokens):
        _check_span(token, f"output_tokens[{number}]", ())
    for number, layer in enumerate(trace.layers):
        where = f"layer.{number}."
        _check_tensors(where, vars(layer.values) if layer.values else {})
        for prefix, attention in _stores(layer.attention, where):
            _check_attention(attention, prefix)
            if isinstance(attention, Weights) and layer.normalized:
                _check_rows(attention.weights, layer, prefix, complete)


def _stores(attention: Attention, where: str) -> Iterator[tuple[str, Attention]]:
    """An attention, or each of its windows, with the prefix of its tensors."""
    if not isinstance(attention, Windows):
        yield where, attention
        return
    for number, part in enumerate(attention.parts):
        yield f"{where}window.{number}.", part


def _check_attention(attention: Attention, where: str) -> None:
    if isinstance(attention, Weights):
        _check_tensors(where, {"weights": attention.weights})
    if isinstance(attention, Factors):
        held = {name: getattr(attention, name) for name in ("query", "key", "bias", "sink")}
        _check_tensors(where, held)
        if not _sound(attention):
            raise InputError(
                f"{where[:-1]}: its log-sum-exp does not fit its query and key; omit it, and it is computed"
            )


def _check_tensors(where: str, held: dict[str, Tensor | None]) -> None:
    """Every number is finite, or minus infinity where that masks an entry."""
    for name, tensor in held.items():
        if tensor is None:
            continue
        low, high = (float(end) for end in tensor.aminmax())  # both are NaN where any number is
        if not (-torch.inf < low or name in MASKING) or not high < torch.inf:
            wrong = low if math.isfinite(high) else high
            raise InputError(f"{where}{name} holds {wrong}; expected finite numbers only")


def _sound(factors: Factors) -> bool:
    """Whether the stored log-sum-exp is that of the scores, in every row, or in some of very many.

    Of very many heads some are checked, a few at a time: the check takes memory in proportion to the file.
    """
    fresh = replace(factors, known_lse=None)
    heads = torch.arange(0, factors.heads, -(-factors.heads // MOST_CHECKED))
    count = min(factors.queries, max(3, CHECKED // (len(heads) * factors.keys)))
    rows = torch.linspace(0, factors.queries - 1, count, dtype=torch.float64).long()
    together = max(1, CHECKED_TOGETHER // factors.keys)
    return all(
        torch.allclose(
            factors.known_lse[some][:, part].double(), fresh._lse(some, part).double(), rtol=1e-3, atol=0.01
        )
        for part in rows.split(together)
        for some in heads.split(max(1, together // len(part)))
    )


def _check_rows(weights: Tensor, layer: Layer, where: str, complete: bool) -> None:
    """Rows are distributions over the keys, or zeros."""
    remedy = (
        "trace.renormalize([]) scales the rows; a Layer whose rows are not distributions has normalized=False"
    )
    low = float(weights.amin())
    if low < 0:
        raise InputError(f"{where}weights of {layer.name!r} holds the negative weight {low:.3g}; {remedy}")
    sums = weights.sum(-1, dtype=torch.promote_types(weights.dtype, torch.float32))
    wrong = (sums - 1 > TOLERANCE) | ((1 - sums > TOLERANCE) & (sums > 0) & complete)
    if bool(wrong.any()):
        raise InputError(
            f"{where}weights of {layer.name!r} has a row that sums to {float(sums[wrong][0]):.3g}, not 1; {remedy}"
        )


def _check_target(trace: Trace) -> None:
    if trace.target is None or trace.logits is None:
        return
    classes = trace.logits.shape[-1]
    if trace.target >= classes:
        raise InputError(f"target is {trace.target}, but logits has {classes} classes, numbered from 0")


def _check_span(token: Token, where: str, texts: tuple[str, ...]) -> None:
    """The characters that a token comes from lie in its own text, in order."""
    if texts and not 0 <= token.segment < len(texts):
        raise InputError(f"{where}.segment is {token.segment}, but text has {len(texts)} entries")
    if (token.start, token.end) == (None, None):
        return
    length = len(texts[token.segment]) if texts else torch.inf
    if None in (token.start, token.end) or not 0 <= token.start <= token.end <= length:
        most = "" if length == torch.inf else f" within {length} characters"
        raise InputError(
            f"{where} has start {token.start} and end {token.end}; expected a span{most}, or None for both"
        )
