// @vitest-environment jsdom
// Where weights come from: the widget's state, or Python.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { layerTitle } from "../../src/drawing/titles";
import { AttentionRows } from "../../src/protocol/attention_rows";
import { request } from "../../src/protocol/requests";
import { cached, shownPositions, tokensOf, TraceSource, type Selection } from "../../src/protocol/trace_source";
import { FakeModel, halves, layerOf, NO_TOKENS, singles, TOKENS, traceOf } from "../fake";

const causal = layerOf("causal");
const { header, weights } = causal;
const SIZE = 7;
const weight = (head: number, query: number, key: number) => weights[head * SIZE * SIZE + query * SIZE + key]!;
const selection = (more: Partial<Selection> = {}): Selection => ({ layer: 0, heads: [1], pair: "all", hide_special: false, pool: "max", ...more });

let model: FakeModel;
const source = (prefix = "") => new TraceSource(model as any, new AbortController().signal, prefix);
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

beforeEach(() => {
  model = new FakeModel({ trace: traceOf([header, { ...header, kind: "cross" }]), layer_0: causal.bytes });
});

describe("layers", () => {
  test("are read from the state once", async () => {
    const trace = source();
    expect(await trace.layer(0)).toBe(await trace.layer(0));
    expect(model.sent).toEqual([]);
  });

  test("that are not there are requested, and read when they arrived", async () => {
    const layer = source().layer(1);
    expect(model.sent).toMatchObject([{ ask: "layer", layer: 1 }]);
    model.state["layer_1"] = causal.bytes;
    model.reply({});
    expect((await layer).head(0)[0]).toBeCloseTo(weight(0, 0, 0), 5);
  });

  test("that were taken back are requested again", async () => {
    model.state["layer_0"] = new DataView(new ArrayBuffer(0));
    void source().layer(0).catch(() => {});
    await settle();
    expect(model.sent).toMatchObject([{ ask: "layer", layer: 0 }]);
  });

  test("that do not arrive are an error, and requested anew the next time", async () => {
    const trace = source();
    const layer = trace.layer(1);
    model.reply({});
    await expect(layer).rejects.toThrow("Layer 1 did not arrive");
    void trace.layer(1).catch(() => {});
    await settle();
    expect(model.sent.length).toBe(2);
  });

  test("of one of two traces have its prefix", async () => {
    model = new FakeModel({ b_trace: traceOf([header]), b_layer_0: undefined });
    void source("b_").layer(0).catch(() => {});
    await settle();
    expect(model.sent).toMatchObject([{ ask: "b_layer", layer: 0 }]);
  });

  test("are listed by number, with their kind where that is another", () => {
    const { header } = source();
    const titles = (stacks: string[]) => header.layers.map((_, n) => layerTitle({ ...header, stacks }, n));
    expect(titles(["", ""])).toEqual(["0", "1 (cross)"]);
    expect(titles(["encoder", "cross"])).toEqual(["0 (encoder)", "1 (cross)"]);
  });
});

describe("tokens", () => {
  test("are those of the side that a layer names", () => {
    const output = { text: Array(SIZE).fill("out"), special: [], segment: [] };
    const trace = traceOf([header], { tokens: { input: TOKENS, output } });
    expect(tokensOf(trace, { ...header, query: "output" }, "query")).toBe(output);
    expect(tokensOf(trace, { ...header, query: "output" }, "key")).toBe(TOKENS);
  });

  test("are positions where a layer has others, or another number of them", () => {
    const trace = traceOf([header]);
    const other = { ...header, query: "windows", queries: 3, key: "output" };
    expect(tokensOf(trace, other, "query").text).toEqual(["0", "1", "2"]);
    expect(tokensOf(trace, other, "key").text.length).toBe(SIZE);
  });

  test("are shown by segment, with or without special ones", () => {
    expect(shownPositions(TOKENS, null, false)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(shownPositions(TOKENS, null, true)).toEqual([1, 2, 4, 5]);
    expect(shownPositions(TOKENS, 0, false)).toEqual([0, 1, 2, 3]);
    expect(shownPositions(TOKENS, 1, true)).toEqual([4, 5]);
    expect(shownPositions({ ...TOKENS, segment: [] }, 1, false)).toEqual([]);
    expect(shownPositions(NO_TOKENS, null, false)).toEqual([]);
  });

  test("of a pair are those of the attending and of the attended text", () => {
    expect(source().positions(selection({ pair: "b-a" }))).toEqual({ rows: [4, 5, 6], cols: [0, 1, 2, 3] });
  });
});

describe("weights in the browser", () => {
  test("are matrices of the selected heads", async () => {
    const [first, second] = await source().matrices(selection({ heads: [0, 2] }));
    expect(first![10]).toBeCloseTo(weight(0, 1, 3), 5);
    expect(second![48]).toBeCloseTo(weight(2, 6, 6), 5);
  });

  test("without special tokens sum to one again", async () => {
    const [matrix] = await source().matrices(selection({ hide_special: true }));
    expect(matrix!.length).toBe(16);
    const rest = weight(1, 4, 1) + weight(1, 4, 2) + weight(1, 4, 4) + weight(1, 4, 5);
    expect(matrix![2 * 4 + 1]).toBeCloseTo(weight(1, 4, 2) / rest, 5);
  });

  test("of a query are a row, of a key a column", async () => {
    const trace = source();
    const [row] = await trace.line(selection({ pair: "b-b" }), "query", 5);
    expect([...row!]).toEqual([4, 5, 6].map((key) => expect.closeTo(weight(1, 5, key), 5)));
    const [column] = await trace.line(selection({ pair: "b-b" }), "key", 4);
    expect([...column!]).toEqual([4, 5, 6].map((query) => expect.closeTo(weight(1, query, 4), 5)));
  });

  test("are tiles of the mean of the heads", async () => {
    const tile = await source().tile(selection({ heads: [0, 1] }), 0, 0, 0);
    expect(tile).toMatchObject({ rows: SIZE, cols: SIZE });
    expect(tile.weights[3 * SIZE + 2]).toBeCloseTo((weight(0, 3, 2) + weight(1, 3, 2)) / 2, 5);
    expect(model.sent).toEqual([]);
  });
});

describe("weights in Python", () => {
  beforeEach(() => {
    model = new FakeModel({ trace: traceOf([header], { remote: true }) });
  });

  test("are requested as lines, head by head", async () => {
    const line = source().line(selection({ heads: [0, 3] }), "key", 2);
    expect(model.sent).toMatchObject([{ ask: "line", axis: "key", position: 2, layer: 0, heads: [0, 3], pair: "all", hide_special: false }]);
    model.reply({ shape: [2, 3] }, [halves(0.5, 0.25, 0, 1, 2, 4)]);
    expect((await line).map((values) => [...values])).toEqual([[0.5, 0.25, 0], [1, 2, 4]]);
  });

  test("are requested as tiles, each once", async () => {
    const trace = source();
    const [tile, again] = [trace.tile(selection(), 1, 2, 3), trace.tile(selection(), 1, 2, 3)];
    expect(model.sent).toMatchObject([{ ask: "tile", level: 1, row: 2, col: 3, heads: [1], pool: "max" }]);
    model.reply({ shape: [1, 2] }, [halves(0.5, 0.125)]);
    expect(await tile).toEqual({ rows: 1, cols: 2, weights: Float32Array.of(0.5, 0.125) });
    expect(await again).toBe(await tile);
  });

  test("that were refused are requested again", async () => {
    const trace = source();
    const tile = trace.tile(selection(), 0, 0, 0);
    model.refuse("busy");
    await expect(tile).rejects.toThrow("busy");
    void trace.tile(selection(), 0, 0, 0);
    expect(model.sent.length).toBe(2);
  });
});

/** Replies with cells that are all 0.5, as the worker does. */
class FakeWorker {
  static fails = false;
  onmessage: (event: { data: unknown }) => void = () => {};
  onerror: () => void = () => {};
  postMessage({ kind, block }: any): void {
    if (kind !== "cells") return;
    const { top, bottom, left, right, size } = block;
    const cells = new Float32Array(Math.ceil((bottom - top) / size) * Math.ceil((right - left) / size)).fill(0.5);
    setTimeout(() => (FakeWorker.fails ? this.onerror() : this.onmessage({ data: { cells, webgl2: false } })));
  }
  terminate(): void {}
}

describe("heads whose queries and keys are in the browser", () => {
  const LONG = 3000; // five levels, the coarsest of which are requested
  const long = { ...header, queries: LONG, keys: LONG };
  const place = [0, 5, 5] as const;

  beforeEach(() => {
    vi.stubGlobal("Worker", FakeWorker);
    URL.createObjectURL = () => "blob:";
    FakeWorker.fails = false;
  });
  afterEach(() => void vi.unstubAllGlobals());

  /** A source, and what replies to its requests for heads. */
  function longSource(more: object = {}) {
    model = new FakeModel({ trace: traceOf([{ ...long, ...more }], { remote: true }) });
    const trace = source();
    const reply = async () => {
      await settle();
      model.reply({ header: long }, [new DataView(new ArrayBuffer(4))]);
      await settle();
      model.reply({}, [singles(...Array(LONG).fill(0))]);
    };
    return { trace, reply, asked: () => model.sent.map(({ ask, level }) => (level === undefined ? ask : `${ask} ${level}`)) };
  }

  test("are received once, for fine tiles; coarse ones are requested", async () => {
    const { trace, reply, asked } = longSource();
    const tile = trace.tile(selection(), ...place);
    await reply();
    expect(await tile).toMatchObject({ rows: 256, cols: 256 });
    await trace.tile(selection(), 0, 5, 6);
    expect(asked()).toEqual(["factors", "lse"]);
    void trace.tile(selection(), 1, 0, 0);
    expect(asked()).toEqual(["factors", "lse", "tile 1"]);
  });

  test("are requested as tiles where Python does not send them, and where no worker runs", async () => {
    const { trace, asked } = longSource();
    void trace.tile(selection(), ...place);
    await settle();
    model.refuse("no queries and keys");
    await settle();
    expect(asked()).toEqual(["factors", "tile 0"]);
    FakeWorker.fails = true;
    const other = longSource();
    void other.trace.tile(selection(), ...place);
    await other.reply();
    await settle();
    await settle();
    expect(other.asked()).toEqual(["factors", "lse", "tile 0"]);
  });

  test("of a report are computed where the page has no map", async () => {
    const { trace } = longSource({ held: { 1: long } });
    const tile = trace.tile(selection(), 2, 0, 0);
    await settle();
    model.refuse("no map", model.sent.findIndex(({ ask }) => ask === "tile"));
    model.reply({ header: long }, [new DataView(new ArrayBuffer(4))], model.sent.findIndex(({ ask }) => ask === "factors"));
    await settle();
    model.reply({}, [singles(...Array(LONG).fill(0))]);
    expect((await tile).weights[0]).toBe(0.5);
    expect((await trace.line(selection(), "query", 7))[0]!.length).toBe(LONG);
    const refused = trace.tile(selection({ heads: [2] }), 2, 0, 0);
    model.refuse("no map of head 2");
    await expect(refused).rejects.toThrow("no map of head 2");
  });
});

describe("means over layers of a long trace", () => {
  test("are computed where every head of them can be had", async () => {
    vi.stubGlobal("Worker", FakeWorker);
    URL.createObjectURL = () => "blob:";
    const held = { ...header, queries: 3000, keys: 3000 };
    model = new FakeModel({ trace: traceOf([held, held, held].map((one, n) => ({ ...one, held: n < 2 ? { 1: held } : {} })), { remote: true }) });
    const trace = source();
    const asked = (kind: string) => model.sent.filter(({ ask }) => ask === kind).map(({ layer, head }) => [layer, head]);
    const replyToAll = (kind: string, bytes: DataView) =>
      model.sent.forEach(({ ask }, n) => ask === kind && model.reply({ header: held }, [bytes], n));
    const tile = trace.tile({ ...selection(), layers: [0, 1] }, 0, 5, 5);
    await settle();
    replyToAll("factors", new DataView(new ArrayBuffer(4)));
    await settle();
    replyToAll("lse", singles(...Array(3000).fill(0)));
    expect((await tile).weights[0]).toBe(0.5);
    expect([asked("factors"), asked("lse")]).toEqual([[[0, 1], [1, 1]], [[0, 1], [1, 1]]]);
    expect((await trace.line({ ...selection(), layers: [0, 1] }, "query", 7))[0]!.length).toBe(3000);
    const refused = trace.tile({ ...selection(), layers: [1, 2] }, 3, 0, 0);
    model.refuse("no map of layer 2");
    await expect(refused).rejects.toThrow("no map of layer 2");
    vi.unstubAllGlobals();
  });
});

describe("rows over all keys", () => {
  const rowsOf = (trace: TraceSource) =>
    new AttentionRows(trace, (name, fields) => request(model as any, name, fields, new AbortController().signal));

  test("of a query are the mean over heads", async () => {
    const row = await rowsOf(source()).of(0, [0, 1], 5);
    expect([...row]).toEqual([...Array(SIZE).keys()].map((key) => expect.closeTo((weight(0, 5, key) + weight(1, 5, key)) / 2, 5)));
  });

  test("without a query are the mean over all of them, computed once", async () => {
    const rows = rowsOf(source());
    const received = await rows.of(0, [2], null);
    const expected = [...Array(SIZE).keys()].reduce((sum, query) => sum + weight(2, query, 1), 0) / SIZE;
    expect(received[1]).toBeCloseTo(expected, 5);
    expect(await rows.of(0, [2], null)).toBe(received);
  });

  test("are requested where the weights are in Python", async () => {
    model = new FakeModel({ trace: traceOf([{ ...header, keys: 2 }], { remote: true }) });
    const rows = rowsOf(source());
    const received = rows.of(0, [0, 1], null);
    expect(model.sent).toMatchObject([{ ask: "received", layer: 0, heads: [0, 1] }]);
    model.reply({}, [singles(0.25, 0.75)]);
    expect([...(await received)]).toEqual([0.25, 0.75]);
    const row = rows.of(0, [0, 1], 6);
    expect(model.sent[1]).toMatchObject({ ask: "line", axis: "query", position: 6, heads: [0, 1] });
    model.reply({ shape: [2, 2] }, [halves(0.5, 0.5, 0.25, 0)]);
    expect([...(await row)]).toEqual([0.375, 0.25]);
  });
});

describe("the cache", () => {
  test("drops the oldest beyond its size", async () => {
    const cache = new Map<string, Promise<number>>();
    let made = 0;
    const get = (key: string) => cached(cache, key, 2, async () => ++made);
    expect([await get("a"), await get("b"), await get("a")]).toEqual([1, 2, 1]);
    expect(await get("c")).toBe(3);
    expect([...cache.keys()]).toEqual(["b", "c"]);
    expect(await get("a")).toBe(4);
  });
});
