// The tiles of one matrix that have arrived so far: their weights, and their pictures.

import { coarsestLevel, TILE_SIDE, type Tile } from "../protocol/tiles";
import { largestMagnitude } from "../protocol/weights";
import { h } from "../ui/dom";
import { rampTable, type WeightColours } from "./colour";

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
    return this.tiles.get(`${level}/${row}/${col}`);
  }

  /** The largest magnitude among the tiles of a level; at the coarsest level that of the matrix. 0 until one arrived. */
  largestWeight(level = this.coarsest): number {
    return this.largest.get(level) ?? 0;
  }

  /** Requests a tile unless it is here or under way. */
  request(level: number, row: number, col: number): void {
    const key = `${level}/${row}/${col}`;
    if (this.tiles.has(key) || this.pending.has(key)) return;
    this.pending.add(key);
    this.events?.pending(this.pending.size);
    const ended = () => {
      this.pending.delete(key);
      this.events?.pending(this.pending.size);
    };
    this.requestTile(level, row, col).then(
      (tile) => {
        this.tiles.set(key, { tile, picture: null, colours: "" });
        this.largest.set(level, Math.max(this.largestWeight(level), largestMagnitude(tile.weights)));
        ended();
        this.events?.arrived(level);
      },
      (error: Error) => {
        ended();
        this.events?.failed(error);
      },
    );
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
