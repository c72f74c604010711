"""The target of an attribution: from the user's arguments to one scalar F of the model's output.

`TargetRequest` holds the arguments, `Target` the resolved target of one input, `TargetScalar` the F of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .._escaping import encodable
from ..data._trace import Trace
from ..errors import InputError, unknown_name
from ..models import _classes

if TYPE_CHECKING:
    from ..models._protocols import ModelWithProcessor

UNITS = ("logit", "probability")

SIDES = ("start", "end")
"""The two predictions of a question answering model."""


@dataclass(frozen=True)
class Target:
    """What an attribution explains: the scalar F = logit (or probability) of `index` minus that of `against_index`.

    An attribution holds its target. `lens.attribute(input, target)` also takes a `Target`, to explain it again.

    label, index: the class; for a language model the token of the vocabulary; for question answering the token of
        the text at which the answer starts or ends
    against, against_index: a second class, for the difference of the two; None without a contrast
    unit: "logit" or "probability"
    side: "start" or "end" of an answer; None for other models
    position: the token whose prediction is explained, for models that predict at each token; else None
    output: the text that the decoder of an encoder-decoder has read

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
        """The target in words, without the contrast: "negative", or "start at 'dull'"."""
        return self._named(self.label)

    def __str__(self) -> str:
        """The target in words: "negative", or "negative rather than positive"."""
        return encodable(
            self.name if self.against is None else f"{self.name} rather than {self._named(self.against)}"
        )

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
    """The user's arguments for one input; they are resolved to a `Target` after the model has run.

    target: a class by name or index, "predicted" or None, or "start" or "end" for question answering
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
        """Makes a request of the user's arguments; a `Target` holds its own contrast, unit, position and output.

        Raises InputError for an argument that contradicts the `Target`.
        """
        if not isinstance(target, Target):
            return cls(target, against, UNITS[0] if unit is None else unit, None, position, output)
        held = {
            "against": (against, target.against_index), "unit": (unit, target.unit),
            "position": (position, target.position), "output": (output, target.output),
        }  # fmt: skip
        for name, (value, fixed) in held.items():
            if value is not None and value not in (fixed, getattr(target, name)):
                raise InputError(
                    f"{target!r} has {name} {getattr(target, name)!r}, which {name}={value!r} contradicts; omit it, or "
                    f"make another target: dataclasses.replace(target, {name}=...)"
                )
        position = target.index if target.side is not None else target.position
        return cls(
            target.index if target.side is None else target.side, target.against_index, target.unit, target.side,
            position, target.output,
        )  # fmt: skip

    def check(self, activation: str) -> None:
        """Raises InputError for an unknown unit, and for a probability or a contrast of a regression."""
        if self.unit not in UNITS:
            raise unknown_name("unit", self.unit, UNITS)
        if activation == "none" and self.unit == "probability":
            raise InputError("a regression has no probability; omit unit= to explain its value")
        if activation == "none" and self.against is not None:
            raise InputError("a regression has one value and no class to contrast it with; omit against=")

    def of_class(self, model: ModelWithProcessor, logits: Tensor, position: int | None = None) -> Target:
        """The target for a classifier, resolved by its logits `[class]`.

        Raises InputError for an unknown class, and where target and against are the same class.
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
        """The target for question answering, whose classes are the tokens of the text.

        Raises InputError where target and against are the same token.
        """
        against = None if other is None else tokens[other]
        return self._resolved(tokens[index], index, against, other, side=self.answer_side)

    @property
    def answer_side(self) -> str:
        """For question answering, "start" (the default) or "end". Raises InputError for another target."""
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
                f"target and against are the same class, {target.name!r}; pass two different classes (without target= "
                "the target is the predicted class)"
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
        sided = targets[0].side is not None  # a softmax over the tokens of the text
        return cls(indices, against, targets[0].unit, "softmax" if sided else activation)

    def __call__(self, logits: Tensor, examples: Tensor | None = None) -> Tensor:
        """F, `[row]`; examples: the example of each row; by default row i is example i."""
        if self.unit == "probability":
            logits = logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(-1)
        value = logits.gather(1, self._of_rows(self.index, logits, examples))[:, 0]
        if self.against is None:
            return value
        return value - logits.gather(1, self._of_rows(self.against, logits, examples))[:, 0]

    def repeated(self, rows: int) -> TargetScalar:
        """F of a single example, expanded to `rows` rows."""
        against = None if self.against is None else self.against.expand(rows)
        return replace(self, index=self.index.expand(rows), against=against)

    @staticmethod
    def _of_rows(index: Tensor, logits: Tensor, examples: Tensor | None) -> Tensor:
        index = index.to(logits.device)
        index = index.expand(len(logits)) if examples is None else index[examples]
        return index.unsqueeze(1)
