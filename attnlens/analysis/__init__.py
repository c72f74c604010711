"""Pure functions of a trace: they run no model, know no widget, and never ask for all weights at once."""

from .compare import Comparison, compare
from .distance import cluster_heads, head_distance, layer_similarity, map_heads, nearest_heads
from .flow import flow
from .norms import norms
from .patterns import find_heads
from .rollout import fuse, rollout
from .stats import head_stats

__all__ = [
    "Comparison",
    "cluster_heads",
    "compare",
    "find_heads",
    "flow",
    "fuse",
    "head_distance",
    "head_stats",
    "layer_similarity",
    "map_heads",
    "nearest_heads",
    "norms",
    "rollout",
]
