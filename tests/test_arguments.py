"""Every function and view takes any integer type for a layer, a head, a position or a count, and refuses a bool."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens.analysis import cluster_heads, flow, fuse, head_distance, nearest_heads
from attnlens.data import Layer, PatchGrid, Token, Trace, Values, Weights
from attnlens.errors import InputError
from attnlens.models import MiniViT
from attnlens.models._text_inputs import windows
from attnlens.recorder import capture
from attnlens.recorder._capture import listen

from . import tiny


def made(layers: int = 3, heads: int = 3, **more) -> Trace:
    """Layers of as many heads over five positions."""
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(heads, 5, 5, generator=generator).softmax(-1) for _ in range(layers)]
    return Trace(tuple(Layer(f"layer.{i}", "self", Weights(w)) for i, w in enumerate(weights)), **more)


TEXT = made(tokens=tuple(Token(text) for text in ("[CLS]", "a", "dull", "film", ".")))
IMAGE = made(patches=PatchGrid(2, 2, ("[CLS]",)))
PAIR = al.compare(TEXT, made(tokens=TEXT.tokens))
MODELS = al.compare([TEXT], [made(tokens=TEXT.tokens)])
VALUES = Values(torch.ones(1, 5, 2))
VIT = MiniViT()


def recorded():
    with capture(VIT) as recording:
        VIT(torch.zeros(3, 3, 32, 32))
    return recording


def gated(layer):
    with listen(VIT, gates={layer: [1.0]}):
        VIT(torch.zeros(1, 3, 32, 32))


def setting(view, name):
    """What sets a trait of a view, and reads it."""

    def set_and_read(value):
        setattr(view, name, value)
        return getattr(view, name)

    return set_and_read


def title(figure) -> str:
    """The title of a figure, which names what is drawn."""
    return figure.get_suptitle()


def titled(call):
    return lambda value: title(call(value))


def length(window, overlap=None) -> int:
    """How many windows a sentence of 16 tokens is read in."""
    return len(windows(tiny.wordpiece(), tiny.SENTENCES[3], window, overlap, 64))


POSITIONS = {
    "Trace[]": lambda i: TEXT[i][:],
    "Trace[layer, head]": lambda i: TEXT[0, i],
    "Trace[layer, head, query]": lambda i: TEXT[0, 0, i],
    "Attention[]": lambda i: TEXT[0][i],
    "Trace.axis_tokens": TEXT.axis_tokens,
    "Trace.renormalize": lambda i: TEXT.renormalize([i])[0][:],
    "Recording[]": lambda i: recorded()[i][0][:],
    "rollout row": lambda i: al.rollout(TEXT, row=i),
    "rollout column": lambda i: al.rollout(TEXT, column=i),
    "rollout start": lambda i: al.rollout(TEXT, start=i),
    "rollout end": lambda i: al.rollout(TEXT, end=i),
    "fuse heads": lambda i: fuse(TEXT, heads=[i])[0][:],
    "flow token": lambda i: flow(TEXT, i),
    "flow start": lambda i: flow(TEXT, start=i),
    "nearest_heads layer": lambda i: nearest_heads(head_distance(TEXT), i, 0),
    "nearest_heads head": lambda i: nearest_heads(head_distance(TEXT), 0, i),
    "Comparison.difference layer": lambda i: PAIR.difference(i, 0),
    "Comparison.difference head": lambda i: PAIR.difference(0, i),
    "plots.head layer": titled(lambda i: al.plots.head(TEXT, i, 0)),
    "plots.head head": titled(lambda i: al.plots.head(TEXT, 0, i)),
    "plots.average layer": titled(lambda i: al.plots.average(TEXT, i)),
    "plots.row token": titled(lambda i: al.plots.row(TEXT, i)),
    "plots.heads layer": titled(lambda i: al.plots.heads(TEXT, i)),
    "plots.rollout row": titled(lambda i: al.plots.rollout(TEXT, i)),
    "plots.patches layer": lambda i: al.plots.patches(IMAGE, i).axes[0].get_title(),
    "plots.patches layers": lambda i: al.plots.patches(IMAGE, [i]).axes[0].get_title(),
    "plots.patches query": titled(lambda i: al.plots.patches(IMAGE, 0, i)),
    "plots.patches (row, column)": lambda i: title(al.plots.patches(IMAGE, 0, (i, 0))),
    "plots.patches head": lambda i: al.plots.patches(IMAGE, 0, head=i).axes[0].get_title(),
    "plots.layers query": titled(lambda i: al.plots.layers(IMAGE, i)),
    "bertviz.head_view layers": lambda i: al.bertviz.head_view(TEXT, layers=i, html=True),
    "bertviz.head_view heads": lambda i: al.bertviz.head_view(TEXT, heads=i, html=True),
    "bertviz.head_view layer": lambda i: al.bertviz.head_view(TEXT, layer=i, html=True),
    "bertviz.model_view layers": lambda i: al.bertviz.model_view(TEXT, layers=i, html=True),
    "AttentionView layer=": lambda i: al.AttentionView(TEXT, layer=i).layer,
    "AttentionView heads=": lambda i: al.AttentionView(TEXT, heads=i).heads,
    "AttentionView query=": lambda i: al.AttentionView(TEXT, query=i).query,
    "AttentionView.layer": setting(al.AttentionView(TEXT), "layer"),
    "AttentionView.query": setting(al.AttentionView(TEXT), "query"),
    "AttentionView.key": setting(al.AttentionView(TEXT), "key"),
    "HeadsView layer=": lambda i: al.HeadsView(TEXT, layer=i).layer,
    "HeadsView heads=": lambda i: al.HeadsView(TEXT, heads=i).heads,
    "HeadsView.layer": setting(al.HeadsView(TEXT), "layer"),
    "CompareView layer=": lambda i: al.CompareView(TEXT, TEXT, layer=i).layer,
    "CompareView head=": lambda i: al.CompareView(TEXT, TEXT, head=i).head,
    "CompareView other_layer=": lambda i: al.CompareView(TEXT, TEXT, other_layer=i).other_layer,
    "CompareView other_head=": lambda i: al.CompareView(TEXT, TEXT, other_head=i).other_head,
    "CompareView.head": setting(al.CompareView(TEXT, TEXT), "head"),
    "CompareView.query": setting(al.CompareView(TEXT, TEXT), "query"),
    "PatchView layer=": lambda i: al.PatchView(IMAGE, layer=i).layer,
    "PatchView heads=": lambda i: al.PatchView(IMAGE, heads=i).heads,
    "PatchView query=": lambda i: al.PatchView(IMAGE, query=i).query,
    "PatchView.layer": setting(al.PatchView(IMAGE), "layer"),
    "PatchView.query": setting(al.PatchView(IMAGE), "query"),
}
"""Calls with a layer, a head or a position, each with at least two of them."""

COUNTS = {
    "nearest_heads count": lambda n: nearest_heads(head_distance(TEXT), 0, 0, n),
    "cluster_heads count": lambda n: cluster_heads(head_distance(TEXT), n),
    "Comparison.most": PAIR.most,
    "ModelComparison.most": MODELS.most,
    "plots.compare count": lambda n: len(al.plots.compare(PAIR, n).axes),
    "Values.transformed": VALUES.transformed,
    "Trace.label": TEXT.label,
    "bertviz.trace": lambda n: al.bertviz.trace([TEXT[0][:]], list("abcde"), n).tokens,
    "windows overlap": lambda n: length(8, n),
    "MiniViT layers": lambda n: len(MiniViT(layers=n).blocks),
    "MiniViT heads": lambda n: MiniViT(heads=n).config["heads"],
    "MiniViT patch_size": lambda n: MiniViT(patch_size=n).patches,
}
"""Calls with a number of something; 1 is right for all of them."""

NUMBERS = {
    "rollout residual": lambda x: al.rollout(TEXT, x),
    "rollout discard": lambda x: al.rollout(TEXT, discard=x),
    "AttentionView threshold=": lambda x: al.AttentionView(TEXT, threshold=x).threshold,
    "AttentionView.threshold": setting(al.AttentionView(TEXT), "threshold"),
    "PatchView blend=": lambda x: al.PatchView(IMAGE, blend=x).blend,
    "PatchView.blend": setting(al.PatchView(IMAGE), "blend"),
}
"""Calls with a number from 0 to 1."""


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, (pd.DataFrame, pd.Series)):
        return one.equals(other)
    return one == other


@pytest.mark.parametrize("call", [*POSITIONS.values(), *COUNTS.values()], ids=[*POSITIONS, *COUNTS])
def test_any_integer_type_and_never_a_bool(call):
    expected = call(1)
    for number in (np.int64(1), np.uint8(1), torch.tensor(1)):
        assert same(call(number), expected)
    for truth in (True, np.True_, torch.tensor(True)):
        with pytest.raises(InputError):
            call(truth)


@pytest.mark.parametrize("name", POSITIONS)
def test_a_negative_position_counts_from_the_end(name):
    call, long = POSITIONS[name], ("query", "key", "token", "row", "column", "renormalize")
    last = 1 if "(" in name else 4 if any(axis in name.replace("axis_tokens", "") for axis in long) else 2
    assert same(call(-1), call(last))


def test_other_integers():
    assert length(np.int64(9)) == length(torch.tensor(9)) == length(9)
    gated(np.int64(0))
    for call in (length, gated):
        with pytest.raises(InputError):
            call(True)


@pytest.mark.parametrize("call", NUMBERS.values(), ids=NUMBERS)
def test_any_real_number_and_never_a_bool_or_nan(call):
    for number in (np.float32(0.5), Fraction(1, 2), torch.tensor(0.5)):
        assert same(call(number), call(0.5))
    assert same(call(0), call(0.0))
    for wrong in (True, False, np.True_, float("nan"), -0.1, 1.1, "0.5"):
        with pytest.raises(InputError):
            call(wrong)
