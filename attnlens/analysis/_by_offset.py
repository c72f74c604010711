"""What the heads attend to by relative position: tokens before and after the query, patches beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .. import _checks
from ..data._batch import AttentionBatch
from ..data._trace import PatchGrid, Trace
from ..errors import InputError
from ._axis_tokens import InputTokens, counts_of, positions_of
from ._class_means import visible_keys
from ._many import ModelWithInputs, reduced

if TYPE_CHECKING:
    import pandas as pd


def attention_by_offset(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    reach: int = 8,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """How much each head attends by relative position: a row per layer, head and offset of the key from the query.

    Columns `layer`, `head`, `name` (module path), `offset` (key - query in tokens: -1 is the token before), and

    - `weight`: the mean over all queries of their weight on the key at that offset, 0 where there is none
    - `chance`: the same of equal weights on the keys that the mask shows
    - `queries`: how many queries that is; masked ones are left out

    Of images the offset is two columns, `row_offset` and `col_offset`, in patches, from patches to patches.

    traces: one, or any iterable of traces of one model; it is read once. Or a lens, with inputs: the same table,
        computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of inputs that it reads; batch_size: how many run together, by default as many as
        the device has room for.
    reach: the largest offset that has a row of its own; all farther keys are the rows -inf and inf. Of images all
        offsets have one.

    Layers of other kinds (cross attention, channels, windows) are left out; `frame.attrs` holds their names in
    `left_out`, and the number of `inputs`. Raises InputError where there is no input, and for images of several grids.

    >>> table = attention_by_offset(lens, texts)
    >>> table[(table.layer == 2) & (table["head"] == 0)].set_index("offset")[["weight", "chance"]]
    """
    reach = _checks.integer("reach", reach, least=1)
    totals: dict[int, _OffsetSums] = {}
    names: list[str] = []
    count = 0
    for which, layers in reduced(
        traces, inputs, lambda tokens: _OffsetReducer(tokens, reach), batch_size, "attention_by_offset"
    ):
        count += len(which)
        for at, (name, sums) in enumerate(layers):
            if at == len(names):
                names.append(name)
            if sums is not None:
                totals[at] = totals[at] + sums if at in totals else sums
    if not count:
        raise InputError(
            "attention_by_offset() received no input; an iterator can be read only once: create a new one"
        )
    frame = _frame(totals, names)
    frame.attrs.update(inputs=count, left_out=[name for at, name in enumerate(names) if at not in totals])
    return frame


class _OffsetSums(NamedTuple):
    """Sums over queries: weight, chance float64 `[head, offset]` and queries `[head]`.

    grid: (rows, columns) of patches, None for a sequence; reach: of its offsets
    """

    weight: Tensor
    chance: Tensor
    queries: Tensor
    grid: tuple[int, int] | None
    reach: int

    def __add__(self, other: _OffsetSums) -> _OffsetSums:  # type: ignore[override]
        if self.grid != other.grid:
            raise InputError(
                f"images of one grid of patches have offsets in common; these are {self.grid} and {other.grid}"
            )
        sums = (mine + theirs for mine, theirs in zip(self[:3], other[:3]))
        return _OffsetSums(*sums, self.grid, self.reach)


class _OffsetReducer:
    """A reducer: `_OffsetSums` of one layer of a batch; None where its queries and keys are not the same sequence."""

    def __init__(self, tokens: InputTokens, reach: int):
        self.tokens, self.reach = tokens, reach

    def __call__(
        self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")
    ) -> _OffsetSums | None:
        square = attention.kind == "self" and sides[0] == sides[1] != "other" and attention.windows == 1
        if not square or counts_of(attention, 0) != counts_of(attention, 1):
            return None
        grid = self.tokens.grid(0) if sides[0] == "input" else None
        if grid is not None and len(grid) != attention.shape[3]:
            return None
        add = self._of_sequence if grid is None else _of_grid
        weight, chance, queries = 0.0, 0.0, 0.0
        for rows, block in attention.blocks():
            alive = (block.amax(-1) > 0).to(block.dtype)  # [batch, head, row]
            visible = visible_keys(attention, rows, block).to(block.dtype)
            equal = (visible / visible.sum(-1, keepdim=True).clamp(min=1))[:, None]
            equal = equal.expand(len(block), 1, *block.shape[2:])
            sums = [add(attention, rows, part, alive, grid) for part in (block, equal)]
            if grid is not None:
                alive = alive[..., _patches_of(rows, grid)]
            weight, chance, queries = weight + sums[0], chance + sums[1], queries + alive.sum((0, 2)).double()
        shape = None if grid is None else (grid.rows, grid.cols)
        return _OffsetSums(weight, chance, queries, shape, self.reach)

    def _of_sequence(
        self, attention: AttentionBatch, rows: slice, block: Tensor, alive: Tensor, _: None
    ) -> Tensor:
        """Float64 `[head, offset]`: farther back, -reach to reach, farther ahead.

        block: `[batch, head | 1, row, key]`
        """
        query, key = (positions_of(attention, axis) for axis in (0, 1))
        apart = key[:, None, :] - query[:, rows, None]  # [batch | 1, row, key]
        near = torch.arange(-self.reach, self.reach + 1, device=block.device)
        column = (
            torch.arange(rows.start, rows.stop, device=block.device)[:, None] + near
        )  # padding is at the ends
        inside = (column >= 0) & (column < block.shape[3])
        column = column.clamp(0, block.shape[3] - 1).expand(*block.shape[:2], -1, -1)
        weights = block.gather(-1, column) * inside
        back, ahead = (
            (block * far[:, None]).sum(-1, keepdim=True) for far in (apart < -self.reach, apart > self.reach)
        )
        sums = torch.cat([back, weights, ahead], -1) * alive.unsqueeze(-1)
        return sums.sum((0, 2)).double()


def _of_grid(attention: AttentionBatch, rows: slice, block: Tensor, alive: Tensor, grid: PatchGrid) -> Tensor:
    """Float64 `[head, (2 rows - 1) * (2 columns - 1)]`. block: `[batch, head | 1, row, key]`"""
    height, width, leading = grid.rows, grid.cols, len(grid.leading)
    picture = torch.zeros(
        alive.shape[1], 2 * height - 1, 2 * width - 1, dtype=torch.float64, device=block.device
    )
    for row in _patches_of(rows, grid).tolist():
        down, across = divmod(row + rows.start - leading, width)
        cells = (block[:, :, row, leading:] * alive[:, :, row, None]).sum(0).double()
        top, left = height - 1 - down, width - 1 - across
        picture[:, top : top + height, left : left + width] += cells.unflatten(-1, (height, width))
    return picture.flatten(1)


def _patches_of(rows: slice, grid: PatchGrid) -> Tensor:
    """The rows of a block that are patches."""
    return torch.arange(max(len(grid.leading) - rows.start, 0), rows.stop - rows.start)


def _frame(totals: dict[int, _OffsetSums], names: list[str]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for layer, sums in sorted(totals.items()):
        offsets = _offsets(sums)
        heads, size = sums.weight.shape
        queries = sums.queries.unsqueeze(-1)
        columns: dict[str, Any] = {"layer": layer, "head": [h for h in range(heads) for _ in range(size)]}
        columns["name"] = names[layer]
        columns |= {name: values * heads for name, values in offsets.items()}
        columns |= {
            name: (total / queries).flatten().cpu().numpy()
            for name, total in (("weight", sums.weight), ("chance", sums.chance))
        }
        columns["queries"] = queries.expand(heads, size).flatten().cpu().numpy().astype(int)
        parts.append(pd.DataFrame(columns))
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=["layer", "head", "name", "offset", "weight", "chance", "queries"])


def _offsets(sums: _OffsetSums) -> dict[str, list[float]]:
    """The columns that name the offsets of one head."""
    if sums.grid is None:
        return {"offset": [-math.inf, *range(-sums.reach, sums.reach + 1), math.inf]}
    height, width = sums.grid
    cells = [(row, col) for row in range(1 - height, height) for col in range(1 - width, width)]
    return {"row_offset": [row for row, _ in cells], "col_offset": [col for _, col in cells]}
