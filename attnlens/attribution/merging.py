"""From tokens to words and sentences: scores are summed over what belongs together."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, groupby

import torch

from ..errors import unknown_name
from ..trace import Token

LEVELS = ("token", "word", "sentence")

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u9fff]+(?:['’-][^\W\u3040-\u9fff]+)*|\S"
)

_END = re.compile(r"[.!?…。！？]+[\"')\]»”’]*(?=\s|$)|\n+")
"""Where a sentence ends: its full stop with the quotes or brackets that close after it."""


def groups(tokens: Sequence[Token], text: Sequence[str], level: str) -> list[list[int]]:
    """Positions of the tokens that make up each word or sentence, in order; a special token stands alone.

    A word is a run of letters and digits, also across an apostrophe or hyphen inside ("isn't", "well-made"); other
    signs, and the characters of Chinese and Japanese, stand alone. A sentence ends after . ! ? … or with a line.

    Raises InputError for a level that is none of "token", "word", "sentence".
    """
    if level not in LEVELS:
        raise unknown_name("level", level, LEVELS)
    if level == "token":
        return [[i] for i in range(len(tokens))]
    key = _sentences(tokens, text) if level == "sentence" else _words(tokens, text)
    found: list[list[int]] = []
    for _, run in groupby(range(len(tokens)), key=key):
        numbers = list(run)
        special = tokens[numbers[0]].special
        found += [[i] for i in numbers] if special else [numbers]
    return found


def joined(tokens: Sequence[Token], text: Sequence[str]) -> Token:
    """Tokens that belong together as one, with the text that they cover."""
    first, last = tokens[0], tokens[-1]
    if first.special:
        return first
    if first.start is None or last.end is None or first.segment >= len(text):
        written = "".join(token.text.removeprefix("##") for token in tokens).strip()
        return Token(written, None, first.word, False, None, None, first.segment)
    covered = text[first.segment][first.start : last.end]
    return Token(
        covered.strip(),
        first.id if first is last else None,
        first.word,
        False,
        first.start,
        last.end,
        first.segment,
    )


def _words(tokens: Sequence[Token], text: Sequence[str]) -> Callable[[int], object]:
    if any(token.start is None and not token.special for token in tokens):
        numbers = list(accumulate(_begins(tokens)))
        return lambda i: (tokens[i].special, tokens[i].segment, numbers[i])
    starts = [[match.start() for match in _WORD.finditer(one)] for one in text]

    def number(i: int) -> object:
        token = tokens[i]
        if token.special:
            return (True, token.segment, -1)
        covered = text[token.segment][token.start : token.end]  # byte-level tokens may begin with their space
        at = token.start + len(covered) - len(covered.lstrip())
        return (False, token.segment, bisect_right(starts[token.segment], at))

    return number


def _begins(tokens: Sequence[Token]) -> list[bool]:
    """Whether each token begins a word, by the mark of its vocabulary: the tokenizer tells no spans."""
    found = []
    for before, token in zip((None, *tokens), tokens):
        edge = before is None or before.special or token.special or before.segment != token.segment
        found.append(edge or not _continues(token, tokens))
    return found


def _continues(token: Token, tokens: Sequence[Token]) -> bool:
    """By its spelling: WordPiece marks what goes on, SentencePiece and byte-level BPE what begins."""
    if any(one.text.startswith("##") for one in tokens):
        return token.text.startswith("##")
    return any(one.text.startswith(" ") for one in tokens) and not token.text.startswith(" ")


def _sentences(tokens: Sequence[Token], text: Sequence[str]) -> Callable[[int], object]:
    ends = [[match.end() for match in _END.finditer(one)] for one in text]

    def number(i: int) -> object:
        token = tokens[i]
        if token.special or token.start is None or token.segment >= len(ends):
            return (token.special, token.segment, -1)
        return (False, token.segment, sum(end <= token.start for end in ends[token.segment]))

    return number


def summed(scores: torch.Tensor, numbers: Iterable[Sequence[int]]) -> torch.Tensor:
    """`[group]`: the sum of the scores of each group."""
    return torch.stack([scores[list(group)].sum() for group in numbers])
