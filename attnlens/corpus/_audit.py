"""An audit of a text classifier on a data set: where it errs, and what it goes by."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import integer
from ..analysis import COLUMNS
from ..errors import InputError
from ..evaluation import faithfulness
from ._duplicates import near_duplicates
from ._intervals import corrected, resampled_means, share_interval, welch
from ._probe import Probe
from ._run import Run, run
from ._slices import Slice, in_slice, slices_of
from ._words import shortcut_table, word_table

if TYPE_CHECKING:
    import pandas as pd

    from ..lens import TextLens

TOLERANCE = 0.05
"""Of the attributions of an audit."""

BINS = 10
"""Bins of the calibration."""

METHODS = ("integrated_gradients", "gradient_x_input", "gradient", "relevance", "rollout", "leave_one_out")
"""Methods whose faithfulness is compared."""

RANDOM = 5
"""Random orders beside them, per input."""


@dataclass(frozen=True, eq=False)
class Audit:
    """The audit of a classifier on a data set; each table is computed when it is first read.

    lens: the classifier; run: the probe of every input, with its table
    more_slices: functions of a text by name, or columns; see `by_slice`
    """

    lens: TextLens
    run: Run
    more_slices: Mapping[str, Slice] | tuple[str, ...] = ()
    _temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """How many inputs with a label were audited."""
        return len(self.table)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per input with a label: key, input, label, prediction, probability, loss, margin, correct, ..."""
        table = self.run.to_pandas([name for name in self._names if name not in ("logits", "head_stats")])
        return table[table["correct"].notna()].reset_index(drop=True)

    @property
    def _names(self) -> list[str]:
        import pyarrow.parquet as pq

        return pq.read_schema(next((self.run.folder / "parts").glob("*.parquet"))).names

    # -- how right it is ------------------------------------------------------------------------------------------

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """(share of right predictions, and its 95 % interval by Wilson)."""
        correct = self.table["correct"].astype(bool)
        return (float(correct.mean()), *share_interval(int(correct.sum()), len(correct)))

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """How many inputs of each true class (rows) have each prediction (columns)."""
        import pandas as pd

        names = [self._name(index) for index in range(self._classes)]
        counts = np.zeros((len(names), len(names)), dtype=int)
        np.add.at(counts, (self.table["label_index"].astype(int), self.table["index"].astype(int)), 1)
        return pd.DataFrame(counts, pd.Index(names, name="label"), pd.Index(names, name="prediction"))

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """Confidence beside accuracy in ten bins: `low`, `high`, `inputs`, `confidence`, `accuracy` with its 95 %
        interval (`accuracy_low`, `accuracy_high`).

        `frame.attrs["ece"]` is the expected calibration error, their distance weighted by inputs (Naeini et al. 2015).
        """
        import pandas as pd

        confidence, correct = self.table["probability"].to_numpy(), self.table["correct"].to_numpy(bool)
        which = np.minimum((confidence * BINS).astype(int), BINS - 1)
        rows = []
        for number in range(BINS):
            here = which == number
            if here.any():
                interval = share_interval(int(correct[here].sum()), int(here.sum()))
                means = float(confidence[here].mean()), float(correct[here].mean())
                rows.append((number / BINS, (number + 1) / BINS, int(here.sum()), *means, *interval))
        names = ["low", "high", "inputs", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
        frame = pd.DataFrame(rows, columns=names)
        apart = (frame["confidence"] - frame["accuracy"]).abs()
        frame.attrs["ece"] = float((apart * frame["inputs"]).sum() / frame["inputs"].sum())
        return frame

    @cached_property
    def errors(self) -> pd.DataFrame:
        """The wrong predictions, the most confident first."""
        wrong = self.table[~self.table["correct"].astype(bool)]
        names = ["key", "input", "label", "prediction", "probability", "loss", "margin"]
        return wrong.sort_values("probability", ascending=False, kind="stable")[names].reset_index(drop=True)

    # -- what it goes by ------------------------------------------------------------------------------------------

    @cached_property
    def words(self) -> pd.DataFrame:
        """What each word contributes to each predicted class; see `word_table`."""
        return word_table(self.table)

    @cached_property
    def shortcuts(self) -> pd.DataFrame:
        """Words that alone decide predictions, checked by removing and by inserting them; see `shortcut_table`."""
        return shortcut_table(self.lens, self.table, self.words)

    @cached_property
    def by_slice(self) -> pd.DataFrame:
        """Accuracy on slices of the data, the worst first: `slice`, `inputs`, `accuracy` with its 95 % interval, `rest`
        (accuracy on all other inputs), `difference`, and `p`, that of Fisher's exact test, corrected for the number of
        slices by Benjamini and Hochberg (1995)."""
        import pandas as pd
        from scipy.stats import fisher_exact

        correct, rows = self.table["correct"].to_numpy(bool), []
        for name, belongs in slices_of(self.more_slices, self.table, self.lens).items():
            here = in_slice(belongs, self.table)
            inside, outside = correct[here], correct[~here]
            if len(inside) and len(outside):
                counts = [[int(part.sum()), int((~part).sum())] for part in (inside, outside)]
                interval = share_interval(int(inside.sum()), len(inside))
                rows.append(
                    (name, len(inside), inside.mean(), *interval, outside.mean(), fisher_exact(counts).pvalue)
                )
        names = ["slice", "inputs", "accuracy", "accuracy_low", "accuracy_high", "rest", "p"]
        frame = pd.DataFrame(rows, columns=names)
        frame.insert(6, "difference", frame["accuracy"] - frame["rest"])
        frame["p"] = corrected(frame["p"])
        return frame.sort_values("difference", kind="stable", ignore_index=True)

    @cached_property
    def heads(self) -> pd.DataFrame:
        """Heads whose statistics differ most between right and wrong predictions: `layer`, `head`, `statistic`, `hits`
        and `errors` (means), `effect` (their difference in standard deviations, Cohen's d), and `p`, that of Welch's
        test, corrected for all heads and statistics by Benjamini and Hochberg (1995). The largest effects first."""
        import pandas as pd

        if not self.run.heads:
            raise InputError("this audit has no statistics of heads; make one with head_stats=True")
        found = self.run.to_pandas(["correct", "head_stats"])
        found = found[found["correct"].notna()]
        numbers = np.stack(found["head_stats"].to_numpy()).astype(float)
        correct = found["correct"].to_numpy(bool)
        if correct.all() or not correct.any():
            raise InputError(
                "heads are compared between right and wrong predictions, and all of these are of one kind"
            )
        hits, errors, effect, p = welch(numbers[correct], numbers[~correct])
        index = [
            (layer, head, name)
            for layer, count in enumerate(self.run.heads)
            for head in range(count)
            for name in COLUMNS
        ]
        frame = pd.DataFrame(index, columns=["layer", "head", "statistic"])
        frame = frame.assign(hits=hits, errors=errors, effect=effect, p=corrected(p))
        order = frame["effect"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order].dropna(subset="effect").reset_index(drop=True)

    # -- whether the data and the explanations are to be trusted --------------------------------------------------

    @cached_property
    def label_noise(self) -> pd.DataFrame:
        """Inputs whose label is probably wrong, the surest first: key, input, label, prediction, probability, `margin`
        (logit of the label minus the largest other one).

        Source: confident learning, Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset
        Labels": the label is not the most probable of the classes whose probability reaches their threshold, the mean
        probability of a class over the inputs that have it as their label. Of a model that was trained on these very
        inputs, it says little.
        """
        table = self.run.to_pandas(["key", "logits"]).set_index("key").loc[self.table["key"]]
        if table["logits"].isna().any():
            raise InputError(
                "label noise needs the probabilities of all classes, and there are too many to keep them"
            )
        logits = np.stack(table["logits"].to_numpy()).astype(float)
        chances = np.exp(logits - logits.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        labels = self.table["label_index"].to_numpy(int)
        means = [
            chances[labels == index, index].mean() if (labels == index).any() else np.inf
            for index in range(chances.shape[1])
        ]
        confident = np.where(chances >= np.array(means), chances, -np.inf)
        noisy = (confident.argmax(1) != labels) & (confident.max(1) > -np.inf)
        names = ["key", "input", "label", "prediction", "probability", "margin"]
        return self.table.loc[noisy, names].sort_values("margin", kind="stable").reset_index(drop=True)

    @cached_property
    def duplicates(self) -> pd.DataFrame:
        """Pairs of nearly equal texts, the most alike first; see `near_duplicates`. `same_label` is False where they
        contradict each other."""
        pairs = near_duplicates(self.table["input"].tolist())
        columns = {}
        for side, place in (("a", pairs["a"]), ("b", pairs["b"])):
            for name in ("key", "input", "label"):
                columns[f"{name}_{side}"] = self.table[name].to_numpy()[place]
        return pairs[["similarity"]].assign(**columns, same_label=columns["label_a"] == columns["label_b"])

    def faithfulness(self, methods: Iterable[str] = METHODS, count: int = 30, seed: int = 0) -> pd.DataFrame:
        """How faithful attribution methods are on these data, beside random orders: a row per method, the most faithful
        first, with the means of `al.faithfulness` over `count` inputs drawn by the seed.

        `gain` is how much farther the area under the deletion curve is below that of random orders, with the 95 %
        interval of its mean over the inputs (`gain_low`, `gain_high`): a method whose interval holds 0 ranks words no
        better than chance.
        """
        import pandas as pd

        count = integer("count", count, least=2)
        chosen = np.random.default_rng(seed).permutation(len(self.table))[:count]
        count = len(chosen)
        texts = [self.table["input"][int(at)] for at in chosen]
        methods = list(methods)
        found = [one for method in methods for one in self.lens.attribute(texts, method=method, level="word")]
        scores = faithfulness(self.lens, found, n_random=RANDOM, seed=seed)
        scores["gain"] = scores["deletion_random"] - scores["deletion"]
        rows = []
        for number, method in enumerate(methods):
            of_method = scores.iloc[number * count : (number + 1) * count]
            means = of_method[
                ["comprehensiveness", "sufficiency", "insertion", "deletion", "deletion_random", "gain"]
            ].mean()
            low, high = resampled_means(of_method["gain"].to_numpy())
            rows.append({"method": method, **means, "gain_low": low, "gain_high": high})
        return pd.DataFrame(rows).sort_values("gain", ascending=False, kind="stable", ignore_index=True)

    def report(self, path: str | Path = "audit.html", *, title: str | None = None) -> Path:
        """Writes the audit's page, one HTML file that opens anywhere and loads nothing; the same as `al.report`."""
        import attnlens

        return attnlens.report(self, path=path, title=title)

    # -- what it says ---------------------------------------------------------------------------------------------

    @property
    def _classes(self) -> int:
        largest = int(self.table[["label_index", "index"]].to_numpy().max()) + 1
        return max(largest, len(self.lens.labels))

    def _name(self, index: int) -> str:
        return self.lens.labels[index] if index < len(self.lens.labels) else str(index)

    def __repr__(self) -> str:
        share, low, high = self.accuracy
        lines = [
            f"Audit of {self.lens.name} on {len(self):,} inputs: {share:.1%} right (95 %: {low:.1%} to {high:.1%})",
            "  audit.confusion, audit.calibration, audit.errors (the most confident first)",
            "  audit.words, audit.shortcuts    what it goes by, and whether that alone decides",
            "  audit.by_slice, audit.heads     where it errs more, and what heads do differently there",
            "  audit.label_noise, audit.duplicates, audit.faithfulness()    whether labels and explanations hold",
            "  audit.report('audit.html')      all of it as one page",
        ]
        return "\n".join(lines)


def audit(
    lens: TextLens,
    data: Any,
    out: str | Path | None = None,
    *,
    text: str = "text",
    label: str = "label",
    slices: Mapping[str, Slice] | Iterable[str] = (),
    tolerance: float = TOLERANCE,
    head_stats: bool = True,
    **options: Any,
) -> Audit:
    """Audits a text classifier on labelled data: where it errs, and what it goes by.

    data: as for `corpus.run`; text, label: its columns with the texts and their true classes
    out: the directory of the run, from which an audit that was killed goes on; a temporary one by default
    slices: functions of a text by name, each True for the texts of a slice, or names of columns, whose every value is
        a slice; beside negation, contrast, length, questions, numbers and unknown words
    tolerance: of the integrated gradients; head_stats: whether statistics of heads are computed
    options: those of `corpus.run`

    Raises InputError for a lens of images, a model without classes, and data without labels.

    >>> audit(lens, "reviews.parquet", text="sentence").by_slice
    """
    if not hasattr(lens, "tokenizer") or lens.task != "sequence" or lens.activation == "none":
        raise InputError("audit() takes a text classifier, a lens of a model …ForSequenceClassification")
    if options.get("pair") is not None:
        raise InputError("an audit takes one text per input, from which words are removed; omit pair=")
    columns = () if isinstance(slices, Mapping) else (slices,) if isinstance(slices, str) else tuple(slices)
    probe = Probe("integrated_gradients", {"tolerance": tolerance, "level": "word"}, head_stats=head_stats)
    temporary = tempfile.TemporaryDirectory(prefix="attnlens-audit-") if out is None else None
    out = temporary.name if temporary is not None else out
    made = run(lens, data, out, probe, input=text, label=label, columns=columns, **options)
    found = Audit(lens, made, dict(slices) if isinstance(slices, Mapping) else columns, temporary)
    if not len(found):
        raise InputError(
            f"none of the {len(made)} inputs has a label; label= names the column with the true classes"
        )
    return found
