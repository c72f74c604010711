"""Later passes of a model follow no axes where the first one showed its attention, and record the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

import attnlens as al
from attnlens.recorder import _listener, _pass_plan
from attnlens.recorder._modules import named_modules
from attnlens.recorder._pass_plan import drop_plans

from .architectures import CASES

PLANNED = (
    "bert", "distilbert", "roberta", "electra", "albert", "modernbert", "vit", "deit", "dinov2", "gpt2", "llama",
    "qwen2", "mistral", "bart",
)  # fmt: skip
"""Architectures whose sdpa attention has the axes of a plan."""


@pytest.fixture
def followed(monkeypatch):
    """The functions whose axes were followed."""
    functions, follow = [], _listener._axis_rules.follow

    def noted(provenance, func, *rest):
        functions.append(func)
        return follow(provenance, func, *rest)

    monkeypatch.setattr(_listener._axis_rules, "follow", noted)
    return functions


def record(model, inputs):
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(**inputs) if isinstance(inputs, dict) else model(inputs)
    return recording


def part(inputs, rows, tokens):
    """Some of the inputs, cut to so many tokens; images stay whole."""
    return {
        name: tensor[rows] if tensor.ndim == 4 else tensor[rows][:, :tokens]
        for name, tensor in inputs.items()
    }


def assert_same(one, other):
    for mine, theirs in zip(one.calls, other.calls, strict=True):
        for name in ("module", "number", "kind", "items", "shape", "part", "chunk", "beside", "normalized"):
            assert getattr(mine, name) == getattr(theirs, name), name
    for mine, theirs in zip(one, other, strict=True):
        for layer, expected in zip(mine.layers, theirs.layers, strict=True):
            assert (layer.name, layer.kind) == (expected.name, expected.kind)
            assert torch.equal(layer.attention[:], expected.attention[:])


@pytest.mark.parametrize("name", CASES)
def test_a_later_pass_records_what_a_first_one_does(name, followed):
    model, inputs = CASES[name].build()
    record(model, inputs)
    images = next(iter(inputs.values())).ndim == 4
    rows = [slice(0, 2), slice(1, 2)] if images else [slice(0, 2), slice(1, 3), slice(0, 1), [0, 1, 2, 0]]
    for chosen in rows:
        some = part(inputs, chosen, 8)
        followed.clear()
        later = record(model, some)
        if name in PLANNED and chosen != slice(0, 1) and chosen != slice(1, 2):
            assert not followed
        drop_plans(model)
        first = record(model, some)
        assert followed
        assert_same(later, first)
        record(model, inputs)


class Switch(nn.Module):
    """Attention of four heads over `[batch, token, 16]`, in one of several ways."""

    def __init__(self, way="fused"):
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.way = nn.Linear(16, 48), way

    def forward(self, x):
        q, k, v = self.mix(x).view(*x.shape[:2], 3, 4, 4).permute(2, 0, 3, 1, 4)
        if self.way == "fused":
            mixed = scaled_dot_product_attention(q, k, v)
        elif self.way == "written":
            mixed = ((q @ k.transpose(-1, -2)) / 2).softmax(-1) @ v
        elif self.way == "heads first":
            mixed = scaled_dot_product_attention(*(t.transpose(0, 1) for t in (q, k, v))).transpose(0, 1)
        else:  # one head after the other
            mixed = torch.stack(
                [scaled_dot_product_attention(*(t[:, i] for t in (q, k, v))) for i in range(4)], 1
            )
        return mixed.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("batch", [3, 4])
@pytest.mark.parametrize("way", ["written", "heads first", "one by one"])
def test_a_pass_that_departs_from_the_plan(way, batch):
    """Its axes were not followed: it is recorded rightly or refused, and the pass after it is right."""
    model, x = Switch(), torch.randn(batch, 5, 16)
    expected = record(copy.deepcopy(model), x)
    record(model, x)
    model.way = way
    try:
        found = record(model, x)
    except al.errors.CaptureError:
        pass
    else:
        if len(found) == batch:
            for one, other in zip(found, expected):
                torch.testing.assert_close(one[0][:], other[0][:])
        else:
            assert way == "one by one"
    if way != "one by one":
        for one, other in zip(record(model, x), expected, strict=True):
            torch.testing.assert_close(one[0][:], other[0][:])


def test_what_ends_a_plan(followed):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.deep = Switch(), Switch(), False

        def forward(self, x):
            x = self.first(x)
            return self.second(x) if self.deep else x

    model, x = Two(), torch.randn(2, 5, 16)
    record(model, x)
    followed.clear()
    assert len(record(model, x).calls) == 1
    assert not followed
    model.deep = True  # a module that made no call before
    assert [call.module for call in record(model, x).calls] == ["first", "second"]
    followed.clear()
    record(model, x)
    assert followed  # learns anew
    followed.clear()
    record(model, x)
    assert not followed
    model.first = Switch()  # another module in its place
    record(model, x)
    assert followed
    followed.clear()
    model.first.forward = lambda x: Switch.forward(model.first, x)  # another forward
    record(model, x)
    assert followed
    followed.clear()
    model.eval()
    record(model, x)
    assert followed


@pytest.mark.parametrize("options", [{"values": True}, {"verify": True}])
def test_what_has_no_plan(options, followed):
    model, x = Switch(), torch.randn(2, 5, 16)
    record(model, x)
    followed.clear()
    with torch.no_grad(), al.capture(model, **options) as recording:
        model(x)
    assert followed
    assert recording.calls[0].value_path is not None or options == {"verify": True}


def test_a_softmax_that_is_no_attention_does_not_end_a_plan(followed):
    class Classifier(Switch):
        def forward(self, x):
            return super().forward(x).mean(1).softmax(-1)

    model = Classifier()
    record(model, torch.randn(2, 5, 16))
    followed.clear()
    record(model, torch.randn(3, 6, 16))
    assert not followed


def test_a_model_is_not_kept_alive_by_its_plans():
    model = Switch()
    record(model, torch.randn(2, 5, 16))
    assert model in _pass_plan._plans
    count = len(_pass_plan._plans)
    del model
    assert len(_pass_plan._plans) < count


def test_where_all_attention_is_at_the_interface_no_other_function_is_watched(monkeypatch):
    model, inputs = CASES["llama"].build()
    record(model, inputs)
    watched, dispatch = [], _listener.Listener.__torch_function__

    def noted(self, func, types, args=(), kwargs=None):
        watched.append(func)
        return dispatch(self, func, types, args, kwargs)

    monkeypatch.setattr(_listener.Listener, "__torch_function__", noted)
    record(model, inputs)
    assert 0 < len(watched) < 60  # of some 200
    assert torch.nn.functional.linear not in watched
    linear = model.layers[0].mlp.down_proj
    with torch.no_grad(), al.capture(model) as recording:
        model(**inputs)
        linear(torch.zeros(1, 48))  # between the passes it is seen again
        assert torch.nn.functional.linear in watched
        model(**inputs)
    assert len(recording.forwards) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_pass_that_is_interrupted_while_nothing_is_watched(error):
    model, inputs = CASES["llama"].build()
    expected = record(model, inputs)

    def fail(*args):
        raise error("stop")

    with torch.no_grad(), al.capture(model, store="factors") as recording:
        handle = model.layers[1].mlp.register_forward_pre_hook(fail)
        with pytest.raises(error, match="stop"):
            model(**inputs)
        handle.remove()
        model(**inputs)
    modes = torch.overrides._get_current_function_mode_stack()
    assert not any(isinstance(mode, _listener.Listener) for mode in modes)
    last = [call for call in recording.calls if call.forward == recording.forwards[-1]]
    assert [call.module for call in last] == [call.module for call in expected.calls]
    assert torch.equal(last[0].query, expected.calls[0].query)


def test_a_listener_that_wakes_twice_is_there_once():
    """An interrupt between the two halves of falling asleep leaves it awake, and marked as asleep."""
    model, inputs = CASES["llama"].build()
    expected = record(model, inputs)
    with torch.no_grad(), al.capture(model, store="factors") as recording:
        model(**inputs)
        (listener,) = (mode for mode in torch.overrides._get_current_function_mode_stack()
                       if isinstance(mode, _listener.Listener))  # fmt: skip
        listener.asleep = True
        model(**inputs)
        assert torch.overrides._get_current_function_mode_stack().count(listener) == 1
    assert len(recording.calls) == 2 * len(expected.calls)


def test_modules_are_named_as_torch_names_them():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))
            self.again, self.nothing = self.first[1], None
            self.register_module("missing", None)

    for model in (Shared(), CASES["bart"].build()[0]):
        expected = dict(model.named_modules())
        assert list(named_modules(model).items()) == list(expected.items())


@pytest.fixture
def watched(monkeypatch):
    """The functions that listeners saw."""
    functions, dispatch = [], _listener.Listener.__torch_function__

    def noted(self, func, types, args=(), kwargs=None):
        functions.append(func)
        return dispatch(self, func, types, args, kwargs)

    monkeypatch.setattr(_listener.Listener, "__torch_function__", noted)
    return functions


@pytest.mark.parametrize("name", PLANNED)
def test_from_the_third_pass_on_the_function_around_attention_is_not_watched(name, watched):
    model, inputs = CASES[name].build()
    images = next(iter(inputs.values())).ndim == 4
    for chosen in (slice(0, 2), slice(1, 3), slice(0, 1)):
        some = part(inputs, chosen, 8)
        record(model, some)
        record(model, some)
        assert scaled_dot_product_attention in watched or name == "vit"
        watched.clear()
        third = record(model, some)
        if not (images and chosen == slice(0, 1)):
            assert scaled_dot_product_attention not in watched
        drop_plans(model)
        assert_same(third, record(model, some))


def llama():
    model, inputs = CASES["llama"].build()
    for _ in range(3):
        record(model, inputs)
    return model, inputs


def change_mask(model, inputs):
    del inputs["attention_mask"]


def change_causality(model, inputs):
    model.layers[1].self_attn.is_causal = False


def change_scale(model, inputs):
    model.layers[0].self_attn.scaling = 0.1


def change_heads(model, inputs):
    attention = model.layers[0].self_attn
    attention.q_proj = nn.Linear(attention.q_proj.in_features, attention.q_proj.out_features * 2)
    attention.o_proj = nn.Linear(attention.o_proj.in_features * 2, attention.o_proj.out_features)
    attention.num_key_value_groups *= 2


@pytest.mark.parametrize("change", [change_mask, change_causality, change_scale, change_heads])
def test_a_call_that_differs_is_watched(change, watched):
    model, inputs = llama()
    watched.clear()
    change(model, inputs)
    later = record(model, inputs)
    assert scaled_dot_product_attention in watched
    drop_plans(model)
    assert_same(later, record(model, inputs))


def test_steps_with_a_cache_are_those_of_a_first_pass():
    model, inputs = CASES["llama"].build()
    ids = inputs["input_ids"]

    def steps():
        with torch.no_grad(), al.capture(model, store="factors") as recording:
            cache = model(ids[:, :4]).past_key_values
            model(ids[:, 4:6], past_key_values=cache)
            model(ids[:, 6:7], past_key_values=cache)
            model(ids[:, 7:8], past_key_values=cache)
        return recording

    first = steps()
    steps()
    assert_same(steps(), first)


def test_an_attention_function_of_the_user_is_always_watched(watched):
    from transformers import AttentionInterface

    def alternating(module, query, key, value, mask, **options):
        own.causal = not own.causal
        return scaled_dot_product_attention(query, key, value, is_causal=own.causal).transpose(1, 2), None

    own = nn.Module()
    own.causal = False
    AttentionInterface.register("alternating", alternating)
    try:
        model, inputs = CASES["bert"].build()
        model.set_attn_implementation("alternating")
        for _ in range(4):
            watched.clear()
            recording = record(model, inputs)
            assert scaled_dot_product_attention in watched
            bands = [call.mask is not None and call.mask.band is not None for call in recording.calls]
            assert bands == [number % 2 == 0 for number in range(len(bands))]
    finally:
        AttentionInterface._global_mapping.pop("alternating")
