// Cells of weights against those that Python computes, of one head and of several, at every size.

import { describe, expect, test } from "vitest";
import { cellsOf, type Block, type ShownHeads } from "../../src/factors/cells";
import { Layer } from "../../src/protocol/layer";
import { tileCutter, type Pooling } from "../../src/protocol/tiles";
import { meanOf, submatrix } from "../../src/protocol/weights";
import { bytesOf, fixtures, floatsOf } from "../fake";

const all = (count: number) => Int32Array.from({ length: count }, (_, i) => i);

/** A fixture's single head, its weights [query * key] as Python has them, and their number. */
const singles = fixtures.flatMap(({ header, weights, single }) => {
  if (!single) return [];
  const { queries, keys, name } = header;
  const expected = floatsOf(weights).subarray(single.head * queries * keys, (single.head + 1) * queries * keys);
  return [{ name, queries, keys, expected, head: { layer: new Layer(single.header, bytesOf(single.bytes)), lse: floatsOf(single.lse) } }];
});

/** All cells of the shown positions, and the block that has them. */
function cellsAt(shown: ShownHeads, size: number, pool: Pooling, more: Partial<Block> = {}): number[] {
  return [...cellsOf(shown, { top: 0, bottom: shown.rows.length, left: 0, right: shown.cols.length, size, pool, ...more })];
}

const close = (values: ArrayLike<number>) => Array.from(values, (value) => expect.closeTo(value, 5));

describe("the cells of a head", () => {
  test("are tested on heads of every kind", () => expect(singles.length).toBeGreaterThan(12));

  for (const { name, queries, keys, expected, head } of singles) {
    const shown = { heads: [head], rows: all(queries), cols: all(keys) };
    test(`are its weights: ${name}`, () => {
      expect(cellsAt(shown, 1, "max")).toEqual(close(expected));
      expect(cellsAt(shown, 1, "mean")).toEqual(close(expected));
    });

    test(`are pooled: ${name}`, () => {
      const cut = { max: tileCutter(expected, queries, keys, "max"), mean: tileCutter(expected, queries, keys, "mean") };
      expect(cellsAt(shown, 2, "max")).toEqual(close(cut.max(1, 0, 0).weights));
      const covered = (n: number) => Math.min(2, queries - 2 * Math.floor(n / Math.ceil(keys / 2))) * Math.min(2, keys - 2 * (n % Math.ceil(keys / 2)));
      expect(cellsAt(shown, 2, "mean").map((sum, n) => sum / covered(n))).toEqual(close(cut.mean(1, 0, 0).weights));
    });

    test(`may be of some positions, and of a part of them: ${name}`, () => {
      const [rows, cols] = [all(queries).filter((i) => i !== 1), all(keys).filter((i) => i !== 0 && i !== 3)];
      const some = submatrix(expected.slice(), keys, [...rows], [...cols]);
      expect(cellsAt({ heads: [head], rows, cols }, 1, "max")).toEqual(close(some));
      const part = cellsAt({ heads: [head], rows, cols }, 1, "max", { top: 1, bottom: 2, left: 1, right: 3 });
      expect(part).toEqual(close([some[cols.length + 1]!, some[cols.length + 2]!]));
    });
  }

  test("of several heads are those of their mean", () => {
    const two = [singles[0]!, singles.find(({ name }) => name === "causal")!];
    const shown = { heads: two.map(({ head }) => head), rows: all(7), cols: all(7) };
    const mean = meanOf(two.map(({ expected }) => expected));
    expect(cellsAt(shown, 1, "max")).toEqual(close(mean));
    expect(cellsAt(shown, 4, "max")).toEqual(close(tileCutter(mean, 7, 7, "max")(2, 0, 0).weights));
  });
});
