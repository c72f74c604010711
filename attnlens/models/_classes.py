"""Classes by name and number: which one a user means, and which names a user may give them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from .._checks import as_integer, values_of
from .._escaping import encodable
from ..errors import InputError, unknown_name
from . import _tasks

PREDICTED = "predicted"
"""The target that stands for the predicted class."""

MOST_NAMES = 50
"""Classes that an error message lists; of more it shows the closest."""


def is_predicted(target: Any, labels: Sequence[str]) -> bool:
    """Whether a target is the predicted class: None, or "predicted" where no class is called that."""
    return target is None or (isinstance(target, str) and target == PREDICTED and target not in labels)


def class_index(target: Any, labels: Sequence[str], counted: bool) -> int:
    """The index of a class by name (in any case) or number.

    counted: whether there are as many classes as labels; a language model may have more logits than tokens

    Raises InputError that lists the classes for a name or number that the model does not have.
    """
    if isinstance(target, str):
        for same in (str, str.casefold, lambda name: name.strip().casefold()):
            names = [same(label) for label in labels]
            if same(target) in names:
                return names.index(same(target))
        raise _unknown(target, labels)
    number = as_integer(target)
    if number is None or number < 0 or (counted and number >= len(labels)):
        known = f"an index from 0 to {len(labels) - 1}, or a name" if counted else "an index from 0 on"
        raise InputError(f"target {target!r} is no class; give {known}")
    return number


def chosen(target: str | int | None, logits: Tensor, labels: Sequence[str] = ()) -> int:
    """The index in logits `[class]` of a target that is an index already, or the predicted class."""
    if is_predicted(target, labels):
        return int(logits.argmax())
    check_index(target, target, len(logits))
    return target


def check_index(index: int, target: Any, count: int, name: str = "target") -> None:
    """Raises InputError for an index beyond `count` logits; target: as the user passed it; name: of the argument."""
    if index >= count:
        raise InputError(f"{name} {target!r} is no class: the model has {count}, numbered from 0")


def _unknown(target: str, labels: Sequence[str]) -> InputError:
    """The error for a class name that the model does not have: lists the classes, or the closest of very many."""
    if not labels:
        return InputError(f"target {target!r} is a name, but this model names no classes; give a class index")
    if len(labels) <= MOST_NAMES:
        return unknown_name("target", target, labels)
    close = get_close_matches(target, labels, n=5) if len(labels) <= 2000 else ()
    hint = f" Closest: {', '.join(close)}." if close else ""
    return InputError(
        f"unknown target {target!r}: none of the {len(labels)} classes in lens.labels has that name.{hint} "
        "Give a name from there or its index."
    )


# -- names that a user gives ------------------------------------------------------------------------------------


def labels_of(labels: Any, model: nn.Module) -> tuple[str, ...]:
    """Class names that a user gave, checked against what the model's configuration says.

    given: names in the order of the logits, or {index: name}
    """
    if isinstance(labels, dict):
        if sorted(labels, key=str) != sorted(range(len(labels)), key=str):
            raise InputError(
                f"labels={{index: name}} must name the classes 0, 1, ... without a gap, not {labels!r}"
            )
        labels = [labels[i] for i in range(len(labels))]
    names = None if isinstance(labels, str) else values_of(labels)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"labels must be a list of class names in the order of the logits, not {labels!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"labels names two classes {twice!r}; give each its own name")
    task = _tasks.of(model)
    if task in (*_tasks.LANGUAGE, "question"):
        raise InputError(
            f"labels names classes, and those of {type(model).__name__} are tokens; omit labels="
        )
    count = _tasks.config_of(model, "num_labels")
    if task is not None and isinstance(count, int):
        check_count(tuple(names), count, model)
    return tuple(encodable(str(name)) for name in names)


def check_count(labels: tuple[str, ...], count: int, model: nn.Module) -> None:
    """Raises InputError for names of another number than the logits have."""
    if len(labels) != count:
        raise InputError(
            f"labels names {len(labels)} classes ({', '.join(labels[:6])}{', …' if len(labels) > 6 else ''}), and "
            f"{type(model).__name__} has {count} logits; give a name for each, in their order"
        )
