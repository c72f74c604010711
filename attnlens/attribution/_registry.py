"""The registry of attribution methods: the properties of a method are declared once, at its definition.

    @method(signed=False, complete=False, needs="gradients", inputs="text")
    def gradient(inputs: TextMethodInput) -> MethodScores:
        ...

Names, options, menus, help and documentation are derived from the registry. A declared method is available everywhere:
in `lens.attribute(..., method="gradient")`, the command line, the views and the figures' legends.
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
"""Requirements of a method: gradients of the model, its attention, its output for inputs with removed parts, its output
at random samples, and a baseline that the input is compared with."""

INPUTS = ("text", "image")

COMMON = ("against", "baseline", "unit", "layer", "level", "position", "output", "window", "overlap")
"""Options of `lens.attribute` that are common to all methods."""


@dataclass
class MethodScores:
    """The result of a method for a batch: scores and their errors (see `Attribution`).

    scores: `[example, token]` or `[example, height, width]`; change, estimated_error: `[example]`
    steps: gradients per example; samples: `[sample, *scores]`
    baseline: "" for the baseline of the method's input, None for a method without a baseline, else the name of the
        method's own baseline
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
    signed: whether scores have a sign and a unit, positive scores being evidence for the target; otherwise they only
        rank
    complete: whether scores sum to the change between baseline and input, exactly or in the limit, for any model
    needs: a subset of `NEEDS`
    by_default: whether `explain` includes the method by default
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
        """Names of the method's options."""
        parameters = inspect.signature(self.run).parameters.values()
        return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

    @property
    def reads_attention(self) -> bool:
        """Whether the method reads attention; it then explains the logit of one class, without a contrast."""
        return "attention" in self.needs

    @property
    def differentiates(self) -> bool:
        """Whether scores are a function of vectors or pixels by gradients, so that the method runs at any point."""
        return "gradients" in self.needs and not self.reads_attention

    @property
    def one_by_one(self) -> bool:
        """Whether the method runs on one input at a time; in a batch it would treat padding as part of the input."""
        return bool(self.needs & {"removals", "sampling"})

    def check_target(self, target: TargetRequest) -> None:
        """Raises InputError for a contrast or a probability with a method that reads attention."""
        if self.reads_attention and (target.against is not None or target.unit != "logit"):
            raise InputError(
                f"{self.name} reads attention and explains the logit of one class; omit against= and unit="
            )

    def check_options(self, options: Iterable[str]) -> None:
        """Raises InputError for an option that the method does not take, and lists those that it takes."""
        names = self.options
        for option in options:
            if option not in names:
                takes = f"it takes: {', '.join(names)}" if names else "it takes none"
                close = get_close_matches(option, [*names, *COMMON], n=1)
                hint = f". Did you mean {close[0]!r}?" if close and close[0] != option else ""
                raise InputError(f"{self.name} takes no option {option!r}; {takes}{hint}")


_METHODS: dict[str, dict[str, Method]] = {kind: {} for kind in INPUTS}


def method(
    *, signed: bool, complete: bool, needs: str | tuple[str, ...], inputs: str, by_default: bool = False
) -> Callable[[Callable[..., MethodScores]], Callable[..., MethodScores]]:
    """Declares an attribution method under the name of the decorated function.

    inputs: "text", "image" or "both"; the function receives a `TextMethodInput` or an `ImageMethodInput` and returns
        `MethodScores`
    signed, complete, needs, by_default: see `Method`

    Raises TypeError for a missing keyword, and for an unknown value of `needs` or `inputs`.
    """
    required = frozenset([needs] if isinstance(needs, str) else needs)
    kinds = INPUTS if inputs == "both" else (inputs,)
    if not required <= set(NEEDS) or not set(kinds) <= set(INPUTS):
        raise TypeError(
            f"needs= must be of {', '.join(NEEDS)}; inputs= must be text, image or both; got {needs!r}, {inputs!r}"
        )

    def declare(run: Callable[..., MethodScores]) -> Callable[..., MethodScores]:
        for kind in kinds:
            _METHODS[kind][run.__name__] = Method(
                run.__name__, run, kind, signed, complete, required, by_default
            )
        return run

    return declare


def methods(inputs: str) -> Mapping[str, Method]:
    """The declared methods for "text" or "image" by name."""
    return MappingProxyType(_METHODS[inputs])


def named(inputs: str, name: Any) -> Method:
    """The method of that name. Raises InputError for an unknown name, and lists the known ones."""
    if not isinstance(name, str) or name not in _METHODS[inputs]:
        raise unknown_name("method", name, _METHODS[inputs])
    return _METHODS[inputs][name]


class MethodNames(Sequence[str]):
    """Names of the methods for one kind of input, in the order of declaration; reflects later declarations."""

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
