"""Which tokens the heads connect: from each token to the one that it attends to most, counted beside chance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import _checks
from .._escaping import encodable
from ..data._batch import AttentionBatch
from ..data._trace import Token, Trace
from ..errors import InputError
from ._axis_tokens import InputTokens, counts_of, laid
from ._class_means import visible_keys
from ._many import ModelWithInputs, reduced
from ._top_weights import strongest_keys

if TYPE_CHECKING:
    import pandas as pd

MOST_TOKENS = 1024
"""Different tokens that are counted: the first that occur, which the frequent ones are among."""

CODES = 1 << 20
"""Links after which they are counted together, so that memory does not grow with the inputs."""


def token_pairs(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    count: int = 10,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Which token each head connects with which: a row per layer, head and rank, the pairs farthest above chance first.

    A query is connected with the key that it attends to most, unless that is the first key or a special token, where
    attention collects whatever is read. Columns `layer`, `head`, `name` (module path), `rank` from 1, `query` and
    `key` (texts of the tokens), and

    - `count`: how often a query of that text is connected with a key of that text, over all inputs
    - `chance`: how often it would be if each query attended most to any of the keys that it sees
    - `p`: of so large a count by chance (Poisson), corrected by Bonferroni for all pairs and heads

    traces: one, or any iterable of traces of one model; it is read once. Or a lens, with inputs: the same table,
        computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of texts; batch_size: how many run together, by default as many as the device has
        room for.
    count: the maximum number of pairs per head; pairs that occur once are left out

    Layers without tokens on both sides (images, channels, windows) are left out; `frame.attrs` holds their names in
    `left_out`, and the number of `inputs`. Of more than 1,024 different tokens the first that occur are counted.
    Raises InputError where there is no input.

    >>> table = token_pairs(lens, texts)
    >>> table[(table.layer == 5) & (table["head"] == 3)]
    """
    count = _checks.integer("count", count, least=1)
    codes: dict[str, int] = {}
    totals: dict[int, _PairCounts] = {}
    names: list[str] = []
    seen = 0
    for which, layers in reduced(
        traces, inputs, lambda tokens: _PairReducer(tokens, codes), batch_size, "token_pairs"
    ):
        seen += len(which)
        for at, (name, pairs) in enumerate(layers):
            if at == len(names):
                names.append(name)
            if pairs is not None:
                totals.setdefault(at, _PairCounts()).add(pairs)
    if not seen:
        raise InputError(
            "token_pairs() received no input; an iterator can be read only once: create a new one"
        )
    frame = _frame(totals, names, list(codes), count)
    frame.attrs.update(inputs=seen, left_out=[name for at, name in enumerate(names) if at not in totals])
    return frame


class _Pairs(NamedTuple):
    """Of one layer of a batch: heads; links, int64 codes `(head * T + query) * T + key` with T = MOST_TOKENS; and the
    chances of `query * T + key`: int64 codes, and float64 sums."""

    heads: int
    links: np.ndarray
    pairs: np.ndarray
    chances: np.ndarray


class _PairCounts:
    """The links and chances of all batches of one layer."""

    def __init__(self) -> None:
        self.heads = 0
        self.codes, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.chance = np.zeros(MOST_TOKENS**2, np.float32)
        self._waiting: list[np.ndarray] = []

    def add(self, pairs: _Pairs) -> None:
        self.heads = pairs.heads
        self.chance[pairs.pairs] += pairs.chances.astype(np.float32)
        self._waiting.append(pairs.links)
        if sum(map(len, self._waiting)) > CODES:
            self.gather()

    def gather(self) -> None:
        """Counts the links that wait."""
        codes = np.concatenate([self.codes, *self._waiting])
        counts = np.concatenate([self.counts, *(np.ones(len(links), np.int64) for links in self._waiting)])
        self.codes, where = np.unique(codes, return_inverse=True)
        self.counts = np.bincount(where, counts, len(self.codes)).astype(np.int64)
        self._waiting = []


class _PairReducer:
    """A reducer: `_Pairs` of one layer of a batch; None where its queries and keys are no tokens.

    codes: the number of each token's text, shared by all batches
    """

    def __init__(self, tokens: InputTokens, codes: dict[str, int]):
        self.tokens, self.codes = tokens, codes
        self._chances: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(
        self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")
    ) -> _Pairs | None:
        known = all(self.tokens.of_side(side, 0) for side in sides) and self.tokens.grid(0) is None
        if attention.windows > 1 or attention.kind == "channel" or not known:
            return None
        query, key = (self._codes(attention, axis, side) for axis, side in enumerate(sides))
        links, pairs, chances = [], [], []
        for rows, weight, strongest in strongest_keys(attention, None):
            links.append(_links(query[:, rows], key, weight, strongest).cpu().numpy())
        for rows in attention.row_blocks():
            found = self._chance(attention, rows, sides, query, key)
            pairs.append(found[0])
            chances.append(found[1])
        codes, where = np.unique(np.concatenate(pairs), return_inverse=True)
        sums = np.bincount(where, np.concatenate(chances), len(codes))
        return _Pairs(attention.shape[1], np.concatenate(links), codes, sums)

    def _codes(self, attention: AttentionBatch, axis: int, side: str) -> Tensor:
        """int64 `[input, n]`: the code of each query (axis 0) or key; -1 for padding, for tokens beyond the first
        MOST_TOKENS, and for keys that do not count."""
        counts = counts_of(attention, axis)
        rows = [self._of_input(self.tokens.of_side(side, n), count, axis) for n, count in enumerate(counts)]
        return laid(rows, (attention.real_queries, attention.real_keys)[axis], counts, -1).to(
            attention.device
        )

    def _of_input(self, tokens: tuple[Token, ...], count: int, axis: int) -> list[int]:
        if len(tokens) != count:
            return [-1] * count
        return [
            -1 if axis == 1 and (at == 0 or token.special) else self._code(encodable(token.text))
            for at, token in enumerate(tokens)
        ]

    def _code(self, text: str) -> int:
        if text not in self.codes and len(self.codes) == MOST_TOKENS:
            return -1
        return self.codes.setdefault(text, len(self.codes))

    def _chance(
        self, attention: AttentionBatch, rows: slice, sides: tuple[str, str], query: Tensor, key: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """(codes `query * T + key`, how often they are linked if every visible key is as probable).

        Layers with the same mask share it.
        """
        block = attention.block(rows) if attention.weights is not None else None
        size = len(query), rows.stop - rows.start, key.shape[1]
        visible = visible_keys(attention, rows, block).expand(size)
        mask = np.packbits(visible.cpu().numpy()).tobytes()
        at = sides, rows.start, size, hashlib.blake2b(mask).digest()
        if at not in self._chances:
            counts = visible.sum(-1, keepdim=True)
            codes = query[:, rows, None] * MOST_TOKENS + key[:, None]
            counted = visible & (counts > 1) & (query[:, rows, None] >= 0) & (key[:, None] >= 0)
            codes, share = codes[counted], (1 / counts.double()).expand(size)[counted]
            self._chances[at] = codes.cpu().numpy(), share.cpu().numpy()
        return self._chances[at]


def _links(query: Tensor, key: Tensor, weight: Tensor, strongest: Tensor) -> Tensor:
    """The codes of the links of a block. query: `[input, row]`, key: `[input, key]`, weight, strongest: `[input, head,
    row]`"""
    batch, heads, _ = strongest.shape
    linked = key[:, None].expand(batch, heads, -1).gather(-1, strongest)
    head = torch.arange(heads, device=key.device)[:, None]
    codes = (head * MOST_TOKENS + query[:, None]) * MOST_TOKENS + linked
    return codes[(weight > 0) & (linked >= 0) & (query >= 0)[:, None]]


def _frame(totals: dict[int, _PairCounts], names: list[str], texts: list[str], most: int) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import poisson

    rows: list[tuple] = []
    tests = sum(counts.heads * int((counts.chance > 0).sum()) for counts in totals.values())
    for layer, counts in sorted(totals.items()):
        counts.gather()
        head, pair = np.divmod(counts.codes, MOST_TOKENS**2)
        chance = counts.chance[pair].astype(float)
        above = np.where(counts.counts > 1, counts.counts - chance, -np.inf)
        p = np.minimum(poisson.sf(counts.counts - 1, chance) * tests, 1.0)
        for number in range(counts.heads):
            mine = np.flatnonzero((head == number) & (above > 0))
            order = mine[np.argsort(-above[mine], kind="stable")][:most]
            for rank, at in enumerate(order.tolist(), 1):
                query, key = divmod(int(pair[at]), MOST_TOKENS)
                words = texts[query], texts[key]
                rows.append(
                    (layer, number, names[layer], rank, *words, int(counts.counts[at]), chance[at], p[at])
                )
    return pd.DataFrame(
        rows, columns=["layer", "head", "name", "rank", "query", "key", "count", "chance", "p"]
    )
