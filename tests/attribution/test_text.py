"""Token attributions against Captum used by hand, and the error that they report of themselves."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

import attnlens as al
from attnlens.errors import InputError

from .. import tiny

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
    built = {}

    def lens(name):
        if name not in built:
            built[name] = LENSES[name]()
            built[name].model.double()
        return built[name]

    return lens


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
        assert (found.target_index, found.steps, found.method) == (target, 8, "integrated_gradients")
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
    assert found.prediction.label == found.target
    with pytest.raises(InputError, match=r"answers at \[MASK\]; put one in the text"):
        lenses("masked").attribute(TEXT)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_the_target_is_the_prediction_by_default(lenses, name):
    lens = lenses(name)
    trace, found = lens.trace(TEXT), lens.attribute(TEXT, n_steps=2)
    assert found.prediction == trace.prediction
    assert found.target == trace.prediction.label
    assert found.target_index == trace.prediction.index


def test_targets_by_name_index_and_case(lens):
    by_index = lens.attribute(TEXT, target=2, n_steps=2)
    for target in ("LABEL_2", "label_2"):
        found = lens.attribute(TEXT, target=target, n_steps=2)
        assert torch.equal(found.scores, by_index.scores)
        assert found.target == "LABEL_2"


def test_a_next_token_is_a_target_by_its_text(lenses):
    lens = lenses("gpt2")
    found = lens.attribute(TEXT, target=" film", n_steps=2)
    assert found.target == " film"
    assert lens.tokenizer.decode([found.target_index]) == " film"


def test_an_unknown_target_or_method_lists_the_known_ones(lens, lenses):
    with pytest.raises(InputError, match="unknown target 'good'; expected one of: LABEL_0, LABEL_1, LABEL_2"):
        lens.attribute(TEXT, target="good")
    with pytest.raises(InputError, match="target 3 is no class; give an index from 0 to 2"):
        lens.attribute(TEXT, target=3)
    with pytest.raises(InputError, match="unknown method 'saliency'; expected one of: integrated_gradients"):
        lens.attribute(TEXT, method="saliency")
    with pytest.raises(InputError, match="is no class"):
        lenses("gpt2").attribute(TEXT, target=10_000)


@pytest.mark.parametrize("n_steps", [0, -1, 2.5, "8", True])
def test_steps_that_are_none(lens, n_steps):
    with pytest.raises(InputError, match="n_steps must be an integer of at least 1"):
        lens.attribute(TEXT, n_steps=n_steps)


def test_a_pair(lens):
    pair = ("a funny film", "the story goes nowhere")
    found = lens.attribute(pair, target=0, n_steps=8)
    scores, end, start = by_hand(lens, pair, 0, 8)
    torch.testing.assert_close(found.scores.double(), scores, atol=1e-6, rtol=1e-5)
    assert found.change == pytest.approx(end - start, rel=1e-6)
    assert {token.segment for token in found.tokens} == {0, 1}


def test_a_text_that_cannot_be_read(lens):
    for text, message in (("", "is empty"), (3, "not int"), (["a", ""], "is empty"), ("film " * 99, "window=")):
        with pytest.raises(InputError, match=message):
            lens.attribute(text)


def state(model):
    return (
        [p.requires_grad for p in model.parameters()],
        [p.grad is None for p in model.parameters()],
        [m.training for m in model.modules()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
    )


def test_the_model_is_left_as_it_was():
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    expected = lens.attribute(TEXT, n_steps=4)
    lens.model.train()
    lens.model.bert.pooler.eval()
    lens.model.classifier.weight.requires_grad_(False)
    before, weights = state(lens.model), {k: v.clone() for k, v in lens.model.state_dict().items()}
    found = lens.attribute(TEXT, n_steps=4)
    torch.testing.assert_close(found.scores, expected.scores)  # dropout was off
    assert state(lens.model) == before
    assert all(torch.equal(weights[name], value) for name, value in lens.model.state_dict().items())


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_the_model_is_left_as_it_was_after_an_exception(at):
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    lens.model.train()
    calls = []

    def fail(module, args, output):
        calls.append(module)
        if len(calls) == at:
            raise RuntimeError("the power went out")

    handle = lens.model.bert.encoder.layer[1].register_forward_hook(fail)
    before = state(lens.model)
    with pytest.raises(InputError, match="the power went out"):
        lens.attribute(TEXT, n_steps=40)
    assert state(lens.model) == before
    handle.remove()
    assert not any(m._forward_hooks for m in lens.model.modules())


def test_it_works_where_gradients_are_off(lens):
    expected = lens.attribute(TEXT, n_steps=4)
    with torch.no_grad():
        assert torch.equal(lens.attribute(TEXT, n_steps=4).scores, expected.scores)
    with torch.inference_mode():
        found = lens.attribute(TEXT, n_steps=4)
    assert torch.equal(found.scores, expected.scores)


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


def test_multi_label_and_regression():
    multi = al.Lens(tiny.bert(num_labels=3, problem_type="multi_label_classification"), tiny.wordpiece())
    found = multi.attribute(TEXT, target="LABEL_2", n_steps=4)
    assert found.prediction.probability == pytest.approx(
        float(multi.trace(TEXT).logits.max().sigmoid()), abs=1e-5
    )
    one = al.Lens(tiny.bert(num_labels=1), tiny.wordpiece())
    found = one.attribute(TEXT, n_steps=4)
    assert found.prediction.probability is None
    assert found.target_index == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: al.Lens(tiny.bert("ForTokenClassification"), tiny.wordpiece()), "answers for every token; name"),
        (lambda: al.Lens(tiny.bert("Model"), tiny.wordpiece()), "BertModel returns no class logits; load"),
    ],
)
def test_models_without_one_answer(build, message):
    with pytest.raises(InputError, match=message):
        build().attribute(TEXT)


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
    assert found.target == "class 1"
    lens.model.words = lens.model.places = None
    with pytest.raises(InputError, match="has no embedding layer"):
        lens.attribute(TEXT)


def test_the_pictures_of_an_attribution(lens):
    found = lens.attribute("a <b>film</b>", target=1, n_steps=4)
    assert "LABEL_1" in repr(found)
    assert "completeness gap" in repr(found)
    html = found._repr_html_()
    assert "&lt;" in html
    assert "<b>film" not in html
    assert f"{found.gap:.1%}" in html


def test_on_the_embedded_sentiment_model():
    lens = al.load("sentiment")
    found = lens.attribute("a gripping , funny film with one dull stretch .", target="Negative", n_steps=100)
    assert found.target.lower() == "negative"
    assert found.gap < 0.05
    by_text = {token.text: float(score) for token, score in zip(found.tokens, found.scores)}
    assert max(by_text, key=by_text.get) == "dull"
