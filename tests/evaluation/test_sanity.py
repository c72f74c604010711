"""The sanity check: which layers are drawn anew when, and that the model is afterwards what it was."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import transformers as hf
from torch import nn

import attnlens as al
from attnlens.errors import InputError
from attnlens.evaluation._sanity import layers, randomise, restored, sanity_check

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."


@pytest.fixture
def lens():
    """Three blocks: enough to distinguish this one from all above it."""
    options = {"vocab_size": len(tiny.wordpiece()), "max_position_embeddings": 64, "num_labels": 3}
    config = hf.BertConfig(**(tiny.TEXT | options | {"num_hidden_layers": 3}))
    return al.Lens(tiny.seeded(lambda: hf.BertForSequenceClassification(config)), tiny.wordpiece())


def state(model):
    return {name: tensor.clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def changed(before, model):
    return {name for name, tensor in state(model).items() if not torch.equal(tensor, before[name])}


def layer_of(model, names):
    """Which layers the names belong to."""
    return {layer for layer, own in layers(model) if names & set(own)}


# -- layers ---------------------------------------------------------------------------------------------------


def test_layers_come_from_the_logits_down(lens):
    found = dict(layers(lens.model))
    blocks = [f"bert.encoder.layer.{i}" for i in (2, 1, 0)]
    assert list(found) == ["head", *blocks, "embeddings"]
    assert {name.split(".")[0] for name in found["head"]} == {"bert", "classifier"}
    assert "bert.pooler.dense.weight" in found["head"]
    assert all(name.startswith("bert.embeddings.") for name in found["embeddings"])
    names = [name for own in found.values() for name in own]
    assert sorted(names) == sorted(name for name, _ in lens.model.named_parameters())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (tiny.gpt2, ["head", "transformer.h.1", "transformer.h.0", "embeddings"]),
        (tiny.t5, ["head", "encoder.block.1", "encoder.block.0", "embeddings"]),
        (tiny.vit, ["head", "vit.layers.1", "vit.layers.0", "embeddings"]),
        (tiny.HandViT, ["head", "value", "key", "query", "embed", "embeddings"]),
    ],
)
def test_layers_of_other_models(model, expected):
    built = model()
    found = layers(built)
    assert [name for name, _ in found] == expected
    names = [name for _, own in found for name in own]
    assert sorted(names) == sorted(name for name, _ in built.named_parameters())


def test_a_shared_parameter_belongs_to_the_embeddings():
    model = tiny.gpt2()
    found = dict(layers(model))
    assert "transformer.wte.weight" in found["embeddings"]
    assert found["head"] == ["transformer.ln_f.weight", "transformer.ln_f.bias"]


# -- drawing anew ---------------------------------------------------------------------------------------------


def test_a_layer_is_drawn_by_its_own_reset():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    for parameter in model.parameters():
        parameter.data.fill_(9.0)
    randomise(model, ["0.weight", "0.bias", "1.weight", "1.bias"], seed=3)
    torch.manual_seed(3)
    expected = nn.Linear(4, 3)
    assert torch.equal(model[0].weight, expected.weight)
    assert torch.equal(model[0].bias, expected.bias)
    assert model[1].weight.tolist() == [1.0] * 3
    assert model[1].bias.tolist() == [0.0] * 3


def test_a_parameter_without_a_reset_keeps_mean_and_deviation():
    model = nn.Module()
    torch.manual_seed(0)
    model.register = nn.Parameter(5 + 2 * torch.randn(200, 50))
    model.other = nn.Parameter(torch.ones(3))
    before = model.register.detach().clone()
    randomise(model, ["register"], seed=1)
    assert not torch.equal(model.register, before)
    drawn = model.register.detach()
    assert float(drawn.mean()) == pytest.approx(5, abs=0.1)
    assert float(drawn.std()) == pytest.approx(2, abs=0.1)
    assert model.other.tolist() == [1.0] * 3


def test_a_module_whose_parameters_are_not_all_meant_is_not_reset():
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].bias.data.fill_(9.0)
    before = model[0].weight.detach().clone()
    randomise(model, ["0.weight"], seed=1)
    assert model[0].bias.tolist() == [9.0] * 3
    assert not torch.equal(model[0].weight, before)


def test_random_numbers_of_the_caller_go_on(lens):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    sanity_check(lens, "see it", method="gradient")
    assert torch.equal(torch.rand(3), expected)


# -- the check ------------------------------------------------------------------------------------------------


def test_what_is_randomised_when(lens, monkeypatch):
    before, seen = state(lens.model), []
    attribute = lens.attribute

    def recorded(*arguments, **options):
        seen.append(changed(before, lens.model))
        return attribute(*arguments, **options)

    monkeypatch.setattr(lens, "attribute", recorded)
    table = sanity_check(lens, TEXT, method="gradient_x_input")
    order = [layer for layer, _ in layers(lens.model)]
    assert table.layer.tolist() == order * 2
    assert table["mode"].tolist() == ["cascade"] * 5 + ["independent"] * 5
    assert seen[0] == set()  # the trained model
    for number in range(5):
        assert layer_of(lens.model, seen[1 + number]) == set(order[: number + 1])
        assert layer_of(lens.model, seen[6 + number]) == {order[number]}
    assert changed(before, lens.model) == set()


def test_the_head_alone_is_the_first_step_of_the_cascade(lens):
    table = sanity_check(lens, TEXT, method="gradient_x_input", n=2)
    assert table.draw.tolist() == [0] * 10 + [1] * 10
    heads = table[table.layer == "head"]
    assert (
        heads[heads["mode"] == "cascade"].similarity.tolist()
        == heads[heads["mode"] != "cascade"].similarity.tolist()
    )
    first, second = heads.similarity_signed.tolist()[::2]
    assert first != second
    again = sanity_check(lens, TEXT, method="gradient_x_input", n=2)
    assert table.equals(again)
    assert not table.similarity.equals(
        sanity_check(lens, TEXT, method="gradient_x_input", n=2, seed=9).similarity
    )


def test_the_class_stays_that_of_the_trained_model(lens, monkeypatch):
    asked = []
    attribute = lens.attribute

    def recorded(input, target, **options):
        asked.append(target)
        return attribute(input, target, **options)

    monkeypatch.setattr(lens, "attribute", recorded)
    sanity_check(lens, TEXT, method="gradient_x_input")
    assert asked[0] is None
    assert [target.index for target in asked[1:]] == [lens.trace(TEXT).prediction.index] * 10


def test_rollout_does_not_see_the_head_and_knows_its_blocks():
    table = sanity_check(al.load("sentiment"), TEXT, method="rollout").set_index(["mode", "layer"])
    for mode in ("cascade", "independent"):
        assert table.loc[(mode, "head"), "similarity"] == pytest.approx(1.0)
    assert table.loc[("cascade", "embeddings"), "similarity"] < 0.9


def test_scores_that_see_the_input_alone_stay_alike(lens, monkeypatch):
    """And a method that is the same everywhere has no ranks."""
    attribution = lens.attribute(TEXT, method="gradient_x_input")
    monkeypatch.setattr(lens, "attribute", lambda *_, **__: attribution)
    assert sanity_check(lens, TEXT).similarity.tolist() == pytest.approx([1.0] * 10)
    flat = SimpleNamespace(**(vars(attribution) | {"scores": torch.ones(len(attribution))}))
    monkeypatch.setattr(lens, "attribute", lambda *_, **__: flat)
    assert all(math.isnan(value) for value in sanity_check(lens, TEXT).similarity)


def test_turned_scores_are_alike_in_size_alone(lens, monkeypatch):
    attribution = lens.attribute(TEXT, method="gradient_x_input")
    answers = iter([attribution, *[replace(attribution, scores=-attribution.scores)] * 10])
    monkeypatch.setattr(lens, "attribute", lambda *_, **__: next(answers))
    table = sanity_check(lens, TEXT)
    assert table.similarity.tolist() == pytest.approx([1.0] * 10)
    assert table.similarity_signed.tolist() == pytest.approx([-1.0] * 10)


def test_a_model_is_restored_after_an_error(lens, monkeypatch):
    before, calls = state(lens.model), []
    attribute = lens.attribute

    def fails(*arguments, **options):
        calls.append(changed(before, lens.model))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return attribute(*arguments, **options)

    monkeypatch.setattr(lens, "attribute", fails)
    with pytest.raises(KeyboardInterrupt):
        sanity_check(lens, TEXT, method="gradient_x_input")
    assert calls[-1]
    assert changed(before, lens.model) == set()


def test_buffers_are_restored():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model(torch.randn(8, 2))
    before = state(model)
    with restored(model):
        randomise(model, [name for name, _ in model.named_parameters()], seed=0)
        assert "1.running_mean" in changed(before, model)
    assert changed(before, model) == set()


def test_answers_of_a_text_stay_at_their_place():
    lens = al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece())
    pair = ("who would love it ?", "the film takes a long time")
    table = sanity_check(lens, pair, "end", method="gradient_x_input")
    assert len(table) == 8
    assert table.similarity.between(-1, 1).all()


def test_pixels_of_an_image():
    lens = al.load("minivit")
    before = state(lens.model)
    table = sanity_check(lens, al.models.sample_images()["cat"], method="gradient")
    assert table.layer.tolist()[:3] == ["classifier", "norm", "blocks"]
    assert table.similarity.between(-1, 0.999).all()
    assert changed(before, lens.model) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": [TEXT]}, "one input and one target at a time"),
        ({"target": [0, 1]}, "one input and one target at a time"),
        ({"n": 0}, "n must be an integer of at least 1, not 0"),
        ({"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ({"method": "magic"}, "unknown method 'magic'"),
    ],
)
def test_what_cannot_be_checked(lens, options, message):
    with pytest.raises(InputError, match=message):
        sanity_check(lens, **{"input": TEXT, **options})
