"""Attention flow: how much can reach a position from each input token if attention weights are pipes."""

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
from ._rollout import fused_blocks, mixed_blocks, stack

if TYPE_CHECKING:
    from scipy.sparse import csr_array

UNIT = 1 << 30
"""The integer capacity that stands for a weight of 1. What leaves a position sums to it, so a flow fits an int32."""

MOST_EDGES = 1 << 20
"""Larger graphs are refused: at this size one call took about 15 CPU seconds."""


def flow(trace: Trace, token: int = 0, *, start: int = 0, end: int | None = None) -> Tensor:
    """Attention flow `[key]`: the maximum flow from position `token` of the last layer down to each input token.

    Every layer is an edge from each position to each one below, as wide as `0.5 * I + 0.5 * (mean over heads)`,
    rows scaled to sum to one as in `rollout`. Entry j is the most that can flow to input token j alone, 0 to 1:
    the narrowest cut between the two, never less than what `rollout` sends there. Flows to different tokens use
    the same pipes, so they do not sum to one; divide by the sum for shares, as the authors' code does.

    token: the position that is explained, counted from the end where negative.
    start, end: only these layers, as in a slice.

    Capacities are integers, weights times 2**30: rounding moves a flow by at most 2**-31 per edge of the narrowest
    cut, so by less than 5e-4 in the largest graph; below 1e-8 where it was compared. Cost: one run of Dinic's
    algorithm per input token, each over layers * tokens**2 edges; all together about 1 CPU second for 12 layers of
    128 tokens, 13 for 300.

    Raises InputError where layers do not follow one another (cross attention, other lengths; see `trace.select`),
    and for more than 2**20 edges, where `rollout(trace, row=token)` answers at once.
    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", section "Attention flow".

    >>> flow(trace)  # what can reach the class token
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
    )  # gives the last row and the first column their size
    return block_array(floors, format="csr")


def _capacities(attention: Attention) -> np.ndarray:
    """One layer, int32 `[query, key]`."""
    found = np.zeros((attention.queries, attention.keys))
    for rows, stays, moves, block in mixed_blocks(fused_blocks(attention, "mean", 0.0, None), 0.5):
        found[rows] = (moves.unsqueeze(-1) * block).double().cpu().numpy()
        at = np.arange(rows.start, rows.stop)
        found[at, at] += stays.double().cpu().numpy()
    return np.rint(found * UNIT).astype(np.int32)
