// Cells of a head's weights from its queries and keys: exp(q · k * scale - log-sum-exp), pooled over squares.

import { halfValues } from "../protocol/float16";
import type { Layer } from "../protocol/layer";
import type { Pooling } from "../protocol/tiles";

/** One head, as a layer of its own, and the log-sum-exp of each query's scores, [query]. */
export interface HeadFactors {
  layer: Layer;
  lse: Float32Array;
}

/** The heads whose mean is shown, and the positions along both sides, ascending. */
export interface ShownHeads {
  heads: HeadFactors[];
  rows: Int32Array;
  cols: Int32Array;
}

/** A part of what is shown: rows and columns from first to end, in cells of size x size weights. */
export interface Block {
  top: number;
  bottom: number;
  left: number;
  right: number;
  size: number;
  pool: Pooling;
}

/** Rows that are computed at once. */
const STRIP = 8;
/** Exponents below it are weights that float16 holds as zero. */
const LEAST_EXPONENT = -18;

/** Each cell's largest weight or, under "mean", the sum of its weights; row by row. */
export function cellsOf(shown: ShownHeads, block: Block): Float32Array {
  const { top, bottom, left, right, size, pool } = block;
  const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
  const out = new Float32Array(high * wide);
  const strips = shown.heads.map((head) => new HeadStrip(head, shown, left, right));
  // Of one head the largest exponent is that of the largest weight: one exponential for each cell.
  const byExponent = pool === "max" && strips.length === 1;
  if (byExponent) out.fill(-Infinity);
  const height = Math.max(STRIP, size);
  const weights = new Float64Array(height * strips[0]!.stride);
  for (let first = top; first < bottom; first += height) {
    const end = Math.min(first + height, bottom);
    weights.fill(0);
    if (byExponent) weights.set(strips[0]!.exponents(first, end));
    else for (const strip of strips) addWeights(weights, strip.exponents(first, end), strips.length);
    poolRows(out, weights, { ...block, top: first, bottom: end, bottomCell: (first - top) / size, wide, stride: strips[0]!.stride });
  }
  if (byExponent) for (let n = 0; n < out.length; n++) out[n] = Math.exp(out[n]!);
  return out;
}

function addWeights(weights: Float64Array, exponents: Float64Array, heads: number): void {
  for (let n = 0; n < exponents.length; n++) {
    const exponent = exponents[n]!;
    if (exponent > LEAST_EXPONENT) weights[n]! += Math.exp(exponent) / heads;
  }
}

/** Pools the rows of a strip into the cells that they belong to. */
function poolRows(
  out: Float32Array, values: Float64Array,
  { top, bottom, left, right, size, pool, bottomCell, wide, stride }: Block & { bottomCell: number; wide: number; stride: number },
): void {
  for (let i = 0; i < bottom - top; i++) {
    const cell = (bottomCell + Math.floor(i / size)) * wide;
    for (let j = 0, at = i * stride; j < right - left; at++, j++) {
      const n = cell + Math.floor(j / size);
      if (pool === "mean") out[n]! += values[at]!;
      else if (values[at]! > out[n]!) out[n] = values[at]!;
    }
  }
}

/** The exponents of a head's weights in some columns, strip of rows by strip. */
class HeadStrip {
  /** Values in a row: the columns, and what fills the last four of them. */
  readonly stride: number;
  private readonly width: number;
  private readonly keys: Float64Array;
  private readonly size: number;
  private readonly extra: ((query: number, key: number) => number) | null;

  constructor(
    private readonly head: HeadFactors,
    private readonly shown: ShownHeads,
    private readonly left: number,
    private readonly right: number,
  ) {
    this.width = right - left;
    this.stride = 4 * Math.ceil(this.width / 4);
    const { bits, size } = head.layer.halfVectors("key");
    this.size = size;
    this.extra = head.layer.extras();
    this.keys = gathered(bits, size, shown.cols, left, right, this.stride, 1);
  }

  /** Score less log-sum-exp of the rows from first to end, [row * stride]; -Infinity where a key is not visible. */
  exponents(first: number, end: number): Float64Array {
    const { head: { layer, lse }, shown, stride, size } = this;
    const rows = 2 * Math.ceil((end - first) / 2);
    const queries = gathered(layer.halfVectors("query").bits, size, shown.rows, first, end, rows, layer.header.scale ?? 1);
    const [from, to] = [this.visible(first)[0], this.visible(end - 1)[1]];
    const out = new Float64Array(rows * stride);
    if (from < to) multiply(out, queries, this.keys, size, stride, 4 * Math.floor(from / 4), to);
    for (let i = first; i < end; i++) this.finishRow(out.subarray((i - first) * stride, (i - first + 1) * stride), i, lse[shown.rows[i]!]!);
    return out.fill(-Infinity, (end - first) * stride);
  }

  private finishRow(row: Float64Array, i: number, lse: number): void {
    const { shown, left, width, head: { layer } } = this;
    const { softcap } = layer.header;
    const [from, to] = this.visible(i);
    row.fill(-Infinity, 0, Math.min(from, width));
    row.fill(-Infinity, Math.max(from, to));
    if (softcap != null) for (let j = from; j < to; j++) row[j] = softcap * Math.tanh(row[j]! / softcap);
    if (this.extra) for (let j = from; j < to; j++) row[j]! += this.extra(shown.rows[i]!, shown.cols[left + j]!);
    for (let j = from; j < to; j++) row[j]! -= lse;
  }

  /** The columns that a row's band has, from first to end, counted from the left one. */
  private visible(i: number): [number, number] {
    const { shown: { rows, cols }, left, right, width, head } = this;
    const { band } = head.layer.header;
    if (band == null) return [0, width];
    const [before, after, offset] = band;
    const at = rows[i]! + offset;
    const from = before === null ? left : firstAtLeast(cols, at - before, left, right);
    const to = after === null ? right : firstAtLeast(cols, at + after + 1, left, right);
    return [from - left, to - left];
  }
}

/** The first index whose value is no smaller. */
function firstAtLeast(values: Int32Array, least: number, from: number, to: number): number {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[middle]! < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The vectors of these positions, from first to end, as `room` rows of numbers times `scale`. */
function gathered(
  bits: Uint16Array, size: number, positions: Int32Array, first: number, end: number, room: number, scale: number,
): Float64Array {
  const values = halfValues();
  const out = new Float64Array(room * size);
  for (let i = first, to = 0; i < end; i++)
    for (let at = positions[i]! * size, stop = at + size; at < stop; at++) out[to++] = values[bits[at]!]! * scale;
  return out;
}

/** Products of all rows of q and those of k from first to end, two by four of them at a time: [row * stride]. */
function multiply(out: Float64Array, q: Float64Array, k: Float64Array, size: number, stride: number, first: number, end: number): void {
  for (let i = 0; i * stride < out.length; i += 2)
    for (let j = first; j < end; j += 4) {
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      const qa = i * size, qb = qa + size;
      const k0 = j * size, k1 = k0 + size, k2 = k1 + size, k3 = k2 + size;
      for (let d = 0; d < size; d++) {
        const a = q[qa + d]!, b = q[qb + d]!;
        const x0 = k[k0 + d]!, x1 = k[k1 + d]!, x2 = k[k2 + d]!, x3 = k[k3 + d]!;
        a0 += a * x0; a1 += a * x1; a2 += a * x2; a3 += a * x3;
        b0 += b * x0; b1 += b * x1; b2 += b * x2; b3 += b * x3;
      }
      const upper = i * stride + j, lower = upper + stride;
      out[upper] = a0; out[upper + 1] = a1; out[upper + 2] = a2; out[upper + 3] = a3;
      out[lower] = b0; out[lower + 1] = b1; out[lower + 2] = b2; out[lower + 3] = b3;
    }
}
