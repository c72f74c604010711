"""The errors of attnlens: every message states what was given, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import repr as short

from ._escaping import encodable


class AttnlensError(Exception):
    """Base of every error that attnlens raises on purpose."""

    def __str__(self) -> str:
        return encodable(super().__str__())


class InputError(AttnlensError, ValueError):
    """An argument cannot be used: the message names it, what was expected and the remedy."""


class CaptureError(AttnlensError, RuntimeError):
    """Attention was not recorded, or only in part: the message names the module and the remedy."""


class CaptureWarning(UserWarning):
    """Some attention of the model was not recorded: the message names the modules; layer numbers omit them."""


class FileError(AttnlensError, ValueError):
    """A file is not a trace, is damaged, or has an unknown format version."""


class FileWarning(UserWarning):
    """A file could be read but not checked for damage; the message states the remedy."""


LONGEST = 200
"""Maximum number of characters of a name that a message repeats."""


def unknown_name(what: str, name: object, names: Iterable[object]) -> InputError:
    """The error for a name outside a closed list: shows the list, and the name that was probably meant."""
    names = [str(one) for one in names]
    close = get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    shown = repr(name) if isinstance(name, str) and len(name) <= LONGEST else short(name)
    return InputError(f"unknown {what} {shown}; expected one of: {', '.join(names)}.{hint}")
