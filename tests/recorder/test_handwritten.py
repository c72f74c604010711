"""Hand-written attention of every style: the weights that the model used, as factors where those say the same."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import attnlens as al
from attnlens.data._attention import Band, Factors, Weights, Windows

from .handwritten import DIM, DROPS, HEADS, MASKS, PRODUCTS, SCORES, SOFTMAXES, Attention, masked_out
from .oracle import assert_recorded, attention, run, weights

B, N, M = 2, 7, 5
LONG = 40
"""Long enough that factors are smaller: more than twice the size of a head."""


def causal(n):
    return torch.ones(n, n, dtype=torch.bool).tril()


def stored(recording):
    return {type(layer.attention) for trace in recording.traces() for layer in trace.layers}


@pytest.mark.parametrize("name", SCORES)
def test_scores(name):
    model, x = Attention(SCORES[name]), torch.randn(B, LONG, DIM)
    with torch.no_grad():
        recording, _ = run(model, x)
    assert_recorded(recording, attention(*model.oracle_inputs(x)), atol=1e-5)
    assert stored(recording) == {Factors}


@pytest.mark.parametrize("store", ["auto", "factors", "weights"])
@pytest.mark.parametrize("name", MASKS)
def test_masks(name, store):
    model, x = Attention(mask=MASKS[name]), torch.randn(B, LONG, DIM)
    with torch.no_grad():
        recording, _ = run(model, x, store=store)
    assert_recorded(recording, attention(*model.oracle_inputs(x), visible=causal(LONG)), atol=1e-5)
    if name == "set":  # not a step that is followed: the weights are kept
        assert stored(recording) == {Weights}
    elif store != "weights":
        assert stored(recording) == {Factors}
        assert next(recording.traces())[0].mask == Band(None, 0)


@pytest.mark.parametrize("store", ["auto", "weights"])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_softmaxes(name, store):
    model = Attention(softmax=SOFTMAXES[name], mask=MASKS["masked_fill -inf"])
    x = torch.randn(B, LONG, DIM)
    with torch.no_grad():
        recording, _ = run(model, x, store=store)
    assert_recorded(recording, attention(*model.oracle_inputs(x), visible=causal(LONG)), atol=1e-5)
    if store == "auto" and name not in ("stable",):
        assert stored(recording) == {Factors}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    model, x, context = Attention(product=PRODUCTS[name]), torch.randn(B, N, DIM), torch.randn(B, M, DIM)
    recording, _ = run(model, x, context)
    assert_recorded(recording, attention(*model.oracle_inputs(x, context)))
    assert [call.kind for call in recording.calls] == ["cross"]


@pytest.mark.parametrize("store", ["weights", "factors"])
@pytest.mark.parametrize("name", DROPS)
def test_weights_are_those_before_dropout(name, store):
    model, x = Attention(drop=DROPS[name]).train(), torch.randn(B, N, DIM)
    recording, _ = run(model, x, store=store)
    assert_recorded(recording, attention(*model.oracle_inputs(x)))


def test_dropout_before_a_turned_product():
    model, x = Attention(drop=DROPS["F.dropout"], product=PRODUCTS["values first"]), torch.randn(B, N, DIM)
    recording, _ = run(model, x)
    assert_recorded(recording, attention(*model.oracle_inputs(x)))


def _column_first(w, v):
    """What every query gives to the first key is used before the attention itself."""
    received = torch.matmul(w[..., 0], torch.ones(N, 1))
    return w @ v + 0 * received.sum()


def test_a_column_of_the_weights_is_not_the_attention():
    model, x = Attention(product=_column_first), torch.randn(B, N, DIM)
    recording, _ = run(model, x)
    assert_recorded(recording, attention(*model.oracle_inputs(x)))


@pytest.mark.parametrize(
    ("n", "m"), [(N, None), (N, M), (N, N)], ids=["self", "cross", "cross of equal length"]
)
@pytest.mark.parametrize("split", [True, False], ids=["heads", "no head axis"])
def test_context_distinguishes_cross_from_self(n, m, split):
    model, x = Attention(split=split), torch.randn(B, n, DIM)
    context = None if m is None else torch.randn(B, m, DIM)
    recording, _ = run(model, x, context)
    assert_recorded(recording, attention(*model.oracle_inputs(x, context)))
    assert [call.kind for call in recording.calls] == ["self" if m is None else "cross"]


class Scaled(nn.Module):
    """The helper that textbooks put inside of MultiHeadAttention; it holds no weights."""

    def __init__(self, temperature):
        super().__init__()
        self.temperature, self.dropout = temperature, nn.Dropout(0.1)

    def forward(self, q, k, v, mask=None):
        attn = torch.matmul(q / self.temperature, k.transpose(-2, -1))
        if mask is not None:
            attn = attn.masked_fill(mask == 0, -1e9)
        attn = self.dropout(F.softmax(attn, dim=-1))
        return torch.matmul(attn, v), attn


class MultiHead(nn.Module):
    """forward(q, k, v, mask) around `Scaled`; layout: how heads are laid out for the helper."""

    def __init__(self, layout):
        super().__init__()
        self.layout = layout
        self.w = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(4))
        self.attention = Scaled(2.0)

    def heads(self, t):
        if self.layout == "single":
            return t
        t = t.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        return t if self.layout == "heads" else t.flatten(0, 1)

    def forward(self, q, k, v, mask=None):
        q, k, v = (self.heads(w(t)) for w, t in zip(self.w, (q, k, v)))
        if mask is not None:
            mask = {"heads": mask[:, None, None], "single": mask[:, None]}.get(
                self.layout, mask[:, None].repeat_interleave(HEADS, 0)
            )
        self.seen = q, k
        out, _ = self.attention(q, k, v, mask)
        if self.layout == "folded":
            out = out.unflatten(0, (-1, HEADS))
        return self.w[3](out if self.layout == "single" else out.transpose(1, 2).flatten(2))


class EncoderDecoder(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.own, self.other = MultiHead(layout), MultiHead(layout)

    def forward(self, x, memory, mask=None):
        x = x + self.own(x, x, x)
        return x + self.other(x, memory, memory, mask)


@pytest.mark.parametrize("m", [M, N])
@pytest.mark.parametrize("layout", ["heads", "folded", "single"])
def test_a_helper_inside_of_multi_head_attention(layout, m):
    model = EncoderDecoder(layout).eval()
    x, memory = torch.randn(B, N, DIM), torch.randn(B, m, DIM)
    recording, _ = run(model, x, memory)
    assert [call.kind for call in recording.calls] == ["self", "cross"]
    assert [call.module for call in recording.calls] == ["own.attention", "other.attention"]
    for layer, part in enumerate((model.own, model.other)):
        q, k = part.seen
        expected = attention(q, k, scale=0.5).reshape(B, -1, N, k.shape[-2])
        assert_recorded(recording, expected, layer)


@pytest.mark.parametrize("layout", ["heads", "folded", "single"])
def test_padding_is_removed(layout):
    model = EncoderDecoder(layout).eval()
    x, memory = torch.randn(B, N, DIM), torch.randn(B, M, DIM)
    mask = torch.ones(B, M)
    mask[1, 3:] = 0
    recording, _ = run(model, x, memory, mask)
    assert [trace[1].shape[1:] for trace in recording.traces()] == [(N, M), (N, 3)]


class Packed(nn.Module):
    """One projection for all three; the tensors have no names, and the batch is where it is said to be."""

    def __init__(self, axes="bn", drop=0.0):
        super().__init__()
        self.qkv, self.axes = nn.Linear(DIM, 3 * DIM), axes

    def forward(self, *inputs):
        (x,) = inputs
        qkv = self.qkv(x).unflatten(-1, (3, HEADS, -1))
        if self.axes == "n":  # no batch
            q, k, v = qkv.permute(1, 2, 0, 3)
        elif self.axes == "nb":  # tokens first, heads folded into the batch as fairseq has it
            q, k, v = (t.flatten(1, 2).transpose(0, 1) for t in qkv.unbind(2))
        elif self.axes == "heads first":
            q, k, v = qkv.permute(2, 3, 0, 1, 4)
        else:
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
        self.seen = q, k
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v


# With as many inputs as heads the shape of "heads first" does not distinguish them; the batch is taken to be first.
@pytest.mark.parametrize(
    ("axes", "batch"),
    [(axes, b) for axes in ("bn", "nb", "heads first") for b in (1, 2, 3) if axes[0] != "h" or b < 3],
)
@pytest.mark.parametrize("n", [5, LONG])
def test_axes_are_recognised(axes, batch, n):
    model = Packed(axes)
    x = torch.randn(n, batch, DIM) if axes == "nb" else torch.randn(batch, n, DIM)
    recording, _ = run(model, x)
    expected = attention(*model.seen, scale=1)
    if axes == "heads first":
        expected = expected.transpose(0, 1)
    assert_recorded(recording, expected.reshape(batch, HEADS, n, n), atol=1e-5)
    assert [call.kind for call in recording.calls] == ["self"]


@pytest.mark.parametrize("n", [5, LONG])
def test_no_batch_axis(n):
    model = Packed("n")
    recording, _ = run(model, torch.randn(n, DIM))
    assert_recorded(recording, attention(*model.seen, scale=1)[None], atol=1e-5)


class Named(Attention):
    """Floating inputs beside the activations, whose names or shapes say that they are no context."""

    def forward(self, x, protein=None, rel_pos=None, *unnamed):
        return super().forward(x, protein)


def test_masks_and_positions_are_no_context():
    x = torch.randn(B, N, DIM)
    for arguments, options in [
        ((x, None, torch.randn(B, N, DIM)), {}),  # positions, by name
        ((x, None, None, torch.randn(B, N, N)), {}),  # a mask, by shape
        ((x, None, None, torch.randn(1, 1, N)), {}),
        ((x, None, None, torch.randn(B, 1, DIM)), {}),  # a condition, by its length
    ]:
        recording, _ = run(Named(), *arguments, **options)
        assert [call.kind for call in recording.calls] == ["self"]
    recording, _ = run(Named(), x, torch.randn(B, N, DIM))
    assert [call.kind for call in recording.calls] == ["cross"]


class Skip(Attention):
    """A second activation of the same shape that no key is made of."""

    def forward(self, x, skip):
        return super().forward(x) + skip


class CrossAttention(Attention):
    """The second input goes through a norm, so that the name alone says what it is."""

    def forward(self, x, other):
        return super().forward(x, F.layer_norm(other, (DIM,)))


class Weighted(Attention):
    """Keys by a product with a bare parameter."""

    def forward(self, x, other):
        return super().forward(x, other @ self.out.weight)


@pytest.mark.parametrize(("build", "kind"), [(Skip, "self"), (CrossAttention, "cross"), (Weighted, "cross")])
def test_a_second_activation_of_equal_length(build, kind):
    recording, _ = run(build(), torch.randn(B, N, DIM), torch.randn(B, N, DIM))
    assert [call.kind for call in recording.calls] == [kind]


class PositionsOnQueryAndKey(Attention):
    """DETR: query and key carry positions, the value does not (Carion et al. 2020)."""

    def forward(self, query, key, value):
        return super().forward(query)


def test_values_without_positions_are_no_context():
    x, positions = torch.randn(B, N, DIM), torch.randn(1, N, DIM)
    recording, _ = run(PositionsOnQueryAndKey(), *[x + positions] * 2, x)
    assert [call.kind for call in recording.calls] == ["self"]


class KeyNotLast(nn.Module):
    """Weights as [batch, query, key, head]."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).unbind(2)
        self.seen = q.transpose(1, 2), k.transpose(1, 2)
        w = torch.einsum("bihd,bjhd->bijh", q, k).softmax(dim=2)
        return torch.einsum("bijh,bjhd->bihd", w, v).flatten(2)


def test_heads_after_the_keys():
    model = KeyNotLast()
    recording, _ = run(model, torch.randn(B, N, DIM))
    assert_recorded(recording, attention(*model.seen, scale=1))


class Sagan(nn.Module):
    """Self-attention over the pixels of a picture (Zhang et al. 2019): values first, weights turned."""

    def __init__(self, dim):
        super().__init__()
        self.q, self.k, self.v, self.dim = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1), nn.Conv2d(8, 8, 1), dim

    def forward(self, x):
        q, k, v = (m(x).flatten(2) for m in (self.q, self.k, self.v))
        self.seen = q.mT, k.mT
        if self.dim == -1:
            attention = torch.softmax(torch.bmm(q.permute(0, 2, 1), k), dim=-1)
            return torch.bmm(v, attention.permute(0, 2, 1)).view_as(x)
        attention = torch.softmax(torch.bmm(k.permute(0, 2, 1), q), dim=1)
        return torch.bmm(v, attention).view_as(x)


@pytest.mark.parametrize("dim", [-1, 1])
def test_values_before_weights(dim):
    model = Sagan(dim)
    recording, _ = run(model, torch.randn(B, 8, 5, 4), store="factors")
    assert_recorded(recording, attention(*model.seen, scale=1).unsqueeze(1), atol=1e-5)
    assert [call.kind for call in recording.calls] == ["self"]
    assert stored(recording) == {Factors}


@pytest.mark.parametrize("n", [N, LONG])
def test_rows_that_see_nothing(n):
    """A softmax over -inf alone is nan; in the recording such a row attends to nothing."""
    hidden = masked_out(torch.empty(n, n)).clone()
    hidden[0] = True
    model = Attention(mask=lambda x: x.masked_fill(hidden, -math.inf), drop=torch.nan_to_num)
    recording, _ = run(model, x := torch.randn(B, n, DIM))
    assert_recorded(recording, attention(*model.oracle_inputs(x), visible=~hidden), atol=1e-5)
    assert next(recording.traces())[0].masked_rows.tolist() == [True] + [False] * (n - 1)


class TalkingHeads(Attention):
    """Heads combined after the softmax: the weights that meet the values are the combined ones."""

    def __init__(self, mix):
        super().__init__(drop=self.combine)
        self.mix = (
            nn.Conv2d(HEADS, HEADS, 1, bias=False) if mix == "conv" else nn.Linear(HEADS, HEADS, bias=False)
        )
        self.how = mix

    def combine(self, w):
        if self.how == "conv":
            self.combined = self.mix(w)
        elif self.how == "linear":
            self.combined = self.mix(w.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        else:
            self.combined = torch.einsum("bhij,gh->bgij", w, self.mix.weight)
        return self.combined


@pytest.mark.parametrize("mix", ["conv", "linear", "einsum"])
def test_talking_heads(mix):
    model = TalkingHeads(mix)
    recording, _ = run(model, torch.randn(B, LONG, DIM))
    assert_recorded(recording, model.combined.double())
    assert stored(recording) == {Weights}


# -- factors are kept only where they say the same ----------------------------------------------------------


def _view_in_place(scores):
    scores[:, :, :, 3].fill_(2.0)  # through a view: no function on the scores themselves
    return scores


UNFOLLOWED = {
    "clamp": lambda x: x.clamp(max=0.5),
    "clamp_": lambda x: x.clamp_(max=0.5),
    "times a tensor": lambda x: x * torch.linspace(0.5, 2, x.shape[-1]),
    "set one": lambda x: x.index_fill_(3, torch.tensor([2]), -math.inf),
    "view in place": _view_in_place,
    "subtracted": lambda x: torch.zeros(x.shape[-1]) - x,
    "top-k": lambda x: x.masked_fill(x < x.topk(3, -1).values[..., -1:], -math.inf),
}


@pytest.mark.parametrize("name", UNFOLLOWED)
def test_scores_changed_in_ways_that_are_not_followed(name):
    kept = {}

    def softmax(x):
        kept["weights"] = x.softmax(-1)
        return kept["weights"]

    model, x = Attention(mask=UNFOLLOWED[name], softmax=softmax), torch.randn(B, LONG, DIM)
    with torch.no_grad():
        recording, _ = run(model, x, store="factors")
    assert_recorded(recording, kept["weights"].double())


def test_scores_overwritten_in_a_row_that_is_not_sampled():
    """A fill that hides nothing is no mask, though the sampled rows do not show it."""
    row = torch.zeros(LONG, 1, dtype=torch.bool)
    row[9] = True
    model, x = Attention(mask=lambda s: s.masked_fill(row, 0.5)), torch.randn(B, LONG, DIM)
    recording, _ = run(model, x, store="factors")
    expected = attention(*model.oracle_inputs(x))
    expected[:, :, 9] = 1 / LONG
    assert_recorded(recording, expected)


def test_weights_changed_after_the_softmax_are_compared_in_all_rows():
    """Only one row that is not among the sampled ones differs."""
    gate = torch.ones(LONG, 1)
    gate[9] = 0.5
    model, x = Attention(drop=lambda w: w * gate), torch.randn(B, LONG, DIM)
    recording, _ = run(model, x, store="factors")
    assert_recorded(recording, attention(*model.oracle_inputs(x)) * gate)
    assert stored(recording) == {Weights}


def _spread_evenly(x):
    """A row that sees nothing, by a finite number: the model spreads it over all keys."""
    hidden = torch.zeros(x.shape[-2:], dtype=torch.bool)
    hidden[3] = True
    return x.masked_fill(hidden, torch.finfo(x.dtype).min)


def test_rows_masked_with_a_finite_number_are_what_the_model_made_of_them():
    model, x = Attention(mask=_spread_evenly), torch.randn(B, LONG, DIM)
    recording, _ = run(model, x)
    assert (weights(recording)[:, :, 3] - 1 / LONG).abs().max() < 1e-6
    assert stored(recording) == {Weights}


def test_rows_of_padding_cost_no_factors():
    def padded(x):
        keep = torch.ones(LONG, dtype=torch.bool)
        keep[:4] = False
        return x.masked_fill(~(causal(LONG) & keep), torch.finfo(x.dtype).min)

    recording, _ = run(Attention(mask=padded), torch.randn(B, LONG, DIM))
    assert stored(recording) == {Factors}
    assert {trace[0].shape for trace in recording.traces()} == {(HEADS, LONG - 4, LONG - 4)}


def test_weights_overwritten_after_the_softmax():
    def overwrite(w):
        w[:, :, 9] = 0.25
        return w

    model, x = Attention(drop=overwrite), torch.randn(B, LONG, DIM)
    with torch.no_grad():
        recording, _ = run(model, x, store="factors")
    expected = attention(*model.oracle_inputs(x))
    expected[:, :, 9] = 0.25
    assert_recorded(recording, expected)


def test_a_softcap_is_kept_as_a_factor():
    model, x = Attention(mask=lambda s: torch.tanh(s / 5.0) * 5.0), torch.randn(B, LONG, DIM)
    recording, _ = run(model, x)
    q, k = model.oracle_inputs(x)
    assert stored(recording) == {Factors}
    expected = (5 * torch.tanh(q @ k.mT / 2 / 5)).softmax(-1)
    assert_recorded(recording, expected, atol=1e-5)


def test_relative_bias_is_kept_as_a_factor():
    bias = torch.randn(HEADS, LONG, LONG)
    model = Attention(mask=lambda s: (s + bias).masked_fill(masked_out(s), -math.inf))
    recording, _ = run(model, x := torch.randn(B, LONG, DIM), store="factors")
    assert_recorded(recording, attention(*model.oracle_inputs(x), bias=bias, visible=causal(LONG)), atol=1e-5)
    assert stored(recording) == {Factors}


@pytest.mark.parametrize("store", ["factors", "weights"])
def test_low_precision(store):
    model, x = Attention().bfloat16(), torch.randn(B, LONG, DIM).bfloat16()
    recording, _ = run(model, x, store=store)
    assert_recorded(recording, attention(*model.oracle_inputs(x)), atol=3e-2)


# -- windows, channels, reduced keys ------------------------------------------------------------------------


class BatchedWindows(nn.Module):
    """Swin-like: windows are put into the batch axis before or inside of the attention module."""

    def __init__(self, inside: bool, shift_mask: bool = False):
        super().__init__()
        self.attention, self.inside = Attention(), inside
        if shift_mask:
            hidden = torch.rand(4, 5, 5) > 0.6
            self.hidden = hidden & ~torch.eye(5, dtype=torch.bool)
            self.attention.mask = self.add_mask

    def add_mask(self, scores):
        parts = scores.view(-1, 4, HEADS, 5, 5) + (self.hidden * -1e9)[None, :, None]
        return parts.view(-1, HEADS, 5, 5)

    def forward(self, x):
        windows = x.unflatten(1, (4, 5)).flatten(0, 1)
        return self.attention(windows).unflatten(0, (-1, 4)).flatten(1, 2)


class InsideWindows(nn.Module):
    """The partition happens inside of the attention module, whose input is the whole sequence."""

    def __init__(self, heads: int):
        super().__init__()
        self.qkv, self.heads = nn.Linear(DIM, 3 * DIM), heads

    def forward(self, x):
        qkv = self.qkv(x).unflatten(1, (4, 5)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(1, 2)
        self.seen = q, k
        return ((q @ k.mT).softmax(-1) @ v).unflatten(0, (-1, 4))


def diagonal(parts, items):
    """Windows `[item * window, head, n, n]` laid along the diagonal: `[item, head, N, N]`."""
    parts = parts.unflatten(0, (items, -1))
    return torch.stack([torch.stack([torch.block_diag(*p[:, h]) for h in range(p.shape[1])]) for p in parts])


@pytest.mark.parametrize("store", ["factors", "weights"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_windows_in_the_batch_axis(batch, shifted, store):
    model, x = BatchedWindows(True, shifted), torch.randn(batch, 20, DIM)
    recording, _ = run(model, x, store=store)
    q, k = model.attention.oracle_inputs(x.unflatten(1, (4, 5)).flatten(0, 1))
    visible = ~model.hidden[:, None].repeat(batch, 1, 1, 1) if shifted else None
    assert_recorded(recording, diagonal(attention(q, k, visible=visible), batch))
    assert stored(recording) == {Windows}
    parts = {type(p) for trace in recording.traces() for p in trace[0].parts}
    assert parts == {Factors if store == "factors" else Weights}


@pytest.mark.parametrize("heads", [2, 3])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_windows_made_inside_of_the_attention(batch, heads):
    model = InsideWindows(heads)
    recording, _ = run(model, torch.randn(batch, 20, DIM))
    assert_recorded(recording, diagonal(attention(*model.seen, scale=1), batch))
    assert [call.kind for call in recording.calls] == ["self"]


class Channels(nn.Module):
    """XCiT: attention between the channels of each head (El-Nouby et al. 2021)."""

    def __init__(self, sdpa):
        super().__init__()
        self.qkv, self.sdpa = nn.Linear(DIM, 3 * DIM), sdpa

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 4, 1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        self.seen = q, k
        if self.sdpa:
            return F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v


class ChannelMap(nn.Module):
    """DANet: attention between the channels of a picture; no weights of its own (Fu et al. 2019)."""

    def forward(self, x):
        q = x.flatten(2)
        self.seen = q, q
        return torch.bmm(torch.softmax(torch.bmm(q, q.permute(0, 2, 1)), -1), q).view_as(x)


@pytest.mark.parametrize("sdpa", [False, True])
@pytest.mark.parametrize("n", [5, 8, 20])
def test_channel_attention(n, sdpa):
    model = Channels(sdpa)
    recording, _ = run(model, torch.randn(B, n, DIM))
    assert [call.kind for call in recording.calls] == ["channel"]
    assert_recorded(recording, attention(*model.seen, scale=1))


def test_channel_attention_of_a_picture():
    model = nn.Sequential(nn.Conv2d(3, 6, 1), ChannelMap())
    recording, _ = run(model, torch.randn(B, 3, 5, 4))
    assert [call.kind for call in recording.calls] == ["channel"]
    assert_recorded(recording, attention(*model[1].seen, scale=1).unsqueeze(1), atol=1e-4)


class ReducedKeys(nn.Module):
    """PVT: keys and values are pooled from the same input (Wang et al. 2021)."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.reduce = nn.Linear(DIM, DIM), nn.Linear(DIM, 2 * DIM), nn.Conv2d(DIM, DIM, 2, 2)

    def forward(self, x, height, width):
        q = self.q(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        small = self.reduce(x.mT.unflatten(2, (height, width))).flatten(2).mT
        k, v = self.kv(small).unflatten(-1, (2, HEADS, -1)).permute(2, 0, 3, 1, 4)
        self.seen = q, k
        return ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).flatten(2)


def test_reduced_keys_are_self_attention():
    model = ReducedKeys()
    recording, _ = run(model, torch.randn(B, 16, DIM), 4, 4)
    assert_recorded(recording, attention(*model.seen, scale=1))
    assert [call.kind for call in recording.calls] == ["self"]


# -- what is held meanwhile ---------------------------------------------------------------------------------


def test_weights_of_earlier_layers_are_not_kept_alive():
    alive, most = [], []

    def softmax(x):
        gc.collect()
        most.append(sum(ref() is not None for ref in alive))
        w = x.softmax(-1)
        alive.append(weakref.ref(w))
        return w

    model = nn.Sequential(*(Attention(softmax=softmax, mask=MASKS["+ mask"]) for _ in range(6)))
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(torch.randn(1, LONG, DIM))
    assert len(recording.calls) == 6
    assert max(most) == 0
    assert weights(recording, 5).shape == (1, HEADS, LONG, LONG)


class Residual(nn.Module):
    """Projections written as products with buffers look like scores, and the sums of a residual stream like masks."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.randn(DIM, DIM) / 10)
        self.attention = Attention()

    def forward(self, x):
        refs = []
        for _ in range(20):
            x = x + x @ self.weight
            refs.append(weakref.ref(x))
        gc.collect()
        self.alive = sum(ref() is not None for ref in refs)
        return self.attention(x)


def test_a_residual_stream_is_not_kept_alive():
    model = Residual()
    with torch.no_grad(), al.capture(model):
        model(torch.randn(1, N, DIM))
    assert model.alive <= 7
