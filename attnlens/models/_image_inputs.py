"""From a picture to a model's pixels, and back to the picture that the model received."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from .. import models
from ..data._trace import PatchGrid
from ..errors import InputError

if TYPE_CHECKING:
    from ._protocols import ImageModel

MOST_LEADING = 8
"""Maximum number of tokens before the patches of a small grid."""

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "JPEG2000")
"""Formats that Pillow may read: raster images. Others run programs (EPS: Ghostscript) or are rarely tested."""


def looks_like_images(model: nn.Module) -> bool:
    """Whether a module without a processor takes pictures: its first layer with weights is a 2-d convolution, possibly
    after a normalisation of its input, and it has no embeddings, unlike a text model.

    Layers are in the order of creation, which for a first layer is the order in which they run.
    """
    layers = [m for m in model.modules() if next(m.children(), None) is None and [*m.parameters()]]
    if any(isinstance(layer, nn.Embedding | nn.EmbeddingBag) for layer in layers):
        return False
    first = next((layer for layer in layers if not isinstance(layer, nn.BatchNorm2d)), None)
    return isinstance(first, nn.Conv2d)


def read(input: Any) -> Image.Image:
    """An RGB image from a path, a PIL image of any mode, or a uint8 array `[height, width(, 3 or 4)]`.

    Transparent images are composed over white; 16 bits per pixel are scaled to 8; a file's orientation is applied.
    Raises InputError, which names the file or the type, also for more than `MOST_PIXELS`.
    """
    if isinstance(input, (str, os.PathLike)):
        return _open(input)
    if isinstance(input, np.ndarray):
        input = _from_array(input)
    if not isinstance(input, Image.Image):
        raise InputError(
            f"an image lens takes a path, a PIL image, a uint8 array or a tensor, not {type(input).__name__}"
        )
    return _decoded("the image", lambda: _rgb(input))


def _open(path: str | os.PathLike[str]) -> Image.Image:
    name = quoted_name(str(path))
    if not os.path.isfile(path):
        raise InputError(f"no such image file: {name}{_why_not(str(path))}")
    return _of_file(name, path)


def of_bytes(data: bytes) -> Image.Image:
    """An RGB image from what a file holds, read as the file would be."""
    return _of_file("the picture", io.BytesIO(data))


def nonzero(mask: Any) -> np.ndarray:
    """bool `[height, width]`: the pixels of a mask that are not 0, of the bytes of a file, a path, a PIL image or an
    array. A palette's number counts, not its colour; opacity does not."""
    if isinstance(mask, bytes | str | os.PathLike):
        file = io.BytesIO(mask) if isinstance(mask, bytes) else mask
        mask = _decoded("the mask", lambda: _opened(file))
    values = np.asarray(mask)
    if values.ndim not in (2, 3) or values.dtype == object:
        raise InputError(f"a mask is a picture or an array [height, width], not {type(mask).__name__}")
    if values.ndim == 3:
        values = values[..., : 3 if values.shape[-1] > 2 else 1].any(-1)
    return values != 0


def _of_file(name: str, file: Any) -> Image.Image:
    return _decoded(name, lambda: _rgb(_opened(file)))


def _opened(file: Any) -> Image.Image:
    Image.init()  # knows every format of this Pillow, which may lack some of ours
    return _turned(Image.open(file, formats=[kind for kind in FORMATS if kind in Image.OPEN]))


def quoted_name(path: str) -> str:
    """A file's name in a message; only the beginning of a long one."""
    return path if len(path) <= 200 else f"{path[:60]}… ({len(path)} characters)"


def _why_not(path: str) -> str:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|data:", path):
        return "; attnlens opens no URL; download the picture first and give its file"
    if os.path.isdir(path):
        return ", it is a folder; give a picture in it"
    return "; an image lens takes the name of a picture's file" if len(path) > 200 else ""


def _turned(image: Image.Image) -> Image.Image:
    """The picture in the orientation stated in its file; its size is checked before decoding."""
    _check_size(image.size)
    return ImageOps.exif_transpose(image)


def _check_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > models.MOST_PIXELS:
        raise _too_large(f"{size[0]} x {size[1]} pixels")


def _too_large(size: str) -> InputError:
    return InputError(
        f"the picture has {size}, more than {models.MOST_PIXELS}, and a model uses far fewer; make it smaller "
        "first, with Pillow by image.thumbnail((2048, 2048)), or raise attnlens.models.MOST_PIXELS"
    )


def _decoded(what: str, decode: Callable[[], Image.Image]) -> Image.Image:
    """Turns the many exceptions of Pillow's readers for damaged files into InputError."""
    try:
        return decode()
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{what}: {_too_large('very many pixels')}") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"{what} is not an image that Pillow can read; attnlens reads {', '.join(FORMATS)}"
        ) from error
    except Exception as error:
        raise InputError(f"{what} cannot be decoded: {error}") from error


def _from_array(array: np.ndarray) -> Image.Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not fits or 0 in array.shape:
        raise InputError(
            f"an image array must be uint8 [height, width, 3], not {array.dtype} {list(array.shape)}; give pixels "
            "that are already prepared for the model as a float tensor [channel, height, width]"
        )
    return Image.fromarray(array)


def _rgb(image: Image.Image) -> Image.Image:
    _check_size(image.size)
    if 0 in image.size:
        raise InputError(f"the image is empty: {image.size[0]} x {image.size[1]} pixels")
    if image.mode == "F":
        raise InputError(
            "the image holds floating-point pixels (mode F); scale it to 0..255 and convert('L')"
        )
    if image.mode.startswith("I"):  # Pillow would clip at 255
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray((deep / 257 if deep.max() > 255 else deep).round().astype(np.uint8))
    if image.mode == "La":  # Pillow has no direct conversion
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        over = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(over, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def prepare(lens: ImageModel, input: Any) -> tuple[Tensor, np.ndarray]:
    """(pixels `[channel, height, width]` for the model, the same as a picture, uint8 `[height, width, 3]`)."""
    if isinstance(input, Tensor):
        pixels = _checked(input)
        return pixels, seen(lens, pixels)
    image = read(input)
    if hasattr(lens.processor, "preprocess"):  # of transformers
        pixels = _processed(lens, image)
        return pixels, seen(lens, pixels)
    function = preprocess(lens)
    if lens.processor is not None:
        pixels = _made(function, image)
    elif function is not None:
        pixels = function(image)
    else:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return pixels, np.asarray(image.resize((pixels.shape[-1], pixels.shape[-2]), Image.Resampling.BILINEAR))


def preprocess(lens: ImageModel) -> Callable[..., Any] | None:
    """The function from a picture to the model's tensor; None: pictures become floats from 0 to 1."""
    if lens.processor is not None:
        return lens.processor
    method = getattr(lens.model, "preprocess", None)
    return method if callable(method) else None


def _made(function: Callable[[Image.Image], Any], image: Image.Image) -> Tensor:
    """The checked result of a user's function on a picture."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        pixels = function(image)
    except Exception as error:
        raise InputError(
            f"{name} cannot prepare an image of {image.size[0]} x {image.size[1]} pixels: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(pixels, Tensor) or pixels.ndim != 3 or not pixels.is_floating_point():
        kind = type(pixels).__name__
        if isinstance(pixels, Tensor):
            kind = f"{str(pixels.dtype).removeprefix('torch.')} {list(pixels.shape)}"
        raise InputError(
            f"{name} must make a float tensor [channel, height, width] of a PIL image, not {kind}"
        )
    return _checked(pixels)


def _checked(input: Tensor) -> Tensor:
    pixels = input.detach()
    pixels = pixels[0] if pixels.ndim == 4 and len(pixels) == 1 else pixels
    if pixels.ndim != 3 or not pixels.is_floating_point() or pixels.numel() == 0:
        several = "; for a batch give a list: trace(list(tensor))" if pixels.ndim == 4 else ""
        raise InputError(
            "an image tensor must be float [channel, height, width], not "
            f"{str(input.dtype).removeprefix('torch.')} {list(input.shape)}{several}"
        )
    if not bool(torch.isfinite(pixels).all()):
        raise InputError("the image tensor holds NaN or infinite values; clean it before tracing")
    return pixels


def _processed(lens: ImageModel, image: Image.Image) -> Tensor:
    try:
        return lens.processor(image, return_tensors="pt")["pixel_values"][0]
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{type(lens.processor).__name__} cannot prepare an image of {image.size[0]} x {image.size[1]} "
            f"pixels: {error}"
        ) from error


def seen(lens: ImageModel, pixels: Tensor) -> np.ndarray:
    """Pixels as a picture: without the processor's normalisation, or stretched to the full range."""
    picture = pixels.detach().float().cpu()
    picture = picture[:3] if picture.shape[0] >= 3 else picture[:1].expand(3, -1, -1)
    mean, std = (getattr(lens.processor, name, None) for name in ("image_mean", "image_std"))
    if getattr(lens.processor, "do_normalize", False) and mean and std:
        picture = picture * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    elif picture.min() < 0 or picture.max() > 1:
        low, high = picture.min(), picture.max()
        picture = (picture - low) / (high - low).clamp(min=1e-12)
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def grid(
    lens: ImageModel, pixels: Tensor, shown: np.ndarray, name: str, queries: int, in_order: bool
) -> PatchGrid | None:
    """The patch grid of one image: as given, or from the configuration's patch size; None where neither fits.

    name, queries, in_order: of the first layer: its queries are patches in their order, and not channels or windows
    """
    rows_cols = lens.patches or patches_of(lens, pixels)
    if rows_cols is None:
        return None
    patches = rows_cols[0] * rows_cols[1]
    extra = queries - patches if in_order else 0
    size = (pixels.shape[-2], pixels.shape[-1])
    if lens.patches is None:
        # A class token, a few registers or prompts: half as many tokens as patches would mean another grid.
        if extra > max(MOST_LEADING, patches // 2):
            return None
    elif not 0 <= extra <= MOST_LEADING or not _divides(size, rows_cols):
        suggestions = ", ".join(f"patches={grid}" for grid in _sensible(size, queries)) if in_order else ""
        raise InputError(
            f"patches={rows_cols} makes {patches} patches, but the model attends over {queries} "
            f"positions in {name!r} for an image of {size[0]} x {size[1]} (height x width); give the "
            "rows and columns of its grid (leading tokens are not counted, at most "
            f"{MOST_LEADING})" + (f": perhaps {suggestions}" if suggestions else "")
        )
    return PatchGrid(*rows_cols, _leading(lens, max(extra, 0)), shown)


def _divides(size: tuple[int, int], grid: tuple[int, int]) -> bool:
    """Whether patches tile an image: exactly, or as squares with a remainder that is cropped or padded."""
    (height, width), (rows, cols) = size, grid
    if height % rows == 0 and width % cols == 0:
        return True
    sides = range(1, min(size) + 1)
    cut = any((height // n, width // n) == grid for n in sides)
    return cut or any((-(-height // n), -(-width // n)) == grid for n in sides)


def _sensible(size: tuple[int, int], queries: int) -> list[tuple[int, int]]:
    """Grids of square patches with this many tokens, fewest leading tokens first; else square grids."""
    (height, width), fits = size, range(queries - MOST_LEADING, queries + 1)
    tiled = {(height // n, width // n) for n in range(1, min(size) + 1) if height % n == 0 and width % n == 0}
    squares = {(n, n) for n in range(1, math.isqrt(queries) + 1)}
    grids = [grid for grid in tiled if grid[0] * grid[1] in fits] or [
        grid for grid in squares if grid[0] * grid[1] in fits
    ]
    return sorted(grids, key=lambda grid: -grid[0] * grid[1])


def patches_of(lens: ImageModel, pixels: Tensor) -> tuple[int, int] | None:
    config = getattr(lens.model, "config", None)
    config = getattr(config, "vision_config", config)
    size = getattr(config, "patch_size", None)
    sizes = [size, size] if isinstance(size, int) else list(size or ())
    if len(sizes) != 2 or getattr(config, "num_detection_tokens", 0):  # YOLOS has tokens after its patches
        return None
    rows, cols = pixels.shape[-2] // sizes[0], pixels.shape[-1] // sizes[1]
    return (rows, cols) if rows and cols else None


def _leading(lens: ImageModel, count: int) -> tuple[str, ...]:
    """Names of the tokens before the patches."""
    kind = getattr(getattr(lens.model, "config", None), "model_type", "")
    second = "[DIST]" if kind == "deit" else "register 1"
    names = ["[CLS]", second, *(f"register {i}" for i in range(2, count))]
    return tuple(names[:count])
