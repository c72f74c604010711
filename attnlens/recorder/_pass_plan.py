"""What a forward pass showed about a model's attention calls, so that later passes need not follow every function.

The first pass of a model follows the axes of all its tensors, to read which axes of an attention call are inputs and
heads. Where every call had the axes `[batch, head, token, d_head]` and went through an attention function of torch,
that is a `PassPlan`. A later pass of the same form (the same arguments, mode and attention implementation) only
watches the attention functions. A call that the plan does not hold, or a softmax more than in the first pass, ends the
plan: from there on everything is followed again, and the next pass starts without it.

Where all calls are at the attention interface of transformers, a later pass sees no torch functions but those inside
these calls. Once a call has shown what transformers' own function around scaled_dot_product_attention makes of its
arguments, not even those, as long as all that this function branches on is the same (`InnerCall`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from ..data._attention import Band
from ._layout import Layout, of_heads
from ._modules import Frame
from .handwritten._functions import EINSUM, PERMUTE


class PlannedCall(NamedTuple):
    """One attention call of a pass.

    arguments: names of the activations that the module received
    trail: of the functions that it and the module around it called before; () for a call at the attention interface of
        transformers, which fixes the axes
    """

    kind: str
    heads: int
    key_heads: int
    d_head: int
    square: bool
    arguments: tuple[str, ...]
    trail: tuple[int, ...]

    @classmethod
    def of(
        cls, kind: str, query: Tensor, key: Tensor, frames: Sequence[Frame], interface: bool
    ) -> PlannedCall:
        """For query and key `[batch, head, token, d_head]`; frames: of the running modules."""
        square, arguments = query.shape[2] == key.shape[2], frames[-1].activation_names()
        trail = () if interface else tuple(frame.trail for frame in frames[-2:])
        return cls(kind, query.shape[1], key.shape[1], query.shape[3], square, arguments, trail)


class InnerCall(NamedTuple):
    """The call of scaled_dot_product_attention inside a call of transformers' own function, with its query and key.

    about: all that the function branches on
    """

    about: tuple
    scale: float
    band: Band | None


@dataclass
class PassPlan:
    """The attention calls of a pass by module and number, and how many softmaxes it ran.

    interface: whether all of them were at the attention interface of transformers
    modules: those of the model as they were; forwards: of their classes; own_forwards: of a module itself, or None
    """

    calls: dict[tuple[str, int], PlannedCall] = field(default_factory=dict)
    softmaxes: int = 0
    interface: bool = True
    modules: list[weakref.ref] = field(default_factory=list)
    forwards: dict[type, Any] = field(default_factory=dict)
    own_forwards: list[Any] = field(default_factory=list)
    inner: dict[tuple[str, int], InnerCall] = field(default_factory=dict)
    """What is inside a call of the interface; it is run without watching the functions inside it from then on."""

    def add(self, name: str, number: int, call: PlannedCall, interface: bool) -> None:
        self.calls[name, number] = call
        self.interface = self.interface and interface

    def fits(self, modules: Mapping[str, nn.Module]) -> bool:
        """Whether a model still has the same modules, with the same code."""
        # Lists are compared by identity first, and faster than in a loop: this runs before every pass.
        return (
            [ref() for ref in self.modules] == [*modules.values()]
            and [module.__dict__.get("forward") for module in modules.values()] == self.own_forwards
            and all(kind.forward is forward for kind, forward in self.forwards.items())
        )

    def layout(
        self,
        frames: Sequence[Frame],
        number: int,
        query: Tensor,
        key: Tensor,
        batches: set[int],
        interface: bool,
    ) -> Layout | None:
        """The layout of a call; None where the plan does not hold it.

        frames: of the running modules; batches: possible numbers of the model's inputs
        interface: whether the call is at the attention interface of transformers
        """
        planned = self.calls.get((frames[-1].name, number))
        if planned is None or not may_be_planned(query, key, batches):
            return None
        if PlannedCall.of(planned.kind, query, key, frames, interface) != planned:
            return None
        batch = query.shape[0]
        return of_heads(batch, planned.heads, batch, planned.kind)


def leave_trail(frame: Frame, func: Callable, args: tuple) -> None:
    """Adds a function to a module's trail; where its arguments order the axes, with these."""
    order = repr([arg for arg in args if not isinstance(arg, Tensor)]) if func in _ORDERING else None
    frame.trail = hash((frame.trail, func, order))


_ORDERING = PERMUTE | EINSUM


def may_be_planned(query: Tensor, key: Tensor, batches: set[int]) -> bool:
    """Whether query and key have four axes of which the first counts the model's inputs."""
    return query.ndim == key.ndim == 4 and query.shape[0] == key.shape[0] and query.shape[0] in batches


def is_plain(layout: Layout) -> bool:
    """Whether the axes recorded are inputs and heads, in this order, and nothing else."""
    plain = of_heads(*layout.lead, layout.lead[0], layout.kind) if len(layout.lead) == 2 else None
    return layout == plain


Form = tuple
"""What distinguishes the forward passes of a model that run different code: arguments, mode, implementation."""

_plans = WeakIdKeyDictionary()
"""For each model its plans, `{form: plan}`."""


def form_of(frame: Frame, modules: Mapping[str, nn.Module]) -> Form:
    """The form of a forward pass, by the arguments of the whole model."""
    values = (*enumerate(frame.args), *sorted(frame.kwargs.items()))
    config = getattr(frame.module, "config", None)
    implementation = getattr(config, "_attn_implementation", None), getattr(config, "output_attentions", None)
    return (
        frame.module.training,
        implementation,
        len(modules),
        *((name, _outline(value)) for name, value in values),
    )


def plan_for(model: nn.Module, form: Form, modules: Mapping[str, nn.Module]) -> PassPlan | None:
    plan = _plans.get(model, {}).get(form)
    return plan if plan is not None and plan.fits(modules) else None


def keep_plan(model: nn.Module, form: Form, plan: PassPlan, modules: Mapping[str, nn.Module]) -> None:
    plan.modules = [weakref.ref(module) for module in modules.values()]
    plan.forwards = {type(module): type(module).forward for module in modules.values()}
    plan.own_forwards = [vars(module).get("forward") for module in modules.values()]
    _plans.setdefault(model, {})[form] = plan


def drop_plans(model: nn.Module) -> None:
    _plans.pop(model, None)


_SIMPLE = (type(None), bool, int, float, str)


def _outline(value: Any) -> Any:
    """What the code of a model may branch on in an argument, apart from numbers."""
    if isinstance(value, Tensor):
        return value.ndim, value.dtype, tuple(size == 1 for size in value.shape[:2])
    return value if type(value) in _SIMPLE else type(value)
