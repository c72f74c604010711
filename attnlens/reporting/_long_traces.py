"""A trace that is too long for a page to hold every weight: coarse maps of all heads, and some heads in detail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ..data._trace import Layer, Trace
from ..errors import InputError
from ..widgets import _payload
from ..widgets._tiles import POOLS, SIDE, HeadSelection, Tiles

MOST_TILES = 48 << 20
"""Bytes of coarse maps up to which there is one for each head, and not only for the mean over heads."""

MOST_HELD = 64 << 20
"""Bytes of queries and keys up to which heads are held that nobody chose; the first one always is."""


COMPUTED = 3
"""The coarsest level of which the browser computes a tile at once."""


class LongTrace:
    """What the page holds of it.

    order: the (layer, head) to hold in every detail, as many as fit the budget; all of them where `chosen`
    """

    def __init__(self, trace: Trace, order: list[tuple[int, int]], chosen: bool):
        self.trace = trace
        self._held: dict[tuple[int, int], HeldHead] = {}
        budget = math.inf if chosen else MOST_HELD
        for number, head in order:
            one = _payload.single_head(trace.layers[number], head)
            if one is None:
                if chosen:
                    raise InputError(
                        f"head {head} of layer {number} has no queries and keys that fit a page, which holds a map of it; "
                        "name other heads, or record with store='factors'"
                    )
                continue
            budget -= _payload.layer_header(one, detail=True)["bytes"]
            if budget < 0 and self._held:
                break
            self._held[number, head] = HeldHead(trace, one)

    def header(self, header: dict[str, Any]) -> dict[str, Any]:
        """The header of the trace, with those of the heads that are held."""
        held = [
            {head: one.header for (layer, head), one in self._held.items() if layer == number}
            for number in range(len(self.trace))
        ]
        return header | {"layers": [one | {"held": heads} for one, heads in zip(header["layers"], held)]}

    def traits(self) -> dict[str, bytes]:
        """The maps of every layer, and the heads that are held."""
        maps = {head: one.coarse for head, one in self._held.items()}
        out = coarse(self.trace, maps)
        for (layer, head), one in self._held.items():
            out |= {f"{name}_{layer}_{head}": held for name, held in one.traits().items()}
        return out

    def note(self) -> str:
        """What the page has of the trace, and what it has not."""
        every = " of every head" if self._held else ""
        out = [
            f"This input is too long for a page to hold every weight{every}. Each head, and the mean of all heads, is "
            "shown as a map in which a cell is the largest of the weights that it stands for."
        ]
        if self._held:
            some = ", ".join(f"{layer}.{head}" for layer, head in sorted(self._held))
            names = (
                f"Head {some} (layer.head) is" if len(self._held) == 1 else f"Heads {some} (layer.head) are"
            )
            out.append(
                f"{names} here in every detail: the browser computes any part from queries and keys. Rows and single "
                "weights of other heads, and means of several, need the trace in a notebook."
            )
        else:
            out.append("Rows, single weights and other choices need the trace in a notebook.")
        return " ".join(out)


class HeldHead:
    """One head: queries and keys, each query's log-sum-exp, and maps of the coarsest levels."""

    def __init__(self, trace: Trace, layer: Layer):
        self._layer = replace(layer, attention=_payload.rounded(layer.attention))
        self._tiles = Tiles(replace(trace, layers=(self._layer,)))
        special = any(token.special for token in self._tiles.trace.axis_tokens(0)[1])
        self._selections = [
            HeadSelection(0, (0,), hide_special=hidden) for hidden in ((False, True) if special else (False,))
        ]

    @property
    def header(self) -> dict[str, Any]:
        """A layer of one head, and where each map is."""
        places, start = [], 0
        for place, cells in self._maps:
            places.append(place | {"start": start})
            start += 2 * cells.numel()
        return _payload.layer_header(self._layer, detail=True) | {"overviews": places}

    def traits(self) -> dict[str, bytes]:
        return {
            "factors": _payload.layer_bytes(self._layer.attention, detail=True),
            "overview": b"".join(_payload.halves(cells) for _, cells in self._maps),
            "lse": b"".join(
                self._tiles.lse(one).cpu().numpy().astype("<f4").tobytes() for one in self._selections
            ),
        }

    @property
    def coarse(self) -> Tensor:
        """The map of the largest weights at the coarsest level."""
        place, cells = self._maps[0]
        return cells * place["scale"]

    @cached_property
    def _maps(self) -> list[tuple[dict[str, Any], Tensor]]:
        """Maps and their places; the cells are scaled by a power of two, so that float16 holds small means."""
        found = []
        for one in self._selections:
            top = top_level(*map(len, self._tiles.positions(one)))
            for level in (top, top - 1) if top - 1 > COMPUTED else (top,):
                for pool in POOLS:
                    cells = self._tiles.whole(one._replace(pool=pool), level)
                    scale = 2.0 ** math.ceil(math.log2(float(cells.max()) or 1.0))
                    place = {"level": level, "rows": cells.shape[0], "cols": cells.shape[1], "scale": scale}
                    found.append((place | {"hide_special": one.hide_special, "pool": pool}, cells / scale))
        return found


def coarse(trace: Trace, maps: Mapping[tuple[int, int], Tensor] = MappingProxyType({})) -> dict[str, bytes]:
    """Maps of at most SIDE x SIDE cells for each layer: the mean of all heads, then each head where they fit.

    maps: those of some (layer, head), which are not computed again
    """
    tiles, out = Tiles(trace), {}
    each = sum(layer.attention.heads for layer in trace.layers) * 2 * SIDE**2 <= MOST_TILES
    for number, layer in enumerate(trace.layers):
        heads = range(layer.attention.heads)
        level = top_level(layer.attention.queries, layer.attention.keys)
        cells = [tiles.tile(HeadSelection(number, tuple(heads)), level, 0, 0)]
        for head in heads if each else ():
            one = maps.get((number, head))
            cells.append(tiles.tile(HeadSelection(number, (head,)), level, 0, 0) if one is None else one)
        out[f"tiles_{number}"] = b"".join(map(_payload.halves, cells))
    return out


def top_level(rows: int, cols: int) -> int:
    """The level at which the whole is one tile."""
    return max(0, (max(rows, cols, 1) - 1).bit_length() - (SIDE - 1).bit_length())
