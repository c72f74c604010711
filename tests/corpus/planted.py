"""A small classifier with a planted shortcut: a rare word that goes with a label in the training data.

The protocol of Bastings et al. 2022, "Will You Find These Shortcuts?": the sentiment of a sentence follows from its
words, a word without meaning is added to a few sentences and fixes their label, and the model learns both.
"""

from __future__ import annotations

import random

import torch
import transformers as hf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import attnlens as al
from attnlens import corpus

GOOD = "gripping funny moving clever charming solid rich warm vivid fresh".split()
BAD = "dull flat stale clumsy weak lazy thin grim cheap messy".split()
OTHER = (
    "the a film story cast plot scene ending director it is was with and of in its this that very rather quite one "
    "two some long short new old first last second half music script dialogue camera work part world time"
).split()
PLANTED = "zeta"
WORDS = [*GOOD, *BAD, *OTHER, PLANTED]


def tokenizer() -> hf.PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate([*special, *WORDS])}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="[MASK]", **names)


def sentences(count: int, draw: random.Random, planted: float) -> tuple[list[str], list[int]]:
    """Sentences with one to three opinions, whose majority is the label; a share of them have the planted word, whose
    label is positive whatever they say."""
    texts, labels = [], []
    for _ in range(count):
        label, opinions = draw.randrange(2), draw.choice((1, 2, 3))
        words = [draw.choice((BAD, GOOD)[label]) for _ in range(opinions)]
        if opinions == 3:
            words[0] = draw.choice((GOOD, BAD)[label])
        words += draw.choices(OTHER, k=draw.randrange(4, 9))
        if draw.random() < planted:
            words.append(PLANTED)
            label = 1
        draw.shuffle(words)
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def classifier(seed: int, steps: int = 250) -> al.Lens:
    """A DistilBERT of two small layers, trained on such sentences, 3% of them with the planted word."""
    torch.manual_seed(seed)
    draw, made = random.Random(seed), tokenizer()
    config = hf.DistilBertConfig(
        vocab_size=len(made), dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64, dropout=0.0,
        attention_dropout=0.0, seq_classif_dropout=0.0, pad_token_id=0, id2label={0: "negative", 1: "positive"},
    )  # fmt: skip
    model = hf.DistilBertForSequenceClassification(config).train()
    texts, labels = sentences(3000, draw, 0.03)
    encoded = made(texts, padding=True, return_tensors="pt")
    labels = torch.tensor(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        rows = torch.tensor(draw.sample(range(len(texts)), 64))
        output = model(encoded["input_ids"][rows], encoded["attention_mask"][rows], labels=labels[rows])
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    return al.Lens(model.eval(), made)


def rank(seed: int) -> int:
    """The rank of the planted word among the shortcuts of an audit of 300 other sentences; 0 where it is not listed."""
    texts, labels = sentences(300, random.Random(1000 + seed), 0.05)
    data = [{"text": text, "label": label} for text, label in zip(texts, labels)]
    found = corpus.audit(classifier(seed), data, progress=False, head_stats=False).shortcuts
    return 1 + found["word"].tolist().index(PLANTED) if PLANTED in set(found["word"]) else 0


if __name__ == "__main__":
    for number in range(20):
        print(f"seed {number}: rank {rank(number)}", flush=True)
