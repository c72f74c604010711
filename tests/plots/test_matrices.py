"""Figures of weights show the trace's own numbers: what is drawn is read back from the axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import PowerNorm

import attnlens as al
from attnlens import plots
from attnlens.data._attention import Attention, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError

from .made import (
    bars,
    causal,
    crossing,
    drawn,
    factors,
    image,
    labels,
    numbers,
    one_layer,
    panels,
    said,
    text,
    weights,
)

SENTENCE = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def trace(lens):
    return lens.trace(SENTENCE)


# -- heads ----------------------------------------------------------------------------------------------------


def test_heads_draws_every_head_on_one_scale(trace):
    figure = plots.heads(trace, layer=2)
    images = drawn(figure)
    assert len(images) == trace[2].heads
    for head, one in enumerate(images):
        assert np.allclose(one.get_array(), trace[2, head])
    assert len({one.get_clim() for one in images}) == 1
    assert labels(figure.axes[0].yaxis) == [token.text for token in trace.tokens]


def test_heads_thins_labels_of_long_texts(lens):
    figure = plots.heads(lens.trace("very " * 90))
    assert 2 < max(len(ax.get_xticklabels()) for ax in figure.axes) <= plots.MOST_LABELS


def test_a_rectangular_layer_is_drawn():
    trace = Trace((Layer("cross", "cross", Weights(torch.rand(2, 3, 7).softmax(-1))),))
    assert [one.get_array().shape for one in drawn(plots.heads(trace))] == [(3, 7), (3, 7)]


@pytest.mark.parametrize(
    ("heads", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (6, 2, 3), (7, 2, 4), (12, 3, 4), (32, 4, 8)]
)
def test_panels_of_heads_fill_their_rows(heads, rows, columns):
    figure = plots.heads(one_layer(weights(heads, 3, 3)))
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
    assert len(drawn(figure)) == heads


def test_the_lowest_panel_of_each_column_names_the_keys():
    figure = plots.heads(one_layer(weights(7, 3, 3)))
    named = [bool(labels(ax.xaxis)) for ax in panels(figure)]
    assert named == [False, False, False, True, True, True, True]


# -- the scale ------------------------------------------------------------------------------------------------


def test_short_inputs_have_a_linear_scale_to_the_largest_weight(trace):
    (shown,) = drawn(plots.head(trace, 0, 2))
    assert not isinstance(shown.norm, PowerNorm)
    assert shown.get_clim() == (0, pytest.approx(float(trace[0, 2].max())))


def test_long_inputs_are_not_pale():
    trace = text(100, heads=3, layers=1)
    figure = plots.heads(trace)
    shown = drawn(figure)[2]  # the head that spreads its attention
    assert isinstance(shown.norm, PowerNorm)
    assert shown.norm.gamma == 0.5
    assert shown.get_clim()[1] < float(trace[0][:].max())
    assert 0.15 < float(np.mean(shown.norm(numbers(shown)))) < 0.7
    (bar,) = bars(figure)
    assert "√" in bar.get_ylabel()
    assert bar._colorbar.extend == "max"


def test_a_bar_points_beyond_where_any_panel_does():
    held = torch.full((3, 40, 40), 1 / 40)
    held[0, :4, 1] = 0.9
    for draw in (plots.heads, plots.grid):
        (bar,) = bars(draw(one_layer(Weights(held))))
        assert bar._colorbar.extend == "max"


def test_attention_spread_evenly_is_never_dark():
    for count in (8, 100):
        (shown,) = drawn(plots.head(one_layer(Weights(torch.full((1, count, count), 1 / count))), 0, 0))
        assert float(shown.norm(1 / count)) <= 0.5


def test_the_ticks_of_the_bar_are_where_their_numbers_lie():
    figure = plots.heads(text(100, heads=3, layers=1))
    figure.draw_without_rendering()
    (bar,) = bars(figure)
    assert [float(label) for label in labels(bar.yaxis)] == pytest.approx(bar.get_yticks())


# -- one head -------------------------------------------------------------------------------------------------


def test_head_draws_that_head_with_its_numbers(trace):
    figure = plots.head(trace, -1, 4)
    (shown,) = drawn(figure)
    assert np.allclose(numbers(shown), trace[5, 4])
    assert said(figure).startswith("Layer 5, head 4")
    written = [float(t.get_text()) for t in figure.axes[0].texts]
    assert np.allclose(written, trace[5, 4].reshape(-1), atol=0.00501)
    assert labels(figure.axes[0].xaxis) == labels(figure.axes[0].yaxis) == [t.text for t in trace.tokens]


def test_no_numbers_stand_in_small_cells():
    assert len(plots.head(text(12), 0, 0).axes[0].texts) == 144
    assert not plots.head(text(13), 0, 0).axes[0].texts


def test_a_weight_of_zero_is_white_and_has_no_number():
    trace = causal(6)
    figure = plots.head(trace, 0, 1)
    (shown,) = drawn(figure)
    assert np.array_equal(np.ma.getmaskarray(shown.get_array()), ~np.tri(6, dtype=bool))
    assert tuple(shown.cmap.get_bad()) == (1, 1, 1, 1)
    assert len(figure.axes[0].texts) == 21


def test_factors_and_their_weights_give_one_picture():
    trace = causal(30)
    dense = Trace(
        tuple(Layer(one.name, "self", Weights(one.attention[:])) for one in trace.layers), tokens=trace.tokens
    )
    for draw in (lambda t: plots.heads(t, 1), plots.average, plots.grid, lambda t: plots.row(t, -1)):
        for one, other in zip(drawn(draw(trace)), drawn(draw(dense)), strict=True):
            assert np.allclose(numbers(one), numbers(other), atol=1e-6)
            assert one.get_clim() == pytest.approx(other.get_clim())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_stores_of_any_precision_are_drawn(dtype):
    trace = text(6).to(dtype)
    (shown,) = drawn(plots.head(trace, 0, 0))
    assert np.allclose(numbers(shown), text(6)[0, 0], atol=1e-3)


def test_a_masked_row_and_a_sink_are_drawn():
    held = weights(2, 5, 5).weights.clone()
    held[:, 3] = 0
    held[:, 4] *= 0.25
    (shown,) = drawn(plots.head(one_layer(Weights(held)), 0, 1))
    assert np.ma.getmaskarray(shown.get_array())[3].all()
    assert np.allclose(numbers(shown), held[1])


def test_long_inputs_are_pooled_and_the_figure_says_so():
    figure = plots.head(one_layer(factors(1, 1900)), 0, 0)
    (shown,) = drawn(figure)
    assert shown.get_array().shape == (634, 634)
    assert "largest of 3 × 3 weights" in said(figure)
    assert figure.axes[0].get_xlim() == (-0.5, 1899.5)
    assert shown.get_extent() == [-0.5, 1901.5, 1901.5, -0.5]


# -- all heads ------------------------------------------------------------------------------------------------


def test_grid_lays_layers_down_and_heads_across():
    trace = text(8, heads=5, layers=3)
    figure = plots.grid(trace)
    shown = drawn(figure)
    assert len(shown) == 15
    for number, one in enumerate(shown):
        layer, head = divmod(number, 5)
        assert np.allclose(numbers(one), trace[layer, head])
        left, right, bottom, top = one.get_extent()
        assert ((left + right) / 2, (bottom + top) / 2) == pytest.approx((head, layer))
    assert len({one.get_clim() for one in shown}) == 1
    assert labels(figure.axes[0].yaxis) == ["0", "1", "2"]


def test_grid_pools_long_inputs_to_thumbnails():
    trace = text(200, heads=2, layers=2)
    for number, one in enumerate(drawn(plots.grid(trace))):
        assert one.get_array().shape == (50, 50)
        full = trace[divmod(number, 2)].reshape(50, 4, 50, 4).amax((1, 3))
        assert np.allclose(numbers(one), full)
    assert "a cell is the largest weight in it" in said(plots.grid(trace))
    assert "a cell" not in said(plots.grid(text(60)))


def test_grid_of_many_heads_draws_those_of_a_layer_at_once(monkeypatch):
    trace = text(8, heads=5, layers=3)
    monkeypatch.setattr(plots._matrices, "MOST_PICTURES", 14)
    shown = drawn(plots.grid(trace))
    assert len(shown) == 3
    for layer, one in enumerate(shown):
        assert one.get_extent() == pytest.approx([-0.5, 4.5, layer + 0.46, layer - 0.46])
        tiles = numbers(one).reshape(8, 5, -1).transpose(1, 0, 2)
        at = (np.arange(8) + 0.5) / 8 * 0.92 + 0.04  # of the way across a square, to the middle of each key
        assert np.allclose(tiles[:, :, (at * tiles.shape[2]).astype(int)], trace[layer])
        assert (tiles[:, :, [0, -1]] == 0).all()


def test_a_head_of_very_many_has_few_cells():
    trace = text(200, heads=64, layers=1)
    assert numbers(drawn(plots.grid(trace))[0]).shape == (16, 16)


def test_grid_asks_for_blocks_only(monkeypatch):
    trace = causal(300)
    largest = []
    block = type(trace[0]).block

    def seen(self, heads, rows, cols):
        largest.append(len(heads) * len(rows) * len(cols))
        return block(self, heads, rows, cols)

    monkeypatch.setattr(type(trace[0]), "block", seen)
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 10_000)
    monkeypatch.setattr("attnlens.analysis._pooling.BLOCK_ELEMENTS", 10_000)
    for draw in (plots.grid, plots.heads, plots.average, lambda t: plots.head(t, 0, 0)):
        draw(trace)
    assert max(largest) <= 10_000


def test_grid_of_layers_that_differ():
    layers = (Layer("a", "self", weights(3, 4, 4)), Layer("b", "cross", weights(1, 2, 7)))
    assert [one.get_array().shape for one in drawn(plots.grid(Trace(layers)))] == [(4, 4)] * 3 + [(2, 7)]


def test_grid_of_an_image_shows_the_attention_of_the_class_token():
    trace = image()
    figure = plots.grid(trace)
    assert np.allclose(numbers(drawn(figure)[4]), trace[1, 1, 0, 1:].reshape(4, 6))
    assert "class token" in said(figure)
    assert drawn(plots.grid(image(leading=())))[0].get_array().shape == (24, 24)


# -- means ----------------------------------------------------------------------------------------------------


def test_average_of_a_layer_and_of_all():
    trace = text(7)
    (one,) = drawn(plots.average(trace, 1))
    assert np.allclose(numbers(one), trace[1].mean("head"))
    (every,) = drawn(plots.average(trace))
    assert np.allclose(numbers(every), torch.stack([trace[i][:] for i in range(3)]).mean((0, 1)))


def test_average_leaves_masked_rows_out():
    held = weights(2, 4, 4).weights.clone()
    held[:, 2] = 0
    trace = Trace((Layer("a", "self", Weights(held)), Layer("b", "self", weights(2, 4, 4, seed=1))))
    (shown,) = drawn(plots.average(trace))
    assert np.allclose(numbers(shown)[2], trace[1][:, 2].mean(0))
    assert np.allclose(numbers(shown)[1], (trace[0][:, 1].mean(0) + trace[1][:, 1].mean(0)) / 2)


def test_layers_of_other_shapes_have_no_mean():
    layers = (Layer("encoder.0", "self", weights(3, 4, 4)), Layer("decoder.0", "cross", weights(1, 2, 4)))
    for draw in (plots.average, lambda trace: plots.row(trace, 0)):
        with pytest.raises(InputError, match=r"'decoder\.0' is cross attention .* trace\.select"):
            draw(Trace(layers))


# -- one token ------------------------------------------------------------------------------------------------


def test_row_stacks_the_layers(trace):
    figure = plots.row(trace, "funny")
    (shown,) = drawn(figure)
    expected = torch.stack([trace[layer][:, 4].mean(0) for layer in range(6)])
    assert np.allclose(numbers(shown), expected)
    assert "“funny” (position 4)" in said(figure)
    assert np.allclose(numbers(drawn(plots.row(trace, -8))[0]), expected)


def test_a_row_of_a_long_text_keeps_its_peaks():
    trace = one_layer(factors(2, 2000))
    figure = plots.row(trace, -1)
    (shown,) = drawn(figure)
    means = trace[0][:, -1].mean(0)
    assert np.allclose(numbers(shown)[0], [part.max() for part in means.split(3)])
    assert "largest of 3 weights" in said(figure)


def test_row_of_cross_attention_names_query_and_keys():
    trace = crossing()
    figure = plots.row(trace, 1)
    assert drawn(figure)[0].get_array().shape == (2, 9)
    assert labels(figure.axes[0].xaxis) == [t.text for t in trace.tokens]


def test_a_token_that_is_not_there(trace):
    with pytest.raises(InputError, match="no token reads 'fun'; close to it are: 'funny'"):
        plots.row(trace, "fun")
    with pytest.raises(
        InputError, match=r"no token reads 'zzz'; among 12 there are: '\[CLS\]', 'a', 'gripping'"
    ):
        plots.row(trace, "zzz")
    with pytest.raises(InputError, match="token 12 is out of range: there are 12"):
        plots.row(trace, 12)
    with pytest.raises(
        InputError, match=r"token must be an integer, 0 to 11 or .*, or a token's text, not 1\.5"
    ):
        plots.row(trace, 1.5)


# -- any of them ----------------------------------------------------------------------------------------------


def test_a_figure_into_given_axes():
    figure, axes = plt.subplots(1, 3)
    trace = text(6)
    assert plots.head(trace, 0, 0, ax=axes[0]) is figure
    assert plots.average(trace, ax=axes[1]) is figure
    assert plots.row(trace, 0, ax=axes[2]) is figure
    assert plt.fignum_exists(figure.number)
    assert axes[0].get_title(loc="left") == "Layer 0, head 0"
    assert figure._suptitle is None
    plt.close(figure)


def test_a_figure_into_a_subfigure():
    figure = plt.figure()
    ax = figure.subfigures(1, 2)[1].subplots()
    assert plots.head(text(6), 0, 0, ax=ax) is figure
    plt.close(figure)


def test_axes_have_a_size_already():
    figure, ax = plt.subplots()
    with pytest.raises(InputError, match="figsize is the size of a new figure"):
        plots.head(text(4), 0, 0, ax=ax, figsize=(3, 3))
    with pytest.raises(InputError, match="ax must be one matplotlib Axes, not Figure"):
        plots.head(text(4), 0, 0, ax=figure)
    plt.close(figure)


def test_figsize_is_kept_and_labels_are_thinned_to_it():
    figure = plots.head(text(40), 0, 0, figsize=(3, 3))
    assert tuple(figure.get_size_inches()) == (3, 3)
    assert len(labels(figure.axes[0].yaxis)) <= 20
    assert len(labels(plots.head(text(40), 0, 0).axes[0].yaxis)) == 40


def test_no_figure_stays_open(trace):
    before = plt.get_fignums()
    plots.heads(trace)
    plots.grid(trace)
    plots.head(trace, 0, 0)
    plots.row(trace, 0)
    assert plt.get_fignums() == before


def test_labels_are_plain_text():
    trace = Trace(
        text(4).layers, tokens=tuple(Token(t) for t in ("$x$", "$y_1$", "\n", " and")), model="$m$ $n$"
    )
    figure = plots.head(trace, 0, 0)
    assert labels(figure.axes[0].xaxis) == ["$x$", "$y_1$", "↵", "and"]
    figure.draw_without_rendering()
    assert not any(tick.get_parse_math() for tick in figure.axes[0].get_xticklabels())
    assert not figure._supxlabel.get_parse_math()


def test_a_trace_without_tokens_numbers_its_positions():
    figure = plots.head(one_layer(weights(1, 3, 3)), 0, 0)
    assert labels(figure.axes[0].yaxis) == ["0", "1", "2"]


@pytest.mark.parametrize(
    "draw", [plots.heads, plots.grid, plots.average, lambda t: plots.head(t, 0, 0), lambda t: plots.row(t, 0)]
)
def test_something_else_than_a_trace(draw):
    with pytest.raises(InputError, match=r"takes one trace, not list: .*traces\[0\]"):
        draw([text(4)])
    with pytest.raises(InputError, match=r"takes one trace, not str: .*lens\.trace"):
        draw("a text")
    with pytest.raises(InputError, match="nothing to draw: the trace has no attention weights"):
        draw(Trace(()))


@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        (3, 0, "layer 3 is out of range: there are 3, numbered 0 to 2"),
        (0, -5, "head -5 is out of range: there are 4, numbered 0 to 3"),
        (0, True, "head must be an integer, 0 to 3 or negative from the end, not True"),
        ("last", 0, "layer must be an integer, .* not 'last'"),
    ],
)
def test_a_head_that_is_not_there(layer, head, message):
    with pytest.raises(InputError, match=message):
        plots.head(text(4), layer, head)


def test_a_layer_without_weights():
    empty, full = (Layer("a layer", "self", Weights(torch.zeros(2, n, n)), "other", "other") for n in (0, 4))
    with pytest.raises(InputError, match=r"layer 0 holds no weights: its shape is \[2, 0, 0\]"):
        plots.heads(Trace((empty, full)), 0)
    with pytest.raises(InputError, match="nothing to draw: the trace has no attention weights"):
        plots.heads(Trace((empty,)))


def test_weights_are_taken_through_the_interface_alone():
    class Elsewhere(Attention):
        """Attention that is stored nowhere."""

        heads, queries, keys = 2, 3, 3
        device, dtype = torch.device("cpu"), torch.float32
        masked_rows = torch.zeros(3, dtype=torch.bool)

        def block(self, heads, rows, cols):
            return torch.full((len(heads), len(rows), len(cols)), 1 / 3)

    for draw in (plots.heads, plots.grid, plots.average, lambda t: plots.row(t, 0)):
        assert np.allclose(numbers(drawn(draw(one_layer(Elsewhere())))[0]), 1 / 3)
