"""A recording as a sequence of traces: how many, which, of which modules, and with which tokens."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import attnlens as al
from attnlens.errors import CaptureWarning, InputError

from .architectures import CASES, LENGTHS, clip_config, text_inputs
from .handwritten import DIM, HEADS, Attention

B, N = 3, 7


def recorded(*shapes, layers=2, **options):
    model = nn.Sequential(*(Attention() for _ in range(layers)))
    with torch.no_grad(), al.capture(model, **options) as recording:
        for shape in shapes:
            model(torch.randn(*shape, DIM))
    return recording


# -- storage type -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, "float16", "torch.float16"])
def test_storage_types_by_name(dtype):
    assert recorded((B, N), dtype=dtype)[0][0].weights.dtype == torch.float16


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.bool, torch.complex64, "int32", "nn", "half-precise", 16]
)
def test_other_storage_types_are_refused_before_the_run(dtype):
    model = Attention()
    with pytest.raises(InputError, match=r"dtype .* floating-point type, e\.g\. torch\.float16"):
        with al.capture(model, dtype=dtype):
            raise AssertionError
    assert not model._forward_pre_hooks


# -- parts --------------------------------------------------------------------------------------------------


def test_select_takes_whole_parts_of_a_path():
    recording = recorded((B, N), layers=12)
    names = [[x.name for x in next(recording.traces(select=s)).layers] for s in ("1", "1.", "11")]
    assert names == [["1"], ["1"], ["11"]]
    assert len(next(recording.traces())) == len(next(recording.traces(select=""))) == 12
    with pytest.raises(
        InputError, match="no attention was recorded in a module '12'; recorded modules: 0, 1, 2"
    ):
        list(recording.layers(1, "12"))


def test_select_one_call_of_a_shared_module():
    model, inputs = CASES["albert"].build()
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    first, second = (layer.name for layer in recording[0].layers)
    assert [x.name for x in next(recording.traces(select=second)).layers] == [second]
    assert len(next(recording.traces(select=first.split("#")[0]))) == 2


# -- a sequence ---------------------------------------------------------------------------------------------


def test_a_recording_is_a_sequence_of_traces():
    recording = recorded((B, N), (2, 5))
    traces = list(recording.traces())
    assert len(recording) == len(traces) == 5
    for other in (list(recording), [recording[i] for i in range(5)], [recording[i - 5] for i in range(5)]):
        for a, b in zip(other, traces, strict=True):
            assert torch.equal(a[1][:], b[1][:])
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"trace {index} is out of range: the recording has 5"):
            recording[index]


def test_a_recording_says_what_it_holds():
    text = "Recording of Sequential: 3 inputs, 2 layers x 3 heads; recording[0], recording.traces()"
    assert repr(recorded((B, N))) == text
    assert "5 inputs in 2 forward passes, 1 layer x" in repr(recorded((B, N), (2, 5), layers=1))
    model = Attention()
    with al.capture(model) as recording:
        assert "nothing recorded yet" in repr(recording)
        assert len(recording) == 0
        model(torch.randn(B, N, DIM))


def test_towers_of_different_batch_sizes_have_a_text_but_no_length():
    import transformers as hf

    model = hf.CLIPModel(clip_config()).eval()
    with torch.no_grad(), al.capture(model) as recording:
        model(**text_inputs(), pixel_values=torch.randn(6, 3, 32, 32))
    assert "CLIPModel" in repr(recording)
    with pytest.raises(InputError, match="select="):
        len(recording)


# -- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["with padding", "without"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_tokens(name, whole):
    model, inputs = CASES[name].build()
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    real = [[str(int(i)) for i in ids[keep > 0]] for ids, keep in zip(*inputs.values())]
    given = [[str(int(i)) for i in ids] for ids in inputs["input_ids"]] if whole else real
    traces = list(recording.traces(tokens=given))
    assert [[token.text for token in trace.tokens] for trace in traces] == real
    assert [len(trace.tokens) for trace in traces] == list(LENGTHS)


def test_tokens_of_an_encoder_are_not_those_of_its_decoder():
    model, inputs = CASES["t5"].build()
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    trace = next(recording.traces(tokens=[[al.data.Token("a")] * n for n in LENGTHS]))
    sides = {(x.name.split(".")[0], x.kind): (x.query_side, x.key_side) for x in trace.layers}
    assert sides == {
        ("encoder", "self"): ("input", "input"),
        ("decoder", "self"): ("other", "other"),
        ("decoder", "cross"): ("other", "input"),
    }


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([["a"] * N] * 2, "tokens of 2 inputs were given, but the recording has 3 traces"),
        ([["a"] * 4] * B, "input 0 of its batch has 7 tokens, but 4 were given"),
        ("abc", "a list for each input"),
        (3, "a list for each input"),
        ([None] * 3, "must hold a list for each input, .* not None; omit tokens="),
        ([list("abc"), list("abc"), ["a", None, "c"]], "must hold a list for each input"),
        (["abc", "abc", "abc"], "a list for each input"),
    ],
)
def test_tokens_that_do_not_fit(tokens, message):
    with pytest.raises(InputError, match=message):
        list(recorded((B, N)).traces(tokens=tokens))


class Attending(nn.Module):
    """One sequence attends to itself, then to another."""

    def __init__(self, own: bool = True):
        super().__init__()
        self.own = Attention() if own else None
        self.other = nn.MultiheadAttention(DIM, HEADS, batch_first=True)

    def forward(self, x, memory):
        x = x if self.own is None else self.own(x)
        return self.other(x, memory, memory)[0]


def test_cross_attention_has_tokens_on_both_sides():
    with torch.no_grad(), al.capture(model := Attending(own=False)) as recording:
        model(torch.randn(2, 5, DIM), torch.randn(2, 9, DIM))
    keys, queries = [list("fghijklmn")] * 2, [list("abcde")] * 2
    (trace, _) = recording.traces(tokens=keys, output_tokens=queries)
    assert [[token.text for token in side] for side in trace.axis_tokens(0)] == [queries[0], keys[0]]
    assert [t.text for t in next(recording.traces(tokens=keys)).axis_tokens(0)[1]] == keys[0]
    with pytest.raises(InputError, match=r"has 9 tokens, but 5 were given; .* output_tokens= its queries"):
        next(recording.traces(tokens=queries))
    with pytest.raises(InputError, match="pass tokens= too"):
        next(recording.traces(output_tokens=queries))
    with pytest.raises(InputError, match="4 output tokens were given, and no layer has as many"):
        next(recording.traces(tokens=keys, output_tokens=[list("abcd")] * 2))
    with pytest.raises(InputError, match=r"must hold a list for each input, .* not None"):
        next(recording.traces(tokens=keys, output_tokens=[None]))


def test_a_decoders_tokens_name_its_self_attention_too():
    model, inputs = CASES["t5"].build()
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
    size = inputs["decoder_input_ids"].shape[1]
    tokens = {"tokens": [["a"] * n for n in LENGTHS], "output_tokens": [["b"] * size] * len(LENGTHS)}
    sides = {
        (x.name.split(".")[0], x.kind): (x.query_side, x.key_side)
        for x in next(recording.traces(**tokens)).layers
    }
    assert sides == {
        ("encoder", "self"): ("input", "input"),
        ("decoder", "self"): ("output", "output"),
        ("decoder", "cross"): ("output", "input"),
    }


# -- heads that are modules -----------------------------------------------------------------------------------


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(DIM, 4) for _ in range(3))

    def forward(self, x):
        self.weights = (3 * self.query(x) @ self.key(x).mT).softmax(-1)
        return self.weights @ self.value(x)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(Head() for _ in range(HEADS))
        self.out = nn.Linear(4 * HEADS, DIM)

    def forward(self, x):
        return self.out(torch.cat([head(x) for head in self.heads], -1))


class Residual(nn.Module):
    """Layers one after the other on a stream that is changed in place."""

    def __init__(self, layer, in_place=False):
        super().__init__()
        self.layers, self.in_place = nn.ModuleList(layer() for _ in range(2)), in_place

    def forward(self, x):
        x = x.clone()
        for layer in self.layers:
            if self.in_place:
                x += layer(x)
            else:
                x = x + layer(x)
        return x


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("size", [N, 40], ids=["weights", "factors"])
def test_heads_that_are_modules_are_one_layer(mode, size):
    torch.manual_seed(0)
    model = Residual(Heads).eval()
    with mode(), al.capture(model) as recording:
        model(torch.randn(2, size, DIM))
    assert "2 inputs, 2 layers x" in repr(recording)
    trace = recording[1]
    assert [layer.name for layer in trace.layers] == ["layers.0.heads", "layers.1.heads"]
    weights = [torch.stack([head.weights[1] for head in layer.heads]).detach() for layer in model.layers]
    expected = torch.eye(size)
    for layer, own in zip(trace.layers, weights):
        torch.testing.assert_close(layer.attention[:], own, atol=1e-5, rtol=0)
        expected = (own.mean(0) + torch.eye(size)) / 2 @ expected
    torch.testing.assert_close(al.rollout(trace), expected, atol=1e-5, rtol=0)
    (first, _) = recording.traces(tokens=[[str(i) for i in range(size)]] * 2)
    assert len(first) == 2


class Slices(nn.Module):
    """Each head is a slice of one projection, in a loop."""

    def __init__(self, fused):
        super().__init__()
        self.project, self.fused = nn.Linear(DIM, 3 * DIM), fused

    def forward(self, x):
        out, self.weights = [], []
        for q, k, v in zip(*(part.chunk(HEADS, -1) for part in self.project(x).chunk(3, -1))):
            with torch._C.DisableTorchFunction():
                self.weights.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))
            if self.fused:
                out.append(
                    nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
                )
            else:
                out.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v)
        return torch.cat(out, -1)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_heads_that_are_slices_are_one_layer(mode, fused):
    model = Residual(lambda: Slices(fused)).eval()
    with mode(), al.capture(model) as recording:
        model(torch.randn(2, N, DIM))
    trace = recording[0]
    assert [layer.name for layer in trace.layers] == ["layers.0", "layers.1"]
    for layer, part in zip(trace.layers, model.layers):
        own = torch.stack([weights[0] for weights in part.weights]).detach()
        torch.testing.assert_close(layer.attention[:], own, atol=1e-5, rtol=0)


def test_queries_in_slices_of_rows_are_no_heads():
    class Rows(nn.Module):
        def forward(self, x):
            return torch.cat([(rows @ x.mT).softmax(-1) @ x for rows in x.chunk(2, 1)], 1)

    with torch.no_grad(), al.capture(model := Rows()) as recording:
        model(x := torch.randn(1, 8, DIM))
    assert len(recording[0]) == 1
    torch.testing.assert_close(recording[0][0][0], (x[0] @ x[0].T).softmax(-1))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("in_place", [False, True])
def test_layers_of_one_head_stay_layers(mode, in_place):
    model = Residual(lambda: nn.Sequential(Head(), nn.Linear(4, DIM)), in_place)
    with mode(), al.capture(model) as recording:
        model(torch.randn(1, N, DIM))
    assert [layer.name for layer in recording[0].layers] == ["layers.0.0", "layers.1.0"]


def test_a_lens_counts_heads_that_are_modules_as_layers_and_says_so():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.body = nn.Conv2d(3, DIM, 4, 4), Residual(Heads)

        def forward(self, pixels):
            return self.body(self.embed(pixels).flatten(2).transpose(1, 2))

    lens = al.Lens(Model(), patches=(2, 2))
    with pytest.warns(CaptureWarning, match=r"'body\.layers\.0\.heads\.0' to .* heads of one layer"):
        assert len(lens.trace(torch.rand(3, 8, 8))) == 2 * HEADS


# -- loops --------------------------------------------------------------------------------------------------


class OneByOne(Attention):
    """Attention of one input after the other: `[head, query, key]` each."""

    def forward(self, x):
        q, k, v = self.heads(self.q(x)), self.heads(self.k(x)), self.heads(self.v(x))
        out = [(a @ b.mT).softmax(-1) @ c for a, b, c in zip(q, k, v)]
        return self.out(torch.stack(out).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("batch", [2, 4, 5])
def test_a_loop_over_inputs_is_said(batch):
    with al.capture(model := OneByOne()) as recording:
        model(torch.randn(batch, N, DIM))
    with pytest.raises(
        InputError, match=rf"in a loop: {batch} calls .*\[{HEADS}, {N}, {N}\].*one input at a time"
    ):
        list(recording.traces())
    assert "OneByOne" in repr(recording)


def test_a_loop_over_one_input():
    with al.capture(model := OneByOne()) as recording:
        model(torch.randn(1, N, DIM))
    assert [trace[0].shape for trace in recording] == [(HEADS, N, N)]
