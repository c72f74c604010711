"""Seeded traces and attributions whose pictures depend on no model, and readers of what a figure shows."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from attnlens.attribution import Target, TextAttribution
from attnlens.data._attention import Attention, Band, Factors, Weights
from attnlens.data._trace import Layer, PatchGrid, Prediction, Token, Trace

WORDS = (
    "the quick brown fox jumps over a lazy dog while nobody in the old theatre laughs at this dull but honest story"
).split()


def tokens(count: int) -> tuple[Token, ...]:
    """`[CLS]`, words in a fixed order, `[SEP]`."""
    middle = [Token(WORDS[(7 * i) % len(WORDS)]) for i in range(max(0, count - 2))]
    return (Token("[CLS]", special=True), *middle, Token("[SEP]", special=True))[:count]


def weights(heads: int, queries: int, keys: int, seed: int = 0) -> Weights:
    """Heads of kinds: near the diagonal, on one key, spread."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(heads, queries, keys, generator=generator)
    away = (torch.arange(queries)[:, None] * keys / queries - torch.arange(keys)).abs()
    kind = torch.arange(heads) % 3
    scores[kind == 0] -= away
    scores[kind == 1, :, keys // 3] += 4
    return Weights(scores.softmax(-1))


def factors(heads: int, count: int, seed: int = 0) -> Factors:
    """Causal attention of so many tokens, as factors."""
    generator = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, heads, count, 8, generator=generator)
    return Factors(query, key, scale=0.6, mask=Band(None, 0))


def text(count: int = 8, heads: int = 4, layers: int = 3) -> Trace:
    """A text of so many tokens."""
    made = tuple(Layer(f"layer.{i}", "self", weights(heads, count, count, seed=i)) for i in range(layers))
    return Trace(made, tokens=tokens(count), model="a model")


def causal(count: int = 12, heads: int = 4, layers: int = 2) -> Trace:
    made = tuple(Layer(f"layer.{i}", "self", factors(heads, count, seed=i)) for i in range(layers))
    return Trace(made, tokens=tokens(count), model="a decoder")


def crossing(queries: int = 5, keys: int = 9, heads: int = 3, layers: int = 2) -> Trace:
    """Cross attention from one text to another."""
    made = tuple(
        Layer(f"decoder.{i}", "cross", weights(heads, queries, keys, seed=i), "output", "input")
        for i in range(layers)
    )
    return Trace(made, tokens=tokens(keys), output_tokens=tokens(queries), model="a translator")


def image(
    rows: int = 4, cols: int = 6, leading: tuple[str, ...] = ("[CLS]",), pictured: bool = True
) -> Trace:
    """An image of two colours under patches that are no square."""
    size = len(leading) + rows * cols
    made = tuple(Layer(f"layer.{i}", "self", weights(3, size, size, seed=i)) for i in range(4))
    down, across = np.mgrid[0 : rows * 8, 0 : cols * 8]
    picture = np.stack([down * 5, across * 4, np.full_like(down, 90)], -1).astype(np.uint8)
    return Trace(made, patches=PatchGrid(rows, cols, leading, picture if pictured else None), model="a ViT")


def one_layer(attention: Attention) -> Trace:
    return Trace((Layer("layer.0", "self", attention),))


def attribution(words: list[str] | int = 8, seed: int = 1) -> TextAttribution:
    """Scores of both signs."""
    given = tokens(words) if isinstance(words, int) else tuple(Token(word) for word in words)
    scores = torch.randn(len(given), generator=torch.Generator().manual_seed(seed))
    prediction = Prediction("negative", 0, 0.93)
    return TextAttribution(
        tokens=given, scores=scores, target=Target("negative", 0), prediction=prediction, value=1.5, gap=0.012,
        change=2.0, estimated_error=0.01, tolerance=0.05, method="integrated_gradients", baseline="pad", steps=64,
    )  # fmt: skip


# -- reading a figure -------------------------------------------------------------------------------------------


def bars(figure: Figure) -> list[Axes]:
    """The colour bars."""
    return [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]


def panels(figure: Figure) -> list[Axes]:
    """The Axes that hold an image and are no colour bar."""
    return [ax for ax in figure.axes if ax.images and ax.get_label() != "<colorbar>"]


def drawn(figure: Figure) -> list[AxesImage]:
    """The images in a figure, colour bars left out, in the order of their Axes."""
    return [image for ax in panels(figure) for image in ax.images]


def numbers(image: AxesImage) -> np.ndarray:
    """What an image shows; what is masked as 0."""
    return np.ma.filled(image.get_array(), 0)


def labels(axis: object) -> list[str]:
    return [tick.get_text() for tick in axis.get_ticklabels()]


def said(figure: Figure) -> str:
    """Title and caption, lines joined."""
    return " ".join(text.get_text() for text in (figure._suptitle, figure._supxlabel) if text).replace(
        "\n", " "
    )
