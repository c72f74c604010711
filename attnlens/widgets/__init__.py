"""Interactive views for notebooks: the Python half of each; the browser half is TypeScript, in `widgets/src`.

A view is an ipywidgets widget. Its selection and the way it is drawn are traits that Python observes and sets;
weights are sent once, as bytes.
"""

from ._attention import AttentionView
from ._compare import CompareView
from ._explorer import Explorer
from ._heads import HeadsView
from ._patches import PatchView
from ._tokens import TokensView

__all__ = ["AttentionView", "CompareView", "Explorer", "HeadsView", "PatchView", "TokensView"]
