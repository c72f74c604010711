"""What a capture heard: the attention calls of each forward pass, and the traces made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor

from ..attention import Attention, Factors, Weights, Windows
from ..errors import InputError
from ..trace import Layer, Trace
from .masks import Mask


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
    appended: int = 0
    """How many of the last keys are no tokens (bias_k, add_zero_attn)."""

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


@dataclass
class Recording:
    """The attention calls that a capture heard, in order; complete once its `with` block has ended.

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

    def traces(self, select: str = "") -> Iterator[Trace]:
        """One `Trace` per input of each batch, in order, each without its own padding.

        select: only modules whose path starts with it; needed where parts of a model ran on batches of
            different sizes (the two towers of CLIP).

        Raises InputError when nothing matches or the batch sizes differ.
        """
        for forward in self.forwards:
            for layers in self.layers(forward, select):
                yield Trace(layers=layers, model=self.model)

    def layers(self, forward: int, select: str = "") -> Iterator[tuple[Layer, ...]]:
        """The layers of each input of one forward pass."""
        calls = [c for c in self.calls if c.forward == forward and c.module.startswith(select)]
        if not calls:
            known = ", ".join(dict.fromkeys(c.module for c in self.calls))
            raise InputError(
                f"no attention was heard in a module that starts with {select!r}; heard: {known}"
            )
        sizes = {call.items for call in calls}
        if len(sizes) > 1:
            parts = ", ".join(sorted({f"{c.module.split('.')[0]!r} ({c.items})" for c in calls}))
            raise InputError(
                f"parts of the model ran on batches of different sizes: {parts}. "
                "Ask for one part: recording.traces(select=...)."
            )
        names = _layer_names(calls)
        for item in range(sizes.pop()):
            keeps = _Padding()
            yield tuple(
                Layer(name, call.kind, self._attention(call, item, keeps)) for name, call in zip(names, calls)
            )

    def _attention(self, call: Call, item: int, padding: _Padding) -> Attention:
        if call.windows > 1:
            span = range(item * call.windows, (item + 1) * call.windows)
            return Windows(tuple(self._one(call, i, None, None) for i in span))
        rows, cols = padding.of(call, item)
        return self._one(call, item, rows, cols)

    def _one(self, call: Call, item: int, rows: Tensor | None, cols: Tensor | None) -> Attention:
        """One batch entry as an attention, with only the given rows and columns (None: all)."""
        if call.weights is not None:
            return Weights(_keep(_keep(call.weights[item], rows, 1), cols, 2).contiguous())
        mask, bias = (None, None) if call.mask is None else call.mask.item(item, rows, cols)
        factors = Factors(
            query=_keep(call.query[item], rows, 1).contiguous(),
            key=_keep(call.key[item], cols, 1).contiguous(),
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


def _keep(tensor: Tensor, positions: Tensor | None, dim: int) -> Tensor:
    return tensor if positions is None else tensor.index_select(dim, positions.to(tensor.device))


def _layer_names(calls: list[Call]) -> list[str]:
    """Module paths; with the call's number where one module was called several times (ALBERT)."""
    often = {call.module for call in calls if call.number > 1}
    return [f"{call.module}#{call.number}" if call.module in often else call.module for call in calls]
