"""Relevance: from query, key, value and dO of the model's own attention, against eager autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.table import Table
from transformers import BertConfig, BertForSequenceClassification

from attnlens.attribution._relevance import relevance
from attnlens.data._trace import Trace
from attnlens.models._forward import run_for

from .measure import cpu_seconds, peak_megabytes, ratio

TARGET = 0.35
"""Peak memory against eager autograd at N = 1024."""


def variant(name: str, length: int) -> Callable[[], torch.Tensor]:
    """The relevance matrix of a seeded BERT-base over `[1, length]` tokens for class 0, in the named way."""
    torch.manual_seed(0)
    config = BertConfig(
        attn_implementation="eager" if name == "eager" else "sdpa", max_position_embeddings=2048
    )
    with torch.device("cpu"):
        model = BertForSequenceClassification(config).eval()
    inputs = {
        "input_ids": torch.randint(5, 30000, (1, length)),
        "attention_mask": torch.ones(1, length).long(),
    }

    def eager() -> torch.Tensor:
        """The weights are kept, their gradients too, and the rule goes over both."""
        output = model(**inputs, output_attentions=True)
        gradients = torch.autograd.grad(output.logits[0, 0], output.attentions)
        found = torch.eye(length)
        for weights, gradient in zip(output.attentions, gradients):
            found = found + (weights[0] * gradient[0]).clamp(min=0).mean(0).detach() @ found
        return found

    def ours() -> torch.Tensor:
        _, layers, _ = run_for(model, inputs, lambda output, item: output.logits[item], 1, 0, values=False)
        return relevance(Trace(layers[0]), None)

    return eager if name == "eager" else ours


def run(lengths: tuple[int, ...] = (256, 1024), rounds: int = 3) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    table = Table(title="relevance: BERT-base, batch 1, one thread, the whole matrix")
    columns = ("N", "eager s", "ours s", "x time", "+-", "eager MB", "ours MB", "x memory", "error")
    for column in columns:
        table.add_column(column, justify="right")
    share = 1.0
    for length in lengths:
        ways = {name: variant(name, length) for name in ("eager", "attnlens")}
        seconds = cpu_seconds(ways, rounds)
        times, spread = ratio(seconds, "attnlens", "eager")
        eager, ours = (peak_megabytes(variant, name, length) for name in ways)
        share = ours / eager
        theirs, found = (way() for way in ways.values())
        error = float((theirs - found).abs().max() / theirs.sub(torch.eye(length)).abs().max())
        cells = [f"{min(seconds[name]):.2f}" for name in ways] + [f"{times:.2f}", f"{spread:.2f}"]
        table.add_row(str(length), *cells, f"{eager:.0f}", f"{ours:.0f}", f"{share:.2f}", f"{error:.0e}")
    met = share <= TARGET
    table.caption = (
        f"target: at most {TARGET:.2f}x the memory at N={lengths[-1]}: {'met' if met else 'MISSED'}"
    )
    return table, met
