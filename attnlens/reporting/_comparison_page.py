"""The page of two audits of the same data: what was fixed, and what broke."""

from __future__ import annotations

from ..corpus import AuditComparison
from ._audit_explanations import Explanations, legend
from ._audit_tables import cards, filters, header, input_cell, number_cell, section, sortable, text_cell
from ._page import shown

CHANGED = 100
"""Inputs of the page that were fixed, and that broke."""

CERTAIN = 0.05
"""Up to which corrected p a row is marked."""


def comparison_body(comparison: AuditComparison, title: str) -> str:
    """The body of the page, as HTML."""
    parts = [
        _cards(comparison),
        _changed(comparison, "broken", "Right before, wrong after"),
        _changed(comparison, "fixed", "Wrong before, right after"),
        _slices(comparison),
    ]
    facts = [
        f"{shown(comparison.before.name)} before", f"{shown(comparison.after.name)} after",
        f"{len(comparison):,} inputs that both audits have",
    ]  # fmt: skip
    return "\n".join([header(title, facts, parts), *filter(None, parts)])


def _cards(comparison: AuditComparison) -> str:
    change, low, high = comparison.difference
    fixed, broken = comparison.counts
    sides = (comparison.before, comparison.after)
    shares = [audit.rows.correct[places].mean() for audit, places in zip(sides, comparison.places)]
    return cards(
        f"<h2>Accuracy</h2><p class='large'>{100 * change:+.1f}</p><p class='about'>points, 95% interval "
        f"{100 * low:+.1f} to {100 * high:+.1f} (paired bootstrap); {shares[0]:.1%} before, {shares[1]:.1%} after</p>",
        f"<h2>Fixed</h2><p class='large'>{fixed:,}</p><p class='about'>inputs were wrong and are right</p>",
        f"<h2>Broken</h2><p class='large'>{broken:,}</p><p class='about'>inputs were right and are wrong; that as many "
        f"were fixed has p = {comparison.p:.2g} (McNemar's exact test)</p>",
    )


def _changed(comparison: AuditComparison, how: str, title: str) -> str:
    table, audit = getattr(comparison, how).head(CHANGED), comparison.after
    if not len(table):
        return ""
    explained = Explanations(audit, comparison.changed_places(how)[1][:CHANGED], how)
    rows = [
        (
            [
                input_cell(opened, audit.reads_pictures), text_cell(audit.classes[row.label_index]),
                text_cell(change.prediction_before),
                number_cell(change.probability_before, f"{change.probability_before:.3f}"),
                text_cell(row.prediction), number_cell(row.probability, f"{row.probability:.3f}"),
                text_cell(str(row.key)),
            ],
            {"label": audit.classes[row.label_index]},
            False,
        )
        for (row, opened), change in zip(explained, table.itertuples())
    ]  # fmt: skip
    names = [
        ("picture" if audit.reads_pictures else "text", True), ("true class", True), ("before", True),
        ("probability before", False), ("after", True), ("probability after", False), ("input", True),
    ]  # fmt: skip
    count = len(getattr(comparison, how))
    more = f" The first {CHANGED} of {count:,}." if count > CHANGED else ""
    said = (
        f"The most confident first. {legend(audit)} Each row opens its explanation by the model after."
        f"{more}{explained.notice}"
    )
    return section(
        how, title, said, filters(how, rows, {"label": "true classes"}) + sortable(how, names, rows)
    )


def _slices(comparison: AuditComparison) -> str:
    rows = [
        (
            [
                text_cell(row.slice), number_cell(row.inputs, f"{row.inputs:,}"), number_cell(row.before),
                number_cell(row.after), number_cell(row.difference, _points(row.difference, row.low, row.high)),
                number_cell(row.fixed, f"{row.fixed:,}"), number_cell(row.broken, f"{row.broken:,}"),
                number_cell(row.p, f"{row.p:.2g}"),
            ],
            {},
            row.p <= CERTAIN,
        )
        for row in comparison.by_slice.itertuples()
    ]  # fmt: skip
    names = [
        ("slice", True), ("inputs", False), ("before", False), ("after", False),
        ("difference, points, 95% interval", False), ("fixed", False), ("broken", False), ("p", False),
    ]  # fmt: skip
    said = "p by McNemar's exact test, corrected for the number of slices (Benjamini and Hochberg); bold up to 0.05."
    return section(
        "slices", "Accuracy by slice, what broke most first", said, sortable("slices", names, rows)
    )


def _points(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
