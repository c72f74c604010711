"""Static figures. Each function returns a finished matplotlib Figure; save it with `figure.savefig`.

| function | figure |
| --- | --- |
| `head(trace, layer, head)` | one head as a matrix |
| `lines(trace, layer, head)` | heads as lines between tokens |
| `heads(trace, layer)` | every head of a layer |
| `grid(trace)` | every head of every layer as a thumbnail |
| `average(trace)` | the mean over the heads of one layer or of all layers |
| `row(trace, token)` | the attention of one token, layer by layer |
| `rollout(trace)` | the composition of one position after all layers |
| `tokens(attribution)` | an attribution as coloured text |
| `pixels(attribution)` | an attribution over its picture |
| `attributions(several)` | methods, baselines or targets side by side, of a text or an image |
| `patches(trace)`, `layers(trace)` | the attention of a position of a vision model, over the image |
| `stats(frame, metric)` | a statistic of every head |
| `faithfulness(curves)` | the deletion and insertion curves of attributions beside random orders |
| `head_map(distance)` | heads as points: close ones attend to the same tokens |
| `compare(comparison)` | which heads changed between two traces, and how |

Every function takes `figsize=` in inches; those that draw one panel take `ax=` and draw into it. Weights, scores and
statistics are drawn in other colours by `cmap=`, a colour map of matplotlib or its name.
"""

from ._attributions import attributions, pixels
from ._curves import faithfulness
from ._images import layers, patches
from ._lines import lines
from ._matrices import average, grid, head, heads, row
from ._style import MOST_LABELS, SIGNED, WEIGHTS
from ._summaries import compare, head_map, stats
from ._texts import rollout, tokens

__all__ = [
    "attributions", "average", "compare", "faithfulness",
    "grid", "head", "head_map", "heads", "layers", "lines", "patches", "pixels",
    "rollout", "row", "stats", "tokens", "MOST_LABELS", "SIGNED", "WEIGHTS",
]  # fmt: skip
