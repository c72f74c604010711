"""Image attributions: from a picture, a target and the name of a method to one score per pixel, with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..._checks import as_asked, contrasts_of, listed, one_by_one, targets_of
from ...data._trace import Trace
from ...errors import InputError
from ...models import _tasks
from ...models._forward import BatchBudget, gradient_mode
from .. import _registry
from .._registry import Method
from .._result import ImageAttribution, gap_of, sampling_error
from .._target import TargetRequest, TargetScalar
from . import _methods
from ._forward import PixelForward
from ._geometry import Picture, tokens_of

if TYPE_CHECKING:
    from ...models._protocols import ImageModel


@dataclass(frozen=True)
class ImageRequest:
    """What a call requests besides images and targets; checked once, before the model runs."""

    method: Method
    options: dict[str, Any]


def attribute_image(
    lens: ImageModel,
    input: Any,
    target: Any = None,
    *,
    method: str = "integrated_gradients",
    against: Any = None,
    unit: str | None = None,
    baseline: Any = None,
    layer: Any = None,
    **options: Any,
) -> ImageAttribution | list:
    """See `ImageLens.attribute`."""
    given = {"baseline": baseline, "layer": layer}
    options |= {name: value for name, value in given.items() if value is not None}
    inputs = listed(input)
    pictures = [input] if inputs is None else inputs
    targets, contrasts = targets_of(target, inputs), contrasts_of(against, inputs)
    asked = [(number, TargetRequest.of(one, contrasts[number], unit)) for number, one in one_by_one(targets)]
    request = _checked(lens, [target for _, target in asked], method, options)
    budget = BatchBudget.of(lens.device)
    attributions: list[ImageAttribution] = []
    with gradient_mode(lens.model):
        for number, picture in enumerate(pictures):
            forward, read, trace = _read(lens, picture, None if inputs is None else number)
            length = tokens_of(read.pixels[None], read.grid)
            left = [target for of, target in asked if of == number]
            while left:
                rows = budget.rows(length)
                with budget.attempt(rows, length):
                    attributions.append(_attribute_one(forward, read, trace, left[0], request, rows))
                    left = left[1:]
    by_input = as_asked(attributions, targets)
    return by_input[0] if inputs is None else by_input


def _checked(
    lens: ImageModel, targets: list[TargetRequest], method: str, options: dict[str, Any]
) -> ImageRequest:
    chosen = _registry.named("image", method)
    chosen.check_options(options)
    for target in targets:
        target.check(lens.activation)
        chosen.check_target(target)
    return ImageRequest(chosen, options)


def _read(lens: ImageModel, input: Any, number: int | None) -> tuple[PixelForward, Picture, Trace]:
    """The model as a function, the picture for it, and its logits; an error names the number of the input."""
    try:
        picture = Picture.of(lens, input)
    except InputError as error:
        raise error if number is None else InputError(f"input {number}: {error}") from error
    forward = PixelForward(lens)
    with torch.no_grad():
        logits = _tasks.finite(forward.logits(picture.pixels[None])[0].cpu())
    lens.check_classes(len(logits))
    return forward, picture, Trace((), logits=logits, labels=lens.labels, activation=lens.activation)


def _attribute_one(
    forward: PixelForward, picture: Picture, trace: Trace, asked: TargetRequest, request: ImageRequest, rows: int
) -> ImageAttribution:  # fmt: skip
    lens = forward.lens
    target = asked.of_class(lens, trace.logits)
    scalar = TargetScalar.of([target], lens.activation)
    batch = request.method.run(_methods.ImageMethodInput(forward, scalar, picture, rows), **request.options)
    scores = batch.scores[0].detach().cpu()
    change = None if batch.change is None else float(batch.change[0])
    error = None if batch.estimated_error is None else float(batch.estimated_error[0])
    samples = None if batch.samples is None else batch.samples[:, 0].cpu()
    return ImageAttribution(
        scores=scores.float(),
        seen=picture.seen,
        image=picture.image,
        pixels=picture.pixels.cpu() if picture.original is None else None,
        box=picture.box,
        target=target,
        prediction=trace.prediction,
        method=request.method.name,
        baseline=batch.baseline,
        value=float(scalar(trace.logits[None].double())),
        change=change,
        gap=None if change is None else gap_of(float(scores.double().sum()), change),
        estimated_error=error if samples is None else sampling_error(samples, scores),
        samples=None if samples is None else samples.float(),
        steps=batch.steps[0],
        tolerance=batch.tolerance,
        signed=request.method.signed,
        complete=request.method.complete,
        model=lens.name,
    )
