"""PatchView's Python half: what it sends, what it answers, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf

import attnlens as al
from attnlens.data._trace import PatchGrid
from attnlens.errors import InputError

from .. import tiny

SOURCE = Path(__file__).parents[2] / "widgets" / "src" / "patches" / "state.ts"


@pytest.fixture(scope="module")
def image():
    return al.models.sample_images()["chelsea"]


@pytest.fixture(scope="module")
def lens():
    return al.load("cifar")


@pytest.fixture(scope="module")
def trace(lens, image):
    return lens.trace(image)


def scores(view, name):
    """A panel's scores as the browser reads them, `[row, column]`."""
    grid = view.trace["patches"]
    all_of_them = np.frombuffer(view.scores, "<f4").reshape(-1, grid["rows"], grid["cols"])
    return torch.tensor(all_of_them[view.maps[name]["place"]])


def ask(view, question, **given):
    """What the browser gets for a question."""
    sent = []
    view.send = lambda content, buffers=(): sent.append((content, buffers))
    view._reply(view, {"id": 1, "ask": question, **given}, [])
    ((content, buffers),) = sent
    return content, buffers


# -- what it sends --------------------------------------------------------------------------------------------


def test_the_state_in_the_browser_is_the_synced_traits():
    body = re.search(r"export interface PatchesState \{(.*?)\n\}", SOURCE.read_text(), re.S)[1]
    written = set(re.findall(r"^  (\w+):", body, re.M))
    own = {name for name in al.PatchView.class_own_traits(sync=True) if not name.startswith("_")}
    assert written == own


def test_a_trace_opens_at_the_head_whose_class_token_attends_most_to_one_patch(trace):
    weights = torch.stack([layer[:, 0, 1:].amax(-1) for layer in (trace[n] for n in range(len(trace)))])
    strongest = weights.flatten().argmax().item()
    view = al.PatchView(trace)
    assert (view.layer, view.heads) == (strongest // weights.shape[1], [strongest % weights.shape[1]])
    assert al.PatchView(trace, heads=[]).layer == al.PatchView(trace, heads=0).layer == len(trace) - 1
    assert al.PatchView(trace, layer=1).heads == al.PatchView(trace, heads=[]).heads == []


def test_without_a_class_token_it_opens_at_the_mean_of_the_last_layer():
    view = al.PatchView(al.Lens(tiny.HandViT(leading=0), patches=(6, 10)).trace(torch.randn(3, 24, 40)))
    assert (view.layer, view.heads) == (len(view.trace["layers"]) - 1, [])


def test_a_trace_is_shown_with_what_a_trace_has(trace):
    view = al.PatchView(trace)
    assert (view.query, view.target) == (None, "")
    assert (view.offered, view.panels) == (["image", "attention", "rollout"], ["image", "rollout"])
    assert view.size == [32, 32]
    assert all(view.has_trait(f"layer_{number}") for number in range(len(trace)))


def test_rollout_is_the_class_tokens(trace):
    view = al.PatchView(trace)
    expected = al.rollout(trace, row=0)[1:].reshape(8, 8)
    torch.testing.assert_close(scores(view, "rollout"), expected.float())
    assert view.maps["rollout"] == {
        "kind": "share", "target": "", "how": "rollout of [CLS]", "verdict": "independent of the class",
        "place": 0,
    }  # fmt: skip


def test_without_a_class_token_rollout_is_the_mean_over_positions():
    trace = al.Lens(tiny.HandViT(leading=0), patches=(6, 10)).trace(torch.randn(3, 24, 40))
    view = al.PatchView(trace)
    torch.testing.assert_close(scores(view, "rollout"), al.rollout(trace).mean(0).reshape(6, 10).float())


def test_relevance_is_the_patches_own_and_a_signed_map_keeps_the_sum(lens, image):
    view = al.PatchView(lens, image, "dog", panels=["relevance", "integrated_gradients"])
    expected = al.attribution.relevance(lens, image, "dog", row=0)[1:].reshape(8, 8)
    torch.testing.assert_close(scores(view, "relevance"), expected.float())
    attribution = lens.attribute(image, "dog", method="integrated_gradients")
    torch.testing.assert_close(scores(view, "integrated_gradients"), attribution.pooled(8, 8).float())
    assert [view.maps[name]["kind"] for name in view.panels] == ["rank", "signed"]
    assert view.maps["integrated_gradients"]["verdict"] == f"gap {attribution.gap:.1%}"


def test_the_predicted_class_is_explained_by_default(lens, image, trace):
    view = al.PatchView(lens, image)
    assert view.target == trace.prediction.label == view.maps["relevance"]["target"]
    assert view.labels == list(lens.labels)


def test_a_panel_that_runs_the_model_waits_until_it_is_asked_for(lens, image, monkeypatch):
    view = al.PatchView(lens, image, panels=["attention"])
    ran = []
    attribute = type(lens).attribute
    monkeypatch.setattr(
        type(lens), "attribute", lambda *a, **k: ran.append(k["method"]) or attribute(*a, **k)
    )
    view.panels = ["attention", "gradient"]
    assert (ran, view.maps) == ([], {})
    assert ask(view, "map", name="gradient")[0] == {"id": 1, "answer": {}}
    assert ask(view, "map", name="gradient")[0] == {"id": 1, "answer": {}}
    assert (ran, list(view.maps)) == (["gradient"], ["gradient"])


def test_another_class_gets_scores_of_its_own_when_they_are_asked_for(lens, image):
    view = al.PatchView(lens, image, "cat", panels=["rollout", "relevance"])
    before, rollout = scores(view, "relevance"), scores(view, "rollout")
    view.target = "DOG"
    assert view.target == "dog"
    ask(view, "map", name="relevance")
    assert view.maps["relevance"]["target"] == "dog"
    assert not torch.equal(scores(view, "relevance"), before)
    torch.testing.assert_close(scores(view, "rollout"), rollout, rtol=0, atol=0)


def test_classes_without_names_go_by_their_number(image):
    lens = al.Lens(tiny.HandViT(), patches=(6, 10))
    view = al.PatchView(lens, torch.randn(3, 24, 40), 2, panels=["gradient"])
    assert (view.target, view.labels, view.maps["gradient"]["target"]) == ("2", [], "2")


def test_a_model_without_classes_has_no_panels_of_them(image):
    lens = al.Lens(tiny.vit("Model"), tiny.processor())
    view = al.PatchView(lens, image)
    assert (view.offered, view.target) == (["image", "attention", "rollout"], "")


def test_patches_without_an_image_are_a_plain_grid(trace):
    plain = replace(trace, patches=PatchGrid(8, 8, ("[CLS]",)))
    view = al.PatchView(plain)
    assert (view.size, view.offered, view.trace["patches"]["image"]) == (
        [8, 8],
        ["attention", "rollout"],
        None,
    )


def test_fourteen_by_fourteen_patches_with_twelve_heads(image):
    config = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=12, intermediate_size=48)
    lens = al.Lens(
        tiny.seeded(lambda: hf.ViTForImageClassification(hf.ViTConfig(num_labels=3, **config))),
        tiny.processor(224),
    )
    view = al.PatchView(lens, image, heads=11)
    assert (view.trace["patches"]["rows"], view.size, view.heads) == (14, [224, 224], [11])
    assert scores(view, "relevance").shape == (14, 14)


def test_another_image_keeps_what_is_selected(lens, image, trace):
    view = al.PatchView(lens, image, layer=2, heads=1, query=9, panels=["rollout", "relevance"])
    other = al.models.sample_images()["dog"]
    view.show(lens, other)
    assert (view.layer, view.heads, view.query, view.panels) == (2, [1], 9, ["rollout", "relevance"])
    assert view.target == lens.trace(other).prediction.label
    torch.testing.assert_close(
        scores(view, "relevance"), al.attribution.relevance(lens, other, row=0)[1:].reshape(8, 8).float()
    )
    view.show(trace)
    assert (view.offered, view.panels, view.target) == (["image", "attention", "rollout"], ["rollout"], "")
    assert list(view.maps) == ["rollout"]
    small = al.Lens(tiny.HandViT(), patches=(1, 2)).trace(torch.randn(3, 4, 8))
    view.show(small)
    assert (view.layer, view.heads, view.query, view.size) == (0, [], None, [4, 8])
    assert view.trace["patches"]["cols"] == 2


# -- what it answers ------------------------------------------------------------------------------------------


def test_one_querys_row_and_what_each_patch_receives(trace):
    view = al.PatchView(trace)
    content, (row,) = ask(
        view, "line", layer=3, heads=[0, 2], axis="query", position=5, pair="all", pool="max"
    )
    assert content["answer"] == {"shape": [2, 65]}
    found = torch.tensor(np.frombuffer(row, "<f2").reshape(2, 65).astype("f4"))
    torch.testing.assert_close(found, trace[3][:][[0, 2], 5].float(), rtol=1e-3, atol=1e-6)
    _, (received,) = ask(view, "received", layer=3, heads=[0, 2])
    expected = trace[3][:][[0, 2]].mean((0, 1)).float()
    torch.testing.assert_close(torch.tensor(np.frombuffer(received, "<f4").copy()), expected)


def test_what_cannot_be_computed_is_answered_in_words(trace, lens, image):
    content, _ = ask(al.PatchView(trace), "map", name="relevance")
    assert content["error"] == "unknown map 'relevance'; expected one of: rollout."
    view = al.PatchView(lens, image, panels=[])
    view._image = "nowhere.png"
    content, _ = ask(view, "map", name="gradient")
    assert content["error"] == "no such image file: nowhere.png"


# -- what it refuses ------------------------------------------------------------------------------------------


def test_a_query_is_a_position_or_a_patch(trace):
    view = al.PatchView(trace, query=(2, 5))
    assert view.query == 1 + 2 * 8 + 5
    for wrong, words in (
        (65, "query 65 is out of range: there are 65, numbered 0 to 64"),
        (-66, "query -66 is out of range"),
        ((8, 0), "row 8 is out of range: there are 8"),
        ((0, True), "column must be an integer"),
        ((1, 2, 3), "is no patch"),
    ):
        with pytest.raises(InputError, match=words):
            al.PatchView(trace, query=wrong)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layer": 8}, "layer 8 is out of range"),
        ({"heads": 3}, "head 3 is out of range"),
        ({"blend": 1.5}, "blend must be a number from 0 to 1, not 1.5"),
        ({"panels": ["relevence"]}, "unknown panel 'relevence'"),
        ({"panels": ["relevance"]}, r"runs a model with classes; .*PatchView\(lens, image\)"),
        ({"target": "cat"}, "a class is explained by a model"),
    ],
)
def test_what_is_not_there_is_refused(trace, given, words):
    with pytest.raises(InputError, match=words):
        al.PatchView(trace, **given)


def test_what_is_no_image_is_refused(lens, image):
    sentiment = al.load("sentiment")
    for source, words in (
        (sentiment, "sentiment reads texts: al.TokensView"),
        (sentiment.trace("see it"), "trace of an image"),
        (lens, "needs one image"),
    ):
        with pytest.raises(InputError, match=words):
            al.PatchView(source)
    with pytest.raises(InputError, match="'catt'"):
        al.PatchView(lens, image, "catt")


def test_layers_over_other_positions_are_left_out(trace):
    other = [replace(layer, query_side="other", key_side="other") for layer in trace.layers]
    some = replace(trace, layers=(*trace.layers[:3], *other[3:]))
    view = al.PatchView(some)
    assert (view.layer, view.panels) == (2, ["image"])
    with pytest.raises(InputError, match=r"layer 5, .* whose positions are not the image's patches"):
        view.layer = 5
    with pytest.raises(InputError, match="no layer attends over the 8 x 8 patches"):
        al.PatchView(replace(trace, layers=tuple(other)))


def test_a_panel_that_the_model_cannot_have_is_left_out_unless_it_was_asked_for(trace):
    mixed = replace(trace, layers=(*trace.layers[:3], replace(trace.layers[3], kind="cross")))
    assert al.PatchView(mixed).panels == ["image"]
    with pytest.raises(InputError, match="cross"):
        al.PatchView(mixed, panels=["rollout"])
