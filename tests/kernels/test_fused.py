"""Where the kernels stand in for torch, the results are those of torch."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
import transformers as hf

import attnlens as al
from attnlens.data import Band, Factors, Layer, Token, Trace, Weights
from attnlens.kernels import _fused, _head_sums

from .. import tiny
from ..analysis.test_many import PADDINGS, assert_padded

WORDS = "a film , a good film and no bad film : see it again and again .".split()


@pytest.fixture
def fused(monkeypatch):
    """The kernels run here, in Triton's interpreter or on the GPU, for everything; counts their calls."""
    calls, head_sums = [], _head_sums._fused_head_sums

    def noted(*args):
        calls.append(args[0].shape)
        return head_sums(*args)

    def use(on: bool) -> list:
        monkeypatch.setattr(_fused, "on_gpu", lambda device: on)
        monkeypatch.setattr(_head_sums, "BLOCK_ELEMENTS", 0 if on else 1 << 22)
        monkeypatch.setattr(_head_sums, "_fused_head_sums", noted)
        return calls

    return use


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def factors(size: int = 40, heads: int = 2, key_heads: int = 1, **rule) -> Factors:
    query, key = torch.randn(heads, size, 32), torch.randn(key_heads, size, 32)
    return Factors(query, key, 0.3, **rule).to(DEVICE)


def trace_of(*attentions) -> Trace:
    size = attentions[0].queries
    tokens = tuple(
        Token(WORDS[n % 17], len(WORDS[n % 17]) + 7 * (n % 3), special=n == 0) for n in range(size)
    )
    return Trace(tuple(Layer(f"layer.{n}", "self", one) for n, one in enumerate(attentions)), tokens=tokens)


holes = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0)) < 0.5
holes[0, 7] = False
RULES = {
    "bidirectional": {},
    "causal": {"mask": Band(None, 0)},
    "window": {"mask": Band(5, 3)},
    "a mask with an empty row": {"mask": holes},
    "sink": {"sink": torch.tensor([0.5, 2.0])},
    "bias and cap": {"bias": torch.linspace(-1, 1, 40)[None, None], "softcap": 3.0},
}


@pytest.mark.parametrize("name", RULES)
def test_the_table_of_a_trace(name, fused):
    trace = trace_of(factors(**RULES[name]))
    fused(False)
    expected = al.head_stats(trace)
    calls = fused(True)
    found = al.head_stats(trace)
    assert calls
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, atol=1e-5)


def llama(side: str):
    config = hf.LlamaConfig(
        vocab_size=330, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=48, max_position_embeddings=64,
    )  # fmt: skip
    model = tiny.seeded(lambda: hf.LlamaForCausalLM(config))
    return al.Lens(model, tiny.byte_level("<|end|>", side))


LENSES = {
    "bert": lambda: al.Lens(tiny.bert(), tiny.wordpiece()),
    "padded left": lambda: llama("left"),
    "padded right": lambda: llama("right"),
    "encoder and decoder": lambda: al.Lens(tiny.bart(), tiny.roberta()),
}


@pytest.mark.parametrize("name", LENSES)
def test_the_table_of_many_inputs(name, fused):
    lens, texts = LENSES[name](), ["a film , a film .", "see it", "a good film and no bad film"]
    lens.model.to(DEVICE)
    fused(False)
    expected = al.head_stats(lens, texts)
    calls = fused(True)
    pd.testing.assert_frame_equal(al.head_stats(lens, texts), expected, rtol=1e-5, atol=1e-5)
    assert calls


@pytest.mark.skipif(DEVICE == "cuda", reason="these models run on the CPU")
@pytest.mark.parametrize("padding", PADDINGS)
def test_any_padding(padding, fused):
    calls = fused(True)
    assert_padded("bert", padding)
    assert calls


@pytest.mark.parametrize("residual", [0.5, 0.0])
@pytest.mark.parametrize("name", ["bidirectional", "causal", "a mask with an empty row", "sink"])
def test_a_row_of_the_rollout(name, residual, fused, monkeypatch):
    trace = trace_of(factors(**RULES[name]), factors(mask=Band(None, 0)))
    fused(False)
    expected = [al.rollout(trace, residual, row=row) for row in (0, 7, -1)]
    fused(True)
    monkeypatch.setattr(
        Factors, "blocks", None
    ) if name != "sink" else None  # no block of weights is computed
    for row, one in zip((0, 7, -1), expected):
        torch.testing.assert_close(al.rollout(trace, residual, row=row), one, rtol=1e-5, atol=1e-6)


def test_a_known_log_sum_exp_saves_a_pass(fused, monkeypatch):
    from attnlens.kernels import _triton_row_products

    attention = factors(mask=holes)
    fused(False)
    expected = al.rollout(trace_of(replace(attention)), row=-1)
    fused(True)
    assert attention.whole_lse is None
    assert (attention.lse[:, 7] == torch.inf).all()
    assert torch.equal(attention.whole_lse, attention.lse)
    monkeypatch.setattr(_triton_row_products, "run_row_pass", None)
    torch.testing.assert_close(al.rollout(trace_of(attention), row=-1), expected, rtol=1e-5, atol=1e-6)
    moved = attention.to("cpu").to(DEVICE)
    assert torch.equal(moved.whole_lse, attention.lse)


def test_what_stays_with_torch(fused):
    fused(True)
    plain = factors()
    for attention in (
        factors(mask=torch.ones(2, 40, 40, dtype=torch.bool)),
        Factors(plain.query.double(), plain.key.double(), 0.3),
        Weights(plain[:]),
    ):
        assert not _fused.is_fused(al.data.AttentionBatch.of(attention))
    assert not _fused.is_fused(al.data.AttentionBatch.of(plain, key_weights=torch.ones(2, 40, device=DEVICE)))


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((8, 0), True), ((9, 0), True), ((10, 0), True), ((8, 6), False), ((12, 0), False)],
)
def test_gpus_whose_shared_memory_holds_the_tiles(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert _fused.on_gpu.__wrapped__(torch.device("cuda")) == expected
    assert not _fused.on_gpu.__wrapped__(torch.device("cpu"))


@pytest.mark.parametrize("name", RULES)
def test_distances_and_largest_weights(name, fused, monkeypatch):
    trace = trace_of(factors(**RULES[name]), factors(**RULES[name]))
    tables = []
    for on in (False, True):
        fused(on)
        monkeypatch.setattr(_fused, "BLOCK_ELEMENTS", 0)
        largest = (al.analysis.top_weights(trace, special=special) for special in (False, True))
        tables.append([al.analysis.head_distance(trace) ** 2, *largest])
    for ours, expected in zip(tables[1], tables[0]):
        assert ours.attrs == expected.attrs
        pd.testing.assert_frame_equal(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LENSES)
def test_distances_and_largest_weights_of_many_inputs(name, fused, monkeypatch):
    lens, texts = LENSES[name](), ["a film , a film .", "see it", "a good film and no bad film"]
    lens.model.to(DEVICE)
    monkeypatch.setattr(_fused, "BLOCK_ELEMENTS", 0)
    tables = []
    for on in (False, True):
        fused(on)
        tables.append(al.analysis.top_weights(lens, texts))
        if name != "encoder and decoder":
            tables.append(al.analysis.head_distance(lens, texts) ** 2)
    half = len(tables) // 2
    for ours, expected in zip(tables[half:], tables[:half]):
        pd.testing.assert_frame_equal(ours, expected, rtol=1e-4, atol=1e-5)
