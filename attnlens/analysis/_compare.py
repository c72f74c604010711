"""Two traces side by side: the same heads on two inputs, on one input in two checkpoints, or in two models.

Tokens are aligned first; every row of attention is then a distribution over the aligned tokens and one more outcome,
"everything else".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention, Windows
from ..data._trace import Layer, PatchGrid, Token, Trace
from ..errors import InputError
from ._distance import METRICS, RowBlock, divergences, mean_distance, outcomes, p_log_p, row_blocks

if TYPE_CHECKING:
    import pandas as pd

FIRST_TOKENS = 8
"""Tokens of each input that an error message shows."""


def compare(a: Trace, b: Trace, *, metric: str = "hellinger") -> Comparison:
    """How differently two traces attend, head by head.

    a, b: one model's traces of two inputs, two checkpoints' traces of one input, or the traces of two models. Where
    the numbers of layers and heads are equal, each head is paired with the same one of b; otherwise with the nearest.

    Tokens of the same text are aligned by their position in it, tokens of two texts by their spelling (special ones
    by their role), patches by their position in the grid. Attention to tokens without a partner is one more outcome;
    rows of such tokens are not compared, nor are rows masked in one of the two.

    metric: "hellinger" (0 to 1) or "jensen_shannon" (nats), as in `head_distance`.

    Raises InputError where no tokens can be aligned, grids differ, or no layer attends from tokens to tokens.
    Sources: the measures of `head_distance`; alignment of texts after Ratcliff & Metzener 1988 (`difflib`).

    >>> compare(lens.trace("a fine film"), lens.trace("a dull film")).most()
    """
    _checks.one_of("metric", metric, METRICS)
    sides = [_side(trace, name) for trace, name in ((a, "a"), (b, "b"))]
    alignment = _aligned(*sides)
    heads = [[one.heads for one in side.attentions] for side in sides]
    matched = "same" if heads[0] == heads[1] else "nearest"
    table = (_same if matched == "same" else _nearest)(*sides, alignment, metric)
    left_out = tuple(name for side in sides for name in side.left_out)
    return Comparison(a, b, alignment, matched, table, metric, left_out)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two traces, compared head by head.

    a, b: the traces
    alignment: pairs of positions, (in a, in b)
    matched: "same" where heads are paired by number, "nearest" where by the smallest distance
    heads: DataFrame, a row per head of a: layer, head, layer_b, head_b, distance, and entropy_a, entropy_b, the
        mean entropies of their rows over the aligned outcomes in nats, and entropy_change, b minus a
    metric: the measure of `distance`: "hellinger" or "jensen_shannon"
    left_out: layers that do not attend from token to token, each as "a: path (kind)"
    """

    a: Trace
    b: Trace
    alignment: tuple[tuple[int, int], ...]
    matched: str
    heads: pd.DataFrame
    metric: str = "hellinger"
    left_out: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The aligned tokens of a."""
        tokens, _ = self.a.axis_tokens(int(self.heads["layer"].iloc[0]))
        return tuple(tokens[i] for i, _ in self.alignment)

    @property
    def only_special(self) -> bool:
        """Whether only special tokens are aligned, so that the distances carry little information."""
        return all(token.special for token in self.tokens)

    def most(self, count: int = 5) -> pd.DataFrame:
        """The heads that differ most, the most different first; at most `count` of them."""
        count = _checks.integer("count", count, least=1)
        known = self.heads.dropna(subset="distance")
        return known.sort_values("distance", ascending=False, kind="stable").head(count)

    def difference(self, layer: int, head: int) -> Tensor:
        """One head's weights in b minus those in a, `[query, key]` over the aligned tokens.

        layer, head: numbers of a, as in `a[layer, head]`; the head of b is the one in `heads`.

        Raises InputError for a head that was not compared.
        """
        pair = self._pair(layer, head)
        rows_a, rows_b = _columns(self.alignment)
        before = self.a[pair["layer"]][pair["head"], rows_a, rows_a]
        after = self.b[pair["layer_b"]][pair["head_b"], rows_b, rows_b]
        return after.to(before.device) - before

    def _pair(self, layer: int, head: int) -> dict[str, int]:
        layer = _checks.position("layer", layer, len(self.a))
        head = _checks.position("head", head, self.a[layer].heads)
        rows = self.heads[(self.heads["layer"] == layer) & (self.heads["head"] == head)]
        if rows.empty:
            known = ", ".join(map(str, self.heads["layer"].unique()))
            raise InputError(
                f"layer {layer} of a, {self.a.layers[layer].name!r}, was not compared: it does not attend from tokens "
                f"to tokens; pass one of layers {known}"
            )
        return {name: int(rows[name].iloc[0]) for name in ("layer", "head", "layer_b", "head_b")}

    def __repr__(self) -> str:
        return "\n".join([*_summary(self), *_HELP])


_HELP = (
    "  comparison.heads                    DataFrame, a row per head of a: distance, entropies, its head of b",
    "  comparison.most(5)                  the heads that differ most",
    "  comparison.difference(layer, head)  Tensor [query, key] of the aligned tokens, b minus a",
)


def _summary(comparison: Comparison) -> list[str]:
    a, b, heads = comparison.a, comparison.b, comparison.heads
    names = [f"{trace.model or 'a model'} ({side})" for trace, side in ((a, "a"), (b, "b"))]
    sizes = [trace[int(heads[name].iloc[0])].queries for trace, name in ((a, "layer"), (b, "layer_b"))]
    beside = "the same of b" if comparison.matched == "same" else "the nearest of b"
    distance = heads["distance"]
    lines = [
        f"Comparison of {names[0]} with {names[1]}: {len(comparison.alignment)} tokens aligned, "
        f"of {sizes[0]} in a and {sizes[1]} in b",
        f"  {len(heads)} head{'s' * (len(heads) != 1)} of a beside {beside}, {comparison.metric} distance "
        f"{distance.min():.3g} to {distance.max():.3g}, mean {distance.mean():.3g}",
    ]
    if a.prediction is not None and b.prediction is not None:
        lines.append(f"  prediction: {a.prediction} in a, {b.prediction} in b")
    if comparison.only_special:
        lines.append("  only special tokens are aligned: the distances carry little information")
    if comparison.left_out:
        lines.append(f"  left out, not from tokens to tokens: {', '.join(comparison.left_out)}")
    return lines


# -- one trace --------------------------------------------------------------------------------------


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


def _side(trace: Trace, name: str) -> Side:
    if not isinstance(trace, Trace):
        raise InputError(
            f"compare() takes two traces; {name} is {type(trace).__name__}. Make one with lens.trace(input)."
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


def _aligned(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
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


def _columns(alignment: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [i for i, _ in alignment], [j for _, j in alignment]


# -- head by head -----------------------------------------------------------------------------------------


def _same(a: Side, b: Side, alignment: Sequence[tuple[int, int]], metric: str) -> pd.DataFrame:
    """Each head paired with the one of equal number: one layer of each at a time."""
    layers = [
        _means([one], [other], alignment, metric, _one_by_one)
        for one, other in zip(a.attentions, b.attentions)
    ]
    distance, *entropies = (torch.cat(parts) for parts in zip(*layers))
    return _table(_names(a), _names(b), distance, *entropies)


def _nearest(a: Side, b: Side, alignment: Sequence[tuple[int, int]], metric: str) -> pd.DataFrame:
    """Each head of a paired with the nearest head of b."""
    distance, entropy_a, entropy_b = _means(a.attentions, b.attentions, alignment, metric, divergences)
    least, beside = distance.nan_to_num(torch.inf).min(1)
    names = _names(b)
    least = least.masked_fill(least.isinf(), torch.nan)
    return _table(_names(a), [names[n] for n in beside.tolist()], least, entropy_a, entropy_b[beside])


def _names(side: Side) -> list[tuple[int, int]]:
    return [(n, head) for n, one in zip(side.numbers, side.attentions) for head in range(one.heads)]


Measure = Callable[[RowBlock, RowBlock, str], tuple[Tensor, Tensor]]


def _means(
    a: Sequence[Attention],
    b: Sequence[Attention],
    alignment: Sequence[tuple[int, int]],
    metric: str,
    measure: Measure,
) -> tuple[Tensor, Tensor, Tensor]:
    """(distances, entropies of the heads of a, of b), means over the aligned queries that are not masked."""
    keys_a, keys_b = _columns(alignment)
    width = max(a[0].keys, b[0].keys) * (sum(left.heads for left in a) + sum(left.heads for left in b))
    sums: list[Tensor] = []
    for block in row_blocks(len(alignment), width, a[0].device):
        left = outcomes(a, keys_a[block], keys_a)
        right = outcomes(b, keys_b[block], keys_b).to(left.shares.device)
        found = [*measure(left, right, metric), *_entropy(left), *_entropy(right)]
        sums = [total + part.cpu() for total, part in zip(sums or [0.0] * len(found), found)]
    total, count, entropy_a, rows_a, entropy_b, rows_b = sums
    return mean_distance(total, count, metric), entropy_a / rows_a, entropy_b / rows_b


def _one_by_one(a: RowBlock, b: RowBlock, metric: str) -> tuple[Tensor, Tensor]:
    """As `divergences`, but only of heads with equal number: `[head]` each."""
    p, q = a.shares.double(), b.shares.double()
    if metric == "hellinger":
        apart = (p.sqrt() - q.sqrt()).square().sum(-1) / 2
    else:
        apart = (p_log_p(p) + p_log_p(q)) / 2 - p_log_p((p + q) / 2)
    both = (a.seen & b.seen).double()
    return (apart * both).sum(-1), both.sum(-1)


def _entropy(rows: RowBlock) -> tuple[Tensor, Tensor]:
    """(sum over rows of their entropy in nats, number of these rows), float64 `[head]`."""
    return -p_log_p(rows.shares).sum(-1), rows.seen.double().sum(-1)


def _table(
    names: list[tuple[int, int]],
    names_b: list[tuple[int, int]],
    distance: Tensor,
    entropy_a: Tensor,
    entropy_b: Tensor,
) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "layer": [layer for layer, _ in names],
        "head": [head for _, head in names],
        "layer_b": [layer for layer, _ in names_b],
        "head_b": [head for _, head in names_b],
        "distance": distance.numpy(),
        "entropy_a": entropy_a.numpy(),
        "entropy_b": entropy_b.numpy(),
        "entropy_change": (entropy_b - entropy_a).numpy(),
    }
    return pd.DataFrame(columns)
