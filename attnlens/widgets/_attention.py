"""One head, several heads or their mean, as lines between tokens or as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import traitlets as t

from .. import _checks
from ..analysis._strongest_heads import strongest_head
from ..data._attention import Factors
from ..data._trace import Trace
from ..errors import InputError
from . import _payload
from ._tiles import PAIRS, POOLS, HeadSelection, Tiles
from ._view import (
    Integer,
    LayerTransfer,
    Number,
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

MODES = ("lines", "matrix")

MOST_LINES = 60
"""Tokens beyond which lines are a tangle: a longer trace opens as a matrix. As for `plots.lines`, whose module would
import matplotlib before a figure is asked for."""


class AttentionView(View):
    """Lines: each query token on the left is joined to the keys that it attends to; the stronger the line, the larger
    the weight. Point at a token to see it alone. Matrix: the query runs down, the key across, strong is much attention.

    Weights show where information could flow, not how the model used it. A matrix of several heads is their mean;
    for a long text each cell is the largest (or the mean, by `pool`) of the weights that it covers, until you zoom.

    >>> view = al.AttentionView(trace, layer=5, heads=3)
    >>> view.query = 4                               # the row of token 4, in the browser too
    >>> view.observe(lambda change: ..., "query")    # a click on a token arrives here
    """

    _esm = bundle("attention")

    trace = bulk(t.Dict(), "The trace without its weights.")
    layer = state(Integer(0), "The layer that is shown.")
    layers = state(
        t.List(Integer()),
        "Layers over which each of the heads is averaged, all over the same tokens; empty for `layer` alone.",
    )
    heads = state(
        t.List(Integer()), "The heads of that layer that are shown; the first where the list is empty."
    )
    mean = state(t.Bool(False), "Whether lines are drawn for the mean of the heads; a matrix always is.")
    mode = state(t.Enum(MODES, "lines"), "'lines' or 'matrix'.")
    query = state(Integer(None, allow_none=True), "The query token that is shown alone; None for all.")
    key = state(Integer(None, allow_none=True), "The key token that is shown alone; None for all.")
    pair = state(
        t.Enum(tuple(PAIRS), "all"),
        "For two texts: whose queries and keys; 'a-b' is from the first to the second.",
    )
    hide_special = state(
        t.Bool(False), "Whether special tokens are hidden; rows are scaled to sum to one again."
    )
    threshold = state(Number(0.0), "Weights below it are not drawn, 0 to 1.")
    log = state(t.Bool(False), "Whether strength follows the logarithm of the weight.")
    pool = state(t.Enum(POOLS, "max"), "What a cell that covers several weights shows.")

    def __init__(
        self,
        trace: Trace,
        *,
        layer: int | None = None,
        heads: int | list[int] | None = None,
        mode: str | None = None,
        **traits: Any,
    ):
        """
        layer, heads: what is shown first, by default the head whose reading position (class token, or last token) has
            the largest weight on an ordinary token; of a given layer, every head
        mode: "lines" or "matrix", which is the default beyond 60 tokens; traits: any of the others by name

        Raises InputError for a layer or a head that does not exist.
        """
        self._trace = _checks.drawable(trace, "AttentionView")
        if layer is None and heads is None:
            layer, heads = strongest_head(trace)
        layer = _checks.position("layer", 0 if layer is None else layer, len(trace))
        count = trace[layer].heads
        if mode is None:
            mode = "matrix" if max(trace[layer].queries, trace[layer].keys) > MOST_LINES else "lines"
        chosen = _checks.positions("head", range(count) if heads is None else heads, count)
        super().__init__(layer=layer, heads=chosen, mode=mode, **traits)
        self._layers = LayerTransfer(self)
        self.handlers |= {"tile": self._tile, "line": self._line, "detail": self._detail}
        self.handlers |= {"factors": self._factors, "lse": self._lse}
        self.show(trace)

    def show(self, trace: Trace) -> None:
        """Shows another trace in the same view; the selection is kept as far as the trace has it."""
        other = trace is not self._trace
        self._trace = _checks.drawable(trace, "AttentionView")
        self._tiles = Tiles(trace)
        with self.hold_sync():
            self.layers = [] if other else self.layers
            self.layer = min(self.layer, len(trace) - 1)
            self.heads = [head for head in self.heads if head < trace[self.layer].heads] or [0]
            if other:
                self.query = self.key = None
            self.pair = self.pair if two_texts(trace) else "all"
            self.trace = self._layers.show(trace, self.layer)

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: lines, beyond 60 tokens a matrix; with what is selected and hidden, and
        the scale."""
        from ._figures import attention_figure

        shown = self._selected(), self.mode, self.mean, (self.query, self.key), self.threshold, self.log
        return attention_figure(self._tiles, *shown)

    def _selected(self) -> HeadSelection:
        return self._selection(
            self.layer, self.heads or [0], self.pair, self.hide_special, self.pool, self.layers
        )

    def _weights_of_figure(self) -> int:
        return self._tiles.count(self._selected())

    def _tile(self, level: int, row: int, col: int, **selection: Any) -> Reply:
        tile = self._tiles.tile(self._selection(**selection), level, row, col)
        return Reply({"shape": list(tile.shape)}, (_payload.halves(tile),))

    def _line(self, axis: str, position: int, **selection: Any) -> Reply:
        line = self._tiles.line(self._selection(**selection), axis, position)
        return Reply({"shape": list(line.shape)}, (_payload.halves(line),))

    def _factors(self, layer: int, head: int) -> Reply:
        """One head's queries and keys, as a layer of one head."""
        layer, (head,), *_ = self._selection(layer, [head])
        one = _payload.sent_head(self._trace.layers[layer], head)
        if one is None:
            raise InputError(
                "this head has no queries and keys that fit a message; its weights are sent in tiles"
            )
        header = _payload.layer_header(one, detail=True)
        return Reply({"header": header}, (_payload.layer_bytes(one.attention, detail=True),))

    def _lse(self, layer: int, head: int, hide_special: bool) -> Reply:
        """The log-sum-exp of each query's scores in one head."""
        lse = self._tiles.lse(self._selection(layer, [head], hide_special=hide_special))
        return Reply({}, (lse.cpu().numpy().astype("<f4").tobytes(),))

    def _selection(
        self,
        layer: int,
        heads: list[int],
        pair: str = "all",
        hide_special: bool = False,
        pool: str = "max",
        layers: list[int] | None = None,
    ) -> HeadSelection:
        layer = _checks.position("layer", layer, len(self._trace))
        heads = _checks.positions("head", heads, self._trace[layer].heads)
        several = alike(self._trace, layers or [])
        return HeadSelection(layer, tuple(heads), pair, hide_special, pool, tuple(several))

    def _detail(self, layer: int, head: int, query: int, key: int) -> Reply:
        """The query and key vectors `[d_head]` of one score, the scale of their product, and the weight."""
        attention = self._trace[_checks.position("layer", layer, len(self._trace))]
        if not isinstance(attention, Factors):
            raise InputError(
                "this layer's queries and keys were not recorded, only its weights; record them by "
                'lens.trace(input, store="factors")'
            )
        query = _checks.position("query", query, attention.queries)
        key = _checks.position("key", key, attention.keys)
        (head,) = _checks.positions("head", head, attention.heads)
        group = attention.heads // attention.key.shape[0]
        vectors = torch.stack([attention.query[head, query], attention.key[head // group, key]]).float()
        return Reply(
            {"scale": attention.scale, "weight": float(attention[head, query, key])},
            (vectors.cpu().numpy().astype("<f4").tobytes(),),
        )

    @validate("layer")
    def _known_layer(self, proposal: dict[str, Any]) -> int:
        return _checks.position("layer", proposal["value"], len(self._trace))

    @validate("layers")
    def _known_layers(self, proposal: dict[str, Any]) -> list[int]:
        return alike(self._trace, proposal["value"])

    @t.observe("layer")
    def _leave_others(self, change: dict[str, Any]) -> None:
        if change["new"] not in self.layers:
            self.layers = []

    @validate("heads")
    def _known_heads(self, proposal: dict[str, Any]) -> list[int]:
        return _checks.positions(
            "head", proposal["value"], max(one.attention.heads for one in self._trace.layers)
        )

    @validate("query", "key")
    def _known_token(self, proposal: dict[str, Any]) -> int | None:
        return axis_position(proposal["trait"].name, proposal["value"], self._trace)

    @validate("pair")
    def _known_pair(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] != "all" and not two_texts(self._trace):
            raise InputError(f"pair {proposal['value']!r} needs two texts: lens.trace((first, second))")
        return proposal["value"]

    @validate("threshold")
    def _known_threshold(self, proposal: dict[str, Any]) -> float:
        return _checks.share("threshold", proposal["value"])


def alike(trace: Trace, layers: list[int]) -> list[int]:
    """Layers that can be averaged, in order; empty for fewer than two.

    Raises InputError for one that does not exist, and for layers over other tokens or of other heads.
    """
    numbers = sorted(set(_checks.positions("layer", layers, len(trace))))
    axes = [(one.query_side, one.key_side, one.attention.shape) for one in (trace.layers[n] for n in numbers)]
    for number, of_layer in zip(numbers, axes):
        if of_layer != axes[0]:
            raise InputError(
                f"layers {numbers[0]} and {number} cannot be averaged: they attend from and to other tokens, or have "
                f"other heads ({list(axes[0][2])} and {list(of_layer[2])}, head x query x key)"
            )
    return numbers if len(numbers) > 1 else []


def two_texts(trace: Trace) -> bool:
    """Whether some tokens belong to a second text."""
    return any(token.segment for token in (*trace.tokens, *trace.output_tokens))
