"""The views against BertViz 1.4.1 and Inspectus 0.2.0 in Chromium, and long traces in JupyterLab and in reports.

The same attention goes into a page of each: weights without structure, a trained encoder's factors (6 layers of 12
heads), and factors of the size of BERT base (12 of 12). One head is shown; BertViz still makes the lines of all,
unseen, and Inspectus opens with the sum of all. `model_view` stands beside `HeadsView`, whose page holds thumbnails
alone. Each page is made once; the long ones, but for those of BertViz, which take minutes, are opened three times in
turn.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Group
from rich.table import Table

from attnlens.data._trace import Trace
from attnlens.widgets import _payload

from . import long_reports, notebook, pages, painting
from .accuracy import minilm_folder

FEWER_BYTES = {128: 20, 512: 80}
"""How many times the bytes of BertViz's page, by tokens."""

SOONER = 0.5
"""Seconds to the first paint against Inspectus, at 256 and 512 tokens."""

CHANGE = 100.0
"""Milliseconds until another layer's head is drawn, at 512 tokens."""

OPEN, FRAMES = 2.0, 30.0
"""Seconds until a map of 4,096 tokens is drawn in JupyterLab, and pictures per second while it is dragged."""

ROUNDS, TARGETED = 3, 256
"""Rounds in which pages of at least so many tokens are opened: those whose seconds have a target."""

LARGEST = 1_000_000_000
"""Bytes of a BertViz page that is still made (in six times the memory); of a larger one they are reckoned."""

MARKS = {
    "coarse maps": "(1)",
    "thumbnails alone": "(2)",
    "too large to make, bytes reckoned": "(3)",
    "too many lines to open, bytes reckoned": "(4)",
    "no d3 from npm, bytes reckoned": "(5)",
}
"""What stands beside a page's name for what it differs in."""

MOST_LINES = 1_500_000
"""Lines of a model_view that is still opened; each takes 2.5 kB of the browser's memory."""

LONG = {"4,096 tokens, 12 x 12 heads": (4096, 12, 12), "32,768 tokens, 2 x 2 heads": (32_768, 2, 2)}
"""Traces in JupyterLab: tokens, layers, heads. The first has targets and is opened in as many rounds as the pages."""

REPORTS = (32_768, 131_072)
"""Tokens of the long traces whose reports are opened; the first has targets for all that is measured."""

REPORT_OPEN, REPORT_DETAIL = 3.0, 0.5
"""Seconds until the map of a long report is drawn, and until single weights are."""


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
    weights: int = 0
    """Bytes of all layers, where the page holds no more than coarse maps of them."""

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
    long = {
        name: [notebook.moved(*size) for _ in range(rounds if turn == 0 else 1)]
        for turn, (name, size) in enumerate(LONG.items())
    }
    reports = {size: long_reports.measured(size) for size in REPORTS}
    verdicts = [*smaller(rows), *sooner(rows), *changed(rows), *fluid(long), *computed(reports)]
    met = all(verdict.met for verdict in verdicts if verdict.binding)
    return Group(*_pages(rows), _long(long), _reports(reports), _verdicts(verdicts)), met


def traces() -> Iterator[tuple[str, Trace]]:
    """What is shown, one after the other."""
    for size in (64, 128, 256, 512):
        yield "softmax(2 randn)", pages.made_up(size)
    if folder := minilm_folder():
        for size in (128, 512):
            yield "MiniLM on reviews", pages.read(folder, size)
    for size in (128, 512):
        yield "of BERT base's size", pages.base_sized(size)


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
    for turn in range(rounds if size >= TARGETED else 1):
        for row in found:
            if paths[row.name].exists() and (turn == 0 or not row.name.startswith("bertviz")):
                row.opened.append(painting.measure(paths[row.name], pages.DRAWN[row.name], turn == 0))
    for path in paths.values():
        path.unlink(missing_ok=True)
    return found


def made(row: Row, trace: Trace, path: Path) -> None:
    """Makes the page, where that is worth its while, and notes its bytes."""
    if row.name.startswith("bertviz"):
        row.bytes = reckoned(trace)
        row.note = unmade(row, trace)
        if row.note:
            return
    row.bytes, row.seconds = pages.made(row.name, trace, path)
    if row.name == "attnlens heads":
        row.note = "thumbnails alone"
    elif row.name == "attnlens attention" and _payload.header(trace)["remote"]:
        row.note = "coarse maps"
        row.weights = sum(layer["bytes"] for layer in _payload.header(trace)["layers"])


def unmade(row: Row, trace: Trace) -> str:
    """Why a page of BertViz is not made; its bytes are reckoned then."""
    lines = sum(layer.attention.heads for layer in trace.layers) * row.size**2
    if not painting.WEB.exists():
        return "no d3 from npm, bytes reckoned"
    if row.bytes > LARGEST:
        return "too large to make, bytes reckoned"
    many = row.name.endswith("model_view") and lines > MOST_LINES
    return "too many lines to open, bytes reckoned" if many else ""


def reckoned(trace: Trace) -> int:
    """Bytes of a page of BertViz from those of one layer: all weights as JSON, and once more in a comment."""
    return 2 * len(trace) * len(json.dumps(trace[0][:].tolist()))


# -- targets ------------------------------------------------------------------------------------------------


def smaller(rows: list[Row]) -> Iterator[Verdict]:
    """Bytes against BertViz's head_view as it is, and without the comment that holds all weights once more.

    Binding where the weights are those of a model. Of coarse maps the bytes of every weight count.
    """
    for row in rows:
        theirs = _row(rows, row, "bertviz head_view")
        if row.name == "attnlens attention" and theirs and row.size in FEWER_BYTES:
            times = theirs.bytes / max(row.bytes, row.weights)
            found = f"{times:.0f}x, {times / 2:.0f}x without its comment"
            if row.note:
                found += f" (with every weight; {theirs.bytes / row.bytes:.0f}x by {row.note})"
            target = f"bytes, {row.size} tokens, {row.data}: {FEWER_BYTES[row.size]}x fewer than BertViz"
            yield Verdict(target, found, times >= FEWER_BYTES[row.size], "MiniLM" in row.data)


def sooner(rows: list[Row]) -> Iterator[Verdict]:
    """The first paint against Inspectus's."""
    for row in rows:
        theirs = _row(rows, row, "inspectus")
        if row.name == "attnlens attention" and theirs and row.size >= TARGETED:
            known = isinstance(row.drawn, float) and isinstance(theirs.drawn, float)
            share = row.drawn / theirs.drawn if known else float("inf")
            yield Verdict(
                f"first paint, {row.size} tokens, {row.data}: under {SOONER} of Inspectus",
                f"{share:.2f}" + (f", {row.note}" if row.note else ""),
                share < SOONER,
                not row.note,
            )


def changed(rows: list[Row]) -> Iterator[Verdict]:
    """Another layer, one head shown."""
    for row in rows:
        if row.name == "attnlens attention" and row.size == 512:
            time = row.opened[0].change
            yield Verdict(
                f"layer change, {row.size} tokens, {row.data}: under {CHANGE:.0f} ms",
                _number(time, 0) + (f", {row.note}" if row.note else ""),
                isinstance(time, float) and time < CHANGE,
                not row.note,
            )


def fluid(long: dict[str, list[notebook.Moved]]) -> Iterator[Verdict]:
    """The long trace in JupyterLab; medians."""
    name, found = next(iter(long.items()))
    opened = statistics.median(one.whole for one in found)
    frames = statistics.median(one.frames for one in found)
    yield Verdict(f"JupyterLab, {name}: open under {OPEN:.0f} s", f"{opened:.2f} s", opened < OPEN)
    yield Verdict(f"JupyterLab, {name}: {FRAMES:.0f} pictures a second", f"{frames:.0f}", frames >= FRAMES)


def computed(reports: dict[int, long_reports.Long]) -> Iterator[Verdict]:
    """Heads that a page computes from queries and keys."""
    for size, found in reports.items():
        name = f"report, {size:,} tokens"
        yield Verdict(
            f"{name}: open under {REPORT_OPEN:.0f} s", f"{found.opened:.2f} s", found.opened < REPORT_OPEN
        )
        seconds = f"{found.deepest:.2f} s"
        yield Verdict(
            f"{name}: single weights under {REPORT_DETAIL} s", seconds, found.deepest < REPORT_DETAIL
        )
    first = reports[REPORTS[0]]
    for level, frames in (("a middle level", first.middle_frames), ("single weights", first.deep_frames)):
        target = f"report, {REPORTS[0]:,} tokens, {level}: {FRAMES:.0f} pictures a second"
        yield Verdict(target, f"{frames:.0f}", frames >= FRAMES)


def _row(rows: list[Row], like: Row, name: str) -> Row | None:
    """Another page of the same trace."""
    return next((one for one in rows if (one.data, one.size, one.name) == (like.data, like.size, name)), None)


# -- tables -------------------------------------------------------------------------------------------------


def _pages(rows: list[Row]) -> list[Table]:
    """A table for each trace; what the columns mean below the last."""
    groups = [list(group) for _, group in itertools.groupby(rows, key=lambda row: (row.data, row.size))]
    tables = [_page(group) for group in groups]
    missing = [name for name in ("bertviz", "inspectus") if importlib.util.find_spec(name) is None]
    notes = {row.note for row in rows}
    tables[-1].caption = "; ".join([
        "fewer: than the bytes of BertViz's head_view, which writes all weights twice, the second time in a comment",
        "heap, held: MB of the script's heap and of the page's process",
        "blank: the page was done and showed nothing",
        *(f"{mark} {note}" for note, mark in MARKS.items() if note in notes),
        *(f"not installed: {name}" for name in missing),
    ])  # fmt: skip
    return tables


def _page(rows: list[Row]) -> Table:
    table = Table(
        title=f"{rows[0].data}, {rows[0].size} tokens", box=box.SIMPLE, padding=0, title_justify="left"
    )
    for column in ("", "MB", "fewer", "CPU s", "paint s", "+-", "layer ms", "heap", "held"):
        table.add_column(
            column, justify="right" if column else "left", no_wrap=True, min_width=22 if not column else 5
        )
    for row in rows:
        theirs = _row(rows, row, "bertviz head_view")
        opened = row.opened[0] if row.opened else painting.Measured("")
        fewer = "" if theirs in (None, row) else f"{theirs.bytes / row.bytes:.0f}x"
        spread = f"{row.spread:.2f}" if len(row.opened) > 1 else ""
        table.add_row(
            f"{row.name} {MARKS.get(row.note, '')}", _number(row.bytes / 1e6, 1), fewer, _number(row.seconds, 2),
            _number(row.drawn, 2), spread, _number(opened.change, 0), _number(opened.heap, 0),
            _number(opened.private, 0),
        )  # fmt: skip
    return table


def _long(long: dict[str, list[notebook.Moved]]) -> Table:
    """Every round, since the median alone would hide what else the machine did."""
    table = Table(title="a map of factors in JupyterLab, from the key that runs its cell, in a new kernel")
    for column in ("", "first picture s", "all detail s", "pictures / s dragged", "longest wait ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, found in long.items():
        columns = zip(*found)
        told = (
            ", ".join(_number(one, digits) for one in column) for column, digits in zip(columns, (2, 2, 0, 0))
        )
        table.add_row(name, *told)
    return table


def _reports(reports: dict[int, long_reports.Long]) -> Table:
    table = Table(title="a causal head in a report, computed in Chromium from queries and keys")
    columns = ("MB", "written s", "map s", "middle level s", "weights s", "pictures / s, middle", "weights")
    for column in ("tokens", *columns):
        table.add_column(column, justify="right")
    for size, found in reports.items():
        told = (found.megabytes, found.written, found.opened, found.middle, found.deepest)
        frames = (found.middle_frames, found.deep_frames)
        numbers = [*(_number(one, 2) for one in told), *(_number(one, 0) for one in frames)]
        table.add_row(f"{size:,}", *numbers)
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
