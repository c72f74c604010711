"""A small picture of a whole trace for a notebook's plain output: every head as a thumbnail."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from PIL import Image

from .attention import Attention
from .trace import Trace

SIZE = 48
"""Pixels along one side of a thumbnail."""

MOST_LAYERS = 24
MOST_HEADS = 16
MOST_POSITIONS = 512
"""Of longer traces only some queries are drawn, evenly spaced."""


def grid(trace: Trace) -> str:
    """An <img> with a row per layer and a square per head; '' for a trace without layers."""
    shown = [layer.attention for layer in trace.layers[:MOST_LAYERS]]
    if not shown:
        return ""
    columns = min(MOST_HEADS, max(attention.heads for attention in shown))
    step = SIZE + 4
    canvas = np.full((step * len(shown), step * columns), 255, dtype=np.uint8)
    for row, attention in enumerate(shown):
        for column in range(min(columns, attention.heads)):
            tile = thumbnail(attention, column)
            canvas[row * step : row * step + SIZE, column * step : column * step + SIZE] = tile
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"<img alt='attention of every head' style='display:block' src='data:image/png;base64,{data}'>"


def thumbnail(attention: Attention, head: int) -> np.ndarray:
    """uint8 `[SIZE, SIZE]`: one head, pooled by maximum; the square root keeps weak attention visible."""
    if 0 in attention.shape:
        return np.full((SIZE, SIZE), 255, dtype=np.uint8)
    rows = torch.arange(attention.queries)
    if max(attention.queries, attention.keys) > MOST_POSITIONS:
        rows = torch.linspace(0, attention.queries - 1, min(SIZE, attention.queries)).long()
    weights = attention[head, rows][None, None].float()
    if max(weights.shape[2:]) > SIZE:
        weights = torch.nn.functional.adaptive_max_pool2d(weights, SIZE)
    weights = torch.nn.functional.interpolate(weights, size=(SIZE, SIZE), mode="nearest")[0, 0]
    share = (weights / weights.max().clamp(min=1e-12)).sqrt()
    return (255 - 215 * share).to(torch.uint8).cpu().numpy()
