"""What a row of an audit's page opens: its words or its picture with attribution and attention, and every class."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import _palette
from ..attribution._result import method_title
from ..corpus import Audit
from ..data._trace import Trace
from ..errors import FileError
from ._audit_tables import tint
from ._page import shown

SIDE = 224
"""Pixels of the longer side of a picture on the page, at most."""

SMALL = 64
"""Pixels up to which a picture is kept as it is, and enlarged without smoothing."""

MOST_CLASSES = 12
"""Classes of a row, the likeliest ones."""

COLUMNS = [
    "key",
    "input",
    "label",
    "label_index",
    "prediction",
    "index",
    "probability",
    "loss",
    "margin",
    "logits",
]
SCORES = ["scores", "gap", "error", "converged", "steps"]

MAT = "<rect class='mat' width='100%' height='100%'/>"
"""Behind a map, whose colours are those of the light theme."""


def legend(audit: Audit) -> str:
    """What the colours of words, or of a picture's maps, mean."""
    method = shown(method_title(audit.method))
    said = (
        f"A picture opens its maps, by {method}:"
        if audit.reads_pictures
        else f"Coloured is what each word contributes, by {method}:"
    )
    return (
        f"{said} <span class='word for-5'>supports</span> the prediction, or "
        "<span class='word against-5'>opposes</span> it. The stronger the colour, the more, on a scale of each row."
    )


class Explanations:
    """The explanations of some rows of an audit, in their order.

    notice: a sentence for the page where pictures cannot be shown, else ""
    """

    def __init__(self, audit: Audit, places: Sequence[int], name: str):
        self.audit, self.name, self.notice = audit, name, ""
        own = ["class_attention", "hash"] if audit.reads_pictures else ["tokens", "special"]
        self.rows = audit.rows.at(places, [*COLUMNS, *SCORES, *own])
        try:
            self.inputs: list[Any] = audit.inputs(self.rows, self._seen)
        except FileError as error:
            self.inputs = [None] * len(self.rows)
            self.notice = f" Pictures are not shown: {shown(str(error))}."

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        """(a row, what its first cell shows and opens)"""
        if self.audit.reads_pictures:
            pairs = zip(self.rows.itertuples(), self.inputs)
            made: Iterable[str] = (self._picture(number, *pair) for number, pair in enumerate(pairs))
        else:
            traces = self.audit.lens.traces(self.inputs) if self.inputs else ()
            made = (
                _opened(coloured(row), _of_text(self.audit, row, trace))
                for row, trace in zip(self.rows.itertuples(), traces)
            )
        yield from zip(self.rows.itertuples(), made)

    def _seen(self, input: Any) -> Any:
        """What is shown of an input: a text, or what the model sees of a picture, over which maps lie."""
        if not self.audit.reads_pictures:
            return input
        return Image.fromarray(np.asarray(self.audit.lens.prepare(input)[1]))

    def _picture(self, number: int, row: Any, picture: Image.Image | None) -> str:
        name, facts = f"{self.name}-{number}", _facts(self.audit, row)
        if picture is None:
            return _opened(shown(str(row.key)), facts)
        maps = [("attribution", _signed(row.scores))]
        if row.class_attention is not None:
            maps.append(("attention of the class token", _unsigned(row.class_attention)))
        about = self._about(row)
        figures = "".join(_figure(name, picture.size, url, said, about) for said, url in maps)
        seen = thumbnail(picture, name, about)
        return f"{seen} {_opened('explanation', f'<div class=maps>{figures}</div>{facts}')}"

    def _about(self, row: Any) -> str:
        label = self.audit.classes[row.label_index]
        return f"input {row.key} · predicted {row.prediction} ({row.probability:.3f}) · true class {label}"


def _opened(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary><div class='opened'>{content}</div></details>"


# -- every row ------------------------------------------------------------------------------------------------


def _facts(audit: Audit, row: Any) -> str:
    """Every class with its logit and probability, and how far the attribution is to be trusted."""
    return f"{_classes(audit, row)}<p class='about'>{_verdict(row)}</p>"


def _classes(audit: Audit, row: Any) -> str:
    if row.logits is None:
        return ""
    logits = torch.tensor(row.logits)
    chances = Trace(
        (), logits=logits, labels=audit.lens.labels, activation=audit.lens.activation
    ).probabilities
    order = chances.argsort(descending=True, stable=True)[:MOST_CLASSES].tolist()
    rows = []
    for index in order:
        name = shown(audit.classes[index], 60) + (" (true class)" if index == row.label_index else "")
        chance = float(chances[index])
        rows.append(
            f"<tr><th scope='row'>{name}</th><td>{float(logits[index]):+.2f}</td><td><svg aria-hidden='true' "
            "viewBox='0 0 100 10' preserveAspectRatio='none'><rect class='all' width='100' height='10'/><rect "
            f"class='share' width='{100 * chance:.2f}' height='10'/></svg></td><td>{chance:.1%}</td></tr>"
        )
    several = f"<caption>the {len(order)} likeliest of {len(logits):,} classes</caption>"
    return (
        f"<table class='classes'>{several if len(order) < len(logits) else ''}<thead><tr><th scope='col'>class</th>"
        "<th scope='col'>logit</th><td></td><th scope='col'>probability</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _verdict(row: Any) -> str:
    """The errors of an attribution, and the loss, in words."""
    said = [f"Scores in logits, which sum to {float(np.sum(row.scores)):+.2f}"]
    if row.gap == row.gap and row.gap is not None:
        said.append(f"completeness gap {row.gap:.1%}")
    if row.error == row.error and row.error is not None:
        said.append(f"estimated error of the scores {row.error:.1%}")
    if row.converged is False:
        said.append(f"not converged in {row.steps} steps")
    if row.loss == row.loss and row.loss is not None:
        said.append(f"loss {row.loss:.2f}")
    return "; ".join(said) + "."


# -- texts ----------------------------------------------------------------------------------------------------


def coloured(row: Any) -> str:
    """The text with each word in the tint of its score."""
    scores = np.asarray(row.scores, dtype=float)
    strongest = float(np.abs(scores).max(initial=0.0)) or 1.0
    parts, at, folded = [], 0, row.input.lower()
    for token, special, score in zip(row.tokens, row.special, scores.tolist()):
        if special:
            continue
        start = folded.find(token.lower(), at) if len(folded) == len(row.input) else -1
        gap, word = (
            (" ", token) if start < 0 else (row.input[at:start], row.input[start : start + len(token)])
        )
        at = at if start < 0 else start + len(token)
        level = tint("for" if score > 0 else "against", abs(score) / strongest)
        parts.append(f"{shown(gap)}<span class='word {level}' title='{score:+.3f}'>{shown(word)}</span>")
    return "".join(parts) + shown(row.input[at:] if at else "")


def _of_text(audit: Audit, row: Any, trace: Trace) -> str:
    """Words with their scores, the classes, and the head that attends most strongly."""
    scores = np.asarray(row.scores, dtype=float)
    strongest = float(np.abs(scores).max(initial=0.0)) or 1.0
    words = [
        _unit(token, tint("for" if score > 0 else "against", abs(score) / strongest), f"{score:+.2f}")
        for token, special, score in zip(row.tokens, row.special, scores.tolist())
        if not special
    ]
    return f"<p>{''.join(words)}</p>{_facts(audit, row)}{_attention(trace)}"


def _attention(trace: Trace) -> str:
    """Where the head attends that has the largest weight on a word, from the position that predicts."""
    head = _strongest_on_a_word(trace)
    if head is None:
        return ""
    layer, number = head
    weights, keys = trace[layer, number][trace.reader].tolist(), trace.axis_tokens(layer)[1]
    units = [
        _unit(token.text, tint("for", weight / max(weights)), f"{weight:.0%}")
        for token, weight in zip(keys, weights)
    ]
    reader = shown(str(trace.tokens[trace.reader]))
    said = f"Attention of {reader} in layer {layer}, head {number}, the largest weight of a head on a word:"
    return f"<p class='about'>{said}</p><p>{''.join(units)}</p>"


def _strongest_on_a_word(trace: Trace) -> tuple[int, int] | None:
    """(layer, head); None where no layer attends to the words of the input."""
    best: tuple[float, int, int] | None = None
    for number, layer in enumerate(trace.layers):
        keys = trace.axis_tokens(number)[1]
        words = [
            at
            for at, token in enumerate(keys)
            if not token.special and at != trace.reader and any(map(str.isalnum, token.text))
        ]
        if words and layer.kind == "self" and len(keys) == layer.attention.keys:
            most, head = layer.attention[:, trace.reader, words].amax(-1).max(0)
            best = max(best or (-1.0, 0, 0), (float(most), number, int(head)))
    return None if best is None else best[1:]


def _unit(text: str, level: str, number: str) -> str:
    return (
        f"<span class='unit'><span class='word {level}'>{shown(text)}</span><small>{number}</small></span> "
    )


# -- pictures -------------------------------------------------------------------------------------------------


def thumbnail(picture: Image.Image, name: str, said: str) -> str:
    """A picture that other drawings on the page use by its name."""
    width, height = picture.size
    return (
        f"<svg class='picture' viewBox='0 0 {width} {height}' role='img' aria-label='{shown(said)}'>"
        f"<image id='{name}' width='{width}' height='{height}' href='{_url(picture)}'{_coarse(picture.size)}/></svg>"
    )


def _figure(name: str, size: tuple[int, int], url: str, said: str, about: str) -> str:
    """A map over a picture that is on the page already."""
    width, height = size
    over = (
        f"<image width='{width}' height='{height}' preserveAspectRatio='none' class='coarse' href='{url}'/>"
    )
    return (
        f"<figure><svg class='picture' viewBox='0 0 {width} {height}' role='img' "
        f"aria-label='{said} · {shown(about)}'>{MAT}<use class='pale' href='#{name}'/>{over}</svg>"
        f"<figcaption>{said}</figcaption></figure>"
    )


def map_figure(cells: np.ndarray, signed: bool, largest: float, said: str) -> str:
    """A map of cells alone; largest: the value at full strength."""
    url = (_signed if signed else _unsigned)(cells, largest)
    return (
        f"<svg class='cells' viewBox='0 0 14 14' role='img' aria-label='{shown(said)}'>"
        f"{MAT}<image width='14' height='14' class='coarse' href='{url}'/></svg>"
    )


def _signed(cells: Any, largest: float | None = None) -> str:
    return _tinted(cells, largest, ("against", "for"))


def _unsigned(cells: Any, largest: float | None = None) -> str:
    return _tinted(cells, largest, ("unsigned", "unsigned"))


def _tinted(cells: Any, largest: float | None, roles: tuple[str, str]) -> str:
    """A map as a picture of its cells whose opacity is the size of a value; largest: by default that of the map."""
    values = np.asarray(cells, dtype=float).reshape(14, 14)
    size = np.abs(values) / (largest or np.abs(values).max() or 1.0)
    colours = np.array([_palette.rgb(_palette.colour(role)) for role in roles])
    pixels = np.concatenate([colours[(values > 0).astype(int)], (230 * size.clip(0, 1))[..., None]], -1)
    return _url(Image.fromarray(pixels.round().astype(np.uint8), "RGBA"))


def _coarse(size: tuple[int, int]) -> str:
    return " class='coarse'" if max(size) <= SMALL else ""


def small(picture: Image.Image) -> Image.Image:
    """The picture, at most 224 pixels across."""
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE))
    return picture


def _url(picture: Image.Image) -> str:
    """A data URL: of a small picture as it is, of a larger one as a JPEG of at most 224 pixels across."""
    data, kind = io.BytesIO(), "png"
    if max(picture.size) > SMALL:
        picture, kind = small(picture), "jpeg"
    picture.save(data, kind, quality=85, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
