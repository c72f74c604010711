"""Calls beyond README's that `mypy --strict` must accept as they are; checked by tests/test_package.py, never run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import attnlens as al


def lenses(model: nn.Module, tokenizer: object) -> None:
    text = al.TextLens(model, tokenizer, labels=["bad", "good"])
    image = al.Lens(model, patches=(8, 8), labels={0: "cat", 1: "dog"})
    loaded: al.Lens = al.load("sentiment", device="cpu", dtype=torch.float32)
    print(text.labels, image.activation, loaded.target_index("positive"))


def traces(lens: al.Lens, text: al.TextLens) -> None:
    for one in (lens.trace("a"), text.trace("a", store="factors"), *text.traces(["a"], batch_size=2)):
        layer: al.Attention = one[-1]
        row: Tensor = one[0, 1]
        part: al.Trace = one[1:3]
        means: Tensor = one[-1].mean("head")
        print(layer.shape, row, part.tokens, means, one.prediction)
    several: list[al.Trace] = [*lens.trace(["a", "b"]), *text.trace("a", window=32, overlap=8)]
    print([trace.passages for trace in several])


def predictions(lens: al.Lens) -> tuple[str, float | None, list[str]]:
    one = lens.predict("a", top_k=3)
    return one.label, one.probability, [other.label for other in one.top]


def attributions(lens: al.TextLens, vision: al.ImageLens) -> None:
    scores: Tensor = lens.attribute("a", "good", against="bad").scores
    pixels: Tensor = vision.attribute("cat.png").scores
    gaps = [one.gap for one in lens.attribute("a", ["good", "bad"])]
    each = [one.target for one in lens.attribute(["a", "b"], ["good", "bad"], against=["bad", "good"])]
    print(scores, pixels, gaps, each, lens.attribute("a", baseline="compare").agreement)
    print(lens.explain("a")[0].plot(cmap="PuOr"), al.ablate(lens, "a", [(3, 9)]).change)


def layer_below(model: nn.Module) -> list[al.Trace]:
    with al.capture(model, store="factors", values=True) as recording:
        model(torch.rand(1, 3))
    return [*recording.traces(), recording[0]]


def errors() -> None:
    try:
        al.report(al.Trace.load("trace.safetensors"), path="report.html")
    except (al.errors.InputError, al.AttnlensError) as error:
        print(error)


FUNCTIONS = (
    al.ablate, al.agreement, al.capture, al.cluster_heads, al.compare, al.compare_baselines, al.compare_methods,
    al.debug, al.faithfulness, al.find_heads, al.flow, al.fuse, al.gradient_rollout, al.head_distance, al.head_stats,
    al.infidelity, al.layer_similarity, al.load, al.map_heads, al.nearest_heads, al.norms, al.relevance, al.report,
    al.rollout, al.sanity_check, al.sensitivity,
)  # fmt: skip
CLASSES: tuple[type, ...] = (
    al.Ablation, al.Attention, al.Attribution, al.AttentionView, al.Comparison, al.CompareView, al.Diagnosis,
    al.Explanation, al.Explorer, al.Factors, al.HeadsView, al.ImageLens, al.Lens, al.PatchGrid, al.PatchView,
    al.TextLens, al.Token, al.TokensView, al.Trace, al.Weights,
)  # fmt: skip
MODULES = (
    al.bertviz.head_view,
    al.models.sample_images,
    al.models.MiniViT,
    al.plots.heads,
    al.widgets.HeadsView,
)
