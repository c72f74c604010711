"""attnlens opens up Transformer models: which token looked at which, and what made the model decide.

    import attnlens as al

    lens = al.load("sentiment")                    # a lens: a model with its tokenizer or image processor
    trace = lens.trace("a gripping , funny film")  # a trace: tokens, logits, one attention per layer
    trace[3, 5]                                    # Tensor [query, key]
    lens.attribute("a gripping , funny film")      # an attribution: a score per token, and its own error

The kinds of object, and where each name comes from:

- lens: `load`, `Lens`, `TextLens`, `ImageLens`
- trace: `Trace`, `Token`, `PatchGrid`; its layers are `Attention` stored as `Weights` or `Factors`
- flow through the stack: `rollout`, `fuse`, `flow`, `norms` of a trace; `relevance`, `gradient_rollout` of a class
- one head: `head_stats`, `find_heads`
- heads beside heads: `head_distance` with `nearest_heads`, `cluster_heads`, `map_heads`, `layer_similarity`; `compare`
- what made the model decide: `Attribution`, from `lens.attribute`; `Explanation`, several beside each other, from
  `lens.explain`, `compare_methods` and `compare_baselines`; `debug`, a `Diagnosis` of one input; `ablate`
- whether it is true: `faithfulness`, `agreement`, `infidelity`, `sensitivity`, `sanity_check`
- views for notebooks: `HeadsView`, `AttentionView`, `CompareView`, `PatchView`, `TokensView`; all of them linked:
  `Explorer`
- the layer below, for any torch module: `capture`
- static figures: `plots`; all of it in one HTML file: `report`; BertViz's own views of any trace: `bertviz`
- errors: `errors`, all children of `AttnlensError`

Importing attnlens loads none of torch, transformers, matplotlib or pandas: each comes with the first name
that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .errors import AttnlensError

__version__ = "0.1.0"

_HOMES = {
    # lens
    "load": "lens",
    "Lens": "lens",
    "TextLens": "lens",
    "ImageLens": "lens",
    # trace
    "Trace": "trace",
    "Token": "trace",
    "PatchGrid": "trace",
    "Attention": "attention",
    "Weights": "attention",
    "Factors": "attention",
    # analysis
    **dict.fromkeys(("rollout", "fuse", "flow", "norms"), "analysis"),
    **dict.fromkeys(("head_stats", "find_heads"), "analysis"),
    **dict.fromkeys(("head_distance", "nearest_heads", "cluster_heads"), "analysis"),
    **dict.fromkeys(("map_heads", "layer_similarity", "compare", "Comparison"), "analysis"),
    # attribution
    **dict.fromkeys(("Attribution", "Explanation", "compare_methods", "compare_baselines"), "attribution"),
    **dict.fromkeys(
        ("faithfulness", "agreement", "infidelity", "sensitivity", "sanity_check"), "attribution"
    ),
    **dict.fromkeys(
        ("debug", "Diagnosis", "relevance", "gradient_rollout", "ablate", "Ablation"), "attribution"
    ),
    # widgets
    **dict.fromkeys(
        ("HeadsView", "AttentionView", "CompareView", "PatchView", "TokensView", "Explorer"), "widgets"
    ),
}
_MODULES = ("bertviz", "capture", "models", "plots", "report", "widgets")

__all__ = ["AttnlensError", "errors", *_HOMES, *_MODULES]

# "as" says to a type checker that the names are public. Functions that are called like the
# module or package that they are in come from there: it would take the module for them.
# isort: off
if TYPE_CHECKING:
    from . import bertviz as bertviz, models as models, plots as plots, widgets as widgets
    from .analysis import (
        Comparison as Comparison,
        cluster_heads as cluster_heads,
        find_heads as find_heads,
        fuse as fuse,
        head_distance as head_distance,
        head_stats as head_stats,
        layer_similarity as layer_similarity,
        map_heads as map_heads,
        nearest_heads as nearest_heads,
    )
    from .analysis.compare import compare as compare
    from .analysis.flow import flow as flow
    from .analysis.norms import norms as norms
    from .analysis.rollout import rollout as rollout
    from .attention import Attention as Attention, Factors as Factors, Weights as Weights
    from .attribution import (
        Ablation as Ablation,
        Attribution as Attribution,
        Diagnosis as Diagnosis,
        Explanation as Explanation,
        ablate as ablate,
        compare_baselines as compare_baselines,
        compare_methods as compare_methods,
        debug as debug,
        gradient_rollout as gradient_rollout,
        sanity_check as sanity_check,
        sensitivity as sensitivity,
    )
    from .attribution.agreement import agreement as agreement
    from .attribution.faithfulness import faithfulness as faithfulness
    from .attribution.infidelity import infidelity as infidelity
    from .attribution.relevance import relevance as relevance
    from .capture import capture as capture
    from .lens import ImageLens as ImageLens, Lens as Lens, TextLens as TextLens, load as load
    from .report import report as report
    from .trace import PatchGrid as PatchGrid, Token as Token, Trace as Trace
    from .widgets import (
        AttentionView as AttentionView,
        CompareView as CompareView,
        Explorer as Explorer,
        HeadsView as HeadsView,
        PatchView as PatchView,
        TokensView as TokensView,
    )
# isort: on


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
