"""One input explained in several ways beside each other: methods, baselines or targets."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .._checks import listed
from ..errors import InputError, unknown_name
from . import _registry
from ._result import Attribution, ImageAttribution, TextAttribution, as_json
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
    """Several attributions of one input, each under its name.

    names: in the order of `attributions`; `explanation[name]` and `explanation[0]` give one of them
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
        """What the model answered."""
        return self.attributions[0].prediction

    @property
    def scores(self) -> pd.DataFrame:
        """A row per token and a column per attribution; of an image a row per pixel, row by row."""
        import pandas as pd

        columns = {name: one.scores.flatten().tolist() for name, one in zip(self.names, self)}
        first = self.attributions[0]
        index = [token.text for token in first.tokens] if isinstance(first, TextAttribution) else None
        return pd.DataFrame(columns, index=index)

    @property
    def table(self) -> pd.DataFrame:
        """A row per attribution: method, baseline, target, value, change, gap, estimated error, steps, converged."""
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
        """How much they agree: rank correlation and overlap of the strongest parts, for every two."""
        from ..evaluation._agreement import agreement

        found = agreement(self.attributions)
        found["first"], found["second"] = zip(*combinations(self.names, 2))
        return found

    def plot(self, **options: Any) -> Figure:
        """`plots.attributions` of them: side by side, each with its method and its error."""
        from .. import plots

        return plots.attributions(list(self.attributions), **{"titles": list(self.names), **options})

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers: each attribution's own under its name."""
        return {name: one.to_dict() for name, one in zip(self.names, self)}

    def to_json(self, **options: Any) -> str:
        """`to_dict` as JSON text, null where a number is not finite; options are those of `json.dumps`."""
        return as_json(self.to_dict(), **options)

    def __repr__(self) -> str:
        lines = [f"Explanation of {self.prediction}, {len(self)} attributions"]
        lines += [f"  {name}: {one.target}, {one.verdict}" for name, one in zip(self.names, self)]
        return "\n".join([*lines, "  explanation.plot(), explanation.table, explanation.agreement"])

    def _repr_html_(self) -> str:
        if isinstance(self.attributions[0], ImageAttribution):
            return f"{_picture(self)}{self.table.to_html(float_format='{:.3g}'.format)}"
        parts = (f"<h4>{html.escape(name)}</h4>{one._repr_html_()}" for name, one in zip(self.names, self))
        return "".join(parts)


def compare_methods(
    lens: ModelWithProcessor,
    input: Any,
    methods: Iterable[MethodChoice] | None = None,
    target: str | int | None = None,
    **options: Any,
) -> Explanation:
    """One input explained by several methods, for one class.

    methods: names, or pairs of a name and its options: `("smoothgrad", {"n_samples": 50})`; the same method may
        stand there several times. By default those that differ most in what they look at.
    target: class name or index; the predicted class by default, the same for all methods.
    options: for all methods that take them, such as baseline or unit.

    Raises InputError as `lens.attribute` does.

    >>> al.attribution.compare_methods(lens, "not a bad film", ["integrated_gradients", "leave_one_out"]).agreement
    """
    _check_single(input)
    if isinstance(methods, str) or not isinstance(methods, Iterable | None):
        raise InputError(f"methods must be a list of methods; for a single one: method={methods!r}")
    chosen = [_method(one) for one in (_default(lens, options) if methods is None else methods)]
    if not chosen:
        raise InputError("methods=[] names no method; omit it for the usual ones")
    target, names = _target(lens, input, target, options), [name for name, _ in chosen]
    taken = [
        lens.attribute(
            input, _asked(lens, name, target), method=name, **{**_for(lens, name, options, names), **own}
        )
        for name, own in chosen
    ]
    return Explanation(tuple(_distinct(chosen)), tuple(taken))


def compare_baselines(
    lens: ModelWithProcessor,
    input: Any,
    baselines: Sequence[Any] | None = None,
    target: str | int | None = None,
    **options: Any,
) -> Explanation:
    """One input explained from several baselines, for one class: how much does what is found depend on them?

    baselines: any that `lens.attribute` takes; by default pad, mask (where there is one), zero and mean for a text,
        black, white, random and blur for an image.
    options: as for `lens.attribute`; its method is integrated gradients unless told otherwise.

    >>> al.attribution.compare_baselines(lens, "not a bad film").agreement
    """
    _check_single(input)
    if baselines is None:
        known = getattr(getattr(lens, "tokenizer", None), "mask_token_id", None) is not None
        texts = [name for name in BASELINES if known or name != "mask"]
        baselines = texts if hasattr(lens, "tokenizer") else IMAGE_BASELINES
    if isinstance(baselines, str) or not isinstance(baselines, Sequence) or not baselines:
        raise InputError(
            "baselines must be a list of baselines; for a single one: lens.attribute(input, baseline=...)"
        )
    target = _target(lens, input, target, options)
    taken = [lens.attribute(input, target, baseline=one, **options) for one in baselines]
    names = [one.baseline or one.method for one in taken]
    return Explanation(tuple(_numbered(names)), tuple(taken))


def _default(lens: ModelWithProcessor, options: dict[str, Any]) -> Sequence[str]:
    """The methods that stand for the others; those of attention only where it can be followed to what is explained."""
    kind = _kind(lens)
    followed = kind == "image" or predicts_once(lens, options.get("position"))
    usual = (method for method in _registry.methods(kind).values() if method.by_default)
    return [method.name for method in usual if followed or not method.reads_attention]


def _kind(lens: ModelWithProcessor) -> str:
    return "text" if hasattr(lens, "tokenizer") else "image"


def _asked(lens: ModelWithProcessor, method: str, target: Any) -> Any:
    """The target as a method can be asked for it: those of attention know one class and its logit."""
    known = _registry.methods(_kind(lens)).get(method)
    if not isinstance(target, Target) or known is None or not known.reads_attention:
        return target
    return replace(target, against=None, against_index=None, unit="logit")


def _check_single(input: Any) -> None:
    if listed(input) is not None:
        raise InputError(
            "an explanation is of one input; explain them one by one: [lens.explain(x) for x in inputs]"
        )


def _method(choice: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(choice, str):
        return choice, {}
    pair = choice if isinstance(choice, tuple | list) else ()
    if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], Mapping):
        raise InputError(f"a method is a name or a pair (name, options), not {choice!r}")
    return pair[0], dict(pair[1])


def _target(lens: ModelWithProcessor, input: Any, target: Any, options: dict[str, Any]) -> Any:
    """The class of all attributions: the model's own, asked once by the cheapest method, unless one is named."""
    if isinstance(target, list | tuple):
        raise InputError(
            "an explanation is of one target; explain each: [lens.explain(x, target=t) for t in targets]"
        )
    if target is not None:
        return target
    asked = {name: options[name] for name in ("position", "output", "window", "overlap") if name in options}
    predicted = lens.attribute(input, method="gradient", **asked).target
    return predicted.index if predicted.side is None else predicted.side


def _for(
    lens: ModelWithProcessor, method: str, options: dict[str, Any], methods: Sequence[str]
) -> dict[str, Any]:
    """The common options, less what a method that reads attention cannot take; of an image also less what is an option
    of others of the methods only, as a baseline is."""
    kind = _kind(lens)
    chosen = _registry.named(kind, method)
    left = {"unit", "against"} if chosen.reads_attention else set()
    if kind == "image":
        left |= {option for name in methods for option in _registry.named(kind, name).options} - {
            *chosen.options
        }
    return {name: value for name, value in options.items() if name not in left}


def _distinct(chosen: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Method names in words, with the options where a method stands there twice."""
    names = [name for name, _ in chosen]
    found = []
    for name, own in chosen:
        words = name.replace("_", " ")
        options = ", ".join(f"{key}={value}" for key, value in own.items())
        found.append(f"{words} ({options})" if names.count(name) > 1 and options else words)
    return _numbered(found)


def _numbered(names: list[str]) -> list[str]:
    """Names that are all different: the second of the same name is called 2."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return found


def _picture(explanation: Explanation) -> str:
    """The figure as an image inside HTML."""
    import base64
    import io

    import matplotlib.pyplot as plt

    figure, file = explanation.plot(), io.BytesIO()
    figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    coded = base64.b64encode(file.getvalue()).decode()
    return f"<img alt='{html.escape(', '.join(explanation.names))}' src='data:image/png;base64,{coded}'>"
