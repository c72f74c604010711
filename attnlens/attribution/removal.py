"""The model's answer to one input without some of its parts: what leave-one-out, faithfulness and searches ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import InputError, unknown_name
from ..running import Budget, answer, evaluating
from ..texts import Encoded
from ..trace import Token
from .answer import read
from .merging import joined

if TYPE_CHECKING:
    from ..lens import TextLens

WAYS = ("pad", "mask", "delete")
"""A removed token becomes padding (the unknown token where there is none), the mask token, or is cut out."""


class TextRemoval:
    """One text with some of its tokens removed.

    input: a text, a pair, or one that is encoded already
    by: "pad", "mask" or "delete"
    groups: token positions that are removed together (the tokens of a word); each ordinary token alone by default
    place, side: as for `TextAnswer`

    parts: the tokens that can be removed, in the order of `groups`; special tokens always stay, and so does the
        mask that a masked language model is asked at.

    >>> removal = TextRemoval(lens, "not a bad film")
    >>> removal.logits(torch.eye(len(removal.parts)) == 0)   # [part, class]: without the first, the second, ...
    """

    def __init__(
        self,
        lens: TextLens,
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
                "answers of question answering are places in the text; remove by 'pad' or 'mask'"
            )

    @property
    def parts(self) -> tuple[Token, ...]:
        """What can be removed: one token per group, a word's tokens as one."""
        tokens = self.encoded.tokens
        return tuple(joined([tokens[i] for i in group], self.encoded.text) for group in self.groups)

    def logits(self, kept: Tensor, budget: Budget | None = None) -> Tensor:
        """The logits `[row, class]` with only the parts where `kept` `[row, part]` is True, on the CPU.

        Rows run together as far as the budget of tokens allows; rows that are equal run once.
        """
        kept = torch.as_tensor(kept, dtype=torch.bool).cpu()
        if kept.ndim != 2 or kept.shape[1] != len(self.groups):
            raise InputError(f"kept must be [row, part] of {len(self.groups)} parts, not {list(kept.shape)}")
        different, where = kept.unique(dim=0, return_inverse=True)
        variants = [self._variant(row) for row in different.tolist()]
        order = sorted(range(len(variants)), key=lambda i: -len(variants[i][0]))
        budget = budget or Budget()
        found: dict[int, Tensor] = {}
        while order:
            rows = budget.rows(len(variants[order[0]][0])) if self.lens.batches else 1
            done = budget.fit(
                lambda size, first=order: self._run([variants[i] for i in first[:size]]),
                min(rows, len(order)),
            )
            found.update(zip(order, done))
            order = order[len(done) :]
        return torch.stack([found[i] for i in range(len(variants))])[where]

    def _variant(self, kept: list[bool]) -> tuple[Encoded, int | None]:
        """The text without what is not kept, and the place that answers then."""
        gone = {place for group, stays in zip(self.groups, kept) if not stays for place in group}
        if self.by == "delete":
            return self._without(gone)
        ids = [self.blank if i in gone else id for i, id in enumerate(self.encoded.inputs["input_ids"])]
        return replace(self.encoded, inputs={**self.encoded.inputs, "input_ids": ids}), self.place

    def _without(self, gone: set[int]) -> tuple[Encoded, int | None]:
        stays = [i for i in range(len(self.encoded)) if i not in gone]
        if not stays:  # a decoder's text without special tokens: something has to be read
            stays = [len(self.encoded) - 1]
        inputs = {name: [row[i] for i in stays] for name, row in self.encoded.inputs.items()}
        tokens = tuple(self.encoded.tokens[i] for i in stays)
        place = self.place
        if place is not None and not self.encoded.output_ids:
            place = max(sum(i <= self.place for i in stays) - 1, 0)
        return replace(self.encoded, inputs=inputs, tokens=tokens), place

    def _run(self, variants: list[tuple[Encoded, int | None]]) -> Tensor:
        inputs = self.lens.inputs([encoded for encoded, _ in variants])
        found = [place for _, place in variants]
        places = None if None in found else torch.tensor(found, device=self.lens.device)
        with torch.no_grad(), evaluating(self.lens.model):
            output = answer(self.lens.model, inputs)
            return read(self.lens.model, output, places, self.side, inputs.get("attention_mask")).cpu()


def ordinary(lens: TextLens, tokens: Sequence[Token]) -> list[list[int]]:
    """Each token that is neither special nor the mask that a masked language model is asked at, alone."""
    mask = lens.tokenizer.mask_token_id
    return [[i] for i, token in enumerate(tokens) if not token.special and token.id != mask]


def blank(tokenizer: Any, by: str = "pad") -> int:
    """The id that stands for nothing: padding, else the unknown token, else the end of the text; or the mask.

    Raises InputError where a mask is asked for and the tokenizer has none.
    """
    if by == "mask":
        if tokenizer.mask_token_id is None:
            raise InputError(f"{type(tokenizer).__name__} has no mask token; use 'pad' or 'delete'")
        return tokenizer.mask_token_id
    known = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
    return next(id for id in known if id is not None)
