// The tiles of one matrix that have arrived so far: their weights, and their pictures.

import { coarsestLevel, TILE_SIDE, type Tile } from "../protocol/tiles";
import { largestMagnitude } from "../protocol/weights";
import { h } from "../ui/dom";
import { rampTable, type WeightColours } from "./colour";
import type { CellRange } from "./viewport";

export interface CachedTile {
  tile: Tile;
  picture: HTMLCanvasElement | null;
  /** The name of the colours that the picture was painted in. */
  colours: string;
}

/** One weight that stands for size x size. */
export interface PooledWeight {
  weight: number;
  size: number;
}

export interface TileEvents {
  arrived(level: number): void;
  failed(error: Error): void;
  /** The number of requested tiles changed. */
  pending(count: number): void;
}

/** Requests a tile. */
export type TileRequest = (level: number, row: number, col: number) => Promise<Tile>;

/** How many tiles are held. */
const MOST_TILES = 400;

function within({ first, end }: CellRange, index: number): boolean {
  return index >= first && index < end;
}

export class TileCache {
  /** The level at which the matrix is one tile. */
  readonly coarsest: number;
  private readonly tiles = new Map<string, CachedTile>();
  private readonly pending = new Set<string>();
  private readonly largest = new Map<number, number>();

  constructor(
    rows: number,
    cols: number,
    private readonly requestTile: TileRequest,
    private events: TileEvents | null,
  ) {
    this.coarsest = coarsestLevel(rows, cols);
  }

  /** Stops reporting events. */
  close(): void {
    this.events = null;
  }

  at(level: number, row: number, col: number): CachedTile | undefined {
    const key = `${level}/${row}/${col}`;
    const cached = this.tiles.get(key);
    if (cached) {
      this.tiles.delete(key);
      this.tiles.set(key, cached);
    }
    return cached;
  }

  /** The largest magnitude among the tiles of a level; at the coarsest level that of the matrix. 0 until one arrived. */
  largestWeight(level = this.coarsest): number {
    return this.largest.get(level) ?? 0;
  }

  /** Requests a tile unless it is here. One that is under way is requested again, since it is needed sooner than others. */
  request(level: number, row: number, col: number): void {
    const key = `${level}/${row}/${col}`;
    if (this.tiles.has(key)) return;
    const tile = this.requestTile(level, row, col);
    if (this.pending.has(key)) return void tile.catch(() => {});
    this.pending.add(key);
    this.events?.pending(this.pending.size);
    tile.then(
      (tile) => {
        this.hold(key, tile);
        this.largest.set(level, Math.max(this.largestWeight(level), largestMagnitude(tile.weights)));
        this.ended(key);
        this.events?.arrived(level);
      },
      (error: Error) => {
        this.ended(key);
        if (error.name !== "AbortError") this.events?.failed(error);
      },
    );
  }

  /** Only these tiles, and the coarsest, count as under way; others may come later. */
  see(level: number, rows: CellRange, cols: CellRange): void {
    const isSeen = (key: string) => {
      const [at, row, col] = key.split("/").map(Number) as [number, number, number];
      return at === this.coarsest || (at === level && within(rows, row) && within(cols, col));
    };
    [...this.pending].filter((key) => !isSeen(key)).forEach((key) => this.ended(key));
  }

  private ended(key: string): void {
    if (this.pending.delete(key)) this.events?.pending(this.pending.size);
  }

  /** Drops the tiles that were not looked at for the longest time. */
  private hold(key: string, tile: Tile): void {
    this.tiles.set(key, { tile, picture: null, colours: "" });
    for (const oldest of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) return;
      if (oldest !== `${this.coarsest}/0/0`) this.tiles.delete(oldest);
    }
  }

  /** A single weight; null where its tile is not here. */
  weight(row: number, col: number): number | null {
    const tile = this.at(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE))?.tile;
    return tile ? tile.weights[(row % TILE_SIDE) * tile.cols + (col % TILE_SIDE)]! : null;
  }

  /** The pooled weight of a cell at that level, or at the next coarser one that is here. */
  pooledWeight(level: number, row: number, col: number): PooledWeight | null {
    for (let up = Math.max(1, level); up <= this.coarsest; up++) {
      const [down, across] = [row >> up, col >> up];
      const tile = this.at(up, Math.floor(down / TILE_SIDE), Math.floor(across / TILE_SIDE))?.tile;
      if (tile) return { weight: tile.weights[(down % TILE_SIDE) * tile.cols + (across % TILE_SIDE)]!, size: 2 ** up };
    }
    return null;
  }
}

/** A tile in colours, one pixel for each cell; painted anew where the colours changed. */
export function tilePicture(cached: CachedTile, { name, ramp, share, threshold }: WeightColours): HTMLCanvasElement {
  if (cached.picture && cached.colours === name) return cached.picture;
  const { rows, cols, weights } = cached.tile;
  const canvas = h("canvas", { width: cols, height: rows });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(cols, rows);
  const colours = new Uint32Array(rampTable(ramp).buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const zero = Math.round(255 * share(0));
  for (let n = 0; n < weights.length; n++) {
    const weight = weights[n]!;
    pixels[n] = colours[Math.abs(weight) < threshold ? zero : Math.round(255 * share(weight))]!;
  }
  context.putImageData(image, 0, 0);
  cached.colours = name;
  return (cached.picture = canvas);
}
