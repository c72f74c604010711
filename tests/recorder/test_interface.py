"""The attention interface of transformers: implementations that are no torch functions, their masks and extras."""

from __future__ import annotations

import threading

import pytest
import torch
import transformers as hf
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask, flash_attention_mask, sdpa_mask

import attnlens as al
from attnlens.data._attention import Band
from attnlens.errors import CaptureError
from attnlens.recorder._capture import listen

from .architectures import CASES, LLM, text_inputs
from .test_architectures import assert_same_output, worst


def by_hand(scores: torch.Tensor, value: torch.Tensor, sink: torch.Tensor | None = None):
    """Softmax and product without a softmax function."""
    top = scores.amax(-1, keepdim=True).clamp(min=-1e30)
    e = torch.exp(scores - top)
    total = e.sum(-1, keepdim=True)
    if sink is not None:
        total = total + torch.exp(sink.reshape(1, -1, 1, 1) - top)
    weights = e / total.clamp(min=1e-30)
    return torch.einsum("bhij,bhjd->bihd", weights, value).contiguous(), None


def scores_of(module, query, key, value, scaling, softcap):
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = torch.einsum("bhid,bhjd->bhij", query, key) * (
        query.shape[-1] ** -0.5 if scaling is None else scaling
    )
    return (scores if softcap is None else torch.tanh(scores / softcap) * softcap), value


def dense(
    module,
    query,
    key,
    value,
    attention_mask,
    scaling=None,
    softcap=None,
    position_bias=None,
    s_aux=None,
    **kwargs,
):
    """Takes a mask of four axes, bool or float."""
    scores, value = scores_of(module, query, key, value, scaling, softcap)
    if position_bias is not None:
        scores = scores + position_bias
    if attention_mask is not None:
        if attention_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attention_mask, -torch.inf)
        else:
            scores = scores + attention_mask
    return by_hand(scores, value, s_aux)


def tokens_only(
    module,
    query,
    key,
    value,
    attention_mask,
    scaling=None,
    softcap=None,
    sliding_window=None,
    is_causal=None,
    s_aux=None,
    **kwargs,
):
    """Takes no mask or one `[batch, token]`; causality and window come as options."""
    assert attention_mask is None or attention_mask.ndim == 2
    scores, value = scores_of(module, query, key, value, scaling, softcap)
    n, m = scores.shape[-2:]
    distance = torch.arange(m)[None, :] - torch.arange(m - n, m)[:, None]
    visible = torch.ones(1, 1, n, m, dtype=torch.bool)
    causal = module.is_causal if is_causal is None else is_causal
    if causal and n > 1:
        visible = visible & (distance <= 0)
    if sliding_window is not None:
        visible = visible & (distance.abs() < sliding_window)
    if attention_mask is not None:
        visible = visible & attention_mask[:, None, None, -m:].bool()
    return by_hand(scores.masked_fill(~visible, -torch.inf), value, s_aux)


IMPLEMENTATIONS = {
    "dense_bool": (dense, sdpa_mask),
    "dense_float": (dense, eager_mask),
    "tokens_only": (tokens_only, flash_attention_mask),
}


@pytest.fixture(autouse=True, scope="module")
def registered():
    for name, (function, mask) in IMPLEMENTATIONS.items():
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, mask)
    yield
    for name in IMPLEMENTATIONS:
        AttentionInterface._global_mapping.pop(name)
        AttentionMaskInterface._global_mapping.pop(name)


def recorded(model, inputs, implementation, **options):
    """(recording, eager output) of a model under an implementation of ours."""
    with torch.no_grad():
        model.set_attn_implementation("eager")
        eager = model(**inputs, output_attentions=True)
        model.set_attn_implementation(implementation)
        plain = model(**inputs)
        with al.capture(model, **options) as recording:
            captured = model(**inputs)
    assert_same_output(plain, captured)
    return recording, eager


NAMES = ["bert", "llama", "qwen2", "mistral", "gemma2", "gpt2", "vit"]


@pytest.mark.parametrize("store", ["auto", "factors"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_eager(name, implementation, store):
    case = CASES[name]
    model, inputs = case.build()
    recording, eager = recorded(model, inputs, implementation, store=store)
    for item, trace in enumerate(recording.traces()):
        assert len(trace) == len(eager.attentions)
        assert worst(trace, eager.attentions, item, inputs) < 1e-5


@pytest.mark.parametrize("implementation", ["dense_bool", "dense_float"])
def test_position_bias_of_t5(implementation):
    case = CASES["t5"]
    model, inputs = case.build()
    recording, eager = recorded(model, inputs, implementation)
    for item, trace in enumerate(recording.traces()):
        assert worst(trace, case.eager(eager), item, inputs) < 1e-4


def gpt_oss():
    torch.manual_seed(0)
    config = hf.GptOssConfig(
        **LLM, head_dim=8, sliding_window=4, num_local_experts=2, num_experts_per_tok=1, rope_parameters=None
    )
    model = hf.GptOssModel(config).eval()
    for layer in model.layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
    return model


@pytest.mark.parametrize("implementation", ["eager", "dense_bool", "dense_float", "tokens_only"])
@pytest.mark.parametrize("store", ["auto", "factors"])
def test_sinks_take_mass_and_give_no_value(implementation, store):
    model, inputs = gpt_oss(), text_inputs()
    recording, eager = recorded(model, inputs, implementation, store=store)
    for item, trace in enumerate(recording.traces()):
        assert worst(trace, eager.attentions, item, inputs) < 1e-5
        assert (trace[0][:].sum(-1) < 0.999).all()


def test_rules_of_flash_attention():
    model, inputs = CASES["mistral"].build()
    recording, _ = recorded(model, inputs, "tokens_only", store="factors")
    assert [layer.attention.mask for layer in next(recording.traces()).layers] == [Band(3, 0)] * 2


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_generate(implementation):
    model = hf.LlamaForCausalLM(CASES["llama"].config()).eval()
    inputs = text_inputs("left")
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    recordings = {}
    for name in (implementation, "sdpa"):
        model.set_attn_implementation(name)
        with al.capture(model) as recordings[name]:
            model.generate(**inputs, **options)
    ours, theirs = recordings.values()
    for step in ours.forwards:
        for a, b in zip(ours.layers(step), theirs.layers(step), strict=True):
            for x, y in zip(a, b, strict=True):
                assert x.attention.shape == y.attention.shape
                assert torch.allclose(x.attention[:], y.attention[:], atol=1e-5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_second_piece_of_text_with_a_cache(implementation):
    """Several queries after a cache: the last query stands at the last key."""
    model, _ = CASES["mistral"].build()
    ids, weights_by_step = torch.randint(5, 60, (2, 9)), []
    for name in (implementation, "sdpa"):
        model.set_attn_implementation(name)
        with torch.no_grad(), al.capture(model) as recording:
            cache = model(ids[:, :5], use_cache=True).past_key_values
            model(ids[:, 5:], past_key_values=cache)
        weights_by_step.append(
            [a.attention[:] for step in (1, 2) for item in recording.layers(step) for a in item]
        )
    for ours, theirs in zip(*weights_by_step, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_listening_is_per_thread_and_while_open():
    model, inputs = CASES["bert"].build()
    model.set_attn_implementation("dense_bool")
    other, _ = CASES["bert"].build()
    other.set_attn_implementation("dense_bool")
    original = AttentionInterface.get_interface
    outputs = []

    def elsewhere():
        with torch.no_grad():
            outputs.append(other(**inputs).last_hidden_state)

    with torch.no_grad(), al.capture(model) as recording:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        other(**inputs)
        model(**inputs)
    assert AttentionInterface.get_interface is original
    assert len(outputs) == 1
    assert len(recording.calls) == 2


def test_nested_captures_both_hear():
    model, inputs = CASES["bert"].build()
    model.set_attn_implementation("dense_bool")
    with torch.no_grad(), al.capture(model) as outer, al.capture(model) as inner:
        model(**inputs)
    assert (len(outer.calls), len(inner.calls)) == (2, 2)


def test_masks_of_an_unknown_sort_are_named():
    class Odd:
        pass

    model, inputs = CASES["bert"].build()
    AttentionInterface.register(
        "odd", lambda module, query, key, value, mask, **kw: (value.transpose(1, 2), None)
    )
    AttentionMaskInterface.register("odd", lambda **options: Odd())
    try:
        model.set_attn_implementation("odd")
        message = r'the model \(BertModel\): attention with a mask of type Odd.*attn_implementation="sdpa"'
        with torch.no_grad(), pytest.raises(CaptureError, match=message), al.capture(model):
            model(**inputs)
    finally:
        AttentionInterface._global_mapping.pop("odd")
        AttentionMaskInterface._global_mapping.pop("odd")


@pytest.fixture
def quick_flex(monkeypatch):
    """flex attention as transformers compiles it, without the half minute of a real backend."""
    from transformers.integrations.flex_attention import WrappedFlexAttention

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: compile(f, **{**options, "backend": "eager"}))
    monkeypatch.setattr(WrappedFlexAttention, "_is_flex_compiled", False)
    yield
    WrappedFlexAttention._is_flex_compiled = False
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize(
    ("name", "stance"),
    [("llama", "default"), ("bert", "force_eager"), ("llama", "force_eager"), ("gemma2", "force_eager")],
)
def test_flex_attention(name, stance, quick_flex):
    case = CASES[name]
    model, inputs = case.build()
    with torch.compiler.set_stance(stance):
        recording, eager = recorded(model, inputs, "flex_attention")
    for item, trace in enumerate(recording.traces()):
        assert len(trace) == 2
        assert worst(trace, eager.attentions, item, inputs) < 1e-4


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_values_and_gates(name, implementation):
    """As under sdpa, where the result of the function itself is followed."""
    found = {}
    for chosen in ("sdpa", implementation):
        torch.manual_seed(3)
        model, inputs = CASES[name].build()
        model.set_attn_implementation(chosen)
        with torch.no_grad(), listen(model, values=True) as recording:
            model(**inputs)
        with torch.no_grad(), listen(model, gates={1: torch.tensor([1.0, 0.0, 1.0, 0.5])}):
            found[chosen] = recording, model(**inputs).last_hidden_state[0]
    (expected, output), (recording, gated) = found["sdpa"], found[implementation]
    assert torch.allclose(gated, output, atol=1e-5)
    for ours, theirs in zip(recording[0].layers, expected[0].layers, strict=True):
        assert torch.allclose(ours.values.value, theirs.values.value, atol=1e-5)
        assert torch.equal(ours.values.output, theirs.values.output)
        assert torch.allclose(ours.values.residual, theirs.values.residual, atol=1e-5)


def in_chunks(module, query, key, value, attention_mask, **options):
    """An implementation that attends with a few queries at a time."""
    out = [torch.nn.functional.scaled_dot_product_attention(q, key, value) for q in query.split(4, dim=2)]
    return torch.cat(out, 2).transpose(1, 2).contiguous(), None


def test_an_implementation_that_goes_through_the_queries_in_chunks():
    AttentionInterface.register("in_chunks", in_chunks)
    AttentionMaskInterface.register("in_chunks", sdpa_mask)
    model, _ = CASES["bert"].build()
    ids = torch.randint(5, 60, (2, 11))
    recordings = []
    for implementation in ("in_chunks", "sdpa"):
        model.set_attn_implementation(implementation)
        with torch.no_grad(), al.capture(model, verify=True) as recording:
            model(ids)
        recording.verify()
        recordings.append(recording)
    for trace, expected in zip(*recordings, strict=True):
        for layer, other in zip(trace.layers, expected.layers, strict=True):
            assert torch.allclose(layer.attention[:], other.attention[:], atol=1e-6)
