"""Attention as people write it: one module, every spelling of each of its steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIM, HEADS = 12, 3


def masked_out(scores: Tensor) -> Tensor:
    """bool `[query, key]`: what a causal mask hides."""
    n, m = scores.shape[-2:]
    return torch.ones(n, m, dtype=torch.bool).triu(1 + m - n)


class Attention(nn.Module):
    """Multi-head attention `[batch, token, d_model]` whose steps are given as functions."""

    def __init__(
        self,
        scores: Callable = lambda q, k, s: q @ k.transpose(-2, -1) * s,
        mask: Callable | None = None,
        softmax: Callable = lambda x: x.softmax(dim=-1),
        drop: Callable = lambda w: w,
        product: Callable = lambda w, v: w @ v,
        split: bool = True,
    ):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(DIM, DIM) for _ in range(3))
        self.out = nn.Linear(DIM, DIM)
        self.scores, self.mask, self.softmax, self.drop, self.product = scores, mask, softmax, drop, product
        self.split = split
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4)

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q, k, v = self.q(x), self.k(context), self.v(context)
        if self.split:
            q, k, v = self.heads(q), self.heads(k), self.heads(v)
        scores = self.scores(q, k, q.shape[-1] ** -0.5)
        if self.mask is not None:
            scores = self.mask(scores)
        out = self.product(self.drop(self.softmax(scores)), v)
        return self.out(out.transpose(1, 2).flatten(2) if self.split else out)

    def oracle_inputs(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """query and key `[batch, head, token, d_head]` in float64"""
        context = x if context is None else context
        q, k = (
            t.double() @ m.weight.double().T + m.bias.double() for t, m in ((x, self.q), (context, self.k))
        )
        return (self.heads(q), self.heads(k)) if self.split else (q.unsqueeze(1), k.unsqueeze(1))


def _in_place(q, k, s):
    scores = torch.matmul(q, k.transpose(-1, -2))
    scores /= 1 / s
    return scores


def _query_first(q, k, s):
    q *= s
    return q.matmul(k.mT)


def _out(q, k, s):
    return torch.matmul(q, k.mT, out=torch.empty(0)) * s


def _bmm(q, k, s):
    """Folded into one axis and back."""
    b, h, n, d = q.shape
    scores = torch.bmm(q.reshape(b * h, n, d) * s, k.reshape(b * h, -1, d).transpose(1, 2))
    return scores.view(b, h, n, -1)


def _baddbmm(q, k, s):
    b, h, n, d = q.shape
    base = torch.zeros(b * h, n, k.shape[2])
    scores = torch.baddbmm(base, q.reshape(b * h, n, d), k.reshape(b * h, -1, d).mT, beta=1, alpha=s)
    return scores.view(b, h, n, -1)


def _baddbmm_named(q, k, s):
    """As BLOOM has it."""
    b, h, n, d = q.shape
    base = torch.zeros(b * h, n, k.shape[2])
    scores = base.baddbmm(batch1=q.reshape(b * h, n, d), batch2=k.reshape(b * h, -1, d).mT, beta=1, alpha=s)
    return scores.view(b, h, n, -1)


SCORES: dict[str, Callable] = {
    "@ * scale": lambda q, k, s: q @ k.transpose(-2, -1) * s,
    "scale * @": lambda q, k, s: s * (q @ k.transpose(-2, -1)),
    "/ sqrt": lambda q, k, s: torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.size(-1)),
    "tensor scale": lambda q, k, s: q @ k.mT / torch.sqrt(torch.tensor(q.size(-1))),
    "/= in place": _in_place,
    "q *= first": _query_first,
    "permute": lambda q, k, s: torch.matmul(q * s, k.permute(0, 1, 3, 2)),
    "bmm": _bmm,
    "baddbmm": _baddbmm,
    "baddbmm keywords": _baddbmm_named,
    "keywords": lambda q, k, s: torch.mul(input=torch.matmul(input=q, other=k.mT), other=s),
    "einsum": lambda q, k, s: torch.einsum("bhid,bhjd->bhij", q, k) * s,
    "einsum spaces": lambda q, k, s: torch.einsum("b h i d, b h j d -> b h i j", q, k) * s,
    "einsum turned": lambda q, k, s: torch.einsum("bhjd,bhid->bhij", k, q) * s,
    "einsum tokens first": lambda q, k, s: torch.einsum(
        "b i h d, b j h d -> b h i j", q.transpose(1, 2), k.transpose(1, 2)
    ).mul_(s),
    "einsum dots": lambda q, k, s: torch.einsum("...id,...jd->...ij", q, k) * s,
    "einsum letters": lambda q, k, s: torch.einsum("BHQD,BHKD->BHQK", q, k) * s,
    "einsum list": lambda q, k, s: torch.einsum("bhid,bhjd->bhij", [q, k]) * s,
    "multiply": lambda q, k, s: torch.multiply(torch.linalg.matmul(q, k.mT), s),
    "aten": lambda q, k, s: torch.ops.aten.matmul(q, k.mT) * s,
}

MASKS: dict[str, Callable] = {
    "masked_fill -inf": lambda x: x.masked_fill(masked_out(x), -math.inf),
    "masked_fill == 0": lambda x: x.masked_fill((~masked_out(x)).int() == 0, float("-inf")),
    "masked_fill_": lambda x: x.masked_fill_(masked_out(x)[None, None], -1e9),
    "finfo": lambda x: x.masked_fill(masked_out(x), torch.finfo(x.dtype).min),
    "finfo max": lambda x: x.masked_fill(masked_out(x), -torch.finfo(x.dtype).max),
    "+ mask": lambda x: x + torch.zeros(x.shape[-2:]).masked_fill(masked_out(x), -math.inf),
    "mask +": lambda x: torch.zeros(x.shape[-2:]).masked_fill(masked_out(x), -1e9) + x,
    "+= mask": lambda x: x.add_(masked_out(x) * -1e9),
    "- mask": lambda x: x - masked_out(x).float() * 1e9,
    "where": lambda x: torch.where(masked_out(x), torch.tensor(-1e9), x),
    "where not": lambda x: torch.where(~masked_out(x), x, torch.full_like(x, -math.inf)),
    "where number": lambda x: torch.where(masked_out(x), -1e9, x),
    "where keywords": lambda x: torch.where(condition=~masked_out(x), input=x, other=torch.tensor(-math.inf)),
    "Tensor.where keywords": lambda x: x.where(condition=~masked_out(x), other=torch.tensor(-math.inf)),
    "Tensor.where": lambda x: x.where(~masked_out(x), torch.tensor(-math.inf)),
    "folded": lambda x: (x.flatten(0, 1) + masked_out(x) * -1e9).unflatten(0, x.shape[:2]),
    "folded after": lambda x: (x.masked_fill(masked_out(x), -1e9).flatten(0, 1)).view(x.shape),
    "set": lambda x: _set(x),
}


def _set(scores: Tensor) -> Tensor:
    scores[:, :, masked_out(scores)] = -math.inf
    return scores


SOFTMAXES: dict[str, Callable] = {
    "Tensor": lambda x: x.softmax(-1),
    "torch": lambda x: torch.softmax(x, dim=-1),
    "F": lambda x: F.softmax(x, dim=3),
    "nn": nn.Softmax(dim=-1),
    "special": lambda x: torch.special.softmax(x, -1),
    "float32": lambda x: F.softmax(x, dim=-1, dtype=torch.float32).to(x.dtype),
    "double": lambda x: torch.softmax(x.double(), -1).type_as(x),
    "aten": lambda x: torch.ops.aten._softmax(x, -1, False),
    "stable": lambda x: torch.softmax(x - x.amax(-1, keepdim=True), -1),
    "again": lambda x: x.softmax(-1).masked_fill(masked_out(x), 0.0),
    "nan_to_num": lambda x: torch.nan_to_num(x.softmax(-1)),
}

PRODUCTS: dict[str, Callable] = {
    "@": lambda w, v: w @ v,
    "matmul": torch.matmul,
    "Tensor.matmul": lambda w, v: w.matmul(v),
    "keyword": lambda w, v: torch.matmul(input=w, other=v),
    "einsum": lambda w, v: torch.einsum("bhij,bhjd->bhid", w, v),
    "einsum tokens first": lambda w, v: torch.einsum(
        "b h i j, b j h d -> b i h d", w, v.transpose(1, 2)
    ).transpose(1, 2),
    "einsum no arrow": lambda w, v: torch.einsum("...ij,...jz", w, v),
    "values first": lambda w, v: (v.transpose(-1, -2) @ w.transpose(-1, -2)).transpose(-1, -2),
    "bmm": lambda w, v: torch.bmm(w.flatten(0, 1), v.flatten(0, 1)).unflatten(0, w.shape[:2]),
    "baddbmm keywords": lambda w, v: torch.baddbmm(
        input=torch.zeros(1), batch1=w.flatten(0, 1), batch2=v.flatten(0, 1)
    ).unflatten(0, w.shape[:2]),
    "turned by keywords": lambda w, v: (v.mT @ torch.transpose(input=w, dim0=-1, dim1=-2)).mT,
    "baddbmm": lambda w, v: torch.baddbmm(torch.zeros(1), w.flatten(0, 1), v.flatten(0, 1)).unflatten(
        0, w.shape[:2]
    ),
}

DROPS: dict[str, Callable] = {
    "F.dropout": lambda w: F.dropout(w, 0.5, training=True),
    "in place": lambda w: F.dropout(w, 0.5, True, True),
    "nn.Dropout": nn.Dropout(0.5),
    "nn.Dropout in place": nn.Dropout(0.5, inplace=True),
    "torch": lambda w: torch.dropout(w, 0.5, True),
    "then cast": lambda w: F.dropout(w, 0.5).to(torch.float32).contiguous(),
    "then folded": lambda w: F.dropout(w, 0.5).flatten(0, 1).unflatten(0, w.shape[:2]),
}
