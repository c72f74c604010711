"""Image attributions: closed forms of a linear network, Captum by hand, rollout and relevance, and bad inputs."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import transformers as hf
from captum.attr import (
    GuidedBackprop,
    IntegratedGradients,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
    ShapleyValueSampling,
)
from PIL import Image
from torch import nn

import attnlens as al
from attnlens.attribution import IMAGE_METHODS as METHODS
from attnlens.attribution.image import _forward
from attnlens.attribution.image._explain import attribute_image
from attnlens.errors import InputError
from attnlens.models import _image_inputs
from attnlens.models._forward import BatchBudget

from ... import tiny
from .test_perturbation import MEAN, STD, middle, normalised, photograph

ATTENTION = ("rollout", "relevance", "gradient_rollout")
GRADIENTS = tuple(name for name in METHODS if name not in ATTENTION)


class Linear(nn.Module):
    """One convolution and the mean over places: F is linear in the pixels."""

    labels = ("cat", "dog", "owl")

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3)

    def forward(self, pixels):
        return self.layer(pixels).mean((2, 3))

    def gradient(self, target, height, width):
        """`[channel, height, width]` by loops: a pixel counts once for each place of the kernel that reaches it."""
        found = np.zeros((3, height, width))
        for row in range(height - 2):
            for col in range(width - 2):
                found[:, row : row + 3, col : col + 3] += self.layer.weight[target].detach().double().numpy()
        return found / ((height - 2) * (width - 2))


class Bent(nn.Module):
    """Convolutions with ReLU modules, and logits that bend."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, 2), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, pixels):
        return self.head(self.body(pixels).mean((2, 3)) ** 2) * 20


def shrunk(picture):
    """12 x 10 pixels, normalised."""
    return normalised(picture.resize((12, 10), Image.Resampling.BILINEAR)).double()


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(2)
    return al.lens.ImageLens(Linear().double().eval(), shrunk)


@pytest.fixture(scope="module")
def bent():
    torch.manual_seed(13)
    return al.lens.ImageLens(Bent().double().eval(), shrunk)


@pytest.fixture(scope="module")
def vit():
    return al.Lens(tiny.vit(num_labels=3), tiny.processor())


@pytest.fixture(scope="module")
def resnet():
    config = hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    return al.Lens(tiny.seeded(lambda: hf.ResNetForImageClassification(config)), tiny.processor())


def from_black(linear, target=1):
    """(gradient, x - black), `[channel, height, width]` in float64."""
    x = shrunk(photograph()).numpy()
    black = -(np.array(MEAN) / np.array(STD))[:, None, None]
    return linear.model.gradient(target, 10, 12), x - black


def close(found, expected, tolerance=1e-5):
    assert float(np.abs(expected).max()) > 0
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


# -- closed forms ---------------------------------------------------------------------------------------------


def test_the_gradient_of_a_linear_network(linear):
    gradient, _ = from_black(linear)
    found = attribute_image(linear, photograph(), "dog", method="gradient")
    close(found.scores, np.abs(gradient).max(0))
    assert (found.signed, found.gap, found.change, found.baseline) == (False, None, None, None)
    smooth = attribute_image(linear, photograph(), "dog", method="smoothgrad", n_samples=3)
    close(smooth.scores, np.abs(gradient).max(0))


def test_gradient_times_input_of_a_linear_network(linear):
    gradient, _ = from_black(linear)
    found = attribute_image(linear, photograph(), "dog", method="gradient_x_input")
    close(found.scores, (gradient * shrunk(photograph()).numpy()).sum(0))
    assert (found.signed, found.complete, found.baseline) == (True, False, "zero")
    assert found.gap < 1e-5


def test_integrated_gradients_of_a_linear_network(linear):
    gradient, moved = from_black(linear)
    for options in ({}, {"n_steps": 3}, {"baseline": "black"}):
        found = attribute_image(linear, photograph(), "dog", **options)
        close(found.scores, (gradient * moved).sum(0))
        assert found.change == pytest.approx((gradient * moved).sum())
        assert found.gap < 1e-5
        assert found.converged
        assert found.baseline == "black"


def test_occlusion_of_a_linear_network(linear):
    """What a window loses is what its pixels have, spread evenly; of overlapping ones the mean."""
    gradient, moved = from_black(linear)
    parts = (gradient * moved).sum(0)
    found = attribute_image(linear, photograph(), "dog", method="occlusion", window=(5, 4), stride=(5, 2))
    sums, counts = np.zeros((10, 12)), np.zeros((10, 12))
    for top in (0, 5):
        for left in (0, 2, 4, 6, 8):
            inside = (slice(top, top + 5), slice(left, left + 4))
            sums[inside] += parts[inside].sum() / 20
            counts[inside] += 1
    close(found.scores, sums / counts)
    even = attribute_image(linear, photograph(), "dog", method="occlusion", window=2)
    assert even.change == pytest.approx(float(even.scores.sum()), rel=1e-5)


def test_a_window_at_the_edge_is_spread_over_the_pixels_that_it_has(linear):
    """3 pixels into 10 and 12 do not go: the last windows have 1 row of pixels, or 1 column more than the stride."""
    gradient, moved = from_black(linear)
    parts = (gradient * moved).sum(0)
    found = attribute_image(linear, photograph(), "dog", method="occlusion", window=(3, 5), stride=(3, 4))
    sums, counts = np.zeros((10, 12)), np.zeros((10, 12))
    for top in (0, 3, 6, 9):
        for left in (0, 4, 8):
            inside = (slice(top, top + 3), slice(left, left + 5))  # a slice ends at the edge
            sums[inside] += parts[inside].mean()
            counts[inside] += 1
    close(found.scores, sums / counts)
    even = attribute_image(linear, photograph(), "dog", method="occlusion", window=7)
    assert even.gap < 1e-5


def test_shapley_values_of_a_linear_network(linear):
    gradient, moved = from_black(linear)
    cells = (gradient * moved).sum(0).reshape(2, 5, 3, 4).sum((1, 3))
    found = attribute_image(linear, photograph(), "dog", method="shapley", grid=(2, 3), n_samples=2)
    close(found.pooled(2, 3), cells)
    close(found.scores[0, 0], cells[0, 0] / 20)
    assert found.gap < 1e-5
    assert found.change == pytest.approx(cells.sum())


def test_a_contrast_is_the_difference(linear):
    one, other = (attribute_image(linear, photograph(), name) for name in ("dog", "owl"))
    found = attribute_image(linear, photograph(), "dog", against="owl")
    close(found.scores, (one.scores - other.scores).numpy())
    assert (str(found.target), found.target.against) == ("dog rather than owl", "owl")
    assert found.value == pytest.approx(one.value - other.value)


def test_the_probability_is_divided_up(bent):
    found = attribute_image(bent, photograph(), 1, unit="probability")
    with torch.no_grad():
        x = torch.stack([shrunk(photograph()), shrunk(Image.new("RGB", (60, 40)))])
        chances = bent.model(x).softmax(-1)[:, 1]
    assert found.value == pytest.approx(float(chances[0]), rel=1e-5)
    assert found.change == pytest.approx(float(chances[0] - chances[1]), rel=1e-5)
    assert float(found.scores.sum()) == pytest.approx(found.change, rel=0.02)
    assert found.unit == "probability"


# -- Captum by hand -------------------------------------------------------------------------------------------


def by_hand(lens, name, target):
    """`[height, width]` with nothing of attnlens."""
    x, black = shrunk(photograph())[None], shrunk(Image.new("RGB", (60, 40)))[None]
    model = lens.model
    if name == "gradient":
        return Saliency(model).attribute(x, target)[0].amax(0)
    if name == "smoothgrad":
        torch.manual_seed(4)
        spread = 0.3 * float(x.max() - x.min())
        parts = NoiseTunnel(Saliency(model)).attribute(
            x, nt_samples=7, stdevs=spread, target=target, abs=False
        )
        return parts[0].abs().amax(0)
    if name == "guided_backprop":
        return GuidedBackprop(model).attribute(x, target)[0].abs().amax(0)
    if name == "grad_cam":
        maps = LayerGradCam(model, model.body[3]).attribute(x, target, relu_attributions=True)
        return nn.functional.interpolate(maps, (10, 12), mode="bilinear")[0, 0]
    if name == "integrated_gradients":
        return IntegratedGradients(model).attribute(x, black, target, n_steps=20)[0].sum(0)
    if name == "occlusion":
        return Occlusion(model).attribute(x, (3, 2, 2), (3, 2, 2), black, target)[0, 0] / 4
    torch.manual_seed(4)
    mask = (
        torch.tensor([[0, 1], [2, 3]])
        .repeat_interleave(5, 0)
        .repeat_interleave(6, 1)[None, None]
        .expand_as(x)
    )
    return (
        ShapleyValueSampling(model).attribute(x, black, target, None, mask.contiguous(), n_samples=3)[0, 0]
        / 30
    )


OPTIONS = {
    "smoothgrad": dict(n_samples=7, noise=0.3, seed=4),
    "integrated_gradients": dict(n_steps=20),
    "occlusion": dict(window=2),
    "shapley": dict(grid=(2, 2), n_samples=3, seed=4),
}


@pytest.mark.parametrize(
    "name",
    ["gradient", "smoothgrad", "guided_backprop", "grad_cam", "integrated_gradients", "occlusion", "shapley"],
)
@pytest.mark.filterwarnings("ignore")
def test_equals_captum_by_hand(bent, name):
    for target in (0, 2):
        found = attribute_image(bent, photograph(), target, method=name, **OPTIONS.get(name, {}))
        close(found.scores, by_hand(bent, name, target).detach().numpy())
        assert (found.method, found.target.index) == (name, target)


# -- integrated gradients and baselines -----------------------------------------------------------------------


def test_integrated_gradients_meet_their_tolerance(bent):
    found = attribute_image(bent, photograph(), 1, tolerance=0.002)
    exact = attribute_image(bent, photograph(), 1, n_steps=500)
    assert found.converged
    assert found.gap <= 0.002
    assert found.estimated_error <= 0.002
    assert 9 <= found.steps < 500
    off = float((found.scores - exact.scores).abs().sum() / exact.scores.abs().sum())
    assert off < 0.01
    wide, narrow = (attribute_image(bent, photograph(), 1, n_steps=9, tolerance=t) for t in (1, 1e-9))
    assert wide.converged
    assert not narrow.converged
    few = attribute_image(bent, photograph(), 1, tolerance=1e-7, max_steps=9)
    assert not few.converged
    assert "did not converge in" in few.verdict


class Opposed(nn.Module):
    """Red and green cancel in every pixel, and what is left bends: errors are those of pixels, not of channels."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, pixels):
        red, green, blue = pixels.unbind(1)
        sign = torch.tensor([1.0, -1.0]).repeat(6)
        return (100 * (red - green) + torch.sin(25 * blue) * sign + 0.1 * blue).mean((1, 2))[:, None]


def test_the_errors_are_those_of_the_sums_over_channels():
    lens = al.lens.ImageLens(Opposed().double(), shrunk)
    picture = np.random.default_rng(0).integers(0, 255, (10, 12, 3), dtype=np.uint8)
    picture[..., 0] = picture[..., 1]
    pixels = torch.from_numpy(picture).permute(2, 0, 1).double() / 255
    exact = attribute_image(lens, pixels, n_steps=300).scores
    for tolerance in (0.2, 0.05):
        found = attribute_image(lens, pixels, tolerance=tolerance)
        off = float((found.scores - exact).abs().sum() / exact.abs().sum())
        assert found.converged
        assert off <= found.estimated_error <= tolerance


def test_several_baselines_are_averaged(bent):
    kinds = ["black", photograph().rotate(90).resize((60, 40)), "random"]
    alone = [attribute_image(bent, photograph(), 1, baseline=kind) for kind in kinds]
    found = attribute_image(bent, photograph(), 1, baseline=kinds)
    close(found.scores, (sum(one.scores for one in alone) / 3).numpy(), 0.03)  # each alone is 1% off
    assert found.change == pytest.approx(sum(one.change for one in alone) / 3)
    assert found.steps > sum(one.steps for one in alone)  # the mean is as exact as one path has to be
    assert found.converged
    assert found.baseline == "the mean over black, a given picture, random"
    fixed = attribute_image(bent, photograph(), 1, baseline=kinds, n_steps=400)
    close(fixed.scores, found.scores.numpy(), 0.02)
    assert fixed.change == pytest.approx(found.change, rel=1e-6)


def test_the_seed_of_a_random_baseline(bent):
    one, same, other = (
        attribute_image(bent, photograph(), 1, baseline="random", seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one.scores, same.scores)
    assert not torch.allclose(one.scores, other.scores, rtol=0.01)


def test_colours_that_are_not_known_begin_at_zero():
    lens = al.Lens(tiny.HandViT(4), patches=(2, 2))
    assert attribute_image(lens, torch.rand(3, 8, 8), 0).baseline == "black"
    assert attribute_image(lens, torch.randn(3, 8, 8), 0).baseline == "zero"
    with pytest.raises(InputError, match="the numbers of black and white are unknown"):
        attribute_image(lens, torch.randn(3, 8, 8), 0, baseline="black")


# -- seeds and batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"), [("smoothgrad", {}), ("shapley", dict(n_samples=2, grid=(2, 3)))]
)
def test_seeds(bent, name, options):
    before = torch.random.get_rng_state()
    one, same, other = (
        attribute_image(bent, photograph(), 1, method=name, seed=seed, **options) for seed in (5, 5, 6)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.scores, same.scores)
    assert not torch.equal(one.scores, other.scores)


@pytest.mark.parametrize("name", ["integrated_gradients", "occlusion", "shapley"])
def test_batched_equals_one_by_one(bent, name, monkeypatch):
    options = dict(n_samples=3) if name == "shapley" else {}
    batched = attribute_image(bent, photograph(), 1, method=name, **options)
    monkeypatch.setattr(BatchBudget, "rows", lambda self, length: 1)
    alone = attribute_image(bent, photograph(), 1, method=name, **options)
    close(alone.scores, batched.scores.numpy())


def test_half_as_many_rows_where_memory_runs_out(bent, monkeypatch):
    expected = attribute_image(bent, photograph(), 1, method="occlusion", window=2)
    run, sizes = _forward.PixelForward.logits, []

    def small(self, pixels):
        sizes.append(len(pixels))
        if len(pixels) > 3:
            raise MemoryError
        return run(self, pixels)

    monkeypatch.setattr(_forward.PixelForward, "logits", small)
    found = attribute_image(bent, photograph(), 1, method="occlusion", window=2)
    torch.testing.assert_close(found.scores, expected.scores)
    assert max(sizes) > 3


# -- attention ------------------------------------------------------------------------------------------------


def test_attention_methods_are_the_row_of_the_class_token(vit):
    pixels = vit.processor(photograph(), return_tensors="pt")["pixel_values"][0]
    expected = {
        "rollout": al.rollout(vit.trace(pixels), row=0),
        "relevance": al.attribution.relevance(vit, pixels, 2, row=0),
        "gradient_rollout": al.attribution.gradient_rollout(vit, pixels, 2, row=0),
    }
    for name, row in expected.items():
        found = attribute_image(vit, photograph(), 2, method=name)
        patches = row[1:].reshape(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
        close(found.scores, patches.numpy())
        assert not found.signed


def test_a_model_that_pools_is_read_at_all_its_tokens():
    lens = al.Lens(tiny.HandViT(8), patches=(4, 4))
    pixels = torch.rand(3, 32, 32)
    trace = lens.trace(pixels)
    found = attribute_image(lens, pixels, 1, method="rollout")
    mean = al.rollout(trace).mean(0)[1:].reshape(4, 4)
    close(found.scores[::8, ::8], mean.numpy())
    chefer = al.attribution.relevance(lens, pixels, 1).mean(0)[1:].reshape(4, 4)
    close(attribute_image(lens, pixels, 1, method="relevance").scores[::8, ::8], chefer.numpy())


def test_grad_cam_of_a_transformer_by_hand(vit):
    pixels = vit.processor(photograph(), return_tensors="pt")["pixel_values"]
    kept = []
    handle = vit.model.vit.layers[-1].layernorm_before.register_forward_hook(
        lambda *seen: kept.append(seen[2])
    )
    logits = vit.model(pixel_values=pixels).logits
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 1], kept[0])
    tokens, gradient = (one[0, 1:].detach().reshape(4, 4, 32) for one in (kept[0], gradient))
    expected = torch.zeros(4, 4)
    for row in range(4):
        for col in range(4):
            expected[row, col] = (gradient.mean((0, 1)) * tokens[row, col]).sum().relu()
    large = nn.functional.interpolate(expected[None, None], (32, 32), mode="bilinear")[0, 0]
    close(attribute_image(vit, photograph(), 1, method="grad_cam").scores, large.numpy())


# -- every model, every method --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_every_method_on_every_model(request, name, method):
    lens = request.getfixturevalue(name)
    options = dict(n_samples=2) if method in ("smoothgrad", "shapley") else {}
    left_out = method in ATTENTION if name == "resnet" else method == "guided_backprop"
    if left_out:
        said = (
            "this method follows attention, and none was recorded" if name == "resnet" else "ViT.* has none"
        )
        with pytest.raises(InputError, match=said):
            attribute_image(lens, photograph(), 1, method=method)
        return
    found = attribute_image(lens, photograph(), 1, method=method, **options)
    assert found.scores.shape == (32, 32)
    assert found.image.shape == (40, 60, 3)
    assert found.seen.shape == (32, 32, 3)
    assert found.box == (0, 0, 60, 40)
    assert bool(found.scores.isfinite().all())
    assert found.signed or float(found.scores.min()) >= 0
    with torch.no_grad():
        logits = lens.model(
            pixel_values=lens.processor(photograph(), return_tensors="pt")["pixel_values"]
        ).logits[0]
    assert found.value == pytest.approx(float(logits[1]), rel=1e-4)
    assert found.prediction.index == int(logits.argmax())


@pytest.mark.parametrize("name", ["cifar", "minivit"])
def test_the_embedded_models(name):
    lens = al.load(name)
    picture = al.models.sample_images()["cat"]
    for method in ("integrated_gradients", "grad_cam", "relevance"):
        found = attribute_image(lens, picture, method=method)
        assert found.target.label == found.prediction.label == lens.trace(picture).prediction.label
        assert found.scores.shape == (32, 32)
    found = attribute_image(lens, picture, "cat", against="frog", baseline="blur")
    assert found.converged
    assert str(found.target) == "cat rather than frog"


def test_half_precision():
    lens = al.Lens(tiny.vit(num_labels=3).to(torch.bfloat16), tiny.processor())
    found = attribute_image(lens, photograph(), 1, method="gradient")
    assert found.scores.dtype == torch.float32
    assert bool(found.scores.isfinite().all())


def test_scores_lie_where_the_model_looked(linear):
    lens = al.lens.ImageLens(Linear().eval(), middle)
    found = attribute_image(lens, photograph(600, 400), 1, method="gradient")
    assert found.box == pytest.approx((140, 40, 460, 360), abs=3)
    placed = found.on_image
    assert placed.shape == (400, 600)
    assert bool(placed[200, 100].isnan())
    assert bool(placed[50:350, 150:450].isfinite().all())


# -- lists, targets, and what is left as it was ---------------------------------------------------------------


def test_lists_of_inputs_and_of_targets(vit):
    pictures = [photograph(), photograph(33, 70), np.asarray(photograph(8, 8)), torch.rand(3, 32, 32)]
    found = attribute_image(vit, pictures, [[0, 2]] * 4, method="gradient")
    assert [[one.target.index for one in row] for row in found] == [[0, 2]] * 4
    for picture, row in zip(pictures, found):
        alone = attribute_image(vit, picture, 2, method="gradient")
        torch.testing.assert_close(row[1].scores, alone.scores)
    own = attribute_image(vit, pictures, [2, 0, None, 1], against=[0, 1, 0, 2], method="gradient_x_input")
    for picture, target, against, one in zip(pictures, (2, 0, None, 1), (0, 1, 0, 2), own):
        alone = attribute_image(vit, picture, target, against=against, method="gradient_x_input")
        torch.testing.assert_close(one.scores, alone.scores)
    with pytest.raises(InputError, match="target= holds 2 for 4 inputs"):
        attribute_image(vit, pictures, [0, 2], method="gradient")
    single = attribute_image(vit, photograph(), (0, 2), method="gradient")
    assert [one.target.index for one in single] == [0, 2]
    assert isinstance(attribute_image(vit, [photograph()], method="gradient"), list)


def test_the_target_is_the_prediction_by_default(vit):
    predicted = vit.trace(photograph()).prediction
    for target in (None, "predicted", predicted.label, predicted.label.lower(), predicted.index):
        found = attribute_image(vit, photograph(), target, method="gradient")
        assert found.prediction == predicted
        assert (found.target.label, found.target.index) == (predicted.label, predicted.index)


def test_the_model_is_left_as_it_was(resnet):
    resnet.model.train()
    before = [parameter.clone() for parameter in resnet.model.state_dict().values()]
    with torch.inference_mode():
        for method in ("grad_cam", "guided_backprop", "integrated_gradients"):
            attribute_image(resnet, photograph(), 1, method=method)
            attribute_image(resnet, torch.rand(3, 32, 32), 1, method=method)
    assert resnet.model.training
    assert all(map(torch.equal, before, resnet.model.state_dict().values()))
    assert all(p.requires_grad and p.grad is None for p in resnet.model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in resnet.model.modules())
    resnet.model.eval()


@pytest.mark.parametrize("picture", [
    photograph().convert("L"), photograph().convert("RGBA"), photograph().convert("CMYK"), photograph(1, 1),
    torch.rand(3, 32, 32), torch.rand(1, 3, 32, 32, dtype=torch.float64),
], ids=["grey", "rgba", "cmyk", "1 x 1", "tensor", "batch of one"])  # fmt: skip
def test_pictures_of_every_kind(vit, picture):
    found = attribute_image(vit, picture, 1)
    assert found.scores.shape == (32, 32)
    assert found.converged


# -- what is wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(method="gradcam"), "unknown method 'gradcam'; expected one of: integrated_gradients, gradient, "),
        (dict(method="gradcam"), "Did you mean 'grad_cam'?"),
        (dict(n_step=3), "integrated_gradients takes no option 'n_step'; it takes: baseline, tolerance"),
        (dict(method="gradient", seed=1), "gradient takes no option 'seed'; it takes none"),
        (dict(method="grad_cam", baseline="black"), "grad_cam takes no option 'baseline'; it takes: layer"),
        (dict(method="occlusion", layer="x"), "occlusion takes no option 'layer'; it takes: baseline, window"),
        (dict(method="grad_cam", layer="vit.layer"), "unknown layer 'vit.layer'; expected one of: "),
        (dict(target="cta"), "unknown target 'cta'; expected one of: LABEL_0, LABEL_1, LABEL_2"),
        (dict(target=3), "target 3 is no class; give an index from 0 to 2, or a name"),
        (dict(target=[]), "target=[] names no class"),
        (dict(target=1, against=1), "target and against are the same class, 'LABEL_1'"),
        (dict(against="x"), "unknown target 'x'"),
        (dict(unit="odds"), "unknown unit 'odds'; expected one of: logit, probability"),
        (dict(method="rollout", against=1), "rollout reads attention and explains the logit of one class"),
        (dict(method="relevance", unit="probability"), "omit against= and unit="),
        (dict(baseline=[]), "baseline=[] names no baseline; omit it for 'black'"),
        (dict(baseline="blakc"), "unknown baseline 'blakc'"),
        (dict(baseline=torch.zeros(3, 8, 8)), "a baseline tensor must be float [3, 32, 32]"),
        (dict(method="occlusion", baseline=["black", "white"]), "this method takes one baseline"),
        (dict(method="occlusion", window=33), "window must be (height, width) in pixels, at most 32 x 32"),
        (dict(method="occlusion", window=4, stride=5), "leaves pixels between windows of (4, 4)"),
        (dict(method="shapley", grid=(0, 2)), "grid must be (rows, cols) of cells"),
        (dict(method="shapley", n_samples=0), "n_samples must be an integer of at least 1, not 0"),
        (dict(method="smoothgrad", noise=0), "noise must be a number above 0, not 0"),
        (dict(method="smoothgrad", seed=-1), "seed must be an integer of at least 0, not -1"),
        (dict(n_steps=0), "n_steps must be an integer of at least 1, not 0"),
        (dict(tolerance=0), "tolerance must be a number above 0"),
        (dict(tolerance=0, n_steps=2), "tolerance must be a number above 0"),
        (dict(n_steps=5, max_steps=20), "max_steps is a limit and n_steps a fixed number; pass one of them"),
        (dict(method=["gradient"]), "unknown method ['gradient']; expected one of: integrated_gradients"),
        (dict(method="grad_cam", layer=["vit"]), "unknown layer ['vit']"),
        (dict(baseline="random", seed="a"), "seed must be an integer of at least 0, not 'a'"),
        (dict(against=[1, 2]), "against=[1, 2] is a list"),
    ],
)  # fmt: skip
def test_options_that_are_wrong(vit, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        attribute_image(vit, photograph(), **options)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("cta.png", "no such image file: cta.png"),
        (3, "an image lens takes a path, a PIL image, a uint8 array or a tensor, not int"),
        (torch.full((3, 32, 32), torch.nan), "holds NaN or infinite values"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "must be float [channel, height, width], not uint8"),
        (torch.rand(3, 30, 30), "ViTForImageClassification failed on its input (pixel_values [1, 3, 30, 30]"),
        (np.zeros((4, 4, 7), dtype=np.uint8), "must be uint8 [height, width, 3]"),
    ],
)  # fmt: skip
def test_inputs_that_are_wrong(vit, picture, message):
    with pytest.raises(InputError, match=re.escape(message)):
        attribute_image(vit, picture)


def test_the_number_of_a_wrong_input(vit):
    with pytest.raises(InputError, match=r"input 1: no such image file: cta\.png"):
        attribute_image(vit, [photograph(), "cta.png"], method="gradient")


def test_a_class_beyond_those_of_a_model_without_names():
    lens = al.Lens(tiny.HandViT(8), patches=(4, 4))
    with pytest.raises(InputError, match="target 3 is no class: the model has 3, numbered from 0"):
        attribute_image(lens, torch.rand(3, 32, 32), 3)


def test_a_transformer_without_a_grid():
    lens = al.lens.ImageLens(tiny.HandViT(8))
    for method in ("grad_cam", "rollout"):
        with pytest.raises(
            InputError, match=r"attends over an unknown grid of patches.*patches=\(rows, cols\)"
        ):
            attribute_image(lens, torch.rand(3, 32, 32), method=method)
    assert attribute_image(lens, torch.rand(3, 32, 32)).converged


def test_a_regression_has_neither_contrast_nor_probability():
    lens = al.Lens(tiny.vit(num_labels=1), tiny.processor())
    assert attribute_image(lens, photograph(), method="gradient").target.index == 0
    with pytest.raises(InputError, match="a regression has one value and no class to contrast it with"):
        attribute_image(lens, photograph(), against=0)
    with pytest.raises(InputError, match="a regression has no probability"):
        attribute_image(lens, photograph(), unit="probability")


# -- modules that take pictures -------------------------------------------------------------------------------


def test_which_modules_look_like_images(resnet):
    taking = [resnet.model, Linear(), Bent(), tiny.HandViT(), al.models.MiniViT(), tiny.vit()]
    taking.append(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)))
    assert [_image_inputs.looks_like_images(model) for model in taking] == [True] * 7
    other = [
        tiny.bert(),
        tiny.gpt2(),
        nn.Linear(2, 2),
        nn.ReLU(),
        nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 1, 1)),
    ]
    other.append(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Embedding(7, 4)))
    assert [_image_inputs.looks_like_images(model) for model in other] == [False] * 6


def test_a_convolutional_network_has_no_attention_to_trace(resnet):
    with pytest.raises(al.errors.CaptureError, match="no attention was recorded in the model"):
        resnet.trace(photograph())
