// Where a view's weights come from: computed here from a layer's bytes, or, of a long trace, requested block by block;
// finer blocks are computed here too, where a head's queries and keys can be had.

import { HeadTiles } from "../factors/head_tiles";
import { TileWorkers, type HeadBytes } from "../factors/tile_workers";
import { readHalves, readSingles } from "./float16";
import type { LayerHeader, Tokens, TraceHeader } from "./headers";
import { Layer } from "./layer";
import { request, type Reply } from "./requests";
import { coarsestLevel, tileCutter, type Pooling, type Tile, type TileCutter } from "./tiles";
import { meanOf, submatrix, withoutKeys } from "./weights";
import type { WidgetModel } from "./widget_model";

export type Axis = "query" | "key";

/** Of two texts, which one attends to which. */
export type TextPair = "all" | "a-a" | "a-b" | "b-a" | "b-b";

/** The heads and tokens of a layer that are shown; the same fields as `HeadSelection` in Python. */
export interface Selection {
  layer: number;
  heads: number[];
  pair: TextPair;
  hide_special: boolean;
  pool: Pooling;
  /** Layers over which each head is averaged; absent for one. */
  layers?: number[];
}

/** How many tiles, whole matrices to cut tiles from, and sets of single heads' matrices are cached. */
const MOST_TILES = 400;
const MOST_CUTTERS = 4;
const MOST_MATRICES = 2;
/** How many selections' computed tiles and heads' vectors are cached, and levels below the coarsest that are requested. */
const MOST_SELECTIONS = 3;
const MOST_HEADS = 16;
const REQUESTED_LEVELS = 3;

export class TraceSource {
  readonly header: TraceHeader;
  private readonly layers = new Map<number, Promise<Layer>>();
  private readonly tiles = new Map<string, Promise<Tile>>();
  private readonly cutters = new Map<string, Promise<TileCutter>>();
  private readonly headMatrices = new Map<string, Promise<Float32Array[]>>();
  private readonly computed = new Map<string, Promise<HeadTiles | null>>();
  private readonly heads = new Map<string, Promise<HeadBytes>>();
  private workers: TileWorkers | null = null;
  /** What tiles were last computed of. */
  private latest: HeadTiles | null = null;

  /** `prefix` precedes the names of traits and requests where a view has several traces. */
  constructor(
    private readonly model: WidgetModel<any>,
    private readonly signal: AbortSignal,
    private readonly prefix = "",
  ) {
    this.header = model.get(`${prefix}trace`) as TraceHeader;
  }

  /** Whether the weights stay in Python, which sends blocks of them. */
  get remote(): boolean {
    return this.header.remote;
  }

  /** Ends what is computed; nothing is requested from then on. */
  close(): void {
    this.workers?.close();
  }

  /** A layer, decoded from the widget's state; Python adds its bytes to the state on request. */
  layer(number: number): Promise<Layer> {
    return cached(this.layers, number, Infinity, () => this.loadLayer(number));
  }

  private async loadLayer(number: number): Promise<Layer> {
    const trait = `${this.prefix}layer_${number}`;
    if (!hasBytes(this.model.get(trait))) await this.request("layer", { layer: number });
    const bytes = this.model.get(trait);
    if (!hasBytes(bytes)) throw new Error(`Layer ${number} did not arrive. Run the cell again.`);
    return new Layer(this.header.layers[number]!, bytes);
  }

  private request(name: string, fields: object): Promise<Reply> {
    return request(this.model, `${this.prefix}${name}`, { ...fields }, this.signal);
  }

  /** The tokens along one axis of a layer. */
  tokens(layer: number, axis: Axis): Tokens {
    return tokensOf(this.header, this.header.layers[layer]!, axis);
  }

  /** The positions that are shown, along queries and keys. */
  positions(selection: Selection): { rows: number[]; cols: number[] } {
    const { layer, pair, hide_special } = selection;
    const segment = (side: string | undefined) => (pair === "all" ? null : side === "a" ? 0 : 1);
    const [from, to] = pair.split("-");
    return {
      rows: shownPositions(this.tokens(layer, "query"), segment(from), hide_special),
      cols: shownPositions(this.tokens(layer, "key"), segment(to), hide_special),
    };
  }

  /** Each head's weights among what is shown, [rows * cols]; only where the weights are in the browser. */
  matrices({ layer, heads, pair, hide_special, pool, layers }: Selection): Promise<Float32Array[]> {
    const shown = { heads, pair, hide_special, pool };
    const numbers = layers ?? [layer];
    return cached(this.headMatrices, JSON.stringify([numbers, heads, pair, hide_special]), MOST_MATRICES, async () => {
      const each = await Promise.all(numbers.map((number) => this.select({ ...shown, layer: number })));
      return heads.map((_, n) => meanOf(each.map((matrices) => matrices[n]!)));
    });
  }

  private async select(selection: Selection): Promise<Float32Array[]> {
    const layer = await this.layer(selection.layer);
    const { rows, cols } = this.positions(selection);
    const { queries, keys } = layer.header;
    return selection.heads.map((head) => {
      const whole = layer.head(head);
      if (rows.length === queries && cols.length === keys && !selection.hide_special) return whole;
      const special = this.tokens(selection.layer, "key").special;
      return submatrix(selection.hide_special ? withoutKeys(whole, keys, special) : whole, keys, rows, cols);
    });
  }

  /** The weights of one query, or those on one key, in each head, among what is shown. */
  async line(selection: Selection, axis: Axis, position: number): Promise<Float32Array[]> {
    if (this.remote) return this.remoteLine(selection, axis, position);
    const { rows, cols } = this.positions(selection);
    const at = (axis === "query" ? rows : cols).indexOf(position);
    return (await this.matrices(selection)).map((matrix) =>
      axis === "query"
        ? matrix.subarray(at * cols.length, (at + 1) * cols.length)
        : Float32Array.from({ length: rows.length }, (_, i) => matrix[i * cols.length + at]!),
    );
  }

  private async remoteLine(selection: Selection, axis: Axis, position: number): Promise<Float32Array[]> {
    const at = this.positions(selection)[axis === "query" ? "rows" : "cols"].indexOf(position);
    if (at < 0 || !isHeld(this.header, selection)) return this.requestLine(selection, axis, position);
    const heads = await Promise.all(selection.heads.map((head) => this.computedHeads({ ...selection, heads: [head] })));
    if (heads.includes(null)) return this.requestLine(selection, axis, position);
    return Promise.all(heads.map((one) => one!.line(axis, at)));
  }

  private async requestLine(selection: Selection, axis: Axis, position: number): Promise<Float32Array[]> {
    const { shape, buffers } = await this.request("line", { ...selection, axis, position });
    const [heads, length] = shape as [number, number];
    const values = readHalves(buffers[0]!, 0, heads * length);
    const size = values.length / selection.heads.length;
    return selection.heads.map((_, n) => values.subarray(n * size, (n + 1) * size));
  }

  /** A tile of the mean of the selected heads. Requested again, it is computed before others that wait. */
  tile(selection: Selection, level: number, row: number, col: number): Promise<Tile> {
    if (this.remote) return this.remoteTile(selection, level, row, col);
    const name = `${level}/${row}/${col}/${JSON.stringify(selection)}`;
    return cached(this.tiles, name, MOST_TILES, () => this.cutter(selection).then((cut) => cut(level, row, col)));
  }

  /** Coarse tiles are requested, finer ones computed here where that can be; in a report also coarse ones that it lacks. */
  private async remoteTile(selection: Selection, level: number, row: number, col: number): Promise<Tile> {
    const { queries, keys } = this.header.layers[selection.layer]!;
    const requested = () =>
      cached(this.tiles, `${level}/${row}/${col}/${JSON.stringify(selection)}`, MOST_TILES, () => this.requestTile(selection, level, row, col));
    if (level < coarsestLevel(queries, keys) - REQUESTED_LEVELS) return this.computedTile(selection, level, row, col, requested);
    if (!isHeld(this.header, selection)) return requested();
    void this.computedHeads(selection).then((heads) => heads && this.latestOf(heads).computeAhead());
    return requested().catch((error) => this.computedTile(selection, level, row, col, () => Promise.reject(error)));
  }

  /** A tile that is computed here; what `other` returns where none can be. */
  private async computedTile(selection: Selection, level: number, row: number, col: number, other: () => Promise<Tile>): Promise<Tile> {
    const heads = await this.computedHeads(selection);
    if (!heads) return other();
    return this.latestOf(heads).tile(level, row, col).catch((error: Error) => {
      if (error.name === "AbortError") throw error; // something else is shown now
      return other();
    });
  }

  /** The last selection whose tiles are computed; what waits for another one is dropped. */
  private latestOf(heads: HeadTiles): HeadTiles {
    if (heads !== this.latest) this.latest?.close();
    return (this.latest = heads);
  }

  /** Of a selection, what computes its blocks here; null where a head's queries and keys are not to be had. */
  private computedHeads(selection: Selection): Promise<HeadTiles | null> {
    const most = MOST_SELECTIONS * (1 + headsOf(selection).length);
    return cached(this.computed, JSON.stringify(selection), most, () => this.compute(selection).catch(() => null));
  }

  private async compute(selection: Selection): Promise<HeadTiles | null> {
    if (typeof Worker === "undefined") return null;
    const { hide_special, pool } = selection;
    const places = headsOf(selection);
    if (places.length > MOST_HEADS && !isHeld(this.header, selection)) return null;
    const heads = await Promise.all(places.map(([layer, head]) => this.head(layer, head)));
    const lse = await Promise.all(places.map(([layer, head]) => this.request("lse", { layer, head, hide_special })));
    const { rows, cols } = this.positions(selection);
    return new HeadTiles((this.workers ??= new TileWorkers(this.signal)), {
      name: JSON.stringify(selection),
      heads,
      lse: lse.map(({ buffers: [bytes] }) => readSingles(bytes!, 0, bytes!.byteLength / 4)),
      rows: Int32Array.from(rows),
      cols: Int32Array.from(cols),
    }, pool);
  }

  /** A head's queries and keys, as a layer of one head. */
  private head(layer: number, head: number): Promise<HeadBytes> {
    const name = `${layer}/${head}`;
    return cached(this.heads, name, MOST_HEADS, async () => {
      const { header, buffers } = await this.request("factors", { layer, head });
      return { name, header: header as LayerHeader, bytes: buffers[0]! };
    });
  }

  private async requestTile(selection: Selection, level: number, row: number, col: number): Promise<Tile> {
    const { shape, scale = 1, buffers } = await this.request("tile", { ...selection, level, row, col });
    const [rows, cols] = shape as [number, number];
    const weights = readHalves(buffers[0]!, 0, rows * cols);
    return { rows, cols, weights: scale === 1 ? weights : weights.map((weight) => weight * (scale as number)) };
  }

  private cutter(selection: Selection): Promise<TileCutter> {
    return cached(this.cutters, JSON.stringify(selection), MOST_CUTTERS, () => {
      const { rows, cols } = this.positions(selection);
      return this.matrices(selection).then((all) => tileCutter(meanOf(all), rows.length, cols.length, selection.pool));
    });
  }
}

/** The value under a key, made on first use; the oldest is dropped beyond `most`, and a failure is not cached. */
export function cached<K, T>(cache: Map<K, Promise<T>>, key: K, most: number, make: () => Promise<T>): Promise<T> {
  let value = cache.get(key);
  if (!value) {
    value = make();
    value.catch(() => cache.delete(key));
    if (cache.size >= most) cache.delete(cache.keys().next().value!);
    cache.set(key, value);
  }
  return value;
}

/** The tokens along one axis of a layer; positions as numbers where the trace has no such tokens. */
export function tokensOf(trace: TraceHeader, layer: LayerHeader, axis: Axis): Tokens {
  const count = axis === "query" ? layer.queries : layer.keys;
  const side = layer[axis];
  const tokens = side === "input" || side === "output" ? trace.tokens[side] : undefined;
  if (tokens && tokens.text.length === count)
    return trace.patches && side === "input" ? { ...tokens, leading: trace.patches.leading } : tokens;
  return { text: Array.from({ length: count }, (_, i) => String(i)), special: [], segment: [] };
}

/** Positions of the tokens of one segment (null: of all), with or without special ones. */
export function shownPositions(tokens: Tokens, segment: number | null, hideSpecial: boolean): number[] {
  const hidden = new Set(hideSpecial ? tokens.special : []);
  return [...tokens.text.keys()].filter(
    (i) => !hidden.has(i) && (segment === null || (tokens.segment[i] ?? 0) === segment),
  );
}

/** Whether all of these heads are in the page, which has no kernel that would pool their tiles. */
function isHeld({ layers }: TraceHeader, selection: Selection): boolean {
  return headsOf(selection).every(([layer, head]) => head in (layers[layer]!.held ?? {}));
}

/** Every head over which a selection is a mean. */
function headsOf({ layer, heads, layers }: Selection): [layer: number, head: number][] {
  return (layers ?? [layer]).flatMap((number) => heads.map((head): [number, number] => [number, head]));
}

/** Whether bytes have arrived: an empty trait stands for a layer that was taken back. */
function hasBytes(bytes: unknown): bytes is DataView {
  return bytes instanceof DataView && bytes.byteLength > 0;
}
