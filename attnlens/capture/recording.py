"""What a capture heard: the attention calls of each forward pass, and the traces made of them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..attention import Attention, Factors, Weights, Windows
from ..errors import InputError
from ..trace import Layer, Token, Trace
from .masks import Mask
from .mixture import Mixture, keep


@dataclass(frozen=True)
class Call:
    """One attention call over a whole batch, as it was heard.

    module: path of the module that made it; number: 1 for the module's first call in this forward pass, ...
    forward: 1 for the first forward pass under the capture, ...
    kind: "self", "cross", or "channel" (attention between channels, not tokens)
    items: how many inputs the batch axis holds; a multiple of it means windows (Swin)

    weights `[batch, head, query, key]`, or query `[batch, head, query, d_head]` and
    key `[batch, key_head, key, d_head]` with scale, softcap and sink
    """

    module: str
    number: int
    forward: int
    kind: str
    items: int
    mask: Mask | None
    weights: Tensor | None = None
    query: Tensor | None = None
    key: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None
    sink: Tensor | None = None
    part: bool = False
    """Whether it held less than the batch that its module was given."""
    appended: int = 0
    """How many of the last keys are no tokens (bias_k, add_zero_attn)."""
    mixture: Mixture | None = None
    """The values and where they went, where the capture was asked for them."""

    @property
    def batch(self) -> int:
        return (self.weights if self.weights is not None else self.query).shape[0]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, head, query, key)"""
        if self.weights is not None:
            return tuple(self.weights.shape)
        return (*self.query.shape[:3], self.key.shape[2])

    @property
    def windows(self) -> int:
        return self.batch // self.items


@dataclass(repr=False)
class Recording:
    """The attention calls that a capture heard, in order; complete once its `with` block has ended.

    A sequence of traces: `len(recording)`, `recording[0]`, `for trace in recording`.

    calls: every `Call`, in the order of execution
    unheard: paths of modules that look like attention, ran, and were not heard
    """

    model: str
    store: str = "auto"
    calls: list[Call] = field(default_factory=list)
    unheard: tuple[str, ...] = ()

    @property
    def forwards(self) -> list[int]:
        """Numbers of the forward passes in which attention was heard."""
        return sorted({call.forward for call in self.calls})

    def __len__(self) -> int:
        """How many traces there are: one for each input of each forward pass."""
        return sum(self._items(self._named(forward, "")) for forward in self.forwards)

    def __iter__(self) -> Iterator[Trace]:
        return self.traces()

    def __getitem__(self, index: int) -> Trace:
        at = operator.index(index)
        size = len(self)
        if not -size <= at < size:
            raise IndexError(f"trace {at} is out of range: the recording has {size}")
        at %= size
        for forward in self.forwards:
            named = self._named(forward, "")
            items = self._items(named)
            if at < items:
                return Trace(layers=self._layers(named, at), model=self.model)
            at -= items

    def __repr__(self) -> str:
        items = [max(c.items for c in self.calls if c.forward == forward) for forward in self.forwards]
        layers = sorted({sum(c.forward == forward for c in self.calls) for forward in self.forwards})
        heads = sorted({call.shape[1] for call in self.calls})
        if not self.calls:
            return f"Recording of {self.model}: nothing heard yet; run the model inside the `with` block"
        inputs = "1 input" if sum(items) == 1 else f"{sum(items)} inputs"
        passes = "" if len(items) == 1 else f" in {len(items)} forward passes"
        return (
            f"Recording of {self.model}: {inputs}{passes}, {_span(layers, 'layer')} x {_span(heads, 'head')}; "
            "recording[0], recording.traces()"
        )

    def traces(
        self, select: str = "", tokens: Iterable[Sequence[str | Token]] | None = None
    ) -> Iterator[Trace]:
        """One `Trace` per input of each batch, in order, each without its own padding.

        select: only this module and those inside of it, by path ("encoder.layer.1"); needed where parts of a
            model ran on batches of different sizes (the two towers of CLIP).
        tokens: for each input its tokens, as strings or `Token`s; with or without those of the padding.

        Raises InputError when nothing matches, the batch sizes differ, or the tokens do not fit.
        """
        given = None if tokens is None else self._given(tokens, select)
        for forward in self.forwards:
            named = self._named(forward, select)
            for item in range(self._items(named)):
                layers = self._layers(named, item)
                if given is None:
                    yield Trace(layers=layers, model=self.model)
                else:
                    real = self._real(named, item, next(given))
                    yield Trace(layers=_sided(layers, len(real)), model=self.model, tokens=real)

    def layers(self, forward: int, select: str = "") -> Iterator[tuple[Layer, ...]]:
        """The layers of each input of one forward pass."""
        named = self._named(forward, select)
        for item in range(self._items(named)):
            yield self._layers(named, item)

    def _named(self, forward: int, select: str) -> list[tuple[str, Call]]:
        """The calls of one forward pass, with the names of their layers."""
        calls = [call for call in self.calls if call.forward == forward]
        named = [pair for pair in zip(_layer_names(calls), calls) if _inside(pair[0], select)]
        if not named:
            known = ", ".join(dict.fromkeys(call.module for call in self.calls))
            raise InputError(f"no attention was heard in a module {select!r}; heard: {known}")
        return named

    @staticmethod
    def _items(named: list[tuple[str, Call]]) -> int:
        """How many inputs the calls of one forward pass hold."""
        calls = [call for _, call in named]
        for call in calls:
            times = sum(other.module == call.module for other in calls)
            if call.part and times > 1:
                raise InputError(
                    f"{call.module or 'the model'!r} went through its batch in a loop: {times} calls with weights "
                    f"{list(call.shape[1:])} were heard, and which input each belongs to is not known. "
                    "Run one input at a time."
                )
        sizes = {call.items for call in calls}
        if len(sizes) > 1:
            parts = ", ".join(sorted({f"{c.module.split('.')[0]!r} ({c.items})" for c in calls}))
            raise InputError(
                f"parts of the model ran on batches of different sizes: {parts}. "
                "Ask for one part: recording.traces(select=...)."
            )
        return sizes.pop()

    def _layers(self, named: list[tuple[str, Call]], item: int) -> tuple[Layer, ...]:
        padding = _Padding()
        return tuple(self._layer(name, call, item, padding) for name, call in named)

    def _layer(self, name: str, call: Call, item: int, padding: _Padding) -> Layer:
        if call.windows > 1:
            span = range(item * call.windows, (item + 1) * call.windows)
            return Layer(name, call.kind, Windows(tuple(self._one(call, i, None, None) for i in span)))
        rows, cols = padding.of(call, item)
        values = None if call.mixture is None else call.mixture.item(item, rows, cols)
        return Layer(name, call.kind, self._one(call, item, rows, cols), values=values)

    def _given(self, tokens: Iterable[Sequence[str | Token]], select: str) -> Iterator[tuple[Token, ...]]:
        """The tokens of each trace, if they are lists and as many as there are traces."""
        rows = list(tokens)
        if isinstance(tokens, str) or any(isinstance(row, (str, Token)) for row in rows):
            raise InputError('tokens: a list for each input is expected, as [["a", "b"], ["c", "d"]]')
        size = sum(self._items(self._named(forward, select)) for forward in self.forwards)
        if len(rows) != size:
            raise InputError(f"tokens of {len(rows)} inputs were given, but the recording has {size} traces")
        return iter([tuple(t if isinstance(t, Token) else Token(str(t)) for t in row) for row in rows])

    @staticmethod
    def _real(named: list[tuple[str, Call]], item: int, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        """The tokens without padding, by the first layer that attends to its own input."""
        call = next((call for _, call in named if call.kind == "self"), named[0][1])
        real, _ = _Padding().of(call, item) if call.windows == 1 else (None, None)
        padded = call.shape[2] * call.windows
        size = padded if real is None else len(real)
        if len(tokens) == size:
            return tokens
        if len(tokens) == padded:
            return tuple(tokens[i] for i in real.tolist())
        also = "" if real is None else f" ({padded} with padding)"
        raise InputError(f"input {item} of its batch has {size} tokens{also}, but {len(tokens)} were given")

    def _one(self, call: Call, item: int, rows: Tensor | None, cols: Tensor | None) -> Attention:
        """One batch entry as an attention, with only the given rows and columns (None: all)."""
        if call.weights is not None:
            return Weights(keep(keep(call.weights[item], rows, 1), cols, 2).contiguous())
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


class _Padding:
    """Which rows and columns of one input are real, learned from the masks of its layers.

    The mask of a self-attention names the padding of its sequence. A cross-attention's mask speaks of its keys
    alone; its queries are those of the self-attention that stands nearest to it in the module tree.
    """

    def __init__(self):
        self._seen: list[tuple[str, int, Tensor | None]] = []

    def of(self, call: Call, item: int) -> tuple[Tensor | None, Tensor | None]:
        real = None if call.mask is None else call.mask.real_keys(item)
        _, _, queries, keys = call.shape
        if call.kind != "cross":
            tokens = keys - call.appended
            rows = real[real < tokens] if real is not None and queries == tokens else None
            self._seen.append((call.module, queries, rows))
            return rows, real
        near = [(_shared(module, call.module), rows) for module, n, rows in self._seen if n == queries]
        rows = max(near, key=lambda found: found[0])[1] if near else None
        return rows, real


def _shared(a: str, b: str) -> int:
    """How many leading path parts two modules have in common."""
    count = 0
    for x, y in zip(a.split("."), b.split(".")):
        if x != y:
            break
        count += 1
    return count


def _inside(name: str, path: str) -> bool:
    """Whether a layer is the module at `path`, or inside of it; "" is the model."""
    path = path.rstrip(".")
    return not path or name == path or name.startswith((f"{path}.", f"{path}#"))


def _sided(layers: tuple[Layer, ...], tokens: int) -> tuple[Layer, ...]:
    """Layers whose axes are tokens of the input only where they have as many positions, outside of a decoder."""
    crossed = any(layer.kind == "cross" for layer in layers)
    found = []
    for layer in layers:
        whole = not isinstance(layer.attention, Windows)
        inside = whole and layer.kind == "self" and not (crossed and "decoder" in layer.name.split("."))
        query = inside and layer.attention.queries == tokens
        key = (inside or layer.kind == "cross") and layer.attention.keys == tokens
        sides = {"query_side": "input" if query else "other", "key_side": "input" if key else "other"}
        found.append(replace(layer, **sides))
    return tuple(found)


def _span(sizes: list[int], thing: str) -> str:
    """`4 heads`, `2-4 heads`"""
    number = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"
    return f"{number} {thing}" if number == "1" else f"{number} {thing}s"


def _layer_names(calls: list[Call]) -> list[str]:
    """Module paths; with the call's number where one module was called several times (ALBERT)."""
    often = {call.module for call in calls if call.number > 1}
    return [f"{call.module}#{call.number}" if call.module in often else call.module for call in calls]
