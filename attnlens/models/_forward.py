"""One captured forward pass of a user's model, which is left unchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from ..data._attention import Windows
from ..data._batch import AttentionBatch
from ..data._pending import PendingLayers
from ..data._trace import Layer
from ..errors import InputError, unknown_name
from ..recorder._capture import listen
from ..recorder._modules import take_hook
from ..recorder._recording import pending_layers
from . import _classes

OPTIONS = ("store", "dtype", "values", "target", "gates")
"""The options of a run."""


_locks = WeakIdKeyDictionary()


@contextmanager
def exclusive(model: nn.Module) -> Iterator[None]:
    """A re-entrant lock of the model, so that one thread at a time runs what changes it.

    Models that share their parameters, as a classifier and its encoder do, share the lock.
    """
    with _locks.setdefault(next(model.parameters(), model), threading.RLock()):
        yield


@contextmanager
def undone(*undo: Callable[[], None]) -> Iterator[None]:
    """Undoes a change after the block; entered before the change is made.

    Each step must be harmless when repeated: it runs twice, since an interrupt may stop the first attempt.
    """
    try:
        try:
            yield
        finally:
            for step in undo:
                step()
    finally:
        for step in undo:
            step()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside the block, in this thread alone; afterwards every module is in its previous mode."""
    with exclusive(model):
        training = [module for module in model.modules() if module.training]

        def back() -> None:
            for module in training:
                module.training = True

        with undone(back):
            model.eval()
            yield


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No gradients for parameters inside the block: they would cost a quarter of the memory.

    Parameters made under `torch.inference_mode` have none and cannot require any.
    """
    with exclusive(model):
        wanted = [p for p in model.parameters() if p.requires_grad and not p.is_inference()]

        def back() -> None:
            for parameter in wanted:
                parameter.requires_grad_(True)

        with undone(back):
            for parameter in wanted:
                parameter.requires_grad_(False)
            yield


@contextmanager
def gradient_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode, gradients for the inputs and none for parameters, in any mode of autograd."""
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model), frozen(model):
        yield


def check_options(options: dict[str, Any], *names: str) -> None:
    """Raises InputError for an unknown option, listing the known ones."""
    for name in options:
        if name not in names:
            raise unknown_name("option", name, names)


@contextmanager
def differentiable(model: nn.Module) -> Iterator[list[Tensor]]:
    """Forward passes keep the graph down to the embeddings; yields the embeddings' outputs as they are computed.

    Integers have no gradient, so the outputs of the embeddings are the leaves. Parameters get no gradient.
    """
    leaves: list[Tensor] = []

    def begin(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # some models add positions in place

    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    with exclusive(model), hooked((table, begin) for table in tables):
        with torch.inference_mode(False), torch.enable_grad(), frozen(model):
            yield leaves


@contextmanager
def hooked(
    hooks: Iterable[tuple[nn.Module, Callable]], *, before: bool = False, with_kwargs: bool = False
) -> Iterator[None]:
    """Forward hooks on modules inside the block, for this thread alone.

    before: whether they run before the module
    """
    owner = threading.get_ident()
    guarded = [(module, partial(_if_mine, owner, hook)) for module, hook in hooks]

    def back() -> None:
        for module, hook in guarded:
            take_hook(module, hook)

    with undone(back):
        for module, hook in guarded:
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            register(hook, with_kwargs=with_kwargs)
        yield


def _if_mine(owner: int, hook: Callable, *args: Any) -> Any:
    return hook(*args) if threading.get_ident() == owner else None


def run(
    model: nn.Module,
    inputs: Tensor | dict[str, Tensor],
    *,
    score: Callable[[Any], Tensor] | None = None,
    **options: Any,
) -> tuple[Any, list[PendingLayers]]:
    """One captured forward pass: (the model's output, layers per input, computed when they are read).

    score: from the model's output to the number whose gradient at every attention is kept in the layers' values

    Raises InputError with the shapes of the inputs where the model fails on them.
    """
    if score is None:
        with evaluating(model), torch.no_grad(), listen(model, **options) as recording:
            output = call(model, inputs)
    else:
        with evaluating(model), differentiable(model) as leaves:
            inputs = _leaves(inputs, leaves)
            with listen(model, gradients=True, **options) as recording:
                output = call(model, inputs)
            _backward(model, score(output), leaves)
    return output, pending_layers(recording, recording.forwards[-1])


def reduced(
    model: nn.Module,
    inputs: Tensor | dict[str, Tensor],
    reduce: Callable[[AttentionBatch], Any],
    gates: Mapping[int, Sequence[float]] | None = None,
) -> tuple[Any, list[tuple[str, Any]]]:
    """One forward pass whose attention is reduced while it runs: (output, (name, result) of each layer)."""
    with evaluating(model), torch.no_grad(), listen(model, reduce=reduce, gates=gates) as recording:
        output = call(model, inputs)
    return output, recording.reduced_layers(recording.forwards[-1])


def run_for(
    model: nn.Module,
    inputs: Tensor | dict[str, Tensor],
    logits_of: Callable[[Any, int], Tensor | None],
    count: int,
    target: str | int | None = None,
    **options: Any,
) -> tuple[Any, list[PendingLayers], list[int | None]]:
    """`run` for the gradient of a target: (output, layers, the class index of each of `count` inputs).

    logits_of: from the output and the number of an input to its logits `[class]`
    target: a class index, "predicted" for the predicted class of each input, or None for no gradient
    """
    chosen: list[int | None] = []

    def score(output: Any) -> Tensor:
        logits = [logits_of(output, item) for item in range(count)]
        if any(row is None or row.ndim != 1 for row in logits):
            raise InputError(
                f"{type(model).__name__} returns no class logits whose gradient could be kept: it predicts for each "
                "token, or the text has no mask to predict at, or it has no head (…ForSequenceClassification, "
                "…ForImageClassification, …ForCausalLM); omit target=, or change this"
            )
        chosen.extend(_classes.chosen(target, row) for row in logits)
        return sum(row[index] for row, index in zip(logits, chosen))

    output, layers = run(model, inputs, score=None if target is None else score, **options)
    return output, layers, chosen or [None] * count


def call(model: nn.Module, inputs: Tensor | dict[str, Tensor]) -> Any:
    """The model's output. Raises InputError with the shapes of the inputs where the model fails on them."""
    with input_errors(model, inputs):
        return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)


@contextmanager
def input_errors(model: nn.Module, inputs: Tensor | dict[str, Tensor]) -> Iterator[None]:
    """Any error of a model on its inputs, except a lack of memory, becomes an InputError with their shapes."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        if _out_of_memory(error):
            raise
        raise _refused(model, inputs, error) from error


def _leaves(inputs: Tensor | dict[str, Tensor], leaves: list[Tensor]) -> Tensor | dict[str, Tensor]:
    """The inputs, with those of floating point as leaves of the graph."""
    if isinstance(inputs, Tensor):
        leaves.append(
            inputs.detach().clone().requires_grad_()
        )  # a clone can be a leaf under inference_mode too
        return leaves[-1]
    return {
        name: _leaves(x, leaves) if x.is_floating_point() and "mask" not in name else x
        for name, x in inputs.items()
    }


def _backward(model: nn.Module, score: Tensor, leaves: list[Tensor]) -> None:
    if not score.requires_grad:
        raise InputError(
            f"{type(model).__name__} returns no gradient: its forward detaches its output, or runs under no_grad"
        )
    torch.autograd.grad(score, leaves, allow_unused=True)


def _refused(model: nn.Module, inputs: Tensor | dict[str, Tensor], error: Exception) -> InputError:
    named = {"a tensor": inputs} if isinstance(inputs, Tensor) else inputs
    shapes = ", ".join(
        f"{name} {list(x.shape)} {str(x.dtype).removeprefix('torch.')}"
        for name, x in named.items()
        if isinstance(x, Tensor)
    )
    if "nference tensor" in str(error):
        return InputError(
            f"the parameters of {type(model).__name__} were made under torch.inference_mode, so they have no gradient; "
            "build or load the model outside of it, or use a method without gradients"
        )
    reason = next(iter(str(error).strip().splitlines()), "no reason given")
    return InputError(
        f"{type(model).__name__} failed on its input ({shapes}): {type(error).__name__}: {reason}"
    )


def sided(layers: tuple[Layer, ...], inputs: int, outputs: int, seq2seq: bool = False) -> tuple[Layer, ...]:
    """Layers with the side of each axis: a decoder's queries are output tokens, cross attention attends to the input.

    inputs, outputs: the number of tokens of each side, 0 where it is unknown; an axis of another length is "other".
    """
    with_sides = []
    for layer in layers:
        attention = layer.attention
        query, key = sides(layer.name, layer.kind, isinstance(attention, Windows), seq2seq)
        counts = {"input": inputs, "output": outputs}
        query = query if counts.get(query, 0) in (0, attention.queries) else "other"
        key = key if counts.get(key, 0) in (0, attention.keys) else "other"
        with_sides.append(replace(layer, query_side=query, key_side=key))
    return tuple(with_sides)


def sides(name: str, kind: str, windowed: bool, seq2seq: bool = False) -> tuple[str, str]:
    """Whose tokens a layer's queries and keys are, as far as its name and kind determine it."""
    if kind == "channel" or windowed:
        return "other", "other"
    decodes = seq2seq and "decoder" in name.split(".")
    return ("output" if decodes else "input"), ("output" if decodes and kind == "self" else "input")


ON_CPU = 1024
"""Tokens that go through a model together on a CPU, where larger batches save nothing."""

PER_GIB = 400
"""Tokens per GiB of a GPU's memory that go through a model together, with the activations that a gradient needs."""


@dataclass
class BatchBudget:
    """The number of tokens that go through a model together; it is halved when memory runs out.

    tokens: number of rows times their length, including padding
    """

    tokens: int = 4096

    @classmethod
    def of(cls, device: torch.device) -> BatchBudget:
        """For a device: by its memory, for a GPU."""
        if device.type != "cuda":
            return cls(ON_CPU)
        memory = torch.cuda.get_device_properties(device).total_memory
        return cls(max(ON_CPU, int(memory / 2**30 * PER_GIB)))

    def rows(self, length: int) -> int:
        """The number of rows of `length` tokens that fit: at least one."""
        return max(1, self.tokens // max(length, 1))

    @contextmanager
    def attempt(self, rows: int, length: int) -> Iterator[None]:
        """A block that runs `rows` of `length` tokens. Where memory runs out, it ends early and half as many rows fit
        from then on; for a single row the error is raised.

        >>> while remaining:
        ...     rows = min(budget.rows(length), len(remaining))
        ...     with budget.attempt(rows, length):
        ...         results += run(remaining[:rows])
        ...         remaining = remaining[rows:]
        """
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if rows == 1 or not _out_of_memory(error):
                raise
            self.tokens = max(1, rows * length // 2)


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch's allocator on the CPU raises a plain RuntimeError."""
    named = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return named or "not enough memory" in str(error) or "can't allocate memory" in str(error)
