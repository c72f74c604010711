"""Distil a BERT sentence encoder into an 18 MB DistilBERT that judges film reviews (SST-2).

    python examples/training/sentiment.py teach --data sst2 --encoder all-MiniLM-L6-v2 --out teacher
    python examples/training/sentiment.py train --data sst2 --teacher teacher --out sentiment
    python examples/training/sentiment.py evaluate --data sst2 --model sentiment

The teacher is the whole encoder, fine-tuned. The student starts as a part of it: its attention unchanged, of
its feed-forward units those that matter most, of its vocabulary the pieces that reviews use most. It then
learns to give the teacher's answers, and its states on the way, on phrases, joined or with words changed.
"""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
import typer
from common import adamw, cosine, folder_bytes, half_precision, pick_device, save_half
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizer,
    PreTrainedTokenizerBase,
)  # fmt: skip
from transformers.modeling_outputs import SequenceClassifierOutput

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)
LABELS = {0: "negative", 1: "positive"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
JOINTS = [",", ".", ", and", ", but", "but", "and", ";", "--"]
Data = Annotated[Path, typer.Option(help="Folder with train.parquet and validation.parquet of SST-2.")]
Out = Annotated[Path, typer.Option(help="Folder to write.")]


def read_sentences(parquet: Path, limit: int | None) -> tuple[list[str], Tensor]:
    """The sentences and their labels, 0 negative and 1 positive."""
    table = pq.read_table(parquet).slice(0, limit)
    return table["sentence"].to_pylist(), torch.tensor(table["label"].to_pylist())


def encode(tokenizer: PreTrainedTokenizerBase, sentences: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids `[sentence, token]`, padded, and the lengths `[sentence]`; 128 tokens at most."""
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(sentences)
    rows = [e.ids if len(e.ids) <= 128 else [*e.ids[:127], tokenizer.sep_token_id] for e in encodings]
    width, pad = max(map(len, rows)), tokenizer.pad_token_id
    padded = [row + [pad] * (width - len(row)) for row in rows]
    return torch.tensor(padded), torch.tensor([len(row) for row in rows])


def batches(lengths: Tensor, size: int) -> list[Tensor]:
    """Row numbers in random batches whose sentences are of like length, so that little is padding."""
    pools = torch.randperm(len(lengths)).split(32 * size)
    parts = [part for pool in pools for part in pool[lengths[pool].argsort()].split(size)]
    random.shuffle(parts)
    return parts


def inputs(ids: Tensor, lengths: Tensor, rows: Tensor, device: torch.device) -> dict[str, Tensor]:
    """One batch for a model: the rows' ids cut to their longest sentence, and the attention mask."""
    width = int(lengths[rows].max())
    mask = torch.arange(width) < lengths[rows][:, None]
    return {"input_ids": ids[rows, :width].to(device), "attention_mask": mask.long().to(device)}


@torch.no_grad()
def accuracy(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, sentences: list[str], labels: Tensor
) -> float:
    """Share of sentences whose larger logit is their label."""
    ids, lengths = encode(tokenizer, sentences)
    device, hits = model.device, 0
    for rows in torch.arange(len(labels)).split(64):
        guess = model(**inputs(ids, lengths, rows, device)).logits.argmax(-1).cpu()
        hits += (guess == labels[rows]).sum().item()
    return hits / len(labels)


@app.command()
def teach(
    data: Data,
    encoder: Annotated[Path, typer.Option(help="Folder of a BERT encoder with its tokenizer.")],
    out: Out,
    epochs: int = 4,
    batch: int = 64,
    peak: float = 6e-5,
    limit: int | None = None,
) -> None:
    """Fine-tune the encoder on the labels: the teacher."""
    torch.manual_seed(0), random.seed(0)
    device = pick_device()
    sentences, labels = read_sentences(data / "train.parquet", limit)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.backend_tokenizer.no_padding()
    model = BertForSequenceClassification.from_pretrained(encoder, num_labels=2, id2label=LABELS)
    model = model.float().to(device)
    optimizer, lr = adamw(model, weight_decay=0.01)
    ids, lengths = encode(tokenizer, sentences)
    for epoch in range(epochs):
        model.train()
        parts = batches(lengths, batch)
        for index, rows in enumerate(parts):
            lr.fill_(peak * cosine((epoch + index / len(parts)) / epochs))
            with half_precision(device):
                logits = model(**inputs(ids, lengths, rows, device)).logits
            optimizer.zero_grad()
            F.cross_entropy(logits.float(), labels[rows].to(device)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        score = accuracy(model.eval(), tokenizer, *read_sentences(data / "validation.parquet", limit))
        print(f"teacher epoch {epoch + 1}  validation accuracy {score:.4f}", flush=True)
    save_half(model, out)
    tokenizer.save_pretrained(out)


def frequent_pieces(tokenizer: PreTrainedTokenizerBase, sentences: list[str], size: int) -> list[str]:
    """The vocabulary of the student: special tokens, every Latin character, then the pieces used most."""
    known = tokenizer.get_vocab()
    latin = [chr(code) for code in (*range(33, 0x250), *range(0x2010, 0x2030))]
    characters = [piece for character in latin for piece in (character, "##" + character)]
    counts = Counter(piece for e in tokenizer.backend_tokenizer.encode_batch(sentences) for piece in e.tokens)
    wanted = SPECIAL + characters + [piece for piece, _ in counts.most_common()]
    return [piece for piece in dict.fromkeys(wanted) if piece in known][:size]


@torch.no_grad()
def busiest_units(teacher: nn.Module, batch: dict[str, Tensor], count: int) -> list[Tensor]:
    """Per layer the feed-forward units that matter most: mean |activation| times norm of the output weights."""
    heard, hooks = [], []
    for layer in teacher.bert.encoder.layer:
        hooks.append(layer.intermediate.register_forward_hook(lambda _, __, y: heard.append(y)))
    teacher(**batch)
    [hook.remove() for hook in hooks]
    real = batch["attention_mask"].bool()
    norms = [layer.output.dense.weight.norm(dim=0) for layer in teacher.bert.encoder.layer]
    scores = [y[real].abs().mean(0) * norm for y, norm in zip(heard, norms, strict=True)]
    return [score.topk(count).indices.sort().values for score in scores]


def carve(teacher: nn.Module, tokens: Tensor, units: list[Tensor], dropout: float) -> nn.Module:
    """A DistilBERT made of the teacher's weights: `tokens` of its vocabulary, `units` of each layer."""
    bert, positions = teacher.bert, 256
    student = DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=len(tokens), dim=bert.config.hidden_size, n_heads=bert.config.num_attention_heads,
            n_layers=len(units), hidden_dim=len(units[0]), max_position_embeddings=positions, pad_token_id=0,
            dropout=dropout, attention_dropout=dropout, seq_classif_dropout=dropout,
            id2label=LABELS, label2id={name: index for index, name in LABELS.items()},
        )
    )  # fmt: skip
    old, new = bert.embeddings, student.distilbert.embeddings
    segment = old.token_type_embeddings.weight[0]  # DistilBERT has none: it goes into the positions
    pairs = [(new.word_embeddings.weight, old.word_embeddings.weight[tokens])]
    pairs += [(new.position_embeddings.weight, old.position_embeddings.weight[:positions] + segment)]
    pairs += linear(new.LayerNorm, old.LayerNorm) + linear(student.pre_classifier, bert.pooler.dense)
    for block, layer, kept in zip(
        student.distilbert.transformer.layer, bert.encoder.layer, units, strict=True
    ):
        pairs += layer_pairs(block, layer, kept)
    with torch.no_grad():
        for parameter, value in pairs:
            parameter.copy_(value)
    return student


def linear(new: nn.Module, old: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of a module and where they come from."""
    return [(new.weight, old.weight), (new.bias, old.bias)]


def layer_pairs(new: nn.Module, old: nn.Module, units: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Every weight of a DistilBERT layer and where in a BERT layer it comes from."""
    attention, dense, output = old.attention.self, old.intermediate.dense, old.output.dense
    pairs = linear(new.attention.q_lin, attention.query) + linear(new.attention.k_lin, attention.key)
    pairs += linear(new.attention.v_lin, attention.value)
    pairs += linear(new.attention.out_lin, old.attention.output.dense)
    pairs += linear(new.sa_layer_norm, old.attention.output.LayerNorm)
    pairs += [(new.ffn.lin1.weight, dense.weight[units]), (new.ffn.lin1.bias, dense.bias[units])]
    pairs += [(new.ffn.lin2.weight, output.weight[:, units]), (new.ffn.lin2.bias, output.bias)]
    return pairs + linear(new.output_layer_norm, old.output.LayerNorm)


def vary(sentence: str, sentences: list[str], words: list[str]) -> str:
    """A new version of a sentence: as it is, joined to another one, or with words replaced and dropped."""
    chance = random.random()
    if chance < 0.3:
        return sentence
    if chance < 0.6:
        return f"{sentence.strip()} {random.choice(JOINTS)} {random.choice(sentences).strip()}"
    swapped = [random.choice(words) if random.random() < 0.15 else word for word in sentence.split()]
    return " ".join(word for word in swapped if random.random() > 0.1) or sentence


def distance(
    answer: SequenceClassifierOutput, truth: SequenceClassifierOutput, mask: Tensor, big_mask: Tensor
):
    """What the student minimises: divergence of its answer from the teacher's, plus the gap in states."""
    gaps = []
    for ours, theirs in zip(answer.hidden_states[1:], truth.hidden_states[1:], strict=True):
        gaps += [relative(ours[:, 0].float(), theirs[:, 0].float())]
        gaps += [relative(mean(ours.float(), mask), mean(theirs.float(), big_mask))]
    log, target = answer.logits.float().log_softmax(-1), truth.logits.float().softmax(-1)
    return F.kl_div(log, target, reduction="batchmean") + sum(gaps) / len(gaps)


def relative(x: Tensor, target: Tensor) -> Tensor:
    """Squared distance as a share of the target's own square."""
    return (x - target).square().mean() / target.square().mean()


def mean(states: Tensor, mask: Tensor) -> Tensor:
    """States `[sentence, token, d_model]` averaged over the real tokens."""
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


@app.command()
def train(
    data: Data,
    teacher: Annotated[Path, typer.Option(help="Folder that `teach` wrote.")],
    out: Out,
    units: Annotated[int, typer.Option(help="Feed-forward units to keep per layer.")] = 384,
    vocabulary: int = 8200,
    epochs: int = 12,
    batch: int = 128,
    peak: float = 3e-4,
    dropout: float = 0.1,
    limit: int | None = None,
) -> None:
    """Carve the student out of the teacher and distil."""
    torch.manual_seed(0), random.seed(0)
    device, started = pick_device(), time.perf_counter()
    sentences, _ = read_sentences(data / "train.parquet", limit)
    big = AutoTokenizer.from_pretrained(teacher)
    expert = AutoModelForSequenceClassification.from_pretrained(teacher)
    expert = expert.to(device).eval().requires_grad_(False)
    pieces = frequent_pieces(big, sentences, vocabulary)
    small = DistilBertTokenizer({piece: index for index, piece in enumerate(pieces)}, model_max_length=256)
    small.save_pretrained(out)
    sample = inputs(*encode(big, sentences), torch.randperm(len(sentences))[:2048], device)
    tokens = torch.tensor(big.convert_tokens_to_ids(pieces), device=device)
    student = carve(expert, tokens, busiest_units(expert, sample, units), dropout).to(device)
    optimizer, lr = adamw(student, weight_decay=0.01)
    words = [word for sentence in sentences for word in sentence.split()]
    for epoch in range(epochs):
        student.train()
        texts = [vary(sentence, sentences, words) for sentence in sentences]
        (ids, lengths), (big_ids, big_lengths) = encode(small, texts), encode(big, texts)
        parts = batches(lengths, batch)
        for index, rows in enumerate(parts):
            lr.fill_(peak * cosine((epoch + index / len(parts)) / epochs))
            x, big_x = inputs(ids, lengths, rows, device), inputs(big_ids, big_lengths, rows, device)
            with half_precision(device):
                answer = student(**x, output_hidden_states=True)
                truth = expert(**big_x, output_hidden_states=True)
            loss = distance(answer, truth, x["attention_mask"], big_x["attention_mask"])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
        score = accuracy(student.eval(), small, *read_sentences(data / "validation.parquet", limit))
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1:3d}  validation accuracy {score:.4f}  {seconds:.0f} s", flush=True)
        save_half(student, out)


@app.command()
def evaluate(data: Data, model: Annotated[Path, typer.Option()], limit: int | None = None) -> None:
    """Measure the saved folder on the validation sentences, in float32 on the CPU."""
    classifier = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    sentences, labels = read_sentences(data / "validation.parquet", limit)
    score = accuracy(classifier, AutoTokenizer.from_pretrained(model), sentences, labels)
    print(f"validation accuracy {score:.4f} on {len(labels)} sentences, folder {folder_bytes(model):,} bytes")


if __name__ == "__main__":
    app()
