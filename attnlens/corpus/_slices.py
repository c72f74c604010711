"""Slices of a data set: inputs that have something in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ._audit_rows import AuditRows

if TYPE_CHECKING:
    import pandas as pd

    from ..lens import Lens

Slice = Callable[[Any], bool] | tuple[str, Any]
"""Whether a text or a picture belongs to it; or a column of the table and its value."""

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
"""The slices of every audit of texts; "unknown words" is one more where the tokenizer has an unknown token."""

QUARTERS = {
    "brightness": ("dark", "bright"),
    "contrast": ("flat", "rich in contrast"),
    "size": ("small", "large"),
}
"""Of the pictures of an audit, by what is measured: the quarter with the least of it, and that with the most."""


def slices_of(more: Mapping[str, Slice] | Iterable[str], rows: AuditRows, lens: Lens) -> dict[str, Any]:
    """The slices of an audit: `SLICES`, or quarters of pictures, and functions by name, or columns, whose every value
    is a slice."""
    tokenizer = getattr(lens, "tokenizer", None)
    chosen: dict[str, Any] = _quarters(rows) if tokenizer is None else dict(SLICES)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is not None:
        chosen["unknown words"] = lambda text: unknown in lens.tokenizer(text)["input_ids"]
    if isinstance(more, Mapping):
        return chosen | dict(more)
    for column in more:
        values = _values(rows, column)
        if len(values) > MOST_VALUES:
            raise InputError(
                f"column {column!r} has more than {MOST_VALUES} values, which are too many slices; give functions: "
                f"slices={{'name': lambda text: ...}}, or a column with at most {MOST_VALUES}"
            )
        chosen |= {f"{column} = {value}": (column, value) for value in sorted(values, key=str)}
    return chosen


def _values(rows: AuditRows, column: str) -> set:
    """The values of a column, or some more than are allowed."""
    values: set = set()
    for table in rows.tables([column]):
        values |= set(table[column].drop_null().unique().to_pandas())
        if len(values) > MOST_VALUES:
            break
    return values


def _quarters(rows: AuditRows) -> dict[str, np.ndarray]:
    """bool `[row]` of each quarter of the pictures; {} for a measure that all have alike."""
    measures = {name: rows.column(name) for name in ("brightness", "contrast", "width", "height")}
    measures["size"] = measures.pop("width") * measures.pop("height")
    slices = {}
    for name, (least, most) in QUARTERS.items():
        low, high = np.nanquantile(measures[name], (0.25, 0.75)) if len(rows) else (0.0, 0.0)
        if low < high:
            said = (
                (lambda value: f"{value:,.0f} pixels") if name == "size" else (lambda value: f"{value:.2f}")
            )
            slices[f"{least} ({name} up to {said(low)})"] = measures[name] <= low
            slices[f"{most} ({name} from {said(high)})"] = measures[name] >= high
    return slices


def _asked(functions: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], list[bool]]:
    """From an input to what each function says of it."""
    return lambda input: [bool(of(input)) for of in functions.values()]


def members(
    slices: Mapping[str, Any],
    rows: AuditRows,
    inputs: Callable[[pd.DataFrame, Callable[[Any], Any]], list[Any]],
) -> dict[str, np.ndarray]:
    """bool `[row]` of each slice, in one pass over the rows.

    inputs: from rows with their `part` to what a function returns for each text or picture
    """
    every = {name: belongs for name, belongs in slices.items() if not isinstance(belongs, np.ndarray)}
    functions = {name: belongs for name, belongs in every.items() if callable(belongs)}
    columns = [belongs[0] for belongs in every.values() if isinstance(belongs, tuple)]
    parts: dict[str, list[np.ndarray]] = {name: [np.zeros(0, bool)] for name in every}
    for number, frame in enumerate(rows.frames(["key", "input", *columns]) if every else ()):
        answers = inputs(frame.assign(part=number), _asked(functions)) if functions else []
        here = dict(zip(functions, np.array(answers, dtype=bool).reshape(-1, len(functions)).T))
        for name, belongs in every.items():
            is_in = (
                (frame[belongs[0]] == belongs[1]).to_numpy(bool) if isinstance(belongs, tuple) else here[name]
            )
            parts[name].append(is_in)
    return {
        name: belongs if isinstance(belongs, np.ndarray) else np.concatenate(parts[name])
        for name, belongs in slices.items()
    }
