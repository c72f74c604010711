// The heads of a layer as small pictures in a row: pointing at one shows it, a click keeps it.

import { rgb } from "d3-color";
import { paintPixels } from "../drawing/canvas";
import { inkOn, intensityScale } from "../drawing/colour";
import { headColour } from "../drawing/palette";
import type { LayerHeader } from "../protocol/headers";
import type { TraceSource } from "../protocol/trace_source";
import { headChips, press } from "../ui/controls";
import { h, range } from "../ui/dom";

export interface PickerEvents {
  toggle(head: number, adds: boolean): void;
  /** A head is pointed at; null where the pointer left. */
  pointed(head: number | null): void;
}

/** Rows and columns of a picture at most, and the weights of a layer up to which there are pictures. */
const SIDE = 24;
const MOST_WEIGHTS = 1 << 20;

export class HeadPicker {
  readonly element = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  /** What the pictures show. */
  private name = "";

  constructor(private readonly events: PickerEvents) {}

  /** Shows the heads of a layer, of a trace of that number; `heads` are selected. */
  draw(source: TraceSource, trace: number, layer: number, heads: number[], dark: boolean): void {
    const header = source.header.layers[layer]!;
    this.build(header.heads);
    this.chips.forEach((chip, head) => {
      const colour = headColour(head, dark);
      chip.style.setProperty("--chip", colour);
      chip.style.setProperty("--on-chip", inkOn(colour));
      press(chip, heads.includes(head));
    });
    const name = JSON.stringify([trace, layer, dark]);
    if (name === this.name) return;
    this.name = name;
    void this.paint(source, layer, header, name, dark);
  }

  private get chips(): HTMLElement[] {
    return [...this.element.children] as HTMLElement[];
  }

  private build(count: number): void {
    if (this.chips.length === count) return;
    this.name = "";
    this.element.replaceChildren(...headChips(count, this.events.toggle));
    this.chips.forEach((chip, head) => {
      chip.prepend(h("canvas", { hidden: true }));
      chip.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.events.pointed(head));
      chip.addEventListener("pointerleave", () => this.events.pointed(null));
    });
  }

  /** Paints the pictures, where the weights are in the browser and not too many. */
  private async paint(source: TraceSource, number: number, header: LayerHeader, name: string, dark: boolean): Promise<void> {
    const few = !source.remote && header.heads * header.queries * header.keys <= MOST_WEIGHTS;
    const layer = few ? await source.layer(number).catch(() => null) : null; // without pictures, numbers remain
    if (name !== this.name) return;
    this.element.classList.toggle("pictures", layer !== null);
    this.chips.forEach((chip, head) => {
      const canvas = chip.firstElementChild as HTMLCanvasElement;
      canvas.hidden = layer === null;
      if (layer) paintHead(canvas, layer.head(head), header, headColour(head, dark));
    });
  }
}

/** A head in shades of its colour; a cell is the largest of the weights that it covers. */
function paintHead(canvas: HTMLCanvasElement, weights: Float32Array, { queries, keys }: LayerHeader, colour: string): void {
  const [rows, cols] = [Math.min(SIDE, queries), Math.min(SIDE, keys)];
  const cells = new Float32Array(rows * cols);
  for (const i of range(queries)) {
    const start = Math.floor((i * rows) / queries) * cols;
    for (let j = 0; j < keys; j++) {
      const cell = start + Math.floor((j * cols) / keys);
      cells[cell] = Math.max(cells[cell]!, weights[i * keys + j]!);
    }
  }
  const share = intensityScale(cells.reduce((a, b) => Math.max(a, b), 0), false);
  const { r, g, b } = rgb(colour);
  paintPixels(canvas, cols, rows, (n) => [r, g, b, 255 * Math.sqrt(share(cells[n]!))]);
}
