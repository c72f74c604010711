"""Heat maps over an image: what lies where, on which scale, and which patch asks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

import attnlens as al
from attnlens import models, plots
from attnlens.data._attention import Windows
from attnlens.data._trace import Layer, PatchGrid, Trace
from attnlens.errors import InputError

from .made import bars, drawn, image, numbers, panels, said, text, weights


@pytest.fixture(scope="module")
def picture():
    return al.load("cifar").trace(models.sample_images()["chelsea"])


def heats(figure) -> list[np.ndarray]:
    """The heat maps: the last image of every panel, the picture's own panel left out."""
    return [numbers(ax.images[-1]) for ax in panels(figure) if len(ax.images) > 1]


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in panels(figure)]


def frames(figure) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) of the frames, one per panel."""
    found = [[p for p in ax.patches if isinstance(p, Rectangle)] for ax in panels(figure)]
    return [(*one[0].get_xy(), one[0].get_width(), one[0].get_height()) for one in found if one]


def test_patches_lays_the_class_token_over_the_image(picture):
    figure = plots.patches(picture, [0, -1])
    image, *rest = drawn(figure)
    assert np.array_equal(image.get_array(), picture.patches.image)
    laid = rest[1::2]
    for heat, layer in zip(laid, (0, -1), strict=True):
        expected = picture[layer][:, 0].mean(0)[1:].reshape(8, 8)
        assert np.allclose(heat.get_array(), expected)
    assert len({heat.get_clim() for heat in laid}) == 1
    assert titles(figure) == ["predicted cat (0.84)", "layer 0", "layer 7"]
    assert "Attention of [CLS]" in said(figure)
    assert not frames(figure)


def test_rollout_of_an_image_is_drawn_over_it(picture):
    (heat,) = heats(plots.rollout(picture))
    assert np.allclose(heat, al.rollout(picture, row=0)[1:].reshape(8, 8), atol=1e-6)


def test_the_rollout_of_a_patch_leaves_the_patch_out():
    trace = image()
    (heat,) = heats(plots.rollout(trace, 9))
    expected = al.rollout(trace, row=9)[1:].reshape(4, 6).numpy().copy()
    expected[1, 2] = 0
    assert np.allclose(heat, expected, atol=1e-6)


@pytest.mark.parametrize("query", [9, -16, (1, 2), (-3, -4), "1,2"])
def test_the_patch_that_asks_is_outlined_in_every_panel(query):
    trace = image()
    figure = plots.patches(trace, [0, 1], query)
    assert np.allclose(heats(figure)[1], trace[1][:, 9].mean(0)[1:].reshape(4, 6))
    assert frames(figure) == [(16, 8, 8, 8)] * 3
    assert "Attention of patch (1, 2)" in said(figure)


def test_heads_of_layers_are_rows_of_maps():
    trace = image()
    figure = plots.patches(trace, [1, 2], head=[0, -1])
    expected = [trace[layer, head, 0, 1:].reshape(4, 6) for layer in (1, 2) for head in (0, 2)]
    assert np.allclose(heats(figure), torch.stack(expected))
    assert titles(figure)[1:] == [f"layer {layer}, head {head}" for layer in (1, 2) for head in (0, 2)]
    places = [ax.get_subplotspec().colspan.start for ax in panels(figure)]
    assert places == [0, 1, 2, 1, 2]


def test_one_head():
    trace = image()
    assert np.allclose(heats(plots.patches(trace, 2, head=1)), trace[2, 1, 0, 1:].reshape(4, 6))


def test_layers_draws_every_layer_on_one_scale():
    trace = image()
    figure = plots.layers(trace, (0, 0))
    expected = torch.stack([trace[layer][:, 1].mean(0)[1:].reshape(4, 6) for layer in range(4)])
    assert np.allclose(heats(figure), expected)
    assert len({ax.images[-1].get_clim() for ax in panels(figure)[1:]}) == 1
    assert len(bars(figure)) == 1


def test_an_image_without_pixels_is_drawn_by_its_patches():
    trace = image(pictured=False)
    figure = plots.patches(trace, 1, (1, 2))
    (heat,) = drawn(figure)
    assert np.allclose(numbers(heat), trace[1][:, 9].mean(0)[1:].reshape(4, 6))
    assert frames(figure) == [(2, 1, 1, 1)]


def test_a_model_without_a_class_token():
    trace = image(leading=())
    assert np.allclose(heats(plots.patches(trace, 0, (0, 1))), trace[0][:, 1].mean(0).reshape(4, 6))


def test_the_bar_has_the_colours_that_are_seen():
    figure = plots.patches(image(), 0)
    (bar,) = bars(figure)
    faint = np.array(bar._colorbar.cmap(0)[:3])
    assert np.ptp(faint) < 0.1  # over grey, and nearly clear
    assert 0.4 < faint.mean() < 0.6


def test_patches_of_a_text_says_what_to_use():
    for draw, name in ((plots.patches, "patches"), (plots.layers, "layers")):
        with pytest.raises(InputError, match=rf"plots\.{name} needs the trace of an image; .* plots\.heads"):
            draw(text(4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 4}, "layer 4 is out of range: there are 4"),
        ({"layer": []}, "an empty list names no layer;"),
        ({"head": 3}, "head 3 is out of range: there are 3"),
        ({"query": (4, 0)}, "row 4 is out of range: there are 4"),
        ({"query": (0, 6)}, "column 6 is out of range: there are 6"),
        ({"query": (1, 2, 3)}, r"query \(1, 2, 3\) is no patch; give its number, or \(row, column\)"),
        ({"query": 25}, "query 25 is out of range: there are 25"),
        ({"query": "[SEP]"}, r"no token reads '\[SEP\]'; close to it are: '\[CLS\]'"),
    ],
)
def test_what_is_not_in_the_image(options, message):
    with pytest.raises(InputError, match=message):
        plots.patches(image(), **options)


def test_layers_whose_positions_are_not_the_patches():
    windows = Windows((weights(2, 4, 4), weights(2, 4, 4)))
    layers = (Layer("swin.0", "self", windows, "other", "other"),)
    with pytest.raises(
        InputError, match=r"layer 0, 'swin\.0', is self attention \[2, 8, 8\] whose positions are not"
    ):
        plots.patches(Trace(layers, patches=PatchGrid(2, 4)))
