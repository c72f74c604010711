"""Rows that are pictures: the files of a folder, and the members of WebDataset's archives."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import FileError, InputError
from ._source import Columns, Part, Row, Source, cut, named, plain, readable

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
"""Suffixes of the pictures of a folder or an archive."""


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
        if columns.mask is not None:
            raise InputError(
                "a folder of pictures has no column of masks; give a table or archives with mask=, or omit it"
            )
        if not self.files:
            raise FileError(f"{folder} holds no pictures ({', '.join(IMAGES)})")

    @property
    def numbered(self) -> bool:
        return False

    def parts(self, rows: int) -> list[Part]:
        return cut(len(self.files), rows, lambda start, stop: (start, stop))

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
    A mask is a member (`mask="mask.png"`), or a box in .json.
    """

    def __init__(self, paths: Sequence[Path], columns: Columns):
        super().__init__(columns)
        self.paths, self.name = [str(path) for path in paths], named(paths)
        self.rows: list[tuple[int, str, tuple[tuple[str, int, int], ...]]] = []
        for number, path in enumerate(self.paths):
            members: dict[str, list[tuple[str, int, int]]] = {}
            with readable(path), tarfile.open(path, "r:") as archive:
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
        return cut(len(self.rows), rows, lambda start, stop: (start, stop))

    def read(self, part: Part) -> list[Row]:
        return [self._row(*row) for row in self.rows[slice(*part.place)]]

    def _row(self, file: int, name: str, members: tuple[tuple[str, int, int], ...]) -> Row:
        found: dict[str, bytes] = {}
        with readable(self.paths[file]), open(self.paths[file], "rb") as opened:
            for suffix, offset, size in members:
                opened.seek(offset)
                found[suffix] = opened.read(size)
        picture = next((data for suffix, data in found.items() if suffix in IMAGES), None)
        try:
            label = (
                int(found[".cls"]) if ".cls" in found else found[".txt"].decode() if ".txt" in found else None
            )
            cells = json.loads(found.get(".json", b"{}"))
            more = {column: plain(cells.get(column)) for column in self.columns.more}
        except (ValueError, AttributeError) as error:
            return Row(name, problem=f"unreadable label or columns: {error}")
        mask = None
        if self.columns.mask is not None:
            mask = found.get(f".{self.columns.mask.lower()}", cells.get(self.columns.mask))
        return Row(name, picture, label, more, None if picture is not None else "no picture", mask)
