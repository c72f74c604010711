"""scaled_dot_product_attention, nn.MultiheadAttention and the nn.Transformer family, against float64 loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

import attnlens as al
from attnlens.data._attention import Band, Factors
from attnlens.errors import CaptureError
from attnlens.recorder import _attention_functions
from attnlens.recorder.handwritten import _functions

from .oracle import assert_recorded, attention, run, weights

STORES = ["auto", "factors", "weights"]
B, H, N, M, D = 2, 3, 5, 7, 4


class Sdpa(nn.Module):
    """Holds nothing: the arguments go straight to the function."""

    def __init__(self, function=F.scaled_dot_product_attention, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, query, key, value, **kwargs):
        out = self.function(query, key, value, **self.options, **kwargs)
        return out[0] if isinstance(out, tuple) else out


def qkv(*lead, n=N, m=M):
    return torch.randn(*lead, n, D), torch.randn(*lead, m, D), torch.randn(*lead, m, D)


# -- scaled_dot_product_attention ---------------------------------------------------------------------------


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    "shape", [(N, M), (1, 1, N, M), (B, 1, N, M), (B, 1, 1, M), (1, H, N, M), (B, H, N, M)]
)
@pytest.mark.parametrize("kind", ["bool", "float", "finfo"])
def test_sdpa_masks_of_any_shape(store, shape, kind):
    q, k, v = qkv(B, H)
    visible = torch.rand(shape) > 0.3
    visible[..., 0] = True
    mask = visible
    if kind != "bool":
        lowest = -math.inf if kind == "float" else torch.finfo(torch.float32).min
        mask = torch.zeros(shape).masked_fill(~visible, lowest)
    recording, _ = run(Sdpa(), q, k, v, attn_mask=mask, store=store)
    expected = attention(q, k, visible=visible)
    for item, trace in enumerate(recording.traces()):
        keys = recording.calls[0].mask.real_keys(item)
        wanted = expected[item] if keys is None else expected[item][:, :, keys]
        assert (trace[0][:] - wanted).abs().max() < 2e-6


@pytest.mark.parametrize("store", STORES)
def test_sdpa_keeps_an_additive_bias(store):
    q, k, v = qkv(B, H)
    bias = torch.randn(1, H, N, M)
    recording, _ = run(Sdpa(), q, k, v, attn_mask=bias, store=store)
    assert_recorded(recording, attention(q, k, bias=bias))


@pytest.mark.parametrize(("n", "m"), [(N, N), (N, M), (M, N)])
def test_sdpa_is_causal_from_the_first_key(n, m):
    q, k, v = qkv(B, H, n=n, m=m)
    recording, _ = run(Sdpa(is_causal=True), q, k, v, store="factors")
    assert_recorded(recording, attention(q, k, visible=torch.ones(n, m, dtype=torch.bool).tril()))
    assert next(recording.traces())[0].mask == Band(None, 0)


def test_sdpa_scale():
    q, k, v = qkv(B, H)
    recording, _ = run(Sdpa(scale=0.3), q, k, v)
    assert_recorded(recording, attention(q, k, scale=0.3))


def test_sdpa_grouped_queries():
    q, k, v = torch.randn(B, 6, N, D), torch.randn(B, 2, M, D), torch.randn(B, 2, M, D)
    recording, _ = run(Sdpa(enable_gqa=True), q, k, v, store="factors")
    assert_recorded(recording, attention(q, k.repeat_interleave(3, 1)))
    assert next(recording.traces())[0].key.shape[0] == 2


@pytest.mark.parametrize(("q_batch", "k_batch"), [(1, B), (B, 1)])
def test_sdpa_batches_that_broadcast(q_batch, k_batch):
    q, k, v = torch.randn(q_batch, H, N, D), torch.randn(k_batch, H, M, D), torch.randn(k_batch, H, M, D)
    recording, _ = run(Sdpa(), q, k, v)
    assert_recorded(recording, attention(q, k))


def test_sdpa_heads_that_broadcast():
    q, k, v = torch.randn(B, H, N, D), torch.randn(B, 1, M, D), torch.randn(B, 1, M, D)
    recording, _ = run(Sdpa(), q, k, v)
    assert_recorded(recording, attention(q, k))


def test_sdpa_without_heads():
    q, k, v = qkv(B)
    mask = torch.rand(N, M) > 0.2
    mask[:, 0] = True
    recording, _ = run(Sdpa(), q, k, v, attn_mask=mask)
    assert_recorded(recording, attention(q, k, visible=mask).unsqueeze(1))


def test_sdpa_without_batch():
    q, k, v = qkv()
    recording, _ = run(Sdpa(), q, k, v)
    assert_recorded(recording, attention(q, k)[None, None])


class Windowed(nn.Module):
    """Windows of `n` tokens beside the batch axis, before or after the heads."""

    def __init__(self, windows_first: bool, masked: bool = False):
        super().__init__()
        self.qkv, self.windows_first = nn.Linear(12, 36), windows_first
        self.mask = torch.rand(4, 5, 5) > 0.3 if masked else None
        if masked:
            self.mask |= torch.eye(5, dtype=torch.bool)

    def split(self, x):
        # [batch, window, head, token, d_head]
        q, k, v = self.qkv(x).unflatten(1, (4, 5)).unflatten(-1, (3, 3, 4)).permute(3, 0, 1, 4, 2, 5)
        return q, k, v

    def forward(self, x):
        q, k, v = self.split(x)
        mask = None if self.mask is None else self.mask[:, None]
        if not self.windows_first:
            q, k, v = (t.transpose(1, 2) for t in (q, k, v))
            mask = None if self.mask is None else self.mask
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).sum((1, 2))


@pytest.mark.parametrize(("windows_first", "masked"), itertools.product([True, False], repeat=2))
def test_sdpa_five_axes_are_windows(windows_first, masked):
    model, x = Windowed(windows_first, masked), torch.randn(B, 20, 12)
    recording, _ = run(model, x)
    q, k, _ = model.split(x)
    parts = attention(q, k, visible=model.mask[:, None] if masked else None)
    expected = torch.stack(
        [torch.stack([torch.block_diag(*parts[b, :, h]) for h in range(3)]) for b in range(B)]
    )
    assert [call.kind for call in recording.calls] == ["self"]
    assert_recorded(recording, expected)


class GroupedFive(nn.Module):
    """Five axes that are no windows: heads in groups."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(12, 36)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 3, 2, 2)).permute(2, 0, 3, 4, 1, 5)
        self.seen = q, k
        return F.scaled_dot_product_attention(q, k, v).sum((1, 2))


def test_sdpa_five_axes_of_grouped_heads():
    model = GroupedFive()
    recording, _ = run(model, torch.randn(B, 9, 12))
    assert_recorded(recording, attention(*model.seen).flatten(1, 2))


ATEN = torch.ops.aten
SPELLINGS = [
    torch._C._nn.scaled_dot_product_attention,
    ATEN.scaled_dot_product_attention,
    ATEN.scaled_dot_product_attention.default,
    ATEN._scaled_dot_product_flash_attention_for_cpu.default,
    ATEN._scaled_dot_product_attention_math.default,
]


@pytest.mark.parametrize("function", SPELLINGS, ids=str)
def test_sdpa_spellings(function):
    q, k, v = qkv(B, H, n=N, m=N)
    recording, _ = run(Sdpa(function), q, k, v, is_causal=True)
    assert_recorded(recording, attention(q, k, visible=torch.ones(N, N, dtype=torch.bool).tril()))


def test_operators_that_run_on_a_gpu_only_are_read_by_their_schema():
    """The efficient kernel has its mask fourth, and whether to compute the log-sum-exp before the dropout."""
    q, mask = torch.randn(1, 2, N, D), torch.randn(1, 2, N, N)
    operator = ATEN._scaled_dot_product_efficient_attention.default
    call = _attention_functions.sdpa(operator, (q, q, q, mask, True, 0.0, True), {"scale": 0.5})
    assert (call.mask is mask, call.causal, call.scale) == (True, True, 0.5)
    assert operator in _functions.ROLES


@pytest.mark.parametrize(("bias", "last"), [(causal_upper_left(N, M), 0), (causal_lower_right(N, M), M - N)])
def test_sdpa_causal_bias_objects(bias, last):
    q, k, v = qkv(B, H)
    recording, _ = run(Sdpa(), q, k, v, attn_mask=bias)
    visible = torch.ones(N, M, dtype=torch.bool).tril(last)
    expected = attention(q, k, visible=visible)
    for item, trace in enumerate(recording.traces()):
        assert (trace[0][:] - expected[item][..., visible.any(0)]).abs().max() < 2e-6


def test_nested_tensors_are_named():
    q = torch.nested.nested_tensor([torch.randn(3, 4), torch.randn(5, 4)], layout=torch.jagged)
    q = q.unflatten(-1, (2, 2)).transpose(1, 2)
    model = Sdpa()
    with pytest.raises(CaptureError, match=r"the model \(Sdpa\): .*nested tensors.*pad the batch"):
        with al.capture(model):
            model(q, q, q)


class Block(nn.Module):
    """Attention of every sort, one after the other, as an exported graph has it."""

    def __init__(self):
        super().__init__()
        self.qkv, self.mha = nn.Linear(12, 36), nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 3, 4)).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = torch.softmax(q @ k.transpose(-2, -1) / 2, -1).matmul(v).transpose(1, 2).flatten(2) + x
        return self.mha(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("decomposed", [False, True])
def test_exported_programs_are_recorded(decomposed):
    model, x = Block(), torch.randn(B, 6, 12)
    with torch.no_grad():
        program = torch.export.export(model, (x,))
        exported = (program.run_decompositions() if decomposed else program).module()
        reference, _ = run(model.train(), x)
        recording, _ = run(exported, x)
    assert len(recording.calls) == 3
    for layer in range(3):
        assert_recorded(recording, weights(reference, layer), layer)


# -- nn.MultiheadAttention ----------------------------------------------------------------------------------


def heads(x, weight, bias, count):
    """`[batch, head, token, d_head]` of a projection in float64."""
    projected = x.double() @ weight.double().T + (0 if bias is None else bias.double())
    return projected.unflatten(-1, (count, -1)).transpose(1, 2)


def mha_oracle(m: nn.MultiheadAttention, query, key, padding=None, attn_mask=None):
    """`[batch, head, query, key]`; inputs are batch first."""
    e = m.embed_dim
    if m.in_proj_weight is not None:
        wq, wk = m.in_proj_weight[:e], m.in_proj_weight[e : 2 * e]
    else:
        wq, wk = m.q_proj_weight, m.k_proj_weight
    bq, bk = (None, None) if m.in_proj_bias is None else (m.in_proj_bias[:e], m.in_proj_bias[e : 2 * e])
    q, k = heads(query, wq, bq, m.num_heads), heads(key, wk, bk, m.num_heads)
    batch, extra = len(query), 0
    if m.bias_k is not None:
        row = m.bias_k.double().expand(batch, 1, e).unflatten(-1, (m.num_heads, -1)).transpose(1, 2)
        k, extra = torch.cat([k, row], 2), 1
    if m.add_zero_attn:
        k, extra = torch.cat([k, torch.zeros_like(k[:, :, :1])], 2), extra + 1
    bias = torch.zeros(batch, m.num_heads, query.shape[1], k.shape[2], dtype=torch.float64)
    for given in (attn_mask, None if padding is None else padding[:, None, None, :]):
        if given is not None:
            if given.ndim == 3:
                given = given.unflatten(0, (batch, m.num_heads))
            asfloat = given.double() if given.is_floating_point() else given.double() * -1e300
            bias[..., : bias.shape[-1] - extra] += asfloat
    return attention(q, k, bias=bias.masked_fill(bias < -1e200, -math.inf))


def shuffled(module):
    """Fresh biases are zero: give all parameters values that show."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


@pytest.mark.parametrize(("batch_first", "cross"), itertools.product([True, False], repeat=2))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"add_bias_kv": True, "add_zero_attn": True},
        {"kdim": 6, "vdim": 10},
    ],
    ids=str,
)
def test_mha(options, batch_first, cross):
    if "kdim" in options and not cross:
        cross = True
    m = shuffled(nn.MultiheadAttention(12, 3, batch_first=batch_first, **options))
    query = torch.randn(B, N, 12)
    key = torch.randn(B, N, options.get("kdim", 12)) if cross else query
    value = torch.randn(B, N, options.get("vdim", 12)) if cross else query
    given = [t if batch_first else t.transpose(0, 1) for t in (query, key, value)]
    if not cross:
        given = given[:1] * 3
    recording, _ = run(m, *given)
    assert_recorded(recording, mha_oracle(m, query, key))
    assert [call.kind for call in recording.calls] == ["cross" if cross else "self"]


@pytest.mark.parametrize(("need", "average", "training"), itertools.product([True, False], repeat=3))
def test_mha_heads_are_seen_whatever_was_asked_for(need, average, training):
    m = shuffled(nn.MultiheadAttention(12, 3, batch_first=True, dropout=0.5)).train(training)
    x = torch.randn(B, N, 12)
    recording, _ = run(m, x, x, x, need_weights=need, average_attn_weights=average)
    assert_recorded(recording, mha_oracle(m, x, x))


@pytest.mark.parametrize("shape", [(N, M), (B * 3, N, M)], ids=str)
@pytest.mark.parametrize("kind", [torch.bool, torch.float32], ids=str)
def test_mha_attention_masks(shape, kind):
    m = shuffled(nn.MultiheadAttention(12, 3, batch_first=True))
    query, key = torch.randn(B, N, 12), torch.randn(B, M, 12)
    mask = torch.rand(shape) > 0.6
    mask[..., 0] = False
    if kind != torch.bool:
        mask = torch.randn(shape).masked_fill(mask, -math.inf)
    recording, _ = run(m, query, key, key, attn_mask=mask, store="factors")
    expected = mha_oracle(m, query, key, attn_mask=mask)
    for item, trace in enumerate(recording.traces()):
        real = recording.calls[0].mask.real_keys(item)
        assert (
            trace[0][:] - (expected[item] if real is None else expected[item][..., real])
        ).abs().max() < 2e-6


@pytest.mark.parametrize("kind", [torch.bool, torch.float32], ids=str)
@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True}], ids=str)
def test_mha_padding_is_removed_per_item(kind, extra):
    m = shuffled(nn.MultiheadAttention(12, 3, batch_first=True, **extra))
    x = torch.randn(B, N, 12)
    padding = torch.zeros(B, N, dtype=torch.bool)
    padding[1, 3:] = True
    given = padding if kind == torch.bool else torch.zeros(B, N).masked_fill(padding, -math.inf)
    recording, _ = run(m, x, x, x, key_padding_mask=given)
    expected = mha_oracle(m, x, x, padding=padding)
    whole, short = recording.traces()
    assert (whole[0][:] - expected[0]).abs().max() < 2e-6
    keys = [0, 1, 2, 5] if extra else [0, 1, 2]
    assert short[0].shape == (3, 3, len(keys))
    assert (short[0][:] - expected[1][:, :3][..., keys]).abs().max() < 2e-6


def test_mha_without_batch():
    m = shuffled(nn.MultiheadAttention(12, 3))
    query, key = torch.randn(N, 12), torch.randn(M, 12)
    mask = torch.randn(3, N, M)
    recording, _ = run(m, query, key, key, attn_mask=mask)
    assert_recorded(recording, mha_oracle(m, query[None], key[None], attn_mask=mask))


def test_mha_causal_hint():
    m = shuffled(nn.MultiheadAttention(12, 3, batch_first=True))
    x, mask = torch.randn(B, N, 12), nn.Transformer.generate_square_subsequent_mask(N)
    recording, _ = run(m, x, x, x, attn_mask=mask, is_causal=True, need_weights=False, store="factors")
    assert_recorded(recording, mha_oracle(m, x, x, attn_mask=mask))
    assert next(recording.traces())[0].mask == Band(None, 0)


class WindowedMha(nn.Module):
    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x):
        parts = x.unflatten(1, (4, -1)).flatten(0, 1)
        return self.mha(parts, parts, parts)[0].unflatten(0, (-1, 4)).flatten(1, 2)


def test_mha_windows_in_the_batch_axis():
    model, x = WindowedMha(), torch.randn(B, 12, 12)
    recording, _ = run(model, x)
    assert [trace[0].shape for trace in recording.traces()] == [(3, 12, 12)] * B


class FunctionalMha(nn.Module):
    """Calls the function itself, tokens first: more inputs than tokens are no windows."""

    def __init__(self):
        super().__init__()
        self.m = nn.MultiheadAttention(12, 3)

    def forward(self, x):
        m = self.m
        given = x, x, x, 12, 3, m.in_proj_weight, m.in_proj_bias, None, None, False, 0.0
        return F.multi_head_attention_forward(*given, m.out_proj.weight, m.out_proj.bias)[0]


def test_the_function_behind_mha():
    model, x = FunctionalMha(), torch.randn(2, 4, 12)
    recording, _ = run(model, x)
    assert_recorded(recording, mha_oracle(model.m, x.transpose(0, 1), x.transpose(0, 1)))


# -- the nn.Transformer family ------------------------------------------------------------------------------


def encoder(layers=2, batch_first=True, **options):
    layer = nn.TransformerEncoderLayer(12, 4, 16, batch_first=batch_first, dropout=0.1, **options)
    return shuffled(nn.TransformerEncoder(layer, layers, enable_nested_tensor=batch_first))


def layer_inputs(model, *args, **kwargs):
    """What each nn.MultiheadAttention of a model is called with, on the slow path."""
    seen = []
    hooks = [
        m.register_forward_pre_hook(lambda m, a, k: seen.append((m, a[0], a[1])), with_kwargs=True)
        for m in model.modules()
        if isinstance(m, nn.MultiheadAttention)
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        model(*args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    return seen


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_encoder_with_and_without_padding(masked, training):
    model, x = encoder().train(training), torch.randn(B, N, 12)
    padding = torch.zeros(B, N, dtype=torch.bool)
    padding[1, 3:] = masked
    options = {"src_key_padding_mask": padding} if masked else {}
    with torch.no_grad():
        state = torch.get_rng_state()
        calls = layer_inputs(model, x, **options)
        torch.set_rng_state(state)
        with al.capture(model) as recording:
            model(x, **options)
    assert len(recording.calls) == 2
    for item, trace in enumerate(recording.traces()):
        n = 3 if masked and item == 1 else N
        for layer, (m, query, key) in enumerate(calls):
            expected = mha_oracle(m, query, key, padding=padding if masked else None)[item, :, :n, :n]
            assert trace[layer].shape == (4, n, n)
            assert (trace[layer][:] - expected).abs().max() < 1e-5


def test_encoder_fast_path_differs_by_rounding_and_at_padding_only():
    model, x = encoder(norm_first=False).eval(), torch.randn(B, N, 12)
    padding = torch.zeros(B, N, dtype=torch.bool)
    padding[1, 3:] = True
    for options in ({}, {"src_key_padding_mask": padding}):
        with torch.no_grad():
            plain = model(x, **options)
            with al.capture(model):
                captured = model(x, **options)
        real = ~padding if options else torch.ones_like(padding)
        assert (plain - captured)[real].abs().max() < 5e-6
        if options:
            assert plain[1, 3:].abs().max() == 0
            assert captured[1, 3:].abs().max() > 0


def test_transformer_encoder_decoder():
    model = shuffled(nn.Transformer(12, 3, 1, 1, 16)).eval()
    source, target = torch.randn(M, B, 12), torch.randn(N, B, 12)
    causal = nn.Transformer.generate_square_subsequent_mask(N)
    with torch.no_grad():
        calls = layer_inputs(model, source, target, tgt_mask=causal)
        with al.capture(model) as recording:
            model(source, target, tgt_mask=causal)
    assert [call.kind for call in recording.calls] == ["self", "self", "cross"]
    assert [layer.name for layer in next(recording.traces()).layers] == [
        "encoder.layers.0.self_attn",
        "decoder.layers.0.self_attn",
        "decoder.layers.0.multihead_attn",
    ]
    for layer, (m, query, key) in enumerate(calls):
        mask = causal if layer == 1 else None
        expected = mha_oracle(m, query.transpose(0, 1), key.transpose(0, 1), attn_mask=mask)
        assert_recorded(recording, expected, layer, atol=1e-5)


def test_decoder_of_equal_lengths_distinguishes_cross_from_self():
    layer = nn.TransformerDecoderLayer(12, 3, 16, batch_first=True)
    model = nn.TransformerDecoder(layer, 2).eval()
    with torch.no_grad():
        recording, _ = run(model, torch.randn(B, N, 12), torch.randn(B, N, 12))
    assert [call.kind for call in recording.calls] == ["self", "cross"] * 2


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored(store):
    """Long inputs as factors, short ones as weights, unless asked otherwise."""
    stored = []
    for n in (6, 100):
        q, k, v = qkv(1, 2, n=n, m=n)
        recording, _ = run(Sdpa(), q, k, v, store=store)
        stored.append(isinstance(next(recording.traces())[0], Factors))
    assert stored == {"auto": [False, True], "factors": [True, True], "weights": [False, False]}[store]
