"""The page of heads: its numbers beside the tables and the traces, and what is hostile in the data."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.errors import InputError
from attnlens.reporting._head_payload import payload

from .. import tiny
from ..analysis.test_many import LENSES, pictures
from ..corpus.test_head_pages import ROWS, pages_of

HOSTILE = "</script><script>alert(1)</script> film & <b>"


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.bert(), tiny.wordpiece())


@pytest.fixture(scope="module")
def pages(lens):
    return pages_of(lens, ROWS[:30], label="label", sample=20, effects=8)


def test_the_numbers_are_those_of_the_tables(pages):
    content = payload(pages)
    assert [(head["layer"], head["head"]) for head in content["heads"]] == [
        *map(tuple, pages.heads.values.tolist())
    ]
    names = [column["name"] for column in content["columns"]]
    assert {"entropy", "weight", "loss_change", "divergence"} <= set(names)
    for head, row in zip(content["heads"], pages.table.to_dict("records")):
        for name, value in zip(names, head["values"]):
            assert value == pytest.approx(row[name], rel=1e-4, nan_ok=True) or (
                value is None and row[name] != row[name]
            )
        off = pages.ablations.set_index(["layer", "head"]).loc[(head["layer"], head["head"])]
        assert head["off"]["loss_change_low"] == pytest.approx(off.loss_change_low, rel=1e-4, abs=1e-9)
        assert head["off"]["pair"]["divergence"] > 0
        assert [near[:2] for near in head["near"]] == al.analysis.nearest_heads(
            pages.distance, head["layer"], head["head"], count=4
        )[["layer", "head"]].values.tolist()
    json.dumps(content, allow_nan=False)


def test_examples_hold_the_weights_of_the_trace(pages, lens):
    content = payload(pages)
    texts = {str(row.key): row.input for row in pages.read(pages.chosen("weight").drop_duplicates("place"))}
    for head in content["heads"]:
        deciles = [example["decile"] for example in head["examples"]]
        assert deciles[:5] == ["top"] * 5
        assert deciles[5:] == [str(n) for n in range(10, 0, -1)]
        for example in (head["examples"][0], head["examples"][-1]):
            trace = lens.trace(texts[content["inputs"][example["input"]]["key"]])
            found = (np.frombuffer(base64.b64decode(example["weights"]), np.uint8) / 255) ** 2
            expected = trace[head["layer"], head["head"]]
            assert example["whole"] == 1
            np.testing.assert_allclose(found, expected.flatten().numpy(), atol=0.0041)
            assert float(expected[example["query"]].max()) >= example["score"] - 1e-4


def test_long_inputs_have_the_weights_of_one_query(lens):
    pages = pages_of(lens, [{"text": "film " * 55}, {"text": "a film"}], sample=2, effects=0)
    examples = payload(pages)["heads"][0]["examples"]
    assert {example["whole"] for example in examples} == {0, 1}
    (long,) = {example["weights"] for example in examples if not example["whole"]}
    assert len(base64.b64decode(long)) == 57


def test_a_decoder_attends_to_tokens_of_its_own():
    lens = LENSES["t5"]()
    pages = pages_of(lens, ROWS[:4], sample=3, effects=0)
    trace = lens.trace(ROWS[0]["text"])
    kinds = set()
    for head in payload(pages)["heads"]:
        layer = trace.layers[head["layer"]]
        kinds.add((layer.query_side, layer.key_side))
        for example in head["examples"]:
            weights = base64.b64decode(example["weights"])
            if (layer.query_side, layer.key_side) == ("input", "input"):
                assert "keys" not in example
            else:
                assert len(weights) == len(example["keys"])
                assert example["from"] == trace.output_tokens[0].text
    assert kinds == {("input", "input"), ("output", "output"), ("output", "input")}


def test_a_layer_that_cuts_its_picture_otherwise_has_no_weights():
    pages = al.head_pages(LENSES["swin"](), pictures(2), sample=2, effects=0, progress=False)
    assert {example["weights"] for head in payload(pages)["heads"] for example in head["examples"]} == {""}


def test_the_page_is_one_file_that_runs_nothing_of_the_data(tmp_path):
    rows = [{"text": HOSTILE}, {"text": "a film"}]
    pages = pages_of(al.load("sentiment"), rows, sample=2, effects=0)
    path = al.report(pages, path=tmp_path / "heads.html", title="a <title>")
    html = path.read_text(encoding="utf-8")
    assert "<h1>a &lt;title&gt;</h1>" in html
    assert "alert(1)</script>" not in html
    (data,) = re.findall(r'<script type="application/json" id="heads">(.*?)</script>', html, re.S)
    assert "<" not in data
    assert ["<", 0] in json.loads(data)["inputs"][0]["tokens"]
    assert html.count("<tr") > len(pages.heads)
    assert "connect-src 'none'" in html


def test_pictures_and_models_without_predictions(tmp_path, lens):
    pictures = [torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(n)) for n in range(4)]
    pages = al.head_pages(al.load("minivit"), pictures, sample=4, effects=2, progress=False)
    content = payload(pages)
    one = content["inputs"][0]
    assert one["picture"].startswith("data:image/png;base64,")
    assert len(content["heads"][0]["offsets"]["weight"]) == (2 * one["rows"] - 1) * (2 * one["cols"] - 1)
    assert content["heads"][0]["off"]["pair"] is None  # it has one head
    plain = pages_of(al.Lens(tiny.bert("Model"), tiny.wordpiece()), ROWS[:5], sample=3)
    assert payload(plain)["heads"][0]["off"] is None
    assert plain.report(tmp_path / "plain.html").stat().st_size > 10_000


def test_what_is_refused(pages, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.html"):
        pages.report(tmp_path / "heads.txt")
