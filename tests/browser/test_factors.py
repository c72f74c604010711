"""Weights that the browser computes from queries and keys: the worker's cells, by WebGL2 and without, and reports."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from attnlens.data._attention import Band, Factors
from attnlens.data._trace import Layer, Token, Trace
from attnlens.widgets import _payload
from attnlens.widgets._tiles import SIDE, HeadSelection, Tiles
from attnlens.widgets._view import bundle

from .conftest import FLAGS

SIZE, D_HEAD, HEAD = 300, 20, 3

PAIRS = {"causal": "b-b", "window on both sides": "b-b", "sliding window after a cache": "all"}
"""The texts that are shown of some kinds, so that they have weights; of others the second text's queries."""

CELLS = """
async ([code, head, shown, blocks, means]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer;
  const text = (cells) => btoa(Array.from(new Uint8Array(cells.buffer), (one) => String.fromCharCode(one)).join(""));
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.postMessage({ kind: "head", name: "0/0", header: head.header, bytes: new DataView(bytes(head.bytes)) });
  const positions = { rows: Int32Array.from(shown.rows), cols: Int32Array.from(shown.cols) };
  const lse = [new Float32Array(bytes(shown.lse))];
  worker.postMessage({ kind: "shown", name: "it", heads: ["0/0"], lse, ...positions });
  const found = [];
  for (const block of blocks) {
    const reply = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.postMessage({ kind: "cells", shown: "it", block, means });
    const { cells, webgl2, error } = await reply;
    found.push(error ?? [webgl2, text(cells)]);
  }
  worker.terminate();
  return found;
}
"""


def attentions() -> dict[str, Factors]:
    """Heads of every kind whose queries and keys a page may hold."""
    generator = torch.Generator().manual_seed(0)
    query = 2 * torch.randn(4, SIZE, D_HEAD, generator=generator)
    key = torch.randn(4, SIZE, D_HEAD, generator=generator)
    plain = Factors(query, key, D_HEAD**-0.5)
    padding = torch.ones(1, 1, SIZE, dtype=torch.bool)
    padding[..., 260:] = False
    holes = torch.rand(1, SIZE, SIZE, generator=generator) > 0.3
    holes[:, 5] = False
    return {
        "plain": plain,
        "grouped heads": replace(plain, key=key[:2]),
        "causal": replace(plain, mask=Band(None, 0)),
        "sliding window after a cache": replace(plain, query=query[:, :200], mask=Band(49, 0, 100)),
        "window on both sides": replace(plain, mask=Band(30, 31)),
        "softcap and sink": replace(plain, softcap=3.0, sink=torch.randn(4, generator=generator)),
        "padding and a bias of keys": replace(plain, mask=padding, bias=torch.randn(4, 1, SIZE, generator=generator)),
        "mask of each query": replace(plain, mask=holes),
        "numbers beyond float16": replace(plain, query=query * 1e6, scale=plain.scale * 1e-6),
        "vectors of three numbers": Factors(query[..., :3], key[..., :3], 0.4),
    }  # fmt: skip


def trace_of(attention: Factors) -> Trace:
    tokens = tuple(Token(f"t{n}", special=n % 47 == 0, segment=int(n > 120)) for n in range(SIZE))
    side = "input" if attention.queries == SIZE else "other"
    return Trace((Layer("layer 0", "self", attention, side),), tokens=tokens)


@pytest.fixture(scope="module")
def worker_code():
    return re.search(r"^var tile_worker_code_default = (.*?);$", bundle("attention"), re.M | re.S)[1]


@pytest.fixture(scope="module")
def drawing(chromium):
    """A browser that draws WebGL2, in software where the machine has no hardware for it."""
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    browser = chromium.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=[*flags, "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
    )
    yield browser
    browser.close()


def tiles_of(trace: Trace, selection: HeadSelection) -> tuple[list[dict], list[torch.Tensor]]:
    """Some tiles of every level, and the blocks of the shown positions that they are."""
    tiles, blocks, weights = Tiles(trace), [], []
    rows, cols = map(len, tiles.positions(selection))
    for level in range(3):
        span = SIDE << level
        for row, col in ((0, 0), ((rows - 1) // span, (cols - 1) // span)):
            top, left = row * span, col * span
            block = {
                "top": top,
                "bottom": min(rows, top + span),
                "left": left,
                "right": min(cols, left + span),
            }
            blocks.append(block | {"size": 1 << level, "pool": selection.pool})
            weights.append(tiles.tile(selection, level, row, col))
    return blocks, weights


def averaged(cells: str, block: dict, shape: torch.Size) -> torch.Tensor:
    """Means of sums: a cell at the edge covers fewer weights."""
    size, sums = block["size"], torch.from_numpy(np.frombuffer(base64.b64decode(cells), "<f4").copy())
    sums = sums.reshape(shape)
    if block["pool"] == "max":
        return sums
    high = (block["bottom"] - block["top"] - size * torch.arange(shape[0])).clamp(max=size)
    wide = (block["right"] - block["left"] - size * torch.arange(shape[1])).clamp(max=size)
    return sums / (high[:, None] * wide)


@pytest.mark.parametrize("means", ["webgl2", "processor"])
@pytest.mark.parametrize("name", attentions())
def test_the_worker_computes_the_tiles_of_python(drawing, worker_code, name, means):
    page = drawing.new_page()
    code = page.evaluate(worker_code)
    trace = trace_of(attentions()[name])
    sent = trace_of(_payload.rounded(trace[0]))
    one = replace(trace.layers[0], attention=_payload.single_head(trace[0], HEAD))
    head = sent_as(one)
    for selection in (
        HeadSelection(0, (HEAD,)),
        HeadSelection(0, (HEAD,), pool="mean"),
        HeadSelection(0, (HEAD,), PAIRS.get(name, "b-a"), hide_special=True),
    ):
        tiles = Tiles(sent)
        rows, cols = tiles.positions(selection)
        lse = encoded(tiles.lse(selection).numpy().astype("<f4").tobytes())
        blocks, expected = tiles_of(sent, selection)
        whole = Tiles(trace)
        shown = {"rows": rows.tolist(), "cols": cols.tolist(), "lse": lse}
        for (drawn, cells), block, weights in zip(
            page.evaluate(CELLS, [code, head, shown, blocks, means]), blocks, expected
        ):
            assert drawn == (means == "webgl2" and name != "mask of each query")
            computed = averaged(cells, block, weights.shape)
            assert float(weights.max()) > 0
            torch.testing.assert_close(computed, weights, atol=1e-5 * float(weights.max()), rtol=1e-4)
            level = block["size"].bit_length() - 1
            place = [block[side] // (SIDE << level) for side in ("top", "left")]
            torch.testing.assert_close(computed, whole.tile(selection, level, *place), atol=1e-3, rtol=0.0)
    page.close()


def sent_as(layer: Layer) -> dict:
    """A layer as its header and its bytes."""
    data = _payload.layer_bytes(layer.attention, detail=True)
    return {"header": _payload.layer_header(layer, detail=True), "bytes": encoded(data)}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
