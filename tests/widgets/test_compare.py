"""Two traces beside each other: which head stands beside which, and what happens where nothing can be compared."""

from __future__ import annotations

import numpy as np
import pytest

import attnlens as al
from attnlens.analysis._alignment import with_replacements
from attnlens.errors import InputError


@pytest.fixture(scope="module")
def traces():
    lens = al.load("sentiment")
    return lens.trace("a gripping , funny film"), lens.trace("a dull , boring film indeed")


def test_it_opens_at_the_head_that_differs_most(traces):
    view, most = al.CompareView(*traces), al.compare(*traces).most(1).iloc[0]
    assert (view.layer, view.head) == (most["layer"], most["head"])
    assert (view.other_layer, view.other_head) == (most["layer_b"], most["head_b"])
    assert view.partners[view.layer][view.head][0] == pytest.approx(most["distance"])


def test_tokens_that_stand_beside_each_other_cross_as_pairs(traces):
    pairs = np.frombuffer(al.CompareView(*traces).alignment, "<i4").reshape(-1, 2)
    equal = set(al.compare(*traces).alignment)
    replaced = [tuple(pair) for pair in pairs.tolist() if tuple(pair) not in equal]
    words = [[str(trace.tokens[at]) for trace, at in zip(traces, pair)] for pair in replaced]
    assert words == [["gripping", "dull"], ["funny", "boring"]]
    assert equal < {tuple(pair) for pair in pairs.tolist()}


@pytest.mark.parametrize(
    ("pairs", "sizes", "expected"),
    [
        ([(0, 0), (2, 2)], (3, 3), [(0, 0), (1, 1), (2, 2)]),
        ([(0, 0), (3, 3)], (5, 5), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]),
        ([(1, 1)], (2, 2), [(0, 0), (1, 1)]),
        ([(0, 0), (2, 1)], (3, 2), [(0, 0), (2, 1)]),  # removed
        ([(0, 0), (2, 3)], (3, 4), [(0, 0), (2, 3)]),  # one word for two: none is beside another
    ],
)
def test_a_word_stands_beside_the_one_that_replaces_it(pairs, sizes, expected):
    assert with_replacements(pairs, *sizes) == expected


def test_a_head_that_python_sets_brings_its_partner(traces):
    view = al.CompareView(*traces, layer=1, head=2)
    view.layer, view.head = 3, -1
    assert (view.layer, view.head, view.other_layer, view.other_head) == (3, 11, 3, 11)
    view.other_head = 4
    assert (view.head, view.other_head) == (11, 4)


def test_two_heads_of_one_trace(traces):
    view = al.CompareView(traces[0], layer=0, head=2, other_layer=2, other_head=11)
    assert (view.other_layer, view.other_head) == (2, 11)
    assert view.a_layer_0 == view.b_layer_0


def test_where_no_token_stands_beside_another_both_are_shown_without_a_difference(traces):
    image = al.load("cifar").trace(al.models.sample_images()["chelsea"])
    view = al.CompareView(traces[0], image, layer=5, head=9)
    assert view.alignment == b""
    assert view.note
    assert (view.other_layer, view.other_head) == (5, 2)


def test_attributions_for_one_target_cross_with_the_traces(traces):
    lens = al.load("sentiment")
    pair = tuple(lens.attribute(trace.text[0], "positive", method="gradient") for trace in traces)
    shown = al.CompareView(*traces, attributions=pair).attributions
    assert (shown["target"], shown["how"]) == ("positive", pair[0].how)
    assert shown["b"] == pytest.approx(pair[1].scores.tolist())
    assert al.CompareView(*traces).attributions is None
    with pytest.raises(InputError, match="has other tokens than its trace"):
        al.CompareView(*traces, attributions=pair[::-1])
    other = lens.attribute(traces[1].text[0], "negative", method="gradient")
    with pytest.raises(InputError, match="explain 'positive' by gradient and 'negative' by gradient"):
        al.CompareView(*traces, attributions=(pair[0], other))
    with pytest.raises(InputError, match="takes two of texts"):
        al.CompareView(*traces, attributions=pair[:1])


def test_what_is_not_there_is_refused(traces):
    for name, value in (("layer", 6), ("head", 12), ("other_layer", 6), ("other_head", -13)):
        with pytest.raises(InputError, match="out of range"):
            al.CompareView(*traces, **{name: value})
    with pytest.raises(InputError, match="metric"):
        al.CompareView(*traces, metric="cosine")
    with pytest.raises(InputError, match="takes one trace"):
        al.CompareView(traces[0], "a text")
