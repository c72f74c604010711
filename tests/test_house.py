"""The order of the house: what imports what, what an import loads, and what is public."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import attnlens as al

PACKAGE = Path(al.__file__).parent

STOREYS = (
    {"_palette", "_escaping"},
    {"errors"},
    {"_checks"},
    {"data"},
    {"io", "recorder", "kernels"},
    {"analysis", "models"},
    {"attribution"},
    {"evaluation"},
    {"diagnosis", "circuits"},
    {"lens"},
    {"_loading"},
    {"plots", "bertviz", "corpus"},
    {"widgets"},
    {"reporting", "_app"},
    {"terminal"},
    {"__main__"},
)

UPSTAIRS = {
    ("_checks", "data"): "the check for one trace names the class Trace",
    ("data", "io"): "Trace.save, Trace.load, Trace.to_json and Trace.from_json are where users expect them",
    ("attribution", "plots"): "an attribution draws itself: .plot()",
    ("attribution", "evaluation"): "an explanation says how far its methods agree: .agreement",
}
"""Imports inside a function that go up the house, each with its reason: four at most."""

CHILDREN_OF_CAPTUM = {"attribution/_integrated_gradients.py", "attribution/image/_cam.py"}
"""Modules whose classes extend Captum's own; they are loaded with the first attribution that needs them."""

HEAVY = ("torch", "transformers", "matplotlib", "seaborn", "pandas", "captum", "numpy", "PIL", "safetensors")


@dataclass(frozen=True)
class Import:
    """One import: from a room (module or subpackage of attnlens) to a room, or to another library."""

    file: str
    room: str
    target: str
    ours: bool
    inside: bool
    for_types: bool


def imports_of(path: Path) -> list[Import]:
    """Every import of one file, relative ones resolved to the room that they enter."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room = parts[0] if parts != ("__init__",) else "attnlens"
    found = []

    def add(target: str, ours: bool, inside: bool, for_types: bool) -> None:
        found.append(Import(str(path.relative_to(PACKAGE)), room, target, ours, inside, for_types))

    def visit(node: ast.AST, inside: bool, for_types: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names = alias.name.split(".")
                ours = names[0] == "attnlens"
                add(names[1] if ours and names[1:] else names[0], ours, inside, for_types)
        elif isinstance(node, ast.ImportFrom):
            base = [*("attnlens", *parts)[: len(parts) + 1 - node.level]] if node.level else []
            names = [*base, *(node.module or "").split(".")] if node.module else base
            ours = names[0] == "attnlens"
            if ours and len(names) == 1:
                for alias in node.names:
                    add(alias.name, ours, inside, for_types)
            else:
                add(names[1] if ours else names[0], ours, inside, for_types)
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            visit(child, inside, for_types or checking)

    visit(ast.parse(path.read_text(encoding="utf-8")), False, False)
    return found


IMPORTS = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]
BETWEEN = [i for i in IMPORTS if i.ours and not i.for_types and i.target != i.room and i.room != "attnlens"]


def storey(room: str) -> int:
    """Which storey a room is on; a room that nobody placed fails the test that asks."""
    for number, rooms in enumerate(STOREYS):
        if room in rooms:
            return number
    raise AssertionError(f"attnlens/{room} stands on no storey of tests/test_house.py; give it one")


def test_the_reader_of_imports_finds_them():
    seen = {(i.room, i.target, i.inside) for i in IMPORTS}
    assert ("lens", "models", False) in seen
    assert ("data", "io", True) in seen
    assert ("recorder", "data", False) in seen
    assert ("attribution", "captum", True) in seen
    assert any(i.for_types and (i.room, i.target) == ("attnlens", "lens") for i in IMPORTS)


def test_every_module_stands_on_a_storey():
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" and path.stem != "__init__":
            assert storey(path.stem) >= 0
        elif (path / "__init__.py").is_file():
            assert storey(path.name) >= 0


def test_modules_import_down_the_house():
    for found in BETWEEN:
        if found.inside or found.target == "attnlens" or found.target.startswith("__"):
            continue
        above, below = storey(found.room), storey(found.target)
        assert below < above, f"{found.file} imports {found.target}, which stands above or beside it"


def test_nothing_below_the_lens_names_it():
    """Not in a type either: what needs a model with its tokenizer says what it calls, in a Protocol."""
    floor = storey("lens")
    for found in IMPORTS:
        if found.ours and found.room != "attnlens" and storey(found.room) < floor:
            assert found.target not in ("lens", "_loading"), f"{found.file} names {found.target}"


def test_functions_import_up_only_with_a_reason():
    used = set()
    for found in BETWEEN:
        if not found.inside or found.target == "attnlens":
            continue
        if storey(found.target) >= storey(found.room):
            assert (found.room, found.target) in UPSTAIRS, f"{found.file} imports {found.target} from above"
            used.add((found.room, found.target))
    assert used == set(UPSTAIRS), "a permission that nobody uses any more"
    assert len(UPSTAIRS) <= 4


def test_arguments_are_checked_in_one_place():
    """No other module asks whether an argument is a bool or an integer: `_checks` says it once, for all types."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem == "_checks":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if called == "isinstance":
                kinds = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
                assert not kinds & {"bool", "Integral", "Real"}, where
            assert called not in ("operator.index", "as_index", "index"), where


def test_a_class_name_occurs_once():
    homes: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        where = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert node.name not in homes, f"{node.name} in {homes[node.name]} and {where}"
                homes[node.name] = where


SAY_NOTHING = {"found", "one", "given", "answer", "known", "own"}
"""Names that do not say what a thing is; a local of a few lines may have one."""

DIALECT = (
    "Found", "Asked", "Wish", "Given", "Heard", "Mixture", "Mixed", "Sighting", "Certificate", "TextAnswer",
    "ImageAnswer", "Flip", "Removal", "Looks", "Wishes", "unheard",
)  # fmt: skip
"""Names of things that have the field's names now."""

PHRASES = (
    r"leave (it|them|\S+=) away",
    r"gives? no orders",
    r"asks? nobody",
    r"what it is is",
    r"sp(eak|oke)s? (for|against)",
)
"""Ways of saying it that are not English: omit it, a self-contained page, ..."""


def lasting_names(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, name) of each attribute, parameter, function, class and module-level name that a module defines."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append((node.lineno, node.name))
        elif isinstance(node, ast.arg):
            names.append((node.lineno, node.arg))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.append((node.lineno, node.attr))
        if isinstance(node, (ast.Module, ast.ClassDef)):
            targets = [
                t for s in node.body if isinstance(s, (ast.Assign, ast.AnnAssign)) for t in ast.walk(s)
            ]
            stored = (t for t in targets if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store))
            names += [(target.lineno, target.id) for target in stored]
    return names


def test_names_that_last_say_what_the_thing_is():
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, name in lasting_names(ast.parse(path.read_text(encoding="utf-8"))):
            assert name.strip("_").lower() not in SAY_NOTHING, f"{path}:{line}: {name}"


def test_the_dialect_is_gone():
    root, declared = PACKAGE.parent, re.compile(rf"(class|interface|def|function) ({'|'.join(DIALECT)})\b")
    phrases = re.compile("|".join(PHRASES), re.IGNORECASE)
    written = [*PACKAGE.rglob("*.py"), *(root / "widgets" / "src").rglob("*.ts"), *root.glob("*.md")]
    for path in [*written, *(root / "examples" / "docs").rglob("*.md")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not declared.search(line), f"{path}:{number}: {line}"
            assert not phrases.search(line), f"{path}:{number}: {line}"


def test_the_reader_of_names_finds_them():
    tree = ast.parse("own = 1\nclass Found:\n    known: int\n    def one(self, given): self.answer = given\n")
    assert {name for _, name in lasting_names(tree)} == {
        "own", "Found", "known", "one", "self", "given", "answer",
    }  # fmt: skip


def hidden(module: Path) -> bool:
    return module.stem.startswith("_")


def test_a_module_that_no_user_imports_begins_with_an_underscore():
    """So that no function hides its own module: what is public stands in the `__init__` of its group."""
    public = {path.stem for path in PACKAGE.rglob("*.py") if not hidden(path)}
    assert public == {"errors"}


def test_no_public_name_is_that_of_a_module_or_folder():
    groups = {
        "attnlens": al,
        **{room: getattr(al, room) for room in al.__all__ if inspect.ismodule(getattr(al, room))},
    }
    rooms = {path.stem for path in PACKAGE.rglob("*.py")} | {
        path.parent.name for path in PACKAGE.rglob("*.py")
    }
    for group in groups.values():
        for name in getattr(group, "__all__", ()):
            if not inspect.ismodule(getattr(group, name)):
                assert name not in rooms, f"{group.__name__}.{name} hides a module"


def test_the_top_level_is_the_tour():
    assert len(al.__all__) <= 36
    assert type(al.capture) is type(al.report) is type(hidden)


def test_colours_stand_in_the_palette_alone():
    """Also those of the browser half: a vitest holds them."""
    colour = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|\brgba?\(\s*\d")
    for path in PACKAGE.rglob("*.py"):
        found = colour.findall(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(PACKAGE)} writes {found}: name a role of palette.json"


def test_every_role_of_the_palette_is_explained_and_in_both_themes():
    palette = json.loads((PACKAGE / "palette.json").read_text(encoding="utf-8"))
    assert set(palette["light"]) == set(palette["dark"]) == set(palette["about"]) - {"maps", "heads", "inks"}
    assert len(palette["heads"]["light"]) == len(palette["heads"]["dark"])


def test_no_module_changes_its_class():
    for path in PACKAGE.rglob("*.py"):
        assert "__class__ =" not in path.read_text(encoding="utf-8"), path


def test_a_name_that_moved_one_step_away_says_where_it_is():
    with pytest.raises(AttributeError, match=r"has no attribute 'flow'; it is attnlens.analysis.flow"):
        al.flow  # noqa: B018


def test_the_package_itself_imports_only_its_errors():
    assert {i.target for i in IMPORTS if i.room == "attnlens" and i.ours and not i.for_types} == {"errors"}


@pytest.mark.parametrize(
    ("room", "barred"),
    [
        ("analysis", {"transformers", "tokenizers", "captum", "anywidget", "ipywidgets", "widgets", "matplotlib"}),
        ("data", {"transformers", "captum", "matplotlib"}),
        ("io", {"transformers", "captum", "pickle"}),
        ("widgets", {"transformers", "tokenizers", "captum"}),
        ("plots", {"transformers", "captum"}),
    ],
)  # fmt: skip
def test_what_a_room_knows_nothing_of(room, barred):
    assert not {i.target for i in IMPORTS if i.room == room} & barred


def test_transformers_and_captum_come_when_they_are_needed():
    early = [
        i for i in IMPORTS if i.target in ("transformers", "captum") and not i.inside and not i.for_types
    ]
    assert {found.file for found in early} == CHILDREN_OF_CAPTUM


def loaded_after(code: str) -> set[str]:
    """Which heavy libraries a fresh interpreter holds after running some code."""
    ending = f"\nimport sys; print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("loaded:")[2].split())


def test_importing_attnlens_loads_nothing_heavy():
    assert loaded_after("import attnlens; dir(attnlens); attnlens.AttnlensError; attnlens.errors") == set()


def test_asking_for_help_loads_nothing_heavy():
    code = (
        "import sys, attnlens.terminal._cli\n"
        "sys.argv = ['attnlens', '--help']\n"
        "try:\n    attnlens.terminal._cli.main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert loaded_after(code) == set()


def test_names_load_only_what_they_need():
    loaded = loaded_after(
        "import attnlens; attnlens.Trace, attnlens.rollout, attnlens.load, attnlens.capture; "
        "attnlens.attribution.relevance"
    )
    assert "torch" in loaded
    assert not loaded & {"transformers", "captum", "matplotlib", "seaborn", "pandas"}


def test_every_public_name_can_be_imported_and_explains_itself():
    assert len(set(al.__all__)) == len(al.__all__)
    for name in al.__all__:
        value = getattr(al, name)
        assert len(inspect.getdoc(value) or "") > 20, name
        assert name in dir(al)
    namespace: dict[str, object] = {}
    exec("from attnlens import *", namespace)
    assert set(al.__all__) <= set(namespace)


def test_public_methods_explain_themselves():
    for name in al.__all__:
        value = getattr(al, name)
        for attribute, member in vars(value).items() if inspect.isclass(value) else ():
            if inspect.isfunction(member) and not attribute.startswith("_"):
                assert inspect.getdoc(getattr(value, attribute)), f"{name}.{attribute}"


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'attnlens' has no attribute 'rollot'"):
        al.rollot  # noqa: B018
    assert "rollot" not in dir(al)


def test_names_for_type_checkers_are_the_public_names():
    named = {
        alias.name
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert named == set(al.__all__) - {"AttnlensError", "errors"}
