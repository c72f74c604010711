"""Which axis is the batch, which are heads, windows and tokens: read off how tensors were made."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import attnlens as al
from attnlens.data._attention import Factors, Windows
from attnlens.errors import CaptureError, InputError
from attnlens.recorder._capture import listen

from .handwritten import DIM, HEADS, Attention
from .oracle import assert_recorded, attention, run, weights

N, D = 7, DIM // HEADS


def recorded(model, x, **options):
    """The recording of a batch, each of whose inputs is recorded alike alone."""
    alone = []
    for item in x:
        with torch.no_grad(), al.capture(model, verify=True, **options) as single:
            model(item[None])
        alone.append(single)
    with torch.no_grad():
        recording, _ = run(model, x)
    recording.verify(alone)
    return recording


class Folded(nn.Module):
    """Heads and batch in one axis, before the product and split again after it, in many spellings."""

    def __init__(self, fold, unfold, between=lambda t: t):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(DIM, DIM) for _ in range(3))
        self.out, self.fold, self.unfold, self.between = nn.Linear(DIM, DIM), fold, unfold, between
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4)

    def heads(self, t):
        return t.unflatten(-1, (HEADS, D)).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        self.seen = self.heads(q), self.heads(k)
        q, k, v = (self.between(self.fold(t)) for t in (q, k, v))
        w = (q @ k.mT / D**0.5).softmax(-1)
        return self.out(self.unfold(w @ v, len(x)))


def _halves_turned(t):
    """Rotary positions: halves of the features are taken apart, turned and put together again."""
    a, b = t.chunk(2, dim=-1)
    angle = torch.arange(t.shape[-2])[:, None] * torch.tensor([0.5, 0.1])
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def _class_token_apart(t):
    return torch.cat([t[:, :1], torch.cat((t[:, 1:, :2] * 2, t[:, 1:, 2:]), dim=-1)], dim=1)


BACK = {
    "heads first": lambda o, b: torch.cat(o.split(b, 0), 2),
    "batch first": lambda o, b: o.view(b, HEADS, -1, D).transpose(1, 2).reshape(b, -1, DIM),
}
FOLDS = {
    # Set Transformer (Lee et al. 2019)
    "cat of split": (lambda t: torch.cat(t.split(D, 2), 0), "heads first"),
    "cat of chunk": (lambda t: torch.cat(torch.chunk(t, HEADS, dim=-1), dim=0), "heads first"),
    "cat of slices": (
        lambda t: torch.cat([t[..., h * D : (h + 1) * D] for h in range(HEADS)]),
        "heads first",
    ),
    "permute, view": (
        lambda t: t.view(*t.shape[:2], HEADS, D).permute(2, 0, 1, 3).contiguous().view(-1, t.shape[1], D),
        "heads first",
    ),
    "stack of unbind": (
        lambda t: torch.stack(t.unflatten(-1, (HEADS, D)).unbind(2)).flatten(0, 1),
        "heads first",
    ),
    "movedim": (
        lambda t: t.unflatten(-1, (HEADS, D)).movedim(2, 0).reshape(-1, t.shape[1], D),
        "heads first",
    ),
    "einsum": (
        lambda t: torch.einsum("bnhd->hbnd", t.unflatten(-1, (HEADS, D))).flatten(0, 1),
        "heads first",
    ),
    "batch first": (
        lambda t: t.unflatten(-1, (HEADS, D)).transpose(1, 2).reshape(-1, t.shape[1], D),
        "batch first",
    ),
    "batch first, stack": (
        lambda t: torch.stack(t.chunk(HEADS, -1), 1).view(-1, t.shape[1], D),
        "batch first",
    ),
}


@pytest.mark.parametrize("batch", [1, 2, HEADS, 4])
@pytest.mark.parametrize("name", FOLDS)
def test_heads_and_batch_in_one_axis(name, batch):
    fold, back = FOLDS[name]
    model = Folded(fold, BACK[back])
    recording = recorded(model, torch.randn(batch, N, DIM))
    expected = attention(*(t[:batch] for t in model.seen))
    assert_recorded(recording, expected)


@pytest.mark.parametrize(
    "between", [_halves_turned, _class_token_apart, F.normalize, lambda t: t.clone() * 1.5]
)
def test_what_happens_between_does_not_matter(between):
    model = Folded(FOLDS["cat of split"][0], BACK["heads first"], between)
    recording = recorded(model, torch.randn(2, N, DIM))
    assert [trace[0].shape for trace in recording] == [(HEADS, N, N)] * 2


class SetBlock(nn.Module):
    """Set Transformer's block (Lee et al. 2019): heads before the batch, and the residual in the folded form."""

    def __init__(self, latents=0):
        super().__init__()
        self.q, self.kv = nn.Linear(DIM, DIM), nn.Linear(DIM, 2 * DIM)
        self.latents = nn.Parameter(torch.randn(1, latents, DIM)) if latents else None

    def forward(self, x, context=None):
        rows = x if self.latents is None else self.latents.repeat(len(x), 1, 1)
        q, (k, v) = self.q(rows), self.kv(x if context is None else context).chunk(2, -1)
        q, k, v = (torch.cat(t.split(D, 2), 0) for t in (q, k, v))
        out = q + torch.softmax(q.bmm(k.transpose(1, 2)) / D**0.5, 2).bmm(v)
        return torch.cat(out.split(len(x), 0), 2)


class SetTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up, self.pool = SetBlock(4), SetBlock(), SetBlock(2)

    def forward(self, x):
        return self.pool(self.up(x, self.down(x)))


@pytest.mark.parametrize("batch", [1, 2, HEADS, 4])
def test_a_whole_set_transformer(batch):
    recording = recorded(SetTransformer(), torch.randn(batch, N, DIM))
    assert [call.kind for call in recording.calls] == ["cross"] * 3
    for trace in recording:
        assert [layer.attention.shape for layer in trace.layers] == [
            (HEADS, 4, N),
            (HEADS, N, 4),
            (HEADS, 2, N),
        ]


def test_gates_reach_the_head_that_they_name():
    model = Folded(FOLDS["cat of split"][0], BACK["heads first"])
    model.out = nn.Identity()
    x = torch.randn(2, N, DIM)
    with torch.no_grad(), listen(model, gates={0: [1.0, 0.0, 1.0]}):
        gated = model(x)
    plain = model(x)
    assert (gated[..., D : 2 * D] == 0).all()
    torch.testing.assert_close(gated[..., :D], plain[..., :D])


def opaque(t):
    """As a compiled function or a foreign kernel: nothing sees what it does."""
    with torch._C.DisableTorchFunction():
        return t.clone()


def test_a_joint_axis_that_was_not_followed_is_refused():
    model = Folded(FOLDS["cat of split"][0], BACK["heads first"], opaque)
    with torch.no_grad(), al.capture(model) as recording:
        model(torch.randn(1, N, DIM))
    assert recording[0][0].shape == (HEADS, N, N)
    with pytest.raises(CaptureError, match=r"\[6, 7, 7\].*is ambiguous.*one input at a time"):
        with torch.no_grad(), al.capture(model):
            model(torch.randn(2, N, DIM))


# -- windows ----------------------------------------------------------------------------------------------------


class WindowAttention(nn.Module):
    """Windows of a picture whose channels come last, `[batch, x, y, w, w, d_model]` (MaxViT, Tu et al. 2022)."""

    def __init__(self, heads):
        super().__init__()
        self.qkv, self.heads = nn.Linear(DIM, 3 * DIM), heads

    def forward(self, x):
        windows = F.layer_norm(x, (DIM,)).reshape(-1, 4, DIM)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(windows).chunk(3, -1))
        self.seen = q, k
        return ((q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)


class PictureWindows(nn.Module):
    def __init__(self, heads, grid=False):
        super().__init__()
        self.stem, self.attention, self.grid = nn.Conv2d(3, DIM, 1), WindowAttention(heads), grid

    def forward(self, x):
        axes = (0, 3, 5, 2, 4, 1) if self.grid else (0, 2, 4, 3, 5, 1)
        return self.attention(self.stem(x).unflatten(3, (2, 2)).unflatten(2, (2, 2)).permute(axes))


class WindowsFirst(nn.Module):
    """nn.MultiheadAttention over windows that stand before the inputs in its batch axis."""

    def __init__(self, batch_first):
        super().__init__()
        self.embed, self.batch_first = nn.Linear(DIM, DIM), batch_first
        self.mha = nn.MultiheadAttention(DIM, HEADS, batch_first=batch_first)

    def forward(self, x):
        windows = self.embed(x).unflatten(1, (4, 5)).transpose(0, 1).flatten(0, 1)
        windows = windows if self.batch_first else windows.transpose(0, 1)
        return self.mha(windows, windows, windows)[0]


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_first", [True, False])
def test_windows_before_the_inputs(batch_first, batch):
    model, x = WindowsFirst(batch_first), torch.randn(batch, 20, DIM)
    recording = recorded(model, x)
    assert [trace[0].shape for trace in recording] == [(HEADS, 20, 20)] * batch
    projected = F.linear(model.embed(x), model.mha.in_proj_weight, model.mha.in_proj_bias)
    q, k, _ = projected.detach().unflatten(1, (4, 5)).unflatten(-1, (3, HEADS, D)).permute(3, 0, 1, 4, 2, 5)
    assert_recorded(recording, diagonal(attention(q, k)))


class BlocksBesideHeads(nn.Module):
    """Blocks are an axis of their own, after the heads (NesT, Zhang et al. 2022) or before them."""

    def __init__(self, after):
        super().__init__()
        self.qkv, self.after = nn.Linear(DIM, 3 * DIM), after

    def forward(self, x):
        blocks = x.unflatten(1, (4, 5))
        qkv = self.qkv(blocks).reshape(len(x), 4, 5, 3, HEADS, D)
        q, k, v = qkv.permute((3, 0, 4, 1, 2, 5) if self.after else (3, 0, 1, 4, 2, 5))
        self.seen = tuple(t.transpose(1, 2) if self.after else t for t in (q, k))
        w = ((q * D**-0.5) @ k.mT).softmax(-1)
        return (w @ v).flatten(1)


class Halo(nn.Module):
    """Keys of each block reach into its neighbours (HaloNet, Vaswani et al. 2021; LongT5's local attention)."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (HEADS, D)) for t in self.qkv(x).chunk(3, -1))
        q = q.unflatten(1, (4, 5))
        padded = [F.pad(t.unflatten(1, (4, 5)), (0, 0, 0, 0, 0, 0, 1, 1)) for t in (k, v)]
        k, v = (torch.cat([t[:, i : i + 4] for i in range(3)], dim=2) for t in padded)
        self.seen = q.transpose(2, 3), k.transpose(2, 3)
        scores = torch.einsum("...qhd,...khd->...hqk", q, k)
        return torch.einsum("...hqk,...khd->...qhd", scores.softmax(-1), v).flatten(1)


class MaskUnits(nn.Module):
    """Tokens of a window lie apart, and queries are pooled (Hiera, Ryali et al. 2023)."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)

    def forward(self, x):
        qkv = self.qkv(x).reshape(len(x), -1, 4, 3, HEADS, D).permute(3, 0, 4, 2, 1, 5)
        q, k, v = qkv[0], qkv[1], qkv[2]
        q = q.view(len(x), HEADS, 4, 5, -1, D).amax(dim=3)
        self.seen = q.transpose(1, 2), k.transpose(1, 2)
        return F.scaled_dot_product_attention(q, k, v).flatten(1)


def diagonal(parts):
    """`[item, window, head, n, m]` laid along the diagonal: `[item, head, N, M]`."""
    return torch.stack(
        [torch.stack([torch.block_diag(*item[:, h]) for h in range(item.shape[1])]) for item in parts]
    )


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("grid", [False, True])
def test_windows_of_a_picture(heads, batch, grid):
    model = PictureWindows(heads, grid)
    recording = recorded(model, torch.randn(batch, 3, 4, 4))
    expected = attention(*model.attention.seen).unflatten(0, (batch, 4))
    assert_recorded(recording, diagonal(expected))


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "build", [lambda: BlocksBesideHeads(True), lambda: BlocksBesideHeads(False), Halo, MaskUnits]
)
def test_windows_beside_heads(build, batch):
    model = build()
    recording = recorded(model, torch.randn(batch, 20, DIM))
    scale = 1.0 if isinstance(model, Halo) else None
    assert_recorded(recording, diagonal(attention(*model.seen, scale=scale)), atol=1e-5)
    assert {type(trace[0]) for trace in recording} == {Windows}


# -- kinds ------------------------------------------------------------------------------------------------------


class Tempered(nn.Module):
    """XCiT: attention between channels, its scores times a learnt temperature of each head (El-Nouby et al. 2021)."""

    def __init__(self):
        super().__init__()
        self.qkv, self.temperature = nn.Linear(DIM, 3 * DIM), nn.Parameter(torch.rand(HEADS, 1, 1) + 0.5)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 4, 1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        self.seen = q * self.temperature, k
        return ((q @ k.mT) * self.temperature).softmax(-1) @ v


@pytest.mark.parametrize("n", [2, D, 20])
def test_channel_attention_with_a_temperature(n):
    model = Tempered()
    recording = recorded(model, torch.randn(2, n, DIM))
    assert [call.kind for call in recording.calls] == ["channel"]
    assert_recorded(recording, attention(*model.seen, scale=1))


class TemperedTokens(Attention):
    def __init__(self):
        super().__init__(scores=lambda q, k, s: q @ k.mT * s / self.temperature)
        self.temperature = nn.Parameter(torch.rand(HEADS, 1, 1) + 0.5)


def test_a_learnt_temperature_is_a_factor():
    model, x = TemperedTokens(), torch.randn(2, 40, DIM)
    recording, _ = run(model, x, store="factors")
    q, k = model.oracle_inputs(x)
    assert_recorded(recording, attention(q / model.temperature.detach().double(), k), atol=1e-5)
    assert {type(trace[0]) for trace in recording} == {Factors}


class Pooling(nn.Module):
    """A learned query pools all tokens, made in the module itself (SigLIP's head in timm and in transformers)."""

    def __init__(self, how, latents=1):
        super().__init__()
        self.latent, self.how = nn.Parameter(torch.randn(1, latents, DIM)), how
        self.q, self.kv = nn.Linear(DIM, DIM), nn.Linear(DIM, 2 * DIM)
        self.mha = nn.MultiheadAttention(DIM, HEADS, batch_first=True)

    def forward(self, x):
        latent = (
            self.latent.expand(len(x), -1, -1) if self.how != "repeat" else self.latent.repeat(len(x), 1, 1)
        )
        if self.how == "mha":
            return self.mha(latent, x, x)[0]
        q = self.q(latent).unflatten(-1, (HEADS, D)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, HEADS, D)).permute(2, 0, 3, 1, 4)
        if self.how == "sdpa":
            return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return ((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("latents", [1, 3, N])
@pytest.mark.parametrize("how", ["sdpa", "product", "repeat", "mha"])
def test_pooling_by_learned_queries_is_cross_attention(how, latents):
    recording = recorded(Pooling(how, latents), torch.randn(2, N, DIM))
    assert [call.kind for call in recording.calls] == ["cross"]
    assert [trace[0].shape for trace in recording] == [(HEADS, latents, N)] * 2


# -- every attention, and nothing else --------------------------------------------------------------------------


class Gated(nn.Module):
    """ConViT: contents and positions have a softmax each, and a gate mixes them (d'Ascoli et al. 2021)."""

    def __init__(self, mix):
        super().__init__()
        self.qk, self.v, self.mix = nn.Linear(DIM, 2 * DIM), nn.Linear(DIM, DIM), mix
        self.gate = nn.Parameter(torch.rand(HEADS, 1, 1))
        self.register_buffer("positions", torch.randn(1, HEADS, N, N))

    def forward(self, x):
        q, k = self.qk(x).unflatten(-1, (2, HEADS, D)).permute(2, 0, 3, 1, 4)
        v = self.v(x).unflatten(-1, (HEADS, D)).transpose(1, 2)
        content, position = (q @ k.mT).softmax(-1), self.positions.expand(len(x), -1, -1, -1).softmax(-1)
        self.seen = self.mix(content, position, torch.sigmoid(self.gate))
        return self.seen @ v


MIXTURES = {
    "gate": lambda a, b, g: (1 - g) * a + g * b,
    "gate, normalised": lambda a, b, g: (m := (1 - g) * a + g * b) / m.sum(-1, keepdim=True),
    "difference": lambda a, b, g: a - g * b,  # differential attention (Ye et al. 2025)
    "in place": lambda a, b, g: a.mul_(g).add_(b * (1 - g)),
    "scaled difference": lambda a, b, g: torch.sub(a, b * g),
    "dropout of both": lambda a, b, g: F.dropout(a, 0.0) + F.dropout(b, 0.0),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_of_two_softmaxes_is_the_attention(name):
    model = Gated(MIXTURES[name])
    recording = recorded(model, torch.randn(2, N, DIM))
    assert len(recording.calls) == 1
    assert_recorded(recording, model.seen.double())


class SharedValues(Attention):
    """Multi-query values: heads share what they mix, in an einsum without a head axis."""

    def __init__(self, equation="bhij,bjd->bhid"):
        super().__init__(product=lambda w, v: torch.einsum(equation, w, v.mean(1)))


@pytest.mark.parametrize("equation", ["bhij,bjd->bhid", "b h i j, b j d -> b i h d", "...hij,...jd->...hid"])
def test_values_that_heads_share(equation):
    model, x = SharedValues(equation), torch.randn(2, N, HEADS * DIM)[..., :DIM]
    model.out = nn.Identity()
    recording = recorded(model, x)
    assert_recorded(recording, attention(*model.oracle_inputs(x)))


class TwoValues(nn.Module):
    """One attention on two halves of its values (DiffLlama)."""

    def __init__(self, sdpa):
        super().__init__()
        self.qkv, self.sdpa = nn.Linear(DIM, 3 * DIM), sdpa

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, D)).permute(2, 0, 3, 1, 4)
        attend = F.scaled_dot_product_attention if self.sdpa else lambda q, k, v: (q @ k.mT).softmax(-1) @ v
        return torch.cat([attend(q, k, v[..., :2]), attend(q, k, v[..., 2:])], -1)


@pytest.mark.parametrize("sdpa", [True, False])
def test_the_same_attention_on_other_values_is_one_layer(sdpa):
    recording = recorded(
        nn.Sequential(TwoValues(sdpa), nn.Flatten(), nn.Linear(N * DIM, 5)), torch.randn(2, N, DIM)
    )
    assert [call.module for call in recording.calls] == ["0"]


class InParts(Attention):
    """BigBird: one softmax, multiplied with values block by block (Zaheer et al. 2020)."""

    def __init__(self):
        super().__init__(product=lambda w, v: w[..., :3] @ v[:, :, :3] + w[..., 3:] @ v[:, :, 3:])


def test_weights_that_meet_the_values_in_parts_are_refused():
    model = nn.Sequential(Attention(), InParts())
    with pytest.raises(
        CaptureError, match=r"'1' \(InParts\) were multiplied with values in several parts.*full"
    ):
        with al.capture(model):
            model(torch.randn(2, N, DIM))


def test_weights_without_a_sink_are_whole():
    """GPT-OSS: one more score takes mass and is dropped before the product."""
    model = Attention(
        softmax=lambda s: torch.cat([s, torch.ones(*s.shape[:-1], 1)], -1).softmax(-1),
        drop=lambda w: w[..., :-1],
    )
    recording = recorded(model, torch.randn(2, N, DIM))
    assert (weights(recording).sum(-1) < 1).all()


# -- queries piece by piece -------------------------------------------------------------------------------------


class InChunks(Attention):
    """Queries a few at a time, to save memory, or blocks of tokens that attend to themselves alone (CANINE)."""

    def __init__(self, cut, own_keys, sdpa=False):
        super().__init__()
        self.cut, self.own_keys, self.sdpa = cut, own_keys, sdpa

    def forward(self, x):
        q, k, v = (self.heads(m(x)) for m in (self.q, self.k, self.v))
        pieces = zip(*map(self.cut, (q, k, v))) if self.own_keys else ((part, k, v) for part in self.cut(q))
        out = [
            F.scaled_dot_product_attention(q, k, v) if self.sdpa else (q @ k.mT * D**-0.5).softmax(-1) @ v
            for q, k, v in pieces
        ]
        return self.out(torch.cat(out, 2).transpose(1, 2).flatten(2))


CUTS = {
    "split": lambda t: t.split(3, dim=2),
    "chunk": lambda t: t.chunk(2, 2),
    "slices": lambda t: [t[:, :, start : start + 2] for start in range(0, t.shape[2], 2)],
}


@pytest.mark.parametrize("sdpa", [True, False])
@pytest.mark.parametrize("own_keys", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_queries_that_are_taken_piece_by_piece_are_one_layer(cut, own_keys, sdpa):
    n = 8 if cut == "slices" else N
    model, x = nn.Sequential(InChunks(CUTS[cut], own_keys, sdpa), Attention()), torch.randn(2, n, DIM)
    recording = recorded(model, x)
    visible = None
    if own_keys:
        of = torch.cat(
            [torch.full((part.shape[2],), i) for i, part in enumerate(CUTS[cut](torch.empty(1, 1, n, 1)))]
        )
        visible = of[:, None] == of
    assert [layer.name for layer in recording[0].layers] == ["0", "1"]
    assert_recorded(recording, attention(*model[0].oracle_inputs(x), visible=visible))
    with pytest.raises(InputError, match="'0' were processed in chunks"):
        list(recording.layers(1))


def test_a_few_queries_alone_are_what_they_are():
    """CaiT's class attention: one query of all, and nothing of the others."""
    model = Attention(scores=lambda q, k, s: q[:, :, :2] @ k.mT * s)
    recording = recorded(model, torch.randn(2, N, DIM))
    assert [trace[0].shape for trace in recording] == [(HEADS, 2, N)] * 2
