"""Where the rows of a data set come from: files of several formats, tables in memory, folders and archives of images.

A source cuts its rows into parts and says where each part lies. The rows of a part are read when it is its turn, so
that a data set is never in memory as a whole.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import FileError, unknown_name
from ..models import _image_inputs


@dataclass(frozen=True)
class Row:
    """One input of a data set.

    key: the number of the row, or as a text the value of the column that was chosen
    input: a text, a pair of texts, or a picture as the bytes of its file
    label: a class by name or index, or None
    columns: other columns that were asked for
    mask: where the object of a picture is: the bytes of a picture, or a box; or None
    problem: why the row cannot be used, or None
    """

    key: int | str
    input: Any = None
    label: int | str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    mask: Any = None

    @property
    def opened(self) -> Any:
        """The input, as a picture where it is the bytes of one."""
        return _image_inputs.of_bytes(self.input) if isinstance(self.input, bytes) else self.input


@dataclass(frozen=True)
class Part:
    """Consecutive rows of a source: its number among the parts, the number of its first row, the number of rows, and
    where they lie, in terms of the source."""

    number: int
    first: int
    rows: int
    place: Any


@dataclass(frozen=True)
class Columns:
    """Which columns hold what; None for a label or a key that there is not. `pair` holds the second texts, `mask` where
    the objects of pictures are."""

    input: str | None = None
    label: str | None = None
    key: str | None = None
    pair: str | None = None
    more: tuple[str, ...] = ()
    mask: str | None = None

    def row(self, number: int, cells: dict[str, Any]) -> Row:
        """The row of these cells; number: that of the row in the data."""
        key = number if self.key is None else plain(cells.get(self.key))
        input = _picture_bytes(cells.get(self.input))
        if self.pair is not None and input is not None:
            input = (input, cells.get(self.pair))
        label = None if self.label is None else plain(cells.get(self.label))
        if isinstance(label, float) and label.is_integer():  # a column of integers in which some are missing
            label = int(label)
        more = {name: plain(cells.get(name)) for name in self.more}
        if key is None or isinstance(key, float | list | dict):
            return Row(f"row {number}", problem=f"the key is {key!r}; a key is an integer or a text")
        problem = None if input is not None else f"column {self.input!r} is empty"
        mask = None if self.mask is None else _picture_bytes(cells.get(self.mask))
        return Row(key if self.key is None else str(key), input, label, more, problem, mask)

    def check(self, names: Sequence[str], where: str) -> None:
        """Raises InputError for a column that the data lack."""
        for name in (self.input, self.label, self.key, self.pair, *self.more, self.mask):
            if name is not None and name not in names:
                raise unknown_name(f"column of {where}", name, names)


def digest(rows: Iterable[Row]) -> str:
    """A hash of all that is in the rows."""
    found = hashlib.blake2b(digest_size=16)
    for row in rows:
        for value in (
            row.key,
            row.input,
            row.label,
            *row.columns,
            *row.columns.values(),
            row.problem,
            row.mask,
        ):
            data = _as_bytes(value)
            found.update(len(data).to_bytes(8, "little"))
            found.update(data)
    return found.hexdigest()


def _as_bytes(value: Any) -> bytes:
    """A value as bytes that are the same in every process, which the `repr` of a picture or an array is not."""
    if isinstance(value, bytes):
        return value
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        import numpy as np

        try:
            array = np.asarray(value)
        except Exception as error:  # a picture that is decoded only now
            return f"{type(value).__name__}: {error}".encode()
        if array.dtype != object:
            return f"{array.dtype} {array.shape} ".encode() + array.tobytes()
        value = array.tolist()
    return repr(value).encode("utf-8", "surrogatepass")


class Source:
    """Rows by part. A source can be pickled and sent to another process.

    name: for the manifest
    numbered: whether keys are the numbers of rows, and not texts
    """

    name: str

    def __init__(self, columns: Columns):
        self.columns = columns

    @property
    def numbered(self) -> bool:
        return self.columns.key is None

    def kind(self, column: str) -> Any:
        """The type of one of the other columns in pyarrow's terms; texts unless the source knows better."""
        import pyarrow as pa

        return pa.string()

    def parts(self, rows: int) -> list[Part]:
        """All parts, of so many rows each; the last one may have fewer."""
        raise NotImplementedError

    def read(self, part: Part) -> list[Row]:
        """The rows of a part."""
        raise NotImplementedError


# -- for sources ----------------------------------------------------------------------------------------------


def cut(total: int, rows: int, place: Callable[[int, int], Any]) -> list[Part]:
    """Parts of so many rows; place: from the first row and the row after the last to where they lie."""
    starts = range(0, total, rows)
    return [
        Part(number, start, min(rows, total - start), place(start, min(start + rows, total)))
        for number, start in enumerate(starts)
    ]


def named(paths: Sequence[Path]) -> str:
    """Files in words; of many the first three."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(str(path) for path in islice(paths, 3)) + more


class readable:
    """Turns the errors of reading a file into FileError."""

    def __init__(self, path: str):
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, OSError | tarfile.TarError) or type(error).__module__.startswith("pyarrow"):
            raise FileError(
                f"cannot read {self.path}: {getattr(error, 'strerror', None) or error}"
            ) from error


def _picture_bytes(value: Any) -> Any:
    """The bytes of a picture that is stored as {"bytes": ..., "path": ...}; other values as they are."""
    if isinstance(value, dict) and "bytes" in value:
        return value["bytes"]
    return None if isinstance(value, float) and value != value else value


def plain(value: Any) -> Any:
    """A cell as Parquet stores it; NaN is an empty cell."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    return None if isinstance(value, float) and value != value else value
