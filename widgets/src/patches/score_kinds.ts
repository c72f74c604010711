// The kinds of numbers that patches have, and the colour scales on which they are drawn.

import { formatNumber, formatSigned } from "../drawing/number_format";
import type { PatchColours, PatchMap } from "../drawing/overlay";
import { largestMagnitude } from "../protocol/weights";

/** Shares of attention; scores that only rank, drawn as shares of their own total; scores for and against. */
export type ScoreKind = "share" | "rank" | "signed";

const UNITS: Record<ScoreKind, string> = {
  share: "share of attention",
  rank: "share of the map’s total",
  signed: "logits against and for",
};

/** The strongest colour of attention stands for at least this many times the weight of even attention. */
const EVEN = 2;

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

/** Maps as shares of the strongest colour, and their scales: of each kind where they are shared, else of each map. */
export interface ScaledMaps {
  maps: Map<string, PatchMap>;
  shared: ColourScale[];
  own: Map<string, ColourScale>;
}

/** Every map as shares of the strongest colour on its scale: one scale for each kind, or one for each map; `leading` tokens stand before the patches. */
export function scaledMaps(maps: Map<string, PatchScores>, shared: boolean, leading = 0): ScaledMaps {
  const drawn = new Map([...maps].map(([name, { values, kind }]) => [name, kind === "rank" ? sharesOfTotal(values) : values]));
  const topOf = (name: string) => strongest(drawn.get(name)!, maps.get(name)!.kind, leading);
  const uniform = 1 / (leading + Math.max(0, ...[...drawn.values()].map(({ length }) => length)));
  const tops = new Map<ScoreKind, number>();
  for (const [name, { kind }] of maps) tops.set(kind, Math.max(tops.get(kind) ?? 0, topOf(name)));
  return {
    maps: new Map([...maps].map(([name, { kind }]) => {
      const values = drawn.get(name)!;
      return [name, mapUpTo(values, shared ? tops.get(kind)! : topOf(name), kind)];
    })),
    shared: shared ? [...tops].map(([kind, top]) => scaleOf(kind, top, uniform)) : [],
    own: new Map(shared ? [] : [...maps].map(([name, { kind }]) => [name, scaleOf(kind, topOf(name), uniform)])),
  };
}

/** The number of the strongest colour: the largest magnitude; of attention never less than twice uniform attention, so that that is not bright. */
export function strongest(values: Float32Array, kind: ScoreKind, leading = 0): number {
  return Math.max(largestMagnitude(values), kind === "share" ? Math.min(1, EVEN * (1 / (values.length + leading))) : 0);
}

/** Values as shares of `top`. */
export function mapUpTo(values: Float32Array, top: number, kind: ScoreKind = "share"): PatchMap {
  return { shares: values.map((value) => value / (top || 1)), colours: COLOURS[kind] };
}

/** The scale of a kind up to `top`; `uniform` is the share of each position where all have the same. */
export function scaleOf(kind: ScoreKind, top: number, uniform = 0): ColourScale {
  const signed = kind === "signed";
  const [unit, colours] = [UNITS[kind], COLOURS[kind]];
  const high = { share: `${formatNumber(top)}${uniform && top === EVEN * uniform ? " (2 × uniform)" : ""}`, rank: percent(top), signed: formatSigned(top) }[kind];
  return { low: signed ? formatSigned(-top) : "0", high, unit, colours };
}

/** One patch's number, in the unit of its kind. */
export function scoreText({ values, kind }: PatchScores, patch: number): string {
  const value = values[patch]!;
  return { share: formatNumber(value), rank: percent(sharesOfTotal(values)[patch]!), signed: formatSigned(value) }[kind];
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
  return `${formatNumber(100 * share)}%`;
}
