"""The attribution methods for texts, each a function of a `TextMethodInput`; its keywords are its options.

Captum computes the gradients of the model as a function of word embeddings (`EmbeddingForward`), so that each method
works on every model whose embedding layer is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..._checks import integer, number
from ...analysis import rollout as attention_rollout
from ...errors import InputError, unknown_name
from ...models._forward import BatchBudget
from .._options import FIXED_TOLERANCE, MAX_STEPS, TOLERANCE, ScalarModule, quiet, seeded
from .._registry import MethodScores, method
from .._relevance import gradient_rollout as gradient_attention_rollout
from .._relevance import relevance as attention_relevance
from .._target import TargetScalar
from ._forward import EmbeddingForward, one_row
from ._perturbation import ReplacedTokens
from ._variants import VariantForward

MOST_ENTRIES = 2**22
"""Rows times tokens of the orders whose rows are compared with each other."""

RULES = ("gausslegendre", "riemann_trapezoid", "riemann_middle", "riemann_left", "riemann_right")
"""Captum's own rules of integration."""


@dataclass
class TextMethodInput:
    """The input of a method: a batch of texts, the scalar F that is explained, and the path from a baseline.

    start, end: `[text, token, d]`, the ends of the path in the space of `forward.layer`
    rows: how many texts or points of a path go through the model together
    """

    forward: EmbeddingForward
    target: TargetScalar
    start: Tensor
    end: Tensor
    rows: int

    @property
    def examples(self) -> Tensor:
        """`[text]`, the number of each."""
        return torch.arange(len(self.end), device=self.end.device)

    def scalar(self, points: Tensor, examples: Tensor | None = None) -> Tensor:
        """F, `[row]`, at points `[row, token, d]`; examples: the text of each row."""
        return self.target(self.forward.logits(points, examples), examples)

    def scalar_at_alpha(self, alphas: Tensor, examples: Tensor) -> Tensor:
        """F with every token at the fraction alpha, `[row, token]`, of its path from start to end.

        Its integrated gradients are those of the vectors summed over each token, and so are their errors.
        """
        points = torch.lerp(self.start[examples], self.end[examples], alphas.unsqueeze(-1))
        return self.target(self.forward.logits(points, examples), examples)

    @property
    def alphas(self) -> tuple[Tensor, Tensor]:
        """The start and end of the path of `scalar_at_alpha`, `[text, token]`; tokens that do not move stay at 1."""
        still = (self.start == self.end).all(-1).to(self.end)
        return still, torch.ones_like(still)

    @property
    def batches(self) -> dict[str, Any]:
        """How many points go through the model together, for methods of paths: in tokens, unless one at a time."""
        if self.rows == 1:
            return {"internal_batch_size": 1}
        sizes = [len(encoded) for encoded in self.forward.encoded]
        return {"internal_batch_size": self.rows * max(sizes), "example_sizes": sizes}

    def at(self, points: Tensor) -> Tensor:
        """F, `[text]` in float64, at one point for each text."""
        with torch.no_grad():
            return self.scalar(points, self.examples).double()

    @property
    def moved(self) -> list[Tensor]:
        """For each text the tokens, on the CPU, that differ between start and end."""
        return [moves.nonzero()[:, 0] for moves in (self.start != self.end).any(-1).cpu()]

    def ablated(self, example: int) -> Callable[[Tensor], Tensor]:
        """F of one text as a function of `kept` `[row, token]`, `[row]` in float64 on the CPU: where `kept` is False,
        the token is that of the start."""
        tokens = ReplacedTokens(self.forward, self.start, self.end, example)
        model = VariantForward(
            self.forward.lens, self.forward.output, self.forward.side, one_row(self.forward.lens)
        )
        budget = BatchBudget(self.rows * self.end.shape[1])

        def value(logits: Tensor) -> Tensor:
            examples = torch.full((len(logits),), example, device=logits.device)
            return self.target(logits, examples).double().cpu()

        return lambda kept: model.values(tokens.variants(kept), budget, value)

    @property
    def change(self) -> Tensor:
        """F at the end minus F at the start, `[text]`."""
        return self.at(self.end) - self.at(self.start)


# -- gradients along a path -----------------------------------------------------------------------------------


@method(signed=True, complete=True, needs=("gradients", "baseline"), inputs="text", by_default=True)
def integrated_gradients(
    inputs: TextMethodInput, *, tolerance: float | None = None, max_steps: int | None = None,
    n_steps: int | None = None, rule: str | None = None,
) -> MethodScores:  # fmt: skip
    """Sundararajan et al. 2017, eq. 1: adaptive; with `n_steps` Captum's fixed number of steps by `rule`.

    tolerance: limit of gap and estimated error, `TOLERANCE` by default. With `n_steps` it adds no steps: it is the
        largest gap that counts as converged, `FIXED_TOLERANCE` by default.
    max_steps: limit of the adaptive path, `MAX_STEPS` by default
    rule: the integration rule with `n_steps`, one of `RULES`, the first by default
    """
    if n_steps is not None:
        if max_steps is not None:
            raise InputError("max_steps is a limit and n_steps a fixed number; pass one of them")
        return _fixed(inputs, n_steps, RULES[0] if rule is None else rule, tolerance)
    if rule is not None:
        raise InputError("rule= needs a fixed number of steps; pass n_steps= too, or omit it")
    from .._integrated_gradients import AdaptiveIntegratedGradients

    start, end = inputs.alphas
    scores, estimate = AdaptiveIntegratedGradients(inputs.scalar_at_alpha).attribute(
        end, start, additional_forward_args=(inputs.examples,),
        tolerance=TOLERANCE if tolerance is None else tolerance,
        max_steps=MAX_STEPS if max_steps is None else max_steps, **inputs.batches, return_estimate=True,
    )  # fmt: skip
    return MethodScores(
        scores.double(), estimate.change, estimate.error, estimate.steps.tolist(),
        TOLERANCE if tolerance is None else tolerance,
    )  # fmt: skip


def _fixed(inputs: TextMethodInput, n_steps: int, rule: str, tolerance: float | None) -> MethodScores:
    from captum.attr import IntegratedGradients

    tolerance = FIXED_TOLERANCE if tolerance is None else tolerance
    # A Riemann sum of one step is refused by Captum.
    n_steps = integer("n_steps", n_steps, least=1 if rule == RULES[0] else 2)
    tolerance = number("tolerance", tolerance, above=0)
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    parts = IntegratedGradients(inputs.scalar).attribute(
        inputs.end, inputs.start, additional_forward_args=(inputs.examples,), n_steps=n_steps, method=rule,
        internal_batch_size=max(inputs.rows, len(inputs.end)),
    )  # fmt: skip
    return MethodScores(
        parts.double().sum(-1), inputs.change, steps=[n_steps] * len(inputs.end), tolerance=tolerance
    )


@method(signed=True, complete=False, needs=("gradients", "baseline"), inputs="text")
def sequential_integrated_gradients(
    inputs: TextMethodInput, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> MethodScores:
    """Enguehard 2023: each token on a path of its own, the others unchanged. By completeness, the score of a token is
    the drop of F without it: leave-one-out, computed from gradients.

    tolerance, max_steps: limits of each token's path; the estimated error is that of all tokens together.
    """
    from .._integrated_gradients import SequentialIntegratedGradients

    start, end = inputs.alphas
    scores, estimate = SequentialIntegratedGradients(inputs.scalar_at_alpha).attribute(
        end, start, additional_forward_args=(inputs.examples,), tolerance=tolerance, max_steps=max_steps,
        internal_batch_size=inputs.rows, return_estimate=True,
    )  # fmt: skip
    sizes = scores.double().abs()
    wrong = (estimate.error.to(sizes) * sizes).sum(-1) / sizes.sum(-1).clamp(min=1e-30)
    return MethodScores(scores.double(), inputs.change, wrong, estimate.steps.sum(-1).tolist(), tolerance)


@method(signed=True, complete=False, needs=("gradients", "baseline"), inputs="text")
def deeplift(inputs: TextMethodInput) -> MethodScores:
    """Shrikumar et al. 2017, the rescale rule, by Captum, which implements it for torch's activation modules
    (`nn.ReLU`, `nn.Tanh`, `nn.Softmax` ...; not GELU) and uses plain gradients for everything else.

    In models of transformers that is nearly everything: their own activation classes, attention, LayerNorm. There the
    result is gradient x (input - baseline), except for the Tanh of BERT's pooler, and the gap is large. The method is
    useful for hand-written models. Captum refuses an activation module that runs twice in a forward pass.
    """
    from captum.attr import DeepLift

    with quiet(), _cleared(inputs.forward.lens.model):
        parts = DeepLift(ScalarModule(inputs.forward.lens.model, inputs.scalar)).attribute(
            inputs.end, inputs.start, additional_forward_args=(inputs.examples,)
        )
    return MethodScores(parts.double().sum(-1).detach(), inputs.change, steps=[1] * len(inputs.end))


# -- gradients at the text ------------------------------------------------------------------------------------


@method(signed=False, complete=False, needs="gradients", inputs="text")
def gradient(inputs: TextMethodInput) -> MethodScores:
    """Simonyan et al. 2014: the norm of the gradient with respect to each token's vector."""
    from captum.attr import Saliency

    with quiet():
        parts = Saliency(inputs.scalar).attribute(
            inputs.end, abs=False, additional_forward_args=(inputs.examples,)
        )
    return MethodScores(parts.double().norm(dim=-1), steps=[1] * len(inputs.end), baseline=None)


@method(signed=True, complete=False, needs="gradients", inputs="text", by_default=True)
def gradient_x_input(inputs: TextMethodInput) -> MethodScores:
    """The first-order estimate of the drop of F when a token's vector becomes zero."""
    from captum.attr import InputXGradient

    with quiet():
        parts = InputXGradient(inputs.scalar).attribute(
            inputs.end, additional_forward_args=(inputs.examples,)
        )
    change = inputs.at(inputs.end) - inputs.at(torch.zeros_like(inputs.end))
    return MethodScores(parts.double().sum(-1).detach(), change, steps=[1] * len(inputs.end), baseline="zero")


@method(signed=False, complete=False, needs=("gradients", "sampling"), inputs="text")
def smoothgrad(
    inputs: TextMethodInput, *, n_samples: int = 25, noise: float = 0.15, seed: int = 0
) -> MethodScores:
    """Smilkov et al. 2017: the gradient, averaged over Gaussian noise with a standard deviation of `noise` times
    the range of the text's vectors."""
    from captum.attr import NoiseTunnel, Saliency

    n_samples = integer("n_samples", n_samples, least=1)
    noise = number("noise", noise, above=0)
    scores = []
    for row, example in _one_by_one(inputs):
        with seeded(seed, row.device), quiet():
            parts = NoiseTunnel(Saliency(inputs.scalar)).attribute(
                row, nt_type="smoothgrad", nt_samples=n_samples, nt_samples_batch_size=inputs.rows,
                stdevs=noise * float(row.max() - row.min()), abs=False, additional_forward_args=(example,),
            )  # fmt: skip
        scores.append(parts.double().norm(dim=-1))
    return MethodScores(torch.cat(scores), steps=[n_samples] * len(inputs.end), baseline=None)


@method(signed=True, complete=False, needs="gradients", inputs="text")
def layer_gradient_x_activation(inputs: TextMethodInput) -> MethodScores:
    """`gradient_x_input` in the space of `layer=`: by default the output of the whole embedding module."""
    return gradient_x_input(inputs)


# -- without parts of the text --------------------------------------------------------------------------------


@method(signed=True, complete=False, needs=("removals", "baseline"), inputs="text", by_default=True)
def leave_one_out(inputs: TextMethodInput) -> MethodScores:
    """Li et al. 2016, "Understanding Neural Networks through Representation Erasure": the drop of F when the baseline
    replaces one token."""
    scores = torch.zeros(inputs.end.shape[:2], dtype=torch.float64)
    for example, tokens in enumerate(inputs.moved):
        kept = torch.ones(len(tokens) + 1, len(inputs.forward.encoded[example]), dtype=torch.bool)
        kept[range(1, len(kept)), tokens] = False
        values = inputs.ablated(example)(kept)
        scores[example, tokens] = values[0] - values[1:]
    return MethodScores(scores, inputs.change, steps=[0] * len(inputs.end))


@method(signed=True, complete=True, needs=("removals", "sampling", "baseline"), inputs="text")
def shapley(inputs: TextMethodInput, *, n_samples: int = 25, seed: int = 0) -> MethodScores:
    """Castro et al. 2009: the mean gain of each token over `n_samples` random orders, the rest at the baseline. The
    result keeps the gains of each order; `attribution.standard_error` estimates the error of their mean."""
    n_samples = integer("n_samples", n_samples, least=1)
    samples = torch.zeros(n_samples, *inputs.end.shape[:2], dtype=torch.float64)
    for example, tokens in enumerate(inputs.moved):
        with seeded(seed, inputs.end.device):
            # As Captum draws them: feature 0 is what both ends have in common.
            orders = [torch.randperm(len(tokens) + 1) for _ in range(n_samples)]
        orders = torch.stack([order[order > 0] - 1 for order in orders])
        size = len(inputs.forward.encoded[example])
        f, together = inputs.ablated(example), max(1, MOST_ENTRIES // ((len(tokens) + 1) * size))
        for some, gains in zip(orders.split(together), samples[:, example].split(together)):
            kept = torch.ones(len(some), len(tokens) + 1, size, dtype=torch.bool)
            kept[:, :, tokens] = some.argsort(1)[:, None] < torch.arange(len(tokens) + 1)[:, None]
            values = f(kept.flatten(0, 1)).unflatten(0, kept.shape[:2])
            gains.scatter_(1, tokens[some], values.diff(dim=1))
    return MethodScores(samples.mean(0), inputs.change, samples=samples, steps=[0] * len(inputs.end))


# -- attention ------------------------------------------------------------------------------------------------


@method(signed=False, complete=False, needs="attention", inputs="text")
def rollout(inputs: TextMethodInput) -> MethodScores:
    """`al.rollout`, the row of the position that predicts: the same for every class."""
    return _of_attention(
        inputs, lambda lens, text, target, row: attention_rollout(next(lens.traces([text])), row=row)
    )


@method(signed=False, complete=False, needs=("attention", "gradients"), inputs="text", by_default=True)
def relevance(inputs: TextMethodInput) -> MethodScores:
    """`al.attribution.relevance`, the row of the position that predicts."""
    return _of_attention(inputs, attention_relevance)


@method(signed=False, complete=False, needs=("attention", "gradients"), inputs="text")
def gradient_rollout(inputs: TextMethodInput) -> MethodScores:
    """`al.attribution.gradient_rollout`, the row of the position that predicts."""
    return _of_attention(inputs, gradient_attention_rollout)


# -- helpers ---------------------------------------------------------------------------------------------------


@contextmanager
def _cleared(model: nn.Module) -> Iterator[None]:
    """Removes the attributes that DeepLift sets on modules, which remain where the model raises."""
    before = {module: set(vars(module)) for module in model.modules()}
    try:
        yield
    except RuntimeError as error:
        if "used only once" not in str(error):
            raise
        raise InputError(
            f"deeplift needs activation modules that run once, and {type(model).__name__} runs one several times; "
            "use a separate module each time, or use integrated_gradients"
        ) from error
    finally:
        for module, names in before.items():
            for name in vars(module).keys() - names:
                delattr(module, name)


def _of_attention(inputs: TextMethodInput, row_of: Callable[..., Tensor]) -> MethodScores:
    forward, rows = inputs.forward, []
    size = inputs.end.shape[1]
    for example, encoded in enumerate(forward.encoded):
        target = int(inputs.target.index.expand(len(inputs.end))[example])
        scores = row_of(forward.lens, encoded, target, row=forward.reader(example))
        special = torch.tensor([token.special for token in encoded.tokens], device=scores.device)
        scores = scores.masked_fill(special, 0.0)  # mostly what the predicting position keeps of itself
        rows.append(nn.functional.pad(scores.double(), (0, size - len(scores))))
    return MethodScores(torch.stack(rows), steps=[0] * len(inputs.end), baseline=None)


def _one_by_one(inputs: TextMethodInput) -> Iterator[tuple[Tensor, Tensor]]:
    """(end `[1, token, d]`, example `[1]`) of each text, so that each has its own noise or order."""
    for example in inputs.examples:
        yield inputs.end[example : example + 1], example.reshape(1)
