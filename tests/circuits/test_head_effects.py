"""What is lost without each head, beside runs of `ablate` on one input after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import t

import attnlens as al
from attnlens.circuits import head_effects
from attnlens.errors import InputError

from .. import tiny

TEXTS = [
    "a gripping , funny film .",
    "dull .",
    "not good , and not even bad",
    "see it",
    "a film",
    "so so funny",
]
LABELS = ["positive", "negative", 0, 1, "negative", "positive"]


def one_by_one(lens, heads):
    """(logits with all heads, without some), float64 `[input, class]`."""
    runs = [al.ablate(lens, text, heads) for text in TEXTS]
    return [torch.stack([getattr(run, side).logits for run in runs]).double() for side in ("before", "after")]


@pytest.mark.parametrize("heads", [((0, 3),), ((5, 9), (2, 1))])
def test_equals_ablations_one_by_one(heads):
    lens = al.load("sentiment")
    table = head_effects(lens, TEXTS, LABELS, groups=[heads], batch_size=4)
    before, after = one_by_one(lens, heads)
    targets = torch.tensor([lens.target_index(label) for label in LABELS])
    (row,) = table.to_dict("records")
    assert row["heads"] == tuple(sorted(heads))
    assert row["inputs"] == len(TEXTS)
    assert row["flips"] == float((before.argmax(-1) != after.argmax(-1)).double().mean())
    whole, without = before.softmax(-1), after.softmax(-1)
    assert row["divergence"] == pytest.approx(
        float((whole * (whole / without).log()).sum(-1).mean()), abs=1e-6
    )
    loss = [torch.nn.functional.cross_entropy(x, targets, reduction="none") for x in (before, after)]
    assert row["loss"] == pytest.approx(float(loss[1].mean()), abs=1e-5)
    assert table.attrs["loss"] == pytest.approx(float(loss[0].mean()), abs=1e-5)
    assert table.attrs["accuracy"] == float((before.argmax(-1) == targets).double().mean())
    change = (loss[1] - loss[0]).numpy()
    low, high = t.interval(0.95, len(TEXTS) - 1, change.mean(), change.std(ddof=1) / len(TEXTS) ** 0.5)
    assert [row["loss_change_low"], row["loss_change"], row["loss_change_high"]] == pytest.approx(
        [low, change.mean(), high], abs=1e-5
    )
    assert row["accuracy_change"] == pytest.approx(row["accuracy"] - table.attrs["accuracy"])


def test_every_head_and_its_progress():
    lens = al.Lens(tiny.bert(head="ForSequenceClassification"), tiny.wordpiece())
    seen = []
    table = head_effects(lens, TEXTS, progress=lambda done, total: seen.append((done, total)))
    layers, heads = lens.model.config.num_hidden_layers, lens.model.config.num_attention_heads
    assert table[["layer", "head"]].values.tolist() == [[n, h] for n in range(layers) for h in range(heads)]
    assert list(table.columns) == ["layer", "head", "heads", "inputs", "flips", "divergence"]
    assert seen == [(n, layers * heads) for n in range(1, layers * heads + 1)]
    assert (table.divergence > 0).all()


@pytest.mark.parametrize("name", ["gpt2", "minivit"])
def test_other_models(name):
    if name == "gpt2":
        lens, inputs = al.Lens(tiny.gpt2(), tiny.byte_level("<|end|>")), TEXTS
    else:
        lens, inputs = al.load("minivit"), [torch.rand(3, 32, 32) for _ in range(3)]
    table = head_effects(lens, inputs, groups=[(0, 0), [(-1, -1), (0, 0)]])
    for row, heads in zip(table.itertuples(), [[(0, 0)], [(-1, -1), (0, 0)]]):
        runs = [al.ablate(lens, one, heads) for one in inputs]
        changed = np.mean([run.before.prediction.index != run.after.prediction.index for run in runs])
        assert row.flips == changed


def test_what_is_refused():
    lens = al.load("sentiment")
    with pytest.raises(InputError, match="2 targets for 1 inputs"):
        head_effects(lens, ["a film"], [0, 1])
    with pytest.raises(InputError, match="target 'great'"):
        head_effects(lens, ["a film"], ["great"])
    with pytest.raises(InputError, match="there is no layer 9"):
        head_effects(lens, ["a film"], groups=[(9, 0)])
    with pytest.raises(InputError, match="groups names no heads"):
        head_effects(lens, ["a film"], groups=[])
    with pytest.raises(InputError, match="received no input"):
        head_effects(lens, [])
    with pytest.raises(InputError, match="returns no class logits"):
        head_effects(al.Lens(tiny.bert("Model"), tiny.wordpiece()), TEXTS)
