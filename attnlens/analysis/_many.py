"""Functions of a trace that also take a lens with inputs, whose attention they reduce while the model runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeGuard

from ..errors import InputError


class ModelWithInputs(Protocol):
    """A model that reads raw inputs and whose attention is reduced while it runs: a lens."""

    def reduce(
        self, inputs: Iterable[Any], reducer: Any, *, batch_size: int | None = None
    ) -> Iterator[Any]: ...


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
