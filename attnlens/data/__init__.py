"""The record of one input, as frozen data without the model: `Trace`, its layers, and the weights of each.

| object | what it is |
| --- | --- |
| `Trace` | tokens or patches, logits, and one attention per layer |
| `Layer` | an attention with the path of its module and its kind: "self", "cross" or "channel" |
| `Attention` | weights `[head, query, key]`, stored as `Weights`, as `Factors` or as `Windows` |
| `AttentionBatch` | one layer's attention for a padded batch, while the model runs |
| `Token`, `PatchGrid` | what the positions of a layer stand for |
| `Values` | the values of an attention, its output projection and residual stream |
| `Prediction` | label, class index and probability |
"""

from ._attention import Attention, Band, Factors, Weights, Windows
from ._batch import AttentionBatch
from ._trace import Layer, PatchGrid, Prediction, Token, Trace, Values

__all__ = [
    "Attention", "AttentionBatch", "Band", "Factors", "Layer", "PatchGrid", "Prediction", "Token", "Trace", "Values",
    "Weights", "Windows",
]  # fmt: skip
