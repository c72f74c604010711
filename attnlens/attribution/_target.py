"""What an attribution explains: from what a user asks for to one scalar F of the model's output.

`TargetRequest` is what was asked, `Target` what that is for one input, `TargetScalar` the function F of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data._trace import Trace
from ..errors import InputError, unknown_name
from ..models import _classes

if TYPE_CHECKING:
    from ..models._protocols import ModelWithProcessor

UNITS = ("logit", "probability")

SIDES = ("start", "end")
"""What a question answering model predicts of its answer."""


@dataclass(frozen=True)
class Target:
    """What an attribution explains: the scalar F = logit (or probability) of `index`, less that of `against_index`.

    An attribution holds its target, and `lens.attribute(input, target)` takes one: the same question once more.

    label, index: the class; for a language model the token of the vocabulary; for question answering the token of
        the text at which the answer starts or ends
    against, against_index: a second one: F is the difference of the two; None without it
    unit: "logit" or "probability"
    side: "start" or "end" of an answer; None of other models
    position: the token at which a model that predicts at each of several is read; None of one that predicts once
    output: what the decoder of an encoder-decoder has read, as text

    >>> lens.attribute("not a bad film").target
    Target('positive', logit)
    """

    label: str
    index: int
    against: str | None = None
    against_index: int | None = None
    unit: str = "logit"
    side: str | None = None
    position: int | None = None
    output: str | None = None

    @property
    def name(self) -> str:
        """In words, without the contrast: "negative", or "start at 'dull'"."""
        return self._named(self.label)

    def __str__(self) -> str:
        """In words: "negative", or "negative rather than positive"."""
        return self.name if self.against is None else f"{self.name} rather than {self._named(self.against)}"

    def __repr__(self) -> str:
        place = "" if self.position is None else f", position {self.position}"
        return f"Target({str(self)!r}, {self.unit}{place})"

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)

    def _named(self, label: str) -> str:
        return label if self.side is None else f"{self.side} at {label!r}"


@dataclass(frozen=True)
class TargetRequest:
    """What was asked to be explained, of one input; what it means is known when the model has run.

    target: a class by name or index, "predicted", None, or "start" and "end" of question answering
    """

    target: Any = None
    against: Any = None
    unit: str = UNITS[0]
    side: str | None = None
    position: int | str | None = None
    output: str | None = None

    @classmethod
    def of(
        cls,
        target: Any,
        against: Any = None,
        unit: str | None = None,
        position: Any = None,
        output: str | None = None,
    ) -> TargetRequest:
        """Reads what a user gave; a `Target` brings its own contrast, unit, position and output.

        Raises InputError where something is given beside a `Target` that says otherwise.
        """
        if not isinstance(target, Target):
            return cls(target, against, UNITS[0] if unit is None else unit, None, position, output)
        held = {
            "against": (against, target.against_index), "unit": (unit, target.unit),
            "position": (position, target.position), "output": (output, target.output),
        }  # fmt: skip
        for name, (value, own) in held.items():
            if value is not None and value not in (own, getattr(target, name)):
                raise InputError(
                    f"{target!r} has {name} {getattr(target, name)!r}, and {name}={value!r} says otherwise; omit it, "
                    f"or make another target: dataclasses.replace(target, {name}=...)"
                )
        position = target.index if target.side is not None else target.position
        return cls(
            target.index if target.side is None else target.side, target.against_index, target.unit, target.side,
            position, target.output,
        )  # fmt: skip

    def check(self, activation: str) -> None:
        """Raises InputError for an unknown unit, and for what a regression cannot be asked."""
        if self.unit not in UNITS:
            raise unknown_name("unit", self.unit, UNITS)
        if activation == "none" and self.unit == "probability":
            raise InputError("a regression has no probability; omit unit= to explain its value")
        if activation == "none" and self.against is not None:
            raise InputError("a regression has one value and no class to contrast it with; omit against=")

    def of_class(self, model: ModelWithProcessor, logits: Tensor, position: int | None = None) -> Target:
        """The class that is meant, by the model's logits `[class]`.

        Raises InputError for a class that the model does not have, and for the same class twice.
        """
        model.check_classes(len(logits))
        first = _classes.is_predicted(self.target, model.labels)
        index = int(logits.argmax()) if first else model.target_index(self.target)
        _classes.check_index(index, self.target, len(logits))
        other = None if self.against is None else model.target_index(self.against)
        _classes.check_index(other or 0, self.against, len(logits))
        name = Trace((), labels=model.labels).label
        return self._resolved(
            name(index), index, None if other is None else name(other), other, position=position
        )

    def of_place(self, tokens: Sequence[str], index: int, other: int | None) -> Target:
        """For question answering the classes are the tokens of the text. Raises InputError for the same one twice."""
        against = None if other is None else tokens[other]
        return self._resolved(tokens[index], index, against, other, side=self.answer_side)

    @property
    def answer_side(self) -> str:
        """Of question answering, "start" by default. Raises InputError for another target, listing both."""
        if self.target is None or self.target == _classes.PREDICTED:
            return SIDES[0]
        if self.target not in SIDES:
            raise unknown_name("target", self.target, SIDES)
        return self.target

    def _resolved(
        self, label: str, index: int, against: str | None, other: int | None, **place: Any
    ) -> Target:
        target = Target(label, index, against, other, self.unit, output=self.output, **place)
        if index == other:
            raise InputError(
                f"target and against are the same class, {target.name!r}; name two that differ (without target= it is "
                "the predicted one)"
            )
        return target


@dataclass(frozen=True)
class TargetScalar:
    """The scalar F of a batch: from logits `[row, class]` to `[row]`.

    index, against: `[example]`, classes; activation: from logits to probabilities: "softmax" or "sigmoid"
    """

    index: Tensor
    against: Tensor | None = None
    unit: str = "logit"
    activation: str = "softmax"

    @classmethod
    def of(cls, targets: Sequence[Target], activation: str, device: Any = None) -> TargetScalar:
        """F of a batch of targets of one unit, all with a contrast or none."""
        indices = torch.tensor([target.index for target in targets], device=device)
        others = [target.against_index for target in targets]
        against = None if others[0] is None else torch.tensor(others, device=device)
        sided = targets[0].side is not None  # places of a text compete with each other
        return cls(indices, against, targets[0].unit, "softmax" if sided else activation)

    def __call__(self, logits: Tensor, examples: Tensor | None = None) -> Tensor:
        """F, `[row]`; examples: of which one each row is, each its own by default."""
        if self.unit == "probability":
            logits = logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(-1)
        value = logits.gather(1, self._of_rows(self.index, logits, examples))[:, 0]
        if self.against is None:
            return value
        return value - logits.gather(1, self._of_rows(self.against, logits, examples))[:, 0]

    def repeated(self, rows: int) -> TargetScalar:
        """F of the only example, for so many rows."""
        against = None if self.against is None else self.against.expand(rows)
        return replace(self, index=self.index.expand(rows), against=against)

    @staticmethod
    def _of_rows(index: Tensor, logits: Tensor, examples: Tensor | None) -> Tensor:
        index = index.to(logits.device)
        index = index.expand(len(logits)) if examples is None else index[examples]
        return index.unsqueeze(1)
