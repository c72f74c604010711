"""Tables for the terminal: statistics of every head, and the heads of two models side by side.

A table is computed once and then printed, drawn or written as CSV or JSON from the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._checks import one_of
from .._escaping import quoted
from ..analysis import Comparison, ModelComparison, compare, head_stats
from ..corpus import HeadPages, head_pages
from ..data._trace import Trace
from ..errors import FileError, InputError
from ..lens import Lens

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIRST_COLUMNS = (
    "pattern", "loss_change", "divergence", "flips", "entropy", "max_weight", "distance", "self", "previous", "next",
    "first", "separator", "punctuation", "duplicate", "induction", "sink",
)  # fmt: skip
"""Statistics in the order in which they are printed as far as they fit."""

INTERVALS = ("distance", "entropy_change")
"""What is printed with its interval of two models over several inputs."""


@dataclass(frozen=True)
class HeadTable:
    """The statistics of every head over some inputs, sorted by one of them."""

    model: str
    inputs: Sequence[Any]
    sort: str
    frame: pd.DataFrame

    @property
    def numbers(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "inputs": len(self.inputs),
            "sort": self.sort,
            "heads": _records(self.frame),
        }

    def figure(self) -> Figure:
        from .. import plots

        return plots.stats(self.frame, self.sort)


@dataclass(frozen=True)
class ComparisonTable:
    """Two models on one input."""

    input: str
    comparison: Comparison

    @property
    def frame(self) -> pd.DataFrame:
        return self.comparison.most(len(self.comparison.heads))

    @property
    def numbers(self) -> dict[str, Any]:
        return {
            "input": self.input,
            "a": _prediction(self.comparison.a),
            "b": _prediction(self.comparison.b),
            "metric": self.comparison.metric,
            "matched": self.comparison.matched,
            "alignment": [list(pair) for pair in self.comparison.alignment],
            "heads": _records(self.frame),
        }

    def figure(self) -> Figure:
        from .. import plots

        return plots.compare(self.comparison)


@dataclass(frozen=True)
class ModelTable:
    """Two models over several inputs."""

    comparison: ModelComparison

    @property
    def frame(self) -> pd.DataFrame:
        return self.comparison.most(len(self.comparison.heads))

    @property
    def numbers(self) -> dict[str, Any]:
        names = ("models", "inputs", "unaligned", "reason", "only_special", "metric", "matched")
        fields = {name: getattr(self.comparison, name) for name in names}
        return {**fields, "heads": _records(self.frame)}

    def figure(self) -> Figure:
        from .. import plots

        name = f"mean {self.comparison.metric} distance"
        return plots.stats(self.comparison.heads.rename(columns={"distance": name}), name)


def measure_heads(lens: Lens, inputs: list[str], sort: str) -> HeadTable:
    """`head_stats` of a text or an image file, or the means over several; sorted."""
    traces = lens.traces(inputs, values=True)
    frame = head_stats(next(traces) if len(inputs) == 1 else traces)
    statistics = [
        name
        for name in frame.columns
        if name not in ("layer", "head", "name") and not name.endswith(("_std", "_inputs"))
    ]
    one_of("statistic", sort, statistics)
    if frame[sort].isna().all():
        defined = ", ".join(name for name in statistics if frame[name].notna().any())
        raise InputError(f"{sort!r} is not defined for any head on this input; defined: {defined}")
    ordered = frame.sort_values(sort, ascending=False, kind="stable", ignore_index=True)
    return HeadTable(lens.name, inputs, sort, ordered)


def of_pages(pages: HeadPages, sort: str | None) -> HeadTable:
    """Every head on a data set, sorted, by default the most missed first."""
    table = pages.table
    numbers = [name for name in table.columns if name not in ("layer", "head", "pattern")]
    if sort is None:
        sort = next(name for name in ("loss_change", "divergence", "entropy") if name in table)
    one_of("statistic", sort, numbers)
    ordered = table.sort_values(sort, ascending=False, kind="stable", ignore_index=True)
    return HeadTable(pages.lens.name, range(len(pages)), sort, ordered)


def heads_on_data(lens: Lens, data: Any, sort: str | None, page: Path | None, **options: Any) -> HeadTable:
    """The heads on a data set, and their page where it is wanted."""
    if data is None:
        raise InputError("Missing argument: give a file or a folder of a data set")
    pages = head_pages(lens, Path(data), progress=sys.stderr.isatty(), **options)
    table = of_pages(pages, sort)
    if page is not None:
        print(f"wrote {pages.report(page)}", file=sys.stderr)
    return table


def compare_models(first: Lens, second: Lens, inputs: list[str]) -> ComparisonTable | ModelTable:
    """Both models on one input, or the means over several, head by head."""
    if len(inputs) > 1:
        return ModelTable(compare(first, second, inputs))
    return ComparisonTable(inputs[0], compare(*(lens.trace(inputs[0]) for lens in (first, second))))


def _prediction(trace: Trace) -> dict[str, Any]:
    return {"model": trace.model, "prediction": trace.prediction and trace.prediction.label}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: null where a statistic is not defined."""
    return [
        {name: None if value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def print_heads(console: Console, table: HeadTable, top: int) -> None:
    frame = table.frame
    what = quoted(table.inputs[0]) if len(table.inputs) == 1 else f"the mean of {len(table.inputs):,} inputs"
    console.print(Text(f"{table.model}: {what}", style="bold"))
    wanted = dict.fromkeys([table.sort, *FIRST_COLUMNS])
    columns = [name for name in wanted if name in frame and frame[name].notna().any()]
    room = max(1, (console.width - len("layer  head")) // 11)
    _print_frame(console, frame.head(top), ["layer", "head", *columns[:room]])
    console.print(
        f"{min(top, len(frame))} of {len(frame)} heads, by {table.sort}; --csv has every column", style="dim"
    )


def print_comparison(console: Console, table: ComparisonTable | ModelTable, top: int) -> None:
    show = _print_models if isinstance(table, ModelTable) else _print_traces
    show(console, table, top)


def _print_traces(console: Console, models: ComparisonTable, top: int) -> None:
    comparison = models.comparison
    console.print(Text(quoted(models.input), style="bold"))
    for trace in (comparison.a, comparison.b):
        said = "" if trace.prediction is None else f"  says {trace.prediction}"
        console.print(Text(f"{trace.model}{said}"))
    aligned = len(comparison.alignment)
    console.print(
        f"{aligned} position{'s' * (aligned != 1)} aligned; heads by {_measure(comparison)}", style="dim"
    )
    if comparison.only_special:
        console.print("only special tokens are aligned: the distances carry little information on the models")
    names = ["layer", "head", "layer_b", "head_b", "distance", "entropy_a", "entropy_b"]
    _print_frame(console, comparison.most(top), names)


def _print_models(console: Console, models: ModelTable, top: int) -> None:
    comparison = models.comparison
    a, b = comparison.models
    console.print(Text(f"{a} beside {b}: the mean of {comparison.inputs} inputs", style="bold"))
    console.print(f"heads by {_measure(comparison)}; 95% intervals over the inputs", style="dim")
    if comparison.unaligned:
        console.print(Text(f"{comparison.unaligned} more could not be aligned; {comparison.reason}"))
    if comparison.only_special:
        console.print(f"of {comparison.only_special} inputs, only special tokens are aligned")
    frame = comparison.most(top)
    cells = {f"{name} (95%)": _with_interval(frame, name) for name in INTERVALS}
    _print_frame(console, frame.assign(**cells), ["layer", "head", "layer_b", "head_b", *cells])


def _measure(comparison: Comparison | ModelComparison) -> str:
    beside = "" if comparison.matched == "same" else ", each with its nearest head of the other model"
    return f"{comparison.metric} distance, 0 (the same) to 1{beside}"


def _with_interval(frame: pd.DataFrame, name: str) -> list[str]:
    """A statistic and its interval in one cell; of a single input there is none."""
    columns = (frame[column] for column in (name, f"{name}_low", f"{name}_high"))
    return [
        f"{mean:.3f}" if low != low else f"{mean:.3f} ({low:.3f}, {high:.3f})"
        for mean, low, high in zip(*columns)
    ]


def _print_frame(console: Console, frame: pd.DataFrame, names: list[str]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in frame[names].itertuples(index=False):
        cells = ("-" if x != x else f"{x:.3f}" if isinstance(x, float) else str(x) for x in row)
        table.add_row(*map(Text, cells))
    console.print(table)


def save(figure: Figure, path: Path) -> None:
    """One figure as PNG."""
    try:
        figure.savefig(path, dpi=160, format="png")
    except OSError as error:
        raise FileError(
            f"cannot write {path}: {error.strerror}; give a file in a folder that exists"
        ) from error
