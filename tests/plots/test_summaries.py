"""Figures of all heads together show the numbers of their tables."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens import plots
from attnlens.analysis._compare import compare
from attnlens.analysis._distance import head_distance, map_heads
from attnlens.analysis._head_stats import head_stats
from attnlens.data._trace import Layer, Trace
from attnlens.errors import InputError

from .made import bars, drawn, image, numbers, panels, said, text, tokens, weights

# -- stats ----------------------------------------------------------------------------------------------------


def test_stats_lays_layers_down_and_heads_across():
    trace = text(8, heads=5, layers=3)
    table = head_stats(trace)
    figure = plots.stats(table, "previous")
    (shown,) = drawn(figure)
    assert np.allclose(numbers(shown), table["previous"].to_numpy().reshape(3, 5))
    written = [float(one.get_text()) for one in figure.axes[0].texts]
    assert np.allclose(written, table["previous"], atol=0.00501)
    assert "Every head: previous" in said(figure)
    assert "weight on the token before" in said(figure)


def test_stats_name_the_ends_and_mark_them_where_there_are_no_numbers():
    def table(layers, heads, scale=1.0):
        values = scale * torch.rand(layers * heads, generator=torch.Generator().manual_seed(0)).numpy()
        values[3], values[5] = 0.001 * scale, 2 * scale
        places = [(n // heads, n % heads) for n in range(layers * heads)]
        return pd.DataFrame([(*at, x) for at, x in zip(places, values)], columns=["layer", "head", "entropy"])

    small, large = plots.stats(table(4, 4)), plots.stats(table(20, 20))
    assert "highest in layer 1, head 1 (2), lowest in layer 0, head 3 (0.001)" in said(small).replace(
        "\n", " "
    )
    assert "▲ highest in layer 0, head 5 (2), ▼ lowest in layer 0, head 3" in said(large).replace("\n", " ")
    marks = [(one.get_text(), one.get_position()) for one in large.axes[0].texts]
    assert marks == [("▲", (5, 0)), ("▼", (3, 0))]
    tied = table(4, 4).assign(entropy=[1.0] * 14 + [0.5, np.inf])
    assert "highest in layer 0, head 0 and 13 more (1), lowest in layer 3, head 2 (0.5)" in said(
        plots.stats(tied)
    ).replace("\n", " ")
    assert "highest" not in said(plots.stats(tied.assign(entropy=1.0)))
    assert {len(one.get_text()) for one in plots.stats(table(4, 4, 0.01)).axes[0].texts} == {len(".012")}
    assert "e-05" in plots.stats(table(4, 4, 1e-5)).axes[0].texts[5].get_text()


def test_stats_of_a_trace_are_those_of_its_table():
    trace = text(8)
    (one,), (other,) = drawn(plots.stats(trace)), drawn(plots.stats(head_stats(trace), "entropy"))
    assert np.array_equal(numbers(one), numbers(other))


def test_stats_of_many_inputs_say_what_a_deviation_is():
    table = head_stats([text(8), text(6)])
    assert "standard deviation over the inputs of: weight on the token before" in said(
        plots.stats(table, "previous_std")
    )


def test_every_column_of_a_trace_is_said():
    trace = al.load("sentiment").trace("a fine film", target="positive")
    table = head_stats(trace).drop(columns=["layer", "head", "name"]).dropna(axis=1)
    captions = {name: said(plots.stats(trace, name)) for name in ("importance", "value_first")}
    assert "derivative of the target's logit by a gate" in captions["importance"]
    assert "value_first: of weights times the norm of the transformed value" in captions["value_first"]
    assert all(al.HeadsView(trace).meanings[name] for name in table)


def test_signed_statistics_have_zero_in_the_middle():
    (shown,) = drawn(plots.stats(text(8), "signed_distance"))
    low, high = shown.get_clim()
    assert low == -high
    assert shown.cmap.name == plots.SIGNED.name


def test_heads_without_the_number_are_dashes():
    table = head_stats(text(8, heads=2, layers=2))
    table.loc[1, "entropy"] = np.nan
    figure = plots.stats(table)
    assert [one.get_text() for one in figure.axes[0].texts].count("–") == 1
    assert np.ma.getmaskarray(drawn(figure)[0].get_array()).tolist() == [[False, True], [False, False]]


def test_layers_with_fewer_heads():
    trace = Trace((Layer("a", "self", weights(3, 4, 4)), Layer("b", "self", weights(1, 4, 4))))
    figure = plots.stats(trace)
    assert [one.get_text() for one in figure.axes[0].texts].count("–") == 2


def test_a_metric_that_is_not_there():
    with pytest.raises(
        InputError, match=r"unknown metric 'entropie'; expected one of: entropy, .*Did you mean 'entropy'"
    ):
        plots.stats(text(4), "entropie")
    with pytest.raises(
        InputError, match="'previous' is not defined for any head of this table; defined: entropy"
    ):
        plots.stats(image(), "previous")


def test_something_else_than_a_table():
    with pytest.raises(InputError, match=r"takes the table of head_stats\(trace\), .* not dict"):
        plots.stats({})
    with pytest.raises(InputError, match="not a table of entropy"):
        plots.stats(pd.DataFrame({"entropy": [1.0]}))


# -- head_map -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def distance():
    return head_distance(text(12, heads=8, layers=6))


def test_heads_are_points_where_the_map_has_them(distance):
    figure = plots.head_map(distance)
    (points,) = figure.axes[0].collections
    found = map_heads(distance)
    assert np.allclose(points.get_offsets(), found[["x", "y"]])
    assert np.array_equal(points.get_array(), [layer for layer, _ in found.index])
    assert f"stress of the map {found.attrs['stress']:.2f}" in said(figure)
    assert "Hellinger" in said(figure)


def test_names_cover_no_point_and_no_other_name(distance):
    figure = plots.head_map(distance)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    boxes = np.array([text.get_window_extent().extents for text in ax.texts])
    points = ax.transData.transform(ax.collections[0].get_offsets())
    assert 3 <= len(boxes) <= 12
    for i, (left, bottom, right, top) in enumerate(boxes):
        inside = (points > (left, bottom)) & (points < (right, top))
        assert not inside.all(1).any()
        for other in boxes[:i]:
            assert left >= other[2] or right <= other[0] or bottom >= other[3] or top <= other[1]


def test_names_are_of_the_points_beside_them(distance):
    found = map_heads(distance)
    for name in plots.head_map(distance).axes[0].texts:
        layer, head = map(int, name.get_text().split("."))
        assert tuple(name.xy) == pytest.approx(tuple(found.loc[(layer, head)]))


def test_the_first_layer_stands_at_the_top_of_the_bar(distance):
    (bar,) = bars(plots.head_map(distance))
    assert bar.yaxis_inverted()
    assert bar.get_yticks().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_map_into_given_axes(distance):
    figure, ax = plt.subplots()
    assert plots.head_map(distance, ax=ax) is figure
    plt.close(figure)


# -- compare --------------------------------------------------------------------------------------------------


def pair(count: int = 8, other: int = 40) -> tuple[Trace, Trace]:
    """Two traces of one text with different heads."""
    layers = tuple(Layer(f"layer.{i}", "self", weights(4, count, count, seed=other + i)) for i in range(3))
    return text(count), Trace(layers, tokens=tokens(count), model="another model")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_compare_draws_the_heads_that_changed_most(count):
    comparison = compare(*pair())
    figure = plots.compare(comparison, count)
    left, *maps = panels(figure)
    assert np.allclose(numbers(left.images[0]), comparison.heads["distance"].to_numpy().reshape(3, 4))
    most = comparison.most(count)
    assert [ax.get_title() for ax in maps] == [f"layer {r.layer}, head {r.head}" for r in most.itertuples()]
    for ax, row in zip(maps, most.itertuples(), strict=True):
        assert np.allclose(numbers(ax.images[0]), comparison.difference(row.layer, row.head), atol=1e-6)
    framed = [(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in left.patches]
    assert framed == [(row.head, row.layer) for row in most.itertuples()]


def test_differences_share_one_scale_with_zero_in_its_middle():
    comparison = compare(*pair())
    _, *maps = panels(plots.compare(comparison))
    largest = max(
        float(comparison.difference(r.layer, r.head).abs().max()) for r in comparison.most(4).itertuples()
    )
    (limits,) = {ax.images[0].get_clim() for ax in maps}
    assert limits == pytest.approx((-largest, largest))
    assert maps[0].images[0].cmap(0)[0] > maps[0].images[0].cmap(0)[2]  # less is red


def test_differences_of_long_texts_are_pooled_and_not_pale():
    comparison = compare(*pair(400))
    figure = plots.compare(comparison, 2)
    shown = panels(figure)[1].images[0]
    assert shown.get_array().shape == (200, 200)
    assert shown.get_clim()[1] < float(np.abs(shown.get_array()).max())
    assert bars(figure)[-1]._colorbar.extend == "both"


def test_equal_traces_are_compared():
    figure = plots.compare(compare(text(6), text(6)))
    assert all(not numbers(ax.images[0]).any() for ax in panels(figure)[1:])


def test_compare_names_both_sides():
    assert "a: a model" in said(plots.compare(compare(*pair())))
    assert "b: another model" in said(plots.compare(compare(*pair())))


def test_something_else_than_a_comparison():
    with pytest.raises(
        InputError, match=r"draws a comparison, not Trace: attnlens\.compare\(trace_a, trace_b\)"
    ):
        plots.compare(text(4))
    with pytest.raises(InputError, match="count"):
        plots.compare(compare(*pair()), 0)


def test_heads_without_a_distance():
    comparison = compare(*pair())
    comparison.heads["distance"] = torch.nan
    with pytest.raises(InputError, match="no head of the comparison has a distance"):
        plots.compare(comparison)
