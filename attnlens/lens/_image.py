"""Vision models of transformers with their image processors, and other torch modules over a grid of patches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn

from .._checks import as_integer
from ..analysis._axis_tokens import InputTokens
from ..data._attention import Windows
from ..data._batch import AttentionBatch
from ..data._trace import Layer, PatchGrid, Trace
from ..errors import InputError
from ..models import _forward, _image_inputs, _tasks
from ._lens import Lens, Reducer

if TYPE_CHECKING:
    from ..attribution import Explanation, ImageAttribution


class ImageLens(Lens):
    """A vision model with its image processor, or any torch vision module with its patch grid.

    >>> lens = al.load("cifar")
    >>> lens.trace("cat.png")                  # a path, a PIL image, an array, or a tensor
    >>> al.Lens(my_vit, patches=(8, 8))        # tensors [3, height, width] are passed unchanged; pictures are
    ...                                        # prepared by my_vit.preprocess, or scaled to 0..1 floats
    >>> al.Lens(my_vit, transform, patches=(8, 8))  # pictures are prepared by transform

    processor: an image processor of transformers, or a function (such as a transform of torchvision) that converts a
        PIL image in RGB to a float tensor `[channel, height, width]`. With a function the trace shows the whole image,
        resized to that height and width.
    patches: (rows, cols) of the grid; inferred for models of transformers.
    """

    def __init__(
        self,
        model: nn.Module,
        processor: Any = None,
        *,
        patches: tuple[int, int] | None = None,
        labels: Sequence[str] | Mapping[int, str] | None = None,
    ):
        super().__init__(model, getattr(processor, "image_processor", processor), labels=labels)
        if self.processor is not None and (
            not callable(self.processor) or hasattr(processor, "convert_ids_to_tokens")
        ):
            raise InputError(
                f"a vision model needs an image processor, or none, not {type(processor).__name__}: "
                "Lens(model, image_processor), Lens(model, preprocess, patches=(rows, cols)) with a function that "
                "converts a PIL image to a tensor, or Lens(model, patches=(rows, cols))"
            )
        named = patches if patches is not None else getattr(model, "patches", None)
        self.patches: tuple[int, int] | None = None if named is None else _grid(named)

    @overload
    def attribute(self, input: list[Any], target: Any = None, **options: Any) -> list[Any]: ...
    @overload
    def attribute(
        self, input: Any, target: list[Any] | tuple[Any, ...], **options: Any
    ) -> list[ImageAttribution]: ...
    @overload
    def attribute(
        self, input: Any, target: str | int | None = None, *, baseline: Literal["compare"], **options: Any
    ) -> Explanation: ...
    @overload
    def attribute(self, input: Any, target: str | int | None = None, **options: Any) -> ImageAttribution: ...
    def attribute(self, input: Any, target: Any = None, **options: Any) -> Any:
        """Attributes a class to the pixels of an image: one score per pixel, with the error of the scores.

        input: any image that the lens reads; for a list, returns a list.
        target: class name or index, or "predicted" (the default). For one image, a list returns one attribution per
            class; for a list of images, a list holds the target of each: one, or a list of several.
        method: "integrated_gradients" (the default), or another of `attnlens.attribution.IMAGE_METHODS`; the guide's
            page on methods explains each.
        against: a second class, for the contrast between `target` and it; for a list of images, one for all or a list
            with one for each.
        unit: unit of the scores, "logit" (the default) or "probability".
        baseline: "black" (the default; "zero" for tensors whose colours are unknown), "white", "grey", "blur",
            "random", "zero", a picture, or a tensor of the model's shape. Scores are averaged over a list (expected
            gradients); "compare" returns an `Explanation` with one attribution per baseline.
        layer: for Grad-CAM, a module or its path; the last feature map by default.
        options: options of the method: tolerance and max_steps of integrated gradients (or n_steps for Captum's fixed
            number of steps); n_samples, noise and seed of methods that sample; window and stride of occlusion; grid of
            shapley.

        Raises InputError for an unknown target, method, baseline, layer or option, and lists the known ones.

        >>> lens.attribute("cat.png", "cat", against="dog", baseline="blur").plot()
        """
        from ..attribution.image._explain import attribute_image

        return self._compared(input, target, options) or attribute_image(self, input, target, **options)

    def _prepare(self, input: Any) -> tuple[Tensor, Any, bool]:
        """(pixels, the picture that they show, whether it is a picture without a preprocessing function)"""
        if isinstance(input, tuple) and len(input) == 3 and isinstance(input[0], Tensor):
            return input  # prepared
        raw = not isinstance(input, Tensor) and _image_inputs.preprocess(self) is None
        return *_image_inputs.prepare(self, input), raw

    def _length(self, prepared: tuple[Tensor, Any, bool]) -> int:
        return prepared[0].shape[-1] * prepared[0].shape[-2]

    def _tokens(self, prepared: tuple[Tensor, Any, bool]) -> int:
        grid = self.patches or _image_inputs.patches_of(self, prepared[0])
        # Without a grid as if patches had 16 x 16 pixels.
        return self._length(prepared) // 256 + 1 if grid is None else grid[0] * grid[1] + 1

    def _run(self, prepared: Sequence[tuple[Tensor, Any, bool]], **options: Any) -> Iterator[Trace]:
        if not self._together(prepared):  # a custom module may take images of several sizes: one by one
            for row in prepared:
                yield from self._run([row], **options)
            return
        with _explaining_raw(prepared):
            output, layers, targets = _forward.run_for(
                self.model, self._inputs(prepared), self._logits, len(prepared), **options
            )
        for item, (row, shown, _) in enumerate(prepared):
            mine = layers[item]()
            grid = _grid_of(self, row, shown, mine)
            yield Trace(
                layers=_forward.sided(mine, 0 if grid is None else len(grid), 0),
                model=self.name,
                patches=grid,
                logits=_tasks.kept(self._logits(output, item)),
                labels=self.labels,
                activation=self.activation,
                target=targets[item],
            )

    def _reduced(
        self, prepared: Sequence[tuple[Tensor, Any, bool]], reducer: Reducer, gates: Any = None
    ) -> tuple[Any, list[tuple[str, Any]]]:
        reduce: Callable[..., Any] | None = None

        def begun(attention: AttentionBatch) -> Any:
            nonlocal reduce
            windowed = attention.windows > 1
            if reduce is None:  # the first layer determines the grid
                outline = attention.name, attention.shape[2] * attention.windows
                in_order = attention.kind != "channel" and not windowed
                grids = [
                    _image_inputs.grid(self, row, shown, *outline, in_order) for row, shown, _ in prepared
                ]
                tokens = [() if grid is None else grid.tokens for grid in grids]
                reduce = reducer(InputTokens(tokens, patches=grids))
            return reduce(attention, _forward.sides(attention.name, attention.kind, windowed))

        with _explaining_raw(prepared):
            return _forward.reduced(self.model, self._inputs(prepared), begun, gates)

    def _together(self, prepared: Sequence[tuple[Tensor, Any, bool]]) -> bool:
        return len({pixels.shape for pixels, *_ in prepared}) == 1

    def _inputs(self, prepared: Sequence[tuple[Tensor, Any, bool]]) -> Tensor | dict[str, Tensor]:
        pixels = torch.stack([p.to(self.device, self.dtype) for p, *_ in prepared])
        named = "pixel_values" in inspect.signature(self.model.forward).parameters
        return {"pixel_values": pixels} if named else pixels

    def _answers(self, prepared: Sequence[tuple[Tensor, Any, bool]]) -> list[Tensor | None]:
        if not self._together(prepared):
            return [logits for row in prepared for logits in self._answers([row])]
        with _explaining_raw(prepared):
            output = self._forward(self._inputs(prepared))
        return self._logits_of(output, prepared)

    def _logits_of(self, output: Any, prepared: Sequence[tuple[Tensor, Any, bool]]) -> list[Tensor | None]:
        logits = _tasks.read(output)
        if logits is None or logits.ndim != 2:
            return [None] * len(prepared)
        self.check_classes(logits.shape[1])
        return list(_tasks.kept(logits))

    def _logits(self, output: Any, item: int) -> Tensor | None:
        logits = _tasks.read(output)
        if logits is None or logits.ndim != 2:
            return None
        self.check_classes(logits.shape[1])
        return logits[item]


def _grid_of(lens: ImageLens, pixels: Tensor, shown: Any, layers: tuple[Layer, ...]) -> PatchGrid | None:
    """The grid of patches of one image, by its first layer; None without layers."""
    if not layers:
        return None
    first = layers[0]
    in_order = first.kind != "channel" and not isinstance(first.attention, Windows)
    return _image_inputs.grid(lens, pixels, shown, first.name, first.attention.queries, in_order)


def _grid(patches: Any) -> tuple[int, int]:
    counts = [as_integer(count) for count in patches] if isinstance(patches, Iterable) else []
    if len(counts) != 2 or not all(count is not None and count > 0 for count in counts):
        raise InputError(f"patches must be (rows, cols), two positive integers, not {patches!r}")
    return counts[0], counts[1]


@contextmanager
def _explaining_raw(prepared: Sequence[tuple[Tensor, Any, bool]]) -> Iterator[None]:
    """Adds a remedy to the error of a model that fails on a picture without preprocessing."""
    try:
        yield
    except InputError as error:
        if error.__cause__ is None or not any(raw for *_, raw in prepared):
            raise
        raise InputError(
            f"{error}. The picture was passed as floats in 0..1, without preprocessing; pass a function that converts "
            "it to a tensor: Lens(module, preprocess, patches=(rows, cols))"
        ) from error.__cause__
