"""Which pattern a head follows on a data set, beside the same model with randomised parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import COLUMNS, head_stats
from ..analysis._moments import RunningMoments
from ..analysis._patterns import PATTERNS
from ..evaluation._sanity import randomise, restored

if TYPE_CHECKING:
    import pandas as pd

    from ..lens import Lens

LEVEL = 0.05
"""Of all intervals together, and the share of heads of a randomised model that may get a label."""

MODELS, HELD_OUT = 20, 5
"""Randomised models by which limits are set, at least, and those on which they are tried. Of models with few heads
there are more: a head of another one exceeds the limit of some pattern with a probability of at most LEVEL."""

INDEX = [list(COLUMNS).index(pattern) for pattern in PATTERNS]


def randomised_means(
    lens: Lens, inputs: Sequence[Any], heads: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means of the patterns over the inputs, in randomised models: (of those that set limits, of those held out), both
    float64 `[model, head, pattern]`. The parameters are restored, bit for bit."""
    models = max(MODELS, math.ceil(len(PATTERNS) / LEVEL / heads))
    means = np.stack(list(_means(lens, inputs, range(seed, seed + models + HELD_OUT))))
    return means[:models], means[models:]


def _means(lens: Lens, inputs: Sequence[Any], seeds: range) -> Iterator[np.ndarray]:
    names = [name for name, _ in lens.model.named_parameters()]
    with restored(lens.model):
        for seed in seeds:
            randomise(lens.model, names, seed)
            yield head_stats(lens, inputs)[[*PATTERNS]].to_numpy()


def head_labels(
    heads: pd.DataFrame, moments: RunningMoments, limiting: np.ndarray, held_out: np.ndarray
) -> pd.DataFrame:
    """The pattern of each head: `pattern` ("" for none), `score`, `low`, `high`, `limit` and `also`.

    heads: layer and head of each; moments: of the statistics, `[head, column]`, first those of `COLUMNS`; limiting,
    held_out: `randomised_means`
    """
    import pandas as pd

    limits = np.nanmax(np.where(np.isnan(limiting), -np.inf, limiting), (0, 1))
    mean = moments.mean[:, INDEX]
    low, high = (end[:, INDEX].clip(0, 1) for end in moments.interval(1 - LEVEL / mean.size))
    follows = low > limits  # NaN does not
    names = list(PATTERNS)
    # the first key, where it is special, is that of the class token
    follows[:, names.index("first")] &= np.isnan(mean[:, names.index("class")])
    excess = np.where(follows, mean - limits, -np.inf)
    rows = []
    for head, order in enumerate(np.argsort(-excess, axis=1, kind="stable").tolist()):
        first, *others = [names[at] for at in order if follows[head, at]] or [""]
        at = order[0]
        numbers = (mean[head, at], low[head, at], high[head, at], limits[at]) if first else [np.nan] * 4
        rows.append((first, *numbers, ", ".join(others)))
    frame = heads.join(pd.DataFrame(rows, columns=["pattern", "score", "low", "high", "limit", "also"]))
    frame.attrs["randomised"] = float((held_out > limits).any(-1).mean())
    return frame
