"""The view of attention: which layers go to the browser when, what it may ask, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.analysis._strongest_heads import strongest_head
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError
from attnlens.widgets import _payload
from attnlens.widgets import _view as made


@pytest.fixture(scope="module")
def trace():
    return al.load("sentiment").trace("a gripping , funny film with one dull stretch .", store="factors")


def sent(view: al.AttentionView) -> list[str]:
    """The layers that are in the widget's state."""
    return sorted(name for name in view.keys if name.startswith("layer_") and getattr(view, name))


def request(view: al.AttentionView, message: dict, monkeypatch) -> list[tuple[dict, list]]:
    """What the view sends back when the browser sends this."""
    answers = []
    monkeypatch.setattr(view, "send", lambda content, buffers=None: answers.append((content, buffers or [])))
    view._handle_custom_msg(message, [])
    return answers


def test_a_small_trace_goes_to_the_browser_at_once(trace):
    view = al.AttentionView(trace)
    assert sent(view) == [f"layer_{n}" for n in range(6)]
    assert view.layer_2 == _payload.layer_bytes(trace[2])
    assert view.trace == _payload.header(trace)


def test_of_a_larger_one_a_layer_goes_when_it_is_shown(trace, monkeypatch):
    monkeypatch.setattr(made, "AT_ONCE", 1000)
    view = al.AttentionView(trace, layer=3)
    assert sent(view) == ["layer_3"]
    answers = request(view, {"id": "x", "ask": "layer", "layer": 1}, monkeypatch)
    assert answers == [({"id": "x", "answer": {}}, [])]
    assert sent(view) == ["layer_1", "layer_3"]


def test_of_a_long_one_none_goes_but_the_tiles_that_are_asked_for(monkeypatch):
    layer = Layer("one", "self", Factors(torch.randn(2, 3000, 8), torch.randn(2, 3000, 8), 1.0))
    view = al.AttentionView(Trace(layers=(layer,)))
    assert view.trace["remote"]
    assert sent(view) == []
    question = {"layer": 0, "heads": [1], "pair": "all", "hide_special": False, "pool": "max"}
    ((said, (bytes_,)),) = request(
        view, {"id": 7, "ask": "tile", "level": 0, "row": 11, "col": 2, **question}, monkeypatch
    )
    assert said == {"id": 7, "answer": {"shape": [3000 - 11 * 256, 256]}}
    tile = np.frombuffer(bytes_, "<f2").reshape(said["answer"]["shape"])
    np.testing.assert_allclose(tile, layer.attention[1, 2816:, 512:768], atol=5e-4)
    ((said, (bytes_,)),) = request(
        view, {"id": 8, "ask": "line", "axis": "key", "position": 2999, **question}, monkeypatch
    )
    np.testing.assert_allclose(np.frombuffer(bytes_, "<f2"), layer.attention[1, :, 2999], atol=5e-4)


def test_the_queries_and_keys_of_a_long_head_are_sent_when_they_are_asked_for(monkeypatch):
    layer = Layer("one", "self", Factors(torch.randn(2, 3000, 8), torch.randn(1, 3000, 8), 0.5))
    tokens = tuple(Token(str(n), special=n == 0) for n in range(3000))
    view = al.AttentionView(Trace(layers=(layer,), tokens=tokens))
    ((said, (bytes_,)),) = request(view, {"id": 1, "ask": "factors", "layer": 0, "head": 1}, monkeypatch)
    assert said["answer"]["header"]["parts"] == [["query", "f2", [1, 3000, 8]], ["key", "f2", [1, 3000, 8]]]
    query, key = np.frombuffer(bytes_, "<f2").reshape(2, 3000, 8)
    np.testing.assert_allclose(query, layer.attention.query[1], atol=2e-3)
    np.testing.assert_allclose(key, layer.attention.key[0], atol=2e-3)
    for hidden, attention in ((False, layer.attention), (True, layer.attention.without(torch.tensor([0])))):
        question = {"id": 2, "ask": "lse", "layer": 0, "head": 1, "hide_special": hidden}
        ((_, (bytes_,)),) = request(view, question, monkeypatch)
        np.testing.assert_allclose(np.frombuffer(bytes_, "<f4"), attention.lse[1], rtol=1e-5)


def test_the_product_behind_a_score_is_answered_in_full_precision(trace, monkeypatch):
    view = al.AttentionView(trace)
    question = {"id": 1, "ask": "detail", "layer": 2, "head": 5, "query": 3, "key": 4}
    ((said, (bytes_,)),) = request(view, question, monkeypatch)
    query, key = np.frombuffer(bytes_, "<f4").reshape(2, -1)
    np.testing.assert_array_equal(query, trace[2].query[5, 3])
    np.testing.assert_array_equal(key, trace[2].key[5, 4])
    assert said["answer"]["weight"] == float(trace[2, 5, 3, 4])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"ask": "layer", "layer": 9}, "layer 9 is out of range"),
        ({"ask": "tile", "level": 0, "row": 99, "col": 0, "layer": 0, "heads": [0]}, "there is no tile"),
        ({"ask": "factors", "layer": 0, "head": 99}, "head 99"),
        ({"ask": "poem"}, "has no handler 'poem'"),
    ],
)
def test_a_question_that_cannot_be_answered_gets_an_error_with_its_number(trace, monkeypatch, message, said):
    ((answer, _),) = request(al.AttentionView(trace), {"id": "n", **message}, monkeypatch)
    assert answer["id"] == "n"
    assert said in answer["error"]


def test_a_fault_of_ours_is_answered_too_and_not_hidden(trace, monkeypatch):
    view, answers = al.AttentionView(trace), []
    monkeypatch.setattr(view, "send", lambda content, buffers=None: answers.append(content))
    with pytest.raises(TypeError):
        view._reply(view, {"id": 3, "ask": "layer", "depth": 1}, [])
    assert answers[0]["id"] == 3
    assert answers[0]["error"].startswith("TypeError")


def test_products_of_weights_alone_are_refused_in_words(monkeypatch):
    trace = Trace(layers=(Layer("one", "self", Weights(torch.rand(1, 3, 3))),))
    question = {"id": 1, "ask": "detail", "layer": 0, "head": 0, "query": 0, "key": 0}
    ((answer, _),) = request(al.AttentionView(trace), question, monkeypatch)
    assert "only its weights" in answer["error"]


def test_it_opens_at_the_strongest_head_unless_told_otherwise(trace):
    view = al.AttentionView(trace)
    assert (view.layer, view.heads) == (strongest_head(trace)[0], [strongest_head(trace)[1]])
    assert al.AttentionView(trace, layer=0).heads == list(range(12))
    view = al.AttentionView(trace, layer=-1, heads=-2, mode="matrix", threshold=0.1, query=3)
    assert (view.layer, view.heads, view.mode, view.threshold, view.query) == (5, [10], "matrix", 0.1, 3)


def test_a_trace_of_more_tokens_than_lines_can_show_opens_as_a_matrix():
    def mode(tokens: int, **options: str) -> str:
        weights = Weights(torch.full((1, tokens, tokens), 1 / tokens))
        return al.AttentionView(Trace(layers=(Layer("one", "self", weights),)), **options).mode

    assert (mode(60), mode(61), mode(61, mode="lines")) == ("lines", "matrix", "lines")


def test_heads_are_averaged_over_any_layers_of_the_same_tokens(trace, monkeypatch):
    view = al.AttentionView(trace, layer=2, heads=[3, 5], layers=[4, 2, 2])
    assert view.layers == [2, 4]
    ((_, (line,)),) = request(
        view,
        {
            "id": 1,
            "ask": "line",
            "axis": "query",
            "position": 4,
            "layer": 2,
            "heads": [3, 5],
            "layers": [2, 4],
        },
        monkeypatch,
    )
    expected = (trace[2, [3, 5], 4] + trace[4, [3, 5], 4]) / 2
    assert np.frombuffer(line, "<f2").reshape(2, -1) == pytest.approx(expected.numpy(), abs=1e-3)
    ((_, (tile,)),) = request(
        view,
        {"id": 2, "ask": "tile", "level": 0, "row": 0, "col": 0, "layer": 2, "heads": [3], "layers": [2, 4]},
        monkeypatch,
    )
    whole = (trace[2, 3] + trace[4, 3]) / 2
    assert np.frombuffer(tile, "<f2").reshape(whole.shape) == pytest.approx(whole.numpy(), abs=1e-3)
    view.layer = 4  # still one of them
    assert view.layers == [2, 4]
    view.layer = 5
    assert view.layers == []


def test_layers_over_other_tokens_are_not_averaged():
    layers = (
        Layer("a", "self", Weights(torch.full((2, 3, 3), 1 / 3))),
        Layer("b", "cross", Weights(torch.full((2, 3, 4), 1 / 4))),
    )
    with pytest.raises(InputError, match="layers 0 and 1 cannot be averaged"):
        al.AttentionView(Trace(layers=layers), layers=[0, 1])
    with pytest.raises(InputError, match="out of range"):
        al.AttentionView(Trace(layers=layers), layers=[0, 2])


def test_another_trace_takes_its_place_with_all_of_its_bytes(trace, monkeypatch):
    view = al.AttentionView(trace, layer=5, heads=[3, 11], query=2)
    other = al.load("sentiment").trace("good")
    monkeypatch.setattr(made, "AT_ONCE", 10)
    view.show(other)
    assert sent(view) == ["layer_5"]
    assert view.layer_5 == _payload.layer_bytes(other[5])
    assert (view.layer, view.heads, view.query) == (5, [3, 11], None)
    assert view.trace["tokens"]["input"]["text"] == ["[CLS]", "good", "[SEP]"]


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({"layer": 6}, "numbered 0 to 5"),
        ({"heads": [12]}, "numbered 0 to 11"),
        ({"heads": ["3"]}, "'3'"),
    ],
)
def test_what_is_not_there_is_refused(trace, traits, said):
    with pytest.raises(InputError, match=said):
        al.AttentionView(trace, **traits)
