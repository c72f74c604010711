// What the colours of a matrix stand for: a vertical bar with numbers beside it.

import type { WeightColours } from "./colour";
import { formatNumber } from "./number_format";

/** Pixels of the bar at most, and of the bands that it has in SVG. */
const LONGEST = 160;
const BANDS = 32;
const LETTERS_APART = 11;

export interface LegendTick {
  /** Pixels from the top of the bar. */
  y: number;
  text: string;
}

/** Numbers beside a bar of that length, as far as they keep apart. */
export function legendTicks({ top, log, signed, share }: WeightColours, length: number): LegendTick[] {
  const logarithmic = [top, 0.1, 0.01, 0.001].filter((weight) => weight <= top);
  const weights = signed ? [top, 0, -top] : log ? logarithmic : [top, top / 2, 0];
  const out: LegendTick[] = [];
  for (const weight of weights) {
    const y = (1 - share(weight)) * (length - 1);
    if (y - (out.at(-1)?.y ?? -Infinity) > LETTERS_APART) out.push({ y, text: formatNumber(weight) });
  }
  return out;
}

/** Paints the legend with its upper left corner at x and y, `room` pixels high at most. */
export function paintLegend(
  context: CanvasRenderingContext2D, colours: WeightColours, x: number, y: number, room: number, ink: string,
): void {
  const length = Math.min(room, LONGEST);
  for (let line = 0; line < length; line++) {
    context.fillStyle = colours.ramp(1 - line / (length - 1));
    context.fillRect(x, y + line, 12, 1.5);
  }
  context.fillStyle = ink;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const tick of legendTicks(colours, length)) context.fillText(tick.text, x + 17, y + tick.y);
}

/** The same as elements of SVG. */
export function legendSvg(colours: WeightColours, x: number, y: number, room: number): string {
  const length = Math.min(room, LONGEST);
  const high = length / BANDS;
  const bands = Array.from({ length: BANDS }, (_, n) =>
    `<rect x="${x}" y="${y + n * high}" width="12" height="${high + 0.3}" fill="${colours.ramp(1 - n / (BANDS - 1))}"/>`);
  const texts = legendTicks(colours, length).map((tick) =>
    `<text x="${x + 17}" y="${y + tick.y}" dominant-baseline="middle">${tick.text}</text>`);
  return [...bands, ...texts].join("");
}
