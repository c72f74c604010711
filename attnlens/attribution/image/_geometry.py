"""One picture on its way into a model: its pixels, what they show, and where in the picture they come from.

Nothing here knows how a processor works. What it does is measured: black and white pictures of the same size give
the two ends of every pixel's scale, two ramps give the place in the picture that each pixel shows.
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
"""Left, top, right, bottom in pixels of the picture that was given."""

STRAIGHT = 0.02
"""By how much of the picture the measured places may lie off a straight line, before the fit is given up."""

PATCH = 16
"""Pixels of a cell, down and across, where the model has no patches; small pictures have at least `FEWEST` cells."""

FEWEST = 8

LARGE, CLOSE = 2048, 0.03
"""From so many pixels of the longer side on, measurements use a smaller picture, if the model's pixels differ by no
more than so much between black and white, in the mean."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as a lens reads it.

    original: the picture in RGB; None where a tensor was given
    pixels: `[channel, height, width]`, what the model gets, on the lens's device and at least in float32
    """

    lens: ImageModel
    original: Image.Image | None
    pixels: Tensor

    @classmethod
    def of(cls, lens: ImageModel, input: Any) -> Picture:
        """Reads whatever the lens reads. Raises InputError as `lens.trace` does."""
        given = None if isinstance(input, Tensor) else _image_inputs.read(input)
        return cls(lens, given, _pixels(lens, input if given is None else given))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture; of the tensor where one was given."""
        return (self.pixels.shape[-1], self.pixels.shape[-2]) if self.original is None else self.original.size

    def like(self, picture: Image.Image) -> Tensor:
        """The pixels that the model would get for another picture.

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
        """Width and height at which the processor is measured: the picture's, or of a very large one a part of it.

        A smaller copy does if it comes out the same: every processor that resizes does that, a mere crop does not.
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
        """An even picture as the model gets it: 0 is black, 1 is white.

        Raises InputError for a tensor that nothing says the colours of.
        """
        if self.original is None and _image_inputs.preprocess(self.lens) is None:
            return self._raw(share)
        plain = Image.new("RGB", self.ruler, (round(255 * share),) * 3)
        pixels = _pixels(self.lens, plain)
        if pixels.shape == self.pixels.shape:
            return pixels
        # A tensor may have a size that the processor never makes: its colours are the same at every place.
        middle = pixels[:, pixels.shape[1] // 2, pixels.shape[2] // 2]
        if len(middle) != len(self.pixels):
            raise InputError(
                f"the tensor has {len(self.pixels)} channels, pictures get {len(middle)} from this lens; give the "
                "baseline as a tensor of the same shape"
            )
        return middle[:, None, None].expand_as(self.pixels).contiguous()

    def _raw(self, share: float) -> Tensor:
        if not self.has_colours:
            raise InputError(
                "nothing says which numbers are black or white in a tensor beyond 0..1: give the baseline as a "
                "tensor, use 'zero', or say how pictures become tensors: Lens(model, preprocess)"
            )
        return torch.full_like(self.pixels, share)

    @property
    def has_colours(self) -> bool:
        """Whether it is known which numbers are black and white."""
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

    # -- what is shown --------------------------------------------------------------------------------------

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
        """uint8 `[height, width, 3]`, the picture that was given; of a tensor what the model sees."""
        return self.seen if self.original is None else np.asarray(self.original)

    @cached_property
    def box(self) -> Box:
        """Where in the picture that was given the model's view lies, to about a pixel.

        The whole picture where no straight line says where pixels come from: after a rotation, for example.
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
    pixels = pixels.to(lens.device).clone()  # a gradient is not asked of what was made under inference_mode
    return pixels if pixels.dtype == torch.float64 else pixels.float()


def _line(shares: np.ndarray, size: int) -> tuple[float, float] | None:
    """Where the columns begin and end, as shares of a picture of `size` pixels across, by what they show of its ramp
    `[row, column]`; None where that is no straight line."""
    columns = shares.shape[1]
    centres = np.broadcast_to(np.arange(columns) + 0.5, shares.shape)
    # Interpolation stands still within half a pixel of the edges; padding is NaN.
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
