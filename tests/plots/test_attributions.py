"""Attributions over pictures and beside each other: what is drawn is read back from the figure."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.collections import QuadMesh

from attnlens import plots
from attnlens.attribution import Target
from attnlens.attribution._result import ImageAttribution, TextAttribution
from attnlens.data._trace import Prediction, Token
from attnlens.errors import InputError
from attnlens.plots._attributions import STRONG, _error

from .made import bars, panels, said


def of_image(seed: int = 0, **changes) -> ImageAttribution:
    """Scores of 12 x 16 pixels, of which the model saw the middle of a picture of 30 x 40."""
    scores = torch.randn(12, 16, generator=torch.Generator().manual_seed(seed))
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    made = dict(
        scores=scores, target=Target("cat", 1), prediction=Prediction("cat", 1, 0.93), method="gradient_x_input",
        value=2.0, change=1.0, gap=0.012, seen=picture[3:27, 4:36], image=picture, box=(4.0, 3.0, 36.0, 27.0),
        model="a ViT",
    )  # fmt: skip
    return ImageAttribution(**(made | changes))


def of_text(count: int = 6, seed: int = 0, **changes) -> TextAttribution:
    made = dict(
        scores=torch.randn(count, generator=torch.Generator().manual_seed(seed)), target=Target("good", 1),
        tokens=tuple(Token(f"word{i}") for i in range(count)), prediction=Prediction("good", 1, 0.9), value=2.0,
        method="leave_one_out", model="a BERT", change=1.0, gap=0.0,
    )  # fmt: skip
    return TextAttribution(**(made | changes))


def maps(figure) -> list[np.ndarray]:
    """The colours `[row, column, rgba]` that lie over pictures."""
    return [ax.images[1].get_array() for ax in panels(figure) if len(ax.images) == 2]


# -- over a picture -------------------------------------------------------------------------------------------


def test_blue_supports_and_red_opposes():
    one = of_image()
    (drawn,) = maps(plots.pixels(one))
    strong = one.scores.abs() > 0.5
    for red, _, blue, _ in drawn[(strong & (one.scores > 0)).numpy()]:
        assert blue > red
    for red, _, blue, _ in drawn[(strong & (one.scores < 0)).numpy()]:
        assert red > blue
    assert drawn[..., 3].max() == pytest.approx(STRONG)


def test_the_scale_ends_at_the_percentile_and_is_symmetric():
    one = of_image()
    one.scores[0, 0] = 1000.0
    end = np.percentile(np.abs(one.scores.numpy()), 99)
    figure = plots.pixels(one)
    (bar,) = bars(figure)
    assert bar.get_ylim() == pytest.approx((-end, end))
    assert f"99th percentile of |score|, {end:.2g}" in said(figure)
    assert "gradient × input; completeness gap 1.2%" in said(figure)


def test_without_a_sign_the_scale_begins_at_zero():
    one = of_image(scores=torch.rand(12, 16), signed=False, gap=None, change=None)
    figure = plots.pixels(one)
    (bar,) = bars(figure)
    assert bar.get_ylim()[0] == 0
    assert bar.get_ylabel() == "importance, no unit"
    (drawn,) = maps(figure)
    order = one.scores.flatten().argsort()
    assert drawn[..., 3].ravel()[order[0]] < drawn[..., 3].ravel()[order[-1]]


def test_scores_lie_in_the_box_and_a_frame_shows_it():
    ax = panels(plots.pixels(of_image()))[1]
    assert tuple(ax.images[1].get_extent()) == (4, 36, 27, 3)
    assert ax.get_xlim() == (0, 40)
    assert ax.get_ylim() == (30, 0)
    assert len(ax.patches) == 2
    assert not panels(plots.pixels(of_image(box=(0, 0, 40, 30))))[1].patches


@pytest.mark.parametrize("scores", [torch.zeros(4, 4), torch.full((4, 4), torch.nan), torch.ones(1, 1)])
def test_scores_that_are_all_alike_are_drawn(scores):
    plots.pixels(of_image(scores=scores)).draw_without_rendering()


def test_into_given_axes():
    figure, ax = plt.subplots()
    assert plots.pixels(of_image(), ax=ax) is figure
    assert ax.get_title(loc="left") == "Why cat?   Predicted: cat (0.93)"
    plt.close(figure)


def test_the_picture_then_one_panel_for_each():
    several = [of_image(seed) for seed in range(6)]
    figure = plots.attributions(several, titles=[f"method {n}" for n in range(6)])
    drawn = panels(figure)
    assert [ax.get_title() for ax in drawn] == ["input", *(f"method {n}" for n in range(6))]
    assert [len(ax.images) for ax in drawn] == [1, 2, 2, 2, 2, 2, 2]
    shown = [bar for bar in bars(figure) if bar.get_visible()]
    assert len(shown) == 6
    for bar, one in zip(shown, several):
        assert bar.get_xlim()[1] == pytest.approx(np.percentile(np.abs(one.scores.numpy()), 99))
        assert bar.get_xlabel() == "logit per pixel, gap 1.2%"
    figure.draw_without_rendering()
    tops = {round(ax.get_window_extent().y1) for ax in drawn[:4]}
    assert len(tops) == 1


def test_titles_name_the_target_where_there_are_several():
    several = [of_image(baseline="blur"), of_image(target=Target("dog", 2))]
    titles = [ax.get_title().replace("\n", " ") for ax in panels(plots.attributions(several))]
    assert titles[1:] == ["cat: gradient × input from blur", "dog: gradient × input"]
    assert said(plots.attributions(several)).startswith("Predicted: cat")
    assert said(plots.attributions(several[:1])).startswith("Why cat?")


def test_titles_say_what_differs_and_the_caption_what_does_not():
    of_classes = [of_image(baseline="blur"), of_image(target=Target("dog", 2), baseline="blur")]
    figure = plots.attributions(of_classes)
    assert [ax.get_title() for ax in panels(figure)][1:] == ["cat", "dog"]
    assert "a ViT  ·  gradient × input from blur  ·  model input" in said(figure)
    of_baselines = plots.attributions([of_image(baseline="blur"), of_image(baseline="black")])
    assert "a ViT  ·  model input" in said(of_baselines)
    lines = plots.attributions([of_text(), of_text(target=Target("bad", 0))])
    words = [text.get_text() for text in lines.axes[0].texts]
    assert [word for word in words if word in ("good", "bad")] == ["good", "bad"]
    assert any("a BERT  ·  leave one out  ·  each line" in word for word in words)


def test_the_caption_reads_the_colours_that_are_there():
    signed, ranked = of_image(), of_image(signed=False, gap=None)
    for several, blue, violet in (
        ([signed], True, False),
        ([ranked], False, True),
        ([signed, ranked], True, True),
    ):
        words = said(plots.attributions(several)).replace("\n", " ")
        assert ("blue supports the class" in words) == blue
        assert ("violet has no sign, darker is more important" in words) == violet


def test_pixels_without_a_sign_are_darker_where_the_score_is_larger():
    figure = plots.attributions([of_image(signed=False, gap=None)])
    colours = figure.findobj(QuadMesh)[0].get_cmap()
    none, half, most = (sum(colours(at)[:3]) for at in (0.0, 0.5, 1.0))
    red, green, blue, _ = colours(1.0)
    assert none > half > most
    assert green < red < blue  # violet


def test_pictures_that_differ_stand_in_their_own_panels():
    other = of_image(image=np.zeros((30, 40, 3), np.uint8))
    assert len(panels(plots.attributions([of_image(), other]))) == 2


def test_the_error_of_each_is_said():
    assert _error(of_image(complete=False)) == "logit per pixel, no fixed sum"
    assert _error(of_image(gap=None)) == "importance, no unit"
    assert _error(of_image(gap=0.3, tolerance=0.01)) == "logit per pixel, gap 30.0%, not converged"


# -- under each other -----------------------------------------------------------------------------------------


def chips(figure) -> list:
    return [text for text in figure.axes[0].texts if text.get_bbox_patch() is not None]


def test_equal_tokens_stand_in_columns():
    count, several = 40, [of_text(40, seed) for seed in range(3)]
    found = chips(plots.attributions(several))
    assert len(found) == 3 * count
    places: dict[str, set] = {}
    for chip in found:
        places.setdefault(chip.get_text(), set()).add(chip.get_position()[0])
    assert len(places) == count
    assert all(len(columns) == 1 for columns in places.values())
    rows = {chip.get_position()[1] for chip in found}
    assert len(rows) % 3 == 0


def test_tokens_that_differ_have_lines_of_their_own():
    figure = plots.attributions([of_text(3), of_text(50)])
    assert [chip.get_text() for chip in chips(figure)] == [f"word{i}" for n in (3, 50) for i in range(n)]


@pytest.mark.parametrize("count", [1, 11, 14, 40])
def test_lines_are_even(count):
    """As many lines as must be, and no last one of a single token."""
    places = [chip.get_position() for chip in chips(plots.attributions([of_text(count)]))]
    rows = [sum(place[1] == high for place in places) for high in sorted({place[1] for place in places})]
    assert sum(rows) == count
    assert len(rows) == {1: 1, 11: 1, 14: 2, 40: 4}[count]
    assert min(rows) >= max(rows) - 2


def test_colours_of_tokens():
    one, ranked = of_text(6), of_text(6, scores=torch.arange(6.0), signed=False, gap=None)
    found = chips(plots.attributions([one, ranked]))
    for chip, score in zip(found[:6], one.scores.tolist()):
        red, _, blue, _ = chip.get_bbox_patch().get_facecolor()
        if abs(score) > 0.2 * float(one.scores.abs().max()):
            assert (blue > red) == (score > 0)
    light = [sum(chip.get_bbox_patch().get_facecolor()[:3]) for chip in found[6:]]
    assert light == sorted(light, reverse=True)


def test_a_line_says_where_its_scale_ends():
    one = of_text(scores=torch.tensor([0.5, -3.014, 1.0, 0, 0, 0]))
    ranked = of_text(scores=torch.tensor([0.035, 0.0, 0.01, 0, 0, 0]), signed=False, gap=None)
    words = [text.get_text() for text in plots.attributions([one, ranked]).axes[0].texts]
    assert [text for text in words if text.startswith("up to")] == [
        "up to ±3.01 logit",
        "up to 0.035, no unit",
    ]
    none = of_text(scores=torch.tensor([0.0, float("nan"), 0, 0, 0, 0]))
    assert "all 0" in [text.get_text() for text in plots.attributions([none, ranked]).axes[0].texts]


def test_methods_have_their_proper_names_and_relevance_says_what_it_leaves_out():
    several = [
        of_image(method=name, signed=False, gap=None)
        for name in ("grad_cam_plus_plus", "grad_cam", "gradient")
    ]
    titles = [ax.get_title().replace("\n", " ") for ax in panels(plots.attributions(several))]
    assert titles[1:] == ["Grad-CAM++", "Grad-CAM", "gradient"]
    lines = plots.attributions([of_text(), of_text(method="relevance", signed=False, gap=None)])
    caption = " ".join(text.get_text() for text in lines.axes[0].texts).replace("\n", " ")
    assert "relevance shows only what supports the class" in caption


def test_nothing_leaves_the_page():
    figure = plots.attributions([of_text(60, seed) for seed in range(4)], titles=["a long name " * 3] * 4)
    figure.draw_without_rendering()
    for text in figure.axes[0].texts:
        area = text.get_window_extent()
        assert area.x0 >= 0
        assert area.y0 >= 0
        assert area.x1 <= figure.bbox.width
    first = min(chip.get_bbox_patch().get_window_extent().x0 for chip in chips(figure))
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith("a long name")]
    assert max(label.get_window_extent().x1 for label in labels) < first


# -- what is wrong ----------------------------------------------------------------------------------------------


def test_what_cannot_be_drawn():
    with pytest.raises(
        InputError, match=r"draws the attribution of one image, not TextAttribution: lens\.attribute"
    ):
        plots.pixels(of_text())
    for given, name in (([], "an empty list"), ([of_text(), of_image()], "ImageAttribution, TextAttribution"),
                        (of_image(), "ImageAttribution"), ([3], "int")):  # fmt: skip
        with pytest.raises(InputError, match=f"all of texts or all of images, not {name}"):
            plots.attributions(given)
    with pytest.raises(InputError, match="1 titles for 2 attributions; pass one for each"):
        plots.attributions([of_text(), of_text()], titles=["one"])
    with pytest.raises(InputError, match="figsize is the size of a new figure"):
        plots.pixels(of_image(), ax=plt.figure().add_subplot(), figsize=(3, 3))


def test_a_named_contrast_is_the_question():
    assert said(plots.pixels(replace(of_image(), target=Target("cat", 1, "dog", 2)))).startswith(
        "Why cat rather than dog?"
    )
