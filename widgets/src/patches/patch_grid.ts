// The positions of an image's trace: tokens before the patches, patches in a grid; and how they are called.

import type { ImageGround } from "../drawing/overlay";
import { formatNumber } from "../drawing/number_format";
import { capitalized } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import type { LayerHeader, TraceHeader } from "../protocol/headers";
import { range } from "../ui/dom";

/** Positions that a sentence about attention names. */
const MOST_NAMED = 3;

export class PatchGrid {
  readonly rows: number;
  readonly cols: number;
  /** Tokens before the first patch. */
  readonly leading: number;

  constructor(private readonly trace: TraceHeader) {
    ({ rows: this.rows, cols: this.cols, leading: this.leading } = trace.patches!);
  }

  get patches(): number {
    return this.rows * this.cols;
  }

  /** The image of that size, with the grid over it. */
  ground([height, width]: [height: number, width: number]): ImageGround {
    return { rows: this.rows, cols: this.cols, width, height, image: this.trace.patches!.image };
  }

  /** Layers whose positions are the tokens and patches of the image. */
  get layers(): number[] {
    const isOfImage = ({ query, key }: LayerHeader) => query === "input" && key === "input";
    return range(this.trace.layers.length).filter((n) => isOfImage(this.trace.layers[n]!));
  }

  /** The sentence about layers that are omitted; "" where there are none. */
  get omission(): string {
    const shown = new Set(this.layers);
    const omitted = range(this.trace.layers.length).filter((n) => !shown.has(n));
    if (omitted.length === 0) return "";
    const single = omitted.length === 1;
    const [layers, are, their] = single ? ["Layer", "is", "its"] : ["Layers", "are", "their"];
    return `${layers} ${omitted.join(", ")} ${are} left out: ${their} positions are not the patches. `;
  }

  /** The patch at a position; null for a leading token or none. */
  patchAt(position: number | null): number | null {
    return position === null || position < this.leading ? null : position - this.leading;
  }

  coordinates(patch: number): string {
    return `(${Math.floor(patch / this.cols)}, ${patch % this.cols})`;
  }

  nameOf(position: number | null): string {
    if (position === null) return "all positions";
    const patch = this.patchAt(position);
    if (patch !== null) return `patch ${this.coordinates(patch)}`;
    return tokenLabel(this.trace.tokens.input.text[position] ?? String(position));
  }

  /** What the large picture shows. */
  titleOf(query: number | null): string {
    return query === null ? "What each patch receives" : `Attention of ${this.nameOf(query)}`;
  }

  /** The positions with the largest weights of a query, in words; null is the mean over all queries. */
  describeRow(query: number | null, row: Float32Array): string {
    const best = range(row.length).sort((a, b) => row[b]! - row[a]!).slice(0, MOST_NAMED);
    const named = best.map((key) => `${key === query ? "itself" : this.nameOf(key)} ${formatNumber(row[key]!)}`).join(", ");
    return `${query === null ? "Most is received by" : `${capitalized(this.nameOf(query))} attends to`} ${named}`;
  }

  /** The position with the largest weight of a query, beside what each would have if all had the same. */
  describeMost(query: number | null, row: Float32Array): string {
    const best = row.reduce((best, weight, n) => (weight > row[best]! ? n : best), 0);
    const times = formatNumber(Number((row[best]! * row.length).toPrecision(2)));
    const most = `${best === query ? "itself" : this.nameOf(best)}, ${formatNumber(row[best]!)}, ${times} times uniform attention`;
    return query === null ? `most is received by ${most}` : `${this.nameOf(query)} attends most to ${most}`;
  }

  /** The weight on one patch, in words. */
  describePatch(query: number | null, patch: number, row: Float32Array): string {
    const key = this.leading + patch;
    const gets = query === null ? "receives" : `gets from ${query === key ? "itself" : this.nameOf(query)}`;
    return `${capitalized(this.nameOf(key))} ${gets} ${formatNumber(row[key]!)}`;
  }

  /** The patch next to one, within the grid; from no patch, the one in the middle. */
  neighbour(patch: number | null, down: number, across: number): number {
    if (patch === null) return Math.floor((this.rows - 1) / 2) * this.cols + Math.floor((this.cols - 1) / 2);
    const row = Math.max(0, Math.min(this.rows - 1, Math.floor(patch / this.cols) + down));
    const col = Math.max(0, Math.min(this.cols - 1, (patch % this.cols) + across));
    return row * this.cols + col;
  }
}

/** The selected heads of a layer in words. */
export function headsText(heads: number[], count: number): string {
  if (heads.length === 1) return count === 1 ? "its only head" : `head ${heads[0]}`;
  return heads.length === count ? `mean of ${count} heads` : `mean of heads ${heads.join(", ")}`;
}

/** The selected heads as far as the layer has them; all for none. */
export function headsOrAll(heads: number[], count: number): number[] {
  const present = heads.filter((head) => head < count);
  return present.length ? present : range(count);
}

/** The selection after a step: the mean of all, head 0, 1, ..., the last, and around. */
export function steppedHeads(heads: number[], by: number, count: number): number[] {
  const next = ((heads[0] ?? -1) + 1 + by + count + 1) % (count + 1);
  return next === 0 ? [] : [next - 1];
}
