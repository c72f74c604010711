"""The torch functions that capture observes, in every spelling: torch.f, Tensor.f, Tensor.f_, F.f, torch.ops.aten.f.

`ROLES` is looked up for every function that the model calls, so it is one dictionary; other functions cost one look-up.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.overrides import get_overridable_functions

aten = torch.ops.aten


def spellings(*names: str) -> list[Callable]:
    """Every spelling of these functions; in-place variants are separate names."""
    functions = []
    for name in names:
        for home in (torch, torch.Tensor, F, torch.special, torch.linalg):
            functions.append(getattr(home, name, None))
        if not name.startswith("__"):
            functions += _operators(name)
    return [f for f in functions if callable(f)]


def _operators(name: str) -> list[Callable]:
    packet = getattr(aten, name, None)
    if packet is None:
        return []
    return [packet, packet._op, *(getattr(packet, overload) for overload in packet.overloads())]


def _getters(*names: str) -> list[Callable]:
    return [getattr(torch.Tensor, name).__get__ for name in names]


SDPA = frozenset(
    [
        F.scaled_dot_product_attention,
        *spellings("scaled_dot_product_attention"),
        # What it becomes when an exported program is decomposed.
        *_operators("_scaled_dot_product_flash_attention_for_cpu"),
        *_operators("_scaled_dot_product_flash_attention"),
        *_operators("_scaled_dot_product_efficient_attention"),
        *_operators("_scaled_dot_product_cudnn_attention"),
        *_operators("_scaled_dot_product_attention_math"),
    ]
)
MHA = F.multi_head_attention_forward
FLEX = getattr(torch.ops.higher_order, "flex_attention", None)
SOFTMAX = frozenset(spellings("softmax", "_softmax", "_safe_softmax"))

EINSUM = frozenset(spellings("einsum"))
BADDBMM = frozenset(spellings("baddbmm", "baddbmm_"))
PRODUCTS = frozenset(spellings("matmul", "__matmul__", "bmm", "mm")) | EINSUM | BADDBMM

DROPOUT = frozenset(
    spellings("dropout", "dropout_", "feature_dropout", "feature_dropout_", "alpha_dropout")
    + spellings("dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout")
)
PERMUTE = frozenset(
    [
        *spellings("transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "t"),
        *_getters("mT", "T"),
    ]
)
MIX = frozenset(spellings("linear", "conv2d", "layer_norm", "batch_norm"))
"""Functions that combine the heads of attention weights (talking heads, re-attention)."""

PROJECTIONS = frozenset(spellings("linear", "conv1d", "conv2d", "conv3d", "addmm"))
"""Functions that project a module's input to queries and keys, besides products with a parameter."""

_SAME = ("to", "_to_copy", "float", "half", "bfloat16", "double", "type", "type_as", "clone", "contiguous")
_VIEW = ("view", "reshape", "unflatten", "flatten", "squeeze", "unsqueeze", "expand", "_unsafe_view")
_SPELLINGS = {
    "mul": ("mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__"),
    "div": ("div", "div_", "divide", "divide_", "true_divide", "__truediv__", "__itruediv__"),
    "add": ("add", "add_", "__add__", "__radd__", "__iadd__"),
    "sub": ("sub", "sub_", "subtract", "subtract_", "__sub__", "__isub__"),
    "masked_fill": ("masked_fill", "masked_fill_"),
    "where": ("where",),
    "tanh": ("tanh", "tanh_"),
    "same": (*_SAME, "detach", "alias"),
    "fix": ("nan_to_num", "nan_to_num_"),
    "view": (*_VIEW, "view_as", "reshape_as", "expand_as"),
    "slice": ("__getitem__",),
}
STEPS: dict[Callable, str] = {f: step for step, names in _SPELLINGS.items() for f in spellings(*names)}
"""The functions that scores and weights may go through, by their effect."""


def _overwriting() -> list[Callable]:
    """All functions that change their first argument, so that its tag becomes invalid."""
    functions = [f for group in get_overridable_functions().values() for f in group]
    return [f for f in functions if _overwrites(getattr(f, "__name__", ""))]


def _overwrites(name: str) -> bool:
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


ROLES: dict[Callable, str] = {
    **dict.fromkeys(_overwriting(), "overwrite"),
    **dict.fromkeys(STEPS, "follow"),
    **dict.fromkeys(PERMUTE | MIX, "follow"),
    **dict.fromkeys(PROJECTIONS, "project"),
    **dict.fromkeys(DROPOUT, "dropout"),
    **dict.fromkeys(PRODUCTS, "product"),
    **dict.fromkeys(SOFTMAX, "softmax"),
    **dict.fromkeys(SDPA, "sdpa"),
    MHA: "mha",
}
if FLEX is not None:
    ROLES[FLEX] = "flex"


def overwrites(func: Callable) -> bool:
    """True for the in-place spelling of a function."""
    return _overwrites(getattr(func, "__name__", "").split(".")[0])
