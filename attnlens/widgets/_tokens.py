"""Attributions as running text, of a lens that explains anew what is typed, or of attributions that are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import traitlets as t

from .. import _checks
from ..attribution._result import TextAttribution
from ..attribution.text._merging import LEVELS, first_sign, groups
from ..data._trace import Token
from ..errors import InputError
from ..lens import Lens, TextLens
from ._attribution_sources import Given, Live, Result, Source, Target, Wish
from ._view import Integer, View, bulk, bundle, state, validate


class TokensView(View):
    """Blue tokens speak for the class that is explained, red ones against it, strong colours the most; point at one for
    its score. Where a method gives no sign, a strong colour is only an important token.

    The scores divide up one number, the change of a logit (or probability) from the baseline to the text; how well
    they add up to it is said below, also where a method does not promise it. They say what this method finds in this
    model. They do not say what the class would be without a token (`method="leave_one_out"` does), nor how tokens act
    together; a word's score is the sum of its tokens'. Colours end at the strongest score of each text: two texts are
    compared by their numbers.

    >>> view = al.TokensView(lens, "a gripping , funny film", level="word")
    >>> view.text = "a dull film"                    # explained anew, in the browser too
    >>> view.target = "negative"
    >>> view.attribution.gap                         # what is shown, by token
    >>> al.TokensView(lens.explain("not a bad film"))   # attributions that are there, without a model
    """

    _esm = bundle("tokens")

    shown = bulk(
        t.Dict(), "What can be picked without the model: `texts` with their parts, `results` without scores."
    )
    scores = bulk(t.Bytes(), "float32: of each result in turn the scores of each of its levels, `[part]`.")
    choices = bulk(t.Dict(), "Targets and methods of the model, or the titles of the given attributions.")
    text = state(
        t.Union([t.Unicode(), t.Tuple(t.Unicode(), t.Unicode())]),
        "The text, or a pair; setting it runs the model.",
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
        given: Lens | TextAttribution | Iterable[TextAttribution],
        text: str | tuple[str, str] | None = None,
        target: str | int | None = None,
        *,
        method: str | None = None,
        level: str = "token",
        sort: bool = False,
        **options: Any,
    ):
        """
        given: a lens, with a text or a pair; or attributions that are there, an `Explanation` too
        target, method: a class, by default the predicted one, and one of `attnlens.attribution.METHODS`
        level, sort: how it is drawn; options: as for `lens.attribute`: baseline, against, unit, position, window ...

        Raises InputError for an unknown target, method or option, an empty text, and what is neither.
        """
        if isinstance(given, TextLens):
            wish = Wish(text, target, "integrated_gradients" if method is None else method)
            self._source: Source = Live(given, wish, options)
        else:
            if isinstance(given, (str, Lens)):
                raise InputError(
                    f"TokensView explains the text of a TextLens, al.load(name), not {type(given).__name__}; "
                    "of an image: al.PatchView(lens, image)"
                )
            if (text, target, method) != (None, None, None) or options:
                raise InputError(
                    "attributions say themselves what they explain; give TokensView nothing else but them"
                )
            self._source = Given(given)
            wish = self._source.results[0].wishes[0]
        wish = self._source.clean(wish, "text")
        self._results, number = self._source.find(wish, "text")
        shown, scores = written(self._results)
        super().__init__(
            shown=shown, scores=scores, choices=self._source.choices, **wish._asdict(),
            number=number, level=level, sort=sort,
        )  # fmt: skip
        self.asks["explain"] = self._explain

    @property
    def attribution(self) -> TextAttribution:
        """The attribution that is shown, by token whatever the level."""
        return self._results[self.number].attribution

    @property
    def _wish(self) -> Wish:
        return Wish(self.text, self.target, self.method)

    def _explain(self, text: str | list[str], target: Target, method: str) -> None:
        """What the browser asks for, all at once: nothing between two wishes is computed."""
        with self.hold_sync(), self.hold_trait_notifications():
            self.text, self.target, self.method = text, target, method

    def _show(self, results: list[Result], number: int) -> None:
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
        return getattr(self._source.clean(self._wish._replace(**{name: proposal["value"]}), name), name)

    @t.observe("text", "target", "method")
    def _follow(self, change: dict[str, Any]) -> None:
        if self._wish not in self._results[self.number].wishes:
            self._show(*self._source.find(self._wish, change["name"]))

    @validate("number")
    def _known_number(self, proposal: dict[str, Any]) -> int:
        return _checks.position("number", proposal["value"], len(self._results))

    @t.observe("number")
    def _pick(self, change: dict[str, Any]) -> None:
        wishes = self._results[self.number].wishes
        if self._wish in wishes:
            return
        if wishes[0].text != self.text:
            self.token = None
        with self.hold_sync(), self.hold_trait_notifications():
            self.text, self.target, self.method = wishes[0]

    @validate("token")
    def _known_token(self, proposal: dict[str, Any]) -> int | None:
        value = proposal["value"]
        return None if value is None else _checks.position("token", value, len(self.attribution))


# -- as the browser reads it ----------------------------------------------------------------------------------


def written(results: Sequence[Result]) -> tuple[dict[str, Any], bytes]:
    """(`shown`, `scores`): texts that several results share stand there once."""
    texts: list[list[dict]] = []
    headers = []
    for result in results:
        laid = [_parts(result.attribution, level) for level in result.levels]
        if laid not in texts:
            texts.append(laid)
        asked = [[wish.target, wish.method] for wish in result.wishes]
        headers.append({"text": texts.index(laid), "asked": asked, **_header(result.attribution)})
    numbers = torch.cat([level.scores for result in results for level in result.levels])
    return {"texts": texts, "results": headers}, numbers.float().cpu().numpy().astype("<f4").tobytes()


def _header(one: TextAttribution) -> dict[str, Any]:
    """What is explained, how, and how far the scores can be trusted; a number that is not finite is None."""
    found = {
        "target": one.target, "question": one.question, "how": one.how, "unit": one.unit, "model": one.model,
        "value": one.value, "change": one.change, "sum": float(one.scores.double().sum()), "signed": one.signed,
        "converged": one.converged, "complete": one.complete, "gap": one.gap, "verdict": one.verdict,
        "prediction": one.prediction and [one.prediction.label, one.prediction.probability],
    }  # fmt: skip
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in found.items()
    }


def _parts(whole: TextAttribution, level: TextAttribution) -> dict[str, Any]:
    """One level's parts: their texts, which are special, of which segment, their first tokens, what stands before."""
    tokens = level.tokens
    return {
        "level": level.level,
        "text": [token.text.encode("utf-8", "replace").decode() for token in tokens],
        "special": [i for i, token in enumerate(tokens) if token.special],
        "segment": [token.segment for token in tokens] if any(token.segment for token in tokens) else [],
        "first": [group[0] for group in groups(whole.tokens, whole.text, level.level)],
        "space": [_space(before, token, whole.text) for before, token in zip((None, *tokens), tokens)],
    }


def _space(before: Token | None, token: Token, text: Sequence[str]) -> int:
    """What stands before a part: 0 nothing, 1 a space, 2 the end of a line."""
    if before is None or before.special or token.special or before.segment != token.segment:
        return 1
    if token.start is None or before.end is None or token.segment >= len(text):
        return int(not token.text.startswith("##"))
    between = text[token.segment][before.end : first_sign(token.start, text[token.segment])]
    return 2 if "\n" in between else int(any(sign.isspace() for sign in between))
