"""The layout of an attention call: which axes of its tensors are batch, heads and windows.

Hand-written attention comes as `[batch, head, query, key]`, but also without heads, without a batch, with both folded
into one axis in either order, heads first, or with windows. The provenance of the axes determines which are batch,
heads and windows; where it is unknown the shapes are used, and ambiguous ones are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from torch import Tensor

from ..errors import CaptureError
from ._modules import Frame, label
from .handwritten._axis_operations import broadcast
from .handwritten._provenance import BATCH, FEATURE, INPUT, POSITION, UNKNOWN, Axes, Axis, AxisPart, kinds


@dataclass(frozen=True)
class QueryChunk:
    """Queries that are a slice of a longer axis, from `start` on; own_keys: the keys are the same slice of theirs."""

    whole: AxisPart
    start: int
    own_keys: bool

    @classmethod
    def of(cls, query: Axis, key: Axis) -> QueryChunk | None:
        if len(query) != 1 or query[0].start is None or query[0].whole is None:
            return None
        rows, cols = query[0], key[0] if len(key) == 1 else None
        same_keys = (
            cols is not None
            and cols.whole is rows.whole
            and (cols.start, cols.size) == (rows.start, rows.size)
        )
        return cls(rows.whole, rows.start, same_keys)


@dataclass(frozen=True)
class Layout:
    """How tensors `[*lead, x, y]` become `[batch, head, x, y]`.

    lead: leading sizes as recorded; parts: the sizes that each of them is made of, outermost first
    batch_axes, head_axes: positions among the parts, inputs before windows
    items: how many inputs the batch axis holds; a multiple of it are windows
    kind: "self", "cross" or "channel"
    """

    lead: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]
    batch_axes: tuple[int, ...]
    head_axes: tuple[int, ...]
    items: int
    kind: str
    part: bool = False
    """Whether it covers only a part of the module's batch: a loop over inputs."""
    chunk: QueryChunk | None = None
    """The numbers of the queries, where a module processes them in chunks."""

    @cached_property
    def _in_order(self) -> bool:
        """Whether it is `[batch, head]` as it was recorded."""
        return self.batch_axes == (0,) and self.head_axes == (1,) and len(self.parts) == 2

    @property
    def _sizes(self) -> tuple[int, ...]:
        return sum(self.parts, ())

    @cached_property
    def batch(self) -> int:
        return prod(self._sizes[i] for i in self.batch_axes)

    @cached_property
    def heads(self) -> int:
        return prod(self._sizes[i] for i in self.head_axes)

    def put(self, tensor: Tensor, shared: bool = False) -> Tensor:
        """`[batch | 1, head | 1, x, y]` of a tensor whose leading axes are those recorded, or 1, or omitted.

        shared: fewer heads than recorded are kept, `[batch, key_head, x, y]`, each shared by a group of heads
        """
        x, y = tensor.shape[-2:]
        if self._in_order and tensor.ndim == 4 and tensor.shape[0] == self.lead[0]:
            if shared or tensor.shape[1] in (1, self.lead[1]):
                return tensor
        shape = (1,) * (len(self.lead) + 2 - tensor.ndim) + tuple(tensor.shape[:-2])
        sizes: list[int] = []
        for size, whole, parts in zip(shape, self.lead, self.parts):
            sizes += parts if size == whole else (size, *(1,) * (len(parts) - 1))
        tensor = tensor.reshape(*sizes, x, y).permute(*self.batch_axes, *self.head_axes, -2, -1)
        split, kept = len(self.batch_axes), tensor.shape[:-2]
        batch = [self._sizes[i] for i in self.batch_axes] if prod(kept[:split]) != 1 else [1] * split
        heads = list(kept[split:])
        if prod(heads) != 1 and not (shared and _leads(heads)):
            heads = [self._sizes[i] for i in self.head_axes]
        return tensor.expand(*batch, *heads, -1, -1).reshape(prod(batch), prod(heads), x, y)

    def spread(self, per_head: Tensor) -> Tensor:
        """Numbers `[head]` as `[*lead | 1, 1, 1]`: the inverse of `put`."""
        sizes = [self._sizes[i] for i in self.head_axes]
        order = sorted(range(len(sizes)), key=lambda n: self.head_axes[n])
        laid = per_head.view(sizes).permute(order)
        laid = laid.reshape([size if i in self.head_axes else 1 for i, size in enumerate(self._sizes)])
        return laid.expand(self._sizes).reshape(self.lead)[..., None, None]


def _leads(sizes: list[int]) -> bool:
    """Whether only the last of these axes are 1, so that heads in order share what they hold."""
    return 1 not in sizes[: next((i for i in range(len(sizes), 0, -1) if sizes[i - 1] != 1), 0)]


@dataclass(frozen=True)
class AttentionAxes:
    """The provenance of the axes of an attention `[*lead, query, key]`, and of `inner`, the axis of the scores' sum."""

    lead: tuple[Axis, ...]
    query: Axis
    key: Axis
    inner: Axis = ()
    dropped: Axis = ()
    """Parts that were removed by indexing before."""
    learned: bool = False
    """Whether the queries are parameters or computed from them, and the keys are not."""

    @classmethod
    def between(cls, query: Axes | None, key: Axes | None, lead: tuple[int, ...]) -> AttentionAxes:
        """For the product of query and key `[*lead, token, d_head]`."""
        sides = [side for side in (query, key) if side is not None and len(side.axes) > 1]
        axes = broadcast([(side.axes[:-2], side.fixed) for side in sides], lead)
        rows = () if query is None else query.axes[-2]
        cols, inner = () if key is None else key.axes[-2], () if query is None else query.axes[-1]
        learned = _is_learned(query) and not _is_learned(key)
        return cls(axes, rows, cols, inner, () if query is None else query.dropped, learned)

    @classmethod
    def of(cls, weights: Axes, order: tuple[int, ...], values: Axis) -> AttentionAxes:
        """For weights whose axes in this order are `[*lead, query, key]`; values: the feature axis of the values."""
        *lead, query, key = (weights.axes[at] for at in order)
        return cls(tuple(lead), query, key, values, weights.dropped)


def _is_learned(axes: Axes | None) -> bool:
    return axes is not None and (axes.fixed or axes.learned)


@lru_cache(maxsize=256)
def of_heads(batch: int, heads: int, items: int, kind: str) -> Layout:
    """The layout of `[batch, head, x, y]`."""
    return Layout((batch, heads), ((batch,), (heads,)), (0,), (1,), items, kind)


def read(
    frames: list[Frame],
    lead: tuple[int, ...],
    queries: int,
    keys: int,
    inner: int | None,
    query: Tensor,
    attention_axes: AttentionAxes,
    whole: AxisPart | None,
) -> Layout:
    """The layout of an attention `[*lead, query, key]` recorded while these modules ran.

    inner: length of the axis of the product of query and key; query: the tensor of the queries
    attention_axes: provenance of its axes, as far as known; whole: the batch of the model's inputs
    """
    owner = _owner(frames, query)
    inputs = owner.activations(queries) if owner is not None else []
    kind = _kind(inputs, owner.contexts() if owner is not None else [], queries, keys)
    kind = _kind_of_parts(attention_axes) or kind
    by_parts = _by_parts(attention_axes, whole)
    if by_parts is not None:
        parts, batch_axes, head_axes, items = by_parts
        sizes = sum(parts, ())
        total = prod(sizes[i] for i in batch_axes)
        if items is None:
            items = items_of(frames, total)
        part = any(p.kind == BATCH and total % p.size for p in attention_axes.dropped)
        if not kinds(attention_axes.inner) & {FEATURE, INPUT} and _channel(
            inputs, queries, keys, inner, total
        ):
            kind = "channel"
        chunk = QueryChunk.of(attention_axes.query, attention_axes.key)
        return Layout(lead, parts, batch_axes, head_axes, items, kind, part, chunk)
    return _by_shape(frames, inputs, lead, queries, keys, inner, kind)


def _by_shape(
    frames: list[Frame],
    inputs: list[Tensor],
    lead: tuple[int, ...],
    queries: int,
    keys: int,
    inner: int | None,
    kind: str,
) -> Layout:
    """The layout of tensors of unknown provenance, from the shapes of the module's inputs."""
    batch, areas, seq_first = _activation(inputs, queries, keys, lead)
    if len(lead) == 0:
        parts, batch_axes, head_axes = (), (), ()
    elif len(lead) == 1 and batch in (None, *lead):
        parts, batch_axes, head_axes = (lead,), (0,), ()
    elif len(lead) == 1 and (batch == 1 or lead[0] % batch):
        # An axis that the batch does not divide is heads, of one input in a loop over the batch.
        parts, batch_axes, head_axes = (lead,), (), (0,)
    elif len(lead) == 2:
        swapped = batch is not None and lead[1] == batch != lead[0] and lead[0] % batch != 0
        parts, batch_axes, head_axes = ((lead[0],), (lead[1],)), (int(swapped),), (int(not swapped),)
    else:
        raise _unsettled(frames, (*lead, queries, keys))
    total = prod(lead[i] for i in batch_axes)
    items = total if seq_first or not frames else items_of(frames, total)
    channel = queries == keys and total == batch and inner in areas and queries not in areas
    part = len(lead) < 2 and batch is not None and total % batch != 0
    return Layout(lead, parts, batch_axes, head_axes, items, "channel" if channel else kind, part)


def _unsettled(frames: list[Frame], shape: tuple[int, ...]) -> CaptureError:
    where = label(frames[-1].name, frames[-1].module) if frames else "the model"
    return CaptureError(
        f"attention weights {list(shape)} were computed in {where}, and which of their axes are inputs, heads and "
        "windows is ambiguous. Run one input at a time, or write the attention with the axes [batch, head, query, key]."
    )


def _by_parts(
    attention_axes: AttentionAxes, whole: AxisPart | None
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...], tuple[int, ...], int | None] | None:
    """(parts of the leading axes, batch axes, head axes, number of inputs) from the provenance of the axes.

    None where it is unknown; the number is None where the batch holds more than inputs.
    """
    flat = [part for axis in attention_axes.lead for part in axis or (_NOTHING,)]
    mine = {id(part.root) for axis in (attention_axes.query, attention_axes.key) for part in axis}
    ready = FEATURE not in kinds(
        attention_axes.inner
    )  # query and key are inputs of the module, or heads of an input
    turned = any(part.kind == BATCH for part in (*attention_axes.query, *attention_axes.key))
    batch, windows, heads = [], [], []
    for at, part in enumerate(flat):
        if part is _NOTHING or part.kind == BATCH:
            batch.append(at)
        elif part.kind == FEATURE or (part.kind == INPUT and ready):
            heads.append(at)
        elif part.kind in (POSITION, INPUT):
            # With the tokens first, the axis beside them is the batch.
            (batch if turned and id(part.root) not in mine else windows).append(at)
        elif whole is not None and part.size == whole.size and part.kind == UNKNOWN:
            batch.append(at)
        else:
            return None
    parts = tuple(tuple(part.size for part in axis) or (1,) for axis in attention_axes.lead)
    inputs = prod(flat[at].size for at in batch)
    whole_inputs = all(flat[at].kind != BATCH or flat[at] is whole for at in batch)
    return parts, (*batch, *windows), tuple(heads), inputs if whole_inputs else None


_NOTHING = AxisPart(1, "nothing")
"""An axis of size 1."""


def _kind_of_parts(attention_axes: AttentionAxes) -> str | None:
    """The kind, where the parts determine it."""
    rows, cols, inner = kinds(attention_axes.query), kinds(attention_axes.key), kinds(attention_axes.inner)
    if rows == cols == {FEATURE} and POSITION in inner:
        return "channel"
    return "cross" if attention_axes.learned else None


def _channel(inputs: list[Tensor], queries: int, keys: int, inner: int | None, total: int) -> bool:
    """Whether the shapes show that rows and keys are channels of a picture."""
    batch, areas, _ = _activation(inputs, queries, keys, ())
    return queries == keys and total == batch and inner in areas and queries not in areas


def _activation(
    inputs: list[Tensor], queries: int, keys: int, lead: tuple[int, ...]
) -> tuple[int | None, tuple[int, ...], bool]:
    """(batch size, possible numbers of tokens, whether tokens come first) of the owner's input."""
    if not inputs:
        return None, (), False
    shape = tuple(inputs[0].shape)
    if len(shape) == 2:
        return 1, shape[:1], False
    if len(shape) == 3:
        turned = shape[0] == queries != shape[1] and prod(lead) % shape[1] == 0
        if turned and any(t.shape[0] == keys for t in inputs):
            return shape[1], shape[:1], True
        return shape[0], shape[1:2], False
    # A picture, channels first or last.
    return shape[0], (prod(shape[2:]), prod(shape[1:-1])), False


def _owner(frames: list[Frame], query: Tensor) -> Frame | None:
    """The innermost running module whose inputs are activations, and not already query and key."""
    for frame in reversed(frames):
        inputs = frame.activations(query.shape[-2])
        split = any(t.ndim > 3 and t.shape[:-1] == query.shape[:-1] for t in inputs)
        if inputs and not split and frame.projects:
            return frame
    return None


def items_of(frames: list[Frame], batch: int) -> int:
    """The number of inputs of a batch axis of this length."""
    for frame in frames[:2]:
        sizes = frame.batches()
        if batch in sizes:
            return batch
        if len(sizes) == 1:
            size = sizes.pop()
            return size if size and batch % size == 0 else batch
    return batch


def _kind(inputs: list[Tensor], contexts: list[Tensor], queries: int, keys: int) -> str:
    square = queries == keys
    if not inputs:
        return "self" if square else "cross"
    first = inputs[0]
    others = [t for t in inputs[1:] if t.ndim == first.ndim and not _same(t, first)]
    if len(inputs) == 3 and _same(inputs[1], first):
        others = []  # query, key, value, where only the value went without positions
    others = [t for t in others if not _is_mask(t, first, queries, keys)]
    if square:
        others = [t for t in others if keys in t.shape[:-1]]
    # An input as long as the queries may be a residual stream as well as the source of the keys.
    others = [t for t in others if t.shape != first.shape or any(_same(t, c) for c in contexts)]
    return "cross" if others else "self"


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and a.data_ptr() == b.data_ptr())


def _is_mask(tensor: Tensor, first: Tensor, queries: int, keys: int) -> bool:
    """An unnamed float mask `[batch, query | 1, key]` beside activations."""
    return tensor.shape[-1] == keys != first.shape[-1] and tensor.shape[-2] in (1, queries)
