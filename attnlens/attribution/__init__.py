"""What made the model decide: importance per token or patch for one target, with the method's own error."""

from .text import METHODS, Attribution, attribute_text

__all__ = ["METHODS", "Attribution", "attribute_text"]
