"""The values of one layer's attention, and their path to the residual stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .._checks import integer
from ._axes import HeadTokenDim


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """The values of one layer's attention, recorded by `values=True` or for a target.

    value: `[key_head, key, d_head]`; fewer key heads than heads is grouped-query attention
    output: `[head, d_head, d_model]`, the output projection; None where none was recorded. Head h takes
        `f_h(x_j) = value[h, j] @ output[h]` from token j
    residual: `[query, d_model]`, the residual stream that the result is added to; None where none was recorded
    scale, spread: `[d_model]`, `[query]`: weight and standard deviation of the LayerNorm over that sum; None where no
        LayerNorm directly follows
    gradient: `[head, query, d_head]`, of the target's logit by each head's result; None without a target
    """

    value: HeadTokenDim
    output: Tensor | None = None
    residual: Tensor | None = None
    scale: Tensor | None = None
    spread: Tensor | None = None
    gradient: HeadTokenDim | None = None

    def transformed(self, heads: int) -> Tensor:
        """`f_h(x_j)`, `[head, key, d_model]`; the values themselves, `[head, key, d_head]`, without a projection.

        heads: the number of heads of the layer, `layer.attention.heads`; its key heads may be fewer
        """
        value = self.of_heads(heads)
        return value if self.output is None else value @ self.output.to(value.dtype)

    def of_heads(self, heads: int) -> HeadTokenDim:
        """The values of each head, `[head, key, d_head]` in float32 (float64 where stored so).

        heads: as for `transformed`
        """
        heads = integer("heads", heads, least=1)
        dtype = torch.float64 if self.value.dtype == torch.float64 else torch.float32
        return self.value.to(dtype).repeat_interleave(heads // len(self.value), dim=0)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {list(t.shape)}" for name, t in vars(self).items() if t is not None)
        return f"Values({shapes})"

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return sum(t.numel() * t.element_size() for t in vars(self).values() if t is not None)

    def to(self, target: torch.device | str | torch.dtype) -> Values:
        """The same values on another device, or in another dtype."""
        return replace(self, **{name: t.to(target) for name, t in vars(self).items() if t is not None})
