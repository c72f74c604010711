"""A report on one prediction: the classes, attributions of the predicted class, and what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from .._checks import integer, listed, token
from .._escaping import shown
from ..attribution._compare_methods import Explanation
from ..attribution._result import Attribution, as_json, gap_of
from ..attribution._target import Target, TargetRequest
from ..attribution.image._forward import PixelForward
from ..attribution.image._geometry import Picture
from ..attribution.text._explain import answer_position, merged
from ..attribution.text._forward import EmbeddingForward
from ..attribution.text._merging import known_level
from ..data._trace import Trace
from ..errors import CaptureError, InputError
from ..evaluation._perturbation import parts_of
from ..models import _classes, _tasks
from ..models._forward import evaluating, gradient_mode
from ._counterfactual import MOST, Counterfactual, smallest_counterfactual
from ._findings import DiagnosisInput, Finding, checked_mask, findings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from ..models._protocols import ModelWithProcessor

SHOWN = 5
"""Number of classes in the table, which always includes the true class."""

MOST_CELLS = 100
"""Maximum number of parts of an image; with more patches, each part is a square of several patches."""

TARGETED = ("position", "output", "unit")
"""Options of `lens.attribute` that its targets hold."""

WORK = 1e13
"""Number of multiplications after which a search on a CPU ends: two to three minutes."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The result of `debug` for one input.

    trace: the logits and the prediction (`trace.logits`, `trace.prediction`), and the attention
    true, rival: class indices of the true class, and of the class that the predicted one is compared with: the true
        class, or the runner-up where the prediction is right
    explanation: attributions of the predicted class, of its rival and of their difference; for models with attention
        also the relevance for both
    counterfactual: the smallest set of parts whose removal changes the predicted class; None where there is none
    findings: sentences derived from these numbers, most important first. The prediction and the counterfactual are
        always reported, the others only where a number is beyond a limit that most inputs stay within.
    grid: rows and columns of the cells of an image, which are its parts; None for a text
    numbers: the numbers that the findings are derived from, also of findings that are not reported; see
        `attnlens.diagnosis.Limits`
    """

    trace: Trace
    true: int
    rival: int
    explanation: Explanation
    counterfactual: Counterfactual | None
    findings: tuple[Finding, ...]
    grid: tuple[int, int] | None = None
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.trace.prediction.index == self.true

    @cached_property
    def rank(self) -> int:
        """The rank of the true class by logit; 1 is the predicted class."""
        return 1 + int((self.trace.logits > self.trace.logits[self.true]).sum())

    @property
    def probability(self) -> float:
        """The probability of the true class."""
        return float(self.trace.probabilities[self.true])

    @property
    def top(self) -> pd.DataFrame:
        """rank, label, logit, probability and `true` of the five most probable classes and of the true class."""
        import pandas as pd

        order = self.trace.logits.argsort(descending=True, stable=True).tolist()
        shown = order[:SHOWN] + [index for index in order[SHOWN:] if index == self.true]
        rows = [
            {
                "rank": order.index(index) + 1,
                "label": self.trace.label(index),
                "logit": float(self.trace.logits[index]),
                "probability": float(self.trace.probabilities[index]),
                "true": index == self.true,
            }
            for index in shown
        ]
        return pd.DataFrame(rows)

    def plot(self, **options: Any) -> Figure:
        """Draws the attributions side by side: the predicted class, its rival, their difference, and relevance."""
        return self.explanation.plot(**options)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        counterfactual = self.counterfactual and {
            "parts": list(self.counterfactual.names),
            "prediction": self.trace.label(self.counterfactual.index),
            "minimal": self.counterfactual.minimal,
            "tried": self.counterfactual.tried,
        }
        return {
            "model": self.trace.model,
            "prediction": self.trace.prediction.label,
            "true": self.trace.label(self.true),
            "correct": self.correct,
            "rank": self.rank,
            "probability": self.probability,
            "top": self.top.to_dict("records"),
            "findings": [vars(finding) for finding in self.findings],
            "numbers": self.numbers,
            "counterfactual": counterfactual,
            "attributions": self.explanation.to_dict(),
        }

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON text, with null for numbers that are not finite; options are those of `json.dumps`."""
        return as_json(self.to_dict(), **options)

    def __repr__(self) -> str:
        lines = [
            f"Diagnosis of {self.trace.model}: {self.trace.prediction}, true {self.trace.label(self.true)}"
        ]
        lines += [f"  - {finding}" for finding in self.findings]
        return "\n".join(
            [*lines, "  diagnosis.top, diagnosis.explanation, diagnosis.counterfactual, diagnosis.plot()"]
        )

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{shown(finding.text)}</li>" for finding in self.findings)
        head = f"{self.trace.prediction}, true: {self.trace.label(self.true)}"
        table = self.top.to_html(index=False, float_format="{:.3f}".format, border=0)
        return f"<h3>{shown(head, 400)}</h3><ul>{items}</ul>{table}{self.explanation._repr_html_()}"


def debug(
    lens: ModelWithProcessor,
    input: Any,
    true_label: str | int,
    *,
    mask: np.ndarray | None = None,
    most: int | None = None,
    side: str | None = None,
    **options: Any,
) -> Diagnosis:
    """Explains the prediction for one input whose true class is known, and searches for what would change it.

    true_label: class name or index; for a language model the token; for question answering the token at which the
        answer starts, by its text or number.
    mask: for an image, bool `[height, width]` in the size of the original picture, True on the object and False on the
        background. By default the outer half of the picture counts as the background.
    most: number of inputs after which the search for a counterfactual ends; by default 4,000, and for a large model on
        a CPU as many as it runs in a few minutes.
    side: for question answering, "start" (the default) or "end" of the answer.
    options: options of `lens.attribute`, such as method, baseline and tolerance; position is required for token
        classification.

    Parts of a text are words. They are removed by deletion, or replaced by padding where the model predicts at tokens
    of the text. Parts of an image are cells: the model's patches, or squares of several where there are more than a
    hundred. They are removed by blurring, and the default baseline of integrated gradients is the blurred image.

    Raises InputError for a label that the model does not have, for a regression and for a model without a head.

    >>> print(al.debug(lens, "a gripping , funny film with one dull stretch .", "positive"))
    """
    if listed(input) is not None:
        raise InputError(
            "debug() takes one input, not a list; debug them one by one: [al.debug(lens, x, y) for x, y in ...]"
        )
    if most is not None:
        most = integer("most", most, least=1)
    text = hasattr(lens, "tokenizer")
    if text and mask is not None:
        raise InputError("mask= is for images, and the input is a text; omit it")
    picture = None if text else Picture.of(lens, input)
    if mask is not None:
        checked_mask(mask, picture.size[::-1])
    trace, place = _asked(lens, input, side, options) if text else (_traced(lens, input), {})
    true = _true_class(lens, trace, true_label, place)
    rival, predicted = _rival(trace, true), trace.prediction.index
    # The baseline is also what removed cells become: scores from black do not predict the effect of blurring.
    usual = {} if text or "method" in options else {"baseline": "blur"}
    apart = (*TARGETED, "level") if text else TARGETED  # tokens are merged when the difference is known
    chosen = {name: value for name, value in {**usual, **options}.items() if name not in apart}
    level = options.get("level", "word")
    known_level(level)

    def target(index: int, other: int | None = None) -> Target:
        against = None if other is None else trace.label(other)
        return Target(trace.label(index), index, against, other, options.get("unit", "logit"), **place)

    first, second = (lens.attribute(input, target(index), **chosen) for index in (predicted, rival))
    both = target(predicted, rival)
    difference = _difference(first, second, both) or lens.attribute(input, both, **chosen)
    of_classes = (
        [merged(one, level) for one in (first, second, difference)] if text else [first, second, difference]
    )
    attributions = {
        **dict(zip((f"for {trace.label(predicted)}", f"for {trace.label(rival)}", "difference"), of_classes)),
        **_relevances(lens, input, trace, [replace(target(i), unit="logit") for i in (predicted, rival)]),
    }
    grid = None if text else _cells(picture.grid)
    by = "blur" if not text else "pad" if lens.task in ("question", "token") else "delete"
    parts = parts_of(lens, [attributions["difference"]], by, grid)[0]
    most = _affordable(lens, trace) if most is None else most
    counterfactual = smallest_counterfactual(parts.perturbation, predicted, parts.scores, most=most)
    explanation = Explanation(tuple(attributions), tuple(attributions.values()))
    case = DiagnosisInput(lens, trace, true, rival, explanation, parts, counterfactual, mask)
    return Diagnosis(
        trace, true, rival, explanation, counterfactual, tuple(findings(case)), grid, case.numbers
    )


def _asked(
    lens: ModelWithProcessor, input: Any, side: str | None, options: dict[str, Any]
) -> tuple[Trace, dict[str, Any]]:
    """The trace with the logits `[class]` of the prediction that is explained, and the fields of `Target` that specify
    it."""
    position, output = options.get("position"), options.get("output")
    if side is not None and lens.task != "question":
        raise InputError(f"side= is for question answering, and {lens.name} has no head for it; omit it")
    trace = _traced(lens, input, output=output)
    if position is None and lens.task not in ("question", "token"):
        return trace, {"output": output}
    encoded = lens.encode(input, output)
    request = TargetRequest.of(side, position=position, output=output)
    places, names = None, trace.labels
    if lens.task == "question":
        names = tuple(token.text for token in encoded.tokens)
        place = {"side": request.answer_side, "output": output}
    else:
        places = [answer_position(lens, encoded, request)]
        place = {"position": places[0], "output": output}
    with gradient_mode(lens.model), torch.no_grad():
        logits = EmbeddingForward(lens, [encoded], places, place.get("side")).end_logits[0].cpu()
    return replace(trace, logits=_tasks.finite(logits), labels=names), place


def _true_class(lens: ModelWithProcessor, trace: Trace, true_label: Any, place: dict[str, Any]) -> int:
    if place.get("side") is not None:
        return token("true_label", true_label, trace.tokens)
    true = lens.target_index(true_label)
    _classes.check_index(true, true_label, len(trace.logits), "true_label")
    return true


def _cells(patches: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the cells of an image: the patches, or squares of them up to `MOST_CELLS` cells."""
    side = 1
    while math.prod(-(-count // side) for count in patches) > MOST_CELLS:
        side += 1
    return tuple(-(-count // side) for count in patches)


def _affordable(lens: ModelWithProcessor, trace: Trace) -> int:
    """Number of inputs that a search may run; on a CPU each costs about one multiplication per parameter and token."""
    if lens.device.type != "cpu":
        return MOST
    parameters = sum(parameter.numel() for parameter in lens.model.parameters())
    return min(MOST, max(1, int(WORK // (parameters * max(1, len(trace.tokens))))))


def _traced(lens: ModelWithProcessor, input: Any, output: str | None = None) -> Trace:
    """The trace of the input; for a model without attention, a trace with the prediction alone."""
    try:
        trace = lens.trace(input) if output is None else lens.trace(input, output=output)
    except CaptureError:
        if hasattr(lens, "tokenizer"):
            raise
        pixels = Picture.of(lens, input).pixels[None]
        with torch.no_grad(), evaluating(lens.model):
            logits = _tasks.finite(PixelForward(lens).logits(pixels)[0].cpu())
        trace = Trace((), lens.name, logits=logits, labels=lens.labels, activation=lens.activation)
    if not isinstance(trace, Trace) or trace.logits is None or trace.activation == "none":
        raise InputError(
            f"debug() explains a class, and {lens.name} returns no probabilities of classes; use a classifier, or "
            "lens.attribute(input) for a regression"
        )
    return trace


def _difference(first: Attribution, second: Attribution, target: Target) -> Attribution | None:
    """The attribution of the difference of two classes from theirs, since integrals are linear in F; None where its
    error, at most the sum of both, could be beyond the tolerance, or is not known.
    """
    parts = (first, second)
    if any(
        part.tolerance is None or part.samples is not None or part.estimated_error is None for part in parts
    ):
        return None
    scores, change = first.scores - second.scores, first.change - second.change
    errors = sum(part.estimated_error * float(part.scores.abs().sum()) for part in parts)
    size = float(scores.abs().sum())
    difference = replace(
        first, scores=scores, target=target, value=first.value - second.value, change=change,
        gap=gap_of(float(scores.double().sum()), change), estimated_error=errors / size if size else math.inf,
        steps=first.steps + second.steps,
    )  # fmt: skip
    return difference if difference.complete and difference.converged else None


def _relevances(
    lens: ModelWithProcessor, input: Any, trace: Trace, targets: list[Target]
) -> dict[str, Attribution]:
    """The relevance for each target, where the method applies to the model and the position."""
    level = {"level": "word"} if hasattr(lens, "tokenizer") else {}
    if not trace.layers:
        return {}
    try:
        relevances = [lens.attribute(input, target, method="relevance", **level) for target in targets]
    except InputError:  # windows, cross-attention or another position: the report omits relevance
        return {}
    return {f"attention for {target.label}": scores for target, scores in zip(targets, relevances)}


def _rival(trace: Trace, true: int) -> int:
    """The true class, or the runner-up where the prediction is right."""
    first, *rest = trace.logits.argsort(descending=True, stable=True).tolist()
    if not rest:
        raise InputError("debug() compares classes, and the model has one; use lens.attribute(input)")
    return true if true != first else rest[0]
