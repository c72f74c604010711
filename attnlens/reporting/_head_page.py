"""The page of head pages: every head of a model on a data set, on one page that loads nothing.

The tables and pictures are drawn by the page's script from the values that it holds; a table of all heads is there
without scripts, too.
"""

from __future__ import annotations

import json
from typing import Any

from .. import _palette
from ..corpus import HeadPages
from ._audit_tables import AUDIT_STYLE, filters, number_cell, section, sortable
from ._head_payload import payload
from ._page import shown

HEADS_STYLE = """
.overview { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 16px; }
.overview .card { margin: 0; }
.fields { display: flex; flex-wrap: wrap; gap: 10px 16px; margin: 0 0 10px; }
.fields label { display: inline-flex; gap: 6px; align-items: center; color: var(--quiet); }
.meaning { margin: 8px 0 0; color: var(--quiet); font-size: 13px; }
.scatter circle { cursor: pointer; stroke: var(--quiet); stroke-width: 0.8; }
.scatter circle:hover, .scatter circle:focus-visible { stroke: var(--ink); stroke-width: 2; outline: none; }
.scatter .chosen { stroke: var(--ink); stroke-width: 2.5; }
.scatter .title { fill: var(--ink); font-size: 12px; }
.card svg.legend { display: inline-block; width: 120px; height: 10px; vertical-align: middle; }
.heads { border-collapse: separate; border-spacing: 2px; width: 100%; table-layout: fixed; }
.heads th { font-weight: 400; color: var(--quiet); font-size: 12px; padding: 0 2px; text-align: center; }
.heads th:first-child { width: 32px; text-align: right; padding-right: 6px; }
.heads td { padding: 0; }
:where(.heads) button {
  display: block; width: 100%; min-width: 0; height: 26px; padding: 0; border: 1px solid var(--line); font: inherit;
  border-radius: 3px; cursor: pointer; font-size: 11px; overflow: hidden; background: none; color: inherit;
}
.heads button[aria-pressed="true"] { outline: 2px solid var(--ink); outline-offset: 1px; }
.head { margin-top: 28px; }
.head > header { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: baseline; }
.head h2 { margin: 0; }
.head .lead { font-size: 17px; margin: 6px 0 14px; }
.head nav { margin-left: auto; display: flex; gap: 8px; }
.plain-button {
  font: inherit; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: 6px;
  padding: 3px 10px; cursor: pointer;
}
.inside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 16px; }
.inside .card h3 { margin: 0 0 4px; font-size: 15px; }
.inside .card > .about { margin-bottom: 10px; font-size: 13px; }
.inside table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
.inside :is(td, th) { padding: 3px 8px 3px 0; text-align: right; font-weight: 400; }
.inside :is(td, th):first-child { text-align: left; }
.inside thead th { color: var(--quiet); font-size: 12px; border-bottom: 1px solid var(--line); }
.inside td small { display: block; color: var(--quiet); font-size: 12px; white-space: nowrap; }
.inside .pair { text-align: left; overflow-wrap: anywhere; }
.examples { grid-column: 1 / -1; }
.example { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 4px 14px; padding: 10px 0; }
.example + .example { border-top: 1px solid var(--line); }
.example .place { color: var(--quiet); font-size: 13px; line-height: 1.5; }
.example .place b { color: var(--ink); font-variant-numeric: tabular-nums; display: block; font-size: 15px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 18px 16px; }
.tiles .example { display: flex; flex-direction: column-reverse; justify-content: flex-end; padding: 0; border: 0; }
.tiles .place b { display: inline; margin-right: 8px; }
.tokens { line-height: 2.1; }
:where(.tokens) .token { margin: 0 1px 0 2px; }
:where(.token) { background: none; color: inherit; }
.token {
  font: inherit; border: 0; padding: 1px 3px; border-radius: 3px; cursor: pointer; white-space: pre-wrap;
}
.token.piece { margin-left: -4px; padding-left: 0; }
:where(.token.special) { color: var(--quiet); }
.token[aria-pressed="true"] { box-shadow: inset 0 0 0 2px var(--ink); }
.said { color: var(--quiet); font-size: 13px; }
.example svg.patches { width: 100%; max-width: 220px; height: auto; border-radius: 4px; }
.bars rect { fill: var(--accent); }
.bars .chance { stroke: var(--ink); stroke-width: 1.5; }
.classes-of td { text-align: center; border: 1px solid var(--paper); }
.off { fill: var(--quiet); }
@media (forced-colors: active) {
  .token[aria-pressed="true"] { outline: 2px solid Highlight; }
  .heads button[aria-pressed="true"] { outline-color: Highlight; }
}
@media print {
  .head nav, .fields { display: none; }
  .head, .examples { break-inside: auto; }
  .head > header, .head .lead { break-after: avoid; }
  .example { break-inside: avoid; }
  .inside table { font-size: 12px; }
  .classes-of td { white-space: nowrap; padding: 3px 4px; }
}
"""


def _layers() -> str:
    """Colours of layers, from first to last, as custom properties."""
    stops = _palette.stops("layers")
    return ":root { " + " ".join(f"--layer-{n}: {colour};" for n, colour in enumerate(stops)) + " }\n"


HEAD_PAGE_STYLE = f"{AUDIT_STYLE}{HEADS_STYLE}{_layers()}"


def head_page_body(pages: HeadPages, title: str) -> tuple[str, str]:
    """(the body of the page as HTML, the element with its data)"""
    content = payload(pages)
    data = json.dumps(content, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    held = f'<script type="application/json" id="heads">{data}</script>'
    return "\n".join(
        [_head(pages, title), '<div id="overview"></div><div id="head"></div>', _table(pages)]
    ), held


def _head(pages: HeadPages, title: str) -> str:
    unusable = len(pages.run.errors)
    lost = f"; {unusable:,} rows could not be used" if unusable else ""
    sample = len(pages.sampled)
    said = (
        f"{len(pages.heads)} heads in {len(pages.run.heads)} layers, on {len(pages):,} inputs{lost}. Statistics are of "
        f"all inputs; pairs of tokens, classes, positions and distances of {sample:,}"
    )
    if pages.predicts:
        attrs = pages.ablations.attrs
        right = f", of which {attrs['accuracy']:.1%} are right" if "accuracy" in attrs else ""
        said += f"; heads were switched off on {attrs['inputs']:,}{right}"
    return f"<h1>{shown(title)}</h1>\n<p class='about'>{said}.</p>"


def _table(pages: HeadPages) -> str:
    table, labels, randomised = pages.table, pages.labels, pages.labels.attrs["randomised"]
    rows = []
    effects = [name for name in ("accuracy_change", "loss_change", "flips", "divergence") if name in table]
    for row, label in zip(table.to_dict("records"), labels.itertuples()):
        name = f"{row['layer']}.{row['head']}"
        score = "" if not label.pattern else f"{label.score:.0%}"
        cells = [
            f"<td class='text' data-value='{row['layer'] * 1000 + row['head']}'><a href='#head={name}'>{name}</a></td>",
            f"<td class='text'>{label.pattern}</td>",
            number_cell(label.score, score),
            *(number_cell(row[key], _number(row[key])) for key in ("entropy", "distance", "weight")),
            *(number_cell(row[key], _signed(row[key])) for key in effects),
        ]
        rows.append((cells, {"pattern": label.pattern or "none"}, False))
    names = [("head", True), ("pattern", True), ("share", False)]
    names += [(name, False) for name in ("entropy", "distance", "weight")]
    names += [(name.replace("_", " "), False) for name in effects]
    return section(
        "All heads",
        "Layer and head, counted from 0. The pattern that the head follows, and the share of its attention "
        f"that it takes; of heads of the same model with random parameters {randomised:.1%} follow any.",
        filters("all", rows, {"pattern": "patterns"}) + sortable("all", names, rows),
    )


def _number(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.3g}"


def _signed(value: Any) -> str:
    return "" if value is None or value != value else f"{value:+.3g}"
