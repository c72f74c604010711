"""The plain JSON of tokens and attention weights, as tutorials write it and any program reads it.

    {"tokens": ["[CLS]", "good", ...], "attentions": [layer][head][query][key]}

It holds self-attention over one list of tokens and nothing else of a trace; `_trace_file` stores everything, in a tenth
of the space. Every number that is read is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from reprlib import repr as short
from typing import Any

import torch

from ..data._attention import Attention, Weights
from ..data._trace import Layer, Token, Trace
from ..data._validation import TOLERANCE
from ..errors import InputError

DIGITS = 6
"""Significant digits that are written."""


def to_json(trace: Trace) -> str:
    """See `Trace.to_json`."""
    if not trace.layers:
        raise InputError(
            "this trace has no layers to write as JSON; trace an input, or select layers that exist"
        )
    axes = {trace.axis_tokens(number) for number in range(len(trace))}
    sides = {side for layer in trace.layers for side in (layer.query_side, layer.key_side)}
    if len(axes) > 1 or len(sides) > 1 or any(query != key for query, key in axes):
        raise InputError(
            "the plain JSON holds self-attention over one list of tokens, but these layers lie between several; choose "
            'some by trace.select(prefix, kind="self"), or keep everything by trace.save(path)'
        )
    ((tokens, _),) = axes
    for layer in trace.layers:
        _refuse_lost_mass(layer)
    attentions = [
        [list(_written(layer.attention, head)) for head in range(layer.attention.heads)]
        for layer in trace.layers
    ]
    texts = [token.text for token in tokens]
    return json.dumps({"tokens": texts, "attentions": attentions}, separators=(",", ":"))


def from_json(text: str | bytes | dict) -> Trace:
    """See `Trace.from_json`."""
    try:
        content = text if isinstance(text, dict) else json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"this is not JSON: {error}; expected the text that trace.to_json() returns"
        ) from None
    if not isinstance(content, dict) or "attentions" not in content:
        raise InputError(
            f'the JSON is {short(content)}, not an object {{"tokens": [...], "attentions": [layer][head][query][key]}}'
        )
    tokens = content.get("tokens", [])
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"tokens is {short(tokens)}, not a list of texts")
    nested, size = _nested(content["attentions"], len(tokens))
    layers = (
        torch.tensor([_head(head, size, f"{where}[{j}]") for j, head in enumerate(_list(heads, where))])
        for i, heads in enumerate(nested)
        for where in [f"attentions[{i}]"]
    )
    named = tuple(Layer(f"layer {i}", "self", Weights(weights)) for i, weights in enumerate(layers))
    return Trace(named, tokens=tuple(map(Token, tokens)))


# -- writing ------------------------------------------------------------------------------------------------


def _written(attention: Attention, head: int) -> Iterator[list[float]]:
    """The rows of one head, block by block."""
    for _, block in attention.blocks([head]):
        for row in block[0].tolist():
            yield [float(f"{weight:.{DIGITS}g}") for weight in row]


def _refuse_lost_mass(layer: Layer) -> None:
    """Raises InputError for rows that `from_json` would refuse."""
    for _, block in layer.attention.blocks():
        sums = block.sum(-1)
        sound = ((sums - 1).abs() <= TOLERANCE) | (block == 0).all(-1)
        if not bool(sound.all()):
            raise InputError(
                f"a row of layer {layer.name!r} sums to {float(sums[~sound][0]):.3g}, not 1, as it does beside a sink; "
                "trace.renormalize([]) makes rows sum to one, trace.save(path) keeps them as they are"
            )


# -- reading ------------------------------------------------------------------------------------------------


def _nested(value: Any, tokens: int) -> tuple[list, int]:
    """`[layer][head][query][key]`, also from one head's `[query][key]`, and the number of tokens."""
    depth, inner, size = 0, value, 0
    while isinstance(inner, list) and inner and depth < 5:
        depth, inner, size = depth + 1, inner[0], len(inner)
    if depth not in (2, 4):
        raise InputError(
            f"attentions is {short(value)}, {depth} lists inside each other; expected 2, [query][key] of one head, or "
            "4, [layer][head][query][key]"
        )
    return (value if depth == 4 else [[value]]), tokens or size


def _head(rows: Any, size: int, where: str) -> list[list[float]]:
    """One head's weights `[query][key]`, each checked."""
    for i, row in enumerate(_list(rows, where, size)):
        for j, weight in enumerate(_list(row, f"{where}[{i}]", size)):
            if type(weight) not in (int, float) or not 0 <= weight <= 1 + TOLERANCE:
                raise InputError(f"{where}[{i}][{j}] is {short(weight)}, not a weight from 0 to 1")
        if any(row) and abs(sum(row) - 1) > TOLERANCE:
            raise InputError(
                f"{where}[{i}] sums to {sum(row):.4g}, not 1: a row holds the weights of one query on all keys; are "
                "the axes swapped, or are these scores before the softmax?"
            )
    return [[float(weight) for weight in row] for row in rows]


def _list(value: Any, where: str, size: int | None = None) -> Sequence:
    """A list of the required length; of any length but 0 where none is required."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} is {short(value)}, not a list with entries")
    if size is not None and len(value) != size:
        raise InputError(f"{where} has {len(value)} entries, not {size}, one for each token")
    return value
