// The kinds of numbers that patches have, and the scales on which they are drawn.

import { number } from "./label";
import type { Map2d } from "./overlay";
import type { Scale } from "./sheet";

/** Shares of attention; scores that only rank, whose shares of their own total are drawn; scores for and against. */
export type Kind = "share" | "rank" | "signed";

const WORDS: Record<Kind, string> = {
  share: "share of attention",
  rank: "share of the map’s total",
  signed: "logits against and for",
};

/** One map: a number for each patch. */
export interface Scores {
  values: Float32Array;
  kind: Kind;
}

/** Every map as shares of the strongest number of its scale, which is that of its kind, or its own. */
export function scaled(maps: Map<string, Scores>, shared: boolean): { maps: Map<string, Map2d>; scales: Scale[] } {
  const drawn = new Map([...maps].map(([name, { values, kind }]) => [name, kind === "rank" ? ofTotal(values) : values]));
  const tops = new Map<Kind, number>();
  for (const [name, { kind }] of maps) tops.set(kind, Math.max(tops.get(kind) ?? 0, most(drawn.get(name)!)));
  return {
    maps: new Map([...maps].map(([name, { kind }]) => {
      const values = drawn.get(name)!;
      return [name, upTo(values, shared ? tops.get(kind)! : most(values), kind === "signed")];
    })),
    scales: [...tops].map(([kind, top]) => scaleOf(kind, shared ? top : null)),
  };
}

export function upTo(values: Float32Array, top: number, signed = false): Map2d {
  return { shares: values.map((value) => value / (top || 1)), signed };
}

/** The scale of a kind up to its strongest number; without one, of maps that each have their own. */
export function scaleOf(kind: Kind, top: number | null): Scale {
  const signed = kind === "signed";
  if (top === null) return { low: signed ? "against" : "0", high: signed ? "for" : "most", words: WORDS[kind], signed };
  const high = { share: number(top), rank: percent(top), signed: signs(top) }[kind];
  return { low: signed ? signs(-top) : "0", high, words: WORDS[kind], signed };
}

/** One patch's number in words. */
export function said({ values, kind }: Scores, patch: number): string {
  const value = values[patch]!;
  return { share: number(value), rank: percent(ofTotal(values)[patch]!), signed: signs(value) }[kind];
}

/** The patch with the strongest number. */
export function strongest({ values }: Scores): number {
  return values.reduce((best, value, n) => (Math.abs(value) > Math.abs(values[best]!) ? n : best), 0);
}

export function most(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Shares of the total, which is taken without signs. */
function ofTotal(values: Float32Array): Float32Array {
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.map((value) => (total > 0 ? value / total : 0));
}

function percent(share: number): string {
  return `${number(100 * share)} %`;
}

function signs(value: number): string {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value))}`;
}
