"""The options that methods take, checked, and what texts and images share of them: tolerances, seeds, silence."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch

from ..errors import InputError, unknown_name

TOLERANCE = 0.01
"""Gap and estimated error up to which an adaptive attribution has converged."""

FIXED_TOLERANCE = 0.05
"""The completeness gap up to which a fixed number of steps was enough."""

MAX_STEPS = 1025
"""Gradients that an adaptive path may cost."""

ATTENTION = ("rollout", "relevance", "gradient_rollout")
"""Methods that read the attention: they know logits only, and no contrast."""

COMPLETE = ("integrated_gradients", "shapley")
"""Methods whose scores add up to the change, exactly or in the limit, whatever the model."""


COMMON = ("against", "baseline", "unit", "layer", "level", "position", "output", "window", "overlap")
"""Options that are no method's own."""


def options_of(methods: Mapping[str, Callable], name: str) -> list[str]:
    """What one of the methods can be told. Raises InputError for an unknown one, listing the known ones."""
    if not isinstance(name, str) or name not in methods:
        raise unknown_name("method", name, methods)
    parameters = inspect.signature(methods[name]).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def check_options(methods: Mapping[str, Callable], name: str, options: Mapping[str, Any]) -> None:
    """Raises InputError for an unknown method, or an option that it does not take, listing the known ones."""
    known = options_of(methods, name)
    for option in options:
        if option not in known:
            takes = f"it takes: {', '.join(known)}" if known else "it takes none"
            close = get_close_matches(option, [*known, *COMMON], n=1)
            hint = f". Did you mean {close[0]!r}?" if close and close[0] != option else ""
            raise InputError(f"{name} takes no option {option!r}; {takes}{hint}")


def check_contrast(method: str, against: Any, unit: str, activation: str) -> None:
    """Raises InputError for what attention, or a regression, cannot be asked."""
    if method in ATTENTION and (against is not None or unit != "logit"):
        raise InputError(
            f"{method} follows the attention for the logit of one class; leave against= and unit= away"
        )
    if against is not None and activation == "none":
        raise InputError("a regression has one value and no class to contrast it with; leave against= away")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's random numbers from a seed for a while; afterwards as if nothing had been drawn.

    Raises InputError for a seed that is no whole number of at least 0.
    """
    whole("seed", seed, least=0)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Without Captum's warnings of what is done here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def whole(name: str, number: Any, least: int = 1) -> None:
    """Raises InputError for anything but an integer of at least `least`."""
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise InputError(f"{name} must be an integer of at least {least}, not {number!r}")


def positive(name: str, number: Any) -> None:
    """Raises InputError for anything but a number above 0."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
        raise InputError(f"{name} must be a number above 0, not {number!r}")
