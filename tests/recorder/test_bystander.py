"""The model runs as it would have run, and nothing of it is changed or held afterwards."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import warnings
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import attnlens as al
from attnlens.errors import CaptureError

from .handwritten import DIM, HEADS, Attention
from .oracle import assert_recorded, attention, weights

B, N = 2, 6


class SdpaAttention(Attention):
    def forward(self, x):
        q, k, v = (self.heads(m(x)) for m in (self.q, self.k, self.v))
        p = 0.3 if self.training else 0.0
        return self.out(F.scaled_dot_product_attention(q, k, v, dropout_p=p).transpose(1, 2).flatten(2))


class MhaAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(DIM, HEADS, dropout=0.3, batch_first=True)

    def forward(self, x):
        return self.mha(x, x, x)[0]


class Block(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.attention = {
            "hand": lambda: Attention(drop=nn.Dropout(0.3)),
            "sdpa": SdpaAttention,
            "mha": MhaAttention,
        }[kind]()
        self.norm, self.ffn, self.drop = nn.LayerNorm(DIM), nn.Linear(DIM, DIM), nn.Dropout(0.3)

    def forward(self, x):
        x = x + self.attention(self.norm(x))
        return x + self.drop(F.gelu(self.ffn(x)))


class Net(nn.Module):
    def __init__(self, *kinds, checkpointing=None):
        super().__init__()
        self.blocks = nn.ModuleList(Block(kind) for kind in kinds or ("hand", "sdpa", "mha"))
        self.head, self.checkpointing = nn.Linear(DIM, 4), checkpointing

    def forward(self, x):
        for block in self.blocks:
            if self.checkpointing is None:
                x = block(x)
            else:
                x = checkpoint(block, x, use_reentrant=self.checkpointing)
        return self.head(x.mean(1))


KINDS = ("hand", "sdpa", "mha")


def twice(model, x, run=lambda model, x: model(x)):
    """(recording, without, with): results of the same run from the same seed, with and without a capture."""
    torch.manual_seed(7)
    without = run(model, x)
    after = torch.get_rng_state()
    torch.manual_seed(7)
    with al.capture(model) as recording:
        result = run(model, x)
    assert torch.equal(after, torch.get_rng_state())
    return recording, without, result


class Overwriting(nn.Module):
    """Attention whose tensors are used for something else at once, as in a model that saves memory."""

    def __init__(self, kind):
        super().__init__()
        self.qkv, self.kind = nn.Linear(DIM, 3 * DIM), kind

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        if self.kind == "sdpa":
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            w = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
            out = w @ v
            w.fill_(9.0)
        for tensor in (q, k, v):
            tensor.fill_(7.0)
        return out


@pytest.mark.parametrize("store", ["auto", "factors", "weights"])
@pytest.mark.parametrize("kind", ["hand", "sdpa"])
def test_what_a_model_overwrites_afterwards_was_recorded_before(kind, store):
    model, x = Overwriting(kind), torch.randn(B, N, DIM)
    q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in model.qkv(x).detach().chunk(3, -1))
    with torch.no_grad(), al.capture(model, store=store, values=True) as recording:
        out = model(x)
    assert_recorded(recording, attention(q, k))
    for item, trace in enumerate(recording):
        mixed = trace[0][:] @ trace.layers[0].values.of_heads(HEADS)
        assert torch.allclose(trace.layers[0].values.of_heads(HEADS), v[item])
        assert torch.allclose(mixed, out[item], atol=1e-6)


def snapshot(model):
    """Everything of a model that a capture could have changed."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_always_called")
    hooks += ("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_backward_pre_hooks")
    state = {
        name: (list(vars(m)), m.training, m.forward, [dict(getattr(m, h)) for h in hooks])
        for name, m in model.named_modules()
    }
    parameters = [(p.requires_grad, p._version, id(p)) for p in model.parameters()]
    modes = torch.overrides._get_current_function_mode_stack()
    return state, parameters, modes, torch.is_grad_enabled(), torch.is_inference_mode_enabled()


# -- the same output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_output_random_state_and_gradients(kind, training):
    model, x = Net(kind).train(training), torch.randn(B, N, DIM)

    def run(model, x):
        out = model(x)
        model.zero_grad()
        out.square().sum().backward()
        return out, [p.grad.clone() for p in model.parameters()]

    before = snapshot(model)
    recording, (plain, plain_grads), (captured, grads) = twice(model, x, run)
    assert torch.equal(plain, captured)
    assert all(torch.equal(a, b) for a, b in zip(plain_grads, grads, strict=True))
    assert snapshot(model) == before
    assert len(recording.calls) == 1


@pytest.mark.parametrize("context", ["inference_mode", "no_grad", "autocast", "autocast and no_grad"])
@pytest.mark.parametrize("kind", KINDS)
def test_contexts(kind, context):
    model, x = Net(kind).train(kind == "mha"), torch.randn(B, N, DIM)

    def run(model, x):
        with (
            torch.inference_mode(context == "inference_mode"),
            torch.set_grad_enabled("grad" not in context),
            torch.autocast("cpu", torch.bfloat16, enabled="autocast" in context),
        ):
            return model(x)

    recording, plain, captured = twice(model, x, run)
    assert torch.equal(plain, captured)
    assert plain.dtype == captured.dtype
    reference, _, _ = twice(model, x)
    # Dropout comes after the first layer only, so its weights are the same.
    assert_recorded(recording, weights(reference), atol=2e-2 if "autocast" in context else 2e-6)
    if kind == "mha":  # its projections are repeated in the model's precision, not in autocast's
        assert recording.calls[0].query.dtype == torch.float32
    attention = next(recording.traces())[0]
    assert not attention[:].is_inference()
    assert not attention[:].requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16(kind):
    model, x = Net(kind).bfloat16().train(kind == "mha"), torch.randn(B, N, DIM).bfloat16()
    recording, plain, captured = twice(model, x)
    assert torch.equal(plain, captured)
    reference, _, _ = twice(model.float(), x.float())
    assert_recorded(recording, weights(reference), atol=3e-2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["hand", "sdpa"])
def test_int8_dynamic_quantization(kind):
    model = torch.ao.quantization.quantize_dynamic(Net(kind).eval(), {nn.Linear}, dtype=torch.qint8)
    recording, plain, captured = twice(model, torch.randn(B, N, DIM))
    assert torch.equal(plain, captured)
    assert [(call.module, call.kind, call.shape) for call in recording.calls] == [
        ("blocks.0.attention", "self", (B, HEADS, N, N))
    ]


@pytest.mark.filterwarnings("ignore")
def test_quantized_layers_count_as_weights():
    """Cross attention of equal length is recognised by the module's inputs; a module without weights is passed over."""
    model = torch.ao.quantization.quantize_dynamic(Attention(), {nn.Linear}, dtype=torch.qint8)
    with al.capture(model) as recording:
        model(torch.randn(B, N, DIM), torch.randn(B, N, DIM))
    assert [call.kind for call in recording.calls] == ["cross"]


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_checkpointing_is_not_recorded_twice(reentrant, training):
    model, x = Net(checkpointing=reentrant).train(training), torch.randn(B, N, DIM, requires_grad=True)

    def run(model, x):
        out = model(x)
        model.zero_grad()
        out.square().sum().backward()
        return out, [p.grad.clone() for p in model.parameters()]

    if not training:
        model.blocks[2].attention.mha.train()  # its fast path is the known exception
    recording, (plain, plain_grads), (captured, grads) = twice(model, x, run)
    assert torch.equal(plain, captured)
    assert all(torch.equal(a, b) for a, b in zip(plain_grads, grads, strict=True))
    assert [call.module for call in recording.calls] == [
        "blocks.0.attention", "blocks.1.attention", "blocks.2.attention.mha"
    ]  # fmt: skip
    assert recording.forwards == [1]


class MultiHead(MhaAttention):
    """nn.MultiheadAttention off its fast path, with the oracle of the hand-written one."""

    def __init__(self):
        super().__init__()
        self.train()
        self.mha.dropout = 0.0

    def oracle_inputs(self, x):
        e = DIM
        weight, bias = self.mha.in_proj_weight.double(), self.mha.in_proj_bias.double()
        parts = (x.double() @ weight[i * e : (i + 1) * e].T + bias[i * e : (i + 1) * e] for i in (0, 1))
        return tuple(part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)


@pytest.mark.parametrize("reentrant", [True, False])
def test_forward_passes_are_counted_without_the_recomputed_ones(reentrant):
    model = Net("hand", "sdpa", checkpointing=reentrant).train()
    with al.capture(model) as recording:
        for _ in range(2):
            model(torch.randn(B, N, DIM, requires_grad=True)).sum().backward()
    assert [call.forward for call in recording.calls] == [1, 1, 2, 2]


class GradientInside(nn.Module):
    """A backward pass inside of the forward pass runs a checkpointed part again."""

    def __init__(self, reentrant):
        super().__init__()
        self.attention, self.reentrant = Attention(), reentrant

    def part(self, x):
        return F.scaled_dot_product_attention(x, x, x) + self.attention(x)

    def forward(self, x):
        out = checkpoint(self.part, x, use_reentrant=self.reentrant)
        x.grad = None
        torch.autograd.backward(out.sum())
        return x.grad.clone()


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_backward_pass_inside_of_the_forward_pass(reentrant):
    recording, plain, captured = twice(GradientInside(reentrant), torch.randn(B, N, DIM, requires_grad=True))
    assert torch.equal(plain, captured)
    assert [call.module for call in recording.calls] == ["", "attention"]


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("kind", KINDS)
def test_vmap(kind):
    """A model without a batch axis, mapped over one."""
    model = {"hand": Attention(), "sdpa": SdpaAttention().eval(), "mha": MultiHead()}[kind]
    x = torch.randn(3, B, N, DIM)
    run = lambda model, x: torch.vmap(model)(x)  # noqa: E731
    recording, plain, captured = twice(model, x[:, :1], run)
    assert torch.equal(plain, captured)
    assert_recorded(recording, attention(*model.oracle_inputs(x[:, 0])))
    assert [call.items for call in recording.calls] == [3]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_vmap_of_grouped_keys(implementation):
    import transformers as hf

    config = hf.LlamaConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, attn_implementation=implementation,
    )  # fmt: skip
    model, ids = hf.LlamaModel(config).eval(), torch.randint(5, 60, (3, 1, 7))
    with torch.no_grad(), al.capture(model, verify=True) as recording:
        torch.vmap(lambda one: model(one)[0])(ids)
    recording.verify()
    with torch.no_grad(), al.capture(model) as plain:
        model(ids[:, 0])
    for trace, expected in zip(recording, plain, strict=True):
        for layer, other in zip(trace.layers, expected.layers, strict=True):
            assert torch.allclose(layer.attention[:], other.attention[:], atol=1e-6)


class GroupedHeads(nn.Module):
    """Groups of heads are mapped over inside of the model: what is hidden is heads, not inputs."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        self.seen = q, k
        return torch.vmap(lambda q, k, v: (q @ k.mT).softmax(-1) @ v, in_dims=1, out_dims=1)(q, k, v)


def test_vmap_over_heads():
    model, x = GroupedHeads(), torch.randn(B, N, DIM)
    with torch.no_grad(), al.capture(model) as recording:
        model(x)
    assert_recorded(recording, attention(*model.seen, scale=1))


class Tempered(Attention):
    """The scale is an input of its own for each item."""

    def forward(self, x, temperature):
        self.mask = lambda scores: scores * temperature
        return super().forward(x)


def test_vmap_over_a_number():
    model, x, temperature = Tempered(), torch.randn(3, 1, N, DIM), torch.tensor([0.5, 1.0, 2.0])
    with al.capture(model) as recording:
        torch.vmap(model)(x, temperature)
    q, k = model.oracle_inputs(x.flatten(0, 1))
    assert_recorded(recording, attention(q * temperature[:, None, None, None], k))


@pytest.mark.parametrize("kind", KINDS)
def test_functional_call_and_grad(kind):
    model, x = Net(kind).train(kind == "mha"), torch.randn(B, N, DIM)
    parameters = {name: p.detach() * 1.5 for name, p in model.named_parameters()}

    def run(model, x):
        def loss(parameters):
            return torch.func.functional_call(model, parameters, (x,)).square().sum()

        grads, value = torch.func.grad_and_value(loss)(parameters)
        return [value, *grads.values()]

    recording, plain, captured = twice(model, x, run)
    assert all(torch.equal(a, b) for a, b in zip(plain, captured, strict=True))
    other = copy.deepcopy(model)
    other.load_state_dict(parameters)
    reference, _, _ = twice(other, x)
    assert_recorded(recording, weights(reference))


# -- several captures ---------------------------------------------------------------------------------------


def test_nested_captures_of_one_model():
    model, x = Net("hand", "sdpa").eval(), torch.randn(B, N, DIM)
    before = snapshot(model)
    with al.capture(model) as outer:
        model(x)
        with al.capture(model) as inner:
            model(x)
    assert (len(outer.calls), len(inner.calls)) == (4, 2)
    assert_recorded(inner, weights(outer)[:B])
    assert outer.forwards == [1, 2]
    assert snapshot(model) == before


def test_nested_captures_of_two_models():
    a, b, x = Net("hand").eval(), Net("sdpa", "hand").eval(), torch.randn(B, N, DIM)
    with al.capture(a) as of_a, al.capture(b) as of_b:
        a(x)
        b(x)
    assert (len(of_a.calls), len(of_b.calls)) == (1, 2)


def test_a_capture_of_a_part_inside_of_a_capture_of_the_whole():
    model = Net("hand", "sdpa").eval()
    with al.capture(model) as whole, al.capture(model.blocks[1]) as part:
        model(torch.randn(B, N, DIM))
    assert [call.module for call in whole.calls] == ["blocks.0.attention", "blocks.1.attention"]
    assert [call.module for call in part.calls] == ["attention"]


def test_several_forward_passes():
    model = Net("hand", "sdpa").eval()
    with al.capture(model) as recording:
        for n in (4, 6, 5):
            model(torch.randn(B, n, DIM))
    assert recording.forwards == [1, 2, 3]
    assert [trace[1].shape for trace in recording.traces()] == [(HEADS, n, n) for n in (4, 4, 6, 6, 5, 5)]


@pytest.mark.parametrize("shared", [True, False])
def test_two_threads_each_with_its_own_capture(shared):
    models = [Net("hand", "sdpa").eval()] * 2 if shared else [Net("hand", "sdpa").eval() for _ in range(2)]
    inputs = [torch.randn(B, n, DIM) for n in (4, 6)]
    barrier, results = threading.Barrier(2), {}

    def work(number):
        try:
            with al.capture(models[number]) as recording:
                barrier.wait(10)
                for _ in range(3):
                    models[number](inputs[number])
                barrier.wait(10)
            results[number] = recording
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, n in enumerate((4, 6)):
        assert isinstance(results[number], al.recorder.Recording), results[number]
        assert [call.shape for call in results[number].calls] == [(B, HEADS, n, n)] * 6


# -- everything is undone -----------------------------------------------------------------------------------


class Stop(Exception):
    pass


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.attention, self.error = Attention(), error

    def forward(self, x):
        x = self.attention(x)
        if self.error is not None:
            raise self.error
        return x


@pytest.mark.parametrize(
    "error", [Stop("mine"), KeyboardInterrupt(), RuntimeError("size mismatch")], ids=repr
)
@pytest.mark.parametrize("where", ["model", "block"])
def test_undone_on_an_exception_that_passes_unchanged(error, where):
    from transformers.modeling_utils import AttentionInterface

    model = Raises(error if where == "model" else None)
    before, interface = snapshot(model), AttentionInterface.get_interface
    with pytest.raises(type(error)) as caught, al.capture(model):  # noqa: PT012
        model(torch.randn(B, N, DIM))
        raise error
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert snapshot(model) == before
    assert AttentionInterface.get_interface is interface


def test_a_run_that_was_interrupted_and_caught():
    model, x = Raises(KeyboardInterrupt()), torch.randn(B, N, DIM)
    with al.capture(model) as recording:
        with pytest.raises(KeyboardInterrupt):
            model(x)
        model.error = None
        model(x)
    assert recording.forwards == [1, 2]
    assert [call.module for call in recording.calls] == ["attention", "attention"]


def test_hooks_of_the_user_stay():
    model, x, seen = Net("hand").eval(), torch.randn(B, N, DIM), []
    model.blocks[0].register_forward_hook(lambda module, args, output: seen.append("mine"))
    before = snapshot(model)
    with al.capture(model):
        handle = model.head.register_forward_hook(lambda module, args, output: seen.append("inside"))
        model(x)
    assert seen == ["mine", "inside"]
    handle.remove()
    assert snapshot(model) == before


def test_hugging_face_config_and_interface():
    import transformers as hf
    from transformers.modeling_utils import AttentionInterface

    config = hf.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    model = hf.BertModel(config).eval()
    before = snapshot(model), copy.deepcopy(model.config.to_dict()), AttentionInterface.get_interface
    with torch.no_grad(), al.capture(model):
        model(torch.randint(5, 60, (2, 9)))
        assert AttentionInterface.get_interface is not before[2]
    assert (snapshot(model), model.config.to_dict(), AttentionInterface.get_interface) == before
    assert model.config._attn_implementation == "sdpa"


# -- a fault of ours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "part"),
    [("sdpa", "_attention_functions.sdpa"), ("mha", "_attention_functions.mha"), ("hand", "_layout.read")],
)
def test_a_fault_of_ours_leaves_the_run_alone(monkeypatch, kind, part):
    model, x = Net(kind).train(kind == "mha"), torch.randn(B, N, DIM)
    torch.manual_seed(3)
    plain = model(x)
    before = snapshot(model)
    fault = ZeroDivisionError("ours")

    def broken(*args, **kwargs):
        raise fault

    monkeypatch.setattr(f"attnlens.recorder.{part}", broken)
    torch.manual_seed(3)
    with pytest.raises(CaptureError, match=r"failed while recording the model \(Net\).*ours") as caught:
        with al.capture(model):
            captured = model(x)
    assert torch.equal(plain, captured)
    assert caught.value.__cause__ is fault
    assert snapshot(model) == before


@pytest.mark.parametrize("part", ["handwritten._scores.product_scores", "handwritten._scores.follow_scores"])
def test_a_step_that_is_not_understood_costs_the_trail_and_not_the_recording(monkeypatch, part):
    model, x = Net("hand"), torch.randn(B, N, DIM)
    with al.capture(model, store="weights") as expected:
        model(x)

    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(f"attnlens.recorder.{part}", broken)
    with al.capture(model, store="factors") as recording:
        model(x)
    for a, b in zip(recording.calls, expected.calls, strict=True):
        assert torch.equal(a.weights, b.weights)


def test_the_models_own_exception_wins_over_a_fault_of_ours(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("attnlens.recorder.handwritten._probabilities.softmaxed", broken)
    with pytest.raises(Stop), al.capture(model := Raises(Stop())):
        model(torch.randn(B, N, DIM))


# -- memory -------------------------------------------------------------------------------------------------


class Remembers(Net):
    """Keeps weak references to its activations."""

    def forward(self, x):
        self.refs = []
        for block in self.blocks:
            x = block(x)
            self.refs.append(weakref.ref(x))
        return self.head(x.mean(1))


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("store", ["factors", "weights"])
def test_nothing_is_held_beyond_the_recording(store, grad):
    model = Remembers().eval()
    x = torch.randn(B, N, DIM)
    with torch.set_grad_enabled(grad), al.capture(model, store=store) as recording:
        out = model(x)
        ref = weakref.ref(x)
        del out, x
    gc.collect()
    assert [r() for r in (*model.refs, ref)] == [None] * 4
    assert len(recording.calls) == 3


def test_nothing_is_held_after_an_exception():
    model = Raises(None)
    with pytest.raises(Stop), al.capture(model) as recording:  # noqa: PT012
        x = torch.randn(B, N, DIM)
        refs = weakref.ref(model(x)), weakref.ref(x)
        del x
        raise Stop
    del recording
    gc.collect()
    assert [r() for r in refs] == [None, None]


class Keeps(Attention):
    """Keeps its weights, and weak references to what they were made of."""

    def forward(self, x):
        q = self.heads(self.q(x))
        hidden = torch.zeros(N, N, dtype=torch.bool)
        self.weights = (q @ q.mT).masked_fill(hidden, -1e9).softmax(-1)
        out = self.weights @ q
        visible = ~hidden
        out = F.scaled_dot_product_attention(out, q, q, attn_mask=visible)
        self.refs = [weakref.ref(t) for t in (q, hidden, visible)]
        return out


def test_nothing_waits_for_the_garbage_collector():
    model = Keeps()
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad(), al.capture(model):
            model(torch.randn(B, N, DIM))
        assert [ref() for ref in model.refs] == [None] * 3
    finally:
        gc.enable()


def hooks_of(model):
    tables = (table for part in model.modules() for name, table in vars(part).items() if "hooks" in name)
    return sum(len(table) for table in tables if hasattr(table, "__len__"))


def test_a_copy_made_meanwhile_is_another_model():
    model, data = Net("mha").eval(), torch.randn(B, N, DIM)
    with torch.no_grad(), al.capture(model) as recording:
        model(data)
        copied, part, read = (
            copy.deepcopy(model),
            copy.deepcopy(model.blocks[0]),
            pickle.loads(pickle.dumps(model)),
        )
        copied(data), read(data)
    assert len(recording.forwards) == 1
    assert [hooks_of(m) for m in (model, copied, part)] == [0, 0, 0]
    with al.capture(copied) as again:
        copied(data)
    assert len(again.calls) == 1
    assert all(torch.equal(other(data), model(data)) for other in (copied, read))


def test_the_model_itself_is_not_held():
    model = Net("hand").eval()
    with al.capture(model) as recording:
        model(torch.randn(B, N, DIM))
    ref = weakref.ref(model)
    del model
    gc.collect()
    assert ref() is None
    assert recording.model == "Net"


class StaticCache(Attention):
    """Keys and values live in one buffer that each step overwrites, masks in another."""

    def __init__(self):
        super().__init__()
        self.keys, self.values = torch.zeros(B, HEADS, 8, 4), torch.zeros(B, HEADS, 8, 4)
        self.visible, self.at = torch.zeros(1, 8, dtype=torch.bool), 0

    def forward(self, x):
        q, k, v = (self.heads(m(x)) for m in (self.q, self.k, self.v))
        n = x.shape[1]
        self.keys[:, :, self.at : self.at + n] = k
        self.values[:, :, self.at : self.at + n] = v
        self.visible[:, : self.at + n] = True
        self.at += n
        return F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=self.visible)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_caches_that_are_overwritten(context):
    model, x = StaticCache(), torch.randn(B, 6, DIM)
    with context(), al.capture(model, store="factors") as recording:
        for part in (x[:, :3], x[:, 3:4], x[:, 4:6]):
            model(part)
    q, k = model.oracle_inputs(x)
    for forward, rows in zip(recording.forwards, (slice(0, 3), slice(3, 4), slice(4, 6)), strict=True):
        expected = attention(q[:, :, rows], k[:, :, : rows.stop])
        for item, (layer,) in enumerate(recording.layers(forward)):
            assert layer.attention.shape == expected.shape[1:]
            assert (layer.attention[:] - expected[item]).abs().max() < 2e-6


def test_generate_with_a_static_cache():
    import transformers as hf

    config = hf.LlamaConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, pad_token_id=0, bos_token_id=1, eos_token_id=None,
    )  # fmt: skip
    model = hf.LlamaForCausalLM(config).eval()
    ids = torch.randint(5, 60, (2, 5))
    options = {"max_new_tokens": 4, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    plain = model.generate(ids, cache_implementation="static", disable_compile=True, **options)
    recordings = []
    for cache in ("static", "dynamic"):
        more = {"cache_implementation": "static", "disable_compile": True} if cache == "static" else {}
        with warnings.catch_warnings(), al.capture(model) as recording:
            warnings.simplefilter("error")
            assert torch.equal(model.generate(ids, **more, **options), plain)
        recordings.append(recording)
    static, dynamic = recordings
    assert len(static.forwards) == len(dynamic.forwards) == 4
    for one, other in zip(static.traces(), dynamic.traces(), strict=True):
        for a, b in zip(one.layers, other.layers, strict=True):
            assert a.attention.shape == b.attention.shape
            assert torch.allclose(a.attention[:], b.attention[:], atol=1e-5)


def test_hooks_are_written_as_torch_registers_them():
    """A capture writes in the same tables, so that torch calls its hooks with these options."""

    def tables(module):
        return {name: dict(table) for name, table in vars(module).items() if "hooks" in name and table}

    module = nn.Identity()
    module.register_forward_pre_hook(print, with_kwargs=True)
    module.register_forward_hook(print, always_call=True)
    block = Block("sdpa")
    with torch.no_grad(), al.capture(block):
        block(torch.randn(1, 3, DIM))
        written = tables(block)
        assert set(written) == set(tables(module))
        (number,) = {number for table in written.values() for number in table}
        handle = block.register_forward_hook(lambda *_: None)
        assert handle.id != number
        handle.remove()
    assert tables(block) == {}
