"""Token attributions: from a text, a class and the name of a method to one score per token, with its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..._checks import as_asked, contrasts_of, listed, one_by_one, targets_of
from ...data._trace import Prediction, Token, Trace
from ...errors import InputError, unknown_name
from ...models import _tasks, _text_inputs
from ...models._forward import PREDICTED, Budget
from .._options import ATTENTION, COMPLETE, check_contrast, check_options
from .._result import TextAttribution, gap_of, sampling_error
from . import _baselines, _methods
from ._forward import Asked, TextAnswer, answers_once, explained, unit
from ._merging import first_sign, groups, joined, known_level, summed

if TYPE_CHECKING:
    from ...models._protocols import TextModel
    from ...models._text_inputs import Encoded

METHODS = tuple(_methods.METHODS)

SIDES = ("start", "end")
"""What a question answering model is asked for."""

ALIKE = 0.85
"""Of the longest text of a batch, how short the others may be on a CPU: there padding costs more than a small batch."""

BUDGET = {"cpu": 1024, "cuda": 16384}
"""Tokens that go through the model together, with the activations that a gradient needs."""


@dataclass(frozen=True)
class Wish:
    """Everything that a call asks for but the input; checked once, before the model runs."""

    method: str = "integrated_gradients"
    against: str | int | None = None
    unit: str = "logit"
    baseline: list[tuple[str, Any]] = field(default_factory=list)
    layer: str | nn.Module = "word"
    position: int | str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def attribute_text(
    lens: TextModel,
    input: Any,
    target: Any = None,
    *,
    method: str = "integrated_gradients",
    against: Any = None,
    unit: str = "logit",
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
    targets, contrasts = targets_of(target, inputs), contrasts_of(against, inputs)
    wish = _checked(lens, method, next(iter(contrasts), None), unit, baseline, layer, position, options)
    known_level(level)
    _check_one_text(inputs is not None, wish.baseline, window, overlap, output)
    given, jobs = [input] if inputs is None else inputs, one_by_one(targets)
    if window is None:
        encoded = [lens.encode(text, output) for text in given]
        rows = [encoded[number] for number, _ in jobs]
        found = _in_order(
            lens, rows, [one for _, one in jobs], wish, progress, [contrasts[i] for i, _ in jobs]
        )
    else:
        wishes = [replace(wish, against=contrast) for contrast in contrasts]
        found = [_windowed(lens, given[i], one, wishes[i], window, overlap, progress) for i, one in jobs]
    by_input = as_asked((merged(attribution, level) for attribution in found), targets)
    return by_input[0] if inputs is None else by_input


def merged(attribution: TextAttribution, level: str) -> TextAttribution:
    """The attribution by "word" or "sentence": the scores of what belongs together are summed."""
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
    """What was sampled is summed draw by draw: the tokens of a word do not vary independently."""
    if attribution.samples is None:
        return {}
    samples = torch.stack([summed(row, together) for row in attribution.samples])
    return {"samples": samples, "estimated_error": sampling_error(samples, scores)}


def _checked(
    lens: TextModel, method: str, against: Any, unit_: str, baseline: Any, layer: Any, position: Any,
    options: dict[str, Any],
) -> Wish:  # fmt: skip
    check_options(_methods.METHODS, method, options)
    unit(unit_, lens.activation)
    check_contrast(method, against, unit_, lens.activation)
    if method in ATTENTION:
        _check_attention(lens, method, position)
    if method == "layer_gradient_x_activation" and layer == "word":
        layer = "embeddings"
    return Wish(method, against, unit_, _baselines.named(baseline), layer, position, options)


def _check_attention(lens: TextModel, method: str, position: Any) -> None:
    """Methods that read the attention follow it to the one answer of one stack."""
    if _tasks.config_of(lens.model, "is_encoder_decoder"):
        raise InputError(
            f"{method} follows one stack of self-attention, and {type(lens.model).__name__} has two; "
            "al.attribution.relevance(lens, text) gives [output, input], or take a method of gradients"
        )
    if method != "rollout" and not answers_once(lens, position):
        raise InputError(
            f"{method} follows the gradient of the one answer that a model gives for a text; leave position= away, "
            "or take a method that asks at any place, such as integrated_gradients"
        )


def _check_one_text(
    several: bool, baselines: list[tuple[str, Any]], window: Any, overlap: Any, output: Any
) -> None:
    """What belongs to one whole text is given for one whole text."""
    if overlap is not None and window is None:
        raise InputError("overlap= is shared by neighbouring windows; give window= too")
    if not several and window is None:
        return
    if output is not None:
        raise InputError("output= belongs to one text without windows; attribute the texts one by one")
    if any(_baselines.per_token(baseline) for _, baseline in baselines):
        raise InputError(
            "a baseline of one id or vector per token belongs to one text without windows; attribute the texts one "
            "by one, or give a name, a text or a vector [d]"
        )


def _in_order(
    lens: TextModel,
    encoded: list[Encoded],
    target: Any,
    wish: Wish,
    progress: bool,
    against: list | None = None,
) -> list[TextAttribution]:
    """Batches of texts of similar lengths under a budget of tokens; the results in the order of the inputs.

    target: one for all, or a list with one for each; against: one for each, by default the wish's
    """
    targets = target if isinstance(target, list) else [target] * len(encoded)
    contrasts = [wish.against] * len(encoded) if against is None else against
    sided = _tasks.of(lens.model) == "question"  # its start and its end are two functions
    alone = not lens.batches or wish.method in _methods.ALONE
    # Rows of one text have no padding; only a classifier that looks for its padding and knows none takes no two.
    single = not lens.batches and not _tasks.config_of(lens.model, "is_encoder_decoder")
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    budget = Budget(BUDGET.get(lens.device.type, BUDGET["cpu"]))
    shortest = ALIKE if lens.device.type == "cpu" else 0.0
    found: dict[int, TextAttribution] = {}
    with explained(lens), _bar(len(encoded), progress) as advance:
        while order:
            longest = len(encoded[order[0]])
            alike = [i for i in order if len(encoded[i]) >= shortest * longest]
            if sided:
                alike = [i for i in alike if targets[i] == targets[order[0]]]
            asked = [(encoded[i], targets[i], contrasts[i]) for i in alike]
            done = budget.fit(
                lambda size, asked=asked: _group(lens, *zip(*asked[: 1 if alone else size]), wish, size),
                1 if single else budget.rows(longest),
            )
            found.update(zip(alike, done))
            order = [i for i in order if i not in found]
            advance(len(done))
    return [found[i] for i in range(len(encoded))]


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over texts; yields what moves it on."""
    if not shown:
        yield lambda count: None
        return
    from rich.progress import Progress

    with Progress() as bar:
        task = bar.add_task("attributing", total=total)
        yield lambda count: bar.advance(task, count)


# -- one batch ------------------------------------------------------------------------------------------------


def _group(
    lens: TextModel,
    encoded: Sequence[Encoded],
    targets: Sequence[Any],
    contrasts: Sequence[Any],
    wish: Wish,
    rows: int,
) -> list[TextAttribution]:
    answer, asked, predictions = _question(lens, encoded, targets, contrasts, wish)
    found = None
    for _, baseline in wish.baseline:
        start, end = (answer.points(v) for v in (_baselines.start(answer, baseline), answer.vectors()))
        job = _methods.Job(answer, asked, start, end, rows)
        one = _methods.METHODS[wish.method](job, **wish.options)
        found = one if found is None else _added(found, one)
        if one.baseline is None or one.baseline:
            break  # the method has no baseline, or one of its own
    else:
        found = _divided(found, len(wish.baseline))
    found = _in_full_precision(answer, asked, found, wish)
    values = asked(answer.end_logits).double()
    return [
        _result(answer, asked, wish, found, number, float(values[number]), predictions[number])
        for number in range(len(encoded))
    ]


def _result(
    answer: TextAnswer, asked: Asked, wish: Wish, found: _methods.Found, number: int, value: float,
    prediction: Prediction | None,
) -> TextAttribution:  # fmt: skip
    encoded, lens = answer.encoded[number], answer.lens
    scores = found.scores[number, : len(encoded)].detach().cpu()
    change = None if found.change is None else float(found.change[number])
    name = found.baseline
    if name == "":
        name = " and ".join(name for name, _ in wish.baseline)
    label, against = asked.label(_labels(answer, number), number)
    return TextAttribution(
        scores=scores.float(),
        tokens=encoded.tokens,
        text=encoded.text,
        target=label,
        target_index=int(asked.index[number]),
        against=against,
        against_index=None if asked.against is None else int(asked.against[number]),
        prediction=prediction,
        method=wish.method,
        baseline=name,
        unit=wish.unit,
        value=value,
        change=change,
        gap=None if change is None else gap_of(float(scores.sum()), change),
        **_errors(found, number, scores),
        steps=found.steps[number],
        tolerance=found.tolerance,
        signed=wish.method not in _methods.UNSIGNED,
        complete=wish.method in COMPLETE,
        model=lens.name,
    )


def _errors(found: _methods.Found, number: int, scores: Tensor) -> dict[str, Any]:
    """What a method knows of the error of one text's scores."""
    if found.samples is not None:
        samples = found.samples[:, number, : len(scores)].detach().float().cpu()
        return {"samples": samples, "estimated_error": sampling_error(samples, scores)}
    return {
        "estimated_error": None if found.estimated_error is None else float(found.estimated_error[number])
    }


def _added(one: _methods.Found, other: _methods.Found) -> _methods.Found:
    """Sums over baselines; estimated errors as bounds in the units of the scores."""
    difference = None
    if one.estimated_error is not None:
        sizes = [found.scores.abs().sum(-1).to(found.estimated_error) for found in (one, other)]
        both = one.estimated_error * sizes[0] + other.estimated_error * sizes[1]
        difference = both / (one.scores + other.scores).abs().sum(-1).to(both).clamp(min=1e-30)
    samples = None if one.samples is None else one.samples + other.samples
    steps = [a + b for a, b in zip(one.steps, other.steps)]
    return _methods.Found(
        one.scores + other.scores, one.change + other.change, difference, steps, one.tolerance, one.baseline, samples
    )  # fmt: skip


def _divided(found: _methods.Found, count: int) -> _methods.Found:
    if count == 1:
        return found
    samples = None if found.samples is None else found.samples / count
    return replace(found, scores=found.scores / count, change=found.change / count, samples=samples)


def _in_full_precision(answer: TextAnswer, asked: Asked, found: _methods.Found, wish: Wish) -> _methods.Found:
    """The change between the ends in float32 where the model runs in half precision: forward passes that make the
    gap an error of the scores, not of the last bits of a logit."""
    if found.change is None or answer.lens.dtype not in (torch.float16, torch.bfloat16):
        return found
    with torch.no_grad(), answer.in_float32():
        end = answer.points(answer.vectors())
        starts = [answer.points(_baselines.start(answer, baseline)) for _, baseline in wish.baseline]
        if found.baseline:  # the method's own, zeros
            starts = [torch.zeros_like(end)]
        values = [asked(answer.logits(point)).double() for point in (end, *starts)]
    return replace(found, change=values[0] - sum(values[1:]) / len(starts))


# -- what is asked --------------------------------------------------------------------------------------------


def _question(
    lens: TextModel, encoded: Sequence[Encoded], targets: Sequence[Any], contrasts: Sequence[Any], wish: Wish
) -> tuple[TextAnswer, Asked, list[Prediction | None]]:
    """The model as a function, the class of each text that is explained, and what the model itself says."""
    head = _tasks.of(lens.model)
    if head == "question":
        return _question_of_answers(lens, encoded, targets[0], contrasts, wish)
    places = [_place(lens, one, head, wish.position) for one in encoded]
    answer = TextAnswer(lens, encoded, places, layer=wish.layer)
    _tasks.finite(answer.end_logits)
    traces = [
        Trace((), logits=row.cpu(), labels=lens.labels, activation=lens.activation)
        for row in answer.end_logits
    ]
    classes = answer.end_logits.shape[1]
    lens.check_classes(classes)
    indices = [
        trace.prediction.index if _is_predicted(lens, target) else lens.target_index(target)
        for trace, target in zip(traces, targets)
    ]
    against = None if contrasts[0] is None else [lens.target_index(contrast) for contrast in contrasts]
    for index, name in (*zip(indices, targets), *zip(against or (), contrasts)):
        if index >= classes:
            raise InputError(f"target {name!r} is no class: the model has {classes}, numbered from 0")
    for index, other in zip(indices, against or ()):
        if index == other:
            raise _same(traces[0].label(index))
    asked = _asked(answer, indices, against, wish, lens.activation)
    return answer, asked, [trace.prediction for trace in traces]


def _question_of_answers(
    lens: TextModel, encoded: Sequence[Encoded], target: Any, contrasts: Sequence[Any], wish: Wish
) -> tuple[TextAnswer, Asked, list[Prediction | None]]:
    """For question answering the classes are the tokens at which the answer may start, or end."""
    side = SIDES[0] if _is_predicted(lens, target) else target
    if side not in SIDES:
        raise unknown_name("target", target, SIDES)
    other = TextAnswer(lens, encoded, side=SIDES[side == "start"]).end_logits
    answer = TextAnswer(lens, encoded, side=side, layer=wish.layer)
    _tasks.finite(answer.end_logits)
    best = {side: answer.end_logits.argmax(-1), SIDES[side == "start"]: other.argmax(-1)}
    indices = best[side].tolist()
    if wish.position is not None:
        indices = [_position(one, wish.position) for one in encoded]
    against = None if contrasts[0] is None else [_position(*pair) for pair in zip(encoded, contrasts)]
    for one, *places in zip(encoded, indices, against or ()):
        if places[0] == places[1]:
            raise _same(f"{side} at {one.tokens[places[0]].text!r}")
    predictions = []
    for number, one in enumerate(encoded):
        first, last = (int(best[name][number]) for name in SIDES)
        chance = answer.end_logits[number].softmax(-1)[best[side][number]]
        shown = joined(one.tokens[first : last + 1], one.text).text if first <= last else "no answer"
        predictions.append(Prediction(shown, int(best[side][number]), float(chance)))
    return answer, _asked(answer, indices, against, wish, "softmax"), predictions


def _same(name: str) -> InputError:
    return InputError(
        f"target and against are the same class, {name!r}; name two that differ (without target= it is the "
        "predicted one)"
    )


def _asked(
    answer: TextAnswer, indices: list[int], against: list[int] | None, wish: Wish, activation: str
) -> Asked:
    index = torch.tensor(indices, device=answer.ids.device)
    other = None if against is None else torch.tensor(against, device=answer.ids.device)
    return Asked(index, other, wish.unit, activation)


def _is_predicted(lens: TextModel, target: Any) -> bool:
    return target is None or (target == PREDICTED and target not in lens.labels)


def _labels(answer: TextAnswer, number: int) -> Callable[[int], str]:
    if answer.side is not None:
        tokens = answer.encoded[number].tokens
        return lambda index: f"{answer.side} at {tokens[index].text!r}"
    return Trace((), labels=answer.lens.labels).label


def _place(lens: TextModel, encoded: Encoded, head: str | None, position: int | str | None) -> int | None:
    """The position whose logits are explained; None for a model that gives one answer."""
    if head == "token" and position is None:
        raise InputError(
            f"{type(lens.model).__name__} answers for every token; name one by its number or its text: position=3"
        )
    if head not in ("token", "causal", "masked") and position is not None:
        raise InputError(f"{type(lens.model).__name__} gives one answer; leave position= away")
    found = lens.answer_place(encoded) if position is None else _position(encoded, position)
    if head == "masked" and found is None:
        raise InputError(
            f"a masked language model answers at {lens.tokenizer.mask_token}; put one in the text, or name a "
            "position="
        )
    return found


def _position(encoded: Encoded, position: int | str) -> int:
    """A token by its number or its text."""
    tokens = encoded.tokens
    if isinstance(position, str):
        found = [i for i, token in enumerate(tokens) if token.text.strip() == position.strip()]
        if not found:
            raise unknown_name("position", position, [token.text for token in tokens])
        return found[0]
    whole = isinstance(position, int) and not isinstance(position, bool)
    if not whole or not -len(tokens) <= position < len(tokens):
        raise InputError(
            f"position {position!r} is no token; give a number from 0 to {len(tokens) - 1}, or a token's text"
        )
    return position % len(tokens)


# -- texts that are longer than the model -------------------------------------------------------------------------


def _windowed(
    lens: TextModel, text: Any, target: Any, wish: Wish, window: int, overlap: int | None, progress: bool
) -> TextAttribution:
    """A long text: F is the mean of what its windows answer, so each score is the sum over the windows that hold the
    token, divided by their number. The scores of all tokens then add up as those of one text do.
    """
    if wish.position is not None or _tasks.of(lens.model) in ("question", "token", *_tasks.LANGUAGE):
        raise InputError(
            f"window= is for models that give one answer for a text, and {type(lens.model).__name__} is asked at "
            "a place in it; cut the text around that place"
        )
    pieces = _text_inputs.windows(lens.tokenizer, text, window, overlap, lens.max_tokens)
    with explained(lens):
        logits = torch.cat([TextAnswer(lens, [piece]).end_logits for piece in pieces]).mean(0).cpu()
    trace = Trace((), logits=_tasks.finite(logits), labels=lens.labels, activation=lens.activation)
    index = trace.prediction.index if _is_predicted(lens, target) else lens.target_index(target)
    parts = _in_order(lens, pieces, index, wish, progress)
    tokens = _text_inputs.encode(lens.tokenizer, text).tokens
    scores = _laid_together(tokens, parts, [part.scores for part in parts])
    samples = None
    if parts[0].samples is not None:
        draws = zip(*(part.samples for part in parts))
        samples = torch.stack([_laid_together(tokens, parts, draw) for draw in draws]).float()
    change = None if parts[0].change is None else sum(part.change for part in parts) / len(parts)
    return replace(
        parts[0],
        tokens=tokens,
        scores=scores.float(),
        prediction=trace.prediction,
        value=sum(part.value for part in parts) / len(parts),
        change=change,
        gap=None if change is None else gap_of(float(scores.sum()), change),
        estimated_error=_worst(parts, scores) if samples is None else sampling_error(samples, scores),
        samples=samples,
        steps=sum(part.steps for part in parts),
    )


def _worst(parts: list[TextAttribution], scores: Tensor) -> float | None:
    """A bound: the windows' differences, added up in the units of the scores."""
    if parts[0].estimated_error is None:
        return None
    sizes = [part.estimated_error * float(part.scores.abs().sum()) for part in parts]
    return sum(sizes) / len(parts) / max(float(scores.abs().sum()), 1e-30)


def _laid_together(
    tokens: Sequence[Token], parts: Sequence[TextAttribution], numbers: Sequence[Tensor]
) -> Tensor:
    """`[token]` of the whole text: each one's numbers, summed over the windows and divided by how many there are.

    numbers: `[token]` of each window

    Special tokens stand in every window; they are laid on those of the whole text.
    """
    scores, at = torch.zeros(len(tokens), dtype=torch.float64), 0
    for part, own in zip(parts, numbers):
        places, at = _places(tokens, part.tokens, part.text, at)
        scores.index_add_(0, torch.tensor(places), own.double())
    return scores / len(parts)


def _places(
    tokens: Sequence[Token], window: Sequence[Token], text: Sequence[str], least: int
) -> tuple[list[int], int]:
    """Where the tokens of a window stand in the whole text, and where that text's next window may begin.

    A span alone is no place: several tokens share that of one character, as the bytes of an emoji do. And it depends
    on the window: some tokenizers count the space before a token to it where it comes first.
    """
    if any(token.start is None and not token.special for token in window):
        raise InputError("windows are laid together by character spans; they need a fast tokenizer")
    last = max(token.segment for token in window if not token.special)  # of a pair the first text is in each

    def moves(token: Token) -> bool:
        return not token.special and token.segment == last

    def known(token: Token) -> tuple[int | None, int]:
        return token.id, first_sign(token.start, text[last])

    moving = [i for i, token in enumerate(tokens) if moves(token)]
    whole = [known(tokens[i]) for i in moving]
    seen = [known(token) for token in window if moves(token)]
    start = next(i for i in range(least, len(whole)) if whole[i : i + len(seen)] == seen)
    slid, fixed = iter(moving[start:]), iter([i for i, token in enumerate(tokens) if not moves(token)])
    return [next(slid if moves(token) else fixed) for token in window], start + 1
