"""What every view refuses, and that a refusal takes back all that was set together."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import traitlets

import attnlens as al
from attnlens._checks import positions
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError
from tests import tiny


@pytest.fixture(scope="module")
def trace():
    torch.manual_seed(0)
    layers = tuple(
        Layer(f"{heads}", "self", al.data.Factors(*torch.randn(2, heads, 5, 8), 0.3)) for heads in (4, 2)
    )
    return Trace(tokens=tuple(Token(f"t{n}") for n in range(5)), layers=layers)


def put(view, **traits):
    """As a browser sets traits: checked when all are there."""
    with view.hold_trait_notifications():
        for name, value in traits.items():
            setattr(view, name, value)


REFUSED = [
    (al.AttentionView, "layer", 2, "there are 2, numbered 0 to 1"),
    (al.AttentionView, "heads", [0, 4], "there are 4, numbered 0 to 3"),
    (al.AttentionView, "query", 5, "there are 5, numbered 0 to 4"),
    (al.AttentionView, "key", -6, "there are 5, numbered 0 to 4"),
    (al.AttentionView, "pair", "a-b", "needs two texts"),
    (al.AttentionView, "threshold", 1.5, "threshold must be a number"),
    (al.AttentionView, "threshold", float("nan"), "threshold must be a number"),
    (al.HeadsView, "layer", -3, "there are 2, numbered 0 to 1"),
    (al.HeadsView, "heads", [9], "there are 4, numbered 0 to 3"),
    (al.HeadsView, "by", "entropi", "Did you mean 'entropy'"),
    (al.CompareView, "other_layer", 7, "there are 2, numbered 0 to 1"),
    (al.CompareView, "head", 4, "there are 4, numbered 0 to 3"),
    (al.CompareView, "query", 99, "there are 5, numbered 0 to 4"),
    (al.AttentionView, "mode", "grid", r"mode must be any of \['lines', 'matrix'\], not 'grid'"),
    (al.AttentionView, "layer", "1", "layer must be an integer, not '1'"),
    (al.AttentionView, "layer", True, "layer must be an integer, not True"),
    (al.AttentionView, "heads", [0, True], "heads must be a list, each entry an integer, not True"),
    (al.AttentionView, "threshold", True, "threshold must be a number, not True"),
]


@pytest.mark.parametrize(("view", "name", "value", "message"), REFUSED)
def test_a_wrong_value_is_refused_in_words_and_the_old_one_stays(trace, view, name, value, message):
    made = view(*[trace] * (1 + (view is al.CompareView)))
    before = getattr(made, name)
    with pytest.raises(InputError, match=message):
        setattr(made, name, value)
    assert getattr(made, name) == before


@pytest.mark.parametrize(("view", "name", "value", "message"), REFUSED)
def test_what_was_set_together_with_a_wrong_value_is_taken_back(trace, view, name, value, message):
    made = view(*[trace] * (1 + (view is al.CompareView)))
    before = made.layer
    with pytest.raises(traitlets.TraitError, match=message):
        put(made, layer=1, **{name: value}) if name != "layer" else put(made, layer=value)
    assert made.layer == before


def test_an_option_that_a_view_has_not_is_named(trace):
    with pytest.raises(InputError, match=r"unknown option 'treshold'.*Did you mean 'threshold'"):
        al.AttentionView(trace, treshold=0.1)


def test_numbers_of_a_table_are_numbers(trace):
    row = next(al.head_stats(trace).iloc[-1:].itertuples())
    view = al.AttentionView(trace, layer=row.layer, heads=np.int64(row.head))
    assert (view.layer, view.heads) == (1, [1])
    assert al.HeadsView(trace, layer=np.int64(-1)).layer == 1
    assert positions("head", torch.tensor([0, -1]), 4) == [0, 3]


@pytest.mark.parametrize("heads", ["1", 1.5, None, [None], [0.0]])
def test_what_is_no_number_is_no_head(trace, heads):
    with pytest.raises(InputError, match="head must be an integer, 0 to 3 or negative from the end, not"):
        positions("head", heads, 4)


def test_another_trace_without_a_second_text_shows_both_again(trace):
    pair = Trace(tokens=tuple(Token(f"t{n}", segment=int(n > 2)) for n in range(5)), layers=trace.layers)
    view = al.AttentionView(pair, pair="a-b")
    view.show(trace)
    assert view.pair == "all"


def test_the_head_that_differs_most_is_looked_for_in_the_layer_that_is_asked_for(trace):
    torch.manual_seed(1)
    other = Trace(
        tokens=trace.tokens,
        layers=tuple(
            Layer(one.name, "self", al.data.Factors(*torch.randn(2, one.attention.heads, 5, 8), 0.3))
            for one in trace.layers
        ),
    )
    heads = al.compare(trace, other).heads
    for layer in (0, 1):
        known = heads[heads["layer"] == layer]
        assert al.CompareView(trace, other, layer=layer).head == int(
            known.loc[known["distance"].idxmax(), "head"]
        )


def test_an_unknown_metric_is_refused_and_lists_the_known_ones(trace):
    with pytest.raises(InputError, match="hellinger"):
        al.CompareView(trace, trace, metric="cosine")


def test_a_model_without_classes_is_asked_once_for_each_text(monkeypatch):
    lens = al.Lens(tiny.bert("Model"), tiny.wordpiece())
    explorer = al.Explorer(lens, "see it")
    asked, trace = [], lens.trace
    monkeypatch.setattr(lens, "trace", lambda text: asked.append(text) or trace(text))
    explorer.show("this film")
    explorer.show(("see it", "this film"))
    assert asked == ["this film", ("see it", "this film")]
    assert explorer.attention.trace["tokens"]["input"]["text"] == [
        "[CLS]",
        "see",
        "it",
        "[SEP]",
        "this",
        "film",
        "[SEP]",
    ]


def test_help_names_every_trait_that_one_may_set(trace):
    for view in (al.HeadsView, al.AttentionView, al.CompareView, al.PatchView, al.TokensView):
        traits = view.__doc__.partition("Traits to set and to observe:")[2]
        assert re.findall(r"^    (\w+): \S", traits, re.M)
        assert set(re.findall(r"^    (\w+): \S", traits, re.M)) == set(view.state_names())
    shown = al.AttentionView(trace)
    assert type(shown).__doc__ in (None, al.AttentionView.__doc__)  # a layer's trait makes a class of its own


def test_a_recording_or_a_list_is_told_to_be_one_of_its_traces(trace):
    encoder = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    with al.capture(encoder) as recording:
        encoder(torch.randn(1, 3, 8))
    for show in (al.HeadsView, al.AttentionView, al.plots.heads):
        with pytest.raises(InputError, match=r"recording\[0\]"):
            show(recording)
        with pytest.raises(InputError, match=r"traces\[0\]"):
            show([trace])


def test_one_trace_alone_is_not_compared_with_itself(trace):
    with pytest.raises(InputError, match="pass b, or other_head="):
        al.CompareView(trace)


def test_a_model_or_a_name_is_no_lens():
    for given in ("sentiment", al.load("cifar")):
        with pytest.raises(InputError, match="TokensView explains the text of a TextLens"):
            al.TokensView(given, "a fine film")
    with pytest.raises(InputError, match="within the model's limit"):
        al.Explorer(al.load("sentiment"), "a fine film", window=128)
