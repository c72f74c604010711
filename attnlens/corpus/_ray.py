"""Ray Data as the engine of a run: a pool of actors maps tasks to results, and no more than that.

How the data are cut, what is there already and what is written is decided in the driver, as with the other engine. A
worker that dies is started again by Ray, and does its tasks again: nothing that it does remains but a result.
"""

from __future__ import annotations

import logging
import os
import pickle
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch

from .._checks import integer, number
from ..errors import AttnlensError, InputError
from ._run import Job, Result, Task

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 3
"""How often Ray is started. Its node gives its agents 15 seconds, which a busy machine exceeds:
https://github.com/ray-project/ray/issues/65983"""

RETRIES = 5
"""How often a task is done again whose worker died; then the task is what kills workers."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""The environment of a Ray that is started: it reports to nobody, and prints little."""


class RayEngine:
    """Probes parts in the actors of a Ray cluster, which read the rows themselves.

    actors: number of workers, each with a copy of the model; by default as many as there is room for
    gpus: GPUs of each actor; with any its model runs there
    address: of a cluster to join, as `ray.init` takes it. By default the Ray that is running, or one that is started on
        this machine for the run. Other machines need attnlens, and the files of the data under the same paths.

    Raises InputError where Ray is not installed.
    """

    def __init__(self, job: Job, *, actors: int | None = None, gpus: float = 0, address: str | None = None):
        self.job, self.address = job, address
        self.actors = None if actors is None else integer("actors", actors, least=1)
        self.gpus = number("gpus", gpus, least=0)
        try:
            import ray.data  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"engine='ray' needs Ray Data ({error}): pip install 'attnlens[ray]', or use engine='local'"
            ) from None

    def probed(self, tasks: Sequence[Task]) -> Iterator[Result]:
        """The result of each task, in any order."""
        import ray

        with ExitStack() as stack:
            stack.enter_context(_quiet())
            stack.enter_context(_running(self.address))
            try:
                yield from self._mapped(tasks)
            except ray.exceptions.RayError as error:
                raise AttnlensError(
                    f"Ray gave up ({type(error).__name__}: {str(error).strip()}). Where memory was short, give fewer "
                    "actors= or part_rows=; run it again, and it goes on"
                ) from error

    def _mapped(self, tasks: Sequence[Task]) -> Iterator[Result]:
        import pyarrow as pa
        import ray.data

        threads = torch.get_num_threads()
        cpus, room = self._room(threads)
        blocks = [pa.table({"task": pa.array([pickle.dumps(task)], pa.large_binary())}) for task in tasks]
        with warnings.catch_warnings():  # no other way of bounding the retries
            warnings.filterwarnings("ignore", message=".*ray_remote_args_fn.*")
            results = ray.data.from_arrow(blocks).map_batches(
                _Worker,
                fn_constructor_args=(_shipped(self.job), threads, self.gpus > 0),
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=min(self.actors or room, len(tasks))),
                num_cpus=cpus,
                num_gpus=self.gpus or None,
                ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": RETRIES},
            )
        yield from _unpacked(results.iter_internal_ref_bundles())

    def _room(self, threads: int) -> tuple[float, int]:
        """The CPUs of an actor, and for how many actors the cluster has room.

        Raises InputError where it has none, for Ray would wait for more machines.
        """
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus = 1 if self.gpus else min(threads, max(node.get("CPU", 0) for node in nodes))
        if self.gpus:
            room = sum(int(node.get("GPU", 0) / self.gpus) for node in nodes)
            if not room:
                raise InputError(
                    f"no machine of the cluster has {self.gpus:g} GPUs; give fewer gpus=, or 0 for its CPUs"
                )
            return cpus, room
        return cpus, max(1, sum(int(node.get("CPU", 0) / cpus) for node in nodes if cpus))


class _Worker:
    """Does tasks in an actor. What it raises is a result too, so that the driver raises it and Ray does not retry."""

    def __init__(self, reference: Any, threads: int, gpu: bool):
        self._reference, self._threads, self._gpu = reference, threads, gpu

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        results = [self._result(task) for task in batch["task"].to_pylist()]
        return pa.table({"result": pa.array(results, pa.large_binary())})

    @cached_property
    def _job(self) -> Job:
        import ray

        torch.set_num_threads(self._threads)
        job = ray.get(self._reference)
        if self._gpu:
            job.lens.model.to("cuda")
        return job

    def _result(self, data: bytes) -> bytes:
        try:
            task = pickle.loads(data)
            result = self._job.result(*self._job.read(task))
            made = None if result.tables is None else partial(tuple, result.tables())
            return pickle.dumps(replace(result, tables=made))
        except Exception as error:
            return _pickled(error)


def _unpacked(bundles: Iterator[Any]) -> Iterator[Result]:
    """The results in Ray Data's output, whose execution ends with the iteration.

    `iter_batches` would end it later and in a thread of its own, and where that thread comes upon a Ray that was shut
    down meanwhile, Ray ends the process.
    """
    import ray

    try:
        for bundle in bundles:
            for block in ray.get(list(bundle.block_refs)):
                for data in block["result"].to_pylist():
                    result = pickle.loads(data)
                    if isinstance(result, BaseException):
                        raise result
                    yield result
    finally:
        del bundles  # ends the execution, here and now


def _pickled(error: Exception) -> bytes:
    """An error with its traceback; of one that cannot be sent its message."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In a Ray actor:\n{traceback.format_exc()}")
    return pickle.dumps(error)


def _shipped(job: Job) -> Any:
    """A reference to the job in Ray's store, with the model on the CPU."""
    import ray

    device = job.lens.device
    try:
        job.lens.model.to("cpu")
        return ray.put(job)
    except Exception as error:
        raise InputError(
            f"the model, or the data, cannot be sent to other processes ({error}); use engine='local'"
        ) from error
    finally:
        job.lens.model.to(device)


# -- Ray itself -----------------------------------------------------------------------------------------------


@contextmanager
def _running(address: str | None) -> Iterator[None]:
    """A block in which Ray runs: that of the user where there is one, or one that ends with the block."""
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        with _environment(QUIET):
            _start(address)
            yield
    finally:
        ray.shutdown()


def _start(address: str | None) -> None:
    """Starts Ray, or joins the cluster at the address. Raises AttnlensError where it does not start."""
    import ray

    for _ in range(ATTEMPTS):
        try:
            with _environment(QUIET):
                ray.init(
                    address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
                )
            return
        except Exception as error:
            ray.shutdown()
            failure = error
    if address is not None:
        raise InputError(
            f"cannot join the Ray cluster at {address}: {failure}; check address=, and that it runs"
        )
    raise AttnlensError(
        f"Ray did not start in {ATTEMPTS} attempts: {failure}. It does not on a machine that is too busy: run it again "
        "later, start Ray before (`ray start --head`), or use engine='local'"
    ) from failure


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables that are not set, within a block."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which Ray Data shows no progress and logs errors only; a run has a bar of its own."""
    import ray.data

    context = ray.data.DataContext.get_current()
    settings = {"enable_progress_bars": False, "print_on_execution_start": False}
    before = {name: getattr(context, name) for name in settings if hasattr(context, name)}
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    levels = [logger.level for logger in loggers]
    try:
        for name in before:
            setattr(context, name, settings[name])
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
