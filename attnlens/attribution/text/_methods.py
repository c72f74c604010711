"""The methods that attribute a text, each a function of a `Job`; its keywords are the options that it takes.

Captum computes the gradients, the ablations and the Shapley values; all of them see the model as a function of word
embeddings (`answer.TextAnswer`), so that each works on every model whose embedding layer is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...analysis import rollout as roll
from ...errors import InputError, unknown_name
from .._options import FIXED_TOLERANCE, MAX_STEPS, TOLERANCE, positive, quiet, seeded, whole
from .._relevance import gradient_rollout as gradient_roll
from .._relevance import relevance as chefer
from ._forward import Asked, TextAnswer

RULES = ("gausslegendre", "riemann_trapezoid", "riemann_middle", "riemann_left", "riemann_right")
"""Captum's own rules of integration."""


@dataclass
class Job:
    """What a method works on: a batch of texts and the path that leads to them.

    start, end: `[text, token, d]`, the ends of the path in the space of `answer.layer`
    rows: how many texts or points of a path go through the model together
    """

    answer: TextAnswer
    asked: Asked
    start: Tensor
    end: Tensor
    rows: int

    @property
    def number(self) -> Callable[..., Tensor]:
        """F(points, numbers) -> `[row]`."""
        return self.answer.number(self.asked)

    @property
    def numbers(self) -> Tensor:
        return torch.arange(len(self.end), device=self.end.device)

    @property
    def number_by_share(self) -> Callable[..., Tensor]:
        """F(shares, numbers) with every token a share, `[row, token]`, of its way from start to end.

        Its integrated gradients are those of the vectors summed over each token, and so are their errors.
        """

        def forward(shares: Tensor, numbers: Tensor) -> Tensor:
            points = torch.lerp(self.start[numbers], self.end[numbers], shares.unsqueeze(-1))
            return self.number(points, numbers)

        return forward

    @property
    def shares(self) -> tuple[Tensor, Tensor]:
        """Where `number_by_share` begins and ends, `[text, token]`; tokens that do not move are at 1 on both."""
        still = (self.start == self.end).all(-1).to(self.end)
        return still, torch.ones_like(still)

    def at(self, points: Tensor) -> Tensor:
        """F, `[text]` in float64, at one point for each text."""
        with torch.no_grad():
            return self.number(points, self.numbers).double()


@dataclass
class Found:
    """Scores `[text, token]` in float64 and, per text, what the method knows of their error (see `Attribution`)."""

    scores: Tensor
    change: Tensor | None = None
    estimated_error: Tensor | None = None
    steps: list[int] = field(default_factory=list)
    tolerance: float | None = None
    baseline: str | None = ""  # "": that of the job
    samples: Tensor | None = None  # [sample, text, token]


# -- gradients along a path -----------------------------------------------------------------------------------


def integrated_gradients(
    job: Job, *, tolerance: float | None = None, max_steps: int | None = None, n_steps: int | None = None,
    rule: str | None = None,
) -> Found:  # fmt: skip
    """Sundararajan et al. 2017, eq. 1: adaptive; with `n_steps` Captum's fixed number of steps by `rule`.

    tolerance: of gap and estimated error, `TOLERANCE` by default. With `n_steps` it changes no step: it is the gap up
        to which these were enough, `FIXED_TOLERANCE` by default.
    max_steps: of the adaptive path, `MAX_STEPS` by default; rule: of `n_steps`, one of `RULES`, the first by default.
    """
    if n_steps is not None:
        if max_steps is not None:
            raise InputError("max_steps is a limit and n_steps a fixed number; give one of them")
        return _fixed(job, n_steps, RULES[0] if rule is None else rule, tolerance)
    if rule is not None:
        raise InputError("rule= is that of a fixed number of steps; give n_steps= too, or leave it away")
    from .._integrated_gradients import AdaptiveIntegratedGradients

    start, end = job.shares
    scores, estimate = AdaptiveIntegratedGradients(job.number_by_share).attribute(
        end, start, additional_forward_args=(job.numbers,),
        tolerance=TOLERANCE if tolerance is None else tolerance,
        max_steps=MAX_STEPS if max_steps is None else max_steps, internal_batch_size=job.rows,
        return_estimate=True,
    )  # fmt: skip
    return Found(
        scores.double(), estimate.change, estimate.error, estimate.steps.tolist(),
        TOLERANCE if tolerance is None else tolerance,
    )  # fmt: skip


def _fixed(job: Job, n_steps: int, rule: str, tolerance: float | None) -> Found:
    from captum.attr import IntegratedGradients

    tolerance = FIXED_TOLERANCE if tolerance is None else tolerance
    whole(
        "n_steps", n_steps, least=1 if rule == RULES[0] else 2
    )  # a Riemann sum of one step is refused by Captum
    positive("tolerance", tolerance)
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    parts = IntegratedGradients(job.number).attribute(
        job.end, job.start, additional_forward_args=(job.numbers,), n_steps=n_steps, method=rule,
        internal_batch_size=max(job.rows, len(job.end)),
    )  # fmt: skip
    return Found(parts.double().sum(-1), _change(job), steps=[n_steps] * len(job.end), tolerance=tolerance)


def sequential_integrated_gradients(
    job: Job, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> Found:
    """Enguehard 2023: each token on a path of its own, the others as they are. What a token gets is, by
    completeness, what the model loses without it: as leave-one-out, but from gradients.

    tolerance, max_steps: of each token's path; the estimated error is that of all tokens together.
    """
    from .._integrated_gradients import SequentialIntegratedGradients

    start, end = job.shares
    scores, estimate = SequentialIntegratedGradients(job.number_by_share).attribute(
        end, start, additional_forward_args=(job.numbers,), tolerance=tolerance, max_steps=max_steps,
        internal_batch_size=job.rows, return_estimate=True,
    )  # fmt: skip
    sizes = scores.double().abs()
    wrong = (estimate.error.to(sizes) * sizes).sum(-1) / sizes.sum(-1).clamp(min=1e-30)
    return Found(scores.double(), _change(job), wrong, estimate.steps.sum(-1).tolist(), tolerance)


def deeplift(job: Job) -> Found:
    """Shrikumar et al. 2017, the rescale rule, by Captum, which knows it for activations of torch that are modules
    (`nn.ReLU`, `nn.Tanh`, `nn.Softmax` ...; not GELU) and lets plain gradients pass through everything else.

    Of a model of transformers that is nearly everything: its own activation classes, attention, LayerNorm. There it
    is gradient x (input - baseline), but for the Tanh of a BERT's pooler, and the gap is large. It is of use for
    hand-written models. Captum refuses an activation module that runs twice in a forward pass.
    """
    from captum.attr import DeepLift

    with quiet(), _cleared(job.answer.lens.model):
        parts = DeepLift(_Module(job)).attribute(job.end, job.start, additional_forward_args=(job.numbers,))
    return Found(parts.double().sum(-1).detach(), _change(job), steps=[1] * len(job.end))


# -- gradients at the text ------------------------------------------------------------------------------------


def gradient(job: Job) -> Found:
    """Simonyan et al. 2014: the length of the gradient by each token's vector."""
    from captum.attr import Saliency

    with quiet():
        parts = Saliency(job.number).attribute(job.end, abs=False, additional_forward_args=(job.numbers,))
    return Found(parts.double().norm(dim=-1), steps=[1] * len(job.end), baseline=None)


def gradient_x_input(job: Job) -> Found:
    """The first-order estimate of what the model loses when a token's vector becomes zero."""
    from captum.attr import InputXGradient

    with quiet():
        parts = InputXGradient(job.number).attribute(job.end, additional_forward_args=(job.numbers,))
    change = job.at(job.end) - job.at(torch.zeros_like(job.end))
    return Found(parts.double().sum(-1).detach(), change, steps=[1] * len(job.end), baseline="zero")


def smoothgrad(job: Job, *, n_samples: int = 25, noise: float = 0.15, seed: int = 0) -> Found:
    """Smilkov et al. 2017: the gradient, averaged over noise of `noise` times the range of the text's vectors."""
    from captum.attr import NoiseTunnel, Saliency

    whole("n_samples", n_samples)
    positive("noise", noise)
    found = []
    for row, numbers in _one_by_one(job):
        with seeded(seed, row.device), quiet():
            parts = NoiseTunnel(Saliency(job.number)).attribute(
                row, nt_type="smoothgrad", nt_samples=n_samples, nt_samples_batch_size=job.rows,
                stdevs=noise * float(row.max() - row.min()), abs=False, additional_forward_args=(numbers,),
            )  # fmt: skip
        found.append(parts.double().norm(dim=-1))
    return Found(torch.cat(found), steps=[n_samples] * len(job.end), baseline=None)


def layer_gradient_x_activation(job: Job) -> Found:
    """`gradient_x_input` in the space of `layer=`: by default the output of the whole embedding module."""
    return gradient_x_input(job)


# -- without parts of the text --------------------------------------------------------------------------------


def leave_one_out(job: Job) -> Found:
    """Li et al. 2016, "Understanding Neural Networks through Representation Erasure": what the model loses when
    the baseline takes the place of one token."""
    from captum.attr import FeatureAblation

    found = []
    for row, numbers in _one_by_one(job):
        parts = FeatureAblation(job.number).attribute(
            row, job.start[numbers], additional_forward_args=(numbers,),
            feature_mask=_features(job, int(numbers)), perturbations_per_eval=job.rows,
        )  # fmt: skip
        found.append(parts.double()[..., 0] * _moves(job, int(numbers)))
    return Found(torch.cat(found), _change(job), steps=[0] * len(job.end))


def shapley(job: Job, *, n_samples: int = 25, seed: int = 0) -> Found:
    """Castro et al. 2009: mean gain of each token over `n_samples` random orders, the rest at the baseline. The result
    holds what each order gave: `attribution.standard_error` is how far the mean may be off."""
    from captum.attr import ShapleyValueSampling

    whole("n_samples", n_samples)
    sampler, found = ShapleyValueSampling(job.number), []
    for row, numbers in _one_by_one(job):
        moves, features = _moves(job, int(numbers)), _features(job, int(numbers))
        with seeded(seed, row.device), quiet():
            orders = [
                sampler.attribute(
                    row, job.start[numbers], additional_forward_args=(numbers,), feature_mask=features, n_samples=1,
                    perturbations_per_eval=job.rows,
                )
                for _ in range(n_samples)
            ]  # fmt: skip
        found.append(torch.cat(orders).double()[..., 0] * moves)
    samples = torch.stack(found, 1)
    return Found(samples.mean(0), _change(job), samples=samples, steps=[0] * len(job.end))


# -- attention ------------------------------------------------------------------------------------------------


def rollout(job: Job) -> Found:
    """`al.rollout`, the row of the position that answers: the same for every class."""
    return _of_attention(job, lambda lens, text, target, row: roll(next(lens.traces([text])), row=row))


def relevance(job: Job) -> Found:
    """`al.attribution.relevance`, the row of the position that answers."""
    return _of_attention(job, chefer)


def gradient_rollout(job: Job) -> Found:
    """`al.attribution.gradient_rollout`, the row of the position that answers."""
    return _of_attention(job, gradient_roll)


METHODS: dict[str, Callable[..., Found]] = {
    method.__name__: method
    for method in (
        integrated_gradients, sequential_integrated_gradients, deeplift, gradient, gradient_x_input, smoothgrad,
        layer_gradient_x_activation, leave_one_out, shapley, rollout, relevance, gradient_rollout,
    )
}  # fmt: skip

UNSIGNED = ("gradient", "smoothgrad", "rollout", "relevance", "gradient_rollout")
"""Methods whose scores have neither sign nor unit: they rank tokens."""

ALONE = ("smoothgrad", "leave_one_out", "shapley")
"""Methods that go through the texts one by one: in a batch they would see the padding of longer ones."""

# -- pieces ---------------------------------------------------------------------------------------------------


class _Module(nn.Module):
    """The explained number as a module, as Captum's DeepLift wants one: it hooks the activations inside."""

    def __init__(self, job: Job):
        super().__init__()
        self.model, self.job = job.answer.lens.model, job

    def forward(self, points: Tensor, numbers: Tensor) -> Tensor:
        return self.job.number(points, numbers)


@contextmanager
def _cleared(model: nn.Module) -> Iterator[None]:
    """Without what DeepLift writes on modules, which it leaves there where the model fails."""
    known = {module: set(vars(module)) for module in model.modules()}
    try:
        yield
    except RuntimeError as error:
        if "used only once" not in str(error):
            raise
        raise InputError(
            f"deeplift needs activations that are modules and run once, and {type(model).__name__} runs one several "
            "times; give each use a module of its own, or take integrated_gradients"
        ) from error
    finally:
        for module, names in known.items():
            for name in vars(module).keys() - names:
                delattr(module, name)


def _change(job: Job) -> Tensor:
    return job.at(job.end) - job.at(job.start)


def _of_attention(job: Job, row_of: Callable[..., Tensor]) -> Found:
    answer, found = job.answer, []
    size = job.end.shape[1]
    for number, encoded in enumerate(answer.encoded):
        target = int(job.asked.index.expand(len(job.end))[number])
        scores = row_of(answer.lens, encoded, target, row=answer.reader(number))
        special = torch.tensor([token.special for token in encoded.tokens], device=scores.device)
        scores = scores.masked_fill(special, 0.0)  # mostly what the position that answers keeps of itself
        found.append(nn.functional.pad(scores.double(), (0, size - len(scores))))
    return Found(torch.stack(found), steps=[0] * len(job.end), baseline=None)


def _one_by_one(job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """(end `[1, token, d]`, number `[1]`) of each text, so that each has its own noise or order."""
    for number in job.numbers:
        yield job.end[number : number + 1], number.reshape(1)


def _features(job: Job, number: int) -> Tensor:
    """`[1, token, 1]`: one feature per token that is not the same on both ends; the others share feature 0."""
    moves = _moves(job, number)
    return (moves.cumsum(-1) * moves).reshape(1, -1, 1)


def _moves(job: Job, number: int) -> Tensor:
    """`[token]`: 1 where the path changes a token."""
    return (job.end[number] != job.start[number]).any(-1).long()
