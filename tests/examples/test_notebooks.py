"""The notebooks run as they are, and what their prose says is what they print."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def printed(cell: nbformat.NotebookNode) -> str:
    """What a cell answered, as plain text."""
    outputs = cell.get("outputs", ())
    return "".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook by the beginning of its name, run anew in an empty folder; each is run once."""
    done: dict[str, nbformat.NotebookNode] = {}

    def run(name: str) -> nbformat.NotebookNode:
        if name not in done:
            (path,) = EXAMPLES.glob(f"{name}*.ipynb")
            notebook = nbformat.read(path, as_version=4)
            folder = {"metadata": {"path": str(tmp_path_factory.mktemp(name))}}
            done[name] = NotebookClient(
                notebook, timeout=600, kernel_name="python3", resources=folder
            ).execute()
        return done[name]

    return run


def tagged(notebook: nbformat.NotebookNode) -> dict[str, str]:
    return {tag: printed(cell) for cell in notebook.cells for tag in cell.metadata.get("tags", ())}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_what_is_stored_is_clean(path):
    """Its outputs are there for whoever reads it on the web, without traces of the machine that made them."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not re.search(r"Warning|Traceback|/home/|/root/|site-packages", path.read_text(encoding="utf-8"))


def test_comparing_heads(executed):
    """02: three heads watch negation and the model does without them; a trained class token attends to the middle."""
    said = tagged(executed("02"))
    watchers = said["watchers"].splitlines()[2:]
    assert [line.split()[-4] for line in watchers[:1]] == ["9"]
    assert re.match(r"3\s+9\s+0\.5\d\d\s+0\.1\d\d\s+0\.3\d\d", watchers[0])
    assert re.match(r"5\s+9", watchers[1])
    assert re.match(r"\s+4", watchers[2])
    assert re.search(r"^0\s+5\s+9 .* 0\.5", said["dull"], re.M)
    answers = re.findall(r"(negative|positive) \(.*?\) -> (negative|positive)", said["ablated"])
    assert len(answers) == 8
    assert all(before == after for before, after in answers)
    assert re.search("for negative: dull .*\nfor positive: funny ", said["relevance"])
    even = dict(re.findall(r"^(untrained|trained) +0 +(4\.\d+)", said["minivit"], re.M))
    assert 4.174 > float(even["trained"]) > float(even["untrained"])
    shares = re.findall(r"^(\w+) +(0\.\d+) +(0\.\d+)$", said["middle"], re.M)
    assert len(shares) == 4
    assert all(float(before) < 0.25 < 0.3 < float(after) for _, before, after in shares)
    assert re.findall(r"-> (\w+ \(.*?\))", said["blind"]) == ["cat (0.91)"] * 4


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def row_of(table: str, name: str) -> list[float]:
    """The numbers of a table's row."""
    return numbers(re.search(rf"^{re.escape(name)} .*", table, re.M)[0])


def test_debugging_sentiment(executed):
    """04: 'delight' outvotes 'missing'; a rewritten sentence confirms one flip and casts doubt on the other."""
    said = tagged(executed("04"))
    assert said["wrong"] == "positive (0.93)\n"
    assert len(set(re.findall(r"sum (0\.\d+)", said["pieces"]))) == 1
    spontaneity = numbers(said["pieces"])[:4]
    assert min(spontaneity) < -0.1 < abs(sum(spontaneity)) - 0.1 < 0.1 < max(spontaneity)
    for words in (
        "'delight' has 80%",
        "The strongest evidence for negative is 'missing'",
        "Without 'is' the model predicts negative",
    ):
        assert words in said["diagnosis"]
    answers = re.findall(r"(negative|positive) \(0\.\d\d\)", said["rewritten"])
    assert answers == [{"n": "negative", "p": "positive"}[one] for one in "pnpnnnpnn"]
    table = {name: row_of(said["baselines"], name) for name in ("missing", "is", "originality", "delight")}
    assert max(table["missing"]) < 0 < min(table["delight"])
    assert [-a > b for a, b in zip(table["missing"], table["delight"])] == [False, True, True, True]
    assert all(min(table[name]) < 0 < max(table[name]) for name in ("is", "originality"))
    assert [row_of(said["baselines"], name)[1] > 0 for name in ("pad", "mask", "zero", "mean")] == [
        1,
        1,
        0,
        0,
    ]
    agreed = [numbers(line)[-2:] for line in said["agreement"].splitlines()[1:]]
    assert agreed[1] == [0.74, 1.0] == max(agreed)
    assert [agreed[0][0], agreed[3][0]] == [0.2, 0.12]
    whole, drop = (
        re.findall(rf"^{name} +(.*)", said["faithful"], re.M) for name in ("comprehensiveness", "deletion")
    )
    for parts, order in ((whole, 1), (drop, -1)):
        values = [value for part in parts for value in numbers(part)]
        away = [order * (one - (0.18 if order > 0 else 0.75)) for one in values]
        spread = 0.25 if order > 0 else 0.2
        assert away[0] > 2 * spread < away[2]
        assert 0.95 * spread <= away[1] < 2 * spread
    assert row_of(said["gaps"], "3 steps")[0] == pytest.approx(0.62, abs=0.005)
    assert re.findall(r"False|True", said["gaps"]) == ["False", "False", "True", "True"]
    wrong = said["wrong ones"].splitlines()[1:]
    assert all(line.split()[1] != line.split()[3] for line in wrong)
    words = ("delight", "excitement", "fun", "oh", "glum", "old-form")
    assert all(
        re.search(rf"\w {word} \+", re.sub(r" +", " ", line)) for word, line in zip(words, wrong, strict=True)
    )
    balance = [numbers(line)[1:3] for line in wrong]
    assert all(abs(supports + opposes) < 0.4 for supports, opposes in balance[-2:])
    assert max(map(abs, balance[3])) < 0.5


def test_a_misclassified_image(executed):
    """06: a deer is taken for a bird by its colours, which a blur keeps; a flip by blurring cells leads elsewhere."""
    said = tagged(executed("06"))
    top = [line.split()[2] for line in said["top"].splitlines()[1:4]]
    assert top == ["bird", "cat", "deer"]
    assert re.search(r"3 +deer +-0\.0\d+ +0\.027 +True", said["top"])
    for words in (
        "deer is number 3 of 10",
        "The strongest evidence for deer is cell (0, 5)",
        "the model predicts cat",
    ):
        assert words in said["diagnosis"]
    logit, blurred = numbers(said["shares"].splitlines()[0])[:2]
    assert 0.9 * logit < blurred < logit
    shares = [int(share) for share in re.findall(r"(\d+)% of the scores", said["shares"])]
    assert shares == pytest.approx([80] * 3, abs=3)
    assert numbers(said["shares"])[-1] == pytest.approx(-0.39, abs=0.02)
    shares = [
        [int(share) for share in re.findall(r"(\d+)%", line)] for line in said["attention"].splitlines()
    ]
    assert shares[0][:2] == pytest.approx([5, 56], abs=1)
    assert shares[1][:2] == pytest.approx([30, 29], abs=1)
    tries = dict(re.findall(r"^(.*?) +(\w+) \(0", said["tries"], re.M))
    assert tries.pop("without the four cells") == "cat"
    assert len(tries) == 7
    assert set(tries.values()) == {"bird"}
    deer = {line[:16]: numbers(line)[-1] for line in said["tries"].splitlines()}
    assert deer["without the head"] == min(deer.values()) < deer["as it is        "]
    colours = dict(re.findall(r"^(.*?) +(\w+) \(0", said["colours"], re.M))
    assert colours == {
        "in colour": "bird", "grey": "deer", "the animal grey": "deer", "all but the animal grey": "bird"
    }  # fmt: skip
    bird = [numbers(line)[1] for line in said["colours"].splitlines()]
    assert bird[3] == pytest.approx(bird[0] / 2, abs=0.02)
    pairs = re.findall(r"^(\w+) +(\w+) \(.*in grey: (\w+)", said["others"], re.M)
    assert [name for name, before, after in pairs if before != after] == ["deer_upright"]
    assert len(pairs) == 13
    table = {line.split()[0]: numbers(line) for line in said["faithful"].splitlines()[1:]}
    for name, order in (("comprehensiveness", 1), ("deletion", -1)):
        chance, spread = (np.array(table[name + part]) for part in ("_random", "_random_std"))
        blur, black, attention = order * (table[name] - chance) / spread
        assert blur > 3 > 1 > abs(attention)
        assert black < 0
    assert table["deletion"][1] > table["deletion_random"][1]
    assert abs(table["comprehensiveness"][1]) < 0.01


def test_explaining_an_image(executed):
    """05: for a Transformer and a ResNet, blur is faithful to blurring and the gradient worse than chance; they agree
    on where the horse is, less on what supports it."""
    said = tagged(executed("05"))
    assert said["predicted"] == "'horse'"
    smooth = {(line.split()[1], line.split()[2]): numbers(line) for line in said["smooth"].splitlines()[1:]}
    assert smooth["10,", "100"] == pytest.approx([0.75, 0.49], abs=0.02)
    assert smooth["50,", "100"][1] == pytest.approx(0.77, abs=0.02)
    cells = [tuple(map(int, pair)) for pair in re.findall(r"\((\d), (\d)\)", said["brightest"])]
    assert len(cells) == 3
    assert all(row <= 3 and col >= 5 for row, col in cells)
    paths, pairs = said["baselines"].split("first")
    assert re.findall("True|False", paths) == ["True"] * 4
    assert row_of(paths, "blur")[:2] == pytest.approx([4.46, 1.2], abs=0.02)
    agreed = [numbers(line)[0] for line in pairs.splitlines()[1:7]]
    assert agreed[0] == pytest.approx(-0.75, abs=0.02)
    assert max(map(abs, agreed[1:])) < 0.2
    chance, spread = (np.array(numbers(line)) for line in said["faithful"].splitlines()[-2:])
    better = np.array([1, -1, 1])
    rows = [numbers(line) for line in said["faithful"].splitlines()[1:-2]]
    above = better * (np.array(rows) - chance)
    gradient, _, smoothgrad, cam, cam_plus, _, _, blur = above
    assert (gradient < 0).all()
    assert smoothgrad[1] < 0
    assert (np.array([cam, cam_plus, blur]) > spread).all()
    assert (above[-1] >= above.max(0) - 0.015).all()  # the table has two digits
    layers = {line.split()[0]: numbers(line) for line in said["sanity"].splitlines()[2:]}
    first_block = layers["vit.layers.0"]
    assert first_block[0] > 0.3
    assert abs(first_block[1]) < 0.1
    assert all(abs(cam) < 0.3 for name, (_, cam) in layers.items() if name != "head")
    assert said["network"].startswith("horse (0.94)\n")
    assert re.findall("True|False", said["network"]) == ["True"] * 4
    assert "none was recorded in ResNetForImageClassification" in said["network"]
    alike = {line[:32].strip(): float(line[32:]) for line in said["likeness"].splitlines()}
    where = ["SmoothGrad", "Grad-CAM++", "Grad-CAM", "gradient"]
    assert sorted(alike, key=alike.get, reverse=True) == [*where, *sorted(alike.keys() - {*where})[::-1]]
    assert [alike[name] > 0.45 for name in alike] == [name in where for name in alike]
    assert alike["gradient x input"] < 0.15
    chance, spread = (np.array(numbers(line)) for line in said["faithful network"].splitlines()[-2:])
    rows = [numbers(line) for line in said["faithful network"].splitlines()[1:-2]]
    above = better * (np.array(rows) - chance)
    assert (above[-1] >= above.max(0) - 0.015).all()  # the table has two digits
    assert (above[0][:2] < -spread[:2]).all()
    assert rows[-1][0] / rows[1][0] == pytest.approx(1.2, abs=0.1)


def test_views_composed_with_ipywidgets(executed):
    """09: a click reaches Python, one other word changes a head of the last layer, and new text is followed."""
    said = tagged(executed("09"))
    assert said["told"] == "layer 0, head 2: previous 1.00, entropy 0.01\n"
    assert re.fullmatch(r"5 6 0\.5\d\n", said["differs"])
    assert said["follows"].splitlines()[0] == "[CLS] not a dull moment in it . [SEP]"
    assert said["follows"].splitlines()[1].startswith("positive (0.9")
    states = executed("09").metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert sum("_esm" in state["state"] for state in states.values()) >= 8  # the views are saved with it


def test_first_steps(executed):
    """01: the head attends to the next token, and the model agrees with its explanation."""
    said = tagged(executed("01"))
    assert re.search(r"film\s+0\.6\d\d", said["row"])
    assert [line.split()[0] for line in said["rollout"].splitlines()] == [
        "[CLS]",
        "[SEP]",
        ".",
        "dull",
        "gripping",
    ]
    assert re.search(
        r"sum -0\.1\d\d, change of the logit -0\.107, gap \d\.\d\d%\nTrue \d+", said["attribution"]
    )
    assert [line.split()[0] for line in said["versions"].splitlines()] == ["positive", "positive", "negative"]


def test_language_models(executed):
    """10: nothing comes from later, heads share keys, and a long text is kept as factors."""
    said = tagged(executed("10"))
    assert "later: 0.0\n" in said["causal"]
    assert said["causal"].count("True") == 1
    assert said["reader"].split()[:2] == ["21", "21"]
    assert "queries [8, 22, 32] keys [2, 22, 32]" in said["shared"]
    assert "shared key: True" in said["shared"]
    factors, weights = (float(part.replace(",", "")) for part in re.findall(r"([\d,]+) MB as", said["long"]))
    assert weights > 50 * factors
    assert said["next"].startswith("predicted next: ']'")
    assert "nearest 22" in said["gpt2"]


def test_minivit(executed):
    """03: it learns, the embedded weights are better, attention narrows with training, and JSON keeps it."""
    said = tagged(executed("03"))
    assert re.match(r"\d+ pictures to train on, \d+ held out", said["data"])
    young, embedded = (float(part) for part in re.findall(r"0\.\d+|1\.0+", said["accuracy"]))
    assert embedded >= max(0.68, young)
    even, untrained, trained = (float(part) for part in re.findall(r"\d\.\d+", said["spread"]))
    assert trained < untrained <= even + 1e-3
    assert re.search(r"characters, \(1, 65, 65\), differs by (0|\de-0[678])", said["json"])


def test_attention_word_by_word(executed):
    """07: most tokens attend most to [CLS]; without special tokens all but one attend to the word that opposes."""
    said = tagged(executed("07"))
    assert [line.split()[2] for line in said["most"].splitlines()].count("[CLS]") == 9
    attended = {line.split()[0]: line.split()[2] for line in said["ordinary"].splitlines()}
    assert {token for token, other in attended.items() if other != "dull"} == {"film"}
    assert re.search(r"0\s+2\s+1\.00?", said["previous"])


def test_your_own_model(executed):
    """08: three lines record a hand-written module, which predicts as without them; what cannot be recorded raises."""
    said = tagged(executed("08"))
    assert "Trace of Tagger: 9 tokens, 2 layers x 4 heads" in said["trace"]
    assert said["equal"] == "True\n"
    assert said["encoder"] == "[(4, 9, 9), (4, 5, 5)]\n"
    assert "TorchScript" in said["missed"]


def test_a_data_set(executed):
    """11: the model errs on a joke; two heads attend to "but", and on new sentences it misses them only together."""
    said = tagged(executed("11"))
    assert "on 96 inputs: 87.5% right" in said["audit"]
    errors = said["errors"].splitlines()[1:]
    assert "popcorn" in errors[0]
    turned = ("weak", "shame", "fake", "ordinary", "hurt", "worst")
    assert [word for word in turned if not any(word in line and "positive" in line for line in errors)] == []
    best, *rest = numbers(re.search(r"strongest: best .*", said["explained"])[0])
    assert best > sum(rest)
    assert [numbers(line)[-1] for line in said["slices"].splitlines()[-3:]] == [0.15, 0.36, 0.15]
    assert re.search(r"positive +not +5 +0\.60 +0\.23 +0\.88 +0\.0", said["words"])
    assert re.search(r"^class +67$", said["patterns"], re.M)
    heads = [line.split()[1:4] for line in said["others"].splitlines()[1:]]
    assert heads == [
        ["0", "2", "previous"],
        ["0", "3", "separator"],
        ["0", "5", "previous"],
        ["1", "8", "next"],
    ]
    assert all(re.search(rf" {row}$", said["search"], re.M) for row in ("2 +3 +9", "3 +0 +10"))
    assert said["examples"].count("-> but ") == 9
    assert all(re.search(rf"^\d+ +{head} +, +but ", said["pairs"], re.M) for head in ("2 +3", "3 +0", "1 +8"))
    weights = row_of(said["changed"], "mean")
    assert weights == pytest.approx([0.76, 0.25, 0.16], abs=0.01)
    assert max(numbers(line)[0] for line in said["ablations"].splitlines()[1:]) <= 0.0209
    pairs = said["together"].splitlines()[1:]
    assert pairs[0].split()[1:5] == ["2", "3", "3", "0"]
    assert numbers(pairs[0])[-1] > 2 * numbers(pairs[2])[-1]
    (one, _), (other, _), (both, without) = (numbers(line) for line in said["fresh"].splitlines()[-3:])
    assert both > 8 * (one + other)
    assert without < 0.001
