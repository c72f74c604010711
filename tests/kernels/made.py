"""Seeded cases of every kind of mask rule, small enough for the interpreter."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from attnlens.data._attention import Band

from .dense import Case


def factors(
    queries: int, keys: int, dim: int, heads: int = 2, key_heads: int = 1, batch: int = 1, dtype=torch.float32
) -> dict[str, Tensor | float]:
    """Random query, key and scale whose rows are neither uniform nor one-hot."""
    query = torch.randn(batch, heads, queries, dim).to(dtype)
    key = torch.randn(batch, key_heads, keys, dim).to(dtype)
    return {"query": query, "key": key, "scale": 1.5 / dim**0.5}


def square(size: int = 150, dim: int = 32, **more) -> dict[str, Tensor | float]:
    """Factors of a sequence that attends to itself."""
    return factors(size, size, dim, **more)


def padding(lengths: list[int], size: int, left: bool = False) -> Tensor:
    """bool `[batch, size]`: the real tokens of texts of these lengths."""
    at = torch.arange(size)
    return torch.stack([at >= size - n if left else at < n for n in lengths])


def codes(batch: int, keys: int, kinds: int = 7) -> Tensor:
    """Few kinds of token, so that many are equal."""
    return torch.randint(kinds, (batch, keys))


def rules() -> dict[str, Case]:
    """A case for each kind of rule, by name."""
    torch.manual_seed(1)
    two = padding([150, 90], 150)
    late = padding([150, 90], 150, left=True)
    holes = torch.rand(1, 2, 150, 150) < 0.6
    holes[0, 1, 3] = False
    late_places = (late.cumsum(1) - 1).clamp(min=0)
    return {
        "plain": Case(**square(), codes=codes(1, 150)),
        "one tile": Case(**square(7), codes=codes(1, 7)),
        "exact tiles": Case(**square(256, heads=1), codes=codes(1, 256)),
        "causal": Case(**square(300, heads=1), band=Band(None, 0), codes=codes(1, 300)),
        "causal window": Case(**square(300, heads=1), band=Band(40, 0), codes=codes(1, 300)),
        "window": Case(**square(300, heads=1), band=Band(70, 35), codes=codes(1, 300)),
        "ahead": Case(**square(), band=Band(0, None), codes=codes(1, 150)),
        "cached": Case(**factors(70, 210, 32), band=Band(None, 0, 140), codes=codes(1, 210)),
        "cached window": Case(**factors(70, 210, 32), band=Band(90, 0, 140), codes=codes(1, 210)),
        "behind": Case(**factors(90, 60, 32), band=Band(None, 20, -30), codes=codes(1, 60)),
        "odd band": Case(**square(), band=Band(None, -1), codes=codes(1, 150)),
        "padded": Case(**square(batch=2), real_keys=two, real_queries=two, codes=codes(2, 150)),
        "padded left": Case(**square(batch=2), band=Band(None, 0), real_keys=late, real_queries=late,
                            codes=codes(2, 150)),
        "positions": Case(**square(batch=2), band=Band(None, 0), real_keys=late, real_queries=late,
                          query_position=late_places, key_position=late_places, codes=codes(2, 150)),
        "shuffled": Case(**square(), query_position=torch.randperm(150)[None],
                         key_position=torch.randperm(150)[None], codes=codes(1, 150)),
        "visible": Case(**square(), visible=holes, codes=codes(1, 150)),
        "visible causal": Case(**square(), visible=holes, band=Band(None, 0), codes=codes(1, 150)),
        "visible keys": Case(**square(), visible=holes[:, :, :1], codes=codes(1, 150)),
        "bias": Case(**square(), bias=torch.randn(1, 2, 150, 150), codes=codes(1, 150)),
        "bias of keys": Case(**square(), bias=torch.randn(2, 1, 150).log_softmax(-1)[None], codes=codes(1, 150)),
        "bias hides": Case(**square(), bias=torch.zeros(1, 1, 150, 150).masked_fill(~holes[:, :1], -torch.inf)),
        "softcap": Case(**square(), softcap=1.5, band=Band(None, 0), codes=codes(1, 150)),
        "sink": Case(**square(), sink=torch.tensor([0.5, 3.0]), codes=codes(1, 150)),
        "sink causal": Case(**square(), sink=torch.tensor([0.5, 3.0]), band=Band(50, 0), codes=codes(1, 150)),
        "sink positions": Case(**square(), sink=torch.tensor([0.5, 3.0]), key_position=torch.arange(150)[None] + 2,
                               codes=codes(1, 150)),
        "all": Case(**square(batch=2), band=Band(60, 0), real_keys=two, real_queries=two, softcap=2.0,
                    sink=torch.tensor([0.5, 3.0]), bias=torch.randn(1, 2, 150, 150), codes=codes(2, 150)),
        "cross": Case(**factors(70, 150, 32), aligned=False),
        "cross padded": Case(**factors(150, 70, 32, batch=2), real_keys=padding([70, 50], 70), aligned=False),
        "longer queries": Case(**factors(300, 90, 32, heads=1), codes=codes(1, 90)),
        "longer keys": Case(**factors(90, 300, 32, heads=1), codes=codes(1, 300)),
        "grouped heads": Case(**square(heads=4, key_heads=2), band=Band(None, 0)),
        "dim 64": Case(**square(dim=64), codes=codes(1, 150)),
        "dim 80": Case(**square(dim=80), band=Band(None, 0), codes=codes(1, 150)),
        "dim 128": Case(**square(dim=128, heads=1), codes=codes(1, 150)),
        "bfloat16": Case(**square(dtype=torch.bfloat16), band=Band(None, 0), codes=codes(1, 150)),
        "float16": Case(**square(dtype=torch.float16), codes=codes(1, 150)),
        "negative scale": Case(**square() | {"scale": -0.4}, codes=codes(1, 150)),
        "large scores": Case(**square() | {"scale": 8.0}, codes=codes(1, 150)),
        "nothing visible": Case(**square(40), real_keys=torch.zeros(1, 40, dtype=torch.bool), codes=codes(1, 40)),
    }  # fmt: skip


def on(case: Case, device: torch.device) -> Case:
    """The case with its tensors on a device; skips what the interpreter cannot run."""
    if case.query.dtype == torch.bfloat16 and device.type == "cpu":
        pytest.skip("Triton's interpreter has no bfloat16 products")
    held = {f.name: getattr(case, f.name) for f in fields(case)}
    return replace(case, **{name: t.to(device) for name, t in held.items() if isinstance(t, Tensor)})


def inputs_of(case: Case):
    """The case as the kernels' `ScoreInputs`."""
    from attnlens.kernels._inputs import score_inputs

    names = ("band", "visible", "real_keys", "bias", "softcap")
    return score_inputs(case.query, case.key, case.scale, **{name: getattr(case, name) for name in names})
