// Replies to a view's requests from the bytes of the page, as far as they go; what only Python could reply is refused.

import { halvesAt } from "../protocol/float16";
import type { HeldHead, LayerHeader, MapPlace, TraceHeader } from "../protocol/headers";
import { Layer } from "../protocol/layer";
import { coarsestLevel, TILE_SIDE } from "../protocol/tiles";

export type PageRequest = { id: string; ask: string } & Record<string, any>;

export interface PageReply {
  answer?: Record<string, unknown>;
  buffers?: DataView[];
}

/** The state that replies are made from. */
export interface PageState {
  get(name: string): unknown;
  /** Reads a trait's bytes into the state; false where the page has no such trait. */
  load(name: string): Promise<boolean>;
}

const NO_VECTORS = "This report holds the layer's weights, not its queries and keys.";
const NO_MODEL = "This is a report without a model. Open the view in a notebook.";

export async function replyTo(state: PageState, request: PageRequest): Promise<PageReply> {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line|factors|lse)$/.exec(request.ask) ?? [];
  if (kind === undefined) throw new Error(NO_MODEL);
  if (kind === "layer") {
    if (await state.load(`${prefix}layer_${request["layer"]}`)) return {};
    throw new Error(NO_MODEL);
  }
  const page = new LongTrace(state, prefix!, request);
  if (kind === "tile") return page.tile();
  if (kind === "factors") return page.factors();
  if (kind === "lse") return page.lse();
  if (kind === "detail") return page.detail();
  throw new Error(page.coarse);
}

/** A trace that is too long to be here weight by weight, and a request for a part of it. */
class LongTrace {
  private readonly layer: LayerHeader;

  constructor(
    private readonly state: PageState,
    private readonly prefix: string,
    private readonly request: PageRequest,
  ) {
    this.layer = (state.get(`${prefix}trace`) as TraceHeader).layers[request["layer"]]!;
  }

  /** What is here of other heads, and where there is more. */
  get coarse(): string {
    const heads = Object.keys(this.layer.held ?? {});
    const held = heads.length ? ` Of this layer it holds head ${heads.join(", ")} in every detail.` : "";
    return `This text is long: of this choice the report has at most a map of the largest weights.${held} For more open the trace in a notebook.`;
  }

  /** One of the traits that hold long traces; null where the page does not have it. */
  private async bytes(name: string): Promise<DataView | null> {
    const trait = `${this.prefix}${name}`;
    return (await this.state.load(trait)) ? (this.state.get(trait) as DataView) : null;
  }

  /** A head's queries and keys, as a layer of one head. */
  async factors(): Promise<PageReply> {
    const { layer, head } = this.request;
    const bytes = await this.bytes(`factors_${layer}_${head}`);
    if (!bytes) throw new Error(this.coarse);
    return { answer: { header: this.layer.held![head] }, buffers: [bytes] };
  }

  /** Each query's log-sum-exp; that without special tokens comes second, where there are any. */
  async lse(): Promise<PageReply> {
    const { layer, head, hide_special } = this.request;
    const bytes = await this.bytes(`lse_${layer}_${head}`);
    if (!bytes) throw new Error(this.coarse);
    const size = 4 * this.layer.queries;
    const start = hide_special && bytes.byteLength > size ? size : 0;
    return { buffers: [new DataView(bytes.buffer, bytes.byteOffset + start, size)] };
  }

  /** The vectors behind one score. */
  async detail(): Promise<PageReply> {
    const { layer, head, query, key } = this.request;
    const bytes = await this.bytes(`factors_${layer}_${head}`);
    if (!bytes) throw new Error(NO_VECTORS);
    const { q, k, scale, weight } = new Layer(this.layer.held![head]!, bytes).product(0, query, key);
    return { answer: { scale, weight }, buffers: [new DataView(Float32Array.of(...q, ...k).buffer)] };
  }

  /**
   * A tile of a coarse map. Of each head and of the mean of all there is one, which finer levels show larger; a head that is
   * held may have more. Single weights (level 0), means over layers and what the browser computes are refused.
   */
  async tile(): Promise<PageReply> {
    const { layer, heads: selected, level, pair, hide_special, pool } = this.request;
    if (this.request["layers"]) throw new Error(this.coarse);
    const { heads, queries, keys, held } = this.layer;
    const top = coarsestLevel(queries, keys);
    const isHeld = selected.every((head: number) => held?.[head]);
    const map = isHeld && selected.length === 1 && pair === "all" ? await this.overview(held![selected[0]]!) : null;
    if (map) return map;
    const isCoarse = level === top || (level > 0 && !isHeld);
    const bytes = isCoarse && pair === "all" && pool === "max" && !hide_special ? await this.bytes(`tiles_${layer}`) : null;
    // The mean of all heads comes first, then each head where there was room.
    const number = selected.length === heads ? 0 : selected.length === 1 ? 1 + selected[0] : Infinity;
    const [rows, cols] = [Math.ceil(queries / 2 ** top), Math.ceil(keys / 2 ** top)];
    if (!bytes || number * rows * cols * 2 >= bytes.byteLength) throw new Error(this.coarse);
    return this.cut(bytes, { level: top, rows, cols, start: number * rows * cols * 2 });
  }

  /** From a map of a head that is held; null where there is none of that level and choice. */
  private async overview({ overviews = [] }: HeldHead): Promise<PageReply | null> {
    const { layer, heads: [head], level, hide_special, pool } = this.request;
    const map = overviews.find((one) => one.level === level && one.hide_special === hide_special && one.pool === pool);
    const bytes = map ? await this.bytes(`overview_${layer}_${head}`) : null;
    return bytes && this.cut(bytes, map!);
  }

  /** The requested tile of all cells of a level; of a finer level, with its cells larger. */
  private cut(bytes: DataView, { level: held, rows, cols, start, scale }: MapPlace): PageReply {
    const { level, row, col } = this.request;
    const whole = halvesAt(bytes, start, rows * cols);
    const [top, left] = [row * TILE_SIDE, col * TILE_SIDE];
    const { queries, keys } = this.layer;
    const [allRows, allCols] = level === held ? [rows, cols] : [Math.ceil(queries / 2 ** level), Math.ceil(keys / 2 ** level)];
    const [high, wide] = [Math.min(TILE_SIDE, allRows - top), Math.min(TILE_SIDE, allCols - left)];
    const tile = new Uint16Array(high * wide);
    for (let i = 0; i < high; i++)
      for (let j = 0; j < wide; j++)
        tile[i * wide + j] = whole[((top + i) >> (held - level)) * cols + ((left + j) >> (held - level))]!;
    return { answer: { shape: [high, wide], scale }, buffers: [new DataView(tile.buffer)] };
  }
}
