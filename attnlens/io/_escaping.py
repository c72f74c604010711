"""Signs for the characters that are not seen: what a text holds is shown and gives no orders to who shows it."""

from __future__ import annotations

import re

UNSEEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters, and those that turn the direction of writing: what stands beside them would change."""


LONGEST_HEADLINE = 200
"""Characters of a text that stand in a headline."""


def quoted(text: object) -> str:
    """A text as a headline has it: in quotes, and only the beginning of a long one."""
    text = str(text)
    cut = text if len(text) <= LONGEST_HEADLINE else f"{text[:LONGEST_HEADLINE].rstrip()} …"
    return f'"{cut}"'


def seen(text: str) -> str:
    """The text with a sign for each unseen character: ␛ for escape, ‹202e› for one that has no sign of its own."""
    return UNSEEN.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 32 else f"‹{code:x}›"
