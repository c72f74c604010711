"""What a probe computes of each row is what the lens says of that input alone."""

from __future__ import annotations

import io
from functools import wraps

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

import attnlens as al
from attnlens import corpus
from attnlens.analysis import COLUMNS, top_weights
from attnlens.corpus import Probe, Row
from attnlens.errors import InputError

from .. import tiny

TEXTS = ("a gripping , funny film with one dull stretch .", "see it", "not good , not bad", "flat .")


def rows_of(inputs, labels=None):
    return [Row(n, text, None if labels is None else labels[n]) for n, text in enumerate(inputs)]


def png(picture) -> bytes:
    data = io.BytesIO()
    Image.open(picture).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def test_predictions_losses_and_margins(lens):
    rows, errors = Probe()(lens, rows_of(TEXTS, ["positive", 1, "negative", 0]))
    table = rows.to_pandas()
    assert len(errors) == 0
    assert table["key"].tolist() == [0, 1, 2, 3]
    assert table["label"].tolist() == ["positive", "1", "negative", "0"]
    assert table["label_index"].tolist() == [1, 1, 0, 0]
    for row, text in zip(table.itertuples(), TEXTS, strict=True):
        trace = lens.trace(text)
        assert row.prediction == trace.prediction.label
        assert row.probability == pytest.approx(trace.prediction.probability, abs=1e-5)
        np.testing.assert_allclose(row.logits, trace.logits, atol=1e-4)
        loss = torch.nn.functional.cross_entropy(trace.logits, torch.tensor(row.label_index))
        assert row.loss == pytest.approx(float(loss), abs=1e-4)
        margin = trace.logits[row.label_index] - trace.logits[1 - row.label_index]
        assert row.margin == pytest.approx(float(margin), abs=1e-4)
        assert row.correct == (margin > 0)


HEADS = {
    "multi-label": lambda: al.Lens(
        tiny.bert(num_labels=3, problem_type="multi_label_classification"), tiny.wordpiece()
    ),
    "regression": lambda: al.Lens(tiny.bert(num_labels=1), tiny.wordpiece()),
    "masked": lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()),
    "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "gpt2 classes": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level()),
    "t5": lambda: al.Lens(tiny.t5(), tiny.metaspace()),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_predicted_is_what_the_trace_says(name):
    """One text of three has a mask, the only place where a masked language model predicts."""
    lens, texts = HEADS[name](), ["a gripping [MASK] film", "see it", "not good , not bad"]
    table = Probe(head_stats=True)(lens, rows_of(texts, [0, None, 0]))[0].to_pandas()
    for row, text in zip(table.rename(columns={"index": "index_"}).itertuples(), texts, strict=True):
        trace = lens.trace(text)
        if trace.logits is None:
            assert pd.isna(row.prediction)
            continue
        assert (row.prediction, row.index_) == (trace.prediction.label, trace.prediction.index)
        if lens.activation == "none":
            assert np.isnan(row.probability)
        else:
            assert row.probability == pytest.approx(trace.prediction.probability, abs=1e-5)
        losses = {
            "softmax": lambda logits: -logits.log_softmax(0)[0],
            "sigmoid": lambda logits: -logits[0].sigmoid().log(),
            "none": lambda logits: torch.nan,
        }
        expected = float(losses[lens.activation](trace.logits)) if row.label == "0" else np.nan
        assert row.loss == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_without_labels(lens):
    table = Probe()(lens, rows_of(TEXTS))[0].to_pandas()
    assert table[["label", "loss", "margin", "correct"]].isna().all(None)
    assert table["prediction"].notna().all()


def test_labels_of_a_file_of_text_are_names_or_numbers(lens, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na film,1\ndull,0\nsee it,positive\nno,2\nbad,good\n")
    run = corpus.run(lens, path, tmp_path / "out", input="text", label="label", progress=False)
    assert run.to_pandas()["label_index"].tolist() == [1, 0, 1]
    assert run.errors["key"].tolist() == [3, 4]


def test_statistics_and_largest_weights_of_every_head(lens):
    table = Probe(head_stats=True, top_weights=True)(lens, rows_of(TEXTS))[0].to_pandas()
    for row, text in zip(table.itertuples(), TEXTS, strict=True):
        trace = lens.trace(text)
        expected = al.head_stats(trace)[list(COLUMNS)].to_numpy()
        np.testing.assert_allclose(np.reshape(row.head_stats, expected.shape), expected, atol=1e-4, rtol=1e-4)
        largest = top_weights(trace, count=1)
        np.testing.assert_allclose(row.top_weight, largest["weight"], atol=1e-5)
        assert list(row.top_query) == largest["query"].tolist()
        assert list(row.top_key) == largest["key"].tolist()


def test_attributions_and_rollouts(lens):
    probe = Probe("integrated_gradients", {"tolerance": 0.05}, rollout=True)
    table = probe(lens, rows_of(TEXTS))[0].to_pandas()
    for row, text in zip(table.itertuples(), TEXTS, strict=True):
        alone = lens.attribute(text, tolerance=0.05)
        assert list(row.tokens) == [token.text for token in alone.tokens]
        np.testing.assert_allclose(row.scores, alone.scores, atol=0.1 * float(alone.scores.abs().sum()))
        assert row.converged
        assert row.error <= 0.05
        trace = lens.trace(text)
        np.testing.assert_allclose(row.rollout, al.rollout(trace, row=trace.reader), atol=1e-5)


def test_pictures():
    lens = al.load("cifar")
    pictures = {name: al.models.sample_images()[name] for name in ("airplane", "automobile", "cat")}
    rows = [Row(name, png(path), name) for name, path in pictures.items()]
    table, errors = Probe("gradient", head_stats=True)(lens, [*rows, Row("broken", b"no picture", "cat")])
    table = table.to_pandas()
    assert table["key"].tolist() == list(pictures)
    assert errors.to_pylist() == [{"key": "broken", "reason": errors["reason"][0].as_py()}]
    assert "is not an image that Pillow can read" in errors["reason"][0].as_py()
    for row in table.itertuples():
        assert row.prediction == lens.trace(pictures[row.key]).prediction.label
        assert row.tokens is None
        assert len(row.scores) == 14 * 14
        assert len(row.head_stats) == len(al.head_stats(lens.trace(pictures[row.key]))) * len(COLUMNS)


def test_pictures_are_read_as_from_a_file(tmp_path):
    """In the orientation of the file, and no format that runs a program."""
    lens, turned = al.load("cifar"), tmp_path / "turned.jpg"
    picture = Image.open(al.models.sample_images()["cat"]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(turned, exif=exif)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n"
    rows, errors = Probe()(lens, [Row("turned", turned.read_bytes()), Row("script", script)])
    assert "is not an image that Pillow can read" in errors["reason"][0].as_py()
    np.testing.assert_allclose(rows["logits"][0].as_py(), lens.trace(turned).logits, atol=1e-4)


def test_each_text_is_tokenized_once(lens, monkeypatch):
    calls, tokenize = [], type(lens.tokenizer).__call__

    def counted(tokenizer, texts, *args, **options):
        calls.append(texts)
        return tokenize(tokenizer, texts, *args, **options)

    monkeypatch.setattr(type(lens.tokenizer), "__call__", counted)
    rows, _ = Probe("integrated_gradients", {"tolerance": 0.5}, head_stats=True)(lens, rows_of(TEXTS))
    assert len(rows) == 4
    assert calls == [list(TEXTS)]
    calls.clear()
    Probe("gradient")(lens, rows_of(["", *TEXTS]))
    assert calls == [[text] for text in TEXTS]


def test_a_batch_that_does_not_fit_is_halved(lens, monkeypatch):
    forward, probe, sizes = lens.model.forward, Probe("gradient_x_input", head_stats=True), []
    expected = probe(lens, rows_of(TEXTS))[0].to_pandas()

    @wraps(forward)
    def small(input_ids, **options):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(lens.model, "forward", small)
    rows, errors = probe(lens, rows_of(TEXTS))
    assert len(errors) == 0
    assert sizes[:3] == [4, 2, 2]
    pd.testing.assert_frame_equal(rows.to_pandas(), expected, atol=1e-4, rtol=1e-4)


def test_a_model_without_a_head():
    lens = al.Lens(tiny.bert("Model"), tiny.wordpiece())
    table, errors = Probe(head_stats=True)(lens, rows_of(TEXTS))
    assert len(errors) == 0
    assert table["prediction"].null_count == len(TEXTS)
    assert table["head_stats"].null_count == 0


BAD = {
    "empty text": (Row(1, ""), "empty"),
    "no text": (Row(1, 3), "int"),
    "unknown label": (Row(1, "a film", "neutral"), "neutral"),
    "label out of range": (Row(1, "a film", 7), "7"),
    "too long": (Row(1, "film " * 400), "tokens"),
    "unreadable": (Row(1, problem="not JSON"), "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_does_not_stop_the_others(lens, name):
    bad, reason = BAD[name]
    rows, errors = Probe("gradient_x_input", head_stats=True)(
        lens, [Row(0, "a film", 1), bad, Row(2, "see it", 0)]
    )
    assert rows["key"].to_pylist() == [0, 2]
    assert rows["head_stats"].null_count == 0
    assert errors["key"].to_pylist() == [1]
    assert reason in errors["reason"][0].as_py()


def test_nan_stops_only_its_row(lens, monkeypatch):
    forward = lens.model.forward
    nan_id = lens.tokenizer("see")["input_ids"][1]

    def broken(*args, **options):
        output = forward(*args, **options)
        ids = options.get("input_ids", args[0] if args else None)
        if ids is not None:
            output.logits[(ids == nan_id).any(-1)] = torch.nan
        return output

    broken.__signature__ = __import__("inspect").signature(forward)
    monkeypatch.setattr(lens.model, "forward", broken)
    rows, errors = Probe(head_stats=True)(lens, rows_of(TEXTS))
    assert rows["key"].to_pylist() == [0, 2, 3]
    assert errors["key"].to_pylist() == [1]
    assert "NaN" in errors["reason"][0].as_py()


def test_of_no_rows(lens):
    rows, errors = Probe(head_stats=True)(lens, [])
    assert len(rows) == len(errors) == 0


def test_a_wrong_request_is_an_error_of_the_run(lens, tmp_path):
    for probe, message in (
        (Probe("nonsense"), "unknown method 'nonsense'"),
        (Probe("integrated_gradients", {"steps": 3}), "'steps'"),
    ):
        with pytest.raises(InputError, match=message):
            corpus.run(lens, list(TEXTS), tmp_path / "out", probe, progress=False)
    assert not (tmp_path / "out").exists()
    Probe("gradient", {"unit": "probability"}).check(al.load("cifar"))


def test_a_part_of_bad_rows_alone(lens):
    rows, errors = Probe("integrated_gradients")(lens, rows_of(["", "", ""]))
    assert (len(rows), len(errors)) == (0, 3)


def test_lone_surrogates_do_not_stop_a_run(lens):
    odd = [
        Row("\ud800", "a film", columns={"note": "\ud800"}),
        Row("b", "\ud800 film"),
        Row("c", "see it", "\ud800"),
    ]
    rows, errors = Probe()(lens, odd, {"note": pa.string()})
    assert len(rows) + len(errors) == 3
    assert rows["note"][0].as_py() == "?"


def test_options_need_a_method():
    with pytest.raises(InputError, match="name it: attribution="):
        Probe(options={"tolerance": 0.1})
