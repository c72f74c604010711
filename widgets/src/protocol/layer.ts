// One layer's attention in the browser: weights [head, query, key], decoded or computed from factors.

import { halvesAt, readHalves, readSingles } from "./float16";
import type { LayerHeader, PartHeader } from "./headers";

/** Where an array begins within the bytes, and its shape. */
interface LayerPart {
  start: number;
  shape: number[];
}

/** What is behind one score: both vectors, [d_head] each, the scale of their product, and the weight. */
export interface ScoreProduct {
  q: Float32Array;
  k: Float32Array;
  scale: number;
  weight: number;
}

/** How many heads' matrices are cached: as many as one compares at a time. */
const MOST_HEADS = 16;

export class Layer {
  readonly header: LayerHeader;
  private readonly bytes: DataView;
  private readonly parts = new Map<string, LayerPart>();
  private readonly heads = new Map<number, Float32Array>();

  constructor(header: LayerHeader, bytes: DataView) {
    this.header = header;
    this.bytes = bytes;
    let start = 0;
    for (const part of header.parts) {
      this.parts.set(part[0], { start, shape: part[2] });
      start += partSize(part);
    }
    if (start !== bytes.byteLength)
      throw new Error(`layer ${header.name}: ${bytes.byteLength} bytes arrived, ${start} were announced`);
  }

  /** Whether query and key vectors are here, not only the weights. */
  get factors(): boolean {
    return this.parts.has("query");
  }

  /** One head's weights, row by row: [query * key]. Cached, so do not write into it. */
  head(head: number): Float32Array {
    let weights = this.heads.get(head);
    if (weights === undefined) {
      weights = this.compute(head);
      if (this.heads.size >= MOST_HEADS) this.heads.delete(this.heads.keys().next().value!);
      this.heads.set(head, weights);
    }
    return weights;
  }

  /** The weights of one query in one head, [key], without computing the rest of the head. */
  row(head: number, query: number): Float32Array {
    const { keys } = this.header;
    const whole = this.heads.get(head) ?? (this.parts.has("windows") ? this.head(head) : undefined);
    if (whole) return whole.subarray(query * keys, (query + 1) * keys);
    if (this.parts.has("weights")) return this.halves("weights", (head * this.header.queries + query) * keys, keys);
    return this.softmax(this.scores(head, query, query + 1), head);
  }

  /** The vectors behind one score, and the weight that came of it. */
  product(head: number, query: number, key: number): ScoreProduct {
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

  /** The query or key vectors of a layer of one head as float16 bit patterns, [token * size]. */
  halfVectors(side: "query" | "key"): { bits: Uint16Array; size: number } {
    const { start, shape } = this.parts.get(side)!;
    return { bits: halvesAt(this.bytes, start, countOf(shape)), size: shape[2]! };
  }

  /** What bias and mask add to the scores of a layer of one head; null where it has neither. */
  extras(): ((query: number, key: number) => number) | null {
    const bias = this.parts.has("bias") ? this.singles("bias") : null;
    const hasMask = this.parts.has("mask");
    if (!bias && !hasMask) return null;
    const biasAt = bias && this.broadcast("bias", 0);
    const maskAt = hasMask ? this.broadcast("mask", 0) : null;
    return (query, key) => (maskAt && !this.bit(maskAt(query, key)) ? -Infinity : bias ? bias[biasAt!(query, key)]! : 0);
  }

  /** Whether bias and mask are the same for every query. */
  get extrasOfKeys(): boolean {
    return ["bias", "mask"].every((name) => (this.parts.get(name)?.shape[1] ?? 1) === 1);
  }

  private compute(head: number): Float32Array {
    const { queries, keys } = this.header;
    if (this.parts.has("weights")) return this.halves("weights", head * queries * keys, queries * keys);
    if (this.parts.has("windows")) return this.windows(head);
    return this.softmax(this.scores(head), head);
  }

  /** The weights within each window, laid along the diagonal. */
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
    this.addBias(out, head, first);
    this.applyBand(out, first);
    this.applyMask(out, head, first);
    return out;
  }

  /** Adds the bias, [head | 1, query | 1, key | 1], to one head's scores. */
  private addBias(out: Float32Array, head: number, first: number): void {
    if (!this.parts.has("bias")) return;
    const bias = this.singles("bias");
    const { keys } = this.header;
    const at = this.broadcast("bias", head);
    for (let n = 0; n < out.length; n++) out[n]! += bias[at(first + Math.floor(n / keys), n % keys)]!;
  }

  /** Sets scores outside the band to -Infinity. */
  private applyBand(out: Float32Array, first: number): void {
    const { keys, band } = this.header;
    if (band == null) return;
    const [before, after, offset] = band;
    for (let i = 0; i < out.length / keys; i++) {
      const low = before === null ? 0 : Math.max(0, first + i + offset - before);
      const high = after === null ? keys : Math.min(keys, first + i + offset + after + 1);
      out.fill(-Infinity, i * keys, i * keys + Math.min(low, keys));
      out.fill(-Infinity, i * keys + Math.max(high, 0), (i + 1) * keys);
    }
  }

  /** Sets masked scores to -Infinity. */
  private applyMask(out: Float32Array, head: number, first: number): void {
    if (!this.parts.has("mask")) return;
    const { keys } = this.header;
    const rows = out.length / keys;
    const at = this.broadcast("mask", head);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < keys; j++) if (!this.bit(at(first + i, j))) out[i * keys + j] = -Infinity;
  }

  /** Whether a bit of the mask is set. */
  private bit(n: number): boolean {
    return Boolean((this.bytes.getUint8(this.parts.get("mask")!.start + (n >> 3)) >> (n & 7)) & 1);
  }

  /** From a query and a key to an index into an array that may be broadcast along each axis. */
  private broadcast(name: string, head: number): (i: number, j: number) => number {
    const [h, q, k] = this.parts.get(name)!.shape as [number, number, number];
    const first = h > 1 ? head * q * k : 0;
    const [down, across] = [q > 1 ? k : 0, k > 1 ? 1 : 0];
    return (i, j) => first + i * down + j * across;
  }

  /** Scores to weights, in place. A sink is one more score in each row's sum; a row that is masked throughout stays 0. */
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
    return readHalves(this.bytes, this.parts.get(name)!.start + 2 * first, count);
  }

  private singles(name: string): Float32Array {
    const { start, shape } = this.parts.get(name)!;
    return readSingles(this.bytes, start / 4, countOf(shape));
  }
}

function countOf(shape: number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Bytes of a part; each begins at a multiple of four. */
function partSize([, dtype, shape]: PartHeader): number {
  const count = countOf(shape);
  const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);
  return Math.ceil(size / 4) * 4;
}
