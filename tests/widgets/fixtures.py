"""Layers of every kind as bytes, beside the weights that they stand for: what the browser's arithmetic is tested with.

python -m tests.widgets.fixtures      # writes widgets/tests/fixtures/layers.json anew
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from attnlens.data._attention import Attention, Band, Factors, Weights, Windows
from attnlens.data._trace import Layer
from attnlens.widgets import _payload

HEAD = 3
"""The head that is sent alone."""

PATH = Path(__file__).parents[2] / "widgets" / "tests" / "fixtures" / "layers.json"


def attentions() -> dict[str, Attention]:
    """Every store, mask and extra that a layer may have; 4 heads, 7 queries, and as many keys where it is self."""

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    generator = torch.Generator().manual_seed(0)
    query, key, scale = randn(4, 7, 3), randn(4, 7, 3), 0.6
    padding = torch.ones(1, 1, 7, dtype=torch.bool)
    padding[..., 5:] = False
    holes = torch.rand(1, 7, 7, generator=generator) > 0.4
    holes[:, 2] = False  # a row that sees nothing
    per_head = torch.rand(4, 7, 7, generator=generator) > 0.3
    return {
        "weights": Weights((2 * randn(4, 7, 5)).softmax(-1)),
        "factors": Factors(query, key, scale),
        "cross": Factors(query, randn(4, 9, 3), scale),
        "grouped queries": Factors(query, key[:2], scale),
        "causal": Factors(query, key, scale, mask=Band(None, 0)),
        "sliding window after a cache": Factors(query[:, :3], key, scale, mask=Band(2, 0, 4)),
        "window on both sides": Factors(query, key, scale, mask=Band(1, 2)),
        "band before every key": Factors(query, key, scale, mask=Band(0, 0, 9)),
        "padding": Factors(query, key, scale, mask=padding),
        "mask with an empty row": Factors(query, key, scale, mask=holes),
        "mask of each head": Factors(query, key, scale, mask=per_head),
        "bias": Factors(query, key, scale, bias=randn(1, 1, 7)),
        "bias of each head": Factors(query, key, scale, bias=randn(4, 7, 7)),
        "bias that hides": Factors(query, key, scale, bias=padding.float().log()),
        "softcap": Factors(5 * query, key, scale, softcap=1.5),
        "sink": Factors(query, key, scale, sink=randn(4)),
        "numbers beyond float16": Factors(query * 1e6, key * 1e-6, scale),
        "windows": Windows(tuple(Weights(randn(4, 3, 3).softmax(-1)) for _ in range(3))),
    }


def as_seen(attention: Attention) -> Attention:
    """What the bytes stand for: of what float16 leaves of weights, or of queries and keys."""
    if not isinstance(attention, Factors):
        return Weights(attention[:].half().float())
    rounded = {}
    for name in ("query", "key"):
        shrink = _payload.shrink(getattr(attention, name))
        rounded[name] = (getattr(attention, name) / shrink).half().float() * shrink
    extras = {name: getattr(attention, name) for name in ("mask", "bias", "softcap", "sink")}
    return Factors(**rounded, scale=attention.scale, **extras)


def fixtures() -> list[dict]:
    """One object for each: its header, its bytes, and the weights `[head, query, key]`, float32, both in base64.

    Of factors also one head alone, with the log-sum-exp of its rows.
    """
    found = []
    for name, attention in attentions().items():
        layer = Layer(name, "self" if attention.queries == attention.keys else "cross", attention)
        seen = as_seen(attention)[:]
        found.append(sent(layer) | {"weights": encoded(seen.numpy().astype("<f4").tobytes())})
        if isinstance(attention, Factors):
            single = replace(layer, attention=_payload.single_head(attention, HEAD))
            lse = as_seen(single.attention).lse[0].numpy().astype("<f4").tobytes()
            found[-1]["single"] = sent(single) | {"head": HEAD, "lse": encoded(lse)}
    return found


def sent(layer: Layer) -> dict[str, object]:
    """A layer as its header and its bytes."""
    data = _payload.layer_bytes(layer.attention, detail=True)
    return {"header": _payload.layer_header(layer, detail=True), "bytes": encoded(data)}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(fixtures(), indent=1) + "\n", encoding="utf-8")
