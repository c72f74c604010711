"""A trace as bytes: what is sent is what is announced, small, and stands for the trace's own weights."""

from __future__ import annotations

import base64
import dataclasses
import json

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, PatchGrid, Token, Trace
from attnlens.widgets import _payload

from .fixtures import PATH, attentions, fixtures


def test_the_fixtures_of_the_browser_are_what_python_writes_today():
    held = json.loads(PATH.read_text(encoding="utf-8"))
    made = json.loads(json.dumps(fixtures()))
    assert [one["header"] for one in held] == [one["header"] for one in made], (
        "python -m tests.widgets.fixtures"
    )
    for one, other in zip(held, made):
        assert one["bytes"] == other["bytes"]
        weights = [np.frombuffer(base64.b64decode(x["weights"]), "<f4") for x in (one, other)]
        np.testing.assert_allclose(*weights, atol=1e-6)


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("name", attentions())
def test_a_layer_has_the_bytes_that_its_header_announces(name, detail):
    attention = attentions()[name]
    header = _payload.layer_header(Layer(name, "self", attention), detail)
    assert len(_payload.layer_bytes(attention, detail)) == header["bytes"]
    assert header["bytes"] % 4 == 0


def test_whatever_is_smaller_is_sent():
    query, key = torch.randn(2, 100, 8), torch.randn(2, 100, 8)
    (name, _, shape), *_ = _payload.layer_header(Layer("long", "self", Factors(query, key, 1.0)))["parts"]
    assert (name, shape) == ("query", [2, 100, 8])
    (name, _, shape), *_ = _payload.layer_header(
        Layer("short", "self", Factors(query[:, :5], key[:, :5], 1.0))
    )["parts"]
    assert (name, shape) == ("weights", [2, 5, 5])


def test_rounding_moves_little_of_the_rows_of_real_heads():
    trace = al.load("sentiment").trace(" ".join(al.models.sample_sentences())[:1000])
    for layer in trace.layers:
        moved = (layer.attention.to(torch.float16)[:] - layer.attention[:]).abs().sum(-1) / 2
        assert moved.mean() < 3e-4
        assert moved.max() < 5e-3


def test_a_header_says_what_a_view_must_know_and_holds_no_weight():
    trace = al.load("sentiment").trace(("a fine film", "a dull one"))
    header = _payload.header(trace)
    assert header["tokens"]["input"]["text"] == [token.text for token in trace.tokens]
    assert header["tokens"]["input"]["segment"] == [token.segment for token in trace.tokens]
    assert header["tokens"]["input"]["special"] == [
        i for i, token in enumerate(trace.tokens) if token.special
    ]
    assert header["tokens"]["output"]["text"] == []
    assert header["prediction"] == str(trace.prediction)
    assert not header["remote"]
    assert len(json.dumps(header)) < 4000


def test_lone_surrogates_and_controls_cross_as_json():
    trace = Trace(
        layers=(Layer("one", "self", Weights(torch.ones(1, 2, 2) / 2)),),
        tokens=(Token("\ud800"), Token("\0\u202e</script>")),
    )
    text = json.loads(json.dumps(_payload.header(trace)).encode())["tokens"]["input"]["text"]
    assert text == ["?", "\0\u202e</script>"]


def test_an_image_crosses_as_a_picture():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    trace = Trace(
        layers=(Layer("one", "self", Weights(torch.ones(1, 7, 7) / 7)),),
        patches=PatchGrid(2, 3, ("[CLS]",), image),
    )
    patches = _payload.header(trace)["patches"]
    assert (patches["rows"], patches["cols"], patches["leading"]) == (2, 3, 1)
    assert patches["image"].startswith("data:image/png;base64,")


def test_a_trace_is_remote_where_it_is_large_or_one_head_is():
    one = Layer("one", "self", Factors(torch.zeros(1, 2000, 4), torch.zeros(1, 2000, 4), 1.0))
    assert _payload.header(Trace(layers=(one,)))["remote"]
    other = dataclasses.replace(one, attention=Factors(torch.zeros(1, 1000, 4), torch.zeros(1, 1000, 4), 1.0))
    assert not _payload.header(Trace(layers=(other,)))["remote"]
    wide = dataclasses.replace(one, attention=Weights(torch.zeros(40, 1000, 1000, dtype=torch.float16)))
    assert _payload.header(Trace(layers=(wide,)))["remote"]


@pytest.mark.parametrize("name", [name for name, one in attentions().items() if isinstance(one, Factors)])
def test_a_head_alone_has_the_weights_of_the_layer(name):
    attention = attentions()[name]
    for head in range(attention.heads):
        one = _payload.single_head(attention, head)
        torch.testing.assert_close(one[:], attention[[head]])


def test_a_head_is_sent_where_its_bias_and_mask_are_no_larger_than_its_vectors(monkeypatch):
    layers = {name: Layer(name, "self", one) for name, one in attentions().items()}
    sent = {name for name, layer in layers.items() if _payload.sent_head(layer, 2)}
    assert {"factors", "causal", "softcap", "sink", "padding", "bias", "mask of each head"} <= sent
    assert not sent & {"weights", "windows", "bias of each head"}
    monkeypatch.setattr(_payload, "MOST_FACTORS", 83)
    assert _payload.sent_head(layers["factors"], 2) is None
