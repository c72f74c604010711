"""Pairs of nearly equal inputs, found without comparing each with each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SHINGLE = 3
"""Words of a shingle; a shorter text is one."""

BANDS, ROWS = 32, 4
"""Of the signatures: texts that are 0.8 alike share a band with a probability of 0.999999, those 0.3 alike of 0.23."""

LEAST = 0.8
"""Similarity from which two texts are nearly equal."""

CROWD = 50
"""Inputs of a bucket of which all pairs are compared; of more, each with the first alone."""

TOGETHER = 4096
"""Shingles that are hashed at once."""

COMPARED = 100_000
"""Pairs that are compared at once."""


def text_pairs(
    texts: Iterable[Sequence[str]], of: Callable[[np.ndarray], list[str]], least: float = LEAST
) -> Pairs:
    """Pairs of texts whose shingles of three words overlap by at least `least` (Jaccard), as `near_duplicates`.

    texts: all of them, in batches; of: the texts at some places
    In memory are 128 bytes of each text. Source: MinHash with bands, Broder 1997; the similarity of the pairs that it
    proposes is computed exactly.
    """
    codes = np.concatenate([np.zeros((0, BANDS), np.uint32), *map(_band_codes, texts)])
    for some in _proposed(codes.T, len(codes)):
        places = np.unique(some)
        shingles = dict(zip(places.tolist(), map(_shingles, of(places))))
        alike = np.array([_jaccard(shingles[a], shingles[b]) for a, b in some.tolist()])
        yield some[alike >= least], alike[alike >= least]


Pairs = Iterator[tuple[np.ndarray, np.ndarray]]
"""int `[pair, 2]` and the similarity of each pair."""


def near_duplicates(pairs: Pairs, most: int) -> pd.DataFrame:
    """`a`, `b` (places, a < b) and `similarity` of the pairs that are most alike, the most alike first."""
    import pandas as pd

    best = pd.DataFrame({"a": np.zeros(0, int), "b": np.zeros(0, int), "similarity": np.zeros(0)})
    count = 0
    for some, alike in pairs:
        count += len(some)
        more = pd.DataFrame({"a": some[:, 0], "b": some[:, 1], "similarity": alike})
        best = pd.concat([best, more], ignore_index=True) if len(best) else more
        order = {"by": ["similarity", "a", "b"], "ascending": [False, True, True]}
        best = best.sort_values(**order, ignore_index=True).head(most)
    best.attrs["pairs"] = count
    return best


def _proposed(codes: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """int64 `[pair, 2]`, each pair of inputs that agree in some band once, so many pairs at a time.

    codes: `[input]` of each band; count: of inputs
    """
    pairs = [np.zeros(0, dtype=np.int64)]
    for band in codes:
        order = np.argsort(band, kind="stable")
        cuts = np.flatnonzero(np.diff(band[order])) + 1
        sizes = np.diff([0, *cuts.tolist(), count]) if count else np.zeros(0, int)
        starts = np.concatenate([[0], cuts])
        for at in np.flatnonzero(sizes > 1).tolist():
            pairs.append(_of_bucket(order[starts[at] : starts[at] + sizes[at]], count))
    every = np.unique(np.concatenate(pairs))
    for start in range(0, len(every), COMPARED):
        some = every[start : start + COMPARED]
        yield np.stack([some // count, some % count], 1)


def _of_bucket(numbers: np.ndarray, count: int) -> np.ndarray:
    """The pairs of a bucket as `a * count + b`; of a large one each with the first alone, since all are too many."""
    if len(numbers) > CROWD:
        return numbers[0] * count + numbers[1:]
    return np.array([a * count + b for a, b in combinations(numbers.tolist(), 2)], dtype=np.int64)


# -- texts ----------------------------------------------------------------------------------------------------


def _band_codes(texts: Sequence[str]) -> np.ndarray:
    """uint32 `[text, band]`: equal for texts whose signatures agree in the band."""
    shingles = list(map(_shingles, texts))
    counts = np.array([len(some) for some in shingles], dtype=int)
    codes = np.fromiter((_code(one) for some in shingles for one in some), np.uint64, counts.sum())
    generator = np.random.default_rng(0)
    factors, offsets = generator.integers(0, 1 << 64, (2, BANDS * ROWS), dtype=np.uint64)
    signatures = np.empty((len(texts), BANDS * ROWS), dtype=np.uint32)
    starts = np.concatenate([[0], counts.cumsum()])
    at = 0
    while at < len(texts):
        stop = max(at + 1, int(np.searchsorted(starts, starts[at] + TOGETHER, side="right")) - 1)
        some = codes[starts[at] : starts[stop], None]
        hashed = ((some * (factors | np.uint64(1)) + offsets) >> np.uint64(32)).astype(np.uint32)
        signatures[at:stop] = np.minimum.reduceat(hashed, starts[at:stop] - starts[at])
        at = stop
    mixed = np.zeros((len(texts), BANDS), dtype=np.uint64)
    for row in range(ROWS):  # wraps around, as hashing does
        mixed = (mixed ^ signatures[:, row::ROWS]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _shingles(text: str) -> frozenset[str]:
    words = re.findall(r"\w+", text.lower()) or [text]
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)


def _code(shingle: str) -> int:
    """64 bits, the same in every process."""
    data = shingle.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


# -- pictures -------------------------------------------------------------------------------------------------

APART = 3
"""Bits in which the hashes of nearly equal pictures may differ."""

BLOCKS = (13, 13, 13, 13, 12)
"""Bits of the blocks of a hash: hashes that differ in three bits agree in two of them at least."""


def picture_pairs(hashes: np.ndarray) -> Pairs:
    """Pairs of pictures whose difference hashes differ in at most three of 64 bits, as `near_duplicates`.

    hashes: int64 `[picture]`, see `difference_hash`. The similarity is the share of bits that are equal.
    """
    bits, starts = hashes.astype(np.int64).view(np.uint64), np.cumsum((0, *BLOCKS))
    blocks = [bits >> np.uint64(start) & np.uint64((1 << size) - 1) for start, size in zip(starts, BLOCKS)]
    codes = (first << np.uint64(16) | second for first, second in combinations(blocks, 2))
    for some in _proposed(codes, len(bits)):
        differing = (bits[some[:, 0]] ^ bits[some[:, 1]]).view(np.uint8).reshape(-1, 8)
        count = np.unpackbits(differing, axis=1).sum(1)
        yield some[count <= APART], 1 - count[count <= APART] / 64
