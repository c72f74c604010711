"""`make bench`: runs every benchmark, or those named after it, prints each table, fails where a target is missed."""

from __future__ import annotations

import sys

from rich.console import Console

from . import (
    attribution,
    capture,
    corpus,
    distance,
    flow,
    many,
    norms,
    peers,
    relevance,
    removals,
    rollout,
    widgets,
)

BENCHMARKS = (
    capture,
    many,
    corpus,
    attribution,
    rollout,
    norms,
    relevance,
    removals,
    distance,
    flow,
    widgets,
    peers,
)


def main() -> None:
    console = Console()
    known = {benchmark.__name__.rpartition(".")[2]: benchmark for benchmark in BENCHMARKS}
    results = []
    for name in sys.argv[1:] or known:
        table, met = known[name].run()
        console.print(table)
        results.append(met)
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
