"""The bundles that are committed are those of the sources that are committed, and hold no address of elsewhere."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from attnlens import widgets
from attnlens.widgets._view import STATIC, View

SOURCES = Path(__file__).parents[2] / "widgets"
PALETTE = Path(widgets.__file__).parents[1] / "palette.json"
BUNDLES = sorted(STATIC.glob("*.js"))
VIEWS = [getattr(widgets, name) for name in widgets.__all__]
DRAWN = [view for view in VIEWS if isinstance(view, type) and issubclass(view, View)]


def fingerprint() -> str:
    """As `widgets/build.mjs` computes it."""
    sources = sorted((path for path in (SOURCES / "src").rglob("*") if path.is_file()), key=str)
    digest = hashlib.sha256()
    for path in [*sources, SOURCES / "build.mjs", SOURCES / "package-lock.json", PALETTE]:
        digest.update(path.read_text(encoding="utf-8").replace("\r\n", "\n").encode())
    return digest.hexdigest()


def test_there_is_a_bundle_for_every_view():
    assert {path.stem for path in BUNDLES} - {"report", "audit", "head_pages"} == {
        view.__module__.rpartition("._")[2] for view in DRAWN
    }


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_a_bundle_is_that_of_its_sources(path):
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first == (
        f"// Generated from widgets/src/{path.stem}/ by `npm run build`; do not edit. "
        f"Sources: sha256 {fingerprint()}"
    ), "run `npm run build` in widgets/ and commit attnlens/widgets/static"


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_a_bundle_fetches_nothing(path):
    text = path.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts|eval)\s*\(", text)


@pytest.mark.parametrize("view", DRAWN, ids=lambda view: view.__name__)
def test_the_state_that_typescript_knows_is_what_python_syncs(view):
    source = SOURCES / "src" / view.__module__.rpartition("._")[2] / "state.ts"
    body = re.search(r"export interface \w+State \{\n(.*?)\n\}", source.read_text(encoding="utf-8"), re.S)[1]
    inherited = set(View.class_traits(sync=True))
    synced = {
        name for name in view.class_traits(sync=True) if name not in inherited and not name.startswith("_")
    }
    assert set(re.findall(r"^  (\w+)\??:", body, re.M)) == synced


@pytest.mark.parametrize("view", DRAWN, ids=lambda view: view.__name__)
def test_every_trait_says_what_it_is(view):
    inherited = set(View.class_traits(sync=True))
    for name, trait in view.class_traits(sync=True).items():
        if name not in inherited and not name.startswith("_"):
            assert trait.help, name


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on this machine")
def test_the_browser_half_type_checks_builds_the_same_again_and_passes_its_tests(tmp_path):
    copy = tmp_path / "repository"
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(SOURCES, copy / "widgets", ignore=ignored)
    (copy / "attnlens" / "widgets").mkdir(parents=True)
    shutil.copy(PALETTE, copy / "attnlens")

    def npm(*command: str) -> None:
        done = subprocess.run(
            ["npm", *command], cwd=copy / "widgets", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    npm("ci", "--no-audit", "--no-fund")
    npm("run", "check")
    npm("test")
    npm("run", "build")
    for path in BUNDLES:
        assert (copy / "attnlens" / "widgets" / "static" / path.name).read_bytes() == path.read_bytes(), (
            path.name
        )
