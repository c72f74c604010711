"""An audit beside the same numbers computed by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import attnlens as al
from attnlens import corpus
from attnlens.analysis import COLUMNS
from attnlens.analysis._moments import RunningMoments, mean_interval
from attnlens.corpus import _audit, _slices, _words
from attnlens.corpus import _intervals as intervals
from attnlens.corpus._duplicates import near_duplicates, text_pairs
from attnlens.errors import InputError

from .. import tiny
from . import planted

TEXTS = (
    "a gripping , funny film with one dull stretch .", "not good", "see it", "the film is long , long , too long !",
    "no film is so dull", "a charming and often affecting journey .", "bad", "dull , dull , dull", "but is it good ?",
    "what a mess", "funny and fun", "never a dull moment", "a bad film with 1 good scene", "good", "flat .", "bad film",
    "lovely", "a good film , and a good cast", "it is not bad", "good , good , good",
)  # fmt: skip
LABELS = [1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    data = pd.DataFrame({"sentence": TEXTS, "label": LABELS, "source": ["a", "b"] * 10})
    options = {"text": "sentence", "slices": ["source"], "progress": False, "part_rows": 8}
    return al.audit(al.load("sentiment"), data, tmp_path_factory.mktemp("audit"), **options)


def test_accuracy_confusion_and_errors(audited):
    predicted = [one.index for one in audited.lens.predict(list(TEXTS))]
    correct = np.array(predicted) == LABELS
    share, low, high = audited.accuracy
    assert len(audited) == 20
    assert share == correct.mean()
    assert low < share < high
    for label in (0, 1):
        for index in (0, 1):
            count = sum(one == (label, index) for one in zip(LABELS, predicted))
            assert audited.confusion.iloc[label, index] == count
    assert audited.confusion.index.tolist() == ["negative", "positive"]
    assert sorted(audited.errors["key"]) == np.flatnonzero(~correct).tolist()
    assert audited.errors["probability"].is_monotonic_decreasing
    assert audited.errors["input"].tolist() == [TEXTS[key] for key in audited.errors["key"]]


def test_calibration(audited):
    table = audited.calibration
    confidence, correct = audited.to_pandas()["probability"], audited.to_pandas()["correct"].astype(float)
    assert table["inputs"].sum() == 20
    expected = 0.0
    for row in table.itertuples():
        here = (confidence >= row.low) & (confidence < row.high)
        assert row.accuracy == pytest.approx(correct[here].mean())
        assert row.confidence == pytest.approx(confidence[here].mean())
        expected += here.mean() * abs(confidence[here].mean() - correct[here].mean())
    assert table.attrs["ece"] == pytest.approx(expected)


def test_words(audited, monkeypatch):
    monkeypatch.setattr(_words, "LEAST_INPUTS", 2)
    counts = _words.WordCounts(audited.rows)
    table = _words.word_table(audited.rows, counts, np.bincount(audited.rows.index) / 20, audited.classes)
    attributions = audited.lens.attribute(list(TEXTS), tolerance=0.05, level="word")
    row = table[table["word"] == "dull"].iloc[0]
    held = [
        (one, label == one.prediction.index) for one, label in zip(attributions, LABELS)
        if "dull" in [token.text for token in one.tokens]
    ]  # fmt: skip
    same = [(one, right) for one, right in held if one.prediction.label == row["prediction"]]
    scores = [
        float(sum(s for s, token in zip(one.scores, one.tokens) if token.text == "dull")) for one, _ in same
    ]
    assert row["inputs"] == len(same)
    assert row["share"] == pytest.approx(len(same) / len(held))
    assert row["total"] == pytest.approx(sum(scores), rel=0.1)
    assert row["hits"] == pytest.approx(np.mean([s for s, (_, right) in zip(scores, same) if right]), rel=0.1)
    assert not set(table["word"]) & {"[cls]", "[sep]", ",", "."}
    assert (table["p"] >= 0).all()


def test_words_are_those_of_a_loop_over_the_whole_table(audited, monkeypatch):
    monkeypatch.setattr(_words, "LEAST_INPUTS", 2)
    every, sums = audited.to_pandas(), {}
    for row in every.itertuples():
        words = {}
        for token, special, score in zip(row.tokens, row.special, row.scores):
            if not special and any(map(str.isalnum, token)):
                words[token.lower()] = words.get(token.lower(), 0.0) + float(score)
        for word, score in words.items():
            sums.setdefault((row.prediction, word), []).append((score, row.correct))
    table = corpus.Audit(audited.lens, audited.run).words
    assert set(zip(table["prediction"], table["word"])) == {
        pair for pair, hits in sums.items() if len(hits) > 1
    }
    holding = {word: sum(len(hits) for (_, other), hits in sums.items() if other == word) for _, word in sums}
    p = []
    for row in table.itertuples():
        scores, right = map(np.array, zip(*sums[row.prediction, row.word]))
        expected = len(scores), len(scores) / holding[row.word], scores.sum(), scores.mean()
        np.testing.assert_allclose((row.inputs, row.share, row.total, row.mean), expected)
        assert scores.min() - 1e-5 <= row.low <= row.high <= scores.max() + 1e-5
        for side, mean in ((right, row.hits), (~right, row.errors)):
            assert mean == pytest.approx(scores[side].mean()) if side.any() else np.isnan(mean)
        share = (every["prediction"] == row.prediction).mean()
        p.append(stats.binomtest(len(scores), holding[row.word], share, alternative="greater").pvalue)
    np.testing.assert_allclose(table["p"], stats.false_discovery_control(p))
    assert table["mean"].is_monotonic_decreasing


def test_intervals_of_words_are_those_of_the_bootstrap():
    draw, parts, values = np.random.default_rng(0), [], {"film": [], "dull": []}
    for _ in range(3):
        texts = [[word for word in values if draw.random() < 0.6] for _ in range(100)]
        scores = [[float(draw.lognormal(0, 1)) for _ in words] for words in texts]
        for words, some in zip(texts, scores):
            for word, score in zip(words, some):
                values[word].append(score)
        parts.append(pa.table({
            "tokens": texts, "special": [[False] * len(words) for words in texts], "scores": scores,
            "index": [1] * 100, "correct": [True] * 100,
        }))  # fmt: skip
    rows = SimpleNamespace(tables=lambda columns: iter(parts))
    table = _words.word_table(rows, _words.WordCounts(rows), np.array([0.0, 1.0]), ["bad", "good"])
    for row in table.set_index("word").itertuples():
        scores = np.array(values[row.Index])
        again = draw.choice(scores, (4000, len(scores))).mean(1)
        np.testing.assert_allclose(
            (row.low, row.high), np.quantile(again, (0.025, 0.975)), atol=0.15 * 4 * again.std()
        )
        assert row.low < row.mean < row.high


def test_slices(audited):
    table = audited.by_slice.set_index("slice")
    correct = audited.to_pandas()["correct"].astype(bool).to_numpy()
    negated = np.array([any(word in text.split() for word in ("not", "no", "never")) for text in TEXTS])
    row = table.loc["negation"]
    assert row["inputs"] == negated.sum()
    assert row["accuracy"] == correct[negated].mean()
    assert row["rest"] == correct[~negated].mean()
    assert table.loc["source = a", "inputs"] == 10
    assert table["difference"].is_monotonic_increasing
    assert ((table["p"] >= 0) & (table["p"] <= 1)).all()


def test_unknown_words_and_own_slices(audited, tmp_path):
    chosen = _slices.slices_of({"long": lambda text: len(text) > 20}, audited.rows, audited.lens)
    assert _slices.members(chosen, audited.rows, audited.inputs)["long"].tolist() == [
        len(text) > 20 for text in TEXTS
    ]
    assert not chosen["unknown words"]("a film")
    assert chosen["unknown words"]("a film 🎬🎬")
    data = pd.DataFrame({"text": ["see it"] * 60, "label": 1, "kind": [str(n) for n in range(60)]})
    many = al.audit(audited.lens, data, slices="kind", head_stats=False, progress=False, part_rows=20)
    with pytest.raises(InputError, match="'kind' has more than 50 values, which are too many"):
        _ = many.by_slice


def test_heads(audited):
    table = audited.heads
    assert len(table) <= 6 * 12 * len(COLUMNS)
    assert table["effect"].abs().is_monotonic_decreasing
    row = table.iloc[0]
    numbers = np.array([
        al.head_stats(trace).query("layer == @row.layer and head == @row['head']")[row["statistic"]].iloc[0]
        for trace in audited.lens.traces(TEXTS)
    ])  # fmt: skip
    correct = audited.to_pandas()["correct"].astype(bool).to_numpy()
    assert row["hits"] == pytest.approx(np.nanmean(numbers[correct]), rel=1e-3)
    assert row["errors"] == pytest.approx(np.nanmean(numbers[~correct]), rel=1e-3)


def test_the_tests_are_those_of_scipy():
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, (30, 4)), generator.normal(0.5, 2, (12, 4))
    first[:3, 1] = np.nan
    first[:, 3] = 1.0
    second[:, 3] = 1.0
    sides = [RunningMoments(4), RunningMoments(4)]
    for moments, side in zip(sides, (first, second)):
        moments.add_all(side[:7])
        moments.add_all(side[7:])
    a, b, effect, p = intervals.welch(*sides)
    for column in range(3):
        x, y = first[:, column], second[:, column]
        x = x[~np.isnan(x)]
        assert p[column] == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue)
        pooled = np.sqrt(((len(x) - 1) * x.var(ddof=1) + 11 * y.var(ddof=1)) / (len(x) + 10))
        assert effect[column] == pytest.approx((y.mean() - x.mean()) / pooled)
        assert (a[column], b[column]) == (pytest.approx(x.mean()), pytest.approx(y.mean()))
    assert np.isnan(p[3])
    np.testing.assert_allclose(intervals.corrected([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.04, 0.04])
    assert intervals.share_interval(0, 0) == (0.0, 1.0)
    low, high = intervals.resampled_means(first[:, 0])
    assert low < first[:, 0].mean() < high


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_shortcut_comes_first(seed):
    torch.set_num_threads(1)
    assert planted.rank(seed) == 1


def test_words_are_removed_and_inserted():
    generator = np.random.default_rng(0)
    assert _words._without("It 's not Bad , bad !", "bad") == "It 's not , !"
    assert _words._without("ca n't say", "n't") == "ca say"
    assert _words._without("badly", "bad") == "badly"
    assert _words._without("bad .", "bad") is None
    assert _words._without("bad", None) is None
    for _ in range(20):
        text = _words._inserted("a fine film .", "bad", generator)
        assert text.replace("bad ", "") == "a fine film ."
    counts = SimpleNamespace(words={"a": 0, "b": 1, "c": 2}, present=np.array([10, 11, 900]))
    assert _words._like("a", {"a"}, counts, generator) is None
    assert _words._like("a", {"a", "b", "c"}, counts, generator) == "b"


def test_what_is_refused(tmp_path):
    lens = al.load("sentiment")
    data = pd.DataFrame({"text": ["a film", "see it"], "label": [None, None]})
    with pytest.raises(InputError, match="none of the 2 inputs has a label"):
        corpus.audit(lens, data, tmp_path / "a", progress=False)
    with pytest.raises(InputError, match="takes a classifier of texts or of pictures"):
        corpus.audit(al.Lens(tiny.gpt2(), tiny.byte_level()), data)
    with pytest.raises(InputError, match="takes one text per input"):
        corpus.audit(lens, data, pair="label")
    without = corpus.audit(lens, data.assign(label=[0, 1]), head_stats=False, progress=False)
    with pytest.raises(InputError, match="no statistics of heads"):
        _ = without.heads
    right = corpus.audit(lens, data.assign(label=[1, 1]), tmp_path / "b", progress=False)
    with pytest.raises(InputError, match="all of these are of one kind"):
        _ = right.heads


def test_label_noise(audited):
    """Beside confident learning as the paper defines it, an input at a time."""
    logits = np.stack(audited.run.to_pandas(["logits"])["logits"].to_numpy()).astype(float)
    chances = torch.softmax(torch.from_numpy(logits), 1).numpy()
    labels = np.array(LABELS)
    thresholds = [chances[labels == index, index].mean() for index in (0, 1)]
    noisy = []
    for number, row in enumerate(chances):
        confident = [index for index in (0, 1) if row[index] >= thresholds[index]]
        if confident and max(confident, key=lambda index: row[index]) != labels[number]:
            noisy.append(number)
    assert sorted(audited.label_noise["key"]) == noisy
    assert noisy
    assert audited.label_noise["margin"].is_monotonic_increasing


def pairs_of(texts):
    of = lambda places: [texts[at] for at in places.tolist()]  # noqa: E731
    return near_duplicates(text_pairs([texts[:5], texts[5:]], of), 1000)


WORDS = st.lists(st.sampled_from("a b c d".split()), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=12))
def test_near_duplicates_are_those_of_all_pairs(texts):
    shingles = [set(zip(words, words[1:], words[2:])) or {tuple(words)} for words in map(str.split, texts)]
    alike = {
        (a, b): len(shingles[a] & shingles[b]) / len(shingles[a] | shingles[b])
        for a, b in itertools.combinations(range(len(texts)), 2)
    }
    found = {(row.a, row.b): row.similarity for row in pairs_of(texts).itertuples()}
    assert all(found[pair] == pytest.approx(share) for pair, share in alike.items() if share >= 0.9)
    assert all(alike[pair] == pytest.approx(share) and share >= 0.8 for pair, share in found.items())


def test_duplicates_and_contradictions(tmp_path):
    texts = ["a gripping and funny film", "A gripping, and funny film!", "see it", "flat"]
    data = pd.DataFrame({"text": texts, "label": [1, 0, 1, 0]})
    (row,) = al.audit(al.load("sentiment"), data, head_stats=False, progress=False).duplicates.itertuples()
    assert (row.key_a, row.key_b, row.similarity, row.same_label) == (0, 1, 1.0, False)
    many = pairs_of(["the very same text"] * 200)
    assert len(many) == 199


def test_faithfulness_of_methods(audited):
    methods = ("integrated_gradients", "gradient")
    table = audited.faithfulness(methods, count=3).set_index("method")
    chosen = [TEXTS[int(at)] for at in np.random.default_rng(0).permutation(len(TEXTS))[:3]]
    for method in methods:
        attributions = audited.lens.attribute(chosen, method=method, level="word")
        expected = al.faithfulness(audited.lens, attributions, n_random=5)
        assert table.loc[method, "deletion"] == pytest.approx(expected["deletion"].mean(), abs=1e-3)
        gain = expected["deletion_random"] - expected["deletion"]
        assert table.loc[method, "gain"] == pytest.approx(gain.mean(), abs=1e-3)
        assert table.loc[method, "gain_low"] <= table.loc[method, "gain"] <= table.loc[method, "gain_high"]


def test_two_audits(audited, tmp_path):
    data = pd.DataFrame({"sentence": TEXTS, "label": LABELS, "source": ["a", "b"] * 10})
    worse = al.load("sentiment")
    with torch.no_grad():
        worse.model.classifier.bias[1] += 4.0
    options = {"text": "sentence", "slices": ["source"], "progress": False, "head_stats": False}
    after = al.audit(worse, data, tmp_path / "after", **options)
    found = corpus.compare_audits(audited, after)
    before, now = (one.to_pandas()["correct"].to_numpy(bool) for one in (audited, after))
    change, low, high = found.difference
    assert change == pytest.approx(now.mean() - before.mean())
    assert low <= change <= high
    assert sorted(found.fixed["key"]) == np.flatnonzero(now & ~before).tolist()
    assert sorted(found.broken["key"]) == np.flatnonzero(before & ~now).tolist()
    assert len(found.broken)
    counts = len(found.fixed), len(found.broken)
    assert found.p == pytest.approx(stats.binomtest(counts[0], sum(counts)).pvalue)
    row = found.by_slice.set_index("slice").loc["source = a"]
    assert (row["before"], row["after"]) == (before[::2].mean(), now[::2].mean())
    assert f"{counts[0]} fixed, {counts[1]} broken" in repr(found)
    with pytest.raises(InputError, match="no input in common"):
        _ = corpus.compare_audits(
            audited, al.audit(worse, data.iloc[:2].assign(id=["x", "y"]), key="id", **options)
        )
    with pytest.raises(InputError, match="has another text, picture or label"):
        corpus.compare_audits(audited, al.audit(worse, data.iloc[::-1].reset_index(drop=True), **options))
    with pytest.raises(InputError, match="takes two audits, not str"):
        corpus.compare_audits(audited, "audit")


def test_rows_are_read_again_in_any_order(audited):
    """Across parts of eight, some with rows that cannot be used or have no label."""
    data = pd.DataFrame({"text": [*TEXTS[:10], "", *TEXTS[10:]], "label": [*LABELS[:3], None, *LABELS[3:]]})
    made = al.audit(audited.lens, data, head_stats=False, progress=False, part_rows=4)
    table = made.to_pandas()
    assert len(table) == len(made) == 19
    places = [18, 0, 7, 7, 3, 12]
    frame = made.rows.at(places, ["key", "input", "probability"])
    assert frame["key"].tolist() == table["key"][places].tolist()
    assert frame["input"].tolist() == table["input"][places].tolist()
    assert frame["part"].tolist() == [key // 4 for key in frame["key"]]
    assert made.rows.place(int(table["key"][7])) == 7
    assert made.rows.place(3) is None  # has no label
    assert made.rows.place("3") is None
    assert made.explain(int(table["key"][7])).text == (table["input"][7],)
    assert len(made.rows.at([], ["key"])) == 0


def test_tables_of_inputs_are_bounded(audited, monkeypatch):
    assert audited.wrong == len(audited.errors) > 1
    assert audited.label_noise.attrs["inputs"] == len(audited.label_noise) > 1
    monkeypatch.setattr(_audit, "MOST", 1)
    again = corpus.Audit(audited.lens, audited.run)
    assert again.errors["key"].tolist() == audited.errors["key"][:1].tolist()
    assert again.wrong == audited.wrong
    assert again.label_noise.attrs["inputs"] == len(audited.label_noise)
    assert len(again.label_noise) == 1


def test_the_interval_of_many_values_is_that_of_the_bootstrap(monkeypatch):
    values = np.random.default_rng(0).exponential(size=21_000)
    fast = intervals.resampled_means(values)
    monkeypatch.setattr(intervals, "MOST_DRAWN", len(values))
    slow = intervals.resampled_means(values)
    np.testing.assert_allclose(fast, slow, atol=0.1 * (slow[1] - slow[0]))
    low, high = mean_interval(np.array([7.0]), values[:7].mean(), values[:7].var(ddof=1))
    assert (low[0], high[0]) == pytest.approx(
        stats.t.interval(0.95, 6, loc=values[:7].mean(), scale=stats.sem(values[:7]))
    )
