"""README and CONTRIBUTING: short, with outputs, paths and pictures that are true."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

from .test_house import STOREYS
from .test_package import ROOT, blocks, outputs

README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
PICTURES = ROOT / "examples" / "pictures"


def test_the_readme_is_short_and_begins_with_what_most_people_need():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    first, _, _ = text.partition("## Gallery")
    assert re.findall(r"pip install (\S.*)\n", first)
    assert len(re.findall(r"!\[[^]]+\]\([^)]+\)", first)) == 1
    assert sum(bool(expected) for block in blocks("python")[:1] for _, expected in outputs(block)) >= 2


def named(path: Path) -> set[str]:
    """What a page links to, and what it names in backticks that looks like a path from the root of the repository."""
    text = path.read_text(encoding="utf-8")
    links = {
        link.partition("#")[0] for link in re.findall(r"(?:\]\(|src=\")([^)\"]+)", text) if "://" not in link
    }
    code = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:md|cfg|toml|txt|json))`", text))
    return links | code


@pytest.mark.parametrize("path", [README, CONTRIBUTING], ids=lambda path: path.stem)
def test_every_path_that_is_named_exists(path):
    paths = named(path) - {"build/docs/index.html"}  # made by `make docs`
    assert len(paths) > 10
    assert [name for name in sorted(paths) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", [README, CONTRIBUTING], ids=lambda path: path.stem)
def test_every_make_command_that_is_named_exists(path):
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:`|^)make ([\w-]+)", text, flags=re.M))
    assert {"docs", "test"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.M)] == []


def test_the_picture_of_the_house_shows_every_room_in_the_order_of_imports():
    (house,) = blocks("text", CONTRIBUTING)
    lines = [re.findall(r"\w+", line.partition("  #")[0]) for line in house.splitlines()]
    shown = {room: number for number, rooms in enumerate(reversed(lines)) for room in rooms}
    assert set(shown) == set().union(*STOREYS)
    heights = [shown[room] for rooms in STOREYS for room in sorted(rooms, key=shown.get)]
    assert heights == sorted(heights)


def test_every_picture_is_small_and_shown_somewhere_and_made_by_the_script():
    pages = [README, *ROOT.glob("examples/*.md"), *ROOT.glob("examples/docs/*.md")]
    shown = set(
        re.findall(r"pictures/(\w+\.png)", "".join(page.read_text(encoding="utf-8") for page in pages))
    )
    made = {f"{name}.png" for name in runpy.run_path(str(PICTURES / "make.py"))["PICTURES"]}
    there = {path.name for path in PICTURES.glob("*.png")}
    assert there == made == shown
    for path in PICTURES.glob("*.png"):
        assert path.stat().st_size < 120_000
        assert Image.open(path).width > 700
