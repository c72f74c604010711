"""Which method explains a text classifier most faithfully? Every method over a data set, beside chance.

    python examples/faithfulness.py --data sst2 --model sentiment --limit 872 --out table.md

For each sentence and the class that the model predicts, each method ranks the tokens; then tokens are replaced by
padding in that order, and alone put back, and the probability of the class is followed. The last row is what random
orders of the same tokens give. Shapley values and integrated gradients cost most: begin with a small --limit.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow.parquet as pq
import torch
import typer
from rich.progress import Progress

import attnlens as al
from attnlens.attribution import METHODS
from attnlens.evaluation._faithfulness import faithfulness

SHOWN = (
    "sequential_integrated_gradients", "integrated_gradients", "gradient_x_input", "gradient", "rollout",
    "gradient_rollout", "relevance", "leave_one_out", "shapley",
)  # fmt: skip
BETTER = {"comprehensiveness": "↑", "sufficiency": "↓", "log_odds": "↓", "deletion": "↓", "insertion": "↑"}
BATCH = 8


def main(
    data: Annotated[
        Path, typer.Option(help="Folder with validation.parquet, a column of which is `sentence`.")
    ],
    model: Annotated[str, typer.Option(help="Embedded model, hub id or folder.")] = "sentiment",
    limit: Annotated[
        int | None, typer.Option(help="How many sentences, from the first; all by default.")
    ] = None,
    method: Annotated[list[str], typer.Option(help=f"One of {', '.join(METHODS)}; may be repeated.")] = SHOWN,
    jobs: Annotated[int, typer.Option(help="Processes, each with one thread.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Markdown file to write; printed in any case.")] = None,
) -> None:
    """Measure how faithful attribution methods are."""
    sentences = pq.read_table(data / "validation.parquet").slice(0, limit)["sentence"].to_pylist()
    text = markdown(measure(model, sentences, method, jobs))
    print(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")


def measure(model: str, sentences: list[str], methods: list[str], jobs: int = 1) -> pd.DataFrame:
    """A row per sentence and method, as `faithfulness` gives them."""
    batches = [sentences[start : start + BATCH] for start in range(0, len(sentences), BATCH)]
    work = partial(measured, model, list(methods))
    with (
        Progress() as bar,
        ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool,
    ):
        tables = (pool.map if jobs > 1 else map)(work, batches)
        tables = list(bar.track(tables, total=len(batches), description="sentences"))
    return pd.concat(tables, ignore_index=True)


def measured(model: str, methods: list[str], batch: list[str]) -> pd.DataFrame:
    """The rows of a few sentences."""
    lens = loaded(model)
    found = [lens.attribute(batch, method=method) for method in methods]
    return faithfulness(lens, [one for several in found for one in several])


@cache
def loaded(model: str) -> al.lens.TextLens:
    """The lens, loaded once in each process."""
    lens = al.load(model)
    lens.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return lens


def markdown(table: pd.DataFrame) -> str:
    """Means over sentences with their standard errors, a line per method and one for chance."""
    first = table["method"].iloc[0]
    chance = table[table["method"] == first].assign(method="random")
    chance = chance.assign(**{name: chance[f"{name}_random"] for name in BETTER})
    rows = pd.concat([table, chance]).groupby("method", sort=False)[list(BETTER)]
    means, errors = rows.mean(), rows.sem()
    lines = [
        " | ".join(["| method", *(f"{name.replace('_', '-')} {arrow}" for name, arrow in BETTER.items())])
        + " |",
        "| --- |" + " ---: |" * len(BETTER),
    ]
    for name in means.index:
        cells = [f"{means.loc[name, column]:.3f} ± {errors.loc[name, column]:.3f}" for column in BETTER]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    count = int((table["method"] == first).sum())
    return "\n".join(
        [*lines, "", f"{count} sentences; mean ± standard error; ↑ higher is better, ↓ lower is better.", ""]
    )


if __name__ == "__main__":
    typer.run(main)
