"""Common beginnings that run once, against the same model on whole texts and against Captum."""

from __future__ import annotations

from functools import cache, partial

import pytest
import torch
import transformers as hf
from captum.attr import FeatureAblation, ShapleyValueSampling
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import attnlens as al
from attnlens.attribution.text import _variants
from attnlens.attribution.text._perturbation import TextPerturbation
from attnlens.attribution.text._variants import VariantForward
from attnlens.models import _forward
from attnlens.models._forward import BatchBudget

from ... import tiny

TEXT = "a gripping , funny film with one dull stretch"
CLASSES = "ForSequenceClassification"
WORDS = tiny.byte_level("<|end|>")

IDS = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
SIZES = {"vocab_size": len(WORDS), "max_position_embeddings": 64, **tiny.TEXT, **IDS}
GROUPED = SIZES | {"num_key_value_heads": 2}


def of(name: str, config: str, **options):
    return tiny.seeded(lambda: getattr(hf, name)(getattr(hf, config)(**options)))


MASKED = tiny.roberta()

CAUSAL = {
    "gpt2": (tiny.gpt2, WORDS),
    "gpt2 classes": (partial(tiny.gpt2, CLASSES, pad_token_id=0), WORDS),
    "gpt2 classes alone": (partial(tiny.gpt2, CLASSES), WORDS),
    "gpt2 tokens": (partial(tiny.gpt2, "ForTokenClassification"), WORDS),
    "llama": (partial(of, "LlamaForCausalLM", "LlamaConfig", **GROUPED), WORDS),
    "llama classes": (partial(of, f"Llama{CLASSES}", "LlamaConfig", **GROUPED), WORDS),
    "llama mask": (
        partial(of, "LlamaForCausalLM", "LlamaConfig", **GROUPED | {"vocab_size": len(MASKED)}),
        MASKED,
    ),
    "neox": (partial(of, "GPTNeoXForCausalLM", "GPTNeoXConfig", **SIZES), WORDS),
    "opt": (
        partial(of, "OPTForCausalLM", "OPTConfig", ffn_dim=48, word_embed_proj_dim=32, **SIZES),
        WORDS,
    ),
    "bloom": (
        partial(
            of, "BloomForCausalLM", "BloomConfig", vocab_size=len(WORDS), hidden_size=32, n_layer=2, n_head=4, **IDS
        ),
        WORDS,
    ),
    "mistral": (partial(of, "MistralForCausalLM", "MistralConfig", sliding_window=5, **GROUPED), WORDS),
    "qwen2": (partial(of, "Qwen2ForCausalLM", "Qwen2Config", **GROUPED), WORDS),
}  # fmt: skip
"""Learned positions, rotary ones, ALiBi; grouped heads; a window; classifiers that search for the last token."""


class ForgetfulLMHeadModel(hf.GPT2LMHeadModel):
    """Counts positions from the first token that it is given, whatever it remembers."""

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, use_cache=None, **options):
        places = torch.arange(input_ids.shape[1])[None]
        return super().forward(
            input_ids=input_ids, attention_mask=attention_mask, past_key_values=past_key_values,
            use_cache=use_cache, position_ids=places, **options,
        )  # fmt: skip


class HandWritten(nn.Module):
    """A running mean of words: causal, without a cache."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(len(WORDS), 8), nn.Linear(8, 3)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1)
        return self.head(((self.words(input_ids) * mask).sum(1) / mask.sum(1)).tanh())


OTHERS = {
    "encoder": (lambda: of("BertLMHeadModel", "BertConfig", **SIZES), WORDS),
    "classifier": (tiny.bert, tiny.wordpiece()),
    "both directions": (
        lambda: of(
            "Gemma3ForCausalLM", "Gemma3TextConfig", head_dim=8, use_bidirectional_attention=True, **GROUPED
        ),
        WORDS,
    ),
    "states": (
        lambda: of("MambaForCausalLM", "MambaConfig", vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2),
        WORDS,
    ),
    "forgetful": (
        lambda: tiny.seeded(
            lambda: ForgetfulLMHeadModel(hf.GPT2Config(vocab_size=len(WORDS), n_embd=32, n_layer=2, n_head=4, **IDS))
        ),
        WORDS,
    ),
    "hand-written": (lambda: tiny.seeded(HandWritten), WORDS),
}  # fmt: skip
"""Not causal, or without a cache of keys and values that works."""


@cache
def lens_of(name: str) -> al.Lens:
    build, tokenizer = (CAUSAL | OTHERS)[name]
    return al.Lens(build(), tokenizer)


@pytest.fixture
def shared(monkeypatch):
    """Also a short text shares its beginnings."""
    monkeypatch.setattr(VariantForward, "_pays", lambda *arguments: True)


def rows_of(count: int) -> torch.Tensor:
    """kept `[row, part]`: all, each one removed, random ones, the last ones removed, none."""
    generator = torch.Generator().manual_seed(0)
    some = torch.rand(4, count, generator=generator) > 0.5
    every = torch.ones(1, count, dtype=torch.bool)
    return torch.cat([every, ~torch.eye(count).bool(), some, torch.ones(count, count).tril().bool(), ~every])


def whole(removal: TextPerturbation, kept: torch.Tensor) -> torch.Tensor:
    """The logits without common beginnings."""
    plain = TextPerturbation(removal.lens, removal.encoded, removal.by, removal.groups, removal.place)
    plain._variant_forward.causal = False
    return plain.logits(kept)


def assert_equal(some: torch.Tensor, others: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Equal up to rounding, relative to the largest effect of a removal."""
    effect = (others - others[:1]).abs().max()
    assert effect > 0
    assert (some - others).abs().max() <= tolerance * effect


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("by", ["pad", "mask", "delete"])
def test_the_logits_are_those_of_whole_texts(shared, name, by):
    lens = lens_of(name)
    if by == "mask" and lens.tokenizer.mask_token is None:
        return
    places = {"causal": (None, 6), "token": (6,)}.get(lens.task, (None,))
    for place in places:
        removal = TextPerturbation(lens, TEXT, by, place=place)
        kept = rows_of(len(removal.parts))
        assert_equal(removal.logits(kept, BatchBudget(60)), whole(removal, kept))
        assert removal._variant_forward.causal is True


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_run_whole_texts(shared, name):
    for by in ("pad", "delete"):
        removal = TextPerturbation(lens_of(name), TEXT, by)
        kept = rows_of(len(removal.parts))
        torch.testing.assert_close(removal.logits(kept), whole(removal, kept))
        assert removal._variant_forward.causal is False


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_any_rows_in_any_batches(data):
    lens = lens_of(data.draw(st.sampled_from(["gpt2", "gpt2 classes", "mistral"])))
    by = data.draw(st.sampled_from(["pad", "delete"]))
    text = "see it , a funny film"
    size = len(lens.encode(text))
    place = data.draw(st.integers(0, size - 1)) if lens.task == "causal" else None
    removal = TextPerturbation(lens, text, by, place=place)
    row = st.lists(st.booleans(), min_size=size, max_size=size)
    kept = torch.tensor(data.draw(st.lists(row, min_size=1, max_size=8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VariantForward, "_pays", lambda *arguments: True)
        found = removal.logits(kept, BatchBudget(data.draw(st.integers(1, 60))))
    assert removal._variant_forward.causal is True
    torch.testing.assert_close(found, whole(removal, kept), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("by", ["pad", "delete"])
def test_a_classifier_reads_before_the_padding_that_a_text_ends_with(shared, by):
    """GPT-2 searches the ids for its last token; here two tokens of the text are padding, the last one and another."""
    text = "a film , funny film"
    ids = WORDS(text)["input_ids"]
    lens = al.Lens(tiny.gpt2(CLASSES, pad_token_id=ids[-1]), WORDS)
    removal = TextPerturbation(lens, text, by)
    kept = rows_of(len(removal.parts))
    assert_equal(removal.logits(kept, BatchBudget(40)), whole(removal, kept))
    assert removal._variant_forward.causal is True


@pytest.mark.parametrize("method", ["leave_one_out", "shapley"])
@pytest.mark.parametrize("baseline", ["pad", "zero"])
def test_scores_are_those_of_whole_texts(monkeypatch, method, baseline):
    lens, texts = lens_of("llama"), [TEXT, "see it", "flat"]
    options = {"method": method, "baseline": baseline} | ({"n_samples": 2} if method == "shapley" else {})
    with monkeypatch.context() as patch:
        patch.setattr(_variants, "_takes_cache", lambda model: False)
        expected = lens.attribute(texts, 5, against=7, **options)
    monkeypatch.setattr(VariantForward, "_pays", lambda *arguments: True)
    monkeypatch.setattr(_forward, "ON_CPU", 60)
    for one, other in zip(lens.attribute(texts, 5, against=7, **options), expected):
        assert (one.scores - other.scores).abs().max() <= 1e-5 * other.scores.abs().max()


@pytest.mark.parametrize("method", ["leave_one_out", "shapley"])
def test_scores_are_those_of_captum(shared, method):
    lens = lens_of("gpt2")
    ids = torch.tensor([lens.encode(TEXT).inputs["input_ids"]])
    embed = lens.model.get_input_embeddings()
    ends = embed(ids).detach(), embed(torch.zeros_like(ids)).detach()
    features = torch.arange(1, ids.shape[1] + 1).reshape(1, -1, 1)

    def scalar(vectors):
        return lens.model(inputs_embeds=vectors).logits[:, -1, 5]

    if method == "leave_one_out":
        expected = FeatureAblation(scalar).attribute(*ends, feature_mask=features)
        scores = lens.attribute(TEXT, 5, method=method).scores
    else:
        torch.manual_seed(3)
        expected = ShapleyValueSampling(scalar).attribute(*ends, feature_mask=features, n_samples=2)
        scores = lens.attribute(TEXT, 5, method=method, n_samples=2, seed=3).scores
    torch.testing.assert_close(scores, expected[0, :, 0], atol=1e-4, rtol=1e-4)


def test_half_of_the_tokens_run_and_one_logit_of_each_text():
    lens, tokens, positions = lens_of("gpt2"), [], []
    hooks = [
        (lens.model.transformer.h[0], lambda module, args, output: tokens.append(args[0].shape[:2].numel())),
        (lens.model.lm_head, lambda module, args, output: positions.append(args[0].shape[1])),
    ]
    removal = TextPerturbation(lens, TEXT)
    size = len(removal.parts)
    kept = ~torch.eye(size).bool()
    removal._variant_forward.causal = True  # without the runs that prove it
    with _forward.hooked(hooks):
        removal.logits(kept, BatchBudget(2 * size))
    assert sum(tokens) < 0.7 * size * size
    assert set(positions) == {1}


def test_memory_may_run_out(shared, monkeypatch):
    continued, rows = VariantForward._continued, []

    def small(self, batch, *rest):
        rows.append(len(batch.points))
        if len(batch.points) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return continued(self, batch, *rest)

    removal = TextPerturbation(lens_of("gpt2"), TEXT)
    kept = rows_of(len(removal.parts))
    monkeypatch.setattr(VariantForward, "_continued", small)
    assert_equal(removal.logits(kept, BatchBudget(200)), whole(removal, kept))
    assert max(rows) > 2
    assert removal._variant_forward.causal is True


def test_a_batch_of_few_tokens_is_not_worth_it():
    removal = TextPerturbation(lens_of("gpt2"), "see it")
    removal.logits(rows_of(len(removal.parts)))
    assert removal._variant_forward.causal is None


def test_the_model_is_left_as_it_was(shared):
    lens = al.Lens(tiny.gpt2(resid_pdrop=0.5), WORDS)
    lens.model.train()
    before = lens.model.config.to_dict()
    removal = TextPerturbation(lens, TEXT)
    kept = rows_of(len(removal.parts))
    torch.testing.assert_close(removal.logits(kept), removal.logits(kept))  # no dropout
    assert removal._variant_forward.causal is True
    assert all(module.training for module in lens.model.modules())
    assert lens.model.config.to_dict() == before
    assert not any(module._forward_hooks for module in lens.model.modules())


def test_half_precision_is_exact_up_to_its_rounding(shared):
    lens = al.Lens(CAUSAL["llama"][0]().bfloat16(), WORDS)
    removal = TextPerturbation(lens, TEXT)
    kept = rows_of(len(removal.parts))
    assert_equal(removal.logits(kept, BatchBudget(60)), whole(removal, kept), tolerance=0.05)
    assert removal._variant_forward.causal is True
