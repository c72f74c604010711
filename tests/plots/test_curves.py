"""The figure of faithfulness shows the curves that were measured."""

import numpy as np
import pytest

import attnlens as al
from attnlens.errors import InputError
from attnlens.evaluation import curves
from attnlens.evaluation._faithfulness import deletion, insertion

from .made import said


@pytest.fixture(scope="module")
def measured():
    lens = al.load("sentiment")
    text = "a gripping , funny film with one dull stretch ."
    attributions = [lens.attribute(text, "positive", method=name) for name in ("gradient", "leave_one_out")]
    return curves(lens, attributions, n_random=4), curves(lens, lens.attribute("good", method="gradient"))


def test_each_attribution_has_its_curve_and_area_beside_random_orders(measured):
    several, _ = measured
    figure = al.plots.faithfulness(several)
    for ax, name, area in zip(figure.axes, ("deletion", "insertion"), (deletion, insertion)):
        random, *lines = ax.lines
        assert np.allclose(random.get_ydata(), getattr(several[0], name)[1:].mean(0))
        assert all(np.allclose(line.get_ydata(), getattr(one, name)[0]) for line, one in zip(lines, several))
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        for label, one in zip(labels[1:], several, strict=True):
            own, *others = area(one).tolist()
            beaten = sum((own < other) == (name == "deletion") for other in others)
            assert label == f"{one.method.replace('_', ' ')} {own:.2f}, better than {beaten} of 4 random"
        low, high = (ax.collections[0].get_paths()[0].vertices[:, 1].take(at) for at in (1, -2))
        chance = getattr(several[0], name)[1:]
        assert {round(float(low), 6), round(float(high), 6)} <= {
            round(float(x), 6) for x in (*chance.min(0).values, *chance.max(0).values)
        }
    assert figure.axes[0].get_ylabel() == "probability of positive"
    assert "4 random orders" in said(figure)


def test_one_attribution_is_drawn_alone_and_several_inputs_are_not_mixed(measured):
    several, other = measured
    assert len(al.plots.faithfulness(several[0]).axes[0].lines) == 2
    with pytest.raises(InputError, match="of several inputs"):
        al.plots.faithfulness([several[0], other])
    with pytest.raises(InputError, match=r"evaluation\.curves"):
        al.plots.faithfulness("gradient")
