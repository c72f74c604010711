"""Layers that wait until they are read."""

from __future__ import annotations

import copy
import pickle
import weakref
from dataclasses import replace

import pytest
import torch

import attnlens as al
from attnlens.data import Layer, Token, Trace, Weights
from attnlens.data._pending import PendingLayers, settled
from attnlens.errors import InputError


class Source:
    """Makes one layer from itself, and counts how often."""

    def __init__(self, shared=True):
        self.weights, self.times, self.shared = torch.rand(2, 3, 3).softmax(-1), 0, shared

    def compute(self):
        self.times += 1
        return (Layer("one", "self", Weights(self.weights * 1)),)

    def trace(self, **more):
        return Trace(PendingLayers(self.compute, self.shared), **more)


def test_layers_are_computed_when_they_are_read_and_once():
    source = Source()
    trace = source.trace(model="tiny", tokens=tuple(map(Token, "abc")))
    assert (trace.model, trace.tokens[0].text, source.times) == ("tiny", "a", 0)
    assert torch.equal(trace[0][:], source.weights)
    assert trace.layers is trace.layers
    assert len(trace) == 1
    assert source.times == 1


def test_a_trace_that_was_read_holds_nothing_else():
    source = Source()
    trace, alive = source.trace(), weakref.ref(source)
    del source
    assert alive() is not None
    assert trace.layers
    assert alive() is None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda trace: pickle.loads(pickle.dumps(trace)), replace]
)
def test_copies_have_layers_of_their_own(copied):
    source = Source()
    other = copied(source.trace(model="tiny"))
    assert (other.model, source.times) == ("tiny", 1)
    assert torch.equal(other[0][:], source.weights)
    assert set(vars(other)) == set(Trace.__dataclass_fields__)


def test_layers_that_do_not_fit_the_tokens():
    trace = Source().trace(tokens=(Token("a"),))
    with pytest.raises(InputError, match=r"3 query positions but the trace has 1 input"):
        len(trace)


def test_other_names_are_missing_as_always():
    with pytest.raises(AttributeError, match="'Trace' object has no attribute 'layer'"):
        Source().trace().layer  # noqa: B018


def test_modes_of_the_reader_do_not_matter():
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        trace = Trace(
            PendingLayers(lambda: (Layer("one", "self", Weights(torch.eye(3)[None] @ torch.eye(3))),), True)
        )
        layers = trace.layers
    assert layers[0].attention.weights.dtype == torch.float32
    assert not layers[0].attention.weights.is_inference()


def test_only_traces_that_are_kept_get_layers():
    sources = [Source() for _ in range(9)]
    kept = []
    for number, trace in enumerate(settled((source.trace() for source in sources), together=3)):
        assert not any(source.times for source in sources[number:])
        if number % 4 == 1:
            kept.append(trace)
    assert [source.times for source in sources] == [0, 1, 0, 0, 0, 1, 0, 0, 1]  # the loop holds the last one
    assert [trace.layers[0].attention.heads for trace in kept] == [2, 2]


@pytest.mark.parametrize("shared", [True, False])
def test_a_loop_that_stops_early(shared):
    sources = [Source(shared) for _ in range(4)]
    traces = settled((source.trace() for source in sources), together=8)
    kept = [next(traces), next(traces)]
    traces.close()
    assert [source.times for source in sources] == [shared, shared, 0, 0]
    assert len(kept[0]) == 1


# -- of a model -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture
def computed(monkeypatch):
    """The weights that were computed, by the shape of their batch."""
    shapes, block = [], al.data.AttentionBatch.block

    def noted(self, rows=slice(None)):
        shapes.append(self.shape)
        return block(self, rows)

    monkeypatch.setattr(al.data.AttentionBatch, "block", noted)
    return shapes


TEXTS = ["a film", "a gripping , funny film with one dull stretch .", "flat", "not bad at all"]


def test_predictions_of_traces_compute_no_weights(lens, computed):
    labels = []
    for trace in lens.traces(TEXTS * 20, batch_size=4):
        labels.append(trace.prediction.label)
        del trace
    assert labels == [prediction.label for prediction in lens.predict(TEXTS)] * 20
    assert computed == []


def test_traces_that_are_kept_are_those_of_each_text(lens, computed):
    kept = list(lens.traces(TEXTS * 2, batch_size=4))
    assert len(computed) == 2 * len(kept[0])
    assert not any("_pending" in vars(trace) for trace in kept)
    for text, trace in zip(TEXTS * 2, kept, strict=True):
        alone = lens.trace(text)
        assert "_pending" not in vars(alone)  # its query and key are larger than its weights
        for mine, other in zip(trace.layers, alone.layers, strict=True):
            torch.testing.assert_close(mine.attention[:], other.attention[:], atol=1e-5, rtol=0)


def test_a_recording_keeps_nothing_alive_through_its_traces(lens):
    inputs = lens.batch([lens.encode(text) for text in TEXTS])
    with torch.no_grad(), al.capture(lens.model) as recording:
        lens.model(**inputs)
    query = weakref.ref(recording.calls[0].query)
    streamed = [trace.layers for trace in recording.traces()]
    traces = list(recording.traces())
    expected = [recording[item].layers for item in range(len(recording))]
    for layers in (streamed, [trace.layers for trace in traces]):
        for mine, theirs in zip(layers, expected, strict=True):
            for one, other in zip(mine, theirs, strict=True):
                assert (one.name, one.kind) == (other.name, other.kind)
                torch.testing.assert_close(one.attention[:], other.attention[:], atol=5e-6, rtol=0)
    del recording, expected
    assert query() is None


def test_several_passes_wait_on_their_own(lens):
    inputs = lens.batch([lens.encode(TEXTS[1])])
    with torch.no_grad(), al.capture(lens.model, store="factors") as recording:
        lens.model(**inputs)
        lens.model(**{name: tensor[:, :5] for name, tensor in inputs.items()})
    first, second = recording.traces()
    assert "_pending" in vars(first)  # as large as its layers
    assert (second[0].queries, first[0].queries) == (5, len(lens.encode(TEXTS[1])))
    third, _ = recording.traces()
    query = weakref.ref(recording.calls[-1].query)
    del recording, second, _
    assert query() is None  # a trace that waits holds its own pass only
    assert third[0].queries == first[0].queries
