"""Agreement of attributions: against scipy's rank correlation and sets written down by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from attnlens.attribution import Target
from attnlens.attribution._result import ImageAttribution, TextAttribution
from attnlens.data._trace import Prediction, Token
from attnlens.errors import InputError
from attnlens.evaluation._agreement import agreement, spearman


def text_attribution(scores, method="own", **options):
    """Of the words of a text between two special tokens."""
    tokens = [Token("[CLS]", 1, special=True), *(Token(f"w{i}", 5 + i) for i in range(len(scores)))]
    fields = {
        "scores": torch.tensor([99.0, *scores, -99.0]), "tokens": (*tokens, Token("[SEP]", 2, special=True)),
        "text": ("some words",), "target": Target("positive", 1), "method": method, "value": 1.0,
        "prediction": Prediction("positive", 1, 0.9),
    }  # fmt: skip
    return TextAttribution(**(fields | options))


def image_attribution(scores, picture=0):
    image = np.full((4, 4, 3), picture, dtype=np.uint8)
    return ImageAttribution(
        scores=scores, target=Target("cat", 3), prediction=None, method="own", value=1.0, seen=image, image=image,
        box=(0.0, 0.0, 4.0, 4.0),
    )  # fmt: skip


def test_the_table_of_every_two():
    one = text_attribution(
        [5.0, 1.0, -4.0, 0.0, 2.0, 0.5, 0.1, 0.2, 0.3, 0.4], "gradient_x_input", baseline="zero"
    )
    same = replace(one, scores=one.scores * 3, method="shapley", baseline="pad")
    turned = replace(one, scores=-one.scores, method="deeplift", baseline="pad")
    table = agreement([one, same, turned])
    assert table[["first", "second"]].values.tolist() == [
        ["gradient × input from zero", "shapley from pad"],
        ["gradient × input from zero", "DeepLIFT from pad"],
        ["shapley from pad", "DeepLIFT from pad"],
    ]
    assert table.spearman.tolist() == pytest.approx([1.0, -1.0, -1.0])
    assert table.overlap.tolist() == [1.0, 1.0, 1.0]


def test_the_strongest_fifth_is_two_of_ten():
    one = text_attribution([9.0, -8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    other = text_attribution([9.0, 1.0, -8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    apart = text_attribution([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 2.0])
    flat = text_attribution([1.0] * 10)
    table = agreement([one, other, apart, flat])
    assert table.overlap.tolist() == pytest.approx(
        [1 / 3, 0, 1, 0, 1 / 3, 0]
    )  # of equal ones the first two count
    assert math.isnan(table.spearman.iloc[-1])


def test_sizes_are_compared_where_one_has_no_sign():
    signed = text_attribution([-5.0, 1.0, 2.0, -3.0])
    unsigned = text_attribution([5.0, 1.0, 2.0, 3.0], signed=False)
    assert agreement([signed, unsigned]).spearman[0] == pytest.approx(1.0)
    assert agreement([signed, replace(unsigned, signed=True)]).spearman[0] == pytest.approx(-0.8)


def test_rank_correlation_is_that_of_scipy():
    generator = torch.Generator().manual_seed(0)
    for size in (2, 5, 40):
        one, other = (torch.randint(6, (size,), generator=generator).double() for _ in range(2))
        one[0], other[1] = 7.0, 8.0  # never constant
        assert spearman(one, other) == pytest.approx(spearmanr(one.numpy(), other.numpy()).statistic)
    assert math.isnan(spearman(torch.ones(3).double(), torch.arange(3).double()))
    assert math.isnan(spearman(torch.tensor([1.0, float("nan"), 2.0]), torch.arange(3.0)))


def test_targets_and_numbers_tell_names_apart():
    one = text_attribution([1.0, 2.0])
    table = agreement([one, replace(one, target=Target("negative", 0)), one])
    assert table["first"].tolist() == ["own for positive (1)", "own for positive (1)", "own for negative"]
    assert table["second"].tolist() == ["own for negative", "own for positive (3)", "own for positive (3)"]


def test_pixels():
    scores = torch.arange(16.0).reshape(4, 4)
    table = agreement([image_attribution(scores), image_attribution(scores**3)])
    assert table.spearman[0] == pytest.approx(1.0)
    with pytest.raises(InputError, match="of one input"):
        agreement([image_attribution(scores), image_attribution(scores, picture=9)])
    with pytest.raises(InputError, match=r"scores of \[4, 4\] and \[2, 2\] pixels"):
        agreement([image_attribution(scores), image_attribution(scores[:2, :2])])


def test_what_cannot_be_compared():
    one = text_attribution([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="pass at least two of the same input"):
        agreement([one])
    with pytest.raises(InputError, match="the list is empty"):
        agreement([])
    with pytest.raises(InputError, match="attributions of one input; for several inputs"):
        agreement([one, replace(one, text=("other words",))])
    with pytest.raises(InputError, match="of one input"):
        agreement([one, image_attribution(torch.rand(4, 4))])
    with pytest.raises(InputError, match="different tokens: own has 5 tokens, own 6 tokens"):
        agreement([one, text_attribution([1.0, 2.0, 3.0, 4.0])])
