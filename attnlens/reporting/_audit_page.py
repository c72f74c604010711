"""The page of an audit: what someone who ships a classifier wants to see, on one page that loads nothing.

It holds summaries and the rows that matter, so that its size does not grow with the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _palette
from ..corpus import Audit
from ._page import STYLE, shown

if TYPE_CHECKING:
    import pandas as pd

ERRORS, WORDS, HEADS, LABELS = 200, 40, 30, 30
"""Rows of the page: wrong predictions, words, heads, and labels or texts to look at."""

CERTAIN = 0.05
"""Up to which corrected p a row is marked."""

TABLES_STYLE = """
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 16px; margin-top: 20px; }
.card { padding: 16px 18px; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
.card h2 { font-size: 15px; margin: 0 0 6px; }
.large { font-size: 40px; line-height: 1.1; font-weight: 600; font-variant-numeric: tabular-nums; margin: 0; }
.card svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--quiet); font-size: 11px; }
.axis { stroke: var(--line); fill: none; }
.ideal { stroke: var(--quiet); stroke-dasharray: 3 3; fill: none; }
.bar { stroke: var(--accent); stroke-width: 2; fill: none; }
.dot { fill: var(--accent); }
.scroll { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
:is(.sortable, .matrix) { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.sortable { width: 100%; }
.sortable :is(th, td) { padding: 6px 12px; text-align: right; vertical-align: top; white-space: nowrap; }
.sortable thead th { border-bottom: 1px solid var(--line); font-weight: 600; vertical-align: bottom; }
.sortable tbody tr + tr td { border-top: 1px solid var(--line); }
.sortable .text { text-align: left; }
.sortable .wide { white-space: normal; min-width: 320px; overflow-wrap: anywhere; line-height: 1.9; }
.sortable .marked { font-weight: 600; }
.sortable th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit;
}
.sortable th button:hover { text-decoration: underline; }
[aria-sort="descending"] button::after { content: " \\2193"; }
[aria-sort="ascending"] button::after { content: " \\2191"; }
.sortable svg { display: block; width: 150px; height: 16px; margin-left: auto; }
.word { padding: 1px 3px; border-radius: 3px; }
.note .word { color: var(--ink); }
.matrix th { font-weight: 400; padding: 4px 10px; text-align: left; }
.matrix thead th { text-align: right; }
.matrix td { padding: 4px 10px; text-align: right; border: 1px solid var(--paper); }
form[data-table] { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin: 0 0 10px; }
form[data-table] output { color: var(--quiet); }
:is(form, tr)[hidden] { display: none; }
:is(input, select) {
  font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 6px;
  padding: 5px 8px;
}
@media print {
  * { print-color-adjust: exact; }
  .scroll { overflow: visible; }
  form[data-table] { display: none; }
  .sortable .wide { min-width: 0; }
  tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""

LEVELS = 10
"""Steps of a tint, each a class, since the page allows no style of its own to an element."""


def _tints() -> str:
    rules = []
    for role in ("for", "against"):
        red, green, blue = _palette.rgb(_palette.colour(role))
        for level in range(1, LEVELS + 1):
            ink = f"color: {_palette.ink(True)}; " if level > 6 else ""
            rules.append(
                f".{role}-{level} {{ {ink}background: rgba({red}, {green}, {blue}, {level / LEVELS:.1f}); }}"
            )
    return "\n".join(rules)


AUDIT_STYLE = f"{STYLE}{TABLES_STYLE}{_tints()}"


def audit_body(audit: Audit, title: str) -> str:
    """The body of the page, as HTML."""
    parts = [
        _head(audit, title), _cards(audit), _errors(audit), _shortcuts(audit), _slices(audit), _words(audit),
        _heads(audit), _labels(audit), _duplicates(audit),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


# -- the summary ----------------------------------------------------------------------------------------------


def _head(audit: Audit, title: str) -> str:
    unusable = len(audit.run.errors)
    lost = f"; {unusable:,} rows could not be used" if unusable else ""
    return f"<h1>{shown(title)}</h1>\n<p class='about'>{len(audit):,} inputs with a label{lost}.</p>"


def _cards(audit: Audit) -> str:
    share, low, high = audit.accuracy
    wrong = audit.wrong
    accuracy = (
        f"<h2>Accuracy</h2><p class='large'>{share:.1%}</p>"
        f"<p class='about'>95 % interval {low:.1%} to {high:.1%}; {wrong:,} wrong predictions</p>"
    )
    calibration = (
        f"<h2>Calibration</h2>{_reliability(audit.calibration)}<p class='about'>Accuracy at each confidence, with 95 % "
        f"intervals; on the dashed line both are equal. Expected calibration error "
        f"{audit.calibration.attrs['ece']:.1%}.</p>"
    )
    confusion = f"<h2>True class (rows) and prediction (columns)</h2><div>{_confusion(audit.confusion)}</div>"
    return (
        "<div class='cards'>"
        + "".join(f"<section class='card'>{card}</section>" for card in (accuracy, confusion, calibration))
        + "</div>"
    )


def _reliability(table: pd.DataFrame) -> str:
    def x(value: float) -> float:
        return 30 + 220 * value

    def y(value: float) -> float:
        return 130 - 120 * value

    marks = [
        f"<path class='bar' d='M{x(row.confidence):.1f} {y(row.accuracy_low):.1f}V{y(row.accuracy_high):.1f}'/>"
        f"<circle class='dot' cx='{x(row.confidence):.1f}' cy='{y(row.accuracy):.1f}' r='3.5'>"
        f"<title>confidence {row.confidence:.0%}: {row.accuracy:.0%} of {row.inputs} right</title></circle>"
        for row in table.itertuples()
    ]
    ticks = [
        f"<text x='{x(value):.0f}' y='146' text-anchor='middle'>{value:.0%}</text>"
        f"<text x='24' y='{y(value) + 4:.0f}' text-anchor='end'>{value:.0%}</text>"
        for value in (0, 0.5, 1)
    ]
    described = "; ".join(f"{row.confidence:.0%}: {row.accuracy:.0%}" for row in table.itertuples())
    return (
        f"<svg viewBox='0 0 260 150' role='img' aria-label='Accuracy by confidence: {described}'>"
        f"<path class='axis' d='M30 10V130H250'/><path class='ideal' d='M{x(0)} {y(0)}L{x(1)} {y(1)}'/>"
        f"{''.join(marks)}{''.join(ticks)}</svg>"
    )


MOST_CLASSES = 12
"""Classes whose confusion is shown; of more those with the most errors."""


def _confusion(table: pd.DataFrame) -> str:
    wrong = table.to_numpy() * (1 - np.eye(len(table), dtype=int))
    order = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES]
    table = table.iloc[sorted(order), sorted(order)]
    largest = max(1, int(table.to_numpy().max()))
    rows = []
    for name, counts in zip(table.index, table.to_numpy()):
        cells = [f"<td class='{_tint('for', count / largest)}'>{count:,}</td>" for count in counts.tolist()]
        rows.append(f"<tr><th scope='row'>{shown(str(name))}</th>{''.join(cells)}</tr>")
    names = "".join(f"<th scope='col'>{shown(str(name))}</th>" for name in table.columns)
    return f"<table class='matrix'><thead><tr><td></td>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


# -- tables ---------------------------------------------------------------------------------------------------


def _errors(audit: Audit) -> str:
    """Wrong predictions with their words coloured by attribution."""
    if not len(audit.errors):
        return ""
    table = audit.table.set_index("key", drop=False).loc[audit.errors["key"].head(ERRORS)]
    rows = [
        (
            [
                f"<td class='text wide'>{_coloured(row)}</td>", _text(_true_name(audit, row)), _text(row.prediction),
                _number(row.probability, f"{row.probability:.3f}"), _text(str(row.key)),
            ],
            {"prediction": row.prediction, "label": _true_name(audit, row)},
            False,
        )
        for row in table.itertuples()
    ]  # fmt: skip
    names = [
        ("text", True),
        ("true class", True),
        ("prediction", True),
        ("probability", False),
        ("key", True),
    ]
    more = f" The first {ERRORS} of {len(audit.errors):,}." if len(audit.errors) > ERRORS else ""
    return _section(
        "Wrong predictions, the most confident first",
        f"{LEGEND} The stronger the colour, the more.{more}",
        _form("errors", rows, {"prediction": "predictions", "label": "true classes"})
        + _table("errors", names, rows),
    )


LEGEND = (
    "Coloured is what each word contributes: <span class='word for-5'>supports</span> the prediction, or "
    "<span class='word against-5'>opposes</span> it."
)


def _coloured(row: Any) -> str:
    """The text with each word in the tint of its score."""
    scores = np.asarray(row.scores, dtype=float)
    strongest = float(np.abs(scores).max(initial=0.0)) or 1.0
    parts, at, folded = [], 0, row.input.lower()
    for token, special, score in zip(row.tokens, row.special, scores.tolist()):
        if special:
            continue
        start = folded.find(token.lower(), at) if len(folded) == len(row.input) else -1
        gap, word = (
            (" ", token) if start < 0 else (row.input[at:start], row.input[start : start + len(token)])
        )
        at = at if start < 0 else start + len(token)
        tint = _tint("for" if score > 0 else "against", abs(score) / strongest)
        parts.append(f"{shown(gap)}<span class='word {tint}' title='{score:+.3f}'>{shown(word)}</span>")
    return "".join(parts) + shown(row.input[at:] if at else "")


def _shortcuts(audit: Audit) -> str:
    rows = [
        (
            [
                _text(row.word), _text(row.prediction), _number(row.inputs, f"{row.inputs:,}"),
                _interval(row.removed, row.removed_low, row.removed_high), _number(row.removed_random),
                _interval(row.inserted, row.inserted_low, row.inserted_high), _number(row.inserted_random),
                _number(row.strength, f"{row.strength:.2f}"),
            ],
            {},
            row.strength >= 0.2,
        )
        for row in audit.shortcuts.itertuples()
    ]  # fmt: skip
    names = [
        ("word", True), ("prediction", True), ("inputs", False), ("change without it", False), ("other words", False),
        ("change with it", False), ("other words", False), ("strength", False),
    ]  # fmt: skip
    return _section(
        "Words that decide, checked on the model",
        "How often a prediction changes when the word is removed, and how often another prediction becomes this one "
        "when it is inserted, with 95 % intervals, beside other words that are about as frequent. A word without "
        "meaning that decides is a shortcut.",
        _table("shortcuts", names, rows),
    )


def _slices(audit: Audit) -> str:
    rows = [
        (
            [
                _text(row.slice), _number(row.inputs, f"{row.inputs:,}"),
                _interval(row.accuracy, row.accuracy_low, row.accuracy_high), _number(row.rest),
                _number(row.difference, f"{100 * row.difference:+.0f}"), _number(row.p, f"{row.p:.2g}"),
            ],
            {},
            row.p <= CERTAIN,
        )
        for row in audit.by_slice.itertuples()
    ]  # fmt: skip
    names = [
        ("slice", True), ("inputs", False), ("accuracy, 95 % interval", False), ("on the rest", False),
        ("difference, points", False), ("p", False),
    ]  # fmt: skip
    said = "p by Fisher's exact test, corrected for the number of slices (Benjamini and Hochberg); bold up to 0.05."
    return _section("Accuracy by slice", said, _table("slices", names, rows))


def _words(audit: Audit) -> str:
    rows = [
        (
            [
                _text(row.word), _text(row.prediction), _number(row.inputs, f"{row.inputs:,}"), _number(row.share),
                _number(row.mean, f"{row.mean:.2f}"), _number(row.low, f"{row.low:.2f} to {row.high:.2f}"),
                _number(row.hits, _plain(row.hits)), _number(row.errors, _plain(row.errors)),
            ],
            {"prediction": row.prediction},
            row.p <= CERTAIN,
        )
        for row in audit.words.head(WORDS).itertuples()
    ]  # fmt: skip
    names = [
        ("word", True), ("prediction", True), ("inputs", False), ("share of its inputs", False), ("mean score", False),
        ("95 % interval", False), ("in hits", False), ("in errors", False),
    ]  # fmt: skip
    said = (
        "The mean attribution of a word in inputs of this prediction, in logits. Bold: the word goes with the "
        "prediction more often than chance (corrected p up to 0.05)."
    )
    return _section(
        "What words contribute",
        said,
        _form("words", rows, {"prediction": "predictions"}) + _table("words", names, rows),
    )


def _heads(audit: Audit) -> str:
    if not audit.run.heads or not len(audit.errors):
        return ""
    rows = [
        (
            [
                _number(row.layer, str(row.layer)), _number(row.head, str(row.head)), _text(row.statistic),
                _number(row.hits, f"{row.hits:.3g}"), _number(row.errors, f"{row.errors:.3g}"),
                _number(row.effect, f"{row.effect:+.2f}"), _number(row.p, f"{row.p:.2g}"),
            ],
            {},
            row.p <= CERTAIN,
        )
        for row in audit.heads.head(HEADS).itertuples()
    ]  # fmt: skip
    names = [
        ("layer", False), ("head", False), ("statistic", True), ("right predictions", False),
        ("wrong predictions", False), ("difference in standard deviations", False), ("p", False),
    ]  # fmt: skip
    said = "p by Welch's test, corrected for all heads and statistics (Benjamini and Hochberg)."
    return _section(
        "Heads that differ between right and wrong predictions", said, _table("heads", names, rows)
    )


def _labels(audit: Audit) -> str:
    if not len(audit.label_noise):
        return ""
    classes = {row.label: _true_name(audit, row) for row in audit.table.itertuples()}
    rows = [
        (
            [
                f"<td class='text wide'>{shown(row.input)}</td>", _text(classes[row.label]), _text(row.prediction),
                _number(row.margin, f"{row.margin:.1f}"), _text(str(row.key)),
            ],
            {},
            False,
        )
        for row in audit.label_noise.head(LABELS).itertuples()
    ]  # fmt: skip
    names = [("text", True), ("label", True), ("prediction", True), ("margin", False), ("key", True)]
    said = (
        f"{len(audit.label_noise):,} inputs by confident learning, the surest first. Margin: the logit of the label "
        "minus the largest other one. Of a model that was trained on these inputs it says little."
    )
    return _section("Labels that are probably wrong", said, _table("labels", names, rows))


def _duplicates(audit: Audit) -> str:
    table = audit.duplicates
    if not len(table):
        return ""
    rows = [
        (
            [
                f"<td class='text wide'>{shown(row.input_a)}</td>", f"<td class='text wide'>{shown(row.input_b)}</td>",
                _text(f"{row.label_a}, {row.label_b}"), _number(row.similarity),
            ],
            {},
            not row.same_label,
        )
        for row in table.sort_values("same_label", kind="stable").head(LABELS).itertuples()
    ]  # fmt: skip
    names = [("text", True), ("nearly the same text", True), ("labels", True), ("similarity", False)]
    said = f"{len(table):,} pairs, of which {int((~table['same_label']).sum()):,} have two labels (bold)."
    return _section("Nearly equal texts", said, _table("duplicates", names, rows))


# -- parts of a table -----------------------------------------------------------------------------------------

Rows = list[tuple[list[str], dict[str, str], bool]]
"""Cells, values to filter by, and whether the row is marked."""


def _section(title: str, said: str, content: str) -> str:
    return f"<section class='part'><h2>{title}</h2><p class='note'>{said}</p>{content}</section>"


def _table(name: str, columns: list[tuple[str, bool]], rows: Rows) -> str:
    """columns: names, and whether they hold texts"""
    head = "".join(f"<th scope='col'{' class=text' if text else ''}>{title}</th>" for title, text in columns)
    body = []
    for cells, values, marked in rows:
        data = "".join(f' data-{key}="{shown(value)}"' for key, value in values.items())
        body.append(f"<tr{' class=marked' if marked else ''}{data}>{''.join(cells)}</tr>")
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{name}'><table class='sortable' id='{name}'>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _form(table: str, rows: Rows, filters: dict[str, str]) -> str:
    chosen = []
    for name, plural in filters.items():
        values = sorted({values[name] for _, values, _ in rows})
        options = "".join(f'<option value="{shown(value)}">{shown(value)}</option>' for value in values)
        chosen.append(
            f"<select name='{name}' aria-label='{plural}'><option value=''>all {plural}</option>{options}</select>"
        )
    return (
        f"<form data-table='{table}' hidden><input type='search' placeholder='filter' aria-label='filter the rows'>"
        f"{''.join(chosen)}<output class='aside'></output></form>"
    )


def _text(text: str) -> str:
    return f"<td class='text'>{shown(text)}</td>"


def _number(value: float, said: str | None = None) -> str:
    """A cell of a number, as a share by default."""
    said = _percent(value) if said is None else said
    return f"<td data-value='{float(value)}'>{said}</td>"


def _interval(value: float, low: float, high: float) -> str:
    """A share in digits, and as a point with its interval between 0 and 1."""
    if value != value:
        return "<td data-value='nan'></td>"
    left, middle, right = (5 + 140 * part for part in (low, value, high))
    picture = (
        "<svg viewBox='0 0 150 16' aria-hidden='true'><path class='axis' d='M5 8H145'/>"
        f"<path class='bar' d='M{left:.1f} 8H{right:.1f}'/><circle class='dot' cx='{middle:.1f}' cy='8' r='3.5'/></svg>"
    )
    return f"<td data-value='{value}' title='{low:.0%} to {high:.0%}'>{_percent(value)}{picture}</td>"


def _percent(value: float) -> str:
    return "" if value != value else f"{value:.0%}"


def _plain(value: float) -> str:
    return "" if value != value else f"{value:.2f}"


def _true_name(audit: Audit, row: Any) -> str:
    index = int(row.label_index)
    return audit.lens.labels[index] if index < len(audit.lens.labels) else str(index)


def _tint(role: str, share: float) -> str:
    """The class of a tint; none for a share that rounds to 0."""
    level = round(share * LEVELS)
    return f"{role}-{level}" if level else ""
