"""The result of an attribution: importance per token or pixel for one target, with the method and its error."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import _palette
from .._escaping import cut, encodable, escaped_halves, shown
from ..data._axes import PerToken
from ..data._trace import Prediction, Token
from ..errors import InputError
from ._target import Target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

METHOD_TITLES = {
    "deeplift": "DeepLIFT",
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "gradient_x_input": "gradient × input",
    "layer_gradient_x_activation": "layer gradient × activation",
    "smoothgrad": "SmoothGrad",
}
"""Methods whose title is more than their name with spaces."""


def method_title(name: str) -> str:
    """A method as a title shows it."""
    return METHOD_TITLES.get(name, name.replace("_", " "))


SMALL_CHANGE = 0.1
"""Share of the scores' absolute sum below which the change is small: relative to it, accurate scores have a large gap
too."""

LONGEST_TOKEN, LONGEST_NAME = 80, 200
"""Characters of a token and of a name that are printed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution:
    """Importance of each part of one input for one target; base of `TextAttribution` and `ImageAttribution`.

    scores: in units of F. Positive scores are evidence for the target, negative ones against it. If `signed` is False,
        scores have no sign and no unit: they are at least 0 and only rank.
    target: what is explained: class or token, contrast, unit, position. F below is the scalar that it defines.
    value: F(x), at the input
    change: F(x) - F(baseline), which complete scores sum to; None for a method without a baseline
    gap: the completeness gap `|sum of scores - change| / |change|`, the error of the sum; None for scores without a
        unit
    estimated_error: estimated error of the single scores, `sum |s - true| / sum |s|`. For integrated gradients see
        `attnlens.attribution.ErrorEstimate`; for methods that sample it is the expected sampling error; None for
        methods without an estimate.
    samples: `[sample, ...]`, the scores of each draw of a method that samples (Shapley values); `scores` is their mean
    steps: number of gradients that were computed
    tolerance: upper limit of gap and estimated error; None for a method that does not iterate
    complete: whether the method guarantees that the scores sum to the change
    """

    scores: Tensor
    target: Target
    prediction: Prediction | None
    method: str
    baseline: str | None = None
    value: float
    change: float | None = None
    gap: float | None = None
    estimated_error: float | None = None
    samples: Tensor | None = None
    steps: int = 0
    tolerance: float | None = None
    signed: bool = True
    complete: bool = True
    model: str = ""

    if TYPE_CHECKING:  # both subclasses define it

        def plot(self, **options: Any) -> Figure: ...

    @property
    def converged(self) -> bool | None:
        """Whether the estimated error, and for a complete method also the gap, are within the tolerance; None for a
        method that does not iterate. With an estimated error, the gap of a small change is measured relative to the
        scores, see `sum_error`."""
        if self.tolerance is None or self.gap is None:
            return None
        errors = (self.sum_error if self.complete else 0.0, self.estimated_error or 0.0)
        return all(error <= self.tolerance for error in errors)

    @property
    def sum_error(self) -> float | None:
        """The error of the sum, as `converged` uses it: the gap; with an estimated error and a change below a tenth of
        the sum of |score|, the error of the sum relative to that tenth."""
        if self.gap is None or self.estimated_error is None:
            return self.gap
        size = SMALL_CHANGE * float(self.scores.double().abs().sum())
        return scaled_gap(self.gap, float(self.scores.double().sum()), self.change, size)

    @property
    def standard_error(self) -> Tensor | None:
        """Standard error of each score, in the shape of the scores; None with fewer than two samples."""
        if self.samples is None or len(self.samples) < 2:
            return None
        return standard_error(self.samples)

    @property
    def unit(self) -> str:
        """Unit of the scores: "logit" or "probability"."""
        return self.target.unit

    @property
    def how(self) -> str:
        """The method in words, with its baseline."""
        method = method_title(self.method)
        return method if self.baseline is None else f"{method} from {self.baseline}"

    @property
    def verdict(self) -> str:
        """The error in words, with a remedy for a large one."""
        if self.gap is None:
            return "no unit: the scores only rank and do not sum to the change"
        said = f"completeness gap {self.gap:.1%}"
        if self.samples is not None:
            error = "unknown" if self.estimated_error is None else f"{self.estimated_error:.1%}"
            return f"{said}, sampling error {error} of the scores from {len(self.samples)} random orders"
        if not self.complete:
            said = f"{said}: the method does not guarantee that the scores sum to the change"
        return said if self.converged in (None, True) else f"{said}, {self._reason}"

    @property
    def _reason(self) -> str:
        """The reason why the attribution did not converge, and the remedy."""
        fine = self.estimated_error is None or self.estimated_error <= self.tolerance
        small = abs(self.change) < SMALL_CHANGE * float(self.scores.abs().sum())
        if self.estimated_error is None and small:
            return "did not converge: F is nearly the same at the baseline, so the relative gap is large"
        error = "" if fine else f"estimated error {self.estimated_error:.1%}, "
        option = "n_steps" if self.estimated_error is None else "max_steps"
        return f"{error}did not converge in {self.steps} steps: raise {option}"

    @property
    def _headline(self) -> str:
        target, how = (cut(text, LONGEST_NAME) for text in (str(self.target), self.how))
        return f"Attribution of {target!r} ({self.unit}) by {how}"

    def _header(self) -> dict[str, Any]:
        """The fields other than scores and parts, for JSON."""
        names = (
            "method", "baseline", "value", "change", "gap", "estimated_error", "steps", "tolerance", "converged",
            "signed", "model",
        )  # fmt: skip
        header = {"target": self.target.to_dict(), **{name: getattr(self, name) for name in names}}
        header["prediction"] = self.prediction and {
            "label": self.prediction.label,
            "index": self.prediction.index,
            "probability": self.prediction.probability,
        }
        return header

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON text, with null for numbers that are not finite; options are those of `json.dumps`."""
        return as_json(self.to_dict(), **options)


@dataclass(frozen=True, eq=False, kw_only=True)
class TextAttribution(Attribution):
    """Importance of each token of one text; `scores` is `[token]`.

    tokens: as in a trace, with their spans; text: the text, or both texts of a pair
    level: the unit of an entry of `tokens`: "token", "word" or "sentence"

    Special tokens are the same in input and baseline; methods with a baseline score them 0.
    """

    scores: PerToken
    tokens: tuple[Token, ...]
    text: tuple[str, ...] = ()
    level: str = "token"

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def table(self) -> pd.DataFrame:
        """token, score, start, end and segment of each token, in the order of the text; for sampled scores also their
        standard_error."""
        import pandas as pd

        sampled = {} if self.standard_error is None else {"standard_error": self.standard_error.tolist()}
        return pd.DataFrame(
            {
                "token": [encodable(token.text) for token in self.tokens],
                "score": self.scores.tolist(),
                **sampled,
                "start": pd.array([token.start for token in self.tokens], dtype="Int64"),
                "end": pd.array([token.end for token in self.tokens], dtype="Int64"),
                "segment": [token.segment for token in self.tokens],
            }
        )

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` tokens with the largest |score|, in descending order, without special tokens."""
        order = self.scores.abs().argsort(descending=True, stable=True).tolist()
        strongest = [i for i in order if not self.tokens[i].special][:count]
        return [(self.tokens[i].text, float(self.scores[i])) for i in strongest]

    def plot(self, **options: Any) -> Figure:
        """Draws the text with coloured tokens by `plots.tokens`; options: cmap, figsize, ax."""
        from .. import plots

        return plots.tokens(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: the method with its error, and token, score, start, end of each token."""
        tokens = [
            {"token": token.text, "score": score, "start": token.start, "end": token.end,
             "segment": token.segment, "special": token.special}
            for token, score in zip(self.tokens, self.scores.tolist())
        ]  # fmt: skip
        if self.standard_error is not None:
            for token, error in zip(tokens, self.standard_error.tolist()):
                token["standard_error"] = error
        return {**self._header(), "level": self.level, "text": list(self.text), "tokens": tokens}

    def __repr__(self) -> str:
        top = ", ".join(f"{cut(text, LONGEST_TOKEN)} {score:+.3g}" for text, score in self.top())
        return encodable(
            f"{self._headline}, {len(self)} {self.level}s, "
            f"{self.verdict}\n  strongest: {top}\n  attribution.tokens, attribution.scores, attribution.table"
        )

    def _repr_html_(self) -> str:
        strongest = float(self.scores.abs().max().clamp(min=1e-12))
        spans = []
        for token, score in zip(self.tokens, self.scores.tolist()):
            share = abs(score) / strongest
            role = "unsigned" if not self.signed else "for" if score > 0 else "against"
            colour = f"rgba({','.join(map(str, _palette.rgb(_palette.colour(role))))},{share:.2f})"
            ink = "white" if share > 0.6 else "inherit"
            sign = "text-decoration:underline;" if role == "against" and share > _palette.FAINTEST else ""
            spans.append(
                f"<span title='{score:+.4f}' style='background:{colour};color:{ink};{sign}padding:1px 3px;"
                f"border-radius:3px'>{shown(token.text, LONGEST_TOKEN)}</span>"
            )
        question = shown(str(self.target), LONGEST_NAME)
        key = (
            f"Blue supports {question}, red and underlined opposes it."
            if self.signed
            else "The darker, the more."
        )
        return (
            f"<div><b>{question}</b> &mdash; predicted {shown(str(self.prediction), LONGEST_NAME)}, "
            f"{self.unit} by {shown(self.how, LONGEST_NAME)}, {shown(self.verdict)}"
            f"<p style='line-height:1.9'>{' '.join(spans)}</p><small>{key}</small></div>"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageAttribution(Attribution):
    """Importance of each pixel of one image; `scores` is `[height, width]` in the pixels of the model's input.

    seen: uint8 `[height, width, 3]`, the picture as the model receives it
    image: uint8 `[height, width, 3]`, the original picture
    box: left, top, right, bottom of the model's input, in pixels of the original picture
    pixels: `[channel, height, width]`, the input tensor; None where the input was a picture
    """

    seen: np.ndarray
    image: np.ndarray
    box: tuple[float, float, float, float]
    pixels: Tensor | None = None

    @property
    def on_image(self) -> Tensor:
        """The scores in the pixels of the original picture, `[height, width]`; NaN where it was cropped.

        Scores are interpolated, not distributed: each value is the score of the model's pixel at that place.
        """
        height, width = self.image.shape[:2]
        left, top, right, bottom = self.box

        def places(size: int, low: float, high: float) -> Tensor:
            """Centres of the original picture's pixels, from -1 to 1 across the model's input."""
            return (torch.arange(size) + 0.5 - low) / (high - low) * 2 - 1

        ys, xs = places(height, top, bottom), places(width, left, right)
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], dim=-1)
        sampled = torch.nn.functional.grid_sample(
            self.scores[None, None].float(), grid[None].float(), padding_mode="border", align_corners=False
        )[0, 0]
        outside = (grid.abs() > 1 + 1e-6).any(-1)
        return sampled.masked_fill(outside, float("nan"))

    def pooled(self, rows: int, cols: int) -> Tensor:
        """Sums of the scores over a grid of `[rows, cols]` cells, such as patches.

        Raises InputError for a grid that is finer than the pixels.
        """
        height, width = self.scores.shape
        if not (0 < rows <= height and 0 < cols <= width):
            raise InputError(
                f"a grid of {rows} x {cols} does not fit scores of {height} x {width} pixels; use at least 1 row and "
                "column, and at most one per pixel"
            )
        down = (torch.arange(height) * rows // height).to(self.scores.device)
        across = (torch.arange(width) * cols // width).to(self.scores.device)
        found = torch.zeros(rows, width, dtype=self.scores.dtype, device=self.scores.device)
        found.index_add_(0, down, self.scores)
        return torch.zeros(rows, cols, dtype=found.dtype, device=found.device).index_add_(1, across, found)

    def plot(self, **options: Any) -> Figure:
        """Draws the scores over the picture by `plots.pixels`; options: cmap, figsize, ax."""
        from .. import plots

        return plots.pixels(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: the method with its error, and the scores row by row."""
        sampled = {} if self.standard_error is None else {"standard_error": self.standard_error.tolist()}
        return {**self._header(), "box": list(self.box), "scores": self.scores.tolist(), **sampled}

    def __repr__(self) -> str:
        height, width = self.scores.shape
        return (
            f"{self._headline}, {height} x {width} pixels, "
            f"{self.verdict}\n  attribution.scores [height, width], attribution.on_image, attribution.plot()"
        )


def gap_of(total: float, change: float) -> float:
    """|total - change| / |change|; infinite where the change is 0 and the total is not."""
    error = abs(total - change)
    return error / abs(change) if change else (0.0 if error == 0 else float("inf"))


def standard_error(samples: Tensor) -> Tensor:
    """Standard error of the mean over `[sample, ...]`, in float64."""
    return samples.double().std(0) / math.sqrt(len(samples))


def sampling_error(samples: Tensor, scores: Tensor) -> float | None:
    """The expected `sum |s - true| / sum |s|` of scores that are a mean over normally distributed samples."""
    size = float(scores.double().abs().sum())
    if len(samples) < 2 or not size:
        return None
    return math.sqrt(2 / math.pi) * float(standard_error(samples).sum()) / size


def scaled_gap(gap: float, total: float, change: float, least: float) -> float:
    """The gap, relative to `least` where |change| is smaller; total: sum of the scores."""
    if not abs(change) < least:
        return gap
    return (gap * abs(change) if change else abs(total)) / least


def as_json(data: Any, **options: Any) -> str:
    """Valid JSON text: JSON has neither NaN nor infinity, so both become null."""
    return escaped_halves(json.dumps(_finite(data), **{"ensure_ascii": False, "allow_nan": False, **options}))


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
