"""The page of two audits: what was fixed and what broke, each with its explanation."""

from __future__ import annotations

import re

import pandas as pd
import torch

import attnlens as al
from attnlens import corpus

from ..corpus.test_audit import LABELS, TEXTS
from .test_audit_page import rows_of


def test_the_page_says_what_the_comparison_says(tmp_path):
    data = pd.DataFrame({"text": TEXTS, "label": LABELS})
    worse = al.load("sentiment")
    with torch.no_grad():
        worse.model.classifier.bias[1] += 4.0
    options = {"head_stats": False, "progress": False}
    comparison = corpus.compare_audits(
        al.audit(al.load("sentiment"), data, **options), al.audit(worse, data, **options)
    )
    page = comparison.report(tmp_path / "a.html", title="<Mine>").read_text(encoding="utf-8")
    assert "<h1>&lt;Mine&gt;</h1>" in page
    assert f"<p class='large'>{100 * comparison.difference[0]:+.1f}</p>" in page
    broken = rows_of(page, "broken")
    assert len(broken) == len(comparison.broken) > 0
    for row, expected in zip(broken, comparison.broken.itertuples()):
        assert re.findall(r"<td class='text'>([^<]*)</td>", row) == [
            worse.labels[int(expected.label)], expected.prediction_before, expected.prediction_after, str(expected.key),
        ]  # fmt: skip
        assert f">{expected.probability_before:.3f}</td>" in row
        assert f">{expected.probability_after:.3f}</td>" in row
    assert page.count("<summary>") == len(comparison.broken) + len(comparison.fixed)
    assert "id='fixed'" not in page or len(comparison.fixed)
    assert [
        row.split("</td>")[0].removeprefix("<td class='text'>") for row in rows_of(page, "slices")
    ] == comparison.by_slice["slice"].tolist()
    assert " style=" not in page
