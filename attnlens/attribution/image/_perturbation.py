"""The logits of one picture without some of its parts, as faithfulness and counterfactual searches need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..._checks import as_integer
from ...errors import InputError
from ...models._forward import BatchBudget, evaluating
from ._baselines import image_baseline
from ._forward import PixelForward
from ._geometry import Picture, tokens_of

if TYPE_CHECKING:
    from ...models._protocols import ImageModel


class ImagePerturbation:
    """One picture with some of its cells replaced by those of a baseline.

    input: anything that the lens accepts, or a `Picture`
    by: the filling of a removed cell: a baseline's name, a picture or a tensor, as for `image_baseline`
    grid: rows and columns of cells; the model's patches by default, or else cells of about the size of a patch

    parts: "row,col" of each cell, row by row; cells: `[height, width]`, the number of the part of each pixel.

    Raises InputError for a grid finer than the pixels, and for what `image_baseline` refuses.

    >>> removal = ImagePerturbation(lens, "cat.png", by="blur")
    >>> removal.logits(torch.eye(len(removal.parts)) == 0)   # [part, class]: without the first, the second, ...
    """

    def __init__(
        self,
        lens: ImageModel,
        input: Any,
        by: Any = "blur",
        grid: tuple[int, int] | None = None,
        seed: int = 0,
    ):
        self.lens, self.by = lens, by
        self.picture = input if isinstance(input, Picture) else Picture.of(lens, input)
        self.grid = self.picture.grid if grid is None else checked(grid, self.picture)
        self.cells = self.picture.cells(self.grid)
        self.blank = image_baseline(lens, self.picture, by, seed)
        self.forward = PixelForward(lens)

    @property
    def parts(self) -> tuple[str, ...]:
        """The removable parts: the cells, named as the patches of a trace."""
        rows, cols = self.grid
        return tuple(f"{row},{col}" for row in range(rows) for col in range(cols))

    def logits(self, kept: Tensor, budget: BatchBudget | None = None) -> Tensor:
        """The logits `[row, class]` with only the parts where `kept` `[row, part]` is True, on the CPU.

        Rows run together as far as the budget allows, where a picture counts as its number of patches; equal rows run
        once.
        """
        kept = torch.as_tensor(kept, dtype=torch.bool).cpu()
        parts = self.grid[0] * self.grid[1]
        if kept.ndim != 2 or kept.shape[1] != parts or not len(kept):
            raise InputError(f"kept must be [row, part] of {parts} parts, not {list(kept.shape)}")
        different, where = kept.unique(dim=0, return_inverse=True)
        budget, logits = budget or BatchBudget(), []
        length = tokens_of(self.picture.pixels, self.grid)
        while len(different):
            rows = min(budget.rows(length), len(different))
            with budget.attempt(rows, length):
                logits.append(self._run(different[:rows]))
                different = different[rows:]
        return torch.cat(logits)[where]

    def pixels(self, kept: Tensor) -> Tensor:
        """The pixels for the model, `[row, channel, height, width]`, with the parts of `kept` `[row, part]`."""
        stays = kept.to(self.cells.device)[:, self.cells].unsqueeze(1)
        return torch.where(stays, self.picture.pixels, self.blank)

    def _run(self, kept: Tensor) -> Tensor:
        with torch.no_grad(), evaluating(self.lens.model):
            return self.forward.logits(self.pixels(kept)).cpu()


def checked(grid: Any, picture: Picture) -> tuple[int, int]:
    """A grid of cells that fits the pixels. Raises InputError for any other."""
    pair = [as_integer(count) for count in grid] if isinstance(grid, list | tuple) else []
    height, width = picture.pixels.shape[-2:]
    whole = len(pair) == 2 and None not in pair
    if not whole or not (0 < pair[0] <= height and 0 < pair[1] <= width):
        raise InputError(
            f"grid must be (rows, cols) of cells, at most {height} x {width}, the number of pixels, not {grid!r}"
        )
    return pair[0], pair[1]
