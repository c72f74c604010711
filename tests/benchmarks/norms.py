"""Norms of what attention moves: Gram matrices against the published formula, which makes every vector."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.table import Table

from attnlens.analysis._norms import norms
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Trace, Values

from .measure import cpu_seconds, peak_megabytes, ratio

HEADS, D_HEAD, D_MODEL = 12, 64, 768
TARGET = 50.0
"""CPU time of the published formula against ours at N = 256."""


def variant(name: str, length: int) -> Callable[[], torch.Tensor]:
    """The norms of one layer of BERT-base's size over seeded weights and values, in the named way."""
    torch.manual_seed(0)
    weights = (2 * torch.randn(HEADS, length, length)).softmax(-1)
    value, output = torch.randn(HEADS, length, D_HEAD), torch.randn(HEADS, D_HEAD, D_MODEL) / 30
    layer = Layer("layer", "self", Weights(weights), values=Values(value, output))

    def published() -> torch.Tensor:
        """`[head, query, key, d_model]`, summed over heads: as norm-analysis-of-transformer computes it."""
        moved = torch.einsum("hkd,hqk->hqkd", value @ output, weights)
        return moved.sum(0).norm(dim=-1)

    return published if name == "published" else lambda: norms(Trace((layer,)))[0][0]


def run(lengths: tuple[int, ...] = (64, 128, 256), rounds: int = 3) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    table = Table(title="||sum_h a f(x)||, every vector made against ours: 12 heads, d_model 768")
    for column in ("N", "vectors s", "ours s", "x faster", "+-", "vectors MB", "ours MB", "error"):
        table.add_column(column, justify="right")
    times = 0.0
    for length in lengths:
        ways = {name: variant(name, length) for name in ("published", "attnlens")}
        seconds = cpu_seconds(ways, rounds)
        times, spread = ratio(seconds, "published", "attnlens")
        peaks = [peak_megabytes(variant, name, length) for name in ways]
        theirs, ours = (way() for way in ways.values())
        error = float((theirs - ours).abs().max() / theirs.max())
        cells = [f"{min(seconds[name]):.3f}" for name in ways] + [f"{times:.0f}", f"{spread:.0f}"]
        table.add_row(str(length), *cells, *(f"{peak:.0f}" for peak in peaks), f"{error:.0e}")
    met = times >= TARGET
    table.caption = f"target: {TARGET:.0f}x at N={lengths[-1]}: {'met' if met else 'MISSED'}"
    return table, met
