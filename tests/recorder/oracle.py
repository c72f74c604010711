"""Slow float64 oracles of attention, and what every test of capture does with a model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

import attnlens as al


def softmax_rows(scores: Tensor) -> Tensor:
    """Softmax over the last axis in float64; a row of -inf gives zeros."""
    scores = scores.double()
    top = scores.max(-1, keepdim=True).values
    e = (scores - torch.where(top.isfinite(), top, torch.zeros_like(top))).exp()
    total = e.sum(-1, keepdim=True)
    return torch.where(total > 0, e / total.clamp(min=1e-300), torch.zeros_like(e))


def attention(query: Tensor, key: Tensor, scale: float | None = None, bias=None, visible=None) -> Tensor:
    """`[..., query, key]`, one row after the other."""
    query, key = query.double(), key.double()
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    shape = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query, key = query.expand(*shape, *query.shape[-2:]), key.expand(*shape, *key.shape[-2:])
    rows = [
        torch.stack([(query[..., i, :] * key[..., j, :]).sum(-1) for j in range(key.shape[-2])], -1)
        for i in range(query.shape[-2])
    ]
    scores = torch.stack(rows, -2) * scale
    if bias is not None:
        scores = scores + bias.double()
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    return softmax_rows(scores)


def run(model, *args, store="auto", **kwargs):
    """(recording, output); the output with the capture equals the output without it, bit for bit."""
    state = torch.get_rng_state()
    plain = model(*args, **kwargs)
    torch.set_rng_state(state)
    with al.capture(model, store=store, verify=True) as recording:
        captured = model(*args, **kwargs)
    assert torch.equal(first(plain), first(captured))

    recording.verify()
    return recording, captured


def first(output) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


def weights(recording, layer: int = 0) -> Tensor:
    """`[item, head, query, key]` of one layer, for inputs that have no padding."""
    return torch.stack([trace[layer][:] for trace in recording.traces()]).double()


def assert_recorded(recording, expected: Tensor, layer: int = 0, atol: float = 2e-6) -> None:
    actual = weights(recording, layer)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert (actual - expected).abs().max() < atol
