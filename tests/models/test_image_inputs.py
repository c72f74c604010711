"""A lens on a vision model: every way to give a picture, and the grid that its trace lies on."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import attnlens as al
from attnlens.errors import AttnlensError, InputError
from attnlens.models import _image_inputs

from .. import tiny


@pytest.fixture(scope="module")
def lens():
    return al.Lens(tiny.vit(num_labels=3), tiny.processor())


def picture(width=40, height=24):
    """A red left half and a blue right one."""
    image = Image.new("RGB", (width, height), (200, 10, 10))
    image.paste((10, 10, 200), (width // 2, 0, width, height))
    return image


# -- every way to give a picture ------------------------------------------------------------------------------


def test_a_path_an_image_and_an_array_are_the_same_picture(lens, tmp_path):
    picture().save(tmp_path / "it.png")
    expected = lens.trace(picture())
    for given_as in (
        tmp_path / "it.png",
        str(tmp_path / "it.png"),
        np.asarray(picture()),
        picture().convert("RGBA"),
    ):
        tiny.assert_same_trace(lens.trace(given_as), expected, tolerance=0)


def test_a_tensor_goes_in_as_it_is(lens):
    pixels = lens.processor(picture(), return_tensors="pt")["pixel_values"]
    expected = lens.trace(picture())
    for tensor in (pixels, pixels[0], pixels[0].double(), pixels[0].clone().requires_grad_()):
        tiny.assert_same_trace(lens.trace(tensor), expected)
    with torch.no_grad():
        torch.testing.assert_close(expected.logits, lens.model(pixel_values=pixels).logits[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_pixels_follow_the_dtype_of_the_model(dtype):
    lens = al.Lens(tiny.vit().to(dtype), tiny.processor())
    assert lens.trace(picture()).logits.dtype is dtype


def test_batched_equals_one_by_one(lens):
    pictures = [picture(40, 24), picture(8, 60), picture(32, 32), np.asarray(picture(5, 5)), picture(1, 1)]
    for given_as, trace in zip(pictures, lens.trace(pictures, batch_size=2)):
        tiny.assert_same_trace(trace, lens.trace(given_as))


def as_mode(mode):
    if mode == "P transparent":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.paste(1, (4, 0, 8, 8))
        image.info["transparency"] = 1
        return image
    return picture(8, 8).convert(mode)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "PA", "La", "RGBa"]
)
def test_modes_of_pillow(lens, mode):
    convertible = {"PA": "P", "La": "LA", "RGBa": "RGBA", "LAB": "RGB"}
    image = as_mode(convertible.get(mode, mode))
    if mode in ("La", "RGBa", "PA"):
        image = image.convert(mode)
    if mode == "LAB":
        from PIL import ImageCms

        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        image = ImageCms.applyTransform(image, to_lab)
    read = _image_inputs.read(image)
    assert read.mode == "RGB"
    red, blue = read.getpixel((0, 0)), read.getpixel((7, 0))
    assert red != blue or mode == "1"  # both are dark
    if mode in ("P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "PA", "RGBa"):
        assert np.abs(np.subtract(red, (200, 10, 10))).max() < 45
    assert lens.trace(image).patches is not None


def test_transparency_lies_over_white():
    assert _image_inputs.read(Image.new("RGBA", (2, 2), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert _image_inputs.read(Image.new("RGBA", (2, 2), (255, 0, 0, 128))).getpixel((0, 0)) == (255, 127, 127)
    assert _image_inputs.read(Image.new("LA", (2, 2), (0, 0))).getpixel((0, 0)) == (255, 255, 255)
    read = _image_inputs.read(as_mode("P transparent"))
    assert read.getpixel((0, 0)) == (255, 0, 0)
    assert read.getpixel((7, 0)) == (255, 255, 255)


def test_transparency_of_a_file(tmp_path):
    as_mode("P transparent").save(tmp_path / "it.gif", transparency=1)
    assert _image_inputs.read(tmp_path / "it.gif").getpixel((7, 0)) == (255, 255, 255)
    keyed = Image.new("RGB", (4, 4), (1, 2, 3))
    keyed.save(tmp_path / "keyed.png", transparency=(1, 2, 3))
    assert _image_inputs.read(tmp_path / "keyed.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["I;16", "I", "I;16B"])
def test_sixteen_bits_are_scaled_not_clipped(kind, tmp_path):
    deep = np.array([[0, 257 * 64], [257 * 128, 65535]])
    image = Image.fromarray(deep.astype(np.uint16 if kind != "I" else np.int32))
    if kind == "I;16B":
        image = Image.frombytes("I;16B", (2, 2), deep.astype(">u2").tobytes())
    assert image.mode == kind
    expected = [[0, 64], [128, 255]]
    assert np.asarray(_image_inputs.read(image))[..., 0].tolist() == expected
    if kind == "I;16":
        image.save(tmp_path / "deep.png")
        assert np.asarray(_image_inputs.read(tmp_path / "deep.png"))[..., 2].tolist() == expected


def test_small_numbers_in_a_deep_image_stay(lens):
    image = Image.fromarray(np.array([[0, 200]], dtype=np.int32))
    assert np.asarray(_image_inputs.read(image))[..., 0].tolist() == [[0, 200]]


def test_the_orientation_of_a_photograph_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture(40, 24).save(tmp_path / "turned.jpg", exif=exif)
    assert _image_inputs.read(tmp_path / "turned.jpg").size == (24, 40)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 5), (5, 3), (300, 2)])
def test_extreme_sizes(lens, size):
    trace = lens.trace(Image.new("RGB", size, (255, 0, 0)))
    assert trace.patches.image.shape == (32, 32, 3)
    assert np.abs(trace.patches.image.astype(int) - (255, 0, 0)).max() <= 1
    assert len(trace.tokens) == 17


# -- what is no picture ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "given_as"),
    [
        (np.zeros((4, 4, 3)), r"float64 \[4, 4, 3\]"),
        (np.zeros((4, 4, 3), np.uint16), "uint16"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8 \[0, 4, 3\]"),
        (np.zeros((0,), np.uint8), r"uint8 \[0\]"),
        (np.zeros((3, 8, 8), np.uint8), r"uint8 \[3, 8, 8\]"),
        (np.zeros((8, 8, 2), np.uint8), r"uint8 \[8, 8, 2\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"uint8 \[2, 8, 8, 3\]"),
        (np.zeros((), np.uint8), r"uint8 \[\]"),
    ],
)
def test_an_array_that_is_no_picture(lens, array, given_as):
    with pytest.raises(InputError, match=rf"must be uint8 \[height, width, 3\], not {given_as}"):
        lens.trace(array)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(32, 32), torch.zeros(2, 3, 32, 32), torch.zeros(0, 3, 32, 32), torch.zeros(3, 0, 32), torch.zeros(()),
     torch.zeros(3, 32, 32, dtype=torch.uint8), torch.zeros(3, 32, 32, dtype=torch.complex64),
     torch.zeros(1, 1, 3, 32, 32)],
)  # fmt: skip
def test_a_tensor_that_is_no_picture(lens, tensor):
    with pytest.raises(InputError, match=r"must be float \[channel, height, width\], not .* \[") as caught:
        lens.trace(tensor)
    assert str(list(tensor.shape)) in str(caught.value)
    assert ("trace(list(tensor))" in str(caught.value)) == (tensor.ndim == 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite(lens, value):
    pixels = torch.zeros(3, 32, 32)
    pixels[1, 2, 3] = value
    with pytest.raises(InputError, match="holds NaN or infinite values; clean it"):
        lens.trace(pixels)


def test_a_tensor_of_a_size_that_the_model_does_not_take(lens):
    with pytest.raises(
        InputError, match=r"ViTForImageClassification failed on its input \(pixel_values \[1, 3, 40, 40\]"
    ):
        lens.trace(torch.zeros(3, 40, 40))
    with pytest.raises(InputError, match=r"pixel_values \[1, 1, 32, 32\] float32"):
        lens.trace(torch.zeros(1, 32, 32))


@pytest.mark.parametrize("input", [3, None, {"a": 1}, b"bytes", (1, 2)])
def test_another_type(lens, input):
    with pytest.raises(InputError, match=f"takes a path, a PIL image, .* not {type(input).__name__}"):
        lens.trace(input)


def test_files_that_cannot_be_read(lens, tmp_path):
    with pytest.raises(InputError, match=r"no such image file: .*nowhere\.png"):
        lens.trace(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="no such image file"):
        lens.trace(tmp_path)
    with pytest.raises(InputError, match="it is a folder; give a picture in it"):
        lens.attribute(tmp_path)
    with pytest.raises(
        InputError, match=r"no such image file: https://example\.org/cat\.png; .* download the picture"
    ):
        lens.trace("https://example.org/cat.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match=r"text\.png is not an image that Pillow can read"):
        lens.trace(tmp_path / "text.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.png is not an image"):
        lens.trace(tmp_path / "empty.png")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / "photo.jpg")
    content = (tmp_path / "photo.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"photo\.jpg cannot be decoded: .*truncated"):
        lens.trace(tmp_path / "photo.jpg")
    with pytest.raises(InputError, match="the image cannot be decoded"):
        lens.trace(Image.open(tmp_path / "photo.jpg"))


def test_a_file_that_other_programs_would_read_is_refused(lens, tmp_path, monkeypatch):
    picture().save(tmp_path / "it.eps")
    picture().save(tmp_path / "it.png")
    (tmp_path / "named.png").write_bytes((tmp_path / "it.eps").read_bytes())
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript ran"))
    for name in ("it.eps", "named.png"):
        with pytest.raises(
            InputError, match=rf"{name} is not an image that Pillow can read; attnlens reads PNG, JPEG"
        ):
            lens.trace(tmp_path / name)
    assert Image.open(tmp_path / "it.eps").format == "EPS"  # Pillow itself would


@pytest.mark.parametrize("size", [(8193, 8192), (60_000, 1200), (30_000, 30_000)])
def test_a_picture_of_too_many_pixels_is_not_decoded(lens, tmp_path, size):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    path = tmp_path / "large.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(InputError, match=r"large\.png: the picture has .* pixels, more than .*thumbnail"):
            lens.trace(path)
    if size[0] < 10_000:
        with pytest.raises(InputError, match=r"the image: the picture has 8193 x 8192 pixels"):
            lens.trace(Image.open(path))


def test_a_long_text_is_no_picture(lens):
    with pytest.raises(
        InputError, match=r"no such image file: x+… \(5000 characters\); an image lens takes the name"
    ):
        lens.trace("x" * 5000)


def test_pixels_that_are_no_colours(lens):
    with pytest.raises(InputError, match=r"floating-point pixels \(mode F\)"):
        lens.trace(Image.fromarray(np.zeros((4, 4), np.float32)))
    with pytest.raises(InputError, match="the image is empty: 0 x 5 pixels"):
        lens.trace(Image.new("RGB", (0, 5)))


FILES = {}
for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp"):
    buffer = io.BytesIO()
    picture(16, 16).save(buffer, kind)
    FILES[kind] = buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(FILES)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
def test_a_damaged_file_is_a_picture_or_an_error(tmp_path_factory, kind, cut, flips):
    content = bytearray(FILES[kind][: max(1, int(cut * len(FILES[kind])))])
    for place, value in flips:
        content[min(int(place * len(content)), len(content) - 1)] = value
    path = tmp_path_factory.mktemp("damaged") / f"it.{kind}"
    path.write_bytes(content)
    try:
        said = _image_inputs.read(path).mode
    except AttnlensError as error:
        said = str(error)
    assert said == "RGB" or path.name in said


# -- the picture that the model saw ---------------------------------------------------------------------------


def test_the_picture_is_what_the_model_saw(lens):
    seen = lens.trace(picture()).patches.image
    expected = np.asarray(picture().resize((32, 32), Image.Resampling.BILINEAR))
    assert seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - expected).max() <= 1


def test_a_centre_crop_is_shown(lens):
    cropping = hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    seen = al.Lens(tiny.vit(), cropping).trace(picture(96, 32)).patches.image
    assert seen.shape == (32, 32, 3)
    assert np.abs(seen[:, 0].astype(int) - (200, 10, 10)).max() <= 2
    assert np.abs(seen[:, -1].astype(int) - (10, 10, 200)).max() <= 2


def test_tensors_of_any_range_are_shown():
    lens = al.Lens(tiny.HandViT(), patches=(8, 8))
    assert (
        lens.trace(torch.full((3, 32, 32), 0.5)).patches.image.tolist() == np.full((32, 32, 3), 128).tolist()
    )
    wide = lens.trace(torch.linspace(-3, 5, 32).expand(3, 32, 32)).patches.image
    assert (wide.min(), wide.max()) == (0, 255)
    one = al.Lens(tiny.HandViT(channels=1), patches=(8, 8)).trace(torch.rand(1, 32, 32))
    assert one.patches.image.shape == (32, 32, 3)


# -- architectures --------------------------------------------------------------------------------------------

GRIDS = {
    "vit": (lambda: tiny.vit(), 16, ("[CLS]",)),
    "vit 4 x 2": (lambda: rectangular(), 8, ("[CLS]",)),
    "deit": (
        lambda: tiny.seeded(lambda: hf.DeiTForImageClassification(hf.DeiTConfig(**tiny.VISION))),
        16,
        ("[CLS]", "[DIST]"),
    ),
    "deit teacher": (
        lambda: tiny.seeded(lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**tiny.VISION))),
        16,
        ("[CLS]", "[DIST]"),
    ),
    "registers": (
        lambda: tiny.seeded(
            lambda: hf.Dinov2WithRegistersForImageClassification(
                hf.Dinov2WithRegistersConfig(**tiny.VISION, num_register_tokens=4)
            )
        ),
        16,
        ("[CLS]", "register 1", "register 2", "register 3", "register 4"),
    ),
    "siglip": (
        lambda: tiny.seeded(
            lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**tiny.VISION, vision_use_head=False))
        ),
        16,
        (),
    ),
    "clip": (
        lambda: tiny.seeded(lambda: hf.CLIPVisionModel(hf.CLIPVisionConfig(**tiny.VISION))),
        16,
        ("[CLS]",),
    ),
    "beit": (
        lambda: tiny.seeded(lambda: hf.BeitForImageClassification(hf.BeitConfig(**tiny.VISION))),
        16,
        ("[CLS]",),
    ),
}


def rectangular():
    options = tiny.VISION | {"patch_size": (8, 16)}
    return tiny.seeded(lambda: hf.ViTForImageClassification(hf.ViTConfig(**options)))


@pytest.mark.parametrize("name", GRIDS)
def test_leading_tokens_and_grid(name):
    build, patches, leading = GRIDS[name]
    model = build()
    trace = al.Lens(model, tiny.processor()).trace(picture())
    grid = trace.patches
    assert grid.leading == leading
    assert (grid.rows, grid.cols) == ((4, 2) if patches == 8 else (4, 4))
    assert [t.text for t in trace.tokens] == [
        *leading, *(f"{row},{col}" for row in range(grid.rows) for col in range(grid.cols))
    ]  # fmt: skip
    assert [t.special for t in trace.tokens] == [True] * len(leading) + [False] * patches
    for layer in trace.layers:
        assert (layer.query_side, layer.key_side) == ("input", "input")
        assert layer.attention.queries == len(trace.tokens)
    with torch.no_grad():
        pixels = tiny.processor()(picture(), return_tensors="pt")["pixel_values"]
        output = model(pixel_values=pixels)
    if "logits" in output:
        torch.testing.assert_close(trace.logits, output.logits[0])
        assert trace.prediction.label == model.config.id2label[int(output.logits.argmax())]
    else:
        assert trace.logits is None


def test_swin_has_a_grid_and_positions_of_its_own():
    config = hf.SwinConfig(
        image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
    )
    trace = al.Lens(tiny.seeded(lambda: hf.SwinForImageClassification(config)), tiny.processor()).trace(
        picture()
    )
    assert (trace.patches.rows, trace.patches.cols, trace.patches.leading) == (16, 16, ())
    assert {(layer.query_side, layer.key_side) for layer in trace.layers} == {("other", "other")}
    assert trace[0].queries == 256
    assert trace.prediction is not None
    with pytest.raises(InputError, match="attends within windows"):
        al.rollout(trace)


def test_tokens_after_the_patches_are_no_grid():
    config = hf.YolosConfig(**tiny.VISION | {"image_size": (32, 32)}, num_detection_tokens=5)
    trace = al.Lens(tiny.seeded(lambda: hf.YolosModel(config)), tiny.processor()).trace(picture())
    assert trace.patches is None
    assert trace[0].queries == 1 + 16 + 5


# -- hand-written modules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("leading", [0, 1, 3, 8])
def test_any_number_of_leading_tokens(leading):
    trace = al.Lens(tiny.HandViT(leading=leading), patches=(8, 8)).trace(torch.rand(3, 32, 32))
    names = ("[CLS]", *(f"register {i}" for i in range(1, 8)))
    assert trace.patches.leading == names[:leading]
    assert len(trace.tokens) == trace[0].queries == 64 + leading
    assert trace.logits.shape == (3,)
    assert trace.prediction.label.startswith("class ")


@pytest.mark.parametrize("size", [(16, 32), (32, 8), (4, 40)])
def test_images_that_are_not_square(size):
    rows, cols = size[0] // 4, size[1] // 4
    lens = al.Lens(tiny.HandViT(labels=("x", "y", "z")), patches=(rows, cols))
    trace = lens.trace(torch.rand(3, *size))
    assert (trace.patches.rows, trace.patches.cols) == (rows, cols)
    assert trace.patches.image.shape == (*size, 3)
    assert trace.prediction.label in "xyz"
    shown = lens.trace(Image.new("RGB", size[::-1], "red"))
    assert shown.patches.image.shape == (*size, 3)


def test_images_of_several_sizes_without_a_grid_of_one_size():
    model = tiny.HandViT()
    model.patches = None
    lens = al.lens.ImageLens(model)
    traces = lens.trace([torch.rand(3, 32, 32), torch.rand(3, 16, 32), torch.rand(3, 32, 32)])
    assert [trace[0].queries for trace in traces] == [65, 33, 65]
    assert all(trace.patches is None for trace in traces)


@pytest.mark.parametrize("patches", [(9, 9), (4, 4), (2, 2), (1, 1), (8, 9), (6, 6), (7, 7), (7, 9), (1, 64)])
def test_patches_that_do_not_fit(patches):
    lens = al.Lens(tiny.HandViT(), patches=patches)
    count = patches[0] * patches[1]
    with pytest.raises(InputError, match=rf"makes {count} patches, but the model attends over 65 positions"):
        lens.trace(torch.rand(3, 32, 32))
    with pytest.raises(InputError, match=r"perhaps patches=\(8, 8\)$"):
        lens.trace(torch.rand(3, 32, 32))


def test_a_grid_that_is_not_square_is_proposed():
    lens = al.Lens(tiny.HandViT(), patches=(3, 3))
    with pytest.raises(InputError, match=r"perhaps patches=\(4, 8\)$"):
        lens.trace(torch.rand(3, 16, 32))


def test_a_rest_of_the_image_that_no_patch_covers():
    trace = al.Lens(tiny.HandViT(), patches=(7, 8)).trace(torch.rand(3, 30, 35))
    assert (trace.patches.rows, trace.patches.cols, trace.patches.leading) == (7, 8, ("[CLS]",))


@pytest.mark.parametrize(
    "patches", [8, (8,), (8, 8, 8), (0, 8), (-1, 8), (8.0, 8), (True, 8), "88", ("8", "8"), ()]
)
def test_patches_that_are_no_grid(patches):
    with pytest.raises(InputError, match=r"patches must be \(rows, cols\), two positive integers, not "):
        al.Lens(tiny.HandViT(), patches=patches)


def test_a_tokenizer_is_no_image_processor():
    with pytest.raises(InputError, match="needs an image processor"):
        al.Lens(tiny.HandViT(), tiny.wordpiece(), patches=(8, 8))
    with pytest.raises(InputError, match="needs an image processor, or none, not str"):
        al.Lens(tiny.vit(), "google/vit")


def halved(image):
    """As a transform of torchvision: resized, a tensor, normalised."""
    small = np.array(image.resize((32, 32), Image.Resampling.BILINEAR))
    return (torch.from_numpy(small).permute(2, 0, 1).float() / 255 - 0.5) / 0.5


def test_a_function_may_prepare_the_pictures(tmp_path):
    lens = al.Lens(tiny.HandViT(), halved, patches=(8, 8))
    assert type(lens) is al.lens.ImageLens
    picture().save(tmp_path / "it.png")
    for shown in (picture(), np.array(picture()), tmp_path / "it.png"):
        trace = lens.trace(shown)
        torch.testing.assert_close(trace.logits, lens.trace(halved(picture())).logits)
        expected = np.asarray(picture().resize((32, 32), Image.Resampling.BILINEAR))
        assert np.array_equal(trace.patches.image, expected)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda image: np.zeros((3, 32, 32)),
            r"must make a float tensor \[channel, height, width\].*not ndarray",
        ),
        (lambda image: torch.zeros(3, 32, 32, dtype=torch.uint8), r"not uint8 \[3, 32, 32\]"),
        (lambda image: torch.zeros(1, 3, 32, 32), r"not float32 \[1, 3, 32, 32\]"),
        (lambda image: image.nothing, "cannot prepare an image of .*: AttributeError"),
    ],
)
def test_a_function_that_makes_no_pixels(function, message):
    with pytest.raises(InputError, match=message):
        al.Lens(tiny.HandViT(), function, patches=(8, 8)).trace(picture())


def test_a_picture_that_nothing_prepared_says_how_to():
    class Fixed(tiny.HandViT):
        def forward(self, pixels):
            return super().forward(
                pixels.reshape(-1, 3, 32, 32) if pixels.shape[-1] == 32 else pixels.view(7)
            )

    lens = al.Lens(Fixed(), patches=(8, 8))
    hint = "pass a function that converts it to a tensor: Lens(module, preprocess, patches="
    with pytest.raises(InputError, match=re.escape(hint)):
        lens.trace(Image.new("RGB", (48, 40)))
    with pytest.raises(InputError) as caught:
        lens.trace(torch.rand(3, 40, 48))
    assert hint not in str(caught.value)


def test_a_model_may_prepare_its_pictures():
    model = al.models.MiniViT(d_model=16).eval()
    lens = al.Lens(model)
    assert lens.patches == (8, 8)
    trace = lens.trace(picture())
    torch.testing.assert_close(trace.logits, model(model.preprocess(picture())[None])[0].detach())
    assert trace.labels == model.labels
    assert trace.patches.leading == ("[CLS]",)


def test_modes_are_restored_also_after_an_error():
    model = tiny.HandViT().train()
    lens = al.Lens(model, patches=(8, 8))
    first, second = (lens.trace(torch.ones(3, 32, 32)) for _ in range(2))
    assert torch.equal(first.logits, second.logits)  # its dropout was off
    with pytest.raises(
        InputError, match=r"HandViT failed on its input \(a tensor \[1, 4, 32, 32\] float32\)"
    ):
        lens.trace(torch.ones(4, 32, 32))
    assert all(module.training for module in model.modules())


def test_a_model_without_attention():
    config = hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic")
    with pytest.raises(al.AttnlensError, match="no attention was recorded"):
        al.Lens(tiny.seeded(lambda: hf.ResNetForImageClassification(config)), tiny.processor()).trace(
            picture()
        )


def test_bad_pictures_in_a_list_are_named(lens, tmp_path):
    with pytest.raises(InputError, match="input 1: no such image file"):
        lens.trace([picture(), tmp_path / "no.png"])
