"""The picture beside a live view, for where no widget is shown: GitHub, nbconvert, a notebook without its kernel's
extension."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import AttnlensError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 60_000
"""Bytes of a picture: a notebook keeps one for every view that was shown."""

SHARPEST, BLUNTEST = 110, 40
"""Dots per inch: at most, and where a picture that is still too large is given up."""

COLOURS = (256, 32)
"""Numbers of colours, tried in turn where a picture in all of them is too large."""

LONGEST_SIDE = 1400
"""Pixels, about: a notebook's page is less wide."""

MOST_WEIGHTS = 1 << 26
"""Weights that a picture may read: the view itself is shown at once, and its picture must not delay it."""


def beside(bundle: Any, figure: Callable[[], Figure], text: str, weights: int) -> Any:
    """A MIME bundle of a widget with a PNG and a text.

    Without the PNG where the figure cannot be drawn, or reads too many weights.
    """
    if bundle is None:
        return None
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    data = {**data, "text/plain": text}
    picture = _picture(figure) if weights <= MOST_WEIGHTS else None
    if picture is not None:
        data["image/png"] = picture
    return (data, metadata) if isinstance(bundle, tuple) else data


def _picture(figure: Callable[[], Figure]) -> bytes | None:
    """The PNG, None where there is none: the live view is what was asked for, and is shown whatever becomes of it."""
    try:
        return png(figure())
    except AttnlensError:  # there is nothing to draw
        return None
    except Exception as error:
        warnings.warn(
            f"the view has no picture beside it: {type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=4,
        )
        return None


def png(figure: Figure) -> bytes | None:
    """A figure as a PNG of at most LARGEST bytes, in fewer colours and pixels if it must be; None where that fails."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dpi = min(SHARPEST, LONGEST_SIDE / max(figure.get_size_inches()))
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    written = _written(whole)
    for colours in COLOURS:
        if len(written) > LARGEST:
            written = _written(_reduced(whole, colours))
    share = 1.0
    while len(written) > LARGEST:
        share *= min(0.9, 0.92 * math.sqrt(LARGEST / len(written)))
        if dpi * share < BLUNTEST:
            return None
        smaller = whole.resize([round(share * side) for side in whole.size], Image.Resampling.LANCZOS)
        written = _written(_reduced(smaller, COLOURS[-1]))
    return written


def _reduced(picture: Image.Image, colours: int) -> Image.Image:
    return picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def _written(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="png")
    return file.getvalue()
