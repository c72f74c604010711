"""Recording of recognised attention calls: their factors or weights, their values, and shared masks and copies.

The recorded tensors are detached and copied, since a model may overwrite them, as static caches do.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..data._attention import Band
from ..data._batch import AttentionBatch
from ..errors import CaptureError
from . import _layout
from ._attention_functions import AttentionCall
from ._calls import Call, Reduced
from ._layout import AttentionAxes, Layout
from ._masks import Mask
from ._modules import Frame, ModuleStack, label
from ._padding import BatchPadding, batch_of
from ._pass_plan import InnerCall, PassPlan, PlannedCall, drop_plans, is_plain, may_be_planned
from ._previous import InterfaceCall, LastPair, PreviousCall, same_rule, same_storage, version
from ._recording import Recording
from ._value_path import OutputLayout, ValuePath, ValueTag
from ._verification import Evidence
from .handwritten._tags import Scores, Tags, concrete, vmapped
from .handwritten._trail import factors_behind


class ReducerError(Exception):
    """A reducer failed on the layer of this name; its own error is the cause."""


class CallRecorder:
    """Adds attention calls to a recording, as `Call`s.

    values: whether to record the values and their path to the residual stream; None: as gradients
    gradients: whether to record the values and the gradient of each head's output
    verify: whether to record the values and the output of each attention
    reduce: a function of each attention for the whole batch, whose result is kept in the place of the attention
    """

    def __init__(
        self,
        recording: Recording,
        stack: ModuleStack,
        dtype: torch.dtype | None,
        *,
        values: bool | None = None,
        gradients: bool = False,
        verify: bool = False,
        reduce: Callable[[AttentionBatch], Any] | None = None,
    ):
        self.recording = recording
        self.stack = stack
        self.dtype = dtype
        self.values = gradients if values is None else values
        self.gradients, self.verify = gradients, verify
        self.reduce = reduce
        self._padding = BatchPadding()
        self.interface: list[InterfaceCall] = []
        self.tags = Tags()
        self.latest: OutputLayout | None = None
        self.last: LastPair | None = None
        self._copies: dict = {}
        self._masks: dict[tuple, tuple[Tensor, Mask | None]] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._before: PreviousCall | None = None
        self.plan: PassPlan | None = None
        self.learned: PassPlan | None = None
        self.departed = False
        self._batches: set[int] = set()

    def begin(self, frame: Frame, plan: PassPlan | None, learns: bool) -> None:
        """Starts a forward pass, by a plan or learning one."""
        self.plan, self.learned, self.departed = plan, PassPlan() if learns else None, False
        self._batches, self._padding = frame.batches(), BatchPadding()
        self.last = self._before = None

    def depart(self) -> None:
        """Ends the plan: the pass has a call that it does not hold."""
        self.plan, self.departed = None, True
        self.stack.follow()
        drop_plans(self.stack.model)

    def planned_layout(self, query: Tensor, key: Tensor) -> Layout | None:
        """The layout of the next call by the plan; None without one."""
        if self.plan is None:
            return None
        frames, interface = self.stack.frames, bool(self.interface)
        layout = self.plan.layout(frames, self._next_number, query, key, self._batches, interface)
        if layout is None:
            self.depart()
        return layout

    def inner_call(self, about: tuple | None) -> InnerCall | None:
        """What is inside the next call of the interface; None where it has to be watched."""
        if about is None or self.plan is None:
            return None
        inner = self.plan.inner.get((self.stack.frames[-1].name, self._next_number))
        return inner if inner is not None and inner.about == about else None

    def learn_inner(self, about: tuple, call: InterfaceCall) -> None:
        """Adds to the plan what was inside a call of the interface that was just recorded."""
        if self.plan is not None and call.recorded == 1 and call.inner is not None:
            place = self.stack.frames[-1].name, self._next_number - 1
            self.plan.inner[place] = InnerCall(about, *call.inner)

    def record_inner(self, call: InterfaceCall, inner: InnerCall) -> None:
        """Records a call of the interface whose inside is known."""
        pair = call.query, call.key, call.mask, call
        if self.repeated(*pair) is None:
            output_layout = self.record_factors(call.query, call.key, inner.scale, call.mask, band=inner.band)
            self.last = LastPair(self.stack.frames[-1], *pair, output_layout)

    def _learn(self, layout: Layout, query: Tensor, key: Tensor, beside: int) -> None:
        """Adds the next call to the plan; a call of another form ends the learning."""
        if self.learned is None:
            return
        alone = beside == len(self.recording.calls)
        if not (alone and is_plain(layout) and may_be_planned(query, key, self._batches)):
            self.learned = None
            return
        frames, interface = self.stack.frames, bool(self.interface)
        call = PlannedCall.of(layout.kind, query, key, frames, interface)
        self.learned.add(frames[-1].name, self._next_number, call, interface)

    @property
    def _next_number(self) -> int:
        """The number of the running module's next call in this forward pass."""
        return self._numbers.get((self.stack.forwards, self.stack.frames[-1].name), 0) + 1

    def forget(self) -> None:
        """Drops the tags, whose reference cycles would otherwise wait for the garbage collector."""
        self.tags.clear()
        self._copies.clear()
        self.last = None
        self._before = None

    def record_factors(
        self,
        query: Tensor,
        key: Tensor,
        scale: float,
        mask: Tensor | None,
        *,
        band: Band | None = None,
        softcap: float | None = None,
        sink: Tensor | None = None,
        layout: Layout | None = None,
        appended: int = 0,
        sides: tuple[Tensor, Tensor] | None = None,
    ) -> OutputLayout:
        """Records one attention call by query and key, `[batch, head, token, d_head]` or with other axes.

        sides: the model's own query and key, where these were derived from them
        """
        sides = (query, key) if sides is None else sides
        queries, keys = query.shape[-2], key.shape[-2]
        if layout is None:
            layout = self.planned_layout(query, key)
        if layout is None:
            lead = query.shape[:-2] if query.ndim >= key.ndim else key.shape[:-2]
            if query.ndim == key.ndim:
                # Key heads may be fewer, and shared.
                lead = tuple(map(max, query.shape[:-2], key.shape[:-2]))
            elif query.shape[:-2] != key.shape[:-2]:
                lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
            attention_axes = self.axes_between(*sides, lead=tuple(lead))
            layout = self.layout(tuple(lead), queries, keys, query.shape[-1], query, attention_axes)
        shape = (layout.batch, layout.heads, queries, keys)
        beside = len(self.recording.calls)
        if self.plan is None:
            beside = self._beside(layout.kind, shape, query)
            self._learn(layout, query, key, beside)
        query, key = _spread(layout.put(query), shape), _spread(layout.put(key, shared=True), shape)
        return self._note(
            layout,
            shape,
            beside=beside,
            mask=self._mask(mask, layout, shape, band),
            query=self._copy(query),
            key=self._copy(key),
            scale=scale,
            softcap=softcap,
            sink=None if sink is None else sink.detach().clone(),
            appended=appended,
        )

    def record_weights(
        self,
        weights: Tensor,
        behind: Scores | None,
        attention_axes: AttentionAxes,
        query: Tensor | None = None,
        mask: Tensor | None = None,
        touched: bool = False,
    ) -> OutputLayout:
        self.learned = None
        if query is None:
            query = weights if behind is None else concrete(behind.query)
        inner = None if query is weights else query.shape[-1]
        queries, keys = weights.shape[-2:]
        layout = self.layout(tuple(weights.shape[:-2]), queries, keys, inner, query, attention_axes)
        weights = layout.put(weights)
        shape = tuple(weights.shape)
        kept_mask, stored = self._mask(mask, layout, shape, None), None
        if behind is not None:
            kept_mask, stored = factors_behind(behind, weights, layout, self.recording.store, touched)
        stored = {"weights": weights} if stored is None else stored
        copies = {name: self._copy(v) if isinstance(v, Tensor) else v for name, v in stored.items()}
        beside = self._beside(layout.kind, shape, query)
        return self._note(layout, shape, mask=kept_mask, beside=beside, touched=touched, **copies)

    def record_values(
        self, output_layout: OutputLayout, value: Tensor, result: Tensor, dropped: bool = False
    ) -> None:
        """Records the values of the last recorded attention, and tags its result.

        dropped: whether dropout changed the weights
        """
        call = self.recording.calls[-1]
        self.latest = output_layout
        if output_layout.repeated:
            return
        if self.verify:
            held = _spread(output_layout.layout.put(concrete(value.detach()), shared=True), call.shape)
            self._keep(Evidence(held.clone(), output_layout.put(concrete(result.detach())).clone(), dropped))
        if call.value_path is None or vmapped(result) or call.windows > 1:
            return
        path, (batch, _, queries, _) = call.value_path, call.shape
        path.value = self._copy(_spread(output_layout.layout.put(concrete(value), shared=True), call.shape))
        if self.values:
            rows = output_layout.put(result.detach()).transpose(1, 2).reshape(batch, queries, -1)
            self.tags[result] = ValueTag(path, "heads", rows, inputs=tuple(self.stack.inputs()))
        if self.gradients and result.requires_grad:
            result.register_hook(lambda gradient: setattr(path, "gradient", output_layout.put(gradient)))

    def record_projected_values(
        self,
        output_layout: OutputLayout,
        attention: AttentionCall,
        projection: tuple[Tensor, Tensor | None],
        result: Tensor,
    ) -> None:
        """Records the values of the last recorded nn.MultiheadAttention, and tags its result.

        projection: weight and bias of the output projection, which is applied to the result already
        """
        call, (weight, _) = self.recording.calls[-1], projection
        if self.verify and not vmapped(result):
            out = result.detach()
            out = output_layout.layout.put(
                (out.transpose(0, 1) if out.ndim == 3 else out[None])[:, None]
            ).clone()
            self._keep(
                Evidence(
                    output_layout.layout.put(attention.value.detach()).clone(),
                    out,
                    attention.dropped,
                    projection,
                )
            )
        if call.value_path is None or vmapped(result):
            return
        path = call.value_path
        path.value = self._copy(output_layout.layout.put(concrete(attention.value)))
        path.project(weight, turned=True)
        if self.values:
            self.tags[result] = ValueTag(path, "projected", turned=True, inputs=tuple(self.stack.inputs()))
        if self.gradients and result.requires_grad:
            result.register_hook(path.take_projected)

    def _keep(self, evidence: Evidence) -> None:
        self.recording.calls[-1] = replace(self.recording.calls[-1], evidence=evidence)

    def pair(self, query: Tensor, key: Tensor, rule: Tensor | float | None) -> tuple:
        """What identifies a repeated attention: its query, key and rule, those of the attention interface of
        transformers where it is used for this attention only, and that call.
        """
        if not self.interface or self.interface[-1].recorded:
            return query, key, rule, None
        called = self.interface[-1]
        return called.query, called.key, called.mask, called

    def repeated(
        self, query: Tensor, key: Tensor, rule: Tensor | float | None, call: InterfaceCall | None
    ) -> OutputLayout | None:
        """The layout of the last call, where it had the same query and key in the same module: only values differ."""
        last = self.last
        same = (
            last is not None
            and last.frame is self.stack.frames[-1]
            and (last.call is None) == (call is None)
            and same_rule(last.rule, rule)
            and same_storage(last.query, query)
            and same_storage(last.key, key)
        )
        if same and self.interface:
            self.interface[-1].recorded += 1
        if same:
            self.learned = None
        return replace(last.output_layout, repeated=True) if same else None

    def axes_between(self, query: Tensor, key: Tensor, lead: tuple[int, ...] | None = None) -> AttentionAxes:
        """The provenance of the axes of attention between these two."""
        provenance = self.stack.provenance
        lead = tuple(query.shape[:-2]) if lead is None else lead[len(lead) + 2 - max(query.ndim, key.ndim) :]
        return AttentionAxes.between(provenance.of(query), provenance.of(key), lead)

    def layout(
        self,
        lead: tuple[int, ...],
        queries: int,
        keys: int,
        inner: int | None,
        query: Tensor,
        attention_axes: AttentionAxes,
    ) -> Layout:
        frame = self.stack.frames[-1]
        sizes = [size for size in lead if size != 1]
        if self.departed and len(set(sizes)) < len(sizes):
            raise CaptureError(
                f"{label(frame.name, frame.module)} ran other code than in the pass before, and which of the axes "
                f"{list(lead)} of its attention are inputs and which are heads was not followed. Run the model again: "
                "the next pass is followed from its start."
            )
        provenance = self.stack.provenance
        hidden = len(lead) - len(attention_axes.lead)  # axes that torch.vmap hides
        attention_axes = replace(
            attention_axes, lead=(*provenance.mapped(lead[:hidden]), *attention_axes.lead)
        )
        return _layout.read(
            self.stack.frames, lead, queries, keys, inner, query, attention_axes, provenance.batch
        )

    def _note(self, layout: Layout, shape: tuple, *, mask: Mask | None, **what: Any) -> OutputLayout:
        name = self.stack.frames[-1].name
        forward = self.stack.forwards
        number = self._numbers[forward, name] = self._next_number
        call = Call(
            module=name,
            number=number,
            forward=forward,
            kind=layout.kind,
            items=layout.items,
            part=layout.part,
            chunk=layout.chunk,
            mask=self._declared_padding(shape) if mask is None else mask,
            value_path=ValuePath(*shape[:3], copies=self._copies) if self.values or self.gradients else None,
            **what,
        )
        self.recording.calls.append(call if self.reduce is None else self._reduced(call))
        if self.interface:
            self.interface[-1].recorded += 1
        return OutputLayout(layout, shape[2])

    def _reduced(self, call: Call) -> Call:
        """The call with the reducer's result in the place of its tensors."""
        batch = batch_of(call, *self._padding.of(call))
        try:
            result = self.reduce(batch)
        except Exception as error:
            raise ReducerError(call.module) from error
        return replace(
            call,
            weights=None,
            query=None,
            key=None,
            sink=None,
            mask=None,
            reduced=Reduced(call.shape, result),
        )

    def _beside(self, kind: str, shape: tuple, query: Tensor) -> int:
        """The number of the first call of the layer that this call is a head of; its own number otherwise."""
        frame, number = self.stack.frames[-1], len(self.recording.calls)
        tensors = [t for t in (*frame.args, *frame.kwargs.values()) if isinstance(t, Tensor)]
        call, before = (self.stack.forwards, kind, shape), self._before
        if before is not None and call == before.call and before.same(frame.name, tensors, query):
            number = before.number
        kept = [(weakref.ref(tensor), version(tensor)) for tensor in tensors]
        self._before = PreviousCall(frame.name, call, kept, query, number)
        return number

    def _copy(self, tensor: Tensor) -> Tensor:
        # Before a backward pass nothing may overwrite it, so it can be shared.
        shared = self.gradients and tensor.requires_grad
        if self.reduce is not None or shared:
            return tensor.detach()  # reduced before the model runs on
        if self.dtype not in (None, tensor.dtype):
            return tensor.detach().to(self.dtype)
        return tensor.detach().clone() if tensor.requires_grad else tensor.clone()

    def _mask(self, tensor: Tensor | None, layout: Layout, shape: tuple, band: Band | None) -> Mask | None:
        """The mask of one call; layers of one forward pass that share a tensor share its `Mask`."""
        if tensor is None:
            return Mask.of(None, shape, band)
        seen = (id(tensor), shape, band, self.stack.forwards)
        if seen not in self._masks:
            for old in [k for k in self._masks if k[-1] != self.stack.forwards]:
                del self._masks[old]
            # The tensor is kept with its mask so that no other tensor can get its id.
            four = layout.put(concrete(tensor.detach()))
            self._masks[seen] = (tensor, Mask.of(four, shape, band))
        return self._masks[seen][1]

    def _declared_padding(self, shape: tuple) -> Mask | None:
        """The caller's `attention_mask [batch, token]`, for attention whose mask was not recorded."""
        padding = self.stack.frames[0].kwargs.get("attention_mask")
        square = shape[2] == shape[3]
        if isinstance(padding, Tensor) and square and tuple(padding.shape) == (shape[0], shape[3]):
            return Mask(shape, real=padding.detach() > 0)
        return None


def _spread(tensor: Tensor, shape: tuple) -> Tensor:
    """The batch axis at full length; the head axis is unchanged, since keys may be shared."""
    return tensor if tensor.shape[0] == shape[0] else tensor.expand(shape[0], -1, -1, -1)
