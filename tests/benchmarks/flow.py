"""What attention flow costs: ours against networkx over the same layers, for one position and every input token."""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx
import torch
from networkx.algorithms.flow import preflow_push, shortest_augmenting_path
from rich.table import Table

from attnlens.analysis._flow import flow
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Trace

from .measure import cpu_seconds, ratio

NETWORKX = {
    "networkx, its default": preflow_push,
    "networkx, its fastest here": shortest_augmenting_path,
}
LAYERS, HEADS = 6, 12
TARGET = 20.0
"""How many times our CPU seconds networkx takes at the larger length, with either algorithm."""


def trace_of(length: int) -> Trace:
    """A seeded trace of uneven weights."""
    torch.manual_seed(0)
    found = [(3 * torch.randn(HEADS, length, length, dtype=torch.float64)).softmax(-1) for _ in range(LAYERS)]
    return Trace(tuple(Layer(f"layer.{i}", "self", Weights(weights)) for i, weights in enumerate(found)))


def by_networkx(trace: Trace, algorithm: Callable) -> list[float]:
    """The same flows: the graph is built once, as ours is."""
    graph = nx.DiGraph()
    for depth, layer in enumerate(trace.layers, start=1):
        mixed = 0.5 * layer.attention.mean("head") + 0.5 * torch.eye(layer.attention.queries)
        for i, row in enumerate(mixed.tolist()):
            graph.add_edges_from(
                ((depth, i), (depth - 1, j), {"capacity": wide}) for j, wide in enumerate(row)
            )
    tokens = range(trace.layers[0].attention.keys)
    return [nx.maximum_flow_value(graph, (LAYERS, 0), (0, j), flow_func=algorithm) for j in tokens]


def run(lengths: tuple[int, ...] = (16, 24), rounds: int = 7) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    table = Table(title=f"flow: {LAYERS} layers, one position to every input token, one thread")
    for column in ("N", "variant", "CPU ms", "x ours", "+-", "largest difference"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    met = True
    for length in lengths:
        trace = trace_of(length)
        variants = {"ours": lambda trace=trace: flow(trace)}
        for name, algorithm in NETWORKX.items():
            variants[name] = lambda trace=trace, algorithm=algorithm: by_networkx(trace, algorithm)
        seconds = cpu_seconds(variants, rounds)
        for name, runs in seconds.items():
            times, spread = ratio(seconds, name, "ours")
            off = max(abs(a - float(b)) for a, b in zip(variants[name](), flow(trace)))
            cells = (f"{1000 * min(runs):.1f}", f"{times:.1f}", f"{spread:.1f}", f"{float(off):.0e}")
            table.add_row(str(length), name, *cells)
            if length == max(lengths) and name != "ours":
                met &= times >= TARGET
    table.caption = (
        f"target: networkx at least {TARGET:.0f}x ours at N={max(lengths)}: {'met' if met else 'MISSED'}"
    )
    return table, met
