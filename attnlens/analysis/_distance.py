"""Distances between the attention of all heads on the same input, and neighbours, clusters and maps derived from them.

A head is one distribution over keys per query. Two heads are compared query by query; the mean over all queries of
all inputs is their distance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import _checks
from ..data._attention import Attention, Index
from ..data._batch import AttentionBatch
from ..data._trace import Trace
from ..errors import InputError
from ..kernels._fused import overlaps
from ._axis_tokens import InputTokens
from ._many import ModelWithInputs, batch_of_layer, of_lens, traces_of
from ._rollout import advice, check_shares

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("hellinger", "jensen_shannon")

BLOCK_ELEMENTS = 1 << 20
"""The number of weights, of all heads together, held at once (8 MiB in float64); at least one row of each head."""

BLOCK_ELEMENTS_ON_GPU = 1 << 25
"""The same on a GPU (256 MiB), which small blocks would leave idle."""


def head_distance(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    metric: str = "hellinger",
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Distances between all heads, a DataFrame `[layer*head, layer*head]` with (layer, head) on both axes.

    0 on the diagonal: the same head; the larger, the less two heads attend to the same keys. The measure is computed
    per query and averaged over all queries of all inputs; queries masked in one of the two heads are left out, and a
    pair that shares none is NaN. Where a sink takes a part of a row, that part is one more outcome.

    traces: one, or any iterable of traces of one model; it is read once and no trace is kept. Or a lens, with inputs:
        the same table, computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of inputs that it reads; batch_size: how many run together, by default as many as
        the device has room for.
    metric: "hellinger", the square root of the mean of `1 - sum_j sqrt(p_j q_j)`: a metric from 0 to 1; all pairs
        of a block are one matrix product. "jensen_shannon", the mean divergence in nats, 0 to ln 2: slower, with
        nearly the same ranking of pairs.

    `frame.attrs` holds the metric, the numbers of inputs and queries, and `fewest_queries`: each known distance is a
    mean over at least so many. Both numbers of queries are equal where no head masks a row that another one sees.

    Raises InputError where heads differ in their queries or keys (see `trace.select`).
    Sources: Hellinger 1909; Lin 1991, "Divergence Measures Based on the Shannon Entropy"; heads are compared in this
    way in Clark et al. 2019, "What Does BERT Look At?", section 6, which sums smoothed weights over queries; here it
    is a mean of the weights themselves, so that distances do not depend on the length of the input.

    >>> head_distance(trace).loc[(5, 3)].sort_values()  # from head 3 of layer 5 to all heads
    >>> head_distance(lens, texts)                      # over a corpus
    """
    if isinstance(inputs, Trace):
        raise InputError(
            "head_distance() takes one trace, or a list, over which distances are averaged: head_distance([a, b]); "
            "to compare the heads of two traces use compare(a, b)"
        )
    if isinstance(inputs, str) and inputs in METRICS:
        raise InputError(f"pass the measure by name: head_distance(traces, metric={inputs!r})")
    _checks.one_of("metric", metric, METRICS)
    total, count, queries, names, seen_inputs = 0.0, 0.0, 0, [], 0
    for layers in _layers_of(traces, inputs, batch_size):
        here = [(number, head) for number, layer in enumerate(layers) for head in range(layer.shape[1])]
        if seen_inputs and here != names:
            raise InputError(_other_heads(seen_inputs, here, names))
        names = here
        first = layers[0]
        seen_inputs += first.inputs
        for sums, rows, of_some in _sums_of(layers, metric, len(names)):
            total, count, queries = total + sums.cpu(), count + rows.cpu(), queries + int(of_some)
    if not seen_inputs:
        raise InputError("head_distance() received no trace; pass one, or an iterable of at least one")
    sizes = {"inputs": seen_inputs, "queries": queries, "fewest_queries": _fewest(count)}
    return _frame(mean_distance(total, count, metric), names, metric, **sizes)


def _fewest(count: Tensor) -> int:
    """The smallest number of queries of a pair of heads that shares any."""
    shared = count[count > 0]
    return int(shared.min()) if len(shared) else 0


def _layers_of(
    traces: Trace | Iterable[Trace] | ModelWithInputs, inputs: Any, batch_size: int | None
) -> Iterator[list[AttentionBatch]]:
    """The layers of each trace, or of each batch of inputs of a lens."""
    if not of_lens(traces, inputs, batch_size, "head_distance"):
        for trace in traces_of(traces, "head_distance"):
            layers = [batch_of_layer(layer) for layer in trace.layers]
            yield _checked(layers, partial(advice, trace))
        return

    def copies(_: InputTokens) -> Callable[..., Any]:
        return lambda attention, sides: (attention.copy(), sides)

    for _, found in traces.reduce(inputs, copies, batch_size=batch_size):
        yield _checked([layer for _, layer in found], lambda: _OF_TRACES)


def _sums_of(
    layers: Sequence[AttentionBatch], metric: str, heads: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Block by block: what `divergences` returns for all pairs of heads, and the number of queries that count."""
    by_kernel = overlaps(layers) if metric == "hellinger" else None
    if by_kernel is not None:
        sums, seen = by_kernel
        rows = (seen.double() @ seen.double().mT).sum(0)
        yield rows - sums.sum(0), rows, seen.any(1).sum()
        return
    batch, _, queries, keys = layers[0].shape
    for rows in row_blocks(queries, batch * heads * keys, layers[0].device):
        found = _outcomes_of_batch(layers, rows)
        yield *divergences(found, found, metric), found.seen.any(0).sum()


# -- from the table ----------------------------------------------------------------------------------------


def nearest_heads(distance: pd.DataFrame, layer: int, head: int, count: int = 5) -> pd.DataFrame:
    """The heads most like one head, nearest first: columns layer, head, distance.

    distance: what `head_distance` returned.
    count: the maximum number of heads; heads without a known distance are left out.

    >>> nearest_heads(head_distance(trace), layer=5, head=3)
    """
    _check_table(distance, "nearest_heads")
    count = _checks.integer("count", count, least=1)
    layers = distance.index.get_level_values("layer")
    layer = _checks.among("layer", layer, sorted(set(layers.tolist())))
    heads = distance.index.get_level_values("head")[layers == layer]
    head = _checks.among("head", head, sorted(set(heads.tolist())))
    others = distance.loc[(layer, head)].drop((layer, head)).dropna().sort_values(kind="stable").head(count)
    return others.rename("distance").reset_index()


def cluster_heads(distance: pd.DataFrame, count: int) -> pd.Series:
    """Heads in `count` groups of similar attention: a cluster number per (layer, head).

    Cluster 0 is the largest; of equally large ones the one with the earlier head comes first.

    distance: what `head_distance` returned.
    Source: hierarchical clustering by average linkage (Sokal & Michener 1958).

    >>> cluster_heads(head_distance(trace), 4).value_counts()
    """
    import pandas as pd
    from scipy.cluster.hierarchy import average, cut_tree

    values = _check_table(distance, "cluster_heads", pairs=True)
    count = _checks.integer("count", count, least=1, most=len(values))
    tree = average(_pairs(values))
    raw = [int(number) for number in cut_tree(tree, n_clusters=count)[:, 0]]
    order = sorted(set(raw), key=lambda number: (-raw.count(number), raw.index(number)))
    numbers = [order.index(number) for number in raw]
    return pd.Series(numbers, index=distance.index, name="cluster")


def map_heads(distance: pd.DataFrame) -> pd.DataFrame:
    """Heads as points of a plane that preserves their distances as well as possible: columns x, y per (layer, head).

    x is the direction in which heads differ most. The sign of an axis is arbitrary; its farthest point is positive.
    `frame.attrs["stress"]` is the map's error: the root of the squared differences between map and table, relative to
    the map's squared distances; 0 is a map without error, above 0.2 it is a rough one.

    The points minimise this error, starting from the classical map, which alone would draw distances far too small
    where they span many dimensions.

    distance: what `head_distance` returned.
    Sources: stress-1, Kruskal 1964, "Multidimensional Scaling by Optimizing Goodness of Fit"; the classical map,
    Torgerson 1952, "Multidimensional Scaling: I".

    >>> map_heads(head_distance(trace)).plot.scatter("x", "y")
    """
    import pandas as pd
    from scipy.linalg import eigh
    from scipy.spatial.distance import pdist

    values = _check_table(distance, "map_heads", pairs=True)
    squared = values**2
    centred = -(squared - squared.mean(0) - squared.mean(1)[:, None] + squared.mean()) / 2
    size = len(values)
    variances, axes = eigh(centred, subset_by_index=[size - 2, size - 1])
    points = _least_stress(axes * np.sqrt(variances.clip(min=0)), values)
    points = points - points.mean(0)
    points = points @ eigh(points.T @ points)[1][:, ::-1]  # x is where they differ most
    points = points * np.where(points[abs(points).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    drawn = pdist(points)
    scale = float((drawn**2).sum())
    frame = pd.DataFrame(points, index=distance.index, columns=["x", "y"])
    frame.attrs["stress"] = float((((drawn - _pairs(values)) ** 2).sum() / scale) ** 0.5) if scale else 0.0
    return frame


def _least_stress(points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Points `[head, 2]` whose distances are as close as possible to the wanted ones."""
    from scipy.optimize import minimize

    def error(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """(half the sum over all ordered pairs of squared differences, its gradient)"""
        apart = flat.reshape(-1, 2)[:, None] - flat.reshape(-1, 2)
        drawn = np.sqrt((apart**2).sum(-1))
        wrong = drawn - wanted
        pull = np.divide(wrong, drawn, out=np.zeros_like(wrong), where=drawn > 0)
        return (wrong**2).sum() / 2, (2 * pull[..., None] * apart).sum(1).ravel()

    return minimize(error, points.ravel(), jac=True, method="L-BFGS-B").x.reshape(-1, 2)


def layer_similarity(distance: pd.DataFrame) -> pd.DataFrame:
    """Mean distances between the heads of layers, `[layer, layer]`: are heads more alike within a layer?

    The diagonal is the mean over pairs of different heads of that layer, NaN for a layer of one head.

    distance: what `head_distance` returned.

    >>> layer_similarity(head_distance(trace))
    """
    import pandas as pd

    values = _check_table(distance, "layer_similarity")
    numbers = distance.index.get_level_values("layer")
    layers = pd.Index(sorted(set(numbers)), name="layer")
    member = (numbers.to_numpy()[:, None] == layers.to_numpy()).astype(float)  # [layer*head, layer]
    known = ~np.isnan(values) & ~np.eye(len(values), dtype=bool)
    pairs = member.T @ known @ member
    sums = member.T @ np.where(known, values, 0.0) @ member
    means = np.divide(sums, pairs, out=np.full_like(sums, np.nan), where=pairs > 0)
    frame = pd.DataFrame(means, index=layers, columns=layers)
    frame.attrs.update(distance.attrs)
    return frame


# -- the measures ---------------------------------------------------------------------------------------------


class RowBlock(NamedTuple):
    """Rows of several heads as distributions.

    shares: `[head, row, outcome]`: the selected keys, then the remaining mass; 0 for a masked row
    seen: bool `[head, row]`: False for a masked row
    """

    shares: Tensor
    seen: Tensor

    def to(self, device: torch.device) -> RowBlock:
        """The same on another device."""
        return RowBlock(self.shares.to(device), self.seen.to(device))


def outcomes(attentions: Sequence[Attention], rows: Index, cols: list[int] | None = None) -> RowBlock:
    """The rows of all heads of several layers, layer by layer, over all keys or some of them."""
    found = [_outcomes(one[:, rows], _rounding(one), cols).to(attentions[0].device) for one in attentions]
    return RowBlock(*(torch.cat(parts) for parts in zip(*found)))


def _outcomes_of_batch(layers: Sequence[AttentionBatch], rows: slice) -> RowBlock:
    """The same for a batch, whose inputs follow each other: `[head, batch * row, outcome]`."""
    device, found = layers[0].device, []
    for layer in layers:
        weights = layer.block(rows).transpose(0, 1).flatten(1, 2)
        found.append(_outcomes(weights, _rounding(layer), None).to(device))
    return RowBlock(*(torch.cat(parts) for parts in zip(*found)))


def _outcomes(weights: Tensor, rounding: float, cols: list[int] | None) -> RowBlock:
    """weights: `[head, row, key]`"""
    check_shares(weights)
    seen = weights.amax(-1) > 0
    elsewhere = 1 - weights.sum(-1)
    elsewhere.masked_fill_(~seen | (elsewhere < rounding), 0.0)
    if cols is not None:
        # Summed, not subtracted from one: the root of a small share would show the rounding of a difference.
        others = torch.ones(weights.shape[-1], dtype=torch.bool)
        others[cols] = False
        elsewhere += weights[..., others.to(weights.device)].sum(-1)
        weights = weights[..., cols]
    return RowBlock(torch.cat([weights, elsewhere.unsqueeze(-1)], -1), seen)


def _rounding(attention: Attention | AttentionBatch) -> float:
    """How much of a row may be missing by rounding alone, without a sink."""
    weights = getattr(attention, "weights", None)
    stored = attention.dtype if weights is None else weights.dtype
    return torch.finfo(stored).eps + 128 * torch.finfo(attention.dtype).eps


def row_blocks(queries: int, width: int, device: torch.device) -> Iterator[slice]:
    """Walks the queries so that a block of rows of `width` weights each stays within BLOCK_ELEMENTS."""
    most = BLOCK_ELEMENTS if device.type == "cpu" else BLOCK_ELEMENTS_ON_GPU
    step = max(1, most // max(1, width))
    return (slice(start, min(start + step, queries)) for start in range(0, queries, step))


def divergences(a: RowBlock, b: RowBlock, metric: str) -> tuple[Tensor, Tensor]:
    """For every head of a and every head of b: (sum over the rows that neither masks, the number of these rows).

    Both float64 `[head of a, head of b]`. The squared Hellinger distance, or the Jensen-Shannon divergence in nats.
    """
    measure = _hellinger if metric == "hellinger" else _jensen_shannon
    return measure(a, b), a.seen.double() @ b.seen.double().T


def _hellinger(a: RowBlock, b: RowBlock) -> Tensor:
    """`sum (sqrt p - sqrt q)^2 / 2`, multiplied out: half the masses minus the product of the roots.

    For rows that sum to one that is `1 - sum sqrt(p q)`. In float64: like heads are a small difference of large sums.
    """
    roots = a.shares.sqrt().double()
    masses = torch.linalg.vector_norm(roots, dim=-1).square() @ b.seen.double().T
    if b is a:
        return (masses + masses.T) / 2 - _gram(roots.flatten(1))
    others = b.shares.sqrt().double()
    other_masses = a.seen.double() @ torch.linalg.vector_norm(others, dim=-1).square().T
    return (masses + other_masses) / 2 - roots.flatten(1) @ others.flatten(1).T


def _gram(roots: Tensor) -> Tensor:
    """`roots @ roots.T`; the quarter that mirrors another is copied, not multiplied."""
    half = len(roots) // 2
    upper, corner = roots[:half] @ roots.T, roots[half:] @ roots[half:].T
    return torch.cat([upper, torch.cat([upper[:, half:].T, corner], 1)])


def _jensen_shannon(a: RowBlock, b: RowBlock) -> Tensor:
    """`sum p ln p / 2 + sum q ln q / 2 - sum m ln m` with m the mean of p and q; one head of a at a time."""
    total = torch.zeros(len(a.shares), len(b.shares), dtype=torch.float64, device=a.shares.device)
    logs, others = p_log_p(a.shares), p_log_p(b.shares)
    halves = b.shares / 2
    for head, shares in enumerate(a.shares):
        start = head if b is a else 0  # the other half of a symmetric table is copied
        apart = (logs[head] + others[start:]) / 2 - p_log_p(halves[start:] + shares / 2)
        total[head, start:] = (apart * (a.seen[head] & b.seen[start:])).sum(-1)
    return total + total.triu(1).T if b is a else total


def p_log_p(shares: Tensor) -> Tensor:
    """`sum p ln p` over outcomes, `[head, row]` in float64; minus the entropy in nats."""
    # Not xlogy, which takes three times as long: a share of 0 changes so little that its term stays 0.
    return (shares + torch.finfo(shares.dtype).tiny).log_().mul_(shares).sum(-1).double()


def mean_distance(total: Tensor, count: Tensor, metric: str) -> Tensor:
    """From sums of divergences to distances; NaN where no row was counted."""
    mean = (total / count).clamp(min=0)
    return mean.sqrt() if metric == "hellinger" else mean


# -- checks ---------------------------------------------------------------------------------------------------


_OF_TRACES = (
    "Take traces of layers that agree: head_distance(t.select('encoder') for t in lens.traces(texts))."
)


def _checked(
    pairs: Sequence[tuple[AttentionBatch, tuple[str, str]]], advice: Callable[[], str]
) -> list[AttentionBatch]:
    """The layers, each given with the sides of its axes. Raises InputError unless their queries and keys agree."""
    layers = [layer for layer, _ in pairs]
    if not layers:
        raise InputError(
            "the trace has no layers, so it has no heads to compare; trace an input, or select layers"
        )
    axes = [(one.kind, *sides, *one.shape[2:]) for one, sides in pairs]
    for layer, here in zip(layers, axes):
        if layer.windows > 1 or layer.kind == "channel":
            what = "within windows" if layer.windows > 1 else "between channels"
            raise InputError(
                f"heads are compared over the same tokens; {layer.name!r} attends {what}, which differ from layer to "
                "layer. Choose other layers by trace.select(path)."
            )
        if here != axes[0]:
            first = layers[0]
            raise InputError(
                f"heads are compared over the same queries and keys; {layer.name!r} is {layer.kind} attention "
                f"{_sizes(layer)} beside {first.name!r}, {first.kind} attention {_sizes(first)}. {advice()}"
            )
    return layers


def _sizes(layer: AttentionBatch) -> list[int]:
    return list(layer.shape if layer.inputs > 1 else layer.shape[1:])


def _other_heads(number: int, here: list[tuple[int, int]], before: list[tuple[int, int]]) -> str:
    sizes = [f"{len({layer for layer, _ in names})} layers, {len(names)} heads" for names in (here, before)]
    return (
        f"input {number} has {sizes[0]} in all, but the inputs before it have {sizes[1]}; a table needs traces of "
        "one model. compare(a, b) compares heads of two models."
    )


def _frame(values: Tensor, names: list[tuple[int, int]], metric: str, **attrs: int) -> pd.DataFrame:
    import pandas as pd

    heads = pd.MultiIndex.from_tuples(names, names=["layer", "head"])
    frame = pd.DataFrame(values.fill_diagonal_(0.0).numpy(), index=heads, columns=heads)
    frame.attrs.update(metric=metric, **attrs)
    return frame


def _check_table(distance: pd.DataFrame, function: str, pairs: bool = False) -> np.ndarray:
    """The values of a table of head distances; with `pairs`, every pair of at least two heads must be known."""
    import pandas as pd

    square = isinstance(distance, pd.DataFrame) and list(distance.index.names) == ["layer", "head"]
    if not square or not distance.index.equals(distance.columns) or not distance.index.is_unique:
        shape = f" {list(distance.shape)}" if isinstance(distance, pd.DataFrame) else ""
        raise InputError(
            f"{function}() takes the table of head_distance(), (layer, head) on both axes, not "
            f"{type(distance).__name__}{shape}"
        )
    values = distance.to_numpy(dtype=float)
    if values.diagonal().any() or not np.allclose(values, values.T, equal_nan=True) or (values < 0).any():
        raise InputError(
            f"{function}() takes distances: symmetric, not negative, 0 on the diagonal. This table is not; "
            "pass the one that head_distance() returned."
        )
    if pairs:
        _check_pairs(distance, values, function)
    return values


def _check_pairs(distance: pd.DataFrame, values: np.ndarray, function: str) -> None:
    unknown = np.isnan(values).any(1)
    if unknown.any():
        layer, head = distance.index[unknown.argmax()]
        raise InputError(
            f"{function}() needs the distance of every pair, but head {head} of layer {layer} shares no query with "
            "some other (NaN); drop such heads from the table"
        )
    if len(values) < 2:
        raise InputError(f"{function}() needs at least two heads; the table has {len(values)}")


def _pairs(values: np.ndarray) -> np.ndarray:
    """Every pair once, as scipy orders them; symmetric to the last bit."""
    from scipy.spatial.distance import squareform

    return squareform((values + values.T) / 2, checks=False)
