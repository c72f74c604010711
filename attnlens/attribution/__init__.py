"""What made the model decide: importance per token or pixel for one target, with the method's own error."""

from .ablation import Ablation, ablate
from .diagnosis import Diagnosis, debug
from .explain import Explanation, compare_baselines, compare_methods
from .images import METHODS as IMAGE_METHODS
from .images import attribute_image
from .relevance import gradient_rollout, relevance
from .result import Attribution, ImageAttribution, TextAttribution
from .text import METHODS, attribute_text

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "Ablation",
    "Attribution",
    "Diagnosis",
    "Explanation",
    "ImageAttribution",
    "TextAttribution",
    "ablate",
    "attribute_image",
    "attribute_text",
    "compare_baselines",
    "compare_methods",
    "debug",
    "gradient_rollout",
    "relevance",
]
