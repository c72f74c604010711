"""Two traces side by side: the same heads on two inputs, on one input in two checkpoints, or in two models.

Tokens are aligned first; every row of attention is then a distribution over the aligned tokens and one more outcome,
"everything else".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from .. import _checks
from ..data._trace import Token, Trace
from ..errors import InputError
from ._alignment import aligned, columns_of, side_of
from ._distance import METRICS
from ._head_pairs import all_heads, is_same, nearest_of, pair_columns, same_heads
from ._many import ModelWithInputs
from ._model_comparison import ModelComparison, of_lenses, of_traces

if TYPE_CHECKING:
    import pandas as pd


@overload
def compare(a: Trace, b: Trace, inputs: None = None, *, metric: str = "hellinger") -> Comparison: ...
@overload
def compare(
    a: Iterable[Trace] | ModelWithInputs,
    b: Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    metric: str = "hellinger",
    batch_size: int | None = None,
) -> ModelComparison: ...
def compare(
    a: Any, b: Any, inputs: Any = None, *, metric: str = "hellinger", batch_size: int | None = None
) -> Comparison | ModelComparison:
    """How differently two traces attend, or two models over many inputs, head by head.

    a, b: one model's traces of two inputs, two checkpoints' traces of one input, or the traces of two models. Where
        the numbers of layers and heads are equal, each head is paired with the same one of b; otherwise with the
        nearest. Or two iterables of traces of the same inputs, which are read once, a pair at a time, and not kept;
        or two lenses, with inputs: the result is a `ModelComparison` with means over the inputs.
    inputs: for two lenses, any iterable of inputs that both read; batch_size: how many run together, 16 by default.

    Tokens of the same text are aligned by their position in it, tokens of two texts by their spelling (special ones
    by their role), patches by their position in the grid. Attention to tokens without a partner is one more outcome;
    rows of such tokens are not compared, nor are rows masked in one of the two.

    metric: "hellinger" (0 to 1) or "jensen_shannon" (nats), as in `head_distance`.

    Raises InputError where no tokens can be aligned, grids differ, or no layer attends from tokens to tokens. Of many
    inputs, those whose tokens cannot be aligned are counted; it is an error where none is left.
    Sources: the measures of `head_distance`; alignment of texts after Ratcliff & Metzener 1988 (`difflib`).

    >>> compare(lens.trace("a fine film"), lens.trace("a dull film")).most()
    >>> compare(before, after, texts).most()  # two lenses
    """
    _checks.one_of("metric", metric, METRICS)
    lenses = [hasattr(side, "reduce") for side in (a, b)]
    if all(lenses):
        return of_lenses(a, b, inputs, metric, batch_size)
    if any(lenses) or inputs is not None or batch_size is not None:
        raise InputError(
            f"a is {type(a).__name__} and b is {type(b).__name__}; inputs and batch_size= belong to two lenses: "
            "compare(before, after, texts). Without a lens, pass two traces, or two iterables of traces"
        )
    many = [isinstance(side, Iterable) and not isinstance(side, (Trace, str)) for side in (a, b)]
    return of_traces(a, b, metric) if all(many) else _of_pair(a, b, metric)


def _of_pair(a: Trace, b: Trace, metric: str) -> Comparison:
    sides = [side_of(trace, name) for trace, name in ((a, "a"), (b, "b"))]
    alignment = aligned(*sides)
    same = is_same(*sides)
    distance, entropy_a, entropy_b = (same_heads if same else all_heads)(*sides, alignment, metric)
    names_a, names_b = (side.heads for side in sides)
    if not same:
        beside = nearest_of(distance)
        distance, entropy_b = distance[torch.arange(len(beside)), beside], entropy_b[beside]
        names_b = [names_b[n] for n in beside.tolist()]
    table = _table(names_a, names_b, distance, entropy_a, entropy_b)
    left_out = tuple(name for side in sides for name in side.left_out)
    return Comparison(a, b, alignment, "same" if same else "nearest", table, metric, left_out)


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
        rows_a, rows_b = columns_of(self.alignment)
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


def _table(
    names: list[tuple[int, int]],
    names_b: list[tuple[int, int]],
    distance: Tensor,
    entropy_a: Tensor,
    entropy_b: Tensor,
) -> pd.DataFrame:
    import pandas as pd

    columns = {
        **pair_columns(names, names_b),
        "distance": distance.numpy(),
        "entropy_a": entropy_a.numpy(),
        "entropy_b": entropy_b.numpy(),
        "entropy_change": (entropy_b - entropy_a).numpy(),
    }
    return pd.DataFrame(columns)
