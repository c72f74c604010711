"""From a picture to a model's pixels and back to the picture that the model saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import InputError
from .trace import Layer, PatchGrid

if TYPE_CHECKING:
    from .lens import ImageLens


def read(input: Any) -> Image.Image:
    """An RGB image from a path, a PIL image of any mode, or a uint8 array `[height, width(, 3 or 4)]`.

    Transparency is laid over white. Raises InputError that names the file or the type.
    """
    if isinstance(input, (str, Path)):
        input = _open(Path(input))
    if isinstance(input, np.ndarray):
        if input.dtype != np.uint8 or input.ndim not in (2, 3) or 0 in input.shape:
            raise InputError(
                f"an image array must be uint8 [height, width, 3], not {input.dtype} {list(input.shape)}"
            )
        try:
            input = Image.fromarray(input)
        except (TypeError, ValueError) as error:
            raise InputError(f"an image array must be [height, width, 3], not {list(input.shape)}") from error
    if not isinstance(input, Image.Image):
        raise InputError(
            f"an image lens takes a path, a PIL image, a uint8 array or a tensor, not {type(input).__name__}"
        )
    try:
        if input.mode in ("RGBA", "LA", "PA") or "transparency" in input.info:
            over = Image.new("RGBA", input.size, "white")
            return Image.alpha_composite(over, input.convert("RGBA")).convert("RGB")
        return input.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"the image cannot be decoded: {error}") from error


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise InputError(f"no such image file: {path}")
    try:
        image = Image.open(path)
        image.load()
        return image
    except Image.UnidentifiedImageError as error:
        raise InputError(f"{path} is not an image that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded: {error}") from error


def prepare(lens: ImageLens, input: Any) -> tuple[Tensor, np.ndarray]:
    """(pixels `[channel, height, width]` for the model, uint8 `[height, width, 3]` of what it sees)."""
    if isinstance(input, Tensor):
        pixels = input[0] if input.ndim == 4 and len(input) == 1 else input
        if pixels.ndim != 3 or not pixels.is_floating_point():
            raise InputError(
                f"an image tensor must be float [channel, height, width], not {pixels.dtype} {list(input.shape)}"
            )
        if not bool(torch.isfinite(pixels).all()):
            raise InputError("the image tensor holds NaN or infinite values; clean it before tracing")
        return pixels, _seen(lens, pixels)
    image = read(input)
    if lens.processor is not None:
        pixels = lens.processor(image, return_tensors="pt")["pixel_values"][0]
        return pixels, _seen(lens, pixels)
    if callable(getattr(lens.model, "preprocess", None)):
        pixels = lens.model.preprocess(image)
    else:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return pixels, np.asarray(image.resize((pixels.shape[-1], pixels.shape[-2]), Image.Resampling.BILINEAR))


def _seen(lens: ImageLens, pixels: Tensor) -> np.ndarray:
    """Pixels as a picture: the processor's normalisation undone, or stretched to the full range."""
    picture = pixels.detach().float().cpu()
    picture = picture[:3] if picture.shape[0] >= 3 else picture[:1].expand(3, -1, -1)
    mean, std = (getattr(lens.processor, name, None) for name in ("image_mean", "image_std"))
    if getattr(lens.processor, "do_normalize", False) and mean and std:
        picture = picture * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    elif picture.min() < 0 or picture.max() > 1:
        low, high = picture.min(), picture.max()
        picture = (picture - low) / (high - low).clamp(min=1e-12)
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def logits(output: Any) -> Tensor | None:
    """`[batch, class]` from whatever a vision module returns, None where there is no such tensor."""
    found = getattr(output, "logits", None)
    if found is None:
        found = output[0] if isinstance(output, (tuple, list)) and output else output
    return found.detach() if isinstance(found, Tensor) and found.ndim == 2 else None


def grid(lens: ImageLens, pixels: Tensor, shown: np.ndarray, layers: tuple[Layer, ...]) -> PatchGrid | None:
    """The patch grid of one image: given, or from the configuration's patch size."""
    rows_cols = lens.patches or _from_config(lens, pixels)
    if rows_cols is None or not layers:
        return None
    rows, cols = rows_cols
    extra = layers[0].attention.queries - rows * cols
    if lens.patches is not None and extra < 0:
        raise InputError(
            f"patches={rows_cols} makes {rows * cols} patches, but the model attends over "
            f"{layers[0].attention.queries} positions"
        )
    return PatchGrid(rows, cols, _leading(lens, max(extra, 0)), shown)


def _from_config(lens: ImageLens, pixels: Tensor) -> tuple[int, int] | None:
    config = getattr(lens.model, "config", None)
    config = getattr(config, "vision_config", config)
    size = getattr(config, "patch_size", None)
    if size is None:
        return None
    high, wide = (size, size) if isinstance(size, int) else size
    return pixels.shape[-2] // high, pixels.shape[-1] // wide


def _leading(lens: ImageLens, count: int) -> tuple[str, ...]:
    """Names of the tokens before the patches."""
    kind = getattr(getattr(lens.model, "config", None), "model_type", "")
    second = "[DIST]" if kind == "deit" else "register 1"
    names = ["[CLS]", second, *(f"register {i}" for i in range(2, count))]
    return tuple(names[:count])
