"""Train a small Vision Transformer on CIFAR-10 by distillation, from Parquet files to a folder of 7 MB; or a ResNet.

    python examples/training/cifar.py train --data cifar10 --out cifar
    python examples/training/cifar.py resnet --data cifar10 --out resnet
    python examples/training/cifar.py evaluate --data cifar10 --model cifar

A transformer this small overfits 50,000 images long before it understands them. So a ResNet-9 is trained
first, and the transformer learns to give the same answers on many random views and mixtures of the images,
teacher and student seeing the same view (Beyer et al. 2022, Knowledge distillation: a good teacher is patient
and consistent). The images stay on the device; on a GPU each whole step is one CUDA graph.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from common import (
    CIFAR_LABELS,
    CIFAR_MEAN,
    CIFAR_STD,
    Augment,
    Average,
    accuracy,
    adamw,
    coin,
    fit,
    folder_bytes,
    graphed,
    half_precision,
    pick_device,
    read_images,
    save_half,
)  # fmt: skip
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModelForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.models.vit.modeling_vit import ViTLayer

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


NAMES = {
    "id2label": dict(enumerate(CIFAR_LABELS)),
    "label2id": {name: number for number, name in enumerate(CIFAR_LABELS)},
}
ENLARGED = 96
"""Pixels across for the ResNet, whose stem shrinks a picture to a quarter before it looks closely."""


def vit() -> ViTForImageClassification:
    """The student: 8 layers of 3 heads, 64 patches of 4x4 pixels, 3.6 million weights."""
    config = ViTConfig(
        image_size=32, patch_size=4, hidden_size=192, num_hidden_layers=8, num_attention_heads=3,
        intermediate_size=768, layer_norm_eps=1e-6, **NAMES,
    )  # fmt: skip
    return ViTForImageClassification(config)


def resnet14() -> ResNetForImageClassification:
    """Three stages of two blocks of two convolutions (He et al. 2016): maps of 24, 12 and 6 places across."""
    sizes = {"embedding_size": 40, "hidden_sizes": [40, 80, 160], "depths": [2, 2, 2], "layer_type": "basic"}
    return ResNetForImageClassification(ResNetConfig(**sizes, **NAMES))


class Enlarging(nn.Module):
    """A model of transformers that is asked with pictures of any size, and whose answer is its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(F.interpolate(pixels, (ENLARGED, ENLARGED), mode="bilinear")).logits


def conv(inside: int, outside: int, pool: bool = False) -> nn.Sequential:
    """A 3x3 convolution, batch norm and GELU; with `pool`, at half the size."""
    parts = [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.GELU()]
    return nn.Sequential(*parts, *([nn.MaxPool2d(2)] if pool else []))


class Residual(nn.Sequential):
    """A sequence beside which its input passes unchanged."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def resnet9(width: int = 96) -> nn.Sequential:
    """The teacher: nine layers, after David Page, How to train your ResNet (2018), there with `width` 64."""
    stages = [conv(3, width)]
    for inside in (width, 2 * width, 4 * width):
        outside = 2 * inside
        stages += [conv(inside, outside, pool=True), Residual(conv(outside, outside), conv(outside, outside))]
    head = nn.Linear(8 * width, len(CIFAR_LABELS))
    return nn.Sequential(*stages, nn.AdaptiveMaxPool2d(1), nn.Flatten(), head)


def mix(*pair: Tensor) -> list[Tensor]:
    """Blend half of the images, and their labels, with a neighbour in the batch (Zhang et al. 2018, mixup)."""
    share = 1 - coin(pair[0], 0.5) * torch.rand(len(pair[0]), device=pair[0].device)
    return [torch.lerp(x.roll(1, 0), x, share.view(-1, *[1] * (x.ndim - 1))) for x in pair]


def patchwork(pixels: Tensor, chance: float) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of another image, two places on, into some of the images (Yun et al. 2019, CutMix).

    Returns the images and, per image, the pasted share of its area `[image, 1]`.
    """
    count, _, side, _ = pixels.shape
    place = torch.arange(side, device=pixels.device)
    centre = torch.randint(0, side, (2, count, 1), device=pixels.device)
    half = side / 2 * torch.rand(count, 1, device=pixels.device).sqrt() * coin(pixels, chance)[:, None]
    rows, columns = ((place - centre).abs() < half).unbind(0)
    pasted = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(pasted, pixels.roll(2, 0), pixels), pasted.float().mean((2, 3))


def compiled(function: Callable, device: torch.device) -> Callable:
    """The same function with its elementwise steps fused on a GPU; as it is elsewhere."""
    return torch.compile(function) if device.type == "cuda" else function


def train_network(
    model: nn.Module, images: Tensor, labels: Tensor, test: tuple[Tensor, Tensor],
    epochs: int, batch: int, paste: float,
) -> nn.Module:  # fmt: skip
    """Train a convolutional network on the labels; its averaged weights come back ready to answer."""
    device = images.device
    model = model.to(device, memory_format=torch.channels_last)
    average, run = Average(model, decay=0.998), compiled(model, device)
    rows, augment = torch.zeros(batch, dtype=torch.long, device=device), Augment(1.0, device)
    truth = torch.eye(len(CIFAR_LABELS), device=device)
    optimizer, lr = adamw(model, weight_decay=0.1)

    def step() -> None:
        (pixels, pasted), target = patchwork(augment(images[rows]), paste), truth[labels[rows]]
        pixels, target = mix(pixels, torch.lerp(target, target.roll(2, 0), pasted))
        with half_precision(device):
            logits = run(pixels.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), target, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()

    def report(epoch: int) -> None:
        if epoch % 10 == 0 or epoch == epochs:
            print(f"network epoch {epoch:3d}  test accuracy {accuracy(average.model, *test):.4f}", flush=True)

    model.train()
    fit(graphed(step, device), rows, lr, len(labels), epochs, 2e-3, report)
    return average.model


def block(layer: ViTLayer, tokens: Tensor, keep: Tensor) -> Tensor:
    """One layer of the student in plain torch: transformers' own code cannot be compiled into a CUDA graph.

    `keep` `[2, image, 1, 1]` scales the two branches: drawn as 0 or `1 / chance` it is stochastic depth.
    """
    attention, normal = layer.attention, layer.layernorm_before(tokens)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    q, k, v = (p(normal).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2) for p in projections)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    tokens = tokens + keep[0] * attention.o_proj(mixed)
    return tokens + keep[1] * layer.mlp(layer.layernorm_after(tokens))


def answer(
    model: ViTForImageClassification, pixels: Tensor, run_block: Callable, drop: float = 0.0
) -> Tensor:
    """`model(pixels).logits`, each layer run by `run_block`, the patches embedded by a matrix product.

    With `drop`, each branch of each layer is left out for that share of the images (Huang et al. 2016).
    """
    inside = model.vit.embeddings
    kernel, side = inside.patch_embeddings.projection, model.config.patch_size
    squares = pixels.unflatten(3, (-1, side)).unflatten(2, (-1, side)).permute(0, 2, 4, 1, 3, 5)
    patches = squares.flatten(3).flatten(1, 2)  # [image, patch, 3 * row * column]
    patches = F.linear(patches, kernel.weight.flatten(1), kernel.bias)
    tokens = torch.cat([inside.cls_token.to(patches.dtype).expand(len(pixels), -1, -1), patches], dim=1)
    tokens = tokens + inside.position_embeddings
    for layer in model.vit.layers:
        kept = (torch.rand(2, len(pixels), 1, 1, device=pixels.device) >= drop) / (1 - drop)
        tokens = run_block(layer, tokens, kept)
    return model.classifier(model.vit.layernorm(tokens[:, 0]))


def distil(
    model: nn.Module, teacher: nn.Module, images: Tensor, test: tuple[Tensor, Tensor], out: Path,
    epochs: int, batch: int, peak: float, paste: float, drop: float,
) -> None:  # fmt: skip
    """Train the transformer to answer as the teacher does; save its averaged weights every 20 epochs."""
    device, started = images.device, time.perf_counter()
    average = Average(model, decay=0.9995)
    run_block, ask = compiled(block, device), compiled(teacher, device)
    rows, augment = torch.zeros(batch, dtype=torch.long, device=device), Augment(1.0, device)
    optimizer, lr = adamw(model, weight_decay=0.05)

    def step() -> None:
        with half_precision(device):
            (pixels,) = mix(patchwork(augment(images[rows]), paste)[0])
            with torch.no_grad():
                target = ask(pixels.contiguous(memory_format=torch.channels_last)).float().softmax(-1)
            logits = answer(model, pixels, run_block, drop)
        loss = F.kl_div(logits.float().log_softmax(-1), target, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update()

    def report(epoch: int) -> None:
        if epoch % 20 == 0 or epoch == epochs:
            score = accuracy(lambda x: average.model(x).logits, *test)
            seconds = time.perf_counter() - started
            print(f"student epoch {epoch:4d}  test accuracy {score:.4f}  {seconds:.0f} s", flush=True)
            save_half(average.model, out)

    fit(graphed(step, device), rows, lr, len(images), epochs, peak, report)


def save_processor(out: Path, side: int = 32) -> None:
    """Write the processor that makes any picture what the model was trained on, without torchvision."""
    normal = dict(image_mean=list(CIFAR_MEAN), image_std=list(CIFAR_STD))
    ViTImageProcessorPil(size={"height": side, "width": side}, **normal).save_pretrained(out)


def read_both(data: Path, limit: int | None, device: torch.device) -> list[Tensor]:
    """Images and labels to train on, images and labels to test on."""
    files = (data / f"{name}.parquet" for name in ("train", "test"))
    return [tensor.to(device) for file in files for tensor in read_images(file, limit)]


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with train.parquet and test.parquet of CIFAR-10.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    teacher: Annotated[Path | None, typer.Option(help="The teacher's weights; made where missing.")] = None,
    start: Annotated[Path | None, typer.Option(help="Folder of a student to go on from.")] = None,
    teacher_epochs: int = 160,
    epochs: int = 900,
    batch: int = 512,
    peak: float = 1e-3,
    paste: Annotated[float, typer.Option(help="Share of the images that get a CutMix patch.")] = 0.7,
    drop: Annotated[float, typer.Option(help="Share of the branches left out: stochastic depth.")] = 0.1,
    limit: int | None = None,
) -> None:
    """Train the teacher, then the transformer from scratch."""
    torch.manual_seed(0)
    device = pick_device()
    images, labels, *test = read_both(data, limit, device)
    if teacher and teacher.exists():
        expert = resnet9().to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        expert.load_state_dict(load_file(teacher))
        print(f"teacher test accuracy {accuracy(expert, *test):.4f}", flush=True)
    else:
        expert = train_network(resnet9(), images, labels, test, teacher_epochs, batch, paste)
    if teacher and not teacher.exists():
        save_file({k: v.contiguous().half() for k, v in expert.state_dict().items()}, teacher)
    save_processor(out)
    model = ViTForImageClassification.from_pretrained(start, dtype=torch.float32) if start else vit()
    distil(model.train().to(device), expert, images, test, out, epochs, batch, peak, paste, drop)


@app.command()
def resnet(
    data: Annotated[Path, typer.Option(help="Folder with train.parquet and test.parquet of CIFAR-10.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    epochs: int = 120,
    batch: int = 512,
    paste: Annotated[float, typer.Option(help="Share of the images that get a CutMix patch.")] = 0.5,
    limit: int | None = None,
) -> None:
    """Train a small convolutional network from scratch, in the place of the transformer."""
    torch.manual_seed(0)
    device = pick_device()
    images, labels, *test = read_both(data, limit, device)
    trained = train_network(Enlarging(resnet14()), images, labels, test, epochs, batch, paste)
    save_half(trained.model, out)
    save_processor(out, ENLARGED)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option()], model: Annotated[Path, typer.Option()], limit: int | None = None
) -> None:
    """Measure the saved folder on the test images, in float32 on the CPU."""
    found = AutoModelForImageClassification.from_pretrained(model, dtype=torch.float32).eval()
    images, labels = read_images(data / "test.parquet", limit)
    ask = Enlarging(found) if isinstance(found, ResNetForImageClassification) else lambda x: found(x).logits
    score = accuracy(ask, images, labels)
    print(f"test accuracy {score:.4f} on {len(labels)} images, folder {folder_bytes(model):,} bytes")


if __name__ == "__main__":
    app()
