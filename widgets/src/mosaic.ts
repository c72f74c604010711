// The tiles of one matrix that have come so far: what they weigh, and how they look in colours.

import { TILE_SIDE as SIDE, coarsestLevel as topLevel, type Tile } from "./protocol/tiles";
import { h } from "./dom";
import { table, type Ramp } from "./colour";

export interface Laid {
  tile: Tile;
  picture: HTMLCanvasElement | null;
  /** What the picture was coloured by. */
  look: string;
}

/** One weight that stands for size x size. */
export interface Coarse {
  weight: number;
  size: number;
}

/** How weights are coloured; equal names, equal colours. */
export interface Look {
  name: string;
  ramp: Ramp;
  share(weight: number): number;
  threshold: number;
}

export interface Waiting {
  came(level: number): void;
  failed(error: Error): void;
  busy(pending: number): void;
}

export class Mosaic {
  /** The level on which all is one tile. */
  readonly coarsest: number;
  private readonly laid = new Map<string, Laid>();
  private readonly pending = new Set<string>();
  private readonly largest = new Map<number, number>();

  constructor(
    rows: number,
    cols: number,
    private readonly bring: (level: number, row: number, col: number) => Promise<Tile>,
    private waiting: Waiting | null,
  ) {
    this.coarsest = topLevel(rows, cols);
  }

  /** Nobody waits for its tiles any more. */
  end(): void {
    this.waiting = null;
  }

  at(level: number, row: number, col: number): Laid | undefined {
    return this.laid.get(`${level}/${row}/${col}`);
  }

  /** The largest weight that has come of a level; of the coarsest it is the whole's. */
  most(level = this.coarsest): number {
    return this.largest.get(level) ?? 0;
  }

  /** Asks for a tile, unless it is here or on its way. */
  want(level: number, row: number, col: number): void {
    const key = `${level}/${row}/${col}`;
    if (this.laid.has(key) || this.pending.has(key)) return;
    this.pending.add(key);
    this.waiting?.busy(this.pending.size);
    const done = () => {
      this.pending.delete(key);
      this.waiting?.busy(this.pending.size);
    };
    this.bring(level, row, col).then(
      (tile) => {
        this.laid.set(key, { tile, picture: null, look: "" });
        this.largest.set(level, tile.weights.reduce((a, b) => Math.max(a, Math.abs(b)), this.most(level)));
        done();
        this.waiting?.came(level);
      },
      (error: Error) => {
        done();
        this.waiting?.failed(error);
      },
    );
  }

  /** A single weight; null where its tile is not here. */
  weight(row: number, col: number): number | null {
    const tile = this.at(0, Math.floor(row / SIDE), Math.floor(col / SIDE))?.tile;
    return tile ? tile.weights[(row % SIDE) * tile.cols + (col % SIDE)]! : null;
  }

  /** What stands there for several weights on that level, or on the nearest coarser one that is here. */
  coarse(level: number, row: number, col: number): Coarse | null {
    for (let up = Math.max(1, level); up <= this.coarsest; up++) {
      const [down, across] = [row >> up, col >> up];
      const tile = this.at(up, Math.floor(down / SIDE), Math.floor(across / SIDE))?.tile;
      if (tile) return { weight: tile.weights[(down % SIDE) * tile.cols + (across % SIDE)]!, size: 2 ** up };
    }
    return null;
  }
}

/** A tile in colours, a pixel for each cell. */
export function pictureOf(laid: Laid, { name, ramp, share, threshold }: Look): HTMLCanvasElement {
  if (laid.picture && laid.look === name) return laid.picture;
  const { rows, cols, weights } = laid.tile;
  const canvas = h("canvas", { width: cols, height: rows });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(cols, rows);
  const colours = new Uint32Array(table(ramp).buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const nothing = Math.round(255 * share(0));
  for (let n = 0; n < weights.length; n++) {
    const weight = weights[n]!;
    pixels[n] = colours[Math.abs(weight) < threshold ? nothing : Math.round(255 * share(weight))]!;
  }
  context.putImageData(image, 0, 0);
  laid.look = name;
  return (laid.picture = canvas);
}
