"""The embedded trained models and sample inputs, which work offline right after installation.

| name | description |
| --- | --- |
| sentiment | DistilBERT architecture, SST-2: negative or positive |
| cifar | ViT on the ten classes of CIFAR-10 |
| resnet | ResNet on the same: a network without attention |
| minivit | one layer, one head: `MiniViT`, written to be read |

Each folder under `weights/` has a model card, README.md, with data, recipe and measured accuracy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._checks import one_of

if TYPE_CHECKING:
    from ._minivit import MiniViT as MiniViT

MOST_PIXELS = 2**26
"""Pixels of the largest picture that is read, whatever file it comes from: 8192 x 8192, which takes 200 MB in RGB.
Assign another number to `attnlens.models.MOST_PIXELS` to change it."""

EMBEDDED = ("sentiment", "cifar", "resnet", "minivit")

_HERE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder of an embedded model. Raises InputError for another name."""
    return _HERE / "weights" / one_of("embedded model", name, EMBEDDED)


def sample_sentences() -> list[str]:
    """A dozen film review sentences, praise and blame."""
    return (_HERE / "samples" / "sentences.txt").read_text(encoding="utf-8").splitlines()


def sample_images() -> dict[str, Path]:
    """Sample images by name: CIFAR-10 test pictures and one photograph, `chelsea`. Sources in samples/README.md."""
    paths = (p for p in (_HERE / "samples").iterdir() if p.suffix in (".png", ".jpg"))
    return {path.stem: path for path in sorted(paths)}


def __getattr__(name: str) -> type[MiniViT]:
    if name == "MiniViT":
        from ._minivit import MiniViT

        return MiniViT
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
