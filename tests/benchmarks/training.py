"""Training MiniViT as its script does, beside the ordinary loop: `make bench-gpu DATA=cifar10`.

Ours keeps the images on the device and replays the step, augmentation included, as one CUDA graph. The ordinary loop
is the one of many tutorials: a DataLoader over tensors that cuts each image into its patches, batches of 64, AdamW.
Both train the same model for as many epochs on the same GPU and are measured on the same held-out fifth.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from attnlens.models import MiniViT

sys.path.append(str(Path(__file__).parents[2] / "examples" / "training"))
import common
import minivit

FASTER = 25
"""The target: so many times the ordinary loop's speed."""

EQUAL = 0.005
"""Accuracy that counts as equal: what one seed differs from another."""


class OfPatches(MiniViT):
    """The same model over patches that were cut before, `[batch, patch, pixel]`."""

    def forward(self, patches: Tensor) -> Tensor:
        first, gelu, second = self.embed
        hidden = gelu(F.linear(patches, first.weight.flatten(1), first.bias))
        tokens = F.linear(hidden, second.weight.flatten(1), second.bias)
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.positions
        for block in self.blocks:
            tokens, _ = block(tokens)
        return self.classifier(self.norm(tokens[:, 0]))


def patchify(image: Tensor, size: int = 4) -> Tensor:
    """One image `[3, row, column]` as its patches `[patch, pixel]`, row by row."""
    return image.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1)


class Images(Dataset):
    """Normalised images, each cut into patches when it is fetched."""

    def __init__(self, images: Tensor, labels: Tensor):
        self.images, self.labels = common.normalise(images.float() / 255), labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return patchify(self.images[index]), self.labels[index]


def ordinary(images: Tensor, labels: Tensor, epochs: int, device: torch.device) -> OfPatches:
    """The ordinary loop over images in main memory."""
    model = OfPatches(labels=minivit.LABELS).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    loader = DataLoader(Images(images, labels), batch_size=64, shuffle=True)
    for _ in range(epochs):
        for patches, targets in loader:
            loss = F.cross_entropy(model(patches.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def accuracy_of(model: OfPatches, images: Tensor, labels: Tensor) -> float:
    def logits(pixels: Tensor) -> Tensor:
        return model(torch.stack([patchify(image) for image in pixels]))

    with torch.no_grad():
        return common.accuracy(logits, images, labels)


def seconds(train, device: torch.device):
    """(what it returns, seconds)"""
    torch.manual_seed(0)
    start = time.perf_counter()
    found = train()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return found, time.perf_counter() - start


def run(data: Path, epochs: int, ordinary_epochs: int, limit: int | None) -> tuple[Table, bool]:
    """ordinary_epochs: how many of its epochs are run; its time is scaled up to `epochs`, each being alike"""
    device = common.pick_device()
    images, labels = minivit.four_classes(data, limit)
    chosen, held_out = minivit.split(len(labels))
    on_device = images[chosen].to(device), labels[chosen].to(device)
    test = images[held_out].to(device), labels[held_out].to(device)
    # A process's first kernels are loaded and tuned; neither loop is to pay for that.
    minivit.trained(*on_device, 1)
    ordinary(images[chosen[:640]], labels[chosen[:640]], 1, device)
    ours, our_time = seconds(lambda: minivit.trained(*on_device, epochs), device)
    theirs, their_time = seconds(
        lambda: ordinary(images[chosen], labels[chosen], ordinary_epochs, device), device
    )
    scores = common.accuracy(ours, *test), accuracy_of(theirs, *test)
    ratio = their_time * epochs / ordinary_epochs / our_time
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    table = Table(
        "",
        "epochs",
        "s",
        "s / epoch",
        "held-out accuracy",
        title=f"training MiniViT, {len(chosen)} images, {name}",
    )
    table.add_row("ours", f"{epochs}", f"{our_time:.2f}", f"{our_time / epochs:.4f}", f"{scores[0]:.4f}")
    share = their_time / ordinary_epochs
    table.add_row(
        "ordinary loop", f"{ordinary_epochs}", f"{their_time:.2f}", f"{share:.4f}", f"{scores[1]:.4f}"
    )
    met = ratio >= FASTER and scores[0] >= scores[1] - EQUAL
    verdict = "met" if met else "missed"
    table.caption = f"{ratio:.1f}x faster for {epochs} epochs; target {FASTER}x at equal accuracy: {verdict}"
    return table, met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet and test.parquet")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument(
        "--ordinary-epochs", type=int, default=None, help="fewer, to save time; by default as many"
    )
    parser.add_argument("--limit", type=int, default=None, help="images of each file, to try it out")
    given = parser.parse_args()
    table, met = run(given.data, given.epochs, given.ordinary_epochs or given.epochs, given.limit)
    Console(width=100).print(table)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
