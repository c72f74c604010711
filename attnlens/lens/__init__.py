"""A lens: a model together with its tokenizer or image processor, what one asks questions of.

`load` finds a model by name; `Lens(model, processor)` takes one in hand. The same two calls work on either:
`lens.trace(input)` for what attends to what, `lens.attribute(input)` for what made the model decide.
"""

from ._image import ImageLens
from ._lens import Lens
from ._text import TextLens

__all__ = ["ImageLens", "Lens", "TextLens"]
