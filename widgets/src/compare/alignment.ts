// Which token of b stands beside which token of a.

import type { LayerHeader } from "../protocol/headers";
import { tileCutter, type Tile, type TileCutter } from "../protocol/tiles";
import type { PanelName } from "./state";

/** A query and a key, where the trace has a counterpart. */
export interface AlignedCell {
  query: number | undefined;
  key: number | undefined;
}

export class Alignment {
  /** Positions of a and b, in order. */
  readonly pairs: [a: number, b: number][];
  private readonly toB: Map<number, number>;
  private readonly toA: Map<number, number>;

  constructor(bytes: DataView) {
    this.pairs = Array.from({ length: bytes.byteLength / 8 }, (_, n) => [bytes.getInt32(8 * n, true), bytes.getInt32(8 * n + 4, true)]);
    this.toB = new Map(this.pairs);
    this.toA = new Map(this.pairs.map(([a, b]) => [b, a]));
  }

  /** The position of b beside one of a. */
  ofB(a: number): number | undefined {
    return this.toB.get(a);
  }

  /** The position of a beside one of b. */
  ofA(b: number): number | undefined {
    return this.toA.get(b);
  }

  /** Positions of a that have a counterpart: the rows and columns of the difference. */
  get shared(): number[] {
    return this.pairs.map(([a]) => a);
  }

  /** Whether every token of a and of b stands beside the token of the same position. */
  isParallel(tokensOfA: number, tokensOfB: number): boolean {
    return tokensOfA === tokensOfB && this.pairs.length === tokensOfA && this.pairs.every(([a, b]) => a === b);
  }

  /** A cell of one panel in both traces. */
  both(panel: PanelName, query: number, key: number): { a: AlignedCell; b: AlignedCell } {
    const cell = { query, key };
    if (panel === "b") return { a: { query: this.ofA(query), key: this.ofA(key) }, b: cell };
    return { a: cell, b: { query: this.ofB(query), key: this.ofB(key) } };
  }

  /** Row and column of a cell of a within the difference; null where it is not there. */
  inDifference({ query, key }: AlignedCell): { row: number; col: number } | null {
    const at = (position: number | undefined) => this.pairs.findIndex(([a]) => a === position);
    const [row, col] = [at(query), at(key)];
    return row < 0 || col < 0 ? null : { row, col };
  }

  /** The cell of a that changes most, with both weights; null where nothing is shared. */
  largestChange(a: Float32Array, b: Float32Array, keys: { a: number; b: number }): { query: number; key: number; a: number; b: number } | null {
    let most = null, distance = -1;
    for (const [i, k] of this.pairs)
      for (const [j, l] of this.pairs) {
        const [from, to] = [a[i * keys.a + j]!, b[k * keys.b + l]!];
        if (Math.abs(to - from) > distance) [most, distance] = [{ query: i, key: j, a: from, b: to }, Math.abs(to - from)];
      }
    return most;
  }

  /** Tiles of b minus a over the shared positions; `keys` are the columns of both matrices. */
  difference(a: Float32Array, b: Float32Array, keys: { a: number; b: number }): TileCutter {
    const { length } = this.pairs;
    const out = new Float32Array(length ** 2);
    this.pairs.forEach(([i, k], n) => this.pairs.forEach(([j, l], m) => {
      out[n * length + m] = b[k * keys.b + l]! - a[i * keys.a + j]!;
    }));
    return tileCutter(out, length, length, "max");
  }
}

/** b minus a, cell by cell. */
export function subtractTiles(a: Tile, b: Tile): Tile {
  return { ...a, weights: a.weights.map((weight, n) => b.weights[n]! - weight) };
}

/** Whether two layers attend between the same tokens. */
export function sameAxes(a: LayerHeader, b: LayerHeader): boolean {
  return a.query === b.query && a.key === b.key && a.queries === b.queries && a.keys === b.keys;
}
