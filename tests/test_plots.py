"""Figures show the trace's own numbers: what is drawn is read back from the axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import attnlens as al
from attnlens import models

SENTENCE = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def trace(lens):
    return lens.trace(SENTENCE)


@pytest.fixture(scope="module")
def picture():
    return al.load("cifar").trace(models.sample_images()["chelsea"])


def drawn(figure: Figure) -> list:
    """The images in a figure, colour bars left out, in the order of their axes."""
    return [image for ax in figure.axes for image in ax.images if not ax.get_label().startswith("<colorbar")]


def test_heads_draws_every_head_on_one_scale(trace):
    figure = al.plots.heads(trace, layer=2)
    images = drawn(figure)
    assert len(images) == trace[2].heads
    for head, image in enumerate(images):
        assert np.allclose(image.get_array(), trace[2, head])
    assert len({image.get_clim() for image in images}) == 1
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [token.text for token in trace.tokens]


def test_heads_thins_labels_of_long_texts(lens):
    trace = lens.trace("very " * 90)
    figure = al.plots.heads(trace)
    assert max(len(ax.get_xticklabels()) for ax in figure.axes) <= al.plots.MOST_LABELS


def test_rollout_draws_the_row_without_itself(trace):
    figure = al.plots.rollout(trace)
    bars = [patch.get_width() for patch in figure.axes[0].patches]
    expected = al.rollout(trace, row=0)
    assert np.isnan(bars[0])
    assert np.allclose(bars[1:], expected[1:], atol=1e-6)


def test_tokens_colours_by_sign(lens):
    attribution = lens.attribute(SENTENCE, target="positive")
    figure = al.plots.tokens(attribution)
    shades = {text.get_text(): text.get_bbox_patch().get_facecolor() for text in figure.axes[0].texts[:-1]}
    for token, score in zip(attribution.tokens, attribution.scores.tolist()):
        if abs(score) > 0.2 * attribution.scores.abs().max():
            red, _, blue, _ = shades[token.text]
            assert (blue > red) == (score > 0), token
    assert f"{attribution.gap:.1%}" in figure.axes[0].texts[-1].get_text()


def test_patches_lays_the_class_token_over_the_image(picture):
    figure = al.plots.patches(picture, [0, -1])
    image, *rest = drawn(figure)
    assert np.array_equal(image.get_array(), picture.patches.image)
    heats = rest[1::2]
    for heat, layer in zip(heats, (0, -1), strict=True):
        expected = picture[layer][:, 0].mean(0)[1:].reshape(8, 8)
        assert np.allclose(heat.get_array(), expected)
    assert len({heat.get_clim() for heat in heats}) == 1


def test_rollout_of_an_image_is_drawn_over_it(picture):
    heat = drawn(al.plots.rollout(picture))[-1]
    assert np.allclose(heat.get_array(), al.rollout(picture, row=0)[1:].reshape(8, 8), atol=1e-6)


def test_patches_of_a_text_says_what_to_use(trace):
    with pytest.raises(al.errors.InputError, match=r"plots\.heads"):
        al.plots.patches(trace)


def test_no_figure_stays_open(trace):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    al.plots.heads(trace)
    assert plt.get_fignums() == before


def test_a_rectangular_layer_is_drawn():
    from attnlens.attention import Weights
    from attnlens.trace import Layer, Trace

    trace = Trace((Layer("cross", "cross", Weights(torch.rand(2, 3, 7).softmax(-1))),))
    assert [image.get_array().shape for image in drawn(al.plots.heads(trace))] == [(3, 7), (3, 7)]
