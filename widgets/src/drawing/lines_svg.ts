// The picture of lines between tokens as SVG, and its legend.

import type { Axis } from "../protocol/trace_source";
import { weightAt } from "./colour";
import { leastDrawn, lineStrokes, lineWidth, weightBeside, type LinesDrawing } from "./line_segments";
import { formatNumber } from "./number_format";
import { escapeXml, type SvgPicture } from "./svg";
import { tokenLabel } from "./token_label";
import type { CellRange } from "./viewport";

/** Pixels of a row, of the names of the columns, of the picture across, and from its edge to the lines. */
const ROW = 22;
const HEADER = 34;
const WIDTH = 760;
const SIDE = 220;
/** Shares of the strongest line that a legend shows. */
const SAMPLES = [0.1, 0.5, 1];
/** Heads that a legend names. */
const MOST_NAMED = 12;

/** One line of the legend. */
export interface LineSample {
  text: string;
  width: number;
  opacity: number;
  colour: string;
}

/** What lines of some widths stand for. */
export function lineSamples(drawing: LinesDrawing): LineSample[] {
  const { top, log, colours, muted } = drawing;
  if (!(top > 0)) return [];
  const colour = colours.length === 1 ? colours[0]! : muted;
  return SAMPLES.map((share) => ({ share, weight: weightAt(share, top, log) }))
    .filter(({ weight }) => weight >= leastDrawn(drawing))
    .map(({ share, weight }) => ({ text: formatNumber(Number(weight.toPrecision(2))), width: lineWidth(share), opacity: share, colour }));
}

/** The legend: numbers, which need no escaping. */
function samplesSvg(samples: LineSample[], ink: string, x: number, y: number): string {
  const step = 74;
  const parts = samples.map(({ text, width, opacity, colour }, n) =>
    `<line x1="${n * step + 1}" y1="9" x2="${n * step + 25}" y2="9" stroke="${colour}" stroke-width="${width}" stroke-opacity="${Math.max(0.2, opacity)}"/>` +
    `<text x="${n * step + 31}" y="13" fill="${ink}" font-size="11" font-family="system-ui, sans-serif">${text}</text>`);
  const end = samples.length * step;
  const name = `<text x="${end}" y="13" fill="${ink}" font-size="11" font-family="system-ui, sans-serif">attention weight</text>`;
  return samples.length ? `<svg x="${x}" y="${y}" width="${end + 100}" height="18">${parts.join("")}${name}</svg>` : "";
}

/** The rows in sight as SVG. */
export function linesSvg(drawing: LinesDrawing, sight: CellRange): SvgPicture {
  const { first, end } = sight;
  const [left, right, middle] = [SIDE, WIDTH - SIDE, WIDTH / 2];
  const y = (row: number) => (row - first + 0.5) * ROW + HEADER;
  const lines = lineStrokes(drawing, sight).flatMap(({ colour, opacity, width, segments }) => segments.map(({ from, to }) =>
    `<path d="M${left} ${y(from)}C${middle} ${y(from)} ${middle} ${y(to)} ${right} ${y(to)}" ` +
    `stroke="${drawing.colours[colour]}" stroke-opacity="${opacity.toFixed(3)}" stroke-width="${width.toFixed(2)}"/>`));
  const { heads, height } = headsSvg(drawing, y(end - 1) + ROW);
  return {
    width: WIDTH,
    height: y(end - 1) + ROW + height,
    attributes: `font-family="monospace" font-size="13" fill="${drawing.ink}"`,
    body: [
      ...["query", "key"].map((name, n) =>
        `<text x="${n ? right + 8 : left - 8}" y="16" text-anchor="${n ? "start" : "end"}" font-family="sans-serif" font-weight="bold">${name}</text>`),
      samplesSvg(lineSamples(drawing), drawing.muted, middle - 160, 2),
      `<g fill="none" stroke-linecap="round">${lines.join("")}</g>`,
      ...tokensSvg(drawing, drawing.rows.slice(first, end), "query", first, y),
      ...tokensSvg(drawing, drawing.cols.slice(first, end), "key", first, y),
      heads,
    ].join(""),
  };
}

/** One side's tokens, each with its position, and with its weight where one token is shown alone. */
function tokensSvg(drawing: LinesDrawing, positions: number[], axis: Axis, first: number, y: (row: number) => number): string[] {
  const { text, special } = axis === "query" ? drawing.queries : drawing.keys;
  const [x, edge, anchor, outer] = axis === "query" ? [SIDE - 8, 6, "end", "start"] : [WIDTH - SIDE + 8, WIDTH - 6, "start", "end"];
  const { alone } = drawing;
  return positions.map((position, n) => {
    const marked = drawing.selected[axis] === position || (alone?.axis === axis && alone.position === position);
    const style = marked ? ` font-weight="bold" text-decoration="underline"` : special.includes(position) ? ` fill="${drawing.muted}"` : "";
    return `<text x="${x}" y="${y(first + n) + 4}" text-anchor="${anchor}"${style}>${escapeXml(tokenLabel(text[position]!, 22))}</text>` +
      `<text x="${edge}" y="${y(first + n) + 4}" text-anchor="${outer}" font-size="10" fill="${drawing.muted}">${weightBeside(drawing, axis, first + n) || position}</text>`;
  });
}

/** Which colour is which head, where there are several. */
function headsSvg({ colours, names, ink }: LinesDrawing, y: number): { heads: string; height: number } {
  if (colours.length < 2) return { heads: "", height: 0 };
  const [across, step] = [6, (WIDTH - 24) / 6];
  const shown = colours.slice(0, MOST_NAMED);
  const parts = shown.map((colour, n) => {
    const [x, down] = [12 + (n % across) * step, y + 8 + Math.floor(n / across) * 18];
    return `<line x1="${x}" y1="${down}" x2="${x + 18}" y2="${down}" stroke="${colour}" stroke-width="4"/>` +
      `<text x="${x + 24}" y="${down + 4}" font-family="sans-serif" font-size="11" fill="${ink}">${escapeXml(names[n]!)}</text>`;
  });
  const more = colours.length - shown.length;
  const height = 18 * Math.ceil(shown.length / across) + 8;
  return { heads: parts.join("") + (more ? `<text x="12" y="${y + height + 10}" font-size="11">and ${more} more</text>` : ""), height: height + (more ? 18 : 0) };
}
