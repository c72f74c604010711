"""A probe over a whole data set, part by part, into a directory from which a run that was killed goes on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .._checks import integer, one_of
from ..errors import FileError, InputError
from ._data import source_of
from ._keys import SeenKeys, check_part
from ._probe import Batch, Probe, schema_of
from ._source import Columns, Part, Row, Source, digest
from ._store import PartStore, files_of, manifest_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ..lens import Lens

PART_ROWS = 512
"""Rows of a part: what is lost at most when a run is killed."""

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Run:
    """A finished run: `parts` and `errors` are folders of Parquet files that pandas, DuckDB and Spark read.

    folder: the directory; manifest: what made it
    """

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Raises FileError where there is no finished run."""
        folder = Path(folder)
        manifest = manifest_of(folder)
        if manifest is None:
            raise FileError(f"{folder} holds no run: there is no manifest.json in it")
        if not manifest.get("complete"):
            raise FileError(
                f"the run in {folder} is not finished; start it again with the same arguments, and it goes on"
            )
        return cls(folder, manifest)

    def __len__(self) -> int:
        """How many rows were probed."""
        return self.manifest["rows"]

    def to_pandas(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """The table, a row per input, in the order of the data; some columns of it, or all."""
        return self._read("parts", self.manifest["rows"], columns)

    @property
    def heads(self) -> list[int]:
        """The number of heads of each layer in `head_stats`; [] without it."""
        import pyarrow.parquet as pq

        for path, *_ in files_of(self.folder / "parts"):
            heads = (pq.read_schema(path).metadata or {}).get(b"heads")
            if heads is not None:
                return json.loads(heads)
        return []

    @property
    def errors(self) -> pd.DataFrame:
        """`key` and `reason` of each row that could not be used."""
        return self._read("errors", self.manifest["errors"])

    def tables(
        self, columns: Iterable[str] | None = None, parts: Iterable[int] | None = None
    ) -> Iterator[pa.Table]:
        """The table part by part, in the order of the data, so that it is never in memory as a whole.

        columns: some of them; parts: some of them by number; all by default
        """
        names = None if columns is None else list(columns)
        if parts is None:
            yield from self._tables("parts", self.manifest["rows"], names)
            return
        files = files_of(self.folder / "parts")
        yield from (self._part(files[number][0], names) for number in parts)

    def _tables(self, kind: str, rows: int, columns: list[str] | None = None) -> Iterator[pa.Table]:
        count = 0
        for path, *_ in files_of(self.folder / kind):
            table = self._part(path, columns)
            count += len(table)
            yield table
        if count != rows:
            raise FileError(
                f"{self.folder} does not hold {rows} rows in {kind} any more; run it again, which mends it"
            )

    def _part(self, path: Path, columns: list[str] | None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(path, columns=columns).replace_schema_metadata(None)
        except (OSError, pa.ArrowException) as error:
            raise FileError(
                f"cannot read a part of {self.folder}: {error}; run it again, which mends it"
            ) from None

    def _read(self, kind: str, rows: int, columns: Iterable[str] | None = None) -> pd.DataFrame:
        import pyarrow as pa

        names = None if columns is None else list(columns)
        return pa.concat_tables(self._tables(kind, rows, names)).to_pandas()

    def __repr__(self) -> str:
        errors = self.manifest["errors"]
        return f"Run of {len(self):,} rows in {self.folder}" + (
            f", {errors:,} could not be used" if errors else ""
        )


def run(
    lens: Lens,
    data: Any,
    out: str | Path,
    probe: Probe | None = None,
    *,
    input: str | None = None,
    label: str | None = None,
    key: str | None = None,
    pair: str | None = None,
    columns: Iterable[str] = (),
    mask: str | None = None,
    part_rows: int = PART_ROWS,
    engine: str = "local",
    progress: bool = True,
    **options: Any,
) -> Run:
    """Runs a probe over a data set and writes its table, part by part; a run that was killed goes on where it was.

    data: a file (.parquet, .csv, .tsv, .jsonl, .txt, WebDataset's .tar), a list of such paths or a folder of them, a
        folder of pictures, a pandas frame, a `datasets.Dataset`, or a list. It is read part by part.
    out: a directory, which is made. It receives `parts/`, `errors/` and `manifest.json`.
    probe: what to compute; the prediction by default
    input, label, key, pair: columns with the inputs, their true classes (by name or index), unique keys (by default the
        numbers of the rows), and second texts; columns: others that are kept
    mask: the column that says where the object of a picture is, for a probe with `masks`: a picture whose non-zero
        pixels are the object, or a box [left, top, right, bottom] in pixels
    part_rows: rows of a part
    engine: "local", in this process; or "ray", on Ray Data (`pip install attnlens[ray]`), with `options` `actors`,
        `gpus` per actor and the `address` of a cluster
    progress: whether a bar shows rows per second and the time left

    A row that cannot be used (an empty text, an unreadable picture, an unknown label, NaN) goes to `errors/` with its
    key and the reason, and the run goes on.

    Raises InputError for a column that the data lack, for a directory that holds a run of another configuration or of
    other data, and while another run writes to it; FileError for what cannot be read or written.

    >>> run(lens, "reviews.parquet", "out", Probe(head_stats=True), input="sentence", label="label").to_pandas()
    """
    one_of("engine", engine, ENGINES)
    part_rows = integer("part_rows", part_rows, least=1)
    probe = Probe() if probe is None else probe
    chosen = Columns(input or "input", label, key, pair, tuple(columns), mask)
    _check_names(chosen.more, probe)
    if probe.masks != (mask is not None):
        raise InputError("mask= names the column for a probe with masks=True; give both, or neither")
    probe.check(lens)
    source = source_of(data, chosen if input is not None else _guessed(data, chosen))
    store = PartStore(Path(out), _configuration(lens, probe, source, part_rows))
    job = Job(lens, probe, source, {name: source.kind(name) for name in source.columns.more})
    worker = _engine(engine, job, options)
    parts = source.parts(part_rows)
    if not parts:
        raise InputError(f"the data hold no rows ({source.name})")
    with store.opened():
        with Progress(sum(part.rows for part in parts), progress) as bar:
            _run_parts(store, parts, worker, bar)
        _finish(store, parts)
    return Run.open(out)


def _run_parts(store: PartStore, parts: list[Part], engine: Any, bar: Progress) -> None:
    """Makes the parts that are missing or damaged, after a look at those that are there.

    Raises InputError where a part is of other rows than before.
    """
    committed = store.committed()
    if any(number >= len(parts) for number in committed):
        raise InputError(
            f"{store.folder} holds parts of other data, more than there are: the data have changed; choose another out="
        )
    tasks = [Task(part, part.number not in committed) for part in parts]
    tasks.sort(
        key=lambda task: task.wanted
    )  # nothing is written where an old part shows that the data have changed

    seen = SeenKeys(store)

    def commit(result: Result) -> int:
        key, number = store.key(result.digest), result.part.number
        if result.tables is None and committed[number] != key:
            raise InputError(
                f"{store.folder} holds part {number} of other rows: the data have changed; choose another out="
            )
        seen.add(number, result.keys)
        if result.tables is not None:
            store.commit(number, key, *result.tables())
        return result.part.rows

    with closing(engine.probed(tasks)) as results:
        for rows in beside(commit, results):
            bar.advance(rows)


def _finish(store: PartStore, parts: list[Part]) -> None:
    """Marks the run as complete. Raises FileError unless each part has all of its rows, each once."""
    rows, errors = store.rows("parts"), store.rows("errors")
    if rows + errors != Counter({part.number: part.rows for part in parts}):
        total = sum(part.rows for part in parts)
        raise FileError(
            f"{store.folder} holds {rows.total() + errors.total()} rows of {total}: the data or the folder changed "
            "during the run; run it again"
        )
    store.write_manifest(complete=True, rows=rows.total(), errors=errors.total(), parts=len(parts))


# -- engines --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A part that an engine reads, and whether its tables are wanted."""

    part: Part
    wanted: bool


@dataclass(frozen=True)
class Result:
    """A part with its keys, unless they are the numbers of rows, with a hash of its rows and, where they were wanted,
    what makes the tables of its rows and of its errors."""

    part: Part
    keys: list[str]
    digest: str
    tables: Callable[[], tuple[pa.Table, pa.Table]] | None


@dataclass(frozen=True)
class Job:
    """What every engine does with a part: a pure function, in whatever process.

    kinds: the types of the other columns that are kept
    """

    lens: Lens
    probe: Probe
    source: Source
    kinds: Mapping[str, Any]

    def read(self, task: Task) -> tuple[Task, list[Row], str, Batch | None]:
        """A task with its rows, a hash of them and, where they are wanted, a batch that the model takes."""
        rows = self.source.read(task.part)
        check_part(rows)
        batch = Batch(self.lens, self.probe, rows) if task.wanted else None
        if batch is not None:
            batch.prepare()
        return task, rows, digest(rows), batch

    def result(self, task: Task, rows: list[Row], digest: str, batch: Batch | None) -> Result:
        """The result for what was read."""
        if batch is not None:
            batch.run()
        keys = [] if self.source.numbered else [row.key for row in rows]
        return Result(task.part, keys, digest, None if batch is None else partial(batch.tables, self.kinds))


class LocalEngine:
    """Probes parts in this process; the next part is read and prepared while the model runs."""

    def __init__(self, job: Job):
        self.job = job

    def probed(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The result of each task."""
        for read in beside(self.job.read, tasks):
            yield self.job.result(*read)


def beside(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """`work` of each item, in order, in a thread of its own, which is one item ahead. Once it has failed, no more is
    done."""
    failed = False

    def tried(item: Any) -> Any:
        nonlocal failed
        if failed:
            raise CancelledError
        try:
            return work(item)
        except BaseException:
            failed = True
            raise

    with ThreadPoolExecutor(1) as thread:
        pending: deque = deque()
        for item in items:
            pending.append(thread.submit(tried, item))
            if len(pending) > 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _engine(name: str, job: Job, options: Mapping[str, Any]) -> Any:
    if name == "ray":
        from ._ray import RayEngine

        return RayEngine(job, **options)
    if options:
        raise InputError(
            f"{next(iter(options))}= is an option of engine='ray'; omit it, or choose that engine"
        )
    return LocalEngine(job)


# -- what a run is made by ------------------------------------------------------------------------------------


def _check_names(columns: tuple[str, ...], probe: Probe) -> None:
    """Raises InputError for a column of the data with the name of one of the table."""
    taken = {"key", "input", "label", *(name for name, _ in schema_of(probe))} & set(columns)
    if taken or len(set(columns)) < len(columns):
        what = f"column {sorted(taken)[0]!r} is one of the table's own" if taken else "a column occurs twice"
        raise InputError(f"{what}; rename it in the data, or omit it from columns=")


def _configuration(lens: Lens, probe: Probe, source: Source, part_rows: int) -> dict[str, Any]:
    columns = vars(source.columns)
    return {
        "model": {"name": lens.name, "fingerprint": fingerprint(lens)},
        "probe": probe.to_dict(),
        "columns": {
            name: list(value) if isinstance(value, tuple) else value for name, value in columns.items()
        },
        "part_rows": part_rows,
    }


def fingerprint(lens: Lens) -> str:
    """A hash of the model's parameters and buffers, its configuration and the tokenizer or image processor."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(lens.model.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    config = getattr(lens.model, "config", None)
    for part in (config, lens.processor):
        found.update(_described(part).encode())
    found.update(json.dumps([list(lens.labels), lens.activation]).encode())
    return found.hexdigest()


def _described(part: Any) -> str:
    """A configuration, tokenizer or processor as text, without addresses and paths."""
    backend = getattr(part, "backend_tokenizer", None)
    if backend is not None:
        return backend.to_str()
    if hasattr(part, "to_dict"):
        content = {
            k: v for k, v in part.to_dict().items() if not k.startswith("_") and k != "transformers_version"
        }
        return json.dumps(content, sort_keys=True, default=str)
    return "" if part is None else type(part).__qualname__


def _guessed(data: Any, chosen: Columns) -> Columns:
    """The column of inputs where none is named: of a text file or a list there is one."""
    if isinstance(data, str | Path) and Path(data).suffix.lower() in (".parquet", ".csv", ".tsv", ".jsonl"):
        raise InputError("a table has several columns; name the one that holds the inputs: input='sentence'")
    if hasattr(data, "iloc") or hasattr(data, "column_names"):
        raise InputError("a table has several columns; name the one that holds the inputs: input='sentence'")
    return chosen


class Progress:
    """A bar with the units per second and the time left; nothing where it is off."""

    def __init__(self, total: int, shown: bool, unit: str = "rows"):
        self.total, self.shown, self.unit = total, shown, unit
        self._bar: Any = nullcontext()

    def __enter__(self) -> Progress:
        if self.shown:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(self.unit, total=self.total, rate="")
        return self

    def advance(self, rows: int) -> None:
        if self.shown:
            speed = self._bar.tasks[0].speed
            self._bar.update(self._task, advance=rows, rate=f"{speed:,.3g} {self.unit}/s" if speed else "")

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._bar.stop()
