"""From tokens to words and sentences: the scores of tokens that belong together are summed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby

import torch

from ...data._trace import Token
from ...errors import unknown_name

LEVELS = ("token", "word", "sentence")

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u9fff]+(?:['’-][^\W\u3040-\u9fff]+)*|\S"
)

_SIGN = re.compile(r"\S")

_END = re.compile(r"""(?:[.!?…]+["')\]»”’]*(?=\s|$)|[。！？]+["')\]»”’」』）]*|\n)\s*""")
"""The end of a sentence, up to the start of the next: its full stop with the closing quotes or brackets after it.
In Chinese and Japanese no space follows it."""


def known_level(level: str) -> None:
    """Raises InputError for an unknown level; known are "token", "word" and "sentence"."""
    if level not in LEVELS:
        raise unknown_name("level", level, LEVELS)


def groups(tokens: Sequence[Token], text: Sequence[str], level: str) -> list[list[int]]:
    """Positions of the tokens that make up each word or sentence, in order; a special token is a group of its own.

    A word is a run of letters and digits, also across an apostrophe or hyphen inside ("isn't", "well-made"); every
    other sign, and every character of Chinese and Japanese, is a word of its own. A sentence ends after . ! ? … or
    at the end of a line.

    Raises InputError for an unknown level.
    """
    known_level(level)
    if level == "token":
        return [[i] for i in range(len(tokens))]
    numbers = _numbers(tokens, text, level)
    keys = [(token.special, token.segment, number) for token, number in zip(tokens, numbers)]
    found: list[list[int]] = []
    for (special, *_), run in groupby(range(len(tokens)), key=keys.__getitem__):
        together = list(run)
        found += [[i] for i in together] if special else [together]
    return found


def joined(tokens: Sequence[Token], text: Sequence[str]) -> Token:
    """Tokens that belong together as one token, with the text that they cover."""
    first, last = tokens[0], tokens[-1]
    if first.special:
        return first
    if first.start is None or last.end is None or first.segment >= len(text):
        written = "".join(token.text.removeprefix("##") for token in tokens).strip()
        return Token(written, None, first.word, False, None, None, first.segment)
    covered = text[first.segment][first.start : last.end]
    written = covered.strip()
    start = first.start + len(covered) - len(covered.lstrip())
    id = first.id if first is last else None
    return Token(written, id, first.word, False, start, start + len(written), first.segment)


def _numbers(tokens: Sequence[Token], text: Sequence[str], level: str) -> list[int]:
    """The number of the word or sentence within its segment, for each token."""
    if any(not one.special and (one.start is None or one.segment >= len(text)) for one in tokens):
        return list(accumulate(_begins(tokens, level)))
    starts = [_starts(one, level) for one in text]
    return [
        0 if one.special else bisect_right(starts[one.segment], first_sign(one.start, text[one.segment]))
        for one in tokens
    ]


def _starts(text: str, level: str) -> list[int]:
    """The positions in a text where its words or sentences begin."""
    if level == "word":
        return [match.start() for match in _WORD.finditer(text)]
    return [match.end() for match in _END.finditer(text)]


def first_sign(start: int, text: str) -> int:
    """The position of the first sign at or after `start`: byte-level tokens begin with spaces, or are spaces."""
    found = _SIGN.search(text, start)
    return found.start() if found else len(text)


def _begins(tokens: Sequence[Token], level: str) -> list[bool]:
    """Whether each token begins a word or sentence, by its spelling alone, since its tokenizer returns no spans."""
    pieces = any(token.text.startswith("##") for token in tokens)
    spaces = any(token.text.startswith(" ") for token in tokens)
    begins_of = []
    for before, token in zip((None, *tokens), tokens):
        edge = before is None or before.special or token.special or before.segment != token.segment
        if level == "sentence":
            begins = not edge and bool(_END.fullmatch(before.text.strip()))
        elif pieces:  # WordPiece marks continuations, SentencePiece and byte-level BPE beginnings
            begins = not token.text.startswith("##")
        else:
            begins = not spaces or token.text.startswith(" ")
        begins_of.append(edge or begins)
    return begins_of


def summed(scores: torch.Tensor, numbers: Iterable[Sequence[int]]) -> torch.Tensor:
    """`[group]`: the sum of the scores of each group."""
    return torch.stack([scores[list(group)].sum() for group in numbers])
