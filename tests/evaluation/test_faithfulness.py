"""Faithfulness against slow loops: a model whose answer without some parts is known, and models run text by text."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import attnlens as al
from attnlens.attribution._result import ImageAttribution, TextAttribution
from attnlens.attribution._target import Target, TargetScalar
from attnlens.attribution.image._perturbation import ImagePerturbation
from attnlens.attribution.text._explain import attribute_text
from attnlens.attribution.text._perturbation import TextPerturbation
from attnlens.errors import InputError
from attnlens.evaluation._faithfulness import (
    FRACTIONS,
    Curves,
    comprehensiveness,
    curves,
    deletion,
    faithfulness,
    follow,
    insertion,
    log_odds,
    sufficiency,
)
from attnlens.evaluation._perturbation import ScoredParts

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."
MEASURES = ("comprehensiveness", "sufficiency", "log_odds", "deletion", "insertion")
VALUES = [f"{name}{end}" for name in MEASURES for end in ("", "_random", "_random_std")]


class Additive:
    """A logistic model of parts: class 1 has the logit `bias + sum of the weights of what is kept`."""

    def __init__(self, weights, bias=0.3):
        self.weights, self.bias, self.asked = torch.tensor(weights, dtype=torch.float64), bias, []
        self.parts = tuple(weights)

    def logits(self, kept):
        self.asked += kept.tolist()
        one = kept.double() @ self.weights + self.bias
        return torch.stack([torch.zeros_like(one), one], 1)

    def with_scores(self, scores):
        return ScoredParts(self, torch.tensor(scores, dtype=torch.float64), TargetScalar(torch.tensor([1])))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def by_hand(weights, order, bias=0.3):
    """The five measures of one order, in plain Python, part by part."""
    n = len(weights)
    without = [sigmoid(bias + sum(weights[i] for i in order[k:])) for k in range(n + 1)]
    alone = [sigmoid(bias + sum(weights[i] for i in order[:k])) for k in range(n + 1)]
    bins = [max(1, math.ceil(fraction * n - 1e-9)) for fraction in (0.01, 0.05, 0.1, 0.2, 0.5)]
    return {
        "comprehensiveness": sum(without[0] - without[k] for k in bins) / 5,
        "sufficiency": sum(without[0] - alone[k] for k in bins) / 5,
        "log_odds": math.log(without[bins[3]]) - math.log(without[0]),
        "deletion": sum((without[k] + without[k + 1]) / 2 for k in range(n)) / n,
        "insertion": sum((alone[k] + alone[k + 1]) / 2 for k in range(n)) / n,
    }


def measured(found, row=0):
    measures = (comprehensiveness, sufficiency, log_odds, deletion, insertion)
    return {measure.__name__: float(measure(found)[row]) for measure in measures}


weights_of_any_size = st.lists(st.floats(-3, 3), min_size=1, max_size=40)


# -- a model that is known ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(weights_of_any_size, st.integers(0, 5))
def test_measures_are_those_of_a_slow_loop(weights, seed):
    scores = [math.sin(7 * i + seed) for i in range(len(weights))]
    (found,) = follow([Additive(weights).with_scores(scores)], FRACTIONS, 3, seed)
    order = sorted(range(len(weights)), key=lambda i: -scores[i])
    assert measured(found) == pytest.approx(by_hand(weights, order))
    generator = torch.Generator().manual_seed(seed)
    for row in (1, 2, 3):
        chance = torch.randperm(len(weights), generator=generator).tolist()
        assert measured(found, row) == pytest.approx(by_hand(weights, chance))


def test_the_order_of_the_effects_is_the_best_of_all_and_its_reverse_the_worst():
    weights = [0.7, -1.1, 2.0, 0.1, -0.4, 1.3]
    model = Additive(weights)
    effects = model.with_scores(weights)
    worst = model.with_scores([-w for w in weights])
    others = [model.with_scores([-order.index(i) for i in range(6)]) for order in permutations(range(6))]
    best, bad, *found = (measured(one) for one in follow([effects, worst, *others], FRACTIONS, 2, 0))
    better = {"comprehensiveness": 1, "insertion": 1, "sufficiency": -1, "log_odds": -1, "deletion": -1}
    for name, sign in better.items():
        values = [sign * one[name] for one in found]
        assert max(values) == pytest.approx(sign * best[name])
        assert min(values) == pytest.approx(sign * bad[name])
        assert sign * best[name] > sign * bad[name] + 0.05


def test_ties_keep_the_order_of_the_text_and_negative_scores_come_last():
    model = Additive([1.0, 2.0, 3.0, 4.0, 5.0])
    assert model.with_scores([0.0, 1.0, 0.0, 1.0, -2.0]).order.tolist() == [1, 3, 0, 2, 4]
    (flat,) = follow([model.with_scores([0.5] * 5)], FRACTIONS, 2, 0)
    assert measured(flat) == pytest.approx(by_hand([1.0, 2.0, 3.0, 4.0, 5.0], [0, 1, 2, 3, 4]))


def test_nothing_is_asked_twice_and_chance_is_the_same_for_all():
    model = Additive([0.5, -0.2, 0.9, 0.4])
    one, other = (model.with_scores(scores) for scores in ([1, 2, 3, 4], [4, 3, 2, 1]))
    first, second = follow([one, other], FRACTIONS, 6, 0)
    assert len({tuple(row) for row in model.asked}) == len(model.asked) <= 16
    assert torch.equal(first.deletion[1:], second.deletion[1:])
    assert not torch.equal(first.deletion[0], second.deletion[0])
    (alone,) = follow([other], FRACTIONS, 6, 0)
    assert torch.equal(alone.deletion, second.deletion)
    (drawn,) = follow([other], FRACTIONS, 6, 1)
    assert not torch.equal(drawn.deletion[1:], second.deletion[1:])


def test_a_long_input_is_followed_in_steps():
    size = 700
    weights = [math.cos(i) / 40 for i in range(size)]
    (found,) = follow([Additive(weights).with_scores(weights)], FRACTIONS, 2, 0)
    assert found.deletion.shape == (3, len(found.counts))
    assert 65 <= len(found.counts) <= 70
    assert {7, 35, 70, 140, 350} <= set(found.counts.tolist())
    order = sorted(range(size), key=lambda i: -weights[i])
    exact = by_hand(weights, order)
    for name, value in measured(found).items():
        assert value == pytest.approx(exact[name], abs=2e-3 if name in ("deletion", "insertion") else 1e-12)


def test_a_share_is_rounded_up_whatever_floating_point_says():
    (found,) = follow([Additive([0.1] * 100).with_scores([1.0] * 100)], (0.07, 0.071), 2, 0)
    assert int(found.counts[found.at(0.07)]) == 7  # 0.07 * 100 is 7.000000000000001
    assert int(found.counts[found.at(0.071)]) == 8
    assert int(found.counts[found.at(0.001)]) == 1
    assert int(found.counts[found.at(1.0)]) == 100


def test_a_share_without_a_point_says_how_to_get_one():
    (found,) = follow([Additive([0.001] * 700).with_scores([1.0] * 700)], FRACTIONS, 2, 0)
    with pytest.raises(InputError, match=r"no point at 0.33 of 700 parts; .*fractions=\(0.33,\)"):
        comprehensiveness(found, (0.33,))
    (found,) = follow([Additive([0.001] * 700).with_scores([1.0] * 700)], (0.33,), 2, 0)
    assert float(comprehensiveness(found, (0.33,))[0]) > 0


def test_curves_say_what_they_are():
    (found,) = follow([Additive([1.0, 2.0]).with_scores([1.0, 2.0])], FRACTIONS, 4, 0)
    assert isinstance(found, Curves)
    assert "2 parts at 3 points, in the attribution's order and in 4 random ones" in repr(found)
    assert found.fractions.tolist() == [0.0, 0.5, 1.0]


# -- models ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def attributions(lens):
    methods = ("gradient_x_input", "leave_one_out", "gradient")
    return [attribute_text(lens, TEXT, method=method) for method in methods]


def one_at_a_time(lens, ids, groups, order, index, blank):
    """(deletion, insertion) curves from transformers alone, one text after the other."""

    def probability(gone):
        row = [blank if i in gone else id for i, id in enumerate(ids)]
        with torch.no_grad():
            logits = lens.model(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row))).logits
        return float(logits[0].double().softmax(-1)[index])

    without, alone = [], []
    for k in range(len(groups) + 1):
        without.append(probability({i for g in order[:k] for i in groups[g]}))
        alone.append(probability({i for g in order[k:] for i in groups[g]}))
    return without, alone


def test_the_table_is_that_of_a_slow_loop(lens, attributions):
    table = faithfulness(lens, attributions, n_random=3)
    ids = lens.tokenizer(TEXT)["input_ids"]
    groups = [[i] for i in range(1, len(ids) - 1)]
    for number, attribution in enumerate(attributions):
        order = sorted(range(len(groups)), key=lambda g: -float(attribution.scores[g + 1]))
        without, alone = one_at_a_time(lens, ids, groups, order, 1, lens.tokenizer.pad_token_id)
        row = table.iloc[number]
        assert row.deletion == pytest.approx((sum(without) - (without[0] + without[-1]) / 2) / 10, abs=1e-5)
        assert row.insertion == pytest.approx((sum(alone) - (alone[0] + alone[-1]) / 2) / 10, abs=1e-5)
        bins = (1, 1, 1, 2, 5)
        assert row.comprehensiveness == pytest.approx(
            sum(without[0] - without[k] for k in bins) / 5, abs=1e-5
        )
        assert row.sufficiency == pytest.approx(sum(without[0] - alone[k] for k in bins) / 5, abs=1e-5)
        assert row.log_odds == pytest.approx(math.log(without[2] / without[0]), abs=1e-4)


def test_the_table_names_what_it_measures(lens, attributions):
    found = faithfulness(lens, [*attributions, attribute_text(lens, "a flat , dull film", 1)])
    assert list(found.columns) == ["input", "method", "baseline", "target", "parts", *VALUES]
    assert found.input.tolist() == [0, 0, 0, 1]
    assert found.parts.tolist() == [10, 10, 10, 5]
    assert found.target.tolist() == ["positive"] * 4
    assert found.method.tolist()[:2] == ["gradient_x_input", "leave_one_out"]
    means = found.groupby("method").mean(numeric_only=True)
    assert means.loc["leave_one_out", "deletion"] < means.loc["leave_one_out", "deletion_random"]


def test_together_is_one_by_one(lens, attributions):
    other = attribute_text(lens, "the acting was unbelievably bad", "negative", method="gradient_x_input")
    mixed = [attributions[0], other, attributions[1]]
    together = faithfulness(lens, mixed)
    for number, attribution in enumerate(mixed):
        alone = faithfulness(lens, attribution)
        assert alone.input.tolist() == [0]
        assert alone[VALUES].iloc[0].tolist() == pytest.approx(
            together[VALUES].iloc[number].tolist(), abs=1e-5
        )


def test_random_columns_are_mean_and_deviation_of_random_orders(lens, attributions):
    found = curves(lens, attributions[0], n_random=4, seed=3)
    row = faithfulness(lens, attributions[0], n_random=4, seed=3).iloc[0]
    areas = [float(area) for area in deletion(found)[1:]]
    mean = sum(areas) / 4
    assert row.deletion_random == pytest.approx(mean)
    assert row.deletion_random_std == pytest.approx(math.sqrt(sum((a - mean) ** 2 for a in areas) / 3))


def test_words_leave_as_wholes(lens):
    text = "an unfathomably gripping thriller"
    attribution = attribute_text(lens, text, level="word", method="gradient_x_input")
    ids = lens.tokenizer(text)["input_ids"]
    words = lens.tokenizer(text).word_ids()
    groups = [[i for i, w in enumerate(words) if w == word] for word in range(4)]
    assert max(len(group) for group in groups) > 1
    scores = [float(s) for s, token in zip(attribution.scores, attribution.tokens) if not token.special]
    order = sorted(range(4), key=lambda g: -scores[g])
    index = attribution.target.index
    without, alone = one_at_a_time(lens, ids, groups, order, index, lens.tokenizer.pad_token_id)
    found = curves(lens, attribution)
    assert found.deletion[0].tolist() == pytest.approx(without, abs=1e-6)
    assert found.insertion[0].tolist() == pytest.approx(alone, abs=1e-6)


def test_another_way_of_removing(lens, attributions):
    ids = lens.tokenizer(TEXT)["input_ids"]
    groups = [[i] for i in range(1, len(ids) - 1)]
    order = attributions[1].scores[1:-1].argsort(descending=True, stable=True).tolist()
    without, _ = one_at_a_time(lens, ids, groups, order, 1, lens.tokenizer.mask_token_id)
    found = curves(lens, attributions[1], by="mask")
    assert found.deletion[0].tolist() == pytest.approx(without, abs=1e-6)


KINDS = {
    "pair": (lambda: al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()), ("see it", "a funny film"), {}),
    "causal": (lambda: al.Lens(tiny.gpt2(), tiny.byte_level()), "see it go", {}),
    "masked": (lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()), "see the [MASK] film", {}),
    "answers": (
        lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()),
        ("who would love it ?", "the film takes a long time"),
        {"target": "end"},
    ),
    "encoder-decoder": (lambda: al.Lens(tiny.t5(), tiny.metaspace()), "a funny film", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_heads(kind):
    build, text, options = KINDS[kind]
    lens = build()
    attribution = attribute_text(lens, text, method="gradient_x_input", **options)
    found = curves(lens, attribution)
    removal = TextPerturbation(lens, text, side=options.get("target"))
    ends = removal.logits(torch.tensor([[True], [False]]).expand(2, len(removal.parts)))
    expected = ends.double().softmax(-1)[:, attribution.target.index].tolist()
    assert found.deletion[0, [0, -1]].tolist() == pytest.approx(expected, abs=1e-6)
    assert found.insertion[0, [-1, 0]].tolist() == pytest.approx(expected, abs=1e-6)
    assert int(found.counts[-1]) == len(removal.parts)


def image_attribution(lens, picture, scores):
    trace = lens.trace(picture)
    index = trace.prediction.index
    return ImageAttribution(
        scores=scores, target=Target(trace.label(index), index), prediction=trace.prediction, method="own",
        value=float(trace.logits[index]), seen=np.asarray(picture), image=np.asarray(picture),
        box=(0.0, 0.0, 32.0, 32.0),
    )  # fmt: skip


def test_patches_leave_as_wholes():
    lens, picture = al.load("cifar"), Image.open(al.models.sample_images()["cat"]).convert("RGB")
    scores = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    attribution = image_attribution(lens, picture, scores)
    found = curves(lens, attribution, n_random=2)
    removal = ImagePerturbation(lens, picture)
    patches = scores.reshape(8, 4, 8, 4).sum((1, 3)).flatten()
    order = patches.argsort(descending=True).tolist()
    for count in (1, 13, 32):
        kept = torch.ones(1, 64, dtype=torch.bool)
        kept[0, order[:count]] = False
        for curve, row in ((found.deletion, kept), (found.insertion, ~kept)):
            expected = removal.logits(row).double().softmax(-1)[0, attribution.target.index]
            assert float(curve[0, count]) == pytest.approx(float(expected), abs=1e-5)
    black = faithfulness(lens, attribution, by="black", n_random=2)
    assert black.deletion[0] != pytest.approx(faithfulness(lens, attribution, n_random=2).deletion[0])


# -- what cannot be measured ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.1, 1.2)}, r"fractions must be numbers above 0 and at most 1, not \(0.1, 1.2\)"),
        ({"fractions": ()}, "fractions must be numbers"),
        ({"fractions": (0,)}, "fractions must be numbers"),
        ({"n_random": 1}, "n_random must be an integer of at least 2, not 1"),
        ({"n_random": 2.0}, "n_random must be an integer"),
        ({"seed": "a"}, "seed must be an integer of at least 0, not 'a'"),
        ({"by": "noise"}, "unknown way of removing 'noise'; expected one of: pad, mask, delete"),
    ],
)
def test_options_that_are_none(lens, attributions, options, message):
    with pytest.raises(InputError, match=message):
        faithfulness(lens, attributions, **options)


def test_what_is_no_attribution(lens, attributions):
    with pytest.raises(InputError, match="the list is empty"):
        faithfulness(lens, [])
    with pytest.raises(InputError, match="only attributions can be measured, not str"):
        faithfulness(lens, [TEXT])
    with pytest.raises(InputError, match=r"only attributions can be measured, not list; .* a flat list"):
        faithfulness(lens, [attributions])


def test_scores_that_rank_nothing(lens, attributions):
    scores = attributions[0].scores.clone()
    scores[3] = float("nan")
    with pytest.raises(InputError, match="scores of gradient × input from zero are not all finite"):
        faithfulness(lens, replace(attributions[0], scores=scores))


def test_an_attribution_of_another_lens(lens, attributions):
    other = al.Lens(tiny.distilbert(), tiny.wordpiece())
    with pytest.raises(InputError, match=r"the attribution is of 12 tokens, but .* splits its text into"):
        faithfulness(other, attributions)
    with pytest.raises(InputError, match=r"explains 'positive' with F.x. = 9, but sentiment returns"):
        faithfulness(lens, replace(attributions[0], value=9.0))
    with pytest.raises(InputError, match="it is of another model"):
        faithfulness(lens, replace(attributions[0], value=attributions[0].value * 1.2))
    with pytest.raises(InputError, match="returns nan for its input"):
        faithfulness(lens, replace(attributions[0], target=Target("other", 2)))
    with pytest.raises(InputError, match="cifar reads images"):
        faithfulness(al.load("cifar"), attributions)


def test_an_input_that_the_attribution_does_not_hold(lens, attributions):
    with pytest.raises(InputError, match="has no text"):
        faithfulness(lens, replace(attributions[0], text=()))
    long = "not a bad film " * 100
    windowed = attribute_text(lens, long, window=256, method="gradient_x_input")
    with pytest.raises(InputError, match=r"whole text of the attribution has to fit the model: the text has"):
        faithfulness(lens, windowed)


def test_an_image_needs_an_image_lens(lens):
    picture = Image.open(al.models.sample_images()["cat"]).convert("RGB")
    image = image_attribution(al.load("cifar"), picture, torch.rand(32, 32))
    with pytest.raises(InputError, match="sentiment reads texts"):
        faithfulness(lens, image)


def test_a_regression_has_no_probability():
    regression = al.Lens(tiny.bert(num_labels=1), tiny.wordpiece())
    attribution = attribute_text(regression, "see it", method="gradient_x_input")
    assert isinstance(attribution, TextAttribution)
    with pytest.raises(InputError, match="a regression has none"):
        faithfulness(regression, attribution)


def test_a_tensor_beyond_black_and_white_is_measured_as_it_is():
    """Shown as a picture it would be stretched, and the model say something else."""
    lens = al.lens.ImageLens(tiny.HandViT(patch=4), patches=(4, 4))
    pixels = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = curves(lens, lens.attribute(pixels, 2, method="gradient"))
    with torch.no_grad():
        expected = lens.model.eval()(pixels[None]).softmax(-1)[0, 2]
    assert float(found.deletion[0, 0]) == pytest.approx(float(expected), rel=1e-5)
