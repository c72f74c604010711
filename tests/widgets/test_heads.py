"""The grid of heads: what its bytes hold, what is selected, and its statistics."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, Trace
from attnlens.errors import InputError
from attnlens.widgets import _heads


@pytest.fixture(scope="module")
def trace():
    return al.load("sentiment").trace("a gripping , funny film with one dull stretch .")


def tiles_of(view: al.HeadsView) -> list[np.ndarray]:
    """Each layer's thumbnails as the browser reads them."""
    numbers = np.frombuffer(view.thumbnails, "<f2")
    ends = np.cumsum([np.prod(size) for size in view.sizes])
    return [part.reshape(size) for part, size in zip(np.split(numbers, ends[:-1]), view.sizes)]


def test_thumbnails_of_a_short_text_are_its_weights(trace):
    for tile, layer in zip(tiles_of(al.HeadsView(trace)), trace.layers):
        np.testing.assert_allclose(tile, layer.attention[:].numpy(), atol=5e-4)


def test_those_of_a_long_one_are_the_largest_weights_of_their_cells():
    weights = torch.rand(2, 70, 100)
    tile = _heads.thumbnails(Weights(weights))
    assert tile.shape == (2, 24, 25)
    assert tile[1, 3, 5] == weights[1, 9:12, 20:24].max()


def test_of_a_very_long_one_some_queries_are_looked_at(monkeypatch):
    monkeypatch.setattr(_heads, "MOST_WEIGHTS", 1000)
    attention = Factors(torch.randn(2, 500, 4), torch.randn(2, 500, 4), 1.0)
    tile = _heads.thumbnails(attention)
    assert tile.shape == (2, 32, 32)
    torch.testing.assert_close(tile[:, 0, 0], attention[:, 0, :16].amax(-1))
    torch.testing.assert_close(tile[:, -1, -1], attention[:, -1, 31 * 16 :].amax(-1))


def test_of_an_image_they_are_the_attention_of_the_class_token():
    trace = al.load("cifar").trace(al.models.sample_images()["chelsea"])
    view = al.HeadsView(trace)
    assert view.rows == "patch"
    expected = trace[3][1, 0, 1:].reshape(8, 8)
    np.testing.assert_allclose(tiles_of(view)[3][1], expected, atol=5e-4)
    assert al.HeadsView(trace, whole=True).sizes[0] == [3, 22, 22]


def test_a_grid_of_twelve_by_twelve_heads_takes_some_300_kilobytes():
    layer = Layer("one", "self", Factors(torch.randn(12, 600, 8), torch.randn(12, 600, 8), 1.0))
    assert len(al.HeadsView(Trace(layers=(layer,) * 12)).thumbnails) <= 300_000


def test_statistics_come_with_a_short_text_and_are_those_of_head_stats(trace):
    view, table = al.HeadsView(trace), al.head_stats(trace)
    row = table[(table["layer"] == 2) & (table["head"] == 5)].iloc[0]
    assert view.stats["entropy"][2][5] == pytest.approx(row["entropy"])
    assert view.stats["duplicate"][0][0] is None  # a NaN is no JSON


def test_of_a_long_text_they_are_computed_when_they_are_asked_for(trace, monkeypatch):
    monkeypatch.setattr(_heads, "STATS_AT_ONCE", 0)
    view = al.HeadsView(trace)
    assert view.stats == {}
    view.by = "entropy"
    assert len(view.stats["entropy"]) == len(trace)
    assert al.HeadsView(trace, by="sink").stats["sink"]
    asked = al.HeadsView(trace)
    asked.handlers["stats"]()
    assert asked.stats["self"]


def test_what_is_selected_is_observed_and_counted_from_the_end(trace):
    view, seen = al.HeadsView(trace, heads=3), []
    view.observe(lambda change: seen.append(change["new"]), ["layer", "heads"])
    view.layer = -1
    view.heads = [2, -1, 2]
    assert (view.layer, view.heads, seen) == (5, [2, 11], [5, [2, 11]])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("layer", 6, "numbered 0 to 5"),
        ("heads", [12], "numbered 0 to 11"),
        ("by", "entropi", "'entropy'"),
    ],
)
def test_what_is_not_there_is_refused_and_the_old_value_stays(trace, name, value, said):
    view = al.HeadsView(trace, layer=1, heads=2, by="sink")
    with pytest.raises(InputError, match=said):
        setattr(view, name, value)
    assert (view.layer, view.heads, view.by) == (1, [2], "sink")
    with pytest.raises(InputError, match=said):
        al.HeadsView(trace, **{name: value})


def test_it_says_which_head_it_opens_at_and_why(trace):
    view = al.HeadsView(trace)
    told = dict(view.strongest)
    assert (told["layer"], [told["head"]]) == (view.layer, view.heads) == (5, [9])
    assert (told["query"], told["key"]) == ("[CLS]", "dull")
    assert told["weight"] == pytest.approx(float(trace[5, 9, 0, 8]))
    assert al.HeadsView(trace, layer=0).strongest == told
    picture = al.HeadsView(al.load("cifar").trace(al.models.sample_images()["cat"])).strongest
    assert picture["key"].startswith("patch (")
    alone = Trace(layers=(Layer("one", "self", Weights(torch.eye(3)[None])),))
    assert al.HeadsView(alone).strongest is None


def test_another_trace_keeps_what_is_selected_as_far_as_it_is_there(trace):
    view = al.HeadsView(trace, layer=5, heads=[1, 11])
    few = dataclasses.replace(
        trace[:3],
        layers=tuple(Layer(str(n), "self", Weights(torch.rand(4, 5, 5).softmax(-1))) for n in range(3)),
        tokens=(),
    )
    view.show(few)
    assert (view.layer, view.heads) == (2, [1])
    assert view.sizes == [[4, 5, 5]] * 3
    assert len(view.stats["entropy"]) == 3


@pytest.mark.parametrize("given", ["a text", None, Trace(layers=())])
def test_only_a_trace_with_weights_is_shown(given):
    with pytest.raises(InputError, match=r"HeadsView\(\) (takes one trace|has nothing to draw)"):
        al.HeadsView(given)


def test_its_repr_is_its_state(trace):
    assert (
        repr(al.HeadsView(trace, layer=2, heads=[1]))
        == "HeadsView(by='', cells='value', heads=[1], layer=2, sort=False)"
    )


def test_a_trace_with_values_and_gradients_has_more_columns():
    lens = al.load("sentiment")
    trace = lens.trace("a fine film", target="positive")
    view, table = al.HeadsView(trace, by="importance"), al.head_stats(trace)
    assert view.columns == [name for name in table if name not in ("layer", "head", "name")]
    assert view.stats["importance"][3][7] == pytest.approx(table["importance"].iloc[3 * 12 + 7])
    view.show(lens.trace("a fine film"))
    assert view.by == ""
