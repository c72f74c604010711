"""The page of an audit: what someone who ships a classifier wants to see, on one page that loads nothing.

It holds summaries and the rows that matter, so that its size does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..corpus import Audit
from ..corpus._maps import MAPS
from ..corpus._probe import MOST_LOGITS
from ..errors import FileError
from ._audit_explanations import Explanations, legend, map_figure, small, thumbnail
from ._audit_tables import (
    cards,
    filters,
    header,
    input_cell,
    interval_cell,
    number_cell,
    plain,
    section,
    sortable,
    text_cell,
    tint,
)
from ._page import shown

if TYPE_CHECKING:
    import pandas as pd

ERRORS, WORDS, HEADS, LABELS, CLASSES = 200, 40, 30, 30, 12
"""Rows of the page: wrong predictions, words, heads, labels or pairs to check, and classes with mean maps."""

CERTAIN = 0.05
"""Up to which corrected p a row is marked."""


def audit_body(audit: Audit, title: str) -> str:
    """The body of the page, as HTML."""
    of_kind = (_localization, _maps) if audit.reads_pictures else (_shortcuts,)
    words = () if audit.reads_pictures else (_words,)
    sections = (_cards, _errors, *of_kind, _slices, *words, _heads, _labels, _duplicates)
    parts = [part for make in sections if (part := make(audit))]
    return "\n".join([header(title, _facts(audit), parts), *parts])


# -- the summary ----------------------------------------------------------------------------------------------


def _facts(audit: Audit) -> list[str]:
    unusable = audit.run.manifest["errors"]
    lost = [f"{unusable:,} rows could not be used"] if unusable else []
    return [
        shown(audit.name),
        f"{len(audit):,} inputs with a label",
        f"{len(audit.classes):,} classes",
        *lost,
    ]


def _cards(audit: Audit) -> str:
    share, low, high = audit.accuracy
    accuracy = (
        f"<h2>Accuracy</h2><p class='large'>{share:.1%}</p>"
        f"<p class='about'>95% interval {low:.1%} to {high:.1%}; {audit.wrong:,} wrong predictions</p>"
        f"{_recalls(audit.confusion)}"
    )
    calibration = (
        f"<h2>Calibration</h2><p class='small'>With 95% intervals and numbers of inputs; dashed: perfect "
        f"calibration. Expected calibration error {audit.calibration.attrs['ece']:.1%}.</p>"
        f"{_reliability(audit.calibration)}"
    )
    confusion = (
        "<h2>Confusion</h2><p class='small'>Rows are true classes, columns predictions.</p><div class='scroll' "
        f"tabindex='0' role='region' aria-label='confusion'>{_confusion(audit.confusion)}</div>"
    )
    return cards(accuracy, calibration, confusion, whole=[2] if len(audit.classes) > FEW else [])


def _recalls(confusion: pd.DataFrame) -> str:
    """How many inputs of each class are right, as bars; "" for many classes."""
    if len(confusion) > MOST_CLASSES:
        return ""
    rows = []
    for name, right, all_ in zip(
        confusion.index, np.diag(confusion).tolist(), confusion.sum(axis=1).tolist()
    ):
        share = right / all_ if all_ else 0.0
        rows.append(
            f"<tr><th scope='row'>{shown(str(name))}</th><td class='track'>"
            f"<svg viewBox='0 0 100 12' preserveAspectRatio='none' aria-hidden='true'>"
            f"<rect class='dot' width='{max(0.5, 100 * share):.1f}' height='12'/></svg></td>"
            f"<td>{f'{share:.0%}' if all_ else '–'}</td><td>{right:,} of {all_:,}</td></tr>"
        )
    return f"<table class='recalls'><caption>right, by true class</caption>{''.join(rows)}</table>"


def _reliability(table: pd.DataFrame) -> str:
    def x(value: float) -> float:
        return 44 + 206 * value

    def y(value: float) -> float:
        return 132 - 112 * value

    marks = [
        f"<path class='bar' d='M{x(row.confidence):.1f} {y(row.accuracy_low):.1f}V{y(row.accuracy_high):.1f}'/>"
        f"<circle class='dot' cx='{x(row.confidence):.1f}' cy='{y(row.accuracy):.1f}' r='3.5'>"
        f"<title>confidence {row.confidence:.0%}: {row.accuracy:.0%} of {row.inputs} right</title></circle>"
        f"<text class='count' x='{x(row.confidence):.1f}' y='{y(row.accuracy_high) - 4:.1f}' text-anchor='middle'>"
        f"{_compact(row.inputs)}</text>"
        for row in table.itertuples()
    ]
    ticks = [
        f"<text x='{x(value):.0f}' y='146' text-anchor='middle'>{value:.0%}</text>"
        f"<text x='40' y='{y(value) + 4:.0f}' text-anchor='end'>{value:.0%}</text>"
        for value in (0, 0.5, 1)
    ]
    described = "; ".join(f"{row.confidence:.0%}: {row.accuracy:.0%}" for row in table.itertuples())
    return (
        f"<svg class='calibration' viewBox='0 0 260 162' role='img' aria-label='Accuracy by confidence: {described}'>"
        f"<path class='axis' d='M{x(0)} {y(1)}V{y(0)}H{x(1)}'/><path class='ideal' d='M{x(0)} {y(0)}L{x(1)} {y(1)}'/>"
        f"<text x='{x(0.5)}' y='159' text-anchor='middle'>confidence</text><text text-anchor='middle' "
        f"transform='translate(10 {y(0.5)}) rotate(-90)'>accuracy</text>{''.join(marks)}{''.join(ticks)}</svg>"
    )


def _compact(count: int) -> str:
    """A count in at most four characters."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.0f}{letter}"
    return str(count)


FEW, MOST_CLASSES = 4, 12
"""Classes up to which the confusion stands beside the other cards, and up to which it is shown; of more, those with the
most errors."""


def _confusion(table: pd.DataFrame) -> str:
    wrong = table.to_numpy() * (1 - np.eye(len(table), dtype=int))
    order = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES]
    table = table.iloc[sorted(order), sorted(order)]
    largest = max(1, int(table.to_numpy().max()))
    rows = []
    for name, counts in zip(table.index, table.to_numpy()):
        cells = [f"<td class='{tint('for', count / largest)}'>{count:,}</td>" for count in counts.tolist()]
        rows.append(f"<tr><th scope='row'>{shown(str(name))}</th>{''.join(cells)}</tr>")
    names = "".join(f"<th scope='col'>{shown(str(name))}</th>" for name in table.columns)
    return f"<table class='matrix'><thead><tr><td></td>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


# -- tables ---------------------------------------------------------------------------------------------------


def _errors(audit: Audit) -> str:
    """Wrong predictions, each of which opens its explanation."""
    if not audit.wrong:
        return ""
    explained = Explanations(audit, audit.wrong_places[:ERRORS], "error")
    rows = [
        (
            [
                input_cell(opened, audit.reads_pictures), text_cell(audit.classes[row.label_index]),
                text_cell(row.prediction), number_cell(row.probability, f"{row.probability:.3f}"),
                text_cell(str(row.key)),
            ],
            {"prediction": row.prediction, "label": audit.classes[row.label_index]},
            False,
        )
        for row, opened in explained
    ]  # fmt: skip
    names = [
        (_kind(audit), True), ("true class", True), ("prediction", True), ("probability", False), ("input", True),
    ]  # fmt: skip
    more = f" The first {ERRORS} of {audit.wrong:,}." if audit.wrong > ERRORS else ""
    return section(
        "errors",
        "Wrong predictions, the most confident first",
        f"{legend(audit)} Each row opens its explanation.{more}{explained.notice}",
        filters("errors", rows, {"prediction": "predictions", "label": "true classes"})
        + sortable("errors", names, rows),
    )


def _kind(audit: Audit) -> str:
    return "picture" if audit.reads_pictures else "text"


def _localization(audit: Audit) -> str:
    if not audit.has_masks or not len(audit.localization):
        return ""
    rows = [
        (
            [
                text_cell(row.map), text_cell(row.predictions), number_cell(row.inputs, f"{row.inputs:,}"),
                number_cell(row.chance), interval_cell(row.pointing, row.pointing_low, row.pointing_high),
                interval_cell(row.energy, row.energy_low, row.energy_high),
            ],
            {},
            row.predictions == "all",
        )
        for row in audit.localization.itertuples()
    ]  # fmt: skip
    names = [
        ("map", True), ("predictions", True), ("pictures", False), ("chance", False), ("largest value inside", False),
        ("positive values inside", False),
    ]  # fmt: skip
    said = (
        "Whether maps lie on the object: the share of pictures whose largest value is inside its mask (pointing game), "
        "and the share of the positive values that is (energy), with 95% intervals, beside chance, the share of the "
        "picture that the mask covers."
    )
    return section("localization", "On the object, or beside it", said, sortable("localization", names, rows))


def _maps(audit: Audit) -> str:
    table = audit.maps
    most = (
        table.groupby("prediction")["inputs"]
        .sum()
        .sort_values(ascending=False, kind="stable")
        .index[:CLASSES]
    )
    names = [name for name in MAPS if table[name].notna().any()]
    head = "".join(f"<th scope='col'>{name}, {side}</th>" for name in names for side in ("right", "wrong"))
    body = []
    for prediction in sorted(most):
        of_class = table[table["prediction"] == prediction].set_index("correct")
        cells = "".join(_map_cells(of_class, name, prediction) for name in names)
        body.append(f"<tr><th scope='row'>{shown(prediction)}</th>{cells}</tr>")
    said = (
        "Mean maps of the pictures with each prediction, right and wrong ones, in cells of 14 x 14: the attribution "
        "for the prediction, <span class='word for-5'>supports</span> or <span class='word against-5'>opposes</span>, "
        "and the attention of the class token in the last layer, the mean of its heads. Each picture counts alike; "
        "both maps of a kind and class share one scale."
    )
    if len(most) < table["prediction"].nunique():
        said += f" The {len(most)} most frequent predictions of {table['prediction'].nunique():,}."
    content = (
        f"<table class='matrix'><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
    return section(
        "maps",
        "Where it looks",
        said,
        f"<div class='scroll' tabindex='0' role='region' aria-label='maps'>{content}</div>",
    )


def _map_cells(of_class: pd.DataFrame, name: str, prediction: str) -> str:
    """The maps of right and of wrong predictions, on one scale."""
    largest = max((float(np.abs(cells).max()) for cells in of_class[name] if cells is not None), default=1.0)
    cells = []
    for correct, side in ((True, "right"), (False, "wrong")):
        row = of_class.loc[correct] if correct in of_class.index else None
        if row is None or row[name] is None:
            cells.append("<td></td>")
        else:
            said = f"{name}, {prediction}, {side} predictions"
            picture = map_figure(row[name], name == "attribution", largest, said)
            cells.append(f"<td>{picture}<span class='about'>{row['inputs']:,}</span></td>")
    return "".join(cells)


def _shortcuts(audit: Audit) -> str:
    rows = [
        (
            [
                text_cell(row.word), text_cell(row.prediction), number_cell(row.inputs, f"{row.inputs:,}"),
                interval_cell(row.removed, row.removed_low, row.removed_high), number_cell(row.removed_random),
                interval_cell(row.inserted, row.inserted_low, row.inserted_high), number_cell(row.inserted_random),
                number_cell(row.strength, f"{row.strength:.2f}"),
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
    return section(
        "shortcuts",
        "Words that decide, checked on the model",
        "How often a prediction changes when the word is removed, and how often another prediction becomes this one "
        "when it is inserted, with 95% intervals, beside other words that are about as frequent. A word without "
        "meaning that decides is a shortcut.",
        sortable("shortcuts", names, rows),
    )


def _slices(audit: Audit) -> str:
    rows = [
        (
            [
                text_cell(row.slice), number_cell(row.inputs, f"{row.inputs:,}"),
                interval_cell(row.accuracy, row.accuracy_low, row.accuracy_high), number_cell(row.rest),
                number_cell(row.difference, f"{100 * row.difference:+.0f}"), number_cell(row.p, f"{row.p:.2g}"),
            ],
            {},
            row.p <= CERTAIN,
        )
        for row in audit.by_slice.itertuples()
    ]  # fmt: skip
    names = [
        ("slice", True), ("inputs", False), ("accuracy, 95% interval", False), ("on the rest", False),
        ("difference, points", False), ("p", False),
    ]  # fmt: skip
    said = "p by Fisher's exact test, corrected for the number of slices (Benjamini and Hochberg); bold up to 0.05."
    return section("slices", "Accuracy by slice", said, sortable("slices", names, rows))


def _words(audit: Audit) -> str:
    rows = [
        (
            [
                text_cell(row.word), text_cell(row.prediction), number_cell(row.inputs, f"{row.inputs:,}"),
                number_cell(row.share), number_cell(row.mean, f"{row.mean:.2f}"),
                number_cell(row.low, f"{row.low:.2f} to {row.high:.2f}"),
                number_cell(row.hits, plain(row.hits)), number_cell(row.errors, plain(row.errors)),
            ],
            {"prediction": row.prediction},
            row.p <= CERTAIN,
        )
        for row in audit.words.head(WORDS).itertuples()
    ]  # fmt: skip
    names = [
        ("word", True), ("prediction", True), ("inputs", False), ("share of its inputs", False), ("mean score", False),
        ("95% interval", False), ("in hits", False), ("in errors", False),
    ]  # fmt: skip
    said = (
        "The mean attribution of a word in inputs of this prediction, in logits. Bold: the word goes with the "
        "prediction more often than chance (corrected p up to 0.05)."
    )
    return section(
        "words",
        "What words contribute",
        said,
        filters("words", rows, {"prediction": "predictions"}) + sortable("words", names, rows),
    )


def _heads(audit: Audit) -> str:
    if not audit.run.heads or audit.wrong in (0, len(audit)):
        return ""
    rows = [
        (
            [
                number_cell(row.layer, str(row.layer)), number_cell(row.head, str(row.head)), text_cell(row.statistic),
                number_cell(row.hits, f"{row.hits:.3g}"), number_cell(row.errors, f"{row.errors:.3g}"),
                number_cell(row.effect, f"{row.effect:+.2f}"), number_cell(row.p, f"{row.p:.2g}"),
            ],
            {},
            row.p <= CERTAIN,
        )
        for row in audit.heads.head(HEADS).itertuples()
    ]  # fmt: skip
    names = [
        ("layer", False), ("head", False), ("statistic", True), ("right predictions", False),
        ("wrong predictions", False), ("difference (SD)", False), ("p", False),
    ]  # fmt: skip
    said = (
        "The difference is in standard deviations; p by Welch's test, corrected for all heads and statistics "
        "(Benjamini and Hochberg)."
    )
    return section(
        "heads", "Heads that differ between right and wrong predictions", said, sortable("heads", names, rows)
    )


def _labels(audit: Audit) -> str:
    if len(audit.classes) > MOST_LOGITS or not len(audit.label_noise):
        return ""
    explained = Explanations(audit, audit.noisy_places[:LABELS], "label")
    rows = [
        (
            [
                input_cell(opened, audit.reads_pictures), text_cell(audit.classes[row.label_index]),
                text_cell(row.prediction), number_cell(row.margin, f"{row.margin:.1f}"), text_cell(str(row.key)),
            ],
            {},
            False,
        )
        for row, opened in explained
    ]  # fmt: skip
    names = [(_kind(audit), True), ("label", True), ("prediction", True), ("margin", False), ("input", True)]
    said = (
        f"{len(audit.noisy_places):,} inputs by confident learning, the surest first. Margin: the logit of the label "
        f"minus the largest other one. Of a model that was trained on these inputs it says little.{explained.notice}"
    )
    return section("labels", "Labels that are probably wrong", said, sortable("labels", names, rows))


def _duplicates(audit: Audit) -> str:
    table = audit.duplicates
    if not len(table):
        return ""
    listed = table.sort_values("same_label", kind="stable").head(LABELS)
    rows = [
        (
            [
                *(input_cell(cell, audit.reads_pictures) for cell in pair),
                text_cell(f"{row.label_a}, {row.label_b}"),
                number_cell(row.similarity),
            ],
            {},
            not row.same_label,
        )
        for row, pair in zip(listed.itertuples(), _pairs(audit, listed))
    ]  # fmt: skip
    kind = _kind(audit)
    names = [(kind, True), (f"nearly the same {kind}", True), ("labels", True), ("similarity", False)]
    listed_all = len(table) == table.attrs["pairs"]
    said = f"{table.attrs['pairs']:,} pairs" + ("" if listed_all else f"; of the {len(table):,} most alike")
    said += f", {int((~table['same_label']).sum()):,} have two labels (bold)."
    return section("duplicates", f"Nearly equal {kind}s", said, sortable("duplicates", names, rows))


def _pairs(audit: Audit, table: pd.DataFrame) -> list[list[str]]:
    """What the cells of both inputs of each pair show."""
    if not audit.reads_pictures:
        return [[shown(row.input_a), shown(row.input_b)] for row in table.itertuples()]
    sides = [_thumbnails(audit, table[f"place_{side}"], f"pair-{side}") for side in ("a", "b")]
    return [list(pair) for pair in zip(*sides)]


def _thumbnails(audit: Audit, places: Iterable[int], name: str) -> list[str]:
    rows = audit.rows.at(list(places), ["key", "input", "hash"])
    try:
        pictures = audit.inputs(rows, small)
    except FileError:
        return [shown(str(key)) for key in rows["key"]]
    return [
        thumbnail(picture, f"{name}-{number}", str(key)) + f"<span class='about'>{shown(str(key))}</span>"
        for number, (key, picture) in enumerate(zip(rows["key"], pictures))
    ]
