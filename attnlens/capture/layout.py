"""Whose attention it is, and which axes of its tensors are which.

Hand-written attention comes as `[batch, head, query, key]`, but also without heads, without a batch, with both
folded into one axis, heads first, or with windows. The module that owns the attention was given activations, and
their shapes tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from .modules import Frame


@dataclass(frozen=True)
class Layout:
    """How tensors `[*lead, x, y]` become `[batch, head, x, y]`.

    lead: leading sizes as heard; fold: the sizes that a joint first axis stands for, or None
    batch_axes, head_axes: positions among the leading axes (after unfolding)
    items: how many inputs the batch axis holds; a multiple of it are windows
    kind: "self", "cross" or "channel"
    """

    lead: tuple[int, ...]
    fold: tuple[int, int] | None
    batch_axes: tuple[int, ...]
    head_axes: tuple[int, ...]
    items: int
    kind: str
    part: bool = False
    """Whether it is less than the batch that the module was given: a loop over inputs."""

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.fold or self.lead

    @property
    def batch(self) -> int:
        return prod(self._sizes[i] for i in self.batch_axes)

    @property
    def heads(self) -> int:
        return prod(self._sizes[i] for i in self.head_axes)

    def put(self, tensor: Tensor) -> Tensor:
        """`[batch | 1, head | 1, x, y]` of a tensor whose leading axes are those heard, or 1, or left out."""
        if not self.lead:
            return tensor[(None,) * (4 - tensor.ndim)]
        tensor = tensor[(None,) * (len(self.lead) + 2 - tensor.ndim)]
        if self.fold is not None:
            tensor = tensor.unflatten(0, self.fold if tensor.shape[0] > 1 else (1, 1))
        tensor = tensor.permute(*self.batch_axes, *self.head_axes, -2, -1)
        split = len(self.batch_axes)
        axes = (*self.batch_axes, *self.head_axes)
        groups = axes[:split], axes[split:]
        shape: list[int] = []
        full: list[int] = []
        for start, group in zip((0, split), groups):
            own = tensor.shape[start : start + len(group)]
            sizes = [self._sizes[i] for i in group]
            alone = all(size == 1 for size in own)
            full += own if alone else sizes
            shape.append(1 if alone else prod(sizes))
        return tensor.expand(*full, -1, -1).reshape(*shape, *tensor.shape[-2:])

    def spread(self, per_head: Tensor) -> Tensor:
        """`[*lead | 1, 1, 1]` of numbers `[head]`: the way back from `put`."""
        sizes = [self._sizes[i] for i in self.head_axes]
        order = sorted(range(len(sizes)), key=lambda n: self.head_axes[n])
        laid = per_head.view(sizes).permute(order)
        laid = laid.reshape([size if i in self.head_axes else 1 for i, size in enumerate(self._sizes)])
        if self.fold is not None:
            laid = laid.expand(self.fold).reshape(self.lead)
        return laid[..., None, None]

    def put_keys(self, key: Tensor) -> Tensor:
        """As `put`, for keys that several heads share (grouped queries): `[batch | 1, key_head, key, d_head]`."""
        if len(self.lead) != 2 or key.ndim != 4:
            return self.put(key)
        return key.permute(*self.batch_axes, *self.head_axes, 2, 3)


def read(
    frames: list[Frame], lead: tuple[int, ...], queries: int, keys: int, inner: int | None, query: Tensor
) -> Layout:
    """The layout of an attention `[*lead, query, key]` heard while these modules ran.

    inner: length of the axis that query and key were multiplied over; query: what its rows were made of
    """
    owner = _owner(frames, query)
    given = owner.activations(queries) if owner is not None else []
    batch, areas, seq_first = _activation(given, queries, keys, lead)
    fitting = [area for area in areas if queries and area % queries == 0]
    windows = fitting[0] // queries if fitting and 1 < queries == keys else 1
    fold, batch_axes, head_axes = _axes(lead, batch, windows)
    sizes = fold or lead
    total = prod(sizes[i] for i in batch_axes)
    items = total if seq_first or not frames else items_of(frames, total)
    channel = queries == keys and total == batch and inner in areas and queries not in areas
    contexts = owner.contexts() if owner is not None else []
    kind = "channel" if channel else _kind(given, contexts, queries, keys)
    part = len(lead) < 2 and batch is not None and total % batch != 0
    return Layout(tuple(lead), fold, batch_axes, head_axes, items, kind, part)


def _activation(
    given: list[Tensor], queries: int, keys: int, lead: tuple[int, ...]
) -> tuple[int | None, tuple[int, ...], bool]:
    """(batch size, how many tokens there may be, whether tokens come first) of the owner's input."""
    if not given:
        return None, (), False
    shape = tuple(given[0].shape)
    if len(shape) == 2:
        return 1, shape[:1], False
    if len(shape) == 3:
        turned = shape[0] == queries != shape[1] and prod(lead) % shape[1] == 0
        if turned and any(t.shape[0] == keys for t in given):
            return shape[1], shape[:1], True
        return shape[0], shape[1:2], False
    # A picture, channels first or last.
    return shape[0], (prod(shape[2:]), prod(shape[1:-1])), False


def _axes(
    lead: tuple[int, ...], batch: int | None, windows: int
) -> tuple[tuple[int, int] | None, tuple[int, ...], tuple[int, ...]]:
    """(fold, batch axes, head axes)"""
    if len(lead) == 0:
        return (1, 1), (0,), (1,)
    if len(lead) == 1:
        per_item = batch * windows if batch else lead[0]
        if lead[0] % per_item:
            # An axis that the batch does not divide is heads, of one input of a loop over the batch.
            per_item = batch if batch and lead[0] % batch == 0 else 1
        return (per_item, lead[0] // per_item), (0,), (1,)
    if len(lead) == 2:
        swapped = batch is not None and lead[1] == batch != lead[0] and windows * batch != lead[0]
        return None, (1,) if swapped else (0,), (0,) if swapped else (1,)
    rest = tuple(range(1, len(lead)))
    if batch is None or lead[0] != batch:
        return None, tuple(range(len(lead) - 1)), (len(lead) - 1,)
    if windows == 1:
        return None, (0,), rest
    # Windows beside the batch: the axes, taken together, that are as many as there are windows.
    for chosen in ((1,), (2,), (1, 2), (2, 3)):
        if max(chosen) < len(lead) and prod(lead[i] for i in chosen) == windows and len(chosen) < len(rest):
            return None, (0, *chosen), tuple(i for i in rest if i not in chosen)
    return None, tuple(range(len(lead) - 1)), (len(lead) - 1,)


def _owner(frames: list[Frame], query: Tensor) -> Frame | None:
    """The innermost running module that was given activations, not already the query and key themselves."""
    for frame in reversed(frames):
        given = frame.activations(query.shape[-2])
        split = any(t.ndim > 3 and t.shape[:-1] == query.shape[:-1] for t in given)
        if given and not split and frame.projects:
            return frame
    return None


def items_of(frames: list[Frame], batch: int) -> int:
    """How many inputs a batch axis of this length stands for."""
    for frame in frames[:2]:
        sizes = frame.batches()
        if batch in sizes:
            return batch
        if len(sizes) == 1:
            size = sizes.pop()
            return size if size and batch % size == 0 else batch
    return batch


def _kind(given: list[Tensor], contexts: list[Tensor], queries: int, keys: int) -> str:
    square = queries == keys
    if not given:
        return "self" if square else "cross"
    first = given[0]
    others = [t for t in given[1:] if t.ndim == first.ndim and not _same(t, first)]
    if len(given) == 3 and _same(given[1], first):
        others = []  # query, key, value, where only the value went without positions
    others = [t for t in others if not _is_mask(t, first, queries, keys)]
    if square:
        others = [t for t in others if keys in t.shape[:-1]]
    # One as long as the queries is a residual stream as likely as what the keys are made of.
    others = [t for t in others if t.shape != first.shape or any(_same(t, c) for c in contexts)]
    return "cross" if others else "self"


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and a.data_ptr() == b.data_ptr())


def _is_mask(tensor: Tensor, first: Tensor, queries: int, keys: int) -> bool:
    """An unnamed float mask `[batch, query | 1, key]` beside activations."""
    return tensor.shape[-1] == keys != first.shape[-1] and tensor.shape[-2] in (1, queries)
