"""Several attributions of one input, to compare methods, baselines or targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .._checks import listed
from .._escaping import encodable, shown
from ..errors import InputError, unknown_name
from . import _registry
from ._result import Attribution, ImageAttribution, TextAttribution, as_json, method_title
from ._target import Target
from .text._baselines import BASELINES
from .text._forward import predicts_once

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..models._protocols import ModelWithProcessor

IMAGE_BASELINES = ("black", "white", "random", "blur")

MethodChoice = str | tuple[str, Mapping[str, Any]]
"""The name of a method, or a name with its options."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Several named attributions of one input.

    names: in the order of `attributions`; `explanation[name]` and `explanation[0]` return one attribution
    """

    names: tuple[str, ...]
    attributions: tuple[Attribution, ...]

    def __len__(self) -> int:
        return len(self.attributions)

    def __iter__(self) -> Iterator[Attribution]:
        return iter(self.attributions)

    def __getitem__(self, name: str | int) -> Attribution:
        if isinstance(name, str):
            if name not in self.names:
                raise unknown_name("attribution", name, self.names)
            return self.attributions[self.names.index(name)]
        return self.attributions[name]

    @property
    def prediction(self) -> Any:
        """The model's prediction."""
        return self.attributions[0].prediction

    @property
    def scores(self) -> pd.DataFrame:
        """One row per token and one column per attribution; for an image one row per pixel, in row-major order."""
        import pandas as pd

        columns = {name: item.scores.flatten().tolist() for name, item in zip(self.names, self)}
        first = self.attributions[0]
        index = (
            [encodable(token.text) for token in first.tokens] if isinstance(first, TextAttribution) else None
        )
        return pd.DataFrame(columns, index=index)

    @property
    def table(self) -> pd.DataFrame:
        """One row per attribution: method, baseline, target, value, change, gap, estimated error, steps, converged."""
        import pandas as pd

        columns = (
            "method",
            "baseline",
            "target",
            "value",
            "change",
            "gap",
            "estimated_error",
            "steps",
            "converged",
        )
        rows = [{name: getattr(one, name) for name in columns} | {"target": str(one.target)} for one in self]
        return pd.DataFrame(rows, index=list(self.names))

    @property
    def agreement(self) -> pd.DataFrame:
        """Rank correlation and overlap of the strongest parts, for every pair of attributions."""
        from ..evaluation._agreement import agreement

        table = agreement(self.attributions)
        table["first"], table["second"] = zip(*combinations(self.names, 2))
        return table

    def plot(self, **options: Any) -> Figure:
        """Draws the attributions side by side with `plots.attributions`, each with its method and its error."""
        from .. import plots

        titles = [
            name.replace(one.method.replace("_", " "), method_title(one.method), 1)
            for name, one in zip(self.names, self.attributions)
        ]
        return plots.attributions(list(self.attributions), **{"titles": titles, **options})

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: `Attribution.to_dict` of each attribution under its name."""
        return {name: one.to_dict() for name, one in zip(self.names, self)}

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON text, with null for numbers that are not finite; options are those of `json.dumps`."""
        return as_json(self.to_dict(), **options)

    def __repr__(self) -> str:
        lines = [f"Explanation of {self.prediction}, {len(self)} attributions"]
        lines += [f"  {name}: {one.target}, {one.verdict}" for name, one in zip(self.names, self)]
        return "\n".join([*lines, "  explanation.plot(), explanation.table, explanation.agreement"])

    def _repr_html_(self) -> str:
        if isinstance(self.attributions[0], ImageAttribution):
            return f"{_picture(self)}{self.table.to_html(float_format='{:.3g}'.format)}"
        parts = (f"<h4>{shown(name, 200)}</h4>{one._repr_html_()}" for name, one in zip(self.names, self))
        return "".join(parts)


def compare_methods(
    lens: ModelWithProcessor,
    input: Any,
    methods: Iterable[MethodChoice] | None = None,
    target: str | int | None = None,
    **options: Any,
) -> Explanation:
    """Explains one class of one input by several methods.

    methods: names, or pairs of a name and its options: `("smoothgrad", {"n_samples": 50})`; a method may occur several
        times. By default a few methods of different kinds: gradients, perturbations and attention.
    target: class name or index, the same for all methods; the predicted class by default.
    options: options such as baseline or unit, passed to every method that takes them.

    Raises InputError as `lens.attribute` does.

    >>> al.attribution.compare_methods(lens, "not a bad film", ["integrated_gradients", "leave_one_out"]).agreement
    """
    _check_single(input)
    if isinstance(methods, str) or not isinstance(methods, Iterable | None):
        raise InputError(f"methods must be a list of methods; for a single one: method={methods!r}")
    chosen = [_method(one) for one in (_default(lens, options) if methods is None else methods)]
    if not chosen:
        raise InputError("methods=[] names no method; omit it for the default methods")
    target, names = _target(lens, input, target, options), [name for name, _ in chosen]
    attributions = [
        lens.attribute(
            input, _asked(lens, name, target), method=name, **{**_for(lens, name, options, names), **more}
        )
        for name, more in chosen
    ]
    return Explanation(tuple(_distinct(chosen)), tuple(attributions))


def compare_baselines(
    lens: ModelWithProcessor,
    input: Any,
    baselines: Sequence[Any] | None = None,
    target: str | int | None = None,
    **options: Any,
) -> Explanation:
    """Explains one class of one input from several baselines, to see how far the scores depend on the baseline.

    baselines: any baselines of `lens.attribute`; by default pad, mask (if the tokenizer has a mask token), zero and
        mean for a text; black, white, random and blur for an image.
    options: as for `lens.attribute`; the default method is integrated gradients.

    >>> al.attribution.compare_baselines(lens, "not a bad film").agreement
    """
    _check_single(input)
    if baselines is None:
        has_mask = getattr(getattr(lens, "tokenizer", None), "mask_token_id", None) is not None
        texts = [name for name in BASELINES if has_mask or name != "mask"]
        baselines = texts if _kind(lens) == "text" else IMAGE_BASELINES
    if isinstance(baselines, str) or not isinstance(baselines, Sequence) or not baselines:
        raise InputError(
            "baselines must be a list of baselines; for a single one: lens.attribute(input, baseline=...)"
        )
    target = _target(lens, input, target, options)
    attributions = [lens.attribute(input, target, baseline=baseline, **options) for baseline in baselines]
    names = [attribution.baseline or attribution.method for attribution in attributions]
    return Explanation(tuple(_numbered(names)), tuple(attributions))


def _default(lens: ModelWithProcessor, options: dict[str, Any]) -> Sequence[str]:
    """The default methods; those that read attention only where it leads to the one prediction that is explained."""
    kind = _kind(lens)
    followed = kind == "image" or predicts_once(lens, options.get("position"))
    usual = (method for method in _registry.methods(kind).values() if method.by_default)
    return [method.name for method in usual if followed or not method.reads_attention]


def _kind(lens: ModelWithProcessor) -> str:
    return "text" if hasattr(lens, "tokenizer") else "image"


def _asked(lens: ModelWithProcessor, method: str, target: Any) -> Any:
    """The target in the form that the method takes: methods that read attention explain the logit of one class."""
    known = _registry.methods(_kind(lens)).get(method)
    if not isinstance(target, Target) or known is None or not known.reads_attention:
        return target
    return replace(target, against=None, against_index=None, unit="logit")


def _check_single(input: Any) -> None:
    if listed(input) is not None:
        raise InputError(
            "an explanation is of one input, not a list; explain them one by one: [lens.explain(x) for x in inputs]"
        )


def _method(choice: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(choice, str):
        return choice, {}
    pair = choice if isinstance(choice, tuple | list) else ()
    if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], Mapping):
        raise InputError(f"a method is a name or a pair (name, options), not {choice!r}")
    return pair[0], dict(pair[1])


def _target(lens: ModelWithProcessor, input: Any, target: Any, options: dict[str, Any]) -> Any:
    """The class of all attributions: the given one, or the predicted class, found by the cheapest method."""
    if isinstance(target, list | tuple):
        raise InputError(
            "an explanation is of one target, not a list; explain each: [lens.explain(x, target=t) for t in targets]"
        )
    if target is not None:
        return target
    asked = {name: options[name] for name in ("position", "output", "window", "overlap") if name in options}
    predicted = lens.attribute(input, method="gradient", **asked).target
    return predicted.index if predicted.side is None else predicted.side


def _for(
    lens: ModelWithProcessor, method: str, options: dict[str, Any], methods: Sequence[str]
) -> dict[str, Any]:
    """The common options without those that a method that reads attention does not take; for an image also without
    those that only other methods take, such as a baseline."""
    kind = _kind(lens)
    chosen = _registry.named(kind, method)
    left = {"unit", "against"} if chosen.reads_attention else set()
    if kind == "image":
        left |= {option for name in methods for option in _registry.named(kind, name).options} - {
            *chosen.options
        }
    return {name: value for name, value in options.items() if name not in left}


def _distinct(chosen: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Method names in words, with the options where a method occurs twice."""
    names = [name for name, _ in chosen]
    titles = []
    for name, more in chosen:
        words = name.replace("_", " ")
        options = ", ".join(f"{key}={value}" for key, value in more.items())
        titles.append(f"{words} ({options})" if names.count(name) > 1 and options else words)
    return _numbered(titles)


def _numbered(names: list[str]) -> list[str]:
    """Names made distinct: the second occurrence of a name gets the suffix 2."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return distinct


def _picture(explanation: Explanation) -> str:
    """The figure as an `<img>` element with embedded data."""
    import base64
    import io

    import matplotlib.pyplot as plt

    figure, file = explanation.plot(), io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    coded = base64.b64encode(file.getvalue()).decode()
    return f"<img alt='{shown(', '.join(explanation.names))}' src='data:image/png;base64,{coded}'>"
