"""A JupyterLab of one's own, and a notebook in it that is worked with as a person does."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from .mounting import PATIENCE

"""Milliseconds that a cell may take: the first one imports torch and transformers."""


SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}
"""Every cell stays in the page, scrolled out of sight or not; no question about news."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Lab:
    """A server over a folder, until `close`."""

    def __init__(self, folder: Path):
        self.folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        for name, settings in SETTINGS.items():
            path = folder / ".settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
        }
        own = {name: str(folder / f".{place}") for name, place in places.items()}
        with open(folder / "lab.log", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
                 "--ip=127.0.0.1", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
                 "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
                env=os.environ | own, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/api", timeout=1).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        self.close()
        raise RuntimeError(f"JupyterLab did not start: {(folder / 'lab.log').read_text()[-2000:]}")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def notebook(self, page, name: str, *cells: str) -> Notebook:
        """Opens a new notebook of these cells."""
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(made, self.folder / name)
        page.goto(f"{self.url}/lab/tree/{name}?reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
        page.get_by_text("Python 3 (ipykernel) | Idle").first.wait_for(timeout=PATIENCE)
        return Notebook(page, self.folder / name)


class Notebook:
    """The notebook that a page shows."""

    def __init__(self, page, path: Path):
        self.page = page
        self.path = path

    def run(self, cell: int) -> None:
        """Runs one cell and waits until it is done."""
        at = self.cell(cell)
        prompt = at.locator(".jp-InputPrompt").first
        before = "".join(filter(str.isdigit, prompt.inner_text()))
        at.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        expect(prompt).to_have_text(re.compile(rf"^\[(?!{before}\])\d+\]"), timeout=PATIENCE)

    def write(self, cell: int, code: str) -> None:
        """Puts other code into a cell."""
        self.cell(cell).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def says(self, cell: int) -> str:
        """The text that a cell printed."""
        return self.cell(cell).locator(".jp-OutputArea-output").all_inner_texts()[-1].strip()

    def evaluate(self, cell: int, code: str) -> str:
        """What Python prints for an expression, by way of a cell that is there for it."""
        self.write(cell, f"print({code})")
        self.run(cell)
        return self.says(cell)

    def cell(self, number: int):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)
