"""Token attributions of text classifiers and causal language models."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .. import running, tasks
from ..axes import PerToken
from ..errors import InputError, unknown_name
from ..trace import Prediction, Token, Trace

if TYPE_CHECKING:
    from ..lens import TextLens
    from ..texts import Encoded

METHODS = ("integrated_gradients",)

TOLERANCE = 0.05
"""The completeness gap up to which an attribution has converged."""

SMALL_CHANGE = 0.1
"""Share of the scores' absolute sum below which the change is small: by it even good scores have a large gap."""

BATCH = 16
"""Points of the path that go through the model together."""


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

    @property
    def converged(self) -> bool:
        """Whether the scores account for the change of the logit to 5 %."""
        return self.gap <= TOLERANCE

    @property
    def verdict(self) -> str:
        """The gap in words, with what to do about a large one."""
        said = f"completeness gap {self.gap:.1%}"
        if self.converged:
            return said
        if abs(self.change) < SMALL_CHANGE * float(self.scores.abs().sum()):
            return f"{said}: the baseline scores nearly the same, so the relative gap is large"
        return f"{said}: did not converge: raise n_steps (now {self.n_steps})"

    def __repr__(self) -> str:
        order = self.scores.abs().argsort(descending=True)[:5]
        top = ", ".join(f"{self.tokens[i].text} {float(self.scores[i]):+.2f}" for i in order)
        return (
            f"Attribution of {self.target!r} by {self.method}, {len(self.tokens)} tokens, "
            f"{self.verdict}\n  strongest: {top}\n  attribution.tokens, attribution.scores"
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
            f"by {self.method.replace('_', ' ')}, {self.verdict}<p style='line-height:1.9'>{' '.join(spans)}</p>"
            f"<small>Blue speaks for {html.escape(self.target)}, red against it.</small></div>"
        )


def attribute_text(
    lens: TextLens, input: str | tuple[str, str], target: str | int | None, *, method: str, n_steps: int
) -> Attribution:
    """See `TextLens.attribute`.

    The path leads from the same tokens replaced by padding (special tokens kept) to the text, in the space of
    word embeddings; positions, segments and the place that is read are the same at every point. Source:
    Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", eq. 1, computed by Captum with the
    Gauss-Legendre rule.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if isinstance(input, list):
        raise InputError(
            "attribute() takes one text, or one pair (str, str), at a time, not list; of several: "
            "[lens.attribute(text) for text in texts]"
        )
    if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
        raise InputError(f"n_steps must be an integer of at least 1, not {n_steps!r}")
    from captum.attr import LayerIntegratedGradients

    encoded = lens.encode(input)
    layer, logits_of = _embedding(lens), _answer(lens, encoded)
    ids = lens.batch([encoded])["input_ids"]
    baseline = _baseline(lens, ids, encoded.tokens)
    with torch.inference_mode(False), running.evaluating(lens.model), running.frozen(lens.model):
        with torch.no_grad():
            end = logits_of(ids)[0]
            with _replaced(layer, layer(baseline)):
                start = logits_of(ids)[0]
        answer = Trace((), logits=end, labels=lens.labels, activation=lens.activation)
        index = answer.prediction.index if target is None else lens.target_index(target)
        if index >= len(end):
            raise InputError(f"target {target!r} is no class: the model has {len(end)}, numbered from 0")
        gradients = LayerIntegratedGradients(logits_of, layer)
        parts = gradients.attribute(
            ids, baseline, target=index, n_steps=n_steps, internal_batch_size=BATCH if lens.batches else 1
        )
    scores = parts.detach().double().sum(-1)[0].cpu()
    change = float(end[index] - start[index])
    return Attribution(
        tokens=encoded.tokens,
        scores=scores.float(),
        target=answer.label(index),
        target_index=index,
        prediction=answer.prediction,
        gap=_gap(float(scores.sum()), change),
        change=change,
        method=method,
        n_steps=n_steps,
    )


def _answer(lens: TextLens, encoded: Encoded) -> Callable[[Tensor], Tensor]:
    """The function `ids [point, token] -> logits [point, class]` whose change is divided up."""
    head = tasks.of(lens.model)
    if head in ("token", "question") or tasks.config_of(lens.model, "is_encoder_decoder"):
        raise InputError(
            f"{type(lens.model).__name__} gives no single answer to divide up; attributions are there for sequence "
            "classification and for causal and masked language models"
        )
    place = lens.answer_place(encoded)
    if head == "masked" and place is None:
        raise InputError(
            f"a masked language model answers at {lens.tokenizer.mask_token}; put one in the text"
        )
    rest = {name: rows for name, rows in lens.batch([encoded]).items() if name != "input_ids"}

    def logits_of(ids: Tensor) -> Tensor:
        points = {name: rows.expand(len(ids), -1) for name, rows in rest.items()}
        logits = tasks.read(lens.model(input_ids=ids, **points))
        if logits is not None and logits.ndim == 3 and place is not None:
            logits = logits[:, place]
        if logits is None or logits.ndim != 2:
            raise InputError(
                f"{type(lens.model).__name__} returns no class logits; load the model with a head "
                "(…ForSequenceClassification, …ForCausalLM or …ForMaskedLM)"
            )
        return logits if logits.dtype == torch.float64 else logits.float()

    return logits_of


def _embedding(lens: TextLens) -> nn.Module:
    """The layer of word embeddings: named by the model, or else the one with the most rows."""
    try:
        layer = lens.model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        tables = [module for module in lens.model.modules() if isinstance(module, nn.Embedding)]
        layer = max(tables, key=lambda table: table.num_embeddings, default=None)
    if layer is None:
        raise InputError(
            f"{type(lens.model).__name__} has no embedding layer; give it a method get_input_embeddings()"
        )
    return layer


@contextmanager
def _replaced(layer: nn.Module, value: Tensor) -> Iterator[None]:
    """The layer answers `value` for a while, whatever it is asked."""
    handle = layer.register_forward_hook(lambda *_: value)
    try:
        yield
    finally:
        handle.remove()


def _baseline(lens: TextLens, ids: Tensor, tokens: tuple[Token, ...]) -> Tensor:
    """The input with every ordinary token replaced by padding, or by the unknown token where there is none."""
    tokenizer = lens.tokenizer
    blanks = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
    blank = next(id for id in blanks if id is not None)
    # A mask is the question, not a part of the text, and stays.
    kept = [token.special or token.id == tokenizer.mask_token_id for token in tokens]
    return torch.where(torch.tensor(kept, device=ids.device), ids, torch.full_like(ids, blank))


def _gap(total: float, change: float) -> float:
    """|total - change| / |change|; infinite where the model does not change at all but the scores do."""
    error = abs(total - change)
    return error / abs(change) if change else (0.0 if error == 0 else float("inf"))
