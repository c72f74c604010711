"""Every head of a trace as a thumbnail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import traitlets as t
from torch import Tensor

from .. import _checks
from ..analysis import head_stats
from ..analysis._head_columns import COLUMNS
from ..analysis._head_stats import IMPORTANCE, VALUE, meaning_of
from ..analysis._pooling import pooled
from ..analysis._strongest_heads import strongest_head, strongest_heads
from ..data._attention import Attention
from ..data._thumbnails import of_class_token, sees_patches
from ..data._trace import Trace
from . import _payload
from ._view import Integer, View, bulk, bundle, state, validate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 32
"""Maximum number of rows and columns of a thumbnail."""

MOST_WEIGHTS = 1 << 26
"""Weights of one layer above which thumbnails show evenly spaced queries only."""

CELLS = ("value", "pattern")

STATS_AT_ONCE = 1 << 22
"""Weights of all layers up to which the statistics of all heads are sent with the view."""


class HeadsView(View):
    """Rows are layers, columns heads. Within a square the query runs down and the key across; strong is much attention.

    Each square has its own scale: it shows a head's pattern, not how its weights compare with another head's; to
    compare, tint or sort by a column of `head_stats`. For a long text each cell shows the largest of the weights that
    it covers. For an image a square shows the attention of the class token, on the grid of patches; `whole=True`
    shows all queries.

    >>> view = al.HeadsView(trace, by="entropy")
    >>> view.layer, view.heads                      # what is selected
    >>> view.observe(lambda change: ..., "heads")   # a click in the browser arrives here
    """

    _esm = bundle("heads")

    thumbnails = bulk(t.Bytes(), "All thumbnails as float16, layer by layer, `[head, row, column]`.")
    sizes = bulk(t.List(), "`[heads, rows, columns]` of each layer's thumbnails.")
    stats = bulk(t.Dict(), "`head_stats`: for each column `[layer][head]`; empty until it is requested.")
    columns = bulk(t.List(t.Unicode()), "The columns to tint or sort by.")
    rows = bulk(
        t.Unicode("query"), "What a square's rows are: 'query', or 'patch' for the class token's view."
    )
    meanings = bulk(t.Dict(), "What each column is.")
    stacks = bulk(
        t.List(t.Unicode()), "Of each layer 'encoder', 'decoder' or 'cross'; '' for a model of one stack."
    )
    about = bulk(t.Unicode(), "The model and the input, in a line.")
    strongest = bulk(
        t.Dict(allow_none=True),
        "The strongest head, whose reading position has the largest weight on an ordinary token: layer, head, both "
        "tokens as `query` and `key`, and the weight; None where there is none.",
    )
    layer = state(Integer(0), "The layer of the selected heads.")
    heads = state(t.List(Integer()), "The selected heads of that layer.")
    by = state(t.Unicode(""), "The column of `head_stats` that tints the squares; '' for none.")
    cells = state(
        t.Enum(CELLS, "value"),
        "With a column: 'value' shows it as a colour and a number, 'pattern' tints each head's thumbnail.",
    )
    sort = state(t.Bool(False), "Whether the heads are sorted by that column, largest first.")

    def __init__(
        self,
        trace: Trace,
        *,
        layer: int | None = None,
        heads: int | list[int] | None = None,
        by: str = "",
        cells: str = "value",
        sort: bool = False,
        whole: bool = False,
    ):
        """
        layer, heads: what is selected, by default the head whose reading position (class token, or last token) has the
            largest weight on an ordinary token
        by: a column of `head_stats`; cells: whether it is drawn as its value or tints the pattern; sort: largest first
        whole: for an image, all queries and keys instead of the class token's attention to the patches

        Raises InputError for a layer, a head or a column that does not exist.
        """
        self._trace = _checks.drawable(trace, "HeadsView")
        if layer is None and heads is None:
            layer, heads = strongest_head(trace)
        layer, heads = layer or 0, () if heads is None else heads
        super().__init__(
            columns=columns_of(trace), by=by, cells=cells, sort=sort,
            layer=_checks.position("layer", layer, len(trace)),
            heads=_checks.positions("head", heads, self._most_heads),
        )  # fmt: skip
        self.handlers["stats"] = self._send_stats
        self._whole = whole
        self.show(trace)

    def show(self, trace: Trace) -> None:
        """Shows another trace in the same view; the selection is kept as far as the trace has it."""
        self._trace = _checks.drawable(trace, "HeadsView")
        seen = not self._whole and all(sees_patches(trace, layer) for layer in trace.layers)
        tiles = [
            of_class_token(trace, layer) if seen else thumbnails(layer.attention) for layer in trace.layers
        ]
        with self.hold_sync():
            self.layer = min(self.layer, len(trace) - 1)
            self.heads = [head for head in self.heads if head < trace[self.layer].heads]
            self.thumbnails = b"".join(_payload.halves(tile) for tile in tiles)
            self.sizes = [list(tile.shape) for tile in tiles]
            self.rows = "patch" if seen else "query"
            self.about = _payload.about(trace)
            self.strongest = _strongest(trace)
            self.columns = columns_of(trace)
            self.meanings = {name: _meaning(name, trace) for name in self.columns}
            self.stacks = _payload.stacks(trace)
            self.by = self.by if self.by in self.columns else ""
            self.stats = {}
            small = sum(math.prod(layer.attention.shape) for layer in trace.layers) <= STATS_AT_ONCE
            if self.by or small:
                self._send_stats()

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: every head's pattern, or the statistic that is chosen.

        Drawn from what the view holds, so that no weights are read again.
        """
        from . import _figures

        if self.by:
            figure = _figures.statistic_figure(self.by, self.stats[self.by])
        else:
            numbers = torch.frombuffer(bytearray(self.thumbnails), dtype=torch.float16).float()
            tiles = numbers.split([math.prod(size) for size in self.sizes])
            tiles = [tile.view(size).numpy() for tile, size in zip(tiles, self.sizes)]
            some = any(sampled(layer.attention) for layer in self._trace.layers)
            figure = _figures.patterns_figure(self._trace, tiles, self.rows == "patch", some)
        return _figures.framed(figure, self.layer, self.heads)

    @property
    def _most_heads(self) -> int:
        return max(one.attention.heads for one in self._trace.layers)

    def _send_stats(self) -> None:
        """Computes the statistics once and puts them into the widget's state."""
        if not self.stats:
            table = head_stats(self._trace)
            statistics: dict[str, list[list[float | None]]] = {}
            for column in self.columns:
                rows = table.groupby("layer", sort=True)[column]
                statistics[column] = [[None if x != x else float(x) for x in row] for _, row in rows]
            self.stats = statistics

    @validate("layer")
    def _known_layer(self, proposal: dict[str, Any]) -> int:
        return _checks.position("layer", proposal["value"], len(self._trace))

    @validate("heads")
    def _known_heads(self, proposal: dict[str, Any]) -> list[int]:
        return _checks.positions("head", proposal["value"], self._most_heads)

    @validate("by")
    def _known_column(self, proposal: dict[str, Any]) -> str:
        name = proposal["value"]
        return name and _checks.one_of("column", name, columns_of(self._trace))

    @t.observe("by")
    def _needs_stats(self, change: dict[str, Any]) -> None:
        if change["new"] and "stats" in self.handlers:
            self._send_stats()


def _strongest(trace: Trace) -> dict[str, Any] | None:
    """The strongest head, where there are tokens to name and its weights are shares of attention."""
    best = next(iter(strongest_heads(trace)), None)
    if best is None or not best.weight > 0:
        return None
    layer = trace.layers[best.layer]
    if layer.query_side != "input" or not trace.tokens or not layer.normalized or any(_payload.stacks(trace)):
        return None
    grid = trace.patches
    query, key = (
        trace.tokens[position].text if grid is None else grid.name(position)
        for position in (trace.reader, best.key)
    )
    return {"layer": best.layer, "head": best.head, "query": query, "key": key, "weight": best.weight}


def _meaning(column: str, trace: Trace) -> str:
    mean = "" if column == IMPORTANCE or column.endswith("sink") else "; the mean over queries"
    return f"{meaning_of(column, trace.patches is not None)}{mean}"


def columns_of(trace: Trace) -> list[str]:
    """The columns of `head_stats` for this trace: more where it has values, and their gradients."""
    values = [layer.values for layer in trace.layers if layer.values is not None]
    mixed = [f"{VALUE}{name}" for name in COLUMNS] if values else []
    return [*COLUMNS, *mixed, *([IMPORTANCE] if any(one.gradient is not None for one in values) else [])]


def sampled(attention: Attention) -> bool:
    """Whether thumbnails show some of the queries only."""
    return math.prod(attention.shape) > MOST_WEIGHTS


def thumbnails(attention: Attention) -> Tensor:
    """`[head, row, column]` with at most SIDE rows and columns; a cell is the largest weight that it covers."""
    if 0 in attention.shape:
        return torch.zeros(attention.heads, 1, 1)
    if not sampled(attention):
        return pooled(attention, SIDE)[0]
    rows = torch.linspace(0, attention.queries - 1, SIDE).long()
    step = math.ceil(attention.keys / SIDE)
    return torch.nn.functional.max_pool1d(attention[:, rows], step, ceil_mode=True).cpu()
