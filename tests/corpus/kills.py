"""Runs that are killed at random moments: python -m tests.corpus.kills FOLDER KILLS SEED.

Each run is a fork of this process, which has loaded everything and runs nothing itself, so that most of a run's time
is the writing of parts. After each kill every file that has a part's name is whole. A run that ends is compared with
the undisturbed one in FOLDER/undisturbed, and another one begins.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from attnlens.corpus import run
from attnlens.corpus._store import _hash, files_of

from .fakes import OPTIONS, CheapLens, assert_same, table


def forked(out: Path) -> int:
    """The process of a run; it ends with 0 when the run is complete."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        torch.set_num_threads(1)
        run(CheapLens(), table(), out, **OPTIONS)
        code = 0
    finally:
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder: Path, kills: int, seed: int) -> None:
    undisturbed, out = folder / "undisturbed", folder / "out"
    begun = time.monotonic()
    assert ended(forked(undisturbed)) == 0
    longest = (time.monotonic() - begun) / 3
    delays, killed, complete = random.Random(seed), 0, 0
    while killed < kills or out.exists():
        process = forked(out)
        if killed < kills:
            time.sleep(delays.uniform(0, longest))
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        assert code in (0, -signal.SIGKILL), code
        killed += code != 0
        for kind in ("parts", "errors"):
            for path, _, _, content in files_of(out / kind):
                assert _hash(path.read_bytes()) == content, path
        if code == 0:
            assert_same(out, undisturbed)
            shutil.rmtree(out)
            complete += 1
    print(f"{killed} kills, {complete} runs")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
