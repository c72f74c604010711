"""The page of an audit in a real browser: its tables sort and filter."""

from __future__ import annotations

import pytest

import attnlens as al

from ..corpus.test_audit import LABELS, TEXTS


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    data = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS)]
    audit = al.audit(al.load("sentiment"), data, progress=False)
    return audit, audit.report(tmp_path_factory.mktemp("audit") / "audit.html")


@pytest.mark.parametrize("width", [420, 1000])
def test_tables_sort_and_filter(page, written, width):
    audit, path = written
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path.as_uri())
    rows = page.locator("#errors tbody tr:visible")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_coloured(page, written, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(written[1].as_uri())
    tints = page.locator("#errors [class*=for-]").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(tints)) > 2
    assert "rgba(0, 0, 0, 0)" not in tints
