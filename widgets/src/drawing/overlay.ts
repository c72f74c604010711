// An image with a map over its patches: the image, the colours, the grid, and the outlined patches.

import { h, s } from "../ui/dom";
import { paintPixels } from "./canvas";
import { heatRamp, rampTable, signedRamp, unsignedRamp } from "./colour";
import { rolesOf } from "./palette";

/** The grid of patches, and the image under it. */
export interface ImageGround {
  rows: number;
  cols: number;
  width: number;
  height: number;
  image: string | null;
}

/** The colour map of a patch map: of weights, of scores that only rank, or of scores for and against. */
export type PatchColours = "heat" | "unsigned" | "signed";

/** A share of the strongest colour for each patch, 0 to 1, or -1 to 1 where signed. */
export interface PatchMap {
  shares: Float32Array;
  colours: PatchColours;
}

/** Outlined patches: the one that attends, and the one whose numbers are read. */
export interface PatchMarks {
  query: number | null;
  pointed: number | null;
}

/** Patches of fewer pixels have no grid lines. */
const SMALLEST_PATCH = 12;
/** Images of fewer pixels are shown pixel by pixel. */
const SMALL_IMAGE = 200;

/** Where map and image share the picture: the opacity of the weakest and of the strongest patch, as in figures. */
const [FAINT, STRONG] = [0.05, 0.85];
/** How far the image under a map is lightened, so that the map's colours stand out. */
const LIFT = 0.35;

/** From a share to a colour with its opacity, on a square-root scale: where a share is small the image shows through. */
export class OverlayPaint {
  private readonly tables: Record<PatchColours, Uint8ClampedArray>;
  private readonly blend: number;

  /** `blend` is how much the map covers the image, 0 to 1; a grid without an image is always covered. */
  constructor(blend: number, dark: boolean, private readonly hasImage: boolean) {
    // Over an image strong patches light up in either theme, and scores are drawn as on paper; an empty grid follows the theme.
    const signed = signedRamp(dark && !hasImage);
    this.tables = {
      heat: rampTable(heatRamp(dark || hasImage)),
      unsigned: rampTable(unsignedRamp(dark && !hasImage)),
      signed: rampTable((share) => signed(2 * share - 1)),
    };
    this.blend = hasImage ? blend : 1;
  }

  /** Red, green, blue and opacity, 0 to 255. */
  rgba(share: number, colours: PatchColours): [number, number, number, number] {
    const strength = Math.sqrt(Math.min(1, Math.abs(share)));
    // Attention has the root in its colours; scores, whose colours fade to white, in their opacity alone.
    const place = colours === "heat" ? strength : this.hasImage ? Math.min(1, Math.abs(share)) : strength;
    const at = 4 * Math.round(255 * (colours === "signed" ? (1 + Math.sign(share) * place) / 2 : place));
    const [r, g, b] = this.tables[colours].subarray(at, at + 3);
    return [r!, g!, b!, 255 * this.opacity(strength, colours === "heat" ? FAINT : 0)];
  }

  /** In the middle of the blend as in a figure; below, the whole map fades, above, it covers the image. */
  private opacity(strength: number, faint: number): number {
    const [even, whole] = [faint + (STRONG - faint) * strength, Math.max(0, 2 * this.blend - 1)];
    return Math.min(1, 2 * this.blend) * (even + (1 - even) * whole);
  }

  /** What is left of the image's colours, so that none is taken for one of the map, and how far it is lightened. */
  private get image(): { saturation: number; lift: number } {
    const covered = Math.min(1, 2 * this.blend);
    return { saturation: 1 - covered, lift: LIFT * covered };
  }

  /** The filter of the image under a map. */
  get filter(): string {
    const { saturation, lift } = this.image;
    // Together: (1 - lift) * value + lift.
    return `saturate(${saturation}) contrast(${(1 - lift) / (1 + lift)}) brightness(${1 + lift})`;
  }

  /** The same as an element of SVG, to which `overlaySvg` refers. */
  get filterSvg(): string {
    const { saturation, lift } = this.image;
    const channels = ["R", "G", "B"].map((name) => `<feFunc${name} type="linear" slope="${1 - lift}" intercept="${lift}"/>`);
    return `<filter id="pale" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">` +
      `<feColorMatrix type="saturate" values="${saturation}"/><feComponentTransfer>${channels.join("")}</feComponentTransfer></filter>`;
  }
}

export class Overlay {
  readonly element: HTMLElement;
  private readonly image: HTMLImageElement | null;
  private readonly canvas = h("canvas", { className: "heat", "aria-hidden": "true" });
  private readonly grid: SVGElement;
  private readonly marks: Record<keyof PatchMarks, SVGElement>;

  constructor(private readonly ground: ImageGround) {
    const { rows, cols, width, height, image } = ground;
    this.image = image === null ? null : h("img", { src: image, alt: "", draggable: false });
    this.grid = s("path", { class: "lines", d: gridPath(rows, cols) });
    const outline = (name: string) => s("rect", { class: name, width: "1", height: "1", visibility: "hidden" });
    this.marks = { query: outline("query"), pointed: outline("pointed") };
    const over = s("svg", { viewBox: `0 0 ${cols} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    over.append(this.grid, this.marks.pointed, this.marks.query);
    this.element = h("div", { className: "overlay", style: { aspectRatio: `${width} / ${height}` } }, this.image, this.canvas);
    this.element.append(over);
    if (isSmall(ground)) this.element.dataset["crisp"] = "";
  }

  /** Shows the image with a map over it, or without one. */
  show(map: PatchMap | null, paint: OverlayPaint, marks: PatchMarks): void {
    const { cols } = this.ground;
    if (this.image) this.image.style.filter = map ? paint.filter : "";
    this.canvas.hidden = map === null;
    if (map) paintMap(this.canvas, map, paint, this.ground);
    setVisible(this.grid, map !== null && this.element.clientWidth / cols >= SMALLEST_PATCH);
    for (const name of ["query", "pointed"] as const) {
      const patch = marks[name];
      setVisible(this.marks[name], patch !== null);
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

/** Where a picture stands in SVG; its height follows from the image. */
export interface OverlayPlace {
  x: number;
  y: number;
  width: number;
}

/** An image with its map as elements of SVG; they refer to `paint.filterSvg`. */
export function overlaySvg(ground: ImageGround, map: PatchMap | null, paint: OverlayPaint, query: number | null, at: OverlayPlace): string {
  const { rows, cols, width, height, image } = ground;
  const { x, y, width: wide } = at;
  const high = (wide * height) / width;
  const place = `x="${x}" y="${y}" width="${wide}" height="${high}"`;
  const crisp = isSmall(ground) ? ` style="image-rendering:pixelated"` : "";
  const roles = rolesOf(false);
  const out: string[] = [];
  if (image) out.push(`<image ${place} preserveAspectRatio="none"${crisp}${map ? ` filter="url(#pale)"` : ""} href="${image}"/>`);
  if (map) {
    const canvas = h("canvas");
    paintMap(canvas, map, paint, ground);
    out.push(`<image ${place} preserveAspectRatio="none" style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
  }
  out.push(`<rect ${place} fill="none" stroke="${roles.neutral}" stroke-opacity="0.5"/>`);
  if (query !== null) {
    const [w, t] = [wide / cols, high / rows];
    const box = `x="${x + (query % cols) * w}" y="${y + Math.floor(query / cols) * t}" width="${w}" height="${t}" fill="none"`;
    out.push(`<rect ${box} stroke="${roles.halo}" stroke-width="4"/><rect ${box} stroke="${roles.query}" stroke-width="2"/>`);
  }
  return out.join("");
}

function isSmall({ width, height }: ImageGround): boolean {
  return Math.max(width, height) < SMALL_IMAGE;
}

function paintMap(canvas: HTMLCanvasElement, { shares, colours }: PatchMap, paint: OverlayPaint, { rows, cols }: ImageGround): void {
  paintPixels(canvas, cols, rows, (n) => paint.rgba(shares[n]!, colours));
}

function gridPath(rows: number, cols: number): string {
  let path = "";
  for (let row = 1; row < rows; row++) path += `M0 ${row}H${cols}`;
  for (let col = 1; col < cols; col++) path += `M${col} 0V${rows}`;
  return path;
}

function setVisible(element: SVGElement, visible: boolean): void {
  element.setAttribute("visibility", visible ? "visible" : "hidden");
}
