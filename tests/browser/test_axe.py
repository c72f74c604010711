"""No page violates a rule of axe-core, in light and in dark colours, with everything opened."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens import corpus

from .. import tiny
from ..corpus.test_audit import LABELS, TEXTS
from .mounting import eventually
from .test_report import SENTENCE, made

AXE = files("axe_playwright_python").joinpath("axe.min.js")

OPEN = """() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    return [...document.querySelectorAll("[data-view]")].every((view) => view.shadowRoot);
}"""


REPORTS = {
    "text": lambda: (al.load("sentiment"), SENTENCE),
    "image": lambda: (al.load("cifar"), al.models.sample_images()["chelsea"]),
    "two inputs": lambda: (al.load("sentiment"), [SENTENCE, "a dull film"]),
    "long text": lambda: (made(1500),),
    "encoder-decoder": lambda: (al.Lens(tiny.t5(), tiny.metaspace()).trace("the film", output="a film"),),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_violates_no_rule_of_accessibility(page, tmp_path, name):
    passes(page, al.report(*REPORTS[name](), path=tmp_path / "page.html"))


def test_the_page_of_heads_violates_none(page, page_of_heads):
    passes(page, page_of_heads[1])


def test_the_page_of_an_audit_and_that_of_two_violate_none(page, page_of_audit, tmp_path):
    audit, path = page_of_audit
    passes(page, path)
    worse = al.load("sentiment")
    with torch.no_grad():
        worse.model.classifier.bias[1] += 4.0
    other = al.audit(worse, pd.DataFrame({"text": TEXTS, "label": LABELS}), progress=False)
    passes(page, corpus.compare_audits(audit, other).report(tmp_path / "page.html"))


def passes(page, path):
    page.goto(path.as_uri())
    page.evaluate(AXE.read_text(encoding="utf-8"))
    eventually(page, lambda: page.evaluate(OPEN))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)  # a view takes the theme at the next frame
        found = page.evaluate("axe.run()")
        assert len(found["passes"]) > 20
        places = {
            rule["id"]: [(node["html"][:200], node["failureSummary"]) for node in rule["nodes"]]
            for rule in found["violations"]
        }
        assert places == {}
