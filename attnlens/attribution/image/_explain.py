"""Image attributions: from a picture, a class and the name of a method to one score per pixel, with its error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from ..._checks import as_asked, contrasts_of, listed, one_by_one, targets_of
from ...data._trace import Trace
from ...errors import InputError
from ...models import _tasks
from ...models._forward import PREDICTED, Budget
from .._options import COMPLETE, check_contrast, check_options
from .._result import ImageAttribution
from ..text._forward import UNITS, Asked, explained
from ..text._forward import unit as checked_unit
from . import _methods as methods
from ._forward import ImageAnswer, Picture

if TYPE_CHECKING:
    from ...models._protocols import ImageModel

METHODS = tuple(methods.METHODS)

BUDGET = {"cpu": 1024, "cuda": 16384}
"""Patches that go through the model together, with the activations that a gradient needs."""


@dataclass(frozen=True)
class Wish:
    """Everything that a call asks for but the picture and the class; checked once, before the model runs."""

    method: str
    against: str | int | None
    unit: str
    options: dict[str, Any]


def attribute_image(
    lens: ImageModel,
    input: Any,
    target: Any = None,
    *,
    method: str = "integrated_gradients",
    against: Any = None,
    unit: str = UNITS[0],
    baseline: Any = None,
    layer: Any = None,
    **options: Any,
) -> ImageAttribution | list:
    """How much each pixel spoke for a class, with the error of the scores.

    input: whatever the lens reads; a list gives a list.
    target: class name or index, or "predicted" (the default); a list gives one attribution for each class, or, of a
        list of pictures, holds the target of each: one, or a list of several.
    method: one of `METHODS`, each explained in the guide's page on methods.
    against: a second class: explain why `target` rather than that one; of a list of pictures one for all, or a list
        with one for each.
    unit: "logit" (the default) or "probability", what the scores divide up.
    baseline: "black" (the default; "zero" for tensors that nothing says the colours of), "white", "grey", "blur",
        "random", "zero", a picture, or a tensor of the model's shape; a list is averaged over.
    layer: of Grad-CAM, a module or its path; the last feature map by default.
    options: of the method: tolerance and max_steps of integrated gradients (or n_steps, for Captum's fixed number),
        n_samples, noise and seed of those that sample, window and stride of occlusion, grid of shapley.

    Raises InputError for an unknown target, method, baseline, layer or option, listing the known ones.

    >>> attribute_image(lens, "cat.png", "cat", against="dog", baseline="blur").plot()
    """
    given = {"baseline": baseline, "layer": layer}
    options |= {name: value for name, value in given.items() if value is not None}
    inputs = listed(input)
    targets, contrasts = targets_of(target, inputs), contrasts_of(against, inputs)
    wish = _checked(lens, method, next(iter(contrasts), None), unit, options)
    if inputs is None:
        return as_asked(_numbered(lens, input, targets, wish, None), targets)[0]
    found = []
    for number, (one, some, contrast) in enumerate(zip(inputs, targets, contrasts)):
        own = replace(wish, against=contrast)
        found += as_asked(_numbered(lens, one, [some], own, number), [some])
    return found


def _checked(lens: ImageModel, method: str, against: Any, unit: str, options: dict[str, Any]) -> Wish:
    check_options(methods.METHODS, method, options)
    checked_unit(unit, lens.activation)
    check_contrast(method, against, unit, lens.activation)
    return Wish(method, against, unit, options)


def _numbered(
    lens: ImageModel, input: Any, targets: list, wish: Wish, number: int | None
) -> list[ImageAttribution]:
    """One attribution per single target; what is wrong with an input of a list names its number."""
    with explained(lens):
        try:
            picture = Picture.of(lens, input)
        except InputError as error:
            raise error if number is None else InputError(f"input {number}: {error}") from error
        with torch.no_grad():
            logits = _tasks.finite(ImageAnswer(lens).logits(picture.pixels[None])[0].cpu())
        lens.check_classes(len(logits))
        answer = Trace((), logits=logits, labels=lens.labels, activation=lens.activation)
        return [_attributed(lens, picture, answer, target, wish) for _, target in one_by_one(targets)]


def _attributed(
    lens: ImageModel, picture: Picture, answer: Trace, target: Any, wish: Wish
) -> ImageAttribution:
    asked = _asked(lens, answer, target, wish)
    budget = Budget(BUDGET.get(lens.device.type, BUDGET["cpu"]))
    found = methods.METHODS[wish.method](methods.Job(lens, picture, asked, budget), **wish.options)
    label, against = asked.label(answer.label)
    signed = wish.method in methods.SIGNED
    return ImageAttribution(
        scores=found.scores.detach().float().cpu(),
        seen=picture.seen,
        image=picture.image,
        pixels=picture.pixels.cpu() if picture.given is None else None,
        box=picture.box,
        target=label,
        target_index=int(asked.index),
        against=against,
        against_index=None if asked.against is None else int(asked.against[0]),
        prediction=answer.prediction,
        method=wish.method,
        baseline=found.baseline,
        unit=wish.unit,
        value=float(asked(answer.logits[None].double())),
        change=found.change,
        gap=found.gap,
        estimated_error=found.estimated_error,
        samples=found.samples,
        steps=found.steps,
        tolerance=found.tolerance,
        signed=signed,
        complete=wish.method in COMPLETE,
        model=lens.name,
    )


def _asked(lens: ImageModel, answer: Trace, target: Any, wish: Wish) -> Asked:
    """The number that is explained; InputError for a class that the model does not have."""
    named = isinstance(target, str) and target == PREDICTED
    predicted = target is None or (named and target not in lens.labels)
    index = answer.prediction.index if predicted else lens.target_index(target)
    other = None if wish.against is None else lens.target_index(wish.against)
    for number, name in ((index, target), (other or 0, wish.against)):
        if number >= len(answer.logits):
            raise InputError(
                f"target {name!r} is no class: the model has {len(answer.logits)}, numbered from 0"
            )
    if index == other:
        raise InputError(f"target and against are the same class, {answer.label(index)!r}")
    against = None if other is None else torch.tensor([other])
    return Asked(torch.tensor([index]), against, wish.unit, lens.activation)
