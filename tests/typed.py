"""Calls beyond README's that `mypy --strict` must accept as they are; checked by tests/test_package.py, never run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import attnlens as al


def lenses(model: nn.Module, tokenizer: object) -> None:
    text = al.lens.TextLens(model, tokenizer, labels=["bad", "good"])
    image = al.Lens(model, patches=(8, 8), labels={0: "cat", 1: "dog"})
    loaded: al.Lens = al.load("sentiment", device="cpu", dtype=torch.float32)
    print(text.labels, image.activation, loaded.target_index("positive"))


def traces(lens: al.Lens, text: al.lens.TextLens) -> None:
    for one in (lens.trace("a"), text.trace("a", store="factors"), *text.traces(["a"], batch_size=2)):
        layer: al.data.Attention = one[-1]
        row: Tensor = one[0, 1]
        part: al.Trace = one[1:3]
        means: Tensor = one[-1].mean("head")
        print(layer.shape, row, part.tokens, means, one.prediction)
    several: list[al.Trace] = [*lens.trace(["a", "b"]), *text.trace("a", window=32, overlap=8)]
    print([trace.passages for trace in several])


def predictions(lens: al.Lens) -> tuple[str, float | None, list[str]]:
    one = lens.predict("a", top_k=3)
    return one.label, one.probability, [other.label for other in one.top]


def attributions(lens: al.lens.TextLens, vision: al.lens.ImageLens) -> None:
    scores: Tensor = lens.attribute("a", "good", against="bad").scores
    pixels: Tensor = vision.attribute("cat.png").scores
    gaps = [one.gap for one in lens.attribute("a", ["good", "bad"])]
    each = [one.target for one in lens.attribute(["a", "b"], ["good", "bad"], against=["bad", "good"])]
    print(scores, pixels, gaps, each, lens.attribute("a", baseline="compare").agreement)
    print(lens.explain("a")[0].plot(cmap="PuOr"), al.ablate(lens, "a", [(3, 9)]).change)


def comparisons(before: al.Lens, after: al.Lens, texts: list[str]) -> None:
    pair: al.analysis.Comparison = al.compare(before.trace("a"), after.trace("a"))
    models: al.analysis.ModelComparison = al.compare(before, after, texts, batch_size=8)
    streams: al.analysis.ModelComparison = al.compare(before.traces(texts), after.traces(texts))
    print(pair.difference(0, 1), models.inputs, streams.most(3))


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
    al.ablate, al.evaluation.agreement, al.audit, al.head_pages, al.corpus.run, al.capture,
    al.analysis.cluster_heads, al.compare,
    al.attribution.compare_baselines, al.attribution.compare_methods, al.debug, al.faithfulness,
    al.analysis.find_heads, al.analysis.flow, al.analysis.fuse, al.attribution.gradient_rollout,
    al.analysis.head_distance, al.head_stats, al.evaluation.infidelity, al.analysis.layer_similarity, al.load, al.app,
    al.analysis.map_heads, al.analysis.nearest_heads, al.analysis.norms, al.attribution.relevance, al.report,
    al.rollout, al.evaluation.sanity_check, al.evaluation.sensitivity,
)  # fmt: skip
CLASSES: tuple[type, ...] = (
    al.circuits.Ablation, al.data.Attention, al.Attribution, al.AttentionView, al.analysis.Comparison,
    al.analysis.ModelComparison, al.corpus.Audit, al.corpus.Probe, al.corpus.Run,
    al.CompareView, al.diagnosis.Diagnosis, al.attribution.Explanation, al.Explorer, al.data.Factors, al.HeadsView,
    al.lens.ImageLens, al.Lens, al.data.PatchGrid, al.PatchView, al.lens.TextLens, al.data.Token, al.TokensView,
    al.Trace, al.data.Weights,
)  # fmt: skip
MODULES = (
    al.bertviz.head_view,
    al.models.sample_images,
    al.models.MiniViT,
    al.plots.heads,
    al.widgets.HeadsView,
    al.recorder.Recording,
)
