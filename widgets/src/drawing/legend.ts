// What the colours of a matrix stand for: a vertical bar with numbers beside it.

import type { WeightColours } from "./colour";
import { formatTick } from "./number_format";

/** Pixels of the bar at most, and of the bands that it has in SVG. */
const LONGEST = 160;
const BANDS = 32;
const LETTERS_APART = 11;

export interface LegendTick {
  /** Pixels from the top of the bar. */
  y: number;
  text: string;
}

export interface LegendStyle {
  ink: string;
  muted: string;
  /** What the colours measure, in words that need no escaping. */
  name: string;
}

/** Numbers beside a bar of that length, as far as they keep apart. */
export function legendTicks({ top, log, signed, share }: WeightColours, length: number): LegendTick[] {
  const logarithmic = [top, 0.1, 0.01, 0.001].filter((weight) => weight <= top);
  const weights = signed ? [top, 0, -top] : log ? logarithmic : [top, top / 2, 0];
  const out: LegendTick[] = [];
  for (const weight of weights) {
    const y = (1 - share(weight)) * (length - 1);
    if (y - (out.at(-1)?.y ?? -Infinity) > LETTERS_APART) out.push({ y, text: formatTick(weight) });
  }
  return out;
}

/** Paints the legend with its upper left corner at x and y, `room` pixels high at most. */
export function paintLegend(
  context: CanvasRenderingContext2D, colours: WeightColours, x: number, y: number, room: number, { ink, name, muted }: LegendStyle,
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
  const ticks = legendTicks(colours, length);
  for (const tick of ticks) context.fillText(tick.text, x + 17, y + tick.y);
  if (!hasName(length, name)) return;
  context.save();
  context.translate(x + nameOffset(ticks), y + length / 2);
  context.rotate(Math.PI / 2);
  context.fillStyle = muted;
  context.textAlign = "center";
  context.fillText(name, 0, 0);
  context.restore();
}

/** Pixels of a letter of the legend. */
const LETTER = 6.2;

/** Whether a bar of that length has room for the name of what it measures, beside it. */
function hasName(length: number, name: string): boolean {
  return name !== "" && length >= LETTER * name.length;
}

/** Pixels from the left of the bar to the middle of its name. */
function nameOffset(ticks: LegendTick[]): number {
  return 17 + 6 * Math.max(...ticks.map(({ text }) => text.length)) + 8;
}

/** The same as elements of SVG. */
export function legendSvg(colours: WeightColours, x: number, y: number, room: number, { name, muted }: LegendStyle): string {
  const length = Math.min(room, LONGEST);
  const high = length / BANDS;
  const bands = Array.from({ length: BANDS }, (_, n) =>
    `<rect x="${x}" y="${y + n * high}" width="12" height="${high + 0.3}" fill="${colours.ramp(1 - n / (BANDS - 1))}"/>`);
  const ticks = legendTicks(colours, length);
  const texts = ticks.map((tick) => `<text x="${x + 17}" y="${y + tick.y}" dominant-baseline="middle">${tick.text}</text>`);
  const title = `<text transform="translate(${x + nameOffset(ticks)} ${y + length / 2}) rotate(90)" dominant-baseline="middle" text-anchor="middle" font-family="sans-serif" fill="${muted}">${name}</text>`;
  return [...bands, ...texts, ...(hasName(length, name) ? [title] : [])].join("");
}
