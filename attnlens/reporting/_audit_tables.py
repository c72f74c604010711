"""The parts of an audit's page: tables that sort and filter, their cells, and their style."""

from __future__ import annotations

from .. import _palette
from ._page import STYLE, shown

TABLES_STYLE = """
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 16px; margin-top: 20px; }
.card { padding: 16px 18px; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
.card h2 { font-size: 15px; margin: 0 0 6px; }
.whole { grid-column: 1 / -1; }
.across { overflow-x: auto; }
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
.sortable .wide {
  white-space: normal; min-width: min(320px, calc(100vw - 70px)); overflow-wrap: anywhere; line-height: 1.9;
}
.sortable .narrow { width: 1%; }
.narrow details[open] .opened { width: min(430px, calc(100vw - 80px)); }
.sortable .marked { font-weight: 600; }
.sortable th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit;
}
.sortable th button:hover { text-decoration: underline; }
[aria-sort="descending"] button::after { content: " \\2193"; }
[aria-sort="ascending"] button::after { content: " \\2191"; }
.sortable svg { display: block; width: 150px; height: 16px; margin-left: auto; }
summary { cursor: pointer; }
details[open] > summary { margin-bottom: 10px; }
.opened { font-weight: 400; line-height: 1.5; white-space: normal; max-width: 640px; }
.opened > :is(p, table, .maps) { margin: 0 0 12px; }
.opened .classes caption { text-align: left; color: var(--quiet); }
.opened .classes :is(th, td) { padding: 1px 12px 1px 0; border: 0; }
.opened .classes :is(th, td) { overflow-wrap: normal; }
.opened .classes th { text-align: left; white-space: normal; }
.opened .classes thead :is(th, td) { color: var(--quiet); font-weight: 400; }
.opened .classes svg { margin: 4px 0; height: 10px; width: 80px; }
.unit { display: inline-flex; flex-direction: column; align-items: center; margin: 0 4px 6px 0; line-height: 1.4; }
.unit small { color: var(--quiet); font-size: 11px; }
.maps { display: flex; flex-wrap: wrap; gap: 14px; }
.maps figure { margin: 0; }
figcaption { color: var(--quiet); font-size: 13px; }
.sortable :is(.picture, .cells) { display: inline-block; width: 96px; height: auto; margin: 0; vertical-align: middle; }
.sortable .opened .picture { width: 200px; }
.matrix .cells { display: block; width: 96px; height: 96px; margin-left: auto; border: 1px solid var(--line); }
.coarse { image-rendering: pixelated; }
.pale { opacity: 0.45; }
.mat { fill: var(--mat); }
.word { padding: 1px 3px; border-radius: 3px; }
[class*="against-"] { text-decoration: underline 1.5px; text-underline-offset: 3px; }
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
@media (forced-colors: active) {
  :is([class*="for-"], [class*="against-"]) { forced-color-adjust: none; }
}
@media print {
  .scroll, .across { overflow: visible; }
  form[data-table] { display: none; }
  .sortable { font-size: 12px; }
  .sortable :is(th, td) { padding: 3px 6px; }
  .sortable thead th { white-space: normal; }
  .sortable th button { display: contents; } /* else it is missing where a page repeats the head of a table */
  .sortable .wide { min-width: 0; }
  .sortable svg { width: 90px; }
  thead, .card { break-inside: avoid; }
}
"""

LEVELS = 10
"""Steps of a tint, each a class, since the page allows no style of its own to an element."""

OPACITIES = (0.1, 0.18, 0.27, 0.36, 0.44, 0.52, 0.6, 0.88, 0.94, 1.0)
"""Of each step. Between the seventh and the eighth no text would have contrast enough."""


def _tints() -> str:
    rules = []
    for role in ("for", "against"):
        red, green, blue = _palette.rgb(_palette.colour(role))
        for level, opacity in enumerate(OPACITIES, 1):
            ink = _palette.ink(True) if opacity > 0.6 else "var(--ink)"
            rules.append(
                f".{role}-{level} {{ color: {ink}; background: rgba({red}, {green}, {blue}, {opacity}); }}"
            )
    return "\n".join(rules)


AUDIT_STYLE = f"{STYLE}:root {{ --mat: {_palette.colour('background')}; }}{TABLES_STYLE}{_tints()}"


# -- parts of a table -----------------------------------------------------------------------------------------

Rows = list[tuple[list[str], dict[str, str], bool]]
"""Cells, values to filter by, and whether the row is marked."""


def section(title: str, said: str, content: str) -> str:
    return f"<section class='part'><h2>{title}</h2><p class='note'>{said}</p>{content}</section>"


def sortable(name: str, columns: list[tuple[str, bool]], rows: Rows) -> str:
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


def filters(table: str, rows: Rows, filters: dict[str, str]) -> str:
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


def text_cell(text: str) -> str:
    return f"<td class='text'>{shown(text)}</td>"


def input_cell(content: str, picture: bool) -> str:
    """A cell of a text or a picture; content: HTML."""
    return f"<td class='text {'narrow' if picture else 'wide'}'>{content}</td>"


def number_cell(value: float, said: str | None = None) -> str:
    """A cell of a number, as a share by default."""
    said = percent(value) if said is None else said
    return f"<td data-value='{float(value)}'>{said}</td>"


def interval_cell(value: float, low: float, high: float) -> str:
    """A share in digits, and as a point with its interval between 0 and 1."""
    if value != value:
        return "<td data-value='nan'></td>"
    left, middle, right = (5 + 140 * part for part in (low, value, high))
    picture = (
        "<svg viewBox='0 0 150 16' aria-hidden='true'><path class='axis' d='M5 8H145'/>"
        f"<path class='bar' d='M{left:.1f} 8H{right:.1f}'/><circle class='dot' cx='{middle:.1f}' cy='8' r='3.5'/></svg>"
    )
    return f"<td data-value='{value}' title='{low:.0%} to {high:.0%}'>{percent(value)}{picture}</td>"


def percent(value: float) -> str:
    return "" if value != value else f"{value:.0%}"


def plain(value: float) -> str:
    return "" if value != value else f"{value:.2f}"


def tint(role: str, share: float) -> str:
    """The class of a tint; none for a share that rounds to 0."""
    level = round(share * LEVELS)
    return f"{role}-{level}" if level else ""
