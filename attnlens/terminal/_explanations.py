"""Explanations for the terminal: the numbers of each command, and how they are printed.

An explanation is computed once and then printed, drawn or written as JSON from the same numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from .. import _palette, models
from .._escaping import quoted
from ..analysis import rollout
from ..analysis._strongest_heads import strongest_heads
from ..attribution import Attribution, TextAttribution
from ..data._trace import Trace
from ..diagnosis import Diagnosis, debug
from ..errors import FileError, InputError
from ..io import _safetensors
from ..lens import ImageLens, Lens, TextLens

STRONGEST = 5
"""The number of heads that are listed."""

MOST_BARS = 12
MOST_WINDOWS = 20

PANEL = 32
"""Characters across a picture where the terminal is wide enough."""


@dataclass(frozen=True)
class InputExplanation:
    """A trace (None for a text in windows) and its attribution; `numbers` is the JSON."""

    trace: Trace | None
    attribution: Attribution | None
    numbers: dict[str, Any]


@dataclass(frozen=True)
class DiagnosisRecord:
    """A diagnosis; `numbers` is the JSON."""

    diagnosis: Diagnosis
    numbers: dict[str, Any]


@dataclass(frozen=True)
class ModelDescription:
    """The output of `attnlens info`; `numbers` is the JSON."""

    numbers: dict[str, Any]


# -- numbers ------------------------------------------------------------------------------------------------


def explain_text(
    lens: TextLens, text: str, target: str | int | None = None, **options: Any
) -> InputExplanation:
    """Prediction, attribution, rollout and strongest heads of a text; for a text in windows without the last two.

    options: as for `lens.attribute`
    """
    text = text.strip("\n")
    windowed = options.get("window") is not None
    traces = lens.trace(text, window=options["window"]) if windowed else [lens.trace(text)]
    if traces[0].prediction is None:
        raise InputError(f"{lens.name} has no classes to explain; use a model ...ForSequenceClassification")
    attribution = lens.attribute(text, target, **options)
    tokens = [
        {"text": token.text, "start": token.start, "end": token.end, "score": float(score)}
        for token, score in zip(attribution.tokens, attribution.scores)
    ]
    numbers = {
        "text": text,
        "target": attribution.target.to_dict(),
        "method": attribution.method,
        "baseline": attribution.baseline,
        "gap": attribution.gap,
        "converged": attribution.converged,
        "tokens": tokens,
    }
    if windowed:
        whole = replace(traces[0], logits=torch.stack([trace.logits for trace in traces]).mean(0))
        return InputExplanation(None, attribution, _common(whole) | numbers | {"windows": _windows(traces)})
    trace = traces[0]
    for token, share in zip(tokens, rollout(trace, row=trace.reader)):
        token["rollout"] = float(share)
    return InputExplanation(trace, attribution, _common(trace) | numbers | {"heads": _strongest(trace)})


def _windows(traces: list[Trace]) -> list[dict[str, Any]]:
    """The prediction for each window, and its part of the text."""
    return [{"text": trace.passages[-1]} | _common(trace) for trace in traces]


def explain_image(lens: ImageLens, path: Path | str) -> InputExplanation:
    trace = lens.trace(path)
    grid = trace.patches
    if grid is None or trace.layers[-1].query_side != "input":
        raise InputError(
            f"{lens.name} does not attend over a grid of patches; its layers can be read by capture"
        )
    lead = len(grid.leading)
    numbers = _common(trace) | {
        "image": Path(path).name,
        "patches": [grid.rows, grid.cols],
        "attention": {
            f"layer {number}": _as_grid(layer.attention[:, 0].mean(0), grid)
            for number, layer in enumerate(trace.layers)
        },
        "rollout": _as_grid(rollout(trace, row=0), grid),
        "heads": _strongest(trace) if lead else [],
    }
    return InputExplanation(trace, None, numbers)


def describe(lens: Lens) -> ModelDescription:
    """Runs the lens on a small sample and describes the recorded layers."""
    if isinstance(lens, TextLens):
        trace = lens.trace(models.sample_sentences()[0])
    else:
        trace = lens.trace(models.sample_images()["chelsea"])
    config = getattr(lens.model, "config", None)
    layers = [
        {
            "module": layer.name,
            "kind": layer.kind,
            "heads": layer.attention.heads,
            "queries": layer.attention.queries,
            "keys": layer.attention.keys,
        }
        for layer in trace.layers
    ]
    numbers = {
        "model": lens.name,
        "class": type(lens.model).__name__,
        "parameters": sum(p.numel() for p in lens.model.parameters()),
        "attention_implementation": getattr(config, "_attn_implementation", None) or "the module's own",
        "labels": list(lens.labels),
        "max_tokens": getattr(lens, "max_tokens", None),
        "patches": None if trace.patches is None else [trace.patches.rows, trace.patches.cols],
        "recorded": layers,
    }
    return ModelDescription(numbers)


def _strongest(trace: Trace) -> list[dict[str, Any]]:
    """The heads whose reading position attends most to one ordinary token."""
    return [
        {
            "layer": one.layer,
            "head": one.head,
            "attends_to": trace.axis_tokens(one.layer)[1][one.key].text,
            "weight": one.weight,
        }
        for one in strongest_heads(trace)[:STRONGEST]
    ]


def _common(trace: Trace) -> dict[str, Any]:
    shown: dict[str, float] = {}
    if trace.probabilities is not None:
        best = trace.probabilities.topk(min(10, len(trace.probabilities)))
        shown = {trace.label(int(i)): float(p) for p, i in zip(best.values, best.indices)}
    prediction = trace.prediction
    return {
        "model": trace.model,
        "prediction": None if prediction is None else prediction.label,
        "probabilities": shown,
    }


def _as_grid(row: Tensor, grid: Any) -> list[list[float]]:
    return row[len(grid.leading) :].reshape(grid.rows, grid.cols).tolist()


# -- terminal -----------------------------------------------------------------------------------------------


def print_text(console: Console, explanation: InputExplanation) -> None:
    numbers = explanation.numbers
    _headline(console, numbers)
    if "windows" in numbers:
        _print_windows(console, numbers["windows"])
    scores = [token["score"] for token in numbers["tokens"]]
    console.print(
        _coloured(
            console, [token["text"] for token in numbers["tokens"]], scores, explanation.attribution.signed
        )
    )
    attribution = explanation.attribution
    signs = (
        "blue supports it, red and underlined opposes it"
        if _colour(console)
        else "+ supports it, - opposes it"
    )
    key = signs if attribution.signed else "the larger, the more important"
    most = max(map(abs, scores), default=0.0)
    end = f"up to ±{most:.3g} {attribution.unit}" if attribution.signed else f"up to {most:.3g}"
    words = f"why {attribution.target}: {key}, {end} ({attribution.how}, {attribution.verdict})"
    console.print(words, style="dim", markup=False)
    if explanation.trace is not None:
        console.print()
        _print_bars(console, explanation)
        _print_heads(console, numbers["heads"], explanation.trace.tokens[explanation.trace.reader].text)


def diagnose(lens: Lens, source: str, true_label: str | int) -> DiagnosisRecord:
    """The diagnosis of a text or an image file."""
    diagnosis = debug(lens, source, true_label)
    return DiagnosisRecord(diagnosis, diagnosis.to_dict())


def print_diagnosis(console: Console, record: DiagnosisRecord) -> None:
    diagnosis = record.diagnosis
    trace = diagnosis.trace
    console.print(f"{trace.model}: {trace.prediction}, true {trace.label(diagnosis.true)}", markup=False)
    for finding in diagnosis.findings:
        console.print(f"- {finding}", markup=False)
    console.print()
    table = Table("rank", "class", "logit", "probability", box=None, header_style="dim")
    for row in diagnosis.top.itertuples():
        name = Text(f"{row.label} (true)" if row.true else row.label)
        table.add_row(str(row.rank), name, f"{row.logit:.3f}", f"{row.probability:.4f}")
    console.print(table)
    for name, attribution in zip(diagnosis.explanation.names, diagnosis.explanation):
        if isinstance(attribution, TextAttribution) and attribution.signed:
            console.print()
            console.print(
                _coloured(console, [token.text for token in attribution.tokens], attribution.scores.tolist())
            )
            console.print(f"{name} ({attribution.verdict})", style="dim", markup=False)


def print_image(console: Console, explanation: InputExplanation) -> None:
    numbers = explanation.numbers
    _headline(console, numbers)
    last = f"layer {len(explanation.trace) - 1}"
    pictures = [(last, numbers["attention"][last]), ("rollout", numbers["rollout"])]
    image = np.asarray(explanation.trace.patches.image)
    grids = [(f"[CLS], {name}, up to {np.max(grid):.2g}", np.array(grid)) for name, grid in pictures]
    panels = len(grids) + _colour(console)
    wide = _panel_width(console, panels)
    size = _shrink(image, wide).shape[:2]
    shown = [("the image", _half_blocks(_shrink(image, wide)))] if _colour(console) else []
    shown += [(name, _heat(console, grid, size)) for name, grid in grids]
    table = Table.grid(padding=(0, GAP))
    if panels * (wide + GAP) <= console.width + GAP:
        table.add_row(*(Text(name) for name, _ in shown))
        table.add_row(*(drawn for _, drawn in shown))
    else:
        for name, drawn in shown:
            table.add_row(Text(name))
            table.add_row(drawn)
    console.print(table)
    much = "bright" if _colour(console) else "█"
    key = f"{much} is much attention, mean over heads, each map on its own scale"
    console.print(f"attention of the class token: {key}", style="dim")
    console.print()
    _print_heads(console, numbers["heads"], "[CLS]", what="patch (row,col)")


def print_info(console: Console, description: ModelDescription) -> None:
    numbers = description.numbers
    console.print(
        f"[bold]{numbers['model']}[/bold]  {numbers['class']}, {numbers['parameters'] / 1e6:.1f} M parameters"
    )
    facts = {
        "attention implementation": numbers["attention_implementation"],
        "labels": ", ".join(numbers["labels"][:12]) or None,
        "longest input": f"{numbers['max_tokens']} tokens" if numbers["max_tokens"] else None,
        "patches": " x ".join(map(str, numbers["patches"])) if numbers["patches"] else None,
    }
    for name, value in facts.items():
        if value:
            console.print(f"{name}: {value}", markup=False)
    table = Table(title="recorded layers", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("layer", "module", "kind", "heads", "queries x keys"):
        table.add_column(name, justify="right" if name in ("layer", "heads") else "left")
    for number, layer in enumerate(numbers["recorded"]):
        size = f"{layer['queries']} x {layer['keys']}"
        cells = (str(number), layer["module"], layer["kind"], str(layer["heads"]), size)
        table.add_row(*map(Text, cells))
    console.print()
    console.print(table)


GAP = 3


def _panel_width(console: Console, panels: int) -> int:
    """Characters across one picture: side by side where at least half the size fits, else one above the other."""
    for wide in (PANEL, PANEL * 3 // 4, PANEL // 2):
        if panels * wide + (panels - 1) * GAP <= console.width:
            return wide
    return min(PANEL, max(8, console.width // 8 * 8))


def _headline(console: Console, numbers: dict[str, Any]) -> None:
    what = quoted(numbers["text"]) if "text" in numbers else numbers["image"]
    console.print(Text(what, style="bold"))
    shares = ", ".join(f"{label} {share:.1%}" for label, share in list(numbers["probabilities"].items())[:4])
    console.print(Text(f"{numbers['model']} says {numbers['prediction']} ({shares})"))
    console.print()


def _colour(console: Console) -> bool:
    """Whether the terminal has enough colours for a scale: more than sixteen."""
    return console.color_system in ("256", "truecolor", "windows") and not console.no_color


def _coloured(console: Console, words: list[str], scores: list[float], signed: bool = True) -> Text:
    strongest = max(map(abs, scores)) or 1.0
    line = Text()
    for word, score in zip(words, scores):
        share = abs(score) / strongest
        if not _colour(console):
            line.append(f"{word.strip()}({score:+.2f}) " if share >= 0.05 else f"{word.strip()} ")
            continue
        if share < 0.12:
            line.append(f" {word.strip()} ")
            continue
        role = "unsigned" if not signed else "for" if score > 0 else "against"
        strong = _palette.rgb(_palette.colour(role))
        shade = [round(grey + (c - grey) * share) for grey, c in zip(WEAK, strong)]
        style = f"{'underline ' * (role == 'against')}{_palette.ink(dark=True)} on rgb({','.join(map(str, shade))})"
        line.append(f" {word.strip()} ", style=style)
    return line


WEAK = (107, 114, 128)
"""The colour of a weak word: a grey that stands out neither on a dark terminal nor on a light one."""


def _bar(length: float) -> str:
    """A bar of that many characters, to an eighth of one."""
    whole, eighths = divmod(max(1, round(8 * length)), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def _print_bars(console: Console, explanation: InputExplanation) -> None:
    """The rollout row of the reading position as bars."""
    reader = explanation.trace.reader
    tokens = explanation.numbers["tokens"]
    shares = [token["rollout"] if i != reader else 0.0 for i, token in enumerate(tokens)]
    most = max(shares) or 1.0
    name = tokens[reader]["text"]
    shown = sorted((i for i in range(len(tokens)) if i != reader), key=lambda i: -shares[i])[:MOST_BARS]
    part = "" if len(shown) == len(tokens) - 1 else f", the {len(shown)} largest of {len(tokens) - 1} others"
    itself = f"itself {tokens[reader]['rollout']:.0%}"
    console.print(f"what {name} is made of, by attention rollout ({itself}{part})", markup=False)
    wide = max((len(tokens[i]["text"]) for i in shown), default=0)
    room = max(4, min(24, console.width - wide - 12))
    for i in sorted(shown):
        bar = _bar(room * shares[i] / most)
        console.print(Text(f"  {tokens[i]['text']:<{wide}} {bar} {shares[i]:.1%}"))
    console.print()


def _print_windows(console: Console, windows: list[dict[str, Any]]) -> None:
    """The prediction for each window; that of the text is the mean of their logits."""
    many = f"{len(windows)} overlapping windows; the prediction is the mean of their logits"
    console.print(f"read in {many if len(windows) > 1 else '1 window'}")
    table = Table("window", "says", "", "its text", box=None, header_style="dim")
    for number, window in enumerate(windows[:MOST_WINDOWS]):
        share = window["probabilities"].get(window["prediction"])
        text = " ".join(window["text"].split())
        table.add_row(
            str(number), Text(window["prediction"]), "" if share is None else f"{share:.1%}",
            Text(text, no_wrap=True, overflow="ellipsis"),
        )  # fmt: skip
    console.print(table)
    if windows[MOST_WINDOWS:]:
        console.print(f"and {len(windows) - MOST_WINDOWS} more; --json has every window", style="dim")
    console.print()


def _print_heads(console: Console, heads: list[dict[str, Any]], reader: str, what: str = "") -> None:
    if not heads:
        return
    console.print(f"strongest heads: the largest weights of {reader} on one {what or 'token'}", markup=False)
    for head in heads:
        place = f"layer {head['layer']:>2}, head {head['head']:>2}"
        console.print(Text(f"  {place}  {head['weight']:.2f}  {head['attends_to'].strip()}"))


def _shrink(image: np.ndarray, width: int = 32) -> np.ndarray:
    from PIL import Image

    height = max(2, round(image.shape[0] * width / image.shape[1] / 2) * 2)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def _half_blocks(image: np.ndarray) -> Text:
    """An image as characters: each shows two pixels, the upper as foreground and the lower as background."""
    drawn = Text()
    for y in range(0, image.shape[0] - 1, 2):
        for above, below in zip(image[y], image[y + 1]):
            drawn.append("▀", style=f"rgb({','.join(map(str, above))}) on rgb({','.join(map(str, below))})")
        drawn.append("\n")
    return drawn


def _heat(console: Console, grid: np.ndarray, size: tuple[int, int]) -> Text:
    """A patch grid stretched to the size of a picture: half blocks in colour, shaded characters without."""
    rows = np.arange(size[0]) * grid.shape[0] // size[0]
    cols = np.arange(size[1]) * grid.shape[1] // size[1]
    share = (grid / max(grid.max(), 1e-12))[rows][:, cols]
    if _colour(console):
        stops = np.array([_palette.rgb(stop) for stop in _palette.stops("heat", "dark")])
        places = np.linspace(0, 1, len(stops))
        shades = [np.interp(share, places, channel) for channel in stops.T]
        return _half_blocks(np.stack(shades, -1).astype(np.uint8))
    signs = np.array(list(" ░▒▓█"))[np.minimum((share * 5).astype(int), 4)]
    return Text("\n".join("".join(line) for line in signs[::2]))


# -- files --------------------------------------------------------------------------------------------------


def make(folder: Path) -> None:
    """Creates the folder that `write` writes to. Raises FileError where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
    _safetensors.check_writable(folder / "numbers.json", "numbers.json")


def write(folder: Path, explanations: dict[str, InputExplanation]) -> list[Path]:
    """Writes figures as PNG and all numbers as JSON to an existing folder; returns the paths in order."""
    from .. import plots

    text, image = explanations["sentence"], explanations["image"]
    layers = sorted({0, len(image.trace) // 2, len(image.trace) - 1})
    figures = {
        "sentence-tokens.png": plots.tokens(text.attribution),
        "sentence-heads.png": plots.heads(text.trace),
        "sentence-rollout.png": plots.rollout(text.trace),
        "image-attention.png": plots.patches(image.trace, layers),
        "image-rollout.png": plots.rollout(image.trace),
    }
    written = []
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=160)
        written.append(folder / name)
    numbers = folder / "numbers.json"
    as_json = json.dumps({k: v.numbers for k, v in explanations.items()}, ensure_ascii=False, indent=2)
    numbers.write_text(as_json + "\n", encoding="utf-8")
    return [*written, numbers]
