"""The tiles that were measured fastest: an entry per pass, dimension and size of a number."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ._inputs import ScoreInputs


class Tile(NamedTuple):
    """The sides of a kernel's tile, and how it is run."""

    rows: int
    keys: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, int]:
        """By the kernels' parameter names."""
        return {"ROWS": self.rows, "KEYS": self.keys, "num_warps": self.warps, "num_stages": self.stages}


ROW_TILES = {
    2: {64: Tile(64, 128, 4, 3), 128: Tile(128, 64, 4, 3), 256: Tile(64, 64, 4, 2)},
    4: {64: Tile(64, 64, 4, 2), 128: Tile(64, 32, 4, 2), 256: Tile(64, 16, 4, 1)},
}
KEY_TILES = {
    2: {64: Tile(64, 128, 4, 3), 128: Tile(64, 128, 4, 3), 256: Tile(64, 64, 4, 2)},
    4: {64: Tile(64, 64, 4, 2), 128: Tile(32, 64, 4, 2), 256: Tile(16, 64, 4, 1)},
}
PRODUCT_TILES = KEY_TILES


def tile_of(tiles: dict[int, dict[int, Tile]], inputs: ScoreInputs) -> Tile:
    """The entry for these inputs; small dimensions have that of 64."""
    return tiles[inputs.query.element_size()][max(64, inputs.layout["DIM"])]


def has_tile(query: Tensor) -> bool:
    """Whether the kernels take queries of this dtype and dimension: float32 or half precision, at most 256."""
    return query.is_floating_point() and query.element_size() in ROW_TILES and query.shape[-1] <= 256
