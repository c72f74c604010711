"""The rows of a run: read from its parts when they are needed, in the order of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError
from ._run import Run
from ._source import Row, Source

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class RunRows:
    """The rows of a run; a place is the number of a row among them."""

    def __init__(self, run: Run):
        self.run = run

    def __len__(self) -> int:
        return int(self.sizes.sum())

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 `[part]`, how many each part holds."""
        return np.array([len(table) for table in self.tables(["key"])], dtype=np.int64)

    def tables(
        self, columns: Iterable[str] | None = None, parts: Iterable[int] | None = None
    ) -> Iterator[pa.Table]:
        """Some columns of the rows, part by part; all of all parts by default."""
        return self.run.tables(columns, parts)

    def frames(self, columns: Iterable[str]) -> Iterator[pd.DataFrame]:
        """The same as pandas frames."""
        return (table.to_pandas() for table in self.tables(columns))

    def column(self, name: str) -> np.ndarray:
        """`[row]`: one column of numbers; NaN where there is none."""
        return np.concatenate([table[name].to_numpy() for table in self.tables([name])])

    def lists(self, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Float64 `[row, number]` of each part that has rows, for columns of lists that are equally long."""
        for table in self.tables(names):
            if len(table):
                yield tuple(listed(table[name]) for name in names)

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


def listed(column: pa.ChunkedArray) -> np.ndarray:
    """Float64 `[row, number]` of a column of lists that are equally long."""
    column = column.combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).astype(float).reshape(len(column), -1)


def inputs_at(source: Source, part_rows: int, frame: pd.DataFrame) -> list[Row]:
    """The rows of the data that these rows of a run are of, read again; frame: with `key` and `part`, as `RunRows.at`.

    Raises FileError where the data are not the same any more.
    """
    parts = source.parts(part_rows)
    rows: dict[tuple[int, str], Row] = {}
    for number, some in frame.groupby("part"):
        wanted = {str(key) for key in some["key"]}
        read = source.read(parts[number]) if number < len(parts) else ()
        rows |= {(number, str(row.key)): row for row in read if str(row.key) in wanted}
    missing = [key for part, key in zip(frame["part"], frame["key"]) if (part, str(key)) not in rows]
    if missing:
        raise FileError(f"{source.name} does not hold {missing[0]!r} any more: the data have changed")
    return [rows[part, str(key)] for part, key in zip(frame["part"], frame["key"])]
