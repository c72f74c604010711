"""Many texts together as one by one, long texts in windows, and scores by word and sentence."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.attribution import METHODS
from attnlens.attribution._registry import named
from attnlens.attribution._target import TargetRequest
from attnlens.attribution.text import _explain as text_module
from attnlens.attribution.text._merging import groups
from attnlens.errors import InputError
from attnlens.models import _text_inputs
from attnlens.models._forward import gradient_mode

from ... import tiny
from .test_forward import LENSES

TEXTS = [*tiny.SENTENCES[:3], ("a film", "see it"), *tiny.SENTENCES[4:6]]
LONG = "the story goes nowhere . who would not love a film like this one ? see it 😀 , it isn't flat . a long time"
FAST = {
    "integrated_gradients": {"tolerance": 0.02}, "shapley": {"n_samples": 2}, "smoothgrad": {"n_samples": 3},
    "sequential_integrated_gradients": {"tolerance": 0.1},
}  # fmt: skip


@pytest.fixture(scope="module")
def lenses():
    built = {}

    def lens(name):
        if name not in built:
            built[name] = LENSES[name]() if name in LENSES else MORE[name]()
            built[name].model.double()
        return built[name]

    return lens


MORE = {"gpt2 alone": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level())}


@pytest.fixture(scope="module")
def lens(lenses):
    return lenses("bert")


def assert_same(one, other):
    torch.testing.assert_close(one.scores, other.scores, rtol=1e-5, atol=1e-8)
    assert one.tokens == other.tokens
    assert (one.target, one.steps, one.method) == (other.target, other.steps, other.method)
    for name in ("value", "change", "gap", "estimated_error"):
        pair = getattr(one, name), getattr(other, name)
        assert pair == (None, None) or pair[0] == pytest.approx(pair[1], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_batched_equals_one_by_one(lens, method):
    options = {"method": method, **FAST.get(method, {})}
    together = lens.attribute(TEXTS, **options)
    assert [one.text for one in together] == [t if isinstance(t, tuple) else (t,) for t in TEXTS]
    for text, found in zip(TEXTS, together):
        assert_same(found, lens.attribute(text, **options))


@pytest.mark.parametrize("name", ["roberta", "deberta", "gpt2", "llama", "gpt2 alone", "t5", "bart"])
def test_batched_equals_one_by_one_on_other_models(lenses, name):
    lens, options = lenses(name), {"tolerance": 0.05, "max_steps": 65}
    for text, found in zip(TEXTS[:3], lens.attribute(TEXTS[:3], 1, **options)):
        assert_same(found, lens.attribute(text, 1, **options))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")],
)
@pytest.mark.parametrize("most", [1, 3])
def test_half_as_much_where_memory_runs_out(error, most):
    lens = al.Lens(tiny.bert().double(), tiny.wordpiece())
    expected, rows = lens.attribute(TEXTS, 1, n_steps=4), []

    def limited(module, args, kwargs):
        rows.append(len(kwargs["input_ids"]))
        if rows[-1] > most:
            raise error

    lens.model.register_forward_pre_hook(limited, with_kwargs=True)
    for one, other in zip(lens.attribute(TEXTS, 1, n_steps=4), expected):
        assert_same(one, other)
    assert max(rows) > most
    assert rows[-1] <= most


def test_a_single_row_that_does_not_fit_is_an_error():
    lens = al.Lens(tiny.bert(), tiny.wordpiece())

    def fail(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    lens.model.register_forward_pre_hook(fail)
    with pytest.raises(torch.OutOfMemoryError):
        lens.attribute(TEXTS, 1)


def test_models_that_cannot_batch_run_row_by_row(lenses):
    lens, rows = lenses("gpt2 alone"), []
    handle = lens.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    lens.attribute(["see it", "flat"], 1, n_steps=3)
    handle.remove()
    assert set(rows) == {1}


def test_never_more_tokens_together_than_the_budget(lens, monkeypatch):
    monkeypatch.setattr("attnlens.models._forward.ON_CPU", 60)
    sizes = []
    handle = lens.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    lens.attribute(["flat", *TEXTS], 1, n_steps=3)
    handle.remove()
    assert 30 < max(sizes) <= 60


def test_a_bar_over_the_texts(lens, capsys):
    lens.attribute(["see it", "flat"], n_steps=2, progress=True)
    assert "attributing" in capsys.readouterr().out
    lens.attribute("see it flat see it flat", n_steps=2, progress=True, window=5)
    assert "attributing" in capsys.readouterr().out
    lens.attribute(["see it", "flat"], n_steps=2)
    assert capsys.readouterr().out == ""


def test_no_text_at_all(lens):
    assert lens.attribute([]) == []
    with pytest.raises(InputError, match="unknown method"):
        lens.attribute([], method="no")


# -- words and sentences --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "t5"])
@pytest.mark.parametrize("level", ["word", "sentence"])
def test_sums_over_what_belongs_together(lenses, name, level):
    lens = lenses(name)
    tokens, found = (lens.attribute(LONG, 1, n_steps=3, level=one) for one in ("token", level))
    assert found.level == level
    assert float(found.scores.sum()) == pytest.approx(float(tokens.scores.sum()), rel=1e-5)
    assert (found.gap, found.change, found.steps) == (tokens.gap, tokens.change, tokens.steps)
    assert len(found) < len(tokens)
    for token in found.tokens:
        assert token.special or LONG[token.start : token.end] == token.text
    one = lens.encode(LONG)
    together = groups(one.tokens, one.text, level)
    torch.testing.assert_close(found.scores, torch.stack([tokens.scores[group].sum() for group in together]))


def test_words_of_texts_in_a_list_and_of_pairs(lens):
    found = lens.attribute(["it isn't flat", ("see it", "it isn't")], 1, n_steps=2, level="word")
    assert [token.text for token in found[0].tokens] == ["[CLS]", "it", "isn't", "flat", "[SEP]"]
    assert [token.text for token in found[1].tokens] == [
        "[CLS]",
        "see",
        "it",
        "[SEP]",
        "it",
        "isn't",
        "[SEP]",
    ]
    assert [token.segment for token in found[1].tokens if not token.special] == [0, 0, 1, 1]


# -- windows --------------------------------------------------------------------------------------------------


def attributed(lens, pieces, target, options, method="integrated_gradients"):
    """The attribution of each window by itself."""
    request = text_module.TextRequest(named("text", method), [("pad", "pad")], options=options)
    rows = [text_module.TextRow(piece, TargetRequest(target)) for piece in pieces]
    with gradient_mode(lens.model):
        return [text_module._attribute_batch(lens, [row], request, 1)[0] for row in rows]


def by_hand(lens, text, window, overlap, target, n_steps):
    """(scores of each token by its place in the text, F, change): a mean over windows, each attributed by itself."""
    pieces = _text_inputs.windows(lens.tokenizer, text, window, overlap, lens.max_tokens)
    parts = attributed(lens, pieces, target, {"n_steps": n_steps})
    fixed = sum(token.special for token in pieces[0].tokens)
    sums = torch.zeros(len(_text_inputs.encode(lens.tokenizer, text)) - fixed, dtype=torch.float64)
    for number, part in enumerate(parts):
        own = part.scores[[not token.special for token in part.tokens]].double()
        at = number * (window - fixed - overlap)
        sums[at : at + len(own)] += own
    return sums / len(parts), *(sum(getattr(p, n) for p in parts) / len(parts) for n in ("value", "change"))


@pytest.mark.parametrize(
    ("name", "window", "overlap"), [("bert", 12, 3), ("roberta", 20, 6), ("gpt2", 20, 0), ("llama", 17, 8)]
)
def test_scores_of_windows_are_their_mean(lenses, name, window, overlap):
    lens = lenses(name)
    scores, value, change = by_hand(lens, LONG, window, overlap, 1, 3)
    found = lens.attribute(LONG, 1, window=window, overlap=overlap, n_steps=3)
    ordinary = [not token.special for token in found.tokens]
    torch.testing.assert_close(found.scores[ordinary].double(), scores, rtol=1e-5, atol=1e-9)
    assert found.value == pytest.approx(value)
    assert found.change == pytest.approx(change)
    assert found.gap == pytest.approx(abs(float(scores.sum()) - change) / abs(change), abs=1e-4)
    assert [(t.text, t.start) for t in found.tokens] == [(t.text, t.start) for t in lens.trace(LONG).tokens]
    assert found.text == (LONG,)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_x_input", "gradient"])
def test_one_window_is_no_window(lenses, name, method):
    lens = lenses(name)
    options = {"method": method, **FAST.get(method, {})}
    assert_same(lens.attribute(LONG, 1, window=64, **options), lens.attribute(LONG, 1, **options))


@settings(deadline=None, max_examples=12)
@given(window=st.integers(8, 30), data=st.data())
def test_every_token_of_every_window_has_its_place(lenses, window, data):
    lens = lenses("roberta")
    overlap = data.draw(st.integers(0, window - 3))
    found = lens.attribute(LONG, 1, window=window, overlap=overlap, method="gradient_x_input")
    assert found.tokens == lens.encode(LONG).tokens
    pieces = _text_inputs.windows(lens.tokenizer, LONG, window, overlap, 64)
    parts = attributed(lens, pieces, 1, {}, "gradient_x_input")
    total = sum(float(part.scores.sum()) for part in parts) / len(parts)
    assert float(found.scores.sum()) == pytest.approx(total, rel=1e-4, abs=1e-6)  # nothing is lost
    assert bool((found.scores != 0).all())


def test_a_pair_in_windows(lens):
    pair = ("who would not love", "the story goes nowhere , it takes a long time")
    found = lens.attribute(pair, 1, window=12, overlap=2, n_steps=3)
    assert found.tokens == lens.trace(pair).tokens
    assert found.scores[[token.special for token in found.tokens]].abs().max() == 0
    assert found.scores[1:5].abs().min() > 0  # the first text stands in every window
    one = lens.attribute(pair, 1, window=40, n_steps=3)
    assert_same(one, lens.attribute(pair, 1, n_steps=3))


def test_words_and_lists_in_windows(lens):
    found = lens.attribute([LONG, "see it"], 1, window=12, n_steps=2, level="word")
    assert [one.level for one in found] == ["word", "word"]
    assert "isn't" in [token.text for token in found[0].tokens]
    tokens = lens.attribute(LONG, 1, window=12, n_steps=2)
    assert float(found[0].scores.sum()) == pytest.approx(float(tokens.scores.sum()), abs=1e-6)
    assert (found[0].steps, found[0].change) == (tokens.steps, tokens.change)


def test_the_estimated_error_of_windows_bounds_the_error(lens):
    found = lens.attribute(LONG, 1, window=12, tolerance=0.2)
    exact = lens.attribute(LONG, 1, window=12, n_steps=200)
    error = (found.scores - exact.scores).abs().sum() / exact.scores.abs().sum()
    assert 0 < float(error) <= found.estimated_error
    parts = attributed(lens, _text_inputs.windows(lens.tokenizer, LONG, 12, None, 64), 1, {"tolerance": 0.2})
    wrong = sum(part.estimated_error * float(part.scores.abs().sum()) for part in parts) / len(parts)
    assert found.estimated_error == pytest.approx(wrong / float(found.scores.abs().sum()), rel=1e-4)


def test_special_tokens_of_windows_lie_on_those_of_the_text(lens):
    found = lens.attribute(LONG, 1, window=12, method="gradient_x_input")
    assert [i for i, token in enumerate(found.tokens) if token.special] == [0, len(found) - 1]
    assert found.scores[[0, -1]].abs().min() > 0


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (tiny.bert, {"overlap": 2}, "overlap= is the overlap of neighbouring windows; pass window= too"),
        (tiny.bert, {"window": 2}, "window must be at least 3 tokens and at most 64, not 2"),
        (tiny.bert, {"window": 99}, "window must be at least 3 tokens and at most 64, not 99"),
        (tiny.bert, {"window": 9, "output": "see"}, "output= belongs to one text without windows"),
        (lambda: tiny.bert("ForTokenClassification"), {"window": 9}, "window= is for models that predict once"),
        (lambda: tiny.bert("ForMaskedLM"), {"window": 9}, "window= is for models that predict once"),
        (lambda: tiny.bert("ForQuestionAnswering"), {"window": 9}, "BertForQuestionAnswering predicts at a position"),
    ],
)  # fmt: skip
def test_windows_that_are_none(build, options, message):
    with pytest.raises(InputError, match=message):
        al.Lens(build(), tiny.wordpiece()).attribute("see it", **options)


def test_a_text_over_the_limit_names_the_window(lens):
    with pytest.raises(InputError, match=r"has 101 tokens, the model takes 64; .*window="):
        lens.attribute("film " * 99)


def test_what_was_sampled_is_summed_draw_by_draw(lens):
    tokens = lens.attribute(TEXTS[0], method="shapley", n_samples=5)
    words = lens.attribute(TEXTS[0], method="shapley", n_samples=5, level="word")
    assert len(words) <= len(tokens)
    torch.testing.assert_close(words.samples.mean(0), words.scores, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(words.samples.sum(1), tokens.samples.sum(1), atol=1e-5, rtol=1e-4)
    windows = lens.attribute(TEXTS[0], method="shapley", n_samples=5, window=8, overlap=2)
    assert windows.standard_error.shape == tokens.scores.shape
    torch.testing.assert_close(windows.samples.mean(0), windows.scores, atol=1e-5, rtol=1e-4)
