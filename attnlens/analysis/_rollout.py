"""Attention rollout: how much of each input token reaches each position through the whole stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention, Weights, Windows
from ..data._trace import Trace
from ..errors import InputError, unknown_name
from ..kernels._fused import row_through_heads

FUSIONS = ("mean", "max", "min")

MOST_WAYS = 4
"""The number of choices of layers that an error message lists."""


def rollout(
    trace: Trace,
    residual: float = 0.5,
    *,
    heads: str | Sequence[int] = "mean",
    discard: float = 0.0,
    start: int = 0,
    end: int | None = None,
    row: int | None = None,
    column: int | None = None,
) -> Tensor:
    """Attention rollout `[query, key]`: the product over layers of `residual * I + (1 - residual) * heads fused`.

    Entry `[i, j]` is the share of position i in the last layer that comes from input token j, under the assumption
    that only attention and the residual path mix tokens. Rows are scaled to sum to one, which compensates for the
    mass of a sink, for discarded weights and for masked rows.

    residual: share of the residual path in each layer, 0 to 1; 0.5 counts both equally, as in the paper.
    heads: how the heads of a layer become one matrix: their "mean", "max" or "min", or the mean of those listed.
    discard: share of each fused row that is set to zero, its smallest weights first, as for vision models; the
        column of a class token is always kept.
    start, end: only these layers, as in a slice.
    row: only this row, `[key]`: the composition of position `row`, by vector products from the last layer down.
    column: only this column, `[query]`: the share of token `column` in each position, by vector products from the
        first layer up.

    A row or a column builds no matrix; for several of them fuse the heads once: `rollout(fuse(trace), row=i)`.

    Raises InputError where layers cannot be multiplied: cross attention, different lengths (see `trace.select`).
    Sources: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", eqs. 1 and 2; fusion and
    discarding after Gildenblat 2020, "Exploring Explainability for Vision Transformers".

    >>> rollout(trace, row=0)  # the composition of the class token
    """
    _checks.trace(trace, "rollout")
    residual = _checks.share("residual", residual)
    layers = stack(trace, start, end, "rollout")
    fusions = _fusions(trace, layers, heads, discard)
    mixed = [with_residual(fused, residual) for fused in fusions]
    if row is not None and column is not None:
        raise InputError("pass row= or column=, not both; rollout(trace, row=i)[j] is one entry")
    size = layers[0].queries
    if row is None and column is None:
        return _product(mixed)
    vector = torch.zeros(size, device=layers[0].device, dtype=layers[0].dtype)
    name, which = ("row", row) if column is None else ("column", column)
    vector[_checks.position(name, which, size)] = 1.0
    if row is None:
        for blocks in mixed:
            vector = _pushed(vector, blocks)
        return vector
    by_kernel = isinstance(heads, str) and heads == "mean" and not discard
    for attention, blocks in zip(reversed(layers), reversed(mixed)):
        pulled = _pulled_by_kernel(vector, attention, residual) if by_kernel else None
        vector = _pulled(vector, blocks) if pulled is None else pulled
    return vector


def _pulled_by_kernel(vector: Tensor, attention: Attention, residual: float) -> Tensor | None:
    """`_pulled` for the mean of the heads of factors on a GPU, whose rows sum to one or to zero; None for others."""
    product = row_through_heads(attention, vector * (1 - residual))
    if product is None:
        return None
    stays = torch.full_like(vector, residual).masked_fill_(attention.masked_rows, 1.0 if residual else 0.0)
    return vector * stays + product


def fuse(trace: Trace, heads: str | Sequence[int] = "mean", discard: float = 0.0) -> Trace:
    """The same trace with each layer's heads fused into one, stored as weights `[1, query, key]`.

    With the heads fused once, rows and columns of the rollout are cheap enough for interactive use. The options are
    those of `rollout`.
    """
    _checks.trace(trace, "fuse")
    attentions = [layer.attention for layer in trace.layers]
    fused = [
        Weights(torch.cat([block for _, block, _ in blocks]).unsqueeze(0))
        for blocks in _fusions(trace, attentions, heads, discard)
    ]
    whole = not discard and heads not in ("max", "min")
    layers = tuple(
        replace(layer, attention=one, normalized=layer.normalized and whole)
        for layer, one in zip(trace.layers, fused)
    )
    return replace(trace, layers=layers)


MOST_MASS = 1.05
"""The largest sum of a row of attention: 1, and the rounding of half precision."""


def check_shares(weights: Tensor) -> None:
    """Raises InputError for rows that are not shares of attention, such as those of `norms`."""
    most = float(weights.sum(-1).amax()) if weights.numel() else 0.0
    if most > MOST_MASS:
        raise InputError(
            f"a row sums to {most:.3g}, so these are not shares of attention (norms?); scale the rows to sum to one: "
            "trace.renormalize([])"
        )


Blocks = Iterator[tuple[slice, Tensor, Tensor]]
"""(rows, fused weights `[row, key]`, the sum of each row `[row]`)"""

MixedBlocks = Iterator[tuple[slice, Tensor, Tensor, Tensor]]
"""(rows, share that stays `[row]`, share that moves along the weights `[row]`, weights `[row, key]`)"""


def _fusions(
    trace: Trace, layers: list[Attention], heads: str | Sequence[int], discard: float
) -> list[Blocks]:
    """Per layer its fused weights, walked in blocks `[row, key]`."""
    if isinstance(heads, str) and heads not in FUSIONS:
        raise unknown_name("fusion of heads", heads, (*FUSIONS, "a list of head numbers"))
    discard = _checks.number("discard", discard, least=0, below=1)
    if not isinstance(heads, str | Iterable):
        raise InputError(
            f"heads must be one of {', '.join(FUSIONS)}, or a list of head numbers, not {heads!r}"
        )
    if not isinstance(heads, str) and not list(heads):
        raise InputError("heads lists no head; pass at least one number")
    leading = trace.patches.leading if trace.patches is not None else trace.tokens[:1]
    kept = 0 if leading and getattr(leading[0], "special", True) else None
    return [fused_blocks(attention, heads, discard, kept) for attention in layers]


def fused_blocks(
    attention: Attention, heads: str | Sequence[int], discard: float, kept: int | None
) -> Blocks:
    """One layer's heads fused, walked over its queries; the column `kept` is never discarded."""
    if isinstance(attention, Weights) and attention.heads == 1 and isinstance(heads, str) and not discard:
        # Already fused: nothing is copied, so that a row is cheap.
        yield slice(0, attention.queries), attention.weights[0].to(attention.dtype), attention.mass[0]
        return
    chosen = slice(None) if isinstance(heads, str) else list(heads)
    how = heads if isinstance(heads, str) else "mean"
    for rows, block in attention.blocks(chosen):
        fused = block.mean(0) if how == "mean" else getattr(block, f"a{how}")(0)
        count = int(discard * attention.keys)
        if count:
            order = fused.clone()
            if kept is not None:
                order[:, kept] = torch.inf
            fused = fused.scatter(1, order.topk(count, largest=False).indices, 0.0)
        yield rows, fused, fused.sum(-1)


def with_residual(blocks: Blocks, residual: float) -> MixedBlocks:
    """Each row with its residual path; the two sum to one."""
    for rows, block, sums in blocks:
        mass = residual + (1 - residual) * sums
        mass = mass.masked_fill(mass == 0, 1.0)
        yield rows, residual / mass, (1 - residual) / mass, block


def _pulled(vector: Tensor, blocks: MixedBlocks) -> Tensor:
    """`vector @ mixed`: from a row above to the row below."""
    pulled = torch.zeros_like(vector)
    for rows, stays, moves, block in blocks:
        pulled[rows] += vector[rows] * stays
        pulled += (vector[rows] * moves) @ block.to(vector.dtype)
    return pulled


def _pushed(vector: Tensor, blocks: MixedBlocks) -> Tensor:
    """`mixed @ vector`: from a column below to the column above."""
    return torch.cat(
        [
            stays * vector[rows] + moves * (block.to(vector.dtype) @ vector)
            for rows, stays, moves, block in blocks
        ]
    )


def _product(mixed: list[MixedBlocks]) -> Tensor:
    result = None
    for blocks in mixed:
        parts = []
        for rows, stays, moves, weights in blocks:
            block = moves.unsqueeze(-1) * weights
            if result is None:
                at = torch.arange(len(block), device=block.device)
                block[at, at + rows.start] += stays
                parts.append(block)
            else:
                parts.append(block @ result + stays.unsqueeze(-1) * result[rows])
        result = torch.cat(parts)
    return result


def stack(trace: Trace, start: int, end: int | None, function: str) -> list[Attention]:
    """The layers from start to end. Raises InputError unless they are self-attention over the same positions."""
    trace = trace[_checks.integer("start", start) : None if end is None else _checks.integer("end", end)]
    if not trace.layers:
        raise InputError("the trace has no layers, or start and end select none; choose a wider range")
    first = trace.layers[0]
    for layer in trace.layers:
        attention = layer.attention
        chained = attention.queries == attention.keys == first.attention.queries
        if isinstance(attention, Windows):
            raise InputError(
                f"{function} follows tokens through the layers; {layer.name!r} attends within windows, whose positions "
                "change from layer to layer. Use single layers: trace[layer].mean('head')."
            )
        if layer.kind != "self" or layer.query_side != first.query_side or not chained:
            raise InputError(
                f"{function} follows self-attention over the same positions; {layer.name or 'the model'!r} is "
                f"{layer.kind} attention {list(attention.shape)} beside {first.name!r} {list(first.attention.shape)}. "
                f"{advice(trace)}"
            )
    return [layer.attention for layer in trace.layers]


def _longest_run(trace: Trace) -> tuple[int, int]:
    """The longest slice of layers that attend over the same positions."""
    axes = [(one.kind, one.query_side, *one.attention.shape[1:]) for one in trace.layers]
    best, start = (0, 0), 0
    for at, (kind, _, queries, keys) in enumerate(axes):
        if kind != "self" or queries != keys:
            start = at + 1
        elif axes[at] != axes[start]:
            start = at
        best = max(best, (start, at + 1), key=lambda run: run[1] - run[0])
    return best


def advice(trace: Trace) -> str:
    """How to choose layers of this trace that can be multiplied: the shortest paths that select only such layers."""
    ways = {}
    for layer in trace.layers:
        parts = layer.name.split(".") if layer.kind == "self" else []
        for prefix in (".".join(parts[:n]) for n in range(len(parts) + 1)) if parts else ():
            inside = trace.select(prefix).layers
            chain = [one for one in inside if one.kind == "self"]
            axes = {(a.query_side, n) for a in chain for n in (a.attention.queries, a.attention.keys)}
            if len(axes) == 1:
                kind = "" if len(chain) == len(inside) else ", kind='self'" if prefix else "kind='self'"
                ways[f"trace.select({repr(prefix) if prefix else ''}{kind})"] = len(chain)
                break
    start, stop = _longest_run(trace)
    if stop - start > max(ways.values(), default=1):
        ways = {f"trace[{start}:{stop}]": stop - start} | ways
    if not ways:
        return "Use single layers: trace[layer].mean('head')."
    return f"Choose the layers: {', '.join(list(ways)[:MOST_WAYS])}."
