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
    with pytest.raises(CaptureError, match="no attention was heard"):
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
