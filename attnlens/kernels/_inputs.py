"""What a kernel computes scores from, and how it is passed to Triton."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..data._attention import Band

GROUP = 128
"""As in `_triton_scores`: rows and keys that share a segment."""

BITS = {"before": 1, "after": 2, "visible": 4, "real_keys": 8, "bias": 16, "bias_of_rows": 32, "softcap": 64}
"""As in `_triton_scores`: which parts of the scores there are."""


@dataclass(frozen=True)
class ScoreInputs:
    """Query, key and mask rule of one layer: `cap(query @ key.T * scale) + bias`, hidden where a mask says so.

    query: `[batch, head, query, d_head]`; key: `[batch, key_head, key, d_head]`
    band: hides by index; visible: bool `[batch | 1, head | 1, query | 1, key | 1]`; real_keys: bool `[batch, key]`
    bias: float, shaped like `visible`
    """

    query: Tensor
    key: Tensor
    scale: float
    band: Band | None = None
    visible: Tensor | None = None
    real_keys: Tensor | None = None
    bias: Tensor | None = None
    softcap: float | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, heads, queries, keys)"""
        return *self.query.shape[:3], self.key.shape[2]

    @property
    def offset(self) -> int:
        """The position of the first query among the keys."""
        return self.band.offset if self.band is not None else 0

    @property
    def both_ways(self) -> bool:
        """Whether the band reaches from the diagonal outwards, so that segments can be laid along it."""
        sides = (self.band.before, self.band.after) if self.band is not None else ()
        return all(side is None or side >= 0 for side in sides)

    @property
    def causal(self) -> bool:
        """Whether the band hides everything right of the diagonal."""
        return self.band is not None and self.band.after == 0

    @cached_property
    def flags(self) -> int:
        """The bits of `_triton_scores`."""
        parts = {
            name: getattr(self, name) is not None for name in ("visible", "real_keys", "bias", "softcap")
        }
        parts |= {side: getattr(self.band, side, None) is not None for side in ("before", "after")}
        parts["bias_of_rows"] = self.bias is not None and self.bias.shape[2] > 1
        return sum(BITS[name] for name, there in parts.items() if there)

    @cached_property
    def pointers(self) -> dict[str, Tensor]:
        """visible, real_keys and bias as bytes and numbers; `query` stands for what there is not."""
        given = {"visible_ptr": self.visible, "real_keys_ptr": self.real_keys, "bias_ptr": self.bias}
        return {name: self.query if tensor is None else as_bytes(tensor) for name, tensor in given.items()}

    @cached_property
    def numbers(self) -> dict[str, object]:
        """Strides, sizes and the rule's numbers, by the kernels' parameter names."""
        band, cap = self.band or Band(), self.softcap
        return {
            "query_strides": self.query.stride()[:3],
            "key_strides": self.key.stride()[:3],
            "visible_strides": self._strides("visible_ptr", self.visible),
            "bias_strides": self._strides("bias_ptr", self.bias),
            "heads": self.query.shape[1],
            "group_size": self.query.shape[1] // self.key.shape[1],
            "queries": self.query.shape[2],
            "keys": self.key.shape[2],
            "scale": self.scale * math.log2(math.e),
            "cap": 1.0 if cap is None else cap * math.log2(math.e),
            "before": band.before or 0,
            "after": band.after or 0,
            "offset": band.offset,
            "group_offset": band.offset // GROUP,
            "group_rest": int(band.offset % GROUP > 0),
        }

    def _strides(self, name: str, tensor: Tensor | None) -> tuple[int, ...]:
        return (0, 0, 0, 0) if tensor is None else self.pointers[name].expand(self.shape).stride()

    def scores(self, batch: Tensor, head: Tensor, query: Tensor) -> Tensor:
        """Whole rows of scores, float32 `[row, key]`, hidden ones -inf: of batch[i], head[i], query[i] the i-th."""
        group = self.numbers["group_size"]
        rows = self.query[batch, head, query].float()
        scores = torch.einsum("rd,rkd->rk", rows, self.key[batch, head // group].float()) * self.scale
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        if self.bias is not None:
            scores = scores + self.bias.expand(self.shape)[batch, head, query].float()
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        if self.band is not None:
            hidden |= ~self.band.visible(query, torch.arange(self.shape[3], device=query.device))
        if self.visible is not None:
            hidden |= ~self.visible.expand(self.shape)[batch, head, query]
        if self.real_keys is not None:
            hidden |= ~self.real_keys[batch]
        return scores.masked_fill(hidden, -math.inf)

    @property
    def layout(self) -> dict[str, object]:
        """What the kernels are compiled for, beside the tile: dimension, flags, precision of the products."""
        dim = self.query.shape[3]
        precision = "tf32x3" if self.query.dtype == torch.float32 else "tf32"
        padded = max(16, 1 << (dim - 1).bit_length())
        return {"D": dim, "DIM": padded, "FLAGS": self.flags, "PRECISION": precision}


def as_bytes(tensor: Tensor) -> Tensor:
    """Booleans as bytes, which is how Triton reads them; other tensors as they are."""
    return tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor


def score_inputs(query: Tensor, key: Tensor, scale: float, **rule) -> ScoreInputs:
    """The inputs with the last axis contiguous and a scale that is not negative."""
    query = -query if scale < 0 else query
    query, key = (t if t.stride(-1) == 1 else t.contiguous() for t in (query, key))
    if rule.get("real_keys") is not None:
        rule["real_keys"] = rule["real_keys"].contiguous()
    return ScoreInputs(query, key, abs(scale), **rule)
