"""An audit in the terminal: its numbers, and the rows of each table that matter most."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from ..corpus import Audit, AuditComparison

ROWS = 8
"""Rows of each table that are printed."""

STRENGTH, CERTAIN = 0.2, 0.05
"""From which strength a shortcut, and up to which corrected p a slice, is printed in bold."""

TABLES: dict[str, tuple[str, Callable[[Any], dict[str, str]]]] = {
    "errors": (
        "Wrong predictions, the most confident first",
        lambda row: {
            "key": str(row.key), "label": str(row.label), "prediction": row.prediction,
            "probability": f"{row.probability:.3f}", "input": _input(row),
        },
    ),
    "shortcuts": (
        "Words that decide: share of predictions that change without the word, and with it (of other words)",
        lambda row: {
            "word": row.word, "prediction": row.prediction, "inputs": str(row.inputs),
            "without it": _beside(row.removed, row.removed_random),
            "with it": _beside(row.inserted, row.inserted_random), "strength": f"{row.strength:.2f}",
        },
    ),
    "localization": (
        "On the object: largest value inside its mask, share of the positive values inside, and chance",
        lambda row: {
            "map": row.map, "predictions": row.predictions, "inputs": str(row.inputs),
            "largest inside": _percent(row.pointing), "positive inside": _percent(row.energy),
            "chance": _percent(row.chance),
        },
    ),
    "by_slice": (
        "Accuracy by slice, with its 95% interval, and on the rest",
        lambda row: {
            "slice": row.slice, "inputs": str(row.inputs), "accuracy": _percent(row.accuracy),
            "interval": f"{_percent(row.accuracy_low)} to {_percent(row.accuracy_high)}",
            "rest": _percent(row.rest), "p": f"{row.p:.2g}",
        },
    ),
    "heads": (
        "Heads that differ most between right and wrong predictions, in standard deviations",
        lambda row: {
            "layer": str(row.layer), "head": str(row.head), "statistic": row.statistic, "right": f"{row.hits:.3g}",
            "wrong": f"{row.errors:.3g}", "difference": f"{row.effect:+.2f}", "p": f"{row.p:.2g}",
        },
    ),
}  # fmt: skip
"""By attribute of an audit: the title, and the cells of a row."""


def _changed(row: Any) -> dict[str, str]:
    return {
        "key": str(row.key), "label": str(row.label), "before": row.prediction_before, "after": row.prediction_after,
        "probability": f"{row.probability_after:.3f}", "input": _input(row),
    }  # fmt: skip


COMPARED: dict[str, tuple[str, Callable[[Any], dict[str, str]]]] = {
    "broken": ("Right before, wrong after, the most confident first", _changed),
    "fixed": ("Wrong before, right after, the most confident first", _changed),
    "by_slice": (
        "Accuracy by slice, before and after",
        lambda row: {
            "slice": row.slice, "inputs": str(row.inputs), "before": _percent(row.before), "after": _percent(row.after),
            "fixed": str(row.fixed), "broken": str(row.broken), "p": f"{row.p:.2g}",
        },
    ),
}  # fmt: skip
"""The same of a comparison of two audits."""

WORDS = (
    "key",
    "label",
    "prediction",
    "before",
    "after",
    "input",
    "word",
    "slice",
    "statistic",
    "map",
    "predictions",
)
"""Columns of texts, which begin at the left."""


def numbers(result: Audit | AuditComparison) -> dict[str, Any]:
    """Plain lists and numbers, for JSON."""
    tables = {name: _records(frame) for name, frame in _tables(result).items()}
    if not hasattr(result, "accuracy"):
        change, low, high = result.difference
        fixed, broken = result.counts
        counts = {"fixed": fixed, "broken": broken}
        difference = {"share": change, "low": low, "high": high, "p": result.p}
        models = {"before": result.before.name, "after": result.after.name}
        return {"models": models, "inputs": len(result), "difference": difference, "counts": counts, **tables}
    share, low, high = result.accuracy
    return {
        "model": result.name,
        "inputs": len(result),
        "unusable": result.run.manifest["errors"],
        "accuracy": {"share": share, "low": low, "high": high},
        "calibration_error": result.calibration.attrs["ece"],
        "confusion": result.confusion.to_dict("index"),
        **tables,
    }


def print_audit(console: Console, result: Audit | AuditComparison) -> None:
    """Prints the summary and the first rows of each table."""
    console.print(_summary(result))
    for name, frame in _tables(result).items():
        if len(frame):
            title, cells = _kinds(result)[name]
            if name == "heads":  # of each head the statistic that differs most
                frame = frame.drop_duplicates(["layer", "head"])
            console.print()
            console.print(title, style="bold")
            console.print(_shown([(row, cells(row)) for row in frame.head(ROWS).itertuples()]))


def _summary(result: Audit | AuditComparison) -> str:
    if not hasattr(result, "accuracy"):
        return repr(result).splitlines()[0]
    share, low, high = result.accuracy
    lost = result.run.manifest["errors"]
    return (
        f"{result.name} on {len(result):,} inputs: {share:.0%} right (95% interval {low:.0%} to {high:.0%}), "
        f"calibration error {result.calibration.attrs['ece']:.1%}"
    ) + (f"\n{lost:,} rows could not be used: see {result.run.folder / 'errors'}" if lost else "")


def _shown(rows: list[tuple[Any, dict[str, str]]]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0][1]:
        shown.add_column(column, justify="left" if column in WORDS else "right", no_wrap=column != "input")
    for row, cells in rows:
        shown.add_row(*(Text(cell) for cell in cells.values()), style=_style(row))
    return shown


def check(audit: Audit, least: float | None) -> None:
    """Raises InputError where the accuracy is under a limit, so that a build fails."""
    share = audit.accuracy[0]
    if least is not None and share < least:
        raise InputError(f"the accuracy is {share:.4f}, under the limit of {least} (--fail-under)")


def _kinds(result: Audit | AuditComparison) -> dict[str, tuple[str, Callable[[Any], dict[str, str]]]]:
    return TABLES if hasattr(result, "accuracy") else COMPARED


def _tables(result: Audit | AuditComparison) -> dict[str, pd.DataFrame]:
    """The tables that there are: heads are compared where there are statistics of them, and errors."""
    absent = set()
    if hasattr(result, "accuracy"):
        absent |= set() if result.run.heads and 0 < result.wrong < len(result) else {"heads"}
        absent |= {"shortcuts"} if result.reads_pictures else set()
        absent |= set() if result.has_masks else {"localization"}
    return {name: getattr(result, name) for name in _kinds(result) if name not in absent}


def _input(row: Any) -> str:
    """The text; "" for a picture."""
    return row.input if isinstance(row.input, str) else ""


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _style(row: Any) -> str:
    strong = getattr(row, "strength", 0) >= STRENGTH or (hasattr(row, "slice") and row.p <= CERTAIN)
    return "bold" if strong else ""


def _beside(share: float, other: float) -> str:
    return f"{_percent(share)} ({_percent(other)})"


def _percent(share: float) -> str:
    return "" if share != share else f"{share:.0%}"
