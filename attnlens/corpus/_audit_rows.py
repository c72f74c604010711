"""The labelled rows of a run: a few numbers of each in memory, the rest read from its parts when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ._run import Run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MOST = 10_000
"""Rows of a table of inputs, such as the wrong predictions: those that matter most."""


class AuditRows:
    """The rows of a run that have a label, in the order of the data; a place is the number of a row among them.

    sizes: int `[part]`, how many each part holds
    label, index: int32 `[row]`, the true class and the predicted one; probability: float64 `[row]`, of the prediction
    """

    def __init__(self, run: Run):
        self.run = run
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

    def frames(self, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
        """The same as pandas frames."""
        return (table.to_pandas() for table in self.tables(columns))

    def column(self, name: str) -> np.ndarray:
        """`[row]`: one column of numbers; NaN where there is none."""
        return np.concatenate([table[name].to_numpy() for table in self.tables([name])])

    def lists(self, name: str) -> Iterator[np.ndarray]:
        """float64 `[row, number]` of each part that has rows, for a column of lists that are equally long."""
        for table in self.tables([name]):
            if len(table):
                column = table[name].combine_chunks()
                yield column.flatten().to_numpy(zero_copy_only=False).astype(float).reshape(len(table), -1)

    def at(self, places: Sequence[int] | np.ndarray, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """Some columns of the rows at these places, in their order, with the number of their part as `part`."""
        import pandas as pd

        places = np.asarray(places, dtype=np.int64)
        ends = self.sizes.cumsum()
        part = np.searchsorted(ends, places, side="right")
        wanted = np.unique(part) if len(part) else np.array([0])
        frames, order = [], []
        for number, table in zip(wanted, self.tables(columns, wanted)):
            here = np.flatnonzero(part == number)
            inside = places[here] - (ends[number] - self.sizes[number])
            frames.append(table.take(inside).to_pandas().assign(part=number))
            order.append(here)
        back = np.argsort(np.concatenate(order), kind="stable")
        return pd.concat(frames, ignore_index=True).iloc[back].reset_index(drop=True)

    def place(self, key: Any) -> int | None:
        """The place of a key; None where no labelled row has it."""
        import pyarrow.compute as pc

        start = 0
        for table in self.tables(["key"]):
            keys = table["key"]
            found = (
                pc.index(keys, key).as_py() if isinstance(key, str) == (str(keys.type) == "string") else -1
            )
            if found >= 0:
                return start + found
            start += len(table)
        return None
