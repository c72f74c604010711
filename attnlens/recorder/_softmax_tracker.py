"""Hand-written attention: scores are followed through their softmax to the product with values.

The steps are pure functions of tags in `handwritten/_scores.py` and `handwritten/_probabilities.py`; the tracker calls
them and records the attention that they find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from ..errors import CaptureError
from . import _value_path
from ._call_recorder import CallRecorder
from ._calls import Call
from ._layout import AttentionAxes
from ._modules import Frame, label
from ._previous import LastPair
from ._value_path import ValueTag
from .handwritten import _axis_rules, _probabilities, _scores
from .handwritten._functions import PRODUCTS, PROJECTIONS, STEPS, overwrites
from .handwritten._probabilities import ValueProduct
from .handwritten._provenance import FEATURE, FIXED, INPUT, POSITION, Axes, Axis, kinds
from .handwritten._tags import LostSoftmax, Probabilities, Scores, SoftmaxOrigin, concrete, operands, vmapped


class SoftmaxTracker:
    """Records hand-written attention: each softmax over keys whose result is multiplied with values.

    missed: softmaxes over tokens that were multiplied with values in an unsupported way
    """

    def __init__(self, recorder: CallRecorder):
        self.recorder = recorder
        self.stack = recorder.stack
        self.missed: list[SoftmaxOrigin] = []
        self._tags = recorder.tags
        self._tentative: list[tuple[Axis, Call]] = []

    def forget(self) -> None:
        """Drops the calls that a later product may still remove."""
        self._tentative.clear()

    def on_softmax(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
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
        """Whether a softmax has an entry for each token of the module's input."""
        axes = self.stack.provenance.of(result)
        axis_kinds = set() if axes is None else kinds(axes.axes[dim])
        if result.shape[dim] == 1 or axis_kinds & {FEATURE, FIXED}:
            return False
        inputs = self.stack.frames[-1].activations(result.shape[dim])
        return bool(axis_kinds & {POSITION, INPUT}) or any(result.shape[dim] in t.shape[:-1] for t in inputs)

    def on_product(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
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
        pair = None if behind is None else self.recorder.pair(behind.query, behind.key, behind.scale)
        self.recorder.latest = None if pair is None else self.recorder.repeated(*pair)
        if self.recorder.latest is not None:
            return
        weights = (source if tag.clean is None else tag.clean).permute(value_product.order)
        inner = () if values is None or value_product.inner is None else values.axes[value_product.inner]
        attention_axes = AttentionAxes.of(axes, value_product.order, inner)
        if tag.scores is not None:
            between = self.recorder.axes_between(tag.scores.query, tag.scores.key)
            attention_axes = replace(attention_axes, learned=between.learned)
        output_layout = self.recorder.record_weights(
            concrete(weights), tag.scores, attention_axes, touched=tag.touched
        )
        if pair is not None:
            self.recorder.last = LastPair(
                self.stack.frames[-1], *pair, replace(output_layout, axes=value_product.axes)
            )
        if value_product.arranged is not None:
            self.recorder.record_values(
                replace(output_layout, axes=value_product.axes),
                value_product.arranged,
                result,
                tag.clean is not None,
            )
        if not axes.product and kinds(attention_axes.query) == {FEATURE}:
            self._tentative.append((attention_axes.query, self.recorder.recording.calls[-1]))

    def _contract(self, func: Callable, args: tuple, kwargs: dict) -> None:
        """Drops calls whose rows a later product sums over: they were key features of linear attention."""
        if not self._tentative:
            return
        summed = _understood(_axis_rules.contracted, self.stack.provenance, func, args, kwargs) or set()
        calls = self.recorder.recording.calls
        for rows, call in list(self._tentative):
            if summed & {id(part.root) for part in rows}:
                calls[:] = [other for other in calls if other is not call]
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

    def lose(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
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

    def follow(
        self, func: Callable, args: tuple, kwargs: dict, result: Any, before: Tensor | None = None
    ) -> None:
        """A step between scores, softmax and product."""
        source, tag = self._tagged(args, kwargs)
        if not isinstance(result, Tensor):
            return
        if isinstance(tag, Probabilities):
            self._follow_probabilities(tag, source, func, args, kwargs, result, before)
        elif isinstance(tag, LostSoftmax):
            if func not in PROJECTIONS:
                self.lose(func, args, kwargs, result)
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
            self.lose(func, args, kwargs, result)

    def overwritten(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """An unsupported in-place function: the weights are still attention, but not the softmax of the scores."""
        source = _first(args, kwargs)
        tag = self._tags.get(source)
        if tag is not None:
            kept = _probabilities.overwritten(tag, func) if isinstance(tag, Probabilities) else None
            self._tag(source, kept)

    def save_from_dropout(self, func: Callable, args: tuple, kwargs: dict, before: list) -> None:
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
        """The first tagged tensor among the arguments; probabilities before scores, and these before values."""
        flat = [*args, *kwargs.values()]
        flat += [x for a in args if isinstance(a, (list, tuple)) for x in a]
        tagged = [(t, tag) for t in flat if (tag := self._tags.get(t)) is not None]
        tagged.sort(key=lambda pair: _order(pair[1]))
        return tagged[0] if tagged else (None, None)


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
