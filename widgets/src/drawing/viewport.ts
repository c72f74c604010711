// Which part of a matrix is in sight, and how large its cells are.

import { TILE_SIDE } from "../protocol/tiles";

export interface Cell {
  row: number;
  col: number;
}

/** The first row (y) and column (x) in sight, possibly fractions, and pixels per cell. */
export interface Sight {
  x: number;
  y: number;
  cell: number;
}

/** First and last indices, the last one excluded. */
export interface CellRange {
  first: number;
  end: number;
}

/** Pixels of a cell at most. */
export const LARGEST_CELL = 48;

export class Viewport {
  sight: Sight = { x: 0, y: 0, cell: 1 };
  private rows = 0;
  private cols = 0;
  /** Pixels of the plot across and down, at most. */
  size = 1;

  /** Takes the shape of a matrix and the size of the plot; where either changed, shows the whole and returns true. */
  resize(rows: number, cols: number, size: number): boolean {
    if (rows === this.rows && cols === this.cols && size === this.size) return false;
    [this.rows, this.cols, this.size] = [rows, cols, size];
    this.fit();
    return true;
  }

  /** Shows the whole matrix. */
  fit(): void {
    this.sight = { x: 0, y: 0, cell: this.smallestCell };
  }

  get smallestCell(): number {
    return Math.min(LARGEST_CELL, this.size / Math.max(this.rows, this.cols, 1));
  }

  /** Whether cells are larger than where the whole matrix is shown. */
  get zoomed(): boolean {
    return this.sight.cell > this.smallestCell;
  }

  /** Enlarges cells by a factor; what is at pixel x, y stays there. */
  zoom(factor: number, x = this.size / 2, y = this.size / 2): void {
    const { sight } = this;
    const cell = Math.min(LARGEST_CELL, Math.max(this.smallestCell, sight.cell * factor));
    this.look(sight.x + x / sight.cell - x / cell, sight.y + y / sight.cell - y / cell, cell);
  }

  /** Moves the matrix by pixels to the right and down. */
  pan(x: number, y: number): void {
    const { sight } = this;
    this.look(sight.x - x / sight.cell, sight.y - y / sight.cell, sight.cell);
  }

  /** Shows the same part as another viewport. */
  follow({ x, y, cell }: Sight): void {
    this.look(x, y, cell);
  }

  /** Moves no further than needed to show a cell. */
  reveal({ row, col }: Cell): void {
    const { sight, seen } = this;
    this.look(Math.min(col, Math.max(sight.x, col + 1 - seen)), Math.min(row, Math.max(sight.y, row + 1 - seen)), sight.cell);
  }

  /** Sets the sight, within the edges of the matrix. */
  private look(x: number, y: number, cell: number): void {
    const seen = this.size / cell;
    this.sight = { x: Math.max(0, Math.min(x, this.cols - seen)), y: Math.max(0, Math.min(y, this.rows - seen)), cell };
  }

  /** Cells in sight across the plot. */
  get seen(): number {
    return this.size / this.sight.cell;
  }

  /** Pixels that the matrix takes of the plot. */
  get width(): number {
    return Math.min(this.size, this.cols * this.sight.cell);
  }

  get height(): number {
    return Math.min(this.size, this.rows * this.sight.cell);
  }

  /** Pixels that the matrix takes down at most, however it is zoomed. */
  get tallest(): number {
    return Math.min(this.size, this.rows * LARGEST_CELL);
  }

  /** The cell at a pixel of the plot. */
  cellAt(x: number, y: number): Cell | null {
    const row = Math.floor(this.sight.y + y / this.sight.cell);
    const col = Math.floor(this.sight.x + x / this.sight.cell);
    const inside = x >= 0 && y >= 0 && x < this.size && y < this.size && row < this.rows && col < this.cols;
    return inside ? { row, col } : null;
  }

  /** The level of tiles whose cells come closest to a pixel of the screen. */
  level(pixelRatio: number, coarsest: number): number {
    const pixels = this.sight.cell * pixelRatio;
    return Math.max(0, Math.min(coarsest, Math.ceil(Math.log2(1 / pixels) - 0.5)));
  }

  /** Rows and columns that are at least partly in sight. */
  get cellsInSight(): { rows: CellRange; cols: CellRange } {
    const range = (from: number, count: number) => ({ first: Math.floor(from), end: Math.ceil(Math.min(count, from + this.seen)) });
    return { rows: range(this.sight.y, this.rows), cols: range(this.sight.x, this.cols) };
  }

  /** Rows and columns of the tiles of a level that are in sight. */
  tilesInSight(level: number): { rows: CellRange; cols: CellRange } {
    const span = TILE_SIDE << level;
    const range = (from: number, count: number) => ({
      first: Math.floor(from / span),
      end: 1 + Math.floor((Math.min(from + this.seen, count) - 1e-9) / span),
    });
    return { rows: range(this.sight.y, this.rows), cols: range(this.sight.x, this.cols) };
  }
}
