"""What is computed of each input of a data set: a pure function of a batch of rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..analysis import HeadColumns, rollout
from ..analysis._top_weights import TopReducer
from ..errors import AttnlensError, InputError
from ..models import _classes, _image_inputs
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
        batch = _Batch(lens, self, rows)
        batch.run()
        return batch.table(kinds or {}), batch.errors()


class _Batch:
    """The rows of a batch while they are probed: columns by number, and why a row cannot be used."""

    def __init__(self, lens: Lens, probe: Probe, rows: Sequence[Row]):
        self.lens, self.probe, self.rows = lens, probe, rows
        self.values: list[dict[str, Any]] = [{} for _ in rows]
        self.problems: dict[int, str] = {
            n: row.problem for n, row in enumerate(rows) if row.problem is not None
        }
        self.prepared: dict[int, Any] = {}
        self.labels: dict[int, int | None] = {}
        self.heads: list[int] = []  # of each layer
        self.masks: dict[int, Any] = {}
        self.attention: dict[int, Tensor] = {}  # of the class token

    def run(self) -> None:
        for number in range(len(self.rows)):
            if number not in self.problems:
                self._tried([number], self._prepare)
        self._each(self._passed, "the forward pass")
        if self.probe.attribution is not None:
            self._each(self._attributed, "the attribution")
        if self.probe.rollout:
            self._each(self._rolled, "the rollout")

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
        (number,) = numbers
        row = self.rows[number]
        self.labels[number] = None if row.label is None else self.lens.target_index(row.label)
        picture = _picture(row.input)
        if self.probe.measures or self.probe.masks:
            if isinstance(picture, Tensor):
                raise InputError(
                    "measures= and masks= are of pictures, not of tensors; give files or PIL images"
                )
            shown = _image_inputs.read(picture)
            self.values[number] |= pictures.measures(shown) if self.probe.measures else {}
            self.masks[number] = pictures.mask_of(row.mask, shown.size)
        self.prepared[number] = self.lens.prepare(picture)

    def _passed(self, numbers: list[int]) -> None:
        """One forward pass per batch: prediction and statistics of heads."""
        reducer = _reducer(self.probe)
        for places, layers, logits in self.lens.reduce(
            [self.prepared[number] for number in numbers], reducer, logits=True
        ):
            columns = _of_layers(self.probe, [result for _, result in layers])
            if self.probe.head_stats:
                self.heads = [stats.shape[1] for _, (stats, *_) in layers]
            if self.probe.class_attention:
                self._attended([numbers[place] for place in places], [result[2] for _, result in layers])
            for item, place in enumerate(places):
                number = numbers[place]
                self.values[number] |= self._prediction(number, logits[item])
                self.values[number] |= {name: values[item] for name, values in columns.items()}

    def _attended(self, numbers: list[int], layers: list[Tensor | None]) -> None:
        """Keeps the attention of the class token in the last layer that has one."""
        grids = next((one for one in reversed(layers) if one is not None), None)
        if grids is not None:
            cells = pictures.in_cells(grids).flatten(1).tolist()
            for number, grid, row in zip(numbers, grids.cpu(), cells):
                self.attention[number] = grid
                self.values[number]["class_attention"] = row

    def _prediction(self, number: int, logits: Tensor | None) -> dict[str, Any]:
        if logits is None or logits.ndim != 1:
            return {}
        scores, label = logits.double().cpu(), self.labels[number]
        prediction = self.lens.prediction(logits)
        values = {
            "prediction": prediction.label,
            "index": prediction.index,
            "probability": prediction.probability,
        }
        if len(scores) <= MOST_LOGITS:
            values["logits"] = scores.float().tolist()
        if label is not None:
            _classes.check_index(label, self.rows[number].label, len(scores), "label")
            others = scores.clone()
            others[label] = -math.inf
            values |= {
                "label_index": label,
                "correct": prediction.index == label,
                "loss": self._loss(scores, label),
                "margin": float(scores[label] - others.max()) if len(scores) > 1 else None,
            }
        return values

    def _loss(self, scores: Tensor, label: int) -> float | None:
        """Cross entropy in nats; of independent classes that of the label alone."""
        if self.lens.activation == "softmax":
            return float(torch.logsumexp(scores, 0) - scores[label])
        return (
            float(torch.nn.functional.softplus(-scores[label])) if self.lens.activation == "sigmoid" else None
        )

    def _attributed(self, numbers: list[int]) -> None:
        text = hasattr(self.lens, "tokenizer")
        inputs = [_picture(self.rows[number].input) for number in numbers]
        for number, scores in zip(
            numbers, self.lens.attribute(inputs, method=self.probe.attribution, **self.probe.options)
        ):
            self.values[number] |= {
                "tokens": [token.text for token in scores.tokens] if text else None,
                "special": [token.special for token in scores.tokens] if text else None,
                "scores": (scores.scores if text else pictures.in_cells(scores.scores).flatten()).tolist(),
                "gap": scores.gap,
                "error": scores.estimated_error,
                "converged": scores.converged,
                "steps": scores.steps,
            }
            if self.masks.get(number) is not None:
                attention = self.attention.get(number)
                self.values[number] |= pictures.localization(self.masks[number], scores, attention)

    def _rolled(self, numbers: list[int]) -> None:
        inputs = [self.prepared[number] for number in numbers]
        for number, trace in zip(numbers, self.lens.traces(inputs)):
            self.values[number]["rollout"] = rollout(trace, row=trace.reader).float().tolist()

    # -- tables ---------------------------------------------------------------------------------------------------

    def table(self, kinds: Mapping[str, pa.DataType]) -> pa.Table:
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
            columns[name] = pa.array([self.values[number].get(name) for number in good], kind)
        return pa.table(columns, metadata={"heads": json.dumps(self.heads)} if self.heads else None)

    def errors(self) -> pa.Table:
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


def _of_layers(probe: Probe, layers: Sequence[tuple]) -> dict[str, list[list[float]]]:
    """By column, the numbers of each input: of all layers and heads, `[layer * head]` or `[layer * head * column]`."""
    columns: dict[str, list[list[float]]] = {}
    if probe.head_stats:
        stats = torch.cat([stats for stats, *_ in layers], 1)
        columns["head_stats"] = stats.flatten(1).float().cpu().tolist()
    if probe.top_weights:
        tops = [top[0] for _, top, _ in layers if top is not None]
        for name, parts in zip(("top_weight", "top_query", "top_key"), zip(*tops)):
            columns[name] = torch.cat(parts, 1).cpu().tolist()
    return columns


def _text(input: Any) -> str | None:
    """A text as it is, a pair on two lines; None for a picture."""
    text = "\n".join(input) if isinstance(input, tuple) else input
    return _encodable(text) if isinstance(text, str) else None


def _encodable(value: Any) -> str:
    """A value as a text that Parquet takes: a lone surrogate, which is no character, becomes "?"."""
    return str(value).encode("utf-8", "replace").decode()


def _picture(input: Any) -> Any:
    """A picture that a source holds as bytes; other inputs as they are."""
    return _image_inputs.of_bytes(input) if isinstance(input, bytes) else input


def _grey() -> Any:
    """A picture of nothing."""
    from PIL import Image

    return Image.new("RGB", (64, 64), (128, 128, 128))
