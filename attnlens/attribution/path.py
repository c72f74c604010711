"""Integrated gradients whose error is known: steps go where the path bends, example by example.

    method = AdaptiveIntegratedGradients(forward, model.get_input_embeddings())
    scores, certificate = method.attribute(ids, padding, target=1, tolerance=0.01, return_certificate=True)
    certificate.converged, certificate.steps                    # [example], [example]

How the integral is found. The path is cut into pieces of three nodes. Simpson's rule gives the scores of a piece; a
quarter to a half of its distance to the trapezoidal rule is taken as their error: the more, the worse the same
parabola tells the known changes of F over both halves of the piece; or what its sum misses of the change of F, if
that is more. Pieces are halved, those with the largest errors first, until the errors of all together are under the
tolerance. A kink (ReLU, max) then costs a few points around it, where evenly spread nodes would double everywhere. No
gradient is computed twice, and F comes with every gradient.

The numbers below were chosen on 174 paths of sentences (two sentiment models, one with a ReLU head; from padding, zero
and the mean embedding), so that what had converged to 1 or 2 % was no farther off than that, token by token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from captum.attr import GradientAttribution
from torch import Tensor, nn

from ..errors import InputError
from .function import Function

PIECES = 4
"""Pieces that every path begins with: nine nodes."""

BEND = 0.25, 0.5
"""Least and largest share of the distance between the two rules that counts as the error of Simpson's."""

REST = 0.75
"""Share of the allowed errors that pieces which are not halved may have: halves have errors too, but small ones."""

ROUNDING = 8
"""Units in the last place by which two values of F may differ for no reason."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """How good attributions are, each `[example]`; of sequential ones `[example, token]`.

    change: F(x) - F(x'), what the scores divide up, in units of F.
    gap: |sum of scores - change| / |change|. Where the change is 0, or so small that rounding of F explains it, this
        says nothing: it is 0 if the sum is exactly right, and infinite otherwise.
    rule_difference: the errors of all pieces together (see the module) / sum of |score|: about how far off the scores
        themselves are. Scores can be wrong and still have the right sum; this sees it.
    steps: gradients computed.
    converged: whether gap and rule_difference are both at most the tolerance. An error that is within rounding of F
        counts as none, so that a model that does not change converges where its scores are 0 too. Where F is the same
        at both ends and the scores are not, the path ends, not converged, once the rules agree.
    """

    change: Tensor
    gap: Tensor
    rule_difference: Tensor
    steps: Tensor
    converged: Tensor

    def __repr__(self) -> str:
        return (
            f"Certificate: {int(self.converged.sum())} of {self.converged.numel()} converged, gap at most "
            f"{float(self.gap.max()):.2%}, rules differ by at most {float(self.rule_difference.max()):.2%}, "
            f"{int(self.steps.sum())} steps"
        )


class AdaptiveIntegratedGradients(GradientAttribution):
    """Integrated gradients with as many steps as each example needs, and the error that is left.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", eq. 1; the integral as described at
    the top of this module.

    layer: its output is the space of the path, as in Captum's LayerIntegratedGradients; by default the inputs are.
    Errors are those of single scores; sums of scores can be farther off. Where only sums are read, of a token's
    dimensions for example, let F be a function of what is read: of each token's share of its way from x' to x.

    >>> method = AdaptiveIntegratedGradients(model)
    >>> scores = method.attribute(pixels, target=3)
    >>> scores, certificate = method.attribute(pixels, target=3, tolerance=0.02, return_certificate=True)
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self, inputs: Tensor | tuple[Tensor, ...], baselines: Any = None, target: Any = None,
        additional_forward_args: Any = None, *, tolerance: float = 0.01, max_steps: int = 1025,
        internal_batch_size: int | None = None, return_certificate: bool = False,
    ) -> Any:  # fmt: skip
        """Scores shaped like the inputs (or the layer's output), and with `return_certificate` how good they are.

        inputs, baselines, target, additional_forward_args: as Captum's IntegratedGradients takes them; of additional
            tensors whose first axis is the batch each point gets the row of its example, others go in as they are.
        tolerance: gap and rule difference up to which an example has converged.
        max_steps: gradients that one example may cost; it has not converged if they do not do.
        internal_batch_size: points that go through the model together; by default all of a round.

        Raises InputError for inputs and baselines that do not fit each other, a target that is none, numbers out of
        range, and a model that gives no gradient.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = Function(self.forward_func, self.layer, inputs, target, additional_forward_args)
            line = _Line(*model.ends(baselines))
            paths = _integrated(line, model, tolerance, max_steps, internal_batch_size)
        scores = line.shaped(torch.stack([path.scores for path in paths]))
        found = scores if model.plural else scores[0]
        return (found, _certificate(paths)) if return_certificate else found

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
    >>> scores, certificate = method.attribute(ids, masks, target=1, return_certificate=True)
    >>> certificate.gap                                           # [example, token]
    """

    def __init__(self, forward_func: Callable[..., Tensor], layer: nn.Module | None = None):
        super().__init__(forward_func)
        self.layer = layer

    def attribute(
        self, inputs: Tensor, baselines: Any = None, target: Any = None, additional_forward_args: Any = None,
        *, tolerance: float = 0.01, max_steps: int = 1025, internal_batch_size: int | None = None,
        return_certificate: bool = False,
    ) -> Any:  # fmt: skip
        """As AdaptiveIntegratedGradients.attribute; tolerance and max_steps are those of each token.

        Raises InputError as there, and where the path's space is no single tensor `[example, token, ...]`.
        """
        _check(tolerance, max_steps, internal_batch_size)
        with torch.inference_mode(False), torch.enable_grad():
            model = Function(self.forward_func, self.layer, inputs, target, additional_forward_args)
            turns = _Turns(*model.ends(baselines))
            paths = _integrated(turns, model, tolerance, max_steps, internal_batch_size)
        found = turns.shaped([path.scores for path in paths])
        return (found, turns.certificate(_certificate(paths))) if return_certificate else found

    def has_convergence_delta(self) -> bool:
        """No: what all scores sum to is no change of F; each token's own gap is in the certificate."""
        return False


# -- one path ---------------------------------------------------------------------------------------------------


class _Point(NamedTuple):
    """F at one point of a path, and its gradient times x - x', `[feature]`."""

    value: float
    product: Tensor


class _Piece:
    """A piece of a path with nodes at both ends and in the middle."""

    def __init__(self, left: float, width: float, points: Sequence[_Point]):
        self.left, self.width, self.points = left, width, points
        first, middle, last = (point.product.double() for point in points)
        missed = self._missed()
        self.residue = abs(sum(missed))
        bend = width * (first - 2 * middle + last) / 12  # Simpson's rule less the trapezoidal one
        share = sum(map(abs, missed)) / max(abs(float(bend.sum())), 1e-300)
        self.error = max(float(bend.abs().sum()) * min(max(share, BEND[0]), BEND[1]), self.residue)

    def _missed(self) -> tuple[float, float]:
        """What the parabola through the nodes misses of the changes of F over both halves."""
        a, b, c = (float(point.product.double().sum()) * self.width / 24 for point in self.points)
        early, middle, late = (point.value for point in self.points)
        return 5 * a + 8 * b - c - (middle - early), 5 * c + 8 * b - a - (late - middle)

    def scores(self) -> Tensor:
        """Simpson's rule, float64 `[feature]`."""
        first, middle, last = (point.product.double() for point in self.points)
        return self.width * (first + 4 * middle + last) / 6

    def between(self) -> tuple[float, float]:
        """Where its halves have their middles."""
        return self.left + self.width / 4, self.left + 3 * self.width / 4

    def halves(self, early: _Point, late: _Point) -> tuple[_Piece, _Piece]:
        """Both halves, from the points at `between()`."""
        (first, middle, last), half = self.points, self.width / 2
        return (
            _Piece(self.left, half, (first, early, middle)),
            _Piece(self.left + half, half, (middle, late, last)),
        )


class _Path:
    """One path in pieces: `asks` are the points that it wants next, none when it has converged or has to stop."""

    def __init__(self, tolerance: float, max_steps: int):
        self.tolerance, self.max_steps, self.steps = tolerance, max_steps, 0
        self.pieces: list[_Piece] = []
        self.halving: list[_Piece] = []
        self.asks = [node / (2 * PIECES) for node in range(2 * PIECES + 1)]

    def take(self, points: list[_Point]) -> None:
        """Goes on with the points that it asked for."""
        self.steps += len(points)
        if self.pieces:
            self._halve(points)
        else:
            self._begin(points)
        self.missed = abs(float(self.scores.sum()) - self.change)
        self.size = float(self.scores.abs().sum())
        self.error = sum(piece.error for piece in self.pieces)
        self.halving = [] if self.converged else self._worst()
        self.asks = [alpha for piece in self.halving for alpha in piece.between()]

    def _begin(self, points: list[_Point]) -> None:
        width = 1 / PIECES
        self.pieces = [_Piece(n * width, width, points[2 * n : 2 * n + 3]) for n in range(PIECES)]
        self.scores = sum(piece.scores() for piece in self.pieces)
        self.change = points[-1].value - points[0].value
        largest = max(abs(point.value) for point in points)
        self.noise = ROUNDING * torch.finfo(points[0].product.dtype).eps * largest

    def _halve(self, points: list[_Point]) -> None:
        halves = [
            half
            for piece, early, late in zip(self.halving, points[::2], points[1::2])
            for half in piece.halves(early, late)
        ]
        self.scores = self.scores + sum(piece.scores() for piece in halves)
        self.scores = self.scores - sum(piece.scores() for piece in self.halving)
        gone = set(self.halving)
        self.pieces = [piece for piece in self.pieces if piece not in gone] + halves

    @property
    def gap(self) -> float:
        """See Certificate."""
        if abs(self.change) <= self.noise:
            return 0.0 if self.missed == 0 else math.inf
        return self.missed / abs(self.change)

    @property
    def rule_difference(self) -> float:
        """See Certificate."""
        return self.error / self.size if self.size else (0.0 if self.error == 0 else math.inf)

    @property
    def allowed(self) -> tuple[float, float]:
        """How much the scores may be off, and how much their sum."""
        return tuple(max(self.tolerance * of, self.noise) for of in (self.size, abs(self.change)))

    @property
    def converged(self) -> bool:
        """See Certificate."""
        error, missed = self.allowed
        return self.error <= error and self.missed <= missed

    def _worst(self) -> list[_Piece]:
        """The fewest pieces that leave the others with under REST of the errors allowed, as far as the steps go."""
        shares = {piece: self._share(piece) for piece in self.pieces}
        rest, chosen = sum(shares.values()), []
        for piece in sorted(self.pieces, key=shares.get, reverse=True)[: (self.max_steps - self.steps) // 2]:
            if not rest > REST or shares[piece] == 0:  # also where F is not a number
                break
            chosen.append(piece)
            rest -= shares[piece]
        return chosen

    def _share(self, piece: _Piece) -> float:
        """Which share of the errors allowed is this piece's."""
        error, missed = (max(amount, 1e-300) for amount in self.allowed)
        # A change that is rounding has no share to reach, and rounding does not shrink with the piece.
        if self.missed <= missed or min(abs(self.change), piece.residue) <= self.noise:
            return piece.error / error
        return max(piece.error / error, piece.residue / missed)


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

    def shaped(self, scores: list[Tensor]) -> Tensor:
        """From one `[feature]` per path to a tensor like x."""
        found = torch.zeros_like(self.end)
        for example, token, own in zip(self.examples, self.tokens, scores):
            found[example, token] = own.reshape(found.shape[2:]).to(found.dtype)
        return found

    def certificate(self, of_paths: Certificate) -> Certificate:
        """`[example, token]`: nothing changes and nothing is wrong where no token moved."""
        fields = {}
        for name, values in vars(of_paths).items():
            still = torch.ones if name == "converged" else torch.zeros
            fields[name] = still(self.end.shape[:2], dtype=values.dtype)
            fields[name][self.examples.cpu(), self.tokens.cpu()] = values
        return Certificate(**fields)


def _between(start: Tensor, end: Tensor, alphas: Tensor) -> Tensor:
    """The points alpha of the way; exactly the ends at 0 and 1."""
    alphas = alphas.to(end.device, end.dtype).reshape(-1, *[1] * (end.ndim - 1))
    return torch.lerp(start, end, alphas)


def _shapes(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(str(list(x.shape)) for x in tensors)


def _integrated(
    space: _Line | _Turns, model: Function, tolerance: float, max_steps: int, batch: int | None
) -> list[_Path]:
    """All paths at their ends. In rounds: what the paths that are not done ask goes through the model together."""
    paths = [_Path(tolerance, max_steps) for _ in space.examples]
    while asking := [number for number, path in enumerate(paths) if path.asks]:
        wanted = [(number, alpha) for number in asking for alpha in paths[number].asks]
        points = _answers(space, model, wanted, batch or len(wanted))
        for number in asking:
            paths[number].take([next(points) for _ in paths[number].asks])
    return paths


def _answers(
    space: _Line | _Turns, model: Function, wanted: list[tuple[int, float]], batch: int
) -> Iterator[_Point]:
    """The points wanted, each the number of a path and alpha, in order."""
    for first in range(0, len(wanted), batch):
        numbers, alphas = map(torch.tensor, zip(*wanted[first : first + batch]))
        numbers = numbers.to(space.examples.device)
        values, gradients = model.at(space.examples[numbers], space.points(numbers, alphas))
        yield from map(_Point, values.tolist(), space.products(numbers, gradients))


def _certificate(paths: list[_Path]) -> Certificate:
    """`[path]`"""
    fields = ("change", "gap", "rule_difference")
    numbers = {
        name: torch.tensor([getattr(path, name) for path in paths], dtype=torch.float64) for name in fields
    }
    steps = torch.tensor([path.steps for path in paths], dtype=torch.long)
    return Certificate(
        **numbers, steps=steps, converged=torch.tensor([path.converged for path in paths]).bool()
    )


# -- what is given ----------------------------------------------------------------------------------------------


def _check(tolerance: float, max_steps: int, internal_batch_size: int | None) -> None:
    number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not number or not 0 < tolerance < math.inf:
        raise InputError(f"tolerance must be a number above 0, such as 0.01 for 1 %, not {tolerance!r}")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 2 * PIECES + 1:
        raise InputError(
            f"max_steps must be an integer of at least {2 * PIECES + 1}, with which every path begins, not "
            f"{max_steps!r}"
        )
    whole = isinstance(internal_batch_size, int) and not isinstance(internal_batch_size, bool)
    if internal_batch_size is not None and not (whole and internal_batch_size > 0):
        raise InputError(f"internal_batch_size must be an integer of at least 1, not {internal_batch_size!r}")
