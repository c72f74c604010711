"""A lens: a model together with its tokenizer or image processor, what one asks questions of.

`load` finds a model by name; `Lens(model, processor)` takes one in hand. The same two calls work on either:
`lens.trace(input)` for what attends to what, `lens.attribute(input)` for what made the model decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .attention import Windows
from .capture import capture
from .errors import InputError
from .loading import load
from .trace import Layer, Token, Trace

if TYPE_CHECKING:
    from .attribution import Attribution

__all__ = ["ImageLens", "Lens", "TextLens", "load"]

READ_AHEAD = 4
"""Batches that are sorted by length together; so many traces are in memory at once."""


class Lens:
    """A model and what turns an input into its tensors.

    >>> Lens(model, tokenizer)             # a text model of transformers: TextLens
    >>> Lens(model, image_processor)       # a vision model of transformers: ImageLens
    >>> Lens(my_vit, patches=(8, 8))       # any torch vision module over an 8 x 8 grid of patches: ImageLens

    The model is used where it is, as it is: it stays on its device, in its dtype and attention implementation.
    While it answers it is in eval mode; afterwards every module is in the mode that it was in.
    """

    def __new__(cls, model: nn.Module, processor: Any = None, **options: Any) -> Lens:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"Lens() needs a torch module, not {type(model).__name__}; al.load() takes a name or a folder"
            )
        if cls is not Lens:
            return super().__new__(cls)
        return super().__new__(ImageLens if _sees_images(model, processor, options) else TextLens)

    def __init__(self, model: nn.Module, processor: Any = None):
        self.model = model
        self.processor = processor
        known = getattr(getattr(model, "config", None), "_name_or_path", "") or type(model).__name__
        self.name = Path(known).name if Path(known).is_dir() else known

    # -- what a lens is -------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are; inputs are sent there."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        return next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; () where the model names none."""
        config = getattr(self.model, "config", None)
        names = getattr(config, "id2label", None)
        if names and _head(self.model) in ("sequence", "image", "token"):
            return tuple(str(names[i]) for i in sorted(names))
        return tuple(getattr(self.model, "labels", ()) or ())

    @property
    def activation(self) -> str:
        """From logits to probabilities: "softmax", "sigmoid" (multi-label) or "none" (regression)."""
        config = getattr(self.model, "config", None)
        problem = getattr(config, "problem_type", None)
        if problem == "multi_label_classification":
            return "sigmoid"
        if problem == "regression" or (_head(self.model) == "sequence" and len(self.labels) == 1):
            return "none"
        return "softmax"

    def target_index(self, target: str | int) -> int:
        """The class index of a target by name (in any case) or number.

        Raises InputError that lists the classes for a name or number that the model does not have.
        """
        if isinstance(target, str):
            folded = [label.casefold() for label in self.labels]
            if target.casefold() in folded:
                return folded.index(target.casefold())
            from .errors import unknown_name

            raise unknown_name(
                "target", target, self.labels or ("a class index: this model names no classes",)
            )
        count = len(self.labels)
        if isinstance(target, bool) or not isinstance(target, int) or (count and not 0 <= target < count):
            raise InputError(f"target {target!r} is no class; give a name or an index from 0 to {count - 1}")
        return target

    # -- traces ---------------------------------------------------------------------------------------------

    def trace(self, input: Any, **options: Any) -> Trace | list[Trace]:
        """Runs the model on one input and returns its trace; a list of inputs gives the list of their traces."""
        if isinstance(input, list):
            return list(self.traces(input, **options))
        return next(self.traces([input], **options))

    def traces(self, inputs: Iterable[Any], *, batch_size: int = 16, **options: Any) -> Iterator[Trace]:
        """The trace of every input, in the given order, one by one: a thousand never sit in memory together.

        inputs: any iterable; it is read a few batches ahead, and those are sorted by length so that little
            padding is computed.
        options: store and dtype as for `capture`.
        """
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        source = iter(inputs)
        while chunk := list(islice(source, batch_size * READ_AHEAD)):
            prepared = [self._prepare(input) for input in chunk]
            order = sorted(range(len(chunk)), key=lambda i: -self._length(prepared[i]))
            done: dict[int, Trace] = {}
            for start in range(0, len(order), batch_size):
                numbers = order[start : start + batch_size]
                done.update(zip(numbers, self._run([prepared[i] for i in numbers], **options)))
            for number in range(len(chunk)):
                yield done.pop(number)

    def _prepare(self, input: Any) -> Any:
        raise NotImplementedError

    def _length(self, prepared: Any) -> int:
        raise NotImplementedError

    def _run(self, prepared: Sequence[Any], **options: Any) -> Iterator[Trace]:
        raise NotImplementedError

    def _call(self, inputs: dict[str, Any], **options: Any) -> tuple[Any, list[tuple[Layer, ...]]]:
        """One captured forward pass: (the model's output, layers per input)."""
        with evaluating(self.model), torch.no_grad(), capture(self.model, **options) as recording:
            output = self.model(**inputs) if "" not in inputs else self.model(inputs[""])
        return output, list(recording.layers(recording.forwards[-1]))

    def __repr__(self) -> str:
        size = sum(p.numel() for p in self.model.parameters()) / 1e6
        classes = f", classes: {', '.join(self.labels[:10])}" if self.labels else ""
        return (
            f"{type(self).__name__} of {self.name} ({type(self.model).__name__}, {size:.1f} M parameters{classes})\n"
            f"  lens.trace(input)      a Trace: tokens, prediction, attention [layer, head, query, key]\n"
            f"  lens.traces(inputs)    the same for many, one by one"
        )


class TextLens(Lens):
    """A text model of transformers with its tokenizer.

    >>> lens = al.load("sentiment")
    >>> lens.trace("a gripping , funny film")            # one text
    >>> lens.trace(("premise", "hypothesis"))            # a pair
    >>> lens.trace(["one", "two"])                       # a list: a list of traces
    >>> lens.trace(long_text, window=256, overlap=64)    # a list: one trace per window
    """

    def __init__(self, model: nn.Module, tokenizer: Any = None):
        super().__init__(model, tokenizer)
        self.tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
        if not callable(getattr(self.tokenizer, "convert_ids_to_tokens", None)):
            raise InputError(
                f"a text model needs its tokenizer: Lens(model, tokenizer), not {type(tokenizer).__name__}; "
                "for a vision module give the patch grid: Lens(model, patches=(rows, cols))"
            )

    @property
    def max_tokens(self) -> int | None:
        """The longest input in tokens, special ones included; None where neither model nor tokenizer has a limit."""
        limits = [self.tokenizer.model_max_length]
        positions = getattr(getattr(self.model, "config", None), "max_position_embeddings", None)
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

    def trace(
        self,
        input: str | tuple[str, str] | list,
        *,
        window: int | None = None,
        overlap: int | None = None,
        output: str | None = None,
        **options: Any,
    ) -> Trace | list[Trace]:
        """Runs the model on a text, a pair of texts, or a list of them.

        window: for texts longer than the model's limit: read it in windows of so many tokens, special ones
            included, `overlap` (a quarter by default) shared by neighbours. One text then gives a list of
            traces, in order; character spans count from the beginning of the whole text.
        output: for an encoder-decoder: the text that its decoder reads; its start token alone by default.
        options: store and dtype as for `capture`; batch_size.

        Raises InputError for an empty text, another type, or a text over the limit without `window`.
        """
        if output is not None:
            return next(self.traces([self.encode(input) | self._encode_output(output)], **options))
        if window is None:
            return super().trace(input, **options)
        if isinstance(input, list):
            return [self.trace(one, window=window, overlap=overlap, **options) for one in input]
        return list(self.traces(self._windows(input, window, overlap), **options))

    def attribute(
        self, input: str | tuple[str, str], target: str | int | None = None, *, method: str = "integrated_gradients",
        n_steps: int = 50,
    ) -> Attribution:  # fmt: skip
        """How much each token spoke for the target class.

        target: class name or index; the predicted class by default.
        method: "integrated_gradients" (Captum's LayerIntegratedGradients from padding to the text).
        n_steps: points on the path; more make `attribution.gap` smaller.

        Raises InputError for an unknown target or method, listing the known ones.
        """
        from .attribution import attribute_text

        return attribute_text(self, input, target, method=method, n_steps=n_steps)

    # -- from text to tensors -------------------------------------------------------------------------------

    def encode(self, input: str | tuple[str, str]) -> dict[str, Any]:
        """The model's inputs for one text, unpadded, as lists, with "tokens" and "text" beside them."""
        encoded = self._tokenize(input)
        count = len(encoded["input_ids"])
        if self.max_tokens is not None and count > self.max_tokens:
            raise InputError(
                f"the text has {count} tokens, the model takes {self.max_tokens}; read it in overlapping windows: "
                f"lens.trace(text, window={self.max_tokens})"
            )
        return self._finished(encoded, 0, input)

    def _windows(
        self, input: str | tuple[str, str], window: int, overlap: int | None
    ) -> list[dict[str, Any]]:
        special = self.tokenizer.num_special_tokens_to_add(pair=isinstance(input, tuple))
        limit = self.max_tokens
        if window <= special + 1 or (limit is not None and window > limit):
            raise InputError(f"window must be between {special + 2} and {limit} tokens, not {window}")
        overlap = window // 4 if overlap is None else overlap
        if not 0 <= overlap < window - special:
            raise InputError(f"overlap must be at least 0 and less than {window - special}, not {overlap}")
        encoded = self._tokenize(
            input,
            max_length=window,
            stride=overlap,
            truncation="only_second" if isinstance(input, tuple) else True,
            return_overflowing_tokens=True,
        )
        return [self._finished(encoded, number, input) for number in range(len(encoded["input_ids"]))]

    def _tokenize(self, input: str | tuple[str, str], **options: Any) -> Any:
        texts = input if isinstance(input, tuple) else (input,)
        if len(texts) > 2 or not all(isinstance(text, str) for text in texts):
            kinds = ", ".join(type(text).__name__ for text in texts)
            raise InputError(f"a text lens takes a str, a pair (str, str), or a list of these, not {kinds}")
        for text in texts:
            if not text.strip():
                raise InputError("the text is empty; give at least one word")
        fast = getattr(self.tokenizer, "is_fast", False)
        encoded = self.tokenizer(
            *texts, return_offsets_mapping=fast, return_special_tokens_mask=True, verbose=False, **options
        )
        rows = encoded["special_tokens_mask"]
        if all(all(row) if isinstance(row, list) else row for row in rows):
            raise InputError(f"the tokenizer finds nothing to read in {texts[0]!r}")
        return encoded

    def _finished(self, encoded: Any, number: int, input: str | tuple[str, str]) -> dict[str, Any]:
        """One encoding as a plain dict with its tokens."""
        several = isinstance(encoded["input_ids"][0], list)

        def row(key: str) -> list:
            return encoded[key][number] if several else encoded[key]

        texts = input if isinstance(input, tuple) else (input,)
        wanted = set(self.tokenizer.model_input_names) | {"attention_mask"}
        inputs = {key: row(key) for key in encoded.keys() if key in wanted and key in encoded}
        tokens = _tokens(self.tokenizer, encoded, number, row, texts)
        return {"inputs": inputs, "tokens": tokens, "text": texts}

    def _prepare(self, input: Any) -> dict[str, Any]:
        return input if isinstance(input, dict) and "tokens" in input else self.encode(input)

    def _length(self, prepared: dict[str, Any]) -> int:
        return len(prepared["tokens"])

    def batch(self, prepared: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Padded tensors `[batch, token]` on the model's device."""
        rows = [one["inputs"] for one in prepared]
        if self.tokenizer.pad_token_id is None:
            # GPT-2 and Llama name no padding token; the mask hides whatever stands there.
            longest = max(len(row["input_ids"]) for row in rows)
            return {
                key: torch.tensor(
                    [row[key] + [0] * (longest - len(row[key])) for row in rows], device=self.device
                )
                for key in rows[0]
            }
        padded = self.tokenizer.pad(rows, return_tensors="pt")
        return {key: value.to(self.device) for key, value in padded.items()}

    def _run(self, prepared: Sequence[dict[str, Any]], **options: Any) -> Iterator[Trace]:
        inputs = self.batch(prepared)
        output, layers = self._call(inputs | self._decoder_inputs(prepared), **options)
        for item, one in enumerate(prepared):
            tokens, output_tokens = one["tokens"], one.get("output_tokens", ())
            yield Trace(
                layers=_sided(layers[item], len(tokens), len(output_tokens), self._seq2seq),
                model=self.name,
                tokens=tokens,
                output_tokens=output_tokens,
                text=one["text"],
                logits=self._logits(output, item, inputs),
                labels=self._trace_labels(),
                activation=self.activation,
            )

    @property
    def _seq2seq(self) -> bool:
        return bool(getattr(getattr(self.model, "config", None), "is_encoder_decoder", False))

    def _encode_output(self, output: str) -> dict[str, Any]:
        if not self._seq2seq:
            raise InputError(
                f"{self.name} is no encoder-decoder: it has no output to read; leave output= away"
            )
        ids = [
            self._start_token(),
            *self.tokenizer(text_target=output, add_special_tokens=False)["input_ids"],
        ]
        pieces = self.tokenizer.convert_ids_to_tokens(ids)
        marks = set(self.tokenizer.all_special_ids)
        return {
            "output_ids": ids,
            "output_tokens": tuple(
                Token(_display(p, ""), i, special=i in marks) for p, i in zip(pieces, ids)
            ),
        }

    def _start_token(self) -> int:
        start = getattr(self.model.config, "decoder_start_token_id", None)
        return int(start if start is not None else self.tokenizer.pad_token_id or 0)

    def _decoder_inputs(self, prepared: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """What the decoder reads; a classifier makes its decoder input itself."""
        if not self._seq2seq or _head(self.model) in ("sequence", "question"):
            return {}
        for one in prepared:
            if "output_ids" not in one:
                one |= self._encode_output("")
        return {
            "decoder_input_ids": torch.tensor([one["output_ids"] for one in prepared], device=self.device)
        }

    def _logits(self, output: Any, item: int, inputs: dict[str, Tensor]) -> Tensor | None:
        real = (
            inputs["attention_mask"][item].nonzero().squeeze(1) if "attention_mask" in inputs else slice(None)
        )
        head = _head(self.model)
        if head == "question":
            return torch.stack([output.start_logits[item][real], output.end_logits[item][real]], dim=-1).T
        logits = getattr(output, "logits", None)
        if not isinstance(logits, Tensor):
            return None
        if logits.ndim == 2:
            return logits[item]
        if head == "token":
            return logits[item][real]
        if head == "causal":
            return logits[item][real][-1]
        if head == "masked":
            at = (inputs["input_ids"][item] == self.tokenizer.mask_token_id).nonzero()
            return logits[item, int(at[0])] if len(at) else None
        return logits[item, -1] if head == "seq2seq" else None

    def _trace_labels(self) -> tuple[str, ...]:
        """Class names; for language models the vocabulary, one tuple shared by all traces."""
        if _head(self.model) not in ("causal", "masked", "seq2seq"):
            return self.labels
        if not hasattr(self, "_vocabulary"):
            self._vocabulary = tuple(
                map(str, self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer))))
            )
        return self._vocabulary


class ImageLens(Lens):
    """A vision model with its image processor, or any torch vision module with its patch grid.

    >>> lens = al.load("cifar")
    >>> lens.trace("cat.png")                  # a path, a PIL image, an array, or a tensor
    >>> al.Lens(my_vit, patches=(8, 8))        # tensors [3, height, width] go in as they are;
    ...                                        # pictures go through my_vit.preprocess, or to 0..1 floats

    patches: (rows, cols) of the grid; found by itself for models of transformers.
    """

    def __init__(self, model: nn.Module, processor: Any = None, *, patches: tuple[int, int] | None = None):
        super().__init__(model, getattr(processor, "image_processor", processor))
        given = patches if patches is not None else getattr(model, "patches", None)
        if given is not None:
            given = tuple(given) if isinstance(given, Iterable) else ()
            if len(given) != 2 or not all(isinstance(n, int) and n > 0 for n in given):
                raise InputError(f"patches must be (rows, cols), two positive integers, not {patches!r}")
        self.patches: tuple[int, int] | None = given

    def _prepare(self, input: Any) -> tuple[Tensor, Any]:
        from . import images

        return images.prepare(self, input)

    def _length(self, prepared: tuple[Tensor, Any]) -> int:
        return prepared[0].shape[-1] * prepared[0].shape[-2]

    def _run(self, prepared: Sequence[tuple[Tensor, Any]], **options: Any) -> Iterator[Trace]:
        shapes = [pixels.shape for pixels, _ in prepared]
        if len(set(shapes)) > 1:  # images of several sizes, as a custom module may take: one by one
            for one in prepared:
                yield from self._run([one], **options)
            return
        from . import images

        pixels = torch.stack([p for p, _ in prepared]).to(self.device, self.dtype)
        hugging = hasattr(self.model, "config") and hasattr(self.model, "main_input_name")
        output, layers = self._call({"pixel_values" if hugging else "": pixels}, **options)
        logits = images.logits(output)
        for item, (one, shown) in enumerate(prepared):
            grid = images.grid(self, one, shown, layers[item])
            yield Trace(
                layers=_sided(layers[item], 0 if grid is None else len(grid), 0),
                model=self.name,
                patches=grid,
                logits=None if logits is None else logits[item],
                labels=self.labels,
                activation=self.activation,
            )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; afterwards every module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _sees_images(model: nn.Module, processor: Any, options: dict) -> bool:
    if "patches" in options:
        return True
    if hasattr(processor, "convert_ids_to_tokens"):
        return False
    if getattr(model, "main_input_name", None) == "pixel_values" or hasattr(model, "patches"):
        return True
    return processor is not None and not hasattr(processor, "tokenizer")


_HEADS = {
    "ForSequenceClassification": "sequence",
    "ForImageClassification": "image",
    "ForTokenClassification": "token",
    "ForQuestionAnswering": "question",
    "ForCausalLM": "causal",
    "LMHeadModel": "causal",
    "ForMaskedLM": "masked",
    "ForConditionalGeneration": "seq2seq",
}


def _head(model: nn.Module) -> str | None:
    """What a model of transformers answers, by the end of its class name."""
    name = type(model).__name__
    return next((head for ending, head in _HEADS.items() if ending in name), None)


def _sided(layers: tuple[Layer, ...], inputs: int, outputs: int, seq2seq: bool = False) -> tuple[Layer, ...]:
    """Layers with the side of each axis: a decoder's queries are output tokens, cross attention looks at the input."""
    sided = []
    for layer in layers:
        attention = layer.attention
        decodes = seq2seq and "decoder" in layer.name.split(".")
        query = "output" if decodes else "input"
        key = "output" if decodes and layer.kind == "self" else "input"
        if layer.kind == "channel" or isinstance(attention, Windows):
            query = key = "other"
        counts = {"input": inputs, "output": outputs}
        query = query if counts.get(query, 0) in (0, attention.queries) else "other"
        key = key if counts.get(key, 0) in (0, attention.keys) else "other"
        sided.append(replace(layer, query_side=query, key_side=key))
    return tuple(sided)


def _tokens(tokenizer: Any, encoded: Any, number: int, row: Any, texts: tuple[str, ...]) -> tuple[Token, ...]:
    """The tokens of one encoding; words, spans and segments where the tokenizer is a fast one."""
    ids, special = row("input_ids"), row("special_tokens_mask")
    pieces = tokenizer.convert_ids_to_tokens(ids)
    if not getattr(tokenizer, "is_fast", False):
        return tuple(Token(p, i, special=bool(s)) for p, i, s in zip(pieces, ids, special))
    words, segments = encoded.word_ids(number), encoded.sequence_ids(number)
    tokens = []
    for piece, id, mark, word, segment, (start, end) in zip(
        pieces, ids, special, words, segments, row("offset_mapping")
    ):
        if mark or segment is None:
            tokens.append(Token(piece, id, special=True, segment=segment or 0))
            continue
        text = _display(piece, texts[segment][start:end])
        tokens.append(Token(text, id, word=word, start=start, end=end, segment=segment))
    return tuple(tokens)


def _display(piece: str, source: str) -> str:
    """A vocabulary piece as a reader knows it: byte-level and SentencePiece marks become the text they stand for."""
    if piece[:1] in ("Ġ", "▁", "Ċ"):
        return f" {source.strip() or piece[1:]}"
    if any(ord(c) > 0xFF for c in piece) and source and piece != source and not piece.startswith("##"):
        return source
    return piece
