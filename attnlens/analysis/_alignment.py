"""The tokens of two traces side by side: what of a trace can be compared, and which position belongs to which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ..data._attention import Attention, Windows
from ..data._trace import Layer, PatchGrid, Token, Trace
from ..errors import InputError

FIRST_TOKENS = 8
"""Tokens of each input that an error message shows."""


class Side(NamedTuple):
    """One of two traces, as far as it can be compared.

    numbers, attentions: the layers that attend from tokens to tokens
    left_out: the other layers, named
    """

    tokens: tuple[Token, ...]
    text: tuple[str, ...]
    patches: PatchGrid | None
    numbers: tuple[int, ...]
    attentions: tuple[Attention, ...]
    left_out: tuple[str, ...]

    @property
    def size(self) -> int:
        return self.attentions[0].queries

    @property
    def heads(self) -> list[tuple[int, int]]:
        """(layer, head) of every head that can be compared."""
        pairs = zip(self.numbers, self.attentions)
        return [(number, head) for number, one in pairs for head in range(one.heads)]


def side_of(trace: Trace, name: str) -> Side:
    if not isinstance(trace, Trace):
        raise InputError(
            f"compare() takes two traces; {name} is {type(trace).__name__}. Make one with lens.trace(input); many "
            "inputs are two iterables of traces, or two lenses: compare(before, after, texts)."
        )
    square = [(number, layer) for number, layer in enumerate(trace.layers) if _is_square(layer)]
    if not square:
        held = ", ".join(f"{layer.name} {_kind(layer)}" for layer in trace.layers) or "no layer at all"
        raise InputError(
            f"compare() needs layers that attend from tokens to tokens; {name} has {held}. "
            "trace[layer] has the weights of a single layer."
        )
    # An encoder-decoder is compared on its input; trace.select("decoder") on its output.
    kinds = [(layer.query_side, layer.attention.queries) for _, layer in square]
    wanted = next((kind for kind in kinds if kind[0] == "input"), kinds[0])
    numbers = tuple(number for (number, _), kind in zip(square, kinds) if kind == wanted)
    others = [layer for number, layer in enumerate(trace.layers) if number not in numbers]
    inside = wanted[0] == "input"
    return Side(
        tokens=trace.tokens if inside else trace.output_tokens,
        text=trace.text if inside else (),
        patches=trace.patches if inside else None,
        numbers=numbers,
        attentions=tuple(trace[number] for number in numbers),
        left_out=tuple(f"{name}: {layer.name} ({_kind(layer)})" for layer in others),
    )


def _is_square(layer: Layer) -> bool:
    """Whether queries and keys are the same tokens."""
    attention, side = layer.attention, layer.query_side
    same = side == layer.key_side and attention.queries == attention.keys
    return layer.kind == "self" and same and side != "other" and not isinstance(attention, Windows)


def _kind(layer: Layer) -> str:
    how = ", windows" if isinstance(layer.attention, Windows) else ""
    return f"{layer.kind}{how} {list(layer.attention.shape)}"


# -- alignment ------------------------------------------------------------------------------------------------


def aligned(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    if a.patches is not None or b.patches is not None:
        return _by_grid(a.patches, b.patches)
    if not a.tokens or not b.tokens:
        return _by_number(a, b)
    one_text = a.text and a.text == b.text and _has_spans(a) and _has_spans(b)
    pairs = _by_place(a, b) if one_text else _by_spelling(a, b)
    if not pairs:
        first = [" ".join(repr(t.text) for t in side.tokens[:FIRST_TOKENS]) for side in (a, b)]
        raise InputError(
            f"no token of a can be aligned with one of b: a begins {first[0]}, b begins {first[1]}. compare() needs "
            "two inputs that share tokens, or two traces of one input."
        )
    return pairs


def _by_grid(a: PatchGrid | None, b: PatchGrid | None) -> tuple[tuple[int, int], ...]:
    """Patches by their position in the grid; leading tokens by name."""
    grids = ["no patches" if grid is None else f"{grid.rows} x {grid.cols} patches" for grid in (a, b)]
    if grids[0] != grids[1]:
        raise InputError(
            f"a has {grids[0]} and b has {grids[1]}; compare() needs images cut into the same grid of patches"
        )
    leading = [(a.leading.index(name), b.leading.index(name)) for name in a.leading if name in b.leading]
    patches = ((len(a.leading) + n, len(b.leading) + n) for n in range(a.rows * a.cols))
    return (*leading, *patches)


def _by_number(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    if a.size != b.size:
        raise InputError(
            f"a has {a.size} positions and b {b.size}, and without tokens on both sides they cannot be aligned; make "
            "the traces with a lens, or pass inputs of equal length"
        )
    return tuple((n, n) for n in range(a.size))


def _has_spans(side: Side) -> bool:
    return all(token.special or token.start is not None for token in side.tokens)


def _by_place(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    """Tokens of one text that cover the same characters; several over one character are matched in order."""
    places = {place: n for n, place in enumerate(_numbered(_marks(b, _place)))}
    left = enumerate(_numbered(_marks(a, _place)))
    return tuple((n, places[place]) for n, place in left if place in places)


def _by_spelling(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    """The longest common runs of equally spelled tokens, in order."""
    matcher = SequenceMatcher(None, _marks(a, _spelling), _marks(b, _spelling), autojunk=False)
    blocks = matcher.get_matching_blocks()
    return tuple((block.a + n, block.b + n) for block in blocks for n in range(block.size))


def _marks(side: Side, mark: Callable[[Token, tuple[str, ...]], Hashable]) -> list[Hashable]:
    """The identity of each token; for special ones their role: before the text, or the segment that they follow."""
    marks, after = [], -1
    for token in side.tokens:
        if not token.special:
            after = token.segment
        marks.append(("special", after) if token.special else mark(token, side.text))
    return marks


def _place(token: Token, text: tuple[str, ...]) -> Hashable:
    """Segment and span, without the space before a word that some tokenizers include."""
    covered = text[token.segment][token.start : token.end]
    spaces = len(covered) - len(covered.lstrip()) if covered.strip() else 0
    return token.segment, token.start + spaces, token.end


def _spelling(token: Token, text: tuple[str, ...]) -> Hashable:
    return token.text.strip().casefold().removeprefix("##")


def _numbered(marks: list[Hashable]) -> list[tuple[Hashable, int]]:
    """Equal marks numbered: the first, the second, ..."""
    seen: Counter[Hashable] = Counter()
    numbered = []
    for mark in marks:
        numbered.append((mark, seen[mark]))
        seen[mark] += 1
    return numbered


def with_replacements(pairs: Sequence[tuple[int, int]], a: int, b: int) -> list[tuple[int, int]]:
    """The pairs of two sides of so many tokens, and between them, one by one, as many tokens of a as of b: a word and
    the one that replaces it."""
    out, last = [], (-1, -1)
    for pair in (*pairs, (a, b)):
        count = pair[0] - last[0] - 1
        if count == pair[1] - last[1] - 1:
            out += [(last[0] + n, last[1] + n) for n in range(1, count + 1)]
        out.append(pair)
        last = pair
    return out[:-1]


def columns_of(alignment: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [i for i, _ in alignment], [j for _, j in alignment]
