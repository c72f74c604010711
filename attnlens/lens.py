"""A lens: a model together with its tokenizer or image processor, what one asks questions of.

`load` finds a model by name; `Lens(model, processor)` takes one in hand. The same two calls work on either:
`lens.trace(input)` for what attends to what, `lens.attribute(input)` for what made the model decide.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from ._checks import listed, refuse_columns
from .data._trace import Prediction, Trace
from .errors import InputError, unknown_name
from .models import _classes, _forward, _gates, _image_inputs, _predictions, _tasks, _text_inputs
from .models._text_inputs import Encoded

if TYPE_CHECKING:
    from .attribution import Explanation, ImageAttribution, TextAttribution

__all__ = ["ImageLens", "Lens", "TextLens"]

READ_AHEAD = 4
"""Batches that are sorted by length together; so many traces are in memory at once."""


class Lens:
    """A model and what turns an input into its tensors.

    >>> Lens(model, tokenizer)             # a text model of transformers: TextLens
    >>> Lens(model, image_processor)       # a vision model of transformers: ImageLens
    >>> Lens(my_vit, patches=(8, 8))       # any torch vision module over an 8 x 8 grid of patches: ImageLens
    >>> Lens(my_vit, patches=(8, 8), labels=["cat", "dog"])  # with the names of its classes

    labels: class names in the order of the logits, where the model's own are missing or others are wanted

    The model is used where it is, as it is: it stays on its device, in its dtype and attention implementation.
    While it answers it is in eval mode; afterwards every module is in the mode that it was in.
    """

    def __new__(cls, model: nn.Module, processor: Any = None, **options: Any) -> Lens:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"Lens() needs a torch module, not {type(model).__name__}; al.load() takes a name or a folder"
            )
        if cls is Lens:
            cls = ImageLens if _sees_images(model, processor, options) else TextLens
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
        known = _tasks.config_of(model, "_name_or_path") or type(model).__name__
        self.name = Path(known).name if Path(known).is_dir() else known

    def __getnewargs__(self) -> tuple[nn.Module, Any]:
        return self.model, self.processor  # so that a lens can be copied and pickled

    # -- what a lens is -------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are; inputs are sent there."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the model's parameters."""
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; () where nobody names any."""
        if self._given_labels is not None:
            return self._given_labels
        names = _tasks.config_of(self.model, "id2label")
        if names and self.task in ("sequence", "image", "token"):
            return tuple(str(names[i]) for i in sorted(names))
        return tuple(map(str, getattr(self.model, "labels", None) or ()))

    @property
    def activation(self) -> str:
        """From logits to probabilities: "softmax", "sigmoid" (multi-label) or "none" (regression)."""
        problem = _tasks.config_of(self.model, "problem_type")
        if problem == "multi_label_classification":
            return "sigmoid"
        single = self.task in ("sequence", "image") and len(self.labels) == 1
        return "none" if problem == "regression" or single else "softmax"

    def check_classes(self, count: int) -> None:
        """Raises InputError where labels were given, and not one for each of `count` logits."""
        if self._given_labels is not None:
            _classes.check_count(self._given_labels, count, self.model)

    def target_index(self, target: str | int) -> int:
        """The class index of a target by name (in any case) or number.

        Raises InputError that lists the classes for a name or number that the model does not have.
        """
        # A language model may have more logits than its tokenizer has tokens: they are counted when it has run.
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
        """Runs the model on one input and returns its trace; a list of inputs gives the list of their traces."""
        inputs = listed(input)
        if inputs is not None:
            return list(self.traces(inputs, **options))
        return next(self.traces([input], **options))

    def traces(self, inputs: Iterable[Any], *, batch_size: int = 16, **options: Any) -> Iterator[Trace]:
        """The trace of every input, in the given order, one by one: a thousand never sit in memory together.

        inputs: any iterable; it is read a few batches ahead, and those are sorted by length so that little
            padding is computed.
        options: store, dtype and values as for `capture`;
            target: a class by name or index, or "predicted": keep the values and the gradient of its logit too;
            gates: factors put on what the heads have mixed, 0 switches a head off: `{layer: [head] of factors}`,
            `{(layer, head): factor}`, or pairs (layer, head) of heads to switch off, as `al.ablate` takes them. Heads
            that are named one by one are counted first, by one more forward pass.

        Raises InputError for an input that cannot be read, with its number.
        """
        _forward.check_options(options, *_forward.OPTIONS, "batch_size")
        if "target" in options:
            options["target"] = self._target(options["target"])
        _check_whole("batch_size", batch_size)
        refuse_columns(inputs)
        if isinstance(inputs, (str, bytes, Path)) or not isinstance(inputs, Iterable):
            raise InputError(
                f"traces() takes an iterable of inputs, not {type(inputs).__name__}; for a single one: trace(input)"
            )
        run = (
            self._gated(options) if _gates.are_pairs(options.get("gates")) else partial(self._run, **options)
        )
        return self._in_order(inputs, batch_size, run)

    def _gated(self, options: dict[str, Any]) -> Callable[[Sequence[Any]], Iterator[Trace]]:
        """`_run` with gates that name heads one by one: how many there are is known when the model has run once."""
        known: dict[str, Any] = {}

        def run(prepared: Sequence[Any]) -> Iterator[Trace]:
            if not known:
                layers = next(self._run(prepared[:1])).layers
                heads = [layer.attention.heads for layer in layers]
                known["gates"] = _gates.factors(options["gates"], heads, self.name)
            return self._run(prepared, **{**options, **known})

        return run

    def _in_order(
        self, inputs: Iterable[Any], batch_size: int, run: Callable[[Sequence[Any]], Iterable[Any]]
    ) -> Iterator[Any]:
        """What `run` makes of each input, in the given order; it gets batches of similar lengths."""
        source = self._prepared(inputs)
        while chunk := list(islice(source, batch_size * READ_AHEAD)):
            order = sorted(range(len(chunk)), key=lambda i: -self._length(chunk[i]))
            done: dict[int, Any] = {}
            for start in range(0, len(order), batch_size):
                numbers = order[start : start + batch_size]
                done.update(zip(numbers, run([chunk[i] for i in numbers])))
            for number in range(len(chunk)):
                yield done.pop(number)

    def _target(self, target: str | int | None) -> str | int | None:
        """A target as its index, but "predicted" and None as they are."""
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

    def _prepare(self, input: Any) -> Any:
        raise NotImplementedError

    def _length(self, prepared: Any) -> int:
        raise NotImplementedError

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
        """What the model says: label, class index and probability, and the `top_k` likeliest classes as `.top`.

        input: what the lens reads; a list gives a list, computed in batches of similar lengths.

        The label and the probability are those of `lens.trace(input).prediction`, at the price of a forward pass that
        nobody listens to. Of a multi-label model each class has a probability of its own; of a regression the label is
        the value, without a probability and without `.top`.

        Raises InputError for an input that cannot be read, and where the model gives no class logits, or NaN.

        >>> lens.predict(["not a bad film", "flat"])[0].label
        """
        _forward.check_options(options)
        _check_whole("top_k", top_k)
        _check_whole("batch_size", batch_size)
        inputs = listed(input)
        run = partial(self._predictions, top_k=top_k)
        found = list(self._in_order([input] if inputs is None else inputs, batch_size, run))
        return found[0] if inputs is None else found

    def _predictions(self, prepared: Sequence[Any], top_k: int) -> Iterator[Any]:
        return (
            self._prediction(one, logits, top_k) for one, logits in zip(prepared, self._answers(prepared))
        )

    def _prediction(self, prepared: Any, logits: Tensor | None, top_k: int) -> Any:
        """The answer of logits `[class]`."""
        if logits is None or logits.ndim != 1:
            raise _predictions.none(self.model)
        return _predictions.prediction(logits, self.labels, self.activation, top_k)

    def _answers(self, prepared: Sequence[Any]) -> list[Tensor | None]:
        """The logits of each input of a batch, without listening to the attention."""
        raise NotImplementedError

    def _forward(self, inputs: Tensor | dict[str, Tensor]) -> Any:
        with _forward.evaluating(self.model), torch.no_grad():
            return _forward.call(self.model, inputs)

    # -- attributions ---------------------------------------------------------------------------------------

    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any:
        """How much each part of the input spoke for the target class."""
        raise NotImplementedError

    def _compared(self, input: Any, target: Any, options: dict[str, Any]) -> Explanation | None:
        """What `baseline="compare"` asks for."""
        from .attribution import compare_baselines

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
        """The input explained by several methods beside each other, for one class: see `compare_methods`.

        >>> lens.explain("not a bad film", ["integrated_gradients", "leave_one_out"]).table
        """
        from .attribution import compare_methods

        return compare_methods(self, input, methods, target, **options)

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.model.parameters()) / 1e6
        labels = self.labels
        shown = ", ".join(labels) if len(labels) <= 10 else f"{len(labels)}"
        classes = f", classes: {shown}" if labels else ""
        return (
            f"{type(self).__name__} of {self.name} ({type(self.model).__name__}, {size:.1f} M parameters{classes})\n"
            f"  lens.trace(input)      a Trace: tokens, prediction, attention [layer, head, query, key]\n"
            f"  lens.traces(inputs)    the same for many, one by one\n"
            f"  lens.predict(inputs)   label, probability and the next classes, without attention\n"
            f"  lens.attribute(input)  an Attribution: what made it decide; lens.explain(input): by several methods"
        )


class TextLens(Lens):
    """A text model of transformers with its tokenizer.

    >>> lens = al.load("sentiment")
    >>> lens.trace("a gripping , funny film")            # one text
    >>> lens.trace(("premise", "hypothesis"))            # a pair
    >>> lens.trace(["one", "two"])                       # a list: a list of traces
    >>> lens.trace(long_text, window=256, overlap=64)    # a list: one trace per window
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any = None,
        *,
        labels: Sequence[str] | Mapping[int, str] | None = None,
    ):
        super().__init__(model, tokenizer, labels=labels)
        self.tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
        if not callable(getattr(self.tokenizer, "convert_ids_to_tokens", None)):
            _refuse_function(model, tokenizer)
            raise InputError(
                "a text model needs its tokenizer: Lens(model, tokenizer) takes a transformers tokenizer, not "
                f"{type(tokenizer).__name__}; a hand-written model with other tokens runs inside `with "
                "attnlens.capture(model) as recording:`, then recording.traces(tokens=...); for a vision module "
                "give the patch grid: Lens(model, patches=(rows, cols))"
            )
        wanted = getattr(model, "main_input_name", "input_ids")
        if wanted != "input_ids":
            raise InputError(f"{type(model).__name__} takes {wanted}, not text; give it its own processor")
        _text_inputs.check_vocabulary(model, self.tokenizer)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; for a language model the text of every token."""
        return self._vocabulary if self.task in _tasks.LANGUAGE else super().labels

    @cached_property
    def _vocabulary(self) -> tuple[str, ...]:
        return _text_inputs.vocabulary(self.tokenizer)

    @property
    def max_tokens(self) -> int | None:
        """The longest input in tokens, special ones included; None where neither model nor tokenizer has a limit."""
        limits = [self.tokenizer.model_max_length]
        positions = _tasks.config_of(self.model, "max_position_embeddings")
        if isinstance(positions, int) and positions > 0:
            # RoBERTa counts positions from the padding index on.
            shift = [
                m.padding_idx + 1
                for name, m in self.model.named_modules()
                if isinstance(m, nn.Embedding)
                and name.endswith("position_embeddings")
                and m.padding_idx is not None
            ]
            limits.append(positions - max(shift, default=0))
        limit = min(limits)
        return int(limit) if limit < 1_000_000 else None

    @overload
    def trace(self, input: list[Any], **options: Any) -> list[Trace]: ...
    @overload
    def trace(self, input: Any, *, window: int, **options: Any) -> list[Trace]: ...
    @overload
    def trace(self, input: Any, **options: Any) -> Trace: ...
    def trace(
        self,
        input: Any,
        *,
        window: int | None = None,
        overlap: int | None = None,
        output: str | None = None,
        **options: Any,
    ) -> Trace | list[Trace]:
        """Runs the model on a text, a pair of texts, or a list of them.

        window: for texts longer than the model's limit: read it in windows of so many tokens, special ones
            included, `overlap` (a quarter by default) shared by neighbours. One text then gives a list of
            traces, in order; character spans count from the beginning of the whole text. Of a pair the second
            text is read in windows and the first stands in each.
        output: for an encoder-decoder: the text that its decoder reads; its start token alone by default.
        options: as for `traces`; batch_size.

        Raises InputError for an empty text, another type, or a text over the limit without `window`.
        """
        _forward.check_options(options, *_forward.OPTIONS, "batch_size", "window", "overlap", "output")
        self._check_whole_text(input, window, overlap, output)
        if output is not None:
            return next(self.traces([self.encode(input, output)], **options))
        if window is None:
            return super().trace(input, **options)
        inputs = listed(input)
        if inputs is not None:
            return [self.trace(one, window=window, overlap=overlap, **options) for one in inputs]
        pieces = _text_inputs.windows(self.tokenizer, input, window, overlap, self.max_tokens)
        return list(self.traces(pieces, **options))

    @staticmethod
    def _check_whole_text(input: Any, window: int | None, overlap: int | None, output: str | None) -> None:
        if overlap is not None and window is None:
            raise InputError("overlap= is shared by neighbouring windows; give window= too")
        if output is not None and (window is not None or listed(input) is not None):
            raise InputError("output= belongs to one text without windows; take the texts one by one")

    def predict(
        self,
        input: Any,
        *,
        top_k: int = 5,
        batch_size: int = 16,
        window: int | None = None,
        overlap: int | None = None,
        output: str | None = None,
        **options: Any,
    ) -> Any:
        """What the model says: label, class index and probability, and the `top_k` likeliest classes as `.top`.

        input: a text or pair; a list gives a list, computed in batches of similar lengths.
        window, overlap: for a text longer than the model, as in `trace`: the answer is that of the mean of its
            windows' logits.
        output: the text that the decoder of an encoder-decoder has written so far.

        The label and the probability are those of `lens.trace(input).prediction`, at the price of a forward pass that
        nobody listens to. Of a multi-label model each class has a probability of its own; of a regression the label is
        the value, without a probability and without `.top`. A language model names its next token, a masked one the
        token of its first mask. Token classification gives a list, a prediction for each token of
        `lens.encode(text).tokens`; question answering the words of the answer, with the index and the probability of
        its first token.

        Raises InputError for an input that cannot be read, and where the model gives no class logits, or NaN.

        >>> lens.predict(["not a bad film", "flat"])[0].label
        """
        self._check_whole_text(input, window, overlap, output)
        options = {"top_k": top_k, "batch_size": batch_size, **options}
        if window is None:
            return super().predict(input if output is None else self.encode(input, output), **options)
        inputs = listed(input)
        if inputs is not None:
            return [self.predict(one, window=window, overlap=overlap, **options) for one in inputs]
        if self.task in ("question", "token", *_tasks.LANGUAGE):
            raise InputError(
                f"window= is for models that give one answer for a text, and {type(self.model).__name__} answers at "
                "a place in it; cut the text around that place"
            )
        _forward.check_options(options, "top_k", "batch_size")
        pieces = _text_inputs.windows(self.tokenizer, input, window, overlap, self.max_tokens)
        rows = list(self._in_order(pieces, batch_size, self._answers))
        mean = None if None in rows else torch.stack(rows).mean(0)
        return self._prediction(pieces[0], mean, top_k)

    @overload
    def attribute(self, input: list[Any], target: Any = None, **options: Any) -> list[Any]: ...
    @overload
    def attribute(
        self, input: Any, target: list[Any] | tuple[Any, ...], **options: Any
    ) -> list[TextAttribution]: ...
    @overload
    def attribute(
        self, input: Any, target: str | int | None = None, *, baseline: Literal["compare"], **options: Any
    ) -> Explanation: ...
    @overload
    def attribute(self, input: Any, target: str | int | None = None, **options: Any) -> TextAttribution: ...
    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any:
        """How much each token spoke for a class, with the error of the scores.

        input: a text or pair; a list gives a list, computed in batches of similar lengths.
        target: class name or index, or "predicted" (the default); a list gives one attribution for each class, or, of a
            list of texts, holds the target of each: one, or a list of several. For a language model a token of the
            vocabulary, for question answering "start" (the default) or "end".
        method: "integrated_gradients" (the default: adaptive, in as many steps as `tolerance` needs), or any of
            `attnlens.attribution.METHODS`, each explained in the guide's page on methods.
        against: a second class: explain why `target` rather than that one; of a list of texts one for all, or a list
            with one for each.
        unit: "logit" (the default) or "probability", what the scores divide up.
        baseline: "pad" (the default), "mask", "zero", "mean" (of all word embeddings), a text of several words, token
            ids, a tensor `[token, d]`; a list is averaged over (expected gradients); "compare" gives the `Explanation`
            that holds each of the four beside the others. Special tokens stay in each.
        layer: "word" (the default) or "embeddings", the output of the whole embedding module; or a module or its path.
        position: the token whose label, or next token, is explained, by number or text: token classification needs it,
            for language models it is the last token or the first mask.
        window, overlap: for a text longer than the model, as in `trace`: F is the mean over its windows.
        output: the text that the decoder of an encoder-decoder has written so far.
        level: "token" (the default), "word" or "sentence".
        progress: show a bar over the texts.
        options: of the method: tolerance and max_steps of integrated gradients (or n_steps and rule, for Captum's fixed
            number), n_samples, noise and seed of those that sample.

        Raises InputError for an unknown target, method, baseline or option, listing the known ones.

        >>> lens.attribute("not a bad film", "positive", against="negative", level="word").table
        """
        from .attribution import attribute_text

        return self._compared(input, target, options) or attribute_text(self, input, target, **options)

    # -- from text to tensors -------------------------------------------------------------------------------

    def encode(self, input: str | tuple[str, str], output: str | None = None) -> Encoded:
        """One text or pair with its tokens, unpadded; with the text that the decoder reads, if there is one.

        Raises InputError as `trace` does.
        """
        encoded = _text_inputs.encode(self.tokenizer, input)
        if self.max_tokens is not None and len(encoded) > self.max_tokens:
            raise InputError(
                f"the text has {len(encoded)} tokens, the model takes {self.max_tokens}; read it in overlapping "
                f"windows: window={self.max_tokens}, or --window {self.max_tokens} in a shell"
            )
        if output is not None and not self._seq2seq:
            raise InputError(
                f"{self.name} is no encoder-decoder: it has no output to read; leave output= away"
            )
        return encoded if output is None else self._with_output(encoded, output)

    def batch(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """Padded tensors `[batch, token]` on the model's device, by the names that the model takes."""
        _text_inputs.check_ids(self.model, self.tokenizer, encoded)
        taken = inspect.signature(self.model.forward).parameters
        rows = [one.inputs for one in encoded]
        if "input_ids" in taken:  # a wrapper that passes everything on names nothing
            rows = [{name: row[name] for name in row if name in taken} for row in rows]
        blanks = {"input_ids": self._pad_id or 0, "token_type_ids": self.tokenizer.pad_token_type_id}
        return {name: rows.to(self.device) for name, rows in _text_inputs.pad(rows, blanks).items()}

    def inputs(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """`batch`, and what the decoder of an encoder-decoder reads."""
        inputs = self.batch(encoded)
        decoder = [one.output_ids for one in map(self._with_start, encoded)]
        if any(decoder):
            inputs["decoder_input_ids"] = torch.tensor(decoder, device=self.device)
        return inputs

    @property
    def _pad_id(self) -> int | None:
        """The model's padding token before the tokenizer's: by it the model finds the end of a text."""
        own = _tasks.config_of(self.model, "pad_token_id")
        return own if isinstance(own, int) and own >= 0 else self.tokenizer.pad_token_id

    @property
    def batches(self) -> bool:
        """Whether texts of several lengths can go through the model together and come out as if alone."""
        head = self.task
        if self._seq2seq and head in ("sequence", "question"):
            return False  # its decoder reads the padding too
        if head == "sequence" and hasattr(self.model, "config"):
            # GPT-2 looks for the last token that is no padding.
            return _tasks.config_of(self.model, "pad_token_id") is not None
        taken = inspect.signature(self.model.forward).parameters
        return "input_ids" not in taken or "attention_mask" in taken

    # -- from tensors to traces -----------------------------------------------------------------------------

    def _prepare(self, input: Any) -> Encoded:
        return input if isinstance(input, Encoded) else self.encode(input)

    def _length(self, prepared: Encoded) -> int:
        return len(prepared)

    def _run(self, prepared: Sequence[Encoded], **options: Any) -> Iterator[Trace]:
        if len(prepared) > 1 and not self.batches:
            for one in prepared:
                yield from self._run([one], **options)
            return
        prepared = [self._with_start(one) for one in prepared]
        inputs = self.inputs(prepared)
        logits_of = partial(self._checked_logits, encoded=prepared)
        output, layers, targets = _forward.run_for(self.model, inputs, logits_of, len(prepared), **options)
        for item, one in enumerate(prepared):
            yield Trace(
                layers=_forward.sided(layers[item], len(one.tokens), len(one.output_tokens), self._seq2seq),
                model=self.name,
                tokens=one.tokens,
                output_tokens=one.output_tokens,
                text=one.text,
                logits=_tasks.kept(logits_of(output, item)),
                labels=self.labels,
                activation=self.activation,
                target=targets[item],
            )

    @property
    def _seq2seq(self) -> bool:
        return bool(_tasks.config_of(self.model, "is_encoder_decoder"))

    def _with_start(self, encoded: Encoded) -> Encoded:
        """With the decoder's start token where it reads nothing yet; a classifier makes its decoder's input itself."""
        makes = not self._seq2seq or self.task in ("sequence", "question")
        return encoded if makes or encoded.output_ids else self._with_output(encoded, "")

    def _with_output(self, encoded: Encoded, output: str) -> Encoded:
        start = _tasks.config_of(self.model, "decoder_start_token_id")
        ids, tokens = _text_inputs.output(
            self.tokenizer, output, int(self._pad_id or 0) if start is None else start
        )
        return replace(encoded, output_ids=ids, output_tokens=tokens)

    def _answers(self, prepared: Sequence[Encoded]) -> list[Tensor | None]:
        if len(prepared) > 1 and not self.batches:
            return [logits for one in prepared for logits in self._answers([one])]
        prepared = [self._with_start(one) for one in prepared]
        output = self._forward(self.inputs(prepared))
        return [_tasks.kept(self._checked_logits(output, item, prepared)) for item in range(len(prepared))]

    def _prediction(self, prepared: Encoded, logits: Tensor | None, top_k: int) -> Any:
        head = self.task
        if logits is None or logits.ndim == 1 or head not in ("question", "token"):
            return super()._prediction(prepared, logits, top_k)
        if head == "question":
            from .attribution.text._merging import joined

            return _predictions.span(logits, lambda a, b: joined(prepared.tokens[a:b], prepared.text).text)
        return [super(TextLens, self)._prediction(prepared, row, top_k) for row in logits]

    def _checked_logits(self, output: Any, item: int, encoded: Sequence[Encoded]) -> Tensor | None:
        logits = self._logits(output, item, encoded)
        if logits is not None:
            self.check_classes(logits.shape[-1])
        return logits

    def _logits(self, output: Any, item: int, encoded: Sequence[Encoded]) -> Tensor | None:
        """One input's logits without padding, in the shape that `Trace` says."""
        head, one = self.task, encoded[item]
        length = len(one)
        if head == "question" and hasattr(output, "start_logits"):
            return torch.stack([output.start_logits[item, :length], output.end_logits[item, :length]])
        logits = _tasks.read(output)
        if logits is None or logits.ndim == 2:
            return None if logits is None else logits[item]
        if head == "token":
            return logits[item, :length]
        place = self.answer_place(one)
        return None if place is None or logits.ndim != 3 else logits[item, place]

    def answer_place(self, encoded: Encoded) -> int | None:
        """Which position's logits are a language model's answer: the last token, or the first mask; else None."""
        head = self.task
        if head == "masked":
            places = [i for i, token in enumerate(encoded.tokens) if token.id == self.tokenizer.mask_token_id]
            return places[0] if places else None
        return {"causal": len(encoded) - 1, "seq2seq": max(len(encoded.output_ids) - 1, 0)}.get(head)


class ImageLens(Lens):
    """A vision model with its image processor, or any torch vision module with its patch grid.

    >>> lens = al.load("cifar")
    >>> lens.trace("cat.png")                  # a path, a PIL image, an array, or a tensor
    >>> al.Lens(my_vit, patches=(8, 8))        # tensors [3, height, width] go in as they are;
    ...                                        # pictures go through my_vit.preprocess, or to 0..1 floats
    >>> al.Lens(my_vit, transform, patches=(8, 8))  # pictures go through transform

    processor: an image processor of transformers, or for any vision module a function (as torchvision's
        transforms are) that makes a float tensor `[channel, height, width]` of a PIL image in RGB. The trace then
        shows the whole image, resized to that height and width.
    patches: (rows, cols) of the grid; found by itself for models of transformers.
    """

    def __init__(
        self,
        model: nn.Module,
        processor: Any = None,
        *,
        patches: tuple[int, int] | None = None,
        labels: Sequence[str] | Mapping[int, str] | None = None,
    ):
        super().__init__(model, getattr(processor, "image_processor", processor), labels=labels)
        if self.processor is not None and (
            not callable(self.processor) or hasattr(processor, "convert_ids_to_tokens")
        ):
            raise InputError(
                f"a vision model needs an image processor, or none, not {type(processor).__name__}: "
                "Lens(model, image_processor), Lens(model, preprocess, patches=(rows, cols)) with a function that "
                "makes the tensor of a PIL image, or Lens(model, patches=(rows, cols))"
            )
        given = patches if patches is not None else getattr(model, "patches", None)
        if given is not None:
            pair = tuple(given) if isinstance(given, Iterable) else ()
            if len(pair) != 2 or not all(type(n) is int and n > 0 for n in pair):
                raise InputError(f"patches must be (rows, cols), two positive integers, not {given!r}")
            given = pair
        self.patches: tuple[int, int] | None = given

    @overload
    def attribute(self, input: list[Any], target: Any = None, **options: Any) -> list[Any]: ...
    @overload
    def attribute(
        self, input: Any, target: list[Any] | tuple[Any, ...], **options: Any
    ) -> list[ImageAttribution]: ...
    @overload
    def attribute(
        self, input: Any, target: str | int | None = None, *, baseline: Literal["compare"], **options: Any
    ) -> Explanation: ...
    @overload
    def attribute(self, input: Any, target: str | int | None = None, **options: Any) -> ImageAttribution: ...
    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any:
        """How much each pixel spoke for a class, with the error of the scores.

        input: whatever the lens reads; a list gives a list.
        target: class name or index, or "predicted" (the default); a list gives one attribution for each class, or, of a
            list of pictures, holds the target of each: one, or a list of several.
        method: "integrated_gradients" (the default), or another of `attnlens.attribution.IMAGE_METHODS`, each explained
            in the guide's page on methods.
        against: a second class: explain why `target` rather than that one; of a list of pictures one for all, or a list
            with one for each.
        unit: "logit" (the default) or "probability", what the scores divide up.
        baseline: "black" (the default; "zero" for tensors that nothing says the colours of), "white", "grey", "blur",
            "random", "zero", a picture, or a tensor of the model's shape; a list is averaged over (expected gradients);
            "compare" gives the `Explanation` that holds several beside each other.
        layer: of Grad-CAM, a module or its path; the last feature map by default.
        options: of the method: tolerance and max_steps of integrated gradients (or n_steps, for Captum's fixed number),
            n_samples, noise and seed of those that sample, window and stride of occlusion, grid of shapley.

        Raises InputError for an unknown target, method, baseline, layer or option, listing the known ones.

        >>> lens.attribute("cat.png", "cat", against="dog", baseline="blur").plot()
        """
        from .attribution import attribute_image

        return self._compared(input, target, options) or attribute_image(self, input, target, **options)

    def _prepare(self, input: Any) -> tuple[Tensor, Any, bool]:
        """(pixels, the picture that they show, whether it is a picture that nothing prepared)"""
        raw = not isinstance(input, Tensor) and _image_inputs.preprocess(self) is None
        return *_image_inputs.prepare(self, input), raw

    def _length(self, prepared: tuple[Tensor, Any, bool]) -> int:
        return prepared[0].shape[-1] * prepared[0].shape[-2]

    def _run(self, prepared: Sequence[tuple[Tensor, Any, bool]], **options: Any) -> Iterator[Trace]:
        shapes = [pixels.shape for pixels, *_ in prepared]
        if len(set(shapes)) > 1:  # images of several sizes, as a custom module may take: one by one
            for one in prepared:
                yield from self._run([one], **options)
            return
        with _explaining_raw(prepared):
            output, layers, targets = _forward.run_for(
                self.model, self._inputs(prepared), self._logits, len(prepared), **options
            )
        for item, (one, shown, _) in enumerate(prepared):
            grid = _image_inputs.grid(self, one, shown, layers[item])
            yield Trace(
                layers=_forward.sided(layers[item], 0 if grid is None else len(grid), 0),
                model=self.name,
                patches=grid,
                logits=_tasks.kept(self._logits(output, item)),
                labels=self.labels,
                activation=self.activation,
                target=targets[item],
            )

    def _inputs(self, prepared: Sequence[tuple[Tensor, Any, bool]]) -> Tensor | dict[str, Tensor]:
        pixels = torch.stack([p.to(self.device, self.dtype) for p, *_ in prepared])
        named = "pixel_values" in inspect.signature(self.model.forward).parameters
        return {"pixel_values": pixels} if named else pixels

    def _answers(self, prepared: Sequence[tuple[Tensor, Any, bool]]) -> list[Tensor | None]:
        if len({pixels.shape for pixels, *_ in prepared}) > 1:
            return [logits for one in prepared for logits in self._answers([one])]
        with _explaining_raw(prepared):
            output = self._forward(self._inputs(prepared))
        return [_tasks.kept(self._logits(output, item)) for item in range(len(prepared))]

    def _logits(self, output: Any, item: int) -> Tensor | None:
        logits = _tasks.read(output)
        if logits is None or logits.ndim != 2:
            return None
        self.check_classes(logits.shape[1])
        return logits[item]


@contextmanager
def _explaining_raw(prepared: Sequence[tuple[Tensor, Any, bool]]) -> Iterator[None]:
    """What to do where a model fails on a picture that nothing prepared."""
    try:
        yield
    except InputError as error:
        if error.__cause__ is None or not any(raw for *_, raw in prepared):
            raise
        raise InputError(
            f"{error}. The picture went in as it is, in 0..1 floats; pass a function that makes the tensor: "
            "Lens(module, preprocess, patches=(rows, cols))"
        ) from error.__cause__


def _check_options(kind: type[Lens], options: dict[str, Any]) -> None:
    """Raises InputError for what a lens of this kind cannot be told."""
    known = [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "model")]
    for name in options:
        if name in ("device", "dtype"):
            raise InputError(
                f"a lens uses the model where and as it is: Lens(model.to({options[name]!r}), ...)"
            )
        if name not in known:
            raise unknown_name(f"option of {kind.__name__}", name, known)


def _check_whole(name: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InputError(f"{name} must be an integer of at least 1, not {number!r}")


def _refuse_function(model: nn.Module, processor: Any) -> None:
    """A function in the place of a tokenizer prepares pictures."""
    if callable(processor) and not hasattr(model, "config"):
        raise InputError(
            f"{type(model).__name__} is not known for a vision module; if it is one, give the rows and columns of its "
            "patches beside what prepares its pictures: Lens(module, preprocess, patches=(rows, cols))"
        )


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
