"""What a probe computes of a picture: its measures, maps of cells, and whether a map lies on the object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..models import _image_inputs

if TYPE_CHECKING:
    from PIL import Image

    from ..analysis._axis_tokens import InputTokens
    from ..attribution import ImageAttribution
    from ..data._batch import AttentionBatch

GRID = (14, 14)
"""Rows and columns of the cells by which maps of a picture are kept."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (Rec. 601)."""


# -- measures -------------------------------------------------------------------------------------------------


def measures(picture: Image.Image) -> dict[str, Any]:
    """width, height, brightness and contrast (mean and standard deviation of luma, 0 to 1), and `difference_hash`."""
    luma = np.asarray(picture.convert("RGB"), dtype=float) @ LUMA / 255
    return {
        "width": picture.width,
        "height": picture.height,
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "hash": difference_hash(picture),
    }


def difference_hash(picture: Image.Image) -> int:
    """64 bits that nearly equal pictures share: whether brightness rises between neighbours, across 8 rows of 9 cells.

    Source: Krawetz 2013, "Kind of Like That" (dHash).
    """
    from PIL import Image

    grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=int)
    return int(np.packbits(grey[:, 1:] > grey[:, :-1]).view(np.int64)[0])


# -- maps -----------------------------------------------------------------------------------------------------


def in_cells(values: Tensor) -> Tensor:
    """`[..., 14, 14]`: sums of maps `[..., row, column]` over cells, each value spread evenly over its own area."""
    down, across = (_overlap(size, cells) for size, cells in zip(values.shape[-2:], GRID))
    return down @ values.double().cpu() @ across.T


@lru_cache(maxsize=64)
def _overlap(size: int, cells: int) -> Tensor:
    """`[cell, value]`: the share of each of `size` equal intervals that lies in each of `cells` equal ones."""
    edges, bounds = torch.arange(size + 1).double() / size, torch.arange(cells + 1).double() / cells
    high = torch.minimum(edges[1:], bounds[1:, None])
    low = torch.maximum(edges[:-1], bounds[:-1, None])
    return (high - low).clamp(min=0) * size


class ClassAttention:
    """A reducer: the attention of the class token to the patches, the mean of the heads, `[input, row, column]`.

    None for a layer whose first query is no class token, or whose keys are no patches.
    """

    def __init__(self, tokens: InputTokens):
        self.tokens = tokens

    def __call__(
        self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")
    ) -> Tensor | None:
        grid = self.tokens.grid(0)
        if grid is None or not grid.leading or sides != ("input", "input") or attention.windows > 1:
            return None
        if attention.kind == "channel" or attention.shape[2:] != (len(grid), len(grid)):
            return None
        row = attention.block(slice(0, 1))[:, :, 0].mean(1)
        return row[:, len(grid.leading) :].unflatten(1, (grid.rows, grid.cols))


# -- where the object is --------------------------------------------------------------------------------------


def mask_of(value: Any, size: tuple[int, int]) -> np.ndarray | None:
    """bool `[height, width]`: where the object of a picture of this width and height is; None where nothing is said.

    value: a picture whose non-zero pixels are the object, or a box [left, top, right, bottom] in pixels

    Raises InputError for a mask of another size, and for what is neither.
    """
    if value is None:
        return None
    width, height = size
    boxed = isinstance(value, list | tuple) or getattr(value, "ndim", 2) == 1
    mask = _box(value, size) if boxed else _image_inputs.nonzero(value)
    if mask.shape != (height, width):
        raise InputError(
            f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels and its picture {width} x {height}; both must be "
            "of one size"
        )
    return mask if mask.any() else None


def _box(value: Sequence[Any], size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres lie in a box."""
    try:
        left, top, right, bottom = (float(edge) for edge in value)
    except (TypeError, ValueError):
        raise InputError(
            f"a mask is a picture, or a box [left, top, right, bottom], not {value!r:.100}"
        ) from None
    across, down = (np.arange(count) + 0.5 for count in size)
    return ((down >= top) & (down < bottom))[:, None] & (across >= left) & (across < right)


def seen_mask(mask: np.ndarray, box: tuple[float, float, float, float], shape: tuple[int, int]) -> np.ndarray:
    """The mask in the model's pixels, bool `[height, width]`: its value at their centres, False outside of the picture.

    box: the part of the picture that the model sees; shape: its height and width in the model's pixels
    """
    left, top, right, bottom = box
    down = np.floor(top + (np.arange(shape[0]) + 0.5) * (bottom - top) / shape[0]).astype(int)
    across = np.floor(left + (np.arange(shape[1]) + 0.5) * (right - left) / shape[1]).astype(int)
    inside = ((down >= 0) & (down < mask.shape[0]))[:, None] & (across >= 0) & (across < mask.shape[1])
    found = mask[down.clip(0, mask.shape[0] - 1)][:, across.clip(0, mask.shape[1] - 1)]
    return found & inside


def localization(
    mask: np.ndarray, attribution: ImageAttribution, attention: Tensor | None
) -> dict[str, float | bool | None]:
    """`mask_share` (chance), and of the attribution and of the class token's attention whether the largest value is
    inside the mask (pointing game) and which share of the positive values is (energy); {} for a mask out of sight.

    Sources: Zhang et al. 2018, "Top-Down Neural Attention by Excitation Backprop", without its margin of 15 pixels;
    Wang et al. 2020, "Score-CAM", section 4.3.
    """
    seen = seen_mask(mask, attribution.box, tuple(attribution.scores.shape))
    if not seen.any():
        return {}
    values: dict[str, float | bool | None] = {"mask_share": float(seen.mean())}
    values["pointing"], values["energy"] = _on(seen, attribution.scores.double().cpu().numpy())
    if attention is not None:
        values["attention_pointing"], values["attention_energy"] = _on(
            seen, _spread(attention.double().cpu().numpy(), seen.shape)
        )
    return values


def _on(mask: np.ndarray, scores: np.ndarray) -> tuple[bool, float | None]:
    """(whether the largest score is inside, of equal ones most of them; the share of positive scores that is)"""
    positive = scores.clip(min=0)
    largest = scores == scores.max()
    total = positive.sum()
    return bool(mask[largest].mean() > 0.5), float(positive[mask].sum() / total) if total > 0 else None


def _spread(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A value of its patch for each pixel."""
    down, across = (np.arange(pixels) * cells // pixels for pixels, cells in zip(shape, grid.shape))
    return grid[down][:, across]
