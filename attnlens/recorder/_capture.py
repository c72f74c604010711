"""Capture: record the attention calls of a running model without changing the model.

    with attnlens.capture(model) as recording:
        model(inputs)
    for trace in recording.traces():
        trace[-1].mean("head")

The model runs in its own attention implementation, and its output is bit for bit the same. Recorded are
`scaled_dot_product_attention`, `nn.MultiheadAttention`, the attention interface of transformers, and hand-written
attention (a softmax whose result is multiplied with values).

One exception: PyTorch does not use the fused inference path of `nn.MultiheadAttention` (without `need_weights`) and
`nn.TransformerEncoderLayer` while a capture is open. The outputs of real tokens then differ by rounding, the more the
sharper the attention: after twelve fresh layers of BERT's size by 2e-6, with all weights four times as large by 1e-5,
eight times as large by 6e-4. With a padding mask `nn.TransformerEncoder` returns values at padded positions where its
fused path returns zeros.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from reprlib import repr as short
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import integer, one_of
from ..data._attention import floating
from ..data._batch import AttentionBatch
from ..errors import CaptureError, CaptureWarning, InputError
from . import _attention_interface
from ._call_recorder import ReducerError
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
    reduce: Callable[[AttentionBatch], Any] | None = None,
) -> AbstractContextManager[Recording]:
    """Records the attention of every forward pass of `model` inside the `with` block.

    model: any torch module: from transformers, timm, torch.nn, or hand-written.
    store: "factors" stores query and key where they are available, "weights" stores the weights, "auto" (the default)
        whichever is smaller for each layer.
    dtype: storage type of weights, query, key and value, e.g. torch.float16 or "float16"; None keeps the model's own.
    values: also record the values, the output projection and the residual stream (see `attnlens.data.Values`).
    verify: also record the input and the output of each attention, for `recording.verify()`.
    reduce: a function of each layer's attention for the whole padded batch, an `attnlens.data.AttentionBatch`, called
        while the model runs. Its result is kept in `recording.reduced`, the attention is not, so that memory does not
        grow with the inputs; there are no traces then. Not with store, dtype, values or verify.

    When the block ends, all changes are undone, also on an exception. Raises CaptureError where no attention was
    recorded: the message names the module and the remedy. Attention-like modules that ran and were not recorded, while
    others were, give a CaptureWarning and are listed in `recording.missed`.

    >>> with capture(model) as recording:
    ...     model(**inputs)
    >>> trace = recording[0]

    >>> with capture(model, reduce=lambda layer: layer.block().amax(-1).mean(-1)) as recording:
    ...     model(**inputs)
    >>> name, largest = recording.reduced[0][-1]  # of the last layer, [batch, head]
    """
    if reduce is not None:
        _check_reducer(reduce, store=store != "auto", dtype=dtype is not None, values=values, verify=verify)
    return listen(model, store=store, dtype=dtype, values=values, verify=verify, reduce=reduce)


def _check_reducer(reduce: Any, **beside: bool) -> None:
    """Raises InputError for a reducer that cannot be called, and for options that it leaves nothing to do."""
    if not callable(reduce):
        raise InputError(
            f"reduce must be a function of one layer's attention for the batch, not {short(reduce)}: "
            "reduce=lambda layer: layer.block().mean(1)"
        )
    used = [name for name, is_used in beside.items() if is_used]
    if used:
        raise InputError(f"reduce= keeps no attention, so that {used[0]}= has no meaning beside it; omit one")


@contextmanager
def listen(
    model: nn.Module, *, store: str = "auto", dtype: torch.dtype | str | None = None, **more: Any
) -> Iterator[Recording]:
    """`capture` with the internal options of `Listener`."""
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
        # Again, since an interrupt may have stopped the first attempt.
        _close(listener, stack)
    _report(recording, listener, stack)


def _close(listener: Listener, stack: ModuleStack) -> None:
    """Undoes all changes of a capture, even where it was opened only in part."""
    listener.close()
    _attention_interface.close(listener)
    stack.close()
    listener.forget()


def _gates(gates: Any) -> dict[int, Tensor]:
    """`{layer: [head] of factors}` with tensors. Raises InputError for anything else."""
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
    """After a run without an exception: raises or warns where attention was not recorded."""
    root = label("", stack.model)
    if isinstance(listener.fault, ReducerError):
        error = listener.fault.__cause__
        error.add_note(f"raised by reduce= for the attention of {listener.fault.args[0]!r}")
        raise error
    if isinstance(listener.fault, CaptureError):
        raise CaptureError(f"{root}: {listener.fault}") from listener.fault
    if listener.fault is not None:
        raise CaptureError(
            f"attnlens failed while recording {root}: {listener.fault!r}. The model's output is not affected. Please "
            "report this with the model's class and the attention implementation."
        ) from listener.fault
    if stack.foreign is not None:
        raise CaptureError(
            f"{stack.foreign} ran in another thread than the capture (as in DataParallel) and was not recorded. "
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
            f"{root} {how}, so its attention cannot be recorded as one run. Call the model itself (model(x), not "
            "model.forward(x)) between opening and closing the capture; for a model compiled by torch.compile do so "
            'inside `with torch.compiler.set_stance("force_eager"):`.'
        )
    suspects = _missed(recording, stack)
    if not recording.calls:
        lost = [label(origin.module, stack.modules[origin.module]) for origin in listener.tracker.missed]
        ran = f" These modules ran and look like attention: {_few(suspects)}." if suspects else ""
        ran += (
            f" A softmax over tokens was multiplied with values in a way that is not supported in {_few(lost)}."
            if lost
            else ""
        )
        raise CaptureError(
            f"no attention was recorded in {root}.{ran} A model without attention, such as a convolutional network, is "
            "explained by lens.attribute(input). attnlens records scaled_dot_product_attention, "
            "nn.MultiheadAttention, the attention interface of transformers, and a softmax multiplied with values "
            "(a call of softmax, not one written as exp and sum); a fused kernel of another kind can be replaced for "
            'the capture, in transformers by model.set_attn_implementation("sdpa"); a function compiled by '
            'torch.compile is recorded inside `with torch.compiler.set_stance("force_eager"):`.'
        )
    missed = sorted(set(listener.gates) - listener.gated_layers)
    if missed:
        raise CaptureError(
            f"{root}: the heads of layer {missed[0]} ({recording.calls[missed[0]].module!r}) could not be gated: "
            "the output of its heads is used in an unsupported form; gate other layers"
            if missed[0] < len(recording.calls)
            else f"{root} has no layer {missed[0]}: {len(recording.calls)} attention calls were recorded"
        )
    lost = {
        origin.module: origin.missed
        for origin in listener.tracker.missed
        if origin.missed and not origin.confirmed
    }
    recording.missed = tuple(dict.fromkeys([*suspects, *lost]))
    if recording.missed:
        named = {f"{label(name, stack.modules[name])}: {way!r}" for name, way in lost.items()}
        what = (
            f" A softmax over tokens was multiplied with values in a way that is not supported in "
            f"{_few(sorted(named))}."
        )
        warnings.warn(
            f"not recorded: {_few(list(recording.missed))}. They ran and look like attention, but use neither a torch "
            f"attention function nor a softmax multiplied with values.{what if lost else ''} The other layers were "
            "recorded; layer numbers, rollout and everything else that needs all layers omit these.",
            CaptureWarning,
            stacklevel=4,
        )


def _missed(recording: Recording, stack: ModuleStack) -> list[str]:
    """Innermost modules with a class name *Attention that ran without a recorded call in or around them; and blocks
    of a list without one, where blocks of equal build have one.
    """
    recorded = {call.module for call in recording.calls}
    with_attention = {
        ".".join(name.split(".")[:n]) for name in recorded for n in range(len(name.split(".")) + 1)
    } | recorded
    equal = _equal_blocks(with_attention, stack)
    suspects = []
    for name in sorted(stack.called):
        if name in equal or type(stack.modules[name]).__name__.endswith(("Attention", "Attn")):
            if name not in with_attention and not any(name.startswith(f"{h}.") for h in recorded):
                suspects.append(name)
    return [a for a in suspects if not any(b.startswith(f"{a}.") for b in suspects)]


def _equal_blocks(with_attention: set[str], stack: ModuleStack) -> set[str]:
    """Modules that ran without recorded attention, where a sibling of equal build has some."""
    silent: set[str] = set()
    for name, module in stack.modules.items():
        if not isinstance(module, (nn.ModuleList, nn.Sequential)):
            continue
        blocks = [f"{name}.{part}" if name else part for part in module._modules]
        blocks = [block for block in blocks if block in stack.called]
        without = [block for block in blocks if block not in with_attention]
        if 0 < len(without) < len(blocks):
            alike = {_build(stack.modules[block]) for block in blocks if block in with_attention}
            silent |= {block for block in without if _build(stack.modules[block]) in alike}
    return silent


def _build(module: nn.Module) -> tuple:
    """The build of a module: the classes of all its parts, by path."""
    return tuple((name, type(part)) for name, part in module.named_modules())


def _few(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
