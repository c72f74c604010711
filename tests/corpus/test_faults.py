"""Whatever happens to a run, the next one ends with the table of an undisturbed run.

`make faults` does more of the same: 100 kills, and 100,000 rows in memory that stays flat.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from attnlens.corpus import Run, run
from attnlens.corpus._store import PartStore
from attnlens.errors import FileError, InputError

from .fakes import OPTIONS, PART_ROWS, ROWS, CheapLens, assert_same, files_in, table

KILLS = int(os.environ.get("ATTNLENS_FAULTS", "20"))
MANY_ROWS = 100_000 if "ATTNLENS_FAULTS" in os.environ else 20_000
PARTS = ROWS // PART_ROWS


def again(out: Path, data: pd.DataFrame | None = None, **options) -> Run:
    return run(CheapLens(), table() if data is None else data, out, **OPTIONS | options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    again(out)
    return out


@pytest.fixture
def out(undisturbed, tmp_path) -> Path:
    """A complete run."""
    return Path(shutil.copytree(undisturbed, tmp_path / "out"))


def python(*arguments: object) -> str:
    """What a process prints; it must end well."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_undisturbed_run(undisturbed):
    finished = Run.open(undisturbed)
    assert (len(finished), len(finished.errors)) == (257, 43)
    keys = [*finished.to_pandas()["key"], *finished.errors["key"]]
    assert sorted(keys) == sorted(table()["id"])
    assert len(files_in(undisturbed)) == 2 * PARTS + 2  # the manifest and the lock


# -- kills ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_kills_at_random_moments(tmp_path):
    assert python("-m", "tests.corpus.kills", tmp_path, KILLS, 0).startswith(f"{KILLS} kills, ")


class Stopped(BaseException):
    """The end of the process."""


@contextmanager
def stopped(monkeypatch, calls: int):
    """The process ends instead of the call with this number among those that change the disk."""
    left = iter(range(calls))

    def counted(original):
        def call(*arguments, **options):
            if next(left, None) is None:
                raise Stopped
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("fsync", "replace", "unlink", "mkdir"):
            patched.setattr(os, name, counted(getattr(os, name)))
        try:
            yield
        except Stopped:
            pass


@pytest.mark.parametrize("lost", [["errors"], ["errors", "parts"]])
def test_an_end_at_every_step_of_a_repair(lost, tmp_path, monkeypatch):
    """A complete run of few parts, of which one was lost, in half or as a whole."""
    data, few = table(30), tmp_path / "few"
    again(few, data)
    for step in range(1000):
        out = Path(shutil.copytree(few, tmp_path / f"out{step}"))
        for kind in lost:
            next((out / kind).glob("000001-*")).unlink()
        before, done = files_in(out), False
        with stopped(monkeypatch, step):
            again(out, data)
            done = True
        if json.loads((out / "manifest.json").read_bytes())["complete"]:
            now = [file for file in files_in(out) if not file.endswith(".part")]
            assert now in (before, files_in(few))
        again(out, data)
        assert_same(out, few)
        if done:
            break
    assert 8 < step < 100


def test_an_end_at_every_step_of_a_new_run(tmp_path, monkeypatch):
    data, few = table(20), tmp_path / "few"
    again(few, data)
    for step in range(1000):
        out, done = tmp_path / f"out{step}", False
        with stopped(monkeypatch, step):
            again(out, data)
            done = True
        again(out, data)
        assert_same(out, few)
        if done:
            break
    assert 12 < step < 100


def test_a_part_is_never_made_of_two_computations(out):
    """Where only the errors of a part are lost, its rows are made anew too: it might be another machine now."""
    (errors,) = (out / "errors").glob("000003-*")
    (rows,) = (out / "parts").glob("000003-*")
    errors.unlink()
    store = PartStore(out, json.loads((out / "manifest.json").read_bytes())["configuration"])
    with store.opened():
        assert sorted(store.committed()) == [n for n in range(PARTS) if n != 3]
    assert not rows.exists()


# -- disks ----------------------------------------------------------------------------------------------------


def fails(out: Path, message: str) -> bool:
    """Whether a run fails, with that message."""
    try:
        again(out)
    except FileError as error:
        if message not in str(error):
            raise
        return True
    return False


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_writes_that_fail(name, undisturbed, tmp_path, monkeypatch):
    """Each run gets a little further than the one before."""
    out, failed, original = tmp_path / "out", 0, getattr(os, name)

    def call(*arguments):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments)

    while True:
        left = iter(range(40))
        with monkeypatch.context() as patched:
            patched.setattr(os, name, call)
            if fails(out, "No space left on device"):
                failed += 1
            else:
                break
        assert not [file for file in files_in(out) if file.endswith(".part")]
    assert failed >= 1
    assert_same(out, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(not shutil.which("mount"), reason="no mount")
def test_a_full_disk(small_disk, undisturbed):
    with pytest.raises(FileError, match="No space left on device"):
        again(small_disk)
    with pytest.raises(FileError, match="No space left on device"):
        again(small_disk)
    subprocess.run(["mount", "-o", "remount,size=10m", small_disk], check=True)
    again(small_disk)
    assert_same(small_disk, undisturbed)


# -- files that change ----------------------------------------------------------------------------------------


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "a flipped bit": flipped,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "of another part": lambda path: path.rename(path.with_name("000012" + path.name[6:])),
    "twice": lambda path: shutil.copy(path, path.with_name(path.name[:24] + "0" * 16 + ".parquet")),
}


@pytest.mark.parametrize("kind", ["parts", "errors"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part(damage, kind, out, undisturbed):
    (path,) = (out / kind).glob("000003-*")
    DAMAGES[damage](path)
    assert (
        files_in(out) != files_in(undisturbed)
        or path.read_bytes() != (undisturbed / kind / path.name).read_bytes()
    )
    again(out)
    assert_same(out, undisturbed)


def test_a_table_of_which_a_part_is_lost(out):
    next((out / "parts").iterdir()).unlink()
    with pytest.raises(
        FileError, match=r"does not hold 257 rows in parts any more; run it again, which mends it"
    ):
        Run.open(out).to_pandas()
    next((out / "parts").iterdir()).write_bytes(b"no parquet")
    with pytest.raises(FileError, match=r"cannot read a part of .*; run it again, which mends it"):
        Run.open(out).to_pandas()


def test_other_files_are_left_alone(out, undisturbed):
    for name in ("parts/notes.parquet", "parts/notes.txt", "errors/000003.parquet"):
        (out / name).write_text("of somebody else")
    assert len(again(out).to_pandas()) == 257
    assert len(files_in(out)) == len(files_in(undisturbed)) + 3


def test_drafts_of_dead_runs_are_removed(out, undisturbed):
    for folder in (out, out / "parts", out / "errors"):
        (folder / ".attnlens-0123456789abcdef.part").write_bytes(b"a beginning")
    again(out)
    assert_same(out, undisturbed)


# -- what is refused ------------------------------------------------------------------------------------------


def test_two_runs_at_once(out, undisturbed):
    """The second is refused, whether it is of this process or of another one."""
    second = (
        "import sys; from tests.corpus.test_faults import *\n"
        "try:\n    again(Path(sys.argv[1]))\nexcept InputError as error:\n    print(error)"
    )
    (next((out / "parts").iterdir())).unlink()
    store = PartStore(out, json.loads((out / "manifest.json").read_bytes())["configuration"])
    with store.opened():
        before = {name: (out / name).read_bytes() for name in files_in(out)}
        with pytest.raises(InputError, match=f"another run writes to {out}; wait for its end"):
            again(out)
        assert python("-c", second, out).startswith(f"another run writes to {out}; wait for its end")
        assert before == {name: (out / name).read_bytes() for name in files_in(out)}
    again(out)
    assert_same(out, undisturbed)


def test_a_disk_without_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(
        FileError, match=r"without locks \(Operation not supported\).*choose an out= on a local disk"
    ):
        again(tmp_path / "out")


OTHER_DATA = {
    "another text": lambda data: data.replace("text 8", "text eight"),
    "another label": lambda data: data.assign(label=1),
    "another key": lambda data: data.replace("k299", "k300"),
    "fewer parts": lambda data: data.iloc[: 2 * PART_ROWS],
    "fewer rows": lambda data: data.iloc[: 2 * PART_ROWS + 1],
    "another order": lambda data: data.iloc[::-1],
}


@pytest.mark.parametrize("change", OTHER_DATA)
def test_other_data(change, out, undisturbed):
    with pytest.raises(InputError, match="the data have changed; choose another out="):
        again(out, OTHER_DATA[change](table()))
    assert_same(out, undisturbed)
    Run.open(out)


def test_other_data_of_a_run_that_is_not_complete(out, undisturbed):
    """Nothing is written, though a part is missing before the one that differs."""
    store = PartStore(out, json.loads((out / "manifest.json").read_bytes())["configuration"])
    for path in [*(out / "parts").glob("000000-*"), *(out / "errors").glob("000000-*")]:
        path.unlink()
    with store.opened():
        store.write_manifest(complete=False)
    before = files_in(out)
    with pytest.raises(InputError, match="holds part 29 of other rows"):
        again(out, OTHER_DATA["another key"](table()))
    assert files_in(out) == before
    again(out)
    assert_same(out, undisturbed)


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"part_rows": 20}, "part_rows was 10 and is 20"),
        ({"label": None}, "columns.label was 'label' and is None"),
        (
            {"key": None, "columns": ["id"]},
            r"columns.key was 'id' and is None; columns.more was \[\] and is \['id'\]",
        ),
    ],
)
def test_another_configuration(options, changed, out, undisturbed):
    with pytest.raises(
        InputError, match=f"holds a run of another configuration .*{changed}.*choose another out="
    ):
        again(out, **options)
    assert_same(out, undisturbed)


def test_another_model(out, undisturbed):
    lens = CheapLens()
    lens.model.weight.data += 1
    with pytest.raises(InputError, match=r"another configuration \(model.fingerprint was"):
        run(lens, table(), out, **OPTIONS)
    assert_same(out, undisturbed)


def test_parts_without_a_manifest(out):
    (out / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds parts without a manifest"):
        again(out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(FileError, match="is no manifest of a run"):
        again(out)


def test_a_bug_ends_the_run_and_the_next_one_goes_on(undisturbed, tmp_path):
    data = table()
    data.loc[123, "text"] = "a bug"
    with pytest.raises(ZeroDivisionError, match="a bug in the model"):
        again(tmp_path / "out", data)
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 12
    again(tmp_path / "out")
    assert_same(tmp_path / "out", undisturbed)


# -- size -----------------------------------------------------------------------------------------------------

MEASURED = """
import resource, sys
from pathlib import Path
from tests.corpus.fakes import CheapLens
from attnlens.corpus import run

for rows in map(int, sys.argv[2:]):
    path = Path(sys.argv[1], f"{rows}.txt")
    with open(path, "w") as file:
        for n in range(rows):
            file.write(f"text {n} " + "of a row that takes its room " * 100 + "\\n")
    run(CheapLens(), path, path.with_suffix(""), progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss")
def test_memory_is_flat(tmp_path):
    """3 kB a row: 20,000 rows are 60 MB, 100,000 are 300 MB."""
    few, many = map(int, python("-c", MEASURED, tmp_path, 1_000, MANY_ROWS).split())
    assert many - few < 25e6


def test_the_cost_of_a_part_does_not_grow(tmp_path, monkeypatch):
    """No part is listed, opened or read again when another one is committed."""
    rows, listed, scandir, glob = pa.table({"key": [1]}), [], os.scandir, Path.glob
    store = PartStore(tmp_path / "out", {})
    with store.opened():
        assert store.committed() == {}
        monkeypatch.setattr(os, "scandir", lambda *a: listed.append(a) or scandir(*a))
        monkeypatch.setattr(Path, "glob", lambda *a: listed.append(a) or glob(*a))
        for number in range(50):
            store.commit(number, "0" * 16, rows, rows)
        assert listed == []
        assert sorted(store.committed()) == list(range(50))
        assert len(listed) <= 4
