"""Capture records what eager attention would have returned, in every architecture's own implementation."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import attnlens as al
from attnlens.data._attention import Band, Factors, Weights, Windows

from .architectures import CASES, LENGTHS, clip_attentions, clip_config, clip_inputs, text_inputs


def recorded(case, **options):
    model, inputs = case.build()
    with torch.no_grad():
        plain = model(**inputs)
        with al.capture(model, verify=True, **options) as recording:
            captured = model(**inputs)
        recording.verify()
        model.set_attn_implementation("eager")
        eager = case.eager(model(**inputs, output_attentions=True))
    return recording, plain, captured, eager, inputs


def assert_same_output(plain, captured):
    for name, value in plain.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, captured[name]), name


def padding(inputs, name, item):
    mask = inputs.get(name)
    return None if mask is None else mask[item].nonzero().squeeze(1)


def worst(trace, eager, item, inputs):
    """The largest difference from eager attention over the real rows and columns of one input."""
    errors = []
    encoder = padding(inputs, "attention_mask", item)
    decoder = padding(inputs, "decoder_attention_mask", item)
    side = {"input": encoder, "output": decoder}
    for layer, weights in zip(trace.layers, eager):
        inside_decoder = layer.name.startswith("decoder")
        rows = side["output" if inside_decoder else "input"]
        cols = side["output" if inside_decoder and layer.kind == "self" else "input"]
        expected = weights[item]
        if rows is not None:
            expected = expected[:, rows]
        if cols is not None:
            expected = expected[:, :, cols]
        assert layer.attention.shape == expected.shape, layer.name
        errors.append((layer.attention[:] - expected).abs().max().item())
    return max(errors)


@pytest.mark.parametrize("store", ["auto", "factors", "weights"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "swin"])
def test_equals_eager(name, store):
    case = CASES[name]
    recording, plain, captured, eager, inputs = recorded(case, store=store)
    assert_same_output(plain, captured)
    traces = list(recording.traces())
    assert len(traces) == next(iter(inputs.values())).shape[0]
    for item, trace in enumerate(traces):
        assert len(trace) == len(eager)
        assert worst(trace, eager, item, inputs) < case.tolerance
    if store == "weights":
        assert all(isinstance(layer.attention, Weights) for layer in traces[0].layers)


@pytest.mark.parametrize("store", ["auto", "factors"])
def test_swin_windows_are_laid_along_the_diagonal(store):
    model, inputs = CASES["swin"].build()
    eager = []
    with torch.no_grad():
        with al.capture(model, store=store) as recording:
            model(**inputs)
        model.set_attn_implementation("eager")
        # Its own output_attentions holds one block per stage; the attention modules return every block's.
        for name, module in model.named_modules():
            if name.endswith(".attention"):
                module.register_forward_hook(lambda module, args, output: eager.append(output[1]))
        model(**inputs)
    assert [call.kind for call in recording.calls] == ["self"] * 4
    for item, trace in enumerate(recording.traces()):
        for layer, weights in zip(trace.layers, eager, strict=True):
            windows = weights.shape[0] // 2
            parts = weights[item * windows : (item + 1) * windows]
            expected = torch.stack([torch.block_diag(*parts[:, h]) for h in range(parts.shape[1])])
            assert torch.allclose(layer.attention[:], expected, atol=1e-5)
            assert isinstance(layer.attention, Windows) == (windows > 1)


def test_clip_is_asked_for_one_tower_at_a_time():
    model, inputs = hf.CLIPModel(clip_config()).eval(), clip_inputs()
    with torch.no_grad():
        plain = model(**inputs)
        with al.capture(model) as recording:
            captured = model(**inputs)
        model.set_attn_implementation("eager")
        vision, text = clip_attentions(model(**inputs, output_attentions=True))
    assert torch.equal(plain.logits_per_image, captured.logits_per_image)
    for item, trace in enumerate(recording.traces(select="vision_model")):
        assert max((trace[i][:] - vision[i][item]).abs().max() for i in range(2)) < 1e-5
    for item, trace in enumerate(recording.traces(select="text_model")):
        n = LENGTHS[item]
        assert max((trace[i][:] - text[i][item, :, :n, :n]).abs().max() for i in range(2)) < 1e-5


def test_clip_towers_of_different_batch_sizes_say_how_to_ask():
    model = hf.CLIPModel(clip_config()).eval()
    inputs = text_inputs() | {"pixel_values": torch.randn(6, 3, 32, 32)}
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    with pytest.raises(al.errors.InputError, match="select="):
        list(recording.traces())
    assert len(list(recording.traces(select="vision_model"))) == 6
    assert len(list(recording.traces(select="text_model"))) == 3


KINDS = {
    "t5": ["self"] * 2 + ["self", "cross"] * 2,
    "bart": ["self"] * 2 + ["self", "cross"] * 2,
    "bert": ["self"] * 2,
    "albert": ["self"] * 2,
    "bloom": ["self"] * 2,
}


@pytest.mark.parametrize("name", KINDS)
def test_self_and_cross_are_told_apart(name):
    model, inputs = CASES[name].build()
    if "decoder_input_ids" in inputs:  # equal lengths: nothing but the module's inputs distinguishes them
        inputs["decoder_input_ids"] = torch.randint(5, 60, inputs["input_ids"].shape)
        inputs["decoder_attention_mask"] = inputs["attention_mask"]
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    assert [call.kind for call in recording.calls] == KINDS[name]


def test_a_shared_module_is_numbered_by_call():
    model, inputs = CASES["albert"].build()
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    names = [layer.name for layer in next(recording.traces()).layers]
    assert [name.split("#")[1] for name in names] == ["1", "2"]
    assert len({name.split("#")[0] for name in names}) == 1


RULES = {
    "gpt2": [Band(None, 0)] * 2,
    "mistral": [Band(3, 0)] * 2,
    "qwen2": [Band(None, 0), Band(3, 0)],
    "modernbert": [None, Band(2, 2), None, Band(2, 2)],
    "bert": [None] * 2,
    "gemma2": [Band(3, 0), Band(None, 0)],
}


@pytest.mark.parametrize("name", RULES)
def test_masks_are_kept_as_rules(name):
    model, inputs = CASES[name].build()
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(**inputs)
    for trace in recording.traces():
        attentions = [layer.attention for layer in trace.layers]
        assert all(isinstance(attention, Factors) for attention in attentions)
        assert [attention.mask for attention in attentions] == RULES[name]


def test_grouped_keys_are_stored_once():
    model, inputs = CASES["llama"].build()
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(**inputs)
    assert next(recording.traces())[0].key.shape[0] == 2


def test_generate_gives_one_forward_per_step():
    model = hf.LlamaForCausalLM(CASES["llama"].config()).eval()
    inputs = text_inputs("left")
    options = {"max_new_tokens": 4, "do_sample": False, "min_new_tokens": 4}
    plain = model.generate(**inputs, **options)
    with al.capture(model) as recording:
        captured = model.generate(**inputs, **options)
    assert torch.equal(plain, captured)
    assert len(recording.forwards) == 4
    model.set_attn_implementation("eager")
    eager = model.generate(
        **inputs, **options, output_attentions=True, return_dict_in_generate=True
    ).attentions
    for step, number in enumerate(recording.forwards):
        for item, layers in enumerate(recording.layers(number)):
            for layer, weights in zip(layers, eager[step], strict=True):
                start = max(LENGTHS) - LENGTHS[item]
                rows = slice(start, None) if step == 0 else slice(None)
                expected = weights[item][:, rows, start:]
                assert torch.allclose(layer.attention[:], expected, atol=1e-5), (step, item, layer.name)


def same_traces(recording, expected):
    for trace, other in zip(recording, expected, strict=True):
        for layer, same in zip(trace.layers, other.layers, strict=True):
            assert layer.attention.shape == same.attention.shape, layer.name
            assert torch.allclose(layer.attention[:], same.attention[:], atol=1e-5), layer.name


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_padded_prompts_in_a_static_cache(side, implementation):
    model, inputs = CASES["llama"].build()
    model.set_attn_implementation(implementation)
    inputs = text_inputs(side)
    recordings = []
    for cache in (hf.StaticCache(model.config, max_cache_len=max(LENGTHS) + 5), None):
        with torch.no_grad(), al.capture(model) as recording:
            model(**inputs, past_key_values=cache)
        recordings.append(recording)
    assert [trace[0].shape[1:] for trace in recordings[0]] == [(n, n) for n in LENGTHS]
    same_traces(*recordings)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("name", "heads"), [("llama", 2), ("gpt2", 4)])
def test_padded_texts_after_a_prefix(side, name, heads):
    """Prefix tuning: keys and values of a learnt prefix stand before those of the text."""
    model, _ = CASES[name].build()
    inputs = text_inputs(side)
    mask = torch.cat([torch.ones(len(LENGTHS), 3, dtype=torch.long), inputs["attention_mask"]], 1)
    prefix = [(torch.randn(3, heads, 3, 8), torch.randn(3, heads, 3, 8)) for _ in range(2)]
    with torch.no_grad(), al.capture(model, verify=True) as recording:
        model(inputs["input_ids"], attention_mask=mask, past_key_values=hf.DynamicCache(prefix))
    recording.verify()
    assert [trace[0].shape[1:] for trace in recording] == [(n, n + 3) for n in LENGTHS]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_that_sees_itself_is_removed(side):
    """XLNet: each token may attend to itself, also one of padding."""
    model = hf.XLNetModel(hf.XLNetConfig(vocab_size=60, d_model=32, n_layer=2, n_head=4, d_inner=48)).eval()
    inputs = text_inputs(side)
    with torch.no_grad(), al.capture(model, verify=True) as recording:
        model(**inputs)
    recording.verify()
    assert [trace[1].shape for trace in recording] == [(4, n, n) for n in LENGTHS]
    with torch.no_grad():
        eager = model(**inputs, output_attentions=True).attentions
    for item, trace in enumerate(recording):
        real = inputs["attention_mask"][item].nonzero().squeeze(1)
        expected = eager[0][item][:, real][:, :, real]
        assert torch.allclose(trace[0][:], expected, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_each_input_of_a_batch_is_recorded_as_alone(name):
    """Of different lengths, two and three together: the same layers, heads and weights as each without padding."""
    case = CASES[name]
    model, _ = case.build()
    inputs = text_inputs("right") if case.inputs is text_inputs else case.inputs()
    count = len(next(iter(inputs.values())))

    def record(rows, trimmed=False):
        given = {key: value[rows] for key, value in inputs.items()}
        if trimmed:
            for ids, mask in (
                ("input_ids", "attention_mask"),
                ("decoder_input_ids", "decoder_attention_mask"),
            ):
                if mask in given:
                    real = given[mask][0].bool()
                    given[ids], given[mask] = given[ids][:, real], given[mask][:, real]
        with torch.no_grad(), al.capture(model, verify=True) as recording:
            model(**given)
        return recording

    alone = [record(slice(item, item + 1), trimmed=True) for item in range(count)]
    for size in {2, count}:
        record(slice(0, size)).verify(alone[:size])


def test_texts_in_pieces_of_which_some_are_all_padding():
    """CANINE attends to characters in blocks, each by a call of its own."""
    config = hf.CanineConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, num_hash_buckets=64,
        local_transformer_stride=8, downsampling_rate=4,
    )  # fmt: skip
    model = hf.CanineModel(config).eval()
    ids, mask = torch.randint(5, 60, (2, 32)), torch.ones(2, 32, dtype=torch.long)
    mask[1, 13:] = 0
    with torch.no_grad(), al.capture(model, verify=True) as recording:
        model(input_ids=ids, attention_mask=mask)
    recording.verify()
    assert [trace[0].shape for trace in recording] == [(4, 32, 32), (4, 13, 13)]
    assert {len(trace.layers) for trace in recording} == {4}
