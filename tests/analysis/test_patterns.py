"""Finding heads: named patterns against their definition in loops, matrices and functions of one's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens.analysis._axis_tokens import is_punctuation
from attnlens.analysis._head_stats import head_stats
from attnlens.analysis._patterns import PATTERNS, find_heads
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, PatchGrid, Token, Trace
from attnlens.errors import InputError

from .. import tiny
from .made import trace_of

WORDS = "the film , the film , was a film".split()


def words(*texts, ids=False):
    table = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return tuple(Token(text, table[text] if ids else None, special=text.startswith("[")) for text in texts)


def onto(pairs, size):
    """One head that attends to one key from each query: `pairs[query]`, or evenly where there is none."""
    weights = torch.full((1, size, size), 1 / size, dtype=torch.float64)
    for query, key in pairs.items():
        weights[0, query] = 0
        weights[0, query, key] = 1
    return weights


def random(heads=3, size=9):
    return Weights((2 * torch.randn(heads, size, size, dtype=torch.float64)).softmax(-1))


IDEAL = {
    "self": {i: i for i in range(6)},
    "previous": {i: i - 1 for i in range(1, 6)},
    "next": {i: i + 1 for i in range(5)},
    "first": dict.fromkeys(range(6), 0),
    "class": dict.fromkeys(range(6), 0),
    "separator": dict.fromkeys(range(6), 5),
    "punctuation": dict.fromkeys(range(6), 3),
    "duplicate": {1: 4, 4: 1},
    "induction": {4: 2},
}


@pytest.mark.parametrize("name", IDEAL)
def test_the_ideal_head_is_found_and_scores_one(name):
    tokens = words("[CLS]", "so", "good", ",", "so", "[SEP]")
    others = [onto(pairs, 6) for other, pairs in IDEAL.items() if pairs != IDEAL[name]]
    heads = Weights(torch.cat([*others, onto(IDEAL[name], 6)]))
    table = find_heads(trace_of(random(len(others) + 1, 6), heads, tokens=tokens), name)
    assert table.columns.tolist() == ["layer", "head", "name", "score"]
    assert table.score[0] == pytest.approx(1, abs=1e-12)
    assert table.score[1] < 1 - 1e-3
    assert table.loc[0, ["layer", "head", "name"]].tolist() == [1, len(others), "layer.1"]
    assert len(table) == 2 * (len(others) + 1)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_score_is_the_column_of_head_stats(name):
    trace = al.load("sentiment").trace("a film , a long , long film , was it a film ?")
    found = find_heads(trace, name)
    column = head_stats(trace)[["layer", "head", "name", name]].rename(columns={name: "score"})
    expected = column.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def test_equal_scores_keep_the_order_of_layers_and_heads():
    """Many heads of two kinds: few are sorted in order by any algorithm."""
    two = torch.cat([onto(IDEAL["first"], 6), onto(IDEAL["self"], 6)])
    kinds = torch.randint(0, 2, (2, 200))
    table = find_heads(trace_of(*(Weights(two[kind]) for kind in kinds)), "self")
    places = [[layer, head] for layer in range(2) for head in range(200)]
    expected = sorted(places, key=lambda place: -int(kinds[tuple(place)]))
    assert table[["layer", "head"]].values.tolist() == expected


# -- token relations ------------------------------------------------------------------------------------------


def test_tokens_are_equal_by_id_or_else_by_text():
    attention = random(1, 4)
    weights = attention.weights[0]
    ids = (Token("a", 1), Token("A", 1), Token("a", 2), Token("b", 3))
    assert find_heads(trace_of(attention, tokens=ids), "duplicate").score[0] == pytest.approx(
        float(weights[0, 1] + weights[1, 0]) / 2
    )
    texts = (Token("a", 1), Token("A", 1), Token("a"), Token("b", 3))
    assert find_heads(trace_of(attention, tokens=texts), "duplicate").score[0] == pytest.approx(
        float(weights[0, 2] + weights[2, 0]) / 2
    )


@pytest.mark.parametrize("band", [Band(None, 0), Band(3, 0), Band(1, 1), None])
def test_repeats_count_where_they_may_be_seen(band):
    size = len(WORDS)
    attention = Factors(torch.randn(4, size, 5).double(), torch.randn(2, size, 5).double(), 1.0, mask=band)
    weights, trace = attention[:], trace_of(attention, tokens=words(*WORDS))
    seen = (
        torch.ones(size, size).bool()
        if band is None
        else band.visible(torch.arange(size), torch.arange(size))
    )
    scores = {
        "duplicate": lambda i, j: i != j and WORDS[i] == WORDS[j],
        "induction": lambda i, j: any(WORDS[m] == WORDS[i] and j == m + 1 for m in range(i)),
    }
    for name, holds in scores.items():
        rows = [[j for j in range(size) if holds(i, j) and seen[i, j]] for i in range(size)]
        if not any(rows):
            with pytest.raises(InputError, match=f"'{name}' is defined in no layer"):
                find_heads(trace, name)
            continue
        expected = [
            np.mean([sum(float(head[i, j]) for j in keys) for i, keys in enumerate(rows) if keys])
            for head in weights
        ]
        found = find_heads(trace, name).sort_values("head").score
        np.testing.assert_allclose(found, expected, atol=1e-12)


def detector(weights, ids, name):
    """TransformerLens's score: the share of all attention that falls on its lower-triangular pattern."""
    size, hit, everything = len(ids), 0.0, 0.0
    for i in range(size):
        for j in range(size):
            everything += float(weights[i, j])
            on = {
                "previous": j == i - 1,
                "duplicate": j < i and ids[j] == ids[i],
                "induction": 1 <= j <= i and ids[j - 1] == ids[i] and j - 1 != i,
            }[name]
            hit += float(weights[i, j]) if on else 0.0
    return hit / everything


@pytest.mark.parametrize("name", ["previous", "duplicate", "induction"])
def test_transformer_lens_scores_are_ours_times_the_share_of_rows(name):
    """In a causal model whose rows sum to one, their share of all attention counts the rows without a one as 0."""
    ids = torch.tensor([[5, 9, 7, 5, 9, 9, 30, 7, 5, 9, 7, 40]])
    trace = gpt2_trace(ids)
    ids = ids[0].tolist()
    size = len(ids)
    rows = {
        "previous": size - 1,
        "duplicate": sum(ids[i] in ids[:i] for i in range(size)),
        "induction": sum(ids[i] in ids[:i] for i in range(size)),
    }[name]
    for row in find_heads(trace, name).itertuples():
        theirs = detector(trace[row.layer, row.head].double(), ids, name)
        assert row.score * rows / size == pytest.approx(theirs, rel=1e-5)


def gpt2_trace(ids):
    model = tiny.gpt2()
    with al.capture(model) as recording, torch.no_grad():
        model(ids)
    tokens = tuple(Token(str(int(i)), int(i)) for i in ids[0])
    return replace(next(iter(recording.traces())), tokens=tokens)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [(".", True), (" ,", True), ("...", True), ("¿", True), ("」", True), ("—", True), ("a.", False), ("$", False),
     (" ", False), ("", False), ("[SEP]", False), ("++", False)],
)  # fmt: skip
def test_punctuation_is_what_unicode_says(text, is_one):
    assert is_punctuation(text) == is_one


def test_windows_have_no_neighbours_but_know_themselves():
    window = random(2, 3)
    trace = trace_of(Windows((window, window)))
    own = [float(window.weights[h].diagonal().mean()) for h in range(2)]
    np.testing.assert_allclose(find_heads(trace, "self").sort_values("head").score, own)
    for name in ("first", "previous"):
        with pytest.raises(InputError, match="is defined in no layer"):
            find_heads(trace, name)


def test_positions_that_are_no_tokens_have_no_neighbours():
    layer = Layer("pooled", "self", random(2, 4), "other", "other")
    trace = Trace((layer,), tokens=words("[CLS]", "so", ".", "so", "[SEP]"))
    assert len(find_heads(trace, "self")) == 2
    for name in set(PATTERNS) - {"self"}:
        with pytest.raises(InputError, match=f"'{name}' is defined in no layer"):
            find_heads(trace, name)


def test_cross_attention_is_left_out_where_neighbours_are_asked_for():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])
    kinds = [layer.kind for layer in trace.layers]
    assert kinds.count("cross") == 2
    assert {kinds[i] for i in find_heads(trace, "previous").layer} == {"self"}
    # the decoder's own tokens hold no </s>, the encoder's do
    assert set(find_heads(trace, "separator").layer) == {
        0,
        1,
        *(i for i, k in enumerate(kinds) if k == "cross"),
    }
    with pytest.raises(
        InputError, match="pattern 'self' is defined in no layer of this trace; it needs self-att"
    ):
        find_heads(trace.select(kind="cross"), "self")


@pytest.mark.parametrize("kind", ["cross", "channel"])
def test_as_many_queries_as_keys_are_not_yet_the_same_tokens(kind):
    trace = Trace((Layer("mix", kind, random(2, 4)),), tokens=words("[CLS]", "so", "so", "."))
    assert len(find_heads(trace, "first")) == 2
    for name in ("self", "previous", "next", "duplicate", "induction"):
        with pytest.raises(InputError, match=f"'{name}' is defined in no layer"):
            find_heads(trace, name)


def test_an_image_has_a_class_token_and_no_neighbours():
    trace = al.load("cifar").trace(al.models.sample_images()["cat"])
    best = find_heads(trace, "class").iloc[0]
    assert best.score == pytest.approx(float(trace[best.layer, best["head"]][:, 0].mean()), rel=1e-5)
    for name in ("next", "punctuation", "duplicate", "separator"):
        with pytest.raises(InputError, match="is defined in no layer of this trace; it needs"):
            find_heads(trace, name)


def test_registers_are_separators():
    grid = PatchGrid(2, 2, ("[CLS]", "register 1", "register 2"))
    attention = random(1, 7)
    found = find_heads(trace_of(attention, patches=grid), "separator")
    assert found.score[0] == pytest.approx(float(attention.weights[0, :, 1:3].sum(-1).mean()))


def test_a_decoder_without_a_first_special_token_has_no_class():
    trace = al.Lens(tiny.gpt2(), tiny.byte_level()).trace(tiny.SENTENCES[0])
    with pytest.raises(
        InputError, match=r"'class' is defined in no layer .* it needs keys whose first token is special"
    ):
        find_heads(trace, "class")


# -- matrices and functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [torch.tensor, np.array, list, lambda m: torch.tensor(m).bool(), lambda m: np.array(m, bool)]
)
def test_a_matrix_scores_the_rows_that_have_a_one(kind):
    ones = [[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    attention = random(3, 4)
    found = find_heads(trace_of(attention), kind(ones)).sort_values("head").score
    for head, score in zip(attention.weights, found):
        assert score == pytest.approx(float(head[0, 1] + head[0, 2] + head[2, 0] + head[3, 3]) / 3)


def test_a_matrix_need_not_be_square_and_skips_other_layers():
    wide = Weights(torch.rand(2, 3, 5).double().softmax(-1))
    trace = Trace((Layer("a", "self", random(2, 3)), Layer("b", "cross", wide, "output")))
    ones = torch.zeros(3, 5)
    ones[:, 4] = 1
    found = find_heads(trace, ones)
    assert set(found.layer) == {1}
    assert found.score[0] == pytest.approx(float(wide.weights[:, :, 4].mean(1).max()))


def test_rows_that_see_nothing_do_not_count():
    mask = torch.tensor([True, False, True, True]).view(1, 4, 1).expand(1, 4, 4)
    attention = Factors(torch.randn(2, 4, 3).double(), torch.randn(2, 4, 3).double(), 1.0, mask=mask)
    found = find_heads(trace_of(attention), torch.eye(4)).sort_values("head").score
    np.testing.assert_allclose(found, [float(w[[0, 2, 3], [0, 2, 3]].mean()) for w in attention[:]])
    only = torch.zeros(4, 4)
    only[1, 0] = 1
    with pytest.raises(InputError, match="or its ones lie in masked rows"):
        find_heads(trace_of(attention), only)


def test_a_function_gets_each_head():
    trace = trace_of(random(2, 5), random(3, 5))
    found = find_heads(trace, lambda weights: weights[:, 2].mean())
    expected = {(x, h): float(trace[x, h][:, 2].mean()) for x in range(2) for h in range(len(trace[x]))}
    assert found.score.tolist() == sorted(expected.values(), reverse=True)
    assert all(expected[row.layer, row.head] == row.score for row in found.itertuples())
    some = find_heads(trace, lambda weights: math.nan if len(weights) > 5 or weights[0, 0] < 0.2 else 1)
    assert 0 < len(some) < 5


BAD = {
    "name": (
        "previus",
        "unknown pattern 'previus'; expected one of: self, previous, .* Did you mean 'previous'",
    ),
    "number": (5, "pattern must be a name .*; this int is none"),
    "graded": (
        torch.full((4, 4), 0.5),
        r"pattern must be .*; this Tensor is none of them\. For graded weights pass a func",
    ),
    "three axes": (torch.ones(1, 4, 4), "this Tensor is none"),
    "ragged": ([[1], [1, 0]], "this list is none"),
    "nothing": (torch.zeros(4, 4), "the pattern matrix has no 1"),
    "shape": (torch.ones(5, 5), r"the pattern is \[5, 5\] but layers are \[query, key\] \[4, 4\]"),
    "no number": (lambda weights: weights[0], r"the pattern function returned Tensor for weights \[4, 4\]"),
    "nothing returned": (lambda weights: None, "the pattern function returned NoneType"),
    "nan": (lambda weights: math.nan, "returned NaN for every head"),
    "no tokens": (
        "duplicate",
        "pattern 'duplicate' is defined in no layer of this trace; it needs self-attention",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_patterns_that_make_no_sense(case):
    pattern, message = BAD[case]
    with pytest.raises(InputError, match=message):
        find_heads(trace_of(random(2, 4)), pattern)


def test_a_list_of_traces_is_not_a_trace():
    with pytest.raises(InputError, match=r"find_heads\(\) takes one trace, not list"):
        find_heads([trace_of(random())], "self")
