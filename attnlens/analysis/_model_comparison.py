"""Two models, or two checkpoints of one, over many inputs: every head's distance and change with their intervals.

Each input is compared by itself, as a pair of traces is; what is reported are means over the inputs. Only running
moments are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import tee, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .. import _checks
from ..data._trace import Trace
from ..errors import InputError
from ._alignment import Side, aligned, side_of
from ._head_pairs import all_heads, is_same, nearest_of, pair_columns, same_heads
from ._head_stats import trace_columns
from ._many import ModelWithInputs
from ._moments import RunningMoments

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ModelComparison:
    """Two models, or two checkpoints of one, over the same inputs, head by head.

    Each number is the mean over the inputs of what `compare` returns for the two traces of one input, so that a long
    input counts as much as a short one (`head_distance` averages over queries instead). Intervals are 95% intervals
    of that mean by Student's t; they state how far the mean depends on which inputs were drawn, each for its head
    alone. A distance is never negative, so its interval says how far heads differ, not whether they do.

    models: names of a and b
    inputs: how many inputs were compared
    unaligned: how many were not, since none of their tokens could be aligned; reason: of the first of them, or ""
    only_special: of how many of those compared only special tokens are aligned, so that they carry little information
    matched: "same" where heads are paired by number; "nearest" where each head of a is paired with the head of b of
        the smallest mean distance, one pairing for all inputs. As the same inputs choose the pairing and measure it,
        these distances are slightly too small.
    heads: DataFrame, a row per head of a: layer, head, layer_b, head_b; distance with distance_low and distance_high;
        inputs, those that have a distance; entropy_a and entropy_b, as of a `Comparison`; and entropy_change, b minus
        a on the inputs that have both, with entropy_change_low and entropy_change_high
    metric: the measure of `distance`: "hellinger" or "jensen_shannon"
    left_out: layers that do not attend from token to token, each as "a: path (kind)"
    """

    models: tuple[str, str]
    inputs: int
    unaligned: int
    reason: str
    only_special: int
    matched: str
    heads: pd.DataFrame
    metric: str
    left_out: tuple[str, ...]
    _stats: pd.DataFrame | None = None

    def most(self, count: int = 5) -> pd.DataFrame:
        """The heads that differ most, the largest mean distance first; at most `count` of them."""
        count = _checks.integer("count", count, least=1)
        known = self.heads.dropna(subset="distance")
        return known.sort_values("distance", ascending=False, kind="stable").head(count)

    @property
    def stats(self) -> pd.DataFrame:
        """Which statistics of `head_stats` changed: a row per layer, head (of a) and statistic, largest effects first.

        `a` and `b`, the means over the `inputs` for which the statistic is defined in both; `change`, b minus a, with
        its 95% interval `change_low` and `change_high`, paired by input; `effect`, the change in standard deviations
        of the statistic over inputs (Cohen's d, the variances of a and b averaged); and `p` of the paired t-test,
        corrected for all rows by Benjamini and Hochberg (1995). All tokens count, also those that are not aligned.

        Raises InputError where heads are not paired one to one.
        """
        if self._stats is None:
            raise InputError(
                "statistics are compared where heads are paired one to one, and these models have different numbers "
                "of layers or heads; make a table of each: head_stats(lens, texts)"
            )
        return self._stats

    def __repr__(self) -> str:
        return "\n".join([*_summary(self), *(_HELP if self.matched == "same" else _HELP[:-1])])


_HELP = (
    "  comparison.heads      DataFrame, a row per head of a: distance, entropies, their change, intervals",
    "  comparison.most(5)    the heads that differ most",
    "  comparison.stats      DataFrame, which statistics of which heads changed",
)


def _summary(comparison: ModelComparison) -> list[str]:
    a, b = comparison.models
    heads, distance = comparison.heads, comparison.heads["distance"]
    beside = "the same of b" if comparison.matched == "same" else "the nearest of b"
    lines = [
        f"ModelComparison of {a} (a) with {b} (b) over {comparison.inputs} input{'s' * (comparison.inputs != 1)}",
        f"  {len(heads)} head{'s' * (len(heads) != 1)} of a beside {beside}, mean {comparison.metric} distance "
        f"{distance.min():.3g} to {distance.max():.3g}",
    ]
    if comparison.unaligned:
        lines.append(f"  {comparison.unaligned} more could not be aligned; {comparison.reason}")
    if comparison.only_special:
        lines.append(f"  of {comparison.only_special}, only special tokens are aligned")
    if comparison.left_out:
        lines.append(f"  left out, not from tokens to tokens: {', '.join(comparison.left_out)}")
    return lines


# -- the inputs -------------------------------------------------------------------------------------------------


def of_lenses(
    a: ModelWithInputs, b: ModelWithInputs, inputs: Any, metric: str, batch_size: int | None
) -> ModelComparison:
    """Two lenses on the same inputs, which are read once."""
    if inputs is None:
        raise InputError("two lenses need inputs: compare(before, after, texts)")
    options = {} if batch_size is None else {"batch_size": batch_size}
    a.traces(inputs, **options)  # reads nothing yet, but refuses a single text, a table or a wrong batch size
    first, second = tee(inputs)
    return of_traces(a.traces(first, **options), b.traces(second, **options), metric)


def of_traces(a: Iterable[Trace], b: Iterable[Trace], metric: str) -> ModelComparison:
    """Traces of the same inputs, pair by pair."""
    if a is b and isinstance(a, Iterator):
        raise InputError("a and b are one iterator, which can be read only once: create one for each side")
    running = None
    for number, traces in enumerate(_pairs(a, b)):
        sides = tuple(side_of(trace, name) for trace, name in zip(traces, "ab"))
        running = running or RunningComparison(*traces, *sides, metric)
        running.add(number, *traces, *sides)
    if running is None:
        raise InputError(
            "compare() received no trace and no input; an iterator can be read only once: create a new one"
        )
    return running.comparison()


def _pairs(a: Iterable[Trace], b: Iterable[Trace]) -> Iterator[tuple[Trace, Trace]]:
    missing = object()
    for number, pair in enumerate(zip_longest(a, b, fillvalue=missing)):
        for name, trace in zip("ab", pair):
            if trace is missing:
                raise InputError(
                    f"{name} has {number} trace{'s' * (number != 1)} and the other side has more; pass traces of the "
                    "same inputs, in the same order"
                )
            if not isinstance(trace, Trace):
                raise InputError(
                    f"compare() takes traces, but input {number} of {name} is {type(trace).__name__}; of texts: "
                    "compare(before, after, texts) with two lenses"
                )
        yield pair


# -- sums over inputs ---------------------------------------------------------------------------------------------


class RunningComparison:
    """What a `ModelComparison` reports of the inputs that were added.

    a, b, side_a, side_b: of the first input; all others must have its heads
    """

    def __init__(self, a: Trace, b: Trace, side_a: Side, side_b: Side, metric: str):
        self.metric = metric
        self.models = (a.model or "a model", b.model or "a model")
        self.heads = (side_a.heads, side_b.heads)
        self.left_out = side_a.left_out + side_b.left_out
        self.same = is_same(side_a, side_b)
        self.inputs = self.unaligned = self.only_special = 0
        self.reason = ""
        sizes = tuple(map(len, self.heads))
        pairs = sizes[:1] if self.same else sizes
        self._distance, self._change = RunningMoments(pairs), RunningMoments(pairs)
        self._entropies = tuple(RunningMoments(size) for size in sizes)
        self._stats: dict[str, RunningMoments] = {}

    def add(self, number: int, a: Trace, b: Trace, side_a: Side, side_b: Side) -> None:
        """Adds one input; number: its position, for messages."""
        for name, side, heads in zip("ab", (side_a, side_b), self.heads):
            _require_heads(f"input {number} of {name}", side.heads, heads)
        try:
            alignment = aligned(side_a, side_b)
        except InputError as error:
            self.unaligned += 1
            self.reason = self.reason or f"input {number}: {error}"
            return
        self.inputs += 1
        self.only_special += bool(side_a.tokens) and all(side_a.tokens[i].special for i, _ in alignment)
        measure = same_heads if self.same else all_heads
        distance, *entropies = (part.numpy() for part in measure(side_a, side_b, alignment, self.metric))
        before, after = entropies
        self._distance.add(distance)
        self._change.add(after - (before if self.same else before[:, None]))
        for moments, entropy in zip(self._entropies, entropies):
            moments.add(entropy)
        if self.same:
            self._add_stats(trace_columns(a, side_a.numbers), trace_columns(b, side_b.numbers))

    def _add_stats(self, a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
        """Adds a, b and b minus a of each statistic, where both have it."""
        for name in a:
            if name in b:
                change = b[name] - a[name]
                both = ~np.isnan(change)
                rows = np.stack([np.where(both, a[name], np.nan), np.where(both, b[name], np.nan), change])
                self._stats.setdefault(name, RunningMoments(rows.shape)).add(rows)

    def comparison(self) -> ModelComparison:
        """Raises InputError where no input could be aligned."""
        if not self.inputs:
            raise InputError(f"none of {self.unaligned} inputs could be aligned; {self.reason}")
        return ModelComparison(
            self.models, self.inputs, self.unaligned, self.reason, self.only_special,
            "same" if self.same else "nearest", self._heads_table(), self.metric, self.left_out,
            self._stats_table() if self.same else None,
        )  # fmt: skip

    def _heads_table(self) -> pd.DataFrame:
        import pandas as pd

        names_a, names_b = self.heads
        rows = beside = np.arange(len(names_a))
        if not self.same:
            beside = nearest_of(torch.from_numpy(self._distance.mean)).numpy()
        pairs = rows if self.same else (rows, beside)
        before, after = self._entropies
        columns = {
            **pair_columns(names_a, [names_b[n] for n in beside]),
            **_with_interval("distance", self._distance, pairs),
            "inputs": self._distance.count[pairs],
            "entropy_a": before.mean,
            "entropy_b": after.mean[beside],
            **_with_interval("entropy_change", self._change, pairs),
        }
        frame = pd.DataFrame(columns)
        frame["distance_low"] = frame["distance_low"].clip(lower=0)
        return frame

    def _stats_table(self) -> pd.DataFrame:
        import pandas as pd

        parts = []
        for name, moments in self._stats.items():
            (layers, heads), (before, after, change) = zip(*self.heads[0]), moments.mean
            low, high = (bound[2] for bound in moments.interval())
            columns = {
                "layer": layers, "head": heads, "statistic": name, "inputs": moments.count[2],
                "a": before, "b": after, "change": change, "change_low": low, "change_high": high,
                "effect": _effect(moments), "p": _paired_p(moments),
            }  # fmt: skip
            parts.append(pd.DataFrame(columns))
        frame = pd.concat(parts, ignore_index=True).query("inputs > 0")
        order = frame["effect"].abs().sort_values(ascending=False, kind="stable").index
        frame = frame.loc[order].reset_index(drop=True)
        return frame.assign(p=_corrected(frame["p"].to_numpy(copy=True)))


def _require_heads(which: str, heads: list[tuple[int, int]], first: list[tuple[int, int]]) -> None:
    if heads != first:
        sizes = [f"{len(dict(names))} layers with {len(names)} heads" for names in (heads, first)]
        raise InputError(
            f"{which} has {sizes[0]} to compare, the first input has {sizes[1]}; give traces of one model on each side"
        )


def _with_interval(name: str, moments: RunningMoments, pairs: Any) -> dict[str, np.ndarray]:
    low, high = moments.interval()
    return {name: moments.mean[pairs], f"{name}_low": low[pairs], f"{name}_high": high[pairs]}


def _effect(moments: RunningMoments) -> np.ndarray:
    """Changes in standard deviations; moments: of a, b and b minus a. 0 for no change, NaN for a single input."""
    before, after, _ = moments.std**2
    change = moments.mean[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(change == 0, 0.0 * before, change / np.sqrt((before + after) / 2))


def _paired_p(moments: RunningMoments) -> np.ndarray:
    """P of the paired t-test; 1 where no input changed. moments: of a, b and b minus a"""
    from scipy.stats import t

    count, change, std = moments.count[2], moments.mean[2], moments.std[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * t.sf(abs(change) / (std / np.sqrt(count)), count - 1)
    return np.where((change == 0) & (std == 0), 1.0, p)


def _corrected(p: np.ndarray) -> np.ndarray:
    """P values corrected for their number by Benjamini and Hochberg; NaN, of a single input, does not count."""
    from scipy.stats import false_discovery_control

    known = ~np.isnan(p)
    p[known] = false_discovery_control(p[known])
    return p
