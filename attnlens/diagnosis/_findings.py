"""What the numbers of one input say in plain words: each sentence follows from a number and carries it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..attribution._compare_methods import Explanation
from ..attribution._result import Attribution, ImageAttribution, TextAttribution
from ..data._trace import Token, Trace
from ..errors import InputError
from ..evaluation._agreement import ordinary_scores, spearman
from ._counterfactual import Counterfactual

if TYPE_CHECKING:
    from ..evaluation._perturbation import ScoredParts
    from ..models._protocols import ModelWithProcessor

HALF = 0.5


@dataclass(frozen=True)
class Limits:
    """From where on a number is worth a sentence: chosen so that at most about a fifth of the inputs of one part of a
    data set, hits and errors in equal numbers, are beyond each. The guide says how often each sentence is said of
    another part. What one part holds half of is carried by it, and what the edge drives must hold more than its area,
    however seldom that is.

    close: difference of two probabilities up to which the answer is a close call
    unlikely: probability up to which the true class was hardly considered
    carried: share of the evidence from which on one part carries the answer
    spread: share of the parts that half of the evidence takes, from which on it is spread
    against: what the strongest part against the answer amounts to, beside all that speaks for it
    inner, outer: shares of the evidence outside the middle of a picture, up to which it is driven by the middle, and
        from which on by the edge
    agree: rank correlation up to which attention and gradients disagree
    """

    close: float
    unlikely: float
    carried: float
    spread: float
    against: float
    agree: float
    inner: float = 0.0
    outer: float = 1.0


TEXT = Limits(close=0.2, unlikely=0.02, carried=0.5, spread=0.2, against=0.35, agree=0.25)
IMAGE = Limits(
    close=0.2, unlikely=0.02, carried=0.5, spread=0.13, against=0.18, agree=0.17, inner=0.23, outer=0.6
)

MARGIN = 0.1
"""By how much more, or less, than its area a part that a mask marks off must hold of the evidence to drive it."""


@dataclass(frozen=True)
class Finding:
    """One sentence of a diagnosis with the number that it follows from.

    kind: "answer", "borderline", "not considered", "one part", "spread", "against", "background", "counterfactual",
        "unknown words", "attention" or "error"
    """

    kind: str
    text: str
    number: float

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class DiagnosisInput:
    """Everything that is known of one input; see `Diagnosis`.

    parts: the scores of the difference between the predicted class and its rival, part by part
    """

    lens: ModelWithProcessor
    trace: Trace
    true: int
    rival: int
    explanation: Explanation
    parts: ScoredParts
    counterfactual: Counterfactual | None
    mask: np.ndarray | None

    @cached_property
    def numbers(self) -> dict[str, float]:
        """See `numbers`."""
        return numbers(self)

    @property
    def limits(self) -> Limits:
        """Those of its kind of input."""
        return TEXT if isinstance(self.explanation["difference"], TextAttribution) else IMAGE

    @property
    def name(self) -> str:
        """The class that is predicted."""
        return self.trace.prediction.label

    @property
    def other(self) -> str:
        """The class that it is compared with."""
        return self.trace.label(self.rival)


def findings(case: DiagnosisInput) -> list[Finding]:
    """The sentences that the numbers give reason for, in the order in which one asks: the answer and what flips it in
    any case, the others where they tell this input from most."""
    found = (prediction, nearness, drivers, against, background, flipped, unknown, errors, attention)
    return [finding for finding in (ask(case) for ask in found) if finding is not None]


def numbers(case: DiagnosisInput) -> dict[str, float]:
    """What the sentences are judged by, also where none is said; see `Limits`. What cannot be computed is missing."""
    chances, scores = case.trace.probabilities, case.parts.scores
    total = float(scores.clamp(min=0).sum())
    values = {
        "apart": float(chances[case.trace.prediction.index] - chances[case.rival]),
        "chance": float(chances[case.true]),
        "counterfactual": None if case.counterfactual is None else len(case.counterfactual.parts),
        "outside": _outside(case),
        "agreement": _agreement(case),
    }
    if total:
        values["strongest"] = float(scores.max()) / total
        values["needed"] = _needed(scores) / len(scores)
        values["against"] = max(0.0, -float(scores.min())) / total
    return {name: value for name, value in values.items() if value is not None}


def prediction(case: DiagnosisInput) -> Finding:
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


def nearness(case: DiagnosisInput) -> Finding | None:
    """Whether the answer is a close call, or the true class far off."""
    values = case.numbers
    if values["apart"] < case.limits.close:
        words = f"Borderline: only {values['apart']:.2f} of probability lies between {case.name} and {case.other}."
        return Finding("borderline", words, values["apart"])
    if case.trace.prediction.index == case.true or values["chance"] >= case.limits.unlikely:
        return None
    words = f"The true class was hardly considered: its probability is {values['chance']:.2g}."
    return Finding("not considered", words, values["chance"])


def drivers(case: DiagnosisInput) -> Finding | None:
    """Whether one part carries the answer, or the evidence is spread over many."""
    share, needed = case.numbers.get("strongest"), case.numbers.get("needed")
    if share is None:
        return None
    names, scores = _names(case), case.parts.scores
    if share >= case.limits.carried:
        words = f"One part carries it: {names[int(scores.argmax())]} has {share:.0%} of what speaks for {case.name}"
        return Finding("one part", f"{words} rather than {case.other}.", share)
    if needed < case.limits.spread:
        return None
    words = f"The evidence is spread: {_needed(scores)} of {len(names)} parts make up half of what speaks for"
    strongest = names[int(scores.argmax())]
    return Finding("spread", f"{words} {case.name}; the strongest, {strongest}, has {share:.0%}.", share)


def _needed(scores: Tensor) -> int:
    """How many of the strongest parts make up half of what speaks for the answer."""
    positive = scores.clamp(min=0)
    running = positive.sort(descending=True).values.cumsum(0) / positive.sum()
    return 1 + int((running < HALF).sum())


def against(case: DiagnosisInput) -> Finding | None:
    """What speaks most for the other class."""
    scores = case.parts.scores
    if not case.numbers.get("against", 0.0) >= case.limits.against:
        return None
    lowest, total = float(scores.min()), float(scores.clamp(min=0).sum())
    words = f"{_names(case)[int(scores.argmin())]} speaks most for {case.other}, by {-lowest:.2g}"
    return Finding("against", f"{words}, against {total:.2g} in all for {case.name}.", lowest)


def background(case: DiagnosisInput) -> Finding | None:
    """How much of the evidence lies outside of the object; of a picture without a mask, at the edge.

    With a mask there are three verdicts: the object, the background, neither. Without one, what most pictures show is
    no finding.
    """
    share = case.numbers.get("outside")
    if share is None:
        return None
    area = float((~_inside(case)).float().mean())
    if case.mask is not None:
        driven = "background" if share > area + MARGIN else "object" if share < area - MARGIN else None
        driven = "neither the object nor the background" if driven is None else f"the {driven}"
        where = "background"
    elif case.limits.inner < share < case.limits.outer:
        return None
    else:
        driven = "the middle" if share <= case.limits.inner else "the outer half of the picture"
        where = "outer half of the picture"
    words = f"Driven by {driven}: {share:.0%} of the evidence lies in the {where}, {area:.0%} of the area."
    return Finding("background", words, share)


def _outside(case: DiagnosisInput) -> float | None:
    """The share of the evidence that lies outside."""
    difference = case.explanation["difference"]
    if not isinstance(difference, ImageAttribution):
        return None
    scores = difference.on_image.nan_to_num(0.0).clamp(min=0)
    total = float(scores.sum())
    return float(scores[~_inside(case)].sum()) / total if total else None


def _inside(case: DiagnosisInput) -> Tensor:
    """`[height, width]` of the picture that was given: True on its object, or in its middle."""
    shape = case.explanation["difference"].image.shape[:2]
    return _inner_half(shape) if case.mask is None else _checked(case.mask, shape)


def _checked(mask: Any, shape: tuple[int, int]) -> Tensor:
    mask = np.asarray(mask)
    if mask.shape != tuple(shape) or mask.dtype != bool or not 0 < mask.mean() < 1:
        raise InputError(
            f"mask must be bool {list(shape)}, as the picture that was given, with the object True and the rest False, "
            f"not {mask.dtype} {list(mask.shape)}"
        )
    return torch.from_numpy(mask)


def _inner_half(shape: tuple[int, int]) -> Tensor:
    """`[height, width]`: True in the middle rectangle of half the area."""
    inside = torch.zeros(shape, dtype=torch.bool)
    top, left = (round(size * (1 - HALF**0.5) / 2) for size in shape)
    inside[top : shape[0] - top, left : shape[1] - left] = True
    return inside


def flipped(case: DiagnosisInput) -> Finding:
    """The smallest set of parts without which the answer is another one."""
    if case.counterfactual is None:
        words = f"Nothing flips it: even without all its parts the model says {case.name}."
        return Finding("counterfactual", words, 0.0)
    names = [_names(case)[part] for part in case.counterfactual.parts]
    sure = (
        ", and no smaller set does that"
        if case.counterfactual.minimal
        else ", the smallest set that a search found"
    )
    words = f"Without {', '.join(names)} the model says {case.trace.label(case.counterfactual.index)}"
    return Finding("counterfactual", f"{words}{sure if len(names) > 1 else ''}.", len(names))


def unknown(case: DiagnosisInput) -> Finding | None:
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


def errors(case: DiagnosisInput) -> Finding | None:
    """Whether an attribution did not converge."""
    doubtful = [one for one in case.explanation if one.converged is False]
    if not doubtful:
        return None
    worst = max(max(one.sum_error, one.estimated_error or 0.0) for one in doubtful)
    words = f"Some scores did not converge: their error is {worst:.0%}, see explanation.table."
    return Finding("error", words, worst)


def attention(case: DiagnosisInput) -> Finding | None:
    """Whether the attention's relevance ranks the parts otherwise than the gradients."""
    correlation = case.numbers.get("agreement")
    if correlation is None or not correlation < case.limits.agree:
        return None
    words = (
        f"Attention and gradients disagree on what speaks for {case.name}: their rank correlation over the parts is "
        f"{correlation:.2f}."
    )
    return Finding("attention", words, correlation)


def _agreement(case: DiagnosisInput) -> float | None:
    """Of what speaks for the answer: relevance has no negative scores, so those of the gradients count as 0."""
    names = case.explanation.names
    followed = [name for name in names if name.startswith("attention for ")]
    if not followed:
        return None
    both = [_by_part(case, case.explanation[name]).clamp(min=0) for name in (names[0], followed[0])]
    correlation = spearman(*both)
    return None if math.isnan(correlation) else correlation


def _by_part(case: DiagnosisInput, attribution: Attribution) -> Tensor:
    """Scores `[part]` of an attribution that has those of `case.parts`, or their pixels."""
    if isinstance(attribution, ImageAttribution):
        return attribution.pooled(*case.parts.perturbation.grid).flatten().double().cpu()
    return ordinary_scores(attribution)


def _names(case: DiagnosisInput) -> list[str]:
    """The parts as a sentence names them; a word that occurs several times by which of them it is."""
    parts = case.parts.perturbation.parts
    if not isinstance(case.explanation["difference"], TextAttribution):
        return [f"cell ({part.replace(',', ', ')})" for part in parts]
    words, seen = [repr(str(part)) for part in parts], Counter()
    found = []
    for word in words:
        seen[word] += 1
        found.append(f"{word} ({seen[word]} of {words.count(word)})" if words.count(word) > 1 else word)
    return found
