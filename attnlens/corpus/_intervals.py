"""Intervals and tests of an audit, by scipy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

TOGETHER = 10**7
"""Draws of the bootstrap that are in memory at once."""


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson (1927); the whole range for no case."""
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


def welch(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each column: (mean of the first, of the second, difference in pooled standard deviations, p of Welch's test).

    first, second: `[case, column]`; NaN is left out, and a column with fewer than two cases on a side is NaN
    """
    from scipy.stats import ttest_ind_from_stats

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without cases
        counts = [(~np.isnan(side)).sum(0) for side in (first, second)]
        a, b = (
            np.where(count > 1, np.nanmean(side, 0), np.nan) for side, count in zip((first, second), counts)
        )
        std_a, std_b = (np.nanstd(side, 0, ddof=1) for side in (first, second))
        squares = [(count - 1) * std**2 for count, std in zip(counts, (std_a, std_b))]
        pooled = np.sqrt(sum(squares) / (sum(counts) - 2))
        p = ttest_ind_from_stats(a, std_a, counts[0], b, std_b, counts[1], equal_var=False).pvalue
        return a, b, np.where(pooled > 0, (b - a) / pooled, np.nan), np.where(pooled > 0, p, np.nan)


def resampled_means(values: np.ndarray, seed: int = 0, times: int = 1000) -> tuple[float, float]:
    """The 95 % interval of a mean by the percentile bootstrap (Efron 1979); values: one per input."""
    generator, count = np.random.default_rng(seed), len(values)
    step = max(1, TOGETHER // count)
    draws = (generator.integers(0, count, (min(step, times - at), count)) for at in range(0, times, step))
    means = np.concatenate([values[some].mean(1) for some in draws])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
