"""Baselines of texts, the start of a path: the same text without its words, in one of several senses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..._checks import as_integer
from ...errors import InputError, unknown_name
from ._forward import EmbeddingForward
from ._perturbation import blank, ordinary

BASELINES = ("pad", "mask", "zero", "mean")
"""Ordinary tokens become padding, the mask token, vectors of zeros, or the mean of all word embeddings."""

PART = 8192
"""Word embeddings that are summed together: all of a large vocabulary in float32 would take gigabytes."""

Baseline = str | Tensor | Sequence[int]


def named(baseline: Any) -> list[tuple[str, Baseline]]:
    """(name, baseline) of one baseline or of a list of several, checked as far as possible without a model.

    Raises InputError for an unknown name; a baseline text has at least two words.
    """
    several = isinstance(baseline, list | tuple) and not _ids(baseline)
    baselines = []
    for part in baseline if several else [baseline]:
        if isinstance(part, str):
            if part not in BASELINES and len(part.split()) < 2:
                error = unknown_name("baseline", part, BASELINES)
                raise InputError(
                    f"{error} A text of several words, token ids, a tensor [token, d] and lists of these "
                    "are accepted too."
                )
            baselines.append((part if part in BASELINES else repr(part), part))
        elif isinstance(part, Tensor):
            baselines.append(("own vectors" if part.is_floating_point() else "own ids", part))
        elif _ids(part):
            baselines.append(("own ids", part))
        else:
            raise InputError(
                f"baseline must be one of {', '.join(BASELINES)}, a text, token ids, a tensor [token, d], or a list of "
                f"these, not {part!r}"
            )
    if not baselines:
        raise InputError("baseline=[] names no baseline; omit it for padding")
    return baselines


def per_token(baseline: Baseline) -> bool:
    """Whether a baseline has an entry for each token, and so belongs to one text."""
    if isinstance(baseline, Tensor):
        return baseline.ndim > 1 or not baseline.is_floating_point()
    return _ids(baseline)


def start(forward: EmbeddingForward, baseline: Baseline) -> Tensor:
    """Word embeddings `[text, token, d]` where the path begins; special tokens are those of the text.

    A baseline text replaces the ordinary tokens one by one: truncated where it is longer, padded where it is
    shorter.
    """
    kept = _kept(forward)
    end = forward.vectors()
    if isinstance(baseline, str) and baseline in ("zero", "mean"):
        there = torch.zeros_like(end[0, 0]) if baseline == "zero" else _mean(forward)
        return torch.where(kept.unsqueeze(-1), end, there)
    if isinstance(baseline, Tensor) and baseline.is_floating_point():
        if baseline.shape not in (end.shape[1:], end.shape[2:], end.shape):
            raise InputError(
                f"a baseline of vectors must be [token, d] = {list(end.shape[1:])} or [d], not {list(baseline.shape)}"
            )
        return torch.where(kept.unsqueeze(-1), end, baseline.detach().to(end))
    if isinstance(baseline, str) and baseline not in BASELINES:
        ids = forward.lens.tokenizer(baseline, add_special_tokens=False, verbose=False)["input_ids"]
        return forward.vectors(_laid(forward, kept, ids))
    if isinstance(baseline, str):
        there = torch.full_like(forward.ids, blank(forward.lens.tokenizer, baseline))
        return forward.vectors(torch.where(kept, forward.ids, there))
    return forward.vectors(_checked(forward, baseline))


def _kept(forward: EmbeddingForward) -> Tensor:
    """`[text, token]`, what stays: special tokens, the mask of a masked language model, the padding of the batch."""
    kept = torch.ones(forward.ids.shape, dtype=torch.bool)
    for row, encoded in enumerate(forward.encoded):
        kept[row, [place for (place,) in ordinary(forward.lens, encoded.tokens)]] = False
    return kept.to(forward.ids.device)


def _mean(forward: EmbeddingForward) -> Tensor:
    """`[d]`: the mean of all word embeddings, computed in parts of the vocabulary."""
    ids = torch.arange(forward.tables[0].weight.shape[0], device=forward.ids.device)
    return sum(forward.vectors(part[None])[0].sum(0) for part in ids.split(PART)) / len(ids)


def _ids(baseline: Any) -> bool:
    whole = isinstance(baseline, list | tuple) and len(baseline) > 0
    return whole and all(as_integer(part) is not None for part in baseline)


def _laid(forward: EmbeddingForward, kept: Tensor, ids: Sequence[int]) -> Tensor:
    found = forward.ids.clone()
    empty = blank(forward.lens.tokenizer)
    for row in range(len(found)):
        places = (~kept[row]).nonzero()[:, 0]
        filled = (list(ids) + [empty] * len(places))[: len(places)]
        found[row, places] = torch.tensor(filled, device=found.device, dtype=found.dtype)
    return found


def _checked(forward: EmbeddingForward, ids: Tensor | Sequence[int]) -> Tensor:
    """The caller's ids, one for each token of the text."""
    ids = torch.as_tensor(ids, device=forward.ids.device)
    size, rows = forward.ids.shape[1], forward.tables[0].weight.shape[0]
    if ids.shape not in ((size,), (1, size)):
        raise InputError(
            f"a baseline of ids must have one id for each of the {size} tokens, not {list(ids.shape)}"
        )
    if int(ids.min()) < 0 or int(ids.max()) >= rows:
        raise InputError(f"baseline ids must be from 0 to {rows - 1}, the model's vocabulary")
    return ids.reshape(1, size).expand(len(forward.ids), size)
