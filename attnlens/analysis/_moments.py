"""Means and standard deviations of arrays that come one after the other."""

from __future__ import annotations

import numpy as np


class RunningMoments:
    """Mean and sample standard deviation of arrays that are added one by one, or many at once; NaN does not count.

    Two of them are merged by `merge`, whatever was added to each.
    Source: Chan, Golub, LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances".
    """

    def __init__(self, shape: int | tuple[int, ...]):
        self._count, self._mean, self._squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def add(self, numbers: np.ndarray) -> None:
        self.add_all(numbers[None])

    def add_all(self, numbers: np.ndarray) -> None:
        """Adds arrays `[input, ...]`."""
        known = ~np.isnan(numbers)
        count = known.sum(0)
        mean = np.where(known, numbers, 0.0).sum(0) / np.maximum(count, 1)
        squares = np.where(known, numbers - mean, 0.0)
        self._add(count, mean, (squares**2).sum(0))

    def merge(self, other: RunningMoments) -> None:
        """Adds what was added to the other."""
        self._add(other._count, other._mean, other._squares)

    def _add(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        total = self._count + count
        apart = mean - self._mean
        share = count / np.maximum(total, 1)
        self._squares += squares + apart**2 * self._count * share
        self._mean += apart * share
        self._count = total

    @property
    def count(self) -> np.ndarray:
        """How many numbers were added, int64."""
        return self._count.astype(np.int64)

    @property
    def mean(self) -> np.ndarray:
        """The mean; NaN where there was no number."""
        return np.where(self._count > 0, self._mean, np.nan)

    @property
    def std(self) -> np.ndarray:
        """The sample standard deviation, with count - 1; NaN for fewer than two numbers."""
        return np.where(self._count > 1, np.sqrt(self._squares / np.maximum(self._count - 1, 1)), np.nan)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of the mean by Student's t; NaN for fewer than two numbers."""
        return mean_interval(self._count, self.mean, self.std**2, level)


def mean_interval(
    count: np.ndarray, mean: np.ndarray, variance: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of means by Student's t; variance: of the sample. NaN for fewer than two values."""
    from scipy.stats import t

    error = np.sqrt(np.maximum(variance, 0) / np.maximum(count, 1))
    reach = np.where(count > 1, t.ppf((1 + level) / 2, np.maximum(count - 1, 1)) * error, np.nan)
    return mean - reach, mean + reach
