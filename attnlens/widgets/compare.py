"""Two traces side by side, head beside head, and their difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from ..analysis import compare
from ..errors import InputError
from ..trace import Trace
from . import payload
from .tiles import Shown, Tiles
from .view import STATIC, Answer, Layers, View, bulk, given_trace, known_layer, state


class CompareView(View):
    """Left and middle: a head of a and one of b, queries down, keys across, on one scale of colours. Right: b minus a
    over the tokens that stand beside each other, blue where b looks more, red where it looks less. The small map above
    says how far apart the heads are; click one to see it. Pointing at a cell shows its partner.

    Tokens without a partner are in no difference and no distance; see `al.compare`, which aligns and measures.

    >>> al.CompareView(lens.trace("a fine film"), lens.trace("a dull film"))
    >>> al.CompareView(before.trace(text), after.trace(text))         # two checkpoints
    >>> al.CompareView(trace, layer=2, head=11, other_layer=0, other_head=2)   # two heads
    """

    _esm = STATIC / "compare.js"

    a_trace = bulk(t.Dict(), "The first trace without its weights.")
    b_trace = bulk(t.Dict(), "The second trace without its weights.")
    alignment = bulk(t.Bytes(), "Pairs of positions, int32 `[pair, (a, b)]`.")
    partners = bulk(
        t.List(), "For each head of a, `[layer][head]`: distance, layer and head of b; None for some."
    )
    metric = bulk(t.Unicode("hellinger"), "What the distances are measured by.")
    note = bulk(t.Unicode(""), "Why there is no difference, where there is none.")
    layer = state(t.Int(0), "The layer of a that is shown.")
    head = state(t.Int(0), "The head of that layer that is shown.")
    other_layer = state(t.Int(0), "The layer of b that is shown.")
    other_head = state(t.Int(0), "The head of that layer that is shown.")
    query = state(t.Int(None, allow_none=True), "The selected query, a position in a.")
    key = state(t.Int(None, allow_none=True), "The selected key, a position in a.")
    log = state(t.Bool(False), "Whether colours follow the logarithm of the weight.")

    def __init__(
        self,
        a: Trace,
        b: Trace | None = None,
        *,
        layer: int | None = None,
        head: int | None = None,
        other_layer: int | None = None,
        other_head: int | None = None,
        metric: str = "hellinger",
        **traits: Any,
    ):
        """
        a, b: two traces; without b two heads of one trace
        layer, head: of a, by default the head that differs most; other_layer, other_head: of b, by default its partner

        Raises InputError for a layer or a head that is not there.
        """
        self._a = given_trace(a, "CompareView")
        self._b = self._a if b is None else given_trace(b, "CompareView")
        partners, pairs, note, most = _compared(self._a, self._b, metric)
        self._partners = partners
        layer, head = most[0] if layer is None else layer, most[1] if head is None else head
        found = self._partner(known_layer(layer, len(self._a)), head)
        super().__init__(
            layer=layer,
            head=head,
            other_layer=found[0] if other_layer is None else other_layer,
            other_head=found[1] if other_head is None else other_head,
            partners=partners,
            alignment=np.asarray(pairs, dtype="<i4").tobytes(),
            metric=metric,
            note=note,
            **traits,
        )
        self._tiles = {"a": Tiles(self._a), "b": Tiles(self._b)}
        self.asks |= {"a_tile": self._tile_of("a"), "b_tile": self._tile_of("b")}
        self.a_trace = Layers(self, "a_").show(self._a, self.layer)
        self.b_trace = Layers(self, "b_").show(self._b, self.other_layer)
        self.observe(self._follow, ["layer", "head"])

    def _tile_of(self, side: str) -> Any:
        def answer(layer: int, heads: list[int], level: int, row: int, col: int, **_: Any) -> Answer:
            found = self._tiles[side].tile(Shown(layer, tuple(heads)), level, row, col)
            return Answer({"shape": list(found.shape)}, (payload.halves(found),))

        return answer

    def _partner(self, layer: int, head: int) -> tuple[int, int]:
        """The head of b that stands beside a head of a; the same number where none was compared."""
        row = self._partners[layer] if layer < len(self._partners) else []
        if head < len(row) and row[head] is not None:
            return row[head][1], row[head][2]
        layer = min(layer, len(self._b) - 1)
        return layer, min(head, self._b[layer].heads - 1)

    def _follow(self, change: dict[str, Any]) -> None:
        """A head that Python sets brings its partner."""
        self.other_layer, self.other_head = self._partner(self.layer, self.head)

    @t.validate("layer", "other_layer")
    def _known_layer(self, proposal: dict[str, Any]) -> int:
        trace = self._a if proposal["trait"].name == "layer" else self._b
        return known_layer(proposal["value"], len(trace))

    @t.validate("head", "other_head")
    def _known_head(self, proposal: dict[str, Any]) -> int:
        trace = self._a if proposal["trait"].name == "head" else self._b
        count = max(layer.attention.heads for layer in trace.layers)
        if not -count <= proposal["value"] < count:
            raise InputError(f"head {proposal['value']} is out of range: the heads are 0 to {count - 1}")
        return proposal["value"] % count


def _compared(a: Trace, b: Trace, metric: str) -> tuple[list, list, str, tuple[int, int]]:
    """Partners and distances, pairs of positions, why there are none, and the head that differs most."""
    partners: list[list] = [[None] * layer.attention.heads for layer in a.layers]
    try:
        comparison = compare(a, b, metric=metric)
    except InputError as error:
        if "metric" in str(error):
            raise
        return partners, [], str(error), (0, 0)
    for row in comparison.heads.itertuples():
        known = None if row.distance != row.distance else float(row.distance)
        partners[row.layer][row.head] = [known, int(row.layer_b), int(row.head_b)]
    first = comparison.most(1)
    most = (0, 0) if first.empty else (int(first["layer"].iloc[0]), int(first["head"].iloc[0]))
    return partners, list(comparison.alignment), "", most
