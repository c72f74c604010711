// Tiles of a matrix at several levels of detail: a cell of level z pools 2^z x 2^z weights.

/** Weights [rows * cols]; at a coarse level each of them stands for several. */
export interface Tile {
  rows: number;
  cols: number;
  weights: Float32Array;
}

export type Pooling = "max" | "mean";

/** Returns one tile of a matrix. */
export type TileCutter = (level: number, row: number, col: number) => Tile;

/** Rows and columns of a tile. */
export const TILE_SIDE = 256;

/** The level at which the whole matrix fits into one tile. */
export function coarsestLevel(rows: number, cols: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / TILE_SIDE)));
}

/** Cuts tiles from a whole matrix, each once. Under "max" a cell holds the weight of largest magnitude. */
export function tileCutter(whole: Float32Array, rows: number, cols: number, pool: Pooling): TileCutter {
  const cache = new Map<string, Tile>();
  return (level, row, col) => {
    const key = `${level}/${row}/${col}`;
    let tile = cache.get(key);
    if (!tile) cache.set(key, (tile = cutTile(whole, rows, cols, pool, level, row, col)));
    return tile;
  };
}

function cutTile(
  whole: Float32Array, rows: number, cols: number, pool: Pooling, level: number, row: number, col: number,
): Tile {
  const span = TILE_SIDE << level;
  const [top, left] = [row * span, col * span];
  const [bottom, right] = [Math.min(rows, top + span), Math.min(cols, left + span)];
  const [high, wide] = [Math.ceil((bottom - top) / 2 ** level), Math.ceil((right - left) / 2 ** level)];
  const weights = new Float32Array(high * wide);
  const counts = new Uint32Array(high * wide);
  for (let i = top; i < bottom; i++)
    for (let j = left; j < right; j++) {
      const cell = ((i - top) >> level) * wide + ((j - left) >> level);
      const weight = whole[i * cols + j]!;
      if (pool === "mean") weights[cell]! += weight;
      else if (Math.abs(weight) > Math.abs(weights[cell]!)) weights[cell] = weight;
      counts[cell]!++;
    }
  if (pool === "mean") for (let n = 0; n < weights.length; n++) weights[n]! /= counts[n]!;
  return { rows: high, cols: wide, weights };
}
