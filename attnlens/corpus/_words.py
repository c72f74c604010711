"""Words by what they contribute to predictions, and those that alone decide them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from ._intervals import corrected, resampled_means, share_interval

if TYPE_CHECKING:
    import pandas as pd

    from ..lens import TextLens

LEAST_INPUTS = 5
"""Inputs that a word must occur in to be listed."""

CANDIDATES = 20
"""Words that are checked as shortcuts."""

CHECKED = 50
"""Inputs from which a word is removed, and into which it is inserted, at most."""


def word_table(table: pd.DataFrame) -> pd.DataFrame:
    """What each word contributes to predictions of each class, those with the largest mean first.

    A row per predicted class and word that occurs in at least five of its inputs: `prediction`, `word` (lower case),
    `inputs` that hold it, `share`, the part of all inputs with the word that has this prediction, `total`, the sum of
    its scores, `mean` per input with its 95 % bootstrap interval (`low`, `high`), `hits` and `errors` (means over right
    and wrong predictions) and `p`, that the share is no larger than that of the class among all inputs (a binomial
    test), corrected for the number of words by Benjamini and Hochberg (1995).

    Scores are those of the attribution for the predicted class, of a word's tokens together.
    """
    import pandas as pd
    from scipy.stats import binomtest

    scores: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    present: Counter[str] = Counter()
    for row in table.itertuples():
        of_words: dict[str, float] = defaultdict(float)
        for token, special, score in zip(row.tokens, row.special, row.scores):
            if _is_word(token, special):
                of_words[token.lower()] += float(score)
        present.update(of_words.keys())
        for word, score in of_words.items():
            scores[row.prediction, word].append((score, bool(row.correct)))
    shares = table["prediction"].value_counts(normalize=True)
    rows = []
    for (prediction, word), found in scores.items():
        if len(found) >= LEAST_INPUTS:
            values = np.array([score for score, _ in found])
            hits = np.array([hit for _, hit in found])
            p = binomtest(len(found), present[word], shares[prediction], alternative="greater").pvalue
            rows.append(
                (prediction, word, len(found), len(found) / present[word], values.sum(), values.mean(),
                 *resampled_means(values), _mean(values[hits]), _mean(values[~hits]), p)
            )  # fmt: skip
    names = ["prediction", "word", "inputs", "share", "total", "mean", "low", "high", "hits", "errors", "p"]
    frame = pd.DataFrame(rows, columns=names)
    frame["p"] = corrected(frame["p"])
    return frame.sort_values(["mean", "word"], ascending=[False, True], kind="stable", ignore_index=True)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _is_word(token: str, special: bool) -> bool:
    """Whether a token of the text holds a letter or digit."""
    return not special and any(character.isalnum() for character in token)


def shortcut_table(lens: TextLens, table: pd.DataFrame, words: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Words that alone decide predictions, the strongest first: candidates for shortcuts, each checked on the model.

    Candidates are the twenty words with the largest mean scores that favour a class. Each is removed from inputs that
    hold it, and inserted into inputs of other predictions, at most fifty each. Columns:

    - `prediction`, `word`, `inputs`, `share` and `mean`, as in `word_table`
    - `removed`, `removed_low`, `removed_high`: the share of predictions that change without the word, with its 95 %
      interval; `removed_random`: the same of another word of the same inputs, as near in frequency as there is
    - `inserted`, ...: the share of other predictions that become this one with the word; `inserted_random`: with such a
      word
    - `strength`: how much removing and inserting do more than with the other words, their mean

    A strong word that carries meaning may rank high too: whether a word is a shortcut, a reader decides.

    Source: the protocol of planted words, Bastings et al. 2022, "Will You Find These Shortcuts?".
    """
    import pandas as pd

    generator = np.random.default_rng(seed)
    texts = table["input"].tolist()
    inside = [
        {token.lower() for token, special in zip(row.tokens, row.special) if _is_word(token, special)}
        for row in table.itertuples()
    ]
    frequency = Counter(word for words_here in inside for word in words_here)
    rows = []
    for candidate in _candidates(words, table["prediction"].value_counts(normalize=True)):
        word, prediction = candidate.word, candidate.prediction
        holds = np.array([word in here for here in inside])
        of_class = (table["prediction"] == prediction).to_numpy()
        with_word = generator.permutation(np.flatnonzero(holds & of_class))[:CHECKED]
        without = generator.permutation(np.flatnonzero(~holds & ~of_class))[:CHECKED]
        others = [_like(word, inside[at], frequency, generator) for at in with_word]
        usual = [other for other in others if other is not None] or [None]
        variants = (
            [_without(texts[at], word) for at in with_word],
            [_without(texts[at], other) for at, other in zip(with_word, others)],
            [_inserted(texts[at], word, generator) for at in without],
            [_inserted(texts[at], usual[n % len(usual)], generator) for n, at in enumerate(without)],
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
        rows.append(
            (prediction, word, candidate.inputs, candidate.share, candidate.mean, removed, *intervals[0],
             removed_random, inserted, *intervals[1], inserted_random, strength)
        )  # fmt: skip
    names = [
        "prediction", "word", "inputs", "share", "mean", "removed", "removed_low", "removed_high", "removed_random",
        "inserted", "inserted_low", "inserted_high", "inserted_random", "strength",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=names)
    return frame.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _candidates(words: pd.DataFrame, shares: pd.Series) -> list:
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


def _like(word: str, inside: set[str], frequency: Counter[str], generator: np.random.Generator) -> str | None:
    """Another word of the text that occurs in about as many inputs; None where it has no other."""
    others = sorted(inside - {word})
    if not others:
        return None
    apart = np.array([abs(np.log(frequency[other] / frequency[word])) for other in others])
    nearest = np.flatnonzero(apart <= max(apart.min(), np.log(2)))
    return others[int(generator.choice(nearest))]


def _predictions(lens: TextLens, texts: list[str | None]) -> np.ndarray:
    """The predicted class of each text that there is."""
    known = [text for text in texts if text is not None]
    return np.array([one.label for one in lens.predict(known)] if known else [], dtype=str)
