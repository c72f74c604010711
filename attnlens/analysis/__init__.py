"""Pure functions of a trace: they run no model, know no widget, and never ask for all weights at once."""

from .rollout import fuse, rollout

__all__ = ["fuse", "rollout"]
