"""Where the Triton kernels stand in for torch: attention as factors on a GPU, with a mask that all heads share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from ..data._attention import BLOCK_ELEMENTS, Attention, Factors
from ..data._batch import AttentionBatch
from ._inputs import score_inputs
from ._tiles import has_tile


def is_fused(attention: AttentionBatch) -> bool:
    """Whether the kernels take the attention of a batch."""
    query, visible = attention.query, attention.visible
    if query is None or attention.key_weights is not None or not has_tile(query):
        return False
    return (visible is None or visible.shape[1] == 1) and on_gpu(query.device)


def is_long(attention: AttentionBatch) -> bool:
    """Whether the weights of one input are more than a block, so that a kernel pays off."""
    return math.prod(attention.shape[1:]) > BLOCK_ELEMENTS


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

    lse = None if attention.whole_lse is None else attention.whole_lse[None].float()
    products = rows_through(row[None, None, None], batch.query, batch.key, **rule_of(batch), lse=lse)
    return products[0, :, 0].mean(0)


def overlaps(layers: Sequence[AttentionBatch]) -> tuple[Tensor, Tensor] | None:
    """What `head_overlaps` returns for these layers of long inputs; None where torch is to compute it."""
    if not all(is_fused(layer) and is_long(layer) for layer in layers):
        return None
    from ._triton_overlaps import head_overlaps

    inputs = [score_inputs(layer.query, layer.key, **_scores(layer)) for layer in layers]
    return head_overlaps(inputs, [layer.sink for layer in layers], layers[0].real_queries)


def largest_of_rows(attention: AttentionBatch, counted: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """(the largest weight of each row among the keys that count, its key or -1), `[batch, head, query]`, of a long
    input; None where torch is to compute it.

    counted: bool `[batch, key]`, True within the real keys; None for all
    """
    if not (is_fused(attention) and is_long(attention)):
        return None
    from ._triton_row_pass import row_lse
    from ._triton_top_keys import top_keys

    rule = _scores(attention)
    inputs = score_inputs(attention.query, attention.key, **rule)
    lse = row_lse(inputs, attention.sink)
    if counted is not None:
        inputs = score_inputs(attention.query, attention.key, **rule | {"real_keys": counted})
    weights, keys = top_keys(inputs, 1, lse=lse)
    return weights[..., 0], keys[..., 0]


def _scores(attention: AttentionBatch) -> dict[str, object]:
    """The arguments of `score_inputs` beside query and key."""
    return {name: value for name, value in rule_of(attention).items() if name != "sink"}
