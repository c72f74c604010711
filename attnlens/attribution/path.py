"""Integrated gradients whose error is known: steps go where the path bends, example by example.

    from captum.attr import LayerIntegratedGradients            # 50 steps each, the error is yours to look for
    from attnlens.attribution.path import AdaptiveIntegratedGradients

    method = AdaptiveIntegratedGradients(forward, model.get_input_embeddings())
    scores, certificate = method.attribute(ids, padding, target=1, tolerance=0.01, return_certificate=True)
    certificate.converged, certificate.steps                    # [example], [example]

How the integral is found. The scores of any piece of the path must sum to what F gains on that piece, and F comes
with every gradient; so each piece can be checked alone. A piece has five nodes; Boole's rule gives its scores,
Simpson's over the same nodes a second opinion. Pieces are halved, those with the largest errors first, until the
errors of all pieces together are under the tolerance. A kink (ReLU, max) then costs a few points around it, where
evenly spread nodes would double everywhere. No gradient is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import GradientAttribution
from torch import Tensor, nn

from ..errors import InputError

BOOLE = torch.tensor([7.0, 32.0, 12.0, 32.0, 7.0], dtype=torch.float64) / 90
SIMPSON = torch.tensor([1.0, 4.0, 2.0, 4.0, 1.0], dtype=torch.float64) / 12
"""Weights of the five nodes of a piece of length one (Abramowitz & Stegun, 25.4.14 and 25.4.6)."""

PIECES = 2
"""Pieces that every path begins with: nine nodes."""

ROUNDING = 8
"""Units in the last place of F by which two values of it may differ for no reason."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """How good attributions are, each `[example]`; of sequential ones `[example, token]`.

    change: F(x) - F(x'), what the scores divide up, in units of F.
    gap: |sum of scores - change| / |change|. Where the change is 0, or so small that F's own rounding explains it,
        a relative gap says nothing: it is 0 if the sum is 0 too, and infinite otherwise.
    rule_difference: sum |Boole - Simpson| / sum |score|, the pieces' differences added up: about how far off the
        scores themselves are. Scores can be wrong and still have the right sum; this sees it.
    steps: gradients computed.
    converged: whether gap and rule_difference are both at most the tolerance; where the change is no more than
        rounding, whether the sum of scores is off by no more than rounding either.
    """

    change: Tensor
    gap: Tensor
    rule_difference: Tensor
    steps: Tensor
    converged: Tensor

    def __repr__(self) -> str:
        done, all = int(self.converged.sum()), self.converged.numel()
        return f"Certificate: {done} of {all} converged, gap at most {float(self.gap.max()):.1%}, {self.steps.sum()} steps"


class AdaptiveIntegratedGradients(GradientAttribution):
    """Integrated gradients with as many steps as each example needs, and the error that is left.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", eq. 1, integrated as this module's
    beginning says. With `layer`, its output is the space of the path, as in Captum's LayerIntegratedGradients.

    >>> method = AdaptiveIntegratedGradients(model)
    >>> scores = method.attribute(pixels, target=3)
    >>> scores, certificate = method.attribute(pixels, target=3, tolerance=0.02, return_certificate=True)
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        *,
        tolerance: float = 0.01,
        max_steps: int = 1025,
        internal_batch_size: int | None = None,
        return_certificate: bool = False,
    ) -> Any:
        """Scores shaped like the inputs (or the layer's output), and with `return_certificate` how good they are.

        inputs, baselines, target, additional_forward_args: as Captum's IntegratedGradients takes them.
        tolerance: gap and rule difference up to which an example has converged.
        max_steps: gradients that one example may cost; it has not converged if they do not do.
        internal_batch_size: points that go through the model together, all of a round by default.

        Raises InputError for inputs and baselines that do not fit each other, a target that is none, numbers out of
        range, and a model that gives no gradient.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = _Model(self.forward_func, self.layer, inputs, target, additional_forward_args)
            start, end, single = model.ends(inputs, baselines)
            line = _Line(start, end)
            paths = [_Path(tolerance, max_steps) for _ in range(model.count)]
            _integrate(paths, line, model, internal_batch_size)
        scores = line.shaped([path.scores for path in paths])
        found = scores[0] if single else scores
        return (found, _certificate(paths, (model.count,))) if return_certificate else found

    def has_convergence_delta(self) -> bool:
        """`compute_convergence_delta` works as for Captum's own methods."""
        return True


class SequentialIntegratedGradients(GradientAttribution):
    """Integrated gradients of one token at a time, the others left as they are, for `[example, token, ...]` vectors.

    Source: Enguehard 2023, "Sequential Integrated Gradients: a simple but effective method for explaining language
    models", eq. 2, before its division by the norm of all scores. By completeness a token's scores sum to
    F(x) - F(x with this token at the baseline): each token has a change and a gap of its own, and the scores of all
    do not sum to F(x) - F(x'). Tokens that are their own baseline cost nothing and score 0.

    >>> method = SequentialIntegratedGradients(forward, model.get_input_embeddings())
    >>> scores, certificate = method.attribute(ids, masks, target=1, return_certificate=True)
    >>> certificate.gap                                           # [example, token]
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self,
        inputs: Tensor,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        *,
        tolerance: float = 0.01,
        max_steps: int = 1025,
        internal_batch_size: int | None = None,
        return_certificate: bool = False,
    ) -> Any:
        """As AdaptiveIntegratedGradients.attribute; steps and tolerance are those of each token.

        Raises InputError as there, and for inputs that are no single tensor `[example, token, ...]`.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = _Model(self.forward_func, self.layer, inputs, target, additional_forward_args)
            start, end, _ = model.ends(inputs, baselines)
            if len(end) != 1 or end[0].ndim < 2:
                shapes = ", ".join(str(list(x.shape)) for x in end)
                raise InputError(
                    f"sequential gradients go along one tensor [example, token, ...], not {shapes}; give the layer "
                    "of word embeddings, or the vectors themselves"
                )
            turns = _Turns(start[0], end[0])
            paths = [_Path(tolerance, max_steps) for _ in turns.examples]
            _integrate(paths, turns, model, internal_batch_size)
        ...
