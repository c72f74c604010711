"""What the kernels return about every head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FusedSums:
    """Sums over the rows that count, float64 `[batch, head]`; divided by `rows` they are means.

    A row counts where its query is real and some key is visible. All but the first six fields (`rows` to `max_weight`,
    and `received`) are None where query and key are not one sequence.

    rows: how many rows count
    mass: of what the rows sum to: 1 each, less beside a sink
    received: `[batch, head, key]`, the weight that each key receives, float32
    entropy: of the row normalised to one, in nats; perplexity: exp of it, row by row
    max_weight: the largest weight of the row
    distance, signed_distance: |key - query| and key - query in positions, expected under the row normalised to one
    self, previous, next: the weight on the key at the query's position, one before, one after
    duplicate: the weight on keys of the same code elsewhere
    induction: the weight on keys that follow an earlier occurrence of the query's code
    """

    rows: Tensor
    mass: Tensor
    received: Tensor
    entropy: Tensor
    perplexity: Tensor
    max_weight: Tensor
    distance: Tensor | None = None
    signed_distance: Tensor | None = None
    self: Tensor | None = None
    previous: Tensor | None = None
    next: Tensor | None = None
    duplicate: Tensor | None = None
    induction: Tensor | None = None
