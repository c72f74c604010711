"""What is installed: the wheel holds every model and data file, stays small, and works from another folder."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from io import StringIO
from itertools import takewhile
from pathlib import Path

import pytest

import attnlens as al

ROOT = Path(__file__).parent.parent
LIMIT = 30_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for name in ("attnlens", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        # Of a copy: test processes that build in one folder take each other's files away.
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "attnlens"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert tracked
    assert [name for name in tracked if name not in inside] == []


def test_the_wheel_holds_nothing_else_and_stays_small(wheel):
    inside = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"attnlens"}
    assert wheel.stat().st_size < LIMIT


def test_the_installed_package_explains_a_sentence_and_makes_a_widget_from_anywhere(wheel, tmp_path):
    """Installed beside the test environment's libraries, without the checkout and without Node on the path."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            str(tmp_path / "site"),
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    script = (
        "import attnlens as al; lens = al.load('sentiment'); trace = lens.trace('a gripping film');"
        "view = al.Explorer(lens, 'a gripping film'); assert len(view.attention._esm) > 10_000;"
        "import shutil; assert shutil.which('node') is None;"
        "print(al.__file__); print(trace.prediction.label)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    where, label = done.stdout.split()
    assert where.startswith(str(tmp_path))
    assert label == "positive"


README = ROOT / "README.md"
GUIDES = sorted(ROOT.glob("examples/docs/*.md"))


def blocks(language: str, path: Path = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.S)


def outputs(block: str) -> Iterator[tuple[ast.stmt, str]]:
    """The statements of a block, each with the output that stands below it: lines of comment in the first column."""
    lines = block.splitlines()
    for statement in ast.parse(block).body:
        below = takewhile(lambda line: line.startswith("# "), lines[statement.end_lineno :])
        yield statement, "".join(f"{line[2:]}\n" for line in below)


def run(path: Path) -> dict:
    """What the names of a page's Python blocks stand for after all of them ran, one after the other.

    A line of comment below a statement is what the statement prints; as in doctest, `...` stands for anything.
    """
    space: dict = {}
    for block in blocks("python", path):
        for statement, expected in outputs(block):
            with redirect_stdout(StringIO()) as printed:
                exec(compile(ast.Module([statement], []), path.name, "exec"), space)
            if expected:
                assert OutputChecker().check_output(expected, printed.getvalue(), ELLIPSIS), (
                    printed.getvalue()
                )
    return space


def test_every_python_block_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(README)["trace"].prediction.label == "positive"


@pytest.mark.parametrize(
    "path", [path for path in GUIDES if blocks("python", path)], ids=lambda path: path.stem
)
def test_every_python_block_of_a_guide_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "al" in run(path)


def test_a_type_checker_accepts_the_readme_and_every_public_name(tmp_path):
    """As a user runs it: `mypy --strict`, outside of the checkout, without the types of libraries but torch's."""
    names = {name for name in al.__all__ if name not in ("errors", "bertviz", "models", "plots", "widgets")}
    typed = (ROOT / "tests" / "typed.py").read_text(encoding="utf-8")
    assert {name for name in names if not re.search(rf"\bal\.{name}\b", typed)} == set()
    (tmp_path / "readme.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    (tmp_path / "typed.py").write_text(typed, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n"
        "[mypy-anywidget.*,captum.*,ipywidgets.*,matplotlib.*,numpy.*,pandas.*,PIL.*,safetensors.*,scipy.*,seaborn.*,"
        "traitlets.*,transformers.*]\nfollow_imports = skip\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "readme.py", "typed.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "Success: no issues found in 2 source files\n", done.stdout + done.stderr


def test_every_command_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        line.split()[1] for block in blocks("bash") for line in block.splitlines() if line.startswith("make ")
    }
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.M) for target in targets)
