"""The record of one input: its tokens or patches, the logits, and the attention of every layer.

A trace is frozen data. It holds no model and no tokenizer, so it can be saved, sent, compared and drawn where neither
is installed. Attention is not a stack of equal tensors: layers may differ in heads, in kind (self, cross) and in
storage, so a trace holds a tuple of layers and is indexed as `[layer, head, query, key]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, SupportsIndex, overload

import torch
from torch import Tensor

from .._checks import as_integer, integer
from .._escaping import cut, encodable
from ..errors import InputError
from ._attention import Attention, destination
from ._axes import Index, positions
from ._pending import PendingLayers
from ._tokens import PatchGrid, Token, check_members
from ._values import Values

KINDS = ("self", "cross", "channel")
LONGEST_NAME = 200
"""Characters of a name that are printed."""

SIDES = ("input", "output", "other")


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's attention with its name.

    name: module path, with `#n` for the n-th call of a module that is called several times (ALBERT)
    kind: "self", "cross", or "channel"
    query_side, key_side: whose tokens index the axes: the "input" (encoder), the "output" (decoder), or "other"
        where positions are not tokens one to one (pooled, latent, channels, window by window)
    values: the values of the attention, where recorded
    normalized: whether each row of weights is a distribution over the keys: none negative, the sum one, or zero for a
        masked row. False for weights that the model changed after the softmax, for those beside a sink, and for
        numbers that are not weights (`norms`). For factors mask and sink determine it.
    """

    name: str
    kind: str
    attention: Attention
    query_side: str = "input"
    key_side: str = "input"
    values: Values | None = None
    normalized: bool = True


@dataclass(frozen=True)
class Prediction:
    """The model's prediction: label, class index and probability (None for a regression, where label is the value).

    top: the likeliest classes, this one first, as `lens.predict` returns them
    """

    label: str
    index: int
    probability: float | None
    top: tuple[Prediction, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        label = encodable(self.label)
        return label if self.probability is None else f"{label} ({self.probability:.2f})"


@dataclass(frozen=True, eq=False)
class Trace:
    """The record of one input. Its contents, for a trace called `trace`:

    | | |
    | --- | --- |
    | `trace[layer]` | Attention `[head, query, key]` |
    | `trace[layer, head]` | Tensor `[query, key]` |
    | `trace[layer, head, query]` | Tensor `[key]` |
    | `trace[2:5]` | Trace of these layers |
    | `trace.select("decoder")` | Trace of the layers whose path starts with it |
    | `trace.renormalize()` | Trace without attention to special tokens |
    | `trace.layers` | the layers with names and kinds |
    | `trace.tokens` | tuple of Token (for an image: the leading tokens, then `row,col`) |
    | `trace.patches` | PatchGrid, None for text |
    | `trace.logits` | Tensor `[class]`, None where the model has no head |
    | `trace.prediction` | label and probability |

    logits: `[class]`; `[token, class]` for token tasks; `[class, token]` of start and end for question answering
    text: the texts of the input, as a tuple: one, or the two of a pair
    labels: class names, () where there are none
    activation: "softmax", "sigmoid" (multi-label) or "none" (regression): from logits to probabilities
    target: the class whose gradients `values` hold; None without a target

    Names of the model and of layers have "?" for half of a surrogate pair, which cannot be written.
    """

    layers: tuple[Layer, ...]
    model: str = ""
    tokens: tuple[Token, ...] = ()
    output_tokens: tuple[Token, ...] = ()
    text: tuple[str, ...] = ()
    patches: PatchGrid | None = None
    logits: Tensor | None = None
    labels: tuple[str, ...] = ()
    activation: str = "softmax"
    target: int | None = None

    def __post_init__(self):
        for name in ("tokens", "output_tokens"):
            check_members(name, getattr(self, name), Token, 'Token("film")')
        for name in ("text", "labels"):
            check_members(name, getattr(self, name), str, '"film"')
        if isinstance(self.model, str):
            vars(self)["model"] = encodable(self.model)
        if self.patches is not None and not self.tokens:
            object.__setattr__(self, "tokens", self.patches.tokens)
        if isinstance(self.layers, PendingLayers):
            vars(self)["_pending"] = vars(self).pop("layers")
        else:
            vars(self)["layers"] = self._checked(self.layers)

    def _checked(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers under names that can be written. Raises InputError unless they fit the tokens."""
        for layer in layers:
            for axis, side, size in _sides(layer):
                tokens = self._tokens_of(side)
                if tokens and len(tokens) != size:
                    raise InputError(
                        f"layer {layer.name!r} has {size} {axis} positions but the trace has {len(tokens)} "
                        f"{side} tokens"
                    )
        names = [encodable(layer.name) for layer in layers]
        if all(name is layer.name for name, layer in zip(names, layers)):
            return layers
        return tuple(replace(layer, name=name) for name, layer in zip(names, layers))

    # -- layers that are computed when they are read ---------------------------------------------------------

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            pending = vars(self).get("_pending") if name == "layers" else None
            if pending is None:
                return self.__getattribute__(name)
            layers = self._checked(pending())
            vars(self)["layers"] = layers
            vars(self).pop("_pending", None)
            return layers

    def __getstate__(self) -> dict[str, object]:
        """For copies and pickles, which hold no other inputs."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    # -- reading --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    @overload
    def __getitem__(self, index: tuple[Index, ...]) -> Tensor: ...
    @overload
    def __getitem__(self, index: SupportsIndex) -> Attention: ...
    def __getitem__(self, index: SupportsIndex | slice | tuple[Index, ...]) -> Attention | Tensor | Trace:
        layer, *rest = index if isinstance(index, tuple) and index else (index,)
        if isinstance(index, slice):
            try:
                return replace(self, layers=self.layers[index])
            except TypeError:
                raise self._no_index(index) from None
        if as_integer(layer) is None:
            raise self._no_index(index)
        attention = self._layer(layer).attention
        return attention[tuple(rest)] if rest else attention

    def _layer(self, number: SupportsIndex) -> Layer:
        at = integer("layer", number)
        if not -len(self.layers) <= at < len(self.layers):
            raise IndexError(f"layer {at} is out of range: the trace has {len(self.layers)} layers")
        return self.layers[at]

    @staticmethod
    def _no_index(index: object) -> InputError:
        return InputError(
            f"a trace has no [{_written(index)}]; name one layer by number: trace[layer], "
            "trace[layer, head]; several by a slice: trace[a:b]; trace[layer][:] is all weights of a layer"
        )

    def select(self, prefix: str = "", kind: str | None = None) -> Trace:
        """The trace of the layers whose path starts with `prefix` and that are of one kind, if given.

        prefix: whole parts of a path: "layer.1" is layer.1 and its children, not layer.10; "" is every layer.

        Raises InputError where there is none, and lists the layers.
        """
        chosen = tuple(x for x in self.layers if _inside(x.name, prefix) and kind in (None, x.kind))
        if not chosen:
            names = ", ".join(f"{layer.name} ({layer.kind})" for layer in self.layers)
            raise InputError(
                f"no layer starts with {prefix!r} and has kind {kind!r}; the layers are: {names}"
            )
        return replace(self, layers=chosen)

    def axis_tokens(self, layer: int) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        """(query tokens, key tokens) of one layer; numbered placeholders where the trace has none."""
        both = []
        for _, side, size in _sides(self._layer(layer)):
            both.append(self._tokens_of(side) or tuple(Token(str(i)) for i in range(size)))
        return both[0], both[1]

    def _tokens_of(self, side: str) -> tuple[Token, ...]:
        return {"input": self.tokens, "output": self.output_tokens}.get(side, ())

    def renormalize(self, drop: str | Sequence[int | str] = "special") -> Trace:
        """The trace without attention to some tokens: their columns are 0, and each row sums to one again.

        drop: "special" for all special tokens ([CLS], [SEP], BOS, a ViT's class and register tokens), or a list
            of positions and token texts, e.g. `[0]` for the sink at the first token of GPT-2, `["[SEP]", "."]`.
            [] only makes rows sum to one: without a model's sink logit, or after `norms`.

        Every axis keeps its length, so that every function of a trace takes the result; a row without weight on any
        other token becomes a masked row. Gradients are dropped: they belong to the model's own attention.

        Raises InputError for a token that is in no layer, and where no key would remain in any layer.
        """
        if hasattr(drop, "tolist"):
            drop = drop.tolist()
        if not isinstance(drop, list | tuple | set | range) and drop != "special":
            raise InputError(f"drop must be 'special' or a list of positions and token texts, not {drop!r}")
        if not isinstance(drop, str):
            drop = [part if isinstance(part, str) else integer("a position in drop", part) for part in drop]
        layers, unused = [], set() if isinstance(drop, str) else set(drop)
        left = 0
        for layer in self.layers:
            tokens = self._tokens_of(layer.key_side)
            keys = self._dropped(drop, tokens, layer.attention.keys, unused)
            left += layer.attention.keys - len(keys)
            values = layer.values and replace(layer.values, gradient=None)
            layers.append(replace(layer, attention=layer.attention.without(keys), values=values))
        if unused:
            raise InputError(f"no token {min(map(str, unused))!r} to drop; trace.tokens lists the tokens")
        if self.layers and not left:
            raise InputError("drop removes every key of every layer; keep at least one token")
        return replace(self, layers=tuple(layers), target=None)

    @staticmethod
    def _dropped(
        drop: str | Sequence[int | str], tokens: tuple[Token, ...], size: int, unused: set
    ) -> Tensor:
        """The keys of a layer to drop; entries that occur are removed from `unused`."""
        if drop == "special":
            keys = [i for i, token in enumerate(tokens) if token.special]
        else:
            texts = {part for part in drop if isinstance(part, str)}
            keys = [i for i, token in enumerate(tokens) if token.text in texts or token.text.strip() in texts]
            unused -= {text for i in keys for text in (tokens[i].text, tokens[i].text.strip())}
            within = [part for part in drop if not isinstance(part, str) and -size <= part < size]
            keys += positions(within, size, "key").tolist()
            unused -= set(within)
        return torch.tensor(sorted(set(keys)), dtype=torch.long)

    @property
    def probabilities(self) -> Tensor | None:
        """`[class]`, or None where the model has no class scores."""
        if self.logits is None or self.logits.ndim != 1:
            return None
        if self.activation == "softmax":
            return self.logits.float().softmax(-1)
        return self.logits.float().sigmoid() if self.activation == "sigmoid" else None

    @property
    def prediction(self) -> Prediction | None:
        """The likeliest class; for a regression the value itself; None where the model has no class scores."""
        if self.logits is None or self.logits.ndim != 1:
            return None
        if self.activation == "none":
            return Prediction(f"{self.logits.float()[0]:.4g}", 0, None)
        index = int(self.logits.argmax())
        return Prediction(self.label(index), index, float(self.probabilities[index]))

    def label(self, index: int) -> str:
        """The name of a class; `class 3` where the model has no names."""
        index = integer("index", index)
        return encodable(self.labels[index]) if index < len(self.labels) else f"class {index}"

    @property
    def passages(self) -> tuple[str, ...]:
        """For each text the part that the tokens cover: all of it, or a window."""
        passages = []
        for segment, text in enumerate(self.text):
            places = [t for t in self.tokens if t.segment == segment and t.end]
            passages.append(
                text[min(t.start for t in places) : max(t.end for t in places)] if places else text
            )
        return tuple(passages)

    @property
    def reader(self) -> int:
        """The position from which a classifier of this kind computes its logits: the class token, which comes first
        and attends to the whole input; else the last token, as in a decoder, whose first token attends only to itself.
        """
        first = next((layer.attention for layer in self.layers if layer.kind == "self"), None)
        if self.tokens and not self.tokens[0].special and self.patches is None:
            return len(self.tokens) - 1
        if first is None or first.queries < 2:
            return 0
        return 0 if bool((first[:, 0, 1:] > 0).any()) else first.queries - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the trace's attention and values."""
        return sum(one.attention.nbytes + (one.values.nbytes if one.values else 0) for one in self.layers)

    def to(self, target: torch.device | str | torch.dtype) -> Trace:
        """The same trace on another device, or its attention stored in another dtype.

        Raises InputError for a device that torch does not know or have, and for a dtype of integers.
        """
        target = destination(target)
        layers = tuple(
            replace(one, attention=one.attention.to(target), values=one.values and one.values.to(target))
            for one in self.layers
        )
        moved = self.logits is not None and not isinstance(target, torch.dtype)
        return replace(self, layers=layers, logits=self.logits.to(target) if moved else self.logits)

    # -- files ----------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Writes one .safetensors file (no pickle), which `Trace.load` reads; the format is described in
        `attnlens/io/_trace_file.py`."""
        from ..io import _trace_file

        return _trace_file.save(self, path)

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Reads a file written by `save`. Raises FileError, with the reason, for any other file."""
        from ..io import _trace_file

        return _trace_file.load(path)

    def to_json(self) -> str:
        """The tokens and all weights as plain JSON: `{"tokens": [...], "attentions": [layer][head][query][key]}`.

        Weights have six significant digits. For other programs; `save` stores everything in a smaller file.

        Raises InputError where layers lie between different tokens (choose some by `select`), and for rows that do not
        sum to one (see `renormalize`).

        >>> Path("trace.json").write_text(trace.to_json())
        """
        from ..io import _trace_json

        return _trace_json.to_json(self)

    @staticmethod
    def from_json(text: str | bytes | dict) -> Trace:
        """The trace of such JSON, as text or already parsed; `attentions` may also be the `[query][key]` of one head.

        Raises InputError, with the place, for lists that differ in length from the tokens, for anything but a weight
        from 0 to 1 (also NaN), and for rows that do not sum to one; rows of zeros are masked.

        >>> al.Trace.from_json('{"tokens": ["a", "b"], "attentions": [[1, 0], [0.5, 0.5]]}')
        """
        from ..io import _trace_json

        return _trace_json.from_json(text)

    # -- showing --------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        what = f"{len(self.tokens)} tokens"
        if self.patches is not None:
            what = f"{self.patches.rows} x {self.patches.cols} patches"
        elif not self.tokens and self.layers:
            what = f"{self.layers[0].attention.queries} tokens"
        heads = sorted({layer.attention.heads for layer in self.layers})
        heads_text = _count(heads[-1], "head") if heads else "0 heads"
        if len(heads) > 1:
            heads_text = f"{heads[0]}-{heads_text}"
        name = cut(self.model, LONGEST_NAME) or "a model"
        lines = [f"Trace of {name}: {what}, {_count(len(self.layers), 'layer')} x {heads_text}"]
        if self.prediction is not None:
            lines[0] += f", prediction {cut(str(self.prediction), LONGEST_NAME)}"
        if self.layers:
            shape = list(self.layers[-1].attention.shape)
            lines += [
                f"  trace[layer]        Attention [head, query, key], here {shape} in the last layer",
                "  trace[layer, head]  Tensor [query, key]",
                "  trace.tokens, trace.logits, trace.layers; trace.save(path)",
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tokens, the prediction, and every head as a thumbnail: rows are layers."""
        from ._thumbnails import summary

        return summary(self)


def no_patches(trace: Trace, what: str, text: str) -> InputError:
    """The error of `what` for a trace without patches; text: the alternative for the trace of a text."""
    if trace.tokens:
        return InputError(f"{what} needs the trace of an image; for a text use {text}")
    return InputError(
        f"{what} needs the trace of an image, and this one of {trace.model or 'a model'} has no grid of patches; give "
        "its rows and columns: al.Lens(model, patches=(rows, cols)).trace(image)"
    )


def _sides(layer: Layer) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    attention = layer.attention
    return ("query", layer.query_side, attention.queries), ("key", layer.key_side, attention.keys)


def _inside(name: str, prefix: str) -> bool:
    """Whether a path is the prefix, below it, or one of its calls."""
    return not prefix or name == prefix or name.startswith((f"{prefix}.", f"{prefix}#"))


def _written(index: object) -> str:
    """An index as it was written between the brackets."""
    forms = (str, int, float, list, tuple, type(None), type(Ellipsis))
    text = short(index) if isinstance(index, forms) else type(index).__name__
    return "..." if index is Ellipsis else text


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
