"""Text models of transformers with their tokenizers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from .._checks import listed
from ..analysis._axis_tokens import InputTokens
from ..data._batch import AttentionBatch
from ..data._trace import Trace
from ..errors import InputError
from ..models import _forward, _predictions, _tasks, _text_inputs
from ..models._text_inputs import Encoded
from ._lens import Lens, Reducer

if TYPE_CHECKING:
    from ..attribution import Explanation, TextAttribution


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
                f"{type(tokenizer).__name__}; run a hand-written model with other tokens inside `with "
                "attnlens.capture(model) as recording:` and call recording.traces(tokens=...); for a vision module "
                "pass the patch grid: Lens(model, patches=(rows, cols))"
            )
        wanted = getattr(model, "main_input_name", "input_ids")
        if wanted != "input_ids":
            raise InputError(f"{type(model).__name__} takes {wanted}, not text; pass its own processor")
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
        """Maximum input length in tokens, special ones included; None where neither model nor tokenizer has a limit."""
        limits = [self.tokenizer.model_max_length]
        positions = _tasks.config_of(self.model, "max_position_embeddings")
        if isinstance(positions, int) and positions > 0:
            limits.append(positions - self._first_position)
        limit = min(limits)
        return int(limit) if limit < 1_000_000 else None

    @cached_property
    def _first_position(self) -> int:
        """The number of the first position: RoBERTa counts from the padding index on."""
        shifts = [
            module.padding_idx + 1
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Embedding)
            and name.endswith("position_embeddings")
            and module.padding_idx is not None
        ]
        return max(shifts, default=0)

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

        window: window length in tokens, special ones included, for texts longer than the model's limit. Neighbouring
            windows share `overlap` tokens (a quarter by default). Returns a list of traces for one text, in order;
            character spans count from the beginning of the whole text. For a pair, only the second text is split, and
            every window holds the first.
        output: for an encoder-decoder, the text that the decoder reads; its start token alone by default.
        options: as for `traces`, and batch_size.

        Raises InputError for an empty text, another type, or a text over the limit without `window`.
        """
        _forward.check_options(options, *_forward.OPTIONS, "batch_size", "window", "overlap", "output")
        self._check_whole_text(input, window, overlap, output)
        if output is not None:
            return self._only(self.encode(input, output), **options)
        if window is None:
            return super().trace(input, **options)
        inputs = listed(input)
        if inputs is not None:
            return [self.trace(text, window=window, overlap=overlap, **options) for text in inputs]
        pieces = _text_inputs.windows(self.tokenizer, input, window, overlap, self.max_tokens)
        return list(self.traces(pieces, **options))

    @staticmethod
    def _check_whole_text(input: Any, window: int | None, overlap: int | None, output: str | None) -> None:
        if overlap is not None and window is None:
            raise InputError("overlap= is the overlap of neighbouring windows; pass window= too")
        if output is not None and (window is not None or listed(input) is not None):
            raise InputError("output= belongs to one text without windows; pass the texts one by one")

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
        """The model's prediction: label, class index and probability, and the `top_k` most probable classes as `.top`.

        input: a text or pair; for a list, returns a list, computed in batches of similar lengths.
        window, overlap: for a text longer than the model's limit, as in `trace`; the prediction is that of the mean of
            the windows' logits.
        output: the text that the decoder of an encoder-decoder has written so far.

        Label and probability are those of `lens.trace(input).prediction`, computed without recording attention. In a
        multi-label model each class has a probability of its own. For a regression the label is the value, without a
        probability and without `.top`. A causal language model predicts the next token, a masked one the token at its
        first mask. Token classification returns a list, one prediction for each token of `lens.encode(text).tokens`.
        Question answering returns the text of the answer, with the index and the probability of its first token.

        Raises InputError for an input that cannot be read, and where the model returns no class logits, or NaN.

        >>> lens.predict(["not a bad film", "flat"])[0].label
        """
        self._check_whole_text(input, window, overlap, output)
        options = {"top_k": top_k, "batch_size": batch_size, **options}
        if window is None:
            return super().predict(input if output is None else self.encode(input, output), **options)
        inputs = listed(input)
        if inputs is not None:
            return [self.predict(text, window=window, overlap=overlap, **options) for text in inputs]
        if self.task in ("question", "token", *_tasks.LANGUAGE):
            raise InputError(
                f"window= is for models with one prediction per text, and {type(self.model).__name__} predicts at a "
                "position of the text; shorten the text around that position"
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
        """Attributes a class to the tokens of a text: one score per token, with the error of the scores.

        input: a text or pair; for a list, returns a list, computed in batches of similar lengths.
        target: class name or index, or "predicted" (the default). For one text, a list returns one attribution per
            class; for a list of texts, a list holds the target of each: one, or a list of several. For a language
            model, a token of the vocabulary; for question answering, "start" (the default) or "end".
        method: "integrated_gradients" (the default: adaptive, with as many steps as `tolerance` needs), or another of
            `attnlens.attribution.METHODS`; the guide's page on methods explains each.
        against: a second class, for the contrast between `target` and it; for a list of texts, one for all or a list
            with one for each.
        unit: unit of the scores, "logit" (the default) or "probability".
        baseline: "pad" (the default), "mask", "zero", "mean" (of all word embeddings), a text of several words, token
            ids, or a tensor `[token, d]`. Scores are averaged over a list (expected gradients); "compare" returns an
            `Explanation` with one attribution for each of the four names. Special tokens stay in every baseline.
        layer: "word" (the default) or "embeddings", the output of the whole embedding module; or a module or its path.
        position: the token whose label, or next token, is explained, by number or text. Required for token
            classification; for language models by default the last token or the first mask.
        window, overlap: for a text longer than the model's limit, as in `trace`; F is the mean over the windows.
        output: the text that the decoder of an encoder-decoder has written so far.
        level: "token" (the default), "word" or "sentence".
        progress: show a progress bar over the texts.
        options: options of the method: tolerance and max_steps of integrated gradients (or n_steps and rule for
            Captum's fixed number of steps); n_samples, noise and seed of methods that sample.

        Raises InputError for an unknown target, method, baseline or option, and lists the known ones.

        >>> lens.attribute("not a bad film", "positive", against="negative", level="word").table
        """
        from ..attribution.text._explain import attribute_text

        return self._compared(input, target, options) or attribute_text(self, input, target, **options)

    # -- from text to tensors -------------------------------------------------------------------------------

    def encode(self, input: str | tuple[str, str], output: str | None = None) -> Encoded:
        """Tokenizes one text or pair, without padding, and the text that the decoder reads, if there is one.

        Raises InputError as `trace` does.
        """
        encoded = _text_inputs.encode(self.tokenizer, input)
        self._check_length(encoded, self.max_tokens)
        if output is not None and not self._seq2seq:
            raise InputError(f"{self.name} is not an encoder-decoder and reads no output; omit output=")
        return encoded if output is None else self._with_output(encoded, output)

    def prepare_all(self, inputs: Sequence[Any]) -> list[Encoded]:
        encoded, limit = _text_inputs.encode_all(self.tokenizer, inputs), self.max_tokens
        for one in encoded:
            self._check_length(one, limit)
        return encoded

    @staticmethod
    def _check_length(encoded: Encoded, limit: int | None) -> None:
        if limit is not None and len(encoded) > limit:
            raise InputError(
                f"the text has {len(encoded)} tokens, the model takes {limit}; split it into overlapping windows: "
                f"window={limit}, or --window {limit} in a shell"
            )

    def batch(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """Padded tensors `[batch, token]` on the model's device, under the names of the model's arguments."""
        _text_inputs.check_ids(self.model, self.tokenizer, encoded)
        taken = inspect.signature(self.model.forward).parameters
        rows = [text.inputs for text in encoded]
        if "input_ids" in taken:  # a wrapper with **kwargs alone names no argument
            rows = [{name: row[name] for name in row if name in taken} for row in rows]
        blanks = {"input_ids": self._pad_id or 0, "token_type_ids": self.tokenizer.pad_token_type_id}
        return {name: rows.to(self.device) for name, rows in _text_inputs.pad(rows, blanks).items()}

    def inputs(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """`batch`, and the decoder's input ids of an encoder-decoder."""
        inputs = self.batch(encoded)
        decoder = [text.output_ids for text in map(self._with_start, encoded)]
        if any(decoder):
            inputs["decoder_input_ids"] = torch.tensor(decoder, device=self.device)
        return inputs

    @property
    def _pad_id(self) -> int | None:
        """The model's padding token, by which it finds the end of a text; else the tokenizer's."""
        pad = _tasks.config_of(self.model, "pad_token_id")
        return pad if isinstance(pad, int) and pad >= 0 else self.tokenizer.pad_token_id

    @property
    def batches(self) -> bool:
        """Whether texts of different lengths can share a batch without a change of their outputs."""
        head = self.task
        if self._seq2seq and head in ("sequence", "question"):
            return False  # its decoder reads the padding too
        if head == "sequence" and hasattr(self.model, "config"):
            # GPT-2 classifies at the last token that is not padding.
            return _tasks.config_of(self.model, "pad_token_id") is not None
        taken = inspect.signature(self.model.forward).parameters
        return "input_ids" not in taken or "attention_mask" in taken

    # -- from tensors to traces -----------------------------------------------------------------------------

    def _prepare(self, input: Any) -> Encoded:
        return input if isinstance(input, Encoded) else self.encode(input)

    def _length(self, prepared: Encoded) -> int:
        return len(prepared)

    def _run(self, prepared: Sequence[Encoded], **options: Any) -> Iterator[Trace]:
        if not self._together(prepared):
            for row in prepared:
                yield from self._run([row], **options)
            return
        prepared = [self._with_start(row) for row in prepared]
        inputs = self.inputs(prepared)
        logits_of = partial(self._checked_logits, encoded=prepared)
        output, layers, targets = _forward.run_for(self.model, inputs, logits_of, len(prepared), **options)
        for item, row in enumerate(prepared):
            yield Trace(
                layers=layers[item].then(partial(_forward.sided, **_counts(row), seq2seq=self._seq2seq)),
                model=self.name,
                tokens=row.tokens,
                output_tokens=row.output_tokens,
                text=row.text,
                logits=_tasks.kept(logits_of(output, item)),
                labels=self.labels,
                activation=self.activation,
                target=targets[item],
            )

    def _reduced(
        self, prepared: Sequence[Encoded], reducer: Reducer, gates: Any = None
    ) -> tuple[Any, list[tuple[str, Any]]]:
        rows = [self._with_start(row) for row in prepared]
        reduce = reducer(InputTokens([row.tokens for row in rows], [row.output_tokens for row in rows]))

        def of_layer(attention: AttentionBatch) -> Any:
            windowed = attention.windows > 1
            return reduce(attention, _forward.sides(attention.name, attention.kind, windowed, self._seq2seq))

        return _forward.reduced(self.model, self.inputs(rows), of_layer, gates)

    def _logits_of(self, output: Any, prepared: Sequence[Encoded]) -> list[Tensor | None]:
        logits = _tasks.read(output)
        if self.task == "sequence" and logits is not None and logits.ndim == 2:
            self.check_classes(logits.shape[1])
            return list(_tasks.kept(logits))
        rows = [self._with_start(row) for row in prepared]
        return [_tasks.kept(self._checked_logits(output, item, rows)) for item in range(len(rows))]

    def _together(self, prepared: Sequence[Encoded]) -> bool:
        return self.batches or len(prepared) == 1

    @property
    def _seq2seq(self) -> bool:
        return bool(_tasks.config_of(self.model, "is_encoder_decoder"))

    def _with_start(self, encoded: Encoded) -> Encoded:
        """Adds the decoder's start token where the decoder has no input; classifiers make that input themselves."""
        makes = not self._seq2seq or self.task in ("sequence", "question")
        return encoded if makes or encoded.output_ids else self._with_output(encoded, "")

    def _with_output(self, encoded: Encoded, output: str) -> Encoded:
        start = _tasks.config_of(self.model, "decoder_start_token_id")
        ids, tokens = _text_inputs.output(
            self.tokenizer, output, int(self._pad_id or 0) if start is None else start
        )
        return replace(encoded, output_ids=ids, output_tokens=tokens)

    def _answers(self, prepared: Sequence[Encoded]) -> list[Tensor | None]:
        if not self._together(prepared):
            return [logits for row in prepared for logits in self._answers([row])]
        prepared = [self._with_start(row) for row in prepared]
        return self._logits_of(self._forward(self.inputs(prepared)), prepared)

    def _prediction(self, prepared: Encoded, logits: Tensor | None, top_k: int) -> Any:
        head = self.task
        if logits is None or logits.ndim == 1 or head not in ("question", "token"):
            return super()._prediction(prepared, logits, top_k)
        if head == "question":
            from ..attribution.text._merging import joined

            return _predictions.span(logits, lambda a, b: joined(prepared.tokens[a:b], prepared.text).text)
        return [super(TextLens, self)._prediction(prepared, row, top_k) for row in logits]

    def _checked_logits(self, output: Any, item: int, encoded: Sequence[Encoded]) -> Tensor | None:
        logits = self._logits(output, item, encoded)
        if logits is not None:
            self.check_classes(logits.shape[-1])
        return logits

    def _logits(self, output: Any, item: int, encoded: Sequence[Encoded]) -> Tensor | None:
        """The logits of one input without padding, in the shape of `Trace.logits`."""
        head, row = self.task, encoded[item]
        length = len(row)
        if head == "question" and hasattr(output, "start_logits"):
            return torch.stack([output.start_logits[item, :length], output.end_logits[item, :length]])
        logits = _tasks.read(output)
        if logits is None or logits.ndim == 2:
            return None if logits is None else logits[item]
        if head == "token":
            return logits[item, :length]
        place = self.answer_place(row)
        return None if place is None or logits.ndim != 3 else logits[item, place]

    def answer_place(self, encoded: Encoded) -> int | None:
        """The position of a language model's prediction: the last token, or the first mask; None for other models."""
        head = self.task
        if head == "masked":
            places = [i for i, token in enumerate(encoded.tokens) if token.id == self.tokenizer.mask_token_id]
            return places[0] if places else None
        return {"causal": len(encoded) - 1, "seq2seq": max(len(encoded.output_ids) - 1, 0)}.get(head)


def _counts(row: Encoded) -> dict[str, int]:
    return {"inputs": len(row.tokens), "outputs": len(row.output_tokens)}


def _refuse_function(model: nn.Module, processor: Any) -> None:
    """Raises InputError for a function in place of a tokenizer, which can only prepare pictures."""
    if callable(processor) and not hasattr(model, "config"):
        raise InputError(
            f"{type(model).__name__} is not recognised as a vision module; if it is one, pass the rows and columns of "
            "its patches along with the preprocessing function: Lens(module, preprocess, patches=(rows, cols))"
        )
