"""What each head of a model does on a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import integer, one_of, position
from ..analysis import (
    COLUMNS,
    attention_by_class,
    attention_by_offset,
    head_distance,
    nearest_heads,
    token_pairs,
)
from ..circuits import head_effects
from ..errors import InputError
from ._data import source_of
from ._head_labels import head_labels, randomised_means
from ._probe import Probe, class_index
from ._rows import RunRows, inputs_at
from ._run import Progress, Run, run
from ._source import Columns, Row, Source
from ._summaries import ScoreSummary, TopRows, priorities

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis._class_means import TokenClasses
    from ..lens import Lens

WEIGHT = "weight"
"""The statistic of an input that `top_weights` returns: the head's largest weight on an ordinary key."""

SCORES = (*COLUMNS, WEIGHT)

RANKS = (0.05, 0.25, 0.5, 0.75, 0.95)

TOP, DRAWN, TENTHS = 10, 3, 10
"""Examples of a head: those with the largest scores, and so many of each tenth."""

RANDOMISED = 200
"""Inputs on which randomised models are measured."""


@dataclass(frozen=True, eq=False)
class HeadPages:
    """What each head does on a data set; each table is computed when it is first read.

    lens: the model; run: the probe of every input, with its table
    by: the score by which examples are chosen, one of `SCORES`
    sample: the number of inputs of tables that need the model again; effects: of those without heads
    token_classes: the classes of `classes`, by default those of `al.analysis.token_classes`

    Tables have a row per head, `layer` and `head`, or several.
    """

    lens: Lens
    run: Run
    source: Source = field(repr=False)
    by: str = WEIGHT
    sample: int = 2000
    effects: int = 500
    seed: int = 0
    token_classes: TokenClasses | None = None
    progress: bool = True
    _temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """How many inputs were measured."""
        return len(self.run)

    @cached_property
    def heads(self) -> pd.DataFrame:
        """`layer` and `head` of every head."""
        import pandas as pd

        pairs = [(layer, head) for layer, count in enumerate(self.run.heads) for head in range(count)]
        return pd.DataFrame(pairs, columns=["layer", "head"])

    # -- of all inputs ----------------------------------------------------------------------------------------------

    @cached_property
    def stats(self) -> pd.DataFrame:
        """The statistics of `al.head_stats` and `weight`, each with the 95% interval of its mean over the inputs
        (`entropy_low`, `entropy_high`), their standard deviation `entropy_std`, and the number of inputs that have it,
        `entropy_inputs`. `weight` is the largest weight of the head in an input, on an ordinary key."""
        import pandas as pd

        moments = self._summary.moments
        low, high = moments.interval()
        numbers = {
            "": moments.mean,
            "_low": low,
            "_high": high,
            "_std": moments.std,
            "_inputs": moments.count,
        }
        columns = {
            f"{name}{ending}": values[:, at]
            for at, name in enumerate(SCORES)
            for ending, values in numbers.items()
        }
        return self.heads.join(pd.DataFrame(columns))

    @cached_property
    def quantiles(self) -> pd.DataFrame:
        """Quantiles over the inputs: `layer`, `head`, `statistic`, and `0.05` to `0.95`.

        `frame.attrs["rank_error"]` is how far their ranks may be off, with a probability of 99%; of up to 400 inputs
        they are exact.
        """
        frame = self.heads.loc[self.heads.index.repeat(len(SCORES))].reset_index(drop=True)
        frame["statistic"] = list(SCORES) * len(self.heads)
        for rank, values in zip(RANKS, self._summary.quantiles(RANKS)):
            frame[str(rank)] = values.ravel()
        frame.attrs["rank_error"] = self._summary.rank_error
        return frame

    def examples(self, layer: int, head: int, *, by: str | None = None) -> pd.DataFrame:
        """Inputs that show what a head does: the 10 with the largest scores (`decile` "top"), and 3 drawn from each
        tenth of the inputs by score, "10" the largest.

        Columns `decile`, `score`, `key`, `input`, `label`, `prediction`, and `query` and `attended`, the positions of
        the token and of the key of the head's largest weight on an ordinary key.

        by: another score than that of these pages
        Raises InputError for a head that there is not, or an unknown score.
        """
        chosen = self.chosen(self.by if by is None else by)
        frame = chosen[chosen["number"] == self.number(layer, head)]
        return frame.drop(columns=["number", "place", "part"]).reset_index(drop=True)

    def chosen(self, by: str) -> pd.DataFrame:
        """The examples of all heads, with `number`, that of the head, and `place` and `part`, those of the input."""
        one_of("by", by, SCORES)
        if by not in self._chosen:
            self._chosen[by] = self._examples(SCORES.index(by))
        return self._chosen[by]

    def number(self, layer: int, head: int) -> int:
        """The number of a head among all. Raises InputError for one that there is not."""
        counts = self.run.heads
        layer = position("layer", layer, len(counts))
        return sum(counts[:layer]) + position("head", head, counts[layer])

    # -- of a sample ------------------------------------------------------------------------------------------------

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Which tokens each head connects, beside chance; see `al.analysis.token_pairs`. Empty for images."""
        return token_pairs(self.lens, self.inputs(), count=12)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """What each head attends to by class of token; see `al.analysis.attention_by_class`."""
        return attention_by_class(self.lens, self.inputs(), classes=self.token_classes)

    @cached_property
    def offsets(self) -> pd.DataFrame:
        """What each head attends to by relative position; see `al.analysis.attention_by_offset`."""
        return attention_by_offset(self.lens, self.inputs())

    @cached_property
    def distance(self) -> pd.DataFrame:
        """Distances between all heads; see `al.analysis.head_distance`. Raises InputError where layers differ in their
        queries and keys."""
        return head_distance(self.lens, self.inputs())

    @cached_property
    def labels(self) -> pd.DataFrame:
        """The pattern that each head follows on these data, if any.

        Columns `pattern` (a statistic of `al.head_stats`, "" for none), `score` (its mean over the inputs, a share of
        the head's attention), `low` and `high` (the interval of the mean, at 95% for all heads and patterns together,
        by Bonferroni), `limit`, and `also`, the other patterns that it follows. A head follows a pattern where `low`
        exceeds the limit, the largest mean of any head of 20 or more copies of the model with randomised parameters;
        of several patterns the first is farthest above its limit. `frame.attrs["randomised"]` is the share of heads
        above some limit in five more such copies.
        """
        inputs = list(self.inputs(self.sampled[:RANDOMISED]))
        means = randomised_means(self.lens, inputs, len(self.heads), self.seed)
        return head_labels(self.heads, self._summary.moments, *means)

    @cached_property
    def ablations(self) -> pd.DataFrame:
        """What switching each head off does to predictions, accuracy and loss; see `al.circuits.head_effects`."""
        return self._effects(None).drop(columns="heads")

    @cached_property
    def pair_ablations(self) -> pd.DataFrame:
        """Each head together with its nearest one, since two that stand in for each other look idle one by one.

        Columns `layer`, `head`, `layer_b`, `head_b` (the nearest), `distance`, those of `ablations` for both heads
        together, and `excess`: their divergence minus the sum of what each has alone. Raises InputError as `distance`.
        """
        import pandas as pd

        rows = []
        for layer, head in self.heads.itertuples(index=False):
            near = nearest_heads(self.distance, layer, head, count=1)
            rows += [(layer, head, *values) for values in near.itertuples(index=False)]
        frame = pd.DataFrame(rows, columns=["layer", "head", "layer_b", "head_b", "distance"])
        groups = [
            tuple(sorted([row[:2], row[2:4]])) for row in frame.astype(int).itertuples(index=False, name=None)
        ]
        if not groups:  # of a model with one head
            return frame
        once = list(dict.fromkeys(groups))
        effects = self._effects(once).drop(columns="heads").iloc[[once.index(group) for group in groups]]
        alone = self.ablations.set_index(["layer", "head"])["divergence"]
        singles = np.array([sum(alone[head] for head in group) for group in groups])
        frame = frame.join(effects.reset_index(drop=True))
        return frame.assign(excess=frame["divergence"] - singles)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per head with what is known of it: pattern, statistics, and what its absence does."""
        parts = [self.labels[["pattern"]], self.stats[[*SCORES]]]
        if self.predicts:
            changes = ["flips", "divergence", "accuracy_change", "loss_change"]
            parts.append(self.ablations[[name for name in changes if name in self.ablations]])
        return self.heads.join(parts)

    @property
    def predicts(self) -> bool:
        """Whether the model predicts classes or tokens, so that a head can be missed."""
        first = next(self.run.tables(["index"]))
        return self.effects > 0 and self.lens.activation != "none" and first["index"].null_count < len(first)

    def report(self, path: str | Path = "heads.html", *, title: str | None = None) -> Path:
        """Writes a page with a part for each head, one HTML file that opens anywhere; the same as `al.report`."""
        import attnlens

        return attnlens.report(self, path=path, title=title)

    # -- reading the run ----------------------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> RunRows:
        return RunRows(self.run)

    @cached_property
    def _chosen(self) -> dict[str, pd.DataFrame]:
        return {}

    def _scores(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterates over the parts: (places of the inputs, their `SCORES`, float64 `[input, head, score]`)."""
        start = 0
        for stats, weight in self._rows.lists("head_stats", "top_weight"):
            places = np.arange(start, start + len(stats))
            yield places, _scores_of(stats, weight, len(self.heads))
            start += len(stats)

    @cached_property
    def _summary(self) -> ScoreSummary:
        """The statistics of all inputs; one part is in memory at a time."""
        total = ScoreSummary((len(self.heads), len(SCORES)))
        for _, scores in self._scores():
            of_part = ScoreSummary(total.shape)
            of_part.add_all(scores)
            total.merge(of_part)
        return total

    def _examples(self, at: int) -> pd.DataFrame:
        heads = len(self.heads)
        edges = self._summary.quantiles([n / TENTHS for n in range(1, TENTHS)])[:, :, at]
        top, drawn = TopRows(TOP, heads), TopRows(DRAWN, TENTHS * heads)
        for places, scores in self._scores():
            scores = scores[:, :, at]
            top.add_all(places, scores)
            tenth = (scores[:, None] > edges).sum(1)  # [input, head]
            belongs = (tenth[:, None] == np.arange(TENTHS)[:, None]) & ~np.isnan(scores)[:, None]
            order = np.where(belongs, priorities(places, self.seed)[:, None, None], np.nan)
            drawn.add_all(places, order.reshape(len(places), -1))
        tenths = drawn.rows.reshape(DRAWN, TENTHS, heads).transpose(1, 0, 2)[::-1].reshape(-1, heads)
        names = ["top"] * TOP + [str(n) for n in range(TENTHS, 0, -1) for _ in range(DRAWN)]
        return self._described(np.concatenate([top.rows, tenths]), names, at)

    def _described(self, places: np.ndarray, deciles: list[str], at: int) -> pd.DataFrame:
        """What the run holds of examples; places: `[example, head]`, -1 for none."""
        import pandas as pd

        number, example = np.nonzero(places.T >= 0)
        place = places.T[number, example]
        each, where = np.unique(place, return_inverse=True)
        rows = self._rows.at(each)
        lists = [_stacked(rows[name]) for name in ("head_stats", "top_weight", "top_query", "top_key")]
        scores = _scores_of(*lists[:2], len(self.heads))[where, number, at] if len(each) else []
        frame = pd.DataFrame({"number": number, "place": place, "part": rows["part"].to_numpy()[where]})
        frame["decile"], frame["score"] = [deciles[n] for n in example.tolist()], scores
        for name in ("key", "input", "label", "prediction"):
            frame[name] = rows[name].to_numpy()[where]
        if lists[2].shape[1] == len(self.heads):
            frame["query"], frame["attended"] = lists[2][where, number], lists[3][where, number]
        return frame

    @cached_property
    def sampled(self) -> list[Row]:
        """The inputs of the sample, read again, in random order: the first of them are a sample, too."""
        drawn = TopRows(self.sample, 1)
        start = 0
        for size in self._rows.sizes.tolist():
            places = np.arange(start, start + size)
            drawn.add_all(places, priorities(places, self.seed)[:, None])
            start += size
        places = drawn.rows[drawn.rows >= 0]
        return self.read(self._rows.at(places, ["key"]))

    def read(self, frame: pd.DataFrame) -> list[Row]:
        """Rows of the data, read again; frame: with `key` and `part`."""
        return inputs_at(self.source, self.run.manifest["configuration"]["part_rows"], frame)

    def inputs(self, rows: Sequence[Row] | None = None) -> Iterator[Any]:
        """What the lens reads of rows of the data, by default of the sample, one after the other."""
        return (self.lens.prepare(row.opened) for row in (self.sampled if rows is None else rows))

    def _effects(self, groups: Sequence[Any] | None) -> pd.DataFrame:
        labels = [row.label for row in self.sampled]
        chosen = [n for n, label in enumerate(labels) if label is not None][: self.effects]
        labelled = len(chosen) > 1
        chosen = chosen if labelled else list(range(len(labels)))[: self.effects]
        count = len(self.heads) if groups is None else len(groups)
        with Progress(count, self.progress, "heads") as bar:
            return head_effects(
                self.lens,
                self.inputs([self.sampled[n] for n in chosen]),
                [class_index(self.lens, labels[n]) for n in chosen] if labelled else None,
                groups=groups,
                progress=lambda done, total: bar.advance(1),
            )

    def __repr__(self) -> str:
        lines = [
            f"HeadPages of {self.lens.name}: {len(self.heads)} heads in {len(self.run.heads)} layers, on "
            f"{len(self):,} inputs",
            "  pages.stats, pages.quantiles    statistics of each head, with intervals",
            "  pages.examples(layer, head)     the inputs with its largest weights, and some of each decile",
            "  pages.labels                    the pattern that it follows, beside randomised parameters",
            "  pages.pairs, pages.classes, pages.offsets   which tokens it connects, and what it attends to",
            "  pages.distance                  how differently heads attend",
            "  pages.ablations, pages.pair_ablations       what the model loses without it",
            "  pages.report('heads.html')      all of it as one page",
        ]
        return "\n".join(lines)


def _stacked(lists: pd.Series) -> np.ndarray:
    """`[row, number]` of lists that are equally long; None is an empty one."""
    rows = [() if numbers is None else numbers for numbers in lists]
    return np.array(rows).reshape(len(rows), len(rows[0]) if rows else 0)


def _scores_of(stats: np.ndarray, weight: np.ndarray, heads: int) -> np.ndarray:
    """Float64 `[input, head, score]` of the columns of a run, `[input, number]`."""
    stats = stats.reshape(len(stats), heads, len(COLUMNS))
    if weight.shape[1] != heads:  # layers within windows have none
        weight = np.full((len(stats), heads), np.nan)
    return np.concatenate([stats, weight[:, :, None]], -1)


def head_pages(
    lens: Lens,
    data: Any,
    out: str | Path | None = None,
    *,
    input: str | None = None,
    label: str | None = None,
    by: str | None = None,
    sample: int = 2000,
    effects: int = 500,
    seed: int = 0,
    classes: TokenClasses | None = None,
    **options: Any,
) -> HeadPages:
    """Measures what each head of a model does on a data set: an encoder, a decoder or a vision model.

    data: as for `corpus.run`; input, label: its columns with the inputs and, for the effects of heads on accuracy and
        loss, their true classes
    out: the directory of the run, from which one that was killed goes on; a temporary one by default
    by: the score by which examples of a head are chosen, one of `al.analysis.COLUMNS` or "weight", the largest weight
        on an ordinary key, which is the default where the layers have one ("max_weight" within windows)
    sample: how many inputs, drawn by the seed, the tables are computed on that need the model again: pairs of tokens,
        classes, positions and distances
    effects: on how many of these each head is switched off; 0 for none
    classes: from the tokens of an input to the class of each, such as a part-of-speech tagger, as for
        `al.analysis.attention_by_class`
    options: those of `corpus.run`

    Raises InputError for what `corpus.run` refuses, and for a model whose attention cannot be recorded.

    >>> pages = al.head_pages(lens, "reviews.parquet", input="sentence", label="label")
    >>> pages.table.sort_values("loss_change")
    """
    sample, effects = integer("sample", sample, least=2), integer("effects", effects, least=0)
    seed = integer("seed", seed, least=0)
    one_of("by", by or WEIGHT, SCORES)
    temporary = tempfile.TemporaryDirectory(prefix="attnlens-heads-") if out is None else None
    out = temporary.name if temporary is not None else out
    probe = Probe(head_stats=True, top_weights=True)
    made = run(lens, data, out, probe, input=input, label=label, **options)
    if not len(made):
        raise InputError(
            f"no input could be used; {len(made.errors)} have a reason in {made.folder / 'errors'}"
        )
    columns = made.manifest["configuration"]["columns"]
    source = source_of(data, Columns(**{**columns, "more": tuple(columns["more"])}))
    first = next(made.tables(["top_weight"]))
    known = first["top_weight"].null_count < len(first)
    score = by or (WEIGHT if known else "max_weight")
    progress = options.get("progress", True)
    return HeadPages(lens, made, source, score, sample, effects, seed, classes, progress, temporary)
