"""What every view is: a widget with its bundle, traits for what Python must know, and questions from the browser.

The browser asks by a message `{"id": ..., "ask": "layer", ...}` and gets one back with the same id: `answer` and
buffers, or `error` in words. So it never waits for nothing while the kernel lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import traitlets

from ..errors import AttnlensError, InputError
from ..trace import Trace
from . import payload

STATIC = Path(__file__).parent / "static"
"""The bundles, built from `widgets/src` by `npm run build`."""

AT_ONCE = 4 << 20
"""Bytes of all layers up to which they go to the browser with the view; of more each goes when it is shown."""


class Answer(NamedTuple):
    """What a question gets: a JSON object, and bytes beside it."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class View(anywidget.AnyWidget):
    """An interactive picture. It is a widget of ipywidgets, so it composes with its boxes, `jslink` and `interact`."""

    asks: dict[str, Callable[..., Answer | None]]
    """Questions that the browser may put, by name; the function takes what came with the question."""

    def __init__(self, **traits: Any):
        self.asks = {}
        super().__init__(**traits)
        self.on_msg(self._hear)

    def _hear(self, widget: View, message: Any, buffers: list) -> None:
        if not isinstance(message, dict) or "ask" not in message:
            return
        number, question = message.get("id"), message["ask"]
        given = {name: value for name, value in message.items() if name not in ("id", "ask")}
        try:
            if question not in self.asks:
                raise InputError(f"{type(self).__name__} answers no question {question!r}")
            answer = self.asks[question](**given) or Answer({})
        except AttnlensError as error:
            self.send({"id": number, "error": str(error)})
        except Exception as error:
            self.send({"id": number, "error": f"{type(error).__name__}: {error}"})
            raise
        else:
            self.send({"id": number, "answer": answer.content}, list(answer.buffers))

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.state_names()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def state_names(cls) -> list[str]:
        """The traits that a user sets and observes: what is selected and how it is drawn."""
        return [name for name, trait in cls.class_traits(sync=True).items() if trait.get_metadata("state")]


def state(trait: traitlets.TraitType, help: str) -> traitlets.TraitType:
    """A trait that Python and the browser both set."""
    trait.help = help
    return trait.tag(sync=True, state=True)


def bulk(trait: traitlets.TraitType, help: str) -> traitlets.TraitType:
    """A trait that only Python sets: the browser's copy is never sent back, nor echoed where another view changed."""
    trait.help = help
    return trait.tag(sync=True, echo_update=False)


def given_trace(trace: object, view: str) -> Trace:
    """The trace; InputError for anything else, and for a trace without weights."""
    if not isinstance(trace, Trace):
        raise InputError(f"{view} shows a trace, not {type(trace).__name__}: {view}(lens.trace(input))")
    if not any(0 not in layer.attention.shape for layer in trace.layers):
        raise InputError(f"{view} has nothing to show: the trace has no attention weights")
    return trace


def known_layer(layer: int, count: int) -> int:
    """A layer's number, negative ones from the end; InputError for one that is not there."""
    if not -count <= layer < count:
        raise InputError(f"layer {layer} is out of range: the layers are 0 to {count - 1}")
    return layer % count


def known_heads(heads: int | Sequence[int], count: int) -> list[int]:
    """Heads by number, a single one too, negative ones from the end; InputError for one that is not there."""
    heads = [heads] if isinstance(heads, int) else list(heads)
    for head in heads:
        if not isinstance(head, int) or not -count <= head < count:
            raise InputError(f"head {head!r} is out of range: the heads are 0 to {count - 1}")
    return list(dict.fromkeys(head % count for head in heads))


class Layers:
    """A trace's layers on their way to a view: each goes as bytes in a trait of its own, `layer_0`, `layer_1`, ...

    The trait stays in the widget's state, so that a second view of it, a page opened anew and a saved notebook have
    the layers that were shown.
    """

    def __init__(self, view: View, prefix: str = ""):
        self.view, self.prefix = view, prefix
        view.asks[f"{prefix}layer"] = self.send

    def show(self, trace: Trace, first: int) -> dict[str, Any]:
        """Takes a trace, sends its first layer or, where they are small, all, and returns its header."""
        self.trace = trace
        header = payload.header(trace)
        sizes = [one["bytes"] for one in header["layers"]]
        at_once = [] if header["remote"] else range(len(sizes)) if sum(sizes) <= AT_ONCE else [first]
        for name in self.names():
            if int(name.rpartition("_")[2]) not in at_once:
                setattr(self.view, name, b"")
        for number in at_once:
            self._put(number)
        return header

    def send(self, layer: int) -> None:
        """Puts a layer into the widget's state, unless it is there."""
        layer = known_layer(layer, len(self.trace))
        if not getattr(self.view, self.name(layer), b""):
            self._put(layer)

    def name(self, layer: int) -> str:
        """The trait of a layer."""
        return f"{self.prefix}layer_{layer}"

    def names(self) -> list[str]:
        """The traits that there are."""
        return [name for name in self.view.trait_names() if name.startswith(f"{self.prefix}layer_")]

    def _put(self, layer: int) -> None:
        held, name = payload.layer_bytes(self.trace[layer]), self.name(layer)
        if self.view.has_trait(name):
            setattr(self.view, name, held)
        else:
            self.view.add_traits(**{name: bulk(traitlets.Bytes(held), "A layer's weights or factors.")})
