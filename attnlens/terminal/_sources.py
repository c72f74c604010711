"""The inputs of a command, from TEXT|FILE on the command line: texts, the texts of a file, or names of pictures.

Every command reads its inputs here, so that none reads a file's name as a text.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from ..errors import FileError, InputError
from ..io import _text_files
from ..lens import ImageLens, Lens

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

ENDINGS = (*_text_files.SUFFIXES, ".md", ".json", *PICTURES)
"""An argument with such an ending is the name of a file, even if there is none."""

THROUGH = "pass a text that looks like a file's name through standard input: -"


def inputs(
    lens: Lens, sources: list[str], file: Path | None = None, column: str | None = None, files: bool = True
) -> list[str]:
    """The inputs of a command, in order: at least one.

    sources: the arguments; "-" is a text from each line of standard input
    file, column: the options --file and --column
    files: whether an argument may be the name of a file with texts; for a vision model every argument is a picture

    Raises InputError and FileError, with the remedy, for a file that does not exist, or where a text was expected.
    """
    if file is not None and sources:
        raise InputError(f"give {sources[0]!r} or --file {file}, not both")
    if file is None and not sources:
        raise InputError("Missing argument: give a text, - for standard input, or --file FILE")
    if isinstance(lens, ImageLens):
        if column is not None:
            raise InputError(f"--column names the texts of a table, and {lens.name} reads images")
        named = sources if file is None else [str(file)]
        return [picture for source in named for picture in (_lines() if source == "-" else [source])]
    if file is not None:
        return _text_files.read(file, column)
    for source in filter(os.path.isfile, sources):
        if source.lower().endswith(PICTURES):
            raise InputError(
                f"{source} is a picture, and {lens.name} reads texts; choose a model that reads images: cifar"
            )
    texts = [text for source in sources for text in _meant(source, column, files)]
    if column is not None and not any(map(os.path.exists, sources)):
        raise InputError("--column names a column of a file; give the file: --file FILE")
    return texts


def head(name: str) -> tuple[int, int]:
    """The layer and the head of a name such as "5.9". Raises InputError for any other."""
    if not (numbers := re.fullmatch(r"(\d+)\.(\d+)", name)):
        raise InputError(f"a head is named by its layer and its number, such as 5.9, not {name!r}")
    return int(numbers[1]), int(numbers[2])


def text(lens: Lens, sources: list[str], file: Path | None, column: str | None, what: str) -> str:
    """The input of a command that takes one; "-" is all of standard input. what: the command and its verb"""
    if sources == ["-"] and file is None and column is None and not isinstance(lens, ImageLens):
        return standard_input().strip("\n")
    whole = "" if file is None else f"; the whole file as one text: - < {file}"
    return single(inputs(lens, sources, file, column, files=False), what, whole)


def single(inputs: list[str], what: str, remedy: str = "") -> str:
    """The only one of some inputs."""
    if len(inputs) > 1:
        raise InputError(f"{what} one text; {len(inputs)} were given, one on each line or row{remedy}")
    return inputs[0]


def _meant(source: str, column: str | None, files: bool) -> list[str]:
    """The texts of one argument of a text model."""
    if source == "-":
        return _lines()
    if os.path.isdir(source):
        raise FileError(f"{source} is a folder; give a file in it with --file, or {THROUGH}")
    if os.path.exists(source):
        if files:
            return _text_files.read(source, column)
        raise InputError(f"{source} is a file, not a text; to read it: --file {source}; or {THROUGH}")
    if source.rstrip().lower().endswith(ENDINGS):
        raise FileError(f"there is no file {source}; put a text in quotes; {THROUGH}")
    return [source]


def _lines() -> list[str]:
    texts = [line for line in _text_files.lines(standard_input()) if line.strip()]
    if not texts:
        raise InputError("standard input holds no text; give one on each line")
    return texts


def standard_input() -> str:
    """All of standard input."""
    if sys.stdin is None:
        raise InputError("standard input is closed; give the text as an argument, or --file FILE")
    try:
        text = sys.stdin.read()
        text.encode()  # in some locales a wrong byte is read as half a surrogate pair
    except UnicodeError:
        raise InputError(
            "standard input is not text in UTF-8; convert it first: iconv -f latin1 -t utf-8 FILE | attnlens ..."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"standard input cannot be read ({error}); give the text as an argument, or --file FILE"
        ) from error
    return text.removeprefix("\ufeff")
