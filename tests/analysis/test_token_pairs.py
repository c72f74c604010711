"""Pairs of tokens that heads connect, beside counts over whole traces."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

import attnlens as al
from attnlens.analysis import _token_pairs, token_pairs
from attnlens.data import Factors, Layer, Token, Trace
from attnlens.errors import InputError

from .test_many import LENSES, TEXTS, WORDS, pictures


def oracle(traces):
    """(layer, head, query, key) -> [count, chance], a query at a time."""
    found = defaultdict(lambda: [0, 0.0])
    for trace in traces:
        for number, layer in enumerate(trace.layers):
            queries, keys = (
                trace.output_tokens if side == "output" else trace.tokens
                for side in (layer.query_side, layer.key_side)
            )
            counted = [at > 0 and not token.special for at, token in enumerate(keys)]
            weights = layer.attention[:].double()
            shown = (weights > 0).any(0)
            for head, matrix in enumerate(weights):
                for i, row in enumerate(matrix.tolist()):
                    if int(shown[i].sum()) < 2:
                        continue
                    most = max(range(len(row)), key=lambda j: row[j])
                    if counted[most]:
                        found[number, head, queries[i].text, keys[most].text][0] += 1
                    for j in range(len(row)):
                        if shown[i, j] and counted[j]:
                            found[number, head, queries[i].text, keys[j].text][1] += 1 / int(shown[i].sum())
    return found


def assert_same(found, expected, count):
    tests = sum(chance > 0 for _, chance in expected.values())
    for (layer, head), table in found.groupby(["layer", "head"]):
        mine = {where[2:]: both for where, both in expected.items() if where[:2] == (layer, head)}
        above = sorted((n - chance for n, chance in mine.values() if n > 1 and n > chance), reverse=True)
        assert (table["count"] - table["chance"]).tolist() == pytest.approx(above[:count], abs=1e-5)
        assert table["rank"].tolist() == list(range(1, len(table) + 1))
        for row in table.itertuples():
            assert [row.count, row.chance] == pytest.approx(mine[row.query, row.key], abs=1e-5)
            assert row.p == pytest.approx(min(1.0, tests * poisson.sf(row.count - 1, row.chance)), rel=1e-4)


@pytest.mark.parametrize("name", ["sentiment", "bert eager", "llama", "gpt2", "t5"])
def test_many_inputs_of_a_lens(name):
    lens = LENSES[name]()
    texts = [*TEXTS, *TEXTS[:2], "the film is a film and the film is not good"]
    expected = oracle(lens.traces(texts))
    for found in (token_pairs(lens, texts, count=4), token_pairs(lens.traces(texts), count=4)):
        assert len(found)
        assert_same(found, expected, 4)
        assert found.attrs == {"inputs": len(texts), "left_out": []}


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=6),
    batch_size=st.integers(1, 5),
)
def test_any_texts_in_any_batches(texts, batch_size):
    lens = al.load("sentiment")
    texts = [" ".join(words) for words in texts]
    assert_same(token_pairs(lens, texts, batch_size=batch_size), oracle(lens.traces(texts)), 10)


def planted(pairs):
    """A trace whose only head connects tokens as told, by (query, key)."""
    tokens = tuple(Token(text, n) for n, text in enumerate(["[CLS]", "not", "so", "good", "not", "good"]))
    scores = torch.zeros(1, 6, 6)
    for query, key in pairs:
        scores[0, query, key] = 20.0
    factors = Factors(scores, torch.eye(6)[None], 1.0)
    return Trace((Layer("head", "self", factors, "input", "input"),), tokens=tokens)


def test_a_planted_connection():
    traces = [planted([(1, 3), (4, 5), (0, 2), (2, 0), (3, 0), (5, 0)])] * 3
    table = token_pairs(traces)
    assert table[["rank", "query", "key", "count"]].values.tolist() == [
        [1, "not", "good", 6], [2, "[CLS]", "so", 3],
    ]  # fmt: skip
    assert table.chance.tolist() == pytest.approx([3 * 2 * 2 / 6, 3 / 6])


def test_tokens_beyond_the_first_and_links_that_are_counted_together(monkeypatch):
    texts = [f"{a} {b}" for a in WORDS for b in WORDS] * 2
    lens = al.load("sentiment")
    whole = token_pairs(lens, texts)
    monkeypatch.setattr(_token_pairs, "CODES", 50)
    assert token_pairs(lens, texts).equals(whole)
    monkeypatch.setattr(_token_pairs, "MOST_TOKENS", 3)
    assert set(token_pairs(lens, texts)["query"]) <= {"[CLS]", "[SEP]", "a"}


def test_what_has_no_pairs():
    found = token_pairs(LENSES["minivit"](), pictures(2))
    assert found.empty
    assert found.attrs["left_out"]
    with pytest.raises(InputError, match="received no input"):
        token_pairs(al.load("sentiment"), [])
    with pytest.raises(InputError, match="count"):
        token_pairs(al.load("sentiment"), TEXTS, count=0)
