"""The attribution methods for images, each a function of an `ImageMethodInput`; its keywords are its options.

Captum computes gradients, ablations and Shapley values of the model as a function of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..._checks import as_integer, integer, number
from ...analysis import rollout as attention_rollout
from ...data._trace import Trace
from ...errors import CaptureError, InputError
from .._options import FIXED_TOLERANCE, MAX_STEPS, TOLERANCE, ScalarModule, quiet, seeded
from .._registry import MethodScores, method
from .._relevance import gradient_rollout as gradient_attention_rollout
from .._relevance import relevance as attention_relevance
from .._result import SMALL_CHANGE, gap_of, scaled_gap
from .._target import TargetScalar
from ._baselines import image_baseline, name_of
from ._forward import PixelForward
from ._geometry import Picture

if TYPE_CHECKING:
    from ...models._protocols import ImageModel
    from .._integrated_gradients import ErrorEstimate

MOST_ROUNDS = 3
"""Limit of the rounds in which paths from several baselines are integrated, each more exact, until their mean is."""


@dataclass(eq=False)
class ImageMethodInput:
    """The input of a method: a batch of one image, and the scalar F that is explained.

    rows: how many pictures or points of a path go through the model together
    """

    forward: PixelForward
    target: TargetScalar
    picture: Picture
    rows: int

    @property
    def lens(self) -> ImageModel:
        return self.forward.lens

    @property
    def pixels(self) -> Tensor:
        """`[1, channel, height, width]`"""
        return self.picture.pixels[None]

    def scalar(self, pixels: Tensor) -> Tensor:
        """F, `[row]`, at pixels `[row, channel, height, width]`."""
        return self.target(self.forward.logits(pixels))

    def scalar_at_alpha(self, alphas: Tensor, starts: Tensor) -> Tensor:
        """F with every pixel at the fraction alpha, `[row, height, width]`, of its path from `starts` to the picture.

        Its integrated gradients are those of the channels summed over each pixel, and so are their errors.
        """
        return self.target(self.forward.logits(torch.lerp(starts, self.pixels, alphas.unsqueeze(1))))

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a cell in pixels, rounded up."""
        (height, width), (rows, cols) = self.pixels.shape[-2:], self.picture.grid
        return -(-height // rows), -(-width // cols)

    def at(self, pixels: Tensor) -> Tensor:
        """F, `[row]` in float64 on the CPU."""
        with torch.no_grad():
            return torch.cat([self.scalar(row[None]).double().cpu() for row in pixels])

    def change_from(self, start: Tensor) -> Tensor:
        """F at the picture minus F at `start` `[1, channel, height, width]`, `[1]`."""
        return self.at(self.pixels) - self.at(start)

    def baselines(self, kind: Any, seed: int) -> tuple[Tensor, str]:
        """(`[baseline, channel, height, width]`, their name); black by default, zero where no colours are known."""
        kind = ("black" if self.picture.has_colours else "zero") if kind is None else kind
        kinds = kind if isinstance(kind, list | tuple) else [kind]
        if not len(kinds):
            raise InputError("baseline=[] names no baseline; omit it for 'black'")
        starts = [image_baseline(self.lens, self.picture, one, seed) for one in kinds]
        return torch.stack(starts).to(self.pixels), name_of(kind)

    def baseline(self, kind: Any, seed: int) -> tuple[Tensor, str]:
        """(`[1, channel, height, width]`, its name), of a method that takes one."""
        if isinstance(kind, list | tuple):
            raise InputError(
                "this method takes one baseline; integrated_gradients averages over a list of them"
            )
        return self.baselines(kind, seed)


# -- from a baseline to the picture ---------------------------------------------------------------------------


@method(signed=True, complete=True, needs=("gradients", "baseline"), inputs="image", by_default=True)
def integrated_gradients(
    inputs: ImageMethodInput, *, baseline: Any = None, tolerance: float | None = None, max_steps: int | None = None,
    n_steps: int | None = None, seed: int = 0,
) -> MethodScores:  # fmt: skip
    """Sundararajan et al. 2017, eq. 1, summed over channels: adaptive; with `n_steps` Captum's fixed number of
    steps. For several baselines the mean of their scores, as in expected gradients (Erion et al. 2021).

    tolerance: limit of gap and estimated error, `TOLERANCE` by default. With `n_steps` it adds no steps: it is the
        largest gap that counts as converged, `FIXED_TOLERANCE` by default.
    max_steps: limit of each adaptive path, `MAX_STEPS` by default
    """
    from .._integrated_gradients import AdaptiveIntegratedGradients

    starts, name = inputs.baselines(baseline, seed)
    if n_steps is not None:
        if max_steps is not None:
            raise InputError("max_steps is a limit and n_steps a fixed number; pass one of them")
        return _fixed(inputs, starts, name, n_steps, FIXED_TOLERANCE if tolerance is None else tolerance)
    tolerance = TOLERANCE if tolerance is None else tolerance
    asked, steps, alphas = tolerance, 0, torch.ones_like(starts[:, 0])
    for _ in range(MOST_ROUNDS):
        paths, estimate = AdaptiveIntegratedGradients(inputs.scalar_at_alpha).attribute(
            alphas, additional_forward_args=(starts,), tolerance=asked, internal_batch_size=inputs.rows,
            max_steps=MAX_STEPS if max_steps is None else max_steps, return_estimate=True,
        )  # fmt: skip
        scores = _mean_of_paths(paths.double(), estimate)
        steps += scores.steps[0]
        worst = max(_sum_error(scores), float(scores.estimated_error))
        if worst <= tolerance or not bool(estimate.converged.all()) or len(starts) == 1:
            break
        # Scores and changes of several paths cancel in the mean, their errors do not.
        asked = max(asked * 0.5 * tolerance / worst, tolerance / 100)
    return replace(scores, baseline=name, steps=[steps], tolerance=tolerance)


def _mean_of_paths(paths: Tensor, estimate: ErrorEstimate) -> MethodScores:
    """The mean over paths `[path, height, width]`; its estimated error is the sum of theirs."""
    scores, sizes = paths.mean(0), paths.abs().sum((1, 2)).cpu()
    error = (estimate.error.cpu() * sizes).mean() / float(scores.abs().sum().clamp(min=1e-30))
    return MethodScores(scores[None], estimate.change.mean()[None], error[None], [int(estimate.steps.sum())])


def _sum_error(batch: MethodScores) -> float:
    """The gap as it is judged, see `Attribution.sum_error`."""
    total, change = float(batch.scores.sum()), float(batch.change)
    return scaled_gap(gap_of(total, change), total, change, SMALL_CHANGE * float(batch.scores.abs().sum()))


def _fixed(
    inputs: ImageMethodInput, starts: Tensor, name: str, n_steps: int, tolerance: float
) -> MethodScores:
    from captum.attr import IntegratedGradients

    n_steps = integer("n_steps", n_steps, least=1)
    tolerance = number("tolerance", tolerance, above=0)
    ends = inputs.pixels.expand_as(starts)
    parts = IntegratedGradients(inputs.scalar).attribute(
        ends, starts, n_steps=n_steps, internal_batch_size=max(inputs.rows, len(ends))
    )
    change = inputs.at(inputs.pixels) - inputs.at(starts).mean()
    scores = parts.detach().double().sum(1).mean(0, keepdim=True)
    return MethodScores(scores, change, steps=[n_steps * len(ends)], tolerance=tolerance, baseline=name)


# -- gradients at the picture ---------------------------------------------------------------------------------


@method(signed=False, complete=False, needs="gradients", inputs="image", by_default=True)
def gradient(inputs: ImageMethodInput) -> MethodScores:
    """Simonyan et al. 2014, section 3.1: the largest absolute gradient of a pixel's channels."""
    from captum.attr import Saliency

    with quiet():
        parts = Saliency(inputs.scalar).attribute(inputs.pixels)
    return MethodScores(parts.amax(1), steps=[1], baseline=None)


@method(signed=True, complete=False, needs="gradients", inputs="image")
def gradient_x_input(inputs: ImageMethodInput) -> MethodScores:
    """Gradient times pixel, summed over channels: the first-order estimate of the drop of F to the zero input."""
    from captum.attr import InputXGradient

    with quiet():
        parts = InputXGradient(inputs.scalar).attribute(inputs.pixels)
    change = inputs.change_from(torch.zeros_like(inputs.pixels))
    return MethodScores(parts.sum(1).detach(), change, steps=[1], baseline="zero")


@method(signed=False, complete=False, needs=("gradients", "sampling"), inputs="image", by_default=True)
def smoothgrad(
    inputs: ImageMethodInput, *, n_samples: int = 25, noise: float = 0.15, seed: int = 0
) -> MethodScores:
    """Smilkov et al. 2017, section 2: the gradient averaged over pictures with Gaussian noise of standard deviation
    `noise` times the range of the pixels; then, as `gradient`, its largest absolute value over channels."""
    from captum.attr import NoiseTunnel, Saliency

    n_samples = integer("n_samples", n_samples, least=1)
    noise = number("noise", noise, above=0)
    spread = noise * float(inputs.pixels.max() - inputs.pixels.min())

    with quiet(), seeded(seed, inputs.pixels.device):
        parts = NoiseTunnel(Saliency(inputs.scalar)).attribute(
            inputs.pixels, nt_type="smoothgrad", nt_samples=n_samples,
            nt_samples_batch_size=min(inputs.rows, n_samples), stdevs=spread, abs=False,
        )  # fmt: skip
    return MethodScores(parts.abs().amax(1), steps=[n_samples], baseline=None)


@method(signed=False, complete=False, needs="gradients", inputs="image")
def guided_backprop(inputs: ImageMethodInput) -> MethodScores:
    """Springenberg et al. 2015, section 3: the gradient, of which every ReLU passes on the positive part only.

    Raises InputError for a model without ReLU modules.
    """
    from captum.attr import GuidedBackprop

    if not any(isinstance(module, nn.ReLU) for module in inputs.lens.model.modules()):
        raise InputError(
            f"guided_backprop changes nn.ReLU modules, and {type(inputs.lens.model).__name__} has none (a function, "
            "torch.relu, cannot be changed, and a GELU has no such rule); use gradient or smoothgrad"
        )
    with quiet():
        parts = GuidedBackprop(ScalarModule(inputs.lens.model, inputs.scalar)).attribute(inputs.pixels)
    return MethodScores(parts.detach().abs().amax(1), steps=[1], baseline=None)


# -- class activation maps ------------------------------------------------------------------------------------


@method(signed=False, complete=False, needs="gradients", inputs="image", by_default=True)
def grad_cam(inputs: ImageMethodInput, *, layer: Any = None) -> MethodScores:
    """Selvaraju et al. 2017: the last feature map, weighted by the gradient; negative values are set to zero."""
    from . import _cam

    return _activation_map(inputs, layer, _cam.grad_cam)


@method(signed=False, complete=False, needs="gradients", inputs="image")
def grad_cam_plus_plus(inputs: ImageMethodInput, *, layer: Any = None) -> MethodScores:
    """Chattopadhay et al. 2018: as Grad-CAM, with a weight for every location of a map."""
    from . import _cam

    return _activation_map(inputs, layer, _cam.grad_cam_plus_plus)


def _activation_map(
    inputs: ImageMethodInput, layer: Any, weigh: Callable[[Tensor, Tensor], Tensor]
) -> MethodScores:
    from . import _cam

    try:
        grid = _trace(inputs).patches
    except CaptureError:  # a convolutional network
        grid = None
    place = _cam.find(inputs.lens.model, lambda: inputs.at(inputs.pixels), grid, layer)
    maps = weigh(*place.maps(inputs.scalar, inputs.pixels)).relu()
    large = nn.functional.interpolate(maps, inputs.pixels.shape[-2:], mode="bilinear", align_corners=False)
    return MethodScores(large[:, 0], steps=[1], baseline=None)


# -- without parts of the picture -----------------------------------------------------------------------------


@method(signed=True, complete=False, needs=("removals", "baseline"), inputs="image")
def occlusion(
    inputs: ImageMethodInput, *, baseline: Any = None, window: Any = None, stride: Any = None, seed: int = 0
) -> MethodScores:
    """Zeiler and Fergus 2014, section 4: the drop of F when the baseline covers a window, spread evenly over it.

    window, stride: (height, width) in pixels, or one number for both; those of a patch by default. Where windows
    overlap, the score of a pixel is their mean; the drop of a window cut off at the edge is spread over the rest of it.
    """
    start, name = inputs.baseline(baseline, seed)
    window = inputs.patch if window is None else _pair("window", window, inputs)
    stride = window if stride is None else _pair("stride", stride, inputs)
    if stride[0] > window[0] or stride[1] > window[1]:
        raise InputError(f"stride {stride} leaves pixels between windows of {window}; pass a smaller stride")
    sizes = zip(inputs.pixels.shape[-2:], window, stride)
    down, across = (_windows(*size).to(inputs.pixels.device) for size in sizes)
    lost = inputs.at(inputs.pixels) - _covered(inputs, start, down, across)
    down, across = down.double(), across.double()
    spread = lost.to(down).reshape(len(down), -1) / torch.outer(down.sum(1), across.sum(1))
    scores = down.T @ spread @ across / torch.outer(down.sum(0), across.sum(0))
    return MethodScores(scores[None], inputs.change_from(start), steps=[0], baseline=name)


def _windows(size: int, window: int, stride: int) -> Tensor:
    """The pixels of each window along one axis, bool `[window, pixel]`. The windows are those of Captum's Occlusion,
    which does not return how many pixels the last one covers where it is cut off at the edge."""
    starts = torch.arange(-(-(size - window) // stride) + 1)[:, None] * stride
    places = torch.arange(size)
    return (starts <= places) & (places < starts + window)


def _covered(inputs: ImageMethodInput, start: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """F with each window at the baseline, `[window]` in float64, row by row."""
    values = []
    for numbers in torch.arange(len(down) * len(across), device=down.device).split(inputs.rows):
        covered = down[numbers // len(across), :, None] & across[numbers % len(across), None]
        with torch.no_grad():
            values.append(inputs.scalar(torch.where(covered[:, None], start, inputs.pixels)))
    return torch.cat(values).double().cpu()


@method(signed=True, complete=True, needs=("removals", "sampling", "baseline"), inputs="image")
def shapley(
    inputs: ImageMethodInput, *, baseline: Any = None, grid: Any = None, n_samples: int = 25, seed: int = 0
) -> MethodScores:
    """Castro et al. 2009: the mean gain of each cell over `n_samples` random orders in which cells replace the
    baseline, spread evenly over its pixels; grid: (rows, cols), the model's patches by default. The result keeps the
    gains of each order; `attribution.standard_error` estimates the error of their mean."""
    from captum.attr import ShapleyValueSampling

    from ._perturbation import checked

    n_samples = integer("n_samples", n_samples, least=1)
    start, name = inputs.baseline(baseline, seed)
    cells = inputs.picture.cells(inputs.picture.grid if grid is None else checked(grid, inputs.picture))

    mask = cells[None, None].expand_as(inputs.pixels).contiguous()

    sampler = ShapleyValueSampling(inputs.scalar)
    with torch.no_grad(), quiet(), seeded(seed, cells.device):
        orders = [
            sampler.attribute(
                inputs.pixels, start, feature_mask=mask, n_samples=1, perturbations_per_eval=inputs.rows
            )
            for _ in range(n_samples)
        ]
    samples = torch.stack(orders)[:, :, 0].double() / cells.flatten().bincount()[cells]
    return MethodScores(samples.mean(0), inputs.change_from(start), samples=samples, steps=[0], baseline=name)


# -- attention ------------------------------------------------------------------------------------------------


@method(signed=False, complete=False, needs="attention", inputs="image")
def rollout(inputs: ImageMethodInput) -> MethodScores:
    """`al.rollout`, from the positions that the prediction depends on: the same for every class."""
    return _of_attention(inputs, lambda trace, row: attention_rollout(trace, row=row))


@method(signed=False, complete=False, needs=("attention", "gradients"), inputs="image")
def relevance(inputs: ImageMethodInput) -> MethodScores:
    """`al.attribution.relevance`, from the positions that the prediction depends on."""
    return _of_attention(inputs, _followed(inputs, attention_relevance))


@method(signed=False, complete=False, needs=("attention", "gradients"), inputs="image")
def gradient_rollout(inputs: ImageMethodInput) -> MethodScores:
    """`al.attribution.gradient_rollout`, from the positions that the prediction depends on."""
    return _of_attention(inputs, _followed(inputs, gradient_attention_rollout))


def _followed(inputs: ImageMethodInput, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda trace, row: function(inputs.lens, inputs.picture.pixels, trace.target, row=row)


def _of_attention(inputs: ImageMethodInput, shares_of: Callable[..., Tensor]) -> MethodScores:
    """The patches' shares in the positions that the prediction depends on: the class token, or the mean of all."""
    try:
        trace = _trace(inputs, target=int(inputs.target.index))
    except CaptureError as error:
        raise InputError(
            f"this method follows attention, and none was recorded in {type(inputs.lens.model).__name__}; a "
            "convolutional network has gradients and feature maps: grad_cam, integrated_gradients, smoothgrad"
        ) from error
    grid = trace.patches
    if grid is None:
        raise InputError(
            f"{inputs.lens.name} attends over an unknown grid of patches; pass it: "
            "Lens(model, patches=(rows, cols))"
        )
    readers = _readers(trace)
    shares = shares_of(trace, readers[0]) if len(readers) == 1 else shares_of(trace, None)[readers].mean(0)
    patches = shares[len(grid.leading) :].to(inputs.pixels.device)
    scores = patches[inputs.picture.cells((grid.rows, grid.cols))]
    return MethodScores(scores[None], steps=[1], baseline=None)


def _readers(trace: Trace) -> list[int]:
    """Positions of the last attention whose output the logit depends on; for the others the gradient is zero."""
    values = trace.layers[-1].values
    used = (
        [] if values is None or values.gradient is None else (values.gradient != 0).any(-1).any(0).nonzero()
    )
    return [int(position) for position in used] or list(range(trace[-1].queries))


# -- helpers ---------------------------------------------------------------------------------------------------


def _trace(inputs: ImageMethodInput, **options: Any) -> Trace:
    return next(inputs.lens.traces([inputs.picture.pixels], **options))


def _pair(name: str, value: Any, inputs: ImageMethodInput) -> tuple[int, int]:
    """(height, width) within the picture. Raises InputError for anything else."""
    pair: Sequence = value if isinstance(value, list | tuple) else (value, value)
    height, width = inputs.pixels.shape[-2:]
    sizes = [as_integer(size) for size in pair]
    fits = len(sizes) == 2 and all(size is not None and size > 0 for size in sizes)
    if not fits or sizes[0] > height or sizes[1] > width:
        raise InputError(
            f"{name} must be (height, width) in pixels, at most {height} x {width}, or one number for both, not "
            f"{value!r}"
        )
    return sizes[0], sizes[1]
