// Arithmetic on weight matrices.

import { describe, expect, test } from "vitest";
import { largestMagnitude, meanOf, submatrix, withoutKeys } from "../../src/protocol/weights";

const matrix = Float32Array.from({ length: 12 }, (_, n) => n);

describe("weights", () => {
  test("of selected rows and columns keep the order of the selection", () => {
    expect([...submatrix(matrix, 4, [2, 0], [3, 1])]).toEqual([11, 9, 3, 1]);
    expect(submatrix(matrix, 4, [], [1]).length).toBe(0);
  });

  test("of several heads are averaged, those of one are not copied", () => {
    expect([...meanOf([matrix.slice(0, 2), matrix.slice(2, 4)])]).toEqual([1, 2]);
    expect(meanOf([matrix])).toBe(matrix);
  });

  test("without some keys sum to one again, and leave the matrix as it was", () => {
    const rows = Float32Array.of(0.5, 0.25, 0.25, 0, 1, 0);
    const rest = withoutKeys(rows, 3, [0]);
    expect([...rest]).toEqual([0, 0.5, 0.5, 0, 1, 0]);
    expect(rows[0]).toBe(0.5);
  });

  test("of a row with nothing left stay 0", () => {
    expect([...withoutKeys(Float32Array.of(1, 0), 2, [0])]).toEqual([0, 0]);
  });

  test("have a largest magnitude, whichever its sign", () => {
    expect(largestMagnitude(Float32Array.of(0.25, -0.5))).toBe(0.5);
    expect(largestMagnitude(new Float32Array(0))).toBe(0);
  });
});
