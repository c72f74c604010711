"""From a hand-written softmax back to its query, key and mask, accepted only where they reproduce the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data._attention import Factors
from .._layout import Layout
from .._masks import Mask
from ._tags import Scores, ScoreTerm, concrete


def factors_behind(
    scores: Scores, weights: Tensor, layout: Layout, store: str, touched: bool
) -> tuple[Mask | None, dict[str, Any] | None]:
    """(mask, factors): the factors are None where weights are smaller, or do not follow from them.

    weights: `[batch, head, query, key]`
    touched: whether the weights were changed after the softmax, so that all rows are compared and not a few
    """
    batch, heads, queries, keys = shape = tuple(weights.shape)
    if (*layout.lead, queries, keys) != (*scores.lead, scores.query.shape[-2], scores.key.shape[-2]):
        return None, None
    mask = _mask(scores.terms, layout, shape)
    small = (queries + keys) * scores.query.shape[-1] < queries * keys
    if store == "weights" or (store == "auto" and not small):
        return mask, None
    query, key = (layout.put(concrete(t)) for t in (scores.query, scores.key))
    factors = {
        "query": query.expand(batch, heads, -1, -1),
        "key": key.expand(batch, -1, -1, -1),
        "scale": scores.scale,
        "softcap": scores.softcap,
    }
    return mask, factors if _agrees(factors, mask, weights, touched, layout.kind != "cross") else None


def _mask(terms: tuple[ScoreTerm, ...], layout: Layout, shape: tuple) -> Mask | None:
    """The biases and masks of hand-written scores as one mask."""
    visible, bias = None, None
    for term in terms:
        tensor = _four_axes(term, layout)
        if term.kind != "bias":
            seen = tensor if term.kind == "visible" else ~tensor
            visible = seen if visible is None else visible & seen
            continue
        tensor = tensor if term.by == 1.0 else tensor * term.by
        bias = tensor if bias is None else bias + tensor
    if bias is None:
        return None if visible is None else Mask(shape, visible=visible.clone())
    mask = Mask.of(bias, shape)
    if visible is None:
        return mask
    return Mask(shape, visible.clone() if mask.visible is None else mask.visible & visible, mask.bias)


def _four_axes(term: ScoreTerm, layout: Layout) -> Tensor:
    """An extra as `[batch | 1, head | 1, query | 1, key | 1]`, though the scores were reshaped since."""
    tensor = concrete(term.tensor)
    tensor = tensor[(None,) * (len(term.lead) + 2 - tensor.ndim)]
    if term.lead == layout.lead:
        return layout.put(tensor)
    if term.lead == (layout.batch, layout.heads):
        return tensor
    if all(size == 1 for size in tensor.shape[:-2]):
        return tensor.reshape(1, 1, *tensor.shape[-2:])
    tail = tensor.shape[-2:]
    return layout.put(tensor.expand(*term.lead, *tail).reshape(*layout.lead, *tail))


def _agrees(factors: dict[str, Any], mask: Mask | None, weights: Tensor, whole: bool, padded: bool) -> bool:
    """Whether the factors reproduce the weights that the model computed: in some rows, or in all.

    A masked row is 0 in the factors; a mask of finite numbers spreads it evenly in the model.

    padded: rows of padding, which no trace has, need not agree
    """
    exact = weights.dtype in (torch.float32, torch.float64)
    close = 1e-5 if exact and factors["query"].dtype in (torch.float32, torch.float64) else 2e-2
    batch, _, queries, _ = weights.shape
    for item in range(batch) if whole else sorted({0, batch - 1}):
        rule, bias = (None, None) if mask is None else mask.item(item, None, None)
        built = Factors(
            factors["query"][item], factors["key"][item], factors["scale"], rule, bias, factors["softcap"]
        )
        rows = range(queries) if whole else sorted({0, queries // 3, queries // 2, queries - 1})
        hidden = built.masked_rows.nonzero().flatten().tolist()
        real = mask.real_keys(item) if padded and mask is not None and queries == weights.shape[3] else None
        kept = range(queries) if real is None else real.tolist()
        rows = sorted({*rows, *hidden} & {*kept})
        recorded = weights[item][:, rows].to(torch.float32).nan_to_num(0.0)
        if not torch.allclose(built[:, rows].float(), recorded, rtol=0, atol=close):
            return False
    return True
