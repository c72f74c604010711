"""Reducers receive the attention that traces hold, for the whole padded batch, and nothing of it is kept."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

import attnlens as al
from attnlens.data import AttentionBatch
from attnlens.errors import InputError

from .architectures import CASES


def weights_of(layer: AttentionBatch):
    """A copy of everything, in blocks of few rows."""
    whole = layer.block()
    rows = torch.cat([layer.block(slice(start, start + 2)) for start in range(0, layer.shape[2], 2)], 2)
    torch.testing.assert_close(rows, whole, atol=1e-6, rtol=1e-5)
    real = [None if mask is None else mask.clone() for mask in (layer.real_queries, layer.real_keys)]
    return layer.kind, whole, *real, layer.windows


def real_part(weights, rows, cols):
    weights = weights if rows is None else weights[:, rows]
    return weights if cols is None else weights[:, :, cols]


@pytest.mark.parametrize("name", CASES)
def test_a_reducer_receives_the_weights_of_the_traces(name):
    model, inputs = CASES[name].build()
    with torch.no_grad():
        plain = model(**inputs)
        with al.capture(model, store="factors") as recording:
            model(**inputs)
        with al.capture(model, reduce=weights_of) as reduced:
            output = model(**inputs)
    for key, value in plain.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, output[key]), key
    traces = list(recording.traces())
    (layers,) = reduced.reduced
    assert [layer for layer, _ in layers] == [layer.name for layer in traces[0].layers]
    for number, (_, (kind, weights, rows, cols, windows)) in enumerate(layers):
        for item, trace in enumerate(traces):
            layer = trace.layers[number]
            assert kind == layer.kind
            if windows > 1:
                own = weights[item * windows : (item + 1) * windows]
                whole = torch.stack([torch.block_diag(*head) for head in own.transpose(0, 1)])
            else:
                mine = [None if mask is None else mask[item] for mask in (rows, cols)]
                whole = real_part(weights[item], *mine)
                hidden = weights[item].sum() - whole.sum()
                assert hidden.abs() < 1e-4  # padding has no weight
            torch.testing.assert_close(whole, layer.attention[:].float(), atol=2e-6, rtol=1e-5)


class Own(nn.Module):
    """One hand-written attention over `[batch, token, 8]`, of two heads."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.mix(x).view(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        return (((q @ k.transpose(-1, -2)) / 2).softmax(-1) @ v).transpose(1, 2).flatten(2)


def test_any_module_and_several_passes():
    model = Own()
    batches = [torch.randn(3, 5, 8), torch.randn(2, 4, 8)]
    with (
        torch.no_grad(),
        al.capture(model, reduce=lambda layer: layer.block().amax(-1).mean(-1)) as recording,
    ):
        for batch in batches:
            model(batch)
    with torch.no_grad(), al.capture(model) as full:
        for batch in batches:
            model(batch)
    found = torch.cat([result for layers in recording.reduced for _, result in layers])
    expected = torch.stack([trace[0][:].amax(-1).mean(-1) for trace in full.traces()])
    torch.testing.assert_close(found, expected)
    with pytest.raises(InputError, match=r"reduced each attention and kept none: recording\.reduced"):
        recording[0]


class Fused(Own):
    """The same by torch's fused attention; `made` holds its queries and keys weakly."""

    def __init__(self):
        super().__init__()
        self.made = []

    def forward(self, x):
        q, k, v = self.mix(x).view(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        self.made += map(weakref.ref, (q, k))
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def test_nothing_of_a_pass_is_kept():
    model = Fused()
    with torch.no_grad(), al.capture(model, reduce=lambda layer: float(layer.block().sum())) as recording:
        for _ in range(4):
            model(torch.randn(2, 5, 8))
        gc.collect()
        assert sum(tensor() is not None for tensor in model.made) <= 2  # of the last call at most
    assert [result for layers in recording.reduced for _, result in layers] == pytest.approx([20] * 4)


def test_the_models_own_tensors_are_handed_over_without_a_copy():
    model, shared = Fused(), []

    def compare(layer):
        pairs = zip((layer.query, layer.key), model.made)
        shared.extend(ours.data_ptr() == theirs().data_ptr() for ours, theirs in pairs)

    with torch.no_grad(), al.capture(model, reduce=compare):
        model(torch.randn(1, 3, 8))
    assert shared == [True, True]


def test_an_error_of_the_reducer_is_its_own():
    def failing(layer):
        raise ZeroDivisionError("mine")

    model, x = Own(), torch.randn(1, 3, 8)
    outputs = []
    with pytest.raises(ZeroDivisionError, match="mine") as caught, torch.no_grad():
        with al.capture(model, reduce=failing):
            outputs.append(model(x))  # the model's run does not fail
    assert caught.value.__notes__ == ["raised by reduce= for the attention of ''"]
    assert torch.equal(outputs[0], model(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": 3}, "reduce must be a function of one layer's attention for the batch, not 3"),
        ({"store": "weights"}, "so that store= has no meaning beside it; omit one"),
        ({"values": True}, "so that values= has no meaning beside it"),
        ({"verify": True}, "so that verify= has no meaning beside it"),
        ({"dtype": "float16"}, "so that dtype= has no meaning beside it"),
    ],
)
def test_what_a_reducer_cannot_be_asked_beside(options, message):
    with pytest.raises(InputError, match=message), al.capture(Own(), **{"reduce": weights_of, **options}):
        pass
