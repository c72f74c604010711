// Tiles and lines of what is shown of some heads, computed in workers. Coarse tiles are pooled from finer ones.

import { coarsestLevel, TILE_SIDE, type Pooling, type Tile } from "../protocol/tiles";
import type { Block } from "./cells";
import type { Shown, TileWorkers } from "./tile_workers";

/** Tiles up to that level are computed from queries and keys, in one job each. */
const DIRECT = 3;
/** Rows and columns at most of the level that is computed in the background. */
const BACKGROUND = 2048;
/** How many tiles are held, besides those of the levels from the background's on. */
const MOST_TILES = 400;

export class HeadTiles {
  private readonly tiles = new Map<string, Promise<Float32Array>>();
  private readonly settled = new Set<string>();
  private readonly rows: number;
  private readonly cols: number;
  private readonly background: number;
  private ahead = false;

  constructor(
    private readonly workers: TileWorkers,
    readonly shown: Shown,
    private readonly pool: Pooling,
  ) {
    [this.rows, this.cols] = [shown.rows.length, shown.cols.length];
    this.background = Math.max(0, coarsestLevel(this.rows, this.cols) - Math.log2(BACKGROUND / TILE_SIDE));
  }

  /** The weights of one row or one column. */
  line(axis: "query" | "key", at: number): Promise<Float32Array> {
    const [down, across] = axis === "query" ? [[at, at + 1], [0, this.cols]] : [[0, this.rows], [at, at + 1]];
    const block = { top: down[0]!, bottom: down[1]!, left: across[0]!, right: across[1]!, size: 1, pool: this.pool };
    return this.workers.cells(this.shown, block, true);
  }

  async tile(level: number, row: number, col: number): Promise<Tile> {
    const cells = await this.cells(level, row, col, true);
    const { top, bottom, left, right, size } = this.block(level, row, col);
    const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
    if (this.pool === "max" || level === 0) return { rows: high, cols: wide, weights: cells };
    const covered = (cell: number, from: number, to: number) => Math.min(size, to - from - cell * size);
    const weights = cells.map((sum, n) => sum / covered(Math.floor(n / wide), top, bottom) / covered(n % wide, left, right));
    return { rows: high, cols: wide, weights };
  }

  /** Computes, while nothing in sight waits, what coarse levels are pooled from. */
  computeAhead(): void {
    if (this.ahead) return;
    this.ahead = true;
    const span = TILE_SIDE << this.background;
    for (let row = 0; row * span < this.rows; row++)
      for (let col = 0; col * span < this.cols; col++) this.cells(this.background, row, col, false).catch(() => {});
  }

  /** Drops what waits. */
  close(): void {
    this.ahead = false;
    this.workers.drop(this.shown);
  }

  private block(level: number, row: number, col: number): Block {
    const span = TILE_SIDE << level;
    return {
      top: row * span, bottom: Math.min(this.rows, (row + 1) * span), left: col * span, right: Math.min(this.cols, (col + 1) * span),
      size: 2 ** level, pool: this.pool,
    };
  }

  /** A tile's largest weights or sums. Where it is under way already and in sight now, it is next. */
  private cells(level: number, row: number, col: number, inSight: boolean): Promise<Float32Array> {
    const name = `${level}/${row}/${col}`;
    let cells = this.tiles.get(name);
    if (!cells) {
      cells = level <= DIRECT ? this.workers.cells(this.shown, this.block(level, row, col), inSight) : this.pooled(level, row, col, inSight);
      cells.then(() => this.hold(name, level), () => this.tiles.delete(name));
      this.tiles.set(name, cells);
    } else if (inSight && !this.settled.has(name)) this.hurry(level, row, col);
    return cells;
  }

  private hurry(level: number, row: number, col: number): void {
    if (level <= DIRECT) this.workers.hurry(this.shown, this.block(level, row, col));
    else for (const [down, across] of this.parts(level, row, col)) this.cells(level - 1, down, across, true).catch(() => {});
  }

  /** The tiles of the next finer level that a tile covers. */
  private parts(level: number, row: number, col: number): [row: number, col: number][] {
    const span = TILE_SIDE << (level - 1);
    const all = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([down, across]): [number, number] => [2 * row + down!, 2 * col + across!]);
    return all.filter(([down, across]) => down * span < this.rows && across * span < this.cols);
  }

  private async pooled(level: number, row: number, col: number, inSight: boolean): Promise<Float32Array> {
    const parts = this.parts(level, row, col);
    const finer = await Promise.all(parts.map(([down, across]) => this.cells(level - 1, down, across, inSight)));
    const { top, bottom, left, right, size } = this.block(level, row, col);
    const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
    const out = new Float32Array(high * wide);
    parts.forEach(([down, across], n) => {
      const { left: from, right: to } = this.block(level - 1, down, across);
      const place = (down % 2) * (TILE_SIDE / 2) * wide + (across % 2) * (TILE_SIDE / 2);
      poolHalf(out.subarray(place), wide, finer[n]!, Math.ceil((to - from) / (size / 2)), this.pool);
    });
    return out;
  }

  /** Drops the oldest of the fine tiles. */
  private hold(name: string, level: number): void {
    this.settled.add(name);
    if (level >= this.background || this.settled.size <= MOST_TILES) return;
    const oldest = [...this.settled].find((one) => Number(one.split("/")[0]) < this.background);
    if (oldest === undefined) return;
    this.settled.delete(oldest);
    this.tiles.delete(oldest);
  }
}

/** Pools 2 x 2 cells of a finer tile into each cell of a part of a coarser one. */
function poolHalf(out: Float32Array, wide: number, finer: Float32Array, finerWide: number, pool: Pooling): void {
  for (let n = 0, i = 0; n < finer.length; i++)
    for (let j = 0; j < finerWide; j++, n++) {
      const at = (i >> 1) * wide + (j >> 1);
      if (pool === "mean") out[at]! += finer[n]!;
      else if (finer[n]! > out[at]!) out[at] = finer[n]!;
    }
}
