"""Class activation maps: which locations of a model's last feature map supported a class.

    from attnlens.attribution import LayerGradCamPlusPlus          # as Captum's LayerGradCam

    method = LayerGradCamPlusPlus(model, model.layer4)
    maps = method.attribute(pixels, target=3)                          # [example, 1, row, column]

In a convolutional network this is the output of the last convolutions; in a vision Transformer it is the input of
the last attention, row by row. The module that computes it is found by running the model, not by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import LayerGradCam
from torch import Tensor, nn

from ...data._trace import PatchGrid
from ...errors import CaptureError, InputError, unknown_name
from ...models._forward import hooked
from ...recorder._capture import listen

MOST_NAMES = 8
"""The number of layers that an error message lists, from the end."""


# -- the formulas -----------------------------------------------------------------------------------------------


def grad_cam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Gradient-weighted sum of feature maps, `[example, 1, row, column]`, before the ReLU.

    maps, gradient: `[example, channel, row, column]`, the feature maps A and the gradient of F with respect to them

    Source: Selvaraju et al. 2017, "Grad-CAM", eqs. 1 and 2.
    """
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)


def grad_cam_plus_plus(maps: Tensor, gradient: Tensor) -> Tensor:
    """As `grad_cam`, with a weight for each location of a map, so that several objects of a class all count.

    With Y = exp(F), and F linear in the maps, as in a network of ReLUs after them, the second and third derivatives
    of Y are Y g^2 and Y g^3, and Y cancels in `alpha = g^2 / (2 g^2 + sum(A) g^3)`. A map's weight is
    `sum(alpha * relu(g))`; the common factor Y = exp(F) is omitted, since it only scales the whole map.

    Source: Chattopadhay et al. 2018, "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
    Convolutional Networks", eqs. 9 to 12.
    """
    squared, cubed = gradient**2, gradient**3
    below = 2 * squared + maps.sum((2, 3), keepdim=True) * cubed
    alpha = squared / torch.where(below == 0, 1.0, below)
    weights = (alpha * gradient.relu()).sum((2, 3), keepdim=True)
    return (weights * maps).sum(1, keepdim=True)


class LayerGradCamPlusPlus(LayerGradCam):
    """Grad-CAM++ of one layer `[example, channel, row, column]`: see `grad_cam_plus_plus` for the formula.

    >>> LayerGradCamPlusPlus(model, model.layer4).attribute(pixels, target=3, relu_attributions=True)
    """

    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Any = None,
        additional_forward_args: Any = None,
        attribute_to_layer_input: bool = False,
        relu_attributions: bool = False,
    ) -> Tensor:
        """`[example, 1, row, column]`, at the resolution of the layer; the arguments are those of LayerGradCam.

        Raises InputError for a layer whose output is not `[example, channel, row, column]`.
        """
        maps, gradient = maps_of(
            self.forward_func, self.layer, inputs, target, additional_forward_args, attribute_to_layer_input
        )
        if maps.ndim != 4:
            raise InputError(
                "Grad-CAM++ needs a layer of feature maps [example, channel, row, column]; "
                f"{type(self.layer).__name__} returns {list(maps.shape)}; pass another layer"
            )
        found = grad_cam_plus_plus(maps, gradient)
        return found.relu() if relu_attributions else found


def maps_of(
    forward: Callable[..., Tensor], layer: nn.Module, inputs: Any, target: Any = None, more: Any = None,
    of_input: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The output (or input) of a layer, and the gradient of F with respect to it.

    The graph starts at the inputs, also where the model's parameters are frozen: started at the layer, it would miss
    what was computed from the same tensor before the layer ran.
    """
    leaves = tuple(_leaf(one) for one in (inputs if isinstance(inputs, tuple) else (inputs,)))
    gradients, values = compute_layer_gradients_and_eval(
        forward, layer, leaves, target, more, attribute_to_layer_input=of_input
    )
    return values[0].detach(), gradients[0].detach()


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_() if tensor.is_floating_point() else tensor


# -- finding the layer ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ModuleCall:
    """One call of a module: what it received and what it returned, as shapes; () for no tensor.

    recorded: the number of attentions recorded before it began
    began, ended: its rank in the order of starts, and of ends
    """

    path: str
    module: nn.Module
    received: tuple[int, ...]
    returned: tuple[int, ...]
    recorded: int
    began: int
    ended: int


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The location of feature maps: the output of a module or, with `of_input`, its input; grid: that of tokens."""

    path: str
    module: nn.Module
    of_input: bool = False
    grid: PatchGrid | None = None

    def maps(self, forward: Callable[..., Tensor], pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Feature maps and their gradient, each `[example, channel, row, column]`.

        Raises InputError where the target does not depend on them.
        """
        try:
            both = maps_of(forward, self.module, pixels, of_input=self.of_input)
        except RuntimeError as error:
            if "appears to not have been used" not in str(error) and "does not require grad" not in str(
                error
            ):
                raise
            raise InputError(
                f"the target does not depend on layer {self.path!r}; pass another layer="
            ) from error
        return tuple(_as_map(one, self.grid, self.path) for one in both)


def find(model: nn.Module, run: Callable[[], Any], grid: PatchGrid | None, layer: Any = None) -> FeatureMap:
    """The last feature map of a model: of a convolutional network, or the tokens of a vision Transformer.

    Convolutions count in the order in which they run. The map includes the norm, activation and residual sum after
    the last one: it is the last output of the same height and width. For a Transformer it is the input of the last
    attention over all patches, without the tokens before them.

    run: runs the model once; grid: that of the patches, if the model attends over patches
    layer: a module or its dotted path instead

    Raises InputError for an unknown layer, listing those with feature maps, and where there is none.
    """
    ran, calls = _listened(model, run)
    if layer is not None:
        return _named(model, ran, grid, layer)
    whole = [n for n, call in enumerate(calls) if call.kind == "self" and grid and call.shape[2] == len(grid)]
    if any(call.windows > 1 for call in calls):
        raise InputError(
            "the model attends within windows, whose positions change from layer to layer; pass the layer whose "
            f"tokens are in order: layer=, one of {_listed(ran, grid)}"
        )
    if whole:
        return _tokens(ran, whole[-1], calls[whole[-1]].shape[2], grid)
    convolutions = [one for one in ran if isinstance(one.module, nn.Conv2d) and _wide(one.returned)]
    if not convolutions or (calls and not convolutions[-1].recorded):
        reason = "attends over an unknown grid of patches" if calls else "runs no 2-d convolution"
        raise InputError(
            f"{type(model).__name__} {reason}, so that there is no feature map to weight; pass the "
            "grid, Lens(model, patches=(rows, cols)), or a layer="
        )
    return _convolved(ran, convolutions[-1])


def _listened(model: nn.Module, run: Callable[[], Any]) -> tuple[list[ModuleCall], list[Any]]:
    """Every module call in the order in which they ended, and the attention calls between them."""
    try:
        with listen(model) as recording, _watched(model, recording.calls) as ran:
            run()
    except CaptureError:  # no attention at all
        with _watched(model, []) as ran:
            run()
        return ran, []
    return ran, recording.calls


@contextmanager
def _watched(model: nn.Module, calls: list[Any]) -> Iterator[list[ModuleCall]]:
    ran: list[ModuleCall] = []
    open_calls: dict[nn.Module, list[tuple]] = {}
    began = iter(range(10**9))

    def begin(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, kwargs: dict) -> None:
            first = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
            open_calls.setdefault(module, []).append((path, _shape(first), len(calls), next(began)))

        return hook

    def end(module: nn.Module, args: tuple, output: Any) -> None:
        path, first, recorded, number = open_calls[module].pop()
        ran.append(ModuleCall(path, module, first, _shape(output), recorded, number, len(ran)))

    modules = list(model.named_modules())
    beginnings = [(module, begin(path)) for path, module in modules]
    endings = [(module, end) for _, module in modules]
    with hooked(beginnings, before=True, with_kwargs=True), hooked(endings), torch.no_grad():
        yield ran


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _wide(shape: tuple[int, ...]) -> bool:
    """Whether it is a map of more than one location."""
    return len(shape) == 4 and shape[2] * shape[3] > 1


def _once(ran: list[ModuleCall]) -> list[ModuleCall]:
    """Calls of modules that ran once; among several calls of a module the intended one would be ambiguous."""
    modules = [call.module for call in ran]
    return [call for call in ran if modules.count(call.module) == 1]


def _convolved(ran: list[ModuleCall], last: ModuleCall) -> FeatureMap:
    behind = [
        call for call in _once(ran) if call.ended >= last.ended and call.returned[2:] == last.returned[2:]
        and len(call.returned) == 4
    ]  # fmt: skip
    if not behind:
        raise InputError(f"the last convolution, {last.path!r}, runs several times; pass another layer=")
    return FeatureMap(behind[-1].path, behind[-1].module)


def _tokens(ran: list[ModuleCall], call: int, count: int, grid: PatchGrid) -> FeatureMap:
    """The input of an attention: that of the last module that starts before it, its projection or itself."""
    before = [
        other
        for other in ran
        if other.recorded == call and len(other.received) == 3 and other.received[1] == count
    ]
    if not before:
        raise InputError(
            f"no module receives the {count} tokens before the last attention; pass the layer that returns them: "
            f"layer=, one of {_listed(ran, grid)}"
        )
    last = max(before, key=lambda other: other.began)
    normed = "norm" in type(last.module).__name__.lower()
    return FeatureMap(last.path, last.module, of_input=not normed, grid=grid)


def _named(model: nn.Module, ran: list[ModuleCall], grid: PatchGrid | None, layer: Any) -> FeatureMap:
    """The layer named by the user."""
    paths = dict(model.named_modules())
    if isinstance(layer, nn.Module):
        layer = next((path for path, module in paths.items() if module is layer), type(layer).__name__)
    calls = [call for call in ran if call.path == layer]
    if len(calls) != 1 or not _fits(calls[0].returned, grid):
        if isinstance(layer, str) and layer in paths and layer:
            what = f"ran {len(calls)} times" if len(calls) != 1 else f"returns {list(calls[0].returned)}"
            raise InputError(
                f"layer {layer!r} {what}; a feature map is returned once, as [image, channel, row, column] or as one "
                f"token per patch; pass one of: {_listed(ran, grid)}"
            )
        raise unknown_name("layer", layer, [call.path for call in _candidates(ran, grid)])
    return FeatureMap(layer, calls[0].module, grid=grid)


def _fits(shape: tuple[int, ...], grid: PatchGrid | None) -> bool:
    """Whether it is a feature map of one image, not of its windows."""
    if not shape or shape[0] != 1:
        return False
    return _wide(shape) or (len(shape) == 3 and grid is not None and _rows_cols(shape[1], grid) is not None)


def _candidates(ran: list[ModuleCall], grid: PatchGrid | None) -> list[ModuleCall]:
    return [call for call in _once(ran) if call.path and _fits(call.returned, grid)][-MOST_NAMES:]


def _listed(ran: list[ModuleCall], grid: PatchGrid | None) -> str:
    return ", ".join(call.path for call in _candidates(ran, grid)) or "none in this model"


def _rows_cols(count: int, grid: PatchGrid) -> tuple[int, int] | None:
    """The grid of so many tokens: that of the patches, with or without the leading ones, or a coarser one (Swin)."""
    if count in (len(grid), grid.rows * grid.cols):
        return grid.rows, grid.cols
    coarser = [(grid.rows // n, grid.cols // n) for n in (2, 4, 8, 16, 32)]
    return next((one for one in coarser if one[0] * one[1] == count > 1), None)


def _as_map(values: Tensor, grid: PatchGrid | None, path: str) -> Tensor:
    """`[image, channel, row, column]` of feature maps, or of tokens `[image, token, d_model]` row by row."""
    if values.ndim == 4:
        return values
    rows, cols = _rows_cols(values.shape[1], grid)
    return values[:, values.shape[1] - rows * cols :].transpose(1, 2).unflatten(2, (rows, cols))
