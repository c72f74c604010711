"""Where attribution and attention lie in the pictures of a data set, and whether that is on the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._audit_rows import AuditRows
from ._intervals import resampled_means, share_interval
from ._picture_probe import GRID

if TYPE_CHECKING:
    import pandas as pd

MAPS = {"attribution": "scores", "attention": "class_attention"}
"""The maps of a picture, by their names: columns of the table, of 14 x 14 cells each."""


def map_table(rows: AuditRows, names: Sequence[str]) -> pd.DataFrame:
    """The mean maps of each predicted class, over right and over wrong predictions: `prediction`, `correct`, `inputs`,
    and arrays of 14 x 14 cells, `attribution` (for the predicted class) and `attention` (of the class token in the last
    layer, the mean of its heads); None where no picture has one.

    Each picture counts alike: its cells are divided by the sum of their absolute values.
    """
    import pandas as pd

    sums = {name: np.zeros((len(names), 2, GRID[0] * GRID[1])) for name in MAPS}
    counts = {name: np.zeros((len(names), 2), dtype=int) for name in MAPS}
    for table in rows.tables(["index", *MAPS.values()]):
        index, correct = table["index"].to_numpy(), table["correct"].to_numpy().astype(int)
        for name, column in MAPS.items():
            here = np.flatnonzero(table[column].is_valid().to_numpy())
            if len(here):
                cells = np.stack(table[column].to_numpy()[here]).astype(float)
                size = np.abs(cells).sum(1, keepdims=True)
                kind = index[here], correct[here]
                np.add.at(sums[name], kind, np.divide(cells, size, out=np.zeros_like(cells), where=size > 0))
                np.add.at(counts[name], kind, 1)
    pairs = np.stack(
        [np.bincount(rows.index[rows.correct == side], minlength=len(names)) for side in (0, 1)], 1
    )
    made = [
        (
            names[kind],
            bool(side),
            int(pairs[kind, side]),
            *(_mean(sums[n], counts[n], kind, side) for n in MAPS),
        )
        for kind, side in np.argwhere(pairs).tolist()
    ]
    frame = pd.DataFrame(made, columns=["prediction", "correct", "inputs", *MAPS])
    return frame.sort_values(
        ["prediction", "correct"], ascending=[True, False], kind="stable", ignore_index=True
    )


def _mean(sums: np.ndarray, counts: np.ndarray, kind: int, side: int) -> np.ndarray | None:
    count = counts[kind, side]
    return (sums[kind, side] / count).reshape(GRID) if count else None


def localization_table(rows: AuditRows) -> pd.DataFrame:
    """Whether the maps of pictures lie on the object: a row per map ("attribution", "attention") and predictions
    ("all", "right", "wrong").

    Columns: `inputs` with a mask; `chance`, the mean share of a picture that the mask covers; `pointing`, the share of
    pictures whose largest value lies in the mask (pointing game, Zhang et al. 2018, without a margin), with its 95%
    interval by Wilson; `energy`, the mean share of the positive values that lies in it (energy-based pointing game,
    Wang et al. 2020), with its 95% bootstrap interval. A map that knows nothing of the object has both at chance.
    """
    import pandas as pd

    prefixes = {"attribution": "", "attention": "attention_"}
    share = rows.column("mask_share").astype(float)
    made: list[dict[str, Any]] = []
    for name, prefix in prefixes.items():
        pointing = rows.column(f"{prefix}pointing").astype(float)
        energy = rows.column(f"{prefix}energy").astype(float)
        for which, chosen in (
            ("all", np.ones(len(rows), bool)),
            ("right", rows.correct),
            ("wrong", ~rows.correct),
        ):
            here = chosen & ~np.isnan(pointing)
            if here.any():
                made.append({"map": name, "predictions": which, **_localized(share, pointing, energy, here)})
    names = [
        "map", "predictions", "inputs", "chance", "pointing", "pointing_low", "pointing_high", "energy", "energy_low",
        "energy_high",
    ]  # fmt: skip
    return pd.DataFrame(made, columns=names)


def _localized(
    share: np.ndarray, pointing: np.ndarray, energy: np.ndarray, here: np.ndarray
) -> dict[str, Any]:
    hits, energy = int(pointing[here].sum()), energy[here & ~np.isnan(energy)]
    low, high = share_interval(hits, int(here.sum()))
    energies = resampled_means(energy) if len(energy) else (np.nan, np.nan)
    return {
        "inputs": int(here.sum()), "chance": share[here].mean(), "pointing": hits / here.sum(), "pointing_low": low,
        "pointing_high": high, "energy": energy.mean() if len(energy) else np.nan, "energy_low": energies[0],
        "energy_high": energies[1],
    }  # fmt: skip
