"""Relevance: attention weighted by its gradient, propagated through the layers for one class.

The gradient of the weights is computed without materialising the weights in the model: with O = A V the output of a
head, `dA = dO V^T`, block by block, from the values and the gradient at the attention's output that a trace for a
target holds (`lens.trace(input, target=...)`). The model runs in its own fused attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._checks import listed, position
from ..analysis._rollout import rollout
from ..data._attention import Weights, Windows
from ..data._trace import Layer, Trace
from ..errors import InputError
from ..models._classes import PREDICTED

if TYPE_CHECKING:
    from ..models._protocols import ModelWithProcessor


def relevance(
    lens: ModelWithProcessor,
    input: Any,
    target: str | int | None = None,
    *,
    row: int | None = None,
    **options: Any,
) -> Tensor | list[Tensor]:
    """Relevance `[query, key]` of each input token for each position, restricted to evidence for the target class.

    Per layer `A' = mean over heads of (A * dA)^+`, with dA the gradient of the target's logit, and
    `R <- R + A' R`, starting from R = I. A value of 0 means attention without effect, or with an effect against the
    class. The row of the position that the model predicts from (the class token, a decoder's last token) explains the
    class. Values have no unit and no fixed sum; they rank tokens.

    For an encoder-decoder the result is `[output, input]`, by the rule for two streams: a cross-attention adds
    `R_oo^T A' R_ii`, where each R is row-normalised apart from its identity.

    target: class name or index; the predicted class by default.
    row: compute only this row, `[key]`, by vector products; not for an encoder-decoder.
    input: for a list, and for a long text with `window=`, returns a list. options: as for `lens.trace`.

    Raises InputError for an unknown target, a model without class logits, and layers that are not one stack of
    self-attention over the same positions.
    Source: Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and
    Encoder-Decoder Transformers", eqs. 5 to 11 (the generic rule, without LRP).

    >>> al.attribution.relevance(lens, "a gripping , funny film", row=0)  # evidence for the predicted class
    """
    return _of_each(lens, input, target, options, lambda trace: _relevance(trace, row))


def gradient_rollout(
    lens: ModelWithProcessor,
    input: Any,
    target: str | int | None = None,
    *,
    residual: float = 0.5,
    row: int | None = None,
    **options: Any,
) -> Tensor | list[Tensor]:
    """Rollout of attention weighted by its gradient, `[query, key]`, with rows that sum to one.

    Per layer the mean over heads of `A * dA` with negative entries set to zero, mixed with the residual path and
    normalised as in `rollout`. `residual` and `row` are those of `rollout`, the other options those of `relevance`.

    Source: Gildenblat 2020, "Exploring Explainability for Vision Transformers", gradient rollout; here every row is
    divided by its own sum, and all inputs of a batch are treated alike.
    """

    def fused(trace: Trace) -> Tensor:
        layers = tuple(
            replace(layer, attention=Weights(torch.cat(list(_weighted(layer, late=True))).unsqueeze(0)))
            for layer in _followed(trace)
        )
        return rollout(replace(trace, layers=layers), residual, row=row)

    return _of_each(lens, input, target, options, fused)


def _of_each(
    lens: ModelWithProcessor, input: Any, target: str | int | None, options: dict, relevance_of: Any
) -> Any:
    """The relevance of each input; its trace is released before the next one is recorded."""
    if not hasattr(lens, "trace"):
        raise InputError(
            f"relevance needs a lens, not {type(lens).__name__}: al.load(name), al.Lens(model, ...)"
        )
    wanted = PREDICTED if target is None else target
    options = {"values": False} | options  # the output projection is not needed
    inputs = listed(input)
    if "output" not in options and "window" not in options:
        traces = lens.traces([input] if inputs is None else inputs, target=wanted, **options)
        results = [relevance_of(trace) for trace in traces]
        return results[0] if inputs is None else results
    if inputs is not None:
        return [_of_each(lens, item, target, options, relevance_of) for item in inputs]
    traces = lens.trace(input, target=wanted, **options)  # one per window
    return [relevance_of(trace) for trace in traces] if isinstance(traces, list) else relevance_of(traces)


def _relevance(trace: Trace, row: int | None) -> Tensor:
    sides = {(layer.query_side, layer.key_side) for layer in trace.layers}
    if ("output", "input") in sides:
        if row is not None:
            raise InputError(
                "row= is for one stack of self-attention; take a row of the result: relevance(...)[row]"
            )
        return _two_streams(trace)
    layers = _followed(trace)
    size, like = layers[0].attention.queries, layers[0].attention
    if row is None:
        relevance = torch.eye(size, dtype=like.dtype, device=like.device)
        for layer in layers:
            relevance = relevance + _product(layer, relevance)
        return relevance
    vector = torch.zeros(size, dtype=like.dtype, device=like.device)
    vector[position("row", row, size)] = 1.0
    for layer in reversed(layers):
        vector = vector + _pulled(layer, vector)
    return vector


def _two_streams(trace: Trace) -> Tensor:
    """`[output, input]`: the encoder's stream, the decoder's, and the decoder's relevance from the encoder."""
    streams: dict[tuple[str, str], Tensor] = {}
    for layer in trace.layers:
        _check(layer)
        stream, size = layer.query_side, layer.attention.queries
        like = {"dtype": layer.attention.dtype, "device": layer.attention.device}
        of_stream = streams.setdefault((stream, stream), torch.eye(size, **like))
        if layer.kind == "self":
            streams[stream, stream] = of_stream + _product(layer, of_stream)
            if ("output", "input") in streams and stream == "output":
                taken = streams["output", "input"]
                streams["output", "input"] = taken + _product(layer, taken)
            continue
        other = streams["input", "input"]
        taken = _beside_identity(of_stream).t() @ _product(layer, _beside_identity(other))
        streams["output", "input"] = streams.get(("output", "input"), torch.zeros_like(taken)) + taken
    return streams["output", "input"]


def _beside_identity(relevance: Tensor) -> Tensor:
    """Eqs. 8 and 9: the rows of R - I are normalised to sum to one, so that both terms have equal weight."""
    identity = torch.eye(len(relevance), dtype=relevance.dtype, device=relevance.device)
    added = relevance - identity
    mass = added.sum(-1, keepdim=True)
    return added / mass.masked_fill(mass == 0, 1.0) + identity


def _product(layer: Layer, right: Tensor) -> Tensor:
    """`A' @ right`, block by block."""
    return torch.cat([block @ right for block in _weighted(layer)])


def _pulled(layer: Layer, vector: Tensor) -> Tensor:
    """`vector @ A'`, block by block."""
    start, pulled = 0, torch.zeros(layer.attention.keys, dtype=vector.dtype, device=vector.device)
    for block in _weighted(layer):
        pulled += vector[start : start + len(block)] @ block
        start += len(block)
    return pulled


def _weighted(layer: Layer, late: bool = False) -> Iterator[Tensor]:
    """`mean over heads of (A * dA)^+`, `[row, key]` per block; with `late` the positive part of the mean."""
    attention, values = layer.attention, layer.values
    value = values.of_heads(attention.heads).transpose(1, 2)
    for rows, block in attention.blocks():
        changed = (values.gradient[:, rows].to(value.dtype) @ value).mul_(block)
        yield changed.mean(0).clamp_(min=0) if late else changed.clamp_(min=0).mean(0)


def _followed(trace: Trace) -> tuple[Layer, ...]:
    """The layers of one stack of self-attention over the same positions, each with its gradient; else InputError."""
    if not trace.layers:
        raise InputError("the trace has no layers")
    first = trace.layers[0].attention
    for layer in trace.layers:
        _check(layer)
        if layer.kind != "self" or not layer.attention.queries == layer.attention.keys == first.queries:
            raise InputError(
                f"relevance needs self-attention over the same positions in every layer; {layer.name!r} is "
                f"{layer.kind} attention {list(layer.attention.shape)}. Use trace[layer] and layer.values.gradient"
            )
    return trace.layers


def _check(layer: Layer) -> None:
    if isinstance(layer.attention, Windows):
        raise InputError(
            f"{layer.name!r} attends within windows, whose positions change from layer to layer; relevance needs the "
            "same positions in every layer. Use a method of gradients instead"
        )
    if layer.values is None or layer.values.gradient is None:
        raise InputError(
            f"no gradient reached the attention of {layer.name!r}: the target does not depend on it, its input is "
            "parameters of the model alone (learned queries), or it ran under no_grad"
        )
