"""Attributions as running text: computed by a lens for the typed text, or computed before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import traitlets as t

from .. import _checks
from .._escaping import encodable
from ..attribution._result import TextAttribution
from ..attribution.text._merging import LEVELS, first_sign, groups
from ..data._trace import Token
from ..errors import InputError
from ..lens import Lens, TextLens
from ._attribution_sources import (
    AttributionRequest,
    AttributionResult,
    AttributionSource,
    LensSource,
    StaticSource,
    Target,
)
from ._view import Integer, View, bulk, bundle, state, validate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TokensView(View):
    """Blue tokens support the class that is explained, red ones oppose it; the stronger the colour, the larger the
    score. Point at a token for its score. For a method without signs a strong colour only means an important token.

    The scores distribute one number, the change of a logit (or probability) from the baseline to the text; the line
    below states how well they sum to it, also for methods that do not guarantee it. The scores describe this method
    on this model. They do not show the prediction without a token (`method="leave_one_out"` does), nor how tokens
    interact; a word's score is the sum of its tokens'. The colour scale ends at the strongest score of each
    text, so compare two texts by their numbers.

    >>> view = al.TokensView(lens, "a gripping , funny film", level="word")
    >>> view.text = "a dull film"                    # explained anew, in the browser too
    >>> view.target = "negative"
    >>> view.attribution.gap                         # what is shown, by token
    >>> al.TokensView(lens.explain("not a bad film"))   # attributions computed before, without a model
    """

    _esm = bundle("tokens")

    shown = bulk(
        t.Dict(), "What is available without the model: `texts` with their parts, `results` without scores."
    )
    scores = bulk(t.Bytes(), "float32: of each result in turn the scores of each of its levels, `[part]`.")
    choices = bulk(t.Dict(), "Targets and methods of the model, or the titles of the given attributions.")
    text = state(
        t.Union([t.Unicode(), t.Tuple(t.Unicode(), t.Unicode())]),
        "The text, or a pair; setting it runs the model.",
    )
    before = state(
        t.Union([t.Unicode(), t.Tuple(t.Unicode(), t.Unicode())], default_value=None, allow_none=True),
        "The text before a token of it was masked or replaced in the browser; None where none was.",
    )
    target = state(
        t.Union([t.Unicode(), Integer()], default_value=None, allow_none=True),
        "The class that is explained, by name or index; None for the predicted one.",
    )
    method = state(t.Unicode(), "The method, one of `attnlens.attribution.METHODS`.")
    number = state(
        Integer(0), "Which of the given attributions is shown; of a lens, which of those of this text."
    )
    level = state(t.Enum(LEVELS, "token"), "'token', 'word' or 'sentence': what a score belongs to.")
    sort = state(
        t.Bool(False), "Whether the strongest are listed by their scores instead of the running text."
    )
    token = state(
        Integer(None, allow_none=True), "The selected token's position, whatever the level; None for none."
    )

    def __init__(
        self,
        source: Lens | TextAttribution | Iterable[TextAttribution],
        text: str | tuple[str, str] | None = None,
        target: str | int | None = None,
        *,
        method: str | None = None,
        level: str = "token",
        sort: bool = False,
        **options: Any,
    ):
        """
        source: a lens, with a text or a pair; or attributions computed before, also as an `Explanation`
        target, method: a class, by default the predicted one, and one of `attnlens.attribution.METHODS`
        level, sort: how it is drawn; options: as for `lens.attribute`: baseline, against, unit, position, window ...

        Raises InputError for an unknown target, method or option, an empty text, and any other source.
        """
        if isinstance(source, TextLens):
            request = AttributionRequest(text, target, "integrated_gradients" if method is None else method)
            self._source: AttributionSource = LensSource(source, request, options)
        else:
            if isinstance(source, (str, Lens)):
                raise InputError(
                    f"TokensView explains the text of a TextLens, al.load(name), not {type(source).__name__}; "
                    "of an image: al.PatchView(lens, image)"
                )
            if (text, target, method) != (None, None, None) or options:
                raise InputError(
                    "attributions have their own text, target and method; pass TokensView the attributions alone"
                )
            self._source = StaticSource(source)
            request = self._source.results[0].requests[0]
        request = self._source.clean(request, "text")
        self._results, number = self._source.find(request, "text")
        shown, scores = written(self._results)
        super().__init__(
            shown=shown, scores=scores, choices=self._source.choices, **request._asdict(),
            number=number, level=level, sort=sort,
        )  # fmt: skip
        self.handlers["explain"] = self._explain

    @property
    def attribution(self) -> TextAttribution:
        """The attribution that is shown, always by token."""
        return self._results[self.number].attribution

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: the text at the chosen level."""
        shown = next(one for one in self._results[self.number].levels if one.level == self.level)
        return shown.plot()

    @property
    def _request(self) -> AttributionRequest:
        return AttributionRequest(self.text, self.target, self.method)

    def _explain(self, text: str | list[str], target: Target, method: str) -> None:
        """A request of the browser: the three traits change together, and the attribution is computed once."""
        with self.hold_sync(), self.hold_trait_notifications():
            self.text, self.target, self.method = text, target, method

    def _show(self, results: list[AttributionResult], number: int) -> None:
        other = results[number].attribution.tokens != self.attribution.tokens
        with self.hold_sync():
            if other:
                self.token = None
            self._results = results
            self.shown, self.scores = written(results)
            self.number = number

    @validate("text", "target", "method")
    def _answerable(self, proposal: dict[str, Any]) -> Any:
        name = proposal["trait"].name
        return getattr(self._source.clean(self._request._replace(**{name: proposal["value"]}), name), name)

    @t.observe("text", "target", "method")
    def _follow(self, change: dict[str, Any]) -> None:
        if self._request not in self._results[self.number].requests:
            self._show(*self._source.find(self._request, change["name"]))

    @validate("number")
    def _known_number(self, proposal: dict[str, Any]) -> int:
        return _checks.position("number", proposal["value"], len(self._results))

    @t.observe("number")
    def _pick(self, change: dict[str, Any]) -> None:
        requests = self._results[self.number].requests
        if self._request in requests:
            return
        if requests[0].text != self.text:
            self.token = None
        with self.hold_sync(), self.hold_trait_notifications():
            self.text, self.target, self.method = requests[0]

    @validate("token")
    def _known_token(self, proposal: dict[str, Any]) -> int | None:
        value = proposal["value"]
        return None if value is None else _checks.position("token", value, len(self.attribution))


# -- for the browser ----------------------------------------------------------------------------------


def written(results: Sequence[AttributionResult]) -> tuple[dict[str, Any], bytes]:
    """The traits `shown` and `scores`; a text that several results share is written once."""
    texts: list[list[dict]] = []
    headers = []
    for result in results:
        laid = [_parts(result.attribution, level) for level in result.levels]
        if laid not in texts:
            texts.append(laid)
        asked = [[request.target, request.method] for request in result.requests]
        headers.append({"text": texts.index(laid), "asked": asked, **_header(result.attribution)})
    numbers = torch.cat([level.scores for result in results for level in result.levels])
    return {"texts": texts, "results": headers}, numbers.float().cpu().numpy().astype("<f4").tobytes()


def _header(attribution: TextAttribution) -> dict[str, Any]:
    """What is explained, how, and the error of the scores; None for a number that is not finite."""
    names = (
        "how", "unit", "model", "value", "change", "signed", "converged", "complete", "gap",
        "verdict",
    )  # fmt: skip
    header = {name: getattr(attribution, name) for name in names}
    header |= {"target": attribution.target.to_dict(), "question": str(attribution.target)}
    header["sum"] = float(attribution.scores.double().sum())
    prediction = attribution.prediction
    header["prediction"] = prediction and [prediction.label, prediction.probability]
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in header.items()
    }


def _parts(whole: TextAttribution, level: TextAttribution) -> dict[str, Any]:
    """One level's parts: texts, special ones, segments, first tokens, and the white space before each."""
    tokens = level.tokens
    return {
        "level": level.level,
        "text": [encodable(token.text) for token in tokens],
        "special": [i for i, token in enumerate(tokens) if token.special],
        "segment": [token.segment for token in tokens] if any(token.segment for token in tokens) else [],
        "first": [group[0] for group in groups(whole.tokens, whole.text, level.level)],
        "span": [[one.start, one.end] if _stands(one, whole.text) else None for one in tokens],
        "space": [_space(before, token, whole.text) for before, token in zip((None, *tokens), tokens)],
    }


def _stands(part: Token, text: Sequence[str]) -> bool:
    """Whether a part has a place in its text."""
    return not part.special and part.start is not None and part.end is not None and part.segment < len(text)


def _space(before: Token | None, token: Token, text: Sequence[str]) -> int:
    """The white space before a part: 0 none, 1 a space, 2 a line end."""
    if before is None or before.special or token.special or before.segment != token.segment:
        return 1
    if token.start is None or before.end is None or token.segment >= len(text):
        return int(not token.text.startswith("##"))
    between = text[token.segment][before.end : first_sign(token.start, text[token.segment])]
    return 2 if "\n" in between else int(any(sign.isspace() for sign in between))
