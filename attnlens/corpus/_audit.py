"""An audit of a classifier on a data set: where it errs, and what it goes by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import integer
from ..analysis import COLUMNS
from ..analysis._moments import RunningMoments
from ..errors import FileError, InputError
from ..evaluation import faithfulness
from ..models import _image_inputs
from . import _maps
from ._audit_rows import MOST, AuditRows
from ._data import source_of
from ._duplicates import near_duplicates, picture_pairs, text_pairs
from ._intervals import calibration_table, corrected, resampled_means, share_interval, welch
from ._label_noise import noisy_places
from ._picture_probe import difference_hash
from ._probe import Probe
from ._rows import inputs_at
from ._run import Run, run
from ._slices import Slice, members, slices_of
from ._source import Columns, Row, Source
from ._words import WordCounts, shortcut_table, word_table

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from ..attribution import Attribution
    from ..lens import Lens

TOLERANCE = 0.05
"""Of the attributions of an audit."""

METHODS = ("integrated_gradients", "gradient_x_input", "gradient", "relevance", "rollout")
"""Methods whose faithfulness is compared, of texts and of pictures."""

TEXT_METHODS, IMAGE_METHODS = (*METHODS, "leave_one_out"), (*METHODS, "grad_cam")

RANDOM = 5
"""Random orders beside them, per input."""


@dataclass(frozen=True, eq=False)
class Audit:
    """The audit of a classifier on a data set; each table is computed when it is first read, part by part.

    In memory are a few numbers of each input, not the inputs themselves: tables of inputs hold at most 10,000, those
    that matter most. The whole table is `to_pandas()`.

    lens: the classifier; run: the probe of every input, with its table
    source: where pictures are read again when they are shown
    more_slices: functions of a text or a picture by name, or columns; see `by_slice`
    """

    lens: Lens
    run: Run
    source: Source | None = None
    more_slices: Mapping[str, Slice] | tuple[str, ...] = ()
    _temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """How many inputs with a label were audited."""
        return len(self.rows)

    @cached_property
    def rows(self) -> AuditRows:
        """The inputs with a label: what all tables are computed from."""
        return AuditRows(self.run)

    @property
    def name(self) -> str:
        """The name of the model that was audited."""
        return self.run.manifest["configuration"]["model"]["name"]

    @property
    def reads_pictures(self) -> bool:
        """Whether the inputs are pictures, not texts."""
        return not hasattr(self.lens, "tokenizer")

    def to_pandas(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """A row per input with a label: key, input, label, prediction, probability, loss, margin, correct, ...; some
        columns of it, or all. It is in memory as a whole."""
        import pyarrow as pa

        return pa.concat_tables(self.rows.tables(columns)).to_pandas()

    # -- how right it is ------------------------------------------------------------------------------------------

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """(share of right predictions, and its 95% interval by Wilson)."""
        correct = self.rows.correct
        return (float(correct.mean()), *share_interval(int(correct.sum()), len(correct)))

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """How many inputs of each true class (rows) have each prediction (columns)."""
        import pandas as pd

        names = self.classes
        counts = np.zeros((len(names), len(names)), dtype=int)
        np.add.at(counts, (self.rows.label, self.rows.index), 1)
        return pd.DataFrame(counts, pd.Index(names, name="label"), pd.Index(names, name="prediction"))

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """Confidence beside accuracy in ten bins: `low`, `high`, `inputs`, `confidence`, `accuracy` with its 95%
        interval (`accuracy_low`, `accuracy_high`).

        `frame.attrs["ece"]` is the expected calibration error, their distance weighted by inputs (Naeini et al. 2015).
        """
        return calibration_table(self.rows.probability, self.rows.correct)

    @property
    def wrong(self) -> int:
        """How many predictions are wrong."""
        return int((~self.rows.correct).sum())

    @cached_property
    def wrong_places(self) -> np.ndarray:
        """The places in `rows` of `errors`."""
        places = np.flatnonzero(~self.rows.correct)
        return places[np.argsort(-self.rows.probability[places], kind="stable")[:MOST]]

    @cached_property
    def errors(self) -> pd.DataFrame:
        """The wrong predictions, the most confident first, at most 10,000; `wrong` is how many there are."""
        names = ["key", "input", "label", "prediction", "probability", "loss", "margin"]
        return self.rows.at(self.wrong_places, names)[names]

    # -- what it goes by ------------------------------------------------------------------------------------------

    @cached_property
    def words(self) -> pd.DataFrame:
        """What each word contributes to each predicted class; see `word_table`. Raises InputError for pictures."""
        self._need_texts("words")
        shares = np.bincount(self.rows.index, minlength=len(self.classes)) / len(self)
        return word_table(self.rows, self._counts, shares, self.classes)

    @cached_property
    def shortcuts(self) -> pd.DataFrame:
        """Words that alone decide predictions, checked by removing and by inserting them; see `shortcut_table`."""
        self._need_texts("shortcuts")
        return shortcut_table(self.lens, self.rows, self._counts, self.words, self.classes)

    @cached_property
    def _counts(self) -> WordCounts:
        return WordCounts(self.rows)

    @cached_property
    def maps(self) -> pd.DataFrame:
        """Where attribution and attention lie on average, by predicted class; see `map_table`. Raises InputError for
        texts."""
        self._need_pictures("maps")
        return _maps.map_table(self.rows, self.classes)

    @cached_property
    def localization(self) -> pd.DataFrame:
        """Whether attribution and attention lie on the object; see `localization_table`.

        Raises InputError for texts, and without masks.
        """
        self._need_pictures("localization")
        if not self.has_masks:
            raise InputError(
                "this audit has no masks of the objects; make one with mask=, the column with them"
            )
        return _maps.localization_table(self.rows)

    @property
    def has_masks(self) -> bool:
        """Whether the data say where the objects of pictures are."""
        return bool(self._probe.get("masks"))

    @cached_property
    def by_slice(self) -> pd.DataFrame:
        """Accuracy on slices of the data, the worst first: `slice`, `inputs`, `accuracy` with its 95% interval, `rest`
        (accuracy on all other inputs), `difference`, and `p`, that of Fisher's exact test, corrected for the number of
        slices by Benjamini and Hochberg (1995)."""
        import pandas as pd
        from scipy.stats import fisher_exact

        correct, rows = self.rows.correct, []
        for name, here in self.slices.items():
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
    def slices(self) -> dict[str, np.ndarray]:
        """bool `[row]` of each slice, whether an input belongs to it."""
        chosen = slices_of(self.more_slices, self.rows, self.lens)
        return members(chosen, self.rows, self.inputs)

    @cached_property
    def heads(self) -> pd.DataFrame:
        """Heads whose statistics differ most between right and wrong predictions: `layer`, `head`, `statistic`, `hits`
        and `errors` (means), `effect` (their difference in standard deviations, Cohen's d), and `p`, that of Welch's
        test, corrected for all heads and statistics by Benjamini and Hochberg (1995). The largest effects first."""
        import pandas as pd

        if not self.run.heads:
            raise InputError("this audit has no statistics of heads; make one with head_stats=True")
        if self.wrong in (0, len(self)):
            raise InputError(
                "heads are compared between right and wrong predictions, and all of these are of one kind"
            )
        index = [
            (layer, head, name)
            for layer, count in enumerate(self.run.heads)
            for head in range(count)
            for name in COLUMNS
        ]
        sides, start = (RunningMoments(len(index)), RunningMoments(len(index))), 0
        for (numbers,) in self.rows.lists("head_stats"):
            correct = self.rows.correct[start : start + len(numbers)]
            start += len(numbers)
            for side, which in zip(sides, (correct, ~correct)):
                side.add_all(numbers[which])
        hits, errors, effect, p = welch(*sides)
        frame = pd.DataFrame(index, columns=["layer", "head", "statistic"])
        frame = frame.assign(hits=hits, errors=errors, effect=effect, p=corrected(p))
        order = frame["effect"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order].dropna(subset="effect").reset_index(drop=True)

    # -- whether the data and the explanations are to be trusted --------------------------------------------------

    @cached_property
    def label_noise(self) -> pd.DataFrame:
        """Inputs whose label is probably wrong, the surest first, at most 10,000: key, input, label, prediction,
        probability, `margin` (logit of the label minus the largest other one); `frame.attrs["inputs"]` is how many
        there are.

        Source: confident learning, Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset
        Labels": the label is not the most probable of the classes whose probability reaches their threshold, the mean
        probability of a class over the inputs that have it as their label. Of a model that was trained on these very
        inputs, it says little.
        """
        names = ["key", "input", "label", "prediction", "probability", "margin"]
        frame = self.rows.at(self.noisy_places[:MOST], names)[names]
        frame.attrs["inputs"] = len(self.noisy_places)
        return frame

    @cached_property
    def noisy_places(self) -> np.ndarray:
        """The places in `rows` of all inputs whose label is probably wrong, the surest first."""
        return noisy_places(self.rows, len(self.classes))

    @cached_property
    def duplicates(self) -> pd.DataFrame:
        """Pairs of nearly equal inputs, the most alike first, at most 10,000: `similarity`, and of both their key,
        input, label and place in `rows`. `same_label` is False where they contradict each other;
        `frame.attrs["pairs"]` is how many there are.

        Texts: shingles of three words overlap by at least 0.8 (Jaccard); case, punctuation and spaces do not count.
        Pictures: difference hashes (dHash) differ in at most 3 of 64 bits.
        """
        pairs = near_duplicates(self._pairs(), MOST)
        columns = {}
        for side in ("a", "b"):
            rows = self.rows.at(pairs[side], ["key", "input", "label"])
            columns |= {f"{name}_{side}": rows[name] for name in ("key", "input", "label")}
            columns[f"place_{side}"] = pairs[side]
        frame = pairs[["similarity"]].assign(**columns, same_label=columns["label_a"] == columns["label_b"])
        frame.attrs["pairs"] = pairs.attrs["pairs"]
        return frame

    def _pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self.reads_pictures:
            return picture_pairs(self.rows.column("hash"))
        texts = (table["input"].to_pylist() for table in self.rows.tables(["input"]))
        return text_pairs(texts, lambda places: self.rows.at(places, ["input"])["input"].tolist())

    def faithfulness(
        self, methods: Iterable[str] | None = None, count: int = 30, seed: int = 0
    ) -> pd.DataFrame:
        """How faithful attribution methods are on these data, beside random orders: a row per method, the most faithful
        first, with the means of `al.faithfulness` over `count` inputs drawn by the seed.

        `gain` is how much farther the area under the deletion curve is below that of random orders, with the 95%
        interval of its mean over the inputs (`gain_low`, `gain_high`): a method whose interval holds 0 ranks words no
        better than chance.
        """
        import pandas as pd

        count = integer("count", count, least=2)
        chosen = np.random.default_rng(seed).permutation(len(self))[:count]
        count = len(chosen)
        inputs = self.inputs(self.rows.at(chosen, ["key", "input"]))
        methods = list(
            (IMAGE_METHODS if self.reads_pictures else TEXT_METHODS) if methods is None else methods
        )
        options = {} if self.reads_pictures else {"level": "word"}
        found = [one for method in methods for one in self.lens.attribute(inputs, method=method, **options)]
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

    # -- single inputs --------------------------------------------------------------------------------------------

    def explain(self, key: int | str, **options: Any) -> Attribution:
        """The attribution of one input by its key, as `lens.attribute` returns it, with options of that; by default
        with the method and the options of the audit.

        Raises InputError for a key that no labelled input has, and FileError where its picture cannot be read again.
        """
        place = self.rows.place(key)
        if place is None:
            raise InputError(
                f"no input with a label has the key {key!r}; keys are in audit.errors, audit.run"
            )
        (input,) = self.inputs(self.rows.at([place]))
        audited = {"method": self.method, **self._probe["options"]}
        return self.lens.attribute(input, **options if "method" in options else audited | options)

    def inputs(self, frame: pd.DataFrame, of: Callable[[Any], Any] = lambda input: input) -> list[Any]:
        """The texts or pictures of rows of `rows.at`, by their key, input and part; pictures are read again, and
        compared with their hash where it is there.

        of: what is kept of an input in place of it, so that large pictures are in memory one by one

        Raises FileError where the data are not there any more, or have changed.
        """
        if not self.reads_pictures:
            return [of(text) for text in frame["input"]]
        if self.source is None:
            raise FileError(
                "the pictures are read from the data again, which are not there; run al.audit() on them"
            )
        rows = inputs_at(self.source, self.run.manifest["configuration"]["part_rows"], frame)
        hashes = frame["hash"] if "hash" in frame else [None] * len(frame)
        return [of(self._picture(row, before)) for row, before in zip(rows, hashes)]

    def _picture(self, row: Row, before: int | None) -> Image.Image:
        """The picture of a row; before: its hash when it was audited."""
        picture = None if row.input is None else picture_of(row.input)
        if picture is None or before not in (None, difference_hash(picture)):
            raise FileError(
                f"{self.source.name} does not hold the picture {row.key!r} any more: the data have changed"
            )
        return picture

    @property
    def method(self) -> str:
        """The method of attribution behind the scores, by its name."""
        return self._probe["attribution"]

    @property
    def _probe(self) -> dict[str, Any]:
        return self.run.manifest["configuration"]["probe"]

    def _need_texts(self, name: str) -> None:
        if self.reads_pictures:
            raise InputError(
                f"audit.{name} is of texts; of pictures there are audit.maps and audit.localization"
            )

    def _need_pictures(self, name: str) -> None:
        if not self.reads_pictures:
            raise InputError(
                f"audit.{name} is of pictures; of texts there are audit.words and audit.shortcuts"
            )

    def report(self, path: str | Path = "audit.html", *, title: str | None = None) -> Path:
        """Writes the audit's page, one HTML file that opens anywhere and loads nothing; the same as `al.report`."""
        import attnlens

        return attnlens.report(self, path=path, title=title)

    # -- what it says ---------------------------------------------------------------------------------------------

    @cached_property
    def classes(self) -> list[str]:
        """The name of each class; its number where it has none."""
        rows, labels = self.rows, self.lens.labels
        count = max(int(rows.label.max(initial=-1)) + 1, int(rows.index.max(initial=-1)) + 1, len(labels))
        return [labels[index] if index < len(labels) else str(index) for index in range(count)]

    def __repr__(self) -> str:
        share, low, high = self.accuracy
        lines = [
            f"Audit of {self.name} on {len(self):,} inputs: {share:.1%} right (95%: {low:.1%} to {high:.1%})",
            "  audit.confusion, audit.calibration, audit.errors (the most confident first)",
            "  audit.maps, audit.localization  where it looks, and whether the object is there"
            if self.reads_pictures
            else "  audit.words, audit.shortcuts    what it goes by, and whether that alone decides",
            "  audit.by_slice, audit.heads     where it errs more, and what heads do differently there",
            "  audit.label_noise, audit.duplicates, audit.faithfulness()    whether labels and explanations hold",
            "  audit.report('audit.html')      all of it as one page; audit.explain(key): one input",
        ]
        return "\n".join(lines)


def picture_of(input: Any) -> Image.Image:
    """The picture of a row's input: the bytes of a file, a path, a PIL image or an array."""
    return _image_inputs.of_bytes(input) if isinstance(input, bytes) else _image_inputs.read(input)


def audit(
    lens: Lens,
    data: Any,
    out: str | Path | None = None,
    *,
    input: str | None = None,
    text: str | None = None,
    label: str = "label",
    mask: str | None = None,
    slices: Mapping[str, Slice] | Iterable[str] = (),
    tolerance: float = TOLERANCE,
    head_stats: bool = True,
    **options: Any,
) -> Audit:
    """Audits a classifier of texts or of pictures on labelled data: where it errs, and what it goes by.

    data: as for `corpus.run`
    input, label: its columns with the texts or pictures ("text" and "image" by default) and their true classes; text is
        another name of input
    mask: of pictures, the column that says where the object is: a picture whose non-zero pixels are the object, or a
        box [left, top, right, bottom] in pixels; see `Audit.localization`
    out: the directory of the run, from which an audit that was killed goes on; a temporary one by default
    slices: functions of a text or of a picture (a PIL image in RGB) by name, each True for the inputs of a slice, or
        names of columns, whose every value is a slice; beside negation, contrast, length, questions, numbers and
        unknown words of texts, and the darkest and brightest, flattest and richest, smallest and largest quarter of
        pictures
    tolerance: of the integrated gradients; head_stats: whether statistics of heads are computed
    options: those of `corpus.run`

    Raises InputError for a model without classes, and data without labels.

    >>> audit(lens, "reviews.parquet", input="sentence").by_slice
    >>> audit(vit, "pictures/").maps                    # a folder of pictures, in a folder for each class
    """
    texts = hasattr(lens, "tokenizer")
    _check(lens, texts, mask, options)
    columns = () if isinstance(slices, Mapping) else (slices,) if isinstance(slices, str) else tuple(slices)
    chosen = Columns(
        input or text or ("text" if texts else "image"), label, options.pop("key", None), None, columns, mask
    )
    source = source_of(data, chosen)
    more: dict[str, Any] = {"level": "word"} if texts else {}
    shown = {} if texts else {"class_attention": True, "measures": True, "masks": mask is not None}
    probe = Probe("integrated_gradients", {"tolerance": tolerance, **more}, head_stats=head_stats, **shown)
    temporary = tempfile.TemporaryDirectory(prefix="attnlens-audit-") if out is None else None
    out = temporary.name if temporary is not None else out
    made = run(lens, source, out, probe, input=chosen.input, columns=columns, mask=mask, **options)
    found = Audit(lens, made, source, dict(slices) if isinstance(slices, Mapping) else columns, temporary)
    if not len(made):
        raise InputError(f"no row of the data could be used; the first: {made.errors['reason'][0]}")
    if not len(found):
        raise InputError(
            f"none of the {len(made)} inputs has a label; label= names the column with the true classes"
        )
    return found


def _check(lens: Lens, texts: bool, mask: str | None, options: Mapping[str, Any]) -> None:
    """Raises InputError for what cannot be audited."""
    if lens.activation == "none" or (texts and lens.task != "sequence"):
        raise InputError(
            "audit() takes a classifier of texts or of pictures, a lens of a model …ForSequenceClassification or "
            "…ForImageClassification"
        )
    if options.get("pair") is not None:
        raise InputError("an audit takes one text per input, from which words are removed; omit pair=")
    if texts and mask is not None:
        raise InputError("mask= says where the object of a picture is; omit it for texts")
