"""What attnlens raises: every message says what was given, what was expected and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import repr as short


class AttnlensError(Exception):
    """Base of every error that attnlens raises on purpose."""


class InputError(AttnlensError, ValueError):
    """An argument cannot be used: the message names it, what was expected and the remedy."""


class CaptureError(AttnlensError, RuntimeError):
    """Attention was not heard, or not wholly: the message names the module and the remedy."""


class CaptureWarning(UserWarning):
    """Some attention of the model was not recorded: the message names the modules; numbers of layers leave them out."""


class FileError(AttnlensError, ValueError):
    """A file is not a trace, is damaged, or comes from another format version."""


class FileWarning(UserWarning):
    """A file could be read but not checked for damage; the message says how to mend that."""


LONGEST = 200
"""Characters of a name that a message repeats."""


def unknown_name(what: str, given: object, known: Iterable[object]) -> InputError:
    """The error for a name outside a closed list: shows the list, and the name that was probably meant."""
    names = [str(name) for name in known]
    close = get_close_matches(str(given), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    shown = repr(given) if isinstance(given, str) and len(given) <= LONGEST else short(given)
    return InputError(f"unknown {what} {shown}; expected one of: {', '.join(names)}.{hint}")
