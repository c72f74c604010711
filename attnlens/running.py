"""Running a model that belongs to somebody else: once, captured, and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .attention import Windows
from .capture import capture
from .errors import InputError, unknown_name
from .trace import Layer


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; afterwards every module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No gradients for parameters for a while: they would cost a quarter of the memory."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def check_options(options: dict[str, Any], *known: str) -> None:
    """Raises InputError for an option that is none of the known ones, listing them."""
    for name in options:
        if name not in known:
            raise unknown_name("option", name, known)


def run(
    model: nn.Module, inputs: Tensor | dict[str, Tensor], **options: Any
) -> tuple[Any, list[tuple[Layer, ...]]]:
    """One captured forward pass: (the model's output, layers per input).

    Raises InputError with the shapes of the inputs where the model fails on them.
    """
    with evaluating(model), torch.no_grad(), capture(model, **options) as recording:
        try:
            output = model(inputs) if isinstance(inputs, Tensor) else model(**inputs)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
            raise _refused(model, inputs, error) from error
    return output, list(recording.layers(recording.forwards[-1]))


def _refused(model: nn.Module, inputs: Tensor | dict[str, Tensor], error: Exception) -> InputError:
    named = {"a tensor": inputs} if isinstance(inputs, Tensor) else inputs
    given = ", ".join(
        f"{name} {list(x.shape)} {str(x.dtype).removeprefix('torch.')}" for name, x in named.items()
    )
    reason = next(iter(str(error).strip().splitlines()), "no reason given")
    return InputError(
        f"{type(model).__name__} failed on its input ({given}): {type(error).__name__}: {reason}"
    )


def sided(layers: tuple[Layer, ...], inputs: int, outputs: int, seq2seq: bool = False) -> tuple[Layer, ...]:
    """Layers with the side of each axis: a decoder's queries are output tokens, cross attention looks at the input.

    inputs, outputs: how many tokens each side has, 0 where they are not known; an axis of another length is "other".
    """
    found = []
    for layer in layers:
        attention = layer.attention
        decodes = seq2seq and "decoder" in layer.name.split(".")
        query = "output" if decodes else "input"
        key = "output" if decodes and layer.kind == "self" else "input"
        if layer.kind == "channel" or isinstance(attention, Windows):
            query = key = "other"
        counts = {"input": inputs, "output": outputs}
        query = query if counts.get(query, 0) in (0, attention.queries) else "other"
        key = key if counts.get(key, 0) in (0, attention.keys) else "other"
        found.append(replace(layer, query_side=query, key_side=key))
    return tuple(found)
