"""The page of an audit: what it says, and that no text of the data can become markup."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import attnlens as al
from attnlens.corpus._data import source_of
from attnlens.errors import InputError
from attnlens.reporting import _audit_page

from ..corpus import planted_pictures as planted
from ..corpus.test_audit import LABELS, TEXTS

HOSTILE = (
    "<img src=x onerror=alert(1)> dull",
    "</script><b>good</b>",
    "a '\"& film \u202e dull",
    "flat \ud800",
)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    data = [{"text": text, "label": label} for text, label in zip((*TEXTS, *HOSTILE), (*LABELS, 1, 0, 1, 1))]
    return al.audit(al.load("sentiment"), data, tmp_path_factory.mktemp("audit"), progress=False)


@pytest.fixture(scope="module")
def page(audited, tmp_path_factory):
    return audited.report(tmp_path_factory.mktemp("page") / "audit.html").read_text(encoding="utf-8")


def rows_of(page, name):
    """The rows of a table, without the explanations that they open."""
    page = re.sub(r"<div class='opened'>.*?</div></details>", "", page, flags=re.DOTALL)
    table = re.search(rf"id='{name}'.*?</table>", page, re.S)[0]
    return re.findall(r"<tr(?: class=marked)?(?: data-[^>]*)?>(.*?)</tr>", table.split("<tbody>")[1], re.S)


def test_the_page_says_what_the_audit_says(page, audited):
    share, low, high = audited.accuracy
    assert "<h1>Audit of the model “sentiment”</h1>" in page
    assert f"{share:.1%}" in page
    assert f"95% interval {low:.1%} to {high:.1%}" in page
    for name, row in audited.confusion.iterrows():
        assert f"<th scope='row'>{name}</th>" in page
        assert f"<td>{row[name] / row.sum():.0%}</td><td>{row[name]} of {row.sum()}</td>" in page
    assert re.findall(r"class='count'[^>]*>(\w+)<", page) == [
        str(count) for count in audited.calibration.inputs
    ]
    errors = rows_of(page, "errors")
    assert len(errors) == len(audited.errors)
    assert all(f"{p:.3f}" in row for p, row in zip(audited.errors["probability"], errors))
    assert [
        row.split("</td>")[0].removeprefix("<td class='text'>") for row in rows_of(page, "slices")
    ] == audited.by_slice["slice"].tolist()
    assert len(rows_of(page, "heads")) == _audit_page.HEADS


def test_words_stand_where_they_stand_in_the_text(page, audited):
    plain = [re.sub(r"<[^>]+>", "", row.split("</td>")[0]) for row in rows_of(page, "errors")]
    for text, said in zip(audited.errors["input"], plain):
        if text in TEXTS:
            assert said == text.replace("'", "&#x27;")


def test_a_row_opens_its_explanation(page, audited):
    """With the score of each word, every class, the errors of the attribution, and a head that attends to a word."""
    row = audited.to_pandas().set_index("key").loc[audited.errors["key"][0]]
    opened = re.search(r"<div class='opened'>.*?</div></details>", page, re.DOTALL)[0]
    plain = re.sub(r"<[^>]+>", " ", opened)
    for token, special, score in zip(row["tokens"], row["special"], row["scores"]):
        assert special or f"{score:+.2f}" in plain
        assert special or token in plain
    chances = np.exp(row["logits"]) / np.exp(row["logits"]).sum()
    for label, logit, chance in zip(audited.lens.labels, row["logits"], chances):
        assert re.search(rf"{label}( \(true class\))?\s+\{logit:+.2f}\s+{chance:.1%}", plain)
    assert f"completeness gap {row['gap']:.1%}" in plain
    said = re.search(r"Attention of \[CLS\] in layer (\d+), head (\d+)", plain)
    weights = audited.lens.trace(row["input"])[int(said[1]), int(said[2])][0]
    assert f"{float(weights.max()):.0%}" in plain[said.end() :]


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rows = planted.records(8, 5, boxes=True)
    rows[0]["label"] = "red" if rows[0]["label"] != "red" else "green"
    pd.DataFrame([*rows, rows[1]]).to_parquet(folder / "a.parquet")
    lens = planted.classifier(steps=1)
    audit = al.audit(lens, folder / "a.parquet", mask="mask", head_stats=False, progress=False)
    return audit, folder


def test_a_page_of_pictures(pictured, tmp_path):
    audit, folder = pictured
    page = audit.report(tmp_path / "a.html").read_text()
    assert len(rows_of(page, "errors")) == audit.wrong > 0
    table = re.search(r"id='errors'.*?</table></div>", page, re.DOTALL)[0]
    first = re.search(
        r"<image id='error-0' width='32' height='32' href='data:image/png;base64,([^']+)'", table
    )
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(first[1]))))
    key = audit.errors["key"][0]
    rows = pd.read_parquet(folder / "a.parquet")
    np.testing.assert_array_equal(shown, np.asarray(Image.open(io.BytesIO(rows["image"][key]))))
    assert table.count("href='#error-0'") == 2  # under its two maps
    assert "largest value inside" in page
    assert page.count("class='cells'") == 2 * len(audit.maps)
    assert len(rows_of(page, "duplicates")) == 1
    assert not re.search(r"(id='[^']+').*\1", page, re.DOTALL)
    (folder / "a.parquet").rename(folder / "moved.parquet")
    moved = replace(audit, source=source_of(folder / "moved.parquet", audit.source.columns))
    (folder / "moved.parquet").rename(folder / "a.parquet")
    assert "Pictures are not shown: cannot read" in moved.report(tmp_path / "b.html").read_text()


def test_no_text_becomes_markup(page):
    assert "<img" not in page
    assert "</script><b>" not in page
    assert "\u202e" not in page
    assert page.count("<script") == 1
    assert 'http-equiv="Content-Security-Policy"' in page
    assert " style=" not in page
    assert not re.search(r"https?://", page.replace("http://www.w3.org", ""))


def test_the_page_does_not_grow_with_the_data(audited, monkeypatch, tmp_path):
    monkeypatch.setattr(_audit_page, "ERRORS", 2)
    page = al.report(audited, path=tmp_path / "a.html", title="Mine").read_text()
    assert len(rows_of(page, "errors")) == 2
    assert f"The first 2 of {len(audited.errors)}." in page
    assert "<title>Mine</title>" in page


def test_an_audit_without_errors_and_without_heads(tmp_path):
    data = pd.DataFrame({"text": ["bad", "good"], "label": [0, 1]})
    audit = al.audit(al.load("sentiment"), data, head_stats=False, progress=False)
    page = audit.report(tmp_path / "a.html").read_text()
    assert "100.0%" in page
    assert "Wrong predictions, the" not in page
    with pytest.raises(InputError, match="ends in"):
        audit.report(tmp_path / "a.txt")
