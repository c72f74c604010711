"""Attention from one class of tokens to another, beside sums over the weights of whole traces."""

from __future__ import annotations

import math
from collections import defaultdict

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import attention_by_class, token_classes
from attnlens.data import Band, Factors, Layer, Token, Trace
from attnlens.errors import InputError

from .made import trace_of, weights
from .test_many import LENSES, TEXTS, WORDS, inputs_of

KEYS = ["layer", "head", "name", "query", "key"]


def classes_of(trace, side):
    if trace.patches is not None and side == "input":
        return token_classes(trace.patches.tokens, trace.patches)
    return token_classes(trace.output_tokens if side == "output" else trace.tokens)


def oracle(traces, classes=classes_of):
    """The table, a weight at a time."""
    weight, chance, queries = defaultdict(float), defaultdict(float), defaultdict(int)
    names = set()
    for trace in traces:
        for number, layer in enumerate(trace.layers):
            rows, keys = classes(trace, layer.query_side), classes(trace, layer.key_side)
            names |= {*rows, *keys}
            found = layer.attention[:].double()
            shown = (found > 0).any(0)
            for head, matrix in enumerate(found):
                for i, row in enumerate(matrix.tolist()):
                    if max(row) == 0:
                        continue
                    queries[number, head, layer.name, rows[i]] += 1
                    for j, number_of in enumerate(row):
                        weight[number, head, layer.name, rows[i], keys[j]] += number_of
                        chance[number, head, layer.name, rows[i], keys[j]] += float(shown[i, j]) / int(
                            shown[i].sum()
                        )
    table = [
        (*where, name, weight[*where, name] / count, chance[*where, name] / count, count)
        for where, count in queries.items() for name in names
    ]  # fmt: skip
    return pd.DataFrame(table, columns=[*KEYS, "weight", "chance", "queries"])


def assert_same(found, expected, atol):
    found, expected = (frame.sort_values(KEYS, ignore_index=True) for frame in (found, expected))
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=atol, check_dtype=False)


@pytest.mark.parametrize("name", ["sentiment", "bert", "bert eager", "llama", "gpt2", "t5", "vit", "minivit"])
def test_many_inputs_of_a_lens(name):
    lens = LENSES[name]()
    inputs = inputs_of(lens)
    expected = oracle(lens.traces(inputs))
    for found in (attention_by_class(lens, inputs), attention_by_class(lens.traces(inputs))):
        assert_same(found, expected, 1e-5)
        assert found.attrs == {"inputs": len(inputs), "left_out": []}


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=5),
    batch_size=st.integers(1, 5),
    name=st.sampled_from(["bert", "llama"]),
)  # fmt: skip
def test_any_texts_in_any_batches(texts, batch_size, name):
    lens = LENSES[name]()
    texts = [" ".join(words) for words in texts]
    assert_same(attention_by_class(lens, texts, batch_size=batch_size), oracle(lens.traces(texts)), 1e-5)


def test_the_weights_of_a_query_sum_to_one_over_the_classes():
    table = attention_by_class(al.load("sentiment"), TEXTS)
    sums = table.groupby(["layer", "head", "query"])[["weight", "chance"]].sum()
    torch.testing.assert_close(
        torch.tensor(sums.to_numpy()), torch.ones(len(sums), 2).double(), rtol=0, atol=1e-5
    )
    assert list(table["query"].unique()) == ["class", "separator", "punctuation", "word"]


def test_the_classes_of_tokens():
    trace = al.load("sentiment").trace("an unfunny film .")
    assert token_classes(trace.tokens) == [
        "class" if at == 0 else "separator" if token.special else "punctuation" if token.text == "."
        else "subword" if token.text.startswith("##") else "word" for at, token in enumerate(trace.tokens)
    ]  # fmt: skip
    assert "subword" in token_classes(trace.tokens)
    two = (Token("a", word=0, segment=0), Token("b", word=0, segment=1))
    assert token_classes(two) == ["word", "word"]
    grid = al.data.PatchGrid(1, 2, ("[CLS]", "register 1"))
    assert token_classes(grid.tokens, grid) == ["class", "register", "patch", "patch"]


def test_classes_of_ones_own():
    found = attention_by_class(al.load("sentiment"), TEXTS, classes=lambda tokens: [t.text for t in tokens])
    traces = list(al.load("sentiment").traces(TEXTS))
    assert_same(found, oracle(traces, lambda trace, side: [t.text for t in trace.tokens]), 1e-5)
    with pytest.raises(InputError, match=r"classes= returned 1 classes for 4 tokens"):
        attention_by_class(al.load("sentiment"), ["see it"], classes=lambda tokens: ["word"])


def test_masked_rows_sinks_and_unknown_tokens():
    sink = torch.tensor([0.5, 2.0])
    factors = Factors(torch.randn(2, 5, 8), torch.randn(1, 5, 8), 0.4, mask=Band(None, -1), sink=sink)
    (row,) = {tuple(r) for r in attention_by_class(trace_of(factors))[["query", "key", "queries"]].to_numpy()}
    assert row == ("token", "token", 4)  # the first query sees no key
    table = attention_by_class(trace_of(factors))
    expected = factors[:].double().sum(-1)[:, 1:].mean(-1)
    torch.testing.assert_close(torch.tensor(table["weight"].to_numpy()), expected, rtol=0, atol=1e-6)
    assert (table["chance"] == 1).all()


def test_layers_without_tokens_are_named():
    found = attention_by_class(LENSES["swin"](), inputs_of(LENSES["swin"]()))
    assert found.empty
    assert len(found.attrs["left_out"]) == 4
    square = weights(1)[0]
    trace = Trace((Layer("mix", "channel", square, "other", "other"), *trace_of(square).layers))
    found = attention_by_class(trace)
    assert found.attrs["left_out"] == ["mix"]
    assert set(found["layer"]) == {1}


def test_what_is_refused():
    lens = LENSES["bert"]()
    with pytest.raises(InputError, match="a lens needs inputs: attention_by_class"):
        attention_by_class(lens)
    with pytest.raises(InputError, match="received no input"):
        attention_by_class(lens, [])
    with pytest.raises(InputError, match="takes traces, but input 0 is str"):
        attention_by_class(["a film"])


def test_a_class_that_one_input_lacks():
    lens = al.load("sentiment")
    tables = [attention_by_class(lens, texts) for texts in (["see it", "see it ."], ["see it ."])]
    both, alone = (
        frame[(frame["query"] == "word") & (frame["key"] == "punctuation")]["weight"].mean()
        for frame in tables
    )
    assert math.isclose(both, alone / 2, rel_tol=1e-4)
