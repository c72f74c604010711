"""Pure functions of a trace: they run no model, know no widget, and never ask for all weights at once."""

from .rollout import rollout

__all__ = ["rollout"]
