// @vitest-environment jsdom
// Tiles of long heads, computed by the worker's own code: the pyramid, the order of jobs, and what is dropped.

import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { HeadTiles } from "../../src/factors/head_tiles";
import type { WorkerMessage } from "../../src/factors/tile_worker";
import { TileWorkers, type Shown } from "../../src/factors/tile_workers";
import { halfValues } from "../../src/protocol/float16";
import type { LayerHeader } from "../../src/protocol/headers";
import { Layer } from "../../src/protocol/layer";
import { coarsestLevel, tileCutter, type Pooling } from "../../src/protocol/tiles";

const [ROWS, COLS, D] = [2100, 4200, 3];

const header: LayerHeader = {
  name: "long", kind: "cross", query: "input", key: "output", heads: 1, queries: ROWS, keys: COLS, detail: true, scale: 2,
  band: [null, 0, COLS - ROWS], parts: [["query", "f2", [1, ROWS, D]], ["key", "f2", [1, COLS, D]]], bytes: 2 * (ROWS + COLS) * D,
};

/** Halves between 1 and 2 and between -1 and -2, always the same. */
function vectors(): DataView {
  let state = 1;
  const next = () => (state = (state * 48271) % 2147483647);
  return new DataView(Uint16Array.from({ length: header.bytes / 2 }, () => 0x3c00 + (next() % 1024) + (next() % 2) * 0x8000).buffer);
}

const bytes = vectors();
const layer = new Layer(header, bytes);
let weights: Float32Array;
let shown: Shown;

/** Runs the code of the worker, a little later. */
class FakeWorker {
  static made: FakeWorker[] = [];
  static receive: (data: WorkerMessage) => unknown;
  onmessage: (event: { data: unknown }) => void = () => {};
  onerror: (() => void) | null = null;
  readonly received: WorkerMessage[] = [];
  terminated = false;

  constructor() {
    FakeWorker.made.push(this);
  }

  postMessage(data: WorkerMessage): void {
    this.received.push(data);
    setTimeout(() => {
      const reply = FakeWorker.receive(data);
      if (reply && !this.terminated) this.onmessage({ data: reply });
    });
  }

  terminate(): void {
    this.terminated = true;
  }

  get blocks() {
    return this.received.flatMap((one) => (one.kind === "cells" ? [`${one.block.top}/${one.block.left}/${one.block.size}`] : []));
  }
}

beforeAll(async () => {
  vi.stubGlobal("Worker", FakeWorker);
  URL.createObjectURL = () => "blob:";
  FakeWorker.receive = (await import("../../src/factors/tile_worker")).receive;
  weights = layer.head(0);
  const lse = Float32Array.from({ length: ROWS }, (_, i) => {
    // Of the last key that a query sees: its score less the logarithm of its weight.
    const key = i + COLS - ROWS;
    const { bits } = layer.halfVectors("query");
    const keys = layer.halfVectors("key").bits;
    let score = 0;
    for (let d = 0; d < D; d++) score += halfValues()[bits[i * D + d]!]! * halfValues()[keys[key * D + d]!]! * 2;
    return score - Math.log(weights[i * COLS + key]!);
  });
  const positions = (count: number) => Int32Array.from({ length: count }, (_, i) => i);
  shown = { name: "long", heads: [{ name: "0/0", header, bytes }], lse: [lse], rows: positions(ROWS), cols: positions(COLS) };
});

let ended: AbortController;
const tiles = (pool: Pooling = "max") => new HeadTiles(new TileWorkers(ended.signal), { ...shown, name: pool }, pool);
beforeEach(() => {
  ended = new AbortController();
  FakeWorker.made = [];
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 1, configurable: true });
});
afterEach(() => ended.abort());

describe("a tile", () => {
  for (const pool of ["max", "mean"] as const)
    test(`is the same at every level as of all weights: ${pool}`, async () => {
      const cut = tileCutter(weights, ROWS, COLS, pool);
      const computed = tiles(pool);
      const top = coarsestLevel(ROWS, COLS);
      expect(top).toBe(5);
      for (const [level, row, col] of [[0, 3, 5], [0, 8, 16], [1, 4, 8], [2, 0, 1], [3, 1, 2], [4, 0, 1], [top, 0, 0]] as const) {
        const [tile, expected] = [await computed.tile(level, row, col), cut(level, row, col)];
        expect([tile.rows, tile.cols]).toEqual([expected.rows, expected.cols]);
        const off = tile.weights.reduce((most, weight, n) => Math.max(most, Math.abs(weight - expected.weights[n]!)), 0);
        expect(off).toBeLessThan(1e-5);
        expect(Math.max(...expected.weights)).toBeGreaterThan(1e-4);
      }
    });

  test("is computed once", async () => {
    const computed = tiles();
    await computed.tile(4, 0, 0);
    await computed.tile(4, 0, 0);
    await computed.tile(3, 1, 1);
    expect(FakeWorker.made[0]!.blocks).toEqual(["0/0/8", "0/2048/8", "2048/0/8", "2048/2048/8"]);
  });

  test("in sight comes before what was in sight earlier, and before the background", async () => {
    const computed = tiles();
    computed.computeAhead();
    await new Promise((rested) => setTimeout(rested, 40));
    const earlier = FakeWorker.made[0]!.blocks.length;
    await computed.tile(0, 8, 16);
    expect(FakeWorker.made[0]!.blocks.indexOf("2048/4096/1")).toBeLessThanOrEqual(earlier + 1);
  });

  test("under way is hurried when it is requested again", async () => {
    const computed = tiles();
    const waiting = [0, 1, 2, 3].map((col) => computed.tile(0, 0, col));
    vi.spyOn(performance, "now").mockReturnValue(1e9);
    waiting.push(computed.tile(0, 0, 3));
    vi.restoreAllMocks();
    await Promise.all(waiting);
    expect(FakeWorker.made[0]!.blocks).toEqual(["0/0/1", "0/768/1", "0/256/1", "0/512/1"]);
  });
});

describe("jobs", () => {
  test("that wait are dropped with what they are of", async () => {
    const computed = tiles();
    const waiting = [0, 1, 2].map((col) => computed.tile(0, 0, col).then(() => "computed", (error: Error) => error.name));
    computed.close();
    expect(await Promise.all(waiting)).toEqual(["computed", "AbortError", "AbortError"]);
    expect((await computed.tile(0, 0, 1)).cols).toBe(256);
  });

  test("that a page may not run fail, at once from then on", async () => {
    const computed = tiles();
    const tile = computed.tile(0, 0, 0);
    FakeWorker.made[0]!.onerror!();
    await expect(tile).rejects.toThrow("may not start a worker");
    await expect(computed.tile(0, 0, 1)).rejects.toThrow("may not start a worker");
    expect(FakeWorker.made.length).toBe(1);
  });

  test("run in as many workers as leave a processor to the page", async () => {
    Object.defineProperty(navigator, "hardwareConcurrency", { value: 3, configurable: true });
    const computed = tiles();
    await Promise.all([0, 1, 2, 3, 4, 5].map((col) => computed.tile(0, 0, col)));
    expect(FakeWorker.made.length).toBe(2);
  });

  test("end with the view", async () => {
    const tile = tiles().tile(0, 0, 0);
    ended.abort();
    await expect(tile).rejects.toThrow("closed");
    expect(FakeWorker.made[0]!.terminated).toBe(true);
  });
});

describe("a line", () => {
  test("is one row or one column", async () => {
    const computed = tiles();
    const row = await computed.line("query", 2000);
    expect(row.length).toBe(COLS);
    for (const key of [0, 17, 4000, 4150]) expect(row[key]).toBeCloseTo(weights[2000 * COLS + key]!, 5);
    const column = await computed.line("key", 2500);
    expect(column.length).toBe(ROWS);
    for (const query of [0, 399, 400, 2099]) expect(column[query]).toBeCloseTo(weights[query * COLS + 2500]!, 5);
  });
});
