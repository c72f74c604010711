"""The function that a gradient method explains: F at any points between baselines and inputs, with its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import as_number
from ..errors import InputError
from ..models._forward import hooked


class PathFunction:
    """F at points of the path's space: the target's output for an example of the batch whose inputs are replaced.

    forward: `(*inputs, *more) -> [point, ...]`; layer: a module whose output is replaced instead, or None
    inputs: a tensor `[example, ...]` or a tuple of them; target: as Captum takes it
    more: other arguments; a tensor with a row for each example is read row by row

    plural: whether attributions are a tuple, as the inputs or the layer's output are
    """

    def __init__(
        self, forward: Callable[..., Tensor], layer: nn.Module | None, inputs: Any, target: Any, more: Any
    ):
        if not isinstance(layer, nn.Module | None):
            raise InputError(
                f"layer must be a module of the model, not {layer!r}; of a path: model.get_submodule(path)"
            )
        self.forward, self.layer, self.target = forward, layer, target
        self.plural, self.inputs = isinstance(inputs, tuple), _tensors(inputs)
        self.count = len(self.inputs[0])
        self.more = () if more is None else more if isinstance(more, tuple) else (more,)
        several = isinstance(target, (list, Tensor)) and (isinstance(target, list) or target.numel() > 1)
        if several and len(target) != self.count:
            raise InputError(
                f"{len(target)} targets for {self.count} examples; give one for each, or one for all"
            )
        self.per_example = several

    def ends(self, baselines: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The start and the end of each path: baselines and inputs, or the outputs of the layer for them."""
        start = _beside(self.inputs, baselines)
        if self.layer is None:
            ends = start, tuple(x.detach().clone() for x in self.inputs)
        else:
            ends = self._output_of(start), self._output_of(self.inputs)
        for one in ends[1]:
            if not one.is_floating_point():
                raise InputError(
                    f"there is no path between {str(one.dtype).removeprefix('torch.')} values; for token ids pass "
                    "layer=, the layer of word embeddings"
                )
        return ends

    def at(
        self, space: Any, paths: Tensor, alphas: Tensor, batch: int, sizes: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(F `[point]` in float64, its gradient times x - x' `[point, feature]`), `batch` points at a time.

        space: the paths, see `_integrated_gradients`; paths, alphas: `[point]`
        sizes: tokens of each example; then `batch` counts tokens, each point as many as the longest beside it
        """
        values, products = [], []
        counts = (
            batch if sizes is None else _counts([sizes[n] for n in space.examples[paths].tolist()], batch)
        )
        for numbers, some in zip(paths.split(counts), alphas.split(counts)):
            examples = space.examples[numbers]
            leaves = [point.requires_grad_() for point in space.points(numbers, some)]
            with self._replaced(leaves, examples) as arguments:
                output = self.forward(*arguments)
            scalar = self._chosen(output, examples)
            values.append(scalar.detach().double())
            products.append(space.products(numbers, self._gradients(scalar, leaves)))
        return torch.cat(values), torch.cat(products)

    @contextmanager
    def _replaced(self, leaves: list[Tensor], examples: Tensor) -> Iterator[list[Any]]:
        """The arguments of `forward` at points of the path; points of a layer replace its output meanwhile."""
        points = [leaf.clone() for leaf in leaves]  # some models write into their inputs
        if self.layer is None:
            yield [*points, *self._rows(self.more, examples)]
            return
        with hooked([(self.layer, lambda *_: tuple(points) if self.plural else points[0])]):
            yield self._rows((*self.inputs, *self.more), examples)

    @staticmethod
    def _gradients(values: Tensor, leaves: list[Tensor]) -> list[Tensor]:
        gradients = [None]
        if values.requires_grad:
            gradients = torch.autograd.grad(values, leaves, torch.ones_like(values), allow_unused=True)
        if all(gradient is None for gradient in gradients):
            raise InputError(
                "the target has no gradient along the path: the model detaches it or runs under no_grad, or the "
                "target does not depend on these inputs or this layer; pass another target= or layer="
            )
        return [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, leaves)]

    def _rows(self, arguments: Sequence[Any], examples: Tensor) -> list[Any]:
        """Arguments for those examples: a tensor with a row for each example of the batch is indexed by them."""
        return [x.index_select(0, examples.to(x.device)) if self._has_rows(x) else x for x in arguments]

    def _has_rows(self, argument: Any) -> bool:
        return isinstance(argument, Tensor) and argument.ndim > 0 and len(argument) == self.count

    def _chosen(self, output: Any, examples: Tensor) -> Tensor:
        """The target of a model's output, `[point]`."""
        from captum._utils.common import _select_targets

        try:
            values = _select_targets(output, self._targets(examples))
            fits = values.ndim > 0 and len(values) == values.numel() == len(examples)
        except (AssertionError, IndexError, RuntimeError, TypeError, AttributeError) as error:
            raise InputError(f"target {self.target!r} does not fit {_described(output)}: {error}") from error
        if not fits:
            raise InputError(
                f"the model returned {_described(output)} for {len(examples)} points, with target {self.target!r} "
                f"{list(values.shape)}; one number per point is needed: pass target=, the class to explain"
            )
        return values.reshape(-1)

    def _targets(self, examples: Tensor) -> Any:
        if not self.per_example:
            return self.target
        if isinstance(self.target, Tensor):
            return self.target[examples.to(self.target.device)]
        return [self.target[number] for number in examples.tolist()]

    def _output_of(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The output of the layer for these inputs."""
        outputs: list[Any] = []
        rows = self._rows((*inputs, *self.more), torch.arange(self.count, device=inputs[0].device))
        with torch.no_grad(), hooked([(self.layer, lambda *seen: outputs.append(seen[2]))]):
            self.forward(*rows)
        if len(outputs) != 1:
            raise InputError(
                f"{type(self.layer).__name__} ran {len(outputs)} times in one forward pass; a path needs a layer that "
                "runs once: pass another layer="
            )
        self.plural = isinstance(outputs[0], tuple)  # attributions are then like the layer's output
        found = outputs[0] if self.plural else (outputs[0],)
        if not all(map(self._has_rows, found)):
            raise InputError(
                f"{type(self.layer).__name__} returns no row for each of the {self.count} examples; give a "
                "layer= that does"
            )
        return tuple(x.detach().clone() for x in found)


def _counts(sizes: list[int], most: int) -> list[int]:
    """How many neighbouring points go together, so that the largest times their number is at most `most`."""
    counts, start = [], 0
    while start < len(sizes):
        count = max(1, most // sizes[start])
        largest = max(sizes[start : start + count])
        counts.append(min(max(1, most // largest), len(sizes) - start))
        start += counts[-1]
    return counts


def _tensors(inputs: Any) -> tuple[Tensor, ...]:
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    if not tensors or not all(isinstance(x, Tensor) and x.ndim and len(x) for x in tensors):
        raise InputError(
            "inputs must be a tensor [example, ...] or a tuple of them, with at least one example, not "
            f"{_described(inputs)}"
        )
    if len({len(x) for x in tensors}) > 1:
        raise InputError(f"inputs must have as many examples each, not {[len(x) for x in tensors]}")
    return tensors


def _beside(inputs: tuple[Tensor, ...], baselines: Any) -> tuple[Tensor, ...]:
    """Baselines as tensors like the inputs: zeros by default; a number or a single example applies to all."""
    each = (
        baselines
        if isinstance(baselines, tuple)
        else (baselines,) * (len(inputs) if baselines is None else 1)
    )
    if len(each) != len(inputs):
        raise InputError(f"{len(each)} baselines for {len(inputs)} inputs; give a tuple with one for each")
    return tuple(map(_baseline, inputs, each))


def _baseline(like: Tensor, baseline: Any) -> Tensor:
    if isinstance(baseline, Tensor) and baseline.shape[1:] == like.shape[1:] and baseline.ndim == like.ndim:
        if len(baseline) in (1, len(like)):
            return baseline.detach().to(like.device, like.dtype).expand_as(like).clone()
    if baseline is None or as_number(baseline) is not None:
        return torch.full_like(like, baseline or 0, requires_grad=False)
    raise InputError(
        f"a baseline must be a number, or a tensor {list(like.shape)} like its input (or with one example), not "
        f"{_described(baseline)}"
    )


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    return type(value).__name__
