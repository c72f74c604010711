"""Train MiniViT on four classes of CIFAR-10, from Parquet files to a folder of 140 kB.

    python examples/training/minivit.py train --data cifar10 --out minivit
    python examples/training/minivit.py evaluate --data cifar10 --model minivit

The images stay on the device; on a GPU the whole step, augmentation included, is one CUDA graph. A seeded
fifth of the four classes' images (train and test files pooled) is held out and never trained on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from common import (
    CIFAR_LABELS,
    Augment,
    Average,
    accuracy,
    adamw,
    fit,
    folder_bytes,
    graphed,
    pick_device,
    read_images,
)
from torch import Tensor

from attnlens.models._minivit import MiniViT

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)
LABELS = ("airplane", "cat", "frog", "truck")


def four_classes(data: Path, limit: int | None) -> tuple[Tensor, Tensor]:
    """Images `[image, 3, 32, 32]` and labels 0..3 of the four classes, train and test files pooled."""
    pairs = [read_images(data / f"{name}.parquet", limit) for name in ("train", "test")]
    images, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    classes = torch.tensor([CIFAR_LABELS.index(label) for label in LABELS])
    keep = torch.isin(labels, classes)
    return images[keep], torch.searchsorted(classes, labels[keep])


def split(count: int) -> tuple[Tensor, Tensor]:
    """Row numbers of the four fifths to train on and of the held-out fifth; the same in every run."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[count // 5 :], order[: count // 5]


def trained(
    images: Tensor,
    labels: Tensor,
    epochs: int,
    batch: int = 512,
    peak: float = 3e-3,
    strength: float = 0.3,
    report: Callable[[int, MiniViT], None] = lambda epoch, model: None,
) -> MiniViT:
    """A MiniViT trained on uint8 images `[image, 3, 32, 32]`, on their device: the average of its weights.

    report: called after each epoch with its number and the averaged model so far
    """
    device = images.device
    model = MiniViT(labels=LABELS).to(device)
    average = Average(model, decay=0.999)
    rows = torch.zeros(min(batch, len(labels)), dtype=torch.long, device=device)
    optimizer, lr = adamw(model, weight_decay=0.02)
    augment = Augment(strength, device)

    def step() -> None:
        loss = F.cross_entropy(model(augment(images[rows])), labels[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()

    fit(
        graphed(step, device), rows, lr, len(labels), epochs, peak, lambda epoch: report(epoch, average.model)
    )
    return average.model


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with train.parquet and test.parquet of CIFAR-10.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    epochs: int = 500,
    batch: int = 512,
    peak: float = 3e-3,
    strength: float = 0.3,
    limit: int | None = None,
) -> None:
    """Train from scratch and save the averaged weights."""
    torch.manual_seed(0)
    device = pick_device()
    images, labels = (x.to(device) for x in four_classes(data, limit))
    chosen, held_out = (x.to(device) for x in split(len(labels)))

    def report(epoch: int, model: MiniViT) -> None:
        if epoch % 50 == 0 or epoch == epochs:
            score = accuracy(model, images[held_out], labels[held_out])
            print(f"epoch {epoch:4d}  held-out accuracy {score:.4f}", flush=True)
            model.save(out)

    trained(images[chosen], labels[chosen], epochs, batch, peak, strength, report)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option()], model: Annotated[Path, typer.Option()], limit: int | None = None
) -> None:
    """Measure the saved folder on the held-out fifth, in float32 on the CPU."""
    images, labels = four_classes(data, limit)
    _, held_out = split(len(labels))
    score = accuracy(MiniViT.load(model), images[held_out], labels[held_out])
    print(f"held-out accuracy {score:.4f} on {len(held_out)} images, folder {folder_bytes(model):,} bytes")


if __name__ == "__main__":
    app()
