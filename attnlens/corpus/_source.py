"""Where the rows of a data set come from: files of several formats, tables in memory, folders and archives of images.

A source cuts its rows into parts and says where each part lies. The rows of a part are read when it is its turn, so
that a data set is never in memory as a whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import FileError, InputError, unknown_name

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
"""Suffixes of the pictures of a folder or an archive."""


@dataclass(frozen=True)
class Row:
    """One input of a data set.

    key: the number of the row, or as a text the value of the column that was chosen
    input: a text, a pair of texts, or a picture as the bytes of its file
    label: a class by name or index, or None
    columns: other columns that were asked for
    problem: why the row cannot be used, or None
    """

    key: int | str
    input: Any = None
    label: int | str | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


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
    """Which columns hold what; None for a label or a key that there is not. `pair` holds the second texts."""

    input: str | None = None
    label: str | None = None
    key: str | None = None
    pair: str | None = None
    more: tuple[str, ...] = ()

    def row(self, number: int, cells: dict[str, Any]) -> Row:
        """The row of these cells; number: that of the row in the data."""
        key = number if self.key is None else _plain(cells.get(self.key))
        input = _picture_bytes(cells.get(self.input))
        if self.pair is not None and input is not None:
            input = (input, cells.get(self.pair))
        label = None if self.label is None else _plain(cells.get(self.label))
        if isinstance(label, float) and label.is_integer():  # a column of integers in which some are missing
            label = int(label)
        more = {name: _plain(cells.get(name)) for name in self.more}
        if key is None or isinstance(key, float | list | dict):
            return Row(f"row {number}", problem=f"the key is {key!r}; a key is an integer or a text")
        problem = None if input is not None else f"column {self.input!r} is empty"
        return Row(key if self.key is None else str(key), input, label, more, problem)

    def check(self, names: Sequence[str], where: str) -> None:
        """Raises InputError for a column that the data lack."""
        for name in (self.input, self.label, self.key, self.pair, *self.more):
            if name is not None and name not in names:
                raise unknown_name(f"column of {where}", name, names)


def digest(rows: Iterable[Row]) -> str:
    """A hash of all that is in the rows."""
    found = hashlib.blake2b(digest_size=16)
    for row in rows:
        for value in (row.key, row.input, row.label, *row.columns, *row.columns.values(), row.problem):
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


# -- tables ---------------------------------------------------------------------------------------------------


class ParquetSource(Source):
    """Parquet files, which pyarrow reads by row group."""

    def __init__(self, paths: Sequence[Path], columns: Columns):
        super().__init__(columns)
        import pyarrow.parquet as pq

        self.paths, self.name = [str(path) for path in paths], _named(paths)
        self.groups: list[tuple[int, int, int]] = []  # file, group, rows
        for number, path in enumerate(self.paths):
            with _readable(path):
                meta = pq.read_metadata(path)
                columns.check(pq.read_schema(path).names, path)
            sizes = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
            self.groups += [(number, group, size) for group, size in enumerate(sizes)]
        self._group: tuple[int, Any] = (-1, None)

    def kind(self, column: str) -> Any:
        import pyarrow.parquet as pq

        return pq.read_schema(self.paths[0]).field(column).type

    def parts(self, rows: int) -> list[Part]:
        starts, at = [], 0
        for _, _, size in self.groups:
            starts.append(at)
            at += size
        return _cut(at, rows, lambda start, stop: _overlaps(self.groups, starts, start, stop))

    def read(self, part: Part) -> list[Row]:
        cells: list[dict[str, Any]] = []
        for group, start, count in part.place:
            cells += self._table(group).slice(start, count).to_pylist()
        return [self.columns.row(part.first + n, row) for n, row in enumerate(cells)]

    def _table(self, group: int) -> Any:
        """The columns of a row group; the last one is kept, since the next part often lies in it."""
        if self._group[0] != group:
            import pyarrow.parquet as pq

            chosen = self.columns
            names = [
                n
                for n in (chosen.input, chosen.label, chosen.key, chosen.pair, *chosen.more)
                if n is not None
            ]
            file, number, _ = self.groups[group]
            with _readable(self.paths[file]), pq.ParquetFile(self.paths[file]) as opened:
                self._group = group, opened.read_row_group(number, columns=list(dict.fromkeys(names)))
        return self._group[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_group": (-1, None)}


class TableSource(Source):
    """A pandas frame, a `datasets.Dataset`, or a list of texts, of pictures or of dictionaries."""

    def __init__(self, data: Any, columns: Columns):
        super().__init__(columns)
        self.data, self.name = data, f"{type(data).__name__} of {len(data)} rows"

    def kind(self, column: str) -> Any:
        import pyarrow as pa

        if hasattr(self.data, "iloc"):
            return pa.Schema.from_pandas(self.data[[column]]).field(0).type
        features = getattr(self.data, "features", None)
        return pa.string() if features is None else features.arrow_schema.field(column).type

    def parts(self, rows: int) -> list[Part]:
        return _cut(len(self.data), rows, lambda start, stop: (start, stop))

    def read(self, part: Part) -> list[Row]:
        start, stop = part.place
        return [self.columns.row(start + n, cells) for n, cells in enumerate(self._cells(start, stop))]

    def _cells(self, start: int, stop: int) -> Iterable[dict[str, Any]]:
        if hasattr(self.data, "iloc"):
            return self.data.iloc[start:stop].to_dict("records")
        if hasattr(self.data, "column_names"):
            batch = self.data[start:stop]
            return [dict(zip(batch, values)) for values in zip(*batch.values())]
        rows = self.data[start:stop]
        return [row if isinstance(row, dict) else {self.columns.input: row} for row in rows]


# -- lines ----------------------------------------------------------------------------------------------------


class LinesSource(Source):
    """Files of lines: .txt (a text on each), .jsonl (an object on each), .csv and .tsv (with a header); in UTF-8."""

    def __init__(self, paths: Sequence[Path], columns: Columns):
        super().__init__(columns)
        self.paths, self.name = [str(path) for path in paths], _named(paths)
        self.headers = [_header(path) for path in self.paths]
        for path, header in zip(self.paths, self.headers):
            if header is not None:
                columns.check(header, path)

    def parts(self, rows: int) -> list[Part]:
        parts: list[Part] = []
        spans: list[tuple[int, int, int]] = []  # file, first byte, byte after the last
        first = count = 0
        for file, path in enumerate(self.paths):
            for start, stop in self._rows(path):
                if spans and spans[-1][0] == file:
                    spans[-1] = (file, spans[-1][1], stop)
                else:
                    spans.append((file, start, stop))
                count += 1
                if count == rows:
                    parts.append(Part(len(parts), first, count, tuple(spans)))
                    first, count, spans = first + count, 0, []
        if count:
            parts.append(Part(len(parts), first, count, tuple(spans)))
        return parts

    def read(self, part: Part) -> list[Row]:
        rows: list[Row] = []
        for file, start, stop in part.place:
            with _readable(self.paths[file]), open(self.paths[file], "rb") as opened:
                opened.seek(start)
                data = opened.read(stop - start)
            rows += self._parsed(file, data, part.first + len(rows))
        return rows

    def _rows(self, path: str) -> Iterator[tuple[int, int]]:
        """The bytes of each row; a row of a table may have several lines. Empty lines are none."""
        with _readable(path), open(path, "rb") as opened:
            if _delimiter(path) is None:
                at = 0
                for line in opened:
                    if line.strip():
                        yield at, at + len(line)
                    at += len(line)
                return
            consumed = 0

            def lines() -> Iterator[str]:
                nonlocal consumed
                for line in opened:
                    consumed += len(line)
                    yield line.decode("utf-8", "replace")

            reader, start = csv.reader(lines(), delimiter=_delimiter(path)), 0
            for number, cells in enumerate(reader):
                if cells and number:
                    yield start, consumed
                start = consumed

    def _parsed(self, file: int, data: bytes, first: int) -> list[Row]:
        path, header = self.paths[file], self.headers[file]
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("utf-8", "backslashreplace")
        if header is not None:
            rows = [
                cells
                for cells in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path))
                if cells
            ]
            return [self._of_cells(first + n, header, cells) for n, cells in enumerate(rows)]
        lines = [line for line in text.split("\n") if line.strip()]
        if Path(path).suffix == ".jsonl":
            return [self._of_json(first + n, line) for n, line in enumerate(lines)]
        return [
            self.columns.row(first + n, {self.columns.input: line.strip("\r")})
            for n, line in enumerate(lines)
        ]

    def _of_cells(self, number: int, header: list[str], cells: list[str]) -> Row:
        if len(cells) != len(header):
            return self._bad(number, f"{len(cells)} cells, and the first row has {len(header)}")
        return self.columns.row(number, {name: cell or None for name, cell in zip(header, cells)})

    def _of_json(self, number: int, line: str) -> Row:
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            return self._bad(number, f"not JSON: {error}")
        if not isinstance(cells, dict):
            return self._bad(number, f"a JSON {type(cells).__name__}, not an object")
        return self.columns.row(number, cells)

    def _bad(self, number: int, problem: str) -> Row:
        return Row(number if self.numbered else f"row {number}", problem=problem)


def _delimiter(path: str) -> str | None:
    return {".csv": ",", ".tsv": "\t"}.get(Path(path).suffix.lower())


def _header(path: str) -> list[str] | None:
    if _delimiter(path) is None:
        return None
    with _readable(path), open(path, encoding="utf-8-sig", newline="") as opened:
        return next(csv.reader(opened, delimiter=_delimiter(path)), [])


# -- pictures -------------------------------------------------------------------------------------------------


class FolderSource(Source):
    """The pictures of a folder in the order of their paths; in subfolders, whose names are then the labels.

    Keys are the paths within the folder.
    """

    def __init__(self, folder: Path, columns: Columns):
        super().__init__(columns)
        self.folder, self.name = str(folder), str(folder)
        self.files = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in IMAGES
        )
        if not self.files:
            raise FileError(f"{folder} holds no pictures ({', '.join(IMAGES)})")

    @property
    def numbered(self) -> bool:
        return False

    def parts(self, rows: int) -> list[Part]:
        return _cut(len(self.files), rows, lambda start, stop: (start, stop))

    def read(self, part: Part) -> list[Row]:
        return [self._row(name) for name in self.files[slice(*part.place)]]

    def _row(self, name: str) -> Row:
        label = Path(name).parent.name or None
        try:
            data = Path(self.folder, name).read_bytes()
        except OSError as error:
            return Row(name, None, label, problem=f"cannot be read: {error.strerror or error}")
        return Row(name, data, label)


class TarSource(Source):
    """WebDataset's archives: members of one name up to the first dot are one row.

    A picture is the input, .cls an integer as its label, .txt its label as text, .json other columns. Keys are names.
    """

    def __init__(self, paths: Sequence[Path], columns: Columns):
        super().__init__(columns)
        self.paths, self.name = [str(path) for path in paths], _named(paths)
        self.rows: list[tuple[int, str, tuple[tuple[str, int, int], ...]]] = []
        for number, path in enumerate(self.paths):
            members: dict[str, list[tuple[str, int, int]]] = {}
            with _readable(path), tarfile.open(path, "r:") as archive:
                for member in archive:
                    if member.isfile():
                        name, _, suffix = member.name.partition(".")
                        members.setdefault(name, []).append(
                            (f".{suffix.lower()}", member.offset_data, member.size)
                        )
            self.rows += [(number, name, tuple(found)) for name, found in members.items()]

    @property
    def numbered(self) -> bool:
        return False

    def parts(self, rows: int) -> list[Part]:
        return _cut(len(self.rows), rows, lambda start, stop: (start, stop))

    def read(self, part: Part) -> list[Row]:
        return [self._row(*row) for row in self.rows[slice(*part.place)]]

    def _row(self, file: int, name: str, members: tuple[tuple[str, int, int], ...]) -> Row:
        found: dict[str, bytes] = {}
        with _readable(self.paths[file]), open(self.paths[file], "rb") as opened:
            for suffix, offset, size in members:
                opened.seek(offset)
                found[suffix] = opened.read(size)
        picture = next((data for suffix, data in found.items() if suffix in IMAGES), None)
        try:
            label = (
                int(found[".cls"]) if ".cls" in found else found[".txt"].decode() if ".txt" in found else None
            )
            cells = json.loads(found.get(".json", b"{}"))
            more = {column: _plain(cells.get(column)) for column in self.columns.more}
        except (ValueError, AttributeError) as error:
            return Row(name, problem=f"unreadable label or columns: {error}")
        return Row(name, picture, label, more, None if picture is not None else "no picture")


# -- which source ---------------------------------------------------------------------------------------------

_FILES: dict[str, Callable[[Sequence[Path], Columns], Source]] = {
    ".parquet": ParquetSource,
    **dict.fromkeys((".csv", ".tsv", ".jsonl", ".txt"), LinesSource),
    ".tar": TarSource,
}
"""Sources of files, by suffix."""


def source_of(data: Any, columns: Columns) -> Source:
    """The rows of a file, of several of one kind (a list, or a folder of them), of a folder of pictures, of a pandas
    frame, of a `datasets.Dataset`, or of a list of texts, pictures or dictionaries.

    Raises FileError for a file that cannot be read, and InputError for a column that the data lack.
    """
    if isinstance(data, str | os.PathLike):
        return _of_path(Path(data).absolute(), columns)  # for processes that run elsewhere
    if isinstance(data, list | tuple) and data and all(isinstance(one, os.PathLike) for one in data):
        return _of_files([Path(one).absolute() for one in data], columns)
    names = getattr(data, "columns", None) if hasattr(data, "iloc") else getattr(data, "column_names", None)
    if isinstance(names, dict):
        raise InputError(
            f"several data sets were given ({', '.join(names)}); choose one of them: data[{next(iter(names))!r}]"
        )
    if names is not None:
        columns.check([str(name) for name in names], "the data")
        return TableSource(data, columns)
    if isinstance(data, list | tuple):
        return TableSource(list(data), columns)
    raise InputError(
        f"a data set is a file, a folder, a pandas frame, a datasets.Dataset or a list, not {type(data).__name__}; of "
        "an iterator make a list, or write it to a file"
    )


def _of_path(path: Path, columns: Columns) -> Source:
    if not path.exists():
        raise FileError(f"there is no {path}; give a file or a folder with the data")
    if path.is_file():
        return _of_files([path], columns)
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in _FILES)
    return _of_files(files, columns) if files else FolderSource(path, columns)


def _of_files(paths: Sequence[Path], columns: Columns) -> Source:
    suffixes = {path.suffix.lower() for path in paths}
    known = {_FILES.get(suffix) for suffix in suffixes}
    if None in known:
        strange = next(path for path in paths if path.suffix.lower() not in _FILES)
        raise FileError(f"{strange} has no type that rows are read from; known are {', '.join(_FILES)}")
    if len(known) > 1:
        raise FileError(f"files of several kinds ({', '.join(sorted(suffixes))}); give those of one kind")
    for path in paths:
        if not path.is_file():
            raise FileError(f"there is no file {path}")
    return known.pop()(paths, columns)


# -- helpers --------------------------------------------------------------------------------------------------


def _cut(total: int, rows: int, place: Callable[[int, int], Any]) -> list[Part]:
    starts = range(0, total, rows)
    return [
        Part(number, start, min(rows, total - start), place(start, min(start + rows, total)))
        for number, start in enumerate(starts)
    ]


def _overlaps(
    groups: Sequence[tuple[int, int, int]], starts: Sequence[int], start: int, stop: int
) -> tuple[tuple[int, int, int], ...]:
    """(row group, first row in it, number of rows) of the rows from start to stop."""
    found = []
    for number, (at, (_, _, size)) in enumerate(zip(starts, groups)):
        low, high = max(start, at), min(stop, at + size)
        if low < high:
            found.append((number, low - at, high - low))
    return tuple(found)


def _named(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(str(path) for path in islice(paths, 3)) + more


class _readable:
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


def _plain(value: Any) -> Any:
    """A cell as Parquet stores it; NaN is an empty cell."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    return None if isinstance(value, float) and value != value else value
