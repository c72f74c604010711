// Replies to a view's requests from the bytes of the page, as far as they go; what only Python could reply is refused.

import { halvesAt } from "../protocol/float16";
import type { TraceHeader } from "../protocol/headers";
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

const COARSE =
  "This text is long: the report holds each head, and the mean of all, as a map of the largest weights. " +
  "For finer detail, rows and other choices open the trace in a notebook.";
const NO_VECTORS = "This report holds the layer's weights, not its queries and keys.";
const NO_MODEL = "This is a report without a model. Open the view in a notebook.";

export async function replyTo(state: PageState, request: PageRequest): Promise<PageReply> {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line)$/.exec(request.ask) ?? [];
  if (kind === "layer" && (await state.load(`${prefix}layer_${request["layer"]}`))) return {};
  if (kind === "detail") throw new Error(NO_VECTORS);
  if (kind === "tile") return tileReply(state, prefix!, request);
  if (kind === "line") throw new Error(COARSE);
  throw new Error(NO_MODEL);
}

/**
 * A tile of one head, or of the mean of all, of a trace that is too long to be here weight by weight. The page holds
 * the single tile of the coarsest level; finer tiles show its cells larger. Single weights (level 0) are refused.
 */
async function tileReply(state: PageState, prefix: string, request: PageRequest): Promise<PageReply> {
  const { layer, heads: selected, level, row, col, pair, hide_special, pool } = request;
  const { heads, queries, keys } = (state.get(`${prefix}trace`) as TraceHeader).layers[layer]!;
  const top = coarsestLevel(queries, keys);
  const trait = `${prefix}tiles_${layer}`;
  const isHeld = pair === "all" && !hide_special && pool === "max" && (level > 0 || top === 0);
  if (!isHeld || !(await state.load(trait))) throw new Error(COARSE);
  const [high, wide] = [Math.ceil(queries / 2 ** top), Math.ceil(keys / 2 ** top)];
  const bytes = state.get(trait) as DataView;
  // The mean of all heads comes first, then each head where there was room.
  const number = selected.length === heads ? 0 : selected.length === 1 ? 1 + selected[0] : Infinity;
  if (number * high * wide * 2 >= bytes.byteLength) throw new Error(COARSE);
  const whole = halvesAt(bytes, number * high * wide * 2, high * wide);
  const side = (count: number, at: number) => Math.min(TILE_SIDE, Math.ceil(count / 2 ** level) - at * TILE_SIDE);
  const [rows, cols] = [side(queries, row), side(keys, col)];
  const tile = new Uint16Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      const [down, across] = [(row * TILE_SIDE + i) >> (top - level), (col * TILE_SIDE + j) >> (top - level)];
      tile[i * cols + j] = whole[down * wide + across]!;
    }
  return { answer: { shape: [rows, cols] }, buffers: [new DataView(tile.buffer)] };
}
