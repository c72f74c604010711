"""The methods that attribute an image, each a function of a `Job`; its keywords are the options that it takes.

Captum computes gradients, ablations and Shapley values; all of them see the model as a function of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...analysis._rollout import rollout as roll
from ...data._trace import Trace
from ...errors import CaptureError, InputError
from ...models._forward import Budget
from .._options import FIXED_TOLERANCE, MAX_STEPS, TOLERANCE, positive, quiet, seeded, whole
from .._relevance import gradient_rollout as gradient_roll
from .._relevance import relevance as chefer
from .._result import SMALL_CHANGE, gap_of, sampling_error, scaled_gap
from ..text._forward import Asked
from ._baselines import image_baseline, name_of
from ._forward import ImageAnswer, Picture, tokens_of

if TYPE_CHECKING:
    from ...models._protocols import ImageModel

MOST_ROUNDS = 3
"""Times that paths from several baselines are integrated, more exactly each time, until their mean is exact enough."""


@dataclass(eq=False)
class Job:
    """What a method works on: one picture, and the number of the model's answer that is explained."""

    lens: ImageModel
    picture: Picture
    asked: Asked
    budget: Budget

    @property
    def pixels(self) -> Tensor:
        """`[1, channel, height, width]`"""
        return self.picture.pixels[None]

    @property
    def number(self) -> Callable[[Tensor], Tensor]:
        """F(pixels) -> `[row]`."""
        return ImageAnswer(self.lens).number(self.asked)

    def number_by_share(self, starts: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """F(shares, numbers) with every pixel a share, `[row, height, width]`, of its way from a start to the picture.

        Its integrated gradients are those of the channels summed over each pixel, and so are their errors.
        """

        def forward(shares: Tensor, numbers: Tensor) -> Tensor:
            return self.number(torch.lerp(starts[numbers], self.pixels, shares.unsqueeze(1)))

        return forward

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a cell in pixels, rounded up."""
        (height, width), (rows, cols) = self.pixels.shape[-2:], self.picture.grid
        return -(-height // rows), -(-width // cols)

    def at(self, pixels: Tensor) -> Tensor:
        """F, `[row]` in float64."""
        with torch.no_grad():
            return torch.cat([self.number(row[None]).double().cpu() for row in pixels])

    def batched(self, run: Callable[[int], Any]) -> Any:
        """`run` with so many pictures at a time, fewer if memory runs out."""
        length = tokens_of(self.pixels, self.picture.grid)
        return self.budget.fit(run, self.budget.rows(length))

    def baselines(self, kind: Any, seed: int) -> tuple[Tensor, str]:
        """(`[baseline, channel, height, width]`, their name); black by default, zero where no colours are known."""
        kind = ("black" if self.picture.has_colours else "zero") if kind is None else kind
        kinds = kind if isinstance(kind, list | tuple) else [kind]
        if not len(kinds):
            raise InputError("baseline=[] names none; leave it away for 'black'")
        found = [image_baseline(self.lens, self.picture, one, seed) for one in kinds]
        return torch.stack(found).to(self.pixels), name_of(kind)

    def baseline(self, kind: Any, seed: int) -> tuple[Tensor, str]:
        """(`[1, channel, height, width]`, its name), of a method that takes one."""
        if isinstance(kind, list | tuple):
            raise InputError(
                "this method takes one baseline; integrated_gradients averages over a list of them"
            )
        return self.baselines(kind, seed)


@dataclass(eq=False)
class Found:
    """Scores `[height, width]` and what the method knows of their error (see `Attribution`)."""

    scores: Tensor
    baseline: str | None = None
    change: float | None = None
    estimated_error: float | None = None
    steps: int = 0
    tolerance: float | None = None
    samples: Tensor | None = None  # [sample, height, width]

    @property
    def gap(self) -> float | None:
        """Of the sum of the scores, where there is a change that they are measured by."""
        return None if self.change is None else gap_of(float(self.scores.double().sum()), self.change)

    @property
    def sum_error(self) -> float:
        """The gap as it is judged, see `Attribution.sum_error`."""
        scores = self.scores.double()
        return scaled_gap(
            self.gap, float(scores.sum()), self.change, SMALL_CHANGE * float(scores.abs().sum())
        )


# -- gradients at the picture ---------------------------------------------------------------------------------


def gradient(job: Job) -> Found:
    """Simonyan et al. 2014, section 3.1: the largest absolute gradient of a pixel's channels."""
    from captum.attr import Saliency

    with quiet():
        parts = Saliency(job.number).attribute(job.pixels)
    return Found(parts[0].amax(0), steps=1)


def gradient_x_input(job: Job) -> Found:
    """Gradient times pixel, summed over channels: the first-order estimate of what F loses when all becomes zero."""
    from captum.attr import InputXGradient

    with quiet():
        parts = InputXGradient(job.number).attribute(job.pixels)
    change = job.at(torch.cat([job.pixels, torch.zeros_like(job.pixels)]))
    return Found(parts[0].sum(0).detach(), "zero", float(change[0] - change[1]), steps=1)


def smoothgrad(job: Job, *, n_samples: int = 25, noise: float = 0.15, seed: int = 0) -> Found:
    """Smilkov et al. 2017, section 2: the gradient averaged over pictures with noise, whose standard deviation is
    `noise` times the range of the pixels; then, as `gradient`, its largest absolute value over channels."""
    from captum.attr import NoiseTunnel, Saliency

    whole("n_samples", n_samples)
    positive("noise", noise)
    spread = noise * float(job.pixels.max() - job.pixels.min())

    def run(rows: int) -> Tensor:
        with quiet(), seeded(seed, job.pixels.device):
            return NoiseTunnel(Saliency(job.number)).attribute(
                job.pixels, nt_type="smoothgrad", nt_samples=n_samples, nt_samples_batch_size=min(rows, n_samples),
                stdevs=spread, abs=False,
            )  # fmt: skip

    return Found(job.batched(run)[0].abs().amax(0), steps=n_samples)


def guided_backprop(job: Job) -> Found:
    """Springenberg et al. 2015, section 3: the gradient, of which every ReLU passes on what is positive only.

    Raises InputError for a model without ReLU modules.
    """
    from captum.attr import GuidedBackprop

    if not any(isinstance(module, nn.ReLU) for module in job.lens.model.modules()):
        raise InputError(
            f"guided_backprop changes nn.ReLU modules, and {type(job.lens.model).__name__} has none (a function, "
            "torch.relu, cannot be changed, and a GELU has no such rule); use gradient or smoothgrad"
        )
    with quiet():
        parts = GuidedBackprop(_Module(job)).attribute(job.pixels)
    return Found(parts[0].detach().abs().amax(0), steps=1)


# -- class activation maps ------------------------------------------------------------------------------------


def grad_cam(job: Job, *, layer: Any = None) -> Found:
    """Selvaraju et al. 2017: the last feature map, weighted by the gradient; what speaks against is cut off."""
    from . import _cam

    return _activation_map(job, layer, _cam.grad_cam)


def grad_cam_plus_plus(job: Job, *, layer: Any = None) -> Found:
    """Chattopadhay et al. 2018: as Grad-CAM, with a weight for every place of a map."""
    from . import _cam

    return _activation_map(job, layer, _cam.grad_cam_plus_plus)


def _activation_map(job: Job, layer: Any, weigh: Callable[[Tensor, Tensor], Tensor]) -> Found:
    from . import _cam

    try:
        grid = _trace(job).patches
    except CaptureError:  # a convolutional network
        grid = None
    place = _cam.find(job.lens.model, lambda: job.at(job.pixels), grid, layer)
    maps = weigh(*place.maps(job.number, job.pixels)).relu()
    large = nn.functional.interpolate(maps, job.pixels.shape[-2:], mode="bilinear", align_corners=False)
    return Found(large[0, 0], steps=1)


# -- from a baseline to the picture ---------------------------------------------------------------------------


def integrated_gradients(
    job: Job, *, baseline: Any = None, tolerance: float | None = None, max_steps: int | None = None,
    n_steps: int | None = None, seed: int = 0,
) -> Found:  # fmt: skip
    """Sundararajan et al. 2017, eq. 1, summed over channels: in as many steps as the tolerance needs; with `n_steps`
    Captum's fixed number. Over several baselines the mean, as expected gradients (Erion et al. 2021) have it.

    tolerance: of gap and estimated error, `TOLERANCE` by default. With `n_steps` it changes no step: it is the gap up
        to which these were enough, `FIXED_TOLERANCE` by default.
    max_steps: of each adaptive path, `MAX_STEPS` by default
    """
    starts, name = job.baselines(baseline, seed)
    if n_steps is not None:
        if max_steps is not None:
            raise InputError("max_steps is a limit and n_steps a fixed number; give one of them")
        return _fixed(job, starts, name, n_steps, FIXED_TOLERANCE if tolerance is None else tolerance)
    tolerance = TOLERANCE if tolerance is None else tolerance
    asked, steps = tolerance, 0
    for _ in range(MOST_ROUNDS):
        found, done = _adaptive(job, starts, asked, MAX_STEPS if max_steps is None else max_steps)
        steps += found.steps
        worst = max(found.sum_error, found.estimated_error)
        if worst <= tolerance or not done or len(starts) == 1:
            break
        # Scores and changes of several paths cancel in the mean, their errors do not.
        asked = max(asked * 0.5 * tolerance / worst, tolerance / 100)
    return replace(found, baseline=name, steps=steps, tolerance=tolerance)


def _adaptive(job: Job, starts: Tensor, tolerance: float, max_steps: int) -> tuple[Found, bool]:
    """The mean over the paths, its errors being bounds; and whether each path converged."""
    from .._integrated_gradients import AdaptiveIntegratedGradients

    shares, numbers = torch.ones_like(starts[:, 0]), torch.arange(len(starts), device=starts.device)
    each, estimate = job.batched(
        lambda rows: AdaptiveIntegratedGradients(job.number_by_share(starts)).attribute(
            shares, additional_forward_args=(numbers,), tolerance=tolerance, max_steps=max_steps,
            internal_batch_size=rows, return_estimate=True,
        )
    )  # fmt: skip
    each = each.double()
    scores, sizes = each.mean(0), each.abs().sum((1, 2)).cpu()
    off, size = (estimate.error.cpu() * sizes).mean(), scores.abs().sum().clamp(min=1e-30)
    change, steps = float(estimate.change.mean()), int(estimate.steps.sum())
    found = Found(scores, None, change, float(off) / float(size), steps)
    return found, bool(estimate.converged.all())


def _fixed(job: Job, starts: Tensor, name: str, n_steps: int, tolerance: float) -> Found:
    from captum.attr import IntegratedGradients

    whole("n_steps", n_steps)
    positive("tolerance", tolerance)
    ends = job.pixels.expand_as(starts)
    parts = job.batched(
        lambda rows: IntegratedGradients(job.number).attribute(
            ends, starts, n_steps=n_steps, internal_batch_size=max(rows, len(ends))
        )
    )
    change = float(job.at(job.pixels) - job.at(starts).mean())
    scores = parts.detach().double().sum(1).mean(0)
    return Found(scores, name, change, steps=n_steps * len(ends), tolerance=tolerance)


# -- without parts of the picture -----------------------------------------------------------------------------


def occlusion(
    job: Job, *, baseline: Any = None, window: Any = None, stride: Any = None, seed: int = 0
) -> Found:
    """Zeiler and Fergus 2014, section 4: what F loses when the baseline covers a window, spread evenly over it.

    window, stride: (height, width) in pixels, or one number for both; those of a patch by default. Where windows
    overlap, a pixel gets the mean of those that cover it; one that the edge cuts off is spread over what is left of it.
    """
    start, name = job.baseline(baseline, seed)
    window = job.patch if window is None else _pair("window", window, job)
    stride = window if stride is None else _pair("stride", stride, job)
    if stride[0] > window[0] or stride[1] > window[1]:
        raise InputError(f"stride {stride} leaves pixels between windows of {window}; give a smaller one")
    sizes = zip(job.pixels.shape[-2:], window, stride)
    down, across = (_windows(*size).to(job.pixels.device) for size in sizes)
    lost = job.at(job.pixels) - job.batched(lambda rows: _covered(job, start, down, across, rows))
    down, across = down.double(), across.double()
    spread = lost.to(down).reshape(len(down), -1) / torch.outer(down.sum(1), across.sum(1))
    scores = down.T @ spread @ across / torch.outer(down.sum(0), across.sum(0))
    return Found(scores, name, float(job.at(job.pixels) - job.at(start)))


def _windows(size: int, window: int, stride: int) -> Tensor:
    """Where each window lies along one axis, bool `[window, pixel]`: placed as by Captum's Occlusion, which does not
    say how many pixels the last one covers, where the edge cuts it off."""
    starts = torch.arange(-(-(size - window) // stride) + 1)[:, None] * stride
    places = torch.arange(size)
    return (starts <= places) & (places < starts + window)


def _covered(job: Job, start: Tensor, down: Tensor, across: Tensor, rows: int) -> Tensor:
    """F with each window at the baseline, `[window]` in float64, row by row."""
    found = []
    for numbers in torch.arange(len(down) * len(across), device=down.device).split(rows):
        covered = down[numbers // len(across), :, None] & across[numbers % len(across), None]
        with torch.no_grad():
            found.append(job.number(torch.where(covered[:, None], start, job.pixels)))
    return torch.cat(found).double().cpu()


def shapley(job: Job, *, baseline: Any = None, grid: Any = None, n_samples: int = 25, seed: int = 0) -> Found:
    """Castro et al. 2009: the mean gain of each cell over `n_samples` random orders in which cells take the place of
    the baseline, spread evenly over its pixels; grid: (rows, cols), the model's patches by default. The result holds
    what each order gave: `attribution.standard_error` is how far the mean may be off."""
    from captum.attr import ShapleyValueSampling

    from ._perturbation import checked

    whole("n_samples", n_samples)
    start, name = job.baseline(baseline, seed)
    cells = job.picture.cells(job.picture.grid if grid is None else checked(grid, job.picture))

    mask = cells[None, None].expand_as(job.pixels).contiguous()

    def run(rows: int) -> Tensor:
        sampler = ShapleyValueSampling(job.number)
        with torch.no_grad(), quiet(), seeded(seed, cells.device):
            orders = [
                sampler.attribute(
                    job.pixels, start, feature_mask=mask, n_samples=1, perturbations_per_eval=rows
                )
                for _ in range(n_samples)
            ]
        return torch.cat(orders)[:, 0]

    samples = job.batched(run).double() / cells.flatten().bincount()[cells]
    scores, change = samples.mean(0), float(job.at(job.pixels) - job.at(start))
    error = sampling_error(samples, scores)
    return Found(scores, name, change, estimated_error=error, samples=samples.float().cpu())


# -- attention ------------------------------------------------------------------------------------------------


def rollout(job: Job) -> Found:
    """`al.rollout`, from where the model reads its answer: the same for every class."""
    return _of_attention(job, lambda trace, row: roll(trace, row=row))


def relevance(job: Job) -> Found:
    """`al.attribution.relevance`, from where the model reads its answer."""
    return _of_attention(job, _followed(job, chefer))


def gradient_rollout(job: Job) -> Found:
    """`al.attribution.gradient_rollout`, from where the model reads its answer."""
    return _of_attention(job, _followed(job, gradient_roll))


def _followed(job: Job, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda trace, row: function(job.lens, job.picture.pixels, trace.target, row=row)


def _of_attention(job: Job, found: Callable[..., Tensor]) -> Found:
    """The patches' shares in the positions that the answer is read from: the class token, or all in a mean."""
    try:
        trace = _trace(job, target=int(job.asked.index))
    except CaptureError as error:
        raise InputError(
            f"this method follows attention, and none was heard in {type(job.lens.model).__name__}; a convolutional "
            "network has gradients and feature maps: grad_cam, integrated_gradients, smoothgrad"
        ) from error
    grid = trace.patches
    if grid is None:
        raise InputError(
            f"{job.lens.name} attends over no grid of patches that is known; give it: Lens(model, patches=(rows, cols))"
        )
    readers = _readers(trace)
    shares = found(trace, readers[0]) if len(readers) == 1 else found(trace, None)[readers].mean(0)
    patches = shares[len(grid.leading) :].to(job.pixels.device)
    return Found(patches[job.picture.cells((grid.rows, grid.cols))], steps=1)


def _readers(trace: Trace) -> list[int]:
    """Positions of the last attention whose answer the logit depends on: of the others the gradient is zero."""
    values = trace.layers[-1].values
    used = (
        [] if values is None or values.gradient is None else (values.gradient != 0).any(-1).any(0).nonzero()
    )
    return [int(position) for position in used] or list(range(trace[-1].queries))


METHODS: dict[str, Callable[..., Found]] = {
    method.__name__: method
    for method in (
        integrated_gradients, gradient, gradient_x_input, smoothgrad, guided_backprop, grad_cam, grad_cam_plus_plus,
        occlusion, shapley, rollout, relevance, gradient_rollout,
    )
}  # fmt: skip

SIGNED = ("integrated_gradients", "gradient_x_input", "occlusion", "shapley")
"""Methods whose scores have a sign and a unit; those of the others only rank."""

# -- pieces ---------------------------------------------------------------------------------------------------


class _Module(nn.Module):
    """The explained number as a module, as Captum wants one whose activations it hooks."""

    def __init__(self, job: Job):
        super().__init__()
        self.model, self.job = job.lens.model, job

    def forward(self, pixels: Tensor) -> Tensor:
        return self.job.number(pixels)


def _trace(job: Job, **options: Any) -> Trace:
    return next(job.lens.traces([job.picture.pixels], **options))


def _pair(name: str, given: Any, job: Job) -> tuple[int, int]:
    """(height, width) within the picture; InputError for anything else."""
    pair: Sequence = given if isinstance(given, list | tuple) else (given, given)
    height, width = job.pixels.shape[-2:]
    fits = len(pair) == 2 and all(type(n) is int and n > 0 for n in pair)
    if not fits or pair[0] > height or pair[1] > width:
        raise InputError(
            f"{name} must be (height, width) in pixels, at most {height} x {width}, or one number for both, not "
            f"{given!r}"
        )
    return tuple(pair)
