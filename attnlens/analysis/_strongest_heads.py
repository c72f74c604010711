"""Which heads to show first: those whose reading position attends most to one ordinary token."""

from __future__ import annotations

from typing import NamedTuple

from ..data._trace import Trace


class StrongestHead(NamedTuple):
    """A head, and the key on which its reading position has the largest weight."""

    layer: int
    head: int
    key: int
    weight: float


def strongest_heads(trace: Trace) -> list[StrongestHead]:
    """Each head's largest weight from the reading position (class token, or last token) on an ordinary token.

    The largest first; heads of self-attention alone. Special tokens and the reading position itself are left out: most
    heads rest there when they have nothing to do. Reads one row of each head.
    """
    reader, out = trace.reader, []
    for number, layer in enumerate(trace.layers):
        keys = trace.axis_tokens(number)[1]
        ordinary = [i for i, token in enumerate(keys) if not token.special and i != reader]
        if layer.kind != "self" or not ordinary or reader >= layer.attention.queries:
            continue
        weights, at = layer.attention[:, reader, ordinary].max(-1)
        out += [
            StrongestHead(number, head, ordinary[i], weight)
            for head, (weight, i) in enumerate(zip(weights.tolist(), at.tolist()))
        ]
    return sorted(out, key=lambda head: -head.weight)


def strongest_head(trace: Trace) -> tuple[int, int]:
    """The layer and head that a view opens at; the first ones where no head attends to an ordinary token."""
    best = strongest_heads(trace)[:1]
    return (best[0].layer, best[0].head) if best and best[0].weight > 0 else (0, 0)


def heads_by_strength(trace: Trace) -> list[tuple[int, int]]:
    """Every layer and head, those of `strongest_heads` first."""
    first = [(head.layer, head.head) for head in strongest_heads(trace)]
    known = set(first)
    every = [
        (number, head) for number, layer in enumerate(trace.layers) for head in range(layer.attention.heads)
    ]
    return first + [place for place in every if place not in known]
