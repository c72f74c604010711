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
from ._forward import EmbeddingForward, read
from ._merging import joined

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
        different, where = kept.unique(dim=0, return_inverse=True)
        variants = [self._stays(row) for row in different.tolist()]
        order = sorted(range(len(variants)), key=lambda i: -self._length(variants[i]))
        budget = budget or BatchBudget()
        logits: dict[int, Tensor] = {}
        while order:
            length = self._length(variants[order[0]])
            rows = min(budget.rows(length), len(order)) if self.lens.batches else 1
            with budget.attempt(rows, length):
                logits.update(zip(order[:rows], self._run([variants[i] for i in order[:rows]])))
                order = order[rows:]
        return torch.stack([logits[i] for i in range(len(variants))])[where]

    def _stays(self, kept: list[bool]) -> list[int]:
        """The positions of the tokens that stay."""
        gone = {place for group, stays in zip(self.groups, kept) if not stays for place in group}
        found = [place for place in range(len(self.encoded)) if place not in gone]
        if (
            self.by == "delete" and not found
        ):  # a decoder's text without special tokens: at least one token is needed
            return [len(self.encoded) - 1]
        return found

    def _length(self, stays: list[int]) -> int:
        return len(stays) if self.by == "delete" else len(self.encoded)

    def _run(self, variants: list[list[int]]) -> Tensor:
        with torch.no_grad(), evaluating(self.lens.model):
            found = self._cut(variants) if self.by == "delete" else self._replaced(variants)
        return found.cpu()

    def _replaced(self, variants: list[list[int]]) -> Tensor:
        """Word embeddings are replaced, not ids: RoBERTa computes its positions from ids, and a GPT-2 classifier
        searches them for the last token."""
        words = self._forward
        stays = torch.zeros(len(variants), len(self.encoded), dtype=torch.bool)
        for row, places in zip(stays, variants):
            row[places] = True
        blanks = words.vectors(torch.full_like(words.ids, self.blank))
        points = torch.where(stays.unsqueeze(-1).to(blanks.device), words.vectors(), blanks)
        return words.logits(points, torch.zeros(len(points), dtype=torch.long, device=points.device))

    @cached_property
    def _forward(self) -> EmbeddingForward:
        return EmbeddingForward(self.lens, [self.encoded], [self.place], self.side)

    def _cut(self, variants: list[list[int]]) -> Tensor:
        texts = [self._without(stays) for stays in variants]
        inputs = self.lens.inputs([encoded for encoded, _ in texts])
        found = [place for _, place in texts]
        places = None if None in found else torch.tensor(found, device=self.lens.device)
        output = call(self.lens.model, inputs)
        return read(self.lens.model, output, places, self.side, inputs.get("attention_mask"))

    def _without(self, stays: list[int]) -> tuple[Encoded, int | None]:
        """The text of the tokens that stay, and the position of its prediction."""
        inputs = {name: [row[i] for i in stays] for name, row in self.encoded.inputs.items()}
        tokens = tuple(self.encoded.tokens[i] for i in stays)
        place = self.place
        if place is not None and not self.encoded.output_ids:
            place = max(sum(i <= self.place for i in stays) - 1, 0)
        return replace(self.encoded, inputs=inputs, tokens=tokens), place


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
