"""One picture as the input of a model: its pixels, their colours, and their positions in the picture.

The processor is treated as a black box and measured: black and white pictures of the same size determine the two ends
of every pixel's scale, two ramps determine the position in the picture that each pixel shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import InputError
from ...models import _image_inputs

if TYPE_CHECKING:
    from ...models._protocols import ImageModel

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the original picture."""

STRAIGHT = 0.02
"""The largest deviation of the measured positions from a straight line, as a fraction of the picture."""

PATCH = 16
"""Pixels of a cell, down and across, where the model has no patches; a side has at least `FEWEST` cells."""

FEWEST = 8

LARGE, CLOSE = 2048, 0.03
"""From `LARGE` pixels of the longer side on, measurements use a smaller picture, if the mean difference of the model's
pixels is at most `CLOSE` of the range from black to white."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as a lens reads it.

    original: the picture in RGB; None where the input is a tensor
    pixels: `[channel, height, width]`, the input of the model, on the lens's device and at least in float32
    """

    lens: ImageModel
    original: Image.Image | None
    pixels: Tensor

    @classmethod
    def of(cls, lens: ImageModel, input: Any) -> Picture:
        """Reads any input that the lens accepts. Raises InputError as `lens.trace` does."""
        given = None if isinstance(input, Tensor) else _image_inputs.read(input)
        return cls(lens, given, _pixels(lens, input if given is None else given))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, or of the tensor."""
        return (self.pixels.shape[-1], self.pixels.shape[-2]) if self.original is None else self.original.size

    def like(self, picture: Image.Image) -> Tensor:
        """The pixels that the model would receive for another picture.

        Raises InputError where they have another shape than those of this one.
        """
        pixels = _pixels(self.lens, picture)
        if pixels.shape != self.pixels.shape:
            raise InputError(
                f"a picture of {picture.width} x {picture.height} becomes {list(pixels.shape)} for this model, the "
                f"input is {list(self.pixels.shape)}; resize it to {self.size[0]} x {self.size[1]} first"
            )
        return pixels

    @cached_property
    def ruler(self) -> tuple[int, int]:
        """Width and height at which the processor is measured: those of the picture, or of a smaller copy.

        A smaller copy is used if its pixels are the same, as with every processor that resizes; a mere crop differs.
        """
        if self.original is None or max(self.original.size) < LARGE:
            return self.size
        small = self.original.copy()
        small.thumbnail((LARGE // 2, LARGE // 2), Image.Resampling.BOX)
        pixels = _pixels(self.lens, small)
        if pixels.shape != self.pixels.shape:
            return self.size
        black, white = (_pixels(self.lens, Image.new("RGB", small.size, name)) for name in ("black", "white"))
        apart = (pixels - self.pixels).abs().mean()
        return small.size if bool(apart <= CLOSE * (white - black).abs().mean()) else self.size

    # -- colours --------------------------------------------------------------------------------------------

    def level(self, share: float) -> Tensor:
        """A picture of one colour as the model receives it: 0 is black, 1 is white.

        Raises InputError for a tensor of unknown colours.
        """
        if self.original is None and _image_inputs.preprocess(self.lens) is None:
            return self._raw(share)
        plain = Image.new("RGB", self.ruler, (round(255 * share),) * 3)
        pixels = _pixels(self.lens, plain)
        if pixels.shape == self.pixels.shape:
            return pixels
        # A tensor may have a size that the processor never returns; the colour is the same at every position.
        middle = pixels[:, pixels.shape[1] // 2, pixels.shape[2] // 2]
        if len(middle) != len(self.pixels):
            raise InputError(
                f"the tensor has {len(self.pixels)} channels, pictures have {len(middle)} in this lens; pass the "
                "baseline as a tensor of the same shape"
            )
        return middle[:, None, None].expand_as(self.pixels).contiguous()

    def _raw(self, share: float) -> Tensor:
        if not self.has_colours:
            raise InputError(
                "the numbers of black and white are unknown for a tensor beyond 0..1; pass the baseline as a "
                "tensor, use 'zero', or pass the preprocessing: Lens(model, preprocess)"
            )
        return torch.full_like(self.pixels, share)

    @property
    def has_colours(self) -> bool:
        """Whether the numbers of black and white are known."""
        known = self.original is not None or _image_inputs.preprocess(self.lens) is not None
        return known or bool(self.pixels.min() >= 0 and self.pixels.max() <= 1)

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Black and white, each `[channel, height, width]`."""
        return self.level(0.0), self.level(1.0)

    def shares(self, pixels: Tensor) -> Tensor:
        """Pixels between black, 0, and white, 1, `[channel, height, width]`; NaN in padding, where they are one."""
        black, white = (end.double() for end in self.ends)
        span = white - black
        return (pixels.double() - black) / torch.where(span.abs() > 1e-6, span, torch.nan)

    # -- pictures --------------------------------------------------------------------------------------

    @cached_property
    def seen(self) -> np.ndarray:
        """uint8 `[height, width, 3]`, what the model sees; padding is black."""
        if not self.has_colours:
            return _image_inputs.seen(self.lens, self.pixels)
        shares = self.shares(self.pixels).nan_to_num(0.0)
        shares = shares[:3] if len(shares) >= 3 else shares[:1].expand(3, -1, -1)
        return (shares.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    @property
    def image(self) -> np.ndarray:
        """uint8 `[height, width, 3]`, the original picture; for a tensor what the model sees."""
        return self.seen if self.original is None else np.asarray(self.original)

    @cached_property
    def box(self) -> Box:
        """The part of the original picture that the model sees, to about a pixel.

        The whole picture where no straight line fits the positions of the pixels, for example after a rotation.
        """
        width, height = self.size
        across = down = None
        if self.original is not None:
            across, down = self._places(across=True), self._places(across=False)
        if across is None or down is None:
            return 0.0, 0.0, float(width), float(height)
        return across[0] * width, down[0] * height, across[1] * width, down[1] * height

    def _places(self, across: bool) -> tuple[float, float] | None:
        """Both ends of the model's view along one axis, as shares of the picture; None where no line fits."""
        size = self.ruler[0] if across else self.ruler[1]
        if size < 2:
            return 0.0, 1.0
        shares = self.shares(self._ramp(across)).nanmean(0)
        return _line((shares if across else shares.T).cpu().numpy(), size)

    def _ramp(self, across: bool) -> Tensor:
        """The model's pixels of a picture that goes from black to white."""
        size = self.ruler[0] if across else self.ruler[1]
        steps = np.rint(255 * (np.arange(size) + 0.5) / size).astype(np.uint8)
        line = Image.fromarray(steps[None] if across else steps[:, None])
        return self.like(line.resize(self.ruler, Image.Resampling.NEAREST).convert("RGB"))

    # -- cells ----------------------------------------------------------------------------------------------

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns: the model's patches, or else cells of about the size of a patch."""
        found = self.lens.patches or _image_inputs.patches_of(self.lens, self.pixels)
        height, width = self.pixels.shape[-2:]
        if found is None:
            found = tuple(min(side, max(FEWEST, round(side / PATCH))) for side in (height, width))
        return min(found[0], height), min(found[1], width)

    def cells(self, grid: tuple[int, int]) -> Tensor:
        """The number of the cell of each pixel, `[height, width]`, row by row as `ImageAttribution.pooled` counts."""
        (height, width), (rows, cols) = self.pixels.shape[-2:], grid
        down, across = torch.arange(height) * rows // height, torch.arange(width) * cols // width
        return (down[:, None] * cols + across).to(self.pixels.device)


def _pixels(lens: ImageModel, input: Any) -> Tensor:
    pixels, _ = _image_inputs.prepare(lens, input)
    pixels = pixels.to(lens.device).clone()  # a tensor made under inference_mode cannot require a gradient
    return pixels if pixels.dtype == torch.float64 else pixels.float()


def _line(shares: np.ndarray, size: int) -> tuple[float, float] | None:
    """The start and end of the columns, as shares of a picture of `size` pixels across, from the values of its ramp
    `[row, column]`; None where these are no straight line."""
    columns = shares.shape[1]
    centres = np.broadcast_to(np.arange(columns) + 0.5, shares.shape)
    # Interpolation is constant within half a pixel of the edges; padding is NaN.
    edge = 0.5 / size + 1e-3
    inside = (shares > edge) & (shares < 1 - edge)
    if not inside.any() or np.ptp(centres[inside]) < columns / 8:
        return None
    slope, start = np.polyfit(centres[inside], shares[inside], 1)
    off = np.abs(start + slope * centres[inside] - shares[inside]).max()
    if off > STRAIGHT + 1 / size:
        return None
    return tuple(_snapped(at, max(0.5 / size, abs(slope) / 2)) for at in (start, start + slope * columns))


def _snapped(at: float, near: float) -> float:
    """An end within half a pixel of the picture's edge is the edge."""
    return next((edge for edge in (0.0, 1.0) if abs(at - edge) <= near), float(at))


def tokens_of(pixels: Tensor, grid: tuple[int, int]) -> int:
    """How many tokens of a `BatchBudget` one picture counts as: its patches, or squares of 16 x 16 pixels."""
    return max(grid[0] * grid[1], pixels.shape[-2] * pixels.shape[-1] // PATCH**2)
