"""Figures in other colours: cmap= is what is drawn with, and what the captions say stays true."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba

import attnlens as al
from attnlens import plots
from attnlens.errors import InputError

TEXT = "a gripping , funny film"
WORDS = ("dark is much", "blue", "violet", "the darker")


@pytest.fixture(scope="module")
def made():
    text, vision = al.load("sentiment"), al.load("minivit")
    picture = al.models.sample_images()["cat"]
    return {
        "text": text.trace(TEXT),
        "image": vision.trace(picture),
        "signed": text.attribute(TEXT, method="gradient_x_input"),
        "unsigned": text.attribute(TEXT, method="rollout"),
        "pixels": vision.attribute(picture, method="gradient_x_input"),
        "heat": vision.attribute(picture, method="grad_cam"),
    }


FIGURES = {
    "head": lambda made, **o: plots.head(made["text"], 1, 2, **o),
    "average": lambda made, **o: plots.average(made["text"], **o),
    "row": lambda made, **o: plots.row(made["text"], 1, **o),
    "heads": lambda made, **o: plots.heads(made["text"], **o),
    "grid": lambda made, **o: plots.grid(made["text"], **o),
    "stats": lambda made, **o: plots.stats(made["text"], **o),
    "patches": lambda made, **o: plots.patches(made["image"], **o),
    "layers": lambda made, **o: plots.layers(made["image"], **o),
    "tokens": lambda made, **o: made["signed"].plot(**o),
    "tokens without a sign": lambda made, **o: made["unsigned"].plot(**o),
    "pixels": lambda made, **o: made["pixels"].plot(**o),
    "pixels without a sign": lambda made, **o: made["heat"].plot(**o),
    "rollout": lambda made, **o: plots.rollout(made["text"], **o),
    "rollout of an image": lambda made, **o: plots.rollout(made["image"], **o),
    "map of heads": lambda made, **o: plots.head_map(al.analysis.head_distance(made["text"]), **o),
    "comparison": lambda made, **o: plots.compare(al.compare(made["text"], made["text"].renormalize()), **o),
    "texts": lambda made, **o: plots.attributions([made["signed"], made["unsigned"]], **o),
    "images": lambda made, **o: plots.attributions([made["pixels"], made["heat"]], **o),
}


def painted(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def said(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_in_other_colours(made, name):
    usual, other = FIGURES[name](made), FIGURES[name](made, cmap="viridis")
    drawn = painted(other)
    assert (painted(usual) != drawn).any()
    assert (drawn == painted(FIGURES[name](made, cmap=plt.colormaps["viridis"]))).all()
    assert not any(word in said(other) for word in WORDS)


@pytest.mark.parametrize("name", ["tokens", "texts"])
def test_the_strongest_token_has_the_last_colour_of_the_map(made, name):
    faces = [text.get_bbox_patch() for text in FIGURES[name](made, cmap="PuOr").findobj(plt.Text)]
    faces = {patch.get_facecolor() for patch in faces if patch is not None}
    scores = made["signed"].scores
    end = 1.0 if float(scores.max()) == float(scores.abs().max()) else 0.0
    assert to_rgba(plt.colormaps["PuOr"](end)) in faces


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("cmap", ["viridsi", 3, "blue"])
def test_what_is_no_colour_map(made, name, cmap):
    before = plt.get_fignums()
    with pytest.raises(
        InputError, match=f"cmap must be a colour map of matplotlib .* not {cmap!r}"
    ) as caught:
        FIGURES[name](made, cmap=cmap)
    assert ("Nearest: viridis" in str(caught.value)) == (cmap == "viridsi")
    assert plt.get_fignums() == before  # raised before anything is drawn
