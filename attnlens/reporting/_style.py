"""The style sheet of every page: of reports, audits, comparisons and head pages.

Its colours have the names that they have in the views, so that a page's parts and its views look alike.
"""

from __future__ import annotations

from .. import _palette

ROLES = ("text", "muted", "line", "background", "surface", "page", "accent", "halo")
"""Of the palette, each a custom property of the page."""

OPACITIES = (0.1, 0.18, 0.27, 0.36, 0.44, 0.52, 0.6, 0.88, 0.94, 1.0)
"""Of the steps of a tint. Between the seventh and the eighth no text would have contrast enough."""

LEVELS = len(OPACITIES)
"""Steps of a tint, each a class, since the page allows no style of its own to an element."""

PAGE = """
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 24px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 12px; overflow-wrap: anywhere; }
h3, .name { font-size: 16px; margin: 28px 0 8px; }
a { color: var(--accent); }
[hidden] { display: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav :is(ol, ul) { margin: 16px 0 0; padding-left: 26px; }
nav a { overflow-wrap: anywhere; }
nav .row { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 10px 0 0; padding: 0; list-style: none; }
.part { margin-top: 20px; scroll-margin-top: 12px; }
:is(.part, nav, #head) + .part { margin-top: 40px; padding-top: 28px; border-top: 1px solid var(--line); }
.about { margin: 2px 0 0; color: var(--muted); overflow-wrap: anywhere; }
.note { margin: 0 0 10px; color: var(--muted); max-width: 1000px; }
:is(.small, figcaption) { color: var(--muted); font-size: 13px; }
footer { margin-top: 36px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--muted); font-size: 13px; }
.plain { font: inherit; color: var(--accent); background: none; border: 0; padding: 0; cursor: pointer; }
.plain:hover { text-decoration: underline; }
.button, input, select {
  font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--line); border-radius: 5px;
  padding: 3px 9px; min-height: 30px;
}
.button { cursor: pointer; }
:is(.button, select):hover { border-color: var(--muted); }
.fields { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 0 0 10px; }
.fields label { display: inline-flex; gap: 6px; align-items: center; color: var(--muted); }
.fields select { color: var(--text); }
@page { margin: 14mm; }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { background: none; font-size: 13px; }
  main { max-width: 680px; margin: 0; padding: 0; }
  :is(h1, h2, h3), :is(h2, h3) + .note { break-after: avoid; }
  tr { break-inside: avoid; }
  :is(.part, nav, #head) + .part { margin-top: 28px; padding-top: 20px; }
  .plain, .fields, nav .row { display: none; }
  :focus-visible { outline: none; }
}
"""
"""What every page has."""

REPORT = """
.given {
  display: flex; flex-wrap: wrap; gap: 20px 40px; align-items: flex-start; padding: 16px 18px;
  background: var(--background); border: 1px solid var(--line); border-radius: 8px;
}
.input { flex: 1 1 340px; min-width: 0; max-height: 230px; overflow: auto; font-size: 18px; line-height: 1.45; }
.input p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.input p + p { margin-top: 8px; padding-top: 8px; border-top: 1px dashed var(--line); }
.input img { display: block; height: 200px; max-width: 100%; border-radius: 5px; image-rendering: pixelated; }
.classes { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.classes td { padding: 2px 0 2px 10px; text-align: right; }
.classes th {
  font-weight: inherit; text-align: left; padding: 2px 14px 2px 0; max-width: 220px; overflow-wrap: anywhere;
}
.classes tr:first-child { font-weight: 600; }
.classes svg { display: block; width: 140px; height: 10px; }
.classes .all { fill: var(--line); }
.classes .share { fill: var(--accent); }
.failed {
  padding: 12px 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--background);
}
.notes ul { margin: 0; padding-left: 20px; }
.notes [role="textbox"] {
  margin: 4px 0 12px; padding: 6px 10px; min-height: 36px; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--background); border: 1px solid var(--line); border-radius: 6px;
}
.notes .remove { color: var(--muted); font-size: 13px; margin-left: 8px; }
.undrawn { display: none; }
@media print {
  [data-view], .given, .failed, .notes li { break-inside: avoid; }
  .input { max-height: none; flex-basis: 200px; font-size: 16px; }
  .undrawn { display: block; }
  .notes p, .about > [data-added] { display: none; }
  .notes li > .plain:first-child { display: inline; color: inherit; font-weight: 600; }
}
"""
"""An input, its prediction, its views and notes on them."""

DATA = """
.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 16px;
  margin-top: 20px;
}
.facts { display: flex; flex-wrap: wrap; }
.facts > .card { flex: 1 1 270px; }
.facts > .whole { flex-basis: 100%; }
.card {
  padding: 16px 18px; background: var(--background); border: 1px solid var(--line); border-radius: 8px; min-width: 0;
}
.card :is(h2, h3) { font-size: 16px; margin: 0 0 6px; }
.card > .small { margin: 0 0 10px; }
.large { font-size: 40px; line-height: 1.1; font-weight: 600; font-variant-numeric: tabular-nums; margin: 0; }
.card svg { display: block; width: 100%; height: auto; overflow: visible; }
.card .calibration { max-width: 420px; }
svg text { fill: var(--muted); font-size: 11px; }
svg .title { fill: var(--text); font-size: 12px; }
svg .count { font-size: 9px; paint-order: stroke; stroke: var(--background); stroke-width: 3px; }
.table tr:has(.wide) > * { vertical-align: baseline; }
.recalls { border-collapse: collapse; width: 100%; margin-top: 16px; font-variant-numeric: tabular-nums; }
.recalls caption { text-align: left; color: var(--muted); font-size: 13px; padding-bottom: 4px; }
.recalls :is(th, td) { padding: 3px 10px 3px 0; font-weight: inherit; text-align: right; white-space: nowrap; }
.recalls th { text-align: left; max-width: 110px; overflow: hidden; text-overflow: ellipsis; }
.recalls .track { width: 60%; padding-right: 12px; }
.recalls svg { height: 12px; background: var(--surface); border-radius: 2px; }
.recalls td:last-child { color: var(--muted); padding-right: 0; }
.axis { stroke: var(--line); fill: none; }
.ideal { stroke: var(--muted); stroke-dasharray: 3 3; fill: none; }
.bar { stroke: var(--accent); stroke-width: 2; fill: none; }
.dot { fill: var(--accent); }
.scroll { overflow-x: auto; background: var(--background); border: 1px solid var(--line); border-radius: 8px; }
.card .scroll { border: 0; }
.table, .matrix { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.table { width: 100%; }
.table :is(th, td) { padding: 6px 12px; text-align: right; vertical-align: top; white-space: nowrap; }
.table tbody th { font-weight: inherit; }
.table thead :is(th, td) {
  border-bottom: 1px solid var(--line); font-weight: 600; vertical-align: bottom; white-space: normal;
}
.table tbody tr + tr > * { border-top: 1px solid var(--line); }
.table .text { text-align: left; }
.table .marked { font-weight: 600; }
.card .table :is(th, td) { padding: 4px 12px 4px 0; }
.card .table :is(th, td):last-child { padding-right: 0; }
.card .table :is(td, th) { white-space: normal; }
.card .table .pair { overflow-wrap: anywhere; }
.card .table small { display: block; color: var(--muted); font-size: 12px; }
.table .wide {
  white-space: normal; min-width: min(320px, calc(100vw - 70px)); overflow-wrap: anywhere; line-height: 1.9;
}
.table .narrow { width: 1%; }
.narrow details[open] .opened { width: min(430px, calc(100vw - 80px)); }
.table th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit;
}
.table th button:hover { text-decoration: underline; }
.table th button::after { content: "\\a0\\2195"; color: var(--muted); font-weight: 400; }
[aria-sort="descending"] button::after { content: "\\a0\\2193"; color: inherit; }
[aria-sort="ascending"] button::after { content: "\\a0\\2191"; color: inherit; }
.table td > svg:not(.picture) { display: block; width: 150px; height: 16px; margin-left: auto; }
.table .chosen { box-shadow: inset 3px 0 var(--accent); }
.matrix th { font-weight: 400; padding: 4px 10px; text-align: left; }
.matrix thead th { text-align: right; }
.matrix td { padding: 4px 10px; text-align: right; border: 1px solid var(--background); }
.matrix .cells { display: block; width: 96px; height: 96px; margin-left: auto; border: 1px solid var(--line); }
summary { cursor: pointer; }
details[open] > summary { margin-bottom: 10px; }
.opened { font-weight: 400; line-height: 1.5; white-space: normal; max-width: 640px; }
.opened > :is(p, table, .maps) { margin: 0 0 12px; }
.opened .classes caption { text-align: left; color: var(--muted); }
.opened .classes :is(th, td) { padding: 1px 12px 1px 0; border: 0; overflow-wrap: normal; }
.opened .classes tr + tr > * { border: 0; }
.opened .classes th { text-align: left; white-space: normal; }
.opened .classes thead :is(th, td) { color: var(--muted); font-weight: 400; }
.opened .classes svg { margin: 4px 0; height: 10px; width: 80px; }
.unit { display: inline-flex; flex-direction: column; align-items: center; margin: 0 4px 6px 0; line-height: 1.4; }
.unit small { color: var(--muted); font-size: 11px; }
.maps { display: flex; flex-wrap: wrap; gap: 14px; }
.maps figure { margin: 0; }
.picture { width: 96px; height: auto; border-radius: 4px; vertical-align: middle; }
.maps .picture { width: 200px; }
.opens {
  display: inline-block; font: inherit; padding: 0; border: 0; background: none; border-radius: 4px; cursor: zoom-in;
}
.opens:hover { box-shadow: 0 0 0 2px var(--accent); }
dialog {
  color: var(--text); background: var(--background); border: 1px solid var(--line); border-radius: 8px; padding: 16px;
  max-width: calc(100vw - 24px); max-height: calc(100vh - 24px);
}
dialog::backdrop { background: var(--halo); opacity: 0.6; }
dialog :is(.picture, p) { width: min(720px, 100vw - 60px, 100vh - 130px); }
dialog .picture { display: block; height: auto; }
dialog p { display: flex; gap: 16px; justify-content: space-between; align-items: center; margin: 10px 0 0; }
.coarse { image-rendering: pixelated; }
.pale { opacity: 0.45; }
.mat { fill: var(--mat); }
:is(.word, .token) { padding: 1px 3px; border-radius: 3px; }
[class*="against-"] { text-decoration: underline 1.5px; text-underline-offset: 3px; }
.note .word { color: var(--text); }
@media (forced-colors: active) {
  :is([class*="for-"], [class*="against-"]) { forced-color-adjust: none; }
}
@media print {
  .scroll { overflow: visible; }
  .opens { display: contents; }
  .narrow details:not([open]) { display: none; }
  .table { font-size: 12px; }
  .table :is(th, td) { padding: 3px 6px; }
  .table th button { display: contents; } /* else it is missing where a page repeats the head of a table */
  .table th:not([aria-sort]) button::after { content: ""; }
  .table .wide { min-width: 0; }
  .table td > svg:not(.picture) { width: 90px; }
  thead, .card { break-inside: avoid; }
}
"""
"""Of audits and head pages: cards, tables, words and pictures with their scores."""

HEADS = """
@media (min-width: 860px) { .overview { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); } }
.scatter circle { cursor: pointer; stroke: var(--muted); stroke-width: 0.8; }
.scatter circle:hover, .scatter circle:focus-visible { stroke: var(--text); stroke-width: 2; outline: none; }
.scatter .chosen { stroke: var(--text); stroke-width: 2.5; }
.scatter text { font-size: 15px; }
.scatter .title { font-size: 16px; }
.card .scatter svg { max-width: 540px; }
.card .legend { display: inline-flex; align-items: center; gap: 6px; color: var(--muted); font-size: 13px; }
.card .legend svg { width: 110px; height: 10px; }
.card .headline { margin: 0 0 10px; }
.squares { overflow-x: auto; margin-bottom: 8px; }
.squares .tile { font: inherit; cursor: pointer; color: inherit; }
.head > header { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: baseline; }
.head h2 { margin: 0; }
.head .lead { font-size: 17px; margin: 6px 0 14px; max-width: 1000px; }
.head nav { margin-left: auto; display: flex; gap: 8px; }
.inside { columns: 400px; column-gap: 16px; margin-top: 16px; }
.inside .card { break-inside: avoid; margin-bottom: 16px; }
.inside .whole { column-span: all; }
.example { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 4px 14px; padding: 10px 0; }
.example + .example { border-top: 1px solid var(--line); }
.example .place { color: var(--muted); font-size: 13px; line-height: 1.5; }
.example .place b { color: var(--text); font-variant-numeric: tabular-nums; display: block; font-size: 15px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 18px 16px; }
.tiles .example { display: flex; flex-direction: column-reverse; justify-content: flex-end; padding: 0; border: 0; }
.tiles .place b { display: inline; margin-right: 8px; }
.tiles .opens { display: block; width: 100%; }
.tiles .picture { width: 100%; }
.tokens { line-height: 2.1; }
:where(.tokens) .token { margin: 0 1px 0 2px; }
:where(.token) { background: none; color: inherit; }
.token { font: inherit; border: 0; cursor: pointer; white-space: pre-wrap; }
.token.piece { margin-left: -4px; padding-left: 0; }
:where(.token.special) { color: var(--muted); }
.token[aria-pressed="true"] { box-shadow: inset 0 0 0 2px var(--text); }
.bars rect { fill: var(--accent); }
.bars .chance { stroke: var(--text); stroke-width: 1.5; }
.card .classes-of :is(th, td) { padding: 4px 3px; font-size: 13px; white-space: nowrap; }
.card .classes-of :is(td, th:not(.text)) { text-align: center; }
@media (forced-colors: active) {
  .token[aria-pressed="true"] { outline: 2px solid Highlight; }
}
@media print {
  .head nav { display: none; }
  .overview { display: block; }
  .overview .card + .card { margin-top: 16px; }
  .inside { columns: auto; display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
  .inside .card { margin: 0; padding: 12px; }
  .inside > :is(.whole, :has(.classes-of), :last-child) { grid-column: 1 / -1; }
  .card .scatter svg { max-width: 340px; }
  .head, .inside .examples { break-inside: auto; }
  .head > header, .head .lead { break-after: avoid; }
  .example { break-inside: avoid; }
  .card .classes-of :is(th, td) { padding: 3px; font-size: 11px; }
}
"""
"""Of head pages: the overview, and one head in full."""

WIDE = """
@media screen and (min-width: 1500px) {
  main { max-width: 1960px; padding: 32px 28px 24px; }
  .views { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 24px; align-items: start; }
  .views > :not(.half) { grid-column: 1 / -1; }
}
"""
"""A page that is wide has views beside each other, none narrower than 600 pixels."""


def _properties(theme: str) -> str:
    return " ".join(f"--{role}: {_palette.colour(role, theme)};" for role in ROLES)


def _layers() -> str:
    """Colours of layers, from first to last, and what is behind a map in both themes."""
    stops = "".join(f"--layer-{n}: {colour}; " for n, colour in enumerate(_palette.stops("layers")))
    return f":root {{ {stops}--mat: {_palette.colour('background')}; }}\n"


def _tints() -> str:
    rules = []
    for role in ("for", "against"):
        red, green, blue = _palette.rgb(_palette.colour(role))
        for level, opacity in enumerate(OPACITIES, 1):
            ink = _palette.ink(True) if opacity > 0.6 else "var(--text)"
            rules.append(
                f".{role}-{level} {{ color: {ink}; background: rgba({red}, {green}, {blue}, {opacity}); }}"
            )
    return "\n".join(rules)


STYLE = f"""
:root {{ color-scheme: light dark; {_properties("light")} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_properties("dark")} }} }}
@media print {{ :root {{ color-scheme: light; {_properties("light")} }} }}
{_layers()}{PAGE}{REPORT}{DATA}{HEADS}{WIDE}{_tints()}
"""
