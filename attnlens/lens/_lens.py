"""The base of both lenses: a model with its processor, run over inputs in batches of similar lengths."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor, nn

from .._checks import integer, listed, refuse_columns
from .._escaping import encodable
from ..data._pending import settled
from ..data._trace import Prediction, Trace
from ..errors import InputError, unknown_name
from ..models import _classes, _forward, _gates, _image_inputs, _predictions, _tasks

if TYPE_CHECKING:
    from ..attribution import Explanation

Reducer = Callable[[Any], Callable[..., Any]]
"""From the `InputTokens` of a batch to a function of each layer's `AttentionBatch` and the sides of its axes."""

REDUCE_AHEAD = 1024
"""Number of inputs that are read ahead and sorted by length where their attention is reduced."""

READ_AHEAD = 4
"""Number of batches that are read ahead and sorted by length; their traces are in memory at once."""


class Lens:
    """A model together with its tokenizer or image processor.

    >>> Lens(model, tokenizer)             # a text model of transformers: TextLens
    >>> Lens(model, image_processor)       # a vision model of transformers: ImageLens
    >>> Lens(my_vit, patches=(8, 8))       # any torch vision module over an 8 x 8 grid of patches: ImageLens
    >>> Lens(my_vit, patches=(8, 8), labels=["cat", "dog"])  # with the names of its classes

    labels: class names in the order of the logits, where the model has none or to replace its own

    The model keeps its device, dtype and attention implementation. It runs in eval mode; afterwards every module is
    back in its previous mode.
    """

    def __new__(cls, model: nn.Module, processor: Any = None, **options: Any) -> Lens:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"Lens() needs a torch module, not {type(model).__name__}; al.load() takes a name or a folder"
            )
        if cls is Lens:
            cls = _kind(model, processor, options)
        _check_options(cls, options)
        return super().__new__(cls)

    def __init__(
        self,
        model: nn.Module,
        processor: Any = None,
        *,
        patches: tuple[int, int] | None = None,
        labels: Sequence[str] | Mapping[int, str] | None = None,
    ):
        self.model = model
        self.processor = processor
        self.task = _tasks.of(model)
        self._given_labels = None if labels is None else _classes.labels_of(labels, model)
        origin = _tasks.config_of(model, "_name_or_path") or type(model).__name__
        self.name = Path(origin).name if Path(origin).is_dir() else origin

    def __getnewargs__(self) -> tuple[nn.Module, Any]:
        return self.model, self.processor  # so that a lens can be copied and pickled

    # -- the model ------------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """The device of the model's parameters; inputs are moved to it."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the model's parameters."""
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; () where neither the user nor the model names them."""
        if self._given_labels is not None:
            return self._given_labels
        names = _tasks.config_of(self.model, "id2label")
        if names and self.task in ("sequence", "image", "token"):
            return tuple(encodable(str(names[i])) for i in sorted(names))
        return tuple(encodable(str(name)) for name in getattr(self.model, "labels", None) or ())

    @property
    def activation(self) -> str:
        """The function from logits to probabilities: "softmax", "sigmoid" (multi-label) or "none" (regression)."""
        problem = _tasks.config_of(self.model, "problem_type")
        if problem == "multi_label_classification":
            return "sigmoid"
        single = self.task in ("sequence", "image") and len(self.labels) == 1
        return "none" if problem == "regression" or single else "softmax"

    def check_classes(self, count: int) -> None:
        """Raises InputError where `labels` was passed and its length is not `count`, the number of logits."""
        if self._given_labels is not None:
            _classes.check_count(self._given_labels, count, self.model)

    def target_index(self, target: str | int) -> int:
        """The class index of a target, given as a name (case-insensitive) or an index.

        Raises InputError for an unknown name or index, and lists the classes.
        """
        # A language model may have more logits than its tokenizer has tokens: their number is known after a run.
        counted = bool(self.labels) and self.task not in _tasks.LANGUAGE
        return _classes.class_index(target, self.labels, counted)

    # -- traces ---------------------------------------------------------------------------------------------

    @overload
    def trace(self, input: list[Any], **options: Any) -> list[Trace]: ...
    @overload
    def trace(self, input: Any, *, window: int, **options: Any) -> list[Trace]: ...
    @overload
    def trace(self, input: Any, **options: Any) -> Trace: ...
    def trace(self, input: Any, **options: Any) -> Trace | list[Trace]:
        """Runs the model on one input and returns its trace; for a list of inputs, the list of their traces."""
        inputs = listed(input)
        if inputs is not None:
            return list(self.traces(inputs, **options))
        return self._only(input, **options)

    def _only(self, input: Any, **options: Any) -> Trace:
        with closing(self.traces([input], **options)) as traces:
            return next(traces)

    def traces(self, inputs: Iterable[Any], *, batch_size: int = 16, **options: Any) -> Iterator[Trace]:
        """Iterates over the traces of all inputs, in their order; only a few batches are in memory at once.

        The layers of a trace are computed when they are first read, or while you keep it, when the next batches come.

        inputs: any iterable. It is read a few batches ahead; these are sorted by length to reduce padding.
        options: store, dtype and values as for `capture`;
            target: a class by name or index, or "predicted": also record the values and the gradient of its logit;
            gates: factors by which the outputs of heads are multiplied; 0 switches a head off. Either
            `{layer: [head] of factors}`, `{(layer, head): factor}`, or pairs (layer, head) of heads to switch off, as
            for `al.ablate`. The last two cost one more forward pass, which counts the heads.

        Raises InputError for an input that cannot be read; the message names its number.
        """
        _forward.check_options(options, *_forward.OPTIONS, "batch_size")
        if "target" in options:
            options["target"] = self._target(options["target"])
        batch_size = integer("batch_size", batch_size, least=1)
        self._check_inputs(inputs, "traces")
        run = (
            self._gated(options) if _gates.are_pairs(options.get("gates")) else partial(self._run, **options)
        )
        return settled(self._in_order(inputs, batch_size, run), together=batch_size * READ_AHEAD)

    def _gated(self, options: dict[str, Any]) -> Callable[[Sequence[Any]], Iterator[Trace]]:
        """`_run` with gates by (layer, head); a first forward pass counts the heads."""
        resolved: dict[str, Any] = {}

        def run(prepared: Sequence[Any]) -> Iterator[Trace]:
            if not resolved:
                resolved["gates"] = self._factors(options["gates"], prepared[0])
            return self._run(prepared, **{**options, **resolved})

        return run

    def _factors(self, gates: Any, prepared: Any) -> dict[int, list[float]]:
        """Gates that name heads one by one as `{layer: [head] of factors}`; a forward pass counts the heads."""
        _, layers = self._reduced([prepared], lambda _: lambda attention, _: attention.shape[1])
        return _gates.factors(gates, [heads for _, heads in layers], self.name)

    def _in_order(
        self, inputs: Iterable[Any], batch_size: int, run: Callable[[Sequence[Any]], Iterable[Any]]
    ) -> Iterator[Any]:
        """The result of `run` for each input, in their order; it receives batches of similar lengths."""
        source = self._prepared(inputs)
        while chunk := list(islice(source, batch_size * READ_AHEAD)):
            order = sorted(range(len(chunk)), key=lambda i: -self._length(chunk[i]))
            done: dict[int, Any] = {}
            for start in range(0, len(order), batch_size):
                numbers = order[start : start + batch_size]
                done.update(zip(numbers, run([chunk[i] for i in numbers])))
            for number in range(len(chunk)):
                yield done.pop(number)

    def reduce(
        self,
        inputs: Iterable[Any],
        reducer: Reducer | None,
        *,
        batch_size: int | None = None,
        logits: bool = False,
        gates: Any = None,
    ) -> Iterator[tuple]:
        """Reduces the attention of each layer while the model runs, batch by batch; no trace is made.

        inputs: any iterable. It is read some batches ahead; these are sorted by length to reduce padding.
        reducer: a function called for each batch with its `InputTokens`. It returns the function that is called for
            each layer, with its `AttentionBatch` and the sides of its queries and keys. None: no attention is recorded.
        batch_size: inputs in a batch; by default as many as the device has room for, fewer when memory runs out.
        logits: whether the logits are yielded too
        gates: as in `traces`

        Yields, batch by batch, the numbers of the inputs and the (name, result) of each layer; with `logits` also the
        logits of each input, as `Trace.logits`, or None where the model returns none.
        Raises InputError for an input that cannot be read; the message names its number.
        """
        if batch_size is not None:
            batch_size = integer("batch_size", batch_size, least=1)
        self._check_inputs(inputs, "reduce")
        source = enumerate(self._prepared(inputs))
        if _gates.are_pairs(gates):
            first = next(source, None)
            source = chain(() if first is None else (first,), source)
            gates = None if first is None else self._factors(gates, first[1])
        budget = _forward.BatchBudget.of(self.device)
        while chunk := list(islice(source, REDUCE_AHEAD)):
            chunk.sort(key=lambda pair: -self._length(pair[1]))
            while chunk:
                length = self._tokens(chunk[0][1])
                batch = chunk[: batch_size or budget.rows(length)]
                rows = [prepared for _, prepared in batch]
                if not self._together(rows):
                    batch, rows = batch[:1], rows[:1]
                results = None
                with budget.attempt(1 if batch_size else len(batch), length):
                    results = self._results(rows, reducer, logits, gates)
                if results is not None:
                    chunk = chunk[len(batch) :]
                    yield [number for number, _ in batch], *results

    def _check_inputs(self, inputs: Any, name: str) -> None:
        """Raises InputError for anything but an iterable of inputs."""
        refuse_columns(inputs)
        if isinstance(inputs, (str, bytes, Path)) or not isinstance(inputs, Iterable):
            raise InputError(
                f"{name}() takes an iterable of inputs, not {type(inputs).__name__}; of a single input: trace(input)"
            )

    def _together(self, prepared: Sequence[Any]) -> bool:
        """Whether these inputs can share a batch."""
        raise NotImplementedError

    def _results(
        self, prepared: Sequence[Any], reducer: Reducer | None, logits: bool, gates: Any = None
    ) -> tuple[list, ...]:
        """What `reduce` yields of a batch, beside the numbers of its inputs."""
        if reducer is None and gates is None:
            return ([], self._answers(prepared)) if logits else ([],)
        output, layers = self._reduced(prepared, reducer or _nothing, gates)
        layers = [] if reducer is None else layers
        return (layers, self._logits_of(output, prepared)) if logits else (layers,)

    def _reduced(
        self, prepared: Sequence[Any], reducer: Reducer, gates: Any = None
    ) -> tuple[Any, list[tuple[str, Any]]]:
        """(what the model returns, the name and the result of each layer)"""
        raise NotImplementedError

    def _logits_of(self, output: Any, prepared: Sequence[Any]) -> list[Tensor | None]:
        """The logits of each input of a batch."""
        raise NotImplementedError

    def _target(self, target: str | int | None) -> str | int | None:
        """A target as its index; "predicted" and None are returned unchanged."""
        if target is None:
            return None
        return _classes.PREDICTED if _classes.is_predicted(target, self.labels) else self.target_index(target)

    def _prepared(self, inputs: Iterable[Any]) -> Iterator[Any]:
        alone = isinstance(inputs, list) and len(inputs) == 1
        for number, input in zip(count(), inputs):
            try:
                prepared = self._prepare(input)
            except InputError as error:
                if alone:
                    raise
                raise InputError(f"input {number}: {error}") from error
            yield prepared

    def prepare(self, input: Any) -> Any:
        """What `trace`, `predict` and `reduce` also take for this input, so that it is read once.

        Raises InputError for an input that cannot be read.
        """
        return self._prepare(input)

    def prepare_all(self, inputs: Sequence[Any]) -> list[Any]:
        """`prepare` of each input; texts are tokenized together. Raises InputError where one cannot be read."""
        return [self._prepare(input) for input in inputs]

    def _prepare(self, input: Any) -> Any:
        raise NotImplementedError

    def _length(self, prepared: Any) -> int:
        raise NotImplementedError

    def _tokens(self, prepared: Any) -> int:
        """About how many tokens the model makes of an input."""
        return self._length(prepared)

    def _run(self, prepared: Sequence[Any], **options: Any) -> Iterator[Trace]:
        raise NotImplementedError

    # -- predictions ----------------------------------------------------------------------------------------

    @overload
    def predict(
        self, input: list[Any], *, top_k: int = 5, batch_size: int = 16, **options: Any
    ) -> list[Any]: ...
    @overload
    def predict(self, input: Any, *, top_k: int = 5, batch_size: int = 16, **options: Any) -> Prediction: ...
    def predict(self, input: Any, *, top_k: int = 5, batch_size: int = 16, **options: Any) -> Any:
        """The model's prediction: label, class index and probability, and the `top_k` most probable classes as `.top`.

        input: any input that the lens reads; for a list, returns a list, computed in batches of similar lengths.

        Label and probability are those of `lens.trace(input).prediction`, computed without recording attention. In a
        multi-label model each class has a probability of its own. For a regression the label is the value, without a
        probability and without `.top`.

        Raises InputError for an input that cannot be read, and where the model returns no class logits, or NaN.

        >>> lens.predict(["not a bad film", "flat"])[0].label
        """
        _forward.check_options(options)
        top_k = integer("top_k", top_k, least=1)
        batch_size = integer("batch_size", batch_size, least=1)
        inputs = listed(input)
        run = partial(self._predictions, top_k=top_k)
        predictions = list(self._in_order([input] if inputs is None else inputs, batch_size, run))
        return predictions[0] if inputs is None else predictions

    def _predictions(self, prepared: Sequence[Any], top_k: int) -> Iterator[Any]:
        return (
            self._prediction(one, logits, top_k) for one, logits in zip(prepared, self._answers(prepared))
        )

    def prediction(self, logits: Tensor) -> Prediction:
        """The prediction that logits `[class]` of one input hold. Raises InputError for NaN."""
        return _predictions.prediction(logits, self.labels, self.activation, 1)

    def _prediction(self, prepared: Any, logits: Tensor | None, top_k: int) -> Any:
        """The prediction of logits `[class]`."""
        if logits is None or logits.ndim != 1:
            raise _predictions.none(self.model)
        return _predictions.prediction(logits, self.labels, self.activation, top_k)

    def _answers(self, prepared: Sequence[Any]) -> list[Tensor | None]:
        """The logits of each input of a batch, without recording attention."""
        raise NotImplementedError

    def _forward(self, inputs: Tensor | dict[str, Tensor]) -> Any:
        with _forward.evaluating(self.model), torch.no_grad():
            return _forward.call(self.model, inputs)

    # -- attributions ---------------------------------------------------------------------------------------

    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any:
        """Attributes the target class to the parts of the input."""
        raise NotImplementedError

    def _compared(self, input: Any, target: Any, options: dict[str, Any]) -> Explanation | None:
        """The explanation of `baseline="compare"`; None for other baselines."""
        from ..attribution import compare_baselines

        if not isinstance(options.get("baseline"), str) or options["baseline"] != "compare":
            return None
        rest = {name: value for name, value in options.items() if name != "baseline"}
        return compare_baselines(self, input, None, target, **rest)

    def explain(
        self,
        input: Any,
        methods: Iterable[Any] | None = None,
        target: str | int | None = None,
        **options: Any,
    ) -> Explanation:
        """Explains one class of one input by several methods: see `compare_methods`.

        >>> lens.explain("not a bad film", ["integrated_gradients", "leave_one_out"]).table
        """
        from ..attribution import compare_methods

        return compare_methods(self, input, methods, target, **options)

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.model.parameters()) / 1e6
        labels = self.labels
        shown = ", ".join(labels) if len(labels) <= 10 else f"{len(labels)}"
        classes = f", classes: {shown}" if labels else ""
        return (
            f"{type(self).__name__} of {self.name} ({type(self.model).__name__}, {size:.1f} M parameters{classes})\n"
            f"  lens.trace(input)      a Trace: tokens, prediction, attention [layer, head, query, key]\n"
            f"  lens.traces(inputs)    an iterator over the traces of many inputs\n"
            f"  lens.predict(inputs)   label, probability and the next classes, without attention\n"
            f"  lens.attribute(input)  an Attribution: a score per token or pixel; lens.explain(input): several methods"
        )


def _nothing(tokens: Any) -> Callable[..., None]:
    """A reducer that keeps nothing."""
    return lambda attention, sides: None


def _kind(model: nn.Module, processor: Any, options: dict[str, Any]) -> type[Lens]:
    from ._image import ImageLens
    from ._text import TextLens

    return ImageLens if _sees_images(model, processor, options) else TextLens


def _check_options(kind: type[Lens], options: dict[str, Any]) -> None:
    """Raises InputError for an option that a lens of this kind does not take."""
    names = [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "model")]
    for name in options:
        if name in ("device", "dtype"):
            raise InputError(
                f"a lens keeps the model's device and dtype and takes no {name}=; convert the model first: "
                f"Lens(model.to({options[name]!r}), ...)"
            )
        if name not in names:
            raise unknown_name(f"option of {kind.__name__}", name, names)


def _sees_images(model: nn.Module, processor: Any, options: dict) -> bool:
    if "patches" in options:
        return True
    if hasattr(processor, "convert_ids_to_tokens"):
        return False
    if getattr(model, "main_input_name", None) == "pixel_values" or hasattr(model, "patches"):
        return True
    if hasattr(processor, "preprocess") and not hasattr(processor, "tokenizer"):
        return True
    return _image_inputs.looks_like_images(model)
