"""What attnlens shows, sends and writes can be encoded, and is cut, whatever the names and texts of a model are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens._escaping import cut, encodable, escaped_halves, shown
from attnlens.attribution import Target
from attnlens.attribution._result import TextAttribution
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, PatchGrid, Prediction, Token, Trace
from attnlens.errors import InputError

HALF = "\ud800 alone"


def traced(text: str, image: bool = False) -> Trace:
    """A trace in which every text is that one."""
    weights = torch.softmax(torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0)), -1)
    layers = (Layer(text, "self", Weights(weights)), Layer(f"x{text}", "self", Weights(weights)))
    common = dict(model=text, logits=torch.arange(2.0), labels=(text, f"b{text}"))
    if image:
        return Trace(layers, patches=PatchGrid(2, 2, (text,), np.zeros((8, 8, 3), np.uint8)), **common)
    tokens = tuple(Token(f"{text}{number}") for number in range(5))
    return Trace(layers, tokens=tokens, output_tokens=tokens, text=(text,), **common)


def attributed(text: str) -> TextAttribution:
    return TextAttribution(
        scores=torch.arange(5.0) - 2, target=Target(text, 0, text, 1), prediction=Prediction(text, 0, 0.5),
        method="gradient", baseline=text, value=1.0, change=0.5, gap=0.1, tokens=traced(text).tokens, text=(text,),
        model=text,
    )  # fmt: skip


def sent(view) -> str:
    """The state of a view, as a notebook sends it."""
    state = {name: value for name, value in view.get_state().items() if not isinstance(value, bytes)}
    return json.dumps(state, ensure_ascii=False, default=str)


def refused(act) -> str:
    with pytest.raises(InputError) as error:
        act()
    return str(error.value)


def drawn(figure, path) -> str:
    figure.savefig(path / "figure.png")
    return ""


OF_A_TRACE = {
    "repr": lambda trace, path: repr(trace) + str(trace.prediction),
    "html": lambda trace, path: trace._repr_html_(),
    "file": lambda trace, path: repr(Trace.load(trace.save(path / "trace"))),
    "json": lambda trace, path: trace.to_json(),
    "heads": lambda trace, path: sent(al.HeadsView(trace)),
    "attention": lambda trace, path: sent(al.AttentionView(trace)),
    "compare": lambda trace, path: sent(al.CompareView(trace, trace)) + repr(al.compare(trace, trace)),
    "report": lambda trace, path: al.report([trace, trace], path=path / "page.html").read_text("utf-8"),
    "stats": lambda trace, path: al.head_stats(trace).to_string(),
    "error": lambda trace, path: refused(lambda: trace.select("no such layer")),
    "bertviz": lambda trace, path: al.bertviz.head_view(trace, html=True),
    "plot of heads": lambda trace, path: drawn(al.plots.heads(trace), path),
    "plot of statistics": lambda trace, path: drawn(al.plots.stats(trace), path),
    "plot of a rollout": lambda trace, path: drawn(al.plots.rollout(trace), path),
}

OF_AN_ATTRIBUTION = {
    "repr": repr,
    "html": lambda one: one._repr_html_(),
    "json": lambda one: one.to_json(),
    "table": lambda one: one.table.to_string(),
    "target": lambda one: str(one.target),
    "view": lambda one: sent(al.TokensView(one)),
}


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("name", OF_A_TRACE)
def test_half_a_surrogate_pair_stops_nothing_that_a_trace_goes_out_to(tmp_path, name, image):
    OF_A_TRACE[name](traced(HALF, image), tmp_path).encode()


@pytest.mark.parametrize("name", OF_AN_ATTRIBUTION)
def test_half_a_surrogate_pair_stops_nothing_that_an_attribution_goes_out_to(name):
    OF_AN_ATTRIBUTION[name](attributed(HALF)).encode()


def test_half_a_surrogate_pair_stops_no_plot_of_an_attribution_and_no_view_of_an_image(tmp_path):
    drawn(attributed(HALF).plot(), tmp_path)
    sent(al.PatchView(traced(HALF, image=True))).encode()


def test_json_keeps_the_text():
    assert json.loads(attributed(HALF).to_json())["tokens"][0]["token"] == f"{HALF}0"
    assert json.loads(escaped_halves(json.dumps(["ä" + HALF], ensure_ascii=False))) == ["ä" + HALF]


def test_a_very_long_text_is_cut_where_it_is_printed():
    long = "long" * 25_000
    trace, attribution = traced(long), attributed(long)
    texts = [repr(attribution), attribution._repr_html_(), trace._repr_html_().partition("<img")[0]]
    assert [len(text) < 5000 for text in texts] == [True] * 3
    assert all("…" in text for text in texts)


def test_texts_as_they_are_shown():
    assert (cut("abc", 3), cut("abc d", 4)) == ("abc", "abc …")
    assert encodable("a\ud800ä") == "a?ä"
    assert shown("<b>\ud800\x1b", 40) == "&lt;b&gt;?␛"
