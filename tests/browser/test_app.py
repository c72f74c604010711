"""The page of `attnlens app` in Chromium: a text is typed, a token masked, every view follows; nothing leaves the
machine, and nobody comes in without the token."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from .mounting import PATIENCE


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """The process of `attnlens app`, and the address that it printed."""
    folder = tmp_path_factory.mktemp("app")
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "attnlens", "app", "sentiment", "a gripping film", "--no-open"],
            stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"HOME": str(folder)},
        )  # fmt: skip
    address = process.stdout.readline().strip()
    if not address:
        pytest.skip(f"the server did not start: {(folder / 'log').read_text()[-500:]}")
    yield process, address
    process.kill()


def test_a_text_typed_on_the_page_is_seen_in_every_view(chromium, server):
    address = server[1]
    context = chromium.new_context(viewport={"width": 1600, "height": 1400}, color_scheme="dark")
    page, errors, elsewhere = context.new_page(), [], []
    origin = re.escape(address.partition("//")[2].partition("/")[0])
    local = re.compile(rf"(https?|ws)://{origin}/|data:|blob:")
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: local.match(request.url) or elsewhere.append(request.url))
    page.goto(address)
    expect(page.locator(".part", has_text="gripping")).to_be_visible(timeout=PATIENCE)
    tiles, tokens = page.locator(".tile"), page.locator(".lines .token")
    expect(tiles).to_have_count(72, timeout=PATIENCE)
    expect(tokens.first).to_be_visible(timeout=PATIENCE)
    assert tiles.first.bounding_box()["x"] < 800 < tokens.first.bounding_box()["x"]  # side by side
    expect(page.locator(".view").first).to_have_attribute("data-theme", "dark")

    page.locator("textarea").fill("a truly dull film")
    expect(page.locator(".part", has_text="truly")).to_be_visible(timeout=PATIENCE)
    expect(tokens.filter(has_text="truly").first).to_be_visible(timeout=PATIENCE)
    tiles.nth(2 * 12 + 6).click()
    expect(page.get_by_text("Layer 2, head 6").first).to_be_visible(timeout=PATIENCE)

    page.locator(".part", has_text="dull").click()
    page.get_by_role("button", name="mask", exact=True).click()
    expect(tokens.filter(has_text="[MASK]").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".distances button").first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="undo", exact=True).click()
    expect(page.locator(".distances button")).to_have_count(0, timeout=PATIENCE)
    context.close()
    assert errors == []
    assert elsewhere == []


def test_nobody_comes_in_without_the_token(server):
    origin = server[1].partition("?")[0]
    assert "/auth/login" in urllib.request.urlopen(origin).url
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{origin}api/kernel/instantiate", data=b"{}"))
    assert refused.value.code in (401, 403)


def test_ctrl_c_ends_the_server_while_a_page_is_open(chromium, server):
    process, address = server
    page = chromium.new_page()
    page.goto(address)
    expect(page.locator(".tile").first).to_be_visible(timeout=PATIENCE)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE / 1000) == 0
    page.close()
