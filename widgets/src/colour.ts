// Colours that colour-blind readers tell apart, in light and dark, and the scales that weights and scores take.

import { hcl, rgb } from "d3-color";
import { interpolateRgbBasis } from "d3-interpolate";

/** seaborn's "mako", which the figures in Python use, from paper to ink. */
const MAKO = ["#b2e4c2", "#79d6ae", "#4bc2ad", "#38aaac", "#3492a8", "#357ba3", "#38629d", "#40498e", "#3e356b", "#332345", "#211423"];
/** seaborn's "RdBu": red against, blue for. */
const AGAINST_FOR = ["#a51429", "#c94741", "#e58368", "#f7b799", "#fcdfcf", "#f6f7f7", "#d7e8f1", "#a7d0e4", "#68abd0", "#3783bb", "#1c5c9f"];
const AGAINST_FOR_DARK = ["#ff9b8a", "#f0705f", "#c94741", "#8f2f35", "#4a2227", "#1b1f27", "#17324c", "#1f558a", "#2f7fc0", "#5aa9e0", "#9ad0f5"];

export type Ramp = (share: number) => string;

export const sequential = (dark: boolean): Ramp =>
  interpolateRgbBasis(dark ? ["#15181e", "#211d2e", ...MAKO.slice(0, 9).reverse(), "#e9f8e4"] : ["#ffffff", "#def5e5", ...MAKO]);

/** -1 is against, 0 neither, 1 for. */
export const diverging = (dark: boolean): Ramp => {
  const ramp = interpolateRgbBasis(dark ? AGAINST_FOR_DARK : AGAINST_FOR);
  return (share) => ramp((share + 1) / 2);
};

/** A head's colour: hues by the golden angle, so that neighbours differ however many there are; lightness alternates. */
export function headColour(head: number, dark: boolean): string {
  const light = dark ? 72 - 10 * (head % 2) : 44 + 12 * (head % 2);
  return hcl((250 + head * 137.508) % 360, 58, light).formatRgb();
}

/** 256 colours of a ramp as RGBA, for pictures made pixel by pixel. */
export function table(ramp: Ramp): Uint8ClampedArray {
  const out = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const { r, g, b } = rgb(ramp(i / 255));
    out.set([r, g, b, 255], 4 * i);
  }
  return out;
}

/** Whether white reads better than black on this colour, by their contrast (WCAG): the better one has 4.5 : 1 or more. */
export function needsWhite(colour: string): boolean {
  const { r, g, b } = rgb(colour);
  const linear = (part: number) => (part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) < 0.179;
}

/** Smallest weight that a logarithmic scale tells from nothing. */
export const LOG_FLOOR = 1e-4;

/** From a weight to its share of the strongest colour, 0 to 1. */
export function scale(most: number, log: boolean): (weight: number) => number {
  const top = most > 0 ? most : 1;
  if (!log) return (weight) => Math.min(1, weight / top);
  const low = Math.log(Math.min(LOG_FLOOR, top / 10));
  const range = Math.log(top) - low;
  return (weight) => (weight <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(weight) - low) / range)));
}
