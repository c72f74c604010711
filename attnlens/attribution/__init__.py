"""Attributions: importance of each token or pixel for one target, with the method's own estimated error."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._compare_methods import Explanation, compare_baselines, compare_methods
from ._registry import Method, MethodNames, MethodScores, method
from ._relevance import gradient_rollout, relevance
from ._result import Attribution, ImageAttribution, TextAttribution
from ._target import Target
from .image import _methods as _image_methods  # noqa: F401 - declares the methods for images
from .text import _methods as _text_methods  # noqa: F401 - declares those for texts

if TYPE_CHECKING:
    from ._integrated_gradients import AdaptiveIntegratedGradients as AdaptiveIntegratedGradients
    from ._integrated_gradients import ErrorEstimate as ErrorEstimate
    from ._integrated_gradients import SequentialIntegratedGradients as SequentialIntegratedGradients
    from .image._cam import LayerGradCamPlusPlus as LayerGradCamPlusPlus

_CHILDREN_OF_CAPTUM = {
    "AdaptiveIntegratedGradients": "._integrated_gradients",
    "ErrorEstimate": "._integrated_gradients",
    "LayerGradCamPlusPlus": ".image._cam",
    "SequentialIntegratedGradients": "._integrated_gradients",
}
"""These load Captum and are imported on first use."""

METHODS = MethodNames("text")
"""Names of the methods for texts: the values of `method=` in `TextLens.attribute`."""

IMAGE_METHODS = MethodNames("image")
"""Names of the methods for images: the values of `method=` in `ImageLens.attribute`."""

__all__ = [
    *_CHILDREN_OF_CAPTUM,
    "IMAGE_METHODS",
    "METHODS",
    "Attribution",
    "Explanation",
    "ImageAttribution",
    "Method",
    "MethodScores",
    "Target",
    "TextAttribution",
    "compare_baselines",
    "compare_methods",
    "gradient_rollout",
    "method",
    "relevance",
]


def __getattr__(name: str) -> Any:
    if name in _CHILDREN_OF_CAPTUM:
        return getattr(import_module(_CHILDREN_OF_CAPTUM[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
