"""Where the attributions of a view come from: a lens, asked when one is wanted, or attributions that are there."""

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
"""Options of `lens.attribute` that every method gets; the others belong to those methods that take them."""

MOST_TARGETS = 200
"""Classes that a list offers; of more one types the name."""

KEPT = 256
"""Attributions that are kept, so that one comes back at once."""

EXCERPT = 40
"""Characters of a text in a title."""

Text = str | tuple[str, ...]
Target = str | int | None


class Wish(NamedTuple):
    """What an attribution explains, as the traits say it; target None is the predicted class."""

    text: Text
    target: Target
    method: str


@dataclass(frozen=True)
class Result:
    """An attribution with all wishes that it answers."""

    attribution: TextAttribution
    wishes: list[Wish]

    @cached_property
    def levels(self) -> list[TextAttribution]:
        """By its own level and all coarser ones."""
        return [merged(self.attribution, level) for level in LEVELS[LEVELS.index(self.attribution.level) :]]


class Source(Protocol):
    """Where attributions come from; `choices` is what the browser offers."""

    choices: dict[str, Any]

    def clean(self, wish: Wish, changed: str) -> Wish:
        """The wish by the names that are known. Raises InputError for one that cannot be answered."""

    def find(self, wish: Wish, changed: str) -> tuple[list[Result], int]:
        """All that can be picked without further ado, and which of them answers the wish best."""


class Live:
    """Attributions of a lens, computed when they are first asked for."""

    def __init__(self, lens: TextLens, first: Wish, options: dict[str, Any]):
        self.lens, self.options, self.first = lens, options, first.method
        self._kept: OrderedDict[Wish, TextAttribution] = OrderedDict()
        self._sides = lens.task == "question"
        targets = SIDES if self._sides else lens.labels
        self.choices = {
            "live": True,
            "targets": list(targets) if len(targets) <= MOST_TARGETS else [],
            "methods": [name for name in registry.methods("text") if self._answers(name)],
            "titles": [],
        }

    def clean(self, wish: Wish, changed: str) -> Wish:
        """See `Source`; the attribution is computed here, so that a wish is taken only where there is one."""
        text = wish.text
        if not isinstance(text, str | tuple):
            raise InputError(
                f"TokensView reads a text or a pair (str, str), not {type(text).__name__}; of several texts: "
                "TokensView(lens.attribute(texts))"
            )
        text = text[0] if isinstance(text, tuple) and len(text) == 1 else text
        wish = wish._replace(text=text, target=self._target(wish.target))
        if wish in self._kept:
            self._kept.move_to_end(wish)
            return wish
        found = self.lens.attribute(
            wish.text, wish.target, method=wish.method, **self._options_of(wish.method)
        )
        if not isinstance(found, TextAttribution):
            raise InputError(
                "TokensView computes one baseline at a time; of several: TokensView(lens.attribute(...))"
            )
        for same in self._same(wish, found):
            self._kept[same] = found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return wish

    def find(self, wish: Wish, changed: str) -> tuple[list[Result], int]:
        """See `Source`: everything that was computed for this text."""
        found: dict[int, Result] = {}
        for one, attribution in self._kept.items():
            if one.text == wish.text:
                found.setdefault(id(attribution), Result(attribution, [])).wishes.append(one)
        results = list(found.values())
        return results, next(i for i, result in enumerate(results) if wish in result.wishes)

    def _target(self, target: Target) -> Target:
        """A class by its one name, else by its index; None for the predicted one."""
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

    def _same(self, wish: Wish, found: TextAttribution) -> list[Wish]:
        """The predicted class is asked for by its name too."""
        if self._sides:
            return (
                [wish] if wish.target == SIDES[1] else [wish._replace(target=one) for one in (None, SIDES[0])]
            )
        predicted = found.prediction is not None and found.prediction.index == found.target.index
        targets = {wish.target, self._target(found.target.index), *([None] if predicted else [])}
        return [wish._replace(target=target) for target in targets]

    def _options_of(self, method: str) -> dict[str, Any]:
        """All for the first method, which says what it does not take; of the others what they take."""
        if method == self.first:
            return self.options
        taken = (*SHARED, *registry.named("text", method).options)
        return {name: value for name, value in self.options.items() if name in taken}

    def _answers(self, method: str) -> bool:
        """Whether a method can be asked for that unit and contrast."""
        try:
            asked = TargetRequest.of(None, self.options.get("against"), self.options.get("unit"))
            asked.check(self.lens.activation)
            registry.named("text", method).check_target(asked)
        except InputError:
            return False
        return True


class Given:
    """Attributions that are there; nothing else can be asked for."""

    def __init__(self, given: Any):
        several = not isinstance(given, TextAttribution)
        found = list(given) if several and isinstance(given, Iterable) else [given]
        if not found or not all(isinstance(one, TextAttribution) for one in found):
            kinds = ", ".join(sorted({type(one).__name__ for one in found})) or "an empty list"
            raise InputError(
                f"TokensView shows attributions of texts, not {kinds}: TokensView(lens, text) with the lens of a text "
                "model, or TokensView(lens.attribute(text))"
            )
        self.results = [Result(one, [Wish(_text(one), one.target.name, one.method)]) for one in found]
        names = getattr(given, "names", None) or titles(found)
        self.choices = {"live": False, "targets": [], "methods": [], "titles": list(names)}

    def clean(self, wish: Wish, changed: str) -> Wish:
        """See `Source`."""
        value, known = getattr(wish, changed), self._known(changed)
        if value in known:
            return wish
        if changed == "text":
            raise InputError(
                "these attributions come without a model to read another text; TokensView(lens, text) has one"
            )
        raise unknown_name(changed, value, known)

    def find(self, wish: Wish, changed: str) -> tuple[list[Result], int]:
        """See `Source`: the first that has what changed and most of the rest."""
        alike = [
            (getattr(one, changed) == getattr(wish, changed), sum(a == b for a, b in zip(one, wish)))
            for one in (result.wishes[0] for result in self.results)
        ]
        return self.results, alike.index(max(alike))

    def _known(self, name: str) -> list[Any]:
        return list(dict.fromkeys(getattr(result.wishes[0], name) for result in self.results))


def titles(attributions: Sequence[TextAttribution]) -> list[str]:
    """What tells them apart: the text, the question, the method; their number where nothing does."""
    columns = [
        [_excerpt(one) for one in attributions],
        [str(one.target) for one in attributions],
        [one.how for one in attributions],
    ]
    telling = [column for column in columns if len(set(column)) > 1] or [columns[1]]
    found = [" · ".join(parts) for parts in zip(*telling)]
    return [f"{i}: {title}" if found.count(title) > 1 else title for i, title in enumerate(found)]


def _excerpt(attribution: TextAttribution) -> str:
    said = " / ".join(attribution.text) or " ".join(token.text for token in attribution.tokens)
    return said if len(said) <= EXCERPT else f"{said[: EXCERPT - 1]}…"


def _text(attribution: TextAttribution) -> Text:
    """As the trait has it: a text, or both of a pair."""
    return attribution.text if len(attribution.text) == 2 else "".join(attribution.text)
