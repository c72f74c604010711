"""A tokenizer that is not the model's, and logits that are no numbers: both are errors at once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.errors import InputError

from .. import tiny


def longer(count=3):
    tokenizer = tiny.wordpiece()
    tokenizer.add_tokens([f"extra{n}" for n in range(count)])
    return tokenizer


def test_more_tokens_than_embeddings():
    model = tiny.bert()
    model.resize_token_embeddings(len(tiny.wordpiece()))
    with pytest.warns(
        UserWarning, match=r"the tokenizer has \d+ tokens and Bert\w+ embeds \d+: .*resize_token_emb"
    ):
        lens = al.Lens(model, longer())
    lens.trace("the film")  # whose tokens all have one
    with pytest.raises(InputError, match=r"the token 'extra1' has the id \d+, and .* not this model's"):
        lens.trace("the extra1 film")
    with pytest.raises(InputError, match="the token 'extra2' has the id"):
        lens.attribute(["the film", "extra2"])


def test_the_models_own_tokenizer_says_nothing(tmp_path):
    model, tokenizer = tiny.bert(), tiny.wordpiece()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = type(model).from_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        al.load(tmp_path)
        al.Lens(model, tokenizer)


def test_a_tokenizer_with_other_numbers(tmp_path):
    model = tiny.bert()
    model.save_pretrained(tmp_path)
    tiny.wordpiece().save_pretrained(tmp_path)
    model = type(model).from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"tokens of the model's own tokenizer .* have another id"):
        al.Lens(model, tiny.byte_level())


@pytest.fixture(params=[torch.nan, torch.inf])
def broken(request):
    model = tiny.bert()
    with torch.no_grad():
        model.classifier.bias[1] = request.param
    return al.Lens(model, tiny.wordpiece())


def test_logits_that_are_no_numbers(broken):
    message = "logits are not finite: 1 of \\d+ are NaN or infinite, .* model.float()"
    for ask in (broken.trace, broken.attribute, lambda text: al.debug(broken, text, 0)):
        with pytest.raises(InputError, match=message):
            ask("the film")


def test_logits_of_an_image_that_are_no_numbers():
    model = tiny.vit()
    with torch.no_grad():
        model.classifier.weight.fill_(torch.nan)
    lens = al.Lens(model, tiny.processor())
    picture = np.zeros((32, 32, 3), np.uint8)
    for ask in (lens.trace, lens.attribute):
        with pytest.raises(InputError, match="logits are not finite"):
            ask(picture)


def test_a_class_that_is_ruled_out_is_no_error():
    model = tiny.bert()
    with torch.no_grad():
        model.classifier.bias[1] = -torch.inf
    assert al.Lens(model, tiny.wordpiece()).trace("the film").prediction.index != 1
