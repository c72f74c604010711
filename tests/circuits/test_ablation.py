"""Heads that are switched off: against models whose projection has lost them."""

from __future__ import annotations

import copy

import pytest
import torch

import attnlens as al
from attnlens.circuits._ablation import ablate
from attnlens.errors import InputError

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."


def rewired(lens, layer, head):
    """A copy of the lens whose output projection ignores one head."""
    model = copy.deepcopy(lens.model)
    projection = model.distilbert.transformer.layer[layer].attention.out_lin
    width = projection.in_features // 12
    projection.weight.data[:, head * width : (head + 1) * width] = 0.0
    return al.Lens(model, lens.tokenizer)


@pytest.mark.parametrize(("layer", "head"), [(0, 3), (5, 9)])
def test_equals_a_model_without_the_head(layer, head):
    lens = al.load("sentiment")
    found = ablate(lens, TEXT, (layer, head))
    expected = rewired(lens, layer, head).trace(TEXT)
    assert torch.allclose(found.after.logits, expected.logits, atol=1e-5)
    for one, other in zip(found.after.layers, expected.layers):
        assert torch.allclose(one.attention[:], other.attention[:], atol=1e-5)
    assert torch.allclose(found.change, expected.logits - lens.trace(TEXT).logits, atol=1e-5)
    assert found.removed == ((layer, head),)


def test_downstream_heads_are_told():
    found = ablate(al.load("sentiment"), TEXT, {2: [0, 1], -1: [4]})
    assert found.removed == ((2, 0), (2, 1), (5, 4))
    heads = found.comparison.heads
    below = heads[heads.layer <= 2].distance
    above = heads[heads.layer > 2].distance
    assert below.max() < 1e-3
    assert above.max() > 0.01


def test_the_table_of_logits():
    found = ablate(al.load("sentiment"), TEXT, [(5, head) for head in range(12)])
    table = found.logits
    assert list(table.columns) == [
        "label", "before", "after", "change", "probability_before", "probability_after",
    ]  # fmt: skip
    assert sorted(table.label) == ["negative", "positive"]
    assert table.change.abs().is_monotonic_decreasing
    assert (table.after - table.before - table.change).abs().max() < 1e-6
    assert "Ablation of 12 heads (5.0, 5.1, 5.2, 5.3, 5.4, 5.5 and 6 more): positive" in repr(found)


@pytest.mark.parametrize("name", ["gpt2", "llama", "cifar", "minivit"])
def test_other_models(name):
    if name in ("cifar", "minivit"):
        lens, input = al.load(name), al.models.sample_images()["cat"]
    else:
        lens, input = al.Lens(getattr(tiny, name)(), tiny.byte_level()), "see it go"
    before = lens.trace(input).logits
    found = ablate(lens, input, (0, 0))
    assert float(found.change.abs().max()) > 1e-4
    assert len(found.logits) <= 20
    assert torch.equal(lens.trace(input).logits, before)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ([(9, 0)], "there is no layer 9: sentiment has 6"),
        ([(0, 12)], "there is no head 12 in layer 0: it has 12"),
        ([], "heads names no head"),
        (3, r"heads must be pairs \(layer, head\) or {layer: heads}, not 3"),
        ([(1, 2, 3)], "heads must be pairs"),
        ([(0, 1.0)], "heads must be pairs"),
        ({3: 9}, "heads must be pairs .* not {3: 9}"),
        ("all", "heads must be pairs"),
    ],
)
def test_heads_that_are_none(heads, message):
    with pytest.raises(InputError, match=message):
        ablate(al.load("sentiment"), TEXT, heads)


def test_inputs_without_an_answer():
    lens = al.load("sentiment")
    with pytest.raises(InputError, match="takes one input, or one window, at a time"):
        ablate(lens, [TEXT], (0, 0))
    with pytest.raises(InputError, match="ablate\\(\\) sets the gates itself"):
        ablate(lens, TEXT, (0, 0), gates={})
    bare = al.Lens(lens.model.distilbert, lens.tokenizer)
    with pytest.raises(InputError, match="returns no class logits for this input"):
        ablate(bare, TEXT, (0, 0))


def test_a_module_is_told_to_become_a_lens():
    model = al.models.MiniViT()
    with pytest.raises(InputError, match=r"needs a lens, not MiniViT: .*al\.Lens\(model"):
        al.ablate(model, torch.rand(3, 32, 32), (0, 0))
    with pytest.raises(InputError, match=r"needs a lens, not MiniViT: .*al\.Lens\(model"):
        al.attribution.relevance(model, torch.rand(3, 32, 32))
