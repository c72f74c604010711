"""Why did the model say this? A report on one input: what it answered, what drove it, and what would change it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from .._checks import integer, listed, token
from ..attribution._compare_methods import Explanation
from ..attribution._result import Attribution, as_json
from ..attribution._target import Target, TargetRequest
from ..attribution.image._forward import PixelForward
from ..attribution.image._geometry import Picture
from ..attribution.text._explain import answer_position
from ..attribution.text._forward import EmbeddingForward
from ..data._trace import Trace
from ..errors import CaptureError, InputError
from ..evaluation._perturbation import parts_of
from ..models import _tasks
from ..models._forward import evaluating, gradient_mode
from ._counterfactual import MOST, Counterfactual, smallest_counterfactual
from ._findings import DiagnosisInput, Finding, findings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from ..models._protocols import ModelWithProcessor

SHOWN = 5
"""Classes in the table; the true one is there in any case."""

MOST_CELLS = 100
"""Parts of an image; of a model with more patches each part is a square of several."""

TARGETED = ("position", "output", "unit")
"""Options of `lens.attribute` that its targets hold."""

WORK = 1e13
"""Multiplications after which a search on a CPU ends: some two to three minutes of it."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `debug` found out about one input.

    trace: the model's answer to the input (`trace.logits`, `trace.prediction`) and its attention
    true, rival: class indices: the true one, and the one that the predicted class is compared with: the true class,
        or, where the model is right, the runner-up
    explanation: attributions of the predicted class, of its rival, of the difference between the two, and, where the
        model has attention, the relevance for both
    counterfactual: the smallest set of parts without which another class is predicted; None where there is none
    findings: sentences that follow from these numbers, most important first; each is said only where it is true of
        this input and false of most, but for the answer and what flips it
    grid: rows and columns of the cells of an image that flip and findings speak of; None of a text
    numbers: what the findings are judged by, also where they say nothing: see `attnlens.diagnosis.Limits`
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
        """The place of the true class by its logit, 1 for the predicted one."""
        return 1 + int((self.trace.logits > self.trace.logits[self.true]).sum())

    @property
    def probability(self) -> float:
        """Of the true class."""
        return float(self.trace.probabilities[self.true])

    @property
    def top(self) -> pd.DataFrame:
        """rank, label, logit, probability and whether it is the true class: the first five, and the true one."""
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
        """The attributions side by side: for the predicted class, its rival, and the difference; then attention."""
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
        """`to_dict` as JSON text, null where a number is not finite; options are those of `json.dumps`."""
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
        items = "".join(f"<li>{html.escape(finding.text)}</li>" for finding in self.findings)
        head = f"{self.trace.prediction}, true: {self.trace.label(self.true)}"
        table = self.top.to_html(index=False, float_format="{:.3f}".format, border=0)
        return f"<h3>{html.escape(head)}</h3><ul>{items}</ul>{table}{self.explanation._repr_html_()}"


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
    """A report on one input whose true class is known: is the answer right, what drove it, what would change it?

    true_label: class name or index; for a language model the token, for question answering the token of the text at
        which the answer starts, by its text or number.
    mask: for an image, bool `[height, width]` of the picture that was given, True on the object: what is outside is
        the background. Without it the outer half of the picture stands for the background.
    most: inputs after which the search for a flip begins to end; by default a few thousand, and of a large model on a
        CPU as many as it runs in some minutes.
    side: of question answering, "start" (the default) or "end" of the answer.
    options: for `lens.attribute`, such as method, baseline, tolerance; position, which token classification needs.

    Texts are explained by words; a word is removed by cutting it out, or by padding where the model predicts for the
    tokens of the text itself; a cell of an image by blurring it, so that integrated gradients begin at the blurred
    image unless told otherwise. Cells are the model's patches, or
    squares of several where there are more than a hundred.

    Raises InputError for a label that the model does not have, for a regression and for a model without a head.

    >>> print(al.debug(lens, "a gripping , funny film with one dull stretch .", "positive"))
    """
    if listed(input) is not None:
        raise InputError(
            "debug() takes one input; debug them one by one: [al.debug(lens, x, y) for x, y in ...]"
        )
    if most is not None:
        most = integer("most", most, least=1)
    text = hasattr(lens, "tokenizer")
    if text and mask is not None:
        raise InputError("mask= is of an image, where its object is; a text has none: omit it")
    trace, place = _asked(lens, input, side, options) if text else (_traced(lens, input), {})
    true = _true_class(lens, trace, true_label, place)
    rival, predicted = _rival(trace, true), trace.prediction.index
    # Asked from the baseline that also removes: scores from black say little about a picture that is blurred.
    usual = {"level": "word"} if text else {} if "method" in options else {"baseline": "blur"}
    chosen = {name: value for name, value in {**usual, **options}.items() if name not in TARGETED}

    def target(index: int, other: int | None = None) -> Target:
        against = None if other is None else trace.label(other)
        return Target(trace.label(index), index, against, other, options.get("unit", "logit"), **place)

    attributions = {
        f"for {trace.label(predicted)}": lens.attribute(input, target(predicted), **chosen),
        f"for {trace.label(rival)}": lens.attribute(input, target(rival), **chosen),
        "difference": lens.attribute(input, target(predicted, rival), **chosen),
        **_relevances(lens, input, trace, (predicted, rival)),
    }
    grid = None if text else _cells(Picture.of(lens, input).grid)
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
    """The trace with the logits `[class]` of the prediction that is asked about; and which one that is, as a `Target`
    has it."""
    position, output = options.get("position"), options.get("output")
    if side is not None and lens.task != "question":
        raise InputError(
            f"side= is of question answering, and {lens.name} does not answer questions; omit it"
        )
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
    if not true < len(trace.logits):
        raise InputError(f"true_label {true_label!r} is no class: the model has {len(trace.logits)}")
    return true


def _cells(patches: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the parts of an image with so many patches."""
    side = 1
    while math.prod(-(-count // side) for count in patches) > MOST_CELLS:
        side += 1
    return tuple(-(-count // side) for count in patches)


def _affordable(lens: ModelWithProcessor, trace: Trace) -> int:
    """Inputs that a search may run; on a CPU each costs about a multiplication per parameter and position."""
    if lens.device.type != "cpu":
        return MOST
    parameters = sum(parameter.numel() for parameter in lens.model.parameters())
    return min(MOST, max(1, int(WORK // (parameters * max(1, len(trace.tokens))))))


def _traced(lens: ModelWithProcessor, input: Any, output: str | None = None) -> Trace:
    """The trace of the input; of a model without attention, its prediction alone."""
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
        raise InputError(f"debug() explains a class, and {lens.name} gives no probabilities of classes")
    return trace


def _relevances(
    lens: ModelWithProcessor, input: Any, trace: Trace, classes: tuple[int, int]
) -> dict[str, Attribution]:
    """Where attention can be followed: what of it spoke for each class."""
    level = {"level": "word"} if hasattr(lens, "tokenizer") else {}
    if not trace.layers:
        return {}
    try:
        taken = [lens.attribute(input, index, method="relevance", **level) for index in classes]
    except InputError:  # windows, cross attention: the attribution stands without
        return {}
    return {f"attention for {trace.label(index)}": one for index, one in zip(classes, taken)}


def _rival(trace: Trace, true: int) -> int:
    """The true class, or the runner-up where the model is right."""
    first, *rest = trace.logits.argsort(descending=True, stable=True).tolist()
    if not rest:
        raise InputError("debug() compares classes; the model has one")
    return true if true != first else rest[0]
