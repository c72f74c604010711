"""What a table of head distances costs: one matrix product against a head at a time, and whether they rank alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from rich.table import Table
from scipy.stats import spearmanr

from attnlens.analysis._distance import head_distance
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Trace

from .measure import cpu_seconds, ratio

TARGET = 15.0
"""The usual Jensen-Shannon, a head against all, over our Hellinger distance, CPU time."""

BASE = "ours, Hellinger"


def seeded(layers: int, heads: int, length: int) -> Trace:
    """A trace of random rows, `softmax(2 randn)`, in float32."""
    torch.manual_seed(0)
    weights = (Weights((2 * torch.randn(heads, length, length)).softmax(-1)) for _ in range(layers))
    return Trace(tuple(Layer(f"layer.{n}", "self", one) for n, one in enumerate(weights)))


def head_by_head(weights: np.ndarray) -> np.ndarray:
    """Mean Jensen-Shannon divergence of `[head, query, key]` in nats, each head against all, as clusterings do it."""
    return np.stack([_divergences(p, weights) for p in weights])


def pair_by_pair(weights: np.ndarray) -> np.ndarray:
    """The same at its fastest: each pair once, in pieces that stay in the cache."""
    table = np.zeros((len(weights), len(weights)))
    for i, p in enumerate(weights):
        for j in range(i):
            table[i, j] = table[j, i] = _divergences(p, weights[j])
    return table


def _divergences(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    middle = (p + q) / 2
    return ((p * np.log(p / middle) + q * np.log(q / middle)) / 2).sum(-1).mean(-1)


def run(layers: int = 12, heads: int = 12, length: int = 128, rounds: int = 3) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    trace = seeded(layers, heads, length)
    weights = np.concatenate([np.asarray(layer.attention) for layer in trace.layers])
    ways: dict[str, Callable[[], object]] = {
        BASE: lambda: head_distance(trace),
        "ours, Jensen-Shannon": lambda: head_distance(trace, metric="jensen_shannon"),
        "Jensen-Shannon, each pair once": lambda: pair_by_pair(weights),
        "Jensen-Shannon, a head against all": lambda: head_by_head(weights),
    }
    pairs = np.triu_indices(layers * heads, 1)
    found = {name: np.asarray(way())[pairs] for name, way in ways.items()}
    seconds = cpu_seconds(ways, rounds)
    table = Table(title=f"head distance: {layers} x {heads} heads, N={length}, float32, one thread")
    for column in ("variant", "CPU s", "x ours", "+-", "rank correlation"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name in ways:
        times, spread = ratio(seconds, name, BASE)
        ranks = spearmanr(found[BASE], found[name]).statistic
        table.add_row(name, f"{min(seconds[name]):.3f}", f"{times:.1f}", f"{spread:.1f}", f"{ranks:.4f}")
    met = times >= TARGET
    table.caption = f"target: a head against all at least {TARGET:.0f}x ours: {'met' if met else 'MISSED'}"
    return table, met
