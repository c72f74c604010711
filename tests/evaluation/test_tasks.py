"""Every measure and the diagnosis for models that predict at a place of the text, against the model run by hand."""

from __future__ import annotations

import json

import pytest
import torch

import attnlens as al
from attnlens.attribution import Target
from attnlens.errors import InputError
from attnlens.evaluation._faithfulness import curves
from attnlens.evaluation._perturbation import parts_of

from .. import tiny

TEXT = "a gripping film see it"
PAIR = ("who", "a film see it")

TASKS = {
    "token": (
        lambda: al.Lens(tiny.bert("ForTokenClassification"), tiny.wordpiece()),
        TEXT,
        {"position": "film"},
    ),
    "start": (
        lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()),
        PAIR,
        {"target": "start"},
    ),
    "end": (lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()), PAIR, {"target": "end"}),
    "next token": (lambda: al.Lens(tiny.gpt2(), tiny.byte_level()), TEXT, {}),
    "a token before": (lambda: al.Lens(tiny.gpt2(), tiny.byte_level()), TEXT, {"position": 2}),
    "masked": (lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()), "a gripping [MASK] see it", {}),
    "seq2seq": (lambda: al.Lens(tiny.t5(), tiny.metaspace()), TEXT, {"output": "a film"}),
}


@pytest.fixture(params=TASKS)
def asked(request):
    build, text, options = TASKS[request.param]
    return build(), text, options


def by_hand(lens, target, text, gone):
    """The probability of the target, `[row]`, with the word embeddings of padding in the places of `gone`."""
    encoded = lens.encode(text, target.output)
    inputs = lens.inputs([encoded])
    table = lens.model.get_input_embeddings()
    blank = next(i for i in (lens.tokenizer.pad_token_id, lens.tokenizer.unk_token_id, lens.tokenizer.eos_token_id)
                 if i is not None)  # fmt: skip
    found = []
    for places in gone:
        vectors = table(inputs["input_ids"]).detach().clone()
        vectors[0, places] = table(torch.tensor(blank))
        others = {name: rows for name, rows in inputs.items() if name != "input_ids"}
        with torch.no_grad():
            output = lens.model.eval()(inputs_embeds=vectors, **others)
        if target.side is not None:
            logits = getattr(output, f"{target.side}_logits")[0]
        else:
            place = lens.answer_place(encoded) if target.position is None else target.position
            logits = output.logits[0, place]
        found.append(float(logits.double().softmax(-1)[target.index]))
    return found


def test_faithfulness_is_of_the_model_at_that_place(asked):
    lens, text, options = asked
    attribution = lens.attribute(text, method="gradient_x_input", **options)
    found = curves(lens, attribution, n_random=2)
    (parts,) = parts_of(lens, [attribution])
    order = [parts.perturbation.groups[part] for part in parts.order.tolist()]
    gone = [[place for group in order[:count] for place in group] for count in found.counts.tolist()]
    expected = by_hand(lens, attribution.target, text, gone)
    assert found.deletion[0].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert len(set(expected)) > 1
    table = al.faithfulness(lens, [attribution], n_random=2)
    assert table.target.tolist() == [attribution.target.name]


def test_infidelity_is_the_squared_error_of_the_scores_as_a_forecast(asked):
    lens, text, options = asked
    attribution = lens.attribute(text, method="gradient_x_input", **{"unit": "probability", **options})
    found = al.evaluation.infidelity(lens, attribution, n_samples=30, seed=3)
    (parts,) = parts_of(lens, [attribution])
    groups = parts.perturbation.groups
    drawn = torch.randint(2, (30, len(groups)), generator=torch.Generator().manual_seed(3))
    gone = [[place for group, out in zip(groups, row) if out for place in group] for row in drawn.tolist()]
    whole, *without = by_hand(lens, attribution.target, text, [[], *gone])
    lost = torch.tensor([whole - one for one in without], dtype=torch.float64)
    assert found == pytest.approx(float(((drawn.double() @ parts.scores - lost) ** 2).mean()), rel=1e-3)


def test_sensitivity_grows_with_the_radius(asked):
    lens, text, options = asked
    attribution = lens.attribute(text, method="gradient_x_input", **options)
    near, far = (al.evaluation.sensitivity(lens, attribution, radius=r, n_samples=4) for r in (0.001, 0.02))
    assert 0 < near < far


def test_a_target_asks_the_same_again(asked):
    lens, text, options = asked
    first = lens.attribute(text, method="gradient_x_input", **options)
    again = lens.attribute(text, first.target, method="gradient_x_input")
    assert again.target == first.target == Target(**json.loads(first.to_json())["target"])
    torch.testing.assert_close(again.scores, first.scores)
    other = lens.attribute(text, first.target, method="leave_one_out")
    assert al.evaluation.agreement([first, other]).shape[0] == 1
    assert len(al.evaluation.sanity_check(lens, text, first.target, method="gradient_x_input")) > 1


def test_what_a_target_says_is_not_said_otherwise():
    lens = al.Lens(tiny.gpt2(), tiny.byte_level())
    target = lens.attribute(TEXT, position=2, method="gradient").target
    assert lens.attribute(TEXT, target, position=2, method="gradient").target == target
    with pytest.raises(InputError, match=r"has position 2, which position=1 contradicts; omit it"):
        lens.attribute(TEXT, target, position=1, method="gradient")
    with pytest.raises(InputError, match=r"has unit 'logit', which unit='probability' contradicts"):
        lens.attribute(TEXT, target, unit="probability", method="gradient")


def test_targets_of_several_kinds_in_one_call():
    lens = al.Lens(tiny.bert("ForTokenClassification"), tiny.wordpiece())
    targets = [
        Target("LABEL_0", 0, position=2),
        Target("LABEL_1", 1, "LABEL_0", 0, "probability", position=4),
    ]
    found = lens.attribute([TEXT, TEXT], targets, method="gradient_x_input")
    assert [one.target for one in found] == targets
    for one, target in zip(found, targets):
        torch.testing.assert_close(one.scores, lens.attribute(TEXT, target, method="gradient_x_input").scores)


@pytest.mark.parametrize("name", TASKS)
def test_a_diagnosis_of_what_is_predicted_at_a_place(name):
    build, text, options = TASKS[name]
    lens, options = build(), dict(options)
    side = options.pop("target", None)
    true = {"start": "film", "end": 4}.get(name, 5 if "token" != name else 1)
    found = al.debug(lens, text, true, side=side, tolerance=0.05, **options)
    target = found.explanation["difference"].target
    assert found.trace.logits.ndim == 1
    assert (target.index, target.against_index) == (found.trace.prediction.index, found.rival)
    chance = by_hand(lens, target, text, [[]])[0]
    assert found.trace.prediction.probability == pytest.approx(chance, rel=1e-4)
    assert {finding.kind for finding in found.findings} >= {"answer", "counterfactual"}
    if found.counterfactual is not None and name in ("token", "start", "end"):
        gone = [place for part in found.counterfactual.parts for place in _places(lens, found, part)]
        assert by_hand(lens, target, text, [gone])[0] < by_hand(lens, target, text, [[]])[0]


def _places(lens, found, part):
    difference = found.explanation["difference"]
    (parts,) = parts_of(lens, [difference], "pad")
    return parts.perturbation.groups[part]


def test_what_a_diagnosis_of_a_place_needs():
    token = al.Lens(tiny.bert("ForTokenClassification"), tiny.wordpiece())
    with pytest.raises(InputError, match="predicts for every token; name one"):
        al.debug(token, TEXT, 1)
    with pytest.raises(InputError, match="side= is for question answering"):
        al.debug(token, TEXT, 1, position=2, side="end")
    with pytest.raises(InputError, match="unknown target 'middle'; expected one of: start, end"):
        al.debug(al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()), PAIR, "film", side="middle")


def test_relevance_explains_the_position_of_the_diagnosis_or_is_omitted():
    lens = al.Lens(tiny.gpt2(), tiny.byte_level())
    last = len(lens.encode(TEXT)) - 1
    label = lens.labels[5]
    for position in (None, last):
        diagnosis = al.debug(lens, TEXT, label, most=2, position=position)
        scores = dict(zip(diagnosis.explanation.names, diagnosis.explanation.attributions))
        (relevant,) = (one for name, one in scores.items() if name == f"attention for {label}")
        expected = lens.attribute(TEXT, 5, method="relevance", level="word")
        torch.testing.assert_close(relevant.scores, expected.scores)
        assert relevant.target.position == last
    earlier = al.debug(lens, TEXT, label, most=2, position=2).explanation.names
    assert not any(name.startswith("attention for") for name in earlier)


@pytest.mark.parametrize("method", ["relevance", "gradient_rollout"])
def test_relevance_can_be_asked_again_for_its_own_target(method):
    lens = al.Lens(tiny.gpt2(), tiny.byte_level())
    first = lens.attribute(TEXT, 5, method=method)
    torch.testing.assert_close(lens.attribute(TEXT, first.target, method=method).scores, first.scores)
    torch.testing.assert_close(lens.attribute(TEXT, 5, position=-1, method=method).scores, first.scores)
    with pytest.raises(InputError, match=f"{method} reads attention by the gradient of the one prediction"):
        lens.attribute(TEXT, 5, position=2, method=method)
