// Attention as lines between tokens: which lines there are, and how strong.

import type { Tokens } from "../protocol/headers";
import type { Axis } from "../protocol/trace_source";
import { intensityScale, LOG_FLOOR } from "./colour";
import type { CellRange } from "./viewport";

/** A token that is shown alone, and its weights on the other side's tokens, of each colour. */
export interface LoneToken {
  axis: Axis;
  position: number;
  weights: Float32Array[];
}

export interface LinesDrawing {
  queries: Tokens;
  keys: Tokens;
  /** The positions that are shown, on the left and on the right. */
  rows: number[];
  cols: number[];
  colours: string[];
  /** The weights [rows * cols] of each colour; null where they are not in the browser. */
  matrices: Float32Array[] | null;
  alone: LoneToken | null;
  selected: { query: number | null; key: number | null };
  /** Lines of smaller weight are omitted. */
  threshold: number;
  log: boolean;
  ink: string;
}

/** One line, from a place on the left to one on the right. */
export interface LineSegment {
  from: number;
  to: number;
  /** Index into the colours. */
  colour: number;
  weight: number;
}

/** Smaller weights are too faint to be seen. */
const FAINTEST = 0.01;

/** From a weight to the opacity of its line; the largest possible weight is 1. */
export function lineOpacity(drawing: LinesDrawing): (weight: number) => number {
  return intensityScale(1, drawing.log);
}

/** The visible lines with at least one end among the places in sight. */
export function lineSegments(drawing: LinesDrawing, sight: CellRange): LineSegment[] {
  const least = Math.max(drawing.threshold, drawing.log ? LOG_FLOOR : FAINTEST);
  return drawing.alone ? segmentsOfToken(drawing, drawing.alone, least) : segmentsInSight(drawing, sight, least);
}

function segmentsOfToken({ rows, cols }: LinesDrawing, { axis, position, weights }: LoneToken, least: number): LineSegment[] {
  const out: LineSegment[] = [];
  const at = (axis === "query" ? rows : cols).indexOf(position);
  weights.forEach((line, colour) => line.forEach((weight, other) => {
    if (weight < least) return;
    out.push(axis === "query" ? { from: at, to: other, colour, weight } : { from: other, to: at, colour, weight });
  }));
  return out;
}

function segmentsInSight({ rows, cols, matrices }: LinesDrawing, { first, end }: CellRange, least: number): LineSegment[] {
  const out: LineSegment[] = [];
  matrices?.forEach((matrix, colour) => {
    for (let i = 0; i < rows.length; i++) {
      const inSight = i >= first && i < end;
      const [start, stop] = inSight ? [0, cols.length] : [Math.max(0, first), Math.min(cols.length, end)];
      for (let j = start; j < stop; j++) {
        const weight = matrix[i * cols.length + j]!;
        if (weight >= least) out.push({ from: i, to: j, colour, weight });
      }
    }
  });
  return out;
}

/** Segments of equal colour and similar opacity, the faint ones first; opacities are multiples of 1 / shades. */
export function segmentsByStroke(
  segments: LineSegment[], opacity: (weight: number) => number, shades: number,
): { colour: number; opacity: number; segments: LineSegment[] }[] {
  const strokes = new Map<number, { colour: number; opacity: number; segments: LineSegment[] }>();
  for (const segment of segments) {
    const shade = Math.ceil(opacity(segment.weight) * shades);
    const key = segment.colour * (shades + 1) + shade;
    const stroke = strokes.get(key) ?? { colour: segment.colour, opacity: shade / shades, segments: [] };
    strokes.set(key, stroke);
    stroke.segments.push(segment);
  }
  return [...strokes.values()].sort((a, b) => a.opacity - b.opacity);
}
