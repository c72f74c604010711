"""What the heads attend to by class of token: from special tokens, words, punctuation to each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data._batch import AttentionBatch
from ..data._trace import PatchGrid, Token, Trace
from ..errors import InputError
from ._axis_tokens import InputTokens, counts_of, is_punctuation, laid
from ._many import ModelWithInputs, reduced

if TYPE_CHECKING:
    import pandas as pd

CLASSES = ("class", "separator", "register", "punctuation", "word", "subword", "patch", "token")
"""The classes of `token_classes`: the first token where it is special, other special tokens of a text and of an image,
Unicode punctuation, other tokens that begin a word or continue one, patches, and where tokens are not known."""

TokenClasses = Callable[[tuple[Token, ...]], Sequence[str]]
"""From the tokens of an input to the class of each."""


def attention_by_class(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    classes: TokenClasses | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """How much each head attends from one class of tokens to another: a row per layer, head and pair of classes.

    Columns `layer`, `head`, `name` (module path), `query` and `key` (the classes), and

    - `weight`: the mean over the queries of that class in all inputs of their weight on all keys of that class
    - `chance`: the same of equal weights on the keys that the mask shows; `weight / chance` compares classes of
      different sizes
    - `queries`: how many queries that is; masked ones are left out, and so are classes without queries

    A class of keys that an input lacks receives 0 there. The weights of a query sum to one over the classes of keys,
    or to less beside a sink logit. Layers that attend between channels or within windows (Swin) have no such classes;
    `frame.attrs` holds their names in `left_out`, and the number of `inputs`.

    traces: one, or any iterable of traces of one model; it is read once. Or a lens, with inputs: the same table,
        computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of inputs that it reads; batch_size: how many run together, by default as many as
        the device has room for.
    classes: a function from the tokens of one side of an input to the class of each, such as a part-of-speech tagger;
        by default `token_classes`.

    Raises InputError where there is no input, and where `classes` returns another number of classes than of tokens.
    Source: attention by class of token, Clark et al. 2019, "What Does BERT Look At?", section 3.2.

    >>> table = attention_by_class(lens, texts)
    >>> table[table.layer == 5].pivot_table("weight", ["head", "query"], "key")
    """
    numbers: dict[str, int] = {}
    totals: dict[int, _ClassSums] = {}
    names: list[str] = []
    left_out: list[str] = []
    count = 0
    of_input = token_classes if classes is None else classes
    for which, layers in reduced(
        traces, inputs, lambda tokens: _ClassReducer(tokens, of_input, numbers), batch_size, "attention_by_class"
    ):  # fmt: skip
        count += len(which)
        for at, (name, sums) in enumerate(layers):
            if sums is not None:
                totals[at] = totals[at] + sums if at in totals else sums
            if at == len(names):
                names.append(name)
                left_out += [name] if sums is None else []
    if not count:
        raise InputError(
            "attention_by_class() received no input; an iterator can be read only once: create a new one"
        )
    frame = _frame(totals, names, numbers)
    frame.attrs.update(inputs=count, left_out=left_out)
    return frame


def token_classes(tokens: Sequence[Token], patches: PatchGrid | None = None) -> list[str]:
    """The class of each token by its text and place, one of `CLASSES`.

    patches: the grid whose tokens these are, of an image
    """
    if patches is not None:
        special = ["class", *["register"] * len(patches.leading)]
        return [special[at] if token.special else "patch" for at, token in enumerate(tokens)]
    found, before = [], None
    for at, token in enumerate(tokens):
        continues = token.word is not None and before == (token.word, token.segment)
        before = token.word, token.segment
        if token.special:
            found.append("class" if at == 0 else "separator")
        elif is_punctuation(token.text):
            found.append("punctuation")
        else:
            found.append("subword" if continues else "word")
    return found


class _ClassSums:
    """Sums over the queries of a class, of all inputs so far, for one layer.

    weight, chance: float64 `[head, query class, key class]`; queries: float64 `[head, query class]`
    """

    def __init__(self, weight: Tensor, chance: Tensor, queries: Tensor):
        self.weight, self.chance, self.queries = weight, chance, queries

    def __add__(self, other: _ClassSums) -> _ClassSums:
        """The sums of both; the other one may know more classes."""
        more = other.weight.shape[-1] - self.weight.shape[-1]
        square, row = (0, more, 0, more), (0, more)
        return _ClassSums(
            torch.nn.functional.pad(self.weight, square) + other.weight,
            torch.nn.functional.pad(self.chance, square) + other.chance,
            torch.nn.functional.pad(self.queries, row) + other.queries,
        )


class _ClassReducer:
    """A reducer: `_ClassSums` of one layer of a batch; None where its queries and keys are no tokens.

    numbers: the number of each class, shared by all batches
    """

    def __init__(self, tokens: InputTokens, classes: TokenClasses, numbers: dict[str, int]):
        self.tokens, self.classes, self.numbers = tokens, classes, numbers
        self._numbered: dict[tuple[str, int, int], list[int]] = {}

    def __call__(
        self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")
    ) -> _ClassSums | None:
        if attention.windows > 1 or attention.kind == "channel":
            return None
        codes = [self._codes(attention, axis, side).to(attention.device) for axis, side in enumerate(sides)]
        kinds = torch.arange(len(self.numbers), device=attention.device)
        of_queries, of_keys = ((code.unsqueeze(-1) == kinds).to(attention.dtype) for code in codes)
        sums = _ClassSums(0.0, 0.0, 0.0)
        for rows, block in attention.blocks():
            alive = (block.amax(-1) > 0).to(block.dtype).unsqueeze(-1) * of_queries[:, None, rows]
            visible = visible_keys(attention, rows, block).to(block.dtype)
            chance = (visible / visible.sum(-1, keepdim=True).clamp(min=1)) @ of_keys
            chance = chance.expand(len(block), block.shape[2], -1)
            moved = block @ of_keys[:, None]
            sums.weight = sums.weight + torch.einsum("bhrk,bhrq->hqk", moved, alive).double()
            sums.chance = sums.chance + torch.einsum("brk,bhrq->hqk", chance, alive).double()
            sums.queries = sums.queries + alive.sum((0, 2)).double()
        return sums

    def _codes(self, attention: AttentionBatch, axis: int, side: str) -> Tensor:
        """int64 `[input, n]`: the class of each query (axis 0) or key, -1 for padding."""
        counts = counts_of(attention, axis)
        rows = [self._of_input(side, number, count) for number, count in enumerate(counts)]
        return laid(rows, (attention.real_queries, attention.real_keys)[axis], counts, -1)

    def _of_input(self, side: str, number: int, count: int) -> list[int]:
        key = side, number, count
        if key not in self._numbered:
            names = self._names(side, number, count)
            self._numbered[key] = [self.numbers.setdefault(name, len(self.numbers)) for name in names]
        return self._numbered[key]

    def _names(self, side: str, number: int, count: int) -> Sequence[str]:
        tokens = self.tokens.of_side(side, number)
        if len(tokens) != count:
            return ["token"] * count
        if self.classes is token_classes:
            return token_classes(tokens, self.tokens.grid(number) if side == "input" else None)
        names = list(self.classes(tokens))
        if len(names) != count:
            raise InputError(
                f"classes= returned {len(names)} classes for {count} tokens; it must return one of each"
            )
        return [str(name) for name in names]


def visible_keys(attention: AttentionBatch, rows: slice, block: Tensor | None) -> Tensor:
    """bool `[batch | 1, row | 1, key]`: which keys the mask shows to a query in some head.

    block: the weights of these rows where weights are stored, which alone tell
    """
    if attention.weights is not None:
        return (block > 0).any(1)
    seen = attention.seen(rows)
    if seen is None:
        return torch.ones(1, 1, attention.shape[3], dtype=torch.bool, device=attention.device)
    return seen


def _frame(totals: dict[int, _ClassSums], names: Sequence[str], numbers: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    order = sorted(numbers, key=lambda name: CLASSES.index(name) if name in CLASSES else len(CLASSES))
    at = [numbers[name] for name in order]
    parts = []
    for layer, sums in sorted(totals.items()):
        more = len(numbers) - sums.weight.shape[-1]
        queries = torch.nn.functional.pad(sums.queries, (0, more)).cpu()[:, at]
        means = [
            torch.nn.functional.pad(total, (0, more, 0, more)).cpu()[:, at][:, :, at] / queries.unsqueeze(-1)
            for total in (sums.weight, sums.chance)
        ]
        heads, size = queries.shape
        index = pd.MultiIndex.from_product([range(heads), order, order], names=["head", "query", "key"])
        rows = index.to_frame(index=False)
        rows.insert(0, "layer", layer)
        rows.insert(2, "name", names[layer])
        rows["weight"], rows["chance"] = (mean.flatten().numpy() for mean in means)
        rows["queries"] = queries.unsqueeze(-1).expand(heads, size, size).flatten().numpy().astype(int)
        parts.append(rows[rows["queries"] > 0])
    columns = ["layer", "head", "name", "query", "key", "weight", "chance", "queries"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
