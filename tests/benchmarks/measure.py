"""How benchmarks measure: CPU seconds of one thread, interleaved, and peak memory in a process of its own."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch


def cpu_seconds(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds per variant and round. The variants take turns, so that a slow spell hits all of them."""
    torch.set_num_threads(1)
    for run in variants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> tuple[float, float]:
    """(median over rounds of the ratio to `base` in the same round, half its interquartile range)."""
    ratios = [a / b for a, b in zip(seconds[name], seconds[base])]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, (high - low) / 2


def peak_megabytes(make: Callable[[str, int], Callable[[], object]], *arguments: object) -> float:
    """Peak resident memory that one run adds, in MB: measured in a fresh process after the model is built."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(send, make, arguments))
    process.start()
    send.close()
    peak = receive.recv()
    process.join()
    return peak


def _peak(send: object, make: Callable, arguments: tuple) -> None:
    torch.set_num_threads(1)
    run = make(*arguments)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the high-water mark starts anew from what is resident now
    before = _status("VmRSS")
    run()
    send.send(_status("VmHWM") - before)


def _status(field: str) -> float:
    """A field of /proc/self/status in MB."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6
