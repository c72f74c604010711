"""The same results from whole matrices in float64: the reference that the kernels are held to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attnlens.data._attention import Band


@dataclass(frozen=True)
class Case:
    """One batch of attention as factors, and which of its rows count."""

    query: Tensor
    key: Tensor
    scale: float
    band: Band | None = None
    visible: Tensor | None = None
    real_keys: Tensor | None = None
    real_queries: Tensor | None = None
    bias: Tensor | None = None
    softcap: float | None = None
    sink: Tensor | None = None
    query_position: Tensor | None = None
    key_position: Tensor | None = None
    codes: Tensor | None = None
    aligned: bool = True

    def scores(self) -> Tensor:
        """float64 `[batch, head, query, key]`, hidden ones -inf"""
        group = self.query.shape[1] // self.key.shape[1]
        key = self.key.double().repeat_interleave(group, 1)
        scores = self.query.double() @ key.transpose(2, 3) * self.scale
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        if self.bias is not None:
            scores = scores + self.bias.double()
        shown = torch.ones_like(scores, dtype=torch.bool)
        if self.band is not None:
            rows, cols = (torch.arange(n, device=scores.device) for n in scores.shape[2:])
            shown = shown & self.band.visible(rows, cols)
        if self.visible is not None:
            shown = shown & self.visible
        if self.real_keys is not None:
            shown = shown & self.real_keys[:, None, None]
        return scores.masked_fill(~shown, -torch.inf)

    def log_sum(self) -> Tensor:
        """float64 `[batch, head, query]`, the sink included; inf for a masked row"""
        scores = self.scores()
        lse = scores.logsumexp(-1)
        if self.sink is not None:
            lse = torch.logaddexp(lse, self.sink.double()[:, None])
        return lse.masked_fill((scores == -torch.inf).all(-1), torch.inf)

    def weights(self) -> Tensor:
        """float64 `[batch, head, query, key]`; 0 in rows that do not count"""
        weights = (self.scores() - self.log_sum()[..., None]).exp()
        if self.real_queries is not None:
            weights = weights * self.real_queries[:, None, :, None]
        return weights

    def positions(self) -> tuple[Tensor, Tensor]:
        """int64 `[batch, query]`, `[batch, key]`"""
        batch, _, queries, keys = self.scores().shape
        offset = self.band.offset if self.band is not None else 0
        rows = torch.arange(queries, device=self.query.device).expand(batch, -1) + offset
        cols = torch.arange(keys, device=self.query.device).expand(batch, -1)
        return (
            rows if self.query_position is None else self.query_position.long(),
            cols if self.key_position is None else self.key_position.long(),
        )

    def sums(self) -> dict[str, Tensor]:
        """The fields of `FusedSums`."""
        weights = self.weights()
        mass = weights.sum(-1)
        counted = mass > 0
        normal = weights / mass.masked_fill(~counted, 1.0)[..., None]
        entropy = -torch.xlogy(normal, normal).sum(-1)
        sums = {
            "rows": counted.double().sum(-1),
            "mass": mass.sum(-1),
            "received": weights.sum(2),
            "entropy": entropy.sum(-1),
            "perplexity": (entropy.exp() * counted).sum(-1),
            "max_weight": weights.amax(-1).sum(-1),
        }
        return sums | self.along(weights, normal) if self.aligned else sums

    def along(self, weights: Tensor, normal: Tensor) -> dict[str, Tensor]:
        """Those fields that need positions."""
        query, key = self.positions()
        apart = (key[:, None] - query[..., None])[:, None]
        chosen = {"self": apart == 0, "previous": apart == -1, "next": apart == 1}
        if self.codes is not None:
            chosen |= self.repeats(apart)
        sums = {name: (weights * there).sum((2, 3)) for name, there in chosen.items()}
        sums["distance"] = (normal * apart.abs()).sum((2, 3))
        sums["signed_distance"] = (normal * apart).sum((2, 3))
        return sums

    def repeats(self, apart: Tensor) -> dict[str, Tensor]:
        """Where `duplicate` and `induction` look, bool `[batch, 1, query, key]`; loops over positions."""
        query, key = self.positions()
        duplicate = torch.zeros(len(query), query.shape[1], key.shape[1], dtype=torch.bool)
        induction = duplicate.clone()
        for b in range(len(query)):
            real = [self.real_keys is None or bool(self.real_keys[b, k]) for k in range(key.shape[1])]
            at = {int(key[b, k]): int(self.codes[b, k]) for k in range(key.shape[1]) if real[k]}
            for q in range(query.shape[1]):
                wanted = at.get(int(query[b, q]))
                for k in range(key.shape[1]) if wanted is not None else ():
                    duplicate[b, q, k] = real[k] and int(self.codes[b, k]) == wanted
                    induction[b, q, k] = real[k] and at.get(int(key[b, k]) - 1) == wanted
        duplicate, induction = (found[:, None].to(apart.device) for found in (duplicate, induction))
        return {"duplicate": duplicate & (apart != 0), "induction": induction & (apart <= 0)}
