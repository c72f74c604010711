"""The number that an attribution explains, as a function of a text's word embeddings.

Every gradient method needs the same thing: F(vectors), where the vectors `[row, token, d]` take the place of the
model's word embeddings while positions, segments and masks stay those of the text. `TextAnswer` is that
function for a batch of texts; `Asked` picks the number F out of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...errors import InputError, unknown_name
from ...models import _forward, _tasks

if TYPE_CHECKING:
    from ...models._protocols import TextModel
    from ...models._text_inputs import Encoded

UNITS = ("logit", "probability")

LAYERS = ("word", "embeddings")
"""Where a path may run: word embeddings, or the output of the whole embedding module; else a module or its path."""


@dataclass(frozen=True)
class Asked:
    """Which number F of a model's logits `[row, class]` is explained.

    index, against: `[example]`, classes; unit: "logit" or "probability"; activation: from logits to probabilities
    """

    index: Tensor
    against: Tensor | None = None
    unit: str = "logit"
    activation: str = "softmax"

    def __call__(self, logits: Tensor, numbers: Tensor | None = None) -> Tensor:
        """F, `[row]`; numbers: of which example each row is, each its own by default."""
        if self.unit == "probability":
            logits = logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(-1)
        found = logits.gather(1, self._rows(self.index, logits, numbers))[:, 0]
        if self.against is None:
            return found
        return found - logits.gather(1, self._rows(self.against, logits, numbers))[:, 0]

    @staticmethod
    def _rows(index: Tensor, logits: Tensor, numbers: Tensor | None) -> Tensor:
        index = index.to(logits.device)
        index = index.expand(len(logits)) if numbers is None else index[numbers]
        return index.unsqueeze(1)

    def label(self, labels: Callable[[int], str], example: int = 0) -> tuple[str, str | None]:
        """Names of the class that is explained and of the one that it is contrasted with."""
        against = None if self.against is None else labels(int(self.against[example]))
        return labels(int(self.index[example])), against


class TextAnswer:
    """The logits of a batch of texts as a function of their word embeddings.

    encoded: texts of any lengths, padded together
    places: the position whose logits are read, per text; None for a model that gives one answer
    side: "start" or "end" of a question answering model, whose classes are then the tokens
    layer: where the vectors go in, see `LAYERS`
    """

    def __init__(
        self,
        lens: TextModel,
        encoded: Sequence[Encoded],
        places: Sequence[int | None] | None = None,
        side: str | None = None,
        layer: str | nn.Module = "word",
    ):
        self.lens, self.encoded, self.side = lens, list(encoded), side
        self.inputs = lens.inputs(self.encoded)
        self.ids = self.inputs["input_ids"]
        found = [lens.answer_place(one) for one in self.encoded] if places is None else list(places)
        self.places = None if None in found else torch.tensor(found, device=self.ids.device)
        self._model: Callable[..., Any] = lens.model
        self.tables = _tables(lens.model)
        self.end_logits = self._first_run()
        self.layer = None if layer == "word" else _layer(lens.model, layer, self.tables[0])

    # -- points ---------------------------------------------------------------------------------------------

    def vectors(self, ids: Tensor | None = None) -> Tensor:
        """Word embeddings `[text, token, d]` of ids, those of the texts by default; float32 at least."""
        with torch.no_grad():
            found = self.tables[0](self.ids if ids is None else ids)
        return found if found.dtype == torch.float64 else found.float()

    def points(self, vectors: Tensor) -> Tensor:
        """What `layer` makes of word embeddings: the vectors themselves where the path runs through those."""
        if self.layer is None:
            return vectors
        kept: list[Tensor] = []

        def keep(module: nn.Module, args: tuple, output: Any) -> None:
            kept.append(output[0] if isinstance(output, tuple) else output)

        with _forward.hooked([(self.layer, keep)]):
            with torch.no_grad(), self._in_place_of_words(vectors, self.ids):
                self._run(None)
        name = type(self.layer).__name__
        if len(kept) != 1 or not isinstance(kept[0], Tensor) or kept[0].shape[:2] != self.ids.shape:
            raise InputError(
                f"layer {name} ran {len(kept)} times or gives no [text, token, d]; name one that runs once over "
                "the tokens"
            )
        found = kept[0].detach()
        return found if found.dtype == torch.float64 else found.float()

    def reader(self, text: int) -> int:
        """The position whose state becomes the answer of one text: see `Trace.reader`."""
        if self.places is not None:
            return int(self.places[text])
        return next(self.lens.traces([self.encoded[text]])).reader

    # -- the function ---------------------------------------------------------------------------------------

    def logits(self, points: Tensor, numbers: Tensor | None = None) -> Tensor:
        """`[row, class]` at `points` `[row, token, d]`; numbers: of which text each row is."""
        put = self._in_place_of_words if self.layer is None else self._in_place_of_layer
        size = self._longest(numbers)
        ids = self.ids if numbers is None else self.ids[numbers]
        with put(points[:, :size], ids[:, :size]):
            return self._read(self._run(numbers), numbers)

    def number(self, asked: Asked) -> Callable[..., Tensor]:
        """F(points, numbers) -> `[row]`, as Captum wants it."""

        def forward(points: Tensor, numbers: Tensor | None = None) -> Tensor:
            return asked(self.logits(points, numbers), numbers)

        return forward

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """The model computes in float32 for a while, from its parameters in half precision; it is not changed."""
        model = self.lens.model
        state = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in (*model.named_parameters(), *model.named_buffers())
        }
        self._model = lambda **inputs: torch.func.functional_call(model, state, (), inputs)
        try:
            yield
        finally:
            self._model = model

    def _first_run(self) -> Tensor:
        """The logits of the texts as they are; on the way, which table of word embeddings the model asks."""
        called: list[nn.Module] = []
        asked = ((table, lambda module, *_: called.append(module)) for table in self.tables)
        with torch.no_grad(), _forward.hooked(asked):
            logits = self._read(self._run(None), None)
        if not called:
            raise InputError(
                f"{type(self.lens.model).__name__} does not run its embedding layer "
                f"{type(self.tables[0]).__name__}; its method get_input_embeddings() must return the one that it uses"
            )
        self.tables.sort(key=lambda table: table is not called[0])
        return logits

    def _run(self, numbers: Tensor | None) -> Any:
        inputs = self.inputs
        if numbers is not None:
            size = self._longest(numbers)
            inputs = {
                name: rows[numbers] if name.startswith("decoder") else rows[numbers, :size]
                for name, rows in inputs.items()
            }
        return _forward.answer(self._model, inputs)

    def _longest(self, numbers: Tensor | None) -> int:
        """Tokens of the longest of these texts: what the others need no padding beyond."""
        if numbers is None:
            return self.ids.shape[1]
        return max(len(self.encoded[number]) for number in set(numbers.tolist()))

    def _read(self, output: Any, numbers: Tensor | None) -> Tensor:
        places = self.places if numbers is None or self.places is None else self.places[numbers]
        mask = self.inputs.get("attention_mask")
        mask = mask if numbers is None or mask is None else mask[numbers, : self._longest(numbers)]
        return read(self.lens.model, output, places, self.side, mask)

    @contextmanager
    def _in_place_of_words(self, vectors: Tensor, ids: Tensor) -> Iterator[None]:
        """The model's word embeddings are `vectors` for a while, wherever it asks for those of `ids`.

        A classifier's decoder reads the same text one place later (T5, BART): it gets the same vectors there.
        """

        def answer(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
            asked = args[0] if args else next(iter(kwargs.values()))
            given = vectors.to(output.dtype)
            if asked.shape == ids.shape and torch.equal(asked, ids):
                return given
            if asked.shape == ids.shape and torch.equal(asked[:, 1:], ids[:, :-1]):
                return torch.cat([output[:, :1], given[:, :-1]], dim=1)
            return output

        with _forward.hooked([(table, answer) for table in self.tables], with_kwargs=True):
            yield

    @contextmanager
    def _in_place_of_layer(self, points: Tensor, ids: Tensor) -> Iterator[None]:
        def answer(module: nn.Module, args: tuple, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            given = points.to(first.dtype)
            return (given, *output[1:]) if isinstance(output, tuple) else given

        with _forward.hooked([(self.layer, answer)]):
            yield


def read(
    model: nn.Module, output: Any, places: Tensor | None, side: str | None, mask: Tensor | None
) -> Tensor:
    """Logits `[row, class]` of what a model returned, in float32 (float64 stays).

    places: `[row]`, the position that answers, where there are several; side, mask: as in `TextAnswer`
    """
    if side is not None:
        logits = getattr(output, f"{side}_logits")
        logits = logits if mask is None else logits.masked_fill(mask == 0, -torch.inf)
    else:
        logits = _tasks.read(output)
        if logits is not None and logits.ndim == 3 and places is not None:
            logits = logits[torch.arange(len(logits), device=logits.device), places]
    if logits is None or logits.ndim != 2:
        raise InputError(
            f"{type(model).__name__} returns no class logits; load the model with a head "
            "(…ForSequenceClassification, …ForCausalLM or …ForMaskedLM)"
        )
    return logits if logits.dtype == torch.float64 else logits.float()


def answers_once(lens: TextModel, position: Any = None) -> bool:
    """Whether one stack gives one answer for a text, at the model's own place: what relevance can follow."""
    two_stacks = _tasks.config_of(lens.model, "is_encoder_decoder")
    return position is None and not two_stacks and _tasks.of(lens.model) not in ("token", "question")


def unit(name: str, activation: str) -> str:
    """A unit by its name, checked: a regression has no probability."""
    if name not in UNITS:
        raise unknown_name("unit", name, UNITS)
    if name == "probability" and activation == "none":
        raise InputError("a regression has no probability; leave unit= away to explain its value")
    return name


@contextmanager
def explained(lens: TextModel) -> Iterator[None]:
    """The model in eval mode, with no gradient for its parameters, whatever mode autograd is in."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        _forward.evaluating(lens.model),
        _forward.frozen(lens.model),
    ):
        yield


def _tables(model: nn.Module) -> list[nn.Module]:
    """The layers of word embeddings: that which the model names, or else the one with the most rows; and others
    with the same weight, as an encoder and a decoder may have."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    try:
        layer = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        layer = max(tables, key=lambda table: table.num_embeddings, default=None)
    if layer is None:
        raise InputError(
            f"{type(model).__name__} has no embedding layer; give it a method get_input_embeddings()"
        )
    weight = getattr(layer, "weight", None)
    shared = [table for table in tables if table is not layer and table.weight is weight]
    return [layer, *shared]


def _layer(model: nn.Module, layer: str | nn.Module, table: nn.Module) -> nn.Module:
    """The module that a user names: "embeddings" is the one around the table of word embeddings."""
    if isinstance(layer, nn.Module):
        return layer
    modules = dict(model.named_modules())
    if layer == "embeddings":
        path = next(name for name, module in modules.items() if module is table)
        parent = modules[path.rpartition(".")[0]]
        if "embed" not in type(parent).__name__.lower():
            raise InputError(
                f"{type(model).__name__} has no module that makes the whole embedding; give the path of the layer "
                "whose output you mean, e.g. layer='transformer.drop'"
            )
        return parent
    if layer not in modules or not layer:
        raise unknown_name("layer", layer, [*LAYERS, *(name for name in modules if "." not in name and name)])
    return modules[layer]
