"""TokensView: what crosses to the browser, what setting a trait computes, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import attnlens as al
from attnlens.attribution.text._explain import merged
from attnlens.errors import InputError
from attnlens.widgets import TokensView
from attnlens.widgets._attribution_sources import titles

from .. import tiny

TEXT = "a gripping , unbelievably funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture
def counted(lens, monkeypatch):
    """A lens and the list of what it was asked for."""
    asked = []
    attribute = type(lens).attribute

    def counting(self, text, target=None, **options):
        asked.append((text, target, options))
        return attribute(self, text, target, **options)

    monkeypatch.setattr(type(lens), "attribute", counting)
    return lens, asked


def read(view: TokensView) -> list[dict[str, list[float]]]:
    """The scores by result and level, as the browser finds them."""
    numbers = np.frombuffer(view.scores, "<f4").tolist()
    found = []
    for result in view.shown["results"]:
        levels = view.shown["texts"][result["text"]]
        found.append({one["level"]: [numbers.pop(0) for _ in one["text"]] for one in levels})
    assert numbers == []
    return found


def request(view: TokensView, **message) -> dict:
    """What the browser gets back for a message."""
    sent = []
    view.send = lambda content, buffers=None: sent.append(content)
    view._reply(view, {"id": "1", **message}, [])
    return sent[0]


# -- what crosses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["token", "word", "sentence"])
def test_the_scores_that_cross_are_those_of_the_attribution(lens, level):
    view = TokensView(lens, TEXT, "negative")
    attribution = merged(lens.attribute(TEXT, "negative"), level)
    assert read(view)[0][level] == attribution.scores.tolist()
    (parts,) = (one for one in view.shown["texts"][0] if one["level"] == level)
    assert parts["text"] == [token.text for token in attribution.tokens]


def test_a_part_says_at_which_token_it_begins_and_what_stands_before_it(lens):
    view = TokensView(lens, "unbelievableness ! fine\nand so")
    tokens, words, _ = view.shown["texts"][0]
    at = tokens["text"].index("!")
    assert words["first"][words["text"].index("!")] == at > 2
    assert words["first"][words["text"].index("unbelievableness")] == 1
    assert tokens["space"][2:at] == [0] * (at - 2)
    assert tokens["space"][at : at + 2] == [1, 1]
    assert tokens["space"][tokens["text"].index("and")] == 2


def test_what_is_said_of_a_result_is_finite_in_json(lens):
    attribution = dataclasses.replace(
        lens.attribute("flat"), gap=float("inf"), change=0.0, value=float("nan")
    )
    header = TokensView(attribution).shown["results"][0]
    assert (header["gap"], header["value"], header["change"]) == (None, None, 0.0)
    json.dumps(TokensView(attribution).get_state(["shown", "choices", "text"]), allow_nan=False)


def test_an_attribution_that_did_not_converge_says_so(lens):
    header = TokensView(lens, TEXT, tolerance=1e-7, max_steps=9).shown["results"][0]
    assert header["converged"] is False
    assert "did not converge" in header["verdict"]


def test_half_a_surrogate_pair_in_a_token_crosses_as_a_question_mark(lens):
    attribution = lens.attribute("fine film")
    tokens = (*attribution.tokens[:-1], dataclasses.replace(attribution.tokens[-1], text="\ud800"))
    view = TokensView(dataclasses.replace(attribution, tokens=tokens))
    assert view.shown["texts"][0][0]["text"][-1] == "?"


# -- setting traits -------------------------------------------------------------------------------------------


def test_setting_the_text_explains_it(lens):
    view = TokensView(lens, TEXT)
    view.text = "a dull film"
    assert view.attribution.text == ("a dull film",)
    assert view.attribution.target.name == "negative"
    assert read(view)[view.number]["token"] == lens.attribute("a dull film").scores.tolist()


def test_setting_the_target_explains_that_class_in_any_case_of_its_name(lens):
    view = TokensView(lens, TEXT)
    view.target = "NEGATIVE"
    assert (view.target, view.attribution.target.name) == ("negative", "negative")
    view.target = 1
    assert (view.target, view.attribution.target.name) == ("positive", "positive")


@pytest.mark.parametrize(
    ("trait", "value", "says"),
    [
        ("target", "nowhere", "expected one of: negative, positive"),
        ("method", "gradeint", "Did you mean 'gradient'"),
        ("text", "  ", "the text is empty"),
        ("number", 7, "number 7 is out of range: there is one, numbered 0"),
        ("token", 99, "token 99 is out of range"),
    ],
)
def test_what_cannot_be_explained_is_refused_and_the_view_stays(lens, trait, value, says):
    view = TokensView(lens, TEXT)
    before = view.get_state()
    with pytest.raises(InputError, match=says):
        setattr(view, trait, value)
    assert view.get_state() == before


def test_a_refusal_takes_back_everything_that_was_set_together(lens):
    view = TokensView(lens, TEXT)
    before = view.get_state()
    with pytest.raises(InputError), view.hold_trait_notifications():
        view.text, view.target = "fine", "nowhere"
    assert view.get_state() == before


def test_what_was_computed_comes_back_without_the_model(counted):
    lens, asked = counted
    view = TokensView(lens, TEXT)
    first = view.attribution
    view.target = "negative"
    view.method = "gradient_x_input"
    view.text = "flat"
    assert len(asked) == 4
    view.text, view.method, view.target = TEXT, "integrated_gradients", None
    assert view.attribution is first
    assert len(asked) == 4


def test_the_predicted_class_by_its_name_is_the_same_result(counted):
    lens, asked = counted
    view = TokensView(lens, "a dull film")
    view.target = "negative"
    assert len(asked) == 1
    assert len(view.shown["results"]) == 1
    view = TokensView(lens, "a dull film", "negative")
    view.target = None
    assert len(asked) == 2


def test_results_of_the_text_that_is_shown_stay_with_the_browser(lens):
    view = TokensView(lens, TEXT)
    view.method = "leave_one_out"
    assert view.number == 1
    assert read(view)[1]["token"] == lens.attribute(TEXT, method="leave_one_out").scores.tolist()
    view.number = 0
    assert view.method == "integrated_gradients"
    view.text = "flat"
    assert [one["how"] for one in view.shown["results"]] == ["integrated gradients from pad"]


def test_a_method_gets_the_options_that_it_takes(counted):
    lens, asked = counted
    view = TokensView(lens, TEXT, tolerance=0.05, baseline="mask")
    view.method = "gradient_x_input"
    assert asked[-1][2] == {"method": "gradient_x_input", "baseline": "mask"}
    with pytest.raises(InputError, match="takes no option 'tolerence'"):
        TokensView(lens, TEXT, tolerence=0.05)


def test_methods_that_know_no_contrast_are_not_offered_for_one(lens):
    assert "relevance" in TokensView(lens, TEXT).choices["methods"]
    view = TokensView(lens, TEXT, "negative", against="positive")
    assert "relevance" not in view.choices["methods"]
    assert view.shown["results"][0]["question"] == "negative rather than positive"


def test_the_selected_token_is_let_go_with_its_text(lens):
    view = TokensView(lens, TEXT)
    view.token = -1
    assert view.token == len(view.attribution) - 1
    view.target = "negative"
    assert view.token is not None
    view.text = "flat"
    assert view.token is None


def test_a_pair_of_texts(lens):
    view = TokensView(al.Lens(tiny.bert(), tiny.wordpiece()), ("see it", "flat"))
    assert view.shown["texts"][0][0]["segment"] == [0, 0, 0, 0, 1, 1]
    view.text = ["the film", "see it"]
    assert view.attribution.text == ("the film", "see it")


# -- questions of the browser ---------------------------------------------------------------------------------


def test_the_browser_asks_for_text_target_and_method_at_once(counted):
    lens, asked = counted
    view = TokensView(lens, TEXT)
    changes = []
    view.observe(lambda change: changes.append(change["name"]), ["text", "target", "method"])
    assert (
        request(view, ask="explain", text="a fine film", target="negative", method="gradient")["answer"] == {}
    )
    assert asked[1:] == [("a fine film", "negative", {"method": "gradient"})]
    assert sorted(changes) == ["method", "target", "text"]


def test_an_error_is_answered_and_the_last_good_picture_stays(lens):
    view = TokensView(lens, TEXT)
    before = view.get_state()
    said = request(view, ask="explain", text="", target=None, method="integrated_gradients")
    assert said == {"id": "1", "error": "the text is empty; give at least one word"}
    assert view.get_state() == before


# -- other models ---------------------------------------------------------------------------------------------


def test_a_language_model_takes_a_typed_target():
    lens = al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece())
    many = TokensView(lens, "see the [MASK] film")
    many.target = "funny"
    assert many.attribution.target.name == "funny"
    assert lens.labels[many.attribution.target.index] == "funny"


def test_more_classes_than_a_list_can_offer_are_typed(lens, monkeypatch):
    monkeypatch.setattr("attnlens.widgets._attribution_sources.MOST_TARGETS", 1)
    assert TokensView(lens, "flat").choices["targets"] == []


def test_question_answering_offers_start_and_end():
    view = TokensView(al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()), ("who", "see the film"))
    assert view.choices["targets"] == ["start", "end"]
    assert view.attribution.target.name.startswith("start at")
    view.target = "end"
    assert view.attribution.target.name.startswith("end at")


# -- attributions that are there ------------------------------------------------------------------------------


def test_attributions_need_no_model(lens):
    explanation = lens.explain("not a bad film", ["integrated_gradients", "gradient"])
    view = TokensView(explanation)
    assert view.choices == {
        "live": False, "targets": [], "methods": [], "titles": list(explanation.names), "mask": "",
    }  # fmt: skip
    assert [one["token"] for one in read(view)] == [one.scores.tolist() for one in explanation]
    assert len(view.shown["texts"]) == 1
    view.number = 1
    assert (view.method, view.attribution.method) == ("gradient", "gradient")
    view.method = "integrated_gradients"
    assert view.number == 0
    with pytest.raises(InputError, match="have no model to explain another text"):
        view.text = "flat"


def test_another_given_text_lets_the_selected_token_go(lens):
    view = TokensView(lens.attribute(["a dull film", "flat"]))
    view.token = 3
    view.number = 1
    assert (view.text, view.token) == ("flat", None)


def test_an_attribution_by_word_has_no_tokens(lens):
    view = TokensView(lens.attribute(TEXT, level="word"))
    assert [one["level"] for one in view.shown["texts"][0]] == ["word", "sentence"]


def test_titles_say_what_distinguishes_attributions(lens):
    fine, flat = lens.attribute(["fine", "flat"], "negative")
    other = lens.attribute("fine", "positive")
    assert titles([fine, flat]) == ["fine", "flat"]
    assert titles([fine, other]) == ["negative", "positive"]
    assert titles([fine, fine]) == ["0: negative", "1: negative"]
    assert titles([fine]) == ["negative"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((3,), "not int: TokensView"),
        (([],), "not an empty list"),
        (("a text",), "not str"),
    ],
)
def test_what_is_no_attribution_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        TokensView(*given)


def test_a_lens_reads_one_text(lens):
    with pytest.raises(InputError, match="not list; of several texts"):
        TokensView(lens, ["one", "two"])
    with pytest.raises(InputError, match="attributions have their own text"):
        TokensView(lens.attribute("flat"), "flat")


def test_a_view_holds_the_whole_target(lens):
    attribution = lens.attribute(
        TEXT, "negative", against="positive", unit="probability", method="gradient_x_input"
    )
    (shown,) = TokensView(attribution).shown["results"]
    assert al.attribution.Target(**shown["target"]) == attribution.target
