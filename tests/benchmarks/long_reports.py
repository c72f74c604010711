"""A report of a long text in Chromium without a GPU: until its map is drawn, until single weights are, and dragged."""

from __future__ import annotations

import json
import math
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from playwright.sync_api import Page

import attnlens as al
from attnlens.data._attention import Band
from attnlens.data._trace import Layer, Token, Trace

from .painting import PATIENCE, WATCH, browser, dragged

D_HEAD = 64

PICTURE = "canvas.matrix"

OPENED = """
(selector) => watched.when(() => watched.look(selector), (end) => watched.tell("opened", end))
"""

SETTLED = """
() => {
  const start = performance.now();
  let frames = 0;
  setTimeout(() => watched.when(() => {
    const [notice] = watched.under(document, ".notice");
    frames = notice.hidden ? frames + 1 : 0;
    return frames > 2;
  }, (end) => watched.tell("settled", end - start), Infinity));
}
"""
"""Until nothing in sight is under way."""

PLOT, MIDDLE = 620, 4
"""Pixels of the map, and the level in the middle that is zoomed to: it is pooled from tiles that are computed first."""


class Long(NamedTuple):
    """Megabytes of the page and seconds that it took to write; seconds until its map, until single weights around the
    middle, and until a middle level; new pictures per second while that is dragged."""

    megabytes: float
    written: float
    opened: float
    deepest: float
    middle: float
    deep_frames: float
    middle_frames: float


def long_trace(size: int) -> Trace:
    """One causal head that attends by content and by place."""
    torch.manual_seed(0)
    angles = torch.arange(size)[:, None] * 2.0 ** -torch.arange(D_HEAD // 4)
    place = torch.cat([angles.cos(), angles.sin()], 1)
    query, key = (torch.cat([2 * place, 2 * torch.randn(size, D_HEAD // 2)], 1) for _ in range(2))
    attention = al.data.Factors(query[None], key[None], D_HEAD**-0.5, mask=Band(None, 0))
    tokens = tuple(Token(f"token{n}") for n in range(size))
    return Trace((Layer("layer 0", "self", attention),), model="of content and place", tokens=tokens)


def measured(size: int) -> Long:
    """A page of a trace of that many tokens."""
    with tempfile.TemporaryDirectory() as folder, browser() as made:
        start = time.monotonic()
        path = al.report(long_trace(size), path=Path(folder) / "long.html", views="attention")
        written = time.monotonic() - start
        page = made.new_page(viewport={"width": 1200, "height": 1300})
        page.add_init_script(f"{WATCH};({OPENED})({json.dumps(PICTURE)})")
        opened = _told(page, "opened", lambda: page.goto(path.as_uri(), wait_until="commit"))
        page.locator(PICTURE).focus()
        middle, middle_frames = _at(page, round(math.log2(size / PLOT)) - MIDDLE)
        deepest, deep_frames = _at(page, MIDDLE + 1)
        return Long(path.stat().st_size / 1e6, written, opened, deepest, middle, deep_frames, middle_frames)


def _at(page: Page, levels: int) -> tuple[float, float]:
    """So many levels nearer: seconds until all in sight is there, and pictures per second while it is dragged."""
    for _ in range(math.ceil(levels * math.log(2) / math.log(1.5))):  # a key enlarges by half
        page.keyboard.press("+")
    settled = _told(page, "settled", lambda: page.evaluate(SETTLED))
    frames, _ = dragged(page, page.locator(PICTURE))
    return settled, frames


def _told(page: Page, name: str, act) -> float:
    """Seconds that the page tells under that name."""
    with page.expect_console_message(
        lambda message: message.text.startswith(f'{{"measured":"{name}"'), timeout=5000 * PATIENCE
    ) as told:
        act()
    return json.loads(told.value.text)["value"] / 1000
