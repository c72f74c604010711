"""What a page of heads holds, as plain values: a record for each head, and the inputs that its examples are of.

A page has every number of the tables; of examples the weights are 8 bits of their square root, so that a weight is off
by 0.004 at most, and only those of one query where an input has many tokens.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..analysis import COLUMNS, nearest_heads, token_classes
from ..analysis._head_stats import meaning_of
from ..analysis._patterns import PATTERNS
from ..corpus import HeadPages, Row
from ..corpus._head_pages import SCORES, WEIGHT
from ..corpus._probe import class_index
from ..data._attention import Windows
from ..data._thumbnails import data_url
from ..data._trace import Trace
from ..errors import InputError
from ..lens import ImageLens

MEANINGS = COLUMNS | {WEIGHT: "the largest weight of an input on an ordinary key; a mean over the inputs"}
"""Of the scores, for the page."""

EFFECTS = {
    "flips": "share of predictions that change without the head",
    "divergence": "change of the probabilities without the head: mean Kullback-Leibler divergence, in nats",
    "accuracy_change": "accuracy without the head, minus with it",
    "loss_change": "loss without the head, minus with it, in nats",
}

TOP, TENTH = 5, 1
"""Examples of a head on the page: with the largest scores, and of each tenth."""

NEAR = 4
"""Neighbours of a head on the page."""

SMALL = 48
"""Tokens up to which an example has the weights of every query."""


def payload(pages: HeadPages) -> dict[str, Any]:
    """The whole content, for JSON; NaN is None."""
    inputs, examples = _examples(pages)
    records = zip(pages.heads.values.tolist(), _heads(pages), examples)
    return _plain({
        "columns": _columns(pages),
        "patterns": {name: MEANINGS[name] for name in PATTERNS},
        "by": pages.by,
        "inputs": inputs,
        "heads": [
            {"layer": layer, "head": head, **record, "examples": shown}
            for (layer, head), record, shown in records
        ],
    })  # fmt: skip


def _columns(pages: HeadPages) -> list[dict[str, str]]:
    """The numbers of a head that can be drawn."""
    table = pages.table
    known = [name for name in (*SCORES, *EFFECTS) if name in table and table[name].notna().any()]
    image = isinstance(pages.lens, ImageLens)
    return [
        {"name": name, "meaning": meaning_of(name, image) or MEANINGS.get(name) or EFFECTS[name]}
        for name in known
    ]


# -- a head's record ----------------------------------------------------------------------------------------------


def _heads(pages: HeadPages) -> Iterator[dict[str, Any]]:
    table, labels = pages.table, pages.labels
    names = [column["name"] for column in _columns(pages)]
    by_head = [_by_head(pages, frame) for frame in (pages.pairs, pages.classes, pages.offsets)]
    near, effects = _neighbours(pages), _effects(pages)
    for number in range(len(table)):
        pairs, classes, offsets = (frames.get(number) for frames in by_head)
        yield {
            "values": table.loc[number, names].tolist(),
            "pattern": labels.loc[number, ["pattern", "score", "low", "high", "limit", "also"]].to_dict(),
            "stats": _statistics(pages, number),
            "pairs": _rows(pairs, ["query", "key", "count", "chance", "p"]),
            "classes": _rows(classes, ["query", "key", "weight", "chance", "queries"]),
            "offsets": _offsets(offsets),
            "near": near[number],
            "off": effects[number],
        }


def _by_head(pages: HeadPages, frame: pd.DataFrame) -> dict[int, pd.DataFrame]:
    return {pages.number(*where): rows for where, rows in frame.groupby(["layer", "head"])}


def _rows(frame: pd.DataFrame | None, names: list[str]) -> list[list[Any]]:
    return [] if frame is None else frame[names].values.tolist()


def _statistics(pages: HeadPages, number: int) -> list[list[Any]]:
    """[name, mean, low, high, the quantiles, inputs] of each statistic that is defined."""
    row, at = pages.stats.loc[number], slice(number * len(SCORES), (number + 1) * len(SCORES))
    quantiles = pages.quantiles.iloc[at, 3:].values.tolist()
    return [
        [name, row[name], row[f"{name}_low"], row[f"{name}_high"], *values, int(row[f"{name}_inputs"])]
        for name, values in zip(SCORES, quantiles)
        if row[f"{name}_inputs"] > 0
    ]


def _offsets(frame: pd.DataFrame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    numbers = {name: frame[name].round(5).tolist() for name in ("weight", "chance")}
    if "row_offset" in frame:
        return {
            "rows": int(frame["row_offset"].max()) + 1,
            "cols": int(frame["col_offset"].max()) + 1,
            **numbers,
        }
    return {"reach": int(frame["offset"].iloc[-2]), **numbers}


def _neighbours(pages: HeadPages) -> list[list[list[float]]]:
    """[layer, head, distance] of the nearest heads of each; [] where layers differ in their queries and keys."""
    try:
        distance = pages.distance
    except InputError:
        return [[] for _ in range(len(pages.heads))]
    return [
        nearest_heads(distance, *where, count=NEAR).values.tolist() for where in pages.heads.values.tolist()
    ]


def _effects(pages: HeadPages) -> list[dict[str, Any] | None]:
    """What is lost without each head, and without it and its nearest one."""
    if not pages.predicts:
        return [None] * len(pages.heads)
    alone = pages.ablations.drop(columns=["layer", "head"]).to_dict("records")
    try:
        pairs = pages.pair_ablations.drop(columns=["layer", "head"]).to_dict("records")
    except InputError:
        pairs = []
    pairs = pairs or [None] * len(alone)
    return [{**one, "pair": pair} for one, pair in zip(alone, pairs)]


# -- examples -----------------------------------------------------------------------------------------------------


def _examples(pages: HeadPages) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """(the inputs, the examples of each head in the order of the table); the model reads the inputs again."""
    chosen = _few(pages.chosen(pages.by))
    frame = chosen.drop_duplicates("place").sort_values("place", ignore_index=True)
    rows = pages.read(frame)
    number_of = {place: number for number, place in enumerate(frame["place"].tolist())}
    of_input = {place: rows.index.tolist() for place, rows in chosen.groupby("place")}
    inputs: list[dict[str, Any]] = []
    shown: list[Any] = [None] * len(chosen)
    for place, row, trace in zip(frame["place"].tolist(), rows, pages.lens.traces(pages.inputs(rows))):
        inputs.append(_input(pages, row, trace, frame["prediction"][number_of[place]]))
        for at in of_input[place]:
            shown[at] = {"input": number_of[place], **_example(pages, trace, chosen.loc[at])}
    by_head: list[list[dict[str, Any]]] = [[] for _ in range(len(pages.heads))]
    for number, example in zip(chosen["number"].tolist(), shown):
        by_head[number].append(example)
    return inputs, by_head


def _few(examples: pd.DataFrame) -> pd.DataFrame:
    """Those that the page has; of a tenth preferably one that is not among the largest."""
    largest = examples[examples["decile"] == "top"]
    largest = largest[largest.groupby("number").cumcount() < TOP]
    rest = examples[examples["decile"] != "top"]
    again = rest.merge(largest[["number", "place"]], how="left", indicator=True)["_merge"] == "both"
    rest = rest.assign(again=again.to_numpy()).sort_values("again", kind="stable").drop(columns="again")
    rest = rest[rest.groupby(["number", "decile"]).cumcount() < TENTH]
    rest = rest.sort_values(["number", "score"], ascending=[True, False], kind="stable")
    return pd.concat([largest, rest]).sort_values("number", kind="stable", ignore_index=True)


def _input(pages: HeadPages, row: Row, trace: Trace, prediction: Any) -> dict[str, Any]:
    known = {"key": str(row.key), "label": _class_name(pages, row.label), "prediction": prediction}
    if trace.patches is None:
        return known | {"tokens": [list(pair) for pair in zip(_texts(trace), _kinds(trace))]}
    grid = trace.patches
    return known | {
        "picture": "" if grid.image is None else data_url(grid.image),
        "rows": grid.rows,
        "cols": grid.cols,
        "leading": len(grid.leading),
    }


def _texts(trace: Trace) -> list[str]:
    """The tokens without the mark of a piece that continues a word."""
    return [token.text.removeprefix("##") or token.text for token in trace.tokens]


def _kinds(trace: Trace) -> list[int]:
    """1 for special tokens, 2 for pieces that continue a word, 0 for others."""
    kinds = {"class": 1, "separator": 1, "subword": 2}
    return [kinds.get(kind, 0) for kind in token_classes(trace.tokens)]


def _class_name(pages: HeadPages, label: Any) -> str | None:
    """The name of a true class, which may be given by its index."""
    if label is None:
        return None
    try:
        return pages.lens.labels[class_index(pages.lens, label)]
    except (InputError, IndexError):
        return str(label)


def _example(pages: HeadPages, trace: Trace, row: pd.Series) -> dict[str, Any]:
    """The head's weights in an input: of every query, or of one where there are many tokens.

    Where the head does not attend from the input's tokens to themselves, as in a decoder, its keys have tokens of their
    own, and the query is not among them. Of a picture that is cut otherwise in this layer, as within windows, there are
    no weights.
    """
    layer, head = pages.heads.loc[row["number"]].tolist()
    attention, (of_queries, of_keys) = trace[layer], trace.axis_tokens(layer)
    query = int(row["query"]) if row.get("query", -1) >= 0 and row["score"] > 0 else attention.queries - 1
    example = {
        "decile": row["decile"],
        "score": float(row["score"]),
        "query": query,
        "whole": 0,
        "weights": "",
    }
    if trace.patches is not None:
        if isinstance(attention, Windows) or attention.shape[1:] != (len(trace.patches),) * 2:
            return example
    elif of_queries != trace.tokens or of_keys != trace.tokens:
        keys = [[token.text, int(token.special)] for token in of_keys]
        asks = of_queries[query].text if query < len(of_queries) else ""
        return example | {"keys": keys, "from": asks, "query": -1, "weights": _small(attention[head, query])}
    whole = attention.keys <= SMALL and attention.queries <= SMALL
    return example | {
        "whole": int(whole),
        "weights": _small(attention[head] if whole else attention[head, query]),
    }


def _small(weights: Tensor) -> str:
    """Roots of weights from 0 to 1 as bytes, in base64."""
    roots = (weights.double().clamp(0, 1).sqrt() * 255).round()
    return base64.b64encode(roots.to(torch.uint8).cpu().numpy().tobytes()).decode()


def _plain(value: Any) -> Any:
    """Plain values; numbers with six digits, None for what is no number."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
