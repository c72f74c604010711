"""What the commands have in common: loading a model, checking where to write, and printing a result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._escaping import seen
from ..errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from ..lens import Lens


def print_result(result: Any, as_json: bool, show_it: Any) -> None:
    if as_json:
        print(json.dumps(result.numbers, ensure_ascii=False, indent=2))
    else:
        show_it(console(), result)


def print_table(table: Any, show_it: Any, top: int, as_csv: bool, as_json: bool, png: Path | None) -> None:
    """Prints a table in one of its forms, and saves its figure if a file is named."""
    if as_csv:
        print(table.frame.to_csv(index=False), end="")
    elif as_json:
        print(json.dumps(table.numbers, ensure_ascii=False, indent=2))
    else:
        show_it(console(), table, top)
    if png is not None:
        from . import _tables

        _tables.save(table.figure(), png)
        print(f"wrote {png}", file=sys.stderr if as_csv or as_json else sys.stdout)


def check_format(as_csv: bool, as_json: bool) -> None:
    if as_csv and as_json:
        raise InputError("pass --csv or --json, not both")


def check_writable(path: Path | None) -> None:
    """Raises FileError for a file that cannot be written, before the work is done; a figure is a PNG."""
    from ..io import _safetensors

    if path is None:
        return
    if path.suffix.lower() not in (".png", ".html", ".htm"):
        raise InputError(f"the figure is a PNG: pass --png a name that ends in .png, not {str(path)!r}")
    _safetensors.check_writable(path, f"figure{path.suffix}")


def console(stderr: bool = False) -> Console:
    """A console that escapes control characters of texts, so that only the console itself writes escape sequences."""
    from rich.console import Console
    from rich.segment import Segment

    class EscapingConsole(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else seen(text), style, control)

    return EscapingConsole(highlight=False, stderr=stderr)


def target_of(target: str | None) -> str | int | None:
    return int(target) if target is not None and target.isdigit() else target


def require(lens: Lens, kind: str, what: str, instead: str) -> None:
    if type(lens).__name__ != kind:
        raise InputError(f"{lens.name} does not read {what}; use `{instead} --model {lens.name}`")


def load(model: str) -> Lens:
    with working(f"loading {model}"):
        _quiet()
        import attnlens

        return attnlens.load(model)


def _quiet() -> None:
    """Silences the libraries' progress bars and warnings."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub_logging.set_verbosity_error()


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr during slow work; nothing where stderr is not a terminal."""
    shown = console(stderr=True)
    if not shown.is_terminal:
        yield
        return
    with shown.status(f"{what} …"):
        yield
