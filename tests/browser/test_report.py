"""A report from its file, in a real browser without a network."""

from __future__ import annotations

import re

import pytest
import torch

import attnlens as al
from attnlens import _palette
from attnlens.data._attention import Band, Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.widgets._tiles import HeadSelection, Tiles

from .mounting import eventually
from .printed import Printed

SENTENCE = "a gripping , funny film with one dull stretch ."
HOSTILE = (
    "</script><img src=x onerror='window.ran = true'>",
    "<!--<script>window.ran = true",
    "'\"><svg onload=window.ran=true>",
    "${window.ran = true}",
    "##ing",
    "nul\0cr\r\nlf",
    "\u202etxet\u2066",
    "\U0001f469\u200d\U0001f52c",
    "\ud800 alone",
    "long" * 2500,
)


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def written(lens, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return lens.trace(SENTENCE), al.report(lens, SENTENCE, path)


def wait_for(page, expression, argument=None):
    """Until the expression holds; Playwright's own waiting evaluates a string, which the page's policy forbids."""
    eventually(page, lambda: page.evaluate(expression, argument))


def open_report(page, path):
    """The page; anything that it asks for but itself, `blob:` and `data:` fails the test."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    wait_for(page, "() => Boolean(document.querySelector('[data-view]')?.shadowRoot)")
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {path.as_uri()}
    return asked


def scroll_through(page):
    """Brings every view into sight for a moment, so that it is drawn."""
    for room in page.locator("[data-view]").all():
        room.scroll_into_view_if_needed()
        wait_for(page, "view => view.shadowRoot !== null", room.element_handle())


def view(page, name):
    """One view of the page by its name, drawn."""
    scroll_through(page)
    found = page.get_by_role("group", name=name, exact=True)
    found.first.wait_for()
    return found


def test_a_report_shows_the_input_the_classes_and_every_view(page, written):
    trace, path = written
    open_report(page, path)
    said = page.inner_text("main")
    assert SENTENCE in said
    assert f"{trace.prediction.probability:.1%}" in said
    assert view(page, "Attention heads").get_by_role("gridcell").count() == len(trace) * trace[0].heads
    assert "gripping" in view(page, "Attention").inner_text()
    assert view(page, "Token attribution").count() == 1


def test_a_head_chosen_in_the_grid_is_the_one_whose_attention_is_shown(page, written):
    trace, path = written
    open_report(page, path)
    attention = view(page, "Attention")
    view(page, "Attention heads").get_by_role("gridcell", name="layer 2, head 7").click()
    attention.get_by_role("button", name="head 7", pressed=True).wait_for()
    assert attention.get_by_label("Layer").input_value() == "2"
    attention.get_by_text("gripping", exact=True).first.click()
    best = float(trace[2, 7, [token.text for token in trace.tokens].index("gripping")].max())
    attention.get_by_text("“gripping” attends to").wait_for()
    said = attention.locator(".readout").inner_text()
    assert said.startswith("“gripping” attends to ")
    assert float(said.split("”")[2].split(",")[0]) == pytest.approx(best, rel=0.01)


def test_a_head_chosen_beside_the_attention_is_selected_in_the_grid(page, written):
    _, path = written
    open_report(page, path)
    attention = view(page, "Attention")
    attention.get_by_role("button", name="head 0", exact=True).click()
    attention.get_by_label("Layer").select_option("1")
    view(page, "Attention heads").get_by_role("gridcell", name="layer 1, head 0", selected=True).wait_for()


def test_the_product_behind_a_score_is_told_from_the_bytes_of_the_page(page, written):
    _, path = written
    open_report(page, path)
    attention = view(page, "Attention")
    attention.get_by_role("button", name="matrix").click()
    matrix = attention.locator("canvas.matrix")
    matrix.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        matrix.press(key)
    detail = attention.locator(".detail")
    detail.wait_for()
    assert "Sum of the products" in detail.inner_text()


def test_colours_follow_the_system(chromium, written):
    _, path = written
    backgrounds = []
    for scheme in ("light", "dark"):
        context = chromium.new_context(offline=True, color_scheme=scheme)
        page = context.new_page()
        open_report(page, path)
        assert view(page, "Attention heads").get_attribute("data-theme") == scheme
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert backgrounds[0] != backgrounds[1]


def hostile_trace() -> Trace:
    weights = torch.softmax(torch.randn(2, len(HOSTILE), len(HOSTILE)), -1)
    return Trace(
        (Layer(HOSTILE[0], "self", Weights(weights)),),
        model=HOSTILE[1] + HOSTILE[0],
        tokens=tuple(Token(text) for text in HOSTILE),
        text=(HOSTILE[0] + HOSTILE[1], "".join(HOSTILE)),
        logits=torch.arange(float(len(HOSTILE))),
        labels=HOSTILE,
    )


@pytest.mark.parametrize("several", [False, True])
def test_hostile_tokens_labels_and_titles_are_shown_and_run_nothing(page, tmp_path, several):
    trace = hostile_trace()
    path = tmp_path / "<script>report.html"
    al.report([trace, trace] if several else trace, path=path, title=HOSTILE[0] + HOSTILE[1])
    open_report(page, path)
    assert page.title() == HOSTILE[0] + HOSTILE[1]
    attention = view(page, "Attention").first
    assert "</script><img src=x" in attention.inner_text()
    assert HOSTILE[0] in page.inner_text("main")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main svg[onload]").count() == 0


def test_the_policy_stops_scripts_that_are_not_the_reports_own(chromium, written, tmp_path):
    """Each of these runs in a page without the policy."""
    _, path = written
    bad = (
        "<script>window.ran = 1</script><img src='data:,' onerror='window.ran = 1'>"
        "<script type=module src='data:text/javascript,window.ran=1'></script>"
    )
    changed = tmp_path / "changed.html"
    context = chromium.new_context(offline=True)
    for policy, ran in ((True, None), (False, 1)):
        html = path.read_text(encoding="utf-8").replace("<main>", f"<main>{bad}", 1)
        changed.write_text(html if policy else html.replace("Content-Security-Policy", "x"), encoding="utf-8")
        page = context.new_page()
        page.goto(changed.as_uri())
        page.wait_for_timeout(200)
        assert page.evaluate("window.ran ?? null") == ran
        fetched = page.evaluate("fetch('data:,x').then(() => 'fetched', () => 'refused')")
        assert fetched == ("refused" if policy else "fetched")
    context.close()


def test_a_damaged_report_says_so(chromium, written, tmp_path):
    _, path = written
    html = path.read_text(encoding="utf-8")
    start = html.index('id="bytes-0"')
    start = html.index(">", start) + 40
    damaged = tmp_path / "damaged.html"
    damaged.write_text(html[:start] + html[start + 8 :], encoding="utf-8")
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto(damaged.as_uri())
    page.locator(".failed").first.wait_for()
    assert "damaged" in page.locator(".failed").first.inner_text()
    context.close()


def made(length: int, layers: int = 2) -> Trace:
    """Of factors, seeded; token i says its number."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(layers):
        query, key = torch.randn(2, 2, length, 16, generator=generator)
        found.append(Layer(f"layer.{number}", "self", Factors(query, key, 0.25)))
    return Trace(tuple(found), model="made", tokens=tuple(Token(f"t{i}") for i in range(length)))


@pytest.mark.parametrize("compress", [True, False])
def test_the_browser_reads_the_numbers_that_python_wrote(page, tmp_path, compress):
    trace = made(300)
    path = al.report(trace, path=tmp_path / "report.html", views="attention", compress=compress)
    open_report(page, path)
    attention = view(page, "Attention")
    attention.get_by_role("button", name="lines").click()
    attention.get_by_label("Layer").select_option("1")
    attention.get_by_role("button", name="head 1", exact=True).click()
    attention.get_by_text("t4", exact=True).first.click()
    row = trace[1, 1, 4]
    best = int(row.argmax())
    attention.get_by_text("“t4” attends to").wait_for()
    said = attention.locator(".readout").inner_text()
    assert said.startswith(f"“t4” attends to “t{best}” ")
    assert float(said.split("”")[2].split(",")[0]) == pytest.approx(float(row[best]), rel=0.01)


def test_a_trace_too_long_for_a_page_comes_as_a_map_and_says_so(page, tmp_path):
    path = al.report(made(1500), path=tmp_path / "report.html")
    assert path.stat().st_size < 2_000_000
    open_report(page, path)
    attention = view(page, "Attention")
    assert "too long for a page" in page.inner_text("main")
    matrix = attention.locator("canvas.matrix")
    matrix.wait_for()
    colours = (
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(120, 100, 200, 200).data.buffer)).size"
    )
    eventually(page, lambda: matrix.evaluate(colours) > 20)
    attention.locator(".notice").wait_for(state="hidden")
    attention.get_by_role("button", name="lines").click()
    matrix.wait_for(state="hidden")


def long_trace(length: int = 2100) -> Trace:
    """Of two causal heads; the first token is special, and the second half is another text."""
    generator = torch.Generator().manual_seed(1)
    query, key = 2 * torch.randn(2, 2, length, 8, generator=generator)
    attention = Factors(query, key, 0.25, mask=Band(None, 0))
    tokens = tuple(Token(f"t{i}", special=i == 0, segment=2 * i // length) for i in range(length))
    return Trace((Layer("layer.0", "self", attention),), model="made", tokens=tokens)


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    """Of a long trace of which the page holds one head."""
    trace = long_trace()
    path = tmp_path_factory.mktemp("long") / "report.html"
    return trace, al.report(trace, path=path, views="attention", heads=[(0, 1)])


def pointed(page, attention, x: float, y: float, also: str = "") -> tuple[int, int, float, str]:
    """Query, key and weight of the cell at these pixels of the plot, once its weight is known, and all that is said."""
    box = attention.locator("canvas.matrix").bounding_box()
    page.mouse.move(box["x"] + 108 + x, box["y"] + 92 + y)
    readout = attention.locator(".readout")
    eventually(page, lambda: re.search(rf"”: [\d.e-]+ · .*query \d+.*{also}", readout.inner_text()))
    said = readout.inner_text()
    query, key = map(int, re.search(r"query (\d+), key (\d+)", said).groups())
    return query, key, float(re.search(r"”: ([\d.e-]+) ·", said)[1]), said


def as_said(weight: torch.Tensor):
    """A weight with three figures, two of a small one, of vectors in float16."""
    return pytest.approx(float(weight), rel=0.01 if weight >= 1e-3 else 0.06, abs=1e-7)


def test_a_long_head_is_computed_from_the_whole_down_to_its_weights(page, long_report):
    trace, path = long_report
    open_report(page, path)
    assert "Head 0.1 (layer.head) is here in every detail" in page.inner_text("main")
    attention = view(page, "Attention")
    attention.get_by_role("button", name="options").click()
    attention.locator("canvas.matrix").focus()
    for pool, name in (("max", "largest"), ("mean", "mean")):
        attention.get_by_label("What a cell of several weights shows").select_option(pool)
        page.keyboard.press("0")
        for zooms in (0, 2, 6):  # a key enlarges by half
            for _ in range(zooms):
                page.keyboard.press("+")
            attention.locator(".notice").wait_for(state="hidden")
            query, key, weight, said = pointed(
                page, attention, 100 + zooms, 300, f"{name} of" if zooms < 6 else ""
            )
            assert weight == as_said(trace[0, 1, query, key])
            if zooms < 6:
                size, cell = re.search(rf"{name} of (\d+) × \d+ there: ([\d.e-]+)", said).groups()
                level = int(size).bit_length() - 1
                row, col = query >> level, key >> level
                tile = Tiles(trace).tile(HeadSelection(0, (1,), pool=pool), level, row // 256, col // 256)
                assert float(cell) == as_said(tile[row % 256, col % 256])


def test_a_long_head_without_special_tokens_and_of_one_text(page, long_report):
    trace, path = long_report
    open_report(page, path)
    attention = view(page, "Attention")
    left = trace.renormalize()
    attention.get_by_role("button", name="options").click()
    attention.get_by_label("hide special tokens").check()
    attention.get_by_label("Which texts").select_option("b-a")
    query, key, weight, _ = pointed(page, attention, 30, 200)
    assert query >= 1050 > key > 0
    assert weight == as_said(left[0, 1, query, key])


def test_rows_and_products_of_a_long_head(page, long_report):
    trace, path = long_report
    open_report(page, path)
    attention = view(page, "Attention")
    query, key, *_ = pointed(page, attention, 100, 300)
    page.mouse.down()
    page.mouse.up()
    attention.get_by_text("Sum of the products").wait_for()
    q, k = trace[0].query[1, query], trace[0].key[1, key]
    score = float(
        re.search(r"score (-?[\d.e-]+);", attention.locator(".detail").inner_text())[1].replace("−", "-")
    )
    assert score == pytest.approx(float(q @ k * trace[0].scale), rel=0.01, abs=0.01)
    page.keyboard.press("Escape")
    attention.get_by_role("button", name="lines").click()
    attention.get_by_text("t3", exact=True).first.click()
    attention.get_by_text("“t3” attends to").wait_for()
    row = trace[0, 1, 3]
    said = attention.locator(".readout").inner_text()
    assert said.startswith(f"“t3” attends to “t{int(row.argmax())}” ")
    assert float(said.split("”")[2].split(",")[0]) == pytest.approx(float(row.max()), rel=0.01)


def test_other_heads_of_a_long_trace_are_maps_that_say_what_is_held(page, long_report):
    _, path = long_report
    open_report(page, path)
    attention = view(page, "Attention")
    attention.get_by_role("button", name="head 0", exact=True).click()
    attention.locator("canvas.matrix").focus()
    attention.locator(".notice").wait_for(state="hidden")
    for _ in range(8):
        page.keyboard.press("+")
    attention.get_by_text("Of this layer it holds head 1 in every detail").wait_for()


def test_several_inputs_have_a_section_each(page, lens, tmp_path):
    path = al.report(lens, [SENTENCE, "a dull film"], tmp_path / "report.html")
    open_report(page, path)
    page.get_by_role("navigation").get_by_role("link", name="a dull film").click()
    wait_for(page, "() => document.querySelectorAll('[data-view]')[3].shadowRoot !== null")
    heads = view(page, "Attention heads")
    assert heads.count() == 2
    heads.nth(1).get_by_role("gridcell", name="layer 0, head 3").click()
    heads.nth(1).get_by_role("gridcell", name="layer 0, head 3", selected=True).wait_for()
    assert heads.nth(0).get_by_role("gridcell", name="layer 0, head 3", selected=True).count() == 0


def all_drawn(page):
    """Waits until every view is drawn, without scrolling."""
    wait_for(page, "() => [...document.querySelectorAll('[data-view]')].every(view => view.shadowRoot)")
    page.locator("[aria-selected=true]").first.wait_for()


def test_every_view_is_printed_in_light_colours(page, lens, tmp_path):
    """Seven views, of which the screen shows the first, in dark colours."""
    page.emulate_media(color_scheme="dark")
    path = al.report(lens, [SENTENCE, "a dull film"], tmp_path / "report.html")
    open_report(page, path)
    all_drawn(page)
    options = view(page, "Attention").first.get_by_role("button", name="options")
    options.click()
    view(page, "Attention").first.get_by_label("log scale").check()
    options.click()
    printed = Printed(page.pdf(format="A4", print_background=False))
    assert printed.text.count("logscale") == 1  # what is in use, though the options are closed
    explained = ("Inasquare", "Queriesontheleft", "Bluesupports", "Queriesrundown")
    assert [printed.text.count(start) for start in explained] == [2, 2, 2, 1]
    assert printed.text.count("dull") > 6
    assert "hidespecialtokens" not in printed.text
    assert "SVG" not in printed.text
    assert _palette.rgb(_palette.colour("page", "dark")) not in printed.fills
    page.emulate_media(color_scheme="light")
    strongest = page.get_by_role("option", name="“dull”").first

    def colour():
        return strongest.evaluate("e => getComputedStyle(e).backgroundColor")

    # A view takes the theme at the next frame.
    eventually(page, lambda: tuple(map(int, re.findall(r"\d+", colour()))) in printed.fills)


@pytest.mark.parametrize(("width", "beside"), [(1000, False), (1500, True), (2000, True)])
def test_a_wide_page_has_heads_beside_attention(page, written, width, beside):
    page.set_viewport_size({"width": width, "height": 900})
    open_report(page, written[1])
    all_drawn(page)
    boxes = [view.bounding_box() for view in page.locator("[data-view]").all()]
    heads, attention, tokens = boxes
    assert (heads["y"] == attention["y"]) == beside
    assert min(box["width"] for box in boxes) >= 600
    assert tokens["width"] > 1.9 * heads["width"] if beside else tokens["width"] == heads["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def selected_heads(page):
    return [cell.get_attribute("aria-label") for cell in page.get_by_role("gridcell", selected=True).all()]


def test_an_address_opens_what_is_selected_and_follows_it(page, written):
    trace, path = written
    page.goto(f"{path.as_uri()}#layer=2&head=4,7&query=4")
    attention = view(page, "Attention")
    wait_for(page, "() => history.length === 2")
    assert attention.get_by_label("Layer").input_value() == "2"
    assert [name.split(":")[0] for name in selected_heads(page)] == ["layer 2, head 4", "layer 2, head 7"]
    attention.get_by_text(f"“{trace.tokens[4].text}” attends to").wait_for()
    assert view(page, "Token attribution").locator(".part[aria-selected=true]").inner_text() == "funny"
    attention.get_by_role("button", name="head 0", exact=True).click()
    eventually(page, lambda: page.url.endswith("#layer=2&head=0&query=4"))
    assert page.evaluate("history.length") == 2
    page.evaluate("location.hash = 'layer=1&head=3'")
    attention.get_by_role("button", name="head 3", pressed=True).wait_for()
    assert view(page, "Token attribution").locator(".part[aria-selected=true]").count() == 0
    page.get_by_role("button", name="copy link").click()
    page.get_by_role("button", name=re.compile("copied|address bar")).wait_for()


@pytest.mark.parametrize("fragment", ["layer=99&head=99&query=99", "layer=-1&head=x&query=", "&&=&", "<img>"])
def test_an_address_that_names_nothing_opens_the_page_as_it_was(page, written, fragment):
    _, path = written
    page.goto(path.as_uri())
    view(page, "Attention heads")
    before = selected_heads(page)
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#{fragment}")
    view(page, "Attention")
    assert selected_heads(page) == before


def test_an_address_names_the_section_of_several_inputs(page, lens, tmp_path):
    path = al.report(lens, [SENTENCE, "a dull film"], tmp_path / "report.html", views=["heads"])
    page.goto(f"{path.as_uri()}#part-1&layer=1&head=3")
    wait_for(page, "() => scrollY > 100")
    heads = view(page, "Attention heads")
    heads.nth(1).get_by_role("gridcell", name="layer 1, head 3", selected=True).wait_for()
    assert heads.nth(0).get_by_role("gridcell", name="layer 1, head 3", selected=True).count() == 0
    heads.nth(0).get_by_role("gridcell", name="layer 0, head 2").click()
    eventually(page, lambda: page.url.endswith("#part-0&layer=0&head=2"))


def test_forced_colours_leave_scores_and_what_is_selected(page, written):
    page.emulate_media(forced_colors="active")
    open_report(page, written[1])
    tokens, attention = view(page, "Token attribution"), view(page, "Attention")
    style = "(e, name) => getComputedStyle(e)[name]"
    colours = {part.evaluate(style, "backgroundColor") for part in tokens.locator(".part").all()}
    assert len(colours) > 4
    lines, matrix = (attention.get_by_role("button", name=name) for name in ("lines", "matrix"))
    assert lines.evaluate(style, "backgroundColor") != matrix.evaluate(style, "backgroundColor")
    assert page.get_by_role("gridcell", selected=True).evaluate(style, "outlineWidth") == "3px"


def test_an_image_has_its_picture_and_its_patches(page, tmp_path):
    path = al.report(al.load("cifar"), al.models.sample_images()["chelsea"], tmp_path / "report.html")
    open_report(page, path)
    wide = page.get_by_alt_text("The image as the model saw it").evaluate("image => image.naturalWidth")
    assert wide > 0
    scroll_through(page)
    assert page.locator("[data-view]").count() == 3


def test_a_picture_of_a_view_can_be_saved(page, written):
    _, path = written
    open_report(page, path)
    heads = view(page, "Attention heads")
    for kind in ("PNG", "SVG"):
        with page.expect_download() as download:
            heads.get_by_role("button", name=kind).click()
        assert download.value.suggested_filename.endswith(kind.lower())


def test_two_inputs_stand_beside_each_other_too(page, lens, tmp_path):
    traces = lens.trace([SENTENCE, SENTENCE.replace("dull", "great")])
    open_report(page, al.report(traces, path=tmp_path / "two.html"))
    scroll_through(page)
    compared = page.locator("#compared [data-view]")
    compared.locator(".distances button").nth(2 * 12 + 4).click()
    eventually(page, lambda: compared.get_by_label("other layer").input_value() == "2")
    box = compared.locator("canvas.matrix").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    eventually(page, lambda: "b − a" in compared.locator(".readout").inner_text())
    said = compared.locator(".readout").inner_text()
    query, key = (int(axis) for axis in said_cell(said, traces[0]))
    first, second = (float(trace[2, 4, query, key]) for trace in traces)
    numbers = [float(part) for part in re.findall(r"[ab] (-?[\d.e-]+)", said)]
    assert numbers[:2] == pytest.approx([first, second], rel=0.02, abs=1e-4)


def said_cell(said, trace):
    """The positions of the cell that a readout names by its tokens; each stands once in the text."""
    names = [token.text for token in trace.tokens]
    return [names.index(name) for name in re.findall("“(.*?)”", said)[:2]]


def test_notes_are_saved_with_the_page_and_open_what_they_are_about(page, written, tmp_path):
    _, path = written
    open_report(page, path)
    view(page, "Attention heads").get_by_role("gridcell", name="layer 2, head 7").click()
    view(page, "Attention").get_by_text("dull", exact=True).first.click()
    page.get_by_role("button", name="add note").click()
    page.keyboard.type(HOSTILE[0])
    page.get_by_text("Not saved yet").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="save page").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == path.name

    open_report(page, saved)
    assert page.locator(".notes").get_by_role("textbox").all_inner_texts() == [HOSTILE[0]]
    assert page.evaluate("window.ran") is None
    assert page.locator(".notes img").count() == 0
    assert selected_heads(page)[0].startswith("layer 5, head 9")
    page.get_by_role("button", name="layer 2, head 7, query “dull”").click()
    view(page, "Attention heads").get_by_role("gridcell", name="layer 2, head 7", selected=True).wait_for()
    printed = Printed(page.pdf(format="A4", print_background=False))
    assert "layer2,head7,query“dull”" in printed.text
    assert "onerror='window.ran=true'" in printed.text
    page.get_by_role("button", name="remove").click()
    page.locator(".notes").get_by_role("textbox").wait_for(state="detached")
    with page.expect_download() as download:
        page.get_by_role("button", name="save page").click()
    removed = download.value.path().read_text(encoding="utf-8")
    assert '<script type="application/json" id="notes">[]</script>' in removed
    scripts = [re.findall("<script.*?</script>", text, re.S) for text in (removed, path.read_text("utf-8"))]
    assert scripts[0] == scripts[1]
