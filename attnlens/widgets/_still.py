"""The picture beside a live view, for where no widget is shown: GitHub, nbconvert, a notebook without its kernel's
extension."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 60_000
"""Bytes of a picture: a notebook keeps one for every view that was shown."""

SHARPNESS = (110, 90, 72, 55, 40)
"""Dots per inch, tried until a picture is small enough."""


def beside(bundle: Any, figure: Callable[[], Figure], text: str) -> Any:
    """A MIME bundle of a widget with a PNG and a text; without the PNG where the figure cannot be drawn."""
    if bundle is None:
        return None
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    data = {**data, "text/plain": text}
    try:
        picture = png(figure())
    except Exception:  # the live view is what was asked for: it is shown whatever becomes of its picture
        picture = None
    if picture is not None:
        data["image/png"] = picture
    return (data, metadata) if isinstance(bundle, tuple) else data


def png(figure: Figure) -> bytes | None:
    """A figure as a PNG of at most LARGEST bytes, in 256 colours where it needs them; None where none is so small."""
    from PIL import Image

    for dpi in SHARPNESS:
        written = io.BytesIO()
        figure.savefig(written, format="png", dpi=dpi, bbox_inches="tight")
        if written.tell() <= LARGEST:
            return written.getvalue()
        reduced = io.BytesIO()
        picture = Image.open(written).convert("RGB")
        picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
        picture.save(reduced, format="png", optimize=True)
        if reduced.tell() <= LARGEST:
            return reduced.getvalue()
    return None
