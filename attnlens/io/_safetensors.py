"""One .safetensors file: its name, its header, its checksum, and atomic writing."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from ..errors import FileError, InputError

try:
    import fcntl
except ImportError:  # on Windows, where drafts of dead processes stay
    fcntl = None

SUFFIX = ".safetensors"
LARGEST_HEADER = 100_000_000
"""Bytes; safetensors reads no larger header."""

DRAFT = ".attnlens-"
"""Prefix of the names of files that are not complete yet."""

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "bool": "BOOL",
    "uint8": "U8",
}


def named(path: Any) -> Path:
    """A name as a path. Raises InputError for anything that is not a name."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"the file's name must be a str or a Path, not {type(path).__name__}")
    return Path(path)


def suffixed(path: Path) -> Path:
    """The path with the suffix where it has none; a folder is returned unchanged, to be refused."""
    return path if path.suffix or os.path.isdir(path) else path.with_name(path.name + SUFFIX)


def existing(path: Path) -> Path:
    """The path, or the path with the suffix that `save` adds. Raises FileError unless it is a file and not empty."""
    path = path if os.path.exists(path) else suffixed(path)
    if not os.path.isfile(path):
        raise FileError(f"{path} is not a file" if os.path.exists(path) else f"there is no file {path}")
    if os.path.getsize(path) == 0:
        raise FileError(f"{path} is empty; perhaps a copy or a download was cut off: copy it again")
    return path


def code(tensor: Tensor) -> str:
    """The dtype as safetensors names it."""
    name = str(tensor.dtype).removeprefix("torch.")
    return CODES.get(name, name)


def _ordered(tensors: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Wide numbers first, so that each tensor starts at a multiple of its element size; then by name."""
    return sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))


def header(metadata: dict[str, str], tensors: dict[str, Tensor]) -> bytes:
    """The bytes before the tensors: the length of the JSON header, and the header.

    The library's writer is not used: it orders metadata at random, refuses tensors that share memory (one mask for all
    layers), and creates files that only their owner may read. Where the length is not a multiple of 8, the first tensor
    is not aligned: `padding` more bytes of metadata align it.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name, tensor in _ordered(tensors):
        end = start + tensor.nbytes
        header[name] = {"dtype": code(tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    written = json.dumps(header, separators=(",", ":")).encode("ascii")
    if len(written) > LARGEST_HEADER:
        raise InputError(
            f"its names and tokens take {len(written)} bytes; a header has at most {LARGEST_HEADER}"
        )
    return len(written).to_bytes(8, "little") + written


def padding(header: bytes) -> int:
    """The number of bytes that a header lacks for tensors of 8-byte numbers to be aligned after it."""
    return -len(header) % 8


def checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256, in hexadecimal, of a text and of tensors: their names, dtypes, shapes and bytes, by name.

    Hashes the UTF-8 bytes of the JSON `[text, [[name, dtype, shape], ...]]` without spaces, then each tensor's bytes.
    """
    described = [[name, code(tensors[name]), list(tensors[name].shape)] for name in sorted(tensors)]
    digest = hashlib.sha256(json.dumps([text, described], separators=(",", ":")).encode())
    for name in sorted(tensors):
        digest.update(_raw(tensors[name]))
    return digest.hexdigest()


def write(path: Path, header: bytes, tensors: dict[str, Tensor]) -> None:
    """Writes a header and its tensors, as a whole or not at all."""
    parts = (_raw(tensor) for _, tensor in _ordered(tensors))
    place(path, chain([header], parts), f"trace{SUFFIX}")


def _raw(tensor: Tensor) -> Any:
    """A tensor's bytes as a buffer."""
    return tensor.view(-1).view(torch.uint8).numpy()


# -- whole or not at all ------------------------------------------------------------------------------------


def check_writable(path: Path, example: str) -> None:
    """Raises FileError for a file that could not be written, before the work is done."""
    target = _target(path, example)
    try:
        with _draft(target.parent):  # checking permissions is not enough: a file system may be read-only
            pass
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def place(path: Path, parts: Iterable[Any], example: str) -> None:
    """Replaces a file; drafts left behind in its folder by processes that ended while writing are removed."""
    sweep(_target(path, example).parent)
    replace(path, parts, example)


def replace(path: Path, parts: Iterable[Any], example: str) -> None:
    """Writes a draft beside the file and renames it when it is complete and on the disk.

    An existing file keeps its mode; for a link the file that it points to is replaced.

    parts: bytes or buffers, in order; example: a name for such a file, for messages
    """
    target = _target(path, example)
    try:
        with _draft(target.parent) as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            if os.path.exists(target):
                os.chmod(file.name, stat.S_IMODE(os.stat(target).st_mode))
            if fcntl is None:
                file.close()  # Windows does not rename an open file
            os.replace(file.name, target)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    flush_folder(target.parent)


def _unwritable(path: Path, error: Exception) -> FileError:
    return FileError(f"cannot write {path}: {error}; save to a folder that you may write to")


def _target(path: Path, example: str) -> Path:
    """The file to write: the one that a link points to. Raises FileError where there can be none."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileError(f"cannot write {path}: it is not a file; give the name of a file, such as {example}")
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path
    if os.path.islink(target):
        raise FileError(f"cannot write {path}: it is a link that points to itself; remove it first")
    if not os.path.isdir(target.parent):
        raise FileError(f"cannot write {path}: there is no folder {target.parent}; create it first")
    return target


@contextmanager
def _draft(folder: Path) -> Iterator[IO[bytes]]:
    """A new file in the folder, locked while it is open, and removed at the end unless it was renamed."""
    while True:
        path = folder / f"{DRAFT}{secrets.token_hex(8)}.part"
        file = open(path, "xb")
        try:
            _lock(file.fileno(), wait=True)
            if os.path.exists(path):  # otherwise removed by another process before it was locked
                yield file
                return
        finally:
            file.close()
            path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes drafts that no process has locked: the process that wrote them has ended."""
    try:
        with os.scandir(folder) as entries:
            left = [entry.path for entry in entries if entry.name.startswith(DRAFT)]
    except OSError:
        return  # a writable folder need not be readable
    for path in left:
        with suppress(OSError), open(path, "r+b") as file:
            if _lock(file.fileno(), wait=False):
                os.unlink(path)


def _lock(descriptor: int, wait: bool) -> bool:
    """Whether the open file is locked now. The lock ends with its process, in whatever way."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # locked by another, or on a file system without locks
        return False
    return True


def flush_folder(folder: Path) -> None:
    """Flushes the folder, where the system can, so that a new name persists; the file itself is on the disk already."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
