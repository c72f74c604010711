"""Infidelity and sensitivity against Captum on word vectors, against closed forms, and against loops of autograd."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from captum import metrics
from torch import nn

import attnlens as al
from attnlens.attribution._target import TargetScalar
from attnlens.attribution.image._baselines import image_baseline
from attnlens.attribution.image._geometry import Picture
from attnlens.attribution.text._explain import attribute_text
from attnlens.attribution.text._forward import EmbeddingForward
from attnlens.attribution.text._perturbation import blank
from attnlens.errors import InputError
from attnlens.evaluation._infidelity import infidelity, sensitivity
from attnlens.evaluation._perturbation import ScoredParts

from .. import tiny

TEXT = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    found = al.Lens(tiny.bert(num_labels=3), tiny.wordpiece())
    found.model.double()
    return found


@pytest.fixture(scope="module")
def attribution(lens):
    return attribute_text(lens, TEXT, method="gradient_x_input")


# -- infidelity -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("unit", ["logit", "probability"])
def test_is_captums_on_word_vectors(lens, unit, normalize):
    attribution = attribute_text(lens, TEXT, 2, method="gradient_x_input", unit=unit, against=0)
    answer = EmbeddingForward(lens, [lens.encode(TEXT)])
    vectors = answer.vectors()
    padding = answer.vectors(torch.tensor([[blank(lens.tokenizer)]]))
    generator = torch.Generator().manual_seed(5)

    def perturbed(points):
        gone = torch.zeros(points.shape[:2], dtype=torch.float64)
        gone[:, 1:-1] = torch.randint(2, (len(points), points.shape[1] - 2), generator=generator).double()
        moved = torch.where(gone[:, :, None] > 0, padding, points)
        return gone[:, :, None].expand_as(points), moved

    def number(points):
        logits = answer.logits(points, torch.zeros(len(points), dtype=torch.long))
        values = logits.softmax(-1) if unit == "probability" else logits
        return values[:, 2] - values[:, 0]

    spread = (attribution.scores.double()[:, None] / vectors.shape[-1]).expand_as(vectors[0])[None]
    expected = metrics.infidelity(
        number, perturbed, vectors, spread, n_perturb_samples=30, normalize=normalize
    )
    found = infidelity(lens, attribution, n_samples=30, seed=5, normalize=normalize)
    assert found == pytest.approx(float(expected), rel=1e-6)
    assert found > 0


class Linear:
    """Class 1 has the logit that the weights of the kept parts sum to."""

    weights = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)

    def logits(self, kept):
        one = kept.double() @ self.weights
        return torch.stack([torch.zeros_like(one), one], 1)


@pytest.fixture
def linear(monkeypatch, attribution):
    """Infidelity of scores for the linear model, in place of a lens."""

    def measure(scores, **options):
        parts = ScoredParts(
            Linear(), torch.as_tensor(scores, dtype=torch.float64), TargetScalar(torch.tensor([1]))
        )
        monkeypatch.setitem(infidelity.__globals__, "parts_of", lambda *_: [parts])
        return infidelity(None, attribution, **options)

    return measure


def test_closed_form_of_a_linear_model(linear):
    """E (g . e)^2 = ((sum e)^2 + sum e^2) / 4 for parts that leave with chance one half, e being the errors."""
    weights = Linear.weights
    assert linear(weights) == pytest.approx(0, abs=1e-20)
    for errors in (torch.tensor([0.5, 0.0, -1.0, 0.25]), -weights):
        expected = float((errors.sum() ** 2 + (errors**2).sum()) / 4)
        assert linear(weights + errors, n_samples=20000) == pytest.approx(expected, rel=0.05)


def test_normalized_knows_no_scale(linear):
    scores = torch.tensor([1.0, -1.0, 1.0, 2.0])
    assert linear(scores, normalize=True) == pytest.approx(linear(scores * 7, normalize=True))
    assert linear(scores, normalize=True) < linear(scores)
    assert linear(Linear.weights * 3, normalize=True) == pytest.approx(0, abs=1e-12)
    assert linear(scores, seed=1) != linear(scores)


def test_scores_without_a_unit_need_a_scale(lens):
    gradient = attribute_text(lens, TEXT, method="gradient")
    with pytest.raises(
        InputError, match="scores of gradient have no unit and predict no change of F; use normalize=True"
    ):
        infidelity(lens, gradient)
    assert infidelity(lens, gradient, normalize=True) > 0


def test_integrated_gradients_foretell_better_than_gradients():
    lens = al.load("sentiment")
    found = {
        method: infidelity(lens, attribute_text(lens, TEXT, method=method), normalize=True)
        for method in ("integrated_gradients", "gradient")
    }
    assert found["integrated_gradients"] < found["gradient"] / 2


# -- sensitivity ----------------------------------------------------------------------------------------------


def noise_of(vectors, seed, samples, radius):
    drawn = torch.rand(
        (samples, *vectors.shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    drawn[:, [0, -1]] = 0.5  # special tokens stay
    return radius * vectors.std() * (2 * drawn - 1)


def test_is_a_loop_of_autograd(lens, attribution):
    encoded = lens.tokenizer(TEXT, return_tensors="pt")
    ids = encoded.pop("input_ids")
    vectors = lens.model.get_input_embeddings()(ids)[0].detach()

    def scores_at(points):
        points = points.clone().requires_grad_()
        logits = lens.model(inputs_embeds=points[None], **encoded).logits
        (gradient,) = torch.autograd.grad(logits[0, attribution.target.index], points)
        return (gradient * points).sum(-1).detach()

    whole = scores_at(vectors)
    changes = [(scores_at(vectors + d) - whole).norm() / whole.norm() for d in noise_of(vectors, 4, 6, 0.2)]
    found = sensitivity(lens, attribution, radius=0.2, n_samples=6, seed=4)
    assert found == pytest.approx(float(max(changes)), rel=1e-5)
    assert found.changes.tolist() == pytest.approx([float(change) for change in changes], rel=1e-4)
    drawn = found.changes[torch.randint(6, (20_000, 6))].max(1).values
    assert found.standard_error == pytest.approx(float(drawn.std()), rel=0.05)
    assert repr(found) == f"{float(found):.4g} ± {found.standard_error:.2g} (the largest of 6 samples)"


class Bag(nn.Module):
    """A linear model: the mean of word vectors, times weights."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(len(tiny.wordpiece()), 8), nn.Linear(8, 2)

    def forward(self, input_ids, attention_mask=None):
        return SimpleNamespace(logits=self.head(self.embed(input_ids).mean(1)))


def test_a_linear_model_has_the_same_gradient_everywhere():
    bag = al.Lens(Bag().double().eval(), tiny.wordpiece())
    gradient = attribute_text(bag, TEXT, 1, method="gradient")
    assert sensitivity(bag, gradient, radius=1.0) == pytest.approx(0, abs=1e-12)
    product = attribute_text(bag, TEXT, 1, method="gradient_x_input")
    weights = bag.model.head.weight[1].detach() / 12
    vectors = bag.model.embed.weight[bag.tokenizer(TEXT)["input_ids"]].detach()
    changes = (noise_of(vectors, 0, 10, 0.1) @ weights).norm(dim=-1) / (vectors @ weights).norm()
    assert sensitivity(bag, product) == pytest.approx(float(changes.max()))


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "deeplift", "smoothgrad", "layer_gradient_x_activation"]
)
def test_grows_with_the_radius(lens, method):
    attribution = attribute_text(lens, "see it", method=method)
    found = [sensitivity(lens, attribution, radius=radius, n_samples=2) for radius in (1e-4, 1e-2, 0.5)]
    assert 0 < found[0] < found[1] < found[2]
    assert found[0] < 0.02
    assert sensitivity(lens, attribution, radius=1e-2, n_samples=2) == found[1]


def test_goes_with_options_of_the_method(lens):
    attribution = attribute_text(lens, "see it", n_steps=5)
    found = [sensitivity(lens, attribution, n_samples=2, n_steps=steps) for steps in (1, 5)]
    assert 0 < found[0] != pytest.approx(found[1], rel=1e-3)
    with pytest.raises(InputError, match="integrated_gradients takes no option 'steps'"):
        sensitivity(lens, attribution, steps=5)


# -- images ---------------------------------------------------------------------------------------------------


def test_pixels_are_a_loop_over_moved_images():
    lens, picture = al.load("cifar"), al.models.sample_images()["cat"]
    attribution = lens.attribute(picture, method="gradient")
    pixels = Picture.of(lens, picture).pixels
    generator = torch.Generator().manual_seed(2)
    drawn = torch.rand((3, *pixels.shape), generator=generator, dtype=torch.float64).float() * 2 - 1

    def scores_at(points):
        return lens.attribute(points, attribution.target.index, method="gradient").scores

    whole = scores_at(pixels)
    moved = [pixels + 0.05 * pixels.std() * noise for noise in drawn]
    changes = [float((scores_at(points) - whole).norm() / whole.norm()) for points in moved]
    assert sensitivity(lens, attribution, radius=0.05, n_samples=3, seed=2) == pytest.approx(
        max(changes), rel=1e-3
    )


class Squared(nn.Module):
    """F is the mean of squares: from b, a pixel x gets (x - b)(x + b) / n."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, pixels):
        return pixels.square().mean((1, 2, 3))[:, None] * torch.tensor([1.0, -1.0])


@pytest.mark.parametrize("baseline", ["black", "blur"])
def test_moved_images_keep_the_baseline(baseline):
    """The picture goes from black to white: moved pixels lie beyond them, where no colour is known."""
    lens = al.lens.ImageLens(Squared())
    picture = (torch.arange(64.0).reshape(8, 8, 1) * 255 / 63).expand(8, 8, 3).to(torch.uint8).numpy()
    attribution = lens.attribute(picture, 0, baseline=baseline)
    pixels = Picture.of(lens, picture).pixels
    start = image_baseline(lens, picture, baseline)
    noise = torch.rand((1, *pixels.shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = pixels + 0.1 * pixels.std() * (noise[0].float() * 2 - 1)
    one, other = (((x - start) * (x + start)).sum(0) / 192 for x in (pixels, moved))
    expected = float((other - one).norm() / one.norm())
    assert sensitivity(lens, attribution, n_samples=1) == pytest.approx(expected, rel=1e-3)


def test_patches_foretell():
    lens, picture = al.load("cifar"), al.models.sample_images()["cat"]
    attribution = lens.attribute(picture, method="occlusion")
    nothing = replace(attribution, scores=torch.zeros_like(attribution.scores))
    found = infidelity(lens, attribution, n_samples=20, normalize=True, by="black")
    assert 0 < found < infidelity(lens, nothing, n_samples=20, normalize=True, by="black")


# -- what cannot be measured ----------------------------------------------------------------------------------


def test_methods_that_are_no_function_of_vectors(lens, attribution):
    for method in ("leave_one_out", "relevance"):
        with pytest.raises(InputError, match=r"sensitivity runs a method again .* is no function of vectors"):
            sensitivity(lens, replace(attribution, method=method))
    with pytest.raises(InputError, match="attribute with level='token', not 'word'"):
        sensitivity(lens, attribute_text(lens, TEXT, method="gradient_x_input", level="word"))
    own = attribute_text(lens, "see it", n_steps=2, baseline="the story goes nowhere")
    with pytest.raises(InputError, match="does not store the baseline 'the story goes nowhere'"):
        sensitivity(lens, own)


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        (infidelity, {"n_samples": 0}, "n_samples must be an integer of at least 1, not 0"),
        (infidelity, {"seed": -1}, "seed must be an integer of at least 0, not -1"),
        (sensitivity, {"n_samples": True}, "n_samples must be an integer"),
        (sensitivity, {"radius": 0}, "radius must be a number above 0, not 0"),
        (sensitivity, {"radius": float("nan")}, "radius must be"),
    ],
)
def test_numbers_that_are_none(lens, attribution, measure, options, message):
    with pytest.raises(InputError, match=message):
        measure(lens, attribution, **options)


def test_one_attribution_at_a_time(lens, attribution):
    for measure in (infidelity, sensitivity):
        with pytest.raises(InputError, match="one attribution at a time"):
            measure(lens, [attribution])
        with pytest.raises(InputError, match="is of another model"):
            measure(lens, replace(attribution, value=attribution.value + 9))
