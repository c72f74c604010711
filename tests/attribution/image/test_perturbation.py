"""Pictures without some of their cells, the colours of baselines, and where a model's view lies in the picture."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from torch import nn

import attnlens as al
from attnlens.attribution.image._baselines import BASELINES, image_baseline
from attnlens.attribution.image._forward import PixelForward
from attnlens.attribution.image._geometry import Picture
from attnlens.attribution.image._perturbation import ImagePerturbation
from attnlens.errors import InputError
from attnlens.models._forward import BatchBudget

from ... import tiny

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def photograph(width=60, height=40) -> Image.Image:
    """Smooth colours with noise over them."""
    down, across = np.mgrid[0:height, 0:width] / max(width, height)
    noise = np.random.default_rng(0).uniform(-40, 40, (height, width, 3))
    base = np.stack([200 * across, 255 * down, 120 + 100 * np.sin(9 * across)], -1)
    return Image.fromarray((base + noise).clip(0, 255).astype(np.uint8))


def normalised(picture: Image.Image) -> torch.Tensor:
    """By hand: 0..1, then mean and standard deviation of each channel."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def middle(picture: Image.Image) -> torch.Tensor:
    """A hand-written transform: the shorter side to 40, the 32 x 32 in the middle, normalised."""
    scale = 40 / min(picture.size)
    resized = picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
    )
    left, top = (resized.width - 32) // 2, (resized.height - 32) // 2
    return normalised(resized.crop((left, top, left + 32, top + 32)))  # fmt: skip


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.vit(num_labels=3), tiny.processor())


@pytest.fixture(scope="module")
def plain():
    """Pictures go in at their own size."""
    return al.Lens(tiny.HandViT(4), normalised, patches=(8, 8))


# -- removal --------------------------------------------------------------------------------------------------


def test_a_removed_cell_is_that_of_the_baseline(lens):
    removal = ImagePerturbation(lens, photograph(), by="white")
    assert removal.grid == (4, 4)
    assert removal.parts[:5] == ("0,0", "0,1", "0,2", "0,3", "1,0")
    kept = torch.ones(3, 16, dtype=torch.bool)
    kept[1, 6] = False
    kept[2] = False
    pixels = lens.processor(photograph(), return_tensors="pt")["pixel_values"][0]
    white = lens.processor(Image.new("RGB", (60, 40), "white"), return_tensors="pt")["pixel_values"][0]
    without = pixels.clone()
    without[:, 8:16, 16:24] = white[:, 8:16, 16:24]
    torch.testing.assert_close(removal.pixels(kept), torch.stack([pixels, without, white]))
    with torch.no_grad():
        expected = lens.model(pixel_values=torch.stack([pixels, without, white])).logits
    torch.testing.assert_close(removal.logits(kept), expected)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=9), st.integers(1, 200))
def test_batched_equals_one_by_one(rows, tokens):
    removal = ImagePerturbation(LENS, photograph(), grid=(2, 3))
    kept = torch.tensor(rows)
    alone = torch.cat([removal.logits(row[None]) for row in kept])
    torch.testing.assert_close(removal.logits(kept, BatchBudget(tokens)), alone)


LENS = al.Lens(tiny.vit(num_labels=3), tiny.processor())


def test_equal_rows_run_once(lens, monkeypatch):
    removal, seen = ImagePerturbation(lens, photograph()), []
    monkeypatch.setattr(
        PixelForward, "logits", lambda self, pixels: seen.append(len(pixels)) or torch.ones(len(pixels), 3)
    )
    kept = torch.ones(50, 16, dtype=torch.bool)
    kept[::2, 0] = False
    assert removal.logits(kept).shape == (50, 3)
    assert seen == [2]


def test_half_as_many_rows_where_memory_runs_out(lens, monkeypatch):
    removal, run, sizes = ImagePerturbation(lens, photograph()), PixelForward.logits, []

    def small(self, pixels):
        sizes.append(len(pixels))
        if len(pixels) > 4:
            raise MemoryError
        return run(self, pixels)

    kept = torch.eye(16) == 0
    expected = removal.logits(kept)
    monkeypatch.setattr(PixelForward, "logits", small)
    torch.testing.assert_close(removal.logits(kept, BatchBudget(256)), expected)
    assert sizes == [16, 8, 4, 4, 4, 4]


def test_the_model_is_left_as_it_was(lens):
    lens.model.train()
    ImagePerturbation(lens, photograph()).logits(torch.zeros(1, 16, dtype=torch.bool))
    assert lens.model.training
    lens.model.eval()


@pytest.mark.parametrize(
    ("size", "expected"), [((32, 32), (8, 8)), ((224, 224), (14, 14)), ((5, 300), (5, 19))]
)
def test_cells_of_a_model_without_patches_are_about_patches(size, expected):
    lens = al.Lens(nn.Sequential(nn.Conv2d(3, 2, 1)), normalised, patches=None)
    assert ImagePerturbation(lens, photograph(size[1], size[0])).grid == expected


@pytest.mark.parametrize("grid", [(0, 2), (33, 1), (2.0, 2), 4, (1, 2, 3)])
def test_a_grid_that_does_not_fit(lens, grid):
    message = f"grid must be (rows, cols) of cells, at most 32 x 32, the number of pixels, not {grid!r}"
    with pytest.raises(InputError, match=re.escape(message)):
        ImagePerturbation(lens, photograph(), grid=grid)


@pytest.mark.parametrize("kept", [torch.ones(16), torch.ones(2, 15), torch.ones(0, 16)])
def test_rows_of_other_parts(lens, kept):
    with pytest.raises(InputError, match=r"kept must be \[row, part\] of 16 parts, not"):
        ImagePerturbation(lens, photograph()).logits(kept)


def test_a_model_without_class_logits():
    lens = al.Lens(tiny.vit("Model"), tiny.processor())
    with pytest.raises(InputError, match="ViTModel returns no class logits"):
        ImagePerturbation(lens, photograph()).logits(torch.ones(1, 16))


# -- baselines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "colour"), [("black", 0), ("grey", 128), ("white", 255)])
def test_colours_go_through_the_preprocessing(plain, name, colour):
    found = image_baseline(plain, photograph(), name)
    expected = (colour / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(found, expected[:, None, None].expand(3, 40, 60))


def test_zeros_are_another_thing_than_black(plain):
    assert image_baseline(plain, photograph(), "zero").abs().max() == 0
    assert image_baseline(plain, photograph(), "black").min() < -1


def test_the_blur_comes_before_the_normalisation(plain):
    blurred = photograph().filter(ImageFilter.GaussianBlur(40 / 12))
    torch.testing.assert_close(image_baseline(plain, photograph(), "blur"), normalised(blurred))
    shapes = image_baseline(plain, photograph(), "blur").diff(dim=-1).abs().mean()
    assert shapes < normalised(photograph()).diff(dim=-1).abs().mean() / 5


def test_a_tensor_is_blurred_alike(plain):
    picture = photograph()
    pixels = normalised(picture)
    found = image_baseline(plain, pixels, "blur")
    inside = (slice(None), slice(12, -12), slice(12, -12))
    torch.testing.assert_close(
        found[inside], image_baseline(plain, picture, "blur")[inside], atol=0.05, rtol=0
    )


def test_noise_is_seeded_and_between_black_and_white(plain):
    one, same, other = (image_baseline(plain, photograph(), "random", seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert (one != other).float().mean() > 0.99
    black, white = (image_baseline(plain, photograph(), name) for name in ("black", "white"))
    shares = (one - black) / (white - black)
    assert 0 <= shares.min() < 0.01 < 0.99 < shares.max() <= 1
    assert shares.mean() == pytest.approx(0.5, abs=0.02)


def test_noise_does_not_fade_in_a_large_picture(lens):
    assert image_baseline(lens, photograph(640, 480), "random").std() > 0.5


def test_own_pictures_and_tensors(lens, tmp_path):
    own = Image.new("RGB", (9, 9), "red")
    own.save(tmp_path / "red.png")
    expected = lens.processor(own, return_tensors="pt")["pixel_values"][0]
    for kind in (
        own,
        np.asarray(own),
        tmp_path / "red.png",
        str(tmp_path / "red.png"),
        expected,
        expected[None],
    ):
        torch.testing.assert_close(image_baseline(lens, photograph(), kind), expected)  # fmt: skip


def test_colours_of_a_tensor_are_those_of_the_preprocessing(lens):
    black = image_baseline(lens, photograph(), "black")
    pixels = lens.processor(photograph(), return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(image_baseline(lens, pixels, "black"), black)
    other = image_baseline(lens, torch.zeros(3, 16, 48), "black")  # of a size that the processor never makes
    torch.testing.assert_close(other, black[:, :16, :1].expand(3, 16, 48))


def test_colours_of_a_tensor_that_nothing_prepares():
    lens = al.Lens(tiny.HandViT(4), patches=(2, 2))
    assert image_baseline(lens, torch.rand(3, 8, 8), "white").mean() == 1
    assert image_baseline(lens, torch.randn(3, 8, 8), "zero").mean() == 0
    with pytest.raises(InputError, match="the numbers of black and white are unknown for a tensor beyond"):
        image_baseline(lens, torch.randn(3, 8, 8), "black")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("blak", r"unknown baseline 'blak'; expected one of: black, white, .*Did you mean 'black'\?"),
        ("red.png", "no such baseline picture: red.png; or name one of: black"),
        (torch.zeros(3, 8, 8), r"must be float \[3, 32, 32\], like the model's pixels, not float32 \[3, 8, 8\]"),
        (torch.zeros(3, 32, 32, dtype=torch.long), r"must be float \[3, 32, 32\].*not int64 \[3, 32, 32\]"),
        (torch.full((3, 32, 32), torch.nan), "NaN or infinite"),
        (3, "an image lens takes a path, a PIL image, a uint8 array or a tensor, not int"),
    ],
)  # fmt: skip
def test_what_is_no_baseline(lens, kind, message):
    with pytest.raises(InputError, match=message):
        image_baseline(lens, photograph(), kind)


def test_an_own_picture_of_another_size(plain):
    with pytest.raises(InputError, match=r"9 x 7 becomes \[3, 7, 9\] .* resize it to 60 x 40 first"):
        image_baseline(plain, photograph(), Image.new("RGB", (9, 7)))


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "1", "LA", "P"])
@pytest.mark.parametrize("size", [(1, 1), (2, 50), (33, 7)])
def test_every_baseline_of_every_picture(lens, mode, size):
    for kind in BASELINES:
        found = image_baseline(lens, photograph(*size).convert(mode), kind)
        assert found.shape == (3, 32, 32)
        assert bool(found.isfinite().all())


# -- what the model sees, and where it lies -------------------------------------------------------------------


def convnext(crop_pct: float) -> hf.ConvNextImageProcessorPil:
    """The shorter side to 32 / crop_pct, then the middle."""
    return hf.ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=crop_pct)


def cropped(size: tuple[int, int], share: float) -> tuple[float, float, float, float]:
    """The middle square whose side is a share of the shorter side."""
    side, (width, height) = min(size) * share, size
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


SIZES = [(60, 40), (451, 300), (31, 97), (1000, 600)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (tiny.processor(), lambda size: (0, 0, *size)),
        (convnext(0.8), lambda size: cropped(size, 0.8)),
        (middle, lambda size: cropped(size, 32 / 40)),
        (hf.ViTImageProcessorPil(size={"height": 32, "width": 16}), lambda size: (0, 0, *size)),
        (hf.CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 32, "width": 32}),
         lambda size: cropped(size, 32 / 48)),
    ],
    ids=["resize", "crop_pct", "by hand", "oblong", "clip"],
)  # fmt: skip
def test_the_box_is_measured(processor, expected, size):
    found = Picture.of(al.lens.ImageLens(tiny.HandViT(4), processor), photograph(*size))
    wanted = expected(size)
    pixel = (wanted[2] - wanted[0]) / found.pixels.shape[2]
    assert found.box == pytest.approx(wanted, abs=max(1.0, pixel))


def test_a_crop_off_the_middle_and_padding():
    def corner(picture):
        return normalised(picture.crop((10, 4, 42, 36)))

    def padded(picture):
        return nn.functional.pad(normalised(picture), (10, 10, 20, 20))

    assert Picture.of(al.lens.ImageLens(tiny.HandViT(4), corner), photograph()).box == pytest.approx(
        (10, 4, 42, 36), abs=0.5
    )
    assert Picture.of(al.lens.ImageLens(tiny.HandViT(4), padded), photograph()).box == pytest.approx(
        (-10, -20, 70, 60), abs=0.5
    )


def test_no_line_fits_a_rotation():
    lens = al.lens.ImageLens(tiny.HandViT(4), lambda picture: normalised(picture.rotate(40).resize((32, 32))))
    assert Picture.of(lens, photograph()).box == (0, 0, 60, 40)


def test_what_is_seen_is_the_crop(plain):
    size = (60, 40)
    found = Picture.of(al.lens.ImageLens(tiny.HandViT(4), middle), photograph(*size))
    resized = photograph(*size).resize((60, 40), Image.Resampling.BILINEAR)
    assert np.abs(found.seen.astype(int) - np.asarray(resized.crop((14, 4, 46, 36)))).max() <= 1
    assert np.array_equal(found.image, np.asarray(photograph(*size)))


def test_a_tensor_is_its_own_picture(lens):
    pixels = lens.processor(photograph(), return_tensors="pt")["pixel_values"][0]
    found = Picture.of(lens, pixels)
    assert found.box == (0, 0, 32, 32)
    assert np.abs(found.image.astype(int) - Picture.of(lens, photograph()).seen).max() <= 1


def test_a_huge_picture(lens):
    """Is measured on a smaller copy, which a model that only crops would not see alike."""
    large = photograph(100, 70).resize((9000, 6300))
    found = Picture.of(lens, large)
    assert found.ruler == (1024, 717)
    assert found.box == (0, 0, 9000, 6300)
    assert image_baseline(lens, found, "blur").shape == found.seen.transpose(2, 0, 1).shape == (3, 32, 32)
    crop = al.lens.ImageLens(tiny.HandViT(4), lambda picture: normalised(picture.crop((300, 100, 332, 132))))
    assert Picture.of(crop, large.resize((3000, 2100))).ruler == (3000, 2100)
