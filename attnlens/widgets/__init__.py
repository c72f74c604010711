"""Interactive views for notebooks: the Python half of each; the browser half is TypeScript, in `widgets/src`.

A view is a widget of ipywidgets. What is selected and how it is drawn are traits that Python observes and sets;
weights cross once, as bytes.
"""

from .attention import AttentionView
from .heads import HeadsView

__all__ = ["AttentionView", "HeadsView"]
