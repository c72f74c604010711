"""Every token can be drawn, whatever its script, and nothing is drawn as an empty box."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties, findfont, get_font

from attnlens import plots
from attnlens.data._trace import Token, Trace
from attnlens.plots import _fonts

from .made import attribution, labels, said, text

BEYOND = chr(0xF0001)
"""A character for private use, which no font has."""


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        (" it", "it"), (" ", "␣"), ("", "␣"), ("\n", "↵"), ("a\nb", "a↵b"), ("\t", "⇥"), ("\u3000", "␣"),
        ("naïve", "naïve"), ("שלום", "שלום"), ("مرحبا", "مرحبا"), ("a\u200bb", r"a\u200bb"), ("a\u200db", "ab"),
        ("\x00", r"\x00"), (BEYOND, r"\U000f0001"),
    ],
)  # fmt: skip
def test_readable(given, drawn):
    assert _fonts.readable(given) == drawn


def test_long_texts_end_in_an_ellipsis():
    assert _fonts.readable("internationalisation", 10) == "internati…"
    assert _fonts.readable("abcdefghij", 10) == "abcdefghij"
    cut = _fonts.readable(BEYOND * 4, 16)
    assert cut == r"\U000f0001…"


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=12))
def test_any_text_has_a_shape(given):
    """What is drawn lies in the figure's font or in one of its fallbacks."""
    drawn = _fonts.readable(given)
    assert drawn
    assert not _fonts._lacking(drawn)
    own = set(map(chr, get_font(findfont(FontProperties())).get_charmap()))
    more = _fonts._fonts(_fonts._beyond(drawn, ("sans-serif",)), 0)
    for name in more:
        own |= set(map(chr, get_font(findfont(FontProperties(family=[name]))).get_charmap()))
    assert set(drawn) - {" "} <= own | {"\u00a0"} | {c for c in drawn if c.isspace()}


def test_a_figure_is_drawn_without_warnings_and_says_what_it_lacks():
    words = ["[CLS]", "naïve", "שלום", "مرحبا", "電影", BEYOND, "🙂", "$x$", "\n"]
    trace = Trace(text(len(words)).layers, tokens=tuple(Token(word) for word in words))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.head(trace, 0, 0)
        figure.draw_without_rendering()
        plots.tokens(attribution(words)).draw_without_rendering()
    assert r"\U000f0001" in labels(figure.axes[0].yaxis)
    assert "characters that no installed font has" in said(figure)


def test_a_text_that_can_be_drawn_needs_no_remark():
    assert "installed font" not in said(plots.head(text(4), 0, 0))


def test_a_fallback_is_taken_for_what_the_own_font_lacks(monkeypatch):
    letters = {"own": set("abc"), "more": set("de"), "most": set("defg")}
    entries = [type("Entry", (), dict(name=name, fname=name))() for name in ("more", "most")]
    monkeypatch.setattr(_fonts, "_candidates", lambda: entries)
    monkeypatch.setattr(_fonts, "_characters", lambda path: frozenset(letters[path]))
    _fonts._fonts.cache_clear()
    assert _fonts._fonts(frozenset("de"), 1) == ("more",)
    assert _fonts._fonts(frozenset("dg"), 1) == ("more", "most")
    assert _fonts._fonts(frozenset("z"), 1) == ()
    _fonts._fonts.cache_clear()


def test_boxes_and_bitmaps_are_no_fallback():
    assert not any(word in entry.name for entry in _fonts._candidates() for word in ("Last Resort", "Emoji"))


def test_widths_and_directions():
    assert _fonts.width("ab") == 2
    assert _fonts.width("電影") == 4
    assert _fonts.width("e\u0301") == 1
    assert _fonts.right_to_left("[CLS] שלום")
    assert not _fonts.right_to_left("[CLS] hello שלום")
    assert not _fonts.right_to_left("123 !")
