"""The bridge to BertViz: what is in a page, what is refused and why, and the way back."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys

import bertviz
import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.bertviz import _page as pages
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import AttnlensError, InputError
from tests import tiny

HOSTILE = "</script><script>window.ran = true</script><img src=x onerror='window.ran = true'><!--<script>"


def weights(heads=2, queries=5, keys=5) -> Weights:
    return Weights(torch.softmax(2 * torch.randn(heads, queries, keys), -1))


def made(layers=2, heads=2, size=5) -> Trace:
    torch.manual_seed(0)
    each = tuple(Layer(f"layer.{i}", "self", weights(heads, size, size)) for i in range(layers))
    return Trace(each, tokens=tuple(Token(f"t{i}") for i in range(size)))


def with_factors(layers=2, heads=4, key_heads=2, size=5, scale=0.3) -> Trace:
    torch.manual_seed(0)
    each = tuple(
        Layer(
            f"layer.{i}", "self", Factors(torch.randn(heads, size, 8), torch.randn(key_heads, size, 8), scale)
        )
        for i in range(layers)
    )
    return Trace(each)


def data(page: str) -> dict:
    """What a page holds for BertViz's script."""
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S).group(1))


def numbers(text: str, dtype: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).astype(np.float32)).reshape(shape)


def drawn(part: dict) -> torch.Tensor:
    return numbers(part["weights"], "<f2", *part["shape"])


# -- what is in a page --------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [al.bertviz.head_view, al.bertviz.model_view])
def test_a_page_holds_the_weights_and_the_tokens_of_the_trace(view):
    trace = made()
    (part,) = data(view(trace, html=True))["parts"]
    torch.testing.assert_close(
        drawn(part), torch.stack([one.attention[:] for one in trace.layers]), atol=1e-7, rtol=1e-3
    )
    assert part["left"] == part["right"] == ["t0", "t1", "t2", "t3", "t4"]


def test_layers_and_heads_are_those_that_are_asked_for():
    trace = made(layers=4, heads=3)
    found = data(al.bertviz.model_view(trace, layers=[-1, 1], heads=2, html=True))
    assert found["params"]["include_layers"] == [1, 3]
    assert found["params"]["include_heads"] == [2]
    torch.testing.assert_close(
        drawn(found["parts"][0])[:, 0], torch.stack([trace[1, 2], trace[3, 2]]), atol=1e-7, rtol=1e-3
    )
    assert data(al.bertviz.head_view(trace, layers=range(1, 3), layer=2, html=True))["params"]["layer"] == 2
    assert data(al.bertviz.head_view(trace, layers=[0, 2], layer=-1, html=True))["params"]["layer"] == 2


def test_a_pair_is_written_once_and_has_the_filters_of_bertviz():
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    page = al.bertviz.head_view(lens.trace(("see it", "flat")), html=True)
    found = data(page)
    assert len(found["parts"]) == 1
    assert found["segments"] == [[0, 1, 2, 3], [4, 5]]
    theirs = bertviz.head_view(
        [torch.rand(1, 1, 6, 6)], list("abcdef"), sentence_b_start=4, html_action="return"
    ).data
    options = re.compile(r"<option value=\"(\d)\">(.*?)</option>")
    assert options.findall(page) == [(i, html.escape(name)) for i, name in options.findall(theirs)]


def test_an_encoder_decoder_has_three_parts_with_the_tokens_of_their_sides():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace("see it", output="flat")
    parts = {part["name"]: part for part in data(al.bertviz.head_view(trace, html=True))["parts"]}
    assert list(parts) == ["Encoder", "Decoder", "Cross"]
    source, target = [t.text for t in trace.tokens], [t.text for t in trace.output_tokens]
    assert (parts["Encoder"]["left"], parts["Encoder"]["right"]) == (source, source)
    assert (parts["Decoder"]["left"], parts["Decoder"]["right"]) == (target, target)
    assert (parts["Cross"]["left"], parts["Cross"]["right"]) == (target, source)
    cross = trace.select(kind="cross")
    torch.testing.assert_close(drawn(parts["Cross"])[1], cross[1][:], atol=1e-7, rtol=1e-3)


def test_sides_of_other_numbers_of_layers_are_drawn_whole():
    torch.manual_seed(0)
    layers = [Layer(f"encoder.{i}", "self", weights(2, 5, 5)) for i in range(4)]
    layers += [Layer("decoder.0", "self", weights(2, 3, 3), "output", "output")]
    layers += [Layer("decoder.0.cross", "cross", weights(2, 3, 5), "output", "input")]
    trace = Trace(tuple(layers))
    found = data(al.bertviz.head_view(trace, html=True))
    assert [part["shape"] for part in found["parts"]] == [[4, 2, 5, 5], [1, 2, 3, 3], [1, 2, 3, 5]]
    assert found["params"]["include_layers"] == [0, 1, 2, 3]
    assert [
        part["name"] for part in data(al.bertviz.model_view(trace, layers=[2, 3], html=True))["parts"]
    ] == ["Encoder"]
    with pytest.raises(InputError, match=r"Encoder 0, 1, 2, 3, Decoder 0, Cross 0; choose common layers"):
        al.bertviz.neuron_view(trace)


def test_patches_are_counted_after_the_leading_tokens():
    trace = al.load("minivit").trace(al.models.sample_images()["cat"])
    (part,) = data(al.bertviz.head_view(trace, html=True))["parts"]
    assert part["left"] == ["[CLS]", *(f"p{i}" for i in range(64))]
    own = [str(i) for i in range(65)]
    assert data(al.bertviz.head_view([trace], tokens=own, html=True))["parts"][0]["left"] == own


def test_a_trace_without_tokens_has_numbers_or_the_tokens_that_are_given():
    trace = Trace((Layer("layer", "self", weights(2, 3, 3)),))
    assert data(al.bertviz.head_view(trace, html=True))["parts"][0]["left"] == ["0", "1", "2"]
    assert data(al.bertviz.head_view(trace, tokens=["a", "b", "c"], html=True))["parts"][0]["left"] == [
        "a",
        "b",
        "c",
    ]
    with pytest.raises(InputError, match="3 query positions but the trace has 2"):
        al.bertviz.head_view(trace, tokens=["a", "b"])


@pytest.mark.parametrize("value", [torch.nan, -0.5])
def test_what_is_no_weight_is_not_drawn(value):
    spoiled = torch.full((1, 2, 2), 0.5)
    spoiled[0, 0, 0] = value
    trace = Trace((Layer("layer", "self", Weights(spoiled)),))
    assert drawn(data(al.bertviz.head_view(trace, html=True))["parts"][0]).tolist() == [
        [[[0.0, 0.5], [0.5, 0.5]]]
    ]


def test_a_page_is_a_small_part_of_what_bertviz_writes():
    trace = made(layers=6, heads=12, size=96)
    given = [one.attention[:][None] for one in trace.layers]
    theirs = len(bertviz.head_view(given, [t.text for t in trace.tokens], html_action="return").data)
    ours = len(al.bertviz.head_view(trace, html=True))
    assert theirs / ours > 12
    assert theirs / len(al.bertviz.head_view(trace, html=True, offline=False)) > 15


def test_hostile_tokens_and_names_open_and_close_no_element():
    trace = made()
    trace = Trace(
        trace.layers, model=HOSTILE, tokens=tuple(Token(HOSTILE + "\u2028\ud800") for _ in range(5))
    )
    page = al.bertviz.head_view(trace, html=True)
    page.encode()
    assert data(page)["parts"][0]["left"] == [HOSTILE + "\u2028\ud800"] * 5
    calm = al.bertviz.head_view(made(), html=True)
    for piece in ("<script", "</script", "<!--", "<img", "\u2028"):
        assert page.count(piece) == calm.count(piece)


def test_a_page_allows_its_own_script_alone():
    page = al.bertviz.head_view(made(), html=True)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert f"default-src 'none'; script-src 'sha256-{digest}';" in policy
    assert "cdnjs" not in policy
    assert "cdnjs" in al.bertviz.head_view(made(), html=True, offline=False)


def test_the_scripts_are_those_of_the_installed_bertviz():
    for view in ("head_view", "model_view"):
        before, after = pages.source(view).split("const params = PYTHON_PARAMS")
        page = getattr(al.bertviz, view)(made(), html=True)
        assert before.strip() in page
        assert after.strip() in page


def test_the_same_trace_is_the_same_page():
    assert al.bertviz.head_view(made(), html=True) == al.bertviz.head_view(made(), html=True)


def test_the_libraries_are_those_that_are_named_beside_their_licences():
    assert "v5.7.0" in (pages.VENDOR / "d3.min.js").read_text()[:60]
    assert "jQuery v3.7.1" in (pages.VENDOR / "jquery.slim.min.js").read_text()[:60]
    assert "Mike Bostock" in (pages.VENDOR / "d3.LICENSE.txt").read_text()
    assert "OpenJS Foundation" in (pages.VENDOR / "jquery.LICENSE.txt").read_text()


# -- in a notebook ------------------------------------------------------------------------------------------


def test_a_notebook_gets_the_page_in_a_frame_that_reaches_nothing_else(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert al.bertviz.head_view(made()) is None
    (output,) = shown
    frame = output._repr_html_()
    assert 'sandbox="allow-scripts"' in frame
    inside = html.unescape(re.search(r'srcdoc="([^"]*)"', frame).group(1))
    assert inside == al.bertviz.head_view(made(), html=True)


def test_bertviz_is_loaded_when_it_is_used():
    code = (
        "import attnlens as al, sys; al.bertviz.head_view; print({'bertviz', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_bertviz_whose_script_is_another_is_named(monkeypatch):
    monkeypatch.setattr(pages, "source", lambda view: "const params = somethingElse;")
    with pytest.raises(
        AttnlensError, match=r"head_view.js of the installed bertviz .* pip install bertviz==1.4.1"
    ):
        al.bertviz.head_view(made(), html=True)


# -- neuron view --------------------------------------------------------------------------------------------


def test_queries_and_keys_give_the_scores_of_the_model():
    trace = with_factors()
    (part,) = data(al.bertviz.neuron_view(trace, html=True))["parts"]
    queries = numbers(part["queries"], "<f4", 2, 4, 5, 8)
    keys = numbers(part["keys"], "<f4", 2, 4, 5, 8)
    scores = queries @ keys.transpose(2, 3) / 8**0.5
    torch.testing.assert_close(scores.softmax(-1), torch.stack([trace[0][:], trace[1][:]]))


@pytest.mark.parametrize(("mask", "both"), [(None, True), (Band(None, 0), False)])
def test_a_causal_trace_is_drawn_as_one(mask, both):
    layer = Layer("layer", "self", Factors(torch.randn(2, 5, 8), torch.randn(2, 5, 8), 0.3, mask=mask))
    assert data(al.bertviz.neuron_view(Trace((layer,)), html=True))["params"]["bidirectional"] is both


def test_layers_and_heads_of_the_neuron_view_keep_their_numbers():
    found = data(
        al.bertviz.neuron_view(with_factors(4), layers=[1, 3], heads=[0, 2], layer=3, head=-1, html=True)
    )
    assert found["params"]["numbers"] == {"layer": [1, 3], "att_head": [0, 2]}
    assert (found["params"]["layer"], found["params"]["head"]) == (1, 1)


def test_weights_alone_have_no_neurons():
    with pytest.raises(InputError, match=r"'layer.0' holds weights alone; .*store=\"factors\""):
        al.bertviz.neuron_view(made())


# -- a model of one's own -----------------------------------------------------------------------------------


def test_three_lines_lead_from_a_module_to_the_head_view():
    model, x = tiny.HandViT(), torch.rand(1, 3, 16, 16)
    with al.bertviz.capture(model) as recording:
        model(x)
    page = al.bertviz.head_view(recording, html=True)
    torch.testing.assert_close(drawn(data(page)["parts"][0])[0], recording[0][0][:], atol=1e-7, rtol=1e-3)
    tokens = ["[CLS]", *(f"p{i}" for i in range(16))]
    assert data(al.bertviz.head_view(recording, tokens=tokens, html=True))["parts"][0]["left"] == tokens


def test_a_recording_of_several_inputs_asks_for_one():
    model = tiny.HandViT()
    with al.bertviz.capture(model) as recording:
        model(torch.rand(2, 3, 16, 16))
    with pytest.raises(
        InputError, match=r"head_view draws one trace, not 2; choose one: head_view\(recording\[0\]\)"
    ):
        al.bertviz.head_view(recording)
    assert data(al.bertviz.head_view(list(recording)[:1], html=True))["parts"][0]["shape"] == [1, 1, 17, 17]


# -- what is refused ----------------------------------------------------------------------------------------


def of(*layers: Layer) -> Trace:
    return Trace(layers)


REFUSED = {
    "no trace": (lambda: "a text", {}, "head_view\\(\\) takes one trace, not str"),
    "no layers": (lambda: Trace(()), {}, "has no attention weights"),
    "layers of several sizes": (
        lambda: of(Layer("stage.0", "self", weights(2, 4, 4)), Layer("stage.1", "self", weights(2, 2, 2))),
        {},
        r"'stage.0' has 4 x 4 and 'stage.1' has 2 x 2; choose layers of one size .* al.HeadsView\(trace\)",
    ),
    "windows of several sizes": (
        lambda: of(
            Layer("stage.0", "self", Windows((weights(2, 4, 4),) * 2), "other", "other"),
            Layer("stage.1", "self", weights(2, 4, 4), "other", "other"),
        ),
        {},
        "'stage.0' has 8 x 8 and 'stage.1' has 4 x 4",
    ),
    "channels": (lambda: of(Layer("block", "channel", weights())), {}, "'block' attends between channels"),
    "several numbers of heads": (
        lambda: of(Layer("a", "self", weights(2)), Layer("b", "self", weights(3))),
        {},
        r"'a' has 2 and 'b' has 3; choose heads that all have, such as heads=range\(2\)",
    ),
    "a layer that is not there": (made, {"layers": [2]}, "layer .*2.* is out of range"),
    "a head that is not there": (made, {"heads": 5}, "head 5 is out of range"),
    "a name for a number": (made, {"heads": "all"}, "head 'all' is no index"),
    "no layers chosen": (made, {"layers": []}, "layers is empty; name at least one of the 2"),
    "a first layer that is not shown": (
        made,
        {"layers": [0], "layer": 1},
        "layer must be one of 0, or negative from the end, not 1",
    ),
}


@pytest.mark.parametrize(("trace", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_bertviz_cannot_draw_is_refused_with_the_way_out(trace, options, message):
    with pytest.raises(InputError, match=message):
        al.bertviz.head_view(trace(), **options)


def test_heads_that_all_layers_have_are_drawn():
    trace = of(Layer("a", "self", weights(2)), Layer("b", "self", weights(3)))
    assert data(al.bertviz.model_view(trace, heads=[0, 1], html=True))["parts"][0]["shape"] == [2, 2, 5, 5]


def long(size: int, heads=12, layers=2) -> Trace:
    factors = Factors(torch.zeros(heads, size, 4), torch.zeros(heads, size, 4), 1.0)
    return Trace(tuple(Layer(f"layer.{i}", "self", factors) for i in range(layers)))


@pytest.mark.parametrize(
    ("view", "size", "way"),
    [
        ("head_view", 300, "show less by heads="),
        ("model_view", 260, "layers= and heads="),
        ("neuron_view", 400, ""),
    ],
)
def test_more_lines_than_a_browser_bears_are_refused_and_our_views_named(view, size, way):
    with pytest.raises(
        InputError,
        match=rf"{view} would draw [\d,]+ lines for {size} x {size} tokens.*{way}.*al.AttentionView",
    ):
        getattr(al.bertviz, view)(long(size), html=True)


def test_fewer_heads_of_a_long_text_are_drawn():
    assert al.bertviz.head_view(long(300), heads=[0, 3], html=True)
    with pytest.raises(InputError, match="can draw; use al"):
        al.bertviz.head_view(long(1200), heads=0)


# -- the way back -------------------------------------------------------------------------------------------


def test_what_a_model_returns_for_bertviz_is_the_trace_that_a_lens_hears():
    model, tokenizer = tiny.bert(), tiny.wordpiece()
    captured = al.Lens(model, tokenizer).trace(("see it", "flat"))
    model.set_attn_implementation("eager")
    ids = tokenizer("see it", "flat", return_tensors="pt")
    with torch.no_grad():
        given = model(**ids, output_attentions=True).attentions
    trace = al.bertviz.trace(given, tokenizer.convert_ids_to_tokens(ids["input_ids"][0]), 4)
    assert [(t.text, t.segment) for t in trace.tokens] == [(t.text, t.segment) for t in captured.tokens]
    for one, other in zip(trace.layers, captured.layers, strict=True):
        torch.testing.assert_close(one.attention[:], other.attention[:], atol=1e-5, rtol=0)


def test_the_three_parts_of_an_encoder_decoder_come_back_on_their_sides():
    torch.manual_seed(0)
    side = {"encoder": (3, 3), "decoder": (2, 2), "cross": (2, 3)}
    given = {f"{name}_attention": [weights(2, *size).weights[None]] * 2 for name, size in side.items()}
    trace = al.bertviz.trace(
        **given, encoder_tokens=["▁see", "▁it", "</s>"], decoder_tokens=["Ġsee", "it</w>"]
    )
    assert [t.text for t in trace.tokens] == [" see", " it", "</s>"]
    assert [t.text for t in trace.output_tokens] == [" see", "it"]
    parts = {part["name"]: part for part in data(al.bertviz.head_view(trace, html=True))["parts"]}
    assert parts["Cross"]["shape"] == [2, 2, 2, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attention": [None, None]}, r"attention\[0\] is of type NoneType, not a tensor .*al.Lens"),
        ({"attention": [torch.rand(2, 2, 3, 3)]}, r"attention\[0\] is a tensor \[2, 2, 3, 3\]"),
        ({}, "give attention with tokens"),
        (
            {"attention": [torch.rand(2, 3, 3)], "cross_attention": [torch.rand(2, 3, 3)]},
            "give attention with tokens",
        ),
        ({"attention": [torch.rand(2, 3, 3)], "tokens": ["a"]}, "3 query positions but the trace has 1"),
    ],
)
def test_what_is_no_attention_is_refused_on_the_way_back(given, message):
    with pytest.raises(InputError, match=message):
        al.bertviz.trace(**given)
