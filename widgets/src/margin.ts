// What stands around a matrix: the tokens along its sides, and what its colours stand for.

import { type Tokens } from "./protocol/headers";
import { label, number } from "./label";
import type { Ramp } from "./colour";

/** Cells of fewer pixels are too small for a label each. */
const LEGIBLE = 12;
const LETTER = 6.7;
const MOST_LETTERS = 15;
/** Pixels of the legend at most. */
const LEGEND = 160;
const SHADES = 32;

/** One side of a matrix: which positions stand along it, what is in sight, and which cell is marked (-1 for none). */
export interface Side {
  tokens: Tokens;
  places: number[];
  start: number;
  cell: number;
  size: number;
  marked: number;
  /** Pixels that a label may take. */
  room: number;
}

export interface Tick {
  /** Pixels from the first cell in sight. */
  at: number;
  text: string;
  special: boolean;
  marked: boolean;
}

/** Labels of the tokens in sight, as many as there is room for; the marked one always. */
export function ticks({ tokens, places, start, cell, size, marked, room }: Side): Tick[] {
  const step = Math.max(1, Math.ceil(LEGIBLE / cell));
  const special = new Set(tokens.special);
  const letters = Math.min(MOST_LETTERS, Math.floor(room / LETTER));
  const out: Tick[] = [];
  const add = (n: number) => {
    const at = (n - start + 0.5) * cell;
    if (n >= places.length || at < 0 || at > size) return;
    out.push({ at, text: label(tokens.text[places[n]!]!, letters), special: special.has(places[n]!), marked: n === marked });
  };
  for (let n = Math.max(0, Math.ceil((start - 0.5) / step)) * step; n <= start + size / cell; n += step)
    if (marked < 0 || Math.abs(n - marked) >= step) add(n);
  if (marked >= 0) add(marked);
  return out;
}

/** What colours stand for: a ramp from 0 to 1, where on it a weight is, and the strongest. */
export interface Legend {
  ramp: Ramp;
  share(weight: number): number;
  top: number;
  log: boolean;
  signed: boolean;
}

/** Numbers beside a legend of that length, as far as they keep apart. */
function marks({ top, log, signed, share }: Legend, length: number): { y: number; said: string }[] {
  const weights = signed ? [top, 0, -top] : log ? [top, 0.1, 0.01, 0.001].filter((weight) => weight <= top) : [top, top / 2, 0];
  const out: { y: number; said: string }[] = [];
  for (const weight of weights) {
    const y = (1 - share(weight)) * (length - 1);
    if (y - (out.at(-1)?.y ?? -Infinity) > 11) out.push({ y, said: number(weight) });
  }
  return out;
}

export function drawLegend(context: CanvasRenderingContext2D, legend: Legend, x: number, top: number, most: number, ink: string): void {
  const length = Math.min(most, LEGEND);
  for (let y = 0; y < length; y++) {
    context.fillStyle = legend.ramp(1 - y / (length - 1));
    context.fillRect(x, top + y, 12, 1.5);
  }
  context.fillStyle = ink;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { y, said } of marks(legend, length)) context.fillText(said, x + 17, top + y);
}

export function legendSvg(legend: Legend, x: number, top: number, most: number): string {
  const length = Math.min(most, LEGEND);
  const high = length / SHADES;
  const shades = Array.from({ length: SHADES }, (_, n) =>
    `<rect x="${x}" y="${top + n * high}" width="12" height="${high + 0.3}" fill="${legend.ramp(1 - n / (SHADES - 1))}"/>`);
  const said = marks(legend, length).map(({ y, said }) => `<text x="${x + 17}" y="${top + y}" dominant-baseline="middle">${said}</text>`);
  return [...shades, ...said].join("");
}
