"""A small vision transformer whose class is decided by one square of the picture, at a place that is known."""

from __future__ import annotations

import io

import numpy as np
import torch
import transformers as hf
from PIL import Image

import attnlens as al

SIZE, SQUARE = 32, 8
LABELS = ("red", "green", "none")


def pictures(count: int, seed: int) -> tuple[np.ndarray, list[tuple[int, int]], list[int]]:
    """uint8 `[picture, row, column, 3]` of grey noise, of which two thirds have a coloured square in one of 16 places;
    the left and top of each square, and its colour, which is the class."""
    draw = np.random.default_rng(seed)
    values = draw.integers(60, 160, (count, SIZE, SIZE, 1)).repeat(3, -1).astype(np.uint8)
    places, labels = [], draw.integers(0, 3, count).tolist()
    for number, label in enumerate(labels):
        left, top = (int(SQUARE * at) for at in draw.integers(0, SIZE // SQUARE, 2))
        if LABELS[label] != "none":
            colour = (230, 30, 30) if label == 0 else (30, 230, 30)
            values[number, top : top + SQUARE, left : left + SQUARE] = colour
        places.append((left, top))
    return values, places, labels


def records(count: int, seed: int, boxes: bool) -> list[dict]:
    """Pictures as the bytes of files with their classes, and where the square is: as boxes, or as pictures."""
    values, places, labels = pictures(count, seed)
    rows = []
    for picture, (left, top), label in zip(values, places, labels):
        shape = np.zeros((SIZE, SIZE), dtype=np.uint8)
        shape[top : top + SQUARE, left : left + SQUARE] = 255
        mask = [left, top, left + SQUARE, top + SQUARE] if boxes else png(shape)
        row = {"image": png(picture), "label": LABELS[label], "mask": mask}
        rows.append(row | ({"mask": None} if LABELS[label] == "none" else {}))
    return rows


def png(values: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(values).save(data, "PNG")
    return data.getvalue()


def classifier(seed: int = 0, steps: int = 120) -> al.Lens:
    """A ViT of two small layers, trained on such pictures."""
    torch.manual_seed(seed)
    config = hf.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, image_size=SIZE,
        patch_size=SQUARE, id2label=dict(enumerate(LABELS)),
    )  # fmt: skip
    model = hf.ViTForImageClassification(config).train()
    size = {"height": SIZE, "width": SIZE}
    processor = hf.ViTImageProcessor(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    values, _, labels = pictures(1024, seed)
    pixels = torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        some = slice(64 * step % 1024, 64 * step % 1024 + 64)
        loss = torch.nn.functional.cross_entropy(model(pixels[some]).logits, labels[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return al.Lens(model.eval(), processor)
