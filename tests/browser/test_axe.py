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
from ..corpus.test_head_pages import ROWS, pages_of
from .mounting import eventually
from .test_report import SENTENCE, made

AXE = files("axe_playwright_python").joinpath("axe.min.js")

OPEN = """() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    return [...document.querySelectorAll("[data-view]")].every((view) => view.shadowRoot);
}"""


def audited(lens=None):
    data = pd.DataFrame({"text": TEXTS, "label": LABELS})
    return al.audit(lens or al.load("sentiment"), data, progress=False)


def compared():
    worse = al.load("sentiment")
    with torch.no_grad():
        worse.model.classifier.bias[1] += 4.0
    return corpus.compare_audits(audited(), audited(worse))


PAGES = {
    "text": lambda: (al.load("sentiment"), SENTENCE),
    "image": lambda: (al.load("cifar"), al.models.sample_images()["chelsea"]),
    "two inputs": lambda: (al.load("sentiment"), [SENTENCE, "a dull film"]),
    "long text": lambda: (made(1500),),
    "encoder-decoder": lambda: (al.Lens(tiny.t5(), tiny.metaspace()).trace("the film", output="a film"),),
    "audit": lambda: (audited(),),
    "comparison": lambda: (compared(),),
    "heads": lambda: (pages_of(al.load("sentiment"), ROWS[:24], label="label", sample=16, effects=4),),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_violates_no_rule_of_accessibility(page, tmp_path, name):
    path = al.report(*PAGES[name](), path=tmp_path / "page.html")
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
