"""The axes of attention tensors, in the order in which they occur together, and aliases that say a shape.

An alias is documentation that type checkers accept: `Weights = Annotated[Tensor, "head query key"]`.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

HeadQueryKey = Annotated[Tensor, "head query key"]
HeadQuery = Annotated[Tensor, "head query"]
HeadTokenDim = Annotated[Tensor, "head token d_head"]
PerQuery = Annotated[Tensor, "query"]
PerToken = Annotated[Tensor, "token"]
