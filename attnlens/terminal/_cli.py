"""The command line: `attnlens demo`, `text`, `image`, `debug`, `heads`, `compare`, `report`, `app`, `audit` and `info`.

Heavy libraries are imported inside the commands, so that `attnlens --help` is fast. Results go to stdout, in colour
unless it is a pipe or NO_COLOR is set; `--json` prints JSON and nothing else; progress and errors go to stderr. Wrong
input ends with a one-line message and exit code 2.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from .. import __version__
from .._escaping import seen
from ..errors import AttnlensError, InputError
from . import _output

app = typer.Typer(
    help="See what a Transformer attends to, and why it decided as it did.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Model = Annotated[str, typer.Option("--model", "-m", help="embedded model, local folder, or hub id")]
# Typer bundles click or uses the installed one: the class of usage errors has no public name.
UsageError = typer.BadParameter.__base__

AsJson = Annotated[bool, typer.Option("--json", help="print JSON and nothing else")]
Window = Annotated[
    int | None, typer.Option(help="read a text that is too long for the model in windows of this many tokens")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="print every row as CSV and nothing else")]
Png = Annotated[Path | None, typer.Option("--png", help="write a figure to this file")]
Top = Annotated[int, typer.Option(min=1, help="how many heads to print")]
File = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="read the texts of this file: .txt, .csv, .tsv, .jsonl or .parquet"),
]
Column = Annotated[
    str | None,
    typer.Option("--column", "--text", "--input", help="the column of a table that holds the texts"),
]

Engine = Annotated[str, typer.Option(help="of a data set: local, or ray, a pool of workers on Ray Data")]
Address = Annotated[str | None, typer.Option(help="with --engine ray: a cluster to join")]
Gpus = Annotated[float, typer.Option(help="with --engine ray: GPUs of each worker", min=0)]


def main() -> None:
    """Runs the command line; `--debug`, before any `--`, shows the traceback of an error."""
    debug, arguments = _without_debug(sys.argv[1:])
    _streams()
    try:
        code = app(arguments or ["--help"], prog_name="attnlens", standalone_mode=False)
        sys.stdout.flush()  # a full disk is reported here, not when the interpreter exits
        sys.exit(code)
    except (AttnlensError, UsageError) as error:
        if debug:
            raise
        _fail(2, error.format_message() if isinstance(error, UsageError) else str(error))
    except (typer.Abort, KeyboardInterrupt):
        _fail(130, "interrupted")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        if debug:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(1, f"{error.strerror or error}: {error.filename or 'standard output'}")
    except Exception as error:
        if debug:
            raise
        _fail(1, f"unexpected {type(error).__name__}: {error} (--debug shows where)")


def _without_debug(arguments: list[str]) -> tuple[bool, list[str]]:
    """Whether `--debug` is among the options, and the arguments without it; after `--` all are values."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return len(options) < end, options + arguments[end:]


def _streams() -> None:
    """Prepares standard output and error for writing; Python has None for a closed stream."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        _fail(2, "standard output is closed; open it, for example: attnlens ... > FILE")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # an ASCII pipe shows ? for other characters


def _fail(code: int, message: str) -> NoReturn:
    print(f"attnlens: {seen(' '.join(message.split()))}", file=sys.stderr)
    raise SystemExit(code) from None


def _version(wanted: bool) -> None:
    if wanted:
        print(f"attnlens {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """See what a Transformer attends to, and why it decided as it did."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for the figures and the numbers")] = Path("attnlens-demo"),
) -> None:
    """Explain a sample sentence and a sample image with the embedded models."""
    from .. import models
    from . import _explanations

    _explanations.make(out)
    console = _output.console()
    lens = _output.load("sentiment")
    sentence = models.sample_sentences()[0]
    with _output.working("explaining a sentence"):
        text = _explanations.explain_text(lens, sentence)
    _explanations.print_text(console, text)
    lens = _output.load("cifar")
    with _output.working("explaining an image"):
        image = _explanations.explain_image(lens, models.sample_images()["chelsea"])
    console.print()
    _explanations.print_image(console, image)
    with _output.working("drawing figures"):
        written = _explanations.write(out, {"sentence": text, "image": image})
    console.print()
    for path in written:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


class _ListsMethods(TyperCommand):
    """A command whose help lists the attribution methods, which are imported only for the help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from ..attribution import METHODS

        for parameter in self.params:
            if parameter.name == "method":
                parameter.help = f"one of {', '.join(METHODS)}"
        super().format_help(ctx, formatter)


@app.command(cls=_ListsMethods)
def text(
    text: Annotated[
        str | None, typer.Argument(help="the text to explain; - reads it from standard input")
    ] = None,
    model: Model = "sentiment",
    file: File = None,
    column: Column = None,
    target: Annotated[str | None, typer.Option(help="class to explain; the predicted one by default")] = None,
    against: Annotated[str | None, typer.Option(help="explain why the target rather than this class")] = None,
    method: Annotated[str, typer.Option()] = "integrated_gradients",
    baseline: Annotated[str, typer.Option(help="pad, mask, zero, mean, or a text of several words")] = "pad",
    window: Window = None,
    as_json: AsJson = False,
) -> None:
    """Explain a text: prediction, tokens coloured by attribution, rollout, strongest heads."""
    from . import _explanations, _sources

    lens = _output.load(model)
    _output.require(lens, "TextLens", "a text", "attnlens image FILE")
    source = _sources.text(lens, [] if text is None else [text], file, column, "text explains")
    with _output.working("explaining"):
        options = {
            "against": _output.target_of(against),
            "method": method,
            "baseline": baseline,
            "window": window,
        }
        explanation = _explanations.explain_text(lens, source, _output.target_of(target), **options)
    _output.print_result(explanation, as_json, _explanations.print_text)


@app.command()
def image(
    file: Annotated[str, typer.Argument(help="an image file")],
    model: Model = "cifar",
    as_json: AsJson = False,
) -> None:
    """Explain an image: prediction, and the attention of the class token."""
    from . import _explanations

    lens = _output.load(model)
    _output.require(lens, "ImageLens", "an image", "attnlens text TEXT")
    with _output.working("explaining"):
        explanation = _explanations.explain_image(lens, file)
    _output.print_result(explanation, as_json, _explanations.print_image)


@app.command()
def debug(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|IMAGE", help="a text, or an image file; - reads a text from standard input"
        ),
    ] = None,
    *,
    true_label: Annotated[str, typer.Argument(metavar="LABEL", help="the true class")],
    model: Model = "sentiment",
    file: File = None,
    column: Column = None,
    as_json: AsJson = False,
) -> None:
    """Explain a wrong prediction: rank of the true class, what drove it, the smallest change that flips it."""
    from . import _explanations, _sources

    if source is not None and len(source) > 1:
        raise InputError("debug takes one text and its class; put the text in quotes")
    lens = _output.load(model)
    text = _sources.text(lens, source or [], file, column, "debug explains")
    with _output.working("searching"):
        diagnosis = _explanations.diagnose(lens, text, _output.target_of(true_label))
    _output.print_result(diagnosis, as_json, _explanations.print_diagnosis)


@app.command()
def heads(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT|FILE",
            help="a text, a file of texts, or an image file; - reads a text from each line of standard input. With "
            "--out or --page a data set, as for audit",
        ),
    ] = None,
    model: Model = "sentiment",
    file: File = None,
    column: Column = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="statistic to sort by, the largest first; by default entropy, of a data set the loss"
        ),
    ] = None,
    top: Top = 20,
    label: Annotated[
        str | None, typer.Option(help="of a data set: the column of the true classes, by name or number")
    ] = None,
    effects: Annotated[
        int, typer.Option(help="of a data set: on how many inputs each head is switched off", min=0)
    ] = 500,
    out: Annotated[
        Path | None,
        typer.Option(
            help="measure every head on a data set and keep its table here; a run that was stopped goes on"
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="measure every head on a data set and write its page to this .html file"),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    gpus: Gpus = 0,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    png: Png = None,
) -> None:
    """Statistics of every head: entropy, distance, weight on the previous token, on separators, and so on.

    With --out or --page over a whole data set: the pattern that each head follows, and what is lost without it.
    """
    from . import _sources, _tables

    _output.check_format(as_csv, as_json)
    _output.check_writable(png)
    _output.check_writable(page)
    lens = _output.load(model)
    if out is not None or page is not None:
        where = _engine(engine, address, gpus)
        options = {"out": out, "input": column, "label": label, "effects": effects, **where}
        table = _tables.heads_on_data(lens, source or file, sort, page, **options)
    elif label is not None or engine != "local":
        raise InputError("--label and --engine are for a data set; add --page heads.html, or --out FOLDER")
    else:
        inputs = _sources.inputs(lens, [] if source is None else [source], file, column)
        with _output.working("measuring heads"):
            table = _tables.measure_heads(lens, inputs, sort or "entropy")
    _output.print_table(table, _tables.print_heads, top, as_csv, as_json, png)


def _engine(engine: str, address: str | None, gpus: float) -> dict[str, Any]:
    """What runs over a data set, as options of `corpus.run`."""
    if engine == "local" and (address is not None or gpus):
        raise InputError("--address and --gpus are for --engine ray")
    return {"engine": engine} if engine == "local" else {"engine": engine, "address": address, "gpus": gpus}


@app.command()
def compare(
    model_a: Annotated[str, typer.Argument(help="embedded model, local folder, or hub id")],
    model_b: Annotated[str, typer.Argument(help="the model, or the checkpoint, to compare it with")],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT|FILE",
            help="a text, a file of texts, or an image file; - reads a text from each line of standard input",
        ),
    ] = None,
    file: File = None,
    column: Column = None,
    top: Top = 10,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    png: Png = None,
) -> None:
    """Compare the heads of two models, or of two checkpoints of one: on one input, or the means over several."""
    from . import _sources, _tables

    _output.check_format(as_csv, as_json)
    _output.check_writable(png)
    first, second = _output.load(model_a), _output.load(model_b)
    if type(first) is not type(second):
        raise InputError(
            f"{first.name} and {second.name} do not read the same input: one is for text, one for images"
        )
    inputs = _sources.inputs(first, [] if source is None else [source], file, column)
    with _output.working("comparing"):
        models = _tables.compare_models(first, second, inputs)
    _output.print_table(models, _tables.print_comparison, top, as_csv, as_json, png)


@app.command()
def report(
    model: Annotated[str, typer.Argument(help="embedded model, local folder, or hub id")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|FILE...",
            help="texts, files of texts, or image files, a section for each; - reads a text from each line of "
            "standard input",
        ),
    ] = None,
    *,
    file: File = None,
    column: Column = None,
    out: Annotated[Path, typer.Argument(metavar="REPORT", help="the file to write, ending in .html")],
    title: Annotated[str | None, typer.Option(help="heading of the page")] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER.HEAD", help="what the page opens at, as 5.9; more: held whole too"),
    ] = None,
    window: Window = None,
) -> None:
    """Write one HTML file that opens anywhere: heads, attention between tokens, and what made the model decide."""
    import attnlens

    from . import _sources

    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"the last argument is the file to write and ends in .html; {str(out)!r} does not")
    if not sources and file is None:
        raise InputError(
            f"there is no input to report on; {model!r} was read as the model, which comes first: "
            "attnlens report MODEL TEXT... REPORT.html"
        )
    heads = [_sources.head(name) for name in head or []] or None
    _output.check_writable(out)
    lens = _output.load(model)
    inputs = _sources.inputs(lens, sources or [], file, column)
    if type(lens).__name__ == "ImageLens" and (lost := [one for one in inputs if not os.path.isfile(one)]):
        raise InputError(f"{lens.name} reads images, and there is no image file {lost[0]!r}")
    with _output.working("writing the report"):
        written = attnlens.report(lens, inputs, out, title=title, heads=heads, window=window)
    print(f"wrote {written}")


@app.command("app")
def serve(
    model: Annotated[str, typer.Argument(help="embedded model, local folder, or hub id")],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT|IMAGE",
            help="what is shown first, a sample by default; - reads a text from standard input",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="the address to listen on; this one is reached from this machine alone")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="a free one by default")] = None,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="open the page in the browser, or only print its address")
    ] = True,
) -> None:
    """Serve a web page on which to change the input and explore the model; Ctrl-C ends it."""
    import attnlens

    from . import _sources

    lens = _output.load(model)
    first = None if source is None else _sources.text(lens, [source], None, None, "app shows")
    attnlens.app(lens, first, host=host, port=port, open=browser)


@app.command()
def audit(
    data: Annotated[
        Path,
        typer.Argument(
            help="texts or pictures with labels: .parquet, .csv, .tsv, .jsonl or .tar, or a folder of them; or a "
            "folder of pictures in a folder for each class"
        ),
    ],
    model: Model = "sentiment",
    input: Annotated[
        str | None,
        typer.Option("--input", "--text", help="the column of the texts (text) or pictures (image)"),
    ] = None,
    label: Annotated[str, typer.Option(help="the column of the true classes, by name or number")] = "label",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help="a column whose values are slices; several times for several"),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(help="of pictures: the column that says where the object is, a picture or a box"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="keep the table of all inputs here; an audit that was stopped goes on there"),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(
            help="compare with an earlier audit of these data, kept there by --out: what was fixed, what broke"
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="write the page of the audit, or of the comparison, to this .html file"),
    ] = None,
    fail_under: Annotated[
        float | None, typer.Option(help="exit with code 2 where the accuracy is below this", min=0, max=1)
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    gpus: Gpus = 0,
    as_json: AsJson = False,
) -> None:
    """Audit a classifier on labelled data: where it errs, which words or pixels decide, which heads differ there."""
    import attnlens
    from attnlens import corpus

    from . import _audits

    _output.check_writable(page)
    lens = _output.load(model)
    earlier = None if before is None else corpus.Run.open(before)
    found = attnlens.audit(
        lens, data, out, input=input, label=label, mask=mask, slices=slices or (), progress=sys.stderr.isatty(),
        **_engine(engine, address, gpus),
    )  # fmt: skip
    result: Any = found
    if earlier is not None:
        result = corpus.compare_audits(corpus.Audit(lens, earlier, found.source, found.more_slices), found)
    with _output.working("computing tables"):
        numbers = _audits.numbers(result)
    if as_json:
        print(json.dumps(numbers, ensure_ascii=False, indent=2))
    else:
        _audits.print_audit(_output.console(), result)
    if page is not None:
        print(f"wrote {result.report(page)}", file=sys.stderr if as_json else sys.stdout)
    _audits.check(found, fail_under)


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="embedded model, local folder, or hub id")],
    as_json: AsJson = False,
) -> None:
    """Describe a model: layers, heads, attention implementation, and what a capture records."""
    from . import _explanations

    lens = _output.load(model)
    with _output.working("recording"):
        description = _explanations.describe(lens)
    _output.print_result(description, as_json, _explanations.print_info)
