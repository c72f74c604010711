"""What the training scripts share: images on the device, augmentation, steps, and saving in float16."""

import copy
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

CIFAR_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)  # of the 50,000 training images, per channel, pixels in 0..1
CIFAR_STD = (0.2470, 0.2435, 0.2616)


def pick_device() -> torch.device:
    """The GPU where there is one, else the CPU; on a GPU, allow its fast matrix products and convolutions."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision(device: torch.device) -> torch.autocast:
    """Bfloat16 arithmetic on a GPU; on a CPU, where it is slow, plain float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def read_images(parquet: Path, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Decode a Parquet file of encoded images: uint8 `[image, 3, 32, 32]` and the labels `[image]`."""
    table = pq.read_table(parquet).slice(0, limit)
    encoded = [row["bytes"] for row in table["img"].to_pylist()]
    pixels = [torch.frombuffer(bytearray(open_rgb(data).tobytes()), dtype=torch.uint8) for data in encoded]
    images = torch.stack(pixels).view(-1, 32, 32, 3).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(table["label"].to_pylist())


def open_rgb(data: bytes) -> Image.Image:
    """One encoded image as an RGB picture."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def normalise(pixels: Tensor) -> Tensor:
    """Pixels in 0..1, `[image, 3, row, column]`, to zero mean and unit variance per channel."""
    mean = pixels.new_tensor(CIFAR_MEAN).view(3, 1, 1)
    return (pixels - mean) / pixels.new_tensor(CIFAR_STD).view(3, 1, 1)


class Augment:
    """Random views of a batch: flip, shift, and for some images a warp, a change of colour, a square cut out.

    Everything is drawn per image and stays on the device, without a question to the host, so that a training
    step that calls it can be captured in a CUDA graph. Input uint8, output normalised float, both
    `[image, 3, row, column]`. `strength` scales warp and colour; 0 leaves flip, shift and the cut.
    """

    def __init__(self, strength: float, device: torch.device) -> None:
        self.strength = strength
        self.mean = torch.tensor(CIFAR_MEAN, device=device).view(3, 1, 1)
        self.std = torch.tensor(CIFAR_STD, device=device).view(3, 1, 1)
        self.grey = torch.tensor((0.299, 0.587, 0.114), device=device).view(3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        pixels = self.colour(self.warp(images.float() / 255))
        return self.cut((pixels - self.mean) / self.std)

    def warp(self, pixels: Tensor) -> Tensor:
        """Flip, shift by up to four pixels, and rotate, scale and shear half of the images."""
        count, _, _, side = pixels.shape
        some = self.strength * coin(pixels, 0.5)
        angle, scale = 0.25 * some * signed(pixels), 1 + 0.2 * some * signed(pixels)
        shear, flip = 0.2 * some * signed(pixels), 1 - 2 * coin(pixels, 0.5)
        shift = torch.randint(-4, 5, (count, 2), device=pixels.device) * (2 / side)  # whole pixels: no blur
        top = torch.stack([flip * scale * angle.cos(), shear - angle.sin(), shift[:, 0]], dim=1)
        bottom = torch.stack([flip * angle.sin(), scale * angle.cos(), shift[:, 1]], dim=1)
        grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(pixels.shape), align_corners=False)
        return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)

    def colour(self, pixels: Tensor) -> Tensor:
        """Change brightness, contrast and saturation of half of the images."""
        some = (0.5 * self.strength * coin(pixels, 0.5)).view(-1, 1, 1, 1)
        brightness, contrast, saturation = (1 + some * signed(pixels).view(-1, 1, 1, 1) for _ in range(3))
        pixels = pixels * brightness
        pixels = torch.lerp(pixels.mean(dim=(1, 2, 3), keepdim=True), pixels, contrast)
        grey = (pixels * self.grey).sum(dim=1, keepdim=True)
        return torch.lerp(grey, pixels, saturation).clamp(0, 1)

    def cut(self, pixels: Tensor, size: int = 8) -> Tensor:
        """Grey out a square of `size` pixels in half of the images (DeVries and Taylor 2017, Cutout)."""
        count, _, _, side = pixels.shape
        place = torch.arange(side, device=pixels.device)
        corner = torch.randint(-size + 1, side, (2, count, 1), device=pixels.device)
        rows, columns = ((place >= corner) & (place < corner + size)).unbind(0)
        hole = rows[:, None, :, None] & columns[:, None, None, :] & (coin(pixels, 0.5).view(-1, 1, 1, 1) > 0)
        return pixels.masked_fill(hole, 0.0)


def coin(like: Tensor, chance: float) -> Tensor:
    """One 0.0 or 1.0 per image, 1.0 with the given chance."""
    return (torch.rand(len(like), device=like.device) < chance).float()


def signed(like: Tensor) -> Tensor:
    """One uniform number in -1..1 per image."""
    return 2 * torch.rand(len(like), device=like.device) - 1


class Average:
    """An exponential moving average of a model's weights: what is evaluated and saved."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = copy.deepcopy(model).eval().requires_grad_(False), decay
        state, live = self.model.state_dict(), model.state_dict()
        floating = [
            name for name in state if state[name].is_floating_point()
        ]  # leaves out batch norm's counters
        self.mean, self.live = [state[name] for name in floating], [live[name] for name in floating]

    @torch.no_grad()
    def update(self) -> None:
        """Move each averaged weight a step of `1 - decay` towards its live one."""
        torch._foreach_lerp_(self.mean, self.live, 1 - self.decay)


def adamw(model: nn.Module, weight_decay: float) -> tuple[torch.optim.AdamW, Tensor]:
    """AdamW that may run inside a CUDA graph, and its learning rate: a tensor, to be filled in place."""
    device = next(model.parameters()).device
    lr = torch.zeros((), device=device)
    graph = device.type == "cuda"
    rate = dict(lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    return torch.optim.AdamW(model.parameters(), **rate, fused=True, capturable=graph), lr


def graphed(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`step` as a replay of a CUDA graph on a GPU, which spares its launches; `step` itself elsewhere.

    The step must read its batch and its learning rate from tensors that stay where they are.
    """
    if device.type != "cuda":
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def cosine(done: float, warmup: float = 0.05) -> float:
    """Share of the peak learning rate at `done` in 0..1: a linear rise, then half a cosine down to zero."""
    return done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def fit(
    step: Callable[[], None], rows: Tensor, lr: Tensor, count: int, epochs: int, peak: float, report
) -> None:
    """Run `step` over shuffled epochs of `count` examples.

    `rows` (the batch's indices) and `lr` are filled in place before each step; `report(epoch)` follows each
    epoch.
    """
    per_epoch = count // len(rows)
    for epoch in range(epochs):
        order = torch.randperm(count, device=rows.device)[: per_epoch * len(rows)].view(per_epoch, -1)
        for index in range(per_epoch):
            rows.copy_(order[index])
            lr.fill_(peak * cosine((epoch + index / per_epoch) / epochs))
            step()
        report(epoch + 1)


@torch.no_grad()
def accuracy(model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Share of uint8 images whose largest logit is their label; `model` maps normalised pixels to logits."""
    batches = zip(images.split(batch), labels.split(batch), strict=True)
    return sum((model(normalise(x.float() / 255)).argmax(-1) == y).sum().item() for x, y in batches) / len(
        labels
    )


def save_half(model: nn.Module, folder: Path) -> None:
    """Save a transformers model in float16, in a folder that loads as float32 (float16 is slow on a CPU)."""
    copy.deepcopy(model).half().save_pretrained(folder)
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text()) | {"dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n")


def folder_bytes(folder: Path) -> int:
    """Size of a model folder, all its files, in bytes."""
    return sum(path.stat().st_size for path in Path(folder).iterdir())
