// A picture with a map over its patches: the image, the colours, the grid, and the patches that are marked.

import { diverging, sequential, table } from "./colour";
import { h } from "./dom";

/** The grid that patches lie on, and the image under it. */
export interface Ground {
  rows: number;
  cols: number;
  width: number;
  height: number;
  image: string | null;
}

/** What lies over the image: a share of the strongest colour for each patch, 0 to 1, or -1 to 1 where signed. */
export interface Map2d {
  shares: Float32Array;
  signed: boolean;
}

export interface Marks {
  /** The patch that looks, and the patch whose numbers are read. */
  query: number | null;
  pointed: number | null;
}

/** Pixels below which a grid line would hide more than it says. */
const FINEST = 12;
/** Images smaller than this are shown pixel by pixel. */
const SMALL = 200;
const SVG = "http://www.w3.org/2000/svg";

/** Below 1: what is weak beside one strong patch stays visible. */
const LIFT = 0.7;

/** From a share to a colour with its opacity: where there is little the image shows through. */
export class Paint {
  private readonly tables: [unsigned: Uint8ClampedArray, signed: Uint8ClampedArray];

  constructor(
    private readonly blend: number,
    dark: boolean,
    pictured: boolean,
  ) {
    // Over an image what is strong lights up in either theme; an empty grid follows the theme.
    const night = dark || pictured;
    this.tables = [table(sequential(night)), table((share) => diverging(night)(2 * share - 1))];
    if (!pictured) this.blend = 1;
  }

  /** Red, green, blue and opacity, 0 to 255. */
  of(share: number, signed: boolean): [number, number, number, number] {
    const strength = Math.min(1, Math.abs(share) ** LIFT);
    const at = 4 * Math.round(255 * (signed ? (1 + Math.sign(share) * strength) / 2 : strength));
    const [r, g, b] = this.tables[signed ? 1 : 0].subarray(at, at + 3);
    return [r!, g!, b!, 255 * this.opacity(strength)];
  }

  private opacity(strength: number): number {
    const [faint, strong] = [this.blend ** 2, 1 - (1 - this.blend) ** 2];
    return faint + (strong - faint) * strength;
  }

  /** How much of the image's own colour is left, so that no colour of it is taken for one of the map. */
  get colourful(): number {
    return 1 - Math.min(1, 2 * this.blend);
  }
}

export class Overlay {
  readonly element: HTMLElement;
  private readonly image: HTMLImageElement | null;
  private readonly canvas = h("canvas", { className: "heat", "aria-hidden": "true" });
  private readonly lines: SVGElement;
  private readonly marks: Record<keyof Marks, SVGElement>;

  constructor(private readonly ground: Ground) {
    const { rows, cols, width, height, image } = ground;
    this.image = image === null ? null : h("img", { src: image, alt: "", draggable: false });
    this.lines = svg("path", { class: "lines", d: gridPath(rows, cols) });
    const rect = (name: string) => svg("rect", { class: name, width: "1", height: "1", visibility: "hidden" });
    this.marks = { query: rect("query"), pointed: rect("pointed") };
    const over = svg("svg", { viewBox: `0 0 ${cols} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    over.append(this.lines, this.marks.pointed, this.marks.query);
    this.element = h("div", { className: "overlay", style: { aspectRatio: `${width} / ${height}` } }, this.image, this.canvas);
    this.element.append(over);
    if (Math.max(width, height) < SMALL) this.element.dataset["crisp"] = "";
  }

  show(map: Map2d | null, paint: Paint, marks: Marks): void {
    const { rows, cols } = this.ground;
    if (this.image) this.image.style.filter = map ? `saturate(${paint.colourful})` : "";
    this.canvas.hidden = map === null;
    if (map) paintMap(this.canvas, map, paint, rows, cols);
    this.lines.setAttribute("visibility", map === null || this.element.clientWidth / cols < FINEST ? "hidden" : "visible");
    for (const name of ["query", "pointed"] as const) {
      const patch = marks[name];
      this.marks[name].setAttribute("visibility", patch === null ? "hidden" : "visible");
      if (patch === null) continue;
      this.marks[name].setAttribute("x", String(patch % cols));
      this.marks[name].setAttribute("y", String(Math.floor(patch / cols)));
    }
  }

  /** The patch under the pointer. */
  at(event: MouseEvent): number | null {
    const { rows, cols } = this.ground;
    const box = this.element.getBoundingClientRect();
    const col = Math.floor(((event.clientX - box.left) / box.width) * cols);
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    return col >= 0 && row >= 0 && col < cols && row < rows ? row * cols + col : null;
  }
}

/** A picture as SVG text, at x and y and so wide. */
export function overlaySvg(ground: Ground, map: Map2d | null, paint: Paint, query: number | null, x: number, y: number, wide: number): string {
  const { rows, cols, width, height, image } = ground;
  const high = (wide * height) / width;
  const place = `x="${x}" y="${y}" width="${wide}" height="${high}" preserveAspectRatio="none"`;
  const crisp = Math.max(width, height) < SMALL ? ` style="image-rendering:pixelated"` : "";
  const out: string[] = [];
  if (image) out.push(`<image ${place}${crisp}${map ? ` filter="url(#pale)"` : ""} href="${image}"/>`);
  if (map) {
    const canvas = h("canvas");
    paintMap(canvas, map, paint, rows, cols);
    out.push(`<image ${place} style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
  }
  out.push(`<rect x="${x}" y="${y}" width="${wide}" height="${high}" fill="none" stroke="#808080" stroke-opacity="0.5"/>`);
  if (query !== null) {
    const [w, t] = [wide / cols, high / rows];
    const box = `x="${x + (query % cols) * w}" y="${y + Math.floor(query / cols) * t}" width="${w}" height="${t}" fill="none"`;
    out.push(`<rect ${box} stroke="#000" stroke-width="4"/><rect ${box} stroke="#ffb454" stroke-width="2"/>`);
  }
  return out.join("");
}

/** The filter that `overlaySvg` refers to. */
export const paleFilter = (paint: Paint): string =>
  `<filter id="pale" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feColorMatrix type="saturate" values="${paint.colourful}"/></filter>`;

function paintMap(canvas: HTMLCanvasElement, { shares, signed }: Map2d, paint: Paint, rows: number, cols: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const image = context.createImageData(cols, rows);
  shares.forEach((share, i) => image.data.set(paint.of(share, signed), 4 * i));
  context.putImageData(image, 0, 0);
}

function gridPath(rows: number, cols: number): string {
  let path = "";
  for (let row = 1; row < rows; row++) path += `M0 ${row}H${cols}`;
  for (let col = 1; col < cols; col++) path += `M${col} 0V${rows}`;
  return path;
}

function svg(tag: string, given: Record<string, string>): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  return element;
}
