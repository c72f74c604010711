"""Class activation maps against loops in float64, explicit derivatives and Captum, and the layer that is found."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import transformers as hf
from captum.attr import LayerGradCam
from torch import nn

import attnlens as al
from attnlens.attribution.image import _cam
from attnlens.attribution.image._forward import PixelForward
from attnlens.attribution.image._geometry import Picture
from attnlens.errors import InputError

from ... import tiny


class Convolutions(nn.Module):
    """Two convolutions, the one defined first running last; then mean, a hidden layer and logits."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.second = nn.Conv2d(5, 4, 3, padding=1)
        self.first = nn.Conv2d(3, 5, 3, stride=2)
        self.relu = nn.ReLU(inplace)
        self.last_relu = nn.ReLU(inplace)
        self.hidden, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, pixels):
        maps = self.last_relu(self.second(self.relu(self.first(pixels))))
        return self.head(self.hidden(maps.mean((2, 3))).relu())


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return Convolutions().double()


@pytest.fixture(scope="module")
def pixels():
    return torch.rand(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def map_and_head(network, pixels):
    """The last feature map, and the logits as a function of it."""
    kept = []
    handle = network.last_relu.register_forward_hook(lambda *seen: kept.append(seen[2]))
    network(pixels)
    handle.remove()
    return kept[0].detach(), lambda maps: network.head(network.hidden(maps.mean((2, 3))).relu())


def gradient_of(head, maps, target):
    maps = maps.clone().requires_grad_()
    return torch.autograd.grad(head(maps)[:, target].sum(), maps)[0].numpy()


# -- the formulas ---------------------------------------------------------------------------------------------


def test_grad_cam_is_captums_and_that_of_loops(network, pixels):
    maps, head = map_and_head(network, pixels)
    g, a = gradient_of(head, maps, 1), maps.numpy()
    expected = np.zeros((2, a.shape[2], a.shape[3]))
    for n, k, i, j in np.ndindex(a.shape):
        expected[n, i, j] += g[n, k].mean() * a[n, k, i, j]
    found = _cam.grad_cam(maps, torch.from_numpy(g))[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    captum = LayerGradCam(network, network.last_relu).attribute(pixels, target=1)
    torch.testing.assert_close(captum[:, 0], found)


@pytest.mark.parametrize("target", [0, 2])
def test_grad_cam_plus_plus_is_that_of_loops(network, pixels, target):
    maps, head = map_and_head(network, pixels)
    g, a = gradient_of(head, maps, target), maps.numpy()
    expected = np.zeros((2, a.shape[2], a.shape[3]))
    for n, k in np.ndindex(a.shape[:2]):
        weight = 0.0
        for i, j in np.ndindex(a.shape[2:]):
            below = 2 * g[n, k, i, j] ** 2
            below += sum(a[n, k, x, y] * g[n, k, i, j] ** 3 for x, y in np.ndindex(a.shape[2:]))
            alpha = g[n, k, i, j] ** 2 / below if below else 0.0
            weight += alpha * max(g[n, k, i, j], 0.0)
        expected[n] += weight * a[n, k]
    found = _cam.LayerGradCamPlusPlus(network, network.last_relu).attribute(pixels, target=target)
    assert found.shape == (2, 1, *a.shape[2:])
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-10)


def test_grad_cam_plus_plus_is_that_of_explicit_derivatives(network, pixels):
    """Eqs. 9 to 12 with Y = exp(S): first, second and third derivatives element by element, by autograd."""
    maps, head = map_and_head(network, pixels[:1])

    def y(flat):
        return head(flat.reshape(maps.shape))[0, 2].exp()

    flat = maps.flatten()
    first = torch.autograd.functional.jacobian(y, flat)
    leaf = flat.clone().requires_grad_()
    (one,) = torch.autograd.grad(y(leaf), leaf, create_graph=True)
    second, third = torch.zeros_like(flat), torch.zeros_like(flat)
    for n in range(len(flat)):
        (two,) = torch.autograd.grad(one[n], leaf, create_graph=True)
        second[n] = two[n].detach()
        third[n] = torch.autograd.grad(two[n], leaf, retain_graph=True)[0][n]
    first, second, third = (x.reshape(maps.shape) for x in (first, second, third))
    below = 2 * second + maps.sum((2, 3), keepdim=True) * third
    alpha = torch.where(below == 0, 0.0, second / below)
    weights = (alpha * first.relu()).sum((2, 3), keepdim=True)
    expected = (weights * maps).sum(1, keepdim=True)
    found = _cam.LayerGradCamPlusPlus(network, network.last_relu).attribute(pixels[:1], target=2)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found * y(flat).detach(), expected)  # exp(S) scales the whole map


def test_for_captums_users(network, pixels):
    method = _cam.LayerGradCamPlusPlus(network, network.last_relu)
    whole = method.attribute(pixels, target=[0, 2])
    alone = [method.attribute(pixels[n : n + 1], target=target) for n, target in enumerate((0, 2))]
    torch.testing.assert_close(whole, torch.cat(alone))
    after = _cam.LayerGradCamPlusPlus(network, network.second).attribute(pixels, target=0)
    assert float(after.min()) < 0
    cut = method.attribute(pixels, target=0, relu_attributions=True)
    assert torch.equal(cut, method.attribute(pixels, target=0).relu())
    inside = _cam.LayerGradCamPlusPlus(network, network.last_relu)
    torch.testing.assert_close(inside.attribute(pixels, target=0, attribute_to_layer_input=True), after)
    with pytest.raises(InputError, match=r"needs a layer of feature maps \[.*\]; Linear returns \[2, 6\]"):
        _cam.LayerGradCamPlusPlus(network, network.hidden).attribute(pixels, target=0)


def test_a_relu_in_place_changes_nothing(network, pixels):
    other = Convolutions(inplace=True).double()
    other.load_state_dict(network.state_dict())
    for layer in ("second", "last_relu"):
        expected, found = (
            _cam.LayerGradCamPlusPlus(one, getattr(one, layer)).attribute(pixels, target=0)
            for one in (network, other)
        )
        torch.testing.assert_close(found, expected)


def test_no_gradient_is_no_weight():
    assert _cam.grad_cam_plus_plus(torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)).abs().max() == 0


def test_a_large_logit_does_not_overflow(network, pixels):
    large = _cam.LayerGradCamPlusPlus(lambda x: network(x) + 5000, network.last_relu).attribute(
        pixels, target=1
    )
    small = _cam.LayerGradCamPlusPlus(network, network.last_relu).attribute(pixels, target=1)
    torch.testing.assert_close(large, small)


# -- the layer that is found ----------------------------------------------------------------------------------


def found(model, size=32, grid=None, layer=None):
    pixels = torch.rand(1, 3, size, size)
    lens = al.lens.ImageLens(model)
    with torch.no_grad():
        return _cam.find(model, lambda: PixelForward(lens).logits(pixels), grid, layer)


def test_the_last_convolution_in_the_order_of_running():
    assert found(Convolutions()).path == "last_relu"
    defined = [name for name, module in Convolutions().named_modules() if isinstance(module, nn.Conv2d)]
    assert defined == ["second", "first"]


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: hf.ResNetForImageClassification(hf.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], num_labels=3)), "resnet.encoder.stages.1"),
        (lambda: hf.ConvNextForImageClassification(hf.ConvNextConfig(
            hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, num_labels=3)), "convnext.encoder.stages.1"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(3)), "1"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 3, 1), nn.Flatten()), "0"),
    ],
    ids=["resnet", "convnext", "plain", "a 1 x 1 convolution of the mean"],
)  # fmt: skip
def test_norm_activation_and_sum_belong_to_the_last_convolution(build, path):
    place = found(build().eval())
    assert (place.path, place.of_input) == (path, False)


def test_a_shared_relu_says_not_which_call_is_meant():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.relu = (
                nn.Conv2d(3, 4, 3, padding=1),
                nn.Conv2d(4, 4, 3, padding=1),
                nn.ReLU(),
            )

        def forward(self, pixels):
            return self.relu(self.two(self.relu(self.one(pixels)))).mean((2, 3))

    assert found(Shared()).path == "two"


def vit_lenses():
    """Lenses, and the tokens that enter their last attention, by hand."""
    deit = tiny.seeded(
        lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**tiny.VISION, num_labels=3))
    )
    mine = al.models.MiniViT(layers=3).eval()
    return {
        "vit": (al.Lens(tiny.vit(num_labels=3), tiny.processor()), lambda m: m.vit.layers[-1].layernorm_before),
        "deit": (al.Lens(deit, tiny.processor()), lambda m: m.deit.layers[-1].layernorm_before),
        "cifar": (al.load("cifar"), lambda m: m.vit.layers[-1].layernorm_before),
        "minivit": (al.Lens(mine), lambda m: m.blocks[-1].norm1),
        "multihead": (al.Lens(Multihead(), patches=(4, 2)), lambda m: m.blocks[-1].norm),
    }  # fmt: skip


class Multihead(nn.Module):
    """nn.MultiheadAttention over 4 x 2 patches and two leading tokens, which pools over the patches."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.attention = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            normed = self.norm(x)
            return x + self.attention(normed, normed, normed, need_weights=False)[0]

    def __init__(self):
        super().__init__()
        self.embed, self.leading = nn.Conv2d(3, 16, (8, 16), (8, 16)), nn.Parameter(torch.randn(1, 2, 16))
        self.blocks, self.head = nn.Sequential(self.Block(), self.Block()), nn.Linear(16, 3)

    def forward(self, pixels):
        x = self.embed(pixels).flatten(2).transpose(1, 2)
        return self.head(self.blocks(torch.cat([self.leading.expand(len(x), -1, -1), x], 1))[:, 2:].mean(1))


@pytest.mark.parametrize("name", ["vit", "deit", "cifar", "minivit", "multihead"])
def test_of_a_transformer_the_tokens_that_enter_the_last_attention(name):
    lens, norm = vit_lenses()[name]
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    grid = next(lens.traces([pixels[0]])).patches
    answer = PixelForward(lens)
    place = _cam.find(lens.model, lambda: answer.logits(pixels), grid)
    maps, gradient = place.maps(lambda x: answer.logits(x)[:, 1], pixels)
    kept = []
    handle = norm(lens.model).register_forward_hook(lambda *seen: kept.append(seen[2]))
    logits = answer.logits(pixels)
    handle.remove()
    (expected,) = torch.autograd.grad(logits[0, 1], kept[0])
    for of_map, of_tokens in ((maps, kept[0]), (gradient, expected)):
        for row in range(grid.rows):
            for col in range(grid.cols):
                token = of_tokens[0, len(grid.leading) + row * grid.cols + col]
                torch.testing.assert_close(of_map[0, :, row, col], token.detach())
    assert gradient.abs().max() > 0


def test_the_gradient_is_whole_where_the_parameters_are_frozen():
    """Query and key are made of the same tensor before the layer runs that is hooked, the projection of values."""
    lens = al.Lens(tiny.vit(num_labels=3), tiny.processor())
    pixels, answer = torch.rand(1, 3, 32, 32), PixelForward(lens)
    grid = next(lens.traces([pixels[0]])).patches
    place = _cam.find(lens.model, lambda: answer.logits(pixels), grid)
    _, expected = place.maps(lambda x: answer.logits(x)[:, 1], pixels)
    lens.model.requires_grad_(False)
    torch.testing.assert_close(place.maps(lambda x: answer.logits(x)[:, 1], pixels)[1], expected)


def test_a_hand_written_transformer_in_one_module():
    """No norm, no module around the attention: what is given to the projections."""
    lens = al.Lens(tiny.HandViT(8), patches=(4, 4))
    picture = Picture.of(lens, torch.rand(3, 32, 32))
    grid = next(lens.traces([picture.pixels])).patches
    place = _cam.find(lens.model, lambda: lens.model(picture.pixels[None]), grid)
    assert (place.path, place.of_input) == ("value", True)
    maps, _ = place.maps(lambda x: lens.model(x)[:, 0], picture.pixels[None])
    torch.testing.assert_close(maps, lens.model.embed(picture.pixels[None]).detach())


# -- the layer that is named ----------------------------------------------------------------------------------


def test_a_layer_by_path_and_by_module():
    model = Convolutions()
    for layer in ("first", model.first):
        place = found(model, layer=layer)
        assert (place.path, place.module) == ("first", model.first)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("secnd", "unknown layer 'secnd'; expected one of: first, relu, second, last_relu. Did you mean 'second'?"),
        ("head", "layer 'head' returns [1, 3]; a feature map is returned once"),
        ("", "unknown layer ''; expected one of: first"),
        (nn.ReLU(), "unknown layer 'ReLU'; expected one of: first"),
        (7, "unknown layer 7; expected one of: first"),
    ],
)  # fmt: skip
def test_a_layer_that_is_none(layer, message):
    with pytest.raises(InputError, match=re.escape(message)):
        found(Convolutions(), layer=layer)


def test_no_feature_map_at_all():
    with pytest.raises(
        InputError, match="Sequential runs no 2-d convolution, so that there is no feature map"
    ):
        found(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)))


def test_a_transformer_whose_grid_is_not_known():
    with pytest.raises(InputError, match=r"attends over an unknown grid of patches.*Lens\(model, patches="):
        found(tiny.HandViT(8))


def test_a_target_that_does_not_depend_on_the_layer():
    class Deaf(Convolutions):
        def forward(self, pixels):
            return super().forward(pixels).detach() + pixels.mean((2, 3))

    model = Deaf()
    place = found(model)
    with pytest.raises(InputError, match="the target does not depend on layer 'last_relu'; pass another"):
        place.maps(lambda x: model(x)[:, 0], torch.rand(1, 3, 9, 9))


@pytest.fixture(scope="module")
def swin():
    config = hf.SwinConfig(
        image_size=32, patch_size=2, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4, num_labels=3
    )  # fmt: skip
    return al.Lens(tiny.seeded(lambda: hf.SwinForImageClassification(config)), tiny.processor())


def test_windows_are_refused_and_a_layer_of_ordered_tokens_is_taken(swin):
    pixels = torch.rand(1, 3, 32, 32)
    grid = next(swin.traces([pixels[0]])).patches
    answer = PixelForward(swin)
    with pytest.raises(InputError, match=r"attends within windows.*one of .*swin\.layernorm"):
        _cam.find(swin.model, lambda: answer.logits(pixels), grid)
    place = _cam.find(swin.model, lambda: answer.logits(pixels), grid, "swin.layernorm")
    maps, gradient = place.maps(lambda x: answer.logits(x)[:, 0], pixels)
    assert maps.shape == (1, 32, 8, 8)
    weight = swin.model.classifier.weight[0].detach() / 64  # the mean over places, then the classifier
    torch.testing.assert_close(gradient, weight[None, :, None, None].expand(1, 32, 8, 8))
    kept = []
    handle = swin.model.swin.layernorm.register_forward_hook(lambda *seen: kept.append(seen[2]))
    answer.logits(pixels)
    handle.remove()
    torch.testing.assert_close(maps[0, :, 2, 5], kept[0][0, 2 * 8 + 5].detach())
