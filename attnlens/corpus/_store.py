"""The directory of a run: parts that are complete or not there, and a manifest that says what made them.

    out/manifest.json                     the configuration, and the state of the run
    out/parts/000012-ROWS-CONTENT.parquet rows of the table
    out/errors/000012-ROWS-CONTENT.parquet rows that could not be used, with the reason

A part is named by its number, by a hash of its rows and of the run's configuration, and by a hash of the file. It is
written beside, flushed to the disk and renamed, so that a run that is killed at any moment leaves whole parts. The next
run with the same configuration makes the parts that are missing or damaged. One run writes at a time: the lock ends
with its process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
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

NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})-([0-9a-f]{16})\.parquet")


class PartStore:
    """The parts of one run in its directory.

    configuration: what decides the content of the parts; a run of another one in the same directory is refused
    """

    def __init__(self, folder: Path, configuration: Mapping[str, Any]):
        self.folder, self.configuration = folder, json.loads(json.dumps(configuration))
        self.fingerprint = hashlib.sha256(json.dumps(self.configuration, sort_keys=True).encode()).hexdigest()

    # -- the run --------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A block in which this run alone writes.

        Raises InputError where another run writes into the directory, or made it with another configuration, and
        FileError where it cannot be written.
        """
        try:
            for folder in (self.folder, self.folder / "parts", self.folder / "errors"):
                folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "a+b")
        except OSError as error:
            raise FileError(
                f"cannot write to {self.folder}: {error.strerror or error}; choose another out="
            ) from None
        with lock:
            if not _locked(lock):
                raise InputError(
                    f"another run writes to {self.folder}; wait for its end, or choose another out="
                )
            self._check_manifest()
            self.write_manifest(complete=False)
            yield

    def _check_manifest(self) -> None:
        before = manifest_of(self.folder)
        if before is None:
            if any(self._files("parts")):
                raise InputError(f"{self.folder} holds parts without a manifest; choose another out=")
            return
        changed = list(_differences(before["configuration"], self.configuration))
        if changed:
            raise InputError(
                f"{self.folder} holds a run of another configuration ({'; '.join(changed)}); choose another out=, or "
                "remove the folder"
            )

    def write_manifest(self, **state: Any) -> None:
        """Writes the configuration with the state of the run."""
        content = {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "configuration": self.configuration,
            **state,
        }
        data = json.dumps(content, indent=2, sort_keys=True).encode()
        files.place(self.folder / "manifest.json", [data], "manifest.json")

    # -- parts ----------------------------------------------------------------------------------------------------

    def key(self, digest: str) -> str:
        """The name of rows under this configuration; digest: of the rows."""
        return hashlib.sha256(f"{self.fingerprint} {digest}".encode()).hexdigest()[:16]

    def committed(self) -> dict[int, str]:
        """The key of each complete part by its number. Damaged files are removed."""
        found: dict[int, str] = {}
        for kind in ("errors", "parts"):
            for path, number, key, content in list(self._files(kind)):
                if _hash(path.read_bytes()) != content:
                    path.unlink(missing_ok=True)
                elif kind == "parts":
                    found[number] = key
        errors = {(number, key) for _, number, key, _ in self._files("errors")}
        return {number: key for number, key in found.items() if (number, key) in errors}

    def commit(self, number: int, key: str, rows: pa.Table, errors: pa.Table) -> None:
        """Writes a part: its errors first, so that a part that is there is whole."""
        for kind, table in (("errors", errors), ("parts", rows)):
            data = _parquet(table)
            name = f"{number:06d}-{key}-{_hash(data)}.parquet"
            files.place(self.folder / kind / name, [data], name)
            self._remove(kind, number, but=name)

    def drop(self, number: int) -> None:
        """Removes a part of other rows."""
        self._remove("parts", number)
        self._remove("errors", number)

    def _remove(self, kind: str, number: int, but: str | None = None) -> None:
        for path, other, _, _ in list(self._files(kind)):
            if other == number and path.name != but:
                path.unlink(missing_ok=True)

    def _files(self, kind: str) -> Iterator[tuple[Path, int, str, str]]:
        for path in sorted((self.folder / kind).glob("*.parquet")):
            match = NAME.fullmatch(path.name)
            if match:
                yield path, int(match[1]), match[2], match[3]


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


def _locked(file: IO[bytes]) -> bool:
    """Whether this process holds the lock now; on Windows by msvcrt."""
    try:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    except OSError:
        return False
    return os.path.exists(file.name)
