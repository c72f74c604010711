"""A vision model as a function of its pixels."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import InputError
from ...models import _forward, _tasks

if TYPE_CHECKING:
    from ...models._protocols import ImageModel


class PixelForward:
    """The logits of a vision model as a function of its pixels.

    >>> forward = PixelForward(lens)
    >>> forward.logits(pixels)                     # [row, class] at pixels [row, channel, height, width]
    """

    def __init__(self, lens: ImageModel):
        self.lens = lens
        self.named = "pixel_values" in inspect.signature(lens.model.forward).parameters

    def logits(self, pixels: Tensor) -> Tensor:
        """`[row, class]`, in float32 (float64 stays). Raises InputError for a model without class logits."""
        model = self.lens.model
        given = pixels.to(self.lens.device, self.lens.dtype)
        with _forward.input_errors(model, {"pixel_values": given} if self.named else given):
            output = model(pixel_values=given) if self.named else model(given)
        logits = _tasks.read(output)
        if logits is None or logits.ndim != 2 or len(logits) != len(pixels):
            raise InputError(
                f"{type(model).__name__} returns no class logits [image, class] for its pixels; load the "
                "model with a head (…ForImageClassification), or wrap it in a module that returns them"
            )
        return logits if logits.dtype == torch.float64 else logits.float()
