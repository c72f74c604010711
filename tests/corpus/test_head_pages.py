"""What heads do on a data set, beside the traces of its inputs one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens import corpus
from attnlens.analysis import COLUMNS, find_heads, head_distance, top_weights
from attnlens.circuits import head_effects
from attnlens.corpus._head_labels import PATTERNS, randomised_means
from attnlens.errors import FileError, InputError

from .. import tiny
from ..analysis.test_many import LENSES, TEXTS, pictures

ROWS = [
    {"text": f"{a} film , {b} and {c} .", "label": (n + m + k) % 2}
    for n, a in enumerate(["a", "the", "no", "this funny"])
    for m, b in enumerate(["good", "not bad", "dull", "long , too long"])
    for k, c in enumerate(["short", "so funny", "see it", "a gripping one , the best of all"])
]


def pages_of(lens, rows=ROWS, **options):
    return al.corpus.head_pages(lens, rows, input="text", progress=False, **options)


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.bert(), tiny.wordpiece())


@pytest.fixture(scope="module")
def pages(lens):
    return pages_of(lens, label="label", part_rows=16, sample=40, effects=12)


@pytest.fixture(scope="module")
def each(lens):
    """Of each input the statistics, `[input, head, column]`, and the largest weights, `[input, head]`."""
    texts = [row["text"] for row in ROWS]
    stats = np.stack([al.head_stats(lens.trace(text))[[*COLUMNS]].to_numpy() for text in texts])
    best = top_weights(lens.traces(texts), count=len(texts)).pivot(
        index="input", columns=["layer", "head"], values="weight"
    )
    return np.concatenate([stats, best.to_numpy()[:, :, None]], -1)


def test_statistics_with_intervals(pages, each):
    stats = pages.stats
    assert stats[["layer", "head"]].values.tolist() == pages.heads.values.tolist()
    for at, name in enumerate([*COLUMNS, "weight"]):
        known = (~np.isnan(each[:, :, at])).sum(0)
        assert stats[f"{name}_inputs"].tolist() == known.tolist()
        for head in np.flatnonzero(known > 1):
            values = each[~np.isnan(each[:, head, at]), head, at]
            assert stats[name][head] == pytest.approx(values.mean(), abs=1e-5)
            assert stats[f"{name}_std"][head] == pytest.approx(values.std(ddof=1), abs=1e-5)
            reach = stats[f"{name}_high"][head] - stats[name][head]
            expected = 2.0 * values.std(ddof=1) / len(values) ** 0.5  # Student's t of 64 inputs is 2.00
            assert reach == pytest.approx(expected, rel=0.02, abs=1e-5) or len(values) < 30


@pytest.mark.parametrize("by", ["weight", "entropy", "punctuation"])
def test_examples_are_those_of_brute_force(pages, each, by):
    at = [*COLUMNS, "weight"].index(by)
    for number, (layer, head) in enumerate(pages.heads.values.tolist()):
        table = pages.examples(layer, head, by=by)
        scores = each[:, number, at]
        order = np.argsort(-scores, kind="stable")
        top = table[table.decile == "top"]
        np.testing.assert_allclose(top.score, scores[order[:10]], atol=1e-5)
        np.testing.assert_allclose(scores[top.key.to_numpy()], top.score, atol=1e-5)
        edges = np.quantile(scores, [n / 10 for n in range(1, 10)], method="inverted_cdf")
        for decile in range(1, 11):
            drawn = table[table.decile == str(decile)]
            low = -np.inf if decile == 1 else edges[decile - 2]
            high = np.inf if decile == 10 else edges[decile - 1]
            assert ((drawn.score >= low - 1e-5) & (drawn.score <= high + 1e-5)).all()
            inside = ((scores > low + 1e-4) & (scores < high - 1e-4)).sum()
            assert min(3, inside) <= len(drawn) <= 3
        assert [ROWS[key]["text"] for key in table.key] == table.input.tolist()


def test_the_place_of_the_largest_weight(pages, lens):
    for row in pages.examples(1, 2).itertuples():
        trace = lens.trace(row.input)
        assert float(trace[1, 2][row.query, row.attended]) == pytest.approx(row.score, abs=1e-5)


def test_tables_of_the_sample_are_those_of_its_inputs(pages, lens):
    texts = [row.input for row in pages.sampled]
    assert len(texts) == 40
    keys = [row.key for row in pages.sampled]
    assert len(set(keys)) == 40
    assert keys != sorted(keys)
    assert (
        max(keys[:12]) > 32 > min(keys[:12])
    )  # inputs without heads are of all the data, not of their beginning
    pd.testing.assert_frame_equal(pages.distance, head_distance(lens, texts), atol=1e-5)
    effects = head_effects(lens, texts[:12], [row.label for row in pages.sampled[:12]])
    pd.testing.assert_frame_equal(pages.ablations, effects.drop(columns="heads"), atol=1e-6)
    assert set(pages.pairs["query"]) <= {token.text for text in texts for token in lens.trace(text).tokens}
    assert pages.classes.attrs["inputs"] == pages.offsets.attrs["inputs"] == 40


def test_pairs_of_heads_that_stand_in_for_each_other(pages, lens):
    table = pages.pair_ablations
    assert table[["layer", "head"]].values.tolist() == pages.heads.values.tolist()
    row = table.iloc[3]
    near = pages.distance.loc[(row.layer, row["head"])].drop((row.layer, row["head"])).idxmin()
    assert (row.layer_b, row.head_b) == near
    texts, labels = zip(*((one.input, one.label) for one in pages.sampled[:12]))
    both = head_effects(lens, texts, labels, groups=[[(int(row.layer), int(row["head"])), near]])
    assert row.divergence == pytest.approx(float(both.divergence[0]), abs=1e-7)
    alone = pages.ablations.set_index(["layer", "head"]).divergence
    expected = row.divergence - alone[(int(row.layer), int(row["head"]))] - alone[near]
    assert row.excess == pytest.approx(expected, abs=1e-9)


def test_a_head_that_follows_a_pattern_is_labelled():
    trained = al.load("sentiment")
    pages = pages_of(trained, ROWS, sample=30, effects=0)
    labels = pages.labels.set_index(["layer", "head"])
    best = find_heads(trained.trace(TEXTS[0]), "previous").iloc[0]
    found = labels.loc[(best.layer, best["head"])]
    assert found.pattern == "previous"
    assert found.limit < found.low <= found.score <= found.high
    assert "first" not in labels["also"].str.split(", ").explode().tolist()  # it is the class token
    assert labels.attrs["randomised"] <= 0.05


def test_under_one_in_twenty_heads_of_a_randomised_model_is_labelled():
    model = al.load("sentiment").model
    torch.manual_seed(7)
    for module in model.modules():
        if callable(getattr(module, "reset_parameters", None)):
            module.reset_parameters()
    labels = pages_of(
        al.Lens(model, al.load("sentiment").tokenizer), ROWS, sample=30, effects=0, seed=100
    ).labels
    assert (labels.pattern != "").mean() < 0.05


def test_randomised_models_leave_the_parameters_as_they_were(lens):
    before = {name: tensor.clone() for name, tensor in lens.model.state_dict().items()}
    limiting, held_out = randomised_means(lens, TEXTS, 8, seed=0)
    assert limiting.shape == (23, 8, len(PATTERNS))  # of 8 heads so many that one in 180 is the largest
    assert held_out.shape[0] == 5
    assert all(torch.equal(tensor, before[name]) for name, tensor in lens.model.state_dict().items())
    assert len(np.unique(limiting[:, 0, 0])) == 23


def test_classes_of_tokens_of_ones_own(lens):
    pages = pages_of(lens, ROWS[:6], sample=4, classes=lambda tokens: [token.text for token in tokens])
    assert "film" in set(pages.classes["key"])


def test_layers_that_attend_within_windows():
    pages = al.head_pages(LENSES["swin"](), pictures(5), sample=4, effects=2, progress=False)
    assert pages.by == "max_weight"
    assert pages.stats.weight.isna().all()
    assert pages.offsets.empty
    with pytest.raises(InputError):
        _ = pages.distance
    found = pages.examples(0, 0)
    assert "query" not in found
    assert found.score.iloc[0] == pages.examples(0, 0).score.max()


@pytest.mark.parametrize("name", ["gpt2", "minivit"])
def test_decoders_and_vision_models(name):
    if name == "gpt2":
        pages = pages_of(al.Lens(tiny.gpt2(), tiny.byte_level("<|end|>")), ROWS[:12], sample=8, effects=4)
        assert "accuracy" not in pages.ablations
        assert not pages.pairs.empty
    else:
        pictures = [torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(n)) for n in range(9)]
        pages = al.corpus.head_pages(al.load("minivit"), pictures, sample=8, effects=4, progress=False)
        assert pages.pairs.empty
        assert pages.examples(0, 0, by="previous").empty  # of pictures it is undefined
        assert {"row_offset", "col_offset"} <= set(pages.offsets)
    assert pages.table[["layer", "head"]].equals(pages.heads)
    assert {"pattern", "entropy", "weight", "flips"} <= set(pages.table)
    assert "HeadPages of" in repr(pages)


def test_a_model_without_predictions():
    pages = pages_of(al.Lens(tiny.bert("Model"), tiny.wordpiece()), ROWS[:6], sample=4)
    assert not pages.predicts
    assert "flips" not in pages.table
    with pytest.raises(InputError, match="returns no class logits"):
        _ = pages.ablations


def test_what_is_refused(pages, lens, tmp_path):
    with pytest.raises(InputError, match="by"):
        pages.examples(0, 0, by="beauty")
    with pytest.raises(InputError, match="head"):
        pages.examples(0, 99)
    with pytest.raises(InputError, match="by"):
        pages_of(lens, by="beauty")
    with pytest.raises(InputError, match="sample"):
        pages_of(lens, sample=0)
    with pytest.raises(InputError, match="no input could be used"):
        pages_of(lens, [{"text": ""}])
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"text": "{row["text"]}"}}\n' for row in ROWS[:4]))
    moved = pages_of(lens, path, out=tmp_path / "out", sample=3)
    path.write_text('{"text": "other"}\n')
    with pytest.raises(FileError, match="the data have changed"):
        _ = moved.sampled
    assert isinstance(moved, corpus.HeadPages)
