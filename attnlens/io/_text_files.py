"""Texts from a file, by its type: the lines of a text, or one column of a table."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import FileError, InputError

TEXT_COLUMNS = ("text", "sentence", "review", "content", "comment", "document")
"""Usual names of the column with the texts; case is ignored."""

MOST_SHOWN = 40
"""Maximum number of characters of a cell that an error quotes."""


class TextTable(NamedTuple):
    """The rows of a file.

    columns: names, in order
    rows: (line or row number in the file, counted from 1; one cell for each column)
    place: the unit of the numbers, "line" or "row"
    """

    columns: list[str]
    rows: list[tuple[int, Sequence[Any]]]
    place: str = "line"


def read(path: str | Path, column: str | None = None) -> list[str]:
    """The texts of a file, in order.

    path: .txt (a text on each line; empty lines are skipped), .csv, .tsv (quoted as CSV), .jsonl (an object or a text
        on each line) or .parquet; in UTF-8
    column: the column of a table with the texts; by default the one with a name of `TEXT_COLUMNS`, or the only one
        that holds texts

    Raises FileError, with the line, for a file that cannot be read, and InputError, with the columns, where the
    column is neither named nor obvious.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise FileError(f"{path} is a folder; give a file in it")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        suffixes = ", ".join(suffix for suffix in _READERS if suffix != ".text")
        raise FileError(
            f"{path} has no type that texts are read from ({suffixes}); if each of its lines is a text, pass it "
            f"through standard input: - < {path}"
        )
    try:
        content = reader(path)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if isinstance(content, TextTable):
        content = _texts(path, content, column)
    elif column is not None:
        raise InputError(f"{path} has no columns: each of its lines is a text; omit --column")
    if not content:
        raise FileError(f"{path} holds no text; give a file with at least one")
    return content


def lines(text: str) -> list[str]:
    """Lines by line ends only: `str.splitlines` would also split at a form feed or at U+2028."""
    return re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))


# -- one type each --------------------------------------------------------------------------------------------


def _plain(path: Path) -> list[str]:
    return [line for line in lines(_decoded(path)) if line.strip()]


def _csv(path: Path) -> TextTable:
    rows = list(_cells(path, ","))
    header = rows[0][1] if rows else []
    if len(header) == 1 and (other := next((sign for sign in ";\t|" if sign in header[0]), None)):
        raise FileError(
            f"{path}: its columns seem to be separated by {other!r}, and .csv is read with commas; save it with "
            "commas, or with tabs as .tsv"
        )
    return _with_header(path, rows)


def _tsv(path: Path) -> TextTable:
    rows = list(_cells(path, "\t"))
    for number, cells in rows:
        if any(sign in cell for cell in cells for sign in "\t\r\n"):
            raise FileError(
                f"{path}, line {number}: a cell begins with a quote that is closed after a tab or a line end, so it is "
                "ambiguous whether quotes belong to the text; save it as .csv or .jsonl"
            )
    return _with_header(path, rows)


def _json_lines(path: Path) -> TextTable | list[str]:
    rows = [(number, _json(path, number, line)) for number, line in _numbered(path)]
    if rows and all(isinstance(row, str) for _, row in rows):
        return [row for _, row in rows if row.strip()]
    for number, row in rows:
        if not isinstance(row, dict):
            raise FileError(f"{path}, line {number}: an object was expected, not {_shown(row)}")
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    return TextTable(columns, [(number, [row.get(name) for name in columns]) for number, row in rows])


def _parquet(path: Path) -> TextTable:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        kinds = dict(zip(file.schema_arrow.names, map(_kind, file.schema_arrow.types)))
        texts = [name for name, kind in kinds.items() if kind in ("string", "large_string", "string_view")]
        table = file.read(columns=texts)  # numbers and pictures are not read
        cells = [
            table.column(name).to_pylist() if name in texts else [_NoText(kind)] * file.metadata.num_rows
            for name, kind in kinds.items()
        ]
    except (pyarrow.ArrowException, ValueError, KeyError) as error:
        raise FileError(f"{path} cannot be read as a Parquet file: {error}") from error
    return TextTable(list(kinds), list(enumerate(zip(*cells), start=1)), "row")


def _kind(type: Any) -> str:
    """The name of a column's type; for a dictionary, of its values' type."""
    return str(getattr(type, "value_type", type))


class _NoText(NamedTuple):
    """A cell that is not a text, by its type."""

    kind: str


_READERS = {
    ".txt": _plain, ".text": _plain, ".csv": _csv, ".tsv": _tsv, ".jsonl": _json_lines, ".ndjson": _json_lines,
    ".parquet": _parquet,
}  # fmt: skip

SUFFIXES = tuple(_READERS)
"""Types of files that hold texts."""


# -- from bytes to cells --------------------------------------------------------------------------------------


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        coding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin1"
        raise _not_utf8(path, data.count(b"\n", 0, error.start), error.reason, coding) from error
    if "\0" in text:
        raise _not_utf8(path, text.count("\n", 0, text.index("\0")), "a zero byte", "utf-16")
    return text


def _not_utf8(path: Path, before: int, reason: str, coding: str) -> FileError:
    return FileError(
        f"{path}, line {before + 1}: not text in UTF-8 ({reason}); convert the file first, for example from {coding}: "
        f"iconv -f {coding} -t utf-8 {path}"
    )


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers from 1 on."""
    found = enumerate(lines(_decoded(path)), start=1)
    return ((number, line) for number, line in found if line.strip())


def _cells(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table as texts, each with the line on which it begins."""
    text = _decoded(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, limit = 1, csv.field_size_limit(max(len(text), csv.field_size_limit()))  # long texts are allowed
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileError(
            f"{path}, line {line}: {error}; a cell that begins with a quote ends with one, and quotes inside are "
            "doubled"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _with_header(path: Path, rows: list[tuple[int, list[str]]]) -> TextTable:
    if not rows:
        return TextTable([], [])
    (_, header), *rest = rows
    for number, cells in rest:
        if len(cells) != len(header):
            raise FileError(
                f"{path}, line {number}: {_count(len(cells))}, and the first row has {len(header)}; quote the cells "
                "that hold the separator"
            )
    return TextTable([name.strip() for name in header], rest)


def _json(path: Path, number: int, line: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            raise ValueError("a name occurs twice")
        return row

    try:
        return json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise FileError(
            f"{path}, line {number}: not JSON ({error}); a .jsonl file has one object on each line"
        ) from error


# -- which column ---------------------------------------------------------------------------------------------


def _texts(path: Path, table: TextTable, column: str | None) -> list[str]:
    if not table.rows:
        return []
    at = _named(path, table, column) if column is not None else _obvious(path, table)
    if path.suffix.lower() in (".csv", ".tsv") and not _holds_texts(table, at):
        raise InputError(f"{path}: column {table.columns[at]!r} holds no texts{_columns(table)}")
    return [_text(path, table, at, number, row[at]) for number, row in table.rows]


def _text(path: Path, table: TextTable, at: int, number: int, cell: Any) -> str:
    """A cell as a text. Raises FileError, with its place, for anything else."""
    if isinstance(cell, str) and cell.strip():
        return cell
    found = f"is of type {cell.kind}" if isinstance(cell, _NoText) else f"is {_shown(cell)}"
    raise FileError(
        f"{path}, {table.place} {number}: column {table.columns[at]!r} {found}, not a text; remove such rows, or "
        f"name another column{_columns(table)}"
    )


def _named(path: Path, table: TextTable, column: str) -> int:
    numbers = [i for i, name in enumerate(table.columns) if name == column]
    if len(numbers) != 1:
        many = "no column" if not numbers else "more than one column"
        raise InputError(f"{path} has {many} {column!r}{_columns(table)}")
    return numbers[0]


def _obvious(path: Path, table: TextTable) -> int:
    """The obvious column. Raises InputError, which lists the columns, where there is none."""
    texts = [i for i in range(len(table.columns)) if _holds_texts(table, i)]
    called = [i for i, name in enumerate(table.columns) if name.casefold() in TEXT_COLUMNS]
    named = [i for i in called if i in texts] or called
    columns = named or texts
    if len(columns) != 1:
        raise InputError(
            f"{path}: it is not clear which column holds the texts; name it: --column NAME{_columns(table)}"
        )
    if not named and path.suffix.lower() in (".csv", ".tsv") and not _has_header(table):
        raise InputError(
            f"{path}: it is not clear whether its first row ({', '.join(map(_shown, table.columns))}) names the "
            "columns; if it does, give --column NAME; if each line is a text, pass them through standard input: "
            f"- < {path}"
        )
    return columns[0]


def _holds_texts(table: TextTable, at: int) -> bool:
    """Whether any cell of a column is a text; in CSV, where all cells are strings, one that is not a number."""
    cells = (row[at] for _, row in table.rows)
    return any(isinstance(cell, str) and not _number(cell) for cell in cells)


def _has_header(table: TextTable) -> bool:
    """Whether the first row certainly names the columns: a column of numbers begins with a word."""
    numbers = [i for i in range(len(table.columns)) if not _holds_texts(table, i)]
    return any(not _number(table.columns[i]) for i in numbers) and all(
        not _number(name) or not name for name in table.columns
    )


def _number(cell: str) -> bool:
    """Whether a cell is a number or empty."""
    try:
        return not cell.strip() or float(cell) is not None
    except ValueError:
        return False


def _columns(table: TextTable) -> str:
    return f"; its columns: {', '.join(map(_shown, table.columns))}"


def _shown(cell: Any) -> str:
    if cell is None:
        return "null"
    text = repr(cell)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _count(cells: int) -> str:
    return f"{cells} cell{'s' * (cells != 1)}"
