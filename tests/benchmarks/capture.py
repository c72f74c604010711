"""What listening costs: BERT-base plain, captured, and with eager `output_attentions`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.table import Table
from transformers import BertConfig, BertModel

import attnlens as al

from .measure import cpu_seconds, peak_megabytes, ratio

VARIANTS = ("plain sdpa", "captured", "captured + traces", "eager output_attentions")
TARGET = 1.10
"""Captured against plain at N = 512, CPU time."""


def variant(name: str, length: int) -> Callable[[], object]:
    """One forward pass of a seeded BERT-base over `[1, length]` tokens, in the named way."""
    torch.manual_seed(0)
    config = BertConfig(attn_implementation="eager" if name.startswith("eager") else "sdpa")
    with torch.device("cpu"):
        model = BertModel(config).eval()
    ids = torch.randint(5, 30000, (1, length))

    def run() -> object:
        with torch.no_grad():
            if name == "plain sdpa":
                return model(ids)
            if name.startswith("eager"):
                return model(ids, output_attentions=True).attentions
            with al.capture(model) as recording:
                model(ids)
            return list(recording.traces()) if name.endswith("traces") else recording

    return run


def run(lengths: tuple[int, ...] = (128, 512), rounds: int = 9) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    table = Table(title="capture: BERT-base, batch 1, one thread")
    for column in ("N", "variant", "CPU s", "x plain", "+-", "peak MB"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    met = True
    for length in lengths:
        seconds = cpu_seconds({name: variant(name, length) for name in VARIANTS}, rounds)
        for name in VARIANTS:
            times, spread = ratio(seconds, name, VARIANTS[0])
            peak = peak_megabytes(variant, name, length)
            table.add_row(
                str(length), name, f"{min(seconds[name]):.3f}", f"{times:.3f}", f"{spread:.3f}", f"{peak:.0f}"
            )
            if length == 512 and name == "captured":
                met = times <= TARGET
    table.caption = f"target: captured at most {TARGET:.2f}x plain at N=512: {'met' if met else 'MISSED'}"
    return table, met
