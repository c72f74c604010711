"""Infidelity and sensitivity: whether scores predict the effect of perturbations, and change little with the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._checks import integer, number
from ..attribution import _registry
from ..attribution._result import Attribution, ImageAttribution, TextAttribution
from ..attribution.text import _baselines
from ..attribution.text._forward import EmbeddingForward
from ..attribution.text._methods import TextMethodInput
from ..errors import InputError
from ..models._forward import BatchBudget, gradient_mode
from ._perturbation import ScoredParts, listed, parts_of

if TYPE_CHECKING:
    from ..models._protocols import ModelWithProcessor

TOKENS = 1024
"""Tokens that go through the model together, with the activations that a gradient needs."""


class Sensitivity(float):
    """The largest relative change of the scores over samples, with its standard error.

    changes: `[sample]`, the relative change at each perturbation
    standard_error: that of their maximum, by the bootstrap
    """

    def __new__(cls, changes: Tensor) -> Sensitivity:
        return super().__new__(cls, float(changes.max()))

    def __init__(self, changes: Tensor):
        self.changes = changes

    @property
    def standard_error(self) -> float:
        """The bootstrap standard error of the maximum, over samples of the same size with replacement. In closed form:
        the maximum is at most the k-th of n with a probability of (k / n)^n. The true maximum can only be larger."""
        largest = self.changes.double().sort().values
        below = (torch.arange(len(largest) + 1) / len(largest)).double() ** len(largest)
        chance = below.diff()
        mean = (chance * largest).sum()
        return float((chance * (largest - mean) ** 2).sum().sqrt())

    def __repr__(self) -> str:
        return f"{float(self):.4g} ± {self.standard_error:.2g} (the largest of {len(self.changes)} samples)"


def infidelity(
    lens: ModelWithProcessor,
    attribution: Attribution,
    *,
    by: str | None = None,
    n_samples: int = 200,
    normalize: bool = False,
    seed: int = 0,
) -> float:
    """The mean squared error of the scores as a prediction of the effect of perturbations on F; 0 is perfect.

    E over perturbations I of (I . scores - (F(x) - F(x - I)))^2, in squared units of F. I replaces a random half of
    the parts as `by` says: the paper's subset of the difference to a baseline. It suits scores that sum to
    F(x) - F(baseline) with the baseline of `by`; scores with other baselines are measured against a baseline that is
    not theirs.

    attribution: one, of any method.
    by: the replacement of a removed part, as for `faithfulness`.
    n_samples, seed: number and seed of the subsets, which have each part with probability one half.
    normalize: first scale the scores by the factor that minimises the error: the way to compare methods. Scores
        without a unit need it.

    Raises InputError for scores without a unit unless `normalize` is set, and for what `faithfulness` refuses.
    Source: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 2.1 and section 2.2,
    computed by Captum; the optimal scaling is that of their released code.

    >>> infidelity(lens, lens.attribute("not a bad film"))
    """
    from captum import metrics

    (given,) = _single(attribution)
    if not given.signed and not normalize:
        raise InputError(f"scores of {given.how} have no unit and predict no change of F; use normalize=True")
    n_samples = integer("n_samples", n_samples, least=1)
    seed = integer("seed", seed, least=0)
    (parts,) = parts_of(lens, [given], by)
    generator = torch.Generator().manual_seed(seed)

    def perturbed(kept: Tensor) -> tuple[Tensor, Tensor]:
        gone = torch.randint(2, kept.shape, generator=generator).double()
        return gone, kept - gone

    every = torch.ones_like(parts.scores)[None]
    found = metrics.infidelity(
        _number(parts), perturbed, every, parts.scores[None], n_perturb_samples=n_samples, normalize=normalize
    )
    return float(found)


def _number(parts: ScoredParts) -> Callable[[Tensor], Tensor]:
    """F `[row]` with only the kept parts `[row, part]`, where 1 marks a part that stays."""
    return lambda kept: parts.scalar(parts.perturbation.logits(kept > 0.5).double())


def sensitivity(
    lens: ModelWithProcessor,
    attribution: Attribution,
    *,
    radius: float = 0.1,
    n_samples: int = 10,
    seed: int = 0,
    **options: Any,
) -> Sensitivity:
    """The largest change of the scores, relative to their norm, under small perturbations of the input; 0 is best.

    max over perturbations of |scores(x + d) - scores(x)| / |scores(x)|. Each entry of d is uniform within `radius`
    standard deviations of the entries of x: of the text's word embeddings (special tokens stay), or the image's pixels
    as the model receives them. The method runs at each of them, for the same target and from the same baseline.

    attribution: one of a gradient method, with a named baseline.
    radius: in standard deviations of the input's entries; n_samples, seed: number and seed of the perturbations.
    options: those of the method, where the attribution does not use the defaults.

    Raises InputError for other methods and baselines, and an attribution of another lens.
    Source: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 3.1, by Captum's
    `sensitivity_max`, which divides by the norm of the scores.

    >>> sensitivity(lens, lens.attribute("not a bad film", method="gradient_x_input"))
    """
    from captum import metrics

    (explained,) = _single(attribution)
    _check_gradient(explained)
    n_samples = integer("n_samples", n_samples, least=1)
    seed = integer("seed", seed, least=0)
    radius = number("radius", radius, above=0)
    (parts,) = parts_of(lens, [explained])
    build = _text_scores if isinstance(explained, TextAttribution) else _image_scores
    scores_at, point, moves = build(lens, explained, parts, options)
    generator = torch.Generator().manual_seed(seed)
    reach = radius * float(point.std())

    def moved(points: Tensor) -> Tensor:
        noise = torch.rand(points.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return points + reach * noise.to(points) * moves

    seen: list[Tensor] = []

    def explained_at(points: Tensor | tuple[Tensor]) -> Tensor | tuple[Tensor]:
        # Captum passes the input as a tuple, and perturbed inputs as a tensor.
        several = not isinstance(points, tuple)
        scores = scores_at(points if several else points[0])
        seen.append(scores.detach().flatten(1).double())
        return scores if several else (scores,)

    metrics.sensitivity_max(explained_at, point, moved, n_perturb_samples=n_samples)
    here, there = seen[0], torch.cat(seen[1:])
    length = here.norm(dim=1)
    return Sensitivity((there - here).norm(dim=1) / torch.where(length > 0, length, 1.0))


def _text_scores(
    lens: ModelWithProcessor, attribution: TextAttribution, parts: ScoredParts, options: dict[str, Any]
) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """(vectors `[row, token, d]` -> scores `[row, token]`, the vectors of the text, 1 where they may move)"""
    method = _registry.named("text", attribution.method)
    method.check_options(options)
    layer = "embeddings" if attribution.method == "layer_gradient_x_activation" else "word"
    baseline = _baseline(attribution, _baselines.BASELINES) or "pad"

    perturbation = parts.perturbation

    def forward(rows: int) -> EmbeddingForward:
        places = None if perturbation.place is None else [perturbation.place] * rows
        return EmbeddingForward(lens, [perturbation.encoded] * rows, places, perturbation.side, layer)

    def scores(points: Tensor) -> Tensor:
        with gradient_mode(lens.model):
            there, rows = forward(len(points)), len(points)
            start = there.points(_baselines.start(there, baseline))
            together = BatchBudget(TOKENS).rows(points.shape[1])
            inputs = TextMethodInput(there, parts.scalar.repeated(rows), start, points.clone(), together)
            return method.run(inputs, **options).scores

    with gradient_mode(lens.model):
        there = forward(1)
        point = there.points(there.vectors())
    moves = torch.zeros_like(point[:, :, :1])
    moves[:, [place for group in parts.perturbation.groups for place in group]] = 1.0
    return scores, point, moves


def _image_scores(
    lens: ModelWithProcessor, attribution: ImageAttribution, parts: ScoredParts, options: dict[str, Any]
) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """(pixels `[row, channel, height, width]` -> scores `[row, height, width]`, the pixels of the image, 1)"""
    from ..attribution.image._baselines import BASELINES, image_baseline
    from ..attribution.image._explain import attribute_image

    baseline, picture = _baseline(attribution, BASELINES), parts.perturbation.picture
    if (
        baseline is not None
    ):  # computed once: a perturbed picture may exceed black and white, and has another blur
        options = options | {"baseline": image_baseline(lens, picture, baseline, options.get("seed", 0))}

    def scores(points: Tensor) -> Tensor:
        moved = attribute_image(lens, list(points), attribution.target, method=attribution.method, **options)
        return torch.stack([one.scores for one in moved])

    return scores, picture.pixels[None], torch.ones(())


# -- checks ---------------------------------------------------------------------------------------------------


def _single(attribution: Attribution) -> list[Attribution]:
    found = listed(attribution)
    if len(found) != 1 or not isinstance(attribution, Attribution):
        raise InputError(
            "this measures one attribution at a time; use [infidelity(lens, one) for one in attributions]"
        )
    return found


def _check_gradient(attribution: Attribution) -> None:
    kind = _kind(attribution)
    if not _registry.named(kind, attribution.method).differentiates:
        known = (method.name for method in _registry.methods(kind).values() if method.differentiates)
        raise InputError(
            f"sensitivity runs a method again at points near the input; {attribution.how} is no function of vectors "
            f"or pixels. Use one of: {', '.join(known)}"
        )
    if getattr(attribution, "level", "token") != "token":
        raise InputError(
            f"sensitivity compares tokens; attribute with level='token', not {attribution.level!r}"
        )


def _kind(attribution: Attribution) -> str:
    return "text" if isinstance(attribution, TextAttribution) else "image"


def _baseline(attribution: Attribution, names: tuple[str, ...]) -> str | None:
    """The name of the attribution's baseline; None where its method has none, or a fixed one."""
    if "baseline" not in _registry.named(_kind(attribution), attribution.method).needs:
        return None
    if attribution.baseline not in names:
        raise InputError(
            f"an attribution does not store the baseline {attribution.baseline}; sensitivity needs a named one: "
            f"{', '.join(names)}"
        )
    return attribution.baseline
