"""What an attribution is: importance per token or per pixel for one target, with the method and its own error."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import _palette
from ..data._axes import PerToken
from ..data._trace import Prediction, Token
from ..errors import InputError
from ._target import Target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

SMALL_CHANGE = 0.1
"""Share of the scores' absolute sum below which the change is small: by it even good scores have a large gap."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution:
    """Importance per part of one input, for one target: what both kinds have.

    scores: in units of the explained number; positive speaks for the target, negative against it. Where `signed`
        is False the method gives no direction and no unit: scores of at least 0 that only rank.
    target: what is explained: class or token, contrast, unit, position; F below is the scalar that it names
    value: F(x), at the input
    change: F(x) - F(baseline), what the scores divide up; None where a method compares with no baseline
    gap: the completeness gap `|sum of scores - change| / |change|`, the error of the sum; None where the scores
        have no unit
    estimated_error: by how much the single scores are estimated to be off, `sum |s - true| / sum |s|`: of integrated
        gradients see `attnlens.attribution.ErrorEstimate`, of samples the error to be expected; None where nothing
        estimates it
    samples: `[sample, ...]`, what each draw of a method that samples (Shapley values) gave, the scores being their mean
    steps: gradients that were computed; 0 where none was
    tolerance: what gap and estimated error had to meet; None where the method does not iterate
    complete: whether the method promises that the scores add up to the change
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

    if TYPE_CHECKING:  # of either kind, to a type checker

        def plot(self, **options: Any) -> Figure: ...

    @property
    def converged(self) -> bool | None:
        """Whether estimated error, and gap where the scores are to add up, are within the tolerance; None where the
        method does not iterate. Where the scores' own error is estimated, a gap that is large for the small change
        alone is judged beside the scores, see `sum_error`."""
        if self.tolerance is None or self.gap is None:
            return None
        errors = (self.sum_error if self.complete else 0.0, self.estimated_error or 0.0)
        return all(error <= self.tolerance for error in errors)

    @property
    def sum_error(self) -> float | None:
        """The gap, as `converged` judges it: where the change is below a tenth of the sum of |score|, and an estimated
        error tells how good the scores are, relative to that tenth."""
        if self.gap is None or self.estimated_error is None:
            return self.gap
        size = SMALL_CHANGE * float(self.scores.double().abs().sum())
        return scaled_gap(self.gap, float(self.scores.double().sum()), self.change, size)

    @property
    def standard_error(self) -> Tensor | None:
        """The standard error of each score, like the scores; None where nothing was sampled, or once."""
        if self.samples is None or len(self.samples) < 2:
            return None
        return standard_error(self.samples)

    @property
    def unit(self) -> str:
        """Of the scores: "logit" or "probability"."""
        return self.target.unit

    @property
    def how(self) -> str:
        """The method in words, with its baseline."""
        method = self.method.replace("_", " ")
        return method if self.baseline is None else f"{method} from {self.baseline}"

    @property
    def verdict(self) -> str:
        """The error in words, with what to do about a large one."""
        if self.gap is None:
            return "no unit: the scores rank, they divide nothing up"
        said = f"completeness gap {self.gap:.1%}"
        if self.samples is not None:
            error = "unknown" if self.estimated_error is None else f"{self.estimated_error:.1%}"
            return f"{said}, sampling error {error} of the scores from {len(self.samples)} random orders"
        if not self.complete:
            said = f"{said}: the method does not promise that the scores add up to the change"
        return said if self.converged in (None, True) else f"{said}, {self._reason}"

    @property
    def _reason(self) -> str:
        """Why it did not converge, and what to do."""
        fine = self.estimated_error is None or self.estimated_error <= self.tolerance
        small = abs(self.change) < SMALL_CHANGE * float(self.scores.abs().sum())
        if self.estimated_error is None and small:
            return "did not converge: the baseline scores nearly the same, so the relative gap is large"
        error = "" if fine else f"estimated error {self.estimated_error:.1%}, "
        option = "n_steps" if self.estimated_error is None else "max_steps"
        return f"{error}did not converge in {self.steps} steps: raise {option}"

    def _header(self) -> dict[str, Any]:
        """The fields that are neither scores nor parts, for JSON."""
        names = (
            "method", "baseline", "value", "change", "gap", "estimated_error", "steps", "tolerance", "converged",
            "signed", "model",
        )  # fmt: skip
        found = {"target": self.target.to_dict(), **{name: getattr(self, name) for name in names}}
        found["prediction"] = self.prediction and {
            "label": self.prediction.label,
            "index": self.prediction.index,
            "probability": self.prediction.probability,
        }
        return found

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON text, null where a number is not finite; options are those of `json.dumps`."""
        return as_json(self.to_dict(), **options)


@dataclass(frozen=True, eq=False, kw_only=True)
class TextAttribution(Attribution):
    """Importance per token of one text, `scores` being `[token]`.

    tokens: as in a trace, with their spans; text: the text, or both of a pair
    level: what a token is here: "token", "word" or "sentence"

    Special tokens stay as they are on both ends of a path, so their score is 0 there.
    """

    scores: PerToken
    tokens: tuple[Token, ...]
    text: tuple[str, ...] = ()
    level: str = "token"

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def table(self) -> pd.DataFrame:
        """token, score, start, end and segment of each token, in the order of the text; where the scores were sampled
        also their standard_error."""
        import pandas as pd

        sampled = {} if self.standard_error is None else {"standard_error": self.standard_error.tolist()}
        return pd.DataFrame(
            {
                "token": [token.text for token in self.tokens],
                "score": self.scores.tolist(),
                **sampled,
                "start": pd.array([token.start for token in self.tokens], dtype="Int64"),
                "end": pd.array([token.end for token in self.tokens], dtype="Int64"),
                "segment": [token.segment for token in self.tokens],
            }
        )

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The strongest tokens with their scores, strongest first, special ones left out."""
        order = self.scores.abs().argsort(descending=True, stable=True).tolist()
        strongest = [i for i in order if not self.tokens[i].special][:count]
        return [(self.tokens[i].text, float(self.scores[i])) for i in strongest]

    def plot(self, **options: Any) -> Figure:
        """`plots.tokens` of it; options: cmap, figsize, ax."""
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
        top = ", ".join(f"{text} {score:+.3g}" for text, score in self.top())
        return (
            f"Attribution of {str(self.target)!r} ({self.unit}) by {self.how}, {len(self)} {self.level}s, "
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
            spans.append(
                f"<span title='{score:+.4f}' style='background:{colour};color:{ink};padding:1px 3px;"
                f"border-radius:3px'>{html.escape(token.text)}</span>"
            )
        question = html.escape(str(self.target))
        key = f"Blue speaks for {question}, red against it." if self.signed else "The darker, the more."
        return (
            f"<div><b>{question}</b> &mdash; predicted {html.escape(str(self.prediction))}, "
            f"{self.unit} by {html.escape(self.how)}, {html.escape(self.verdict)}"
            f"<p style='line-height:1.9'>{' '.join(spans)}</p><small>{key}</small></div>"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageAttribution(Attribution):
    """Importance per pixel of one image, `scores` being `[height, width]` in the pixels that the model sees.

    seen: uint8 `[height, width, 3]`, the picture as the model sees it
    image: uint8 `[height, width, 3]`, the picture that was given
    box: left, top, right, bottom of what the model sees, in pixels of the given picture
    pixels: `[channel, height, width]`, the tensor that was given; None where a picture was
    """

    seen: np.ndarray
    image: np.ndarray
    box: tuple[float, float, float, float]
    pixels: Tensor | None = None

    @property
    def on_image(self) -> Tensor:
        """The scores in the pixels of the picture that was given, `[height, width]`; NaN where it was cut off.

        Values are interpolated, not divided: each is the score of the model's pixel that lies there.
        """
        height, width = self.image.shape[:2]
        left, top, right, bottom = self.box

        def places(size: int, low: float, high: float) -> Tensor:
            """Centres of the given picture's pixels, from -1 to 1 across what the model sees."""
            return (torch.arange(size) + 0.5 - low) / (high - low) * 2 - 1

        ys, xs = places(height, top, bottom), places(width, left, right)
        grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], dim=-1)
        found = torch.nn.functional.grid_sample(
            self.scores[None, None].float(), grid[None].float(), padding_mode="border", align_corners=False
        )[0, 0]
        outside = (grid.abs() > 1 + 1e-6).any(-1)
        return found.masked_fill(outside, float("nan"))

    def pooled(self, rows: int, cols: int) -> Tensor:
        """Sums over a grid of `[rows, cols]` cells, of patches for example.

        Raises InputError when the grid is finer than the pixels.
        """
        height, width = self.scores.shape
        if not (0 < rows <= height and 0 < cols <= width):
            raise InputError(f"a grid of {rows} x {cols} does not fit scores of {height} x {width} pixels")
        down = (torch.arange(height) * rows // height).to(self.scores.device)
        across = (torch.arange(width) * cols // width).to(self.scores.device)
        found = torch.zeros(rows, width, dtype=self.scores.dtype, device=self.scores.device)
        found.index_add_(0, down, self.scores)
        return torch.zeros(rows, cols, dtype=found.dtype, device=found.device).index_add_(1, across, found)

    def plot(self, **options: Any) -> Figure:
        """`plots.pixels` of it; options: cmap, figsize, ax."""
        from .. import plots

        return plots.pixels(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: the method with its error, and the scores row by row."""
        sampled = {} if self.standard_error is None else {"standard_error": self.standard_error.tolist()}
        return {**self._header(), "box": list(self.box), "scores": self.scores.tolist(), **sampled}

    def __repr__(self) -> str:
        height, width = self.scores.shape
        return (
            f"Attribution of {str(self.target)!r} ({self.unit}) by {self.how}, {height} x {width} pixels, "
            f"{self.verdict}\n  attribution.scores [height, width], attribution.on_image, attribution.plot()"
        )


def gap_of(total: float, change: float) -> float:
    """|total - change| / |change|; infinite where the model does not change at all but the scores do."""
    error = abs(total - change)
    return error / abs(change) if change else (0.0 if error == 0 else float("inf"))


def standard_error(samples: Tensor) -> Tensor:
    """Of the mean over `[sample, ...]`, in float64."""
    return samples.double().std(0) / math.sqrt(len(samples))


def sampling_error(samples: Tensor, scores: Tensor) -> float | None:
    """The expected `sum |s - true| / sum |s|` of scores that are a mean over normally distributed samples."""
    size = float(scores.double().abs().sum())
    if len(samples) < 2 or not size:
        return None
    return math.sqrt(2 / math.pi) * float(standard_error(samples).sum()) / size


def scaled_gap(gap: float, total: float, change: float, least: float) -> float:
    """The gap relative to `least`, where |change| is smaller than that; total: of the scores."""
    if not abs(change) < least:
        return gap
    return (gap * abs(change) if change else abs(total)) / least


def as_json(data: Any, **options: Any) -> str:
    """JSON text that every reader takes: JSON knows neither NaN nor infinity, so both become null."""
    return json.dumps(_finite(data), **{"ensure_ascii": False, "allow_nan": False, **options})


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
