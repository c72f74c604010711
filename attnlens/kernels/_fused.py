"""Where the Triton kernels stand in for torch: attention as factors on a GPU, with a mask that all heads share."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from ..data._attention import Attention, Factors
from ..data._batch import AttentionBatch
from ._tiles import has_tile


def is_fused(attention: AttentionBatch) -> bool:
    """Whether the kernels take the attention of a batch."""
    query, visible = attention.query, attention.visible
    if query is None or attention.key_weights is not None or not has_tile(query):
        return False
    return (visible is None or visible.shape[1] == 1) and on_gpu(query.device)


@cache
def on_gpu(device: torch.device) -> bool:
    """Whether it is an NVIDIA GPU of a data centre: the tiles need more than the 100 KiB of shared memory of others."""
    if device.type != "cuda" or torch.version.hip is not None or find_spec("triton") is None:
        return False
    major, minor = torch.cuda.get_device_capability(device)
    return (major, minor) == (8, 0) or major in (9, 10)


def rule_of(attention: AttentionBatch) -> dict[str, object]:
    """The arguments of the kernels that say which weights there are."""
    names = ("scale", "band", "visible", "real_keys", "bias", "softcap", "sink")
    return {name: getattr(attention, name) for name in names}


def row_through_heads(attention: Attention, row: Tensor) -> Tensor | None:
    """The mean over heads of `row @ weights`, `[key]`, in time for one pass of attention; None where torch does it.

    row: `[query]`
    """
    if not isinstance(attention, Factors) or attention.sink is not None or attention.bias is not None:
        return None
    batch = AttentionBatch.of(attention)
    if not is_fused(batch):
        return None
    from ._triton_row_products import rows_through

    products = rows_through(row[None, None, None], batch.query, batch.key, **rule_of(batch))
    return products[0, :, 0].mean(0)
