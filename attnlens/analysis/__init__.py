"""Pure functions of a trace: they run no model, use no widget, and never compute all weights at once."""

from ._axis_tokens import InputTokens
from ._by_offset import attention_by_offset
from ._class_means import CLASSES, attention_by_class, token_classes
from ._compare import Comparison, compare
from ._distance import cluster_heads, head_distance, layer_similarity, map_heads, nearest_heads
from ._flow import flow
from ._head_columns import COLUMNS, HeadColumns
from ._head_stats import head_stats
from ._model_comparison import ModelComparison
from ._norms import norms
from ._patterns import find_heads
from ._rollout import fuse, rollout
from ._token_pairs import token_pairs
from ._top_weights import top_weights

__all__ = [
    "CLASSES",
    "COLUMNS",
    "HeadColumns",
    "InputTokens",
    "Comparison",
    "ModelComparison",
    "attention_by_class",
    "attention_by_offset",
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
    "token_classes",
    "token_pairs",
    "top_weights",
]
