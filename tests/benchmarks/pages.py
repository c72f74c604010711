"""The same attention as a page of BertViz, of Inspectus and of attnlens, each as its own users save one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch

import attnlens as al
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Token, Trace

from .attribution import SENTENCES

LAYERS, HEADS = 12, 12

DOCUMENT = '<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{}\n</body>\n</html>\n'
"""What a fragment for a notebook is saved in."""


class Drawn(NamedTuple):
    """How one sees that a page has drawn, and where one changes its layer; a selector looks into shadow roots too."""

    picture: str
    layer: str | None
    """The control: a select, or one thing to click for each layer; None where all layers are shown at once."""


DRAWN = {
    "bertviz head_view": Drawn("#attention > g:first-child > g:first-child > line", "#layer"),
    "bertviz model_view": Drawn("svg line", None),
    "inspectus": Drawn("svg.matrix rect.cell", ".dimension-values .value"),
    "attnlens attention": Drawn(
        ".lines:not([hidden]) canvas, canvas.matrix:not([hidden])", "select[aria-label=Layer]"
    ),
    "attnlens heads": Drawn("[role=row]:last-child .tile:last-child canvas", None),
}


def made_up(size: int) -> Trace:
    """Weights as a layer without structure has them: softmax(2 randn), float32, always the same."""
    torch.manual_seed(0)
    layers = tuple(
        Layer(f"layer {n}", "self", Weights(torch.softmax(2 * torch.randn(HEADS, size, size), -1)))
        for n in range(LAYERS)
    )
    return Trace(layers, model="softmax(2 randn)", tokens=tuple(Token(f"token{n}") for n in range(size)))


def read(folder: Path, size: int) -> Trace:
    """What a trained encoder attends to in so many tokens of film reviews, as factors."""
    lens = al.load(folder)
    words = " ".join(SENTENCES * 4).split()
    while len(lens.tokenizer(" ".join(words))["input_ids"]) > size:
        words.pop()
    words += ["."] * (size - len(lens.tokenizer(" ".join(words))["input_ids"]))
    return lens.trace(" ".join(words), store="factors")


def base_sized(size: int) -> Trace:
    """As many layers, heads and dimensions as BERT base has, of queries and keys without structure."""
    torch.manual_seed(0)
    layers = tuple(
        Layer(f"layer {n}", "self", al.data.Factors(*torch.randn(2, HEADS, size, 64), 64**-0.5))
        for n in range(LAYERS)
    )
    return Trace(layers, model="of BERT's size", tokens=tuple(Token(f"token{n}") for n in range(size)))


# -- pages --------------------------------------------------------------------------------------------------


def bertviz(trace: Trace, path: Path, view: str, **given: object) -> None:
    """BertViz's view as the HTML that it returns; it asks a content network for d3, jQuery and RequireJS."""
    import bertviz

    weights = [layer.attention[:][None] for layer in trace.layers]
    tokens = [token.text for token in trace.tokens]
    found = getattr(bertviz, view)(weights, tokens, html_action="return", **given)
    path.write_text(DOCUMENT.format(found.data), encoding="utf-8")


def inspectus(trace: Trace, path: Path) -> None:
    """What Inspectus displays in a notebook, saved; a space before each token, since it fails at "." and "##ing"."""
    import inspectus

    shown: list[str] = []
    weights = [layer.attention[:][None] for layer in trace.layers]
    with patch("IPython.display.display", lambda html: shown.append(html.data)):
        inspectus.attention(weights, [f" {token.text}" for token in trace.tokens])
    path.write_text(DOCUMENT.format("\n".join(shown)), encoding="utf-8")


MAKERS: dict[str, Callable[[Trace, Path], object]] = {
    "bertviz head_view": lambda trace, path: bertviz(trace, path, "head_view", heads=[0]),
    "bertviz model_view": lambda trace, path: bertviz(trace, path, "model_view"),
    "inspectus": inspectus,
    "attnlens attention": lambda trace, path: al.report(trace, path=path, views="attention"),
    "attnlens heads": lambda trace, path: al.report(trace, path=path, views="heads"),
}


def made(name: str, trace: Trace, path: Path) -> tuple[int, float]:
    """(bytes of the page, CPU seconds of one thread that it took)"""
    torch.set_num_threads(1)
    start = time.process_time()
    MAKERS[name](trace, path)
    return path.stat().st_size, time.process_time() - start
