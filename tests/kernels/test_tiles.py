"""What Python and Triton must agree about."""

from __future__ import annotations

import pytest
import torch

from attnlens.kernels import _inputs, _tiles


def test_flags_and_groups_are_those_of_the_kernels():
    from attnlens.kernels import _triton_scores

    assert _triton_scores.GROUP.value == _inputs.GROUP
    for name, bit in _inputs.BITS.items():
        assert getattr(_triton_scores, name.upper()).value == bit


@pytest.mark.parametrize("tiles", [_tiles.ROW_TILES, _tiles.KEY_TILES, _tiles.PRODUCT_TILES])
def test_tiles_divide_a_group(tiles):
    for by_dim in tiles.values():
        for tile in by_dim.values():
            assert _inputs.GROUP % tile.rows == 0
            assert _inputs.GROUP % tile.keys == 0


@pytest.mark.parametrize(
    ("dtype", "dim", "taken"),
    [
        (torch.float32, 256, True),
        (torch.bfloat16, 20, True),
        (torch.float64, 64, False),
        (torch.float16, 257, False),
    ],
)
def test_which_queries_have_a_tile(dtype, dim, taken):
    assert _tiles.has_tile(torch.zeros(1, 1, 4, dim, dtype=dtype)) == taken
