"""How long a page takes in Chromium until it has drawn, until it has drawn another layer, and what memory it holds.

One rule for every page, looked at once a frame: it has drawn when its picture is there and, where that is a canvas,
the middle of it (beside the labels) is not of one colour; it has drawn another layer when the picture is another. The
clock stops when the frame in which that is so has been laid out and painted. What is drawn off the page's own thread
comes on top, for all alike.
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from playwright.sync_api import Browser, Error, Locator, Page, TimeoutError, sync_playwright

from tests.browser.conftest import FLAGS

from .pages import Drawn

PATIENCE = 60
"""Seconds that a page may take for anything."""

CHANGES, SLOW = 4, 8
"""Layers that are changed to, each for the first time, and seconds after which there are fewer of them."""

CONTENT_NETWORK = "https://cdnjs.cloudflare.com/ajax/libs/"

WEB = Path(__file__).parents[2] / ".venv" / "peers-web" / "node_modules"

STAND_INS = {
    "require.js/": "requirejs/require.js",
    "d3/": "d3/dist/d3.min.js",
    "jquery/": "jquery/dist/jquery.min.js",
}

WATCH = """
(() => {
  const under = (root, selector) => {
    const found = [...root.querySelectorAll(selector)].slice(-8);
    if (found.length) return found;
    for (const host of root.querySelectorAll("*:not(svg *)"))
      if (host.shadowRoot) found.push(...under(host.shadowRoot, selector));
    return found;
  };
  const samples = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  const pixels = (canvas) => {
    if (!canvas.width || !canvas.height) return new Uint32Array(1);
    const context = samples.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, 64, 64);
    const [wide, high] = [canvas.width / 2, canvas.height / 2];
    context.drawImage(canvas, wide / 2, high / 2, wide, high, 0, 0, 64, 64);
    return new Uint32Array(context.getImageData(0, 0, 64, 64).data.buffer);
  };
  const look = (selector) => under(document, selector).map((element) => {
    if (!(element instanceof HTMLCanvasElement)) return element.outerHTML;
    const seen = pixels(element);
    return new Set(seen).size > 1 ? seen.join() : "";
  }).filter(Boolean).join();
  const painted = (then) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(0);
  };
  const when = (holds, report, patience = 300) => {
    let quiet = 0;
    const frame = () => {
      if (holds()) return painted(() => report(performance.now()));
      quiet = document.readyState === "complete" ? quiet + 1 : 0;
      if (quiet > patience) return report(null);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  };
  const tell = (name, value) => console.debug(JSON.stringify({ measured: name, value }));
  const change = (selector, control, layer) => {
    const before = look(selector);
    const [first] = under(document, control);
    const start = performance.now();
    if (first instanceof HTMLSelectElement) {
      first.selectedIndex = (first.selectedIndex + 1) % first.options.length;
      first.dispatchEvent(new Event("change", { bubbles: true }));
    } else document.querySelectorAll(control)[layer].click();
    const another = () => ((now) => now && now !== before)(look(selector));
    when(another, (end) => tell("change", end && end - start));
  };
  window.watched = { under, pixels, look, when, tell, change };
})();
"""

FIRST = """
(selector) => window.watched.when(() => window.watched.look(selector), (end) => window.watched.tell("drawn", end))
"""

CHANGE = "([picture, control, layer]) => { setTimeout(() => watched.change(picture, control, layer)) }"


COUNT = """
() => {
  const frames = (window.moved = []);
  let before = "";
  const frame = (now) => {
    const seen = watched.look("canvas.matrix");
    if (seen !== before) frames.push(now);
    before = seen;
    if (window.moved === frames) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
"""
"""Frames that show another picture than the one before."""

PANNED = 2.0
"""Seconds of dragging."""


class Measured(NamedTuple):
    """Seconds until drawn, milliseconds of a layer change, megabytes of the script's heap and of the process.

    A word stands for what did not come: blank (the page was done and showed nothing) or > 60 s. None was not asked.
    """

    drawn: float | str
    change: float | str | None = None
    heap: float | None = None
    private: float | None = None


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium of one's own."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield made
        made.close()


def measure(path: Path, drawn: Drawn, changes: bool = True) -> Measured:
    """A page in a browser of its own, so that nothing is left of another one; with layer changes, or only opened."""
    with browser() as made:
        page = made.new_page(viewport={"width": 1200, "height": 900})
        page.route(f"{CONTENT_NETWORK}**", _from_npm)
        page.add_init_script(f"{WATCH};({FIRST})({json.dumps(drawn.picture)})")
        first = _told(page, "drawn", lambda: page.goto(path.as_uri(), wait_until="commit"))
        if isinstance(first, str):
            return Measured(first)
        heap, private = _memory(page)
        return Measured(
            first / 1000, _changes(page, drawn) if drawn.layer and changes else None, heap, private
        )


def dragged(page: Page, matrix: Locator) -> tuple[float, float]:
    """New pictures per second of a map that is moved in a circle as by hand, and the longest wait in milliseconds."""
    box = matrix.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(COUNT)
    start = time.monotonic()
    while (turn := 2 * math.pi * (time.monotonic() - start) / PANNED) < 2 * math.pi:
        page.mouse.move(x + 200 * math.sin(turn), y + 200 * math.cos(turn) - 200)
    frames = page.evaluate("() => { const found = moved; moved = null; return found; }")
    page.mouse.up()
    if len(frames) < 2:
        return 0.0, math.inf
    steps = [after - before for before, after in itertools.pairwise(frames)]
    return 1000 * len(steps) / sum(steps), max(steps)


def _changes(page: Page, drawn: Drawn) -> float | str:
    times: list[float] = []
    for layer in range(CHANGES):
        found = _told(page, "change", partial(page.evaluate, CHANGE, [drawn.picture, drawn.layer, layer]))
        if isinstance(found, str):
            return found
        times.append(found)
        if sum(times) > 1000 * SLOW:
            break
    return statistics.median(times)


def _told(page: Page, name: str, act: Any) -> float | str:
    """What the page tells under that name after an act: a number, or a word where it did not come."""
    try:
        with page.expect_console_message(
            lambda message: message.text.startswith(f'{{"measured":"{name}"'), timeout=PATIENCE * 1000
        ) as found:
            act()
    except TimeoutError:
        return f"> {PATIENCE} s"
    except Error as error:
        if "crash" not in str(error).lower():
            raise
        return "crashed"
    value = json.loads(found.value.text)["value"]
    return "blank" if value is None else value


def _memory(page: Page) -> tuple[float, float]:
    """Megabytes of the script's heap, and of what the page's process holds for itself."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    processes = [
        one
        for one in psutil.Process().children(recursive=True)
        if "--type=renderer" in " ".join(one.cmdline())
    ]
    return metrics["JSHeapUsedSize"] / 1e6, max(one.memory_full_info().uss for one in processes) / 1e6


def _from_npm(route: Any) -> None:
    """The content network's packages, from where npm put them."""
    name = next(
        name for name in STAND_INS if route.request.url.removeprefix(CONTENT_NETWORK).startswith(name)
    )
    route.fulfill(path=WEB / STAND_INS[name], content_type="text/javascript")
