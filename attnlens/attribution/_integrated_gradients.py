"""Integrated gradients whose error is estimated: steps go where the path bends, example by example.

    method = AdaptiveIntegratedGradients(forward, model.get_input_embeddings())
    scores, estimate = method.attribute(ids, padding, target=1, tolerance=0.01, return_estimate=True)
    estimate.converged, estimate.steps                        # [example], [example]

How the integral is found. Every path begins with nine evenly spaced nodes. Over each interval between two neighbouring
nodes the scores are the integral of the cubic through four nodes. Two quantities estimate its error:

- missed: the scores of an interval sum to the change of F over it, which is known exactly since F comes with every
  gradient. It sees what lies between the nodes, of the sum of the scores.
- apart: the distance, score by score, between the two parabolas that the cubic is the mean of. It sees errors that
  cancel in the sum.

The estimated error of the scores is SAFETY times the root of the sum of the squares of both over all intervals: errors
of different intervals have no common sign. Intervals are halved, those with the largest errors first, until the
estimate is under the tolerance. A kink (ReLU, max) then costs a few points around it, where evenly spread nodes would
double everywhere. No gradient is computed twice.

It is an estimate and no bound: what no node shows stays undetected. Its form and SAFETY were
chosen on 1,800 sentences of SST-2 and four models, so that no converged scores were off by more than the tolerance, at
0.5, 1, 2 and 5%. `python -m tests.benchmarks.accuracy` measures it on others; the guide to attributions has the
table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import GradientAttribution
from torch import Tensor, nn

from .._checks import integer, number
from ..errors import InputError
from ._path_function import PathFunction

INTERVALS = 8
"""Intervals that every path begins with: nine nodes."""

SAFETY = 3
"""The estimated error over the root of the sum of squares: some three standard deviations of the true one."""

REST = 0.75
"""Share of the allowed error, squared, that intervals which are not halved may have: halves have errors too."""

SMALL_CHANGE = 0.05
"""Share of the sum of |score| by which the sum of the scores is judged where F changes by less. Half of what a result
allows, since merging tokens to words makes the sum of |score| smaller."""

ROUNDING = 8
"""Units in the last place by which two values of F may differ for no reason."""

NARROWEST = 2.0**-16
"""Intervals that are not halved: points closer than this differ by rounding in single precision."""

TOGETHER = 2**23
"""Numbers that a sum over intervals holds in memory at once."""


@dataclass(frozen=True, eq=False)
class ErrorEstimate:
    """How good attributions are, each `[example]`; of sequential ones `[example, token]`.

    change: F(x) - F(x'), what the scores divide up, in units of F.
    gap: |sum of scores - change| / |change|. Where the change is 0, or so small that rounding of F explains it, this
        says nothing: it is 0 if the sum is exactly right, and infinite otherwise.
    error: the estimated error of the single scores (see the module) / sum of |score|. Scores can be wrong and still
        have the right sum; this sees it.
    steps: gradients computed.
    converged: whether the error is at most the tolerance, and the sum misses the change by at most the tolerance times
        |change|, or times SMALL_CHANGE of the sum of |score| where that is more. What is within rounding of F counts as
        none, so that a model that does not change converges where its scores are 0 too.
    """

    change: Tensor
    gap: Tensor
    error: Tensor
    steps: Tensor
    converged: Tensor

    def __repr__(self) -> str:
        return (
            f"ErrorEstimate: {int(self.converged.sum())} of {self.converged.numel()} converged, gap at most "
            f"{float(self.gap.max()):.2%}, estimated error at most {float(self.error.max()):.2%}, "
            f"{int(self.steps.sum())} steps"
        )


class AdaptiveIntegratedGradients(GradientAttribution):
    """Integrated gradients with as many steps as each example needs, and an estimate of the error that is left.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", eq. 1; the integral as described at
    the top of this module.

    layer: its output is the space of the path, as in Captum's LayerIntegratedGradients; by default the inputs are.
    Errors are those of single scores; sums of scores can be farther off. Where only sums are read, of a token's
    dimensions for example, let F be a function of what is read: of each token's share of its way from x' to x.

    >>> method = AdaptiveIntegratedGradients(model)
    >>> scores = method.attribute(pixels, target=3)
    >>> scores, estimate = method.attribute(pixels, target=3, tolerance=0.02, return_estimate=True)
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self, inputs: Tensor | tuple[Tensor, ...], baselines: Any = None, target: Any = None,
        additional_forward_args: Any = None, *, tolerance: float = 0.01, max_steps: int = 1025,
        internal_batch_size: int | None = None, example_sizes: Sequence[int] | None = None,
        return_estimate: bool = False,
    ) -> Any:  # fmt: skip
        """Scores shaped like the inputs (or the layer's output), and with `return_estimate` how good they are.

        inputs, baselines, target, additional_forward_args: as Captum's IntegratedGradients takes them; of additional
            tensors whose first axis is the batch each point gets the row of its example, others go in as they are.
        tolerance: gap and estimated error up to which an example has converged.
        max_steps: gradients that one example may cost; it has not converged if they do not do.
        internal_batch_size: points that go through the model together; by default all of a round.
        example_sizes: tokens of each example. Then internal_batch_size counts tokens: each point as many as the
            longest that goes through the model with it.

        Raises InputError for inputs and baselines that do not fit each other, a target that is none, numbers out of
        range, and a model that returns no gradient.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = PathFunction(self.forward_func, self.layer, inputs, target, additional_forward_args)
            line = _Line(*model.ends(baselines))
            scores, estimate = _integrated(
                line, model, tolerance, max_steps, internal_batch_size, example_sizes
            )
        scores = line.shaped(scores)
        found = scores if model.plural else scores[0]
        return (found, estimate) if return_estimate else found

    def has_convergence_delta(self) -> bool:
        """`compute_convergence_delta` works as for Captum's own methods."""
        return True


class SequentialIntegratedGradients(GradientAttribution):
    """Integrated gradients of one token at a time, the others left as they are, for vectors `[example, token, ...]`.

    Source: Enguehard 2023, "Sequential Integrated Gradients: a simple but effective method for explaining language
    models", section 3, before the division by the norm of all scores. By completeness a token's scores sum to
    F(x) - F(x with this token at the baseline): each token has a change and a gap of its own, and the scores of all
    tokens do not sum to F(x) - F(x'). Tokens that stand at the baseline already cost nothing and score 0.

    layer: as for AdaptiveIntegratedGradients.

    >>> method = SequentialIntegratedGradients(forward, model.get_input_embeddings())
    >>> scores, estimate = method.attribute(ids, masks, target=1, return_estimate=True)
    >>> estimate.gap                                           # [example, token]
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self, inputs: Tensor, baselines: Any = None, target: Any = None, additional_forward_args: Any = None,
        *, tolerance: float = 0.01, max_steps: int = 1025, internal_batch_size: int | None = None,
        return_estimate: bool = False,
    ) -> Any:  # fmt: skip
        """As AdaptiveIntegratedGradients.attribute; tolerance and max_steps are those of each token.

        Raises InputError as there, and where the path's space is no single tensor `[example, token, ...]`.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = PathFunction(self.forward_func, self.layer, inputs, target, additional_forward_args)
            turns = _Turns(*model.ends(baselines))
            scores, estimate = _integrated(turns, model, tolerance, max_steps, internal_batch_size)
        found = turns.shaped(scores)
        return (found, turns.estimate(estimate)) if return_estimate else found

    def has_convergence_delta(self) -> bool:
        """No: what all scores sum to is no change of F; each token's own gap is in the estimate."""
        return False


# -- where paths lead -------------------------------------------------------------------------------------------


class _Line:
    """Straight paths of whole examples: path n is example n's, all its tensors move together."""

    def __init__(self, start: tuple[Tensor, ...], end: tuple[Tensor, ...]):
        self.start, self.end = start, end
        self.examples = torch.arange(len(end[0]), device=end[0].device)

    def points(self, paths: Tensor, alphas: Tensor) -> list[Tensor]:
        return [_between(a[paths], b[paths], alphas) for a, b in zip(self.start, self.end)]

    def products(self, paths: Tensor, gradients: list[Tensor]) -> Tensor:
        """Gradient times x - x', `[point, feature]`."""
        moved = [g * (b - a)[paths] for g, a, b in zip(gradients, self.start, self.end)]
        return torch.cat([product.reshape(len(product), -1) for product in moved], 1)

    def shaped(self, scores: Tensor) -> tuple[Tensor, ...]:
        """From `[example, feature]` to tensors like x."""
        parts = scores.split([end[0].numel() for end in self.end], 1)
        return tuple(part.reshape(end.shape).to(end.dtype) for part, end in zip(parts, self.end))


class _Turns:
    """Paths of one token each, the others staying at x: a path for every token that is not at its baseline."""

    def __init__(self, start: tuple[Tensor, ...], end: tuple[Tensor, ...]):
        if len(end) != 1 or end[0].ndim < 2:
            raise InputError(
                f"sequential gradients go along one tensor [example, token, ...], not {_shapes(end)}; give layer=, the "
                "layer of word embeddings, or the vectors themselves"
            )
        self.start, self.end = start[0], end[0]
        moved = (self.start != self.end).flatten(2).any(-1) if self.end.ndim > 2 else self.start != self.end
        self.examples, self.tokens = moved.nonzero(as_tuple=True)

    def points(self, paths: Tensor, alphas: Tensor) -> list[Tensor]:
        whole = self.end[self.examples[paths]].clone()
        moving = _between(
            *(side[self.examples[paths], self.tokens[paths]] for side in (self.start, self.end)), alphas
        )
        whole[torch.arange(len(paths)), self.tokens[paths]] = moving
        return [whole]

    def products(self, paths: Tensor, gradients: list[Tensor]) -> Tensor:
        """Gradient times x - x' of the token that moves, `[point, feature]`."""
        at = self.examples[paths], self.tokens[paths]
        own = gradients[0][torch.arange(len(paths)), self.tokens[paths]]
        return (own * (self.end - self.start)[at]).reshape(len(paths), -1)

    def shaped(self, scores: Tensor) -> Tensor:
        """From `[path, feature]` to a tensor like x."""
        found = torch.zeros_like(self.end)
        found[self.examples, self.tokens] = scores.reshape(len(scores), *found.shape[2:]).to(found.dtype)
        return found

    def estimate(self, of_paths: ErrorEstimate) -> ErrorEstimate:
        """`[example, token]`: nothing changes and nothing is wrong where no token moved."""
        fields = {}
        for name, values in vars(of_paths).items():
            still = torch.ones if name == "converged" else torch.zeros
            fields[name] = still(self.end.shape[:2], dtype=values.dtype)
            fields[name][self.examples.cpu(), self.tokens.cpu()] = values
        return ErrorEstimate(**fields)


def _between(start: Tensor, end: Tensor, alphas: Tensor) -> Tensor:
    """The points alpha of the way; exactly the ends at 0 and 1."""
    alphas = alphas.to(end.device, end.dtype).reshape(-1, *[1] * (end.ndim - 1))
    return torch.lerp(start, end, alphas)


def _shapes(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(str(list(x.shape)) for x in tensors)


# -- nodes and intervals --------------------------------------------------------------------------------------


@dataclass
class _Nodes:
    """What is known at the nodes of several paths, sorted by path and place.

    path, alpha: `[node]`, which path and where on it; values: `[node]`, F there, in float64
    products: `[node, feature]`, the gradient times x - x'
    """

    path: Tensor
    alpha: Tensor
    values: Tensor
    products: Tensor

    def joined(self, other: _Nodes) -> _Nodes:
        """With those of the same paths, or of others."""
        path, alpha = torch.cat([self.path, other.path]), torch.cat([self.alpha, other.alpha])
        order = (2 * path + alpha).argsort()
        products = torch.cat([self.products, other.products])[order]
        return _Nodes(path[order], alpha[order], torch.cat([self.values, other.values])[order], products)

    def of(self, paths: Tensor) -> _Nodes:
        """Those of some paths."""
        kept = torch.isin(self.path, paths)
        return _Nodes(self.path[kept], self.alpha[kept], self.values[kept], self.products[kept])


@dataclass
class _Integrals:
    """The integrals over all paths of some nodes, path by path, and over their intervals.

    paths: `[path]`, their numbers; scores: `[path, feature]`, in float64
    change, size, noise, counts: `[path]`, the change of F, sum of |score|, what rounding of F explains, nodes
    owner: `[interval]`, the row in `paths`; left, width: where it lies
    missed, apart: `[interval]`, see the module
    """

    paths: Tensor
    scores: Tensor
    change: Tensor
    noise: Tensor
    counts: Tensor
    owner: Tensor
    left: Tensor
    width: Tensor
    missed: Tensor
    apart: Tensor

    def __post_init__(self) -> None:
        self.size = self.scores.abs().sum(1)
        self.off = self._sums(self.missed).abs()  # what the sums of the scores miss of the changes
        unseen = (2 * self.noise / ROUNDING)[self.owner]
        seen = (self.missed.abs() - unseen).clamp(min=0)
        self.squares = SAFETY**2 * (seen**2 + self.apart**2)
        # The only score of a path is its sum, whose error is known.
        self.error = self.off if self.scores.shape[1] == 1 else self._sums(self.squares).sqrt()

    def _sums(self, numbers: Tensor) -> Tensor:
        """From `[interval]` to `[path]`."""
        return numbers.new_zeros(len(self.paths)).index_add_(0, self.owner, numbers)

    def allowed(self, tolerance: float) -> tuple[Tensor, Tensor]:
        """How much the scores may be off, and how much their sum, `[path]`."""
        least = self.noise.clamp(min=1e-300)
        of_sum = torch.maximum(self.change.abs(), SMALL_CHANGE * self.size)
        return tuple(torch.maximum(tolerance * amount, least) for amount in (self.size, of_sum))

    def converged(self, tolerance: float) -> Tensor:
        """See ErrorEstimate."""
        error, off = self.allowed(tolerance)
        return (self.error <= error) & (self.off <= off)

    def halved(self, tolerance: float, max_steps: int) -> Tensor:
        """Numbers of the intervals to halve: of each path that has not converged the fewest that leave the others with
        under REST of what is allowed, as far as the steps go."""
        error, off = self.allowed(tolerance)
        shares = self.squares / (error**2)[self.owner]
        if self.scores.shape[1] == 1:
            shares = (self.missed / off[self.owner]) ** 2
        late = (self.off > off)[self.owner]
        shares = torch.where(late, torch.maximum(shares, self.missed.abs() / off[self.owner]), shares)
        shares = shares.masked_fill(self.converged(tolerance)[self.owner], 0)
        order = shares.argsort(descending=True, stable=True)
        order = order[self.owner[order].argsort(stable=True)]  # path by path, the largest first
        sorted_, owner = shares[order], self.owner[order]
        firsts = torch.cat([owner.new_zeros(1), (self.counts - 1).cumsum(0)[:-1]])
        before = sorted_.cumsum(0) - sorted_
        rest = self._sums(shares)[owner] - (before - before[firsts][owner])
        rank = torch.arange(len(order), device=order.device) - firsts[owner]
        wide = self.width[order] > NARROWEST
        room = rank < (max_steps - self.counts)[owner]
        return order[(rest > REST) & (sorted_ > 0) & wide & room]  # none where F is not a number

    def estimate(self, tolerance: float) -> ErrorEstimate:
        """`[path]`"""
        nothing = torch.where(self.off == 0, 0.0, math.inf)
        gap = torch.where(self.change.abs() <= self.noise, nothing, self.off / self.change.abs())
        error = torch.where(
            self.size > 0, self.error / self.size, torch.where(self.error == 0, 0.0, math.inf)
        )
        return ErrorEstimate(self.change, gap, error, self.counts, self.converged(tolerance))


def _integrals(nodes: _Nodes) -> _Integrals:
    """The integral of the cubic through four nodes over every interval, and the quantities that estimate its error."""
    paths, row, counts = nodes.path.unique_consecutive(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0)
    starts = ends - counts
    at = (row[1:] == row[:-1]).nonzero()[:, 0]  # the node at which each interval begins
    owner = row[at]
    first = (at - 1).clamp(min=starts[owner], max=ends[owner] - 4)
    window = first[:, None] + torch.arange(4, device=first.device)
    left, right = nodes.alpha[at], nodes.alpha[at + 1]
    rules = _rules(nodes.alpha[window] - left[:, None], right - left)
    scores = nodes.products.new_zeros(len(paths), nodes.products.shape[1], dtype=torch.float64)
    sums, apart = [], []
    size = max(1, TOGETHER // max(1, scores.shape[1]))
    for some, of_some, *weights in zip(*(part.split(size) for part in (window, owner, *rules))):
        integral, distance = (_weighted(nodes.products, some, rule) for rule in weights)
        scores.index_add_(0, of_some, integral)
        sums.append(integral.sum(1))
        apart.append(distance.abs().sum(1))
    missed = torch.cat(sums) - (nodes.values[at + 1] - nodes.values[at])
    largest = nodes.values.new_zeros(len(paths)).scatter_reduce_(0, row, nodes.values.abs(), "amax")
    noise = ROUNDING * torch.finfo(nodes.products.dtype).eps * largest
    change = nodes.values[ends - 1] - nodes.values[starts]
    return _Integrals(
        paths, scores, change, noise, counts, owner, left, right - left, missed, torch.cat(apart)
    )


def _weighted(products: Tensor, window: Tensor, weights: Tensor) -> Tensor:
    """`[interval, feature]` in float64: the sum over the four nodes of each window, `[interval, 4]`."""
    return sum(weights[:, n, None] * products[window[:, n]].double() for n in range(4))


def _rules(x: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `[interval, 4]` of the nodes at x over 0 to width: of the integral of the cubic through them, and of the
    difference between the parabolas through the last three and through the first three."""
    a, b, c, d = x.T
    integrals = (
        width,
        width**2 / 2 - a * width,
        width**3 / 3 - (a + b) * width**2 / 2 + a * b * width,
        width**4 / 4
        - (a + b + c) * width**3 / 3
        + (a * b + a * c + b * c) * width**2 / 2
        - a * b * c * width,
    )
    differences = [_divided(x, order) for order in range(4)]
    cubic = sum(one * integral[:, None] for one, integral in zip(differences, integrals))
    between = width**3 / 3 - (b + c) * width**2 / 2 + b * c * width
    return cubic, differences[3] * ((d - a) * between)[:, None]


def _divided(x: Tensor, order: int) -> Tensor:
    """Weights `[interval, 4]` of Newton's divided difference of the first `order` + 1 nodes."""
    apart = x[:, : order + 1, None] - x[:, None, : order + 1]
    apart = apart + torch.eye(order + 1, dtype=x.dtype, device=x.device)
    return nn.functional.pad(1 / apart.prod(2), (0, 3 - order))


# -- rounds ----------------------------------------------------------------------------------------------------


def _integrated(
    space: _Line | _Turns,
    model: PathFunction,
    tolerance: float,
    max_steps: int,
    batch: int | None,
    sizes: Sequence[int] | None = None,
) -> tuple[Tensor, ErrorEstimate]:
    """(scores `[path, feature]`, their errors `[path]`). In rounds: the nodes that all paths which are not done want go
    through the model together."""
    count, device = len(space.examples), space.examples.device
    paths = torch.arange(count, device=device).repeat_interleave(INTERVALS + 1)
    alphas = (torch.arange(INTERVALS + 1, dtype=torch.float64, device=device) / INTERVALS).repeat(count)
    nodes, scores, done = None, None, []
    while len(paths):
        new = _Nodes(paths, alphas, *model.at(space, paths, alphas, batch or len(paths), sizes))
        _check_finite(new)
        nodes = new if nodes is None else nodes.joined(new)
        now = _integrals(nodes)
        halved = now.halved(tolerance, max_steps)
        paths, alphas = now.paths[now.owner[halved]], (now.left + now.width / 2)[halved]
        ended = ~torch.isin(now.paths, paths)
        if scores is None:
            scores = torch.empty_like(now.scores)
        scores[now.paths[ended]] = now.scores[ended]
        done.append((now.paths[ended], now.estimate(tolerance), ended))
        nodes = nodes.of(paths)
    return _collected(space, scores, done)


def _collected(
    space: _Line | _Turns, scores: Tensor | None, done: list[tuple[Tensor, ErrorEstimate, Tensor]]
) -> tuple[Tensor, ErrorEstimate]:
    """The estimates of all rounds, path by path."""
    count = len(space.examples)
    fields = {name: torch.zeros(count, dtype=torch.float64) for name in ("change", "gap", "error")}
    fields["steps"] = torch.zeros(count, dtype=torch.long)
    fields["converged"] = torch.zeros(count, dtype=torch.bool)
    for paths, estimate, ended in done:
        for name, values in fields.items():
            values[paths.cpu()] = getattr(estimate, name)[ended].cpu()
    empty = torch.zeros(0, 1, device=space.examples.device)
    return (empty if scores is None else scores), ErrorEstimate(**fields)


def _check_finite(nodes: _Nodes) -> None:
    """No scores come of a path on which F or its gradient is no number."""
    of_f, of_gradient = nodes.values.isfinite(), nodes.products.isfinite().all(1)
    wrong = (~(of_f & of_gradient)).nonzero()[:, 0]
    if len(wrong):
        what = "its gradient" if bool(of_f[wrong[0]]) else "what is explained"
        raise InputError(
            f"{what} is NaN or infinite at {float(nodes.alpha[wrong[0]]):.3g} of the way from the baseline (0) to the "
            "input (1), so nothing can be integrated; look at the model's output there: give another baseline=, or run "
            "the model in float32"
        )


# -- what is given ----------------------------------------------------------------------------------------------


def _check(tolerance: float, max_steps: int, internal_batch_size: int | None) -> None:
    number("tolerance", tolerance, above=0)
    integer("max_steps", max_steps, least=INTERVALS + 1)  # with which every path begins
    if internal_batch_size is not None:
        integer("internal_batch_size", internal_batch_size, least=1)
