"""The picture that a notebook shows of a trace: safe, small, and there for every trace."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import attnlens as al
from attnlens.data._attention import Band, Factors, Weights
from attnlens.data._thumbnails import SIZE, grid, thumbnail
from attnlens.data._trace import Layer, Trace

from .. import tiny


def trace_of(layers=2, heads=4, queries=6, keys=None, **more):
    attention = Weights(torch.rand(heads, queries, keys or queries))
    sides = ("input", "input") if keys is None else ("output", "input")
    found = tuple(Layer(f"layer.{i}", "self", attention, *sides) for i in range(layers))
    return Trace(found, **more)


def image_in(html):
    [data] = re.findall(r"src='data:image/png;base64,([^']+)'", html)
    return Image.open(io.BytesIO(base64.b64decode(data)))


HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>&"


def test_hostile_names_are_escaped():
    tokens = tuple(al.data.Token(HOSTILE) for _ in range(6))
    trace = trace_of(
        tokens=tokens,
        model=HOSTILE,
        labels=(HOSTILE, HOSTILE),
        logits=torch.tensor([1.0, 2.0]),
        text=(HOSTILE,),
    )
    html = trace._repr_html_()
    assert "<script" not in html
    assert "<img src=x" not in html
    assert html.count("<img ") == 1
    assert "&lt;script&gt;" in html
    attributes = re.findall(r"<(\w+)[^>]*\bon\w+=", html)
    assert not attributes


def test_a_row_per_layer_and_a_square_per_head():
    image = image_in(trace_of(layers=3, heads=5)._repr_html_())
    assert image.size == (5 * (SIZE + 4), 3 * (SIZE + 4))
    assert image.mode == "L"


def test_dark_is_much_attention():
    tile = thumbnail(torch.eye(4))
    assert tile.shape == (SIZE, SIZE)
    assert tile[0, 0] == 40
    assert tile[0, -1] == 255
    step = SIZE // 4
    assert (np.diagonal(tile[::step, ::step]) == 40).all()


def test_a_strong_weight_is_seen_in_a_long_trace():
    weights = torch.full((300, 300), 1e-6)
    weights[150, 7] = 1
    tile = thumbnail(weights)
    assert tile.min() == 40
    assert np.unravel_index(tile.argmin(), tile.shape) == (24, 1)


@pytest.mark.parametrize(
    ("queries", "keys"), [(6, 9), (1, 30), (30, 1), (6, 100), (100, 6), (2, 700), (700, 2)]
)
def test_rectangles(queries, keys):
    html = trace_of(queries=queries, keys=keys)._repr_html_()
    assert image_in(html).size == (4 * (SIZE + 4), 2 * (SIZE + 4))


def test_an_encoder_decoder():
    lens = al.Lens(tiny.t5(), tiny.metaspace())
    html = lens.trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])._repr_html_()
    assert image_in(html).size[1] == 6 * (SIZE + 4)


def test_the_size_is_bounded_for_512_tokens():
    tokens = tuple(al.data.Token("extraordinary") for _ in range(512))
    trace = trace_of(layers=12, heads=12, queries=512, tokens=tokens)
    assert 1000 < len(trace._repr_html_()) < 600_000


def test_many_layers_and_heads_are_bounded():
    image = image_in(trace_of(layers=80, heads=64)._repr_html_())
    assert image.size == (16 * (SIZE + 4), 24 * (SIZE + 4))


def test_a_trace_of_many_tokens_is_drawn_from_some_of_its_rows(monkeypatch):
    asked = []
    factors = Factors(torch.randn(2, 5000, 4), torch.randn(2, 5000, 4), 0.5, mask=Band(None, 0))
    block = Factors.block
    monkeypatch.setattr(Factors, "block", lambda self, h, r, c: asked.append(len(r)) or block(self, h, r, c))
    html = Trace((Layer("layer.0", "self", factors),))._repr_html_()
    assert asked == [SIZE, SIZE]
    tile = np.asarray(image_in(html))[:SIZE, :SIZE]
    assert (tile[np.triu_indices(SIZE, 2)] == 255).all()  # causal
    assert tile[-1].max() < 255


def test_traces_with_nothing_to_draw():
    assert grid(Trace(())) == ""
    assert "0 tokens" in Trace(())._repr_html_()
    assert "<img" in trace_of(queries=0)._repr_html_()


def test_an_image_is_shown_with_the_attention_of_the_class_token():
    trace = al.load("cifar").trace(al.models.sample_images()["cat"])
    html = trace._repr_html_()
    picture, heads = (
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r"src='data:image/png;base64,([^']+)'", html)
    )
    assert np.array_equal(np.asarray(picture), trace.patches.image)
    assert "0,1" not in html
    tile = np.asarray(heads)[4 * (SIZE + 4) :, SIZE + 4 :][:SIZE, :SIZE]
    assert np.array_equal(tile, thumbnail(trace[4, 1, 0][1:].reshape(8, 8)))
