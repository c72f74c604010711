// A head as a matrix that zooms from the whole to single weights: queries run down, keys across.
//
// The picture consists of tiles of the level whose cells come closest to a pixel. Until one arrives, a coarser one
// stands in for it, so that moving never waits.

import { TILE_SIDE } from "../protocol/tiles";
import { h } from "../ui/dom";
import { canvasContext } from "./canvas";
import { weightColours } from "./colour";
import { attachInteractions, type Navigable } from "./interactions";
import { labelMargins, matrixSvg, paintMatrix, type MatrixDrawing, type MatrixMargins, type MatrixScene } from "./matrix_painter";
import type { SvgPicture } from "./svg";
import { TileCache, type PooledWeight } from "./tile_cache";
import { Viewport, type Cell, type Sight } from "./viewport";

export interface MatrixEvents {
  /** A cell's query and key, its weight where that is known, and the pooled weight that a coarse picture shows there. */
  pointed(query: number, key: number, weight: number | null, pooled: PooledWeight | null): void;
  /** The pointer left the matrix. */
  left?(): void;
  selected(query: number, key: number): void;
  failed(error: Error): void;
  /** How many tiles are under way. */
  pending(count: number): void;
  /** The largest weight is known now. */
  scaled?(): void;
  /** Moved or zoomed by the user. */
  moved?(sight: Sight): void;
}

const WIDE: MatrixMargins = { plot: 620, left: 124, top: 106, legend: 80 };
const NARROW: MatrixMargins = { plot: 620, left: 84, top: 84, legend: 78 };
/** Pixels across below which the narrow margins apply. */
const NARROW_WIDTH = 480;
/** Margins for the labels that there are, within those of a view. */
function fitted(margins: MatrixMargins, { queries, keys, rows, cols }: MatrixDrawing): MatrixMargins {
  const { left, top } = labelMargins(rows.map((n) => queries.text[n]!), cols.map((n) => keys.text[n]!));
  return { ...margins, left: Math.min(margins.left, left), top: Math.min(margins.top, top) };
}

const SMALLEST_PLOT = 120;
/** Milliseconds after which a pointer rests on a cell. */
const RESTING = 150;

export class Matrix implements Navigable {
  readonly element: HTMLCanvasElement;
  private readonly viewport = new Viewport();
  private drawing: MatrixDrawing | null = null;
  private tiles: TileCache | null = null;
  private margins = WIDE;
  private pointedCell: Cell | null = null;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private scheduled = 0;

  constructor(
    private readonly events: MatrixEvents,
    private readonly signal: AbortSignal,
  ) {
    this.element = h("canvas", {
      className: "matrix",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "matrix",
      "aria-label": "Attention matrix. Arrow keys move from cell to cell, Enter selects, plus and minus zoom, 0 shows all.",
    });
    attachInteractions(this, signal);
    signal.addEventListener("abort", () => clearTimeout(this.resting), { once: true });
  }

  /** Draws into `width` pixels. */
  show(drawing: MatrixDrawing, width: number): void {
    if (drawing.name !== this.drawing?.name) {
      this.tiles?.close();
      this.tiles = this.tilesOf(drawing);
      clearTimeout(this.resting);
    }
    this.drawing = drawing;
    const { rows, cols } = drawing;
    if (this.pointedCell && (this.pointedCell.row >= rows.length || this.pointedCell.col >= cols.length)) this.point(null);
    this.margins = drawing.margins ?? fitted(width < NARROW_WIDTH ? NARROW : WIDE, drawing);
    const { plot, left, top, legend } = this.margins;
    if (this.viewport.resize(rows.length, cols.length, Math.max(SMALLEST_PLOT, Math.min(plot, width - left - legend)))) this.moved();
    this.element.dataset["corner"] = `${left},${top}`;
    this.paint();
  }

  /** The largest weight of what is shown, 0 until it is known. */
  get strongest(): number {
    return this.tiles?.largestWeight() ?? 0;
  }

  private get level(): number {
    return this.viewport.level(globalThis.devicePixelRatio || 1, this.tiles!.coarsest);
  }

  private get scene(): MatrixScene {
    const { viewport, margins, level } = this;
    const [drawing, tiles] = [this.drawing!, this.tiles!];
    // Single weights may be larger than the largest mean of several.
    const top = drawing.most ?? Math.max(tiles.largestWeight(), tiles.largestWeight(level));
    const colours = weightColours({ signed: false, ...drawing }, top);
    return { drawing, viewport, tiles, margins, colours, level, pointed: this.pointedCell };
  }

  private tilesOf(drawing: MatrixDrawing): TileCache {
    const tiles: TileCache = new TileCache(drawing.rows.length, drawing.cols.length, drawing.tile, {
      arrived: (level) => {
        if (level === tiles.coarsest) this.events.scaled?.();
        if (this.pointedCell) this.report();
        this.repaint();
      },
      failed: (error) => {
        if (!this.signal.aborted) this.events.failed(error);
      },
      pending: (count) => this.events.pending(count),
    });
    return tiles;
  }

  private paint(): void {
    if (!this.drawing || !this.tiles) return;
    const { viewport, margins } = this;
    const context = canvasContext(this.element, margins.left + viewport.size + margins.legend, margins.top + viewport.tallest + 2);
    this.element.style.touchAction = viewport.zoomed ? "none" : "pan-x pan-y"; // over the whole a finger scrolls the page
    paintMatrix(context, this.scene);
  }

  private repaint(): void {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      if (!this.signal.aborted) this.paint();
    });
  }

  /** What is in sight, with its labels and its legend. */
  svg(): SvgPicture {
    return matrixSvg(this.scene, WIDE.legend);
  }

  // -- moved by the user, or with another matrix ----------------------------------------------------------

  private moved(): void {
    this.events.moved?.(this.viewport.sight);
    this.repaint();
  }

  /** Shows the whole matrix. */
  fit(): void {
    this.viewport.fit();
    this.moved();
  }

  zoom(factor: number, x?: number, y?: number): void {
    this.viewport.zoom(factor, x, y);
    this.moved();
  }

  pan(x: number, y: number): void {
    this.viewport.pan(x, y);
    this.moved();
  }

  /** Shows the same part as another matrix. */
  follow(sight: Sight): void {
    if (!this.drawing) return;
    this.viewport.follow(sight);
    this.repaint();
  }

  /** Outlines a cell that is pointed at in another matrix; null for none. */
  mark(cell: Cell | null): void {
    this.pointedCell = cell;
    this.repaint();
  }

  // -- pointed at and selected ----------------------------------------------------------------------------

  get corner(): { left: number; top: number } {
    return this.margins;
  }

  get seen(): { rows: number; cols: number } {
    const seen = Math.max(1, Math.floor(this.viewport.seen));
    return { rows: seen, cols: seen };
  }

  cellAt(x: number, y: number): Cell | null {
    return this.drawing && this.viewport.cellAt(x, y);
  }

  point(cell: Cell | null): void {
    if (cell?.row === this.pointedCell?.row && cell?.col === this.pointedCell?.col) return;
    this.pointedCell = cell;
    clearTimeout(this.resting);
    if (cell) this.report();
    else this.events.left?.();
    this.repaint();
  }

  /** Reports the pointed cell; behind a coarse picture the single weight is requested when the pointer rests. */
  private report(): void {
    const { rows, cols } = this.drawing!;
    const { row, col } = this.pointedCell!;
    const weight = this.tiles!.weight(row, col);
    const pooled = this.level > 0 ? this.tiles!.pooledWeight(this.level, row, col) : null;
    this.events.pointed(rows[row]!, cols[col]!, weight, pooled);
    if (weight !== null) return;
    this.resting = setTimeout(() => this.tiles!.request(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE)), RESTING);
  }

  select(cell: Cell | null = this.pointedCell): void {
    if (cell) this.events.selected(this.drawing!.rows[cell.row]!, this.drawing!.cols[cell.col]!);
  }

  step(down: number, across: number): void {
    const { rows, cols, selected } = this.drawing!;
    const from = this.pointedCell ?? {
      row: Math.max(0, rows.indexOf(selected.query ?? -1)),
      col: Math.max(0, cols.indexOf(selected.key ?? -1)),
    };
    const cell = {
      row: Math.max(0, Math.min(rows.length - 1, from.row + down)),
      col: Math.max(0, Math.min(cols.length - 1, from.col + across)),
    };
    this.viewport.reveal(cell);
    this.moved();
    this.point(cell);
  }
}
