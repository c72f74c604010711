"""Attributions as data: what they say of their error, as JSON, table, HTML and picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.attribution import Target
from attnlens.attribution._result import ImageAttribution, TextAttribution, as_json, gap_of
from attnlens.data._trace import Prediction, Token
from attnlens.errors import InputError

from .. import tiny

TOKENS = (
    Token("[CLS]", 2, special=True),
    Token("a", 7, start=0, end=1),
    Token("<b>", 8, start=2, end=5),
    Token("film", 9, start=6, end=10),
)


def text(**changes):
    given = {
        "scores": torch.tensor([0.0, 0.5, -2.0, 1.0]), "tokens": TOKENS, "text": ("a <b> film",),
        "target": Target("good", 1), "prediction": Prediction("bad", 0, 0.75),
        "method": "integrated_gradients", "baseline": "pad", "value": 1.25, "change": -0.5, "gap": 0.002,
        "estimated_error": 0.004, "steps": 17, "tolerance": 0.01, "model": "tiny",
    }  # fmt: skip
    return TextAttribution(**given | changes)


def image(**changes):
    scores = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    given = {
        "scores": scores, "target": Target("cat", 0), "prediction": None, "method": "gradient",
        "value": 0.5, "seen": np.zeros((4, 6, 3), np.uint8), "image": np.zeros((4, 6, 3), np.uint8),
        "box": (0.0, 0.0, 6.0, 4.0),
    }  # fmt: skip
    return ImageAttribution(**given | changes)


# -- the error ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "converged", "verdict"),
    [
        ({}, True, "completeness gap 0.2%"),
        ({"estimated_error": None}, True, "completeness gap 0.2%"),
        ({"tolerance": None}, None, "completeness gap 0.2%"),
        ({"gap": None}, None, "no unit: the scores only rank and do not sum to the change"),
        (
            {"gap": 0.05},
            False,
            "completeness gap 5.0%, did not converge in 17 steps: raise max_steps",
        ),
        (
            {"gap": 0.05, "estimated_error": None},
            False,
            "completeness gap 5.0%, did not converge in 17 steps: raise n_steps",
        ),
        (
            {"estimated_error": 0.04},
            False,
            "completeness gap 0.2%, estimated error 4.0%, did not converge in 17 steps: raise max_steps",
        ),
        (
            {"gap": 2.0, "change": 0.01, "estimated_error": None},
            False,
            "completeness gap 200.0%, did not converge: F is nearly the same at the baseline, so the relative gap is "
            "large",
        ),
        (
            {"change": 0.01, "estimated_error": 0.04},  # the gap is small: it is not what is wrong
            False,
            "completeness gap 0.2%, estimated error 4.0%, did not converge in 17 steps: raise max_steps",
        ),
        (
            {"gap": 0.7, "complete": False, "tolerance": None, "estimated_error": None},
            None,
            "completeness gap 70.0%: the method does not guarantee that the scores sum to the change",
        ),
        (
            {"gap": 0.7, "complete": False},
            True,
            "completeness gap 70.0%: the method does not guarantee that the scores sum to the change",
        ),
        (
            {"gap": 0.7, "complete": False, "estimated_error": 0.5},
            False,
            "completeness gap 70.0%: the method does not guarantee that the scores sum to the change, "
            "estimated error 50.0%, did not converge in 17 steps: raise max_steps",
        ),
        (
            {"gap": math.inf, "change": 0.0, "estimated_error": None},
            False,
            "completeness gap inf%, did not converge: F is nearly the same at the baseline, so the relative gap is "
            "large",
        ),
        (
            {"gap": math.nan, "scores": torch.full((4,), math.nan)},
            False,
            "completeness gap nan%, did not converge in 17 steps: raise max_steps",
        ),
    ],
)
def test_the_verdict(changes, converged, verdict):
    found = text(**changes)
    assert found.converged is converged
    assert found.verdict == verdict
    assert verdict in repr(found)


@pytest.mark.parametrize(("total", "converged"), [(0.001, True), (0.003, False)])
def test_a_small_change_is_judged_beside_the_scores(total, converged):
    """Scores of 2 in all and no change: a hundredth of a tenth of 2 is allowed."""
    scores = torch.tensor([0.0, 1.0, total - 1.0, 0.0])
    found = text(scores=scores, change=1e-9, gap=gap_of(total, 1e-9))
    assert found.converged is converged
    assert found.sum_error == pytest.approx(total / 0.2, rel=0.01)
    assert not text(scores=scores, change=1e-9, gap=gap_of(total, 1e-9), estimated_error=None).converged


@pytest.mark.parametrize(
    ("total", "change", "gap"),
    [(1.5, 2.0, 0.25), (-1.0, 2.0, 1.5), (0.0, 0.0, 0.0), (0.1, 0.0, math.inf), (-2.2, -2.0, 0.1)],
)
def test_the_gap(total, change, gap):
    assert gap_of(total, change) == pytest.approx(gap)


def test_the_gap_of_what_is_no_number():
    assert math.isnan(gap_of(math.nan, 1.0))
    assert not text(gap=gap_of(math.nan, 0.0)).converged


CONTRAST = Target("good", 1, "bad", 0)


def test_the_target_and_how_in_words():
    assert str(text().target) == "good"
    assert str(text(target=CONTRAST).target) == "good rather than bad"
    assert str(Target("film", 3, "dull", 5, side="start")) == "start at 'film' rather than start at 'dull'"
    assert repr(Target("LOC", 2, unit="probability", position=4)) == "Target('LOC', probability, position 4)"
    assert text().how == "integrated gradients from pad"
    assert text(baseline=None, method="smoothgrad").how == "SmoothGrad"


# -- texts ----------------------------------------------------------------------------------------------------


def test_table_and_strongest():
    found = text()
    table = found.table
    assert list(table.columns) == ["token", "score", "start", "end", "segment"]
    assert list(table.token) == ["[CLS]", "a", "<b>", "film"]
    assert list(table.score) == [0.0, 0.5, -2.0, 1.0]
    assert table.start.isna().tolist() == [True, False, False, False]
    assert table.end[3] == 10
    assert found.top(2) == [("<b>", -2.0), ("film", 1.0)]
    assert text(scores=torch.tensor([9.0, 0.5, -2.0, 1.0])).top(1) == [("<b>", -2.0)]
    assert len(found) == 4


def test_json_there_and_back():
    found = json.loads(text(target=CONTRAST).to_json())
    assert found["tokens"][2] == {
        "token": "<b>", "score": -2.0, "start": 2, "end": 5, "segment": 0, "special": False,
    }  # fmt: skip
    for name in ("method", "baseline", "value", "change", "gap", "steps"):
        assert found[name] == getattr(text(), name)
    assert Target(**found["target"]) == CONTRAST
    assert found["converged"] is True
    assert found["level"] == "token"
    assert found["text"] == ["a <b> film"]
    assert found["prediction"] == {"label": "bad", "index": 0, "probability": 0.75}
    assert text(prediction=None).to_dict()["prediction"] is None


def plain(data):
    if isinstance(data, dict):
        return all(isinstance(name, str) and plain(value) for name, value in data.items())
    return (
        all(map(plain, data)) if isinstance(data, list) else type(data) in (str, int, float, bool, type(None))
    )


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient", "leave_one_out", "relevance"])
def test_what_a_model_gives_is_plain(method):
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    found = lens.attribute(("a film", "see it"), method=method, level="word")
    assert plain(found.to_dict())
    assert json.loads(found.to_json()) == found.to_dict()


def test_numbers_that_json_does_not_know():
    found = text(gap=math.inf, change=0.0, scores=torch.tensor([0.0, math.nan, -math.inf, 1.0]))
    assert found.to_dict()["gap"] == math.inf

    def fail(name):
        raise AssertionError(name)

    read = json.loads(found.to_json(), parse_constant=fail)
    assert read["gap"] is None
    assert [token["score"] for token in read["tokens"]] == [0.0, None, None, 1.0]
    assert as_json({"é": [1, {"a": math.nan}]}, indent=1) == '{\n "é": [\n  1,\n  {\n   "a": null\n  }\n ]\n}'


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.words, self.titles = [], "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.titles += [value for name, value in attributes if name == "title"]

    def handle_data(self, data):
        self.words += data


def read(markup):
    reader = Reader()
    reader.feed(markup)
    return reader


def test_html_is_escaped():
    hostile = "<script>alert(1)</script>"
    tokens = (Token(hostile, start=0, end=25), *TOKENS[1:])
    found = text(
        tokens=tokens,
        target=Target(hostile, 1, hostile, 0),
        prediction=Prediction(hostile, 0, 0.5),
        baseline=hostile,
    )
    reader = read(found._repr_html_())
    assert set(reader.tags) == {"div", "b", "p", "span", "small"}
    assert reader.words.count(hostile) == 7  # question twice in two places, prediction, baseline, token
    assert reader.titles == ["+0.0000", "+0.5000", "-2.0000", "+1.0000"]
    assert "completeness gap 0.2%" in reader.words


def test_html_underlines_what_opposes_as_far_as_colours_show_it():
    shown = text(scores=torch.tensor([0.0, 2.0, -1.0, -0.001]))._repr_html_().split("<span")[1:]
    assert ["underline;" in one for one in shown] == [False, False, True, False]


def test_html_says_how_to_read_it():
    assert "Blue supports good, red and underlined opposes it." in read(text()._repr_html_()).words
    ranked = text(signed=False, gap=None, change=None, baseline=None)
    assert "The darker, the more." in read(ranked._repr_html_()).words
    assert len(read(text(scores=torch.zeros(4))._repr_html_()).titles) == 4


def test_repr_names_level_and_strongest():
    found = repr(text(level="word", target=Target("good", 1, unit="probability")))
    assert "Attribution of 'good' (probability) by integrated gradients from pad, 4 words" in found
    assert "strongest: <b> -2, film +1, a +0.5" in found


def test_the_figure_is_that_of_plots():
    figure = text().plot()
    assert isinstance(figure, plt.Figure)
    plt.close(figure)


# -- images ---------------------------------------------------------------------------------------------------


def test_pooled_are_sums_of_cells():
    found = image()
    expected = found.scores.reshape(2, 2, 3, 2).sum((1, 3))
    torch.testing.assert_close(found.pooled(2, 3), expected)
    torch.testing.assert_close(found.pooled(4, 6), found.scores)
    assert float(found.pooled(3, 4).sum()) == float(found.scores.sum())
    for rows, cols in ((5, 1), (0, 1), (1, 7)):
        with pytest.raises(
            InputError, match=f"a grid of {rows} x {cols} does not fit scores of 4 x 6 pixels"
        ):
            found.pooled(rows, cols)


def test_scores_on_the_picture_that_was_given():
    torch.testing.assert_close(image().on_image, image().scores)  # seen as it was given
    twice = replace(image(), image=np.zeros((8, 12, 3), np.uint8), box=(0.0, 0.0, 12.0, 8.0)).on_image
    assert twice.shape == (8, 12)
    torch.testing.assert_close(twice[1, 1], torch.tensor(0.25 * 1 + 0.25 * 6))  # between pixels
    cut = replace(image(), image=np.zeros((4, 10, 3), np.uint8), box=(2.0, 0.0, 8.0, 4.0)).on_image
    torch.testing.assert_close(cut[:, 2:8], image().scores)
    assert bool(cut[:, [0, 1, 8, 9]].isnan().all())


def test_an_image_as_json_and_repr():
    found = json.loads(image().to_json())
    assert found["scores"][3] == [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]
    assert found["box"] == [0.0, 0.0, 6.0, 4.0]
    assert "4 x 6 pixels" in repr(image())
