"""Findings of a diagnosis: each is one sentence, derived from a number that it states."""

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
    """Limits beyond which a number becomes a finding.

    They were chosen on one part of a data set, with equal numbers of hits and errors, so that each finding applies to
    at most about a fifth of the inputs; the guide has the rates on another part. Two are fixed by definition:
    `carried` is half of the evidence, and `outer` exceeds the area of the outer half.

    close: upper limit of the difference between two probabilities for a borderline prediction
    unlikely: upper limit of the probability of a true class that was hardly considered
    carried: lower limit of the share of the evidence of one part that carries the prediction
    spread: lower limit of the share of the parts that make up half of the evidence, for spread evidence
    against: lower limit of the strongest score against the prediction, relative to the sum of all scores for it
    inner, outer: share of the evidence in the outer half of a picture, up to which the middle drives the prediction,
        and from which on the outer half does
    agree: upper limit of the rank correlation for a disagreement of attention and gradients
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
"""The difference between a region's share of the evidence and its share of the area from which on the region, object or
background, drives the prediction."""


@dataclass(frozen=True)
class Finding:
    """One sentence of a diagnosis with the number that it is derived from.

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
    """The results for one input that findings are derived from; see `Diagnosis`.

    parts: scores per part of the difference between the predicted class and its rival
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
        """The limits for texts or for images."""
        return TEXT if isinstance(self.explanation["difference"], TextAttribution) else IMAGE

    @property
    def name(self) -> str:
        """The predicted class."""
        return self.trace.prediction.label

    @property
    def other(self) -> str:
        """The class that the predicted one is compared with."""
        return self.trace.label(self.rival)


def findings(case: DiagnosisInput) -> list[Finding]:
    """The findings of one input, most important first. Prediction and counterfactual are always reported, the others
    where a number is beyond its limit."""
    rules = (prediction, nearness, drivers, against, background, flipped, unknown, errors, attention)
    return [finding for finding in (rule(case) for rule in rules) if finding is not None]


def numbers(case: DiagnosisInput) -> dict[str, float]:
    """The numbers that findings are derived from, reported or not; see `Limits`. Undefined numbers are missing."""
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
    """Whether the prediction is right, and the rank of the true class."""
    trace, prediction = case.trace, case.trace.prediction
    if prediction.index == case.true:
        return Finding("answer", f"Right: {prediction} is the true class.", prediction.probability)
    rank = 1 + int((trace.logits > trace.logits[case.true]).sum())
    chance = float(trace.probabilities[case.true])
    return Finding(
        "answer",
        f"Wrong: the model predicts {prediction}; the true class {trace.label(case.true)} is number {rank} of "
        f"{len(trace.logits)} with a probability of {chance:.2g}.",
        chance,
    )


def nearness(case: DiagnosisInput) -> Finding | None:
    """Whether two classes are nearly equally probable, or the true class is improbable."""
    values = case.numbers
    if values["apart"] < case.limits.close:
        words = f"Borderline: the probabilities of {case.name} and {case.other} differ by only {values['apart']:.2f}."
        return Finding("borderline", words, values["apart"])
    if case.trace.prediction.index == case.true or values["chance"] >= case.limits.unlikely:
        return None
    words = f"The true class was hardly considered: its probability is {values['chance']:.2g}."
    return Finding("not considered", words, values["chance"])


def drivers(case: DiagnosisInput) -> Finding | None:
    """Whether one part carries the prediction, or the evidence is spread over many parts."""
    share, needed = case.numbers.get("strongest"), case.numbers.get("needed")
    if share is None:
        return None
    names, scores = _names(case), case.parts.scores
    if share >= case.limits.carried:
        words = (
            f"One part carries the prediction: {names[int(scores.argmax())]} has {share:.0%} of the evidence"
        )
        return Finding("one part", f"{words} for {case.name} rather than {case.other}.", share)
    if needed < case.limits.spread:
        return None
    words = (
        f"The evidence is spread: {_needed(scores)} of {len(names)} parts make up half of the evidence for"
    )
    strongest = names[int(scores.argmax())]
    return Finding("spread", f"{words} {case.name}; the strongest, {strongest}, has {share:.0%}.", share)


def _needed(scores: Tensor) -> int:
    """Number of the strongest parts that make up half of the evidence for the prediction."""
    positive = scores.clamp(min=0)
    running = positive.sort(descending=True).values.cumsum(0) / positive.sum()
    return 1 + int((running < HALF).sum())


def against(case: DiagnosisInput) -> Finding | None:
    """The part with the strongest evidence for the other class."""
    scores = case.parts.scores
    if not case.numbers.get("against", 0.0) >= case.limits.against:
        return None
    lowest, total = float(scores.min()), float(scores.clamp(min=0).sum())
    words = (
        f"The strongest evidence for {case.other} is {_names(case)[int(scores.argmin())]} with {-lowest:.2g}"
    )
    return Finding("against", f"{words}, against {total:.2g} in all for {case.name}.", lowest)


def background(case: DiagnosisInput) -> Finding | None:
    """The share of the evidence outside the object; without a mask, in the outer half of the picture.

    With a mask there are three verdicts: object, background, neither. Without one, a share between the limits, as of
    most pictures, is not a finding.
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
    """The share of the evidence outside the object, or in the outer half of the picture."""
    difference = case.explanation["difference"]
    if not isinstance(difference, ImageAttribution):
        return None
    scores = difference.on_image.nan_to_num(0.0).clamp(min=0)
    total = float(scores.sum())
    return float(scores[~_inside(case)].sum()) / total if total else None


def _inside(case: DiagnosisInput) -> Tensor:
    """bool `[height, width]` of the original picture: True on its object, or in its middle."""
    shape = case.explanation["difference"].image.shape[:2]
    return _inner_half(shape) if case.mask is None else checked_mask(case.mask, shape)


def checked_mask(mask: Any, shape: tuple[int, int]) -> Tensor:
    """An object's mask as a tensor. Raises InputError for another shape or dtype, and for one of equal values."""
    mask = np.asarray(mask)
    if mask.shape != tuple(shape) or mask.dtype != bool or not 0 < mask.mean() < 1:
        raise InputError(
            f"mask must be bool {list(shape)}, the size of the original picture, with True on the object and False on "
            f"the rest, not {mask.dtype} {list(mask.shape)}"
        )
    return torch.from_numpy(mask)


def _inner_half(shape: tuple[int, int]) -> Tensor:
    """bool `[height, width]`: True in the central rectangle of half the area."""
    inside = torch.zeros(shape, dtype=torch.bool)
    top, left = (round(size * (1 - HALF**0.5) / 2) for size in shape)
    inside[top : shape[0] - top, left : shape[1] - left] = True
    return inside


def flipped(case: DiagnosisInput) -> Finding:
    """The smallest set of parts whose removal changes the prediction."""
    if case.counterfactual is None:
        words = f"No removal changes the prediction: even without all parts the model predicts {case.name}."
        return Finding("counterfactual", words, 0.0)
    names = [_names(case)[part] for part in case.counterfactual.parts]
    sure = (
        ", and no smaller set changes the prediction"
        if case.counterfactual.minimal
        else "; the search found no smaller set"
    )
    words = f"Without {', '.join(names)} the model predicts {case.trace.label(case.counterfactual.index)}"
    return Finding("counterfactual", f"{words}{sure if len(names) > 1 else ''}.", len(names))


def unknown(case: DiagnosisInput) -> Finding | None:
    """Words outside the tokenizer's vocabulary, which become the unknown token."""
    id = getattr(getattr(case.lens, "tokenizer", None), "unk_token_id", None)
    tokens = [token for token in case.trace.tokens if id is not None and token.id == id and not token.special]
    if not tokens:
        return None
    words = ", ".join(repr(_source(case.trace, token)) for token in tokens)
    return Finding("unknown words", f"Not in the tokenizer's vocabulary: {words}.", len(tokens))


def _source(trace: Trace, token: Token) -> str:
    """The text that a token covers."""
    return token.text if token.start is None else trace.text[token.segment][token.start : token.end]


def errors(case: DiagnosisInput) -> Finding | None:
    """Whether an attribution did not converge."""
    doubtful = [attribution for attribution in case.explanation if attribution.converged is False]
    if not doubtful:
        return None
    worst = max(max(scores.sum_error, scores.estimated_error or 0.0) for scores in doubtful)
    words = f"Some attributions did not converge: their error is up to {worst:.0%}, see explanation.table."
    return Finding("error", words, worst)


def attention(case: DiagnosisInput) -> Finding | None:
    """Whether attention (by relevance) and gradients rank the parts differently."""
    correlation = case.numbers.get("agreement")
    if correlation is None or not correlation < case.limits.agree:
        return None
    words = (
        f"Attention and gradients disagree on the evidence for {case.name}: their rank correlation over the parts is "
        f"{correlation:.2f}."
    )
    return Finding("attention", words, correlation)


def _agreement(case: DiagnosisInput) -> float | None:
    """Rank correlation of the positive scores: relevance has no negative ones, so those of the gradients count as 0."""
    names = case.explanation.names
    relevances = [name for name in names if name.startswith("attention for ")]
    if not relevances:
        return None
    both = [_by_part(case, case.explanation[name]).clamp(min=0) for name in (names[0], relevances[0])]
    correlation = spearman(*both)
    return None if math.isnan(correlation) else correlation


def _by_part(case: DiagnosisInput, attribution: Attribution) -> Tensor:
    """Scores `[part]` of an attribution over the parts of `case.parts`, or over their pixels."""
    if isinstance(attribution, ImageAttribution):
        return attribution.pooled(*case.parts.perturbation.grid).flatten().double().cpu()
    return ordinary_scores(attribution)


def _names(case: DiagnosisInput) -> list[str]:
    """Names of the parts in sentences; repeated words are numbered."""
    parts = case.parts.perturbation.parts
    if not isinstance(case.explanation["difference"], TextAttribution):
        return [f"cell ({part.replace(',', ', ')})" for part in parts]
    words, seen = [repr(str(part)) for part in parts], Counter()
    names = []
    for word in words:
        seen[word] += 1
        names.append(f"{word} ({seen[word]} of {words.count(word)})" if words.count(word) > 1 else word)
    return names
