"""Recording the attention of a running model: `capture`, and the `Recording` that it returns.

`handwritten/` recognises attention that is written out as a softmax and a matrix product.
"""

from ._calls import Call, Reduced
from ._capture import capture
from ._layout import QueryChunk
from ._masks import Mask
from ._recording import Recording
from ._value_path import ValuePath
from ._verification import Check, Evidence
from .handwritten._provenance import AxisPart

__all__ = [
    "AxisPart",
    "Call",
    "Check",
    "Evidence",
    "Mask",
    "QueryChunk",
    "Recording",
    "Reduced",
    "ValuePath",
    "capture",
]
