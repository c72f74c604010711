"""The columns of `head_stats` for one layer and a whole batch of inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data._attention import Attention, Weights, Windows
from ..data._batch import AttentionBatch
from ..data._trace import Trace
from ..kernels._head_sums import SUMS, HeadSums, head_sums
from ._axis_tokens import MARKS, InputTokens, LayerTokens, layer_tokens
from ._many import batch_of_layer, tokens_of
from ._rollout import check_shares

COLUMNS = {
    "entropy": "of the row normalised to one, in nats: 0 for a single key, log(number of keys) for equal weights",
    "perplexity": "exp(entropy) of each row: the effective number of keys",
    "max_weight": "the largest weight of the row",
    "distance": "expected |key - query| in tokens, the row normalised to one; of an image in pixels, over its patches",
    "signed_distance": "expected key - query under the row normalised to one; negative is backwards",
    "self": "weight on the query itself",
    "previous": "weight on the token before; the first token has none and does not count",
    "next": "weight on the token after; the last token has none and does not count",
    "first": "weight on the first key",
    "class": "weight on the first token where it is special: [CLS], <s>, a vision model's class token",
    "separator": "weight on all other special tokens: [SEP], </s>, a vision model's registers",
    "punctuation": "weight on tokens that consist of Unicode punctuation (categories P*)",
    "duplicate": "weight on the same token elsewhere, where one is visible",
    "induction": "weight on what follows an earlier occurrence of the query's token, where it is visible",
    "sink": "the largest mean weight that one key receives; a sink logit is one more key, with 1 - the row's sum",
}
"""The definition of each column of `head_stats`: a mean over the queries for which it is defined."""

_ORDER = [(*SUMS, *MARKS, "sink").index(name) for name in COLUMNS]


class HeadColumns:
    """A reducer: `COLUMNS` of one layer of a batch, float64 `[input, head, column]`; NaN where a column is undefined.

    tokens: of the inputs of the batch; layers with the same mask share what depends on them
    """

    def __init__(self, tokens: InputTokens):
        self.tokens = tokens
        self._layers: dict[tuple, tuple[LayerTokens, AttentionBatch]] = {}
        self._relations: dict = {}

    def __call__(self, attention: AttentionBatch, sides: tuple[str, str] = ("input", "input")) -> Tensor:
        of_layer = self._of_layer(attention, sides)
        sums = head_sums(attention, of_layer.axes, self._relations)
        return _columns(sums, of_layer, attention.windows)

    def _of_layer(self, attention: AttentionBatch, sides: tuple[str, str]) -> LayerTokens:
        real = id(attention.real_queries), id(attention.real_keys)
        key = (*real, attention.shape[0], *attention.shape[2:], attention.windows, attention.kind, sides)
        if key not in self._layers:  # with the masks, so that no others get their ids
            masks = attention.real_queries, attention.real_keys
            self._layers[key] = layer_tokens(attention, sides, self.tokens), masks
        return self._layers[key][0]


def layer_columns(trace: Trace, number: int, key_weights: Tensor | None = None) -> Tensor:
    """`COLUMNS` of one layer of a trace, float64 `[head, column]`.

    key_weights: `[head, key]` by which the weights are multiplied before rows are normalised to one
    """
    layer = trace.layers[number]
    _check_shares(layer.attention)
    return HeadColumns(tokens_of(trace))(*batch_of_layer(layer, key_weights))[0]


def _check_shares(attention: Attention) -> None:
    """Raises InputError for stored numbers that are not shares of attention; those of factors always are."""
    for part in attention.parts if isinstance(attention, Windows) else (attention,):
        if isinstance(part, Weights):
            check_shares(part.mass.unsqueeze(-1))


def _columns(sums: HeadSums, of_layer: LayerTokens, windows: int) -> Tensor:
    """Means over the rows of each input, all its windows together."""
    inputs, heads = len(sums.rows) // windows, sums.rows.shape[1]

    def added(numbers: Tensor) -> Tensor:
        return numbers if windows == 1 else numbers.unflatten(0, (inputs, windows)).sum(1)

    rows = added(sums.rows).unsqueeze(-1)
    means = added(sums.sums) / added(sums.counts)
    received = sums.received
    if windows > 1:
        received = received.unflatten(0, (inputs, windows)).transpose(1, 2).reshape(inputs, heads, -1)
        marked = received.new_full((inputs, heads, len(MARKS)), torch.nan)
    else:
        marked = (received @ of_layer.marks / rows).masked_fill(~of_layer.marked[:, None], torch.nan)
    sink = torch.maximum(received.amax(-1), added(sums.lost)).unsqueeze(-1) / rows
    return torch.cat([means, marked, sink], -1)[..., _ORDER]
