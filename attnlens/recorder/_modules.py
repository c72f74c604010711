"""Which module is running: a stack of module paths, maintained by forward hooks during a capture."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from inspect import signature
from itertools import zip_longest
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import CaptureError
from .handwritten._provenance import Provenance
from .handwritten._tags import concrete


@dataclass(slots=True)
class Frame:
    """A running module call: its path and its arguments.

    projects: whether the module holds weights; one without weights receives query and key as inputs
    """

    name: str
    module: nn.Module
    args: tuple
    kwargs: dict[str, Any]
    projects: bool = True
    projected: tuple[Tensor, ...] = ()
    """Its inputs that were used directly in a projection or a product."""
    trail: int = 0
    """A hash of the functions on axes that it has called itself, in order."""

    def activations(self, queries: int) -> list[Tensor]:
        """Floating-point inputs with three axes or more, except masks and positions.

        For a model without a batch axis, `[query, d_model]`.
        """
        inputs = [
            concrete(value)
            for name, value in self._named()
            if isinstance(value, Tensor) and value.is_floating_point() and not _not_activation(name)
        ]
        deep = [t for t in inputs if t.ndim >= 3]
        flat = [t for t in inputs if t.ndim == 2]
        return deep or (flat if flat and flat[0].shape[0] == queries else [])

    def activation_names(self) -> tuple[str, ...]:
        """Names of the floating-point inputs, except masks and positions, which may be left out where all are alike."""
        return tuple(
            name
            for name, value in self._named()
            if isinstance(value, Tensor) and value.is_floating_point() and not _not_activation(name)
        )

    def contexts(self) -> list[Tensor]:
        """The inputs that are sources of keys, by their name, the module's name, or their use.

        A second input of the same length may also be a residual stream or a condition.
        """
        crossing = _says_context(type(self.module).__name__, self.name.rpartition(".")[2])
        tensors = [(name, value) for name, value in self._named() if isinstance(value, Tensor)]
        return [
            concrete(value)
            for name, value in tensors
            if crossing or _is_context(name) or any(value is used for used in self.projected)
        ]

    def _named(self) -> list[tuple[str, Any]]:
        names = _parameters(type(self.module))[: len(self.args)]
        return [*zip_longest(names, self.args, fillvalue=""), *self.kwargs.items()]

    def batches(self) -> set[int]:
        """The leading sizes of all tensor inputs that have a batch axis."""
        inputs = (v for v in (*self.args, *self.kwargs.values()) if isinstance(v, Tensor))
        return {t.shape[0] for t in map(concrete, inputs) if t.ndim >= 2}


_NOT_ACTIVATIONS = ("mask", "pos", "bias", "alibi", "cache", "freq", "rot", "rope", "cos", "sin", "resid")
_CONTEXTS = ("context", "memor", "encod", "kv", "cross", "source", "src", "key", "value")


@lru_cache(maxsize=4096)
def _not_activation(name: str) -> bool:
    """Whether a word in a parameter's name means mask, position, rotation or the like."""
    return any(word.startswith(_NOT_ACTIVATIONS) for word in name.lower().split("_"))


def _is_context(name: str) -> bool:
    return any(word.startswith(_CONTEXTS) for word in name.lower().split("_"))


def _says_context(kind: str, attribute: str) -> bool:
    """Whether the name of a module's class or attribute means cross-attention."""
    return (
        "cross" in kind.lower() or "cross" in attribute or attribute.startswith(("encoder_attn", "enc_att"))
    )


@lru_cache(maxsize=4096)
def _parameters(kind: type[nn.Module]) -> tuple[str, ...]:
    """The names of forward's parameters, without self; () where the signature cannot be read."""
    try:
        return tuple(signature(kind.forward).parameters)[1:]
    except (TypeError, ValueError):
        return ()


_tasks: ContextVar[frozenset[int]] = ContextVar("attnlens_captures", default=frozenset())
"""The captures that were opened in the running asynchronous task, or before it was started from there."""
_listening = threading.local()


def _open_here() -> set[ModuleStack]:
    """The captures that are open in this thread."""
    if not hasattr(_listening, "captures"):
        _listening.captures = set()
    return _listening.captures


class Hook:
    """A hook on one module; it ignores copies of the module, which are not part of the captured model."""

    def __init__(self, call: Callable, name: str, module: nn.Module, stack: ModuleStack):
        self._call, self._name, self._module, self.stack = call, name, weakref.ref(module), stack

    def __call__(self, module: nn.Module, args: tuple, more: Any) -> None:
        if torch.compiler.is_dynamo_compiling():
            self.stack.compiled.append(True)  # the compiler replays this when it has traced the module
        elif module is self._module():
            self._call(self._name, module, args, more)

    def __deepcopy__(self, memo: dict) -> Hook:
        copied = memo.get(id(self._module()))
        if copied is not None:
            self.stack.copies.add(copied)
        return self

    def __reduce__(self) -> tuple:
        return _no_hook, ()


def _no_hook() -> Callable:
    """What a pickled hook becomes."""
    return _nothing


def _nothing(*args: Any) -> None:
    """A hook that does nothing."""


_TABLES = ("_forward_hooks", "_forward_pre_hooks")
_NOTED = sorted(
    (name for name in vars(nn.Module()) if name.startswith(_TABLES)), key=lambda name: name in _TABLES
)
"""All tables in which torch stores a forward hook. The hook itself goes last: after an interrupt it can be found."""

_WRITTEN = (*_TABLES, "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
"""The tables in which a capture writes."""


def take_hook(module: nn.Module, hook: Callable) -> None:
    """Removes a forward hook and its options from a module; does nothing where it is not registered."""
    tables = vars(module)
    for number in [n for table in _TABLES for n, own in tables[table].items() if own is hook]:
        for name in _NOTED:
            tables[name].pop(number, None)


class ModuleStack:
    """Follows one model: `frames` from the outermost running module to the innermost.

    The hooks hold no reference to the user's data once a module has returned, and `close` removes them all.

    follows: whether the provenance of tensors is followed in the current forward pass
    on_begin, on_end: called at the start of a forward pass, to decide this, and at its end
    """

    def __init__(self, model: nn.Module):
        self.modules = named_modules(model)
        refuse_compiled(self.modules)
        self.model = model
        self.provenance = Provenance(model)
        self.frames: list[Frame] = []
        self.forwards = 0
        self.called: set[str] = set()
        self.foreign: str | None = None
        self.bypassed = False
        self._owner = get_ident()
        self._elsewhere: set[int] = set()
        self.copies: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.compiled: list[bool] = []
        self.follows = True
        self.on_begin: Callable[[Frame], bool] | None = None
        self.on_end: Callable[[], None] | None = None
        self._hooked: list[nn.Module] = []
        self._task: frozenset[int] | None = None
        self._number = RemovableHandle(OrderedDict()).id

    def open(self) -> None:
        _open_here().add(self)
        self._task = _tasks.get() | {id(self)}
        _tasks.set(self._task)
        enter, leave, number = self._enter, self._leave, self._number
        for name, module in self.modules.items():
            if name and _is_plain(module):
                continue
            self._hooked.append(module)
            # Written as torch registers hooks, under one number for all of them: registering takes six times as long.
            tables = vars(module)
            tables["_forward_pre_hooks_with_kwargs"][number] = True
            tables["_forward_pre_hooks"][number] = Hook(enter, name, module, self)
            tables["_forward_hooks_always_called"][number] = True
            tables["_forward_hooks"][number] = Hook(leave, name, module, self)

    def close(self) -> None:
        """Undoes `open`, even where it was interrupted; calling it again is harmless."""
        for module in (*self._hooked, *(part for copied in self.copies for part in copied.modules())):
            tables = vars(module)
            for name in _WRITTEN:
                tables[name].pop(self._number, None)
        self._hooked = []
        self.frames.clear()
        self.provenance.clear()
        _open_here().discard(self)
        _tasks.set(_tasks.get() - {id(self)})

    def _is_elsewhere(self) -> bool:
        """Whether the running code belongs to another asynchronous task, with its own captures."""
        here = _tasks.get()
        return bool(here) and id(self) not in here

    def follow(self) -> None:
        """Follows the provenance of tensors from here on, in a pass that began without."""
        self.follows = True
        for frame in self.frames:
            frame.projects = frame.name in self._projecting

    @cached_property
    def _projecting(self) -> set[str]:
        return _projecting(self.modules)

    def _enter(self, name: str, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if _graph_task() != -1 or (_tasks.get() is not self._task and self._is_elsewhere()):
            return
        if get_ident() != self._owner:
            self._ran_elsewhere(name, module)
            return
        if not name:
            self.frames.clear()  # an interrupted run leaves its frames behind
        self.called.add(name)
        frame, outermost = Frame(name, module, args, kwargs), not self.frames
        if outermost:
            self.forwards += 1
            self.bypassed = self.bypassed or (bool(name) and _forward_is_running(self.model))
            self.follows = self.on_begin is None or self.on_begin(frame)
        if self.follows:
            frame.projects = name in self._projecting
            self.provenance.enter((*args, *kwargs.values()), outermost)
        self.frames.append(frame)

    def projected(self, *tensors: Any) -> None:
        """Records, for the running modules, that these inputs were used in a projection or a product."""
        for frame in self.frames:
            for inputs in (*frame.args, *frame.kwargs.values()):
                if isinstance(inputs, Tensor) and any(inputs is tensor for tensor in tensors):
                    frame.projected += (inputs,)

    def inputs(self) -> list[Tensor]:
        """The input tensors of the running modules."""
        values = (v for frame in self.frames for v in (*frame.args, *frame.kwargs.values()))
        return [value for value in values if isinstance(value, Tensor)]

    def _ran_elsewhere(self, name: str, module: nn.Module) -> None:
        """Notes parts of a run in another thread, which are not recorded; a whole run there is ignored."""
        if _open_here():
            return
        thread = get_ident()
        if not name:
            self._elsewhere.add(thread)
        if not self.called or thread not in self._elsewhere:
            self.foreign = self.foreign or label(name, module)

    def _leave(self, name: str, module: nn.Module, args: tuple, output: Any) -> None:
        if _graph_task() != -1 or get_ident() != self._owner:
            return
        if _tasks.get() is not self._task and self._is_elsewhere():
            return
        frames = self.frames
        while frames and frames.pop().name != name:
            pass
        if not frames and self.on_end is not None:
            self.on_end()


def _is_plain(module: nn.Module) -> bool:
    """torch's own layers without parts (Linear, LayerNorm, Dropout): no attention happens inside them."""
    return type(module).__module__.startswith("torch.nn.modules.") and not module._modules


def _projecting(modules: dict[str, nn.Module]) -> set[str]:
    """Names of the modules that hold a weight matrix, themselves or in a part of them."""
    names = set()
    for name, module in modules.items():
        # Quantized layers keep their weight outside of the parameters, behind a method.
        holds_weight = any(p is not None and p.ndim > 1 for p in module._parameters.values())
        if holds_weight or callable(getattr(module, "weight", None)):
            parts = name.split(".") if name else []
            names.update(".".join(parts[:i]) for i in range(len(parts) + 1))
    return names


def _forward_is_running(model: nn.Module) -> bool:
    """Whether `model.forward` was called directly, past the model's hooks."""
    code = getattr(type(model).forward, "__code__", None)
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is code and next(iter(frame.f_locals.values()), None) is model:
            return True
        frame = frame.f_back
    return False


def label(name: str, module: nn.Module) -> str:
    """A module in messages: its path and class."""
    return f"{name!r} ({type(module).__name__})" if name else f"the model ({type(module).__name__})"


def recomputing() -> bool:
    """True inside a backward pass: checkpointed segments run their forward again there."""
    return _graph_task() != -1


_graph_task = torch._C._current_graph_task_id


def named_modules(model: nn.Module) -> dict[str, nn.Module]:
    """As `model.named_modules()`, in one pass: its nested generators cost as much as the hooks themselves."""
    modules = {"": model}
    _add_parts("", model, modules, {model})
    return modules


def _add_parts(prefix: str, module: nn.Module, modules: dict[str, nn.Module], seen: set[nn.Module]) -> None:
    for part, child in module._modules.items():
        if child is not None and child not in seen:
            seen.add(child)
            modules[prefix + part] = child
            if child._modules:
                _add_parts(f"{prefix}{part}.", child, modules, seen)


def refuse_compiled(modules: dict[str, nn.Module]) -> None:
    """Raises CaptureError for compiled modules, which run no Python that could be recorded."""
    for name, module in modules.items():
        if isinstance(module, torch.jit.ScriptModule):
            raise CaptureError(
                f"{label(name, module)} is a TorchScript module: its attention runs inside the compiled graph "
                "and cannot be recorded. Capture the original Python module instead."
            )
        compiled = type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None
        if compiled and not _eager_stance():
            original = ".".join(filter(None, ("model", name, "_orig_mod")))
            way = (
                f"Put the original, `{original}`, in its place"
                if name
                else f"Capture the original (`{original}`)"
            )
            raise CaptureError(
                f"{label(name, module)} is compiled by torch.compile: its attention runs inside the compiled "
                f"graph and cannot be recorded. {way}, or wrap the capture in "
                '`with torch.compiler.set_stance("force_eager"):`.'
            )


def _eager_stance() -> bool:
    from torch._dynamo import eval_frame

    return eval_frame._stance.stance == "force_eager"
