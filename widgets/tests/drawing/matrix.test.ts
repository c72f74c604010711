// @vitest-environment jsdom
// A matrix: what is painted, labelled, pointed at, selected and requested.

import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { attentionRamp, signedRamp, weightColours } from "../../src/drawing/colour";
import { Matrix } from "../../src/drawing/matrix";
import { matrixSvg, paintMatrix, placedLabels, type MatrixDrawing, type MatrixScene } from "../../src/drawing/matrix_painter";
import { rolesOf } from "../../src/drawing/palette";
import { svgInset } from "../../src/drawing/svg";
import { TileCache } from "../../src/drawing/tile_cache";
import { Viewport } from "../../src/drawing/viewport";
import { tileCutter } from "../../src/protocol/tiles";
import { HOSTILE, recordingContext, stubBrowser } from "../fake";

beforeAll(stubBrowser);

const tokens = (count: number) => ({ text: Array.from({ length: count }, (_, n) => `t${n}`), special: [0], segment: [] });
const roles = rolesOf(false);
const isNumber = (text: unknown) => /^−?[01]?\.\d\d$/.test(String(text));
const settle = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms));

/** Weights n / size² of a square matrix. */
function drawing(size: number, more: Partial<MatrixDrawing> = {}): MatrixDrawing {
  const weights = Float32Array.from({ length: size * size }, (_, n) => n / size ** 2);
  const cut = tileCutter(weights, size, size, "max");
  const positions = [...Array(size).keys()];
  return {
    name: "a", queries: tokens(size), keys: tokens(size), rows: positions, cols: positions,
    tile: async (level, row, col) => cut(level, row, col),
    threshold: 0, log: false, ramp: attentionRamp(false), roles, selected: { query: null, key: null }, ...more,
  };
}

async function scene(drawn: MatrixDrawing, more: Partial<MatrixScene> = {}): Promise<MatrixScene> {
  const viewport = new Viewport();
  viewport.resize(drawn.rows.length, drawn.cols.length, 460);
  const tiles = new TileCache(drawn.rows.length, drawn.cols.length, drawn.tile, null);
  const level = viewport.level(1, tiles.coarsest);
  tiles.request(tiles.coarsest, 0, 0);
  tiles.request(0, 0, 0);
  await settle(0);
  const colours = weightColours({ signed: false, ...drawn }, tiles.largestWeight());
  return { drawing: drawn, viewport, tiles, margins: { plot: 460, left: 108, top: 92, legend: 80 }, colours, level, pointed: null, ...more };
}

describe("the painted matrix", () => {
  test("has numbers in cells that have room for them, in a legible ink, but none for what reads 0.00", async () => {
    const { context, of } = recordingContext();
    const weights = tileCutter(Float32Array.of(0.004, 0.25, 0.5, 1), 2, 2, "max");
    paintMatrix(context, await scene(drawing(2, { tile: async (...place) => weights(...place) })));
    const numbers = of("fillText").filter(({ values }) => isNumber(values[0]));
    expect(numbers.map(({ values }) => values[0])).toEqual([".25", ".50", "1.00"]);
    expect(numbers.map(({ fill }) => fill)).toEqual(["#000000", "#000000", "#ffffff"]);
  });

  test("has minus signs in a difference", async () => {
    const { context, of } = recordingContext();
    const weights = tileCutter(Float32Array.of(-0.25, 0.5, 0, 0), 2, 2, "max");
    const signed = drawing(2, { tile: async (...place) => weights(...place), signed: true, ramp: signedRamp(false) });
    paintMatrix(context, await scene(signed));
    expect(of("fillText").map(({ values }) => values[0])).toEqual(expect.arrayContaining(["−.25", ".50"]));
  });

  test("has no numbers in small cells", async () => {
    const { context, of } = recordingContext();
    paintMatrix(context, await scene(drawing(40)));
    expect(of("fillText").filter(({ values }) => isNumber(values[0]))).toEqual([]);
  });

  test("has an outline around the selected row and column, in the colour for selections", async () => {
    const { context, of } = recordingContext();
    paintMatrix(context, await scene(drawing(10, { selected: { query: 2, key: 5 } })));
    const outlines = of("strokeRect").filter(({ stroke }) => stroke === roles.selection);
    expect(outlines.map(({ values }) => values)).toEqual([[-2, 92, 464, 46], [230, -2, 46, 464]]);
  });

  test("has one line through a thin row", async () => {
    const { context, of } = recordingContext();
    paintMatrix(context, await scene(drawing(230), { pointed: { row: 10, col: 20 } }));
    const outlines = of("strokeRect").filter(({ stroke }) => stroke === roles.selection);
    expect(outlines.map(({ values }) => values[3])).toEqual([0, 464]);
  });

  test("has the pointed cell outlined rather than the selected one", async () => {
    const { context, of } = recordingContext();
    paintMatrix(context, await scene(drawing(10, { selected: { query: 2, key: 5 } }), { pointed: { row: 0, col: 1 } }));
    expect(of("strokeRect").filter(({ stroke }) => stroke === roles.selection)[0]!.values[1]).toBe(0);
  });

  test("requests the tiles in sight", async () => {
    const painted = await scene(drawing(600));
    const tile = vi.fn(painted.drawing.tile);
    const tiles = new TileCache(600, 600, tile, null);
    paintMatrix(recordingContext().context, { ...painted, tiles, level: 0 });
    expect(tile.mock.calls).toEqual([[2, 0, 0]]); // the whole first
    await settle(0);
    painted.viewport.follow({ x: 0, y: 300, cell: 40 });
    paintMatrix(recordingContext().context, { ...painted, tiles, level: 0 });
    expect(tile.mock.calls.slice(1)).toEqual([[0, 1, 0]]);
  });

  test("has a part of a coarser tile where a finer one is missing", async () => {
    const { context, of } = recordingContext();
    const painted = await scene(drawing(600));
    painted.viewport.follow({ x: 300, y: 300, cell: 40 });
    paintMatrix(context, { ...painted, level: 0 });
    const [, left, above, wide, high] = of("drawImage")[0]!.values;
    expect([left, above, wide, high]).toEqual([64, 64, 64, 64]); // cells 256 to 511 of the tile of level 2
  });

  test("has no legend until the largest weight is known", async () => {
    const legend = async (top: number) => {
      const { context, of } = recordingContext();
      const painted = await scene(drawing(10));
      paintMatrix(context, { ...painted, colours: weightColours({ signed: false, ...painted.drawing }, top) });
      return of("fillText").filter(({ font }) => font.includes("system-ui") && font.startsWith("11px")).length;
    };
    expect(await legend(0)).toBe(0);
    expect(await legend(0.5)).toBe(4); // three numbers, and what they measure
  });
});

describe("labels", () => {
  test("stand on both sides, or above alone where there is no room", async () => {
    const both = placedLabels(await scene(drawing(3)));
    expect(both.map(({ text, turned }) => `${text}${turned ? " above" : ""}`)).toEqual(["t0", "t1", "t2", "t0 above", "t1 above", "t2 above"]);
    const above = placedLabels(await scene(drawing(3), { margins: { plot: 460, left: 10, top: 92, legend: 80 } }));
    expect(above.every(({ turned }) => turned)).toBe(true);
  });

  test("of special tokens are muted, of marked ones bold", async () => {
    const { context, of } = recordingContext();
    paintMatrix(context, await scene(drawing(3, { selected: { query: 0, key: 1 } })));
    const labels = of("fillText").filter(({ font }) => font.includes("monospace"));
    expect(labels.map(({ values, font, fill }) => [values[0], font.startsWith("bold"), fill])).toEqual([
      ["t1", false, roles.text], ["t2", false, roles.text], ["t0", true, roles.text],
      ["t0", false, roles.muted], ["t2", false, roles.text], ["t1", true, roles.text],
    ]);
  });

  test("are text in SVG, whatever a token holds", async () => {
    const hostile = { text: [HOSTILE, "b"], special: [], segment: [] };
    const svg = svgInset(matrixSvg(await scene(drawing(2, { queries: hostile, keys: hostile })), 80), 0, 0);
    expect(svg).not.toMatch(/<img|<script|\u0000/);
    const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(parsed.querySelector("parsererror")).toBe(null);
    const texts = [...parsed.querySelectorAll("text")].map((text) => text.textContent!);
    expect(texts.slice(4)).toEqual(["key", ".25", ".50", ".75", "0.75", "0.375", "0"]); // after the labels
  });
});

describe("a matrix in the page", () => {
  const events = {
    pointed: vi.fn(), left: vi.fn(), selected: vi.fn(), failed: vi.fn(), pending: vi.fn(), scaled: vi.fn(), moved: vi.fn(),
  };
  let ending: AbortController;
  let matrix: Matrix;

  beforeEach(() => {
    vi.clearAllMocks();
    ending = new AbortController();
    matrix = new Matrix(events, ending.signal);
    document.body.replaceChildren(matrix.element);
  });
  afterEach(() => ending.abort());

  test("reports when its largest weight is known", async () => {
    matrix.show(drawing(10), 640);
    expect(matrix.strongest).toBe(0);
    await settle();
    expect(events.scaled).toHaveBeenCalled();
    expect(matrix.strongest).toBeCloseTo(0.99, 5);
    expect(events.pending.mock.calls.flat()).toEqual([1, 0]);
  });

  test("reports the cell that is pointed at, with its weight, by positions of tokens", async () => {
    matrix.show(drawing(3, { rows: [4, 5, 6], queries: tokens(7) }), 640);
    await settle();
    matrix.point({ row: 1, col: 2 });
    expect(events.pointed).toHaveBeenLastCalledWith(5, 2, expect.closeTo(5 / 9, 5), null);
    const calls = events.pointed.mock.calls.length;
    matrix.point({ row: 1, col: 2 });
    expect(events.pointed).toHaveBeenCalledTimes(calls);
    matrix.point(null);
    expect(events.left).toHaveBeenCalledOnce();
  });

  test("reports what a coarse picture shows, and the single weight when the pointer rests", async () => {
    matrix.show(drawing(2000), 640);
    await settle();
    matrix.point({ row: 5, col: 9 });
    const pooled = events.pointed.mock.calls.at(-1)!;
    expect(pooled[2]).toBe(null);
    expect(pooled[3]).toEqual({ size: 4, weight: expect.closeTo((7 * 2000 + 11) / 2000 ** 2, 5) });
    await settle(200);
    expect(events.pointed.mock.calls.at(-1)![2]).toBeCloseTo((5 * 2000 + 9) / 2000 ** 2, 5);
  });

  test("steps from the selected cell, within the matrix", async () => {
    matrix.show(drawing(3, { selected: { query: 1, key: 1 } }), 640);
    matrix.step(0, 1);
    matrix.step(1, 0);
    matrix.step(5, 0);
    expect(events.pointed.mock.calls.map(([query, key]) => [query, key])).toEqual([[1, 2], [2, 2]]);
    matrix.select();
    expect(events.selected.mock.calls).toEqual([[2, 2]]);
    matrix.point(null);
    matrix.select();
    expect(events.selected).toHaveBeenCalledOnce();
  });

  test("moves with the keys and reports what is in sight", async () => {
    matrix.show(drawing(1000), 640);
    events.moved.mockClear();
    matrix.zoom(1000);
    matrix.pan(-48, 0);
    const [zoomed, panned] = events.moved.mock.calls.map(([sight]) => sight);
    expect(zoomed.cell).toBe(48);
    expect(panned.x).toBeCloseTo(zoomed.x + 1, 6);
    expect(matrix.seen).toEqual({ rows: 10, cols: 10 });
    matrix.fit();
    expect(events.moved.mock.calls.at(-1)![0]).toMatchObject({ x: 0, y: 0 });
  });

  test("follows another one without reporting it", async () => {
    matrix.show(drawing(1000), 640);
    events.moved.mockClear();
    matrix.follow({ x: 100, y: 200, cell: 40 });
    expect(events.moved).not.toHaveBeenCalled();
    expect(matrix.cellAt(1, 1)).toEqual({ row: 200, col: 100 });
  });

  test("forgets the pointed cell where the next matrix has none such", async () => {
    matrix.show(drawing(10), 640);
    matrix.point({ row: 9, col: 9 });
    matrix.show(drawing(3, { name: "b" }), 640);
    expect(events.left).toHaveBeenCalledOnce();
  });

  test("reports nothing of a drawing that was superseded", async () => {
    let fail: (error: Error) => void = () => {};
    matrix.show(drawing(10, { tile: () => new Promise((_, reject) => (fail = reject)) }), 640);
    matrix.show(drawing(10, { name: "b" }), 640);
    fail(new Error("too late"));
    await settle();
    expect(events.failed).not.toHaveBeenCalled();
  });

  test("reports why tiles are missing, unless the view has ended", async () => {
    const failing = (name: string) => drawing(10, { name, tile: async () => { throw new Error(name); } });
    matrix.show(failing("first"), 640);
    await settle();
    matrix.show(failing("second"), 640);
    ending.abort();
    await settle();
    expect(new Set(events.failed.mock.calls.map(([error]) => error.message))).toEqual(new Set(["first"]));
  });

  test("has narrower margins in a narrow view, and those that it is given", () => {
    const long = { text: Array.from({ length: 100 }, (_, n) => `unforgettable${n}`), special: [], segment: [] };
    const shown = (queries: MatrixDrawing["queries"], width: number) => {
      matrix.show(drawing(100, { queries, keys: queries }), width);
      return [matrix.corner.left, matrix.corner.top];
    };
    expect(shown(long, 400)).toEqual([84, 84]);
    expect(shown(long, 640)).toEqual([124, 106]);
    const [left, top] = shown(tokens(100), 640); // three letters
    expect(left).toBeLessThan(60);
    expect(top).toBeLessThan(60);
    matrix.show(drawing(100, { margins: { plot: 100, left: 5, top: 6, legend: 0 } }), 640);
    expect(matrix.corner).toMatchObject({ left: 5, top: 6 });
  });
});
