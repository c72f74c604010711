"""A softmax that is no attention gives nothing; beside real attention, only the attention is recorded."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import attnlens as al
from attnlens.errors import CaptureError

from .handwritten import DIM, Attention

B, N, E = 4, 6, 3


class ClassHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(DIM, 8), nn.ReLU(), nn.Linear(8, 5))

    def forward(self, x):
        return self.net(x).softmax(-1)


class SoftLabels(ClassHead):
    """Class probabilities times an embedding of the classes."""

    def __init__(self):
        super().__init__()
        self.labels = nn.Parameter(torch.randn(5, DIM))

    def forward(self, x):
        return super().forward(x) @ self.labels


class TopKExperts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.experts = nn.Linear(DIM, E), nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(E))

    def forward(self, x):
        weights, chosen = F.softmax(self.gate(x), dim=-1).topk(2, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            share = (weights * (chosen == number)).sum(-1, keepdim=True)
            out = out + share * expert(x)
        return out


class DenseExperts(TopKExperts):
    """All experts, weighted elementwise and summed; or the same as an einsum."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        gates = torch.softmax(self.gate(x), dim=-1)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=-2)
        if self.how == "einsum":
            return torch.einsum("...e,...ed->...d", gates, outputs)
        return (gates.unsqueeze(-1) * outputs).sum(-2)


class MixedKernels(nn.Module):
    """CondConv: expert weights are mixed for each input (Yang et al. 2019)."""

    def __init__(self, how):
        super().__init__()
        self.gate, self.weight, self.how = nn.Linear(DIM, E), nn.Parameter(torch.randn(E, DIM, DIM)), how

    def forward(self, x):
        gates = torch.softmax(self.gate(x.mean(1)), dim=-1)
        if self.how == "matmul":
            kernels = torch.matmul(gates, self.weight.view(E, -1)).view(-1, DIM, DIM)
        else:
            kernels = torch.einsum("be,eio->bio", gates, self.weight)
        return x @ kernels


class Contrastive(nn.Module):
    """CLIP-like: [batch, batch] similarities, softmax, diagonal."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(DIM, 8), nn.Linear(DIM, 8)

    def forward(self, x):
        a, b = F.normalize(self.a(x), dim=-1), F.normalize(self.b(x), dim=-1)
        return -(a @ b.T).div(0.07).softmax(-1).diagonal().log().mean()


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = F.relu(self.norm(self.b(x)) + x)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1)).softmax(-1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(DIM, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return F.softmax(self.head(self.lstm(x)[0]), dim=-1)


class SelectiveKernels(nn.Module):
    """SKNet: branches of a picture, weighted by a softmax over branches (Li et al. 2019)."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(3, 4, k, padding=k // 2) for k in (1, 3))
        self.gate = nn.Linear(4, 8)

    def forward(self, x):
        u = torch.stack([branch(x) for branch in self.branches], 1)
        w = self.gate(u.sum(1).mean((2, 3))).view(-1, 2, 4).softmax(1)
        return (u * w[..., None, None]).sum(1)


LOOKALIKES = {
    "class head": (ClassHead, (B, DIM)),
    "class head per token": (ClassHead, (B, N, DIM)),
    "soft labels": (SoftLabels, (B, DIM)),
    "soft labels per token": (SoftLabels, (B, N, DIM)),
    "top-k experts": (TopKExperts, (B, N, DIM)),
    "dense experts": (lambda: DenseExperts("sum"), (B, N, DIM)),
    "dense experts, einsum": (lambda: DenseExperts("einsum"), (B, N, DIM)),
    "mixed kernels": (lambda: MixedKernels("matmul"), (B, N, DIM)),
    "mixed kernels, einsum": (lambda: MixedKernels("einsum"), (B, N, DIM)),
    "contrastive": (Contrastive, (B, DIM)),
    "ResNet": (ResNet, (B, 3, 8, 8)),
    "LSTM": (Recurrent, (B, N, DIM)),
    "selective kernels": (SelectiveKernels, (B, 3, 8, 8)),
}


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize("grad", [True, False])
def test_gives_nothing(name, grad):
    build, shape = LOOKALIKES[name]
    model, x = build(), torch.randn(shape)
    with pytest.raises(CaptureError, match="no attention was recorded"):
        with torch.set_grad_enabled(grad), al.capture(model):
            model(x)


@pytest.mark.parametrize("name", [n for n, (_, shape) in LOOKALIKES.items() if shape == (B, N, DIM)])
def test_beside_attention_only_the_attention_is_recorded(name):
    model = nn.Sequential(Attention(), LOOKALIKES[name][0]())
    with al.capture(model) as recording:
        model(torch.randn(B, N, DIM))
    assert [call.module for call in recording.calls] == ["0"]


def test_a_mixture_of_experts_from_transformers():
    import transformers as hf

    config = hf.MixtralConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        num_local_experts=4,
    )
    model = hf.MixtralModel(config).eval()
    with torch.no_grad(), al.capture(model) as recording:
        model(torch.randint(5, 60, (2, 9)))
    assert [call.module for call in recording.calls] == ["layers.0.self_attn", "layers.1.self_attn"]


# -- softmaxes in front of a product that attend to no token ----------------------------------------------------


class EfficientMixing(nn.Module):
    """Keys' features are normalised over tokens, and mixed before the queries meet them (Shen et al. 2021)."""

    def __init__(self, how):
        super().__init__()
        self.qkv, self.how = nn.Linear(DIM, 3 * DIM), how

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 3, -1)).permute(2, 0, 3, 1, 4)
        if self.how == "keys":  # CoaT, lambda networks
            return q @ (k.softmax(-2).mT @ v)
        if self.how == "both":
            return q.softmax(-1) @ (k.softmax(dim=-2).transpose(-1, -2) @ v)
        if self.how == "einsum":
            context = torch.einsum("bhnd,bhne->bhde", k.softmax(dim=-2), v)
            return torch.einsum("bhnd,bhde->bhne", q.softmax(dim=-1), context)
        if self.how == "heads folded":
            q, k, v = (t.flatten(0, 1) for t in (q, k, v))
            context = torch.bmm(k.softmax(1).transpose(1, 2), v) * 2
            return torch.bmm(q, context)
        q, k, v = (t.transpose(2, 3) for t in (q, k, v))  # features first
        return (v @ k.softmax(-1).mT) @ q.softmax(2)


class DynamicConvolution(nn.Module):
    """Each token makes the kernel of its own neighbourhood (Wu et al. 2019, ConvBERT)."""

    def __init__(self, unfold):
        super().__init__()
        self.kernel, self.value, self.unfold = nn.Linear(DIM, 3), nn.Linear(DIM, DIM), unfold

    def forward(self, x):
        kernel = self.kernel(x).reshape(-1, 3, 1).softmax(1)
        v = F.pad(self.value(x), (0, 0, 1, 1))
        if self.unfold == "F":
            windows = F.unfold(v.transpose(1, 2).unsqueeze(-1), (3, 1)).transpose(1, 2)
            windows = windows.reshape(-1, DIM, 3)
        elif self.unfold == "Tensor":
            windows = v.unfold(1, 3, 1).reshape(-1, DIM, 3)
        else:
            windows = torch.stack([v[:, i : i + x.shape[1]] for i in range(3)], -1).reshape(-1, DIM, 3)
        return (windows @ kernel).view(x.shape)


class Codebook(nn.Module):
    """A soft look-up in a table of as many entries as there are tokens."""

    def __init__(self, how):
        super().__init__()
        self.how, self.logits = how, nn.Linear(DIM, N)
        self.register_buffer("table", torch.randn(N, DIM))

    def forward(self, x):
        if self.how == "buffer":
            return (x @ self.table.T).softmax(-1) @ self.table
        if self.how == "bins":
            return self.logits(x).softmax(-1) @ torch.linspace(0, 1, N).unsqueeze(-1)
        grid = torch.stack([torch.arange(N) / N, torch.arange(N) % 2], -1)
        if self.how == "expanded grid":
            return torch.bmm(self.logits(x).softmax(-1), grid[None].expand(len(x), -1, -1))
        scores = x @ x.mT  # keypoints: where a softmax over places has its mean
        return torch.einsum("bij,jd->bid", scores.softmax(-1), grid)


class ExpertsAsProduct(nn.Module):
    """Gates times the outputs of as many experts as there are tokens."""

    def __init__(self, how):
        super().__init__()
        self.gate, self.experts, self.how = (
            nn.Linear(DIM, N),
            nn.ModuleList(nn.Linear(DIM, 4) for _ in range(N)),
            how,
        )

    def forward(self, x):
        gates = self.gate(x).softmax(-1)
        if self.how == "weights":
            outputs = torch.einsum("bnd,edf->bnef", x, torch.stack([e.weight.T for e in self.experts]))
        else:
            outputs = torch.stack([expert(x) for expert in self.experts], 2)
        return (gates.unsqueeze(-2) @ outputs).squeeze(-2)


class SoftExperts(nn.Module):
    """Soft MoE: slots are mixtures of tokens, tokens mixtures of slots (Puigcerver et al. 2024)."""

    def __init__(self):
        super().__init__()
        self.phi = nn.Parameter(torch.randn(DIM, E, 2))
        self.experts = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(E))

    def forward(self, x):
        logits = torch.einsum("bnd,des->bnes", x, self.phi)
        slots = torch.einsum("bnes,bnd->besd", logits.softmax(1), x)
        slots = torch.stack([expert(slots[:, i]) for i, expert in enumerate(self.experts)], 1)
        combine = logits.flatten(2).softmax(-1)
        return torch.einsum("bnm,bmd->bnd", combine, slots.flatten(1, 2))


NO_TOKENS = {
    **{f"linear attention, {how}": (lambda how=how: EfficientMixing(how))
       for how in ("keys", "both", "einsum", "heads folded", "features first")},
    **{f"dynamic convolution, {how}": (lambda how=how: DynamicConvolution(how)) for how in ("F", "Tensor", "stack")},
    **{f"codebook, {how}": (lambda how=how: Codebook(how)) for how in ("buffer", "bins", "expanded grid", "grid")},
    **{f"experts, {how}": (lambda how=how: ExpertsAsProduct(how)) for how in ("stack", "weights")},
    "soft experts": SoftExperts,
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, B])
@pytest.mark.parametrize("name", NO_TOKENS)
def test_products_with_what_is_no_token(name, batch):
    model = nn.Sequential(nn.Linear(DIM, DIM), Attention(), NO_TOKENS[name]())
    with torch.no_grad(), al.capture(model) as recording:
        model(torch.randn(batch, N, DIM))
    assert [call.module for call in recording.calls] == ["1"]
    assert recording.missed == ()


class Hops(nn.Module):
    """Structured self-attentive embedding: a linear layer scores each token for several hops (Lin et al. 2017)."""

    def __init__(self, hops):
        super().__init__()
        self.scores = nn.Sequential(nn.Linear(DIM, 8), nn.Tanh(), nn.Linear(8, hops))

    def forward(self, x):
        return self.scores(x).softmax(1).mT @ x


@pytest.mark.parametrize("hops", [1, 4])
def test_pooling_by_scores_of_a_linear_layer_is_attention(hops):
    model = nn.Sequential(Hops(hops), nn.Linear(DIM, 5))
    with torch.no_grad(), al.capture(model, verify=True) as recording:
        model(torch.randn(B, N, DIM))
    recording.verify()
    assert [trace[0].shape for trace in recording] == [(1, hops, N)] * B
