"""Every method against Captum used by hand, a closed form, or a slow sum."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, IntegratedGradients, NoiseTunnel, Saliency
from torch import nn

import attnlens as al
from attnlens.attribution import METHODS
from attnlens.attribution._options import FIXED_TOLERANCE
from attnlens.attribution._registry import methods
from attnlens.attribution._relevance import gradient_rollout, relevance
from attnlens.attribution.text import _baselines, _methods
from attnlens.attribution.text._forward import EmbeddingForward
from attnlens.attribution.text._perturbation import TextPerturbation
from attnlens.errors import InputError
from attnlens.models._forward import gradient_mode

from ... import tiny

TEXT = "a gripping , funny film"
FAST = {"integrated_gradients": {"n_steps": 4}, "shapley": {"n_samples": 2}, "smoothgrad": {"n_samples": 3}}


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.bert(num_labels=3).double(), tiny.wordpiece())


@pytest.fixture(scope="module")
def hand(lens):
    """F of the second class by `inputs_embeds`, with the ends of the path from padding."""
    inputs = lens.inputs([lens.encode(TEXT)])
    ids = inputs.pop("input_ids")
    special = torch.tensor([[token.special for token in lens.encode(TEXT).tokens]])
    embed = lens.model.get_input_embeddings()

    def number(vectors):
        rest = {name: rows.expand(len(vectors), -1) for name, rows in inputs.items()}
        return lens.model(inputs_embeds=vectors, **rest).logits[:, 1]

    end = embed(ids).detach()
    start = embed(torch.where(special, ids, torch.zeros_like(ids))).detach()
    return number, start, end


def close(found, expected):
    torch.testing.assert_close(found.double(), expected.detach().double(), rtol=1e-5, atol=1e-8)


def gradient_of(number, point):
    point = point.clone().requires_grad_()
    return torch.autograd.grad(number(point).sum(), point)[0]


# -- gradients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", _methods.RULES)
def test_integrated_gradients_by_a_fixed_number_of_steps(lens, hand, rule):
    number, start, end = hand
    expected = IntegratedGradients(number).attribute(end, start, n_steps=7, method=rule).sum(-1)[0]
    found = lens.attribute(TEXT, 1, n_steps=7, rule=rule)
    close(found.scores, expected)
    assert (found.steps, found.tolerance) == (7, FIXED_TOLERANCE)
    assert found.change == pytest.approx(float(number(end) - number(start)))
    assert found.estimated_error is None


def test_integrated_gradients_in_as_many_steps_as_it_needs(lens, hand):
    number, start, end = hand
    exact = IntegratedGradients(number).attribute(end, start, n_steps=400).sum(-1)[0]
    for tolerance in (0.1, 0.001):
        found = lens.attribute(TEXT, 1, tolerance=tolerance)
        assert found.converged
        assert found.tolerance == tolerance
        assert float((found.scores - exact).abs().sum() / exact.abs().sum()) <= tolerance
        assert found.change == pytest.approx(float(number(end) - number(start)))


def test_steps_that_do_not_do(lens):
    found = lens.attribute(TEXT, 1, tolerance=1e-9, max_steps=9)
    assert found.steps == 9
    assert found.converged is False
    assert "did not converge in 9 steps: raise max_steps" in found.verdict


def test_the_tolerance_of_a_fixed_number_of_steps_is_what_it_is_measured_by(lens):
    strict, lax = (lens.attribute(TEXT, 1, n_steps=3, tolerance=tolerance) for tolerance in (1e-9, 0.5))
    assert torch.equal(strict.scores, lax.scores)
    assert (strict.converged, lax.converged) == (False, True)
    assert "raise n_steps" in strict.verdict


def test_sequential_scores_are_what_the_model_loses(lens):
    found = lens.attribute(TEXT, 1, method="sequential_integrated_gradients", tolerance=1e-4)
    alone = lens.attribute(TEXT, 1, method="leave_one_out")
    torch.testing.assert_close(found.scores, alone.scores, rtol=1e-3, atol=1e-5)
    assert found.change == pytest.approx(alone.change)
    assert found.converged
    assert 0 < found.estimated_error <= 1e-4
    assert found.steps >= 9 * 5


def test_sequential_scores_that_did_not_converge_say_so(lens):
    found = lens.attribute(TEXT, 1, method="sequential_integrated_gradients", tolerance=1e-12, max_steps=9)
    assert found.converged is False
    assert "did not converge in 45 steps: raise max_steps" in found.verdict


def test_the_gradient_is_that_of_autograd(lens, hand):
    number, _, end = hand
    found = lens.attribute(TEXT, 1, method="gradient")
    close(found.scores, gradient_of(number, end).norm(dim=-1)[0])
    assert (found.signed, found.change, found.gap, found.baseline) == (False, None, None, None)
    assert found.value == pytest.approx(float(number(end)))


def test_gradient_x_input(lens, hand):
    number, _, end = hand
    found = lens.attribute(TEXT, 1, method="gradient_x_input")
    close(found.scores, (gradient_of(number, end) * end).sum(-1)[0])
    assert found.change == pytest.approx(float(number(end) - number(torch.zeros_like(end))))
    assert (found.baseline, found.complete) == ("zero", False)


def test_layer_gradient_x_activation(lens):
    module, seen = lens.model.bert.embeddings, []
    inputs = lens.inputs([lens.encode(TEXT)])
    handle = module.register_forward_hook(lambda _, args, output: seen.append(output.retain_grad() or output))
    lens.model(**inputs).logits[0, 1].backward()
    handle.remove()
    lens.model.zero_grad()
    expected = (seen[0].grad * seen[0]).sum(-1)[0]
    found = lens.attribute(TEXT, 1, method="layer_gradient_x_activation")
    close(found.scores, expected)
    close(
        lens.attribute(TEXT, 1, method="layer_gradient_x_activation", layer="bert.embeddings").scores,
        expected,
    )
    close(lens.attribute(TEXT, 1, method="gradient_x_input", layer="embeddings").scores, expected)


def test_smoothgrad_is_a_mean_over_noise(lens, hand):
    number, _, end = hand
    with torch.random.fork_rng():
        torch.manual_seed(3)
        parts = NoiseTunnel(Saliency(number)).attribute(
            end, nt_type="smoothgrad", nt_samples=6, stdevs=0.1 * float(end.max() - end.min()), abs=False
        )
    found = lens.attribute(TEXT, 1, method="smoothgrad", n_samples=6, noise=0.1, seed=3)
    close(found.scores, parts.norm(dim=-1)[0])
    still = lens.attribute(TEXT, 1, method="smoothgrad", n_samples=1, noise=1e-9)
    close(still.scores, lens.attribute(TEXT, 1, method="gradient").scores)


# -- DeepLift -------------------------------------------------------------------------------------------------


def test_deeplift_of_a_transformer_is_what_captum_makes_of_it(lens, hand):
    number, start, end = hand

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = lens.model

        def forward(self, vectors):
            return number(vectors)

    expected = DeepLift(Whole()).attribute(end, start).sum(-1)[0]
    found = lens.attribute(TEXT, 1, method="deeplift")
    close(found.scores, expected)
    assert found.complete is False


def test_deeplift_of_the_sentiment_model_is_a_gradient():
    """It has no activation that Captum knows: as the docstring of `deeplift` says."""
    lens = al.load("sentiment")
    found = lens.attribute("not a bad film", "positive", method="deeplift")
    with gradient_mode(lens.model):
        answer = EmbeddingForward(lens, [lens.encode("not a bad film")])
        start, end = _baselines.start(answer, "pad"), answer.vectors()
        gradient = gradient_of(lambda point: answer.logits(point)[:, found.target.index], end)
    close(found.scores, (gradient * (end - start)).sum(-1)[0])
    assert found.gap > 0.1


class Rescaled(nn.Module):
    """F that the rescale rule divides up exactly."""

    def __init__(self, activation, times=1):
        super().__init__()
        self.words, self.times = nn.Embedding(len(tiny.wordpiece()), 8), times
        self.first, self.act, self.second = nn.Linear(8, 8), activation, nn.Linear(8, 2)

    def forward(self, input_ids):
        x = self.words(input_ids)
        for _ in range(self.times):
            x = self.act(3 * self.first(x))
        return self.second(x).sum(1)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh()])
def test_deeplift_is_exact_where_captum_knows_the_activations(activation):
    model = Rescaled(activation).double()
    lens = al.Lens(model, tiny.wordpiece())
    found = lens.attribute(TEXT, 1, method="deeplift", baseline="mask")
    ids = torch.tensor(lens.encode(TEXT).inputs["input_ids"])
    ends = [3 * model.first(model.words(one)) for one in (torch.full_like(ids, 4), ids)]
    change = (model.act(ends[1]) - model.act(ends[0])) @ model.second.weight[1]
    change[[0, -1]] = 0.0  # by the rule a token gets its own change: nothing mixes tokens here
    close(found.scores, change)
    assert found.gap < 1e-6


def test_deeplift_refuses_an_activation_that_runs_twice():
    lens = al.Lens(Rescaled(nn.ReLU(), times=2), tiny.wordpiece())
    with pytest.raises(
        InputError, match="deeplift needs activation modules that run once, and Rescaled runs"
    ):
        lens.attribute(TEXT, 1, method="deeplift")
    assert not any(module._forward_hooks or module._backward_hooks for module in lens.model.modules())


# -- without parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["pad", "mask"])
def test_leave_one_out_is_what_removal_says(lens, baseline):
    removal = TextPerturbation(lens, TEXT, baseline)
    logits = removal.logits(torch.cat([torch.ones(1, 5), 1 - torch.eye(5)]).bool())[:, 1]
    found = lens.attribute(TEXT, 1, method="leave_one_out", baseline=baseline)
    close(found.scores[1:-1], logits[0] - logits[1:])
    assert found.scores[[0, -1]].tolist() == [0.0, 0.0]
    assert found.complete is False


def exact_shapley(lens, text):
    """Mean gain over all orders, in float64."""
    removal = TextPerturbation(lens, text)
    size = len(removal.parts)
    kept = torch.tensor([[bool(number >> part & 1) for part in range(size)] for number in range(2**size)])
    worth = removal.logits(kept)[:, 1].tolist()
    scores = [0.0] * size
    for order in permutations(range(size)):
        seen = 0
        for part in order:
            scores[part] += (worth[seen | 1 << part] - worth[seen]) / math.factorial(size)
            seen |= 1 << part
    return torch.tensor(scores)


def test_shapley_values_of_four_tokens(lens):
    text = "a funny , film"
    expected = exact_shapley(lens, text)
    found = lens.attribute(text, 1, method="shapley", n_samples=400)
    error = (found.scores[1:-1] - expected).abs().sum() / expected.abs().sum()
    assert float(error) < 0.05  # 400 of random orders: about 1 / sqrt(400)
    assert found.gap < 1e-4  # every order adds up by itself, in float32
    assert found.samples.shape == (400, len(found))
    off = (found.scores[1:-1] - expected).abs()
    assert bool((off <= 4 * found.standard_error[1:-1] + 1e-6).all())
    assert 0.3 < float(off.sum() / found.scores.abs().sum()) / found.estimated_error < 3
    assert "sampling error" in found.verdict
    assert "from 400 random orders" in repr(found)
    few = lens.attribute(text, 1, method="shapley", n_samples=3)
    assert few.table["standard_error"].tolist() == pytest.approx(few.standard_error.tolist())
    assert few.estimated_error > found.estimated_error
    assert lens.attribute(text, 1, method="shapley", n_samples=1).standard_error is None
    assert few.gap < 1e-4
    assert not torch.allclose(few.scores, found.scores, rtol=1e-3)


# -- attention ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_attention_in_the_row_that_answers(lens, name):
    lens = lens if name == "bert" else al.Lens(tiny.gpt2().double(), tiny.byte_level())
    row = 0 if name == "bert" else -1
    expected = {
        "rollout": al.rollout(lens.trace(TEXT), row=row),
        "relevance": relevance(lens, TEXT, 1, row=row),
        "gradient_rollout": gradient_rollout(lens, TEXT, 1, row=row),
    }
    special = torch.tensor([token.special for token in lens.trace(TEXT).tokens])
    for method, scores in expected.items():
        found = lens.attribute(TEXT, 1, method=method)
        close(found.scores, scores.masked_fill(special, 0.0))
        assert (found.signed, found.gap, found.steps, found.baseline) == (False, None, 0, None)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (tiny.bert, {"against": 0}, "explains the logit of one class; omit against= and unit="),
        (tiny.bert, {"unit": "probability"}, "omit against= and unit="),
        (
            lambda: tiny.bert("ForTokenClassification"),
            {"position": 1},
            "gradient of the one prediction",
        ),
        (lambda: tiny.bert("ForMaskedLM"), {"position": 1}, "omit position="),
        (
            lambda: tiny.bert("ForQuestionAnswering"),
            {"target": "start"},
            "gradient of the one prediction",
        ),
    ],
)
def test_attention_knows_one_answer(build, options, message):
    lens = al.Lens(build(), tiny.wordpiece())
    for method in ("relevance", "gradient_rollout"):
        with pytest.raises(InputError, match=f"{method} reads attention .*{message}"):
            lens.attribute(TEXT, **{"target": 1, "method": method, **options})


def test_attention_of_two_stacks():
    lens = al.Lens(tiny.bart("ForSequenceClassification"), tiny.roberta())
    for method in ("rollout", "relevance", "gradient_rollout"):
        with pytest.raises(
            InputError, match="follows one stack of self-attention, and BartForSequenceClassification has two"
        ):
            lens.attribute(TEXT, 1, method=method)


# -- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_random_numbers_are_ones_own(lens, method):
    options = FAST.get(method, {})
    torch.manual_seed(5)
    np.random.seed(5)
    before, numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = lens.attribute(TEXT, 1, method=method, **options)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy).all()
    torch.manual_seed(6)
    assert torch.equal(lens.attribute(TEXT, 1, method=method, **options).scores, one.scores)
    if method in ("smoothgrad", "shapley"):
        other = lens.attribute(TEXT, 1, method=method, seed=1, **options)
        assert not torch.allclose(other.scores, one.scores, rtol=1e-4)


def state(model):
    return (
        [parameter.requires_grad for parameter in model.parameters()],
        [parameter.grad is None for parameter in model.parameters()],
        [module.training for module in model.modules()],
        [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks), sorted(vars(m)))
            for m in model.modules()
        ],
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method):
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    options = {"method": method, **FAST.get(method, {})}
    expected = lens.attribute(TEXT, 1, **options)
    lens.model.train()
    lens.model.bert.pooler.eval()
    lens.model.classifier.weight.requires_grad_(False)
    before = state(lens.model)
    found = [lens.attribute(TEXT, 1, **options)]
    with torch.no_grad():
        found.append(lens.attribute(TEXT, 1, **options))
    with torch.inference_mode():
        found.append(lens.attribute(TEXT, 1, **options))
    for one in found:
        torch.testing.assert_close(one.scores, expected.scores)  # dropout was off, gradients on
        assert not one.scores.requires_grad
        assert not one.scores.is_inference()
    assert state(lens.model) == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("at", [1, 2])
def test_the_model_is_left_as_it_was_after_an_exception(method, at):
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    lens.model.train()
    calls = []

    def fail(module, args, output):
        calls.append(module)
        if len(calls) == at:
            raise RuntimeError("the power went out")

    handle = lens.model.classifier.register_forward_hook(fail)  # after the Tanh that DeepLift writes on
    before = state(lens.model)
    with pytest.raises(InputError, match="the power went out"):
        lens.attribute(TEXT, 1, method=method, **FAST.get(method, {}))
    assert state(lens.model) == before
    handle.remove()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "method", [name for name, method in methods("text").items() if not method.reads_attention]
)
def test_ends_of_a_model_in_half_precision_are_those_of_its_float32_copy(method, dtype):
    half = al.Lens(tiny.bert().to(dtype), tiny.wordpiece())
    copy = al.Lens(tiny.bert().to(dtype).float(), tiny.wordpiece())
    options = {"method": method, **FAST.get(method, {})}
    found, exact = (lens.attribute(TEXT, 1, **options) for lens in (half, copy))
    assert found.scores.dtype is torch.float32
    assert bool(found.scores.isfinite().all())
    if exact.change is not None:
        assert found.change == pytest.approx(exact.change, rel=1e-3)
    assert next(half.model.parameters()).dtype is dtype


# -- options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("integrated_gradients", {"n_steps": 0}, "n_steps must be an integer of at least 1, not 0"),
        (
            "integrated_gradients",
            {"n_steps": 2, "rule": "simpson"},
            "unknown rule 'simpson'; .* gausslegendre",
        ),
        (
            "integrated_gradients",
            {"rule": "riemann_left"},
            "rule= needs a fixed number of steps; pass n_steps=",
        ),
        (
            "integrated_gradients",
            {"n_steps": 2, "max_steps": 9},
            "max_steps is a limit and n_steps a fixed number",
        ),
        ("integrated_gradients", {"n_steps": 2, "tolerance": 0}, "tolerance must be a number above 0, not 0"),
        ("integrated_gradients", {"tolerance": 0}, "tolerance must be a number above 0.* not 0"),
        ("integrated_gradients", {"tolerance": -1.0}, "tolerance must be a number above 0.* not -1.0"),
        ("integrated_gradients", {"tolerance": "1%"}, "tolerance must be a number above 0.* not '1%'"),
        ("integrated_gradients", {"max_steps": 3}, "max_steps must be an integer of at least 9"),
        ("sequential_integrated_gradients", {"tolerance": 0}, "tolerance must be a number above 0"),
        ("smoothgrad", {"n_samples": 0}, "n_samples must be an integer of at least 1, not 0"),
        ("smoothgrad", {"noise": 0}, "noise must be a number above 0, not 0"),
        ("smoothgrad", {"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ("shapley", {"n_samples": 1.5}, "n_samples must be an integer of at least 1, not 1.5"),
        ("shapley", {"noise": 1}, "shapley takes no option 'noise'; it takes: n_samples, seed"),
        ("gradient", {"n_steps": 2}, "gradient takes no option 'n_steps'; it takes none"),
        ("integrated_gradient", {}, r"unknown method 'integrated_gradient'; expected one of: .*Did you mean"),
    ],
)
def test_options_that_are_none(lens, method, options, message):
    with pytest.raises(InputError, match=message):
        lens.attribute(TEXT, 1, method=method, **options)


def test_a_method_that_is_no_name():
    with pytest.raises(InputError, match=r"unknown method \['gradient'\]; expected one of: integrated"):
        al.load("sentiment").attribute("flat", method=["gradient"])
