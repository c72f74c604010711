"""What is computed of each input of a data set: a pure function of a batch of rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._escaping import encodable
from ..analysis import HeadColumns, rollout
from ..analysis._top_weights import TopReducer
from ..errors import AttnlensError, InputError
from ..models import _classes, _image_inputs, _predictions
from . import _picture_probe as pictures
from ._source import Row

if TYPE_CHECKING:
    import pyarrow as pa

    from ..lens import Lens


MOST_LOGITS = 1000
"""Classes up to which all logits are kept."""


@dataclass(frozen=True)
class Probe:
    """What to compute of each input: always the prediction, with its loss and margin where there is a label.

    attribution: a method of `lens.attribute` for the predicted class, with `options`; None for none
    head_stats: the columns of `al.head_stats` of every head
    top_weights: the largest weight of every head, with its query and key, as `al.analysis.top_weights`
    rollout: the rollout row of the position that predicts; one trace per input
    class_attention: of a picture, the attention of the class token in the last layer that has one, the mean of the
        heads, in cells of 14 x 14, as scores of pictures are kept
    measures: of a picture, its width, height, brightness and contrast (mean and standard deviation of luma, 0 to 1) and
        a hash of 64 bits that nearly equal pictures share
    masks: of a picture whose row has a mask, its share of what the model sees, and whether the largest score lies in it
        (pointing game) and which share of the positive scores (energy), of the attribution and of the class attention

    A probe of rows returns two tables: of the rows, and of those that could not be used. It reads and writes no file.

    >>> rows, errors = Probe(attribution="integrated_gradients")(lens, rows)
    """

    attribution: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    head_stats: bool = False
    top_weights: bool = False
    rollout: bool = False
    class_attention: bool = False
    measures: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        if self.masks and self.attribution is None:
            raise InputError("masks=True says where an attribution lies; name it: attribution='grad_cam'")
        if self.options and self.attribution is None:
            raise InputError(
                "options= are those of an attribution; name it: attribution='integrated_gradients'"
            )

    def check(self, lens: Lens) -> None:
        """Raises InputError for an attribution that the lens cannot compute, on an input of its own."""
        text = hasattr(lens, "tokenizer")
        if text and (self.class_attention or self.measures or self.masks):
            raise InputError("class_attention=, measures= and masks= are for pictures; omit them for texts")
        if self.attribution is not None:
            sample = "a film" if text else _grey()
            lens.attribute(sample, method=self.attribution, **self.options)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return asdict(self)

    def __call__(
        self, lens: Lens, rows: Sequence[Row], kinds: Mapping[str, pa.DataType] | None = None
    ) -> tuple[pa.Table, pa.Table]:
        """(a table of the rows, in their order; a table with key and reason of those that cannot be used)

        kinds: the types of `row.columns`, by name; texts by default
        """
        batch = Batch(lens, self, rows)
        batch.prepare()
        batch.run()
        return batch.tables(kinds or {})


class Batch:
    """Rows while they are probed, in three steps that may each run in a thread of its own.

    Columns grow by pieces: arrays with the numbers of the rows that they are of.
    """

    def __init__(self, lens: Lens, probe: Probe, rows: Sequence[Row]):
        self.lens, self.probe, self.rows = lens, probe, rows
        self.problems: dict[int, str] = {
            n: row.problem for n, row in enumerate(rows) if row.problem is not None
        }
        self.prepared: dict[int, Any] = {}
        self.labels: dict[int, int | None] = {}
        self.heads: list[int] = []  # of each layer
        self.masks: dict[int, Any] = {}
        self.attention: dict[int, Tensor] = {}  # of the class token
        self._pieces: dict[str, list[tuple[Sequence[int], pa.Array]]] = {}

    def prepare(self) -> None:
        """Reads all inputs together; where one cannot be read, each alone."""
        usable = [number for number in range(len(self.rows)) if number not in self.problems]
        if not self._tried(usable, self._prepare):
            for number in usable:
                self._tried([number], self._prepare)

    def run(self) -> None:
        """Runs the model."""
        self._each(self._passed, "the forward pass")
        if self.probe.attribution is not None:
            self._each(self._attributed, "the attribution")
        if self.probe.rollout:
            self._each(self._rolled, "the rollout")

    def tables(self, kinds: Mapping[str, pa.DataType]) -> tuple[pa.Table, pa.Table]:
        """What a probe returns."""
        return self._table(kinds), self._errors()

    # -- rows that fail -------------------------------------------------------------------------------------------

    def _each(self, work: Callable[[list[int]], None], what: str) -> None:
        """Runs the work for all rows that can be used; where it fails, for halves of them, down to single rows."""
        pending = [[number for number in self.prepared if number not in self.problems]]
        while pending:
            numbers = pending.pop()
            if numbers and not self._tried(numbers, work, what) and len(numbers) > 1:
                half = len(numbers) // 2
                pending += [numbers[half:], numbers[:half]]

    def _tried(self, numbers: list[int], work: Callable[[list[int]], None], what: str = "") -> bool:
        """Whether the work did not fail; the only row that fails has its problem noted."""
        try:
            work(numbers)
        except AttnlensError as error:
            if len(numbers) == 1:
                self.problems[numbers[0]] = f"{what}: {error}" if what else str(error)
            return False
        return True

    # -- the work -------------------------------------------------------------------------------------------------

    def _prepare(self, numbers: list[int]) -> None:
        rows = [self.rows[number] for number in numbers]
        given = {repr(row.label): row.label for row in rows}
        index = {
            name: None if label is None else class_index(self.lens, label) for name, label in given.items()
        }
        inputs = [row.opened for row in rows]
        seen = [self._measured(row, input) for row, input in zip(rows, inputs)]
        prepared = self.lens.prepare_all(inputs)
        self.labels.update((number, index[repr(row.label)]) for number, row in zip(numbers, rows))
        self.prepared.update(zip(numbers, prepared))
        self.masks.update((number, mask) for number, (_, mask) in zip(numbers, seen))
        self._add_records(numbers, [measures for measures, _ in seen])

    def _measured(self, row: Row, picture: Any) -> tuple[dict[str, Any], Any]:
        """(the measures of a picture, its mask), as far as they are wanted."""
        if not (self.probe.measures or self.probe.masks):
            return {}, None
        if isinstance(picture, Tensor):
            raise InputError("measures= and masks= are of pictures, not of tensors; give files or PIL images")
        shown = _image_inputs.read(picture)
        measures = pictures.measures(shown) if self.probe.measures else {}
        return measures, pictures.mask_of(row.mask, shown.size)

    def _passed(self, numbers: list[int]) -> None:
        """One forward pass per batch: prediction and statistics of heads."""
        reducer = _reducer(self.probe)
        for places, layers, logits in self.lens.reduce(
            [self.prepared[number] for number in numbers], reducer, logits=True
        ):
            mine = [numbers[place] for place in places]
            self._add(mine, _of_layers(self.probe, [result for _, result in layers]))
            if self.probe.head_stats:
                self.heads = [stats.shape[1] for _, (stats, *_) in layers]
            if self.probe.class_attention:
                self._attended(mine, [result[2] for _, result in layers])
            scored = [at for at, row in enumerate(logits) if row is not None and row.ndim == 1]
            if scored:
                self._predicted([mine[at] for at in scored], torch.stack([logits[at] for at in scored]).cpu())

    def _attended(self, numbers: list[int], layers: list[Tensor | None]) -> None:
        """Keeps the attention of the class token in the last layer that has one."""
        grids = next((one for one in reversed(layers) if one is not None), None)
        if grids is not None:
            self._add(numbers, {"class_attention": _lists(pictures.in_cells(grids).flatten(1).float())})
            self.attention.update(zip(numbers, grids.cpu()))

    def _predicted(self, numbers: list[int], logits: Tensor) -> None:
        """logits: `[row, class]`"""
        import pyarrow as pa

        scores, lens = logits.double(), self.lens
        labels, index, chances = _predictions.of_rows(logits, lens.labels, lens.activation)
        columns = {"prediction": pa.array(labels, pa.string()), "index": _flat(index.int())}
        if chances is not None:
            columns["probability"] = _flat(chances.double())
        if scores.shape[1] <= MOST_LOGITS:
            columns["logits"] = _lists(scores.float())
        self._add(numbers, columns)
        labelled = [at for at, number in enumerate(numbers) if self.labels[number] is not None]
        if labelled:
            self._compared([numbers[at] for at in labelled], index[labelled], scores[labelled])

    def _compared(self, numbers: list[int], index: Tensor, scores: Tensor) -> None:
        """Predictions beside labels; index: `[row]`, predicted; scores: `[row, class]`, logits in float64"""
        for number in numbers:
            _classes.check_index(self.labels[number], self.rows[number].label, scores.shape[1], "label")
        labels = torch.tensor([self.labels[number] for number in numbers])[:, None]
        chosen = scores.gather(1, labels)[:, 0]
        columns = {"label_index": _flat(labels[:, 0].int()), "correct": _flat(index == labels[:, 0])}
        if self.lens.activation in ("softmax", "sigmoid"):
            columns["loss"] = _flat(_predictions.losses(scores, labels[:, 0], self.lens.activation))
        if scores.shape[1] > 1:
            columns["margin"] = _flat(chosen - scores.scatter(1, labels, -math.inf).amax(1))
        self._add(numbers, columns)

    def _attributed(self, numbers: list[int]) -> None:
        import pyarrow as pa

        text = hasattr(self.lens, "tokenizer")
        found = self.lens.attribute(
            [self._to_attribute(number) for number in numbers],
            method=self.probe.attribution,
            **self.probe.options,
        )
        scores = [one.scores if text else pictures.in_cells(one.scores).flatten() for one in found]
        columns = {"scores": _ragged(scores)}
        if text:
            tokens = [token for one in found for token in one.tokens]
            columns |= {
                "tokens": _cut(pa.array([token.text for token in tokens], pa.string()), scores),
                "special": _cut(pa.array([token.special for token in tokens], pa.bool_()), scores),
            }
        columns |= {
            "gap": pa.array([one.gap for one in found], pa.float64()),
            "error": pa.array([one.estimated_error for one in found], pa.float64()),
            "converged": pa.array([one.converged for one in found], pa.bool_()),
            "steps": pa.array([one.steps for one in found], pa.int32()),
        }
        self._add(numbers, columns)
        masked = [
            (number, pictures.localization(self.masks[number], one, self.attention.get(number)))
            for number, one in zip(numbers, found)
            if self.masks[number] is not None
        ]
        self._add_records([number for number, _ in masked], [values for _, values in masked])

    def _to_attribute(self, number: int) -> Any:
        """The input, tokenized where it is a text that is explained as a whole."""
        prepared = hasattr(self.lens, "tokenizer") and "window" not in self.probe.options
        return self.prepared[number] if prepared else self.rows[number].opened

    def _rolled(self, numbers: list[int]) -> None:
        traces = self.lens.traces([self.prepared[number] for number in numbers])
        self._add(numbers, {"rollout": _ragged([rollout(trace, row=trace.reader) for trace in traces])})

    # -- columns --------------------------------------------------------------------------------------------------

    def _add(self, numbers: Sequence[int], columns: Mapping[str, pa.Array]) -> None:
        for name, piece in columns.items():
            self._pieces.setdefault(name, []).append((numbers, piece))

    def _add_records(self, numbers: list[int], records: list[dict[str, Any]]) -> None:
        """Columns from a record of each row, which may lack some."""
        import pyarrow as pa

        kinds = dict(schema_of(self.probe))
        names = {name for record in records for name in record}
        self._add(
            numbers, {n: pa.array([record.get(n) for record in records], kinds[n]) for n in sorted(names)}
        )

    def _column(self, name: str, kind: pa.DataType, rows: list[int]) -> pa.Array:
        """The pieces in the order of the rows, null for those that have none."""
        import pyarrow as pa

        pieces = self._pieces.get(name, [])
        if not pieces:
            return pa.nulls(len(rows), kind)
        place = {number: at for at, number in enumerate(n for numbers, _ in pieces for n in numbers)}
        places = pa.array([place.get(number) for number in rows], pa.int64())
        return pa.concat_arrays([piece for _, piece in pieces]).take(places)

    # -- tables ---------------------------------------------------------------------------------------------------

    def _table(self, kinds: Mapping[str, pa.DataType]) -> pa.Table:
        import pyarrow as pa

        good = [number for number in range(len(self.rows)) if number not in self.problems]
        labels = [self.rows[number].label for number in good]
        columns = {
            "key": self._keys(good),
            "input": pa.array([_text(self.rows[number].input) for number in good], pa.string()),
            "label": pa.array(
                [None if label is None else _encodable(label) for label in labels], pa.string()
            ),
        }
        for name, kind in kinds.items():
            cells = [self.rows[number].columns.get(name) for number in good]
            if pa.types.is_string(kind):
                cells = [None if cell is None else _encodable(cell) for cell in cells]
            columns[name] = pa.array(cells, kind)
        for name, kind in schema_of(self.probe):
            columns[name] = self._column(name, kind, good)
        return pa.table(columns, metadata={"heads": json.dumps(self.heads)} if self.heads else None)

    def _errors(self) -> pa.Table:
        import pyarrow as pa

        bad = sorted(self.problems)
        reasons = pa.array([_encodable(self.problems[number]) for number in bad], pa.string())
        return pa.table({"key": self._keys(bad), "reason": reasons})

    def _keys(self, numbers: list[int]) -> pa.Array:
        import pyarrow as pa

        keys = [self.rows[number].key for number in numbers]
        if any(isinstance(row.key, str) for row in self.rows):
            return pa.array([_encodable(key) for key in keys], pa.string())
        return pa.array(keys, pa.int64())


def schema_of(probe: Probe) -> list[tuple[str, Any]]:
    """The columns that a probe adds, with their types."""
    import pyarrow as pa

    numbers = pa.list_(pa.float32())
    columns = [
        ("prediction", pa.string()), ("index", pa.int32()), ("probability", pa.float64()), ("logits", numbers),
        ("label_index", pa.int32()), ("correct", pa.bool_()), ("loss", pa.float64()), ("margin", pa.float64()),
    ]  # fmt: skip
    if probe.attribution is not None:
        columns += [
            ("tokens", pa.list_(pa.string())), ("special", pa.list_(pa.bool_())), ("scores", numbers),
            ("gap", pa.float64()), ("error", pa.float64()),
            ("converged", pa.bool_()), ("steps", pa.int32()),
        ]  # fmt: skip
    if probe.head_stats:
        columns.append(("head_stats", numbers))
    if probe.top_weights:
        columns += [
            ("top_weight", numbers),
            ("top_query", pa.list_(pa.int32())),
            ("top_key", pa.list_(pa.int32())),
        ]
    if probe.rollout:
        columns.append(("rollout", numbers))
    if probe.class_attention:
        columns.append(("class_attention", numbers))
    if probe.measures:
        columns += [
            ("width", pa.int32()), ("height", pa.int32()), ("brightness", pa.float64()), ("contrast", pa.float64()),
            ("hash", pa.int64()),
        ]  # fmt: skip
    if probe.masks:
        columns += [
            ("mask_share", pa.float64()), ("pointing", pa.bool_()), ("energy", pa.float64()),
            ("attention_pointing", pa.bool_()), ("attention_energy", pa.float64()),
        ]  # fmt: skip
    return columns


def class_index(lens: Lens, label: int | str) -> int:
    """The index of a true class, by name or by number, which files of text hold as text.

    Raises InputError for a class that the model does not have.
    """
    if isinstance(label, str) and label not in lens.labels and label.strip().isdecimal():
        label = int(label)
    return lens.target_index(label)


def _reducer(probe: Probe) -> Any:
    """The reducers in one pass; None for none."""
    if not (probe.head_stats or probe.top_weights or probe.class_attention):
        return None

    def made(tokens: Any) -> Callable[..., Any]:
        stats = HeadColumns(tokens) if probe.head_stats else None
        largest = TopReducer(tokens, special=False) if probe.top_weights else None
        of_class = pictures.ClassAttention(tokens) if probe.class_attention else None
        return lambda attention, sides: tuple(
            one and one(attention, sides) for one in (stats, largest, of_class)
        )

    return made


def _of_layers(probe: Probe, layers: Sequence[tuple]) -> dict[str, pa.Array]:
    """Columns of a batch, lists of all layers and heads: `[layer * head]` or `[layer * head * column]`."""
    columns: dict[str, pa.Array] = {}
    if probe.head_stats:
        columns["head_stats"] = _lists(torch.cat([stats for stats, *_ in layers], 1).flatten(1).float())
    if probe.top_weights:
        tops = [top[0] for _, top, _ in layers if top is not None]
        for name, parts in zip(("top_weight", "top_query", "top_key"), zip(*tops)):
            numbers = torch.cat(parts, 1)
            columns[name] = _lists(numbers.float() if name == "top_weight" else numbers.int())
    return columns


def _flat(numbers: Tensor) -> pa.Array:
    import pyarrow as pa

    return pa.array(numbers.cpu().numpy())


def _lists(numbers: Tensor) -> pa.Array:
    """A list for each row of `[row, n]`."""
    import pyarrow as pa

    rows, size = numbers.shape
    return pa.ListArray.from_arrays(
        pa.array(range(0, rows * size + 1, size), pa.int32()), _flat(numbers.flatten())
    )


def _ragged(rows: Sequence[Tensor]) -> pa.Array:
    """A list of float32 for each tensor `[n]`."""
    return _cut(_flat(torch.cat(list(rows)).float()), rows)


def _cut(values: pa.Array, rows: Sequence[Tensor]) -> pa.Array:
    """The values in lists as long as these."""
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array([0, *accumulate(map(len, rows))], pa.int32()), values)


def _text(input: Any) -> str | None:
    """A text as it is, a pair on two lines; None for a picture."""
    text = "\n".join(input) if isinstance(input, tuple) else input
    return _encodable(text) if isinstance(text, str) else None


def _encodable(value: Any) -> str:
    """A value as a text that Parquet takes: a lone surrogate, which is no character, becomes "?"."""
    return encodable(str(value))


def _grey() -> Any:
    """A picture of nothing."""
    from PIL import Image

    return Image.new("RGB", (64, 64), (128, 128, 128))
