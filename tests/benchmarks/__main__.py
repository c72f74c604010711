"""`make bench`: runs every benchmark, prints its table, and fails where a target is missed."""

from __future__ import annotations

import sys

from rich.console import Console

from . import capture


def main() -> None:
    console = Console()
    results = []
    for benchmark in (capture,):
        table, met = benchmark.run()
        console.print(table)
        results.append(met)
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
