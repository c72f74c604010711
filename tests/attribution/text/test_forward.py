"""F as a function of word embeddings: every architecture against a call with `inputs_embeds` or a sum by hand."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn

import attnlens as al
from attnlens.attribution._target import TargetScalar
from attnlens.attribution.text._forward import EmbeddingForward
from attnlens.errors import InputError
from attnlens.models._forward import gradient_mode

from ... import tiny
from ..made import in_float64

TEXT = "a gripping , funny film with one dull stretch ."
CLASSES = "ForSequenceClassification"

LENSES = {
    "bert": lambda: al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()),
    "distilbert": lambda: al.Lens(tiny.distilbert(), tiny.wordpiece()),
    "roberta": lambda: al.Lens(tiny.roberta_model(), tiny.roberta()),
    "electra": lambda: al.Lens(tiny.electra(), tiny.wordpiece()),
    "albert": lambda: al.Lens(tiny.albert(), tiny.wordpiece()),
    "deberta": lambda: al.Lens(tiny.deberta(), tiny.wordpiece()),
    "modernbert": lambda: al.Lens(tiny.modernbert(), tiny.wordpiece()),
    "gpt2": lambda: al.Lens(tiny.gpt2(CLASSES, pad_token_id=0), tiny.byte_level("<|end|>")),
    "llama": lambda: al.Lens(tiny.llama(CLASSES), tiny.byte_level()),
    "t5": lambda: al.Lens(tiny.t5(CLASSES), tiny.metaspace()),
    "bart": lambda: al.Lens(tiny.bart(CLASSES), tiny.roberta()),
}
EMBEDDINGS = {
    "bert": "bert.embeddings",
    "distilbert": "distilbert.embeddings",
    "roberta": "roberta.embeddings",
    "electra": "electra.embeddings",
    "albert": "albert.embeddings",
    "deberta": "deberta.embeddings",
    "modernbert": "model.embeddings",
}
"""The module that makes the whole embedding."""


@pytest.fixture(scope="module")
def lenses():
    return in_float64(LENSES)


def answer_of(lens, *texts, **options):
    with gradient_mode(lens.model):
        return EmbeddingForward(lens, [lens.encode(text) for text in texts], **options)


def by_hand(name, model, vectors, inputs):
    """Logits of word embeddings `[1, token, d]`, by the ways in that transformers itself has for them."""
    if name in ("t5", "bart"):
        core = model.transformer if name == "t5" else model.model
        start = torch.tensor([[model.config.decoder_start_token_id]])
        read = torch.cat([core.get_input_embeddings()(start), vectors[:, :-1]], 1)
        states = core(
            inputs_embeds=vectors, decoder_inputs_embeds=read, attention_mask=inputs["attention_mask"]
        )
        return model.classification_head(states.last_hidden_state[:, -1])
    rest = {key: value for key, value in inputs.items() if key != "input_ids"}
    return model(inputs_embeds=vectors, **rest).logits


@pytest.mark.parametrize("name", LENSES)
def test_equals_the_model_on_embeddings(lenses, name):
    lens = lenses(name)
    answer = answer_of(lens, TEXT)
    embed = lens.model.get_input_embeddings()
    end = embed(answer.ids).detach()
    start = embed(torch.ones_like(answer.ids)).detach()  # the ids stay: only the words are those of id 1
    middle = torch.lerp(start, end, 0.3) + 0.1 * torch.randn_like(end)
    torch.testing.assert_close(answer.vectors(), end)
    with gradient_mode(lens.model), torch.no_grad():
        for point in (start, middle, end):
            expected = by_hand(name, lens.model, point, answer.inputs)
            torch.testing.assert_close(answer.logits(point), expected)
        torch.testing.assert_close(answer.end_logits, lens.model(**answer.inputs).logits)
        assert (answer.logits(start) - answer.logits(end)).abs().max() > 1e-3


@pytest.mark.parametrize("name", LENSES)
def test_every_vector_has_its_gradient(lenses, name):
    """What the decoder of an encoder-decoder reads, too: all of it comes from the vectors."""
    lens = lenses(name)
    answer = answer_of(lens, TEXT)
    point = answer.vectors().requires_grad_()
    with gradient_mode(lens.model):
        found = torch.autograd.grad(answer.logits(point)[0, 1], point)[0]
        expected = torch.autograd.grad(by_hand(name, lens.model, point, answer.inputs)[0, 1], point)[0]
    torch.testing.assert_close(found, expected)
    assert found.abs().max() > 1e-3


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "deberta", "modernbert", "gpt2"])
def test_rows_of_a_batch_are_those_of_each_text(lenses, name):
    lens, texts = lenses(name), [TEXT, "see it", "the acting was unbelievably bad"]
    together = answer_of(lens, *texts)
    numbers = torch.tensor([1, 0, 1, 2])
    halves = together.vectors()[numbers] / 2
    with gradient_mode(lens.model), torch.no_grad():
        found = together.logits(halves, numbers)
        for row, number in zip(found, numbers.tolist()):
            alone = answer_of(lens, texts[number])
            torch.testing.assert_close(row, alone.logits(alone.vectors() / 2)[0])


def test_points_in_half_precision_come_in_float32():
    answer = answer_of(al.Lens(tiny.bert().bfloat16(), tiny.wordpiece()), TEXT)
    assert answer.vectors().dtype is torch.float32
    assert answer.end_logits.dtype is torch.float32
    assert answer_of(al.Lens(tiny.bert().double(), tiny.wordpiece()), TEXT).vectors().dtype is torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bert", "roberta", "deberta", "gpt2", "llama", "t5", "bart"])
def test_a_model_in_half_precision_computes_in_float32_for_a_while(name, dtype):
    lens = LENSES[name]()
    lens.model.to(dtype)
    answer = answer_of(lens, TEXT)
    before = {key: value.clone() for key, value in lens.model.state_dict().items()}
    with gradient_mode(lens.model), torch.no_grad(), answer.in_float32():
        found = answer.logits(answer.vectors() * 0.7)
    assert all(torch.equal(value, before[key]) for key, value in lens.model.state_dict().items())
    lens.model.float()  # a float32 copy of the rounded parameters
    exact = answer_of(lens, TEXT)
    with gradient_mode(lens.model), torch.no_grad():
        torch.testing.assert_close(found, exact.logits(exact.vectors() * 0.7), rtol=1e-4, atol=1e-5)


# -- layers ---------------------------------------------------------------------------------------------------


def captum_by_hand(lens, module, target, n_steps=6):
    """LayerIntegratedGradients between the mask token and the text."""
    inputs = dict(answer_of(lens, TEXT).inputs)
    ids = inputs.pop("input_ids")
    special = torch.tensor([[token.special for token in lens.encode(TEXT).tokens]])
    baseline = torch.where(special, ids, torch.full_like(ids, lens.tokenizer.mask_token_id))

    def forward(ids):
        rest = {key: value.expand(len(ids), -1) for key, value in inputs.items()}
        return lens.model(input_ids=ids, **rest).logits

    found = LayerIntegratedGradients(forward, module).attribute(
        ids, baseline, target=target, n_steps=n_steps, internal_batch_size=1
    )
    return (found[0] if isinstance(found, tuple) else found).sum(-1)[0].detach().float()


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_whole_embedding_as_captum_by_hand(lenses, name):
    lens = lenses(name)
    module = lens.model.get_submodule(EMBEDDINGS[name])
    expected = captum_by_hand(lens, module, 1)
    for layer in ("embeddings", EMBEDDINGS[name], module):
        found = lens.attribute(TEXT, 1, layer=layer, baseline="mask", n_steps=6)
        torch.testing.assert_close(found.scores, expected, rtol=1e-4, atol=1e-6)
    words = lens.attribute(TEXT, 1, baseline="mask", n_steps=6)
    assert not torch.allclose(words.scores, expected, rtol=1e-4, atol=1e-6)  # the LayerNorm bends the path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bert", "bert.encoder.layer.0"),
        ("bert", "bert.encoder.layer.1.attention.output"),
        ("distilbert", "distilbert.transformer.layer.1"),
        ("deberta", "deberta.encoder.layer.0.output"),
    ],
)
def test_any_layer_as_captum_by_hand(lenses, name, path):
    lens = lenses(name)
    expected = captum_by_hand(lens, lens.model.get_submodule(path), 1)
    found = lens.attribute(TEXT, 1, layer=path, baseline="mask", n_steps=6)
    torch.testing.assert_close(found.scores, expected, rtol=1e-4, atol=1e-6)
    assert found.scores[0] != 0  # what the class token has read by then


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("gpt2", "embeddings", r"GPT2ForSequenceClassification has no module .* pass the path .*'transformer.drop'"),
        ("llama", "embeddings", "no module that computes the whole embedding"),
        ("t5", "embeddings", "no module that computes the whole embedding"),
        ("bart", "embeddings", "no module that computes the whole embedding"),
        ("bert", "embedding", r"unknown layer 'embedding'; expected one of: word, embeddings, bert, .*'embeddings'\?"),
        ("bert", "", "unknown layer ''"),
        ("albert", "albert.encoder.albert_layer_groups.0", "AlbertLayerGroup ran 2 times"),
        ("bert", "bert.pooler", r"BertPooler ran 1 times or returns no \[text, token, d\]"),
        ("bert", "bert.encoder", r"BertEncoder ran 1 times or returns no \[text, token, d\]"),
        ("bert", nn.Linear(2, 2), "Linear ran 0 times"),
    ],
)  # fmt: skip
def test_layers_that_are_none(lenses, name, layer, message):
    with pytest.raises(InputError, match=message):
        lenses(name).attribute(TEXT, 1, layer=layer, n_steps=2)


def test_gpt2_has_a_path_for_the_whole_embedding(lenses):
    lens = lenses("gpt2")
    found = lens.attribute(TEXT, 1, layer="transformer.drop", n_steps=200)
    words = lens.attribute(TEXT, 1, n_steps=200)
    torch.testing.assert_close(found.scores, words.scores)  # positions are added, the path is the same
    assert found.gap < 0.01


# -- hand-written ---------------------------------------------------------------------------------------------


class Sum(nn.Module):
    """F by pencil: the sum of (word + position) . weight, squared."""

    def __init__(self):
        super().__init__()
        self.places, self.words = nn.Embedding(64, 4), nn.Embedding(len(tiny.wordpiece()), 4)
        self.weight = nn.Parameter(torch.randn(4, 2))

    def forward(self, input_ids):
        return ((self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))) @ self.weight).sum(
            1
        ) ** 2


def test_a_module_of_ones_own():
    lens = al.Lens(Sum().double(), tiny.wordpiece())
    answer = answer_of(lens, TEXT)
    size = answer.ids.shape[1]
    for point in (answer.vectors(), torch.randn(1, size, 4, dtype=torch.float64)):
        expected = ((point[0] + lens.model.places.weight[:size]) @ lens.model.weight).sum(0) ** 2
        torch.testing.assert_close(answer.logits(point)[0], expected)


class Misled(Sum):
    def get_input_embeddings(self):
        return nn.Embedding(len(tiny.wordpiece()), 4)


def test_a_module_that_names_another_table():
    with pytest.raises(InputError, match=r"Misled does not run its embedding layer .* must return the one"):
        al.Lens(Misled(), tiny.wordpiece()).attribute(TEXT)


class OneHot(nn.Module):
    def forward(self, input_ids):
        return nn.functional.one_hot(input_ids, 200).float().sum(1)


def test_a_module_without_a_table():
    with pytest.raises(InputError, match=r"OneHot has no embedding layer; add a method"):
        al.Lens(OneHot(), tiny.wordpiece()).attribute(TEXT)


# -- which number ---------------------------------------------------------------------------------------------


def test_asked_is_a_logit_or_a_probability_or_a_difference():
    logits = torch.randn(3, 4, dtype=torch.float64)
    index, against = torch.tensor([0, 3, 1]), torch.tensor([2, 2, 0])
    rows = torch.arange(3)
    assert torch.equal(TargetScalar(index)(logits), logits[rows, index])
    soft, single = logits.softmax(-1), logits.sigmoid()
    torch.testing.assert_close(TargetScalar(index, unit="probability")(logits), soft[rows, index])
    found = TargetScalar(index, against, "probability", "sigmoid")(logits)
    torch.testing.assert_close(found, single[rows, index] - single[rows, against])
    numbers = torch.tensor([2, 2, 0])
    found = TargetScalar(index, against)(logits, numbers)
    torch.testing.assert_close(found, logits[rows, index[numbers]] - logits[rows, against[numbers]])
