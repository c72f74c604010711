"""What the queries and keys of a layer stand for, for a padded batch: positions, equal tokens, kinds of tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from ..data._batch import AttentionBatch
from ..data._trace import PatchGrid, Token
from ..kernels._head_sums import NO_TOKEN, SUMS, AxisTokens

NO_KEY = NO_TOKEN - 1
"""The code of a key without a token, which no query has."""

MARKS = ("first", "class", "separator", "punctuation")
"""The kinds of keys whose received attention is a statistic."""


@dataclass(frozen=True, eq=False)
class InputTokens:
    """The tokens of a batch of inputs without padding; an empty tuple where they are not known.

    input, output: of the encoder, or the only stack, and of the decoder; patches: of images
    """

    input: Sequence[tuple[Token, ...]]
    output: Sequence[tuple[Token, ...]] = ()
    patches: Sequence[PatchGrid | None] = ()

    def of_side(self, side: str, number: int) -> tuple[Token, ...]:
        rows = {"input": self.input, "output": self.output}.get(side, ())
        return rows[number] if number < len(rows) else ()

    def grid(self, number: int) -> PatchGrid | None:
        return self.patches[number] if self.patches else None


@dataclass(frozen=True, eq=False)
class LayerTokens:
    """The axes of one layer for a batch.

    axes: for `head_sums`; marks: float64 `[input, key, len(MARKS)]`, 1 for a key of that kind
    marked: bool `[input, len(MARKS)]`: whether the input has such a kind
    """

    axes: AxisTokens
    marks: Tensor
    marked: Tensor


@dataclass
class _InputOutline:
    """The keys of one input: what is defined, and its tokens' codes and marks."""

    defined: set[str] = field(default_factory=lambda: {"entropy", "perplexity", "max_weight"})
    codes: list[int] | None = None
    marks: dict[str, list[bool]] = field(default_factory=dict)
    grid: PatchGrid | None = None


def layer_tokens(attention: AttentionBatch, sides: tuple[str, str], tokens: InputTokens) -> LayerTokens:
    """The axes of a layer; sides: whose tokens are its queries and its keys, as in `Layer`."""
    counts = counts_of(attention, 0), counts_of(attention, 1)
    inputs = [_outline_of(attention, sides, tokens, n, *count) for n, count in enumerate(zip(*counts))]
    device = attention.device
    if attention.windows > 1:
        marks = torch.zeros(0, dtype=torch.float64)
    else:
        by_kind = [[one.marks.get(name) for one in inputs] for name in MARKS]
        marks = torch.stack([laid(rows, attention.real_keys, counts[1], 0) for rows in by_kind], -1).double()
    marked = torch.tensor([[name in one.marks for name in MARKS] for one in inputs])
    defined = torch.tensor([[name in one.defined for name in SUMS] for one in inputs])
    defined = defined.repeat_interleave(attention.windows, 0).to(device)
    axes = AxisTokens(
        _positions(attention.real_queries, attention.shape[2], device),
        _positions(attention.real_keys, attention.shape[3], device),
        defined,
        None if attention.real_keys is None else attention.real_keys.sum(-1),
        aligned=any("self" in one.defined for one in inputs),
        consecutive=_is_run(attention.real_queries) and _is_run(attention.real_keys),
    )
    codes = {name: code.to(device) for name, code in _codes(attention, inputs, *counts).items()}
    axes = replace(axes, **codes, **_distances(attention, inputs))
    return LayerTokens(axes, marks.to(device), marked.to(device))


def counts_of(attention: AttentionBatch, axis: int) -> list[int]:
    """The number of queries (axis 0) or keys of each input, without padding."""
    real = (attention.real_queries, attention.real_keys)[axis]
    if real is None:
        return [attention.shape[2 + axis] * attention.windows] * attention.inputs
    return real.sum(-1).tolist()


def _outline_of(
    attention: AttentionBatch, sides: tuple[str, str], tokens: InputTokens, number: int, queries: int, keys: int
) -> _InputOutline:  # fmt: skip
    query_side, key_side = (_side(side, count, tokens, number) for side, count in zip(sides, (queries, keys)))
    square = attention.kind == "self" and query_side == key_side and queries == keys
    ordered = key_side != "other" and attention.windows == 1
    grid = tokens.grid(number)
    grid = grid if grid is not None and key_side == "input" and keys == len(grid) else None
    known = tokens.of_side(key_side, number) if ordered else ()
    one = _InputOutline()
    one.defined |= {"self"} if square else set()
    if ordered:
        one.marks["first"] = [True] + [False] * (keys - 1)
    if square and ordered:
        one.defined |= (
            {"distance"} if grid is not None else {"distance", "signed_distance", "previous", "next"}
        )
        one.grid = grid
    kinds = {
        "class": [at == 0 and token.special for at, token in enumerate(known)],
        "separator": [at > 0 and token.special for at, token in enumerate(known)],
        "punctuation": [grid is None and is_punctuation(token.text) for token in known],
    }
    one.marks |= {name: chosen for name, chosen in kinds.items() if any(chosen)}
    if square and grid is None and known:
        one.codes = _token_codes(known)
        one.defined |= {"duplicate", "induction"}
    return one


def _side(side: str, count: int, tokens: InputTokens, number: int) -> str:
    """The side, or "other" where it has another number of tokens."""
    grid = tokens.grid(number)
    expected = len(grid) if grid is not None and side == "input" else len(tokens.of_side(side, number))
    return side if expected in (0, count) else "other"


@lru_cache(maxsize=65536)
def is_punctuation(text: str) -> bool:
    """Whether a token's text, spaces aside, is Unicode punctuation (categories P*) and nothing else."""
    marks = text.strip()
    return bool(marks) and all(unicodedata.category(mark).startswith("P") for mark in marks)


def _token_codes(tokens: Sequence[Token]) -> list[int]:
    """Equal for equal tokens: ids, or numbers of the texts where an id is missing."""
    names = [token.id for token in tokens]
    if None not in names:
        return names
    known: dict[str, int] = {}
    return [known.setdefault(token.text, len(known)) for token in tokens]


def positions_of(attention: AttentionBatch, axis: int) -> Tensor:
    """int64 `[batch | 1, n]`: the positions of the queries (axis 0) or keys of each input, counted without padding."""
    real = (attention.real_queries, attention.real_keys)[axis]
    return _positions(real, attention.shape[2 + axis], attention.device)


def _positions(real: Tensor | None, size: int, device: torch.device) -> Tensor:
    """int64 `[batch | 1, n]`"""
    counted = torch.arange(size, device=device)[None]
    if real is None or bool((real[:, 1:] <= real[:, :-1]).all()):  # all padding is at the end
        return counted
    return real.cumsum(-1) - 1


def _is_run(real: Tensor | None) -> bool:
    """Whether what is not padding is one run of indices in each input."""
    if real is None:
        return True
    starts = real.clone()
    starts[:, 1:] &= ~real[:, :-1]
    return bool((starts.sum(-1) <= 1).all())


def _codes(
    attention: AttentionBatch, inputs: Sequence[_InputOutline], queries: list[int], keys: list[int]
) -> dict[str, Tensor]:
    """`[batch, n]` codes of queries, keys, and the tokens before the keys; {} where no input has any.

    queries, keys: the number of each input's, without padding
    """
    codes = [one.codes for one in inputs]
    if all(row is None for row in codes):
        return {}
    before = [None if row is None else [NO_KEY, *row[:-1]] for row in codes]
    return {
        "query_code": laid(codes, attention.real_queries, queries, NO_TOKEN),
        "key_code": laid(codes, attention.real_keys, keys, NO_KEY),
        "before_code": laid(before, attention.real_keys, keys, NO_KEY),
    }


def laid(rows: Sequence[list[int] | None], real: Tensor | None, counts: list[int], missing: int) -> Tensor:
    """int64 `[batch, n]`: the numbers of each input where its axis has no padding, `missing` elsewhere.

    rows: None for an input without numbers; counts: of each input, without padding
    """
    flat = [
        number for row, count in zip(rows, counts) for number in ([missing] * count if row is None else row)
    ]
    numbers = torch.tensor(flat, dtype=torch.int64)
    if real is None:
        return numbers.view(len(rows), -1)
    table = torch.full(real.shape, missing)
    table[real.cpu()] = numbers
    return table


def _distances(attention: AttentionBatch, inputs: Sequence[_InputOutline]) -> dict[str, Tensor]:
    """Distances between patch centres, from patches to patches as if no other key were there; {} without patches."""
    grids = [one.grid for one in inputs]
    if None in grids:
        return {}
    first = grids[0]
    leading, size = len(first.leading), len(first)
    if any((grid.rows, grid.cols, len(grid.leading)) != (first.rows, first.cols, leading) for grid in grids):
        return {}
    scales = torch.tensor([_patch_size(grid) for grid in grids], dtype=torch.float64)
    scales = scales[:1] if bool((scales == scales[0]).all()) else scales
    cells = torch.cartesian_prod(torch.arange(first.rows), torch.arange(first.cols)).double()
    centres = cells * scales[:, None]
    distance = torch.full((len(scales), size, size), torch.nan, dtype=torch.float64)
    distance[:, leading:] = 0.0
    distance[:, leading:, leading:] = (centres[:, :, None] - centres[:, None]).square().sum(-1).sqrt()
    measured = torch.arange(size) >= leading
    return {"distance": distance.to(attention.device), "measured": measured.to(attention.device)}


def _patch_size(grid: PatchGrid) -> tuple[float, float]:
    """Height and width of a patch in pixels of the image, or 1 without one."""
    if grid.image is None:
        return 1.0, 1.0
    height, width = grid.image.shape[:2]
    return height / grid.rows, width / grid.cols
