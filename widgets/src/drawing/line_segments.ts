// Attention as lines between tokens: which lines there are, and how strong.

import type { Tokens } from "../protocol/headers";
import type { Axis } from "../protocol/trace_source";
import { intensityScale, LOG_FLOOR } from "./colour";
import { READS_ZERO } from "./number_format";
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
  /** What each colour stands for: a head, or the mean of several. */
  names: string[];
  /** The weights [rows * cols] of each colour; null where they are not in the browser. */
  matrices: Float32Array[] | null;
  /** The weight of the strongest line. */
  top: number;
  alone: LoneToken | null;
  selected: { query: number | null; key: number | null };
  /** Lines of smaller weight are omitted. */
  threshold: number;
  log: boolean;
  ink: string;
  muted: string;
}

/** One line, from a place on the left to one on the right. */
export interface LineSegment {
  from: number;
  to: number;
  /** Index into the colours. */
  colour: number;
  weight: number;
}

/** Lines of one colour and similar weight, drawn at once. */
export interface LineStroke {
  colour: number;
  /** From a weight's share of the strongest line, and from the number of stronger lines. */
  opacity: number;
  width: number;
  segments: LineSegment[];
}

/** Smaller shares of the strongest line are too faint to be seen. */
const FAINTEST = 0.01;
const SHADES = 24;
/** Lines a token that are drawn in full; further ones fade by their rank. */
const LINES_PER_TOKEN = 2;
/** The opacity of the faintest line before it fades by its rank, and of that of a lone token, which few others cross. */
const [FAINT, LONE] = [0.1, 0.15];
/** Pixels across the faintest and the strongest line. */
const [THIN, THICK] = [0.8, 4];

/** From a weight to its share of the strongest line, 0 to 1. */
export function lineShare({ top, log }: Pick<LinesDrawing, "top" | "log">): (weight: number) => number {
  return intensityScale(top, log);
}

export function lineWidth(share: number): number {
  return THIN + (THICK - THIN) * share;
}

/** Lines of smaller weight are not drawn. */
export function leastDrawn({ threshold, top, log }: Pick<LinesDrawing, "threshold" | "top" | "log">): number {
  return Math.max(threshold, log ? LOG_FLOOR : FAINTEST * top);
}

/** The visible lines with at least one end among the places in sight. */
export function lineSegments(drawing: LinesDrawing, sight: CellRange): LineSegment[] {
  const least = leastDrawn(drawing);
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

/** The lines in sight as strokes, the faint ones first, so that strong lines lie on top. */
export function lineStrokes(drawing: LinesDrawing, sight: CellRange): LineStroke[] {
  const strokes = segmentsByShade(lineSegments(drawing, sight), lineShare(drawing));
  const shown = (positions: number[]) => Math.min(positions.length, sight.end) - sight.first;
  const full = LINES_PER_TOKEN * Math.max(1, shown(drawing.rows), shown(drawing.cols));
  let stronger = 0;
  for (const stroke of strokes.reverse()) {
    const rank = stronger + stroke.segments.length;
    stroke.opacity = drawing.alone ? LONE + (1 - LONE) * stroke.opacity : (FAINT + (1 - FAINT) * stroke.opacity) * Math.min(1, full / rank);
    stronger = rank;
  }
  return strokes.reverse();
}

/** Segments of equal colour and similar weight, the weak ones first. */
function segmentsByShade(segments: LineSegment[], share: (weight: number) => number): LineStroke[] {
  const strokes = new Map<number, LineStroke>();
  for (const segment of segments) {
    const shade = Math.max(1, Math.ceil(share(segment.weight) * SHADES));
    const key = segment.colour * (SHADES + 1) + shade;
    const stroke = strokes.get(key) ?? { colour: segment.colour, opacity: shade / SHADES, width: lineWidth(shade / SHADES), segments: [] };
    strokes.set(key, stroke);
    stroke.segments.push(segment);
  }
  return [...strokes.values()].sort((a, b) => a.opacity - b.opacity);
}

/** The weight that joins a token to the lone one of the other side, of one colour; "" for what would read 0.00. */
export function weightBeside({ alone }: LinesDrawing, axis: Axis, row: number): string {
  const weight = alone && alone.axis !== axis && alone.weights.length === 1 ? alone.weights[0]![row]! : 0;
  return weight < READS_ZERO ? "" : weight.toFixed(2);
}

/** How far down a line is at a share of its way across, 0 to 1: a cubic curve that leaves and arrives level. */
export function lineSlope(across: number): number {
  let [low, high] = [0, 1];
  for (let n = 0; n < 20; n++) {
    const t = (low + high) / 2;
    if (1.5 * t * (1 - t) + t ** 3 < across) low = t;
    else high = t;
  }
  return low * low * (3 - 2 * low);
}

/** The strongest line within `reach` of a place, `across` from left to right and `row` in rows from the top; null for none. */
export function lineAt(segments: LineSegment[], across: number, row: number, reach: number): LineSegment | null {
  const slope = lineSlope(across);
  let best: LineSegment | null = null;
  for (const segment of segments) {
    const distance = Math.abs(segment.from + (segment.to - segment.from) * slope - row);
    if (distance <= reach && segment.weight > (best?.weight ?? 0)) best = segment;
  }
  return best;
}
