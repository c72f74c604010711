"""A view in a real marimo notebook: it paints, a click reaches the cells that depend on it, and Python answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import expect

from .jupyter import free_port
from .mounting import PATIENCE

NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import attnlens as al
    trace = al.load("sentiment").trace("a gripping , funny film with one dull stretch .", store="factors")
    view = mo.ui.anywidget(al.AttentionView(trace, layer=1, heads=8))
    view
    return al, mo, view

@app.cell
def _(mo, view):
    mo.md(f"query {view.value['query']}, layer {view.value['layer']}")
    return ()

@app.cell
def _(al, mo):
    _lens = al.load("sentiment")
    _text, _other = "a gripping , funny film .", "a gripping , dull film ."
    _picture = al.models.sample_images()["chelsea"]
    _views = [
        al.HeadsView(_lens.trace(_text), by="entropy"),
        al.TokensView(_lens, _text),
        al.CompareView(_lens.trace(_text), _lens.trace(_other)),
        al.PatchView(al.load("cifar").trace(_picture), heads=[]),
    ]
    mo.vstack([mo.ui.anywidget(_view) for _view in _views])
    return ()

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marimo")
    (folder / "notebook.py").write_text(NOTEBOOK)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "marimo",
        "run",
        "notebook.py",
        "--headless",
        "--no-token",
        f"--port={port}",
    ]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"HOME": str(folder)}
        )
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
            break
        except OSError:
            time.sleep(0.2)
    else:
        pytest.fail(f"marimo did not start: {(folder / 'log').read_text()[-2000:]}")
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)


def test_a_view_in_marimo_paints_reaches_dependent_cells_and_asks_python(chromium, address):
    context = chromium.new_context(viewport={"width": 1100, "height": 1000})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
    page.goto(address)
    for painted in (".token.query", ".tile", ".part", ".distances button"):  # the kernel is free when all are
        page.locator(painted).first.wait_for(timeout=PATIENCE)
    expect(page.get_by_text("layer 7, mean of 3 heads").first).to_be_visible(timeout=PATIENCE)
    page.locator(".token.query").nth(4).click()
    expect(page.get_by_text("query 4, layer 1")).to_be_visible(timeout=PATIENCE)
    page.locator("select[aria-label=Layer]").select_option("3")
    expect(page.get_by_text("query 4, layer 3")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="matrix", exact=True).click()
    page.locator("canvas.matrix").first.click(position={"x": 300, "y": 300})
    expect(page.get_by_text(re.compile("after the softmax"))).to_be_visible(timeout=PATIENCE)
    page.locator(".tile").nth(30).click()
    expect(page.locator(".tile[aria-selected=true]")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator(".part", has_text="funny")).to_be_visible(timeout=PATIENCE)
    page.locator(".distances button").nth(14).click()
    expect(page.locator(".distances button[aria-selected=true]")).to_have_count(1, timeout=PATIENCE)
    page.locator("textarea").fill("a dull film")
    expect(page.locator(".part", has_text="dull")).to_be_visible(timeout=PATIENCE)
    context.close()
    assert errors == []
