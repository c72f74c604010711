// Where a view's weights come from: computed here from a layer's bytes, or asked of Python block by block.

import { floats, halves } from "./half";
import { Layer, mean, picked } from "./layer";
import { ask, type Answer, type Model, type Tokens, type TraceHeader } from "./model";

/** What of a layer is shown; as in `tiles.Shown`. */
export interface Shown {
  layer: number;
  heads: number[];
  pair: Pair;
  hide_special: boolean;
  pool: "max" | "mean";
}

export type Pair = "all" | "a-a" | "a-b" | "b-a" | "b-b";

/** Weights [rows * cols]; of a coarse level each stands for several. */
export interface Tile {
  rows: number;
  cols: number;
  weights: Float32Array;
}

/** Rows and columns of a tile. */
export const SIDE = 256;

/** Tiles that are kept, whole matrices to cut them from, and matrices of single heads. */
const KEPT = 400;
const KEPT_WHOLE = 4;
const KEPT_SHOWN = 2;

export class Source {
  readonly header: TraceHeader;
  private readonly layers = new Map<number, Promise<Layer>>();
  private readonly tiles = new Map<string, Promise<Tile>>();
  private readonly wholes = new Map<string, Promise<Tiles>>();
  private readonly shown = new Map<string, Promise<Float32Array[]>>();

  constructor(
    private readonly model: Model<any>,
    private readonly signal: AbortSignal,
    private readonly prefix = "",
  ) {
    this.header = model.get(`${prefix}trace`) as TraceHeader;
  }

  /** Whether Python holds the weights and gives blocks of them. */
  get remote(): boolean {
    return this.header.remote;
  }

  /** A layer's bytes, out of the widget's state, where Python puts those that are not there yet. */
  layer(number: number): Promise<Layer> {
    return kept(this.layers, number, Infinity, () => this.bring(number));
  }

  private async bring(number: number): Promise<Layer> {
    const name = `${this.prefix}layer_${number}`;
    if (!full(this.model.get(name))) await this.ask("layer", { layer: number });
    const bytes = this.model.get(name);
    if (!full(bytes)) throw new Error(`Layer ${number} did not arrive. Run the cell again.`);
    return new Layer(this.header.layers[number]!, bytes);
  }

  private ask(question: string, given: object): Promise<Answer> {
    return ask(this.model, `${this.prefix}${question}`, { ...given }, this.signal);
  }

  /** The tokens along one axis of a layer. */
  tokens(layer: number, axis: "query" | "key"): Tokens {
    const header = this.header.layers[layer]!;
    const count = axis === "query" ? header.queries : header.keys;
    const side = header[axis];
    const found = side === "input" || side === "output" ? this.header.tokens[side] : undefined;
    if (found && found.text.length === count) return found;
    return { text: Array.from({ length: count }, (_, i) => String(i)), special: [], segment: [] };
  }

  /** The positions that are shown, along queries and keys. */
  positions(shown: Shown): { rows: number[]; cols: number[] } {
    const [query, key] = shown.pair === "all" ? [null, null] : shown.pair.split("-").map((side) => (side === "a" ? 0 : 1));
    return {
      rows: chosen(this.tokens(shown.layer, "query"), query ?? null, shown.hide_special),
      cols: chosen(this.tokens(shown.layer, "key"), key ?? null, shown.hide_special),
    };
  }

  /** Each head's weights among what is shown, [rows * cols]; only where the weights are here. */
  matrices({ layer, heads, pair, hide_special, pool }: Shown): Promise<Float32Array[]> {
    const shown = { layer, heads, pair, hide_special };
    return kept(this.shown, JSON.stringify(shown), KEPT_SHOWN, () => this.pick({ ...shown, pool }));
  }

  private async pick(shown: Shown): Promise<Float32Array[]> {
    const layer = await this.layer(shown.layer);
    const { rows, cols } = this.positions(shown);
    const { queries, keys } = layer.header;
    return shown.heads.map((head) => {
      const whole = layer.head(head);
      if (rows.length === queries && cols.length === keys && !shown.hide_special) return whole;
      const from = shown.hide_special ? without(whole, keys, this.tokens(shown.layer, "key").special) : whole;
      return picked(from, keys, rows, cols);
    });
  }

  /** What one query gives, or one key gets, in each head, among what is shown. */
  async line(shown: Shown, axis: "query" | "key", position: number): Promise<Float32Array[]> {
    const { rows, cols } = this.positions(shown);
    if (this.remote) {
      const { heads } = shown;
      const { shape, buffers } = await this.ask("line", { ...shown, axis, position });
      const values = floats(halves(buffers[0]!, 0, (shape as number[])[0]! * (shape as number[])[1]!));
      const size = values.length / heads.length;
      return heads.map((_, n) => values.subarray(n * size, (n + 1) * size));
    }
    const at = (axis === "query" ? rows : cols).indexOf(position);
    return (await this.matrices(shown)).map((matrix) =>
      axis === "query"
        ? matrix.subarray(at * cols.length, (at + 1) * cols.length)
        : Float32Array.from({ length: rows.length }, (_, i) => matrix[i * cols.length + at]!),
    );
  }

  /** A tile of the mean of the shown heads; level z pools 2^z x 2^z weights into a cell. */
  tile(shown: Shown, level: number, row: number, col: number): Promise<Tile> {
    return kept(this.tiles, `${level}/${row}/${col}/${JSON.stringify(shown)}`, KEPT, () =>
      this.remote ? this.asked(shown, level, row, col) : this.cut(shown).then((cut) => cut(level, row, col)),
    );
  }

  private async asked(shown: Shown, level: number, row: number, col: number): Promise<Tile> {
    const { shape, buffers } = await this.ask("tile", { ...shown, level, row, col });
    const [rows, cols] = shape as [number, number];
    return { rows, cols, weights: floats(halves(buffers[0]!, 0, rows * cols)) };
  }

  /** Tiles of the mean of the heads, cut from its whole matrix; the last few are kept. */
  private cut(shown: Shown): Promise<Tiles> {
    return kept(this.wholes, JSON.stringify(shown), KEPT_WHOLE, () => {
      const { rows, cols } = this.positions(shown);
      return this.matrices(shown).then((all) => cutter(mean(all), rows.length, cols.length, shown.pool));
    });
  }
}

/** What was made under that key, or is made now; the oldest give way, and what failed is tried again. */
function kept<K, T>(held: Map<K, Promise<T>>, key: K, most: number, make: () => Promise<T>): Promise<T> {
  let found = held.get(key);
  if (!found) {
    found = make();
    found.catch(() => held.delete(key));
    if (held.size >= most) held.delete(held.keys().next().value!);
    held.set(key, found);
  }
  return found;
}

export type Tiles = (level: number, row: number, col: number) => Tile;

/** Tiles of a whole matrix: each cell of level z is the weight of largest magnitude among 2^z x 2^z, or their mean. */
export function cutter(whole: Float32Array, rows: number, cols: number, pool: "max" | "mean"): Tiles {
  const made = new Map<string, Tile>();
  return (level, row, col) => {
    const key = `${level}/${row}/${col}`;
    let found = made.get(key);
    if (!found) made.set(key, (found = cutOut(whole, rows, cols, pool, level, row, col)));
    return found;
  };
}

function cutOut(
  whole: Float32Array, rows: number, cols: number, pool: "max" | "mean", level: number, row: number, col: number,
): Tile {
  const [top, left, span] = [row * (SIDE << level), col * (SIDE << level), SIDE << level];
  const [bottom, right] = [Math.min(rows, top + span), Math.min(cols, left + span)];
  const [high, wide] = [Math.ceil((bottom - top) / 2 ** level), Math.ceil((right - left) / 2 ** level)];
  const weights = new Float32Array(high * wide);
  const counts = new Uint32Array(high * wide);
  for (let i = top; i < bottom; i++)
    for (let j = left; j < right; j++) {
      const at = ((i - top) >> level) * wide + ((j - left) >> level);
      const weight = whole[i * cols + j]!;
      if (pool === "mean") weights[at]! += weight;
      else if (Math.abs(weight) > Math.abs(weights[at]!)) weights[at] = weight;
      counts[at]!++;
    }
  if (pool === "mean") for (let n = 0; n < weights.length; n++) weights[n]! /= counts[n]!;
  return { rows: high, cols: wide, weights };
}

/** Whether bytes are there: an empty trait stands for a layer that was taken back. */
function full(bytes: unknown): bytes is DataView {
  return bytes instanceof DataView && bytes.byteLength > 0;
}

/** The level on which the whole fits into one tile. */
export function topLevel(rows: number, cols: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / SIDE)));
}

function chosen(tokens: Tokens, segment: number | null, hideSpecial: boolean): number[] {
  const special = new Set(hideSpecial ? tokens.special : []);
  const out: number[] = [];
  tokens.text.forEach((_, i) => {
    if (!special.has(i) && (segment === null || (tokens.segment[i] ?? 0) === segment)) out.push(i);
  });
  return out;
}

/** The matrix with nothing for some keys; what is left of each row sums to one again. */
function without(matrix: Float32Array, keys: number, gone: number[]): Float32Array {
  const out = matrix.slice();
  for (let start = 0; start < out.length; start += keys) {
    for (const key of gone) out[start + key] = 0;
    let sum = 0;
    for (let j = 0; j < keys; j++) sum += out[start + j]!;
    if (sum > 0) for (let j = 0; j < keys; j++) out[start + j]! /= sum;
  }
  return out;
}
