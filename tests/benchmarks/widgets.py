"""The views against BertViz 1.4.1 and Inspectus 0.2.0 in Chromium, and a long trace in JupyterLab.

The same attention goes into a page of each: weights without structure, a trained encoder's factors, and factors of the
size of BERT base. One head is shown (BertViz still makes the lines of all, unseen; Inspectus opens with the sum of
all); `model_view` stands beside `HeadsView`, whose page holds thumbnails alone. Each page is made once; those that open
in seconds are opened three times in turn.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Group
from rich.table import Table

from attnlens.trace import Trace
from attnlens.widgets import payload

from . import notebook, pages, painting
from .accuracy import minilm_folder

FEWER_BYTES = {128: 20, 512: 80}
"""How many times the bytes of BertViz's page, by tokens."""

SOONER = 0.5
"""Seconds to the first paint against Inspectus, at 256 and 512 tokens."""

CHANGE = 100.0
"""Milliseconds until another layer's head is drawn, at 512 tokens."""

OPEN, FRAMES = 2.0, 30.0
"""Seconds until a map of 4,096 tokens is drawn in JupyterLab, and pictures per second while it is dragged."""

ROUNDS = 3

LARGEST = 1_000_000_000
"""Bytes of a BertViz page that is still made (in six times the memory); of a larger one they are reckoned."""

MOST_LINES = 1_500_000
"""Lines of a model_view that is still opened; each takes 2.5 kB of the browser's memory."""

LONG = {"4,096 tokens, 12 x 12 heads": (4096, 12, 12), "32,768 tokens, 2 x 2 heads": (32_768, 2, 2)}


@dataclass
class Row:
    """One page: what it took to make and to open."""

    data: str
    size: int
    name: str
    bytes: int = 0
    seconds: float | None = None
    opened: list[painting.Measured] = field(default_factory=list)
    note: str = ""

    @property
    def drawn(self) -> float | str | None:
        """Median seconds to the first paint."""
        words = [one.drawn for one in self.opened if isinstance(one.drawn, str)]
        if words or not self.opened:
            return words[0] if words else None
        return statistics.median(one.drawn for one in self.opened)

    @property
    def spread(self) -> float:
        """Half of what lies between the fastest and the slowest."""
        times = [one.drawn for one in self.opened if not isinstance(one.drawn, str)]
        return (max(times) - min(times)) / 2 if times else 0.0


class Verdict(NamedTuple):
    """A target and what was found; one that is not binding is told, and fails nothing."""

    target: str
    found: str
    met: bool
    binding: bool = True


def run(rounds: int = ROUNDS) -> tuple[Group | str, bool]:
    """(the tables, whether every binding target is met)"""
    if shutil.which("chromium") is None:
        return "widgets: no chromium on this machine; install it (Debian: apt-get install chromium)", False
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for data, trace in traces() for row in compared(data, trace, Path(folder), rounds)]
    long = {name: notebook.moved(*size) for name, size in LONG.items()}
    verdicts = [*smaller(rows), *sooner(rows), *changed(rows), *fluid(long)]
    met = all(verdict.met for verdict in verdicts if verdict.binding)
    return Group(_pages(rows), _long(long), _verdicts(verdicts)), met


def traces() -> Iterator[tuple[str, Trace]]:
    """What is shown, one after the other."""
    for size in (64, 128, 256, 512):
        yield "softmax(2 randn), 12 x 12 heads", pages.made_up(size)
    if folder := minilm_folder():
        for size in (128, 512):
            yield "MiniLM on reviews, 6 x 12 heads", pages.read(folder, size)
    for size in (128, 512):
        yield "factors of BERT base's size, 12 x 12 heads", pages.base_sized(size)


# -- measuring ----------------------------------------------------------------------------------------------


def compared(data: str, trace: Trace, folder: Path, rounds: int) -> list[Row]:
    """A row for each page of a trace."""
    size, found = len(trace.tokens), []
    for name in pages.MAKERS:
        peer = name.split()[0]
        if peer == "attnlens" or importlib.util.find_spec(peer):
            found.append(Row(data, size, name))
    paths = {row.name: folder / f"{row.name}.html" for row in found}
    for row in found:
        made(row, trace, paths[row.name])
    for turn in range(rounds):
        for row in found:
            if paths[row.name].exists() and (turn == 0 or not row.name.startswith("bertviz")):
                row.opened.append(painting.measure(paths[row.name], pages.DRAWN[row.name], turn == 0))
    for path in paths.values():
        path.unlink(missing_ok=True)
    return found


def made(row: Row, trace: Trace, path: Path) -> None:
    """Makes the page, where that is worth its while, and notes its bytes."""
    if row.name.startswith("bertviz"):
        row.bytes, row.note = reckoned(trace), unmade(row, trace)
        if row.note:
            return
    row.bytes, row.seconds = pages.made(row.name, trace, path)
    if row.name == "attnlens heads":
        row.note = "thumbnails alone"
    elif row.name == "attnlens attention" and payload.header(trace)["remote"]:
        row.note = "coarse maps"


def unmade(row: Row, trace: Trace) -> str:
    """Why a page of BertViz is not made; its bytes are reckoned then."""
    lines = sum(layer.attention.heads for layer in trace.layers) * row.size**2
    if not painting.WEB.exists():
        return "no d3 from npm"
    if row.bytes > LARGEST:
        return "too large to make"
    return "too many lines" if row.name.endswith("model_view") and lines > MOST_LINES else ""


def reckoned(trace: Trace) -> int:
    """Bytes of a page of BertViz from those of one layer: all weights as JSON, and once more in a comment."""
    return 2 * len(trace) * len(json.dumps(trace[0][:].tolist()))


# -- targets ------------------------------------------------------------------------------------------------


def smaller(rows: list[Row]) -> Iterator[Verdict]:
    """Bytes against BertViz's head_view; binding where the weights are those of a model."""
    for row in rows:
        theirs = _row(rows, row, "bertviz head_view")
        if row.name == "attnlens attention" and theirs and row.size in FEWER_BYTES:
            times = theirs.bytes / row.bytes
            yield Verdict(
                f"bytes at {row.size} tokens, {row.data}: BertViz {FEWER_BYTES[row.size]}x",
                f"{times:.0f}x" + (f", {row.note}" if row.note else ""),
                times >= FEWER_BYTES[row.size],
                "MiniLM" in row.data,
            )


def sooner(rows: list[Row]) -> Iterator[Verdict]:
    """The first paint against Inspectus's."""
    for row in rows:
        theirs = _row(rows, row, "inspectus")
        if row.name == "attnlens attention" and theirs and row.size >= 256:
            known = isinstance(row.drawn, float) and isinstance(theirs.drawn, float)
            share = row.drawn / theirs.drawn if known else float("inf")
            yield Verdict(
                f"first paint at {row.size} tokens, {row.data}: under {SOONER} of Inspectus",
                f"{share:.2f}" + (f", {row.note}" if row.note else ""),
                share < SOONER,
            )


def changed(rows: list[Row]) -> Iterator[Verdict]:
    """Another layer, one head shown."""
    for row in rows:
        if row.name == "attnlens attention" and row.size == 512:
            time = row.opened[0].change
            yield Verdict(
                f"layer change at {row.size} tokens, {row.data}: under {CHANGE:.0f} ms",
                _number(time, 0) + (f", {row.note}" if row.note else ""),
                isinstance(time, float) and time < CHANGE,
            )


def fluid(long: dict[str, notebook.Moved]) -> Iterator[Verdict]:
    """The long trace in JupyterLab."""
    name, found = next(iter(long.items()))
    yield Verdict(f"JupyterLab, {name}: open under {OPEN:.0f} s", f"{found.whole:.2f} s", found.whole < OPEN)
    yield Verdict(
        f"JupyterLab, {name}: {FRAMES:.0f} pictures a second", f"{found.frames:.0f}", found.frames >= FRAMES
    )


def _row(rows: list[Row], like: Row, name: str) -> Row | None:
    """Another page of the same trace."""
    return next((one for one in rows if (one.data, one.size, one.name) == (like.data, like.size, name)), None)


# -- tables -------------------------------------------------------------------------------------------------


def _pages(rows: list[Row]) -> Table:
    table = Table(title="pages in Chromium, one head of a layer shown")
    numbers = (
        "tokens",
        "MB",
        "BertViz x",
        "CPU s",
        "first paint s",
        "+-",
        "layer ms",
        "heap MB",
        "process MB",
    )
    for column in ("", *numbers, ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    data = ""
    for row in rows:
        if row.data != data:
            table.add_section()
            table.add_row(data := row.data)
        theirs = _row(rows, row, "bertviz head_view")
        opened = row.opened[0] if row.opened else painting.Measured("")
        table.add_row(
            f"  {row.name}", str(row.size), _number(row.bytes / 1e6, 1),
            f"{theirs.bytes / row.bytes:.0f}" if theirs else "", _number(row.seconds, 2),
            _number(row.drawn, 2), f"{row.spread:.2f}" if len(row.opened) > 1 else "",
            _number(opened.change, 0), _number(opened.heap, 1), _number(opened.private, 0), row.note,
        )  # fmt: skip
    missing = [name for name in ("bertviz", "inspectus") if importlib.util.find_spec(name) is None]
    table.caption = (
        "blank: the page was done and showed nothing; without seconds: not made, MB reckoned; BertViz writes all "
        "weights twice, the second time in a comment; coarse maps: too many weights for the page to hold each"
        + "".join(f"; not installed: {name}" for name in missing)
    )
    return table


def _long(long: dict[str, notebook.Moved]) -> Table:
    table = Table(title="a map of factors in JupyterLab, from the key that runs its cell")
    for column in ("", "first picture s", "all detail s", "pictures / s dragged", "longest wait ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, found in long.items():
        table.add_row(
            name, f"{found.first:.2f}", f"{found.whole:.2f}", f"{found.frames:.0f}", f"{found.longest:.0f}"
        )
    return table


def _verdicts(verdicts: list[Verdict]) -> Table:
    table = Table(title="targets")
    for column in ("target", "found", ""):
        table.add_column(column)
    for target, found, met, binding in verdicts:
        table.add_row(target, found, "met" if met else "MISSED" if binding else "missed, not binding")
    return table


def _number(value: float | str | None, digits: int) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:,.{digits}f}"
