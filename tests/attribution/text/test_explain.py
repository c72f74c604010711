"""Token attributions against Captum used by hand, and the error that they report of themselves."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

import attnlens as al
from attnlens.errors import InputError

from ... import tiny
from ..made import in_float64

TEXT = "a gripping , funny film with one dull stretch ."

LENSES = {
    "bert": lambda: al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()),
    "distilbert": lambda: al.Lens(tiny.distilbert(), tiny.wordpiece()),
    "roberta": lambda: al.Lens(tiny.roberta_model(), tiny.roberta()),
    "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "gpt2 classes": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level()),
    "gpt2 classes padded": lambda: al.Lens(
        tiny.gpt2("ForSequenceClassification", pad_token_id=0), tiny.byte_level("<|end|>")
    ),
    "llama": lambda: al.Lens(tiny.llama(), tiny.byte_level()),
    "masked": lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()),
}


@pytest.fixture(scope="module")
def lenses():
    return in_float64(LENSES)


@pytest.fixture(scope="module")
def lens(lenses):
    return lenses("bert")


def by_hand(lens, text, target, n_steps):
    """(attributions summed over the embedding, F(text), F(baseline)) with nothing of attnlens but the tokenizer."""
    tokenizer, model = lens.tokenizer, lens.model
    pair = text if isinstance(text, tuple) else (text,)
    encoded = tokenizer(*pair, return_tensors="pt", return_special_tokens_mask=True)
    special = encoded.pop("special_tokens_mask").bool()
    kept = special | (encoded["input_ids"] == tokenizer.mask_token_id) if tokenizer.mask_token else special
    blank = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.unk_token_id
    ids = encoded.pop("input_ids")
    if "distilbert" in type(model).__module__:
        encoded.pop("token_type_ids", None)
    baseline = torch.where(kept, ids, torch.full_like(ids, blank))
    place = -1
    if "MaskedLM" in type(model).__name__:
        place = int((ids[0] == tokenizer.mask_token_id).nonzero()[0])

    def forward(ids):
        rest = {name: value.expand(len(ids), -1) for name, value in encoded.items()}
        logits = model(input_ids=ids, **rest).logits
        return logits if logits.ndim == 2 else logits[:, place]

    layer = model.get_input_embeddings()
    scores = LayerIntegratedGradients(forward, layer).attribute(
        ids, baseline, target=target, n_steps=n_steps, internal_batch_size=1
    )
    with torch.no_grad():
        end = forward(ids)[0, target]
        vectors = layer(baseline)
        handle = layer.register_forward_hook(lambda *_: vectors)  # where the path begins: x with other words
        start = forward(ids)[0, target]
        handle.remove()
    return scores.sum(-1)[0].detach(), float(end), float(start)


def text_for(name):
    return "a [MASK] , funny film" if name == "masked" else TEXT


@pytest.mark.parametrize("name", LENSES)
def test_equals_captum_by_hand(lenses, name):
    lens, text = lenses(name), text_for(name)
    for target in (7, 8) if name == "masked" else (0, 1):  # 0 is padding, whose logit is constant
        found = lens.attribute(text, target=target, n_steps=8)
        scores, end, start = by_hand(lens, text, target, 8)
        torch.testing.assert_close(found.scores.double(), scores, atol=1e-6, rtol=1e-5)
        assert found.change == pytest.approx(end - start, rel=1e-6)
        gap = abs(float(scores.sum()) - (end - start)) / abs(end - start)
        assert found.gap == pytest.approx(gap, rel=1e-3, abs=1e-9)
        assert (found.target.index, found.steps, found.method) == (target, 8, "integrated_gradients")
        assert found.tokens == lens.trace(text).tokens
        assert len(found.scores) == len(found.tokens)


@pytest.mark.parametrize("name", LENSES)
def test_the_gap_shrinks_with_the_steps(lenses, name):
    lens, text = lenses(name), text_for(name)
    gaps = [lens.attribute(text, target=1, n_steps=n).gap for n in (2, 200)]
    assert gaps[1] < gaps[0]
    assert gaps[1] < 1e-3


def test_special_tokens_score_nothing(lens):
    found = lens.attribute(TEXT, n_steps=4)
    for token, score in zip(found.tokens, found.scores.tolist()):
        assert (score == 0) == token.special


def test_a_mask_is_the_question_and_scores_nothing(lenses):
    found = lenses("masked").attribute("a [MASK] , funny film", n_steps=4)
    assert found.scores[2] == 0
    assert found.prediction.label == found.target.label
    with pytest.raises(InputError, match=r"predicts at \[MASK\]; put one in the text"):
        lenses("masked").attribute(TEXT)


def test_a_pair(lens):
    pair = ("a funny film", "the story goes nowhere")
    found = lens.attribute(pair, target=0, n_steps=8)
    scores, end, start = by_hand(lens, pair, 0, 8)
    torch.testing.assert_close(found.scores.double(), scores, atol=1e-6, rtol=1e-5)
    assert found.change == pytest.approx(end - start, rel=1e-6)
    assert {token.segment for token in found.tokens} == {0, 1}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_result_is_float32_whatever_the_model(dtype):
    lens = al.Lens(tiny.bert().to(dtype), tiny.wordpiece())
    found = lens.attribute(TEXT, target=1, n_steps=20)
    assert found.scores.dtype is torch.float32
    assert bool(found.scores.isfinite().all())
    assert isinstance(found.gap, float)
    assert isinstance(found.change, float)
    exact = al.Lens(tiny.bert().double(), tiny.wordpiece()).attribute(TEXT, target=1, n_steps=20)
    tolerance = 0.25 if dtype is torch.bfloat16 else 1e-3
    assert float((found.scores - exact.scores).norm() / exact.scores.norm()) < tolerance


class Pooled(nn.Module):
    """Hand-written: no get_input_embeddings, no mask, and two embedding tables."""

    def __init__(self):
        super().__init__()
        self.places, self.words = nn.Embedding(64, 16), nn.Embedding(len(tiny.wordpiece()), 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, input_ids):
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        return self.head(self.attention(x, x, x)[0].mean(1))


def test_a_hand_written_model():
    lens = al.Lens(Pooled(), tiny.wordpiece())
    found = lens.attribute(TEXT, target=1, n_steps=50)
    assert found.gap < 0.01
    assert found.target.label == "class 1"
    lens.model.words = lens.model.places = None
    with pytest.raises(InputError, match="has no embedding layer"):
        lens.attribute(TEXT)


def test_on_the_embedded_sentiment_model():
    lens = al.load("sentiment")
    found = lens.attribute("a gripping , funny film with one dull stretch .", target="Negative", n_steps=100)
    assert found.target.label.lower() == "negative"
    assert found.gap < 0.05
    by_text = {token.text: float(score) for token, score in zip(found.tokens, found.scores)}
    assert max(by_text, key=by_text.get) == "dull"
