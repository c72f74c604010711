"""Perturbations of the input of an attribution: its scores part by part, and the model without some of the parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ..attribution._result import Attribution, ImageAttribution, TextAttribution
from ..attribution._target import TargetScalar
from ..attribution.text._merging import groups, joined
from ..attribution.text._perturbation import TextPerturbation, ordinary
from ..errors import InputError

if TYPE_CHECKING:
    from ..models._protocols import ModelWithProcessor
    from ..models._text_inputs import Encoded

ROUNDING = 0.05
"""Tolerance of F(x), relative to at least 1, for the same model: half precision and other kernels round differently."""


class Perturbation(Protocol):
    """The interface of both perturbations: logits `[row, class]` with only the kept parts."""

    parts: Any

    def logits(self, kept: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class ScoredParts:
    """The scores of one attribution, part by part, and the model's logits without some of the parts.

    scores: `[part]` in float64; scalar: F, the explained scalar
    """

    perturbation: Perturbation
    scores: Tensor
    scalar: TargetScalar

    @property
    def order(self) -> Tensor:
        """`[part]`, the parts by score, largest first; ties in the order of the input."""
        return self.scores.argsort(descending=True, stable=True)


def listed(attributions: Attribution | Iterable[Attribution]) -> list[Attribution]:
    """Attributions as a list. Raises InputError for an empty list, and for anything else."""
    one = isinstance(attributions, Attribution) or not isinstance(attributions, Iterable)
    several = [attributions] if one else list(attributions)
    if not several:
        raise InputError(
            "no attribution to measure: the list is empty; pass what lens.attribute(...) returned"
        )
    for attribution in several:
        if not isinstance(attribution, TextAttribution | ImageAttribution):
            raise InputError(
                f"only attributions can be measured, not {type(attribution).__name__}; pass what "
                "lens.attribute(...) returned, or a flat list of those"
            )
    return several


def input_of(attribution: Attribution) -> Any:
    """A key that is equal for attributions of the same input."""
    if isinstance(attribution, TextAttribution):
        return attribution.text
    given = attribution.image if attribution.pixels is None else attribution.pixels.numpy()
    return given.dtype.str, given.shape, given.tobytes()


def parts_of(
    lens: ModelWithProcessor,
    attributions: Sequence[Attribution],
    by: str | None = None,
    grid: tuple[int, int] | None = None,
) -> list[ScoredParts]:
    """The parts of each attribution, in order; attributions of the same parts of one input share a perturbation.

    by: the replacement of a removed part, see `TextPerturbation` ("pad" by default) and `ImagePerturbation`.
    grid: for an image, rows and columns of its parts; the model's patches by default.

    Raises InputError for scores that are not finite, and for an attribution of another lens.
    """
    together: dict[Any, list[int]] = {}
    for number, attribution in enumerate(attributions):
        _check_scores(attribution)
        target = attribution.target
        place = (target.side, target.position, target.output)
        key = (input_of(attribution), getattr(attribution, "level", None), place)
        together.setdefault(key, []).append(number)
    done: dict[int, ScoredParts] = {}
    for numbers in together.values():
        done.update(zip(numbers, _of_one_input(lens, [attributions[number] for number in numbers], by, grid)))
    return [done[number] for number in range(len(attributions))]


def _of_one_input(
    lens: ModelWithProcessor,
    attributions: Sequence[Attribution],
    by: str | None,
    grid: tuple[int, int] | None,
) -> list[ScoredParts]:
    if isinstance(attributions[0], TextAttribution):
        perturbation, scores = _text_parts(lens, attributions, by)
    else:
        perturbation, scores = _image_parts(lens, attributions, by, grid)
    whole = perturbation.logits(torch.ones(1, len(scores[0]), dtype=torch.bool)).double()
    return [
        ScoredParts(perturbation, own.detach().double().cpu(), _scalar(lens, attribution, whole))
        for attribution, own in zip(attributions, scores)
    ]


def _scalar(lens: ModelWithProcessor, attribution: Attribution, whole: Tensor) -> TargetScalar:
    """The explained scalar. Raises InputError where its value for the `whole` input is not that of the attribution."""
    target = attribution.target
    scalar = TargetScalar.of([target], lens.activation)
    value = float(scalar(whole)) if target.index < whole.shape[1] else float("nan")
    if not abs(value - attribution.value) <= ROUNDING * max(1.0, abs(attribution.value)):
        raise InputError(
            f"the attribution explains {str(target)!r} with F(x) = {attribution.value:.4g}, but {lens.name} returns "
            f"{value:.4g} for its input: it is of another model, or was made in windows. Attribute the "
            "whole text with this lens"
        )
    return scalar


def _check_scores(attribution: Attribution) -> None:
    if not bool(torch.isfinite(attribution.scores).all()):
        raise InputError(
            f"the scores of {attribution.how} are not all finite, so they have no ranks; check attribution.scores "
            "and the model's dtype"
        )


# -- texts ----------------------------------------------------------------------------------------------------


def _text_parts(
    lens: ModelWithProcessor, attributions: Sequence[TextAttribution], by: str | None
) -> tuple[TextPerturbation, list[Tensor]]:
    encoded = _encoded(lens, attributions[0])
    together = groups(encoded.tokens, encoded.text, attributions[0].level)
    for attribution in attributions:
        _check_tokens(lens, attribution, encoded, together)
    removable = {place for (place,) in ordinary(lens, encoded.tokens)}
    kept = [[place for place in group if place in removable] for group in together]
    numbers = [number for number, group in enumerate(kept) if group]
    target = attributions[0].target
    perturbation = TextPerturbation(
        lens, encoded, by or "pad", [kept[number] for number in numbers], target.position, target.side
    )
    return perturbation, [attribution.scores[numbers] for attribution in attributions]


def _encoded(lens: ModelWithProcessor, attribution: TextAttribution) -> Encoded:
    if not hasattr(lens, "encode"):
        raise InputError(f"{lens.name} reads images; the attribution of a text needs its own lens")
    text = attribution.text
    if not text:
        raise InputError(
            "the attribution has no text to remove parts from; make it with lens.attribute(text)"
        )
    try:
        return lens.encode(text[0] if len(text) == 1 else text, attribution.target.output)
    except InputError as error:
        raise InputError(f"the whole text of the attribution has to fit the model: {error}") from error


def _check_tokens(
    lens: ModelWithProcessor, attribution: TextAttribution, encoded: Encoded, together: list
) -> None:
    tokens = encoded.tokens
    if attribution.level != "token":
        tokens = tuple(joined([tokens[i] for i in group], encoded.text) for group in together)
    if attribution.tokens != tokens:
        raise InputError(
            f"the attribution is of {len(attribution)} {attribution.level}s, but {lens.name} splits its text into "
            f"{len(tokens)} others; pass the lens of the attribution"
        )


# -- images ---------------------------------------------------------------------------------------------------


def _image_parts(
    lens: ModelWithProcessor,
    attributions: Sequence[ImageAttribution],
    by: str | None,
    grid: tuple[int, int] | None,
) -> tuple[Perturbation, list[Tensor]]:
    from ..attribution.image._perturbation import ImagePerturbation

    if hasattr(lens, "encode"):
        raise InputError(f"{lens.name} reads texts; the attribution of an image needs its own lens")
    first = attributions[0]
    given = first.image if first.pixels is None else first.pixels
    perturbation = ImagePerturbation(lens, given, "blur" if by is None else by, grid)
    return perturbation, [attribution.pooled(*perturbation.grid).flatten() for attribution in attributions]
