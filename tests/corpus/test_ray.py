"""Ray makes the parts that the local engine makes, whatever happens to its workers.

Ray needs the machine for itself: `make test` runs what is marked `ray` after everything else, in one process. These
tests skip where Ray does not start, with its reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import attnlens as al
from attnlens.corpus import Probe, _ray, run
from attnlens.corpus._store import PartStore
from attnlens.errors import AttnlensError, InputError
from attnlens.models import sample_images

from ..tiny import SENTENCES
from .fakes import OPTIONS, CheapLens, assert_same, table

pytest.importorskip("ray.data", reason="Ray Data is not installed")
needs_ray = pytest.mark.ray
FAULTS = "ATTNLENS_FAULTS" in os.environ


@contextmanager
def started():
    """Skips where Ray does not start."""
    try:
        yield
    except AttnlensError as error:
        if "Ray did not start" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run(CheapLens(), table(), out, **OPTIONS)
    return out


@pytest.fixture(scope="module")
def cluster():
    """The user's own Ray."""
    import ray

    with started():
        _ray._start(None)
    yield ray
    assert ray.is_initialized()  # no run has ended it
    ray.shutdown()


def on_ray(out: Path, lens: CheapLens | None = None, **options) -> None:
    run(lens or CheapLens(), table(), out, engine="ray", **OPTIONS | options)


# -- a Ray of its own -----------------------------------------------------------------------------------------


@needs_ray
def test_ray_is_started_for_a_run_and_ended_with_it(undisturbed, tmp_path, monkeypatch):
    import ray

    commit, before = PartStore.commit, {name: os.environ.get(name) for name in _ray.QUIET}

    def interrupted(self, number, *arguments):
        if len(list((self.folder / "parts").iterdir())) == 3:
            raise KeyboardInterrupt
        commit(self, number, *arguments)

    with monkeypatch.context() as patched, started():
        patched.setattr(PartStore, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            on_ray(tmp_path / "out")
    assert not ray.is_initialized()
    with started():
        on_ray(tmp_path / "out")
    assert not ray.is_initialized()
    assert_same(tmp_path / "out", undisturbed)
    assert before == {name: os.environ.get(name) for name in _ray.QUIET}


DRIVER = """
import sys
from pathlib import Path
from tests.corpus.test_ray import on_ray
on_ray(Path(sys.argv[1]))
"""


@needs_ray
@pytest.mark.skipif(not FAULTS, reason="one of `make faults`")
@pytest.mark.parametrize("parts", [0, 1, 9, 22])
def test_a_driver_that_is_killed(parts, undisturbed, tmp_path):
    environment, out = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, tmp_path / "out"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, out], env=environment)
    while driver.poll() is None:
        if len(list(out.glob("parts/*.parquet"))) > parts:
            driver.send_signal(signal.SIGKILL)
    driver.wait()
    with started():
        on_ray(out)
    assert_same(out, undisturbed)


MEASURED = """
import sys
from pathlib import Path
from attnlens.corpus import _ray, run
from tests.corpus.fakes import CheapLens

with _ray._running(None):
    for rows in map(int, sys.argv[2:]):
        path = Path(sys.argv[1], f"{rows}.txt")
        with open(path, "w") as file:
            for n in range(rows):
                file.write(f"text {n} " + "of a row that takes its room " * 100 + "\\n")
        run(CheapLens(), path, path.with_suffix(""), progress=False, engine="ray", actors=1)
        with open("/proc/self/status") as file:
            print(next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) * 1024)
"""


@needs_ray
@pytest.mark.skipif(not FAULTS or sys.platform != "linux", reason="one of `make faults`")
def test_memory_of_the_driver_is_flat(tmp_path):
    """20,000 rows are 60 MB. What Ray's store shares with the driver has a limit of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEASURED, tmp_path, "1000", "20000"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if "Ray did not start" in ended.stderr:
        pytest.skip("Ray did not start")
    few, many = map(int, ended.stdout.split()[-2:])
    assert many - few < 25e6


# -- the user's Ray -------------------------------------------------------------------------------------------


@needs_ray
@pytest.mark.parametrize("name", ["sentiment", "minivit"] if FAULTS else ["sentiment"])
def test_every_column_is_that_of_the_local_engine(name, cluster, tmp_path):
    lens = al.load(name)
    probe = Probe(attribution="integrated_gradients", head_stats=True, top_weights=True, rollout=True)
    data = [*SENTENCES, "", *SENTENCES[::-1]]
    if name == "minivit":
        probe = Probe(head_stats=True, top_weights=True, rollout=True)
        data = [*sample_images().values(), "no picture"]
    for engine, options in (("local", {}), ("ray", {"actors": 2})):
        run(lens, data, tmp_path / engine, probe, part_rows=2, progress=False, engine=engine, **options)
    assert_same(tmp_path / "ray", tmp_path / "local")
    assert len(al.corpus.Run.open(tmp_path / "ray").errors) == 1


@needs_ray
def test_what_fails_in_a_worker_is_raised_here(cluster, tmp_path):
    data = table()
    data.loc[123, "text"] = "a bug"
    with pytest.raises(ZeroDivisionError, match="a bug in the model") as raised:
        run(CheapLens(), data, tmp_path / "out", engine="ray", **OPTIONS)
    assert "In a Ray actor" in raised.value.__notes__[0]
    with pytest.raises(InputError, match="no machine of the cluster has 1000 GPUs"):
        on_ray(tmp_path / "gpus", gpus=1000)


class DeadlyLens(CheapLens):
    """Kills its process at some texts, each once; with no folder always."""

    def __init__(self, folder: Path | None, texts: Sequence[str]) -> None:
        super().__init__()
        self.folder, self.texts = folder, texts

    def prepare(self, text: str) -> str:
        if text in self.texts:
            note = None if self.folder is None else self.folder / text
            if note is None or not note.exists():
                if note is not None:
                    note.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(text)


@needs_ray
def test_workers_that_are_killed_where_another_engine_was(cluster, undisturbed, tmp_path):
    """Workers die at each of the parts that are missing, and no other part is made again."""
    notes, out, numbers = tmp_path / "notes", tmp_path / "out", (0, 7, 9, 29) if FAULTS else (7, 29)
    notes.mkdir()
    shutil.copytree(undisturbed, out)
    for number in numbers:
        (path,) = (out / "parts").glob(f"{number:06d}-*")
        path.write_bytes(path.read_bytes()[:100])
    kept = {path: path.stat().st_mtime_ns for path in (out / "parts").glob("00001*")}
    texts = [f"text {10 * number + 2}" for number in numbers]
    on_ray(out, DeadlyLens(notes, texts), actors=2)
    assert sorted(path.name for path in notes.iterdir()) == sorted(texts)
    assert_same(out, undisturbed)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


@needs_ray
def test_a_row_that_always_kills_ends_the_run(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(_ray, "RETRIES", 1)
    with pytest.raises(AttnlensError, match=r"Ray gave up .*run it again, and it goes on"):
        on_ray(tmp_path / "out", DeadlyLens(None, ("text 151",)), actors=1)
    assert list((tmp_path / "out" / "parts").iterdir())


# -- without Ray ----------------------------------------------------------------------------------------------


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(InputError, match=r"pip install 'attnlens\[ray\]', or use engine='local'"):
        on_ray(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        (
            None,
            AttnlensError,
            "Ray did not start in 3 attempts: too slow.*`ray start --head`.*engine='local'",
        ),
        ("host:1", InputError, "cannot join the Ray cluster at host:1: too slow; check address="),
    ],
)
def test_a_ray_that_does_not_start(address, kind, message, tmp_path, monkeypatch):
    import ray

    calls = []

    def fails(**options):
        calls.append(options["address"])
        raise ConnectionError("too slow")

    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: calls.append("shutdown"))
    with pytest.raises(kind, match=message):
        on_ray(tmp_path / "out", address=address)
    assert calls == [address, "shutdown"] * 3 + ["shutdown"]


def test_options_of_ray(tmp_path):
    for options in ({"actors": 0}, {"gpus": -1}):
        with pytest.raises(InputError, match=f"{next(iter(options))} must be"):
            on_ray(tmp_path / "out", **options)
    with pytest.raises(InputError, match="actors= is an option of engine='ray'"):
        run(CheapLens(), table(), tmp_path / "out", actors=2, **OPTIONS)


def test_with_gpus_the_model_of_an_actor_is_on_its_gpu(monkeypatch):
    import ray

    devices = []
    job = SimpleNamespace(lens=SimpleNamespace(model=SimpleNamespace(to=devices.append)))
    monkeypatch.setattr(ray, "get", lambda reference: job)
    threads = _ray.torch.get_num_threads()
    assert _ray._Worker("reference", threads, False)._job is job
    assert devices == []
    assert _ray._Worker("reference", threads, True)._job is job
    assert devices == ["cuda"]


def test_the_model_is_sent_from_the_cpu_and_stays_where_it_was(monkeypatch):
    import ray

    devices = []
    job = SimpleNamespace(lens=SimpleNamespace(device="cuda:1", model=SimpleNamespace(to=devices.append)))
    monkeypatch.setattr(ray, "put", lambda job: devices.append("sent"))
    _ray._shipped(job)
    assert devices == ["cpu", "sent", "cuda:1"]
