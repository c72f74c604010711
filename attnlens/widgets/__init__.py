"""Interactive views for notebooks: the Python half of each; the browser half is TypeScript, in `widgets/src`.

A view is a widget of ipywidgets. What is selected and how it is drawn are traits that Python observes and sets;
weights cross once, as bytes.
"""

from .attention import AttentionView
from .compare import CompareView
from .explorer import Explorer
from .heads import HeadsView
from .patches import PatchView
from .tokens import TokensView

__all__ = ["AttentionView", "CompareView", "Explorer", "HeadsView", "PatchView", "TokensView"]
