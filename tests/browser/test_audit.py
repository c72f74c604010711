"""The page of an audit in a real browser: its tables sort and filter."""

from __future__ import annotations

import pytest

import attnlens as al

from ..corpus import planted_pictures as planted
from .mounting import eventually


@pytest.fixture
def written(page_of_audit):
    return page_of_audit


@pytest.mark.parametrize("width", [420, 1000])
def test_tables_sort_and_filter(page, written, width):
    audit, path = written
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path.as_uri())
    rows = page.locator("#errors > tbody > tr:visible")
    assert rows.count() == len(audit.errors)
    page.locator("#errors th", has_text="probability").get_by_role("button").click()
    page.locator("#errors th", has_text="probability").get_by_role("button").click()
    assert page.locator("#errors th[aria-sort=ascending]").count() == 1
    least = f"{audit.errors['probability'].min():.3f}"
    assert least in rows.first.inner_text()
    page.get_by_role("combobox", name="predictions").first.select_option("positive")
    wanted = int((audit.errors["prediction"] == "positive").sum())
    assert rows.count() == wanted
    assert page.locator("form[data-table=errors] output").inner_text() == f"{wanted} of {len(audit.errors)}"
    page.get_by_role("searchbox").first.fill("no such word")
    assert rows.count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_row_opens_by_the_keyboard_and_stays_with_its_row(page, written):
    audit, path = written
    page.goto(path.as_uri())
    first = page.locator("#errors summary").first
    first.focus()
    page.keyboard.press("Enter")
    opened = page.locator("#errors details[open] .opened")
    assert opened.is_visible()
    assert "completeness gap" in opened.inner_text()
    page.locator("#errors th", has_text="probability").first.get_by_role("button").click()
    page.locator("#errors th", has_text="probability").first.get_by_role("button").click()
    last = page.locator("#errors > tbody > tr").last
    assert last.locator("details[open]").count() == 1
    assert audit.errors["key"].astype(str)[0] in last.inner_text()
    page.get_by_role("searchbox").first.fill("completeness")  # is in every explanation, and in no text
    assert page.locator("#errors > tbody > tr:visible").count() == 0


def test_an_address_restores_a_table(page, written):
    audit, path = written
    last = len(audit.errors) - 1
    page.goto(path.as_uri() + f"#table=errors&sort=probability&order=ascending&row={last}")
    opened = page.locator("#errors details[open]")
    assert opened.count() == 1
    assert audit.errors["input"][last] in opened.locator("summary").inner_text()
    assert page.locator("#errors th[aria-sort=ascending]").inner_text().startswith("probability")
    page.locator("#slices th", has_text="inputs").get_by_role("button").click()
    page.wait_for_url("**#table=slices&sort=inputs")
    page.evaluate("location.hash = '#table=errors&filter=film'")
    eventually(page, lambda: page.get_by_role("searchbox").first.input_value() == "film")
    wanted = int(audit.errors["input"].str.contains("film").sum())
    assert page.locator("#errors > tbody > tr:visible").count() == wanted


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    rows = planted.records(6, 5, boxes=True)
    audit = al.audit(planted.classifier(steps=1), rows, mask="mask", head_stats=False, progress=False)
    return audit.report(tmp_path_factory.mktemp("pictures") / "a.html")


def test_a_picture_opens_large_by_the_keyboard(page, pictured):
    page.goto(pictured.as_uri())
    small = page.locator("#errors .opens").first
    small.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.locator("svg").bounding_box()["width"] > 4 * small.bounding_box()["width"]
    assert "true class" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert small.evaluate("e => e === document.activeElement")


def test_maps_lie_over_their_picture(page, pictured):
    page.goto(pictured.as_uri())
    page.locator("#errors summary").first.click()
    figures = page.locator("#errors details[open] figure svg")
    assert figures.count() == 2
    boxes = [
        page.evaluate(
            "e => { const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] }", part
        )
        for part in figures.first.locator(":scope > *").element_handles()
    ]
    assert len(boxes) == 3
    for box in boxes:
        assert box == pytest.approx(boxes[0], abs=1)
    assert boxes[0][2] == pytest.approx(boxes[0][3])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_coloured(page, written, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(written[1].as_uri())
    tints = page.locator("#errors [class*=for-]").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(tints)) > 2
    assert "rgba(0, 0, 0, 0)" not in tints
