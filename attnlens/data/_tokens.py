"""What the positions of an input are: the tokens of a text, or the patches of an image after its leading tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Token:
    """One token: its text, vocabulary id, and place in the input.

    word: index of the word it is part of, None for special tokens
    start, end: character span in the text (of its own segment), None for special tokens
    segment: 0, or 1 for the second text of a pair
    """

    text: str
    id: int | None = None
    word: int | None = None
    special: bool = False
    start: int | None = None
    end: int | None = None
    segment: int = 0

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        span = [f"{self.start}:{self.end}"] if self.start is not None else []
        return f"Token({', '.join([repr(self.text), *span, *(['special'] if self.special else [])])})"


@dataclass(frozen=True)
class PatchGrid:
    """How the tokens of a vision model cover its image.

    rows, cols: patches down and across, in row-major order after the leading tokens
    leading: names of the tokens before the patches, e.g. ("[CLS]",) or ("[CLS]", "register 1")
    image: uint8 `[height, width, 3]`, the picture as the model received it (resized, cropped), or None
    """

    rows: int
    cols: int
    leading: tuple[str, ...] = ()
    image: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.leading) + self.rows * self.cols

    def __post_init__(self):
        check_members("leading", self.leading, str, '"[CLS]"')

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The grid as tokens: the leading ones, then `row,col`."""
        names = [Token(name, special=True) for name in self.leading]
        return (*names, *(Token(f"{r},{c}") for r in range(self.rows) for c in range(self.cols)))

    def name(self, position: int) -> str:
        """A position in words: a leading token by its name, a patch by its row and column: "patch (6, 4)"."""
        if position < len(self.leading):
            return self.leading[position]
        row, col = divmod(position - len(self.leading), self.cols)
        return f"patch ({row}, {col})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PatchGrid):
            return NotImplemented
        same = (self.rows, self.cols, self.leading) == (other.rows, other.cols, other.leading)
        if not same or self.image is None or other.image is None:
            return same and self.image is other.image
        return self.image.shape == other.image.shape and bool((self.image == other.image).all())

    __hash__ = None


def check_members(name: str, held: Sequence, kind: type, example: str) -> None:
    """Raises InputError for a text, which would count as a tuple of its letters, and for members of another kind.

    The first member stands for all: the labels of a language model are its vocabulary.
    """
    if isinstance(held, str) or not all(isinstance(one, kind) for one in held[:1]):
        raise InputError(
            f"{name} of a trace is a tuple of {kind.__name__}, as ({example},), not {short(held)}; lens.trace(input) "
            "makes a trace of an input"
        )
