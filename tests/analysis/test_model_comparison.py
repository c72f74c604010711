"""Two models over many inputs: the means of what `compare` returns for each, and intervals that hold what they say."""

from __future__ import annotations

import weakref
from copy import deepcopy
from functools import cache
from itertools import chain, islice

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import compare
from attnlens.analysis._distance import METRICS
from attnlens.data._attention import Weights
from attnlens.data._trace import Token
from attnlens.errors import InputError

from .. import tiny
from . import made
from .test_compare import head_apart

WORDS = ("a", "film", ",", ".", "not", "good", "love", "see", "unbelievably")
LAYER, HEAD = 3, 5
"""The head whose query weights differ in the lens "one head changed"."""


@cache
def lens(name):
    if name == "one head changed":
        model = deepcopy(al.load("sentiment").model)
        rows = model.base_model.transformer.layer[LAYER].attention.q_lin.weight.unflatten(0, (12, -1))
        torch.manual_seed(0)
        with torch.no_grad():
            rows[HEAD] += 0.1 * torch.randn_like(rows[HEAD])
        return al.Lens(model, al.load("sentiment").processor)
    if name == "moved":
        model = tiny.bert()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        return al.Lens(model, tiny.wordpiece())
    lenses = {
        "sentiment": lambda: al.load("sentiment"),
        "bert": lambda: al.Lens(tiny.bert(), tiny.wordpiece()),
        "roberta": lambda: al.Lens(tiny.roberta_model(), tiny.roberta()),
        "minivit": lambda: al.load("minivit"),
        "untrained minivit": lambda: al.Lens(
            al.models.MiniViT().eval(), al.load("minivit").processor, patches=(8, 8)
        ),
    }
    return lenses[name]()


def traces_of(name, inputs, batch_size=1):
    return list(lens(name).traces(inputs, batch_size=batch_size))


def interval(values):
    """(mean, low, high) of some numbers, those that are known, by scipy."""
    values = np.asarray(values)[~np.isnan(values)]
    if len(values) < 2:
        return (values[0] if len(values) else np.nan), np.nan, np.nan
    bounds = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    if values.std() == 0:
        bounds = values[0], values[0]
    return values.mean(), *bounds


def check_heads(comparison, tables, tolerance):
    """Every row of the table against the tables of single inputs."""
    assert len(comparison.heads) == len(tables[0])
    assert comparison.inputs == len(tables)
    for number, row in enumerate(comparison.heads.itertuples()):
        mine = [table.iloc[number] for table in tables]
        names = ("layer", "head", "layer_b", "head_b")
        assert [getattr(row, name) for name in names] == [mine[0][name] for name in names]
        for name in ("distance", "entropy_change"):
            mean, low, high = interval([one[name] for one in mine])
            low = max(low, 0) if name == "distance" else low
            found = [getattr(row, name + end) for end in ("", "_low", "_high")]
            assert found == pytest.approx([mean, low, high], abs=tolerance, nan_ok=True)
        for name in ("entropy_a", "entropy_b"):
            expected = interval([one[name] for one in mine])[0]
            assert getattr(row, name) == pytest.approx(expected, abs=tolerance, nan_ok=True)
        assert row.inputs == sum(one["distance"] == one["distance"] for one in mine)


# -- means and intervals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=8, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=7),
    batch_size=st.integers(1, 5),
    after=st.sampled_from(["moved", "roberta"]),
)
def test_the_table_is_the_mean_of_single_comparisons(metric, texts, batch_size, after):
    """Two checkpoints, and two models of equal shape whose tokens are others."""
    texts = [" ".join(words) for words in texts]
    a, b = traces_of("bert", texts), traces_of(after, texts)
    tables = [compare(one, other, metric=metric).heads for one, other in zip(a, b)]
    comparison = compare(a, b, metric=metric)
    assert (comparison.matched, comparison.metric) == ("same", metric)
    check_heads(comparison, tables, 1e-9)
    check_heads(
        compare(lens("bert"), lens(after), iter(texts), metric=metric, batch_size=batch_size), tables, 2e-4
    )


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_head_is_one_for_all_inputs(metric):
    """Chosen by the mean distances, which differ from input to input."""
    a, b = traces_of("bert", tiny.SENTENCES), [one[1:] for one in traces_of("moved", tiny.SENTENCES)]
    comparison = compare(iter(a), iter(b), metric=metric)
    assert comparison.matched == "nearest"
    distances = np.full((len(a), 8, 4), np.nan)
    entropies = np.full((len(a), 8, 4, 2), np.nan)
    for number, (one, other) in enumerate(zip(a, b)):
        pairs = compare(one, other, metric=metric).alignment
        for i in range(8):
            for j in range(4):
                heads = one[i // 4][i % 4].double(), other[0][j].double()
                distances[number, i, j], *entropies[number, i, j] = head_apart(*heads, pairs, metric)
    nearest = distances.mean(0).argmin(1)
    assert comparison.heads["head_b"].tolist() == nearest.tolist()
    assert len({tuple(one.argmin(1)) for one in distances}) > 1
    assert len(set(nearest)) > 1
    assert (comparison.heads["layer_b"] == 0).all()
    for i, row in enumerate(comparison.heads.itertuples()):
        picked, (before, after) = distances[:, i, nearest[i]], entropies[:, i, nearest[i]].T
        expected = [*interval(picked), *interval(after - before)]
        found = [
            row.distance, row.distance_low, row.distance_high,
            row.entropy_change, row.entropy_change_low, row.entropy_change_high,
        ]  # fmt: skip
        assert found == pytest.approx(expected, abs=2e-5)
        assert [row.entropy_a, row.entropy_b] == pytest.approx([before.mean(), after.mean()], abs=2e-5)
    assert "comparison.stats" not in repr(comparison)
    with pytest.raises(InputError, match=r"heads are paired one to one, .* make a table of each: head_stats"):
        _ = comparison.stats


def test_images():
    generator = torch.Generator().manual_seed(3)
    pictures = [torch.rand(3, 32, 32, generator=generator) for _ in range(4)]
    a, b = traces_of("minivit", pictures), traces_of("untrained minivit", pictures)
    tables = [compare(one, other).heads for one, other in zip(a, b)]
    check_heads(compare(lens("minivit"), lens("untrained minivit"), pictures), tables, 1e-4)


def random_traces(inputs, heads):
    """Traces of one layer whose heads are independent draws of one population."""
    for _ in range(inputs):
        yield made.trace_of(Weights((2 * torch.randn(heads, 3, 3, dtype=torch.float64)).softmax(-1)))


def test_intervals_cover_the_mean_as_often_as_they_say():
    """2000 heads are 2000 experiments of 12 inputs; the mean distance is that of other, many more draws."""
    torch.manual_seed(0)
    truth = compare(next(random_traces(1, 200_000)), next(random_traces(1, 200_000))).heads["distance"].mean()
    heads = compare(random_traces(12, 2000), random_traces(12, 2000)).heads
    assert ((heads.distance_low <= truth) & (truth <= heads.distance_high)).mean() == pytest.approx(
        0.95, abs=0.02
    )
    zero = (heads.entropy_change_low <= 0) & (heads.entropy_change_high >= 0)
    assert zero.mean() == pytest.approx(0.95, abs=0.02)


def test_statistics_of_two_draws_of_one_population_are_rarely_significant():
    torch.manual_seed(0)
    stats = compare(random_traces(10, 200), random_traces(10, 200)).stats
    assert len(stats) > 1000
    assert (stats["p"] < 0.05).mean() < 0.01


# -- one head changed -------------------------------------------------------------------------------------------------


@cache
def one_head_changed():
    return compare(lens("sentiment"), lens("one head changed"), al.models.sample_sentences())


def test_the_head_that_was_changed_comes_first():
    comparison = one_head_changed()
    first, *others = comparison.most(1000).itertuples()
    assert (first.layer, first.head) == (LAYER, HEAD)
    assert first.distance_low > max(row.distance_high for row in others)
    below = comparison.heads[comparison.heads["layer"] <= LAYER]
    below = below[(below["layer"] < LAYER) | (below["head"] != HEAD)]
    assert len(below) == 4 * 12 - 1
    assert (below["entropy_change_low"] <= 0).all()
    assert (below["entropy_change_high"] >= 0).all()
    assert below["distance"].max() < 1e-6
    above = comparison.heads[comparison.heads["layer"] > LAYER]
    assert above["distance"].min() > 1e-4


def test_so_do_its_statistics():
    stats = one_head_changed().stats
    assert set(zip(stats["layer"], stats["head"])) == {(i, j) for i in range(6) for j in range(12)}
    assert stats.head(4)[["layer", "head"]].to_numpy().tolist() == [[LAYER, HEAD]] * 4
    assert stats["effect"].abs().is_monotonic_decreasing
    below = stats[stats["layer"] < LAYER]
    assert (below["change_low"] <= 0).all()
    assert (below["change_high"] >= 0).all()
    assert (below["p"] > 0.99).all()
    assert stats.loc[0, "change_high"] < 0
    assert stats.loc[0, "p"] == stats["p"].min()


def test_statistics_are_those_of_head_stats_paired_by_input():
    texts = [*(text for text in tiny.SENTENCES if "," not in text), "see see it"]
    a, b = traces_of("bert", texts), traces_of("moved", texts)
    stats = compare(a, b).stats
    tables = [[al.head_stats(trace) for trace in traces] for traces in (a, b)]
    raw = np.full(len(stats), np.nan)
    for number, row in enumerate(stats.itertuples()):
        at = row.layer * 4 + row.head
        before, after = (np.array([table[row.statistic].iloc[at] for table in side]) for side in tables)
        both = ~np.isnan(after - before)
        before, after = before[both], after[both]
        assert row.inputs == both.sum() > 0
        expected = [before.mean(), after.mean(), *interval(after - before)]
        found = [row.a, row.b, row.change, row.change_low, row.change_high]
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
        if len(before) > 1:
            raw[number] = scipy.stats.ttest_rel(after, before).pvalue
            deviation = np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / 2)
            assert row.effect == pytest.approx((after - before).mean() / deviation)
    known = ~np.isnan(raw)
    assert 0 < known.sum() < len(raw)
    assert stats["p"][known].to_numpy() == pytest.approx(scipy.stats.false_discovery_control(raw[known]))
    assert stats["p"][~known].isna().all()
    assert not stats.duplicated(["layer", "head", "statistic"]).any()


def test_statistics_of_values_where_both_have_them():
    texts = tiny.SENTENCES[:3]
    a, b = (list(lens(name).traces(texts, values=True)) for name in ("bert", "moved"))
    stats = compare(a, b).stats
    row = stats[(stats["statistic"] == "value_entropy") & (stats["layer"] == 1) & (stats["head"] == 2)].iloc[
        0
    ]
    one, other = (al.head_stats(side)["value_entropy"].iloc[6] for side in (a, b))
    assert [row["a"], row["b"]] == pytest.approx([one, other])
    assert not compare(a, traces_of("moved", texts)).stats["statistic"].str.startswith("value_").any()


def test_a_model_beside_itself_does_not_differ():
    comparison = compare(lens("bert"), lens("bert"), tiny.SENTENCES)
    assert (comparison.heads[["distance", "distance_high", "entropy_change_high"]] == 0).all(None)
    stats = comparison.stats
    assert (stats[["change", "effect"]][stats["inputs"] > 1] == 0).all(None)
    assert (stats["p"][stats["inputs"] > 1] == 1).all()


# -- inputs ---------------------------------------------------------------------------------------------------------


def text_trace(*tokens):
    size = len(tokens)
    return made.trace_of(
        *made.weights(2, 2, size), tokens=tuple(Token(t, special=t == "[CLS]") for t in tokens)
    )


def test_inputs_that_cannot_be_aligned_are_counted():
    a = [text_trace(*"abc"), text_trace(*"ab"), text_trace("[CLS]", "a"), text_trace(*"xyz")]
    b = [text_trace(*"bcd"), text_trace(*"cd"), text_trace("[CLS]", "b"), text_trace(*"uvw")]
    comparison = compare(a, b)
    assert (comparison.inputs, comparison.unaligned, comparison.only_special) == (2, 2, 1)
    assert comparison.reason.startswith(
        "input 1: no token of a can be aligned with one of b: a begins 'a' 'b'"
    )
    check_heads(comparison, [compare(a[0], b[0]).heads, compare(a[2], b[2]).heads], 1e-9)
    assert "over 2 inputs\n" in repr(comparison)
    assert "  2 more could not be aligned; input 1: no token" in repr(comparison)
    assert "  of 1, only special tokens are aligned" in repr(comparison)
    with pytest.raises(InputError, match="none of 2 inputs could be aligned; input 0: no token of a"):
        compare([a[1], a[3]], [b[1], b[3]])


def test_rows_that_an_input_lacks_do_not_count():
    dead = torch.zeros(1, 3, 3, dtype=torch.float64)

    def traces(masked):
        for hidden in masked:
            (layer,) = made.weights(1, 2, 3)
            yield made.trace_of(torch.cat([dead, layer.weights[1:]]) if hidden else layer)

    a, b = list(traces([False, True, False])), list(traces([False, False, False]))
    comparison = compare(a, b)
    assert comparison.heads["inputs"].tolist() == [2, 3]
    check_heads(comparison, [compare(one, other).heads for one, other in zip(a, b)], 1e-9)
    row = comparison.stats.set_index(["head", "statistic"]).loc[(0, "entropy")]
    expected = np.mean([al.head_stats(b[number])["entropy"].iloc[0] for number in (0, 2)])
    assert (row["inputs"], row["b"]) == (2, pytest.approx(expected))
    never = compare(list(traces([True, True])), b[:2])
    assert never.heads["inputs"].tolist() == [0, 2]
    assert never.most()["head"].tolist() == [1]
    assert never.stats["head"].unique().tolist() == [1]


def test_a_single_input_has_no_interval():
    comparison = compare(lens("bert"), lens("moved"), ["a film"])
    assert comparison.heads["distance"].notna().all()
    assert comparison.heads[["distance_low", "entropy_change_high"]].isna().all(None)
    assert comparison.stats[["change_low", "effect", "p"]].isna().all(None)
    assert compare(lens("bert"), lens("bert"), ["a film"]).stats[["effect", "p"]].isna().all(None)


def test_traces_are_read_once_and_not_kept():
    alive, most = weakref.WeakSet(), []

    def traces(count):
        for _ in range(count):
            most.append(len(alive))
            trace = text_trace(*"abcd")
            alive.add(trace)
            yield trace
            del trace

    assert compare(traces(12), traces(12)).inputs == 12
    assert max(most) <= 4
    assert most[-1] <= 4


def test_inputs_are_read_once_and_little_ahead():
    read = []

    def texts():
        for number in range(40):
            read.append(number)
            yield WORDS[number % 4] + " film"

    stream = texts()
    comparison = compare(lens("bert"), lens("moved"), stream, batch_size=2)
    assert comparison.inputs == 40
    assert read == list(range(40))
    read.clear()
    with pytest.raises(InputError, match="input 8: "):
        compare(lens("bert"), lens("moved"), chain(islice(texts(), 8), [""], texts()), batch_size=2)
    assert len(read) == 8


def test_an_encoder_of_two_is_compared_on_its_input():
    t5 = al.Lens(tiny.t5(), tiny.metaspace())
    comparison = compare(t5, t5, tiny.SENTENCES[:2])
    assert sorted(set(comparison.heads["layer"])) == sorted(set(comparison.stats["layer"])) == [0, 1]
    assert comparison.left_out[0].startswith("a: decoder.block.0.")
    assert "left out, not from tokens to tokens: a: decoder.block.0." in repr(comparison)


def test_the_result_teaches():
    lines = repr(one_head_changed()).splitlines()
    assert lines[0] == "ModelComparison of sentiment (a) with sentiment (b) over 12 inputs"
    assert lines[1].startswith("  72 heads of a beside the same of b, mean hellinger distance 0 to 0.")
    assert "comparison.stats" in lines[-1]
    assert len(one_head_changed().most()) == 5
    frame = one_head_changed().heads
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == [
        "layer", "head", "layer_b", "head_b", "distance", "distance_low", "distance_high", "inputs", "entropy_a",
        "entropy_b", "entropy_change", "entropy_change_low", "entropy_change_high",
    ]  # fmt: skip


def two(*sizes, layers=2, heads=2):
    return [made.trace_of(*made.weights(layers, heads, size)) for size in sizes]


BAD = {
    "a has fewer": (lambda: compare(two(3), two(3, 4)), "a has 1 trace and the other side has more; .* same order"),
    "b has fewer": (lambda: compare(iter(two(3, 4)), two(3)), "b has 1 trace and the other side has more"),
    "b is empty": (lambda: compare(two(3), []), "b has 0 traces and the other side has more"),
    "nothing": (lambda: compare([], []), r"compare\(\) received no trace and no input; .* create a new one"),
    "no text": (lambda: compare(lens("bert"), lens("moved"), []), "received no trace and no input"),
    "one iterator": (lambda: (lambda one: compare(one, one))(iter(two(3, 4))), "a and b are one iterator"),
    "texts": (
        lambda: compare(two(3), ["a film"]),
        r"input 0 of b is str; of texts: compare\(before, after, texts\) with two lenses",
    ),
    "a trace and a list": (lambda: compare(two(3)[0], two(3)), "takes two traces; b is list.* two iterables of"),
    "two texts": (lambda: compare("a film", "a film"), "takes two traces; a is str"),
    "a lens on one side": (
        lambda: compare(lens("bert"), two(3)),
        r"a is TextLens and b is list; inputs .* compare\(before, after, texts\)",
    ),
    "a lens and texts": (lambda: compare(lens("bert"), ["a"], ["a"]), "a is TextLens and b is list"),
    "inputs of traces": (lambda: compare(two(3), two(3), ["a film"]), "a is list and b is list; inputs"),
    "batch size of traces": (lambda: compare(*two(3, 3), batch_size=2), "a is Trace and b is Trace; inputs and b"),
    "no inputs": (lambda: compare(lens("bert"), lens("moved")), r"two lenses need inputs: compare\(before"),
    "one text": (lambda: compare(lens("bert"), lens("moved"), "see it"), "an iterable of inputs, not str"),
    "a table": (
        lambda: compare(lens("bert"), lens("moved"), pd.DataFrame({"text": ["see it"]})),
        r"holds several columns .* table\['text'\]",
    ),
    "batch size": (lambda: compare(lens("bert"), lens("moved"), ["a"], batch_size=0), "batch_size must be"),
    "unreadable": (lambda: compare(lens("bert"), lens("moved"), ["a", ""]), "input 1: "),
    "text and image": (lambda: compare(lens("bert"), lens("minivit"), ["a film"]), "input 0: "),
    "other layers": (
        lambda: compare([*two(3), *two(3, layers=1)], two(3, 3)),
        "input 1 of a has 1 layers with 2 heads to compare, the first input has 2 layers with 4 heads; give traces",
    ),
    "metric": (lambda: compare(two(3), two(3), metric="js"), "unknown metric 'js'"),
    "count": (lambda: compare(two(3), two(3)).most(0), "count must be an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared(case):
    call, message = BAD[case]
    with pytest.raises(InputError, match=message):
        call()
