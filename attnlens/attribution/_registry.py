"""The registry of attribution methods: what is true of a method is declared beside it, once.

    @method(signed=False, complete=False, needs="gradients", inputs="text")
    def gradient(inputs: TextMethodInput) -> MethodScores:
        ...

Names, options, menus, help and documentation are derived from here, so that a method that is declared is a method
everywhere: `lens.attribute(..., method="gradient")`, the command line, the views, the figures' legends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from ..errors import InputError, unknown_name

if TYPE_CHECKING:
    from ._target import TargetRequest

NEEDS = ("gradients", "attention", "removals", "sampling", "baseline")
"""What a method asks for: gradients of the model, its attention, its output without parts of the input, its output at
points drawn at random; and a baseline that the input is compared with."""

INPUTS = ("text", "image")

COMMON = ("against", "baseline", "unit", "layer", "level", "position", "output", "window", "overlap")
"""Options of `lens.attribute` that belong to no single method."""


@dataclass
class MethodScores:
    """What a method returns of a batch: scores, and what it knows of their error (see `Attribution`).

    scores: `[example, token]` or `[example, height, width]`; change, estimated_error: `[example]`
    steps: gradients per example; samples: `[sample, *scores]`
    baseline: "" is the baseline of the input; None where the method compares with none; or the name of its own
    """

    scores: Tensor
    change: Tensor | None = None
    estimated_error: Tensor | None = None
    steps: list[int] = field(default_factory=list)
    tolerance: float | None = None
    baseline: str | None = ""
    samples: Tensor | None = None


@dataclass(frozen=True)
class Method:
    """One attribution method for one kind of input, as `method` declares it.

    run: the function; its keyword-only parameters are the options of the method
    signed: whether scores have a sign and a unit: positive ones speak for the target; others only rank
    complete: whether scores sum to the change between baseline and input, exactly or in the limit, for any model
    needs: of `NEEDS`
    by_default: whether `explain` shows it unless methods are named
    """

    name: str
    run: Callable[..., MethodScores]
    inputs: str
    signed: bool
    complete: bool
    needs: frozenset[str]
    by_default: bool

    @property
    def options(self) -> list[str]:
        """What the method can be told."""
        parameters = inspect.signature(self.run).parameters.values()
        return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

    @property
    def reads_attention(self) -> bool:
        """Whether it follows the attention: it then knows the logit of one class, and no contrast."""
        return "attention" in self.needs

    @property
    def differentiates(self) -> bool:
        """Whether it is a function of vectors or pixels through gradients, so that it can be run beside the input."""
        return "gradients" in self.needs and not self.reads_attention

    @property
    def one_by_one(self) -> bool:
        """Whether it goes through inputs one by one: with others in a batch it would see their padding."""
        return bool(self.needs & {"removals", "sampling"})

    def check_target(self, target: TargetRequest) -> None:
        """Raises InputError for a contrast or a probability where the method follows the attention for one logit."""
        if self.reads_attention and (target.against is not None or target.unit != "logit"):
            raise InputError(
                f"{self.name} follows the attention for the logit of one class; omit against= and unit="
            )

    def check_options(self, options: Iterable[str]) -> None:
        """Raises InputError for an option that the method does not take, listing those that it takes."""
        known = self.options
        for option in options:
            if option not in known:
                takes = f"it takes: {', '.join(known)}" if known else "it takes none"
                close = get_close_matches(option, [*known, *COMMON], n=1)
                hint = f". Did you mean {close[0]!r}?" if close and close[0] != option else ""
                raise InputError(f"{self.name} takes no option {option!r}; {takes}{hint}")


_METHODS: dict[str, dict[str, Method]] = {kind: {} for kind in INPUTS}


def method(
    *, signed: bool, complete: bool, needs: str | tuple[str, ...], inputs: str, by_default: bool = False
) -> Callable[[Callable[..., MethodScores]], Callable[..., MethodScores]]:
    """Declares an attribution method; its name is that of the function.

    inputs: "text", "image" or "both"; the function gets a `TextMethodInput` or an `ImageMethodInput` and returns
        `MethodScores`
    signed, complete, needs, by_default: see `Method`

    Raises TypeError where a keyword is missing, or names what is not known here.
    """
    asked = frozenset([needs] if isinstance(needs, str) else needs)
    kinds = INPUTS if inputs == "both" else (inputs,)
    if not asked <= set(NEEDS) or not set(kinds) <= set(INPUTS):
        raise TypeError(
            f"needs= is of {', '.join(NEEDS)}; inputs= is text, image or both; got {needs!r}, {inputs!r}"
        )

    def declare(run: Callable[..., MethodScores]) -> Callable[..., MethodScores]:
        for kind in kinds:
            _METHODS[kind][run.__name__] = Method(
                run.__name__, run, kind, signed, complete, asked, by_default
            )
        return run

    return declare


def methods(inputs: str) -> Mapping[str, Method]:
    """The methods for "text" or "image" by name, as they are now."""
    return MappingProxyType(_METHODS[inputs])


def named(inputs: str, name: Any) -> Method:
    """One method. Raises InputError for an unknown name, listing the known ones."""
    if not isinstance(name, str) or name not in _METHODS[inputs]:
        raise unknown_name("method", name, _METHODS[inputs])
    return _METHODS[inputs][name]


class MethodNames(Sequence[str]):
    """Names of the methods for one kind of input, in the order of declaration: as many as are declared now."""

    def __init__(self, inputs: str):
        self._inputs = inputs

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return tuple(_METHODS[self._inputs])[index]

    def __len__(self) -> int:
        return len(_METHODS[self._inputs])

    def __repr__(self) -> str:
        return repr(tuple(self))
