"""Summaries that are merged: the same as of everything at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.corpus._summaries import ScoreSummary, TopRows, priorities

RANKS = [0.05, 0.25, 0.5, 0.75, 0.95]


def numbers(count, seed, missing=0.2):
    draw = np.random.default_rng(seed)
    values = draw.lognormal(0, 2, (count, 3, 2)).astype(np.float32).astype(float)
    values[draw.random(values.shape) < missing] = np.nan
    return values


def added(values, cuts):
    total = ScoreSummary(values.shape[1:])
    for start, stop in zip([0, *cuts], [*cuts, len(values)]):
        part = ScoreSummary(values.shape[1:])
        part.add_all(values[start:stop])
        total.merge(part)
    return total


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(2, 300),
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 300), max_size=5).map(sorted),
)
def test_a_merge_is_one_pass(count, seed, cuts):
    values = numbers(count, seed)
    values[:, 0, 0] = 1.0
    whole = added(values, [])
    parts = added(values, [cut for cut in cuts if cut <= count])
    for name in ("count", "mean", "std"):
        np.testing.assert_allclose(
            getattr(parts.moments, name), getattr(whole.moments, name), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_array_equal(parts.quantiles(RANKS), whole.quantiles(RANKS))  # exact for so few
    known = values[:, 0, 1][~np.isnan(values[:, 0, 1])]
    if len(known):
        expected = np.quantile(known, RANKS, method="inverted_cdf")
        np.testing.assert_allclose(whole.quantiles(RANKS)[:, 0, 1], expected, rtol=1e-6)


def test_quantiles_of_many_are_within_their_bound():
    values = numbers(60_000, 5)
    found = added(values, list(range(0, 60_000, 512)))
    assert 0 < found.rank_error < 0.01
    quantiles = found.quantiles(RANKS)
    for head in range(3):
        for score in range(2):
            known = np.sort(values[:, head, score][~np.isnan(values[:, head, score])])
            ranks = np.searchsorted(known, quantiles[:, head, score]) / len(known)
            np.testing.assert_allclose(ranks, RANKS, rtol=0, atol=2 * found.rank_error)


def test_the_interval_of_a_mean_covers_it():
    draw, hits = np.random.default_rng(1), 0
    for _ in range(300):
        summary = ScoreSummary((1,))
        summary.add_all(draw.normal(2.0, 3.0, (8, 1)))
        low, high = summary.moments.interval()
        hits += bool(low[0] <= 2.0 <= high[0])
    assert 272 <= hits <= 297  # 95% of 300, within four standard deviations


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, 2.5, 7.0, float("nan")])] * 2), min_size=1, max_size=40
    ),
    count=st.integers(1, 6),
    step=st.integers(1, 9),
)
def test_the_top_rows_are_those_of_a_sort(values, count, step):
    values = np.array(values)
    whole, merged = TopRows(count, 2), TopRows(count, 2)
    whole.add_all(np.arange(len(values)), values)
    for start in reversed(range(0, len(values), step)):  # in whatever order
        part = TopRows(count, 2)
        part.add_all(np.arange(start, min(start + step, len(values))), values[start : start + step])
        merged.merge(part)
    for column in range(2):
        known = [row for row in range(len(values)) if values[row, column] == values[row, column]]
        expected = sorted(known, key=lambda row: (-values[row, column], row))[:count]
        for found in (whole, merged):
            assert found.rows[found.rows[:, column] >= 0, column].tolist() == expected
            assert found.values[: len(expected), column].tolist() == values[expected, column].tolist()
            assert np.isnan(found.values[len(expected) :, column]).all()


def test_a_sample_by_priority_is_uniform_and_the_same_whatever_the_parts():
    rows = np.arange(5000)
    assert (priorities(rows, 3)[100:200] == priorities(rows[100:200], 3)).all()
    assert (priorities(rows, 3) != priorities(rows, 4)).all()
    drawn = np.concatenate([np.argsort(-priorities(rows, seed))[:50] for seed in range(40)])
    counts = np.histogram(drawn, 10, (0, 5000))[0]  # 200 each
    assert counts.sum() == pytest.approx(2000)
    assert np.abs(counts - 200).max() < 60
