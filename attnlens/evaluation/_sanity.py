"""The sanity check: attributions of a model whose parameters are randomised layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .._checks import integer, listed
from ..errors import InputError
from ..models._forward import exclusive, undone
from ._agreement import ordinary_scores, spearman

if TYPE_CHECKING:
    import pandas as pd

    from ..models._protocols import ModelWithProcessor

MODES = ("cascade", "independent")


def sanity_check(
    lens: ModelWithProcessor,
    input: Any,
    target: str | int | None = None,
    *,
    method: str = "integrated_gradients",
    n: int = 1,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Similarity of the scores of the trained model to those of models with randomised layers.

    The scores of a method that depends on the parameters become dissimilar soon; those of a method that depends on
    the input alone stay similar. Layers are ordered from the logits down: the head, the blocks, the embeddings.
    "cascade" randomises a layer and all above it, "independent" this layer alone. The explained class stays that of
    the trained model, whose parameters are restored, bit for bit, also after an error.

    Columns: layer, mode, draw, similarity (Spearman's rank correlation of the scores' magnitudes) and
    similarity_signed (of the scores themselves); NaN where all scores are equal. Special tokens are omitted.

    method, options: as for `lens.attribute`.
    n, seed: number and seed of the draws of each layer, the same for both modes.

    Layers are drawn by their modules' own `reset_parameters`; parameters without it, from a normal distribution of
    the same mean and standard deviation. A parameter shared by two layers belongs to the one defined first.

    Raises InputError for a list of inputs, and for what `lens.attribute` refuses.
    Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 3.

    >>> table = sanity_check(lens, "not a bad film", method="gradient_x_input")
    >>> table[table["mode"] == "cascade"].set_index("layer")["similarity"]
    """
    import pandas as pd

    if listed(input) is not None or isinstance(target, list | tuple):
        raise InputError("sanity_check takes one input and one target at a time; call it for each")
    n = integer("n", n, least=1)
    seed = integer("seed", seed, least=0)
    trained = lens.attribute(input, target, method=method, **options)
    options = {
        name: value
        for name, value in options.items()
        if name not in ("against", "unit", "position", "output")
    }
    rows = []
    with restored(lens.model) as back:
        for layer, mode, draw in _randomised(lens.model, back, n, seed):
            found = ordinary_scores(lens.attribute(input, trained.target, method=method, **options))
            rows.append(
                {"layer": layer, "mode": mode, "draw": draw, **_similar(ordinary_scores(trained), found)}
            )
    return pd.DataFrame(rows)


def _randomised(
    model: nn.Module, back: Callable[[], None], n: int, seed: int
) -> Iterator[tuple[str, str, int]]:
    """The model in each state of the check, one after the other: (layer, mode, draw)."""
    found = layers(model)
    for draw, mode in product(range(n), MODES):
        back()
        for number, (layer, names) in enumerate(found):
            if mode == "independent":
                back()
            randomise(model, names, seed + draw * len(found) + number)
            yield layer, mode, draw


def _similar(first: Tensor, second: Tensor) -> dict[str, float]:
    return {"similarity": spearman(first.abs(), second.abs()), "similarity_signed": spearman(first, second)}


# -- layers ---------------------------------------------------------------------------------------------------


def layers(model: nn.Module) -> list[tuple[str, list[str]]]:
    """(name, names of its parameters) of each layer, from the logits down.

    The blocks are those of the longest list of modules of one class (`nn.ModuleList` or `nn.Sequential`, at least
    two). Parameters defined after it are the head, also a decoder; those defined before it the embeddings. Without
    such a list the model's children are the layers.
    """
    names = [name for name, _ in model.named_parameters()]
    path = _stack(model)
    parents = [f"{path}.{i}" for i in range(len(model.get_submodule(path)))] if path is not None else []
    parents = parents or [name for name, _ in model.named_children()]
    inside = {parent: [name for name in names if name.startswith(f"{parent}.")] for parent in parents}
    places = [names.index(name) for own in inside.values() for name in own]
    first, last = min(places, default=len(names)), max(places, default=-1)
    rest = [name for name in names if not any(name in own for own in inside.values())]
    head = [name for name in rest if names.index(name) > first]
    found = [("head", head), *reversed(inside.items()), ("embeddings", [n for n in rest if n not in head])]
    return [(name, own) for name, own in found if own and last >= 0]


def _stack(model: nn.Module) -> str | None:
    """The path of the longest list of modules of one class."""
    best: tuple[int, str | None] = (1, None)
    for name, module in model.named_modules():
        alike = len({type(child) for child in module.children()}) == 1
        if name and isinstance(module, nn.ModuleList | nn.Sequential) and alike and len(module) > best[0]:
            best = len(module), name
    return best[1]


def randomise(model: nn.Module, names: list[str], seed: int) -> None:
    """Draws the named parameters anew, in place; the caller's random state is unchanged."""
    devices = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
    with torch.random.fork_rng(list(devices)), torch.no_grad():
        torch.manual_seed(seed)
        for path, module in model.named_modules():
            own = {
                f"{path}.{name}" if path else name: p for name, p in module.named_parameters(recurse=False)
            }
            if own and set(own) <= set(names) and callable(getattr(module, "reset_parameters", None)):
                module.reset_parameters()
                continue
            for name, parameter in own.items():
                if name in names:
                    _draw(parameter)


def _draw(parameter: Tensor) -> None:
    mean = parameter.float().mean()
    deviation = parameter.float().std(correction=0)
    parameter.copy_(mean + deviation * torch.randn_like(parameter, dtype=torch.float32))


@contextmanager
def restored(model: nn.Module) -> Iterator[Callable[[], None]]:
    """Restores parameters and buffers after the block, bit for bit; yields a function that restores them at once."""
    with exclusive(model):
        kept = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]

        def back() -> None:
            with torch.no_grad():
                for tensor, before in kept:
                    tensor.copy_(before)

        with undone(back):
            yield back
