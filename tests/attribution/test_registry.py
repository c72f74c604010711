"""A method is declared once, and is then a method everywhere: in calls, help, menus, figures and documentation."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import attnlens as al
from attnlens.attribution import IMAGE_METHODS, METHODS, MethodScores, _registry
from attnlens.errors import InputError
from attnlens.terminal import _explanations
from attnlens.terminal._cli import app

ROOT = Path(__file__).parents[2]
TEXT = "a gripping , funny film with one dull stretch ."


def position_of_each(inputs) -> MethodScores:
    """Scores that count, one for every token or pixel."""
    if hasattr(inputs, "end"):
        rows = torch.arange(inputs.end.shape[1], dtype=torch.float64).expand(len(inputs.end), -1)
    else:
        rows = torch.arange(inputs.pixels[0, 0].numel(), dtype=torch.float64).reshape(
            inputs.pixels[:, 0].shape
        )
    return MethodScores(rows, steps=[0] * len(rows), baseline=None)


@pytest.fixture
def counted(monkeypatch):
    """The method above, declared for as long as a test runs."""
    monkeypatch.setattr(
        _registry, "_METHODS", {kind: dict(known) for kind, known in _registry._METHODS.items()}
    )
    al.attribution.method(signed=False, complete=False, needs="gradients", inputs="both", by_default=True)(
        position_of_each
    )
    return position_of_each.__name__


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def image_lens():
    return al.load("cifar")


def test_a_method_that_is_declared_is_in_every_list(counted, lens, image_lens):
    assert counted in METHODS
    assert counted in IMAGE_METHODS
    with pytest.raises(InputError, match=counted):
        lens.attribute(TEXT, method="no such method")
    with pytest.raises(InputError, match=counted):
        image_lens.attribute(al.models.sample_images()["cat"], method="no such method")
    assert counted in CliRunner().invoke(app, ["text", "--help"]).output
    assert counted in al.TokensView(lens, "a film").choices["methods"]
    picture = al.PatchView(image_lens, al.models.sample_images()["cat"], panels=[counted])
    assert counted in picture.offered
    assert counted.replace("_", " ") in lens.explain("a film").names
    assert counted.replace("_", " ") in image_lens.explain(al.models.sample_images()["cat"]).names
    with pytest.raises(InputError, match=counted):  # sensitivity lists what it can run beside the input
        al.evaluation.sensitivity(lens, lens.attribute("a film", method="rollout"))
    assert lens.attribute("a film", method=counted).to_dict()["signed"] is False


def test_what_is_declared_unsigned_is_drawn_without_a_direction(counted, lens, image_lens):
    attribution = lens.attribute("a film", method=counted)
    picture = image_lens.attribute(al.models.sample_images()["cat"], method=counted)
    report = _explanations.explain_text(lens, "a film", None, method=counted)
    console = Console(record=True, width=200)
    _explanations.print_text(console, report)
    written = [attribution._repr_html_(), console.export_text()]
    for figure in (attribution.plot(), picture.plot(), al.plots.attributions([attribution])):
        written += [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    view = al.TokensView(attribution)
    assert view.shown["results"][0]["signed"] is False
    for text in written:
        assert not re.search(r"\bopposes?\b|red against", text), text
    with pytest.raises(InputError, match="normalize=True"):
        al.evaluation.infidelity(lens, attribution)


def test_a_declaration_says_everything():
    everything = {"signed": True, "complete": False, "needs": "gradients", "inputs": "text"}
    for left in everything:
        with pytest.raises(TypeError, match=left):
            al.attribution.method(**{name: value for name, value in everything.items() if name != left})
    with pytest.raises(TypeError, match="needs= must be of gradients, attention"):
        al.attribution.method(**{**everything, "needs": "gradient"})
    with pytest.raises(TypeError, match="inputs= must be text, image or both"):
        al.attribution.method(**{**everything, "inputs": "texts"})


@pytest.mark.parametrize("kind", _registry.INPUTS)
def test_what_is_declared_is_true(kind, lens, image_lens):
    """Unsigned scores have no negative ones; complete ones sum to the change."""
    for name, method in _registry.methods(kind).items():
        if name == "guided_backprop":
            continue
        source, given = (lens, TEXT) if kind == "text" else (image_lens, al.models.sample_images()["cat"])
        options = {"n_samples": 2} if "n_samples" in method.options else {}
        found = source.attribute(given, method=name, **options)
        if not method.signed:
            assert bool((found.scores >= 0).all()), name
            assert found.change is None, name
        else:
            assert found.change is not None, name
        if method.complete:
            assert abs(float(found.scores.double().sum()) - found.change) <= 0.05 * max(
                1, abs(found.change)
            ), name
        assert method.options == [
            p.name for p in inspect.signature(method.run).parameters.values() if p.kind is p.KEYWORD_ONLY
        ]


def row(name: str) -> str:
    """A method as the guide's table has it."""
    kinds = [kind for kind in _registry.INPUTS if name in _registry.methods(kind)]
    method = _registry.methods(kinds[0])[name]
    scores = "signed, sum to the change" if method.complete else "signed" if method.signed else "rank only"
    needs = ", ".join(need for need in _registry.NEEDS if need in method.needs)
    return f"| `{name}` | {', '.join(kinds)} | {scores} | {needs} |"


def test_the_guide_has_every_method_as_it_is_declared():
    guide = (ROOT / "examples" / "docs" / "attributions.md").read_text(encoding="utf-8")
    assert [line for line in map(row, dict.fromkeys([*METHODS, *IMAGE_METHODS])) if line not in guide] == []


def test_docs_name_no_method_that_is_none():
    named = set()
    for path in (ROOT / "README.md", *(ROOT / "examples" / "docs").glob("*.md")):
        named |= set(re.findall(r'method="(\w+)"', path.read_text(encoding="utf-8")))
    assert named <= {*METHODS, *IMAGE_METHODS}


def test_the_same_name_means_the_same_for_texts_and_images():
    for name in set(METHODS) & set(IMAGE_METHODS):
        text, image = (_registry.methods(kind)[name] for kind in _registry.INPUTS)
        assert (text.signed, text.complete, text.needs) == (image.signed, image.complete, image.needs), name


def frames_of_ours(lens, *args, **options) -> int:
    """The most frames of attnlens between a call of `lens.attribute` and the model."""
    most = 0

    def count(module, args) -> None:
        nonlocal most
        files = [frame.filename for frame in traceback.extract_stack()]
        most = max(most, sum(Path(al.__file__).parent in Path(file).parents for file in files))

    hook = lens.model.register_forward_pre_hook(count)
    try:
        lens.attribute(*args, **options)
    finally:
        hook.remove()
    return most


@pytest.mark.parametrize("kind", _registry.INPUTS)
def test_the_way_from_a_call_to_the_model_is_short(kind, lens, image_lens):
    for name, method in _registry.methods(kind).items():
        if name == "guided_backprop" or method.reads_attention or "layer" in method.options:
            continue  # the latter look for their layer, or run a trace, on the way
        source, given = (lens, "a film") if kind == "text" else (image_lens, al.models.sample_images()["cat"])
        options = {"n_samples": 1} if "n_samples" in method.options else {}
        assert 0 < frames_of_ours(source, given, method=name, **options) <= 9, name


def test_declarations_load_no_captum():
    code = "import sys, attnlens as al; al.attribution.METHODS[0]; print('captum' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_task_of_a_model_is_derived_once(monkeypatch):
    """In the lens; nothing below asks again."""
    lens = al.load("sentiment")
    monkeypatch.setattr("attnlens.models._tasks.of", lambda model: pytest.fail("derived again"))
    lens.attribute("a film", method="gradient")
    lens.explain("a film", ["gradient", "rollout"])
    al.faithfulness(lens, lens.attribute("a film", method="gradient_x_input"), n_random=2)
    assert lens.task == "sequence"
