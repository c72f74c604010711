"""What a notebook shows of a trace and of an attribution, in a real browser."""

from __future__ import annotations

import dataclasses

import pytest

import attnlens as al

HOSTILE = "</span></script><img src=x onerror='window.ran = true'><!--<script>"


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


def with_hostile_token(thing):
    tokens = (dataclasses.replace(thing.tokens[0], text=HOSTILE), *thing.tokens[1:])
    return dataclasses.replace(thing, tokens=tokens)


def test_a_trace_shows_its_tokens_and_a_thumbnail_of_every_head(page, lens):
    trace = lens.trace("a gripping , funny film with one dull stretch .")
    page.set_content(trace._repr_html_())
    assert "gripping" in page.inner_text("body")
    assert "positive" in page.inner_text("body")
    picture = page.locator("img")
    assert picture.count() == 1
    wide, high = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert wide / trace[0].heads == high / len(trace) > 40


def test_an_attribution_colours_its_tokens(page, lens):
    attribution = lens.attribute("a dull and boring film", target="negative")
    page.set_content(attribution._repr_html_())
    strongest = attribution.tokens[int(attribution.scores.argmax())].text
    colour = page.get_by_text(strongest, exact=True).evaluate("e => getComputedStyle(e).backgroundColor")
    red, _, blue = (int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    assert blue > red
    assert "completeness gap" in page.inner_text("body")


@pytest.mark.parametrize("make", ["trace", "attribute"])
def test_a_hostile_token_is_shown_and_runs_nothing(page, lens, make):
    page.set_content(with_hostile_token(getattr(lens, make)("a fine film"))._repr_html_())
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert HOSTILE in page.inner_text("body")
