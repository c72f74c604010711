"""Capture: listen to the attention calls of a running model and leave the model alone.

    with attnlens.capture(model) as recording:
        model(inputs)
    for trace in recording.traces():
        trace[-1].mean("head")

The model runs as it would have run, in its own attention implementation, and its output is bit for bit the
same. What is heard: `scaled_dot_product_attention`, `nn.MultiheadAttention`, the attention interface of
transformers, and hand-written attention (a softmax whose result is multiplied with values).

One exception: `nn.MultiheadAttention` (without `need_weights`) and `nn.TransformerEncoderLayer` leave their fused
inference path while a capture is open, as PyTorch itself decides. The outputs of real tokens then differ by
rounding, the more the sharper the attention: after twelve fresh layers of BERT's size by 2e-6, with all weights four
times as large by 1e-5, eight times as large by 6e-4. With a padding mask `nn.TransformerEncoder` returns values at
padded positions where its fused path returns zeros.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from reprlib import repr as short
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import integer, one_of
from ..data._attention import floating
from ..errors import CaptureError, CaptureWarning, InputError
from . import _attention_interface
from ._listener import Listener
from ._modules import ModuleStack, label
from ._recording import Recording

STORES = ("auto", "factors", "weights")


def capture(
    model: nn.Module,
    *,
    store: str = "auto",
    dtype: torch.dtype | str | None = None,
    values: bool = False,
    verify: bool = False,
) -> AbstractContextManager[Recording]:
    """Records the attention of every forward pass of `model` inside the `with` block.

    model: any torch module: from transformers, timm, torch.nn, or hand-written.
    store: "factors" keeps query and key where they are seen, "weights" keeps the weights, "auto" (the default)
        whichever is smaller for each layer.
    dtype: storage type of weights, query, key and value, e.g. torch.float16 or "float16"; None keeps the model's own.
    values: keep also what the attention mixes and where that goes (see `attnlens.data.Values`).
    verify: keep what each attention mixed and what came out, for `recording.verify()`.

    When the block ends, everything is undone, also on an exception, and CaptureError is raised if nothing was
    heard: the message names the module and the remedy. Attention-like modules that ran unheard beside others
    give a CaptureWarning and are listed in `recording.missed`.

    >>> with capture(model) as recording:
    ...     model(**inputs)
    >>> trace = recording[0]
    """
    return listen(model, store=store, dtype=dtype, values=values, verify=verify)


@contextmanager
def listen(
    model: nn.Module, *, store: str = "auto", dtype: torch.dtype | str | None = None, **more: Any
) -> Iterator[Recording]:
    """`capture`, and what runs of our own ask for besides: see `Listener` for `values`, `gradients` and `gates`."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"capture() needs a torch module, not {type(model).__name__}; for a lens pass lens.model"
        )
    one_of("store", store, STORES)
    dtype = None if dtype is None else floating(dtype)
    if more.get("gates") is not None:
        more["gates"] = _gates(more["gates"])
    stack = ModuleStack(model)
    recording = Recording(type(model).__name__, store)
    listener = Listener(recording, stack, dtype, **more)
    try:
        try:
            stack.open()
            _attention_interface.open(listener)
            listener.open()
            yield recording
        finally:
            _close(listener, stack)
    finally:
        # Once more, for an interrupt may have come in the middle.
        _close(listener, stack)
    _report(recording, listener, stack)


def _close(listener: Listener, stack: ModuleStack) -> None:
    """Takes back all that a capture changed, whatever of it was done."""
    listener.close()
    _attention_interface.close(listener)
    stack.close()
    listener.forget()


def _gates(gates: Any) -> dict[int, Tensor]:
    """`{layer: [head] of factors}` with tensors, whatever sequences were given; InputError for anything else."""
    try:
        factors = {
            integer("layer", layer, least=0): torch.as_tensor(factors, dtype=torch.float64)
            for layer, factors in gates.items()
        }
    except (AttributeError, TypeError, ValueError, RuntimeError):  # an InputError is a ValueError
        factors = None
    if factors is None or not all(map(_is_gate, factors.values())):
        raise InputError(
            "gates must be {layer: a factor for each head}, layers counted from 0 and factors finite, such as "
            f"{{5: [1, 0, 1, 1]}}; got {short(gates)}"
        )
    return factors


def _is_gate(factors: Tensor) -> bool:
    return factors.ndim == 1 and len(factors) > 0 and bool(factors.isfinite().all())


def _report(recording: Recording, listener: Listener, stack: ModuleStack) -> None:
    """After a run without an exception: raises or warns for what was not heard."""
    root = label("", stack.model)
    if isinstance(listener.fault, CaptureError):
        raise CaptureError(f"{root}: {listener.fault}") from listener.fault
    if listener.fault is not None:
        raise CaptureError(
            f"attnlens failed while listening to {root}: {listener.fault!r}. The model's own output is not "
            "affected. Please report this with the model's class and the attention implementation."
        ) from listener.fault
    if stack.foreign is not None:
        raise CaptureError(
            f"{stack.foreign} ran in another thread than the capture (as in DataParallel) and was not heard. "
            "Run the model in the thread that opened the capture; instead of a DataParallel model run its `module`."
        )
    if stack.compiled:
        raise CaptureError(
            f"{root} was run through torch.compile inside the `with` block: its attention runs inside the compiled "
            "graph and cannot be recorded. Call the model itself, or wrap the capture in "
            '`with torch.compiler.set_stance("force_eager"):`.'
        )
    if not stack.called or stack.bypassed:
        how = "was called past its hooks" if stack.bypassed else "was not called inside the `with` block"
        raise CaptureError(
            f"{root} {how}, so its attention cannot be heard as one run. Call the model itself (model(x), not "
            "model.forward(x)) between opening and closing the capture; of a model that torch.compile has compiled, "
            'inside `with torch.compiler.set_stance("force_eager"):`.'
        )
    suspects = _missed(recording, stack)
    if not recording.calls:
        lost = [label(origin.module, stack.modules[origin.module]) for origin in listener.missed]
        ran = f" These modules ran and look like attention: {_few(suspects)}." if suspects else ""
        ran += (
            f" A softmax over tokens went into values in a way that is not followed in {_few(lost)}."
            if lost
            else ""
        )
        raise CaptureError(
            f"no attention was heard in {root}.{ran} A model without attention, such as a convolutional network, is "
            "explained by lens.attribute(input). attnlens hears scaled_dot_product_attention, "
            "nn.MultiheadAttention, the attention interface of transformers, and a softmax multiplied with values "
            "(a call of softmax: written as exp and sum it is not known for one); a fused kernel of another kind "
            'can be replaced for the capture, in transformers by model.set_attn_implementation("sdpa"); a function '
            'compiled by torch.compile is heard inside `with torch.compiler.set_stance("force_eager"):`.'
        )
    missed = sorted(set(listener.gates) - listener.gated_layers)
    if missed:
        raise CaptureError(
            f"{root}: the heads of layer {missed[0]} ({recording.calls[missed[0]].module!r}) could not be reached: "
            "their mixed values go on in a form that attnlens does not know"
            if missed[0] < len(recording.calls)
            else f"{root} has no layer {missed[0]}: {len(recording.calls)} attention calls were heard"
        )
    lost = {
        origin.module: origin.missed for origin in listener.missed if origin.missed and not origin.confirmed
    }
    recording.missed = tuple(dict.fromkeys([*suspects, *lost]))
    if recording.missed:
        named = {f"{label(name, stack.modules[name])}: {way!r}" for name, way in lost.items()}
        what = (
            f" A softmax over tokens went into values in a way that is not followed in {_few(sorted(named))}."
        )
        warnings.warn(
            f"not recorded: {_few(list(recording.missed))}. They ran and look like attention, but use neither a torch "
            f"attention function nor a softmax multiplied with values.{what if lost else ''} The other layers were "
            "recorded; numbers of layers, rollout and whatever needs all of them leave these out.",
            CaptureWarning,
            stacklevel=4,
        )


def _missed(recording: Recording, stack: ModuleStack) -> list[str]:
    """Innermost modules called *Attention that ran and in which, and around which, nothing was recorded; and blocks of
    a list in whose equals something was.
    """
    heard = {call.module for call in recording.calls}
    having = {
        ".".join(name.split(".")[:n]) for name in heard for n in range(len(name.split(".")) + 1)
    } | heard
    equal = _equal_blocks(having, stack)
    suspects = []
    for name in sorted(stack.called):
        if name in equal or type(stack.modules[name]).__name__.endswith(("Attention", "Attn")):
            if name not in having and not any(name.startswith(f"{h}.") for h in heard):
                suspects.append(name)
    return [a for a in suspects if not any(b.startswith(f"{a}.") for b in suspects)]


def _equal_blocks(having: set[str], stack: ModuleStack) -> set[str]:
    """Modules that ran without attention, where a module beside them that is built alike has it."""
    silent: set[str] = set()
    for name, module in stack.modules.items():
        if not isinstance(module, (nn.ModuleList, nn.Sequential)):
            continue
        blocks = [f"{name}.{part}" if name else part for part in module._modules]
        blocks = [block for block in blocks if block in stack.called]
        without = [block for block in blocks if block not in having]
        if 0 < len(without) < len(blocks):
            alike = {_build(stack.modules[block]) for block in blocks if block in having}
            silent |= {block for block in without if _build(stack.modules[block]) in alike}
    return silent


def _build(module: nn.Module) -> tuple:
    """What a module is made of: the classes of all its parts, by path."""
    return tuple((name, type(part)) for name, part in module.named_modules())


def _few(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
