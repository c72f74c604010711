"""The page of heads in a real browser: the overview leads to a head, and its address leads back."""

from __future__ import annotations

import pytest

import attnlens as al

from ..corpus.test_head_pages import ROWS, pages_of
from .printed import Printed


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pages = pages_of(al.load("sentiment"), ROWS[:24], label="label", sample=16, effects=4)
    return pages, pages.report(tmp_path_factory.mktemp("heads") / "heads.html")


@pytest.mark.parametrize("width", [420, 1000])
def test_a_point_opens_a_head_whose_address_opens_it_again(page, written, width):
    pages, path = written
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri())
    assert page.locator(".scatter circle").count() == len(pages.heads)
    page.locator(".heads button").nth(14).click()
    page.locator(".head h2", has_text="Layer 1, head 2").wait_for()
    assert page.url.endswith("#head=1.2")
    page.goto(path.as_uri() + "#head=3.4")
    page.reload()
    page.locator(".head h2", has_text="Layer 3, head 4").wait_for()
    page.locator("#all a", has_text="5.9").click()
    page.locator(".head h2", has_text="Layer 5, head 9").wait_for()
    page.get_by_role("combobox", name="patterns").select_option("previous")
    shown = int((pages.labels.pattern == "previous").sum())
    assert page.locator("#all tbody tr:visible").count() == shown > 0
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tokens_are_tinted_by_keyboard_too(page, written, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(written[1].as_uri() + "#head=0.2")
    first = page.locator(".example").first
    pressed = first.locator(".token[aria-pressed=true]").inner_text()
    first.locator(".token").nth(1).focus()
    page.keyboard.press("Enter")
    assert first.locator(".token[aria-pressed=true]").count() == 1
    colours = first.locator(".token").evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert len(set(colours)) > 1
    assert pressed


def test_a_printed_page_repeats_the_names_of_columns(page, written):
    page.goto(written[1].as_uri())
    page.locator(".head h2").wait_for()
    printed = Printed(page.pdf(format="A4", print_background=False))
    assert printed.text.count("entropydistanceweight") > 1
    assert "previoushead" not in printed.text  # the buttons
