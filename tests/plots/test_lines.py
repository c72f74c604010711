"""Attention as lines: which there are, how thick, and what is refused."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

import attnlens as al
from attnlens import _palette
from attnlens.errors import InputError
from attnlens.plots import _lines


@pytest.fixture(scope="module")
def trace():
    return al.load("sentiment").trace("a gripping , funny film .")


def curves(figure) -> LineCollection:
    return next(one for one in figure.axes[0].collections if isinstance(one, LineCollection))


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_there_is_a_line_for_every_visible_weight_the_thickest_for_the_largest(trace):
    drawn, weights = curves(al.plots.lines(trace, 5, 9)), trace[5, 9].numpy()
    assert len(drawn.get_segments()) == int((weights >= _lines.FAINTEST * weights.max()).sum())
    widths = drawn.get_linewidths()
    assert np.all(np.diff(widths) >= 0)
    assert widths[-1] == pytest.approx(_lines.THICK)
    start, end = (drawn.get_segments()[-1][at][1] for at in (0, -1))
    assert (start, end) == np.unravel_index(weights.argmax(), weights.shape)


def test_both_sides_have_their_tokens_and_positions(trace):
    found = texts(al.plots.lines(trace, 0, 0))
    assert found.count("gripping") == 2
    assert found.count("query") == found.count("key") == 1
    assert found.count("7") == 2


def test_each_head_has_its_own_colour_as_in_the_views(trace):
    figure = al.plots.lines(trace, 5, [0, 9])
    colours = {tuple(one[:3]) for one in curves(figure).get_colors()}
    expected = {tuple(np.divide(_palette.rgb(_palette.head_colour(head)), 255)) for head in (0, 9)}
    assert {tuple(np.round(one, 4)) for one in colours} == {tuple(np.round(one, 4)) for one in expected}
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["head 0", "head 9"]


def test_many_lines_fade_by_their_rank(trace):
    alpha = curves(al.plots.lines(trace, 5)).get_alpha()
    full = _lines.PER_TOKEN * 8
    assert max(alpha) <= 1
    assert alpha[0] < 0.05
    one = curves(al.plots.lines(trace, 5, 9))
    assert np.asarray(one.get_alpha())[-1] == 1
    assert len(alpha) > 4 * full


def test_a_selected_token_is_alone(trace):
    weights = trace[5, [9]].numpy()
    sides = [(list(range(8)), list(trace.tokens))] * 2
    for marked, row in (((4, None), 0), ((None, 4), -1)):
        drawn = curves(_lines.drawn(weights, sides, ["red"], ["head 9"], ("", ""), marked=marked))
        assert {int(one[row][1]) for one in drawn.get_segments()} == {4}


def test_a_long_text_is_refused_with_what_draws_it():
    trace = al.load("sentiment").trace("good " * 70)
    with pytest.raises(InputError, match=r"plots.head\(trace, 0, 3\) draws a matrix of any length"):
        al.plots.lines(trace, 0, 3)
    with pytest.raises(InputError, match="out of range"):
        al.plots.lines(trace, 0, 12)
