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

FEWER_PIXELS = 0.6
"""Share of a side down to which a picture has fewer pixels rather than fewer than 256 colours, which would show."""

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
    if len(written := _written(whole)) <= LARGEST:
        return written
    for colours, least in ((256, FEWER_PIXELS), (32, BLUNTEST / dpi)):
        share = 1.0
        while share >= least:
            smaller = whole.resize([round(share * side) for side in whole.size], Image.Resampling.LANCZOS)
            if len(written := _written(_reduced(smaller, colours))) <= LARGEST:
                return written
            share *= min(0.9, 0.92 * math.sqrt(LARGEST / len(written)))
    return None


def _reduced(picture: Image.Image, colours: int) -> Image.Image:
    """Of many colours those nearest to most pixels; of few some for every part, so that no hue is lost."""
    method = Image.Quantize.MEDIANCUT if colours > 32 else Image.Quantize.MAXCOVERAGE
    return picture.quantize(colours, method, dither=Image.Dither.NONE)


def _written(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="png")
    return file.getvalue()
