"""Texts out of files of every type: right results, or an error that names the file and the line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlens.errors import FileError, InputError
from attnlens.io._text_files import lines, read

TEXTS = ["see it", 'a "fine" film, twice', "not\nbad", "  spaces  ", "naïve 🎬", "=1+1"]


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: str | bytes) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "CSV"])
def test_what_pandas_writes_comes_back(tmp_path, suffix):
    frame = pd.DataFrame(
        {"text": TEXTS, "label": range(len(TEXTS)), "name": [f"n{i}" for i in range(len(TEXTS))]}
    )
    path = tmp_path / f"reviews.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        getattr(frame, f"to_{suffix.lower()}")(path)
    assert read(path) == TEXTS
    assert read(path, "name") == [f"n{i}" for i in range(len(TEXTS))]


texts_of_any_kind = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(texts_of_any_kind, st.sampled_from(["csv", "jsonl"]))
def test_texts_of_any_kind_come_back(tmp_path_factory, texts, suffix):
    path = tmp_path_factory.mktemp("any") / f"a.{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == "csv":
            csv.writer(file).writerows([["text", "label"], *([text, "good"] for text in texts)])
        else:
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    if suffix == "csv" and all(is_number(text) for text in texts):
        with pytest.raises(InputError, match="column 'text' holds no texts"):
            read(path, "text")
    else:
        assert read(path) == texts


def is_number(text: str) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False


def test_tabs_part_the_cells_of_a_tsv(tmp_path):
    texts = ["see it", 'a "fine", film', "not bad"]
    path = tmp_path / "reviews.tsv"
    pd.DataFrame({"sentence": texts, "label": [1, 1, 0]}).to_csv(path, sep="\t", index=False)
    assert read(path) == texts


def test_a_line_ends_where_files_end_lines(file):
    content = "\ufeffsee it\r\n\n  \na\u2028b\x0cc\rflat"
    assert read(file("a.txt", content)) == ["see it", "a\u2028b\x0cc", "flat"]
    assert lines("one\u0085two\n") == ["one\u0085two", ""]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", "\ufefftext,label\r\nsee it,1\r\n\r\nflat,0\r\n", ["see it", "flat"]),
        ("a.csv", "id,comment_text,label\n1,see it,0\n2,7,1\n", ["see it", "7"]),
        ("a.csv", "ID, Review ,stars\n1,see it,*\n", ["see it"]),
        ("a.csv", "review\nsee it\n", ["see it"]),
        ("a.csv", 'text\n"two\nlines"\n', ["two\nlines"]),
        ("a.csv", f"text\n{'a' * 140_000}\nflat\n", ["a" * 140_000, "flat"]),
        ("a.jsonl", '"see it"\n\n"flat"\n', ["see it", "flat"]),
        ("a.jsonl", '{"label": "good", "body": "see it"}\n', None),
        ("a.jsonl", '{"label": 1, "body": "see it"}\n{"body": "flat"}', ["see it", "flat"]),
        ("a.ndjson", '{"text": "see\\nit", "body": "x"}', ["see\nit"]),
        ("a.text", "see it", ["see it"]),
    ],
)
def test_which_texts_are_meant(file, name, content, texts):
    if texts is None:
        with pytest.raises(
            InputError, match=r"it is not clear which column holds the texts.* 'label', 'body'"
        ):
            read(file(name, content))
    else:
        assert read(file(name, content)) == texts


REFUSED = {
    "header or text": ("a.csv", "see it\nflat\n", r"it is not clear whether its first row \('see it'\)"),
    "no header": ("a.csv", "see it,1\nflat,0\n", "it is not clear whether its first row"),
    "two texts": ("a.csv", "text,review\na,b\n", "it is not clear which column .* 'text', 'review'"),
    "numbers": ("a.csv", "id,label\n1,2\n", "it is not clear which column"),
    "a cell too many": (
        "a.csv",
        "text,label\nsee it,1\na, b,0\n",
        "line 3: 3 cells, and the first row has 2",
    ),
    "a cell too few": ("a.csv", "text,label\nsee it\n", "line 2: 1 cell, and"),
    "empty cells": ("a.csv", "id,text\n1,\n2,\n", "column 'text' holds no texts"),
    "an empty cell": ("a.csv", 'text,label\n"see\nit",1\n,0\n', "line 4: column 'text' is '', not a text"),
    "semicolons": ("a.csv", "text;label\nsee it;1\n", "separated by ';'"),
    "an open quote": ("a.csv", 'text,label\nsee it,1\n"flat,0\n', "line 3: unexpected end of data"),
    "a quote inside": ("a.csv", 'text,label\n"a" b,1\n', "line 2: .* quotes inside are doubled"),
    "a name twice": ("a.csv", "text,text\na,b\n", "it is not clear which column"),
    "a header alone": ("a.csv", "text,label\n", "holds no text"),
    "nothing": ("a.csv", "", "holds no text"),
    "empty lines": ("a.txt", "\n \n", "holds no text"),
    "latin": ("a.csv", "text\nsee it\nnaïve\n".encode("latin1"), "line 3: not text in UTF-8 .*iconv"),
    "utf-16": ("a.txt", "see it".encode("utf-16-le"), "line 1: not text in UTF-8 .a zero byte.*utf-16"),
    "utf-16 with a mark": ("a.csv", "text\nsee it".encode("utf-16"), "line 1: not text in UTF-8 .*utf-16"),
    "tabs in quotes": ("a.tsv", 'text\tlabel\n"a\t0\nb"\t1\n', "line 2: a cell begins with a quote"),
    "no object": ("a.jsonl", '{"text": "a"}\n\n["b"]\n', r"line 3: an object was expected, not \['b'\]"),
    "not JSON": ("a.jsonl", '{"text": "a"}\n{text: b}\n', "line 2: not JSON"),
    "deep": ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
    "null": ("a.jsonl", '{"text": "a"}\n{"text": null}\n', "line 2: column 'text' is null, not a text"),
    "missing": ("a.jsonl", '{"text": "a"}\n{"body": "b"}\n', "line 2: column 'text' is null"),
    "a key twice": ("a.jsonl", '{"text": "a", "text": "b"}\n', "line 1: not JSON .a name occurs twice"),
    "pretty": ("a.jsonl", '[\n{"text": "a"}\n]', "line 1: not JSON"),
    "no table": ("a.parquet", "see it", "cannot be read as a Parquet file"),
    "a workbook": ("a.xlsx", "see it", "no type that texts are read from .* - < "),
    "no type": ("reviews", "see it", "no type that texts are read from"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_told_with_its_place(file, case):
    name, content, message = REFUSED[case]
    with pytest.raises((FileError, InputError), match=message) as caught:
        read(file(name, content))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "column", "message"),
    [
        ("a.txt", "see it", "text", "has no columns"),
        ("a.csv", "text,label\na,1\n", "body", "has no column 'body'; its columns: 'text', 'label'"),
        (
            "a.csv",
            "text,label\na,1\n",
            "label",
            "column 'label' holds no texts; its columns: 'text', 'label'",
        ),
        ("a.csv", "text,text\na,b\n", "text", "more than one column 'text'"),
        ("a.jsonl", '{"text": "a", "label": 1}', "label", "column 'label' is 1, not a text"),
    ],
)
def test_a_column_that_is_no_texts(file, name, content, column, message):
    with pytest.raises((FileError, InputError), match=message):
        read(file(name, content), column)


def test_parquet_of_numbers_nulls_and_pictures(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"text": ["see it", None], "label": [0, 1], "picture": [b"a", b"b"]})
    frame.astype({"text": object}).to_parquet(path)
    with pytest.raises(FileError, match="row 2: column 'text' is null"):
        read(path)
    with pytest.raises(FileError, match="row 1: column 'picture' is of type binary"):
        read(path, "picture")
    frame.assign(text=pd.Categorical(["see it", "flat"])).to_parquet(path)
    assert read(path) == ["see it", "flat"]


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(FileError, match=r"a\.csv is a folder; give a file in it"):
        read(tmp_path / "a.csv")
    with pytest.raises(FileError, match=r"cannot read .*b\.csv: No such file"):
        read(tmp_path / "b.csv")


def test_real_sentences_come_as_they_are(tmp_path):
    rows = [json.dumps({"idx": i, "sentence": text, "label": 0}) for i, text in enumerate(TEXTS)]
    (tmp_path / "dev.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert read(tmp_path / "dev.jsonl") == TEXTS
