"""What a model loses without each of its heads, over many inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..analysis._moments import RunningMoments
from ..errors import InputError
from ..models import _classes, _gates, _predictions

if TYPE_CHECKING:
    import pandas as pd

    from ..models._protocols import ModelWithProcessor

Group = tuple[tuple[int, int], ...]
"""Heads `(layer, head)` that are switched off together."""


def head_effects(
    lens: ModelWithProcessor,
    inputs: Iterable[Any],
    targets: Iterable[str | int] | None = None,
    *,
    groups: Iterable[Any] | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """What switching heads off does to predictions: a row per head, or per group of heads, over all inputs.

    Columns `heads` (a tuple of pairs (layer, head); with one head each also `layer` and `head`), `inputs`, and

    - `flips`: the share of predictions that change
    - `divergence`: the mean Kullback-Leibler divergence of the probabilities from those of the whole model, in nats
    - with targets: `accuracy` and `loss` (mean cross entropy in nats) without the heads, and `accuracy_change` and
      `loss_change`, without minus with them, each with the 95% interval of its mean over the inputs (`..._low`,
      `..._high`, Student's t over the inputs' own changes)

    `frame.attrs` holds `accuracy` and `loss` of the whole model. A change whose interval holds 0 is none that these
    inputs show. Two heads that stand in for each other look idle one by one: switch them off in a group.

    inputs: any iterable of inputs that the lens reads; targets: the true class of each, by name or index
    groups: the heads to switch off together, each as for `al.ablate`; by default every head alone
    batch_size: how many inputs run together, by default as many as the device has room for; one forward pass of a batch
        per group
    progress: called with the number of groups that are done, and of all

    Raises InputError for a model without class logits, heads that it does not have, and another number of targets.
    Source: Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than One?", section 3.2.

    >>> head_effects(lens, texts, labels).sort_values("loss_change", ascending=False).head()
    >>> head_effects(lens, texts, labels, groups=[[(5, 9), (5, 4)]])
    """
    import pandas as pd

    if lens.activation == "none":
        raise InputError(
            f"{lens.name} predicts no classes; head_effects() takes a classifier, or a language model"
        )
    prepared = [lens.prepare(one) for one in inputs]
    if not prepared:
        raise InputError(
            "head_effects() received no input; an iterator can be read only once: create a new one"
        )
    answers = _Answers(lens, prepared, batch_size)
    whole = answers.without(None)
    chosen = None if targets is None else _indices(lens, list(targets), whole)
    counts = answers.heads
    if groups is None:
        off = [((layer, head),) for layer, count in enumerate(counts) for head in range(count)]
    else:
        off = [_gates.pairs(group, counts, lens.name) for group in groups]
    if not off:
        raise InputError("groups names no heads; give pairs (layer, head), or omit it for every head alone")
    rows = []
    for number, heads in enumerate(off):
        found = answers.without(_gates.factors(heads, counts, lens.name))
        rows.append(_row(heads, whole, found, chosen, lens.activation))
        if progress is not None:
            progress(number + 1, len(off))
    frame = pd.DataFrame(rows)
    if all(len(heads) == 1 for heads in off):
        frame.insert(0, "layer", [heads[0][0] for heads in off])
        frame.insert(1, "head", [heads[0][1] for heads in off])
    frame.attrs["inputs"] = len(prepared)
    if chosen is not None:
        frame.attrs["accuracy"] = float((whole.argmax(-1) == chosen).double().mean())
        frame.attrs["loss"] = float(_predictions.losses(whole, chosen, lens.activation).mean())
    return frame


class _Answers:
    """The logits of all inputs, without any heads."""

    def __init__(self, lens: ModelWithProcessor, prepared: list[Any], batch_size: int | None):
        self.lens, self.prepared, self.batch_size = lens, prepared, batch_size

    @property
    def heads(self) -> list[int]:
        """The number of heads of each layer."""
        counted = self.lens.reduce(self.prepared[:1], lambda _: lambda attention, _: attention.shape[1])
        _, layers = next(iter(counted))
        return [heads for _, heads in layers]

    def without(self, gates: dict[int, list[float]] | None) -> Tensor:
        """Float64 `[input, class]`."""
        rows: list[Tensor | None] = [None] * len(self.prepared)
        batches = self.lens.reduce(self.prepared, None, logits=True, gates=gates, batch_size=self.batch_size)
        for numbers, _, logits in batches:
            if any(row is None or row.ndim != 1 for row in logits):
                raise InputError(
                    f"{self.lens.name} returns no class logits for these inputs, so that no prediction can change; "
                    "head_effects() takes a classifier, or a language model"
                )
            for number, row in zip(numbers, torch.stack(logits).double().cpu()):
                rows[number] = row
        return torch.stack(rows)


def _indices(lens: ModelWithProcessor, targets: Sequence[str | int], logits: Tensor) -> Tensor:
    """int64 `[input]`: the class of each input."""
    if len(targets) != len(logits):
        raise InputError(f"there are {len(targets)} targets for {len(logits)} inputs; give one of each")
    indices = [lens.target_index(target) for target in targets]
    for index, target in zip(indices, targets):
        _classes.check_index(index, target, logits.shape[1], "target")
    return torch.tensor(indices)


def _row(
    heads: Group, whole: Tensor, without: Tensor, targets: Tensor | None, activation: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"heads": heads, "inputs": len(whole)}
    row["flips"] = float((whole.argmax(-1) != without.argmax(-1)).double().mean())
    row["divergence"] = float(_divergence(whole, without, activation).mean())
    if targets is None:
        return row
    right = [(logits.argmax(-1) == targets).double() for logits in (whole, without)]
    lost = [_predictions.losses(logits, targets, activation) for logits in (whole, without)]
    for name, (before, after) in (("accuracy", right), ("loss", lost)):
        change = RunningMoments(())
        change.add_all((after - before).numpy())
        low, high = change.interval()
        row |= {name: float(after.mean()), f"{name}_change": float(change.mean)}
        row |= {f"{name}_change_low": float(low), f"{name}_change_high": float(high)}
    return row


def _divergence(whole: Tensor, without: Tensor, activation: str) -> Tensor:
    """The divergence of each input, `[input]`; of independent classes the sum over them."""
    if activation == "sigmoid":
        pairs = [torch.nn.functional.logsigmoid(torch.stack([x, -x], -1)) for x in (whole, without)]
        return (pairs[0].exp() * (pairs[0] - pairs[1])).sum((-1, -2))
    before, after = whole.log_softmax(-1), without.log_softmax(-1)
    return (before.exp() * (before - after)).sum(-1)
