"""Layers that are computed when they are first read, and the traces that wait for it.

A recording holds the query and key of a whole padded batch. The layers of one input are cut from them only where
somebody reads them; until then its trace keeps them alive, with those of the other inputs. `settled` bounds this: a
trace that the caller still holds when the next batches come gets its own layers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ._trace import Layer, Trace


class PendingLayers:
    """The layers of one input, computed by a call.

    shared: whether what they are computed from takes more than twice their memory, or holds other inputs too
    """

    def __init__(self, compute: Callable[[], tuple[Layer, ...]], shared: bool):
        self._compute, self.shared = compute, shared

    def __call__(self) -> tuple[Layer, ...]:
        with torch.inference_mode(False), torch.no_grad(), torch._C._DisableAutocast():
            return self._compute()

    def then(self, change: Callable[[tuple[Layer, ...]], tuple[Layer, ...]]) -> PendingLayers:
        """The same layers, changed by a function."""
        return PendingLayers(lambda: change(self._compute()), self.shared)


def settled(traces: Iterable[Trace], together: int) -> Iterator[Trace]:
    """Iterates over traces; of each `together`, those that the caller still holds get layers of their own."""
    held: list[weakref.ref[Trace]] = []
    given: list[Trace] = []
    count = 0
    try:
        for trace in traces:
            count += 1
            held.append(weakref.ref(trace))
            given.append(trace)
            del trace
            yield given.pop()  # while the caller has it, it is not held here
            if count % together == 0:
                _settle(held[:-1])  # a loop that drops its traces still holds the last one
                held = held[-1:]
    finally:
        _settle(held)


def _settle(held: list[weakref.ref[Trace]]) -> None:
    """Computes the layers of traces that are alive, where waiting would hold other inputs or much more memory."""
    for trace in (ref() for ref in held):
        pending = None if trace is None else vars(trace).get("_pending")
        if pending is not None and pending.shared:
            len(trace.layers)
