"""The attention interface of transformers, for implementations that are not torch functions (Flash, custom ones).

Attention modules call `ALL_ATTENTION_FUNCTIONS.get_interface(name, eager)` for a function and call it with query, key,
value and mask. While a capture is open that look-up returns a wrapper that also records the call. The implementation
and its mask are unchanged; nothing is registered.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from ..data._attention import Band
from ..errors import CaptureError
from ._listener import Listener
from ._modules import recomputing
from ._previous import InterfaceCall

_listening = threading.local()
_lock = threading.RLock()
_open: set[int] = set()
_original: Callable | None = None
"""The interface's own method, once a capture was opened."""


def open(listener: Listener) -> None:
    """Starts recording at the interface in this thread; does nothing where transformers is not in use."""
    global _original
    if "transformers.modeling_utils" not in sys.modules:
        return
    from transformers.modeling_utils import AttentionInterface

    if not hasattr(AttentionInterface, "get_interface"):  # transformers before 5.1 has no such look-up
        return
    with _lock:
        if not _open:
            _original = AttentionInterface.get_interface
        _open.add(id(listener))
        AttentionInterface.get_interface = _get_interface
    _listeners().append(listener)


def close(listener: Listener) -> None:
    """Stops recording; calling it again is harmless."""
    while _lock._is_owned():  # an interrupt before the lock's release would keep it from all other threads
        _lock.release()
    if listener in _listeners():
        _listeners().remove(listener)
    with _lock:
        _open.discard(id(listener))
        if not _open and _original is not None:
            from transformers.modeling_utils import AttentionInterface

            AttentionInterface.get_interface = _original


def _listeners() -> list[Listener]:
    if not hasattr(_listening, "stack"):
        _listening.stack = []
    return _listening.stack


def _get_interface(self: Any, attn_implementation: str, default: Callable) -> Callable:
    function = _original(self, attn_implementation, default)
    for listener in _listeners():
        wrapper = listener.wrappers.get(function)
        if wrapper is None:
            wrapper = listener.wrappers[function] = _observed(function, listener)
        function = wrapper
    return function


def _observed(function: Callable, listener: Listener) -> Callable:
    home = sys.modules.get("transformers.integrations.sdpa_attention")
    of_transformers = home is not None and function is getattr(home, "sdpa_attention_forward", None)

    @wraps(function)
    def observed(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, *args: Any, **kwargs: Any
    ):
        if not listener.stack.frames or recomputing():
            return function(module, query, key, value, attention_mask, *args, **kwargs)
        recorder, asleep = listener.recorder, listener.asleep
        about = None
        if asleep and of_transformers and not args:
            about = _about(module, query, key, attention_mask, kwargs)
        inner = recorder.inner_call(about)
        call = InterfaceCall(query, key, value, attention_mask)
        recorder.interface.append(call)
        if asleep and inner is None:
            listener.wake()
        try:
            result = function(module, query, key, value, attention_mask, *args, **kwargs)
            if inner is not None:
                listener.observe(recorder.record_inner, call, inner)
            elif not call.recorded:
                arguments = (module, query, key, value, attention_mask, kwargs)
                listener.observe(_record, listener, *arguments, result[0])
                result = listener.gated(result)
        finally:
            recorder.interface.pop()
            if not listener.closed:
                listener.sleep() if recorder.plan is not None and asleep else listener.wake()
        if inner is None and about is not None:
            listener.observe(recorder.learn_inner, about, call)
        return result

    return observed


def _about(module: Any, query: Tensor, key: Tensor, mask: Any, options: dict) -> tuple | None:
    """All that transformers' own function branches on, so that equal calls become equal calls of
    scaled_dot_product_attention; None under torch.func, with a bias or a paged cache, and where a tensor decides.
    """
    if options.get("position_bias") is not None or options.get("cache") is not None:
        return None
    if _is_wrapped(query) or _is_wrapped(key):
        return None
    numbers = options.get("scaling"), options.get("is_causal"), getattr(module, "is_causal", None)
    if any(isinstance(number, Tensor) for number in numbers):
        return None
    queries, keys = query.shape[2], key.shape[2]
    lengths = queries == 1, queries == keys, queries < keys
    function = torch.nn.functional.scaled_dot_product_attention
    return (*options, *numbers, mask is None, *lengths, function)


_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor


def _record(
    listener: Listener,
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any,
    options: dict,
    result: Tensor,
) -> None:
    """Records a call that ran outside torch functions, from the interface's own arguments.

    result: `[batch, query, head, d_head]`
    mask: None, `[batch, token]`, `[batch, 1 | head, query, key]`, or flex attention's BlockMask.
    """
    queries, keys = query.shape[2], key.shape[2]
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", False) if causal is None else causal
    if mask is not None and not isinstance(mask, Tensor):
        mask = _dense(mask, query, key)
    if isinstance(mask, Tensor) and mask.ndim == 2:
        mask = mask[:, None, None, :].bool()
    elif mask is not None:
        causal = False
    window, band = options.get("sliding_window"), None
    if queries > 1 and (causal or window is not None) and (mask is None or mask.shape[2] == 1):
        # Flash attention aligns the last query with the last key.
        side = None if window is None else window - 1
        band = Band(side, 0 if causal else side, keys - queries)
    bias = options.get("position_bias")
    if bias is not None:
        mask = bias if mask is None else _added(bias, mask)
    scale = options.get("scaling")
    output_layout = listener.recorder.record_factors(
        query,
        key,
        query.shape[-1] ** -0.5 if scale is None else scale,
        mask,
        band=band,
        softcap=options.get("softcap"),
        sink=options.get("s_aux"),
    )
    dropped = bool(options.get("dropout")) and bool(getattr(module, "training", False))
    listener.recorder.record_values(replace(output_layout, axes=(0, 2, 1, 3)), value, result, dropped)


def _added(bias: Tensor, mask: Tensor) -> Tensor:
    return bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask


def _dense(mask: Any, query: Tensor, key: Tensor) -> Tensor:
    """flex attention's BlockMask as bool `[batch, head, query, key]`."""
    if not hasattr(mask, "mask_mod"):
        raise CaptureError(
            f"attention with a mask of type {type(mask).__name__} cannot be recorded; load the model with "
            'attn_implementation="sdpa"'
        )
    from torch.nn.attention.flex_attention import create_mask

    batch, heads = mask.shape[:2] if len(mask.shape) == 4 else (query.shape[0], 1)
    return create_mask(mask.mask_mod, batch, heads, query.shape[2], key.shape[2], device=query.device)
