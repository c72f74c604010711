"""The logits of one text without some of its parts, as leave-one-out, faithfulness and counterfactual searches need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...data._trace import Token
from ...errors import InputError, unknown_name
from ...models._forward import BatchBudget, call, evaluating
from ...models._text_inputs import Encoded
from ._forward import EmbeddingForward
from ._merging import joined
from ._variants import VariantBatch, VariantForward, Variants, read_up_to

if TYPE_CHECKING:
    from ...models._protocols import TextModel

WAYS = ("pad", "mask", "delete")
"""A removed token gets the word embedding of padding (of the unknown token where there is none) or of the mask token,
at its position, or is cut out."""


class TextPerturbation:
    """One text with some of its tokens removed.

    input: a text, a pair, or an encoded one
    by: "pad", "mask" or "delete"
    groups: token positions that are removed together (the tokens of a word); each ordinary token alone by default
    place, side: as for `EmbeddingForward`

    parts: the tokens that can be removed, in the order of `groups`; special tokens always stay, and so does the
        mask at which a masked language model predicts.

    >>> removal = TextPerturbation(lens, "not a bad film")
    >>> removal.logits(torch.eye(len(removal.parts)) == 0)   # [part, class]: without the first, the second, ...
    """

    def __init__(
        self,
        lens: TextModel,
        input: str | tuple[str, str] | Encoded,
        by: str = "pad",
        groups: Sequence[Sequence[int]] | None = None,
        place: int | None = None,
        side: str | None = None,
    ):
        if by not in WAYS:
            raise unknown_name("way of removing", by, WAYS)
        self.lens, self.by, self.side = lens, by, side
        self.encoded: Encoded = input if isinstance(input, Encoded) else lens.encode(input)
        self.place = lens.answer_place(self.encoded) if place is None else place
        self.groups = ordinary(lens, self.encoded.tokens) if groups is None else [list(g) for g in groups]
        self.blank = blank(lens.tokenizer, by) if by != "delete" else None
        if by == "delete" and side is not None:
            raise InputError(
                "the classes of question answering are positions in the text; remove by 'pad' or 'mask'"
            )

    @property
    def parts(self) -> tuple[Token, ...]:
        """The removable parts: one token per group, with a word's tokens joined."""
        tokens = self.encoded.tokens
        return tuple(joined([tokens[i] for i in group], self.encoded.text) for group in self.groups)

    def logits(self, kept: Tensor, budget: BatchBudget | None = None) -> Tensor:
        """The logits `[row, class]` with only the parts where `kept` `[row, part]` is True, on the CPU.

        Rows run together as far as the budget of tokens allows; rows that are equal run once.
        """
        kept = torch.as_tensor(kept, dtype=torch.bool).cpu()
        if kept.ndim != 2 or kept.shape[1] != len(self.groups) or not len(kept):
            raise InputError(f"kept must be [row, part] of {len(self.groups)} parts, not {list(kept.shape)}")
        stays = self._stays(kept)
        variants = self._cut(stays) if self.by == "delete" else self._replaced.variants(stays)
        return self._variant_forward.values(variants, budget or BatchBudget.of(self.lens.device))

    def _stays(self, kept: Tensor) -> Tensor:
        """bool `[row, token]`: the tokens that stay."""
        stays = torch.ones(len(kept), len(self.encoded), dtype=torch.bool)
        for group, stay in zip(self.groups, kept.T):
            stays[:, group] &= stay.unsqueeze(1)
        if self.by == "delete":  # a decoder's text without special tokens: at least one token is needed
            stays[~stays.any(1), -1] = True
        return stays

    @cached_property
    def _variant_forward(self) -> VariantForward:
        alone = not self.lens.batches
        if self.by != "delete":
            return VariantForward(self.lens, self._replaced.forward.output, self.side, alone)
        return VariantForward(self.lens, lambda inputs, points: call(self.lens.model, inputs), alone=alone)

    @cached_property
    def _replaced(self) -> ReplacedTokens:
        """Word embeddings are replaced, not ids: RoBERTa computes its positions from ids, and a GPT-2 classifier
        searches them for the last token."""
        with torch.no_grad(), evaluating(self.lens.model):
            forward = EmbeddingForward(self.lens, [self.encoded], [self.place], self.side)
        blanks = forward.vectors(torch.full_like(forward.ids, self.blank))
        return ReplacedTokens(forward, blanks, forward.vectors())

    def _cut(self, stays: Tensor) -> Variants:
        lengths = stays.sum(1)
        places = torch.arange(len(self.encoded)).masked_fill(~stays, len(self.encoded)).sort(1).values
        if self.place is None:
            ids = torch.tensor([*self.encoded.inputs["input_ids"], 0])
            ends = read_up_to(self.lens.model, ids[places], lengths)
        else:
            ends = stays[:, : self.place + 1].sum(1).clamp(min=1)

        def batch(numbers: Sequence[int]) -> VariantBatch:
            texts = [self._without(places[i, : lengths[i]].tolist()) for i in numbers]
            inputs = self.lens.inputs([encoded for encoded, _ in texts])
            found = [place for _, place in texts]
            return VariantBatch(
                inputs, places=None if None in found else torch.tensor(found, device=self.lens.device)
            )

        return Variants(places, lengths, ends, batch)

    def _without(self, stays: list[int]) -> tuple[Encoded, int | None]:
        """The text of the tokens that stay, and the position of its prediction."""
        inputs = {name: [row[i] for i in stays] for name, row in self.encoded.inputs.items()}
        tokens = tuple(self.encoded.tokens[i] for i in stays)
        place = self.place
        if place is not None and not self.encoded.output_ids:
            place = max(sum(i <= self.place for i in stays) - 1, 0)
        return replace(self.encoded, inputs=inputs, tokens=tokens), place


class ReplacedTokens:
    """Variants of one text whose tokens have one of two vectors each, at their positions.

    removed, kept: `[text, token, d]`, in the space of `forward.layer`; example: which text
    """

    def __init__(self, forward: EmbeddingForward, removed: Tensor, kept: Tensor, example: int = 0):
        size = len(forward.encoded[example])
        self.forward, self.example = forward, example
        self.removed, self.kept = removed[example, :size], kept[example, :size]

    def variants(self, stays: Tensor) -> Variants:
        """The variants that keep the tokens where `stays` `[variant, token]` is True."""
        forward, lengths = self.forward, torch.full((len(stays),), stays.shape[1])
        if forward.places is None:
            ids = forward.ids[self.example, : stays.shape[1]].expand(stays.shape)
            ends = read_up_to(forward.lens.model, ids, lengths)
        else:
            ends = (forward.places[self.example].cpu() + 1).expand(len(stays))

        def batch(numbers: Sequence[int]) -> VariantBatch:
            chosen = stays[numbers].unsqueeze(-1).to(self.kept.device)
            points = torch.where(chosen, self.kept, self.removed)
            examples = torch.full((len(numbers),), self.example, device=points.device)
            places = None if forward.places is None else forward.places[examples]
            return VariantBatch(forward.inputs_of(examples), points, places)

        return Variants((~stays).byte(), lengths, ends, batch)


def ordinary(lens: TextModel, tokens: Sequence[Token]) -> list[list[int]]:
    """Each token, as a group of its own, that is neither special nor the mask at which a masked model predicts."""
    mask = lens.tokenizer.mask_token_id
    return [[i] for i, token in enumerate(tokens) if not token.special and token.id != mask]


def blank(tokenizer: Any, by: str = "pad") -> int:
    """The id of an uninformative token: padding, else the unknown token, else the end of the text; or the mask.

    Raises InputError for by="mask" where the tokenizer has no mask token.
    """
    if by == "mask":
        if tokenizer.mask_token_id is None:
            raise InputError(f"{type(tokenizer).__name__} has no mask token; use 'pad' or 'delete'")
        return tokenizer.mask_token_id
    known = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
    return next(id for id in known if id is not None)
