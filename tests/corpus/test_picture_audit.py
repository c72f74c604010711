"""An audit of pictures beside the same numbers computed by hand, and where a planted square decides."""

from __future__ import annotations

import itertools
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import attnlens as al
from attnlens import corpus
from attnlens.corpus import _picture_probe as pictures
from attnlens.corpus._duplicates import near_duplicates, picture_pairs
from attnlens.errors import FileError, InputError

from . import planted_pictures as planted

COUNT = 24


@pytest.fixture(scope="module")
def lens():
    torch.set_num_threads(1)
    return planted.classifier()


@pytest.fixture(scope="module")
def audited(lens):
    """With some wrong labels, so that there are errors."""
    rows = planted.records(COUNT, 5, boxes=True)
    for row in rows[:5]:
        row["label"] = "red" if row["label"] != "red" else "green"
    return corpus.audit(lens, rows, mask="mask", progress=False, part_rows=10)


def test_a_planted_square_is_where_the_maps_lie(audited):
    table = audited.localization.set_index(["map", "predictions"])
    row = table.loc["attribution", "all"]
    masked = audited.to_pandas(["mask_share"])["mask_share"].notna()
    assert row["inputs"] == masked.sum() < COUNT
    assert row["chance"] == pytest.approx(1 / 16)
    assert row["pointing"] == 1.0
    assert row["energy"] > 0.9
    assert row["energy_low"] <= row["energy"] <= row["energy_high"]
    assert table.loc[("attention", "all"), "pointing"] > 0.9
    assert table.loc[("attribution", "right"), "inputs"] < row["inputs"]


def test_masks_that_are_pictures_say_the_same_as_boxes(lens, audited, tmp_path):
    rows = planted.records(COUNT, 5, boxes=False)[:6]
    rows[0]["mask"] = planted.png(np.ones((5, 7), dtype=np.uint8))
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    made = corpus.audit(lens, tmp_path / "a.parquet", mask="mask", head_stats=False, progress=False)
    assert "the mask has 7 x 5 pixels and its picture 32 x 32" in made.run.errors["reason"][0]
    names = ["mask_share", "pointing", "energy", "attention_pointing", "attention_energy"]
    expected = audited.to_pandas(["key", *names]).set_index("key").loc[1:5, names]
    pd.testing.assert_frame_equal(made.to_pandas(["key", *names]).set_index("key")[names], expected)


def test_localization_is_that_of_a_slow_loop(lens):
    """On a picture that the model sees a part of, scaled."""
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 255, (60, 90, 3), dtype=np.uint8))
    attribution = lens.attribute(picture, method="gradient_x_input")
    mask = generator.random((60, 90)) < 0.3
    attention = torch.from_numpy(generator.random((4, 4)))
    found = pictures.localization(mask, attribution, attention)
    left, top, right, bottom = attribution.box
    inside = total = share = spread = whole = 0.0
    best = -np.inf
    for row, column in itertools.product(range(32), range(32)):
        y, x = top + (row + 0.5) * (bottom - top) / 32, left + (column + 0.5) * (right - left) / 32
        here = bool(mask[int(y), int(x)])
        score = float(attribution.scores[row, column])
        if score > best:
            best, pointed = score, here
        inside, total = inside + max(score, 0) * here, total + max(score, 0)
        spread, whole = (
            spread + float(attention[row // 8, column // 8]) * here,
            whole + float(attention[row // 8, column // 8]),
        )
        share += here / 32**2
    assert found["energy"] == pytest.approx(inside / total)
    assert found["mask_share"] == pytest.approx(share)
    assert found["pointing"] == pointed
    assert found["attention_energy"] == pytest.approx(spread / whole)
    assert pictures.localization(np.zeros((60, 90), bool), attribution, attention) == {}


def test_what_a_mask_may_be(tmp_path):
    """Boxes of a frame are arrays; a palette's number counts, not its colour; opacity does not count."""
    expected = np.zeros((4, 5), dtype=bool)
    expected[2, 1:4] = True
    np.testing.assert_array_equal(pictures.mask_of([1, 2, 4, 3], (5, 4)), expected)
    np.testing.assert_array_equal(pictures.mask_of(np.array([0.6, 1.6, 3.6, 2.6]), (5, 4)), expected)
    palette = Image.fromarray(expected.astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 0, 0, 0])
    palette.save(tmp_path / "a.png")
    deep = Image.fromarray(expected.astype(np.uint16) * 900)
    clear = Image.fromarray(np.stack([expected * 255] * 3 + [np.full((4, 5), 255)], -1).astype(np.uint8))
    for mask in ((tmp_path / "a.png").read_bytes(), str(tmp_path / "a.png"), palette, deep, clear, expected):
        np.testing.assert_array_equal(pictures.mask_of(mask, (5, 4)), expected)
    assert pictures.mask_of(None, (5, 4)) is None
    assert pictures.mask_of([9, 9, 9, 9], (5, 4)) is None
    with pytest.raises(InputError, match=r"a box \[left, top, right, bottom\], not \[1, 2\]"):
        pictures.mask_of([1, 2], (5, 4))
    with pytest.raises(InputError, match="the mask"):
        pictures.mask_of(b"no picture", (5, 4))


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (32, 20), (14, 14)])
def test_cells_keep_the_sum_and_the_place(shape):
    values = torch.rand(shape, dtype=torch.float64)
    cells = pictures.in_cells(values)
    assert cells.shape == (14, 14)
    assert float(cells.sum()) == pytest.approx(float(values.sum()))
    fine = values.repeat_interleave(14, 0).repeat_interleave(14, 1) / 14**2
    expected = fine.unflatten(0, (14, shape[0])).unflatten(2, (14, shape[1])).sum((1, 3))
    torch.testing.assert_close(cells, expected)


def test_class_attention_is_that_of_the_last_layer(lens, audited):
    trace = lens.trace(planted.pictures(COUNT, 5)[0][7])
    row = trace[-1].mean("head")[0, 1:].unflatten(0, (4, 4))
    kept = audited.to_pandas(["class_attention"])["class_attention"][7]
    np.testing.assert_allclose(np.reshape(kept, (14, 14)), pictures.in_cells(row), atol=1e-6)


def test_maps_are_means_of_shares(audited):
    table = audited.to_pandas()
    row = audited.maps.iloc[0]
    here = (table["prediction"] == row["prediction"]) & (table["correct"] == row["correct"])
    for name, column in (("attribution", "scores"), ("attention", "class_attention")):
        every = [np.asarray(cells, dtype=float) for cells in table[column][here]]
        cells = [cells / np.abs(cells).sum() for cells in every]
        np.testing.assert_allclose(row[name].ravel(), np.mean(cells, 0), atol=1e-9)
    assert audited.maps["inputs"].sum() == COUNT


def test_measures_slices_and_own_functions(lens):
    values, _, labels = planted.pictures(8, 1)
    rows = [{"img": picture, "label": label} for picture, label in zip(values, labels)]
    slices = {"reddish": lambda picture: np.asarray(picture)[..., 0].mean() > 112}
    made = corpus.audit(lens, rows, input="img", slices=slices, head_stats=False, progress=False, part_rows=3)
    expected = [bool(picture[..., 0].mean() > 112) for picture in values]
    assert 0 < sum(expected) < 8
    assert made.slices["reddish"].tolist() == expected
    luma = values @ (0.299, 0.587, 0.114) / 255
    table = made.to_pandas(["brightness", "contrast", "width"])
    np.testing.assert_allclose(table["brightness"], luma.mean((1, 2)))
    np.testing.assert_allclose(table["contrast"], luma.std((1, 2)))
    dark = next(which for name, which in made.slices.items() if name.startswith("dark"))
    assert dark.tolist() == (table["brightness"] <= table["brightness"].quantile(0.25)).tolist()
    assert not any(name.startswith("small") for name in made.slices)


@pytest.mark.parametrize("kind", ["folder", "tar", "parquet"])
def test_pictures_are_read_again_and_what_has_moved_is_said(lens, tmp_path, kind):
    rows = planted.records(6, 5, boxes=False)
    place = {"folder": tmp_path / "pictures", "tar": tmp_path / "a.tar", "parquet": tmp_path / "a.parquet"}[
        kind
    ]
    folder = tmp_path / "pictures"
    for number, row in enumerate(rows):
        (folder / row["label"]).mkdir(parents=True, exist_ok=True)
        (folder / row["label"] / f"{number}.png").write_bytes(row["image"])
        (tmp_path / f"{number}.txt").write_text(row["label"])
    if kind == "tar":
        with tarfile.open(place, "w") as archive:
            for number, row in enumerate(rows):
                archive.add(folder / row["label"] / f"{number}.png", f"{number}.png")
                archive.add(tmp_path / f"{number}.txt", f"{number}.txt")
    if kind == "parquet":
        pd.DataFrame(rows).to_parquet(place, row_group_size=2)
    made = corpus.audit(lens, place, head_stats=False, progress=False, part_rows=4)
    assert len(made) == 6
    first, key = made.to_pandas(["key"])["key"][[0, 5]]
    explained = made.explain(key, method="gradient")
    np.testing.assert_array_equal(explained.image.shape, (32, 32, 3))
    for path in [*folder.rglob("*.png")] if kind == "folder" else [place]:
        path.unlink()
    with pytest.raises(FileError, match=r"does not hold the picture|cannot read"):
        made.explain(first)
    with pytest.raises(InputError, match="no input with a label has the key 'x'"):
        made.explain("x")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8), st.data())
def test_pairs_of_hashes_are_those_of_all_pairs(seeds, data):
    flips = st.lists(st.integers(0, 63), max_size=5)
    near = [seed ^ sum({1 << bit for bit in data.draw(flips)}) for seed in seeds]
    hashes = np.array([*seeds, *near], dtype=np.uint64).view(np.int64)
    expected = {
        (a, b): (int(x) ^ int(y)).bit_count()
        for (a, x), (b, y) in itertools.combinations(enumerate([*seeds, *near]), 2)
    }
    found = near_duplicates(picture_pairs(hashes), 1000)
    assert {(row.a, row.b): round(64 * (1 - row.similarity)) for row in found.itertuples()} == {
        pair: bits for pair, bits in expected.items() if bits <= 3
    }


def test_copies_are_near_duplicates(lens, tmp_path):
    values, _, labels = planted.pictures(5, 3)
    brighter = (values[0].astype(float) * 1.05).clip(0, 255).astype(np.uint8)
    rows = [{"image": v, "label": n} for v, n in zip([*values, brighter], [*labels, (labels[0] + 1) % 3])]
    made = corpus.audit(lens, rows, head_stats=False, progress=False)
    (pair,) = made.duplicates.itertuples()
    assert (pair.key_a, pair.key_b, pair.same_label) == (0, 5, False)
    assert set(made.faithfulness(["gradient", "rollout"], count=2)["method"]) == {"gradient", "rollout"}


def test_another_picture_under_the_same_key_is_noticed(lens, tmp_path):
    values, _, labels = planted.pictures(2, 3)
    for number, label in enumerate(labels):
        (tmp_path / planted.LABELS[label]).mkdir(exist_ok=True)
        (tmp_path / planted.LABELS[label] / f"{number}.png").write_bytes(planted.png(values[number]))
    made = corpus.audit(lens, tmp_path, head_stats=False, progress=False)
    key = f"{planted.LABELS[labels[0]]}/0.png"
    np.testing.assert_array_equal(made.explain(key, method="gradient").image, values[0])
    (tmp_path / key).write_bytes(planted.png(values[1]))
    with pytest.raises(FileError, match=f"does not hold the picture '{key}' any more: the data have changed"):
        made.explain(key)


def test_what_is_refused(lens, audited):
    with pytest.raises(InputError, match=r"audit.words is of texts; of pictures there are audit.maps"):
        _ = audited.words
    without = corpus.audit(lens, planted.records(2, 0, True), head_stats=False, progress=False)
    with pytest.raises(InputError, match="no masks of the objects"):
        _ = without.localization
    with pytest.raises(InputError, match="omit it for texts"):
        corpus.audit(al.load("sentiment"), [{"text": "a", "label": 1}], mask="mask")
    with pytest.raises(InputError, match="give both, or neither"):
        corpus.run(lens, planted.records(2, 0, True), "never", input="image", mask="mask")
    with pytest.raises(
        InputError, match="no row of the data could be used; the first: measures= and masks= are of"
    ):
        corpus.audit(lens, [{"image": torch.rand(3, 32, 32), "label": 1}], head_stats=False, progress=False)
    with pytest.raises(InputError, match="are for pictures"):
        corpus.Probe(measures=True).check(al.load("sentiment"))
