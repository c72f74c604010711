"""Attention rollout: how much of each input token reaches each position through the whole stack."""

from __future__ import annotations

import torch
from torch import Tensor

from ..attention import Attention, Windows
from ..errors import InputError
from ..trace import Trace


def rollout(trace: Trace, residual: float = 0.5, row: int | None = None) -> Tensor:
    """Attention rollout `[query, key]`: the product over layers of `residual * I + (1 - residual) * mean over heads`.

    Entry `[i, j]` is the share of position i in the last layer that comes from input token j, if attention and
    the residual path were all that mixes tokens. Rows sum to one: what a sink took, or what a row masked out
    everywhere lacks, is made up by scaling.

    residual: share of the residual path in each layer, 0 to 1; 0.5 counts both equally, as in the paper.
    row: only this row, `[key]`, by vector products from the top down: no matrix is built.

    Raises InputError where layers cannot be multiplied: cross attention, other lengths (see `trace.select`).
    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", eqs. 1 and 2.

    >>> rollout(trace, row=0)  # what the class token is made of
    """
    if not 0 <= residual <= 1:
        raise InputError(f"residual must be between 0 and 1, not {residual}")
    layers = _stack(trace)
    if row is not None:
        return _row(layers, residual, row)
    result = None
    for attention in layers:
        mixed = (1 - residual) * attention.mean("head")
        mixed.diagonal().add_(residual)
        mixed /= _mass(attention, residual).unsqueeze(-1)
        result = mixed if result is None else mixed @ result
    return result


def _row(layers: list[Attention], residual: float, row: int) -> Tensor:
    size = layers[-1].queries
    if not -size <= row < size:
        raise InputError(f"row {row} is out of range: the trace has {size} positions")
    vector = torch.zeros(size, device=layers[-1].device, dtype=layers[-1].row_mass.dtype)
    vector[row] = 1.0
    for attention in reversed(layers):
        vector = vector / _mass(attention, residual)
        vector = residual * vector + (1 - residual) * attention.pull(vector)
    return vector


def _mass(attention: Attention, residual: float) -> Tensor:
    """`[query]`: what the rows of the mixed matrix sum to; 1 unless a row is masked or a sink took part of it."""
    mass = residual + (1 - residual) * attention.row_mass
    return mass.masked_fill(mass == 0, 1.0)


def _stack(trace: Trace) -> list[Attention]:
    """The layers, if they are one chain of square self-attention over the same positions."""
    if not trace.layers:
        raise InputError("the trace has no layers")
    first = trace.layers[0]
    for layer in trace.layers:
        attention = layer.attention
        chained = attention.queries == attention.keys == first.attention.queries
        if isinstance(attention, Windows):
            raise InputError(
                f"rollout follows tokens through the layers; {layer.name!r} attends within windows, whose positions "
                "change from layer to layer. Look at single layers: trace[layer].mean('head')."
            )
        if layer.kind != "self" or layer.query_side != first.query_side or not chained:
            raise InputError(
                f"rollout multiplies self-attention over the same positions; {layer.name!r} is {layer.kind} "
                f"attention {list(attention.shape)} beside {first.name!r} {list(first.attention.shape)}. Choose "
                "the layers: trace.select('encoder'), trace.select('decoder', kind='self')."
            )
    return [layer.attention for layer in trace.layers]
