"""Checks of arguments: each returns the argument as what it stands for, or raises InputError.

One rule everywhere. An integer is any integer type, NumPy's and a tensor without axes among them, and never a bool; a
number is any real number type, never a bool, and finite. Positions count from the end where they are negative. Every
message says what was given, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from numbers import Real
from operator import index as as_index
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

from .errors import InputError, unknown_name

if TYPE_CHECKING:
    import torch

    from .data import Attention, PatchGrid, Token, Trace

MOST_SHOWN = 8
"""Tokens that an error message shows."""


# -- integers and numbers -------------------------------------------------------------------------------------


def as_integer(value: object) -> int | None:
    """The integer that a value stands for; None where it is none.

    >>> as_integer(np.int64(3)), as_integer(torch.tensor(3)), as_integer(True), as_integer(3.0)
    (3, 3, None, None)
    """
    if type(value) is int:
        return value
    if not _is_scalar(value) or _is_bool(value):
        return None
    try:
        return as_index(value)
    except TypeError:
        return None


def as_number(value: object) -> float | None:
    """The finite real number that a value stands for; None where it is none: a bool, NaN, infinity, a text."""
    if (whole := as_integer(value)) is not None:
        value = whole
    elif _is_bool(value) or not (isinstance(value, Real) or _is_floating(value)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def integer(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """An integer from `least` to `most`, both included; either may be open.

    Raises InputError for anything else.
    """
    number = as_integer(value)
    if number is None or (least is not None and number < least) or (most is not None and number > most):
        raise InputError(f"{name} must be an integer{_bounds(least, None, most, None)}, not {short(value)}")
    return number


def number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """A finite real number within bounds: `least` and `most` are included, `above` and `below` are not.

    Raises InputError for anything else.
    """
    result = as_number(value)
    outside = result is None or (
        (least is not None and result < least)
        or (above is not None and result <= above)
        or (most is not None and result > most)
        or (below is not None and result >= below)
    )
    if outside:
        raise InputError(f"{name} must be a number{_bounds(least, above, most, below)}, not {short(value)}")
    return result


def share(name: str, value: object) -> float:
    """A number from 0 to 1. Raises InputError for anything else."""
    return number(name, value, least=0, most=1)


def position(name: str, value: object, count: int) -> int:
    """A position among `count`: 0 to count - 1; negative ones count from the end.

    Raises InputError for anything else.

    >>> position("layer", -1, 6)
    5
    """
    at = as_integer(value)
    if at is None:
        raise InputError(
            f"{name} must be an integer, 0 to {count - 1} or negative from the end, not {short(value)}"
        )
    if count == 0:
        raise InputError(f"{name} {at} is out of range: there is none")
    if not -count <= at < count:
        there = "there is one, numbered 0" if count == 1 else f"there are {count}, numbered 0 to {count - 1}"
        raise InputError(f"{name} {at} is out of range: {there}; negative numbers count from the end")
    return at % count


def positions(name: str, values: object, count: int) -> list[int]:
    """One position or several, in the order given, each once; InputError as `position` raises it.

    >>> positions("head", 3, 12), positions("head", [0, -1], 12)
    ([3], [0, 11])
    """
    try:
        several = list(values)
    except TypeError:
        several = [values]
    return list(dict.fromkeys(position(name, value, count) for value in several))


def among(name: str, value: object, numbers: Sequence[int]) -> int:
    """One of several numbers, such as those of the layers that are shown; negative ones count from the end of them.

    >>> among("layer", 5, [0, 5]), among("layer", -1, [0, 5])
    (5, 5)
    """
    picked = as_integer(value)
    if picked is not None and -len(numbers) <= picked < 0:
        return numbers[picked]
    if picked not in numbers:
        these = ", ".join(map(str, numbers))
        raise InputError(f"{name} must be one of {these}, or negative from the end, not {short(value)}")
    return picked


def token(name: str, value: object, tokens: Sequence[Token]) -> int:
    """The position of a token that is named by its number, or by its text: of several that read so, the first.

    Raises InputError for a text that no token has, and lists those that are like it.
    """
    if isinstance(value, str):
        return _reading(value, tokens)
    if as_integer(value) is None:
        raise InputError(
            f"{name} must be an integer, 0 to {len(tokens) - 1} or negative from the end, or a token's text, not "
            f"{short(value)}"
        )
    return position(name, value, len(tokens))


def patch(name: str, value: object, grid: PatchGrid) -> int:
    """A position of an image's trace, named as a token is, or as the patch in a (row, column) of the grid."""
    if not isinstance(value, tuple | list):
        return token(name, value, grid.tokens)
    if len(value) != 2:
        raise InputError(f"{name} {value!r} is no patch; give its number, or (row, column)")
    row, column = position("row", value[0], grid.rows), position("column", value[1], grid.cols)
    return len(grid.leading) + row * grid.cols + column


def one_of(what: str, value: object, names: Iterable[str]) -> str:
    """A name out of a closed list.

    Raises InputError for any other, with the list and the name that was probably meant.

    >>> one_of("metric", "helinger", ("hellinger", "jensen_shannon"))
    Traceback (most recent call last):
    attnlens.errors.InputError: unknown metric 'helinger'; expected one of: hellinger, jensen_shannon. Did you mean ...
    """
    names = tuple(names)
    if not isinstance(value, str) or value not in names:
        raise unknown_name(what, value, names)
    return value


def _is_bool(value: object) -> bool:
    """Whether it is a bool of Python, NumPy or torch."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).removeprefix("torch.") == "bool"


def _is_scalar(value: object) -> bool:
    """Whether it has no axes, as an array of one number has one."""
    return getattr(value, "ndim", 0) == 0


def _is_floating(value: object) -> bool:
    """Whether it is a tensor or an array without axes that holds one real number."""
    return _is_scalar(value) and "float" in str(getattr(value, "dtype", ""))


def _bounds(least: float | None, above: float | None, most: float | None, below: float | None) -> str:
    """The bounds in words: " of at least 1", " from 0 to 1", " above 0 and below 1"."""
    if least is not None and most is not None:
        return f" from {least} to {most}"
    words = [
        f"{word} {bound}"
        for word, bound in (("of at least", least), ("above", above), ("of at most", most), ("below", below))
        if bound is not None
    ]
    return f" {' and '.join(words)}" if words else ""


def _reading(text: str, tokens: Sequence[Token]) -> int:
    """The first token with that text; white space around it counts only where it distinguishes two tokens."""
    texts = [str(token) for token in tokens]
    stripped = [text.strip() for text in texts]
    for wanted, among in ((text, texts), (text.strip(), stripped)):
        if wanted in among:
            return among.index(wanted)
    names = list(dict.fromkeys(stripped))
    close = get_close_matches(text.strip(), names, n=MOST_SHOWN, cutoff=0.5)
    shown = "close to it are" if close else f"among {len(tokens)} there are"
    raise InputError(f"no token reads {text!r}; {shown}: {', '.join(map(repr, close or names[:MOST_SHOWN]))}")


# -- devices --------------------------------------------------------------------------------------------------


DEVICES = {
    "cpu": "the CPU",
    "cuda": "a GPU of NVIDIA or AMD",
    "mps": "a GPU of Apple",
    "xpu": "a GPU of Intel",
}
"""Kinds of devices that an error lists."""


def device(value: object, failed: str) -> torch.device:
    """A device by its name. Raises InputError for one that torch does not know or have; failed: what was tried."""
    import torch

    kinds = ", ".join(f"{kind!r} ({what})" for kind, what in DEVICES.items())
    try:
        place = torch.device(value)
    except (RuntimeError, TypeError) as error:
        meant = "; did you mean 'cuda'?" if str(value).lower().startswith(("gpu", "nvidia")) else "."
        raise InputError(
            f"{failed}: torch knows no such device{meant} Give one of {kinds}, or one of several as 'cuda:1'"
        ) from error
    if place.type == "cuda":
        count = torch.cuda.device_count()
        if (place.index or 0) >= count:
            there = (
                "there is no GPU, or this torch is built without it" if not count else f"there are {count}"
            )
            raise InputError(f"{failed}: {there}. Omit it for the CPU")
    return place


# -- traces ---------------------------------------------------------------------------------------------------


def trace(value: object, function: str, source: str = "lens.trace(input)") -> Trace:
    """One trace. Raises InputError for a recording, a list or anything else, and says how to choose or make one.

    function: the name of what takes it; source: the call that makes a trace for it
    """
    from .data import Trace

    if isinstance(value, Trace):
        return value
    message = (
        f"{function}() takes one trace, not {type(value).__name__}: {function}({_one_trace(value, source)})"
    )
    if isinstance(value, list | tuple):
        message += f"; of several: [{function}(trace) for trace in traces]"
    raise InputError(message)


def drawable(value: object, function: str) -> Trace:
    """One trace, as `trace`, with attention weights to draw. Raises InputError for one without any."""
    drawn = trace(value, function)
    if not any(0 not in layer.attention.shape for layer in drawn.layers):
        raise InputError(
            f"{function}() has nothing to draw: the trace has no attention weights; trace an input that has tokens, or "
            "select other layers"
        )
    return drawn


def attention(trace: Trace, layer: object) -> Attention:
    """The attention of one layer by number. Raises InputError for a layer without weights."""
    number = position("layer", layer, len(trace))
    weights = trace[number]
    if 0 in weights.shape:
        raise InputError(
            f"layer {number} holds no weights: its shape is {list(weights.shape)}; give another layer"
        )
    return weights


def _one_trace(value: object, source: str) -> str:
    """The expression for one trace, where a recording, a list or something else was given."""
    if hasattr(value, "traces") and not hasattr(value, "trace"):  # a recording; a lens has both
        return "recording[0]"
    return "traces[0]" if isinstance(value, list | tuple) else source


# -- one input or many ----------------------------------------------------------------------------------------


def listed(input: Any) -> list | None:
    """The inputs of a list, a Series or one-dimensional array of texts, or another sequence; None for one input.

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


def per_input(name: str, value: Any, count: int, remedy: str = "") -> list:
    """One value for each of `count` inputs: the entries of a list, or the same value for all.

    Raises InputError for a list of another length; remedy: an addition to its message.
    """
    values = values_of(value)
    if values is None:
        return [value] * count
    if len(values) != count:
        raise InputError(
            f"{name}= holds {len(values)} for {count} inputs; give one for each, in their order, or a single one for "
            f"all{remedy}"
        )
    return values


def values_of(value: Any) -> list | None:
    """The values of a list, tuple, Series, or one-dimensional array or tensor; None for a single value."""
    if isinstance(value, list | tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") and _is_row(value) else None


def targets_of(target: Any, inputs: list | None) -> list[Any]:
    """The target of each input, or the list of its targets; `inputs` is None for a single input.

    target: one for all, or a list with one target, or a list of targets, for each; for a single input one or a list
    """
    more = "; for several classes of every input: target=[[...]] * len(inputs)"
    each = [target] if inputs is None else per_input("target", target, len(inputs), more)
    targets = [one if (several := values_of(one)) is None else several for one in each]
    if [] in targets:
        raise InputError("target=[] names no class; omit it for the predicted one")
    return targets


def one_by_one(targets: list[Any]) -> list[tuple[int, Any]]:
    """(number of the input, target) for each single target of `targets_of`."""
    return [
        (i, one) for i, some in enumerate(targets) for one in (some if isinstance(some, list) else [some])
    ]


def as_asked(results: Iterable[Any], targets: list[Any]) -> list[Any]:
    """The results for the targets of `one_by_one`, by input: lists where an input has a list of targets."""
    left = iter(results)
    return [[next(left) for _ in some] if isinstance(some, list) else next(left) for some in targets]


def contrasts_of(against: Any, inputs: list | None) -> list:
    """The class that each input is contrasted with, or None for all."""
    if inputs is None:
        if values_of(against) is not None:
            raise InputError(
                f"against={against!r} is a list, as it is for a list of inputs; for one input name one class"
            )
        return [against]
    classes = per_input("against", against, len(inputs))
    if None in classes and any(one is not None for one in classes):
        raise InputError(
            "against= names a class for some inputs and none for others; explain those separately"
        )
    return classes


def refuse_columns(inputs: Any) -> None:
    """Raises InputError for a table or a mapping, over which Python would iterate by column names."""
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
