"""attnlens opens up Transformer models: which token attended to which, and what made the model decide.

    import attnlens as al

    lens = al.load("sentiment")                    # a lens: a model with its tokenizer or image processor
    trace = lens.trace("a gripping , funny film")  # a trace: tokens, logits, one attention per layer
    trace[3, 5]                                    # Tensor [query, key]
    lens.attribute("a gripping , funny film")      # an attribution: a score per token, and its own error

What stands here is what most people need; each group holds the rest:

- a model: `load`, `Lens`; the embedded ones in `models`
- what it did: `Trace`, with its parts in `data`; `capture` records any torch module
- its attention: `rollout`, `head_stats`, `compare`, and `analysis` for flow, norms, distances between heads, patterns
- what made it decide: `Attribution`, from `lens.attribute` and `lens.explain`; `attribution` for relevance and for
  methods, baselines or targets beside each other; `debug` reports on one input
- whether that is true: `faithfulness`, and `evaluation` for agreement, infidelity, sensitivity and the sanity check
- what heads are good for: `ablate`
- a whole data set: `audit` of a classifier, `head_pages` of what every head does; `corpus` for a probe of every input
- views for notebooks: `HeadsView`, `AttentionView`, `CompareView`, `PatchView`, `TokensView`; all of them linked:
  `Explorer`, which `app` serves as a web page
- static figures: `plots`; one self-contained HTML page: `report`; BertViz's own views of any trace: `bertviz`
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
    "load": "_loading",
    "Lens": "lens",
    "Trace": "data",
    "capture": "recorder",
    **dict.fromkeys(("rollout", "head_stats", "compare"), "analysis"),
    "Attribution": "attribution",
    "debug": "diagnosis",
    **dict.fromkeys(("audit", "head_pages"), "corpus"),
    "faithfulness": "evaluation",
    "ablate": "circuits",
    **dict.fromkeys(
        ("HeadsView", "AttentionView", "CompareView", "PatchView", "TokensView", "Explorer"), "widgets"
    ),
    "app": "_app",
    "report": "reporting",
}
_GROUPS = (
    "analysis",
    "attribution",
    "bertviz",
    "circuits",
    "corpus",
    "data",
    "diagnosis",
    "evaluation",
    "lens",
    "models",
    "plots",
    "recorder",
    "widgets",
)

__all__ = ["AttnlensError", "errors", *_HOMES, *_GROUPS]

# "as" says to a type checker that the names are public.
if TYPE_CHECKING:
    from . import analysis as analysis
    from . import attribution as attribution
    from . import bertviz as bertviz
    from . import circuits as circuits
    from . import corpus as corpus
    from . import data as data
    from . import diagnosis as diagnosis
    from . import evaluation as evaluation
    from . import lens as lens
    from . import models as models
    from . import plots as plots
    from . import recorder as recorder
    from . import widgets as widgets
    from ._app import app as app
    from ._loading import load as load
    from .analysis import compare as compare
    from .analysis import head_stats as head_stats
    from .analysis import rollout as rollout
    from .attribution import Attribution as Attribution
    from .circuits import ablate as ablate
    from .corpus import audit as audit
    from .corpus import head_pages as head_pages
    from .data import Trace as Trace
    from .diagnosis import debug as debug
    from .evaluation import faithfulness as faithfulness
    from .lens import Lens as Lens
    from .recorder import capture as capture
    from .reporting import report as report
    from .widgets import AttentionView as AttentionView
    from .widgets import CompareView as CompareView
    from .widgets import Explorer as Explorer
    from .widgets import HeadsView as HeadsView
    from .widgets import PatchView as PatchView
    from .widgets import TokensView as TokensView


def __getattr__(name: str) -> Any:
    if name in _GROUPS:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_elsewhere(name)}")


def _elsewhere(name: str) -> str:
    """The group that has a name, for the error about one that is not at the top level."""
    if name.startswith("_"):
        return ""
    homes = [
        group for group in _GROUPS if name in getattr(import_module(f".{group}", __name__), "__all__", ())
    ]
    return f"; it is {__name__}.{homes[0]}.{name}" if homes else ""


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
