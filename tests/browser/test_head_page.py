"""The page of heads in a real browser: the overview leads to a head, and its address leads back."""

from __future__ import annotations

import pytest

from .printed import Printed


@pytest.fixture
def written(page_of_heads):
    return page_of_heads


@pytest.mark.parametrize("width", [420, 1000])
def test_a_point_opens_a_head_whose_address_opens_it_again(page, written, width):
    pages, path = written
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri())
    assert page.locator(".scatter circle").count() == len(pages.heads)
    page.get_by_role("gridcell", name="layer 1, head 2:").click()
    page.locator(".head h2", has_text="Layer 1, head 2").wait_for()
    assert page.url.endswith("#head=1.2")
    page.goto(path.as_uri() + "#head=3.4")
    page.reload()
    page.locator(".head h2", has_text="Layer 3, head 4").wait_for()
    page.locator("#all a", has_text="5.9").click()
    page.locator(".head h2", has_text="Layer 5, head 9").wait_for()
    assert page.locator("#all tr.chosen").inner_text().startswith("5.9")
    page.get_by_role("combobox", name="patterns").select_option("previous")
    shown = int((pages.labels.pattern == "previous").sum())
    assert page.locator("#all tbody tr:visible").count() == shown > 0
    page.wait_for_url("**#head=5.9&table=all&pattern=previous")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_squares_are_those_of_heads_view(page, written):
    pages, path = written
    page.goto(path.as_uri() + "#head=0.2&by=entropy")
    table = pages.table.sort_values("entropy")
    most, least = table.iloc[-1], table.iloc[0]
    said = page.locator(".headline").inner_text()
    assert said.startswith(
        f"Entropy: highest in layer {most.layer:.0f}, head {most['head']:.0f} ({most.entropy:.3g})"
    )
    assert f"lowest in layer {least.layer:.0f}, head {least['head']:.0f}" in said
    squares = page.locator(".squares .tile")
    colours = squares.evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert len(colours) == len(pages.heads)
    assert len(set(colours)) > len(pages.heads) / 2
    squares.nth(2).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".head h2", has_text="Layer 1, head 2").wait_for()
    page.emulate_media(color_scheme="dark")
    dark = squares.first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert dark != colours[0]


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
