"""Heads, attention and comparison in a real browser, beside the Python half: what is drawn and said is what the trace
holds, whatever is switched, pointed at or pressed meanwhile."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import expect

import attnlens as al
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import InputError
from attnlens.widgets import _payload
from tests import tiny

from .mounting import Mounted, eventually

SENTENCE = "a gripping , funny film with one dull stretch ."

PIXELS = """(canvas, places) => {
  const context = canvas.getContext("2d");
  return places.map(([x, y]) => [...context.getImageData(Math.round(x), Math.round(y), 1, 1).data].slice(0, 3));
}"""

PLOT, LEGEND = 620, 160
"""Pixels of a matrix across, and of the legend beside it."""


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def trace(lens):
    return lens.trace(SENTENCE, store="factors")


def made(count: int, layers: int = 2, heads: int = 2, special: tuple[int, ...] = (0,)) -> Trace:
    """A trace of random weights of that many tokens."""
    torch.manual_seed(count)
    factors = [al.data.Factors(*torch.randn(2, heads, count, 16), 0.6) for _ in range(layers)]
    return Trace(
        tokens=tuple(Token(f"t{n}", special=n in special) for n in range(count)),
        layers=tuple(Layer(f"layer {n}", "self", one) for n, one in enumerate(factors)),
    )


@pytest.fixture
def remote(monkeypatch):
    """A trace whose weights stay in Python."""
    monkeypatch.setattr(_payload, "MOST_WEIGHTS", 10_000)
    return made(700, layers=3)


def colours(mounted, places, place=0):
    canvas = mounted.root(place).locator("canvas.matrix").first
    return torch.tensor(canvas.evaluate(PIXELS, [list(map(float, one)) for one in places])).float()


def corner(mounted, place: int = 0) -> tuple[int, int]:
    """Where the matrix begins in its canvas."""
    canvas = mounted.root(place).locator("canvas.matrix").first
    left, top = canvas.get_attribute("data-corner").split(",")
    return int(left), int(top)


def drawn(mounted, rows: int, cols: int, top: float, place: int = 0) -> tuple[torch.Tensor, float]:
    """The weight that each cell's colour stands for, read from the legend, `[row, column]`, and a pixel's step."""
    cell = min(48, PLOT / max(rows, cols))
    left, above = corner(mounted, place)
    legend = [(left + cols * cell + 22, above + y) for y in range(int(min(rows * cell, LEGEND)))]
    shades = colours(mounted, legend, place)
    cells = [(left + (j + 0.15) * cell, above + (i + 0.2) * cell) for i in range(rows) for j in range(cols)]
    nearest = torch.cdist(colours(mounted, cells, place), shades).argmin(1)
    return (top * (1 - nearest / (len(shades) - 1))).reshape(rows, cols), top / (len(shades) - 1)


def assert_drawn(mounted, weights: torch.Tensor, place: int = 0) -> None:
    """Up to a step of the legend."""
    found, step = drawn(mounted, *weights.shape, float(weights.max()), place)
    assert float((found - weights).abs().max()) <= 1.5 * step


def said(mounted, place=0) -> str:
    mounted.settle()
    return mounted.root(place).locator(".readout").inner_text()


def point(mounted, row: float, col: float, cell: float, place: int = 0) -> str:
    """What is said of the cell that is pointed at."""
    left, top = corner(mounted, place)
    spot = {"x": left + (col + 0.5) * cell, "y": top + (row + 0.5) * cell}
    mounted.root(place).locator("canvas.matrix").first.hover(position=spot)
    return said(mounted, place)


def weight_said(text: str) -> float:
    return float(re.search(r"”: ([\d.e+-]+) ·", text).group(1))


def rounded(weight: torch.Tensor) -> object:
    """A weight as it is said: three figures, two of a small one, held in float16."""
    return pytest.approx(float(weight), rel=0.006 if weight >= 1e-3 else 0.06, abs=6e-8)


# -- numbers --------------------------------------------------------------------------------------------------


def test_a_matrix_is_coloured_by_the_traces_weights(page, trace):
    mounted = Mounted(page, al.AttentionView(trace, layer=2, heads=3, mode="matrix"))
    assert_drawn(mounted, trace[2, 3])
    mounted.put(layer=5, heads=[0, 4, 7])
    assert_drawn(mounted, trace[5, [0, 4, 7]].mean(0))


def test_without_special_tokens_a_matrix_is_the_renormalized_trace(page, trace):
    mounted = Mounted(page, al.AttentionView(trace, layer=2, heads=3, mode="matrix", hide_special=True))
    expected = trace.renormalize()[2, 3][1:-1, 1:-1]
    assert_drawn(mounted, expected)
    found = weight_said(point(mounted, 4, 2, 48))
    assert found == rounded(expected[4, 2])


def test_what_is_said_of_a_cell_is_the_traces_weight(page, trace):
    mounted = Mounted(page, al.AttentionView(trace, layer=1, heads=7, mode="matrix"))
    for row, col in ((0, 0), (3, 9), (11, 4), (7, 11)):
        text = point(mounted, row, col, 48)
        assert weight_said(text) == rounded(trace[1, 7, row, col])
        assert f"query {row}, key {col}" in text
        assert "layer 1, head 7" in text


@pytest.mark.parametrize("model", ["bart", "t5", "llama"])
def test_cross_attention_and_shared_keys_are_drawn_at_their_own_sizes(page, model):
    tokenizer = {"bart": tiny.roberta, "t5": tiny.metaspace, "llama": tiny.byte_level}[model]()
    trace = al.Lens(getattr(tiny, model)(), tokenizer).trace("see it , and see this film")
    mounted = Mounted(page, al.AttentionView(trace, heads=1, mode="matrix"))
    for number, layer in enumerate(trace.layers):
        mounted.put(layer=number)
        if max(layer.attention.shape[1:]) < 40:
            assert_drawn(mounted, layer.attention[1])
        assert mounted.root().locator(".notice").is_hidden()


def test_lines_say_the_largest_weights_of_a_token(page, trace):
    mounted = Mounted(page, al.AttentionView(trace, layer=4, heads=[2, 5]))
    mounted.root().locator(".token.query").nth(4).hover()
    row = trace[4, [2, 5], 4].mean(0)
    best = int(row.argmax())
    text = said(mounted)
    assert f"“funny” attends to “{trace.tokens[best]}” {float(row[best]):.3g}" in text
    assert "layer 4, mean of 2 heads" in text


def test_of_many_tokens_the_picture_says_what_it_shows_and_the_single_weight(page):
    trace = made(1100)
    mounted = Mounted(page, al.AttentionView(trace, heads=1, mode="matrix"))
    weights = trace[0, 1]
    for pool, of in (("max", "largest"), ("mean", "mean")):
        mounted.put(pool=pool)
        assert "there:" in point(mounted, 200, 100, 1)
        mounted.settle()  # the pointer rests, and the single weight is brought
        text = said(mounted)
        query, key = (int(found) for found in re.search(r"query (\d+), key (\d+)", text).groups())
        assert weight_said(text) == rounded(weights[query, key])
        size, value = re.search(rf"{of} of (\d+) × \d+ there: ([\d.e-]+)", text).groups()
        row, col = query // int(size) * int(size), key // int(size) * int(size)
        block = weights[row : row + int(size), col : col + int(size)]
        assert float(value) == rounded(block.max() if pool == "max" else block.mean())


# -- what is asked of Python ----------------------------------------------------------------------------------


def test_a_remote_matrix_is_drawn_from_answers_and_takes_no_room_while_it_waits(page, remote):
    view = al.AttentionView(remote, heads=1, mode="matrix")
    mounted = Mounted(page, view)
    canvas = mounted.root().locator("canvas.matrix")
    before = canvas.bounding_box()
    page.evaluate("() => { window.views[0].held = new Promise((free) => { window.free = free }) }")
    mounted.root().get_by_label("Layer", exact=True).select_option("1")
    expect(mounted.root().locator(".notice")).to_have_text("Computing …")
    assert canvas.bounding_box() == before
    page.evaluate("() => window.free()")
    mounted.settle()
    assert mounted.root().locator(".notice").is_hidden()


def test_answers_to_what_is_no_longer_shown_are_not_drawn(page, remote):
    small = made(12)
    mounted = Mounted(page, al.AttentionView(remote, heads=1, mode="matrix", hide_special=True))
    page.evaluate("() => { window.views[0].delay = 150 }")
    select = mounted.root().get_by_label("Layer", exact=True)
    for layer in "120212":
        select.select_option(layer)
    mounted.settle()
    expected = remote.renormalize()[2, 1][1:, 1:]
    text = point(mounted, 300, 200, PLOT / 699)
    mounted.settle()
    text = said(mounted)
    query, key = (int(found) for found in re.search(r"query (\d+), key (\d+)", text).groups())
    assert "layer 2" in text
    assert weight_said(text) == rounded(expected[query - 1, key - 1])
    # Another trace while a tile is under way.
    select.select_option("1")
    mounted.views[0].show(small)
    mounted.follow()
    mounted.settle()
    mounted.put(hide_special=False)
    assert_drawn(mounted, small[mounted.views[0].layer, 1])


def test_single_weights_of_a_long_head_are_computed_in_the_browser(page):
    trace = made(2300, layers=1)
    mounted = Mounted(page, al.AttentionView(trace, heads=1, mode="matrix"))
    canvas = mounted.root().locator("canvas.matrix")
    canvas.focus()
    for _ in range(12):  # a key enlarges by half
        page.keyboard.press("+")
    mounted.settle()
    eventually(page, lambda: mounted.root().locator(".notice").is_hidden())
    text = point(mounted, 4, 5, 16)
    query, key = (int(found) for found in re.search(r"query (\d+), key (\d+)", text).groups())
    assert weight_said(text) == rounded(trace[0, 1, query, key])
    asked = page.evaluate("() => window.views[0].asked.map(({ ask, level }) => [ask, level ?? 0])")
    assert ["factors", 0] in asked
    assert {level for ask, level in asked if ask == "tile"} <= {1, 2, 3, 4}
    mounted.put(hide_special=True)
    eventually(page, lambda: mounted.root().locator(".notice").is_hidden())
    mounted.settle()
    text = point(mounted, 4, 5.5, 16)
    query, key = (int(found) for found in re.search(r"query (\d+), key (\d+)", text).groups())
    assert weight_said(text) == rounded(trace.renormalize()[0, 1, query, key])


def test_a_tile_that_fails_is_told_until_something_else_is_shown(page, remote):
    view = al.AttentionView(remote, heads=1, mode="matrix")
    tile = view.handlers["tile"]

    def failing(level: int, row: int, **shown):
        if shown["layer"] == 1 and level == 0 and row == 0:
            raise InputError("the weights are gone")
        return tile(level, row, **shown)

    view.handlers["tile"] = failing
    mounted = Mounted(page, view)
    mounted.put(layer=1)
    mounted.root().locator("canvas.matrix").dblclick(position={"x": 130, "y": 130})
    mounted.settle()
    assert mounted.root().locator(".notice").inner_text() == "the weights are gone"
    mounted.put(layer=2)
    mounted.settle()
    assert mounted.root().locator(".notice").is_hidden()


def test_a_product_is_asked_for_once_and_not_for_cells_that_a_layer_lacks(page):
    trace = al.Lens(tiny.bart(), tiny.roberta()).trace("see it , and see this film", store="factors")
    long = next(n for n, one in enumerate(trace.layers) if one.attention.queries > 5)
    short = next(n for n, one in enumerate(trace.layers) if one.attention.queries < 5)
    view = al.AttentionView(trace, layer=long, heads=1, query=5, key=2)
    mounted = Mounted(page, view)
    for n in range(4):
        mounted.root().locator(".token.query").nth(n).hover()
    mounted.root().get_by_text("after the softmax").wait_for()
    asked = page.evaluate("() => window.views[0].asked.filter(({ ask }) => ask === 'detail').length")
    assert asked == 1
    mounted.put(layer=short)
    assert mounted.root().locator(".detail").is_hidden()
    assert mounted.root().locator(".notice").is_hidden()


# -- hands ----------------------------------------------------------------------------------------------------


def test_a_click_is_kept_though_the_view_is_drawn_anew_under_it(page, trace):
    view = al.AttentionView(trace, heads=3)
    mounted = Mounted(page, view)
    box = mounted.root().locator(".token.query").nth(4).bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    mounted.put(log=True)
    page.mouse.up()
    mounted.settle()
    assert view.query == 4


def test_a_selected_token_can_be_read_while_it_is_pointed_at(page, trace):
    mounted = Mounted(page, al.AttentionView(trace, heads=3, query=4))
    token = mounted.root().locator(".token.query").nth(4)
    token.hover()
    mounted.settle()
    style = token.evaluate("(one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
    assert style == ["rgb(255, 255, 255)", "rgb(28, 92, 159)"]


def test_keys_step_through_a_matrix_and_leave_the_browser_its_own(page, trace):
    view = al.AttentionView(trace, heads=3, mode="matrix")
    mounted = Mounted(page, view)
    matrix = mounted.root().locator("canvas.matrix")
    matrix.focus()
    for key in ("ArrowDown", "End", "ArrowLeft"):
        page.keyboard.press(key)
    assert "query 1, key 10" in said(mounted)
    page.keyboard.press("Enter")
    mounted.settle()
    assert (view.query, view.key) == (1, 10)
    page.keyboard.press("Escape")
    mounted.settle()
    assert (view.query, view.key) == (None, None)
    prevented = matrix.evaluate("""(one) => ["+", "-", "0"].map((key) => !one.dispatchEvent(
        new KeyboardEvent("keydown", { key, ctrlKey: true, bubbles: true, cancelable: true })))""")
    assert prevented == [False, False, False]
    matrix.click(button="right", position={"x": 200, "y": 200})
    assert (view.query, view.key) == (None, None)


def test_the_cell_that_is_pointed_at_has_its_labels_among_sixty(page):
    mounted = Mounted(page, al.AttentionView(made(60), heads=1, mode="matrix"))
    cell = PLOT / 60
    left, top = corner(mounted)
    beside = [(x, top + 33.5 * cell) for x in range(26, left - 5)]
    assert float(colours(mounted, beside).max()) == 0  # only every other token has a label
    point(mounted, 33, 7, cell)
    assert float(colours(mounted, beside).max()) > 0


# -- what is not there ----------------------------------------------------------------------------------------


def test_a_layer_of_fewer_heads_and_a_selection_of_none_show_a_head(page):
    torch.manual_seed(0)
    layers = tuple(
        Layer(f"{heads}", "self", al.data.Factors(*torch.randn(2, heads, 6, 8), 0.5)) for heads in (4, 2)
    )
    trace = Trace(tokens=tuple(Token(f"t{n}") for n in range(6)), layers=layers)
    mounted = Mounted(page, al.AttentionView(trace, heads=3, mode="matrix"))
    mounted.put(layer=1)
    assert_drawn(mounted, trace[1, 0])
    mounted.put(layer=0, heads=[])
    assert_drawn(mounted, trace[0, 0])
    assert mounted.root().locator(".notice").is_hidden()


@pytest.mark.parametrize("mode", ["lines", "matrix"])
def test_where_no_token_is_left_that_is_said(page, mode):
    trace = made(3, special=(0, 1, 2))
    mounted = Mounted(page, al.AttentionView(trace, heads=1, mode=mode, hide_special=True))
    assert mounted.root().get_by_text("No tokens are left").is_visible()
    mounted.put(hide_special=False)
    assert mounted.root().get_by_text("No tokens are left").is_hidden()
    assert mounted.root().locator(".stage canvas >> visible=true").count() == 1


def test_two_views_of_one_widget_go_together_and_leave_nothing_behind(page, trace):
    view = al.AttentionView(trace, heads=3)
    mounted = Mounted(page, view, places=2)
    mounted.root(0).locator(".token.query").nth(2).click()
    mounted.settle()
    assert mounted.root(1).locator(".token.query").nth(2).get_attribute("aria-selected") == "true"
    page.evaluate("() => window.views[0].ends[0]()")
    mounted.put(mode="matrix", query=None)
    assert_drawn(mounted, trace[0, 3], place=1)
    page.evaluate("() => window.views[0].ends[1]()")
    assert page.evaluate("() => window.views[0].listeners()") == 0


def test_a_view_that_is_hidden_meanwhile_keeps_its_size(page, trace):
    views = [al.HeadsView(trace), al.AttentionView(trace, heads=1), al.AttentionView(trace, mode="matrix")]
    mounted = Mounted(page, *views, width=1200)
    size = "(one) => [one.width, one.height]"
    canvases = [mounted.root(1).locator(".lines canvas"), mounted.root(2).locator("canvas.matrix")]
    before = [canvas.evaluate(size) for canvas in canvases]
    page.evaluate("() => document.querySelectorAll('.place').forEach((one) => (one.style.display = 'none'))")
    for number in range(3):
        mounted.put(number, layer=1)
    assert [canvas.evaluate(size) for canvas in canvases] == before


# -- comparison -----------------------------------------------------------------------------------------------


def test_the_map_of_distances_keeps_the_keyboards_focus(page, trace, lens):
    view = al.CompareView(
        trace, lens.trace("a dull , funny film with one gripping stretch ."), layer=1, head=2
    )
    mounted = Mounted(page, view)
    mounted.root().locator(".distances button[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    mounted.settle()
    assert (view.layer, view.head) == (2, 3)
    focused = page.evaluate(
        "() => document.activeElement.shadowRoot.activeElement.getAttribute('aria-label')"
    )
    assert focused.startswith("layer 2, head 3")
    assert mounted.root().locator(".distances button[tabindex='0']").count() == 1


def test_compared_weights_are_those_of_both_traces_and_their_difference(page, trace, lens):
    other = lens.trace("a dull , funny film with one gripping stretch .")
    mounted = Mounted(page, al.CompareView(trace, other, layer=1, head=2), width=1200)
    mounted.root().locator("canvas.matrix").first.hover(
        position={"x": 84 + 3.5 * 440 / 12, "y": 84 + 5.5 * 440 / 12}
    )
    one, two = float(trace[1, 2, 5, 3]), float(other[1, 2, 5, 3])
    a, b, difference = map(
        float, re.search(r"a ([\d.e-]+) · b ([\d.e-]+) · b − a ([\d.e-]+)", said(mounted)).groups()
    )
    assert (a, b, difference) == pytest.approx((one, two, two - one), rel=0.01, abs=1e-4)


def test_weights_that_stay_in_python_are_compared_too(page, remote):
    mounted = Mounted(page, al.CompareView(remote, made(700, layers=3), layer=1, head=1), width=1200)
    mounted.root().locator("canvas.matrix").first.hover(position={"x": 200, "y": 150})
    mounted.settle()
    text = said(mounted)
    assert "no partner" not in text
    assert re.search(r"a [\d.e-]+ · b [\d.e-]+ · b − a 0$", text)


@pytest.mark.parametrize("width", [360, 600, 900, 1200])
def test_nothing_is_cut_off_at_any_width(page, trace, lens, width):
    other = lens.trace("a dull film with more of it")
    views = [al.HeadsView(trace), al.AttentionView(trace, mode="matrix"), al.CompareView(trace, other)]
    mounted = Mounted(page, *views, width=width)
    for place in range(3):
        assert mounted.root(place).locator(".stage").evaluate("(one) => one.scrollWidth <= one.clientWidth")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
