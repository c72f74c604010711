"""Intervals and tests of an audit, by scipy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..analysis._moments import RunningMoments

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
"""Bins of the calibration."""

TOGETHER = 10**7
"""Draws of the bootstrap that are in memory at once."""

MOST_DRAWN = 20_000
"""Values up to which the bootstrap draws; of more, its interval is that of the normal distribution."""


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share by Wilson (1927); the whole range for no case."""
    from scipy.stats import binomtest

    if not count:
        return 0.0, 1.0
    interval = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def corrected(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """P values corrected for their number by Benjamini and Hochberg (1995); NaN stays and does not count."""
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=float)
    known = ~np.isnan(p)
    if known.any():
        p = p.copy()
        p[known] = false_discovery_control(p[known])
    return p


def welch(
    first: RunningMoments, second: RunningMoments
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each column: (mean of the first, of the second, difference in pooled standard deviations, p of Welch's test).

    A column with fewer than two cases on a side is NaN.
    """
    from scipy.stats import ttest_ind_from_stats

    sides = first, second
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without cases
        a, b = (np.where(side.count > 1, side.mean, np.nan) for side in sides)
        squares = sum((side.count - 1) * side.std**2 for side in sides)
        pooled = np.sqrt(squares / (first.count + second.count - 2))
        p = ttest_ind_from_stats(
            a, first.std, first.count, b, second.std, second.count, equal_var=False
        ).pvalue
        return a, b, np.where(pooled > 0, (b - a) / pooled, np.nan), np.where(pooled > 0, p, np.nan)


def resampled_means(values: np.ndarray, seed: int = 0, times: int = 1000) -> tuple[float, float]:
    """The 95% interval of a mean by the percentile bootstrap (Efron 1979); values: one per input."""
    if len(values) > MOST_DRAWN:
        width = 1.959964 * values.std() / np.sqrt(len(values))
        return float(values.mean() - width), float(values.mean() + width)
    generator, count = np.random.default_rng(seed), len(values)
    step = max(1, TOGETHER // count)
    draws = (generator.integers(0, count, (min(step, times - at), count)) for at in range(0, times, step))
    means = np.concatenate([values[some].mean(1) for some in draws])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def calibration_table(confidence: np.ndarray, correct: np.ndarray) -> pd.DataFrame:
    """Confidence beside accuracy in ten bins, as `Audit.calibration`; both `[input]`."""
    import pandas as pd

    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for number in range(BINS):
        here = which == number
        if here.any():
            interval = share_interval(int(correct[here].sum()), int(here.sum()))
            means = float(confidence[here].mean()), float(correct[here].mean())
            rows.append((number / BINS, (number + 1) / BINS, int(here.sum()), *means, *interval))
    names = ["low", "high", "inputs", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    frame = pd.DataFrame(rows, columns=names)
    apart = (frame["confidence"] - frame["accuracy"]).abs()
    frame.attrs["ece"] = float((apart * frame["inputs"]).sum() / frame["inputs"].sum())
    return frame
