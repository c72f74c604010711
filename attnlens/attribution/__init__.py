"""What made the model decide: importance per token or pixel for one target, with the method's own error."""

from .ablation import Ablation, ablate
from .explain import Explanation, compare_baselines, compare_methods
from .relevance import gradient_rollout, relevance
from .result import Attribution, ImageAttribution, TextAttribution
from .text import METHODS, attribute_text

__all__ = [
    "METHODS",
    "Ablation",
    "Attribution",
    "Explanation",
    "ImageAttribution",
    "TextAttribution",
    "ablate",
    "attribute_text",
    "compare_baselines",
    "compare_methods",
    "gradient_rollout",
    "relevance",
]
