"""The one palette, `palette.json`: colours by their role and colour maps by their stops.

Figures, the terminal, HTML and the views read it; the browser half inlines it when it is built. The file says what each
role means.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _palette() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "palette.json").read_text(encoding="utf-8"))


FAINTEST = 0.005
"""Share of the strongest score up to which a colour is that of zero: beyond it what opposes is underlined, too."""


def colour(role: str, theme: str = "light") -> str:
    """A colour by its role, as "#rrggbb"; theme: "light" or "dark"."""
    return _palette()[theme][role]


def ink(dark: bool) -> str:
    """The colour of text on a dark colour, or on a light one."""
    return _palette()["inks"]["on_dark" if dark else "on_light"]


def stops(name: str, theme: str = "light") -> list[str]:
    """The colours of a map, evenly spaced: "attention", "signed", "unsigned", "heat" or "layers"."""
    return list(_palette()["maps"][name][theme])


def head_colour(head: int, theme: str = "light") -> str:
    """A head's own colour, as in every view and figure."""
    colours = _palette()["heads"][theme]
    return colours[head % len(colours)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb", each from 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
