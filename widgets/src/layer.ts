// One layer's attention in the browser: weights [head, query, key], decoded or computed from factors.

import { floats, halves } from "./half";
import type { LayerHeader } from "./model";

type Part = { start: number; shape: number[] };

/** How many heads' matrices are kept: as many as one compares at a time. */
const KEPT = 16;

export class Layer {
  readonly header: LayerHeader;
  private readonly bytes: DataView;
  private readonly parts = new Map<string, Part>();
  private readonly made = new Map<number, Float32Array>();

  constructor(header: LayerHeader, bytes: DataView) {
    this.header = header;
    this.bytes = bytes;
    let start = 0;
    for (const [name, dtype, shape] of header.parts) {
      this.parts.set(name, { start, shape });
      const count = shape.reduce((a, b) => a * b, 1);
      const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);
      start += Math.ceil(size / 4) * 4;
    }
    if (start !== bytes.byteLength)
      throw new Error(`layer ${header.name}: ${bytes.byteLength} bytes came where ${start} were announced`);
  }

  /** Whether query and key are here, not only what came of them. */
  get factors(): boolean {
    return this.parts.has("query");
  }

  /** One head's weights, row by row: [query * key]. Kept, so do not write into it. */
  head(head: number): Float32Array {
    let found = this.made.get(head);
    if (found === undefined) {
      found = this.compute(head);
      if (this.made.size >= KEPT) this.made.delete(this.made.keys().next().value!);
      this.made.set(head, found);
    }
    return found;
  }

  /** What one query gives in one head, [key], without the rest of the head. */
  row(head: number, query: number): Float32Array {
    const { keys } = this.header;
    const whole = this.made.get(head) ?? (this.parts.has("windows") ? this.head(head) : undefined);
    if (whole) return whole.subarray(query * keys, (query + 1) * keys);
    if (this.parts.has("weights")) return this.halves("weights", (head * this.header.queries + query) * keys, keys);
    return this.softmax(this.scores(head, query, query + 1), head);
  }

  /** What is behind one score: both vectors, [d_head] each, what their product is multiplied with, and the weight. */
  product(head: number, query: number, key: number): { q: Float32Array; k: Float32Array; scale: number; weight: number } {
    const vector = (side: "query" | "key", position: number) => {
      const { values, size } = this.vectors(side, head);
      return values.slice(position * size, (position + 1) * size);
    };
    const { scale = 1 } = this.header;
    return { q: vector("query", query), k: vector("key", key), scale, weight: this.row(head, query)[key]! };
  }

  /** A head's query or key vectors, [token * d_head]; grouped queries share their keys. */
  vectors(side: "query" | "key", head: number): { values: Float32Array; size: number } {
    const { shape } = this.parts.get(side)!;
    const [count, tokens, size] = shape as [number, number, number];
    const index = Math.floor((head * count) / this.header.heads);
    return { values: this.halves(side, index * tokens * size, tokens * size), size };
  }

  private compute(head: number): Float32Array {
    const { queries, keys } = this.header;
    if (this.parts.has("weights")) return this.halves("weights", head * queries * keys, queries * keys);
    if (this.parts.has("windows")) return this.windows(head);
    return this.softmax(this.scores(head), head);
  }

  /** What each window gives to itself, laid along the diagonal. */
  private windows(head: number): Float32Array {
    const { queries, keys } = this.header;
    const [count, heads, high, wide] = this.parts.get("windows")!.shape as [number, number, number, number];
    const out = new Float32Array(queries * keys);
    for (let window = 0; window < count; window++) {
      const part = this.halves("windows", (window * heads + head) * high * wide, high * wide);
      for (let row = 0; row < high; row++)
        out.set(part.subarray(row * wide, (row + 1) * wide), (window * high + row) * keys + window * wide);
    }
    return out;
  }

  /** query @ key.T * scale, capped, biased and masked, of the queries from first to end. */
  private scores(head: number, first = 0, end = this.header.queries): Float32Array {
    const { keys, scale = 1, softcap } = this.header;
    const { values: q, size } = this.vectors("query", head);
    const { values: k } = this.vectors("key", head);
    const out = new Float32Array((end - first) * keys);
    const row = new Float32Array(size);
    for (let i = first; i < end; i++) {
      for (let d = 0; d < size; d++) row[d] = q[i * size + d]! * scale;
      for (let j = 0; j < keys; j++) {
        let sum = 0;
        for (let d = 0, at = j * size; d < size; d++, at++) sum += row[d]! * k[at]!;
        out[(i - first) * keys + j] = sum;
      }
    }
    if (softcap != null) for (let n = 0; n < out.length; n++) out[n] = softcap * Math.tanh(out[n]! / softcap);
    this.add(out, "bias", head, first, this.parts.has("bias") ? this.singles("bias") : undefined);
    this.hide(out, head, first);
    return out;
  }

  /** Adds a [head | 1, query | 1, key | 1] array to one head's scores. */
  private add(out: Float32Array, name: string, head: number, first: number, given: Float32Array | undefined): void {
    if (given === undefined) return;
    const { keys } = this.header;
    const at = this.broadcast(name, head);
    for (let n = 0; n < out.length; n++) out[n]! += given[at(first + Math.floor(n / keys), n % keys)]!;
  }

  /** Puts -Infinity where a rule or a mask says that a query may not look. */
  private hide(out: Float32Array, head: number, first: number): void {
    const { keys, band } = this.header;
    const rows = out.length / keys;
    if (band != null) {
      const [before, after, offset] = band;
      for (let i = 0; i < rows; i++) {
        const low = before === null ? 0 : Math.max(0, first + i + offset - before);
        const high = after === null ? keys : Math.min(keys, first + i + offset + after + 1);
        out.fill(-Infinity, i * keys, i * keys + Math.min(low, keys));
        out.fill(-Infinity, i * keys + Math.max(high, 0), (i + 1) * keys);
      }
    }
    if (!this.parts.has("mask")) return;
    const { start } = this.parts.get("mask")!;
    const at = this.broadcast("mask", head);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < keys; j++) {
        const bit = at(first + i, j);
        if (!((this.bytes.getUint8(start + (bit >> 3)) >> (bit & 7)) & 1)) out[i * keys + j] = -Infinity;
      }
  }

  private broadcast(name: string, head: number): (i: number, j: number) => number {
    const [h, q, k] = this.parts.get(name)!.shape as [number, number, number];
    const first = h > 1 ? head * q * k : 0;
    const [down, across] = [q > 1 ? k : 0, k > 1 ? 1 : 0];
    return (i, j) => first + i * down + j * across;
  }

  /** Scores to weights, in place; a sink is one more score that takes mass; a row that sees nothing stays 0. */
  private softmax(scores: Float32Array, head: number): Float32Array {
    const { keys } = this.header;
    const sink = this.parts.has("sink") ? this.singles("sink")[head]! : -Infinity;
    for (let i = 0; i < scores.length / keys; i++) {
      const row = scores.subarray(i * keys, (i + 1) * keys);
      let most = sink;
      for (let j = 0; j < keys; j++) if (row[j]! > most) most = row[j]!;
      if (most === -Infinity) {
        row.fill(0);
        continue;
      }
      let sum = Math.exp(sink - most);
      for (let j = 0; j < keys; j++) sum += row[j] = Math.exp(row[j]! - most);
      for (let j = 0; j < keys; j++) row[j]! /= sum;
    }
    return scores;
  }

  private halves(name: string, first: number, count: number): Float32Array {
    return floats(halves(this.bytes, this.parts.get(name)!.start + 2 * first, count));
  }

  private singles(name: string): Float32Array {
    const { start, shape } = this.parts.get(name)!;
    const count = shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length: count }, (_, i) => this.bytes.getFloat32(start + 4 * i, true));
  }
}

/** The mean of several heads, [query * key]. */
export function mean(matrices: Float32Array[]): Float32Array {
  if (matrices.length === 1) return matrices[0]!;
  const out = new Float32Array(matrices[0]!.length);
  for (const matrix of matrices) for (let n = 0; n < out.length; n++) out[n]! += matrix[n]! / matrices.length;
  return out;
}

/** Chosen rows and columns of a matrix. */
export function picked(matrix: Float32Array, keys: number, rows: number[], cols: number[]): Float32Array {
  const out = new Float32Array(rows.length * cols.length);
  rows.forEach((row, i) => cols.forEach((col, j) => (out[i * cols.length + j] = matrix[row * keys + col]!)));
  return out;
}
