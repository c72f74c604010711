"""Ablation: the model without some of its heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .._checks import listed
from ..analysis._compare import Comparison, compare
from ..data._trace import Trace
from ..errors import InputError
from ..models import _gates

if TYPE_CHECKING:
    import pandas as pd

    from ..models._protocols import ModelWithProcessor

MOST_CLASSES = 20
"""Of more classes (a language model's vocabulary) the table holds those that changed most."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """One input with and without some heads.

    before, after: the traces of both runs; removed: the heads `(layer, head)` that were off
    """

    before: Trace
    after: Trace
    removed: tuple[tuple[int, int], ...]

    @property
    def change(self) -> Tensor:
        """The change of the logits, after minus before, `[class]`."""
        return self.after.logits - self.before.logits

    @property
    def logits(self) -> pd.DataFrame:
        """Label, logit and probability before and after, per class; most changed first, of very many the first 20."""
        import pandas as pd

        order = self.change.abs().argsort(descending=True, stable=True)[:MOST_CLASSES].tolist()
        columns: dict[str, list] = {"label": [self.before.label(i) for i in order]}
        for name, trace in (("before", self.before), ("after", self.after)):
            columns[name] = trace.logits[order].tolist()
        columns["change"] = self.change[order].tolist()
        if self.before.probabilities is not None:
            columns["probability_before"] = self.before.probabilities[order].tolist()
            columns["probability_after"] = self.after.probabilities[order].tolist()
        return pd.DataFrame(columns, index=order)

    @cached_property
    def comparison(self) -> Comparison:
        """Every head before beside the same head after: `.heads`, `.most()`, `.difference(layer, head)`.

        Heads below the first removed one cannot change; a removed head keeps its own attention in its layer.
        """
        return compare(self.before, self.after)

    def __repr__(self) -> str:
        heads = ", ".join(f"{layer}.{head}" for layer, head in self.removed[:6])
        more = f" and {len(self.removed) - 6} more" if len(self.removed) > 6 else ""
        was, now = self.before.prediction, self.after.prediction
        said = "" if was is None else f": {was} -> {now}"
        return (
            f"Ablation of {len(self.removed)} head{'s' * (len(self.removed) != 1)} ({heads}{more}){said}\n"
            "  ablation.change, ablation.logits, ablation.comparison; ablation.before, ablation.after"
        )


def ablate(
    lens: ModelWithProcessor,
    input: Any,
    heads: Iterable[tuple[int, int]] | Mapping[int, Iterable[int]] | tuple[int, int],
    **options: Any,
) -> Ablation:
    """Runs the model with and without some heads, and compares the two runs.

    The output of a removed head is zero where it enters the output projection; everything above
    depends on it. The model itself is not changed.

    heads: pairs (layer, head), one pair, or {layer: heads}; negative numbers count from the end. Pairs are a form of
        gates= in `lens.trace`, too.
    options: as for `lens.trace`.

    Raises InputError for heads that the model does not have, a list of inputs, or a model without logits.
    Source: Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than One?", section 2.3, as one
    head mask of zeros.

    >>> al.ablate(lens, "not a bad film", [(5, 9), (5, 4)]).logits
    """
    if not hasattr(lens, "trace"):
        raise InputError(
            f"ablate() needs a lens, not {type(lens).__name__}: al.load(name), al.Lens(model, ...)"
        )
    if listed(input) is not None or options.get("window") is not None:
        raise InputError(
            "ablate() takes one input, or one window, at a time: [ablate(lens, one, heads) for one in inputs]"
        )
    if "gates" in options:
        raise InputError(
            "ablate() sets the gates itself; name the heads, or use lens.trace(input, gates=...)"
        )
    before = lens.trace(input, **options)
    if not isinstance(before, Trace) or before.logits is None or before.logits.ndim != 1:
        raise InputError(
            f"{lens.name} returns no class logits for this input: it predicts for each token, or there is no mask in "
            "the text to answer at, or it has no head (…ForSequenceClassification, …ForImageClassification, …)"
        )
    counts = [layer.attention.heads for layer in before.layers]
    removed = _gates.pairs(heads, counts, before.model)
    off = _gates.factors(removed, counts, before.model)
    return Ablation(before, lens.trace(input, gates=off, **options), removed)
