"""Escaping of invisible and control characters, so that a text cannot control the program that shows it."""

from __future__ import annotations

import re

UNSEEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters, invisible ones, and those that change the direction of writing of the text around them."""


LONGEST_HEADLINE = 200
"""Maximum number of characters of a text in a headline."""


def quoted(text: object) -> str:
    """A text for a headline: in quotes, and only the beginning of a long one."""
    text = str(text)
    cut = text if len(text) <= LONGEST_HEADLINE else f"{text[:LONGEST_HEADLINE].rstrip()} …"
    return f'"{cut}"'


def seen(text: str) -> str:
    """The text with a symbol for each such character: ␛ for escape, ‹202e› for one that has no symbol."""
    return UNSEEN.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 32 else f"‹{code:x}›"
