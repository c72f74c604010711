"""Attention by relative position, beside sums over the weights of whole traces."""

from __future__ import annotations

import math
from collections import defaultdict

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import attention_by_offset
from attnlens.data import Band, Factors
from attnlens.errors import InputError

from .made import trace_of
from .test_many import LENSES, TEXTS, WORDS, inputs_of, pictures

REACH = 3


def offsets_of(trace, layer):
    """The offset of each key from each query by (query, key), and all offsets that have a row."""
    grid = trace.patches if layer.query_side == "input" else None
    size = layer.attention.queries
    if grid is None:
        ends = {True: math.inf, False: -math.inf}
        apart = {
            (i, j): j - i if abs(j - i) <= REACH else ends[j > i] for i in range(size) for j in range(size)
        }
        return apart, [-math.inf, *range(-REACH, REACH + 1), math.inf]
    cell = {len(grid.leading) + n: divmod(n, grid.cols) for n in range(grid.rows * grid.cols)}
    apart = {(i, j): (cell[j][0] - cell[i][0], cell[j][1] - cell[i][1]) for i in cell for j in cell}
    return apart, [(r, c) for r in range(1 - grid.rows, grid.rows) for c in range(1 - grid.cols, grid.cols)]


def oracle(traces):
    """(layer, head, offset) -> [weight, chance, queries], a weight at a time."""
    sums, queries, known = defaultdict(lambda: [0.0, 0.0]), defaultdict(int), {}
    for trace in traces:
        for number, layer in enumerate(trace.layers):
            if layer.kind != "self":
                continue
            apart, known[number] = offsets_of(trace, layer)
            found = layer.attention[:].double()
            shown = (found > 0).any(0)
            for head, matrix in enumerate(found):
                for i, row in enumerate(matrix.tolist()):
                    if max(row) == 0 or not any((i, j) in apart for j in range(len(row))):
                        continue
                    queries[number, head] += 1
                    for j, weight in enumerate(row):
                        if (i, j) in apart:
                            of_pair = sums[number, head, apart[i, j]]
                            of_pair[0] += weight
                            of_pair[1] += float(shown[i, j]) / int(shown[i].sum())
    return {
        (number, head, offset): [total / count for total in sums[number, head, offset]] + [count]
        for (number, head), count in queries.items()
        for offset in known[number]
    }


def assert_same(found, expected):
    images = "row_offset" in found
    offsets = zip(found.row_offset, found.col_offset) if images else found.offset
    table = dict(
        zip(zip(found.layer, found["head"], offsets), found[["weight", "chance", "queries"]].to_numpy())
    )
    assert set(table) == set(expected)
    for where, values in expected.items():
        assert table[where] == pytest.approx(values, rel=0, abs=1e-5)


@pytest.mark.parametrize("name", ["sentiment", "bert eager", "llama", "gpt2", "t5", "vit", "minivit"])
def test_many_inputs_of_a_lens(name):
    lens = LENSES[name]()
    inputs = inputs_of(lens)
    expected = oracle(lens.traces(inputs))
    for found in (
        attention_by_offset(lens, inputs, reach=REACH),
        attention_by_offset(lens.traces(inputs), reach=REACH),
    ):
        assert_same(found, expected)
        assert found.attrs["inputs"] == len(inputs)
        assert bool(found.attrs["left_out"]) == (name == "t5")  # its cross attention


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=5),
    batch_size=st.integers(1, 5),
    name=st.sampled_from(["bert", "llama"]),
)  # fmt: skip
def test_any_texts_in_any_batches(texts, batch_size, name):
    lens = LENSES[name]()
    texts = [" ".join(words) for words in texts]
    assert_same(
        attention_by_offset(lens, texts, batch_size=batch_size, reach=REACH), oracle(lens.traces(texts))
    )


def test_a_row_of_weights_sums_to_one_and_blocks_do_not_matter(monkeypatch):
    whole = attention_by_offset(al.load("sentiment"), TEXTS)
    sums = whole.groupby(["layer", "head"])[["weight", "chance"]].sum()
    assert (sums - 1).abs().max(None) < 1e-5
    monkeypatch.setattr("attnlens.data._batch.BLOCK_ELEMENTS", 1)
    pd.testing.assert_frame_equal(
        attention_by_offset(al.load("sentiment"), TEXTS), whole, rtol=1e-5, atol=1e-6
    )


def test_a_head_that_attends_to_the_token_before():
    scores = torch.full((1, 6, 6), -40.0)
    scores[0, torch.arange(1, 6), torch.arange(5)] = 40.0
    factors = Factors(scores, torch.eye(6)[None], 1.0, mask=Band(None, 0))
    table = attention_by_offset(trace_of(factors)).set_index("offset")
    assert table.weight[-1] == pytest.approx(5 / 6)
    assert table.chance[-1] == pytest.approx(sum(1 / n for n in range(2, 7)) / 6)
    assert table.weight[math.inf] == 0


def test_what_is_refused():
    with pytest.raises(InputError, match="reach"):
        attention_by_offset(al.load("sentiment"), TEXTS, reach=0)
    with pytest.raises(InputError, match="received no input"):
        attention_by_offset(al.load("sentiment"), [])
    vit = LENSES["minivit"]()
    grids = [vit.trace(pictures(1)[0]), LENSES["vit"]().trace(pictures(1)[0])]
    if grids[0].patches.rows != grids[1].patches.rows:
        with pytest.raises(InputError, match="images of one grid"):
            attention_by_offset(grids)
    assert attention_by_offset(LENSES["swin"](), pictures(1)).empty
