"""Rows of every kind of data, cut into parts of any size."""

from __future__ import annotations

import io
import json
import pickle
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attnlens.corpus._data import source_of
from attnlens.corpus._source import Columns, Row, digest
from attnlens.errors import FileError, InputError

TEXTS = ["a film", 'with "quotes", and commas', "two\nlines", "ünïcode 🎬", "last"]
LABELS = [0, 1, 0, 1, 1]
COLUMNS = Columns("text", "label")


def png(seed: int = 0) -> bytes:
    data = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def frame() -> pd.DataFrame:
    return pd.DataFrame({"text": TEXTS, "label": LABELS, "length": [len(t) for t in TEXTS]})


class FakeDataset:
    """What is used of `datasets.Dataset`: columns by slice."""

    column_names = ("text", "label")

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, rows):
        return {"text": TEXTS[rows], "label": LABELS[rows]}


def parquet(folder):
    pq.write_table(pa.Table.from_pandas(frame()), folder / "a.parquet", row_group_size=2)
    return folder / "a.parquet"


def two_parquets(folder):
    for name, rows in (("a", slice(0, 3)), ("b", slice(3, 5))):
        frame().iloc[rows].to_parquet(folder / f"{name}.parquet")
    return folder


def csv(folder):
    frame().to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def tsv(folder):
    frame().to_csv(folder / "a.tsv", index=False, sep="\t")
    return folder / "a.tsv"


def jsonl(folder):
    lines = [json.dumps(row) for row in frame().to_dict("records")]
    (folder / "a.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    return folder / "a.jsonl"


TABLES = {
    "parquet": parquet,
    "folder of parquet": two_parquets,
    "csv": csv,
    "tsv": tsv,
    "jsonl": jsonl,
    "frame": lambda folder: frame(),
    "dataset": lambda folder: FakeDataset(),
    "dictionaries": lambda folder: frame().to_dict("records"),
}


def rows_of(source, size):
    """All rows, by a source that was sent to another process."""
    parts = source.parts(size)
    assert [part.number for part in parts] == list(range(len(parts)))
    assert all(part.rows == size for part in parts[:-1])
    source = pickle.loads(pickle.dumps(source))
    rows = []
    for part in parts:
        assert part.first == len(rows)
        found = source.read(part)
        assert len(found) == part.rows
        rows += found
    return rows


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("name", TABLES)
def test_rows_of_tables(name, size, tmp_path):
    rows = rows_of(source_of(TABLES[name](tmp_path), COLUMNS), size)
    assert [row.key for row in rows] == [0, 1, 2, 3, 4]
    assert [row.input for row in rows] == TEXTS
    assert [int(row.label) for row in rows] == LABELS
    assert all(row.problem is None for row in rows)


@pytest.mark.parametrize("name", ["parquet", "csv", "frame", "jsonl"])
def test_other_columns_and_keys(name, tmp_path):
    rows = rows_of(source_of(TABLES[name](tmp_path), Columns("text", key="length", more=("label",))), 2)
    assert [row.key for row in rows] == [str(len(text)) for text in TEXTS]
    assert [int(row.columns["label"]) for row in rows] == LABELS
    assert all(row.label is None for row in rows)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1), min_size=1, max_size=8
    ),
    st.integers(1, 9),
    st.sampled_from([csv, jsonl]),
)
def test_any_texts_in_lines(tmp_path_factory, texts, size, write):
    folder = tmp_path_factory.mktemp("lines")
    path = folder / f"a.{write.__name__}"
    table = pd.DataFrame({"text": texts, "label": "x"})
    if write is csv:
        table.to_csv(path, index=False, lineterminator="\n")
    else:
        path.write_text("\n".join(json.dumps(row) for row in table.to_dict("records")))
    assert [row.input for row in rows_of(source_of(path, COLUMNS), size)] == texts


def test_lines_of_texts_and_lists(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\n\n two\nthree")
    for data in (tmp_path / "a.txt", [tmp_path / "a.txt"], ["one", " two", "three"]):
        rows = rows_of(source_of(data, Columns("input")), 2)
        assert [row.input for row in rows] == ["one", " two", "three"]


def test_a_path_holds_in_every_folder(tmp_path, monkeypatch):
    path = csv(tmp_path)
    monkeypatch.chdir(tmp_path)
    source = source_of(path.name, COLUMNS)
    monkeypatch.chdir("/")
    assert [row.input for row in rows_of(source, 2)] == TEXTS


def test_pairs():
    data = pd.DataFrame({"a": ["x", None], "b": ["y", "z"]})
    first, second = rows_of(source_of(data, Columns("a", pair="b")), 2)
    assert first.input == ("x", "y")
    assert second.problem == "column 'a' is empty"


def test_a_folder_of_pictures(tmp_path):
    for number, name in enumerate(("cat/1.png", "cat/2.PNG", "dog/deep/3.jpg")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (tmp_path / "notes.md").write_text("no picture")
    source = source_of(tmp_path, Columns("input"))
    rows = rows_of(source, 2)
    assert [(row.key, row.label) for row in rows] == [
        ("cat/1.png", "cat"),
        ("cat/2.PNG", "cat"),
        ("dog/deep/3.jpg", "deep"),
    ]
    assert rows[1].input == png(1)
    part = source.parts(3)[0]
    (tmp_path / "cat/1.png").unlink()
    assert source.read(part)[0].problem.startswith("cannot be read")


def test_archives_of_pictures(tmp_path):
    path = tmp_path / "shard-0.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in (
            ("a/1.png", png(1)), ("a/1.cls", b"3"), ("a/1.json", b'{"split": "x"}'),
            ("a/2.jpg", png(2)), ("a/2.txt", b"cat"), ("a/3.cls", b"1"), ("a/4.png", png(4)), ("a/4.cls", b"no"),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    rows = rows_of(source_of(path, Columns("input", more=("split",))), 3)
    assert [row.key for row in rows] == ["a/1", "a/2", "a/3", "a/4"]
    assert (rows[0].input, rows[0].label, rows[0].columns) == (png(1), 3, {"split": "x"})
    assert (rows[1].input, rows[1].label) == (png(2), "cat")
    assert rows[2].problem == "no picture"
    assert rows[3].problem.startswith("unreadable label")


def test_pictures_in_a_table(tmp_path):
    table = pd.DataFrame({"img": [{"bytes": png(1), "path": None}], "label": [2]})
    table.to_parquet(tmp_path / "a.parquet")
    (row,) = rows_of(source_of(tmp_path / "a.parquet", Columns("img", "label")), 1)
    assert row.input == png(1)


def test_rows_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{broken\n[1]\n{"text": null}\n{"text": "b"}\n')
    rows = rows_of(source_of(path, Columns("text")), 2)
    assert [row.problem is None for row in rows] == [True, False, False, False, True]
    assert "not JSON" in rows[1].problem
    assert "list" in rows[2].problem
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1\nb\nc,2\n")
    rows = rows_of(source_of(path, COLUMNS), 10)
    assert rows[1].problem == "1 cells, and the first row has 2"
    assert [row.key for row in rows] == [0, 1, 2]
    keyed = rows_of(source_of(frame().assign(key=[None, "b", 3, 4.5, True]), Columns("text", key="key")), 9)
    assert [row.problem is None for row in keyed] == [False, True, True, False, True]


def test_what_is_no_data(tmp_path):
    (tmp_path / "a.csv").write_text("text\na\n")
    (tmp_path / "a.doc").write_text("a")
    (tmp_path / "a.parquet").write_text("no parquet")
    for data, error, message in (
        (tmp_path / "none.csv", FileError, "there is no"),
        (tmp_path / "a.csv", InputError, "unknown column of .* 'label'; expected one of: text"),
        (tmp_path / "a.doc", FileError, "has no type"),
        (tmp_path / "a.parquet", FileError, "cannot read"),
        ([tmp_path / "a.csv", tmp_path / "a.parquet"], FileError, "files of several kinds"),
        (frame()[["text"]], InputError, "unknown column of the data 'label'"),
        (iter(TEXTS), InputError, "of an iterator make a list"),
        (3, InputError, "a data set is a file"),
    ):
        with pytest.raises(error, match=message):
            source_of(data, COLUMNS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="holds no pictures"):
        source_of(tmp_path / "empty", COLUMNS)


def test_a_hash_sees_every_change():
    row = Row(1, "a film", 0, {"x": 1})
    rows = [[row], [Row(2, "a film", 0, {"x": 1})], [Row(1, "a film ", 0, {"x": 1})], [Row(1, "a film", "0", {"x": 1})],
            [Row(1, "a film", 0, {"x": 2})], [Row(1, b"a film", 0, {"x": 1})], [row, row], []]  # fmt: skip
    assert len({digest(one) for one in rows}) == len(rows)
    pixels = np.zeros((100, 100, 3), np.uint8)
    other = pixels.copy()
    other[50, 50] = 1
    for kind in (np.array, Image.fromarray):  # whose repr has an address, or dots
        assert digest([Row(1, kind(pixels))]) == digest([Row(1, kind(pixels.copy()))])
        assert digest([Row(1, kind(pixels))]) != digest([Row(1, kind(other))])
    assert digest([row]) == digest([Row(1, "a film", 0, {"x": 1})])
