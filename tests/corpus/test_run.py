"""A run over a data set: its table, and how it goes on."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens import corpus
from attnlens.corpus import Probe, _keys
from attnlens.corpus._probe import Batch
from attnlens.corpus._run import beside, fingerprint
from attnlens.corpus._store import PartStore
from attnlens.errors import FileError, InputError

from .. import tiny

SENTENCES = tuple(al.models.sample_sentences())
TEXTS = [*(SENTENCES * 3)[:20], "", "see it", "flat"]
LABELS = [*[0, 1] * 10, 1, 1, "nonsense"]


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def data():
    return pd.DataFrame({"text": TEXTS, "label": LABELS, "length": [len(text) for text in TEXTS]})


def started(lens, out, frame=None, probe=None, **options):
    options = {
        "input": "text",
        "label": "label",
        "columns": ["length"],
        "part_rows": 4,
        "progress": False,
    } | options
    return corpus.run(lens, data() if frame is None else frame, out, probe, **options)


def files(folder):
    return {
        path.name: path.stat().st_mtime_ns
        for kind in ("parts", "errors")
        for path in (folder / kind).iterdir()
    }


def test_the_table(lens, tmp_path):
    run = started(lens, tmp_path / "out")
    table = run.to_pandas()
    assert len(run) == len(table) == 21
    assert table["key"].tolist() == [*range(20), 21]
    assert table["length"].tolist() == [len(TEXTS[key]) for key in table["key"]]
    expected = lens.predict([TEXTS[key] for key in table["key"]])
    assert table["prediction"].tolist() == [one.label for one in expected]
    assert run.errors["key"].tolist() == [20, 22]
    assert "nonsense" in run.errors["reason"][1]
    assert run.to_pandas(["key", "loss"]).columns.tolist() == ["key", "loss"]
    assert repr(run) == f"Run of 21 rows in {tmp_path / 'out'}, 2 could not be used"
    pd.testing.assert_frame_equal(corpus.Run.open(tmp_path / "out").to_pandas(), table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "parts"), table)


def test_parts_that_are_there_are_not_made_again(lens, tmp_path, monkeypatch):
    out, probe = tmp_path / "out", Probe(head_stats=True)
    table = started(lens, out, probe=probe).to_pandas()
    before = files(out)
    monkeypatch.setattr(Batch, "run", lambda *_: pytest.fail("probed again"))
    pd.testing.assert_frame_equal(started(lens, out, probe=probe).to_pandas(), table)
    assert files(out) == before


@pytest.mark.parametrize("damage", ["flipped", "cut", "removed", "errors removed", "draft"])
def test_damaged_parts_are_made_again(lens, tmp_path, damage):
    out = tmp_path / "out"
    table, before = started(lens, out).to_pandas(), files(out)
    path = sorted((out / ("errors" if damage.startswith("errors") else "parts")).iterdir())[2]
    content = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "cut":
        path.write_bytes(content[:-7])
    else:
        path.unlink()
    run = started(lens, out)
    pd.testing.assert_frame_equal(run.to_pandas(), table)
    assert run.errors["key"].tolist() == [20, 22]
    again = files(out)
    assert again.keys() == before.keys()
    assert sum(again[name] != before[name] for name in before) <= 2


def test_another_configuration_is_refused(lens, tmp_path):
    out = tmp_path / "out"
    started(lens, out)
    for changed, message in (
        ({"probe": Probe(head_stats=True)}, "probe.head_stats was False and is True"),
        ({"part_rows": 5}, "part_rows was 4 and is 5"),
        ({"label": None}, "columns.label was 'label' and is None"),
    ):
        with pytest.raises(InputError, match=message):
            started(lens, out, **changed)
    with pytest.raises(InputError, match=r"model\.name was 'sentiment'"):
        started(al.Lens(tiny.bert(), tiny.wordpiece()), out)
    assert len(started(lens, out)) == 21


@pytest.mark.parametrize("rows", [slice(1, None), slice(0, 8), slice(None, None, -1)])
def test_other_data_are_refused(lens, tmp_path, rows):
    out = tmp_path / "out"
    started(lens, out)
    with pytest.raises(InputError, match=r"other rows|other data"):
        started(lens, out, data().iloc[rows].reset_index(drop=True))


def test_more_data_go_on(lens, tmp_path):
    """Rows that were added at the end of a part's boundary are new parts."""
    out = tmp_path / "out"
    started(lens, out, data().iloc[:8])
    assert len(started(lens, out)) == 21


def test_two_runs_at_once_are_refused(lens, tmp_path, monkeypatch):
    out, messages, probed = tmp_path / "out", [], Batch.run

    def second(*args):
        if not messages:
            with pytest.raises(InputError, match="another run writes to") as caught:
                started(lens, out)
            messages.append(str(caught.value))
        return probed(*args)

    monkeypatch.setattr(Batch, "run", second)
    assert len(started(lens, out)) == 21
    assert messages


def test_a_run_that_was_stopped_goes_on(lens, tmp_path, monkeypatch):
    out, made, probed = tmp_path / "out", [], Batch.run

    def stopping(*args):
        made.append(args)
        if len(made) == 3:
            raise KeyboardInterrupt
        return probed(*args)

    monkeypatch.setattr(Batch, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        started(lens, out)
    with pytest.raises(FileError, match="is not finished"):
        corpus.Run.open(out)
    table = started(lens, out).to_pandas()
    assert len(made) == 3 + 4  # two of the six parts were there
    pd.testing.assert_frame_equal(table, started(lens, tmp_path / "undisturbed").to_pandas())


def test_work_beside_is_in_order_and_one_item_ahead():
    begun, let = [], threading.Event()

    def work(item):
        begun.append(item)
        assert let.wait(10)
        return item

    items = beside(work, range(5))
    let.set()
    assert next(items) == 0
    assert begun in ([0], [0, 1])
    assert list(items) == [1, 2, 3, 4]
    assert begun == [0, 1, 2, 3, 4]


def test_work_beside_ends_where_it_fails():
    """Nothing later is done, also where the caller stops, and no thread stays."""
    done, threads = [], threading.active_count()

    def work(item):
        done.append(item)
        if item == 2:
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        list(beside(work, range(5)))
    assert done == [0, 1, 2]
    items = beside(work, iter([0, 1, 3, 4, 5]))
    assert next(items) == 0
    items.close()
    assert done[3:] == [0, 1]
    assert threading.active_count() == threads


def test_a_run_whose_disk_fails_stops_the_model(lens, tmp_path, monkeypatch):
    commit, run, made = PartStore.commit, Batch.run, []

    def full(self, number, *args):
        if number == 1:
            raise FileError("cannot write: no space left")
        commit(self, number, *args)

    monkeypatch.setattr(Batch, "run", lambda batch: made.append(batch) or run(batch))
    monkeypatch.setattr(PartStore, "commit", full)
    threads = threading.active_count()
    with pytest.raises(FileError, match="no space left"):
        started(lens, tmp_path / "out")
    assert threading.active_count() == threads
    assert len(made) <= 4
    assert [path.name[:6] for path in (tmp_path / "out" / "parts").iterdir()] == ["000000"]


def test_a_text_file_and_a_list(lens, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a film\nsee it\n")
    one = corpus.run(lens, path, tmp_path / "one", progress=False).to_pandas()
    two = corpus.run(lens, ["a film", "see it"], tmp_path / "two", progress=False).to_pandas()
    pd.testing.assert_frame_equal(one, two)
    table = tmp_path / "a.csv"
    table.write_text("text\na film\n")
    with pytest.raises(InputError, match="name the one that holds the inputs"):
        corpus.run(lens, table, tmp_path / "three")


def test_what_is_refused(lens, tmp_path):
    for options, message in (
        ({"engine": "spark"}, "unknown engine 'spark'"),
        ({"part_rows": 0}, "part_rows must be"),
        ({"columns": ["loss"]}, "column 'loss' is one of the table's own"),
        ({"columns": ["length", "length"]}, "a column occurs twice"),
        ({"key": "label"}, "key '.' occurs twice"),
        ({"input": "sentence"}, "unknown column of the data 'sentence'"),
    ):
        with pytest.raises(InputError, match=message):
            started(lens, tmp_path / "out", **options)
    with pytest.raises(FileError, match=r"holds no run"):
        corpus.Run.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot write to"):
        started(lens, tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    with pytest.raises(FileError, match="is no manifest"):
        started(lens, tmp_path / "other")


@pytest.mark.parametrize("colliding", [False, True])
def test_keys_that_occur_twice_in_the_whole_run(lens, tmp_path, monkeypatch, colliding):
    """Also where one of the parts was there before; two keys with one hash are two keys."""
    frame, out = data().assign(id=[f"k{n}" for n in range(len(TEXTS))]), tmp_path / "out"
    if colliding:
        monkeypatch.setattr(_keys, "_hash", lambda key: int(key[1:]) % 3)
    assert len(started(lens, tmp_path / "other", frame, key="id")) == 21
    frame.loc[14, "id"] = "k5"
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"key 'k5' occurs twice, in the parts 1 and 3; .*another one, or omit"
        ):
            started(lens, out, frame, key="id")
        assert len(list((out / "parts").iterdir())) == 3
    frame.loc[14, "id"] = "k14"
    assert len(started(lens, out, frame, key="id")) == 21


def test_what_is_remembered_of_keys(tmp_path):
    """A million keys in 8 MB and a few arrays."""
    seen = _keys.SeenKeys(PartStore(tmp_path, {}))
    for number in range(300):
        seen.add(number, [str(n) for n in range(100 * number, 100 * number + 100)])
    assert sum(run.nbytes for run in seen._runs) == 8 * 30_000
    assert len(seen._runs) <= 10


def test_the_manifest_says_what_made_the_table(lens, tmp_path):
    started(lens, tmp_path / "out", probe=Probe("gradient_x_input", {"unit": "probability"}))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    configuration = manifest["configuration"]
    assert configuration["model"] == {"name": "sentiment", "fingerprint": fingerprint(lens)}
    assert configuration["probe"]["options"] == {"unit": "probability"}
    assert (manifest["rows"], manifest["errors"], manifest["parts"]) == (21, 2, 6)
    assert str(Path.home()) not in json.dumps(manifest)


def test_a_fingerprint_sees_weights_and_labels(lens):
    other = al.load("sentiment")
    assert fingerprint(other) == fingerprint(lens)
    with torch.no_grad():
        next(other.model.parameters()).view(-1)[0] += 1e-3
    assert fingerprint(other) != fingerprint(lens)
    assert fingerprint(al.Lens(lens.model, lens.tokenizer, labels=["bad", "good"])) != fingerprint(lens)
