"""Heads named by pairs (layer, head), and the factors that are put on what they mix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._checks import as_integer
from ..errors import InputError

FORMS = "pairs (layer, head), such as [(5, 9), (5, 4)], one pair, {(layer, head): factor} or {layer: a factor per head}"


def are_pairs(gates: Any) -> bool:
    """Whether gates name heads one by one, and not all heads of a layer by `{layer: [head] of factors}`."""
    if isinstance(gates, Mapping):
        return any(isinstance(key, tuple) for key in gates)
    return gates is not None


def factors(gates: Any, heads: Sequence[int], model: str) -> dict[int, list[float]]:
    """Gates that name heads one by one, as `{layer: [head] of factors}`; those that are not named stay as they are.

    gates: pairs, or one pair, of heads that are switched off; or {(layer, head): factor}
    heads: how many heads each layer has; negative numbers count from the end
    """
    try:
        named = dict(gates) if isinstance(gates, Mapping) else dict.fromkeys(_listed(gates), 0.0)
        named = {(_index(layer), _index(head)): float(factor) for (layer, head), factor in named.items()}
    except (TypeError, ValueError):
        raise InputError(f"gates must be {FORMS}; got {gates!r}") from None
    found: dict[int, list[float]] = {}
    for pair, factor in named.items():
        layer, head = _checked(pair, heads, model)
        found.setdefault(layer, [1.0] * heads[layer])[head] = factor
    return found


def pairs(named: Any, heads: Sequence[int], model: str) -> tuple[tuple[int, int], ...]:
    """Heads as sorted pairs of numbers from 0 on. Raises InputError for heads that the model does not have.

    named: pairs (layer, head), one pair, or {layer: heads}
    heads: how many heads each layer has; negative numbers count from the end
    """
    found = {_checked(pair, heads, model) for pair in _read(named)}
    if not found:
        raise InputError("heads names no head; give pairs (layer, head)")
    return tuple(sorted(found))


def _checked(pair: tuple[int, int], heads: Sequence[int], model: str) -> tuple[int, int]:
    layer, head = pair
    if not -len(heads) <= layer < len(heads):
        raise InputError(f"there is no layer {layer}: {model} has {len(heads)}")
    count = heads[layer]
    if not -count <= head < count:
        raise InputError(f"there is no head {head} in layer {layer}: it has {count}")
    return layer % len(heads), head % count


def _read(named: Any) -> list[tuple[int, int]]:
    """Pairs of whole numbers, whichever way they were written."""
    try:
        if isinstance(named, Mapping):
            layers = {layer: list(some) for layer, some in named.items()}
            if any(len(set(some)) < len(some) for some in layers.values()):
                raise InputError(
                    f"heads names a head twice: {named!r}; {{layer: a factor per head}} is a form of gates=, in "
                    "lens.trace(input, gates=...)"
                )
            named = [(layer, head) for layer, some in layers.items() for head in some]
        return [(_index(layer), _index(head)) for layer, head in _listed(named)]
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"heads must be pairs (layer, head) or {{layer: heads}}, not {named!r}") from None


def _index(value: Any) -> int:
    if (number := as_integer(value)) is None:
        raise TypeError
    return number


def _listed(named: Iterable[Any]) -> list[tuple[Any, Any]]:
    """One pair is a list of one."""
    if isinstance(named, tuple) and len(named) == 2 and all(as_integer(n) is not None for n in named):
        return [named]
    return [(layer, head) for layer, head in named]
