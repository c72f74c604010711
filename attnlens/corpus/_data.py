"""Which source reads what is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileError, InputError
from ._pictures import FolderSource, TarSource
from ._source import Columns, Source
from ._tables import LinesSource, ParquetSource, TableSource

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
    if isinstance(data, Source):
        return data
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
