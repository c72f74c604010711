"""A trace as one .safetensors file: no pickle, no code, readable by any safetensors reader.

| metadata in the header | |
| --- | --- |
| `format`, `version` | `attnlens.trace`, `2` |
| `sha256` | `files.checksum` of `trace` and of all tensors; files of version `1` have none |
| `trace` | JSON: everything but tensors, as `_FIELDS` below; tokens and layers omit default values |

| tensor | shape | dtype |
| --- | --- | --- |
| `layer.0.weights` | `[head, query, key]` | float (of 16, 32 or 64 bits) |
| `layer.0.query`, `layer.0.key` | `[head, query, d_head]`, `[key_head, key, d_head]` | float |
| `layer.0.lse` | `[head, query]` | float32; float64 where the query is; must fit query and key |
| `layer.0.mask` | `[head or 1, query or 1, key or 1]` | bool (a `Band` is in the JSON instead) |
| `layer.0.bias` | `[head or 1, query or 1, key or 1]` | float |
| `layer.0.sink` | `[head]` | float |
| `layer.0.window.3.query` | one window of `Windows`, stored as a layer | |
| `layer.0.value` | `[key_head, key, d_head]`, where the layer has values (see `Values`) | float |
| `layer.0.output`, `.residual`, `.scale`, `.spread`, `.gradient` | as in `Values`, where recorded | float |
| `logits` | `[class]`, `[token, class]` or `[class, token]` | float |
| `image` | `[height, width, 3]` | uint8 |

A file that differs from what was saved is refused: every byte is covered by the checksum, by the format itself, or by
what a reader of safetensors checks. The JSON lists the tensors of each layer, so that a missing one is noticed.
Everything is checked before it is used: reading takes memory in proportion to the file, whatever the file claims.
`save` reads back in memory what it is about to write, so it refuses whatever `load` would refuse.

Damage of a file of version 1 is noticed only where no trace could have such contents; `load` gives a FileWarning.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..data._attention import Attention, Band, Factors, Weights, Windows
from ..data._trace import KINDS, SIDES, Layer, PatchGrid, Token, Trace, Values
from ..data._validation import check_trace
from ..errors import FileError, FileWarning, InputError
from . import _safetensors

FORMAT = "attnlens.trace"
VERSION = "2"

_METADATA = {"1": {"format", "version", "trace"}, "2": {"format", "version", "sha256", "trace"}}
"""The entries of the header's metadata, by version."""

MOST_AXES = 3
"""Maximum number of axes of a tensor of a trace."""

_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def save(trace: Trace, path: str | Path) -> Path:
    """Writes the trace and returns the path, with `.safetensors` added where it has no suffix.

    An existing file is replaced when the new one is complete and on the disk; it keeps its mode, and for a link the
    file that it points to is replaced. The same trace gives the same bytes. The log-sum-exp of factors is saved too, so
    that a loaded trace does not compute it again.

    Raises FileError where the path cannot be written to, InputError for a trace that a file cannot hold, and for
    impossible attention: NaN, negative weights, rows that do not sum to one (see `Layer.normalized`).
    """
    path = _safetensors.suffixed(_safetensors.named(path))
    try:
        tensors: dict[str, Tensor] = {}
        described = _describe(trace, tensors)
        text = json.dumps(described, default=_number, separators=(",", ":"))
        specs = {name: (_safetensors.code(tensor), list(tensor.shape)) for name, tensor in tensors.items()}
        check_trace(_trace(json.loads(text), _StoredTensors(specs, tensors.__getitem__)))
        if _HALVES.search(json.dumps(described, default=_number, ensure_ascii=False)):
            raise InputError(
                "a text in it has a character as two surrogates, which JSON would join into one; clean it with "
                "text.encode(errors='replace').decode()"
            )
        header = _header(text, tensors)
    except InputError as error:
        raise InputError(f"this trace cannot be saved: {error}") from None
    _safetensors.write(path, header, tensors)
    return path


def _header(text: str, tensors: dict[str, Tensor]) -> bytes:
    """The header with its checksum. The padding that aligns the tensors is in the JSON, covered by the checksum."""
    metadata = {"format": FORMAT, "version": VERSION, "sha256": "0" * 64, "trace": text}
    text += " " * _safetensors.padding(_safetensors.header(metadata, tensors))
    return _safetensors.header(
        metadata | {"sha256": _safetensors.checksum(text, tensors), "trace": text}, tensors
    )


def load(path: str | Path) -> Trace:
    """Reads a file written by `save` into main memory.

    Raises FileError, which names the file and the reason, for any other file, also for one in which a single bit
    has changed. A file of version 1 has no checksum; it gives a FileWarning.
    """
    path = _safetensors.existing(_safetensors.named(path))
    try:
        with safe_open(path, framework="pt") as file:
            version, metadata = _metadata(file.metadata() or {})
            slices = {name: file.get_slice(name) for name in file.keys()}
            specs = {name: (part.get_dtype(), part.get_shape()) for name, part in slices.items()}
            _check_specs(specs)
            mapped = {name: file.get_tensor(name) for name in specs}
            if version != "1" and _safetensors.checksum(metadata["trace"], mapped) != metadata["sha256"]:
                raise InputError(
                    "it was changed after it was saved: its contents have another checksum (sha256); use another copy "
                    "of it, or save the trace again"
                )
            # clone: a tensor that stays mapped to its file changes, or ends the process, when the file changes
            trace = _trace(
                _parsed(metadata["trace"]), _StoredTensors(specs, lambda name: mapped[name].clone())
            )
            check_trace(trace, complete=version != "1")
    except SafetensorError as error:
        raise FileError(f"{path} is not a safetensors file, or is damaged or cut off: {error}") from None
    except (InputError, OSError) as error:
        raise FileError(f"{path} cannot be read as a trace: {error}") from None
    if version == "1":
        warnings.warn(
            f"{path} has format version 1, without a checksum, so that damage cannot be detected. To add a checksum, "
            "save the loaded trace again: trace.save(path)",
            FileWarning,
            stacklevel=3,  # of Trace.load
        )
    return trace


# -- from a trace to JSON and tensors -----------------------------------------------------------------------


def _describe(trace: Trace, tensors: dict[str, Tensor]) -> dict:
    """The JSON of a trace; its tensors are added to `tensors` by their names in the file."""
    grid = trace.patches
    image = None if grid is None or grid.image is None else torch.from_numpy(np.array(grid.image))
    described = {name: getattr(trace, name) for name in ("model", "text", "labels", "activation")}
    described |= {} if trace.target is None else {"target": trace.target}
    return described | {
        "tokens": [_describe_token(token) for token in trace.tokens],
        "output_tokens": [_describe_token(token) for token in trace.output_tokens],
        "patches": None if grid is None else {n: getattr(grid, n) for n in ("rows", "cols", "leading")},
        "tensors": _hold({"logits": trace.logits, "image": image}, "", tensors),
        "layers": [
            {name: getattr(layer, name) for name in ("name", "kind", "query_side", "key_side")}
            | ({} if layer.normalized else {"normalized": False})
            | {"attention": _describe_attention(layer.attention, f"layer.{number}.", tensors)}
            | _describe_values(layer.values, f"layer.{number}.", tensors)
            for number, layer in enumerate(trace.layers)
        ],
    }


def _describe_token(token: Token) -> dict:
    default = vars(Token(""))
    return {k: v for k, v in vars(token).items() if k == "text" or v != default[k]}


def _describe_values(values: Values | None, prefix: str, tensors: dict[str, Tensor]) -> dict:
    return {} if values is None else {"values": _hold(vars(values), prefix, tensors)}


def _describe_attention(attention: Attention, prefix: str, tensors: dict[str, Tensor]) -> dict:
    if isinstance(attention, Windows):
        windows = enumerate(attention.parts)
        parts = [_describe_attention(part, f"{prefix}window.{i}.", tensors) for i, part in windows]
        return {"store": "windows", "parts": parts}
    if isinstance(attention, Weights):
        return {"store": "weights", "tensors": _hold({"weights": attention.weights}, prefix, tensors)}
    if not isinstance(attention, Factors):
        raise InputError(f"{type(attention).__name__} cannot be stored in a file; use Weights(attention[:])")
    held = {name: getattr(attention, name) for name in ("query", "key", "mask", "bias", "sink")}
    held["lse"] = attention.lse.to(torch.promote_types(attention.query.dtype, torch.float32))
    band = held.pop("mask") if isinstance(attention.mask, Band) else None
    return {
        "store": "factors",
        "scale": attention.scale,
        "softcap": attention.softcap,
        "band": band and vars(band),
        "tensors": _hold(held, prefix, tensors),
    }


def _hold(held: dict[str, Tensor | None], prefix: str, tensors: dict[str, Tensor]) -> list[str]:
    """Adds the tensors that are not None; returns their names."""
    present = {name: tensor for name, tensor in sorted(held.items()) if tensor is not None}
    tensors |= {prefix + name: tensor.detach().cpu().contiguous() for name, tensor in present.items()}
    return list(present)


def _number(value: Any) -> int | float | bool:
    """A scalar of NumPy or torch as a Python number, for JSON."""
    if getattr(value, "shape", None) == ():
        return value.item()
    raise InputError(
        f"{short(value)} is a {type(value).__name__}, which JSON cannot hold; use a Python number"
    )


# -- from JSON and tensors to a trace -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Requirement:
    """A requirement on a value: a test, and its description for messages."""

    expected: str
    holds: Callable[[Any], bool]

    def __or__(self, other: _Requirement) -> _Requirement:
        return _Requirement(f"{self.expected} or {other.expected}", lambda v: self.holds(v) or other.holds(v))


def _one_of(*names: str) -> _Requirement:
    return _Requirement(f"one of {', '.join(names)}", lambda v: isinstance(v, str) and v in names)


_NULL = _Requirement("null", lambda v: v is None)
_TEXT = _Requirement("a text", lambda v: isinstance(v, str))
_FLAG = _Requirement("true or false", lambda v: type(v) is bool)
_LIST = _Requirement("a list", lambda v: isinstance(v, list))
_OBJECT = _Requirement("an object", lambda v: isinstance(v, dict))
_TEXTS = _Requirement("a list of texts", lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v))
_INTEGER = _Requirement("an integer within 2**53", lambda v: type(v) is int and abs(v) <= 2**53)
_INDEX = _Requirement("an integer from 0 to 2**53", lambda v: type(v) is int and 0 <= v <= 2**53)
_COUNT = _Requirement("an integer from 1 to 2**53", lambda v: type(v) is int and 0 < v <= 2**53)
_FINITE = _Requirement("a finite number", lambda v: type(v) in (int, float) and abs(v) < 1e300)
_POSITIVE = _Requirement("a number above 0", lambda v: _FINITE.holds(v) and v > 0)

_FIELDS = {
    "trace": {
        "model": _TEXT,
        "text": _TEXTS,
        "labels": _TEXTS,
        "activation": _one_of("softmax", "sigmoid", "none"),
        "tokens": _LIST,
        "output_tokens": _LIST,
        "patches": _OBJECT | _NULL,
        "tensors": _TEXTS,
        "layers": _LIST,
        "target": _INDEX,
    },
    "token": {
        "text": _TEXT,
        "id": _INTEGER | _NULL,
        "word": _INTEGER | _NULL,
        "special": _FLAG,
        "start": _INTEGER | _NULL,
        "end": _INTEGER | _NULL,
        "segment": _INTEGER,
    },
    "patches": {"rows": _COUNT, "cols": _COUNT, "leading": _TEXTS},
    "layer": {
        "name": _TEXT,
        "kind": _one_of(*KINDS),
        "query_side": _one_of(*SIDES),
        "key_side": _one_of(*SIDES),
        "normalized": _FLAG,
        "attention": _OBJECT,
        "values": _TEXTS,
    },
    "weights": {"store": _TEXT, "tensors": _TEXTS},
    "factors": {
        "store": _TEXT,
        "scale": _FINITE,
        "softcap": _POSITIVE | _NULL,
        "band": _OBJECT | _NULL,
        "tensors": _TEXTS,
    },
    "windows": {"store": _TEXT, "parts": _LIST},
    "band": {"before": _INTEGER | _NULL, "after": _INTEGER | _NULL, "offset": _INTEGER},
}
_FLOATS = ("F64", "F32", "F16", "BF16")
_TENSORS = {  # name: (allowed numbers of axes, allowed dtypes)
    "weights": ((3,), _FLOATS),
    "query": ((3,), _FLOATS),
    "key": ((3,), _FLOATS),
    "lse": ((2,), ("F64", "F32")),
    "mask": ((3,), ("BOOL",)),
    "bias": ((3,), _FLOATS),
    "sink": ((1,), _FLOATS),
    "value": ((3,), _FLOATS),
    "output": ((3,), _FLOATS),
    "residual": ((2,), _FLOATS),
    "scale": ((1,), _FLOATS),
    "spread": ((1,), _FLOATS),
    "gradient": ((3,), _FLOATS),
    "logits": ((1, 2), _FLOATS),
    "image": ((3,), ("U8",)),
}
_HELD = {  # owner: (required tensors, optional tensors)
    "trace": ((), ("logits", "image")),
    "weights": (("weights",), ()),
    "factors": (("query", "key", "lse"), ("mask", "bias", "sink")),
    "values": (("value",), ("output", "residual", "scale", "spread", "gradient")),
}


@dataclass(frozen=True)
class _StoredTensors:
    """The tensors of a file that were not taken yet: (dtype, shape) by name, and a function that reads one."""

    specs: dict[str, tuple[str, list[int]]]
    get: Callable[[str], Tensor]

    def take(self, owner: str, listed: list[str], prefix: str) -> dict[str, Tensor]:
        """The tensors that the JSON lists for a trace or a store, each checked."""
        must, may = _HELD[owner]
        if len(set(listed)) < len(listed) or not set(must) <= set(listed) <= {*must, *may}:
            names = ", ".join([*must, *(f"{name} (optional)" for name in may)])
            raise InputError(f"{prefix}tensors is {short(listed)}, not made of {names}, each once")
        return {name: self._checked(prefix + name, *_TENSORS[name]) for name in listed}

    def _checked(self, name: str, ranks: tuple[int, ...], codes: tuple[str, ...]) -> Tensor:
        if name not in self.specs:
            raise InputError(f"the tensor {name!r} is missing")
        code, shape = self.specs.pop(name)
        if code not in codes:
            raise InputError(f"the tensor {name!r} has dtype {code}, not {' or '.join(codes)}")
        if len(shape) not in ranks or 0 in shape:
            axes = " or ".join(str(rank) for rank in ranks)
            raise InputError(
                f"the tensor {name!r} has shape {short(shape)}, not {axes} axes of length 1 or more"
            )
        return self.get(name)


def _metadata(metadata: dict[str, str]) -> tuple[str, dict[str, str]]:
    """(version, metadata) of a file. Raises InputError for anything but a trace of a known version."""
    if metadata.get("format") != FORMAT:
        raise InputError("it is a safetensors file but not a trace; perhaps it holds a model's weights")
    version = metadata.get("version")
    if version not in _METADATA:
        raise InputError(
            f"it has format version {short(version)}, this attnlens reads {' and '.join(_METADATA)}: update attnlens"
        )
    if metadata.keys() != _METADATA[version]:
        names = ", ".join(sorted(_METADATA[version]))
        raise InputError(f"its header has the entries {short(sorted(metadata))}, not {names}")
    return version, metadata


def _check_specs(specs: dict[str, tuple[str, list[int]]]) -> None:
    """Raises InputError for a tensor that no trace has, before reading it."""
    for name, (code, shape) in specs.items():
        if code not in _safetensors.CODES.values():
            raise InputError(f"the tensor {short(name)} has dtype {code}, which no trace has")
        if not 1 <= len(shape) <= MOST_AXES or 0 in shape:
            raise InputError(
                f"the tensor {short(name)} has shape {short(shape)}, not 1 to {MOST_AXES} axes of length 1 or more"
            )


def _parsed(text: str) -> Any:
    """The JSON of a file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the JSON in its header is damaged: {error}") from None


def _entries(kind: str, value: Any, where: str, optional: Collection[str] = ()) -> dict[str, Any]:
    """A copy of a JSON object with exactly the fields of its kind, each checked."""
    fields = _FIELDS[kind]
    if not isinstance(value, dict):
        raise InputError(f"{where} is {short(value)}, not an object")
    for name in value.keys() - fields.keys():
        raise InputError(f"{where} has the unknown entry {short(name)}")
    for name in fields:
        if name not in value and name not in optional:
            raise InputError(f"{where} lacks the entry {name!r}")
    for name, entry in value.items():
        if not fields[name].holds(entry):
            raise InputError(f"{where}.{name} is {short(entry)}, not {fields[name].expected}")
    return dict(value)


def _trace(value: Any, source: _StoredTensors) -> Trace:
    entries = _entries("trace", value, "trace", optional=("target",))
    held = source.take("trace", entries.pop("tensors"), "")
    for name in ("text", "labels"):
        entries[name] = tuple(entries[name])
    for name in ("tokens", "output_tokens"):
        entries[name] = tuple(_token(entry, f"{name}[{i}]") for i, entry in enumerate(entries[name]))
    entries["patches"] = _patches(entries["patches"], len(entries["tokens"]), held.pop("image", None))
    entries["layers"] = tuple(
        _layer(entry, f"layer.{i}", source) for i, entry in enumerate(entries["layers"])
    )
    if source.specs:
        raise InputError(f"it has a tensor that no layer lists: {short(min(source.specs))}")
    return Trace(**entries, **held)


def _token(value: Any, where: str) -> Token:
    return Token(**_entries("token", value, where, optional=_FIELDS["token"].keys() - {"text"}))


def _patches(value: Any, tokens: int, image: Tensor | None) -> PatchGrid | None:
    """The grid, which must have as many tokens as the file lists: otherwise a few bytes could claim any number."""
    if image is not None and (value is None or image.shape[2] != 3):
        raise InputError(f"an image {list(image.shape)} is not [height, width, 3] with a grid of patches")
    if value is None:
        return None
    entries = _entries("patches", value, "patches")
    leading, patches = tuple(entries["leading"]), entries["rows"] * entries["cols"]
    if len(leading) + patches != tokens:
        raise InputError(
            f"{len(leading)} leading tokens and {patches} patches are not the {tokens} listed tokens"
        )
    return PatchGrid(entries["rows"], entries["cols"], leading, None if image is None else image.numpy())


def _layer(value: Any, where: str, source: _StoredTensors) -> Layer:
    entries = _entries("layer", value, where, optional=("values", "normalized"))
    attention = _attention(entries["attention"], where, source)
    listed = entries.pop("values", None)
    values = None if listed is None else _values(source.take("values", listed, f"{where}."), attention, where)
    return Layer(**entries | {"attention": attention, "values": values})


def _values(held: dict[str, Tensor], attention: Attention, where: str) -> Values:
    """Values whose axes fit their attention and each other."""
    heads, queries, keys = attention.shape
    value = held["value"]
    model = next((held[n].shape[-1] for n in ("output", "residual", "scale") if n in held), 0)
    wanted = {
        "value": (value.shape[0], keys, value.shape[2]),
        "output": (heads, value.shape[2], model),
        "residual": (queries, model),
        "scale": (model,),
        "spread": (queries,),
        "gradient": (heads, queries, value.shape[2]),
    }
    for name, tensor in held.items():
        if tuple(tensor.shape) != wanted[name] or heads % value.shape[0]:
            raise InputError(
                f"{where}.{name} {list(tensor.shape)} does not fit attention {list(attention.shape)}"
            )
    if ("scale" in held) != ("spread" in held):
        raise InputError(f"{where} has one of scale and spread, not both")
    return Values(**held)


def _attention(value: dict, where: str, source: _StoredTensors, window: bool = False) -> Attention:
    stores = ("weights", "factors") if window else ("weights", "factors", "windows")
    store = value.get("store") if isinstance(value, dict) else None
    if store not in stores:
        raise InputError(f"{where}.store is {short(store)}, not one of {', '.join(stores)}")
    entries = _entries(store, value, where)
    if store == "windows":
        parts = enumerate(entries["parts"])
        return Windows(
            tuple(_attention(part, f"{where}.window.{i}", source, window=True) for i, part in parts)
        )
    held = source.take(store, entries["tensors"], f"{where}.")
    try:
        return Weights(**held) if store == "weights" else _factors(entries, held, where)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _factors(entries: dict[str, Any], held: dict[str, Tensor], where: str) -> Factors:
    if entries["band"] is not None:
        if "mask" in held:
            raise InputError("it has two masks, a band and a tensor")
        held["mask"] = Band(**_entries("band", entries["band"], f"{where}.band"))
    scale, softcap = float(entries["scale"]), entries["softcap"]  # torch takes no integer of 70 bits
    softcap = None if softcap is None else float(softcap)
    return Factors(known_lse=held.pop("lse"), scale=scale, softcap=softcap, **held)
