"""Runs over a data set beside the loops that people write, in CPU time of one thread: rows that are read, probed and
written, each row's statistics of all heads or its attribution among them.

`make bench ONLY=corpus` takes the embedded sentences, `python -m tests.benchmarks.corpus --data sst2` SST-2's 872.
The loops are in their best form: sorted by length, in batches where they can be, and one Parquet file at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

import attnlens as al
from attnlens import corpus
from attnlens.corpus import Probe

from .many import BATCH, texts_of
from .measure import cpu_seconds, ratio

TARGETS = {"statistics": 1.25, "attributions": 0.7}
"""At most so many times the CPU time of the plain loop: guards against regressions."""

INPUTS = {"statistics": 872, "attributions": 16}
"""About so many of the sentences, evenly spread."""

RAY = 1.3
"""At most so many times the wall-clock time of the run in this process, for one actor after Ray's start."""

STEPS = 50

TOLERANCE = 0.05
"""Of the attributions of a run, by default as an audit computes them; the loop has 50 steps and no estimate."""

ROWS = 512, 512 * 5
"""Of the runs by which Ray is measured: rows of one part, and of several."""


class Loops:
    """The plain loops over texts, with transformers and Captum alone."""

    def __init__(self, texts: list[str], folder: Path):
        self.texts, self.folder, lens = texts, folder, al.load("sentiment")
        self.model, self.tokenizer = lens.model, lens.tokenizer

    def statistics(self) -> None:
        """Predictions, and of each head the mean entropy of its rows and its mean distance, from eager weights."""
        self.model.set_attn_implementation("eager")
        try:
            order = sorted(range(len(self.texts)), key=lambda n: len(self.texts[n]))
            rows: list[dict] = []
            for start in range(0, len(order), BATCH):
                rows += self._batch([self.texts[n] for n in order[start : start + BATCH]])
        finally:
            self.model.set_attn_implementation("sdpa")
        pd.DataFrame(rows).to_parquet(self.folder / "statistics.parquet")

    def _batch(self, texts: list[str]) -> list[dict]:
        inputs = self.tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            output = self.model(**inputs, output_attentions=True)
        real = inputs["attention_mask"].float()[:, None]
        weights = torch.stack(output.attentions, 1).flatten(1, 2)  # [text, layer * head, query, key]
        places = torch.arange(weights.shape[-1])
        apart = (places[None] - places[:, None]).abs().float()
        entropy = (torch.special.entr(weights).sum(-1) * real).sum(-1) / real.sum(-1)
        distance = ((weights * apart).sum(-1) * real).sum(-1) / real.sum(-1)
        chances = output.logits.softmax(-1)
        columns = (
            texts,
            chances.argmax(-1).tolist(),
            chances.amax(-1).tolist(),
            entropy.tolist(),
            distance.tolist(),
        )
        return [
            dict(zip(("input", "index", "probability", "entropy", "distance"), row)) for row in zip(*columns)
        ]

    def attributions(self) -> None:
        """Captum's integrated gradients text by text, as its tutorials write them."""
        from captum.attr import LayerIntegratedGradients

        def logits(ids: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits

        method, rows = LayerIntegratedGradients(logits, self.model.get_input_embeddings()), []
        for text in self.texts:
            ids = self.tokenizer(text, return_tensors="pt")["input_ids"]
            blank = torch.full_like(ids, self.tokenizer.pad_token_id)
            blank[:, [0, -1]] = ids[:, [0, -1]]
            with torch.no_grad():
                target = int(logits(ids)[0].argmax())
            scores = method.attribute(ids, blank, target=target, n_steps=STEPS).sum(-1)[0]
            rows.append({"input": text, "index": target, "scores": scores.tolist()})
        pd.DataFrame(rows).to_parquet(self.folder / "attributions.parquet")


class Runs:
    """The same by `corpus.run`: all fifteen statistics of every head, or attributions whose error is estimated."""

    def __init__(self, texts: list[str], folder: Path, tolerance: float = TOLERANCE):
        self.texts, self.folder, self.lens, self.tolerance = texts, folder, al.load("sentiment"), tolerance

    def statistics(self, **options: Any) -> None:
        self._run(Probe(head_stats=True), **options)

    def attributions(self) -> None:
        self._run(Probe("integrated_gradients", {"tolerance": self.tolerance}))

    def _run(self, probe: Probe, **options: Any) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as out:
            corpus.run(self.lens, self.texts, out, probe, progress=False, **options)


def run(rounds: int = 3, data: Path | None = None, tolerance: float = TOLERANCE) -> tuple[Table, bool]:
    """(the table, whether the targets are met)"""
    texts = texts_of(data)
    table = Table(title=f"{len(texts)} sentences, sentiment model, one thread")
    for column in ("", "rows/s, a loop", "rows/s, corpus.run", "x its time", "+-", "target"):
        table.add_column(column, justify="right" if column else "left")
    met = True
    with tempfile.TemporaryDirectory() as folder:
        for name, most in TARGETS.items():
            some = texts[:: max(1, len(texts) // INPUTS[name])]
            loops, runs = Loops(some, Path(folder)), Runs(some, Path(folder), tolerance)
            seconds = cpu_seconds({"loop": getattr(loops, name), "run": getattr(runs, name)}, rounds)
            times, spread = ratio(seconds, "run", "loop")
            rates = [f"{len(some) / min(seconds[way]):.0f}" for way in ("loop", "run")]
            table.add_row(name, *rates, f"{times:.2f}", f"{spread:.2f}", f"{most:.2f}")
            met = met and times <= most
        beside_ray = "Ray is not installed"
        if importlib.util.find_spec("ray"):
            times, start = ray_times(texts, Path(folder))
            beside_ray = (
                f"Ray, one actor: {times:.2f} times the time of a row (target {RAY}), {start:.0f} s to start"
            )
            met = met and times <= RAY
    table.caption = f"{beside_ray}; targets: {'met' if met else 'MISSED'}"
    return table, met


def ray_times(texts: list[str], folder: Path) -> tuple[float, float]:
    """(wall-clock time per row on one Ray actor relative to that in this process, seconds until its first row), by the
    difference between a run of many rows and one of few, where Ray runs already."""
    from attnlens.corpus import _ray

    few, many = (Runs((texts * (rows // len(texts) + 1))[:rows], folder) for rows in ROWS)
    with _ray._running(None):
        ways = {"local": {}, "ray": {"engine": "ray", "actors": 1}}
        seconds = {
            name: [seconds_of(lambda: size.statistics(**options)) for size in (few, few, many)][1:]  # noqa: B023
            for name, options in ways.items()
        }
    rows = {name: (large - small) / (ROWS[1] - ROWS[0]) for name, (small, large) in seconds.items()}
    return rows["ray"] / rows["local"], seconds["ray"][0] - ROWS[0] * rows["ray"]


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="a folder with SST-2's validation.parquet")
    of = f"of the attributions; their target is that of {TOLERANCE}"
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help=of)
    given = parser.parse_args()
    table, met = run(data=given.data, tolerance=given.tolerance)
    Console().print(table)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
