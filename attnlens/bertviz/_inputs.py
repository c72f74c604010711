"""From the arguments of BertViz's `head_view` to a trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from .._checks import integer
from ..data._attention import Weights
from ..data._trace import Layer, Token, Trace
from ..errors import InputError

WRITTEN = {"Ġ": " ", "▁": " ", "</w>": ""}
"""How tokenizers write spaces and ends of words, and how BertViz shows them."""

Layers = Sequence[Tensor]


def trace(
    attention: Layers | None = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    *,
    encoder_attention: Layers | None = None,
    decoder_attention: Layers | None = None,
    cross_attention: Layers | None = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
) -> Trace:
    """The trace of the arguments of BertViz's own `head_view`, to continue a notebook made for it with attnlens.

    attention: a model's `attentions`: for each layer a tensor `[1, head, query, key]`, or without its first axis
    tokens: the tokens, or None; sentence_b_start: the position at which the second text begins
    encoder_attention, ...: the same for an encoder-decoder

    Raises InputError for tensors of other shapes, and for layers and tokens of different lengths.

    >>> trace = al.bertviz.trace(outputs.attentions, tokenizer.convert_ids_to_tokens(ids))
    >>> al.AttentionView(trace)
    """
    sided = encoder_attention, decoder_attention, cross_attention
    if (attention is None) == all(layers is None for layers in sided):
        raise InputError(
            "give attention with tokens, or those of an encoder-decoder: encoder_attention and so on"
        )
    kinds = {
        "attention": (attention, "self", "input", "input"),
        "encoder_attention": (encoder_attention, "self", "input", "input"),
        "decoder_attention": (decoder_attention, "self", "output", "output"),
        "cross_attention": (cross_attention, "cross", "output", "input"),
    }
    layers = (layer for name, (given, *rest) in kinds.items() for layer in _layers(name, given, *rest))
    return Trace(
        tuple(layers),
        tokens=_tokens(tokens if encoder_tokens is None else encoder_tokens, sentence_b_start),
        output_tokens=_tokens(decoder_tokens),
    )


def _layers(name: str, layers: Layers | None, *rest: str) -> Iterator[Layer]:
    prefix = name.removesuffix("attention").strip("_")
    for i, layer in enumerate(() if layers is None else layers):
        weights = layer.detach() if isinstance(layer, Tensor) else None
        if weights is not None and weights.ndim == 4 and len(weights) == 1:
            weights = weights[0]
        if weights is None or weights.ndim != 3:
            raise InputError(
                f"{name}[{i}] is {_kind(layer)}, not a tensor [1, head, query, key]; a model that computes its "
                "attention by a fused function returns none; record it: al.Lens(model, tokenizer).trace(text)"
            )
        yield Layer(".".join(filter(None, (prefix, f"layer.{i}"))), rest[0], Weights(weights), *rest[1:])


def _tokens(tokens: Sequence[str] | None, start: int | None = None) -> tuple[Token, ...]:
    texts = list(tokens or ())
    start = None if start is None else integer("sentence_b_start", start, least=0)
    for written, shown in WRITTEN.items():
        texts = [text.replace(written, shown) for text in texts]
    return tuple(Token(text, segment=int(start is not None and i >= start)) for i, text in enumerate(texts))


def _kind(value: Any) -> str:
    return f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"of type {type(value).__name__}"
