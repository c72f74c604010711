"""Adaptive integrated gradients against Captum's with many steps, closed forms, and slow float64 sums."""

from __future__ import annotations

import math

import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from captum.testing.helpers import basic_models as toys
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnlens.attribution._integrated_gradients import (
    AdaptiveIntegratedGradients,
    ErrorEstimate,
    SequentialIntegratedGradients,
)
from attnlens.attribution._path_function import _counts
from attnlens.errors import InputError

MANY = 4000


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


def as_tuple(found):
    return found if isinstance(found, tuple) else (found,)


def off(found, reference):
    """Per example: sum |found - reference| / sum |reference|."""
    pairs = list(zip(as_tuple(found), as_tuple(reference)))
    difference = sum((a.double() - b.double()).abs().flatten(1).sum(1) for a, b in pairs)
    return difference / sum(b.double().abs().flatten(1).sum(1) for _, b in pairs).clamp(min=1e-12)


def by_captum(forward, inputs, layer=None, **arguments):
    """Captum's integrated gradients by 4,000 evenly spread middles."""
    method = IntegratedGradients(forward) if layer is None else LayerIntegratedGradients(forward, layer)
    return method.attribute(inputs, n_steps=MANY, method="riemann_middle", **arguments)


def polynomial(x):
    return (x**4).sum(1)


class Bent(nn.Module):
    """Many kinks along any path: `[example, 6] -> [example, 3]`."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 40), nn.Linear(40, 3)

    def forward(self, x):
        return self.second((3 * self.first(x)).relu())


@pytest.fixture
def bent():
    return Bent().double()


# -- the same as Captum's ---------------------------------------------------------------------------------------

PAIR = (row(1.5, 2.0, 34.3), row(3.0, 3.5, 23.2))
PAIRS = (
    torch.tensor([[1.5, 2.0, 34.3], [3.4, 1.2, 2.0]], dtype=torch.float64),
    torch.tensor([[3.0, 3.5, 23.2], [2.3, 1.2, 0.3]], dtype=torch.float64),
)
ONE = torch.tensor([3.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
ROWS = torch.tensor([[1.5, 2.0, 1.3], [0.5, 0.1, 2.3], [-1.5, 2.0, 0.3]], dtype=torch.float64)

ON_INPUTS = {
    "one number": (toys.BasicModel(), torch.tensor([1.0, 0.0, -1.0, 4.0]).double(), {}),
    "a number as baseline": (toys.BasicModel(), torch.tensor([-1.0, 3.0]).double(), {"baselines": 0.00001}),
    "two inputs": (toys.BasicModel2(), ONE, {"baselines": (torch.zeros(1).double(),) * 2}),
    "the same function": (toys.BasicModel3(), ONE, {}),
    "additional tensor": (
        toys.BasicModel4_MultiArgs(),
        PAIR,
        {"baselines": (0.0, torch.zeros(1, 3).double()), "additional_forward_args": row(1.0, 2.0, 3.0)},
    ),
    "additional rows and number": (
        toys.BasicModel4_MultiArgs(),
        PAIRS,
        {
            "baselines": (torch.zeros(2, 3).double(), 0.0),
            "additional_forward_args": (torch.arange(1.0, 7.0).double().reshape(2, 3), 1),
        },
    ),
    "additional list, one baseline for all": (
        toys.BasicModel5_MultiArgs(),
        PAIRS,
        {"baselines": (torch.zeros(1, 3).double(), 0.00001), "additional_forward_args": ([2, 3], 1)},
    ),
    "sum of inputs": (toys.BasicModel6_MultiTensor(), (row(1.5, 2.0, 3.3), row(3.0, 3.5, 2.2)), {}),
    "target number": (toys.BasicModel_MultiLayer(), ROWS, {"target": 1}),
    "target list": (toys.BasicModel_MultiLayer(), ROWS, {"target": [0, 1, 0]}),
    "target tensor": (lambda x: x**3 * x.flip(1), ROWS, {"target": torch.tensor([2, 0, 1])}),
    "target of one": (toys.BasicModel_MultiLayer(), ROWS, {"target": torch.tensor(1)}),
    "target tuple": (lambda x: torch.stack([x**3, x**2 * x.flip(1)], 1), ROWS, {"target": (1, 2)}),
    "target tuples": (
        lambda x: torch.stack([x**3, x**2 * x.flip(1)], 1),
        ROWS,
        {"target": [(1, 2), (0, 0), (1, 0)]},
    ),
    "images": (
        toys.BasicModel_ConvNet,  # built in the test: its weights are drawn, from the test's seed
        torch.arange(200.0).double().reshape(2, 1, 10, 10) / 30,
        {"target": [0, 3]},
    ),
}


@pytest.mark.parametrize("name", ON_INPUTS)
def test_equals_captum_on_inputs(name):
    forward, inputs, more = ON_INPUTS[name]
    forward = forward() if isinstance(forward, type) else forward
    forward = forward.double() if isinstance(forward, nn.Module) else forward
    found, estimate = AdaptiveIntegratedGradients(forward).attribute(
        inputs, tolerance=1e-3, return_estimate=True, **more
    )
    reference = by_captum(forward, inputs, **more)
    assert type(found) is type(reference)
    assert [x.shape for x in as_tuple(found)] == [x.shape for x in as_tuple(reference)]
    assert bool(estimate.converged.all())
    for one, other in zip(as_tuple(found), as_tuple(reference)):
        scale = sum(float(x.abs().sum()) for x in as_tuple(reference))
        torch.testing.assert_close(one, other, atol=2e-3 * scale + 1e-15, rtol=0)


IDS = torch.tensor([[2, 5, 0, 1], [3, 1, 1, 0]]), torch.tensor([[0, 2, 4, 1], [2, 3, 5, 7]])

ON_LAYERS = {
    "linear": (lambda: toys.BasicModel_MultiLayer(), "linear1", ROWS, {"target": 1}),
    "two outputs": (
        lambda: toys.BasicModel_MultiLayer(multi_input_module=True),
        "multi_relu",
        row(0.0, 100.0, 0.0),
        {"target": 0},
    ),
    "convolution": (
        lambda: toys.BasicModel_ConvNet(),
        "conv1",
        torch.arange(200.0).double().reshape(2, 1, 10, 10) / 30,
        {"target": 0},
    ),
    "embedding": (
        lambda: toys.BasicEmbeddingModel(nested_second_embedding=True),
        "embedding1",
        IDS[0],
        {"baselines": torch.zeros(1, 4).long(), "additional_forward_args": (IDS[1], IDS[1].flip(0))},
    ),
    "embedding, ids both": (
        lambda: toys.BasicEmbeddingModel(),
        "embedding2",
        IDS,
        {"baselines": (0, 3)},
    ),
}


@pytest.mark.parametrize("name", ON_LAYERS)
def test_equals_captum_on_layers(name):
    build, layer, inputs, more = ON_LAYERS[name]
    model = build().double()
    layer = model.get_submodule(layer)
    found, estimate = AdaptiveIntegratedGradients(model, layer).attribute(
        inputs, tolerance=1e-3, return_estimate=True, **more
    )
    reference = by_captum(model, inputs, layer, **more)
    assert type(found) is type(reference)
    assert bool(estimate.converged.all())
    assert float(off(found, reference).max()) < 2e-3


def test_captums_own_check_of_the_sum(bent):
    inputs = torch.randn(4, 6).double()
    method = AdaptiveIntegratedGradients(bent)
    found, estimate = method.attribute(inputs, target=2, return_estimate=True)
    delta = method.compute_convergence_delta(found, torch.zeros_like(inputs), inputs, target=2)
    assert method.has_convergence_delta()
    torch.testing.assert_close(delta.abs(), estimate.gap * estimate.change.abs())


# -- the estimate --------------------------------------------------------------------------------------------


def line_sum(forward, start, end, steps=MANY):
    """One example at a time, one point at a time: the mean gradient over the middles of the steps, times x - x'."""
    found = []
    for a, b in zip(start, end):
        total = torch.zeros_like(b)
        for step in range(steps):
            point = (a + (step + 0.5) / steps * (b - a))[None].requires_grad_()
            total += torch.autograd.grad(forward(point).sum(), point)[0][0]
        found.append(total / steps * (b - a))
    return torch.stack(found)


@pytest.mark.parametrize("tolerance", [0.05, 0.01])
def test_the_estimate_is_true(bent, tolerance):
    start, end = torch.randn(2, 3, 6).double()
    forward = lambda x: bent(x)[:, 0]  # noqa: E731
    found, estimate = AdaptiveIntegratedGradients(forward).attribute(
        end, start, tolerance=tolerance, return_estimate=True
    )
    reference = line_sum(forward, start, end)
    with torch.no_grad():
        change = forward(end) - forward(start)
    torch.testing.assert_close(estimate.change, change)
    torch.testing.assert_close(estimate.gap, (found.sum(1) - change).abs() / change.abs())
    assert bool(estimate.converged.all())
    assert bool((estimate.gap <= tolerance).all())
    assert bool((estimate.error <= tolerance).all())
    assert bool((off(found, reference) <= tolerance).all())


@settings(max_examples=25, deadline=None)
@given(kink=st.floats(0.02, 0.98), slope=st.floats(-3, 3))
def test_a_kink_costs_few_points(kink, slope):
    """F = relu(x - kink) + slope * x, in two features of which only the first bends: the scores are known."""
    forward = lambda x: (x[:, 0] - kink).relu() + slope * x[:, 1]  # noqa: E731
    found, estimate = AdaptiveIntegratedGradients(forward).attribute(
        row(1.0, 1.0), tolerance=1e-3, return_estimate=True
    )
    exact = row(1 - kink, slope)
    assert bool(estimate.converged)
    assert float(off(found, exact)) <= 1e-3
    assert int(estimate.steps) <= 50  # evenly spread nodes need up to a thousand


@pytest.mark.parametrize("tolerance", [0.05, 0.01])
def test_what_has_converged_is_within_the_tolerance(tolerance):
    """200 paths through kinks, many of which have little to show at nine nodes."""
    first, second = torch.randn(12, 6).double(), torch.randn(12).double()
    forward = lambda x: ((x @ first.T - 0.5).relu() * second).sum(1)  # noqa: E731
    start, end = torch.randn(2, 200, 6).double()
    found, estimate = AdaptiveIntegratedGradients(forward).attribute(
        end, start, tolerance=tolerance, return_estimate=True
    )
    shares = ((torch.arange(MANY) + 0.5) / MANY).double()
    points = torch.lerp(start[:, None], end[:, None], shares[:, None])
    kinks = (points @ first.T > 0.5).double().mean(1)  # how much of the path each unit is active on
    exact = (kinks * second) @ first * (end - start)
    assert bool(estimate.converged.all())
    assert float(off(found, exact).max()) <= tolerance


def test_polynomials_are_exact():
    inputs = row(1.0, -2.0, 0.5)
    found, estimate = AdaptiveIntegratedGradients(polynomial).attribute(
        inputs, tolerance=1.0, return_estimate=True
    )
    torch.testing.assert_close(found, inputs**4)
    assert float(estimate.gap) < 1e-12
    assert int(estimate.steps) == 9


def test_every_example_has_its_own_steps():
    forward = lambda x: torch.where(x[:, 1] > 0, (20 * x[:, 0]).tanh(), x[:, 0])  # noqa: E731
    inputs = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).double()
    baselines = inputs * torch.tensor([0.0, 1.0])
    _, estimate = AdaptiveIntegratedGradients(forward).attribute(inputs, baselines, return_estimate=True)
    assert int(estimate.steps[0]) == 9
    assert int(estimate.steps[1]) > 15


def test_a_constant_function():
    _, estimate = AdaptiveIntegratedGradients(lambda x: 0 * x.sum(1) + 5).attribute(
        ROWS, return_estimate=True
    )
    assert estimate.change.tolist() == estimate.gap.tolist() == [0.0] * 3
    assert estimate.converged.tolist() == [True] * 3
    assert estimate.steps.tolist() == [9] * 3


def test_an_error_within_rounding_is_none():
    """In single precision 5 + 1e-9 is 5: the scores sum to 1e-9 and F does not change."""
    found, estimate = AdaptiveIntegratedGradients(lambda x: 1e-9 * x.sum(1) + 5).attribute(
        torch.ones(1, 1), return_estimate=True
    )
    assert float(found) == pytest.approx(1e-9)
    assert (float(estimate.change), float(estimate.gap)) == (0.0, math.inf)
    assert bool(estimate.converged)


def test_no_change_but_scores():
    """F(x) = F(x'), and the scores are -1 and 1: the gap may be infinite, and is judged beside the scores."""
    exact = lambda x: x[:, 0] - x[:, 1]  # noqa: E731
    found, estimate = AdaptiveIntegratedGradients(exact).attribute(row(1.0, 1.0), return_estimate=True)
    assert found.tolist() == [[1.0, -1.0]]
    assert (float(estimate.gap), bool(estimate.converged)) == (0.0, True)

    bending = lambda x: (9 * x[:, 0]).sigmoid() - (9 * x[:, 1] ** 2).sigmoid()  # noqa: E731
    found, estimate = AdaptiveIntegratedGradients(bending).attribute(row(1.0, 1.0), return_estimate=True)
    assert float(estimate.gap) == math.inf
    assert float(estimate.change.abs()) < 1e-15
    assert bool(estimate.converged)
    assert float(off(found, by_captum(bending, row(1.0, 1.0)))) <= 0.01
    assert int(estimate.steps) < 50  # no step is spent on a relative gap that cannot be reached


def test_a_small_change_is_judged_beside_the_scores():
    """F changes by a thousandth of what the scores amount to: a gap of 1% of that would cost hundreds of points."""
    forward = lambda x: (9 * x[:, 0]).sigmoid() - 0.998 * (9 * x[:, 1] ** 2).sigmoid()  # noqa: E731
    found, estimate = AdaptiveIntegratedGradients(forward).attribute(row(1.0, 1.0), return_estimate=True)
    assert bool(estimate.converged)
    assert float(estimate.gap) > 0.01
    assert int(estimate.steps) < 50
    assert float(off(found, by_captum(forward, row(1.0, 1.0)))) <= 0.01


def test_too_few_steps_are_not_converged(bent):
    inputs = 5 * torch.randn(3, 6).double()
    _, estimate = AdaptiveIntegratedGradients(bent).attribute(
        inputs, target=0, tolerance=1e-6, max_steps=20, return_estimate=True
    )
    assert not bool(estimate.converged.any())
    assert bool((estimate.steps == 20).all())


def test_a_right_sum_does_not_pass_for_right_scores():
    """The errors of two features cancel in every sum, so the gap is 0 from the first nodes on."""
    forward = lambda x: (40 * (x[:, 0] - 0.3)).tanh() - (40 * (x[:, 1] - 0.3)).tanh() + x[:, 2]  # noqa: E731
    inputs, method = row(1.0, 1.0, 1.0), AdaptiveIntegratedGradients(forward)
    coarse, few = method.attribute(inputs, max_steps=9, return_estimate=True)
    assert float(few.gap) < 1e-12
    assert float(few.error) > 0.01
    assert not bool(few.converged)
    found, enough = method.attribute(inputs, return_estimate=True)
    reference = by_captum(forward, inputs)
    assert bool(enough.converged)
    assert float(off(found, reference)) <= 0.01 < float(off(coarse, reference))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (
            lambda x: (x.sum(1) - 1).log(),
            "what is explained is NaN or infinite at 0 of the way from the baseline",
        ),
        (lambda x: x.sum(1).sqrt(), "its gradient is NaN or infinite at 0 of the way"),
    ],
)
def test_what_is_no_number_is_refused(forward, message):
    with pytest.raises(InputError, match=message):
        AdaptiveIntegratedGradients(forward).attribute(row(1.0, 1.0))


def test_an_estimate_reads_as_a_sentence():
    values = torch.tensor([0.5, 0.001], dtype=torch.float64)
    estimate = ErrorEstimate(values, values, values, torch.tensor([9, 33]), torch.tensor([False, True]))
    assert repr(estimate) == (
        "ErrorEstimate: 1 of 2 converged, gap at most 50.00%, estimated error at most 50.00%, 42 steps"
    )


# -- equivalences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [None, 1, 7])
def test_batched_is_one_by_one(bent, batch):
    inputs, targets = torch.randn(5, 6).double(), [0, 1, 2, 1, 0]
    method = AdaptiveIntegratedGradients(bent)
    together, estimate = method.attribute(
        inputs, target=targets, internal_batch_size=batch, return_estimate=True
    )
    for number, (one, target) in enumerate(zip(inputs, targets)):
        alone, own = method.attribute(one[None], target=target, return_estimate=True)
        torch.testing.assert_close(together[number], alone[0])
        assert int(estimate.steps[number]) == int(own.steps)
        torch.testing.assert_close(estimate.gap[number], own.gap[0], atol=1e-9, rtol=1e-4)


def test_no_point_is_asked_twice(bent):
    seen = []

    def forward(x):
        seen.extend(map(tuple, x.detach().tolist()))
        return bent(x)

    _, estimate = AdaptiveIntegratedGradients(forward).attribute(
        torch.randn(2, 6).double(), torch.randn(2, 6).double(), target=0, return_estimate=True
    )
    assert len(seen) == len(set(seen)) == int(estimate.steps.sum())


def test_also_where_gradients_are_off(bent):
    inputs = torch.randn(2, 6).double()
    expected = AdaptiveIntegratedGradients(bent).attribute(inputs, target=0)
    with torch.no_grad():
        torch.testing.assert_close(AdaptiveIntegratedGradients(bent).attribute(inputs, target=0), expected)
    with torch.inference_mode():
        found = AdaptiveIntegratedGradients(bent).attribute(inputs.clone(), target=0)
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


def test_single_precision(bent):
    inputs = torch.randn(3, 6)
    exact = AdaptiveIntegratedGradients(bent).attribute(inputs.double(), target=0, tolerance=1e-3)
    found = AdaptiveIntegratedGradients(bent.float()).attribute(inputs, target=0, tolerance=1e-3)
    assert found.dtype == torch.float32
    assert float(off(found, exact).max()) < 1e-3


def test_a_model_that_writes_into_its_input():
    expected = AdaptiveIntegratedGradients(polynomial).attribute(ROWS)
    found = AdaptiveIntegratedGradients(lambda x: polynomial(x.mul_(1))).attribute(ROWS)
    torch.testing.assert_close(found, expected)


def test_nothing_of_the_model_changes():
    model = toys.BasicEmbeddingModel(nested_second_embedding=True).double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    arguments = {"additional_forward_args": (IDS[1], IDS[1])}
    AdaptiveIntegratedGradients(model, model.embedding1).attribute(IDS[0], 0, **arguments)
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


def test_the_hook_is_gone_after_an_exception():
    model = toys.BasicModel_MultiLayer().double()
    calls = []

    def forward(x):
        calls.append(1)
        if len(calls) > 2:
            raise ZeroDivisionError
        return model(x)

    with pytest.raises(ZeroDivisionError):
        AdaptiveIntegratedGradients(forward, model.linear1).attribute(ROWS, target=0)
    assert not model.linear1._forward_hooks


# -- one token at a time ----------------------------------------------------------------------------------------


def gated(x):
    """`[example, token, 4] -> [example]`, no sum over tokens."""
    return (x[:, :, 0] * x[:, :, 1]).sum(1).tanh() + (2 * x[:, :, 2]).relu().prod(1) + x[:, :, 3].logsumexp(1)


def sequential_by_hand(forward, start, end):
    """Each token's own line, all others at x: the definition, token by token."""
    found = torch.zeros_like(end)
    for token in range(end.shape[1]):
        base = end.clone()
        base[:, token] = start[:, token]
        found[:, token] = by_captum(forward, end, baselines=base)[:, token]
    return found


def test_sequential_by_its_definition():
    start, end = torch.randn(2, 3, 4, 4).double()
    end[:, 1] = start[:, 1]
    found, estimate = SequentialIntegratedGradients(gated).attribute(
        end, start, tolerance=1e-3, return_estimate=True
    )
    torch.testing.assert_close(found, sequential_by_hand(gated, start, end), atol=4e-3, rtol=0)
    assert estimate.gap.shape == estimate.steps.shape == (3, 4)
    assert bool(estimate.converged.all())
    assert bool((estimate.steps[:, 1] == 0).all())
    assert bool((found[:, 1] == 0).all())


def test_a_tokens_scores_sum_to_what_the_model_loses_without_it():
    start, end = torch.randn(2, 3, 4, 4).double()
    found, estimate = SequentialIntegratedGradients(gated).attribute(end, start, return_estimate=True)
    for token in range(4):
        without = end.clone()
        without[:, token] = start[:, token]
        lost = gated(end) - gated(without)
        torch.testing.assert_close(estimate.change[:, token], lost)
        missed = (found[:, token].sum(-1) - lost).abs() / lost.abs()
        torch.testing.assert_close(estimate.gap[:, token], missed)
        assert bool((missed <= 0.01).all())


def test_sequential_on_a_layer_with_targets():
    model = toys.BasicEmbeddingModel(nested_second_embedding=True).double()
    more = (IDS[1], IDS[1].flip(0))
    found, estimate = SequentialIntegratedGradients(model, model.embedding1).attribute(
        IDS[0], 7, additional_forward_args=more, return_estimate=True
    )
    vectors = model.embedding1(IDS[0]).detach()
    blank = model.embedding1(torch.full_like(IDS[0], 7)).detach()

    def forward(x, *more):
        handle = model.embedding1.register_forward_hook(lambda *_: x)
        try:
            return model(IDS[0].repeat(len(x) // 2, 1), *(rows.repeat(len(x) // 2, 1) for rows in more))
        finally:
            handle.remove()

    reference = sequential_by_hand(lambda x: forward(x, *more), blank, vectors)
    assert bool(estimate.converged.all())
    assert float(off(found, reference).max()) < 0.01
    assert not SequentialIntegratedGradients(model).has_convergence_delta()


def test_sequential_batched_is_one_by_one():
    start, end = torch.randn(2, 3, 5, 4).double()
    method = SequentialIntegratedGradients(gated)
    found, estimate = method.attribute(end, start, internal_batch_size=7, return_estimate=True)
    for number in range(3):
        alone, own = method.attribute(
            end[number : number + 1], start[number : number + 1], return_estimate=True
        )
        torch.testing.assert_close(found[number], alone[0])
        assert estimate.steps[number].tolist() == own.steps[0].tolist()


def test_sequential_needs_tokens():
    with pytest.raises(
        InputError, match=r"one tensor \[example, token, \.\.\.\], not \[2\], \[2\]; give layer="
    ):
        SequentialIntegratedGradients(lambda a, b: a * b).attribute((torch.rand(2), torch.rand(2)))


def test_sequential_without_a_token_that_moves():
    x = torch.randn(2, 3, 4).double()
    found, estimate = SequentialIntegratedGradients(gated).attribute(x, x, return_estimate=True)
    assert not found.any()
    assert estimate.steps.tolist() == [[0] * 3] * 2
    assert bool(estimate.converged.all())


# -- what is refused --------------------------------------------------------------------------------------------


def detached(x):
    return x.detach().sum(1)


WRONG = {
    "tolerance must be a number above 0, not 0": {"tolerance": 0},
    "not nan": {"tolerance": math.nan},
    "not 'small'": {"tolerance": "small"},
    "max_steps must be an integer of at least 9, not 8": {"max_steps": 8},
    "internal_batch_size must be an integer of at least 1, not 0": {"internal_batch_size": 0},
    r"or a tensor \[3, 3\] like its input \(or with one example\), not a tensor \[3, 2\]": {
        "baselines": torch.zeros(3, 2)
    },
    r"not a tensor \[2, 3\]": {"baselines": torch.zeros(2, 3)},
    "not str": {"baselines": "pad"},
    "2 baselines for 1 inputs; give a tuple with one for each": {"baselines": (0, 0)},
    "2 targets for 3 examples; give one for each, or one for all": {"target": [0, 1]},
    r"target 2 does not fit a tensor \[27, 2\]: ": {"target": 2},
    r"a tensor \[27, 2\] for 27 points, with target None \[27, 2\]; one number per point is needed: pass target=": {
        "target": None
    },
    "runs under no_grad, or the target does not depend": {"forward": detached, "target": None},
    "inputs must be a tensor": {"inputs": [1.0, 2.0]},
    "with at least one example": {"inputs": torch.zeros(0, 3)},
    r"as many examples each, not \[3, 2\]": {"inputs": (ROWS, ROWS[:2])},
    "no path between int64 values; for token ids pass layer=": {"inputs": torch.ones(2, 3).long()},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_refused(message):
    given = {"inputs": ROWS, "target": 0} | WRONG[message]
    forward = given.pop("forward", toys.BasicModel_MultiLayer().double())
    with pytest.raises(InputError, match=message):
        AdaptiveIntegratedGradients(forward).attribute(**given)


def test_layers_that_are_refused():
    model = toys.BasicModel_MultiLayer().double()
    with pytest.raises(
        InputError, match=r"layer must be a module of the model, not 'linear1'; of a path: model"
    ):
        AdaptiveIntegratedGradients(model, "linear1").attribute(ROWS, target=0)
    with pytest.raises(InputError, match=r"Linear ran 0 times in one forward pass; .* pass another layer="):
        AdaptiveIntegratedGradients(model, nn.Linear(3, 3)).attribute(ROWS, target=0)
    reused = toys.BasicModelWithReusedModules().double()
    with pytest.raises(InputError, match="ReLU ran 2 times"):
        AdaptiveIntegratedGradients(reused, reused.relu).attribute(ROWS, target=0)
    table = nn.Embedding(2, 3).double()
    with pytest.raises(InputError, match="returns no row for each of the 3 examples"):
        AdaptiveIntegratedGradients(lambda x: (x * table(torch.tensor([0]))).sum(1), table).attribute(ROWS)


# -- a trained model --------------------------------------------------------------------------------------------


def test_neighbouring_points_go_together_as_far_as_the_longest_allows():
    sizes = [5, 3, 3, 9, 2, 2, 2, 20, 1]
    counts = _counts(sizes, 12)
    assert sum(counts) == len(sizes)
    start = 0
    for count in counts:
        together = sizes[start : start + count]
        assert count == 1 or count * max(together) <= 12
        start += count
    assert _counts([4] * 7, 12) == [3, 3, 1]
