"""Two audits of the same data: what got better, and what broke."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import InputError
from ._audit import Audit
from ._intervals import corrected, resampled_means
from ._slices import in_slice, slices_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class AuditComparison:
    """Two audits of the same inputs, before and after; tables are computed when they are first read."""

    before: Audit
    after: Audit

    def __post_init__(self) -> None:
        if not len(self.table):
            raise InputError(
                "the audits have no input in common: compare_audits takes audits of the same data"
            )

    @cached_property
    def table(self) -> pd.DataFrame:
        """The inputs that both have, by key: input, label, and prediction, probability, loss and correct of both."""
        names = ["key", "input", "label", "prediction", "probability", "loss", "correct"]
        sides = [audit.table[names] for audit in (self.before, self.after)]
        if sides[0]["key"].dtype != sides[1]["key"].dtype:  # numbers of rows, and values of a column
            sides[1] = sides[1].iloc[:0].astype({"key": sides[0]["key"].dtype})
        table = sides[0].merge(sides[1], on="key", suffixes=("_before", "_after"))
        same = table["input_before"].eq(table["input_after"]) & table["label_before"].eq(table["label_after"])
        if not same.all():
            key = table["key"][(~same).to_numpy().argmax()]
            raise InputError(
                f"input {key!r} has another text or label in the second audit; compare audits of the same data"
            )
        table = table.drop(columns=["input_after", "label_after"])
        return table.rename(columns={"input_before": "input", "label_before": "label"}).astype(
            {"correct_before": bool, "correct_after": bool}
        )

    @property
    def difference(self) -> tuple[float, float, float]:
        """(accuracy after minus before, and its 95 % interval by the paired bootstrap)."""
        change = self.table["correct_after"].to_numpy(float) - self.table["correct_before"].to_numpy(float)
        return (float(change.mean()), *resampled_means(change))

    @property
    def p(self) -> float:
        """That as many inputs got better as got worse: McNemar's exact test (1947)."""
        from scipy.stats import binomtest

        fixed, broken = len(self.fixed), len(self.broken)
        return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0

    @property
    def fixed(self) -> pd.DataFrame:
        """Inputs that were wrong and are right, the most confident first."""
        return self._changed(self.table["correct_after"] & ~self.table["correct_before"])

    @property
    def broken(self) -> pd.DataFrame:
        """Inputs that were right and are wrong, the most confident first."""
        return self._changed(self.table["correct_before"] & ~self.table["correct_after"])

    def _changed(self, which: pd.Series) -> pd.DataFrame:
        order = {"by": "probability_after", "ascending": False, "kind": "stable"}
        return self.table[which].sort_values(**order).reset_index(drop=True)

    @cached_property
    def by_slice(self) -> pd.DataFrame:
        """The same by slice, what broke most first: `slice`, `inputs`, `before`, `after` (accuracies), `difference`
        with its 95 % interval (`low`, `high`), `fixed`, `broken`, and `p` of McNemar's test, corrected for the number
        of slices by Benjamini and Hochberg (1995)."""
        import pandas as pd
        from scipy.stats import binomtest

        columns = self.before.table.set_index("key").loc[self.table["key"]].reset_index()
        before, after = (self.table[f"correct_{side}"].to_numpy(bool) for side in ("before", "after"))
        rows = []
        for name, belongs in slices_of(self.before.more_slices, columns, self.before.lens).items():
            here = in_slice(belongs, columns)
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

    def __repr__(self) -> str:
        change, low, high = self.difference
        return (
            f"{self.before.lens.name} and {self.after.lens.name} on {len(self.table):,} inputs: accuracy {change:+.1%} "
            f"(95 %: {low:+.1%} to {high:+.1%}; p {self.p:.2g}); {len(self.fixed)} fixed, {len(self.broken)} broken\n"
            "  comparison.fixed, comparison.broken, comparison.by_slice"
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
