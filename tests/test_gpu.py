"""On a GPU: the same answers, without a weight matrix in its memory."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
)

import attnlens as al
from attnlens.attribution._relevance import relevance
from attnlens.data._attention import Factors
from attnlens.data._trace import Trace
from attnlens.models._forward import run_for

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

SMALL = dict(vocab_size=99, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)


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
