"""One .safetensors file: its name, its header, and writing it whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import FileError, InputError

SUFFIX = ".safetensors"
LARGEST_HEADER = 100_000_000
"""Bytes; safetensors reads no larger one."""

_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "bool": "BOOL",
    "uint8": "U8",
}


def named(path: Any) -> Path:
    """A name as a path; InputError for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"the file's name must be a str or a Path, not {type(path).__name__}")
    return Path(path)


def suffixed(path: Path) -> Path:
    """The path with the suffix where it has none; a folder stays as it is, to be refused."""
    return path if path.suffix or os.path.isdir(path) else path.with_name(path.name + SUFFIX)


def found(path: Path) -> Path:
    """The path as given, or with the suffix that `save` added; it is a file and not empty."""
    path = path if os.path.exists(path) else suffixed(path)
    if not os.path.isfile(path):
        raise FileError(f"{path} is not a file" if os.path.exists(path) else f"there is no file {path}")
    if os.path.getsize(path) == 0:
        raise FileError(f"{path} is empty; perhaps a copy or a download was cut off")
    return path


def code(tensor: Tensor) -> str:
    """The dtype as safetensors names it."""
    name = str(tensor.dtype).removeprefix("torch.")
    return _CODES.get(name, name)


def _ordered(tensors: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    """Wide numbers first, so that each tensor starts at a multiple of its element size; then by name."""
    return sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))


def header(metadata: dict[str, str], tensors: dict[str, Tensor]) -> bytes:
    """What stands before the tensors: the length of the JSON header, and the header.

    Not left to the library's writer, which orders metadata at random, refuses tensors that share memory (one
    mask for all layers), and makes files that nobody but their owner may read.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name, tensor in _ordered(tensors):
        end = start + tensor.nbytes
        header[name] = {"dtype": code(tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    written = json.dumps(header, separators=(",", ":")).encode("ascii")
    written += b" " * (-len(written) % 8)
    if len(written) > LARGEST_HEADER:
        raise InputError(
            f"its names and tokens take {len(written)} bytes; a header has at most {LARGEST_HEADER}"
        )
    return len(written).to_bytes(8, "little") + written


def write(path: Path, header: bytes, tensors: dict[str, Tensor]) -> None:
    """Writes a header and its tensors, whole or not at all."""
    parts = (tensor.view(-1).view(torch.uint8).numpy() for _, tensor in _ordered(tensors))
    place(path, chain([header], parts), f"trace{SUFFIX}")


def _check_place(path: Path, example: str) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileError(f"cannot write {path}: that is no file; give the name of a file, such as {example}")
    if not os.path.isdir(path.parent):
        raise FileError(f"cannot write {path}: there is no folder {path.parent}; create it first")


def check_writable(path: Path, example: str) -> None:
    """Raises FileError for a file that could not be written: before the work, not after it."""
    _check_place(path, example)
    draft = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with open(draft, "xb"):  # to ask for the permission would not do: a file system may be read-only
            pass
        draft.unlink()
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {error}; save to a folder that you may write to") from None


def place(path: Path, parts: Iterable[Any], example: str) -> None:
    """Writes a draft beside the file and puts it in place when it is complete.

    parts: bytes, or what has a buffer, one after the other; example: how such a file may be called
    """
    _check_place(path, example)
    draft = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        try:
            with open(draft, "xb") as file:
                for part in parts:
                    file.write(part)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {error}; save to a folder that you may write to") from None
