"""What every view is: a widget with its bundle, traits for what Python must know, and questions from the browser.

The browser asks by a message `{"id": ..., "ask": "layer", ...}` and gets one back with the same id: `answer` and
buffers, or `error` in words. So it never waits for nothing while the kernel lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import anywidget
import traitlets

from .. import _checks
from ..data._trace import Trace
from ..errors import AttnlensError, InputError, unknown_name
from . import _payload

STATIC = Path(__file__).parent / "static"
"""The bundles, built from `widgets/src` by `npm run build`."""


def bundle(name: str) -> str:
    """A bundle's text. Not its path: anywidget holds for good what is drawn by a file, to follow the file's changes."""
    return (STATIC / f"{name}.js").read_text(encoding="utf-8")


AT_ONCE = 4 << 20
"""Bytes of all layers up to which they go to the browser with the view; of more each goes when it is shown."""


_TEMPORARY: ContextVar[list[View] | None] = ContextVar("temporary views", default=None)


@contextmanager
def temporary() -> Iterator[None]:
    """Closes, at the end, the views that are made inside: ipywidgets keeps every widget that nobody closes."""
    made: list[View] = []
    token = _TEMPORARY.set(made)
    try:
        yield
    finally:
        _TEMPORARY.reset(token)
        for view in made:
            view.layout.close()
            view.close()


class Refused(InputError, traitlets.TraitError):
    """An InputError that traitlets knows for a refusal too: it takes back all that was set together."""


class Answer(NamedTuple):
    """What a question gets: a JSON object, and bytes beside it."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class View(anywidget.AnyWidget):
    """An interactive picture. It is a widget of ipywidgets, so it composes with its boxes, `jslink` and `interact`."""

    asks: dict[str, Callable[..., Answer | None]]
    """Questions that the browser may put, by name; the function takes what came with the question."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if "__doc__" in cls.__dict__ and cls.__doc__:  # not for the classes that a trait of a layer makes
            own = [(name, it) for name, it in vars(cls).items() if isinstance(it, traitlets.TraitType)]
            told = [f"    {name}: {it.help}" for name, it in own if it.metadata.get("state")]
            cls.__doc__ = "\n".join(
                [cls.__doc__.rstrip(), "", "    Traits to set and to observe:", "", *told]
            )

    def __init__(self, **traits: Any):
        for name in traits:
            if not self.has_trait(name):
                raise unknown_name("option", name, self.state_names())
        self.asks = {}
        super().__init__(**traits)
        if (made := _TEMPORARY.get()) is not None:
            made.append(self)
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


class Integer(traitlets.Int):
    """An integer of any type, NumPy's too, and never a bool."""

    info_text = "an integer"

    def validate(self, view: View, value: object) -> int:
        whole = _checks.as_integer(value)
        if whole is None:
            self.error(view, value)
        return super().validate(view, whole)


class Number(traitlets.Float):
    """A finite real number of any type, and never a bool."""

    info_text = "a number"

    def validate(self, view: View, value: object) -> float:
        number = _checks.as_number(value)
        if number is None:
            self.error(view, value)
        return super().validate(view, number)


def state(trait: traitlets.TraitType, help: str) -> traitlets.TraitType:
    """A trait that Python and the browser both set."""
    trait.help = help
    trait.error = partial(_refuse, trait)
    return trait.tag(sync=True, state=True)


def _refuse(trait: traitlets.TraitType, view: View, value: object, *_: Any) -> NoReturn:
    """What traitlets calls for a value of another type, or of none of the known ones."""
    raise Refused(f"{trait.name} must be {trait.info()}, not {value!r}")


def bulk(trait: traitlets.TraitType, help: str) -> traitlets.TraitType:
    """A trait that only Python sets: the browser's copy is never sent back, nor echoed where another view changed."""
    trait.help = help
    return trait.tag(sync=True, echo_update=False)


def validate(*names: str) -> Callable[[Callable], Any]:
    """`traitlets.validate` for checks that raise InputError."""

    def mark(check: Callable) -> Any:
        @wraps(check)
        def checking(view: View, proposal: dict[str, Any]) -> Any:
            try:
                return check(view, proposal)
            except InputError as error:
                raise Refused(str(error)) from error

        return traitlets.validate(*names)(checking)

    return mark


def axis_position(axis: str, value: int | None, trace: Trace) -> int | None:
    """A position along an axis, "query" or "key", of some layer; None stays None."""
    if value is None:
        return None
    attentions = [layer.attention for layer in trace.layers]
    return _checks.position(
        axis, value, max(one.queries if axis == "query" else one.keys for one in attentions)
    )


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
        header = _payload.header(trace)
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
        layer = _checks.position("layer", layer, len(self.trace))
        if not getattr(self.view, self.name(layer), b""):
            self._put(layer)

    def name(self, layer: int) -> str:
        """The trait of a layer."""
        return f"{self.prefix}layer_{layer}"

    def names(self) -> list[str]:
        """The traits that there are."""
        return [name for name in self.view.trait_names() if name.startswith(f"{self.prefix}layer_")]

    def _put(self, layer: int) -> None:
        held, name = _payload.layer_bytes(self.trace[layer]), self.name(layer)
        if self.view.has_trait(name):
            setattr(self.view, name, held)
        else:
            self.view.add_traits(**{name: bulk(traitlets.Bytes(held), "A layer's weights or factors.")})
