"""Which module is running: a stack of module paths, kept by forward hooks for as long as a capture lasts."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache, partial
from inspect import signature
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CaptureError


@dataclass(slots=True)
class Frame:
    """One module call under way: its path and what it was called with."""

    name: str
    module: nn.Module
    args: tuple
    kwargs: dict[str, Any]

    def tensors(self) -> list[Tensor]:
        """The activations among the inputs: floating tensors of three axes or more, masks and positions left out."""
        named = [*zip_longest(_parameters(type(self.module))[: len(self.args)], self.args, fillvalue="")]
        given = [
            v for k, v in (*named, *self.kwargs.items()) if not any(part in k for part in _NOT_ACTIVATIONS)
        ]
        return [t for t in given if isinstance(t, Tensor) and t.is_floating_point() and t.ndim >= 3]

    def batches(self) -> set[int]:
        """The leading sizes of all tensor inputs that have a batch axis."""
        given = (v for v in (*self.args, *self.kwargs.values()) if isinstance(v, Tensor))
        return {t.shape[0] for t in given if t.ndim >= 2}


_NOT_ACTIVATIONS = ("mask", "pos", "bias", "cache")


@lru_cache(maxsize=4096)
def _parameters(kind: type[nn.Module]) -> tuple[str, ...]:
    """The names of forward's parameters, without self; () where the signature cannot be read."""
    try:
        return tuple(signature(kind.forward).parameters)[1:]
    except (TypeError, ValueError):
        return ()


class ModuleStack:
    """Follows one model: `frames` from the outermost running module to the innermost.

    The hooks hold no reference to the user's data once a module has returned, and `close` removes them all.
    """

    def __init__(self, model: nn.Module):
        refuse_compiled(model)
        self.model = model
        self.frames: list[Frame] = []
        self.forwards = 0
        self.called: set[str] = set()
        self.foreign: str | None = None
        self._owner = threading.get_ident()
        self._handles: list = []

    def open(self) -> None:
        for name, module in self.model.named_modules():
            enter, leave = partial(self._enter, name), partial(self._leave, name)
            self._handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            self._handles.append(module.register_forward_hook(leave, always_call=True))

    def close(self) -> None:
        while self._handles:
            self._handles.pop().remove()
        self.frames.clear()

    def _enter(self, name: str, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if threading.get_ident() != self._owner:
            self.foreign = self.foreign or label(name, module)
            return
        if recomputing():
            return
        if not self.frames:
            self.forwards += 1
        self.called.add(name)
        self.frames.append(Frame(name, module, args, kwargs))

    def _leave(self, name: str, module: nn.Module, args: tuple, output: Any) -> None:
        if threading.get_ident() != self._owner or recomputing():
            return
        while self.frames and self.frames.pop().name != name:
            pass


def label(name: str, module: nn.Module) -> str:
    """How an error names a module: its path and class."""
    return f"{name!r} ({type(module).__name__})" if name else f"the model ({type(module).__name__})"


def recomputing() -> bool:
    """True inside a backward pass: checkpointed segments run their forward again there."""
    return torch._C._current_graph_task_id() != -1


def refuse_compiled(model: nn.Module) -> None:
    """A graph that was compiled ahead runs no Python that could be heard: say so before the run."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise CaptureError(
                f"{label(name, module)} is a TorchScript module: its attention runs inside the compiled graph "
                "and cannot be heard. Capture the original Python module instead."
            )
        compiled = type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None
        if compiled and not _eager_stance():
            raise CaptureError(
                f"{label(name, module)} is compiled by torch.compile: its attention runs inside the compiled "
                "graph and cannot be heard. Capture the original module (`model._orig_mod`), or wrap the capture "
                'in `with torch.compiler.set_stance("force_eager"):`.'
            )


def _eager_stance() -> bool:
    from torch._dynamo import eval_frame

    return eval_frame._stance.stance == "force_eager"
