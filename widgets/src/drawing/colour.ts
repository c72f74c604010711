// Colour maps that colour-blind readers can tell apart, in light and dark, and the scales of weights and scores.

import { rgb } from "d3-color";
import { interpolateRgbBasis } from "d3-interpolate";
import { INKS, stopsOf, type ColourMap } from "./palette";

/** From a share of the strongest colour to a colour. */
export type Ramp = (share: number) => string;

/** A colour map of the palette over 0 to 1. */
function ramp(map: ColourMap, dark: boolean): Ramp {
  return interpolateRgbBasis(stopsOf(map, dark));
}

/** Attention from 0 to 1: seaborn's "mako", as the figures in Python, from background to ink. */
export const attentionRamp = (dark: boolean): Ramp => ramp("attention", dark);

/** Shares of attention over an image, from 0 to 1: dark to light, as the figures in Python. */
export const heatRamp = (dark: boolean): Ramp => ramp("heat", dark);

/** Scores that only rank, from 0 to 1: no colour that supports or opposes. */
export const unsignedRamp = (dark: boolean): Ramp => ramp("unsigned", dark);

/** Scores from -1 to 1: red against, blue for. */
export const signedRamp = (dark: boolean): Ramp => {
  const whole = ramp("signed", dark);
  return (share) => whole((share + 1) / 2);
};

/** 256 colours of a ramp as RGBA, for pictures made pixel by pixel. */
export function rampTable(ramp: Ramp): Uint8ClampedArray {
  const out = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const { r, g, b } = rgb(ramp(i / 255));
    out.set([r, g, b, 255], 4 * i);
  }
  return out;
}

/** Whether white has a higher contrast on this colour than black (WCAG); the higher of both is at least 4.5 : 1. */
export function needsWhite(colour: string): boolean {
  const { r, g, b } = rgb(colour);
  const linear = (part: number) => (part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) < 0.179;
}

/** The ink that is legible on a colour. */
export function inkOn(colour: string): string {
  return needsWhite(colour) ? INKS.on_dark : INKS.on_light;
}

/** The smallest weight that a logarithmic scale distinguishes from zero. */
export const LOG_FLOOR = 1e-4;

/** From a weight to its share of the strongest colour, 0 to 1. */
export function intensityScale(most: number, log: boolean): (weight: number) => number {
  const top = most > 0 ? most : 1;
  if (!log) return (weight) => Math.min(1, weight / top);
  const low = Math.log(Math.min(LOG_FLOOR, top / 10));
  const range = Math.log(top) - low;
  return (weight) => (weight <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(weight) - low) / range)));
}

/** The weight whose share of the strongest colour that is. */
export function weightAt(share: number, top: number, log: boolean): number {
  return log ? Math.min(LOG_FLOOR, top / 10) ** (1 - share) * top ** share : share * top;
}

/** How the weights of a matrix are coloured. */
export interface WeightColours {
  /** Equal names, equal colours. */
  name: string;
  /** Over shares from 0 to 1. */
  ramp: Ramp;
  /** From a weight to its share; where weights have a sign, zero is in the middle. */
  share(weight: number): number;
  /** Weights of smaller magnitude are drawn as zero. */
  threshold: number;
  /** The weight of the strongest colour. */
  top: number;
  log: boolean;
  signed: boolean;
}

/** Colours of weights up to `top`; a ramp over signed weights runs from -1 to 1. */
export function weightColours(options: { ramp: Ramp; log: boolean; threshold: number; signed: boolean }, top: number): WeightColours {
  const { log, threshold, signed } = options;
  const magnitude = intensityScale(top, log);
  const share = signed ? (weight: number) => (1 + Math.sign(weight) * magnitude(Math.abs(weight))) / 2 : magnitude;
  const ramp: Ramp = signed ? (share) => options.ramp(2 * share - 1) : options.ramp;
  return { name: [log, threshold, top, ramp(0), ramp(1)].join(), ramp, share, threshold, top, log, signed };
}
