"""Token attributions: from a text, a target and the name of a method to one score per token, with its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ... import _checks
from ..._checks import as_asked, contrasts_of, listed, one_by_one, targets_of
from ...data._trace import Prediction, Trace
from ...errors import InputError
from ...models import _tasks
from ...models._forward import BatchBudget, gradient_mode
from .. import _registry
from .._registry import Method, MethodScores
from .._result import TextAttribution, gap_of, sampling_error
from .._target import SIDES, Target, TargetRequest, TargetScalar
from . import _baselines, _methods, _windows
from ._forward import EmbeddingForward, one_row, predicts_once
from ._merging import groups, joined, known_level, summed

if TYPE_CHECKING:
    from ...models._protocols import TextModel
    from ...models._text_inputs import Encoded

ALIKE = 0.85
"""The shortest text of a batch on a CPU, relative to the longest: there padding costs more than a small batch."""


@dataclass(frozen=True)
class TextRequest:
    """What a call requests besides inputs and targets; checked once, before the model runs."""

    method: Method
    baseline: list[tuple[str, Any]] = field(default_factory=list)
    layer: str | nn.Module = "word"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TextRow:
    """One text, or one window of it, and the target to explain."""

    encoded: Encoded
    target: TargetRequest


def attribute_text(
    lens: TextModel,
    input: Any,
    target: Any = None,
    *,
    method: str = "integrated_gradients",
    against: Any = None,
    unit: str | None = None,
    baseline: Any = "pad",
    layer: str | nn.Module = "word",
    position: int | str | None = None,
    window: int | None = None,
    overlap: int | None = None,
    output: str | None = None,
    level: str = "token",
    progress: bool = False,
    **options: Any,
) -> TextAttribution | list:
    """See `TextLens.attribute`."""
    inputs = listed(input)
    texts = [input] if inputs is None else inputs
    targets, contrasts = targets_of(target, inputs), contrasts_of(against, inputs)
    asked = [
        (number, TargetRequest.of(one, contrasts[number], unit, position, output))
        for number, one in one_by_one(targets)
    ]
    request = _checked(lens, [target for _, target in asked], method, baseline, layer, options)
    known_level(level)
    _check_one_text(inputs is not None, request.baseline, window, overlap, output)
    with gradient_mode(lens.model):
        if window is None:
            encoded = _encoded(lens, texts, asked)
            for number, target in asked:
                _check_position(lens, request.method, encoded[number, target.output], target)
            rows, wholes = [TextRow(encoded[number, target.output], target) for number, target in asked], None
        else:
            rows, wholes = _rows_of_windows(
                lens, [(texts[i], target) for i, target in asked], window, overlap
            )
        budget = BatchBudget.of(lens.device)
        left = sorted(range(len(rows)), key=lambda i: -len(rows[i].encoded))
        done: dict[int, TextAttribution] = {}
        with _bar(len(rows), progress) as advance:
            while left:
                numbers, length, points = _next_batch(lens, rows, left, request, budget)
                with budget.attempt(max(len(numbers), points), length):
                    batch = _attribute_batch(lens, [rows[i] for i in numbers], request, points)
                    done.update(zip(numbers, batch))
                    left = [i for i in left if i not in done]
                    advance(len(numbers))
    attributions = [done[number] for number in range(len(rows))]
    if wholes is not None:
        attributions = [
            _windows.joined(lens, text, attributions[start:stop], prediction)
            for (text, prediction), (start, stop) in wholes
        ]
    by_input = as_asked((merged(attribution, level) for attribution in attributions), targets)
    return by_input[0] if inputs is None else by_input


def merged(attribution: TextAttribution, level: str) -> TextAttribution:
    """The attribution by "word" or "sentence": the scores of tokens that belong together are summed."""
    together = groups(attribution.tokens, attribution.text, level)
    if level == attribution.level:
        return attribution
    tokens = tuple(joined([attribution.tokens[i] for i in group], attribution.text) for group in together)
    scores = summed(attribution.scores, together)
    return replace(
        attribution,
        scores=scores,
        tokens=tokens,
        level=level,
        **_merged_errors(attribution, scores, together),
    )


def _merged_errors(attribution: TextAttribution, scores: Tensor, together: Any) -> dict[str, Any]:
    """Samples are summed draw by draw, since the tokens of a word do not vary independently."""
    if attribution.samples is None:
        return {}
    samples = torch.stack([summed(row, together) for row in attribution.samples])
    return {"samples": samples, "estimated_error": sampling_error(samples, scores)}


# -- the request --------------------------------------------------------------------------------------------


def _checked(
    lens: TextModel, targets: Sequence[TargetRequest], method: str, baseline: Any, layer: Any, options: dict[str, Any]
) -> TextRequest:  # fmt: skip
    chosen = _registry.named("text", method)
    chosen.check_options(options)
    for target in targets:
        target.check(lens.activation)
        if chosen.reads_attention:
            _check_attention(lens, chosen, target)
    if method == "layer_gradient_x_activation" and layer == "word":
        layer = "embeddings"
    return TextRequest(chosen, _baselines.named(baseline), layer, options)


def _check_attention(lens: TextModel, method: Method, target: TargetRequest) -> None:
    """Methods that use attention need one stack and one prediction, and explain the logit of one class."""
    method.check_target(target)
    if _tasks.config_of(lens.model, "is_encoder_decoder"):
        raise InputError(
            f"{method.name} follows one stack of self-attention, and {type(lens.model).__name__} has two; "
            "al.attribution.relevance(lens, text) returns [output, input], or use a gradient method"
        )
    if "gradients" in method.needs and not predicts_once(lens):
        raise _one_prediction(method)


def _check_position(lens: TextModel, method: Method, encoded: Encoded, target: TargetRequest) -> None:
    """Raises InputError for the gradient of attention at another position than the one that the model predicts by
    default."""
    if not (method.reads_attention and "gradients" in method.needs) or target.position is None:
        return
    if answer_position(lens, encoded, target) != lens.answer_place(encoded):
        raise _one_prediction(method)


def _one_prediction(method: Method) -> InputError:
    return InputError(
        f"{method.name} reads attention by the gradient of the one prediction for a text; omit position=, or use a "
        "method that explains any position, such as integrated_gradients"
    )


def _check_one_text(
    several: bool, baselines: list[tuple[str, Any]], window: Any, overlap: Any, output: Any
) -> None:
    """Raises InputError for options of a single whole text beside several texts or windows."""
    if overlap is not None and window is None:
        raise InputError("overlap= is the overlap of neighbouring windows; pass window= too")
    if not several and window is None:
        return
    if output is not None:
        raise InputError("output= belongs to one text without windows; attribute the texts one by one")
    if any(_baselines.per_token(baseline) for _, baseline in baselines):
        raise InputError(
            "a baseline of one id or vector per token belongs to one text without windows; attribute the texts one "
            "by one, or give a name, a text or a vector [d]"
        )


def _encoded(
    lens: TextModel, texts: list, asked: list[tuple[int, TargetRequest]]
) -> dict[tuple[int, str | None], Encoded]:
    """Each text, tokenized once for each output given to a decoder."""
    wanted = dict.fromkeys((number, target.output) for number, target in asked)
    return {
        (number, output): lens.prepare(texts[number])
        if output is None
        else lens.encode(texts[number], output)
        for number, output in wanted
    }


def _rows_of_windows(
    lens: TextModel, asked: list[tuple[Any, TargetRequest]], window: int, overlap: int | None
) -> tuple[list[TextRow], list]:
    """The rows of all windows, and for each whole text ((text, prediction), (first row, last row + 1))."""
    rows: list[TextRow] = []
    wholes, ends = [], [0]
    for text, request in asked:
        _windows.check(lens, request)
        pieces, target, prediction = _windows.split(lens, text, request, window, overlap)
        rows += [TextRow(piece, TargetRequest.of(target)) for piece in pieces]
        wholes.append((text, prediction))
        ends.append(len(rows))
    return rows, list(zip(wholes, pairwise(ends)))


def _next_batch(
    lens: TextModel, rows: list[TextRow], left: list[int], request: TextRequest, budget: BatchBudget
) -> tuple[list[int], int, int]:
    """Numbers of the rows of the next batch, length of the longest, and how many points run together.

    left: numbers of the rows that are left, the longest first
    """
    first = rows[left[0]]
    length = len(first.encoded)
    shortest = ALIKE * length if lens.device.type == "cpu" else 0
    alike = [
        i
        for i in left
        if len(rows[i].encoded) >= shortest and _same_function(lens, rows[i].target, first.target)
    ]
    points = 1 if one_row(lens) else budget.rows(length)
    alone = not lens.batches or request.method.one_by_one
    return alike[: 1 if alone else points], length, points


def _same_function(lens: TextModel, first: TargetRequest, second: TargetRequest) -> bool:
    """Whether two requests have the same F: the same unit and side of an answer, both or neither with a contrast."""
    side = lens.task == "question" and first.answer_side != second.answer_side
    return first.unit == second.unit and (first.against is None) == (second.against is None) and not side


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over texts; yields the function that advances it."""
    if not shown:
        yield lambda count: None
        return
    from rich.progress import Progress

    with Progress() as bar:
        task = bar.add_task("attributing", total=total)
        yield lambda count: bar.advance(task, count)


# -- one batch ------------------------------------------------------------------------------------------------


def _attribute_batch(
    lens: TextModel, rows: Sequence[TextRow], request: TextRequest, points: int
) -> list[TextAttribution]:
    forward, targets, predictions = _resolved(lens, rows, request)
    scalar = TargetScalar.of(targets, lens.activation, forward.ids.device)
    total = None
    for _, baseline in request.baseline:
        start, end = (forward.points(v) for v in (_baselines.start(forward, baseline), forward.vectors()))
        inputs = _methods.TextMethodInput(forward, scalar, start, end, points)
        scores = request.method.run(inputs, **request.options)
        total = scores if total is None else _added(total, scores)
        if scores.baseline is None or scores.baseline:
            break  # the method has no baseline, or one of its own
    else:
        total = _divided(total, len(request.baseline))
    total = _in_full_precision(forward, scalar, total, request)
    total = replace(total, scores=total.scores.detach().cpu())
    values = scalar(forward.end_logits).double().tolist()
    return [
        _attribution(forward, request, total, number, targets[number], values[number], predictions[number])
        for number in range(len(rows))
    ]


def _attribution(
    forward: EmbeddingForward, request: TextRequest, batch: MethodScores, number: int, target: Target, value: float,
    prediction: Prediction | None,
) -> TextAttribution:  # fmt: skip
    encoded = forward.encoded[number]
    scores = batch.scores[number, : len(encoded)]
    change = None if batch.change is None else float(batch.change[number])
    name = batch.baseline
    if name == "":
        name = " and ".join(name for name, _ in request.baseline)
    return TextAttribution(
        scores=scores.float(),
        tokens=encoded.tokens,
        text=encoded.text,
        target=target,
        prediction=prediction,
        method=request.method.name,
        baseline=name,
        value=value,
        change=change,
        gap=None if change is None else gap_of(float(scores.sum()), change),
        **_errors(batch, number, scores),
        steps=batch.steps[number],
        tolerance=batch.tolerance,
        signed=request.method.signed,
        complete=request.method.complete,
        model=forward.lens.name,
    )


def _errors(batch: MethodScores, number: int, scores: Tensor) -> dict[str, Any]:
    """The error of one text's scores, as far as the method estimates it."""
    if batch.samples is not None:
        samples = batch.samples[:, number, : len(scores)].detach().float().cpu()
        return {"samples": samples, "estimated_error": sampling_error(samples, scores)}
    error = batch.estimated_error
    return {"estimated_error": None if error is None else float(error[number])}


def _added(first: MethodScores, second: MethodScores) -> MethodScores:
    """Sums over baselines; estimated errors as bounds in the units of the scores."""
    error = None
    if first.estimated_error is not None:
        sizes = [part.scores.abs().sum(-1).to(part.estimated_error) for part in (first, second)]
        both = first.estimated_error * sizes[0] + second.estimated_error * sizes[1]
        error = both / (first.scores + second.scores).abs().sum(-1).to(both).clamp(min=1e-30)
    return replace(
        first,
        scores=first.scores + second.scores,
        change=first.change + second.change,
        estimated_error=error,
        steps=[a + b for a, b in zip(first.steps, second.steps)],
        samples=None if first.samples is None else first.samples + second.samples,
    )


def _divided(total: MethodScores, count: int) -> MethodScores:
    if count == 1:
        return total
    samples = None if total.samples is None else total.samples / count
    return replace(total, scores=total.scores / count, change=total.change / count, samples=samples)


def _in_full_precision(
    forward: EmbeddingForward, scalar: TargetScalar, batch: MethodScores, request: TextRequest
) -> MethodScores:
    """The change between the ends in float32 where the model runs in half precision, so that the gap is an error of
    the scores and not of the last bits of a logit."""
    if batch.change is None or forward.lens.dtype not in (torch.float16, torch.bfloat16):
        return batch
    with torch.no_grad(), forward.in_float32():
        end = forward.points(forward.vectors())
        starts = [forward.points(_baselines.start(forward, baseline)) for _, baseline in request.baseline]
        if batch.baseline:  # the method's own, zeros
            starts = [torch.zeros_like(end)]
        values = [scalar(forward.logits(point)).double() for point in (end, *starts)]
    return replace(batch, change=values[0] - sum(values[1:]) / len(starts))


# -- targets of a batch ---------------------------------------------------------------------------------------


def _resolved(
    lens: TextModel, rows: Sequence[TextRow], request: TextRequest
) -> tuple[EmbeddingForward, list[Target], list[Prediction | None]]:
    """The model as a function, the target of each text, and the prediction for it."""
    encoded = [row.encoded for row in rows]
    if lens.task == "question":
        return _resolved_answers(lens, rows, request)
    places = [answer_position(lens, row.encoded, row.target) for row in rows]
    forward = EmbeddingForward(lens, encoded, places, layer=request.layer)
    logits = _tasks.finite(forward.end_logits).cpu()
    several = lens.task in ("token", "causal", "masked")
    targets = [
        row.target.of_class(lens, of_row, place if several else None)
        for row, of_row, place in zip(rows, logits, places)
    ]
    traces = (Trace((), logits=row, labels=lens.labels, activation=lens.activation) for row in logits)
    return forward, targets, [trace.prediction for trace in traces]


def _resolved_answers(
    lens: TextModel, rows: Sequence[TextRow], request: TextRequest
) -> tuple[EmbeddingForward, list[Target], list[Prediction | None]]:
    """For question answering the classes are the tokens at which the answer may start, or end."""
    encoded = [row.encoded for row in rows]
    side = rows[0].target.answer_side
    other = EmbeddingForward(lens, encoded, side=SIDES[side == SIDES[0]]).end_logits
    forward = EmbeddingForward(lens, encoded, side=side, layer=request.layer)
    _tasks.finite(forward.end_logits)
    best = {side: forward.end_logits.argmax(-1), SIDES[side == SIDES[0]]: other.argmax(-1)}
    targets, predictions = [], []
    for number, (text, row) in enumerate(zip(encoded, rows)):
        first, last = (int(best[name][number]) for name in SIDES)
        asked = row.target
        index = (
            int(best[side][number])
            if asked.position is None
            else _checks.token("position", asked.position, text.tokens)
        )
        against = None if asked.against is None else _checks.token("against", asked.against, text.tokens)
        targets.append(asked.of_place([token.text for token in text.tokens], index, against))
        chance = forward.end_logits[number].softmax(-1)[best[side][number]]
        shown = joined(text.tokens[first : last + 1], text.text).text if first <= last else "no answer"
        predictions.append(Prediction(shown, int(best[side][number]), float(chance)))
    return forward, targets, predictions


def answer_position(lens: TextModel, encoded: Encoded, target: TargetRequest) -> int | None:
    """The position whose logits are explained; None for a model that predicts once.

    Raises InputError where a model predicts at each token and position= is missing, and where it predicts once and
    position= is given.
    """
    position = target.position
    if lens.task == "token" and position is None:
        raise InputError(
            f"{type(lens.model).__name__} predicts for every token; name one by its number or its text: position=3"
        )
    if lens.task not in ("token", "causal", "masked") and position is not None:
        raise InputError(f"{type(lens.model).__name__} predicts once per text; omit position=")
    place = (
        lens.answer_place(encoded)
        if position is None
        else _checks.token("position", position, encoded.tokens)
    )
    if lens.task == "masked" and place is None:
        raise InputError(
            f"a masked language model predicts at {lens.tokenizer.mask_token}; put one in the text, or pass "
            "position="
        )
    return place
