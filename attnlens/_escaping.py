"""Texts as they may be shown: without what controls the program that shows them, what cannot be encoded, and too much.

A text of Python may hold half of a surrogate pair, which no encoding has: a print, a page or a message would fail.
"""

from __future__ import annotations

import html
import re
from typing import Any

UNSEEN = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""Control characters, invisible ones, and those that change the direction of writing of the text around them."""


HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair."""

LONGEST_HEADLINE = 200
"""Maximum number of characters of a text in a headline."""


def quoted(text: object) -> str:
    """A text for a headline: in quotes, and only the beginning of a long one."""
    return f'"{cut(str(text), LONGEST_HEADLINE)}"'


def cut(text: str, longest: int) -> str:
    """The beginning of a text that is longer."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"


def encodable(text: str) -> str:
    """The text with "?" for each half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode() if HALF.search(text) else text


def encodable_content(content: Any) -> Any:
    """Lists and dicts, whose texts are encodable then."""
    if isinstance(content, str):
        return encodable(content)
    if isinstance(content, list | tuple):
        return [encodable_content(one) for one in content]
    if isinstance(content, dict):
        return {encodable_content(name): encodable_content(one) for name, one in content.items()}
    return content


def escaped_halves(json: str) -> str:
    """JSON that holds the same texts, in characters that can be encoded."""
    return HALF.sub(lambda match: f"\\u{ord(match[0]):04x}", json)


def shown(text: str, longest: int = 4000) -> str:
    """A text as HTML: markup and invisible characters are escaped, and a long text is cut."""
    return html.escape(seen(cut(encodable(text), longest)))


def seen(text: str) -> str:
    """The text with a symbol for each such character: ␛ for escape, ‹202e› for one that has no symbol."""
    return UNSEEN.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 32 else f"‹{code:x}›"
