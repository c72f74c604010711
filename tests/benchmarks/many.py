"""What many inputs cost beside the model itself: statistics of every head without traces, traces, attributions.

`make bench ONLY=many` takes the embedded sentences, `python -m tests.benchmarks.many --data sst2` SST-2's 872 (a folder
with validation.parquet). On a GPU it measures seconds there, and adds integrated gradients beside an ordinary loop of
Captum's 50 steps, and listening to short and long inputs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import attnlens as al
from attnlens.models._forward import BatchBudget

from .measure import cpu_seconds, ratio

MOST = {"predictions": 1.0, "statistics": 1.35, "traces": 1.10, "statistics of traces": 2.5}
"""At most so many times the CPU time of predictions alone."""

SECONDS = {"statistics": 0.6, "integrated gradients": 1.5}
"""The targets for SST-2's 872 sentences on an H200."""

LENGTHS = {512: 1.25, 8192: 1.05}
"""Tokens of a Llama of 8 layers and width 4,096, with the target for a pass under capture beside a plain one."""

GRADIENTS = 3
"""The target for integrated gradients beside the model's gradients at as many points, in the best batches."""

BATCH = 16


def texts_of(data: Path | None) -> list[str]:
    """SST-2's validation sentences, or the embedded ones, four times."""
    if data is None:
        return list(al.models.sample_sentences()) * 4
    import pandas as pd

    return [text.strip() for text in pd.read_parquet(data / "validation.parquet")["sentence"]]


def ways(lens: object, texts: list[str]) -> dict[str, Callable[[], object]]:
    return {
        "predictions": lambda: lens.predict(texts, batch_size=BATCH),
        "statistics": lambda: al.head_stats(lens, texts),
        "traces": lambda: sum(1 for _ in lens.traces(texts, batch_size=BATCH)),
        "statistics of traces": lambda: al.head_stats(lens.traces(texts, batch_size=BATCH)),
    }


def run(rounds: int = 3, data: Path | None = None) -> tuple[Table, bool]:
    """(the table, whether the targets are met), in CPU time of one thread."""
    lens, texts = al.load("sentiment"), texts_of(data)
    seconds = cpu_seconds(ways(lens, texts), rounds)
    table = Table(title=f"{len(texts)} sentences, sentiment model, one thread")
    for column in ("", "CPU s", "x predictions", "+-", "target"):
        table.add_column(column, justify="right" if column else "left")
    met = True
    for name, most in MOST.items():
        times, spread = ratio(seconds, name, "predictions")
        table.add_row(name, f"{min(seconds[name]):.2f}", f"{times:.2f}", f"{spread:.2f}", f"{most:.2f}")
        met = met and times <= most
    table.caption = f"targets: {'met' if met else 'MISSED'}"
    return table, met


# -- on a GPU ---------------------------------------------------------------------------------------------------


def run_on_gpu(data: Path | None, model: str) -> tuple[list[Table], bool]:
    lens, texts = al.load(model), texts_of(data)
    lens.model.to("cuda")
    runs = ways(lens, texts)
    del runs["statistics of traces"]
    runs["integrated gradients"] = lambda: lens.attribute(texts)
    points = Points(lens, texts, [one.steps for one in lens.attribute(texts)])
    runs["its gradients alone"] = points.gradients
    seconds = {name: best(run, 3) for name, run in runs.items()}
    captum(lens, texts[:4])
    seconds["Captum, a loop of 50 steps"] = seconds_of(lambda: captum(lens, texts))
    table = Table(title=f"{len(texts)} sentences, {lens.name}, {torch.cuda.get_device_name()}")
    for column in ("", "s", "target"):
        table.add_column(column, justify="right" if column else "left")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.2f}", f"{SECONDS[name]}" if name in SECONDS else "")
    times = seconds["integrated gradients"] / seconds["its gradients alone"]
    table.caption = (
        f"{points.count:,} gradients; the method takes {times:.2f} times their time (target: {GRADIENTS})"
    )
    listening, met = listen()
    return [table, listening], met and all(seconds[name] <= most for name, most in SECONDS.items())


class Points:
    """The work of the model itself: forward and backward passes for as many copies of each text as it has gradients."""

    def __init__(self, lens: object, texts: list[str], steps: list[int]):
        self.model, self.pad = lens.model, lens.tokenizer.pad_token_id
        ids = [lens.tokenizer(text)["input_ids"] for text in texts]
        rows = [row for row, count in zip(ids, steps) for _ in range(count)]
        self.rows, self.count = sorted(rows, key=len, reverse=True), len(rows)
        self.most = BatchBudget.of(lens.device).tokens

    def gradients(self) -> None:
        table, start = self.model.get_input_embeddings(), 0
        while start < self.count:
            size = len(self.rows[start])
            rows = self.rows[start : start + max(1, self.most // size)]
            ids = torch.tensor([row + [self.pad] * (size - len(row)) for row in rows], device="cuda")
            vectors = table(ids).detach().requires_grad_()
            logits = self.model(inputs_embeds=vectors, attention_mask=(ids != self.pad).long()).logits
            torch.autograd.grad(logits[:, 0].sum(), vectors)
            start += len(rows)


def captum(lens: object, texts: list[str]) -> list[Tensor]:
    """Sentence by sentence, as Captum's tutorials do it."""
    from captum.attr import LayerIntegratedGradients

    def logits(ids: Tensor) -> Tensor:
        return lens.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits

    method, found = LayerIntegratedGradients(logits, lens.model.get_input_embeddings()), []
    for text in texts:
        ids = lens.tokenizer(text, return_tensors="pt")["input_ids"].to("cuda")
        blank = torch.full_like(ids, lens.tokenizer.pad_token_id)
        blank[:, [0, -1]] = ids[:, [0, -1]]
        with torch.no_grad():
            target = int(logits(ids)[0].argmax())
        found.append(method.attribute(ids, blank, target=target, n_steps=50).sum(-1)[0].cpu())
    return found


def listen() -> tuple[Table, bool]:
    """Forward passes of a seeded Llama, plain and under capture."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=1000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=8, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=max(LENGTHS), dtype=torch.bfloat16,
    )  # fmt: skip
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    table = Table(title="capture: 8 Llama layers of width 4,096, batch 1, bfloat16")
    for column in ("tokens", "plain ms", "captured ms", "x plain", "target"):
        table.add_column(column, justify="right")
    met = True
    for length, most in LENGTHS.items():
        ids = torch.randint(0, 1000, (1, length), device="cuda")
        plain = best(partial(once, model, ids), 20) * 1e3
        captured = best(partial(captured_once, model, ids), 20) * 1e3
        table.add_row(
            f"{length:,}", f"{plain:.2f}", f"{captured:.2f}", f"{captured / plain:.2f}", f"{most:.2f}"
        )
        met = met and captured / plain <= most
    return table, met


def once(model: object, ids: Tensor) -> None:
    with torch.no_grad():
        model(ids, use_cache=False, logits_to_keep=1)


def captured_once(model: object, ids: Tensor) -> None:
    with al.capture(model):
        once(model, ids)


def best(run: Callable[[], object], rounds: int) -> float:
    """The least seconds of several runs, after one that warms up."""
    run()
    return min(seconds_of(run) for _ in range(rounds))


def seconds_of(run: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="a folder with SST-2's validation.parquet")
    parser.add_argument(
        "--model", default="sentiment", help="on a GPU: another classifier, by name or folder"
    )
    options = parser.parse_args()
    data = options.data
    if torch.cuda.is_available():
        tables, met = run_on_gpu(data, options.model)
    else:
        table, met = run(data=data)
        tables = [table]
    for table in tables:
        Console().print(table)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
