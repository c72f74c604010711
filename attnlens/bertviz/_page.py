"""BertViz's script with the data of a trace, as a self-contained page and as a frame in a notebook."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import _palette
from ..errors import AttnlensError

HERE = Path(__file__).parent
VENDOR = HERE.parent / "vendor"

MARKER = re.compile(r"const params = (?:PYTHON_PARAMS|window\.bertviz_params)\b")
"""Where BertViz's scripts read their data."""

START = "requirejs(['jquery', 'd3'],"
"""Where they load their libraries."""

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
CONTENT_NETWORK = "https://cdnjs.cloudflare.com"
REQUIRE = f"{CONTENT_NETWORK}/ajax/libs/require.js/2.3.6/require.min.js"

FONT = "font-family:'Helvetica Neue', Helvetica, Arial, sans-serif;"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
:root {{ color-scheme: light; }}
body {{ margin: 8px; background: {background}; color: black; }}
svg {{ overflow: visible; }}
select:focus-visible {{ outline: 2px solid {accent}; outline-offset: 1px; }}
</style>
</head>
<body>
{markup}
<script type="application/json" id="{root}-data">{data}</script>
{libraries}<script>{script}</script>
</body>
</html>
"""


def page(view: str, title: str, controls: str, data: dict[str, Any], offline: bool) -> str:
    """A complete HTML page with one of BertViz's views.

    view: the name of its script; controls: the markup above its picture
    """
    digest = hashlib.sha256(json.dumps([view, data]).encode()).hexdigest()
    root = f"bertviz-{digest[:16]}"
    data = {**data, "params": {**data["params"], "root_div_id": root}}
    script = _script(view, root, offline)
    allowed = f"'sha256-{_sha(script)}'" + ("" if offline else f" {CONTENT_NETWORK}")
    return PAGE.format(
        policy=POLICY.format(scripts=allowed),
        title=html.escape(title),
        background="black" if view == "neuron_view" and data["params"]["display_mode"] == "dark" else "white",
        markup=f'<div id="{root}" style="{FONT}">\n{controls}\n<div id="vis"></div>\n</div>',
        accent=_palette.colour("accent"),
        root=root,
        data=as_json(data),
        libraries="" if offline else f'<script src="{REQUIRE}"></script>\n',
        script=script,
    )


def frame(page: str, title: str, height: int) -> str:
    """A page inside another, sandboxed: neither can reach into the other."""
    # The outer element keeps IPython from suggesting an IFrame with an address.
    return (
        f'<div><iframe title="{html.escape(title)}" sandbox="allow-scripts" srcdoc="{html.escape(page)}" '
        f'style="display: block; width: 100%; height: {height}px; border: 0; background: white"></iframe></div>'
    )


def packed(tensor: Tensor, dtype: str) -> str:
    """Numbers as base64: "<f2" or "<f4"."""
    return base64.b64encode(tensor.detach().float().cpu().numpy().astype(dtype).tobytes()).decode()


def as_json(value: Any) -> str:
    """JSON that is safe inside a script element: ASCII, and nothing in it opens or closes an element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _script(view: str, root: str, offline: bool) -> str:
    """BertViz's script, unchanged but for the sources of its data and its libraries."""
    theirs, replaced = MARKER.subn("const params = given", source(view))
    if replaced != 1 or START not in theirs:
        raise AttnlensError(
            f"the script {view}.js of the installed bertviz differs from the supported one; install the supported "
            "version: pip install bertviz==1.4.1"
        )
    unpack = (HERE / "params.js").read_text(encoding="utf-8").strip()
    parts = [
        "(() => {",
        _libraries() if offline else "",
        f'const given = ({unpack})(JSON.parse(document.getElementById("{root}-data").textContent));',
        theirs.strip(),
        _RELABEL,
        "})();",
    ]
    return "\n".join(part for part in parts if part).replace("\r\n", "\n")


_RELABEL = """requirejs(["jquery", "d3"], () => {
  for (const [control, numbers] of Object.entries(given.numbers || {}))
    document.querySelectorAll(`#${given.root_div_id} #${control} option`)
      .forEach((option, i) => { option.textContent = numbers[i]; });
});"""
"""The neuron view renumbers layers and heads; this restores their numbers."""


def source(view: str) -> str:
    """A script of the installed BertViz."""
    return (files("bertviz") / f"{view}.js").read_text(encoding="utf-8")


def _libraries() -> str:
    """D3 and jQuery as local names, whatever loader the surrounding page has, and the loader that BertViz calls."""
    d3, jquery = (
        (VENDOR / name).read_text(encoding="utf-8").strip() for name in ("d3.min.js", "jquery.slim.min.js")
    )
    return "\n".join(
        [
            "const d3 = {};",
            f"((exports, module, define) => {{\n{d3}\n}})(d3, {{}});",
            "const held = { exports: {} };",
            f"((module, define) => {{\n{jquery}\n}})(held);",
            "const require = { config() {} };",
            "const requirejs = (_, view) => view(held.exports, d3);",
        ]
    )


def _sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
