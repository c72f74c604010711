"""What the numbers of one input say in plain words: each sentence follows from a number and carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..trace import Token, Trace
from .explain import Explanation
from .flip import Flip
from .result import ImageAttribution, TextAttribution

if TYPE_CHECKING:
    from ..lens import Lens
    from .parts import Parts

CLOSE = 0.2
"""Probabilities nearer to each other than this are a borderline case."""

UNLIKELY = 0.05
"""A true class below this probability was not considered."""

HALF = 0.5

AGAINST = 0.2
"""A part that speaks against the answer is named from this share of what speaks for it on."""

AGREE = 0.3
"""Rank correlation below which attention and gradients disagree."""


@dataclass(frozen=True)
class Finding:
    """One sentence of a diagnosis with the number that it follows from.

    kind: "answer", "borderline", "not considered", "one part", "spread", "against", "background", "flip",
        "unknown words", "attention" or "error"
    """

    kind: str
    text: str
    number: float

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that is known of one input; see `Diagnosis`.

    parts: the scores of the difference between the predicted class and its rival, part by part
    """

    lens: Lens
    trace: Trace
    true: int
    rival: int
    explanation: Explanation
    parts: Parts
    flip: Flip | None
    mask: np.ndarray | None

    @property
    def name(self) -> str:
        """The class that is predicted."""
        return self.trace.prediction.label

    @property
    def other(self) -> str:
        """The class that it is compared with."""
        return self.trace.label(self.rival)


def findings(case: Case) -> list[Finding]:
    """The sentences that the numbers give reason for, in the order in which one asks."""
    found = (answer, nearness, drivers, against, background, flipped, unknown, errors, attention)
    return [finding for finding in (ask(case) for ask in found) if finding is not None]


def answer(case: Case) -> Finding:
    """Whether the model is right, and where the true class stands."""
    trace, prediction = case.trace, case.trace.prediction
    if prediction.index == case.true:
        return Finding("answer", f"Right: {prediction} is the true class.", prediction.probability)
    rank = 1 + int((trace.logits > trace.logits[case.true]).sum())
    chance = float(trace.probabilities[case.true])
    return Finding(
        "answer",
        f"Wrong: the model says {prediction}; the true class {trace.label(case.true)} is number {rank} of "
        f"{len(trace.logits)} with a probability of {chance:.2g}.",
        chance,
    )


def nearness(case: Case) -> Finding | None:
    """Whether the answer is a close call, or the true class far off."""
    chances, index = case.trace.probabilities, case.trace.prediction.index
    apart = float(chances[index] - chances[case.rival])
    if apart < CLOSE:
        words = f"Borderline: only {apart:.2f} of probability lies between {case.name} and {case.other}."
        return Finding("borderline", words, apart)
    chance = float(chances[case.true])
    if index == case.true or chance >= UNLIKELY:
        return None
    words = f"The true class was hardly considered: its probability is below {UNLIKELY:g}."
    return Finding("not considered", words, chance)


def drivers(case: Case) -> Finding | None:
    """Whether one part carries the answer, or how many make up half of the evidence."""
    positive, names = case.parts.scores.clamp(min=0), _names(case)
    total = float(positive.sum())
    if not total:
        return None
    share, strongest = float(positive.max()) / total, names[int(positive.argmax())]
    if share >= HALF:
        words = f"One part carries it: {strongest} has {share:.0%} of what speaks for {case.name}"
        return Finding("one part", f"{words} rather than {case.other}.", share)
    running = positive.sort(descending=True).values.cumsum(0) / total
    needed = 1 + int((running < HALF).sum())
    words = (
        f"The evidence is spread: {needed} of {len(names)} parts make up half of what speaks for {case.name}"
    )
    return Finding("spread", f"{words}; the strongest, {strongest}, has {share:.0%}.", share)


def against(case: Case) -> Finding | None:
    """What speaks most for the other class."""
    scores = case.parts.scores
    lowest, total = float(scores.min()), float(scores.clamp(min=0).sum())
    if lowest >= 0 or -lowest < AGAINST * total:
        return None
    words = f"{_names(case)[int(scores.argmin())]} speaks most for {case.other}, by {-lowest:.2g}"
    return Finding("against", f"{words}, against {total:.2g} in all for {case.name}.", lowest)


def background(case: Case) -> Finding | None:
    """How much of the evidence lies outside of the object, or in the outer half of the picture."""
    difference = case.explanation["difference"]
    if not isinstance(difference, ImageAttribution):
        return None
    scores = difference.on_image.nan_to_num(0.0).clamp(min=0)
    total = float(scores.sum())
    if not total:
        return None
    inside = _inner_half(scores.shape) if case.mask is None else _checked(case.mask, scores.shape)
    share, area = float(scores[~inside].sum()) / total, float((~inside).float().mean())
    where = ("middle", "outer half of the picture") if case.mask is None else ("object", "background")
    driven = where[1] if share > max(HALF, area + 0.1) else where[0]
    words = (
        f"Driven by the {driven}: {share:.0%} of the evidence lies in the {where[1]}, {area:.0%} of the area."
    )
    return Finding("background", words, share)


def _checked(mask: Any, shape: torch.Size) -> Tensor:
    mask = np.asarray(mask)
    if mask.shape != tuple(shape) or mask.dtype != bool or not 0 < mask.mean() < 1:
        raise InputError(
            f"mask must be bool {list(shape)}, as the picture that was given, with the object True and the rest False, "
            f"not {mask.dtype} {list(mask.shape)}"
        )
    return torch.from_numpy(mask)


def _inner_half(shape: torch.Size) -> Tensor:
    """`[height, width]`: True in the middle rectangle of half the area."""
    inside = torch.zeros(shape, dtype=torch.bool)
    top, left = (round(size * (1 - HALF**0.5) / 2) for size in shape)
    inside[top : shape[0] - top, left : shape[1] - left] = True
    return inside


def flipped(case: Case) -> Finding:
    """The smallest set of parts without which the answer is another one."""
    if case.flip is None:
        words = f"Nothing flips it: even without all its parts the model says {case.name}."
        return Finding("flip", words, 0.0)
    names = [_names(case)[part] for part in case.flip.parts]
    sure = ", and no smaller set does that" if case.flip.minimal else ", the smallest set that a search found"
    words = f"Without {', '.join(names)} the model says {case.trace.label(case.flip.index)}"
    return Finding("flip", f"{words}{sure if len(names) > 1 else ''}.", len(names))


def unknown(case: Case) -> Finding | None:
    """Words that the model cannot tell apart, since its vocabulary has none of their pieces."""
    id = getattr(getattr(case.lens, "tokenizer", None), "unk_token_id", None)
    tokens = [token for token in case.trace.tokens if id is not None and token.id == id and not token.special]
    if not tokens:
        return None
    words = ", ".join(repr(_source(case.trace, token)) for token in tokens)
    return Finding("unknown words", f"The tokenizer does not know {words}.", len(tokens))


def _source(trace: Trace, token: Token) -> str:
    """What stands in the text where a token is."""
    return token.text if token.start is None else trace.text[token.segment][token.start : token.end]


def errors(case: Case) -> Finding | None:
    """Whether an attribution did not converge."""
    doubtful = [one for one in case.explanation if one.converged is False]
    if not doubtful:
        return None
    worst = max(max(one.sum_error, one.estimated_error or 0.0) for one in doubtful)
    words = f"Some scores did not converge: their error is {worst:.0%}, see explanation.table."
    return Finding("error", words, worst)


def attention(case: Case) -> Finding | None:
    """Whether the attention's relevance ranks the parts otherwise than the gradients."""
    names = case.explanation.names
    followed = [name for name in names if name.startswith("attention for ")]
    if not followed:
        return None
    table = case.explanation.agreement
    pair = table[(table["first"] == names[0]) & (table["second"] == followed[0])]
    correlation = float(pair["spearman"].iloc[0])
    if not correlation < AGREE:
        return None
    words = f"Attention and gradients disagree: their rank correlation over the parts is {correlation:.2f}."
    return Finding("attention", words, correlation)


def _names(case: Case) -> list[str]:
    """The parts as a sentence names them."""
    text = isinstance(case.explanation["difference"], TextAttribution)
    return [
        repr(str(part)) if text else f"cell ({part.replace(',', ', ')})" for part in case.parts.removal.parts
    ]
