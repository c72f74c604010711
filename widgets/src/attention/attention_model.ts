// From AttentionView's state to what is drawn and said.

import type { LinesDrawing } from "../drawing/line_segments";
import { formatNumber } from "../drawing/number_format";
import { headColour, type Roles } from "../drawing/palette";
import type { PooledWeight } from "../drawing/tile_cache";
import { quoted, stackedLayer } from "../drawing/titles";
import type { LayerHeader, Tokens } from "../protocol/headers";
import type { Axis, Selection } from "../protocol/trace_source";
import { largestMagnitude, meanOf } from "../protocol/weights";
import type { AttentionState } from "./state";

/** A token on one side of the picture. */
export interface TokenPlace {
  axis: Axis;
  position: number;
}

/** Tokens that a sentence about one token names. */
const MOST_NAMED = 5;

/** The selected heads as far as the layer has them, at least one. */
export function headsOfLayer(heads: number[], layer: LayerHeader): number[] {
  const present = heads.filter((head) => head < layer.heads);
  return present.length ? present : [0];
}

/** The traits that say which token or cell is selected. */
export type SelectedTraits = Pick<AttentionState, "query" | "key">;

/** The traits that select one token, or no token where it was selected before. */
export function toggledToken(state: SelectedTraits, { axis, position }: TokenPlace): SelectedTraits {
  return selectedToken({ axis, position: state[axis] === position ? null : position });
}

/** The traits that select one token, or none. */
export function selectedToken({ axis, position }: { axis: Axis; position: number | null }): SelectedTraits {
  return axis === "query" ? { query: position, key: null } : { key: position, query: null };
}

/** The token that is shown alone: pointed at, else selected. */
export function loneToken(pointed: TokenPlace | null, { query, key }: SelectedTraits): TokenPlace | null {
  if (pointed) return pointed;
  if (query !== null) return { axis: "query", position: query };
  return key === null ? null : { axis: "key", position: key };
}

/** What lines are drawn from, besides the state. */
export interface LinesWeights {
  rows: number[];
  cols: number[];
  queries: Tokens;
  keys: Tokens;
  /** Each head's weights; null where they are not in the browser. */
  matrices: Float32Array[] | null;
  alone: TokenPlace | null;
  /** Each head's weights of the lone token. */
  line: Float32Array[] | null;
}

/** The lines of each head, or of the mean of all heads. */
export function linesDrawing(
  state: Pick<AttentionState, "mean" | "query" | "key" | "threshold" | "log">,
  heads: number[], weights: LinesWeights, roles: Roles, dark: boolean,
): LinesDrawing {
  const { matrices, alone, line, ...tokens } = weights;
  const averaged = state.mean && heads.length > 1;
  const merge = (all: Float32Array[]) => (averaged ? [meanOf(all)] : all);
  const [drawn, joined] = [matrices && merge(matrices), line && merge(line)];
  return {
    ...tokens,
    colours: averaged ? [roles.accent] : heads.map((head) => headColour(head, dark)),
    names: averaged ? [`mean of ${heads.length} heads`] : heads.map((head) => `head ${head}`),
    matrices: drawn,
    top: Math.max(0, ...(drawn ?? joined ?? []).map(largestMagnitude)),
    alone: alone && joined && { ...alone, weights: joined },
    selected: { query: state.query, key: state.key },
    threshold: state.threshold,
    log: state.log,
    ink: roles.text,
    muted: roles.muted,
  };
}

/** The heads that are shown, and of which layers. */
export type ShownHeads = Pick<Selection, "layer" | "heads" | "layers">;

/** The shown heads; `stacks` adds whether the layer is an encoder's, a decoder's or attends across; `apart`: not their mean. */
export function describeHeads({ layer, heads, layers }: ShownHeads, stacks: string[] = [], apart = false): string {
  const of = stackedLayer(stacks[layer]);
  const where = layers ? `mean of ${of}s ${numberRanges(layers)}` : `${of} ${layer}`;
  return `${where}, ${heads.length === 1 ? `head ${heads[0]}` : `${apart ? "" : "mean of "}${heads.length} heads`}`;
}

/** Numbers as ranges: "0-2, 5". */
export function numberRanges(numbers: number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && number <= run[1] + 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(", ");
}

/** The numbers of ranges as they are typed, each below `count`; null for anything else. */
export function rangeNumbers(text: string, count: number): number[] | null {
  const numbers = new Set<number>();
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const [, first, last] = /^(\d+)(?:[-–](\d+))?$/.exec(part) ?? [];
    if (first === undefined) return null;
    const [low, high] = [Number(first), Number(last ?? first)];
    if (low > high || high >= count) return null;
    for (let number = low; number <= high; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** A cell that is pointed at, in words. */
export function describeCell(
  tokens: Record<Axis, Tokens>, selection: Selection, query: number, key: number, weight: number | null, pooled: PooledWeight | null,
  stacks: string[] = [],
): string {
  const parts = [
    `${quoted(tokens.query, query)} → ${quoted(tokens.key, key)}${weight === null ? "" : `: ${formatNumber(weight)}`}`,
    describeHeads(selection, stacks),
    `query ${query}, key ${key}`,
  ];
  if (pooled) {
    const pooling = selection.pool === "max" ? "largest" : "mean";
    parts.push(`${pooling} of ${pooled.size} × ${pooled.size} there: ${formatNumber(pooled.weight)}`);
  }
  return parts.join(" · ");
}

/** The tokens that a lone token attends to most, or that attend to it most, in words. */
export function describeLine(
  tokens: Record<Axis, Tokens>, selection: Selection, { axis, position }: TokenPlace, weights: Float32Array, others: number[],
  stacks: string[] = [],
): string {
  const other = axis === "query" ? "key" : "query";
  const best = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]!).slice(0, MOST_NAMED);
  const named = best.map((n) => `${quoted(tokens[other], others[n]!)} ${formatNumber(weights[n]!)}`).join(", ");
  return `${quoted(tokens[axis], position)} ${axis === "query" ? "attends to" : "is attended to by"} ${named} · ${describeHeads(selection, stacks)}`;
}

/** The products behind a score: both vectors multiplied element by element, and their scaled sum. */
export function scoreOf(q: Float32Array, k: Float32Array, scale: number): { products: Float32Array; score: number } {
  const products = q.map((value, i) => value * k[i]!);
  return { products, score: products.reduce((a, b) => a + b, 0) * scale };
}
