"""Coloured text and bars: numbers, colours, order and wrapping are read back from the figure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.lines import Line2D

import attnlens as al
from attnlens import plots
from attnlens.errors import InputError

from .. import tiny
from .made import attribution, causal, labels, said, text

SENTENCE = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def chips(figure) -> list:
    """The tokens in a figure, without the line below them."""
    return figure.axes[0].texts[:-1]


def boxes(figure) -> np.ndarray:
    """`[token, 4]`: left, bottom, right, top of the coloured boxes in pixels."""
    figure.draw_without_rendering()
    return np.array([chip.get_bbox_patch().get_window_extent().extents for chip in chips(figure)])


def test_tokens_colours_by_sign(lens):
    attribution = lens.attribute(SENTENCE, target="positive")
    figure = plots.tokens(attribution)
    shades = {text.get_text(): text.get_bbox_patch().get_facecolor() for text in figure.axes[0].texts[:-1]}
    for token, score in zip(attribution.tokens, attribution.scores.tolist()):
        if abs(score) > 0.2 * attribution.scores.abs().max():
            red, _, blue, _ = shades[token.text]
            assert (blue > red) == (score > 0), token
    assert f"{attribution.gap:.1%}" in figure.axes[0].texts[-1].get_text()


def test_what_opposes_is_underlined_and_the_bar_says_so():
    one = attribution(4)
    one.scores[:] = torch.tensor([1.0, -0.5, -0.001, 0.2])
    figure = plots.tokens(one)
    (line,) = figure.axes[0].lines
    left, bottom, right, top = boxes(figure)[1]
    under = line.get_window_extent()
    assert left < under.x0 < under.x1 < right
    assert bottom < under.y0 < (bottom + top) / 2
    assert len(figure.findobj(Line2D, include_self=False)) > len(figure.axes[0].lines)
    assert not plots.tokens(replace(one, signed=False, scores=one.scores.abs())).axes[0].lines


@pytest.mark.parametrize("count", [1, 8, 60, 400])
def test_tokens_wrap_within_the_page_and_never_overlap(count):
    figure = plots.tokens(attribution(count))
    found = boxes(figure)
    width, height = figure.bbox.width, figure.bbox.height
    assert len(found) == count
    assert found.min() > 0
    assert found[:, 2].max() < width
    assert found[:, 3].max() < height
    bottom = figure.axes[0].texts[-1].get_window_extent().y1
    assert found[:, 1].min() > bottom - 1
    order = np.lexsort((found[:, 0], -found[:, 1].round()))
    assert order.tolist() == list(range(count))
    for one, other in pairwise(found):
        assert other[0] > one[2] or other[3] < one[1]


def test_the_line_below_does_not_reach_the_bar():
    for words in (8, ["[CLS]", chr(0xF0001)]):
        figure = plots.tokens(attribution(words))
        figure.draw_without_rendering()
        below = figure.axes[0].texts[-1].get_window_extent()
        assert below.x1 < min(
            text.get_window_extent().x0 for text in figure.texts if text.get_text() == "against"
        )
        assert below.y0 > 0


def test_a_narrow_page_has_more_lines():
    narrow = boxes(plots.tokens(attribution(30), figsize=(4, 5)))
    assert narrow[:, 2].max() < 400
    assert len(np.unique(narrow[:, 1].round())) > len(
        np.unique(boxes(plots.tokens(attribution(30)))[:, 1].round())
    )


def test_hebrew_runs_from_right_to_left():
    found = boxes(plots.tokens(attribution("[CLS] הסרט הזה מצחיק ויפה אבל הסוף ארוך מדי".split())))
    assert (np.diff(found[:, 0]) < 0).all()


def test_wide_characters_take_room(monkeypatch):
    monkeypatch.setattr("attnlens.plots._texts._fonts.readable", lambda text, most=None: text)
    wide, narrow = (plots._texts._wrap(["電影" * 4] * 30, 8), plots._texts._wrap(["ab" * 4] * 30, 8))
    assert len(wide) > len(narrow)


def test_tokens_into_given_axes():
    figure, ax = plt.subplots(figsize=(5, 4))
    assert plots.tokens(attribution(20), ax=ax) is figure
    assert ax.get_title(loc="left") == "Why negative?   Predicted: negative (0.93)"
    assert max(chip.get_window_extent().x1 for chip in ax.texts[:-1]) < 500
    assert ax.texts[-1].get_window_extent().x1 < 500
    plt.close(figure)


def test_an_attribution_that_did_not_converge_says_so():
    below = plots.tokens(replace(attribution(4), gap=0.2)).axes[0].texts[-1].get_text().replace("\n", " ")
    assert "completeness gap 20.0%, did not converge in 64 steps: raise max_steps" in below


def test_scores_of_zero_are_drawn():
    one = attribution(4)
    one.scores.zero_()
    faces = {chip.get_bbox_patch().get_facecolor() for chip in chips(plots.tokens(one))}
    assert len(faces) == 1


def test_something_else_than_an_attribution():
    with pytest.raises(InputError, match=r"draws one attribution, not Trace: lens\.attribute"):
        plots.tokens(text(4))


# -- rollout --------------------------------------------------------------------------------------------------


def widths(figure) -> list[float]:
    return [bar.get_width() for bar in figure.axes[0].patches]


def test_rollout_draws_the_row_without_itself(lens):
    trace = lens.trace(SENTENCE)
    figure = plots.rollout(trace)
    expected = al.rollout(trace, row=0)
    assert np.isnan(widths(figure)[0])
    assert np.allclose(widths(figure)[1:], expected[1:], atol=1e-6)
    assert f"itself: {float(expected[0]):.0%}" in said(figure)


def test_rollout_of_a_token_by_its_text_and_from_the_end():
    trace = causal(9)
    assert np.allclose(widths(plots.rollout(trace, -1))[:-1], al.rollout(trace, row=8)[:-1], atol=1e-6)
    at = [token.text for token in trace.tokens].index("lazy")
    assert np.allclose(widths(plots.rollout(trace, "lazy"))[:at], al.rollout(trace, row=at)[:at], atol=1e-6)


def test_of_a_long_text_the_strongest_are_drawn_in_order():
    trace = text(200, heads=2, layers=2)
    figure = plots.rollout(trace, 150)
    shares = al.rollout(trace, row=150)
    shares[150] = 0
    at = sorted(shares.topk(40).indices.tolist())
    assert np.allclose(widths(figure), shares[at], atol=1e-6)
    assert labels(figure.axes[0].yaxis) == [trace.tokens[i].text for i in at]
    assert f"the 40 strongest of 200 tokens, together {float(shares[at].sum()):.0%}" in said(figure)
    assert figure.get_figheight() < 12


def test_rollout_into_given_axes():
    figure, ax = plt.subplots()
    assert plots.rollout(text(6), ax=ax) is figure
    plt.close(figure)


def test_a_row_that_is_not_there():
    with pytest.raises(InputError, match="row 6 is out of range: there are 6"):
        plots.rollout(text(6), 6)


def test_rollout_of_a_decoder_is_of_its_last_token():
    trace = al.Lens(tiny.gpt2(), tiny.byte_level()).trace("see it go nowhere")
    last = len(trace.tokens) - 1
    assert np.allclose(widths(plots.rollout(trace))[:-1], al.rollout(trace, row=last)[:-1], atol=1e-6)
