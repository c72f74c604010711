"""A torch function mode that recognises attention calls and records their arguments.

The user's function always runs first, outside any try block of attnlens, with its own arguments. Observed tensors are
detached and copied (a model may overwrite them, as static caches do) and never returned to the model. An error of
attnlens is kept and reported when the capture ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode

from ..data._attention import Band
from ..errors import CaptureError
from . import _attention_functions, _layout
from ._call_recorder import CallRecorder
from ._layout import AttentionAxes, Layout
from ._modules import Frame, ModuleStack
from ._pass_plan import Form, form_of, keep_plan, leave_trail, plan_for
from ._previous import InterfaceCall, LastPair
from ._recording import Recording
from ._softmax_tracker import SoftmaxTracker
from ._value_path import ValueTag
from .handwritten import _axis_rules
from .handwritten._functions import ROLES
from .handwritten._provenance import BATCH, FEATURE, axis_of
from .handwritten._tags import concrete, operands


class Listener(TorchFunctionMode):
    """Records the attention of whatever runs under it as `Call`s of a recording.

    gates: `{layer: [head] of factors}` on the output of each head; 0 switches a head off
    options: those of `CallRecorder`
    """

    def __init__(
        self,
        recording: Recording,
        stack: ModuleStack,
        dtype: torch.dtype | None,
        *,
        gates: dict[int, Tensor] | None = None,
        **options: Any,
    ):
        super().__init__()
        self.closed = False
        self.gates = gates or {}
        self.gated_layers: set[int] = set()
        self.recording = recording
        self.stack = stack
        self.fault: Exception | None = None
        self.recorder = CallRecorder(recording, stack, dtype, **options)
        self.tracker = SoftmaxTracker(self.recorder)
        self.asleep = False
        self._softmaxes = 0
        self._form: Form | None = None
        self.wrappers: dict[Callable, Callable] = {}
        stack.on_begin, stack.on_end = self._begin, self._end
        self._tags = self.recorder.tags

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        # This runs for each tensor function and attribute of the model: the common case comes first.
        kwargs = kwargs or {}
        if torch.compiler.is_dynamo_compiling() or self.closed or not self.stack.frames:
            return func(*args, **kwargs)
        role, plan = ROLES.get(func), self.recorder.plan
        if role not in _WATCHED and plan is not None and plan.interface:
            return func(*args, **kwargs)
        if self._form is not None and (role is not None or func in _axis_rules.RULES):
            leave_trail(self.stack.frames[-1], func, args)
        if plan is not None and (role not in _WATCHED or self._is_planned(role)):
            return func(*args, **kwargs)
        if role == "project":
            self.stack.projected(*args[:2], *kwargs.values())
        if (role is None or role in _FOLLOWING) and not self._tags.touch(args, kwargs):
            result = func(*args, **kwargs)
            self._trace(role, func, args, kwargs, result)
            return result
        if role == "softmax":
            self._softmaxes += 1
        before = []
        if role == "dropout":
            self.observe(self.tracker.save_from_dropout, func, args, kwargs, before)
        gated = self._gated_projection(args, kwargs) if role == "mha" and self.gates else (args, kwargs)
        result = func(*gated[0], **gated[1])
        if role in _FOLLOWING or role is None:
            self._trace(role, func, args, kwargs, result)
        if role in _ATTENTION_FUNCTIONS:
            self.observe(_ATTENTION_FUNCTIONS[role], self, func, args, kwargs, result)
        else:
            step = _STEPS.get(role, SoftmaxTracker.lose)
            self.observe(step, self.tracker, func, args, kwargs, result, *before)
        if role is not None and role not in _FOLLOWING and self.stack.follows:
            self._trace(role, func, args, kwargs, result)
        return self.gated(result) if self.gates else result

    def _begin(self, frame: Frame) -> bool:
        """Starts a forward pass; returns whether the provenance of its tensors is followed."""
        recorder, model = self.recorder, self.stack.model
        self._softmaxes, self._form = 0, None
        with torch._C.DisableTorchFunction():  # attributes of tensors, which it would see otherwise
            if not (self.gates or recorder.values or recorder.gradients or recorder.verify or frame.name):
                self._form = form_of(frame, self.stack.modules)
            plan = None if self._form is None else plan_for(model, self._form, self.stack.modules)
            recorder.begin(frame, plan, learns=plan is None and self._form is not None)
        self.wake()  # an interrupted pass may have left it asleep
        if plan is not None and plan.interface and _get_current_function_mode_stack()[-1:] == [self]:
            self.sleep()
        return plan is None

    def _end(self) -> None:
        """Keeps what a forward pass showed, where all its attention was recorded in the form of a plan."""
        self.wake()
        learned, self.recorder.learned = self.recorder.learned, None
        if learned is not None and learned.calls and not self.tracker.missed and self.fault is None:
            learned.softmaxes = self._softmaxes
            keep_plan(self.stack.model, self._form, learned, self.stack.modules)

    def sleep(self) -> None:
        """Sees no torch functions; torch's stack of modes has this one on its top."""
        if not self.asleep:
            self.asleep = True  # first, so that an interrupt leaves nothing that would not wake
            _pop_mode()

    def wake(self) -> None:
        """Sees torch functions again."""
        if self.asleep:
            if self not in _get_current_function_mode_stack():
                _push_mode(self)
            self.asleep = False

    def _is_planned(self, role: str) -> bool:
        """Whether the plan knows of this softmax; another one, or flex attention, ends the plan."""
        if role not in ("softmax", "flex"):
            return False
        self._softmaxes += 1
        if role == "softmax" and self._softmaxes <= self.recorder.plan.softmaxes:
            return True
        self.recorder.depart()
        return False

    def _trace(self, role: str | None, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Records the provenance of the result's axes; a call that changes a view changes the whole tensor."""
        try:
            if role == "overwrite":
                _axis_rules.written(self.stack.provenance, args, kwargs)
            if isinstance(result, (Tensor, tuple, list)):
                _axis_rules.follow(self.stack.provenance, func, args, kwargs, result)
        except (RuntimeError, NotImplementedError):  # kinds of tensors without a single shape
            return
        except Exception as fault:
            self.fault = self.fault or fault

    def observe(self, observer: Callable, *args: Any) -> None:
        """Runs an observer; its failure does not affect the model."""
        if self.fault is not None:
            return
        try:
            if torch.is_grad_enabled() or torch.is_inference_mode_enabled() or _autocasts():
                with torch.inference_mode(False), torch.no_grad(), torch._C._DisableAutocast():
                    observer(*args)
            else:
                observer(*args)
        except Exception as fault:
            self.fault = fault

    def open(self) -> None:
        """Starts recording in this thread."""
        self._leave()
        self.__enter__()

    def close(self) -> None:
        """Stops recording, even where modes entered later are still open; calling it again is harmless."""
        self.closed = True
        self._leave()

    def _leave(self) -> None:
        """Removes closed listeners from torch's stack of modes.

        A closed one may reappear: torch removes the mode while it runs, and an interrupt then restores it when the
        traceback is released.
        """
        modes = _get_current_function_mode_stack()
        if not any(isinstance(mode, Listener) and mode.closed for mode in modes):
            return
        for _ in modes:
            _pop_mode()
        for mode in modes:
            if not (isinstance(mode, Listener) and mode.closed):
                _push_mode(mode)

    def forget(self) -> None:
        """Drops the tags, whose reference cycles would otherwise wait for the garbage collector."""
        self.recorder.forget()
        self.tracker.forget()
        self.wrappers.clear()
        self.stack.on_begin = self.stack.on_end = None

    # -- observers ------------------------------------------------------------------------------------------

    def _on_sdpa(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        call = _attention_functions.sdpa(func, args, kwargs)
        query, key, value, mask = concrete(call.query), concrete(call.key), call.value, call.mask
        pair, sides = self.recorder.pair(call.query, call.key, mask), (call.query, call.key)
        if self.recorder.interface:
            called, converted = self.recorder.interface[-1], (query, key)
            query, key, mask = _as_called(query, key, mask, called)
            value = called.value if key is called.key else value
            exact = query is called.query and key is called.key and mask is called.mask
            called.inner = (call.scale, Band(None, 0) if call.causal else None) if exact else None
            sides = (
                sides[0] if query is converted[0] else called.query,
                sides[1] if key is converted[1] else called.key,
            )
        band = Band(None, 0) if call.causal else None
        output_layout = self.recorder.repeated(*pair)
        if output_layout is None:
            output_layout = self.recorder.record_factors(query, key, call.scale, mask, band=band, sides=sides)
            self.recorder.last = LastPair(self.stack.frames[-1], *pair, output_layout)
        self.recorder.record_values(
            output_layout, value, result[0] if isinstance(result, tuple) else result, call.dropped
        )

    def _on_mha(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        attention = _attention_functions.mha(*args, **kwargs)
        query, key = concrete(attention.query), concrete(attention.key)
        layout = self.recorder.planned_layout(query, key)
        if layout is None:
            layout = self._mha_layout(args, kwargs, query, key.shape[-2], attention.kind)
        output_layout = self.recorder.record_factors(
            query, key, attention.scale, attention.mask, layout=layout, appended=attention.appended
        )
        projection = (
            _attention_functions.out_projection(args, kwargs),
            _attention_functions.out_bias(args, kwargs),
        )
        self.recorder.record_projected_values(output_layout, attention, projection, result[0])

    def _mha_layout(self, args: tuple, kwargs: dict, query: Tensor, keys: int, kind: str) -> Layout:
        """The layout is known, except for windows in the batch axis and axes that torch.vmap hides."""
        *hidden, batch, heads, queries, d_head = query.shape
        axes = self.stack.provenance.of(operands(args, kwargs, ("query",))[0])
        batched = axes is not None and len(axes.axes) == 3
        if not hidden and not batched:
            return _layout.of_heads(batch, heads, batch, kind)
        inputs = axes.axes[1] if batched else axis_of(batch, BATCH)
        rows = axes.axes[0] if batched else ()
        attention_axes = AttentionAxes((inputs, axis_of(heads, FEATURE)), rows, (), axis_of(d_head, FEATURE))
        layout = self.recorder.layout((*hidden, batch, heads), queries, keys, d_head, query, attention_axes)
        return replace(layout, kind="cross" if axes is not None and (axes.fixed or axes.learned) else kind)

    def _on_flex(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        query, key, scale, mask, weights = _attention_functions.flex(*args, **kwargs)
        if weights is None:
            output_layout = self.recorder.record_factors(query, key, scale, mask)
        else:
            axes = self.recorder.axes_between(query, key)
            output_layout = self.recorder.record_weights(weights, None, axes, query, mask)
        self.recorder.record_values(output_layout, args[2], result[0])

    # -- gates ----------------------------------------------------------------------------------------------

    def gated(self, result: Any) -> Any:
        """The result, times the gate of each head if an attention call of a gated layer was just recorded."""
        output_layout, self.recorder.latest = self.recorder.latest, None
        gate = (
            None
            if output_layout is None
            else self._gate(self._layers_so_far() - 1, output_layout.layout.heads)
        )
        if gate is None:
            return result
        first, *rest = result if isinstance(result, tuple) else (result,)
        changed = first * output_layout.along(first, gate)
        tag = self._tags.get(first)
        if isinstance(tag, ValueTag):
            by_head = tag.rows.unflatten(-1, (len(gate), -1)) * gate.to(tag.rows).unsqueeze(-1)
            self._tags[changed] = replace(tag, rows=by_head.flatten(-2))
        return (changed, *rest) if isinstance(result, tuple) else changed

    def _gate(self, layer: int, heads: int) -> Tensor | None:
        """The gates of a layer; a wrong number is reported at the end, so that the model's run does not fail."""
        gate = self.gates.get(layer)
        if gate is None:
            return None
        self.gated_layers.add(layer)
        if len(gate) != heads and self.fault is None:
            self.fault = CaptureError(
                f"layer {layer} has {heads} heads, but gates[{layer}] holds {len(gate)} factors; pass one for each head"
            )
        return gate if len(gate) == heads else None

    def _layers_so_far(self) -> int:
        """The number of layers of this forward pass recorded so far."""
        return sum(call.forward == self.stack.forwards for call in self.recording.calls)

    def _gated_projection(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """nn.MultiheadAttention returns projected heads, so that its gates are applied to the projection."""
        gate = self._gate(self._layers_so_far(), _attention_functions.head_count(args, kwargs))
        if gate is None:
            return args, kwargs
        weight = _attention_functions.out_projection(args, kwargs)
        heads = weight.unflatten(1, (len(gate), -1))
        gated = heads * gate.to(weight.device, weight.dtype).unsqueeze(-1)
        return _attention_functions.with_out_projection(args, kwargs, gated.flatten(1))


_autocasts = torch._C._is_any_autocast_enabled
_WATCHED = frozenset(["sdpa", "mha", "flex", "softmax"])
_FOLLOWING = ("follow", "project", "dropout", "overwrite")
_ATTENTION_FUNCTIONS: dict[str, Callable] = {
    "sdpa": Listener._on_sdpa,
    "mha": Listener._on_mha,
    "flex": Listener._on_flex,
}
_STEPS: dict[str, Callable] = {
    "softmax": SoftmaxTracker.on_softmax,
    "product": SoftmaxTracker.on_product,
    "follow": SoftmaxTracker.follow,
    "project": SoftmaxTracker.follow,
    "dropout": SoftmaxTracker.follow,
    "overwrite": SoftmaxTracker.overwritten,
}


def _as_called(
    query: Tensor, key: Tensor, mask: Tensor | None, call: InterfaceCall
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The interface's arguments, where the function inside it rearranged heads for grouped queries."""
    if query.shape[1] != call.query.shape[1] and query.numel() == call.query.numel():
        # One query token over grouped heads travels as [batch, key_head, group, d_head].
        if mask is not None and mask.shape[1] > 1:
            mask = mask.reshape(mask.shape[0], -1, 1, mask.shape[-1])
        return query.reshape(call.query.shape), key, mask
    groups = call.key.shape[1] < key.shape[1] and call.key.shape[2] == key.shape[2]
    return query, call.key if groups and key.shape[1] % call.key.shape[1] == 0 else key, mask
