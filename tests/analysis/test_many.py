"""Statistics of many inputs at once: the same as of their traces one by one, whatever the batch."""

from __future__ import annotations

import gc
from functools import wraps

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import attnlens as al
from attnlens.analysis import COLUMNS
from attnlens.data import Token
from attnlens.errors import InputError

from .. import tiny

TEXTS = (
    "a gripping , funny film with one dull stretch .",
    "see it",
    "the film is long , long , too long ; and the end of the film is not good !",
    "no .",
    "a film",
)


WORDS = ("a", "film", ",", ".", "not", "good", "bad", "see")


def pictures(count=5):
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(3, 32, 32, generator=generator) for _ in range(count)]


def sliding():
    config = hf.MistralConfig(
        vocab_size=330, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, sliding_window=4, max_position_embeddings=64,
    )  # fmt: skip
    return tiny.seeded(lambda: hf.MistralForCausalLM(config))


def swin():
    config = hf.SwinConfig(
        image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
    )
    return al.Lens(tiny.seeded(lambda: hf.SwinForImageClassification(config)), tiny.processor())


LENSES = {
    "sentiment": lambda: al.load("sentiment"),
    "bert": lambda: al.Lens(tiny.bert(), tiny.wordpiece()),
    "bert eager": lambda: al.Lens(tiny.bert(attn_implementation="eager"), tiny.wordpiece()),
    "modernbert": lambda: al.Lens(tiny.modernbert(), tiny.wordpiece()),
    "deberta": lambda: al.Lens(tiny.deberta(), tiny.wordpiece()),
    "albert": lambda: al.Lens(tiny.albert(), tiny.wordpiece()),
    "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level("<|end|>")),
    "llama": lambda: al.Lens(tiny.llama(), tiny.byte_level("<|end|>", "left")),
    "mistral, sliding window": lambda: al.Lens(sliding(), tiny.byte_level("<|end|>", "left")),
    "gpt2 without padding": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "t5": lambda: al.Lens(tiny.t5(), tiny.metaspace()),
    "bart": lambda: al.Lens(tiny.bart(), tiny.roberta()),
    "bart classifier": lambda: al.Lens(tiny.bart("ForSequenceClassification"), tiny.roberta()),
    "vit": lambda: al.Lens(tiny.vit(), tiny.processor()),
    "minivit": lambda: al.load("minivit"),
    "swin": swin,
}


def inputs_of(lens):
    return list(TEXTS) if hasattr(lens, "tokenizer") else pictures()


def of_traces(lens, inputs, batch_size=1, store="auto"):
    return al.head_stats(lens.traces(inputs, store=store, batch_size=batch_size))


def assert_same(found, expected, rtol=1e-4, atol=1e-5):
    """The model itself rounds otherwise in another batch; in the same one both agree within 1e-6."""
    pd.testing.assert_frame_equal(found, expected, rtol=rtol, atol=atol)
    assert (found.isna() == expected.isna()).all(None)
    assert found.attrs == expected.attrs


@pytest.mark.parametrize("name", LENSES)
def test_the_table_of_many_inputs_is_that_of_their_traces(name):
    lens = LENSES[name]()
    inputs = inputs_of(lens)
    close = 1e-5 if name == "t5" else 1e-6  # T5 does not scale its scores, so that their rounding is larger
    assert_same(al.head_stats(lens, inputs, batch_size=5), of_traces(lens, inputs, 5), close, close)
    alone = of_traces(lens, inputs)
    for batch_size in (None, 1, 2):
        assert_same(al.head_stats(lens, inputs, batch_size=batch_size), alone)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_half_precision(name):
    lens = LENSES[name]()
    lens.model.to(torch.bfloat16)
    found, expected = al.head_stats(lens, TEXTS), of_traces(lens, TEXTS, store="factors")
    pd.testing.assert_frame_equal(
        found, expected, rtol=0.05, atol=0.02
    )  # batches round otherwise than inputs alone
    one = list(TEXTS[:1])
    assert_same(al.head_stats(lens, one), of_traces(lens, one, store="factors"))


@settings(max_examples=12, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=6),
    batch_size=st.integers(1, 6),
    name=st.sampled_from(["bert", "llama", "t5"]),
)  # fmt: skip
def test_any_texts_in_any_batches(texts, batch_size, name):
    lens = LENSES[name]()
    texts = [" ".join(words) for words in texts]
    assert_same(al.head_stats(lens, texts, batch_size=batch_size), of_traces(lens, texts))


def test_images_of_several_sizes_and_grids():
    lens = al.load("minivit")
    sample = Image.open(al.models.sample_images()["cat"])
    inputs = [sample, sample.resize((50, 80)), *pictures(2)]
    assert_same(al.head_stats(lens, inputs), of_traces(lens, inputs))


PADDINGS = {
    "right": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1]],
    "both sides": [[0, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1]],
    "inside": [[1, 1, 0, 1, 0, 1, 1], [1, 0, 0, 1, 1, 1, 0]],
}
"""A lens pads on the right; a user of `capture` pads as the model was trained."""


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", ["bert", "llama"])
def test_any_padding(name, padding):
    assert_padded(name, padding)


def assert_padded(name, padding):
    """Each input's columns, reduced in its batch, are those of its trace without padding."""
    if name == "llama" and padding == "inside":
        pytest.skip("a causal mask with a hidden key inside is a mask, not padding")
    model = {"bert": tiny.bert, "llama": tiny.llama}[name]().eval()
    mask, tokens = torch.tensor(PADDINGS[padding]), ("a", "b", "a", "c", ".", "b", "a")
    inputs = {"input_ids": torch.arange(14).view(2, 7) % 5 + 5, "attention_mask": mask}
    real = [[Token(tokens[i], i % 3) for i in row.nonzero()[:, 0].tolist()] for row in mask]
    with torch.no_grad():
        with al.capture(model) as recording:
            model(**inputs)
        traces = list(recording.traces(tokens=real))
        with al.capture(model, reduce=al.analysis.HeadColumns(al.analysis.InputTokens(real))) as reduced:
            model(**inputs)
    (layers,) = reduced.reduced
    for item, trace in enumerate(traces):
        assert len(trace.tokens) == sum(PADDINGS[padding][item])
        table = al.head_stats(trace)
        for number, (_, columns) in enumerate(layers):
            expected = table[table.layer == number][list(COLUMNS)].to_numpy()
            np.testing.assert_allclose(columns[item].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_inputs_are_read_once_and_in_any_form():
    lens = LENSES["bert"]()
    texts = [*TEXTS, ("a film", "see it")]
    expected = of_traces(lens, texts)
    assert_same(al.head_stats(lens, iter(texts)), expected)
    assert_same(al.head_stats(lens, (text for text in texts)), expected)
    assert list(expected.columns[:3]) == ["layer", "head", "name"]
    assert list(expected.columns[3::3]) == list(COLUMNS)


def test_memory_does_not_grow_with_the_inputs():
    lens, held = LENSES["bert"](), []

    def texts(count):
        for number in range(count):
            yield TEXTS[number % 5]

    def tensors(count):
        gc.collect()
        before = {id(one) for one in gc.get_objects() if issubclass(type(one), torch.Tensor)}
        most = 0
        for _ in lens.reduce(texts(count), al.analysis.HeadColumns, batch_size=5):
            most = max(most, sum(one.numel() for one in gc.get_objects()
                                 if issubclass(type(one), torch.Tensor) and id(one) not in before))  # fmt: skip
        held.append(most)
        return most

    assert tensors(100) <= tensors(10) * 1.2, held


def test_a_batch_that_does_not_fit_is_halved(monkeypatch):
    lens, sizes = LENSES["bert"](), []
    forward = lens.model.forward

    @wraps(forward)
    def small(input_ids, **options):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **options)

    expected = of_traces(lens, TEXTS)
    monkeypatch.setattr(lens.model, "forward", small)
    assert_same(al.head_stats(lens, TEXTS), expected)
    assert sizes[0] == 5
    with pytest.raises(torch.OutOfMemoryError):
        al.head_stats(lens, TEXTS, batch_size=4)


def test_what_is_refused():
    lens = LENSES["bert"]()
    with pytest.raises(InputError, match="a lens needs inputs: head_stats"):
        al.head_stats(lens)
    with pytest.raises(InputError, match="inputs belong to a lens, not to Trace"):
        al.head_stats(lens.trace("a film"), ["a film"])
    with pytest.raises(InputError, match="batch_size= is for a lens with inputs"):
        al.head_stats(lens.trace("a film"), batch_size=3)
    with pytest.raises(InputError, match="reduce\\(\\) takes an iterable of inputs, not str"):
        al.head_stats(lens, "a film")
    with pytest.raises(InputError, match="received no input; an iterator can be read only once"):
        al.head_stats(lens, [])
    with pytest.raises(InputError, match="input 1: "):
        al.head_stats(lens, ["a film", ""])
    with pytest.raises(InputError, match="batch_size must be"):
        al.head_stats(lens, TEXTS, batch_size=0)


def test_moments_of_many_at_once():
    generator = np.random.default_rng(0)
    numbers = generator.normal(3, 2, (40, 3, 5))
    numbers[generator.random(numbers.shape) < 0.3] = np.nan
    numbers[:, 0, 0] = np.nan
    moments = al.analysis._moments.RunningMoments((3, 5))
    for start, stop in ((0, 1), (1, 9), (9, 9), (9, 40)):
        moments.add_all(numbers[start:stop])
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        np.testing.assert_allclose(moments.mean, np.nanmean(numbers, 0), rtol=1e-12)
        np.testing.assert_allclose(moments.std, np.nanstd(numbers, 0, ddof=1), rtol=1e-12)
