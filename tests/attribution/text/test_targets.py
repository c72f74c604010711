"""What is explained: classes, contrasts, units, and places in the text, each against the model's own logits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens.errors import InputError

from ... import tiny
from ..made import in_float64

TEXT = "a gripping , funny film"
EXACT = {"n_steps": 60}

LENSES = {
    "classes": lambda: al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()),
    "several": lambda: al.Lens(
        tiny.bert(num_labels=3, problem_type="multi_label_classification"), tiny.wordpiece()
    ),
    "regression": lambda: al.Lens(tiny.bert(num_labels=1), tiny.wordpiece()),
    "token": lambda: al.Lens(tiny.bert("ForTokenClassification", num_labels=3), tiny.wordpiece()),
    "question": lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()),
    "masked": lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()),
    "causal": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "bart": lambda: al.Lens(tiny.bart(), tiny.roberta()),
    "t5": lambda: al.Lens(tiny.t5(), tiny.metaspace()),
}


@pytest.fixture(scope="module")
def lenses():
    return in_float64(LENSES)


@pytest.fixture(scope="module")
def lens(lenses):
    return lenses("classes")


def logits(lens, text=TEXT, output=None, name="logits"):
    """What the model itself says, `[token, class]` or `[class]`."""
    with torch.no_grad():
        return getattr(lens.model(**lens.inputs([lens.encode(text, output)])), name)[0]


# -- classes --------------------------------------------------------------------------------------------------


def test_by_name_in_any_case_or_index(lens):
    expected = lens.attribute(TEXT, 2, **EXACT)
    for target in ("LABEL_2", "label_2", " Label_2 "):
        found = lens.attribute(TEXT, target, **EXACT)
        assert torch.equal(found.scores, expected.scores)
        assert (found.target.label, found.target.index) == ("LABEL_2", 2)
    assert expected.value == pytest.approx(float(logits(lens)[2]))


def test_the_predicted_one(lens):
    best = int(logits(lens).argmax())
    for target in (None, "predicted"):
        found = lens.attribute(TEXT, target, **EXACT)
        assert found.target.index == best
        assert found.target.label == found.prediction.label
        assert found.prediction == lens.trace(TEXT).prediction


def test_several_nest_inside_of_inputs(lens):
    found = lens.attribute([TEXT, "see it"], [[0, "LABEL_2"]] * 2, **EXACT)
    assert [[one.target.index for one in row] for row in found] == [[0, 2], [0, 2]]
    torch.testing.assert_close(found[1][0].scores, lens.attribute("see it", 0, **EXACT).scores)
    alone = lens.attribute(TEXT, (2, 0), **EXACT)
    assert [one.target.index for one in alone] == [2, 0]
    torch.testing.assert_close(alone[0].scores, found[0][1].scores)
    assert lens.attribute([], []) == []


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, pd.Series])
def test_each_of_several_inputs_has_its_own_target_and_contrast(lens, kind):
    texts = [TEXT, "see it", "the story goes nowhere"]
    found = lens.attribute(texts, kind([0, 2, 1]), against=kind([1, 1, 0]), method="gradient_x_input")
    for text, target, against, one in zip(texts, (0, 2, 1), (1, 1, 0), found):
        alone = lens.attribute(text, target, against=against, method="gradient_x_input")
        assert (one.target.index, one.target.against_index) == (target, against)
        torch.testing.assert_close(one.scores, alone.scores)


def test_targets_of_inputs_may_be_lists_names_or_the_predicted_one(lens):
    texts = [TEXT, "see it", "flat"]
    found = lens.attribute(texts, [None, ["LABEL_2", 0], "predicted"], method="gradient")
    assert found[0].target.label == found[0].prediction.label
    assert [one.target.index for one in found[1]] == [2, 0]
    assert found[2].target.label == found[2].prediction.label
    windowed = lens.attribute(texts, [0, 1, 2], window=32, method="gradient", against=[1, 0, 0])
    assert [(one.target.index, one.target.against_index) for one in windowed] == [(0, 1), (1, 0), (2, 0)]


@pytest.mark.parametrize(
    ("input", "target", "options", "message"),
    [
        (
            [TEXT] * 3,
            [0, 1],
            {},
            r"target= holds 2 for 3 inputs; .* for several classes of every input: target=\[\[",
        ),
        ([TEXT] * 3, 0, {"against": [1, 2]}, "against= holds 2 for 3 inputs; give one for each"),
        (TEXT, 0, {"against": [1, 2]}, r"against=\[1, 2\] is a list, .* for one input name one class"),
        ([TEXT] * 2, [0, []], {}, r"target=\[\] names no class"),
        ([TEXT] * 2, [0, 1], {"against": [1, None]}, "for some inputs and none for others"),
        ([TEXT] * 2, [0, 1], {"against": [1, 1]}, "target and against are the same class, 'LABEL_1'"),
        ([TEXT] * 2, [0, 7], {}, "target 7 is no class"),
    ],
)
def test_targets_of_other_numbers_than_the_inputs(lens, input, target, options, message):
    with pytest.raises(InputError, match=message):
        lens.attribute(input, target, method="gradient", **options)


def test_questions_have_their_own_side(lenses):
    lens, pairs = lenses("question"), [("what is it", TEXT), ("who", "it"), ("what", "a film")]
    found = lens.attribute(pairs, ["end", "start", "end"], method="gradient")
    assert [one.target.side for one in found] == ["end", "start", "end"]
    for pair, side, one in zip(pairs, ("end", "start", "end"), found):
        torch.testing.assert_close(one.scores, lens.attribute(pair, side, method="gradient").scores)


@pytest.mark.parametrize("unit", ["logit", "probability"])
def test_a_contrast_is_a_difference(lens, unit):
    one, other = (lens.attribute(TEXT, target, unit=unit, **EXACT) for target in (0, 2))
    found = lens.attribute(TEXT, 0, against="label_2", unit=unit, **EXACT)
    torch.testing.assert_close(found.scores, one.scores - other.scores, rtol=1e-4, atol=1e-7)
    assert found.value == pytest.approx(one.value - other.value)
    assert found.change == pytest.approx(one.change - other.change)
    assert (found.target.against, str(found.target)) == ("LABEL_2", "LABEL_0 rather than LABEL_2")


@pytest.mark.parametrize(("name", "activation"), [("classes", torch.softmax), ("several", None)])
def test_probabilities(lenses, name, activation):
    lens = lenses(name)
    found = lens.attribute(TEXT, 1, unit="probability", **EXACT)
    expected = logits(lens).softmax(-1) if activation else logits(lens).sigmoid()
    assert found.value == pytest.approx(float(expected[1]))
    assert found.gap < 1e-3
    assert found.unit == "probability"


def test_several_labels(lenses):
    found = lenses("several").attribute(TEXT, "LABEL_2", **EXACT)
    chances = logits(lenses("several")).sigmoid()
    assert found.prediction.probability == pytest.approx(float(chances.max()))
    assert found.gap < 1e-3


def test_a_regression(lenses):
    lens = lenses("regression")
    found = lens.attribute(TEXT, **EXACT)
    assert found.value == pytest.approx(float(logits(lens)[0]))
    assert found.prediction.probability is None
    with pytest.raises(InputError, match="a regression has no probability; omit unit="):
        lens.attribute(TEXT, unit="probability")
    with pytest.raises(InputError, match="a regression has one value and no class to contrast it with"):
        lens.attribute(TEXT, against=0)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("good", {}, "unknown target 'good'; expected one of: LABEL_0, LABEL_1, LABEL_2"),
        (3, {}, "target 3 is no class; give an index from 0 to 2, or a name"),
        (-1, {}, "target -1 is no class"),
        (True, {}, "target True is no class"),
        (1.5, {}, "target 1.5 is no class"),
        ([], {}, r"target=\[\] names no class"),
        (0, {"against": "good"}, "unknown target 'good'"),
        (0, {"against": 0}, "target and against are the same class, 'LABEL_0'; pass two different classes"),
        (0, {"unit": "percent"}, "unknown unit 'percent'; expected one of: logit, probability"),
        (0, {"level": "words"}, "unknown level 'words'; expected one of: token, word, sentence"),
        (0, {"position": 1}, "BertForSequenceClassification predicts once per text; omit position="),
        (0, {"output": "see"}, "is not an encoder-decoder and reads no output"),
        (0, {"steps": 3}, "integrated_gradients takes no option 'steps'; it takes: tolerance, max_steps"),
        (0, {"baselin": "pad"}, "takes no option 'baselin'; .*Did you mean 'baseline'?"),
    ],
)
def test_what_cannot_be_asked(lens, target, options, message):
    with pytest.raises(InputError, match=message):
        lens.attribute(TEXT, target, **options)


def test_the_predicted_class_is_no_contrast_to_itself(lens):
    best = lens.trace(TEXT).prediction.label
    with pytest.raises(
        InputError, match=rf"same class, '{best}'; .*without target= the target is the predicted class"
    ):
        lens.attribute(TEXT, against=best)


def test_levels_are_checked_before_the_model_runs(lens, monkeypatch):
    monkeypatch.setattr(lens.model, "forward", None)
    with pytest.raises(InputError, match="unknown level"):
        lens.attribute(TEXT, level="line")


# -- places in the text ---------------------------------------------------------------------------------------


def test_the_label_of_a_token(lenses):
    lens = lenses("token")
    expected = logits(lens)
    for position in (4, "funny", " funny ", -3):
        found = lens.attribute(TEXT, 1, position=position, **EXACT)
        assert found.value == pytest.approx(float(expected[4, 1]))
        assert found.gap < 1e-3
    assert lens.attribute(TEXT, position=2, **EXACT).target.index == int(expected[2].argmax())


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (None, "predicts for every token; name one by its number or its text: position=3"),
        (7, "position 7 is out of range: there are 7, numbered 0 to 6"),
        (-8, "position -8 is out of range"),
        (True, "position must be an integer, 0 to 6 or negative from the end, or a token's text, not True"),
        ("bad", r"no token reads 'bad'; close to it are: 'a'"),
    ],
)
def test_places_that_are_none(lenses, position, message):
    with pytest.raises(InputError, match=message):
        lenses("token").attribute(TEXT, 1, position=position)


PAIR = ("who", "a film see it")


@pytest.mark.parametrize("side", ["start", "end"])
def test_the_answer_to_a_question(lenses, side):
    lens = lenses("question")
    expected = logits(lens, PAIR, name=f"{side}_logits")
    found = lens.attribute(PAIR, side, **EXACT)
    best = int(expected.argmax())
    token = lens.encode(PAIR).tokens[best].text
    assert (found.target.index, found.target.name) == (best, f"{side} at {token!r}")
    assert found.value == pytest.approx(float(expected[best]))
    assert found.prediction.probability == pytest.approx(float(expected.softmax(-1).max()))
    assert found.gap < 1e-3
    at = lens.attribute(PAIR, side, position="film", against=6, **EXACT)
    place = [token.text for token in lens.encode(PAIR).tokens].index("film")
    assert at.value == pytest.approx(float(expected[place] - expected[6]))
    assert at.target.against == lens.encode(PAIR).tokens[6].text


def test_questions_that_are_none(lenses):
    lens = lenses("question")
    for target in (None, "predicted"):
        assert lens.attribute(PAIR, target, n_steps=2).target.side == "start"
    with pytest.raises(InputError, match="unknown target 'middle'; expected one of: start, end"):
        lens.attribute(PAIR, "middle")
    with pytest.raises(InputError, match="target and against are the same class, \"start at 'film'\""):
        lens.attribute(PAIR, "start", position="film", against="film")


def test_the_padding_of_a_batch_is_no_answer(lenses):
    lens = lenses("question")
    together = lens.attribute([PAIR, ("who", "it")], "start", unit="probability", **EXACT)
    alone = lens.attribute(("who", "it"), "start", unit="probability", **EXACT)
    assert together[1].value == pytest.approx(alone.value)


def test_the_next_token(lenses):
    lens = lenses("causal")
    expected = logits(lens)
    found = lens.attribute(TEXT, " film", **EXACT)
    assert lens.tokenizer.decode([found.target.index]) == found.target.label == " film"
    assert found.value == pytest.approx(float(expected[-1, found.target.index]))
    early = lens.attribute(TEXT, " film", position=2, **EXACT)
    assert early.value == pytest.approx(float(expected[2, found.target.index]))
    assert early.scores[3:].abs().max() == 0  # nothing later can be seen from there
    assert early.scores[:3].abs().min() > 0


def test_a_mask(lenses):
    lens, text = lenses("masked"), "a [MASK] , [MASK] film"
    expected = logits(lens, text)
    found = lens.attribute(text, "funny", **EXACT)
    assert found.value == pytest.approx(float(expected[2, found.target.index]))
    second = lens.attribute(text, "funny", position=4, **EXACT)
    assert second.value == pytest.approx(float(expected[4, found.target.index]))
    with pytest.raises(
        InputError, match=r"a masked language model predicts at \[MASK\]; put one in the text"
    ):
        lens.attribute(TEXT)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_what_a_decoder_writes_next(lenses, name):
    lens = lenses(name)
    for output in (None, "see it"):
        found = lens.attribute("a funny film", 9, output=output, **EXACT)
        assert found.value == pytest.approx(float(logits(lens, "a funny film", output or "")[-1, 9]))
        assert found.scores.abs().max() > 0
    with pytest.raises(InputError, match="output= belongs to one text without windows"):
        lens.attribute(["a film"], 9, output="see")


@pytest.mark.parametrize("build", [lambda: tiny.bert("Model"), lambda: tiny.gpt2("Model")])
def test_models_without_an_answer(build):
    tokenizer = tiny.byte_level() if "GPT2" in type(build()).__name__ else tiny.wordpiece()
    with pytest.raises(InputError, match="Model returns no class logits; load the model with a head"):
        al.Lens(build(), tokenizer).attribute(TEXT)


@pytest.mark.parametrize("text", ["", "   ", 3, None, ("a", "b", "c"), ("a", 3), ["a", ""]])
def test_what_is_no_text(lens, text):
    with pytest.raises(InputError, match=r"is empty|takes a str, a pair"):
        lens.attribute(text)
