"""Texts that the installed fonts can draw: fallback fonts, and symbols for invisible characters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.font_manager import FontEntry, FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

from .._escaping import encodable

SIGNS = {" ": "␣", "\n": "↵", "\r": "↵", "\t": "⇥", "\u00a0": "␣", "\u3000": "␣"}
"""Symbols for tokens of white space."""

MOST_CHARACTERS = 16
"""Longer labels end in an ellipsis."""

CODE = re.compile(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")

UNFIT = ("Last Resort", "Emoji", "STIX", "cmr", "cmb", "cmex", "cmmi", "cmss", "cmsy", "cmtt")
"""Fonts of boxes, coloured bitmaps and formulas, which are not used for text."""


def readable(text: str, most: int | None = None) -> str:
    """A token's text for drawing: white space as symbols, characters without an installed font as code points.

    most: longer texts are cut and end in an ellipsis.
    """
    bare = text.strip() or text[:1] or " "
    cut = bare if most is None or len(bare) <= most else bare[: most - 1] + "…"
    lacking = _lacking(cut)
    drawn = "".join(SIGNS.get(c, c) if cut.isspace() or c in "\n\r\t" else _drawn(c, lacking) for c in cut)
    # Code points are long, so the text is cut again where they replace characters.
    return drawn if most is None or len(drawn) <= most + 2 else drawn[: most - 1].rpartition("\\")[0] + "…"


def letter(artist: Artist) -> bool:
    """Sets the fonts of every text of a figure or an Axes; returns whether code points are drawn."""
    coded = False
    for text in artist.findobj(Text):
        content = encodable(text.get_text())
        text.set_text(content)
        coded |= bool(CODE.search(content))
        if not content.isascii() and not text.get_usetex():
            family = text.get_fontfamily()
            more = _fonts(_beyond(content, tuple(family)), len(fontManager.ttflist))
            text.set_fontfamily([*family, *more])
    return coded


def width(text: str) -> int:
    """Width of a text in columns: wide East Asian characters count two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def right_to_left(text: str) -> bool:
    """Whether most letters of a text are Arabic, Hebrew or of another right-to-left script."""
    letters = [unicodedata.bidirectional(c) for c in text if c.isalpha()]
    return 2 * sum(kind in ("R", "AL") for kind in letters) > len(letters)


def _drawn(character: str, lacking: frozenset[str]) -> str:
    invisible = unicodedata.category(character) in ("Cf", "Cc", "Cs", "Co", "Cn")
    if not invisible and character not in lacking:
        return character
    return "" if character in "\u200c\u200d\u200e\u200f" else ascii(character)[1:-1]


def _lacking(text: str) -> frozenset[str]:
    """The characters of a text that no installed font has."""
    beyond = _beyond(text, tuple(rcParams["font.family"]))
    if not beyond:
        return beyond
    families = _fonts(beyond, len(fontManager.ttflist))
    return beyond.difference(*(_characters(findfont(FontProperties(family=[name]))) for name in families))


def _beyond(text: str, family: tuple[str, ...]) -> frozenset[str]:
    """The characters of a text that its own font lacks."""
    if text.isascii():
        return frozenset()
    covered = _characters(findfont(FontProperties(family=list(family))))
    return frozenset(c for c in text if not c.isspace()) - covered


@cache
def _fonts(characters: frozenset[str], _installed: int) -> tuple[str, ...]:
    """Installed families that together have as many of these characters as possible.

    _installed: the number of installed fonts, so that the cache notices one that is added later.
    """
    names, left = [], characters
    for entry in sorted(_candidates(), key=_order) if characters else ():
        covered = left & _characters(entry.fname)
        if covered:
            names.append(entry.name)
            left -= covered
        if not left:
            break
    return tuple(names)


def _candidates() -> list[FontEntry]:
    """One upright face of regular weight per family, if it has one."""
    fonts = [f for f in fontManager.ttflist if not any(word in f.name for word in UNFIT)]
    regular = [f for f in fonts if f.style == "normal" and f.weight in (400, "regular", "normal", "book")]
    return list({entry.name: entry for entry in regular}.values())


def _order(entry: FontEntry) -> tuple[bool, bool, str]:
    """Plain sans-serif families first, then by name, so that the choice is the same every time."""
    return "Sans" not in entry.name, "Mono" in entry.name or "Serif" in entry.name, entry.name


@cache
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font file that FreeType cannot read
        return frozenset()
