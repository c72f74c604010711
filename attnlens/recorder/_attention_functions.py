"""The arguments of torch's attention functions, as query, key, scale and one mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CaptureError


@dataclass
class AttentionCall:
    """The arguments of one call: query, key, value `[..., token, d_head]`.

    mask: bool (True: visible), float (added), or None; causal as in torch
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scale: float
    mask: Tensor | None = None
    causal: bool = False
    kind: str = "self"
    appended: int = 0
    """The number of keys at the end that are not tokens."""
    dropped: bool = False
    """Whether dropout changed the weights before the product with the values."""


def sdpa(func: Callable, args: tuple, kwargs: dict) -> AttentionCall:
    """scaled_dot_product_attention, or one of the operators that implement it."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    schema = getattr(func, "_schema", None)
    if schema is not None:
        names = tuple(argument.name for argument in schema.arguments)
    arguments = {**dict(zip(names, args)), **kwargs}
    mask, scale = arguments.get("attn_mask", arguments.get("attn_bias")), arguments.get("scale")
    query = arguments["query"]
    if query.is_nested:
        raise CaptureError(
            "scaled_dot_product_attention on nested tensors cannot be recorded; pad the batch and pass a mask instead"
        )
    if hasattr(mask, "_materialize"):  # torch's CausalBias, whose module takes a second to import
        mask = mask._materialize(query.device)
    scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
    return AttentionCall(
        query,
        arguments["key"],
        arguments["value"],
        scale,
        mask,
        causal=bool(arguments.get("is_causal", False)),
        dropped=bool(arguments.get("dropout_p")),
    )


def mha(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> AttentionCall:
    """nn.MultiheadAttention, `[token, batch, d_model]`: its projections are computed again to split the heads."""
    kind = "self" if query is key or query.data_ptr() == key.data_ptr() else "cross"
    if query.ndim == 2:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
    if not use_separate_proj_weight:
        q_proj_weight, k_proj_weight, v_proj_weight = in_proj_weight.chunk(3)
    q_bias, k_bias, v_bias = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
    q, batch = _linear(query, q_proj_weight, q_bias), query.shape[1]

    def side(x_in: Tensor, weight: Tensor, bias: Tensor | None, more: Tensor | None, static: Tensor | None):
        x = _linear(x_in, weight, bias)
        if more is not None:
            x = torch.cat([x, more.to(x.dtype).expand(1, batch, -1)])
        x = x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3)
        x = x if static is None else static.unflatten(0, (batch, num_heads))
        return torch.cat([x, x.new_zeros(*x.shape[:2], 1, x.shape[3])], dim=2) if add_zero_attn else x

    q = q.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3)
    k = side(key, k_proj_weight, k_bias, bias_k, static_k)
    v = side(value, v_proj_weight, v_bias, bias_v, static_v)
    extra = (bias_k is not None) + bool(add_zero_attn)
    mask = _mha_mask(attn_mask, key_padding_mask, (batch, num_heads), extra)
    dropped = bool(training and dropout_p)
    return AttentionCall(q, k, v, q.shape[-1] ** -0.5, mask, kind=kind, appended=extra, dropped=dropped)


_OUT = 11
"""The position of the output projection's weight among the arguments of nn.MultiheadAttention's function."""


def out_projection(args: tuple, kwargs: dict) -> Tensor:
    """The weight `[d_model, head * d_head]` of the output projection of nn.MultiheadAttention."""
    return args[_OUT] if len(args) > _OUT else kwargs["out_proj_weight"]


def out_bias(args: tuple, kwargs: dict) -> Tensor | None:
    """The bias `[d_model]` of the same projection."""
    return args[_OUT + 1] if len(args) > _OUT + 1 else kwargs["out_proj_bias"]


def with_out_projection(args: tuple, kwargs: dict, weight: Tensor) -> tuple[tuple, dict]:
    """The same arguments with another output projection."""
    if len(args) > _OUT:
        return (*args[:_OUT], weight, *args[_OUT + 1 :]), kwargs
    return args, kwargs | {"out_proj_weight": weight}


def head_count(args: tuple, kwargs: dict) -> int:
    """The number of heads of nn.MultiheadAttention."""
    return args[4] if len(args) > 4 else kwargs["num_heads"]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _mha_mask(
    attn_mask: Tensor | None, padding: Tensor | None, lead: tuple[int, int], extra: int
) -> Tensor | None:
    """The masks of nn.MultiheadAttention (bool True: hidden) as one; `extra` visible keys were appended."""
    masks = []
    if attn_mask is not None:
        m = attn_mask if attn_mask.ndim == 2 else attn_mask.unflatten(0, lead)
        masks.append(m if m.ndim == 4 else m[None, None])
    if padding is not None:
        masks.append((padding if padding.ndim == 2 else padding[None])[:, None, None, :])
    if not masks:
        return None
    as_float = [
        torch.zeros_like(m, dtype=torch.float32).masked_fill_(m, -torch.inf) if m.dtype == torch.bool else m
        for m in masks
    ]
    return F.pad(sum(as_float), (0, extra))


def flex(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable,
    block_mask: tuple,
    scale: float,
    kernel_options: dict,
    score_mod_other_buffers: tuple = (),
    mask_mod_other_buffers: tuple = (),
) -> tuple[Tensor, Tensor, float, Tensor | None, Tensor | None]:
    """flex_attention, run without torch.compile: (query, key, scale, mask, weights).

    Both of its functions are evaluated for every query and key. If `score_mod` does not change the scores, weights are
    None; otherwise the weights are computed (as the uncompiled kernel does).
    """
    batch, heads, queries, _ = query.shape
    keys = key.shape[2]
    b, h, i, j = (torch.arange(n, device=query.device) for n in (batch, heads, queries, keys))

    def everywhere(function: Callable, *first: Tensor) -> Tensor:
        for axes in ((0, 0, 0, 1), (0, 0, 1, 0), (0, 1, 0, 0), (1, 0, 0, 0)):
            over = tuple(0 if axis else None for axis in axes)
            function = torch.vmap(function, in_dims=((0,) * len(first)) + over, out_dims=0)
        return function(*first, b, h, i, j)

    visible = everywhere(lambda *at: block_mask[-1](*at, *mask_mod_other_buffers)).expand(
        batch, heads, queries, keys
    )
    visible = _narrow(visible)
    mask = None if bool(visible.all()) else visible
    group = heads // key.shape[1]
    scores = (query @ key.repeat_interleave(group, 1).transpose(-1, -2)).float() * scale
    changed = everywhere(lambda s, *at: score_mod(s, *at, *score_mod_other_buffers), scores)
    if torch.equal(changed, scores):
        return query, key, scale, mask, None
    weights = changed.masked_fill(~visible, -torch.inf).softmax(-1)
    return query, key, scale, mask, weights.nan_to_num(0.0)


def _narrow(visible: Tensor) -> Tensor:
    """The same mask without axes along which it does not change."""
    for dim in (0, 1):
        first = visible.narrow(dim, 0, 1)
        if bool((visible == first).all()):
            visible = first
    return visible
