"""BertViz's own views, of traces, in a real browser that reaches no network."""

from __future__ import annotations

import math
import re

import pytest
import torch
from playwright.sync_api import expect

import attnlens as al
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from tests import tiny

HOSTILE = "</script><script>window.ran = true</script><img src=x onerror='window.ran = true'><!--<script>"

TEXT = "a gripping , funny film"


@pytest.fixture
def opened(page, tmp_path):
    """Opens a page from a file; any request but for the file itself fails the test."""
    asked = []

    def opens(html: str):
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        page.goto(path.as_uri())
        return page

    page.on("request", lambda request: asked.append(request.url))
    yield opens
    assert {url.partition(":")[0] for url in asked} == {"file"}


def opacities(page, selector="#attention line") -> list[float]:
    lines = "lines => lines.map(line => Number(line.getAttribute('stroke-opacity')))"
    return page.locator(selector).evaluate_all(lines)


def texts(page, selector: str) -> list[str]:
    return page.locator(selector).evaluate_all("all => all.map(one => one.textContent)")


def close(found: list[float], weights: torch.Tensor) -> None:
    """Float16 is what a page holds."""
    assert found == pytest.approx(weights.flatten().tolist(), rel=1e-3, abs=1e-7)


def text_lens(model, tokenizer):
    return lambda: al.Lens(model(), tokenizer()).trace(TEXT)


def minivit() -> Trace:
    return al.load("minivit").trace(al.models.sample_images()["cat"])


def vit() -> Trace:
    return al.Lens(tiny.vit(), tiny.processor()).trace(al.models.sample_images()["cat"])


def handwritten() -> Trace:
    model = tiny.HandViT().eval()
    with al.bertviz.capture(model) as recording:
        model(torch.rand(1, 3, 16, 16))
    return recording[0]


MODELS = {
    "BERT": text_lens(tiny.bert, tiny.wordpiece),
    "DistilBERT": text_lens(tiny.distilbert, tiny.wordpiece),
    "GQA Llama": text_lens(tiny.llama, tiny.byte_level),
    "ViT": vit,
    "MiniViT": minivit,
    "hand-written": handwritten,
}


# -- head view ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_the_head_view_draws_each_weight_of_a_layer(opened, name):
    trace = MODELS[name]()
    page = opened(al.bertviz.head_view(trace, html=True))
    heads = trace[0].heads
    close(opacities(page), trace[0][:] / heads)
    last = len(trace) - 1
    page.locator("#layer").select_option(str(last))
    close(opacities(page), trace[last][:] / heads)
    shown = texts(page, "#left text")
    assert len(shown) == trace[0].queries
    if trace.patches is None:
        assert shown == texts(page, "#right text") == [token.text for token in trace.axis_tokens(0)[0]]
    else:
        assert shown[-1] == f"p{trace.patches.rows * trace.patches.cols - 1}"


def test_a_token_alone_and_a_head_alone(opened):
    trace = MODELS["BERT"]()
    page = opened(al.bertviz.head_view(trace, layers=[1], heads=[1, 3], html=True))
    page.locator("#left text").nth(2).hover()
    seen = page.locator("#attention line[visibility=visible]")
    assert seen.count() == 2 * trace[1].keys
    page.locator("svg > g:last-child rect").nth(1).dblclick()
    close(opacities(page, "#attention > g:nth-child(2) line"), trace[1, 3])
    assert set(opacities(page, "#attention > g:nth-child(1) line")) == {0.0}


def test_the_filters_of_a_pair_are_cut_out_of_the_whole(opened):
    trace = al.Lens(tiny.bert(), tiny.wordpiece()).trace(("see it", "flat film"))
    page = opened(al.bertviz.head_view(trace, html=True))
    first = slice(0, 4)
    second = slice(4, 7)
    blocks = [(slice(None),) * 2, (first, first), (second, second), (first, second), (second, first)]
    for number, (rows, columns) in enumerate(blocks):
        page.locator("#filter").select_option(str(number))
        close(opacities(page), trace[0][:, rows, columns] / 4)
        assert texts(page, "#left text") == [token.text for token in trace.tokens[rows]]
        assert texts(page, "#right text") == [token.text for token in trace.tokens[columns]]


def test_an_encoder_decoder_is_drawn_part_by_part(opened):
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace("see it", output="flat")
    page = opened(al.bertviz.head_view(trace, html=True))
    assert texts(page, "#filter option") == ["Encoder", "Decoder", "Cross"]
    close(opacities(page), trace[0][:] / 4)
    page.locator("#filter").select_option("2")
    page.locator("#layer").select_option("1")
    close(opacities(page), trace.select(kind="cross")[1][:] / 4)
    assert texts(page, "#left text") == [token.text for token in trace.output_tokens]
    assert texts(page, "#right text") == [token.text for token in trace.tokens]


def lopsided() -> Trace:
    torch.manual_seed(0)

    def weights(*shape):
        return Weights(torch.softmax(torch.randn(2, *shape), -1))

    return Trace(
        (
            Layer("encoder.0", "self", weights(5, 5)),
            Layer("encoder.1", "self", weights(5, 5)),
            Layer("decoder.0", "self", weights(3, 3), "output", "output"),
            Layer("decoder.0.cross", "cross", weights(3, 5), "output", "input"),
        )
    )


def test_a_side_with_fewer_layers_shows_its_tokens_and_no_lines(opened):
    trace = lopsided()
    page = opened(al.bertviz.head_view(trace, html=True))
    page.locator("#layer").select_option("1")
    close(opacities(page), trace[1][:] / 2)
    page.locator("#filter").select_option("2")
    assert opacities(page) == []
    assert texts(page, "#left text") == ["0", "1", "2"]
    page.locator("#layer").select_option("0")
    close(opacities(page), trace[3][:] / 2)


# -- model view ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_the_model_view_draws_each_weight_of_every_layer(opened, dark):
    trace = MODELS["BERT"]()
    page = opened(al.bertviz.model_view(trace, dark=dark, html=True))
    close(opacities(page, "svg line"), torch.stack([layer.attention[:] for layer in trace.layers]))
    page.locator("svg > g").nth(5).locator("rect").nth(1).click()
    assert page.locator("text.detail").inner_html() == "Layer 1, Head 1"
    close(opacities(page, ".attn-line-group line"), trace[1, 1])


def test_the_model_view_draws_the_layers_and_heads_that_are_asked_for_with_their_numbers(opened):
    trace = al.load("sentiment").trace(TEXT)
    page = opened(al.bertviz.model_view(trace, layers=[2, 5], heads=[7, 9], html=True))
    assert texts(page, "svg > text") == ["Heads", "7", "9", "Layers", "2", "5"]
    wanted = torch.stack([trace[layer][[7, 9]] for layer in (2, 5)])
    close(opacities(page, "svg line"), wanted)


def test_the_model_view_draws_sides_of_other_numbers_of_layers(opened):
    trace = lopsided()
    page = opened(al.bertviz.model_view(trace, html=True))
    assert len(opacities(page, "svg line")) == 2 * 2 * 25
    page.locator("#filter").select_option("1")
    close(opacities(page, "svg line"), trace[2][:])


# -- neuron view --------------------------------------------------------------------------------------------


def unfold(page, token: int) -> None:
    """Opens the neurons of a token."""
    page.locator("#collapsed #leftText > g").nth(token).hover()
    page.locator("#collapsed #leftText > g").nth(token).locator("rect").nth(1).click()
    page.locator("#expanded #leftText > g").nth(token).locator("text").hover()


def values(page, selector: str) -> list[float]:
    return page.locator(selector).evaluate_all("all => all.map(one => Number(one.dataset.value))")


def test_the_neuron_view_shows_the_products_and_the_scores_of_the_model(opened):
    lens = al.Lens(tiny.llama(), tiny.byte_level())
    trace = lens.trace(TEXT, store="factors")
    page = opened(al.bertviz.neuron_view(trace, layer=1, head=3, html=True))
    close(opacities(page, "#collapsed .attn-line-group line"), trace[1, 3])
    unfold(page, 4)
    held: Factors = trace[1]
    query, key = held.query[3, 4], held.key[1]  # four heads share two keys
    assert values(page, "#expanded .dotproduct") == pytest.approx(
        (key @ query * held.scale).tolist(), rel=1e-4, abs=1e-5
    )
    products = values(page, "#expanded #product .vector:nth-child(2) .element")
    assert products == pytest.approx(
        (query * key[1] * held.scale * math.sqrt(8)).tolist(), rel=1e-4, abs=1e-5
    )
    # A causal model: what is later than the token is not there.
    shown = "all => all.map(one => one.style.opacity)"
    later = page.locator("#expanded #product .vector").evaluate_all(shown)
    assert later == ["1"] * 5 + ["0"] * (held.keys - 5)


def test_the_neuron_view_keeps_the_numbers_of_layers_and_heads(opened):
    trace = al.load("sentiment").trace(TEXT, store="factors")
    page = opened(al.bertviz.neuron_view(trace, layers=[2, 5], heads=[7, 9], layer=5, head=9, html=True))
    assert texts(page, "#layer option") == ["2", "5"]
    assert texts(page, "#att_head option") == ["7", "9"]
    close(opacities(page, "#collapsed .attn-line-group line"), trace[5, 9])
    page.locator("#layer").select_option(label="2")
    close(opacities(page, "#collapsed .attn-line-group line"), trace[2, 9])


@pytest.mark.parametrize(
    ("name", "queries", "keys"),
    [
        ("Sentence A -> Sentence B", slice(0, 4), slice(4, 7)),
        ("Sentence B -> Sentence A", slice(4, 7), slice(0, 4)),
    ],
)
def test_the_neuron_view_of_a_pair_has_its_filters(opened, name, queries, keys):
    trace = al.Lens(tiny.bert(), tiny.wordpiece()).trace(("see it", "flat film"), store="factors")
    page = opened(al.bertviz.neuron_view(trace, dark=True, html=True))
    page.locator("#filter").select_option(label=name)
    close(opacities(page, "#collapsed .attn-line-group line"), trace[0, 0, queries, keys])
    unfold(page, 1)
    held: Factors = trace[0]
    scores = held.key[0, keys] @ held.query[0, queries][1] * held.scale
    assert values(page, "#expanded .dotproduct") == pytest.approx(scores.tolist(), rel=1e-4, abs=1e-5)


# -- safety -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [al.bertviz.head_view, al.bertviz.model_view, al.bertviz.neuron_view])
def test_hostile_tokens_are_shown_and_run_nothing(opened, view):
    torch.manual_seed(0)
    factors = Factors(torch.randn(2, 3, 4), torch.randn(2, 3, 4), 0.5)
    hostile = HOSTILE + "\u2028\u202e"
    trace = Trace((Layer("layer", "self", factors),), model=HOSTILE, tokens=(Token(hostile),) * 3)
    page = opened(view(trace, html=True))
    if view is al.bertviz.model_view:
        page.locator("svg > g rect").nth(1).click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert hostile in texts(page, "svg text")
    assert page.locator("img").count() == 0
    assert page.title().endswith(HOSTILE)


def test_libraries_register_with_no_loader_of_the_page_around(page):
    trace = MODELS["BERT"]()
    # As inside another page, which has a policy of its own.
    views = (f(trace, html=True) for f in (al.bertviz.head_view, al.bertviz.model_view))
    inside = "".join(re.sub(r"<meta http-equiv.*?>", "", view) for view in views)
    loader = "window.defined = []; window.define = (...given) => defined.push(given); window.define.amd = {};"
    page.set_content(f"<script>{loader}</script>{inside}")
    assert page.evaluate("window.defined") == []
    assert page.evaluate("[typeof d3, typeof $, typeof jQuery, typeof require]") == ["undefined"] * 4
    close(opacities(page), trace[0][:] / 4)


def test_what_a_notebook_gets_is_drawn_in_a_frame_of_its_size(page, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    trace = al.load("sentiment").trace(TEXT, store="factors")
    al.bertviz.head_view(trace)
    al.bertviz.model_view(trace)
    al.bertviz.neuron_view(trace)
    page.set_viewport_size({"width": 1200, "height": 900})
    page.set_content("".join(one._repr_html_() for one in shown))
    for number, title in enumerate(("head view", "model view", "neuron view")):
        assert page.locator("iframe").nth(number).get_attribute("title").startswith(f"BertViz {title}")
        inside = page.frame_locator("iframe").nth(number)
        inside.locator("svg line").first.wait_for(state="attached")
        room = inside.locator("svg").evaluate("svg => innerHeight - svg.getBoundingClientRect().bottom")
        assert 0 <= room < 60
        reached = "() => { try { return Boolean(parent.document) } catch { return false } }"
        assert inside.locator("html").evaluate(reached) is False


# -- JupyterLab ---------------------------------------------------------------------------------------------


def test_views_are_drawn_in_jupyterlab_on_the_first_run(chromium, lab):
    context = chromium.new_context(viewport={"width": 1300, "height": 1100})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route(lambda url: not url.startswith((lab.url, "data:", "blob:")), lambda route: route.abort())
    try:
        cell = (
            f"import attnlens as al\ntrace = al.load('sentiment').trace({TEXT!r}, store='factors')\n"
            "al.bertviz.head_view(trace, layer=3)\n"
            "al.bertviz.neuron_view(trace)\n"
            "al.bertviz.head_view(trace, layer=3)"
        )
        notebook = lab.notebook(page, "bertviz.ipynb", cell)
        notebook.run(0)
        frames = notebook.cell(0).locator("iframe")
        expect(frames).to_have_count(3)
        for number in range(3):
            inside = notebook.cell(0).frame_locator("iframe").nth(number)
            inside.locator("svg line").first.wait_for(state="attached")
        first, last = (notebook.cell(0).frame_locator("iframe").nth(number) for number in (0, 2))
        first.locator("#layer").select_option("5")
        assert first.locator("#layer").input_value() == "5"
        assert last.locator("#layer").input_value() == "3"
    finally:
        context.close()
    assert errors == []
