"""Slices of a data set: inputs that have something in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from ..lens import TextLens

Slice = Callable[[str], bool] | tuple[str, Any]
"""Whether a text belongs to it; or a column of the table and its value."""

NEGATION = re.compile(
    r"\b(?:not|no|never|nothing|nobody|none|neither|nor|without|cannot)\b|n't\b|n ' t\b", re.I
)
CONTRAST = re.compile(r"\b(?:but|although|though|however|yet|despite|while|nevertheless|instead)\b", re.I)

SHORT, LONG = 8, 30
"""Words up to which a text is short, and from which on it is long."""

MOST_VALUES = 50
"""Values of a column up to which each is a slice."""

SLICES: dict[str, Slice] = {
    "negation": lambda text: bool(NEGATION.search(text)),
    "contrast": lambda text: bool(CONTRAST.search(text)),
    f"short (up to {SHORT} words)": lambda text: len(text.split()) <= SHORT,
    f"long ({LONG} words and more)": lambda text: len(text.split()) >= LONG,
    "question": lambda text: "?" in text,
    "number": lambda text: any(character.isdigit() for character in text),
}
"""The slices of every audit; "unknown words" is one more where the tokenizer has an unknown token."""


def slices_of(
    more: Mapping[str, Slice] | Iterable[str], table: pd.DataFrame, lens: TextLens
) -> dict[str, Slice]:
    """The slices of an audit: `SLICES`, and functions by name, or columns, whose every value is a slice."""
    chosen = dict(SLICES)
    unknown = getattr(lens.tokenizer, "unk_token_id", None)
    if unknown is not None:
        chosen["unknown words"] = lambda text: unknown in lens.tokenizer(text)["input_ids"]
    if isinstance(more, Mapping):
        return chosen | dict(more)
    for column in more:
        values = table[column].dropna().unique()
        if len(values) > MOST_VALUES:
            raise InputError(
                f"column {column!r} has {len(values)} values, which are too many slices; give functions: "
                f"slices={{'name': lambda text: ...}}, or a column with at most {MOST_VALUES}"
            )
        chosen |= {f"{column} = {value}": (column, value) for value in sorted(values, key=str)}
    return chosen


def in_slice(belongs: Slice, table: pd.DataFrame) -> np.ndarray:
    """bool `[input]`"""
    if isinstance(belongs, tuple):
        column, value = belongs
        return (table[column] == value).to_numpy(bool)
    return np.array([bool(belongs(text)) for text in table["input"]], dtype=bool)
