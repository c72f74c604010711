"""Where a path to a text begins: the same text without its words, in one of several senses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError, unknown_name
from ._forward import EmbeddingForward
from ._perturbation import blank, ordinary

BASELINES = ("pad", "mask", "zero", "mean")
"""Ordinary tokens become padding, the mask token, vectors of zeros, or the mean of all word embeddings."""

PART = 8192
"""Word embeddings that are summed up together: all of a large vocabulary in float32 would take gigabytes."""

Baseline = str | Tensor | Sequence[int]


def named(baseline: Any) -> list[tuple[str, Baseline]]:
    """(name, baseline) of one baseline or of a list of several, checked as far as it goes without a model.

    Raises InputError for a name that is none; a text as a baseline has at least two words.
    """
    several = isinstance(baseline, list | tuple) and not _ids(baseline)
    found = []
    for one in baseline if several else [baseline]:
        if isinstance(one, str):
            if one not in BASELINES and len(one.split()) < 2:
                error = unknown_name("baseline", one, BASELINES)
                raise InputError(
                    f"{error} A text of several words, token ids, a tensor [token, d] or a list of these may "
                    "stand there too."
                )
            found.append((one if one in BASELINES else repr(one), one))
        elif isinstance(one, Tensor):
            found.append(("own vectors" if one.is_floating_point() else "own ids", one))
        elif _ids(one):
            found.append(("own ids", one))
        else:
            raise InputError(
                f"baseline must be one of {', '.join(BASELINES)}, a text, token ids, a tensor [token, d], or a list of "
                f"these, not {one!r}"
            )
    if not found:
        raise InputError("baseline=[] names no baseline; omit it for padding")
    return found


def per_token(baseline: Baseline) -> bool:
    """Whether a baseline has an entry for each token, and so belongs to one text."""
    if isinstance(baseline, Tensor):
        return baseline.ndim > 1 or not baseline.is_floating_point()
    return _ids(baseline)


def start(answer: EmbeddingForward, baseline: Baseline) -> Tensor:
    """Word embeddings `[text, token, d]` where the path begins; special tokens are those of the text.

    A baseline text stands, token by token, in the places of the ordinary tokens: cut where it is longer, filled
    with padding where it is shorter.
    """
    kept = _kept(answer)
    end = answer.vectors()
    if isinstance(baseline, str) and baseline in ("zero", "mean"):
        there = torch.zeros_like(end[0, 0]) if baseline == "zero" else _mean(answer)
        return torch.where(kept.unsqueeze(-1), end, there)
    if isinstance(baseline, Tensor) and baseline.is_floating_point():
        if baseline.shape not in (end.shape[1:], end.shape[2:], end.shape):
            raise InputError(
                f"a baseline of vectors must be [token, d] = {list(end.shape[1:])} or [d], not {list(baseline.shape)}"
            )
        return torch.where(kept.unsqueeze(-1), end, baseline.detach().to(end))
    if isinstance(baseline, str) and baseline not in BASELINES:
        ids = answer.lens.tokenizer(baseline, add_special_tokens=False, verbose=False)["input_ids"]
        return answer.vectors(_laid(answer, kept, ids))
    if isinstance(baseline, str):
        there = torch.full_like(answer.ids, blank(answer.lens.tokenizer, baseline))
        return answer.vectors(torch.where(kept, answer.ids, there))
    return answer.vectors(_checked(answer, baseline))


def _kept(answer: EmbeddingForward) -> Tensor:
    """`[text, token]`: special tokens, the mask of a masked language model, and the padding of the batch."""
    kept = torch.ones_like(answer.ids, dtype=torch.bool)
    for row, encoded in enumerate(answer.encoded):
        for (place,) in ordinary(answer.lens, encoded.tokens):
            kept[row, place] = False
    return kept


def _mean(answer: EmbeddingForward) -> Tensor:
    """`[d]`: the mean of all word embeddings, a part of the vocabulary at a time."""
    ids = torch.arange(answer.tables[0].weight.shape[0], device=answer.ids.device)
    return sum(answer.vectors(part[None])[0].sum(0) for part in ids.split(PART)) / len(ids)


def _ids(baseline: Any) -> bool:
    whole = isinstance(baseline, list | tuple) and len(baseline) > 0
    return whole and all(isinstance(part, int) and not isinstance(part, bool) for part in baseline)


def _laid(answer: EmbeddingForward, kept: Tensor, ids: Sequence[int]) -> Tensor:
    found = answer.ids.clone()
    empty = blank(answer.lens.tokenizer)
    for row in range(len(found)):
        places = (~kept[row]).nonzero()[:, 0]
        filled = (list(ids) + [empty] * len(places))[: len(places)]
        found[row, places] = torch.tensor(filled, device=found.device, dtype=found.dtype)
    return found


def _checked(answer: EmbeddingForward, ids: Tensor | Sequence[int]) -> Tensor:
    """Own ids, one for each token of the text."""
    ids = torch.as_tensor(ids, device=answer.ids.device)
    size, rows = answer.ids.shape[1], answer.tables[0].weight.shape[0]
    if ids.shape not in ((size,), (1, size)):
        raise InputError(
            f"a baseline of ids must have one id for each of the {size} tokens, not {list(ids.shape)}"
        )
    if int(ids.min()) < 0 or int(ids.max()) >= rows:
        raise InputError(f"baseline ids must be from 0 to {rows - 1}, the model's vocabulary")
    return ids.reshape(1, size).expand(len(answer.ids), size)
