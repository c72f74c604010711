"""All views of one input, linked: what is picked or typed in one is seen in the others."""

from __future__ import annotations

import pytest
import transformers

import attnlens as al
from attnlens.errors import InputError


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def test_of_a_text_it_is_the_tokens_every_head_and_the_attention(lens):
    explorer = al.Explorer(lens, "a gripping , funny film", "negative", layer=2, head=5)
    assert [type(view).__name__ for view in explorer.children] == ["TokensView", "HeadsView", "AttentionView"]
    assert explorer.tokens.attribution.target.name == "negative"
    assert (explorer.attention.layer, explorer.attention.heads) == (2, [5])


def test_another_text_is_seen_in_every_view(lens):
    explorer = al.Explorer(lens, "a gripping , funny film", layer=2, head=5)
    explorer.show("dull")
    assert explorer.tokens.text == "dull"
    assert explorer.attention.trace["tokens"]["input"]["text"] == ["[CLS]", "dull", "[SEP]"]
    assert explorer.heads.sizes[0] == [12, 3, 3]
    assert (explorer.heads.layer, explorer.heads.heads) == (2, [5])
    explorer.tokens.text = "a fine film"  # as typed into the view
    assert len(explorer.attention.trace["tokens"]["input"]["text"]) == 5


def test_a_masked_token_adds_what_that_changed_until_it_is_undone(lens):
    text = "a gripping , funny film with one dull stretch ."
    explorer = al.Explorer(lens, text, layer=5, head=9)
    span = explorer.tokens.shown["texts"][0][0]["span"][8]
    assert text[slice(*span)] == "dull"
    explorer.tokens.before = text  # as the browser does when a token is masked there
    explorer.tokens.text = "a gripping , funny film with one [MASK] stretch ."
    compare = explorer.children[-1]
    assert isinstance(compare, al.CompareView)
    assert (compare.layer, compare.head) == (5, 9)
    assert compare.a_trace["tokens"]["input"]["text"][8] == "dull"
    assert compare.b_trace["tokens"]["input"]["text"][8] == "[MASK]"
    assert compare.attributions["target"] == "positive"
    explorer.tokens.text = "a gripping , funny film with one [MASK] [MASK] ."  # still beside the first text
    assert explorer.compare.a_trace["tokens"]["input"]["text"][8] == "dull"
    assert [type(view).__name__ for view in explorer.children].count("CompareView") == 1
    explorer.tokens.before = None
    assert explorer.compare is None
    assert len(explorer.children) == 3


def test_a_changed_text_may_arrive_before_what_it_was(lens):
    explorer = al.Explorer(lens, "a dull film")
    explorer.tokens.text = "a [MASK] film"
    assert explorer.compare is None
    explorer.tokens.before = "a dull film"
    assert explorer.compare.a_trace["tokens"]["input"]["text"][2] == "dull"
    assert explorer.compare.b_trace["tokens"]["input"]["text"][2] == "[MASK]"


def test_a_text_that_cannot_be_read_leaves_the_views_as_they_are(lens):
    explorer = al.Explorer(lens, "a fine film")
    with pytest.raises(InputError, match="empty"):
        explorer.show("")
    assert explorer.tokens.text == "a fine film"
    assert len(explorer.attention.trace["tokens"]["input"]["text"]) == 5


def test_of_an_image_it_is_every_head_and_the_patches():
    images = al.models.sample_images()
    name, other = sorted(images)[:2]
    explorer = al.Explorer(al.load("cifar"), images[name])
    assert [type(view).__name__ for view in explorer.children] == ["HeadsView", "PatchView"]
    before = explorer.heads.thumbnails
    explorer.show(images[other])
    assert explorer.heads.thumbnails != before


def test_a_model_without_classes_gets_a_field_for_the_text(lens):
    config = transformers.DistilBertConfig(
        dim=16, hidden_dim=32, n_heads=2, n_layers=2, vocab_size=len(lens.tokenizer)
    )
    bare = al.Lens(transformers.DistilBertModel(config), lens.tokenizer)
    explorer = al.Explorer(bare, "a fine film")
    field, error, *_ = explorer.children
    field.value = "good"
    assert explorer.attention.trace["tokens"]["input"]["text"] == ["[CLS]", "good", "[SEP]"]
    field.value = " "
    assert "empty" in error.value
    with pytest.raises(InputError, match="no classes"):
        al.Explorer(bare, "a fine film", "positive")


def test_only_a_lens_and_one_input_is_explored(lens):
    with pytest.raises(InputError, match="takes a lens and an input"):
        al.Explorer(lens.trace("a fine film"), "a fine film")
    with pytest.raises(InputError, match="one input"):
        al.Explorer(lens, ["a fine film", "a dull film"])
