"""Makes the pictures of README and guides: `python examples/pictures/make.py`, or some: `... make.py heads demo`.

Figures are saved as they are; views are photographed in Chromium, from the pages that `al.report` writes.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import nbformat

matplotlib.use("Agg")

from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright
from rich.console import Console
from rich.text import Text

import attnlens as al

HERE = Path(__file__).parent
LIMIT = 118_000
"""Bytes beyond which a picture is stored in 256 colours."""

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

TEXT = "one dull stretch , but a gripping , funny film ."
PAIR = ["a gripping , funny film .", "a gripping , dull film ."]

SIDE_BY_SIDE = """() => {
    const others = "header, footer, .name, .given, .about, .notes";
    document.querySelectorAll(others).forEach((it) => (it.style.display = "none"));
    const main = document.querySelector("main"), part = document.querySelector(".views");
    document.body.style.background = "#fff";
    main.style.cssText = "max-width: none; padding: 12px";
    part.style.cssText = "display: grid; grid-template-columns: 770px 655px; gap: 10px; margin: 0";
    part.lastElementChild.style.cssText += "; grid-column: 1 / 3; order: -1";
}"""
"""Puts the three views of a sentence beside each other, as boxes of ipywidgets do."""

TWO_COLUMNS = """() => {
    const others = "header, nav, footer, h2, h3, .given, .about, .notes";
    document.querySelectorAll(others).forEach((it) => (it.style.display = "none"));
    document.body.style.background = "#fff";
    document.querySelector("main").style.cssText = "display: grid; grid-template-columns: 655px 640px; gap: 10px;" +
        "max-width: none; width: max-content; padding: 12px";
    document.querySelectorAll("section.part").forEach((it) => (it.style.cssText = "margin: 0; padding: 0; border: 0"));
}"""
"""Puts the sections of two inputs beside each other."""


def store(path: Path) -> None:
    """Rewrites a picture so that it is small."""
    image = Image.open(path).convert("RGB")
    image.save(path, optimize=True)
    for method in (
        Image.Quantize.MEDIANCUT,
        Image.Quantize.MAXCOVERAGE,
    ):  # of which the first keeps pale hues
        if path.stat().st_size > LIMIT:
            image.quantize(256, method, kmeans=10, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {image.width} x {image.height}, {path.stat().st_size / 1000:.0f} kB")


def save(figure: Figure, name: str, dpi: int) -> None:
    figure.savefig(HERE / name, dpi=dpi)
    store(HERE / name)


@contextmanager
def opened(page: Path, width: int, scale: float, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """A page in Chromium; scale: pixels of the picture for one of the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        shown = browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
        )
        shown.goto(page.as_uri())
        shown.wait_for_timeout(2000)
        yield shown
        browser.close()


def photograph(it: Page | Locator, name: str, end: Locator | None = None) -> None:
    """A page, down to the end of an element; or an element with a margin around it."""
    page = it.page if isinstance(it, Locator) else it
    page.wait_for_timeout(800)
    if isinstance(it, Locator):
        it.evaluate("it => (it.style.padding = '10px')")
        it.screenshot(path=HERE / name)
    else:
        size = page.viewport_size
        high = size["height"] if end is None else end.evaluate("it => it.getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": size["width"], "height": high}
        page.screenshot(path=HERE / name, clip=clip, full_page=True)
    store(HERE / name)


def view(page: Page) -> Locator:
    """The first view of a report."""
    return page.locator("section.part:not(.notes)").last.locator("[data-view]").first


# -- the pictures -------------------------------------------------------------------------------------------


def first(folder: Path) -> None:
    """An attribution above every head and the attention of one."""
    page = al.report(al.load("sentiment"), TEXT, folder / "page.html")
    with opened(Path(page), 1485, 1.3) as shown:
        shown.evaluate(SIDE_BY_SIDE)
        photograph(shown.locator(".views"), "first.png")


def explain(folder: Path) -> None:
    methods = ["integrated_gradients", "leave_one_out", "relevance"]
    save(al.load("sentiment").explain(TEXT, methods, "positive").plot(), "explain.png", 190)


def heads(folder: Path) -> None:
    page = al.report(al.load("sentiment").trace(TEXT), path=folder / "page.html", views="heads")
    with opened(Path(page), 860, 1.6) as shown:
        view(shown).locator("select").select_option(label="entropy")
        photograph(view(shown), "heads.png")


def attention(folder: Path) -> None:
    traces = [al.load("sentiment").trace(TEXT)] * 2
    page = al.report(traces, path=folder / "page.html", views="attention")
    with opened(Path(page), 1345, 1.15) as shown:
        shown.evaluate(TWO_COLUMNS)
        view(shown).get_by_role("button", name="matrix").click()
        photograph(shown.locator("main"), "attention.png")


def compare(folder: Path) -> None:
    page = al.report(al.load("sentiment"), PAIR, folder / "page.html", views="compare")
    with opened(Path(page), 1330, 1.2) as shown:
        shown.evaluate("() => (document.querySelector('main').style.maxWidth = 'none')")
        photograph(view(shown), "compare.png")


def patches(folder: Path) -> None:
    picture = al.models.sample_images()["chelsea"]
    page = al.report(al.load("cifar"), picture, folder / "page.html", views="patches")
    with opened(Path(page), 1000, 1.6) as shown:
        photograph(view(shown), "patches.png")


def methods(folder: Path) -> None:
    names = ["smoothgrad", "grad_cam_plus_plus", "relevance", "occlusion"]
    picture = al.models.sample_images()["chelsea"]
    save(al.attribution.compare_methods(al.load("cifar"), picture, names).plot(), "methods.png", 118)


def module(folder: Path) -> None:
    lens = al.load("minivit")
    lens = al.Lens(lens.model, patches=(8, 8), labels=lens.labels)
    save(al.plots.patches(lens.trace(al.models.sample_images()["chelsea"])), "module.png", 140)


def faithfulness(folder: Path) -> None:
    lens, names = al.load("sentiment"), ("integrated_gradients", "gradient")
    attributions = [lens.attribute(TEXT, "positive", method=name) for name in names]
    save(al.plots.faithfulness(al.evaluation.curves(lens, attributions)), "faithfulness.png", 140)


def report(folder: Path) -> None:
    page = al.report(al.load("sentiment"), TEXT, folder / "page.html")
    with opened(Path(page), 1600, 1.0, height=1200, dark=True) as shown:
        photograph(shown, "report.png")


def audit(folder: Path) -> None:
    made = al.audit(al.load("sentiment"), reviews(), input="sentence", label="label", progress=False)
    with opened(made.report(folder / "page.html"), 1000, 1.4, height=900) as shown:
        photograph(shown, "audit.png", shown.locator("#errors > tbody > tr").nth(5))


def head_pages(folder: Path) -> None:
    """The page of all heads, at one that attends to "but"."""
    lens = al.load("sentiment")
    pages = al.head_pages(lens, reviews(), input="sentence", label="label", progress=False)
    with opened(pages.report(folder / "page.html"), 1000, 1.4, height=1074) as shown:
        shown.get_by_role("gridcell", name="layer 2, head 3:").click()
        shown.get_by_label("Colour of the squares").select_option(label="loss change")
        shown.evaluate("scrollTo(0, 0)")
        shown.mouse.move(2, 2)
        photograph(shown, "head_pages.png", shown.locator(".example").nth(2))


def reviews() -> list[dict[str, str]]:
    """The sentences of the notebook about a data set."""
    cells = nbformat.read(HERE.parent / "11_a_data_set.ipynb", as_version=4).cells
    space = {"random": random}
    exec(next(cell.source for cell in cells if "reviews" in cell.metadata.get("tags", ())), space)
    return space["reviews"]


def demo(folder: Path) -> None:
    """What `attnlens demo` prints, without its progress and the files it wrote."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "COLUMNS": "104"}
    command = [sys.executable, "-m", "attnlens", "demo", "--out", folder / "demo"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    printed = printed.partition("\nwrote ")[0].rstrip()
    console = Console(record=True, width=104, file=(folder / "ignored").open("w"))
    console.print(Text.from_ansi(printed))
    page = folder / "page.html"
    svg = console.export_svg(title="attnlens demo").replace("Fira Code", "DejaVu Sans Mono")
    page.write_text(f'<meta charset="utf-8"><body style="margin: 0">{svg}', encoding="utf-8")
    with opened(page, 1100, 1.2) as shown:
        photograph(shown.locator("svg").first, "demo.png")


PICTURES: dict[str, Callable[[Path], None]] = {
    made.__name__: made
    for made in (
        first,
        explain,
        heads,
        attention,
        compare,
        patches,
        methods,
        module,
        faithfulness,
        report,
        audit,
        head_pages,
        demo,
    )
}


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            PICTURES[name](Path(folder))
