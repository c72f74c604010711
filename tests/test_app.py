"""What `al.app` refuses before it serves, what it prints, and whom it lets in; the page: tests/browser/test_app.py."""

from __future__ import annotations

import asyncio
import socket
import sys
import webbrowser

import pytest

import attnlens as al
from attnlens._app import _server
from attnlens.errors import InputError
from attnlens.terminal import _cli


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture
def opened(monkeypatch):
    """The addresses that the browser is asked to open, with the page served up to the point where requests come in."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    monkeypatch.setattr(_server, "_serve", lambda builder, bound: addresses.append(_server.shown().input))
    return addresses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lens": 3}, r"load\(\) takes a name"),
        ({"lens": "no-such/model/here"}, "no model folder"),
        ({"input": ""}, "the text is empty"),
        ({"port": True}, "port"),
        ({"port": 70_000}, "port"),
        ({"host": "no such host"}, "cannot listen on no such host, port any: .*; omit the host"),
    ],
)
def test_what_cannot_be_served_is_refused_before_the_browser_opens(lens, opened, arguments, message):
    with pytest.raises(InputError, match=message):
        al.app(**{"lens": lens, **arguments})
    assert opened == []


def test_a_port_that_is_taken_is_named(lens, opened):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1, port {port}: .*; omit the port"):
            al.app(lens, port=port)


def test_without_marimo_the_error_names_the_extra(lens, monkeypatch):
    monkeypatch.setitem(sys.modules, "marimo", None)
    with pytest.raises(InputError, match=r"pip install 'attnlens\[app\]'"):
        al.app(lens)


def test_in_a_notebook_it_names_the_explorer(lens):
    async def cell():
        al.app(lens)

    with pytest.raises(InputError, match=r"in a notebook: al\.Explorer\(lens, input\)"):
        asyncio.run(cell())


def test_it_prints_and_opens_the_address_with_its_token_and_forgets_the_lens(lens, opened, capsys):
    al.app(lens, "a dull film")
    al.app(lens, "a dull film", open=False)
    address, shown, unopened = opened
    assert (shown, unopened) == ("a dull film", "a dull film")
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == address
    assert printed.err == ""
    host, _, token = address.partition("/?access_token=")
    assert host.startswith("http://127.0.0.1:")
    assert len(token) > 20
    assert token not in printed.out.splitlines()[2]  # each run has its own
    with pytest.raises(InputError, match=r"served by al\.app"):
        _server.shown()


def test_one_page_at_a_time(lens, opened, monkeypatch):
    monkeypatch.setattr(_server, "_shown", _server.Shown(lens, None))
    with pytest.raises(InputError, match="serves a page already"):
        al.app(lens)


def test_another_host_comes_with_a_warning(lens, opened, capsys):
    al.app(lens, host="0.0.0.0")
    printed = capsys.readouterr()
    assert "whoever has the address below can run the model" in printed.err
    assert opened[0].startswith("http://127.0.0.1:")
    assert opened[1] is None


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_an_address_of_ipv6_is_in_brackets(capsys):
    try:
        bound = _server._listening("::1", None)
    except InputError as error:
        pytest.skip(str(error))
    with bound:
        assert _server._announce(bound, "word").startswith("http://[::1]:")
    assert capsys.readouterr().err == ""


def test_the_samples_fit_the_lens(lens):
    assert lens.trace(_server.sample(lens)).prediction.label == "positive"
    assert al.load("cifar").trace(_server.sample(al.load("cifar"))).prediction.label == "cat"


def test_the_command_passes_what_is_shown_first(monkeypatch):
    calls = []
    monkeypatch.setattr(al, "app", lambda *given, **options: calls.append((*given[1:], options)))
    for arguments in (["sentiment", "see it", "--no-open", "--port", "8123"], ["sentiment"]):
        _cli.app(["app", *arguments], standalone_mode=False)
    assert calls == [
        ("see it", {"host": "127.0.0.1", "port": 8123, "open": False}),
        (None, {"host": "127.0.0.1", "port": None, "open": True}),
    ]
