"""A trace that is too long for a page to hold every weight: coarse maps of all heads, and some heads in detail."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import Tensor

from ..data._trace import Layer, Trace
from ..errors import InputError
from ..widgets import _payload
from ..widgets._tiles import POOLS, SIDE, HeadSelection, Tiles

MOST_TILES = 48 << 20
"""Bytes of coarse maps up to which there is one for each head, and not only for the mean over heads."""

MOST_HELD = 64 << 20
"""Bytes of queries and keys up to which heads are held that nobody chose; the first one always is."""


MOST_NAMED = 24
"""Heads that the note names."""

COMPUTED = 4
"""The coarsest level of which the browser computes a tile within a second; of coarser ones the page has maps."""


class LongTrace:
    """What the page holds of it.

    order: the (layer, head) to hold in every detail, as many as fit the budget; all of them where `chosen`
    """

    def __init__(self, trace: Trace, order: list[tuple[int, int]], chosen: bool):
        self.trace = trace
        self._held: dict[tuple[int, int], HeldHead] = {}
        budget = math.inf if chosen else MOST_HELD
        for number, head in order:
            one = _payload.sent_head(trace.layers[number], head)
            if one is None:
                if chosen:
                    raise InputError(
                        f"head {head} of layer {number} has no queries and keys that fit a page; name other heads, "
                        "or record with store='factors'"
                    )
                continue
            budget -= _payload.layer_header(one, detail=True)["bytes"]
            if budget < 0 and self._held:
                break
            self._held[number, head] = held_head(trace, one)

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
            out |= {f"{name}_{layer}_{head}": data for name, data in one.traits.items()}
        return out

    def note(self) -> str:
        """What the page has of the trace, and what it has not."""
        long = "This input is too long for a page to hold every weight"
        computed = "here in every detail: the browser computes any part from queries and keys."
        maps = (
            "Each head, and the mean of all heads, is shown as a map in which a cell is the largest of the weights "
            "that it stands for."
        )
        if not self._held:
            return f"{long}. {maps} Rows, single weights and other choices need the trace in a notebook."
        if len(self._held) == sum(layer.attention.heads for layer in self.trace.layers):
            return f"{long}. Every head is {computed}"
        return (
            f"{long} of every head. {maps} {self._names()} {computed} Rows and single weights of other heads, and of "
            "means with them, need the trace in a notebook."
        )

    def _names(self) -> str:
        names = [f"{layer}.{head}" for layer, head in sorted(self._held)]
        if len(names) == 1:
            return f"Head {names[0]} (layer.head) is"
        more = f" and {len(names) - MOST_NAMED} others" if len(names) > MOST_NAMED else ""
        return f"Heads {', '.join(names[:MOST_NAMED])}{more} (layer.head) are"


class HeldHead(NamedTuple):
    """One head: a layer's header with the place of each map, what the page holds of it, and its coarse map."""

    header: dict[str, Any]
    traits: dict[str, bytes]
    coarse: Tensor


def held_head(trace: Trace, layer: Layer) -> HeldHead:
    """Queries and keys of a layer of one head, each query's log-sum-exp, and maps: with and without special tokens."""
    layer = replace(layer, attention=_payload.rounded(layer.attention))
    tiles = Tiles(replace(trace, layers=(layer,)))
    special = any(token.special for token in tiles.trace.axis_tokens(0)[1])
    selections = [
        HeadSelection(0, (0,), hide_special=hidden) for hidden in ((False, True) if special else (False,))
    ]
    maps, places, start = [], [], 0
    for selection in selections:
        for place, cells in _maps(tiles, selection):
            maps.append(cells)
            places.append(place | {"hide_special": selection.hide_special, "start": start})
            start += 2 * cells.numel()
    traits = {
        "factors": _payload.layer_bytes(layer.attention, detail=True),
        "overview": b"".join(map(_payload.halves, maps)),
        "lse": b"".join(tiles.lse(one).cpu().numpy().astype("<f4").tobytes() for one in selections),
    }
    header = _payload.layer_header(layer, detail=True) | {"overviews": places}
    level = top_level(layer.attention.queries, layer.attention.keys)
    return HeldHead(header, traits, tiles.tile(selections[0], level, 0, 0))


def _maps(tiles: Tiles, selection: HeadSelection) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Maps of the two coarsest levels; the cells are scaled by a power of two, so that float16 holds small means."""
    top = top_level(*map(len, tiles.positions(selection)))
    for level in (top, top - 1) if top - 1 > COMPUTED else ():
        for pool in POOLS:
            cells = tiles.whole(selection._replace(pool=pool), level)
            scale = 2.0 ** math.ceil(math.log2(float(cells.max()) or 1.0))
            rows, cols = cells.shape
            yield {"level": level, "rows": rows, "cols": cols, "scale": scale, "pool": pool}, cells / scale


def coarse(trace: Trace, maps: Mapping[tuple[int, int], Tensor] = MappingProxyType({})) -> dict[str, bytes]:
    """Maps of at most SIDE x SIDE cells for each layer: the mean of all heads, then each head where they fit.

    maps: those of some (layer, head), which are not computed again
    """
    tiles, out = Tiles(trace), {}
    each = sum(layer.attention.heads for layer in trace.layers) * 2 * SIDE**2 <= MOST_TILES
    for number, layer in enumerate(trace.layers):
        heads = range(layer.attention.heads)
        level = top_level(layer.attention.queries, layer.attention.keys)
        wanted = [tuple(heads), *((head,) for head in heads if each)]
        cells = []
        for some in wanted:
            one = maps.get((number, some[0])) if len(some) == 1 else None
            cells.append(tiles.tile(HeadSelection(number, some), level, 0, 0) if one is None else one)
        out[f"tiles_{number}"] = b"".join(map(_payload.halves, cells))
    return out


def top_level(rows: int, cols: int) -> int:
    """The level at which the whole is one tile."""
    return max(0, (max(rows, cols, 1) - 1).bit_length() - (SIDE - 1).bit_length())
