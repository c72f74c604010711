"""Verification of a recording: weights times values against the model's output, and batches against single inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import CaptureError, InputError

if TYPE_CHECKING:
    from ._calls import Call
    from ._recording import Recording

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 3e-2}
"""The largest difference by rounding, for the dtype of the model's computation, as a share of the largest value:
products in float32 are summed in another order than in the model's kernel.
"""


@dataclass
class Evidence:
    """The values and the output of one call.

    value `[batch, key_head, key, d_head]`, result `[batch, head, query, d_head]`
    dropped: whether dropout changed the weights, so that only their rows can be checked
    projection: weight `[d_model, head * d_head]` and bias of nn.MultiheadAttention, whose result is
        `[batch, 1, query, d_model]`
    """

    value: Tensor
    result: Tensor
    dropped: bool = False
    projection: tuple[Tensor, Tensor | None] | None = None

    def of(self, item: int, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(weights x values, the output) of one batch entry, `[head | 1, query, d_head | d_model]` in float64."""
        value = self.value[item].to(weights)
        mixed = weights @ value.repeat_interleave(len(weights) // len(value), 0)
        if self.projection is None:
            return mixed, self.result[item].to(weights)
        weight, bias = self.projection
        mixed = mixed.transpose(0, 1).flatten(1) @ weight.detach().to(weights).T
        mixed = mixed if bias is None else mixed + bias.detach().to(weights)
        return mixed[None], self.result[item].to(weights)


@dataclass(frozen=True)
class Check:
    """The difference of one recorded layer from the model's computation.

    output: largest difference of weights x values from the output, as a share of the largest value; None where
        dropout changed the weights
    rows: largest difference of a row's sum from 1; None where the model changed its weights after the softmax
    tolerance: the largest difference by rounding
    """

    layer: str
    output: float | None
    rows: float | None
    tolerance: float

    @property
    def passed(self) -> bool:
        return max(self.output or 0.0, self.rows or 0.0) <= self.tolerance


def verify(recording: Recording, alone: Sequence[Recording] | None = None) -> list[Check]:
    """See `Recording.verify`."""
    missing = [call.module for call in recording.calls if call.evidence is None]
    if missing:
        raise InputError(
            f"the values and the output of layer {missing[0]!r} were not recorded; run the model inside "
            "`capture(model, verify=True)`"
        )
    checks = [_check(recording, call) for call in recording.calls]
    failed = [check for check in checks if not check.passed]
    if failed:
        worst = max(failed, key=lambda check: max(check.output or 0.0, check.rows or 0.0))
        raise CaptureError(
            f"layer {worst.layer!r}: weights x values differ from the output by {worst.output or 0:.2g} of the "
            f"largest value, row sums from 1 by {worst.rows or 0:.2g}; rounding explains {worst.tolerance:.0e}. "
            f"{len(failed)} of {len(checks)} layers fail. Please report this with the model's class."
        )
    if alone is not None:
        _compare(recording, alone)
    return checks


def _check(recording: Recording, call: Call) -> Check:
    evidence = call.evidence
    held = call.weights if call.weights is not None else call.query
    tolerance = max(TOLERANCE.get(t.dtype, 2e-5) for t in (evidence.result, held))
    output = None if evidence.dropped else 0.0
    rows = None if call.touched or call.sink is not None else 0.0
    for item in range(call.batch):
        attention = recording.attention(call, item, None, None).to(torch.float64)
        weights = attention[:]
        mixed, result = evidence.of(item, weights)
        seen = _seen(recording, call, item, ~attention.masked_rows) & result.isfinite().all(-1).all(0)
        if bool(seen.any()):
            largest = float(
                torch.maximum(result[:, seen].abs().amax(), evidence.value[item].nan_to_num().abs().amax())
            )
            difference = float((mixed - result)[:, seen].abs().amax()) / max(largest, 1e-30)
            output = None if output is None else max(output, difference)
            rows = None if rows is None else max(rows, float((weights[:, seen].sum(-1) - 1).abs().amax()))
    return Check(call.module, output, rows, tolerance)


def _seen(recording: Recording, call: Call, item: int, seen: Tensor) -> Tensor:
    """bool `[query]` without rows of padding, which no trace has: a mask of finite numbers leaves weights there."""
    rows, _ = recording.padding(call, item)
    return seen if rows is None else seen & torch.zeros_like(seen).index_fill(0, rows.to(seen.device), True)


def _compare(recording: Recording, alone: Sequence[Recording]) -> None:
    """Compares each trace with the recording of the same input alone."""
    traces = list(recording)
    if len(traces) != len(alone):
        raise InputError(
            f"{len(traces)} inputs were recorded, but {len(alone)} recordings of one input were given"
        )
    for number, (trace, lone) in enumerate(zip(traces, alone)):
        other = lone[0]
        mine, theirs = (
            [(layer.name, layer.kind, layer.attention.shape) for layer in t.layers] for t in (trace, other)
        )
        if mine != theirs:
            at = next(
                (i for i, pair in enumerate(zip(mine, theirs)) if pair[0] != pair[1]),
                min(len(mine), len(theirs)),
            )
            raise CaptureError(
                f"input {number} is recorded differently in a batch and alone: layer {at} is {mine[at : at + 1]} in "
                f"the batch and {theirs[at : at + 1]} alone. Please report this with the model's class"
            )
        for layer, same in zip(trace.layers, other.layers):
            difference = float((layer.attention[:] - same.attention[:]).abs().amax())
            tolerance = 50 * TOLERANCE.get(_dtype(recording, layer.name), 2e-5)
            if difference > tolerance:
                raise CaptureError(
                    f"layer {layer.name!r}: the weights of input {number} in the batch differ from those of the same "
                    f"input alone by {difference:.2g}; rounding explains {tolerance:.0e}. Please report this with the "
                    "model's class"
                )


def _dtype(recording: Recording, name: str) -> torch.dtype:
    call = next(call for call in recording.calls if name.startswith(call.module))
    return (call.weights if call.weights is not None else call.query).dtype
