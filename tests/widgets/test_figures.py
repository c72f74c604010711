"""A view as a figure, and the picture beside it where no widget is shown."""

import base64
import io
import subprocess
import sys
from contextlib import nullcontext

import nbformat
import numpy as np
import pytest
import torch
from ipywidgets import embed
from matplotlib import pyplot
from matplotlib.figure import Figure
from nbconvert import HTMLExporter, MarkdownExporter
from PIL import Image

import attnlens as al
from attnlens.analysis._alignment import with_replacements
from attnlens.data._attention import Factors, Weights, Windows
from attnlens.data._trace import Layer, Trace
from attnlens.errors import InputError
from attnlens.plots import _lines
from attnlens.widgets import _attention, _figures, _still
from attnlens.widgets._tiles import HeadSelection, Tiles

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def trace(lens):
    return lens.trace(TEXT)


def titles(figure) -> str:
    return " ".join([figure.get_suptitle(), *(ax.get_title(loc="left") for ax in figure.axes)])


def test_a_matrix_is_that_of_the_view_with_what_is_selected(trace):
    view = al.AttentionView(trace, layer=5, heads=[3, 9], mode="matrix", query=2, key=8)
    ax = view.figure().axes[0]
    expected = trace[5, [3, 9]].mean(0).numpy()
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(expected, abs=1e-6)
    assert titles(view.figure()).startswith("Layer 5, mean of 2 heads")
    assert [round(patch.get_y() if n == 0 else patch.get_x(), 1) for n, patch in enumerate(ax.patches)] == [
        1.5,
        7.5,
    ]


def test_a_mean_over_layers_is_named_as_such(trace):
    view = al.AttentionView(trace, heads=9, layer=0, layers=list(range(6)), mode="matrix")
    expected = torch.stack([trace[n, 9] for n in range(6)]).mean(0).numpy()
    assert np.asarray(view.figure().axes[0].images[0].get_array()) == pytest.approx(expected, abs=1e-6)
    assert titles(view.figure()).startswith("Mean of 6 layers, head 9")


def test_hidden_special_tokens_are_not_in_the_figure(trace):
    view = al.AttentionView(trace, layer=5, heads=9, mode="matrix", hide_special=True)
    ax = view.figure().axes[0]
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(
        trace.renormalize()[5, 9][1:-1, 1:-1].numpy(), abs=1e-6
    )
    assert next(iter(ax.get_yticklabels())).get_text() == "a"


def test_lines_are_lines_until_there_are_too_many_tokens(trace, lens):
    assert titles(al.AttentionView(trace, layer=5, heads=[1, 2]).figure()).startswith("Layer 5, 2 heads")
    assert titles(al.AttentionView(trace, layer=5, heads=[1, 2], mean=True).figure()).startswith(
        "Layer 5, mean of 2 heads"
    )
    assert not al.AttentionView(trace).figure().axes[0].images
    assert _attention.MOST_LINES == _lines.MOST
    long = al.AttentionView(lens.trace("good " * 70), mode="lines")
    assert long.figure().axes[0].images


def test_lines_follow_the_threshold_and_the_logarithm(trace):
    view = al.AttentionView(trace, layer=5, heads=9)
    weights = trace[5, 9].numpy()

    def drawn(**given):
        for name, value in given.items():
            setattr(view, name, value)
        figure = view.figure()
        (curves,) = figure.axes[0].collections
        legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        return len(curves.get_paths()), curves.get_linewidths(), legend, figure.texts[-1].get_text()

    count, linear, *_ = drawn()
    assert count == (weights >= 0.01 * weights.max()).sum()
    count, _, legend, caption = drawn(threshold=0.2)
    assert (count, len(legend)) == ((weights >= 0.2).sum(), 2)
    assert "weights below 0.2 are omitted" in caption
    count, widths, legend, caption = drawn(threshold=0.0, log=True)
    assert count == (weights >= 1e-4).sum()
    assert np.median(widths) > np.median(linear)
    assert legend[1] == f"{(1e-4 * weights.max()) ** 0.5:.2g}"
    assert "logarithmic scale" in caption


def test_a_matrix_follows_the_threshold_and_the_logarithm(trace):
    view = al.AttentionView(trace, layer=5, heads=9, mode="matrix", threshold=0.2, log=True)
    figure = view.figure()
    weights, image = trace[5, 9].numpy(), figure.axes[0].images[0]
    assert np.ma.filled(image.get_array(), 0) == pytest.approx(np.where(weights < 0.2, 0, weights), abs=1e-6)
    assert float(image.norm(np.sqrt(1e-4 * weights.max()))) == pytest.approx(0.5)
    assert "logarithmic scale" in figure.texts[-1].get_text()


def test_a_long_trace_is_pooled_as_the_view_is():
    torch.manual_seed(0)
    factors = Factors(torch.randn(2, 2000, 8), torch.randn(2, 2000, 8), 1.0)
    tiles = Tiles(Trace(layers=(Layer("one", "self", factors),)))
    for pool in ("max", "mean"):
        values, size = _figures.pooled_selection(tiles, HeadSelection(0, (0, 1), pool=pool), 900)
        whole = factors[:].mean(0)
        block = whole[8:12, 4:8]
        assert size == 4
        assert values[2, 1] == pytest.approx(float(block.max() if pool == "max" else block.mean()), rel=1e-5)
        assert values.shape == (500, 500)


def test_heads_are_the_patterns_or_the_statistic_with_the_selected_ones_framed(trace):
    assert titles(al.HeadsView(trace).figure()).startswith("Every head of every layer")
    view = al.HeadsView(trace, by="entropy", layer=2, heads=[1, 4])
    figure = view.figure()
    assert titles(figure).startswith("Every head: entropy")
    assert [patch.get_xy() for patch in figure.axes[0].patches] == [(0.5, 1.5), (3.5, 1.5)]


def no_weights(*_: object):
    raise AssertionError("weights were read")


def test_the_figure_of_every_head_reads_no_weights_again(trace, monkeypatch):
    patterns, statistic = al.HeadsView(trace), al.HeadsView(trace, by="entropy")
    expected = trace[5, 9].numpy()
    for kind in (Factors, Weights):
        monkeypatch.setattr(kind, "block", no_weights)
    drawn = np.ma.filled(patterns.figure().axes[0].images[5 * 12 + 9].get_array(), 0)
    assert drawn == pytest.approx(expected, abs=1e-3)
    numbers = np.asarray(statistic.figure().axes[0].images[0].get_array())
    assert numbers == pytest.approx(np.array(statistic.stats["entropy"]))


def test_the_figure_of_an_image_is_what_the_view_shows():
    trace = al.load("cifar").trace(al.models.sample_images()["chelsea"])
    for whole, words in ((False, "attention of the class token"), (True, "query down, key across")):
        view = al.HeadsView(trace, whole=whole)
        figure = view.figure()
        assert words in " ".join(text.get_text() for text in figure.texts)
        assert list(figure.axes[0].images[0].get_array().shape) == view.sizes[0][1:]


def test_of_a_long_trace_the_figure_says_which_queries_are_drawn():
    factors = Factors(torch.randn(1, 8200, 2), torch.randn(1, 8200, 2), 1.0)
    figure = al.HeadsView(Trace(layers=(Layer("one", "self", factors),))).figure()
    assert "rows are 32 queries, evenly spaced" in " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    "view", [al.AttentionView, lambda t: al.CompareView(t, layer=0, head=0, other_head=0)]
)
def test_a_view_whose_picture_would_take_long_is_shown_without_it(view, monkeypatch):
    factors = Factors(torch.randn(1, 8200, 2), torch.randn(1, 8200, 2), 1.0)
    shown = view(Trace(layers=(Layer("one", "self", factors),)))
    drawn = []
    monkeypatch.setattr(type(shown), "figure", lambda self: drawn.append(self))
    data = shown._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert not drawn
    assert "image/png" not in data
    assert "layer=0" in data["text/plain"]


def test_a_comparison_has_both_heads_and_their_difference(lens, trace):
    other = lens.trace("a gripping , dull film .")
    view = al.CompareView(trace, other, layer=5, head=9)
    figure = view.figure()
    pairs = with_replacements(al.compare(trace, other).alignment, len(trace.tokens), len(other.tokens))
    rows_a, rows_b = (list(at) for at in zip(*pairs))
    expected = (other[5, 9, rows_b, rows_b] - trace[5, 9, rows_a, rows_a]).numpy()
    assert np.asarray(figure.axes[2].images[0].get_array()) == pytest.approx(expected, abs=1e-6)
    labels = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert labels == ["[CLS]", "a", "gripping", ",", "funny→dull", "film", ".", "[SEP]"]
    image = al.load("cifar").trace(al.models.sample_images()["chelsea"])
    assert len([ax for ax in al.CompareView(trace, image).figure().axes if ax.images]) == 2


def test_tokens_are_those_of_the_chosen_level(lens):
    view = al.TokensView(lens, "an unfunny film", "negative", method="gradient", level="word")
    drawn = {text.get_text() for text in view.figure().axes[0].texts}
    assert "unfunny" in drawn
    assert "Why negative?" in " ".join(text.get_text() for text in view.figure().texts)


def test_patches_are_the_attention_and_the_maps_beside_it():
    view = al.PatchView(
        al.load("cifar"), al.models.sample_images()["chelsea"], layer=4, heads=1, query=(2, 5)
    )
    figure = view.figure()
    assert titles(figure).startswith("Attention of patch (2, 5)")
    names = [ax.get_title() for ax in figure.axes]
    assert names[1:5] == ["layer 4, head 1", "rollout", "gradient", "relevance"]
    row = view._trace[4, 1, 1 + 2 * 8 + 5, 1:].reshape(8, 8)
    assert np.asarray(figure.axes[1].images[-1].get_array()) == pytest.approx(row.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "made",
    [
        lambda t, n: al.AttentionView(t),
        lambda t, n: al.HeadsView(t, by="entropy"),
        lambda t, n: al.Explorer(n, TEXT),
    ],
)
def test_every_output_has_a_picture_and_a_text_beside_the_live_view(trace, lens, made):
    bundle = made(trace, lens)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert len(data["image/png"]) <= _still.LARGEST
    assert Image.open(io.BytesIO(data["image/png"])).width > 300
    assert "layer=" in data["text/plain"]


def lens_of_t5():
    return al.Lens(tiny.t5(), tiny.metaspace()).trace(TEXT)


def layer_of_windows():
    windows = Windows(tuple(Weights(torch.full((2, 3, 3), 1 / 3)) for _ in range(2)))
    return Trace((Layer("of windows", "self", windows),))


def layer_of_grouped_queries():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(4, 7, 3, generator=generator), torch.randn(2, 7, 3, generator=generator)
    return Trace((Layer("of groups", "self", Factors(query, key, 0.6)),))


@pytest.mark.parametrize(
    ("made", "layer"), [(lens_of_t5, 3), (layer_of_windows, 0), (layer_of_grouped_queries, 0)]
)
def test_layers_of_every_kind_have_a_figure(made, layer):
    trace = made()
    view = al.AttentionView(trace, layer=layer, heads=1, mode="matrix")
    shown = np.ma.filled(view.figure().axes[0].images[0].get_array(), 0)
    assert np.allclose(shown, trace[layer][1], atol=1e-6)
    assert len(al.HeadsView(trace).figure().axes[0].images) == sum(len(one) for one in trace)
    two = al.CompareView(trace, layer=layer, head=0, other_layer=layer, other_head=1).figure()
    assert np.allclose(np.ma.filled(two.axes[1].images[0].get_array(), 0), trace[layer][1], atol=1e-6)


def test_a_layer_without_heads_is_an_error_that_says_so():
    trace = Trace(
        (
            Layer("empty", "self", Weights(torch.zeros(0, 3, 3))),
            Layer("full", "self", Weights(torch.eye(3)[None])),
        )
    )
    with pytest.raises(InputError, match="head 0 is out of range: there is none"):
        al.AttentionView(trace, layer=0, heads=0)
    with pytest.raises(InputError, match="layer 0 holds no weights"):
        al.HeadsView(trace).figure()


def noise(inches: float) -> Figure:
    """A figure of what no file format makes small."""
    figure = Figure((inches, inches))
    ax = figure.subplots()
    ax.imshow(np.random.default_rng(0).random((900, 900)), cmap="viridis", interpolation="nearest")
    return figure


def test_a_figure_is_drawn_once_and_a_large_one_small(monkeypatch):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda figure, *a: (drawn.append(figure.dpi), draw(figure, *a)))
    figure = Figure((28, 4))
    figure.subplots().plot([1, 2])
    assert Image.open(io.BytesIO(_still.png(figure))).width <= 1500
    assert drawn == [50]
    assert _still.LARGEST / 2 < len(_still.png(noise(5))) <= _still.LARGEST
    assert len(drawn) == 2
    assert _still.png(noise(28)) is None  # what stays too large is left out


def test_the_picture_beside_a_view_does_not_wait_for_seaborn():
    """Whose import takes longer than the view."""
    code = (
        "import sys, torch, attnlens as al; from attnlens.data import Factors, Layer\n"
        "trace = al.Trace((Layer('one', 'self', Factors(*torch.randn(2, 2, 80, 8), 1.0)),))\n"
        "assert 'image/png' in str(al.AttentionView(trace)._repr_mimebundle_())\n"
        "assert not {'seaborn', 'scipy.stats'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_converted_notebook_shows_the_picture_or_with_saved_state_the_live_view(trace):
    view = al.AttentionView(trace)
    data, metadata = view._repr_mimebundle_(), {}
    data, metadata = data if isinstance(data, tuple) else (data, metadata)
    assert "text/html" not in data  # which GitHub would show instead of the picture
    picture = base64.b64encode(data["image/png"]).decode()
    data = data | {"image/png": picture}
    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert picture in page
    assert view.model_id not in page
    assert "![png]" in MarkdownExporter().from_notebook_node(notebook)[0]
    states = {"state": embed.dependency_state(view), "version_major": 2, "version_minor": 0}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": states}
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert picture not in page
    assert f'"model_id": "{view.model_id}"' in page


def test_no_figure_stays_in_memory(trace):
    before = pyplot.get_fignums()  # of other tests in this process
    al.AttentionView(trace)._repr_mimebundle_()
    al.CompareView(trace, trace)._repr_mimebundle_()
    assert pyplot.get_fignums() == before


def nothing_to_draw(view: object):
    raise InputError("there is nothing to draw")


@pytest.mark.parametrize(
    ("drawing", "warning"),
    [
        (lambda view: 1 / 0, pytest.warns(RuntimeWarning, match="no picture beside it: ZeroDivisionError")),
        (nothing_to_draw, nullcontext()),
    ],
)
def test_a_picture_that_cannot_be_drawn_leaves_the_live_view(trace, monkeypatch, drawing, warning):
    view = al.AttentionView(trace)
    monkeypatch.setattr(type(view), "figure", drawing)
    with warning:
        data = view._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert "image/png" not in data
    assert "application/vnd.jupyter.widget-view+json" in data
