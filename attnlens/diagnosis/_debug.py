"""Why did the model say this? A report on one input: what it answered, what drove it, and what would change it."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from .._checks import listed
from ..attribution._compare_methods import Explanation
from ..attribution._options import whole
from ..attribution._result import Attribution, as_json
from ..attribution.image._forward import PixelForward
from ..attribution.image._geometry import Picture
from ..data._trace import Trace
from ..errors import CaptureError, InputError
from ..evaluation._perturbation import parts_of
from ..models import _tasks
from ..models._forward import evaluating
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
    **options: Any,
) -> Diagnosis:
    """A report on one input whose true class is known: is the answer right, what drove it, what would change it?

    true_label: class name or index.
    mask: for an image, bool `[height, width]` of the picture that was given, True on the object: what is outside is
        the background. Without it the outer half of the picture stands for the background.
    most: inputs after which the search for a flip begins to end; by default a few thousand, and of a large model on a
        CPU as many as it runs in some minutes.
    options: for `lens.attribute`, such as method, baseline, tolerance.

    Texts are explained by words; a word is removed by cutting it out, a cell of an image by blurring it, so
    that integrated gradients begin at the blurred image unless told otherwise. Cells are the model's patches, or
    squares of several where there are more than a hundred.

    Raises InputError for a label that the model does not have, for a regression and for a model that gives no single
    answer.

    >>> print(al.debug(lens, "a gripping , funny film with one dull stretch .", "positive"))
    """
    if listed(input) is not None:
        raise InputError(
            "debug() takes one input; debug them one by one: [al.debug(lens, x, y) for x, y in ...]"
        )
    if most is not None:
        whole("most", most)
    true = lens.target_index(true_label)
    text = hasattr(lens, "tokenizer")
    if text and mask is not None:
        raise InputError("mask= is of an image, where its object is; a text has none: omit it")
    # From the baseline that also removes: scores from black say little about a picture that is blurred.
    usual = {"level": "word"} if text else {} if "method" in options else {"baseline": "blur"}
    chosen = {**usual, **options}
    trace = _traced(lens, input)
    if not true < len(trace.logits):
        raise InputError(f"true_label {true_label!r} is no class: the model has {len(trace.logits)}")
    rival, predicted = _rival(trace, true), trace.prediction.index
    found = {
        f"for {trace.label(predicted)}": lens.attribute(input, predicted, **chosen),
        f"for {trace.label(rival)}": lens.attribute(input, rival, **chosen),
        "difference": lens.attribute(input, predicted, against=rival, **chosen),
        **_relevances(lens, input, trace, (predicted, rival)),
    }
    grid = None if text else _cells(Picture.of(lens, input).grid)
    parts = parts_of(lens, [found["difference"]], "delete" if text else "blur", grid)[0]
    most = _affordable(lens, trace) if most is None else most
    counterfactual = smallest_counterfactual(parts.perturbation, predicted, parts.scores, most=most)
    explanation = Explanation(tuple(found), tuple(found.values()))
    case = DiagnosisInput(lens, trace, true, rival, explanation, parts, counterfactual, mask)
    return Diagnosis(
        trace, true, rival, explanation, counterfactual, tuple(findings(case)), grid, case.numbers
    )


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


def _traced(lens: ModelWithProcessor, input: Any) -> Trace:
    """The trace of the input; of a model without attention, its answer alone."""
    try:
        trace = lens.trace(input)
    except CaptureError:
        if hasattr(lens, "tokenizer"):
            raise
        pixels = Picture.of(lens, input).pixels[None]
        with torch.no_grad(), evaluating(lens.model):
            logits = _tasks.finite(PixelForward(lens).logits(pixels)[0].cpu())
        trace = Trace((), lens.name, logits=logits, labels=lens.labels, activation=lens.activation)
    if not isinstance(trace, Trace) or trace.probabilities is None:
        raise InputError(f"debug() is for classifiers; {lens.name} gives no probabilities of classes")
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
