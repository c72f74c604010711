"""That no key occurs twice in a data set, in 8 bytes a row."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from ..errors import InputError
from ._source import Row
from ._store import PartStore


def check_part(rows: Sequence[Row]) -> None:
    """Raises InputError where a key occurs twice in one part."""
    keys = [row.key for row in rows]
    if len(set(keys)) < len(keys):
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise InputError(f"key {twice!r} occurs twice; key= is a column of unique values, or omit it")


class SeenKeys:
    """The keys of the parts that a store holds, as hashes: sorted arrays, each twice as long as the next or longer."""

    def __init__(self, store: PartStore):
        self._store = store
        self._runs: list[np.ndarray] = []

    def add(self, number: int, keys: Sequence[str]) -> None:
        """Adds the keys of a part with this number. Raises InputError for one that another part has."""
        if not keys:
            return
        hashes = np.array([_hash(key) for key in keys], dtype=np.uint64)
        seen = [run[run.searchsorted(hashes).clip(max=len(run) - 1)] == hashes for run in self._runs]
        for at in np.flatnonzero(np.any(seen, axis=0)) if seen else ():
            other = self._store.part_of(keys[at], besides=number)
            if other is not None:  # else two keys have one hash
                raise InputError(
                    f"key {keys[at]!r} occurs twice, in the parts {other} and {number}; key= is a column of unique "
                    "values: choose another one, or omit it, and another out="
                )
        self._runs.append(np.sort(hashes))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            self._runs[-2:] = [np.sort(np.concatenate(self._runs[-2:]))]


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
