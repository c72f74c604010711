"""The page: bundles, state, bytes, and a Content-Security-Policy that allows only these."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ipywidgets import DOMWidget

from .. import __version__, _palette
from .._escaping import shown
from ..widgets._view import View, bundle
from ._packing import pack

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {style}; img-src data: blob:; "
    "worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
)

UNDRAWN = "This view was not drawn yet when the page was printed. Print once more."
"""Stands in print where a view is missing."""

ROLES = {
    "--ink": "text", "--quiet": "muted", "--line": "line", "--paper": "background", "--ground": "page",
    "--accent": "accent",
}  # fmt: skip
"""Custom properties of the page, and whose colour of the palette each is."""


def _properties(theme: str) -> str:
    return " ".join(f"{name}: {_palette.colour(role, theme)};" for name, role in ROLES.items())


STYLE = f"""
:root {{ color-scheme: light dark; {_properties("light")} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_properties("dark")} }} }}
"""
STYLE += """\
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 24px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 12px; overflow-wrap: anywhere; }
h3, .name { font-size: 16px; margin: 28px 0 8px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav :is(ol, ul) { margin: 16px 0 0; padding-left: 26px; }
nav a { color: var(--accent); overflow-wrap: anywhere; }
.part { margin-top: 20px; }
.part + .part, nav + .part { margin-top: 40px; padding-top: 28px; border-top: 1px solid var(--line); }
.about { margin: 2px 0 0; color: var(--quiet); overflow-wrap: anywhere; }
.given {
  display: flex; flex-wrap: wrap; gap: 20px 40px; align-items: flex-start; padding: 16px 18px;
  background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
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
.failed { padding: 12px 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); }
.plain {
  font: inherit; color: var(--accent); background: none; border: 0; padding: 0; cursor: pointer;
}
.notes ul { margin: 0; padding-left: 20px; }
.notes [role="textbox"] {
  margin: 4px 0 12px; padding: 6px 10px; min-height: 36px; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--paper); border: 1px solid var(--line); border-radius: 6px;
}
[hidden] { display: none; }
.notes .remove { color: var(--quiet); font-size: 13px; margin-left: 8px; }
.plain:hover { text-decoration: underline; }
.note { margin: 0 0 10px; color: var(--quiet); }
footer { margin-top: 36px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--quiet); font-size: 13px; }
.undrawn { display: none; }
@page { margin: 14mm; }
@media print {
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { background: none; font-size: 13px; }
  main { max-width: 680px; margin: 0; padding: 0; }
  :is(h1, h2, h3), :is(h2, h3) + .note { break-after: avoid; }
  [data-view], .given, .failed, tr { break-inside: avoid; }
  .part + .part, nav + .part { margin-top: 28px; padding-top: 20px; }
  .input { max-height: none; flex-basis: 200px; font-size: 16px; }
  .undrawn { display: block; }
  .plain, .notes p, .about > [data-added] { display: none; }
  .notes li { break-inside: avoid; }
  .notes li > .plain:first-child { display: inline; color: inherit; font-weight: 600; }
  :focus-visible { outline: none; }
}
"""
STYLE += f"@media print {{ :root {{ color-scheme: light; {_properties('light')} }} }}\n"

WIDGET = frozenset(DOMWidget.class_trait_names())
"""Traits of every widget, by which a notebook finds and places it."""


class Page:
    """A page under construction: views are placed one by one, then it is written."""

    def __init__(self, compress: bool = True):
        self._compress = compress
        self._bundles: list[str] = []
        self._views: list[dict[str, Any]] = []
        self._links: list[tuple[int, str, int, str]] = []
        self._sections: dict[str, dict[str, tuple[int, str]]] = {}
        self._held: list[str] = []

    def place(self, view: View, **more: bytes) -> int:
        """Adds a view's current state, and more bytes; returns the view's number in the page."""
        traits = {name: getattr(view, name) for name in view.traits(sync=True)}
        state = {name: value for name, value in traits.items() if name[0] != "_" and name not in WIDGET}
        held = {name: value for name, value in state.items() if isinstance(value, bytes)} | more
        if view._esm not in self._bundles:
            self._bundles.append(view._esm)
        self._views.append({
            "bundle": self._bundles.index(view._esm),
            "state": {name: value for name, value in state.items() if name not in held},
            "bytes": {name: self._hold(value) for name, value in held.items()},
        })  # fmt: skip
        return len(self._views) - 1

    def link(self, first: int, trait: str, second: int, other: str) -> None:
        """Links traits of two views; they start with the first one's value."""
        self._links.append((first, trait, second, other))

    def keep(self, section: str, name: str, view: int, trait: str) -> None:
        """Keeps a trait in the page's address, under that name in that section, for the first view that has it."""
        self._sections.setdefault(section, {}).setdefault(name, (view, trait))

    def _hold(self, data: bytes) -> int:
        text, size, deflated = pack(data, self._compress)
        number = len(self._held)
        packed = "" if deflated is None else f' data-deflated="{deflated}"'
        self._held.append(
            f'<script type="text/plain" id="bytes-{number}" data-bytes="{size}"{packed}>{text}</script>'
        )
        return number

    def written(self, title: str, body: str) -> bytes:
        """The whole file. `body` is HTML, `title` is text."""
        contents = json.dumps(
            {"views": self._views, "links": self._links, "sections": self._sections}
        ).replace("<", "\\u003c")
        held = [
            f'<script type="application/json" id="contents">{contents}</script>',
            '<script type="application/json" id="notes">[]</script>',
            *self._held,
        ]
        return document(title, body, [bundle("report"), *self._bundles], STYLE, held)


def document(title: str, body: str, code: list[str], style: str, held: Iterable[str] = ()) -> bytes:
    """A whole file. `title` is text, `body` is HTML; `held` are elements with data for the scripts."""
    policy = POLICY.format(scripts=" ".join(map(fingerprint, code)), style=fingerprint(style))
    return "\n".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="attnlens {__version__}">',
        f"<title>{shown(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>",
        body,
        "</main>",
        *held,
        *(f'<script type="module">{one}</script>' for one in code),
        "</body>\n</html>\n",
    ]).encode()  # fmt: skip


def fingerprint(code: str) -> str:
    """The hash by which a Content-Security-Policy allows a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def room(view: int, height: int) -> str:
    """The element of a view, with its approximate height in pixels, so that the page does not jump."""
    return f'<div data-view="{view}" data-height="{height}"><p class="note undrawn">{UNDRAWN}</p></div>'
