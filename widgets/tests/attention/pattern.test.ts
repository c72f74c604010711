// What a head does, in a sentence.

import { expect, test } from "vitest";
import { describePattern } from "../../src/attention/pattern";
import { NO_TOKENS } from "../fake";

const tokens = { text: ["a", "b", "c", "d"], special: [], segment: [] };
const positions = [0, 1, 2, 3];

/** A head whose query n attends most to targets[n]. */
function pattern(targets: number[], same = true, text = tokens) {
  const weights = Float32Array.from({ length: 16 }, (_, n) => (targets[Math.floor(n / 4)] === n % 4 ? 0.7 : 0.1));
  return { weights, rows: positions, cols: positions, tokens: { query: text, key: text }, same };
}

test("a token that most queries attend to is named, with what it receives", () => {
  expect(describePattern(pattern([2, 2, 2, 0]))).toBe("3 of 4 tokens attend most to “c”, which receives 55% of the attention");
});

test("a neighbour is named where more queries attend to theirs than to one token", () => {
  expect(describePattern(pattern([0, 0, 1, 2]))).toBe("3 of 4 tokens attend most to the token before them");
  expect(describePattern(pattern([1, 2, 3, 1]))).toBe("3 of 4 tokens attend most to the token after them");
  expect(describePattern(pattern([0, 1, 2, 3]))).toBe("4 of 4 tokens attend most to themselves");
});

test("a neighbour may be farther away", () => {
  const count = 8;
  const positions = [...Array(count).keys()];
  const text = { text: positions.map(String), special: [], segment: [] };
  const of = (targets: number[]) => describePattern({
    weights: Float32Array.from({ length: count * count }, (_, n) => (targets[Math.floor(n / count)] === n % count ? 0.7 : 0.04)),
    rows: positions, cols: positions, tokens: { query: text, key: text }, same: true,
  });
  expect(of([2, 3, 4, 5, 6, 7, 0, 3])).toBe("6 of 8 tokens attend most to the token 2 after them");
  expect(of([2, 3, 4, 6, 1, 0, 7, 5])).toMatch(/^attention is spread/); // by chance, as 3 of 8 are
  expect(describePattern(pattern([2, 3, 0, 1]))).toMatch(/^attention is spread/);
});

test("of an image the neighbour is a patch, and the class token has none", () => {
  const count = 1 + 3 * 3;
  const positions = [...Array(count).keys()];
  const text = { text: positions.map(String), special: [0], segment: [] };
  const of = (targets: number[]) => describePattern({
    weights: Float32Array.from({ length: count * count }, (_, n) => (targets[Math.floor(n / count)] === n % count ? 0.9 : 0.01)),
    rows: positions, cols: positions, tokens: { query: text, key: text }, same: true, patches: { cols: 3, leading: 1 },
  });
  const patches = (step: number) => positions.map((n) => (n > 0 && n + step > 0 && n + step < count ? n + step : (n % 2) * n));
  expect(of(patches(-3))).toBe("6 of 10 positions attend most to the patch above them");
  expect(of(patches(4))).toBe("4 of 10 positions attend most to the patch below and right of them");
  expect(of(patches(1))).toBe("6 of 10 positions attend most to the patch right of them");
  expect(of(positions.map(() => 0))).toBe("10 of 10 positions attend most to “0”, which receives 90% of the attention");
});

test("across two texts no neighbour is named", () => {
  expect(describePattern(pattern([0, 1, 2, 3], false))).toBe("attention is spread; its largest weight is “a” → “a” 0.7");
});

test("of a part of the tokens the neighbour is that of the whole text", () => {
  const part = { weights: Float32Array.of(0.9, 0.1, 0.1, 0.9), rows: [0, 2], cols: [0, 2], tokens: { query: tokens, key: tokens }, same: true };
  expect(describePattern(part)).toBe("2 of 2 tokens attend most to themselves");
});

test("of a single query its key and weight are named", () => {
  const one = { ...pattern([1, 1, 1, 1]), weights: Float32Array.of(0.25, 0.5, 0.25, 0), rows: [2] };
  expect(describePattern(one)).toBe("its one query attends most to “b”, 0.5");
});

test("queries that attend to nothing do not count, and without any there is no sentence", () => {
  const weights = Float32Array.from({ length: 16 }, (_, n) => (n < 8 && n % 4 === 1 ? 1 : 0));
  expect(describePattern({ ...pattern([0, 0, 0, 0]), weights })).toBe("2 of 2 tokens attend most to “b”, which receives 50% of the attention");
  expect(describePattern({ ...pattern([0, 0, 0, 0]), weights: new Float32Array(16) })).toBe("");
  expect(describePattern({ weights: new Float32Array(0), rows: [], cols: [], tokens: { query: NO_TOKENS, key: NO_TOKENS }, same: true })).toBe("");
});
