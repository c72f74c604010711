"""How often `debug` says each sentence: `python -m tests.benchmarks.findings --sst2 FOLDER --cifar FOLDER --jobs 8`.

100 inputs that the embedded models get right and 100 that they get wrong, of SST-2 and of CIFAR-10, the first of each
in an order drawn by a seed. Part "judged" are SST-2's validation sentences (93 are misread, all of which are taken) and
one half of CIFAR-10's test pictures. The limits of `attnlens.diagnosis._findings` were chosen on 30 hits and 30 errors
of part "chosen": training sentences of ten words and more, and the other half of the pictures. The quantiles of the
numbers that sentences are judged by are printed too.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

import attnlens as al

SEED = 0
WORDS = 10
"""Of a training sentence at least: most of the training part are phrases, all of the validation part are sentences."""

CHEAP = {"tolerance": 0.05, "most": 1}
"""No search for what flips an answer, which is said in any case, and scores that are good enough for their ranks."""

BATCH = 64
QUANTILES = (0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95)


def sentences(folder: Path, part: str) -> Iterator[tuple[str, int]]:
    """In an order drawn by the seed, with their labels."""
    table = pq.read_table(folder / ("train.parquet" if part == "chosen" else "validation.parquet"))
    texts, labels = (table[name].to_pylist() for name in ("sentence", "label"))
    for row in np.random.default_rng(SEED).permutation(len(texts)):
        if part != "chosen" or len(texts[row].split()) >= WORDS:
            yield texts[row].strip(), labels[row]


def pictures(folder: Path, part: str) -> Iterator[tuple[Image.Image, int]]:
    """In an order drawn by the seed, with their labels."""
    table = pq.read_table(folder / "test.parquet")  # of the training pictures hardly one is misread
    order = np.random.default_rng(SEED).permutation(len(table))
    for row in order[len(order) // 2 :] if part == "chosen" else order[: len(order) // 2]:
        encoded = table["img"][int(row)].as_py()["bytes"]
        yield Image.open(io.BytesIO(encoded)).convert("RGB"), table["label"][int(row)].as_py()


def sorted_out(lens: Any, inputs: Iterator[tuple[Any, int]], count: int) -> dict[str, list[tuple[Any, int]]]:
    """The first inputs that are answered rightly, and wrongly; fewer where there are no more."""
    found: dict[str, list[tuple[Any, int]]] = {"hits": [], "errors": []}
    while batch := list(islice(inputs, BATCH)):
        for one, trace in zip(batch, lens.traces([given for given, _ in batch])):
            kind = found["hits" if trace.prediction.index == one[1] else "errors"]
            kind.extend([one][: count - len(kind)])
        if all(len(kind) == count for kind in found.values()):
            break
    return found


def diagnosed(model: str, given: tuple[Any, int]) -> dict[str, Any]:
    """What is said of one input, and the numbers that it is judged by."""
    torch.set_num_threads(1)
    diagnosis = al.debug(_lens(model), *given, **CHEAP)
    return {"said": sorted(finding.kind for finding in diagnosis.findings), **diagnosis.numbers}


_loaded: dict[str, Any] = {}


def _lens(model: str) -> Any:
    if model not in _loaded:
        _loaded[model] = al.load(model)
        _loaded[model].model.to("cuda" if torch.cuda.is_available() else "cpu")
    return _loaded[model]


def measured(model: str, inputs: Iterator[tuple[Any, int]], count: int, jobs: int) -> pd.DataFrame:
    """A row per input."""
    chosen = sorted_out(_lens(model), inputs, count)
    every = [(kind, one) for kind, some in chosen.items() for one in some]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        run: Callable = pool.map if jobs > 1 else map
        rows = list(track(run(partial(diagnosed, model), [one for _, one in every]), model, total=len(every)))
    return pd.DataFrame([{"of": kind, **row} for (kind, _), row in zip(every, rows)])


def shares(tables: dict[str, pd.DataFrame]) -> Table:
    """In how many percent of the inputs each sentence is said."""
    kinds = sorted({kind for table in tables.values() for said in table["said"] for kind in said})
    shown = Table("finding", *(f"{name}, {of} (n)" for name in tables for of in ("hits", "errors")))
    groups = [table[table["of"] == of] for table in tables.values() for of in ("hits", "errors")]
    shown.add_row("inputs", *(str(len(group)) for group in groups))
    for kind in kinds:
        rates = (np.mean([kind in said for said in group["said"]]) for group in groups)
        shown.add_row(kind, *(f"{100 * rate:.0f}%" for rate in rates))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sst2", type=Path, required=True)
    parser.add_argument("--cifar", type=Path, required=True)
    parser.add_argument("--part", choices=("chosen", "judged"), default="judged")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file of what was said of each input, and its numbers")
    options, console = parser.parse_args(), Console(width=140)
    tables = {
        "SST-2": measured("sentiment", sentences(options.sst2, options.part), options.count, options.jobs),
        "CIFAR-10": measured("cifar", pictures(options.cifar, options.part), options.count, options.jobs),
    }
    console.print(shares(tables))
    if options.out is not None:
        pd.concat(tables, names=["data"]).to_json(options.out, orient="table")
    for name, table in tables.items():
        numbers = table.drop(columns="said")
        for of, group in [("all", numbers), *numbers.groupby("of")]:
            console.print(f"{name}, {of}:")
            console.print(group.drop(columns="of").quantile(QUANTILES).round(3).to_string())


if __name__ == "__main__":
    main()
