"""The labelled rows of a run: a few numbers of each in memory, the rest read from its parts when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._rows import RunRows
from ._run import Run

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 10_000
"""Rows of a table of inputs, such as the wrong predictions: those that matter most."""


class AuditRows(RunRows):
    """The rows of a run that have a label, in the order of the data; a place is the number of a row among them.

    sizes: int `[part]`, how many each part holds
    label, index: int32 `[row]`, the true class and the predicted one; probability: float64 `[row]`, of the prediction
    """

    def __init__(self, run: Run):
        super().__init__(run)
        sizes, columns = [], []
        for table in self.tables(["label_index", "index", "probability"]):
            sizes.append(len(table))
            columns.append([table[name].to_numpy() for name in ("label_index", "index", "probability")])
        self.sizes = np.array(sizes, dtype=np.int64)
        label, index, probability = (np.concatenate(parts) for parts in zip(*columns))
        self.label, self.index = label.astype(np.int32), index.astype(np.int32)
        self.probability = probability.astype(float)

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def correct(self) -> np.ndarray:
        """bool `[row]`"""
        return self.label == self.index

    def tables(
        self, columns: Iterable[str] | None = None, parts: Iterable[int] | None = None
    ) -> Iterator[pa.Table]:
        """Some columns of the labelled rows, part by part; all of all parts by default."""
        names = None if columns is None else list(dict.fromkeys([*columns, "correct"]))
        for table in self.run.tables(names, parts):
            yield table.filter(table["correct"].is_valid())
