"""Where a path begins: the vectors of each baseline by hand, means over several, and what is refused."""

from __future__ import annotations

import pytest
import torch

import attnlens as al
from attnlens.attribution.text import _baselines
from attnlens.attribution.text._baselines import named, per_token, start
from attnlens.attribution.text._forward import EmbeddingForward
from attnlens.errors import InputError
from attnlens.models._forward import gradient_mode

from ... import tiny

TEXT = "a funny film"
IDS = dict.fromkeys(("a", "funny", "film", "see", "it", "flat"))


@pytest.fixture(scope="module")
def lens():
    found = al.Lens(tiny.bert(num_labels=3).double(), tiny.wordpiece())
    IDS.update({word: found.tokenizer.convert_tokens_to_ids(word) for word in IDS})
    return found


def answer_of(lens, *texts):
    with gradient_mode(lens.model):
        return EmbeddingForward(lens, [lens.encode(text) for text in texts])


def vectors(lens, *ids):
    return lens.model.get_input_embeddings()(torch.tensor([ids])).detach()


def between(lens, *ids):
    """[CLS] ids [SEP]"""
    return vectors(lens, 2, *ids, 3)


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        ("pad", ["[PAD]"] * 3),
        ("mask", ["[MASK]"] * 3),
        ("see it flat", ["see", "it", "flat"]),
        ("see it", ["see", "it", "[PAD]"]),
        ("see it flat see it", ["see", "it", "flat"]),
    ],
)
def test_tokens_in_the_places_of_words(lens, baseline, words):
    expected = between(lens, *lens.tokenizer.convert_tokens_to_ids(words))
    torch.testing.assert_close(start(answer_of(lens, TEXT), baseline), expected)


def test_a_short_text_is_filled_up_with_padding(lens):
    ids = lens.tokenizer.convert_tokens_to_ids(["see", "it", "[PAD]", "[PAD]", "[PAD]"])
    torch.testing.assert_close(start(answer_of(lens, "a funny film see it"), "see it"), between(lens, *ids))


def test_zeros_and_the_mean(lens, monkeypatch):
    table = lens.model.get_input_embeddings().weight
    for name, word in (("zero", torch.zeros(32).double()), ("mean", table.mean(0))):
        expected = between(lens, 0, 0, 0)
        expected[0, 1:4] = word
        torch.testing.assert_close(start(answer_of(lens, TEXT), name), expected)
    monkeypatch.setattr(_baselines, "PART", 7)  # a large vocabulary in parts
    torch.testing.assert_close(start(answer_of(lens, TEXT), "mean"), expected)


def test_own_ids_and_vectors(lens):
    answer, ids = answer_of(lens, TEXT), [2, IDS["see"], IDS["it"], IDS["flat"], 3]
    expected = vectors(lens, *ids)
    for given in (
        ids,
        tuple(ids),
        torch.tensor(ids),
        torch.tensor([ids]),
        expected,
        expected[0],
        expected.float(),
    ):
        torch.testing.assert_close(start(answer, given), expected)
    one = torch.randn(32, dtype=torch.float64)
    expected[0, 1:4] = one
    torch.testing.assert_close(start(answer, one), expected)
    assert not start(answer, one.requires_grad_()).requires_grad


def test_special_tokens_stay_also_where_own_vectors_move_them(lens):
    found = start(answer_of(lens, TEXT), torch.randn(5, 32, dtype=torch.float64))
    torch.testing.assert_close(found[0, [0, 4]], vectors(lens, 2, 3)[0])


def test_padding_of_a_batch_stays(lens):
    found = start(answer_of(lens, TEXT, "see"), "mask")
    mask = lens.tokenizer.mask_token_id
    torch.testing.assert_close(
        found, torch.cat([between(lens, mask, mask, mask), vectors(lens, 2, mask, 3, 0, 0)])
    )


def test_without_padding_the_unknown_token(lens):
    gpt = al.Lens(tiny.gpt2().double(), tiny.byte_level())
    answer = answer_of(gpt, "see it")
    expected = gpt.model.get_input_embeddings()(
        torch.full_like(answer.ids, gpt.tokenizer.unk_token_id)
    ).detach()
    torch.testing.assert_close(start(answer, "pad"), expected)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("pad", ["pad"]),
        (["pad", "zero"], ["pad", "zero"]),
        (("mask", "a long text"), ["mask", "'a long text'"]),
        ([1, 2, 3], ["own ids"]),
        (torch.tensor([1, 2]), ["own ids"]),
        ([torch.zeros(4), [1, 2]], ["own vectors", "own ids"]),
    ],
)
def test_names(given, names):
    assert [name for name, _ in named(given)] == names


def test_which_belong_to_one_text():
    assert [per_token(one) for one in ("pad", "a text", torch.zeros(4))] == [False] * 3
    assert [per_token(one) for one in ([1], (1, 2), torch.zeros(3, 4), torch.tensor([1]))] == [True] * 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "pads",
            r"unknown baseline 'pads'; expected one of: pad, mask, zero, mean. Did you mean 'pad'\? A text of",
        ),
        ("", "unknown baseline ''"),
        ([], r"baseline=\[\] names no baseline"),
        ((), r"baseline=\[\] names no baseline"),
        (3, "baseline must be one of pad, mask, zero, mean, a text, token ids, .* not 3"),
        (["pad", 3], "not 3"),
        ([[]], r"not \[\]"),
        ([True, False], "not True"),
        (None, "not None"),
    ],
)
def test_what_is_no_baseline(lens, given, message):
    with pytest.raises(InputError, match=message):
        named(given)
    with pytest.raises(InputError, match=message):
        lens.attribute(TEXT, baseline=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], r"a baseline of ids must have one id for each of the 5 tokens, not \[2\]"),
        (torch.ones(5, 5, dtype=torch.long), r"one id for each of the 5 tokens, not \[5, 5\]"),
        ([1, 2, 3, 4, 10_000], r"baseline ids must be from 0 to \d+, the model's vocabulary"),
        ([1, 2, 3, 4, -1], r"baseline ids must be from 0 to"),
        (torch.zeros(4, 32), r"must be \[token, d\] = \[5, 32\] or \[d\], not \[4, 32\]"),
        (torch.zeros(31), r"not \[31\]"),
        (torch.zeros(2, 5, 32), r"not \[2, 5, 32\]"),
    ],
)
def test_what_does_not_fit_the_text(lens, given, message):
    with pytest.raises(InputError, match=message):
        lens.attribute(TEXT, 0, baseline=given, n_steps=2)


@pytest.mark.parametrize("given", [[2, 1, 1, 1, 3], torch.zeros(5, 32), ["pad", torch.zeros(5, 32)]])
def test_what_has_an_entry_per_token_is_for_one_text(lens, given):
    for options in ({"input": [TEXT]}, {"input": TEXT, "window": 5}):
        with pytest.raises(InputError, match="belongs to one text without windows"):
            lens.attribute(options.pop("input"), 0, baseline=given, n_steps=2, **options)
    assert len(lens.attribute(TEXT, 0, baseline=given, n_steps=2)) == 5


def test_a_tokenizer_without_a_mask():
    lens = al.Lens(tiny.gpt2(), tiny.byte_level())
    with pytest.raises(InputError, match="has no mask token; use 'pad' or 'delete'"):
        lens.attribute("see it", baseline="mask", n_steps=2)


# -- several --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"n_steps": 9}, {"tolerance": 0.005}, {"method": "leave_one_out"}])
def test_several_are_averaged(lens, options):
    baselines = ["pad", "zero", "see it flat"]
    single = [lens.attribute(TEXT, 1, baseline=one, **options) for one in baselines]
    found = lens.attribute(TEXT, 1, baseline=baselines, **options)
    torch.testing.assert_close(found.scores, sum(one.scores for one in single) / 3)
    assert found.change == pytest.approx(sum(one.change for one in single) / 3, rel=1e-9)
    assert found.gap == pytest.approx(
        abs(float(found.scores.sum()) - found.change) / abs(found.change), abs=1e-5
    )
    assert found.steps == sum(one.steps for one in single)
    assert found.baseline == "pad and zero and 'see it flat'"
    assert found.value == single[0].value


def test_the_estimated_error_of_several_bounds_the_error(lens):
    options = {"baseline": ["pad", "mask", "zero"], "tolerance": 0.3}
    found = lens.attribute(TEXT, 1, **options)
    exact = lens.attribute(TEXT, 1, baseline=options["baseline"], n_steps=300)
    error = (found.scores - exact.scores).abs().sum() / exact.scores.abs().sum()
    assert 0 < float(error) <= found.estimated_error
    single = [lens.attribute(TEXT, 1, baseline=one, tolerance=0.3) for one in options["baseline"]]
    sums = sum(one.estimated_error * float(one.scores.abs().sum()) for one in single)
    assert found.estimated_error == pytest.approx(sums / float(3 * found.scores.abs().sum()), rel=1e-4)


def test_methods_without_a_baseline_ask_it_once(lens):
    for method, name in (("gradient", None), ("gradient_x_input", "zero"), ("rollout", None)):
        found = lens.attribute(TEXT, 1, method=method, baseline=["pad", "zero"])
        torch.testing.assert_close(found.scores, lens.attribute(TEXT, 1, method=method).scores)
        assert found.baseline == name


def test_compare_is_an_explanation(lens):
    found = lens.attribute(TEXT, 1, baseline="compare", n_steps=5)
    assert found.names == ("pad", "mask", "zero", "mean")
    for name in found.names:
        torch.testing.assert_close(
            found[name].scores, lens.attribute(TEXT, 1, baseline=name, n_steps=5).scores
        )
    gpt = al.Lens(tiny.gpt2(), tiny.byte_level())
    assert gpt.attribute("see it", 1, baseline="compare", n_steps=2).names == ("pad", "zero", "mean")
