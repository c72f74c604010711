"""A mask is kept as the rule that it is, and says exactly what the tensor said."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.data._attention import Band
from attnlens.recorder._masks import Mask, rule

N = 6


def band(before, after, offset=0, queries=N, keys=N):
    return Band(before, after, offset).visible(torch.arange(queries), torch.arange(keys))


BANDS = {
    "causal": (band(None, 0), Band(None, 0)),
    "sliding": (band(2, 0), Band(2, 0)),
    "both sides": (band(1, 1), Band(1, 1)),
    "anti-causal": (band(0, None), Band(0, None)),
    "cache, one query": (torch.ones(1, N, dtype=torch.bool), None),
    "cache, two queries": (band(None, 0, offset=4, queries=2), Band(None, 0, 4)),
    "cache, sliding": (band(2, 0, offset=3, queries=3), Band(2, 0, 3)),
}


@pytest.mark.parametrize("name", BANDS)
def test_rules_are_found(name):
    visible, expected = BANDS[name]
    assert rule(visible[None], *visible.shape) == expected


def test_everything_visible_is_no_mask():
    assert rule(torch.ones(1, N, N, dtype=torch.bool), N, N) is None


def test_what_is_no_rule_stays_a_tensor():
    blocks = torch.block_diag(*torch.ones(2, 3, 3)).bool()
    for visible in (blocks, band(None, 0).flip(1), torch.zeros(N, N, dtype=torch.bool)):
        kept = rule(visible[None], N, N)
        assert torch.equal(kept[0], visible)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_rule_says_what_the_tensor_said(data):
    queries, keys = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    edge = st.one_of(st.none(), st.integers(0, 4))
    visible = band(data.draw(edge), data.draw(edge), data.draw(st.integers(0, 5)), queries, keys)
    if data.draw(st.booleans()):  # and sometimes nearly a band
        i, j = data.draw(st.integers(0, queries - 1)), data.draw(st.integers(0, keys - 1))
        visible[i, j] = ~visible[i, j]
    kept = rule(visible[None].clone(), queries, keys)
    if kept is None:
        assert visible.all()
    elif isinstance(kept, Band):
        assert torch.equal(kept.visible(torch.arange(queries), torch.arange(keys)), visible)
    else:
        assert torch.equal(kept[0], visible)


@pytest.mark.parametrize("lowest", [-math.inf, torch.finfo(torch.float32).min, -1e9, -1e4])
def test_float_masks_are_split_into_what_hides_and_what_is_added(lowest):
    bias = torch.randn(2, 3, N, N)
    hidden = torch.rand(2, 1, N, N) > 0.7
    mask = Mask.of(bias.masked_fill(hidden, lowest), (2, 3, N, N))
    assert torch.equal(mask.visible, ~hidden)
    assert torch.equal(mask.bias, bias.masked_fill(hidden, 0.0))


def test_a_small_bias_hides_nothing():
    mask = Mask.of(torch.full((1, 1, N, N), -100.0), (2, 3, N, N))
    assert mask.visible is None
    assert mask.bias.unique().tolist() == [-100.0]


def test_heads_that_hide_the_same_share_one_mask():
    visible = band(None, 0).expand(2, 3, N, N)
    assert Mask.of(visible, (2, 3, N, N)).visible.shape == (2, 1, N, N)


def test_real_keys():
    visible = band(None, 0).repeat(3, 1, 1, 1)
    visible[1, :, :, 4:] = False  # padding right
    visible[2, :, :, :2] = False  # padding left
    mask = Mask.of(visible, (3, 2, N, N))
    assert mask.real_keys(0) is None
    assert mask.real_keys(1).tolist() == [0, 1, 2, 3]
    assert mask.real_keys(2).tolist() == [2, 3, 4, 5]
    rows = mask.real_keys(2)
    assert mask.item(2, rows, rows) == (Band(None, 0), None)


@pytest.mark.parametrize("rule", [Band(None, -1), Band(-1, None), Band(3, -2)])
def test_a_rule_that_hides_the_last_key_from_all_is_no_padding(rule):
    visible = rule.visible(torch.arange(N), torch.arange(N))
    mask = Mask.of(visible[None, None], (2, 3, N, N))
    assert mask.real_keys(1) is None
    kept = mask.item(1, None, None)[0]
    assert isinstance(kept, Band)
    assert torch.equal(kept.visible(torch.arange(N), torch.arange(N)), visible)


def test_empty_places_of_a_cache_are_no_keys():
    mask = Mask.of(band(None, 0, queries=3)[None, None], (1, 2, 3, N))
    assert mask.real_keys(0).tolist() == [0, 1, 2]


def test_queries_behind_a_prefix_are_those_of_the_last_keys():
    padding = torch.tensor([[True] * 9, [True] * 7 + [False] * 2, [True] * 3 + [False] * 2 + [True] * 4])
    mask = Mask.of(padding[:, None, None], (3, 2, N, 9))
    assert mask.real_rows(0) is None
    assert mask.real_rows(1).tolist() == [0, 1, 2, 3]
    assert mask.real_rows(2).tolist() == [2, 3, 4, 5]


def test_queries_in_a_cache_are_found_by_the_last_key_that_they_see():
    visible = band(None, 0, offset=2, queries=4, keys=9).repeat(3, 1, 1, 1)
    visible[1, :, :, :4] = False  # two keys of earlier steps and two of this one are padding on the left
    visible[2, :, :, 4:] = False  # padding on the right
    mask = Mask.of(visible, (3, 2, 4, 9))
    assert mask.real_keys(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert mask.real_rows(0) is None
    assert mask.real_rows(1).tolist() == [2, 3]
    assert mask.real_rows(2).tolist() == [0, 1]


def test_one_query_is_never_padding():
    padding = torch.tensor([True] * 4 + [False] * 2)[None, None, None]
    assert Mask.of(padding, (1, 1, 1, N)).real_rows(0) is None


@pytest.mark.parametrize("before", [0, 2])
def test_padding_that_sees_itself_is_padding(before):
    real = torch.tensor([True] * (before + 4) + [False] * 2)
    own = torch.eye(N, dtype=torch.bool)
    visible = real[None] | torch.cat([torch.zeros(N, before, dtype=torch.bool), own], 1)
    mask = Mask.of(visible[None, None], (1, 1, N, N + before))
    assert mask.real_keys(0).tolist() == list(range(before + 4))
    assert before == 0 or mask.real_rows(0).tolist() == [0, 1, 2, 3]


def test_keys_hidden_by_some_heads_only_are_no_padding():
    visible = torch.ones(1, 2, N, N, dtype=torch.bool)
    visible[0, 0, :, 3] = False
    assert Mask.of(visible, (1, 2, N, N)).real_keys(0) is None


def test_an_input_that_is_all_padding_is_kept_whole():
    assert Mask.of(torch.zeros(1, 1, N, N, dtype=torch.bool), (1, 2, N, N)).real_keys(0) is None


def test_the_model_may_overwrite_its_mask():
    tensor = torch.ones(1, 1, N, N, dtype=torch.bool).tril()
    mask = Mask.of(tensor, (1, 1, N, N))
    tensor.fill_(True)
    assert mask.item(0, None, None)[0] == Band(None, 0)


def test_causal_joined_with_padding():
    padding = torch.tensor([True] * 4 + [False] * 2)[None, None, None]
    mask = Mask.of(padding, (1, 1, N, N), Band(None, 0))
    rows = mask.real_keys(0)
    assert rows.tolist() == [0, 1, 2, 3]
    assert mask.item(0, rows, rows)[0] == Band(None, 0)


def test_a_band_joined_with_padding_on_the_left_keeps_its_positions():
    padding = torch.tensor([False] * 2 + [True] * 4)[None, None, None]
    mask = Mask.of(padding, (1, 1, N, N), Band(2, 0))
    rows = mask.real_keys(0)
    assert rows.tolist() == [2, 3, 4, 5]
    assert mask.item(0, rows, rows)[0] == Band(2, 0)


def test_a_band_alone_holds_no_tensor():
    mask = Mask.of(None, (1, 1, 10**6, 10**6), Band(None, 0))
    assert mask.item(0, None, None) == (Band(None, 0), None)
