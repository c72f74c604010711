"""Texts that are longer than the model: attributions of overlapping windows as one of the whole text.

F of a long text is the mean of F over its windows, so each score is the sum over the windows that contain the token,
divided by the number of windows. The scores of all tokens then sum to the change, as for a short text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...data._trace import Prediction, Token, Trace
from ...errors import InputError
from ...models import _tasks, _text_inputs
from .._result import TextAttribution, gap_of, sampling_error
from .._target import Target, TargetRequest
from ._forward import EmbeddingForward
from ._merging import first_sign

if TYPE_CHECKING:
    from ...models._protocols import TextModel
    from ...models._text_inputs import Encoded


def check(lens: TextModel, request: TargetRequest) -> None:
    """Raises InputError for a model that predicts at a position of its text: windows have no common position."""
    if request.position is not None or lens.task in ("question", "token", *_tasks.LANGUAGE):
        raise InputError(
            f"window= is for models that predict once per text, and {type(lens.model).__name__} predicts at a "
            "position in it; cut the text around that position"
        )


def split(
    lens: TextModel, text: Any, request: TargetRequest, window: int, overlap: int | None
) -> tuple[list[Encoded], Target, Prediction]:
    """(windows, the target of the whole text, the prediction from the mean of the windows' logits)"""
    pieces = _text_inputs.windows(lens.tokenizer, text, window, overlap, lens.max_tokens)
    logits = torch.cat([EmbeddingForward(lens, [piece]).end_logits for piece in pieces]).mean(0).cpu()
    trace = Trace((), logits=_tasks.finite(logits), labels=lens.labels, activation=lens.activation)
    return pieces, request.of_class(lens, logits), trace.prediction


def joined(
    lens: TextModel, text: Any, windows: Sequence[TextAttribution], prediction: Prediction
) -> TextAttribution:
    """The attribution of a whole text from those of its windows, in order."""
    tokens = _text_inputs.encode(lens.tokenizer, text).tokens
    scores = _laid_together(tokens, windows, [window.scores for window in windows])
    samples = None
    if windows[0].samples is not None:
        draws = zip(*(window.samples for window in windows))
        samples = torch.stack([_laid_together(tokens, windows, draw) for draw in draws]).float()
    change = None
    if windows[0].change is not None:
        change = sum(window.change for window in windows) / len(windows)
    return replace(
        windows[0],
        tokens=tokens,
        scores=scores.float(),
        prediction=prediction,
        value=sum(window.value for window in windows) / len(windows),
        change=change,
        gap=None if change is None else gap_of(float(scores.sum()), change),
        estimated_error=_error(windows, scores) if samples is None else sampling_error(samples, scores),
        samples=samples,
        steps=sum(window.steps for window in windows),
    )


def _error(windows: Sequence[TextAttribution], scores: Tensor) -> float | None:
    """The windows' estimated errors, summed in the units of the scores."""
    if windows[0].estimated_error is None:
        return None
    sizes = [window.estimated_error * float(window.scores.abs().sum()) for window in windows]
    return sum(sizes) / len(windows) / max(float(scores.abs().sum()), 1e-30)


def _laid_together(
    tokens: Sequence[Token], windows: Sequence[TextAttribution], numbers: Sequence[Tensor]
) -> Tensor:
    """`[token]` of the whole text: the sum of each token's numbers over the windows, divided by the number of windows.

    numbers: `[token]` of each window

    The special tokens of every window are added to those of the whole text.
    """
    scores, at = torch.zeros(len(tokens), dtype=torch.float64), 0
    for window, of_window in zip(windows, numbers):
        places, at = _places(tokens, window.tokens, window.text, at)
        scores.index_add_(0, torch.tensor(places), of_window.double())
    return scores / len(windows)


def _places(
    tokens: Sequence[Token], window: Sequence[Token], text: Sequence[str], least: int
) -> tuple[list[int], int]:
    """The positions of a window's tokens in the whole text, and the first position at which the next window may begin.

    A span does not identify a token: several share that of one character, as the bytes of an emoji do. It also
    depends on the window: some tokenizers include the space before a token only where it comes first.
    """
    if any(token.start is None and not token.special for token in window):
        raise InputError(
            "windows are combined by character spans, which this tokenizer lacks; load a fast tokenizer"
        )
    last = max(
        token.segment for token in window if not token.special
    )  # the first text of a pair is in every window

    def moves(token: Token) -> bool:
        return not token.special and token.segment == last

    def key(token: Token) -> tuple[int | None, int]:
        return token.id, first_sign(token.start, text[last])

    moving = [i for i, token in enumerate(tokens) if moves(token)]
    whole = [key(tokens[i]) for i in moving]
    seen = [key(token) for token in window if moves(token)]
    start = next(i for i in range(least, len(whole)) if whole[i : i + len(seen)] == seen)
    slid, fixed = iter(moving[start:]), iter([i for i, token in enumerate(tokens) if not moves(token)])
    return [next(slid if moves(token) else fixed) for token in window], start + 1
