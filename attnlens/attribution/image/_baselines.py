"""Baselines of pictures: the start of a path, and the filling of removed parts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ..._checks import integer
from ...errors import InputError, unknown_name
from ...models import _image_inputs
from ._geometry import Picture

if TYPE_CHECKING:
    from ...models._protocols import ImageModel

BASELINES = ("black", "white", "grey", "blur", "random", "zero")
"""Pictures by name; "zero" is the tensor of zeros: with most processors the mean colour of their training data."""

LEVELS = {"black": 0.0, "grey": 0.5, "white": 1.0}

BLUR = 12
"""The standard deviation of the blur is the shorter side divided by this: shapes of the size of an object vanish."""

MOST_BLURRED = 1024
"""Pixels of the longer side at which a picture is blurred; the result has no finer detail."""


def image_baseline(lens: ImageModel, prepared: Any, kind: Any = "black", seed: int = 0) -> Tensor:
    """A picture without information, as the model receives it, `[channel, height, width]`.

    Pictures go through the lens's own preprocessing: black is black, whereas a tensor of zeros is a mean
    colour.

    prepared: the input, as a `Picture` or anything that the lens accepts
    kind: one of `BASELINES`; a picture (anything that the lens accepts); a float tensor of the model's shape
    seed: for the noise of "random", uniform between black and white at every pixel and channel of the model

    Raises InputError for an unknown name, a missing file and a wrong shape.

    >>> image_baseline(lens, "cat.png", "blur")
    """
    picture = prepared if isinstance(prepared, Picture) else Picture.of(lens, prepared)
    if isinstance(kind, Tensor):
        return _as_pixels(kind, picture)
    if not isinstance(kind, str) or (kind not in BASELINES and os.path.isfile(kind)):
        return picture.like(Picture.of(lens, kind).original)
    if kind not in BASELINES:
        if os.path.splitext(kind)[1]:
            raise InputError(
                f"no such baseline picture: {_image_inputs.quoted_name(kind)}; or name one of: {', '.join(BASELINES)}"
            )
        raise unknown_name("baseline", kind, BASELINES)
    if kind == "zero":
        return torch.zeros_like(picture.pixels)
    if kind == "blur":
        return _blurred(picture)
    return _noise(picture, seed) if kind == "random" else picture.level(LEVELS[kind])


def name_of(kind: Any) -> str:
    """A baseline in words."""
    if isinstance(kind, list | tuple):
        return f"the mean over {', '.join(map(name_of, kind))}"
    if isinstance(kind, Tensor):
        return "a given tensor"
    return kind if isinstance(kind, str) and kind in BASELINES else "a given picture"


def _as_pixels(tensor: Tensor, picture: Picture) -> Tensor:
    pixels = tensor.detach()
    pixels = pixels[0] if pixels.ndim == 4 and len(pixels) == 1 else pixels
    if pixels.shape != picture.pixels.shape or not pixels.is_floating_point():
        raise InputError(
            f"a baseline tensor must be float {list(picture.pixels.shape)}, like the model's pixels, not "
            f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        )
    if not bool(torch.isfinite(pixels).all()):
        raise InputError("the baseline tensor has NaN or infinite values; every pixel must be finite")
    return pixels.to(picture.pixels.device, picture.pixels.dtype)


def _noise(picture: Picture, seed: int) -> Tensor:
    """Noise at the model's resolution: in a larger picture, resizing would average it to grey."""
    seed = integer("seed", seed, least=0)
    black, white = picture.ends
    shares = torch.rand(black.shape, generator=torch.Generator().manual_seed(seed), dtype=black.dtype)
    return black + shares.to(black.device) * (white - black)


def _blurred(picture: Picture) -> Tensor:
    """The picture blurred before it is normalised; a tensor is blurred directly, since both operations are linear."""
    if picture.original is None:
        return _blurred_tensor(picture.pixels)
    small = picture.original.copy()
    small.thumbnail((MOST_BLURRED, MOST_BLURRED), Image.Resampling.BOX)
    blurred = small.filter(ImageFilter.GaussianBlur(min(small.size) / BLUR))
    return picture.like(blurred.resize(picture.ruler, Image.Resampling.BILINEAR))


def _blurred_tensor(pixels: Tensor) -> Tensor:
    sigma = min(pixels.shape[-2:]) / BLUR
    return _along(_along(pixels, sigma).transpose(1, 2), sigma).transpose(1, 2).contiguous()


def _along(pixels: Tensor, sigma: float) -> Tensor:
    """A Gaussian filter along the last axis, renormalised at the edges."""
    places = torch.arange(pixels.shape[-1], device=pixels.device, dtype=pixels.dtype)
    weights = torch.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return pixels @ (weights / weights.sum(0))
