"""How attention leaves a running model: `capture`, and what it recorded.

`handwritten/` holds what recognises attention that is written out as a softmax and a matrix product.
"""

from ._capture import capture
from ._layout import QueryChunk
from ._masks import Mask
from ._recording import Call, Recording
from ._value_path import ValuePath
from ._verification import Check, Evidence
from .handwritten._provenance import AxisPart

__all__ = ["AxisPart", "Call", "Check", "Evidence", "Mask", "ValuePath", "QueryChunk", "Recording", "capture"]
