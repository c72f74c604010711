"""What several files of tests build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import attnlens as al


def in_float64(makers: Mapping[str, Callable[[], al.Lens]]) -> Callable[[str], al.Lens]:
    """Lenses by name, each made once, whose models compute in float64."""

    @cache
    def lens(name: str) -> al.Lens:
        made = makers[name]()
        made.model.double()
        return made

    return lens
