"""All views of one input, linked: pick a head to see it and its tokens; change the text and every view follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from ..analysis._strongest_heads import strongest_head
from ..attribution import TextAttribution
from ..data._trace import Trace
from ..errors import AttnlensError, InputError
from ..lens import ImageLens, Lens, TextLens
from . import _still
from ._attention import AttentionView
from ._compare import CompareView, attributions_for_one_target
from ._heads import HeadsView
from ._patches import PatchView
from ._tokens import TokensView
from ._view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Explorer(ipywidgets.VBox):
    """The text with an attribution, every head as a thumbnail, and the attention of the picked heads, the last two side
    by side where the page is wide; for an image every head and the attention of the patches. A token picked in one
    view is picked in the others. Masking or replacing a token adds a `CompareView` of what that changed.

    An attribution shows what the decision depends on, attention where information could flow: they may disagree.

    >>> explorer = al.Explorer(lens, "a gripping , funny film")
    >>> explorer.heads.layer, explorer.heads.heads       # what is picked; the views are attributes
    >>> explorer.show("a dull film")                     # the same as typing it
    """

    heads: HeadsView
    attention: AttentionView
    tokens: TokensView
    patches: PatchView
    compare: CompareView | None = None
    changed = traitlets.Any(None)
    """The traces before and after a token was masked or replaced; None where none was."""

    def __init__(
        self,
        lens: Lens,
        input: Any,
        target: str | int | None = None,
        *,
        layer: int | None = None,
        head: int | None = None,
        **options: Any,
    ):
        """
        input: a text or a pair of texts, or an image, as the lens accepts it
        target: the class to explain, by default the predicted one
        layer, head: what is shown first, by default the head whose reading position (class token, or last token) has
            the largest weight on an ordinary token
        options: those of the attribution of a text, as for `lens.attribute`

        Raises InputError for anything but a lens, and for what `lens.trace` and `lens.attribute` refuse.
        """
        if not isinstance(lens, Lens):
            raise InputError(
                f"Explorer takes a lens and an input, not {type(lens).__name__}: al.Explorer(lens, input)"
            )
        if "window" in options:
            raise InputError(
                "Explorer shows one text within the model's limit; a longer one: al.TokensView(lens, text, window=...)"
            )
        self._lens = lens
        trace = lens.trace(input)
        if not isinstance(trace, Trace):
            raise InputError(
                "Explorer shows one input, not a list; make one Explorer for each input of the list"
            )
        if layer is None and head is None:
            layer, head = strongest_head(trace)
        layer, head = layer or 0, head or 0
        self._trace = trace
        self.heads = HeadsView(trace, layer=layer, heads=head)
        if isinstance(lens, ImageLens):
            self.patches = PatchView(lens, input, target, layer=layer, heads=head)
            shown = [self.heads, self.patches]
        else:
            self.attention = AttentionView(trace, layer=layer, heads=head)
            shown = [*self._text_views(lens, input, target, options), self.heads, self.attention]
        self._place_side_by_side(shown)
        super().__init__(
            shown, layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="12px")
        )
        self._links = [ipywidgets.jslink(*pair) for pair in self.linked()]

    def _place_side_by_side(self, shown: list[ipywidgets.DOMWidget]) -> None:
        """The last two beside each other where there is room for both; of few heads the grid leaves it to the image."""
        widths = ["1 1 100%"] * (len(shown) - 2) + ["1 1 460px"] * 2
        if isinstance(self._lens, ImageLens):
            heads = max(layer.attention.heads for layer in self._trace.layers)
            widths = [f"1 1 {min(460, 140 + 40 * heads)}px", "2 1 620px"]
        for view, width in zip(shown, widths):
            view.layout.flex, view.layout.min_width = width, "0"

    def linked(self) -> list[tuple[tuple[Any, str], tuple[Any, str]]]:
        """The traits that follow each other in the browser: pairs of a view and a trait of it."""
        pairs = [((self.heads, name), (self._shown, name)) for name in ("layer", "heads")]
        if isinstance(self._lens, TextLens) and self._explained:
            pairs.append(((self.tokens, "token"), (self._shown, "query")))
        return pairs

    def _text_views(
        self, lens: TextLens, text: Any, target: str | int | None, options: dict[str, Any]
    ) -> list[ipywidgets.DOMWidget]:
        """The tokens for a model with classes; for one without, a field for the text alone."""
        self._explained = bool(lens.labels)
        if self._explained:
            self.tokens = TokensView(lens, text, target, **options)
            self.tokens.observe(lambda change: self._follow(change["new"]), "text")
            self.tokens.observe(self._kept_or_undone, "before")
            return [self.tokens]
        if target is not None or options:
            raise InputError(
                f"{lens.name} has no classes, so it takes no target and no options of an attribution; omit them"
            )
        self._field = ipywidgets.Text(
            text if isinstance(text, str) else "", description="Text", continuous_update=False,
            layout=ipywidgets.Layout(width="100%"),
        )  # fmt: skip
        self._error = ipywidgets.Label()
        self._field.observe(self._typed, "value")
        return [self._field, self._error]

    @property
    def _shown(self) -> View:
        """The view of the attention."""
        return self.patches if isinstance(self._lens, ImageLens) else self.attention

    def figure(self) -> Figure:
        """The attention that is seen, as a matplotlib figure; each view has its own: `explorer.tokens.figure()`."""
        return self._shown.figure()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live views, beside them a picture and a text for where no widget is shown."""
        views = [view for view in self.children if isinstance(view, View)]
        text = "\n".join(["Explorer", *map(repr, views)])
        bundle = super()._repr_mimebundle_(**options)
        return _still.beside(bundle, self.figure, text, self._shown._weights_of_figure())

    def show(self, input: Any) -> None:
        """Shows another input in the same views; the selection is kept as far as the input has it.

        Raises InputError as `lens.trace` does; the views are then unchanged.
        """
        if isinstance(self._lens, ImageLens):
            trace = self._lens.trace(input)
            self.patches.show(self._lens, input)
            self.heads.show(trace)
        elif self._explained:
            self.tokens.text = input
        else:
            self._follow(input)
            self._write(input)

    def _follow(self, text: Any) -> None:
        before, trace = self._trace, self._lens.trace(text)
        self._trace = trace
        self.heads.show(trace)
        self.attention.show(trace)
        if self._explained and self.tokens.before is not None:
            self.changed = (before if self.changed is None else self.changed[0], trace)

    @traitlets.observe("changed")
    def _show_change(self, change: dict[str, Any]) -> None:
        """Shows below the views what masking or replacing a token changed, and nothing once that is undone."""
        if self.compare is not None:
            self.children = tuple(view for view in self.children if view is not self.compare)
            self.compare.close()
            self.compare = None
        if change["new"] is not None:
            self.compare = self.comparison()
            self.children = (*self.children, self.compare)

    def comparison(self) -> CompareView:
        """A view of what masking or replacing a token changed, at the head that is selected."""
        before, after = self.changed
        layer, head = self.heads.layer, (self.heads.heads or [0])[0]
        view = CompareView(
            before, after, layer=layer, head=head, attributions=self._attributed(before, after)
        )
        view.layout.flex = "1 1 100%"
        return view

    def _attributed(self, *traces: Trace) -> tuple[TextAttribution, ...] | None:
        """Attributions of both texts for the class that was predicted at first."""
        texts = [trace.text[0] if len(trace.text) == 1 else trace.text for trace in traces]
        return attributions_for_one_target(
            [self._lens] * 2, texts, traces[0].prediction.index, method=self.tokens.method
        )

    def _kept_or_undone(self, change: dict[str, Any]) -> None:
        before = change["new"]
        if before is None:
            self.changed = None
        elif self.changed is None and before != self.tokens.text:  # the changed text arrived first
            self.changed = (self._lens.trace(before), self._trace)

    def _write(self, text: Any) -> None:
        """Sets the field's text without running the model again."""
        self._error.value = ""
        self._field.unobserve(self._typed, "value")
        self._field.value = text if isinstance(text, str) else ""
        self._field.observe(self._typed, "value")

    def _typed(self, change: dict[str, Any]) -> None:
        self._error.value = ""
        try:
            self._follow(change["new"])
        except AttnlensError as error:
            self._error.value = str(error)
