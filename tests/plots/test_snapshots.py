"""Figures look as they did: each function below returns one, and its picture lies in tests/snapshots.

A figure is rendered small and with matplotlib's own fonts, then compared in cells of 4 x 4 pixels, so that smoother
or rougher edges pass and a moved label, another colour or a missing panel does not. A picture that differs is
written to the test's temporary folder, beside the snapshot and their difference; the message names the file. After
a change that is meant, renew them, look at what changed, and commit:

    ATTNLENS_RENEW_SNAPSHOTS=1 python -m pytest tests/plots/test_snapshots.py -n 0
"""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageChops

import attnlens as al
from attnlens import models, plots
from attnlens.analysis._compare import compare

from .made import attribution, causal, crossing, image, text, weights

FOLDER = Path(__file__).parent.parent / "snapshots"
RENEW = bool(os.environ.get("ATTNLENS_RENEW_SNAPSHOTS"))

DPI = 50
CELL = 4
MEAN, LARGEST = 1.0, 64.0
"""Tolerances in grey levels of 255: the mean difference of all cells, and the largest of a single one."""

MOST_BYTES = 600_000
"""Of all snapshots together."""

SNAPSHOTS: dict[str, Callable[[], Figure]] = {}


def snapshot(draw: Callable[[], Figure]) -> Callable[[], Figure]:
    SNAPSHOTS[draw.__name__] = draw
    return draw


# -- of seeded traces -----------------------------------------------------------------------------------------


@snapshot
def head_of_a_short_text():
    return plots.head(text(8), 1, 0)


@snapshot
def head_of_a_decoder():
    return plots.head(causal(16), 0, 1)


@snapshot
def head_of_a_long_text():
    return plots.head(text(400, heads=2, layers=1), 0, 0)


@snapshot
def heads_of_a_long_text():
    return plots.heads(text(120, heads=6, layers=1))


@snapshot
def heads_of_cross_attention():
    return plots.heads(crossing())


@snapshot
def grid_of_a_decoder():
    return plots.grid(causal(30, heads=6, layers=4))


@snapshot
def grid_of_an_image():
    return plots.grid(image())


@snapshot
def average_of_all_heads():
    return plots.average(text(60))


@snapshot
def row_of_a_token():
    return plots.row(text(20, layers=6), "dull")


@snapshot
def rollout_of_a_long_text():
    return plots.rollout(text(100, layers=2), -1)


@snapshot
def tokens_of_a_long_text():
    return plots.tokens(attribution(120))


@snapshot
def tokens_of_hebrew():
    return plots.tokens(attribution("[CLS] הסרט הזה מצחיק ויפה אבל הסוף ארוך מדי [SEP]".split()))


@snapshot
def patches_of_heads():
    return plots.patches(image(), [0, 3], (1, 2), head=range(3))


@snapshot
def stats_of_a_text():
    return plots.stats(text(12, heads=8, layers=6), "entropy")


@snapshot
def map_of_heads():
    """Of points that lie in a plane, so that any good way to map them finds them."""
    heads = pd.MultiIndex.from_product([range(6), range(8)], names=["layer", "head"])
    places = np.random.default_rng(0).normal(size=(48, 2)) * (0.2, 0.1)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    return plots.head_map(pd.DataFrame(apart, index=heads, columns=heads))


@snapshot
def comparison_of_two_texts():
    a = text(10, heads=6)
    layers = tuple(
        type(one)(one.name, "self", weights(6, 10, 10, seed=50 + i)) for i, one in enumerate(a.layers)
    )
    return plots.compare(compare(a, type(a)(layers, tokens=a.tokens, model="another model")))


# -- of the embedded models -----------------------------------------------------------------------------------


SENTENCE = "a gripping , funny film with one dull stretch ."


@snapshot
def sentiment_tokens():
    return plots.tokens(al.load("sentiment").attribute(SENTENCE, target="positive"))


@snapshot
def sentiment_heads():
    return plots.heads(al.load("sentiment").trace(SENTENCE))


@snapshot
def sentiment_methods():
    methods = ["integrated_gradients", "leave_one_out", "relevance"]
    return al.load("sentiment").explain(SENTENCE, methods, "positive", level="word").plot()


@snapshot
def cifar_pixels():
    return plots.pixels(
        al.load("cifar").attribute(models.sample_images()["chelsea"], method="gradient_x_input")
    )


@snapshot
def cifar_layers():
    return plots.layers(al.load("cifar").trace(models.sample_images()["chelsea"]))


# -- comparing ------------------------------------------------------------------------------------------------


def rendered(figure: Figure) -> Image.Image:
    """The picture, small, in few colours."""
    held = BytesIO()
    figure.savefig(held, dpi=DPI, facecolor="white")
    return Image.open(held).convert("RGB").quantize(64, dither=Image.Dither.NONE)


def cells(picture: Image.Image) -> np.ndarray:
    """`[row, column, 3]`: the mean colour of every CELL x CELL pixels."""
    size = (picture.width // CELL, picture.height // CELL)
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX), dtype=float)


def differs(one: Image.Image, other: Image.Image) -> str:
    """How two pictures differ beyond the tolerance, in words; "" where they do not."""
    if one.size != other.size:
        return f"the size is {one.size}, not {other.size}"
    apart = np.abs(cells(one) - cells(other)).max(-1)
    if apart.mean() <= MEAN and apart.max() <= LARGEST:
        return ""
    return f"cells differ by {apart.mean():.2f} in the mean and {apart.max():.0f} at most"


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in a row."""
    page = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        page.paste(picture.convert("RGB"), (left, 0))
        left += picture.width
    return page


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_figure_is_unchanged(name, tmp_path):
    with mpl.rc_context({"font.sans-serif": ["DejaVu Sans"], "font.monospace": ["DejaVu Sans Mono"]}):
        found = rendered(SNAPSHOTS[name]())
    path = FOLDER / f"{name}.png"
    if RENEW:
        found.save(path, optimize=True)
    assert path.is_file(), f"no snapshot {path.name}; look at the figure and renew (see the top of this file)"
    kept = Image.open(path)
    said = differs(found, kept)
    if said:
        pictures = [found, kept]
        if found.size == kept.size:
            pictures.append(ImageChops.difference(found.convert("RGB"), kept.convert("RGB")))
        beside(pictures).save(tmp_path / f"{name}.png")
    assert not said, f"{said}; found, kept and difference: {tmp_path / f'{name}.png'}"


@pytest.mark.parametrize("name", ["map_of_heads", "sentiment_tokens", "patches_of_heads", "tokens_of_hebrew"])
def test_a_figure_that_nobody_keeps_is_gone(name):
    """A hundred figures in a loop take the room of one: neither pyplot nor the package holds them."""
    open_before, figure = plt.get_fignums(), weakref.ref(SNAPSHOTS[name]())
    gc.collect()
    assert figure() is None
    assert plt.get_fignums() == open_before


def test_every_snapshot_has_its_figure_and_all_are_small():
    kept = sorted(FOLDER.glob("*.png"))
    assert {path.stem for path in kept} == set(SNAPSHOTS)
    assert sum(path.stat().st_size for path in kept) < MOST_BYTES
    assert all(Image.open(path).mode == "P" for path in kept)


def test_what_the_comparison_lets_pass_and_what_not():
    figure = plots.head(text(8), 1, 0)
    same = rendered(figure)
    assert not differs(same, rendered(plots.head(text(8), 1, 0)))
    figure.axes[0].xaxis.set_visible(False)
    assert "cells differ" in differs(same, rendered(figure))
    assert "cells differ" in differs(same, rendered(plots.head(text(8), 1, 1)))
    assert "the size is" in differs(same, rendered(plots.head(text(9), 1, 0)))
