"""A trace as bytes for the browser: a small header that describes the layout, and one block of bytes per layer.

A layer is sent as whichever is smaller in float16: its weights, or the factors that the browser multiplies. Both
preserve the many small weights of a row, which rounding to eight bits would lose. Arrays follow each other,
little-endian, in the order of a layer's `parts`. Of a long trace single heads are sent, as layers of one head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._escaping import encodable
from ..data._attention import Attention, Band, Factors, Windows
from ..data._thumbnails import data_url
from ..data._trace import Layer, PatchGrid, Token, Trace

LARGEST = 64 << 20
"""Bytes of all layers together above which the browser requests only the blocks that it shows."""

MOST_WEIGHTS = 1 << 21
"""Weights of one head up to which the browser computes them itself; beyond that it requests blocks."""

MOST_LETTERS = 200
"""Letters of a text that name it."""

MOST_FACTORS = 128 << 20
"""Bytes of one head's queries and keys up to which the browser receives them."""

HALF_MAX = 2.0**15
"""Queries and keys with larger numbers are scaled down by a power of two, which loses nothing in float16."""


def header(trace: Trace) -> dict[str, Any]:
    """The data that a view needs before any weights: tokens, layers, image, and the layout of each layer's bytes."""
    layers = [layer_header(layer) for layer in trace.layers]
    too_long = any(layer["queries"] * layer["keys"] > MOST_WEIGHTS for layer in layers)
    return {
        "model": trace.model,
        "prediction": None if trace.prediction is None else str(trace.prediction),
        "tokens": {"input": _tokens(trace.tokens), "output": _tokens(trace.output_tokens)},
        "patches": trace.patches and _patches(trace.patches),
        "layers": layers,
        "stacks": stacks(trace),
        "remote": too_long or sum(layer["bytes"] for layer in layers) > LARGEST,
    }


def about(trace: Trace) -> str:
    """The model and the input, in a line."""
    text = " / ".join(trace.passages)
    if trace.patches is not None:
        text = f"an image of {trace.patches.rows} × {trace.patches.cols} patches"
    elif len(text) > MOST_LETTERS:
        text = f"{text[:MOST_LETTERS]} …"
    return " · ".join(part for part in (trace.model or "", text) if part)


def stacks(trace: Trace) -> list[str]:
    """Of each layer "encoder", "decoder" or "cross"; "" for a model of one stack."""
    if not any(layer.kind == "cross" or layer.query_side == "output" for layer in trace.layers):
        return [""] * len(trace)
    return [
        "cross" if layer.kind == "cross" else "decoder" if layer.query_side == "output" else "encoder"
        for layer in trace.layers
    ]


@dataclass(frozen=True)
class StoredTensor:
    """One array of a layer: its name, its type ("f2", "f4" or "bits") and its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes, padded to a multiple of four so that the next array is aligned."""
        count = int(np.prod(self.shape))
        size = {"f2": 2 * count, "f4": 4 * count, "bits": -(-count // 8)}[self.dtype]
        return -(-size // 4) * 4


def layer_header(layer: Layer, detail: bool = False) -> dict[str, Any]:
    """One layer's names and sizes, and its parts.

    detail: use the factors wherever there are any, for the products of a score
    """
    attention = layer.attention
    heads, queries, keys = attention.shape
    parts = _parts(attention, detail)
    header: dict[str, Any] = {
        "name": layer.name, "kind": layer.kind, "query": layer.query_side, "key": layer.key_side,
        "heads": heads, "queries": queries, "keys": keys,
        "detail": isinstance(attention, Factors),
        "parts": [[part.name, part.dtype, list(part.shape)] for part in parts],
        "bytes": sum(part.nbytes for part in parts),
    }  # fmt: skip
    if parts[0].name == "query":
        scale = attention.scale * shrink(attention.query) * shrink(attention.key)
        header |= {"scale": scale, "softcap": attention.softcap, "band": _band(attention.mask)}
    return header


def layer_bytes(attention: Attention, detail: bool = False) -> bytes:
    """The bytes that `layer_header` describes."""
    return b"".join(_written(part, _array(attention, part.name)) for part in _parts(attention, detail))


def sent_head(layer: Layer, head: int) -> Layer | None:
    """One head as a layer of its own; None without factors, and where bias and mask are larger than both."""
    if not isinstance(layer.attention, Factors) or 0 in layer.attention.shape:
        return None
    one = single_head(layer.attention, head)
    query, key, *extras = (part.nbytes for part in _parts(one, detail=True))
    return replace(layer, attention=one) if sum(extras) <= query + key <= MOST_FACTORS else None


def single_head(attention: Factors, head: int) -> Factors:
    """One head alone."""
    group = attention.heads // attention.key.shape[0]
    parts = {name: getattr(attention, name) for name in ("query", "bias", "mask", "sink")}
    parts["known_lse"] = attention.whole_lse
    some = {
        name: part[head : head + 1] if len(part) > 1 else part
        for name, part in parts.items()
        if isinstance(part, Tensor)
    }
    return replace(attention, key=attention.key[head // group][None], **some)


def rounded(attention: Factors) -> Factors:
    """What float16 leaves of queries and keys, as the browser has them; its rows sum to one."""
    sent = {
        name: (tensor / shrink(tensor)).half().float() * shrink(tensor)
        for name, tensor in (("query", attention.query), ("key", attention.key))
    }
    return replace(attention, **sent, known_lse=None)


def _parts(attention: Attention, detail: bool) -> list[StoredTensor]:
    """The smaller of the two: the weights, or the factors."""
    weights = StoredTensor("weights", "f2", attention.shape)
    if isinstance(attention, Windows):
        size = attention.parts[0].shape
        return [StoredTensor("windows", "f2", (len(attention.parts), *size))]
    if not isinstance(attention, Factors):
        return [weights]
    factors = [
        StoredTensor("query", "f2", tuple(attention.query.shape)),
        StoredTensor("key", "f2", tuple(attention.key.shape)),
    ]
    if attention.bias is not None:
        factors.append(StoredTensor("bias", "f4", tuple(attention.bias.shape)))
    if isinstance(attention.mask, Tensor):
        factors.append(StoredTensor("mask", "bits", tuple(attention.mask.shape)))
    if attention.sink is not None:
        factors.append(StoredTensor("sink", "f4", tuple(attention.sink.shape)))
    smaller = sum(part.nbytes for part in factors) < weights.nbytes
    return factors if smaller or detail else [weights]


def _array(attention: Attention, name: str) -> Tensor:
    if name == "weights":
        return attention[:]
    if name == "windows":
        return torch.stack([part[:] for part in attention.parts])
    tensor = getattr(attention, name)
    return tensor / shrink(tensor) if name in ("query", "key") else tensor


def shrink(tensor: Tensor) -> float:
    """The power of two that brings the largest number into the range of float16; 1 for ordinary ones."""
    largest = max(abs(float(end)) for end in torch.aminmax(tensor)) if tensor.numel() else 0.0
    return 2.0 ** max(0, int(np.ceil(np.log2(largest / HALF_MAX)))) if largest > HALF_MAX else 1.0


def _written(part: StoredTensor, tensor: Tensor) -> bytes:
    if part.dtype == "bits":
        data = np.packbits(tensor.cpu().numpy().reshape(-1), bitorder="little").tobytes()
    else:
        data = tensor.detach().float().cpu().numpy().astype(f"<{part.dtype}").tobytes()
    return data.ljust(part.nbytes, b"\0")


def halves(tensor: Tensor) -> bytes:
    """A tensor's numbers as float16, little-endian."""
    return tensor.detach().float().cpu().numpy().astype("<f2").tobytes()


def _band(mask: Band | Tensor | None) -> list[int | None] | None:
    return [mask.before, mask.after, mask.offset] if isinstance(mask, Band) else None


def _tokens(tokens: Sequence[Token]) -> dict[str, list]:
    """Texts, positions of the special ones, and segments, left empty where there is one segment."""
    return {
        "text": [encodable(token.text) for token in tokens],
        "special": [i for i, token in enumerate(tokens) if token.special],
        "segment": [token.segment for token in tokens] if any(token.segment for token in tokens) else [],
    }


def _patches(grid: PatchGrid) -> dict[str, Any]:
    return {
        "rows": grid.rows,
        "cols": grid.cols,
        "leading": len(grid.leading),
        "image": None if grid.image is None else data_url(grid.image),
    }
