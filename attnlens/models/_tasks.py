"""What a model answers: the task head that its class or configuration names, and where its logits are."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..errors import InputError

_TASKS = {
    "ForSequenceClassification": ("sequence", "AutoModelForSequenceClassification"),
    "ForImageClassification": ("image", "AutoModelForImageClassification"),
    "ForTokenClassification": ("token", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question", "AutoModelForQuestionAnswering"),
    "ForMaskedLM": ("masked", "AutoModelForMaskedLM"),
    "ForCausalLM": ("causal", "AutoModelForCausalLM"),
    "LMHeadModel": ("causal", "AutoModelForCausalLM"),
    "ForConditionalGeneration": ("seq2seq", "AutoModelForSeq2SeqLM"),
}

LANGUAGE = ("causal", "masked", "seq2seq")
"""Heads whose classes are the vocabulary."""


def of(model: nn.Module) -> str | None:
    """The head of a model: "sequence", "image", "token", "question", "masked", "causal", "seq2seq", or None."""
    return _named(type(model).__name__, bool(config_of(model, "is_encoder_decoder")))[0]


def auto_class(config: Any) -> str:
    """The auto class of transformers for the head that a configuration names; the bare model without one."""
    named = (getattr(config, "architectures", None) or [""])[0] or ""
    return _named(named, bool(getattr(config, "is_encoder_decoder", False)))[1]


def _named(name: str, encoder_decoder: bool) -> tuple[str | None, str]:
    found = next((head for part, head in _TASKS.items() if part in name), (None, "AutoModel"))
    if encoder_decoder and found[0] == "causal":  # T5WithLMHeadModel, as old configurations have it
        return _TASKS["ForConditionalGeneration"]
    return found


def config_of(model: nn.Module, name: str) -> Any:
    """One entry of the model's configuration; None where it has none."""
    return getattr(getattr(model, "config", None), name, None)


def read(output: Any) -> Tensor | None:
    """The logits of whatever a model returns: `.logits`, the first of a tuple, or the tensor itself."""
    found = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    if found is None and not hasattr(output, "keys"):
        found = output[0] if isinstance(output, (tuple, list)) and output else output
    return found if isinstance(found, Tensor) else None


def kept(logits: Tensor | None) -> Tensor | None:
    """A copy: a view would keep the logits of the whole batch, a language model's at every token.

    Raises InputError for logits that are no numbers.
    """
    return None if logits is None else finite(logits).detach().clone()


def finite(logits: Tensor) -> Tensor:
    """The logits; InputError where they are NaN or overflow. Minus infinity is a class that a model rules out."""
    wrong = logits.isnan() | logits.isposinf()
    if bool(wrong.any()):
        raise InputError(
            f"the model's logits are not finite: {int(wrong.sum())} of {wrong.numel()} are NaN or infinite, so it "
            "predicts nothing; look for NaN in its weights (a damaged checkpoint?) and in the input, and where it runs "
            "in half precision load it in float32: model.float()"
        )
    return logits
