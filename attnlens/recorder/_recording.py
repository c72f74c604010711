"""The result of a capture: the attention calls of each forward pass, and the traces made from them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from reprlib import repr as short
from typing import Any

import torch
from torch import Tensor

from .._checks import integer
from ..data._attention import Attention, Factors, Weights, Windows
from ..data._pending import PendingLayers, settled
from ..data._trace import Layer, Token, Trace
from ..errors import CaptureWarning, InputError
from ._calls import Call
from ._padding import DenseBatches, Padding, shared_parts
from ._value_path import keep
from ._verification import Check, verify


@dataclass(repr=False)
class Recording:
    """The attention calls of a capture, in order; complete once its `with` block has ended.

    A sequence of traces: `len(recording)`, `recording[0]`, `for trace in recording`.

    calls: every `Call`, in the order of execution
    missed: paths of modules that look like attention, ran, and were not recorded
    """

    model: str
    store: str = "auto"
    calls: list[Call] = field(default_factory=list)
    missed: tuple[str, ...] = ()

    @property
    def forwards(self) -> list[int]:
        """Numbers of the forward passes in which attention was recorded."""
        return sorted({call.forward for call in self.calls})

    def __len__(self) -> int:
        """The number of traces: one for each input of each forward pass."""
        return sum(self._items(self._named(forward, "")) for forward in self.forwards)

    def __iter__(self) -> Iterator[Trace]:
        return self.traces()

    def __getitem__(self, index: int) -> Trace:
        at, size = integer("the number of a trace", index), len(self)
        if not -size <= at < size:
            raise IndexError(f"trace {at} is out of range: the recording has {size}")
        at %= size
        for forward in self.forwards:
            named = self._named(forward, "")
            items = self._items(named)
            if at < items:
                _check_kept(named)
                return Trace(layers=_joined(named, self._layers(named, at), at), model=self.model)
            at -= items

    def __repr__(self) -> str:
        items = [max(c.items for c in self.calls if c.forward == forward) for forward in self.forwards]
        if not self.calls:
            return f"Recording of {self.model}: nothing recorded yet; run the model inside the `with` block"
        groups = [_groups(self._named(forward, "")) for forward in self.forwards]
        layers = sorted({len(groups) for groups in groups})
        heads = sorted({sum(call.shape[1] for _, call in group) for groups in groups for group in groups})
        inputs = "1 input" if sum(items) == 1 else f"{sum(items)} inputs"
        passes = "" if len(items) == 1 else f" in {len(items)} forward passes"
        return (
            f"Recording of {self.model}: {inputs}{passes}, {_span(layers, 'layer')} x {_span(heads, 'head')}; "
            "recording[0], recording.traces()"
        )

    @property
    def reduced(self) -> list[list[tuple[str, Any]]]:
        """For each forward pass under `capture(model, reduce=...)`: the name of each layer and the reducer's result."""
        passes = [self._named(forward, "") for forward in self.forwards]
        return [
            [(name, call.reduced.result) for name, call in named if call.reduced is not None]
            for named in passes
        ]

    def traces(
        self,
        select: str = "",
        tokens: Iterable[Sequence[str | Token]] | None = None,
        output_tokens: Iterable[Sequence[str | Token]] | None = None,
    ) -> Iterator[Trace]:
        """One `Trace` per input of each batch, in order, each without its padding.

        select: only this module and those inside it, by path ("encoder.layer.1"); needed where parts of a model ran
            on batches of different sizes (the two towers of CLIP).
        tokens: the tokens of each input, as strings or `Token`s, with or without padding.
        output_tokens: for cross attention the tokens of each input's queries: those of the decoder, without padding.
            The keys are `tokens`.

        Raises InputError where no module matches, the batch sizes differ, or the numbers of tokens do not match.
        """
        if output_tokens is not None and tokens is None:
            raise InputError(
                "output_tokens are the queries of cross attention; pass tokens= too, which are its keys"
            )
        token_rows = None if tokens is None else self._token_rows(tokens, select)
        output_rows = None if output_tokens is None else self._token_rows(output_tokens, select)
        for forward in self.forwards:
            named = self._named(forward, select)
            pending = self._pending(named, joined=True)
            if token_rows is None:
                traces = (Trace(layers=layers, model=self.model) for layers in pending)
                yield from settled(traces, together=len(pending))
                continue
            for item, layers in enumerate(pending):
                real = self._real(named, item, next(token_rows))
                out = () if output_rows is None else next(output_rows)
                sided = _sided(layers(), len(real), len(out))
                yield Trace(layers=sided, model=self.model, tokens=real, output_tokens=out)

    def _pending(self, named: list[tuple[str, Call]], joined: bool) -> list[PendingLayers]:
        """The layers of each input of a forward pass; joined: with heads that are separate modules in one layer."""
        _check_kept(named)
        items, dense = self._items(named), DenseBatches(named)
        shared = items > 1 or any(self._outweighs(call) for _, call in named)
        alone = Recording(self.model, self.store)  # a trace that waits does not hold the other forward passes

        def compute(item: int) -> tuple[Layer, ...]:
            layers = alone._layers(named, item, dense)
            return _joined(named, layers, item) if joined else layers

        return [PendingLayers(partial(compute, item), shared) for item in range(items)]

    def _outweighs(self, call: Call) -> bool:
        """Whether a recorded call is more than twice as large as the layer made from it."""
        if call.mask is not None and call.mask.batch_keys() is not None:
            return True  # it holds padding
        if call.weights is not None or not self._stores_weights(call, None, None):
            return False
        return call.query.nbytes + call.key.nbytes > 2 * math.prod(call.shape) * call.query.element_size()

    def verify(self, alone: Sequence[Recording] | None = None) -> list[Check]:
        """Compares each layer with the output of the model; needs `capture(model, verify=True)`.

        For every recorded layer, weights times values must equal the model's output (in float64, within a tolerance
        for the model's dtype), and the rows of a softmax must sum to 1. Masked rows are left out.

        alone: for each input a recording of it alone: heads, layers and weights must be the same as in this batch.

        Returns a `Check` for each layer. Raises CaptureError for the worst layer that differs by more than rounding,
        and InputError where values and outputs were not recorded.

        >>> with capture(model, verify=True) as recording:
        ...     model(**inputs)
        >>> recording.verify()
        """
        return verify(self, alone)

    def layers(self, forward: int, select: str = "") -> Iterator[tuple[Layer, ...]]:
        """The layers of each input of one forward pass; heads that are separate modules stay separate layers, as gates
        count them.
        """
        named = self._named(forward, select)
        check_countable(named)
        _check_kept(named)
        dense = DenseBatches(named)
        for item in range(self._items(named)):
            yield self._layers(named, item, dense)

    def reduced_layers(self, forward: int) -> list[tuple[str, Any]]:
        """(name, the reducer's result) of each layer, counted as `layers` counts them."""
        named = self._named(forward, "")
        check_countable(named)
        return [(name, call.reduced.result) for name, call in named]

    def _named(self, forward: int, select: str) -> list[tuple[str, Call]]:
        """The calls of one forward pass, with the names of their layers."""
        calls = [call for call in self.calls if call.forward == forward]
        named = [pair for pair in zip(_layer_names(calls), calls) if _inside(pair[0], select)]
        if not named:
            known = ", ".join(dict.fromkeys(call.module for call in self.calls))
            raise InputError(f"no attention was recorded in a module {select!r}; recorded modules: {known}")
        return named

    @staticmethod
    def _items(named: list[tuple[str, Call]]) -> int:
        """The number of inputs of one forward pass."""
        calls = [call for _, call in named]
        for call in calls:
            times = sum(other.module == call.module for other in calls)
            if call.part and times > 1:
                raise InputError(
                    f"{call.module or 'the model'!r} went through its batch in a loop: {times} calls with weights "
                    f"{list(call.shape[1:])} were recorded, and the input of each is not known. Run one input at a "
                    "time."
                )
        sizes = {call.items for call in calls}
        if len(sizes) > 1:
            parts = ", ".join(sorted({f"{c.module.split('.')[0]!r} ({c.items})" for c in calls}))
            raise InputError(
                f"parts of the model ran on batches of different sizes: {parts}. "
                "Select one part: recording.traces(select=...)."
            )
        return sizes.pop()

    def _layers(
        self, named: list[tuple[str, Call]], item: int, dense: DenseBatches | None = None
    ) -> tuple[Layer, ...]:
        padding = Padding()
        return tuple(self._layer(name, call, item, padding, dense) for name, call in named)

    def _layer(self, name: str, call: Call, item: int, padding: Padding, dense: DenseBatches | None) -> Layer:
        if call.windows > 1:
            span = range(item * call.windows, (item + 1) * call.windows)
            attention = Windows(tuple(self._attention(call, i, None, None, dense) for i in span))
            return Layer(name, call.kind, attention, normalized=call.normalized)
        rows, cols = padding.of(call, item)
        values = None if call.value_path is None else call.value_path.item(item, rows, cols)
        attention = self._attention(call, item, rows, cols, dense)
        return Layer(name, call.kind, attention, values=values, normalized=call.normalized)

    def _token_rows(
        self, tokens: Iterable[Sequence[str | Token]], select: str
    ) -> Iterator[tuple[Token, ...]]:
        """The tokens of each trace. Raises InputError unless they are lists, one for each trace."""
        rows = list(tokens) if isinstance(tokens, Iterable) and not isinstance(tokens, str) else [tokens]
        for row in rows:
            if isinstance(row, (str, Token)) or not isinstance(row, Iterable) or None in row:
                raise InputError(
                    'tokens must hold a list for each input, as [["a", "b"], ["c", "d"]], not '
                    f"{short(row)}; omit tokens= where they are not known"
                )
        size = sum(self._items(self._named(forward, select)) for forward in self.forwards)
        if len(rows) != size:
            raise InputError(f"tokens of {len(rows)} inputs were given, but the recording has {size} traces")
        return iter([tuple(t if isinstance(t, Token) else Token(str(t)) for t in row) for row in rows])

    @staticmethod
    def _real(named: list[tuple[str, Call]], item: int, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """The tokens without padding, by the first layer that attends to its own input, or to another."""
        first = next((call for _, call in named if call.kind == "self"), named[0][1])
        crossing = [call for _, call in named if call.kind == "cross"]
        sizes = []
        for call in (first, *crossing[:1]):
            rows, cols = Padding().of(call, item) if call.windows == 1 else (None, None)
            real = cols if call.kind == "cross" else rows
            padded = call.shape[3 if call.kind == "cross" else 2] * call.windows
            size = padded if real is None else len(real)
            if len(tokens) == size:
                return tokens
            if len(tokens) == padded:
                return tuple(tokens[i] for i in real.tolist())
            sizes.append(f"{size} tokens{'' if real is None else f' ({padded} with padding)'}")
        sides = "; tokens= are the keys of cross attention, output_tokens= its queries" if crossing else ""
        raise InputError(
            f"input {item} of its batch has {' or '.join(dict.fromkeys(sizes))}, but {len(tokens)} were given{sides}"
        )

    @staticmethod
    def padding(call: Call, item: int) -> tuple[Tensor | None, Tensor | None]:
        """Positions of the queries and keys of one batch entry without padding, by its own mask; None: all."""
        return (None, None) if call.windows > 1 else Padding().of(call, item)

    def attention(self, call: Call, item: int, rows: Tensor | None, cols: Tensor | None) -> Attention:
        """One batch entry of a call as an attention, with only the given rows and columns (None: all)."""
        return self._attention(call, item, rows, cols, None)

    def _attention(
        self, call: Call, item: int, rows: Tensor | None, cols: Tensor | None, dense: DenseBatches | None
    ) -> Attention:
        """`attention`; small entries are cut from the weights of the whole batch."""
        if call.weights is not None:
            return Weights(keep(keep(call.weights[item], rows, 1), cols, 2).contiguous())
        whole = dense.of(call) if dense is not None and self._stores_weights(call, rows, cols) else None
        if whole is not None:
            return Weights.of_softmax(keep(keep(whole[item], rows, 1), cols, 2).clone())
        mask, bias = (None, None) if call.mask is None else call.mask.item(item, rows, cols)
        factors = Factors(
            query=keep(call.query[item], rows, 1).contiguous(),
            key=keep(call.key[item], cols, 1).contiguous(),
            scale=call.scale,
            mask=mask,
            bias=bias,
            softcap=call.softcap,
            sink=call.sink,
        )
        heads, queries, keys = factors.shape
        dense = heads * queries * keys * factors.query.element_size()
        if self.store == "weights" or (self.store == "auto" and dense <= factors.nbytes):
            return Weights(factors[:].to(factors.query.dtype))
        return factors

    def _stores_weights(self, call: Call, rows: Tensor | None, cols: Tensor | None) -> bool:
        """Whether one entry is stored as weights: always, or because they are smaller than query and key are."""
        _, heads, queries, keys = call.shape
        queries, keys = queries if rows is None else len(rows), keys if cols is None else len(cols)
        numbers = heads * queries + call.key.shape[1] * keys
        factors = call.query.shape[3] * numbers * call.query.element_size() + heads * queries * 4
        small = heads * queries * keys * call.query.element_size() <= factors
        return self.store == "weights" or (self.store == "auto" and small)


def _check_kept(named: list[tuple[str, Call]]) -> None:
    """Raises InputError where a reducer took the place of the attention."""
    if any(call.reduced is not None for _, call in named):
        raise InputError(
            "this capture reduced each attention and kept none: recording.reduced has the results; omit reduce= "
            "for traces"
        )


def pending_layers(recording: Recording, forward: int) -> list[PendingLayers]:
    """`Recording.layers`, each computed when it is read."""
    named = recording._named(forward, "")
    check_countable(named)
    return recording._pending(named, joined=False)


def check_countable(named: list[tuple[str, Call]]) -> None:
    """Raises InputError where calls are pieces of a layer; warns where they are its heads, and count as layers."""
    chunked = next((call for _, call in named if id(call) in _in_chunks(named)), None)
    if chunked is not None:
        raise InputError(
            f"the queries of {chunked.module!r} were processed in chunks, which would count as layers here. A "
            "recording joins them: run the model inside `with attnlens.capture(model) as recording:` and use "
            "recording[0]."
        )
    several = next((group for group in _groups(named) if len(group) > 1), None)
    if several is not None:
        warnings.warn(
            f"{several[0][0]!r} to {several[-1][0]!r} received the same input: they are heads of one layer, and "
            "count as consecutive layers here. A recording joins them: run the model inside "
            "`with attnlens.capture(model) as recording:` and use recording[0].",
            CaptureWarning,
            stacklevel=3,
        )


def _groups(named: list[tuple[str, Call]]) -> list[list[tuple[str, Call]]]:
    """The calls of each layer: one, or several where heads are separate modules or queries came in chunks."""
    chunks = _in_chunks(named)
    groups_by_key: dict[object, list[tuple[str, Call]]] = {}
    for number, (name, call) in enumerate(named):
        if id(call) in chunks:
            key = chunks[id(call)]
        elif call.beside is None or call.value_path is not None:
            key = ("alone", number)
        else:
            key = call.beside
        groups_by_key.setdefault(key, []).append((name, call))
    return list(groups_by_key.values())


def _in_chunks(named: list[tuple[str, Call]]) -> dict[int, object]:
    """Calls, by identity, whose queries are consecutive slices that together cover one axis, in one module."""
    chosen: dict[object, list[Call]] = {}
    for _, call in named:
        if call.chunk is not None:
            key = ("chunks", call.module, id(call.chunk.whole), call.chunk.own_keys, call.shape[1])
            chosen.setdefault(key, []).append(call)
    return {id(call): key for key, calls in chosen.items() if _tiles(calls) for call in calls}


def _tiles(calls: list[Call]) -> bool:
    """Whether slices cover all queries in order, over the same keys or each over its own."""
    end = 0
    for call in calls:
        if call.chunk.start != end:
            return False
        end += call.shape[2]
    keys = {call.shape[3] for call in calls}
    return len(calls) > 1 and end == calls[0].chunk.whole.size and (calls[0].chunk.own_keys or len(keys) == 1)


def _joined(named: list[tuple[str, Call]], layers: tuple[Layer, ...], item: int) -> tuple[Layer, ...]:
    """The layers, with heads that are separate modules joined into one."""
    left = iter(layers)
    return tuple(_side_by_side(group, [next(left) for _ in group], item) for group in _groups(named))


def _side_by_side(group: list[tuple[str, Call]], parts: list[Layer], item: int) -> Layer:
    """One layer with the heads of several, named after the module that contains them all."""
    if len(parts) == 1:
        return parts[0]
    chunk = group[0][1].chunk
    if chunk is not None and id(group[0][1]) in _in_chunks(group):
        real = [part.attention for (_, call), part in zip(group, parts) if not call.hides_all(item)]
        attention = _end_to_end(real or [part.attention for part in parts], chunk.own_keys)
        return replace(parts[0], name=group[0][1].module, attention=attention, values=None)
    first, last = group[0][1].module, group[-1][1].module
    common = ".".join(first.split(".")[: shared_parts(first, last)])
    name = common or (f"{first} to {last}" if first != last else first)
    attention = _stacked([part.attention for part in parts])
    normalized = all(part.normalized for part in parts)
    return replace(parts[0], name=name, attention=attention, normalized=normalized)


def _end_to_end(parts: list[Attention], own_keys: bool) -> Attention:
    """Consecutive pieces of the queries: over the same keys, or each over its own, along the diagonal."""
    if not own_keys:
        return Weights(torch.cat([part[:] for part in parts], 1))
    if len({part.shape for part in parts}) == 1:
        return Windows(tuple(parts))
    heads = zip(*(part[:] for part in parts))
    return Weights(torch.stack([torch.block_diag(*blocks) for blocks in heads]))


def _stacked(parts: list[Attention]) -> Attention:
    """The heads of all parts as one attention: as factors where these have the same scale and mask."""
    first = parts[0]
    if all(isinstance(part, Factors) for part in parts):
        plain = all(part.bias is None and part.sink is None for part in parts)
        rules = [(part.scale, part.softcap, part.mask) for part in parts]
        if (
            plain
            and not any(isinstance(part.mask, Tensor) for part in parts)
            and rules == rules[:1] * len(parts)
        ):
            query, key = (torch.cat([getattr(part, name) for part in parts]) for name in ("query", "key"))
            return replace(first, query=query, key=key, known_lse=None)
    return Weights(torch.cat([part[:] for part in parts]))


def _inside(name: str, path: str) -> bool:
    """Whether a layer is the module at `path`, or inside of it; "" is the model."""
    path = path.rstrip(".")
    return not path or name == path or name.startswith((f"{path}.", f"{path}#"))


def _sided(layers: tuple[Layer, ...], tokens: int, output: int) -> tuple[Layer, ...]:
    """Layers with the sides of their axes: tokens of the input outside a decoder, of the output inside it, of both in
    cross attention, and "other" where the lengths differ. Raises InputError where no axis has as many tokens.
    """
    crossed = any(layer.kind == "cross" for layer in layers)
    sided = []
    for layer in layers:
        whole, sizes = not isinstance(layer.attention, Windows), layer.attention.shape[1:]
        deep = crossed and "decoder" in layer.name.split(".")
        mine = ("output", output) if deep or (output and sizes[0] == output != tokens) else ("input", tokens)
        expected = (("output", output), ("input", tokens)) if layer.kind == "cross" else (mine, mine)
        fits = whole and layer.kind != "channel"
        sides = [side if fits and size == count else "other" for size, (side, count) in zip(sizes, expected)]
        sided.append(replace(layer, query_side=sides[0], key_side=sides[1]))
    for side, count in (("input", tokens), ("output", output)):
        if count and not any(side in (layer.query_side, layer.key_side) for layer in sided):
            shapes = ", ".join(f"{layer.name!r} {list(layer.attention.shape)}" for layer in layers[:3])
            raise InputError(
                f"{count} {side} tokens were given, and no layer has as many positions: {shapes} [head, query, key]; "
                "omit them to number the positions"
            )
    return tuple(sided)


def _span(sizes: list[int], thing: str) -> str:
    """`4 heads`, `2-4 heads`"""
    number = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"
    return f"{number} {thing}" if number == "1" else f"{number} {thing}s"


def _layer_names(calls: list[Call]) -> list[str]:
    """Module paths; with the call's number where one module was called several times (ALBERT)."""
    often = {call.module for call in calls if call.number > 1}
    return [f"{call.module}#{call.number}" if call.module in often else call.module for call in calls]
