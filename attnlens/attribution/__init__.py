"""What made the model decide: importance per token or pixel for one target, with the method's own error."""

from .ablation import Ablation, ablate
from .agreement import agreement
from .diagnosis import Diagnosis, debug
from .explain import Explanation, compare_baselines, compare_methods
from .faithfulness import Curves, curves, faithfulness
from .images import METHODS as IMAGE_METHODS
from .images import attribute_image
from .infidelity import infidelity, sensitivity
from .relevance import gradient_rollout, relevance
from .result import Attribution, ImageAttribution, TextAttribution
from .sanity import sanity_check
from .text import METHODS, attribute_text

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "Ablation",
    "Attribution",
    "Curves",
    "Diagnosis",
    "Explanation",
    "ImageAttribution",
    "TextAttribution",
    "ablate",
    "agreement",
    "attribute_image",
    "attribute_text",
    "compare_baselines",
    "compare_methods",
    "curves",
    "debug",
    "faithfulness",
    "gradient_rollout",
    "infidelity",
    "relevance",
    "sanity_check",
    "sensitivity",
]
