"""PatchView in a real browser: what is painted is what the trace and the attribution say."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import torch

import attnlens as al
from attnlens.plots._images import FAINT, STRONG

from .mounting import eventually

PAGE = """<!doctype html><body style="margin:16px;background:%(paper)s"><div id="view" style="max-width:900px"></div>
<script type="module">
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const state = %(state)s;
for (const name in state)
  if (state[name]?.bytes !== undefined) state[name] = new DataView(bytes(state[name].bytes).buffer);
const handlers = new Map();
window.state = state;
window.sent = [];
const model = {
  get: (name) => state[name],
  set(name, value) {
    if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
    state[name] = value;
    for (const callback of [...(handlers.get(`change:${name}`) ?? [])]) callback();
  },
  save_changes() {},
  on: (event, callback) => handlers.set(event, [...(handlers.get(event) ?? []), callback]),
  off: (event, callback) => handlers.set(event, (handlers.get(event) ?? []).filter((one) => one !== callback)),
  send: (message) => window.sent.push(message),
};
window.put = model.set;
const url = URL.createObjectURL(new Blob([bytes("%(bundle)s")], { type: "text/javascript" }));
const { default: view } = await import(url);
view.render({ model, el: document.getElementById("view") });
window.ready = true;
</script>"""

PIXELS = """([selector, rows, cols]) => {
  const canvas = document.querySelector("#view").shadowRoot.querySelector(selector);
  return [...canvas.getContext("2d").getImageData(0, 0, cols, rows).data];
}"""


@pytest.fixture(scope="module")
def lens():
    return al.load("cifar")


@pytest.fixture(scope="module")
def image():
    return al.models.sample_images()["chelsea"]


@pytest.fixture(scope="module")
def trace(lens, image):
    return lens.trace(image)


@pytest.fixture
def mounted(page, tmp_path):
    """Opens a view in the page with a model that nobody answers."""

    def mount(view, paper="#fff"):
        state = {}
        for name in view.keys:
            if not name.startswith("_") and name not in ("layout", "tabbable", "tooltip"):
                value = getattr(view, name)
                state[name] = (
                    {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
                )
        path = Path(tmp_path) / "page.html"
        bundle = base64.b64encode(str(view._esm).encode()).decode()
        given = {"state": json.dumps(state).replace("<", "\\u003c"), "bundle": bundle, "paper": paper}
        path.write_text(PAGE % given, encoding="utf-8")
        page.set_viewport_size({"width": 960, "height": 800})
        page.goto(path.as_uri())
        page.wait_for_function(
            "window.ready && document.querySelector('#view').shadowRoot.querySelector('.scale')"
        )
        return page

    return mount


def opacities(page, selector, rows=8, cols=8):
    """The opacity of each patch of a map, 0 to 255, `[row, column]`."""
    return torch.tensor(page.evaluate(PIXELS, [selector, rows, cols]))[3::4].reshape(rows, cols).float()


def assert_painted(page, selector, values, top, faint=FAINT):
    """On a root scale, as in figures; up to the rounding of a canvas, and of weights to float16."""
    expected = 255 * (faint + (STRONG - faint) * (values.abs() / top).clamp(max=1).sqrt())
    assert float((opacities(page, selector) - expected).abs().max()) <= 1.5


def patch_of(page, row, col, selector=".asked .overlay"):
    """The middle of a patch on the screen."""
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] * (col + 0.5) / 8, box["y"] + box["height"] * (row + 0.5) / 8


def test_the_picture_is_painted_with_the_class_tokens_attention(mounted, trace):
    page = mounted(al.PatchView(trace, layer=3))
    row = trace[3].mean("head")[0, 1:].reshape(8, 8)
    assert_painted(page, ".large .heat", row, row.max())
    box = page.locator(".asked img").bounding_box()
    assert box["width"] == box["height"] > 300


def test_pointing_at_a_patch_shows_its_attention_and_a_click_keeps_it(mounted, trace):
    page = mounted(al.PatchView(trace, layer=3, heads=1))
    page.mouse.move(*patch_of(page, 2, 5))
    page.get_by_text("Attention of patch (2, 5)", exact=True).wait_for()
    row = trace[3, 1, 1 + 2 * 8 + 5][1:].reshape(8, 8)
    assert_painted(page, ".large .heat", row, row.max())
    assert page.evaluate("state.query") is None
    page.mouse.click(*patch_of(page, 2, 5))
    assert page.evaluate("state.query") == 1 + 2 * 8 + 5
    page.mouse.move(*patch_of(page, 6, 4))
    said = page.locator(".readout")
    page.get_by_text("Patch (6, 4) gets from patch (2, 5)").wait_for()
    number = float(said.inner_text().split("(2, 5) ")[1].split(" ")[0])
    assert number == pytest.approx(float(row[6, 4]), rel=5e-3)
    page.mouse.click(*patch_of(page, 2, 5))
    assert page.evaluate("state.query") is None


def test_panels_of_one_kind_are_on_one_scale_and_read_the_same_patch(mounted, lens, image, trace):
    names = ["attention", "rollout", "relevance", "integrated_gradients"]
    page = mounted(al.PatchView(lens, image, heads=[], panels=names, shared=True))
    attention = trace[-1].mean("head")[0, 1:].reshape(8, 8)
    rollout = al.rollout(trace, row=0)[1:].reshape(8, 8)
    relevance = al.attribution.relevance(lens, image, row=0)[1:].reshape(8, 8)
    signed = lens.attribute(image, method="integrated_gradients").pooled(8, 8)
    top = max(attention.max(), rollout.max())
    scores = ((relevance, relevance.max(), 0), (signed, signed.abs().max(), 0))
    for number, (values, most, faint) in enumerate(
        ((attention, top, FAINT), (rollout, top, FAINT), *scores), start=1
    ):
        assert_painted(page, f".beside figure:nth-child({number}) .heat", values, most, faint)
    page.get_by_label("one scale for maps of the same unit").uncheck()
    page.locator(".beside .scale").nth(3).wait_for()
    end = max(float(rollout.max()), 2 / 65)  # twice uniform attention, over patches and class token
    assert_painted(page, ".beside figure:nth-child(2) .heat", rollout, end)
    page.mouse.move(*patch_of(page, 6, 4, ".beside figure:nth-child(3) .overlay"))
    read = page.locator(".beside figure:nth-child(2) .value", has_text="(6, 4): ")
    read.wait_for()
    assert float(read.inner_text().split(": ")[1].split(",")[0]) == pytest.approx(
        float(rollout[6, 4]), rel=5e-3
    )


def test_keys_move_the_patch_the_layer_and_the_head(mounted, trace):
    page = mounted(al.PatchView(trace, layer=3, query=(0, 0)))
    page.locator(".asked").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp", "]", ".", "."):
        page.keyboard.press(key)
    assert page.evaluate("[state.query, state.layer, state.heads]") == [2, 4, [1]]
    page.keyboard.press("Escape")
    assert page.evaluate("state.query") is None
    page.get_by_text("Attention of [CLS]").wait_for()


def test_layers_play_until_the_last_one(mounted, trace):
    page = mounted(al.PatchView(trace, layer=5))
    page.get_by_role("button", name="Play the layers").click()
    page.wait_for_function("state.layer === 7")
    page.get_by_role("button", name="Play the layers").wait_for()
    row = trace[7].mean("head")[0, 1:].reshape(8, 8)
    assert_painted(page, ".large .heat", row, row.max())


def test_layers_do_not_run_on_where_motion_is_not_wanted(mounted, trace, page):
    page.emulate_media(reduced_motion="reduce")
    mounted(al.PatchView(trace, layer=5))
    page.get_by_role("button", name="Next layer").click()
    page.wait_for_timeout(1200)
    assert page.evaluate("state.layer") == 6


def test_the_blend_goes_from_the_image_to_the_map(mounted, trace):
    page = mounted(al.PatchView(trace, layer=3, blend=0.0))
    assert opacities(page, ".large .heat").max() == 0
    page.evaluate("put('blend', 1)")
    eventually(page, lambda: opacities(page, ".large .heat").min() == 255)


def test_nothing_moves_while_one_points_at_things(mounted, lens, image):
    page = mounted(al.PatchView(lens, image))
    height = page.locator(".view").bounding_box()["height"]
    for row, col in ((0, 0), (3, 4), (7, 7)):
        page.mouse.move(*patch_of(page, row, col))
        page.wait_for_timeout(60)
        assert page.locator(".view").bounding_box()["height"] == height
        page.mouse.move(*patch_of(page, row, col, ".beside figure:nth-child(3) .overlay"))
        page.wait_for_timeout(60)
        assert page.locator(".view").bounding_box()["height"] == height


def test_the_saved_picture_has_every_panel(mounted, lens, image, tmp_path):
    page = mounted(
        al.PatchView(lens, image, heads=[], query=(2, 5), panels=["image", "rollout", "integrated_gradients"])
    )
    with page.expect_download() as saved:
        page.get_by_role("button", name="SVG").click()
    saved.value.save_as(tmp_path / "it.svg")
    svg = (tmp_path / "it.svg").read_text(encoding="utf-8")
    assert saved.value.suggested_filename.startswith("attnlens-patches-layer-7-head-mean-")
    assert "Attention of patch (2, 5) · layer 7, mean of 3 heads" in svg
    for title in ("image", "rollout", "integrated gradients", "share of attention", "logits against and for"):
        assert f">{title}</text>" in svg or f"  {title}</text>" in svg
    page.set_content(svg)
    frame = page.locator("svg").first.bounding_box()
    for text in page.locator("svg text").all():
        box = text.bounding_box()
        inside = (
            box["x"] >= frame["x"],
            box["y"] >= frame["y"],
            box["x"] + box["width"] <= frame["x"] + frame["width"],
            box["y"] + box["height"] <= frame["y"] + frame["height"],
        )
        assert all(inside), text.text_content()
    page.goto("about:blank")


def test_hostile_class_names_are_only_text(mounted, lens, image):
    view = al.PatchView(lens, image, panels=["relevance"])
    hostile = "<img src=x onerror='window.ran = true'>"
    view.maps = {"relevance": {**view.maps["relevance"], "verdict": hostile, "how": hostile}}
    view.labels = [hostile, *view.labels]
    page = mounted(view)
    page.get_by_text(hostile).first.wait_for(state="attached")
    assert page.evaluate("window.ran") is None


def test_a_dark_page_gets_a_dark_view(mounted, trace):
    page = mounted(al.PatchView(trace), paper="#111")
    page.wait_for_function(
        "document.querySelector('#view').shadowRoot.querySelector('.view').dataset.theme === 'dark'"
    )
