"""Rollout of the class token: one row by vector products against the full product of matrices."""

from __future__ import annotations

import torch
from rich.table import Table

import attnlens as al
from attnlens.data._attention import Factors
from attnlens.data._trace import Layer, Trace

from .measure import cpu_seconds, ratio

LAYERS, HEADS, D_HEAD = 12, 12, 64
TARGET = 50.0
"""The full product against one row of heads fused before, at the longest input."""


def trace_of(length: int) -> Trace:
    """A seeded trace of factors, `[12 layers, 12 heads, length, length]`."""
    torch.manual_seed(0)
    layers = []
    for number in range(LAYERS):
        query, key = torch.randn(2, HEADS, length, D_HEAD).unbind(0)
        layers.append(Layer(f"layer.{number}", "self", Factors(query, key, 2 * D_HEAD**-0.5)))
    return Trace(tuple(layers))


def full(matrices: list[torch.Tensor]) -> torch.Tensor:
    """The published recursion on head means `[query, key]`: mixed with the identity, normalised, multiplied."""
    rolled, identity = None, torch.eye(len(matrices[0]))
    for mean in matrices:
        mixed = mean + identity
        mixed = mixed / mixed.sum(-1, keepdim=True)
        rolled = mixed if rolled is None else mixed @ rolled
    return rolled


def run(lengths: tuple[int, ...] = (197, 577, 1024, 2048), rounds: int = 3) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    table = Table(title="class-token rollout: 12 layers x 12 heads, head means kept for both")
    for column in ("N", "full s", "one row s", "x faster", "+-", "error", "from factors s"):
        table.add_column(column, justify="right")
    times = 0.0
    for length in lengths:
        trace = trace_of(length)
        fused = al.analysis.fuse(trace)
        means = [layer.attention[0] for layer in fused.layers]
        seconds = cpu_seconds(
            {"full": lambda means=means: full(means), "row": lambda fused=fused: al.rollout(fused, row=0)},
            rounds,
        )
        cold = cpu_seconds({"cold": lambda trace=trace: al.rollout(trace, row=0)}, 1)["cold"][0]
        error = float((full(means)[0] - al.rollout(fused, row=0)).abs().max())
        times, spread = ratio(seconds, "full", "row")
        cells = (f"{min(seconds['full']):.4f}", f"{min(seconds['row']):.4f}", f"{times:.0f}", f"{spread:.0f}")
        table.add_row(str(length), *cells, f"{error:.0e}", f"{cold:.2f}")
    met = times >= TARGET
    table.caption = f"target: {TARGET:.0f}x at N={lengths[-1]}: {'met' if met else 'MISSED'}"
    return table, met
