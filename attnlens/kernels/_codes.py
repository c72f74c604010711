"""Codes of tokens laid out for the kernels: a key's, that of the token before it, a query's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._inputs import ScoreInputs

NO_KEY, NO_QUERY = -1, -2
"""The code of a key or a query that is not there: they match nothing, nor each other."""


def code_arrays(
    inputs: ScoreInputs, codes: Tensor, positions: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """int32 (code of each key `[batch, key]`, code at the position before it, code of each query `[batch, query]`).

    codes: int `[batch, key]`. positions: of the queries and of the keys, or None where they are consecutive.
    """
    batch, _, queries, keys = inputs.shape
    code = codes.to(torch.int32).expand(batch, keys)
    if inputs.real_keys is not None:
        code = torch.where(inputs.real_keys, code, NO_KEY)
    if positions is None:
        before = F.pad(code[:, :-1], (1, 0), value=NO_KEY)
        query = code[:, max(inputs.offset, 0) : max(inputs.offset + queries, 0)]
        if query.shape[1] < queries:
            query = F.pad(query, _missing(inputs), value=NO_KEY)
    else:
        query_position, key_position = positions
        before = _code_at(code, key_position, key_position - 1)
        query = _code_at(code, key_position, query_position)
    return code.contiguous(), before.contiguous(), query.masked_fill(query == NO_KEY, NO_QUERY).contiguous()


def _missing(inputs: ScoreInputs) -> tuple[int, int]:
    """How many queries lie before the first key and after the last."""
    _, _, queries, keys = inputs.shape
    return min(max(-inputs.offset, 0), queries), min(max(inputs.offset + queries - keys, 0), queries)


def _code_at(code: Tensor, position: Tensor, wanted: Tensor) -> Tensor:
    """The code of the real key at each wanted position; NO_KEY where there is none."""
    places = position.masked_fill(code == NO_KEY, torch.iinfo(position.dtype).max)
    places, order = places.sort(1)
    at = torch.searchsorted(places, wanted.contiguous()).clamp(max=places.shape[1] - 1)
    there = places.gather(1, at) == wanted
    return code.gather(1, order).gather(1, at).masked_fill(~there, NO_KEY)
