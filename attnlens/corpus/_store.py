"""The directory of a run: parts that are complete or not there, and a manifest that says what made them.

    out/manifest.json                     the configuration, and the state of the run
    out/parts/000012-ROWS-CONTENT.parquet rows of the table
    out/errors/000012-ROWS-CONTENT.parquet rows that could not be used, with the reason

A part is named by its number, by a hash of its rows and of the run's configuration, and by a hash of the file. What
keeps whole parts whole, at whatever moment a run is killed, is the order of writes:

1. the manifest, before the first part;
2. the errors of a part, then its rows, each written beside, flushed to the disk and renamed. A part counts when both
   are there and unharmed;
3. the manifest of a complete run, after all parts. It is marked as incomplete again before a part of it changes.

The next run with the same configuration removes the files that make no whole part, and makes those parts. So there is
at most one file of a part in a folder. One run writes at a time: the lock ends with its process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import FileError, InputError
from ..io import _safetensors as files

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
"""Version of the files."""

KINDS = ("errors", "parts")
"""The folders, in the order in which a part is written."""

NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})-([0-9a-f]{16})\.parquet")


class PartStore:
    """The parts of one run in its directory.

    configuration: what decides the content of the parts; a run of another one in the same directory is refused
    """

    def __init__(self, folder: Path, configuration: Mapping[str, Any]):
        self.folder, self.configuration = folder, json.loads(json.dumps(configuration))
        self.fingerprint = hashlib.sha256(json.dumps(self.configuration, sort_keys=True).encode()).hexdigest()
        self._complete = False

    # -- the run --------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A block in which this run alone writes.

        Raises InputError where another run writes into the directory, or made it with another configuration, and
        FileError where it cannot be written.
        """
        folders = [self.folder, *(self.folder / kind for kind in KINDS)]
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "ab")
        except OSError as error:
            raise FileError(
                f"cannot write to {self.folder}: {error.strerror or error}; choose another out="
            ) from None
        with lock:
            _lock(lock, self.folder)
            self._check_manifest()
            for folder in folders:
                files.sweep(folder)
            yield

    def _check_manifest(self) -> None:
        before = manifest_of(self.folder)
        if before is None:
            if any(files_of(self.folder / kind) for kind in KINDS):
                raise InputError(f"{self.folder} holds parts without a manifest; choose another out=")
            self.write_manifest(complete=False)
            return
        changed = list(_differences(before["configuration"], self.configuration))
        if changed:
            raise InputError(
                f"{self.folder} holds a run of another configuration ({'; '.join(changed)}); choose another out=, or "
                "remove the folder"
            )
        self._complete = bool(before.get("complete"))

    def write_manifest(self, complete: bool, **state: Any) -> None:
        """Writes the configuration with the state of the run."""
        content = {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "configuration": self.configuration,
            "complete": complete,
            **state,
        }
        data = json.dumps(content, indent=2, sort_keys=True).encode()
        files.place(self.folder / "manifest.json", [data], "manifest.json")
        self._complete = complete

    def _reopen(self) -> None:
        """Marks a complete run as incomplete, before its files change."""
        if self._complete:
            self.write_manifest(complete=False)

    # -- parts ----------------------------------------------------------------------------------------------------

    def key(self, digest: str) -> str:
        """The name of rows under this configuration; digest: of the rows."""
        return hashlib.sha256(f"{self.fingerprint} {digest}".encode()).hexdigest()[:16]

    def committed(self) -> dict[int, str]:
        """The key of each complete part by its number. Removes damaged files, and those that make no complete part."""
        keys: dict[str, dict[int, str]] = {kind: {} for kind in KINDS}
        paths: list[tuple[Path, int]] = []
        strays: list[Path] = []
        for kind in KINDS:
            for path, number, key, content in files_of(self.folder / kind):
                if number in keys[kind] or _hash(_read(path)) != content:
                    strays.append(path)
                else:
                    keys[kind][number] = key
                    paths.append((path, number))
        whole = dict(keys["errors"].items() & keys["parts"].items())
        self._remove(strays + [path for path, number in paths if number not in whole])
        return whole

    def _remove(self, strays: list[Path]) -> None:
        if not strays:
            return
        self._reopen()
        try:
            for path in strays:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"cannot remove {path}: {error.strerror or error}; choose another out=") from None
        for kind in KINDS:
            files.flush_folder(self.folder / kind)

    def commit(self, number: int, key: str, rows: pa.Table, errors: pa.Table) -> None:
        """Writes a part that is not there: its errors first, so that a part whose rows are there is whole."""
        self._reopen()
        for kind, table in zip(KINDS, (errors, rows)):
            data = _parquet(table)
            name = f"{number:06d}-{key}-{_hash(data)}.parquet"
            files.replace(self.folder / kind / name, [data], name)

    def part_of(self, key: str, besides: int) -> int | None:
        """The number of a part with this key; besides: the number of one that is not searched."""
        import pyarrow.parquet as pq

        for kind in KINDS:
            for path, number, _, _ in files_of(self.folder / kind):
                if number != besides and key in pq.read_table(path, columns=["key"])["key"].to_pylist():
                    return number
        return None

    def rows(self, kind: str) -> Counter[int]:
        """How many rows the files of a kind have, by the number of the part."""
        import pyarrow.parquet as pq

        counted: Counter[int] = Counter()
        for path, number, _, _ in files_of(self.folder / kind):
            counted[number] += pq.read_metadata(path).num_rows
        return counted


def files_of(folder: Path) -> list[tuple[Path, int, str, str]]:
    """(path, number, hash of the rows and the configuration, hash of the file) of each file of a part, by number."""
    matches = ((path, NAME.fullmatch(path.name)) for path in folder.glob("*.parquet"))
    named = [(path, int(match[1]), match[2], match[3]) for path, match in matches if match]
    return sorted(named, key=lambda file: (file[1], file[0].name))


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run, None where there is none. Raises FileError for a file that is no manifest."""
    path = folder / "manifest.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FileError(f"{path} is no manifest of a run: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("configuration"), dict):
        raise FileError(f"{path} is no manifest of a run")
    if content.get("schema") != SCHEMA:
        raise FileError(f"{path} has schema version {content.get('schema')}; this attnlens reads {SCHEMA}")
    return content


def _differences(before: Any, after: Any, name: str = "") -> Iterator[str]:
    """Each value that differs, with its path."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(key), after.get(key), f"{name}.{key}" if name else key)
    elif before != after:
        yield f"{name} was {before!r} and is {after!r}"


def _parquet(table: pa.Table) -> bytes:
    import io

    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None


def _lock(file: IO[bytes], folder: Path) -> None:
    """Locks the open file for this process.

    Raises InputError where another process has it, and FileError on a file system without locks.
    """
    try:
        try:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        raise InputError(
            f"another run writes to {folder}; wait for its end, or choose another out="
        ) from None
    except OSError as error:
        raise FileError(
            f"{folder} is on a file system without locks ({error.strerror or error}), and nothing would keep two runs "
            "apart; choose an out= on a local disk"
        ) from None
