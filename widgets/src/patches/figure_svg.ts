// The pictures of a PatchView as one SVG, and the colour scales below them.

import { paintPixels } from "../drawing/canvas";
import { overlaySvg, type ImageGround, type OverlayPaint, type PatchColours, type PatchMap } from "../drawing/overlay";
import type { Roles } from "../drawing/palette";
import { escapeXml, type SvgPicture } from "../drawing/svg";
import { h } from "../ui/dom";
import type { ColourScale } from "./score_kinds";

/** A small picture with its words. */
export interface PanelFigure {
  title: string;
  map: PatchMap | null;
  value: string;
  note: string;
  /** The panel's own scale; null where panels share one. */
  scale: ColourScale | null;
}

export interface PatchesFigure {
  ground: ImageGround;
  paint: OverlayPaint;
  roles: Roles;
  large: { map: PatchMap | null; query: number | null; scale: ColourScale };
  panels: PanelFigure[];
  scales: ColourScale[];
}

/** Colours in a scale's bar. */
const SHADES = 64;

/** A scale on the page, its colours as they appear over an image. */
export function scaleElement(paint: OverlayPaint, { low, high, unit, colours }: ColourScale): HTMLElement {
  return h("span", { className: "scale" }, h("span", {}, low), scaleBar(paint, colours), h("span", {}, high), h("span", {}, unit));
}

function scaleBar(paint: OverlayPaint, colours: PatchColours): HTMLCanvasElement {
  const canvas = h("canvas", { width: SHADES, height: 1, "aria-hidden": "true" });
  const last = SHADES - 1;
  paintPixels(canvas, SHADES, 1, (x) => paint.rgba(colours === "signed" ? (2 * x) / last - 1 : x / last, colours));
  return canvas;
}

/** Pixels of the large picture and of a panel across, between pictures, and above them. */
const [LARGE, SMALL, GAP, TOP] = [420, 170, 18, 36];
const PANELS_PER_ROW = 3;
const WORDS_HEIGHT = 64;
const SCALE_HEIGHT = 32;

/** The large picture, the panels in rows beside it, the scales below. */
export function figureSvg(figure: PatchesFigure): SvgPicture {
  const { ground, paint, large, panels, scales } = figure;
  const aspect = ground.height / ground.width;
  const across = Math.min(PANELS_PER_ROW, panels.length);
  const left = 2 * GAP + LARGE;
  const rowHeight = SMALL * aspect + WORDS_HEIGHT + (panels.some(({ scale }) => scale) ? SCALE_HEIGHT : 0);
  const below = TOP + Math.ceil(panels.length / PANELS_PER_ROW) * rowHeight;
  const width = left + Math.max(across, scales.length ? 2 : 0) * (SMALL + GAP);
  const height = Math.max(TOP + LARGE * aspect + 36, below + 18 * scales.length);
  const place = (n: number) => ({ x: left + (n % across) * (SMALL + GAP), y: TOP + Math.floor(n / across) * rowHeight });
  const content = [
    overlaySvg(ground, large.map, paint, large.query, { x: GAP, y: TOP, width: LARGE }),
    scaleSvg(figure, large.scale, GAP, TOP + LARGE * aspect + 20),
    ...panels.map((panel, n) => panelSvg(figure, panel, place(n).x, place(n).y)),
    ...scales.map((scale, n) => scaleSvg(figure, scale, left, below + 18 * n)),
  ];
  const body = `<defs>${paint.filterSvg}</defs>${content.join("")}`;
  return { width, height: Math.ceil(height), attributes: 'font-family="sans-serif"', body };
}

function panelSvg(figure: PatchesFigure, { title, map, value, note, scale }: PanelFigure, x: number, y: number): string {
  const { ground, paint, roles } = figure;
  const below = y + (SMALL * ground.height) / ground.width;
  return [
    text(x, y - 8, title, roles.text, 12),
    text(x, below + 15, value, roles.muted),
    text(x, below + 29, note, roles.muted),
    overlaySvg(ground, map, paint, null, { x, y, width: SMALL }),
    ...(scale ? [scaleSvg(figure, { ...scale, unit: "" }, x - 26, below + 46), text(x, below + 60, scale.unit, roles.muted)] : []),
  ].join("");
}

function scaleSvg({ paint, roles }: PatchesFigure, { low, high, unit, colours }: ColourScale, x: number, y: number): string {
  const place = `x="${x + 52}" y="${y - 9}" width="96" height="10"`;
  return [
    text(x + 46, y, low, roles.muted, 11, "end"),
    `<rect ${place} fill="${roles.mat}"/>`,
    `<image ${place} preserveAspectRatio="none" href="${scaleBar(paint, colours).toDataURL()}"/>`,
    text(x + 154, y, `${high}  ${unit}`, roles.muted),
  ].join("");
}

function text(x: number, y: number, content: string, colour: string, size = 11, anchor = "start"): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}
