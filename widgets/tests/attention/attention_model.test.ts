// From AttentionView's state to what is drawn and said.

import { describe, expect, test } from "vitest";
import { quoted } from "../../src/drawing/titles";
import {
  describeCell, describeHeads, describeLine, headsOfLayer, linesDrawing, loneToken, numberRanges, rangeNumbers, scoreOf, selectedToken, toggledToken,
  type LinesWeights,
} from "../../src/attention/attention_model";

import { headColour, rolesOf } from "../../src/drawing/palette";
import { layerOf, TOKENS } from "../fake";

const { header } = layerOf("causal");
const both = { query: TOKENS, key: TOKENS };
const selection = { layer: 2, heads: [1], pair: "all", hide_special: false, pool: "max" } as const;
const shown = { ...selection, heads: [1] };

describe("heads", () => {
  test("are those that the layer has, at least one", () => {
    expect(headsOfLayer([0, 3], { ...header, heads: 4 })).toEqual([0, 3]);
    expect(headsOfLayer([1, 9], { ...header, heads: 4 })).toEqual([1]);
    expect(headsOfLayer([9], { ...header, heads: 4 })).toEqual([0]);
    expect(headsOfLayer([], header)).toEqual([0]);
  });

  test("are named one by one, or as their mean", () => {
    expect(describeHeads({ layer: 2, heads: [5] })).toBe("layer 2, head 5");
    expect(describeHeads({ layer: 2, heads: [5, 6] })).toBe("layer 2, mean of 2 heads");
    expect(describeHeads({ layer: 2, heads: [5], layers: [4, 2, 3, 6] })).toBe("mean of layers 2-4, 6, head 5");
    expect(describeHeads({ layer: 0, heads: [5, 6] }, ["encoder"], true)).toBe("encoder layer 0, 2 heads");
  });

  test("are named by ranges of layers, as they are typed", () => {
    expect(numberRanges([])).toBe("");
    expect(rangeNumbers("0-2, 5 7", 8)).toEqual([0, 1, 2, 5, 7]);
    expect(rangeNumbers("", 8)).toEqual([]);
    for (const wrong of ["8", "3-1", "a", "1-", "-1"]) expect(rangeNumbers(wrong, 8)).toBe(null);
  });
});

describe("one token", () => {
  test("is a query or a key, never both", () => {
    expect(selectedToken({ axis: "query", position: 3 })).toEqual({ query: 3, key: null });
    expect(selectedToken({ axis: "key", position: 3 })).toEqual({ query: null, key: 3 });
  });

  test("is released by a second click", () => {
    expect(toggledToken({ query: 3, key: null }, { axis: "query", position: 3 })).toEqual({ query: null, key: null });
    expect(toggledToken({ query: 3, key: null }, { axis: "query", position: 4 })).toEqual({ query: 4, key: null });
    expect(toggledToken({ query: 3, key: null }, { axis: "key", position: 3 })).toEqual({ query: null, key: 3 });
  });

  test("is shown alone where it is pointed at, else where it is selected", () => {
    const pointed = { axis: "key", position: 1 } as const;
    expect(loneToken(pointed, { query: 3, key: null })).toBe(pointed);
    expect(loneToken(null, { query: 0, key: null })).toEqual({ axis: "query", position: 0 });
    expect(loneToken(null, { query: null, key: 4 })).toEqual({ axis: "key", position: 4 });
    expect(loneToken(null, { query: null, key: null })).toBe(null);
  });

  test("is quoted with its invisible characters shown", () => {
    expect(quoted({ text: ["a\n"], special: [], segment: [] }, 0)).toBe("“a↵”");
    expect(quoted(TOKENS, 99)).toBe("“?”");
    const patches = { text: ["[CLS]", "0,0", "6,4"], special: [0], segment: [], leading: 1 };
    expect([0, 2].map((n) => quoted(patches, n))).toEqual(["“[CLS]”", "patch (6, 4)"]);
  });
});

describe("lines", () => {
  const roles = rolesOf(false);
  const weights: LinesWeights = {
    rows: [0, 1], cols: [0], queries: TOKENS, keys: TOKENS, alone: null, line: null,
    matrices: [Float32Array.of(0.5, 0.25), Float32Array.of(0.1, 0.75)],
  };
  const state = { mean: false, query: 1, key: null, threshold: 0.1, log: true };

  test("have the colours of their heads", () => {
    const drawing = linesDrawing(state, [0, 3], weights, roles, false);
    expect(drawing.colours).toEqual([headColour(0, false), headColour(3, false)]);
    expect(drawing.matrices).toBe(weights.matrices);
    expect(drawing).toMatchObject({ threshold: 0.1, log: true, selected: { query: 1, key: null }, ink: roles.text });
  });

  test("of the mean are one set, in the accent", () => {
    const drawing = linesDrawing({ ...state, mean: true }, [0, 3], weights, roles, false);
    expect(drawing.colours).toEqual([roles.accent]);
    expect([...drawing.matrices![0]!]).toEqual([expect.closeTo(0.3, 6), 0.5]);
  });

  test("of the mean of one head are that head's", () => {
    expect(linesDrawing({ ...state, mean: true }, [3], weights, roles, false).colours).toEqual([headColour(3, false)]);
  });

  test("of a lone token have its weights, averaged with the others", () => {
    const alone = { axis: "query", position: 1 } as const;
    const line = [Float32Array.of(0.2), Float32Array.of(0.6)];
    expect(linesDrawing(state, [0, 3], { ...weights, alone, line }, roles, false).alone).toEqual({ ...alone, weights: line });
    const mean = linesDrawing({ ...state, mean: true }, [0, 3], { ...weights, alone, line }, roles, false);
    expect([...mean.alone!.weights[0]!]).toEqual([expect.closeTo(0.4, 6)]);
    expect(linesDrawing(state, [0, 3], { ...weights, alone, line: null }, roles, false).alone).toBe(null);
  });

  test("of weights in Python have no matrices", () => {
    expect(linesDrawing(state, [0], { ...weights, matrices: null }, roles, false).matrices).toBe(null);
  });
});

describe("sentences", () => {
  test("say what a cell's weight is, and where", () => {
    expect(describeCell(both, shown, 1, 4, 0.25, null)).toBe("“a” → “d”: 0.25 · layer 2, head 1 · query 1, key 4");
  });

  test("say what a coarse cell stands for", () => {
    const pooled = { weight: 0.5, size: 4 };
    expect(describeCell(both, shown, 1, 4, null, pooled)).toBe("“a” → “d” · layer 2, head 1 · query 1, key 4 · largest of 4 × 4 there: 0.5");
    expect(describeCell(both, { ...shown, pool: "mean" }, 1, 4, null, pooled)).toContain("mean of 4 × 4 there");
  });

  test("name the five largest weights of a token, by positions that are shown", () => {
    const weights = Float32Array.of(0.1, 0.5, 0.2, 0.05, 0.04, 0.03);
    const text = describeLine(both, shown, { axis: "query", position: 2 }, weights, [1, 2, 3, 4, 5, 6]);
    expect(text).toBe("“<b>” attends to “<b>” 0.5, “[SEP]” 0.2, “a” 0.1, “d” 0.05, “##ing” 0.04 · layer 2, head 1");
    expect(describeLine(both, shown, { axis: "key", position: 2 }, weights, [1, 2, 3, 4, 5, 6])).toContain("“<b>” is attended to by");
  });
});

describe("the product behind a score", () => {
  test("is taken element by element, and its sum is scaled", () => {
    const { products, score } = scoreOf(Float32Array.of(1, -2, 3), Float32Array.of(4, 0.5, 0), 0.5);
    expect([...products]).toEqual([4, -1, 0]);
    expect(score).toBe(1.5);
  });
});
