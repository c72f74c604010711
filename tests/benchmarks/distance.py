"""What a table of head distances costs: one matrix product against pair by pair, and whether they rank alike."""

from __future__ import annotations

import numpy as np
import torch
from rich.table import Table
from scipy.stats import spearmanr

from attnlens.analysis.distance import head_distance
from attnlens.attention import Weights
from attnlens.trace import Layer, Trace

from .measure import cpu_seconds, ratio

TARGET = 15.0
"""Pair by pair against our Hellinger distance, CPU time."""

BASE = "ours, Hellinger"


def seeded(layers: int, heads: int, length: int) -> Trace:
    """A trace of random rows, `softmax(2 randn)`, in float32."""
    torch.manual_seed(0)
    weights = (Weights((2 * torch.randn(heads, length, length)).softmax(-1)) for _ in range(layers))
    return Trace(tuple(Layer(f"layer.{n}", "self", one) for n, one in enumerate(weights)))


def pair_by_pair(weights: np.ndarray) -> np.ndarray:
    """Mean Jensen-Shannon divergence of `[head, query, key]` in nats as one writes it down: each pair once."""
    table = np.zeros((len(weights), len(weights)))
    for i, p in enumerate(weights):
        for j in range(i):
            q = weights[j]
            middle = (p + q) / 2
            divergence = (p * np.log(p / middle) + q * np.log(q / middle)) / 2
            table[i, j] = table[j, i] = divergence.sum(-1).mean()
    return table


def run(layers: int = 12, heads: int = 12, length: int = 128, rounds: int = 3) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    trace = seeded(layers, heads, length)
    weights = np.concatenate([np.asarray(layer.attention) for layer in trace.layers])
    tables: dict[str, np.ndarray] = {}

    def noted(name: str, values: object) -> None:
        tables[name] = np.asarray(values)

    variants = {
        BASE: lambda: noted(BASE, head_distance(trace)),
        "ours, Jensen-Shannon": lambda: noted("ours, Jensen-Shannon", head_distance(trace, "jensen_shannon")),
        "pair by pair, Jensen-Shannon": lambda: noted("pair by pair, Jensen-Shannon", pair_by_pair(weights)),
    }
    seconds = cpu_seconds(variants, rounds)
    table = Table(title=f"head distance: {layers} x {heads} heads, N={length}, float32, one thread")
    for column in ("variant", "CPU s", "x ours", "+-", "rank correlation"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    pairs = np.triu_indices(layers * heads, 1)
    for name in variants:
        times, spread = ratio(seconds, name, BASE)
        ranks = spearmanr(tables[BASE][pairs], tables[name][pairs]).statistic
        table.add_row(name, f"{min(seconds[name]):.3f}", f"{times:.1f}", f"{spread:.1f}", f"{ranks:.5f}")
    met = times >= TARGET
    table.caption = f"target: pair by pair at least {TARGET:.0f}x ours: {'met' if met else 'MISSED'}"
    return table, met
