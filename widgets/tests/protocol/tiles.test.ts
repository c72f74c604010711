// Tiles of a matrix, level by level.

import { describe, expect, test } from "vitest";
import { coarsestLevel, TILE_SIDE, tileCutter } from "../../src/protocol/tiles";

describe("the coarsest level", () => {
  test("is the one at which all is one tile", () => {
    const levels: [rows: number, cols: number, level: number][] = [
      [0, 0, 0], [1, 1, 0], [TILE_SIDE, 3, 0], [TILE_SIDE + 1, 3, 1], [3, 600, 2], [4 * TILE_SIDE, 4 * TILE_SIDE, 2], [32768, 1, 7],
    ];
    for (const [rows, cols, level] of levels) expect(coarsestLevel(rows, cols)).toBe(level);
  });
});

describe("tiles", () => {
  const [rows, cols] = [600, 300];
  const whole = Float32Array.from({ length: rows * cols }, (_, n) => Math.sin(n) / 2 + 0.5);

  for (const pool of ["max", "mean"] as const)
    test(`of each level pool what they stand for: ${pool}`, () => {
      const tile = tileCutter(whole, rows, cols, pool);
      const top = tile(2, 0, 0);
      expect(top).toMatchObject({ rows: 150, cols: 75 });
      const cell = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => whole[(4 * 7 + i) * cols + 4 * 5 + j]!));
      const expected = pool === "max" ? Math.max(...cell) : cell.reduce((a, b) => a + b) / 16;
      expect(top.weights[7 * 75 + 5]).toBeCloseTo(expected, 6);
    });

  test("of the finest level are the weights themselves", () => {
    const tile = tileCutter(whole, rows, cols, "max")(0, 2, 1);
    expect(tile).toMatchObject({ rows: 600 - 512, cols: 300 - 256 });
    expect(tile.weights[3 * tile.cols + 4]).toBe(whole[(512 + 3) * cols + 256 + 4]);
  });

  test("cover the matrix without gaps or overlaps", () => {
    const tile = tileCutter(whole, rows, cols, "mean");
    const covered = [0, 1, 2].flatMap((row) => [0, 1].map((col) => tile(0, row, col))).reduce((sum, { weights }) => sum + weights.length, 0);
    expect(covered).toBe(rows * cols);
  });

  test("are cut once", () => {
    const tile = tileCutter(whole, rows, cols, "max");
    expect(tile(1, 0, 0)).toBe(tile(1, 0, 0));
  });

  test("at the edge of an odd size pool what is there, not what was pooled before", () => {
    const tile = tileCutter(Float32Array.of(1, 2, 6, 3, 5, 2, 9), 7, 1, "mean");
    expect(tile(1, 0, 0)).toMatchObject({ rows: 4, cols: 1 });
    expect([...tile(1, 0, 0).weights]).toEqual([1.5, 4.5, 3.5, 9]);
    expect(tile(2, 0, 0).weights[1]).toBeCloseTo((5 + 2 + 9) / 3, 6); // not of (5 + 2) / 2 and 9
  });

  test("of signed weights keep the largest magnitude with its sign", () => {
    expect(tileCutter(Float32Array.of(0.1, -0.5, 0.4, 0), 2, 2, "max")(1, 0, 0).weights[0]).toBe(-0.5);
  });
});
