"""From a model's logits to what it predicts: the likeliest class, its probability, and the classes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from .._checks import values_of
from ..data._trace import Prediction, Trace
from ..errors import InputError
from . import _tasks


def prediction(logits: Tensor, labels: tuple[str, ...], activation: str, top_k: int) -> Prediction:
    """The answer that logits `[class]` hold, as `Trace.prediction` has it, with the `top_k` likeliest classes."""
    if bool(logits.isnan().any()):
        raise InputError("the model's logits are NaN: look for NaN in its weights, or run it in float32")
    trace = Trace((), logits=logits.cpu(), labels=labels, activation=activation)
    likely = trace.probabilities
    if likely is None:
        return trace.prediction
    order = trace.logits.argsort(descending=True, stable=True)[:top_k].tolist()
    top = tuple(Prediction(trace.label(i), i, float(likely[i])) for i in order)
    return replace(trace.prediction, top=top)


def span(logits: Tensor, words: Callable[[int, int], str]) -> Prediction:
    """The answer to a question by logits `[start or end, token]`: index and probability are those of its start.

    words: the text from one token up to another
    """
    first, last = (int(row.argmax()) for row in logits)
    shown = words(first, last + 1) if first <= last else "no answer"
    return Prediction(shown, first, float(logits[0].float().softmax(-1)[first]))


def none(model: nn.Module) -> InputError:
    """The error for a model, or an input, without class logits."""
    return InputError(
        f"{type(model).__name__} gives no class logits for this input: it has no head (…ForSequenceClassification, "
        "…ForImageClassification, …ForCausalLM), or there is no mask in the text to answer at"
    )


# -- names of classes -----------------------------------------------------------------------------------------


def labels_of(given: Any, model: nn.Module) -> tuple[str, ...]:
    """Class names that a user gave, checked against what the model's configuration says.

    given: names in the order of the logits, or {index: name}
    """
    if isinstance(given, dict):
        if sorted(given, key=str) != sorted(range(len(given)), key=str):
            raise InputError(
                f"labels={{index: name}} must name the classes 0, 1, ... without a gap, not {given!r}"
            )
        given = [given[i] for i in range(len(given))]
    names = None if isinstance(given, str) else values_of(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"labels must be a list of class names in the order of the logits, not {given!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"labels names two classes {twice!r}; give each its own name")
    task = _tasks.of(model)
    if task in (*_tasks.LANGUAGE, "question"):
        raise InputError(
            f"labels names classes, and those of {type(model).__name__} are tokens; omit labels="
        )
    count = _tasks.config_of(model, "num_labels")
    if task is not None and isinstance(count, int):
        check_count(tuple(names), count, model)
    return tuple(map(str, names))


def check_count(labels: tuple[str, ...], count: int, model: nn.Module) -> None:
    """Raises InputError for names of another number than the logits have."""
    if len(labels) != count:
        raise InputError(
            f"labels names {len(labels)} classes ({', '.join(labels[:6])}{', …' if len(labels) > 6 else ''}), and "
            f"{type(model).__name__} has {count} logits; give a name for each, in their order"
        )
