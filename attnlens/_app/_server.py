"""A server of one page, on this machine alone unless another host is asked for.

The page is the marimo notebook beside this file; it runs in a thread of this process, so that all its visitors share
one lens.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import webbrowser
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from .. import models
from .._checks import integer
from .._loading import load
from ..errors import InputError
from ..lens import ImageLens, Lens

PAGE = Path(__file__).parent / "_page.py"
"""The notebook that marimo shows."""


SAMPLE = "chelsea"
"""The sample picture to begin with."""


class Shown(NamedTuple):
    """What a page opens with."""

    lens: Lens
    input: Any
    """None for a sample."""


_shown: Shown | None = None
"""What the running server shows: marimo hands a notebook no objects, and its threads see this module."""


def shown() -> Shown:
    """What the page opens with; called by the page."""
    if _shown is None:
        raise InputError("this page is served by al.app(lens), or by: attnlens app MODEL")
    return _shown


def app(
    lens: Lens | str | Path,
    input: Any = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open: bool = True,
) -> None:
    """Serves the Explorer as a web page, for people without a notebook, until Ctrl-C.

    The page has the views of `al.Explorer`, linked as there, and a field for another text, or a choice of pictures and
    a field to upload one. It runs the model in this process: nothing is loaded a second time, whoever opens the page.
    Its address, which is printed, holds a random token; without it the server refuses. Neither server nor page requests
    anything of another machine.

    lens: a lens, or the name of a model as for `al.load`
    input: what is shown first, as `lens.trace` takes it; by default a sample sentence or picture
    host: the address to listen on; 127.0.0.1 is reached from this machine alone
    port: a free one by default
    open: whether to open the page in the browser

    Raises InputError where marimo is not installed (`pip install "attnlens[app]"`), for a port that is taken, for what
    `al.load` and `lens.trace` refuse, and in a notebook, where `al.Explorer(lens, input)` shows the same.

    >>> al.app("sentiment")
    >>> al.app(al.Lens(model, tokenizer), "a gripping , funny film", port=8000)
    """
    global _shown
    _check_free_of_loop()
    builder = _marimo().create_asgi_app
    if _shown is not None:
        raise InputError("this process serves a page already; end it with Ctrl-C first")
    held = lens if isinstance(lens, Lens) else load(lens)
    held.trace(
        sample(held) if input is None else input
    )  # what cannot be shown is refused here, not in the browser
    token = secrets.token_urlsafe(16)
    with _listening(host, port) as bound:
        _shown = Shown(held, input)
        try:
            address = _announce(bound, token)
            if open:
                webbrowser.open(address)
            _serve(builder(quiet=True, token=token), bound)
        finally:
            _shown = None


def sample(lens: Lens) -> Any:
    """A sentence or a picture to begin with."""
    return models.sample_images()[SAMPLE] if isinstance(lens, ImageLens) else models.sample_sentences()[0]


def _check_free_of_loop() -> None:
    """A notebook's kernel runs an event loop in this thread, where no server can run another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InputError(
        "al.app serves a page from a script or a terminal; in a notebook: al.Explorer(lens, input)"
    )


def _marimo() -> Any:
    try:
        import marimo
    except ImportError as error:
        raise InputError(
            "al.app shows its page by marimo, which is not installed: pip install 'attnlens[app]'"
        ) from error
    return marimo


def _listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens already, so that a browser which comes before the server is up waits instead of failing."""
    if port is not None:
        port = integer("port", port, least=1, most=65535)
    try:
        family, *_, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "omit the port for a free one" if port else "omit the host for this machine alone"
        raise InputError(f"cannot listen on {host}, port {port or 'any'}: {reason}; {remedy}") from error


def _announce(bound: socket.socket, token: str) -> str:
    """Prints the address, with a warning where other machines reach it; returns it."""
    place, port = ip_address(bound.getsockname()[0]), bound.getsockname()[1]
    host = ("[::1]" if place.version == 6 else "127.0.0.1") if place.is_unspecified else place
    host = f"[{host}]" if getattr(host, "version", 4) == 6 else host
    address = f"http://{host}:{port}/?access_token={token}"
    if not place.is_loopback:
        print(
            f"warning: other machines reach port {port} of this one; whoever has the address below can run the model, "
            "and it crosses the network unencrypted",
            file=sys.stderr,
        )
    print(f"{address}\nCtrl-C ends it", flush=True)
    return address


def _serve(builder: Any, bound: socket.socket) -> None:
    """Serves the page until Ctrl-C, without waiting for browsers to close it."""
    import uvicorn

    served: list[Any] = []
    page = builder.with_app(
        path="", root=str(PAGE), middleware=[lambda app: served.append(app) or app]
    ).build()
    settings = uvicorn.Config(page, log_level="error", timeout_graceful_shutdown=1, ws_max_size=1 << 28)
    try:
        uvicorn.Server(settings).run(sockets=[bound])
    except KeyboardInterrupt:  # raised again by uvicorn after it has ended
        print()
    finally:  # a mounted app is not told of the end, and the threads of its visitors would outlive it
        asyncio.run(served[0].state.session_manager.shutdown())
