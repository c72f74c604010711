"""The site of guides, notebooks and reference: it builds without a warning, is whole, and needs no other host."""

from __future__ import annotations

import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import attnlens as al
from attnlens.attribution import IMAGE_METHODS, METHODS
from attnlens.terminal._cli import app
from attnlens.widgets._view import View

EXAMPLES = Path(__file__).parent.parent / "examples"
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")}
"""What a browser fetches without being asked to."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "--keep-going", "-d", folder / "doctrees", "-c", EXAMPLES / "docs"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, EXAMPLES, folder / "html"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder / "html"


class Page(HTMLParser):
    """What a page points to, as (tag, attribute, address), and the places in it that can be pointed to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[tuple[str, str, str]] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append((tag, name, value or ""))
            if name == "id":
                self.places.add(value or "")


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


@pytest.fixture(scope="module")
def reference(site) -> set[str]:
    """The names that have an entry, from the inventory that other sites link by."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split(" py:")[0] for line in lines if " py:" in line}


def test_every_public_name_has_an_entry(reference):
    assert [name for name in al.__all__ if f"attnlens.{name}" not in reference] == []
    for group in (al.analysis, al.circuits, al.corpus):
        names = {f"{group.__name__}.{name}" for name in group.__all__}
        assert {
            name for name in names if name not in reference and not hasattr(al, name.split(".")[-1])
        } == set()


def test_methods_of_what_is_public_have_entries_and_so_have_the_traits_of_views(reference):
    assert {
        "attnlens.Trace.save",
        "attnlens.lens.TextLens.attribute",
        "attnlens.data.Factors.block",
    } <= reference
    assert {
        "attnlens.recorder.Recording.traces",
        "attnlens.bertviz.head_view",
        "attnlens.plots.heads",
    } <= reference
    views = [getattr(al, name) for name in al.__all__ if name.endswith("View")]
    traits = {f"attnlens.{view.__name__}.{name}" for view in views for name in view.state_names()}
    assert all(issubclass(view, View) for view in views)
    assert len(traits) > 30
    assert traits - reference == set()


def test_every_method_of_attribution_is_explained(reference):
    assert {f"attnlens.attribution.text._methods.{name}" for name in METHODS} - reference == set()
    assert {f"attnlens.attribution.image._methods.{name}" for name in IMAGE_METHODS} - reference == set()


def test_every_notebook_has_a_page_and_every_command_its_help(site):
    assert [
        path.stem for path in EXAMPLES.glob("*.ipynb") if not (site / f"{path.stem}.html").is_file()
    ] == []
    page = (site / "docs" / "commands.html").read_text(encoding="utf-8")
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert [name for name in names if f"Usage: attnlens {name} " not in page] == []


def test_every_link_and_picture_leads_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for _, _, address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[there].places if there in pages else None
            if not there.is_file() or (
                parts.fragment and anchors is not None and unquote(parts.fragment) not in anchors
            ):
                lost.append(f"{path.name}: {address}")
    assert len(pages) > 30
    assert lost == []


def test_nothing_is_loaded_from_another_host(site, pages):
    loaded = [
        address for page in pages.values() for tag, name, address in page.links if (tag, name) in LOADED
    ]
    assert len(loaded) > 100
    assert [address for address in loaded if urlsplit(address).netloc] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    assert not any("url(http" in style or "url(//" in style or "@import" in style for style in styles)
