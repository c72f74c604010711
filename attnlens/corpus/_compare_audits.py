"""Two audits of the same data: what got better, and what broke."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ._audit import Audit
from ._audit_rows import MOST
from ._intervals import corrected, resampled_means

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class AuditComparison:
    """Two audits of the same inputs, before and after; tables are computed when they are first read."""

    before: Audit
    after: Audit

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError(
                "the audits have no input in common: compare_audits takes audits of the same data"
            )
        places = self.places
        changed = np.flatnonzero(_digests(self.before)[places[0]] != _digests(self.after)[places[1]])
        if len(changed):
            key = self.before.rows.at(places[0][changed[:1]], ["key"])["key"][0]
            raise InputError(
                f"input {key!r} has another text, picture or label in the second audit; compare audits of the same data"
            )

    def __len__(self) -> int:
        """How many inputs both have."""
        return len(self.places[0])

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """`[input]` each: the places in `before.rows` and `after.rows` of the inputs that both have, by key."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = [pa.chunked_array(table["key"] for table in one.rows.tables(["key"])) for one in self._sides]
        if keys[0].type != keys[1].type:  # numbers of rows, and values of a column
            return np.zeros((2, 0), dtype=int)
        other = pc.index_in(keys[0], value_set=keys[1].combine_chunks())
        return np.flatnonzero(other.is_valid().to_numpy()), other.drop_null().to_numpy().astype(int)

    @property
    def _sides(self) -> tuple[Audit, Audit]:
        return self.before, self.after

    @property
    def _correct(self) -> tuple[np.ndarray, np.ndarray]:
        """bool `[input]`, before and after."""
        return self.before.rows.correct[self.places[0]], self.after.rows.correct[self.places[1]]

    @property
    def difference(self) -> tuple[float, float, float]:
        """(accuracy after minus before, and its 95% interval by the paired bootstrap)."""
        before, after = self._correct
        change = after.astype(float) - before
        return (float(change.mean()), *resampled_means(change))

    @property
    def p(self) -> float:
        """That as many inputs got better as got worse: McNemar's exact test (1947)."""
        from scipy.stats import binomtest

        fixed, broken = self.counts
        return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0

    @property
    def counts(self) -> tuple[int, int]:
        """How many inputs were fixed, and how many broken."""
        before, after = self._correct
        return int((after & ~before).sum()), int((before & ~after).sum())

    @cached_property
    def fixed(self) -> pd.DataFrame:
        """Inputs that were wrong and are right, the most confident first, at most 10,000: key, input, label, and
        prediction, probability, loss and correct of both (`prediction_before`, `prediction_after`, ...)."""
        return self._changed("fixed")

    @cached_property
    def broken(self) -> pd.DataFrame:
        """Inputs that were right and are wrong, as `fixed`."""
        return self._changed("broken")

    def changed_places(self, how: str) -> tuple[np.ndarray, np.ndarray]:
        """The places in `before.rows` and in `after.rows` of `fixed` or of `broken`."""
        before, after = self._correct
        chosen = np.flatnonzero(after & ~before if how == "fixed" else before & ~after)
        order = np.argsort(-self.after.rows.probability[self.places[1][chosen]], kind="stable")[:MOST]
        return self.places[0][chosen[order]], self.places[1][chosen[order]]

    def _changed(self, how: str) -> pd.DataFrame:
        names = ["prediction", "probability", "loss", "correct"]
        before, after = (
            one.rows.at(places, ["key", "input", "label", *names])
            for one, places in zip(self._sides, self.changed_places(how))
        )
        same = before[["key", "input", "label"]]
        return same.join(before[names]).join(after[names], lsuffix="_before", rsuffix="_after")

    @cached_property
    def by_slice(self) -> pd.DataFrame:
        """The same by slice, what broke most first: `slice`, `inputs`, `before`, `after` (accuracies), `difference`
        with its 95% interval (`low`, `high`), `fixed`, `broken`, and `p` of McNemar's test, corrected for the number
        of slices by Benjamini and Hochberg (1995)."""
        import pandas as pd
        from scipy.stats import binomtest

        (before, after), rows = self._correct, []
        for name, members in self.before.slices.items():
            here = members[self.places[0]]
            if here.any():
                fixed, broken = int((after & ~before & here).sum()), int((before & ~after & here).sum())
                change = after[here].astype(float) - before[here]
                p = binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
                means = before[here].mean(), after[here].mean(), change.mean()
                rows.append((name, int(here.sum()), *means, *resampled_means(change), fixed, broken, p))
        names = ["slice", "inputs", "before", "after", "difference", "low", "high", "fixed", "broken", "p"]
        frame = pd.DataFrame(rows, columns=names)
        frame["p"] = corrected(frame["p"])
        return frame.sort_values("difference", kind="stable", ignore_index=True)

    def report(self, path: str | Path = "comparison.html", *, title: str | None = None) -> Path:
        """Writes the comparison's page, one HTML file that opens anywhere and loads nothing, as `al.report` does."""
        import attnlens

        return attnlens.report(self, path=path, title=title)

    def __repr__(self) -> str:
        change, low, high = self.difference
        fixed, broken = self.counts
        return (
            f"{self.before.name} and {self.after.name} on {len(self):,} inputs: accuracy {change:+.1%} "
            f"(95%: {low:+.1%} to {high:+.1%}; p {self.p:.2g}); {fixed:,} fixed, {broken:,} broken\n"
            "  comparison.fixed, comparison.broken, comparison.by_slice, comparison.report('comparison.html')"
        )


def compare_audits(before: Audit, after: Audit) -> AuditComparison:
    """What got better and what broke between two audits of the same data, such as before and after fine-tuning.

    Raises InputError where the audits have no input in common, or one has another text or label.

    >>> compare_audits(al.audit(old, data), al.audit(new, data)).broken
    """
    for audit in (before, after):
        if not isinstance(audit, Audit):
            raise InputError(
                f"compare_audits() takes two audits, not {type(audit).__name__}: al.audit(lens, data)"
            )
    return AuditComparison(before, after)


def _digests(audit: Audit) -> np.ndarray:
    """`[row]`: equal for rows with one text, or one picture, and one label; of this process alone."""
    names = ["input", "label", *(["hash"] if audit.reads_pictures else [])]
    tables = (table.select(names).to_pydict().values() for table in audit.rows.tables(names))
    return np.array([hash(row) for columns in tables for row in zip(*columns)], dtype=np.int64)
