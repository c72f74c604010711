"""The command that compares methods by their faithfulness: its table is that of the function."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import attnlens as al
from attnlens.evaluation._faithfulness import faithfulness

SCRIPT = Path(__file__).parents[2] / "examples" / "faithfulness.py"
SENTENCES = ["not a bad film", "a gripping , funny film with one dull stretch .", "flat", "left out"]


def run(*arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, encoding="utf-8")


@pytest.fixture
def data(tmp_path):
    pq.write_table(pa.table({"sentence": SENTENCES, "label": [1, 1, 0, 0]}), tmp_path / "validation.parquet")
    return tmp_path


def test_the_table(data):
    methods = ("leave_one_out", "gradient")
    chosen = [part for method in methods for part in ("--method", method)]
    done = run("--data", data, "--limit", 3, *chosen, "--out", data / "table.md")
    assert done.returncode == 0, done.stderr
    written = (data / "table.md").read_text(encoding="utf-8")
    assert written in done.stdout
    assert "3 sentences; mean ± standard error" in written
    rows = {
        line.split(" | ")[0].strip("| "): line
        for line in written.splitlines()
        if " ± " in line and "|" in line
    }
    assert list(rows) == ["leave one out", "gradient", "random"]

    lens = al.load("sentiment")
    found = [lens.attribute(text, method=method) for method in methods for text in SENTENCES[:3]]
    table = faithfulness(lens, found)
    for method in methods:
        own = table[table["method"] == method]
        expected = [
            own[name].mean()
            for name in ("comprehensiveness", "sufficiency", "log_odds", "deletion", "insertion")
        ]
        shown = re.findall(r"(-?\d+\.\d+) ± (\d+\.\d+)", rows[method.replace("_", " ")])
        assert [float(mean) for mean, _ in shown] == pytest.approx(expected, abs=6e-4)
        assert float(shown[3][1]) == pytest.approx(own.deletion.std() / 3**0.5, abs=6e-4)
    chance = re.findall(r"(-?\d+\.\d+) ±", rows["random"])
    assert float(chance[3]) == pytest.approx(own.deletion_random.mean(), abs=6e-4)


def test_an_unknown_method_is_named(data):
    done = run("--data", data, "--method", "magic")
    assert done.returncode != 0
    assert "unknown method 'magic'" in done.stderr
