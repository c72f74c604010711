"""The page of head pages: every head of a model on a data set, on one page that loads nothing.

The tables and pictures are drawn by the page's script from the values that it holds; a table of all heads is there
without scripts, too.
"""

from __future__ import annotations

import json
from typing import Any

from ..corpus import HeadPages
from ._audit_tables import filters, header, number_cell, section, sortable
from ._head_payload import payload
from ._page import shown


def head_page_body(pages: HeadPages, title: str) -> tuple[str, str]:
    """(the body of the page as HTML, the element with its data)"""
    content = payload(pages)
    data = json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    held = f'<script type="application/json" id="heads">{data}</script>'
    table = _table(pages)
    top = header(title, _facts(pages), [table])
    return "\n".join([top, '<div id="overview"></div><div id="head"></div>', table]), held


def _facts(pages: HeadPages) -> list[str]:
    unusable = len(pages.run.errors)
    facts = [
        shown(pages.lens.name),
        f"{len(pages.heads)} heads in {len(pages.run.heads)} layers",
        f"{len(pages):,} inputs",
    ]
    if len(pages.sampled) < len(pages):
        facts.append(f"pairs, classes, positions and distances from {len(pages.sampled):,} of them")
    if pages.predicts:
        attrs = pages.ablations.attrs
        if attrs["inputs"] < len(pages):
            facts.append(f"heads switched off on {attrs['inputs']:,} of them")
        if "accuracy" in attrs:
            facts.append(f"accuracy {attrs['accuracy']:.1%}")
    return facts + ([f"{unusable:,} rows could not be used"] if unusable else [])


def _table(pages: HeadPages) -> str:
    table, labels, randomised = pages.table, pages.labels, pages.labels.attrs["randomised"]
    rows = []
    effects = [name for name in ("accuracy_change", "loss_change", "flips", "divergence") if name in table]
    for row, label in zip(table.to_dict("records"), labels.itertuples()):
        name = f"{row['layer']}.{row['head']}"
        score = "" if not label.pattern else f"{label.score:.0%}"
        cells = [
            f"<td class='text' data-value='{row['layer'] * 1000 + row['head']}'><a href='#head={name}'>{name}</a></td>",
            f"<td class='text'>{'class token' if label.pattern == 'class' else label.pattern}</td>",
            number_cell(label.score, score),
            *(number_cell(row[key], _number(row[key])) for key in ("entropy", "distance", "weight")),
            *(number_cell(row[key], _signed(row[key])) for key in effects),
        ]
        rows.append((cells, {"pattern": label.pattern or "none"}, False))
    names = [("head", True), ("pattern", True), ("share", False)]
    names += [(name, False) for name in ("entropy", "distance", "weight")]
    names += [(name.replace("_", " "), False) for name in effects]
    return section(
        "all",
        "All heads",
        "Layer and head, counted from 0. The pattern that the head follows, and the share of its attention "
        f"that it takes; of heads of the same model with random parameters {randomised:.1%} follow any.",
        filters("all", rows, {"pattern": "patterns"}) + sortable("all", names, rows),
    )


def _number(value: Any) -> str:
    return "" if value != value else f"{value:.3g}"


def _signed(value: Any) -> str:
    return "" if value != value else f"{value:+.3g}"
