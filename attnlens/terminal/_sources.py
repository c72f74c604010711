"""What a person meant by TEXT|FILE on the command line: texts, the texts of a file, or the name of a picture.

Every command reads its inputs here, so that none takes a file's name for a text.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import FileError, InputError
from ..io import _text_files
from ..lens import ImageLens, Lens

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

ENDINGS = (*_text_files.SUFFIXES, ".md", ".json", *PICTURES)
"""What ends so is the name of a file, whether it is there or not."""

THROUGH = "give a text that is called like a file through standard input: -"


def inputs(
    lens: Lens, sources: list[str], file: Path | None = None, column: str | None = None, files: bool = True
) -> list[str]:
    """The inputs that a command is to read, in order: at least one.

    sources: the arguments; "-" is a text from each line of standard input
    file, column: the options --file and --column
    files: whether an argument may be the name of a file with texts; of a vision model every argument is a picture

    Raises InputError and FileError, with the remedy, for a file that is not there, or that stands where a text should.
    """
    if file is not None and sources:
        raise InputError(f"give {sources[0]!r} or --file {file}, not both")
    if file is None and not sources:
        raise InputError("Missing argument: give a text, - for standard input, or --file FILE")
    if isinstance(lens, ImageLens):
        if column is not None:
            raise InputError(f"--column names the texts of a table, and {lens.name} reads images")
        named = sources if file is None else [str(file)]
        return [picture for one in named for picture in (_lines() if one == "-" else [one])]
    if file is not None:
        return _text_files.read(file, column)
    for one in filter(os.path.isfile, sources):
        if one.lower().endswith(PICTURES):
            raise InputError(
                f"{one} is a picture, and {lens.name} reads texts; name a model that reads images: cifar"
            )
    found = [text for one in sources for text in _meant(one, column, files)]
    if column is not None and not any(map(os.path.exists, sources)):
        raise InputError("--column names a column of a file; give the file: --file FILE")
    return found


def text(lens: Lens, sources: list[str], file: Path | None, column: str | None, what: str) -> str:
    """The one input of a command that explains one; of standard input all of it. what: the command does with it"""
    if sources == ["-"] and file is None and column is None and not isinstance(lens, ImageLens):
        return standard_input().strip("\n")
    whole = "" if file is None else f"; the whole file as one text: - < {file}"
    return single(inputs(lens, sources, file, column, files=False), what, whole)


def single(found: list[str], what: str, remedy: str = "") -> str:
    """The only one of some inputs."""
    if len(found) > 1:
        raise InputError(f"{what} one text; {len(found)} were given, one on each line or row{remedy}")
    return found[0]


def _meant(source: str, column: str | None, files: bool) -> list[str]:
    """The texts of one argument of a text model."""
    if source == "-":
        return _lines()
    if os.path.isdir(source):
        raise FileError(f"{source} is a folder; name a file in it with --file, or {THROUGH}")
    if os.path.exists(source):
        if files:
            return _text_files.read(source, column)
        raise InputError(f"{source} is a file, not a text; to read it: --file {source}; or {THROUGH}")
    if source.rstrip().lower().endswith(ENDINGS):
        raise FileError(f"there is no file {source}; a text is given as it is, in quotes; {THROUGH}")
    return [source]


def _lines() -> list[str]:
    found = [line for line in _text_files.lines(standard_input()) if line.strip()]
    if not found:
        raise InputError("standard input holds no text; give one on each line")
    return found


def standard_input() -> str:
    """All of standard input."""
    if sys.stdin is None:
        raise InputError("standard input is closed; give the text as an argument, or --file FILE")
    try:
        found = sys.stdin.read()
        found.encode()  # in some locales a wrong byte is read as half a surrogate pair
    except UnicodeError:
        raise InputError(
            "standard input is no text in UTF-8; convert it first: iconv -f latin1 -t utf-8 FILE | attnlens ..."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"standard input cannot be read ({error}); give the text as an argument, or --file FILE"
        ) from error
    return found.removeprefix("\ufeff")
