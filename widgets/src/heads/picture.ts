// HeadsView's picture: a square for every head, in a grid of layers and heads or ranked.

import { rgb } from "d3-color";
import { paintPixels } from "../drawing/canvas";
import { inkOn, type Ramp } from "../drawing/colour";
import { formatNumber } from "../drawing/number_format";
import type { SvgPicture } from "../drawing/svg";
import type { HeadPlace } from "../drawing/titles";
import { h, range } from "../ui/dom";
import { addsToSelection, runKey } from "../ui/keyboard";
import { LAYER_LABEL, nextHead, thumbnailOpacity, type LayerThumbnails } from "./heads_model";

export interface HeadsEvents {
  select(place: HeadPlace, adds: boolean): void;
  /** A head is pointed at or has the focus; null where neither. */
  pointed(place: HeadPlace | null): void;
}

/** How one head is drawn. */
export interface HeadDrawing {
  place: HeadPlace;
  colour: string;
  selected: boolean;
  label: string;
  /** The number of a square that is a cell of a heat map; null for one that shows the head's pattern. */
  value: string | null;
  /** What stands for the number where it has no room; "" for nothing. */
  mark: string;
}

/** Pixels of a square that has room for a number, and that the numbers of heads and of layers take. */
const NUMBERED = 32;
const [HEAD_NUMBER, LAYER_NUMBER] = [20, 13];
/** Pixels of a letter of a square at most, and the width of one beside its size. */
const [LARGEST_LETTER, LETTER_WIDTH] = [11, 0.6];

const keyOf = ({ layer, head }: HeadPlace) => `${layer},${head}`;

export class HeadsPicture {
  private readonly squares = new Map<string, HTMLButtonElement>();
  private ranking: HeadPlace[] | null = null;
  private drawn: HeadDrawing[] = [];
  private size = 0;
  private readonly more = h("p", { className: "more", hidden: true });

  /** Draws into an element. */
  constructor(
    private readonly element: HTMLElement,
    private readonly events: HeadsEvents,
  ) {}

  /** Lays out the squares: in the order of a ranking, or in a grid with a row for each layer. */
  layOut(heads: number[], ranking: HeadPlace[] | null, { size, gap }: { size: number; gap: number }, stacks: string[]): void {
    const root = this.element.getRootNode() as ShadowRoot | Document;
    const focused = [...this.squares].find(([, square]) => square === root.activeElement)?.[0];
    this.squares.clear();
    this.ranking = ranking;
    this.element.replaceChildren(ranking ? this.ranked(ranking, size) : this.grid(heads, size, gap, stacks));
    this.size = size;
    this.sayMore(ranking ? 0 : Math.max(...heads), size + gap);
    if (focused) this.squares.get(focused)?.focus();
  }

  /** Whether squares have room for numbers. */
  get hasNumbers(): boolean {
    return this.size >= NUMBERED;
  }

  private ranked(ranking: HeadPlace[], size: number): HTMLElement {
    return h("div", { role: "grid", "aria-label": "Heads, largest first" },
      h("div", { className: "ranked", role: "row" }, ...ranking.map((place) =>
        h("figure", { role: "presentation" },
          this.square(place, size),
          h("figcaption", { role: "presentation" }, `${place.layer}·${place.head}`)))));
  }

  /** Where a layer has more heads than fit, says so above the squares. */
  private sayMore(heads: number, pitch: number): void {
    const { element, more } = this;
    const seen = Math.floor((element.parentElement!.clientWidth - LAYER_LABEL) / pitch);
    more.hidden = !(seen > 0 && seen < heads);
    more.textContent = `${seen} of ${heads} heads are in sight: scroll sideways for the others, or widen the view.`;
    element.prepend(more);
  }

  private grid(heads: number[], size: number, gap: number, stacks: string[]): HTMLElement {
    const columns = range(Math.max(...heads));
    // Each square has a label with its layer and head.
    const axis = (text: string | number, className = "axis") => h("span", { className, "aria-hidden": "true" }, String(text));
    const labelled = (n: number, room: number) => n % Math.ceil(room / (size + gap)) === 0;
    const row = (count: number, layer: number) => h("div", { role: "row", style: { display: "contents" } },
      axis(labelled(layer, LAYER_NUMBER) ? [stacks[layer], layer].filter((part) => part !== "" && part !== undefined).join(" ") : "", "axis row"),
      ...columns.map((head) => (head < count ? this.square({ layer, head }, size) : h("span"))));
    return h("div", {
      className: "grid",
      role: "grid",
      "aria-label": "Heads: rows are layers",
      "aria-multiselectable": "true",
      style: { gap: `${gap}px`, gridTemplateColumns: `auto repeat(${columns.length}, ${size}px)` },
    }, axis("layer \\ head", "axis row"), ...columns.map((head) => axis(labelled(head, HEAD_NUMBER) ? head : "")), ...heads.map(row));
  }

  private square(place: HeadPlace, size: number): HTMLButtonElement {
    const square = h("button", {
      type: "button",
      className: "tile",
      role: "gridcell",
      tabIndex: -1,
      style: { width: `${size}px`, height: `${size}px` },
      onclick: (event: MouseEvent) => this.events.select(place, addsToSelection(event)),
      onpointerenter: () => this.events.pointed(place),
      onpointerleave: () => this.events.pointed(null),
      onfocus: () => {
        this.events.pointed(place);
        this.setTabStop(square);
      },
      onkeydown: (event: KeyboardEvent) => this.onKey(event, place),
    }, h("canvas"), h("span", { className: "value" }));
    this.squares.set(keyOf(place), square);
    return square;
  }

  private onKey(event: KeyboardEvent, place: HeadPlace): void {
    const focus = () => {
      const next = nextHead(event.key, place, this.ranking);
      if (next) this.squares.get(keyOf(next))?.focus();
    };
    runKey(event, { ArrowLeft: focus, ArrowRight: focus, ArrowUp: focus, ArrowDown: focus });
  }

  /** One square is reached by Tab, the others from there by arrow keys. */
  private setTabStop(square: HTMLButtonElement | undefined): void {
    for (const other of this.squares.values()) other.tabIndex = other === square ? 0 : -1;
  }

  /** Paints the heads; `entry` is reached by Tab until another one has had the focus. */
  draw(heads: HeadDrawing[], thumbnails: LayerThumbnails[], entry: HeadPlace): void {
    this.drawn = heads;
    const longest = this.hasNumbers ? Math.max(1, ...heads.map(({ value }) => value?.length ?? 0)) : 1;
    const letter = Math.min(LARGEST_LETTER, this.size, (this.size - 4) / (LETTER_WIDTH * longest));
    for (const { place, colour, selected, label, value, mark } of heads) {
      const square = this.squares.get(keyOf(place))!;
      const canvas = square.firstChild as HTMLCanvasElement;
      canvas.hidden = value !== null;
      const said = square.lastElementChild as HTMLElement;
      said.textContent = value === null ? "" : this.hasNumbers ? value : mark;
      said.style.fontSize = `${letter}px`;
      square.style.background = value === null ? "" : colour;
      square.style.color = value === null ? "" : inkOn(colour);
      if (value === null) paintThumbnail(canvas, thumbnails[place.layer]!, place.head, colour);
      square.setAttribute("aria-selected", String(selected));
      square.setAttribute("aria-label", label);
    }
    const squares = [...this.squares.values()];
    if (!squares.some((square) => square.tabIndex === 0)) this.setTabStop(this.squares.get(keyOf(entry)) ?? squares[0]);
  }

  /** A head's picture as a data URL. */
  private dataUrl(place: HeadPlace): string | undefined {
    const canvas = this.squares.get(keyOf(place))?.firstChild;
    return canvas instanceof HTMLCanvasElement ? canvas.toDataURL() : undefined;
  }

  svg(heads: number[], ink: string, scale: HeadScale | null): SvgPicture {
    const valued = new Map(this.drawn.map((drawing) => [keyOf(drawing.place), drawing]));
    return headsSvg(heads, ink, scale, (place) => {
      const { value = null, colour = "", selected = false } = valued.get(keyOf(place)) ?? {};
      return { url: value === null ? this.dataUrl(place) : undefined, value, colour, selected };
    });
  }
}

/** One head in shades of its colour. */
function paintThumbnail(canvas: HTMLCanvasElement, thumbnails: LayerThumbnails, head: number, colour: string): void {
  const opacity = thumbnailOpacity(thumbnails, head);
  const { r, g, b } = rgb(colour);
  paintPixels(canvas, thumbnails.cols, thumbnails.rows, (n) => [r, g, b, 255 * opacity[n]!]);
}

/** A head in a saved picture: its pattern, or its value. */
export interface HeadCell {
  url: string | undefined;
  value: string | null;
  colour: string;
  selected: boolean;
}

/** The colours of a statistic in a saved picture. */
export interface HeadScale {
  low: number;
  high: number;
  unit: string;
  ramp: Ramp;
}

/** A scale as a bar with its ends. */
function scaleSvg({ low, high, unit, ramp }: HeadScale, x: number, y: number): string {
  const bands = range(40).map((n) => `<rect x="${x + 60 + 4 * n}" y="${y}" width="4.3" height="10" fill="${ramp(n / 39)}"/>`);
  return `<text x="${x + 54}" y="${y + 9}" text-anchor="end">${formatNumber(low)}</text>${bands.join("")}` +
    `<text x="${x + 226}" y="${y + 9}">${formatNumber(high)} ${unit}</text>`;
}

/** The grid as SVG, each head a small picture or a number in it; `heads` is the number of each layer's heads. */
export function headsSvg(heads: number[], ink: string, scale: HeadScale | null, cellOf: (place: HeadPlace) => HeadCell): SvgPicture {
  const [size, gap, edge] = [56, 6, 44];
  const most = Math.max(...heads);
  const at = (n: number) => edge + n * (size + gap);
  const text = (x: number, y: number, content: string | number) => `<text x="${x}" y="${y}" text-anchor="middle">${content}</text>`;
  const square = (place: HeadPlace) => {
    const box = `x="${at(place.head)}" y="${at(place.layer)}" width="${size}" height="${size}"`;
    const { url, value, colour, selected } = cellOf(place);
    const [middle, baseline] = [at(place.head) + size / 2, at(place.layer) + size / 2 + 4];
    return (value === null ? "" : `<rect ${box} fill="${colour}"/><text x="${middle}" y="${baseline}" text-anchor="middle" fill="${inkOn(colour)}">${value}</text>`) +
      (url ? `<image ${box} preserveAspectRatio="none" style="image-rendering:pixelated" href="${url}"/>` : "") +
      `<rect ${box} fill="none" stroke="${ink}" stroke-width="${selected ? 2.5 : 1}" stroke-opacity="${selected ? 1 : 0.2}"/>`;
  };
  return {
    width: Math.max(at(most), scale ? 400 : 0),
    height: at(heads.length) + (scale ? 24 : 0),
    attributes: `font-family="sans-serif" font-size="12" fill="${ink}"`,
    body: [
      text(edge - 22, edge - 12, "layer"),
      text(at(most / 2), edge - 28, "head"),
      scale ? scaleSvg(scale, edge - 40, at(heads.length) + 4) : "",
      ...range(most).map((head) => text(at(head) + size / 2, edge - 12, head)),
      ...heads.flatMap((count, layer) => [
        text(edge - 22, at(layer) + size / 2 + 4, layer),
        ...range(count).map((head) => square({ layer, head })),
      ]),
    ].join(""),
  };
}
