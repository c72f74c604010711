"""Views in the pages of notebooks, made anew from the state that is stored with them."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from .test_report import open_report, scroll_through, view

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def enlivened(tmp_path_factory):
    """A notebook by its name, as the site shows it, and the pages of its views in the order of its cells."""
    spec = importlib.util.spec_from_file_location("conf", EXAMPLES / "docs" / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)

    def enliven(name: str) -> tuple[dict, list[Path]]:
        folder, path = tmp_path_factory.mktemp(name), EXAMPLES / f"{name}.ipynb"
        app = SimpleNamespace(outdir=folder, env=SimpleNamespace(doc2path=lambda name: path))
        source = [path.read_text(encoding="utf-8")]
        conf.enliven(app, name, source)
        pages = re.findall(r'<iframe[^>]* src=\\"([^"]+)\\"', source[0])
        return json.loads(source[0]), [folder / page for page in pages]

    return enliven


def test_linked_views_of_a_notebook_follow_each_other_without_a_kernel(page, enlivened):
    _, pages = enlivened("09_widgets")
    open_report(page, pages[0])
    view(page, "Attention heads").get_by_role("gridcell", name="layer 2, head 7").click()
    attention = view(page, "Attention")
    attention.get_by_role("button", name="head 7", pressed=True).wait_for()
    assert attention.get_by_label("Layer").input_value() == "2"


def test_every_view_of_a_notebook_is_drawn(page, enlivened):
    notebook, pages = enlivened("09_widgets")
    drawn: set[str | None] = set()
    for path in pages:
        open_report(page, path)
        scroll_through(page)
        drawn |= {one.get_attribute("aria-label") for one in page.get_by_role("group").all()}
    assert {"Attention heads", "Attention", "Comparison", "Patches", "Token attribution"} <= drawn
    assert "widget-view" not in json.dumps(notebook)
    assert len(pages) > 4
