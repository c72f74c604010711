"""The inputs with the largest weights of each head, beside a search through the weights of every trace."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import top_weights
from attnlens.data import Trace, Weights
from attnlens.errors import InputError

from .made import trace_of
from .test_many import LENSES, WORDS, inputs_of

SORTED = ["layer", "head", "rank"]


def tokens_of(trace, side):
    if trace.patches is not None and side == "input":
        return trace.patches.tokens
    return trace.output_tokens if side == "output" else trace.tokens


def oracle(traces, count=10, special=False):
    rows = []
    for number, trace in enumerate(traces):
        for at, layer in enumerate(trace.layers):
            queries, keys = tokens_of(trace, layer.query_side), tokens_of(trace, layer.key_side)
            found = layer.attention[:]
            single = (found > 0).any(0).sum(-1) < 2
            hidden = torch.tensor([not special and (j == 0 or token.special) for j, token in enumerate(keys)])
            for head, matrix in enumerate(found):
                matrix = matrix.masked_fill(single[:, None] | hidden, 0.0)
                weight = float(matrix.max())
                i, j = divmod(int(matrix.argmax()), len(keys))
                if weight > 0:
                    rows.append((at, head, layer.name, number, weight, i, j, queries[i].text, keys[j].text))
    columns = ["layer", "head", "name", "input", "weight", "query", "key", "query_token", "key_token"]
    table = pd.DataFrame(rows, columns=columns).sort_values(
        ["layer", "head", "weight", "input"], ascending=[1, 1, 0, 1]
    )
    table.insert(3, "rank", table.groupby(["layer", "head"]).cumcount() + 1)
    return table[table["rank"] <= count].reset_index(drop=True)


def assert_same(found, expected, traces):
    """Equal weights; of nearly equal ones the rounding of another batch decides which is the largest."""
    close = {"rtol": 1e-4, "atol": 1e-5}
    pd.testing.assert_frame_equal(found[[*SORTED, "weight"]], expected[[*SORTED, "weight"]], **close)
    for row in found.itertuples():
        trace = traces[row.input]
        layer = trace.layers[row.layer]
        assert float(layer.attention[row.head, row.query, row.key]) == pytest.approx(
            row.weight, rel=1e-4, abs=1e-5
        )
        assert row.query_token == tokens_of(trace, layer.query_side)[row.query].text
        assert row.key_token == tokens_of(trace, layer.key_side)[row.key].text


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("name", ["sentiment", "bert", "bert eager", "gpt2", "llama", "t5", "vit", "minivit"])
def test_many_inputs_of_a_lens(name, special):
    lens = LENSES[name]()
    inputs = inputs_of(lens)
    traces = list(lens.traces(inputs))
    expected = oracle(traces, 3, special)
    assert_same(top_weights(lens, inputs, count=3, special=special), expected, traces)
    pd.testing.assert_frame_equal(
        top_weights(traces, count=3, special=special), expected, rtol=1e-6, atol=1e-6
    )


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=5),
    batch_size=st.integers(1, 5),
    count=st.integers(1, 4),
    name=st.sampled_from(["bert", "llama"]),
)  # fmt: skip
def test_any_texts_in_any_batches(texts, batch_size, count, name):
    lens = LENSES[name]()
    texts = [" ".join(words) for words in texts]
    found = top_weights(lens, texts, count=count, batch_size=batch_size)
    expected = oracle(lens.traces(texts), count)
    pd.testing.assert_frame_equal(
        found[[*SORTED, "weight"]], expected[[*SORTED, "weight"]], rtol=1e-4, atol=1e-5
    )


def test_of_equal_weights_the_first_counts():
    even = Weights(torch.full((1, 3, 3), 1 / 3))
    found = top_weights([trace_of(even)] * 4, count=2)
    assert found[["input", "query", "key"]].values.tolist() == [[0, 0, 1], [1, 0, 1]]
    assert found["query_token"].tolist() == ["", ""]


def test_what_has_no_pair():
    table = top_weights(al.load("sentiment"), ["a film", "see it"], count=5)
    assert table.groupby(["layer", "head"]).size().unique().tolist() == [2]  # no more than the inputs
    alone = top_weights(trace_of(Weights(torch.ones(2, 1, 1))))
    assert alone.empty
    swin = LENSES["swin"]()
    assert len(top_weights(swin, inputs_of(swin)).attrs["left_out"]) == 4


def test_what_is_refused():
    lens = LENSES["bert"]()
    with pytest.raises(InputError, match="a lens needs inputs: top_weights"):
        top_weights(lens)
    with pytest.raises(InputError, match="received no input"):
        top_weights(iter(()))
    with pytest.raises(InputError, match="count must be"):
        top_weights(lens, ["a film"], count=0)
    assert top_weights(Trace((), tokens=())).empty
