// @vitest-environment jsdom
// Tiles as they arrive, and their pictures.

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { weightColours } from "../../src/drawing/colour";
import { TileCache, tilePicture } from "../../src/drawing/tile_cache";
import type { Tile } from "../../src/protocol/tiles";
import { stubBrowser } from "../fake";

beforeAll(stubBrowser);

/** A tile whose weights are all the same. */
const tileOf = (weight: number, rows = 256, cols = 256): Tile => ({ rows, cols, weights: new Float32Array(rows * cols).fill(weight) });
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

const requests: { name: string; resolve(tile: Tile): void; reject(error: Error): void }[] = [];
const events = { arrived: vi.fn(), failed: vi.fn(), pending: vi.fn() };
const requested = () => requests.map(({ name }) => name);

function cache(rows = 600, cols = 300): TileCache {
  return new TileCache(rows, cols, (...place) => new Promise((resolve, reject) => void requests.push({ name: place.join("/"), resolve, reject })), events);
}

beforeEach(() => {
  requests.length = 0;
  vi.clearAllMocks();
});

describe("tiles", () => {
  test("are requested until they have arrived, and are under way once", async () => {
    const tiles = cache();
    expect(tiles.coarsest).toBe(2);
    tiles.request(2, 0, 0);
    tiles.request(2, 0, 0);
    expect(requested()).toEqual(["2/0/0", "2/0/0"]);
    expect(events.pending.mock.calls.flat()).toEqual([1]);
    requests[0]!.resolve(tileOf(0.5));
    await settle();
    tiles.request(2, 0, 0);
    expect(requested().length).toBe(2);
    expect(tiles.at(2, 0, 0)!.tile.weights[0]).toBe(0.5);
    expect(tiles.at(1, 0, 0)).toBeUndefined();
  });

  test("report how many are under way, and the level of each that arrived", async () => {
    const tiles = cache();
    tiles.request(0, 0, 0);
    tiles.request(1, 0, 0);
    requests[1]!.resolve(tileOf(1));
    await settle();
    requests[0]!.resolve(tileOf(1));
    await settle();
    expect(events.pending.mock.calls.flat()).toEqual([1, 2, 1, 0]);
    expect(events.arrived.mock.calls.flat()).toEqual([1, 0]);
  });

  test("that are no longer in sight do not count as under way, and are held when they arrive", async () => {
    const tiles = cache();
    for (const [level, row, col] of [[2, 0, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]] as const) tiles.request(level, row, col);
    tiles.see(0, { first: 1, end: 3 }, { first: 1, end: 2 });
    expect(events.pending.mock.lastCall).toEqual([2]);
    requests[1]!.resolve(tileOf(1));
    await settle();
    expect(tiles.at(0, 0, 0)!.tile.weights[0]).toBe(1);
    expect(events.pending.mock.lastCall).toEqual([2]);
  });

  test("that were dropped are no failure", async () => {
    cache().request(0, 0, 0);
    requests[0]!.reject(new DOMException("Something else is shown now.", "AbortError"));
    await settle();
    expect(events.failed).not.toHaveBeenCalled();
    expect(events.pending.mock.lastCall).toEqual([0]);
  });

  test("are dropped when many others were looked at since, but not the coarsest", async () => {
    const tiles = cache(600 * 256, 256);
    tiles.request(tiles.coarsest, 0, 0);
    for (let row = 0; row < 400; row++) tiles.request(0, row, 0);
    requests.slice(0, -1).forEach(({ resolve }) => resolve(tileOf(0, 1, 1)));
    await settle();
    expect(tiles.at(0, 0, 0)).toBeDefined();
    requests.at(-1)!.resolve(tileOf(0, 1, 1));
    await settle();
    expect([0, 1, 2].map((row) => Boolean(tiles.at(0, row, 0)))).toEqual([true, false, true]);
    expect(tiles.at(tiles.coarsest, 0, 0)).toBeDefined();
  });

  test("that failed are reported and requested again", async () => {
    const tiles = cache();
    tiles.request(0, 1, 1);
    requests[0]!.reject(new Error("the trace is gone"));
    await settle();
    expect(events.failed.mock.calls.flat()).toEqual([new Error("the trace is gone")]);
    expect(events.pending).toHaveBeenLastCalledWith(0);
    tiles.request(0, 1, 1);
    expect(requested()).toEqual(["0/1/1", "0/1/1"]);
  });

  test("report nothing after the cache was closed", async () => {
    const tiles = cache();
    tiles.request(0, 0, 0);
    tiles.request(0, 0, 1);
    vi.clearAllMocks();
    tiles.close();
    requests[0]!.resolve(tileOf(1));
    requests[1]!.reject(new Error("gone"));
    await settle();
    for (const event of Object.values(events)) expect(event).not.toHaveBeenCalled();
  });
});

describe("weights", () => {
  test("have a largest magnitude level by level", async () => {
    const tiles = cache();
    expect(tiles.largestWeight()).toBe(0);
    tiles.request(2, 0, 0);
    tiles.request(0, 0, 0);
    tiles.request(0, 1, 0);
    [0.25, -0.75, 0.5].forEach((weight, n) => requests[n]!.resolve(tileOf(weight)));
    await settle();
    expect([tiles.largestWeight(), tiles.largestWeight(0), tiles.largestWeight(1)]).toEqual([0.25, 0.75, 0]);
  });

  test("are single ones of the finest level alone", async () => {
    const tiles = cache();
    tiles.request(1, 0, 0);
    tiles.request(0, 1, 0);
    requests[0]!.resolve(tileOf(0.5));
    const tile = tileOf(0, 256, 256);
    tile.weights[3 * 256 + 2] = 0.125;
    requests[1]!.resolve(tile);
    await settle();
    expect(tiles.weight(256 + 3, 2)).toBe(0.125);
    expect(tiles.weight(3, 2)).toBe(null);
  });

  test("are pooled at the level that is shown, else at the next coarser one that is here", async () => {
    const tiles = cache();
    expect(tiles.pooledWeight(1, 400, 100)).toBe(null);
    tiles.request(2, 0, 0);
    const coarse = tileOf(0, 150, 75);
    coarse.weights[100 * 75 + 25] = 0.5;
    requests[0]!.resolve(coarse);
    await settle();
    expect(tiles.pooledWeight(1, 401, 102)).toEqual({ weight: 0.5, size: 4 });
    tiles.request(1, 0, 0);
    const finer = tileOf(0, 256, 150);
    finer.weights[200 * 150 + 51] = 0.375;
    requests[1]!.resolve(finer);
    await settle();
    expect(tiles.pooledWeight(0, 401, 102)).toEqual({ weight: 0.375, size: 2 });
  });
});

describe("the picture of a tile", () => {
  const grey = (share: number) => `rgb(${Math.round(255 * share)},0,0)`;
  const colours = (more: object = {}) => weightColours({ ramp: grey, log: false, threshold: 0, signed: false, ...more }, 1);

  /** The red part of each pixel that is painted. */
  function reds(weights: number[], look: ReturnType<typeof colours>): number[] {
    const image = { data: new Uint8ClampedArray(4 * weights.length) };
    const context = { createImageData: () => image, putImageData: vi.fn() };
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = (() => context) as any;
    const tile = { rows: 1, cols: weights.length, weights: Float32Array.from(weights) };
    const canvas = tilePicture({ tile, picture: null, colours: "" }, look);
    HTMLCanvasElement.prototype.getContext = original;
    expect([canvas.width, canvas.height]).toEqual([weights.length, 1]);
    expect(context.putImageData).toHaveBeenCalledOnce();
    return weights.map((_, n) => image.data[4 * n]!);
  }

  test("has the colour of each weight", () => {
    expect(reds([0, 0.2, 1], colours())).toEqual([0, 51, 255]);
  });

  test("has the colour of zero below the threshold", () => {
    expect(reds([0.1, 0.2, 0.3], colours({ threshold: 0.2 }))).toEqual([0, 51, 77]);
  });

  test("has the middle of the ramp for zero where weights have a sign", () => {
    const ramp = (share: number) => grey((share + 1) / 2);
    expect(reds([-1, 0, 1, 0.01], colours({ ramp, signed: true, threshold: 0.1 }))).toEqual([0, 128, 255, 128]);
  });

  test("is painted anew where the colours changed, and only there", () => {
    const cached = { tile: tileOf(0.5, 2, 2), picture: null, colours: "" };
    const first = tilePicture(cached, colours());
    expect(tilePicture(cached, colours())).toBe(first);
    expect(tilePicture(cached, colours({ log: true }))).not.toBe(first);
  });
});
