"""Pairs of nearly equal texts, found without comparing each with each."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
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

PRIME = (1 << 61) - 1


def near_duplicates(texts: list[str], least: float = LEAST) -> pd.DataFrame:
    """Pairs of texts whose shingles of three words overlap by at least `least` (Jaccard): `a`, `b`, `similarity`.

    a, b: positions in the list, a < b; the most alike first. Case, punctuation and spaces do not count.
    Source: MinHash with bands, Broder 1997; the similarity of the pairs that it proposes is computed exactly.
    """
    import pandas as pd

    shingles = [_shingles(text) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    generator = np.random.default_rng(0)
    factors, offsets = generator.integers(1, 1 << 31, (2, BANDS * ROWS), dtype=np.uint64)
    for number, found in enumerate(shingles):
        codes = np.fromiter((_code(one) for one in found), np.uint64, len(found))
        signature = ((codes[:, None] * factors + offsets) % np.uint64(PRIME)).min(0)
        for band in range(BANDS):
            buckets[band, signature[band * ROWS : (band + 1) * ROWS].tobytes()].append(number)
    proposed = {pair for numbers in buckets.values() for pair in _pairs(numbers)}
    rows = []
    for a, b in sorted(proposed):
        similarity = len(shingles[a] & shingles[b]) / len(shingles[a] | shingles[b])
        if similarity >= least:
            rows.append((a, b, similarity))
    frame = pd.DataFrame(rows, columns=["a", "b", "similarity"]).astype({"a": int, "b": int})
    return frame.sort_values("similarity", ascending=False, kind="stable", ignore_index=True)


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    """Pairs of a bucket; of a large one each with the first alone, since its pairs would be too many."""
    if len(numbers) > 50:
        return [(numbers[0], other) for other in numbers[1:]]
    return list(combinations(numbers, 2))


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower()) or [text]
    return frozenset(tuple(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))


def _code(shingle: tuple[str, ...]) -> int:
    """The same in every process, below 2**31."""
    data = " ".join(shingle).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=4).digest(), "little") >> 1
