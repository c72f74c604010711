"""What attnlens does beside BertViz, Inspectus, CircuitsVis, Captum and transformers-interpret: tried, not looked up.

Each cell is what was seen when a tool was used as its own guide says. Viewers of attention are given what the model
returns, as it was loaded and, if that is nothing, switched to eager attention. CircuitsVis shows a layer at a time,
the others a model. A dash: not what the tool is for.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import inspect
import io
import pkgutil
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import transformers as hf
from captum import attr
from packaging.requirements import Requirement
from PIL import Image
from rich import box
from rich.table import Table
from torch import Tensor, nn

import attnlens as al
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Token, Trace
from tests import tiny

from . import pages, painting
from .attribution import SENTENCES, Sentences

VIEWERS = ("attnlens", "BertViz", "Inspectus", "CircuitsVis")
EXPLAINERS = ("attnlens", "Captum", "transformers-interpret")
TOOLS = tuple(dict.fromkeys(VIEWERS + EXPLAINERS))

SIZES = (128, 256, 512, 1024)
"""Tokens of the pages; a tool's first that has not drawn within the benchmarks' patience is its last."""

LAYERS = 6
"""Of 12 heads of 64 dimensions, as DistilBERT has."""

SOON, TOLERANCE = 4, 0.01
"""Seconds in which a small page has drawn, or never will; the gap that attnlens promises by default."""

TEXT, LONG = SENTENCES[11], " ".join(SENTENCES * 2)

HOSTILE = "x</script><script>ran = 1</script>"

METHODS = ("gradient", "grad_cam", "integrated_gradients")

DRAWN = {
    "attnlens": pages.DRAWN["attnlens attention"].picture,
    "BertViz": pages.DRAWN["bertviz head_view"].picture,
    "Inspectus": pages.DRAWN["inspectus"].picture,
    "CircuitsVis": "canvas",
    "Captum": "mark",
    "transformers-interpret": "mark",
}
"""What is there when a page has drawn."""

BESIDES = {
    "attnlens": {"BertViz's head view": "attnlens.bertviz:head_view", "model view": "attnlens.bertviz:model_view",
                 "neuron view": "attnlens.bertviz:neuron_view"},
    "BertViz": {"head view": "bertviz:head_view", "model view": "bertviz:model_view",
                "neuron view": "bertviz.neuron_view:show"},
    "Inspectus": {"any metric of tokens": "inspectus:tokens", "distributions over training": "inspectus:distribution"},
    "CircuitsVis": {"activations of neurons": "circuitsvis.activations:text_neuron_activations",
                    "log-probabilities of tokens": "circuitsvis.logits:token_log_probs"},
    "Captum": {"concepts (TCAV)": "captum.concept:TCAV", "influence of training data": "captum.influence:TracInCP",
               "LIME": "captum.attr:Lime", "any layer": "captum.attr:LayerIntegratedGradients",
               "any neuron": "captum.attr:NeuronIntegratedGradients", "any input": "captum.attr:FeatureAblation"},
    "transformers-interpret": {"zero-shot classes": "transformers_interpret:ZeroShotClassificationExplainer"},
}  # fmt: skip
"""What a tool has that is in no other row, and where it is."""


class Task(NamedTuple):
    """A row: how a tool is tried, which returns the cell; the tools that it is for; what attnlens's cell must be."""

    name: str
    attempt: Callable[[str], str]
    tools: tuple[str, ...] = TOOLS
    promise: str = "yes"


def tasks() -> list[Task]:
    return [
        Task("attention of a model that is loaded already, in sdpa", fused, VIEWERS),
        Task("its logits, bit for bit; mode, gradients, hooks as before", untouched),
        Task("attention of a hand-written module that returns none", handwritten, VIEWERS),
        Task("an encoder of three layers with a decoder of two", lopsided, VIEWERS),
        Task("a saved page opens without network", offline),
        Task(f"a page of {LAYERS} x 12 heads, {SIZES[0]} tokens; the longest drawn", sizes, VIEWERS, ".*; 1,024 in .*"),
        Task("a script in a token runs", hostile, promise="no"),
        Task(f"integrated gradients of {len(SENTENCES)} texts: worst gap", gaps, EXPLAINERS, ".*, told with each"),
        Task("scores of a text longer than the model", longer, EXPLAINERS, "yes, in windows"),
        Task("gradient, Grad-CAM, integrated gradients of a ViT and a CNN", images, EXPLAINERS, "6 of 6"),
        Task("rollout, statistics of heads, comparison", named, promise="3 of 3"),
        Task("its requirements are met here", required),
        Task("besides", besides, promise=".*"),
    ]  # fmt: skip


def run() -> tuple[Table | str, bool]:
    """(the table, whether attnlens keeps what it promises)"""
    if shutil.which("chromium") is None:
        return "peers: no chromium on this machine; install it (Debian: apt-get install chromium)", False
    tools = [tool for tool in TOOLS if importlib.util.find_spec(module(tool))]
    versions = [f"{tool} {importlib.metadata.version(tool.lower())}" for tool in tools]
    title = f"tried with transformers {hf.__version__}: {', '.join(versions)}"
    table = Table(title=title, box=box.SIMPLE, show_lines=True)
    for column in ("", *tools):
        table.add_column(column, overflow="fold")
    missed = []
    for name, attempt, meant, promise in tasks():
        cells = [tried(partial(attempt, tool)) if tool in meant else "-" for tool in tools]
        table.add_row(name, *cells)
        if not re.fullmatch(promise, cells[0]):
            missed.append(name)
    verdict = f"MISSED: {'; '.join(missed)}" if missed else "met"
    missing = "".join(f"; not installed: {tool}" for tool in TOOLS if tool not in tools)
    table.caption = f"target: attnlens keeps its promise in each row: {verdict}{missing}"
    return table, not missed


def tried(attempt: Callable[[], str]) -> str:
    """What an attempt tells, or how it ended."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return attempt()
    except Exception as error:
        return f"fails ({type(error).__name__})"


def module(tool: str) -> str:
    return tool.lower().replace("-", "_")


# -- pages ----------------------------------------------------------------------------------------------------


def viewed(tool: str, attentions: Sequence[Tensor], tokens: list[str], saved: bool = False) -> str:
    """A viewer's HTML of what `output_attentions` gives, `[1, head, query, key]` a layer.

    saved: as a notebook that has network would save it, which makes a difference to CircuitsVis alone
    """
    if tool == "BertViz":
        from bertviz import head_view

        return head_view(attentions, tokens, html_action="return").data
    if tool == "Inspectus":
        from inspectus import attention

        shown: list[str] = []
        with patch("IPython.display.display", lambda html: shown.append(html.data)):
            attention(attentions, [f" {token}" for token in tokens])  # it fails at "." and "##ing" alone
        return "\n".join(shown)
    from circuitsvis.attention import attention_heads

    html = attention_heads(attention=attentions[0][0], tokens=tokens, mask_upper_tri=False)
    return str(html) if saved else html.local_src


def attributed(tool: str, word: str) -> str:
    """The HTML in which Captum or transformers-interpret shows scores, the word among the tokens."""
    if tool == "Captum":
        from captum.attr import visualization

        tokens = [*TEXT.split(), word]
        record = visualization.VisualizationDataRecord(torch.ones(len(tokens)), 1, 1, 1, 1, 1, tokens, 0)
        return visualization.visualize_text([record]).data
    model, knowing = deepcopy(loaded()), deepcopy(tokenizer())
    knowing.add_tokens([hf.AddedToken(word, normalized=False)])
    model.resize_token_embeddings(len(knowing), mean_resizing=False)
    explainer = interpreter(model, knowing)
    explainer(f"{TEXT} {word}")
    return explainer.visualize().data


def page(tool: str, trace: Trace, saved: bool = False) -> str:
    """A trace as the tool's page; of those that show attributions, its last token among others."""
    tokens = [token.text for token in trace.tokens]
    if tool == "attnlens":
        with tempfile.TemporaryDirectory() as folder:
            path = al.report(trace, path=Path(folder) / "page.html", views="attention")
            return path.read_text(encoding="utf-8")
    if tool not in VIEWERS:
        return pages.DOCUMENT.format(attributed(tool, tokens[-1]))
    weights = [layer.attention[:][None] for layer in trace.layers]
    return pages.DOCUMENT.format(viewed(tool, weights, tokens, saved))


def small(word: str) -> Trace:
    """Two layers of two heads over a few tokens, the word the last."""
    tokens = tuple(Token(text) for text in (*TEXT.split(), word))
    weights = torch.softmax(torch.arange(4.0 * len(tokens) ** 2).sin().view(2, 2, len(tokens), -1), -1)
    return Trace(tuple(Layer(f"layer {n}", "self", Weights(weights[n])) for n in range(2)), tokens=tokens)


def seen(html: str, ask: str, *given: str) -> bool:
    """Whether that comes to be so in a page that reaches no network."""
    with tempfile.TemporaryDirectory() as folder, painting.browser() as made:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        shown = made.new_context(offline=True).new_page()
        shown.add_init_script(painting.WATCH)
        shown.goto(path.as_uri())
        for _ in range(5 * SOON):
            if shown.evaluate(ask, *given):
                return True
            shown.wait_for_timeout(200)
        return False


def offline(tool: str) -> str:
    ask = "selector => watched.look(selector)"
    if seen(page(tool, small("film"), saved=True), ask, DRAWN[tool]):
        return "yes"
    return "no; unsaved, yes" if seen(page(tool, small("film")), ask, DRAWN[tool]) else "no"


def hostile(tool: str) -> str:
    return "yes" if seen(page(tool, small(HOSTILE)), "() => 'ran' in window") else "no"


def sizes(tool: str) -> str:
    """Size and first paint of the shortest, and the longest that is drawn; BertViz gets its network's packages."""
    if tool == "BertViz" and not painting.WEB.exists():
        return "no d3 from npm"
    first, longest, layers = "", "none", 1 if tool == "CircuitsVis" else LAYERS
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path, trace = Path(folder) / "page.html", pages.base_sized(size)
            path.write_text(page(tool, replace(trace, layers=trace.layers[:layers])), encoding="utf-8")
            drawn = painting.measure(path, painting.Drawn(DRAWN[tool], None), changes=False).drawn
            seconds = drawn if isinstance(drawn, str) else f"{drawn:.1f} s"
            first = first or f"{path.stat().st_size / 1e6:.1f} MB, {seconds}"
            if isinstance(drawn, str):
                break
            longest = f"{size:,} in {seconds}"
    return f"{first}; {longest}" + (", one layer" if layers == 1 else "")


# -- attention ------------------------------------------------------------------------------------------------


@cache
def loaded() -> nn.Module:
    """The sentiment model as `from_pretrained` gives it."""
    return hf.AutoModelForSequenceClassification.from_pretrained(al.models.folder("sentiment")).eval()


@cache
def tokenizer() -> Any:
    return hf.AutoTokenizer.from_pretrained(al.models.folder("sentiment"))


def answer(model: nn.Module, **options: Any) -> Any:
    with torch.no_grad():
        return model(**tokenizer()(TEXT, return_tensors="pt"), **options)


def same(layers: Iterable[Layer], expected: Iterable[Tensor]) -> str:
    """Whether a trace has these weights, `[1, head, query, key]` each."""
    close = [torch.allclose(a.attention[:], b[0], atol=1e-5) for a, b in zip(layers, expected, strict=True)]
    return "yes" if close and all(close) else "other weights"


@cache
def switched() -> nn.Module:
    """The same model, in the attention in which it returns its weights."""
    model = deepcopy(loaded())
    model.set_attn_implementation("eager")
    return model


def fused(tool: str) -> str:
    weights = answer(switched(), output_attentions=True).attentions
    if tool == "attnlens":
        return same(al.Lens(loaded(), tokenizer()).trace(TEXT).layers, weights)
    tokens = tokenizer().convert_ids_to_tokens(tokenizer()(TEXT).input_ids)
    returned = answer(loaded(), output_attentions=True).attentions
    shown = viewed(tool, returned or weights, tokens)
    return "yes" if shown and returned else "switched to eager"


def untouched(tool: str) -> str:
    """A viewer needs another attention, so that the logits are compared."""
    expected = answer(loaded()).logits
    if tool == "attnlens":
        with al.capture(loaded()):
            if not torch.equal(answer(loaded()).logits, expected):
                return "no"
    elif tool in VIEWERS:
        apart = float((answer(switched()).logits - expected).abs().max())
        return f"off by {apart:.0e}, in eager" if apart else "yes"
    model = deepcopy(loaded())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.distilbert.train()
    before = state(model)
    if tool == "attnlens":
        al.Lens(model, tokenizer()).trace(TEXT)
    explained(tool, model, TEXT)
    return "yes" if state(model) == before and torch.equal(answer(model.eval()).logits, expected) else "no"


def state(model: nn.Module) -> tuple:
    modules = [
        (one.training, len(one._forward_hooks), len(one._forward_pre_hooks)) for one in model.modules()
    ]
    gradients = [(float(p.grad.sum()), p.requires_grad) for p in model.parameters()]
    return modules, gradients, model.config.to_dict()


def handwritten(tool: str) -> str:
    """A viewer shows weights that somebody collects."""
    model, pixels = tiny.seeded(tiny.HandViT), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        x = torch.cat([model.leading, model.embed(pixels).flatten(2).transpose(1, 2)], 1)
        weights = (model.query(x) @ model.key(x).transpose(1, 2)).softmax(-1)[None]
        if tool == "attnlens":
            with al.capture(model) as recording:
                model(pixels)
            return same(recording[0].layers, [weights])
        returned = getattr(model(pixels), "attentions", None)
    shown = viewed(tool, returned or [weights], [f"patch{n}" for n in range(weights.shape[-1])])
    return "yes" if shown and returned else "if you collect it"


def lopsided(tool: str) -> str:
    """The three parts of an encoder-decoder; cross attention has a list of tokens on each side."""
    config = tiny.bart().config.to_dict() | {"encoder_layers": 3, "decoder_layers": 2}
    model = tiny.seeded(lambda: hf.BartForConditionalGeneration(hf.BartConfig(**config)))
    trace = al.Lens(model, tiny.roberta()).trace("see it", output="flat")
    ids = [tiny.roberta()("see it").input_ids, tiny.roberta()("flat", add_special_tokens=False).input_ids]
    ids[1].insert(0, model.config.decoder_start_token_id)
    read, wrote = map(tiny.roberta().convert_ids_to_tokens, ids)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(torch.tensor([ids[0]]), decoder_input_ids=torch.tensor([ids[1]]), output_attentions=True)
    parts = (out.encoder_attentions, out.decoder_attentions, out.cross_attentions)
    if tool == "attnlens":
        sides = [("input", "input"), ("output", "output"), ("output", "input")]
        layers = sorted(trace.layers, key=lambda layer: sides.index((layer.query_side, layer.key_side)))
        return same(layers, [weights for part in parts for weights in part])
    if tool == "BertViz":
        from bertviz import head_view

        names = ("encoder_attention", "decoder_attention", "cross_attention")
        given = dict(zip(names, parts)) | {"encoder_tokens": read, "decoder_tokens": wrote}
        view = partial(head_view, **given, html_action="return")
        try:
            return "yes" if view() else "no"
        except IndexError:
            return "the layers that both have" if view(include_layers=[0, 1]) else "no"
    if tool == "Inspectus":
        from inspectus import attention

        for weights, queries, keys in zip(parts, (read, wrote, wrote), (read, wrote, read)):
            attention(weights, [f" {token}" for token in queries], [f" {token}" for token in keys])
        return "a page for each part"
    from circuitsvis.attention import attention_heads

    lists = [name for name in inspect.signature(attention_heads).parameters if "tokens" in name]
    return "a page for each part" if len(lists) > 1 else "no cross attention"


# -- attribution ----------------------------------------------------------------------------------------------


def interpreter(model: nn.Module, tokenizer: Any) -> Any:
    from transformers_interpret import SequenceClassificationExplainer

    return SequenceClassificationExplainer(model, tokenizer)


def from_padding(text: str) -> tuple[Tensor, Tensor]:
    """(the ids of a text, those of padding between the same special tokens)"""
    ids = tokenizer()(text, return_tensors="pt").input_ids
    blank = torch.full_like(ids, tokenizer().pad_token_id)
    blank[:, [0, -1]] = ids[:, [0, -1]]
    return ids, blank


def explained(tool: str, model: nn.Module, text: str, **options: Any) -> Sequence:
    """A score per token, by integrated gradients."""
    if tool == "attnlens":
        return al.Lens(model, tokenizer()).attribute(text, **options).scores
    if tool == "Captum":
        ids, blank = from_padding(text)
        gradients = attr.LayerIntegratedGradients(lambda ids: model(ids).logits, model.get_input_embeddings())
        return gradients.attribute(ids, blank, target=1, internal_batch_size=8).sum(-1)[0]
    return interpreter(model, tokenizer())(text)


def gaps(tool: str) -> str:
    """Of what the scores add up to; attnlens's are computed here, not taken from what it tells."""
    sentences = Sentences()
    if tool == "Captum":
        sentences.captum()
        options = inspect.signature(attr.LayerIntegratedGradients.attribute).parameters
        told = "with each" if options["return_convergence_delta"].default else "if asked"
        return f"{max(sentences.gaps):.1%}, told {told}"
    if tool == "transformers-interpret":
        sentences.interpret()
        return f"{max(sentences.gaps):.1%}, told inside .attributions"
    found, worst = sentences.lens.attribute(list(SENTENCES)), 0.0
    for one, text, target in zip(found, SENTENCES, sentences.targets):
        with torch.no_grad():
            end, start = (float(sentences.logits(ids)[0, target]) for ids in from_padding(text))
        worst = max(worst, abs(float(one.scores.sum()) / (end - start) - 1))
    kept = worst <= TOLERANCE and all(one.gap <= TOLERANCE for one in found)
    return f"{worst:.1%}, {'told with each' if kept else 'too much'}"


def longer(tool: str) -> str:
    """The text has more tokens than the model has positions."""
    count, most = len(tokenizer()(LONG).input_ids), loaded().config.max_position_embeddings
    found = len(explained(tool, loaded(), LONG, window=most))
    if not found == count > most:
        return f"of {found} tokens"
    return "yes, in windows" if tool == "attnlens" else "yes"


def images(tool: str) -> str:
    """How many of the six give a map of the picture; the CNN is a ResNet."""
    vit = al.load("cifar")
    config = hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    cnn = al.Lens(tiny.seeded(lambda: hf.ResNetForImageClassification(config)), vit.processor)
    layers = {vit: vit.model.vit.layers[-1].layernorm_before, cnn: cnn.model.resnet.encoder.stages[-1]}
    found = [
        tried(partial(mapped, tool, lens, layers[lens], method)) for lens in layers for method in METHODS
    ]
    return f"{found.count('yes')} of {len(found)}"


def mapped(tool: str, lens: al.lens.ImageLens, layer: nn.Module, method: str) -> str:
    """Whether the scores lie over the picture: rows and columns, of pixels or of a feature map."""
    picture = Image.open(al.models.sample_images()["cat"]).convert("RGB")
    if tool == "attnlens":
        scores = lens.attribute(picture, method=method).scores
    elif tool == "Captum":

        def forward(pixels: Tensor) -> Tensor:
            return lens.model(pixels).logits

        grad_cam = partial(attr.LayerGradCam, layer=layer)
        ways = dict(zip(METHODS, (attr.Saliency, grad_cam, attr.IntegratedGradients)))
        pixels = lens.processor(picture, return_tensors="pt")["pixel_values"].requires_grad_()
        scores = ways[method](forward).attribute(pixels, target=0)[0].sum(0)
    else:
        from transformers_interpret import ImageClassificationExplainer

        kind = "IG" if method == "integrated_gradients" else method
        scores = ImageClassificationExplainer(lens.model, lens.processor, kind)(picture)[0].sum(0)
    return "yes" if scores.ndim == 2 and min(scores.shape) > 1 else "no"


# -- looked for -----------------------------------------------------------------------------------------------


def named(tool: str) -> str:
    """How many of the three a public class or function is named after, anywhere in the package."""
    package = Path(importlib.util.find_spec(module(tool)).origin).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    defined = " ".join(re.findall(r"^ *(?:def|class) ([a-zA-Z]\w*)", sources, re.M))
    found = [name for name in ("rollout", "head_?stat", "compare") if re.search(name, defined, re.I)]
    return f"{len(found)} of 3"


def required(tool: str) -> str:
    """What it asks for, but for what is not installed here."""
    unmet = []
    for text in importlib.metadata.requires(tool.lower()) or ():
        wanted = Requirement(text)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            here = importlib.metadata.version(wanted.name)
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if applies and not wanted.specifier.contains(here, prereleases=True):
                unmet.append(f"{wanted.name} {wanted.specifier}, not {here}")
    return f"wants {'; '.join(unmet)}" if unmet else "yes"


def besides(tool: str) -> str:
    return ", ".join(name for name, place in BESIDES[tool].items() if pkgutil.resolve_name(place))
