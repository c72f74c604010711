"""A small picture of a whole trace for a notebook's plain output: every head as a thumbnail."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .._escaping import shown
from ._trace import Layer, Trace

SIZE = 48
"""Pixels along one side of a thumbnail."""

MOST_WORDS = 200
LONGEST_LINE, LONGEST_TOKEN = 400, 80
"""Characters of the line about the trace, and of a token."""

MOST_LAYERS = 24
MOST_HEADS = 16
MOST_POSITIONS = 512
"""Maximum length of a trace of which every query is drawn; of longer ones some, evenly spaced."""


def summary(trace: Trace) -> str:
    """HTML: a line about the trace, its tokens or its image, and every head as a thumbnail."""
    head = shown(repr(trace).splitlines()[0], LONGEST_LINE)
    if trace.patches is not None and trace.patches.image is not None:
        content = _img(np.asarray(trace.patches.image), "the image as the model saw it", height=96)
    else:
        content = " ".join(
            f"<span style='opacity:{0.5 if token.special else 1}'>{shown(token.text, LONGEST_TOKEN)}</span>"
            for token in trace.tokens[:MOST_WORDS]
        )
    inside = (
        "within a square, the attention of the class token"
        if any(sees_patches(trace, layer) for layer in trace.layers)
        else "within a square the query runs down and the key across"
    )
    return (
        f"<div><b>{head}</b><p style='font-family:monospace;margin:4px 0'>{content}</p>{grid(trace)}"
        f"<small>One square per head: rows are layers, columns heads; {inside}; dark is much "
        "attention, each square on its own scale.</small></div>"
    )


def grid(trace: Trace) -> str:
    """An <img> with a row per layer and a square per head; '' for a trace without layers."""
    layers = trace.layers[:MOST_LAYERS]
    if not layers:
        return ""
    columns = min(MOST_HEADS, max(layer.attention.heads for layer in layers))
    step = SIZE + 4
    canvas = np.full((step * len(layers), step * columns), 255, dtype=np.uint8)
    for row, layer in enumerate(layers):
        for column in range(min(columns, layer.attention.heads)):
            tile = thumbnail(_weights(trace, layer, column))
            canvas[row * step : row * step + SIZE, column * step : column * step + SIZE] = tile
    return _img(canvas, "attention of every head")


def _weights(trace: Trace, layer: Layer, head: int) -> Tensor:
    """`[row, column]`: for an image the class token's attention to the patches, else the head's weights."""
    attention = layer.attention
    if sees_patches(trace, layer):
        return of_class_token(trace, layer, [head])[0]
    if 0 in attention.shape:
        return torch.zeros(1, 1)
    rows = torch.arange(attention.queries)
    if max(attention.queries, attention.keys) > MOST_POSITIONS:
        rows = torch.linspace(0, attention.queries - 1, min(SIZE, attention.queries)).long()
    return attention[head, rows]


def sees_patches(trace: Trace, layer: Layer) -> bool:
    """Whether the layer has a class token that attends to the patches of an image."""
    grid = trace.patches
    return grid is not None and bool(grid.leading) and layer.query_side == layer.key_side == "input"


def of_class_token(trace: Trace, layer: Layer, heads: slice | list[int] = slice(None)) -> Tensor:
    """The class token's attention to the patches, `[head, row, column]` on their grid."""
    grid = trace.patches
    return layer.attention[heads, 0, len(grid.leading) :].unflatten(-1, (grid.rows, grid.cols))


def thumbnail(weights: Tensor) -> np.ndarray:
    """uint8 `[SIZE, SIZE]` of `[row, column]`, pooled by maximum; the square root keeps weak attention visible."""
    weights = weights[None, None].float()
    if max(weights.shape[2:]) > SIZE:
        weights = torch.nn.functional.adaptive_max_pool2d(weights, SIZE)
    weights = torch.nn.functional.interpolate(weights, size=(SIZE, SIZE), mode="nearest")[0, 0]
    share = (weights / weights.max().clamp(min=1e-12)).sqrt()
    return (255 - 215 * share).to(torch.uint8).cpu().numpy()


def data_url(pixels: np.ndarray) -> str:
    """uint8 `[height, width]` or `[height, width, 3]` as the data URL of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _img(pixels: np.ndarray, name: str, height: int | None = None) -> str:
    """An <img> with an embedded PNG."""
    style = f"display:block;image-rendering:pixelated;height:{height or pixels.shape[0]}px"
    return f"<img alt='{name}' style='{style}' src='{data_url(pixels)}'>"
