"""The path of an attention's values: output projection, residual addition, LayerNorm.

The result of an attention call carries a tag, `ValueTag`, through the functions that follow. A projection is accepted
only if its input is the result itself, with the heads concatenated; an addition only if the other operand is an input
of a module around the attention, as the residual stream is (the result of an MLP beside the attention is not).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..data._trace import Values
from ._layout import Layout
from .handwritten._functions import DROPOUT, PERMUTE, PROJECTIONS, STEPS, overwrites
from .handwritten._tags import is_parameter, operands, with_operand


@dataclass(eq=False)
class ValuePath:
    """The value path of one call, over its whole batch; each part is None until it is recorded.

    value `[batch, key_head, key, d_head]`, output `[head, d_head, d_model]`, residual `[batch, query, d_model]`,
    scale `[d_model]`, spread `[batch, query]`, gradient `[batch, head, query, d_head]`
    """

    batch: int
    heads: int
    queries: int
    value: Tensor | None = None
    output: Tensor | None = None
    residual: Tensor | None = None
    scale: Tensor | None = None
    spread: Tensor | None = None
    gradient: Tensor | None = None
    ambiguous: bool = False
    """Whether two projections read the result (as LoRA adds one), so that neither is the whole output projection."""
    copies: dict[int, tuple[Tensor, int, Tensor]] = field(default_factory=dict, repr=False)
    """Copies of projections, by the id of their weight: one copy serves every input of a capture."""

    def project(self, weight: Tensor, turned: bool) -> None:
        """Records a copy of the output projection `[head * d_head, d_model]`, since training may change it in place.

        turned: it is `[d_model, head * d_head]`, as linear layers have it
        """
        if self.output is not None or self.ambiguous:
            self.output, self.ambiguous = None, True
            return
        version = 0 if weight.is_inference() else weight._version
        cached = self.copies.get(id(weight))
        if cached is None or cached[0] is not weight or cached[1] != version:
            copy = weight.detach().clone()
            copy = (copy.t() if turned else copy).unflatten(0, (self.heads, -1))
            cached = self.copies[id(weight)] = (weight, version, copy)
        self.output = cached[2]

    def item(self, item: int, rows: Tensor | None, cols: Tensor | None) -> Values | None:
        """One input's values, with only the given queries and keys (None: all); None where none were recorded."""
        if self.value is None:
            return None
        per_row = {
            "residual": (self.residual, 0),
            "spread": (self.spread, 0),
            "gradient": (self.gradient, 1),
        }
        return Values(
            value=keep(self.value[item], cols, 1).contiguous(),
            output=self.output,
            scale=self.scale,
            **{n: None if t is None else keep(t[item], rows, dim) for n, (t, dim) in per_row.items()},
        )

    def take_projected(self, gradient: Tensor) -> None:
        """Propagates the gradient `[query, batch, d_model]` at the projection's result back through the projection."""
        rows = self.rows_of(gradient, turned=True)
        self.gradient = torch.einsum("bqm,hdm->bhqd", rows, self.output.to(rows.dtype))

    def rows_of(self, tensor: Tensor, turned: bool) -> Tensor | None:
        """A tensor of the residual stream as `[batch, query, d_model]`; None where it is something else.

        turned: it is `[query, batch, d_model]`
        """
        if turned and tensor.ndim == 3:
            tensor = tensor.transpose(0, 1)
        fits = tensor.numel() == self.batch * self.queries * tensor.shape[-1]
        return tensor.reshape(self.batch, self.queries, -1) if fits else None


@dataclass(frozen=True)
class OutputLayout:
    """The layout of the result of an attention call.

    axes: the permutation to `[*lead, query, d_head]`; None for the identity
    """

    layout: Layout
    queries: int
    axes: tuple[int, ...] | None = None
    repeated: bool = False
    """Whether it is a repetition of the same attention on other values."""

    def put(self, result: Tensor) -> Tensor:
        """The result as `[batch, head, query, d_head]`."""
        if self.axes is not None:
            result = result.permute(self.axes)
        # One query over grouped heads comes back as [batch, key_head, group, d_head].
        result = result.reshape(*self.layout.lead, self.queries, result.shape[-1])
        return self.layout.put(result)

    def along(self, result: Tensor, per_head: Tensor) -> Tensor:
        """Numbers per head, in a shape that multiplies the result."""
        laid = self.layout.spread(per_head.to(result.device, result.dtype))
        if self.axes is None:
            # One query over grouped heads comes back as [batch, key_head, group, d_head].
            packed = self.queries == 1 and result.shape[:-2] != self.layout.lead
            return laid.expand(*self.layout.lead, 1, 1).reshape(*result.shape[:-1], 1) if packed else laid
        back = [self.axes.index(axis) for axis in range(result.ndim)]
        return laid.permute(back)


@dataclass(frozen=True)
class ValueTag:
    """The tag of a tensor on the value path.

    stage: "heads" (as the attention returned it), "projected", or "summed" with the residual stream
    rows: the result as `[batch, query, head * d_head]`, at stage "heads"
    turned: whether the tensor has the sequence before the batch
    inputs: the inputs of the modules around the attention, until the residual addition
    """

    path: ValuePath
    stage: str
    rows: Tensor | None = None
    turned: bool = False
    inputs: tuple[Tensor, ...] = ()


def follow(
    tag: ValueTag,
    source: Tensor,
    func: Callable,
    args: tuple,
    kwargs: dict,
    result: Tensor,
    inputs: list[Tensor],
) -> ValueTag | None:
    """The tag after one more function, None where the path ends; what the function reveals is recorded in the path.

    inputs: the inputs of the running modules
    """
    if func in PROJECTIONS:
        return _projected(tag, source, args, kwargs) if tag.stage == "heads" else None
    if func in PERMUTE:
        return _permuted(tag, func, args, kwargs, source)
    step = STEPS.get(func)
    if step in ("same", "view") or func in DROPOUT:
        return tag
    if tag.stage == "projected" and step == "mul":
        return _scaled(tag, source, args, kwargs)
    if tag.stage == "projected" and step == "add":
        return _summed(tag, source, func, args, kwargs, result, inputs)
    if tag.stage == "summed" and getattr(func, "__name__", "").startswith("layer_norm"):
        _normalised(tag, args, kwargs)
    return None


def passes_on(tag: ValueTag, func: Callable) -> None:
    """Drops the LayerNorm of a sum that is added to later: it belongs to the next block (pre-norm)."""
    if tag.stage == "summed" and STEPS.get(func) == "add":
        tag.path.scale = tag.path.spread = None


def _projected(tag: ValueTag, source: Tensor, args: tuple, kwargs: dict) -> ValueTag | None:
    """A linear layer (weight `[out, in]`), or addmm as GPT-2 has it (weight `[in, out]`)."""
    inputs = operands(args, kwargs, ("input|self", "weight|mat1", "mat2"))
    linear = inputs[0] is source
    weight = inputs[1] if linear else inputs[2]
    path, rows = tag.path, tag.path.rows_of(source, tag.turned)
    if not isinstance(weight, Tensor) or weight.ndim != 2 or rows is None or rows.shape != tag.rows.shape:
        return None
    if not torch.equal(rows, tag.rows):
        return None
    path.project(weight, turned=linear)
    return replace(tag, stage="projected", rows=None)


def _scaled(tag: ValueTag, source: Tensor, args: tuple, kwargs: dict) -> ValueTag | None:
    """A learnt scale per dimension (LayerScale) is a part of the projection."""
    left, right = operands(args, kwargs, ("input|self", "other"))
    gamma = right if left is source else left
    if not isinstance(gamma, Tensor) or not is_parameter(gamma) or gamma.ndim != 1:
        return None
    tag.path.output = tag.path.output * gamma.detach()
    return tag


def _summed(
    tag: ValueTag,
    source: Tensor,
    func: Callable,
    args: tuple,
    kwargs: dict,
    result: Tensor,
    inputs: list[Tensor],
) -> ValueTag | None:
    left, right = operands(args, kwargs, ("input|self", "other"))
    other = right if left is source else left
    if not any(other is one for one in (*inputs, *tag.inputs)) or other.shape != source.shape:
        return None
    lost = overwrites(func) and left is not source
    stream = (result - source if lost else other).detach()
    rows = tag.path.rows_of(stream, tag.turned)
    if rows is None or kwargs.get("alpha", 1) != 1:
        return None
    tag.path.residual = rows.clone()
    return replace(tag, stage="summed", inputs=())


def _normalised(tag: ValueTag, args: tuple, kwargs: dict) -> None:
    source, shape, weight = operands(args, kwargs, ("input|self", "normalized_shape", "weight"))
    eps = kwargs.get("eps", args[4] if len(args) > 4 else 1e-5)
    rows = tag.path.rows_of(source.detach(), tag.turned)
    if rows is None or tuple(shape) != (rows.shape[-1],):
        return
    tag.path.scale = torch.ones_like(rows[0, 0]) if weight is None else weight.detach().clone()
    tag.path.spread = (rows.float().var(-1, correction=0) + eps).sqrt()


def _permuted(tag: ValueTag, func: Callable, args: tuple, kwargs: dict, source: Tensor) -> ValueTag | None:
    """Whether sequence and batch were swapped, determined on an index tensor; None where d_model moved."""
    if tag.stage == "heads":
        return tag
    probe = torch.empty([2 + axis for axis in range(source.ndim)], device="meta")
    args, kwargs = with_operand(args, kwargs, source, probe)
    moved = func(*args, **kwargs)
    if moved.shape[-1] != probe.shape[-1]:
        return None
    return replace(tag, turned=tag.turned != (moved.shape[:2] == (3, 2)))


def keep(tensor: Tensor, positions: Tensor | None, dim: int) -> Tensor:
    """Only the given positions along one axis; None: all."""
    return tensor if positions is None else tensor.index_select(dim, positions.to(tensor.device))
