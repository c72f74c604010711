"""An image with attention over its patches, and beside it rollout and attributions by patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import traitlets as t
from torch import Tensor

from .. import _checks
from ..analysis import rollout
from ..analysis._strongest_heads import strongest_heads
from ..attribution._registry import methods
from ..attribution._result import method_title
from ..data._trace import PatchGrid, Trace, no_patches
from ..errors import AttnlensError, InputError
from ..lens import ImageLens, Lens
from . import _payload
from ._view import Integer, LayerTransfer, Number, Reply, View, bulk, bundle, state, validate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..attribution import ImageAttribution

OF_TRACE = ("image", "attention", "rollout")
"""Panels that need a trace alone; the first needs its image too."""

DRAWN = ("image", "attention")
"""Panels that the browser draws from the trace; the others need scores."""

FIRST = ("image", "rollout", "relevance", "gradient")
"""The panels that are shown at first, as far as they are available."""


def of_model() -> tuple[str, ...]:
    """Panels that run the model: the methods of `lens.attribute` for images, except those computed from the trace."""
    return tuple(name for name in methods("image") if name not in OF_TRACE)


class PatchView(View):
    """The large picture shows the attention of one position: the brighter a patch, the larger its weight. Point at a
    patch to see its attention, click to keep it; then pointing shows the numbers. Beside it are the image, the class
    token's rollout through all layers, and attributions of a class; `panels` adds others, as the attention of the class
    token beside that of a patch. Each map has its own scale, or with `shared` each kind: shares of attention; scores
    that only rank, as shares of their own total; signed scores, in the unit of the output.

    Weights show where information could flow, not how the model used it; rollout does not depend on a class;
    relevance and gradients only rank. Attention to the tokens before the patches is listed below the picture. For a
    model without a class token the picture shows what each patch receives, the mean over all queries. Layers whose
    positions are not the image's patches (windows, pooled maps) are left out.

    >>> view = al.PatchView(trace)                   # attention and rollout
    >>> view = al.PatchView(lens, image, "cat")      # relevance and gradients of a class too
    >>> view.layer, view.query = 3, 12               # attention of position 12 in layer 3, in the browser too
    >>> view.observe(lambda change: ..., "query")    # a click on a patch arrives here
    """

    _esm = bundle("patches")

    trace = bulk(t.Dict(), "The trace without its weights.")
    size = bulk(
        t.List(Integer()),
        "Height and width of the image in pixels, or of the grid in patches where there is no image.",
    )
    offered = bulk(t.List(t.Unicode()), "The panels that can be shown.")
    labels = bulk(t.List(t.Unicode()), "The classes that a lens can explain.")
    maps = bulk(
        t.Dict(),
        "For each panel with scores: kind, target, method, error, and which of `scores` they are.",
    )
    scores = bulk(t.Bytes(), "The panels' scores as float32, one after the other, `[row, column]`.")
    layer = state(Integer(0), "The layer whose attention is shown.")
    heads = state(t.List(Integer()), "The heads whose mean is shown; [] for all of them.")
    query = state(
        Integer(None, allow_none=True), "The query position; None for the class token, or for all positions."
    )
    blend = state(Number(0.5), "How much the map covers the image, 0 to 1.")
    panels = state(t.List(t.Unicode()), "The panels beside the picture.")
    shared = state(t.Bool(False), "Whether the panels of each kind share a scale; else each has its own.")
    target = state(t.Unicode(""), "The class that the attributions explain; '' where there is none.")

    def __init__(
        self,
        source: Trace | Lens,
        image: Any = None,
        target: str | int | None = None,
        *,
        layer: int | None = None,
        heads: int | list[int] | None = None,
        query: int | str | tuple[int, int] | None = None,
        panels: list[str] | None = None,
        **traits: Any,
    ):
        """
        source: the trace of an image; or a lens, which runs on `image`
        target: for a lens, the class that attributions explain, by name or index; the predicted one by default
        layer, heads: what is shown first, by default the head in which the class token has the largest weight on a
            patch, without a class token the last layer; of a given layer, and for heads=[], the mean of every head
        query: a position by number or text, or a patch as (row, column); the class token by default
        panels: names from `OF_TRACE` and, for a lens, `attnlens.attribution.IMAGE_METHODS`
        traits: any of the others by name

        Raises InputError for the trace of a text, for a layer, head, query, panel or class that does not exist, and
        where no layer attends over the patches.
        """
        named = self._hold(source, image, target)
        if layer is None and heads is None:
            layer, heads = _first_heads(self._trace)
        layer = (
            _usable(self._trace)[-1] if layer is None else _checks.position("layer", layer, len(self._trace))
        )
        first = [name for name in self._offered if name in FIRST]
        super().__init__(
            layer=layer,
            heads=_checks.positions("head", [] if heads is None else heads, self._trace[layer].heads),
            query=_position(query, self._trace.patches),
            panels=first if panels is None else list(panels),
            target=named,
            **traits,
        )
        self._layers = LayerTransfer(self)
        self.handlers |= {"line": self._line, "received": self._received, "map": self._send_map}
        self._send_all(required=panels is not None)

    def show(self, source: Trace | Lens, image: Any = None, target: str | int | None = None) -> None:
        """Shows another image, passed as at creation, in the same view; the selection is kept as far as it exists."""
        named = self._hold(source, image, target)
        usable, grid = _usable(self._trace), self._trace.patches
        with self.hold_sync():
            self.layer = self.layer if self.layer in usable else usable[-1]
            self.heads = [head for head in self.heads if head < self._trace[self.layer].heads]
            self.query = self.query if self.query is None or self.query < len(grid) else None
            self.panels = [name for name in self.panels if name in self._offered]
            self.target = named
            self._send_all(required=False)

    def _hold(self, source: object, image: Any, target: Any) -> str:
        """Keeps the trace and the lens; returns the class that is explained."""
        self._trace = _traced(source, image, target)
        self._lens, self._image = (source if isinstance(source, ImageLens) else None), image
        self._maps_kept: dict[str, tuple[dict[str, Any], Tensor]] = {}
        named = _first_target(self._lens, self._trace, target)
        self._offered = OF_TRACE[self._trace.patches.image is None :] + (of_model() if named else ())
        return named

    def _send_all(self, required: bool) -> None:
        """Sends everything that depends on the image alone, and the maps of the panels that are shown."""
        grid = self._trace.patches
        picture = (grid.rows, grid.cols) if grid.image is None else grid.image.shape[:2]
        with self.hold_sync():
            self.size = [int(pixels) for pixels in picture]
            self.offered = list(self._offered)
            self.labels = list(self._lens.labels) if self.target else []
            self.maps, self.scores = {}, b""
            self._send_first(required)
            self.trace = self._layers.show(self._trace, self.layer)

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: the image, the attention of the query, and the maps beside it."""
        from ._figures import patches_figure

        maps = {
            name: {"title": method_title(name), "scores": scores, "kind": header["kind"]}
            for name, (header, scores) in self._maps_kept.items()
            if name in self.panels
        }
        return patches_figure(self._trace, self.layer, self.heads, self.query, maps)

    # -- answers --------------------------------------------------------------------------------------------

    def _line(self, layer: int, heads: list[int], axis: str, position: int, **_: Any) -> Reply:
        """The weights of one query, `[head, key]`."""
        attention = self._trace[_checks.position("layer", layer, len(self._trace))]
        heads = torch.tensor(_checks.positions("head", heads, attention.heads))
        at = torch.tensor([_checks.position("query", position, attention.queries)])
        row = attention.block(heads, at, torch.arange(attention.keys))[:, 0]
        return Reply({"shape": list(row.shape)}, (_payload.halves(row),))

    def _received(self, layer: int, heads: list[int]) -> Reply:
        """The attention that each key receives, the mean over queries and heads, `[key]`."""
        attention = self._trace[_checks.position("layer", layer, len(self._trace))]
        received = attention.mean("query")[_checks.positions("head", heads, attention.heads)].mean(0)
        return Reply({}, (_singles(received),))

    def _send_map(self, name: str) -> None:
        """Computes a panel's scores, unless they exist already, and puts them into the widget's state."""
        _checks.one_of("map", name, [panel for panel in self._offered if panel not in DRAWN])
        if name in self._maps_kept and self._maps_kept[name][0]["target"] in ("", self.target):
            return
        self._maps_kept[name] = self._rolled() if name == "rollout" else self._attributed(name)
        with self.hold_sync():
            # A saved notebook sorts the names, so their order carries no information.
            self.maps = {
                name: {**header, "place": place}
                for place, (name, (header, _)) in enumerate(self._maps_kept.items())
            }
            self.scores = b"".join(_singles(scores) for _, scores in self._maps_kept.values())

    def _send_first(self, required: bool) -> None:
        """Sends the maps of the first panels; one that the model cannot have is left out unless it was requested."""
        for name in [name for name in self.panels if name not in DRAWN]:
            try:
                self._send_map(name)
            except AttnlensError:
                if required:
                    raise
                self.panels = [one for one in self.panels if one != name]

    def _rolled(self) -> tuple[dict[str, Any], Tensor]:
        leading = len(self._trace.patches.leading)
        rolled = rollout(self._trace, row=0) if leading else rollout(self._trace).mean(0)
        whose = str(self._trace.tokens[0]) if leading else "mean over positions"
        header = {
            "kind": "share",
            "target": "",
            "how": f"rollout of {whose}",
            "verdict": "independent of the class",
        }
        return header, rolled[leading:]

    def _attributed(self, method: str) -> tuple[dict[str, Any], Tensor]:
        grid, target = self._trace.patches, self.target
        chosen = target if self.labels else int(target)
        attribution = self._lens.attribute(self._image, chosen, method=method)
        scores = attribution.pooled(grid.rows, grid.cols)
        if methods("image")[method].reads_attention:  # every pixel of a patch has the patch's own score
            height, width = attribution.scores.shape
            scores = attribution.scores[_middles(grid.rows, height)][:, _middles(grid.cols, width)]
        kind = "signed" if attribution.signed else "share" if method == "gradient_rollout" else "rank"
        header = {
            "kind": kind,
            "target": target,
            "how": f"{attribution.how}: {attribution.verdict}",
            "verdict": _error(attribution),
        }
        return header, scores

    # -- validation ------------------------------------------------------------------------------------

    @validate("layer")
    def _known_layer(self, proposal: dict[str, Any]) -> int:
        number = _checks.position("layer", proposal["value"], len(self._trace))
        if number not in _usable(self._trace):
            layer = self._trace.layers[number]
            raise InputError(
                f"layer {number}, {layer.name!r}, is {layer.kind} attention {list(layer.attention.shape)} whose "
                "positions are not the image's patches; show it as a matrix: AttentionView(trace, "
                f"layer={number}, mode='matrix')"
            )
        return number

    @validate("heads")
    def _known_heads(self, proposal: dict[str, Any]) -> list[int]:
        return _checks.positions(
            "head", proposal["value"], max(one.attention.heads for one in self._trace.layers)
        )

    @validate("query")
    def _known_query(self, proposal: dict[str, Any]) -> int | None:
        return _position(proposal["value"], self._trace.patches)

    @validate("blend")
    def _known_blend(self, proposal: dict[str, Any]) -> float:
        return _checks.share("blend", proposal["value"])

    @validate("panels")
    def _known_panels(self, proposal: dict[str, Any]) -> list[str]:
        for name in proposal["value"]:
            if name in of_model() and name not in self._offered:
                raise InputError(
                    f"the panel {name!r} runs a model with classes; pass a lens of such a model: PatchView(lens, image)"
                )
            _checks.one_of("panel", name, self._offered)
        return list(dict.fromkeys(proposal["value"]))

    @validate("target")
    def _known_target(self, proposal: dict[str, Any]) -> str:
        return _class_name(self._lens, proposal["value"]) if self._offered[-1] not in OF_TRACE else ""


def _traced(source: object, image: Any, target: Any) -> Trace:
    """The trace of an image with a layer over its patches. Raises InputError for anything else."""
    if isinstance(source, ImageLens):
        if image is None or _checks.listed(image) is not None:
            raise InputError(
                "PatchView(lens, image) needs one image: a path, a PIL image, an array or a tensor"
            )
        source = source.trace(image)
    elif isinstance(source, Lens):
        raise InputError(
            f"PatchView shows images, and {source.name} reads texts: al.TokensView(lens, text) or "
            "al.AttentionView(lens.trace(text))"
        )
    elif isinstance(source, Trace) and (image is not None or target is not None):
        raise InputError(
            "a trace holds its own image, and a class is explained by a model; omit image and target, or pass a lens: "
            "PatchView(lens, image, target)"
        )
    trace = _checks.drawable(source, "PatchView")
    if trace.patches is None:
        raise no_patches(trace, "PatchView", "AttentionView(trace)")
    if not _usable(trace):
        sizes = ", ".join(str(list(layer.attention.shape)) for layer in trace.layers[:3])
        raise InputError(
            f"no layer attends over the {trace.patches.rows} x {trace.patches.cols} patches of the image (the first: "
            f"{sizes}); show the layers as matrices: AttentionView(trace, mode='matrix')"
        )
    return trace


def _usable(trace: Trace) -> list[int]:
    """The layers in which patches attend to patches."""
    return [
        number
        for number, layer in enumerate(trace.layers)
        if layer.query_side == layer.key_side == "input" and 0 not in layer.attention.shape
    ]


def _first_heads(trace: Trace) -> tuple[int, int | list[int]]:
    """The layer and head that a view opens at: the strongest one of a class token, else the mean of the last layer."""
    usable = _usable(trace)
    strongest = [one for one in strongest_heads(trace) if one.layer in usable]
    if not trace.patches.leading or not strongest:
        return usable[-1], []
    return strongest[0].layer, strongest[0].head


def _first_target(lens: ImageLens | None, trace: Trace, target: Any) -> str:
    """The class that is explained first, by name; "" where the model has no classes."""
    if lens is not None and target is not None:
        return _class_name(lens, target)
    prediction = None if lens is None else trace.prediction
    return "" if prediction is None else _class_name(lens, prediction.index)


def _class_name(lens: ImageLens, target: str | int) -> str:
    """A class by its label; by its number where the model has no labels."""
    number = int(target) if isinstance(target, str) and target.isdigit() and not lens.labels else target
    index = lens.target_index(number)
    return lens.labels[index] if lens.labels else str(index)


def _position(query: int | str | tuple[int, int] | None, grid: PatchGrid) -> int | None:
    """The position of a query; None stays None."""
    return None if query is None else _checks.patch("query", query, grid)


def _error(attribution: ImageAttribution) -> str:
    """The verdict in a few words."""
    if attribution.gap is None:
        return "without a sign"
    return f"gap {attribution.gap:.1%}" + ("" if attribution.converged in (None, True) else ", not converged")


def _middles(cells: int, pixels: int) -> Tensor:
    """The pixel in the middle of each cell along one axis."""
    return ((torch.arange(cells) + 0.5) * pixels / cells).long()


def _singles(tensor: Tensor) -> bytes:
    return tensor.detach().float().cpu().numpy().astype("<f4").tobytes()
