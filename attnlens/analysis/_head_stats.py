"""Statistics of every head: the spread of its attention, its distance, and what it attends to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..data._attention import Attention
from ..data._trace import Trace, Values
from ..errors import InputError
from ._head_columns import COLUMNS, HeadColumns, layer_columns
from ._many import ModelWithInputs, of_lens, traces_of
from ._moments import RunningMoments

if TYPE_CHECKING:
    import pandas as pd

VALUE = "value_"
"""Prefix of the columns over `weight * ||f_h(x_j)||`, rows normalised to one."""

IMPORTANCE = "importance"
"""|sum over queries of <O, dO>|, with O a head's output and dO the gradient of the target's logit by it."""


def head_stats(
    traces: Trace | Iterable[Trace] | ModelWithInputs,
    inputs: Iterable[Any] | None = None,
    *,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """A row per layer and head: columns `layer`, `head`, `name` (module path), then one number per statistic.

    `attnlens.analysis.COLUMNS` defines the columns, one line each. Each is the mean over the queries for which it is
    defined; masked rows are left out. NaN where no row counts: punctuation in a text without any, neighbours in an
    image, and in cross attention every statistic that needs query and key to be the same tokens (`self`, `previous`,
    `next`, the distances, `duplicate`, `induction`).

    Shares (`max_weight` to `sink`) are taken from the weights unchanged, also beside a sink logit. `entropy`,
    `perplexity` and the distances are taken from the row normalised to one. `distance` in an image is Euclidean
    between patch centres, in pixels of `trace.patches.image` or, without it, in patches, from patches to patches only.

    Two more kinds of column, where some trace has the values that they need (`trace.layers[i].values`):

    - `value_entropy` ... `value_sink`: the same statistics of `weight * ||f_h(x_j)||`, rows normalised to one: how
      much a token contributes to a head's output, not only how much the head attends to it.
    - `importance`: |sum over queries of <O, dO>|, the derivative of the target's logit by a gate at the head.

    traces: one trace, or any iterable of traces of one model; none of them is kept. For an iterable each column is
        the mean over the inputs for which it is defined, beside its sample standard deviation `entropy_std`, ... and
        their number `entropy_inputs`, ...; `frame.attrs["inputs"]` is the number of all inputs. Or a lens, with inputs:
        the same table, computed in whole batches while the model runs, without traces.
    inputs: for a lens, any iterable of inputs that it reads; batch_size: how many run together, by default as many as
        the device has room for.

    Other definitions: Clark et al. (2019) divide `previous` and `next` by all tokens, not by those that have a
    neighbour; count only "." and "," as punctuation; and smooth weights before the entropy. TransformerLens's head
    detector considers earlier tokens only and returns the share of all attention that falls on a pattern: in a causal
    model this value times the share of the rows that have one (it can leave out the first key).

    Raises InputError where there is no trace, for a trace without layers, and for traces whose layers or heads differ.
    Sources: entropy and shares, Clark et al. 2019, "What Does BERT Look At?", section 3; perplexity: exp(entropy); mean
    attention distance, Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", appendix; value-weighted
    norms, Kobayashi et al. 2020, "Attention is Not Only a Weight"; importance, Michel et al. 2019, "Are
    Sixteen Heads Really Better than One?", section 4; induction, Olsson et al. 2022.

    >>> head_stats(trace).nlargest(5, "previous")[["layer", "head", "previous"]]
    >>> head_stats(lens, texts)  # means and standard deviations over a corpus
    """
    import pandas as pd

    if of_lens(traces, inputs, batch_size, "head_stats"):
        return _of_inputs(traces, inputs, batch_size)
    if isinstance(traces, Trace):
        return pd.DataFrame(_index(_layout(traces)) | trace_columns(traces))
    layers, running, inputs = (), {}, 0
    for trace in traces_of(traces, "head_stats"):
        layers = layers or _layout(trace)
        _require_layout(_layout(trace), layers, f"trace {inputs}")
        inputs += 1
        for name, numbers in trace_columns(trace).items():
            running.setdefault(name, RunningMoments(len(numbers))).add(numbers)
    if not inputs:
        raise InputError(
            "head_stats() received no trace; an iterator can be read only once: create a new one, e.g. "
            "lens.traces(texts)"
        )
    moments = {name: _moments(running[name]) for name in _names() if name in running}
    return _frame(layers, moments, inputs)


def meaning_of(column: str, image: bool = True) -> str:
    """The definition of a column of `head_stats`, in a line; "" for other columns.

    image: whether to say what it is of an image
    """
    plain = column.removesuffix("_std").removesuffix("_inputs")
    spread = "standard deviation over the inputs of: " if column.endswith("_std") else ""
    spread = "number of inputs that have: " if column.endswith("_inputs") else spread
    if plain == IMPORTANCE:
        return f"{spread}|derivative of the target's logit by a gate at the head|"
    mixed = "of weights times the norm of the transformed value: " if plain.startswith(VALUE) else ""
    name = plain.removeprefix(VALUE)
    meaning = COLUMNS.get(name, "")
    if not image:
        meaning = meaning.partition("; of an image")[0]
    return f"{spread}{mixed}{meaning}" if meaning else ""


def _of_inputs(lens: ModelWithInputs, inputs: Iterable[Any], batch_size: int | None) -> pd.DataFrame:
    """The table of many inputs; each layer is reduced for a whole batch while the model runs."""
    layout, running, count = (), None, 0
    for numbers, layers in lens.reduce(inputs, HeadColumns, batch_size=batch_size):
        outline = tuple((name, columns.shape[1]) for name, columns in layers)
        layout = layout or outline
        _require_layout(outline, layout, f"input {numbers[0]}")
        columns = torch.cat([columns for _, columns in layers], 1)
        running = running or RunningMoments(columns[0].shape)
        running.add_all(columns.cpu().numpy())
        count += len(numbers)
    if running is None:
        raise InputError(
            "head_stats() received no input; an iterator can be read only once: create a new one"
        )
    return _frame(layout, dict(zip(COLUMNS, zip(*(numbers.T for numbers in _moments(running))))), count)


def _moments(running: RunningMoments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return running.mean, running.std, running.count


def _frame(layers: Layout, moments: dict[str, tuple[np.ndarray, ...]], inputs: int) -> pd.DataFrame:
    """The table of many inputs; moments: mean, standard deviation and number of inputs by column, `[layer * head]`."""
    import pandas as pd

    columns = {}
    for name, (mean, std, count) in moments.items():
        columns |= {name: mean, f"{name}_std": std, f"{name}_inputs": count}
    frame = pd.DataFrame(_index(layers) | columns)
    frame.attrs["inputs"] = inputs
    return frame


# -- traces ---------------------------------------------------------------------------------------------------

Layout = tuple[tuple[str, int], ...]
"""The name and number of heads of each layer."""


def _layout(trace: Trace) -> Layout:
    if not trace.layers:
        raise InputError("the trace has no layers; trace an input, or select layers that exist")
    return tuple((layer.name, layer.attention.heads) for layer in trace.layers)


def _index(layers: Layout) -> dict[str, list]:
    rows = [(number, head, name) for number, (name, heads) in enumerate(layers) for head in range(heads)]
    return {key: list(column) for key, column in zip(("layer", "head", "name"), zip(*rows))}


def _require_layout(layers: Layout, first: Layout, which: str) -> None:
    """Raises InputError for an input whose layers differ from those of the first."""
    if layers == first:
        return
    differs = f"has another number of layers, {len(layers)}, than the first, {len(first)}"
    if len(layers) == len(first):
        at = next(i for i, (one, other) in enumerate(zip(layers, first)) if one != other)
        (name, heads), (first_name, first_heads) = layers[at], first[at]
        differs = f"has layer {at} {name!r} with {heads} heads where the first has {first_name!r} with {first_heads}"
    raise InputError(
        f"{which} {differs}; give inputs of one model, or make a table of each: [head_stats(trace) for trace in traces]"
    )


# -- one trace ------------------------------------------------------------------------------------------------


def _names() -> list[str]:
    """Every possible column, in order."""
    return [*COLUMNS, *(VALUE + name for name in COLUMNS), IMPORTANCE]


def trace_columns(trace: Trace, layers: Sequence[int] | None = None) -> dict[str, np.ndarray]:
    """The columns of one trace, float64 `[layer * head]`: those that some layer has; layers: all by default."""
    layers = range(len(trace)) if layers is None else layers
    by_layer = [_of_layer(trace, number) for number in layers]
    names = [name for name in _names() if any(name in one for one in by_layer)]
    heads = [trace.layers[number].attention.heads for number in layers]
    return {
        name: np.concatenate([one.get(name, np.full(n, np.nan)) for one, n in zip(by_layer, heads)])
        for name in names
    }


def _of_layer(trace: Trace, number: int) -> dict[str, np.ndarray]:
    layer = trace.layers[number]
    attention, values = layer.attention, layer.values
    columns = _named(layer_columns(trace, number))
    if values is not None:
        weighted = layer_columns(trace, number, value_norms(values, attention.heads))
        columns |= {VALUE + name: means for name, means in _named(weighted).items()}
    if values is not None and values.gradient is not None:
        columns[IMPORTANCE] = _importance(attention, values).cpu().numpy()
    return columns


def _named(columns: Tensor) -> dict[str, np.ndarray]:
    return dict(zip(COLUMNS, columns.T.cpu().numpy()))


def _importance(attention: Attention, values: Values) -> Tensor:
    """The size of the gradient of the target's logit by a gate in front of each head: |sum over queries of <O, dO>|,
    float64 `[head]`.
    """
    value, total = values.of_heads(attention.heads), 0.0
    for rows, weights in attention.blocks():
        mixed = weights @ value.to(weights.dtype)
        total = total + (mixed * values.gradient[:, rows]).double().sum((1, 2))
    return total.abs()


def value_norms(values: Values, heads: int) -> Tensor:
    """`||f_h(x_j)||`, float64 `[head, key]`, without the transformed vectors: the root of `v (W W^T) v^T`.

    W is `[d_head, d_model]`, so W W^T is small for any width of the model. Without a projection, `||v||`.
    """
    group = heads // len(values.value)
    norms = []
    for head in range(heads):
        value = values.value[head // group].double()
        moved = value
        if values.output is not None:
            output = values.output[head].double()
            moved = value @ (output @ output.T)
        norms.append((moved * value).sum(-1).clamp(min=0).sqrt())
    return torch.stack(norms)
