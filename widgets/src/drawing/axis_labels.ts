// The tokens along the sides of a matrix: as many labels as there is room for.

import type { Tokens } from "../protocol/headers";
import { lettersWide, tokenLabel } from "./token_label";

/** Pixels that a label takes along its axis. */
const LABEL_HEIGHT = 12;
/** Of a label's letter. */
export const LETTER_WIDTH = 6.7;
const MOST_LETTERS = 15;

/** Tokens beyond which labels get all the room there is. */
const MANY = 1024;

/** Pixels that the longest label of these tokens takes. */
export function labelRoom(tokens: string[]): number {
  const letters = tokens.length > MANY ? [MOST_LETTERS] : tokens.map((text) => lettersWide(tokenLabel(text, MOST_LETTERS)));
  return LETTER_WIDTH * Math.min(MOST_LETTERS, Math.max(0, ...letters));
}

/** One side of a matrix: its positions, the part in sight, and the marked cell (-1 for none). */
export interface AxisSide {
  tokens: Tokens;
  positions: number[];
  /** The first cell in sight, possibly a fraction. */
  start: number;
  /** Pixels of a cell, and of all cells in sight. */
  cell: number;
  size: number;
  marked: number;
  /** Pixels that a label may be wide. */
  room: number;
}

export interface AxisLabel {
  /** Pixels from the first cell in sight to the middle of the label. */
  offset: number;
  text: string;
  special: boolean;
  marked: boolean;
}

/** Labels of the tokens in sight, at equal steps; the marked one always, its neighbours only where they keep apart. */
export function axisLabels({ tokens, positions, start, cell, size, marked, room }: AxisSide): AxisLabel[] {
  const step = Math.max(1, Math.ceil(LABEL_HEIGHT / cell));
  const special = new Set(tokens.special);
  const letters = Math.min(MOST_LETTERS, Math.floor(room / LETTER_WIDTH));
  const out: AxisLabel[] = [];
  const add = (n: number) => {
    const offset = (n - start + 0.5) * cell;
    if (n >= positions.length || offset < 0 || offset > size) return;
    const position = positions[n]!;
    out.push({ offset, text: tokenLabel(tokens.text[position]!, letters), special: special.has(position), marked: n === marked });
  };
  for (let n = Math.max(0, Math.ceil((start - 0.5) / step)) * step; n <= start + size / cell; n += step)
    if (marked < 0 || Math.abs(n - marked) >= step) add(n);
  if (marked >= 0) add(marked);
  return out;
}
