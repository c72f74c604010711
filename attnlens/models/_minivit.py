"""MiniViT: the smallest Vision Transformer that still classifies, written to be read.

One layer, one head, sinusoidal positions. Its attention is a few matrix products and a softmax, so it is a model to
teach with, and to test the recording of hand-written attention.
"""

import json
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .._checks import as_integer, integer

LARGEST_IMAGE = 1024
"""Maximum side of the images of a saved model in pixels: its positions, which are not saved, grow with it."""


class SelfAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al. 2017, equation 1) that also returns its weights."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (d_model // heads) ** -0.5
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens `[batch, token, d_model]` to new ones and the weights `[batch, head, query, key]`."""
        q = self.split(self.query(tokens))  # [batch, head, query, d_head]
        k = self.split(self.key(tokens))  # [batch, head, key, d_head]
        v = self.split(self.value(tokens))  # [batch, head, key, d_head]
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)  # [batch, head, query, key]
        mixed = (weights @ v).transpose(1, 2).flatten(2)  # [batch, query, d_model]
        return self.output(mixed), weights

    def split(self, x: Tensor) -> Tensor:
        """Give the heads an axis: `[batch, token, d_model]` to `[batch, head, token, d_head]`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """One layer: attention, then an MLP, each behind a layer norm and beside a residual path."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = SelfAttention(d_model, heads)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens `[batch, token, d_model]` to new ones and the weights `[batch, head, query, key]`."""
        mixed, weights = self.attention(self.norm1(tokens))
        tokens = tokens + mixed
        return tokens + self.mlp(self.norm2(tokens)), weights


class MiniViT(nn.Module):
    """A Vision Transformer of one layer and one head for 32x32 images.

    ```python
    model = MiniViT.load("weights/minivit")
    pixels = model.preprocess(Image.open("cat.png"))[None]        # [1, 3, 32, 32]
    logits, attention = model(pixels, return_attention=True)      # [1, 4], [1, 1, 65, 65]
    ```

    Token 0 is the class token; token `1 + row * columns + column` is a patch. With several layers,
    `attention` is the last layer's.
    """

    def __init__(
        self,
        labels: tuple[str, ...] = ("airplane", "cat", "frog", "truck"),
        image_size: int = 32,
        patch_size: int = 4,
        d_model: int = 64,
        heads: int = 1,
        layers: int = 1,
        mean: tuple[float, float, float] = (0.4914, 0.4822, 0.4465),
        std: tuple[float, float, float] = (0.2470, 0.2435, 0.2616),
    ) -> None:
        super().__init__()
        sizes = dict(
            image_size=image_size, patch_size=patch_size, d_model=d_model, heads=heads, layers=layers
        )
        image_size, patch_size, d_model, heads, layers = (
            integer(name, size, least=1) for name, size in sizes.items()
        )
        check_sizes(image_size, patch_size, d_model, heads)
        self.config = dict(
            labels=list(labels), image_size=image_size, patch_size=patch_size, d_model=d_model, heads=heads,
            layers=layers, mean=list(mean), std=list(std),
        )  # fmt: skip
        self.labels, self.image_size = tuple(labels), image_size
        self.patches = (image_size // patch_size, image_size // patch_size)
        self.embed = (
            nn.Sequential(  # an MLP per patch: with one layer, linear patches leave attention little to weigh
                nn.Conv2d(3, 2 * d_model, kernel_size=patch_size, stride=patch_size),
                nn.GELU(),
                nn.Conv2d(2 * d_model, d_model, kernel_size=1),
            )
        )
        self.class_token = nn.Parameter(torch.randn(1, 1, d_model) * 0.02)
        self.register_buffer("positions", sinusoids(self.patches, d_model), persistent=False)
        self.blocks = nn.ModuleList(Block(d_model, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)
        self.classifier = nn.Linear(d_model, len(labels))

    def forward(self, pixels: Tensor, return_attention: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Map pixels `[batch, 3, row, column]` to logits `[batch, class]`.

        With `return_attention`, also the last layer's weights `[batch, head, query, key]`.
        """
        patches = self.embed(pixels).flatten(2).transpose(1, 2)  # [batch, patch, d_model]
        tokens = torch.cat([self.class_token.expand(len(pixels), -1, -1), patches], dim=1) + self.positions
        for block in self.blocks:
            tokens, attention = block(tokens)  # [batch, token, d_model], [batch, head, query, key]
        logits = self.classifier(self.norm(tokens[:, 0]))  # [batch, class]
        return (logits, attention) if return_attention else logits

    def preprocess(self, image: Image.Image) -> Tensor:
        """Resize a picture to the model's size and normalise it: `[3, row, column]`, float32."""
        image = image.convert("RGB").resize((self.image_size, self.image_size), Image.Resampling.BILINEAR)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        pixels = pixels.view(self.image_size, self.image_size, 3).permute(2, 0, 1) / 255
        mean, std = (torch.tensor(self.config[name]).view(3, 1, 1) for name in ("mean", "std"))
        return (pixels - mean) / std

    def save(self, folder: str | Path) -> None:
        """Write `config.json` and the weights in float16, `model.safetensors`, to a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(
            json.dumps({"model_type": "minivit"} | self.config, indent=2) + "\n"
        )
        save_file(
            {name: w.half().contiguous() for name, w in self.state_dict().items()},
            folder / "model.safetensors",
        )

    @classmethod
    def load(cls, folder: str | Path) -> "MiniViT":
        """Read what `save` wrote; the weights become float32 and the model is ready to evaluate.

        Raises ValueError before any memory is taken where the configuration asks for other sizes than the weights have.
        """
        config = json.loads((Path(folder) / "config.json").read_text())
        if config.pop("model_type", None) != "minivit":
            raise ValueError(f"{folder} does not hold a MiniViT; save one there with MiniViT.save(folder).")
        check_weights(cls, config, Path(folder) / "model.safetensors")
        model = cls(**config)
        model.load_state_dict(load_file(Path(folder) / "model.safetensors"))  # copies into float32 parameters
        return model.eval()


def sinusoids(patches: tuple[int, int], d_model: int) -> Tensor:
    """Fixed positions `[token, d_model]`: half of the channels wave along the rows, half along the columns.

    The waves are those of Vaswani et al. 2017, section 3.5, once per axis; the class token, which has no
    place, gets zeros.
    """
    rate = 100.0 ** -torch.arange(0, 1, 4 / d_model)  # [d_model / 4]; 100, not 10000: the axes are short
    row, column = torch.meshgrid(*map(torch.arange, patches), indexing="ij")
    angles = (
        torch.stack([row.flatten(), column.flatten()], dim=1)[..., None] * rate
    )  # [patch, axis, d_model / 4]
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)  # [patch, d_model]
    return torch.cat([torch.zeros(1, d_model), waves])


def check_weights(cls: type[MiniViT], config: dict, file: Path) -> None:
    """Raise ValueError where a configuration and the sizes of the weights differ, before any weights are read."""
    with safe_open(file, "pt") as weights:
        saved = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}
    for name in ("image_size", "patch_size", "d_model", "heads", "layers"):
        if (as_integer(config.get(name, 1)) or 0) < 1:
            raise ValueError(f"{name} in config.json must be an integer of at least 1, not {config[name]!r}.")
    blocks = {name.split(".")[1] for name in saved if name.startswith("blocks.")}
    if config.get("layers", 1) != len(blocks):
        raise ValueError(f"config.json has {config.get('layers', 1)} layers, the weights {len(blocks)}.")
    if config.get("image_size", 32) > LARGEST_IMAGE:
        raise ValueError(
            f"image_size {config['image_size']} in config.json is more than {LARGEST_IMAGE} pixels."
        )
    if config.get("d_model", 64) > max(map(max, filter(None, saved.values())), default=0):
        raise ValueError(f"config.json has d_model {config.get('d_model', 64)}, wider than all weights.")
    with torch.device("meta"):  # shapes without numbers
        wanted = {name: tuple(tensor.shape) for name, tensor in cls(**config).state_dict().items()}
    for name in sorted(wanted.keys() | saved.keys()):
        if wanted.get(name) != saved.get(name):
            raise ValueError(
                f"config.json asks for {name} {wanted.get(name)}, the weights have {saved.get(name)}."
            )


def check_sizes(image_size: int, patch_size: int, d_model: int, heads: int) -> None:
    """Raise ValueError for sizes that do not fit together, before a reshape fails far from the cause."""
    if image_size % patch_size:
        raise ValueError(
            f"image_size {image_size} is no multiple of patch_size {patch_size}; choose one that is."
        )
    if d_model % 4 or d_model % heads:
        raise ValueError(
            f"d_model {d_model} must be a multiple of 4 and of heads ({heads}); choose one that is."
        )
