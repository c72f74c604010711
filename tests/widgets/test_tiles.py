"""Tiles of a head: each is the pooled weights that it stands for, at every level, however the tile is come by."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn.functional import avg_pool2d, max_pool2d

from attnlens.data._attention import Band, Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError
from attnlens.widgets import _tiles
from attnlens.widgets._tiles import HeadSelection, Tiles, base_level


def trace_of(queries: int, keys: int, heads: int = 2) -> Trace:
    generator = torch.Generator().manual_seed(queries)
    query = torch.randn(heads, queries, 8, generator=generator)
    key = torch.randn(heads, keys, 8, generator=generator)
    kind = "self" if queries == keys else "cross"
    return Trace(layers=(Layer("one", kind, Factors(query, key, 1.0), "other", "other"),))


def pooled(weights: torch.Tensor, size: int, pool: str) -> torch.Tensor:
    more = {} if pool == "max" else {"count_include_pad": False}
    return {"max": max_pool2d, "mean": avg_pool2d}[pool](weights[None, None], size, ceil_mode=True, **more)[
        0, 0
    ]


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_tile_is_the_pooled_part_of_the_mean_of_its_heads(monkeypatch, level, pool):
    monkeypatch.setattr(_tiles, "SIDE", 16)
    monkeypatch.setattr(_tiles, "BASE", 64)
    trace = trace_of(200, 130)
    whole = pooled(trace[0][:].mean(0), 2**level, pool)
    rows, cols = -(-whole.shape[0] // 16), -(-whole.shape[1] // 16)
    maker = Tiles(trace)
    for row in range(rows):
        for col in range(cols):
            found = maker.tile(HeadSelection(0, (0, 1), pool=pool), level, row, col)
            expected = whole[16 * row : 16 * (row + 1), 16 * col : 16 * (col + 1)]
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_rows_are_walked_in_strips_that_keep_cells_whole(monkeypatch):
    monkeypatch.setattr(_tiles, "BLOCK_ELEMENTS", 1000)
    monkeypatch.setattr(_tiles, "BASE", 32)
    trace = trace_of(150, 150)
    found = Tiles(trace).tile(HeadSelection(0, (1,)), base_level(150, 150), 0, 0)
    torch.testing.assert_close(found, pooled(trace[0, 1], 8, "max"))


def test_a_base_is_walked_once_and_only_the_last_few_are_kept(monkeypatch):
    monkeypatch.setattr(_tiles, "BASE", 32)
    monkeypatch.setattr(_tiles, "KEPT", 2)
    walked = []
    maker = Tiles(trace_of(100, 100, heads=4))
    walk = maker._walk
    monkeypatch.setattr(maker, "_walk", lambda shown, *rest: walked.append(shown.heads) or walk(shown, *rest))
    for head in (0, 0, 1, 2, 2, 0):
        maker.tile(HeadSelection(0, (head,)), 3, 0, 0)
    assert walked == [(0,), (1,), (2,), (0,)]


def test_without_special_tokens_and_for_one_of_two_texts():
    layer = Layer("one", "self", Weights(torch.rand(2, 6, 6).softmax(-1)))
    tokens = [Token("[CLS]", special=True), Token("a"), Token("[SEP]", special=True)]
    tokens += [Token("b", segment=1), Token("c", segment=1), Token("[SEP]", special=True, segment=1)]
    trace = Trace(layers=(layer,), tokens=tuple(tokens))
    left = trace.renormalize()[0]
    maker = Tiles(trace)
    found = maker.tile(HeadSelection(0, (1,), "a-b", hide_special=True), 0, 0, 0)
    torch.testing.assert_close(found, left[1, [1], [3, 4]])
    found = maker.tile(HeadSelection(0, (0, 1), "b-a"), 0, 0, 0)
    torch.testing.assert_close(found, trace[0][:, [3, 4, 5], [0, 1, 2]].mean(0))


@pytest.mark.parametrize("mask", [None, Band(None, 0)])
def test_a_line_is_one_query_or_one_key_in_each_head(mask):
    trace = trace_of(40, 40)
    attention = dataclasses.replace(trace[0], mask=mask)
    trace = dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], attention=attention),))
    maker, shown = Tiles(trace), HeadSelection(0, (1, 0))
    torch.testing.assert_close(maker.line(shown, "query", 7), trace[0][[1, 0], 7])
    torch.testing.assert_close(maker.line(shown, "key", 7), trace[0][[1, 0], :, 7])


@pytest.mark.parametrize("place", [(0, 1, 0), (0, 0, 9), (-1, 0, 0), (0, -1, 0), (5, 1, 0)])
def test_a_tile_that_is_not_there_is_refused(place):
    with pytest.raises(InputError, match="no tile"):
        Tiles(trace_of(40, 40)).tile(HeadSelection(0, (0,)), *place)
