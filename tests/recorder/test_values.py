"""What attention mixes, its gradient, and heads that are switched off, in every architecture."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import attnlens as al
from attnlens.recorder._capture import listen

from . import handwritten
from .architectures import CASES, LENGTHS

NAMES = [name for name in CASES if name != "swin"]
POST_NORM = ("bert", "distilbert", "roberta", "electra", "albert", "deberta-v2", "bart")
SCALED = ("dinov2", "beit")
"""Their LayerScale is folded into the projection, which is then no module's weight."""
STEP = 1e-3
"""Of the central differences: some models normalise in float32, whatever they are asked."""
PRE_NORM = ("modernbert", "vit", "deit", "dinov2", "beit", "gpt2", "llama", "qwen2", "mistral", "t5")


def run(model, inputs, **options):
    with listen(model, **options) as recording:
        output = model(**inputs) if isinstance(inputs, dict) else model(*inputs)
    return recording, output


def first(output):
    """What the loss of these tests is made of."""
    return output.logits if "logits" in output else output.last_hidden_state


def projections(model, recording):
    """For each call the module whose weight is its output projection."""
    found = {}
    for call in recording.calls:
        flat = None if call.value_path.output is None else call.value_path.output.flatten(0, 1)
        found[id(call)] = (
            flat if flat is None else next((n for n, w in weights(model) if same(w, flat)), None)
        )
    return found


def weights(model):
    return [
        (n, m.weight) for n, m in model.named_modules() if getattr(getattr(m, "weight", None), "ndim", 0) == 2
    ]


def same(weight, flat):
    return any(w.shape == flat.shape and torch.equal(w, flat) for w in (weight, weight.t()))


@pytest.mark.parametrize("name", NAMES)
def test_values_and_projection_give_what_the_module_returned(name):
    """sum_h A_h V_h W_h + bias is the projection's own output, row by row, without the padding."""
    model, inputs = CASES[name].build()
    returned: dict[str, list[torch.Tensor]] = {}
    for path, module in model.named_modules():
        if hasattr(module, "weight"):
            module.register_forward_hook(
                lambda _, __, out, path=path: returned.setdefault(path, []).append(out)
            )
    with torch.no_grad():
        recording, _ = run(model, inputs, values=True)
    where, modules, seen = projections(model, recording), dict(model.named_modules()), {}
    checked = 0
    for number, call in enumerate(recording.calls):
        path = where[id(call)]
        if path is None:
            assert name in SCALED
            continue
        out = returned[path][seen.setdefault(path, 0)]
        seen[path] += 1
        bias = getattr(modules[path], "bias", None)
        for item, trace in enumerate(recording):
            layer = trace.layers[number]
            mixed = (layer.attention[:] @ layer.values.transformed(layer.attention.heads)).sum(0)
            real = out[item] - (0 if bias is None else bias)
            mask = inputs.get("decoder_attention_mask" if path.startswith("decoder") else "attention_mask")
            real = real if mask is None else real[mask[item].bool()]
            assert (mixed - real).abs().max() < 1e-5 * (1 + real.abs().max()), (path, item)
            checked += 1
    assert checked or name in SCALED


@pytest.mark.parametrize("name", NAMES)
def test_residual_and_norm_are_seen_where_they_are(name):
    model, inputs = CASES[name].build()
    with torch.no_grad():
        recording, _ = run(model, inputs, values=True)
    for layer in recording[0].layers:
        values = layer.values
        if name in POST_NORM:
            assert values.residual.shape == (layer.attention.queries, values.output.shape[2])
            assert values.spread.shape == (layer.attention.queries,)
            assert values.scale.shape == (values.output.shape[2],)
        if name in PRE_NORM:
            assert values.residual.shape == (layer.attention.queries, values.output.shape[2])
            assert values.scale is None
            assert values.spread is None


def test_post_norm_is_the_models_own():
    """LayerNorm of residual + mixture, from the parts, is what BERT's attention block returned."""
    model, inputs = CASES["bert"].build()
    outputs = []
    block = model.encoder.layer[0].attention
    block.register_forward_hook(lambda _, __, out: outputs.append(out[0]))
    with torch.no_grad():
        recording, _ = run(model, inputs, values=True)
    for item, length in enumerate(LENGTHS):
        layer = recording[item].layers[0]
        v = layer.values
        mixed = (layer.attention[:] @ v.transformed(4)).sum(0) + block.output.dense.bias
        total = mixed + v.residual
        centred = total - total.mean(-1, keepdim=True)
        normal = centred / v.spread[:, None] * v.scale + block.output.LayerNorm.bias
        assert torch.allclose(normal, outputs[0][item, :length], atol=1e-5)


def test_values_change_nothing_and_are_not_kept_unasked():
    model, inputs = CASES["bert"].build()
    with torch.no_grad():
        plain = model(**inputs).last_hidden_state
        recording, output = run(model, inputs, values=True)
        quiet, _ = run(model, inputs)
    assert torch.equal(plain, output.last_hidden_state)
    assert quiet[0].layers[0].values is None
    assert recording[0].nbytes > quiet[0].nbytes


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_each_heads_output(name):
    """<O_h, dO_h> is the derivative by a factor on head h, taken by central differences in float64."""
    case = CASES[name]
    model, inputs = case.build()
    model = model.double()
    if name in ("bloom", "gemma2"):
        inputs = {k: v[:1] for k, v in inputs.items()}  # with padding they answer NaN themselves in float64
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    weight = torch.randn_like(first(model(**inputs)))
    mask = inputs.get("decoder_attention_mask", inputs.get("attention_mask"))
    # What padding returns is nobody's answer, and no trace has its rows.
    real = torch.ones(weight.shape[:2], dtype=torch.bool) if mask is None else mask.bool()

    def loss(output):
        return (first(output)[real] * weight[real]).sum()

    recording, output = run(model, inputs, gradients=True)
    loss(output).backward()
    layer = len(recording.calls) // 2
    call = recording.calls[layer]
    got = torch.zeros(call.shape[1], dtype=torch.float64)
    for trace in recording:
        one = trace.layers[layer]
        mixed = one.attention[:] @ one.values.of_heads(one.attention.heads)
        got += (mixed.double() * one.values.gradient).sum((1, 2))
    scaled = {}
    for factor in (1 - STEP, 1 + STEP):
        gate = torch.ones(call.shape[1], dtype=torch.float64)
        gate[1] = factor
        with torch.no_grad():
            scaled[factor] = loss(run(model, inputs, gates={layer: gate})[1])
    slope = (scaled[1 + STEP] - scaled[1 - STEP]) / (2 * STEP)
    assert torch.allclose(got[1], slope, rtol=3e-3, atol=1e-5)
    assert abs(float(slope)) > 1e-6


# -- hand-written, nn.MultiheadAttention, and foreign functions -----------------------------------------------


def by_gate(model, *inputs, **options):
    """The output without head 1 of the first layer."""
    with torch.no_grad(), listen(model, gates={0: torch.tensor([1.0, 0.0, 1.0])}, **options) as recording:
        output = model(*inputs)
    return output, recording


def rewired(module):
    """The same attention whose output projection ignores head 1."""
    width = handwritten.DIM // handwritten.HEADS
    module.out.weight.data[:, width : 2 * width] = 0.0
    return module


@pytest.mark.parametrize("spelling", handwritten.PRODUCTS)
def test_hand_written_values_and_gates(spelling):
    torch.manual_seed(1)
    module = handwritten.Attention(product=handwritten.PRODUCTS[spelling])
    x = torch.randn(2, 7, handwritten.DIM)
    with torch.no_grad():
        recording, plain = run(module, (x,), values=True)
    for item, trace in enumerate(recording):
        layer = trace.layers[0]
        value = module.heads(module.v(x))[item]
        assert torch.allclose(layer.values.value, value, atol=1e-6)
        mixed = (layer.attention[:] @ layer.values.transformed(3)).sum(0) + module.out.bias
        assert torch.allclose(mixed, plain[item], atol=1e-5)
    without, _ = by_gate(module, x)
    assert not torch.allclose(without, plain, atol=1e-3)
    with torch.no_grad():
        assert torch.allclose(without, rewired(module)(x), atol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("size", [(2, 5), (4, 4)])
def test_transformer_encoder_layer(batch_first, norm_first, size):
    """nn.MultiheadAttention projects inside: values, projection, residual, norm, gate and gradient all the same."""
    torch.manual_seed(2)
    options = {"batch_first": batch_first, "norm_first": norm_first, "dim_feedforward": 8}
    encoder = nn.TransformerEncoderLayer(12, 3, **options).eval()
    x = torch.randn(*size, 12)
    given = x if batch_first else x.transpose(0, 1)
    recording, output = run(encoder, (given.requires_grad_(),), gradients=True)
    output.square().sum().backward()
    layer, attention = recording[1].layers[0], encoder.self_attn
    normal = encoder.norm1(x[1]) if norm_first else x[1]
    mixed = (layer.attention[:] @ layer.values.transformed(3)).sum(0) + attention.out_proj.bias
    expected = attention(normal[None], normal[None], normal[None], need_weights=False)[0][0]
    if not batch_first:
        expected = attention(normal[:, None], normal[:, None], normal[:, None], need_weights=False)[0][:, 0]
    assert torch.allclose(mixed, expected, atol=1e-5)
    assert torch.allclose(layer.values.residual, x[1])
    assert (layer.values.spread is None) == norm_first
    if not norm_first:
        total = mixed + x[1]
        assert torch.allclose(layer.values.spread, (total.var(-1, correction=0) + 1e-5).sqrt(), atol=1e-5)
    without, _ = by_gate(encoder, given)
    attention.out_proj.weight.data[:, 4:8] = 0.0
    with torch.no_grad():
        assert torch.allclose(without, encoder(given), atol=1e-5)


def test_gradient_of_multihead_attention_is_that_of_its_gates():
    torch.manual_seed(2)
    encoder = nn.TransformerEncoderLayer(12, 3, batch_first=True, dropout=0.0).double()
    x = torch.randn(1, 5, 12, dtype=torch.float64)

    def loss(**options):
        recording, output = run(encoder, (x,), **options)
        return recording, output.pow(3).sum()

    recording, value = loss(gradients=True)
    value.backward()
    layer = recording[0].layers[0]
    got = (layer.attention[:] @ layer.values.of_heads(3) * layer.values.gradient).sum((1, 2))
    up, down = (
        loss(gates={0: torch.tensor([1.0, 1.0, 1.0 + step], dtype=x.dtype)})[1] for step in (1e-4, -1e-4)
    )
    assert torch.allclose(got[2], (up - down) / 2e-4, rtol=1e-4)


def test_a_layer_that_is_not_there():
    module = handwritten.Attention()
    with pytest.raises(al.errors.CaptureError, match="has no layer 7: 1 attention calls were recorded"):
        run(module, (torch.randn(1, 4, handwritten.DIM),), gates={7: torch.ones(3)})


def test_everything_is_as_before_afterwards():
    model, inputs = CASES["bert"].build()
    with torch.no_grad():
        plain = model(**inputs).last_hidden_state
        _, gated = run(model, inputs, gates={0: torch.zeros(4)})
        again = model(**inputs).last_hidden_state
    assert not torch.equal(plain, gated.last_hidden_state)
    assert torch.equal(plain, again)


@pytest.mark.parametrize("length", [1, 5])
def test_gates_and_gradients_of_one_query_over_grouped_heads(length):
    """As in a step of generation, where the heads of a group travel as if they were queries."""
    model, _ = CASES["llama"].build()
    ids = torch.randint(5, 60, (1, length))
    with torch.no_grad(), listen(model, gates={0: torch.tensor([1.0, 0.0, 1.0, 1.0])}):
        gated = model(ids).last_hidden_state
    recording, output = run(model, {"input_ids": ids}, gradients=True)
    output.last_hidden_state.sum().backward()
    values = recording[0].layers[0].values
    assert values.value.shape == (2, length, 8)
    assert values.gradient.shape == (4, length, 8)
    model.layers[0].self_attn.o_proj.weight.data[:, 8:16] = 0.0
    with torch.no_grad():
        assert torch.allclose(gated, model(ids).last_hidden_state, atol=1e-5)


# -- where the way out is not what it seems -------------------------------------------------------------------


class Adapted(nn.Module):
    """A linear layer with a low-rank one beside it, as LoRA has it."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(handwritten.DIM, 2), nn.Linear(2, handwritten.DIM)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_two_projections_of_one_mixture_are_none():
    module = handwritten.Attention()
    module.out = Adapted(module.out)
    with torch.no_grad():
        recording, _ = run(module, (torch.randn(1, 4, handwritten.DIM),), values=True)
    assert recording[0].layers[0].values.output is None
    assert recording[0].layers[0].values.value.shape == (3, 4, 4)


def test_a_trace_is_no_part_of_the_model():
    """Training goes on in place; what was recorded before stays as it was, and one copy serves all inputs."""
    model, inputs = CASES["bert"].build()
    with torch.no_grad():
        recording, _ = run(model, inputs, values=True)
        one, other = (trace.layers[0].values for trace in (recording[0], recording[1]))
        assert one.output.data_ptr() == other.output.data_ptr()
        before = one.output.clone()
        for parameter in model.parameters():
            parameter.mul_(2)
        again, _ = run(model, inputs, values=True)
    assert torch.equal(one.output, before)
    assert torch.equal(again[0].layers[0].values.output, 2 * before)


class AttentionOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.MultiheadAttention(12, 3, batch_first=True) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(12) for _ in range(4))

    def forward(self, x):
        for block, norm in zip(self.blocks, self.norms):
            normal = norm(x)
            x = x + block(normal, normal, normal, need_weights=False)[0]
        return self.norms[-1](x)


def test_a_norm_that_belongs_to_the_next_block():
    """A sum that is added to again goes on beside its norm, also where the next addition is an attention's."""
    with torch.no_grad():
        recording, _ = run(AttentionOnly().eval(), (torch.randn(1, 5, 12),), values=True)
        decoder = nn.TransformerDecoderLayer(12, 3, 8, batch_first=True, norm_first=True).eval()
        crossed, _ = run(decoder, (torch.randn(1, 5, 12), torch.randn(1, 4, 12)), values=True)
    assert [layer.values.scale is None for layer in recording[0].layers[:2]] == [True, True]
    assert all(layer.values.scale is None for layer in crossed[0].layers)


class ChannelsFirst(nn.Module):
    """`[batch, channel, token]`: the residual stream lies across, and as many channels as tokens hide it."""

    def __init__(self):
        super().__init__()
        self.attention = handwritten.Attention()

    def forward(self, x):
        return self.attention(x.transpose(1, 2)).transpose(1, 2) + x


def test_a_residual_stream_that_lies_across_is_left_out():
    with torch.no_grad():
        recording, _ = run(ChannelsFirst(), (torch.randn(2, handwritten.DIM, handwritten.DIM),), values=True)
    values = recording[0].layers[0].values
    assert values.output is not None
    assert values.residual is None


# -- gates as they are given ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [handwritten.Attention, lambda: nn.TransformerEncoderLayer(12, 3, 8, 0.0)])
def test_gates_of_the_wrong_length(make):
    module, x = make(), torch.randn(4, 2, 12)
    plain = module(x)
    with pytest.raises(al.errors.CaptureError, match=r"layer 0 has 3 heads, but gates\[0\] holds 4 factors"):
        run(module, (x,), gates={0: [1, 0, 1, 1]})
    assert torch.equal(module(x), plain)


@pytest.mark.parametrize(
    "gates",
    [[1, 0, 1], {-1: [1, 0, 1]}, {0: 1.0}, {"a": [1.0]}, {0: "off"}, {0: []}, {0: [1, float("nan"), 1]}],
)
def test_gates_that_are_none(gates):
    with pytest.raises(al.errors.InputError, match=r"gates must be {layer: a factor for each head}"):
        run(handwritten.Attention(), (torch.randn(1, 4, 12),), gates=gates)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_values_beside_gates(name):
    """The values of a gated layer are those that it would have had; its way out is still seen."""
    model, inputs = CASES[name].build()
    with torch.no_grad():
        plain, _ = run(model, inputs, values=True)
        gated, _ = run(model, inputs, values=True, gates={0: [1.0, 0.0, 0.5, 1.0]})
    one, other = (recording[0].layers[0].values for recording in (plain, gated))
    assert torch.equal(one.value, other.value)
    assert torch.equal(one.output, other.output)
    assert torch.equal(one.residual, other.residual)


def test_values_beside_gates_of_multihead_attention():
    encoder, x = nn.TransformerEncoderLayer(12, 3, 8, batch_first=True).eval(), torch.randn(1, 4, 12)
    with torch.no_grad():
        gated, _ = run(encoder, (x,), values=True, gates={0: [1, 0, 1]})
    expected = encoder.self_attn.out_proj.weight.t().unflatten(0, (3, 4))
    assert torch.equal(gated[0].layers[0].values.output, expected)
