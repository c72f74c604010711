"""Leave-one-out and Shapley values of a causal model on a long text, against Captum on whole texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
import transformers as hf
from captum.attr import FeatureAblation, ShapleyValueSampling
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

import attnlens as al
from attnlens.attribution.text import _variants

EXACT = 1e-4
"""The largest difference of a score, relative to the largest score."""

LENGTH, SOME, CLASS = 1000, 24, 1

SIZE = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4}
GPT2 = {"n_layer": 4, "n_embd": 256, "n_head": 4, "n_positions": 1024, "pad_token_id": 0}
LLAMA = {
    **SIZE, "vocab_size": 32000, "intermediate_size": 688, "num_key_value_heads": 2, "max_position_embeddings": 1024,
}  # fmt: skip

MODELS: dict[str, Callable[[], nn.Module]] = {
    "GPT-2, vocabulary 50,257": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2)),
    "Llama, vocabulary 32,000": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA)),
    "GPT-2, 2 classes": lambda: hf.GPT2ForSequenceClassification(hf.GPT2Config(**GPT2)),
}
"""Of four layers and width 256, random weights."""

TARGETS = {"GPT-2, vocabulary 50,257": 5.0, "Llama, vocabulary 32,000": 4.0, "GPT-2, 2 classes": 1.4}
"""How many times the CPU seconds of attnlens Captum takes for leave-one-out. Half of a text's tokens are saved, which
is a factor of two at most; the rest is the language model's head, which runs at the last token alone."""


def lens_of(build: Callable[[], nn.Module]) -> al.Lens:
    """A seeded model, whose tokenizer has a word for each id."""
    torch.manual_seed(0)
    model = build().eval()
    words = {f"<{i}>" if i < 2 else f"w{i}": i for i in range(model.config.vocab_size)}
    backend = Tokenizer(models.WordLevel(words, unk_token="<1>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return al.Lens(
        model, hf.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<0>", unk_token="<1>")
    )


class LongText:
    """One model and a text of random words. The ways that run whole texts remove `SOME` tokens, and count for all."""

    def __init__(self, build: Callable[[], nn.Module], length: int):
        self.lens = lens_of(build)
        self.ids = torch.randint(2, self.lens.model.config.vocab_size, (length,))
        self.text = " ".join(f"w{number}" for number in self.ids.tolist())
        self.some = torch.linspace(0, length - 1, SOME).long()

    def shared(self, method: str) -> Tensor:
        """By attnlens: `[token]`."""
        options = {"n_samples": 1} if method == "shapley" else {}
        return self.lens.attribute(self.text, CLASS, method=method, **options).scores

    def whole(self) -> Tensor:
        """Leave-one-out by attnlens without common beginnings: `[token]`, of some tokens."""
        baseline = self.ids.clone()
        baseline[self.some] = 0
        with mock.patch.object(_variants, "_takes_cache", return_value=False):
            scores = self.lens.attribute(self.text, CLASS, method="leave_one_out", baseline=baseline).scores
        return scores[self.some]

    def captum(self, method: str) -> Tensor:
        """By Captum: `[token]`, of some tokens; the others are one more feature, as both remove them."""
        embed = self.lens.model.get_input_embeddings()
        features = torch.zeros(1, len(self.ids), 1, dtype=torch.long)
        features[0, self.some, 0] = torch.arange(1, SOME + 1)

        def scalar(vectors: Tensor) -> Tensor:
            mask = torch.ones(vectors.shape[:2], dtype=torch.long)
            logits = self.lens.model(inputs_embeds=vectors, attention_mask=mask).logits
            return logits.reshape(len(logits), -1, logits.shape[-1])[:, -1, CLASS]

        with torch.no_grad():
            ends = embed(self.ids[None]), embed(torch.zeros_like(self.ids[None]))
            if method == "leave_one_out":
                parts = FeatureAblation(scalar).attribute(*ends, feature_mask=features)
            else:
                parts = ShapleyValueSampling(scalar).attribute(*ends, feature_mask=features, n_samples=1)
        return parts[0, self.some, 0]


def seconds(run: Callable[[], Tensor], passes: float = 1, of: float = 1) -> tuple[float, Tensor]:
    """(CPU seconds, scores) of `run`, whose time is that of some `passes`; the seconds are those `of` more passes."""
    start = time.process_time()
    scores = run()
    return (time.process_time() - start) / passes * of, scores


def run(length: int = LENGTH) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    torch.set_num_threads(1)
    table = Table(
        title=f"without each of {length:,} tokens, one thread, 4 layers of width 256, random weights"
    )
    columns = (
        "CPU s",
        "Captum",
        "whole texts",
        "attnlens",
        "x Captum",
        "x whole",
        "shapley x Captum",
        "difference",
    )
    for column in columns:
        table.add_column(column, justify="right")
    met = True
    for name, build in MODELS.items():
        text = LongText(build, length)
        passes = SOME + 2  # the text, and the feature of the other tokens
        captum, expected = seconds(partial(text.captum, "leave_one_out"), passes, length + 1)
        ours, scores = seconds(partial(text.shared, "leave_one_out"))
        whole, _ = seconds(text.whole, SOME + 4, length + 1)  # the text three times, the baseline
        order, _ = seconds(partial(text.shared, "shapley"))
        orders, _ = seconds(partial(text.captum, "shapley"), passes, length + 1)
        error = float((scores[text.some] - expected).abs().max() / scores.abs().max())
        met = met and error <= EXACT and (name not in TARGETS or captum / ours >= TARGETS[name])
        table.add_row(
            name, f"{captum:.0f}", f"{whole:.0f}", f"{ours:.0f}", f"{captum / ours:.1f}", f"{whole / ours:.1f}",
            f"{orders / order:.1f}", f"{error:.0e}",
        )  # fmt: skip
    goals = ", ".join(f"{name} {times:g}x" for name, times in TARGETS.items())
    table.caption = (
        f"times of Captum and of whole texts: from {SOME} tokens; target: {goals} the time by Captum, scores within "
        f"{EXACT:g} of the largest: {'met' if met else 'MISSED'}"
    )
    return table, met
