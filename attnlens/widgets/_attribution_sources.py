"""Where the attributions of a view come from: a lens that computes them on request, or a fixed list."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from ..attribution import _registry as registry
from ..attribution._result import TextAttribution
from ..attribution._target import SIDES, TargetRequest
from ..attribution.text._explain import merged
from ..attribution.text._merging import LEVELS
from ..errors import InputError, unknown_name
from ..lens import TextLens
from ..models._classes import is_predicted

SHARED = ("against", "unit", "baseline", "layer", "position", "window", "overlap", "output")
"""Options of `lens.attribute` that every method takes; each other option belongs to some methods."""

MOST_TARGETS = 200
"""Classes that a list offers; of more, the user types the name."""

KEPT = 256
"""Attributions that are cached."""

EXCERPT = 40
"""Characters of a text in a title."""

Text = str | tuple[str, ...]
Target = str | int | None


class AttributionRequest(NamedTuple):
    """What to explain and by which method, as the view's traits hold it; target None is the predicted class."""

    text: Text
    target: Target
    method: str


@dataclass(frozen=True)
class AttributionResult:
    """An attribution with all requests that it fulfils: by the class's name, and as the predicted class."""

    attribution: TextAttribution
    requests: list[AttributionRequest]

    @cached_property
    def levels(self) -> list[TextAttribution]:
        """The attribution at its own level and at all coarser ones."""
        return [merged(self.attribution, level) for level in LEVELS[LEVELS.index(self.attribution.level) :]]


class AttributionSource(Protocol):
    """Where attributions come from; `choices` is what the browser offers."""

    choices: dict[str, Any]

    def clean(self, request: AttributionRequest, changed: str) -> AttributionRequest:
        """The request with canonical names. Raises InputError for one that cannot be answered."""

    def find(self, request: AttributionRequest, changed: str) -> tuple[list[AttributionResult], int]:
        """The results that are already available, and the index of the one that matches the request best."""


class LensSource:
    """Attributions of a lens, computed on the first request and cached."""

    def __init__(self, lens: TextLens, first: AttributionRequest, options: dict[str, Any]):
        self.lens, self.options, self.first = lens, options, first.method
        self._kept: OrderedDict[AttributionRequest, TextAttribution] = OrderedDict()
        self._sides = lens.task == "question"
        targets = SIDES if self._sides else lens.labels
        self.choices = {
            "live": True,
            "targets": list(targets) if len(targets) <= MOST_TARGETS else [],
            "methods": [name for name in registry.methods("text") if self._answers(name)],
            "titles": [],
            "mask": getattr(lens.tokenizer, "mask_token", None) or "",
        }

    def clean(self, request: AttributionRequest, changed: str) -> AttributionRequest:
        """See `AttributionSource`; the attribution is computed here, so that a request without one is refused."""
        text = request.text
        if not isinstance(text, str | tuple):
            raise InputError(
                f"TokensView reads a text or a pair (str, str), not {type(text).__name__}; of several texts: "
                "TokensView(lens.attribute(texts))"
            )
        text = text[0] if isinstance(text, tuple) and len(text) == 1 else text
        request = request._replace(text=text, target=self._target(request.target))
        if request in self._kept:
            self._kept.move_to_end(request)
            return request
        attribution = self.lens.attribute(
            request.text, request.target, method=request.method, **self._options_of(request.method)
        )
        if not isinstance(attribution, TextAttribution):
            raise InputError(
                "TokensView computes one baseline at a time; for several use TokensView(lens.attribute(...))"
            )
        for same in self._equivalent(request, attribution):
            self._kept[same] = attribution
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return request

    def find(self, request: AttributionRequest, changed: str) -> tuple[list[AttributionResult], int]:
        """See `AttributionSource`: everything that was computed for this text."""
        by_identity: dict[int, AttributionResult] = {}
        for earlier, attribution in self._kept.items():
            if earlier.text == request.text:
                result = by_identity.setdefault(id(attribution), AttributionResult(attribution, []))
                result.requests.append(earlier)
        results = list(by_identity.values())
        return results, next(i for i, result in enumerate(results) if request in result.requests)

    def _target(self, target: Target) -> Target:
        """A class by its name where that is unique, else by its index; None for the predicted one."""
        labels = self.lens.labels
        if target == "" or is_predicted(target, labels):
            return None
        if self._sides:
            if target not in SIDES:
                raise unknown_name("target", target, SIDES)
            return target
        typed = isinstance(target, str) and not labels and target.isdecimal()
        index = self.lens.target_index(int(target) if typed else target)
        named = bool(labels) and labels.index(labels[index]) == index
        return labels[index] if named else index

    def _equivalent(
        self, request: AttributionRequest, attribution: TextAttribution
    ) -> list[AttributionRequest]:
        """All requests that this attribution fulfils: the predicted class can be requested by its name too."""
        if self._sides:
            return (
                [request]
                if request.target == SIDES[1]
                else [request._replace(target=one) for one in (None, SIDES[0])]
            )
        predicted = (
            attribution.prediction is not None and attribution.prediction.index == attribution.target.index
        )
        targets = {request.target, self._target(attribution.target.index), *([None] if predicted else [])}
        return [request._replace(target=target) for target in targets]

    def _options_of(self, method: str) -> dict[str, Any]:
        """All options for the first method, which refuses what it does not take; for the others those they take."""
        if method == self.first:
            return self.options
        taken = (*SHARED, *registry.named("text", method).options)
        return {name: value for name, value in self.options.items() if name in taken}

    def _answers(self, method: str) -> bool:
        """Whether a method supports this unit and contrast."""
        try:
            asked = TargetRequest.of(None, self.options.get("against"), self.options.get("unit"))
            asked.check(self.lens.activation)
            registry.named("text", method).check_target(asked)
        except InputError:
            return False
        return True


class StaticSource:
    """A fixed list of attributions; no other request can be answered."""

    def __init__(self, attributions: Any):
        several = not isinstance(attributions, TextAttribution)
        shown = list(attributions) if several and isinstance(attributions, Iterable) else [attributions]
        if not shown or not all(isinstance(attribution, TextAttribution) for attribution in shown):
            kinds = (
                ", ".join(sorted({type(attribution).__name__ for attribution in shown})) or "an empty list"
            )
            raise InputError(
                f"TokensView shows attributions of texts, not {kinds}: TokensView(lens, text) with the lens of a text "
                "model, or TokensView(lens.attribute(text))"
            )
        self.results = [
            AttributionResult(
                attribution,
                [AttributionRequest(_text(attribution), attribution.target.name, attribution.method)],
            )
            for attribution in shown
        ]
        names = getattr(attributions, "names", None) or titles(shown)
        self.choices = {"live": False, "targets": [], "methods": [], "titles": list(names), "mask": ""}

    def clean(self, request: AttributionRequest, changed: str) -> AttributionRequest:
        """See `AttributionSource`."""
        value, values = getattr(request, changed), self._values_of(changed)
        if value in values:
            return request
        if changed == "text":
            raise InputError(
                "these attributions have no model to explain another text; use TokensView(lens, text)"
            )
        raise unknown_name(changed, value, values)

    def find(self, request: AttributionRequest, changed: str) -> tuple[list[AttributionResult], int]:
        """See `AttributionSource`: the first result that matches the changed trait and most of the others."""
        alike = [
            (getattr(one, changed) == getattr(request, changed), sum(a == b for a, b in zip(one, request)))
            for one in (result.requests[0] for result in self.results)
        ]
        return self.results, alike.index(max(alike))

    def _values_of(self, name: str) -> list[Any]:
        return list(dict.fromkeys(getattr(result.requests[0], name) for result in self.results))


def titles(attributions: Sequence[TextAttribution]) -> list[str]:
    """What distinguishes them: the text, the question, the method; their number where nothing does."""
    columns = [
        [_excerpt(one) for one in attributions],
        [str(one.target) for one in attributions],
        [one.how for one in attributions],
    ]
    distinct = [column for column in columns if len(set(column)) > 1] or [columns[1]]
    joined = [" · ".join(parts) for parts in zip(*distinct)]
    return [f"{i}: {title}" if joined.count(title) > 1 else title for i, title in enumerate(joined)]


def _excerpt(attribution: TextAttribution) -> str:
    said = " / ".join(attribution.text) or " ".join(token.text for token in attribution.tokens)
    return said if len(said) <= EXCERPT else f"{said[: EXCERPT - 1]}…"


def _text(attribution: TextAttribution) -> Text:
    """The text as in the trait: one text, or both of a pair."""
    return attribution.text if len(attribution.text) == 2 else "".join(attribution.text)
