"""A lens: a model together with its tokenizer or image processor.

`al.load(name)` loads a model by name; `Lens(model, processor)` wraps a model in memory. Both have the same methods:
`lens.trace(input)` records the attention, `lens.attribute(input)` attributes a prediction to parts of the input.
"""

from ._image import ImageLens
from ._lens import Lens
from ._text import TextLens

__all__ = ["ImageLens", "Lens", "TextLens"]
