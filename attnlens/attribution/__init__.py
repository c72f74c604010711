"""What made the model decide: importance per token or patch for one target, with the method's own error."""

from .ablation import Ablation, ablate
from .relevance import gradient_rollout, relevance
from .text import METHODS, Attribution, attribute_text

__all__ = ["METHODS", "Ablation", "Attribution", "ablate", "attribute_text", "gradient_rollout", "relevance"]
