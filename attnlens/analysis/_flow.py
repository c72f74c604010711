"""Attention flow: the maximum flow from each input token to a position, with attention weights as capacities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention
from ..data._trace import Trace
from ..errors import InputError
from ._rollout import fused_blocks, stack, with_residual

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNIT = 1 << 30
"""The integer capacity of a weight of 1. The capacities out of a position sum to it, so a flow fits an int32."""

MOST_EDGES = 1 << 20
"""The maximum size of a graph: at this size one call takes about 15 CPU seconds."""


def flow(trace: Trace, token: int = 0, *, start: int = 0, end: int | None = None) -> Tensor:
    """Attention flow `[key]`: the maximum flow from position `token` of the last layer down to each input token.

    Every layer has an edge from each position to each position below, with capacities `0.5 * I + 0.5 * (mean over
    heads)` and rows scaled to sum to one as in `rollout`. Entry j is the maximum flow to input token j alone, 0 to 1:
    the minimum cut between the two, never less than the rollout. Flows to different tokens share edges, so they do
    not sum to one; divide by the sum for shares, as the authors' code does.

    token: the position that is explained; negative numbers count from the end.
    start, end: only these layers, as in a slice.

    Capacities are integers, weights times 2**30: rounding changes a flow by at most 2**-31 per edge of the minimum
    cut, so by less than 5e-4 in the largest graph; by less than 1e-8 where it was measured. Cost: one run of Dinic's
    algorithm per input token, each over layers * tokens**2 edges; in total about 1 CPU second for 12 layers of 128
    tokens, 13 for 300.

    Raises InputError where layers do not follow one another (cross attention, different lengths; see
    `trace.select`), and for more than 2**20 edges, where `rollout(trace, row=token)` is fast.
    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", section "Attention flow".

    >>> flow(trace)  # to the class token
    """
    _checks.trace(trace, "flow")
    layers = stack(trace, start, end, "flow")
    size = layers[0].queries
    source = _checks.position("token", token, size)
    _require_few(len(layers), size)
    flows = _flows(_graph(layers), source, range(len(layers) * size, (len(layers) + 1) * size))
    return torch.tensor(flows, dtype=layers[0].dtype, device=layers[0].device) / UNIT


def _require_few(layers: int, size: int) -> None:
    edges = layers * size**2
    if edges > MOST_EDGES:
        raise InputError(
            f"flow over {layers} layers of {size} positions has {edges:,} edges, more than {MOST_EDGES:,}; "
            f"take fewer layers (start=, end=) or a shorter input, or use rollout(trace, row=token)"
        )


def _flows(graph: csr_array, source: int, sinks: Iterable[int]) -> list[int]:
    """The maximum flow from one node to each of several."""
    from scipy.sparse.csgraph import maximum_flow

    return [int(maximum_flow(graph, source, sink, method="dinic").flow_value) for sink in sinks]


def _graph(layers: list[Attention]) -> csr_array:
    """Integer capacities from node to node: positions of the last layer first, input tokens last."""
    from scipy.sparse import block_array, csr_array

    size = layers[0].queries
    floors: list[list[csr_array | None]] = [[None] * (len(layers) + 1) for _ in range(len(layers) + 1)]
    for depth, attention in enumerate(reversed(layers)):
        floors[depth][depth + 1] = csr_array(_capacities(attention))
    floors[-1][0] = csr_array(
        (size, size), dtype=np.int32
    )  # sets the size of the last row and the first column
    return block_array(floors, format="csr")


def _capacities(attention: Attention) -> np.ndarray:
    """One layer, int32 `[query, key]`."""
    capacity = np.zeros((attention.queries, attention.keys))
    for rows, stays, moves, block in with_residual(fused_blocks(attention, "mean", 0.0, None), 0.5):
        capacity[rows] = (moves.unsqueeze(-1) * block).double().cpu().numpy()
        at = np.arange(rows.start, rows.stop)
        capacity[at, at] += stays.double().cpu().numpy()
    return np.rint(capacity * UNIT).astype(np.int32)
