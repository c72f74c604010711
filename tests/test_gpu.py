"""On a GPU: the same answers, without a weight matrix in its memory."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
)

import attnlens as al
from attnlens.attribution._relevance import _relevance as relevance
from attnlens.data import Band, Layer, Token
from attnlens.data._attention import Factors
from attnlens.data._trace import Trace
from attnlens.kernels import _fused
from attnlens.models._forward import run_for

from .analysis.test_many import LENSES, WORDS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

SMALL = dict(vocab_size=99, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)


LONG = {
    "bidirectional": lambda size, heads: {},
    "causal": lambda size, heads: {"mask": Band(None, 0)},
    "window": lambda size, heads: {"mask": Band(100, 50)},
    "sink": lambda size, heads: {"mask": Band(None, 0), "sink": torch.linspace(0, 2, heads)},
    "holes": lambda size, heads: {"mask": torch.rand(1, size, size) < 0.6},
    "bias and cap": lambda size, heads: {"bias": torch.randn(1, size, size), "softcap": 5.0},
}
"""Masks of factors, from the number of tokens and heads"""


def inputs() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 99, (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    return {"input_ids": ids.cuda(), "attention_mask": mask.cuda()}


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)]
)
@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("store", ["factors", "weights"])
def test_captured_on_the_gpu_equals_eager(kind, dtype, tolerance, store):
    torch.manual_seed(0)
    model = {
        "bert": lambda: BertModel(BertConfig(**SMALL)),
        "llama": lambda: LlamaModel(LlamaConfig(**SMALL, num_key_value_heads=2)),
    }[kind]()
    model, given = model.eval().to("cuda", dtype), inputs()
    with torch.no_grad():
        plain = model(**given).last_hidden_state
        with al.capture(model, store=store) as recording:
            captured = model(**given).last_hidden_state
        model.set_attn_implementation("eager")
        eager = model(**given, output_attentions=True).attentions
    assert torch.equal(plain, captured)
    for item, trace in enumerate(recording.traces()):
        real = given["attention_mask"][item].bool()
        for layer, weights in zip(trace.layers, eager, strict=True):
            attention = layer.attention
            expected = weights[item][:, real][:, :, real].float()
            assert attention.device.type == "cuda"
            assert (attention[:] - expected).abs().max() < tolerance
            assert (attention[1, -1] - expected[1, -1]).abs().max() < tolerance
            assert (attention[:, :, 0] - expected[:, :, 0]).abs().max() < tolerance
            assert attention.masked_rows.sum() == 0
        assert al.rollout(trace).sum(-1).sub(1).abs().max() < 1e-3
        moved = trace.to("cpu")
        assert torch.allclose(moved[0][:], trace[0][:].cpu(), atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_values_gradients_and_gates_equal_those_of_the_cpu(kind):
    torch.manual_seed(0)
    model = {
        "bert": lambda: BertForSequenceClassification(BertConfig(**SMALL)),
        "llama": lambda: LlamaForSequenceClassification(
            LlamaConfig(**SMALL, num_key_value_heads=2, pad_token_id=0)
        ),
    }[kind]().eval()
    given, found = inputs(), {}
    for device in ("cpu", "cuda"):
        model.to(device)
        moved = {name: tensor.to(device) for name, tensor in given.items()}
        run = partial(run_for, model, moved, lambda output, item: output.logits[item], 3)
        _, layers, _ = run(1)
        gated, _, _ = run(gates={1: torch.tensor([1.0, 0.0, 1.0, 1.0])})
        traces = [Trace(one) for one in layers]
        found[device] = [
            gated.logits,
            *(relevance(trace, None) for trace in traces),
            *(relevance(trace, 0) for trace in traces),
            *(al.analysis.norms(trace)[1][:] for trace in traces),
            *(torch.tensor(al.head_stats(trace).drop(columns="name").to_numpy(float)) for trace in traces),
            torch.tensor(al.analysis.head_distance(traces[0]).to_numpy()),
            al.compare(traces[0], traces[0].renormalize([0])).difference(1, 2),
            al.analysis.flow(traces[1]),
        ]
    for ours, expected in zip(found["cuda"], found["cpu"], strict=True):
        assert torch.allclose(ours.cpu().double(), expected.double(), atol=2e-5, rtol=1e-4, equal_nan=True)


@settings(max_examples=15, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=6),
    batch_size=st.integers(1, 6),
    name=st.sampled_from(["bert", "llama", "mistral, sliding window", "t5"]),
)  # fmt: skip
def test_tables_of_any_texts_equal_those_of_the_cpu(texts, batch_size, name):
    lens, texts = LENSES[name](), [" ".join(words) for words in texts]
    tables = {}
    for device in ("cpu", "cuda"):
        lens.model.to(device)
        tables[device] = [
            al.head_stats(lens, texts, batch_size=batch_size),
            al.analysis.attention_by_class(lens, texts, batch_size=batch_size),
            al.analysis.top_weights(lens, texts, batch_size=batch_size)[["layer", "head", "rank", "weight"]],
        ]
        if name != "t5":
            tables[device].append(al.analysis.head_distance(lens, texts, batch_size=batch_size) ** 2)
    for ours, expected in zip(tables["cuda"], tables["cpu"], strict=True):
        pd.testing.assert_frame_equal(ours, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("rule", LONG)
def test_long_traces_by_the_kernels_equal_those_of_the_cpu(rule):
    """Above a block of weights the kernels stand in on the GPU."""
    heads, size = 8, 900
    factors = Factors(torch.randn(heads, size, 64), torch.randn(2, size, 64), 0.2, **LONG[rule](size, heads))
    trace = al.Trace(
        (Layer("layer", "self", factors),), tokens=tuple(Token(WORDS[n % 7], n % 7) for n in range(size))
    )
    assert _fused.on_gpu(torch.device("cuda"))
    analysis = al.analysis
    for of_trace in (
        lambda trace: al.head_stats(trace).assign(signed_distance=lambda table: table.signed_distance / size),
        lambda trace: analysis.head_distance(trace) ** 2,
        lambda trace: analysis.top_weights(trace)[["layer", "head", "rank", "weight"]],
        analysis.attention_by_class,
    ):
        pd.testing.assert_frame_equal(of_trace(trace.to("cuda")), of_trace(trace), rtol=1e-4, atol=2e-5)
    row = al.rollout(trace.to("cuda"), row=-1).cpu()
    torch.testing.assert_close(row, al.rollout(trace, row=-1), rtol=1e-4, atol=1e-6)


def test_a_long_input_is_read_without_its_weights():
    heads, tokens, width = 12, 32_768, 64
    attention = Factors(
        torch.randn(heads, tokens, width, device="cuda", dtype=torch.float16),
        torch.randn(heads, tokens, width, device="cuda", dtype=torch.float16),
        scale=width**-0.5,
    )
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    row, column = attention[3, 7], attention[3, :, 7]
    received = attention.mean("query")
    assert row.sum().sub(1).abs() < 1e-3
    assert abs(float(column[7]) - float(row[7])) < 1e-6
    assert received.sum(-1).sub(1).abs().max() < 1e-3
    one_head = tokens * tokens * 4
    assert torch.cuda.max_memory_allocated() - before < one_head / 8


def test_save_and_load_from_the_gpu(tmp_path):
    model, given = BertModel(BertConfig(**SMALL)).eval().cuda(), inputs()
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(**given)
    trace = next(recording.traces())
    loaded = al.Trace.load(trace.save(tmp_path / "trace"))
    assert torch.allclose(loaded[1][:], trace[1][:].cpu(), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_steps": 20, "baseline": ["zero", "mean"]},
        {"method": "sequential_integrated_gradients", "tolerance": 0.05},
        {"method": "leave_one_out", "baseline": "mask"},
        {"method": "shapley", "n_samples": 5},
        {"method": "gradient_x_input", "unit": "probability"},
        {"method": "relevance"},
    ],
)
def test_attributions_of_texts(options):
    pytest.importorskip("captum")
    texts = ["not a bad film", "a gripping , funny film with one dull stretch .", "flat"]
    here, there = al.load("sentiment"), al.load("sentiment", device="cuda")
    for one, other in zip(here.attribute(texts, **options), there.attribute(texts, **options)):
        assert other.scores.device.type == "cpu"
        assert torch.allclose(one.scores, other.scores, atol=2e-2 * float(one.scores.abs().sum()))
        assert one.target == other.target


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "gradient", "grad_cam_plus_plus", "occlusion", "relevance"]
)
def test_attributions_of_images(method):
    pytest.importorskip("captum")
    picture = al.models.sample_images()["cat"]
    one, other = (
        al.load("cifar", device=device).attribute(picture, method=method) for device in ("cpu", "cuda")
    )
    assert other.scores.device.type == "cpu"
    assert torch.allclose(one.scores, other.scores, atol=2e-3 * float(one.scores.abs().sum()))


def test_a_diagnosis_and_faithfulness():
    pytest.importorskip("captum")
    lens = al.load("sentiment", device="cuda")
    found = al.debug(lens, "not a bad film", "positive")
    assert found.counterfactual.names == ("not",)
    table = al.faithfulness(lens, [found.explanation["difference"]])
    assert float(table.deletion.iloc[0]) < float(table.deletion_random.iloc[0])
