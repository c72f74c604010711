"""TokensView in a real browser: the bundle on a page of its own, its questions answered by the real Python half."""

from __future__ import annotations

import base64
import dataclasses
import json
import re

import pytest
from playwright.sync_api import expect

import attnlens as al
from attnlens.attribution import Target
from attnlens.widgets import TokensView

TEXT = "a gripping , funny film with one dull stretch ."
HOSTILE = (
    "</span></script><img src=x onerror='window.ran = true'><!--<script>window.ran = true</script>",
    "##<b onclick='window.ran = true'>",
    "\0",
    "\u202eturned\u2066",
    "\U0001f469\u200d\U0001f467 emoji",
    "x" * 10_000,
    "a" + "\u0301" * 400,
)

MOUNT = """
async ([bundle, state, theme]) => {
    const handlers = new Map();
    const emit = (event, ...given) => [...(handlers.get(event) ?? [])].forEach((one) => one(...given));
    const bytes = (value) => value?.$bytes === undefined ? value
        : new DataView(Uint8Array.from(atob(value.$bytes), (c) => c.charCodeAt(0)).buffer);
    const held = {};
    const take = (changed) => {
        for (const name in changed) held[name] = bytes(changed[name]);
        for (const name in changed) emit(`change:${name}`);
    };
    const own = new Set();
    const model = {
        get: (name) => held[name],
        set(name, value) {
            if (JSON.stringify(held[name]) === JSON.stringify(value)) return;
            held[name] = value;
            own.add(name);
            emit(`change:${name}`);
        },
        save_changes() {
            const changed = Object.fromEntries([...own].map((name) => [name, held[name]]));
            own.clear();
            window.python?.({ state: changed }).then(([state]) => take(state));
        },
        on: (event, act) => handlers.set(event, (handlers.get(event) ?? new Set()).add(act)),
        off: (event, act) => handlers.get(event)?.delete(act),
        send: (content) => window.python({ content }).then(([state, sent]) => {
            take(state);
            sent.forEach((one) => emit("msg:custom", one, []));
        }),
    };
    take(state);
    document.body.style.background = theme;
    const el = document.body.appendChild(document.createElement("div"));
    const url = URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }));
    window.end = (await import(url)).default.render({ model, el });
    window.model = model;
}
"""


def plain(values: dict) -> dict:
    """A widget's state as JSON: bytes by name."""
    return {
        name: {"$bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in values.items()
    }


def mount(page, view: TokensView, theme: str = "white") -> None:
    """Shows the view; what the page sets and asks reaches Python, which answers."""
    names = [name for name in view.keys if not name.startswith("_") and hasattr(type(view), name)]
    names = [name for name in names if name not in ("layout", "tabbable", "tooltip")]
    sent: list[dict] = []
    view.send = lambda content, buffers=None: sent.append(content)

    def python(message: dict) -> list:
        sent.clear()
        before = view.get_state(names)
        if "state" in message:
            view.set_state(message["state"])
        else:
            view._reply(view, message["content"], [])
        after = view.get_state(names)
        return [plain({name: after[name] for name in names if after[name] != before[name]}), list(sent)]

    page.expose_function("python", python)
    page.set_content("<!doctype html><body></body>")
    page.evaluate(MOUNT, [str(view._esm), json.loads(json.dumps(plain(view.get_state(names)))), theme])


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def part(page, text: str):
    return page.get_by_role("option", name=re.compile(f"^“{re.escape(text)}”"))


def rgb(locator) -> list[int]:
    return [
        int(one)
        for one in re.findall(r"\d+", locator.evaluate("e => getComputedStyle(e).backgroundColor"))[:3]
    ]


def test_colours_are_those_of_the_numbers(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    scores = view.attribution.scores.tolist()
    for token, score in zip(view.attribution.tokens, scores):
        if abs(score) > 0.1 * max(map(abs, scores)):
            red, _, blue = rgb(part(page, token.text))
            assert (blue > red) == (score > 0), token


@pytest.mark.parametrize("theme", ["white", "#111"])
def test_every_token_is_read_easily(page, lens, theme):
    mount(page, TokensView(lens, TEXT), theme)
    worst = page.get_by_role("listbox").evaluate(
        """list => {
            const light = (colour) => {
                const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255)
                    .map((c) => c <= 0.04 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
            };
            const ratio = (e) => {
                const { color, backgroundColor } = getComputedStyle(e);
                const [a, b] = [light(color), light(backgroundColor)];
                return Math.max(a, b) / Math.min(a, b);
            };
            return Math.min(...[...list.querySelectorAll(".part:not(.special)")].map(ratio));
        }"""
    )
    assert worst >= 4.5


def test_typing_explains_the_new_text_and_python_has_it(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    page.get_by_role("textbox").fill("a dull film")
    expect(part(page, "stretch")).to_have_count(0)
    expect(page.locator(".asked")).to_contain_text("predicted negative")
    assert view.text == "a dull film"
    assert view.attribution.target.name == "negative"
    score = float(view.attribution.scores[2])
    expect(part(page, "dull")).to_have_attribute("aria-label", f"“dull”: +{score:.3g} logit")


def test_an_empty_text_is_a_notice_and_nothing_moves(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    before = page.get_by_role("listbox").bounding_box()
    page.get_by_role("textbox").fill("")
    expect(page.locator(".note")).to_have_text("the text is empty; give at least one word")
    assert page.get_by_role("listbox").bounding_box() == before
    expect(part(page, "funny")).to_be_visible()
    assert view.text == TEXT
    page.get_by_role("textbox").fill("fine")
    expect(part(page, "fine")).to_be_visible()
    expect(page.locator(".note")).not_to_have_attribute("data-kind", "error")


def test_another_class_and_another_method_are_explained(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    page.get_by_label("Class that is explained").select_option("negative")
    expect(page.locator(".asked")).to_contain_text("explained negative")
    page.get_by_label("Method").select_option("gradient")
    expect(page.locator(".verdict")).to_have_text(
        "No unit: the scores only rank and do not sum to the change"
    )
    assert (view.target, view.method) == ("negative", "gradient")


def test_the_readout_gives_the_number_and_arrows_go_on(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    part(page, "gripping").click()
    assert view.token == 2
    expect(page.locator(".readout")).to_contain_text("“gripping”: +")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(part(page, "funny")).to_be_focused()
    expect(part(page, "funny")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".readout")).to_contain_text("for positive · rank 2 of 12 · token 4")
    page.keyboard.press("Escape")
    expect(page.locator(".part[aria-selected=true]")).to_have_count(0)
    assert view.token is None


def test_the_strongest_are_listed_from_for_to_against(page, lens):
    view = TokensView(lens, TEXT)
    mount(page, view)
    page.get_by_role("button", name="ranked").click()
    expect(page.locator(".rank")).to_have_count(10)
    numbers = [float(said.replace("−", "-")) for said in page.locator(".rank .figure").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == pytest.approx(float(view.attribution.scores.min()), abs=0.01)
    assert view.sort is True


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("level", ["token", "word"])
def test_hostile_tokens_run_nothing_and_stay_inside(page, lens, level, sort):
    attribution = lens.attribute("fine film dull film fine film dull film", "negative")
    hostile = [dataclasses.replace(token, text=text, start=None, end=None)
               for token, text in zip(attribution.tokens[1:], HOSTILE)]  # fmt: skip
    tokens = (attribution.tokens[0], *hostile, *attribution.tokens[1 + len(hostile) :])
    attribution = dataclasses.replace(
        attribution, tokens=tokens, target=Target(HOSTILE[0], 0), model=HOSTILE[0]
    )
    mount(page, TokensView([attribution, attribution], level=level, sort=sort))
    for one in page.locator("[data-part]").all():
        one.hover()
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.locator("img, script").count() == 0
    wide, room = page.locator(".stage").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide <= room
    assert page.locator(".scored").bounding_box()["height"] < 700
    assert "\u202e" not in page.locator(".view").inner_text()


def test_a_long_text_wraps_and_stays_fluid(page, lens):
    text = " ".join(al.models.sample_sentences() * 4)
    view = TokensView(lens, text, window=128, method="gradient_x_input")
    assert len(view.attribution) > 400
    mount(page, view)
    wide, room = page.locator(".stage").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide <= room
    page.locator(".part").nth(200).click()
    slowest = page.evaluate(
        """async () => {
            const frame = () => new Promise((done) => requestAnimationFrame(done));
            let slowest = 0;
            for (let token = 100; token < 130; token++) {
                const start = performance.now();
                window.model.set("token", token);
                await frame();
                await frame();
                slowest = Math.max(slowest, performance.now() - start);
            }
            return slowest;
        }"""
    )
    assert slowest < 250


def test_the_picture_is_an_svg_with_every_token(page, lens):
    mount(page, TokensView(lens, TEXT))
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    picture = download.value.path().read_text()
    page.evaluate("svg => { window.found = new DOMParser().parseFromString(svg, 'image/svg+xml') }", picture)
    assert page.evaluate("found.querySelector('parsererror')") is None
    words = page.evaluate("[...found.querySelectorAll('text')].map((one) => one.textContent)")
    assert set(TEXT.split()) <= set(words)
    assert any("ompleteness gap" in said for said in words)
    assert re.fullmatch(r"attnlens-attribution-positive-[a-z-]+\.svg", download.value.suggested_filename)
    marked = page.evaluate("[...found.querySelectorAll('[text-decoration]')].map((one) => one.textContent)")
    assert marked == page.locator(".part.against").all_inner_texts()
    assert marked
    assert page.evaluate("found.querySelectorAll('rect').length") > len(TEXT.split())
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left_of_a_view_that_ends(page, lens):
    mount(page, TokensView(lens, TEXT))
    expect(page.locator(".part")).to_have_count(12)
    page.evaluate("window.end()")
    expect(page.locator(".part")).to_have_count(0)
