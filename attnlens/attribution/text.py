"""Token attributions of text classifiers and causal language models."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..axes import PerToken
from ..errors import InputError, unknown_name
from ..trace import Prediction, Token

if TYPE_CHECKING:
    from ..lens import TextLens

METHODS = ("integrated_gradients",)


@dataclass(frozen=True, eq=False)
class Attribution:
    """Importance per token for one target.

    scores: `[token]`, in units of the target's logit: positive speaks for the target, negative against it.
        Special tokens stay on both ends of the path, so their score is 0.
    gap: the completeness gap `|sum of scores - (F(x) - F(baseline))| / |F(x) - F(baseline)|`, the method's own
        error: 0.01 means that the scores account for the change of the logit to 1 %.
    change: F(x) - F(baseline), the change of the target's logit that the scores divide up.
    """

    tokens: tuple[Token, ...]
    scores: PerToken
    target: str
    target_index: int
    prediction: Prediction
    gap: float
    change: float
    method: str
    n_steps: int

    def __repr__(self) -> str:
        order = self.scores.abs().argsort(descending=True)[:5]
        top = ", ".join(f"{self.tokens[i].text} {float(self.scores[i]):+.2f}" for i in order)
        return (
            f"Attribution of {self.target!r} by {self.method}, {len(self.tokens)} tokens, "
            f"completeness gap {self.gap:.1%}\n  strongest: {top}\n  attribution.tokens, attribution.scores"
        )

    def _repr_html_(self) -> str:
        strongest = float(self.scores.abs().max().clamp(min=1e-12))
        spans = []
        for token, score in zip(self.tokens, self.scores.tolist()):
            share = abs(score) / strongest
            colour = f"rgba(33,102,172,{share:.2f})" if score > 0 else f"rgba(178,24,43,{share:.2f})"
            ink = "white" if share > 0.6 else "inherit"
            spans.append(
                f"<span title='{score:+.4f}' style='background:{colour};color:{ink};padding:1px 3px;"
                f"border-radius:3px'>{html.escape(token.text)}</span>"
            )
        return (
            f"<div><b>{html.escape(self.target)}</b> &mdash; predicted {html.escape(str(self.prediction))}, "
            f"completeness gap {self.gap:.1%}<p style='line-height:1.9'>{' '.join(spans)}</p>"
            f"<small>Blue speaks for {html.escape(self.target)}, red against it.</small></div>"
        )


def attribute_text(
    lens: TextLens, input: str | tuple[str, str], target: str | int | None, *, method: str, n_steps: int
) -> Attribution:
    """See `TextLens.attribute`.

    The path leads from the same tokens replaced by padding (special tokens kept) to the text, in the space of
    word embeddings; positions and segments are the same at every point. Source: Sundararajan et al. 2017,
    "Axiomatic Attribution for Deep Networks", eq. 1, computed by Captum with the Gauss-Legendre rule.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if n_steps < 1:
        raise InputError(f"n_steps must be at least 1, not {n_steps}")
    from captum.attr import LayerIntegratedGradients

    from ..lens import evaluating

    encoded = lens.encode(input)
    inputs = lens.batch([encoded])
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}
    ids, baseline = inputs["input_ids"], _baseline(lens, inputs["input_ids"], encoded["tokens"])

    def logits_of(ids: Tensor) -> Tensor:
        points = {name: value.expand(len(ids), -1) for name, value in rest.items()}
        return _class_logits(lens.model(input_ids=ids, **points)).float()

    with evaluating(lens.model), _frozen(lens.model):
        with torch.no_grad():
            ends = logits_of(torch.cat([ids, baseline]))
        trace_of = _Answer(lens, ends[0])
        index = trace_of.index if target is None else lens.target_index(target)
        if not 0 <= index < ends.shape[1]:
            raise InputError(f"target {target!r} is no class: the model has {ends.shape[1]}")
        gradients = LayerIntegratedGradients(logits_of, lens.model.get_input_embeddings())
        parts = gradients.attribute(ids, baseline, target=index, n_steps=n_steps, internal_batch_size=16)
    scores = parts.detach().double().sum(-1)[0].cpu()
    change = float(ends[0, index] - ends[1, index])
    return Attribution(
        tokens=encoded["tokens"],
        scores=scores.float(),
        target=trace_of.label(index),
        target_index=index,
        prediction=trace_of.prediction,
        gap=_gap(float(scores.sum()), change),
        change=change,
        method=method,
        n_steps=n_steps,
    )


class _Answer:
    """The model's own answer to the text, read as a trace reads it."""

    def __init__(self, lens: TextLens, logits: Tensor):
        from ..trace import Trace

        self._trace = Trace((), logits=logits, labels=lens._trace_labels(), activation=lens.activation)
        self.prediction = self._trace.prediction
        self.index = self.prediction.index
        self.label = self._trace.label


def _class_logits(output: Any) -> Tensor:
    """`[batch, class]`; a causal model's answer is the logits of its next token."""
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor) and logits.ndim == 2:
        return logits
    if isinstance(logits, Tensor) and logits.ndim == 3:
        return logits[:, -1]
    raise InputError(
        "attributions need a model with class logits (…ForSequenceClassification or …ForCausalLM); "
        f"this one returns {type(output).__name__}"
    )


def _baseline(lens: TextLens, ids: Tensor, tokens: tuple[Token, ...]) -> Tensor:
    """The input with every ordinary token replaced by padding, or by the unknown token where there is none."""
    tokenizer = lens.tokenizer
    blank = next(
        (
            i
            for i in (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id)
            if i is not None
        ),
        0,
    )
    special = torch.tensor([token.special for token in tokens], device=ids.device)
    return torch.where(special, ids, torch.full_like(ids, blank))


def _gap(total: float, change: float) -> float:
    """|total - change| / |change|; infinite where the model does not change at all but the scores do."""
    error = abs(total - change)
    return error / abs(change) if change else (0.0 if error == 0 else float("inf"))


class _frozen:
    """No gradients for parameters while attributing: they cost a quarter of the memory."""

    def __init__(self, model: nn.Module):
        self._wanted = [p for p in model.parameters() if p.requires_grad]

    def __enter__(self) -> None:
        for parameter in self._wanted:
            parameter.requires_grad_(False)

    def __exit__(self, *error: object) -> None:
        for parameter in self._wanted:
            parameter.requires_grad_(True)
