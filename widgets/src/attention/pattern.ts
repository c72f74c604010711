// What a head does, in a sentence: which token most queries attend to, or which neighbour.

import { formatNumber, formatPercent } from "../drawing/number_format";
import { quoted } from "../drawing/titles";
import type { Tokens } from "../protocol/headers";
import type { Axis } from "../protocol/trace_source";

/** Weights [rows * cols] among the shown positions, and their tokens. */
export interface PatternWeights {
  weights: Float32Array;
  rows: number[];
  cols: number[];
  tokens: Record<Axis, Tokens>;
  /** Whether queries and keys are the same tokens, so that a key has an offset from its query. */
  same: boolean;
  /** Of an image: patches in a row, and tokens before the first patch. */
  patches?: { cols: number; leading: number } | null;
}

/** Below this share of the queries, no target is named. */
const LEAST = 0.34;
/** Of many distances one is frequent by chance: below these, as a share and in queries, only neighbours are named. */
const [LEAST_FAR, FEWEST_FAR] = [0.5, 3];

/** A sentence about the largest weight of each query; "" where no query attends to anything. */
export function describePattern(pattern: PatternWeights): string {
  const { rows, cols, tokens, weights } = pattern;
  const targets = largestOfEachRow(weights, rows.length, cols.length);
  const attending = targets.filter((col) => col >= 0).length;
  if (attending === 0) return "";
  if (rows.length === 1) return `its one query attends most to ${quoted(tokens.key, cols[targets[0]!]!)}, ${formatNumber(weights[targets[0]!]!)}`;
  const [col, count] = mostFrequent(targets.filter((target) => target >= 0));
  const steps = targets.map((target, n) => (target < 0 ? "" : stepInWords(rows[n]!, cols[target]!, pattern.patches ?? null)));
  const [step, near] = pattern.same ? tellingStep(steps.filter(Boolean), Math.max(FEWEST_FAR, LEAST_FAR * attending)) : ["", 0];
  const most = Math.max(count, near);
  if (most < LEAST * attending) return `attention is spread; ${describeLargest(pattern)}`;
  const share = `${most} of ${attending} ${pattern.patches ? "positions" : "tokens"} attend most to`;
  return near > count ? `${share} ${step}` : `${share} ${quoted(tokens.key, cols[col!]!)}, ${describeReceived(pattern, col!)}`;
}

/** The most frequent step and how often it occurs; one farther than a neighbour has to occur `far` times. */
function tellingStep(steps: string[], far: number): [step: string | undefined, count: number] {
  const isFar = (step = "") => /\d/.test(step);
  const [step, count] = mostFrequent(steps);
  return isFar(step) && count < far ? mostFrequent(steps.filter((one) => !isFar(one))) : [step, count];
}

/** Where a key is from its query; "" from a patch to a token that is none, and the other way. */
function stepInWords(query: number, key: number, patches: PatternWeights["patches"]): string {
  if (query === key) return "themselves";
  if (!patches) return `the token ${side(key - query, "before", "after")} them`;
  const { cols, leading } = patches;
  if (Math.min(query, key) < leading) return "";
  const [from, to] = [query - leading, key - leading];
  const down = side(Math.floor(to / cols) - Math.floor(from / cols), "above", "below");
  const across = side((to % cols) - (from % cols), "left of", "right of");
  return `the patch ${[down, across].filter(Boolean).join(" and ")} them`;
}

/** A step of any size to either side: "before", "2 after"; "" for none. */
function side(step: number, back: string, on: string): string {
  return step === 0 ? "" : `${Math.abs(step) > 1 ? `${Math.abs(step)} ` : ""}${step < 0 ? back : on}`;
}

function describeReceived({ weights, rows, cols }: PatternWeights, col: number): string {
  let received = 0;
  rows.forEach((_, n) => (received += weights[n * cols.length + col]!));
  return `which receives ${formatPercent(received / rows.length)} of the attention`;
}

function describeLargest({ weights, rows, cols, tokens }: PatternWeights): string {
  const at = weights.reduce((best, weight, n) => (weight > weights[best]! ? n : best), 0);
  const [row, col] = [Math.floor(at / cols.length), at % cols.length];
  return `its largest weight is ${quoted(tokens.query, rows[row]!)} → ${quoted(tokens.key, cols[col]!)} ${formatNumber(weights[at]!)}`;
}

/** The column of each row's largest weight; -1 for a row of zeros. */
function largestOfEachRow(weights: Float32Array, rows: number, cols: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let best = -1;
    for (let col = 0; col < cols; col++)
      if (weights[row * cols + col]! > (best < 0 ? 0 : weights[row * cols + best]!)) best = col;
    return best;
  });
}

/** The most frequent value and how often it occurs. */
function mostFrequent<T>(values: T[]): [value: T | undefined, count: number] {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [undefined as T | undefined, 0]);
}
