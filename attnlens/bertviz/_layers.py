"""The part of a trace that BertViz can draw: groups of layers of one kind between the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention, Factors
from ..data._axes import Index, positions
from ..data._trace import Layer, Token, Trace
from ..errors import InputError
from ..recorder._capture import Recording

PARTS = ("Encoder", "Decoder", "Cross")
"""BertViz's names of the parts of an encoder-decoder, in its order."""

TraceLike = Trace | Recording | Sequence[Trace]
"""What a view takes: a trace, or a recording or list of a single one."""


@dataclass(frozen=True)
class LayerGroup:
    """Layers of one kind between the same tokens.

    left, right: the query tokens and the key tokens; numbers: each layer's number on its side
    """

    name: str
    layers: tuple[Layer, ...]
    numbers: tuple[int, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads, queries, keys) of each of its layers."""
        return self.layers[0].attention.shape


@dataclass(frozen=True)
class ViewContent:
    """The content of one picture.

    model: its name; heads: numbers of the heads
    segments: of two texts, the positions of each; () otherwise
    """

    model: str
    parts: tuple[LayerGroup, ...]
    heads: tuple[int, ...]
    segments: tuple[tuple[int, ...], ...]

    @property
    def layers(self) -> tuple[int, ...]:
        """Numbers of the layers, of the group that has the most."""
        return max((part.numbers for part in self.parts), key=len)

    def weights(self, part: LayerGroup) -> Tensor:
        """`[layer, head, query, key]`; NaN and negative weights become 0."""
        rows = [layer.attention[list(self.heads)] for layer in part.layers]
        return torch.stack(rows).nan_to_num(0.0).clamp(min=0)


def view_content(
    trace: TraceLike, view: str, layers: Index | None, heads: Index | None, tokens: Sequence[str] | None
) -> ViewContent:
    """The groups of a trace with these layers and heads. Raises InputError for what BertViz cannot draw."""
    trace = one_trace(trace, view, tokens)
    named: dict[str, list[int]] = {}
    for number, layer in enumerate(trace.layers):
        named.setdefault(_part(layer), []).append(number)
    most = max(map(len, named.values()))
    chosen = _numbers(layers, most, "layer")
    parts = tuple(
        _made(trace, name, named[name], chosen)
        for name in PARTS
        if name in named and chosen[0] < len(named[name])
    )
    total = _one_number(parts, heads)
    return ViewContent(trace.model, parts, _numbers(heads, total, "head"), _segments(trace, parts))


def one_trace(source: TraceLike, view: str, tokens: Sequence[str] | None = None) -> Trace:
    """The single trace, with these tokens where there are any."""
    if isinstance(source, Recording | list | tuple):
        if len(source) != 1:
            raise InputError(f"{view} draws one trace, not {len(source)}; choose one: {view}(recording[0])")
        if isinstance(source, Recording):
            return next(source.traces(tokens=tokens and [tokens]))
        (source,) = source
    _checks.drawable(source, view)
    if not tokens:
        return source
    return replace(source, tokens=tuple(Token(str(token)) for token in tokens), patches=None)


def _part(layer: Layer) -> str:
    if layer.kind == "channel":
        raise InputError(
            f"layer {layer.name!r} attends between channels, not tokens, which BertViz cannot draw; "
            'drop it by trace.select(kind="self"), or use al.HeadsView(trace)'
        )
    if layer.kind == "cross":
        return "Cross"
    return "Decoder" if layer.query_side == "output" or "decoder" in layer.name.split(".") else "Encoder"


def _made(trace: Trace, name: str, numbers: list[int], chosen: tuple[int, ...]) -> LayerGroup:
    """One group. Raises InputError unless its layers lie between the same tokens."""
    mine = [i for i in chosen if i < len(numbers)]
    layers = tuple(trace.layers[numbers[i]] for i in mine)
    first = layers[0]
    for layer in layers:
        if layer.attention.shape[1:] != first.attention.shape[1:]:
            raise InputError(
                f"BertViz draws all layers between the same tokens, but {first.name!r} has {_size(first.attention)} "
                f"and {layer.name!r} has {_size(layer.attention)}; choose layers of one size by layers=[...] or "
                "trace.select(prefix), or use al.HeadsView(trace), which draws each as it is"
            )
    left, right = _texts(trace, numbers[mine[0]])
    return LayerGroup(name, layers, tuple(mine), left, right)


def _texts(trace: Trace, layer: int) -> list[tuple[str, ...]]:
    """Texts of the query and the key tokens; patches are p0, p1, ..."""
    both = []
    sides = (trace.layers[layer].query_side, trace.layers[layer].key_side)
    for side, tokens in zip(sides, trace.axis_tokens(layer)):
        texts = tuple(token.text for token in tokens)
        if trace.patches is not None and side == "input":
            leading = trace.patches.leading
            texts = (*leading, *(f"p{i}" for i in range(len(texts) - len(leading))))
        both.append(texts)
    return both


def _one_number(parts: tuple[LayerGroup, ...], heads: Index | None) -> int:
    """The number of heads of every layer; BertViz draws as many as the first layer has and drops any others."""
    counts = {layer.attention.heads: layer.name for part in parts for layer in part.layers}
    fewest, most = min(counts), max(counts)
    if fewest != most and heads is None:
        raise InputError(
            f"BertViz draws as many heads in every layer, but {counts[fewest]!r} has {fewest} and {counts[most]!r} has "
            f"{most}; choose heads that all have, such as heads=range({fewest}), or layers by trace.select(prefix)"
        )
    return fewest


def _numbers(index: Index | None, count: int, what: str) -> tuple[int, ...]:
    """Positions in ascending order, each once."""
    try:
        numbers = positions(slice(None) if index is None else index, count, what)
    except IndexError as error:
        raise InputError(str(error)) from None
    if not len(numbers):
        raise InputError(f"{what}s is empty; name at least one of the {count}, or omit it for all")
    return tuple(sorted(set(numbers.tolist())))


def _segments(trace: Trace, parts: tuple[LayerGroup, ...]) -> tuple[tuple[int, ...], ...]:
    """The positions of the first and of the second text, where the trace has two."""
    numbers = [token.segment for token in trace.tokens]
    first = parts[0].layers[0]
    if (
        len(parts) > 1
        or first.query_side != "input"
        or first.key_side != "input"
        or not {0, 1} <= set(numbers)
    ):
        return ()
    return tuple(tuple(i for i, number in enumerate(numbers) if number == text) for text in (0, 1))


def factors(part: LayerGroup, heads: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Queries and keys `[layer, head, token, d_head]`, scaled so that `q @ k / sqrt(d_head)` is the model's score."""
    queries, keys = [], []
    for layer in part.layers:
        held = layer.attention
        if not isinstance(held, Factors):
            raise InputError(
                f"neuron_view needs queries and keys, but layer {layer.name!r} holds weights alone; record it by "
                'lens.trace(input, store="factors") or capture(model, store="factors"). For hand-written attention '
                "without recorded queries use head_view"
            )
        group = held.heads // held.key.shape[0]
        queries.append(held.query.float()[list(heads)] * held.scale * held.query.shape[2] ** 0.5)
        keys.append(held.key.float()[[head // group for head in heads]])
    if len({one.shape for one in queries}) > 1:
        raise InputError(
            "neuron_view draws layers with one d_head, but these have several; choose some by layers=[...]"
        )
    return torch.stack(queries), torch.stack(keys)


def _size(attention: Attention) -> str:
    return f"{attention.queries} x {attention.keys}"
