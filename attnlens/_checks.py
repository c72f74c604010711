"""What a call takes for a list of inputs, and what it takes one of for each input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import InputError


def listed(input: Any) -> list | None:
    """The inputs of a list, a Series or one-dimensional array of texts, or another sequence; None: it is one input.

    A tuple is one input (a pair of texts), and so is an array of numbers (a picture).
    """
    if isinstance(input, list):
        return input
    if hasattr(input, "columns"):
        refuse_columns(input)
    if hasattr(input, "tolist"):  # of numpy and pandas; Arrow's arrays have to_pylist
        return input.tolist() if _is_row(input) and _holds_no_numbers(input) else None
    if hasattr(input, "to_pylist"):
        return input.to_pylist()
    if isinstance(input, str | bytes | bytearray | tuple | range | memoryview) or not isinstance(
        input, Sequence
    ):
        return None
    return list(input)


def per_input(name: str, given: Any, count: int, remedy: str = "") -> list:
    """One value for each of `count` inputs: of a list its own, of anything else the same for all.

    Raises InputError for a list of another length; remedy: what else the message says.
    """
    values = values_of(given)
    if values is None:
        return [given] * count
    if len(values) != count:
        raise InputError(
            f"{name}= holds {len(values)} for {count} inputs; give one for each, in their order, or a single one for "
            f"all{remedy}"
        )
    return values


def values_of(given: Any) -> list | None:
    """The values of a list, tuple, Series, or one-dimensional array or tensor; None: it is a single one."""
    if isinstance(given, list | tuple):
        return list(given)
    return given.tolist() if hasattr(given, "tolist") and _is_row(given) else None


def targets_of(target: Any, inputs: list | None) -> list[Any]:
    """For each input its target, or the list of its targets; `inputs` is None where there is a single one.

    target: one for all, or a list with one, or a list of several, for each; of a single input one or a list of several
    """
    more = "; for several classes of every input: target=[[...]] * len(inputs)"
    each = [target] if inputs is None else per_input("target", target, len(inputs), more)
    found = [one if (several := values_of(one)) is None else several for one in each]
    if [] in found:
        raise InputError("target=[] names no class; omit it for the predicted one")
    return found


def one_by_one(targets: list[Any]) -> list[tuple[int, Any]]:
    """(number of the input, target) for each single target of `targets_of`."""
    return [
        (i, one) for i, some in enumerate(targets) for one in (some if isinstance(some, list) else [some])
    ]


def as_asked(found: Iterable[Any], targets: list[Any]) -> list[Any]:
    """What was found for each target of `one_by_one`, by input: lists where an input has a list of targets."""
    left = iter(found)
    return [[next(left) for _ in some] if isinstance(some, list) else next(left) for some in targets]


def contrasts_of(against: Any, inputs: list | None) -> list:
    """The class that each input is contrasted with, all of them None where there is none."""
    if inputs is None:
        if values_of(against) is not None:
            raise InputError(
                f"against={against!r} is a list, as it is for a list of inputs; for one input name one class"
            )
        return [against]
    found = per_input("against", against, len(inputs))
    if None in found and any(one is not None for one in found):
        raise InputError(
            "against= names a class for some inputs and none for others; explain those by themselves"
        )
    return found


def refuse_columns(inputs: Any) -> None:
    """Raises InputError for a table or a mapping, over which Python would go by the names of its columns."""
    if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        names = ", ".join(map(repr, list(getattr(inputs, "columns", inputs))[:6]))
        raise InputError(
            f"a {type(inputs).__name__} holds several columns ({names}); give the one with the inputs, such as "
            "table['text']"
        )


def _is_row(array: Any) -> bool:
    return getattr(array, "ndim", 1) == 1


def _holds_no_numbers(array: Any) -> bool:
    return getattr(getattr(array, "dtype", None), "kind", "") in ("O", "U", "S", "T")
