"""Labels that are probably wrong, by confident learning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from ._audit_rows import AuditRows


def noisy_places(rows: AuditRows, classes: int) -> np.ndarray:
    """The places of the rows whose label is probably wrong, those with the smallest margin first, in two passes.

    Source: Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels": the label is not the
    most probable of the classes whose probability reaches their threshold, the mean probability of a class over the
    rows that have it as their label.
    """
    sums, counts, start = np.zeros(classes), np.zeros(classes), 0
    for labels, chances in _chances(rows):
        np.add.at(sums, labels, chances[np.arange(len(labels)), labels])
        np.add.at(counts, labels, 1)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    noisy = np.zeros(len(rows), dtype=bool)
    for labels, chances in _chances(rows):
        confident = np.where(chances >= thresholds[: chances.shape[1]], chances, -np.inf)
        noisy[start : start + len(labels)] = (confident.argmax(1) != labels) & (confident.max(1) > -np.inf)
        start += len(labels)
    places = np.flatnonzero(noisy)
    return places[np.argsort(rows.column("margin")[places], kind="stable")]


def _chances(rows: AuditRows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(labels `[row]`, probabilities of the classes `[row, class]`) of each part."""
    for table in rows.tables(["label_index", "logits"]):
        if table["logits"].null_count:
            raise InputError(
                "label noise needs the probabilities of all classes, and there are too many to keep them"
            )
        if len(table):
            flat = table["logits"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            logits = flat.astype(float).reshape(len(table), -1)
            chances = np.exp(logits - logits.max(1, keepdims=True))
            yield table["label_index"].to_numpy(), chances / chances.sum(1, keepdims=True)
