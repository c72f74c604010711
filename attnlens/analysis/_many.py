"""Functions of a trace that also take a lens with inputs, whose attention they reduce while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeGuard

from torch import Tensor

from ..data._batch import AttentionBatch
from ..data._trace import Layer, Trace
from ..errors import InputError
from ._axis_tokens import InputTokens


class ModelWithInputs(Protocol):
    """A model that reads raw inputs and whose attention is reduced while it runs: a lens."""

    def reduce(
        self, inputs: Iterable[Any], reducer: Any, *, batch_size: int | None = None
    ) -> Iterator[Any]: ...

    def traces(self, inputs: Iterable[Any], *, batch_size: int = 16) -> Iterator[Trace]: ...


def of_lens(source: Any, inputs: Any, batch_size: int | None, function: str) -> TypeGuard[ModelWithInputs]:
    """Whether the source is a lens with inputs; otherwise it is a trace or traces.

    Raises InputError for a lens without inputs, and for inputs or a batch size without a lens.
    """
    if hasattr(source, "reduce"):
        if inputs is None:
            raise InputError(f"a lens needs inputs: {function}(lens, texts)")
        return True
    if inputs is not None:
        raise InputError(f"inputs belong to a lens, not to {type(source).__name__}: {function}(lens, texts)")
    if batch_size is not None:
        raise InputError(f"batch_size= is for a lens with inputs: {function}(lens, texts, batch_size=16)")
    return False


def reduced(
    source: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None,
    reducer: Callable[[InputTokens], Callable[..., Any]],
    batch_size: int | None,
    function: str,
) -> Iterator[tuple[list[int], list[tuple[str, Any]]]]:
    """What a reducer returns for each layer of each trace, or of each batch of inputs of a lens, as `lens.reduce`."""
    if of_lens(source, inputs, batch_size, function):
        yield from source.reduce(inputs, reducer, batch_size=batch_size)
        return
    for number, trace in enumerate(traces_of(source, function)):
        reduce = reducer(tokens_of(trace))
        yield [number], [(layer.name, reduce(*batch_of_layer(layer))) for layer in trace.layers]


def traces_of(source: Trace | Iterable[Trace], function: str) -> Iterator[Trace]:
    """Iterates over one trace or several. Raises InputError for anything else."""
    if isinstance(source, Trace):
        source = (source,)
    if not isinstance(source, Iterable) or isinstance(source, str):
        raise InputError(f"{function}() takes a trace or an iterable of traces, not {type(source).__name__}")
    for number, trace in enumerate(source):
        if not isinstance(trace, Trace):
            raise InputError(
                f"{function}() takes traces, but input {number} is {type(trace).__name__}; of texts: "
                f"{function}(lens, texts)"
            )
        yield trace


def tokens_of(trace: Trace) -> InputTokens:
    """The tokens of a trace as a batch of one."""
    return InputTokens(
        (trace.tokens,), (trace.output_tokens,), () if trace.patches is None else (trace.patches,)
    )


def batch_of_layer(layer: Layer, key_weights: Tensor | None = None) -> tuple[AttentionBatch, tuple[str, str]]:
    """A layer of a trace as what a reducer receives; key_weights: `[head, key]`, as in `AttentionBatch`."""
    attention = AttentionBatch.of(layer.attention, layer.name, layer.kind, key_weights)
    return attention, (layer.query_side, layer.key_side)
