"""The plain JSON of tokens and weights: what is written can be read, and what is read is checked."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.data._attention import Band, Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError
from tests import tiny

ONE = [[1.0, 0.0], [0.25, 0.75]]
TOKENS = ["a", "b"]


def weights(heads=2, queries=3, keys=3) -> Weights:
    torch.manual_seed(0)
    return Weights(torch.softmax(3 * torch.randn(heads, queries, keys), -1))


def whole(attentions=None, **more) -> str:
    return json.dumps({"tokens": TOKENS, "attentions": [[ONE]] if attentions is None else attentions} | more)


# -- there and back -----------------------------------------------------------------------------------------


def test_tokens_and_weights_come_back():
    layers = (Layer("a", "self", weights()), Layer("b", "self", weights(4)))
    trace = Trace(layers, tokens=tuple(map(Token, ("[CLS]", "</script>\ud800", "film"))))
    again = Trace.from_json(trace.to_json())
    assert [token.text for token in again.tokens] == [token.text for token in trace.tokens]
    assert [layer.attention.heads for layer in again.layers] == [2, 4]
    for one, other in zip(again.layers, layers):
        torch.testing.assert_close(one.attention[:], other.attention[:], atol=0, rtol=1e-5)


def test_the_text_is_as_tutorials_write_it():
    trace = Trace((Layer("a", "self", Weights(torch.tensor([ONE]))),), tokens=tuple(map(Token, TOKENS)))
    assert trace.to_json() == '{"tokens":["a","b"],"attentions":[[[[1.0,0.0],[0.25,0.75]]]]}'


def test_rows_of_a_long_trace_are_all_written(monkeypatch):
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 10)
    factors = Factors(torch.randn(2, 9, 4), torch.randn(2, 9, 4), 1.0, mask=Band(None, 0))
    again = Trace.from_json(Trace((Layer("a", "self", factors),)).to_json())
    torch.testing.assert_close(again[0][:], factors[:], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["sentiment", "minivit"])
def test_the_embedded_models_come_back(name):
    lens = al.load(name)
    trace = lens.trace("a gripping film" if name == "sentiment" else al.models.sample_images()["cat"])
    again = Trace.from_json(trace.to_json())
    assert [token.text for token in again.tokens] == [token.text for token in trace.tokens]
    torch.testing.assert_close(again[-1][:], trace[-1][:], atol=0, rtol=1e-5)


def test_masked_rows_come_back():
    masked = torch.tensor([[[0.0, 0.0], [0.25, 0.75]]])
    trace = Trace.from_json(Trace((Layer("a", "self", Weights(masked)),)).to_json())
    assert torch.equal(trace[0][:], masked)


def test_one_side_of_an_encoder_decoder_is_chosen():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace("see it", output="flat")
    with pytest.raises(InputError, match=r"between several; .*trace.select\(prefix, kind=\"self\"\)"):
        trace.to_json()
    again = Trace.from_json(trace.select("decoder", kind="self").to_json())
    assert [t.text for t in again.tokens] == [t.text for t in trace.output_tokens]


def test_weights_beside_a_sink_are_not_written_as_if_they_summed_to_one():
    factors = Factors(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), 1.0, sink=torch.zeros(1))
    trace = Trace((Layer("a", "self", factors),))
    with pytest.raises(InputError, match=r"layer 'a' sums to 0.667, not 1.*trace.renormalize\(\[\]\)"):
        trace.to_json()
    assert Trace.from_json(trace.renormalize([]).to_json())[0, 0, 0].tolist() == [0.5, 0.5]


def test_a_trace_of_nothing_is_not_written():
    with pytest.raises(InputError, match="no layers to write"):
        Trace(()).to_json()


# -- other people's JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize("attentions", [ONE, [[ONE]]], ids=["one head", "all axes"])
def test_one_head_and_all_axes_are_read(attentions):
    for text in (whole(attentions), whole(attentions).encode(), json.loads(whole(attentions))):
        trace = Trace.from_json(text)
        assert trace[0].shape == (1, 2, 2)
        assert trace[0, 0].tolist() == ONE
        assert [token.text for token in trace.tokens] == TOKENS


def test_whole_numbers_tokens_left_out_and_other_entries_are_read():
    trace = Trace.from_json('{"model": "mine", "attentions": [[1, 0], [0, 1]]}')
    assert trace[0, 0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert trace.tokens == ()


def test_rounded_weights_are_read():
    rows = [[round(w, 3) for w in row] for row in torch.softmax(torch.randn(60, 60), -1).tolist()]
    assert Trace.from_json({"attentions": rows})[0].shape == (1, 60, 60)


REFUSED = {
    "not JSON": ("tokens", "this is not JSON: .*expected the text that trace.to_json"),
    "a list": ("[[1]]", r"the JSON is \[\[1\]\], not an object"),
    "another object": ('{"tokens": ["a"]}', r"not an object {\"tokens\": .*attentions"),
    "deep lists": ('{"attentions":' + "[" * 100_000, "not JSON"),
    "deep lists, closed": ('{"attentions":' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON"),
    "a file": (3, "this is not JSON"),
    "tokens that are no texts": (whole(tokens=["a", 1]), r"tokens is \['a', 1\], not a list of texts"),
    "attentions that are a number": (whole(3), "attentions is 3, 0 lists inside each other"),
    "no attention": (whole([]), r"attentions is \[\], 0 lists"),
    "three axes": (whole([ONE]), r"3 lists inside each other; expected 2, \[query\]\[key\] of one head, or 4"),
    "five axes": (whole([[[ONE]]]), "5 lists inside"),
    "more tokens": (whole(tokens=["a", "b", "c"]), r"attentions\[0\]\[0\] has 2 entries, not 3, one for each token"),
    "a short row": (whole([[[[1.0, 0.0], [1.0]]]]), r"attentions\[0\]\[0\]\[1\] has 1 entries, not 2"),
    "heads of other sizes": (whole([[ONE, [[1.0]]]]), r"attentions\[0\]\[1\] has 1 entries, not 2"),
    "an empty layer": (whole([[ONE], []]), r"attentions\[1\] is \[\], not a list with entries"),
    "a number for a head": (whole([[ONE, 1.0]]), r"attentions\[0\]\[1\] is 1.0, not a list"),
    "an object for a row": (whole([[[[1.0, 0.0], {"a": 1}]]]), r"attentions\[0\]\[0\]\[1\] is {'a': 1}, not a list"),
    "NaN": (whole([[[[1.0, 0.0], [math.nan, 1.0]]]]), r"attentions\[0\]\[0\]\[1\]\[0\] is nan, not a weight"),
    "infinity": (whole([[[[1.0, 0.0], [0.0, math.inf]]]]), r"\[1\]\[1\] is inf, not a weight"),
    "below zero": (whole([[[[1.5, -0.5], [0.0, 1.0]]]]), r"\[0\]\[0\]\[0\]\[0\] is 1.5, not a weight from 0 to 1"),
    "a giant": (whole([[[[10**400, 0], [0, 1]]]]), r"\[0\]\[0\] is 1000\d*\.\.\.\d*, not a weight"),
    "null": (whole([[[[None, 1.0], [0.0, 1.0]]]]), "is None, not a weight"),
    "a text": (whole([[[["0.5", 0.5], [0.0, 1.0]]]]), "is '0.5', not a weight"),
    "true": (whole([[[[True, 0.0], [0.0, 1.0]]]]), "is True, not a weight"),
    "rows that do not sum to one": (
        whole([[[[1.0, 0.5], [0.0, 0.5]]]]),
        r"attentions\[0\]\[0\]\[0\] sums to 1.5, not 1: .*axes swapped",
    ),
    "rows that sum to less than one": (
        whole([[[[1.0, 0.0], [0.25, 0.25]]]]),
        r"attentions\[0\]\[0\]\[1\] sums to 0.5, not 1: .*axes swapped",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_attention_is_refused_with_its_place(text, message):
    with pytest.raises(InputError, match=message):
        Trace.from_json(text)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=2),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["tokens", "attentions"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_trace_or_an_error_that_says_why(value):
    for text in (value, {"attentions": value}, {"tokens": ["a", "b"], "attentions": value}):
        try:
            trace = Trace.from_json(json.dumps(text))
        except InputError:
            continue
        sums = torch.cat([layer.attention[:].sum(-1).flatten() for layer in trace.layers])
        assert bool(((sums == 0) | ((sums - 1).abs() < 0.02)).all())
