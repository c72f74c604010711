"""Words by what they contribute to predictions, and those that alone decide them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._audit_rows import AuditRows
from ._intervals import corrected, share_interval

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ..lens import TextLens

LEAST_INPUTS = 5
"""Inputs that a word must occur in to be listed."""

CANDIDATES = 20
"""Words that are checked as shortcuts."""

REPLICATES = 400
"""Of the bootstrap."""

CHECKED = 50
"""Inputs from which a word is removed, and into which it is inserted, at most."""


class WordCounts:
    """What the words of all rows contribute, summed part by part.

    present: by word in lower case, how many rows hold it
    sums: by predicted class and word, how many rows hold it there, the sum of its scores, and the number and the sum of
        those of right predictions
    """

    def __init__(self, rows: AuditRows):
        self.words: dict[str, int] = {}
        self.present: np.ndarray = np.zeros(0, dtype=np.int64)
        self._places: dict[int, int] = {}
        self._sums = np.zeros((4, 0))
        for table in rows.tables(["tokens", "special", "scores", "index"]):
            self._add(table)
        self._sums = self._sums[:, : len(self._places)]

    def _add(self, table: pa.Table) -> None:
        row, word, score = self.of_rows(table)
        self.present = _grown(self.present, len(self.words))
        self.present += np.bincount(word, minlength=len(self.present))
        kind = table["index"].to_numpy().astype(np.int64)[row]
        right = table["correct"].to_numpy().astype(float)[row]
        codes, inverse = np.unique((kind << 32) | word, return_inverse=True)
        places = np.array(
            [self._places.setdefault(code, len(self._places)) for code in codes.tolist()], dtype=int
        )
        self._sums = _grown(self._sums, len(self._places))
        for line, weights in enumerate((np.ones(len(score)), score, right, right * score)):
            self._sums[line, places] += np.bincount(inverse, weights, len(codes))

    def of_rows(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(row, word, score) of each word of each row, its tokens together."""
        row, word = words_of(table, self.words, grow=True)
        score = table["scores"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(float)
        kept = word >= 0
        codes, inverse = np.unique((row[kept] << 32) | word[kept], return_inverse=True)
        return codes >> 32, codes & 0xFFFFFFFF, np.bincount(inverse, score[kept], len(codes))

    def sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(class, word, sums `[4, pair]`) of each pair that occurs, in the order in which they first did."""
        codes = np.fromiter(self._places, np.int64, len(self._places))
        return codes >> 32, codes & 0xFFFFFFFF, self._sums


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    """The array with room for so many entries along its last axis, and more to come."""
    if array.shape[-1] >= size:
        return array
    larger = np.zeros((*array.shape[:-1], 2 * size), dtype=array.dtype)
    larger[..., : array.shape[-1]] = array
    return larger


def words_of(table: pa.Table, numbers: dict[str, int], grow: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(row, number of the word in lower case) of each token of a part; -1 for a token that is no word, or not known.

    numbers: of each word; grow: whether new words are added
    """
    import pyarrow.compute as pc

    tokens = table["tokens"].combine_chunks()
    row = pc.list_parent_indices(tokens).to_numpy().astype(np.int64)
    special = table["special"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(bool)
    coded = tokens.flatten().dictionary_encode()
    unique = [text.lower() if _is_word(text, False) else None for text in coded.dictionary.to_pylist()]
    if grow:
        for text in unique:
            if text is not None:
                numbers.setdefault(text, len(numbers))
    number = np.array([-1 if text is None else numbers.get(text, -1) for text in unique], dtype=np.int64)
    word = number[coded.indices.to_numpy()] if len(number) else np.zeros(0, dtype=np.int64)
    return row, np.where(special, -1, word)


def word_table(rows: AuditRows, counts: WordCounts, shares: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """What each word contributes to predictions of each class, those with the largest mean first.

    A row per predicted class and word that occurs in at least five of its inputs: `prediction`, `word` (lower case),
    `inputs` that hold it, `share`, the part of all inputs with the word that has this prediction, `total`, the sum of
    its scores, `mean` per input with its 95% bootstrap interval (`low`, `high`), `hits` and `errors` (means over right
    and wrong predictions) and `p`, that the share is no larger than that of the class among all inputs (a binomial
    test), corrected for the number of words by Benjamini and Hochberg (1995).

    Scores are those of the attribution for the predicted class, of a word's tokens together.

    shares: of the predicted classes, `[class]`; names: of the classes
    """
    import pandas as pd
    from scipy.stats import binom

    kind, word, sums = counts.sums()
    listed = sums[0] >= LEAST_INPUTS
    kind, word, (inputs, total, right, right_total) = kind[listed], word[listed], sums[:, listed]
    present, texts = counts.present[word], list(counts.words)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / inputs
        hits, errors = right_total / right, (total - right_total) / (inputs - right)
    low, high = _bootstrapped(rows, counts, kind << 32 | word)
    frame = pd.DataFrame({
        "prediction": [names[one] for one in kind], "word": [texts[one] for one in word], "inputs": inputs.astype(int),
        "share": inputs / present, "total": total, "mean": mean, "low": low, "high": high, "hits": hits,
        "errors": errors, "p": corrected(binom.sf(inputs - 1, present, shares[kind])),
    })  # fmt: skip
    return frame.sort_values(["mean", "word"], ascending=[False, True], kind="stable", ignore_index=True)


def _bootstrapped(rows: AuditRows, counts: WordCounts, pairs: np.ndarray, seed: int = 0) -> np.ndarray:
    """`[2, pair]`: the 95% interval of the mean score of words; pairs: `class << 32 | word`.

    Inputs are resampled while they are read once more: each counts as often in a replicate as a Poisson variable of
    mean 1 says. Source: Hanley and MacGibbon 2006, "Creating Non-Parametric Bootstrap Samples Using Poisson
    Frequencies".
    """
    from scipy.sparse import csr_array

    if not len(pairs):
        return np.zeros((2, 0))
    generator = np.random.default_rng(seed)
    order = np.argsort(pairs)
    known = pairs[order]
    sums = np.zeros((2, len(pairs), REPLICATES), dtype=np.float32)
    for table in rows.tables(["tokens", "special", "scores", "index"]):
        row, word, score = counts.of_rows(table)
        codes = table["index"].to_numpy().astype(np.int64)[row] << 32 | word
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        listed = known[at] == codes
        here, place = np.unique(at[listed], return_inverse=True)
        times = generator.poisson(1.0, (len(table), REPLICATES)).astype(np.float32)
        for line, values in enumerate((np.ones(len(score)), score)):
            entries = values[listed].astype(np.float32), (place, row[listed])
            sums[line, order[here]] += csr_array(entries, shape=(len(here), len(table))) @ times
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nanquantile(sums[1] / sums[0], (0.025, 0.975), axis=1)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _is_word(token: str, special: bool) -> bool:
    """Whether a token of the text holds a letter or digit."""
    return not special and any(character.isalnum() for character in token)


def shortcut_table(
    lens: TextLens,
    rows: AuditRows,
    counts: WordCounts,
    words: pd.DataFrame,
    names: Sequence[str],
    seed: int = 0,
) -> pd.DataFrame:
    """Words that alone decide predictions, the strongest first: candidates for shortcuts, each checked on the model.

    Candidates are the twenty words with the largest mean scores that favour a class. Each is removed from inputs that
    hold it, and inserted into inputs of other predictions, at most fifty each. Columns:

    - `prediction`, `word`, `inputs`, `share` and `mean`, as in `word_table`
    - `removed`, `removed_low`, `removed_high`: the share of predictions that change without the word, with its 95%
      interval; `removed_random`: the same of another word of the same inputs, as near in frequency as there is
    - `inserted`, ...: the share of other predictions that become this one with the word; `inserted_random`: with such a
      word
    - `strength`: how much removing and inserting do more than with the other words, their mean

    A strong word that carries meaning may rank high too: whether a word is a shortcut, a reader decides.

    Source: the protocol of planted words, Bastings et al. 2022, "Will You Find These Shortcuts?".
    """
    import pandas as pd

    generator = np.random.default_rng(seed)
    shares = np.bincount(rows.index, minlength=len(names)) / len(rows)
    candidates = _candidates(words, dict(zip(names, shares)))
    holding = _holding(rows, [candidate.word for candidate in candidates])
    results = []
    for candidate, holds in zip(candidates, holding):
        word, prediction = candidate.word, candidate.prediction
        of_class = rows.index == names.index(prediction)
        with_word = generator.permutation(np.flatnonzero(holds & of_class))[:CHECKED]
        without = generator.permutation(np.flatnonzero(~holds & ~of_class))[:CHECKED]
        inside = rows.at(with_word, ["input", "tokens", "special"])
        outside = rows.at(without, ["input"])["input"]
        others = [_like(word, _words_in(row), counts, generator) for row in inside.itertuples()]
        usual = [other for other in others if other is not None] or [None]
        variants = (
            [_without(text, word) for text in inside["input"]],
            [_without(text, other) for text, other in zip(inside["input"], others)],
            [_inserted(text, word, generator) for text in outside],
            [_inserted(text, usual[n % len(usual)], generator) for n, text in enumerate(outside)],
        )
        predicted = [_predictions(lens, some) for some in variants]
        changed = [
            *(part != prediction for part in predicted[:2]),
            *(part == prediction for part in predicted[2:]),
        ]
        removed, removed_random, inserted, inserted_random = map(_mean, changed)
        more = np.array([removed - removed_random, inserted - inserted_random])
        strength = float(more[~np.isnan(more)].mean()) if not np.isnan(more).all() else float("nan")
        intervals = [share_interval(int(part.sum()), len(part)) for part in (changed[0], changed[2])]
        results.append(
            (prediction, word, candidate.inputs, candidate.share, candidate.mean, removed, *intervals[0],
             removed_random, inserted, *intervals[1], inserted_random, strength)
        )  # fmt: skip
    columns = [
        "prediction", "word", "inputs", "share", "mean", "removed", "removed_low", "removed_high", "removed_random",
        "inserted", "inserted_low", "inserted_high", "inserted_random", "strength",
    ]  # fmt: skip
    frame = pd.DataFrame(results, columns=columns)
    return frame.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _holding(rows: AuditRows, words: list[str]) -> np.ndarray:
    """bool `[word, row]`: which rows hold each word."""
    numbers: dict[str, int] = {}
    for word in words:
        numbers.setdefault(word, len(numbers))
    holds, start = np.zeros((len(numbers), len(rows)), dtype=bool), 0
    for table in rows.tables(["tokens", "special"]):
        row, word = words_of(table, numbers)
        holds[word[word >= 0], start + row[word >= 0]] = True
        start += len(table)
    return holds[[numbers[word] for word in words]]


def _words_in(row: Any) -> set[str]:
    return {token.lower() for token, special in zip(row.tokens, row.special) if _is_word(token, special)}


def _candidates(words: pd.DataFrame, shares: dict[str, float]) -> list:
    """The words that are checked: those with the largest mean scores among the inputs of a class that they favour."""
    favoured = words[(words["mean"] > 0) & (words["share"] > words["prediction"].map(shares))]
    return list(favoured.head(CANDIDATES).itertuples())


def _without(text: str, word: str | None) -> str | None:
    """The text without a word; None where nothing would be left, or for no word."""
    if word is None:
        return None
    left = " ".join(re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text, flags=re.IGNORECASE).split())
    return left if any(character.isalnum() for character in left) else None


def _inserted(text: str, word: str | None, generator: np.random.Generator) -> str | None:
    """The text with a word before one of its words; None for no word."""
    if word is None:
        return None
    places = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    at = int(generator.choice(places)) if places else 0
    return f"{text[:at]}{word} {text[at:]}"


def _like(word: str, inside: set[str], counts: WordCounts, generator: np.random.Generator) -> str | None:
    """Another word of the text that occurs in about as many inputs; None where it has no other."""
    others = sorted(inside - {word})
    if not others:
        return None
    frequency = counts.present[[counts.words[other] for other in (word, *others)]]
    apart = np.abs(np.log(frequency[1:] / frequency[0]))
    nearest = np.flatnonzero(apart <= max(apart.min(), np.log(2)))
    return others[int(generator.choice(nearest))]


def _predictions(lens: TextLens, texts: list[str | None]) -> np.ndarray:
    """The predicted class of each text that there is."""
    known = [text for text in texts if text is not None]
    return np.array([one.label for one in lens.predict(known)] if known else [], dtype=str)
