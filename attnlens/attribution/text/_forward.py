"""A text model as a function of word embeddings.

Every gradient method needs the logits at vectors `[row, token, d]` that replace the model's word embeddings, while
positions, segments and masks stay those of the text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...errors import InputError, unknown_name
from ...models import _forward, _tasks

if TYPE_CHECKING:
    from ...models._protocols import TextModel
    from ...models._text_inputs import Encoded

LAYERS = ("word", "embeddings")
"""Spaces of a path: word embeddings, or the output of the whole embedding module; else a module or its path."""


class EmbeddingForward:
    """The logits of a batch of texts as a function of their word embeddings.

    encoded: texts of any lengths, padded together
    places: the position whose logits are read, per text; None for a model that predicts once
    side: "start" or "end" of a question answering model, whose classes are then the tokens
    layer: whose output the vectors replace, see `LAYERS`
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
        """The output of `layer` for these word embeddings; the vectors themselves where the path runs through those."""
        if self.layer is None:
            return vectors
        kept: list[Tensor] = []

        def keep(module: nn.Module, args: tuple, output: Any) -> None:
            kept.append(output[0] if isinstance(output, tuple) else output)

        with _forward.hooked([(self.layer, keep)]):
            with torch.no_grad(), self._in_place_of_words(vectors, self.ids):
                _forward.call(self._model, self.inputs)
        name = type(self.layer).__name__
        if len(kept) != 1 or not isinstance(kept[0], Tensor) or kept[0].shape[:2] != self.ids.shape:
            raise InputError(
                f"layer {name} ran {len(kept)} times or returns no [text, token, d]; name one that runs once over "
                "the tokens"
            )
        found = kept[0].detach()
        return found if found.dtype == torch.float64 else found.float()

    def reader(self, text: int) -> int:
        """The position whose state becomes the prediction for one text: see `Trace.reader`."""
        if self.places is not None:
            return int(self.places[text])
        return next(self.lens.traces([self.encoded[text]])).reader

    # -- the function ---------------------------------------------------------------------------------------

    def logits(self, points: Tensor, examples: Tensor | None = None) -> Tensor:
        """`[row, class]` at `points` `[row, token, d]`; examples: the text of each row."""
        points = points[:, : self._longest(examples)]
        places = self.places if examples is None or self.places is None else self.places[examples]
        inputs = at_places(self.lens.model, self.inputs_of(examples), places)
        with self._replaced(points, inputs["input_ids"]), _forward.input_errors(self.lens.model, inputs):
            output = self._model(**inputs)
        return read(self.lens.model, output, inputs, places, self.side)

    def output(self, inputs: dict[str, Any], points: Tensor) -> Any:
        """What the model returns for `inputs` with the vectors `points` `[row, token, d]`."""
        with self._replaced(points, inputs["input_ids"]), _forward.input_errors(self.lens.model, inputs):
            return self._model(**inputs)

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """The model computes in float32 meanwhile, from its parameters in half precision; it is not changed."""
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
        """The logits of the unchanged texts; also determines which table of word embeddings the model uses."""
        called: list[nn.Module] = []
        asked = ((table, lambda module, *_: called.append(module)) for table in self.tables)
        with torch.no_grad(), _forward.hooked(asked):
            inputs = at_places(self.lens.model, self.inputs, self.places)
            output = _forward.call(self._model, inputs)
            logits = read(self.lens.model, output, inputs, self.places, self.side)
        if not called:
            raise InputError(
                f"{type(self.lens.model).__name__} does not run its embedding layer "
                f"{type(self.tables[0]).__name__}; its method get_input_embeddings() must return the one that it uses"
            )
        self.tables.sort(key=lambda table: table is not called[0])
        return logits

    def inputs_of(self, examples: Tensor | None) -> dict[str, Tensor]:
        """The model's inputs for rows of these texts, all texts by default."""
        if examples is None:
            return self.inputs
        size = self._longest(examples)
        return {
            name: rows[examples] if name.startswith("decoder") else rows[examples, :size]
            for name, rows in self.inputs.items()
        }

    def _longest(self, examples: Tensor | None) -> int:
        """The length of the longest of these texts, to which the others are padded."""
        if examples is None:
            return self.ids.shape[1]
        return max(len(self.encoded[example]) for example in set(examples.tolist()))

    def _replaced(self, points: Tensor, ids: Tensor) -> AbstractContextManager[None]:
        """The model computes with `points` `[row, token, d]` in place of its own vectors of `ids` meanwhile."""
        return (self._in_place_of_words if self.layer is None else self._in_place_of_layer)(points, ids)

    @contextmanager
    def _in_place_of_words(self, vectors: Tensor, ids: Tensor) -> Iterator[None]:
        """The model's word embeddings are `vectors` meanwhile, wherever it looks up those of `ids`.

        A classifier's decoder receives the same text shifted by one position (T5, BART), and so the same vectors.
        """

        def replace(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
            asked = args[0] if args else next(iter(kwargs.values()))
            replacement = vectors.to(output.dtype)
            if asked.shape == ids.shape and torch.equal(asked, ids):
                return replacement
            if asked.shape == ids.shape and torch.equal(asked[:, 1:], ids[:, :-1]):
                return torch.cat([output[:, :1], replacement[:, :-1]], dim=1)
            return output

        with _forward.hooked([(table, replace) for table in self.tables], with_kwargs=True):
            yield

    @contextmanager
    def _in_place_of_layer(self, points: Tensor, ids: Tensor) -> Iterator[None]:
        def replace(module: nn.Module, args: tuple, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            replacement = points.to(first.dtype)
            return (replacement, *output[1:]) if isinstance(output, tuple) else replacement

        with _forward.hooked([(self.layer, replace)]):
            yield


def at_places(model: nn.Module, inputs: dict[str, Tensor], places: Tensor | None) -> dict[str, Tensor]:
    """The inputs with which the model computes logits at `places` `[row]` alone, as language models of transformers
    do by the argument `logits_to_keep`; the same inputs for other models."""
    if places is None or "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return inputs
    return {**inputs, "logits_to_keep": places.unique()}


def read(
    model: nn.Module, output: Any, inputs: dict[str, Tensor], places: Tensor | None, side: str | None
) -> Tensor:
    """Logits `[row, class]` of what a model returned for `inputs`, in float32 (float64 stays).

    places: `[row]`, the position of the prediction, where there are several; side: as in `EmbeddingForward`
    """
    if side is not None:
        logits, mask = getattr(output, f"{side}_logits"), inputs.get("attention_mask")
        logits = logits if mask is None else logits.masked_fill(mask == 0, -torch.inf)
    else:
        logits = _tasks.read(output)
        if logits is not None and logits.ndim == 3 and places is not None:
            kept = inputs.get("logits_to_keep")
            if kept is not None and logits.shape[1] == len(kept):
                places = torch.searchsorted(kept, places)
            logits = logits[torch.arange(len(logits), device=logits.device), places]
    if logits is None or logits.ndim != 2:
        raise InputError(
            f"{type(model).__name__} returns no class logits; load the model with a head "
            "(…ForSequenceClassification, …ForCausalLM or …ForMaskedLM)"
        )
    return logits if logits.dtype == torch.float64 else logits.float()


def one_row(lens: TextModel) -> bool:
    """Whether the model takes one row at a time: a classifier that searches for padding and has none."""
    return not lens.batches and not _tasks.config_of(lens.model, "is_encoder_decoder")


def predicts_once(lens: TextModel, position: Any = None) -> bool:
    """Whether the model has one stack and predicts once per text, as relevance requires."""
    two_stacks = _tasks.config_of(lens.model, "is_encoder_decoder")
    return position is None and not two_stacks and lens.task not in ("token", "question")


def _tables(model: nn.Module) -> list[nn.Module]:
    """The layers of word embeddings: the one that the model names, or else the one with the most rows; and others
    with the same weight, as an encoder and a decoder may have."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    try:
        layer = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        layer = max(tables, key=lambda table: table.num_embeddings, default=None)
    if layer is None:
        raise InputError(
            f"{type(model).__name__} has no embedding layer; add a method get_input_embeddings() to it"
        )
    weight = getattr(layer, "weight", None)
    shared = [table for table in tables if table is not layer and table.weight is weight]
    return [layer, *shared]


def _layer(model: nn.Module, layer: str | nn.Module, table: nn.Module) -> nn.Module:
    """The module named by the user; "embeddings" is the one that contains the table of word embeddings."""
    if isinstance(layer, nn.Module):
        return layer
    modules = dict(model.named_modules())
    if layer == "embeddings":
        path = next(name for name, module in modules.items() if module is table)
        parent = modules[path.rpartition(".")[0]]
        if "embed" not in type(parent).__name__.lower():
            raise InputError(
                f"{type(model).__name__} has no module that computes the whole embedding; pass the path of the "
                "layer whose output you mean, e.g. layer='transformer.drop'"
            )
        return parent
    if layer not in modules or not layer:
        raise unknown_name("layer", layer, [*LAYERS, *(name for name in modules if "." not in name and name)])
    return modules[layer]
