"""A torch function mode that recognises attention calls and records their arguments.

The user's function always runs first, outside our own try block, with its own arguments; what is observed afterwards
is detached, copied (a model may overwrite it, as static caches do) and never handed back. An error of attnlens is
kept and reported when the capture ends.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode

from ..data._attention import Band
from ..errors import CaptureError
from . import _attention_functions, _layout, _value_path
from ._layout import AttentionAxes, Layout
from ._masks import Mask
from ._modules import Frame, ModuleStack, label
from ._previous import InterfaceCall, LastPair, PreviousCall, same_rule, same_storage, version
from ._recording import Call, Recording
from ._value_path import OutputLayout, ValuePath, ValueTag
from ._verification import Evidence
from .handwritten import _axis_rules, _probabilities, _scores
from .handwritten._functions import PRODUCTS, PROJECTIONS, ROLES, STEPS, overwrites
from .handwritten._probabilities import ValueProduct
from .handwritten._provenance import BATCH, FEATURE, FIXED, INPUT, POSITION, Axes, Axis, axis_of, kinds
from .handwritten._tags import (
    LostSoftmax,
    Probabilities,
    Scores,
    SoftmaxOrigin,
    Tags,
    concrete,
    operands,
    vmapped,
)
from .handwritten._trail import factors_behind


class Listener(TorchFunctionMode):
    """Records the attention of whatever runs under it as `Call`s of a recording.

    gradients: whether to record the values and the gradient of each head's output
    values: whether to record the values and their way to the residual stream; None: as gradients
    verify: whether to record the values and the output of each attention
    gates: `{layer: [head] of factors}` on the output of each head; 0 switches a head off
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
        gates: dict[int, Tensor] | None = None,
    ):
        super().__init__()
        self.closed = False
        self.values = gradients if values is None else values
        self.gradients, self.gates, self.verify = gradients, gates or {}, verify
        self.gated_layers: set[int] = set()
        self._latest: OutputLayout | None = None
        self.recording = recording
        self.stack = stack
        self.dtype = dtype
        self.fault: Exception | None = None
        self.interface: list[InterfaceCall] = []
        self._tags = Tags()
        self._copies: dict = {}
        self._masks: dict[tuple, tuple[Tensor, Mask | None]] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._before: PreviousCall | None = None
        self._tentative: list[tuple[Axis, Call]] = []
        self._last: LastPair | None = None
        self.missed: list[SoftmaxOrigin] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        # This runs for each tensor function and attribute of the model: the common case comes first.
        if torch.compiler.is_dynamo_compiling() or self.closed:
            return func(*args, **(kwargs or {}))
        role = ROLES.get(func)
        kwargs = kwargs or {}
        if not self.stack.frames:
            return func(*args, **kwargs)
        if role == "project":
            self.stack.projected(*args[:2], *kwargs.values())
        if (role is None or role in _FOLLOWING) and not self._tags.touch(args, kwargs):
            result = func(*args, **kwargs)
            self._trace(role, func, args, kwargs, result)
            return result
        before = []
        if role == "dropout":
            self.observe(self._save_from_dropout, func, args, kwargs, before)
        gated = self._gated_projection(args, kwargs) if role == "mha" and self.gates else (args, kwargs)
        result = func(*gated[0], **gated[1])
        if role in _FOLLOWING or role is None:
            self._trace(role, func, args, kwargs, result)
        self.observe(_OBSERVERS.get(role, Listener._lose), self, func, args, kwargs, result, *before)
        if role is not None and role not in _FOLLOWING:
            self._trace(role, func, args, kwargs, result)
        return self.gated(result) if self.gates else result

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
            with torch.inference_mode(False), torch.no_grad(), torch._C._DisableAutocast():
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

        One may come back after its end: torch removes the mode while it runs, and an interrupt at that moment restores
        it when the traceback is released.
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
        self._tags.clear()
        self._copies.clear()
        self._tentative.clear()
        self._last = None
        self._before = None

    # -- observers ------------------------------------------------------------------------------------------

    def _on_sdpa(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        call = _attention_functions.sdpa(func, args, kwargs)
        query, key, value, mask = concrete(call.query), concrete(call.key), call.value, call.mask
        pair, sides = self._pair(call.query, call.key, mask), (call.query, call.key)
        if self.interface:
            called = self.interface[-1]
            converted = query, key
            query, key, mask = _as_called(query, key, mask, called)
            value = called.value if key is called.key else value
            now = (called.query, called.key)
            sides = tuple(t if a is b else c for t, a, b, c in zip(sides, converted, (query, key), now))
        band = Band(None, 0) if call.causal else None
        output_layout = self._repeated(*pair)
        if output_layout is None:
            output_layout = self.record_factors(query, key, call.scale, mask, band=band, sides=sides)
            self._last = LastPair(self.stack.frames[-1], *pair, output_layout)
        self.record_values(
            output_layout, value, result[0] if isinstance(result, tuple) else result, call.dropped
        )

    def _on_mha(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        attention = _attention_functions.mha(*args, **kwargs)
        query, key = concrete(attention.query), concrete(attention.key)
        layout = self._mha_layout(args, kwargs, query, key.shape[-2], attention.kind)
        output_layout = self.record_factors(
            query, key, attention.scale, attention.mask, layout=layout, appended=attention.appended
        )
        call, weight = self.recording.calls[-1], _attention_functions.out_projection(args, kwargs)
        if self.verify and not vmapped(result[0]):
            out = result[0].detach()
            out = output_layout.layout.put(
                (out.transpose(0, 1) if out.ndim == 3 else out[None])[:, None]
            ).clone()
            projection = weight, _attention_functions.out_bias(args, kwargs)
            self._keep(
                Evidence(
                    output_layout.layout.put(attention.value.detach()).clone(),
                    out,
                    attention.dropped,
                    projection,
                )
            )
        if call.value_path is None or vmapped(result[0]):
            return
        path = call.value_path
        path.value = self._copy(output_layout.layout.put(concrete(attention.value)))
        path.project(weight, turned=True)
        if self.values:
            self._tags[result[0]] = ValueTag(
                path, "projected", turned=True, inputs=tuple(self.stack.inputs())
            )
        if self.gradients and result[0].requires_grad:
            result[0].register_hook(path.take_projected)

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
        layout = self._layout((*hidden, batch, heads), queries, keys, d_head, query, attention_axes)
        return replace(layout, kind="cross" if axes is not None and (axes.fixed or axes.learned) else kind)

    def _on_flex(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        query, key, scale, mask, weights = _attention_functions.flex(*args, **kwargs)
        if weights is None:
            output_layout = self.record_factors(query, key, scale, mask)
        else:
            output_layout = self._record_weights(weights, None, self._axes_between(query, key), query, mask)
        self.record_values(output_layout, args[2], result[0])

    def _on_softmax(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        if not isinstance(result, Tensor) or result.ndim < 2:
            return
        dim = _understood(_probabilities.softmax_dim, args, kwargs)
        if dim is None or (dim not in (-1, -2) and result.ndim < 3):
            return
        tag = self._tags.get(_first(args, kwargs))
        scores = tag if isinstance(tag, Scores) else None
        origin = SoftmaxOrigin(self.stack.frames[-1].name, self._over_tokens(result, dim))
        self._tags[result] = _probabilities.softmaxed(scores, dim, origin)

    def _over_tokens(self, result: Tensor, dim: int) -> bool:
        """Whether a softmax has an entry for each token of what the module was given."""
        axes = self.stack.provenance.of(result)
        axis_kinds = set() if axes is None else kinds(axes.axes[dim])
        if result.shape[dim] == 1 or axis_kinds & {FEATURE, FIXED}:
            return False
        inputs = self.stack.frames[-1].activations(result.shape[dim])
        return bool(axis_kinds & {POSITION, INPUT}) or any(result.shape[dim] in t.shape[:-1] for t in inputs)

    def _on_product(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        source, tag = self._tagged(args, kwargs)
        self._contract(func, args, kwargs)
        if isinstance(tag, Probabilities):
            axes = self.stack.provenance.axes_or_unknown(source)
            value_product = _understood(_probabilities.value_product, tag, func, args, kwargs, source, axes)
            if value_product is None:
                self._follow_probabilities(tag, source, func, args, kwargs, result)
                if self._tags.get(result) is None:
                    self._miss(tag.origin, source, func, args)
            elif not tag.origin.confirmed:
                self._confirm(tag, value_product, source, axes, result)
            elif tag.cut and tag.origin.in_parts:
                raise CaptureError(_in_parts(self.stack.frames[-1]))
            return
        if isinstance(tag, LostSoftmax):
            self._miss(tag.origin, source, func, args)
        self.stack.projected(*args[:2], *kwargs.values())
        if isinstance(result, Tensor) and result.ndim >= 2 and not vmapped(result):
            self._tag(result, _understood(_scores.product_scores, func, args, kwargs))

    def _confirm(
        self, tag: Probabilities, value_product: ValueProduct, source: Tensor, axes: Axes, result: Tensor
    ) -> None:
        """A product of weights with values: attention, if the keys are tokens."""
        values = self.stack.provenance.of(value_product.values)
        if not _probabilities.is_attention(axes, values, value_product):
            return
        tag.origin.confirm(tag.cut)
        behind = tag.scores
        pair = None if behind is None else self._pair(behind.query, behind.key, behind.scale)
        self._latest = None if pair is None else self._repeated(*pair)
        if self._latest is not None:
            return
        weights = (source if tag.clean is None else tag.clean).permute(value_product.order)
        inner = () if values is None or value_product.inner is None else values.axes[value_product.inner]
        attention_axes = AttentionAxes.of(axes, value_product.order, inner)
        if tag.scores is not None:
            between = self._axes_between(tag.scores.query, tag.scores.key)
            attention_axes = replace(attention_axes, learned=between.learned)
        output_layout = self._record_weights(
            concrete(weights), tag.scores, attention_axes, touched=tag.touched
        )
        if pair is not None:
            self._last = LastPair(
                self.stack.frames[-1], *pair, replace(output_layout, axes=value_product.axes)
            )
        if value_product.arranged is not None:
            self.record_values(
                replace(output_layout, axes=value_product.axes),
                value_product.arranged,
                result,
                tag.clean is not None,
            )
        if not axes.product and kinds(attention_axes.query) == {FEATURE}:
            self._tentative.append((attention_axes.query, self.recording.calls[-1]))

    def _pair(self, query: Tensor, key: Tensor, rule: Tensor | float | None) -> tuple:
        """What identifies a repeated attention: its query, key and rule, those of the attention interface of
        transformers where it is used for this attention only, and that call.
        """
        if not self.interface or self.interface[-1].recorded:
            return query, key, rule, None
        called = self.interface[-1]
        return called.query, called.key, called.mask, called

    def _repeated(
        self, query: Tensor, key: Tensor, rule: Tensor | float | None, call: InterfaceCall | None
    ) -> OutputLayout | None:
        """The layout of the last call, where it had the same query and key in the same module: only values differ."""
        last = self._last
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
        return replace(last.output_layout, repeated=True) if same else None

    def _contract(self, func: Callable, args: tuple, kwargs: dict) -> None:
        """Drops calls whose rows a later product sums over: they were key features of linear attention."""
        if not self._tentative:
            return
        summed = _understood(_axis_rules.contracted, self.stack.provenance, func, args, kwargs) or set()
        for rows, call in list(self._tentative):
            if summed & {id(part.root) for part in rows}:
                self.recording.calls[:] = [other for other in self.recording.calls if other is not call]
                self._tentative = [pair for pair in self._tentative if pair[1] is not call]

    def _miss(self, origin: SoftmaxOrigin, source: Tensor, func: Callable, args: tuple) -> None:
        """Notes a product or sum with the result of a softmax over tokens that is not recorded as attention."""
        others = [t for t in args if isinstance(t, Tensor) and t is not source]
        if (
            origin.over_tokens
            and not origin.missed
            and not all(self._is_fixed(t) or self._descends(t, origin) for t in others)
        ):
            origin.missed = getattr(func, "__name__", str(func))
            self.missed.append(origin)

    def _is_fixed(self, tensor: Tensor) -> bool:
        axes = self.stack.provenance.of(tensor)
        return axes is not None and axes.fixed

    def _descends(self, tensor: Tensor, origin: SoftmaxOrigin) -> bool:
        tag = self._tags.get(tensor)
        return isinstance(tag, (Probabilities, LostSoftmax)) and tag.origin is origin

    def _lose(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Tags the result of an unsupported function on a softmax over tokens, until it is multiplied with values."""
        source, tag = self._tagged(args, kwargs)
        if (
            not isinstance(tag, (Probabilities, LostSoftmax))
            or tag.origin.confirmed
            or not tag.origin.over_tokens
        ):
            return
        if isinstance(tag, LostSoftmax) and tag.spread and getattr(func, "__name__", "") in ("sum", "mean"):
            self._miss(tag.origin, source, func, (source.new_empty(0),))
            return
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                grown = tensor.numel() > source.numel() and func in STEPS and STEPS[func] == "mul"
                self._tags[tensor] = LostSoftmax(tag.origin, grown or getattr(tag, "spread", False))

    def _follow(
        self, func: Callable, args: tuple, kwargs: dict, result: Any, before: Tensor | None = None
    ) -> None:
        """A step on the way from scores to softmax to product."""
        source, tag = self._tagged(args, kwargs)
        if not isinstance(result, Tensor):
            return
        if isinstance(tag, Probabilities):
            self._follow_probabilities(tag, source, func, args, kwargs, result, before)
        elif isinstance(tag, LostSoftmax):
            if func not in PROJECTIONS:
                self._lose(func, args, kwargs, result)
        elif isinstance(tag, Scores):
            self._tag(result, _understood(_scores.follow_scores, tag, source, func, args, kwargs, result))
        elif isinstance(tag, ValueTag):
            for operand in args[:2]:
                if isinstance(other := self._tags.get(operand), ValueTag):
                    _value_path.passes_on(other, func)
            step = (tag, source, func, args, kwargs, result, self.stack.inputs())
            self._tag(result, _understood(_value_path.follow, *step))

    def _follow_probabilities(
        self,
        tag: Probabilities,
        source: Tensor,
        func: Callable,
        args: tuple,
        kwargs: dict,
        result: Tensor,
        before: Tensor | None = None,
    ) -> None:
        others = [(t, self._tags.get(t)) for t in args[:2] if t is not source]
        beside = next((pair for pair in others if isinstance(pair[1], Probabilities)), None)
        follow = _probabilities.follow_probabilities
        followed = _understood(follow, tag, source, func, args, kwargs, result, before, beside)
        self._tag(result, followed)
        if followed is None and func not in PRODUCTS | PROJECTIONS:
            self._lose(func, args, kwargs, result)

    def _overwritten(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """An unsupported in-place function: the weights are still attention, but not the softmax of the scores."""
        source = _first(args, kwargs)
        tag = self._tags.get(source)
        if tag is not None:
            kept = _probabilities.overwritten(tag, func) if isinstance(tag, Probabilities) else None
            self._tag(source, kept)

    def _save_from_dropout(self, func: Callable, args: tuple, kwargs: dict, before: list) -> None:
        """Dropout in place destroys the weights, so they are copied first."""
        in_place = overwrites(func) or kwargs.get("inplace") or True in args[3:4]
        source = _first(args, kwargs)
        tag = self._tags.get(source)
        if in_place and isinstance(tag, Probabilities) and tag.clean is None:
            before.append(source.clone())

    def _tag(self, tensor: Tensor, tag: Scores | Probabilities | None) -> None:
        if tag is None:
            self._tags.drop(tensor)
        else:
            self._tags[tensor] = tag

    def _tagged(self, args: tuple, kwargs: dict) -> tuple[Tensor | None, Scores | Probabilities | None]:
        """The first tagged tensor among the arguments; probabilities before scores, and these before mixtures."""
        flat = [*args, *kwargs.values()]
        flat += [x for a in args if isinstance(a, (list, tuple)) for x in a]
        tagged = [(t, tag) for t in flat if (tag := self._tags.get(t)) is not None]
        tagged.sort(key=lambda pair: _order(pair[1]))
        return tagged[0] if tagged else (None, None)

    # -- recording ------------------------------------------------------------------------------------------

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
            lead = query.shape[:-2] if query.ndim >= key.ndim else key.shape[:-2]
            if query.ndim == key.ndim:
                # Key heads may be fewer, and shared.
                lead = tuple(map(max, query.shape[:-2], key.shape[:-2]))
            elif query.shape[:-2] != key.shape[:-2]:
                lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
            attention_axes = self._axes_between(*sides, lead=tuple(lead))
            layout = self._layout(tuple(lead), queries, keys, query.shape[-1], query, attention_axes)
        shape = (layout.batch, layout.heads, queries, keys)
        beside = self._beside(layout.kind, shape, query)
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

    def record_values(
        self, output_layout: OutputLayout, value: Tensor, result: Tensor, dropped: bool = False
    ) -> None:
        """Records the values of the last recorded attention, and tags its result.

        dropped: whether dropout changed the weights
        """
        call = self.recording.calls[-1]
        self._latest = output_layout
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
            self._tags[result] = ValueTag(path, "heads", rows, inputs=tuple(self.stack.inputs()))
        if self.gradients and result.requires_grad:
            result.register_hook(lambda gradient: setattr(path, "gradient", output_layout.put(gradient)))

    def _keep(self, evidence: Evidence) -> None:
        self.recording.calls[-1] = replace(self.recording.calls[-1], evidence=evidence)

    def gated(self, result: Any) -> Any:
        """The result, times the gate of each head if an attention call of a gated layer was just recorded."""
        output_layout, self._latest = self._latest, None
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
                f"layer {layer} has {heads} heads, but gates[{layer}] holds {len(gate)} factors; give one for each head"
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

    def _axes_between(self, query: Tensor, key: Tensor, lead: tuple[int, ...] | None = None) -> AttentionAxes:
        """The provenance of the axes of attention between these two."""
        provenance = self.stack.provenance
        lead = tuple(query.shape[:-2]) if lead is None else lead[len(lead) + 2 - max(query.ndim, key.ndim) :]
        return AttentionAxes.between(provenance.of(query), provenance.of(key), lead)

    def _layout(
        self,
        lead: tuple[int, ...],
        queries: int,
        keys: int,
        inner: int | None,
        query: Tensor,
        attention_axes: AttentionAxes,
    ) -> Layout:
        provenance = self.stack.provenance
        hidden = len(lead) - len(attention_axes.lead)  # axes that torch.vmap hides
        attention_axes = replace(
            attention_axes, lead=(*provenance.mapped(lead[:hidden]), *attention_axes.lead)
        )
        return _layout.read(
            self.stack.frames, lead, queries, keys, inner, query, attention_axes, provenance.batch
        )

    def _record_weights(
        self,
        weights: Tensor,
        behind: Scores | None,
        attention_axes: AttentionAxes,
        query: Tensor | None = None,
        mask: Tensor | None = None,
        touched: bool = False,
    ) -> OutputLayout:
        if query is None:
            query = weights if behind is None else concrete(behind.query)
        inner = None if query is weights else query.shape[-1]
        queries, keys = weights.shape[-2:]
        layout = self._layout(tuple(weights.shape[:-2]), queries, keys, inner, query, attention_axes)
        weights = layout.put(weights)
        shape = tuple(weights.shape)
        kept_mask, stored = self._mask(mask, layout, shape, None), None
        if behind is not None:
            kept_mask, stored = factors_behind(behind, weights, layout, self.recording.store, touched)
        stored = {"weights": weights} if stored is None else stored
        copies = {name: self._copy(v) if isinstance(v, Tensor) else v for name, v in stored.items()}
        beside = self._beside(layout.kind, shape, query)
        return self._note(layout, shape, mask=kept_mask, beside=beside, touched=touched, **copies)

    def _note(self, layout: Layout, shape: tuple, *, mask: Mask | None, **what: Any) -> OutputLayout:
        name = self.stack.frames[-1].name
        forward = self.stack.forwards
        number = self._numbers[forward, name] = self._numbers.get((forward, name), 0) + 1
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
        self.recording.calls.append(call)
        if self.interface:
            self.interface[-1].recorded += 1
        return OutputLayout(layout, shape[2])

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
        tensor = tensor.detach()
        if self.dtype not in (None, tensor.dtype):
            return tensor.to(self.dtype)
        return tensor if shared else tensor.clone()

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


_FOLLOWING = ("follow", "project", "dropout", "overwrite")
_OBSERVERS: dict[str, Callable] = {
    "sdpa": Listener._on_sdpa,
    "mha": Listener._on_mha,
    "flex": Listener._on_flex,
    "softmax": Listener._on_softmax,
    "product": Listener._on_product,
    "follow": Listener._follow,
    "project": Listener._follow,
    "dropout": Listener._follow,
    "overwrite": Listener._overwritten,
}


def _understood(step: Callable, *args: Any) -> Any:
    """The result of a step; None, which drops the tag, where it raises: most calls are not attention."""
    try:
        return step(*args)
    except Exception:
        return None


def _in_parts(frame: Frame) -> str:
    return (
        f"the attention weights of {label(frame.name, frame.module)} were multiplied with values in several parts, "
        "each over some of the keys, and cannot be joined. Use the model's full attention for the capture "
        '(BigBird: model.set_attention_type("original_full")).'
    )


def _order(tag: Scores | Probabilities | LostSoftmax | ValueTag) -> int:
    if isinstance(tag, ValueTag):
        return 3 if tag.stage == "projected" else 4
    return (Probabilities, LostSoftmax, Scores).index(type(tag))


def _first(args: tuple, kwargs: dict) -> Any:
    return operands(args, kwargs, ("input|self",))[0]


def _spread(tensor: Tensor, shape: tuple) -> Tensor:
    """The batch axis at full length; the head axis stays as it is, since keys may be shared."""
    return tensor.expand(shape[0], -1, -1, -1)


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
