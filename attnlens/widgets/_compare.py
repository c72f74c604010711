"""Two traces side by side, head by head, and their difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from .. import _checks
from ..analysis import compare
from ..analysis._alignment import side_of, with_replacements
from ..analysis._distance import METRICS
from ..attribution import TextAttribution
from ..data._trace import Trace
from ..errors import InputError
from . import _payload
from ._tiles import HeadSelection, Tiles
from ._view import (
    Integer,
    LayerTransfer,
    Reply,
    View,
    axis_position,
    bulk,
    bundle,
    state,
    validate,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..lens import TextLens


class CompareView(View):
    """Left and middle: a head of a and one of b, queries down, keys across, on one colour scale. Right: b minus a over
    the aligned tokens, blue where b attends more, red where it attends less. The small map above shows the distance of
    the heads; click one to see it. Point at a cell to see its partner.

    A word stands beside the one that replaces it; tokens without a partner are left out of the difference. `compare`
    aligns and measures; its distances are of equal tokens alone.

    >>> al.CompareView(lens.trace("a fine film"), lens.trace("a dull film"))
    >>> al.CompareView(before.trace(text), after.trace(text))         # two checkpoints
    >>> al.CompareView(trace, layer=2, head=11, other_layer=0, other_head=2)   # two heads
    """

    _esm = bundle("compare")

    a_trace = bulk(t.Dict(), "The first trace without its weights.")
    b_trace = bulk(t.Dict(), "The second trace without its weights.")
    alignment = bulk(t.Bytes(), "Pairs of positions, int32 `[pair, (a, b)]`.")
    partners = bulk(
        t.List(), "For each head of a, `[layer][head]`: distance, layer and head of b; None for some."
    )
    metric = bulk(t.Unicode("hellinger"), "The measure of the distances.")
    note = bulk(t.Unicode(""), "The reason where the traces have no difference to show.")
    attributions = bulk(
        t.Dict(allow_none=True), "Attributions of both for one target: a score for each token of a and of b."
    )
    layer = state(Integer(0), "The layer of a that is shown.")
    head = state(Integer(0), "The head of that layer that is shown.")
    other_layer = state(Integer(0), "The layer of b that is shown.")
    other_head = state(Integer(0), "The head of that layer that is shown.")
    query = state(Integer(None, allow_none=True), "The selected query, a position in a.")
    key = state(Integer(None, allow_none=True), "The selected key, a position in a.")
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
        attributions: tuple[TextAttribution, TextAttribution] | None = None,
        **traits: Any,
    ):
        """
        a, b: two traces; without b two heads of one trace
        layer, head: those of a, by default the head that differs most
        other_layer, other_head: those of b, by default its partner
        metric: the measure of the distances
        attributions: of a and of b, for one target, by token: shown side by side with their difference

        Raises InputError for a layer or a head that does not exist, and for attributions of other tokens, or of another
        target or method in a than in b.
        """
        self._a = _checks.drawable(a, "CompareView")
        if b is None and other_layer is None and other_head is None:
            raise InputError(
                "CompareView shows two traces, or two heads of one; pass b, or other_head= (and other_layer=)"
            )
        self._b = self._a if b is None else _checks.drawable(b, "CompareView")
        partners, pairs, note = _compared(self._a, self._b, metric)
        self._partners, self._pairs = partners, pairs
        layers = range(len(self._a)) if layer is None else [_checks.position("layer", layer, len(self._a))]
        layer, most = _farthest(partners, layers)
        (head,) = _checks.positions("head", most if head is None else head, self._a[layer].heads)
        partner = self._partner(layer, head)
        super().__init__(
            layer=layer,
            head=head,
            other_layer=partner[0]
            if other_layer is None
            else _checks.position("layer", other_layer, len(self._b)),
            other_head=partner[1] if other_head is None else other_head,
            partners=partners,
            alignment=np.asarray(pairs, dtype="<i4").tobytes(),
            metric=metric,
            note=note,
            attributions=None if attributions is None else _attributed(self._a, self._b, attributions),
            **traits,
        )
        self._tiles = {"a": Tiles(self._a), "b": Tiles(self._b)}
        self.handlers |= {"a_tile": self._tile_of("a"), "b_tile": self._tile_of("b")}
        self.a_trace = LayerTransfer(self, "a_").show(self._a, self.layer)
        self.b_trace = LayerTransfer(self, "b_").show(self._b, self.other_layer)
        self.observe(self._follow, ["layer", "head"])

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: both heads on one scale and, where tokens align, their difference."""
        from ._figures import compare_figure

        return compare_figure(self._sides(), self._pairs_of_shown())

    def _sides(self) -> dict[str, tuple[Tiles, int, int]]:
        return {
            "a": (self._tiles["a"], self.layer, self.head),
            "b": (self._tiles["b"], self.other_layer, self.other_head),
        }

    def _weights_of_figure(self) -> int:
        return sum(
            tiles.count(HeadSelection(layer, (head,))) for tiles, layer, head in self._sides().values()
        )

    def _pairs_of_shown(self) -> list[tuple[int, int]]:
        """Aligned positions, where the shown layers attend between them."""
        a, b = self._a.layers[self.layer], self._b.layers[self.other_layer]
        partner = self._partners[self.layer][self.head]
        if partner is None:
            return []
        of_partner = self._b.layers[partner[1]]
        axes = [(one.query_side, one.key_side, *one.attention.shape[1:]) for one in (of_partner, b)]
        return list(self._pairs) if axes[0] == axes[1] and a.attention.queries == a.attention.keys else []

    def _tile_of(self, side: str) -> Any:
        def reply(layer: int, heads: list[int], level: int, row: int, col: int, **_: Any) -> Reply:
            tile = self._tiles[side].tile(HeadSelection(layer, tuple(heads)), level, row, col)
            return Reply({"shape": list(tile.shape)}, (_payload.halves(tile),))

        return reply

    def _partner(self, layer: int, head: int) -> tuple[int, int]:
        """The partner in b of a head of a; the head of the same number where none was compared."""
        row = self._partners[layer] if layer < len(self._partners) else []
        if head < len(row) and row[head] is not None:
            return row[head][1], row[head][2]
        layer = min(layer, len(self._b) - 1)
        return layer, min(head, self._b[layer].heads - 1)

    def _follow(self, change: dict[str, Any]) -> None:
        """Selects the partner of the head that was selected."""
        self.other_layer, self.other_head = self._partner(self.layer, self.head)

    @validate("layer", "other_layer")
    def _known_layer(self, proposal: dict[str, Any]) -> int:
        trace = self._a if proposal["trait"].name == "layer" else self._b
        return _checks.position("layer", proposal["value"], len(trace))

    @validate("head", "other_head")
    def _known_head(self, proposal: dict[str, Any]) -> int:
        trace = self._a if proposal["trait"].name == "head" else self._b
        return _checks.position("head", proposal["value"], max(one.attention.heads for one in trace.layers))

    @validate("query", "key")
    def _known_token(self, proposal: dict[str, Any]) -> int | None:
        return axis_position(proposal["trait"].name, proposal["value"], self._a)


def _compared(a: Trace, b: Trace, metric: str) -> tuple[list[list], list, str]:
    """Partners and distances by layer and head, pairs of aligned positions, and the reason where there are none."""
    _checks.one_of("metric", metric, METRICS)
    partners: list[list] = [[None] * layer.attention.heads for layer in a.layers]
    try:
        comparison = compare(a, b, metric=metric)
    except InputError as error:
        return partners, [], str(error)
    for row in comparison.heads.itertuples():
        known = None if row.distance != row.distance else float(row.distance)
        partners[row.layer][row.head] = [known, int(row.layer_b), int(row.head_b)]
    sizes = (side_of(trace, name).size for trace, name in ((a, "a"), (b, "b")))
    return partners, with_replacements(comparison.alignment, *sizes), ""


def _attributed(a: Trace, b: Trace, attributions: tuple[TextAttribution, TextAttribution]) -> dict[str, Any]:
    """The scores of both, where they can be compared."""
    pair = tuple(attributions)
    if len(pair) != 2 or not all(isinstance(one, TextAttribution) for one in pair):
        raise InputError("attributions= takes two of texts: (lens.attribute(a), lens.attribute(b))")
    for name, trace, attribution in zip("ab", (a, b), pair):
        if [token.text for token in attribution.tokens] != [token.text for token in trace.tokens]:
            raise InputError(
                f"the attribution of {name} has other tokens than its trace; attribute the same text, by token"
            )
    first, second = pair
    if (str(first.target), first.unit, first.method) != (str(second.target), second.unit, second.method):
        raise InputError(
            f"the attributions explain {str(first.target)!r} by {first.method} and {str(second.target)!r} by "
            f"{second.method}: pass target= and method= to both, so that they can be compared"
        )
    scores = [one.scores.double().tolist() for one in pair]
    return {
        "target": str(first.target),
        "how": first.how,
        "unit": first.unit if first.signed else "",
        "a": scores[0],
        "b": scores[1],
    }


def attributions_for_one_target(
    lenses: Iterable[TextLens], inputs: Iterable[Any], target: int, **options: Any
) -> tuple[TextAttribution, ...] | None:
    """The attributions of inputs for one class, as `CompareView` takes them; None where there is none to ask for."""
    try:
        return tuple(lens.attribute(one, target, **options) for lens, one in zip(lenses, inputs))
    except InputError:  # a model whose targets are not classes
        return None


def _farthest(partners: list[list], layers: Iterable[int]) -> tuple[int, int]:
    """The head that differs most among some layers, the first of several; head 0 where no distance is known."""
    known = [
        (-one[0], layer, head)
        for layer in layers
        for head, one in enumerate(partners[layer])
        if one is not None and one[0] is not None
    ]
    return min(known)[1:] if known else (next(iter(layers)), 0)
