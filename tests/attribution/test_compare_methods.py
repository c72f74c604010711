"""One input explained in several ways beside each other."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

import attnlens as al
from attnlens.attribution._compare_methods import Explanation, compare_baselines, compare_methods
from attnlens.errors import InputError

from .. import tiny

TEXT = "a gripping , funny film"
USUAL = ("integrated_gradients", "gradient_x_input", "leave_one_out", "relevance")


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.bert(num_labels=3), tiny.wordpiece())


def test_methods_are_explained_for_one_class(lens):
    found = compare_methods(lens, TEXT, ["gradient", ("integrated_gradients", {"n_steps": 3}), "relevance"])
    best = lens.trace(TEXT).prediction
    assert found.names == ("gradient", "integrated gradients", "relevance")
    assert {one.target.index for one in found} == {best.index}
    assert found.prediction == best
    torch.testing.assert_close(found[1].scores, lens.attribute(TEXT, n_steps=3).scores)
    assert found["relevance"] is found[2]
    assert len(found) == 3


def test_options_are_for_all_methods_that_take_them(lens):
    found = compare_methods(
        lens, TEXT, ["leave_one_out", "rollout", ("shapley", {"n_samples": 2})], "LABEL_1", against=0, level="word",
        baseline="mask", unit="probability",
    )  # fmt: skip
    assert [one.target.against for one in found] == ["LABEL_0", None, "LABEL_0"]
    assert [one.unit for one in found] == ["probability", "logit", "probability"]
    assert [one.baseline for one in found] == ["mask", None, "mask"]
    assert {one.level for one in found} == {"word"}


def test_options_of_an_image_are_for_the_methods_that_know_them():
    lens = al.lens.ImageLens(tiny.HandViT(), patches=(4, 4))
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = compare_methods(lens, picture, baseline="white", layer="embed", n_samples=2, unit="probability")
    assert {one.unit for one in found} == {"probability"}
    for name, options in {
        "smoothgrad": {"n_samples": 2}, "grad cam": {"layer": "embed"},
        "integrated gradients": {"baseline": "white"}, "gradient": {},
    }.items():  # fmt: skip
        method = name.replace(" ", "_")
        alone = lens.attribute(picture, method=method, unit="probability", **options)
        assert torch.equal(found[name].scores, alone.scores)
    with pytest.raises(InputError, match="integrated_gradients takes no option 'windows'"):
        compare_methods(lens, picture, windows=3)


def test_a_method_may_stand_there_twice(lens):
    methods = [("smoothgrad", {"n_samples": 2}), ("smoothgrad", {"n_samples": 3}), "gradient", "gradient"]
    found = compare_methods(lens, TEXT, methods, 0)
    assert found.names == ("smoothgrad (n_samples=2)", "smoothgrad (n_samples=3)", "gradient", "gradient 2")


@pytest.mark.parametrize(
    ("build", "options", "relevant"),
    [
        (tiny.bert, {}, True),
        (lambda: tiny.bert("ForTokenClassification"), {"position": 2}, False),
        (lambda: tiny.bert("ForQuestionAnswering"), {}, False),
        (lambda: tiny.bert("ForMaskedLM"), {"position": 2}, False),
    ],
)
def test_the_usual_methods_are_those_that_can_be_followed(build, options, relevant):
    found = compare_methods(al.Lens(build(), tiny.wordpiece()), TEXT, **options)
    assert [one.method for one in found] == [name for name in USUAL if relevant or name != "relevance"]


def test_the_usual_methods_of_an_encoder_decoder():
    found = compare_methods(al.Lens(tiny.bart("ForSequenceClassification"), tiny.roberta()), TEXT)
    assert "relevance" not in found.names
    assert len(found) == 3


def test_baselines(lens):
    found = compare_baselines(lens, TEXT, ["pad", "zero", "see it", "pad"], 1, n_steps=3)
    assert found.names == ("pad", "zero", "'see it'", "pad 2")
    torch.testing.assert_close(
        found["zero"].scores, lens.attribute(TEXT, 1, baseline="zero", n_steps=3).scores
    )
    assert compare_baselines(lens, TEXT, n_steps=2).names == ("pad", "mask", "zero", "mean")


def test_tables(lens):
    found = compare_methods(lens, TEXT, ["leave_one_out", "gradient_x_input"], 1)
    scores = found.scores
    assert list(scores.columns) == ["leave one out", "gradient x input"]
    assert list(scores.index) == [token.text for token in lens.trace(TEXT).tokens]
    assert scores["leave one out"].tolist() == found[0].scores.tolist()
    table = found.table
    assert list(table.index) == list(found.names)
    assert list(table.columns) == [
        "method", "baseline", "target", "value", "change", "gap", "estimated_error", "steps", "converged",
    ]  # fmt: skip
    assert table.value.tolist() == [one.value for one in found]
    pairs = found.agreement
    assert (pairs["first"][0], pairs["second"][0], len(pairs)) == ("leave one out", "gradient x input", 1)
    assert -1 <= pairs.spearman[0] <= 1


def test_json_html_and_repr(lens):
    found = compare_methods(lens, "a <b> film", ["gradient", "leave_one_out"], 1)
    data = json.loads(found.to_json())
    assert list(data) == ["gradient", "leave one out"]
    assert data["gradient"]["tokens"][1]["token"] == "a"
    broken = Explanation(("x",), (replace(found[0], value=math.nan),))
    assert json.loads(broken.to_json())["x"]["value"] is None
    page = found._repr_html_()
    assert page.count("<h4>") == 2
    assert "<b>film" not in page.replace(" ", "")
    assert "Explanation of LABEL_" in repr(found)
    assert "leave one out: LABEL_1, completeness gap" in repr(found)


def test_a_figure_of_all_with_their_names(lens):
    figure = compare_methods(lens, TEXT, ["gradient", "leave_one_out"], 1).plot()
    written = " ".join(text.get_text() for text in figure.findobj(plt.Text))
    assert "gradient" in written
    assert "leave one out" in written
    plt.close(figure)


def test_long_texts_in_windows(lens):
    found = compare_methods(lens, TEXT, ["leave_one_out", "gradient", "rollout"], window=5, overlap=1)
    assert len({one.target.index for one in found}) == 1
    assert all(one.tokens == lens.trace(TEXT).tokens for one in found)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lens: compare_methods(lens, [TEXT]), "an explanation is of one input"),
        (lambda lens: compare_baselines(lens, [TEXT]), "an explanation is of one input"),
        (lambda lens: compare_methods(lens, TEXT, []), r"methods=\[\] names no method"),
        (
            lambda lens: compare_methods(lens, TEXT, [3]),
            r"a method is a name or a pair \(name, options\), not 3",
        ),
        (lambda lens: compare_methods(lens, TEXT, [("gradient", 3)]), "a method is a name or a pair"),
        (lambda lens: compare_methods(lens, TEXT, ["gradients"]), "unknown method 'gradients'"),
        (lambda lens: compare_methods(lens, TEXT, ["gradient"], [0, 1]), "an explanation is of one target"),
        (lambda lens: compare_methods(lens, TEXT, ["gradient"], "good"), "unknown target 'good'"),
        (lambda lens: compare_methods(lens, TEXT, "gradient"), r"methods must be a list of methods"),
        (lambda lens: compare_baselines(lens, TEXT, "pad"), "baselines must be a list of baselines"),
        (lambda lens: compare_baselines(lens, TEXT, []), "baselines must be a list of baselines"),
        (lambda lens: compare_baselines(lens, TEXT, 3), "baselines must be a list of baselines"),
        (lambda lens: compare_methods(lens, TEXT, 3), "methods must be a list of methods"),
        (
            lambda lens: compare_methods(lens, TEXT, ["gradient"])["x"],
            "unknown attribution 'x'; expected one of: grad",
        ),
    ],
)
def test_what_cannot_be_explained(lens, call, message):
    with pytest.raises(InputError, match=message):
        call(lens)


def test_a_figure_with_titles_of_ones_own():
    found = al.load("sentiment").explain("flat", ["gradient", "leave_one_out"])
    figure = found.plot(titles=["slope", "without"])
    said = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any("slope" in one for one in said)
