"""Distances and entropies of the heads of two traces whose tokens are aligned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..data._attention import Attention
from ._alignment import Side, columns_of
from ._distance import RowBlock, divergences, mean_distance, outcomes, p_log_p, row_blocks


def same_heads(
    a: Side, b: Side, alignment: Sequence[tuple[int, int]], metric: str
) -> tuple[Tensor, Tensor, Tensor]:
    """(distances of heads of equal number, their entropies in a, in b), float64 `[head]`: a layer of each at a time."""
    layers = [
        _means([one], [other], alignment, metric, _one_by_one)
        for one, other in zip(a.attentions, b.attentions)
    ]
    distance, entropy_a, entropy_b = (torch.cat(parts) for parts in zip(*layers))
    return distance, entropy_a, entropy_b


def all_heads(
    a: Side, b: Side, alignment: Sequence[tuple[int, int]], metric: str
) -> tuple[Tensor, Tensor, Tensor]:
    """(distances `[head of a, head of b]`, entropies of the heads of a, of b), float64."""
    return _means(a.attentions, b.attentions, alignment, metric, divergences)


def is_same(a: Side, b: Side) -> bool:
    """Whether heads are paired by number: the layers of both have as many."""
    return [one.heads for one in a.attentions] == [one.heads for one in b.attentions]


def nearest_of(distance: Tensor) -> Tensor:
    """For each head of a the nearest head of b, int64 `[head of a]`; distance: as of `all_heads`"""
    return distance.nan_to_num(torch.inf).min(1).indices


def pair_columns(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """The columns of a table that name a head of a and its head of b, each given as (layer, head)."""
    numbers = (list(column) for column in (*zip(*a), *zip(*b)))
    return dict(zip(("layer", "head", "layer_b", "head_b"), numbers))


Measure = Callable[[RowBlock, RowBlock, str], tuple[Tensor, Tensor]]


def _means(
    a: Sequence[Attention],
    b: Sequence[Attention],
    alignment: Sequence[tuple[int, int]],
    metric: str,
    measure: Measure,
) -> tuple[Tensor, Tensor, Tensor]:
    """(distances, entropies of the heads of a, of b), means over the aligned queries that are not masked."""
    keys_a, keys_b = columns_of(alignment)
    width = max(a[0].keys, b[0].keys) * (sum(left.heads for left in a) + sum(left.heads for left in b))
    sums: list[Tensor] = []
    for block in row_blocks(len(alignment), width, a[0].device):
        left = outcomes(a, keys_a[block], keys_a)
        right = outcomes(b, keys_b[block], keys_b).to(left.shares.device)
        found = [*measure(left, right, metric), *_entropy(left), *_entropy(right)]
        sums = [total + part.cpu() for total, part in zip(sums or [0.0] * len(found), found)]
    total, count, entropy_a, rows_a, entropy_b, rows_b = sums
    return mean_distance(total, count, metric), entropy_a / rows_a, entropy_b / rows_b


def _one_by_one(a: RowBlock, b: RowBlock, metric: str) -> tuple[Tensor, Tensor]:
    """As `divergences`, but only of heads with equal number: `[head]` each."""
    p, q = a.shares.double(), b.shares.double()
    if metric == "hellinger":
        apart = (p.sqrt() - q.sqrt()).square().sum(-1) / 2
    else:
        apart = (p_log_p(p) + p_log_p(q)) / 2 - p_log_p((p + q) / 2)
    both = (a.seen & b.seen).double()
    return (apart * both).sum(-1), both.sum(-1)


def _entropy(rows: RowBlock) -> tuple[Tensor, Tensor]:
    """(sum over rows of their entropy in nats, number of these rows), float64 `[head]`."""
    return -p_log_p(rows.shares).sum(-1), rows.seen.double().sum(-1)
