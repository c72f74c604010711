"""Summaries of columns of numbers that are read once, in constant memory, and merged: whatever was added to two of them
where, the merged one is that of all of it.

Source: Agarwal et al. 2012, "Mergeable Summaries".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..analysis._moments import RunningMoments

SKETCH = 400
"""k of the quantile sketches: their ranks are off by 0.7% at most, with a probability of 99%, and exact below k."""


class QuantileSketch:
    """Approximate quantiles of each column, by one KLL sketch of Apache DataSketches each; NaN does not count.

    `rank_error` is how far the rank of a quantile may be off, with a probability of 99%.
    Source: Karnin, Lang, Liberty 2016, "Optimal Quantile Approximation in Streams".
    """

    def __init__(self, columns: int, k: int = SKETCH):
        import datasketches

        self._sketches = datasketches.vector_of_kll_floats_sketches(k, columns)
        self.rank_error = datasketches.kll_floats_sketch.get_normalized_rank_error(k, False)

    def add_all(self, numbers: np.ndarray) -> None:
        """Adds rows `[row, column]`."""
        self._sketches.update(np.ascontiguousarray(numbers, dtype=np.float32))

    def merge(self, other: QuantileSketch) -> None:
        """Adds what was added to the other."""
        self._sketches.merge(other._sketches)

    def quantiles(self, ranks: Sequence[float]) -> np.ndarray:
        """Float64 `[rank, column]`; NaN for a column without numbers."""
        empty = np.asarray(self._sketches.is_empty())
        found = np.full((len(ranks), len(empty)), np.nan)
        filled = np.flatnonzero(~empty)
        if len(filled):
            found[:, filled] = np.asarray(self._sketches.get_quantiles(list(ranks), filled.tolist())).T
        return found


class TopRows:
    """The rows with the largest values of each column, the largest first; of equal values the earlier rows.

    values: float64 `[count, column]`, NaN where there are fewer; rows: int64, their numbers, -1 there
    """

    def __init__(self, count: int, columns: int):
        self.values, self.rows = np.full((count, columns), np.nan), np.full((count, columns), -1)

    def add_all(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Adds rows by their numbers `[row]` with values `[row, column]`; NaN does not count."""
        values = np.asarray(values, dtype=float)
        self._keep(np.where(np.isnan(values), -1, np.asarray(rows)[:, None]), values)

    def merge(self, other: TopRows) -> None:
        """Adds what was added to the other."""
        self._keep(other.rows, other.values)

    def _keep(self, rows: np.ndarray, values: np.ndarray) -> None:
        rows, values = np.concatenate([self.rows, rows]), np.concatenate([self.values, values])
        order = np.lexsort((rows, -values), axis=0)[: len(self.values)]  # NaN is last
        self.rows, self.values = np.take_along_axis(rows, order, 0), np.take_along_axis(values, order, 0)


def priorities(rows: np.ndarray, seed: int) -> np.ndarray:
    """A pseudorandom number of each row, float64 `[row]`: the rows with the largest ones are a sample without
    replacement, the same whatever the order and the parts in which they are read."""
    from pandas.util import hash_array

    return hash_array(np.asarray(rows, dtype=np.uint64) ^ hash_array(np.array([seed], np.uint64))).astype(
        float
    )


class ScoreSummary:
    """Means, spreads and quantiles of scores of heads over inputs; shape: of the scores of one input."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.moments, self._sketch = RunningMoments(shape), QuantileSketch(int(np.prod(shape)))

    def add_all(self, numbers: np.ndarray) -> None:
        """Adds inputs `[input, ...]`."""
        self.moments.add_all(numbers)
        self._sketch.add_all(numbers.reshape(len(numbers), int(np.prod(self.shape))))

    def merge(self, other: ScoreSummary) -> None:
        """Adds what was added to the other."""
        self.moments.merge(other.moments)
        self._sketch.merge(other._sketch)

    @property
    def rank_error(self) -> float:
        return self._sketch.rank_error

    def quantiles(self, ranks: Sequence[float]) -> np.ndarray:
        """Float64 `[rank, ...]`."""
        return self._sketch.quantiles(ranks).reshape(len(ranks), *self.shape)
