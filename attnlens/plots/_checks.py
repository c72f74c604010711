"""Checks of what was given: each answers with the thing itself, or raises InputError with the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Integral

from ..analysis._rollout import position as numbered_position
from ..data._attention import Attention
from ..data._trace import Token, Trace, single
from ..errors import InputError

MOST_SHOWN = 8
"""Tokens that an error message shows."""


def one_trace(trace: object, function: str) -> Trace:
    """The trace; InputError for anything else, and for a trace without layers."""
    if not isinstance(trace, Trace):
        raise InputError(f"plots.{function} draws one trace, not {type(trace).__name__}: {single(trace)}")
    if not trace.layers:
        raise InputError(f"plots.{function} has nothing to draw: the trace has no layers")
    return trace


def numbered(what: str, given: object, count: int) -> int:
    """A layer or head by number, negative ones from the end."""
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise InputError(f"{what} must be the number of one {what}, not {given!r}")
    if not -count <= given < count:
        raise InputError(f"{what} {given} is out of range: there are {count}, numbered 0 to {count - 1}")
    return int(given) % count


def attention_of(trace: Trace, layer: object) -> Attention:
    """One layer's attention by number; InputError where it has no weight to draw."""
    number = numbered("layer", layer, len(trace))
    attention = trace[number]
    if 0 in attention.shape:
        raise InputError(f"layer {number} holds no weights: its shape is {list(attention.shape)}")
    return attention


def position(tokens: Sequence[Token], given: object, what: str = "token") -> int:
    """A token by its number, or by its text: the first one that reads so.

    Raises InputError for a text that is not there, with those that are like it.
    """
    if isinstance(given, str):
        return _reading(tokens, given)
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise InputError(f"{what} must be the number of a position or a token's text, not {given!r}")
    return numbered_position(what, given, len(tokens))


def _reading(tokens: Sequence[Token], text: str) -> int:
    """The first token of that text; white space around it counts only where it tells two apart."""
    texts = [str(token) for token in tokens]
    bare = [one.strip() for one in texts]
    for wanted, among in ((text, texts), (text.strip(), bare)):
        if wanted in among:
            return among.index(wanted)
    known = list(dict.fromkeys(bare))
    close = get_close_matches(text.strip(), known, n=MOST_SHOWN, cutoff=0.5)
    shown = "close to it are" if close else f"among {len(tokens)} there are"
    raise InputError(f"no token reads {text!r}; {shown}: {', '.join(map(repr, close or known[:MOST_SHOWN]))}")
