"""The interface of a lens that lower modules use: a model together with the processor of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..data._trace import Trace
    from ._text_inputs import Encoded


class ModelWithProcessor(Protocol):
    """A model that reads raw inputs, with methods for traces and attributions."""

    model: nn.Module
    name: str
    task: str | None

    @property
    def device(self) -> torch.device: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def activation(self) -> str: ...
    def check_classes(self, count: int) -> None: ...
    def target_index(self, target: str | int) -> int: ...
    def trace(self, input: Any, **options: Any) -> Any: ...
    def traces(self, inputs: Iterable[Any], *, batch_size: int = 16, **options: Any) -> Iterator[Trace]: ...
    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any: ...
    def prepare(self, input: Any) -> Any: ...
    def reduce(
        self,
        inputs: Iterable[Any],
        reducer: Any,
        *,
        batch_size: int | None = None,
        logits: bool = False,
        gates: Any = None,
    ) -> Iterator[tuple]: ...


class TextModel(ModelWithProcessor, Protocol):
    """A text model with its tokenizer."""

    tokenizer: Any

    @property
    def max_tokens(self) -> int | None: ...
    @property
    def batches(self) -> bool: ...
    def prepare(self, input: Any) -> Encoded: ...
    def encode(self, input: Any, output: str | None = None) -> Encoded: ...
    def inputs(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]: ...
    def answer_place(self, encoded: Encoded) -> int | None: ...


class ImageModel(ModelWithProcessor, Protocol):
    """A vision model with its image processor, a function that prepares pictures, or none."""

    processor: Any
    patches: tuple[int, int] | None
