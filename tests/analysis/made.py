"""Traces made by hand, for the tests of what is a pure function of a trace."""

from __future__ import annotations

import torch
from torch import Tensor

from attnlens.data._attention import Attention, Weights
from attnlens.data._trace import Layer, Token, Trace, Values


def weights(
    layers: int = 3, heads: int = 2, size: int = 5, dtype: torch.dtype = torch.float64
) -> list[Weights]:
    """Attention far from even, one per layer."""
    return [Weights((3 * torch.randn(heads, size, size, dtype=dtype)).softmax(-1)) for _ in range(layers)]


def trace_of(
    *attentions: Attention | Tensor,
    tokens: tuple[Token, ...] = (),
    values: Values | None = None,
    query_side: str = "input",
    key_side: str = "input",
    **more: object,
) -> Trace:
    """A trace of these self-attentions, which may be given as their weights `[head, query, key]`."""
    stores = [Weights(one) if isinstance(one, Tensor) else one for one in attentions]
    layers = (Layer(f"layer.{i}", "self", one, query_side, key_side, values) for i, one in enumerate(stores))
    return Trace(tuple(layers), tokens=tokens, **more)
