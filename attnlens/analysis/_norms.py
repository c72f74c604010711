"""Norms of the vectors that attention moves: a large weight on a short vector moves little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import BLOCK_ELEMENTS, Weights, Windows
from ..data._axes import HeadQueryKey
from ..data._trace import Layer, Trace
from ..errors import InputError

KINDS = ("heads", "sum", "residual", "layer_norm")


def norms(trace: Trace, kind: str = "sum") -> Trace:
    """A trace whose weights are the norms of the vectors that attention moves from key to query.

    With a the weights of a head and f(x) its transformed values (`Values.transformed`), an entry [query i, key j] is

    - "heads": `||a_ij f(x_j)||` of each head, `[head, query, key]`
    - "sum": `||sum_h a_ij f(x_j)||` over the heads, `[1, query, key]` as all that follow
    - "residual": the same with the residual stream added where i = j: `||sum_h a_ij f(x_j) + [i = j] x_i||`
    - "layer_norm": the same after the LayerNorm that follows, which is a linear map for a given input

    Norms have the unit of the hidden states and do not sum to one; `norms(trace).renormalize([])` scales the rows, and
    `rollout(norms(trace, "layer_norm"), residual=0)` follows them through the stack. Biases of the projection and of
    the LayerNorm belong to no key and are omitted.

    Sums over heads are never computed as vectors: with the Gram matrix `G_j = f_g(x_j) . f_h(x_j)` of token j over the
    heads, `||sum_h a_h f_h||^2 = a^T G_j a`, so an entry costs H^2 instead of H * d_model operations.

    Raises InputError where a layer's values were not recorded (`lens.trace(input, values=True)`), or no residual
    stream or no LayerNorm was recorded.
    Sources: Kobayashi et al. 2020, "Attention is Not Only a Weight" ("heads", "sum"); Kobayashi et al.
    2021, "Incorporating Residual and Normalization Layers into Analysis of Masked Language Models".
    """
    _checks.trace(trace, "norms", "lens.trace(input, values=True)")
    _checks.one_of("kind of norms", kind, KINDS)
    moved = (Weights(torch.cat(list(_blocks(layer, kind)), dim=1)) for layer in trace.layers)
    layers = tuple(
        replace(layer, attention=norm, values=None, normalized=False)
        for layer, norm in zip(trace.layers, moved)
    )
    return replace(trace, layers=layers, target=None)


def _blocks(layer: Layer, kind: str) -> Iterator[HeadQueryKey]:
    _check(layer, kind)
    attention, values = layer.attention, layer.values
    length = _lengths(layer) if kind == "heads" else None
    gram = None if kind == "heads" else _gram(layer, kind)
    for rows, block in attention.blocks():
        if kind == "heads":
            yield block * length.unsqueeze(1)
            continue
        squared = _squared(block, gram)
        if kind != "sum":
            _add_residual(squared, block, layer, rows, kind)
        norm = squared.clamp_(min=0).sqrt_()
        if kind == "layer_norm":
            norm /= values.spread[rows].to(norm.dtype).unsqueeze(1)
        yield norm.unsqueeze(0)


def _squared(block: HeadQueryKey, gram: Tensor) -> Tensor:
    """`a^T G_j a`, `[row, key]`"""
    by_key = block.permute(2, 1, 0)  # [key, row, head]
    return ((by_key @ gram) * by_key).sum(-1).t()


def _lengths(layer: Layer) -> Tensor:
    """`||f_h(x_j)||`, `[head, key]`"""
    heads = layer.attention.heads
    return torch.cat([part.norm(dim=-1) for part in _transformed(layer, "heads", heads)], dim=1)


def _gram(layer: Layer, kind: str) -> Tensor:
    """`f_g(x_j) . f_h(x_j)`, `[key, head, head]`"""
    parts = (part.transpose(0, 1) for part in _transformed(layer, kind, layer.attention.heads))
    return torch.cat([part @ part.transpose(1, 2) for part in parts])


def _transformed(layer: Layer, kind: str, heads: int) -> Iterator[Tensor]:
    """The transformed values, `[head, key, d_model]`, some keys at a time."""
    values = layer.values
    width = values.value.shape[-1] if values.output is None else values.output.shape[-1]
    step = max(1, BLOCK_ELEMENTS // (heads * width))
    for start in range(0, layer.attention.keys, step):
        some = replace(values, value=values.value[:, start : start + step])
        yield _shaped(some.transformed(heads), layer, kind)


def _shaped(vectors: Tensor, layer: Layer, kind: str) -> Tensor:
    """The LayerNorm of each vector, without the division that depends on the query."""
    if kind != "layer_norm":
        return vectors
    centred = vectors - vectors.mean(-1, keepdim=True)
    return centred * layer.values.scale.to(vectors.dtype)


def _add_residual(squared: Tensor, block: HeadQueryKey, layer: Layer, rows: slice, kind: str) -> None:
    """On the diagonal: `||u + x||^2 = ||u||^2 + 2 u . x + ||x||^2`."""
    at = torch.arange(rows.start, rows.stop, device=squared.device)
    local = at - rows.start
    stream = _shaped(layer.values.residual[rows].to(squared.dtype), layer, kind)
    own = replace(layer.values, value=layer.values.value[:, rows]).transformed(layer.attention.heads)
    mixed = torch.einsum("hr,hrd->rd", block[:, local, at], _shaped(own, layer, kind))
    squared[local, at] += (2 * mixed * stream + stream.square()).sum(-1)


def _check(layer: Layer, kind: str) -> None:
    values = layer.values
    if isinstance(layer.attention, Windows):
        raise InputError(
            f"{layer.name!r} attends within windows, whose values are not recorded, so it has no norms; choose other "
            "layers by trace.select(prefix)"
        )
    if values is None:
        raise InputError(
            f"norms need the values of {layer.name!r}, which were not recorded; use lens.trace(input, values=True)"
        )
    if kind in ("heads", "sum") and values.output is None:
        raise InputError(
            f"the output projection of {layer.name!r} was not recorded, so its heads cannot be summed; norms of the "
            "values alone are attention[head] * layer.values.value.norm(dim=-1)"
        )
    if kind in ("residual", "layer_norm"):
        square = layer.kind == "self" and layer.attention.queries == layer.attention.keys
        if values.residual is None or values.output is None or not square:
            raise InputError(
                f"no residual stream was recorded beside {layer.name!r}, or it is not self-attention; use kind='sum'"
            )
    if kind == "layer_norm" and values.scale is None:
        raise InputError(f"no LayerNorm directly follows {layer.name!r} (pre-norm); use kind='residual'")
