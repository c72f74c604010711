// A head as a matrix that zooms from the whole to single weights: the query runs down, the key across.
//
// The picture is laid with tiles of the level whose cells come closest to a pixel. Where one is not there yet, a
// coarser one stands in for it, so that moving never waits.

import { TILE_SIDE as SIDE, type Tile } from "./protocol/tiles";
import { type Tokens } from "./protocol/headers";
import { canvasContext, escaped, h } from "./dom";
import { needsWhite, scale, type Ramp } from "./colour";
import { drawLegend, legendSvg, ticks, type Legend, type Tick } from "./margin";
import { Mosaic, pictureOf, type Coarse, type Look } from "./mosaic";
import { steer, type Cell, type Steered } from "./steering";

/** Pixels of the picture at most, and what is kept free for labels and legend. */
export interface MatrixSize {
  plot: number;
  left: number;
  top: number;
  legend: number;
}

const WHOLE: MatrixSize = { plot: 460, left: 108, top: 92, legend: 80 };
const NARROW: MatrixSize = { plot: 460, left: 76, top: 76, legend: 72 };
/** Pixels below which a picture has the narrow room. */
const WIDE = 480;
/** Labels over the columns lean by that angle. */
const LEAN = Math.PI / 3;
/** Milliseconds after which a pointer rests on a cell. */
const RESTING = 150;
const LARGEST_CELL = 48;
/** So little room at the left is for no labels. */
const LETTERS = 20;
/** A row or column of fewer pixels is marked by one line. */
const FINE = 5;
/** Cells of so many pixels have room for their weight. */
const ROOMY = 30;

export interface MatrixDrawing {
  /** Says what is shown; another name, other tiles. */
  name: string;
  queries: Tokens;
  keys: Tokens;
  rows: number[];
  cols: number[];
  tile(level: number, row: number, col: number): Promise<Tile>;
  threshold: number;
  log: boolean;
  /** Whether weights lie on both sides of zero, with a ramp that does. */
  signed?: boolean;
  /** Of pictures beside each other: what the strongest colour stands for in both. */
  most?: number;
  room?: MatrixSize;
  ramp: Ramp;
  ink: string;
  quiet: string;
  accent: string;
  selected: { query: number | null; key: number | null };
}

export interface MatrixPointing {
  /** A cell's query and key, its weight where it is known, and what the picture shows there where that is coarser. */
  point(query: number, key: number, weight: number | null, coarse: Coarse | null): void;
  select(query: number, key: number): void;
  failed(error: Error): void;
  busy(pending: number): void;
  /** The largest weight is known now. */
  known?(): void;
  /** Nothing is pointed at any more. */
  left?(): void;
  /** Moved or zoomed by hand. */
  moved?(sight: Sight): void;
}

/** What is in sight: the first row and column, and pixels per cell. */
export interface Sight {
  x: number;
  y: number;
  cell: number;
}

/** A label at its place, and how wide it may be. */
interface Label extends Tick {
  x: number;
  y: number;
  turned: boolean;
  room: number;
}

export class Matrix implements Steered {
  readonly element: HTMLCanvasElement;
  private drawing: MatrixDrawing | null = null;
  private mosaic: Mosaic | null = null;
  private sight: Sight = { x: 0, y: 0, cell: 1 };
  private fitted = "";
  private pointed: Cell | null = null;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private frame = 0;
  private room = WHOLE;
  private size = WHOLE.plot;

  constructor(
    private readonly pointing: MatrixPointing,
    private readonly signal: AbortSignal,
  ) {
    this.element = h("canvas", {
      className: "matrix",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "matrix",
      "aria-label": "Attention matrix. Arrow keys move from cell to cell, Enter selects, plus and minus zoom, 0 shows all.",
    });
    steer(this, signal);
    signal.addEventListener("abort", () => clearTimeout(this.resting), { once: true });
  }

  show(drawing: MatrixDrawing, width: number): void {
    if (drawing.name !== this.drawing?.name) {
      this.mosaic?.end();
      this.mosaic = this.mosaicOf(drawing);
      clearTimeout(this.resting);
    }
    this.drawing = drawing;
    if (this.pointed && (this.pointed.row >= drawing.rows.length || this.pointed.col >= drawing.cols.length)) this.point(null);
    this.room = drawing.room ?? (width < WIDE ? NARROW : WHOLE);
    this.size = Math.max(120, Math.min(this.room.plot, width - this.room.left - this.room.legend));
    const shape = `${drawing.rows.length},${drawing.cols.length},${this.size}`;
    if (shape !== this.fitted) this.fit();
    this.fitted = shape;
    this.paint();
  }

  /** The largest weight of what is shown, 0 until it is known. */
  get strongest(): number {
    return this.mosaic?.most() ?? 0;
  }

  /** What the strongest colour stands for; single weights may be larger than the largest mean of several. */
  private get top(): number {
    return this.drawing!.most ?? Math.max(this.mosaic!.most(), this.mosaic!.most(this.level));
  }

  /** The level whose cells come closest to a pixel. */
  private get level(): number {
    const pixels = this.sight.cell * (globalThis.devicePixelRatio || 1);
    return Math.max(0, Math.min(this.mosaic!.coarsest, Math.ceil(Math.log2(1 / pixels) - 0.5)));
  }

  /** Shows all. */
  fit(): void {
    this.sight = { x: 0, y: 0, cell: this.smallest() };
    this.moved();
  }

  private smallest(): number {
    const { rows, cols } = this.drawing!;
    return Math.min(LARGEST_CELL, this.size / Math.max(rows.length, cols.length, 1));
  }

  /** Nearer or farther, so that what is at that pixel stays there. */
  zoom(by: number, x = this.size / 2, y = this.size / 2): void {
    const { sight } = this;
    const cell = Math.min(LARGEST_CELL, Math.max(this.smallest(), sight.cell * by));
    sight.x += x / sight.cell - x / cell;
    sight.y += y / sight.cell - y / cell;
    sight.cell = cell;
    this.moved();
  }

  pan(x: number, y: number): void {
    this.sight.x -= x / this.sight.cell;
    this.sight.y -= y / this.sight.cell;
    this.moved();
  }

  private moved(): void {
    this.clamp();
    this.pointing.moved?.(this.sight);
    this.later();
  }

  /** What another matrix shows: the same part of it. */
  follow(sight: Sight): void {
    if (!this.drawing) return;
    this.sight = { ...sight };
    this.clamp();
    this.later();
  }

  /** Points at a cell from outside; null at none. */
  mark(cell: Cell | null): void {
    this.pointed = cell;
    this.later();
  }

  private clamp(): void {
    const { rows, cols } = this.drawing!;
    const seen = this.size / this.sight.cell;
    this.sight.x = Math.max(0, Math.min(this.sight.x, cols.length - seen));
    this.sight.y = Math.max(0, Math.min(this.sight.y, rows.length - seen));
  }

  private later(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.signal.aborted) this.paint();
    });
  }

  // -- tiles ----------------------------------------------------------------------------------------------

  private mosaicOf(drawing: MatrixDrawing): Mosaic {
    const mosaic: Mosaic = new Mosaic(drawing.rows.length, drawing.cols.length, drawing.tile, {
      came: (level) => {
        if (level === mosaic.coarsest) this.pointing.known?.();
        if (this.pointed) this.tell();
        this.later();
      },
      failed: (error) => {
        if (!this.signal.aborted) this.pointing.failed(error);
      },
      busy: (pending) => this.pointing.busy(pending),
    });
    return mosaic;
  }

  private get look(): Look {
    const { threshold, log } = this.drawing!;
    const { ramp, share, top } = this;
    return { name: [log, threshold, top, ramp(0), ramp(1)].join(), ramp, share, threshold };
  }

  /** From a weight to its place on the ramp, 0 to 1; of signed ones zero is in the middle. */
  private get share(): (weight: number) => number {
    const { log, signed } = this.drawing!;
    const plain = scale(this.top, log);
    return signed ? (weight) => (1 + Math.sign(weight) * plain(Math.abs(weight))) / 2 : plain;
  }

  /** The ramp from 0 to 1. */
  private get ramp(): Ramp {
    const { ramp, signed } = this.drawing!;
    return signed ? (share) => ramp(2 * share - 1) : ramp;
  }

  // -- painting -------------------------------------------------------------------------------------------

  private paint(): void {
    const { drawing, mosaic, size, sight } = this;
    if (!drawing || !mosaic) return;
    const { rows, cols } = drawing;
    const tall = Math.min(size, rows.length * LARGEST_CELL);
    const context = canvasContext(this.element, this.room.left + size + this.room.legend, this.room.top + tall + 2);
    this.element.style.touchAction = sight.cell > this.smallest() ? "none" : "pan-x pan-y"; // a finger scrolls the page past the whole
    const wide = Math.min(size, cols.length * sight.cell);
    const high = Math.min(size, rows.length * sight.cell);
    context.save();
    context.translate(this.room.left, this.room.top);
    context.beginPath();
    context.rect(0, 0, wide, high);
    context.clip();
    context.fillStyle = drawing.ramp(0); // zero, of either kind
    context.fillRect(0, 0, wide, high);
    context.imageSmoothingEnabled = false;
    mosaic.want(mosaic.coarsest, 0, 0);
    if (mosaic.at(mosaic.coarsest, 0, 0)) this.lay(context);
    if (sight.cell >= ROOMY) this.numbers(context);
    this.cross(context, wide, high);
    context.restore();
    context.strokeStyle = drawing.quiet;
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.strokeRect(this.room.left - 0.5, this.room.top - 0.5, wide + 1, high + 1);
    context.globalAlpha = 1;
    this.write(context, wide, high);
    if (this.top > 0 && this.room.legend > LETTERS) drawLegend(context, this.legend, this.room.left + wide + 16, this.room.top, high, drawing.ink);
  }

  /** The weights themselves, where there is room. */
  private numbers(context: CanvasRenderingContext2D): void {
    const { sight, size } = this;
    const { rows, cols, threshold } = this.drawing!;
    const [share, ramp] = [this.share, this.ramp];
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = Math.floor(sight.y); row < Math.min(rows.length, sight.y + size / sight.cell); row++)
      for (let col = Math.floor(sight.x); col < Math.min(cols.length, sight.x + size / sight.cell); col++) {
        const weight = this.mosaic!.weight(row, col);
        if (weight === null || Math.abs(weight) < Math.max(threshold, 0.005)) continue;
        context.fillStyle = needsWhite(ramp(share(weight))) ? "#ffffff" : "#1d2430";
        context.fillText(weight.toFixed(2).replace(/^(-?)0/, "$1"), (col + 0.5 - sight.x) * sight.cell, (row + 0.5 - sight.y) * sight.cell);
      }
  }

  private get legend(): Legend {
    const { log, signed = false } = this.drawing!;
    const { ramp, share, top } = this;
    return { ramp, share, top, log, signed };
  }

  private lay(context: CanvasRenderingContext2D): void {
    const { sight, size, level } = this;
    const { rows, cols } = this.drawing!;
    const span = SIDE << level;
    const look = this.look;
    const last = (from: number, count: number) => Math.floor((Math.min(from + size / sight.cell, count) - 1e-9) / span);
    for (let row = Math.floor(sight.y / span); row <= last(sight.y, rows.length); row++)
      for (let col = Math.floor(sight.x / span); col <= last(sight.x, cols.length); col++) {
        this.mosaic!.want(level, row, col);
        this.layOne(context, level, row, col, look);
      }
  }

  /** The tile, or the part of the nearest coarser one that lies there. */
  private layOne(context: CanvasRenderingContext2D, level: number, row: number, col: number, look: Look): void {
    const { sight } = this;
    const x = (col * (SIDE << level) - sight.x) * sight.cell;
    const y = (row * (SIDE << level) - sight.y) * sight.cell;
    for (let up = 0; level + up <= this.mosaic!.coarsest; up++) {
      const laid = this.mosaic!.at(level + up, row >> up, col >> up);
      if (!laid) continue;
      const [left, above] = [(col - ((col >> up) << up)) * (SIDE >> up), (row - ((row >> up) << up)) * (SIDE >> up)];
      const [wide, high] = [Math.min(SIDE >> up, laid.tile.cols - left), Math.min(SIDE >> up, laid.tile.rows - above)];
      if (wide < 1 || high < 1) return;
      const pixels = sight.cell * 2 ** (level + up);
      context.drawImage(pictureOf(laid, look), left, above, wide, high, x, y, wide * pixels, high * pixels);
      return;
    }
  }

  /** The row and the column that are pointed at or selected. */
  private cross(context: CanvasRenderingContext2D, wide: number, high: number): void {
    const { sight } = this;
    const drawing = this.drawing!;
    context.strokeStyle = drawing.accent;
    context.lineWidth = sight.cell < FINE ? 1 : 1.5;
    const row = this.pointed?.row ?? drawing.rows.indexOf(drawing.selected.query ?? -1);
    const col = this.pointed?.col ?? drawing.cols.indexOf(drawing.selected.key ?? -1);
    // Around small cells two lines would hide what is there: one goes through the middle.
    const [inset, thick] = sight.cell < FINE ? [0.5, 0] : [0, sight.cell];
    if (row >= 0) context.strokeRect(-2, (row + inset - sight.y) * sight.cell, wide + 4, thick);
    if (col >= 0) context.strokeRect((col + inset - sight.x) * sight.cell, -2, thick, high + 4);
  }

  private write(context: CanvasRenderingContext2D, wide: number, high: number): void {
    for (const { x, y, turned, text, special, marked, room } of this.labels(wide, high)) {
      context.save();
      context.translate(x, y);
      if (turned) context.rotate(-LEAN);
      context.textAlign = turned ? "left" : "right";
      context.textBaseline = "middle";
      context.font = `${marked ? "bold " : ""}11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
      context.fillStyle = special && !marked ? this.drawing!.quiet : this.drawing!.ink;
      context.fillText(text, 0, 0, room); // scripts of wide letters are narrowed rather than cut off
      context.restore();
    }
  }

  /** The tokens along both sides; of a matrix beside another one those above alone. */
  private labels(wide: number, high: number): Label[] {
    const { queries, keys, rows, cols, selected } = this.drawing!;
    const { left, top } = this.room;
    const { x, y, cell } = this.sight;
    const row = this.pointed?.row ?? rows.indexOf(selected.query ?? -1);
    const col = this.pointed?.col ?? cols.indexOf(selected.key ?? -1);
    const [beside, above] = [left - 10, (top - 10) / Math.sin(LEAN)];
    const down = ticks({ tokens: queries, places: rows, start: y, cell, size: high, marked: row, room: beside });
    const across = ticks({ tokens: keys, places: cols, start: x, cell, size: wide, marked: col, room: above });
    return [
      ...(left > LETTERS ? down.map((tick) => ({ ...tick, turned: false, x: left - 6, y: top + tick.at, room: beside })) : []),
      ...across.map((tick) => ({ ...tick, turned: true, x: left + tick.at, y: top - 6, room: above })),
    ];
  }

  /** What is in sight, with its labels and what its colours stand for. */
  svg(paper: string): string {
    const { size, sight, room } = this;
    const { rows, cols, ink } = this.drawing!;
    const wide = Math.min(size, cols.length * sight.cell);
    const high = Math.min(size, rows.length * sight.cell);
    const legend = room.legend > LETTERS && this.top > 0;
    const [width, height] = [room.left + wide + (legend ? WHOLE.legend : room.top / 2), room.top + high + 10];
    const plain = h("canvas");
    const context = canvasContext(plain, wide, high);
    context.imageSmoothingEnabled = false;
    this.lay(context);
    const texts = this.labels(wide, high).map(
      ({ x, y, turned, text }) =>
        `<text transform="translate(${x} ${y})${turned ? " rotate(-60)" : ""}" dominant-baseline="middle" text-anchor="${turned ? "start" : "end"}">${escaped(text)}</text>`,
    );
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="11" fill="${ink}">` +
      `<rect width="100%" height="100%" fill="${paper}"/>` +
      `<image x="${room.left}" y="${room.top}" width="${wide}" height="${high}" style="image-rendering:pixelated" href="${plain.toDataURL()}"/>` +
      `<rect x="${room.left}" y="${room.top}" width="${wide}" height="${high}" fill="none" stroke="${ink}" stroke-opacity="0.4"/>` +
      `${texts.join("")}${legend ? legendSvg(this.legend, room.left + wide + 16, room.top, high) : ""}</svg>`
    );
  }

  // -- steering -------------------------------------------------------------------------------------------

  get corner(): { left: number; top: number } {
    return this.room;
  }

  get seen(): { rows: number; cols: number } {
    const seen = Math.max(1, Math.floor(this.size / this.sight.cell));
    return { rows: seen, cols: seen };
  }

  cellAt(x: number, y: number): Cell | null {
    if (!this.drawing) return null;
    const { rows, cols } = this.drawing;
    const row = Math.floor(this.sight.y + y / this.sight.cell);
    const col = Math.floor(this.sight.x + x / this.sight.cell);
    const inside = x >= 0 && y >= 0 && x < this.size && y < this.size && row < rows.length && col < cols.length;
    return inside ? { row, col } : null;
  }

  point(cell: Cell | null): void {
    if (cell?.row === this.pointed?.row && cell?.col === this.pointed?.col) return;
    this.pointed = cell;
    clearTimeout(this.resting);
    if (cell) this.tell();
    else this.pointing.left?.();
    this.later();
  }

  /** Says what is pointed at; of a coarse picture the single weight is brought when the pointer rests. */
  private tell(): void {
    const { rows, cols } = this.drawing!;
    const { row, col } = this.pointed!;
    const weight = this.mosaic!.weight(row, col);
    const coarse = this.level > 0 ? this.mosaic!.coarse(this.level, row, col) : null;
    this.pointing.point(rows[row]!, cols[col]!, weight, coarse);
    if (weight === null) this.resting = setTimeout(() => this.mosaic!.want(0, Math.floor(row / SIDE), Math.floor(col / SIDE)), RESTING);
  }

  pick(cell: Cell | null = this.pointed): void {
    if (cell) this.pointing.select(this.drawing!.rows[cell.row]!, this.drawing!.cols[cell.col]!);
  }

  step(down: number, across: number): void {
    const { rows, cols, selected } = this.drawing!;
    const from = this.pointed ?? {
      row: Math.max(0, rows.indexOf(selected.query ?? -1)),
      col: Math.max(0, cols.indexOf(selected.key ?? -1)),
    };
    const cell = {
      row: Math.max(0, Math.min(rows.length - 1, from.row + down)),
      col: Math.max(0, Math.min(cols.length - 1, from.col + across)),
    };
    this.reveal(cell);
    this.point(cell);
  }

  private reveal({ row, col }: Cell): void {
    const seen = this.size / this.sight.cell;
    this.sight.y = Math.min(row, Math.max(this.sight.y, row + 1 - seen));
    this.sight.x = Math.min(col, Math.max(this.sight.x, col + 1 - seen));
    this.moved();
  }
}
