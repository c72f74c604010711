"""From a model's logits to what it predicts: the likeliest class, its probability, and the classes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..data._trace import Prediction, Trace
from ..errors import InputError


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


def of_rows(
    logits: Tensor, labels: tuple[str, ...], activation: str
) -> tuple[list[str], Tensor, Tensor | None]:
    """`Trace.prediction` of each row of logits `[row, class]`, on the CPU: (labels, indices, probabilities)."""
    if activation == "none":
        values = [f"{value:.4g}" for value in logits[:, 0].float().tolist()]
        return values, torch.zeros(len(logits), dtype=torch.int64), None
    index = logits.argmax(1)
    chances = logits.float().sigmoid() if activation == "sigmoid" else logits.float().softmax(1)
    name = Trace((), labels=labels).label
    named = {number: name(number) for number in set(index.tolist())}
    return [named[number] for number in index.tolist()], index, chances.gather(1, index[:, None])[:, 0]


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
        f"{type(model).__name__} returns no class logits for this input: it has no head (…ForSequenceClassification, "
        "…ForImageClassification, …ForCausalLM), or there is no mask in the text to answer at"
    )


def losses(logits: Tensor, targets: Tensor, activation: str) -> Tensor:
    """The cross entropy of each input in nats, `[input]`; of independent classes (sigmoid) that of the target alone."""
    scores = logits.gather(-1, targets[:, None])[:, 0]
    if activation == "sigmoid":
        return torch.nn.functional.softplus(-scores)
    return torch.logsumexp(logits, -1) - scores
