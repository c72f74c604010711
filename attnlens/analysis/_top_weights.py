"""The inputs in which each head attends most strongly, and from which token to which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import _checks
from .._escaping import encodable
from ..data._batch import AttentionBatch
from ..data._trace import Token, Trace
from ..errors import InputError
from ..kernels._fused import largest_of_rows
from ._axis_tokens import InputTokens, counts_of, laid
from ._class_means import visible_keys
from ._many import ModelWithInputs, reduced

if TYPE_CHECKING:
    import pandas as pd


def top_weights(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    count: int = 10,
    special: bool = False,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """The inputs in which each head attends most strongly: a row per layer, head and rank, the strongest first.

    Columns `layer`, `head`, `name` (module path), `rank` from 1, `input` (its number), the largest `weight` of the head
    in that input, and whose it is: `query` and `key` (indices), `query_token` and `key_token` (texts; of an image
    `row,column`; "" where the tokens are not known). Of equal weights the first counts: the earlier input, query, key.

    Queries that see a single key do not count, since its weight is always 1.

    traces: one, or any iterable of traces of one model; it is read once. Or a lens, with inputs: the same table,
        computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of inputs that it reads; batch_size: how many run together, by default as many as
        the device has room for.
    count: the maximum number of inputs per head
    special: whether the first key and keys that are special tokens count; attention collects there, whatever is read

    Layers that attend between channels or within windows (Swin) are left out; `frame.attrs` holds their names in
    `left_out`, and the number of `inputs`. Raises InputError where there is no input.

    >>> table = top_weights(lens, texts)
    >>> table[(table.layer == 5) & (table["head"] == 3)]
    """
    count = _checks.integer("count", count, least=1)
    best: dict[int, _Best] = {}
    names: list[str] = []
    left_out: list[str] = []
    seen = 0
    for numbers, layers in reduced(
        traces, inputs, lambda tokens: TopReducer(tokens, special), batch_size, "top_weights"
    ):
        seen += len(numbers)
        for at, (name, found) in enumerate(layers):
            if at == len(names):
                names.append(name)
                left_out += [name] if found is None else []
            if found is not None:
                best.setdefault(at, _Best(count)).add(numbers, *found)
    if not seen:
        raise InputError(
            "top_weights() received no input; an iterator can be read only once: create a new one"
        )
    frame = _frame(best, names)
    frame.attrs.update(inputs=seen, left_out=left_out)
    return frame


class _Top(NamedTuple):
    """The largest weight of each input and head, NaN where none counts, and its query and key: `[input, head]`."""

    weight: Tensor
    query: Tensor
    key: Tensor


class TopReducer:
    """A reducer: (the largest weights of one layer of a batch, the tokens of its queries and of its keys by input)."""

    def __init__(self, tokens: InputTokens, special: bool):
        self.tokens, self.special = tokens, special

    def __call__(
        self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")
    ) -> tuple[_Top, list[tuple[Token, ...]], list[tuple[Token, ...]]] | None:
        if attention.windows > 1 or attention.kind == "channel":
            return None
        queries, keys = ([self.tokens.of_side(side, n) for n in range(attention.inputs)] for side in sides)
        top = _largest(attention, None if self.special else self._ordinary(attention, keys))
        return top, queries, keys

    def _ordinary(self, attention: AttentionBatch, tokens: list[tuple[Token, ...]]) -> Tensor:
        """bool `[input, key]`: False for the first key, for special tokens and for padding."""
        counts = counts_of(attention, 1)
        rows = [
            [at > 0 and not (len(known) == size and known[at].special) for at in range(size)]
            for known, size in zip(tokens, counts)
        ]
        return laid(rows, attention.real_keys, counts, 0).bool().to(attention.device)


def _largest(attention: AttentionBatch, counted: Tensor | None) -> _Top:
    """Among the keys that count, bool `[input, key]`; None for all. Indices are those of the input without padding."""
    weight = torch.zeros(attention.shape[:2], dtype=attention.dtype, device=attention.device)
    top = _Top(weight, *torch.zeros(2, *weight.shape, dtype=torch.int64, device=attention.device))
    for rows, weight, key in strongest_keys(attention, counted):
        here, query = weight.max(-1)
        larger = here > top.weight
        found = (here, query + rows.start, key.gather(-1, query.unsqueeze(-1)).squeeze(-1))
        top = _Top(*(torch.where(larger, new, old) for new, old in zip(found, top)))
    weight = top.weight.masked_fill(top.weight <= 0, torch.nan)
    return _Top(weight, _unpadded(top.query, attention.real_queries), _unpadded(top.key, attention.real_keys))


def strongest_keys(
    attention: AttentionBatch, counted: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """(rows, the largest weight of each row, its key), `[input, head, row]` each; 0 for a row that does not count."""
    by_kernel = largest_of_rows(attention, counted)
    for rows in attention.row_blocks() if by_kernel is not None else ():
        several = visible_keys(attention, rows, None).sum(-1) > 1
        weight, key = (tensor[:, :, rows] for tensor in by_kernel)
        if attention.real_queries is not None:
            several = several & attention.real_queries[:, rows]
        yield rows, weight * several[:, None], key
    for rows, block in attention.blocks() if by_kernel is None else ():
        several = visible_keys(attention, rows, block).sum(-1) > 1
        hidden = (
            ~several[:, None, :, None]
            if counted is None
            else ~(several[:, None, :, None] & counted[:, None, None])
        )
        yield rows, *block.masked_fill(hidden, 0.0).max(-1)


def _unpadded(index: Tensor, real: Tensor | None) -> Tensor:
    """The index `[input, head]` among what is not padding, bool `[input, n]`."""
    return index if real is None else (real.cumsum(-1) - 1).gather(1, index)


class _Best:
    """The inputs with the largest weights so far, of each head of a layer.

    rows: per head, (weight, input, query, key, text of the query, text of the key), the largest first
    """

    def __init__(self, count: int):
        self.count = count
        self.rows: list[list[tuple]] = []

    def add(
        self, numbers: list[int], top: _Top, queries: list[tuple[Token, ...]], keys: list[tuple[Token, ...]]
    ) -> None:
        """Adds a batch; numbers: of its inputs."""
        weight, query, key = (column.T.cpu().numpy() for column in top)
        self.rows = self.rows or [[] for _ in weight]
        for head, item in np.argwhere(weight >= self._least[:, None]).tolist():
            i, j = int(query[head, item]), int(key[head, item])
            texts = (_text(queries[item], i), _text(keys[item], j))
            self.rows[head].append((float(weight[head, item]), numbers[item], i, j, *texts))
        for rows in self.rows:
            rows.sort(key=lambda row: (-row[0], row[1]))
            del rows[self.count :]

    @property
    def _least(self) -> np.ndarray:
        """`[head]`, the weight that an input needs to be among the first."""
        return np.array([rows[-1][0] if len(rows) == self.count else 0.0 for rows in self.rows])


def _text(tokens: tuple[Token, ...], at: int) -> str:
    return encodable(tokens[at].text) if at < len(tokens) else ""


def _frame(best: dict[int, _Best], names: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (layer, head, names[layer], rank, number, weight, *where)
        for layer, heads in sorted(best.items())
        for head, kept in enumerate(heads.rows)
        for rank, (weight, number, *where) in enumerate(kept, 1)
    ]
    columns = ["layer", "head", "name", "rank", "input", "weight", "query", "key", "query_token", "key_token"]
    return pd.DataFrame(rows, columns=columns)
