"""The base of every view: a widget with its bundle, traits for the state that Python shares, and requests by message.

The browser sends a message `{"id": ..., "ask": "layer", ...}` and receives one with the same id: `answer` and
buffers, or `error` with a message. Every request is answered as long as the kernel runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import anywidget
import traitlets

from .. import _checks
from .._escaping import encodable_content
from ..data._trace import Trace
from ..errors import AttnlensError, InputError, unknown_name
from . import _payload, _still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATIC = Path(__file__).parent / "static"
"""The bundles, built from `widgets/src` by `npm run build`."""


def bundle(name: str) -> str:
    """A bundle's text. Not its path: anywidget keeps views drawn from a file alive, to follow changes of the file."""
    return (STATIC / f"{name}.js").read_text(encoding="utf-8")


AT_ONCE = 4 << 20
"""Bytes of all layers up to which they are sent with the view; beyond that, each layer is sent when it is shown."""


_TEMPORARY: ContextVar[list[View] | None] = ContextVar("temporary views", default=None)


@contextmanager
def temporary() -> Iterator[None]:
    """Closes, at the end, the views created inside: ipywidgets keeps every widget until it is closed."""
    made: list[View] = []
    token = _TEMPORARY.set(made)
    try:
        yield
    finally:
        _TEMPORARY.reset(token)
        for view in made:
            view.layout.close()
            view.close()


class RefusedValue(InputError, traitlets.TraitError):
    """An InputError that traitlets also recognises, so that it rolls back all traits that were set together."""


class Reply(NamedTuple):
    """The reply to a request of the browser: a JSON object and binary buffers."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class View(anywidget.AnyWidget):
    """An interactive picture. It is an ipywidgets widget, so it composes with boxes, `jslink` and `interact`."""

    handlers: dict[str, Callable[..., Reply | None]]
    """Handlers of the browser's requests, by name; each takes the arguments that came with the request."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if "__doc__" in cls.__dict__ and cls.__doc__:  # not for the classes created by the trait of a layer
            traits = [(name, it) for name, it in vars(cls).items() if isinstance(it, traitlets.TraitType)]
            lines = [f"    {name}: {it.help}" for name, it in traits if it.metadata.get("state")]
            cls.__doc__ = "\n".join(
                [cls.__doc__.rstrip(), "", "    Traits to set and to observe:", "", *lines]
            )

    def __init__(self, **traits: Any):
        for name in traits:
            if not self.has_trait(name):
                raise unknown_name("option", name, self.state_names())
        self.handlers = {}
        super().__init__(**traits)
        if (made := _TEMPORARY.get()) is not None:
            made.append(self)
        self.on_msg(self._reply)

    def _reply(self, widget: View, message: Any, buffers: list) -> None:
        if not isinstance(message, dict) or "ask" not in message:
            return
        number, question = message.get("id"), message["ask"]
        arguments = {name: value for name, value in message.items() if name not in ("id", "ask")}
        try:
            if question not in self.handlers:
                raise InputError(
                    f"{type(self).__name__} has no handler {question!r}; it has {', '.join(self.handlers)}"
                )
            reply = self.handlers[question](**arguments) or Reply({})
        except AttnlensError as error:
            self.send({"id": number, "error": str(error)})
        except Exception as error:
            self.send({"id": number, "error": f"{type(error).__name__}: {error}"})
            raise
        else:
            self.send({"id": number, "answer": reply.content}, list(reply.buffers))

    @staticmethod
    def _trait_to_json(value: Any, widget: View) -> Any:
        return encodable_content(value)

    def send(self, content: Any, buffers: list | None = None) -> None:
        """Sends a message to the browser."""
        super().send(encodable_content(content), buffers)

    def figure(self) -> Figure:
        """What is seen, as a matplotlib figure: the selected layer, heads and tokens, with title, axes and scale.

        >>> view.figure().savefig("head.pdf")
        """
        raise NotImplementedError

    def _weights_of_figure(self) -> int:
        """How many weights of attention `figure` reads."""
        return 0

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live view, beside it a picture and a text for where no widget is shown: on GitHub, in nbconvert."""
        bundle = super()._repr_mimebundle_(**options)
        return _still.beside(bundle, self.figure, repr(self), self._weights_of_figure())

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.state_names()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def state_names(cls) -> list[str]:
        """The traits that users set and observe: what is selected and how it is drawn."""
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
    """A trait that both Python and the browser set."""
    trait.help = help
    trait.error = partial(_refuse, trait)
    return trait.tag(sync=True, state=True)


def _refuse(trait: traitlets.TraitType, view: View, value: object, *_: Any) -> NoReturn:
    """Called by traitlets for a value of the wrong type, or outside the list of allowed values."""
    entry = getattr(trait, "_trait", None)
    entries = "" if entry is None else f", each entry {entry.info()}"
    raise RefusedValue(f"{trait.name} must be {trait.info()}{entries}, not {value!r}")


def bulk(trait: traitlets.TraitType, help: str) -> traitlets.TraitType:
    """A trait that only Python sets: the browser's copy is neither sent back nor echoed to other views."""
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
                raise RefusedValue(str(error)) from error

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


class LayerTransfer:
    """Sends a trace's layers to a view: each as bytes in its own trait, `layer_0`, `layer_1`, ...

    The traits stay in the widget's state, so that a second view of it, a reloaded page and a saved notebook have the
    layers that were shown.
    """

    def __init__(self, view: View, prefix: str = ""):
        self.view, self.prefix = view, prefix
        view.handlers[f"{prefix}layer"] = self.send

    def show(self, trace: Trace, first: int) -> dict[str, Any]:
        """Sends the layer that is shown first, or all of them where they are small; returns the trace's header."""
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
        """Puts a layer into the widget's state, unless it is there already."""
        layer = _checks.position("layer", layer, len(self.trace))
        if not getattr(self.view, self.name(layer), b""):
            self._put(layer)

    def name(self, layer: int) -> str:
        """The trait of a layer."""
        return f"{self.prefix}layer_{layer}"

    def names(self) -> list[str]:
        """The existing traits of layers."""
        return [name for name in self.view.trait_names() if name.startswith(f"{self.prefix}layer_")]

    def _put(self, layer: int) -> None:
        held, name = _payload.layer_bytes(self.trace[layer]), self.name(layer)
        if self.view.has_trait(name):
            setattr(self.view, name, held)
        else:
            self.view.add_traits(**{name: bulk(traitlets.Bytes(held), "A layer's weights or factors.")})
