"""A real Chromium, the system's own, driven by Playwright."""

from __future__ import annotations

import shutil

import pytest

import attnlens as al

from ..corpus.test_audit import LABELS, TEXTS
from ..corpus.test_head_pages import ROWS, pages_of
from .jupyter import Lab
from .mounting import PATIENCE

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine; install it (Debian: apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)  # test processes share the cores
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def page_of_audit(tmp_path_factory):
    """An audit of texts, and its page."""
    data = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS)]
    audit = al.audit(al.load("sentiment"), data, progress=False)
    return audit, audit.report(tmp_path_factory.mktemp("audit") / "audit.html")


@pytest.fixture(scope="session")
def page_of_heads(tmp_path_factory):
    """The heads of a model over texts, and their page."""
    pages = pages_of(al.load("sentiment"), ROWS[:24], label="label", sample=16, effects=4)
    return pages, pages.report(tmp_path_factory.mktemp("heads") / "heads.html")


@pytest.fixture
def page(chromium):
    """A fresh page without network; its console errors fail the test."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []
