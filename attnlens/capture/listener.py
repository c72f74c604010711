"""The ear: a torch function mode that notices attention calls and notes what went in.

The user's function always runs first, outside our own try block, with its own arguments; what we then observe
is detached, copied (a model may overwrite it, as static caches do) and never handed back. A fault of ours is
remembered and reported when the capture ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from ..attention import Factors
from . import tags
from .masks import Mask
from .modules import Frame, ModuleStack, recomputing
from .recording import Call, Recording
from .tags import Probabilities, Scores, Sighting


@dataclass
class InterfaceCall:
    """A call through the attention interface of transformers, and how much was heard inside it."""

    query: Tensor
    key: Tensor
    heard: int = 0


class Listener(TorchFunctionMode):
    """Hears attention in whatever runs under it and appends `Call`s to a recording."""

    def __init__(self, recording: Recording, stack: ModuleStack, dtype: torch.dtype | None):
        super().__init__()
        self.recording = recording
        self.stack = stack
        self.dtype = dtype
        self.fault: Exception | None = None
        self.interface: list[InterfaceCall] = []
        self._tags: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._masks: dict[tuple, tuple[Tensor, Mask | None]] = {}
        self._numbers: dict[tuple[int, str], int] = {}

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _HEARD and not recomputing():
            self.observe(self._hear, func, args, kwargs, result)
        return result

    def observe(self, hear: Callable, *args: Any) -> None:
        """Runs one of our own observers; its failure is ours alone."""
        if self.fault is not None:
            return
        try:
            with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
                hear(*args)
        except Exception as fault:
            self.fault = fault

    def forget(self) -> None:
        """Drops what was only needed while listening."""
        self._tags = WeakIdKeyDictionary()
        self._masks.clear()

    # -- what is heard --------------------------------------------------------------------------------------

    def _hear(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        if func in tags.SDPA:
            self._hear_sdpa(*args, **kwargs)
        elif func is F.multi_head_attention_forward:
            self._hear_mha(*args, **kwargs)
        elif func in tags.SOFTMAX:
            self._hear_softmax(args, kwargs, result)
        else:
            self._follow(func, args, kwargs, result)

    def _hear_sdpa(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        query, key = _concrete(query), _concrete(key)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        if self.interface:
            query, key, attn_mask = _as_called(query, key, attn_mask, self.interface[-1])
        self.record_factors(query, key, scale, attn_mask, causal=is_causal)

    def _hear_mha(
        self,
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
    ) -> None:
        """nn.MultiheadAttention, `[token, batch, d_model]`: its projections are repeated to see the heads."""
        kind = "self" if query is key or query.data_ptr() == key.data_ptr() else "cross"
        if query.ndim == 2:
            query, key = query.unsqueeze(1), key.unsqueeze(1)
        if not use_separate_proj_weight:
            q_proj_weight, k_proj_weight, _ = in_proj_weight.chunk(3)
        q_bias, k_bias, _ = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q = F.linear(query, q_proj_weight.to(query.dtype), q_bias)
        k = F.linear(key, k_proj_weight.to(key.dtype), k_bias)
        batch = q.shape[1]
        extra = 0
        if bias_k is not None:
            k, extra = torch.cat([k, bias_k.expand(1, batch, -1)]), 1
        q, k = (x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3) for x in (q, k))
        if static_k is not None:
            k = static_k.unflatten(0, (batch, num_heads))
        if add_zero_attn:
            k, extra = torch.cat([k, k.new_zeros(*k.shape[:2], 1, k.shape[3])], dim=2), extra + 1
        shape = (*q.shape[:3], k.shape[2])
        mask = _mha_mask(attn_mask, key_padding_mask, shape, extra)
        self.record_factors(q, k, q.shape[-1] ** -0.5, mask, kind=kind, items=batch)

    def _hear_softmax(self, args: tuple, kwargs: dict, result: Tensor) -> None:
        if not isinstance(result, Tensor) or result.ndim < 2:
            return
        dim = tags.softmax_dim(args, kwargs)
        if dim not in (-1, -2) and result.ndim < 3:
            return
        source = args[0] if args else kwargs["input"]
        scores = self._tags.get(source)
        scores = scores if isinstance(scores, Scores) and dim == -1 else None
        self._tags[result] = Probabilities(dim, scores, Sighting())

    def _follow(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """A product, or a step on the way from scores to softmax to product."""
        source, tag = self._tagged(args, kwargs)
        if isinstance(tag, Probabilities):
            if func in tags.PRODUCTS:
                self._confirm(tag, func, args, source)
            elif isinstance(result, Tensor):
                followed = tags.follow_probabilities(tag, source, func, args, kwargs, result)
                if followed is not None:
                    self._tags[result] = followed
        elif func in tags.PRODUCTS and isinstance(result, Tensor) and result.ndim >= 2:
            scores = tags.product_scores(func, args, kwargs, result)
            if scores is not None:
                self._tags[result] = scores
        elif isinstance(tag, Scores) and isinstance(result, Tensor):
            followed = tags.follow_scores(tag, func, args, kwargs, result)
            if followed is not None:
                self._tags[result] = followed
            else:
                self._tags.pop(result, None)

    def _tagged(self, args: tuple, kwargs: dict) -> tuple[Tensor | None, Scores | Probabilities | None]:
        """The first tagged tensor among the arguments; probabilities before scores."""
        flat = [*args, *kwargs.values()]
        flat += [x for a in args if isinstance(a, (list, tuple)) for x in a]
        found = [(t, self._tags[t]) for t in flat if isinstance(t, Tensor) and t in self._tags]
        found.sort(key=lambda pair: isinstance(pair[1], Scores))
        return found[0] if found else (None, None)

    def _confirm(self, tag: Probabilities, func: Callable, args: tuple, source: Tensor) -> None:
        weights = tags.attention_of(tag, func, args, source)
        if weights is None or tag.sighting.confirmed:
            return
        tag.sighting.confirmed = True
        self._record_weights(_concrete(weights), tag.scores)

    # -- what is noted --------------------------------------------------------------------------------------

    def record_factors(
        self,
        query: Tensor,
        key: Tensor,
        scale: float,
        mask: Tensor | None,
        *,
        causal: bool = False,
        kind: str | None = None,
        items: int | None = None,
        softcap: float | None = None,
        sink: Tensor | None = None,
    ) -> None:
        """Notes one attention call by query and key, `[batch, head, token, d_head]` or with fewer axes."""
        owner = self._owner(query)
        query, key = (_four_axes(t, owner) for t in (query, key))
        if key.shape[0] != query.shape[0]:
            query, key = (t.expand(max(query.shape[0], key.shape[0]), -1, -1, -1) for t in (query, key))
        shape = (*query.shape[:3], key.shape[2])
        self._note(
            owner,
            shape,
            kind,
            items,
            mask=self._mask(mask, shape, causal),
            query=self._copy(query),
            key=self._copy(key),
            scale=scale,
            softcap=softcap,
            sink=None if sink is None else sink.detach().clone(),
        )

    def _record_weights(self, weights: Tensor, scores: Scores | None) -> None:
        owner = self._owner(weights)
        weights = _four_axes(weights, owner)
        mask, factors = None, None
        if scores is not None:
            factors, mask = self._factors_behind(scores, weights, owner)
        if factors is None:
            self._note(owner, tuple(weights.shape), None, None, mask=mask, weights=self._copy(weights))
        else:
            self._note(owner, tuple(weights.shape), None, None, mask=mask, **factors)

    def _factors_behind(
        self, scores: Scores, weights: Tensor, owner: Frame | None
    ) -> tuple[dict | None, Mask | None]:
        """The factors that a hand-written softmax was computed from, if they give its weights and are smaller."""
        shape = tuple(weights.shape)
        mask = _scores_mask(scores, shape)
        small = (shape[2] + shape[3]) * scores.query.shape[-1] < shape[2] * shape[3]
        if self.recording.store == "weights" or (self.recording.store == "auto" and not small):
            return None, mask
        query, key = (_four_axes(t, owner) for t in (scores.query, scores.key))
        if query.shape[:3] != shape[:3] or key.shape[2] != shape[3] or shape[1] % key.shape[1]:
            return None, mask
        scale = scores.inner * (scores.outer or 1.0)
        factors = {
            "query": query,
            "key": key.expand(shape[0], -1, -1, -1),
            "scale": scale,
            "softcap": scores.outer,
        }
        if not _agrees(factors, mask, weights):
            return None, mask
        factors |= {name: self._copy(factors[name]) for name in ("query", "key")}
        return factors, mask

    def _note(
        self,
        owner: Frame | None,
        shape: tuple,
        kind: str | None,
        items: int | None,
        *,
        mask: Mask | None,
        **what: Any,
    ) -> None:
        name = self.stack.frames[-1].name if self.stack.frames else ""
        forward = self.stack.forwards
        number = self._numbers[forward, name] = self._numbers.get((forward, name), 0) + 1
        if mask is None:
            mask = self._declared_padding(shape)
        call = Call(
            module=name,
            number=number,
            forward=forward,
            kind=kind or self._kind(owner, shape),
            items=items or self._items(shape[0]),
            mask=mask,
            **what,
        )
        self.recording.calls.append(call)
        if self.interface:
            self.interface[-1].heard += 1

    def _copy(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach()
        return tensor.to(self.dtype) if self.dtype not in (None, tensor.dtype) else tensor.clone()

    def _mask(self, tensor: Tensor | None, shape: tuple, causal: bool) -> Mask | None:
        if tensor is None:
            return Mask.of(None, shape, causal)
        seen = (id(tensor), shape, causal)
        if seen not in self._masks:
            # The tensor is kept beside its mask so that no other tensor can take its id meanwhile.
            self._masks[seen] = (tensor, Mask.of(_concrete(tensor.detach()), shape, causal))
        return self._masks[seen][1]

    def _declared_padding(self, shape: tuple) -> Mask | None:
        """The caller's own `attention_mask [batch, token]`, for attention whose mask was not seen."""
        given = self.stack.frames[0].kwargs.get("attention_mask") if self.stack.frames else None
        square = shape[2] == shape[3]
        if isinstance(given, Tensor) and square and tuple(given.shape) == (shape[0], shape[3]):
            return Mask(shape, real=given.detach() > 0)
        return None

    # -- whose attention it is ------------------------------------------------------------------------------

    def _owner(self, tensor: Tensor) -> Frame | None:
        """The innermost running module that was given activations, not already split heads."""
        for frame in reversed(self.stack.frames):
            given = frame.tensors()
            if given and not any(_is_heads(t, tensor) for t in given):
                return frame
        return None

    def _items(self, batch: int) -> int:
        """How many inputs a batch axis of this length stands for."""
        for frame in self.stack.frames[:2]:
            sizes = frame.batches()
            if len(sizes) == 1:
                size = sizes.pop()
                return size if size and batch % size == 0 else batch
        return batch

    def _kind(self, owner: Frame | None, shape: tuple) -> str:
        if owner is None:
            return "self" if shape[2] == shape[3] else "cross"
        given = owner.tensors()
        first = given[0]
        others = [t for t in given[1:] if t.ndim == first.ndim and t is not first]
        square = shape[2] == shape[3]
        if others and not (square and all(t.data_ptr() == first.data_ptr() for t in others)):
            return "cross"
        tokens = first.shape[1] if first.ndim == 3 else None
        if square and tokens not in (None, shape[2]) and first.shape[0] == shape[0]:
            return "channel"
        return "self"


_HEARD = frozenset(
    [
        F.multi_head_attention_forward,
        *tags.SDPA,
        *tags.SOFTMAX,
        *tags.PRODUCTS,
        *tags.DROPOUT,
        *tags.PERMUTE,
        *tags.STEPS,
    ]
)


def _is_heads(given: Tensor, tensor: Tensor) -> bool:
    """True when a module's input is the very query, key or weights: a helper module inside the attention."""
    return (given.ndim == tensor.ndim and given.shape[:-2] == tensor.shape[:-2] and given.ndim > 3) or (
        given.ndim == 3 and tensor.ndim == 3 and given.shape == tensor.shape
    )


def _four_axes(tensor: Tensor, owner: Frame | None) -> Tensor:
    """`[batch, head, token, x]` from what a model works on; an absent head axis becomes one of length 1."""
    if tensor.ndim > 4:
        return tensor.flatten(0, tensor.ndim - 4)
    if tensor.ndim == 4:
        batches = {t.shape[0] for t in owner.tensors()} if owner is not None else set()
        swapped = tensor.shape[0] not in batches and tensor.shape[1] in batches and len(batches) == 1
        return tensor.transpose(0, 1) if swapped else tensor
    if tensor.ndim == 2:
        return tensor[None, None]
    batch = owner.tensors()[0].shape[0] if owner is not None else tensor.shape[0]
    if tensor.shape[0] % batch == 0:
        return tensor.unflatten(0, (batch, -1))
    return tensor.unsqueeze(1)


def _concrete(tensor: Tensor) -> Tensor:
    """The plain tensor inside the wrappers of torch.func; a vmapped axis comes first."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        batched = functorch.is_batchedtensor(tensor)
        at = functorch.maybe_get_bdim(tensor) if batched else None
        tensor = functorch.get_unwrapped(tensor)
        if batched:
            tensor = tensor.movedim(at, 0)
    return tensor


def _as_called(
    query: Tensor, key: Tensor, mask: Tensor | None, call: InterfaceCall
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the interface was given, where the function inside it re-packed heads for grouped queries."""
    if query.shape[1] != call.query.shape[1] and query.numel() == call.query.numel():
        # One query token over grouped heads travels as [batch, key_head, group, d_head].
        if mask is not None and mask.shape[1] > 1:
            mask = mask.reshape(mask.shape[0], -1, 1, mask.shape[-1])
        return query.reshape(call.query.shape), key, mask
    groups = call.key.shape[1] < key.shape[1] and call.key.shape[2] == key.shape[2]
    return query, call.key if groups and key.shape[1] % call.key.shape[1] == 0 else key, mask


def _mha_mask(attn_mask: Tensor | None, padding: Tensor | None, shape: tuple, extra: int) -> Tensor | None:
    """The masks of nn.MultiheadAttention (bool True: may NOT look) as one; `extra` keys were appended, visible."""
    masks = []
    if attn_mask is not None:
        m = attn_mask if attn_mask.ndim == 2 else attn_mask.unflatten(0, (shape[0], shape[1]))
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


def _scores_mask(scores: Scores, shape: tuple) -> Mask | None:
    """What was added to and hidden in hand-written scores, as one mask."""
    mask = None
    if scores.bias is not None:
        mask = Mask.of(_concrete(scores.bias), shape)
    if scores.visible is not None:
        visible = Mask.of(_concrete(scores.visible), shape).visible
        if mask is None:
            return Mask(shape, visible=visible)
        mask.visible = visible if mask.visible is None else mask.visible & visible
    return mask


def _agrees(factors: dict, mask: Mask | None, weights: Tensor) -> bool:
    """Whether the factors give back a few rows of the weights that the model computed itself."""
    close = 1e-5 if weights.dtype in (torch.float32, torch.float64) else 2e-2
    for item in {0, weights.shape[0] - 1}:
        rule, bias = (None, None) if mask is None else mask.item(item, None, None)
        built = Factors(
            factors["query"][item], factors["key"][item], factors["scale"], rule, bias, factors["softcap"]
        )
        rows = sorted({0, weights.shape[2] // 2, weights.shape[2] - 1})
        seen = ~built.masked_rows[rows]
        heard = weights[item][:, rows].to(torch.float32)
        if not torch.allclose(built[:, rows].float()[:, seen], heard[:, seen], rtol=0, atol=close):
            return False
    return True
