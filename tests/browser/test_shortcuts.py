"""Keys pressed in a view, in a real JupyterLab: none is a command of the notebook, which deletes a cell by two."""

from __future__ import annotations

from playwright.sync_api import expect

from .mounting import eventually

VIEWS = (
    "import attnlens as al\nlens = al.load('sentiment')\ntrace = lens.trace('a gripping film')\nal.HeadsView(trace)",
    "view = al.AttentionView(trace, heads=1)\nview",
    "al.CompareView(trace, lens.trace('a dull film'))",
    "",
)


def test_letters_in_a_view_are_no_commands_of_the_notebook(chromium, lab):
    page = chromium.new_context(viewport={"width": 1300, "height": 1100}).new_page()
    notebook = lab.notebook(page, "keys.ipynb", *VIEWS)
    for cell in range(3):
        notebook.run(cell)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    active = page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    for cell, place in ((0, ".tile >> nth=2"), (1, ".lines"), (2, ".distances button >> nth=2")):
        notebook.cell(cell).locator(place).focus()
        for key in ("ArrowDown", "j", "a", "y", "x", "d", "d", "0", "Enter"):
            page.keyboard.press(key)
        assert cells.count() == 4
        assert "CodeCell" in active.get_attribute("class")
    # The picture changes by a key, and the next key is still the view's.
    notebook.cell(1).locator(".lines").focus()
    page.keyboard.press("m")
    matrix = notebook.cell(1).locator("canvas.matrix")
    expect(matrix).to_be_visible()
    expect(matrix).to_be_focused()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    eventually(page, lambda: notebook.evaluate(3, "view.mode, view.query, view.key") == "matrix 0 2")
    # Keys with Ctrl, and the one that runs a cell, are the notebook's.
    notebook.cell(0).locator(".tile >> nth=2").focus()
    prompt = notebook.cell(0).locator(".jp-InputPrompt").first
    before = prompt.inner_text()
    page.keyboard.press("Shift+Enter")
    eventually(page, lambda: prompt.inner_text() != before)
    page.context.close()
