"""How `make docs` builds the site: guides, notebooks with their stored outputs, and the reference from the docstrings.

Docstrings are read as Markdown. The views in the pages are live: those of the notebooks from the state stored with
them, those of `live.md` by its own code, which runs while the site is built.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import re
import types
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, ClassVar, get_origin

import traitlets
from docutils import nodes
from docutils.utils import new_document
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import signature, stringify_signature
from sphinx.util.nodes import make_refnode
from typer.testing import CliRunner

import attnlens as al
from attnlens.data import _axes
from attnlens.reporting._page import Page, room
from attnlens.terminal import _cli

project = "attnlens"
release = al.__version__
extensions = ["sphinx.ext.autodoc", "myst_nb"]
root_doc = "index"
include_patterns = ["index.md", "*.ipynb", "docs/**.md"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name, it in vars(_axes).items() if get_origin(it) is Annotated}
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
nitpicky = True
# What the inputs of a method hold, and what a function of traces needs of a lens: read in the source by who writes one.
nitpick_ignore_regex = [
    ("py:class", r".*\.(EmbeddingForward|PixelForward|TargetScalar|Picture|ModelWithInputs)")
]
smartquotes = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "attnlens"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1c5c9f", "color-brand-content": "#1c5c9f"},
    "dark_css_variables": {"color-brand-primary": "#7ab8f0", "color-brand-content": "#7ab8f0"},
}
pygments_style, pygments_dark_style = "friendly", "github-dark"


# -- docstrings are Markdown --------------------------------------------------------------------------------

NAMES = r"\*{0,2}\w+(?:, \*{0,2}\w+)*"
TRAITS = "Traits to set and to observe:"


class Markdown(SphinxDirective):
    """Its content as Markdown: what `readable` makes of a docstring."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        part = new_document(self.env.doc2path(self.env.docname), self.state.document.settings)
        MystParser().parse("\n".join(self.content), part)
        where = self.env.ref_context.get("py:module"), self.env.ref_context.get("py:class")
        for code in part.findall(nodes.literal):
            code["within"] = ".".join(filter(None, where))
        return part.children


def readable(app: Sphinx, what: str, name: str, it: object, options: object, lines: list[str]) -> None:
    """A docstring with its parameters as a list and its examples as code, a view's traits as attributes, and what a
    dictionary of explanations says."""
    if what == "data" and isinstance(it, dict):
        lines += ["", *(f"`{key}`\n: {told}\n" for key, told in it.items())]
    text, _, traits = "\n".join(lines).partition(TRAITS)
    if what == "class" and it.__init__.__doc__ and "__init__" in vars(it):
        text += f"\n{inspect.getdoc(it.__init__)}"
    lines[:] = ["", ".. markdown::", "", *(f"    {line}" for line in marked(text, parameters(it)))]
    for trait, told in re.findall(r"^ *(\w+): (.*)$", traits, re.M):
        lines += ["", f".. py:attribute:: {trait}", f"   :value: {getattr(it, trait).default()!r}", ""]
        lines += ["   .. markdown::", "", f"       {told}"]
    lines += [""]


def signed(app: Sphinx, what: str, name: str, it: object, *_: object) -> tuple[str, str] | None:
    """The signature of a view is that of its `__init__`, which traitlets hides; a dataclass shows its default lists;
    a method of attribution shows its options alone."""
    made: dict[str, object] = {}
    if what == "class" and issubclass(it, traitlets.HasTraits):
        it = it.__init__
    elif what == "class" and is_dataclass(it):
        made = {one.name: one.default_factory() for one in fields(it) if one.default_factory is not MISSING}
    elif what != "function" or not re.search(r"\.attribution\.(text|image)\._methods\.\w+$", name):
        return None
    found = signature(it, bound_method=inspect.isfunction(it), type_aliases=app.config.autodoc_type_aliases)
    shown = [one for one in found.parameters.values() if one.name[0] != "_"]
    shown = [one for one in shown if what == "class" or one.name != "inputs"]
    shown = [one.replace(default=made.get(one.name, one.default)) for one in shown]
    return stringify_signature(inspect.Signature(shown), unqualified_typehints=True), ""


def parameters(it: object) -> set[str]:
    """What a function or class can be given, and the fields of a dataclass."""
    try:
        return set(inspect.signature(it).parameters)
    except (TypeError, ValueError):
        return set()


def marked(text: str, known: set[str]) -> Iterator[str]:
    """`name: text` as a definition, `>>>` as a block of code, and what it raises as code."""

    def named(names: str) -> bool:
        return set(names.replace("*", "").split(", ")) <= known

    text = re.sub(rf"; ({NAMES}): ", lambda m: f"\n{m[1]}: " if named(m[1]) else m[0], text)
    code = False
    for line in text.split("\n"):
        found = re.match(rf"({NAMES}): *(.*)", line)
        if code != (line.startswith(">>>") or (code and line != "")):
            code = not code
            yield from ["```pycon"] if code else ["```", ""]
        if found and not code and named(found[1]):
            yield from ("", ", ".join(f"`{one}`" for one in found[1].split(", ")), f": {found[2]}")
        else:
            yield re.sub(r"\b\w+Error\b", r"`\g<0>`", line) if line.startswith("Raises ") else line
    if code:
        yield "```"


class Links(SphinxPostTransform):
    """Code that names a page or something of the reference links to it: `09_widgets.ipynb`, `al.rollout(trace)`."""

    default_priority = 5

    def run(self) -> None:
        for code in list(self.document.findall(nodes.literal)):
            place = self.place(code.astext(), code.get("within", "attnlens"))
            if place and not isinstance(code.parent, nodes.reference | nodes.title | nodes.term):
                link = make_refnode(self.app.builder, self.env.docname, *place, code.deepcopy())
                code.replace_self(link)

    def place(self, text: str, within: str) -> tuple[str, str] | None:
        """(page, place in it); of `trace.save` that of `Trace.save`, of `trace.tokens` that of `Trace`."""
        page = re.sub(r"^examples/|\.(ipynb|md)$", "", text)
        if page in self.env.found_docs:
            return page, ""
        name = re.sub(r"^(al|attnlens)\.|\(.*\)$", "", text)
        kind, dot, rest = name.partition(".")
        names = [f"{within}.{name}", f"attnlens.{name}"]
        if dot:
            names += [f"attnlens.{kind.capitalize()}.{rest}", f"attnlens.{kind.capitalize()}"]
        known = self.env.domains.python_domain.objects
        found = next((known[one] for one in names if one in known), None) or classes(self.env).get(name)
        return (found.docname, found.node_id) if found else None


def classes(env: BuildEnvironment) -> dict[str, ObjectEntry]:
    """The classes of the reference by their names alone."""
    known = env.domains.python_domain.objects
    return {name.rpartition(".")[2]: it for name, it in known.items() if it.objtype in ("class", "exception")}


def elsewhere(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, text: nodes.Element
) -> nodes.Node | None:
    """A type by the name under which it is documented; that of another library as text, without a link."""
    name = node.get("reftarget", "")
    found = classes(env).get(name.rpartition(".")[2])
    if found and (name.startswith("attnlens.") or "." not in name):
        return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, text)
    foreign = node.get("refdomain") == "py" and not name.startswith("attnlens.")
    return text if foreign else None


# -- what is made while the site is built -------------------------------------------------------------------


class Commands(SphinxDirective):
    """A section for every command of the command line, as it explains itself."""

    def run(self) -> list[nodes.Node]:
        ask = CliRunner()
        sections = []
        for name in ("", *(one.name or one.callback.__name__ for one in _cli.app.registered_commands)):
            words = [*filter(None, [name]), "--help"]
            told = ask.invoke(_cli.app, words, prog_name="attnlens", catch_exceptions=False).output
            title = f"attnlens {name}".strip()
            section = nodes.section(ids=[nodes.make_id(title)], names=[title])
            section += [nodes.title(text=title), nodes.literal_block(told, told, language="text")]
            sections.append(section)
        return sections


class Live(SphinxDirective):
    """A page that the code of `live.md` wrote, in a frame."""

    required_arguments = 1
    option_spec: ClassVar = {"height": int}

    def run(self) -> list[nodes.Node]:
        page = f"../live/{self.arguments[0]}"
        link = f'<p><a href="{page}">Open this page by itself</a></p>'
        return [nodes.raw("", framed(page, self.options["height"]) + link, format="html")]


STATE, VIEW = (f"application/vnd.jupyter.widget-{what}+json" for what in ("state", "view"))
"""What a notebook calls the state of its widgets, and the place of one among its outputs."""

HEIGHTS = {"CompareView": 1370, "HeadsView": 500, "PatchView": 1000, "TokensView": 370}
"""Pixels of each view in a column of the site, where a browser does not tell: pages that are files are strangers."""


def height(state: dict) -> int:
    """Of a view that is stored: lines of attention take as much as there are tokens."""
    name = state["_anywidget_id"].rpartition(".")[2]
    if name != "AttentionView":
        return HEIGHTS[name]
    lines = max(layer["queries"] for layer in state["trace"]["layers"])
    return 720 if state["mode"] == "matrix" else 170 + 20 * lines


def framed(page: str, height: int) -> str:
    """A frame; a browser that lets it look inside gives it the height that it needs."""
    fit = "const body = this.contentDocument?.body, fit = () => (this.height = body.scrollHeight + 2)"
    told = f'title="Views" loading="lazy" onload="{fit}; body && new ResizeObserver(fit).observe(body)"'
    return f'<iframe class="live" src="{page}" height="{height}" {told}></iframe>'


def folder(app: Sphinx) -> Path:
    """Where the pages with views are."""
    found = Path(app.outdir) / "live"
    found.mkdir(parents=True, exist_ok=True)
    return found


def written(app: Sphinx) -> None:
    """Runs the code of `live.md`, which writes the pages that it shows."""
    here, text = Path.cwd(), (Path(app.confdir) / "live.md").read_text(encoding="utf-8")
    os.chdir(folder(app))
    try:
        space: dict = {}
        for block in re.findall(r"```python\n(.*?)```", text, re.S):
            exec(compile(block, "live.md", "exec"), space)
    finally:
        os.chdir(here)


def enliven(app: Sphinx, docname: str, source: list[str]) -> None:
    """Widgets of a notebook become frames with the views of its stored state; those that are no view go."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    models = notebook["metadata"].pop("widgets", {}).get(STATE, {}).get("state", {})
    for number, cell in enumerate(notebook["cells"]):
        for place, output in enumerate(cell.get("outputs", ())):
            shown = output.get("data", {}).get(VIEW)
            if shown:
                views = list(inside(models, shown["model_id"]))
                output["data"] = {"text/html": frame(app, f"{docname}-{number}-{place}.html", models, views)}
    source[0] = json.dumps(notebook)


def inside(models: dict, name: str) -> Iterator[str]:
    """The views in a widget that are stored: itself, or those in its boxes."""
    name = name.removeprefix("IPY_MODEL_")
    model = models.get(name, {"model_module": "", "state": {}})
    if model["model_module"] == "anywidget":
        yield name
    for child in model["state"].get("children", ()):
        yield from inside(models, child)


def frame(app: Sphinx, name: str, models: dict, views: list[str]) -> str:
    """A page of these views beside the site's, and the HTML that shows it; "" where there is none."""
    if not views:
        return ""
    page, numbers = Page(), {}
    heights = [height(models[view]["state"]) for view in views]
    for view in views:
        state = dict(models[view]["state"])
        for held in models[view].get("buffers", ()):
            state[held["path"][0]] = base64.b64decode(held["data"])
        numbers[view] = page.place(types.SimpleNamespace(traits=lambda state=state, **_: state, **state))
    for link in (model["state"] for model in models.values() if model["model_name"] == "LinkModel"):
        (first, one), (second, other) = link["source"], link["target"]
        first, second = first.removeprefix("IPY_MODEL_"), second.removeprefix("IPY_MODEL_")
        if first in numbers and second in numbers:
            page.link(numbers[first], one, numbers[second], other)
    (folder(app) / name).write_bytes(page.written(name, "\n".join(map(room, numbers.values(), heights))))
    return framed(f"live/{name}", 60 + sum(heights))


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.add_directive("markdown", Markdown)
    app.add_directive("commands", Commands)
    app.add_directive("live", Live)
    app.add_post_transform(Links)
    app.connect("builder-inited", written)
    app.connect("source-read", enliven)
    app.connect("missing-reference", elsewhere)
    app.connect("autodoc-process-docstring", readable)
    app.connect("autodoc-process-signature", signed)
