// The layers of a matrix's picture, painted on a canvas or written as SVG.

import type { Tokens } from "../protocol/headers";
import { TILE_SIDE } from "../protocol/tiles";
import { h } from "../ui/dom";
import { axisLabels, labelRoom, LETTER_WIDTH, type AxisLabel } from "./axis_labels";
import { canvasContext } from "./canvas";
import { inkOn, type Ramp, type WeightColours } from "./colour";
import { legendSvg, paintLegend, type LegendStyle } from "./legend";
import { READS_ZERO } from "./number_format";
import type { Roles } from "./palette";
import { escapeXml, type SvgPicture } from "./svg";
import { tilePicture, type TileCache, type TileRequest } from "./tile_cache";
import { lettersWide } from "./token_label";
import type { Cell, Viewport } from "./viewport";

/** Pixels of the plot at most, and those kept free for labels and legend. */
export interface MatrixMargins {
  plot: number;
  left: number;
  top: number;
  legend: number;
}

export interface MatrixDrawing {
  /** Names the weights; another name, other tiles. */
  name: string;
  queries: Tokens;
  keys: Tokens;
  /** Positions along the sides. */
  rows: number[];
  cols: number[];
  tile: TileRequest;
  threshold: number;
  log: boolean;
  /** Whether weights lie on both sides of zero, with a ramp over -1 to 1. */
  signed?: boolean;
  /** The weight of the strongest colour, where pictures side by side share a scale. */
  most?: number;
  margins?: MatrixMargins;
  ramp: Ramp;
  roles: Roles;
  /** Positions whose row and column are outlined. */
  selected: { query: number | null; key: number | null };
}

/** What a picture is painted from. */
export interface MatrixScene {
  drawing: MatrixDrawing;
  viewport: Viewport;
  tiles: TileCache;
  margins: MatrixMargins;
  colours: WeightColours;
  level: number;
  pointed: Cell | null;
}

/** A label at its place, and the pixels that it may be wide. */
export interface PlacedLabel extends AxisLabel {
  x: number;
  y: number;
  turned: boolean;
  room: number;
}

/** Labels above the columns lean by that angle. */
const LEAN = Math.PI / 3;
/** Margins of that many pixels or fewer hold no labels and no legend. */
const NO_ROOM = 20;
/** A row or column of fewer pixels is outlined by one line. */
const THIN_CELL = 5;
/** Cells of that many pixels have room for their weight, in letters of some pixels. */
const ROOMY_CELL = 22;
const numberSize = (cell: number): number => Math.min(12, Math.floor(cell * 0.4));
/** Names of the axes: the room that labels leave them, and pixels of a plot that has one. */
const AXIS_NAME = 18;
const NAMED_PLOT = 100;
const FONT = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** Paints everything on a cleared canvas. */
export function paintMatrix(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  const { drawing, viewport, tiles, margins, colours } = scene;
  const { width, height } = viewport;
  context.save();
  context.translate(margins.left, margins.top);
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  context.fillStyle = drawing.ramp(0); // zero, with or without a sign
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  tiles.request(tiles.coarsest, 0, 0);
  if (tiles.at(tiles.coarsest, 0, 0)) paintTiles(context, scene);
  paintNumbers(context, scene);
  paintCross(context, scene);
  context.restore();
  context.strokeStyle = drawing.roles.muted;
  context.globalAlpha = 0.5;
  context.lineWidth = 1;
  context.strokeRect(margins.left - 0.5, margins.top - 0.5, width + 1, height + 1);
  context.globalAlpha = 1;
  paintLabels(context, scene);
  paintAxisNames(context, scene);
  if (hasLegend(scene)) paintLegend(context, colours, margins.left + width + 16, margins.top, height, legendStyle(drawing));
}

function legendStyle({ roles, signed }: MatrixDrawing): LegendStyle {
  return { ink: roles.text, muted: roles.muted, name: signed ? "weight, b − a" : "attention weight" };
}

function hasLegend({ margins, colours }: MatrixScene): boolean {
  return colours.top > 0 && margins.legend > NO_ROOM;
}

/** The tiles in sight, which are requested where they are missing. */
function paintTiles(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  const { rows, cols } = scene.viewport.tilesInSight(scene.level);
  scene.tiles.see(scene.level, rows, cols);
  for (let row = rows.first; row < rows.end; row++)
    for (let col = cols.first; col < cols.end; col++) {
      scene.tiles.request(scene.level, row, col);
      paintTile(context, scene, row, col);
    }
}

/** One tile, or its part of the next coarser one that has arrived. */
function paintTile(context: CanvasRenderingContext2D, { viewport, tiles, level, colours }: MatrixScene, row: number, col: number): void {
  const { sight } = viewport;
  const x = (col * (TILE_SIDE << level) - sight.x) * sight.cell;
  const y = (row * (TILE_SIDE << level) - sight.y) * sight.cell;
  for (let up = 0; level + up <= tiles.coarsest; up++) {
    const cached = tiles.at(level + up, row >> up, col >> up);
    if (!cached) continue;
    const side = TILE_SIDE >> up;
    const [left, above] = [(col - ((col >> up) << up)) * side, (row - ((row >> up) << up)) * side];
    const [wide, high] = [Math.min(side, cached.tile.cols - left), Math.min(side, cached.tile.rows - above)];
    if (wide < 1 || high < 1) return;
    const pixels = sight.cell * 2 ** (level + up);
    context.drawImage(tilePicture(cached, colours), left, above, wide, high, x, y, wide * pixels, high * pixels);
    return;
  }
}

/** The weights themselves, but for those that would read 0.00. */
function paintNumbers(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  context.font = `${numberSize(scene.viewport.sight.cell)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { text, ink, x, y } of cellNumbers(scene)) {
    context.fillStyle = ink;
    context.fillText(text, x, y);
  }
}

/** The number of each cell in sight, and its middle within the plot; none where cells are too small. */
function cellNumbers({ drawing, viewport, tiles, colours }: MatrixScene): { text: string; ink: string; x: number; y: number }[] {
  const { sight } = viewport;
  if (sight.cell < ROOMY_CELL) return [];
  const { rows, cols } = viewport.cellsInSight;
  const out = [];
  for (let row = rows.first; row < rows.end; row++)
    for (let col = cols.first; col < cols.end; col++) {
      const weight = tiles.weight(row, col);
      if (weight === null || Math.abs(weight) < Math.max(drawing.threshold, READS_ZERO)) continue;
      const ink = inkOn(colours.ramp(colours.share(weight)));
      const text = weight.toFixed(2).replace(/^(-?)0/, "$1").replace("-", "−");
      out.push({ text, ink, x: (col + 0.5 - sight.x) * sight.cell, y: (row + 0.5 - sight.y) * sight.cell });
    }
  return out;
}

/** The row and column that are pointed at, else those selected; -1 for none. */
function markedCell({ drawing, pointed }: MatrixScene): Cell {
  return {
    row: pointed?.row ?? drawing.rows.indexOf(drawing.selected.query ?? -1),
    col: pointed?.col ?? drawing.cols.indexOf(drawing.selected.key ?? -1),
  };
}

/** Outlines the marked row and column. */
function paintCross(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  context.strokeStyle = scene.drawing.roles.selection;
  context.lineWidth = scene.viewport.sight.cell < THIN_CELL ? 1 : 1.5;
  for (const [x, y, width, height] of crossBoxes(scene)) context.strokeRect(x, y, width, height);
}

/** Boxes within the plot around the marked row and column. */
function crossBoxes(scene: MatrixScene): [x: number, y: number, width: number, height: number][] {
  const { sight, width, height } = scene.viewport;
  const { row, col } = markedCell(scene);
  // Around thin cells two lines would hide what is there: one goes through the middle.
  const [inset, thick] = sight.cell < THIN_CELL ? [0.5, 0] : [0, sight.cell];
  return [
    ...(row >= 0 ? [[-2, (row + inset - sight.y) * sight.cell, width + 4, thick] as [number, number, number, number]] : []),
    ...(col >= 0 ? [[(col + inset - sight.x) * sight.cell, -2, thick, height + 4] as [number, number, number, number]] : []),
  ];
}

/** The same as elements of SVG, clipped to the plot. */
function crossSvg(scene: MatrixScene): string[] {
  const { left, top } = scene.margins;
  const { width, height } = scene.viewport;
  const boxes = crossBoxes(scene).map(([x, y, wide, high]) =>
    `<rect x="${x}" y="${y}" width="${wide}" height="${high}" fill="none" stroke="${scene.drawing.roles.selection}" stroke-width="1.5"/>`);
  return boxes.length ? [`<svg x="${left}" y="${top}" width="${width}" height="${height}">${boxes.join("")}</svg>`] : [];
}

/** Pixels for the labels and the name of each axis. */
export function labelMargins(queries: string[], keys: string[]): { left: number; top: number } {
  return { left: Math.ceil(12 + AXIS_NAME + labelRoom(queries)), top: Math.ceil(12 + AXIS_NAME + labelRoom(keys) * Math.sin(LEAN)) };
}

/** "query" beside the labels of the rows and "key" above those of the columns, where there is room. */
function axisNames(scene: MatrixScene): { text: string; x: number; y: number; turned: boolean }[] {
  const { left, top } = scene.margins;
  const { width, height } = scene.viewport;
  const labels = placedLabels(scene);
  const longest = (turned: boolean) =>
    Math.max(0, ...labels.filter((label) => label.turned === turned).map(({ text, room }) => Math.min(room, lettersWide(text) * LETTER_WIDTH)));
  const [x, y] = [left - 6 - longest(false) - 12, top - 6 - longest(true) * Math.sin(LEAN) - 14];
  return [
    ...(left > NO_ROOM + AXIS_NAME && height >= NAMED_PLOT ? [{ text: "query", x: Math.max(10, x), y: top + height / 2, turned: true }] : []),
    ...(top > NO_ROOM + AXIS_NAME ? [{ text: "key", x: left + width / 2, y: Math.max(10, y), turned: false }] : []),
  ];
}

function paintAxisNames(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  context.fillStyle = scene.drawing.roles.muted;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { text, x, y, turned } of axisNames(scene)) {
    context.save();
    context.translate(x, y);
    if (turned) context.rotate(-Math.PI / 2);
    context.fillText(text, 0, 0);
    context.restore();
  }
}

function paintLabels(context: CanvasRenderingContext2D, scene: MatrixScene): void {
  const { roles } = scene.drawing;
  for (const { x, y, turned, text, special, marked, room } of placedLabels(scene)) {
    context.save();
    context.translate(x, y);
    if (turned) context.rotate(-LEAN);
    context.textAlign = turned ? "left" : "right";
    context.textBaseline = "middle";
    context.font = `${marked ? "bold " : ""}11px ${FONT}`;
    context.fillStyle = special && !marked ? roles.muted : roles.text;
    context.fillText(text, 0, 0, room); // scripts of wide letters are narrowed rather than cut off
    context.restore();
  }
}

/** Labels along both sides; where the left margin is too small, those above alone. */
export function placedLabels(scene: MatrixScene): PlacedLabel[] {
  const { queries, keys, rows, cols } = scene.drawing;
  const { left, top } = scene.margins;
  const { sight, width, height } = scene.viewport;
  const { row, col } = markedCell(scene);
  const [beside, above] = [left - 10 - AXIS_NAME, (top - 10 - AXIS_NAME) / Math.sin(LEAN)];
  const side = { cell: sight.cell };
  const down = axisLabels({ ...side, tokens: queries, positions: rows, start: sight.y, size: height, marked: row, room: beside });
  const across = axisLabels({ ...side, tokens: keys, positions: cols, start: sight.x, size: width, marked: col, room: above });
  return [
    ...(left > NO_ROOM ? down.map((label) => ({ ...label, turned: false, x: left - 6, y: top + label.offset, room: beside })) : []),
    ...across.map((label) => ({ ...label, turned: true, x: left + label.offset, y: top - 6, room: above })),
  ];
}

/** What is in sight, with its labels and its legend. */
export function matrixSvg(scene: MatrixScene, legendRoom: number): SvgPicture {
  const { drawing, viewport, margins, colours } = scene;
  const { width: wide, height: high } = viewport;
  const legend = hasLegend(scene);
  const canvas = h("canvas");
  const context = canvasContext(canvas, wide, high);
  context.imageSmoothingEnabled = false;
  paintTiles(context, scene);
  const place = `x="${margins.left}" y="${margins.top}" width="${wide}" height="${high}"`;
  const texts = placedLabels(scene).map(({ x, y, turned, text, marked, room }) => {
    const [turn, anchor] = turned ? [" rotate(-60)", "start"] : ["", "end"];
    const fit = lettersWide(text) * LETTER_WIDTH > room ? ` textLength="${room.toFixed(1)}" lengthAdjust="spacingAndGlyphs"` : "";
    const style = `${marked ? ` font-weight="bold"` : ""}${fit}`;
    return `<text transform="translate(${x} ${y})${turn}" dominant-baseline="middle" text-anchor="${anchor}"${style}>${escapeXml(text)}</text>`;
  });
  const names = axisNames(scene).map(({ text, x, y, turned }) =>
    `<text transform="translate(${x} ${y})${turned ? " rotate(-90)" : ""}" dominant-baseline="middle" text-anchor="middle" ` +
    `font-family="sans-serif" font-size="12">${text}</text>`);
  const numbers = cellNumbers(scene).map(({ text, ink, x, y }) =>
    `<text x="${margins.left + x}" y="${margins.top + y}" dominant-baseline="middle" text-anchor="middle" font-family="sans-serif" ` +
    `font-size="${numberSize(viewport.sight.cell)}" fill="${ink}">${text}</text>`);
  return {
    width: margins.left + wide + (legend ? legendRoom : margins.top / 2),
    height: margins.top + high + 10,
    attributes: `font-family="monospace" font-size="11" fill="${drawing.roles.text}"`,
    body:
      `<image ${place} style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>` +
      `<rect ${place} fill="none" stroke="${drawing.roles.text}" stroke-opacity="0.4"/>` +
      `${[...texts, ...names, ...numbers, ...crossSvg(scene)].join("")}${legend ? legendSvg(colours, margins.left + wide + 16, margins.top, high, legendStyle(drawing)) : ""}`,
  };
}
