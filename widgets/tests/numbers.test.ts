// The number code against what Python computes: decoding, blocks from factors, tiles, scales, labels.

import { decodeHalves as floats, halvesAt as halves } from "../src/protocol/float16";
import { Layer } from "../src/protocol/layer";
import { meanOf as mean, submatrix as picked } from "../src/protocol/weights";
import { tileCutter as cutter, coarsestLevel as topLevel } from "../src/protocol/tiles";
import { describe, expect, test } from "vitest";
import { attentionRamp, headColour, intensityScale, rampTable, signedRamp } from "../src/drawing/colour";
import { formatNumber } from "../src/drawing/number_format";
import { tokenLabel } from "../src/drawing/token_label";
import { bytesOf, fixtures, floatsOf } from "./fake";

describe("a layer", () => {
  test("there are fixtures of every kind", () => expect(fixtures.length).toBeGreaterThan(15));

  for (const { header, bytes, weights } of fixtures)
    test(`computes the weights that Python has: ${header.name}`, () => {
      const layer = new Layer(header, bytesOf(bytes));
      const expected = floatsOf(weights);
      const size = header.queries * header.keys;
      for (let head = 0; head < header.heads; head++) {
        const found = layer.head(head);
        expect(found.length).toBe(size);
        for (let n = 0; n < size; n++) expect(found[n]).toBeCloseTo(expected[head * size + n]!, 5);
      }
    });

  test("may lie anywhere in a message, also where no number would be aligned", () => {
    const { header, bytes, weights } = fixtures.find(({ header }) => header.name === "weights")!;
    const layer = new Layer(header, bytesOf(bytes, 3));
    expect(layer.head(1)[4]).toBeCloseTo(floatsOf(weights)[header.queries * header.keys + 4]!, 6);
  });

  test("a row is that row of the head", () => {
    for (const { header, bytes } of fixtures) {
      const whole = new Layer(header, bytesOf(bytes)).head(2);
      const row = new Layer(header, bytesOf(bytes)).row(2, 1);
      expect([...row]).toEqual([...whole.subarray(header.keys, 2 * header.keys)]);
    }
  });

  test("knows the product behind a score", () => {
    for (const name of ["factors", "grouped queries", "causal", "sink", "numbers beyond float16"]) {
      const { header, bytes, weights } = fixtures.find((one) => one.header.name === name)!;
      const { q, k, scale, weight } = new Layer(header, bytesOf(bytes)).product(3, 4, 2);
      expect(weight).toBeCloseTo(floatsOf(weights)[(3 * header.queries + 4) * header.keys + 2]!, 5);
      const score = (key: number) => {
        const other = new Layer(header, bytesOf(bytes)).product(3, 4, key);
        return other.q.reduce((sum, value, i) => sum + value * other.k[i]!, 0) * scale;
      };
      expect(q.length).toBe(k.length);
      const ratio = Math.exp(score(2) - score(1));
      const row = new Layer(header, bytesOf(bytes)).row(3, 4);
      expect(row[2]! / row[1]!).toBeCloseTo(ratio, 3);
    }
  });

  test("says so when bytes are missing", () => {
    const { header, bytes } = fixtures[0]!;
    expect(() => new Layer(header, bytesOf(bytes.slice(0, 40)))).toThrow(/30 bytes arrived, \d+ were announced/);
  });
});

describe("float16", () => {
  test("every bit pattern is the number that it stands for", () => {
    const bits = Uint16Array.from([0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00, 0x3555]);
    const expected = [0, -0, 2 ** -24, 2 ** -14 - 2 ** -24, 2 ** -14, 1, -2, 65504, Infinity, -Infinity, 0.333251953125];
    expect([...floats(bits)]).toEqual(expected);
    expect(floats(Uint16Array.of(0x7e00))[0]).toBeNaN();
  });

  test("is read from an odd address too", () => {
    const block = new DataView(Uint8Array.of(9, 0x00, 0x3c, 0x00, 0xc0).buffer, 1);
    expect([...floats(halves(block, 0, 2))]).toEqual([1, -2]);
  });
});

describe("matrices", () => {
  const matrix = Float32Array.from({ length: 12 }, (_, n) => n);

  test("rows and columns are picked", () => {
    expect([...picked(matrix, 4, [2, 0], [3, 1])]).toEqual([11, 9, 3, 1]);
  });

  test("heads are averaged", () => {
    expect([...mean([matrix.slice(0, 2), matrix.slice(2, 4)])]).toEqual([1, 2]);
  });

  test("tiles of each level pool what they stand for", () => {
    const [rows, cols] = [600, 300];
    const whole = Float32Array.from({ length: rows * cols }, (_, n) => Math.sin(n) / 2 + 0.5);
    for (const pool of ["max", "mean"] as const) {
      const tile = cutter(whole, rows, cols, pool);
      expect(topLevel(rows, cols)).toBe(2);
      expect(tile(0, 2, 1)).toMatchObject({ rows: 600 - 512, cols: 300 - 256 });
      const top = tile(2, 0, 0);
      expect(top).toMatchObject({ rows: 150, cols: 75 });
      const cell = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => whole[(4 * 7 + i) * cols + 4 * 5 + j]!));
      const expected = pool === "max" ? Math.max(...cell) : cell.reduce((a, b) => a + b) / 16;
      expect(top.weights[7 * 75 + 5]).toBeCloseTo(expected, 6);
    }
  });

  test("the edge of an odd size is pooled from what is there", () => {
    const tile = cutter(Float32Array.of(1, 2, 6, 3, 5, 2, 9), 7, 1, "mean");
    expect(tile(1, 0, 0)).toMatchObject({ rows: 4, cols: 1 });
    expect([...tile(1, 0, 0).weights]).toEqual([1.5, 4.5, 3.5, 9]);
    expect(tile(2, 0, 0).weights[1]).toBeCloseTo((5 + 2 + 9) / 3, 6); // not of (5 + 2) / 2 and 9
  });

  test("of signed numbers the strongest is kept, whichever its sign", () => {
    expect(cutter(Float32Array.of(0.1, -0.5, 0.4, 0), 2, 2, "max")(1, 0, 0).weights[0]).toBe(-0.5);
  });
});

describe("scales and colours", () => {
  test("a linear scale ends at the largest weight, a logarithmic one begins at a small one", () => {
    expect(intensityScale(0.5, false)(0.25)).toBe(0.5);
    expect(intensityScale(0.5, false)(2)).toBe(1);
    const log = intensityScale(1, true);
    expect(log(1)).toBe(1);
    expect(log(0)).toBe(0);
    expect(log(1e-4)).toBe(0);
    expect(log(1e-2)).toBeCloseTo(0.5, 6);
    expect(intensityScale(0, false)(0)).toBe(0);
  });

  test("ramps go from paper to ink in light, and the other way in dark", () => {
    const brightness = (colour: string) => colour.match(/\d+/g)!.map(Number).reduce((a, b) => a + b);
    for (const dark of [false, true]) {
      const shades = [0, 0.25, 0.5, 0.75, 1].map((share) => brightness(attentionRamp(dark)(share)));
      expect(shades).toEqual([...shades].sort((a, b) => (dark ? a - b : b - a)));
    }
    expect(signedRamp(false)(-1)).not.toBe(signedRamp(false)(1));
    expect(rampTable(attentionRamp(false)).length).toBe(1024);
  });

  test("of 24 heads no two have one colour", () => {
    for (const dark of [false, true])
      expect(new Set(Array.from({ length: 24 }, (_, head) => headColour(head, dark))).size).toBe(24);
  });
});

describe("labels", () => {
  test("what is invisible gets a sign", () => {
    expect(tokenLabel("Ġfilm")).toBe("Ġfilm");
    expect(tokenLabel("   ")).toBe("␣␣␣");
    expect(tokenLabel(" film")).toBe(" film");
    expect(tokenLabel("a\nb\0")).toBe("a↵b␀");
    expect(tokenLabel("\u202eevil")).toBe("‹202e›evil");
    expect(tokenLabel("👩\u200d👧 a\u200db")).toBe("👩\u200d👧 a‹200d›b");
    expect(tokenLabel("")).toBe("∅");
  });

  test("what is endless ends, and no emoji is cut in two", () => {
    expect(tokenLabel("x".repeat(10_000))).toBe(`${"x".repeat(39)}…`);
    expect(tokenLabel("👍".repeat(100), 4)).toBe("👍👍👍…");
  });

  test("numbers have three figures", () => {
    expect([0.1234567, 1, 0, 0.00001234, 0.5, 123.456, NaN].map(formatNumber)).toEqual(["0.123", "1", "0", "1.2e-5", "0.5", "123", "–"]);
  });
});
