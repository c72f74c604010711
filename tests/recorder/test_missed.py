"""What cannot be recorded is an error that names the module and the remedy."""

from __future__ import annotations

import threading
import warnings
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import attnlens as al
from attnlens.errors import CaptureError, CaptureWarning

from .handwritten import DIM, Attention
from .oracle import assert_recorded, attention

B, N = 2, 5


class Net(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers or [Attention(), Attention()])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class SigmoidAttention(Attention):
    """Neither a torch attention function nor a softmax."""

    def __init__(self):
        super().__init__(softmax=torch.sigmoid)


def x():
    return torch.randn(B, N, DIM)


# -- compiled ahead -----------------------------------------------------------------------------------------


def compiled_whole():
    return torch.compile(Net(), backend="eager"), "the model \\(OptimizedModule\\)"


def compiled_in_place():
    model = Net()
    model.compile(backend="eager")
    return model, "the model \\(Net\\)"


def compiled_part():
    model = Net()
    model.layers[1] = torch.compile(model.layers[1], backend="eager")
    return model, "'layers.1' \\(OptimizedModule\\)"


@pytest.mark.parametrize("build", [compiled_whole, compiled_in_place, compiled_part])
def test_compiled_modules_are_refused_before_the_run(build):
    model, name = build()
    with pytest.raises(CaptureError, match=f"{name}.*torch.compile.*_orig_mod.*set_stance"):
        with al.capture(model):
            raise AssertionError("not reached")


@pytest.mark.parametrize("build", [compiled_whole, compiled_in_place, compiled_part])
def test_compiled_modules_are_recorded_under_the_eager_stance(build):
    model, _ = build()
    with torch.compiler.set_stance("force_eager"), al.capture(model) as recording:
        model(x())
    assert len(recording.calls) == 2


def test_torchscript_is_refused():
    model = Net(torch.jit.trace(Attention(), x()))
    with pytest.raises(CaptureError, match=r"'layers.0'.*TorchScript.*original Python module"):
        with al.capture(model):
            pass


def test_a_model_that_is_compiled_inside_of_the_block_is_named():
    model = Net()
    with pytest.raises(CaptureError, match=r"the model \(Net\) was run through torch.compile.*set_stance"):
        with al.capture(model):
            torch.compile(model, backend="eager")(x())
    torch._dynamo.reset()


class CallsCompiled(Attention):
    """Eager but for a function."""

    def __init__(self, backend="eager"):
        super().__init__()
        self.function = torch.compile(F.scaled_dot_product_attention, backend=backend, fullgraph=True)

    def forward(self, x):
        q, k, v = (self.heads(m(x)) for m in (self.q, self.k, self.v))
        return self.function(q, k, v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("warm", [False, True])
def test_a_compiled_function_inside_of_an_eager_model_still_runs(warm):
    model, data = CallsCompiled(backend=_opaque), x()
    plain = model(data) if warm else None
    with pytest.raises(CaptureError, match=r"no attention was recorded.*set_stance\(\"force_eager\"\)"):
        with al.capture(model):
            captured = model(data)
    assert torch.equal(model(data) if plain is None else plain, captured)
    with torch.compiler.set_stance("force_eager"), al.capture(model) as recording:
        model(data)
    assert_recorded(recording, attention(*model.oracle_inputs(data)))


def _opaque(graph, inputs):
    """A compiler whose result calls no torch function that could be recorded."""

    def call(*args):
        with torch._C.DisableTorchFunction():
            return graph(*args)

    return call


# -- not called, or called elsewhere ------------------------------------------------------------------------


def test_a_model_that_was_not_called():
    with pytest.raises(CaptureError, match=r"the model \(Net\) was not called inside the `with` block"):
        with al.capture(Net()):
            pass


def test_forward_called_directly():
    model = Net()
    with pytest.raises(CaptureError, match=r"the model \(Net\) was called past its hooks.*model\(x\)"):
        with al.capture(model):
            model.forward(x())


def test_forward_of_a_model_without_parts():
    model = Attention()
    with pytest.raises(CaptureError, match=r"Call the model itself \(model\(x\), not model.forward\(x\)\)"):
        with al.capture(model):
            model.forward(x())


def test_a_part_called_for_itself_is_recorded():
    model = Net()
    with al.capture(model) as recording:
        model.layers[1](x())
    assert [call.module for call in recording.calls] == ["layers.1"]


def test_other_models_inside_of_the_block_are_not_recorded():
    model, other = Net(), Net()
    with al.capture(model) as recording:
        other(x())
        model(x())
        F.scaled_dot_product_attention(*torch.randn(3, 1, 2, 5, 4))
    assert [call.module for call in recording.calls] == ["layers.0", "layers.1"]
    assert recording.forwards == [1]


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_another_thread():
    model = Net()
    with pytest.raises(CaptureError, match=r"\(Net\) ran in another thread.*Run the model in the thread"):
        with al.capture(model):
            in_thread(lambda: model(x()))


class Parallel(nn.Module):
    """Runs its parts in threads, as DataParallel does."""

    def __init__(self):
        super().__init__()
        self.module = Net()

    def forward(self, x):
        out = []
        in_thread(lambda: out.append(self.module(x)))
        return out[0]


def test_parts_of_the_run_in_another_thread():
    model = Parallel()
    with pytest.raises(CaptureError, match=r"'module' \(Net\) ran in another thread.*DataParallel"):
        with al.capture(model):
            model(x())


def test_another_thread_may_use_the_model_meanwhile():
    model = Net()
    with al.capture(model) as recording:
        model(x())
        in_thread(lambda: model(x()))
    assert len(recording.calls) == 2


# -- no attention, or not all of it -------------------------------------------------------------------------


def test_no_attention_at_all():
    model = nn.Linear(DIM, DIM)
    message = (
        r"in the model \(Linear\)\. A model without attention, .* lens\.attribute\(input\)\. attnlens records"
    )
    with pytest.raises(CaptureError, match=message), al.capture(model):
        model(x())


def test_attention_of_an_unknown_sort_is_named():
    model = Net(SigmoidAttention())
    with pytest.raises(CaptureError, match=r"These modules ran and look like attention: 'layers.0'"):
        with al.capture(model):
            model(x())


def test_partly_missed_is_a_warning_and_is_listed():
    model = Net(Attention(), SigmoidAttention(), SigmoidAttention())
    with pytest.warns(CaptureWarning, match="not recorded: 'layers.1', 'layers.2'") as caught:
        with al.capture(model) as recording:
            model(x())
    assert caught[0].filename == __file__
    assert recording.missed == ("layers.1", "layers.2")
    assert [call.module for call in recording.calls] == ["layers.0"]


class Mixer(Attention):
    """Not called an attention, and its weights go another way to the values."""

    WAYS: ClassVar = {
        "sharpened": lambda w, v: (w.square() / w.square().sum(-1, keepdim=True)) @ v,
        "sorted": lambda w, v: w.sort(-1).values @ v,
        "sparse": lambda w, v: torch.zeros_like(w).scatter(-1, w.topk(2).indices, w.topk(2).values) @ v,
        "split": lambda w, v: sum(a @ b for a, b in zip(w.split(2, -1), v.split(2, -2))),
        "sum": lambda w, v: (w.unsqueeze(-1) * v.unsqueeze(-3)).sum(-2),
        "einsum without queries": lambda w, v: torch.einsum("bhj,bhjd->bhd", w.mean(2), v).unsqueeze(2),
    }

    def __init__(self, way):
        super().__init__(product=self.WAYS[way])


@pytest.mark.parametrize("way", Mixer.WAYS)
def test_a_softmax_over_tokens_that_is_lost_on_its_way_is_a_warning(way):
    model = Net(Attention(), Mixer(way))
    with pytest.warns(
        CaptureWarning, match=r"not recorded: 'layers.1'.*softmax over tokens.*'layers.1' \(Mixer\)"
    ):
        with al.capture(model) as recording:
            model(x())
    assert recording.missed == ("layers.1",)


class Measured(Attention):
    """The weights are also used for what mixes no tokens: an entropy, the strongest key, a penalty."""

    def __init__(self):
        super().__init__(drop=self.look)

    def look(self, w):
        self.entropy = -(w * (w + 1e-9).log()).sum(-1)
        self.strongest = w.argmax(-1), w.topk(2, -1).values.sum()
        self.overlap = (w @ w.mT).trace() if w.ndim == 2 else w.sqrt().sum()
        return w


class Spotlight(nn.Module):
    """A softmax over tokens that weighs each token and mixes none, as a gate, or is only returned."""

    def __init__(self):
        super().__init__()
        self.score, self.out = nn.Linear(DIM, 1), nn.Linear(DIM, DIM)

    def forward(self, x):
        gate = self.score(x).softmax(1)
        self.where = gate.squeeze(-1).log().argmax(1)
        return self.out(x * gate)


@pytest.mark.parametrize("build", [Measured, Spotlight])
def test_other_uses_of_a_softmax_warn_of_nothing(build):
    model = Net(Attention(), build())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with al.capture(model) as recording:
            model(x())
    assert recording.missed == ()


class Block(nn.Module):
    """Built alike whatever it does, and named for nothing."""

    def __init__(self, normalise=lambda s: s.softmax(-1)):
        super().__init__()
        self.part = nn.Sequential(nn.Linear(DIM, 3 * DIM))
        self.normalise = normalise

    def forward(self, x):
        q, k, v = self.part(x).chunk(3, -1)
        return x + self.normalise(q @ k.mT) @ v


def test_a_block_like_those_that_were_recorded_is_named():
    def by_hand(s):
        e = (s - s.amax(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)

    model = Net(Block(), Block(by_hand), nn.Linear(DIM, DIM), Block())
    with pytest.warns(CaptureWarning, match="not recorded: 'layers.1'"):
        with al.capture(model) as recording:
            model(x())
    assert [call.module for call in recording.calls] == ["layers.0", "layers.3"]


def test_no_warning_where_all_is_recorded():
    model = Net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with al.capture(model) as recording:
            model(x())
    assert recording.missed == ()


def test_longformer_bands_are_missed():
    import transformers as hf

    config = hf.LongformerConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48,
        attention_window=4, pad_token_id=0,
    )  # fmt: skip
    model = hf.LongformerModel(config).eval()
    with (
        torch.no_grad(),
        pytest.raises(CaptureError, match=r"look like attention: 'encoder.layer.0.attention"),
    ):
        with al.capture(model):
            model(torch.randint(5, 60, (1, 8)))


# -- flex_attention -----------------------------------------------------------------------------------------


class Flex(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.qkv, self.options = nn.Linear(DIM, 3 * DIM), options

    def forward(self, x):
        from torch.nn.attention.flex_attention import flex_attention

        q, k, v = self.qkv(x).unflatten(-1, (3, 3, 4)).permute(2, 0, 3, 1, 4)
        self.seen = q, k
        return flex_attention(q, k, v, **self.options)


def mask_of(rule, n):
    from torch.nn.attention.flex_attention import create_block_mask

    return create_block_mask(rule, B, None, n, n, device="cpu")


def causal(b, h, i, j):
    return i >= j


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("modified", [False, True])
def test_flex_attention(masked, modified):
    n, slope = 16, torch.tensor([0.1, 0.2, 0.4])
    options = {}
    if masked:
        options["block_mask"] = mask_of(causal, n)
    if modified:
        options["score_mod"] = lambda score, b, h, i, j: score - slope[h] * (i - j)
    model, data = Flex(**options), torch.randn(B, n, DIM)
    with torch.no_grad():
        plain = model(data)
        with al.capture(model) as recording:
            captured = model(data)
    assert torch.equal(plain, captured)
    row = torch.arange(n)
    distance = row[:, None] - row
    bias = -slope[:, None, None] * distance if modified else None
    visible = distance >= 0 if masked else None
    assert_recorded(recording, attention(*model.seen, bias=bias, visible=visible), atol=1e-5)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_with_padding():
    n, lengths = 16, torch.tensor([16, 11])
    model = Flex(block_mask=mask_of(lambda b, h, i, j: j < lengths[b], n))
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(torch.randn(B, n, DIM))
    expected = attention(*model.seen)
    whole, short = recording.traces()
    assert (whole[0][:] - expected[0]).abs().max() < 1e-5
    assert short[0].shape == (3, 11, 11)
    q, k = model.seen
    assert (short[0][:] - attention(q[1, :, :11], k[1, :, :11])).abs().max() < 1e-5
    torch._dynamo.reset()
