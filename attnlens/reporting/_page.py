"""The page: bundles, state, bytes, and a Content-Security-Policy that allows only these."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ipywidgets import DOMWidget

from .. import __version__
from .._escaping import shown
from ..widgets._view import View, bundle
from ._packing import pack
from ._style import STYLE

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {style}; img-src data: blob:; "
    "worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
)

UNDRAWN = "This view was not drawn yet when the page was printed. Print once more."
"""Stands in print where a view is missing."""

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
        return document(title, body, [bundle("report"), *self._bundles], held)


def document(title: str, body: str, code: list[str], held: Iterable[str] = ()) -> bytes:
    """A whole file. `title` is text, `body` is HTML; `held` are elements with data for the scripts."""
    policy = POLICY.format(scripts=" ".join(map(fingerprint, code)), style=fingerprint(STYLE))
    return "\n".join([
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="attnlens {__version__}">',
        f"<title>{shown(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
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
