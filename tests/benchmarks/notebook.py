"""A long trace in a real JupyterLab: seconds until its map is drawn, and frames per second while it is moved."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import TimeoutError

from tests.browser.jupyter import Lab, Notebook

from .painting import PATIENCE, WATCH, browser, dragged

TRACE = """
import torch, attnlens as al
torch.manual_seed(0)
trace = al.Trace(layers=tuple(
    al.data.Layer(f"layer {{n}}", "self", al.data.Factors(*torch.randn(2, {heads}, {size}, 64), 0.125))
    for n in range({layers})))
"""

VIEW = "al.AttentionView(trace, heads=0, mode='matrix')"

OPENED = """
() => {
  let start = 0, first = 0, last = 0, before = "";
  addEventListener("keydown", () => { start ||= performance.now(); }, { capture: true });
  const drawn = () => {
    const now = watched.look("canvas.matrix");
    if (now && now !== before) last = performance.now();
    if (now) first ||= last;
    before = now;
    const [notice] = watched.under(document, ".view > .notice");
    return first && notice.hidden && performance.now() - last > 1000;
  };
  watched.when(drawn, () => watched.tell("opened", [first - start, last - start]), Infinity);
}
"""


class Moved(NamedTuple):
    """Seconds until the first map and until all its detail; new pictures per second while it is dragged, and the
    longest wait for one in milliseconds."""

    first: float
    whole: float
    frames: float
    longest: float


def moved(size: int, layers: int, heads: int) -> Moved:
    """A trace of factors that is there already, as a map in a notebook, opened, brought nearer and dragged.

    The kernel is a new one, so that opening the view counts what it imports.
    """
    with tempfile.TemporaryDirectory() as folder, browser() as made:
        lab = Lab(Path(folder))
        try:
            page = made.new_page(viewport={"width": 1300, "height": 1100})
            page.route(
                lambda url: not url.startswith((lab.url, "data:", "blob:")), lambda route: route.abort()
            )
            page.add_init_script(WATCH)
            cell = TRACE.format(size=size, layers=layers, heads=heads)
            notebook = lab.notebook(page, "long.ipynb", cell, VIEW)
            notebook.run(0)
            return Moved(*_opened(notebook), *_dragged(notebook))
        finally:
            lab.close()


def _opened(notebook: Notebook) -> tuple[float, float]:
    page = notebook.page
    page.evaluate(OPENED)
    try:
        with page.expect_console_message(
            lambda message: message.text.startswith('{"measured":"opened"'), timeout=2000 * PATIENCE
        ) as told:
            notebook.run(1)
    except TimeoutError:
        return math.inf, math.inf
    first, last = json.loads(told.value.text)["value"]
    return first / 1000, last / 1000


def _dragged(notebook: Notebook) -> tuple[float, float]:
    """The map eight times nearer."""
    page, matrix = notebook.page, notebook.cell(1).locator("canvas.matrix")
    matrix.scroll_into_view_if_needed()
    matrix.focus()
    for _ in range(5):
        page.keyboard.press("+")
    page.wait_for_timeout(2000)
    return dragged(page, matrix)
