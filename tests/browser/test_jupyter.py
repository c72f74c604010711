"""The views in a real JupyterLab: clicks reach Python, what Python sets is seen, and what is lost is said."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.sign import NotebookNotary
from playwright.sync_api import expect

from .mounting import PATIENCE, eventually

SENTENCE = "a gripping , funny film with one dull stretch ."

LENS = f"""
import attnlens as al
lens = al.load("sentiment")
trace = lens.trace({SENTENCE!r}, store="factors")
"""

LONG = """
import torch, attnlens as al
torch.manual_seed(0)
def layer(n):
    query, key = torch.randn(2, 2, 4096, 64)
    query[:, torch.arange(4096), torch.arange(4096) % 64] += 20  # a pattern one recognises
    return al.data.Layer(f"layer {n}", "self", al.data.Factors(query, key, 0.125))
trace = al.Trace(layers=tuple(layer(n) for n in range(24)), model="long")
view = al.AttentionView(trace, heads=1, mode="matrix")
view
"""


@pytest.fixture
def page(chromium, lab):
    """A page that reaches the server alone; errors in its console fail the test."""
    context = chromium.new_context(viewport={"width": 1300, "height": 1100})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route(lambda url: not url.startswith((lab.url, "data:", "blob:")), lambda route: route.abort())
    yield page
    context.close()
    assert errors == []


def test_a_click_reaches_python_and_what_python_sets_is_seen_in_every_view(page, lab):
    notebook = lab.notebook(
        page,
        "views.ipynb",
        LENS + "heads = al.HeadsView(trace)\nheads",
        "from ipywidgets import jslink\n"
        "view = al.AttentionView(trace, layer=0, heads=2)\n"
        "jslink((heads, 'layer'), (view, 'layer')); jslink((heads, 'heads'), (view, 'heads'))\nview",
        "view",
        "",
    )
    for cell in range(3):
        notebook.run(cell)
    tiles = notebook.cell(0).locator(".tile")
    assert tiles.count() == 72
    tiles.nth(2 * 12 + 5).click()
    first, second = (notebook.cell(cell).locator(".view") for cell in (1, 2))
    for view in (first, second):
        assert view.locator(".chip[aria-pressed=true]").all_inner_texts() == ["5"]
    assert notebook.evaluate(3, "heads.layer, heads.heads, view.layer, view.heads") == "2 [5] 2 [5]"

    first.locator(".token.query").nth(4).click()
    assert notebook.evaluate(3, "view.query") == "4"
    notebook.write(3, "view.mode = 'matrix'; view.layer = -1; view.key = 3")
    notebook.run(3)
    for view in (first, second):
        view.locator("canvas.matrix").wait_for()
        assert view.get_by_label("Layer", exact=True).input_value() == "5"
    assert tiles.nth(5 * 12 + 5).get_attribute("aria-selected") == "true"
    # The product behind the score comes from Python.
    first.get_by_text(re.compile("after the softmax")).wait_for()


def test_a_layer_is_sent_when_it_is_shown_and_a_lost_kernel_is_told(page, lab):
    notebook = lab.notebook(
        page,
        "lost.ipynb",
        LENS
        + "from attnlens.widgets import _view as made\nmade.AT_ONCE = 0\nview = al.AttentionView(trace, heads=1)\nview",
        "",
    )
    notebook.run(0)
    view = notebook.cell(0).locator(".view")
    view.locator(".token.query").first.wait_for()
    sent = "[name for name in view.keys if name.startswith('layer_')]"
    assert notebook.evaluate(1, sent) == "['layer_0']"
    view.get_by_label("Layer", exact=True).select_option("3")
    eventually(page, lambda: notebook.evaluate(1, sent) == "['layer_0', 'layer_3']")
    assert view.locator(".notice").is_hidden()

    notebook.write(1, "import os; os._exit(0)")
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-Dialog").get_by_role("button", name=re.compile("ok|restart", re.I)).first.click()
    page.wait_for_timeout(3000)
    view.get_by_label("Layer", exact=True).select_option("4")
    view.locator(".notice").wait_for()
    assert "Run the cell again" in view.locator(".notice").inner_text()


def test_a_long_trace_comes_block_by_block_and_zooms_down_to_single_weights(page, lab):
    notebook = lab.notebook(page, "long.ipynb", LONG, "")
    notebook.run(0)
    view = notebook.cell(0).locator(".view")
    matrix = view.locator("canvas.matrix")
    matrix.wait_for()
    assert (
        notebook.evaluate(1, "view.trace['remote'], [n for n in view.keys if n.startswith('layer_')]")
        == "True []"
    )
    middle = {"x": 124 + 230, "y": 106 + 230}
    for _ in range(8):
        matrix.dblclick(position=middle)
    matrix.hover(position=middle)
    weight_said = re.compile(
        r": ([\d.e-]+) ·"
    )  # of the single weight, which is brought where the pointer rests
    eventually(page, lambda: weight_said.search(view.locator(".readout").inner_text()))
    said = view.locator(".readout").inner_text()
    query, key = map(int, re.search(r"query (\d+), key (\d+)", said).groups())
    weight = float(re.search(r": ([\d.e-]+) ·", said).group(1))
    held = float(notebook.evaluate(1, f"float(trace[0, 1, {query}, {key}])"))
    assert weight == pytest.approx(held, rel=0.01, abs=6e-8)  # the smallest step of a float16


def test_a_saved_notebook_shows_its_views_without_a_kernel(page, lab):
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(LENS + "al.AttentionView(trace, layer=1, heads=8)")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    NotebookClient(made, timeout=600).execute()
    nbformat.write(made, lab.folder / "saved.ipynb")
    NotebookNotary(data_dir=str(lab.folder / ".data")).sign(made)  # as a notebook that one ran oneself
    page.goto(f"{lab.url}/lab/tree/saved.ipynb?reset")
    view = page.locator(".jp-Notebook .view")
    view.locator(".token.query").first.wait_for(timeout=PATIENCE)
    view.get_by_label("Layer", exact=True).select_option("4")
    view.locator(".token.query").nth(4).hover()
    eventually(page, lambda: "attends to" in view.locator(".readout").inner_text())
    assert view.locator(".notice").is_hidden()


def test_the_text_that_is_typed_into_the_explorer_is_seen_in_all_of_its_views(page, lab):
    notebook = lab.notebook(
        page,
        "explorer.ipynb",
        f"import attnlens as al\nlens = al.load('sentiment')\nexplorer = al.Explorer(lens, {SENTENCE!r})\nexplorer",
        "",
    )
    notebook.run(0)
    views = notebook.cell(0).locator(".view")
    expect(views).to_have_count(3)
    tokens, heads, attention = (views.nth(n) for n in range(3))
    heads.locator(".tile").nth(3 * 12 + 7).click()
    expect(attention.locator(".chip[aria-pressed=true]")).to_have_text(["7"])
    field = tokens.locator("textarea")
    field.fill("not a dull moment in it")
    expect(attention.locator(".token.query")).to_have_text(
        ["[CLS]", "not", "a", "dull", "moment", "in", "it", "[SEP]"], timeout=PATIENCE
    )
    expect(attention.locator(".chip[aria-pressed=true]")).to_have_text(["7"])
    tokens.locator(".part", has_text="dull").click()
    expect(attention.locator(".token.query[aria-selected=true]")).to_have_text(["dull"])
    said = notebook.evaluate(
        1, "explorer.tokens.text, explorer.heads.layer, explorer.heads.heads, explorer.attention.query"
    )
    assert said == "not a dull moment in it 3 [7] 3"
    # What one types into a field is text, not a shortcut of the notebook.
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    before = cells.count()
    field.press_sequentially("bb")
    expect(field).to_have_value(re.compile("bb"))
    assert cells.count() == before


def test_the_comparison_and_the_patches_reach_python_and_follow_it(page, lab):
    notebook = lab.notebook(
        page,
        "pictures.ipynb",
        LENS + "comparison = al.CompareView(trace, lens.trace('a dull film .'))\ncomparison",
        "patches = al.PatchView(al.load('cifar'), al.models.sample_images()['chelsea'])\npatches",
        "",
    )
    notebook.run(0)
    notebook.run(1)
    comparison, patches = (notebook.cell(cell).locator(".view") for cell in (0, 1))
    comparison.locator(".distances button").nth(3 * 12 + 7).click()
    shown = "comparison.layer, comparison.head, comparison.other_layer, comparison.other_head"
    assert notebook.evaluate(2, shown) == "3 7 3 7"
    notebook.write(
        2,
        "comparison.layer = 1; comparison.head = 8; patches.layer = 2; patches.heads = [1]; patches.query = 10",
    )
    notebook.run(2)
    expect(comparison.get_by_label("layer", exact=True)).to_have_value("1")
    expect(comparison.get_by_label("other head")).to_have_value("8")
    expect(patches.locator(".headline")).to_contain_text("Layer 2, head 1")
    patches.get_by_role("button", name="integrated gradients").click()
    expect(patches.get_by_text(re.compile("gap|converge"))).to_be_visible(timeout=PATIENCE)
    assert "integrated_gradients" in notebook.evaluate(2, "*patches.panels")
    assert notebook.evaluate(2, "patches.query") == "10"
