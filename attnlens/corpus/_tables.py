"""Rows of tables: Parquet files, files of lines, and tables in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._source import Columns, Part, Row, Source, cut, named, readable


class ParquetSource(Source):
    """Parquet files, which pyarrow reads by row group."""

    def __init__(self, paths: Sequence[Path], columns: Columns):
        super().__init__(columns)
        import pyarrow.parquet as pq

        self.paths, self.name = [str(path) for path in paths], named(paths)
        self.groups: list[tuple[int, int, int]] = []  # file, group, rows
        for number, path in enumerate(self.paths):
            with readable(path):
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
        return cut(at, rows, lambda start, stop: _overlaps(self.groups, starts, start, stop))

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
                for n in (chosen.input, chosen.label, chosen.key, chosen.pair, *chosen.more, chosen.mask)
                if n is not None
            ]
            file, number, _ = self.groups[group]
            with readable(self.paths[file]), pq.ParquetFile(self.paths[file]) as opened:
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
        return cut(len(self.data), rows, lambda start, stop: (start, stop))

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
        self.paths, self.name = [str(path) for path in paths], named(paths)
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
            with readable(self.paths[file]), open(self.paths[file], "rb") as opened:
                opened.seek(start)
                data = opened.read(stop - start)
            rows += self._parsed(file, data, part.first + len(rows))
        return rows

    def _rows(self, path: str) -> Iterator[tuple[int, int]]:
        """The bytes of each row; a row of a table may have several lines. Empty lines are none."""
        with readable(path), open(path, "rb") as opened:
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
    with readable(path), open(path, encoding="utf-8-sig", newline="") as opened:
        return next(csv.reader(opened, delimiter=_delimiter(path)), [])


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
