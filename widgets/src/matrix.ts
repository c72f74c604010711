// A head as a matrix that zooms from the whole to single weights: the query runs down, the key across.
//
// The picture is laid with tiles of the level whose cells come closest to a pixel. Where one is not there yet, a
// coarser one stands in for it, so that moving never waits.

import { canvasContext, escaped, h } from "./dom";
import { needsWhite, scale, table, type Ramp } from "./colour";
import { label, number } from "./label";
import { SIDE, topLevel, type Tile } from "./source";
import type { Tokens } from "./model";

/** Pixels of the picture at most, and what is kept free for labels and legend. */
export interface MatrixSize {
  plot: number;
  left: number;
  top: number;
  legend: number;
}

const WHOLE: MatrixSize = { plot: 460, left: 108, top: 92, legend: 70 };
/** Cells of fewer pixels are too small for a label each. */
const LEGIBLE = 12;
const LARGEST_CELL = 48;
/** So little room at the left is for no labels. */
const LETTERS = 20;
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
  /** A cell's query and key, and its weight where it is known. */
  point(query: number, key: number, weight: number | null): void;
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

interface Laid {
  tile: Tile;
  picture: HTMLCanvasElement | null;
}

export class Matrix {
  readonly element: HTMLCanvasElement;
  private drawing: MatrixDrawing | null = null;
  private readonly laid = new Map<string, Laid>();
  private readonly pending = new Set<string>();
  private sight: Sight = { x: 0, y: 0, cell: 1 };
  private fitted = "";
  private most = 0;
  private pointed: { row: number; col: number } | null = null;
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
      role: "img",
      "aria-label": "Attention matrix. Arrow keys move from cell to cell, plus and minus zoom, 0 shows all.",
    });
    this.listen();
  }

  show(drawing: MatrixDrawing, width: number): void {
    const look = [drawing.log, drawing.threshold, drawing.ramp(0), drawing.ramp(1)].join();
    const before = this.drawing && [this.drawing.log, this.drawing.threshold, this.drawing.ramp(0), this.drawing.ramp(1)].join();
    if (drawing.name !== this.drawing?.name) {
      this.laid.clear();
      this.pending.clear();
      this.most = 0;
    } else if (look !== before) for (const one of this.laid.values()) one.picture = null;
    if (drawing.most !== this.drawing?.most) for (const one of this.laid.values()) one.picture = null;
    this.drawing = drawing;
    this.room = drawing.room ?? WHOLE;
    this.size = Math.max(120, Math.min(this.room.plot, width - this.room.left - this.room.legend));
    const shape = `${drawing.rows.length},${drawing.cols.length},${this.size}`;
    if (shape !== this.fitted) this.fit();
    this.fitted = shape;
    this.paint();
  }

  /** The largest weight of what is shown, 0 until it is known. */
  get strongest(): number {
    return this.most;
  }

  /** What the strongest colour stands for. */
  private get top(): number {
    return this.drawing?.most ?? this.most;
  }

  /** Shows all. */
  fit(): void {
    this.sight = { x: 0, y: 0, cell: this.smallest() };
    this.pointing.moved?.(this.sight);
    this.later();
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
    this.clamp();
    this.pointing.moved?.(sight);
    this.later();
  }

  private pan(x: number, y: number): void {
    this.sight.x -= x / this.sight.cell;
    this.sight.y -= y / this.sight.cell;
    this.clamp();
    this.pointing.moved?.(this.sight);
    this.later();
  }

  /** What another matrix shows: the same part of it. */
  look(sight: Sight): void {
    if (!this.drawing) return;
    this.sight = { ...sight };
    this.clamp();
    this.later();
  }

  /** Points at a cell from outside; null at none. */
  mark(cell: { row: number; col: number } | null): void {
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

  private laidAt(level: number, row: number, col: number): Laid | undefined {
    return this.laid.get(`${level}/${row}/${col}`);
  }

  private want(level: number, row: number, col: number): void {
    const drawing = this.drawing!;
    const key = `${level}/${row}/${col}`;
    if (this.laid.has(key) || this.pending.has(key)) return;
    this.pending.add(key);
    this.pointing.busy(this.pending.size);
    drawing.tile(level, row, col).then(
      (tile) => {
        if (this.drawing?.name !== drawing.name) return;
        this.pending.delete(key);
        this.laid.set(key, { tile, picture: null });
        if (level === topLevel(drawing.rows.length, drawing.cols.length)) {
          this.most = tile.weights.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          for (const one of this.laid.values()) one.picture = null;
        }
        this.pointing.busy(this.pending.size);
        if (level === topLevel(drawing.rows.length, drawing.cols.length)) this.pointing.known?.();
        this.later();
      },
      (error: Error) => {
        if (this.signal.aborted || this.drawing?.name !== drawing.name) return;
        this.pending.delete(key);
        this.pointing.busy(this.pending.size);
        this.pointing.failed(error);
      },
    );
  }

  /** A tile in colours, a pixel for each cell. */
  private pictureOf(laid: Laid): HTMLCanvasElement {
    if (laid.picture) return laid.picture;
    const { rows, cols, weights } = laid.tile;
    const { threshold } = this.drawing!;
    const canvas = h("canvas", { width: cols, height: rows });
    const context = canvas.getContext("2d")!;
    const image = context.createImageData(cols, rows);
    const colours = new Uint32Array(table(this.ramp).buffer);
    const pixels = new Uint32Array(image.data.buffer);
    const share = this.share;
    const nothing = Math.round(255 * share(0));
    for (let n = 0; n < weights.length; n++) {
      const weight = weights[n]!;
      pixels[n] = colours[Math.abs(weight) < threshold ? nothing : Math.round(255 * share(weight))]!;
    }
    context.putImageData(image, 0, 0);
    return (laid.picture = canvas);
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
    const drawing = this.drawing;
    if (!drawing) return;
    const { size, sight } = this;
    const context = canvasContext(this.element, this.room.left + size + this.room.legend, this.room.top + size + 2);
    const { rows, cols } = drawing;
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
    const top = topLevel(rows.length, cols.length);
    const ratio = globalThis.devicePixelRatio || 1;
    const level = Math.max(0, Math.min(top, Math.ceil(Math.log2(1 / (sight.cell * ratio)) - 0.5)));
    this.want(top, 0, 0);
    if (this.most > 0 || this.laidAt(top, 0, 0)) this.lay(context, level, top);
    if (sight.cell >= ROOMY) this.numbers(context);
    this.cross(context, wide, high);
    context.restore();
    context.strokeStyle = drawing.quiet;
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.strokeRect(this.room.left - 0.5, this.room.top - 0.5, wide + 1, high + 1);
    context.globalAlpha = 1;
    this.labels(context, wide, high);
    if (this.most > 0 && this.room.legend > 20) this.legend(context, this.room.left + wide + 16, high);
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
        const weight = this.weightAt(row, col);
        if (weight === null || Math.abs(weight) < Math.max(threshold, 0.005)) continue;
        context.fillStyle = needsWhite(ramp(share(weight))) ? "#ffffff" : "#1d2430";
        context.fillText(weight.toFixed(2).replace(/^(-?)0/, "$1"), (col + 0.5 - sight.x) * sight.cell, (row + 0.5 - sight.y) * sight.cell);
      }
  }

  /** What the colours stand for. */
  private legend(context: CanvasRenderingContext2D, x: number, high: number): void {
    const { log, signed, ink } = this.drawing!;
    const length = Math.min(high, 160);
    const [share, ramp] = [this.share, this.ramp];
    for (let y = 0; y < length; y++) {
      context.fillStyle = ramp(1 - y / (length - 1));
      context.fillRect(x, this.room.top + y, 12, 1.5);
    }
    context.fillStyle = ink;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    const ticks = signed ? [this.top, 0, -this.top] : log ? [this.top, 0.1, 0.01, 0.001].filter((weight) => weight <= this.top) : [this.top, this.top / 2, 0];
    let above = -Infinity;
    for (const weight of ticks) {
      const y = this.room.top + (1 - share(weight)) * (length - 1);
      if (y - above > 11) context.fillText(number(weight), x + 17, y);
      above = y;
    }
  }

  /** A single weight; null where its tile is not here. */
  private weightAt(row: number, col: number): number | null {
    const tile = this.laidAt(0, Math.floor(row / SIDE), Math.floor(col / SIDE))?.tile;
    return tile ? tile.weights[(row % SIDE) * tile.cols + (col % SIDE)]! : null;
  }

  private lay(context: CanvasRenderingContext2D, level: number, top: number): void {
    const { sight, size } = this;
    const { rows, cols } = this.drawing!;
    const span = SIDE << level;
    const last = (from: number, count: number) => Math.floor((Math.min(from + size / sight.cell, count) - 1e-9) / span);
    for (let row = Math.floor(sight.y / span); row <= last(sight.y, rows.length); row++)
      for (let col = Math.floor(sight.x / span); col <= last(sight.x, cols.length); col++) {
        this.want(level, row, col);
        this.layOne(context, level, row, col, top);
      }
  }

  /** The tile, or the part of the nearest coarser one that lies there. */
  private layOne(context: CanvasRenderingContext2D, level: number, row: number, col: number, top: number): void {
    const { sight } = this;
    const x = (col * (SIDE << level) - sight.x) * sight.cell;
    const y = (row * (SIDE << level) - sight.y) * sight.cell;
    for (let up = 0; level + up <= top; up++) {
      const laid = this.laidAt(level + up, row >> up, col >> up);
      if (!laid) continue;
      const [left, above] = [(col - ((col >> up) << up)) * (SIDE >> up), (row - ((row >> up) << up)) * (SIDE >> up)];
      const [wide, high] = [Math.min(SIDE >> up, laid.tile.cols - left), Math.min(SIDE >> up, laid.tile.rows - above)];
      if (wide < 1 || high < 1) return;
      const pixels = sight.cell * 2 ** (level + up);
      context.drawImage(this.pictureOf(laid), left, above, wide, high, x, y, wide * pixels, high * pixels);
      return;
    }
  }

  /** The row and the column that are pointed at or selected. */
  private cross(context: CanvasRenderingContext2D, wide: number, high: number): void {
    const { sight } = this;
    const drawing = this.drawing!;
    context.strokeStyle = drawing.accent;
    context.lineWidth = 1.5;
    const row = this.pointed?.row ?? drawing.rows.indexOf(drawing.selected.query ?? -1);
    const col = this.pointed?.col ?? drawing.cols.indexOf(drawing.selected.key ?? -1);
    const cell = Math.max(sight.cell, 2);
    if (row >= 0) context.strokeRect(-2, (row - sight.y) * sight.cell, wide + 4, cell);
    if (col >= 0) context.strokeRect((col - sight.x) * sight.cell, -2, cell, high + 4);
  }

  private labels(context: CanvasRenderingContext2D, wide: number, high: number): void {
    for (const { x, y, turned, text, special, strong } of this.ticks(wide, high)) {
      context.save();
      context.translate(x, y);
      if (turned) context.rotate(-Math.PI / 3);
      context.textAlign = turned ? "left" : "right";
      context.textBaseline = "middle";
      context.font = `${strong ? "bold " : ""}11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
      context.fillStyle = special && !strong ? this.drawing!.quiet : this.drawing!.ink;
      context.fillText(text, 0, 0);
      context.restore();
    }
  }

  /** Labels of the tokens in sight, as many as there is room for. */
  private ticks(wide: number, high: number) {
    const { sight } = this;
    const { queries, keys, rows, cols } = this.drawing!;
    const step = Math.max(1, Math.ceil(LEGIBLE / sight.cell));
    const out: { x: number; y: number; turned: boolean; text: string; special: boolean; strong: boolean }[] = [];
    const along = (tokens: Tokens, places: number[], start: number, size: number, turned: boolean) => {
      const special = new Set(tokens.special);
      const pointed = turned ? this.pointed?.col : this.pointed?.row;
      const first = Math.ceil(start / step) * step;
      for (let n = first; n < Math.min(places.length, start + size / sight.cell); n += step) {
        const at = (n - start + 0.5) * sight.cell;
        if (at > size - 4) break;
        const text = label(tokens.text[places[n]!]!, Math.min(15, Math.floor((turned ? this.room.top : this.room.left - 8) / 6.7)));
        out.push({
          x: turned ? this.room.left + at : this.room.left - 6,
          y: turned ? this.room.top - 6 : this.room.top + at,
          turned,
          text,
          special: special.has(places[n]!),
          strong: pointed === n,
        });
      }
    };
    if (this.room.left > LETTERS) along(queries, rows, sight.y, high, false);
    along(keys, cols, sight.x, wide, true);
    return out;
  }

  svg(paper: string): string {
    const { size, sight } = this;
    const { rows, cols, ink } = this.drawing!;
    const wide = Math.min(size, cols.length * sight.cell);
    const high = Math.min(size, rows.length * sight.cell);
    const [width, height] = [this.room.left + wide + 30, this.room.top + high + 10];
    const plain = h("canvas");
    const context = canvasContext(plain, wide, high);
    context.imageSmoothingEnabled = false;
    const top = topLevel(rows.length, cols.length);
    const ratio = globalThis.devicePixelRatio || 1;
    this.lay(context, Math.max(0, Math.min(top, Math.ceil(Math.log2(1 / (sight.cell * ratio)) - 0.5))), top);
    const texts = this.ticks(wide, high).map(
      ({ x, y, turned, text }) =>
        `<text transform="translate(${x} ${y})${turned ? " rotate(-60)" : ""}" dominant-baseline="middle" text-anchor="${turned ? "start" : "end"}">${escaped(text)}</text>`,
    );
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="11" fill="${ink}">` +
      `<rect width="100%" height="100%" fill="${paper}"/>` +
      `<image x="${this.room.left}" y="${this.room.top}" width="${wide}" height="${high}" style="image-rendering:pixelated" href="${plain.toDataURL()}"/>` +
      `<rect x="${this.room.left}" y="${this.room.top}" width="${wide}" height="${high}" fill="none" stroke="${ink}" stroke-opacity="0.4"/>${texts.join("")}</svg>`
    );
  }

  // -- pointing -------------------------------------------------------------------------------------------

  private cellAt(event: MouseEvent): { row: number; col: number } | null {
    const box = this.element.getBoundingClientRect();
    const x = event.clientX - box.left - this.room.left;
    const y = event.clientY - box.top - this.room.top;
    const { rows, cols } = this.drawing!;
    const row = Math.floor(this.sight.y + y / this.sight.cell);
    const col = Math.floor(this.sight.x + x / this.sight.cell);
    const inside = x >= 0 && y >= 0 && x < this.size && y < this.size && row < rows.length && col < cols.length;
    return inside ? { row, col } : null;
  }

  private point(cell: { row: number; col: number } | null): void {
    this.pointed = cell;
    if (!cell) this.pointing.left?.();
    else {
      const { rows, cols } = this.drawing!;
      this.pointing.point(rows[cell.row]!, cols[cell.col]!, this.weightAt(cell.row, cell.col));
    }
    this.later();
  }

  private listen(): void {
    const { element, signal } = this;
    let dragged: { x: number; y: number; far: boolean } | null = null;
    element.addEventListener("pointerdown", (event) => {
      dragged = { x: event.clientX, y: event.clientY, far: false };
      element.setPointerCapture(event.pointerId);
    }, { signal });
    element.addEventListener("pointermove", (event) => {
      if (!dragged) return this.point(this.cellAt(event));
      const [x, y] = [event.clientX - dragged.x, event.clientY - dragged.y];
      if (!dragged.far && Math.hypot(x, y) < 4) return;
      dragged = { x: event.clientX, y: event.clientY, far: true };
      this.pan(x, y);
    }, { signal });
    element.addEventListener("pointerup", (event) => {
      const cell = this.cellAt(event);
      const { rows, cols } = this.drawing!;
      if (dragged && !dragged.far && cell) this.pointing.select(rows[cell.row]!, cols[cell.col]!);
      dragged = null;
    }, { signal });
    element.addEventListener("pointerleave", () => this.point(null), { signal });
    element.addEventListener("dblclick", (event) => {
      const box = element.getBoundingClientRect();
      this.zoom(event.shiftKey ? 0.5 : 2, event.clientX - box.left - this.room.left, event.clientY - box.top - this.room.top);
    }, { signal });
    element.addEventListener("wheel", (event) => {
      // A page scrolls on over a matrix that nobody works with.
      if (!event.ctrlKey && this.element.getRootNode() instanceof ShadowRoot && (this.element.getRootNode() as ShadowRoot).activeElement !== element) return;
      event.preventDefault();
      const box = element.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left - this.room.left, event.clientY - box.top - this.room.top);
    }, { signal, passive: false });
    element.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  private key(event: KeyboardEvent): void {
    const { rows, cols, selected } = this.drawing!;
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    };
    const step = steps[event.key];
    if (step) {
      const from = this.pointed ?? {
        row: Math.max(0, rows.indexOf(selected.query ?? rows[0]!)),
        col: Math.max(0, cols.indexOf(selected.key ?? cols[0]!)),
      };
      const cell = {
        row: Math.max(0, Math.min(rows.length - 1, from.row + step[0])),
        col: Math.max(0, Math.min(cols.length - 1, from.col + step[1])),
      };
      this.reveal(cell);
      this.point(cell);
    } else if (event.key === "Enter" && this.pointed) {
      this.pointing.select(rows[this.pointed.row]!, cols[this.pointed.col]!);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private reveal({ row, col }: { row: number; col: number }): void {
    const seen = this.size / this.sight.cell;
    this.sight.y = Math.min(row, Math.max(this.sight.y, row + 1 - seen));
    this.sight.x = Math.min(col, Math.max(this.sight.x, col + 1 - seen));
    this.clamp();
  }
}
