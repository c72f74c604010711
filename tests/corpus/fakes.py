"""A lens that costs nothing, and data for it, so that a run is mostly the writing of parts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from attnlens.errors import InputError
from attnlens.models import _predictions

ROWS, PART_ROWS = 300, 10


class CheapLens:
    """Logits are a checksum of the text; a text of digits cannot be used."""

    name, labels, activation, processor = "cheap", ("even", "odd"), "softmax", None
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.model = nn.Linear(1, 1)
        nn.init.ones_(self.model.weight)
        nn.init.zeros_(self.model.bias)

    def prepare(self, text: str) -> str:
        if text.isdigit():
            raise InputError(f"{text} is a number")
        if text == "a bug":
            raise ZeroDivisionError("a bug in the model")
        return text

    def prepare_all(self, texts: Iterable[str]) -> list[str]:
        return [self.prepare(text) for text in texts]

    def target_index(self, label: str | int) -> int:
        return self.labels.index(label) if isinstance(label, str) else label

    def reduce(self, inputs: Iterable[str], reducer: None, logits: bool) -> Iterator[tuple]:
        sums = [zlib.crc32(text.encode()) for text in inputs]
        if sums:
            yield range(len(sums)), [], torch.tensor([[s % 1009 / 100, s % 1013 / 100] for s in sums])

    def prediction(self, logits: torch.Tensor):
        return _predictions.prediction(logits, self.labels, self.activation, 1)


def table(rows: int = ROWS) -> pd.DataFrame:
    """Texts of which each seventh cannot be used."""
    texts = [str(n) if n % 7 == 3 else f"text {n}" for n in range(rows)]
    return pd.DataFrame(
        {"text": texts, "label": [n % 2 for n in range(rows)], "id": [f"k{n}" for n in range(rows)]}
    )


OPTIONS = dict(input="text", label="label", key="id", part_rows=PART_ROWS, progress=False)
"""Arguments of a run over `table()`."""


def files_in(folder: Path) -> list[str]:
    """Every file of a run by its path, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_same(folder: Path, undisturbed: Path) -> None:
    """That a run has every row of another, each once, and left no other files behind."""
    assert files_in(folder) == files_in(undisturbed)
    for name in files_in(folder):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
