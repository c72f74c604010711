"""The logits of many variants of one text; what a causal model computes for a common beginning is computed once.

A variant is a text some of whose tokens are removed, or have other vectors. A state of a causal model depends on its
own token and those before it. So two variants have the same keys and values for the beginning that they share, and the
second one runs from its first different token on. Whether a model is causal, and its cache exact, is not read off its
name: it is proved on the text, see `VariantForward.values`. Where the proof fails, whole variants run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...models import _tasks
from ...models._forward import BatchBudget, evaluating
from ._forward import at_places, read

if TYPE_CHECKING:
    from ...models._protocols import TextModel

OVERHEAD = 16
"""A forward pass costs as much as this part of a full batch's tokens, besides its tokens."""

CACHED = 4
"""Tokens whose keys and values are held for a batch, relative to the tokens that run together."""

PIECES = 8
"""Into how many pieces the text is split that proves a model causal."""


@dataclass(frozen=True)
class VariantBatch:
    """Some variants, as the model takes them.

    inputs: by name, `[row, token]`, padded on the right
    points: `[row, token, d]`, the vectors that replace those of `EmbeddingForward.layer`, or None
    places: `[row]`, the position whose logits are read; None for a model that predicts once
    """

    inputs: dict[str, Tensor]
    points: Tensor | None = None
    places: Tensor | None = None

    def between(self, start: int, stop: int) -> VariantBatch:
        """The tokens from start to stop; masks begin at the first token, as a model with a cache expects."""
        inputs = {
            name: x[:, :stop] if "mask" in name else x[:, start:stop] for name, x in self.inputs.items()
        }
        points = None if self.points is None else self.points[:, start:stop]
        places = None if self.places is None else (self.places - start).clamp(max=stop - start - 1)
        return VariantBatch(inputs, points, places)


@dataclass(frozen=True)
class Variants:
    """Variants of one text.

    tokens: `[variant, token]`, numbers: variants that are equal up to a token have equal inputs up to it
    lengths: `[variant]`; ends: `[variant]`, the number of tokens after which a causal model's logits do not change
    batch: from numbers of variants to their inputs
    """

    tokens: Tensor
    lengths: Tensor
    ends: Tensor
    batch: Callable[[Sequence[int]], VariantBatch]

    def different(self, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(tokens of the different variants up to `ends`, in lexicographic order; a variant for each of them; for each
        variant which of them it is)."""
        beyond = torch.arange(self.tokens.shape[1]) >= ends.unsqueeze(1)
        padding = int(self.tokens.max()) + 1
        rows, where = self.tokens.masked_fill(beyond, padding).unique(dim=0, return_inverse=True)
        numbers = torch.empty(len(rows), dtype=torch.long)
        numbers[where] = torch.arange(len(where))
        return rows, numbers, where


class VariantForward:
    """A model as a function of variants of one text.

    output: from inputs and points to what the model returns
    side: as for `EmbeddingForward`
    alone: whether one variant runs at a time
    """

    def __init__(
        self,
        lens: TextModel,
        output: Callable[[dict[str, Any], Tensor | None], Any],
        side: str | None = None,
        alone: bool = False,
    ):
        self.lens, self.output, self.side, self.alone = lens, output, side, alone
        self.causal: bool | None = None if side is None and _takes_cache(lens.model) else False

    def values(
        self,
        variants: Variants,
        budget: BatchBudget,
        value: Callable[[Tensor], Tensor] = Tensor.cpu,
    ) -> Tensor:
        """`[variant, ...]`: `value` of the logits `[row, class]` of each batch of variants.

        Variants that are equal run once. So do beginnings that are equal, where that is faster and the proof holds: one
        variant, run in pieces that see nothing of what follows, has the keys, values and logits of the whole up to
        rounding. In half precision the results differ by its rounding.
        """
        with torch.no_grad(), evaluating(self.lens.model):
            found = None if self.causal is False else self._shared(variants, budget, value)
            return self._whole(variants, budget, value) if found is None else found

    # -- whole variants ---------------------------------------------------------------------------------------

    def _whole(self, variants: Variants, budget: BatchBudget, value: Callable[[Tensor], Tensor]) -> Tensor:
        _, numbers, where = variants.different(variants.lengths)
        lengths = variants.lengths[numbers]
        order = lengths.argsort(descending=True, stable=True)
        values: list[Tensor] = []
        first = 0
        while first < len(order):
            length = int(lengths[order[first]])
            rows = 1 if self.alone else min(budget.rows(length), len(order) - first)
            with budget.attempt(rows, length):
                values.append(
                    value(self._logits(variants.batch(numbers[order[first : first + rows]].tolist())))
                )
                first += rows
        return torch.cat(values)[order.argsort()][where]

    def _logits(self, batch: VariantBatch, **options: Any) -> Tensor:
        inputs = at_places(self.lens.model, batch.inputs, batch.places)
        output = self.output({**inputs, **options}, batch.points)
        return read(self.lens.model, output, inputs, batch.places, self.side)

    # -- common beginnings ------------------------------------------------------------------------------------

    def _shared(
        self, variants: Variants, budget: BatchBudget, value: Callable[[Tensor], Tensor]
    ) -> Tensor | None:
        """As `values`, with the keys and values of common beginnings; None where that is not faster or not exact."""
        rows, numbers, where = variants.different(variants.ends)
        ends = variants.ends[numbers]
        same = (rows[1:] == rows[:-1]).cumprod(1).sum(1)
        common = torch.cat([torch.zeros(1).long(), same.minimum(ends[1:] - 1)])  # at least one token runs
        plan = _Plan(common.tolist(), ends.tolist(), self.alone)
        if not self._pays(plan, variants, budget) or not self._proven(variants, numbers):
            return None
        values: list[Tensor] = []
        first, states = 0, []
        while first < len(rows):
            stop, begin, end = plan.batch(first, budget.tokens)
            with budget.attempt(stop - first, end - begin):
                batch = variants.batch(numbers[first:stop].tolist())
                logits, grown = self._continued(batch, begin, end, states)
                values.append(value(logits))
                # Those of the last row alone: in this order it has most in common with the next one.
                states = [[x[-1:].clone() for x in layer] for layer in grown] if stop > first + 1 else grown
                first = stop
        return torch.cat(values)[where]

    def _pays(self, plan: _Plan, variants: Variants, budget: BatchBudget) -> bool:
        """Whether common beginnings save more than the proof costs, in tokens and forward passes."""
        _, numbers, _ = variants.different(variants.lengths)
        length = int(variants.lengths.max())
        per_pass = budget.tokens / OVERHEAD
        passes = len(numbers) if self.alone else len(numbers) / min(budget.rows(length), len(numbers))
        whole = int(variants.lengths[numbers].sum()) + passes * per_pass
        proof = 0 if self.causal else 3 * length + (PIECES + 3) * per_pass
        return plan.cost(budget.tokens) + proof < whole

    def _continued(
        self, batch: VariantBatch, begin: int, end: int, states: list[list[Tensor]]
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """(logits `[row, class]`, the keys and values of each layer) of the tokens from begin to end.

        states: keys and values `[1, head, token, d_head]` of each layer for the tokens before
        """
        cache = _cache(states, begin, len(batch.inputs["input_ids"]))
        logits = self._logits(batch.between(begin, end), past_key_values=cache, use_cache=True)
        return logits, _states(cache, end)

    def _proven(self, variants: Variants, numbers: Tensor) -> bool:
        """Whether a variant, run in pieces, has the states and the logits of the whole, up to rounding.

        It is one of the longest, since positions of some models depend on the length of a long text.
        """
        if self.causal is None:
            sizes = (variants.ends + variants.lengths)[numbers]
            longest = numbers[sizes == sizes.max()]
            number = int(longest[len(longest) // 2])
            try:
                self.causal = self._same_in_pieces(variants.batch([number]), int(variants.ends[number]))
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ImportError):
                self.causal = False  # the model does not take this cache
        return self.causal

    def _same_in_pieces(self, batch: VariantBatch, end: int) -> bool:
        if not all(len(x) == 1 and _constant(name, x) for name, x in batch.inputs.items()):
            return False
        logits, states = self._continued(batch, 0, end, [])
        expected = self._logits(batch)
        bounds = sorted({0, min(1, end - 1), *(end * piece // PIECES for piece in range(PIECES)), end})
        pieced, grown = None, []
        for begin, stop in pairwise(bounds):
            pieced, grown = self._continued(batch, begin, stop, grown)
        pairs = [(logits, expected), (pieced, expected)]
        for layer, other in zip(states, grown, strict=True):
            pairs += zip(layer, other)
        eps = torch.finfo(self.lens.dtype).eps
        return all(_close(some, others, eps) for some, others in pairs)


class _Plan:
    """Which variants, in lexicographic order, run together.

    common: for each variant how many tokens it shares with the one before; ends: how many tokens it has
    """

    def __init__(self, common: list[int], ends: list[int], alone: bool):
        self.common, self.ends, self.alone = common, ends, alone

    def batch(self, first: int, tokens: int) -> tuple[int, int, int]:
        """(the variant after the last, first token, token after the last) of the batch that begins with `first`.

        Another variant joins if the tokens that it adds, up to those that fit, cost less than a pass of its own.
        """
        stop, begin, end = first + 1, self.common[first], self.ends[first]
        while stop < len(self.ends) and not self.alone:
            wider = min(begin, self.common[stop]), max(end, self.ends[stop])
            rows = stop + 1 - first
            cost = rows * (wider[1] - wider[0])
            apart = (rows - 1) * (end - begin) + self.ends[stop] - self.common[stop] + tokens / OVERHEAD
            if cost > min(tokens, apart) or rows * wider[1] > CACHED * tokens:
                break
            stop, (begin, end) = stop + 1, wider
        return stop, begin, end

    def cost(self, tokens: int) -> float:
        """All batches, in tokens."""
        first, total = 0, 0.0
        while first < len(self.ends):
            stop, begin, end = self.batch(first, tokens)
            total += (stop - first) * (end - begin) + tokens / OVERHEAD
            first = stop
        return total


# -- what a text ends with ------------------------------------------------------------------------------------


def read_up_to(model: nn.Module, ids: Tensor, lengths: Tensor) -> Tensor:
    """`[row]`, the number of tokens up to the one at which a causal classifier predicts: the last that is not padding,
    or the last where the model has no padding token.

    ids: `[row, token]`; lengths: `[row]`
    """
    config = getattr(model, "config", None)
    pad = getattr(
        config.get_text_config() if hasattr(config, "get_text_config") else config, "pad_token_id", None
    )
    if pad is None:
        return lengths
    numbers = torch.arange(1, ids.shape[1] + 1)
    read = (ids.cpu() != pad) & (numbers <= lengths.unsqueeze(1))
    return (numbers * read).amax(1).clamp(min=1)


# -- keys and values ------------------------------------------------------------------------------------------


def _takes_cache(model: nn.Module) -> bool:
    """Whether the model's forward takes transformers' cache of keys and values of one stack."""
    taken = inspect.signature(model.forward).parameters
    needed = {"input_ids", "attention_mask", "past_key_values", "use_cache"}
    return needed <= taken.keys() and not _tasks.config_of(model, "is_encoder_decoder")


def _constant(name: str, x: Tensor) -> bool:
    """Whether an input other than the ids is the same at each token: token types can open a mask to later tokens."""
    return name == "input_ids" or bool((x == x[:, :1]).all())


def _cache(states: list[list[Tensor]], length: int, rows: int) -> Any:
    """A cache of the first `length` tokens of one row, for `rows` rows; nothing is copied."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache = DynamicCache()
    if length:
        for keys, values in states:
            layer = DynamicLayer()
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = (x[:, :, :length].expand(rows, -1, -1, -1) for x in (keys, values))
            cache.layers.append(layer)
    return cache


def _states(cache: Any, length: int) -> list[list[Tensor]]:
    """Keys and values of each layer. Raises ValueError where a layer does not hold those of all tokens."""
    states = [[layer.keys, layer.values] for layer in cache.layers]
    if not states or any(x.ndim != 4 or x.shape[2] != length for layer in states for x in layer):
        raise ValueError("the model does not keep the keys and values of all tokens")
    return states


def _close(some: Tensor, others: Tensor, eps: float) -> bool:
    """Whether half of the digits agree: of logits `[row, class]`, or of states `[row, head, token, d_head]` at each
    token relative to the mean over tokens."""
    axes = (0, 1, 3) if others.ndim == 4 else (0, 1)
    size, off = (x.double().pow(2).sum(axes) for x in (others, some.double() - others.double()))
    return bool((off <= eps * size.mean()).all())
