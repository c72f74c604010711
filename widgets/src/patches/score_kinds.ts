// The kinds of numbers that patches have, and the colour scales on which they are drawn.

import { formatNumber } from "../drawing/number_format";
import type { PatchColours, PatchMap } from "../drawing/overlay";
import { largestMagnitude } from "../protocol/weights";

/** Shares of attention; scores that only rank, drawn as shares of their own total; scores for and against. */
export type ScoreKind = "share" | "rank" | "signed";

const UNITS: Record<ScoreKind, string> = {
  share: "share of attention",
  rank: "share of the map’s total",
  signed: "logits against and for",
};

const COLOURS: Record<ScoreKind, PatchColours> = { share: "heat", rank: "unsigned", signed: "signed" };

/** A number for each patch. */
export interface PatchScores {
  values: Float32Array;
  kind: ScoreKind;
}

/** The ends of a colour scale, and what it is of. */
export interface ColourScale {
  low: string;
  high: string;
  unit: string;
  colours: PatchColours;
}

/** Every map as shares of the largest magnitude on its scale: one scale for each kind, or one for each map. */
export function scaledMaps(maps: Map<string, PatchScores>, shared: boolean): { maps: Map<string, PatchMap>; scales: ColourScale[] } {
  const drawn = new Map([...maps].map(([name, { values, kind }]) => [name, kind === "rank" ? sharesOfTotal(values) : values]));
  const tops = new Map<ScoreKind, number>();
  for (const [name, { kind }] of maps) tops.set(kind, Math.max(tops.get(kind) ?? 0, largestMagnitude(drawn.get(name)!)));
  return {
    maps: new Map([...maps].map(([name, { kind }]) => {
      const values = drawn.get(name)!;
      return [name, mapUpTo(values, shared ? tops.get(kind)! : largestMagnitude(values), kind)];
    })),
    scales: [...tops].map(([kind, top]) => scaleOf(kind, shared ? top : null)),
  };
}

/** Values as shares of `top`. */
export function mapUpTo(values: Float32Array, top: number, kind: ScoreKind = "share"): PatchMap {
  return { shares: values.map((value) => value / (top || 1)), colours: COLOURS[kind] };
}

/** The scale of a kind up to its largest magnitude; null for maps that each have a scale of their own. */
export function scaleOf(kind: ScoreKind, top: number | null): ColourScale {
  const signed = kind === "signed";
  const [unit, colours] = [UNITS[kind], COLOURS[kind]];
  if (top === null) return { low: signed ? "against" : "0", high: signed ? "for" : "most", unit, colours };
  const high = { share: formatNumber(top), rank: percent(top), signed: withSign(top) }[kind];
  return { low: signed ? withSign(-top) : "0", high, unit, colours };
}

/** One patch's number, in the unit of its kind. */
export function scoreText({ values, kind }: PatchScores, patch: number): string {
  const value = values[patch]!;
  return { share: formatNumber(value), rank: percent(sharesOfTotal(values)[patch]!), signed: withSign(value) }[kind];
}

/** The patch with the number of largest magnitude. */
export function strongestPatch({ values }: PatchScores): number {
  return values.reduce((best, value, n) => (Math.abs(value) > Math.abs(values[best]!) ? n : best), 0);
}

/** Shares of the sum of magnitudes. */
function sharesOfTotal(values: Float32Array): Float32Array {
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.map((value) => (total > 0 ? value / total : 0));
}

function percent(share: number): string {
  return `${formatNumber(100 * share)} %`;
}

function withSign(value: number): string {
  return `${value < 0 ? "−" : "+"}${formatNumber(Math.abs(value))}`;
}
