// Layers against what Python computes: weights, blocks from factors, rows, products.

import { describe, expect, test } from "vitest";
import type { LayerHeader } from "../../src/protocol/headers";
import { Layer } from "../../src/protocol/layer";
import { bytesOf, fixtures, floatsOf, half, halves, layerOf } from "../fake";

const header = (more: Partial<LayerHeader>): LayerHeader => ({
  name: "x", kind: "self", query: "input", key: "input", heads: 1, queries: 2, keys: 2, detail: false, parts: [], bytes: 0, ...more,
});

describe("the weights", () => {
  test("there are fixtures of every kind", () => expect(fixtures.length).toBeGreaterThan(15));

  for (const { header, bytes, weights } of fixtures)
    test(`are those that Python has: ${header.name}`, () => {
      const layer = new Layer(header, bytesOf(bytes));
      const expected = floatsOf(weights);
      const size = header.queries * header.keys;
      for (let head = 0; head < header.heads; head++) {
        const decoded = layer.head(head);
        expect(decoded.length).toBe(size);
        for (let n = 0; n < size; n++) expect(decoded[n]).toBeCloseTo(expected[head * size + n]!, 5);
      }
    });

  test("may lie anywhere in a message, also where no number would be aligned", () => {
    const { header, bytes, weights } = fixtures.find(({ header }) => header.name === "weights")!;
    const layer = new Layer(header, bytesOf(bytes, 3));
    expect(layer.head(1)[4]).toBeCloseTo(floatsOf(weights)[header.queries * header.keys + 4]!, 6);
  });

  test("of a head are computed once", () => {
    const { header, bytes } = layerOf("factors");
    const layer = new Layer(header, bytes);
    expect(layer.head(1)).toBe(layer.head(1));
  });

  test("of many heads do not all stay in memory", () => {
    const heads = 40;
    const parts: LayerHeader["parts"] = [["weights", "f2", [heads, 1, 1]]];
    const layer = new Layer(header({ heads, queries: 1, keys: 1, parts }), halves(...Array(heads).fill(1)));
    const first = layer.head(0);
    for (let head = 1; head < heads; head++) layer.head(head);
    expect(layer.head(0)).not.toBe(first);
    expect(layer.head(heads - 1)).toBe(layer.head(heads - 1));
  });

  test("are refused where bytes are missing or left over", () => {
    const { header: whole, bytes } = fixtures[0]!;
    expect(() => new Layer(whole, bytesOf(bytes.slice(0, 40)))).toThrow(/30 bytes arrived, \d+ were announced/);
    const parts: LayerHeader["parts"] = [["weights", "f2", [1, 1, 2]]];
    expect(() => new Layer(header({ parts }), halves(1, 0, 0, 0))).toThrow("8 bytes arrived, 4 were announced");
  });
});

describe("a row", () => {
  test("is that row of the head", () => {
    for (const { header, bytes } of fixtures) {
      const whole = new Layer(header, bytesOf(bytes)).head(2);
      const row = new Layer(header, bytesOf(bytes)).row(2, 1);
      expect([...row]).toEqual([...whole.subarray(header.keys, 2 * header.keys)]);
    }
  });

  test("is taken from the head where that was computed", () => {
    const { header, bytes } = layerOf("causal");
    const layer = new Layer(header, bytes);
    expect(layer.row(1, 2).buffer).not.toBe(layer.head(1).buffer);
    expect(layer.row(1, 2).buffer).toBe(layer.head(1).buffer);
  });

  /** Query, key, bias, mask and sink of two heads, as bytes. */
  function factors(heads: number, size: number, depth: number) {
    const numbers = Array.from({ length: 2 * heads * size * depth }, (_, n) => half(0.1 + ((7 * n) % 13) / 8));
    const bias = 2 * numbers.length;
    const mask = bias + 4 * heads * size * size;
    const bytes = new DataView(new ArrayBuffer(mask + 4 + 4 * heads));
    numbers.forEach((bits, n) => bytes.setUint16(2 * n, bits, true));
    for (let n = 0; n < heads * size * size; n++) bytes.setFloat32(bias + 4 * n, ((3 * n) % 7) / 5, true);
    for (let n = 0; n < size * size; n++)
      if (n % 4 !== 1) bytes.setUint8(mask + (n >> 3), bytes.getUint8(mask + (n >> 3)) | (1 << (n & 7)));
    for (let head = 0; head < heads; head++) bytes.setFloat32(mask + 4 + 4 * head, 0.3 * head, true);
    return bytes;
  }

  test("is the same under a band, a mask, a bias, a cap and a sink", () => {
    const [heads, size, depth] = [2, 5, 3];
    const parts: LayerHeader["parts"] = [
      ["query", "f2", [heads, size, depth]],
      ["key", "f2", [heads, size, depth]],
      ["bias", "f4", [heads, size, size]],
      ["mask", "bits", [1, size, size]],
      ["sink", "f4", [heads]],
    ];
    const complete = header({ heads, queries: size, keys: size, parts, scale: 0.5, softcap: 2, band: [2, 0, 0] });
    const layer = () => new Layer(complete, factors(heads, size, depth));
    for (let head = 0; head < heads; head++) {
      const whole = layer().head(head);
      for (let query = 0; query < size; query++)
        expect([...layer().row(head, query)]).toEqual([...whole.subarray(query * size, (query + 1) * size)]);
    }
  });

  test("that is masked throughout is 0", () => {
    const parts: LayerHeader["parts"] = [["query", "f2", [1, 2, 1]], ["key", "f2", [1, 2, 1]], ["mask", "bits", [1, 2, 1]]];
    const bytes = new DataView(new ArrayBuffer(12));
    [1, 1, 1, 1].forEach((value, n) => bytes.setUint16(2 * n, half(value), true));
    bytes.setUint8(8, 0b10); // the second query may attend to every key
    const layer = new Layer(header({ parts }), bytes);
    expect([...layer.head(0)]).toEqual([0, 0, 0.5, 0.5]);
  });
});

describe("a band", () => {
  const parts: LayerHeader["parts"] = [["query", "f2", [1, 4, 1]], ["key", "f2", [1, 4, 1]]];
  const visible = (band: LayerHeader["band"]) => {
    const layer = new Layer(header({ queries: 4, keys: 4, parts, band: band! }), halves(...Array(8).fill(1)));
    const weights = layer.head(0);
    return [0, 1, 2, 3].map((query) => [...weights.subarray(4 * query, 4 * query + 4)].map((weight) => (weight > 0 ? "x" : ".")).join(""));
  };

  test("without a limit before is causal", () => expect(visible([null, 0, 0])).toEqual(["x...", "xx..", "xxx.", "xxxx"]));
  test("limits keys on both sides", () => expect(visible([1, 1, 0])).toEqual(["xx..", "xxx.", ".xxx", "..xx"]));
  test("without a limit after looks ahead", () => expect(visible([0, null, 0])).toEqual(["xxxx", ".xxx", "..xx", "...x"]));
  test("is shifted by an offset", () => expect(visible([null, 0, 2])).toEqual(["xxx.", "xxxx", "xxxx", "xxxx"]));
  test("may leave a query without keys", () => expect(visible([0, 0, 3])).toEqual(["...x", "....", "....", "...."]));
});

describe("the product behind a score", () => {
  test("explains the weight, by its ratio to another one of the row", () => {
    for (const name of ["factors", "grouped queries", "causal", "sink", "numbers beyond float16"]) {
      const { header, bytes, weights } = layerOf(name);
      const product = (key: number) => new Layer(header, bytes).product(3, 4, key);
      const { q, k, weight } = product(2);
      expect(weight).toBeCloseTo(weights[(3 * header.queries + 4) * header.keys + 2]!, 5);
      expect(q.length).toBe(k.length);
      const score = ({ q, k, scale }: ReturnType<typeof product>) => q.reduce((sum, value, i) => sum + value * k[i]!, 0) * scale;
      const row = new Layer(header, bytes).row(3, 4);
      expect(row[2]! / row[1]!).toBeCloseTo(Math.exp(score(product(2)) - score(product(1))), 3);
    }
  });

  test("is only there where factors are", () => {
    const factored = ({ header, bytes }: ReturnType<typeof layerOf>) => new Layer(header, bytes).factors;
    expect(factored(layerOf("factors"))).toBe(true);
    expect(factored(layerOf("weights"))).toBe(false);
  });
});
