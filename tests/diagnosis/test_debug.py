"""Diagnoses: every sentence follows from a number that is computed here again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import attnlens as al
from attnlens.attribution import Target
from attnlens.diagnosis import _debug, _findings
from attnlens.diagnosis._counterfactual import MOST
from attnlens.errors import InputError
from attnlens.evaluation._perturbation import ScoredParts, parts_of

from .. import tiny

MIXED = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def mixed(lens):
    return al.debug(lens, MIXED, "negative")


def kinds(diagnosis):
    return {finding.kind: finding for finding in diagnosis.findings}


def test_the_answer_and_the_rank_of_the_truth(lens, mixed):
    trace = lens.trace(MIXED)
    assert mixed.trace.prediction == trace.prediction
    assert not mixed.correct
    assert (mixed.true, mixed.rival, mixed.rank) == (0, 0, 2)
    assert mixed.probability == pytest.approx(float(trace.logits.softmax(-1)[0]), abs=1e-6)
    assert list(mixed.top.label) == ["positive", "negative"]
    assert list(mixed.top.true) == [False, True]
    said = kinds(mixed)["answer"]
    assert said.text.startswith(
        "Wrong: the model predicts positive (0.73); the true class negative is number 2 of 2"
    )
    right = al.debug(lens, MIXED, "Positive")
    assert right.correct
    assert right.rank == 1
    assert right.trace.label(right.rival) == "negative"
    assert kinds(right)["answer"].text == "Right: positive (0.73) is the true class."


def test_attributions_for_both_classes_and_their_difference(lens, mixed):
    found = mixed.explanation
    assert found.names == (
        "for positive", "for negative", "difference", "attention for positive", "attention for negative",
    )  # fmt: skip
    apart = found["for positive"].scores - found["for negative"].scores
    assert (found["difference"].scores - apart).abs().sum() < 0.03 * found["difference"].scores.abs().sum()
    expected = lens.attribute(MIXED, "negative", method="relevance", level="word")
    assert torch.allclose(found["attention for negative"].scores, expected.scores, atol=1e-6)


def test_what_supports_it_and_what_opposes_it(mixed):
    difference = mixed.explanation["difference"]
    scores = difference.scores[1:-1]
    words = [token.text for token in difference.tokens[1:-1]]
    positive = scores.clamp(min=0)
    share = float(positive.max() / positive.sum())
    said = kinds(mixed)
    driver = said.get("one part") or said["spread"]
    assert driver.number == pytest.approx(share, abs=1e-6)
    assert repr(words[int(positive.argmax())]) in driver.text
    assert repr(words[int(scores.argmin())]) in said["against"].text
    assert said["against"].number == pytest.approx(float(scores.min()), abs=1e-5)


def test_the_words_that_flip_it(lens, mixed):
    words = list(mixed.counterfactual.names)
    left = " ".join(word for word in MIXED.split() if word not in words)
    assert lens.trace(left).prediction.index == mixed.counterfactual.index != mixed.trace.prediction.index
    assert all(repr(word) in kinds(mixed)["counterfactual"].text for word in words)


def test_unknown_words_are_named(lens):
    found = kinds(al.debug(lens, "the 𓀀 film is meh", "negative"))["unknown words"]
    assert found.text == "Not in the tokenizer's vocabulary: '𓀀'."
    assert "unknown words" not in kinds(al.debug(lens, "dull", "negative"))


def test_scores_that_did_not_converge_are_named(lens):
    found = kinds(al.debug(lens, MIXED, "negative", max_steps=9, tolerance=1e-6))["error"]
    assert "did not converge" in found.text
    assert found.number > 1e-6


def case(mixed, lens, **changes):
    parts = parts_of(lens, [mixed.explanation["difference"]], "delete")[0]
    given = _findings.DiagnosisInput(
        lens, mixed.trace, mixed.true, mixed.rival, mixed.explanation, parts, mixed.counterfactual, None
    )
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("logits", "kind"),
    [([0.0, 0.1], "borderline"), ([-4.0, 4.0], "not considered"), ([-0.6, 0.6], None)],
)
def test_near_and_far_answers(lens, mixed, logits, kind):
    trace = replace(mixed.trace, logits=torch.tensor(logits))
    found = _findings.nearness(case(mixed, lens, trace=trace))
    assert (found and found.kind) == kind
    if kind == "borderline":
        chances = torch.tensor(logits).softmax(-1)
        assert found.number == pytest.approx(float(chances[1] - chances[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "kind", "words"),
    [
        ([9.0, 0.5, 0.5], "one part", "has 90% of the evidence"),
        ([1.0] * 10, "spread", "5 of 10 parts make up half"),
        ([3.0, 3.0, *[0.1] * 30], None, ""),  # 2 of 32 parts make up half
        ([-1.0, -2.0], None, ""),
    ],
)
def test_one_part_or_many(lens, mixed, scores, kind, words):
    class Perturbation:
        parts = tuple(f"word{i}" for i in range(len(scores)))

    given = case(mixed, lens)
    given = replace(
        given, parts=replace(given.parts, perturbation=Perturbation(), scores=torch.tensor(scores))
    )
    found = _findings.drivers(given)
    assert (found and found.kind) == kind
    assert found is None or words in found.text


def test_nothing_flips_it(lens, mixed):
    found = _findings.flipped(case(mixed, lens, counterfactual=None))
    assert (
        found.text == "No removal changes the prediction: even without all parts the model predicts positive."
    )


def test_as_text_as_html_and_as_json(mixed):
    said = repr(mixed)
    assert all(finding.text in said for finding in mixed.findings)
    html = mixed._repr_html_()
    assert "Driven" not in html
    assert "Wrong: the model predicts" in html
    numbers = json.loads(mixed.to_json())
    assert numbers["rank"] == 2
    assert numbers["counterfactual"]["parts"] == list(mixed.counterfactual.names)
    assert [one["text"] for one in numbers["findings"]] == [one.text for one in mixed.findings]
    assert list(numbers["attributions"]) == list(mixed.explanation.names)
    endless = replace(mixed.explanation[0], gap=float("inf"))
    explanation = replace(mixed.explanation, attributions=(endless, *mixed.explanation.attributions[1:]))
    strict = json.loads(replace(mixed, explanation=explanation).to_json(), parse_constant=pytest.fail)
    assert strict["attributions"][mixed.explanation.names[0]]["gap"] is None


def test_a_word_that_occurs_twice_is_told_apart(lens):
    found = al.debug(lens, "not a good film , not a good story", "positive")
    names = _findings._names(case(found, lens))
    assert names[0] == "'not' (1 of 2)"
    assert names[5] == "'not' (2 of 2)"
    assert names[3] == "'film'"
    for part in found.counterfactual.parts:
        assert names[part] in kinds(found)["counterfactual"].text


@pytest.mark.parametrize(("negative", "correlation"), [(1.0, 1.0), (-9.0, 1.0)])
def test_attention_is_compared_with_what_supports_the_answer(mixed, lens, negative, correlation):
    """Relevance has no negative scores: how strongly a part opposes the class does not make them disagree."""
    ordinary = sum(not token.special for token in mixed.explanation[0].tokens)
    positive = torch.arange(ordinary).double()
    gradients = torch.cat([torch.zeros(1), positive, torch.zeros(1)])
    gradients[1] = -abs(negative)
    relevant = torch.cat([torch.zeros(1), positive, torch.zeros(1)])
    scores = {"for positive": gradients, "attention for positive": relevant}
    attributions = [
        replace(one, scores=scores.get(name, one.scores))
        for name, one in zip(mixed.explanation.names, mixed.explanation)
    ]
    given = case(mixed, lens, explanation=replace(mixed.explanation, attributions=tuple(attributions)))
    assert given.numbers["agreement"] == pytest.approx(correlation)
    assert _findings.attention(given) is None
    attributions[0] = replace(attributions[0], scores=gradients.flip(0))
    given = case(mixed, lens, explanation=replace(mixed.explanation, attributions=tuple(attributions)))
    assert _findings.attention(given).number < 0


# -- images ---------------------------------------------------------------------------------------------------


def test_an_image_and_its_background():
    lens, picture = al.load("cifar"), al.models.sample_images()["deer_upright"]
    found = al.debug(lens, picture, "deer", most=50)
    assert found.trace.prediction.label == "bird"
    assert not found.correct
    assert len(found.top) == 5
    assert {one.baseline for one in list(found.explanation)[:3]} == {"blur"}
    scores = found.explanation["difference"].on_image.clamp(min=0)
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[5:27, 5:27] = True
    outside = float(scores[~inside].sum() / scores.sum())
    assert found.numbers["outside"] == pytest.approx(outside, abs=1e-4)
    mask = np.zeros((32, 32), bool)
    mask[:, 10:20] = True
    masked = kinds(al.debug(lens, picture, "deer", mask=mask, most=50))["background"]
    assert masked.number == pytest.approx(
        float(scores[~torch.from_numpy(mask)].sum() / scores.sum()), abs=0.02
    )
    assert "in the background, 69% of the area" in masked.text
    with pytest.raises(InputError, match=r"mask must be bool \[32, 32\]"):
        al.debug(lens, picture, "deer", mask=mask[:5])


class Grid:
    """Stands for what removes the cells of a picture."""

    grid, parts = (8, 8), tuple(f"{row},{col}" for row in range(8) for col in range(8))


def pictured(scores, mask=None, **others):
    """A case of one picture whose difference has these scores `[32, 32]`; others: attributions by their names."""
    lens = al.load("cifar")
    given = {"difference": scores, **others}
    made = [
        al.attribution.ImageAttribution(
            scores=one, seen=np.zeros((32, 32, 3), np.uint8), image=np.zeros((32, 32, 3), np.uint8),
            box=(0.0, 0.0, 32.0, 32.0), target=Target("cat", 3), prediction=None, method="gradient", value=0.0,
        )
        for one in given.values()
    ]  # fmt: skip
    explanation = al.attribution.Explanation(tuple(given), tuple(made))
    trace = al.Trace((), logits=torch.arange(10.0), labels=lens.labels, activation="softmax")
    parts = ScoredParts(Grid(), made[0].pooled(8, 8).flatten(), None)
    return _findings.DiagnosisInput(lens, trace, 3, 3, explanation, parts, None, mask)


@pytest.mark.parametrize(
    ("inner", "verdict"), [(0.98, "Driven by the middle"), (0.47, None), (0.05, "Driven by the outer half")]
)
def test_the_middle_the_edge_or_neither(inner, verdict):
    inside = torch.zeros(32, 32)
    inside[5:27, 5:27] = 1.0
    scores = inner * inside / inside.sum() + (1 - inner) * (1 - inside) / (1 - inside).sum()
    found = _findings.background(pictured(scores))
    assert (found is None) if verdict is None else found.text.startswith(verdict)


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.9, "Driven by the background"), (0.5, "Driven by neither"), (0.1, "Driven by the object")],
)
def test_a_mask_has_three_verdicts(share, verdict):
    mask = np.zeros((32, 32), bool)
    mask[:, :16] = True
    outside = torch.from_numpy(~mask).float()
    scores = share * outside / outside.sum() + (1 - share) * (1 - outside) / (1 - outside).sum()
    found = _findings.background(pictured(scores, mask))
    assert found.text.startswith(verdict)
    assert found.number == pytest.approx(share, abs=0.05)  # pixels at the border are interpolated


def test_attention_and_gradients_of_an_image_are_compared_by_part():
    """Pixels of a part share its relevance; what gradients say within a part has no counterpart there."""
    cells = torch.rand(8, 8)
    noise = torch.rand(8, 8, 4, 4)
    noise = noise / noise.sum((2, 3), keepdim=True)
    gradients = (cells[:, :, None, None] * noise).permute(0, 2, 1, 3).reshape(32, 32)
    relevant = cells.repeat_interleave(4, 0).repeat_interleave(4, 1)
    explanation = {"attention for cat": relevant}
    found = pictured(gradients, **explanation)
    assert found.numbers["agreement"] == pytest.approx(1.0)
    assert _findings.spearman(gradients.flatten(), relevant.flatten()) < 0.9


def test_a_flip_of_an_image_is_true():
    from attnlens.attribution.image._perturbation import ImagePerturbation

    lens, picture = al.load("cifar"), al.models.sample_images()["deer_upright"]
    found = al.debug(lens, picture, "deer", most=1200).counterfactual
    removal = ImagePerturbation(lens, picture, by="blur")
    kept = torch.ones(1, len(removal.parts), dtype=torch.bool)
    kept[0, list(found.parts)] = False
    assert int(removal.logits(kept)[0].argmax()) == found.index != lens.target_index("bird")


def test_of_many_patches_several_are_a_cell():
    config = hf.ViTConfig(**tiny.VISION | {"image_size": 48, "patch_size": 4, "num_labels": 3})
    lens = al.Lens(tiny.seeded(lambda: hf.ViTForImageClassification(config)), tiny.processor(48))
    picture = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    assert al.debug(lens, picture, 0, tolerance=0.5).grid == (6, 6)
    assert al.debug(al.load("cifar"), al.models.sample_images()["cat"], "dog", most=1).grid == (8, 8)
    assert al.debug(al.load("sentiment"), "a film", 0).grid is None


def test_a_large_model_on_a_cpu_is_asked_less_often(monkeypatch):
    lens = al.load("sentiment")
    trace = lens.trace(MIXED)
    assert _debug._affordable(lens, trace) == MOST
    parameters = sum(parameter.numel() for parameter in lens.model.parameters())
    monkeypatch.setattr(_debug, "WORK", 7.5 * parameters * len(trace.tokens))
    assert _debug._affordable(lens, trace) == 7
    assert _debug._affordable(al.load("sentiment", device="meta"), trace) == MOST


@pytest.mark.parametrize("most", [0, 1.5, True])
def test_what_is_no_number_of_inputs(most):
    with pytest.raises(InputError, match="most must be an integer of at least 1"):
        al.debug(al.load("sentiment"), "a film", 0, most=most)


class Convolutions(nn.Module):
    """No attention at all."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(8, 3)

    def forward(self, pixels):
        return self.head(self.body(pixels))


def test_a_model_without_attention():
    lens = al.Lens(Convolutions(), patches=(4, 4))
    found = al.debug(lens, torch.rand(3, 16, 16), 1)
    assert found.explanation.names[2:] == ("difference",)
    assert found.findings[0].kind == "answer"


# -- what cannot be debugged --------------------------------------------------------------------------------------


def test_what_cannot_be_debugged(lens):
    with pytest.raises(InputError, match="unknown target 'angry'; expected one of: negative, positive"):
        al.debug(lens, MIXED, "angry")
    with pytest.raises(InputError, match="takes one input, not a list; debug them one by one"):
        al.debug(lens, [MIXED], "negative")
    with pytest.raises(InputError, match="text is empty"):
        al.debug(lens, " ", "negative")
    with pytest.raises(InputError, match="mask= is for images"):
        al.debug(lens, MIXED, "negative", mask=np.ones((2, 2), bool))
    regression = al.Lens(tiny.bert(num_labels=1), tiny.wordpiece())
    with pytest.raises(InputError, match="returns no probabilities of classes"):
        al.debug(regression, MIXED, 0)


# -- the difference of two classes ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"tolerance": 0.05}, {"unit": "probability"}, {"level": "token"}])
def test_the_difference_is_that_of_the_two_classes(lens, options, monkeypatch):
    """Within its stated error of scores that were integrated for the difference itself."""
    asked, attribute = [], type(lens).attribute

    def noted(self, input, target=None, **more):
        asked.append(target)
        return attribute(self, input, target, **more)

    monkeypatch.setattr(type(lens), "attribute", noted)
    found = al.debug(lens, MIXED, "negative", **options).explanation["difference"]
    assert all(target.against is None for target in asked)  # no third path
    monkeypatch.undo()
    truth = lens.attribute(MIXED, found.target, n_steps=300, level=found.level)
    size = float(truth.scores.abs().sum())
    assert float((found.scores - truth.scores).abs().sum()) <= found.tolerance * size
    assert found.change == pytest.approx(truth.change, abs=1e-4)
    assert found.value == pytest.approx(truth.value, abs=1e-5)
    assert found.converged
    parts = [lens.attribute(MIXED, index, tolerance=found.tolerance, unit=found.unit)
             for index in (found.target.index, found.target.against_index)]  # fmt: skip
    errors = sum(part.estimated_error * float(part.scores.abs().sum()) for part in parts)
    both = float((parts[0].scores - parts[1].scores).abs().sum())
    assert found.estimated_error == pytest.approx(errors / both, rel=1e-3)
    assert found.estimated_error <= found.tolerance


@pytest.mark.parametrize("options", [{"method": "gradient_x_input"}, {"n_steps": 20}, {"max_steps": 9}])
def test_where_the_difference_has_a_path_of_its_own(lens, options):
    """Methods without an estimate, and classes whose errors together could be too large."""
    found = al.debug(lens, MIXED, "negative", **options).explanation["difference"]
    expected = lens.attribute(MIXED, found.target, level="word", **options)
    assert torch.allclose(found.scores, expected.scores, atol=1e-6)
    assert found.steps == expected.steps
